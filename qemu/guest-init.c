// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of a Linux that uvsim executes: uses all of the kernel a little - processes,
 * exec, system calls, timers, page faults, all CPUs - says what it did, and ends,
 * which makes the kernel panic; with exitcode=0x00000000 if all was well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static void check(int ok, const char *what)
{
	printf("guest: %s %s\n", what, ok ? "ok" : strerror(errno));
	if (!ok)
		exit(1);
}

static int child_status(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct timespec sleep = { .tv_nsec = 50000000 };
	long i, n = sysconf(_SC_NPROCESSORS_ONLN), start;
	cpu_set_t set;
	pid_t pid;
	char *p;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 7;
	setbuf(stdout, NULL);
	pid = fork();
	if (!pid) {
		execl("/init", "init", "child", NULL);
		_exit(1);
	}
	check(pid > 0 && child_status(pid) == 7, "fork and exec:");
	for (i = 0; i < 1000; i++)
		getppid();
	check(1, "1000 system calls:");
	start = milliseconds();
	check(!nanosleep(&sleep, NULL) && milliseconds() - start >= 50, "50 ms of sleep:");
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED, "4 MiB mapped:");
	memset(p, 1, 4 * MIB);
	pid = fork();
	if (!pid) {
		memset(p, 2, 4 * MIB);
		_exit(p[MIB]);
	}
	check(pid > 0 && child_status(pid) == 2 && p[MIB] == 1, "copy on write:");
	check(!munmap(p, 4 * MIB), "4 MiB unmapped:");
	for (i = 0; i < n; i++) {
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		check(!sched_setaffinity(0, sizeof(set), &set) && sched_getcpu() == i, "CPU:");
	}
	printf("guest: %ld CPUs, done\n", n);
	return 0;
}
