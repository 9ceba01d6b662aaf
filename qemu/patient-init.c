// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the Linux that crashes in make demo. It logs the secret of its ramdisk,
 * where its console does not show it, lets two processes work, and then gives the
 * kernel the order that it dies of; with "orders" on the command line it takes
 * orders from its console instead, and with "shell" a shell does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>
#include "pid1.h"

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

static int read_file(const char *file, char *buf, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		give_up(file);
	close(fd);
	buf[n] = 0;
	return n;
}

/* A process of its own */
static int start(const char *name)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid)
		prctl(PR_SET_NAME, name);
	return !pid;
}

/*
 * In f8 to f11, which are its caller's in each function: so they have it in this process and
 * in those that it forks as long as they run, and in the CPU while the kernel does. The
 * compiler must not know of it, as it would put back what was there.
 */
static void keep_in_registers(const char text[32])
{
	asm volatile("ld	%%f8,0(%0)\n"
		     "	ld	%%f9,8(%0)\n"
		     "	ld	%%f10,16(%0)\n"
		     "	ld	%%f11,24(%0)"
		     : : "a" (text), "m" (*(const char (*)[32])text));
}

/* Payments, for ever */
static void teller(void)
{
	char order[64];
	unsigned int n;

	for (n = 1; ; n++) {
		snprintf(order, sizeof(order), "pay %s %u", n & 1 ? "alice bob" : "bob alice",
			 n % 97 + 1);
		put("/proc/ledger", order);
		usleep(10000);
	}
}

/* Prime numbers, and a file that grows */
static void auditor(void)
{
	FILE *f = fopen("/auditor.log", "w");
	unsigned long n, d;

	if (!f)
		give_up("/auditor.log");
	for (n = 2; ; n++) {
		for (d = 2; d * d <= n && n % d; d++)
			;
		if (d * d > n && ftell(f) < 1 << 20)
			fprintf(f, "auditor: %lu is prime\n", n);
		if (n % 1000 == 0)
			usleep(1000);
	}
}

static void take_orders(void)
{
	struct termios tty;
	char line[100];

	if (tcgetattr(0, &tty))
		give_up("tcgetattr");
	tty.c_lflag &= ~ECHO;
	if (tcsetattr(0, TCSANOW, &tty))
		give_up("tcsetattr");
	puts("patient: ready for orders");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = 0;
		printf("patient: order: %s\n", line);
		fflush(stdout);
		put("/proc/ledger", line);
	}
	give_up("console");
}

int main(void)
{
	char secret[65] = "", line[128], cmdline[4096];
	int fd;

	begin();
	read_file("/proc/cmdline", cmdline, sizeof(cmdline));
	read_file("/secret", secret, sizeof(secret));
	keep_in_registers(secret);
	/* for debugging only, which the console is not */
	snprintf(line, sizeof(line), "<7>patient: the secret is %s\n", secret);
	put("/dev/kmsg", line);
	fd = open("/patient-mod.ko", O_RDONLY);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		give_up("patient-mod.ko");
	close(fd);
	put("/proc/ledger", "open alice 1000");
	put("/proc/ledger", "open bob 1000");
	if (start("teller"))
		teller();
	if (start("auditor"))
		auditor();
	if (strstr(cmdline, "orders"))
		take_orders();
	if (strstr(cmdline, "shell")) {
		/* without line editing, of which a console of lines is not capable */
		execl("/bin/sh", "sh", "-c", "cat | sh -i", (char *)NULL);
		give_up("/bin/sh");
	}
	sleep(1);
	put("/dev/kmsg", "patient: alice pays carol, who has no account\n");
	put("/proc/ledger", "pay alice carol 100");
	give_up("still alive");
}
