/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What PID 1 of a Linux that crashes does first: /dev, /proc, and the console for its
 * input and output. Nothing can be said before that, so errors show by silence.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void begin(void)
{
	int fd;

	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
}
