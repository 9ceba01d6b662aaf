// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: qmp SCENARIO QEMU ARG...
 * Starts QEMU with its monitor (-qmp stdio) connected to us and does what the
 * lines of the file SCENARIO say, in this order:
 *
 *	# TEXT		print it
 *	{...}		send a command, it must succeed
 *	!TEXT {...}	send a command, it must fail with TEXT in the message; TEXT
 *			is one word
 *	event NAME	wait for the event, one that was not waited for before
 *	poll FILE TEXT	read FILE until it contains TEXT
 *	again FILE TEXT	read FILE until it contains TEXT behind what it contains now
 *	never FILE TEXT	FILE must not contain TEXT
 *	write FILE TEXT	write() TEXT to FILE
 *	save FILE {...}	send a command, it must succeed; its answer goes to FILE
 *	progress	print how far a detached dump is until it is complete
 *	exec COMMAND	run it by /bin/sh, with QEMU_PID; it must succeed
 *	unlink FILE
 *	exit N		wait for QEMU's end, with this status
 *	kill		end it with SIGKILL
 *
 * Anything else that happens ends with a message and status 1. There is no
 * timeout here, whoever starts this has one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 256

static char *events[MAX_EVENTS];
static int line_no, nr_events;
static FILE *from_qemu;
static int to_qemu;
static pid_t qemu;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list ap;

	printf("qmp: line %d: ", line_no);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (qemu > 0)
		kill(qemu, SIGKILL);
	exit(1);
}

static void start_qemu(char **argv)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		fail("socketpair: %s", strerror(errno));
	fflush(NULL);
	qemu = fork();
	if (qemu < 0)
		fail("fork: %s", strerror(errno));
	if (!qemu) {
		if (dup2(sv[1], 0) < 0 || dup2(sv[1], 1) < 0)
			_exit(126);
		execv(argv[0], argv);
		dprintf(2, "qmp: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(sv[1]);
	to_qemu = sv[0];
	from_qemu = fdopen(sv[0], "r");
	if (!from_qemu)
		fail("fdopen: %s", strerror(errno));
}

/* NULL at the end; events are printed and kept */
static char *receive(void)
{
	static char line[65536];
	char *name;

	if (!fgets(line, sizeof(line), from_qemu))
		return NULL;
	line[strcspn(line, "\r\n")] = 0;
	printf("< %.300s\n", line);
	name = strstr(line, "\"event\": \"");
	if (name && nr_events < MAX_EVENTS) {
		name += strlen("\"event\": \"");
		events[nr_events++] = strndup(name, strcspn(name, "\""));
	}
	return line;
}

/* The answer to a command, @what for messages */
static char *answer(const char *what)
{
	char *line;

	do {
		line = receive();
		if (!line)
			fail("QEMU has ended at %s", what);
	} while (!strstr(line, "{\"return\":") && !strstr(line, "{\"error\":"));
	return line;
}

/* Returns the answer */
static char *command(const char *text, const char *error)
{
	struct timespec start, end;
	size_t len = strlen(text);
	char *line;

	printf("> %s\n", text);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (send(to_qemu, text, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    send(to_qemu, "\n", 1, MSG_NOSIGNAL) != 1)
		fail("QEMU does not take %s", text);
	line = answer(text);
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* of the guest's time, which can count instructions: scripts/bench */
	printf("took %lld ns\n", (end.tv_sec - start.tv_sec) * 1000000000LL +
	       end.tv_nsec - start.tv_nsec);
	if (!error && !strncmp(line, "{\"error\"", 8))
		fail("it failed");
	if (error && (strncmp(line, "{\"error\"", 8) || !strstr(line, error)))
		fail("no error with \"%s\"", error);
	return line;
}

static void wait_event(const char *name)
{
	int i;

	for (;;) {
		for (i = 0; i < nr_events; i++) {
			if (!events[i] || strcmp(events[i], name))
				continue;
			events[i] = NULL;
			return;
		}
		if (!receive())
			fail("QEMU has ended, event %s did not come", name);
	}
}

/* Is @text in the file, behind its first @skip bytes? Its length does not matter. */
static bool contains(const char *file, const char *text, off_t skip)
{
	static char buf[65536];
	size_t keep = strlen(text) - 1, len = 0;
	bool found = false;
	struct stat st;
	ssize_t n;
	int fd;

	fd = open(file, O_RDONLY);
	/* newer kernels read a file of 9p as far as they have last been told that it goes */
	if (fd < 0 || fstat(fd, &st) || lseek(fd, skip, SEEK_SET) < 0)
		fail("open %s: %s", file, strerror(errno));
	while (!found && (n = read(fd, buf + len, sizeof(buf) - len)) > 0) {
		len += n;
		found = memmem(buf, len, text, keep + 1);
		if (len > keep) {
			memmove(buf, buf + len - keep, keep);
			len = keep;
		}
	}
	close(fd);
	return found;
}

static void poll_file(const char *file, const char *text, off_t skip)
{
	printf("wait for \"%s\" in %s\n", text, file);
	fflush(stdout);
	while (!contains(file, text, skip)) {
		if (waitpid(qemu, NULL, WNOHANG))
			fail("QEMU has ended, %s does not contain \"%s\"", file, text);
		usleep(20000);
	}
}

static void write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT, 0600);
	ssize_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != len || close(fd))
		fail("write to %s: %s", file, strerror(errno));
}

static long long field(const char *line, const char *name)
{
	const char *p = strstr(line, name);

	return p ? strtoll(p + strlen(name), NULL, 10) : 0;
}

/* Not with command(), which would print each question */
static void show_progress(void)
{
	long long done, total;
	int percent, last = -1;
	char *line;

	for (;;) {
		if (send(to_qemu, "{\"execute\": \"query-dump\"}\n", 26, MSG_NOSIGNAL) != 26)
			fail("QEMU does not take query-dump");
		line = answer("query-dump");
		done = field(line, "\"completed\": ");
		total = field(line, "\"total\": ");
		percent = total ? done * 100 / total : 0;
		if (percent != last)
			printf("dump: %3d %%\n", percent);
		last = percent;
		if (strstr(line, "\"status\": \"completed\""))
			return;
		if (!strstr(line, "\"status\": \"active\""))
			fail("the dump: %s", line);
		usleep(200000);
	}
}

static void run_shell(const char *text)
{
	char pid[32];
	int status;

	printf("$ %s\n", text);
	fflush(stdout);
	snprintf(pid, sizeof(pid), "%d", qemu);
	if (setenv("QEMU_PID", pid, 1))
		fail("setenv: %s", strerror(errno));
	status = system(text);
	if (status)
		fail("it ended with status 0x%x", status);
}

static void wait_exit(int expected)
{
	int status;

	while (receive())
		;
	if (waitpid(qemu, &status, 0) != qemu)
		fail("wait: %s", strerror(errno));
	qemu = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail("QEMU ended with status 0x%x", status);
}

static void kill_qemu(void)
{
	int status;

	if (kill(qemu, SIGKILL) || waitpid(qemu, &status, 0) != qemu)
		fail("kill: %s", strerror(errno));
	qemu = 0;
	if (!WIFSIGNALED(status))
		fail("QEMU ended before, with status 0x%x", status);
}

static void step(char *line)
{
	char *word, *arg;
	struct stat st;

	if (*line == '#') {
		printf("%s\n", line);
		return;
	}
	if (*line == '{') {
		command(line, NULL);
		return;
	}
	word = strsep(&line, " ");
	arg = line ? strsep(&line, " ") : NULL;
	if (*word == '!' && arg) {
		arg[strlen(arg)] = line ? ' ' : 0;
		command(arg, word + 1);
	} else if (!strcmp(word, "event") && arg) {
		wait_event(arg);
	} else if (!strcmp(word, "poll") && line) {
		poll_file(arg, line, 0);
	} else if (!strcmp(word, "again") && line) {
		if (stat(arg, &st))
			fail("stat %s: %s", arg, strerror(errno));
		poll_file(arg, line, st.st_size);
	} else if (!strcmp(word, "never") && line) {
		if (contains(arg, line, 0))
			fail("%s contains \"%s\"", arg, line);
	} else if (!strcmp(word, "write") && line) {
		write_file(arg, line);
	} else if (!strcmp(word, "save") && line) {
		write_file(arg, command(line, NULL));
	} else if (!strcmp(word, "progress")) {
		show_progress();
	} else if (!strcmp(word, "exec") && arg) {
		if (line)
			arg[strlen(arg)] = ' ';
		run_shell(arg);
	} else if (!strcmp(word, "unlink") && arg) {
		if (unlink(arg))
			fail("unlink %s: %s", arg, strerror(errno));
	} else if (!strcmp(word, "exit") && arg) {
		wait_exit(atoi(arg));
	} else if (!strcmp(word, "kill")) {
		kill_qemu();
	} else {
		fail("cannot understand \"%s\"", word);
	}
}

int main(int argc, char **argv)
{
	static char line[4096];
	FILE *scenario;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		fprintf(stderr, "usage: qmp SCENARIO QEMU ARG...\n");
		return 2;
	}
	scenario = fopen(argv[1], "r");
	if (!scenario)
		fail("open %s: %s", argv[1], strerror(errno));
	start_qemu(argv + 2);
	if (!receive())
		fail("QEMU has ended at once");
	command("{\"execute\": \"qmp_capabilities\"}", NULL);
	while (fgets(line, sizeof(line), scenario)) {
		line_no++;
		line[strcspn(line, "\n")] = 0;
		if (*line)
			step(line);
	}
	if (qemu)
		fail("the scenario ends before QEMU");
	return 0;
}
