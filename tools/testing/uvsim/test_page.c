// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: pages, by the host's calls and by what a guest does
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/string.h>
#include "test.h"

void test_pages(void)
{
	struct guest *a = t.g;
	u64 gaddr = IMAGE_ADDR;
	static u8 kept[PAGE_SIZE];

	/* a page nobody has touched yet */
	row1(0x0200, "address not aligned", U64(0x20), FREE_ADDR + 8, OPERAND, 1);
	row1(0x0200, "address beyond the guest", U64(0x20), GUEST_LEN, RC(0x0185, 0), 0);
	row(0x0200, "page not mapped", NOT_MAPPED, 0);
	pattern(t.frame[8], 99);
	map(a, FREE_ADDR, t.frame[8]);
	row(0x0200, "page never touched", OK, 0);
	result(!has_pattern(t.frame[8], 99) && !is_zero(t.frame[8], PAGE_SIZE),
	       "0x0200 import: the host cannot read it");
	row(0x0200, "page that is secure", OK, 0);

	/* out to the host and back, as when it is swapped */
	row1(0x0201, "address not aligned", U64(0x18), __pa(t.frame[0]) + 8, OPERAND, 1);
	row1(0x0201, "page that is not secure", U64(0x18), __pa(t.frame[14]), OK, 0);
	row1(0x0201, "page outside of memory", U64(0x18), BEYOND, OK, 0);
	row1(0x0201, "success", U64(0x18), __pa(t.frame[0]), OK, 0);
	memcpy(kept, t.frame[0], PAGE_SIZE);
	t.frame[0][PAGE_SIZE - 1] ^= 1;
	row1(0x0200, "page was changed", U64(0x20), gaddr, RC(0x0188, 0), 0);
	memset(t.frame[0], 0xaa, PAGE_SIZE);
	memcpy(t.frame[9], kept, PAGE_SIZE);
	map(a, gaddr, t.frame[9]);
	row1(0x0200, "page comes back in another place", U64(0x20), gaddr, OK, 0);
	result(memcmp(kept, t.frame[9], PAGE_SIZE), "0x0200 import: encrypted anew");
	result(!memchr_inv(t.frame[0], 0xaa, PAGE_SIZE),
	       "0x0200 import: the old place is left alone");
	with(U64(0x18), __pa(t.frame[9]));
	must(0x0201);
	memcpy(t.frame[9], kept, PAGE_SIZE);
	row1(0x0200, "an older content of the page", U64(0x20), gaddr, RC(0x0188, 0), 0);
	map(a, gaddr, NULL);

	/* moved by a host that did not ask */
	gaddr += PAGE_SIZE;
	memcpy(t.frame[10], t.frame[1], PAGE_SIZE);
	map(a, gaddr, t.frame[10]);
	row1(0x0200, "page moved without export", U64(0x20), gaddr, OK, 1);

	/* shared: plaintext for the host, which relies on it while it is pinned */
	row1(0x0341, "address not aligned", U64(0x18), __pa(t.frame[10]) + 8, OPERAND, 1);
	row1(0x0341, "page that is secure", U64(0x18), __pa(t.frame[10]), RC(0x018a, 0), 0);
	row1(0x0341, "page that is no guest's", U64(0x18), __pa(t.frame[14]), RC(0x018a, 0), 0);
	row1(0x0342, "page that is secure", U64(0x20), gaddr, RC(0x018a, 0), 0);
	row1(0x0342, "address not aligned", U64(0x20), gaddr + 8, OPERAND, 1);
	row1(0x0342, "address beyond the guest", U64(0x20), GUEST_LEN, RC(0x0185, 0), 0);
	row1(0x0342, "page not mapped", U64(0x20), IMAGE_ADDR, NOT_MAPPED, 0);
	guest_does("unshare", gaddr, -EINVAL);
	guest_does("share", IMAGE_ADDR, -ENXIO);
	guest_does("share", gaddr, 0);
	result(has_pattern(t.frame[10], 1), "guest: the host can read what is shared");
	row1(0x0342, "shared, but not pinned", U64(0x20), gaddr, RC(0x018a, 0), 0);
	row1(0x0341, "success", U64(0x18), __pa(t.frame[10]), OK, 0);
	row1(0x0341, "pinned already", U64(0x18), __pa(t.frame[10]), OK, 0);
	guest_does("unshare", gaddr, -EBUSY);
	result(has_pattern(t.frame[10], 1), "guest: pinned, so it stays shared");
	row1(0x0342, "success", U64(0x20), gaddr, OK, 0);
	row1(0x0342, "twice", U64(0x20), gaddr, RC(0x018a, 0), 0);
	guest_does("unshare", gaddr, 0);
	result(!has_pattern(t.frame[10], 1), "guest: the host cannot read it any more");
	row1(0x0341, "not shared any more", U64(0x18), __pa(t.frame[10]), RC(0x018a, 0), 0);

	/* a shared page is swapped: back in another place, no integrity */
	guest_does("share", gaddr, 0);
	with(U64(0x18), __pa(t.frame[10]));
	must(0x0201);
	pattern(t.frame[11], 55);
	map(a, gaddr, t.frame[11]);
	row1(0x0200, "shared page in another place", U64(0x20), gaddr, OK, 0);
	result(has_pattern(t.frame[11], 55), "0x0200 import: a shared page is left alone");

	/* its frame goes to another guest page while nobody exported it */
	map(a, gaddr, NULL);
	map(a, FREE_ADDR + PAGE_SIZE, t.frame[11]);
	row1(0x0200, "frame of a shared page", U64(0x20), FREE_ADDR + PAGE_SIZE, OK, 0);
	pattern(t.frame[12], 66);
	map(a, gaddr, t.frame[12]);
	row1(0x0200, "shared page, found again", U64(0x20), gaddr, OK, 0);

	/* unshare all takes no notice of pins */
	with(U64(0x18), __pa(t.frame[12]));
	must(0x0341);
	row(0x0340, "success", OK, 0);
	result(!has_pattern(t.frame[12], 66),
	       "0x0340 unshare all: the host cannot read it any more");
	row1(0x0341, "after unshare all", U64(0x18), __pa(t.frame[12]), RC(0x018a, 0), 0);
	guest_does("share", gaddr, 0);
	result(has_pattern(t.frame[12], 66), "0x0340 unshare all: the content is still there");
	guest_does("unshare", gaddr, 0);

	row1(0x0202, "address not aligned", U64(0x18), __pa(t.frame[8]) + 8, OPERAND, 1);
	row1(0x0202, "page that is not secure", U64(0x18), __pa(t.frame[14]), RC(0x0107, 0xd), 0);
	row1(0x0202, "page outside of memory", U64(0x18), BEYOND, RC(0x0107, 0xd), 0);
	row1(0x0202, "success", U64(0x18), __pa(t.frame[8]), OK, 0);
	result(is_zero(t.frame[8], PAGE_SIZE), "0x0202 destroy page: cleared");
	row1(0x0202, "twice", U64(0x18), __pa(t.frame[8]), RC(0x0107, 0xd), 0);
	guest_does("share", gaddr, 0);
	map(a, gaddr, NULL);
	row1(0x0202, "shared page the guest has not any more", U64(0x18), __pa(t.frame[12]),
	     RC(0x0107, 0xd), 0);
	result(has_pattern(t.frame[12], 66), "0x0202 destroy page: left alone");
	map(a, gaddr, t.frame[12]);
	with(U64(0x20), gaddr);
	must(0x0200);
	row1(0x0202, "shared page", U64(0x18), __pa(t.frame[12]), OK, 0);
	map(a, gaddr, NULL);
}

/* Orders are carried out in whatever is verified next */
void test_orders(void)
{
	struct guest *a = &t.guest[0];

	order("objects", "share gaddr=0x%lx", IMAGE_ADDR);
	order("objects", "export gaddr=0x%lx", IMAGE_ADDR + PAGE_SIZE);
	order("objects", "import gaddr=0x%lx", IMAGE_ADDR + PAGE_SIZE);
	start_guest(a, 0, GOOD_PCF);
	result(has_pattern(t.frame[0], 0), "order: share, at verification");
	result(!has_pattern(t.frame[1], 1), "order: export and import, at verification");
	end_guest(a);
	order("objects", "clear");
	order("objects", "share gaddr=0x%lx", FREE_ADDR);
	create_conf(a);
	make_header(GOOD_PCF, 0, 0, 0);
	must(0x0300);
	map_image(a, 0);
	unpack_image(IMAGE_PAGES);
	row(0x0302, "with an order that cannot be carried out", OK, 1);
	end_guest(a);
	order("objects", "clear");
	result(control("objects", "share") == -EINVAL, "order: no address");
	result(control("objects", "eat gaddr=0x1000") == -EINVAL, "order: unknown");
	result(control("objects", "share gaddr=0x1000 tgid=1") == -ESRCH, "order: no such VM");
}
