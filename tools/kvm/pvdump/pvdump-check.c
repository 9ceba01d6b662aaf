// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of pvdump on any machine: its main() in a child process, on a KVM that is
 * behind ioctl() and open() of this program, with fakeuv.c's Ultravisor. What only
 * a real process shows (nohup, kill -9, pipes of a shell) is tested in the guest.
 *
 * pvdump-check IMAGE: a Secure Execution image that allows dumps, below 15 MiB
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kvm.h>
#include <regex.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "dumptest.h"
#include "pvkvm.h"

#define FAKE_KVM	900
#define NOTHING_YET	100		/* no KVM_PV_* command */
#define MIBS		16		/* of memory: -m */
#define CPUS		"3"		/* FAKE_CPUS */
#define NOT_IN_ORDER	99		/* KVM was asked for nonsense, or the dump goes on */
#define WRONG_DUMP	98

/* --- KVM ----------------------------------------------------------------------- */

/* What it is to do, and what has happened; a child has a copy of its own */
static struct {
	int open_err;			/* of /dev/kvm */
	bool no_protected, no_dumps;	/* capabilities */
	int create_err, slot_err, vcpu_err, load_err;
	uint32_t fails;			/* this KVM_PV_* command, with ... */
	uint16_t rc;
	int mmap_err;			/* of the guest's memory */
	unsigned int unpack_signal;	/* raised by the first UNPACK */
	uint64_t hurry;			/* each look at the clock is so many seconds later */
	bool cannot_spawn;

	uint8_t *slot;
	uint32_t last;			/* KVM_PV_* command */
	bool loaded;
} kvm;

static int other_command(struct pvkvm_cmd *cmd)
{
	/* what may come before each of them */
	static const uint32_t before[] = {
		[KVM_PV_ENABLE] = NOTHING_YET, [KVM_PV_SET_SEC_PARMS] = KVM_PV_ENABLE,
		[KVM_PV_UNPACK] = KVM_PV_SET_SEC_PARMS, [KVM_PV_VERIFY] = KVM_PV_UNPACK,
	};

	if (cmd->cmd >= ARRAY_SIZE(before) ||
	    (kvm.last != before[cmd->cmd] && (cmd->cmd != KVM_PV_UNPACK || kvm.last != cmd->cmd)))
		uv.bad++;
	kvm.last = cmd->cmd;
	if (cmd->cmd == KVM_PV_UNPACK && kvm.unpack_signal)
		raise(kvm.unpack_signal);
	if (cmd->cmd == kvm.fails) {
		cmd->rc = kvm.rc;
		cmd->rrc = kvm.rc ? 0x42 : 0;
		errno = EINVAL;
		return -1;
	}
	/* now it is the guest's, and the host sees something else */
	if (cmd->cmd == KVM_PV_VERIFY)
		memcpy(kvm.slot, uv.memory, MIBS * MIB);
	cmd->rc = 1;
	return 0;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

static int other_ioctl(int fd, unsigned long req, void *arg)
{
	struct kvm_userspace_memory_region *slot = arg;

	switch (req) {
	case KVM_CHECK_EXTENSION:
		return (unsigned long)arg == KVM_CAP_S390_PROTECTED ? !kvm.no_protected :
		       (unsigned long)arg == 217 && !kvm.no_dumps;
	case KVM_CREATE_VM:
		kvm.last = NOTHING_YET;
		return kvm.create_err ? fail(kvm.create_err) : FAKE_VM;
	case KVM_SET_USER_MEMORY_REGION:
		if (kvm.slot_err)
			return fail(kvm.slot_err);
		kvm.slot = (uint8_t *)(uintptr_t)slot->userspace_addr;
		uv.bad += slot->guest_phys_addr || slot->memory_size != MIBS * MIB;
		return 0;
	case KVM_CREATE_VCPU:
		return kvm.vcpu_err ? fail(kvm.vcpu_err) : FAKE_VCPU + (int)(unsigned long)arg;
	case KVM_SET_MP_STATE:
		uv.bad += fd != FAKE_VCPU || kvm.last != KVM_PV_VERIFY;
		kvm.loaded = true;
		return kvm.load_err ? fail(kvm.load_err) : 0;
	case PVKVM_VM_COMMAND:
		return other_command(arg);
	}
	uv.bad++;
	return fail(ENOTTY);
}

typeof(open) __real_open, __wrap_open;
typeof(mmap) __real_mmap, __wrap_mmap;
typeof(clock_gettime) __real_clock_gettime, __wrap_clock_gettime;
typeof(posix_spawn) __real_posix_spawn, __wrap_posix_spawn;

/* Nothing that pvdump opens with open() is created */
int __wrap_open(const char *name, int flags, ...)
{
	if (strcmp(name, "/dev/kvm"))
		return __real_open(name, flags);
	return kvm.open_err ? fail(kvm.open_err) : FAKE_KVM;
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!kvm.mmap_err)
		return __real_mmap(at, len, prot, flags, fd, offset);
	fail(kvm.mmap_err);
	return MAP_FAILED;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	static uint64_t later;
	int ret = __real_clock_gettime(clock, t);

	later += kvm.hurry;
	t->tv_sec += later;
	return ret;
}

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return kvm.cannot_spawn ? EAGAIN :
	       __real_posix_spawn(pid, path, actions, attr, argv, envp);
}

/* --- pvdump in a child --------------------------------------------------------- */

static const char *image;
static char out[256];			/* where the dump goes */
static char said[64 * 1024];		/* what came from it */
static void (*in_child)(void);

#define TERMINAL	1
#define FULL		2	/* standard output is a full disk */

/* pvdump is to have what a test gives it; the clean state of every run */
static void clean(void)
{
	memset(&kvm, 0, sizeof(kvm));
	kvm.fails = UINT32_MAX;
	fake_start(0, MIBS);
	uv.on_other = other_ioctl;
	good_disk();
	in_child = NULL;
	unlink(out);
}

static void drain(int fd)
{
	size_t len = 0;
	ssize_t n;

	/* a terminal whose other end has gone is an error */
	while (len < sizeof(said) - 1 && (n = read(fd, said + len, sizeof(said) - 1 - len)) > 0)
		len += n;
	said[len] = 0;
	for (n = 0; n < (ssize_t)len; n++)
		if (!said[n])
			said[n] = '?';
}

static int child(char **argv)
{
	int argc = 0, ret, fd;
	char name[300];
	glob_t found;

	while (argv[argc])
		argc++;
	if (in_child)
		in_child();
	ret = pvdump_main(argc, argv);
	fflush(stdout);
	if (uv.bad || uv.dumping)
		return NOT_IN_ORDER;
	if ((ret && ret != 4) || access(out, F_OK))
		return ret;
	/* what was kept has more behind its name */
	snprintf(name, sizeof(name), "%s%s", out, ret ? ".*" : "");
	must(!glob(name, 0, NULL, &found) && found.gl_pathc == 1, "no dump '%s'", name);
	fd = __real_open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (ret)
		unlink(found.gl_pathv[0]);
	globfree(&found);
	return fd_right(fd) && kvm.loaded ? ret : WRONG_DUMP;
}

/* Runs pvdump with these words; what it says is in said */
static int run(int how, const char *words)
{
	int master = -1, fds[2], status, to;
	char line[1024], *argv[40], *save;
	unsigned int n = 0;
	pid_t pid;

	snprintf(line, sizeof(line), "%s", words);
	argv[n++] = "pvdump";
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		/* for --exec: a word with blanks */
		for (argv[n++] = w; *w; w++)
			*w = *w == '~' ? ' ' : *w;
	argv[n] = NULL;
	if (how & TERMINAL) {
		master = posix_openpt(O_RDWR | O_NOCTTY);
		must(master >= 0 && !grantpt(master) && !unlockpt(master), "no terminal");
		fds[0] = master;
		fds[1] = __real_open(ptsname(master), O_RDWR | O_NOCTTY);
	} else {
		must(!pipe(fds), "pipe");
	}
	must(fds[1] >= 0, "output");
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		to = how & FULL ? __real_open("/dev/full", O_WRONLY) : fds[1];
		dup2(to, 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		exit(child(argv));
	}
	close(fds[1]);
	drain(fds[0]);
	close(fds[0]);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/*
 * One run after which all is clean again for the next, but for what was said. Orders
 * to KVM and the Ultravisor come before it.
 */
static bool __attribute__((__format__(__printf__, 4, 5)))
row(int how, int status, const char *want, const char *fmt, ...)
{
	char words[1024], *shown;
	bool there, ok;
	va_list ap;
	int got;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	got = run(how, words);
	there = !access(out, F_OK);
	/* there is a dump if it says so, and nothing else ever */
	ok = got == status && strstr(said, want) &&
	     (there == (!status || status == 4) || strstr(words, "--dry-run") ||
	      !strstr(words, out));
	shown = strstr(said, want);
	shown = shown ? shown : said;
	check(ok, "%s: %d, %.*s", words, got, (int)strcspn(shown, "\n"), shown);
	if (!ok)
		printf("# wanted %d, '%s'; %s\n", status, want, said);
	clean();
	return ok;
}

#define ALL		"-i %s -o %s -m 16 -c " CPUS
#define refused(status, want, more) row(0, status, want, ALL more, image, out)

/* --- the command line ----------------------------------------------------------- */

static void check_usage(void)
{
	static const struct {
		int status;
		const char *want, *words;
	} rows[] = {
		{ 0, "EXIT STATUS", "--help" },
		{ 0, "EXIT STATUS", "-h" },
		{ 0, "pvdump 1.", "--version" },
		{ 2, "no image given", "" },
		{ 2, "no image given", "-o x" },
		{ 2, "no output file given", "-i x" },
		{ 2, "too much: y", "-i x -o x y" },
		{ 2, "--dry-run writes nothing", "-i x -o x --dry-run" },
		{ 2, "not a memory size in MiB: 0", "-i x -o x -m 0" },
		{ 2, "not a memory size in MiB: -1", "-i x -o x -m -1" },
		{ 2, "not a memory size in MiB: 12k", "-i x -o x -m 12k" },
		{ 2, "not a memory size", "-i x -o x -m 99999999999999999999" },
		{ 2, "not a number of CPUs: 249", "-i x -o x -c 249" },
		{ 2, "wrong option", "-i x -o x --nonsense" },
		{ 1, "cannot open image 'none'", "-i none -o x -m 16" },
		{ 1, "cannot read image '/'", "-i / -o x -m 16" },
		{ 1, "'/dev/null' is empty", "-i /dev/null -o x -m 16" },
		{ 1, "image '/dev/zero' does not fit into 1 MiB", "-i /dev/zero -o x -m 1" },
		{ 1, "image '/bin/sh'", "-i /bin/sh -o x -m 64" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		row(0, rows[i].status, rows[i].want, "%s", rows[i].words);
	row(FULL, 1, "", "--help");
	row(FULL, 1, "", "--version");
	kvm.mmap_err = ENOMEM;
	refused(1, "cannot map 16 MiB of guest memory: Cannot allocate memory", "");
}

/* --- what can be wrong with the host and the image ------------------------------- */

static void check_host(void)
{
	static const int no_kvm[] = { ENOENT, ENODEV, ENXIO };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(no_kvm); i++) {
		kvm.open_err = no_kvm[i];
		refused(1, "this is no KVM host, or module kvm is not loaded", "");
	}
	kvm.open_err = EACCES;
	refused(1, "cannot open /dev/kvm: Permission denied", "");
	kvm.no_protected = true;
	refused(1, "prot_virt=1", "");
	kvm.no_dumps = true;
	refused(1, "needs IBM z16 or newer", "");
	kvm.create_err = EINVAL;
	refused(1, "vm.allocate_pgste=1", "");
	kvm.create_err = ENOMEM;
	refused(1, "KVM_CREATE_VM failed: Cannot allocate memory", "");
	kvm.slot_err = E2BIG;
	refused(1, "KVM_SET_USER_MEMORY_REGION of 16 MiB failed", "");
	kvm.vcpu_err = EMFILE;
	refused(1, "KVM_CREATE_VCPU 0 failed: Too many open files", "");
	uv.info_err = EIO;
	refused(1, "KVM_PV_INFO failed: Input/output error", "");
	uv.cpu_len = 3;
	refused(1, "impossible dump lengths", "");
}

static void check_protect(void)
{
	static const struct {
		uint32_t cmd;
		uint16_t rc;
		const char *want;
	} rows[] = {
		{ KVM_PV_ENABLE, 0, "KVM_PV_ENABLE failed: Invalid argument" },
		{ KVM_PV_SET_SEC_PARMS, 0x108, "rrc 0x42: the image was not made for this host" },
		{ KVM_PV_SET_SEC_PARMS, 0x10a, "the SE header was modified" },
		{ KVM_PV_UNPACK, 0x1234, "KVM_PV_UNPACK of component 0 at 0x" },
		{ KVM_PV_VERIFY, 0x102, "rc 0x102 rrc 0x42: the image was modified" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		kvm.fails = rows[i].cmd;
		kvm.rc = rows[i].rc;
		refused(1, rows[i].want, "");
	}
	kvm.load_err = EBUSY;
	refused(1, "KVM_SET_MP_STATE failed: Device or resource busy", "");
	kvm.unpack_signal = SIGTERM;
	refused(143, "stopped by signal 15 (Terminated), nothing was left behind", "");
}

/* --- --exec ----------------------------------------------------------------------- */

static void check_exec(void)
{
	row(0, 0, "hello", ALL " --exec test~$PVDUMP_MEMORY~-gt~0~&&~echo~hello", image, out);
	refused(1, "--exec: 'exit 3' failed with exit status 3", " --exec exit~3");
	refused(1, "--exec: 'kill -9 $$' died of signal 9", " --exec kill~-9~$$");
	kvm.cannot_spawn = true;
	refused(1, "--exec: cannot run /bin/sh: Resource temporarily unavailable", " --exec true");
	/* it ends because it is told to, or this would take a minute */
	refused(130, "stopped by signal 2", " --exec kill~-INT~$PVDUMP_PID;exec~sleep~60");
	/* not ignored, as it is for pvdump itself */
	refused(1, "died of signal 13", " --exec kill~-PIPE~$$");
	row(0, 4, out, ALL " --exec echo~mine~>%s", image, out, out);
}

/* --- dumps, and what is said of them ------------------------------------------------ */

#define JSON_STRING "\"([^\"\\\\]|\\\\[\"\\\\]|\\\\u[0-9a-f]{4})*\""

/* Are these flat objects of JSON? Returns how many, or 0 if anything else was said */
static unsigned int json_lines(void)
{
	static const char one[] =
		"^\\{\"event\":\"[a-z]+\"(,\"[a-z_]+\":(" JSON_STRING "|[0-9]+))+\\}$";
	char *save, *line, copy[sizeof(said)];
	unsigned int n = 0;
	regex_t re;

	must(!regcomp(&re, one, REG_EXTENDED | REG_NOSUB), "regcomp");
	strcpy(copy, said);
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (regexec(&re, line, 0, NULL, 0)) {
			printf("# no event: %s\n", line);
			n = 0;
			break;
		}
		n++;
	}
	regfree(&re);
	return n;
}

static void stop_at_6(uint64_t mib)
{
	if (mib == 6)
		raise(SIGINT);
}

static void raise_at_6(uint64_t mib)
{
	if (mib == 6)
		raise(SIGHUP);
}

static void ignore_hangup(void)
{
	signal(SIGHUP, SIG_IGN);
}

static void check_dumps(void)
{
	struct stat st, before;
	char words[600];

	snprintf(words, sizeof(words), ALL, image, out);
	check(!run(0, words) && !*said, "%s: silent where there is no terminal", words);
	check(!stat(out, &before) && (before.st_mode & 0777) == 0600 &&
	      before.st_blocks < before.st_size / 512,
	      "only its owner can read the dump, and it has holes");
	check(run(0, words) == 1 && strstr(said, "exists") && !stat(out, &st) &&
	      st.st_ino == before.st_ino && st.st_mtime == before.st_mtime,
	      "it is not replaced: %.*s", (int)strcspn(said, "\n"), said);
	strcat(words, " -f");
	check(!run(0, words) && !stat(out, &st) && st.st_ino != before.st_ino, "but with -f it is");
	clean();
	row(0, 0, "100 %  16 of 16 MiB", ALL " --progress", image, out);
	check(strstr(said, "complete in ") && !strchr(said, '\r') && !strchr(said, '\033'),
	      "in lines without control characters");
	kvm.hurry = 7;
	row(0, 0, "min left", ALL " --progress", image, out);
	kvm.hurry = 3600;
	row(0, 0, " h left", ALL " --progress", image, out);
	kvm.hurry = 1;
	row(TERMINAL, 0, "complete in", ALL, image, out);
	check(strstr(said, "\r[#") && strstr(said, "\033[K") && strstr(said, "--] "),
	      "on a terminal it is a bar");
	kvm.hurry = 1;
	uv.fail_at = 9;
	row(TERMINAL, 1, "rc 0x1234 rrc 0x42", ALL, image, out);
	check(strstr(said, "\npvdump: "), "an error stands in a line of its own");
	row(TERMINAL, 0, "", ALL " --quiet", image, out);
	check(!*said, "--quiet on a terminal");

	kvm.hurry = 3;
	row(0, 0, "\"event\":\"end\",\"status\":0,\"nanoseconds\":", ALL " --json", image, out);
	check(json_lines() > 5 && strstr(said, "{\"event\":\"sizes\",\"cpus\":3,") &&
	      strstr(said, "\"step\":\"memory\"") && strstr(said, "\"percent\":100"),
	      "%u events", json_lines());
	uv.fail_at = 9;
	refused(1, "\"errno\":22,\"rc\":4660,\"rrc\":66,\"gaddr\":9437184", " --json");
	check(json_lines() > 1, "%u events", json_lines());
	row(0, 1, "\\\"\\\\\\u00c3\\u00a4", "-i q\"\\\xc3\xa4 -o %s --json", out);
	check(json_lines() == 2, "odd names are valid JSON");

	row(0, 0, "16 MiB of memory", "-i %s --dry-run -m 16 -c " CPUS, image);
	check(strstr(said, "of it metadata") && strstr(said, "not zero"), "sizes of a dry run");
	row(0, 0, "memory needed beyond", "-i %s --dry-run -q -m 16 -c " CPUS, image);
	row(0, 0, "\"used\":", "-i %s --dry-run --json -m 16 -c " CPUS, image);
	check(json_lines() == 2, "events of a dry run");
	uv.refuse = 0x101;
	row(0, 3, "owner does not allow it", "-i %s --dry-run -m 16 -c " CPUS, image);
	uv.refuse = 0x101;
	refused(3, "owner does not allow it", "");
	uv.refuse = 3;
	refused(1, "not about what the guest's owner allows", "");
	uv.complete_fails = 0x1234;
	/* then it is not over, which the fake Ultravisor tells, too */
	row(0, NOT_IN_ORDER, "could not be ended", ALL, image, out);
}

static void check_stops(void)
{
	uv.on_state = stop_at_6;
	refused(130, "stopped by signal 2 (Interrupt), nothing was left behind", "");
	uv.on_state = raise_at_6;
	refused(129, "stopped by signal 1 (Hangup), nothing was left behind", " --json");
	uv.on_state = raise_at_6;
	in_child = ignore_hangup;
	row(0, 0, "", ALL, image, out);
}

/* --- a full disk ------------------------------------------------------------------- */

static void more_room(int sig)
{
	(void)sig;
	disk.pwrite_room = UINT64_MAX;
	disk.fallocate_err = 0;
}

static void room_comes(void)
{
	struct itimerval when = { .it_value = { .tv_usec = 500000 } };

	signal(SIGALRM, more_room);
	setitimer(ITIMER_REAL, &when, NULL);
}

static void told_to_stop(int sig)
{
	(void)sig;
	raise(SIGTERM);
}

static void stop_comes(void)
{
	room_comes();
	signal(SIGALRM, told_to_stop);
}

static void check_full(void)
{
	disk.pwrite_room = 3 * MIB;
	refused(1, "No space left on device", "");
	disk.fallocate_err = ENOSPC;
	refused(1, "No space left on device", "");
	disk.statvfs_room = MIB / 64;
	refused(1, "No space left on device", "");
	disk.pwrite_room = 3 * MIB;
	in_child = room_comes;
	row(0, 0, "waiting for room", ALL " --resume", image, out);
	disk.fallocate_err = ENOSPC;
	in_child = room_comes;
	row(0, 0, "waiting for room", ALL " --resume", image, out);
	disk.pwrite_room = 3 * MIB;
	in_child = stop_comes;
	refused(143, "stopped by signal 15", " --resume");
}

int main(int argc, char **argv)
{
	must(argc == 2, "usage: pvdump-check IMAGE");
	default_signals();
	image = argv[1];
	strcpy(dir, "/tmp/pvdump-check.XXXXXX");
	must(mkdtemp(dir), "no directory");
	snprintf(out, sizeof(out), "%s/dump", dir);
	clean();
	check_usage();
	check_host();
	check_protect();
	check_exec();
	check_dumps();
	check_stops();
	check_full();
	fake_end();
	unlink(out);
	must(!rmdir(dir), "'%s' is not empty: %s", dir, strerror(errno));
	return finish_checks();
}
