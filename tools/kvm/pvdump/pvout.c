// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * The output of a dump: a regular file with holes, a stream, or a callback. Used
 * by pvwrite.c. Nothing else in the library writes to a file descriptor, so this
 * is where signals are dealt with.
 */
#define _GNU_SOURCE
#include "pvint.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS		100

static const char zeros[64 * 1024];

/*
 * A write can raise SIGPIPE or SIGXFSZ, whose default is to kill the VMM. Their
 * dispositions belong to the whole process and are not ours to change, and a flag
 * like MSG_NOSIGNAL is there for sockets only. But both signals are sent to the
 * thread that writes: block them in this thread, write, and take off the queue
 * what the write has raised. What was pending before stays.
 */
struct guard {
	sigset_t old;
	bool pending[2];
};

static const int guarded[2] = { SIGPIPE, SIGXFSZ };

static void guard_begin(struct guard *g)
{
	sigset_t set;
	int i;

	sigemptyset(&set);
	for (i = 0; i < 2; i++)
		sigaddset(&set, guarded[i]);
	pthread_sigmask(SIG_BLOCK, &set, &g->old);
	/* what is not blocked is not pending */
	sigemptyset(&set);
	if (sigismember(&g->old, SIGPIPE) || sigismember(&g->old, SIGXFSZ))
		sigpending(&set);
	for (i = 0; i < 2; i++)
		g->pending[i] = sigismember(&set, guarded[i]);
}

/*
 * @whole: the call did all that it was asked for, so it has raised nothing. A
 * write to a pipe that a reader leaves in its middle returns what it has written,
 * and raises SIGPIPE all the same.
 */
static void guard_end(const struct guard *g, bool whole)
{
	static const struct timespec now;
	sigset_t set;
	int i;

	sigemptyset(&set);
	for (i = 0; i < 2; i++)
		if (!g->pending[i])
			sigaddset(&set, guarded[i]);
	while (!whole && (sigtimedwait(&set, NULL, &now) > 0 || errno == EINTR))
		;
	pthread_sigmask(SIG_SETMASK, &g->old, NULL);
}

static int fail(struct pvdump *pd, int err, const char *call)
{
	return pv_fail(pd, err, call, "cannot write the dump (%llu of %llu bytes written): %s",
		       (unsigned long long)pd->out.written,
		       (unsigned long long)pd->job.layout.size, strerror(err));
}

static int wait_for_reader(struct pvdump *pd)
{
	struct pollfd p = { .fd = pd->out.fd, .events = POLLOUT };
	int n, ret;

	do {
		ret = pv_cancelled(pd);
		if (ret)
			return ret;
		n = poll(&p, 1, POLL_MS);
	} while (!n || (n < 0 && errno == EINTR));
	return n < 0 ? fail(pd, errno, "poll") : 0;
}

/* Writes something and returns how much, or a negative errno */
static ssize_t write_some(struct pvdump *pd, uint64_t offset, const void *buf, uint64_t len,
			  uint64_t gaddr)
{
	struct pv_out *out = &pd->out;
	struct guard guard;
	ssize_t n;
	int err;

	if (len > PV_MIB)
		len = PV_MIB;
	for (;;) {
		int ret = pv_cancelled(pd);

		if (ret)
			return ret;
		guard_begin(&guard);
		if (out->seekable)
			n = pwrite(out->fd, buf, len, out->base + offset);
		else
			n = write(out->fd, buf, len);
		err = n < 0 ? errno : 0;
		guard_end(&guard, n == (ssize_t)len);
		if (n > 0)
			return n;
		if (err == EAGAIN || err == EWOULDBLOCK) {
			ret = wait_for_reader(pd);
			if (ret)
				return ret;
		} else if (err == EFAULT && gaddr != PV_NO_GADDR) {
			gaddr -= gaddr % PV_PAGE;
			return pv_fail_at(pd, err, "write", gaddr,
					  "cannot read the guest's memory at guest address 0x%llx: %s",
					  (unsigned long long)gaddr, strerror(err));
		} else if (err != EINTR) {
			return fail(pd, n ? err : ENOSPC, "write");
		}
	}
}

static int write_all(struct pvdump *pd, uint64_t offset, const char *buf, uint64_t len,
		     uint64_t gaddr)
{
	while (len) {
		ssize_t n = write_some(pd, offset, buf, len, gaddr);

		if (n < 0)
			return n;
		offset += n;
		buf += n;
		len -= n;
		if (gaddr != PV_NO_GADDR)
			gaddr += n;
		pd->out.written += n;
		if (!pd->out.seekable)
			pd->out.pos = offset;
	}
	return 0;
}

static int call_writer(struct pvdump *pd, uint64_t offset, const void *buf, uint64_t len)
{
	struct pv_out *out = &pd->out;
	int ret = pv_cancelled(pd);

	if (!ret) {
		ret = out->write(out->opaque, offset, buf, len);
		if (ret)
			ret = fail(pd, ret < 0 ? -ret : EIO, "");
	}
	if (ret)
		return ret;
	out->pos = offset + len;
	*(buf ? &out->written : &out->skipped) += len;
	return 0;
}

static int write_zeros(struct pvdump *pd, uint64_t len)
{
	while (len) {
		uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);
		int ret;

		if (pd->out.write)
			ret = call_writer(pd, pd->out.pos, zeros, n);
		else
			ret = write_all(pd, pd->out.pos, zeros, n, PV_NO_GADDR);
		if (ret)
			return ret;
		len -= n;
	}
	return 0;
}

/*
 * Writes a part of the dump. @gaddr says that @buf is guest memory. Of a dump that
 * is resumed a stream has had the first parts already.
 */
int pv_out_write(struct pvdump *pd, uint64_t offset, const void *buf, uint64_t len,
		 uint64_t gaddr)
{
	struct pv_out *out = &pd->out;

	if (!out->seekable && offset < out->pos) {
		uint64_t had = out->pos - offset < len ? out->pos - offset : len;

		buf = (const char *)buf + had;
		offset += had;
		len -= had;
		if (gaddr != PV_NO_GADDR)
			gaddr += had;
	}
	if (!len)
		return 0;
	return out->write ? call_writer(pd, offset, buf, len) :
			    write_all(pd, offset, buf, len, gaddr);
}

/* Leaves a part out, which reads as zeros. A regular file has a hole there. */
int pv_out_skip(struct pvdump *pd, uint64_t offset, uint64_t len)
{
	struct pv_out *out = &pd->out;

	if (out->seekable) {
		out->skipped += len;
		return 0;
	}
	if (offset + len <= out->pos)
		return 0;
	if (out->write && out->holes)
		return call_writer(pd, out->pos, NULL, offset + len - out->pos);
	return write_zeros(pd, offset + len - out->pos);
}

/* Can a file system reserve room? If not, that is no reason not to dump. */
static int reserve_room(struct pvdump *pd, uint64_t offset, uint64_t len)
{
	struct guard guard;
	int err;

	do {
		guard_begin(&guard);
		err = fallocate(pd->out.fd, 0, pd->out.base + offset, len) ? errno : 0;
		guard_end(&guard, !err);
		if (err == EINTR) {
			int ret = pv_cancelled(pd);

			if (ret)
				return ret;
		}
	} while (err == EINTR);
	if (err == ENOSPC || err == EDQUOT || err == EFBIG || err == EIO)
		return pv_fail(pd, err, "fallocate",
			       "cannot reserve %llu bytes for headers, registers, metadata and completion data: %s",
			       (unsigned long long)len, strerror(err));
	return 0;
}

/*
 * Looks at the output before the dump begins: whatever can be known to fail later
 * fails now. In a regular file everything but the memory gets its room at once, so
 * that the completion data, which exists only once, cannot meet a full disk.
 */
int pv_out_begin(struct pvdump *pd, const struct pv_layout *l)
{
	struct pv_out *out = &pd->out;
	struct rlimit limit;
	struct stat st;
	off_t base;
	int flags, ret;

	out->seekable = false;
	out->base = 0;
	out->pos = 0;
	out->written = 0;
	out->skipped = 0;
	if (out->write)
		return 0;
	flags = out->fd < 0 ? -1 : fcntl(out->fd, F_GETFL);
	if (flags < 0)
		return pv_fail(pd, EBADF, "", "there is no output: %d is no file descriptor",
			       out->fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return pv_fail(pd, EBADF, "",
			       "the output's file descriptor is open for reading only");
	if (fstat(out->fd, &st))
		return pv_fail(pd, errno, "fstat", "fstat() of the output failed: %s",
			       strerror(errno));
	if (!S_ISREG(st.st_mode))
		return 0;
	base = lseek(out->fd, 0, SEEK_CUR);
	if (base < 0)
		return pv_fail(pd, errno, "lseek", "lseek() of the output failed: %s",
			       strerror(errno));
	if (flags & O_APPEND)
		base = st.st_size;
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < base + l->size)
		return pv_fail(pd, EFBIG, "getrlimit",
			       "a dump of %llu bytes is larger than the limit on the size of files (RLIMIT_FSIZE, ulimit -f), which is %llu bytes",
			       (unsigned long long)l->size, (unsigned long long)limit.rlim_cur);
	out->seekable = !(flags & O_APPEND) && st.st_size <= base;
	if (!out->seekable)
		return 0;
	out->base = base;
	ret = reserve_room(pd, 0, l->memory);
	return ret ? ret : reserve_room(pd, l->meta, l->size - l->meta);
}

/* How much memory there is room for, as far as one can know */
int pv_out_room(struct pvdump *pd, uint64_t *room)
{
	struct statvfs fs;

	*room = UINT64_MAX;
	if (!pd->out.seekable || fstatvfs(pd->out.fd, &fs))
		return 0;
	*room = fs.f_bavail * fs.f_frsize;
	return 0;
}

/* The whole dump was written; it is up to the caller to sync and close */
int pv_out_end(struct pvdump *pd, uint64_t size)
{
	if (!pd->out.seekable)
		return 0;
	if (lseek(pd->out.fd, pd->out.base + size, SEEK_SET) < 0)
		return fail(pd, errno, "lseek");
	return 0;
}
