/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest of four CPUs that are busy, with few instructions that SIE does not execute
 * itself, so that it comes to something where everything is watched. Each CPU has 64
 * pages and a checksum of each, changes a word of each in turn, calls the next CPU now
 * and then, and has 20 interruptions by its clock comparator in a second. A page that is
 * not as it was left, or an interruption that nobody wants, ends in a disabled wait.
 * What each CPU has done is at RESULT: rounds, calls, ticks, and 1 if there was an end.
 */
#define PAGES	0x200000	/* 256 KiB each */
#define RESULT	0x300000	/* 4 KiB each; from 0x100 on, checksums */
#define LOWCORE	0x400000	/* 8 KiB each */

#define CPUS	4
#define TICK	204800000	/* 50 ms */

#define RESTART	6
#define SET_PREFIX	13
#define CALL	2

	.section .text
#include "bzimage.h"
	/* a lowcore for each; as systems do, so that what a VMM stores at 0 is nothing to them */
	larl	%r1,new_psws
	lghi	%r11,CPUS - 1
	llilf	%r7,LOWCORE + (CPUS - 1) * 8192
next:	mvc	0x1a0(32,%r7),0(%r1)
	mvc	0x1d0(16,%r7),32(%r1)
	ltgr	%r11,%r11
	jz	first
	lgr	%r3,%r7
1:	sigp	%r2,%r11,SET_PREFIX
	jnz	1b
2:	sigp	%r2,%r11,RESTART
	jnz	2b
	aghi	%r7,-8192
	aghi	%r11,-1
	j	next

first:	larl	%r1,prefix
	spx	0(%r1)
restarted:
	stap	0x200
	llgh	%r10,0x200
	llilf	%r9,RESULT
	sllg	%r1,%r10,12
	agr	%r9,%r1
	llilf	%r8,PAGES
	sllg	%r1,%r10,18
	agr	%r8,%r1
	larl	%r1,cr0
	lctlg	%c0,%c0,0(%r1)
	stck	0x88(%r9)
	sckc	0x88(%r9)
	stosm	0x98(%r9),0x01

round:	lghi	%r4,64
	lgr	%r5,%r8
	la	%r6,0x100(%r9)
	lg	%r1,0(%r9)
	sllg	%r11,%r1,3
	lghi	%r2,0xff8
	ngr	%r11,%r2
page:	brasl	%r14,checksum
	cg	%r2,0(%r6)
	jne	broken
	lg	%r2,0(%r11,%r5)
	msgfi	%r2,0x10001
	agr	%r2,%r1
	aghi	%r2,1
	stg	%r2,0(%r11,%r5)
	brasl	%r14,checksum
	stg	%r2,0(%r6)
	la	%r6,8(%r6)
	aghi	%r5,4096
	brctg	%r4,page
	agsi	0(%r9),1
	tm	7(%r9),7
	jnz	round
	la	%r3,1(%r10)
	nill	%r3,CPUS - 1
	lghi	%r1,0
	sigp	%r1,%r3,CALL		/* it may have one already */
	j	round

/* of the page at %r5 */
checksum:
	lghi	%r2,0
	lgr	%r12,%r5
	lghi	%r13,4096
1:	cksm	%r2,%r12
	jo	1b
	br	%r14

interrupted:
	stmg	%r0,%r1,0x200
	llgh	%r0,0x86
	chi	%r0,0x1202
	je	called
	chi	%r0,0x1004
	jne	broken
	agsi	16(%r9),1
	stck	0x88(%r9)
	lg	%r1,0x88(%r9)
	algfi	%r1,TICK
	stg	%r1,0x90(%r9)
	sckc	0x90(%r9)
	j	1f
called:	agsi	8(%r9),1
1:	lmg	%r0,%r1,0x200
	lpswe	0x130

broken:	mvghi	24(%r9),1
	larl	%r1,dead
	lpswe	0(%r1)

	.balign	8
new_psws:	.quad	0x0000000180000000, restarted
		.quad	0x0000000180000000, interrupted
		.quad	0x0000000180000000, broken
prefix:		.quad	LOWCORE << 32
dead:		.quad	0x0002000180000000, 0
cr0:		.quad	0x0000000000062800	/* external call, clock comparator, vectors */
	.org	0x12000
