// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: pages of a protected guest while it runs
 *
 * The host has them encrypted; the guest gets a copy in clear in a page of ours,
 * which goes back encrypted with a fresh component when the host exports the page,
 * and when a dump begins. Called by storage.c when the guest needs a page, by pvguest.c
 * when it shares one, and before each call of the host that takes pages away.
 *
 * vm->lock is held unless it says otherwise; uvsim_lock is taken inside of it.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include "guest.h"

/* No trace of a page in clear is left in memory that the host gets */
static void free_plain(struct gpage *page)
{
	if (!page->plain)
		return;
	memzero_explicit(page->plain, PAGE_SIZE);
	free_page((unsigned long)page->plain);
	page->plain = NULL;
}

static int not_secure(struct gcpu *g, u64 abs)
{
	g->fault = abs;
	g->fault_code = 0x3e;
	return G_HOST;
}

static int clear_page_of(struct gcpu *g, struct gpage *page, struct page_meta *meta,
			 const void *host)
{
	page->plain = (u8 *)__get_free_page(GFP_ATOMIC | __GFP_NOWARN);
	if (!page->plain)
		return G_AGAIN;
	memcpy(page->plain, host, PAGE_SIZE);
	if (uvsim_crypt_page(g->conf, meta->component, (u64)page->plain, false)) {
		free_plain(page);
		return G_AGAIN;
	}
	uvsim_count(STAT_PV_PAGE);
	return 0;
}

/**
 * uvsim_pv_page() - what the guest gets to see of a page of the host
 * @g: guest CPU
 * @page: has the host's address; that is replaced unless the page is shared
 * @abs: guest absolute address
 * @host: kernel address of the host's page
 *
 * Return: 0, G_HOST with the fault that makes the host import the page, G_AGAIN.
 */
int uvsim_pv_page(struct gcpu *g, struct gpage *page, u64 abs, u64 host)
{
	struct page_meta *meta;
	u64 phys, addr;
	int rc = 0;
	u32 ret;

	spin_lock(&uvsim_lock);
	ret = uvsim_find_page(g->conf, abs, &meta, &phys, &addr);
	if (ret != RC_OK) {
		rc = ret == RC_NOT_MAPPED ? G_AGAIN : not_secure(g, abs);
	} else if (addr != host) {
		rc = G_AGAIN;
	} else if (!(meta->place & PAGE_MASK)) {
		rc = not_secure(g, abs);
	} else if (uvsim_page_state(meta) == STATE_SECURE) {
		if (!page->plain)
			rc = clear_page_of(g, page, meta, (void *)addr);
		page->host = (u64)page->plain | (page->host & ~PAGE_MASK);
	} else if (uvsim_page_state(meta) == STATE_SHARED) {
		free_plain(page);
	} else {
		rc = not_secure(g, abs);
	}
	spin_unlock(&uvsim_lock);
	return rc;
}

/**
 * uvsim_pv_flush() - make the host's page what the guest has now, encrypted
 * @conf: the configuration
 * @page: the copy in clear; nobody has it mapped afterwards, and the guest faults
 * @meta: the same page
 *
 * Context: both locks
 */
void uvsim_pv_flush(struct uvsim_conf *conf, struct gpage *page, struct page_meta *meta)
{
	u64 phys = meta->place & PAGE_MASK, addr;

	lockdep_assert_held(&uvsim_lock);
	uvsim_shadow_unmap(page);
	if (page->plain && page->host & GPAGE_DIRTY && uvsim_page_state(meta) == STATE_SECURE &&
	    phys) {
		addr = uvsim_abs_to_virt(phys, PAGE_SIZE);
		if (addr) {
			memcpy((void *)addr, page->plain, PAGE_SIZE);
			uvsim_secure_page(conf, meta, phys, addr);
			uvsim_count(STAT_PV_FLUSH);
		}
	}
	page->host = 0;
}

/* The copy in clear is not used any more, and is gone */
void uvsim_pv_drop(struct gpage *page)
{
	page->host = 0;
	free_plain(page);
}

/* What is going to happen to one page, or to all of them */
struct going {
	u64 handle, paddr, gaddr;
	bool keep;		/* the host gets what the guest has */
};

static void page_goes(struct gvm *vm, void *arg)
{
	struct gchunk *c = uvsim_vm_chunk(vm, ((struct going *)arg)->gaddr);
	struct going *going = arg;
	struct uvsim_conf *conf;
	struct page_meta *meta;
	struct gpage *page;
	unsigned long flags;
	u64 gaddr;

	if (!c)
		return;
	page = &c->page[going->gaddr >> PAGE_SHIFT & 0xff];
	spin_lock_irqsave(&uvsim_lock, flags);
	meta = uvsim_placed_page(going->paddr, &conf, &gaddr);
	if (meta && conf->handle == going->handle && gaddr == going->gaddr && going->keep)
		uvsim_pv_flush(conf, page, meta);
	spin_unlock_irqrestore(&uvsim_lock, flags);
	uvsim_shadow_unmap(page);
	uvsim_pv_drop(page);
}

/* The host is about to export or destroy the page at an absolute address */
static void before_page_goes(u64 paddr, bool export)
{
	struct going going = { .paddr = paddr, .keep = export };
	struct uvsim_conf *conf;
	unsigned long flags;

	spin_lock_irqsave(&uvsim_lock, flags);
	if (uvsim_placed_page(paddr, &conf, &going.gaddr))
		going.handle = conf->handle;
	spin_unlock_irqrestore(&uvsim_lock, flags);
	if (going.handle)
		uvsim_call_vm(going.handle, page_goes, &going);
}

static void all_pages_go(struct gvm *vm, void *arg)
{
	struct going *going = arg;
	struct uvsim_conf *conf;
	struct gchunk *c;
	unsigned long flags, chunk;
	unsigned int i;
	u64 first;

	xa_for_each(&vm->chunks, chunk, c) {
		first = (u64)chunk << 8;
		for (i = 0; i < ARRAY_SIZE(c->page); i++) {
			if (!c->page[i].plain && !c->page[i].host)
				continue;
			spin_lock_irqsave(&uvsim_lock, flags);
			conf = uvsim_find_conf(going->handle);
			if (going->keep && conf && first + i < conf->len >> PAGE_SHIFT)
				uvsim_pv_flush(conf, &c->page[i], &conf->pages[first + i]);
			spin_unlock_irqrestore(&uvsim_lock, flags);
			uvsim_shadow_unmap(&c->page[i]);
			c->page[i].host = 0;
			if (!going->keep)
				free_plain(&c->page[i]);
		}
	}
}

/* All pages of a configuration: as the guest has them, or gone */
static void before_all_pages(u64 handle, bool keep)
{
	struct going going = { .handle = handle, .keep = keep };

	if (handle)
		uvsim_call_vm(handle, all_pages_go, &going);
}

/**
 * uvsim_pv_before_uvc() - an Ultravisor call of the host is going to be executed
 * @cmd: command
 * @block: the host's control block, its header and the parameters are readable
 *
 * Context: no lock. The call may fail for a reason of its own.
 */
void uvsim_pv_before_uvc(u16 cmd, const void *block)
{
	const struct uvsim_cb_nodata *cb = block;

	switch (cmd) {
	case 0x0201:
	case 0x0202:
		before_page_goes(((const struct uvsim_cb_hpage *)block)->paddr, cmd == 0x0201);
		break;
	case 0x0340:
	case 0x0400:
		before_all_pages(cb->handle, true);
		break;
	case 0x0101:
	case 0x0102:
		before_all_pages(cb->handle, false);
		break;
	}
}

/* Before somebody else works on a page, by debugfs; no lock */
void uvsim_pv_before_page_op(u64 handle)
{
	before_all_pages(handle, true);
}
