// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: dumps
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "test.h"
#include "uvc_rows.h"

static void in_order(void)
{
	const struct uvc_row *r;

	BUILD_BUG_ON(GUEST_LEN != SZ_2M);
	for (r = uvc_dump_rows; r < uvc_dump_rows + ARRAY_SIZE(uvc_dump_rows); r++) {
		put(t.g->sd, U32(0x20), r->blocked ? SIE_BLOCKED : ~SIE_BLOCKED);
		if (r->size)
			with(r->off | r->size << 16,
			     r->add + (r->base == UVC_AREA ? (u64)t.area : 0));
		row(r->cmd, r->what, RC(r->rc, r->rrc), r->violations);
	}
	put(t.g->sd, U32(0x20), SIE_BLOCKED);
}

static u64 *entry(u64 gaddr)
{
	return (u64 *)(t.area + (gaddr >> PAGE_SHIFT) % 256 * 16);
}

static bool special(u64 gaddr, u64 flags)
{
	return entry(gaddr)[0] == 0xffffffff00000000UL && entry(gaddr)[1] == flags;
}

static bool all_different(void)
{
	u64 i, k;

	for (i = 0; i < 256; i++) {
		u64 *e = entry(i << PAGE_SHIFT);

		for (k = 0; k < i && e[0] >> 32 != 0xffffffff; k++) {
			if (!memcmp(e, entry(k << PAGE_SHIFT), 16))
				return false;
		}
	}
	return true;
}

void test_dump(void)
{
	const u64 shared = FREE_ADDR + 0x10000, gone = FREE_ADDR + 0x11000;
	const u64 mapped = FREE_ADDR + 0x12000, back = IMAGE_ADDR + 2 * PAGE_SIZE;
	struct guest *a = t.g;
	u64 component[2], iv[2], second;

	map(a, shared, t.frame[12]);
	map(a, gone, t.frame[13]);
	map(a, mapped, t.frame[14]);
	guest_does("share", shared, 0);
	guest_does("share", gone, 0);
	map(a, gone, NULL);

	in_order();

	must(0x0400);
	with(U16(0x36), 1);
	row1(0x0120, "during a dump", U64(0x28), __pa(t.low_stor), OK, 0);
	second = block64(0x18);

	memset(t.area, 0x55, PAGE_SIZE);
	must(0x0401);
	result(special(0, 1), "0x0401 dump storage state: zero");
	result(special(mapped, 5), "0x0401 dump storage state: zero and mapped");
	result(special(shared, 6), "0x0401 dump storage state: shared and mapped");
	result(special(gone, 2), "0x0401 dump storage state: shared");
	result(special(FREE_ADDR, 5), "0x0401 dump storage state: destroyed");
	result(!entry(back)[0] && entry(back)[1],
	       "0x0401 dump storage state: encrypted");
	result(entry(IMAGE_ADDR)[0] >> 32 != 0xffffffff,
	       "0x0401 dump storage state: encrypted, at the host");
	result(all_different(), "0x0401 dump storage state: components are unique");
	memcpy(component, entry(back), 16);
	must(0x0401);
	result(!memcmp(component, entry(back), 16), "0x0401 dump storage state: components stay");
	/* out and back: another component */
	with(U64(0x18), __pa(t.frame[2]));
	must(0x0201);
	row1(0x0200, "during a dump", U64(0x20), back, OK, 0);
	row1(0x0401, "success after a page came back", U64(0x28), 0, OK, 0);
	result(memcmp(component, entry(back), 16) && all_different(),
	       "0x0401 dump storage state: another component");
	with(U64(0x28), SZ_1M);
	must(0x0401);
	result(special(SZ_1M, 1) && special(GUEST_LEN - PAGE_SIZE, 1),
	       "0x0401 dump storage state: nothing there");

	must(0x0402);
	result(*(u32 *)t.area == 1 && *(u32 *)(t.area + 4) == 1568,
	       "0x0402 dump cpu: version and length");
	result(is_zero(t.area + 1568, t.cpu_len - 1568), "0x0402 dump cpu: zero behind it");
	iv[0] = *(u64 *)(t.area + 8);
	must(0x0402);
	result(iv[0] != *(u64 *)(t.area + 8), "0x0402 dump cpu: another IV");
	row1(0x0402, "CPU created during the dump", U64(0x18), second, OK, 0);
	row1(0x0121, "during a dump", U64(0x18), second, OK, 0);

	must(0x0403);
	result(*(u32 *)t.area == 1 && *(u32 *)(t.area + 4) == 288,
	       "0x0403 dump complete: version and length");
	iv[1] = *(u64 *)(t.area + 80);
	must(0x0400);
	must(0x0403);
	result(iv[1] != *(u64 *)(t.area + 80), "0x0403 dump complete: another IV");
}

/* A call that is answered with @cc; the next one of this kind has its answer */
static void busy(u16 cmd, int cc)
{
	u64 count = violations(false);
	int answer;

	order("faults", "clear");
	order("faults", "cmd=0x%x busy=1 cc=%d", cmd, cc);
	fill_block(cmd);
	answer = uvc(0, block);
	result(answer == cc && !block16(4) && violations(false) == count,
	       "0x%04x %s: cc %d", cmd, cmd_name(cmd), cc);
}

/* What is busy is to be issued again, and nothing else meanwhile */
void test_busy(void)
{
	must(0x0400);
	busy(0x0401, 2);
	row(0x0401, "continued after cc 2", OK, 0);
	busy(0x0401, 3);
	row1(0x0401, "continued after cc 3, something in rc", U16(4), 7, OK, 0);
	busy(0x0401, 3);
	row1(0x0401, "another MiB than the one that is busy", U64(0x28), SZ_1M, OK, 1);
	row(0x0401, "the busy one once it is too late", OK, 0);
	busy(0x0401, 2);
	row1(0x0401, "block of another length", U16(0), 0x58, INV_LEN, 2);
	busy(0x0401, 3);
	row(0x0400, "storage state is busy", RC(0x0103, 0), 1);
	busy(0x0401, 3);
	with(U16(0x36), 1);
	row1(0x0120, "storage state is busy", U64(0x28), __pa(t.low_stor), OK, 1);
	row1(0x0121, "success", U64(0x18), block64(0x18), OK, 0);
	with(U16(0x36), 1);
	with(U64(0x28), __pa(t.low_stor));
	busy(0x0120, 3);
	row(0x0401, "create cpu is busy", OK, 1);
	busy(0x0403, 3);
	row(0x0401, "completion is busy", OK, 1);
	with(U64(0x18), 1);
	busy(0x0401, 3);
	row1(0x0403, "unknown handle, nothing is busy", U64(0x18), 1, INV_CONF, 1);

	/* each CPU, and each page, is somebody else's */
	busy(0x0402, 3);
	row(0x0401, "CPU dump is busy", OK, 0);
	busy(0x0401, 3);
	row1(0x0201, "storage state is busy", U64(0x18), __pa(t.frame[15]), OK, 0);
	row(0x0402, "continued, storage state is busy", OK, 0);
	row(0x0401, "continued after a CPU dump", OK, 0);
	busy(0x0310, 2);
	row(0x0402, "CPU reset is busy", OK, 1);
	order("faults", "clear");
	must(0x0403);
}
