// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* Registers of CPUs, in records and in notes; see cpuregs.h */
#include <elf.h>
#include <endian.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>

#include "cpuregs.h"

#define REC_KEEP_PSW		0x0001
#define PSW_MASK_WAIT_64BIT	0x0002000180000000ULL

/* Where a register stands in a record; @at is its offset in a dump's CPU block */
#define REC_AT(at)	(REC_HEAD + (at) - 32)

#ifndef NT_S390_GS_CB
#define NT_S390_GS_CB	0x30b
#endif

/*
 * The registers of a CPU block and their places in the notes of an ELF core.
 * @stride is the distance in the block; in the note they stand side by side.
 */
static const struct reg {
	const char *name;
	__u32 note;
	__u32 note_len;
	__u32 note_at;
	__u32 block_at;
	__u32 size;
	__u32 count;
	__u32 stride;
} regs[] = {
	{ "psw",       NT_PRSTATUS,       336, 112, 160,  8, 2,  8 },
	{ "gpr",       NT_PRSTATUS,       336, 128, 32,   8, 16, 8 },
	{ "acr",       NT_PRSTATUS,       336, 256, 224,  4, 16, 4 },
	{ "fpc",       NT_FPREGSET,       136, 0,   188,  4, 1,  4 },
	{ "fpr",       NT_FPREGSET,       136, 8,   416,  8, 16, 16 },
	{ "prefix",    NT_S390_PREFIX,    4,   0,   184,  4, 1,  4 },
	{ "cr",        NT_S390_CTRS,      128, 0,   288,  8, 16, 8 },
	{ "timer",     NT_S390_TIMER,     8,   0,   200,  8, 1,  8 },
	{ "todcmp",    NT_S390_TODCMP,    8,   0,   208,  8, 1,  8 },
	{ "todpreg",   NT_S390_TODPREG,   4,   0,   196,  4, 1,  4 },
	{ "vr-low",    NT_S390_VXRS_LOW,  128, 0,   424,  8, 16, 16 },
	{ "vr-high",   NT_S390_VXRS_HIGH, 256, 0,   672, 16, 16, 16 },
	{ "gs",        NT_S390_GS_CB,     32,  0,   1440, 8, 4,  8 },
};

#define NUM_REGS	ARRAY_SIZE(regs)
#define ALL_REGS	((1U << NUM_REGS) - 1)

/* The notes of a core on their way past; a CPU's begin with its NT_PRSTATUS */
struct visit {
	const struct guestmem *core;
	__u8 *recs;
	__u32 cpus;
	bool store;
	FILE *print;
	__u32 cpu;		/* how many have been seen */
	__u32 seen;		/* registers of the last of them */
};

static void put_u64(__u8 *at, __u64 value)
{
	value = htobe64(value);
	memcpy(at, &value, 8);
}

void cpuregs_fill(__u8 *rec, __u32 cpu)
{
	__u32 r, i, b, prefix;

	memset(rec, 0, REC_SIZE);
	rec[4] = cpu >> 8;
	rec[5] = cpu;
	rec[7] = REC_KEEP_PSW;
	for (r = 0; r < NUM_REGS; r++) {
		for (i = 0; i < regs[r].count; i++) {
			__u8 *p = rec + REC_AT(regs[r].block_at + i * regs[r].stride);

			if (regs[r].note == NT_S390_GS_CB && !i)
				continue;
			/* kind and number, CPU, then what tells bytes apart */
			for (b = 0; b < regs[r].size; b++)
				p[b] = b == 0 ? (r + 1) << 4 | i :
				       b == 1 ? cpu >> 8 ^ (r + 1) :
				       b == 2 ? cpu : b == 3 ? 0xa0 + r :
				       0x10 * b + i;
		}
	}
	put_u64(rec + REC_AT(160), PSW_MASK_WAIT_64BIT);
	put_u64(rec + REC_AT(168), 0x1000000ULL + cpu * 0x100);
	/* a prefix is a multiple of 8 KiB */
	prefix = htobe32((cpu + 1) * 0x2000);
	memcpy(rec + REC_AT(184), &prefix, 4);
}

int cpuregs_check(const __u8 *recs, size_t len, struct error *e)
{
	size_t i;

	if (!len || len % REC_SIZE)
		return fail(e, "%zu bytes are no multiple of %d", len, REC_SIZE);
	for (i = 0; i < len / REC_SIZE; i++)
		if ((size_t)(recs[i * REC_SIZE + 4] << 8 | recs[i * REC_SIZE + 5]) != i)
			return fail(e, "record %zu is not for CPU %zu", i, i);
	return 0;
}

static void print_hex(FILE *f, const __u8 *p, size_t len)
{
	while (len--)
		fprintf(f, "%02x", *p++);
}

/* A kind of register; false: different from the record */
static bool visit_reg(struct visit *v, const struct reg *r, const __u8 *desc)
{
	__u8 *rec = v->recs + (size_t)(v->cpu - 1) * REC_SIZE;
	__u32 i, len = r->size;

	for (i = 0; i < r->count; i++) {
		__u8 *want = rec + REC_AT(r->block_at + i * r->stride);
		const __u8 *have = desc + r->note_at + i * len;

		if (v->store)
			memcpy(want, have, len);
		if (!memcmp(want, have, len))
			continue;
		fprintf(v->print, "'%s': CPU %u: %s", v->core->in.name, v->cpu - 1, r->name);
		if (r->count > 1)
			fprintf(v->print, " %u", i);
		fputs(" is ", v->print);
		print_hex(v->print, have, len);
		fputs(", not ", v->print);
		print_hex(v->print, want, len);
		fputc('\n', v->print);
		return false;
	}
	return true;
}

/* Returns 1 to go on, 0 if there is a difference, -1 if the core is damaged */
static int visit_note(struct visit *v, __u32 type, const __u8 *desc, __u32 len, struct error *e)
{
	const char *name = v->core->in.name;
	__u32 r;

	if (type == NT_PRSTATUS) {
		if (v->cpu && v->seen != ALL_REGS)
			return 0;
		if (v->cpu == v->cpus) {
			fprintf(v->print, "'%s' has more than %u CPUs\n", name, v->cpus);
			v->cpu = 0;
			return 0;
		}
		v->cpu++;
		v->seen = 0;
	}
	for (r = 0; r < NUM_REGS; r++) {
		if (regs[r].note != type)
			continue;
		if (!v->cpu || v->seen & 1U << r)
			return fail(e, "'%s': unexpected note 0x%x", name, type);
		if (len != regs[r].note_len)
			return fail(e, "'%s': CPU %u: note 0x%x has %u bytes, not %u", name,
				    v->cpu - 1, type, len, regs[r].note_len);
		v->seen |= 1U << r;
		if (!visit_reg(v, &regs[r], desc)) {
			v->cpu = 0;
			return 0;
		}
	}
	return 1;
}

static int visit_notes(struct visit *v, Elf_Data *data, struct error *e)
{
	size_t at = 0, next, name_at, desc_at;
	GElf_Nhdr n;
	int ret;

	while ((next = gelf_getnote(data, at, &n, &name_at, &desc_at))) {
		ret = visit_note(v, n.n_type, (const __u8 *)data->d_buf + desc_at, n.n_descsz, e);
		if (ret <= 0)
			return ret;
		at = next;
	}
	if (at + sizeof(Elf64_Nhdr) <= data->d_size)
		return fail(e, "'%s': the notes are damaged at offset 0x%zx", v->core->in.name,
			    at);
	return 1;
}

int cpuregs_visit(const struct guestmem *core, __u8 *recs, __u32 cpus, bool store, FILE *print,
		  struct error *e)
{
	struct visit v = { core, recs, cpus, store, print, 0, 0 };
	bool notes = false;
	size_t num, i;
	GElf_Phdr p;
	Elf_Data *data;
	__u32 r;

	if (!core->elf || elf_getphdrnum(core->elf, &num))
		return fail(e,
			    "'%s' is no ELF core: have zgetdump write one (zgetdump -k CCK DUMP OUT)",
			    core->in.name);
	for (i = 0; i < num; i++) {
		if (!gelf_getphdr(core->elf, i, &p) || p.p_type != PT_NOTE || !p.p_filesz)
			continue;
		if (notes)
			return fail(e, "'%s' has more than one note segment", core->in.name);
		notes = true;
		data = elf_getdata_rawchunk(core->elf, p.p_offset, p.p_filesz, ELF_T_NHDR);
		if (!data)
			return fail(e, "'%s': cannot read the notes: %s", core->in.name,
				    elf_errmsg(-1));
		if (visit_notes(&v, data, e) < 0)
			return -1;
	}
	if (!notes)
		return fail(e, "'%s' has no notes, hence no registers", core->in.name);
	for (r = 0; v.cpu && r < NUM_REGS; r++) {
		if (v.seen & 1U << r)
			continue;
		fprintf(print, "'%s': CPU %u: %s is missing\n", core->in.name, v.cpu - 1,
			regs[r].name);
		return 0;
	}
	if (!v.cpu && !v.seen)
		fprintf(print, "'%s' has no CPUs\n", core->in.name);
	return v.cpu;
}
