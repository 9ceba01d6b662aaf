/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * A file with the memory of a guest: an ELF core of s390x, or flat memory from
 * address 0. It is read piece by piece, so that a guest of any size takes the
 * same memory here. Calls libelf; used by seimg and dumpcmp.
 */
#ifndef GUESTMEM_H
#define GUESTMEM_H

#include <stdbool.h>

#include "input.h"

struct Elf;

/* A segment: @filesz bytes at @offset of the file, zeros up to @memsz */
struct guestmem_seg {
	__u64 addr;
	__u64 memsz;
	__u64 offset;
	__u64 filesz;
};

/**
 * struct guestmem - open memory
 * @in: the file
 * @elf: libelf's; NULL: flat
 * @size: end of the memory in bytes; flat memory ends where the file does
 * @encrypted: a dump of a protected VM, not decrypted
 * @num: segments, by rising address, which do not overlap
 * @seg: the segments
 */
struct guestmem {
	struct input in;
	struct Elf *elf;
	__u64 size;
	bool encrypted;
	size_t num;
	struct guestmem_seg *seg;
};

/**
 * guestmem_open() - open a file with memory
 * @g: filled in
 * @name: path; must stay
 * @e: reason of a failure
 *
 * Refuses what is neither: other formats of dumps, which would be taken for flat
 * memory, by their names.
 *
 * Return: 0 or -1; guestmem_close() is right in both cases
 */
int guestmem_open(struct guestmem *g, const char *name, struct error *e);

/**
 * guestmem_read() - read from guest memory
 * @g: open memory
 * @addr: guest address in bytes
 * @buf: caller's; zeros where there is no memory
 * @len: bytes
 * @e: reason of a failure
 *
 * Return: 0 or -1
 */
int guestmem_read(const struct guestmem *g, __u64 addr, void *buf, size_t len, struct error *e);

/**
 * guestmem_data() - where does memory go on that may be other than zero?
 * @g: open memory
 * @addr: guest address in bytes
 *
 * Return: @addr or a higher address, at most the end of the memory
 */
__u64 guestmem_data(const struct guestmem *g, __u64 addr);

/**
 * guestmem_gap() - the first address below the end that is in no segment
 * @g: open memory
 *
 * Return: address, or the end of the memory
 */
__u64 guestmem_gap(const struct guestmem *g);

/**
 * guestmem_close() - close
 * @g: memory, open or not
 */
void guestmem_close(struct guestmem *g);

#endif /* GUESTMEM_H */
