/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * libpvdump - dump protected s390 VMs through KVM. See libpvdump(3).
 *
 * The protocol of KVM_PV_INFO and KVM_PV_DUMP, and a writer for the ELF file
 * that zgetdump of s390-tools decrypts, for use in VMMs. This header needs no
 * kernel headers, so it goes with those of any age.
 *
 * A VMM makes a handle with pvdump_new(), says what the VM consists of, where
 * the dump goes, and calls pvdump_write(), which begins the dump and ends it,
 * whatever happens in between. Those who write a file of their own kind use the
 * commands one by one: pvdump_init(), pvdump_cpu() for every vcpu, the guest's
 * memory as the host sees it, pvdump_state() for all of the memory,
 * pvdump_complete(); whatever goes wrong after pvdump_init(), pvdump_abort()
 * makes the VM runnable again.
 *
 * No vcpu may be inside KVM_RUN when a dump begins: KVM throws those out that
 * are, but their threads must not come back before the dump is over (KVM_RUN is
 * -EINVAL until then). So stop the vcpu threads first, with a signal and
 * kvm_run->immediate_exit.
 *
 * The library opens no files, prints nothing, starts no threads, handles no
 * signals and changes no signal's disposition. File descriptors and memory that
 * it is given remain the caller's and have to stay valid while they are in use.
 * A handle may be used by one thread at a time; pvdump_cancel() is the exception.
 *
 * Functions that return int return 0 or a negative errno, if nothing else is
 * said. pvdump_last_error() has the whole story of the last failure.
 */
#ifndef LIBPVDUMP_H
#define LIBPVDUMP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pvdump;

/**
 * struct pvdump_error - why the last call on a handle failed
 * @err: errno, positive; 0: nothing has failed yet
 * @rc: UV return code of the last Ultravisor call, 0 if none was made
 * @rrc: UV return reason code of it
 * @call: what failed: the name of a KVM_PV_* command or of a system call, or ""
 *	  where the arguments were wrong
 * @text: one line for the user, which has all of it
 * @gaddr: guest absolute address that @text is about, or UINT64_MAX
 *
 * Belongs to the library and is valid until the next call on the handle. Later
 * versions may append members.
 */
struct pvdump_error {
	int err;
	uint16_t rc;
	uint16_t rrc;
	const char *call;
	const char *text;
	uint64_t gaddr;
};

/**
 * struct pvdump_lengths - lengths of what the Ultravisor hands out, in bytes
 * @cpu: registers of a vcpu
 * @state: metadata of 1 MiB of memory
 * @complete: completion data
 */
struct pvdump_lengths {
	uint64_t cpu;
	uint64_t state;
	uint64_t complete;
};

/**
 * struct pvdump_sizes - how large a dump is, in bytes
 * @file: size of the file, holes included; what a pipe gets
 * @memory: of this the guest's memory, with what lies between its ranges
 * @metadata: of this the metadata of the memory
 * @used: memory in pages that are not zero, which will be written. Only
 *	  pvdump_measure() knows; else it is as large as all ranges
 * @buffers: memory that the library needs for itself
 */
struct pvdump_sizes {
	uint64_t file;
	uint64_t memory;
	uint64_t metadata;
	uint64_t used;
	uint64_t buffers;
};

/**
 * struct pvdump_progress - how far a dump has got
 * @step: "cpus", "memory", "metadata" or "completion"
 * @done: work done, of @total. Guest memory counts twice, once when its content
 *	  and once when its metadata is done, each of which takes its time
 * @total: all of the work
 * @written: bytes written so far
 * @skipped: bytes of the file that were left out, as holes
 */
struct pvdump_progress {
	const char *step;
	uint64_t done;
	uint64_t total;
	uint64_t written;
	uint64_t skipped;
};

/**
 * typedef pvdump_progress_fn - called between the steps of a dump
 * @opaque: as set
 * @progress: valid during the call
 *
 * Return: 0 to go on, anything else to end the dump with -ECANCELED.
 */
typedef int (*pvdump_progress_fn)(void *opaque, const struct pvdump_progress *progress);

/**
 * typedef pvdump_read_fn - reads guest memory as the host sees it
 * @opaque: as set
 * @gaddr: guest absolute address, a multiple of 4 KiB
 * @buf: where to
 * @len: bytes, a multiple of 4 KiB
 *
 * Return: 0 or a negative errno, which pvdump_write() then returns.
 */
typedef int (*pvdump_read_fn)(void *opaque, uint64_t gaddr, void *buf, size_t len);

/**
 * typedef pvdump_write_fn - takes a piece of the dump
 * @opaque: as set
 * @offset: its place in the dump; pieces come in order and without gaps
 * @buf: the piece, the library's; NULL: @len bytes of zeros, only if asked for
 * @len: bytes
 *
 * Return: 0 or a negative errno, which pvdump_write() then returns.
 */
typedef int (*pvdump_write_fn)(void *opaque, uint64_t offset, const void *buf, uint64_t len);

/* the handle */
int pvdump_new(struct pvdump **pd, int vm_fd);
void pvdump_free(struct pvdump *pd);
const struct pvdump_error *pvdump_last_error(const struct pvdump *pd);
void pvdump_cancel(struct pvdump *pd);
const char *pvdump_version(void);

/* what the VM consists of */
int pvdump_add_memory(struct pvdump *pd, uint64_t gaddr, uint64_t size, const void *host);
void pvdump_set_reader(struct pvdump *pd, pvdump_read_fn read, void *opaque);
int pvdump_add_vcpu(struct pvdump *pd, int vcpu_fd);
int pvdump_add_vcpu_note(struct pvdump *pd, unsigned int vcpu, const char *name, uint32_t type,
			 const void *desc, size_t len);
int pvdump_add_note(struct pvdump *pd, const char *name, uint32_t type, const void *desc,
		    size_t len);
void pvdump_forget(struct pvdump *pd);

/* where the dump goes, and how */
void pvdump_set_fd(struct pvdump *pd, int fd);
void pvdump_set_writer(struct pvdump *pd, pvdump_write_fn write, void *opaque, int holes);
void pvdump_set_progress(struct pvdump *pd, pvdump_progress_fn progress, void *opaque);
void pvdump_set_resumable(struct pvdump *pd, int on);

/* the dump */
int pvdump_sizes(struct pvdump *pd, struct pvdump_sizes *sizes);
int pvdump_measure(struct pvdump *pd, struct pvdump_sizes *sizes);
int pvdump_write(struct pvdump *pd);
int pvdump_resume(struct pvdump *pd);
int pvdump_abort(struct pvdump *pd);

/* the commands one by one */
int pvdump_info(struct pvdump *pd, struct pvdump_lengths *lengths);
int pvdump_init(struct pvdump *pd);
int pvdump_cpu(struct pvdump *pd, int vcpu_fd, void *buf, size_t len);
int pvdump_state(struct pvdump *pd, uint64_t *gaddr, uint64_t size, void *buf, size_t len);
int pvdump_complete(struct pvdump *pd, void *buf, size_t len);
int pvdump_active(const struct pvdump *pd);
int pvdump_command(struct pvdump *pd, int fd, uint32_t cmd, void *data, const char *name);

#ifdef __cplusplus
}
#endif

#endif /* LIBPVDUMP_H */
