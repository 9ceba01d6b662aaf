// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * A dump from its beginning to its end: pvdump_write(), pvdump_resume() and
 * pvdump_measure(). Knows the order of things; how a command is issued, where
 * something stands and how it is written is for the other files to know.
 *
 * The storage state of a chunk of memory comes first. Pages that it says are zero
 * are neither read nor written: zgetdump does not look at them. Once the others
 * were read, which makes the Ultravisor encrypt them, it is asked again, and this
 * is what goes into the file: the metadata of a page is that of its exported form.
 *
 * In a regular file memory and metadata of a chunk are written together. A stream
 * needs all memory first, so there the metadata is queried in a second pass. No
 * amount of guest memory makes the library need more memory itself.
 */
#include "pvint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOUNCE		(256 * 1024)

#define ENTRY_ZERO	0x01
#define ENTRY_MAPPED	0x04

static int report(struct pvdump *pd, const char *step)
{
	struct pvdump_progress p = {
		.step = step,
		.done = pd->job.done,
		.total = pd->job.total,
		.written = pd->out.written,
		.skipped = pd->out.skipped,
	};
	int ret = pv_cancelled(pd);

	if (!ret && pd->progress && pd->progress(pd->progress_opaque, &p))
		ret = pv_fail(pd, ECANCELED, "", "canceled");
	return ret;
}

/* A page that zgetdump makes zeros of, whatever the file has */
static bool is_zero(const char *meta, uint64_t page)
{
	const unsigned char *e = (const unsigned char *)meta + page * PV_ENTRY;

	return e[0] == 0xff && e[1] == 0xff && e[2] == 0xff && e[3] == 0xff && !e[14] &&
	       (e[15] & ~ENTRY_MAPPED) == ENTRY_ZERO;
}

/* Metadata of memory that does not exist */
static void all_zero(char *meta, uint64_t pages)
{
	uint64_t i;

	memset(meta, 0, pages * PV_ENTRY);
	for (i = 0; i < pages; i++) {
		memset(meta + i * PV_ENTRY, 0xff, 4);
		meta[i * PV_ENTRY + 15] = ENTRY_ZERO;
	}
}

/* FNV-1a, of words of 64 pages each */
static void hash_zeros(uint64_t *hash, const char *meta, uint64_t pages)
{
	uint64_t i, bits = 0;

	for (i = 0; i < pages; i++) {
		bits = bits << 1 | is_zero(meta, i);
		if (i % 64 == 63)
			*hash = (*hash ^ bits) * 0x100000001b3ULL;
	}
}

/*
 * What is at @gaddr: a part of a range, which is *@range then, or a gap between
 * two. Returns its size up to the end of the chunk.
 */
static uint64_t piece(const struct pvdump *pd, uint64_t gaddr, const struct pv_range **range)
{
	uint64_t end = UINT64_MAX;
	unsigned int i;

	*range = NULL;
	for (i = 0; i < pd->num_ranges && !*range; i++) {
		const struct pv_range *r = &pd->ranges[i];

		if (gaddr < r->gaddr) {
			end = r->gaddr;
			break;
		}
		if (gaddr - r->gaddr < r->size) {
			*range = r;
			end = r->gaddr + r->size;
		}
	}
	return end - gaddr < PV_CHUNK ? end - gaddr : PV_CHUNK;
}

/* Metadata of a piece into job.meta */
static int get_state(struct pvdump *pd, const struct pv_range *range, uint64_t gaddr, uint64_t len)
{
	if (!range) {
		all_zero(pd->job.meta, len / PV_PAGE);
		return 0;
	}
	return pvdump_state(pd, &gaddr, len, pd->job.meta, len / PV_MIB * PV_STATE_LEN);
}

static int write_memory(struct pvdump *pd, const struct pv_range *r, uint64_t gaddr, uint64_t len)
{
	struct pv_job *job = &pd->job;
	uint64_t offset = job->layout.memory + gaddr - job->layout.gaddr;

	if (r->host)
		return pv_out_write(pd, offset, r->host + (gaddr - r->gaddr), len, gaddr);
	while (len) {
		uint64_t n = len < BOUNCE ? len : BOUNCE;
		int ret = pd->read(pd->read_opaque, gaddr, job->bounce, n);

		if (ret) {
			int err = ret < 0 ? -ret : EIO;

			return pv_fail_at(pd, err, "", gaddr,
					  "cannot read the guest's memory at guest address 0x%llx: %s",
					  (unsigned long long)gaddr, strerror(err));
		}
		ret = pv_out_write(pd, offset, job->bounce, n, PV_NO_GADDR);
		if (ret)
			return ret;
		gaddr += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/*
 * Writes the pages of a piece that job.meta does not say are zero and that were
 * not written yet, which *@written counts. Skips the others the first time.
 */
static int write_pages(struct pvdump *pd, const struct pv_range *range, uint64_t gaddr,
		       uint64_t len, bool *have, bool first, uint64_t *written)
{
	struct pv_job *job = &pd->job;
	uint64_t pages = len / PV_PAGE, i, run;
	int ret;

	*written = 0;
	for (i = 0; i < pages; i += run) {
		bool wanted = !have[i] && !is_zero(job->meta, i);
		uint64_t at = gaddr + i * PV_PAGE;

		for (run = 1; i + run < pages; run++)
			if (wanted != (!have[i + run] && !is_zero(job->meta, i + run)))
				break;
		ret = 0;
		if (wanted)
			ret = write_memory(pd, range, at, run * PV_PAGE);
		else if (first)
			ret = pv_out_skip(pd, job->layout.memory + at - job->layout.gaddr,
					  run * PV_PAGE);
		if (ret)
			return ret;
		if (wanted) {
			memset(have + i, true, run);
			*written += run;
		}
	}
	return 0;
}

static int write_meta(struct pvdump *pd, uint64_t gaddr, uint64_t len)
{
	struct pv_job *job = &pd->job;

	return pv_out_write(pd, job->layout.meta +
			    (gaddr - job->layout.gaddr) / PV_MIB * PV_STATE_LEN,
			    job->meta, len / PV_MIB * PV_STATE_LEN, PV_NO_GADDR);
}

/*
 * Memory and, in a file, metadata of a piece. What is zero at first and not any
 * more when the rest was read has been imported by somebody; it is written, too.
 */
static int do_piece(struct pvdump *pd, const struct pv_range *range, uint64_t gaddr, uint64_t len)
{
	struct pv_job *job = &pd->job;
	bool have[PV_CHUNK_PAGES] = { false }, first = true;
	uint64_t written;
	int ret;

	do {
		ret = get_state(pd, range, gaddr, len);
		if (!ret)
			ret = write_pages(pd, range, gaddr, len, have, first, &written);
		if (ret)
			return ret;
		if (!pd->out.seekable) {
			hash_zeros(&job->zeros_seen, job->meta, len / PV_PAGE);
			return 0;
		}
		first = false;
	} while (written);
	return write_meta(pd, gaddr, len);
}

static int do_cpus(struct pvdump *pd)
{
	struct pv_job *job = &pd->job;
	char head[512];
	int ret;

	pv_head(pd, &job->layout, head);
	ret = pv_out_write(pd, 0, head, pv_head_size(), PV_NO_GADDR);
	if (ret)
		return ret;
	while (job->next < pd->num_vcpus) {
		/* registers fetched again would be encrypted in another way */
		if (!job->ready)
			ret = pv_vcpu_notes(pd, job->next, job->buf);
		if (ret)
			return ret;
		job->ready = true;
		ret = pv_out_write(pd, job->offset, job->buf, pv_vcpu_notes_size(pd, job->next),
				   PV_NO_GADDR);
		if (!ret)
			ret = report(pd, "cpus");
		if (ret)
			return ret;
		job->ready = false;
		job->offset += pv_vcpu_notes_size(pd, job->next);
		job->next++;
	}
	pv_vm_notes(pd, job->buf);
	ret = pv_out_write(pd, job->offset, job->buf, pv_vm_notes_size(pd), PV_NO_GADDR);
	if (ret)
		return ret;
	job->offset += pv_vm_notes_size(pd);
	return pv_out_skip(pd, job->offset, job->layout.memory - job->offset);
}

static uint64_t end_of_memory(const struct pv_job *job)
{
	return job->layout.gaddr + job->layout.memory_size;
}

/* Bytes of pages that are not zero; the guest's memory is not touched */
static int count_used(struct pvdump *pd, uint64_t *used)
{
	struct pv_job *job = &pd->job;
	const struct pv_range *range;
	uint64_t gaddr, len, i;
	int ret;

	*used = 0;
	for (gaddr = job->layout.gaddr; gaddr < end_of_memory(job); gaddr += len) {
		len = piece(pd, gaddr, &range);
		if (!range)
			continue;
		ret = get_state(pd, range, gaddr, len);
		if (ret)
			return ret;
		for (i = 0; i < len / PV_PAGE; i++)
			*used += is_zero(job->meta, i) ? 0 : PV_PAGE;
	}
	return 0;
}

/* Rather than to find out after an hour that the disk is too small */
static int do_room(struct pvdump *pd)
{
	uint64_t room, used;
	int ret;

	ret = pv_out_room(pd, &room);
	if (ret || room >= pd->job.layout.memory_size)
		return ret;
	ret = count_used(pd, &used);
	if (!ret && used > room)
		ret = pv_fail(pd, ENOSPC, "statvfs",
			      "%s: the guest uses %llu KiB of memory, but there is room for %llu KiB more only",
			      strerror(ENOSPC), (unsigned long long)used / 1024,
			      (unsigned long long)room / 1024);
	return ret;
}

static int do_memory(struct pvdump *pd)
{
	struct pv_job *job = &pd->job;
	const struct pv_range *range;
	int ret;

	while (job->next < end_of_memory(job)) {
		uint64_t len = piece(pd, job->next, &range);

		ret = do_piece(pd, range, job->next, len);
		if (ret)
			return ret;
		job->next += len;
		job->done += pd->out.seekable ? 2 * len : len;
		ret = report(pd, "memory");
		if (ret)
			return ret;
	}
	return 0;
}

static int do_meta(struct pvdump *pd)
{
	struct pv_job *job = &pd->job;
	const struct pv_range *range;
	int ret;

	while (job->next < end_of_memory(job)) {
		uint64_t len = piece(pd, job->next, &range);

		ret = get_state(pd, range, job->next, len);
		if (!ret)
			ret = write_meta(pd, job->next, len);
		if (ret)
			return ret;
		hash_zeros(&job->zeros_said, job->meta, len / PV_PAGE);
		job->next += len;
		job->done += len;
		ret = report(pd, "metadata");
		if (ret)
			return ret;
	}
	if (job->zeros_seen != job->zeros_said)
		return pv_fail(pd, ESTALE, "KVM_PV_DUMP_CONFIG_STOR_STATE",
			       "pages of the guest were imported while they were dumped, the dump lacks them; dump again, into a file");
	return 0;
}

static int do_complete(struct pvdump *pd)
{
	struct pv_job *job = &pd->job;
	uint64_t len;
	const char *strtab = pv_strtab(&len);
	int ret = 0;

	if (!job->ready)
		ret = pvdump_complete(pd, job->buf, pd->len.complete);
	if (ret)
		return ret;
	job->ready = true;
	ret = pv_out_write(pd, job->layout.complete, job->buf, pd->len.complete, PV_NO_GADDR);
	if (!ret)
		ret = pv_out_write(pd, job->layout.strtab, strtab, len, PV_NO_GADDR);
	if (!ret)
		ret = pv_out_end(pd, job->layout.size);
	return ret;
}

/* From where it stands to the end */
static int run(struct pvdump *pd)
{
	static int (*const steps[])(struct pvdump *pd) = {
		[PV_ROOM] = do_room,
		[PV_CPUS] = do_cpus,
		[PV_MEMORY] = do_memory,
		[PV_META] = do_meta,
		[PV_COMPLETE] = do_complete,
	};
	struct pv_job *job = &pd->job;
	int ret;

	while (job->phase < PV_END) {
		ret = steps[job->phase](pd);
		if (ret)
			return ret;
		job->phase++;
		if (job->phase == PV_META && pd->out.seekable)
			job->phase = PV_COMPLETE;
		job->next = job->phase == PV_CPUS ? 0 : job->layout.gaddr;
	}
	report(pd, "completion");
	return 0;
}

void pv_job_drop(struct pvdump *pd)
{
	free(pd->job.buf);
	free(pd->job.meta);
	free(pd->job.bounce);
	memset(&pd->job, 0, sizeof(pd->job));
}

/* Bytes of the buffers of a dump */
static void buffers(const struct pvdump *pd, const struct pv_layout *l, uint64_t *buf,
		    uint64_t *meta, uint64_t *bounce)
{
	unsigned int i;

	*buf = l->vcpu_notes_max;
	if (*buf < pv_vm_notes_size(pd))
		*buf = pv_vm_notes_size(pd);
	if (*buf < pd->len.complete)
		*buf = pd->len.complete;
	*meta = PV_CHUNK / PV_MIB * PV_STATE_LEN;
	*bounce = 0;
	for (i = 0; i < pd->num_ranges; i++)
		if (!pd->ranges[i].host)
			*bounce = BOUNCE;
}

/* All that can fail without a dump */
static int prepare(struct pvdump *pd)
{
	uint64_t buf, meta, bounce;
	struct pv_layout l;
	int ret;

	if (pd->active || pd->job.phase != PV_IDLE)
		return pv_fail(pd, EBUSY, "", "a dump is in progress already, and goes on");
	ret = pv_layout(pd, &l);
	if (ret)
		return ret;
	buffers(pd, &l, &buf, &meta, &bounce);
	pd->job.layout = l;
	pd->job.offset = l.notes;
	pd->job.total = 2 * l.memory_size;
	pd->job.buf = malloc(buf);
	pd->job.meta = malloc(meta);
	pd->job.bounce = bounce ? malloc(bounce) : NULL;
	if (pd->job.buf && pd->job.meta && (pd->job.bounce || !bounce))
		return 0;
	pv_job_drop(pd);
	return pv_fail(pd, ENOMEM, "malloc", "out of memory (%llu bytes)",
		       (unsigned long long)(buf + meta + bounce));
}

/* The end of a dump that has failed, whose error remains the last one */
static void give_up(struct pvdump *pd)
{
	struct pvdump_error saved = pd->error;
	char text[sizeof(pd->text)];

	memcpy(text, pd->text, sizeof(text));
	if (!pvdump_abort(pd))
		return;
	pd->error = saved;
	memcpy(pd->text, text, sizeof(text));
	pv_append(pd, "; and the dump could not be ended, the VM cannot run until KVM_PV_DISABLE");
}

static int finish(struct pvdump *pd, int ret)
{
	if (ret && !pd->resumable)
		give_up(pd);
	else if (!ret)
		pv_job_drop(pd);
	return ret;
}

/**
 * pvdump_write() - dump a VM into an ELF file that zgetdump can decrypt
 * @pd: handle of a protected VM whose memory, vcpus and output were set, none of
 *	whose vcpus is in KVM_RUN
 *
 * Begins the dump and ends it, whatever happens. Needs some 300 KiB of memory,
 * whatever the size of the guest. A failed dump leaves a part of the file behind,
 * which is worthless and the caller's to remove. Before the dump begins the output
 * is looked at, and in a regular file the room for everything but the guest's
 * memory is reserved. Does not sync the file.
 *
 * Return:
 * * 0
 * * -EBUSY: a dump was begun through this handle already, and goes on
 * * -EPERM: the Ultravisor refused the dump, see pvdump_init(). The VM can run on.
 * * -ECANCELED: by pvdump_cancel() or the progress callback
 * * -EINVAL: no memory, no vcpu or no reader set; or see pvdump_init()
 * * -EFBIG: more than the output or RLIMIT_FSIZE allows
 * * -ENOSPC: not enough room; if it is known to be missing, nothing was read yet
 * * -EPIPE: nobody reads the output
 * * -EFAULT: guest memory cannot be read; pvdump_error.gaddr says where
 * * -ESTALE: pages of the VM were imported meanwhile; only if the output is a
 *   stream
 * * -ENOMEM, -EPROTO, -EOPNOTSUPP, -EIO: see pvdump_info() and pvdump_init()
 * * negative errno of an ioctl, of a write() or of a callback
 */
int pvdump_write(struct pvdump *pd)
{
	int ret = prepare(pd);

	if (ret)
		return ret;
	ret = pv_out_begin(pd, &pd->job.layout);
	if (!ret)
		ret = pvdump_init(pd);
	if (ret) {
		pv_job_drop(pd);
		return ret;
	}
	pd->job.phase = PV_ROOM;
	return finish(pd, run(pd));
}

/**
 * pvdump_resume() - go on with a dump that has failed
 * @pd: handle with pvdump_set_resumable(), after pvdump_write() has failed when the
 *	dump had begun
 *
 * Goes on where it stopped, with the same output: when there is room on the disk
 * again, or after a request to cancel. Nothing that a stream has had is written
 * twice. If it fails it can be called again; pvdump_abort() gives up.
 *
 * Return: -EINVAL: there is nothing to go on with; else as pvdump_write().
 */
int pvdump_resume(struct pvdump *pd)
{
	if (pd->job.phase == PV_IDLE)
		return pv_fail(pd, EINVAL, "", "there is no dump that could be resumed");
	return finish(pd, run(pd));
}

/**
 * pvdump_sizes() - how large a dump will be
 * @pd: handle whose memory and vcpus were set; protected or not
 * @sizes: gets the sizes, with all memory in use
 *
 * Return: 0, or the errors of pvdump_write() that are about what was set.
 */
int pvdump_sizes(struct pvdump *pd, struct pvdump_sizes *sizes)
{
	uint64_t buf, meta, bounce;
	struct pv_layout l;
	unsigned int i;
	int ret;

	ret = pv_layout(pd, &l);
	if (ret)
		return ret;
	buffers(pd, &l, &buf, &meta, &bounce);
	memset(sizes, 0, sizeof(*sizes));
	sizes->file = l.size;
	sizes->memory = l.memory_size;
	sizes->metadata = l.meta_size;
	sizes->buffers = sizeof(*pd) + buf + meta + bounce;
	for (i = 0; i < pd->num_ranges; i++)
		sizes->used += pd->ranges[i].size;
	return 0;
}

/**
 * pvdump_measure() - how large a dump would be now
 * @pd: handle of a protected VM whose memory and vcpus were set, none of whose
 *	vcpus is in KVM_RUN
 * @sizes: gets the sizes, with the memory that is in use
 *
 * Begins a dump, queries the metadata, and throws it away. Writes nothing and does
 * not touch the guest's memory.
 *
 * Return: 0, or an error of pvdump_write() that is not about output.
 */
int pvdump_measure(struct pvdump *pd, struct pvdump_sizes *sizes)
{
	int ret = pvdump_sizes(pd, sizes);

	if (!ret)
		ret = prepare(pd);
	if (ret)
		return ret;
	ret = pvdump_init(pd);
	if (!ret) {
		ret = count_used(pd, &sizes->used);
		if (ret)
			give_up(pd);
		else
			ret = pvdump_abort(pd);
	}
	pv_job_drop(pd);
	return ret;
}
