/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Secure Execution images: one that is built for the simulator, with every key and
 * byte known, or one of the tester's (PV_DUMP_IMAGE).
 */
#ifndef PV_DUMP_IMAGE_H
#define PV_DUMP_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define MAX_COMPS	16

#define PCF_PCKMO	0x00000000000000e0ULL
#define PCF_DUMP	0x0000000020000000ULL
#define PCF_PLAIN	0x0000000010000000ULL

/* Where the images of image_build() begin, and an encrypted page of zeros of theirs */
#define IMAGE_ENTRY	0x10000
#define IMAGE_ZEROS	0x80000

struct comp {
	uint64_t tweak, addr, size;
	const uint8_t *plain;		/* NULL: not known */
	const uint8_t *image;		/* what UNPACK is given */
};

struct image {
	uint8_t header[2 * PAGE];
	size_t header_len;
	uint8_t cck[32];
	unsigned int nr_comps;
	struct comp comp[MAX_COMPS];
	size_t mem_size;
};

extern struct image the_image;

void image_plaintext(uint8_t *p, uint64_t addr, size_t size);
/* An image with components below, between and across 1 MiB blocks and at the end. */
int image_build(struct image *img, size_t mem_size, uint64_t pcf);
/* The same with @code where the first vcpu starts, at IMAGE_ENTRY, in the 64-bit mode */
int image_build_code(struct image *img, size_t mem_size, uint64_t pcf, const void *code,
		     size_t code_len);
/* The image of PV_DUMP_IMAGE: header by its magic, components by its IPL block. */
int image_load(struct image *img);
/* Whichever of the two this machine is for; @mib and @pcf are for the former. */
int image_get(struct image *img, unsigned int mib, uint64_t pcf);
/* The component that has the page at @addr, or NULL */
const struct comp *comp_of(const struct image *img, uint64_t addr);

#endif
