// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: a second CPU, which executes what the first one asks it to, and what one can do
 * to the other
 */
#include "metal.h"

#define STOPPED		0x40
#define LOOP		INSN(0xa7f4, 0x0000)

enum { SENSE = 1, ECALL, EMERGENCY, STOP = 5, RESTART_CPU, INITIAL_RESET = 0xb,
       SET_PREFIX = 0xd, STORE_STATUS };

static u8 lowcore_2[8192] __attribute__((aligned(8192)));
static u8 stack_2[8192] __attribute__((aligned(16)));
static u16 code_2[2048] __attribute__((aligned(4096)));

static struct {
	volatile int ready, asked, done;
	struct run *volatile x;
} box;

static unsigned int sigp(u16 cpu, u8 order, u64 parm, u32 *status)
{
	register u64 r1 asm("1") = parm, r0 asm("0") = 0;
	unsigned int cc;

	asm volatile("	sigp	%1,%3,0(%4)\n"
		"	ipm	%0\n"
		"	srl	%0,28\n"
		: "=d" (cc), "+d" (r0) : "d" (r1), "d" ((u64)cpu), "a" ((u64)order)
		: "cc", "memory");
	if (status)
		*status = r0;
	return cc;
}

/* as often as it says that it is busy */
static unsigned int order(u8 what, u64 parm, u32 *status)
{
	unsigned int cc;

	do
		cc = sigp(1, what, parm, status);
	while (cc == 2);
	return cc;
}

void metal_second(void);
void metal_second(void)
{
	set_cr(0, CR0_AFP_VECTOR | CR0_ECALL | CR0_EMERGENCY);
	box.ready = 1;
	for (;;) {
		while (!box.asked)
			;
		box.asked = 0;
		execute(box.x);
		box.done = 1;
	}
}

/* It is stopped, if it is there. */
void second_stop(void)
{
	u32 status = 0;

	if (order(SENSE, 0, &status) == 3)
		return;
	order(STOP, 0, 0);
	while (order(SENSE, 0, &status) != 1 || !(status & STOPPED))
		;
}

/* The CPU begins, or begins again, to wait for something to do. */
static int second_start(void)
{
	u64 *restart = (u64 *)(lowcore_2 + 0x1a0);
	u32 status = 0;

	if (order(SENSE, 0, &status) == 3)
		return 0;
	second_stop();
	order(INITIAL_RESET, 0, 0);
	set_lowcore(lowcore_2);
	restart[0] = PSW_BASE;
	restart[1] = (u64)start_second;
	*(u64 *)(lowcore_2 + 0x298) = (u64)stack_2 + sizeof(stack_2) - 160;
	box.ready = 0;
	box.asked = 0;
	is(order(SET_PREFIX, (u64)lowcore_2, &status), 0);
	is(order(RESTART_CPU, 0, &status), 0);
	while (!box.ready)
		;
	restart[1] = (u64)new_restart;
	return 1;
}

static void second_run(struct run *x, const u16 *insn)
{
	static const u16 end = 0x0a77;

	copy(code_2, insn, insn_len(insn));
	copy((u8 *)code_2 + insn_len(insn), &end, 2);
	x->addr = (u64)code_2;
	if (!x->mask)
		x->mask = PSW_BASE;
	box.done = 0;
	box.x = x;
	box.asked = 1;
	/* it has begun */
	while (box.asked)
		;
}

static int second_done(void)
{
	return box.done;
}

static void second_wait(void)
{
	while (!box.done)
		;
}

TEST(second_cpu_executes)
{
	struct run x = { .r[2] = (u64)area() };

	is(second_start(), 1);
	second_run(&x, INSN(0xb212, 0x2000));	/* STAP */
	second_wait();
	is(x.class, SVC);
	is(*(u16 *)x.r[2], 1);
	second_run(&x, INSN(0xb211, 0x2000));	/* STPX */
	second_wait();
	is(*(u32 *)x.r[2], (u64)lowcore_2);
}

TEST(external_call_and_emergency_signal)
{
	if (!second_start())
		return;
	for (unsigned int i = 0; i < 20; i++) {
		struct run x = { .mask = PSW_BASE | PSW_EXT | (i & 1 ? PSW_WAIT : 0) };
		int call = i & 2;

		second_run(&x, LOOP);
		is(order(call ? ECALL : EMERGENCY, 0, 0), 0);
		second_wait();
		is(x.class, EXT);
		is(x.ext_code, call ? 0x1202 : 0x1201);
		is(x.ext_cpu, 0);
		is(x.addr, (u64)code_2);
	}
}

/* It is kept until it is wanted, once. */
TEST(external_call_is_pending)
{
	struct run x = { .mask = PSW_BASE };
	u32 status = 0;

	if (!second_start())
		return;
	is(order(ECALL, 0, 0), 0);
	is(order(ECALL, 0, &status), 1);
	is(status, 0x80);
	is(order(SENSE, 0, &status), 1);
	is(status, 0x80);
	x.r[2] = (u64)area();
	second_run(&x, INSN(0xad01, 0x2000));	/* STOSM */
	second_wait();
	is(x.class, EXT);
	is(x.ext_code, 0x1202);
	is(x.addr, (u64)code_2 + 4);
	is(order(SENSE, 0, &status), 0);
}

TEST(orders_that_are_refused)
{
	u32 status = 0;

	if (!second_start())
		return;
	is(sigp(7, SENSE, 0, 0), 3);
	is(order(0x7f, 0, &status), 1);
	is(status, 2);
	/* not while it runs */
	status = 0;
	is(order(SET_PREFIX, (u64)lowcore_2, &status), 1);
	is(status, 0x200);
	/* nor to where there is no storage */
	second_stop();
	status = 0;
	is(order(SET_PREFIX, 0x40000000, &status), 1);
	is(status, 0x100);
}

/* It loops with registers that can be told apart, and is stopped then. */
static void stopped_in_loop(struct run *x)
{
	u32 status = 0;

	x->mask = PSW_BASE | 2UL << 44;
	for (unsigned int i = 0; i < 16; i++)
		x->r[i] = 0x0101010101010101 * i;
	second_run(x, LOOP);
	is(order(STORE_STATUS, (u64)area(), &status), 1);
	is(status, 0x200);		/* it runs */
	is(order(STOP, 0, 0), 0);
	while (order(SENSE, 0, &status) == 0)
		;
	is(status, STOPPED);
	if (!is_protected)		/* QEMU does not look whether storage is there */
		return;
	is(order(STORE_STATUS, 0x40000000, &status), 1);
	is(status, 0x100);
}

/* Of a protected CPU it is the Ultravisor that stores it, as nobody else has it. */
static void status_is_of_loop(void)
{
	u8 *a = (u8 *)area();
	u32 status = 0;

	is(order(STORE_STATUS, (u64)a, &status), 0);
	for (unsigned int i = 0; i < 16; i++)
		is(((u64 *)(a + 0x80))[i], 0x0101010101010101 * i);
	is(((u64 *)(a + 0x100))[0], PSW_BASE | 2UL << 44);
	is(((u64 *)(a + 0x100))[1], (u64)code_2);
	is(*(u32 *)(a + 0x118), (u64)lowcore_2);
	is(((u64 *)(a + 0x180))[0], CR0_AFP_VECTOR | CR0_ECALL | CR0_EMERGENCY);
	is(*(u64 *)(a + 0x200), 0x5555555555555555);
}

TEST(stop_and_restart)
{
	struct run x = {};
	u32 status = 0;

	if (!second_start())
		return;
	stopped_in_loop(&x);
	status_is_of_loop();
	is(order(RESTART_CPU, 0, &status), 0);
	second_wait();
	is(x.class, RESTART);
	is(x.addr, (u64)code_2);
	is(x.mask, PSW_BASE | 2UL << 44);
	for (unsigned int i = 0; i < 16; i++)
		is(x.r[i], 0x0101010101010101 * i);
}

/*
 * Diagnose 0x308, subcode 1, which kexec and kdump begin with: this CPU goes on with the
 * short PSW at absolute 0, its control registers are initial, storage and general
 * registers are as they were; so are the registers of the other, which does not run.
 */
TEST(load_normal)
{
	static u64 before[16], after[16], at_label = 0x0008000080000000;
	u64 *psw = (u64 *)lowcore(), was = *psw;
	struct run x = {};
	u32 status = 0;
	int second = second_start();

	if (second)
		stopped_in_loop(&x);
	asm volatile("	stctg	0,15,%[before]\n"
		"	larl	1,0f\n"
		"	og	1,%[mask]\n"
		"	stg	1,0(%[psw])\n"
		"	lghi	0,0\n"
		"	lghi	1,1\n"
		"	diag	0,1,0x308\n"
		"	j	.\n"
		"0:	sam64\n"
		"	stctg	0,15,%[after]\n"
		"	lctlg	0,15,%[before]\n"
		: [before] "=Q" (before), [after] "=Q" (after)
		: [psw] "a" (psw), [mask] "T" (at_label) : "0", "1", "cc", "memory");
	*psw = was;
	console_on();
	for (unsigned int i = 0; i < 16; i++)
		is(after[i], i == 0 ? 0xe0 : i == 14 ? 0xc2000000 : 0);
	if (!second)
		return;
	is(order(SENSE, 0, &status), 1);
	is(status, STOPPED);
	status_is_of_loop();
}

/*
 * What one CPU invalidates the other does not use any more, from the moment on where the
 * one goes on: a count that the other makes for each time stands still.
 */
TEST(invalidated_for_the_other_cpu)
{
	static u64 segments[2048] __attribute__((aligned(4096)));
	static u64 pages[5][256] __attribute__((aligned(2048)));
	static volatile u64 count;
	static u64 cr1;
	const u64 va = 0x400000, frame = 0x300000, invalid = 0x400;
	const struct {
		const char *name;
		struct run x;
		u16 insn[3];
		int stored;	/* the entry itself, by a store */
		u16 pic;
	} ways[] = {
		{ "ipte", { .r[1] = (u64)pages[4], .r[2] = va }, { 0xb221, 0x0012 }, 0, 0x11 },
		{ "idte", { .r[1] = (u64)segments, .r[2] = va }, { 0xb98e, 0x0012 }, 0, 0x10 },
		{ "idte by asce", { .r[2] = 0x800, .r[3] = (u64)segments | 3 },
		  { 0xb98e, 0x3002 }, 1, 0x11 },
		{ "cspg", { .r[2] = (u64)pages[4] | 1, .r[4] = frame, .r[5] = invalid },
		  { 0xb98a, 0x0042 }, 0, 0x11 },
	};

	if (!second_start())
		return;
	for (unsigned int i = 0; i < 2048; i++)
		segments[i] = 0x20;
	for (unsigned int i = 0; i < 5; i++) {
		for (unsigned int n = 0; n < 256; n++)
			pages[i][n] = i << 20 | n << 12;
		segments[i] = (u64)pages[i];
	}
	cr1 = (u64)segments | 3;
	for (unsigned int i = 0; i < 32; i++) {
		struct run load = { .r[3] = (u64)&cr1 }, x = ways[i % 4].x;
		u64 was;

		context = ways[i % 4].name;
		pages[4][0] = frame;
		segments[4] = (u64)pages[4];
		second_run(&load, INSN(0xeb11, 0x3000, 0x002f));	/* LCTLG 1,1 */
		second_wait();
		/* l %r1,0(%r2); agsi 0(%r6),1; again and again */
		load.mask = PSW_BASE | PSW_DAT;
		copy(code_2 + 64, INSN(0x5810, 0x2000), 4);
		copy(code_2 + 66, INSN(0xeb01, 0x6000, 0x007a), 6);
		copy(code_2 + 69, INSN(0xa7f4, 0xfffb), 4);
		load.r[2] = va;
		load.r[5] = (u64)(code_2 + 64);
		load.r[6] = (u64)&count;
		count = 0;
		second_run(&load, INSN(0x07f5));
		while (count < 1000 && !second_done())
			;
		is(second_done(), 0);
		if (ways[i % 4].stored)
			pages[4][0] |= invalid;
		good(&x, ways[i % 4].insn);
		was = count;
		second_wait();
		/* it may have been between the two */
		is(count - was > 1, 0);
		is(load.class, PGM);
		is(load.pgm_code, ways[i % 4].pic);
		is(load.addr, (u64)(code_2 + 64));
		is(load.teid >> 12, va >> 12);
	}
	context = 0;
}
