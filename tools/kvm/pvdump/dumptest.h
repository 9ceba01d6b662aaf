/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * What dump-check.c and dump-fail-check.c share: a disk that is as full as a test
 * wants it, files, a handle of the VM of fakeuv.c, and a verdict on a dump, down to
 * what it decrypts to.
 */
#ifndef DUMPTEST_H
#define DUMPTEST_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fakeuv.h"
#include "libpvdump.h"

#define MIB	FAKE_MIB
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define DUMP_CPU 3		/* subcommands, indices of uv.calls */
#define DUMP_COMPLETE 2

/* The programs are linked with --wrap for pwrite, fallocate and fstatvfs */
struct fake_disk {
	uint64_t pwrite_room;		/* bytes, then ENOSPC */
	uint64_t statvfs_room;		/* free, in bytes; 0: do not lie */
	int fallocate_err;
	uint64_t fallocated;
};

struct parts {
	const uint8_t *notes, *memory, *meta, *complete;
	uint64_t notes_len, memory_len, meta_len, gaddr, memory_at;
};

struct file_head {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdrs[4];
	Elf64_Phdr phdrs[2];
};

/* What on_progress() was told; it cancels when so much is done, if it is to */
struct dump_seen {
	uint64_t done, total, written, calls;
	bool fell;
	uint64_t cancel_at;
};

extern char dir[200];		/* where files are made */
extern struct fake_disk disk;
extern struct dump_seen seen;

void good_disk(void);
int new_file(const char *name, int flags);
void remove_file(const char *name);
void rewind_file(int fd);
uint8_t *read_fd(int fd, size_t *len);
uint8_t *read_file(const char *name, size_t *len);
void save(const char *name, const void *buf, size_t len);

struct pvdump *whole_vm(int fd);
const char *text(const struct pvdump *pd);
bool ended(const struct pvdump *pd);
bool find_parts(const uint8_t *buf, size_t len, struct parts *p);
const uint8_t *find_note(const struct parts *p, const char *name, uint32_t type, unsigned int n,
			 uint32_t *len);
bool page_right(const struct parts *p, uint64_t page);
bool file_right(const uint8_t *buf, size_t len);
bool fd_right(int fd);
int on_progress(void *opaque, const struct pvdump_progress *p);
void *cancel_later(void *pd);

/* pvdump.c's main() as pvdump-check.c has it */
int pvdump_main(int argc, char **argv);

#endif /* DUMPTEST_H */
