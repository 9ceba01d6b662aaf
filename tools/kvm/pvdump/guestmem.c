// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* Memory of a guest in a file, see guestmem.h */
#include <elf.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "guestmem.h"

/* far beyond any guest, and far from an overflow */
#define ADDR_MAX	0x100000000000000ULL

/* What people have instead, by how it begins */
static const struct {
	const char *magic;
	size_t len;
	const char *what;
	const char *hint;
} others[] = {
	{ "KDUMP   ", 8, "a kdump-compressed dump", "as an ELF core, of makedumpfile -E" },
	{ "DISKDUMP", 8, "a compressed dump (diskdump)", "as an ELF core" },
	{ "makedumpfile\0\0\0\0", 16, "a flattened dump (makedumpfile, QEMU's kdump formats)",
	  "as an ELF core: of makedumpfile -E, of QEMU's dump-guest-memory without -z, -l and -s" },
	{ "\xa8\x19\x01\x73\x61\x8f\x23\xfd", 8, "an s390 dump of a stand-alone dump tool",
	  "as an ELF core: zgetdump -f elf" },
	{ "\xa8\x19\x01\x73\x61\x8f\x23\xed", 8, "an LKCD dump", "as an ELF core" },
	{ "\x1f\x8b\x08", 3, "compressed (gzip)", "decompressed" },
	{ "\3757zXZ\0", 6, "compressed (xz)", "decompressed" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed (zstd)", "decompressed" },
	{ "BZh", 3, "compressed (bzip2)", "decompressed" },
	{ "\x04\x22\x4d\x18", 4, "compressed (lz4)", "decompressed" },
	{ "\x89LZO\0\r\n", 7, "compressed (lzop)", "decompressed" },
	{ "]\0\0", 3, "compressed (lzma)", "decompressed" },
	{ "PK\3\4", 4, "an archive (zip)", "unpacked" },
	{ "QEVM", 4, "a saved state of QEMU", "as an ELF core, of dump-guest-memory" },
	{ "LibvirtQemudSave", 16, "a saved state of libvirt",
	  "as an ELF core, of virsh dump --memory-only" },
	{ "LibvirtQemudPart", 16, "a saved state of libvirt",
	  "as an ELF core, of virsh dump --memory-only" },
	{ "QFI\xfb", 4, "a disk image (qcow2)", "as an ELF core" },
};

static int refuse_others(const char *name, const char *head, struct error *e)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (!memcmp(head, others[i].magic, others[i].len))
			return fail(e,
				    "'%s' is %s: memory is needed as the guest has it, flat, or %s",
				    name, others[i].what, others[i].hint);
	return 0;
}

static int compare_segs(const void *a, const void *b)
{
	const struct guestmem_seg *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int add_seg(struct guestmem *g, const GElf_Phdr *p, size_t number, struct error *e)
{
	struct guestmem_seg *s = &g->seg[g->num];

	if (p->p_offset > g->in.size || p->p_filesz > g->in.size - p->p_offset)
		return fail(e,
			    "'%s' is truncated: segment %zu has 0x%llx bytes at 0x%llx, the file ends at 0x%llx",
			    g->in.name, number, (__u64)p->p_filesz, (__u64)p->p_offset,
			    g->in.size);
	if (p->p_type != PT_LOAD || !p->p_memsz)
		return 0;
	if (p->p_paddr > ADDR_MAX || p->p_memsz > ADDR_MAX - p->p_paddr ||
	    p->p_filesz > p->p_memsz)
		return fail(e, "'%s' is damaged: segment %zu has impossible addresses", g->in.name,
			    number);
	*s = (struct guestmem_seg){ p->p_paddr, p->p_memsz, p->p_offset, p->p_filesz };
	g->num++;
	return 0;
}

/* The sections of a dump that has not been decrypted are the only ones of cores */
static bool has_pv_sections(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name;

		if (!gelf_getshdr(scn, &shdr))
			continue;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (name && !strcmp(name, "pv_mem_meta"))
			return true;
	}
	return false;
}

static int open_elf(struct guestmem *g, struct error *e)
{
	const char *ident;
	GElf_Ehdr ehdr;
	GElf_Phdr p;
	size_t num, i;

	elf_version(EV_CURRENT);
	g->elf = elf_begin(g->in.fd, ELF_C_READ, NULL);
	if (!g->elf || elf_kind(g->elf) != ELF_K_ELF || !gelf_getehdr(g->elf, &ehdr))
		return fail(e, "'%s' is a damaged ELF file: %s", g->in.name, elf_errmsg(-1));
	ident = (const char *)ehdr.e_ident;
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2MSB ||
	    ehdr.e_type != ET_CORE || ehdr.e_machine != EM_S390)
		return fail(e, "'%s' is no s390x ELF core but another ELF file", g->in.name);
	if (elf_getphdrnum(g->elf, &num))
		return fail(e, "'%s' is a damaged ELF file: %s", g->in.name, elf_errmsg(-1));
	g->seg = calloc(num + 1, sizeof(*g->seg));
	if (!g->seg)
		return fail(e, "out of memory for %zu segments of '%s'", num, g->in.name);
	for (i = 0; i < num; i++) {
		if (!gelf_getphdr(g->elf, i, &p))
			return fail(e, "'%s' is truncated: it has no segment %zu", g->in.name, i);
		if (add_seg(g, &p, i, e))
			return -1;
	}
	if (!g->num)
		return fail(e, "'%s' has no memory in it", g->in.name);
	qsort(g->seg, g->num, sizeof(*g->seg), compare_segs);
	for (i = 1; i < g->num; i++)
		if (g->seg[i].addr - g->seg[i - 1].addr < g->seg[i - 1].memsz)
			return fail(e, "'%s' has the memory at 0x%llx twice", g->in.name,
				    g->seg[i].addr);
	g->size = g->seg[g->num - 1].addr + g->seg[g->num - 1].memsz;
	g->encrypted = has_pv_sections(g->elf);
	return 0;
}

int guestmem_open(struct guestmem *g, const char *name, struct error *e)
{
	char head[64] = "";

	memset(g, 0, sizeof(*g));
	if (input_open(&g->in, name, e))
		return -1;
	if (!g->in.size)
		return fail(e, "'%s' is empty", name);
	if (input_read_at(&g->in, 0, head, g->in.size < 64 ? g->in.size : 64, e))
		return -1;
	if (!memcmp(head, ELFMAG, SELFMAG))
		return open_elf(g, e);
	if (refuse_others(name, head, e))
		return -1;
	g->seg = calloc(1, sizeof(*g->seg));
	if (!g->seg)
		return fail(e, "out of memory");
	g->size = g->in.size;
	g->num = 1;
	*g->seg = (struct guestmem_seg){ 0, g->size, 0, g->size };
	return 0;
}

/* The first segment that ends above @addr, or NULL */
static const struct guestmem_seg *seg_above(const struct guestmem *g, __u64 addr)
{
	size_t low = 0, high = g->num;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (g->seg[mid].addr + g->seg[mid].memsz > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low < g->num ? &g->seg[low] : NULL;
}

int guestmem_read(const struct guestmem *g, __u64 addr, void *buf, size_t len, struct error *e)
{
	while (len) {
		const struct guestmem_seg *s = seg_above(g, addr);
		__u64 off, n = len;
		bool data = false;

		if (s && addr < s->addr) {
			n = s->addr - addr;
		} else if (s) {
			off = addr - s->addr;
			data = off < s->filesz;
			n = (data ? s->filesz : s->memsz) - off;
		}
		if (n > len)
			n = len;
		if (!data)
			memset(buf, 0, n);
		else if (input_read_at(&g->in, s->offset + off, buf, n, e))
			return -1;
		buf = (char *)buf + n;
		addr += n;
		len -= n;
	}
	return 0;
}

__u64 guestmem_data(const struct guestmem *g, __u64 addr)
{
	const struct guestmem_seg *s;
	__u64 at, off;

	while ((s = seg_above(g, addr))) {
		if (addr < s->addr)
			addr = s->addr;
		off = addr - s->addr;
		if (off < s->filesz) {
			at = input_data(&g->in, s->offset + off) - s->offset;
			if (at < s->filesz)
				return s->addr + at;
		}
		addr = s->addr + s->memsz;
	}
	return g->size;
}

__u64 guestmem_gap(const struct guestmem *g)
{
	__u64 addr = 0;
	size_t i;

	for (i = 0; i < g->num && g->seg[i].addr == addr; i++)
		addr += g->seg[i].memsz;
	return addr;
}

void guestmem_close(struct guestmem *g)
{
	if (g->elf)
		elf_end(g->elf);
	free(g->seg);
	input_close(&g->in);
	memset(g, 0, sizeof(*g));
	g->in.fd = -1;
}
