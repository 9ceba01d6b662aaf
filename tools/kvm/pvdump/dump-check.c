// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of whole dumps by libpvdump: what is in the file. What goes wrong on the
 * way to it is dump-fail-check.c's; the commands have their own, proto-check.c.
 *
 * dump-check DIR leaves dumps in DIR as NAME.elf, for zgetdump to decrypt, with
 * NAME.plain, what they must decrypt to, and cck.bin, the key.
 * dump-check DIR NAME compares NAME.decrypted, which zgetdump has made.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "dumptest.h"

/* --- files that are right --------------------------------------------------- */

/* For zgetdump: the dump and what it must become */
static void keep_plain(const char *name, bool keep)
{
	char file[64];

	if (!keep)
		return;
	snprintf(file, sizeof(file), "%s.plain", name);
	save(file, uv.plain, uv.mib * MIB);
	save("cck.bin", fake_cck, 32);
}

static void check_file(bool keep)
{
	int fd = new_file("file.elf", 0);
	struct pvdump *pd;
	struct stat st;
	int ret;

	fake_start(0, 9);
	pd = whole_vm(fd);
	memset(&seen, 0, sizeof(seen));
	pvdump_set_progress(pd, on_progress, NULL);
	ret = pvdump_write(pd);
	must(!fstat(fd, &st), "fstat");
	check(!ret && ended(pd) && fd_right(fd), "file: %s", text(pd));
	check(uv.max_request <= 4, "file: no request for more than 4 MiB: %llu",
	      (unsigned long long)uv.max_request);
	check(st.st_blocks * 512 < 7 * (off_t)MIB && st.st_size > 9 * (off_t)MIB,
	      "file: %llu KiB on the disk, of %llu", (unsigned long long)st.st_blocks / 2,
	      (unsigned long long)st.st_size / 1024);
	check(lseek(fd, 0, SEEK_CUR) == st.st_size, "file: offset is at its end");
	check(!seen.fell && seen.done == seen.total && seen.total == 18 * MIB && seen.calls >= 6 &&
	      seen.written < 7 * MIB, "file: progress, %llu calls", (unsigned long long)seen.calls);
	check(disk.fallocated < MIB && disk.fallocated > 9 * FAKE_LEN,
	      "file: %llu bytes were reserved", (unsigned long long)disk.fallocated);
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "file: a second dump");
	pvdump_free(pd);
	close(fd);
	keep_plain("file", keep);
}

/* Interrupted here and there, resumed by KVM's gaddr, with stale metadata before */
static void check_hard_way(bool keep)
{
	int fd = new_file("hard.elf", 0);
	struct pvdump *pd;

	fake_start(0, 9);
	uv.eintr_every = 3;
	uv.eintr_moves = true;
	uv.fail_at = 6;
	uv.fail_once = true;
	uv.cpu_len = 1568;
	pd = whole_vm(fd);
	check(!pvdump_write(pd) && ended(pd) && fd_right(fd) && uv.fail_at < 0,
	      "interrupted and resumed: %s", text(pd));
	pvdump_free(pd);
	close(fd);
	keep_plain("hard", keep);

	fake_start(0, 9);
	uv.stale = true;
	fd = new_file("stale.elf", 0);
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, NULL) && !pvdump_add_vcpu(pd, FAKE_VCPU) &&
	     pvdump_add_vcpu(pd, FAKE_VCPU + 1) == 1 && pvdump_add_vcpu(pd, FAKE_VCPU + 2) == 2,
	     "description");
	pvdump_set_reader(pd, fake_read, NULL);
	check(!pvdump_write(pd) && ended(pd) && fd_right(fd),
	      "metadata is that of pages that were read");
	check(!uv.was_read[3] && !uv.was_read[2 * 256 + 1] && uv.was_read[2],
	      "zero pages are not read");
	pvdump_free(pd);
	close(fd);
	remove_file("stale.elf");

	/* a page that is not zero any more when the others were read */
	fake_start(0, 9);
	uv.import_at = 8;
	fd = new_file("import.elf", 0);
	pd = whole_vm(fd);
	check(!pvdump_write(pd) && ended(pd) && uv.import_at < 0 && fd_right(fd),
	      "a page that was imported meanwhile");
	pvdump_free(pd);
	close(fd);
	remove_file("import.elf");
}

/* Not at 0, and with holes between; the file has one segment all the same */
static void check_ranges(bool keep)
{
	int fd = new_file("high.elf", 0);
	struct pvdump *pd;
	size_t len, i;
	uint8_t *buf;
	struct parts p;
	bool ok;

	fake_start(0x40000000, 9);
	pd = whole_vm(fd);
	check(!pvdump_write(pd) && ended(pd) && fd_right(fd), "memory from 1 GiB on");
	pvdump_free(pd);
	close(fd);
	keep_plain("high", keep);

	fake_start(0x200000, 9);
	uv.gap = uv.gaddr + 5 * MIB;
	uv.gap_end = uv.gaddr + 7 * MIB;
	fd = new_file("gap.elf", 0);
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, uv.gap_end, 2 * MIB, uv.memory + 7 * MIB) &&
	     !pvdump_add_memory(pd, uv.gaddr + MIB, 4 * MIB, uv.memory + MIB) &&
	     !pvdump_add_memory(pd, uv.gaddr, MIB, NULL) && !pvdump_add_vcpu(pd, FAKE_VCPU),
	     "description");
	pvdump_set_reader(pd, fake_read, NULL);
	ok = !pvdump_write(pd) && ended(pd);
	buf = read_fd(fd, &len);
	ok = ok && find_parts(buf, len, &p) && p.memory_len == 9 * MIB;
	for (i = 0; ok && i < 9 * 256; i++)
		if (i / 256 == 5 || i / 256 == 6)
			ok = p.meta[i * 16] == 0xff && p.meta[i * 16 + 15] == 1 &&
			     !p.memory[i * FAKE_PAGE];
		else
			ok = page_right(&p, i);
	check(ok, "three ranges, read in two ways, and a gap: %s", text(pd));
	memset(uv.plain + 5 * MIB, 0, 2 * MIB);
	free(buf);
	pvdump_free(pd);
	close(fd);
	keep_plain("gap", keep);
}

static void check_notes(bool keep)
{
	static const char info[] = "OSRELEASE=5.10.0\nPAGESIZE=4096\n";
	uint8_t prstatus[336], odd[5] = { 1, 2, 3, 4, 5 };
	int fd = new_file("notes.elf", 0);
	const uint8_t *desc;
	struct pvdump *pd;
	struct parts p;
	uint8_t *buf;
	uint32_t n;
	size_t len;
	bool ok;

	memset(prstatus, 0x77, sizeof(prstatus));
	fake_start(0, 1);
	pd = whole_vm(fd);
	ok = !pvdump_add_note(pd, "VMCOREINFO", 0, info, sizeof(info) - 1) &&
	     !pvdump_add_vcpu_note(pd, 1, "CORE", 1, prstatus, sizeof(prstatus)) &&
	     !pvdump_add_vcpu_note(pd, 2, "PVDUMP", 7, odd, sizeof(odd));
	ok = ok && !pvdump_write(pd) && ended(pd) && fd_right(fd);
	check(ok, "notes: %s", text(pd));
	buf = read_fd(fd, &len);
	must(find_parts(buf, len, &p), "no ELF file");
	desc = find_note(&p, "VMCOREINFO", 0, 0, &n);
	check(desc && n == sizeof(info) - 1 && !memcmp(desc, info, n), "notes: VMCOREINFO");
	desc = find_note(&p, "CORE", 1, 1, &n);
	check(desc && n == sizeof(prstatus) && !memcmp(desc, prstatus, n) &&
	      !find_note(&p, "CORE", 1, 3, &n),
	      "notes: plain registers of CPU 1 in place of zeros");
	desc = find_note(&p, "CORE", 1, 2, &n);
	check(desc && n == 336 && desc[35] == 3, "notes: zeros of CPU 2, and its number");
	desc = find_note(&p, "PVDUMP", 7, 0, &n);
	check(desc && n == 5 && !memcmp(desc, odd, 5), "notes: one of odd length");
	free(buf);
	pvdump_free(pd);
	close(fd);
	keep_plain("notes", keep);
}

/* --- streams ---------------------------------------------------------------- */

struct reader {
	int fd;
	unsigned int slow_us;
	size_t stop_after;
	uint8_t *buf;
	size_t len, room;
};

static void *read_stream(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	while (r->len < r->room && (!r->stop_after || r->len < r->stop_after)) {
		size_t room = r->room - r->len;

		n = read(r->fd, r->buf + r->len, room < 70000 ? room : 70000);
		if (n <= 0)
			break;
		r->len += n;
		if (r->slow_us)
			usleep(r->slow_us);
	}
	close(r->fd);
	return NULL;
}

/* Dumps into a pipe or socket with a reader; returns pvdump_write()'s result */
static int stream(struct pvdump *pd, struct reader *r, int fds[2])
{
	pthread_t thread;
	int ret;

	r->fd = fds[0];
	r->len = 0;
	r->room = 16 * MIB;
	r->buf = malloc(r->room);
	must(r->buf, "out of memory");
	pvdump_set_fd(pd, fds[1]);
	must(!pthread_create(&thread, NULL, read_stream, r), "no thread");
	ret = pvdump_write(pd);
	close(fds[1]);
	must(!pthread_join(thread, NULL), "join");
	return ret;
}

static void check_streams(bool keep)
{
	struct reader r = { 0 };
	struct pvdump *pd;
	struct sigaction now;
	sigset_t before, after;
	int fds[2], fd, ret, i;

	sigprocmask(SIG_BLOCK, NULL, &before);
	for (i = 0; i < 4; i++) {
		static const char * const what[] = {
			"pipe", "non-blocking pipe, slow reader", "socket",
			"file that is appended to",
		};

		fake_start(0, 9);
		pd = whole_vm(-1);
		memset(&seen, 0, sizeof(seen));
		pvdump_set_progress(pd, on_progress, NULL);
		r.slow_us = i == 1 ? 200 : 0;
		if (i == 3) {
			fd = new_file("append.elf", O_APPEND);
			pvdump_set_fd(pd, fd);
			ret = pvdump_write(pd);
			check(!ret && ended(pd) && fd_right(fd), "%s", what[i]);
			close(fd);
			remove_file("append.elf");
		} else {
			must(!(i == 2 ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) :
			       pipe2(fds, i ? O_NONBLOCK : 0)), "pipe");
			if (i == 1)
				fcntl(fds[0], F_SETFL, 0);
			ret = stream(pd, &r, fds);
			check(!ret && ended(pd) && file_right(r.buf, r.len), "%s: %s", what[i],
			      text(pd));
			if (!i && keep) {
				save("pipe.elf", r.buf, r.len);
				keep_plain("pipe", keep);
			}
			free(r.buf);
		}
		check(!seen.fell && seen.done == seen.total && seen.total == 18 * MIB,
		      "%s: progress", what[i]);
		pvdump_free(pd);
	}

	for (i = 0; i < 2; i++) {
		fake_start(0, 9);
		pd = whole_vm(-1);
		must(!(i ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds)), "pipe");
		r.stop_after = MIB;
		ret = stream(pd, &r, fds);
		/* a socket says so if there is unread data */
		check((ret == -EPIPE || (i && ret == -ECONNRESET)) && ended(pd) &&
		      uv.calls[DUMP_COMPLETE] == 1, "reader gone: %s", text(pd));
		free(r.buf);
		pvdump_free(pd);
	}
	sigaction(SIGPIPE, NULL, &now);
	sigprocmask(SIG_BLOCK, NULL, &after);
	for (i = 1; i < 32; i++)
		must(sigismember(&before, i) == sigismember(&after, i), "signal %d", i);
	sigpending(&after);
	check(now.sa_handler == SIG_DFL && !sigismember(&after, SIGPIPE),
	      "signals are as they were");

	/* one that the caller has blocked and that is pending stays so */
	sigemptyset(&after);
	sigaddset(&after, SIGPIPE);
	sigprocmask(SIG_BLOCK, &after, NULL);
	raise(SIGPIPE);
	fake_start(0, 9);
	pd = whole_vm(-1);
	must(!pipe(fds), "pipe");
	ret = stream(pd, &r, fds);
	sigpending(&after);
	check(ret == -EPIPE && sigismember(&after, SIGPIPE), "a pending SIGPIPE of the caller's");
	sigemptyset(&after);
	sigaddset(&after, SIGPIPE);
	must(sigwaitinfo(&after, NULL) == SIGPIPE, "SIGPIPE");
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(r.buf);
	pvdump_free(pd);
	r.stop_after = 0;

	fake_start(0, 9);
	uv.import_at = 8;
	pd = whole_vm(-1);
	must(!pipe(fds), "pipe");
	ret = stream(pd, &r, fds);
	check(ret == -ESTALE && ended(pd) && strstr(text(pd), "imported"), "stream: %s", text(pd));
	free(r.buf);
	pvdump_free(pd);
}

static void check_resumed_stream(void)
{
	struct reader r = { .room = 16 * MIB };
	static const uint8_t note[700];
	struct pvdump *pd;
	pthread_t thread;
	int fds[2], ret;

	fake_start(0, 9);
	pd = whole_vm(-1);
	/* whole pages remain for later, so the first part ends within the registers */
	must(!pvdump_add_vcpu_note(pd, 0, "X", 7, note, sizeof(note)), "note");
	must(!pipe2(fds, O_NONBLOCK) && fcntl(fds[1], F_SETPIPE_SZ, 4096) == 4096, "pipe");
	pvdump_set_fd(pd, fds[1]);
	pvdump_set_resumable(pd, 1);
	must(!pthread_create(&thread, NULL, cancel_later, pd), "no thread");
	ret = pvdump_write(pd);
	pthread_join(thread, NULL);
	check(ret == -ECANCELED && uv.dumping && uv.calls[DUMP_CPU] == 1,
	      "stream, stopped within the first CPU");
	r.fd = fds[0];
	r.buf = malloc(r.room);
	must(r.buf && !fcntl(fds[0], F_SETFL, 0) &&
	     !pthread_create(&thread, NULL, read_stream, &r), "no reader");
	ret = pvdump_resume(pd);
	close(fds[1]);
	pthread_join(thread, NULL);
	check(!ret && ended(pd) && file_right(r.buf, r.len), "stream, resumed");
	free(r.buf);
	pvdump_free(pd);
}

/* --- callbacks, and a very large VM ----------------------------------------- */

struct sink {
	uint8_t *buf;		/* NULL: thrown away */
	uint64_t next, zeros, bytes;
	bool order;
	uint64_t fail_at;
};

static int take(void *opaque, uint64_t offset, const void *buf, uint64_t len)
{
	struct sink *s = opaque;

	s->order |= offset != s->next;
	if (s->fail_at && offset + len > s->fail_at)
		return -EDQUOT;
	s->next = offset + len;
	if (s->buf && buf)
		memcpy(s->buf + offset, buf, len);
	else if (s->buf)
		memset(s->buf + offset, 0, len);
	*(buf ? &s->bytes : &s->zeros) += len;
	return 0;
}

static void check_callback(void)
{
	struct sink s = { .buf = malloc(16 * MIB) };
	struct pvdump *pd;
	int i, ret;

	for (i = 0; i < 2; i++) {
		fake_start(0, 9);
		s.next = 0;
		s.zeros = 0;
		s.bytes = 0;
		pd = whole_vm(-1);
		pvdump_set_writer(pd, take, &s, i);
		ret = pvdump_write(pd);
		check(!ret && ended(pd) && !s.order && file_right(s.buf, s.next) &&
		      (i ? s.zeros > 3 * MIB : !s.zeros), "callback%s: %llu bytes, %llu of zeros",
		      i ? " that is told of holes" : "", (unsigned long long)s.bytes,
		      (unsigned long long)s.zeros);
		pvdump_free(pd);
	}
	fake_start(0, 9);
	s.next = 0;
	/* in the middle of a piece of memory */
	s.fail_at = 6 * MIB;
	pd = whole_vm(-1);
	pvdump_set_writer(pd, take, &s, 1);
	pvdump_set_resumable(pd, 1);
	check(pvdump_write(pd) == -EDQUOT && uv.dumping && strstr(text(pd), "quota"),
	      "callback fails: %s", text(pd));
	s.fail_at = 0;
	check(!pvdump_resume(pd) && ended(pd) && !s.order && file_right(s.buf, s.next),
	      "and is resumed");
	check(pvdump_resume(pd) == -EINVAL, "%s", text(pd));
	pvdump_free(pd);
	free(s.buf);
}

static long max_memory(void)
{
	struct rusage use;

	must(!getrusage(RUSAGE_SELF, &use), "getrusage");
	return use.ru_maxrss;
}

/* In a process of its own, whose memory can be measured */
static void check_terabyte(void)
{
	uint64_t mib = 1 << 20;
	struct sink s = { 0 };
	struct pvdump *pd;
	long before;
	int status;
	pid_t pid;
	bool ok;

	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		fake_start_sparse(mib, 100003);
		must(!pvdump_new(&pd, FAKE_VM) && !pvdump_add_memory(pd, 0, mib * MIB, NULL) &&
		     !pvdump_add_vcpu(pd, FAKE_VCPU), "handle");
		pvdump_set_reader(pd, fake_read, NULL);
		pvdump_set_writer(pd, take, &s, 1);
		before = max_memory();
		ok = !pvdump_write(pd) && ended(pd) && !s.order;
		printf("# 1 TiB: %ld KiB more memory, %llu MiB written, %llu skipped\n",
		       max_memory() - before, (unsigned long long)s.bytes / MIB,
		       (unsigned long long)s.zeros / MIB);
		fflush(stdout);
		_exit(!ok || s.zeros < (mib - 16) * MIB || s.bytes < mib * FAKE_LEN ||
		      max_memory() - before > 16 * 1024);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	check(WIFEXITED(status) && !WEXITSTATUS(status), "1 TiB, with 16 MiB of memory");
}

/* --- what zgetdump made of it ----------------------------------------------- */

static int compare(const char *name)
{
	const Elf64_Phdr *p;
	const struct file_head *h;
	size_t len, plain_len;
	uint8_t *buf, *plain;
	char file[64];
	unsigned int i;

	snprintf(file, sizeof(file), "%s.decrypted", name);
	buf = read_file(file, &len);
	snprintf(file, sizeof(file), "%s.plain", name);
	plain = read_file(file, &plain_len);
	h = (const void *)buf;
	must(len > sizeof(h->ehdr) && !memcmp(h->ehdr.e_ident, ELFMAG, SELFMAG), "no ELF file");
	p = (const void *)(buf + be64toh(h->ehdr.e_phoff));
	for (i = 0; i < be16toh(h->ehdr.e_phnum); i++)
		if (be32toh(p[i].p_type) == PT_LOAD)
			break;
	check(i < be16toh(h->ehdr.e_phnum) && be64toh(p[i].p_filesz) == plain_len &&
	      be64toh(p[i].p_offset) + plain_len <= len &&
	      !memcmp(buf + be64toh(p[i].p_offset), plain, plain_len),
	      "%s: zgetdump makes of it what the guest had", name);
	free(buf);
	free(plain);
	return finish_checks();
}

int main(int argc, char **argv)
{
	static const char * const files[] = { "file.elf", "hard.elf", "high.elf", "gap.elf",
					      "notes.elf" };
	char tmp[] = "/tmp/dump-check.XXXXXX";
	bool keep = argc > 1;
	unsigned int i;

	if (!keep)
		must(mkdtemp(tmp), "no directory");
	snprintf(dir, sizeof(dir), "%s", keep ? argv[1] : tmp);
	if (argc > 2)
		return compare(argv[2]);
	default_signals();
	check_file(keep);
	check_hard_way(keep);
	check_ranges(keep);
	check_notes(keep);
	check_streams(keep);
	check_resumed_stream();
	check_callback();
	check_terabyte();
	fake_end();
	for (i = 0; !keep && i < ARRAY_SIZE(files); i++)
		remove_file(files[i]);
	if (!keep)
		rmdir(dir);
	return finish_checks();
}
