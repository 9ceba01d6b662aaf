// SPDX-License-Identifier: GPL-2.0-only
/* See trace.h. */
#define _GNU_SOURCE	/* syscall() */
#include <fcntl.h>
#include <sys/syscall.h>

#include "trace.h"
#include "util.h"

#define TRACEFS "/sys/kernel/tracing/"

static int trace_write(const char *dir, const char *event, const char *file, const char *val)
{
	char path[160];

	if (snprintf(path, sizeof(path), TRACEFS "%s%s%s", dir, event, file) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	return write_file(path, val);
}

bool trace_have(const char *event)
{
	char path[160];

	return snprintf(path, sizeof(path), TRACEFS "events/%s/enable", event) <
	       (int)sizeof(path) && !access(path, W_OK);
}

int trace_filter(const char *event, const char *filter)
{
	return trace_write("events/", event, "/filter", filter);
}

int trace_start(const char *const *events, size_t nr)
{
	char tid[16];
	int ret;
	size_t i;

	snprintf(tid, sizeof(tid), "%ld", (long)syscall(SYS_gettid));
	ret = trace_write("", "set_event_pid", "", tid) ?: trace_write("", "trace", "", "0");
	for (i = 0; i < nr && !ret; i++)
		if (trace_have(events[i]))
			ret = trace_write("events/", events[i], "/enable", "1");
	return ret;
}

int trace_stop(const char *const *events, size_t nr, char *buf, size_t len)
{
	size_t i, done = 0;
	int fd, ret = 0;
	ssize_t n;

	for (i = 0; i < nr; i++)
		if (trace_have(events[i]))
			ret = trace_write("events/", events[i], "/enable", "0") ?: ret;
	/* an empty list stands for every thread */
	ret = trace_write("", "set_event_pid", "", "") ?: ret;
	fd = open(TRACEFS "trace", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + done, len - 1 - done)) > 0)
		done += n;
	if (n < 0)
		ret = -errno;
	else if (done == len - 1)
		ret = -E2BIG;
	close(fd);
	buf[done] = 0;
	return ret;
}
