// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* Reading files, see input.h */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"

#define PAGE	4096UL

int fail(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

int input_open(struct input *in, const char *name, struct error *e)
{
	struct stat st;
	off_t size;

	in->name = name;
	in->size = 0;
	in->fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (in->fd < 0 || fstat(in->fd, &st))
		return fail(e, "cannot open '%s': %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(e, "'%s' is no regular file", name);
	size = lseek(in->fd, 0, SEEK_END);
	if (size < 0)
		return fail(e, "cannot tell the size of '%s': %s", name, strerror(errno));
	in->size = size;
	return 0;
}

int input_read_at(const struct input *in, __u64 at, void *buf, size_t len, struct error *e)
{
	while (len) {
		ssize_t n = pread(in->fd, buf, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(e, "cannot read '%s': %s", in->name, strerror(errno));
		if (!n)
			return fail(e, "'%s' is truncated: nothing at offset 0x%llx", in->name, at);
		buf = (char *)buf + n;
		at += n;
		len -= n;
	}
	return 0;
}

__u64 input_data(const struct input *in, __u64 at)
{
	off_t next;

	if (at >= in->size)
		return in->size;
	next = lseek(in->fd, at, SEEK_DATA);
	if (next < 0)
		return errno == ENXIO ? in->size : at;
	return (__u64)next < in->size ? (__u64)next : in->size;
}

void input_close(struct input *in)
{
	if (in->name && in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

/* Grows a buffer without leaving a copy of what is in it */
static __u8 *enlarge(__u8 *old, size_t len, size_t room)
{
	__u8 *buf = calloc(1, room);

	if (buf && old)
		memcpy(buf, old, len);
	input_free(old, len);
	return buf;
}

__u8 *input_read(const char *name, size_t max, size_t *len, struct error *e)
{
	size_t room = max < 65536 ? max + 1 : 65536;
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	__u8 *buf = NULL;
	ssize_t n;

	*len = 0;
	if (fd < 0) {
		fail(e, "cannot open '%s': %s", name, strerror(errno));
		return NULL;
	}
	/* one byte more than what is wanted tells whether there is more */
	buf = enlarge(NULL, 0, room + PAGE);
	while (buf) {
		n = read(fd, buf + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(e, "cannot read '%s': %s", name, strerror(errno));
		if (n <= 0)
			break;
		*len += n;
		if (*len > max) {
			n = fail(e, "'%s' is too large: more than %zu bytes", name, max);
			break;
		}
		if (*len == room) {
			room *= 2;
			buf = enlarge(buf, *len, room + PAGE);
		}
	}
	if (!buf)
		n = fail(e, "out of memory for '%s'", name);
	else if (!n && !*len)
		n = fail(e, "'%s' is empty", name);
	if (fd != STDIN_FILENO)
		close(fd);
	if (!n)
		return buf;
	input_free(buf, *len);
	return NULL;
}

void input_free(__u8 *buf, size_t len)
{
	if (buf)
		explicit_bzero(buf, len);
	free(buf);
}
