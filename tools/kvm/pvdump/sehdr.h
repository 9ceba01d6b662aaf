/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layout of IBM Secure Execution images: the SE header (version 1), the IPL
 * parameter block (IPIB) that describes the image's components, and a parser
 * which trusts nothing in them. Everything is big endian, whatever the host.
 *
 * The file is a memory image: file offset = guest absolute address.
 */
#ifndef SEHDR_H
#define SEHDR_H

#include <assert.h>
#include <endian.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))

#define SE_PAGE			4096UL
#define SE_PAGE_UP(x)		(((x) + SE_PAGE - 1) & ~(SE_PAGE - 1))

#define SE_MAGIC		"IBMSecEx"
#define SE_VERSION		0x100
#define SE_HEADER_MAX		8192
#define SE_TAG_LEN		16

/* Plaintext control flags */
#define SE_PCF_ALLOW_DUMP	0x20000000ULL
#define SE_PCF_NO_ENCRYPTION	0x10000000ULL
#define SE_PCF_PCKMO		0xe0ULL

struct se_header {
	__u8 magic[8];
	__u32 version;
	__u32 size;		/* all of it: header, slots, encrypted area, tag */
	__u8 iv[12];
	__u32 reserved1c;
	__u64 nks;		/* number of key slots */
	__u64 sea;		/* size of the encrypted area */
	__u64 nep;		/* number of component pages */
	__u64 pcf;
	__u8 cust_pub[160];	/* customer public key: x, y, 80 bytes each */
	__u8 pld[64];
	__u8 ald[64];
	__u8 tld[64];
};

struct se_key_slot {
	__u8 host_key_hash[32];
	__u8 wrapped_key[32];
	__u8 tag[SE_TAG_LEN];
};

/* Contents of the encrypted area */
struct se_secret {
	__u8 cck[32];
	__u8 xts_key[64];
	__u64 psw_mask;
	__u64 psw_addr;
	__u64 scf;
	__u32 noi;
	__u32 reserved7c;
};

struct se_component {
	__u64 tweak;
	__u64 addr;
	__u64 size;
};

struct se_ipib {
	__u32 len;
	__u8 reserved04[3];
	__u8 version;
	__u32 blk0_len;
	__u8 pbt;
	__u8 reserved0d[0x6f - 0xd];
	__u8 blk0_version;
	__u8 reserved70[4];
	__u32 num_comp;
	__u64 header_addr;
	__u64 header_len;
	struct se_component comp[];
};

#define SE_IPIB_VERSION		1
#define SE_IPIB_PBT_PV		5
#define SE_MAX_COMP \
	((SE_PAGE - sizeof(struct se_ipib)) / sizeof(struct se_component))

static_assert(sizeof(struct se_header) == 416, "SE header");
static_assert(offsetof(struct se_header, nks) == 32, "SE header");
static_assert(offsetof(struct se_header, pcf) == 56, "SE header");
static_assert(offsetof(struct se_header, cust_pub) == 64, "SE header");
static_assert(offsetof(struct se_header, pld) == 224, "SE header");
static_assert(offsetof(struct se_header, tld) == 352, "SE header");
static_assert(sizeof(struct se_key_slot) == 80, "SE key slot");
static_assert(sizeof(struct se_secret) == 128, "SE encrypted area");
static_assert(offsetof(struct se_secret, psw_mask) == 96, "SE encrypted area");
static_assert(offsetof(struct se_secret, noi) == 120, "SE encrypted area");
static_assert(sizeof(struct se_component) == 24, "IPIB component");
static_assert(offsetof(struct se_ipib, pbt) == 0xc, "IPIB");
static_assert(offsetof(struct se_ipib, blk0_version) == 0x6f, "IPIB");
static_assert(offsetof(struct se_ipib, num_comp) == 0x74, "IPIB");
static_assert(offsetof(struct se_ipib, header_addr) == 0x78, "IPIB");
static_assert(sizeof(struct se_ipib) == 0x88, "IPIB");

/**
 * struct se_image - where things are in an SE image that passed se_parse()
 * @ipib_addr: address of the IPIB
 * @header_addr: address of the SE header
 * @header_size: bytes of the SE header
 * @nks: key slots
 * @sea: bytes of the encrypted area
 * @nep: component pages, as the header has it (equals the components' sum)
 * @pcf: plaintext control flags
 * @num_comp: components
 * @comp: the components in host byte order; sizes are whole pages
 */
struct se_image {
	__u64 ipib_addr;
	__u64 header_addr;
	__u64 header_size;
	__u64 nks;
	__u64 sea;
	__u64 nep;
	__u64 pcf;
	unsigned int num_comp;
	struct se_component comp[SE_MAX_COMP];
};

static inline int __attribute__((__format__(__printf__, 3, 4)))
se_fail(char *why, size_t why_len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_len, fmt, ap);
	va_end(ap);
	return -1;
}

/* Does the IPIB at @at look like one, and where does it say the header is? */
static inline int se_ipib_shape(const __u8 *img, __u64 len, __u64 at,
				__u64 *header_addr)
{
	const struct se_ipib *ipib = (const struct se_ipib *)(img + at);
	__u64 hdr;

	if (len < sizeof(*ipib) || at > len - sizeof(*ipib))
		return 0;
	if (be32toh(ipib->len) < sizeof(*ipib) || be32toh(ipib->len) > SE_PAGE ||
	    ipib->version != SE_IPIB_VERSION || ipib->pbt != SE_IPIB_PBT_PV ||
	    ipib->blk0_version)
		return 0;
	/* genprotimg leaves the address to the loader: the page behind then */
	hdr = be64toh(ipib->header_addr);
	if (!hdr)
		hdr = at + SE_PAGE;
	if (len < sizeof(struct se_header) || hdr > len - sizeof(struct se_header) ||
	    memcmp(img + hdr, SE_MAGIC, 8))
		return 0;
	*header_addr = hdr;
	return 1;
}

static inline int se_parse_header(const __u8 *img, __u64 len,
				  struct se_image *se, char *why, size_t why_len)
{
	const struct se_header *h;
	__u64 room = len - se->header_addr;

	h = (const struct se_header *)(img + se->header_addr);
	if (be32toh(h->version) != SE_VERSION)
		return se_fail(why, why_len,
			       "the SE header has version 0x%x, only 0x%x is known",
			       be32toh(h->version), SE_VERSION);
	se->header_size = be32toh(h->size);
	se->nks = be64toh(h->nks);
	se->sea = be64toh(h->sea);
	se->nep = be64toh(h->nep);
	se->pcf = be64toh(h->pcf);
	if (se->header_size > SE_HEADER_MAX || se->sea > SE_HEADER_MAX ||
	    !se->nks || se->nks > SE_HEADER_MAX ||
	    se->sea < sizeof(struct se_secret) ||
	    se->header_size != sizeof(*h) + se->nks * sizeof(struct se_key_slot) +
			       se->sea + SE_TAG_LEN)
		return se_fail(why, why_len,
			       "the SE header is damaged: its sizes do not fit together");
	if (se->header_size > room)
		return se_fail(why, why_len,
			       "the image is truncated: the SE header at 0x%llx needs %llu bytes, %llu are there",
			       se->header_addr,
			       se->header_size,
			       room);
	return 0;
}

static inline int se_parse_components(const __u8 *img, __u64 len,
				      struct se_image *se, char *why, size_t why_len)
{
	const struct se_ipib *ipib;
	__u64 pages = 0;
	unsigned int i, j;

	ipib = (const struct se_ipib *)(img + se->ipib_addr);
	if (be64toh(ipib->header_len) != se->header_size && be64toh(ipib->header_len))
		return se_fail(why, why_len,
			       "the IPIB is damaged: wrong length of the SE header");
	se->num_comp = be32toh(ipib->num_comp);
	if (!se->num_comp || se->num_comp > SE_MAX_COMP ||
	    sizeof(*ipib) + se->num_comp * sizeof(*ipib->comp) > be32toh(ipib->len) ||
	    sizeof(*ipib) + se->num_comp * sizeof(*ipib->comp) > len - se->ipib_addr)
		return se_fail(why, why_len,
			       "the IPIB is damaged: %u components", se->num_comp);
	for (i = 0; i < se->num_comp; i++) {
		struct se_component *c = &se->comp[i];

		c->tweak = be64toh(ipib->comp[i].tweak);
		c->addr = be64toh(ipib->comp[i].addr);
		c->size = be64toh(ipib->comp[i].size);
		if (c->addr % SE_PAGE || !c->size)
			return se_fail(why, why_len,
				       "the IPIB is damaged: component %u is empty or not page aligned",
				       i);
		if (c->addr > len || c->size > len - c->addr)
			return se_fail(why, why_len,
				       "the image is truncated: component %u ends at 0x%llx, the image at 0x%llx",
				       i, (c->addr + c->size),
				       len);
		c->size = SE_PAGE_UP(c->size);
		if (i && c->tweak <= se->comp[i - 1].tweak)
			return se_fail(why, why_len,
				       "the IPIB is damaged: tweaks do not rise at component %u",
				       i);
		for (j = 0; j < i; j++)
			if (c->addr < se->comp[j].addr + se->comp[j].size &&
			    se->comp[j].addr < c->addr + c->size)
				return se_fail(why, why_len,
					       "the IPIB is damaged: components %u and %u overlap",
					       j, i);
		pages += c->size / SE_PAGE;
	}
	if (pages != se->nep)
		return se_fail(why, why_len,
			       "the image is damaged: the IPIB has %llu component pages, the SE header %llu",
			       pages, se->nep);
	return 0;
}

/**
 * se_parse() - find and check the IPIB and the SE header of an image
 * @img: the image, 8 byte aligned; zero padded to a whole page if the last
 *	 component is to be used
 * @len: bytes of the image, without padding
 * @se: filled in on success
 * @why: on failure the reason, without the file's name
 * @why_len: room in @why
 *
 * The IPIB is found by its shape together with the magic number of the header
 * that it points to, so that images of every known tool are understood.
 *
 * Return: 0, or -1 if this is no complete SE image.
 */
static inline int se_parse(const __u8 *img, __u64 len, struct se_image *se,
			   char *why, size_t why_len)
{
	__u64 at, header_addr;
	int found = 0;

	memset(se, 0, sizeof(*se));
	for (at = 0; at < len; at += SE_PAGE) {
		if (!se_ipib_shape(img, len, at, &header_addr))
			continue;
		found++;
		se->ipib_addr = at;
		se->header_addr = header_addr;
	}
	if (!found)
		return se_fail(why, why_len,
			       "no SE header with an IPIB found: no Secure Execution image, or a truncated one");
	if (found > 1)
		return se_fail(why, why_len,
			       "%d IPIBs with an SE header found, cannot tell which one counts",
			       found);
	if (se->header_addr % 8)
		return se_fail(why, why_len,
			       "the IPIB is damaged: SE header not aligned");
	if (se_parse_header(img, len, se, why, why_len))
		return -1;
	return se_parse_components(img, len, se, why, why_len);
}

#endif /* SEHDR_H */
