/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * Inside of libpvdump. Its files, from the bottom up:
 *
 * libpvdump.c	the handle: what the caller has set, and the last error
 * pvproto.c	the commands; the only one that issues ioctls
 * pvelf.c	where everything stands in the file, its headers and notes
 * pvout.c	the output; the only one that writes to file descriptors
 * pvwrite.c	a dump from its beginning to its end
 */
#ifndef PVINT_H
#define PVINT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "libpvdump.h"

#define PV_MIB		0x100000ULL
#define PV_PAGE		4096ULL
#define PV_ENTRY	16U		/* metadata of a page */
#define PV_NO_GADDR	UINT64_MAX

/*
 * Guest memory whose metadata is asked for at once. KVM cannot be interrupted
 * in between, so it is what somebody who wants to stop a dump waits for.
 */
#define PV_CHUNK	(4 * PV_MIB)
#define PV_CHUNK_PAGES	(PV_CHUNK / PV_PAGE)

/* The only metadata that zgetdump knows: PV_ENTRY for each page */
#define PV_STATE_LEN	(PV_MIB / PV_PAGE * PV_ENTRY)

#define PV_PRINTF(fmt, first)	__attribute__((__format__(__printf__, fmt, first)))

/* Guest memory, sorted by address; @host is NULL where it is read by callback */
struct pv_range {
	uint64_t gaddr;
	uint64_t size;
	const char *host;
};

struct pv_note {
	int vcpu;		/* index, -1: of the VM */
	uint32_t type;
	uint32_t name_len;	/* with its NUL */
	uint32_t len;
	char *name;
	char *desc;
};

/* Where the parts of a file stand; pvelf.c */
struct pv_layout {
	uint64_t gaddr;		/* first address of the only segment */
	uint64_t memory_size;	/* of the segment, with what is between ranges */
	uint64_t notes;
	uint64_t notes_size;
	uint64_t memory;
	uint64_t meta;
	uint64_t meta_size;
	uint64_t complete;
	uint64_t strtab;
	uint64_t size;
	uint64_t vcpu_notes_max;	/* of the vcpu that has most */
};

struct pv_out {
	int fd;			/* -1: @write */
	pvdump_write_fn write;
	void *opaque;
	bool holes;		/* @write wants to know of them */

	/* of the dump in progress */
	bool seekable;		/* regular file whose rest is one hole */
	uint64_t base;		/* the dump's place in it */
	uint64_t pos;		/* bytes of the dump that a stream has had */
	uint64_t written;
	uint64_t skipped;
};

enum pv_phase { PV_IDLE, PV_ROOM, PV_CPUS, PV_MEMORY, PV_META, PV_COMPLETE, PV_END };

/* A dump in progress, or one that failed and can be resumed; pvwrite.c */
struct pv_job {
	enum pv_phase phase;
	struct pv_layout layout;
	uint64_t next;		/* vcpu, or guest address, to go on with */
	uint64_t offset;	/* of the next vcpu's notes */
	bool ready;		/* @buf is to be written, getting it again is no way */
	char *buf;		/* notes of a vcpu or completion data */
	char *meta;		/* metadata of a chunk */
	char *bounce;		/* memory that comes through the callback, or NULL */
	uint64_t done;
	uint64_t total;
	uint64_t zeros_seen;	/* hash of which pages were skipped */
	uint64_t zeros_said;	/* and of which pages the metadata says so */
};

struct pvdump {
	int vm_fd;
	bool active;		/* a dump was begun through this handle */
	bool resumable;
	bool have_lengths;
	struct pvdump_lengths len;
	atomic_bool cancelled;

	struct pv_range *ranges;
	unsigned int num_ranges;
	int *vcpus;
	unsigned int num_vcpus;
	struct pv_note *notes;
	unsigned int num_notes;
	pvdump_read_fn read;
	void *read_opaque;
	pvdump_progress_fn progress;
	void *progress_opaque;
	struct pv_out out;
	struct pv_job job;

	struct pvdump_error error;
	char text[512];
};

/* libpvdump.c */
int pv_fail(struct pvdump *pd, int err, const char *call, const char *fmt, ...) PV_PRINTF(4, 5);
int pv_fail_at(struct pvdump *pd, int err, const char *call, uint64_t gaddr, const char *fmt, ...)
	PV_PRINTF(5, 6);
int pv_cancelled(struct pvdump *pd);
void pv_append(struct pvdump *pd, const char *fmt, ...) PV_PRINTF(2, 3);

/* pvproto.c */
int pv_need_lengths(struct pvdump *pd);

/* pvelf.c */
int pv_layout(struct pvdump *pd, struct pv_layout *l);
uint64_t pv_vcpu_notes_size(const struct pvdump *pd, unsigned int vcpu);
int pv_vcpu_notes(struct pvdump *pd, unsigned int vcpu, char *buf);
uint64_t pv_vm_notes_size(const struct pvdump *pd);
void pv_vm_notes(const struct pvdump *pd, char *buf);
uint64_t pv_head_size(void);
void pv_head(const struct pvdump *pd, const struct pv_layout *l, char *buf);
const char *pv_strtab(uint64_t *size);

/* pvout.c */
int pv_out_begin(struct pvdump *pd, const struct pv_layout *l);
int pv_out_room(struct pvdump *pd, uint64_t *room);
int pv_out_write(struct pvdump *pd, uint64_t offset, const void *buf, uint64_t len,
		 uint64_t gaddr);
int pv_out_skip(struct pvdump *pd, uint64_t offset, uint64_t len);
int pv_out_end(struct pvdump *pd, uint64_t size);

/* pvwrite.c */
void pv_job_drop(struct pvdump *pd);

#endif /* PVINT_H */
