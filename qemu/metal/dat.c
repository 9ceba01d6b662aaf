// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: dynamic address translation
 *
 * The first 4 MiB are mapped to themselves. At VA there is a page of which each test
 * says what it is, and one behind it.
 */
#include "metal.h"

#define VA		0x400000UL
#define INVALID		0x400UL		/* page table entry */
#define PROTECT		0x200UL
#define NOEXEC		0x100UL
#define ST_INVALID	0x20UL
#define ST_LARGE	0x400UL
#define CR0_IEP		0x00100000UL

#define LG_R1_R2	INSN(0xe310, 0x2000, 0x0004)
#define STG_R1_R2	INSN(0xe310, 0x2000, 0x0024)
#define PTLB		INSN(0xb20d, 0x0000)

static u64 segments[2048] __attribute__((aligned(4096)));
static u64 upper[3][2048] __attribute__((aligned(4096)));
static u64 other_segments[2048] __attribute__((aligned(4096)));
static u64 pages[6][256] __attribute__((aligned(2048)));
static u64 frames[2][512] __attribute__((aligned(4096)));
#define at_va		(pages[4])

static void purge(void)
{
	asm volatile("	ptlb\n" : : : "memory");
}

/* An address space; what is at VA is frames[0] and frames[1] */
static u64 make_space(void)
{
	unsigned int i, n;

	for (i = 0; i < 2048; i++) {
		segments[i] = ST_INVALID;
		other_segments[i] = ST_INVALID;
		for (n = 0; n < 3; n++)
			upper[n][i] = ST_INVALID | (n + 1) << 2;
	}
	for (i = 0; i < 4; i++) {
		segments[i] = (u64)pages[i];
		other_segments[i] = (u64)pages[i];
		for (n = 0; n < 256; n++)
			pages[i][n] = i << 20 | n << 12;
	}
	for (n = 0; n < 256; n++) {
		pages[4][n] = INVALID;
		pages[5][n] = INVALID;
	}
	for (i = 0; i < 512; i++) {
		frames[0][i] = 0x1000000000000000 + i;
		frames[1][i] = 0x2000000000000000 + i;
	}
	at_va[0] = (u64)frames[0];
	at_va[1] = (u64)frames[1];
	segments[VA >> 20] = (u64)at_va;
	other_segments[VA >> 20] = (u64)pages[5];
	pages[5][0] = (u64)frames[1];
	set_cr(1, (u64)segments | 3);
	set_cr(7, (u64)other_segments | 3);
	set_cr(13, (u64)other_segments | 3);
	purge();
	return (u64)segments | 3;
}

static void teid_is(const struct run *x, u64 va, unsigned int space, int store, int line)
{
	if (x->teid >> 12 != va >> 12)
		fail(line, "address in the TEID", x->teid, va);
	if ((x->teid & 3) != space)
		fail(line, "address space in the TEID", x->teid & 3, space);
	/* the access-exception fetch/store indication facility */
	if (facility(75) && (x->teid & 0xc00) != (store ? 0x400 : 0x800))
		fail(line, "fetch or store in the TEID", x->teid & 0xc00, store ? 0x400 : 0x800);
}

TEST(translated)
{
	struct run x = { .r[2] = VA + 8, .mask = PSW_BASE | PSW_DAT };

	make_space();
	good(&x, LG_R1_R2);
	is(x.r[1], 0x1000000000000001);
	is(x.mask, PSW_BASE | PSW_DAT);
	x.r[1] = 0x7777;
	x.r[2] = VA + 0x1010;
	good(&x, STG_R1_R2);
	is(frames[1][2], 0x7777);
	/* across a border between pages */
	x.r[2] = VA + 0xffc;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x000001ff20000000);
	/* and the other order of frames */
	at_va[0] = (u64)frames[1];
	at_va[1] = (u64)frames[0];
	purge();
	x.r[2] = VA;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
}

/* The translation is not there, at each level: what happens to a load and a store */
static void absent(u64 asce, u64 va, u16 pic, int line)
{
	struct run x = { .r[1] = 0x7777, .r[2] = va, .mask = PSW_BASE | PSW_DAT };

	set_cr(1, asce);
	purge();
	ends_with(&x, LG_R1_R2, pic, line);
	teid_is(&x, va, 0, 0, line);
	x.mask = PSW_BASE | PSW_DAT;
	ends_with(&x, STG_R1_R2, pic, line);
	teid_is(&x, va, 0, 1, line);
}

TEST(absent_at_each_level)
{
	u64 asce = make_space();

	absent(asce, VA + 0x2000, 0x11, __LINE__);
	absent(asce, 0x500000, 0x10, __LINE__);
	/* a table of 512 entries has no more */
	segments[512] = (u64)at_va;
	absent(asce & ~3UL, 512UL << 20, 0x10, __LINE__);
	absent(asce, 1UL << 31, 0x38, __LINE__);
	upper[0][0] = (u64)segments | 4 | 3;
	asce = (u64)upper[0] | 4 | 3;
	absent(asce, 1UL << 31, 0x3b, __LINE__);
	absent(asce, 1UL << 42, 0x38, __LINE__);
	absent(asce, VA + 0x2000, 0x11, __LINE__);
	upper[1][0] = (u64)upper[0] | 8 | 3;
	asce = (u64)upper[1] | 8 | 3;
	absent(asce, 1UL << 42, 0x3a, __LINE__);
	absent(asce, 1UL << 31, 0x3b, __LINE__);
	absent(asce, 1UL << 53, 0x38, __LINE__);
	upper[2][0] = (u64)upper[1] | 12 | 3;
	asce = (u64)upper[2] | 12 | 3;
	absent(asce, 1UL << 53, 0x39, __LINE__);
	absent(asce, 1UL << 42, 0x3a, __LINE__);
	absent(asce, 0x500000, 0x10, __LINE__);
	/* a table that begins with its second quarter */
	upper[1][1] = (u64)upper[0] | 8 | 1 << 6 | 3;
	absent(asce, (1UL << 42) | VA, 0x3b, __LINE__);
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT };

	good(&x, LG_R1_R2);
	is(x.r[1], 0x1000000000000000);
}

TEST(tables_that_are_wrong)
{
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT };

	make_space();
	segments[VA >> 20] = (u64)at_va | 4;	/* says that it is of a region table */
	purge();
	bad(&x, LG_R1_R2, 0x12);
	segments[VA >> 20] = (u64)at_va;
	at_va[0] |= 0x800;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, LG_R1_R2, 0x12);
	/* a table that is not in storage */
	segments[VA >> 20] = 0x40000000;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, LG_R1_R2, 5);
	/* a frame that is not */
	segments[VA >> 20] = (u64)at_va;
	at_va[0] = 0x40000000;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, LG_R1_R2, 5);
}

TEST(protected_page)
{
	struct run x = { .r[1] = 0x7777, .r[2] = VA, .mask = PSW_BASE | PSW_DAT };

	make_space();
	at_va[0] |= PROTECT;
	purge();
	good(&x, LG_R1_R2);
	is(x.r[1], 0x1000000000000000);
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, STG_R1_R2, 4);
	is(x.teid >> 12, VA >> 12);
	is(x.teid & 4, 4);
	is(frames[0][0], 0x1000000000000000);
	/* by the segment */
	at_va[0] = (u64)frames[0];
	segments[VA >> 20] |= PROTECT;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, STG_R1_R2, 4);
	segments[VA >> 20] = (u64)at_va;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, STG_R1_R2);
	is(frames[0][0], x.r[1]);
}

TEST(low_address_protection)
{
	struct run x = { .r[1] = 0x7777 };

	make_space();
	set_cr(0, get_cr(0) | CR0_LOW_ADDRESS);
	for (unsigned int dat = 0; dat < 2; dat++) {
		context = dat ? "with DAT" : "without DAT";
		for (unsigned int i = 0; i < 4; i++) {
			x.r[2] = (i & 1 ? 511 : 0) + (i & 2 ? 4096 : 0) - (i & 1 ? 7 : 0);
			x.mask = PSW_BASE | (dat ? PSW_DAT : 0);
			bad(&x, STG_R1_R2, 4);
			x.mask = PSW_BASE | (dat ? PSW_DAT : 0);
			good(&x, LG_R1_R2);
			x.r[1] = 0x7777;
		}
		x.r[2] = 0x1e00;
		x.mask = PSW_BASE | (dat ? PSW_DAT : 0);
		good(&x, STG_R1_R2);
		is(*(u64 *)(lowcore() + 0x1e00), 0x7777);
		*(u64 *)(lowcore() + 0x1e00) = 0;
	}
	set_cr(0, get_cr(0) & ~CR0_LOW_ADDRESS);
}

/* All of a store or nothing of it */
TEST(store_into_a_page_that_is_not_there)
{
	struct run x = { .r[1] = 0x7777, .r[2] = VA + 0xffc, .mask = PSW_BASE | PSW_DAT };

	make_space();
	at_va[1] |= INVALID;
	purge();
	bad(&x, STG_R1_R2, 0x11);
	teid_is(&x, VA + 0x1000, 0, 1, __LINE__);
	is(frames[0][511], 0x10000000000001ff);
	/* emulated, too */
	static const struct {
		const char *name;
		u16 insn[3];
	} ops[] = {
		{ "stctl", { 0xb601, 0x2000 } },
		{ "stfle", { 0xb2b0, 0x2004 } },
		{ "stctg", { 0xeb01, 0x2004, 0x0025 } },
	};

	for (unsigned int i = 0; i < 3; i++) {
		context = ops[i].name;
		/* the last word, or doubleword, of the page, and something behind it */
		struct run y = { .r[0] = 1, .r[2] = VA + 0xffc, .mask = PSW_BASE | PSW_DAT };

		if (i)
			y.r[2] -= 8;
		if (is_bare)		/* TCG stores what it can */
			return;
		bad(&y, ops[i].insn, 0x11);
		teid_is(&y, VA + 0x1000, 0, 1, __LINE__);
		is(frames[0][511], 0x10000000000001ff);
	}
}

/* By the tables also while they are off; only where it is on with TCG */
static void load_real(u64 off)
{
	struct run x = { .r[1] = ~0UL, .r[2] = VA + 0x1234, .mask = PSW_BASE | off };
	static const u16 lra[3] = { 0xb110, 0x2000 }, lrag[3] = { 0xe310, 0x2000, 0x0003 };

	make_space();
	good(&x, lra);
	is(cc_of(&x), 0);
	is(x.r[1], (u64)frames[1] + 0x234);
	if (is_bare)		/* it does not know which entry it was */
		return;
	at_va[1] |= INVALID;
	purge();
	x.mask = PSW_BASE | off;
	good(&x, lrag);
	is(cc_of(&x), 2);
	is(x.r[1], (u64)&at_va[1]);
	segments[VA >> 20] |= ST_INVALID;
	purge();
	x.mask = PSW_BASE | off;
	good(&x, lrag);
	is(cc_of(&x), 1);
	is(x.r[1], (u64)&segments[VA >> 20]);
	/* there is no entry */
	x.r[1] = ~0UL;
	x.r[2] = 1UL << 40;
	x.mask = PSW_BASE | off;
	good(&x, lrag);
	is(cc_of(&x), 3);
	is((u32)x.r[1], 0x80000038);
	is(x.r[1] >> 32, 0xffffffff);
}

TEST(load_real_address)
{
	load_real(PSW_DAT);
	if (!is_bare)
		load_real(0);
}

/* There are no keys: what the tables say */
TEST(test_protection)
{
	static const struct {
		u64 flags;
		unsigned int cc;
	} pages_of[] = { { 0, 0 }, { PROTECT, 1 }, { INVALID, 3 } };
	struct run x = { .r[2] = VA };

	good(&x, INSN(0xe501, 0x2000, 0));
	is(cc_of(&x), 0);
	for (unsigned int i = 0; i < 3; i++) {
		make_space();
		at_va[0] |= pages_of[i].flags;
		purge();
		x.mask = PSW_BASE | PSW_DAT;
		good(&x, INSN(0xe501, 0x2000, 0));
		is(cc_of(&x), pages_of[i].cc);
		/* by EXECUTE */
		copy((void *)(code_addr() + 256), INSN(0xe501, 0x2000, 0), 6);
		x.r[5] = code_addr() + 256;
		x.mask = PSW_BASE | PSW_DAT;
		good(&x, INSN(0x4400, 0x5000));
		is(cc_of(&x), pages_of[i].cc);
	}
	x.r[2] = 0x40000000;
	x.mask = PSW_BASE;
	bad(&x, INSN(0xe501, 0x2000, 0), 5);
}

TEST(invalidated_by_ipte)
{
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT };
	struct run ipte = { .r[1] = (u64)at_va, .r[2] = VA };

	make_space();
	good(&x, LG_R1_R2);
	good(&ipte, INSN(0xb221, 0x0012));
	is(at_va[0], (u64)frames[0] | INVALID);
	is(at_va[1], (u64)frames[1]);
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, LG_R1_R2, 0x11);
	/* and is something else from now on */
	at_va[0] = (u64)frames[1];
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
}

/* The CPU does not leave the address space in between. */
TEST(invalidated_by_ipte_in_the_same_space)
{
	static const u16 code[] = {
		0xe310, 0x2000, 0x0004,		/* lg %r1,0(%r2) */
		0xb221, 0x0032,			/* ipte %r3,%r2 */
		0xa7f4, 0x0003, 0,		/* j: TCG forgets when it jumps */
		0xe340, 0x2000, 0x0004,		/* lg %r4,0(%r2) */
		0x0a78,
	};
	u64 at = code_addr() + 256;
	struct run x = { .r[2] = VA, .r[3] = (u64)at_va, .r[5] = at, .mask = PSW_BASE | PSW_DAT };

	make_space();
	copy((void *)at, code, sizeof(code));
	run(&x, INSN(0x07f5));
	is(at_va[0], (u64)frames[0] | INVALID);
	is(x.class, PGM);
	is(x.pgm_code, 0x11);
	is(x.addr, at + 16);
	is(x.r[1], 0x1000000000000000);
	is(x.r[4], 0);
	teid_is(&x, VA, 0, 0, __LINE__);
}

TEST(invalidated_by_idte)
{
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT };
	struct run idte = { .r[1] = (u64)segments, .r[2] = VA };

	make_space();
	good(&x, LG_R1_R2);
	good(&idte, INSN(0xb98e, 0x0012));
	is(segments[VA >> 20], (u64)at_va | ST_INVALID);
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, LG_R1_R2, 0x10);
	segments[VA >> 20] = (u64)at_va;
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, LG_R1_R2);
	/* the entry was changed while it was valid; by ASCE all that was known goes */
	at_va[0] = (u64)frames[1];
	struct run clear = { .r[2] = 0x800, .r[3] = (u64)segments | 3 };

	good(&clear, INSN(0xb98e, 0x3002));
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
}

TEST(invalidated_by_cspg)
{
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT };

	make_space();
	good(&x, LG_R1_R2);
	struct run cspg = {
		.r[2] = (u64)at_va | 1, .r[4] = (u64)frames[0], .r[5] = (u64)frames[1],
	};

	good(&cspg, INSN(0xb98a, 0x0042));
	is(cc_of(&cspg), 0);
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
}

/* Instructions by the primary space, operands by the secondary; both by home */
TEST(address_spaces)
{
	struct run x = { .r[2] = VA, .mask = PSW_BASE | PSW_DAT | PSW_SECONDARY };
	u64 *a = area();

	make_space();
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
	is(x.mask, PSW_BASE | PSW_DAT | PSW_SECONDARY);
	x.r[2] = VA + 0x1000;
	bad(&x, LG_R1_R2, 0x11);
	teid_is(&x, VA + 0x1000, 2, 0, __LINE__);
	x.mask = PSW_BASE | PSW_DAT | PSW_HOME;
	bad(&x, LG_R1_R2, 0x11);
	teid_is(&x, VA + 0x1000, 3, 0, __LINE__);
	x.r[2] = VA;
	x.mask = PSW_BASE | PSW_DAT | PSW_HOME;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x2000000000000000);
	/* SACF goes where the control register lets it */
	set_cr(0, get_cr(0) | CR0_SECONDARY);
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, INSN(0xb279, 0x0100));
	is(x.mask, PSW_BASE | PSW_DAT | PSW_SECONDARY);
	good(&x, INSN(0xb279, 0x0300));
	is(x.mask, PSW_BASE | PSW_DAT | PSW_HOME);
	good(&x, INSN(0xb279, 0x0000));
	is(x.mask, PSW_BASE | PSW_DAT);
	/* from secondary to primary, up to 256 bytes */
	x.mask = PSW_BASE | PSW_DAT;
	x.r[1] = 16;
	x.r[2] = (u64)a;
	x.r[4] = VA;
	x.r[3] = 0;
	good(&x, INSN(0xda13, 0x2000, 0x4000));	/* MVCP */
	is(cc_of(&x), 0);
	is(a[0], 0x2000000000000000);
	is(a[1], 0x2000000000000001);
	is(a[2], 0x5555555555555555);
	set_cr(0, get_cr(0) & ~CR0_SECONDARY);
}

/* SAC, and IAC, which TCG does not have */
TEST(set_and_insert_address_space)
{
	struct run x = { .mask = PSW_BASE | PSW_DAT };

	if (is_bare)
		return;
	make_space();
	for (unsigned int i = 0; i < 2; i++) {
		const u16 *sac = i ? INSN(0xb219, 0x0100) : INSN(0xb279, 0x0100);

		context = i ? "sac" : "sacf";
		set_cr(0, get_cr(0) & ~CR0_SECONDARY);
		x.mask = PSW_BASE | PSW_DAT;
		bad(&x, sac, 0x13);
		set_cr(0, get_cr(0) | CR0_SECONDARY);
		x.mask = PSW_BASE;
		bad(&x, sac, 0x13);
		x.mask = PSW_BASE | PSW_DAT | PSW_PROBLEM;
		bad(&x, i ? INSN(0xb219, 0x0300) : INSN(0xb279, 0x0300), 2);
		x.mask = PSW_BASE | PSW_DAT;
		bad(&x, i ? INSN(0xb219, 0x0400) : INSN(0xb279, 0x0400), 6);
	}
	context = "sac";
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, INSN(0xb219, 0x0100));
	is(x.mask, PSW_BASE | PSW_DAT | PSW_SECONDARY);
	context = "iac";
	good(&x, INSN(0xb224, 0x0010));
	is(x.r[1] & 0xff00, 0x0100);
	is(cc_of(&x), 1);
	x.mask = PSW_BASE | PSW_DAT | PSW_PROBLEM;
	bad(&x, INSN(0xb224, 0x0010), 2);
	set_cr(0, get_cr(0) & ~CR0_SECONDARY);
}

/* MVCOS; R0 says by which spaces */
TEST(move_with_optional_specifications)
{
	u64 *a = area();
	struct run x = {
		.r[0] = 0x00000081,		/* from secondary to what the PSW says */
		.r[1] = 8, .r[2] = (u64)a, .r[4] = VA, .mask = PSW_BASE | PSW_DAT,
	};

	if (!facility(27))
		return;
	make_space();
	set_cr(0, get_cr(0) | CR0_SECONDARY);
	good(&x, INSN(0xc810, 0x2000, 0x4000));
	is(cc_of(&x), 0);
	is(a[0], 0x2000000000000000);
	is(a[1], 0x5555555555555555);
	x.r[0] = 0x00810000;			/* the other way round */
	x.r[2] = VA;
	x.r[4] = (u64)a;
	a[0] = 0x1234;
	x.mask = PSW_BASE | PSW_DAT;
	good(&x, INSN(0xc810, 0x2000, 0x4000));
	is(frames[1][0], 0x1234);
	/* more than it moves at once */
	x.r[0] = 0;
	x.r[1] = 5000;
	x.r[2] = VA;
	x.r[4] = VA + 0x1000;
	x.mask = PSW_BASE | PSW_DAT;
	at_va[2] = (u64)frames[1];
	purge();
	good(&x, INSN(0xc810, 0x2000, 0x4000));
	is(cc_of(&x), 3);
	is(frames[0][511], frames[1][511]);
	x.mask = PSW_BASE;
	bad(&x, INSN(0xc810, 0x2000, 0x4000), 0x13);
	set_cr(0, get_cr(0) & ~CR0_SECONDARY);
}

TEST(instructions_in_pages_that_are_not_there)
{
	struct run x = { .mask = PSW_BASE | PSW_DAT };

	make_space();
	/* a branch there: the address of the old PSW is that of the instruction */
	x.addr = VA + 0x2000;
	execute(&x);
	is(x.class, PGM);
	is(x.pgm_code, 0x11);
	is(x.addr, VA + 0x2000);
	is(x.teid >> 12, (VA + 0x2000) >> 12);
	/* the second half of one */
	at_va[1] |= INVALID;
	purge();
	copy((u8 *)frames[0] + 0xffe, (const u16[]){ 0xe310 }, 2);
	x.mask = PSW_BASE | PSW_DAT;
	x.addr = VA + 0xffe;
	execute(&x);
	is(x.class, PGM);
	is(x.pgm_code, 0x11);
	is(x.addr, VA + 0xffe);
	is(x.teid >> 12, (VA + 0x1000) >> 12);
	if (!facility(130))
		return;
	at_va[1] = (u64)frames[1] | NOEXEC;
	set_cr(0, get_cr(0) | CR0_IEP);
	purge();
	copy(frames[1], (const u16[]){ 0x0a01 }, 2);
	x.mask = PSW_BASE | PSW_DAT;
	x.addr = VA + 0x1000;
	execute(&x);
	is(x.class, PGM);
	is(x.pgm_code, 4);
	set_cr(0, get_cr(0) & ~CR0_IEP);
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	x.addr = VA + 0x1000;
	execute(&x);
	is(x.class, SVC);
	is(x.svc_code, 1);
}

/* A segment that is one frame */
TEST(large_page)
{
	struct run x = { .r[2] = VA + 0x81238, .mask = PSW_BASE | PSW_DAT };

	if (!facility(8))
		return;
	make_space();
	set_cr(0, get_cr(0) | CR0_EDAT);
	segments[VA >> 20] = 0x300000 | ST_LARGE;
	purge();
	*(u64 *)0x381238 = 0x1234567;
	good(&x, LG_R1_R2);
	is(x.r[1], 0x1234567);
	segments[VA >> 20] |= PROTECT;
	purge();
	x.mask = PSW_BASE | PSW_DAT;
	bad(&x, STG_R1_R2, 4);
	set_cr(0, get_cr(0) & ~CR0_EDAT);
	purge();
}

/* Code that writes code, in its own page and in another */
TEST(code_that_is_changed)
{
	struct run x = { .mask = PSW_BASE | PSW_DAT };

	make_space();
	for (unsigned int i = 0; i < 8; i++) {
		u16 svc = 0x0a00 | i;

		/*
		 * sth %r1,10(%r2); a branch over one; svc that is replaced. Without the
		 * branch TCG has it in what it translates at once.
		 */
		copy(frames[0], (const u16[]){ 0x4010, 0x200a, 0xa7f4, 0x0003, 0x0700, 0x0aff },
		     12);
		x.r[1] = svc;
		x.r[2] = VA;
		x.addr = VA;
		x.mask = PSW_BASE | PSW_DAT;
		execute(&x);
		is(x.class, SVC);
		is((u16)(frames[0][1] >> 32), svc);
		is(x.svc_code, i);
		copy(frames[1], (const u16[]){ 0x0a00 | (i ^ 7) }, 2);
		x.addr = VA + 0x1000;
		x.mask = PSW_BASE | PSW_DAT;
		execute(&x);
		is(x.class, SVC);
		is(x.svc_code, i ^ 7);
	}
}
