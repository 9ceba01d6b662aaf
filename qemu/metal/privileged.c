// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: what all privileged instructions have in common: not for the problem state,
 * and operands that are not where or as they have to be
 */
#include "metal.h"

#define R	1	/* reads its operand, at 0(%r2) */
#define W	2	/* stores it there */
#define REAL	4	/* a real address, in %r2 */
#define HOST	8	/* done by the host, who looks at the operand of a plain guest only */
/* What QEMU's TCG does not do as it should, where this is run on the bare machine */
#define TCG_ALIGN	16	/* does not see it */
#define TCG_STATE	32	/* has no such instruction */
/* ... and where it is a guest as well: a problem state program executes it there */
#define TCG_BOTH	64

static const struct insn {
	const char *name;
	u16 code[3];
	u8 align;	/* of the operand; 0: has none in storage */
	u8 flags;
	u8 len;
} insns[] = {
	{ "ssm", { 0x8000, 0x2000 }, 1, R, 1 },
	{ "stnsm", { 0xacff, 0x2000 }, 1, W, 1 },
	{ "stosm", { 0xad00, 0x2000 }, 1, W, 1 },
	{ "lpsw", { 0x8200, 0x2000 }, 8, R, 8 },
	{ "lpswe", { 0xb2b2, 0x2000 }, 8, R, 16 },
	{ "lctl", { 0xb722, 0x2000 }, 4, R, 4 },
	{ "lctlg", { 0xeb22, 0x2000, 0x002f }, 8, R, 8 },
	{ "stctl", { 0xb622, 0x2000 }, 4, W, 4 },
	{ "stctg", { 0xeb22, 0x2000, 0x0025 }, 8, W, 8 },
	{ "sckc", { 0xb206, 0x2000 }, 8, R, 8 },
	{ "stckc", { 0xb207, 0x2000 }, 8, W, 8 },
	{ "spt", { 0xb208, 0x2000 }, 8, R, 8 },
	{ "stpt", { 0xb209, 0x2000 }, 8, W, 8 },
	{ "lpp", { 0xb280, 0x2000 }, 8, R | TCG_ALIGN, 8 },
	{ "stidp", { 0xb202, 0x2000 }, 8, W, 8 },
	{ "spx", { 0xb210, 0x2000 }, 4, R, 4 },
	{ "stpx", { 0xb211, 0x2000 }, 4, W, 4 },
	{ "stap", { 0xb212, 0x2000 }, 2, W, 2 },
	{ "lura", { 0xb24b, 0x0012 }, 4, R | REAL | TCG_ALIGN, 4 },
	{ "lurag", { 0xb905, 0x0012 }, 8, R | REAL | TCG_ALIGN, 8 },
	{ "stura", { 0xb246, 0x0012 }, 4, W | REAL | TCG_ALIGN, 4 },
	{ "sturg", { 0xb925, 0x0012 }, 8, W | REAL | TCG_ALIGN, 8 },
	{ "stsch", { 0xb234, 0x2000 }, 4, W | HOST, 52 },
	{ .name = "lra", .code = { 0xb110, 0x2000 } },
	{ .name = "lray", .code = { 0xe310, 0x2000, 0x0013 } },
	{ .name = "lrag", .code = { 0xe310, 0x2000, 0x0003 } },
	{ .name = "csp", .code = { 0xb250, 0x0042 } },
	{ .name = "cspg", .code = { 0xb98a, 0x0042 } },
	{ .name = "crdte", .code = { 0xb98f, 0x0042 }, .flags = TCG_STATE },
	{ .name = "ptlb", .code = { 0xb20d, 0x0000 } },
	{ .name = "palb", .code = { 0xb248, 0x0000 }, .flags = TCG_STATE },
	{ .name = "ipte", .code = { 0xb221, 0x0012 } },
	{ .name = "idte", .code = { 0xb98e, 0x3012 } },
	{ .name = "sckpf", .code = { 0x0107 } },
	{ .name = "stfl", .code = { 0xb2b1, 0x0000 } },
	{ .name = "stsi", .code = { 0xb27d, 0x2000 } },
	{ .name = "iske", .code = { 0xb229, 0x0012 } },
	{ .name = "sske", .code = { 0xb22b, 0x0012 } },
	{ .name = "rrbe", .code = { 0xb22a, 0x0012 } },
	{ .name = "tprot", .code = { 0xe501, 0x2000, 0x0000 }, .flags = TCG_BOTH },
	{ .name = "sigp", .code = { 0xae02, 0x0001 } },
	{ .name = "diag", .code = { 0x8300, 0x0044 } },
	{ .name = "servc", .code = { 0xb220, 0x0012 } },
	{ .name = "tpi", .code = { 0xb236, 0x0000 } },
	{ .name = "tsch", .code = { 0xb235, 0x2000 } },
	{ .name = "chsc", .code = { 0xb25f, 0x0020 } },
	{ .name = "sck", .code = { 0xb204, 0x2000 } },
};

#define for_each_insn(i)							\
	for (i = insns; i < insns + sizeof(insns) / sizeof(*insns); i++)

TEST(privileged_instructions_are_not_for_the_problem_state)
{
	const struct insn *i;

	for_each_insn(i) {
		struct run x = { .r[2] = (u64)area(), .mask = PSW_BASE | PSW_PROBLEM };

		if (i->flags & (is_bare ? TCG_STATE | TCG_BOTH : TCG_BOTH))
			continue;
		context = i->name;
		bad(&x, i->code, 2);
		is(x.mask, PSW_BASE | PSW_PROBLEM);
	}
}

/* The target of EXECUTE is what is privileged; EXECUTE is what the length is of. */
TEST(privileged_instructions_by_execute)
{
	const struct insn *i;

	for_each_insn(i) {
		struct run x = { .r[2] = (u64)area(), .mask = PSW_BASE | PSW_PROBLEM };

		if (i->flags & (is_bare ? TCG_STATE | TCG_BOTH : TCG_BOTH))
			continue;
		context = i->name;
		copy((void *)(code_addr() + 256), i->code, 6);
		x.r[5] = code_addr() + 256;
		bad(&x, INSN(0x4400, 0x5000), 2);
		x.mask = PSW_BASE | PSW_PROBLEM;
		bad(&x, INSN(0xc600, 0, 128), 2);
	}
}

TEST(operands_are_on_a_boundary)
{
	const struct insn *i;
	u64 *a, off;

	for_each_insn(i) {
		if (is_bare && i->flags & TCG_ALIGN)
			continue;
		context = i->name;
		for (off = 1; off < i->align; off++) {
			a = area();
			struct run x = { .r[2] = (u64)a + off };

			bad(&x, i->code, 6);
			for (unsigned int n = 0; n < 8; n++)
				is(a[n], 0x5555555555555555);
		}
	}
}

/* 1 GiB is more than this machine has. */
TEST(operands_are_in_storage)
{
	const struct insn *i;

	for_each_insn(i) {
		struct run x = { .r[2] = 0x40000000 };

		context = i->name;
		if (i->align && !(i->flags & HOST))
			bad(&x, i->code, 5);
	}
}

/* Nothing of this changes anything; see each instruction's own test. */
TEST(operands_are_used)
{
	static const u64 psw[2] = { PSW_BASE };
	const struct insn *i;
	u64 *a;

	for_each_insn(i) {
		if (!(i->flags & W) || i->flags & HOST)
			continue;
		context = i->name;
		a = area();
		struct run x = { .r[1] = 0x1111111111111111, .r[2] = (u64)a };

		good(&x, i->code);
		is(((u8 *)a)[0] != 0x55 || ((u8 *)a)[i->len - 1] != 0x55, 1);
		is(((u8 *)a)[i->len], 0x55);
		is(x.r[2], (u64)a);
	}
	/* across the end of a page, where that can be */
	context = "lpswe";
	a = area() + 511;
	copy(a, psw, 16);
	a[1] = code_addr() + 4;
	struct run x = { .r[2] = (u64)a };

	good(&x, INSN(0xb2b2, 0x2000));
}
