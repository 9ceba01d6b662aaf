// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* What the tests of whole dumps share, see dumptest.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "check.h"
#include "dumptest.h"

char dir[200];

/* --- a disk that is as full as a test wants it ------------------------------ */

struct fake_disk disk;

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

void good_disk(void)
{
	memset(&disk, 0, sizeof(disk));
	disk.pwrite_room = UINT64_MAX;
}

/* --- files ------------------------------------------------------------------ */

int new_file(const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
	must(fd >= 0, "cannot create '%s': %s", path, strerror(errno));
	return fd;
}

void remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

void rewind_file(int fd)
{
	must(!ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET), "truncate");
}

uint8_t *read_fd(int fd, size_t *len)
{
	struct stat st;
	uint8_t *buf;

	must(!fstat(fd, &st), "fstat: %s", strerror(errno));
	*len = st.st_size;
	buf = malloc(*len + 1);
	must(buf && pread(fd, buf, *len, 0) == (ssize_t)*len, "cannot read the file");
	return buf;
}

uint8_t *read_file(const char *name, size_t *len)
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

void save(const char *name, const void *buf, size_t len)
{
	int fd = new_file(name, 0);

	must(write(fd, buf, len) == (ssize_t)len, "cannot write '%s'", name);
	close(fd);
}

/* --- a VM to dump ----------------------------------------------------------- */

/* A handle of all of the fake VM, read through its mapping */
struct pvdump *whole_vm(int fd)
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

const char *text(const struct pvdump *pd)
{
	return pvdump_last_error(pd)->text;
}

/* The right end of every failure: the dump is over, the VM runs */
bool ended(const struct pvdump *pd)
{
	return !uv.dumping && !uv.bad && !pvdump_active(pd);
}

bool find_parts(const uint8_t *buf, size_t len, struct parts *p)
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
const uint8_t *find_note(const struct parts *p, const char *name, uint32_t type, unsigned int n,
			 uint32_t *len)
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
bool page_right(const struct parts *p, uint64_t page)
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
bool file_right(const uint8_t *buf, size_t len)
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

bool fd_right(int fd)
{
	size_t len;
	uint8_t *buf = read_fd(fd, &len);
	bool ok = file_right(buf, len);

	free(buf);
	return ok;
}

/* --- a dump that is watched and stopped --------------------------------------- */

struct dump_seen seen;

int on_progress(void *opaque, const struct pvdump_progress *p)
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

void *cancel_later(void *arg)
{
	usleep(300000);
	pvdump_cancel(arg);
	return NULL;
}

