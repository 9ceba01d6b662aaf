// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: calls that go wrong
 *
 * The fault rules: which call fails, is busy or slow, and how slow entries of SIE
 * are. Called by uvc.c for each call, by sie.c for each entry, and for the debugfs
 * file "faults". Knows nothing of the model.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "uvsim.h"

#define UVSIM_MAX_RULES		16

struct rule {
	bool used;
	u16 cmd, rc, rrc;
	u64 nth, count, seen, hits;
	u32 busy, busy_done, delay_us;
	u8 cc;
};

static struct rule rules[UVSIM_MAX_RULES];
static u32 sie_delay_us;

/**
 * uvsim_delay() - let time pass, as if the machine needed it
 * @us: how much, in microseconds
 *
 * Context: any, uvsim_lock is not held
 */
void uvsim_delay(u64 us)
{
	u64 end = ktime_get_ns() + us * NSEC_PER_USEC;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/**
 * uvsim_sie_delay_us() - how long an entry of SIE takes until it has an effect
 *
 * Context: any
 * Return: the microseconds.
 */
u32 uvsim_sie_delay_us(void)
{
	return READ_ONCE(sie_delay_us);
}

/**
 * uvsim_have_rules() - is there any fault rule?
 *
 * Context: any
 * Return: true if there is.
 */
bool uvsim_have_rules(void)
{
	return READ_ONCE(rules[0].used);
}

/**
 * uvsim_apply_rules() - apply the fault rules to a call
 * @cmd: its command
 * @rc: becomes the response that is to be injected, if any
 * @delay_us: becomes longer by the microseconds that the call is to take
 *
 * Context: uvsim_lock is held
 * Return: 2 or 3 if that is to be the condition code, and the call does not count;
 * 0 if it does.
 */
int uvsim_apply_rules(u16 cmd, u32 *rc, u64 *delay_us)
{
	struct rule *r;
	int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_RULES; i++) {
		r = &rules[i];
		if (!r->used || r->cmd != cmd || !r->busy || r->seen + 1 < r->nth ||
		    (r->count && r->seen + 1 >= r->nth + r->count))
			continue;
		if (r->busy_done < r->busy) {
			r->busy_done++;
			r->hits++;
			return r->cc;
		}
	}
	for (i = 0; i < UVSIM_MAX_RULES; i++) {
		r = &rules[i];
		if (!r->used || r->cmd != cmd)
			continue;
		r->seen++;
		r->busy_done = 0;
		if (r->busy || r->seen < r->nth || (r->count && r->seen >= r->nth + r->count))
			continue;
		r->hits++;
		if (r->rc)
			*rc = RC(r->rc, r->rrc);
		*delay_us += r->delay_us;
	}
	return 0;
}

int uvsim_faults_show(struct seq_file *m, void *v)
{
	struct rule *r;

	spin_lock_irq(&uvsim_lock);
	for (r = rules; r < rules + UVSIM_MAX_RULES; r++) {
		if (!r->used)
			continue;
		seq_printf(m, "cmd=0x%04x nth=%llu count=%llu", r->cmd, r->nth, r->count);
		if (r->rc)
			seq_printf(m, " rc=0x%x rrc=0x%x", r->rc, r->rrc);
		if (r->busy)
			seq_printf(m, " busy=%u cc=%u", r->busy, r->cc);
		if (r->delay_us)
			seq_printf(m, " delay_us=%u", r->delay_us);
		seq_printf(m, " hits=%llu\n", r->hits);
	}
	if (sie_delay_us)
		seq_printf(m, "sie_delay_us=%u\n", sie_delay_us);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_faults_set(char *text)
{
	struct rule rule = { .used = true, .nth = 1, .count = 1, .cc = 2 };
	bool only = true;
	u64 value;
	char *key;
	int i;

	if (!strcmp(text, "clear")) {
		spin_lock_irq(&uvsim_lock);
		memset(rules, 0, sizeof(rules));
		WRITE_ONCE(sie_delay_us, 0);
		spin_unlock_irq(&uvsim_lock);
		return 0;
	}
	for (; text; only = false) {
		key = uvsim_next_pair(&text, &value);
		if (!key)
			return -EINVAL;
		if (only && !text && !strcmp(key, "sie_delay_us") && value <= U32_MAX) {
			WRITE_ONCE(sie_delay_us, value);
			return 0;
		}
		if (!strcmp(key, "nth") && value)
			rule.nth = value;
		else if (!strcmp(key, "count"))
			rule.count = value;
		else if (value > U32_MAX)
			return -EINVAL;
		else if (!strcmp(key, "busy"))
			rule.busy = value;
		else if (!strcmp(key, "delay_us"))
			rule.delay_us = value;
		else if (value > U16_MAX)
			return -EINVAL;
		else if (!strcmp(key, "cmd"))
			rule.cmd = value;
		else if (!strcmp(key, "rc"))
			rule.rc = value;
		else if (!strcmp(key, "rrc"))
			rule.rrc = value;
		else if (!strcmp(key, "cc") && (value == 2 || value == 3))
			rule.cc = value;
		else
			return -EINVAL;
	}
	/* rc 1 would be success with cc 1, which does not exist. */
	if (!rule.cmd || rule.rc == 1 || (!rule.rc && !rule.busy && !rule.delay_us) ||
	    (rule.rc && rule.busy))
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_RULES && rules[i].used; i++)
		;
	if (i < UVSIM_MAX_RULES)
		rules[i] = rule;
	spin_unlock_irq(&uvsim_lock);
	return i < UVSIM_MAX_RULES ? 0 : -ENOSPC;
}
