/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metal: the part that C cannot say. Entry, interruptions, and execute(), which runs
 * what a test wants to see with registers and PSW of its choice. Whatever ends that -
 * any interruption - is its result.
 */

/* struct run */
#define R_PSW		0x80
#define R_CODES		0x90
#define R_CLASS		0xd8

/* lowcore, where low-address protection does not reach */
#define LC_SAVE		0x200
#define LC_OLD		0x280
#define LC_RUN		0x290
#define LC_STACK	0x298
#define LC_PSW		0x2a0

	.section .head, "ax"
#include "../bzimage.h"
	jg	start
	.org	0x10800		/* QEMU writes parameters below */
start:
	larl	%r15,stack
	aghi	%r15,16384-160
	brasl	%r14,metal_main

/* A second CPU, by its restart PSW; with a lowcore of its own */
	.globl	start_second
start_second:
	lg	%r15,LC_STACK
	brasl	%r14,metal_second

/* void execute(struct run *) */
	.globl	execute
execute:
	stmg	%r6,%r15,48(%r15)
	stg	%r15,LC_STACK
	stg	%r2,LC_RUN
	mvc	LC_PSW(16),R_PSW(%r2)
	lmg	%r0,%r15,0(%r2)
	lpswe	LC_PSW

.macro INTERRUPTION name,class,old
	.globl	\name
\name:
	stmg	%r0,%r15,LC_SAVE
	mvc	LC_OLD(16),\old
	lghi	%r2,\class
	j	interrupted
.endm

	INTERRUPTION new_restart,0,0x120
	INTERRUPTION new_ext,1,0x130
	INTERRUPTION new_svc,2,0x140
	INTERRUPTION new_pgm,3,0x150
	INTERRUPTION new_mchk,4,0x160
	INTERRUPTION new_io,5,0x170

interrupted:
	lg	%r3,LC_RUN
	ltgr	%r3,%r3
	jz	unexpected
	xc	LC_RUN(8),LC_RUN
	mvc	0(128,%r3),LC_SAVE
	mvc	R_PSW(16,%r3),LC_OLD
	mvc	R_CODES(0x44,%r3),0x80
	stg	%r2,R_CLASS(%r3)
	lg	%r15,LC_STACK
	lmg	%r6,%r15,48(%r15)
	br	%r14

unexpected:
	larl	%r15,stack
	aghi	%r15,16384-160
	lmg	%r3,%r4,LC_OLD
	brasl	%r14,metal_unexpected

	.section .bss
	.balign	16
stack:	.skip	16384
