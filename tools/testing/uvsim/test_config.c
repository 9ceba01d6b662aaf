// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: configurations and CPUs, from create to destroy
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "test.h"

void test_create_conf(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	const u64 asce = __pa(a->segments);

	row1(0x0100, "MSO too high", U64(0x38), t.max_addr, RC(0x0101, 0), 1);
	row1(0x0100, "MSO and MSL too high", U64(0x40), t.max_addr + SZ_1M, RC(0x0102, 0), 1);
	row1(0x0100, "MSL not in MiB", U64(0x40), GUEST_LEN + PAGE_SIZE, RC(0x0102, 0), 1);
	row1(0x0100, "ASCE: private bit off", U64(0x50), asce | 3, RC(0x0105, 0), 1);
	row1(0x0100, "ASCE: real space", U64(0x50), asce | 0x123, RC(0x0105, 0), 1);
	row1(0x0100, "base storage not accessible", U64(0x20), BEYOND, RC(0x0108, 0), 1);
	row1(0x0100, "end of the base storage outside of memory", U64(0x20),
	     __pa(high_memory) - PAGE_SIZE, RC(0x0108, 0), 1);
	row1(0x0100, "base storage not aligned", U64(0x20), __pa(a->base) + 8, RC(0x0108, 0), 1);
	row1(0x0100, "base storage is the Ultravisor's", U64(0x20), __pa(t.uv_stor),
	     RC(0x0108, 0), 1);
	row1(0x0100, "base storage in the lowcore", U64(0x20), PAGE_SIZE, RC(0x0109, 0), 1);
	row1(0x0100, "no SCA", U64(0x48), 0, RC(0x010c, 0), 1);
	row1(0x0100, "SCA not accessible", U64(0x48), BEYOND, RC(0x010d, 0), 1);
	row1(0x0100, "end of the SCA outside of memory", U64(0x48), __pa(high_memory) - 8,
	     RC(0x010d, 0), 1);
	row1(0x0100, "variable storage not accessible", U64(0x28), (u64)t.area + 3 * PAGE_SIZE,
	     RC(0x0183, 0), 1);
	row1(0x0100, "end of the variable storage not accessible", U64(0x28),
	     (u64)t.area + 2 * PAGE_SIZE, RC(0x0183, 0), 1);
	row1(0x0100, "variable storage not aligned", U64(0x28), (u64)a->var + 8,
	     RC(0x0183, 0), 1);
	row1(0x0100, "variable storage overlaps base storage", U64(0x28), (u64)a->base,
	     RC(0x0183, 0), 1);

	/* whatever was there before */
	memset(a->base, 0xff, t.base_len);
	memset(a->var, 0xff, t.var_len);
	row(0x0100, "success", OK, 0);
	a->conf = block64(0x18);
	result(a->conf, "0x0100 create config: handle");
	row1(0x0100, "the same once more", U64(0x18), a->conf, RC(0x0108, 0), 1);
	t.g = b;
	row1(0x0100, "ASCE in use", U64(0x50), asce | 0x103, RC(0x0104, 0), 1);
	row1(0x0100, "base storage in use", U64(0x20), __pa(a->base), RC(0x0108, 0), 1);
	row1(0x0100, "variable storage in use", U64(0x28), (u64)a->var, RC(0x0183, 0), 1);
	row(0x0100, "a second one", OK, 0);
	b->conf = block64(0x18);
	result(b->conf && b->conf != a->conf, "0x0100 create config: another handle");
	with(U64(0x20), __pa(t.low_stor));
	with(U64(0x28), (u64)t.low_stor + t.base_len);
	row1(0x0100, "more than there may be", U64(0x50), __pa(t.low_stor) | 0x103,
	     RC(0x0182, 0), 0);
	t.g = a;
}

/* Success of @cmd, after which nothing is pending; the state description is what it was */
static void nothing_to_inject(u16 cmd, struct guest *g)
{
	struct uvsim_sd *sd = (struct uvsim_sd *)g->sd, before;

	sd->iictl = 2;
	before = *sd;
	row(cmd, "success", OK, 0);
	before.iictl = 0;
	result(!memcmp(sd, &before, sizeof(before)),
	       "0x%04x %s: no interruption is left to inject", cmd, cmd_name(cmd));
}

void test_create_cpu(void)
{
	struct guest *a = t.g;

	row1(0x0120, "number too high", U16(0x36), t.max_cpu + 1, RC(0x0103, 0), 1);
	row1(0x0120, "storage not accessible", U64(0x28), BEYOND, RC(0x0105, 0), 1);
	row1(0x0120, "storage not aligned", U64(0x28), __pa(a->cpu_stor) + 8, RC(0x0105, 0), 1);
	row1(0x0120, "storage in use", U64(0x28), __pa(a->base), RC(0x0105, 0), 1);
	row1(0x0120, "storage in the lowcore", U64(0x28), PAGE_SIZE, RC(0x0106, 0), 1);
	row1(0x0120, "state description not accessible", U64(0x38), BEYOND, RC(0x0107, 0), 1);
	row1(0x0120, "state description not aligned", U64(0x38), __pa(a->sd) + 8,
	     RC(0x0107, 0), 1);
	nothing_to_inject(0x0120, a);
	a->cpu = block64(0x18);
	result(a->cpu, "0x0120 create cpu: handle");
	row1(0x0120, "same number", U64(0x28), __pa(t.low_stor), RC(0x0104, 0), 1);
	with(U64(0x28), __pa(t.low_stor));
	row1(0x0120, "highest number", U16(0x36), t.max_cpu, OK, 0);
	row1(0x0121, "highest number", U64(0x18), block64(0x18), OK, 0);
}

void test_cpu(void)
{
	static const u8 states[] = { 1, 2, 3, 5 }, bad_states[] = { 0, 4, 6, 0xff };
	char what[16];
	int i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		snprintf(what, sizeof(what), "state %u", states[i]);
		row1(0x0330, what, U8(0x27), states[i], OK, 0);
	}
	for (i = 0; i < ARRAY_SIZE(bad_states); i++) {
		snprintf(what, sizeof(what), "state %u", bad_states[i]);
		row1(0x0330, what, U8(0x27), bad_states[i], OPERAND, 1);
	}
	nothing_to_inject(0x0310, &t.guest[0]);
	nothing_to_inject(0x0311, &t.guest[0]);
	nothing_to_inject(0x0321, &t.guest[0]);
	row(0x0320, "success", OK, 0);
}

void test_destroy(void)
{
	struct guest *a = &t.guest[0];
	u64 conf = a->conf, cpu = a->cpu;

	row(0x0101, "a CPU is left", RC(0x0184, 0), 1);
	row(0x0121, "success", OK, 0);
	result(is_zero(a->cpu_stor, t.cpu_len), "0x0121 destroy cpu: storage cleared");
	a->cpu = 0;
	row1(0x0121, "twice", U64(0x18), cpu, INV_CPU, 1);
	must(0x0400);
	row(0x0101, "success, during a dump", OK, 0);
	result(is_zero(a->base, t.base_len) && is_zero(a->var, t.var_len),
	       "0x0101 destroy config: storage cleared");
	result(is_zero(t.frame[2], PAGE_SIZE), "0x0101 destroy config: secure page cleared");
	result(!is_zero(t.frame[9], PAGE_SIZE),
	       "0x0101 destroy config: what the host has is left alone");
	a->conf = 0;
	row1(0x0101, "twice", U64(0x18), conf, INV_CONF, 1);
	memset64(a->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
}

/* Fast destroy is there if it was asked for */
void test_destroy_fast(void)
{
	struct guest *a = &t.guest[0];
	static u8 kept[PAGE_SIZE];

	row1(0x0102, "not installed", U64(0x18), 1, INV_CMD, 1);
	order("qui", "calls0=0x%llx", t.calls0 | 1UL << 40);
	row1(0x0102, "unknown handle", U64(0x18), 1, INV_CONF, 1);
	row1(0x0102, "block too short", U16(0), 0x40, INV_LEN, 1);
	row1(0x0102, "block too long", U16(0), 0x50, INV_LEN, 1);
	row1(0x0102, "first reserved byte", U8(0x08), 1, RESERVED, 1);
	row1(0x0102, "last reserved byte", U8(0x47), 1, RESERVED, 1);
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	row(0x0102, "a CPU is left", RC(0x0184, 0), 1);
	must(0x0121);
	a->cpu = 0;
	must(0x0400);
	row(0x0102, "during a dump", RC(0x0104, 0), 0);
	must(0x0403);
	memcpy(kept, t.frame[0], PAGE_SIZE);
	row(0x0102, "success", OK, 0);
	result(is_zero(a->base, t.base_len) && is_zero(a->var, t.var_len),
	       "0x0102 destroy config fast: storage cleared");
	result(!memcmp(kept, t.frame[0], PAGE_SIZE),
	       "0x0102 destroy config fast: pages are as they were");
	row(0x0102, "twice", INV_CONF, 1);
	a->conf = 0;
	memset64(a->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
	order("qui", "calls0=0x%llx", t.calls0);
}

/* What else can become of a configuration */
void test_fates(void)
{
	static const u16 areas[] = { 0x0401, 0x0402, 0x0403 };
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	u64 handle;
	int i;

	t.g = a;
	order("faults", "cmd=0x0100 rc=0x8104");
	row(0x0100, "failed, has to be destroyed", RC(0x8104, 0), 0);
	a->conf = block64(0x18);
	result(a->conf, "0x0100 create config: handle in spite of that");
	map(a, FREE_ADDR, t.frame[8]);
	make_header(GOOD_PCF, 0, 0, 0);
	row(0x0120, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0200, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0300, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0320, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0340, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0342, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0400, "configuration has to be destroyed", RC(0x0102, 0), 0);
	row(0x0101, "configuration has to be destroyed", OK, 0);
	a->conf = 0;
	order("faults", "clear");

	start_guest(a, 0, PCF_PLAIN);
	row(0x0400, "the owner forbids it", RC(0x0101, 0), 0);
	handle = *(u64 *)a->base;
	*(u64 *)a->base = 0;
	row(0x0302, "donated storage was overwritten", INV_CONF, 2);
	*(u64 *)a->base = handle;
	end_guest(a);

	/* with the feature "MISC" off a shared page cannot change hands */
	order("qui", "features=0");
	start_guest(a, 0, GOOD_PCF);
	guest_does("share", IMAGE_ADDR, 0);
	create_conf(b);
	map(b, FREE_ADDR, t.frame[0]);
	row(0x0200, "page shared elsewhere, no MISC", RC(0x0187, 0), 0);
	end_guest(b);
	end_guest(a);
	order("qui", "features=0xc000000000000000");
	start_guest(a, 0, GOOD_PCF);
	guest_does("share", IMAGE_ADDR, 0);
	create_conf(b);
	map(b, FREE_ADDR, t.frame[0]);
	row(0x0200, "page shared elsewhere", OK, 0);
	end_guest(b);
	end_guest(a);

	/* a guest that ends where guests have to end */
	order("qui", "max_address=0x%x", GUEST_LEN);
	row(0x0100, "MSL is all that there may be", OK, 0);
	a->conf = block64(0x18);
	result(control("objects", "share gaddr=0x80000 tgid=1") == -ESRCH,
	       "order: VM of another process");
	end_guest(a);
	order("qui", "max_address=0x%llx", t.max_addr);

	/* two in one process: what a guest does is done in the newer one */
	start_guest(a, 0, GOOD_PCF);
	create_conf(b);
	map(b, FREE_ADDR, t.frame[8]);
	guest_does("share", FREE_ADDR, 0);
	map_image(b, 4);
	make_header(GOOD_PCF, 0, 0, 0);
	must(0x0300);
	unpack_image(IMAGE_PAGES);
	result(memcmp(t.frame[0], t.frame[4], PAGE_SIZE),
	       "0x0301 unpack: each configuration encrypts in another way");

	/* what is the host's at the end, or has become so, is not touched */
	memset(t.frame[4], 0xaa, PAGE_SIZE);
	pattern(t.frame[8], 77);
	end_guest(b);
	result(!memchr_inv(t.frame[4], 0xaa, PAGE_SIZE) && has_pattern(t.frame[8], 77),
	       "0x0101 destroy config: what is not the guest's any more is left alone");
	row1(0x0341, "page of a guest that has gone", U64(0x18), __pa(t.frame[8]),
	     RC(0x018a, 0), 0);
	row1(0x0202, "page of a guest that has gone", U64(0x18), __pa(t.frame[8]),
	     RC(0x0107, 0xd), 0);
	end_guest(a);

	/* whoever was told to come back may be dead by then */
	order("faults", "cmd=0x0402 busy=1 cc=3");
	order("faults", "cmd=0x0401 busy=1 cc=3");
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	must(0x0400);
	result(call(0x0402) == 0, "0x0402 dump cpu: busy");
	row(0x0121, "CPU dump is busy", OK, 0);
	a->cpu = 0;
	result(call(0x0401) == 0, "0x0401 dump storage state: busy");
	row(0x0101, "storage state is busy", OK, 0);
	a->conf = 0;
	memset64(a->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
	order("faults", "clear");

	/* firmware that wants more of an area than a doubleword */
	result(control("qui", "area_align=24") == -EINVAL, "alignment is no power of 2");
	order("qui", "area_align=0x1000");
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	must(0x0400);
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		row1(areas[i], "area not on a page", U64(0x20), (u64)t.area + 0x800,
		     RC(0x0107, 0), 1);
		row(areas[i], "area on a page", OK, 0);
	}
	end_guest(a);
	order("qui", "area_align=8");

	/* firmware that promises too little */
	order("qui", "stor_state_len=0xff0");
	order("qui", "finalize_len=0x11c");
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	must(0x0400);
	row(0x0401, "area too short for a MiB", RC(0x0108, 0), 0);
	row(0x0403, "area too short", RC(0x0108, 0), 0);
	end_guest(a);
	order("qui", "cpu_len=0x618");
	create_conf(a);
	row(0x0120, "storage too short for a dump", RC(0x0105, 1), 0);
	end_guest(a);
}
