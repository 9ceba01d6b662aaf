// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compiled by scripts/check as a bare-metal test would be, without any header but the
 * one in question: can uvc_rows.h be used there? The rows become what such a test
 * would send, and _start, which needs no library either, ends with the number of rows
 * that make no sense.
 */
#include "uvc_rows.h"

#define AREA	0x10000UL
#define NR_ROWS	(sizeof(uvc_dump_rows) / sizeof(uvc_dump_rows[0]))

static unsigned char block[0x50] __attribute__((aligned(8)));

static void put(unsigned int off, unsigned int size, unsigned long value)
{
	while (size--) {
		block[off + size] = value;
		value >>= 8;
	}
}

/* The block of a row, or its end where a field would be beyond it */
static unsigned int fill(const struct uvc_row *r)
{
	unsigned int i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = 0;
	put(2, 2, r->cmd);
	put(0x20, 8, AREA);
	if (r->off + r->size > sizeof(block))
		return 1;
	put(r->off, r->size, r->add + (r->base == UVC_AREA ? AREA : 0));
	return block[2] << 8 != (r->cmd & 0xff00) || block[3] != (r->cmd & 0xff);
}

static unsigned int nonsense(void)
{
	unsigned int i, bad = 0, dumps = 0;

	for (i = 0; i < NR_ROWS; i++) {
		const struct uvc_row *r = &uvc_dump_rows[i];

		bad += fill(r) || !r->what[0] || !r->rc || (r->base == UVC_AREA && !r->add);
		/* INIT and COMPLETE that succeed take turns */
		if (r->cmd == 0x0400 && r->rc == 1)
			bad += dumps++ & 1;
		if (r->cmd == 0x0403 && r->rc == 1)
			bad += !(dumps++ & 1);
	}
	return bad + (dumps & 1);
}

void _start(void)
{
	register unsigned long status asm("2") = nonsense();

	/* exit */
	asm volatile("svc	1" : : "d" (status));
	for (;;)
		;
}
