/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metal: a guest without an operating system that tests the machine that it runs on
 *
 * What is right is what the Principles of Operation say; it is the same program on the
 * bare machine, as a guest and as a protected guest. A test executes single
 * instructions and looks at all that comes of it. See scripts/tests/metal.sh.
 */
#ifndef METAL_H
#define METAL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

#define PSW_DAT		0x0400000000000000UL
#define PSW_IO		0x0200000000000000UL
#define PSW_EXT		0x0100000000000000UL
#define PSW_MCHK	0x0004000000000000UL
#define PSW_WAIT	0x0002000000000000UL
#define PSW_PROBLEM	0x0001000000000000UL
#define PSW_SECONDARY	0x0000800000000000UL
#define PSW_HOME	0x0000c00000000000UL
#define PSW_AS		0x0000c00000000000UL
#define PSW_CC		0x0000300000000000UL
#define PSW_BASE	0x0000000180000000UL	/* 64 bit, nothing else */

#define CR0_LOW_ADDRESS	0x10000000UL
#define CR0_EDAT	0x00800000UL
#define CR0_SECONDARY	0x04000000UL		/* MVCP, MVCS, SAC */
#define CR0_EXTRACT	0x08000000UL		/* EPAR ... in problem state */
#define CR0_SSM		0x40000000UL
#define CR0_AFP_VECTOR	0x00060000UL
#define CR0_EMERGENCY	0x4000UL
#define CR0_ECALL	0x2000UL
#define CR0_CKC		0x0800UL
#define CR0_TIMER	0x0400UL
#define CR0_SERVICE	0x0200UL

enum { RESTART, EXT, SVC, PGM, MCHK, IO };

/* What execute() starts with, and how it ends; offsets are known to start.S */
struct run {
	u64 r[16];
	u64 mask, addr;
	/* real 0x80 to 0xc3 */
	u32 ext_parm;
	u16 ext_cpu, ext_code;
	u16 svc_ilc, svc_code;
	u16 pgm_ilc, pgm_code;
	u32 data_code;
	u16 mon_class, per;
	u64 per_addr;
	u8 exc_access_id, per_access_id, op_access_id, unused;
	u32 unused2;
	u64 teid;
	u64 mon_code;
	u32 subchannel, io_parm, io_word;
	u32 pad;
	u64 class;
};

_Static_assert(__builtin_offsetof(struct run, mask) == 0x80, "R_PSW");
_Static_assert(__builtin_offsetof(struct run, ext_parm) == 0x90, "R_CODES");
_Static_assert(__builtin_offsetof(struct run, teid) == 0xb8, "real 0xa8");
_Static_assert(__builtin_offsetof(struct run, class) == 0xd8, "R_CLASS");

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(test_name)								\
	static void test_name(void);						\
	static const struct test test_##test_name				\
	__attribute__((section("tests"), used)) = { #test_name, test_name };	\
	static void test_name(void)

/* start.S */
void execute(struct run *x);
extern const u8 new_restart[], new_ext[], new_svc[], new_pgm[], new_mchk[], new_io[];
extern const u8 start_second[];

/* main.c */
extern int is_protected, is_bare;
extern const char *context;	/* of what is tested at the moment, for messages */
void *copy(void *to, const void *from, u64 n);
void fail(int line, const char *what, u64 got, u64 want);
void say(const char *text);
void say_number(u64 n, unsigned int base);
void console_on(void);
u8 *lowcore(void);
void set_lowcore(u8 *lc);
u64 *area(void);		/* 8 KiB, on a page, filled with 0x55 */
int facility(unsigned int nr);

#define is(got, want) do {							\
	u64 got_ = (u64)(got), want_ = (u64)(want);				\
	if (got_ != want_)							\
		fail(__LINE__, #got, got_, want_);				\
} while (0)

/* run.c */
#define INSN(...)	((const u16[3]){ __VA_ARGS__ })

unsigned int insn_len(const u16 *insn);
void run(struct run *x, const u16 *insn);
void run_at(struct run *x, const u16 *insn, u64 addr);
u64 code_addr(void);
void ends_well(struct run *x, const u16 *insn, int line);
void ends_with(struct run *x, const u16 *insn, u16 pic, int line);
unsigned int cc_of(const struct run *x);
u64 get_cr(unsigned int nr);
void set_cr(unsigned int nr, u64 value);

#define good(x, insn)		ends_well(x, insn, __LINE__)
#define bad(x, insn, pic)	ends_with(x, insn, pic, __LINE__)


/* cost.c */
void costs(void);

/* second.c */
void second_stop(void);

#endif
