// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: the state of the CPU: PSW, control registers, clocks, prefix, and that all
 * registers stay what they are
 */
#include "metal.h"

TEST(system_mask)
{
	u64 *a = area();
	struct run x = { .r[2] = (u64)a, .mask = PSW_BASE | PSW_MCHK };

	good(&x, INSN(0xad03, 0x2000));		/* STOSM */
	is(*(u8 *)a, 0);
	is(x.mask, PSW_BASE | PSW_MCHK | PSW_IO | PSW_EXT);
	good(&x, INSN(0xacfd, 0x2000));		/* STNSM */
	is(*(u8 *)a, 3);
	is(x.mask, PSW_BASE | PSW_MCHK | PSW_EXT);
	*(u8 *)a = 2;
	good(&x, INSN(0x8000, 0x2000));		/* SSM */
	is(x.mask, PSW_BASE | PSW_MCHK | PSW_IO);
	if (is_bare)		/* TCG has no suppression control */
		return;
	set_cr(0, get_cr(0) | CR0_SSM);
	bad(&x, INSN(0x8000, 0x2000), 0x13);
	set_cr(0, get_cr(0) & ~CR0_SSM);
}

TEST(load_psw)
{
	u64 *a = area(), to = code_addr() + 4;
	struct run x = { .r[2] = (u64)a };

	a[0] = PSW_BASE | 2UL << 44 | 0x0000080000000000;
	a[1] = to;
	good(&x, INSN(0xb2b2, 0x2000));		/* LPSWE */
	is(x.mask, a[0]);
	if (is_bare)		/* TCG takes what it gets */
		return;
	/* of 31 bits */
	a[0] = 0x0008000080000000 | 1UL << 44 | to;
	x.mask = PSW_BASE;
	good(&x, INSN(0x8200, 0x2000));		/* LPSW */
	is(x.mask, 0x0000000080000000 | 1UL << 44);
	/* without the bit that says so */
	a[0] = 0x0000000080000000 | to;
	x.mask = PSW_BASE;
	bad(&x, INSN(0x8200, 0x2000), 6);
}

/* A PSW that is not valid is loaded, and then it is not valid. */
TEST(load_psw_that_is_not_valid)
{
	static const u64 bad_psws[][2] = {
		{ PSW_BASE | 0x8000000000000000, 0x4000 },
		{ PSW_BASE | 0x0800000000000000, 0x4000 },
		{ PSW_BASE | 0x0008000000000000, 0x4000 },
		{ PSW_BASE | 1, 0x4000 },
		{ 0x0000000100000000, 0x4000 },
		{ 0x0000000080000000, 0x80000000 },
		{ 0, 0x1000000 },
	};
	u64 *a = area();

	if (is_bare)		/* TCG has no such check */
		return;
	for (unsigned int i = 0; i < sizeof(bad_psws) / 16; i++) {
		struct run x = { .r[2] = (u64)a };

		copy(a, bad_psws[i], 16);
		run(&x, INSN(0xb2b2, 0x2000));
		is(x.class, PGM);
		is(x.pgm_code, 6);
		is(x.mask, a[0]);
		is(x.addr, a[1]);
	}
}

TEST(extract_psw)
{
	struct run x = {
		.r[1] = 0x1111111111111111, .r[2] = 0x2222222222222222,
		.mask = PSW_BASE | PSW_MCHK | 3UL << 44,
	};

	good(&x, INSN(0xb98d, 0x0012));
	is(x.r[1], 0x1111111100043001);
	is(x.r[2], 0x2222222280000000);
	good(&x, INSN(0xb98d, 0x0010));
	is(x.r[0], 0);
	/* in problem state as well; what is shown there of the masks is not the guest's */
	x.mask = PSW_BASE | PSW_PROBLEM | 1UL << 44;
	good(&x, INSN(0xb98d, 0x0010));
	is(x.r[1] & 0x00013000, 0x00011000);
}

TEST(keys_of_the_psw)
{
	struct run x = { .r[2] = 0x22222222222222ff };

	good(&x, INSN(0xb20a, 0x0060));		/* SPKA */
	is(x.mask, PSW_BASE | 6UL << 52);
	if (is_bare)		/* TCG has no IPK, and SPKA not for the problem state */
		return;
	good(&x, INSN(0xb20b, 0x0000));		/* IPK */
	is(x.r[2], 0x2222222222222260);
	/* in problem state the key mask says which */
	set_cr(3, 0x02000000);
	x.mask = PSW_BASE | PSW_PROBLEM;
	good(&x, INSN(0xb20a, 0x0060));
	x.mask = PSW_BASE | PSW_PROBLEM;
	bad(&x, INSN(0xb20a, 0x0070), 2);
	set_cr(3, 0);
}

TEST(control_registers)
{
	u64 *a = area();
	struct run x = { .r[2] = (u64)a };

	set_cr(2, 0x1111111111111111);
	set_cr(3, 0x3333333333333333);
	good(&x, INSN(0xeb23, 0x2000, 0x0025));	/* STCTG */
	is(a[0], 0x1111111111111111);
	is(a[1], 0x3333333333333333);
	is(a[2], 0x5555555555555555);
	*(u32 *)a = 0x22222222;
	good(&x, INSN(0xb722, 0x2000));		/* LCTL: the right half */
	is(get_cr(2), 0x1111111122222222);
	good(&x, INSN(0xb632, 0x2000));		/* STCTL 3,2: all, from 3 on */
	is(((u32 *)a)[0], 0x33333333);
	is(((u32 *)a)[15], 0x22222222);
	is(((u32 *)a)[16], 0x55555555);
	set_cr(2, 0);
	set_cr(3, 0x3333);
	if (is_bare)		/* TCG has no EPAR, no ESAR */
		return;
	set_cr(4, 0x0000000000440444);
	good(&x, INSN(0xb226, 0x0010));		/* EPAR */
	is((u32)x.r[1], 0x0444);
	good(&x, INSN(0xb227, 0x0010));		/* ESAR */
	is((u32)x.r[1], 0x3333);
	x.mask = PSW_BASE | PSW_PROBLEM;
	bad(&x, INSN(0xb226, 0x0010), 2);
	set_cr(0, get_cr(0) | CR0_EXTRACT);
	x.mask = PSW_BASE | PSW_PROBLEM;
	good(&x, INSN(0xb226, 0x0010));
	set_cr(0, get_cr(0) & ~CR0_EXTRACT);
	set_cr(3, 0);
	set_cr(4, 0);
}

TEST(clocks)
{
	u64 *a = area(), before;
	struct run x = { .r[2] = (u64)a };

	a[0] = 0x7fffffff12345000;
	good(&x, INSN(0xb206, 0x2000));		/* SCKC */
	a[0] = 0;
	good(&x, INSN(0xb207, 0x2000));		/* STCKC */
	is(a[0], 0x7fffffff12345000);
	a[0] = ~0UL;
	good(&x, INSN(0xb206, 0x2000));
	a[0] = 0;
	good(&x, INSN(0xb207, 0x2000));
	is(a[0], ~0UL);
	before = 0x4000000000000000;
	a[0] = before;
	good(&x, INSN(0xb208, 0x2000));		/* SPT */
	for (unsigned int i = 0; i < 20; i++) {
		good(&x, INSN(0xb209, 0x2000));	/* STPT */
		is(a[0] < before && a[0] > 0x3f00000000000000, 1);
		before = a[0];
	}
	before = 0;
	for (unsigned int i = 0; i < 20; i++) {
		good(&x, INSN(0xb205, 0x2000));	/* STCK */
		is(a[0] > before, 1);
		before = a[0];
	}
}

TEST(tod_programmable_register)
{
	u64 *a = area();
	struct run x = { .r[0] = 0x4321, .r[2] = (u64)a };

	good(&x, INSN(0x0107));
	good(&x, INSN(0xb278, 0x2000));		/* STCKE */
	is(((u16 *)a)[7], 0x4321);
	x.r[0] = 0x14321;
	bad(&x, INSN(0x0107), 6);
	x.r[0] = 0;
	good(&x, INSN(0x0107));
}

static void set_prefix(u32 prefix)
{
	asm volatile("	spx	%0\n" : : "Q" (prefix) : "memory");
}

/* Where real is absolute, and where it is not */
TEST(prefix)
{
	u64 *a = area(), *moved = (u64 *)0x200000, *own = (u64 *)lowcore();
	struct run x = { .r[2] = (u64)a };

	*(u32 *)a = 0xffffffff;
	good(&x, INSN(0xb211, 0x2000));		/* STPX */
	is(*(u32 *)a, 0);
	own[0x1800 / 8] = 0x5678;
	moved[0x1800 / 8] = 0x1234;
	set_lowcore((u8 *)moved);
	set_prefix(0x80201fff);			/* 18 bits of these */
	is(own[0x1800 / 8], 0x1234);
	is(moved[0x1800 / 8], 0x5678);
	own[0x1808 / 8] = 0x4321;
	/* interruptions are by this one now */
	good(&x, INSN(0xb211, 0x2000));
	is(*(u32 *)a, 0x00200000);
	set_prefix(0);
	is(own[0x1800 / 8], 0x5678);
	is(moved[0x1808 / 8], 0x4321);
	*(u32 *)a = 0x40000000;
	bad(&x, INSN(0xb210, 0x2000), 5);	/* SPX */
}

TEST(cpu_id_and_address)
{
	u64 *a = area();
	struct run x = { .r[2] = (u64)a };

	good(&x, INSN(0xb212, 0x2000));		/* STAP */
	is(((u16 *)a)[0], 0);
	is(((u16 *)a)[1], 0x5555);
	good(&x, INSN(0xb202, 0x2000));		/* STIDP */
	is(a[0] == 0x5555555555555555, 0);
	is(a[1], 0x5555555555555555);
}

TEST(facility_list)
{
	u64 *a = area(), first;
	struct run x = { .r[0] = 0, .r[2] = (u64)a };

	/* there is more of it than one doubleword */
	good(&x, INSN(0xb2b0, 0x2000));
	is(cc_of(&x), 3);
	is(x.r[0] >= 2, 1);
	is(a[1], 0x5555555555555555);
	first = a[0];
	/* STFLE itself, z/Architecture installed and active */
	is(first >> 56 & 0x61, 0x61);
	x.r[0] = 31;
	x.r[2] = (u64)area();
	good(&x, INSN(0xb2b0, 0x2000));
	is(cc_of(&x), 0);
	is(a[0], first);
	is(a[x.r[0]] != 0x5555555555555555, 1);
	is(a[x.r[0] + 1], 0x5555555555555555);
	good(&x, INSN(0xb2b1, 0x0000));		/* STFL */
	is(*(u32 *)(lowcore() + 0xc8), first >> 32);
	x.r[2]++;
	bad(&x, INSN(0xb2b0, 0x2000), 6);
	/* in problem state, too */
	x.mask = PSW_BASE | PSW_PROBLEM;
	x.r[0] = 0;
	x.r[2]--;
	good(&x, INSN(0xb2b0, 0x2000));
	/* a place in two pages of which the second is not there: see dat.c */
}

TEST(real_storage)
{
	u64 *a = area();
	struct run x = { .r[1] = 0x0123456789abcdef, .r[2] = (u64)a };

	good(&x, INSN(0xb925, 0x0012));		/* STURG */
	is(a[0], 0x0123456789abcdef);
	good(&x, INSN(0xb246, 0x0012));		/* STURA */
	is(a[0], 0x89abcdef89abcdef);
	x.r[1] = ~0UL;
	good(&x, INSN(0xb24b, 0x0012));		/* LURA */
	is(x.r[1], 0xffffffff89abcdef);
	good(&x, INSN(0xb905, 0x0012));		/* LURAG */
	is(x.r[1], 0x89abcdef89abcdef);
}

/* R1 is compared and loaded, R1 + 1 stored; the low bits of R2 say what is purged */
TEST(compare_and_swap_and_purge)
{
	static const struct {
		u16 insn[3];
		int wide;
	} ops[] = { { { 0xb250, 0x0042 }, 0 }, { { 0xb98a, 0x0042 }, 1 } };

	for (unsigned int i = 0; i < 2; i++) {
		u64 *a = area(), high = ops[i].wide ? 0 : 0xffffffff00000000;
		struct run x = {
			.r[2] = (u64)a | 3, .r[4] = 0x5555555555555555, .r[5] = 0x6666666666666666,
		};

		context = ops[i].wide ? "cspg" : "csp";
		good(&x, ops[i].insn);
		is(cc_of(&x), 0);
		is(a[0], ops[i].wide ? 0x6666666666666666 : 0x6666666655555555);
		is(a[1], 0x5555555555555555);
		x.r[4] = 0x7777777777777777;
		x.mask = PSW_BASE;
		good(&x, ops[i].insn);
		is(cc_of(&x), 1);
		is(x.r[4], (0x7777777777777777 & high) | (0x6666666666666666 & ~high));
		is(a[0], ops[i].wide ? 0x6666666666666666 : 0x6666666655555555);
		/* an odd register */
		bad(&x, ops[i].wide ? INSN(0xb98a, 0x0052) : INSN(0xb250, 0x0052), 6);
	}
}

/* Through interceptions and interruptions of the host, of which there are many */
TEST(all_registers_stay)
{
	static u8 vectors[512] __attribute__((aligned(16))), after[512] __attribute__((aligned(16)));
	static u32 acrs[16], acrs_after[16];
	u64 *a = area();
	u32 fpc = 0x00f80000, fpc_after;

	for (unsigned int i = 0; i < sizeof(vectors); i++)
		vectors[i] = i * 7 + 1;
	for (unsigned int i = 0; i < 16; i++)
		acrs[i] = i * 0x01010101 + 5;
	asm volatile("	lfpc	%0\n" : : "Q" (fpc));
	asm volatile("	lgr	1,%0\n"
		"	.word	0xe70f,0x1000,0x0036\n"	/* VLM */
		"	.word	0xe70f,0x1100,0x0c36\n"
		"	lam	0,15,0(%1)\n"
		: : "a" (vectors), "a" (acrs) : "1", "memory");
	for (unsigned int n = 0; n < 200; n++) {
		struct run x = { .r[2] = (u64)a };

		for (unsigned int i = 3; i < 16; i++)
			x.r[i] = n * 0x0101010101010101UL + i;
		/* one that only the host executes now and then */
		run(&x, n % 16 ? INSN(0xb202, 0x2000) : INSN(0x8300, 0x0044));
		for (unsigned int i = 3; i < 16; i++) {
			if (x.r[i] != n * 0x0101010101010101UL + i)
				fail(__LINE__, "register", x.r[i], n * 0x0101010101010101UL + i);
		}
	}
	asm volatile("	lgr	1,%0\n"
		"	.word	0xe70f,0x1000,0x003e\n"	/* VSTM */
		"	.word	0xe70f,0x1100,0x0c3e\n"
		"	stam	0,15,0(%1)\n"
		: : "a" (after), "a" (acrs_after) : "1", "memory");
	asm volatile("	stfpc	%0\n" : "=Q" (fpc_after));
	is(fpc_after, fpc);
	for (unsigned int i = 0; i < 16; i++)
		is(acrs_after[i], acrs[i]);
	for (unsigned int i = 0; i < sizeof(vectors); i++)
		is(after[i], vectors[i]);
}
