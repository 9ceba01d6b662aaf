/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is taken for a bzImage by QEMU and seimg: its magic, at its address. A guest
 * includes this where its code begins, goes on behind it, and is linked at 0.
 */
	.org	0x10000
	.globl	_start
_start:
	basr	%r13,%r0
	j	begin
	.org	0x10008
	.ascii	"S390EP"
	.org	0x10020
begin:
