// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bug that the Linux of make demo dies of: /proc/ledger keeps accounts, and
 * does not check whether the receiver of a payment has one.
 *
 *	open NAME AMOUNT
 *	pay FROM TO AMOUNT
 *
 * Each order is written to a journal. When a page of it is full, it is sealed: the
 * seal is the BLAKE2s of the seal before, of the first page 32 zeros, and the page.
 * It goes to the console, where everybody can see it, and who has the memory can
 * compute it again.
 */
#include <crypto/blake2s.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

struct account {
	struct list_head list;
	char owner[32];
	u64 balance;
	time64_t changed;
};

#define JOURNAL_PAGES	512

static LIST_HEAD(accounts);
static DEFINE_MUTEX(lock);

/*
 * Pages that are sealed do not change. Exported, as crash knows no other variables of
 * modules without CONFIG_KALLSYMS_ALL.
 */
char ledger_journal[JOURNAL_PAGES][PAGE_SIZE] __aligned(PAGE_SIZE);
EXPORT_SYMBOL_GPL(ledger_journal);
static unsigned int sealed, used;
static u8 seal[BLAKE2S_HASH_SIZE];

static void seal_page(void)
{
	struct blake2s_state state;

	blake2s_init(&state, sizeof(seal));
	blake2s_update(&state, seal, sizeof(seal));
	blake2s_update(&state, ledger_journal[sealed], PAGE_SIZE);
	blake2s_final(&state, seal);
	/* in a line of the console, which has 80 columns */
	pr_info("seal %u %*phN\n", sealed, BLAKE2S_HASH_SIZE, seal);
	sealed++;
}

static int write_journal(const char *order)
{
	char line[192];
	int len, part;

	if (sealed == JOURNAL_PAGES)
		return -ENOSPC;
	len = scnprintf(line, sizeof(line), "%llu %s\n", ktime_get_ns(), order);
	part = min_t(int, len, PAGE_SIZE - used);
	memcpy(ledger_journal[sealed] + used, line, part);
	used += part;
	if (used < PAGE_SIZE)
		return 0;
	seal_page();
	used = len - part;
	if (sealed < JOURNAL_PAGES)
		memcpy(ledger_journal[sealed], line + part, used);
	return 0;
}

static struct account *find_account(const char *owner)
{
	struct account *a;

	list_for_each_entry(a, &accounts, list)
		if (!strcmp(a->owner, owner))
			return a;
	return NULL;
}

/* noinline: the backtrace is to show how it came to this */
static noinline void credit_account(struct account *a, u64 amount)
{
	a->changed = ktime_get_real_seconds();
	a->balance += amount;
}

static noinline int transfer(const char *from, const char *to, u64 amount)
{
	struct account *a = find_account(from);

	if (!a || a->balance < amount)
		return -EINVAL;
	a->balance -= amount;
	credit_account(find_account(to), amount);
	return 0;
}

static noinline int execute_order(const char *order)
{
	char from[32], to[32];
	struct account *a;
	u64 amount;
	int ret = 0;

	mutex_lock(&lock);
	ret = write_journal(order);
	if (ret)
		goto out;
	if (sscanf(order, "open %31s %llu", from, &amount) == 2) {
		a = kzalloc(sizeof(*a), GFP_KERNEL);
		if (a) {
			strscpy(a->owner, from, sizeof(a->owner));
			a->balance = amount;
			list_add_tail(&a->list, &accounts);
		} else {
			ret = -ENOMEM;
		}
	} else if (sscanf(order, "pay %31s %31s %llu", from, to, &amount) == 3) {
		ret = transfer(from, to, amount);
	} else {
		ret = -EINVAL;
	}
out:
	mutex_unlock(&lock);
	return ret;
}

static ssize_t ledger_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	char order[128] = "";
	int ret;

	if (count >= sizeof(order))
		return -EINVAL;
	if (copy_from_user(order, buf, count))
		return -EFAULT;
	strim(order);
	ret = execute_order(order);
	return ret ?: count;
}

static const struct proc_ops ledger_ops = {
	.proc_write = ledger_write,
};

static int __init ledger_init(void)
{
	return proc_create("ledger", 0200, NULL, &ledger_ops) ? 0 : -ENOMEM;
}
module_init(ledger_init);

MODULE_DESCRIPTION("Accounts with a bug");
MODULE_LICENSE("GPL");
