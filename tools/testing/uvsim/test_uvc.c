// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: what all calls have in common; query and initialize
 */
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include "test.h"

void test_uninitialized(void)
{
	int i;

	order("objects", "uninit");
	for (i = 0; i < nr_cmds; i++) {
		if (cmds[i].cmd == 0x0001)
			row(0x0001, "before the initialization", OK, 0);
		else if (cmds[i].cmd == 0x0102)
			row(0x0102, "before the initialization, not installed", INV_CMD, 1);
		else if (cmds[i].cmd != 0x000f)
			row(cmds[i].cmd, "before the initialization", INV_STATE, 1);
	}
}

void test_init(void)
{
	u64 end = __pa(high_memory);
	unsigned int cpu;

	if (num_online_cpus() > 1)
		row(0x000f, "other CPUs are running", RC(0x0102, 0), 0);
	else
		result(true, "0x000f init: other CPUs are running # SKIP there is one CPU");
	for_each_present_cpu(cpu) {
		if (cpu && cpu_online(cpu) && remove_cpu(cpu))
			result(false, "CPU %u does not go offline", cpu);
	}
	row1(0x000f, "storage too short", U64(0x20), SZ_1M - 8, RC(0x0103, 0), 0);
	row1(0x000f, "storage outside of memory", U64(0x18), end, RC(0x0104, 0), 0);
	with(U64(0x18), end - SZ_1M);
	row1(0x000f, "end of the storage outside of memory", U64(0x20), SZ_2M, RC(0x0105, 0), 0);
	row1(0x000f, "storage below 2 GiB", U64(0x18), __pa(t.low_stor), RC(0x0108, 0), 0);
	with(U64(0x18), __pa(t.uv_stor) + 0x123);
	row1(0x000f, "bits that do not count", U64(0x20), SZ_1M + 8, OK, 0);
	row(0x000f, "twice", RC(0x0101, 0), 1);
	for_each_present_cpu(cpu) {
		if (!cpu_online(cpu) && add_cpu(cpu))
			result(false, "CPU %u does not go online", cpu);
	}
}

/* For each call; none of these gets beyond the checks that are common */
void test_common(void)
{
	u64 count;
	u16 cmd;
	int i, cc;

	for (i = 0; i < nr_cmds; i++) {
		cmd = cmds[i].cmd;
		/* that length is good for query, which has rows of its own */
		if (cmd != 0x0001) {
			row1(cmd, "block too short", U16(0), cmds[i].len - 8, INV_LEN, 1);
			row1(cmd, "block too long", U16(0), cmds[i].len + 8, INV_LEN, 1);
			row1(cmd, "first reserved byte", U8(0x08), 1, RESERVED, 1);
		}
		if (cmds[i].tail)
			row1(cmd, "last reserved byte", U8(cmds[i].tail), 1, RESERVED, 1);
		row1(cmd, "length 0", U16(0), 0, INV_LEN, 1);

		fill_block(cmd);
		cc = uvc(0, (void *)t.area + 3 * PAGE_SIZE);
		result(cc == ACCESS_EXCEPTION, "0x%04x %s: block not accessible", cmd,
		       cmds[i].name);
		memcpy(t.area + 3 * PAGE_SIZE - 8, block, 8);
		cc = uvc(0, t.area + 3 * PAGE_SIZE - 8);
		result(cc == ACCESS_EXCEPTION, "0x%04x %s: end of the block not accessible",
		       cmd, cmds[i].name);

		/* the third time it is not busy any more */
		order("faults", "clear");
		order("faults", "cmd=0x%x busy=2 cc=%u", cmd, i % 2 + 2);
		put(block, U16(0), 0);
		count = violations(false);
		cc = uvc(0, block) * 100;
		cc += uvc(0, block) * 10;
		if (!block16(4) && !block16(6) && violations(false) == count)
			cc += uvc(0, block);
		result(cc == (i % 2 + 2) * 110 + 1 && block16(4) == (u16)INV_LEN,
		       "0x%04x %s: busy twice with cc %u, then the answer", cmd,
		       cmds[i].name, i % 2 + 2);
	}
	order("faults", "clear");

	fill_block(0x0320);
	count = violations(false);
	cc = uvc(1, block);
	result(cc == 1 && violations(false) == count + 2, "first operand is not zero");
	result(uvc_with_r3(block) == SPECIFICATION, "R3 is not zero: specification exception");
	result(uvc(0, block + 4) == SPECIFICATION, "block not aligned: specification exception");
	order("faults", "cmd=0x0320 rc=0x7 rrc=0x9");
	row(0x0320, "cannot resume (by a fault rule)", RC(0x0007, 0x9), 0);
}

void test_handles(void)
{
	int i, k;

	for (i = 0; i < nr_cmds; i++) {
		static const struct { const char *what; s64 delta; } other[] = {
			{ "handle of another slot", 1 },
			{ "handle of another time", 1 << 16 },
			{ "handle of a slot that is not there", 0xffff },
		};
		u64 handle = cmds[i].handle == CONF ? t.g->conf : t.g->cpu;
		u32 rc = cmds[i].handle == CONF ? INV_CONF : INV_CPU;
		u32 field = cmds[i].cmd == 0x0120 ? U64(0x20) : U64(0x18);

		/* not installed */
		if (cmds[i].handle == NONE || cmds[i].cmd == 0x0102)
			continue;
		row1(cmds[i].cmd, "handle 0", field, 0, rc, 1);
		for (k = 0; k < ARRAY_SIZE(other); k++)
			row1(cmds[i].cmd, other[k].what, field, handle + other[k].delta, rc, 1);
		row1(cmds[i].cmd, "handle of the wrong kind", field,
		     cmds[i].handle == CONF ? t.g->cpu : t.g->conf, rc, 1);
	}
}

/* Calls of a guest, calls that are not there */
void test_not_installed(void)
{
	static const struct { u16 cmd, bit; const char *what; } calls[] = {
		{ 0x4242, 0, "nonsense" },
		{ 0x0000, 0, "nothing" },
		{ 0xffff, 0, "everything" },
		{ 0x0002, 34, "query keys" },
		{ 0x0404, 0, "behind the dump calls" },
		{ 0x1000, 8, "share, by the host" },
		{ 0x1001, 9, "unshare, by the host" },
		{ 0x1020, 28, "attestation, by the host" },
		{ 0x1031, 29, "add secret, by the host" },
		{ 0x1033, 30, "list secrets, by the host" },
		{ 0x1034, 31, "lock secrets, by the host" },
		{ 0x1035, 33, "retrieve secret, by the host" },
	};
	u64 installed;
	int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		row(calls[i].cmd, calls[i].what, INV_CMD, 1);
		if (!calls[i].bit)
			continue;
		call(0x0001);
		installed = block64(0x10 + calls[i].bit / 64 * 8);
		result(!(installed & 1UL << (63 - calls[i].bit % 64)),
		       "0x0001 query: bit %u is off", calls[i].bit);
	}
}

void test_query(void)
{
	static const struct { u16 off; u64 value; const char *what; } fields[] = {
		{ 0x10, 0xff1ffef000000000UL, "installed calls" },
		{ 0x40, SZ_1M, "length of the base storage" },
		{ 0x68, 0x1000, "length of CPU storage and dump" },
		{ 0x80, 0x800000000000UL, "guest addresses" },
		{ 0xa0, 0xc000000000000000UL, "features" },
		{ 0xb0, 0x8000000000000000UL, "SE header versions" },
		{ 0xb8, 0x300050e3, "plaintext control flags" },
		{ 0xc8, 0x1000, "length of the storage state" },
		{ 0xd0, 0x1000, "length of the completion data" },
	};
	int i;

	row1(0x0001, "length 0xa0", U16(0), 0xa0, INV_LEN, 1);
	row1(0x0001, "length 0xac", U16(0), 0xac, INV_LEN, 1);
	row1(0x0001, "length 0xa8", U16(0), 0xa8, RC(0x0100, 0), 0);
	result(is_zero(block + 0xa8, BLOCK_LEN - 0xa8),
	       "0x0001 query: no more than that is written");
	row1(0x0001, "length 0xc8", U16(0), 0xc8, RC(0x0100, 0), 0);
	row1(0x0001, "length 0x100", U16(0), 0x100, RC(0x0100, 0), 0);
	row(0x0001, "all", OK, 0);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (block64(fields[i].off) != fields[i].value)
			print("# %llx\n", block64(fields[i].off));
		result(block64(fields[i].off) == fields[i].value, "0x0001 query: %s",
		       fields[i].what);
	}
}
