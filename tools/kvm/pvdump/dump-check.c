// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of whole dumps by libpvdump: what is in the file, what went wrong on the
 * way to it, what is left then. The commands have their own, proto-check.c.
 *
 * dump-check DIR leaves dumps in DIR as NAME.elf, for zgetdump to decrypt, with
 * NAME.plain, what they must decrypt to, and cck.bin, the key.
 * dump-check DIR NAME compares NAME.decrypted, which zgetdump has made.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fakeuv.h"
#include "libpvdump.h"

#define MIB	FAKE_MIB
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define DUMP_CPU 3		/* subcommands, indices of uv.calls */
#define DUMP_COMPLETE 2

static char dir[200];

/* --- a disk that is as full as a test wants it ------------------------------ */

static struct {
	uint64_t pwrite_room;		/* bytes, then ENOSPC */
	uint64_t statvfs_room;		/* free, in bytes; 0: do not lie */
	int fallocate_err;
	uint64_t fallocated;
} disk;

typeof(pwrite) __real_pwrite, __wrap_pwrite;
typeof(fallocate) __real_fallocate, __wrap_fallocate;
typeof(fstatvfs) __real_fstatvfs, __wrap_fstatvfs;

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (len > disk.pwrite_room)
		len = disk.pwrite_room;
	if (!len) {
		errno = ENOSPC;
		return -1;
	}
	disk.pwrite_room -= len;
	return __real_pwrite(fd, buf, len, at);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	if (disk.fallocate_err) {
		errno = disk.fallocate_err;
		if (errno == EINTR)
			disk.fallocate_err = 0;
		return -1;
	}
	disk.fallocated += len;
	return __real_fallocate(fd, mode, at, len);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
	int ret = __real_fstatvfs(fd, fs);

	if (disk.statvfs_room) {
		fs->f_frsize = 1024;
		fs->f_bavail = disk.statvfs_room / 1024;
	}
	return ret;
}

static void good_disk(void)
{
	memset(&disk, 0, sizeof(disk));
	disk.pwrite_room = UINT64_MAX;
}

/* --- files ------------------------------------------------------------------ */

static int new_file(const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
	must(fd >= 0, "cannot create '%s': %s", path, strerror(errno));
	return fd;
}

static void remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void rewind_file(int fd)
{
	must(!ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET), "truncate");
}

static uint8_t *read_fd(int fd, size_t *len)
{
	struct stat st;
	uint8_t *buf;

	must(!fstat(fd, &st), "fstat: %s", strerror(errno));
	*len = st.st_size;
	buf = malloc(*len + 1);
	must(buf && pread(fd, buf, *len, 0) == (ssize_t)*len, "cannot read the file");
	return buf;
}

static uint8_t *read_file(const char *name, size_t *len)
{
	char path[256];
	uint8_t *buf;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "cannot open '%s': %s", path, strerror(errno));
	buf = read_fd(fd, len);
	close(fd);
	return buf;
}

static void save(const char *name, const void *buf, size_t len)
{
	int fd = new_file(name, 0);

	must(write(fd, buf, len) == (ssize_t)len, "cannot write '%s'", name);
	close(fd);
}

/* --- a VM to dump ----------------------------------------------------------- */

/* A handle of all of the fake VM, read through its mapping */
static struct pvdump *whole_vm(int fd)
{
	struct pvdump *pd;
	unsigned int i;

	good_disk();
	must(!pvdump_new(&pd, FAKE_VM), "no handle");
	must(!pvdump_add_memory(pd, uv.gaddr, uv.mib * MIB, uv.memory), "memory");
	for (i = 0; i < FAKE_CPUS; i++)
		must(pvdump_add_vcpu(pd, FAKE_VCPU + i) == (int)i, "vcpu");
	pvdump_set_fd(pd, fd);
	return pd;
}

static const char *text(const struct pvdump *pd)
{
	return pvdump_last_error(pd)->text;
}

/* The right end of every failure: the dump is over, the VM runs */
static bool ended(const struct pvdump *pd)
{
	return !uv.dumping && !uv.bad && !pvdump_active(pd);
}

struct parts {
	const uint8_t *notes, *memory, *meta, *complete;
	uint64_t notes_len, memory_len, meta_len, gaddr, memory_at;
};

struct file_head {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdrs[4];
	Elf64_Phdr phdrs[2];
};

static bool find_parts(const uint8_t *buf, size_t len, struct parts *p)
{
	const struct file_head *h = (const void *)buf;
	const char *names;

	if (len < sizeof(*h) || memcmp(h->ehdr.e_ident, ELFMAG, SELFMAG) ||
	    be16toh(h->ehdr.e_machine) != EM_S390 || be16toh(h->ehdr.e_phnum) != 2 ||
	    be16toh(h->ehdr.e_shnum) != 4 || be64toh(h->ehdr.e_shoff) != 64 ||
	    be64toh(h->ehdr.e_phoff) != 320 || be16toh(h->ehdr.e_shstrndx) != 3)
		return false;
	names = (const char *)buf + be64toh(h->shdrs[3].sh_offset);
	if (be64toh(h->shdrs[3].sh_offset) + 35 != len || be64toh(h->shdrs[3].sh_size) != 35 ||
	    strcmp(names + be32toh(h->shdrs[1].sh_name), "pv_mem_meta") ||
	    strcmp(names + be32toh(h->shdrs[2].sh_name), "pv_compl") ||
	    strcmp(names + be32toh(h->shdrs[3].sh_name), ".shstrtab") ||
	    be32toh(h->phdrs[0].p_type) != PT_NOTE || be32toh(h->phdrs[1].p_type) != PT_LOAD)
		return false;
	p->notes = buf + be64toh(h->phdrs[0].p_offset);
	p->notes_len = be64toh(h->phdrs[0].p_filesz);
	p->memory_at = be64toh(h->phdrs[1].p_offset);
	p->memory = buf + p->memory_at;
	p->memory_len = be64toh(h->phdrs[1].p_filesz);
	p->gaddr = be64toh(h->phdrs[1].p_paddr);
	p->meta = buf + be64toh(h->shdrs[1].sh_offset);
	p->meta_len = be64toh(h->shdrs[1].sh_size);
	p->complete = buf + be64toh(h->shdrs[2].sh_offset);
	return p->memory_at % 4096 == 0 && p->memory + p->memory_len == p->meta &&
	       p->meta + p->meta_len == p->complete &&
	       be64toh(h->phdrs[1].p_memsz) == p->memory_len;
}

/* The n-th note of a name and type */
static const uint8_t *find_note(const struct parts *p, const char *name, uint32_t type,
				unsigned int n, uint32_t *len)
{
	const uint8_t *at = p->notes, *end = at + p->notes_len;

	while (at < end) {
		Elf64_Nhdr h;
		const uint8_t *desc;
		uint32_t name_len;

		memcpy(&h, at, sizeof(h));
		name_len = be32toh(h.n_namesz);
		*len = be32toh(h.n_descsz);
		desc = at + sizeof(h) + (name_len + 3) / 4 * 4;
		if (be32toh(h.n_type) == type &&
		    !strcmp((const char *)at + sizeof(h), name) && !n--)
			return desc;
		at = desc + (*len + 3) / 4 * 4;
	}
	return NULL;
}

/* Is a page of memory in the file what it should be? */
static bool page_right(const struct parts *p, uint64_t page)
{
	const uint8_t *entry = p->meta + page * 16, *data = p->memory + page * FAKE_PAGE;
	uint8_t plain[FAKE_PAGE], zero[FAKE_PAGE] = { 0 };
	uint64_t component;

	switch (fake_kind(page)) {
	case FAKE_ZERO:
		return entry[0] == 0xff && entry[15] == 1 && !memcmp(data, zero, FAKE_PAGE);
	case FAKE_SHARED:
		return entry[0] == 0xff && entry[15] == 6 &&
		       !memcmp(data, uv.plain + page * FAKE_PAGE, FAKE_PAGE);
	default:
		memcpy(&component, entry + 8, 8);
		return !entry[0] && fake_xts(false, be64toh(component), data, plain) &&
		       !memcmp(plain, uv.plain + page * FAKE_PAGE, FAKE_PAGE);
	}
}

/* Everything in the file, down to what it decrypts to */
static bool file_right(const uint8_t *buf, size_t len)
{
	uint8_t out[FAKE_REGS], tag[16];
	struct parts p;
	uint64_t i;
	bool ok;

	ok = find_parts(buf, len, &p) && p.gaddr == uv.gaddr && p.memory_len == uv.mib * MIB &&
	     p.meta_len == uv.mib * FAKE_LEN;
	for (i = 0; ok && i < uv.mib * 256; i++)
		ok = page_right(&p, i);
	memcpy(tag, p.complete + 272, 16);
	ok = ok && fake_gcm(false, uv.dump_key, p.complete + 80, p.complete, 96, p.complete + 96,
			    176, out, tag);
	for (i = 0; ok && i < FAKE_CPUS; i++) {
		uint32_t n;
		const uint8_t *b = find_note(&p, "LINUX", 0x30e, i, &n);

		ok = b && n == uv.cpu_len;
		if (ok)
			memcpy(tag, b + 1552, 16);
		ok = ok && fake_gcm(false, uv.dump_key, b + 8, b, 32, b + 32, FAKE_REGS, out,
				    tag) && !memcmp(out, uv.regs[i], FAKE_REGS);
	}
	return ok;
}

static bool fd_right(int fd)
{
	size_t len;
	uint8_t *buf = read_fd(fd, &len);
	bool ok = file_right(buf, len);

	free(buf);
	return ok;
}

/* --- files that are right --------------------------------------------------- */

static struct {
	uint64_t done, total, written, calls;
	bool fell;
	uint64_t cancel_at;
	struct pvdump *cancel;
} seen;

static int on_progress(void *opaque, const struct pvdump_progress *p)
{
	(void)opaque;
	seen.calls++;
	if (p->done < seen.done || p->done > p->total || p->written < seen.written)
		seen.fell = true;
	seen.done = p->done;
	seen.total = p->total;
	seen.written = p->written;
	return seen.cancel_at && p->done >= seen.cancel_at;
}

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

static void *cancel_later(void *arg)
{
	usleep(300000);
	pvdump_cancel(arg);
	return NULL;
}

/* Stopped within the registers of a CPU, which would be encrypted anew */
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

/* --- what goes wrong -------------------------------------------------------- */

static void check_arguments(void)
{
	struct pvdump_sizes sizes;
	struct pvdump *pd;
	struct rlimit limit = { 4 * MIB, RLIM_INFINITY };
	int fd, fds[2];
	pid_t pid;
	int status;

	fake_start(0, 9);
	fd = new_file("args.elf", 0);
	pd = whole_vm(-1);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0], "%s", text(pd));
	pvdump_set_fd(pd, 999);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0], "%s", text(pd));
	must(!pipe(fds), "pipe");
	pvdump_set_fd(pd, fds[0]);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0] && strstr(text(pd), "reading only"), "%s",
	      text(pd));
	close(fds[0]);
	close(fds[1]);
	pvdump_set_fd(pd, fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, uv.memory), "memory");
	check(pvdump_write(pd) == -EINVAL && !uv.calls[0] && strstr(text(pd), "without vcpus"),
	      "%s", text(pd));
	must(!pvdump_add_vcpu(pd, FAKE_VCPU), "vcpu");
	pvdump_free(pd);

	/* nobody has asked for the lengths, and now they cannot be had */
	pd = whole_vm(fd);
	uv.info_err = EIO;
	check(pvdump_write(pd) == -EIO && !uv.calls[0], "lengths are not known: %s", text(pd));
	uv.info_err = 0;

	/* the caller's own dump is the caller's */
	must(!pvdump_init(pd), "INIT");
	check(pvdump_write(pd) == -EBUSY && uv.dumping && !uv.calls[DUMP_COMPLETE] &&
	      strstr(text(pd), "goes on"), "%s", text(pd));
	check(pvdump_measure(pd, &sizes) == -EBUSY && uv.dumping, "measure: %s", text(pd));
	check(!pvdump_abort(pd) && !pvdump_write(pd) && ended(pd) && fd_right(fd),
	      "and then it can dump");
	uv.refuse = 0x101;
	check(pvdump_write(pd) == -EPERM && uv.calls[DUMP_COMPLETE] == 2, "%s", text(pd));
	pvdump_free(pd);

	/* a limit on the size of files: known at once */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_FSIZE, &limit);
		rewind_file(fd);
		pd = whole_vm(fd);
		_exit(!(pvdump_write(pd) == -EFBIG && uv.calls[0] == 3 &&
			strstr(text(pd), "ulimit -f")));
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	check(WIFEXITED(status) && !WEXITSTATUS(status), "RLIMIT_FSIZE is too small (%d)", status);
	close(fd);
	remove_file("args.elf");
}

static pthread_t canceler;
static struct pvdump *to_cancel;

static void cancel_at_6(uint64_t mib)
{
	if (mib == 6)
		pvdump_cancel(to_cancel);
}

static rlim_t limit_at_6;

static void shrink_at_6(uint64_t mib)
{
	struct rlimit limit = { limit_at_6, RLIM_INFINITY };

	if (mib == 6)
		setrlimit(RLIMIT_FSIZE, &limit);
}

static int read_up_to_6(void *opaque, uint64_t gaddr, void *buf, size_t len)
{
	return gaddr >= 6 * MIB ? -EHWPOISON : fake_read(opaque, gaddr, buf, len);
}

static void check_failures(void)
{
	int fd = new_file("fail.elf", 0), ret, fds[2], status;
	struct pvdump *pd;
	uint8_t *memory;
	pid_t pid;

	fake_start(0, 9);
	uv.fail_at = 6;
	pd = whole_vm(fd);
	ret = pvdump_write(pd);
	check(ret == -EINVAL && ended(pd) && pvdump_last_error(pd)->rc == 0x1234 &&
	      strstr(text(pd), "0x600000") && uv.calls[DUMP_COMPLETE] == 1, "metadata: %s",
	      text(pd));
	uv.fail_at = -1;
	uv.cpu_fails = 0x21;
	ret = pvdump_write(pd);
	check(ret == -EINVAL && ended(pd) && strstr(text(pd), "(CPU 0)"), "registers: %s",
	      text(pd));
	uv.cpu_fails = 0;
	uv.complete_fails = 0x1234;
	ret = pvdump_write(pd);
	check(ret == -EINVAL && uv.dumping && uv.calls[DUMP_COMPLETE] == 4 && !uv.bad &&
	      strstr(text(pd), "could not be ended"), "completion: %s", text(pd));
	uv.complete_fails = 0;
	check(!pvdump_abort(pd) && ended(pd), "ended at last");

	/* canceled by callback, by another thread, while it waits for a reader */
	memset(&seen, 0, sizeof(seen));
	seen.cancel_at = 8 * MIB;
	pvdump_set_progress(pd, on_progress, NULL);
	check(pvdump_write(pd) == -ECANCELED && ended(pd) && seen.done == 8 * MIB,
	      "canceled by callback: %s", text(pd));
	pvdump_set_progress(pd, NULL, NULL);
	uv.on_state = cancel_at_6;
	to_cancel = pd;
	check(pvdump_write(pd) == -ECANCELED && ended(pd), "canceled: %s", text(pd));
	uv.on_state = NULL;
	must(!pipe2(fds, O_NONBLOCK), "pipe");
	pvdump_set_fd(pd, fds[1]);
	must(!pthread_create(&canceler, NULL, cancel_later, pd), "no thread");
	check(pvdump_write(pd) == -ECANCELED && ended(pd), "canceled while nobody reads");
	pthread_join(canceler, NULL);
	close(fds[0]);
	close(fds[1]);
	pvdump_free(pd);

	/* guest memory that cannot be read, mapped or by callback */
	fake_start(0, 9);
	memory = mmap(NULL, 9 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "mmap");
	memcpy(memory, uv.memory, 9 * MIB);
	must(!mprotect(memory + 0x1e1000, 4096, PROT_NONE), "mprotect");
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, memory) && !pvdump_add_vcpu(pd, FAKE_VCPU), "VM");
	must(fake_kind(0x1e1) != FAKE_ZERO, "zero page");
	rewind_file(fd);
	ret = pvdump_write(pd);
	check(ret == -EFAULT && ended(pd) && pvdump_last_error(pd)->gaddr == 0x1e1000 &&
	      strstr(text(pd), "guest address 0x1e1000"), "unreadable: %s", text(pd));
	munmap(memory, 9 * MIB);
	pvdump_free(pd);
	close(fd);

	/* by callback: what it returns */
	fd = new_file("fail.elf", 0);
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, NULL) && !pvdump_add_vcpu(pd, FAKE_VCPU), "VM");
	pvdump_set_reader(pd, read_up_to_6, NULL);
	ret = pvdump_write(pd);
	check(ret == -EHWPOISON && ended(pd) && pvdump_last_error(pd)->gaddr == 6 * MIB + FAKE_PAGE,
	      "unreadable: %s", text(pd));
	pvdump_free(pd);
	close(fd);

	fake_start(0, 9);
	fd = open("/dev/full", O_WRONLY);
	pd = whole_vm(fd);
	check(pvdump_write(pd) == -ENOSPC && ended(pd), "disk full: %s", text(pd));
	pvdump_free(pd);
	close(fd);

	/* the limit comes when the dump is half done; would kill if it were not caught */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		fake_start(0, 9);
		fd = new_file("fail.elf", 0);
		pd = whole_vm(fd);
		limit_at_6 = 5 * MIB;
		uv.on_state = shrink_at_6;
		ret = pvdump_write(pd);
		_exit(!(ret == -EFBIG && ended(pd)));
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	check(WIFEXITED(status) && !WEXITSTATUS(status), "RLIMIT_FSIZE sinks meanwhile (%d)",
	      status);
	remove_file("fail.elf");
}

static void check_room(void)
{
	int fd = new_file("room.elf", 0);
	struct pvdump *pd;
	struct stat st;
	uint8_t *buf;
	size_t len;

	fake_start(0, 9);
	pd = whole_vm(fd);
	disk.statvfs_room = 2 * MIB;
	check(pvdump_write(pd) == -ENOSPC && ended(pd) && !uv.calls[DUMP_CPU] &&
	      strstr(text(pd), "2048 KiB"), "too little room is known at once: %s", text(pd));
	disk.statvfs_room = 6 * MIB;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "less than the memory, but enough");
	disk.statvfs_room = 0;
	rewind_file(fd);
	disk.fallocate_err = ENOSPC;
	memset(uv.calls, 0, sizeof(uv.calls));
	check(pvdump_write(pd) == -ENOSPC && !uv.calls[0] && strstr(text(pd), "reserve"),
	      "no room for the metadata: %s", text(pd));
	disk.fallocate_err = EOPNOTSUPP;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "a file system that cannot reserve");
	disk.fallocate_err = EINTR;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "interrupted in fallocate()");

	/* the disk fills up; room is made, and it goes on */
	pvdump_set_resumable(pd, 1);
	rewind_file(fd);
	disk.pwrite_room = 3 * MIB + 123;
	check(pvdump_write(pd) == -ENOSPC && uv.dumping && pvdump_active(pd), "disk full: %s",
	      text(pd));
	check(pvdump_write(pd) == -EBUSY && uv.dumping, "%s", text(pd));
	check(pvdump_resume(pd) == -ENOSPC && uv.dumping, "still full");
	check(pvdump_add_memory(pd, 1ULL << 40, MIB, uv.memory) == -EBUSY &&
	      pvdump_add_vcpu(pd, 7) == -EBUSY && pvdump_add_note(pd, "X", 1, "", 0) == -EBUSY,
	      "not now: %s", text(pd));
	disk.pwrite_room = UINT64_MAX;
	check(!pvdump_resume(pd) && ended(pd) && fd_right(fd), "resumed when there was room");
	/* and where it is the CPUs, which cannot be had twice, and the completion data */
	rewind_file(fd);
	disk.pwrite_room = 500;
	check(pvdump_write(pd) == -ENOSPC, "disk full: %s", text(pd));
	disk.pwrite_room = UINT64_MAX;
	check(!pvdump_resume(pd) && ended(pd) && fd_right(fd), "resumed within the registers");
	rewind_file(fd);
	disk.pwrite_room = 1000;
	check(pvdump_write(pd) == -ENOSPC && !pvdump_abort(pd) && ended(pd) &&
	      pvdump_resume(pd) == -EINVAL, "given up");
	pvdump_free(pd);
	good_disk();

	/* behind something else, and where something is behind */
	must(!ftruncate(fd, 0) && pwrite(fd, "head", 4, 0) == 4 &&
	     lseek(fd, 4096, SEEK_SET) == 4096, "file");
	pd = whole_vm(fd);
	check(!pvdump_write(pd) && !fstat(fd, &st) && st.st_blocks * 512 < 7 * (off_t)MIB,
	      "behind a header of the caller's");
	buf = read_fd(fd, &len);
	check(!memcmp(buf, "head", 4) && len > 4096 && file_right(buf + 4096, len - 4096),
	      "which is still there, and the dump is right");
	memset(buf, 0xbb, len);
	must(pwrite(fd, buf, len - 4096, 0) == (ssize_t)len - 4096 && !ftruncate(fd, len - 4096) &&
	     !lseek(fd, 0, SEEK_SET), "fill");
	free(buf);
	check(!pvdump_write(pd) && fd_right(fd), "over old data: no holes that would show it");
	pvdump_free(pd);
	close(fd);
	remove_file("room.elf");
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
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	check_file(keep);
	check_hard_way(keep);
	check_ranges(keep);
	check_notes(keep);
	check_streams(keep);
	check_resumed_stream();
	check_callback();
	check_terabyte();
	check_arguments();
	check_failures();
	check_room();
	fake_end();
	for (i = 0; !keep && i < ARRAY_SIZE(files); i++)
		remove_file(files[i]);
	if (!keep)
		rmdir(dir);
	return finish_checks();
}
