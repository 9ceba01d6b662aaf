// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: what things cost, by the clock, for scripts/bench-guests. There QEMU has one
 * instruction in each nanosecond, whoever executes it, so that the clock of a guest
 * counts those of the simulator and of KVM as well. Each line is
 * "# cost NAME INSTRUCTIONS", for one time, without those of the loop around it.
 */
#include "metal.h"

#define MANY	100000
#define SOME	1000
#define PAGES	1024

static u64 now(void)
{
	u64 tod;

	asm volatile("	stckf	%0\n" : "=Q" (tod) : : "cc");
	return tod;
}

static void straight(u64 n)
{
	u64 a = 1;

	/* ten of them */
	while (n--)
		asm volatile("	agr	%0,%0\n	aghi	%0,1\n	xgr	%0,%1\n	sllg	%0,%0,1\n"
			"	ngr	%0,%1\n	ogr	%0,%1\n	agr	%0,%1\n	lgr	%0,%1\n"
			"	slgr	%0,%0\n	aghi	%0,7\n" : "+d" (a) : "d" (n) : "cc");
}

/* loads and stores to as many pages as a TLB has */
static void storage(u64 n)
{
	static u64 words[64][512] __attribute__((aligned(4096)));

	while (n--)
		((volatile u64 *)words[n & 63])[n & 511] += n;
}

static void svc(u64 n)
{
	static const u16 nop[] = { 0x0700 };
	struct run x = {};

	while (n--) {
		x.mask = 0;
		run(&x, nop);
	}
}

static void program(u64 n)
{
	struct run x = {};

	while (n--) {
		x.mask = 0;
		run(&x, INSN(0x0000));
	}
}

static void stidp(u64 n)
{
	u64 id;

	while (n--)
		asm volatile("	stidp	%0\n" : "=Q" (id));
}

static void control(u64 n)
{
	u64 cr0 = get_cr(0);

	while (n--)
		asm volatile("	lctlg	0,0,%0\n" : : "Q" (cr0) : "memory");
}

static void purge(u64 n)
{
	while (n--)
		asm volatile("	ptlb\n" : : : "memory");
}

static void sense(u64 n)
{
	register u64 status asm("1") = 0;
	u16 self;

	asm volatile("	stap	%0\n" : "=Q" (self));
	while (n--)
		asm volatile("	sigp	%0,%1,1\n" : "+d" (status) : "d" ((u64)self) : "cc");
}

static void yield(u64 n)
{
	while (n--)
		asm volatile("	diag	0,0,0x44\n" : : : "memory");
}

/* Pages that the host does not have yet */
static void touch(u64 n)
{
	static volatile u8 *next = (u8 *)0x1000000;

	for (; n--; next += 4096)
		*next = 1;
}

static u64 time_of(void (*what)(u64 n), u64 n)
{
	u64 start = now();

	what(n);
	return (now() - start) * 1000 / 4096;
}

static void nothing(u64 n)
{
	while (n--)
		asm volatile("");
}

static void cost(const char *name, void (*what)(u64 n), u64 n)
{
	u64 loop, all;

	/* once before, so that all is there */
	if (what != touch)
		what(64);
	loop = time_of(nothing, n);
	all = time_of(what, n);
	say("# cost ");
	say(name);
	say(" ");
	say_number(all > loop ? (all - loop) / n : 0, 10);
	say("\n");
}

void costs(void)
{
	cost("straight-code", straight, MANY);
	cost("storage", storage, MANY);
	cost("svc", svc, SOME);
	cost("program-interruption", program, SOME);
	cost("stidp", stidp, SOME);
	cost("lctlg", control, SOME);
	cost("ptlb", purge, SOME);
	cost("sigp-sense", sense, SOME);
	/* of those that the bare machine has not */
	if (!is_bare) {
		cost("diag-44", yield, SOME);
		cost("new-page", touch, PAGES);
	}
	say("# cost end 0\n");
}
