// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: may an address be touched
 *
 * Addresses come from the code under test. This is where they are tried before
 * they are used. Called by everything that takes an address out of a control
 * block, a table or a register. Knows nothing of the model.
 */
#include <linux/mm.h>
#include <linux/kernel.h>
#include <linux/uaccess.h>
#include "uvsim.h"

/*
 * Access checks. Addresses come from the code under test, so they are touched
 * once per page with an exception table entry before they are used.
 */
static bool can_read_byte(u64 addr)
{
	int ok = 0;

	asm volatile("0:	tm	0(%[addr]),0xff\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok)
		: [addr] "a" (addr)
		: "cc", "memory");
	return ok;
}

static bool can_write_byte(u64 addr)
{
	int ok = 0;

	/* OR a byte with itself: a store access that changes nothing */
	asm volatile("0:	oc	0(1,%[addr]),0(%[addr])\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok)
		: [addr] "a" (addr)
		: "cc", "memory");
	return ok;
}

/**
 * uvsim_read_u64() - read a doubleword of which nobody knows whether it is there
 * @addr: kernel address, on a doubleword
 * @value: what is there, 0 if it cannot be read
 *
 * In one access: what @addr points to may be freed by another CPU.
 *
 * Context: any
 * Return: false if the address is not accessible.
 */
bool uvsim_read_u64(u64 addr, u64 *value)
{
	int ok = 0;

	*value = 0;
	asm volatile("0:	lg	%[value],0(%[addr])\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok), [value] "+d" (*value)
		: [addr] "a" (addr)
		: "memory");
	return ok;
}

static bool accessible(u64 addr, u64 len, bool (*can)(u64 addr))
{
	u64 last, pos;

	if (!len || addr + len < addr)
		return false;
	last = addr + len - 1;
	for (pos = addr; pos <= last; pos = (pos & PAGE_MASK) + PAGE_SIZE) {
		if (!can(pos))
			return false;
		if ((pos & PAGE_MASK) == (last & PAGE_MASK))
			break;
	}
	return true;
}

/**
 * uvsim_readable() - can all of a range be read?
 * @addr: kernel address
 * @len: bytes
 *
 * Context: any
 * Return: false if @len is 0, the range wraps, or a page of it is not there.
 */
bool uvsim_readable(u64 addr, u64 len)
{
	return accessible(addr, len, can_read_byte);
}

/**
 * uvsim_writable() - can all of a range be written?
 * @addr: kernel address
 * @len: bytes
 *
 * Tries a store access in each page, which changes nothing.
 *
 * Context: any
 * Return: false if @len is 0, the range wraps, or a page of it cannot be written.
 */
bool uvsim_writable(u64 addr, u64 len)
{
	return accessible(addr, len, can_write_byte);
}

/**
 * uvsim_abs_to_virt() - kernel address of absolute storage
 * @abs: absolute address
 * @len: bytes that are wanted there
 *
 * Tries to read only: unlike donated storage it can be in use by other CPUs.
 *
 * Context: any
 * Return: the address, 0 if that is not main storage or cannot be read.
 */
u64 uvsim_abs_to_virt(u64 abs, u64 len)
{
	u64 addr;

	if (!len || abs + len < abs || !pfn_valid(abs >> PAGE_SHIFT) ||
	    !pfn_valid((abs + len - 1) >> PAGE_SHIFT))
		return 0;
	addr = (u64)__va(abs);
	return uvsim_readable(addr, len) ? addr : 0;
}
