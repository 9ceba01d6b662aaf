// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: what guests did, in numbers, for debugfs
 *
 * Counted without a lock, on several CPUs: near enough.
 */
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include "guest.h"

static u64 stats[GUEST_STATS];
static const char * const names[GUEST_STATS] = {
	[STAT_ENTER] = "entries to SIE",
	[STAT_SLICES] = "worlds entered",
	[STAT_RELOAD] = "control registers loaded",
	[STAT_SVC] = "svc",
	[STAT_PGM] = "program interruptions of the guest",
	[STAT_FAULT] = "shadow faults",
	[STAT_MAP] = "pages mapped",
	[STAT_HOST_FAULT] = "host faults",
	[STAT_PRIVILEGED] = "privileged",
	[STAT_INTERCEPT] = "interceptions",
	[STAT_WAIT] = "waits",
	[STAT_SPACE] = "spaces made",
	[STAT_DROP] = "spaces dropped",
	[STAT_UNMAP] = "pages unmapped",
	[STAT_EXT] = "external interruptions of the host",
	[STAT_IO] = "I/O interruptions of the host",
	[STAT_PATCHED] = "instructions made to trap",
	[STAT_PV_PAGE] = "pages decrypted",
	[STAT_PV_FLUSH] = "pages encrypted",
};

#define MAX_OPS	128

static struct { u16 op; u64 n; } ops[MAX_OPS];

void uvsim_count(enum uvsim_stat what)
{
	stats[what]++;
}

void uvsim_count_insn(const u16 *insn)
{
	u16 op = insn[0] & 0xff00;
	unsigned int i;

	if (op == 0xb200 || op == 0xb900 || op == 0xe500 || op == 0xc800)
		op = insn[0];
	else if (op == 0xeb00 || op == 0xe300)
		op |= insn[2] & 0xff;
	for (i = 0; i < MAX_OPS; i++) {
		if (!ops[i].op)
			ops[i].op = op;
		if (ops[i].op == op) {
			ops[i].n++;
			return;
		}
	}
}

int uvsim_sie_show(struct seq_file *m, void *v)
{
	unsigned int i;

	for (i = 0; i < GUEST_STATS; i++) {
		if (names[i])
			seq_printf(m, "%s %llu\n", names[i], stats[i]);
	}
	for (i = 0; i < MAX_OPS && ops[i].op; i++)
		seq_printf(m, "instruction %04x %llu\n", ops[i].op, ops[i].n);
	return 0;
}

int uvsim_sie_set(char *text)
{
	memset(stats, 0, sizeof(stats));
	memset(ops, 0, sizeof(ops));
	return 0;
}
