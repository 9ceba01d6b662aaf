// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: one call with one thing wrong, or right
 *
 * Control blocks, the instruction, rows of results, what a host does with memory
 * of a guest. Called by the tests; issues Ultravisor calls and asks the simulator
 * only through what it exports.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <asm/ptrace.h>
#include "test.h"

struct test t;
u8 block[BLOCK_LEN] __aligned(8);

int (*control)(const char *file, const char *directive);
u64 (*violations)(bool clear);
int (*registers)(const struct uvsim_regs_record *record);

const struct command cmds[] = {
	{ 0x0001, 0x120, NONE, 0x00, "query" },
	{ 0x000f, 0x48, NONE, 0x47, "init" },
	{ 0x0100, 0x80, NONE, 0x7f, "create config" },
	{ 0x0101, 0x40, CONF, 0x3f, "destroy config" },
	{ 0x0102, 0x48, CONF, 0x47, "destroy config fast" },
	{ 0x0120, 0x60, CONF, 0x5f, "create cpu" },
	{ 0x0121, 0x40, CPU, 0x3f, "destroy cpu" },
	{ 0x0200, 0x28, CONF, 0x00, "import" },
	{ 0x0201, 0x20, NONE, 0x00, "export" },
	{ 0x0202, 0x20, NONE, 0x00, "destroy page" },
	{ 0x0300, 0x50, CONF, 0x4f, "set parameters" },
	{ 0x0301, 0x50, CONF, 0x4f, "unpack" },
	{ 0x0302, 0x40, CONF, 0x3f, "verify" },
	{ 0x0310, 0x40, CPU, 0x3f, "cpu reset" },
	{ 0x0311, 0x40, CPU, 0x3f, "cpu initial reset" },
	{ 0x0320, 0x40, CONF, 0x3f, "prepare reset" },
	{ 0x0321, 0x40, CPU, 0x3f, "cpu clear reset" },
	{ 0x0330, 0x50, CPU, 0x4f, "set cpu state" },
	{ 0x0340, 0x40, CONF, 0x3f, "unshare all" },
	{ 0x0341, 0x20, NONE, 0x00, "pin" },
	{ 0x0342, 0x28, CONF, 0x00, "unpin" },
	{ 0x0400, 0x40, CONF, 0x3f, "dump init" },
	{ 0x0401, 0x50, CONF, 0x4f, "dump storage state" },
	{ 0x0402, 0x50, CPU, 0x4f, "dump cpu" },
	{ 0x0403, 0x50, CONF, 0x4f, "dump complete" },
};

const unsigned int nr_cmds = ARRAY_SIZE(cmds);

/*
 * Condition code, or what became of the program check; @_r3 is the field R3. The
 * condition code is 3 before, so that a missing one shows.
 */
#define UVC(_operand, _addr, _r3)						\
({										\
	int _cc = -1;								\
										\
	asm volatile("	tmll	%[cc],1\n"					\
		"0:	.insn	rrf,0xb9a40000,%[op],%[addr]," #_r3 ",0\n"	\
		"1:	ipm	%[cc]\n"					\
		"	srl	%[cc],28\n"					\
		"	j	4f\n"						\
		"2:	lhi	%[cc],%[access]\n"				\
		"	j	4f\n"						\
		"3:	lhi	%[cc],%[spec]\n"				\
		"4:\n"								\
		EX_TABLE(0b, 2b)						\
		EX_TABLE(1b, 3b)						\
		: [cc] "+d" (_cc)						\
		: [op] "d" (_operand), [addr] "a" (_addr),			\
		  [access] "K" (ACCESS_EXCEPTION), [spec] "K" (SPECIFICATION)	\
		: "cc", "memory");						\
	_cc;									\
})

int uvc(u64 operand, void *addr)
{
	return UVC(operand, addr, 0);
}

/* Something in the field R3, which has to be 0 */
int uvc_with_r3(void *addr)
{
	return UVC(0UL, addr, 1);
}

void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	t.len += vscnprintf(t.out + t.len, t.size - t.len, fmt, args);
	va_end(args);
}

void result(bool ok, const char *fmt, ...)
{
	va_list args;

	print("%sok %d - ", ok ? "" : "not ", ++t.rows);
	va_start(args, fmt);
	t.len += vscnprintf(t.out + t.len, t.size - t.len, fmt, args);
	va_end(args);
	print("\n");
}

void put(void *at, u32 field, u64 value)
{
	u8 *p = at + (field & 0xffff);

	switch (field >> 16) {
	case 1:
		*p = value;
		break;
	case 2:
		*(u16 *)p = value;
		break;
	case 4:
		*(u32 *)p = value;
		break;
	default:
		*(u64 *)p = value;
	}
}

u16 block16(unsigned int off)
{
	return *(u16 *)(block + off);
}

u64 block64(unsigned int off)
{
	return *(u64 *)(block + off);
}

/* Applies to the next block alone */
void with(u32 field, u64 value)
{
	t.with[t.nr_with].field = field;
	t.with[t.nr_with++].value = value;
}

static int find_cmd(u16 cmd)
{
	int i;

	for (i = 0; i < nr_cmds; i++) {
		if (cmds[i].cmd == cmd)
			return i;
	}
	return -1;
}

const char *cmd_name(u16 cmd)
{
	int i = find_cmd(cmd);

	return i < 0 ? "no call" : cmds[i].name;
}

/* A block with which the call succeeds if the state allows it */
void fill_block(u16 cmd)
{
	struct guest *g = t.g;
	int i = find_cmd(cmd);

	memset(block, 0, sizeof(block));
	put(block, U16(0x00), i < 0 ? 0x40 : cmds[i].len);
	put(block, U16(0x02), cmd);
	if (i >= 0 && cmds[i].handle == CONF)
		put(block, U64(0x18), g->conf);
	if (i >= 0 && cmds[i].handle == CPU)
		put(block, U64(0x18), g->cpu);
	switch (cmd) {
	case 0x000f:
		put(block, U64(0x18), __pa(t.uv_stor));
		put(block, U64(0x20), SZ_1M);
		break;
	case 0x0100:
		put(block, U64(0x20), __pa(g->base));
		put(block, U64(0x28), (u64)g->var);
		put(block, U64(0x40), GUEST_LEN);
		put(block, U64(0x48), __pa(g->sca));
		put(block, U64(0x50), __pa(g->segments) | 0x103);
		break;
	case 0x0120:
		put(block, U64(0x18), 0);
		put(block, U64(0x20), g->conf);
		put(block, U64(0x28), __pa(g->cpu_stor));
		put(block, U64(0x38), __pa(g->sd));
		break;
	case 0x0200:
	case 0x0342:
		put(block, U64(0x20), FREE_ADDR);
		break;
	case 0x0201:
	case 0x0202:
	case 0x0341:
		put(block, U64(0x18), __pa(t.frame[FRAMES - 1]));
		break;
	case 0x0300:
		put(block, U64(0x20), (u64)t.header);
		put(block, U32(0x28), 640);
		break;
	case 0x0301:
		put(block, U64(0x20), IMAGE_ADDR);
		break;
	case 0x0330:
		put(block, U8(0x27), 2);
		break;
	case 0x0401:
	case 0x0402:
	case 0x0403:
		put(block, U64(0x20), (u64)t.area);
		break;
	}
	for (i = 0; i < t.nr_with; i++)
		put(block, t.with[i].field, t.with[i].value);
	t.nr_with = 0;
}

/* Does the call change what it may change, and nothing else? */
static bool rest_is_unchanged(const u8 *before, u16 cmd, bool success)
{
	unsigned int i;

	for (i = 0; i < sizeof(block); i++) {
		if (i >= 4 && i < 8)
			continue;
		if (cmd == 0x0001 && i >= 8)
			break;
		if (success && (cmd == 0x0100 || cmd == 0x0120) && i >= 0x18 && i < 0x20)
			continue;
		if (before[i] != block[i])
			return false;
	}
	return true;
}

void row(u16 cmd, const char *what, u32 rc, unsigned int bad)
{
	static u8 before[BLOCK_LEN];
	bool handle_given;
	u64 count;
	int cc, expected_cc = rc == OK ? 0 : 1;

	fill_block(cmd);
	memcpy(before, block, sizeof(before));
	count = violations(false);
	cc = uvc(0, block);
	count = violations(false) - count;
	/* 0x8000: there is a handle although the call failed */
	handle_given = rc == OK || rc & 0x8000;
	if (cc == expected_cc && block16(4) == (u16)rc && block16(6) == rc >> 16 &&
	    count == bad && rest_is_unchanged(before, cmd, handle_given)) {
		result(true, "0x%04x %s: %s", cmd, cmd_name(cmd), what);
		return;
	}
	print("# cc %d rc %x rrc %x violations %llu, expected rc %x rrc %x violations %u%s\n",
	      cc, block16(4), block16(6), count, (u16)rc, rc >> 16, bad,
	      rest_is_unchanged(before, cmd, handle_given) ? "" : ", block was changed");
	result(false, "0x%04x %s: %s", cmd, cmd_name(cmd), what);
}

void row1(u16 cmd, const char *what, u32 field, u64 value, u32 rc, unsigned int bad)
{
	with(field, value);
	row(cmd, what, rc, bad);
}

/* A directive for the simulator: that is a result only if it fails */
void order(const char *file, const char *fmt, ...)
{
	char text[200];
	va_list args;
	int ret;

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ret = control(file, text);
	if (ret)
		result(false, "%s: %s: errno %d", file, text, -ret);
}

/* What the guest does with a page, as a row */
void guest_does(const char *what, u64 gaddr, int expected)
{
	char text[80];
	int ret;

	snprintf(text, sizeof(text), "%s gaddr=0x%llx tgid=%d", what, gaddr, current->tgid);
	ret = control("objects", text);
	if (ret != expected)
		print("# errno %d, expected %d\n", -ret, -expected);
	result(ret == expected, "guest: %s", text);
}

void map(struct guest *g, u64 gaddr, const u8 *frame)
{
	g->ptes[gaddr >> PAGE_SHIFT] = frame ? __pa(frame) : 0x400;
}

void pattern(u8 *page, u8 seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = seed + 7 * i + (i >> 8);
}

bool has_pattern(const u8 *page, u8 seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++) {
		if (page[i] != (u8)(seed + 7 * i + (i >> 8)))
			return false;
	}
	return true;
}

bool is_zero(const void *p, size_t len)
{
	return !memchr_inv(p, 0, len);
}

/* Steps on the way to a state; results only if they fail */

u32 call(u16 cmd)
{
	int cc;

	fill_block(cmd);
	cc = uvc(0, block);
	return cc > 1 ? 0 : RC(block16(4), block16(6));
}

void must(u16 cmd)
{
	u32 rc = call(cmd);

	if (rc != OK)
		result(false, "0x%04x %s on the way: rc %x rrc %x", cmd, cmd_name(cmd),
		       (u16)rc, rc >> 16);
}

void create_conf(struct guest *g)
{
	t.g = g;
	must(0x0100);
	g->conf = block64(0x18);
}

void create_cpu(struct guest *g)
{
	t.g = g;
	must(0x0120);
	g->cpu = block64(0x18);
}

void map_image(struct guest *g, unsigned int first_frame)
{
	int i;

	for (i = 0; i < IMAGE_PAGES; i++) {
		pattern(t.frame[first_frame + i], i);
		map(g, IMAGE_ADDR + i * PAGE_SIZE, t.frame[first_frame + i]);
	}
}

void unpack_image(unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++) {
		with(U64(0x20), IMAGE_ADDR + i * PAGE_SIZE);
		must(0x0301);
	}
}

/* From nothing to a verified image */
void start_guest(struct guest *g, unsigned int first_frame, u64 pcf)
{
	create_conf(g);
	make_header(pcf, 0, 0, 0);
	must(0x0300);
	map_image(g, first_frame);
	unpack_image(IMAGE_PAGES);
	must(0x0302);
}

void end_guest(struct guest *g)
{
	t.g = g;
	if (g->cpu)
		must(0x0121);
	must(0x0101);
	g->conf = 0;
	g->cpu = 0;
	memset64(g->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
}
