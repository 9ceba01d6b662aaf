// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test - issues the Ultravisor calls that no kernel issues
 *
 * Is the simulator right? Each row is one call with one thing wrong, or right,
 * and the answer that is expected: condition code, rc and rrc, violation counted
 * or not, nothing else changed in the control block. The calls are the real
 * instruction. What is published of the interface gives the rows; where it says
 * nothing, they fix what uvsim.c has chosen.
 *
 * debugfs, /sys/kernel/debug/uvsim_test/ (reading runs the test, prints KTAP):
 *  conformance	needs uvsim without configurations and violations, 1 MiB of
 *		memory above 2 GiB, and no other user of the Ultravisor meanwhile.
 *		Takes all CPUs but one offline for a moment, forgets header keys,
 *		fault rules and "qui", clears the violations it has provoked
 *  globals	are the kernel's variables that uvsim changes what they were
 *		when this module was loaded? Load it before uvsim for that
 *
 * Offsets are the interface's, written out: a wrong structure of the simulator
 * must not be wrong here as well.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sclp.h>
#include <asm/uv.h>
#include "uvcb.h"

#define ROWS			628	/* a change of the tests has to change this */

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

static const struct {
	u16 cmd, len;
	enum handle handle;
	u16 tail;		/* last byte if that is reserved */
	const char *name;
} cmds[] = {
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

/* What a host donates and how it describes a guest */
struct guest {
	u64 *segments, *ptes;
	u8 *base, *var, *cpu_stor, *sca, *sd;
	u64 conf, cpu;
};

static struct {
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
} t;

static u8 block[BLOCK_LEN] __aligned(8);
static DEFINE_MUTEX(test_lock);

static int (*control)(const char *file, const char *directive);
static u64 (*violations)(bool clear);

static const u8 header_key[32] = "the key of the SE header: secret";
static const u8 host_key_hash[32] = "SHA-256 of the host's public key";

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

static int uvc(u64 operand, void *addr)
{
	return UVC(operand, addr, 0);
}

static __printf(1, 2) void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	t.len += vscnprintf(t.out + t.len, t.size - t.len, fmt, args);
	va_end(args);
}

static __printf(2, 3) void result(bool ok, const char *fmt, ...)
{
	va_list args;

	print("%sok %d - ", ok ? "" : "not ", ++t.rows);
	va_start(args, fmt);
	t.len += vscnprintf(t.out + t.len, t.size - t.len, fmt, args);
	va_end(args);
	print("\n");
}

static void put(void *at, u32 field, u64 value)
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

static u16 block16(unsigned int off)
{
	return *(u16 *)(block + off);
}

static u64 block64(unsigned int off)
{
	return *(u64 *)(block + off);
}

/* Applies to the next block alone */
static void with(u32 field, u64 value)
{
	t.with[t.nr_with].field = field;
	t.with[t.nr_with++].value = value;
}

static int find_cmd(u16 cmd)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (cmds[i].cmd == cmd)
			return i;
	}
	return -1;
}

static const char *cmd_name(u16 cmd)
{
	int i = find_cmd(cmd);

	return i < 0 ? "no call" : cmds[i].name;
}

/* A block with which the call succeeds if the state allows it */
static void fill_block(u16 cmd)
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

static void row(u16 cmd, const char *what, u32 rc, unsigned int bad)
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

static void row1(u16 cmd, const char *what, u32 field, u64 value, u32 rc, unsigned int bad)
{
	with(field, value);
	row(cmd, what, rc, bad);
}

/* A directive for the simulator: that is a result only if it fails */
static __printf(2, 3) void order(const char *file, const char *fmt, ...)
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
static void guest_does(const char *what, u64 gaddr, int expected)
{
	char text[80];
	int ret;

	snprintf(text, sizeof(text), "%s gaddr=0x%llx tgid=%d", what, gaddr, current->tgid);
	ret = control("objects", text);
	if (ret != expected)
		print("# errno %d, expected %d\n", -ret, -expected);
	result(ret == expected, "guest: %s", text);
}

static void map(struct guest *g, u64 gaddr, const u8 *frame)
{
	g->ptes[gaddr >> PAGE_SHIFT] = frame ? __pa(frame) : 0x400;
}

static void pattern(u8 *page, u8 seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = seed + 7 * i + (i >> 8);
}

static bool has_pattern(const u8 *page, u8 seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++) {
		if (page[i] != (u8)(seed + 7 * i + (i >> 8)))
			return false;
	}
	return true;
}

static bool is_zero(const void *p, size_t len)
{
	return !memchr_inv(p, 0, len);
}

/* SE header: one key slot, pages not encrypted; @alter before it is sealed */
static int build_header(u64 pcf, u64 scf, u32 alter, u64 value)
{
	struct uvsim_se_header *h;
	struct uvsim_se_slot *slot;
	struct uvsim_se_secret *secret;
	struct aead_request *req = NULL;
	struct crypto_shash *sha;
	struct crypto_aead *gcm;
	DECLARE_CRYPTO_WAIT(wait);
	struct shash_desc *desc = NULL;
	struct scatterlist sg;
	u64 words[2] = {};
	int ret, i, k;

	h = kzalloc(640, GFP_KERNEL);
	sha = crypto_alloc_shash("sha512", 0, 0);
	gcm = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	ret = -ENOMEM;
	if (!h || IS_ERR(sha) || IS_ERR(gcm))
		goto out;
	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(sha), GFP_KERNEL);
	req = aead_request_alloc(gcm, GFP_KERNEL);
	if (!desc || !req)
		goto out;

	slot = (struct uvsim_se_slot *)(h + 1);
	secret = (struct uvsim_se_secret *)(slot + 1);
	h->magic = UVSIM_SE_MAGIC;
	h->version = UVSIM_SE_VERSION;
	h->size = 640;
	h->slots = 1;
	h->enc_len = sizeof(*secret);
	h->pages = IMAGE_PAGES;
	h->pcf = pcf;
	memcpy(slot->key_hash, host_key_hash, sizeof(slot->key_hash));
	secret->psw[0] = 0x0000000180000000UL;
	secret->psw[1] = IMAGE_ADDR;
	secret->scf = scf;

	desc->tfm = sha;
	for (k = 0; k < 3; k++) {
		ret = crypto_shash_init(desc);
		for (i = 0; i < IMAGE_PAGES && !ret; i++) {
			words[0] = IMAGE_ADDR + i * PAGE_SIZE;
			pattern(t.area, i);
			if (k == 0)
				ret = crypto_shash_update(desc, t.area, PAGE_SIZE);
			else if (k == 1)
				ret = crypto_shash_update(desc, (u8 *)words, 8);
			words[0] = 0;
			if (k == 2)
				ret = crypto_shash_update(desc, (u8 *)words, 16);
		}
		ret = ret ?: crypto_shash_final(desc, k == 0 ? h->pld : k == 1 ? h->ald : h->tld);
		if (ret)
			goto out;
	}
	if (alter)
		put(h, alter, value);

	ret = crypto_aead_setkey(gcm, header_key, sizeof(header_key)) ?:
	      crypto_aead_setauthsize(gcm, 16);
	if (ret)
		goto out;
	sg_init_one(&sg, h, 640);
	aead_request_set_callback(req, 0, crypto_req_done, &wait);
	aead_request_set_ad(req, sizeof(*h) + sizeof(*slot));
	aead_request_set_crypt(req, &sg, &sg, sizeof(*secret), h->iv);
	ret = crypto_wait_req(crypto_aead_encrypt(req), &wait);
	memcpy(t.header, h, 640);
out:
	kfree(desc);
	if (req)
		aead_request_free(req);
	if (!IS_ERR(gcm))
		crypto_free_aead(gcm);
	if (!IS_ERR(sha))
		crypto_free_shash(sha);
	kfree(h);
	return ret;
}

#define PCF_PLAIN	0x10000000UL
#define PCF_DUMP	0x20000000UL
#define GOOD_PCF	(PCF_PLAIN | PCF_DUMP)

static void make_header(u64 pcf, u64 scf, u32 alter, u64 value)
{
	int ret = build_header(pcf, scf, alter, value);

	if (ret)
		result(false, "SE header: errno %d", -ret);
}

/* Steps on the way to a state; results only if they fail */

static u32 call(u16 cmd)
{
	int cc;

	fill_block(cmd);
	cc = uvc(0, block);
	return cc > 1 ? 0 : RC(block16(4), block16(6));
}

static void must(u16 cmd)
{
	u32 rc = call(cmd);

	if (rc != OK)
		result(false, "0x%04x %s on the way: rc %x rrc %x", cmd, cmd_name(cmd),
		       (u16)rc, rc >> 16);
}

static void create_conf(struct guest *g)
{
	t.g = g;
	must(0x0100);
	g->conf = block64(0x18);
}

static void create_cpu(struct guest *g)
{
	t.g = g;
	must(0x0120);
	g->cpu = block64(0x18);
}

static void map_image(struct guest *g, unsigned int first_frame)
{
	int i;

	for (i = 0; i < IMAGE_PAGES; i++) {
		pattern(t.frame[first_frame + i], i);
		map(g, IMAGE_ADDR + i * PAGE_SIZE, t.frame[first_frame + i]);
	}
}

static void unpack_image(unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++) {
		with(U64(0x20), IMAGE_ADDR + i * PAGE_SIZE);
		must(0x0301);
	}
}

/* From nothing to a verified image */
static void start_guest(struct guest *g, unsigned int first_frame, u64 pcf)
{
	create_conf(g);
	make_header(pcf, 0, 0, 0);
	must(0x0300);
	map_image(g, first_frame);
	unpack_image(IMAGE_PAGES);
	must(0x0302);
}

static void end_guest(struct guest *g)
{
	t.g = g;
	if (g->cpu)
		must(0x0121);
	must(0x0101);
	g->conf = 0;
	g->cpu = 0;
	memset64(g->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
}

/* Rows */

static void test_uninitialized(void)
{
	int i;

	order("objects", "uninit");
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (cmds[i].cmd == 0x0001)
			row(0x0001, "before the initialization", OK, 0);
		else if (cmds[i].cmd == 0x0102)
			row(0x0102, "before the initialization, not installed", INV_CMD, 1);
		else if (cmds[i].cmd != 0x000f)
			row(cmds[i].cmd, "before the initialization", INV_STATE, 1);
	}
}

static void test_init(void)
{
	u64 end = __pa(high_memory);
	unsigned int cpu;

	if (num_online_cpus() > 1)
		row(0x000f, "other CPUs are running", RC(0x0102, 0), 0);
	else
		result(true, "0x000f init: other CPUs are running # SKIP there is one CPU");
	for_each_present_cpu(cpu) {
		if (cpu && cpu_online(cpu) && remove_cpu(cpu))
			result(false, "CPU %u does not go offline", cpu);
	}
	row1(0x000f, "storage too short", U64(0x20), SZ_1M - 8, RC(0x0103, 0), 0);
	row1(0x000f, "storage outside of memory", U64(0x18), end, RC(0x0104, 0), 0);
	with(U64(0x18), end - SZ_1M);
	row1(0x000f, "end of the storage outside of memory", U64(0x20), SZ_2M, RC(0x0105, 0), 0);
	row1(0x000f, "storage below 2 GiB", U64(0x18), __pa(t.low_stor), RC(0x0108, 0), 0);
	with(U64(0x18), __pa(t.uv_stor) + 0x123);
	row1(0x000f, "bits that do not count", U64(0x20), SZ_1M + 8, OK, 0);
	row(0x000f, "twice", RC(0x0101, 0), 1);
	for_each_present_cpu(cpu) {
		if (!cpu_online(cpu) && add_cpu(cpu))
			result(false, "CPU %u does not go online", cpu);
	}
}

/* For each call; none of these gets beyond the checks that are common */
static void test_common(void)
{
	u64 count;
	u16 cmd;
	int i, cc;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		cmd = cmds[i].cmd;
		/* that length is good for query, which has rows of its own */
		if (cmd != 0x0001) {
			row1(cmd, "block too short", U16(0), cmds[i].len - 8, INV_LEN, 1);
			row1(cmd, "block too long", U16(0), cmds[i].len + 8, INV_LEN, 1);
			row1(cmd, "first reserved byte", U8(0x08), 1, RESERVED, 1);
		}
		if (cmds[i].tail)
			row1(cmd, "last reserved byte", U8(cmds[i].tail), 1, RESERVED, 1);
		row1(cmd, "length 0", U16(0), 0, INV_LEN, 1);

		fill_block(cmd);
		cc = uvc(0, (void *)t.area + 3 * PAGE_SIZE);
		result(cc == ACCESS_EXCEPTION, "0x%04x %s: block not accessible", cmd,
		       cmds[i].name);
		memcpy(t.area + 3 * PAGE_SIZE - 8, block, 8);
		cc = uvc(0, t.area + 3 * PAGE_SIZE - 8);
		result(cc == ACCESS_EXCEPTION, "0x%04x %s: end of the block not accessible",
		       cmd, cmds[i].name);

		/* the third time it is not busy any more */
		order("faults", "clear");
		order("faults", "cmd=0x%x busy=2 cc=%u", cmd, i % 2 + 2);
		put(block, U16(0), 0);
		count = violations(false);
		cc = uvc(0, block) * 100;
		cc += uvc(0, block) * 10;
		if (!block16(4) && !block16(6) && violations(false) == count)
			cc += uvc(0, block);
		result(cc == (i % 2 + 2) * 110 + 1 && block16(4) == (u16)INV_LEN,
		       "0x%04x %s: busy twice with cc %u, then the answer", cmd,
		       cmds[i].name, i % 2 + 2);
	}
	order("faults", "clear");

	fill_block(0x0320);
	count = violations(false);
	cc = uvc(1, block);
	result(cc == 1 && violations(false) == count + 2, "first operand is not zero");
	result(UVC(0UL, block, 1) == SPECIFICATION, "R3 is not zero: specification exception");
	result(uvc(0, block + 4) == SPECIFICATION, "block not aligned: specification exception");
	order("faults", "cmd=0x0320 rc=0x7 rrc=0x9");
	row(0x0320, "cannot resume (by a fault rule)", RC(0x0007, 0x9), 0);
}

static void test_handles(void)
{
	int i, k;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		static const struct { const char *what; s64 delta; } other[] = {
			{ "handle of another slot", 1 },
			{ "handle of another time", 1 << 16 },
		};
		u64 handle = cmds[i].handle == CONF ? t.g->conf : t.g->cpu;
		u32 rc = cmds[i].handle == CONF ? INV_CONF : INV_CPU;
		u32 field = cmds[i].cmd == 0x0120 ? U64(0x20) : U64(0x18);

		/* not installed */
		if (cmds[i].handle == NONE || cmds[i].cmd == 0x0102)
			continue;
		row1(cmds[i].cmd, "handle 0", field, 0, rc, 1);
		for (k = 0; k < ARRAY_SIZE(other); k++)
			row1(cmds[i].cmd, other[k].what, field, handle + other[k].delta, rc, 1);
		row1(cmds[i].cmd, "handle of the wrong kind", field,
		     cmds[i].handle == CONF ? t.g->cpu : t.g->conf, rc, 1);
	}
}

/* Calls of a guest, calls that are not there */
static void test_not_installed(void)
{
	static const struct { u16 cmd, bit; const char *what; } calls[] = {
		{ 0x4242, 0, "nonsense" },
		{ 0x0000, 0, "nothing" },
		{ 0xffff, 0, "everything" },
		{ 0x0002, 34, "query keys" },
		{ 0x0404, 0, "behind the dump calls" },
		{ 0x1000, 8, "share, by the host" },
		{ 0x1001, 9, "unshare, by the host" },
		{ 0x1020, 28, "attestation, by the host" },
		{ 0x1031, 29, "add secret, by the host" },
		{ 0x1033, 30, "list secrets, by the host" },
		{ 0x1034, 31, "lock secrets, by the host" },
		{ 0x1035, 33, "retrieve secret, by the host" },
	};
	u64 installed;
	int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		row(calls[i].cmd, calls[i].what, INV_CMD, 1);
		if (!calls[i].bit)
			continue;
		call(0x0001);
		installed = block64(0x10 + calls[i].bit / 64 * 8);
		result(!(installed & 1UL << (63 - calls[i].bit % 64)),
		       "0x0001 query: bit %u is off", calls[i].bit);
	}
}

static void test_query(void)
{
	static const struct { u16 off; u64 value; const char *what; } fields[] = {
		{ 0x10, 0xff1ffef000000000UL, "installed calls" },
		{ 0x40, SZ_1M, "length of the base storage" },
		{ 0x68, 0x1000, "length of CPU storage and dump" },
		{ 0x80, 0x800000000000UL, "guest addresses" },
		{ 0xa0, 0xc000000000000000UL, "features" },
		{ 0xb0, 0x8000000000000000UL, "SE header versions" },
		{ 0xb8, 0x300050e3, "plaintext control flags" },
		{ 0xc8, 0x1000, "length of the storage state" },
		{ 0xd0, 0x1000, "length of the completion data" },
	};
	int i;

	row1(0x0001, "length 0xa0", U16(0), 0xa0, INV_LEN, 1);
	row1(0x0001, "length 0xac", U16(0), 0xac, INV_LEN, 1);
	row1(0x0001, "length 0xa8", U16(0), 0xa8, RC(0x0100, 0), 0);
	result(is_zero(block + 0xa8, BLOCK_LEN - 0xa8),
	       "0x0001 query: no more than that is written");
	row1(0x0001, "length 0xc8", U16(0), 0xc8, RC(0x0100, 0), 0);
	row1(0x0001, "length 0x100", U16(0), 0x100, RC(0x0100, 0), 0);
	row(0x0001, "all", OK, 0);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (block64(fields[i].off) != fields[i].value)
			print("# %llx\n", block64(fields[i].off));
		result(block64(fields[i].off) == fields[i].value, "0x0001 query: %s",
		       fields[i].what);
	}
}

static void test_create_conf(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	const u64 asce = __pa(a->segments);

	row1(0x0100, "MSO too high", U64(0x38), t.max_addr, RC(0x0101, 0), 1);
	row1(0x0100, "MSO and MSL too high", U64(0x40), t.max_addr + SZ_1M, RC(0x0102, 0), 1);
	row1(0x0100, "MSL not in MiB", U64(0x40), GUEST_LEN + PAGE_SIZE, RC(0x0102, 0), 1);
	row1(0x0100, "ASCE: private bit off", U64(0x50), asce | 3, RC(0x0105, 0), 1);
	row1(0x0100, "ASCE: real space", U64(0x50), asce | 0x123, RC(0x0105, 0), 1);
	row1(0x0100, "base storage not accessible", U64(0x20), BEYOND, RC(0x0108, 0), 1);
	row1(0x0100, "base storage not aligned", U64(0x20), __pa(a->base) + 8, RC(0x0108, 0), 1);
	row1(0x0100, "base storage is the Ultravisor's", U64(0x20), __pa(t.uv_stor),
	     RC(0x0108, 0), 1);
	row1(0x0100, "base storage in the lowcore", U64(0x20), PAGE_SIZE, RC(0x0109, 0), 1);
	row1(0x0100, "no SCA", U64(0x48), 0, RC(0x010c, 0), 1);
	row1(0x0100, "SCA not accessible", U64(0x48), BEYOND, RC(0x010d, 0), 1);
	row1(0x0100, "variable storage not accessible", U64(0x28), (u64)t.area + 3 * PAGE_SIZE,
	     RC(0x0183, 0), 1);
	row1(0x0100, "end of the variable storage not accessible", U64(0x28),
	     (u64)t.area + 2 * PAGE_SIZE, RC(0x0183, 0), 1);
	row1(0x0100, "variable storage not aligned", U64(0x28), (u64)a->var + 8,
	     RC(0x0183, 0), 1);
	row1(0x0100, "variable storage overlaps base storage", U64(0x28), (u64)a->base,
	     RC(0x0183, 0), 1);

	memset(a->base, 0xff, t.base_len);
	row(0x0100, "success", OK, 0);
	a->conf = block64(0x18);
	result(a->conf, "0x0100 create config: handle");
	row1(0x0100, "the same once more", U64(0x18), a->conf, RC(0x0108, 0), 1);
	t.g = b;
	row1(0x0100, "ASCE in use", U64(0x50), asce | 0x103, RC(0x0104, 0), 1);
	row1(0x0100, "base storage in use", U64(0x20), __pa(a->base), RC(0x0108, 0), 1);
	row1(0x0100, "variable storage in use", U64(0x28), (u64)a->var, RC(0x0183, 0), 1);
	row(0x0100, "a second one", OK, 0);
	b->conf = block64(0x18);
	result(b->conf && b->conf != a->conf, "0x0100 create config: another handle");
	with(U64(0x20), __pa(t.low_stor));
	with(U64(0x28), (u64)t.low_stor + t.base_len);
	row1(0x0100, "more than there may be", U64(0x50), __pa(t.low_stor) | 0x103,
	     RC(0x0182, 0), 0);
	t.g = a;
}

static void test_create_cpu(void)
{
	struct guest *a = t.g;

	row1(0x0120, "number too high", U16(0x36), t.max_cpu + 1, RC(0x0103, 0), 1);
	row1(0x0120, "storage not accessible", U64(0x28), BEYOND, RC(0x0105, 0), 1);
	row1(0x0120, "storage not aligned", U64(0x28), __pa(a->cpu_stor) + 8, RC(0x0105, 0), 1);
	row1(0x0120, "storage in use", U64(0x28), __pa(a->base), RC(0x0105, 0), 1);
	row1(0x0120, "storage in the lowcore", U64(0x28), PAGE_SIZE, RC(0x0106, 0), 1);
	row1(0x0120, "state description not accessible", U64(0x38), BEYOND, RC(0x0107, 0), 1);
	row1(0x0120, "state description not aligned", U64(0x38), __pa(a->sd) + 8,
	     RC(0x0107, 0), 1);
	row(0x0120, "success", OK, 0);
	a->cpu = block64(0x18);
	result(a->cpu, "0x0120 create cpu: handle");
	row1(0x0120, "same number", U64(0x28), __pa(t.low_stor), RC(0x0104, 0), 1);
}

static void test_set_parms(void)
{
	static const struct {
		const char *what;
		u64 pcf, scf;
		u32 before, after;	/* change before, after it was sealed */
		u64 value;
		u32 rc;
	} headers[] = {
		{ "header: magic", GOOD_PCF, 0, 0, U8(0), 0, RC(0x010a, 0x39) },
		{ "header: version", GOOD_PCF, 0, 0, U32(8), 0x200, RC(0x0104, 0x01) },
		{ "header: size", GOOD_PCF, 0, 0, U32(12), 639, RC(0x010a, 0x31) },
		{ "header: size beyond what is given", GOOD_PCF, 0, 0, U32(12), 720,
		  RC(0x010a, 0x31) },
		{ "header: no key slot", GOOD_PCF, 0, 0, U64(32), 0, RC(0x010a, 0x31) },
		{ "header: many key slots", GOOD_PCF, 0, 0, U64(32), -1, RC(0x010a, 0x31) },
		{ "header: length of the secret part", GOOD_PCF, 0, 0, U64(40), 112,
		  RC(0x010a, 0x31) },
		{ "header: unknown plaintext flag", GOOD_PCF | 0x08000000, 0, 0, 0, 0,
		  RC(0x0106, 0x30) },
		{ "header: for another host", GOOD_PCF, 0, 0, U8(416), 0, RC(0x0108, 0x05) },
		{ "header: changed plaintext flag", PCF_PLAIN, 0, 0, U64(56), GOOD_PCF,
		  RC(0x010a, 0x40) },
		{ "header: changed secret", GOOD_PCF, 0, 0, U64(496), 0, RC(0x010a, 0x40) },
		{ "header: changed tag", GOOD_PCF, 0, 0, U64(624), 0, RC(0x010a, 0x40) },
		{ "header: unknown secret flag", GOOD_PCF, 1UL << 63, 0, 0, 0, RC(0x0109, 0) },
	};
	int i;

	row(0x0301, "before the header", INV_STATE, 0);
	row(0x0302, "before the header", INV_STATE, 0);
	row(0x0400, "before the header", RC(0x0102, 0), 0);

	make_header(GOOD_PCF, 0, 0, 0);
	row1(0x0300, "header not accessible", U64(0x20), (u64)t.area + 3 * PAGE_SIZE,
	     RC(0x0103, 0), 1);
	row1(0x0300, "end of the header not accessible", U32(0x28), 641, RC(0x0103, 0), 1);
	row1(0x0300, "header of length 0", U32(0x28), 0, RC(0x0103, 0), 1);
	row1(0x0300, "header too short", U32(0x28), 415, RC(0x010a, 0x31), 0);
	row1(0x0300, "end of the header missing", U32(0x28), 639, RC(0x010a, 0x31), 0);
	with(U64(0x20), (u64)t.area);
	row1(0x0300, "header too long", U32(0x28), 2 * PAGE_SIZE + 1, RC(0x010a, 0x31), 0);
	for (i = 0; i < ARRAY_SIZE(headers); i++) {
		make_header(headers[i].pcf, headers[i].scf, headers[i].before, headers[i].value);
		if (headers[i].after)
			put(t.header, headers[i].after, headers[i].value);
		row(0x0300, headers[i].what, headers[i].rc, 0);
	}
	make_header(GOOD_PCF, 0x6000000000000000UL, 0, 0);
	row(0x0300, "success", OK, 0);
	row(0x0300, "twice", INV_STATE, 0);
}

static void test_unpack(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	u64 saved;

	/* a frame that is secure in another configuration */
	t.g = b;
	map(b, FREE_ADDR, t.frame[15]);
	must(0x0200);
	t.g = a;
	map(a, FREE_ADDR, t.frame[15]);

	row1(0x0301, "address not aligned", U64(0x20), IMAGE_ADDR + 8, OPERAND, 1);
	row1(0x0301, "address beyond the guest", U64(0x20), GUEST_LEN, RC(0x0185, 0), 0);
	row(0x0301, "page not mapped", NOT_MAPPED, 0);
	saved = a->segments[0];
	a->segments[0] = 0x20;
	row(0x0301, "segment not mapped", NOT_MAPPED, 0);
	a->segments[0] = saved | 0x400;
	row(0x0301, "large page", RC(0x0186, 0), 0);
	a->segments[0] = saved | 0x04;
	row(0x0301, "table of the wrong kind", OPERAND, 1);
	a->segments[0] = BEYOND;
	row(0x0301, "table outside of memory", OPERAND, 1);
	a->segments[0] = saved;
	a->ptes[IMAGE_ADDR >> PAGE_SHIFT] = BEYOND;
	row(0x0301, "page outside of memory", OPERAND, 1);
	row1(0x0301, "page secure elsewhere", U64(0x20), FREE_ADDR, RC(0x0187, 0), 0);
	with(U64(0x18), __pa(t.frame[15]));
	must(0x0202);
	map(a, FREE_ADDR, NULL);
	map(b, FREE_ADDR, NULL);

	row(0x0302, "no page of the image is there", RC(0x0102, 0x1d), 0);
	map_image(a, 0);
	row(0x0301, "success", OK, 0);
	result(!has_pattern(t.frame[0], 0) && !is_zero(t.frame[0], PAGE_SIZE),
	       "0x0301 unpack: the host cannot read it");
	row(0x0301, "twice", RC(0x0189, 0), 0);
	row1(0x0301, "second page", U64(0x20), IMAGE_ADDR + PAGE_SIZE, OK, 0);
	row(0x0302, "one page too few", RC(0x0102, 0x1d), 0);
	row1(0x0330, "load before the verification", U8(0x27), 5, INV_STATE, 0);
	row1(0x0301, "third page", U64(0x20), IMAGE_ADDR + 2 * PAGE_SIZE, OK, 0);
	row(0x0400, "before the verification", RC(0x0102, 0), 0);
	row(0x0302, "success", OK, 0);
	row(0x0302, "twice", INV_STATE, 0);
	row(0x0300, "after the verification", INV_STATE, 0);
	row(0x0301, "after the verification", INV_STATE, 0);
}

/* Images that are not what the header says */
static void test_verify(void)
{
	static const struct { const char *what; u32 field; u32 rrc; } wrong[] = {
		{ "page list", U64(224), 0x1b },
		{ "address list", U64(288), 0x1a },
		{ "tweak list", U64(352), 0x1c },
		{ "number of pages", U64(48), 0x1d },
	};
	struct guest *b = &t.guest[1];
	int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		create_conf(b);
		make_header(GOOD_PCF, 0, wrong[i].field, 4);
		must(0x0300);
		map_image(b, 4);
		unpack_image(IMAGE_PAGES);
		row(0x0302, wrong[i].what, RC(0x0102, wrong[i].rrc), 0);
		end_guest(b);
	}
	t.g = &t.guest[0];
}

static void test_pages(void)
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

static void test_cpu(void)
{
	static const u8 states[] = { 1, 2, 3, 5 }, bad_states[] = { 0, 4, 6, 0xff };
	char what[16];
	int i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		snprintf(what, sizeof(what), "state %u", states[i]);
		row1(0x0330, what, U8(0x27), states[i], OK, 0);
	}
	for (i = 0; i < ARRAY_SIZE(bad_states); i++) {
		snprintf(what, sizeof(what), "state %u", bad_states[i]);
		row1(0x0330, what, U8(0x27), bad_states[i], OPERAND, 1);
	}
	row(0x0310, "success", OK, 0);
	row(0x0311, "success", OK, 0);
	row(0x0321, "success", OK, 0);
	row(0x0320, "success", OK, 0);
}

static void test_areas(u16 cmd)
{
	row1(cmd, "area not accessible", U64(0x20), (u64)t.area + 3 * PAGE_SIZE, RC(0x0107, 0), 1);
	row1(cmd, "end of the area not accessible", U64(0x20), (u64)t.area + 2 * PAGE_SIZE + 8,
	     RC(0x0107, 0), 1);
	row1(cmd, "area not aligned", U64(0x20), (u64)t.area + 4, RC(0x0107, 0), 1);
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

static void test_dump(void)
{
	static const u16 not_now[] = {
		0x0300, 0x0301, 0x0302, 0x0310, 0x0311, 0x0320, 0x0321, 0x0330, 0x0340,
	};
	const u64 shared = FREE_ADDR + 0x10000, gone = FREE_ADDR + 0x11000;
	const u64 mapped = FREE_ADDR + 0x12000, back = IMAGE_ADDR + 2 * PAGE_SIZE;
	struct guest *a = t.g;
	u64 component[2], iv[2], second;
	int i;

	map(a, shared, t.frame[12]);
	map(a, gone, t.frame[13]);
	map(a, mapped, t.frame[14]);
	guest_does("share", shared, 0);
	guest_does("share", gone, 0);
	map(a, gone, NULL);

	row(0x0401, "before init", RC(0x0104, 0), 0);
	row(0x0402, "before init", RC(0x0104, 0), 0);
	row(0x0403, "before init", RC(0x0104, 0), 0);
	row(0x0400, "success", OK, 0);
	row(0x0400, "twice", RC(0x0103, 0), 0);
	row(0x0401, "a CPU could enter SIE", OK, 1);
	put(a->sd, U32(0x20), SIE_BLOCKED);
	for (i = 0; i < ARRAY_SIZE(not_now); i++)
		row(not_now[i], "during a dump", INV_STATE, 0);
	with(U16(0x36), 1);
	row1(0x0120, "during a dump", U64(0x28), __pa(t.low_stor), OK, 0);
	second = block64(0x18);

	row1(0x0401, "address not aligned", U64(0x28), PAGE_SIZE, RC(0x0105, 0), 1);
	row1(0x0401, "address beyond the guest", U64(0x28), GUEST_LEN, RC(0x0106, 0), 0);
	test_areas(0x0401);
	memset(t.area, 0x55, PAGE_SIZE);
	row(0x0401, "success", OK, 0);
	result(special(0, 1), "0x0401 dump storage state: zero");
	result(special(mapped, 5), "0x0401 dump storage state: zero and mapped");
	result(special(shared, 6), "0x0401 dump storage state: shared and mapped");
	result(special(gone, 2), "0x0401 dump storage state: shared");
	result(special(FREE_ADDR, 5), "0x0401 dump storage state: destroyed");
	result(!special(back, 1) && entry(back)[0] >> 32 != 0xffffffff && entry(back)[1],
	       "0x0401 dump storage state: encrypted");
	result(entry(IMAGE_ADDR)[0] >> 32 != 0xffffffff,
	       "0x0401 dump storage state: encrypted, at the host");
	result(all_different(), "0x0401 dump storage state: components are unique");
	memcpy(component, entry(back), 16);
	row(0x0401, "success again", OK, 0);
	result(!memcmp(component, entry(back), 16), "0x0401 dump storage state: components stay");
	/* out and back: another component */
	with(U64(0x18), __pa(t.frame[2]));
	must(0x0201);
	row1(0x0200, "during a dump", U64(0x20), back, OK, 0);
	row1(0x0401, "success after a page came back", U64(0x28), 0, OK, 0);
	result(memcmp(component, entry(back), 16) && all_different(),
	       "0x0401 dump storage state: another component");
	row1(0x0401, "second MiB", U64(0x28), SZ_1M, OK, 0);
	result(special(SZ_1M, 1) && special(GUEST_LEN - PAGE_SIZE, 1),
	       "0x0401 dump storage state: nothing there");

	test_areas(0x0402);
	row(0x0402, "success", OK, 0);
	result(*(u32 *)t.area == 1 && *(u32 *)(t.area + 4) == 1568,
	       "0x0402 dump cpu: version and length");
	result(is_zero(t.area + 1568, t.cpu_len - 1568), "0x0402 dump cpu: zero behind it");
	iv[0] = *(u64 *)(t.area + 8);
	row(0x0402, "success again", OK, 0);
	result(iv[0] != *(u64 *)(t.area + 8), "0x0402 dump cpu: another IV");
	row1(0x0402, "CPU created during the dump", U64(0x18), second, OK, 0);
	row1(0x0121, "during a dump", U64(0x18), second, OK, 0);

	test_areas(0x0403);
	row(0x0403, "success", OK, 0);
	result(*(u32 *)t.area == 1 && *(u32 *)(t.area + 4) == 288,
	       "0x0403 dump complete: version and length");
	iv[1] = *(u64 *)(t.area + 80);
	row(0x0403, "twice", RC(0x0104, 0), 0);
	row(0x0401, "after completion", RC(0x0104, 0), 0);
	row(0x0402, "after completion", RC(0x0104, 0), 0);
	row(0x0310, "after completion", OK, 0);
	row(0x0400, "a second dump", OK, 0);
	put(a->sd, U32(0x20), 0);
	row(0x0403, "a CPU could enter SIE", OK, 1);
	put(a->sd, U32(0x20), SIE_BLOCKED);
	result(iv[1] != *(u64 *)(t.area + 80), "0x0403 dump complete: another IV");
}

static void test_destroy(void)
{
	struct guest *a = &t.guest[0];
	u64 conf = a->conf, cpu = a->cpu;

	row(0x0101, "a CPU is left", RC(0x0184, 0), 1);
	row(0x0121, "success", OK, 0);
	result(is_zero(a->cpu_stor, t.cpu_len), "0x0121 destroy cpu: storage cleared");
	a->cpu = 0;
	row1(0x0121, "twice", U64(0x18), cpu, INV_CPU, 1);
	must(0x0400);
	row(0x0101, "success, during a dump", OK, 0);
	result(is_zero(a->base, t.base_len) && is_zero(a->var, t.var_len),
	       "0x0101 destroy config: storage cleared");
	result(is_zero(t.frame[2], PAGE_SIZE), "0x0101 destroy config: secure page cleared");
	result(!is_zero(t.frame[9], PAGE_SIZE),
	       "0x0101 destroy config: what the host has is left alone");
	a->conf = 0;
	row1(0x0101, "twice", U64(0x18), conf, INV_CONF, 1);
	memset64(a->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
}

/* Fast destroy is there if it was asked for */
static void test_destroy_fast(void)
{
	struct guest *a = &t.guest[0];
	static u8 kept[PAGE_SIZE];

	row1(0x0102, "not installed", U64(0x18), 1, INV_CMD, 1);
	order("qui", "calls0=0x%llx", t.calls0 | 1UL << 40);
	row1(0x0102, "unknown handle", U64(0x18), 1, INV_CONF, 1);
	row1(0x0102, "block too short", U16(0), 0x40, INV_LEN, 1);
	row1(0x0102, "block too long", U16(0), 0x50, INV_LEN, 1);
	row1(0x0102, "first reserved byte", U8(0x08), 1, RESERVED, 1);
	row1(0x0102, "last reserved byte", U8(0x47), 1, RESERVED, 1);
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	row(0x0102, "a CPU is left", RC(0x0184, 0), 1);
	must(0x0121);
	a->cpu = 0;
	must(0x0400);
	row(0x0102, "during a dump", RC(0x0104, 0), 0);
	must(0x0403);
	memcpy(kept, t.frame[0], PAGE_SIZE);
	row(0x0102, "success", OK, 0);
	result(is_zero(a->base, t.base_len) && is_zero(a->var, t.var_len),
	       "0x0102 destroy config fast: storage cleared");
	result(!memcmp(kept, t.frame[0], PAGE_SIZE),
	       "0x0102 destroy config fast: pages are as they were");
	row(0x0102, "twice", INV_CONF, 1);
	a->conf = 0;
	memset64(a->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
	order("qui", "calls0=0x%llx", t.calls0);
}

/* What else can become of a configuration */
static void test_fates(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	u64 handle;

	t.g = a;
	order("faults", "cmd=0x0100 rc=0x8104");
	row(0x0100, "failed, has to be destroyed", RC(0x8104, 0), 0);
	a->conf = block64(0x18);
	result(a->conf, "0x0100 create config: handle in spite of that");
	map(a, FREE_ADDR, t.frame[8]);
	make_header(GOOD_PCF, 0, 0, 0);
	row(0x0120, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0200, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0300, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0320, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0340, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0342, "configuration has to be destroyed", INV_STATE, 0);
	row(0x0400, "configuration has to be destroyed", RC(0x0102, 0), 0);
	row(0x0101, "configuration has to be destroyed", OK, 0);
	a->conf = 0;
	order("faults", "clear");

	start_guest(a, 0, PCF_PLAIN);
	row(0x0400, "the owner forbids it", RC(0x0101, 0), 0);
	handle = *(u64 *)a->base;
	*(u64 *)a->base = 0;
	row(0x0302, "donated storage was overwritten", INV_CONF, 2);
	*(u64 *)a->base = handle;
	end_guest(a);

	/* with the feature "MISC" off a shared page cannot change hands */
	order("qui", "features=0");
	start_guest(a, 0, GOOD_PCF);
	guest_does("share", IMAGE_ADDR, 0);
	create_conf(b);
	map(b, FREE_ADDR, t.frame[0]);
	row(0x0200, "page shared elsewhere, no MISC", RC(0x0187, 0), 0);
	end_guest(b);
	end_guest(a);
	order("qui", "features=0xc000000000000000");
	start_guest(a, 0, GOOD_PCF);
	guest_does("share", IMAGE_ADDR, 0);
	create_conf(b);
	map(b, FREE_ADDR, t.frame[0]);
	row(0x0200, "page shared elsewhere", OK, 0);
	end_guest(b);
	end_guest(a);

	/* firmware that promises too little */
	order("qui", "stor_state_len=0xff0");
	order("qui", "finalize_len=0x11c");
	start_guest(a, 0, GOOD_PCF);
	create_cpu(a);
	must(0x0400);
	row(0x0401, "area too short for a MiB", RC(0x0108, 0), 0);
	row(0x0403, "area too short", RC(0x0108, 0), 0);
	end_guest(a);
	order("qui", "cpu_len=0x618");
	create_conf(a);
	row(0x0120, "storage too short for a dump", RC(0x0105, 1), 0);
	end_guest(a);
}

/* Orders are carried out in whatever is verified next */
static void test_orders(void)
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

/* What a step does is seen with vcpus; here is what no step can be. */
static void test_script(void)
{
	static const char * const good[] = {
		"boot", "boot ipib=0x12000", "plain", "plain cpu=1 r0=1 r15=2 icpt=0x1c",
		"pv r15=1 c15=2 a15=0xffffffff psw_mask=1 psw_addr=2 prefix=3 fpc=4 todpr=5",
		"pv cpu=256 dumps=1 at=0xfff8 value=1 icpt=0x68 ipa=0x8324 ipb=0x03080000",
		"pv timer=1 todcmp=2",
	}, * const bad[] = {
		"", "guest", "clear all", "boot cpu=0", "boot ipib=1 ipib=2", "pv cpu=257",
		"pv cpu", "pv r16=1", "pv r=1", "pv rx=1", "pv a0=0x100000000", "pv icpt=0x100",
		"pv ipa=0x10000", "pv ipb=0x100000000", "pv at=0x1000", "pv value=1",
		"pv at=0x1004 value=1", "plain dumps=1", "plain at=0x1000 value=1", "plain c0=1",
		"plain psw_addr=1", "pv fpc=0x100000000", "pv r1=",
	}, many[] = "pv r0=1 r1=1 r2=1 r3=1 r4=1 r5=1 r6=1 r7=1 r8=1 r9=1 r10=1 r11=1 r12=1";
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		result(!control("script", good[i]), "script: \"%s\"", good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		result(control("script", bad[i]) == -EINVAL, "script: not \"%s\"", bad[i]);
	result(control("script", many) == -ENOSPC, "script: too many registers");
	order("script", "clear");
	for (i = 0; i < 64 && !control("script", "pv"); i++)
		;
	result(i == 64 && control("script", "pv") == -ENOSPC, "script: too long");
	result(control("script", "boot") == -ENOSPC, "script: no space for boot");
	order("script", "clear");
}

static void run(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	int i;

	t.g = a;
	print("KTAP version 1\n1..%d\n", ROWS);
	order("header_keys", "%*phN %*phN", 32, host_key_hash, 32, header_key);

	test_uninitialized();
	test_init();
	order("qui", "calls0=0x%llx", t.calls0 | 1UL << 40);
	test_common();
	order("qui", "calls0=0x%llx", t.calls0);
	test_not_installed();
	test_query();
	order("qui", "max_guests=2");
	test_create_conf();
	test_create_cpu();
	test_handles();
	test_set_parms();
	test_unpack();
	end_guest(b);
	test_verify();
	test_pages();
	test_cpu();
	test_dump();
	test_destroy();
	test_destroy_fast();
	test_fates();
	order("qui", "reset");
	test_orders();
	test_script();

	/* whatever went wrong above must not live longer than its storage */
	for (i = 0; i < 2; i++) {
		if (t.guest[i].conf)
			end_guest(&t.guest[i]);
	}
	order("header_keys", "clear");
	order("objects", "init");
	violations(true);
}

/* Memory: everything a host donates */

static void free_all(void)
{
	struct guest *g;
	int i;

	for (i = 0; i < ARRAY_SIZE(t.guest); i++) {
		g = &t.guest[i];
		free_pages((unsigned long)g->segments, 2);
		free_page((unsigned long)g->ptes);
		free_pages((unsigned long)g->base, t.base_order);
		vfree(g->var);
		free_page((unsigned long)g->cpu_stor);
		free_page((unsigned long)g->sca);
		free_page((unsigned long)g->sd);
	}
	for (i = 0; i < FRAMES; i++)
		free_page((unsigned long)t.frame[i]);
	free_pages((unsigned long)t.uv_stor, get_order(SZ_1M));
	free_pages((unsigned long)t.low_stor, get_order(SZ_1M));
	vfree(t.area);
	if (t.header)
		vfree((void *)((u64)t.header & PAGE_MASK));
}

static int alloc_all(void)
{
	struct guest *g;
	int i;

	for (i = 0; i < ARRAY_SIZE(t.guest); i++) {
		g = &t.guest[i];
		g->segments = (u64 *)__get_free_pages(GFP_KERNEL, 2);
		g->ptes = (u64 *)get_zeroed_page(GFP_KERNEL);
		g->base = (u8 *)__get_free_pages(GFP_KERNEL, t.base_order);
		g->var = vzalloc(t.var_len);
		g->cpu_stor = (u8 *)get_zeroed_page(GFP_KERNEL);
		g->sca = (u8 *)get_zeroed_page(GFP_KERNEL);
		g->sd = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!g->segments || !g->ptes || !g->base || !g->var || !g->cpu_stor ||
		    !g->sca || !g->sd)
			return -ENOMEM;
		memset64(g->segments, 0x20, 2048);
		memset64(g->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
		g->segments[0] = __pa(g->ptes);
		g->segments[1] = __pa(g->ptes + 256);
	}
	for (i = 0; i < FRAMES; i++) {
		t.frame[i] = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!t.frame[i])
			return -ENOMEM;
	}
	t.uv_stor = (u8 *)__get_free_pages(GFP_KERNEL, get_order(SZ_1M));
	t.low_stor = (u8 *)__get_free_pages(GFP_KERNEL | GFP_DMA, get_order(SZ_1M));
	t.area = vzalloc(3 * PAGE_SIZE);
	t.header = vzalloc(PAGE_SIZE);
	if (!t.uv_stor || !t.low_stor || !t.area || !t.header)
		return -ENOMEM;
	t.header += PAGE_SIZE - 640;
	return 0;
}

static void conformance(void)
{
	const char *why = "no memory";

	if (violations(false)) {
		why = "there are violations already";
		goto bail_out;
	}
	if (control("objects", "init")) {
		why = "there are configurations";
		goto bail_out;
	}
	control("faults", "clear");
	control("qui", "reset");
	t.g = &t.guest[0];
	if (call(0x0001) != OK) {
		why = "query fails";
		goto bail_out;
	}
	t.calls0 = block64(0x10);
	t.base_len = block64(0x50);
	t.base_order = get_order(t.base_len);
	t.var_base_len = block64(0x58);
	t.var_len = round_up(block64(0x60) * (GUEST_LEN >> 20), PAGE_SIZE) + t.var_base_len;
	t.cpu_len = block64(0x68);
	t.max_addr = block64(0x80);
	t.max_cpu = block16(0x9e);
	if (alloc_all())
		goto free;
	if (__pa(t.uv_stor) < SZ_2G) {
		why = "no memory above 2 GiB";
		goto free;
	}
	run();
	why = NULL;
free:
	free_all();
bail_out:
	if (why)
		print("Bail out! %s\n", why);
}

static void start_conformance(void)
{
	control = symbol_get(uvsim_control);
	violations = symbol_get(uvsim_violations);
	if (control && violations)
		conformance();
	else
		print("Bail out! uvsim is not loaded\n");
	if (violations)
		symbol_put(uvsim_violations);
	if (control)
		symbol_put(uvsim_control);
}

static struct {
	struct uv_info uv_info;
	struct sclp_info sclp;
	int host;
} initial;

static void compare_globals(void)
{
	print("KTAP version 1\n1..3\n");
	result(!memcmp(&initial.uv_info, &uv_info, sizeof(uv_info)), "uv_info");
	result(!memcmp(&initial.sclp, &sclp, sizeof(sclp)), "sclp");
	result(initial.host == prot_virt_host, "prot_virt_host");
}

/* The test runs in open(), as a read may be repeated */
static int test_open(struct inode *inode, struct file *file)
{
	void (*test)(void) = inode->i_private;
	int ret;

	ret = mutex_lock_interruptible(&test_lock);
	if (ret)
		return ret;
	memset(&t, 0, sizeof(t));
	t.size = SZ_128K;
	t.out = vzalloc(t.size);
	ret = -ENOMEM;
	if (t.out) {
		test();
		ret = nonseekable_open(inode, file);
	}
	file->private_data = t.out;
	mutex_unlock(&test_lock);
	return ret;
}

static ssize_t test_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	return simple_read_from_buffer(buf, count, pos, file->private_data,
				       strlen(file->private_data));
}

static int test_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.read = test_read,
	.release = test_release,
};

static struct dentry *debugfs_dir;

static int __init uvsim_test_load(void)
{
	initial.uv_info = uv_info;
	initial.sclp = sclp;
	initial.host = prot_virt_host;
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("conformance", 0400, debugfs_dir, start_conformance, &test_fops);
	debugfs_create_file("globals", 0400, debugfs_dir, compare_globals, &test_fops);
	return 0;
}

static void __exit uvsim_test_unload(void)
{
	debugfs_remove_recursive(debugfs_dir);
}

module_init(uvsim_test_load);
module_exit(uvsim_test_unload);
MODULE_DESCRIPTION("test of the s390 Ultravisor simulator");
MODULE_LICENSE("GPL");
