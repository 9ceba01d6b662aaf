// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of a Linux that has kdump, and of its crash kernel, which is the same kernel with
 * the same program in its ramdisk. The first one logs its secret, loads the crash kernel,
 * lets the ledger (patient-mod.c) work for a while and gives it the order that the kernel
 * dies of. The second one ("crashed" on its command line) looks for what the first one has
 * left in /proc/vmcore, says what it finds, and works on.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pid1.h"

/* In the memory of the crash kernel, the kernel is at 0 */
#define INITRD_AT	(8UL << 20)
#define BEGIN_AT	(16UL << 20)

/* Off means no crash, and no dump: the test fails */
static void __attribute__((noreturn)) give_up(const char *what)
{
	printf("kdump: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static int open_file(const char *file, int flags)
{
	int fd = open(file, flags);

	if (fd < 0)
		give_up(file);
	return fd;
}

static void put(const char *file, const char *text)
{
	int fd = open_file(file, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0 || close(fd))
		give_up(file);
}

static char *read_file(const char *file, size_t *size)
{
	int fd = open_file(file, O_RDONLY);
	struct stat st;
	char *buf;

	if (fstat(fd, &st))
		give_up(file);
	*size = st.st_size;
	buf = malloc(*size);
	if (!buf || read(fd, buf, *size) != (ssize_t)*size)
		give_up(file);
	close(fd);
	return buf;
}

/* Where memory is reserved for it */
static uint64_t crash_memory(uint64_t *size)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long first, last;
	char line[100];

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "Crash kernel") && sscanf(line, "%lx-%lx", &first, &last) == 2) {
			fclose(f);
			*size = last - first + 1;
			return first;
		}
	}
	give_up("/proc/iomem");
}

/*
 * Not with kexec_file_load(): Linux 5.10 does not know R_390_PLT32DBL, which newer
 * compilers make. What is loaded is called once to ask whether all is well, and then, with
 * 1 in %r2, to begin. The kernel exchanges the first part of memory and its own by itself.
 */
static void load_crash_kernel(void)
{
	static const char cmdline[] = "console=ttyS0 swiotlb=64 nr_cpus=1 crashed";
	static uint16_t begin[] = {
		0xb902, 0x0022,			/* ltgr %r2,%r2 */
		0x078e,				/* bzr %r14 */
		0xc01f, 0, 0,			/* llilf %r1,... */
		0x07f1,				/* br %r1 */
	};
	struct kexec_segment seg[3] = { };
	uint64_t *parm, base, size;

	base = crash_memory(&size);
	seg[0].buf = read_file("/linux", &seg[0].bufsz);
	seg[1].buf = read_file("/crash-initrd", &seg[1].bufsz);
	seg[2].buf = begin;
	seg[2].bufsz = sizeof(begin);
	if (seg[0].bufsz > INITRD_AT || INITRD_AT + seg[1].bufsz > BEGIN_AT || BEGIN_AT >= size) {
		errno = EFBIG;
		give_up("/linux");
	}
	seg[0].mem = (void *)base;
	seg[1].mem = (void *)(base + INITRD_AT);
	seg[2].mem = (void *)(base + BEGIN_AT);
	begin[4] = (base + 0x10010) >> 16;
	begin[5] = base + 0x10010;
	/* struct parmarea */
	parm = (uint64_t *)((char *)seg[0].buf + 0x10400);
	parm[1] = INITRD_AT;
	parm[2] = seg[1].bufsz;
	parm[3] = base;
	parm[4] = size;
	strcpy((char *)seg[0].buf + 0x10480, cmdline);
	for (int i = 0; i < 3; i++)
		seg[i].memsz = (seg[i].bufsz + 4095) & ~4095UL;
	if (syscall(SYS_kexec_load, seg[2].mem, 3, seg, KEXEC_ON_CRASH | KEXEC_ARCH_S390))
		give_up("kexec_load");
	puts("kdump: the crash kernel is loaded");
	fflush(stdout);
}

/* Payments until some pages of the journal are sealed, then one that nobody gets */
static void __attribute__((noreturn)) live_and_die(void)
{
	char order[64];
	int n;

	put("/proc/ledger", "open alice 1000");
	put("/proc/ledger", "open bob 1000");
	for (n = 0; n < 1000; n++) {
		snprintf(order, sizeof(order), "pay %s %u", n & 1 ? "alice bob" : "bob alice",
			 n % 97 + 1);
		put("/proc/ledger", order);
	}
	/* kdump does not wait for the console, so that it is given some time */
	sleep(1);
	put("/proc/ledger", "pay alice carol 100");
	give_up("still alive");
}

static void read_at(int fd, void *buf, size_t size, off_t at)
{
	if (pread(fd, buf, size, at) != (ssize_t)size)
		give_up("/proc/vmcore");
}

/* CPUs whose registers are in the notes */
static int count_cpus(int fd, const Elf64_Phdr *ph)
{
	char *notes = malloc(ph->p_filesz);
	const Elf64_Nhdr *note;
	size_t at;
	int n = 0;

	if (!notes)
		give_up("malloc");
	read_at(fd, notes, ph->p_filesz, ph->p_offset);
	for (at = 0; at + sizeof(*note) <= ph->p_filesz; ) {
		note = (const Elf64_Nhdr *)(notes + at);
		n += note->n_type == NT_PRSTATUS;
		at += sizeof(*note) + (note->n_namesz + 3) / 4 * 4 + (note->n_descsz + 3) / 4 * 4;
	}
	free(notes);
	return n;
}

/* What the first kernel has logged, wherever that is in its memory */
static char seal[100], panicked[100];
static long last_seal = -1;

static void look_at(const char *mem, size_t size)
{
	const char *end = mem + size, *p;
	char panic_text[60];
	unsigned int len;
	long n;
	char *q;

	for (p = mem; (p = memmem(p, end - p, "seal ", 5)); p++) {
		/* a number, and 64 digits */
		len = strnlen(p, end - p < 90 ? end - p : 90);
		if (len < 5 + 2 + 64)
			continue;
		n = strtol(p + 5, &q, 10);
		if (q == p + 5 || *q != ' ' || strspn(q + 1, "0123456789abcdef") < 64)
			continue;
		if (n > last_seal) {
			last_seal = n;
			snprintf(seal, sizeof(seal), "%.*s", (int)(q + 65 - p), p);
		}
	}
	/* nobody but the log has both in one piece: this program was there, too */
	sprintf(panic_text, "%s: %s", "Kernel panic - not syncing", "Fatal exception");
	p = memmem(mem, size, panic_text, strlen(panic_text));
	if (p)
		snprintf(panicked, sizeof(panicked), "%.58s", p);
}

/* The crash kernel: is all of the first kernel there? */
static void find_what_died(void)
{
	int fd = open_file("/proc/vmcore", O_RDONLY), cpus = 0, i;
	const size_t chunk = 1 << 20, more = 4096;
	char *buf = calloc(chunk + more + 100, 1);	/* a text has an end */
	unsigned long total = 0;
	Elf64_Phdr ph[16];
	Elf64_Ehdr eh;
	off_t at;

	read_at(fd, &eh, sizeof(eh), 0);
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_type != ET_CORE ||
	    eh.e_machine != EM_S390 || eh.e_phnum > 16 || !buf) {
		errno = ENOEXEC;
		give_up("/proc/vmcore");
	}
	read_at(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff);
	for (i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type == PT_NOTE)
			cpus += count_cpus(fd, &ph[i]);
		if (ph[i].p_type != PT_LOAD)
			continue;
		for (at = 0; at < (off_t)ph[i].p_filesz; at += chunk) {
			size_t left = ph[i].p_filesz - at;
			size_t size = left < chunk + more ? left : chunk + more;

			read_at(fd, buf, size, ph[i].p_offset + at);
			look_at(buf, size);
			total += left < chunk ? left : chunk;
		}
	}
	printf("vmcore: core of %d CPUs, %lu MiB\n", cpus, total >> 20);
	printf("vmcore: %s\n", panicked);
	printf("vmcore: %s\n", seal);
}

int main(void)
{
	char secret[65] = "", line[128], cmdline[4096] = "";
	int fd, seconds;

	begin();
	if (read(open_file("/proc/cmdline", O_RDONLY), cmdline, sizeof(cmdline) - 1) < 0)
		give_up("/proc/cmdline");
	if (strstr(cmdline, " crashed")) {
		puts("kdump: this is the crash kernel");
		find_what_died();
		for (seconds = 1; ; seconds++) {
			printf("kdump: %d seconds\n", seconds);
			fflush(stdout);
			sleep(1);
		}
	}
	if (read(open_file("/secret", O_RDONLY), secret, sizeof(secret) - 1) < 0)
		give_up("/secret");
	/* for debugging only, which the console is not */
	snprintf(line, sizeof(line), "<7>patient: the secret is %s\n", secret);
	put("/dev/kmsg", line);
	fd = open_file("/patient-mod.ko", O_RDONLY);
	if (syscall(SYS_finit_module, fd, "", 0))
		give_up("patient-mod.ko");
	close(fd);
	load_crash_kernel();
	live_and_die();
}
