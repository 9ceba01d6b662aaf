/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * Layout of IBM Secure Execution images: the SE header (version 1), the IPL
 * parameter block (IPIB) that describes the image's components, and a parser
 * which trusts nothing in them (sehdr.c). Everything is big endian, whatever the
 * host. Knows no cryptography; pvdump and seimg use it, and a VMM may.
 *
 * The file is a memory image: file offset = guest absolute address.
 */
#ifndef SEHDR_H
#define SEHDR_H

#include <assert.h>
#include <endian.h>
#include <linux/types.h>
#include <stddef.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))
#endif

#define SE_PAGE			4096UL
#define SE_PAGE_UP(x)		(((x) + SE_PAGE - 1) & ~(SE_PAGE - 1))

#define SE_MAGIC		"IBMSecEx"
#define SE_VERSION		0x100
#define SE_HEADER_MAX		8192
#define SE_TAG_LEN		16

/* Plaintext control flags: bits 34, 35, 56 to 59, 62, bit 0 being the highest */
#define SE_PCF_ALLOW_DUMP	0x20000000ULL
#define SE_PCF_NO_ENCRYPTION	0x10000000ULL
#define SE_PCF_PCKMO		0xe0ULL		/* import of DEA, AES and ECC keys */
#define SE_PCF_PCKMO_HMAC	0x10ULL		/* and of HMAC keys, by newer tools */
#define SE_PCF_BACKUP_KEYS	0x02ULL		/* key slots of backup hosts, likewise */

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

/**
 * typedef se_read_fn - reads a piece of an image
 * @opaque: from the caller of se_parse_file()
 * @at: offset in bytes
 * @buf: where to
 * @len: bytes, all of which lie inside of the image
 * @why: on failure the reason
 * @why_len: room in @why
 *
 * Return: 0 or -1
 */
typedef int (*se_read_fn)(void *opaque, __u64 at, void *buf, size_t len, char *why,
			  size_t why_len);

/**
 * typedef se_data_fn - where does an image go on that is no hole?
 * @opaque: from the caller of se_parse_file()
 * @at: offset in bytes
 *
 * Return: @at, or an offset above it up to which all is zero; not below the end of
 * the image if nothing follows
 */
typedef __u64 (*se_data_fn)(void *opaque, __u64 at);

/**
 * se_parse_file() - find and check the IPIB and the SE header of an image
 * @read: reads from it
 * @data: knows its holes, which are not read then; may be NULL
 * @opaque: for @read and @data
 * @len: bytes of the image
 * @se: filled in on success
 * @why: on failure the reason, without the file's name
 * @why_len: room in @why
 *
 * The IPIB is found by its shape together with the magic number of the header
 * that it points to, so that images of every known tool are understood.
 *
 * Return: 0, or -1 if this is no complete SE image.
 */
int se_parse_file(se_read_fn read, se_data_fn data, void *opaque, __u64 len, struct se_image *se,
		  char *why, size_t why_len);

/**
 * se_parse() - the same of an image in memory
 * @img: the image; zero padded to a whole page if the last component is to be used
 * @len: bytes of the image, without padding
 * @se: as above
 * @why: as above
 * @why_len: as above
 *
 * Return: as above
 */
int se_parse(const __u8 *img, __u64 len, struct se_image *se, char *why, size_t why_len);

#endif /* SEHDR_H */
