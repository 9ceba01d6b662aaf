// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: live objects, and what guests do with their pages
 *
 * The debugfs file "objects". As no guest runs that could share a page, or touch
 * one, that can be ordered here. Called by image.c as well, when an image has
 * been verified.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "uvsim.h"

#define UVSIM_MAX_ORDERS	32

/*
 * Operations on pages, ordered through debugfs. Those for no process in
 * particular are done in each configuration as soon as it has been verified,
 * so that programs that never stop in between can be tested with them.
 */
static const struct page_op {
	const char *name;
	u32 (*call)(struct uvsim_conf *conf, u64 gaddr);
} page_ops[] = {
	{ "share", uvsim_share_page },
	{ "unshare", uvsim_unshare_page },
	{ "export", uvsim_export_page },
	{ "import", uvsim_import_page },
};

static struct { const struct page_op *op; u64 gaddr; } orders[UVSIM_MAX_ORDERS];

/**
 * uvsim_carry_out_orders() - what was ordered for each configuration
 * @conf: one that has been verified just now
 *
 * A violation for each order that cannot be carried out.
 *
 * Context: uvsim_lock is held
 */
void uvsim_carry_out_orders(struct uvsim_conf *conf)
{
	unsigned int i;
	u64 gaddr;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++) {
		gaddr = orders[i].gaddr;
		rc = orders[i].op->call(conf, gaddr);
		if (rc != RC_OK)
			uvsim_violation("%s of %llx: rc %x", orders[i].op->name, gaddr, rc);
	}
}

int uvsim_objects_show(struct seq_file *m, void *v)
{
	static const char * const names[] = { "new", "header", "unpacking", "verified", "broken" };
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	u64 pages = 0;
	unsigned int i, k;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; (conf = uvsim_next_conf(&i)); i++)
		pages += conf->used_pages;
	seq_printf(m, "configs %u\ncpus %u\npages %llu\n", uvsim_nr_confs, uvsim_nr_cpus, pages);
	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++)
		seq_printf(m, "%s gaddr=0x%llx\n", orders[i].op->name, orders[i].gaddr);
	for (i = 0; (conf = uvsim_next_conf(&i)); i++) {
		seq_printf(m, "config 0x%llx tgid %d state %s dump %d cpus %u pages %llu\n",
			   conf->handle, conf->tgid,
			   names[min_t(u32, conf->state, CONF_BROKEN)], conf->dumping,
			   conf->cpus, conf->used_pages);
		for (k = 0; (cpu = uvsim_next_cpu(&k)); k++) {
			if (cpu->conf_handle == conf->handle)
				seq_printf(m, "cpu 0x%llx num %u\n", cpu->handle, cpu->num);
		}
	}
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

/* Not @done is as after a reset of the machine: only "initialize" works. */
static int set_initialized(bool done)
{
	int ret = 0;

	spin_lock_irq(&uvsim_lock);
	if (uvsim_nr_confs) {
		ret = -EBUSY;
	} else {
		memset(&uvsim_uv_init, 0, sizeof(uvsim_uv_init));
		uvsim_uv_init.done = done;
	}
	spin_unlock_irq(&uvsim_lock);
	return ret;
}

static int order_page_op(const struct page_op *op, u64 gaddr)
{
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++)
		;
	if (i == UVSIM_MAX_ORDERS)
		return -ENOSPC;
	orders[i].op = op;
	orders[i].gaddr = gaddr;
	return 0;
}

static int do_page_op(const struct page_op *op, pid_t tgid, u64 gaddr)
{
	struct uvsim_conf *conf = uvsim_newest_conf(tgid);

	lockdep_assert_held(&uvsim_lock);
	if (!conf)
		return -ESRCH;
	uvsim_current_cmd = 0;
	switch (op->call(conf, gaddr)) {
	case RC_OK:
		return 0;
	case RC_NOT_MAPPED:
		return -ENXIO;
	case RC_PAGE_PINNED:
		return -EBUSY;
	case RC_PAGE_INTEGRITY:
		return -EBADMSG;
	default:
		return -EINVAL;
	}
}

int uvsim_objects_set(char *text)
{
	char *name = strsep(&text, " \t"), *key;
	const struct page_op *op = NULL;
	u64 value, gaddr = 0, tgid = 0;
	bool where = false;
	unsigned int i;
	int ret;

	if (!text && (!strcmp(name, "init") || !strcmp(name, "uninit")))
		return set_initialized(!strcmp(name, "init"));
	if (!text && !strcmp(name, "clear")) {
		spin_lock_irq(&uvsim_lock);
		memset(orders, 0, sizeof(orders));
		spin_unlock_irq(&uvsim_lock);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(page_ops) && !op; i++) {
		if (!strcmp(name, page_ops[i].name))
			op = &page_ops[i];
	}
	while (text) {
		key = uvsim_next_pair(&text, &value);
		if (key && !strcmp(key, "gaddr")) {
			gaddr = value;
			where = true;
		} else if (key && !strcmp(key, "tgid")) {
			tgid = value;
		} else {
			return -EINVAL;
		}
	}
	if (!op || !where)
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	ret = tgid ? do_page_op(op, tgid, gaddr) : order_page_op(op, gaddr);
	spin_unlock_irq(&uvsim_lock);
	return ret;
}
