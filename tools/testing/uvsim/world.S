/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uvsim: from the kernel to a guest and back
 *
 * All code of a world but the guest's runs in the home space, which is the
 * kernel's: primary and secondary space are the guest's then, and prefix, lowcore
 * and CPU timer are the world's. It finds struct world and the guest's registers
 * in a part of the lowcore that the kernel does not use.
 */
#include <linux/linkage.h>

/* struct world */
#define W_HCR		0x000
#define W_GCR		0x080
#define W_HPREFIX	0x100
#define W_GPREFIX	0x104
#define W_HTIMER	0x108
#define W_QUANTUM	0x110
#define W_LEFT		0x118
#define W_HSTACK	0x120
#define W_HSPACE	0x128

/* lowcore of a world */
#define LC_GPRS		0xc80
#define LC_PSW		0xd00
#define LC_WORLD	0xd10

/* struct raise */
#define R_PSW		0x00
#define R_DATA		0x10
#define R_CR0		0x20
#define R_CR0_OPEN	0x28
#define R_IN_SIE	0x30

	.text

/* void uvsim_world_enter(struct world *w), interruptions are disabled */
SYM_CODE_START_NOALIGN(uvsim_world_enter)
	stmg	%r6,%r15,48(%r15)
	stg	%r15,W_HSTACK(%r2)
	stctg	%c0,%c15,W_HCR(%r2)
	stpx	W_HPREFIX(%r2)
	stpt	W_HTIMER(%r2)
	spx	W_GPREFIX(%r2)
	sacf	768
	spt	W_QUANTUM(%r2)
.Lreload:
	lctlg	%c0,%c15,W_GCR(%r2)
	ptlb
.Lresume:
	lmg	%r0,%r15,LC_GPRS(%r0)
	lpswe	LC_PSW(%r0)
SYM_CODE_END(uvsim_world_enter)

SYM_CODE_START_NOALIGN(uvsim_world_ext)
	stmg	%r0,%r15,LC_GPRS(%r0)
	lghi	%r3,1
	j	.Linterrupted
SYM_CODE_END(uvsim_world_ext)

SYM_CODE_START_NOALIGN(uvsim_world_svc)
	stmg	%r0,%r15,LC_GPRS(%r0)
	lghi	%r3,2
	j	.Linterrupted
SYM_CODE_END(uvsim_world_svc)

SYM_CODE_START_NOALIGN(uvsim_world_pgm)
	stmg	%r0,%r15,LC_GPRS(%r0)
	lghi	%r3,3
	j	.Linterrupted
SYM_CODE_END(uvsim_world_pgm)

SYM_CODE_START_NOALIGN(uvsim_world_mchk)
	stmg	%r0,%r15,LC_GPRS(%r0)
	lghi	%r3,4
	j	.Linterrupted
SYM_CODE_END(uvsim_world_mchk)

SYM_CODE_START_NOALIGN(uvsim_world_io)
	stmg	%r0,%r15,LC_GPRS(%r0)
	lghi	%r3,5
.Linterrupted:
	lg	%r2,LC_WORLD(%r0)
	lg	%r15,W_HSTACK(%r2)
	aghi	%r15,-160
	xc	0(8,%r15),0(%r15)
	brasl	%r14,uvsim_world_interrupted
	ltgr	%r3,%r2
	jz	.Lresume
	lg	%r2,LC_WORLD(%r0)
	jp	.Lreload
	stpt	W_LEFT(%r2)
	spx	W_HPREFIX(%r2)
	lctlg	%c0,%c15,W_HCR(%r2)
	ptlb
	lg	%r1,W_HSPACE(%r2)
	sacf	0(%r1)
	/* the host's CPU timer has gone on */
	lg	%r1,W_HTIMER(%r2)
	sg	%r1,W_QUANTUM(%r2)
	ag	%r1,W_LEFT(%r2)
	stg	%r1,W_HTIMER(%r2)
	spt	W_HTIMER(%r2)
	lg	%r15,W_HSTACK(%r2)
	lmg	%r6,%r15,48(%r15)
	br	%r14
SYM_CODE_END(uvsim_world_io)

/*
 * An interruption of the host, as the hardware makes it: a page fault while a
 * guest runs, or what has come in a world and is the host's. %r14 has struct
 * raise, interruptions are disabled.
 */
.macro RAISE old,parm,len
	stctg	%c0,%c0,R_CR0(%r14)
	lctlg	%c0,%c0,R_CR0_OPEN(%r14)	/* low-address protection is off */
	mvc	\old(16,%r0),R_PSW(%r14)
	mvc	\parm(\len,%r0),R_DATA(%r14)
.endm

.macro RAISED new
	lctlg	%c0,%c0,R_CR0(%r14)
	lg	%r14,R_IN_SIE(%r14)
	mvi	0(%r14),1
	lpswe	\new(%r0)
.endm

SYM_CODE_START_NOALIGN(uvsim_raise_pgm)
	RAISE	0x150,0x8c,4
	mvc	0xa8(8,%r0),R_DATA+8(%r14)
	RAISED	0x1d0
SYM_CODE_END(uvsim_raise_pgm)

SYM_CODE_START_NOALIGN(uvsim_raise_ext)
	RAISE	0x130,0x80,8
	RAISED	0x1b0
SYM_CODE_END(uvsim_raise_ext)

SYM_CODE_START_NOALIGN(uvsim_raise_io)
	RAISE	0x170,0xb8,12
	RAISED	0x1f0
SYM_CODE_END(uvsim_raise_io)
