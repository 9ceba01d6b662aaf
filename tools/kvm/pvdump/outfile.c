// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Output files of pvdump and seimg, see outfile.h.
 *
 * A file has no name until it is complete (O_TMPFILE), so that nothing is left
 * whatever kills the program. Where a file system cannot do that it is
 * NAME.<random>.tmp until then. All names are taken relative to the directory,
 * which stays open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "outfile.h"

#define WAIT_MS		100		/* between two looks at the stop flag */
#define READER_WAIT_S	10		/* for somebody who reads from a fifo */
#define WRITE_MAX	0x100000UL	/* likewise, bytes */

static int __attribute__((__format__(__printf__, 3, 4)))
fail(struct outfile *out, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->error, sizeof(out->error), fmt, ap);
	va_end(ap);
	return -err;
}

static bool stopped(const struct outfile *out)
{
	return out->stop && *out->stop;
}

static int fail_stopped(struct outfile *out)
{
	return fail(out, EINTR, "writing '%s' was interrupted", out->label);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = WAIT_MS * 1000000L }, NULL);
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* A file on descriptor 1 or 2 would get what is printed */
static int above_stdio(int fd)
{
	int high, err;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	err = errno;
	close(fd);
	errno = err;
	return high;
}

/* --- opening --------------------------------------------------------------- */

static int check_others(struct outfile *out, const struct stat *st,
			const struct outfile_args *args)
{
	const char * const *in;
	struct stat other;

	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return 0;
	for (in = args->inputs; in && *in; in++)
		if (!stat(*in, &other) && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return fail(out, EINVAL, "'%s' is the same file as '%s', which is read",
				    out->label, *in);
	if (args->other && args->other->ino == st->st_ino && args->other->dev == st->st_dev)
		return fail(out, EINVAL, "'%s' is the same file as '%s', which is written, too",
			    out->label, args->other->label);
	return 0;
}

static int open_stdout(struct outfile *out, const struct outfile_args *args)
{
	struct stat st;
	int ret;

	if (fstat(STDOUT_FILENO, &st))
		return fail(out, errno, "standard output is closed");
	if (isatty(STDOUT_FILENO))
		return fail(out, EINVAL,
			    "'-' is a terminal: redirect standard output to a file or a pipe");
	if (args->other && args->other->stream && !strcmp(args->other->name, "-"))
		return fail(out, EINVAL, "standard output can be one output, not two");
	ret = check_others(out, &st, args);
	if (ret)
		return ret;
	out->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (out->fd < 0)
		return fail(out, errno, "cannot use standard output: %s", strerror(errno));
	out->stream = true;
	out->regular = S_ISREG(st.st_mode);
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

static int open_special(struct outfile *out, const struct stat *st,
			const struct outfile_args *args)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY, ret;
	time_t end = now() + READER_WAIT_S;

	if (S_ISSOCK(st->st_mode))
		return fail(out, EINVAL, "'%s' is a socket: that cannot be an output",
			    out->label);
	if (S_ISBLK(st->st_mode) && !args->force)
		return fail(out, EEXIST,
			    "'%s' is a block device: its content would be lost, force it with -f",
			    out->label);
	ret = check_others(out, st, args);
	if (ret)
		return ret;
	/* without a reader: ENXIO at once in place of a wait that nothing ends */
	if (S_ISFIFO(st->st_mode))
		flags |= O_NONBLOCK;
	for (;;) {
		out->fd = above_stdio(open(out->name, flags));
		if (out->fd >= 0)
			break;
		if (stopped(out))
			return fail_stopped(out);
		if (errno == ENXIO && S_ISFIFO(st->st_mode) && now() >= end)
			return fail(out, ENXIO, "nobody has opened '%s' to read from it, in %d s",
				    out->label, READER_WAIT_S);
		if (errno == ENXIO && S_ISFIFO(st->st_mode))
			nap();
		else if (errno != EINTR)
			return fail(out, errno, "cannot open '%s': %s", out->label,
				    strerror(errno));
	}
	if (isatty(out->fd))
		return fail(out, EINVAL, "'%s' is a terminal", out->label);
	out->stream = true;
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	return 0;
}

/* The directory, and the name in it, of a path that is no symbolic link */
static int open_directory(struct outfile *out, const char *path, const struct outfile_args *args)
{
	const struct outfile *other = args->other;
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) + (slash == path) : 1;
	char dir[PATH_MAX];
	struct stat st;

	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return fail(out, EINVAL, "'%s' is a directory", out->label);
	if (strlen(base) >= sizeof(out->base) || len >= sizeof(dir))
		return fail(out, ENAMETOOLONG, "cannot create '%s': %s", out->label,
			    strerror(ENAMETOOLONG));
	snprintf(dir, sizeof(dir), "%.*s", (int)len, slash ? path : ".");
	strcpy(out->base, base);
	/* where the directory cannot be read it cannot be synchronised */
	out->dir_fd = above_stdio(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (out->dir_fd < 0 && errno == EACCES)
		out->dir_fd = above_stdio(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (out->dir_fd < 0 || fstat(out->dir_fd, &st))
		return fail(out, errno, "cannot create '%s': directory '%s': %s", out->label, dir,
			    strerror(errno));
	out->dir_dev = st.st_dev;
	out->dir_ino = st.st_ino;
	if (other && other->dir_fd >= 0 && other->dir_dev == st.st_dev &&
	    other->dir_ino == st.st_ino && !strcmp(other->base, base))
		return fail(out, EINVAL, "'%s' is the same file as '%s', which is written, too",
			    out->label, other->label);
	snprintf(out->dir, sizeof(out->dir), "%.*s%s", (int)len, slash ? path : "",
		 slash && slash != path ? "/" : "");
	return 0;
}

/* May the file that is there be replaced at the end? */
static int check_replace(struct outfile *out, const struct stat *st)
{
	struct stat dir;

	if (fstat(out->dir_fd, &dir))
		return fail(out, errno, "cannot look at the directory of '%s': %s", out->label,
			    strerror(errno));
	if (dir.st_mode & S_ISVTX && geteuid() && geteuid() != dir.st_uid &&
	    geteuid() != st->st_uid)
		return fail(out, EPERM,
			    "cannot replace '%s': it belongs to somebody else, in a sticky directory",
			    out->label);
	return 0;
}

static void tmp_name(const struct outfile *out, char *buf, const char *suffix)
{
	uint64_t r = 0;

	/* random, so that nobody else has it; O_EXCL and EEXIST see to the rest */
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)getpid() << 32 ^ time(NULL);
	snprintf(buf, sizeof(out->tmp), "%.220s.%012llx%s", out->base,
		 (unsigned long long)r & 0xffffffffffffULL, suffix);
}

static int link_fd(const struct outfile *out, int fd, const char *name)
{
	char proc[40];

	/* the other way, AT_EMPTY_PATH, needs a capability */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, out->dir_fd, name, AT_SYMLINK_FOLLOW);
}

static int open_unnamed(const struct outfile *out, mode_t mode)
{
	return above_stdio(openat(out->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
}

/*
 * Can a file be made here that gets its name later? Seen with another one: it
 * must be known before the work, not after.
 */
static bool unnamed_works(const struct outfile *out, mode_t mode)
{
	char name[sizeof(out->tmp)];
	int fd = open_unnamed(out, mode);
	bool ok;

	if (fd < 0)
		return false;
	tmp_name(out, name, ".tmp");
	ok = !link_fd(out, fd, name) && !unlinkat(out->dir_fd, name, 0);
	close(fd);
	return ok;
}

static int open_file(struct outfile *out, mode_t mode)
{
	sigset_t all, old;
	int err = EEXIST, tries;

	if (unnamed_works(out, mode)) {
		out->fd = open_unnamed(out, mode);
		if (out->fd >= 0)
			return 0;
	}
	/* no signal between the file's birth and the note of its name */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	for (tries = 0; out->fd < 0 && err == EEXIST && tries < 10; tries++) {
		tmp_name(out, out->tmp, ".tmp");
		out->fd = above_stdio(openat(out->dir_fd, out->tmp, O_RDWR | O_CREAT | O_EXCL |
					     O_NOFOLLOW | O_CLOEXEC, mode));
		err = out->fd < 0 ? errno : 0;
	}
	if (err)
		out->tmp[0] = 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (err)
		return fail(out, err, "cannot create '%s': %s", out->label, strerror(err));
	return 0;
}

static int open_any(struct outfile *out, const struct outfile_args *args)
{
	struct stat st, link;
	bool exists;
	char *path;
	int ret;

	if (!*out->name)
		return fail(out, EINVAL, "an empty name is no output");
	if (!strcmp(out->name, "-"))
		return open_stdout(out, args);
	exists = !stat(out->name, &st);
	if (!exists && errno != ENOENT)
		return fail(out, errno, "cannot create '%s': %s", out->label, strerror(errno));
	if (exists && S_ISDIR(st.st_mode))
		return fail(out, EINVAL, "'%s' is a directory", out->label);
	if (exists && !S_ISREG(st.st_mode))
		return open_special(out, &st, args);
	if (lstat(out->name, &link))
		link.st_mode = 0;
	if (S_ISLNK(link.st_mode) && !exists)
		return fail(out, EINVAL, "'%s' is a symbolic link that points to nothing",
			    out->label);
	if (exists) {
		ret = check_others(out, &st, args);
		if (ret)
			return ret;
		if (!args->force)
			return fail(out, EEXIST, "'%s' exists: remove it, or replace it with -f",
				    out->label);
		out->dev = st.st_dev;
		out->ino = st.st_ino;
	}
	path = S_ISLNK(link.st_mode) ? realpath(out->name, NULL) : strdup(out->name);
	if (!path)
		return fail(out, errno, "cannot follow '%s': %s", out->label, strerror(errno));
	ret = open_directory(out, path, args);
	free(path);
	if (!ret && exists)
		ret = check_replace(out, &st);
	return ret ? ret : open_file(out, args->mode);
}

int outfile_open(struct outfile *out, const char *name, const struct outfile_args *args)
{
	int ret;

	memset(out, 0, sizeof(*out));
	out->name = name;
	out->label = strcmp(name, "-") ? name : "standard output";
	out->fd = -1;
	out->dir_fd = -1;
	out->stop = args->stop;
	out->force = args->force;
	ret = open_any(out, args);
	if (ret)
		outfile_abort(out);
	return ret;
}

/* --- writing --------------------------------------------------------------- */

int outfile_expect(struct outfile *out, uint64_t bytes, uint64_t size)
{
	struct rlimit limit;
	struct statvfs fs;
	uint64_t room;

	if (out->stream && !out->regular)
		return 0;
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    size > limit.rlim_cur)
		return fail(out, EFBIG,
			    "'%s' gets %llu MiB, the limit for a file is %llu MiB (ulimit -f)",
			    out->label, (unsigned long long)(size + 0xfffff) >> 20,
			    (unsigned long long)limit.rlim_cur >> 20);
	/* some file systems do not tell */
	if (fstatvfs(out->fd, &fs) || !fs.f_blocks)
		return 0;
	room = (uint64_t)(geteuid() ? fs.f_bavail : fs.f_bfree) * fs.f_frsize;
	if (bytes > room)
		return fail(out, ENOSPC, "'%s' needs %llu MiB, the disk has room for %llu MiB",
			    out->label, (unsigned long long)(bytes + 0xfffff) >> 20,
			    (unsigned long long)room >> 20);
	return 0;
}

int outfile_reserve(struct outfile *out, uint64_t at, uint64_t len)
{
	if (out->stream)
		return fail(out, EINVAL, "'%s' is no file on a disk", out->label);
	while (fallocate(out->fd, 0, at, len)) {
		if (errno == EOPNOTSUPP)
			return 0;
		if (errno != EINTR)
			return fail(out, errno, "cannot reserve %llu bytes for '%s': %s",
				    (unsigned long long)len, out->label, strerror(errno));
		if (stopped(out))
			return fail_stopped(out);
	}
	if (out->end < at + len)
		out->end = at + len;
	return 0;
}

/* Returns whether it is worth another try */
static bool may_go_on(const struct outfile *out, int err)
{
	struct pollfd poll_fd = { .fd = out->fd, .events = POLLOUT };

	if (err == EAGAIN)
		poll(&poll_fd, 1, WAIT_MS);
	return (err == EAGAIN || err == EINTR) && !stopped(out);
}

/* @at: where, or UINT64_MAX for where the descriptor stands */
static int write_all(struct outfile *out, uint64_t at, const char *buf, uint64_t len)
{
	while (len) {
		size_t part = len < WRITE_MAX ? len : WRITE_MAX;
		ssize_t n;

		if (stopped(out))
			return fail_stopped(out);
		n = at == UINT64_MAX ? write(out->fd, buf, part) :
				       pwrite(out->fd, buf, part, at);
		if (n < 0 && may_go_on(out, errno))
			continue;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return fail_stopped(out);
		if (n < 0)
			return fail(out, errno, "cannot write '%s': %s%s", out->label,
				    strerror(errno), errno == EFBIG ? " (ulimit -f)" : "");
		if (!n)
			return fail(out, EIO, "cannot write '%s': no progress", out->label);
		buf += n;
		len -= n;
		if (at != UINT64_MAX)
			at += n;
	}
	return 0;
}

int outfile_pwrite(struct outfile *out, uint64_t at, const void *buf, uint64_t len)
{
	if (out->stream)
		return fail(out, EINVAL, "'%s' is no file on a disk", out->label);
	if (out->end < at + len)
		out->end = at + len;
	return write_all(out, at, buf, len);
}

int outfile_write(struct outfile *out, const void *buf, uint64_t len)
{
	int ret;

	if (out->stream)
		ret = write_all(out, UINT64_MAX, buf, len);
	else
		ret = outfile_pwrite(out, out->pos, buf, len);
	out->pos += len;
	return ret;
}

int outfile_skip(struct outfile *out, uint64_t len)
{
	static const char zeros[65536];
	int ret = 0;

	if (!out->stream) {
		out->pos += len;
		if (out->end < out->pos)
			out->end = out->pos;
		return 0;
	}
	while (len && !ret) {
		uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		ret = outfile_write(out, zeros, n);
		len -= n;
	}
	return ret;
}

/* --- the end --------------------------------------------------------------- */

int outfile_sync(struct outfile *out)
{
	struct stat st;

	/* a hole at the end; what is there may also be longer: reserved */
	if (!out->stream && !fstat(out->fd, &st) && (uint64_t)st.st_size < out->end &&
	    ftruncate(out->fd, out->end))
		return fail(out, errno, "cannot write '%s': %s", out->label, strerror(errno));
	while (fsync(out->fd)) {
		/* pipes, and some devices */
		if (out->stream && (errno == EINVAL || errno == EROFS || errno == ENOTSUP))
			return 0;
		if (errno != EINTR)
			return fail(out, errno, "cannot write '%s': %s", out->label,
				    strerror(errno));
	}
	return 0;
}

/* Gives the data the name @to, which nobody has: -EEXIST otherwise */
static int name_new(struct outfile *out, const char *to)
{
	int fd, err;

	if (!out->tmp[0])
		return link_fd(out, out->fd, to) ? -errno : 0;
	if (!renameat2(out->dir_fd, out->tmp, out->dir_fd, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* not every file system can keep from replacing; a link never replaces */
	if (!linkat(out->dir_fd, out->tmp, out->dir_fd, to, 0)) {
		unlinkat(out->dir_fd, out->tmp, 0);
		return 0;
	}
	if (errno == EEXIST)
		return -EEXIST;
	/* no links either: replace an empty file that we made */
	fd = openat(out->dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	if (!renameat(out->dir_fd, out->tmp, out->dir_fd, to))
		return 0;
	err = errno;
	unlinkat(out->dir_fd, to, 0);
	return -err;
}

/* Replaces the regular file that has the name */
static int name_forced(struct outfile *out)
{
	struct stat st;
	int ret;

	ret = name_new(out, out->base);
	if (ret != -EEXIST)
		return ret;
	if (fstatat(out->dir_fd, out->base, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	if (!out->tmp[0]) {
		tmp_name(out, out->tmp, ".tmp");
		if (link_fd(out, out->fd, out->tmp)) {
			ret = -errno;
			out->tmp[0] = 0;
			return ret;
		}
	}
	return renameat(out->dir_fd, out->tmp, out->dir_fd, out->base) ? -errno : 0;
}

/* The data is worth more than its name */
static int keep(struct outfile *out, int err)
{
	char name[sizeof(out->tmp)];
	const char *why = err == EEXIST ? "it appeared meanwhile and was not replaced" :
					  strerror(err);
	int ret = 0;

	tmp_name(out, name, "");
	if (out->tmp[0])
		strcpy(name, out->tmp);
	else
		ret = name_new(out, name);
	if (ret)
		return fail(out, err,
			    "'%s': %s; the data is lost, as it cannot have another name: %s",
			    out->label, why, strerror(-ret));
	out->tmp[0] = 0;
	snprintf(out->kept, sizeof(out->kept), "%s%s", out->dir, name);
	return fail(out, err, "'%s': %s; the data is complete, in '%s'", out->label, why,
		    out->kept);
}

int outfile_commit(struct outfile *out)
{
	int ret = outfile_sync(out);

	if (ret || out->stream) {
		if (!ret && close(out->fd))
			ret = fail(out, errno, "cannot write '%s': %s", out->label,
				   strerror(errno));
		else if (ret)
			close(out->fd);
		out->fd = -1;
		outfile_abort(out);
		return ret;
	}
	ret = out->force ? name_forced(out) : name_new(out, out->base);
	if (ret)
		ret = keep(out, -ret);
	else
		out->tmp[0] = 0;
	/* the name, too, is to be on the disk */
	if (fsync(out->dir_fd) && errno != EBADF && errno != EINVAL && errno != EROFS && !ret)
		ret = fail(out, errno, "'%s' is complete, but its name may not be on the disk: %s",
			   out->label, strerror(errno));
	outfile_abort(out);
	return ret;
}

void outfile_unlink_tmp(const struct outfile *out)
{
	if (out->tmp[0])
		unlinkat(out->dir_fd, out->tmp, 0);
}

void outfile_abort(struct outfile *out)
{
	/* all zero: never opened */
	if (!out->name)
		return;
	outfile_unlink_tmp(out);
	out->tmp[0] = 0;
	if (out->fd >= 0)
		close(out->fd);
	if (out->dir_fd >= 0)
		close(out->dir_fd);
	out->fd = -1;
	out->dir_fd = -1;
}
