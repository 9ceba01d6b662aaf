// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * The ELF core file that zgetdump decrypts: one note segment, one segment of
 * memory, a section with the memory's metadata and one with the completion data.
 * Everything is big endian and every size is known in advance. Used by pvwrite.c;
 * writes nothing itself.
 */
#include "pvint.h"

#include <assert.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

/*
 * The notes of one vcpu. KVM has no registers of a protected vcpu, so those of
 * the plain notes are zero; tools expect the notes to be there all the same.
 * Numbers, as the C library's <elf.h> may not have all of them.
 */
static const struct {
	uint32_t type;
	uint32_t name_len;
	const char *name;
	uint32_t len;
} vcpu_notes[] = {
	{ 1,		5, "CORE",  336 },	/* NT_PRSTATUS */
	{ 2,		5, "CORE",  136 },	/* NT_PRFPREG */
	{ 0x305,	6, "LINUX", 4 },	/* NT_S390_PREFIX */
	{ 0x304,	6, "LINUX", 128 },	/* NT_S390_CTRS */
	{ 0x301,	6, "LINUX", 8 },	/* NT_S390_TIMER */
	{ 0x302,	6, "LINUX", 8 },	/* NT_S390_TODCMP */
	{ 0x303,	6, "LINUX", 4 },	/* NT_S390_TODPREG */
	{ 0x309,	6, "LINUX", 128 },	/* NT_S390_VXRS_LOW */
	{ 0x30a,	6, "LINUX", 256 },	/* NT_S390_VXRS_HIGH */
	{ 0x30b,	6, "LINUX", 32 },	/* NT_S390_GS_CB */
};

#define NOTE_PRSTATUS		1
#define NOTE_PV_CPU_DATA	0x30e

/* The section names stand in cells of 12 bytes, as VMMs write them */
static const char strtab[35] = "\0pv_mem_meta\0pv_compl\0\0\0\0.shstrtab";

struct head {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdrs[4];
	Elf64_Phdr phdrs[2];
};

static_assert(sizeof(struct head) == 432, "ELF headers");

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t note_size(uint32_t name_len, uint64_t len)
{
	return sizeof(Elf64_Nhdr) + round_up(name_len, 4) + round_up(len, 4);
}

static const struct pv_note *callers_note(const struct pvdump *pd, int vcpu, uint32_t type,
					  const char *name)
{
	unsigned int i;

	for (i = 0; i < pd->num_notes; i++)
		if (pd->notes[i].vcpu == vcpu && pd->notes[i].type == type &&
		    !strcmp(pd->notes[i].name, name))
			return &pd->notes[i];
	return NULL;
}

/* Does the note stand in the place of one that is written anyway? */
static bool replaces(const struct pvdump *pd, const struct pv_note *note)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vcpu_notes); i++)
		if (callers_note(pd, note->vcpu, vcpu_notes[i].type, vcpu_notes[i].name) == note)
			return true;
	return false;
}

static char *put_note(char *p, const char *name, uint32_t name_len, uint32_t type,
		      const void *desc, uint64_t len)
{
	Elf64_Nhdr n = {
		.n_namesz = htobe32(name_len),
		.n_descsz = htobe32(len),
		.n_type = htobe32(type),
	};

	memcpy(p, &n, sizeof(n));
	memcpy(p + sizeof(n), name, name_len);
	if (desc && len)
		memcpy(p + sizeof(n) + round_up(name_len, 4), desc, len);
	return p + note_size(name_len, len);
}

/* Bytes of the notes of a vcpu */
uint64_t pv_vcpu_notes_size(const struct pvdump *pd, unsigned int vcpu)
{
	uint64_t size = note_size(6, pd->len.cpu);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vcpu_notes); i++) {
		const struct pv_note *n = callers_note(pd, vcpu, vcpu_notes[i].type,
						       vcpu_notes[i].name);

		size += note_size(vcpu_notes[i].name_len, n ? n->len : vcpu_notes[i].len);
	}
	for (i = 0; i < pd->num_notes; i++) {
		const struct pv_note *n = &pd->notes[i];

		if (n->vcpu == (int)vcpu && !replaces(pd, n))
			size += note_size(n->name_len, n->len);
	}
	return size;
}

/* The notes of a vcpu, @buf has room for them; gets its registers from KVM */
int pv_vcpu_notes(struct pvdump *pd, unsigned int vcpu, char *buf)
{
	uint32_t pid = htobe32(vcpu + 1);
	char *p = buf;
	unsigned int i;
	int ret;

	memset(buf, 0, pv_vcpu_notes_size(pd, vcpu));
	for (i = 0; i < ARRAY_SIZE(vcpu_notes); i++) {
		const struct pv_note *n = callers_note(pd, vcpu, vcpu_notes[i].type,
						       vcpu_notes[i].name);

		/* tools tell the CPUs apart by the process id */
		if (!n && vcpu_notes[i].type == NOTE_PRSTATUS)
			memcpy(p + note_size(vcpu_notes[i].name_len, 0) + 32, &pid, sizeof(pid));
		p = put_note(p, vcpu_notes[i].name, vcpu_notes[i].name_len, vcpu_notes[i].type,
			     n ? n->desc : NULL, n ? n->len : vcpu_notes[i].len);
	}
	ret = pvdump_cpu(pd, pd->vcpus[vcpu], p + note_size(6, 0), pd->len.cpu);
	if (ret) {
		pv_append(pd, " (CPU %u)", vcpu);
		return ret;
	}
	p = put_note(p, "LINUX", 6, NOTE_PV_CPU_DATA, NULL, pd->len.cpu);
	for (i = 0; i < pd->num_notes; i++) {
		const struct pv_note *n = &pd->notes[i];

		if (n->vcpu == (int)vcpu && !replaces(pd, n))
			p = put_note(p, n->name, n->name_len, n->type, n->desc, n->len);
	}
	return 0;
}

/* Bytes of the notes about the VM, which stand behind those of the vcpus */
uint64_t pv_vm_notes_size(const struct pvdump *pd)
{
	uint64_t size = 0;
	unsigned int i;

	for (i = 0; i < pd->num_notes; i++)
		if (pd->notes[i].vcpu < 0)
			size += note_size(pd->notes[i].name_len, pd->notes[i].len);
	return size;
}

/* The notes about the VM, @buf has room for them */
void pv_vm_notes(const struct pvdump *pd, char *buf)
{
	unsigned int i;

	memset(buf, 0, pv_vm_notes_size(pd));
	for (i = 0; i < pd->num_notes; i++) {
		const struct pv_note *n = &pd->notes[i];

		if (n->vcpu < 0)
			buf = put_note(buf, n->name, n->name_len, n->type, n->desc, n->len);
	}
}

/*
 * Where everything will stand. The memory begins at a page of the file, so that
 * what is zero can be a hole in it.
 */
int pv_layout(struct pvdump *pd, struct pv_layout *l)
{
	const struct pv_range *last;
	unsigned int i;
	int ret;

	if (!pd->num_ranges)
		return pv_fail(pd, EINVAL, "", "a VM without memory cannot be dumped");
	if (!pd->num_vcpus)
		return pv_fail(pd, EINVAL, "", "a VM without vcpus cannot be dumped");
	for (i = 0; i < pd->num_ranges; i++)
		if (!pd->ranges[i].host && !pd->read)
			return pv_fail_at(pd, EINVAL, "", pd->ranges[i].gaddr,
					  "guest memory at 0x%llx is not mapped, and there is nothing to read it with",
					  (unsigned long long)pd->ranges[i].gaddr);
	ret = pv_need_lengths(pd);
	if (ret)
		return ret;
	if (pd->len.state != PV_STATE_LEN)
		return pv_fail(pd, EPROTO, "KVM_PV_INFO",
			       "the Ultravisor has %llu bytes of metadata for each MiB of memory, but zgetdump only knows %llu",
			       (unsigned long long)pd->len.state,
			       (unsigned long long)PV_STATE_LEN);
	memset(l, 0, sizeof(*l));
	last = &pd->ranges[pd->num_ranges - 1];
	l->gaddr = pd->ranges[0].gaddr;
	l->memory_size = last->gaddr + last->size - l->gaddr;
	/* file offsets are signed, and there are the other parts, too */
	if (l->memory_size >= 1ULL << 62)
		return pv_fail(pd, EFBIG, "",
			       "guest memory from 0x%llx to 0x%llx is more than a file can have",
			       (unsigned long long)l->gaddr,
			       (unsigned long long)(l->gaddr + l->memory_size));
	l->notes = sizeof(struct head);
	for (i = 0; i < pd->num_vcpus; i++) {
		uint64_t size = pv_vcpu_notes_size(pd, i);

		l->notes_size += size;
		if (size > l->vcpu_notes_max)
			l->vcpu_notes_max = size;
	}
	l->notes_size += pv_vm_notes_size(pd);
	l->memory = round_up(l->notes + l->notes_size, PV_PAGE);
	l->meta = l->memory + l->memory_size;
	l->meta_size = l->memory_size / PV_MIB * PV_STATE_LEN;
	l->complete = l->meta + l->meta_size;
	l->strtab = l->complete + pd->len.complete;
	l->size = l->strtab + sizeof(strtab);
	return 0;
}

static void fill_section(Elf64_Shdr *shdr, uint32_t name, uint32_t type, uint64_t offset,
			 uint64_t size)
{
	shdr->sh_name = htobe32(name);
	shdr->sh_type = htobe32(type);
	shdr->sh_offset = htobe64(offset);
	shdr->sh_size = htobe64(size);
}

static void fill_segment(Elf64_Phdr *phdr, uint32_t type, uint64_t offset, uint64_t size,
			 uint64_t gaddr)
{
	phdr->p_type = htobe32(type);
	phdr->p_offset = htobe64(offset);
	phdr->p_filesz = htobe64(size);
	phdr->p_memsz = htobe64(size);
	phdr->p_vaddr = htobe64(gaddr);
	phdr->p_paddr = htobe64(gaddr);
}

uint64_t pv_head_size(void)
{
	return sizeof(struct head);
}

/* The headers, @buf has room for pv_head_size() bytes */
void pv_head(const struct pvdump *pd, const struct pv_layout *l, char *buf)
{
	struct head h;
	Elf64_Ehdr *e = &h.ehdr;

	memset(&h, 0, sizeof(h));
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2MSB;
	e->e_ident[EI_VERSION] = EV_CURRENT;
	e->e_type = htobe16(ET_CORE);
	e->e_machine = htobe16(EM_S390);
	e->e_version = htobe32(EV_CURRENT);
	e->e_shoff = htobe64(offsetof(struct head, shdrs));
	e->e_phoff = htobe64(offsetof(struct head, phdrs));
	e->e_ehsize = htobe16(sizeof(h.ehdr));
	e->e_phentsize = htobe16(sizeof(h.phdrs[0]));
	e->e_phnum = htobe16(ARRAY_SIZE(h.phdrs));
	e->e_shentsize = htobe16(sizeof(h.shdrs[0]));
	e->e_shnum = htobe16(ARRAY_SIZE(h.shdrs));
	e->e_shstrndx = htobe16(3);

	fill_section(&h.shdrs[1], 1, SHT_PROGBITS, l->meta, l->meta_size);
	fill_section(&h.shdrs[2], 13, SHT_PROGBITS, l->complete, pd->len.complete);
	fill_section(&h.shdrs[3], 25, SHT_STRTAB, l->strtab, sizeof(strtab));
	fill_segment(&h.phdrs[0], PT_NOTE, l->notes, l->notes_size, 0);
	fill_segment(&h.phdrs[1], PT_LOAD, l->memory, l->memory_size, l->gaddr);
	memcpy(buf, &h, sizeof(h));
}

const char *pv_strtab(uint64_t *size)
{
	*size = sizeof(strtab);
	return strtab;
}
