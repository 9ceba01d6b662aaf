/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * Output files of pvdump and seimg: a file appears under its name when it is
 * complete and on the disk, or not at all, and nothing that the user did not
 * name with "force" is replaced. Knows nothing of what is written. Nothing here
 * prints or exits; both tools call it, libpvdump does not.
 */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct outfile;

/**
 * struct outfile_args - how to open an output
 * @mode: of a file that is created, subject to umask: 0600 for secrets
 * @force: replace a regular file, write into a block device
 * @inputs: names of files that must not be written to, up to a NULL; may be NULL
 * @other: an output that is open already and must be a different one; may be NULL
 * @stop: if not NULL, who waits gives up with -EINTR when this becomes nonzero
 */
struct outfile_args {
	const atomic_int *stop;
	const struct outfile *other;
	const char * const *inputs;
	mode_t mode;
	bool force;
};

/**
 * struct outfile - an output
 * @name: as the user gave it; "-" is standard output
 * @fd: descriptor, or -1
 * @stream: standard output, pipe or device: what is written has gone, holes are
 *	    written as zeros, outfile_pwrite() is not possible
 * @pos: where outfile_write() goes on
 * @error: after a failure what failed, on what and why; no full stop
 * @kept: after a failure of outfile_commit() the path of the complete data, or ""
 *
 * What follows @kept is private.
 */
struct outfile {
	const char *name;
	int fd;
	bool stream;
	uint64_t pos;
	char error[1024];
	char kept[512];

	/* private: */
	const char *label;	/* the name in messages */
	const atomic_int *stop;
	bool force;
	bool regular;		/* a file of a file system, though a stream */
	uint64_t end;		/* end of what was written */
	dev_t dev;		/* what was there at the beginning */
	ino_t ino;
	int dir_fd;		/* where the file is to appear; -1: streams */
	dev_t dir_dev;
	ino_t dir_ino;
	char dir[256];		/* for messages */
	char base[256];
	char tmp[256];		/* named temporary file, or "" */
};

/**
 * outfile_open() - check everything that can be checked, and open an output
 * @out: filled in; must stay where it is
 * @name: path, or "-"
 * @args: see there
 *
 * A path that is a symbolic link stands for what it points to. A pipe or a
 * character device is written into, a block device with force. Waits some seconds
 * for the reader of a fifo.
 *
 * Return:
 * * 0
 * * -EEXIST - it is there, and no force
 * * -EINVAL - no output: terminal, socket, directory, dangling link, an input, @other
 * * -EINTR - stopped
 * * -ENXIO - nobody reads from the fifo
 * * another negative errno of the call that failed
 */
int outfile_open(struct outfile *out, const char *name, const struct outfile_args *args);

/**
 * outfile_expect() - is there room?
 * @out: open output
 * @bytes: disk space that will be needed, at least
 * @size: final size of the file
 *
 * Return: 0, or where nothing is known; -ENOSPC; -EFBIG beyond RLIMIT_FSIZE
 */
int outfile_expect(struct outfile *out, uint64_t bytes, uint64_t size);

/**
 * outfile_reserve() - make sure that a part will find room
 * @out: open output, no stream
 * @at: offset of the part in bytes
 * @len: its bytes
 *
 * Return: 0, also where the file system cannot reserve; -ENOSPC, -EFBIG, -EIO ...
 */
int outfile_reserve(struct outfile *out, uint64_t at, uint64_t len);

/**
 * outfile_write() - write at @out->pos, all of it
 * @out: open output
 * @buf: caller's
 * @len: bytes
 *
 * Waits where the other end of a pipe makes it wait, non-blocking or not. The
 * program must ignore SIGPIPE and SIGXFSZ to get -EPIPE and -EFBIG.
 *
 * Return: 0, or a negative errno of write(); -EINTR if stopped
 */
int outfile_write(struct outfile *out, const void *buf, uint64_t len);

/**
 * outfile_skip() - @len bytes of zeros at @out->pos, as a hole where possible
 * @out: open output
 * @len: bytes
 *
 * Return: as outfile_write()
 */
int outfile_skip(struct outfile *out, uint64_t len);

/**
 * outfile_pwrite() - write elsewhere; @out->pos stays
 * @out: open output, no stream
 * @at: offset in bytes
 * @buf: caller's
 * @len: bytes
 *
 * Return: as outfile_write()
 */
int outfile_pwrite(struct outfile *out, uint64_t at, const void *buf, uint64_t len);

/**
 * outfile_sync() - have all of it on the disk, still without its name
 * @out: open output
 *
 * To be called for each of several outputs before the first outfile_commit().
 *
 * Return: 0 or a negative errno; outfile_abort() is right then
 */
int outfile_sync(struct outfile *out);

/**
 * outfile_commit() - write to the disk, give the file its name, close
 * @out: open output; closed, whatever happens
 *
 * If the name cannot be had, because somebody else made a file of that name or
 * for any other reason, the data stays under another name: @out->kept.
 *
 * Return: 0, -EEXIST or another negative errno
 */
int outfile_commit(struct outfile *out);

/**
 * outfile_abort() - close, and leave nothing behind
 * @out: open output, or one that outfile_open() failed for or that is closed;
 *	 all zero will do
 *
 * What went into a stream cannot be taken back.
 */
void outfile_abort(struct outfile *out);

/**
 * outfile_unlink_tmp() - of outfile_abort() what must not be forgotten
 * @out: as for outfile_abort()
 *
 * Context: async-signal-safe, for a handler that ends the program
 */
void outfile_unlink_tmp(const struct outfile *out);

#endif /* OUTFILE_H */
