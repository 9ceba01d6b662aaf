// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * The handle of libpvdump: what the caller has said about the VM and where its
 * dump goes, and the last error. Nothing here issues commands, but for
 * pvdump_free(), which ends a dump.
 */
#include "pvint.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NOTE	0x100000U
#define MAX_VCPUS	4096

static void fail_va(struct pvdump *pd, int err, const char *call, uint64_t gaddr,
		    const char *fmt, va_list ap)
{
	vsnprintf(pd->text, sizeof(pd->text), fmt, ap);
	pd->error.err = err;
	pd->error.call = call;
	pd->error.text = pd->text;
	pd->error.gaddr = gaddr;
}

/* Returns -err. rc and rrc remain those of the last command. */
int pv_fail(struct pvdump *pd, int err, const char *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_va(pd, err, call, PV_NO_GADDR, fmt, ap);
	va_end(ap);
	return -err;
}

/* The same, with the guest address that it is about */
int pv_fail_at(struct pvdump *pd, int err, const char *call, uint64_t gaddr, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_va(pd, err, call, gaddr, fmt, ap);
	va_end(ap);
	return -err;
}

void pv_append(struct pvdump *pd, const char *fmt, ...)
{
	size_t end = strlen(pd->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pd->text + end, sizeof(pd->text) - end, fmt, ap);
	va_end(ap);
}

/* Returns -ECANCELED, once, if pvdump_cancel() was called */
int pv_cancelled(struct pvdump *pd)
{
	if (!atomic_exchange(&pd->cancelled, false))
		return 0;
	return pv_fail(pd, ECANCELED, "", "canceled");
}

/**
 * pvdump_new() - make a handle for dumps of a VM
 * @pdp: gets the handle, which pvdump_free() takes back
 * @vm_fd: file descriptor of the VM, remains the caller's
 *
 * Issues no command; the VM need not be protected yet.
 *
 * Return: 0; -EINVAL: @vm_fd is negative; -ENOMEM.
 */
int pvdump_new(struct pvdump **pdp, int vm_fd)
{
	struct pvdump *pd;

	*pdp = NULL;
	if (vm_fd < 0)
		return -EINVAL;
	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return -ENOMEM;
	pd->vm_fd = vm_fd;
	pd->out.fd = -1;
	pd->error.call = "";
	pd->error.text = pd->text;
	pd->error.gaddr = PV_NO_GADDR;
	atomic_init(&pd->cancelled, false);
	*pdp = pd;
	return 0;
}

/**
 * pvdump_free() - give a handle back
 * @pd: handle or NULL
 *
 * Ends a dump that was begun through it, as pvdump_abort() does: nobody else
 * could, and the VM would remain blocked.
 */
void pvdump_free(struct pvdump *pd)
{
	if (!pd)
		return;
	pvdump_abort(pd);
	pv_job_drop(pd);
	pvdump_forget(pd);
	free(pd);
}

/**
 * pvdump_last_error() - why the last call that failed has failed
 * @pd: handle
 *
 * Return: the library's structure, valid until the next call on the handle.
 */
const struct pvdump_error *pvdump_last_error(const struct pvdump *pd)
{
	return &pd->error;
}

/**
 * pvdump_cancel() - have the call in progress end with -ECANCELED
 * @pd: handle
 *
 * If no call is in progress, the next one that writes or queries metadata ends.
 * The call that does so uses the request up. A write() that waits for a reader
 * is not woken: that takes a signal (without SA_RESTART), or O_NONBLOCK.
 *
 * Context: any thread; async-signal-safe.
 */
void pvdump_cancel(struct pvdump *pd)
{
	atomic_store(&pd->cancelled, true);
}

/**
 * pvdump_version() - version of the library that is in use
 *
 * Return: a string like "1.0".
 */
const char *pvdump_version(void)
{
	return PVDUMP_VERSION;
}

/* Room for one more element, in an array that is doubled at powers of two */
static int grow(struct pvdump *pd, void **array, unsigned int num, size_t size)
{
	void *p;

	if (num & (num - 1))
		return 0;
	p = realloc(*array, (num ? 2 * (size_t)num : 1) * size);
	if (!p)
		return pv_fail(pd, ENOMEM, "realloc", "out of memory");
	*array = p;
	return 0;
}

static int no_dump_in_progress(struct pvdump *pd)
{
	if (pd->job.phase == PV_IDLE)
		return 0;
	return pv_fail(pd, EBUSY, "", "a dump is in progress, its VM cannot be described anew");
}

/**
 * pvdump_add_memory() - add a range of guest memory
 * @pd: handle
 * @gaddr: guest absolute address, a multiple of 1 MiB
 * @size: bytes, a multiple of 1 MiB
 * @host: where it is mapped for KVM; NULL: it is read with pvdump_set_reader()'s
 *	  callback
 *
 * The file that zgetdump reads can have one segment only. If there are several
 * ranges, it has all from the lowest address to the highest, and what is between
 * ranges is in it as pages of zeros, which take no room but for 4 KiB of
 * metadata for each MiB.
 *
 * Return:
 * * 0
 * * -EINVAL: not whole MiB, empty, behind the end of the address space, or
 *   overlaps another range
 * * -EBUSY: a dump is in progress
 * * -ENOMEM
 */
int pvdump_add_memory(struct pvdump *pd, uint64_t gaddr, uint64_t size, const void *host)
{
	struct pv_range *r;
	unsigned int i;
	void *p;
	int ret = no_dump_in_progress(pd);

	if (ret)
		return ret;
	if (!size || gaddr % PV_MIB || size % PV_MIB || gaddr > UINT64_MAX - size)
		return pv_fail_at(pd, EINVAL, "", gaddr,
				  "guest memory at 0x%llx, 0x%llx bytes: address and size must be whole MiB",
				  (unsigned long long)gaddr, (unsigned long long)size);
	for (i = 0; i < pd->num_ranges; i++) {
		r = &pd->ranges[i];
		if (gaddr < r->gaddr + r->size && r->gaddr < gaddr + size)
			return pv_fail_at(pd, EINVAL, "", gaddr,
					  "guest memory at 0x%llx, 0x%llx bytes overlaps that at 0x%llx",
					  (unsigned long long)gaddr, (unsigned long long)size,
					  (unsigned long long)r->gaddr);
	}
	p = pd->ranges;
	ret = grow(pd, &p, pd->num_ranges, sizeof(*r));
	if (ret)
		return ret;
	pd->ranges = p;
	for (i = pd->num_ranges++; i && pd->ranges[i - 1].gaddr > gaddr; i--)
		pd->ranges[i] = pd->ranges[i - 1];
	pd->ranges[i] = (struct pv_range){ .gaddr = gaddr, .size = size, .host = host };
	return 0;
}

/**
 * pvdump_set_reader() - set what reads memory that is not mapped
 * @pd: handle
 * @read: called from pvdump_write() for ranges without a mapping
 * @opaque: handed to @read
 */
void pvdump_set_reader(struct pvdump *pd, pvdump_read_fn read, void *opaque)
{
	pd->read = read;
	pd->read_opaque = opaque;
}

/**
 * pvdump_add_vcpu() - add a vcpu
 * @pd: handle
 * @vcpu_fd: its file descriptor. Add them in the order of the CPU addresses
 *
 * Return: its index for pvdump_add_vcpu_note(), 0 for the first; -EINVAL: the
 * file descriptor is negative or the VM's, or there are 4096 already; -EBUSY: a
 * dump is in progress; -ENOMEM.
 */
int pvdump_add_vcpu(struct pvdump *pd, int vcpu_fd)
{
	void *p = pd->vcpus;
	int ret = no_dump_in_progress(pd);

	if (ret)
		return ret;
	if (vcpu_fd < 0 || vcpu_fd == pd->vm_fd || pd->num_vcpus == MAX_VCPUS)
		return pv_fail(pd, EINVAL, "",
			       "%d is no file descriptor of a vcpu, or there are too many",
			       vcpu_fd);
	ret = grow(pd, &p, pd->num_vcpus, sizeof(*pd->vcpus));
	if (ret)
		return ret;
	pd->vcpus = p;
	pd->vcpus[pd->num_vcpus] = vcpu_fd;
	return pd->num_vcpus++;
}

static int add_note(struct pvdump *pd, int vcpu, const char *name, uint32_t type,
		    const void *desc, size_t len)
{
	struct pv_note n = { .vcpu = vcpu, .type = type, .len = len };
	void *p = pd->notes;
	int ret = no_dump_in_progress(pd);

	if (ret)
		return ret;
	if (!name || (len && !desc))
		return pv_fail(pd, EINVAL, "", "a note without name or content");
	n.name_len = strnlen(name, MAX_NOTE) + 1;
	if (n.name_len > MAX_NOTE || len > MAX_NOTE)
		return pv_fail(pd, EINVAL, "", "a note of %zu bytes: at most %u are possible", len,
			       MAX_NOTE);
	ret = grow(pd, &p, pd->num_notes, sizeof(n));
	if (ret)
		return ret;
	pd->notes = p;
	n.name = malloc(n.name_len);
	n.desc = malloc(len ? len : 1);
	if (!n.name || !n.desc) {
		free(n.name);
		free(n.desc);
		return pv_fail(pd, ENOMEM, "malloc", "out of memory");
	}
	memcpy(n.name, name, n.name_len);
	if (len)
		memcpy(n.desc, desc, len);
	pd->notes[pd->num_notes++] = n;
	return 0;
}

/**
 * pvdump_add_vcpu_note() - add a note about a vcpu
 * @pd: handle
 * @vcpu: what pvdump_add_vcpu() returned
 * @name: name of the note, like "CORE" or "LINUX"
 * @type: NT_*
 * @desc: content, copied; registers are in big endian
 * @len: its bytes, at most 1 MiB
 *
 * Registers that the hypervisor knows itself, beside the encrypted ones. A note
 * of a type that is written anyway (NT_PRSTATUS, NT_PRFPREG, and of "LINUX" 0x301
 * to 0x305, 0x309 to 0x30b) takes the place of the one that is all zeros.
 *
 * Return: 0; -EINVAL: no such vcpu, too long, or the type of the encrypted
 * registers; -EBUSY: a dump is in progress; -ENOMEM.
 */
int pvdump_add_vcpu_note(struct pvdump *pd, unsigned int vcpu, const char *name, uint32_t type,
			 const void *desc, size_t len)
{
	if (vcpu >= pd->num_vcpus)
		return pv_fail(pd, EINVAL, "", "a note for vcpu %u, but there are %u", vcpu,
			       pd->num_vcpus);
	if (name && !strcmp(name, "LINUX") && type == 0x30e)
		return pv_fail(pd, EINVAL, "",
			       "a note of type 0x30e: the Ultravisor alone has encrypted registers");
	return add_note(pd, vcpu, name, type, desc, len);
}

/**
 * pvdump_add_note() - add a note about the VM, like VMCOREINFO
 * @pd: handle
 * @name: name of the note
 * @type: its type
 * @desc: content, copied
 * @len: its bytes, at most 1 MiB
 *
 * Return: 0; -EINVAL: too long; -EBUSY: a dump is in progress; -ENOMEM.
 */
int pvdump_add_note(struct pvdump *pd, const char *name, uint32_t type, const void *desc,
		    size_t len)
{
	return add_note(pd, -1, name, type, desc, len);
}

/**
 * pvdump_forget() - forget memory, vcpus and notes
 * @pd: handle with no dump in progress, else nothing happens
 *
 * For another dump of a VM that has changed.
 */
void pvdump_forget(struct pvdump *pd)
{
	unsigned int i;

	if (pd->job.phase != PV_IDLE)
		return;
	for (i = 0; i < pd->num_notes; i++) {
		free(pd->notes[i].name);
		free(pd->notes[i].desc);
	}
	free(pd->notes);
	free(pd->vcpus);
	free(pd->ranges);
	pd->notes = NULL;
	pd->vcpus = NULL;
	pd->ranges = NULL;
	pd->num_notes = 0;
	pd->num_vcpus = 0;
	pd->num_ranges = 0;
}

/**
 * pvdump_set_fd() - have the dump written to a file descriptor
 * @pd: handle
 * @fd: file, pipe, socket or device, which remains the caller's
 *
 * Writing begins at the current file offset. Holes are left in a regular file
 * that has nothing behind this offset and was not opened with O_APPEND; its size
 * changes, and after a failure a part of the dump remains in it. Everything else
 * is written in order, zeros as zeros. If the descriptor is O_NONBLOCK, the
 * library waits with poll(). A pipe without reader is -EPIPE and raises no
 * SIGPIPE, a limit on the file size is -EFBIG and raises no SIGXFSZ.
 */
void pvdump_set_fd(struct pvdump *pd, int fd)
{
	if (pd->job.phase != PV_IDLE)
		return;
	pd->out.fd = fd;
	pd->out.write = NULL;
}

/**
 * pvdump_set_writer() - have the dump written by a callback
 * @pd: handle
 * @write: called from pvdump_write(), in order
 * @opaque: handed to @write
 * @holes: zeros, however many, come as one call without a buffer
 */
void pvdump_set_writer(struct pvdump *pd, pvdump_write_fn write, void *opaque, int holes)
{
	if (pd->job.phase != PV_IDLE)
		return;
	pd->out.fd = -1;
	pd->out.write = write;
	pd->out.opaque = opaque;
	pd->out.holes = holes;
}

/**
 * pvdump_set_progress() - set what is told how far a dump has got
 * @pd: handle
 * @progress: called from pvdump_write() after every few MiB, or NULL
 * @opaque: handed to @progress
 */
void pvdump_set_progress(struct pvdump *pd, pvdump_progress_fn progress, void *opaque)
{
	pd->progress = progress;
	pd->progress_opaque = opaque;
}

/**
 * pvdump_set_resumable() - do not end a dump that has failed
 * @pd: handle
 * @on: when pvdump_write() fails after the dump has begun, the VM remains blocked
 *	until pvdump_resume() succeeds or pvdump_abort() gives up
 */
void pvdump_set_resumable(struct pvdump *pd, int on)
{
	pd->resumable = on;
}
