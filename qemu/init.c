// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the test kernel: runs what /etc/steps lists and reports one KTAP
 * stream. The last line, "uvsim-run: done ...", states the facts that
 * qemu/run judges; whatever goes wrong before that ends without this line.
 *
 * A line of /etc/steps is split at blanks, "..." keeps words together:
 *
 *	tmpfs DIR OPTIONS	mount
 *	share DIR		mount the host's directory (qemu/run -d)
 *	bind FROM TO		FROM appears under the name TO
 *	insmod FILE [PARAM...]	rmmod NAME
 *	write FILE TEXT		copy FROM TO
 *	swap DEVICE		make all of it swap space
 *	test NAME [KEY=VALUE...] -- COMMAND [ARG...]
 *	tap NAME [KEY=VALUE...] -- COMMAND [ARG...]
 *	loop NAME N		the steps up to "end", N times; all are one test, which
 *				fails as well if each time takes memory for good
 *
 * Only these three are tests, any other step must succeed. The command of a
 * tap step prints TAP with a plan of its own and may skip with status 4. The
 * commands "cat FILE" and "insmod FILE [PARAM...]" are built in.
 *
 *	status=N	expected exit status, default 0; 128 + number for a signal;
 *			"tap": 1 if a result was "not ok", as qemu/run judges those
 *	env=NAME=VALUE	in the environment of the command, up to four times
 *	timeout=SEC	default 60
 *	want=TEXT	must occur in the output
 *	not=TEXT	must not occur
 *	int=TEXT	send SIGINT when this has been printed
 *	until=TEXT	must be printed; ends the command, its status does not count
 *	empty=DIR	directory that must be empty afterwards
 *
 * As /bin/sh this program has two commands, for pvdump --exec: "swap-out LENGTH"
 * moves so much of the guest's memory to swap, "rmmod NAME" unloads a module.
 *
 * It is longer than other files here, as the steps share what was counted so far and
 * whether a loop is under way; each step is a function that can be read alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS 64
#define DEBUGFS "/sys/kernel/debug/"
#define KILL_GRACE_MS 10000
#define MAX_ENV 4
/* of a loop, before memory is counted */
#define MIN_TIMES 20

static int tests;
/* Inside of a loop tests have no results of their own. */
static bool in_loop, loop_failed;

static void __attribute__((noreturn)) power_off(void)
{
	fflush(NULL);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void __attribute__((noreturn, format(printf, 1, 2))) panic(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! ");
	vprintf(fmt, ap);
	printf(" (errno %d, %s)\n", saved, strerror(saved));
	va_end(ap);
	power_off();
}

static void xmount(const char *src, const char *dir, const char *type, const char *opts)
{
	mkdir(dir, 0755);
	if (mount(src, dir, type, 0, opts))
		panic("mount %s on %s", type, dir);
}

static void bind(const char *from, const char *to)
{
	if (mount(from, to, NULL, MS_BIND, NULL))
		panic("cannot make %s appear as %s", from, to);
}

static void xwrite(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		panic("open %s", path);
	/* uvsim takes one record at a time */
	while (len) {
		n = write(fd, data, len);
		if (n <= 0)
			panic("write to %s, %zu bytes left", path, len);
		data += n;
		len -= n;
	}
	if (close(fd))
		panic("close %s", path);
}

static void xcopy(const char *from, const char *to)
{
	static char buf[1 << 20];
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(from, O_RDONLY);
	if (fd < 0)
		panic("open %s", from);
	while ((n = read(fd, buf + len, sizeof(buf) - len)) > 0)
		len += n;
	if (n < 0 || len == sizeof(buf))
		panic("read %s", from);
	close(fd);
	if (access(to, F_OK)) {
		fd = open(to, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			panic("create %s", to);
		close(fd);
	}
	xwrite(to, buf, len);
}

/* First number of a file, after @key if that is not NULL; -1 if there is none. */
static long number(const char *path, const char *key)
{
	char buf[4096], *p = buf;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = 0;
	if (key) {
		p = strstr(buf, key);
		if (!p)
			return -1;
		p += strlen(key);
	}
	return strtol(p, NULL, 0);
}

/* What mkswap writes */
static void swap_on(const char *device)
{
	static struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char zero[4096 - 1024 - 12 - 10];
		char magic[10];
	} header = { .version = 1, .magic = "SWAPSPACE2" };
	uint64_t size;
	int fd;

	fd = open(device, O_RDWR);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		panic("open %s", device);
	header.last_page = size / sizeof(header) - 1;
	if (write(fd, &header, sizeof(header)) != sizeof(header) || fsync(fd) || close(fd))
		panic("write to %s", device);
	if (swapon(device, 0))
		panic("swapon %s", device);
}

/* The memory of the guest of the pvdump that calls */
static int swap_out(size_t len)
{
	const char *pid = getenv("PVDUMP_PID"), *memory = getenv("PVDUMP_MEMORY");
	unsigned long swapped = 0, kept = 0, i;
	struct iovec range = { .iov_len = len };
	uint64_t entry;
	char path[64];
	cpu_set_t one;
	int pidfd, fd;

	if (!pid || !memory)
		return 127;
	range.iov_base = (void *)strtoul(memory, NULL, 0);
	pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);
	/* each CPU keeps the pages last used there from being reclaimed by others */
	for (i = 0; i < (unsigned long)sysconf(_SC_NPROCESSORS_ONLN); i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (sched_setaffinity(0, sizeof(one), &one) ||
		    syscall(SYS_process_madvise, pidfd, &range, 1UL, MADV_PAGEOUT, 0) < 0) {
			perror("process_madvise");
			return 1;
		}
	}
	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	fd = open(path, O_RDONLY);
	for (i = 0; i < len / 4096; i++) {
		if (pread(fd, &entry, 8, ((uintptr_t)range.iov_base / 4096 + i) * 8) != 8) {
			perror(path);
			return 1;
		}
		swapped += entry >> 62 & 1;
		kept += entry >> 63;
	}
	printf("%lu pages in swap, %lu are not\n", swapped, kept);
	return swapped ? 0 : 1;
}

/* sh -c COMMAND */
static int shell(char *command)
{
	char *arg = strchr(command, ' ');

	if (!arg)
		return 127;
	*arg++ = 0;
	if (!strcmp(command, "swap-out"))
		return swap_out(strtoul(arg, NULL, 0));
	if (strcmp(command, "rmmod"))
		return 127;
	if (!syscall(SYS_delete_module, arg, O_NONBLOCK))
		return 0;
	fprintf(stderr, "rmmod %s: %s\n", arg, strerror(errno));
	return 1;
}

/* false and errno if the kernel does not take it */
static bool try_module(char **word)
{
	char params[512] = "";
	int fd, i, ret, err;

	if (!word[1])
		panic("insmod what?");
	for (i = 2; word[i]; i++) {
		strncat(params, word[i], sizeof(params) - strlen(params) - 2);
		strcat(params, " ");
	}
	fd = open(word[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ret = syscall(SYS_finit_module, fd, params, 0);
	err = errno;
	close(fd);
	errno = err;
	return !ret;
}

static void load_module(char **word)
{
	if (!try_module(word))
		panic("insmod %s", word[1]);
}

static void unload_module(const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK))
		panic("rmmod %s", name);
}

/* What is built in has no such file, what is not there neither */
static bool is_module(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return !access(path, F_OK);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool is_empty(const char *dir)
{
	struct dirent *e;
	bool empty = true;
	DIR *d = opendir(dir);

	if (!d)
		return false;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			printf("# left behind: %s/%s\n", dir, e->d_name);
			empty = false;
		}
	closedir(d);
	return empty;
}

struct test {
	const char *name, *want, *not_wanted, *interrupt, *until, *empty;
	int status;
	int timeout;
	bool tap, status_by_tap;
	char *env[MAX_ENV];
	char **argv;
	/* results */
	int exit_status;
	bool timed_out, wanted, spoilt, interrupted, ended;
};

static void look_for_texts(struct test *t, pid_t pid, const char *line)
{
	if (t->want && strstr(line, t->want))
		t->wanted = true;
	if (t->not_wanted && strstr(line, t->not_wanted))
		t->spoilt = true;
	if (t->status_by_tap && !strncmp(line, "not ok ", 7))
		t->status = 1;
	if (t->interrupt && !t->interrupted && strstr(line, t->interrupt)) {
		t->interrupted = true;
		kill(pid, SIGINT);
	}
	if (t->until && !t->ended && strstr(line, t->until)) {
		t->ended = true;
		kill(-pid, SIGKILL);
	}
}

/*
 * Passes the output on line by line, indented so that it cannot be taken for
 * a result of ours. A carriage return (progress) ends a line as well.
 */
static void feed(struct test *t, pid_t pid, const char *buf, ssize_t n)
{
	static char line[4096];
	static size_t len;
	ssize_t i;

	/* n == 0: flush what has no line end */
	for (i = 0; i < n || (!n && !i && len); i++) {
		bool end = !n || buf[i] == '\n' || buf[i] == '\r';

		if (!end)
			line[len++] = buf[i];
		if (!end && len < sizeof(line) - 1)
			continue;
		line[len] = 0;
		if (len)
			printf(t->tap ? "    %s\n" : "    # %s\n", line);
		look_for_texts(t, pid, line);
		len = 0;
	}
	line[len] = 0;
	look_for_texts(t, pid, line);
	fflush(stdout);
}

static int cat(const char *path)
{
	char buf[4096];
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		if (write(1, buf, n) != n)
			n = -1;
	}
	if (fd >= 0 && !n)
		return 0;
	fprintf(stderr, "init: cat %s: %s\n", path, strerror(errno));
	return 1;
}

static void run_command(struct test *t)
{
	char *env[3 + MAX_ENV + 1] = { "PATH=/bin:/", "HOME=/", "TERM=dumb" };
	long long deadline;
	bool running = true;
	int pipefd[2], status = 0;
	char buf[4096];
	pid_t pid;

	memcpy(env + 3, t->env, sizeof(t->env));
	if (pipe2(pipefd, O_CLOEXEC))
		panic("pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		panic("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		if (null < 0 || dup2(null, 0) < 0 || dup2(pipefd[1], 1) < 0 ||
		    dup2(pipefd[1], 2) < 0)
			_exit(126);
		if (!strcmp(t->argv[0], "cat") && t->argv[1])
			_exit(cat(t->argv[1]));
		if (!strcmp(t->argv[0], "insmod") && t->argv[1]) {
			if (try_module(t->argv))
				_exit(0);
			dprintf(2, "init: insmod %s: %s\n", t->argv[1], strerror(errno));
			_exit(1);
		}
		execve(t->argv[0], t->argv, env);
		dprintf(2, "init: cannot run %s: %s\n", t->argv[0], strerror(errno));
		_exit(127);
	}
	close(pipefd[1]);
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
	deadline = now_ms() + t->timeout * 1000LL;

	for (;;) {
		struct pollfd pfd = { .fd = pipefd[0], .events = POLLIN };
		ssize_t n;

		/* A grandchild may keep the pipe open, so its end says nothing. */
		if (running && waitpid(pid, &status, WNOHANG) == pid)
			running = false;
		poll(&pfd, 1, running ? 20 : 0);
		n = read(pipefd[0], buf, sizeof(buf));
		if (n > 0)
			feed(t, pid, buf, n);
		else if (!running)
			break;
		else if (n == 0)
			poll(NULL, 0, 20);
		if (running && now_ms() > deadline) {
			kill(-pid, t->timed_out ? SIGKILL : SIGINT);
			if (!t->timed_out)
				deadline = now_ms() + KILL_GRACE_MS;
			t->timed_out = true;
		}
	}
	feed(t, pid, NULL, 0);
	close(pipefd[0]);
	/* whatever the command started and left: it is all ours */
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	t->exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Closing the VM's last descriptor may end after the process did. */
static bool objects_left(void)
{
	long n = 0;
	int i;

	for (i = 0; i < 100; i++) {
		n = number(DEBUGFS "uvsim/objects", "configs ");
		if (n <= 0)
			return false;
		usleep(20000);
	}
	printf("# %ld configuration(s) left behind\n", n);
	return true;
}

static void run_test(char **word)
{
	struct test t = { .timeout = 60, .tap = !strcmp(word[0], "tap") };
	const char *why = NULL;
	int i, envs = 0;

	t.name = word[1];
	for (i = 2; t.name && word[i] && strcmp(word[i], "--"); i++) {
		char *value = strchr(word[i], '=');

		if (!value)
			panic("bad option %s of %s", word[i], t.name);
		*value++ = 0;
		if (!strcmp(word[i], "status"))
			t.status = (t.status_by_tap = !strcmp(value, "tap")) ? 0 : atoi(value);
		else if (!strcmp(word[i], "env") && envs < MAX_ENV)
			t.env[envs++] = value;
		else if (!strcmp(word[i], "timeout"))
			t.timeout = atoi(value);
		else if (!strcmp(word[i], "want"))
			t.want = value;
		else if (!strcmp(word[i], "not"))
			t.not_wanted = value;
		else if (!strcmp(word[i], "int"))
			t.interrupt = value;
		else if (!strcmp(word[i], "until"))
			t.until = value;
		else if (!strcmp(word[i], "empty"))
			t.empty = value;
		else
			panic("bad option %s of %s", word[i], t.name);
	}
	if (!t.name || !word[i] || !word[i + 1])
		panic("test without name or command");
	t.argv = word + i + 1;

	if (t.tap)
		printf("    # Subtest: %s\n", t.name);
	run_command(&t);

	if (t.timed_out)
		why = "timeout";
	else if (t.until && !t.ended)
		why = "it never came to the text it was to be ended at";
	else if (!t.until && t.exit_status != t.status && !(t.tap && t.exit_status == 4))
		why = "exit status";
	else if (t.want && !t.wanted)
		why = "expected text is missing";
	else if (t.not_wanted && t.spoilt)
		why = "unwanted text";
	else if (t.interrupt && !t.interrupted)
		why = "nothing to interrupt";
	else if (t.empty && !is_empty(t.empty))
		why = "files left behind";
	else if (objects_left())
		why = "configurations left behind";
	if (why)
		printf("# %s: %s (status %d, expected %d)\n", t.name, why, t.exit_status, t.status);
	if (in_loop) {
		loop_failed |= !!why;
		return;
	}
	printf("%s %d - %s%s\n", why ? "not ok" : "ok", ++tests, t.name,
	       !why && t.tap && t.exit_status == 4 ? " # SKIP" : "");
	fflush(stdout);
}

static int split(char *s, char **word)
{
	int n = 0;

	while (*s) {
		char *out;
		bool quoted = false;

		while (*s == ' ' || *s == '\t')
			s++;
		if (!*s || (*s == '#' && !n))
			break;
		if (n == MAX_WORDS - 1)
			panic("too many words in /etc/steps");
		out = s;
		word[n++] = s;
		for (; *s && (quoted || (*s != ' ' && *s != '\t')); s++) {
			if (*s == '"')
				quoted = !quoted;
			else
				*out++ = *s;
		}
		if (*s)
			s++;
		*out = 0;
	}
	word[n] = NULL;
	return n;
}

static void run_step(char *line)
{
	char *word[MAX_WORDS];
	int n = split(line, word);

	if (!n)
		return;
	if (!strcmp(word[0], "test") || !strcmp(word[0], "tap"))
		run_test(word);
	else if (!strcmp(word[0], "insmod"))
		load_module(word);
	else if (!strcmp(word[0], "rmmod") && n == 2)
		unload_module(word[1]);
	else if (!strcmp(word[0], "write") && n == 3)
		xwrite(word[1], word[2], strlen(word[2]));
	else if (!strcmp(word[0], "copy") && n == 3)
		xcopy(word[1], word[2]);
	else if (!strcmp(word[0], "swap") && n == 2)
		swap_on(word[1]);
	else if (!strcmp(word[0], "bind") && n == 3)
		bind(word[1], word[2]);
	else if (!strcmp(word[0], "tmpfs") && n == 3)
		xmount("tmpfs", word[1], "tmpfs", word[2]);
	else if (!strcmp(word[0], "share") && n == 2)
		xmount("share", word[1], "9p", "trans=virtio,version=9p2000.L,msize=262144");
	else
		panic("bad step: %s", word[0]);
}

#define MAX_CACHES 256

struct memory {
	char cache[MAX_CACHES][32];
	long objects[MAX_CACHES];
	int caches;
	long free_pages;
};

static void count_once(struct memory *m, int slabinfo)
{
	static char text[65536];
	char *line, zone[512];
	size_t len = 0;
	ssize_t n;
	FILE *f;

	memset(m, 0, sizeof(*m));
	if (lseek(slabinfo, 0, SEEK_SET))
		panic("rewind /proc/slabinfo");
	while ((n = read(slabinfo, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = 0;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (m->caches < MAX_CACHES && *line != '#' &&
		    sscanf(line, "%31s %ld", m->cache[m->caches], &m->objects[m->caches]) == 2)
			m->caches++;
	}
	f = fopen("/proc/zoneinfo", "r");
	if (!f || n < 0 || len == sizeof(text) - 1 || !m->caches || m->caches == MAX_CACHES)
		panic("read /proc/slabinfo or /proc/zoneinfo");
	while (fgets(zone, sizeof(zone), f)) {
		long pages;

		if (sscanf(zone, " nr_free_pages %ld", &pages) == 1 ||
		    sscanf(zone, " count: %ld", &pages) == 1)
			m->free_pages += pages;
	}
	fclose(f);
}

/*
 * Objects of each slab cache, and free pages, without those that a CPU keeps at
 * hand. kmemleak cannot do this: it takes every word of memory for an address,
 * and the addresses of s390x are numbers that counters and lengths have as well.
 *
 * The kernel takes all objects of a slab that a CPU has at hand for used ones.
 * So no file is opened or closed between shrinking and reading, which would put
 * slabs of files back there, and of several counts the lowest is taken: they err
 * in this direction only, and what has leaked is in all of them.
 */
static void count_memory(struct memory *m)
{
	static int shrink[2 * MAX_CACHES];
	static char one[2048];
	int slabinfo, i, j, round, n = 0;
	static struct memory next;
	struct dirent *e;
	char path[300];
	DIR *d;

	d = opendir("/sys/kernel/slab");
	slabinfo = open("/proc/slabinfo", O_RDONLY);
	if (!d || slabinfo < 0)
		panic("open /sys/kernel/slab or /proc/slabinfo");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", e->d_name);
		if (n == 2 * MAX_CACHES || (shrink[n++] = open(path, O_WRONLY)) < 0)
			panic("open %s", path);
	}
	closedir(d);
	/* long, as the kernel's copy is of a slab, too: of one with few objects */
	one[0] = '1';
	for (round = 0; round < 3; round++) {
		/* what RCU and work queues free; not less than their grace periods */
		sleep(1);
		for (i = 0; i < n; i++)
			if (write(shrink[i], one, sizeof(one)) != sizeof(one))
				panic("shrink a slab cache");
		count_once(round ? &next : m, slabinfo);
		if (!round)
			continue;
		if (next.free_pages > m->free_pages)
			m->free_pages = next.free_pages;
		for (i = 0; i < m->caches; i++)
			for (j = 0; j < next.caches; j++)
				if (!strcmp(m->cache[i], next.cache[j]) &&
				    next.objects[j] < m->objects[i])
					m->objects[i] = next.objects[j];
	}
	for (i = 0; i < n; i++)
		close(shrink[i]);
	close(slabinfo);
}

/* Have most of @times taken something that was not given back? */
static bool memory_grew(const struct memory *before, const struct memory *after, int times)
{
	long free_pages = after->free_pages - before->free_pages;
	long limit = times - times / 3;
	bool grew = -free_pages >= limit;
	int i, j;

	for (i = 0; i < after->caches; i++) {
		long n = after->objects[i];

		for (j = 0; j < before->caches; j++)
			if (!strcmp(before->cache[j], after->cache[i]))
				n -= before->objects[j];
		if (n)
			printf("# %s: %+ld objects\n", after->cache[i], n);
		grew |= n >= limit;
	}
	printf("# free: %+ld pages in %d times\n", free_pages, times);
	if (grew)
		puts("# memory was not given back");
	return grew;
}

static void run_steps(char *steps, char *end);

/* "loop NAME N": the body starts at @body. Returns what is behind its "end". */
static char *run_loop(char *line, char *body)
{
	static struct memory before, after;
	char *word[MAX_WORDS], *end, *copy;
	int i, first = 0;

	if (split(line, word) != 3 || in_loop)
		panic("loop needs a name and a number, and cannot be nested");
	end = body ? strstr(body, "\nend") : NULL;
	if (!end)
		panic("loop %s has no end", word[1]);
	in_loop = true;
	loop_failed = false;
	for (i = 0; i < atoi(word[2]) && !loop_failed; i++) {
		copy = strndup(body, end - body);
		if (!copy)
			panic("no memory");
		run_steps(copy, copy + (end - body));
		free(copy);
		/*
		 * What is set up once, or comes and goes, must not count. Not with
		 * lockdep: it reports how 5.10 itself shrinks a cache through sysfs.
		 */
		if (i + 1 == atoi(word[2]) / 4 && i + 1 >= MIN_TIMES &&
		    access("/proc/lockdep_stats", F_OK)) {
			first = i + 1;
			count_memory(&before);
		}
	}
	in_loop = false;
	if (first && !loop_failed) {
		count_memory(&after);
		loop_failed = memory_grew(&before, &after, i - first);
	}
	printf("# %s: %d times of %s\n", word[1], i, word[2]);
	printf("%s %d - %s\n", loop_failed || !i ? "not ok" : "ok", ++tests, word[1]);
	fflush(stdout);
	end = strchr(end + 1, '\n');
	return end ? end + 1 : NULL;
}

/* Destroys the text */
static void run_steps(char *steps, char *end)
{
	char *line, *next;

	for (line = steps; line && line < end; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!strncmp(line, "loop ", 5))
			next = run_loop(line, next);
		else
			run_step(line);
	}
}

/* Warnings and worse; the console was kept free of them. Returns lines lost. */
static long print_kernel_log(void)
{
	long long next = 0, seq, lost = 0;
	char buf[8192], *text, *end;
	int prio, fd;
	ssize_t n;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		panic("open /dev/kmsg");
	for (;;) {
		n = read(fd, buf, sizeof(buf) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			panic("read /dev/kmsg");
		buf[n] = 0;
		if (sscanf(buf, "%d,%lld", &prio, &seq) != 2)
			panic("/dev/kmsg format");
		lost += seq - next;
		next = seq + 1;
		text = strchr(buf, ';');
		if (!text || (prio & 7) > 4)
			continue;
		end = strchr(text, '\n');
		if (end)
			*end = 0;
		printf("# kernel <%d> %s\n", prio & 7, text + 1);
	}
	close(fd);
	return lost;
}

/* -1 if this kernel does not look for them */
static long memory_leaks(void)
{
	const char *path = DEBUGFS "kmemleak";
	char buf[8192];
	long leaks = 0;
	ssize_t n;
	int fd;

	if (access(path, F_OK))
		return -1;
	xwrite(path, "scan", 4);
	sleep(6);	/* kmemleak does not report objects younger than 5 s */
	xwrite(path, "scan", 4);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		panic("open %s", path);
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = 0;
		leaks++;
		printf("# kmemleak: %s\n", buf);
	}
	close(fd);
	return leaks;
}

int main(int argc, char **argv)
{
	long violations, configs, cpus, pages, leaks, lost;
	static char steps[65536];
	bool counts = true;
	char *line;
	ssize_t n;
	int fd, plan = 0;

	if (getpid() != 1 && argc == 3 && !strcmp(argv[1], "-c"))
		return shell(argv[2]);
	if (getpid() != 1) {
		fprintf(stderr, "init: not PID 1\n");
		return 1;
	}
	xmount("devtmpfs", "/dev", "devtmpfs", NULL);
	fd = open("/dev/console", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		power_off();
	if (fd > 2)
		close(fd);
	setvbuf(stdout, NULL, _IOFBF, 65536);
	printf("\nKTAP version 1\n");
	fflush(stdout);

	xmount("proc", "/proc", "proc", NULL);
	xmount("sysfs", "/sys", "sysfs", NULL);
	xmount("debugfs", "/sys/kernel/debug", "debugfs", NULL);
	/* newer kernels do not mount it below debugfs by themselves */
	if (!access("/sys/kernel/tracing", F_OK))
		xmount("tracefs", "/sys/kernel/tracing", "tracefs", NULL);
	xmount("tmpfs", "/tmp", "tmpfs", NULL);
	/* Only emergencies may get between our lines; the rest is printed below. */
	if (klogctl(8, NULL, 1))
		panic("console log level");
	xwrite("/proc/sys/kernel/panic_on_oops", "1", 1);
	if (number("/proc/sys/kernel/panic_on_warn", NULL) != 1)
		panic("panic_on_warn is not set");
	/* VMs need page tables with PGSTEs, from the exec of the test on */
	if (!access("/proc/sys/vm/allocate_pgste", F_OK))
		xwrite("/proc/sys/vm/allocate_pgste", "1", 1);
	/* the test decrypts with the kernel's algorithms */
	if (!access("/proc/sys/crypto/af_alg_restrict", F_OK))
		xwrite("/proc/sys/crypto/af_alg_restrict", "0", 1);
	/*
	 * 7.x sets a timer at each switch to another task. Here that is a way through QEMU's
	 * main loop with locks held, a sixth of the time of a host with busy guests.
	 */
	if (!access(DEBUGFS "sched/features", F_OK))
		xwrite(DEBUGFS "sched/features", "NO_HRTICK", 9);
	if (!access(DEBUGFS "kmemleak", F_OK))
		xwrite(DEBUGFS "kmemleak", "clear", 5);

	fd = open("/etc/steps", O_RDONLY);
	if (fd < 0)
		panic("open /etc/steps");
	n = read(fd, steps, sizeof(steps) - 1);
	if (n <= 0 || n == sizeof(steps) - 1)
		panic("read /etc/steps");
	close(fd);
	for (line = steps; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		plan += counts && (!strncmp(line, "test ", 5) || !strncmp(line, "tap ", 4) ||
				   !strncmp(line, "loop ", 5));
		if (!strncmp(line, "loop ", 5))
			counts = false;
		else if (!strncmp(line, "end", 3))
			counts = true;
	}
	printf("1..%d\n", plan);

	run_steps(steps, steps + n);

	violations = number(DEBUGFS "uvsim/violations", NULL);
	configs = number(DEBUGFS "uvsim/objects", "configs ");
	cpus = number(DEBUGFS "uvsim/objects", "cpus ");
	pages = number(DEBUGFS "uvsim/objects", "pages ");
	if (violations) {
		char buf[4096];

		fd = open(DEBUGFS "uvsim/violations", O_RDONLY);
		while (fd >= 0 && (n = read(fd, buf, sizeof(buf) - 1)) > 0) {
			buf[n] = 0;
			printf("# violations: %s\n", buf);
		}
		close(fd);
	}
	if (is_module("kvm"))
		unload_module("kvm");
	if (is_module("uvsim"))
		unload_module("uvsim");
	leaks = memory_leaks();
	lost = print_kernel_log();
	printf("uvsim-run: done violations=%ld configs=%ld cpus=%ld pages=%ld ",
	       violations, configs, cpus, pages);
	/* lockdep: 1 it watched, 0 it gave up after a report, -1 there is none */
	printf("leaks=%ld lockdep=%ld lost=%ld taint=%ld\n", leaks,
	       number("/proc/lockdep_stats", "debug_locks:"), lost,
	       number("/proc/sys/kernel/tainted", NULL));
	power_off();
}
