// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: all tests, one after the other; what they say goes to the console of the
 * service processor, as KTAP. The end is a disabled wait.
 */
#include "metal.h"

#define DISABLED_WAIT	(PSW_BASE | PSW_WAIT)

extern const struct test tests_begin[], tests_end[];

int is_protected;	/* the machine says so */
int is_bare;		/* whoever started it does, in the command line */
const char *context;

static struct {
	u16 len;
	u8 function, mask[3];
	u16 response;
	union {
		struct {
			u16 unused, mask_len;
			u32 masks[4];
		};
		struct {
			u16 event_len;
			u8 type, flags;
			u16 unused2;
			char text[512];
		};
	};
} sccb __attribute__((aligned(4096)));

static char line[512];
static unsigned int line_len;
static int failures, failed;

/* the compiler calls them, too */
void *memcpy(void *to, const void *from, u64 n);
void *memset(void *to, int byte, u64 n);

void *memcpy(void *to, const void *from, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((volatile u8 *)to)[i] = ((const u8 *)from)[i];
	return to;
}

void *memset(void *to, int byte, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((volatile u8 *)to)[i] = byte;
	return to;
}

void *copy(void *to, const void *from, u64 n)
{
	return memcpy(to, from, n);
}

/* Real 0, which is not for the compiler to know */
u8 *lowcore(void)
{
	u8 *lc = 0;

	asm("" : "+a" (lc));
	return lc;
}

u64 *area(void)
{
	static u64 words[1024] __attribute__((aligned(4096)));

	memset(words, 0x55, sizeof(words));
	return words;
}

int facility(unsigned int nr)
{
	u64 list[4] = {};
	register u64 r0 asm("0") = 3;

	asm volatile("	.insn	s,0xb2b00000,%1\n" : "+d" (r0), "=Q" (list) : : "cc");
	return list[nr / 64] >> (63 - nr % 64) & 1;
}

/* Where interruptions go: to start.S, with everything off */
void set_lowcore(u8 *lc)
{
	const u8 *const new[] = {
		[RESTART] = new_restart, [EXT] = new_ext, [SVC] = new_svc,
		[PGM] = new_pgm, [MCHK] = new_mchk, [IO] = new_io,
	};
	u64 *psw = (u64 *)(lc + 0x1a0);

	for (unsigned int i = 0; i < 6; i++, psw += 2) {
		psw[0] = PSW_BASE;
		psw[1] = (u64)new[i];
	}
}

/* Asks the service processor, and waits for its interruption */
static void service(u32 command)
{
	struct run x = { .mask = PSW_BASE | PSW_WAIT | PSW_EXT };
	unsigned int cc;

	sccb.response = 0;
	do {
		asm volatile("	.insn	rre,0xb2200000,%1,%2\n"
			"	ipm	%0\n"
			"	srl	%0,28\n"
			: "=d" (cc) : "d" (command), "a" (&sccb) : "cc", "memory");
	} while (cc == 2);
	set_cr(0, get_cr(0) | CR0_SERVICE);
	execute(&x);
	set_cr(0, get_cr(0) & ~CR0_SERVICE);
}

static void flush_line(void)
{
	memset(&sccb, 0, sizeof(sccb));
	sccb.len = 8 + 6 + line_len;
	sccb.event_len = 6 + line_len;
	sccb.type = 0x1a;
	memcpy(sccb.text, line, line_len);
	service(0x00760005);
	line_len = 0;
}

void say(const char *text)
{
	for (; *text; text++) {
		line[line_len++] = *text;
		if (*text == '\n' || line_len == sizeof(line))
			flush_line();
	}
}

void say_number(u64 n, unsigned int base)
{
	char digits[24], *p = digits + sizeof(digits);

	*--p = 0;
	do {
		*--p = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	say(p);
}

void fail(int at, const char *what, u64 got, u64 want)
{
	failures++;
	say("# line ");
	say_number(at, 10);
	if (context) {
		say(", ");
		say(context);
	}
	say(": ");
	say(what);
	say(": ");
	say_number(got, 16);
	say(", should be ");
	say_number(want, 16);
	say("\n");
}

static void __attribute__((noreturn)) stop(void)
{
	static const u64 psw[2] __attribute__((aligned(8))) = { DISABLED_WAIT, 0 };

	for (;;)
		asm volatile("	lpswe	%0\n" : : "Q" (psw));
}

void metal_unexpected(u64 class, u64 mask, u64 addr);
void metal_unexpected(u64 class, u64 mask, u64 addr)
{
	set_lowcore(lowcore());
	context = "no test";
	fail(__LINE__, "interruption of class", class, ~0UL);
	fail(__LINE__, "with code", *(u32 *)(lowcore() + 0x8c), 0);
	fail(__LINE__, "old PSW", mask, 0);
	fail(__LINE__, "old PSW", addr, 0);
	stop();
}

/* Has to be said again after a reset */
void console_on(void)
{
	memset(&sccb, 0, sizeof(sccb));
	sccb.len = 8 + 4 + 16;
	sccb.mask_len = 4;
	sccb.masks[1] = 1U << (32 - 0x1a);
	service(0x00780005);
}

/* "bare", "cost": do these four letters begin the command line, or come after them? */
static int is_asked_for(u32 word)
{
	const u8 *line = lowcore() + 0x10480;

	return *(u32 *)line == word || *(u32 *)(line + 5) == word;
}

void metal_main(void);
void metal_main(void)
{
	const struct test *t;
	unsigned int n = 0;

	set_lowcore(lowcore());
	set_cr(0, CR0_AFP_VECTOR);
	is_protected = facility(158);
	is_bare = is_asked_for(0x62617265);
	console_on();
	if (is_asked_for(0x636f7374)) {
		costs();
		stop();
	}
	say("TAP version 13\n1..");
	say_number(tests_end - tests_begin, 10);
	say(is_bare ? "\n# the bare machine\n" : is_protected ? "\n# a protected guest\n" :
	    "\n# a guest\n");
	for (t = tests_begin; t < tests_end; t++) {
		failures = 0;
		context = 0;
		t->run();
		say(failures ? "not ok " : "ok ");
		say_number(++n, 10);
		say(" ");
		say(t->name);
		say("\n");
		failed += !!failures;
	}
	say("# metal: ");
	say_number(failed, 10);
	say(" failed\n");
	second_stop();
	stop();
}
