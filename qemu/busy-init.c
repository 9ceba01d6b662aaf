// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of a Linux that is dumped while it works: on each CPU a process changes
 * pages of its own, and has a checksum of each. If a page is ever another one than
 * it was left, Linux says so and panics; as long as all is well it counts pages. How many
 * pages a process has may be said on the kernel's command line, pages=N.
 * Another process gives orders to the ledger (patient-mod.c), whose seals everybody
 * can compare with the journal in a dump.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS	512

static int pages = 64;

static uint64_t checksum(const uint64_t *words)
{
	uint64_t s = 0;
	int i;

	for (i = 0; i < WORDS; i++)
		s = (s ^ words[i]) * 0x9e3779b97f4a7c15ULL + i;
	return s;
}

/* @done: pages, again and again */
static void work(long cpu, volatile uint64_t *done, volatile uint64_t *broken)
{
	uint64_t (*page)[WORDS] = calloc(pages, sizeof(*page));
	uint64_t *sum = calloc(pages, sizeof(*sum));
	char name[16];
	cpu_set_t set;
	uint64_t n;
	int i;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!page || !sum || sched_setaffinity(0, sizeof(set), &set)) {
		*broken = 1;
		return;
	}
	snprintf(name, sizeof(name), "worker%ld", cpu);
	prctl(PR_SET_NAME, name);
	for (i = 0; i < pages; i++)
		sum[i] = checksum(page[i]);
	for (n = 1; ; n++) {
		for (i = 0; i < pages; i++) {
			if (checksum(page[i]) != sum[i])
				*broken = 1;
			page[i][n % WORDS] += n * 0x100000001b3ULL + i;
			sum[i] = checksum(page[i]);
			++*done;
		}
	}
}

/* Payments, for ever */
static void keep_ledger(volatile uint64_t *broken)
{
	int fd = open("/proc/ledger", O_WRONLY);
	char order[64];
	unsigned int n;
	int len;

	prctl(PR_SET_NAME, "teller");
	for (n = 0; ; n++) {
		if (n < 2)
			len = sprintf(order, "open %s 1000", n ? "bob" : "alice");
		else
			len = sprintf(order, "pay %s %u", n & 1 ? "alice bob" : "bob alice",
				      n % 97 + 1);
		if (write(fd, order, len) != len)
			break;
		usleep(20000);
	}
	*broken = 1;
}

int main(void)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	volatile uint64_t *shared;
	uint64_t last[64] = { };
	int seconds, moved, fd;
	pid_t pid;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || cpus > 63)
		return 1;
	if (getenv("pages"))
		pages = atoi(getenv("pages"));
	if (pages < 1)
		return 1;
	fd = open("/patient-mod.ko", O_RDONLY);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		return 1;
	close(fd);
	for (cpu = 0; cpu < cpus; cpu++) {
		pid = fork();
		if (pid < 0)
			return 1;
		if (!pid)
			work(cpu, &shared[cpu], &shared[63]);
	}
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid)
		keep_ledger(&shared[63]);
	for (seconds = 1; ; seconds++) {
		sleep(1);
		moved = 0;
		for (cpu = 0; cpu < cpus; cpu++) {
			moved += shared[cpu] != last[cpu];
			last[cpu] = shared[cpu];
		}
		printf("busy: %d: %d of %ld CPUs have worked%s\n", seconds, moved, cpus,
		       shared[63] ? ", BROKEN" : "");
		fflush(stdout);
		if (shared[63])
			return 2;
	}
}
