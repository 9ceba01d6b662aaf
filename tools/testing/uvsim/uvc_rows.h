/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Ultravisor calls of dumps, and what is answered in which order: rows for any
 * test that can issue the instruction
 *
 * uvsim_test goes through them, and so can a bare-metal test on a real Ultravisor:
 * there are no types of a kernel here, and nothing else is included.
 *
 * They begin with a configuration of 2 MiB that is verified, whose owner allows
 * dumps and whose only CPU is operating. Each depends on those in front of it; at the
 * end there is no dump. The control block of a row is one with which the call succeeds
 * if the state allows it, but for one field. Who uses them provides what UVC_AREA means:
 * 12288 bytes on a page boundary for the results, behind which there is no access.
 *
 * Blocks of dump calls are 0x40 (init) or 0x50 bytes long. At 0x18 they have the handle of
 * the configuration or, dump cpu, of the CPU; at 0x20 the area; at 0x28, dump storage
 * state, the guest address.
 *
 * Published of the answers are 0x0001 and 0x0003. The others are uvsim's own: a real
 * Ultravisor may answer with other codes, and then uvsim is what has to be mended.
 */
#ifndef UVC_ROWS_H
#define UVC_ROWS_H

enum uvc_base { UVC_ZERO, UVC_AREA };

struct uvc_row {
	unsigned short cmd;
	const char *what;
	/* the CPU is kept out of SIE by the host, or not */
	unsigned char blocked;
	/* a field of so many bytes, 0 if there is none, is base + add */
	unsigned char size;
	unsigned short off;
	enum uvc_base base;
	unsigned long add;
	unsigned short rc, rrc;
	/* how many uvsim counts, which also looks at what breaks no rule of the answer */
	unsigned char violations;
};

#define UVC_ROW(_cmd, _what, _rc) \
	{ _cmd, _what, 1, 0, 0, UVC_ZERO, 0, _rc, 0, 0 }
#define UVC_ROW_OPEN(_cmd, _what, _rc, _violations) \
	{ _cmd, _what, 0, 0, 0, UVC_ZERO, 0, _rc, 0, _violations }
#define UVC_ROW_WITH(_cmd, _what, _off, _base, _add, _rc, _violations) \
	{ _cmd, _what, 1, 8, _off, _base, _add, _rc, 0, _violations }

static const struct uvc_row uvc_dump_rows[] = {
	UVC_ROW_OPEN(0x0401, "before init", 0x0104, 0),
	UVC_ROW_OPEN(0x0402, "before init", 0x0104, 0),
	UVC_ROW_OPEN(0x0403, "before init", 0x0104, 0),
	UVC_ROW_OPEN(0x0400, "a CPU could enter SIE", 0x0001, 1),
	UVC_ROW(0x0403, "of a dump with nothing in it", 0x0001),
	UVC_ROW(0x0400, "success", 0x0001),
	UVC_ROW(0x0400, "twice", 0x0103),
	UVC_ROW_OPEN(0x0401, "a CPU could enter SIE", 0x0001, 1),
	UVC_ROW(0x0300, "during a dump", 0x0003),
	UVC_ROW(0x0301, "during a dump", 0x0003),
	UVC_ROW(0x0302, "during a dump", 0x0003),
	UVC_ROW(0x0310, "during a dump", 0x0003),
	UVC_ROW(0x0311, "during a dump", 0x0003),
	UVC_ROW(0x0320, "during a dump", 0x0003),
	UVC_ROW(0x0321, "during a dump", 0x0003),
	UVC_ROW(0x0330, "during a dump", 0x0003),
	UVC_ROW(0x0340, "during a dump", 0x0003),
	UVC_ROW_WITH(0x0401, "address not aligned", 0x28, UVC_ZERO, 0x1000, 0x0105, 1),
	UVC_ROW_WITH(0x0401, "address beyond the guest", 0x28, UVC_ZERO, 0x200000, 0x0106, 0),
	UVC_ROW_WITH(0x0401, "area not accessible", 0x20, UVC_AREA, 0x3000, 0x0107, 1),
	UVC_ROW_WITH(0x0401, "end of the area not accessible", 0x20, UVC_AREA, 0x2008, 0x0107, 1),
	UVC_ROW_WITH(0x0401, "area not aligned", 0x20, UVC_AREA, 4, 0x0107, 1),
	UVC_ROW_WITH(0x0401, "area on a doubleword", 0x20, UVC_AREA, 8, 0x0001, 0),
	UVC_ROW(0x0401, "success", 0x0001),
	UVC_ROW(0x0401, "success again", 0x0001),
	UVC_ROW_WITH(0x0401, "second MiB", 0x28, UVC_ZERO, 0x100000, 0x0001, 0),
	UVC_ROW_WITH(0x0402, "area not accessible", 0x20, UVC_AREA, 0x3000, 0x0107, 1),
	UVC_ROW_WITH(0x0402, "end of the area not accessible", 0x20, UVC_AREA, 0x2008, 0x0107, 1),
	UVC_ROW_WITH(0x0402, "area not aligned", 0x20, UVC_AREA, 4, 0x0107, 1),
	UVC_ROW_WITH(0x0402, "area on a doubleword", 0x20, UVC_AREA, 8, 0x0001, 0),
	UVC_ROW(0x0402, "success", 0x0001),
	UVC_ROW(0x0402, "success again", 0x0001),
	/* the one that is good ends the dump */
	UVC_ROW_WITH(0x0403, "area not accessible", 0x20, UVC_AREA, 0x3000, 0x0107, 1),
	UVC_ROW_WITH(0x0403, "end of the area not accessible", 0x20, UVC_AREA, 0x2008, 0x0107, 1),
	UVC_ROW_WITH(0x0403, "area not aligned", 0x20, UVC_AREA, 4, 0x0107, 1),
	UVC_ROW_WITH(0x0403, "area on a doubleword", 0x20, UVC_AREA, 8, 0x0001, 0),
	UVC_ROW(0x0403, "twice", 0x0104),
	UVC_ROW(0x0401, "after completion", 0x0104),
	UVC_ROW(0x0402, "after completion", 0x0104),
	UVC_ROW(0x0310, "after completion", 0x0001),
	UVC_ROW(0x0400, "a second dump", 0x0001),
	UVC_ROW_OPEN(0x0403, "a CPU could enter SIE", 0x0001, 1),
};

#endif /* UVC_ROWS_H */
