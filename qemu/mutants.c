// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the test kernel: which mutants of KVM does the selftest kill? Called by
 * scripts/mutants-by-rule with
 *
 *	mutants SECONDS MODULE LIST LAST PROGRAM...
 *
 * For each number in the file LIST it loads the module with mutant=NUMBER and runs the
 * programs until a test fails. If none does, the program LAST has to skip all of its
 * tests when the simulator is loaded as one without an Ultravisor. Prints a line
 * when a mutant and each program begins, and what became of it:
 *
 *	mutant N begins
 *	mutant N in PROGRAM
 *	mutant N killed PROGRAM TEST SECONDS
 *	mutant N survived - - SECONDS
 *	mutant N slow PROGRAM TEST SECONDS	tests hit their time limit, and no other failed
 *	mutant N stuck PROGRAM TEST		no test ends any more
 *	mutant N unfinished			SECONDS are over
 *
 * 0 is no mutant. Tests may skip if SKIPS in the environment names them. Ends when the
 * list does, SECONDS are over, or this kernel is of no more use: somebody is stuck in it,
 * lockdep has reported something, or the module cannot be unloaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Longer than any test may last: there is no line for so many seconds */
#define STUCK		200
/* To die, and for what it had to go away */
#define GRACE		20
/* Tests at their time limit, each of which takes half a minute, say enough */
#define SLOW_TESTS	2

/* Of a hundred bytes, more than the log of the kernel has room for */
#define LOG_LINES	3000

#define OBJECTS		"/sys/kernel/debug/uvsim/objects"

/* of a program all of whose tests are skipped */
#define KSFT_SKIP	4

enum outcome { PASSED, KILLED, SLOW, STUCK_IN_IT };

static double end_of_time;
static char failed[200], running[200];
static int slow;
static bool timed_out;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool load(const char *module, const char *param)
{
	int fd, ret;

	fd = open(module, O_RDONLY);
	if (fd < 0)
		return false;
	ret = syscall(SYS_finit_module, fd, param, 0);
	close(fd);
	return !ret;
}

static bool unload(const char *name)
{
	double end = now() + GRACE;

	while (syscall(SYS_delete_module, name, O_NONBLOCK)) {
		if (now() > end)
			return false;
		usleep(20000);
	}
	return true;
}

/*
 * What KVM logs once it logs again when it is loaded anew, and tests count the lines:
 * so many others that the older ones are gone
 */
static void forget_log(void)
{
	int fd = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY), i;
	bool ok = fd >= 0 && write(fd, "on\n", 3) == 3;
	char line[128];

	close(fd);
	fd = open("/dev/kmsg", O_WRONLY);
	for (i = 0; i < LOG_LINES && ok; i++) {
		int len = snprintf(line, sizeof(line), "<7>%0100d\n", i);

		ok = write(fd, line, len) == len;
	}
	close(fd);
	if (!ok)
		printf("cannot write to the log: %s\n", strerror(errno));
}

static bool no_objects(void)
{
	double end = now() + GRACE;
	char buf[4096];

	for (;;) {
		int fd = open(OBJECTS, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

		if (fd >= 0)
			close(fd);
		if (n > 0) {
			buf[n] = 0;
			if (strstr(buf, "configs 0"))
				return true;
		}
		if (now() > end)
			return false;
		usleep(20000);
	}
}

static bool may_skip(const char *test)
{
	const char *list = getenv("SKIPS"), *p = list;
	size_t len = strlen(test);

	while (p && (p = strstr(p, test))) {
		if ((p == list || p[-1] == ' ') && (!p[len] || p[len] == ' '))
			return true;
		p += len;
	}
	return false;
}

/* Not to PID 1, which waits for all that is left, and some of it may never end */
static void give_up(const char *why)
{
	printf("%s\n", why);
	fflush(stdout);
	/* the pipe to the console has to be emptied */
	sleep(1);
	reboot(RB_POWER_OFF);
}

/* A line of a program. True if it says that a test failed, and not by its time limit. */
static bool look_at(char *line)
{
	char *p = strstr(line, "RUN ");

	if (line[0] == '#' && p) {
		if (sscanf(p + 4, "%199s", running) != 1)
			running[0] = 0;
		timed_out = false;
	}
	if (strstr(line, "terminated by timeout"))
		timed_out = true;
	/* what cannot be tested any more is red, too */
	if (strstr(line, "# SKIP") && !may_skip(running)) {
		snprintf(failed, sizeof(failed), "%s", running);
		return true;
	}
	if (strncmp(line, "not ok ", 7) || sscanf(line, "not ok %*d %199s", failed) != 1)
		return false;
	if (!timed_out)
		return true;
	slow++;
	return false;
}

/* It watches until it has something to report. */
static bool lockdep_reported(void)
{
	FILE *f = fopen("/proc/lockdep_stats", "r");
	bool reported = false;
	char line[200];
	int n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " debug_locks: %d", &n) == 1)
			reported = !n;
	if (f)
		fclose(f);
	return reported;
}

static enum outcome run(const char *program, int want)
{
	enum outcome outcome = PASSED;
	bool open_end = true;
	char buf[4096], line[1024];
	double last = now();
	size_t len = 0;
	int fds[2], status = 0;
	pid_t pid;

	slow = 0;
	snprintf(running, sizeof(running), "-");
	if (pipe2(fds, O_CLOEXEC))
		return STUCK_IN_IT;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execl(program, program, NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	close(fds[1]);
	while (open_end && outcome == PASSED) {
		struct pollfd pfd = { .fd = fds[0], .events = POLLIN };
		ssize_t n, i;

		if (poll(&pfd, 1, 1000) <= 0) {
			/* what lockdep has seen may never end */
			if (now() > last + STUCK || lockdep_reported())
				outcome = STUCK_IN_IT;
			continue;
		}
		n = read(fds[0], buf, sizeof(buf));
		open_end = n > 0;
		for (i = 0; i < n && outcome == PASSED; i++) {
			if (buf[i] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = buf[i];
				continue;
			}
			line[len] = 0;
			len = 0;
			last = now();
			if (look_at(line) && want != KSFT_SKIP)
				outcome = KILLED;
			else if (slow >= SLOW_TESTS)
				outcome = SLOW;
		}
	}
	close(fds[0]);
	/* whatever it started is in its group; tests that are groups of their own end with it */
	if (outcome != PASSED)
		kill(-pid, SIGKILL);
	for (last = now(); waitpid(pid, &status, WNOHANG) != pid; usleep(10000)) {
		if (now() > last + GRACE)
			return STUCK_IN_IT;
	}
	if (outcome == PASSED && slow)
		return SLOW;
	if (outcome == PASSED && (!WIFEXITED(status) || WEXITSTATUS(status) != want)) {
		snprintf(failed, sizeof(failed), "exit-status");
		return KILLED;
	}
	return outcome;
}

/* The simulator stays as long as there is KVM */
static void load_both(const char *uvsim_param, const char *module, const char *param)
{
	if (!no_objects() || !unload("kvm") || !unload("uvsim"))
		give_up("cannot unload the simulator");
	if (!load("/uvsim.ko", uvsim_param) || !load(module, param))
		give_up("cannot load the simulator");
}

/* Where there is no Ultravisor */
static enum outcome run_without_uv(const char *program, const char *module, const char *param)
{
	enum outcome outcome;

	load_both("uv=0", module, param);
	outcome = run(program, KSFT_SKIP);
	load_both("", module, param);
	return outcome;
}

/* What mutant @n does to the @programs, NULL behind the last of them */
static void try(int n, const char *module, const char *last, char **programs)
{
	char param[32], slow_test[sizeof(failed)];
	const char *slow_in = NULL, *name = NULL;
	enum outcome outcome = PASSED;
	double start = now();

	printf("mutant %d begins\n", n);
	forget_log();
	snprintf(param, sizeof(param), "mutant=%d", n);
	if (!load(module, param))
		give_up("cannot load the module");
	for (; *programs; programs++) {
		if (now() > end_of_time) {
			printf("mutant %d unfinished\n", n);
			give_up("the time is over");
		}
		name = strrchr(*programs, '/') + 1;
		printf("mutant %d in %s\n", n, name);
		outcome = run(*programs, 0);
		/* races are other ones each time: what was red by chance is not red twice */
		if (outcome == KILLED && !strcmp(name, "race_test") && no_objects())
			outcome = run(*programs, 0);
		/* the next one could not even begin */
		if (outcome == SLOW && !no_objects())
			outcome = STUCK_IN_IT;
		if (lockdep_reported()) {
			printf("mutant %d killed %s lockdep %.1f\n", n, name, now() - start);
			give_up("no lock is watched any more");
		}
		if (outcome == KILLED || outcome == STUCK_IN_IT)
			break;
		if (outcome == SLOW && !slow_in) {
			slow_in = name;
			strcpy(slow_test, failed);
		}
	}
	if (!*programs && !slow_in) {
		name = "without-uv";
		printf("mutant %d in %s\n", n, name);
		outcome = run_without_uv(last, module, param);
	}
	if (outcome == STUCK_IN_IT) {
		printf("mutant %d stuck %s %s\n", n, name, running);
		give_up("somebody is stuck");
	}
	if (outcome == KILLED)
		printf("mutant %d killed %s %s %.1f\n", n, name, failed, now() - start);
	else if (!no_objects())
		printf("mutant %d killed %s objects-left %.1f\n", n, name, now() - start);
	else if (slow_in)
		printf("mutant %d slow %s %s %.1f\n", n, slow_in, slow_test, now() - start);
	else
		printf("mutant %d survived - - %.1f\n", n, now() - start);
	if (!no_objects() || !unload("kvm"))
		give_up("this kernel is of no more use");
}

int main(int argc, char **argv)
{
	FILE *list;
	int n;

	list = argc < 6 ? NULL : fopen(argv[3], "r");
	if (!list) {
		fprintf(stderr, "mutants: no list\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	end_of_time = now() + atoi(argv[1]);
	while (now() < end_of_time && fscanf(list, "%d", &n) == 1)
		try(n, argv[2], argv[4], argv + 5);
	printf("end of the list or of the time\n");
	return 0;
}
