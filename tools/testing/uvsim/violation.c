// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: what the kernel must not do
 *
 * Counts violations and keeps the first ones in words. Called by whoever of the
 * simulator finds one, and for the debugfs file "violations". Knows nothing of
 * the model.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include "uvsim.h"

#define UVSIM_MAX_TEXTS		32

static u64 nr_violations;
static char violation_text[UVSIM_MAX_TEXTS][112];

static __printf(1, 0) void add_violation(const char *fmt, va_list args)
{
	char *text;
	int n;

	lockdep_assert_held(&uvsim_lock);
	if (nr_violations < UVSIM_MAX_TEXTS) {
		text = violation_text[nr_violations];
		n = scnprintf(text, sizeof(violation_text[0]), "cmd 0x%04x tgid %d: ",
			      uvsim_current_cmd, current->tgid);
		vscnprintf(text + n, sizeof(violation_text[0]) - n, fmt, args);
	}
	nr_violations++;
}

/**
 * uvsim_violation() - count what the kernel must not do
 * @fmt: what it was, in words; the command and the process are put in front
 *
 * Context: uvsim_lock is held
 */
void uvsim_violation(const char *fmt, ...)
{
	va_list args;

	lockdep_assert_held(&uvsim_lock);
	va_start(args, fmt);
	add_violation(fmt, args);
	va_end(args);
}

/* The same for who does not have the lock: what a guest does and we cannot */
void uvsim_complain(const char *fmt, ...)
{
	unsigned long flags;
	va_list args;

	spin_lock_irqsave(&uvsim_lock, flags);
	uvsim_current_cmd = 0;
	va_start(args, fmt);
	add_violation(fmt, args);
	va_end(args);
	spin_unlock_irqrestore(&uvsim_lock, flags);
}

int uvsim_violations_show(struct seq_file *m, void *v)
{
	u64 i;

	spin_lock_irq(&uvsim_lock);
	seq_printf(m, "%llu\n", nr_violations);
	for (i = 0; i < min_t(u64, nr_violations, UVSIM_MAX_TEXTS); i++)
		seq_printf(m, "%s\n", violation_text[i]);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_violations_set(char *text)
{
	spin_lock_irq(&uvsim_lock);
	nr_violations = 0;
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

/**
 * uvsim_violations() - number of violations
 * @clear: begin anew
 *
 * Return: the number up to now
 */
u64 uvsim_violations(bool clear)
{
	u64 n;

	spin_lock_irq(&uvsim_lock);
	n = nr_violations;
	if (clear)
		nr_violations = 0;
	spin_unlock_irq(&uvsim_lock);
	return n;
}
EXPORT_SYMBOL_GPL(uvsim_violations);
