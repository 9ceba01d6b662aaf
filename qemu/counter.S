/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that counts: in %r2, and in memory at 0x200000 and 0x300000. A dump of
 * it, taken at any time, has the same number everywhere; between an instruction and
 * the next it may be one less where the PSW says that it has not been stored yet.
 *
 * At first the guest looks at what it can see of itself, and then each million it
 * executes STIDP, so that somebody outside can see it live.
 */
#define FIRST	0x200000
#define SECOND	0x300000
#define RESULT	0x400000
#define PREFIX	0x600000

	.section .text
#include "bzimage.h"
	/* what should not be seen: problem state, a host's masks */
	llilf	%r8,RESULT
	epsw	%r3,%r4
	st	%r3,0(%r8)
	st	%r4,4(%r8)
	lghi	%r0,3
	.insn	s,0xb2b00000,8(%r8)	/* stfle */
	stnsm	40(%r8),0xff
	/* what is the guest's own: TOD programmable register, prefix */
	lghi	%r0,0x4321
	sckpf
	stcke	80(%r8)
	llgh	%r4,94(%r8)
	stg	%r4,48(%r8)
	llilf	%r3,PREFIX
	st	%r3,64(%r8)
	spx	64(%r8)
	stpx	68(%r8)
	stg	%r0,0x1ff0
	lghi	%r2,0
	llilf	%r6,FIRST
	llilf	%r7,SECOND
	llilf	%r5,1000000
	llilf	%r8,0x500000
1:	lgr	%r3,%r5
2:	aghi	%r2,1
	.globl	first
first:	stg	%r2,0(%r6)
	.globl	second
second:	stg	%r2,0(%r7)
	.globl	done
done:	brctg	%r3,2b
	stidp	0(%r8)
	j	1b
	.org	0x10480 + 896
