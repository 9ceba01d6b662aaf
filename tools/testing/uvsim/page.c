// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: pages of guests
 *
 * Where a guest's page is, its state, and each way from one state to another.
 * Called through the table of commands, by image (pages of an image), dump (their
 * state), objects and script (what a guest does with its pages). Whatever is to
 * be done when a page changes hands belongs into the functions of this file.
 *
 * TCG has no secure storage: a secure page is kept in its exported form in place,
 * encrypted with the configuration's XTS key. Export only drops the page's secure
 * state, import checks that the content is what was exported and encrypts it
 * anew. A page that was never touched is in state "zero"; an import of such a
 * page makes it an encrypted page of zeros. A shared page is plaintext. Every
 * encryption takes a fresh component: 8 zero bytes and a 64 bit counter; the
 * nonce lives in the other half, so that component OR nonce is unique.
 */
#include <linux/mm.h>
#include "uvsim.h"

#define PTE_INVALID		0x400
#define PTE_PROTECTED		0x200

#define UVSIM_HASH_SIZE		8192

static struct page_meta *placed_pages[UVSIM_HASH_SIZE];

static struct page_meta **bucket(u64 abs)
{
	return &placed_pages[(abs >> PAGE_SHIFT) % UVSIM_HASH_SIZE];
}

/* The secure or shared page at this address */
static struct page_meta *find_placed(u64 abs)
{
	struct page_meta *page;

	for (page = *bucket(abs); page; page = page->next) {
		if ((page->place & PAGE_MASK) == abs)
			return page;
	}
	return NULL;
}

/**
 * uvsim_take_away() - from now on a page is nowhere in main storage
 * @page: the page
 * @state: what it is there
 *
 * Context: uvsim_lock is held
 */
void uvsim_take_away(struct page_meta *page, enum page_state state)
{
	struct page_meta **link = bucket(page->place & PAGE_MASK);

	lockdep_assert_held(&uvsim_lock);
	if (page->place & PAGE_MASK) {
		while (*link != page)
			link = &(*link)->next;
		*link = page->next;
		page->next = NULL;
	}
	page->place = state;
}

static void put_at(struct page_meta *page, u64 abs, enum page_state state)
{
	uvsim_take_away(page, state);
	page->place |= abs;
	page->next = *bucket(abs);
	*bucket(abs) = page;
}

static struct uvsim_conf *page_owner(const struct page_meta *page)
{
	struct uvsim_conf *conf;
	unsigned int i;

	for (i = 0; (conf = uvsim_next_conf(&i)); i++) {
		if ((u64)page >= conf->var && (u64)page < conf->var + conf->var_len)
			return conf;
	}
	return NULL;
}

static u64 page_gaddr(const struct uvsim_conf *conf, const struct page_meta *page)
{
	return (u64)(page - conf->pages) << PAGE_SHIFT;
}

/* The guest page at an absolute address, NULL if there is none */
struct page_meta *uvsim_placed_page(u64 abs, struct uvsim_conf **conf, u64 *gaddr)
{
	struct page_meta *page = find_placed(abs & PAGE_MASK);

	*conf = page ? page_owner(page) : NULL;
	if (!*conf)
		return NULL;
	*gaddr = page_gaddr(*conf, page);
	return page;
}

/*
 * Guest absolute to host absolute through the ASCE given at create. The
 * tables belong to the host and may be anything: all entries are checked and
 * the walk has a fixed number of steps. RC_OPERAND: they are no tables.
 */
static u32 find_pte(const struct uvsim_conf *conf, u64 gaddr, u64 *pte)
{
	unsigned int level = (conf->asce >> 2) & 3, shift = 20 + 11 * level;
	u64 entry = conf->asce, first = 0, last = conf->asce & 3, index;

	if (level < 3 && gaddr >> (shift + 11))
		return RC_NOT_MAPPED;
	for (;; level--, shift -= 11) {
		index = (gaddr >> shift) & 0x7ff;
		if (index >> 9 < first || index >> 9 > last)
			return RC_NOT_MAPPED;
		if (!uvsim_read_u64((u64)__va((entry & PAGE_MASK) + index * 8), &entry))
			return RC_OPERAND;
		if (entry & 0x20)			/* invalid */
			return RC_NOT_MAPPED;
		if (((entry >> 2) & 3) != level)	/* table type */
			return RC_OPERAND;
		if (level <= 1 && entry & 0x400)	/* large page */
			return RC_PAGE_LARGE;
		if (!level)
			break;
		first = (entry >> 6) & 3;
		last = entry & 3;
	}
	index = (gaddr >> PAGE_SHIFT) & 0xff;
	if (!uvsim_read_u64((u64)__va((entry & ~0x7ffUL) + index * 8), &entry))
		return RC_OPERAND;
	if (entry & PTE_INVALID)
		return RC_NOT_MAPPED;
	*pte = entry;
	return RC_OK;
}

/**
 * uvsim_walk() - guest absolute to host absolute address
 * @conf: the configuration, its ASCE is used
 * @gaddr: guest absolute address
 * @abs: the page's absolute address, 0 if there is none
 *
 * Context: uvsim_lock is held; the tables may change meanwhile
 * Return:
 * * RC_OK - it is mapped
 * * RC_NOT_MAPPED - it is not
 * * RC_PAGE_LARGE - by more than a page
 * * RC_OPERAND - the tables are none
 */
u32 uvsim_walk(const struct uvsim_conf *conf, u64 gaddr, u64 *abs)
{
	u64 pte = 0;
	u32 rc = find_pte(conf, gaddr, &pte);

	lockdep_assert_held(&uvsim_lock);
	*abs = pte & PAGE_MASK;
	return rc;
}

/**
 * uvsim_is_mapped() - does the guest have a page in this place?
 * @conf: the page's configuration
 * @page: the page
 *
 * Context: uvsim_lock is held
 * Return: true if the guest's tables have an entry.
 */
bool uvsim_is_mapped(const struct uvsim_conf *conf, const struct page_meta *page)
{
	u64 abs;

	lockdep_assert_held(&uvsim_lock);
	return uvsim_walk(conf, page_gaddr(conf, page), &abs) == RC_OK;
}

/**
 * uvsim_find_page() - all about a guest address, for whatever works on one
 * @conf: the configuration
 * @gaddr: guest absolute address of a page
 * @page: the guest's page
 * @abs: absolute address of the host's page, with whatever content
 * @addr: kernel address of that
 *
 * When this returns RC_OK, nobody else has the host's page, and the guest's page is
 * not anywhere else.
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, or the response.
 */
u32 uvsim_find_page(struct uvsim_conf *conf, u64 gaddr, struct page_meta **page,
		    u64 *abs, u64 *addr)
{
	struct page_meta *other;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	if (conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	if (gaddr & ~PAGE_MASK) {
		uvsim_violation("guest address %llx not page aligned", gaddr);
		return RC_OPERAND;
	}
	if (gaddr >= conf->len)
		return RC_PAGE_RANGE;
	rc = uvsim_walk(conf, gaddr, abs);
	if (rc == RC_OPERAND)
		uvsim_violation("ASCE %llx: bad table entry for %llx", conf->asce, gaddr);
	if (rc != RC_OK)
		return rc;
	*addr = uvsim_abs_to_virt(*abs, PAGE_SIZE);
	if (!*addr) {
		uvsim_violation("guest page %llx is no main storage", gaddr);
		return RC_OPERAND;
	}
	*page = &conf->pages[gaddr >> PAGE_SHIFT];
	other = find_placed(*abs);
	if (other && other != *page) {
		/*
		 * A shared page is the host's to use for something else. With
		 * the feature it changes hands, else it is to be exported first.
		 */
		if (uvsim_page_state(other) != STATE_SHARED || !(uvsim_qui.features & FEATURE_MISC))
			return RC_PAGE_FOREIGN;
		uvsim_take_away(other, STATE_SHARED);
	}
	if (other != *page && (*page)->place & PAGE_MASK) {
		if (uvsim_page_state(*page) == STATE_SHARED) {
			uvsim_take_away(*page, STATE_SHARED);
		} else {
			uvsim_violation("guest page %llx moved without export", gaddr);
			uvsim_take_away(*page, STATE_EXPORTED);
		}
	}
	return RC_OK;
}

/**
 * uvsim_crypt_page() - encrypt or decrypt a page in place
 * @conf: the configuration, its key and nonce are used
 * @component: what makes the tweak unique
 * @addr: kernel address of the page
 * @encrypt: or decrypt
 *
 * Context: uvsim_lock is held
 * Return: 0, or an error of the cipher.
 */
int uvsim_crypt_page(const struct uvsim_conf *conf, u64 component, u64 addr, bool encrypt)
{
	u64 nonce0;

	lockdep_assert_held(&uvsim_lock);
	memcpy(&nonce0, conf->nonce, 8);
	return uvsim_xts_page(addr, conf->xts_key, nonce0, component, encrypt);
}

/**
 * uvsim_secure_page() - make a secure page of plaintext
 * @conf: the configuration
 * @page: the guest's page
 * @abs: absolute address of the host's page
 * @addr: its kernel address; the content is encrypted in place
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, RC_INV_STATE if it cannot be encrypted.
 */
u32 uvsim_secure_page(struct uvsim_conf *conf, struct page_meta *page, u64 abs, u64 addr)
{
	u64 component = ++conf->last_component;

	lockdep_assert_held(&uvsim_lock);
	if (uvsim_crypt_page(conf, component, addr, true))
		return RC_INV_STATE;
	if (uvsim_page_state(page) == STATE_ZERO)
		conf->used_pages++;
	page->component = component;
	page->digest = uvsim_page_digest(addr);
	put_at(page, abs, STATE_SECURE);
	return RC_OK;
}

/**
 * uvsim_destroy_page() - clear a page, and give it to the host
 * @conf: the configuration
 * @page: the guest's page, which is in main storage
 * @addr: kernel address of the host's page
 *
 * Context: uvsim_lock is held
 */
void uvsim_destroy_page(struct uvsim_conf *conf, struct page_meta *page, u64 addr)
{
	lockdep_assert_held(&uvsim_lock);
	memset((void *)addr, 0, PAGE_SIZE);
	uvsim_take_away(page, STATE_ZERO);
	page->component = 0;
	page->digest = 0;
	conf->used_pages--;
}

/**
 * uvsim_import_page() - make a guest's page secure
 * @conf: the configuration
 * @gaddr: guest absolute address of the page
 *
 * A page that comes back gets the form of its next export at once, with a component
 * of its own: whoever kept what he had before has something else. A shared page
 * stays what it is.
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, or the response.
 */
u32 uvsim_import_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	rc = uvsim_find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	switch (uvsim_page_state(page)) {
	case STATE_SECURE:
		return RC_OK;
	case STATE_SHARED:
		if (!(page->place & PAGE_MASK))
			put_at(page, abs, STATE_SHARED);
		return RC_OK;
	case STATE_EXPORTED:
		if (uvsim_page_digest(addr) != page->digest)
			return RC_PAGE_INTEGRITY;
		if (uvsim_crypt_page(conf, page->component, addr, false))
			return RC_INV_STATE;
		return uvsim_secure_page(conf, page, abs, addr);
	default:
		memset((void *)addr, 0, PAGE_SIZE);
		return uvsim_secure_page(conf, page, abs, addr);
	}
}

/**
 * uvsim_share_page() - what the guest does: its page becomes plaintext that the host may use
 * @conf: the configuration
 * @gaddr: guest absolute address of the page
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, or a response.
 */
u32 uvsim_share_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	rc = uvsim_import_page(conf, gaddr);
	if (rc == RC_OK)
		rc = uvsim_find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK || uvsim_page_state(page) == STATE_SHARED)
		return rc;
	if (uvsim_crypt_page(conf, page->component, addr, false))
		return RC_INV_STATE;
	page->component = 0;
	page->digest = 0;
	put_at(page, abs, STATE_SHARED);
	return RC_OK;
}

/**
 * uvsim_unshare_page() - what the guest does: a shared page becomes secure again
 * @conf: the configuration
 * @gaddr: guest absolute address of the page
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, RC_PAGE_PINNED if the host has to undo a pin first, or a response.
 */
u32 uvsim_unshare_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	rc = uvsim_find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (uvsim_page_state(page) != STATE_SHARED)
		return RC_PAGE_NOT_SHARED;
	if (page->place & PAGE_PINNED)
		return RC_PAGE_PINNED;
	return uvsim_secure_page(conf, page, abs, addr);
}

/* From now on the page is the host's, in its exported form if it is not shared */
static void leave_to_host(struct page_meta *page)
{
	uvsim_take_away(page, uvsim_page_state(page) == STATE_SHARED ? STATE_SHARED :
								       STATE_EXPORTED);
}

/**
 * uvsim_export_page() - what the host does when it needs the page for something else
 * @conf: the configuration
 * @gaddr: guest absolute address of the page
 *
 * Context: uvsim_lock is held
 * Return: RC_OK, or a response.
 */
u32 uvsim_export_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	lockdep_assert_held(&uvsim_lock);
	rc = uvsim_find_page(conf, gaddr, &page, &abs, &addr);
	if (rc == RC_OK && page->place & PAGE_MASK)
		leave_to_host(page);
	return rc;
}

/**
 * uvsim_store_secret() - what the guest does: eight bytes to its memory
 * @conf: the configuration
 * @gaddr: guest absolute address, on a doubleword
 * @value: the eight bytes
 *
 * A page that is not secure becomes so for just that moment, as the kernel was not
 * asked.
 *
 * Context: uvsim_lock is held
 * Return: false if the page is not there, or not writable.
 */
bool uvsim_store_secret(struct uvsim_conf *conf, u64 gaddr, u64 value)
{
	u64 page_addr = gaddr & PAGE_MASK, pte = 0, abs, addr;
	enum page_state state;
	struct page_meta *page;

	lockdep_assert_held(&uvsim_lock);
	if (gaddr >= conf->len || find_pte(conf, page_addr, &pte) != RC_OK ||
	    pte & PTE_PROTECTED)
		return false;
	state = uvsim_page_state(&conf->pages[gaddr >> PAGE_SHIFT]);
	if (uvsim_import_page(conf, page_addr) != RC_OK ||
	    uvsim_find_page(conf, page_addr, &page, &abs, &addr) != RC_OK)
		return false;
	if (state != STATE_SHARED && uvsim_crypt_page(conf, page->component, addr, false))
		return false;
	*(u64 *)(addr + (gaddr & ~PAGE_MASK)) = value;
	if (state == STATE_SHARED)
		return true;
	if (uvsim_secure_page(conf, page, abs, addr) != RC_OK)
		return false;
	if (state != STATE_SECURE)
		uvsim_take_away(page, STATE_EXPORTED);
	return true;
}

u32 uvsim_uvc_import(void *block)
{
	struct uvsim_cb_gpage *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);

	return conf ? uvsim_import_page(conf, cb->gaddr) : uvsim_unknown_conf(cb->handle);
}

static u32 check_hpage(u64 paddr)
{
	if (!(paddr & ~PAGE_MASK))
		return RC_OK;
	uvsim_violation("absolute address %llx not page aligned", paddr);
	return RC_OPERAND;
}

/* The kernel exports more than it made secure; that is cheap and no error. */
u32 uvsim_uvc_export(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	u32 rc = check_hpage(cb->paddr);

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	if (page)
		leave_to_host(page);
	return RC_OK;
}

u32 uvsim_uvc_destroy_page(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	struct uvsim_conf *conf;
	u32 rc = check_hpage(cb->paddr);
	u64 addr, abs;

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	conf = page ? page_owner(page) : NULL;
	addr = uvsim_abs_to_virt(cb->paddr, PAGE_SIZE);
	if (!conf || !addr)
		return RC_NOT_SECURE;
	/* A shared page the guest has no more is the host's, nobody else's. */
	if (uvsim_page_state(page) == STATE_SHARED &&
	    (uvsim_walk(conf, page_gaddr(conf, page), &abs) != RC_OK || abs != cb->paddr)) {
		uvsim_take_away(page, STATE_SHARED);
		return RC_NOT_SECURE;
	}
	uvsim_destroy_page(conf, page, addr);
	return RC_OK;
}

u32 uvsim_uvc_pin_shared(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	u32 rc = check_hpage(cb->paddr);

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	if (!page || uvsim_page_state(page) != STATE_SHARED)
		return RC_PAGE_NOT_SHARED;
	page->place |= PAGE_PINNED;
	return RC_OK;
}

u32 uvsim_uvc_unpin_shared(void *block)
{
	struct uvsim_cb_gpage *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	rc = uvsim_find_page(conf, cb->gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (!(page->place & PAGE_PINNED))
		return RC_PAGE_NOT_SHARED;
	page->place &= ~PAGE_PINNED;
	return RC_OK;
}

/* Pins do not count. What the host has taken away comes back as zeros. */
u32 uvsim_uvc_unshare_all(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	struct page_meta *page;
	u64 i, abs, addr;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (conf->dumping || conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	for (i = 0; i < conf->len >> PAGE_SHIFT; i++) {
		page = &conf->pages[i];
		if (uvsim_page_state(page) != STATE_SHARED)
			continue;
		page->place &= ~PAGE_PINNED;
		if (uvsim_walk(conf, i << PAGE_SHIFT, &abs) == RC_OK &&
		    abs == (page->place & PAGE_MASK)) {
			addr = uvsim_abs_to_virt(abs, PAGE_SIZE);
			if (addr && uvsim_secure_page(conf, page, abs, addr) == RC_OK)
				continue;
		}
		uvsim_take_away(page, STATE_ZERO);
		conf->used_pages--;
	}
	return RC_OK;
}
