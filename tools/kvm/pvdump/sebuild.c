// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * seimg build: a Secure Execution image of a kernel, or of the memory of a Linux
 * that has run. Memory is read, encrypted, measured and written piece by piece.
 */
#include <stdlib.h>
#include <string.h>

#include "guestmem.h"
#include "outfile.h"
#include "secrypto.h"
#include "seimg.h"

#include <openssl/ec.h>

/* the loader runs with 31 bit addresses at first */
#define IMAGE_MAX		0x80000000UL
#define CHUNK			MIB

#define PSW_SHORT_31BIT		0x0008000080000000ULL
#define LC_PGM_NEW_PSW		0x1d0

/*
 * The loader that runs unprotected: tell the hypervisor where the IPIB is, on
 * the page behind this code (diagnose 0x308 subcode 8), and start the protected
 * guest (subcode 10). Where that is not to be had it stops in a disabled wait.
 */
static const __u8 stage3a[] = {
	0x1f, 0x00,				/*	slr   %r0,%r0 */
	0xa7, 0x18, 0x00, 0x02,			/*	lhi   %r1,2 */
	0xae, 0x10, 0x00, 0x12,			/*	sigp  %r1,%r0,0x12 */
	0x01, 0x0e,				/*	sam64 */
	0xc0, 0x20, 0x00, 0x00, 0x07, 0xfa,	/*	larl  %r2,.+0xff4 */
	0xa7, 0x39, 0x00, 0x00,			/*	lghi  %r3,0 */
	0xa7, 0x49, 0x00, 0x08,			/*	lghi  %r4,8 */
	0x83, 0x24, 0x03, 0x08,			/*	diag  %r2,%r4,0x308 */
	0xa7, 0x3f, 0x00, 0x01,			/*	cghi  %r3,1 */
	0xa7, 0x74, 0x00, 0x06,			/*	jne   1f */
	0xa7, 0x49, 0x00, 0x0a,			/*	lghi  %r4,10 */
	0x83, 0x24, 0x03, 0x08,			/*	diag  %r2,%r4,0x308 */
	0xc0, 0x10, 0x00, 0x00, 0x00, 0x05,	/* 1:	larl  %r1,2f */
	0xb2, 0xb2, 0x10, 0x00,			/*	lpswe 0(%r1) */
	0x00, 0x02, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00,	/* 2: */
	0x00, 0x00, 0x00, 0x00, 0x00, 0xba, 0xdb, 0xad,
};

/* An image in the making */
struct build {
	const struct build_args *a;
	struct se_image se;
	struct se_secret secret;
	__u8 header_key[SE_KEY_LEN];
	struct evp_pkey_st *host_keys[SE_SLOTS_MAX];
	struct guestmem mem;		/* with --from-dump */
	__u8 *kernel;			/* from address 0, as in its file */
	size_t kernel_len;
	__u8 *ramdisk;
	size_t ramdisk_len;
	__u64 ramdisk_addr;
	__u64 end;			/* of the components: loader, IPIB, header follow */
	__u8 *chunk;
};

static void put_u64(__u8 *at, __u64 value)
{
	value = htobe64(value);
	memcpy(at, &value, 8);
}

/* --- what the guest gets ------------------------------------------------------- */

static int add_component(struct se_image *se, __u16 number, __u64 addr, __u64 len,
			 struct error *e)
{
	struct se_component *c = &se->comp[se->num_comp++];
	__u8 tweak[8] = { number >> 8, number };

	if (se_random(tweak + 2, 6, e))
		return -1;
	memcpy(&c->tweak, tweak, 8);
	c->tweak = be64toh(c->tweak);
	c->addr = addr;
	c->size = SE_PAGE_UP(len);
	se->nep += c->size / SE_PAGE;
	return 0;
}

static int patch_cmdline(struct build *b, struct error *e)
{
	__u64 size = kernel_cmdline_size(b->kernel);
	const char *arg = b->a->cmdline;
	const char *text = arg;
	size_t len = strlen(arg), read = 0;
	__u8 *buf = NULL;

	if (size > b->kernel_len || b->kernel_len - size < KERNEL_CMDLINE)
		return fail(e, "'%s' is damaged: a command line of %llu bytes has no room in it",
			    b->a->kernel, size);
	if (*arg == '@') {
		buf = input_read(arg + 1, MIB, &read, e);
		if (!buf)
			return -1;
		text = (const char *)buf;
		len = read;
		while (len && (text[len - 1] == '\n' || !text[len - 1]))
			len--;
	}
	if (len >= size) {
		input_free(buf, read);
		return fail(e, "the kernel command line has %zu bytes, this kernel takes %llu", len,
			    size - 1);
	}
	memset(b->kernel + KERNEL_CMDLINE, 0, size);
	memcpy(b->kernel + KERNEL_CMDLINE, text, len);
	input_free(buf, read);
	return 0;
}

static int load_kernel(struct build *b, struct error *e)
{
	const struct build_args *a = b->a;

	b->kernel = input_read(a->kernel, IMAGE_MAX, &b->kernel_len, e);
	if (!b->kernel)
		return -1;
	if (b->kernel_len < KERNEL_CMDLINE + KERNEL_OLD_CMDLINE ||
	    memcmp(b->kernel + KERNEL_MAGIC_AT, KERNEL_MAGIC, sizeof(KERNEL_MAGIC) - 1))
		return fail(e, "'%s' is no s390x kernel: take arch/s390/boot/bzImage", a->kernel);
	if (a->cmdline && patch_cmdline(b, e))
		return -1;
	if (add_component(&b->se, 0, KERNEL_ENTRY, b->kernel_len - KERNEL_ENTRY, e))
		return -1;
	b->end = SE_PAGE_UP(b->kernel_len);
	if (a->ramdisk) {
		b->ramdisk = input_read(a->ramdisk, IMAGE_MAX, &b->ramdisk_len, e);
		if (!b->ramdisk)
			return -1;
		b->ramdisk_addr = (b->kernel_len + MIB - 1) & ~(MIB - 1);
		if (add_component(&b->se, 2, b->ramdisk_addr, b->ramdisk_len, e))
			return -1;
		b->end = b->ramdisk_addr + SE_PAGE_UP(b->ramdisk_len);
		put_u64(b->kernel + KERNEL_INITRD_START, b->ramdisk_addr);
		put_u64(b->kernel + KERNEL_INITRD_SIZE, b->ramdisk_len);
	}
	if (b->end > IMAGE_MAX - 16 * SE_PAGE)
		return fail(e, "'%s' and the ramdisk are too large: an image ends below 2 GiB",
			    a->kernel);
	return 0;
}

/* Pages of memory that are not zero, in a row */
struct range {
	__u64 start;
	__u64 end;
};

struct ranges {
	struct range *r;
	size_t num;
	size_t room;
};

static int add_page(struct ranges *rs, __u64 addr, struct error *e)
{
	struct range *bigger;

	if (rs->num && rs->r[rs->num - 1].end == addr) {
		rs->r[rs->num - 1].end += SE_PAGE;
		return 0;
	}
	if (rs->num == rs->room) {
		bigger = realloc(rs->r, (2 * rs->room + 256) * sizeof(*rs->r));
		if (!bigger)
			return fail(e, "out of memory (%zu ranges)", rs->room);
		rs->r = bigger;
		rs->room = 2 * rs->room + 256;
	}
	rs->r[rs->num++] = (struct range){ addr, addr + SE_PAGE };
	return 0;
}

static int find_ranges(struct build *b, struct ranges *rs, struct error *e)
{
	__u64 at, off;

	for (at = 0; at < b->mem.size; at += CHUNK) {
		/* holes are not read */
		at = guestmem_data(&b->mem, at) & ~(CHUNK - 1);
		if (guestmem_read(&b->mem, at, b->chunk, CHUNK, e))
			return -1;
		for (off = 0; off < CHUNK; off += SE_PAGE)
			if (!page_is_zero(b->chunk + off) && add_page(rs, at + off, e))
				return -1;
	}
	return 0;
}

/*
 * An IPIB has room for so many components only: those with the fewest zero pages
 * between them are joined.
 */
static void join_ranges(struct ranges *rs)
{
	struct range *r = rs->r;
	__u64 max_gap = 0;
	size_t i, n;

	while (rs->num > SE_MAX_COMP) {
		max_gap = max_gap ? 2 * max_gap : SE_PAGE;
		for (i = 1, n = 0; i < rs->num; i++) {
			/* no more than needed: a joined gap is no longer untouched */
			if (r[i].start - r[n].end <= max_gap &&
			    rs->num - (i - n - 1) > SE_MAX_COMP)
				r[n].end = r[i].end;
			else
				r[++n] = r[i];
		}
		rs->num = n + 1;
	}
}

static int load_dump(struct build *b, struct error *e)
{
	const char *name = b->a->from_dump;
	struct ranges rs = { };
	struct image image;
	struct error dummy;
	size_t i;
	int ret;

	if (guestmem_open(&b->mem, name, e))
		return -1;
	if (b->mem.encrypted)
		return fail(e,
			    "'%s' is a dump of a protected VM: decrypt it before (zgetdump -k CCK)",
			    name);
	if (!b->mem.elf) {
		ret = image_open(&image, name, &dummy);
		image_close(&image);
		if (!ret)
			return fail(e, "'%s' is a Secure Execution image, not a guest's memory",
				    name);
	}
	if (b->mem.size > IMAGE_MAX - 16 * SE_PAGE)
		return fail(e, "'%s' is too large: an image ends below 2 GiB", name);
	ret = find_ranges(b, &rs, e);
	if (!ret && !rs.num)
		ret = fail(e, "'%s': all of the memory is zero", name);
	if (!ret)
		join_ranges(&rs);
	for (i = 0; !ret && i < rs.num; i++)
		ret = add_component(&b->se, i, rs.r[i].start, rs.r[i].end - rs.r[i].start, e);
	free(rs.r);
	b->end = SE_PAGE_UP(b->mem.size);
	return ret;
}

static int load(struct build *b, struct error *e)
{
	return b->a->kernel ? load_kernel(b, e) : load_dump(b, e);
}

/* The memory of a component, before it is encrypted */
static int read_plain(struct build *b, __u64 addr, __u64 len, struct error *e)
{
	const __u8 *from = b->kernel;
	__u64 at = addr, room = b->kernel_len;

	if (b->mem.in.name)
		return guestmem_read(&b->mem, addr, b->chunk, len, e);
	if (b->ramdisk && addr >= b->ramdisk_addr) {
		from = b->ramdisk;
		at = addr - b->ramdisk_addr;
		room = b->ramdisk_len;
	}
	memset(b->chunk, 0, len);
	memcpy(b->chunk, from + at, room - at < len ? room - at : len);
	return 0;
}

/* --- the image ------------------------------------------------------------------ */

static int load_keys(struct build *b, struct error *e)
{
	const struct build_args *a = b->a;
	unsigned int i;
	size_t len;
	__u8 *cck;

	for (i = 0; i < a->num_host_keys; i++) {
		b->host_keys[i] = se_load_public(a->host_keys[i], e);
		if (!b->host_keys[i])
			return -1;
	}
	if (se_random(&b->secret, sizeof(b->secret.cck) + sizeof(b->secret.xts_key), e) ||
	    se_random(b->header_key, sizeof(b->header_key), e))
		return -1;
	if (!a->cck)
		return 0;
	cck = cck_read(a->cck, &len, e);
	if (!cck)
		return -1;
	memcpy(b->secret.cck, cck, sizeof(b->secret.cck));
	input_free(cck, len);
	return 0;
}

static int write_component(struct build *b, const struct se_component *c, struct se_measure *m,
			   struct error *e)
{
	bool encrypt = !(b->a->pcf & SE_PCF_NO_ENCRYPTION);
	__u64 off, n;

	for (off = 0; off < c->size; off += n) {
		n = c->size - off < CHUNK ? c->size - off : CHUNK;
		if (read_plain(b, c->addr + off, n, e) ||
		    (b->a->plain->name && out_pages(b->a->plain, c->addr + off, b->chunk, n, e)))
			return -1;
		if (encrypt && se_xts_pages(true, b->secret.xts_key, c->tweak, off, b->chunk, n, e))
			return -1;
		if (se_measure_pages(m, c, off, b->chunk, n, e) ||
		    out_pages(b->a->image, c->addr + off, b->chunk, n, e))
			return -1;
	}
	return 0;
}

static int write_components(struct build *b, struct se_digests *d, struct error *e)
{
	__u8 lowcore[LC_PGM_NEW_PSW + 16] = { };
	struct se_measure m;
	unsigned int i;
	int ret;

	if (b->a->kernel) {
		put_u64(lowcore, PSW_SHORT_31BIT | b->end);
		put_u64(lowcore + LC_PGM_NEW_PSW, PSW_MASK_WAIT_64BIT);
		put_u64(lowcore + LC_PGM_NEW_PSW + 8, LC_PGM_NEW_PSW);
		if (out_put(b->a->image, 0, lowcore, sizeof(lowcore), e))
			return -1;
	}
	ret = se_measure_begin(&m, e);
	/* their addresses rise */
	for (i = 0; !ret && i < b->se.num_comp; i++)
		ret = write_component(b, &b->se.comp[i], &m, e);
	if (se_measure_end(&m, ret ? NULL : d, e))
		ret = -1;
	return ret;
}

static int write_ipib(struct build *b, struct error *e)
{
	union {
		struct se_ipib ipib;
		__u8 page[SE_PAGE];
	} u = { };
	unsigned int i;

	u.ipib.len = htobe32(SE_PAGE);
	u.ipib.version = SE_IPIB_VERSION;
	u.ipib.blk0_len = htobe32(sizeof(u.ipib) - offsetof(struct se_ipib, blk0_len) +
				  b->se.num_comp * sizeof(*u.ipib.comp));
	u.ipib.pbt = SE_IPIB_PBT_PV;
	u.ipib.num_comp = htobe32(b->se.num_comp);
	u.ipib.header_addr = htobe64(b->end + 2 * SE_PAGE);
	u.ipib.header_len = htobe64(b->se.header_size);
	for (i = 0; i < b->se.num_comp; i++) {
		u.ipib.comp[i].tweak = htobe64(b->se.comp[i].tweak);
		u.ipib.comp[i].addr = htobe64(b->se.comp[i].addr);
		u.ipib.comp[i].size = htobe64(b->se.comp[i].size);
	}
	return out_put(b->a->image, b->end + SE_PAGE, u.page, SE_PAGE, e);
}

static int make_header(struct build *b, const struct se_digests *d, union se_header_buf *h,
		       struct error *e)
{
	struct se_key_slot *slots = (struct se_key_slot *)(&h->h + 1);
	size_t area_at = (__u8 *)(slots + b->a->num_host_keys) - h->bytes;
	EVP_PKEY *cust = EVP_EC_gen("secp521r1");
	unsigned int i;
	int ret;

	if (!cust)
		return fail(e, "making a key pair failed in libcrypto");
	memcpy(h->h.magic, SE_MAGIC, 8);
	h->h.version = htobe32(SE_VERSION);
	h->h.size = htobe32(b->se.header_size);
	h->h.nks = htobe64(b->a->num_host_keys);
	h->h.sea = htobe64(sizeof(b->secret));
	h->h.nep = htobe64(b->se.nep);
	h->h.pcf = htobe64(b->a->pcf);
	memcpy(h->h.pld, d->pld, 64);
	memcpy(h->h.ald, d->ald, 64);
	memcpy(h->h.tld, d->tld, 64);
	ret = se_random(h->h.iv, sizeof(h->h.iv), e);
	ret = ret ? ret : se_public_xy(cust, h->h.cust_pub, e);
	for (i = 0; !ret && i < b->a->num_host_keys; i++)
		ret = se_fill_slot(cust, b->host_keys[i], b->header_key, &slots[i], e);
	ret = ret ? ret : se_seal_area(h, area_at, b->header_key, &b->secret, e);
	EVP_PKEY_free(cust);
	return ret;
}

static int write_image(struct build *b, struct error *e)
{
	static union se_header_buf h;
	struct outfile *image = b->a->image;
	struct se_digests d;

	b->secret.psw_mask = htobe64(b->a->kernel ? PSW_MASK_64BIT : PSW_MASK_WAIT_64BIT);
	b->secret.psw_addr = htobe64(b->se.comp[0].addr);
	if (write_components(b, &d, e))
		return -1;
	if (b->a->kernel && out_put(image, b->end, stage3a, sizeof(stage3a), e))
		return -1;
	memset(&h, 0, sizeof(h));
	if (write_ipib(b, e) || make_header(b, &d, &h, e))
		return -1;
	return out_put(image, b->end + 2 * SE_PAGE, h.bytes, b->se.header_size, e);
}

/* --- outputs --------------------------------------------------------------------- */

/* Whatever can be found wrong is found before the first page is read */
static int open_outputs(const struct build_args *a, struct error *e)
{
	const char *inputs[SE_SLOTS_MAX + 6] = { };
	struct outfile_args args = { .force = a->force, .inputs = inputs };
	unsigned int i, n = 0;

	for (i = 0; i < a->num_host_keys; i++)
		inputs[n++] = a->host_keys[i];
	if (a->kernel)
		inputs[n++] = a->kernel;
	if (a->from_dump)
		inputs[n++] = a->from_dump;
	if (a->ramdisk)
		inputs[n++] = a->ramdisk;
	if (a->cck)
		inputs[n++] = a->cck;
	if (a->cmdline && *a->cmdline == '@')
		inputs[n++] = a->cmdline + 1;
	args.mode = 0666;
	if (outfile_open(a->image, a->image_name, &args))
		return out_fail(a->image, e);
	args.mode = 0600;
	args.other = a->image;
	if (a->plain_name && outfile_open(a->plain, a->plain_name, &args))
		return out_fail(a->plain, e);
	return 0;
}

static int check_room(struct build *b, struct error *e)
{
	__u64 bytes = b->se.nep * SE_PAGE;

	if (outfile_expect(b->a->image, bytes, b->end + 2 * SE_PAGE + b->se.header_size))
		return out_fail(b->a->image, e);
	if (!b->a->plain->name)
		return 0;
	if (check_memory(&b->se, b->a->memory, e))
		return -1;
	/* the image may go to the same disk, but plain pages may be zero */
	if (outfile_expect(b->a->plain, 0, b->a->memory * MIB))
		return out_fail(b->a->plain, e);
	return 0;
}

/* Plaintext gets its name last: when nothing else can fail */
static int commit_outputs(const struct build_args *a, struct error *e)
{
	if (a->plain->name && out_skip_to(a->plain, a->memory * MIB, e))
		return -1;
	if (outfile_sync(a->image))
		return out_fail(a->image, e);
	if (a->plain->name && outfile_sync(a->plain))
		return out_fail(a->plain, e);
	if (outfile_commit(a->image))
		return out_fail(a->image, e);
	if (a->plain->name && outfile_commit(a->plain))
		return out_fail(a->plain, e);
	return 0;
}

static void forget(struct build *b)
{
	unsigned int i;

	for (i = 0; i < b->a->num_host_keys; i++)
		EVP_PKEY_free(b->host_keys[i]);
	guestmem_close(&b->mem);
	input_free(b->kernel, b->kernel_len);
	input_free(b->ramdisk, b->ramdisk_len);
	input_free(b->chunk, CHUNK);
	explicit_bzero(b, sizeof(*b));
}

int build_image(const struct build_args *a, struct error *e)
{
	struct build b = { .a = a, .chunk = calloc(1, CHUNK) };
	int ret;

	if (!b.chunk)
		return fail(e, "out of memory");
	ret = open_outputs(a, e);
	ret = ret ? ret : load_keys(&b, e);
	ret = ret ? ret : load(&b, e);
	b.se.header_size = sizeof(struct se_header) + sizeof(b.secret) + SE_TAG_LEN +
			   a->num_host_keys * sizeof(struct se_key_slot);
	ret = ret ? ret : check_room(&b, e);
	ret = ret ? ret : write_image(&b, e);
	ret = ret ? ret : commit_outputs(a, e);
	forget(&b);
	return ret;
}
