// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: shadow tables, by which the CPU translates guest addresses
 *
 * One set per guest address space, prefix and state - problem or supervisor -, for
 * real addresses as well. They start empty; each fault of the guest fills in one page,
 * if the guest's own tables have it. Entries go when the guest purges its TLB of them,
 * and when the host takes the page. CPUs that use the space forget an entry by IPTE; a
 * space that another CPU may be using is emptied at its root first.
 *
 * EPSW and STFLE are not privileged, and would tell the guest's kernel about the
 * CPU that it really runs on; SAC and SACF would leave the guest's home space,
 * which is the primary space of the CPU, unseen; TPROT, which TCG has for both states,
 * would see what the shadow has, not the guest's tables. So what is executed in
 * supervisor state is mapped read only, in all spaces, and if there is one of them in
 * the page, not the page is mapped for that but a copy, in which they are changed into
 * something that traps. Pages that are written are not executable. A page with an
 * instruction that writes to that very page is both. All with vm->lock.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <asm/facility.h>
#include <asm/tlbflush.h>
#include "guest.h"

#define OP_EPSW		0xb98d
#define OP_STFLE	0xb2b0
#define OP_SAC		0xb219
#define OP_SACF		0xb279
#define OP_TPROT	0xe501
#define OP_DIAG		0x8300	/* privileged, as long as these */

static struct spt *node_spt(struct hlist_node *node)
{
	return (struct spt *)((u64)node & ~(2 * PAGE_SIZE - 1));
}

/*
 * Which CPUs may know something of this space that is not so any more? Whoever does not
 * use it purges its TLB before it does: world.S. To tell all CPUs is worth a look, as TCG
 * stops them for that, while we have vm->lock.
 */
enum tlbs { TLB_NONE, TLB_OWN, TLB_ALL };

static enum tlbs space_tlbs(const struct space *s)
{
	if (!s->users)
		return TLB_NONE;
	return test_facility(51) && s->users == uvsim_world_uses(s) ? TLB_OWN : TLB_ALL;
}

static void spt_clear(struct spt *pt, unsigned int i)
{
	u64 va = pt->va + i * PAGE_SIZE;
	pte_t *ptep = (pte_t *)&pt->pte[i];

	if (pt->pte[i] == _PAGE_INVALID)
		return;
	switch (space_tlbs(pt->space)) {
	case TLB_ALL:
		__ptep_ipte(va, ptep, 0, 0, IPTE_GLOBAL);
		break;
	case TLB_OWN:
		__ptep_ipte(va, ptep, 0, 0, IPTE_LOCAL);
		break;
	case TLB_NONE:
		break;
	}
	pt->pte[i] = _PAGE_INVALID;
	hlist_del_init(&pt->node[i]);
}

/* Nobody reaches the page by a shadow table any more, on no CPU */
void uvsim_shadow_unmap(struct gpage *page)
{
	struct spt *pt;

	while (!hlist_empty(&page->maps)) {
		pt = node_spt(page->maps.first);
		spt_clear(pt, page->maps.first - pt->node);
		uvsim_count(STAT_UNMAP);
	}
	if (page->text)
		free_page((u64)page->text);
	page->text = NULL;
}

/* The page is going to be written */
void uvsim_shadow_drop_text(struct gpage *page)
{
	uvsim_shadow_unmap(page);
	page->host &= ~(u64)GPAGE_EXEC;
}

static void *alloc_table(struct space *s, int level)
{
	struct page *page = alloc_pages(GFP_ATOMIC | __GFP_NOWARN, 2);
	u64 *t;
	int i;

	if (!page)
		return NULL;
	t = page_address(page);
	for (i = 0; i < 2048; i++)
		t[i] = 0x20 | level << 2;
	list_add(&page->lru, &s->tables);
	return t;
}

static void set_gpto(struct gvm *vm, struct spt *pt, u64 gpto)
{
	if (pt->gpto != ~0UL)
		hlist_del_init(&pt->hash);
	pt->gpto = gpto;
	if (gpto != ~0UL)
		hlist_add_head(&pt->hash, &vm->spts[gpto >> 11 & (SPT_HASH - 1)]);
}

static struct spt *alloc_spt(struct space *s, u64 va)
{
	struct spt *pt = (struct spt *)__get_free_pages(GFP_ATOMIC | __GFP_NOWARN | __GFP_ZERO, 1);
	int i;

	if (!pt)
		return NULL;
	for (i = 0; i < 256; i++)
		pt->pte[i] = _PAGE_INVALID;
	pt->va = va & ~(SZ_1M - 1UL);
	pt->space = s;
	pt->gpto = ~0UL;
	list_add(&pt->list, &s->spts);
	return pt;
}

static void space_free(struct gvm *vm, struct space *s)
{
	struct spt *pt, *next_pt;
	struct page *page, *next;

	list_for_each_entry_safe(pt, next_pt, &s->spts, list)
		free_pages((u64)pt, 1);
	list_for_each_entry_safe(page, next, &s->tables, lru) {
		list_del(&page->lru);
		__free_pages(page, 2);
	}
	list_del(&s->list);
	kfree(s);
}

/* No translation by this space is used from now on */
static void space_kill(struct gvm *vm, struct space *s)
{
	struct spt *pt;
	int i;

	for (i = 0; i < 2048; i++)
		s->root[i] = 0x20 | s->type << 2;
	switch (space_tlbs(s)) {
	case TLB_ALL:
		__tlb_flush_global();
		break;
	case TLB_OWN:
		__tlb_flush_local();
		break;
	case TLB_NONE:
		break;
	}
	list_for_each_entry(pt, &s->spts, list) {
		for (i = 0; i < 256; i++)
			hlist_del_init(&pt->node[i]);
		set_gpto(vm, pt, ~0UL);
	}
	s->dead = true;
	vm->nr_spaces--;
	list_move(&s->list, &vm->dead);
	uvsim_count(STAT_DROP);
	if (!s->users)
		space_free(vm, s);
}

void uvsim_space_put(struct gvm *vm, struct space *s)
{
	if (s && !--s->users && s->dead)
		space_free(vm, s);
}

void uvsim_spaces_drop_all(struct gvm *vm)
{
	struct space *s, *next;

	list_for_each_entry_safe(s, next, &vm->spaces, list)
		space_kill(vm, s);
}

/* All that have this table as their root */
void uvsim_spaces_drop(struct gvm *vm, u64 asce)
{
	struct space *s, *next;

	list_for_each_entry_safe(s, next, &vm->spaces, list) {
		if (s->asce != ASCE_REAL && !((s->asce ^ asce) & (PAGE_MASK | 0xc)))
			space_kill(vm, s);
	}
}

/*
 * The caller becomes a user of it; NULL: no memory. @problem: no supervisor executes
 * anything there, so that pages are what they are
 */
struct space *uvsim_space_get(struct gvm *vm, u64 asce, u32 prefix, bool problem)
{
	struct space *s, *oldest = NULL;

	lockdep_assert_held(&vm->lock);
	if (asce != ASCE_REAL)
		asce &= PAGE_MASK | 0x12f;
	list_for_each_entry(s, &vm->spaces, list) {
		if (s->asce == asce && s->prefix == prefix && s->problem == problem)
			goto found;
		if (!s->users)
			oldest = s;
	}
	if (vm->nr_spaces >= MAX_SPACES && oldest)
		space_kill(vm, oldest);
	s = kzalloc(sizeof(*s), GFP_ATOMIC);
	if (!s)
		return NULL;
	INIT_LIST_HEAD(&s->tables);
	INIT_LIST_HEAD(&s->spts);
	s->asce = asce;
	s->prefix = prefix;
	s->problem = problem;
	s->type = asce == ASCE_REAL || asce & 0x20 ? 1 : asce >> 2 & 3;
	s->root = alloc_table(s, s->type);
	if (!s->root) {
		kfree(s);
		return NULL;
	}
	s->host_asce = __pa(s->root) | s->type << 2 | 3;
	/* low-address protection is not for private spaces */
	if (asce != ASCE_REAL)
		s->host_asce |= asce & 0x100;
	list_add(&s->list, &vm->spaces);
	vm->nr_spaces++;
	uvsim_count(STAT_SPACE);
found:
	list_move(&s->list, &vm->spaces);
	s->users++;
	return s;
}

static struct spt *space_spt(struct space *s, u64 va, bool alloc)
{
	u64 *t = s->root, *p;
	int level;
	void *n;

	if (s->type < 3 && va >> (31 + 11 * s->type))
		return NULL;
	for (level = s->type; level >= 0; level--) {
		p = &t[va >> (20 + 11 * level) & 0x7ff];
		if (*p & 0x20) {
			n = !alloc ? NULL : level ? alloc_table(s, level - 1) : alloc_spt(s, va);
			if (!n)
				return NULL;
			*p = __pa(n) | level << 2 | (level ? 3 : 0);
		}
		t = __va(*p & (level ? PAGE_MASK : ~0x7ffUL));
	}
	return (struct spt *)t;
}

/* IPTE of the guest: entries of the page table at @gpto */
void uvsim_shadow_ipte(struct gvm *vm, u64 gpto, unsigned int first, unsigned int n)
{
	unsigned int i;
	struct spt *pt;

	hlist_for_each_entry(pt, &vm->spts[gpto >> 11 & (SPT_HASH - 1)], hash) {
		if (pt->gpto != gpto)
			continue;
		for (i = first; i < first + n && i < 256; i++)
			spt_clear(pt, i);
	}
}

static unsigned int insn_len(u16 first)
{
	return first >> 14 == 0 ? 1 : first >> 14 == 3 ? 3 : 2;
}

/* From most of what may be before it one arrives at an instruction, not inside. */
static bool starts_insn(const u16 *page, int i)
{
	int start, at, hits = 0, tries = 0;

	for (start = max(i - 32, 0); tries < 3 && start <= i; start++, tries++) {
		for (at = start; at < i; at += insn_len(page[at]))
			;
		hits += at == i;
	}
	return 2 * hits > tries;
}

static bool is_visible(const u16 *page, int i)
{
	switch (page[i]) {
	case OP_EPSW:
		return !(page[i + 1] >> 8) && starts_insn(page, i);
	case OP_STFLE:
	case OP_SAC:
	case OP_SACF:
	case OP_TPROT:
		return starts_insn(page, i);
	}
	return false;
}

/* Does supervisor code have to be executed from a copy? 1: yes, it is there */
static int make_text(struct gpage *page)
{
	u16 *from = (u16 *)(page->host & PAGE_MASK), *to;
	int i, n = 0;

	if (page->text)
		return 1;
	for (i = 0; i < PAGE_SIZE / 2 - 1; i++)
		n += is_visible(from, i);
	if (!n)
		return 0;
	to = (u16 *)__get_free_page(GFP_ATOMIC | __GFP_NOWARN);
	if (!to)
		return G_AGAIN;
	/* what is mapped is the page */
	uvsim_shadow_unmap(page);
	memcpy(to, from, PAGE_SIZE);
	for (i = 0; i < PAGE_SIZE / 2 - 1; i++) {
		if (is_visible(from, i)) {
			to[i] = OP_DIAG;
			uvsim_count(STAT_PATCHED);
		}
	}
	page->text = (u8 *)to;
	return 1;
}

/*
 * An access exception in a world: fill in the page if it is only that. G_DONE: the
 * guest goes on. Otherwise what is to be done, with g->teid as the guest is to see it.
 */
int uvsim_shadow_fault(struct world *w, u16 pic)
{
	struct gcpu *g = &w->g;
	bool write = (g->teid & TEID_FSI) == TEID_STORE, fetch = pic == 4 && g->teid & 0x80;
	unsigned int as = g->mask & PSWM_DAT ? (g->mask & PSWM_AS) >> 46 : 0;
	u64 va = g->teid & PAGE_MASK, asce, abs, flags = 0, gpto = ~0UL, pte, start;
	struct gpage *page;
	struct space *s = w->primary;
	struct spt *pt;
	int rc = 0, i;

	if (s->dead || (w->secondary && w->secondary->dead))
		return G_DONE;
	/* what the guest has as its home space is our primary */
	if (as == 1)
		as = 0;
	if (as == 2 && (g->teid & 3) == 0) {
		as = 0;		/* an instruction */
		fetch = true;
	} else if (as == 2) {
		s = w->secondary;
	}
	g->teid = (g->teid & ~3UL) | as;
	asce = g->cr[as == 3 ? 13 : as == 2 ? 7 : 1];
	if (!(g->mask & PSWM_DAT))
		asce = ASCE_REAL;
	start = pic == 4 ? g->addr - g->ilc : g->addr;
	if (!write && pic != 4 && (start & PAGE_MASK) == va)
		fetch = true;

	if (pic == 0x38 && asce == ASCE_REAL)
		return 5;
	rc = uvsim_g_walk(g, asce, va, &abs, &flags, &gpto);
	if (rc)
		return rc;
	if ((write && flags & _PAGE_PROTECT) || (fetch && flags & PTE_NOEXEC)) {
		g->teid |= 4 | (fetch ? 0x80 : 0);
		return 4;
	}
	page = uvsim_g_page(g, abs, write, &rc);
	if (!page)
		return rc;
	pt = space_spt(s, va, true);
	if (!pt)
		return G_AGAIN;
	if (pt->gpto != gpto) {
		for (i = 0; i < 256; i++)
			spt_clear(pt, i);
		set_gpto(g->vm, pt, gpto);
	}
	i = va >> 12 & 0xff;

	pte = (page->host & PAGE_MASK);
	if (!(page->host & GPAGE_WRITE))
		flags |= _PAGE_PROTECT;
	if (s->problem) {
		;
	} else if (write && ((start & PAGE_MASK) == va ||
			     (w->fetched == va && w->fetched_by == start))) {
		/* the same instruction is there, or ends there, or executes one that is */
		flags &= ~(u64)PTE_NOEXEC;
	} else if (fetch) {
		w->fetched = va;
		w->fetched_by = start;
		/* who writes, in whatever space, has to fault first */
		if (!(page->host & GPAGE_EXEC))
			uvsim_shadow_unmap(page);
		page->host |= GPAGE_EXEC;
		rc = make_text(page);
		if (rc == G_AGAIN)
			return rc;
		if (rc)
			pte = (u64)page->text;
		flags |= _PAGE_PROTECT;
	} else {
		flags |= PTE_NOEXEC;
	}
	if (!fetch)
		w->fetched = 1;
	if (page->host & GPAGE_EXEC)
		flags |= _PAGE_PROTECT;
	if (!(flags & _PAGE_PROTECT))
		page->host |= GPAGE_DIRTY;
	pte = __pa(pte) | (flags & (_PAGE_PROTECT | PTE_NOEXEC));
	/* It was there, and allowed it: storage key, or low-address protection */
	if (pt->pte[i] == pte && pic == 4) {
		g->teid |= 4;
		return 4;
	}
	spt_clear(pt, i);
	hlist_add_head(&pt->node[i], &page->maps);
	pt->gfn[i] = abs >> PAGE_SHIFT;
	pt->pte[i] = pte;
	uvsim_count(STAT_MAP);
	return G_DONE;
}
