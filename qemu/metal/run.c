// SPDX-License-Identifier: GPL-2.0-only
/*
 * metal: one instruction, with registers and PSW of the test's choice. It is followed by
 * a supervisor call, so that the end of it is an interruption, too.
 */
#include "metal.h"

#define SVC_END	0x77

static u16 code[2048] __attribute__((aligned(4096)));

u64 code_addr(void)
{
	return (u64)code;
}

unsigned int insn_len(const u16 *insn)
{
	return insn[0] >> 14 == 0 ? 2 : insn[0] >> 14 == 3 ? 6 : 4;
}

void run_at(struct run *x, const u16 *insn, u64 addr)
{
	static const u16 end = 0x0a00 | SVC_END;

	copy((void *)addr, insn, insn_len(insn));
	copy((void *)(addr + insn_len(insn)), &end, 2);
	x->addr = addr;
	if (!x->mask)
		x->mask = PSW_BASE;
	execute(x);
}

void run(struct run *x, const u16 *insn)
{
	run_at(x, insn, (u64)code);
}

unsigned int cc_of(const struct run *x)
{
	return (x->mask & PSW_CC) >> 44;
}

/* The instruction is executed, and the next. */
void ends_well(struct run *x, const u16 *insn, int line)
{
	run(x, insn);
	if (x->class != SVC)
		fail(line, "ends with an interruption of class", x->class, SVC);
	if (x->class == PGM)
		fail(line, "program interruption", x->pgm_code, 0);
	if (x->class == SVC && x->svc_code != SVC_END)
		fail(line, "supervisor call", x->svc_code, SVC_END);
	if (x->class == SVC && x->addr != (u64)code + insn_len(insn) + 2)
		fail(line, "address of the old PSW", x->addr, (u64)code + insn_len(insn) + 2);
}

/* It is not, and it is told as it has to. */
void ends_with(struct run *x, const u16 *insn, u16 pic, int line)
{
	/* region, segment and page translation, ASCE type */
	int nullified = pic == 0x10 || pic == 0x11 || (pic >= 0x38 && pic <= 0x3b);
	u64 r[16], addr;

	copy(r, x->r, sizeof(r));
	run(x, insn);
	addr = (u64)code + (nullified ? 0 : insn_len(insn));
	if (x->class != PGM)
		fail(line, "ends with an interruption of class", x->class, PGM);
	if (x->pgm_code != pic)
		fail(line, "program interruption", x->pgm_code, pic);
	if (x->pgm_ilc != insn_len(insn))
		fail(line, "instruction length", x->pgm_ilc, insn_len(insn));
	if (x->addr != addr)
		fail(line, "address of the old PSW", x->addr, addr);
	for (unsigned int i = 0; i < 16; i++) {
		if (x->r[i] != r[i])
			fail(line, "register that was changed", x->r[i], r[i]);
	}
}

u64 get_cr(unsigned int nr)
{
	u64 cr[16];

	asm volatile("	stctg	0,15,0(%0)\n" : : "a" (cr) : "memory");
	return cr[nr];
}

void set_cr(unsigned int nr, u64 value)
{
	u64 cr[16];

	asm volatile("	stctg	0,15,0(%0)\n" : : "a" (cr) : "memory");
	cr[nr] = value;
	asm volatile("	lctlg	0,15,0(%0)\n" : : "a" (cr) : "memory");
}
