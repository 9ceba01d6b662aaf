// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of outfile.c: what is where after success, failure and somebody else's
 * interference. System calls that other file systems refuse, or that meet a
 * full disk, are refused by this program (linked with --wrap).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "outfile.h"

#define TEXT	"not to be lost\n"

/* --- system calls that can fail -------------------------------------------- */

static struct {
	bool no_tmpfile;	/* open(O_TMPFILE): -EOPNOTSUPP */
	bool no_noreplace;	/* renameat2(RENAME_NOREPLACE): -EINVAL */
	int link;		/* linkat(): this error */
	int rename;		/* renameat(): this error */
	int fsync;		/* fsync(): this error, once */
	int write;		/* write(), pwrite(): this error, once */
	int fallocate;		/* fallocate(): this error */
	bool short_writes;	/* one byte at a time */
	const char *appear;	/* this name appears at the first fsync() */
	unsigned int writes;
} sys;

/* as the linker calls them */
typeof(openat) __real_openat, __wrap_openat;
typeof(linkat) __real_linkat, __wrap_linkat;
typeof(renameat) __real_renameat, __wrap_renameat;
typeof(renameat2) __real_renameat2, __wrap_renameat2;
typeof(fsync) __real_fsync, __wrap_fsync;
typeof(fallocate) __real_fallocate, __wrap_fallocate;
typeof(write) __real_write, __wrap_write;
typeof(pwrite) __real_pwrite, __wrap_pwrite;

static int refuse(int err)
{
	errno = err;
	return -1;
}

int __wrap_openat(int dir, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	/* all callers give one */
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (sys.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE)
		return refuse(EOPNOTSUPP);
	return __real_openat(dir, name, flags, mode);
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return sys.link ? refuse(sys.link) : __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return sys.rename ? refuse(sys.rename) : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int fl)
{
	if (sys.no_noreplace && fl & RENAME_NOREPLACE)
		return refuse(EINVAL);
	return __real_renameat2(from_dir, from, to_dir, to, fl);
}

static void make(const char *name, const char *text)
{
	int fd = __real_openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	must(fd >= 0 && __real_write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	     !close(fd), "cannot write '%s': %s", name, strerror(errno));
}

int __wrap_fsync(int fd)
{
	int err = sys.fsync;

	sys.fsync = 0;
	if (sys.appear)
		make(sys.appear, "somebody else's");
	sys.appear = NULL;
	return err ? refuse(err) : __real_fsync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	return sys.fallocate ? refuse(sys.fallocate) : __real_fallocate(fd, mode, at, len);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	int err = sys.write;

	sys.write = 0;
	sys.writes++;
	return err ? refuse(err) : __real_write(fd, buf, sys.short_writes ? 1 : len);
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	int err = sys.write;

	sys.write = 0;
	sys.writes++;
	return err ? refuse(err) : __real_pwrite(fd, buf, sys.short_writes ? 1 : len, at);
}

/* --- the directory, before and after ---------------------------------------- */

static unsigned int num_files(void)
{
	DIR *d = opendir(".");
	unsigned int n = 0;

	must(d, "cannot read the directory: %s", strerror(errno));
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static bool has(const char *name, const char *text)
{
	char buf[4096];
	int fd = __real_openat(AT_FDCWD, name, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(buf, text, n);
}

static void clear(void)
{
	must(!system("rm -rf ./*"), "cannot clear the directory");
	memset(&sys, 0, sizeof(sys));
}

static int open_it(struct outfile *out, const char *name, bool force)
{
	struct outfile_args args = { .mode = 0600, .force = force };

	return outfile_open(out, name, &args);
}

/* Open, write, commit; the first error */
static int write_it(struct outfile *out, const char *name, bool force)
{
	int ret = open_it(out, name, force);

	ret = ret ? ret : outfile_write(out, TEXT, strlen(TEXT));
	ret = ret ? ret : outfile_commit(out);
	outfile_abort(out);
	return ret;
}

/* --- tests ------------------------------------------------------------------ */

static void test_new(const char *how)
{
	struct outfile out;
	struct stat st;
	mode_t old = umask(0);

	check(!write_it(&out, "new", false) && has("new", TEXT) && num_files() == 1,
	      "%s: a new file", how);
	check(!stat("new", &st) && (st.st_mode & 07777) == 0600, "%s: mode as asked for", how);
	umask(old);
	check(write_it(&out, "new", false) == -EEXIST && strstr(out.error, "'new' exists") &&
	      !out.kept[0] && num_files() == 1, "%s: is there: refused at once (%s)", how,
	      out.error);
	make("new", "old");
	check(!write_it(&out, "new", true) && has("new", TEXT) && num_files() == 1,
	      "%s: replaced with force", how);
	check(!write_it(&out, "other", true) && has("other", TEXT) && num_files() == 2,
	      "%s: force without anything to replace", how);
	must(!open_it(&out, "gone", false) && !outfile_write(&out, TEXT, 5), "%s", out.error);
	outfile_abort(&out);
	check(num_files() == 2, "%s: aborted, nothing left behind", how);
	outfile_abort(&out);
	unlink("other");
}

/* What happens between the check and the end */
static void test_meanwhile(const char *how)
{
	struct outfile out;
	int ret;

	sys.appear = "late";
	ret = write_it(&out, "late", false);
	check(ret == -EEXIST && has("late", "somebody else's") && out.kept[0] &&
	      has(out.kept, TEXT) && strstr(out.error, out.kept),
	      "%s: appears meanwhile: not replaced, data kept (%s)", how, out.error);
	clear();
	must(!mkdir("dir", 0700), "mkdir");
	must(!open_it(&out, "dir/late", true) && !outfile_write(&out, TEXT, strlen(TEXT)) &&
	     !mknod("dir/late", S_IFIFO | 0600, 0), "%s", out.error);
	ret = outfile_commit(&out);
	check(ret == -EEXIST && out.kept[0] && !strncmp(out.kept, "dir/", 4) && has(out.kept, TEXT),
	      "%s: a fifo appears meanwhile: not replaced with force (%s)", how, out.error);
	clear();
	must(!mkdir("dir", 0700) && !open_it(&out, "dir/late", true) &&
	     !outfile_write(&out, TEXT, strlen(TEXT)) && !rename("dir", "moved"), "%s", out.error);
	check(!outfile_commit(&out) && has("moved/late", TEXT),
	      "%s: the directory has another name meanwhile", how);
	clear();
}

static void test_fallbacks(void)
{
	struct outfile out;
	int ret;

	clear();
	test_new("unnamed file");
	clear();
	test_meanwhile("unnamed file");
	sys.no_tmpfile = true;
	test_new("named file");
	clear();
	sys.no_tmpfile = true;
	test_meanwhile("named file");
	sys.link = EPERM;
	test_new("unnamed file cannot be linked");
	clear();

	sys.no_tmpfile = true;
	sys.no_noreplace = true;
	test_new("no RENAME_NOREPLACE");
	clear();
	sys.no_tmpfile = true;
	sys.no_noreplace = true;
	sys.appear = "late";
	ret = write_it(&out, "late", false);
	check(ret == -EEXIST && has("late", "somebody else's") && has(out.kept, TEXT),
	      "no RENAME_NOREPLACE, appears meanwhile: not replaced, data kept");
	clear();
	sys.no_tmpfile = true;
	sys.no_noreplace = true;
	sys.link = EPERM;
	test_new("neither RENAME_NOREPLACE nor links");
	clear();
	sys.no_tmpfile = true;
	sys.no_noreplace = true;
	sys.link = EPERM;
	sys.appear = "late";
	ret = write_it(&out, "late", false);
	check(ret == -EEXIST && has("late", "somebody else's") && has(out.kept, TEXT),
	      "neither, appears meanwhile: not replaced, data kept");
	clear();
	make("there", "old");
	sys.rename = EPERM;
	ret = write_it(&out, "there", true);
	check(ret == -EPERM && has("there", "old") && has(out.kept, TEXT),
	      "force, but the file cannot be replaced: data kept (%s)", out.error);
	clear();
	/* the empty file that keeps the name goes when the rename fails */
	sys.no_tmpfile = true;
	sys.no_noreplace = true;
	sys.link = EPERM;
	sys.rename = EIO;
	ret = write_it(&out, "new", false);
	check(ret == -EIO && num_files() == 1 && has(out.kept, TEXT),
	      "no rename at all: data kept");
	clear();
	/* all that is left is to say so */
	must(!open_it(&out, "new", false) && !outfile_write(&out, TEXT, 5), "%s", out.error);
	sys.link = EIO;
	ret = outfile_commit(&out);
	check(ret == -EIO && !out.kept[0] && strstr(out.error, "lost") && !num_files(),
	      "no link at all: said so (%s)", out.error);
	clear();
}

static void refused(const char *name, bool force, int err, const char *text, const char *what)
{
	struct outfile out;
	unsigned int before = num_files();
	int ret = open_it(&out, name, force);

	check(ret == -err && strstr(out.error, text) && out.fd < 0 && num_files() == before,
	      "%s: %s", what, out.error);
	outfile_abort(&out);
}

static void test_names(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "socket" };
	char name[300] = { };
	struct outfile out, two;
	struct outfile_args args = { .mode = 0600, .force = true };
	static const char * const inputs[] = { "nowhere", "there", NULL };
	int fd;

	clear();
	make("there", "old");
	must(!mkdir("dir", 0700) && !symlink("nowhere", "dangling") && !symlink("loop", "loop") &&
	     !symlink("../there", "dir/link") && !symlink("dir", "dirlink") &&
	     !link("there", "hard"), "links");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	must(fd >= 0 && !bind(fd, (void *)&addr, sizeof(addr)), "socket: %s", strerror(errno));
	refused("", true, EINVAL, "empty", "empty name");
	refused("dir", true, EINVAL, "directory", "directory");
	refused("dirlink", true, EINVAL, "directory", "link to a directory");
	refused("dir/", true, EINVAL, "directory", "directory with a slash");
	refused("nowhere/", true, EINVAL, "directory", "name with a slash at the end");
	refused("nowhere/file", false, ENOENT, "nowhere", "no such directory");
	refused("there/file", false, ENOTDIR, "there", "file for a directory");
	refused("dangling", true, EINVAL, "points to nothing", "dangling link");
	refused("loop", true, ELOOP, "loop", "link to itself");
	refused("dir/link", false, EEXIST, "exists", "link to a file");
	refused("socket", true, EINVAL, "socket", "socket");
	close(fd);
	memset(name, 'n', 255);
	check(!write_it(&out, name, false) && has(name, TEXT), "name of 255 bytes");
	name[255] = 'n';
	refused(name, false, ENAMETOOLONG, "too long", "name of 256 bytes");

	check(!write_it(&out, "dir/link", true) && has("there", TEXT) && has("dir/link", TEXT) &&
	      has("hard", "old"), "force through a link: the link stays, its file is replaced");
	args.inputs = inputs;
	check(outfile_open(&out, "there", &args) == -EINVAL && strstr(out.error, "is read"),
	      "an input: %s", out.error);
	check(outfile_open(&out, "dir/link", &args) == -EINVAL && strstr(out.error, "is read"),
	      "link to an input: %s", out.error);
	unlink("hard");
	must(!link("there", "hard"), "link");
	check(outfile_open(&out, "hard", &args) == -EINVAL && strstr(out.error, "is read") &&
	      has("there", TEXT), "another name of an input: %s", out.error);
	args.inputs = NULL;
	must(!outfile_open(&out, "dir/new", &args), "%s", out.error);
	args.other = &out;
	check(outfile_open(&two, "dirlink/new", &args) == -EINVAL && strstr(two.error, "too"),
	      "two outputs, one new file: %s", two.error);
	check(!outfile_open(&two, "new", &args), "the same name in another directory");
	outfile_abort(&two);
	outfile_abort(&out);
	args.other = NULL;
	must(!outfile_open(&out, "there", &args), "%s", out.error);
	args.other = &out;
	check(outfile_open(&two, "hard", &args) == -EINVAL && strstr(two.error, "too"),
	      "two outputs, one old file: %s", two.error);
	outfile_abort(&out);
	clear();
}

static void test_permissions(void)
{
	struct outfile out;
	pid_t pid;
	int status;

	clear();
	must(!mkdir("locked", 0755) && !mkdir("blind", 0333) && !chmod("blind", 0333), "mkdir");
	must(!mkdir("sticky", 01777) && !chmod("sticky", 01777), "mkdir");
	make("sticky/root", "old");
	must(!chmod(".", 0755), "chmod");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		unsigned int bad = 0;

		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(100);
		bad += open_it(&out, "locked/file", false) != -EACCES;
		bad += 2 * !!write_it(&out, "blind/file", false);
		bad += 4 * (open_it(&out, "sticky/root", true) != -EPERM);
		_exit(bad);
	}
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 100,
	     "cannot be another user");
	if (geteuid()) {
		check(true, "permissions # SKIP needs root");
	} else {
		check(!(WEXITSTATUS(status) & 1), "no right to the directory: refused");
		check(!(WEXITSTATUS(status) & 2) && has("blind/file", TEXT),
		      "directory that cannot be read: written");
		check(!(WEXITSTATUS(status) & 4) && has("sticky/root", "old"),
		      "somebody else's file in a sticky directory: refused");
	}
	clear();
}

static void *read_slowly(void *arg)
{
	char *buf = arg;
	int fd = __real_openat(AT_FDCWD, "fifo", O_RDONLY, 0);
	size_t len = 0;
	ssize_t n;

	usleep(300000);
	while (fd >= 0 && (n = read(fd, buf + len, 300000 - len)) > 0)
		len += n;
	close(fd);
	return (void *)len;
}

static void test_streams(void)
{
	static char text[200000], got[300000], zeros[65536];
	struct outfile out;
	struct stat st;
	pthread_t thread;
	void *len;
	int ret, fd, fds[2], saved = dup(1);

	clear();
	memset(text, 'x', sizeof(text));
	must(!mknod("fifo", S_IFIFO | 0600, 0), "mknod");
	must(!pthread_create(&thread, NULL, read_slowly, got), "thread");
	ret = open_it(&out, "fifo", false);
	ret = ret ? ret : outfile_write(&out, text, sizeof(text));
	ret = ret ? ret : outfile_skip(&out, sizeof(zeros));
	ret = ret ? ret : outfile_commit(&out);
	pthread_join(thread, &len);
	check(!ret && (size_t)len == sizeof(text) + sizeof(zeros) &&
	      !memcmp(got, text, sizeof(text)) &&
	      !memcmp(got + sizeof(text), zeros, sizeof(zeros)) && !lstat("fifo", &st) &&
	      S_ISFIFO(st.st_mode), "fifo: written into, waits for a slow reader");

	must(!pipe(fds) && saved >= 0, "pipe");
	fflush(stdout);
	dup2(fds[1], 1);
	close(fds[1]);
	ret = write_it(&out, "-", false);
	dup2(saved, 1);
	check(!ret && read(fds[0], got, sizeof(got)) == strlen(TEXT) &&
	      !memcmp(got, TEXT, strlen(TEXT)) && access("./-", F_OK),
	      "'-': to standard output, no file of that name");
	close(fds[0]);
	check(!write_it(&out, "./-", false) && has("./-", TEXT), "'./-': a file of that name");

	must(!pipe(fds), "pipe");
	fflush(stdout);
	dup2(fds[1], 1);
	close(fds[1]);
	close(fds[0]);
	ret = write_it(&out, "-", false);
	dup2(saved, 1);
	check(ret == -EPIPE, "'-': reader gone (%s)", out.error);

	fflush(stdout);
	close(1);
	ret = open_it(&out, "-", false);
	dup2(saved, 1);
	check(ret == -EBADF, "'-': closed (%s)", out.error);

	fflush(stdout);
	make("log", "first ");
	ret = __real_openat(AT_FDCWD, "log", O_WRONLY | O_APPEND, 0);
	must(ret >= 0, "open");
	dup2(ret, 1);
	close(ret);
	ret = write_it(&out, "-", false);
	dup2(saved, 1);
	check(!ret && has("log", "first " TEXT), "'-': appended to a file");

	fflush(stdout);
	must(!close(1), "close");
	ret = open_it(&out, "new", false);
	fd = out.fd < out.dir_fd ? out.fd : out.dir_fd;
	ret = ret ? ret : outfile_write(&out, TEXT, strlen(TEXT));
	ret = ret ? ret : outfile_commit(&out);
	dup2(saved, 1);
	check(!ret && has("new", TEXT) && fd > STDERR_FILENO,
	      "standard output is closed: no file becomes it");
	close(saved);

	check(!write_it(&out, "/dev/null", true) && !stat("/dev/null", &st) &&
	      S_ISCHR(st.st_mode), "/dev/null: written into");
	check(write_it(&out, "/dev/full", false) == -ENOSPC && !stat("/dev/full", &st) &&
	      S_ISCHR(st.st_mode), "/dev/full: %s", out.error);
	must(!open_it(&out, "/dev/null", false), "%s", out.error);
	check(outfile_pwrite(&out, 0, TEXT, 1) == -EINVAL && outfile_reserve(&out, 0, 1) == -EINVAL,
	      "stream: no place to write to");
	outfile_abort(&out);
	if (!geteuid() && !mknod("block", S_IFBLK | 0600, makedev(7, 255))) {
		refused("block", false, EEXIST, "-f", "block device");
		check(!lstat("block", &st) && S_ISBLK(st.st_mode), "block device stays");
	}
	clear();
}

static atomic_int stop;

static void *stop_soon(void *arg)
{
	usleep(200000);
	stop = SIGINT;
	return arg;
}

static void test_stop(void)
{
	struct outfile_args args = { .mode = 0600, .stop = &stop };
	static char text[1 << 20];
	struct outfile out;
	pthread_t thread;
	int ret, fd;

	clear();
	must(!mknod("fifo", S_IFIFO | 0600, 0), "mknod");
	must(!pthread_create(&thread, NULL, stop_soon, NULL), "thread");
	ret = outfile_open(&out, "fifo", &args);
	pthread_join(thread, NULL);
	check(ret == -EINTR, "stopped while waiting for a reader (%s)", out.error);
	stop = 0;
	check(open_it(&out, "fifo", false) == -ENXIO && strstr(out.error, "nobody"),
	      "a fifo that nobody reads: %s", out.error);
	fd = __real_openat(AT_FDCWD, "fifo", O_RDONLY | O_NONBLOCK, 0);
	must(fd >= 0 && !outfile_open(&out, "fifo", &args), "%s", out.error);
	must(!pthread_create(&thread, NULL, stop_soon, NULL), "thread");
	ret = outfile_write(&out, text, sizeof(text));
	pthread_join(thread, NULL);
	check(ret == -EINTR, "stopped while the reader is slow (%s)", out.error);
	outfile_abort(&out);
	close(fd);
	stop = 0;
	clear();
}

static void test_errors(void)
{
	static const struct rlimit small = { 8192, RLIM_INFINITY };
	static const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	static char page[4096];
	struct outfile out;
	struct stat st;
	unsigned int i;
	int ret = 0;

	clear();
	sys.short_writes = true;
	check(!write_it(&out, "short", false) && has("short", TEXT) && sys.writes == strlen(TEXT),
	      "short writes");
	clear();
	sys.write = EINTR;
	check(!write_it(&out, "eintr", false) && has("eintr", TEXT) && sys.writes == 2, "EINTR");
	clear();
	sys.write = ENOSPC;
	check(write_it(&out, "full", false) == -ENOSPC && !num_files(), "disk full: %s", out.error);
	clear();
	sys.fsync = EIO;
	check(write_it(&out, "eio", false) == -EIO && !num_files(),
	      "lost on the way to the disk: %s", out.error);
	clear();
	must(!open_it(&out, "room", false), "%s", out.error);
	check(outfile_expect(&out, 1ULL << 60, 1ULL << 60) == -ENOSPC, "no room, seen before: %s",
	      out.error);
	check(!outfile_expect(&out, 4096, 1ULL << 40), "room for a file of holes");
	must(!setrlimit(RLIMIT_FSIZE, &small), "setrlimit");
	ret = outfile_expect(&out, 4096, 8193);
	/* the limit is also one for standard output */
	must(!setrlimit(RLIMIT_FSIZE, &none), "setrlimit");
	check(ret == -EFBIG, "limit, seen before: %s", out.error);
	must(!setrlimit(RLIMIT_FSIZE, &small), "setrlimit");
	for (i = 0, ret = 0; i < 3 && !ret; i++)
		ret = outfile_write(&out, page, sizeof(page));
	must(!setrlimit(RLIMIT_FSIZE, &none), "setrlimit");
	check(ret == -EFBIG, "limit, met while writing: %s", out.error);
	outfile_abort(&out);
	check(!num_files(), "limit: nothing left behind");

	must(!open_it(&out, "holes", false), "%s", out.error);
	ret = outfile_write(&out, TEXT, strlen(TEXT));
	ret = ret ? ret : outfile_skip(&out, (1 << 20) - strlen(TEXT));
	ret = ret ? ret : outfile_reserve(&out, 2 << 20, 4096);
	ret = ret ? ret : outfile_pwrite(&out, 1 << 19, TEXT, strlen(TEXT));
	ret = ret ? ret : outfile_commit(&out);
	check(!ret && !stat("holes", &st) && st.st_size == (2 << 20) + 4096 &&
	      st.st_blocks < 1024, "holes, and a part in reserve");
	must(!open_it(&out, "tail", false) && !outfile_skip(&out, 12345), "%s", out.error);
	check(!outfile_commit(&out) && !stat("tail", &st) && st.st_size == 12345,
	      "hole at the end");
	must(!open_it(&out, "reserve", false), "%s", out.error);
	sys.fallocate = ENOSPC;
	check(outfile_reserve(&out, 0, 4096) == -ENOSPC, "no room to reserve: %s", out.error);
	sys.fallocate = EOPNOTSUPP;
	check(!outfile_reserve(&out, 0, 4096), "file system that cannot reserve");
	outfile_abort(&out);
	clear();
}

/* Killed: without a trace where the file has no name, by the handler otherwise */
static struct outfile killed;

static void on_term(int sig)
{
	outfile_unlink_tmp(&killed);
	_exit(sig);
}

static void test_killed(bool no_tmpfile, int sig)
{
	int status, fds[2];
	char byte;
	pid_t pid;

	clear();
	must(!pipe(fds), "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		sys.no_tmpfile = no_tmpfile;
		signal(SIGTERM, on_term);
		if (open_it(&killed, "file", false) || outfile_write(&killed, TEXT, 5))
			_exit(1);
		__real_write(fds[1], "", 1);
		for (;;)
			pause();
	}
	must(read(fds[0], &byte, 1) == 1, "the process that is to be killed failed");
	check(num_files() == no_tmpfile, "half written, %s a name",
	      no_tmpfile ? "with" : "without");
	kill(pid, sig);
	must(waitpid(pid, &status, 0) == pid, "wait");
	check(!num_files(), "killed by signal %d: nothing left behind", sig);
	close(fds[0]);
	close(fds[1]);
	clear();
}

int main(void)
{
	char dir[32] = "/tmp/outfile-check.XXXXXX";
	int home = open(".", O_RDONLY | O_DIRECTORY);

	default_signals();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	must(home >= 0 && mkdtemp(dir) && !chdir(dir), "cannot make a directory: %s",
	     strerror(errno));
	test_fallbacks();
	test_names();
	test_permissions();
	test_streams();
	test_stop();
	test_errors();
	test_killed(false, SIGKILL);
	test_killed(true, SIGTERM);
	clear();
	must(!fchdir(home) && !rmdir(dir), "cannot remove '%s': %s", dir, strerror(errno));
	return finish_checks();
}
