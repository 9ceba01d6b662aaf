/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * The parts of seimg: build, keys and info, search. main() has the command line,
 * prints errors and exits; nobody else does. All functions return 0, or -1 and
 * the reason in @e, if not said otherwise.
 */
#ifndef SEIMG_H
#define SEIMG_H

#include <stdio.h>

#include "input.h"
#include "outfile.h"
#include "secrypto.h"
#include "sehdr.h"

/* An s390x bzImage and what the guest's boot loader leaves in it */
#define KERNEL_ENTRY		0x10000UL
#define KERNEL_MAGIC_AT		0x10008
#define KERNEL_MAGIC		"S390EP"
#define KERNEL_INITRD_START	0x10408
#define KERNEL_INITRD_SIZE	0x10410
#define KERNEL_MAX_CMDLINE	0x10430	/* since 5.17: bytes, with the final zero */
#define KERNEL_CMDLINE		0x10480
#define KERNEL_OLD_CMDLINE	896	/* bytes of those that do not tell */

#define PSW_MASK_64BIT		0x0000000180000000ULL
#define PSW_MASK_WAIT_64BIT	0x0002000180000000ULL

/**
 * struct build_args - what seimg build is to do
 * @image: output, not open yet; main() ends it when it fails
 * @image_name: its name
 * @plain: likewise, for the guest's memory in plain text
 * @plain_name: its name, or NULL
 * @kernel: bzImage, or NULL
 * @from_dump: memory of a Linux that has run, or NULL
 * @cmdline: kernel command line or @FILE, or NULL
 * @ramdisk: file, or NULL
 * @cck: file with the customer communication key; NULL: a random one
 * @host_keys: host key documents
 * @num_host_keys: their number
 * @memory: of the guest, in MiB, for @plain
 * @pcf: plaintext control flags
 * @force: replace outputs
 */
struct build_args {
	struct outfile *image;
	const char *image_name;
	struct outfile *plain;
	const char *plain_name;
	const char *kernel;
	const char *from_dump;
	const char *cmdline;
	const char *ramdisk;
	const char *cck;
	const char *host_keys[SE_SLOTS_MAX];
	unsigned int num_host_keys;
	__u64 memory;
	__u64 pcf;
	bool force;
};

int build_image(const struct build_args *a, struct error *e);

/**
 * struct image - an image that is there
 * @in: the file
 * @se: where its parts are
 * @header: its SE header
 */
struct image {
	struct input in;
	struct se_image se;
	union se_header_buf header;
};

/* image_close() is right whatever this returns */
int image_open(struct image *img, const char *name, struct error *e);
void image_close(struct image *img);
/* A page aligned piece of a component as it is in the image, zeros behind its end */
int image_read(const struct image *img, __u64 addr, void *buf, size_t len, struct error *e);

/* Is the guest's memory, in MiB, large enough for an image? */
int check_memory(const struct se_image *se, __u64 memory, struct error *e);
/* The bytes that a kernel, which begins at address 0, has for its command line */
__u64 kernel_cmdline_size(const __u8 *kernel);

/* A customer communication key: 32 bytes for input_free(), or NULL */
__u8 *cck_read(const char *name, size_t *len, struct error *e);

/* The error of an output becomes that of seimg: -1 */
int out_fail(const struct outfile *out, struct error *e);
/* Zeros up to an offset not below @out->pos, as a hole if the file can have one */
int out_skip_to(struct outfile *out, __u64 to, struct error *e);
/* Write at an offset not below @out->pos */
int out_put(struct outfile *out, __u64 at, const void *buf, __u64 len, struct error *e);
/* The same with pages, of which those of zeros become holes */
int out_pages(struct outfile *out, __u64 at, const __u8 *buf, __u64 len, struct error *e);
bool page_is_zero(const __u8 *page);

/**
 * struct info_args - what seimg info and keys are to do
 * @image: its name
 * @private_key: of a host, or NULL
 * @header_key: file with the header key, or NULL
 * @cck: file with what should be the CCK, or NULL
 * @out: output for plain memory (info), keys (keys), not open yet
 * @out_name: its name, or NULL
 * @memory: of the guest, in MiB, with @out
 * @force: replace the output
 * @print: where the report goes
 */
struct info_args {
	const char *image;
	const char *private_key;
	const char *header_key;
	const char *cck;
	struct outfile *out;
	const char *out_name;
	__u64 memory;
	bool force;
	FILE *print;
};

int image_info(const struct info_args *a, struct error *e);
int image_keys(const struct info_args *a, struct error *e);

/**
 * struct search_args - what seimg search is to do
 * @plain: file with the plain memory
 * @name: where to search: a dump, an image; with @raw memory as the host sees it
 * @image: image that @name was made of: what it shows anyway does not count; or NULL
 * @raw: see @name
 * @print: where the report goes
 */
struct search_args {
	const char *plain;
	const char *name;
	const char *image;
	bool raw;
	FILE *print;
};

/* Returns 1 if there is plain memory in the file, 0 if not, or -1 */
int search_plain(const struct search_args *a, struct error *e);

#endif /* SEIMG_H */
