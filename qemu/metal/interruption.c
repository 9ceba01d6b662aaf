// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: interruptions that a CPU makes for itself, and when it takes them
 */
#include "metal.h"

#define LOOP	INSN(0xa7f4, 0x0000)	/* branches to itself */
#define STOSM	INSN(0xad01, 0x2000)

static u64 now(void)
{
	u64 tod;

	asm volatile("	stck	%0\n" : "=Q" (tod) : : "cc");
	return tod;
}

static void set_comparator(u64 tod)
{
	asm volatile("	sckc	%0\n" : : "Q" (tod));
}

static void set_timer(u64 timer)
{
	asm volatile("	spt	%0\n" : : "Q" (timer));
}

static void all_quiet(void)
{
	set_comparator(~0UL);
	set_timer(0x7fffffffffffffff);
	set_cr(0, get_cr(0) & ~(CR0_CKC | CR0_TIMER));
}

static void is_external(const struct run *x, u16 code, u64 addr, int line)
{
	if (x->class != EXT)
		fail(line, "ends with an interruption of class", x->class, EXT);
	else if (x->ext_code != code)
		fail(line, "external interruption", x->ext_code, code);
	if (x->addr != addr)
		fail(line, "address of the old PSW", x->addr, addr);
}

/* A clock comparator that is pending, and what lets it in: at once, not so with TCG */
TEST(pending_until_it_is_enabled)
{
	u64 *a = area(), to = code_addr() + 64;
	struct run x = { .r[2] = (u64)a };

	if (is_bare)
		return;
	all_quiet();
	set_cr(0, get_cr(0) | CR0_CKC);
	context = "disabled";
	set_comparator(1);
	good(&x, INSN(0xb202, 0x2000));
	context = "stosm";
	set_comparator(1);
	run(&x, STOSM);
	is_external(&x, 0x1004, code_addr() + 4, __LINE__);
	is(x.mask, PSW_BASE | PSW_EXT);
	context = "ssm";
	*(u8 *)a = 1;
	set_comparator(1);
	x.mask = PSW_BASE;
	run(&x, INSN(0x8000, 0x2000));
	is_external(&x, 0x1004, code_addr() + 4, __LINE__);
	context = "lpswe";
	a[0] = PSW_BASE | PSW_EXT | 2UL << 44;
	a[1] = to;
	set_comparator(1);
	x.mask = PSW_BASE;
	run(&x, INSN(0xb2b2, 0x2000));
	is_external(&x, 0x1004, to, __LINE__);
	is(x.mask, a[0]);
	context = "lctlg";
	a[0] = get_cr(0);
	set_cr(0, get_cr(0) & ~CR0_CKC);
	set_comparator(1);
	x.mask = PSW_BASE | PSW_EXT;
	run(&x, INSN(0xeb00, 0x2000, 0x002f));
	is_external(&x, 0x1004, code_addr() + 6, __LINE__);
	context = "sckc";
	set_comparator(~0UL);
	a[0] = 1;
	x.mask = PSW_BASE | PSW_EXT;
	run(&x, INSN(0xb206, 0x2000));
	is_external(&x, 0x1004, code_addr() + 4, __LINE__);
	context = "spt";
	all_quiet();
	set_cr(0, get_cr(0) | CR0_TIMER);
	a[0] = ~0UL;
	x.mask = PSW_BASE | PSW_EXT;
	run(&x, INSN(0xb208, 0x2000));
	is_external(&x, 0x1005, code_addr() + 4, __LINE__);
	all_quiet();
}

TEST(clock_comparator_ends_a_loop_and_a_wait)
{
	struct run x = { .mask = PSW_BASE | PSW_EXT };

	set_cr(0, get_cr(0) | CR0_CKC);
	for (unsigned int i = 0; i < 8; i++) {
		u64 at = now() + (1UL << (12 + i));

		context = "loop";
		set_comparator(at);
		x.mask = PSW_BASE | PSW_EXT;
		run(&x, LOOP);
		is_external(&x, 0x1004, code_addr(), __LINE__);
		is(now() > at, 1);
		context = "wait";
		at = now() + (1UL << (12 + i));
		set_comparator(at);
		x.mask = PSW_BASE | PSW_EXT | PSW_WAIT;
		run(&x, LOOP);
		is_external(&x, 0x1004, code_addr(), __LINE__);
		is(x.mask, PSW_BASE | PSW_EXT | PSW_WAIT);
		is(now() > at, 1);
	}
	all_quiet();
}

TEST(cpu_timer_ends_a_loop_and_a_wait)
{
	struct run x = { .mask = PSW_BASE | PSW_EXT };

	set_cr(0, get_cr(0) | CR0_TIMER);
	for (unsigned int i = 0; i < 4; i++) {
		set_timer(1UL << (14 + 2 * i));
		x.mask = PSW_BASE | PSW_EXT | (i & 1 ? PSW_WAIT : 0);
		run(&x, LOOP);
		is_external(&x, 0x1005, code_addr(), __LINE__);
	}
	all_quiet();
}

TEST(clock_comparator_before_cpu_timer)
{
	u64 *a = area();
	struct run x = { .r[2] = (u64)a };

	if (is_bare)
		return;
	set_cr(0, get_cr(0) | CR0_CKC | CR0_TIMER);
	set_timer(~0UL);
	set_comparator(1);
	run(&x, STOSM);
	is_external(&x, 0x1004, code_addr() + 4, __LINE__);
	set_comparator(~0UL);
	set_timer(~0UL);
	x.mask = PSW_BASE;
	run(&x, STOSM);
	is_external(&x, 0x1005, code_addr() + 4, __LINE__);
	all_quiet();
}

TEST(supervisor_call)
{
	struct run x = { .r[5] = code_addr() + 256, .mask = PSW_BASE | PSW_PROBLEM };

	for (unsigned int i = 0; i < 256; i += 15) {
		run(&x, INSN(0x0a00 | i));
		is(x.class, SVC);
		is(x.svc_code, i);
		is(x.svc_ilc, 2);
		is(x.addr, code_addr() + 2);
		is(x.mask, PSW_BASE | PSW_PROBLEM);
	}
	/* by EXECUTE, whose register has half of the number */
	copy((void *)(code_addr() + 256), INSN(0x0a40), 2);
	x.r[1] = 5;
	run(&x, INSN(0x4410, 0x5000));
	is(x.class, SVC);
	is(x.svc_code, 0x45);
	is(x.svc_ilc, 4);
	is(x.addr, code_addr() + 4);
}

/* What a guest's own instructions can do wrong, in both states, and TCG knows of */
TEST(program_interruptions)
{
	static const struct {
		const char *name;
		u16 insn[3];
		u16 pic;
	} ops[] = {
		{ "operation, 2 bytes", { 0x0000 }, 1 },
		{ "operation, 4 bytes", { 0xb2ff, 0x0000 }, 1 },
		{ "operation, 6 bytes", { 0xe3ff, 0xffff, 0xffff }, 1 },
		{ "execute of execute", { 0x4400, 0x5000 }, 3 },
		{ "odd register", { 0x8c10, 0x0001 }, 6 },
		{ "fixed point divide", { 0x1d43 }, 9 },
	};

	for (unsigned int i = 0; i < 2 * sizeof(ops) / sizeof(*ops); i++) {
		u64 *a = area();
		struct run x = {
			.r[1] = 1, .r[4] = 1, .r[5] = (u64)a,
			.mask = PSW_BASE | (i & 1 ? PSW_PROBLEM : 0),
		};

		context = ops[i / 2].name;
		copy(a, INSN(0x4400, 0x5000), 4);
		run(&x, ops[i / 2].insn);
		is(x.class, PGM);
		is(x.pgm_code, ops[i / 2].pic);
		is(x.pgm_ilc, insn_len(ops[i / 2].insn));
		is(x.addr, code_addr() + insn_len(ops[i / 2].insn));
	}
}

TEST(data_exception_code)
{
	static const u64 zero;
	u32 fpc = 0x40000000;		/* division by zero traps */
	struct run x = { .r[2] = (u64)&zero };

	asm volatile("	lfpc	%0\n"
		"	lzdr	%%f0\n"
		"	ldgr	%%f2,%1\n" : : "Q" (fpc), "d" (0x3ff0000000000000UL) : "memory");
	run(&x, INSN(0xb31d, 0x0020));		/* DDBR 2,0 */
	is(x.class, PGM);
	is(x.pgm_code, 7);
	is(x.data_code & 0xff, 0x40);
	asm volatile("	lfpc	%0\n" : : "Q" (zero));
}

TEST(monitor_call)
{
	struct run x = { .r[5] = 0x123456789a };

	good(&x, INSN(0xaf07, 0x5000));		/* masked off */
	set_cr(8, 0x0100);
	run(&x, INSN(0xaf07, 0x5000));
	is(x.class, PGM);
	is(x.pgm_code, 0x40);
	is(x.mon_class, 7);
	is(x.mon_code, 0x123456789a);
	is(x.addr, code_addr() + 4);
	set_cr(8, 0);
}
