// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * seimg search: is there anything of a guest's memory to be read in a dump? The
 * same 16 bytes elsewhere are found by a hash table of samples. All files are
 * read in one pass, piece by piece.
 */
#include <stdlib.h>
#include <string.h>

#include "guestmem.h"
#include "seimg.h"

#define CHUNK		MIB
#define PIECE_LEN	16
#define PIECE_VARIED	8	/* different bytes: does not occur by chance */
#define PIECE_STEP	512
#define PIECE_BITS	19
#define PIECE_SLOTS	0x80000UL	/* 2 to the power of PIECE_BITS */
#define PIECES_MAX	(PIECE_SLOTS / 2)
#define SHOWN_MAX	3	/* places that are named */

enum { FREE, TAKEN, FOUND, PUBLIC };

struct piece {
	__u8 bytes[PIECE_LEN];
	__u64 addr;
	__u8 state;
};

struct pieces {
	struct piece *slot;	/* hash table, open addressing */
	__u64 num;
	__u64 public;		/* of these, pieces that anybody can have */
};

/* What is searched: a file by offset, or memory by address */
struct hay {
	const struct input *file;
	const struct guestmem *mem;
	const char *name;
	__u64 size;
};

/* A search: pieces that are found get @state */
struct scan {
	struct pieces *ps;
	struct hay hay;
	__u8 state;
	FILE *print;		/* name some places, or NULL */
	__u64 found;
	__u8 *buf;		/* the end of the last chunk, and a chunk */
};

static struct piece *lookup(const struct pieces *ps, const __u8 *bytes)
{
	__u64 v[2], i;

	memcpy(v, bytes, sizeof(v));
	i = (v[0] * 0x9e3779b97f4a7c15ULL + v[1]) * 0xff51afd7ed558ccdULL >> (64 - PIECE_BITS);
	while (ps->slot[i].state != FREE && memcmp(ps->slot[i].bytes, bytes, PIECE_LEN))
		i = (i + 1) & (PIECE_SLOTS - 1);
	return &ps->slot[i];
}

static void add_piece(struct pieces *ps, const __u8 *bytes, __u64 addr)
{
	bool seen[256] = { };
	unsigned int i, varied = 0;
	struct piece *p;

	for (i = 0; i < PIECE_LEN; i++) {
		varied += !seen[bytes[i]];
		seen[bytes[i]] = true;
	}
	/* half full is enough for a table */
	if (varied < PIECE_VARIED || ps->num >= PIECES_MAX)
		return;
	p = lookup(ps, bytes);
	if (p->state != FREE)
		return;
	memcpy(p->bytes, bytes, PIECE_LEN);
	p->addr = addr;
	p->state = TAKEN;
	ps->num++;
}

/* Samples from all over the memory, with the same distance everywhere */
static int take_pieces(struct pieces *ps, const struct guestmem *mem, __u8 *buf, struct error *e)
{
	__u64 step = PIECE_STEP, data = 0, at, off;
	size_t i;

	for (i = 0; i < mem->num; i++)
		data += mem->seg[i].filesz;
	while (data / step > PIECES_MAX)
		step *= 2;
	for (at = 0; at < mem->size; at += CHUNK) {
		at = guestmem_data(mem, at) & ~(CHUNK - 1);
		if (guestmem_read(mem, at, buf, CHUNK, e))
			return -1;
		for (off = -at & (step - 1); off < CHUNK; off += step)
			add_piece(ps, buf + off, at + off);
	}
	return 0;
}

/* --- searching --------------------------------------------------------------------- */

static __u64 hay_data(const struct hay *h, __u64 at)
{
	return h->mem ? guestmem_data(h->mem, at) : input_data(h->file, at);
}

static int hay_read(const struct hay *h, __u64 at, void *buf, size_t len, struct error *e)
{
	return h->mem ? guestmem_read(h->mem, at, buf, len, e) :
			input_read_at(h->file, at, buf, len, e);
}

static void found_piece(struct scan *s, struct piece *p, __u64 at)
{
	p->state = s->state;
	if (s->print && s->found < SHOWN_MAX)
		fprintf(s->print, "memory at 0x%llx is to be read in '%s' at 0x%llx\n", p->addr,
			s->hay.name, at);
	s->found++;
}

/* Pieces in the first @len bytes of the buffer, which are from offset @at on */
static void look(struct scan *s, __u64 at, size_t len)
{
	struct piece *p;
	size_t i;

	for (i = 0; i + PIECE_LEN <= len; i++) {
		p = lookup(s->ps, s->buf + i);
		if (p->state == TAKEN)
			found_piece(s, p, at + i);
	}
}

/* From offset @from to @to: pieces that lie in between as a whole */
static int scan_range(struct scan *s, __u64 from, __u64 to, struct error *e)
{
	size_t carry = 0, n, keep;
	__u64 at, next;
	bool hole;

	for (at = from; at < to; at += n) {
		next = hay_data(&s->hay, at);
		if (next > to)
			next = to;
		/* of many zeros the first and the last are enough */
		hole = next - at > 2 * CHUNK;
		n = hole ? PIECE_LEN : to - at < CHUNK ? to - at : CHUNK;
		if (hay_read(&s->hay, at, s->buf + carry, n, e))
			return -1;
		look(s, at - carry, carry + n);
		keep = carry + n < PIECE_LEN ? carry + n : PIECE_LEN - 1;
		memmove(s->buf, s->buf + carry + n - keep, keep);
		carry = hole ? 0 : keep;
		if (hole)
			at = next - PIECE_LEN - n;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct se_component *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The components of an image, or what is outside of them */
static int scan_image(struct scan *s, const struct image *img, bool inside, struct error *e)
{
	const struct se_image *se = &img->se;
	struct se_component comp[SE_MAX_COMP];
	__u64 size = img->in.size, at = 0, end;
	unsigned int i;

	s->hay = (struct hay){ .file = &img->in, .name = img->in.name, .size = size };
	memcpy(comp, se->comp, sizeof(comp));
	qsort(comp, se->num_comp, sizeof(*comp), by_address);
	for (i = 0; i < se->num_comp; i++) {
		end = comp[i].addr + comp[i].size;
		/* the last page may be a part of one */
		if (end > size)
			end = size;
		if (inside ? scan_range(s, comp[i].addr, end, e) :
			     scan_range(s, at, comp[i].addr, e))
			return -1;
		at = end;
	}
	return inside ? 0 : scan_range(s, at, size, e);
}

/*
 * What an image shows anyway is no leak: its loader, which has code in common
 * with what is encrypted.
 */
static int mark_public(struct scan *s, const struct image *img, struct error *e)
{
	s->state = PUBLIC;
	s->found = 0;
	if (scan_image(s, img, false, e))
		return -1;
	s->ps->public = s->found;
	if (s->ps->public == s->ps->num)
		return fail(e, "'%s' shows all of the memory outside of its components",
			    img->in.name);
	return 0;
}

/* A search that finds nothing where it must find all proves nothing */
static int check_search(struct scan *s, const struct guestmem *plain, struct error *e)
{
	__u64 i;

	s->state = FOUND;
	s->hay = (struct hay){ .mem = plain, .name = plain->in.name, .size = plain->size };
	if (scan_range(s, 0, plain->size, e))
		return -1;
	if (s->found != s->ps->num)
		return fail(e, "only %llu of %llu pieces were found where they came from",
			    s->found, s->ps->num);
	for (i = 0; i < PIECE_SLOTS; i++)
		if (s->ps->slot[i].state == FOUND)
			s->ps->slot[i].state = TAKEN;
	return 0;
}

/* The file is an image (0), a dump (1), or is said to be memory (1) */
static int open_hay(const struct search_args *a, struct image *img, struct guestmem *mem,
		    __u64 size, struct error *e)
{
	struct error why;
	int ret;

	if (!a->raw && !image_open(img, a->name, &why))
		return 0;
	image_close(img);
	ret = a->raw ? input_open(&mem->in, a->name, e) : guestmem_open(mem, a->name, e);
	if (ret)
		return -1;
	if (a->raw)
		mem->size = mem->in.size;
	else if (!mem->elf)
		return fail(e,
			    "'%s' is neither a dump (ELF core) nor a Secure Execution image (%s); if it is memory as the host sees it, say so with --raw",
			    a->name, why.text);
	if (mem->size < size)
		return fail(e,
			    "'%s' has 0x%llx bytes of memory, '%s' 0x%llx: that is not all of it",
			    a->name, mem->size, a->plain, size);
	return 1;
}

static int search_hay(const struct search_args *a, struct scan *s, const struct guestmem *plain,
		      struct error *e)
{
	struct image img = { }, made_of = { };
	struct guestmem mem = { };
	int kind, ret;

	kind = open_hay(a, &img, &mem, plain->size, e);
	ret = kind < 0 ? -1 : 0;
	if (!ret && a->image)
		ret = image_open(&made_of, a->image, e);
	if (!ret && (a->image || !kind))
		ret = mark_public(s, a->image ? &made_of : &img, e);
	s->found = 0;
	s->state = FOUND;
	s->print = a->print;
	if (!ret && !kind) {
		ret = scan_image(s, &img, true, e);
	} else if (!ret) {
		s->hay = (struct hay){ .file = &mem.in, .name = a->name, .size = mem.in.size };
		ret = scan_range(s, 0, mem.in.size, e);
	}
	if (!ret && s->found && !kind && img.se.pcf & SE_PCF_NO_ENCRYPTION)
		fprintf(a->print, "'%s' says that its components are not encrypted\n", a->name);
	image_close(&img);
	image_close(&made_of);
	guestmem_close(&mem);
	return ret;
}

int search_plain(const struct search_args *a, struct error *e)
{
	struct pieces ps = { .slot = calloc(PIECE_SLOTS, sizeof(*ps.slot)) };
	struct scan s = { .ps = &ps, .buf = calloc(1, CHUNK + PIECE_LEN) };
	struct guestmem plain = { };
	__u64 all = 0;
	int ret;

	if (!ps.slot || !s.buf)
		ret = fail(e, "out of memory");
	else
		ret = guestmem_open(&plain, a->plain, e);
	if (!ret && plain.encrypted)
		ret = fail(e,
			   "'%s' is a dump of a protected VM: decrypt it before (zgetdump -k CCK)",
			   a->plain);
	ret = ret ? ret : take_pieces(&ps, &plain, s.buf, e);
	if (!ret && !ps.num)
		ret = fail(e, "'%s' has no content that could be recognised", a->plain);
	ret = ret ? ret : check_search(&s, &plain, e);
	all = s.found;
	ret = ret ? ret : search_hay(a, &s, &plain, e);
	if (!ret) {
		fprintf(a->print,
			"%llu different pieces of plaintext: %llu found in '%s', %llu in '%s'\n",
			ps.num, all, a->plain, s.found, a->name);
		if (ps.public)
			fprintf(a->print,
				"not counted: %llu pieces that '%s' shows outside of its components\n",
				ps.public, a->image ? a->image : a->name);
		ret = s.found != 0;
	}
	guestmem_close(&plain);
	input_free((__u8 *)ps.slot, ps.slot ? PIECE_SLOTS * sizeof(*ps.slot) : 0);
	input_free(s.buf, CHUNK + PIECE_LEN);
	return ret;
}
