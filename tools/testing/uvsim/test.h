/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uvsim_test: what its files share
 *
 * Words to write rows with, hence without a prefix: they exist in this module
 * only. Of the simulator it knows what uvcb.h says.
 */
#ifndef UVSIM_TEST_H
#define UVSIM_TEST_H

#include <linux/compiler.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include "uvcb.h"

#define RC(_rc, _rrc)		((u32)(_rc) | (u32)(_rrc) << 16)
#define OK			RC(0x0001, 0)
#define INV_CMD			RC(0x0002, 0)
#define INV_STATE		RC(0x0003, 0)
#define INV_LEN			RC(0x0005, 0)
#define INV_CONF		RC(0x0020, 0)
#define INV_CPU			RC(0x0021, 0)
#define NOT_MAPPED		RC(0x010a, 0)
/* uvsim's own */
#define RESERVED		RC(0x0180, 0)
#define OPERAND			RC(0x0181, 0)

/* What uvc() returns beside the condition codes */
#define ACCESS_EXCEPTION	4
#define SPECIFICATION		5

#define BLOCK_LEN		0x120
#define GUEST_LEN		SZ_2M
#define FRAMES			16
#define IMAGE_ADDR		0x10000UL
#define IMAGE_PAGES		3
#define FREE_ADDR		0x80000UL	/* for pages that are not of the image */
#define BEYOND			0x700000000000UL	/* no main storage there */

/* A field of a control block; what differs from a block that is right */
#define U8(_off)		((_off) | 1 << 16)
#define U16(_off)		((_off) | 2 << 16)
#define U32(_off)		((_off) | 4 << 16)
#define U64(_off)		((_off) | 8 << 16)

/* In the state description: the kernel keeps the CPU out of SIE */
#define SIE_BLOCKED		1

enum handle { NONE, CONF, CPU };

#define PCF_PLAIN	0x10000000UL
#define PCF_DUMP	0x20000000UL
#define GOOD_PCF	(PCF_PLAIN | PCF_DUMP)

struct command {
	u16 cmd, len;
	enum handle handle;
	u16 tail;		/* last byte if that is reserved */
	const char *name;
};

/* What a host donates and how it describes a guest */
struct guest {
	u64 *segments, *ptes;
	u8 *base, *var, *cpu_stor, *sca, *sd;
	u64 conf, cpu;
};

struct test {
	char *out;
	size_t len, size;
	int rows;
	struct guest guest[2], *g;	/* g: whom the rows are about */
	u8 *uv_stor, *low_stor;
	u8 *frame[FRAMES];
	u8 *area;			/* 3 pages; no page behind them */
	u8 *header;			/* at the end of an area like that */
	struct { u32 field; u64 value; } with[4];
	unsigned int nr_with;
	u64 max_addr, calls0;
	u32 base_len, var_base_len, var_len, cpu_len, max_cpu;
	u32 base_order;
};

extern struct test t;
extern u8 block[BLOCK_LEN];
extern const struct command cmds[];
extern const unsigned int nr_cmds;

/* The simulator's */
extern int (*control)(const char *file, const char *directive);
extern u64 (*violations)(bool clear);
extern int (*registers)(const struct uvsim_regs_record *record);

/* test_lib.c */
int uvc(u64 operand, void *addr);
int uvc_with_r3(void *addr);
__printf(1, 2) void print(const char *fmt, ...);
__printf(2, 3) void result(bool ok, const char *fmt, ...);
void put(void *at, u32 field, u64 value);
u16 block16(unsigned int off);
u64 block64(unsigned int off);
void with(u32 field, u64 value);
const char *cmd_name(u16 cmd);
void fill_block(u16 cmd);
void row(u16 cmd, const char *what, u32 rc, unsigned int bad);
void row1(u16 cmd, const char *what, u32 field, u64 value, u32 rc, unsigned int bad);
__printf(2, 3) void order(const char *file, const char *fmt, ...);
void guest_does(const char *what, u64 gaddr, int expected);
void map(struct guest *g, u64 gaddr, const u8 *frame);
void pattern(u8 *page, u8 seed);
bool has_pattern(const u8 *page, u8 seed);
bool is_zero(const void *p, size_t len);
u32 call(u16 cmd);
void must(u16 cmd);
void create_conf(struct guest *g);
void create_cpu(struct guest *g);
void map_image(struct guest *g, unsigned int first_frame);
void unpack_image(unsigned int pages);
void start_guest(struct guest *g, unsigned int first_frame, u64 pcf);
void end_guest(struct guest *g);

/* test_uvc.c */
void test_uninitialized(void);
void test_init(void);
void test_common(void);
void test_handles(void);
void test_not_installed(void);
void test_query(void);

/* test_config.c */
void test_create_conf(void);
void test_create_cpu(void);
void test_cpu(void);
void test_destroy(void);
void test_destroy_fast(void);
void test_fates(void);

/* test_image.c */
void know_host_key(void);
void make_header(u64 pcf, u64 scf, u32 alter, u64 value);
void test_set_parms(void);
void test_unpack(void);
void test_verify(void);

/* test_page.c */
void test_pages(void);
void test_orders(void);

/* test_dump.c */
void test_dump(void);
void test_busy(void);

/* test_regs.c */
void test_regs(void);

/* test_fault.c */
void test_faults(void);
void test_keys(void);

/* test_script.c */
void test_script(void);

#endif /* UVSIM_TEST_H */
