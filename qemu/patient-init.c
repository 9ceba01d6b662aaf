// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the Linux that crashes in make demo. It logs the secret of its
 * command line and keeps it in its memory, lets two processes work for a
 * moment, and then gives the kernel the order that it dies of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *secret;

/* Off means no crash, which is what the demo takes for a failure */
static void __attribute__((noreturn)) give_up(const char *what)
{
	printf("patient: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd))
		give_up(file);
}

static void read_secret(void)
{
	static char cmdline[4096];
	int fd = open("/proc/cmdline", O_RDONLY);
	char *p;

	if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) <= 0)
		give_up("/proc/cmdline");
	close(fd);
	p = strstr(cmdline, "secret=");
	secret = p ? strdup(strtok(p + 7, " \n")) : NULL;
	if (!secret)
		give_up("no secret=");
}

/* Runs for ever: prime numbers and a file that grows */
static void work(const char *name, const char *file)
{
	unsigned long n, d;
	FILE *f;

	if (fork())
		return;
	prctl(PR_SET_NAME, name);
	f = fopen(file, "w");
	if (!f)
		give_up(file);
	for (n = 2; ; n++) {
		for (d = 2; d * d <= n && n % d; d++)
			;
		if (d * d > n && ftell(f) < 1 << 20)
			fprintf(f, "%s: %lu is prime\n", name, n);
	}
}

int main(void)
{
	char line[128];
	int fd;

	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	read_secret();
	snprintf(line, sizeof(line), "patient: the secret is %s\n", secret);
	put("/dev/kmsg", line);
	fd = open("/patient-mod.ko", O_RDONLY);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		give_up("patient-mod.ko");
	close(fd);
	put("/proc/ledger", "open alice 1000");
	put("/proc/ledger", "open bob 0");
	work("teller", "/teller.log");
	work("auditor", "/auditor.log");
	put("/proc/ledger", "pay alice bob 100");
	sleep(1);
	put("/dev/kmsg", "patient: alice pays carol, who has no account\n");
	put("/proc/ledger", "pay alice carol 100");
	give_up("still alive");
}
