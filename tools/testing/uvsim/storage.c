// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: guest storage, as the guest CPU sees it
 *
 * From virtual by the guest's tables to real, by the prefix to absolute, by the
 * tables of the host, which CR1 has in SIE, to a page of the host. That is
 * remembered, and so that it is not used when it is not true any more, the notify
 * bit in the page table extension of the host is set: before the host changes the
 * entry it calls uvsim_vm_unmap(). All with vm->lock.
 */
#include <linux/slab.h>
#include <linux/xarray.h>
#include <linux/pgtable.h>
#include "guest.h"

/* Where the segment table entry of the host is, NULL if there is no table */
static u64 *host_ste(const struct gvm *vm, u64 abs)
{
	unsigned int level = vm->asce >> 2 & 3, shift = 20 + 11 * level;
	u64 entry = vm->asce, first = 0, last = entry & 3, index;

	if (level < 3 && abs >> (shift + 11))
		return NULL;
	for (;; level--, shift -= 11) {
		index = abs >> shift & 0x7ff;
		if (index >> 9 < first || index >> 9 > last)
			return NULL;
		if (!level)
			return (u64 *)__va(entry & PAGE_MASK) + index;
		entry = READ_ONCE(((u64 *)__va(entry & PAGE_MASK))[index]);
		if (entry & 0x20 || (entry >> 2 & 3) != level)
			return NULL;
		first = entry >> 6 & 3;
		last = entry & 3;
	}
}

static void page_unmap(struct gvm *vm, struct gpage *page)
{
	if (!page->host)
		return;
	uvsim_shadow_unmap(page);
	page->host &= GPAGE_DIRTY;
}

struct gchunk *uvsim_vm_chunk(struct gvm *vm, u64 abs)
{
	return xa_load(&vm->chunks, abs >> 20);
}

static struct gchunk *get_chunk(struct gvm *vm, u64 abs)
{
	struct gchunk *c = uvsim_vm_chunk(vm, abs);
	u64 *ste;

	if (c)
		return c;
	ste = host_ste(vm, abs);
	if (!ste)
		return NULL;
	c = kzalloc(sizeof(*c), GFP_ATOMIC);
	if (!c)
		return NULL;
	c->ste = ste;
	c->ste_value = READ_ONCE(*ste);
	if (xa_err(xa_store(&vm->chunks, abs >> 20, c, GFP_ATOMIC))) {
		kfree(c);
		return NULL;
	}
	list_add(&c->list, &vm->chunk_list);
	return c;
}

/* The host is going to change something about these pages, or has changed it */
void uvsim_vm_unmap(struct gvm *vm, u64 start, u64 end)
{
	struct gchunk *c;
	u64 abs;

	lockdep_assert_held(&vm->lock);
	for (abs = start & PAGE_MASK; abs <= end; abs += PAGE_SIZE) {
		c = uvsim_vm_chunk(vm, abs);
		if (!c) {
			abs = (abs | (SZ_1M - 1)) - PAGE_SIZE + 1;
			continue;
		}
		page_unmap(vm, &c->page[abs >> PAGE_SHIFT & 0xff]);
	}
}

/* The same for the page at @abs, if it is by the page table at the address @table */
void uvsim_vm_unmap_entry(struct gvm *vm, u64 table, u64 abs)
{
	struct gchunk *c = uvsim_vm_chunk(vm, abs);

	lockdep_assert_held(&vm->lock);
	if (c && (c->ste_value & ~0x7ffUL) == table)
		page_unmap(vm, &c->page[abs >> PAGE_SHIFT & 0xff]);
}

/*
 * A memory slot that goes or comes changes a segment table entry, and nobody is
 * told. So look at each entry to SIE.
 */
void uvsim_vm_revalidate(struct gvm *vm)
{
	struct gchunk *c;
	unsigned int i;

	lockdep_assert_held(&vm->lock);
	list_for_each_entry(c, &vm->chunk_list, list) {
		if (READ_ONCE(*c->ste) == c->ste_value)
			continue;
		for (i = 0; i < ARRAY_SIZE(c->page); i++)
			page_unmap(vm, &c->page[i]);
		c->ste_value = READ_ONCE(*c->ste);
	}
}

void uvsim_vm_drop_pages(struct gvm *vm)
{
	struct gchunk *c, *next;
	unsigned int i;

	list_for_each_entry_safe(c, next, &vm->chunk_list, list) {
		for (i = 0; i < ARRAY_SIZE(c->page); i++) {
			page_unmap(vm, &c->page[i]);
			uvsim_pv_drop(&c->page[i]);
		}
		list_del(&c->list);
		kfree(c);
	}
	xa_destroy(&vm->chunks);
}

static int host_fault(struct gcpu *g, u64 abs, bool write)
{
	g->fault = (abs & PAGE_MASK) | (write ? TEID_STORE : TEID_FETCH);
	g->fault_code = 0x10;
	return G_HOST;
}

/* The page, usable for the access; NULL and *@rc if it is not */
struct gpage *uvsim_g_page(struct gcpu *g, u64 abs, bool write, int *rc)
{
	struct gchunk *c;
	struct gpage *page;
	u64 *ptep, pte, ste;

	lockdep_assert_held(&g->vm->lock);
	if (g->conf && abs >= g->conf->len) {
		*rc = 5;
		return NULL;
	}
	c = get_chunk(g->vm, abs);
	if (!c) {
		*rc = host_fault(g, abs, write);
		return NULL;
	}
	page = &c->page[abs >> PAGE_SHIFT & 0xff];
	if (page->host & PAGE_MASK && (!write || page->host & GPAGE_WRITE))
		goto found;

	page_unmap(g->vm, page);
	ste = c->ste_value;
	if (ste & 0x420) {	/* invalid, large */
		*rc = host_fault(g, abs, write);
		return NULL;
	}
	ptep = (u64 *)__va(ste & ~0x7ffUL) + (abs >> PAGE_SHIFT & 0xff);
	*rc = uvsim_watch_pte(ptep, write, &pte);
	if (*rc == G_HOST)
		*rc = host_fault(g, abs, write);
	if (*rc)
		return NULL;
	page->host |= (u64)__va(pte & PAGE_MASK) | (pte & _PAGE_PROTECT ? 0 : GPAGE_WRITE);
	if (g->conf) {
		*rc = uvsim_pv_page(g, page, abs & PAGE_MASK, page->host & PAGE_MASK);
		if (*rc) {
			page->host &= GPAGE_DIRTY;
			return NULL;
		}
	}
found:
	if (write) {
		page->host |= GPAGE_DIRTY;
		if (page->host & GPAGE_EXEC)
			uvsim_shadow_drop_text(page);
	}
	return page;
}

/* Kernel address of a byte of guest absolute storage */
u8 *uvsim_g_abs(struct gcpu *g, u64 abs, bool write, int *rc)
{
	struct gpage *page = uvsim_g_page(g, abs, write, rc);

	return page ? (u8 *)(page->host & PAGE_MASK) + (abs & ~PAGE_MASK) : NULL;
}

/* Real to absolute, which is absolute to real as well */
u64 uvsim_g_prefixed(const struct gcpu *g, u64 real)
{
	if (real < 0x2000)
		return real + g->prefix;
	if ((real & ~0x1fffUL) == g->prefix)
		return real - g->prefix;
	return real;
}

u64 uvsim_g_wrap(const struct gcpu *g, u64 addr)
{
	if (g->mask & PSWM_EA)
		return addr;
	return addr & (g->mask & PSWM_BA ? 0x7fffffff : 0xffffff);
}

static u64 *table_entry(struct gcpu *g, u64 real, int *rc)
{
	return (u64 *)uvsim_g_abs(g, uvsim_g_prefixed(g, real), false, rc);
}

/*
 * Dynamic address translation. @flags: protection and no-execute bit as in a page
 * table entry; @gpto: origin of the page table, ~0 if there is none.
 */
int uvsim_g_walk(struct gcpu *g, u64 asce, u64 va, u64 *abs, u64 *flags, u64 *gpto)
{
	static const u16 codes[] = { 0x10, 0x3b, 0x3a, 0x39 };
	bool edat = g->cr[0] & GCR0_EDAT;
	int level = asce >> 2 & 3, rc = 0;
	u64 entry = asce, first = 0, last = asce & 3, index, *p;

	*flags = 0;
	*gpto = ~0UL;
	g->entry = 0;
	if (asce == ASCE_REAL || asce & 0x20) {
		*abs = uvsim_g_prefixed(g, va);
		return 0;
	}
	if (level < 3 && va >> (31 + 11 * level))
		return 0x38;
	for (;; level--) {
		index = va >> (20 + 11 * level) & 0x7ff;
		if (index >> 9 < first || index >> 9 > last)
			return codes[level];
		p = table_entry(g, (entry & PAGE_MASK) + index * 8, &rc);
		if (!p)
			return rc;
		g->entry = (entry & PAGE_MASK) + index * 8;
		entry = READ_ONCE(*p);
		if (entry & 0x20)
			return codes[level];
		if ((entry >> 2 & 3) != level)
			return 0x12;
		g->entry = 0;
		if (edat)
			*flags |= entry & _PAGE_PROTECT;
		if (level <= 1 && edat && entry & 0x400) {
			u64 size = level ? SZ_2G : SZ_1M;

			*flags |= entry & (_PAGE_PROTECT | PTE_NOEXEC);
			*abs = uvsim_g_prefixed(g, (entry & -size) | (va & (size - 1)));
			goto done;
		}
		if (!level)
			break;
		first = entry >> 6 & 3;
		last = entry & 3;
	}
	if (!edat)
		*flags |= entry & _PAGE_PROTECT;
	*gpto = entry & ~0x7ffUL;
	p = table_entry(g, *gpto + (va >> 12 & 0xff) * 8, &rc);
	if (!p)
		return rc;
	g->entry = *gpto + (va >> 12 & 0xff) * 8;
	entry = READ_ONCE(*p);
	if (entry & _PAGE_INVALID)
		return 0x11;
	if (entry & 0x800)
		return 0x12;
	*flags |= entry & (_PAGE_PROTECT | PTE_NOEXEC);
	*abs = uvsim_g_prefixed(g, (entry & PAGE_MASK) | (va & ~PAGE_MASK));
done:
	if (!(g->cr[0] & GCR0_IEP))
		*flags &= ~(u64)PTE_NOEXEC;
	return 0;
}

/* For one access; @as: address space as the TEID has it. Sets the TEID. */
int uvsim_g_translate(struct gcpu *g, u64 asce, unsigned int as, u64 va, bool write, u64 *abs)
{
	u64 flags, gpto;
	int rc;

	rc = uvsim_g_walk(g, asce, va, abs, &flags, &gpto);
	if (!rc && write && flags & _PAGE_PROTECT)
		rc = 4;
	if (!rc && write && g->cr[0] & GCR0_LOW_ADDRESS && !(va & ~0x11ffUL) &&
	    (asce == ASCE_REAL || !(asce & 0x100)))
		rc = 4;
	if (rc && rc < G_HOST)
		g->teid = (va & PAGE_MASK) | (write ? TEID_STORE : TEID_FETCH) | as |
			  (rc == 4 ? 4 : 0);
	return rc;
}

/* The address space that the PSW says, for instructions or operands */
u64 uvsim_g_asce(const struct gcpu *g, bool fetch)
{
	if (!(g->mask & PSWM_DAT))
		return ASCE_REAL;
	switch (g->mask & PSWM_AS) {
	case PSWM_HOME:
		return g->cr[13];
	case PSWM_SECONDARY:
		return fetch ? g->cr[1] : g->cr[7];
	}
	return g->cr[1];
}

/*
 * Up to 128 bytes by the current address space: all of it or nothing, which
 * makes it possible to execute an instruction again.
 */
int uvsim_g_access(struct gcpu *g, u64 va, void *buf, unsigned int len, bool fetch, bool write)
{
	unsigned int as = g->mask & PSWM_DAT ? (g->mask & PSWM_AS) >> 46 : 0, first;
	u64 asce = uvsim_g_asce(g, fetch), abs;
	u8 *p[2] = {};
	int rc;

	if (as == 1)		/* access registers: see uvsim_run() */
		as = 0;
	va = uvsim_g_wrap(g, va);
	first = min_t(u64, len, PAGE_SIZE - (va & ~PAGE_MASK));
	rc = uvsim_g_translate(g, asce, as, va, write, &abs);
	if (rc)
		return rc;
	p[0] = uvsim_g_abs(g, abs, write, &rc);
	if (!p[0])
		return rc;
	if (first < len) {
		rc = uvsim_g_translate(g, asce, as, uvsim_g_wrap(g, va + first), write, &abs);
		if (rc)
			return rc;
		p[1] = uvsim_g_abs(g, abs, write, &rc);
		if (!p[1])
			return rc;
	}
	if (write) {
		memcpy(p[0], buf, first);
		memcpy(p[1], buf + first, len - first);
	} else {
		memcpy(buf, p[0], first);
		memcpy(buf + first, p[1], len - first);
	}
	return 0;
}

/* Real storage, any length; what is before a page that is not there is copied */
int uvsim_g_real(struct gcpu *g, u64 real, void *buf, unsigned int len, bool write)
{
	unsigned int n;
	int rc = 0;
	u8 *p;

	for (; len; real += n, buf += n, len -= n) {
		n = min_t(u64, len, PAGE_SIZE - (real & ~PAGE_MASK));
		p = uvsim_g_abs(g, uvsim_g_prefixed(g, real), write, &rc);
		if (!p)
			return rc;
		if (write)
			memcpy(p, buf, n);
		else
			memcpy(buf, p, n);
	}
	return 0;
}

int uvsim_g_lowcore(struct gcpu *g, u64 offset, void *buf, unsigned int len, bool write)
{
	int rc = 0;
	u8 *p = uvsim_g_abs(g, g->prefix + offset, write, &rc);

	if (!p)
		return rc;
	if (write)
		memcpy(p, buf, len);
	else
		memcpy(buf, p, len);
	return 0;
}
