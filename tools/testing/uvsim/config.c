// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: configurations
 *
 * Which there are, how they begin and end. Called through the table of commands,
 * and to find a configuration by its handle. Knows pages only as something that
 * has to be given back at the end.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched.h>
#include "uvsim.h"

static struct { u64 handle; struct uvsim_conf *conf; } conf_slots[UVSIM_MAX_CONFS];
static u64 next_conf = 1;
unsigned int uvsim_nr_confs;

/**
 * uvsim_next_conf() - walk over all configurations
 * @slot: where to begin, 0 for all; becomes where that one is
 *
 * Context: uvsim_lock is held
 * Return: the first one from there on, NULL if there is none.
 */
struct uvsim_conf *uvsim_next_conf(unsigned int *slot)
{
	lockdep_assert_held(&uvsim_lock);
	for (; *slot < UVSIM_MAX_CONFS; ++*slot) {
		if (conf_slots[*slot].handle)
			return conf_slots[*slot].conf;
	}
	return NULL;
}

/**
 * uvsim_find_conf() - configuration by its handle
 * @handle: anything
 *
 * A violation if the kernel has overwritten what it donated for it.
 *
 * Context: uvsim_lock is held
 * Return: NULL if there is none.
 */
struct uvsim_conf *uvsim_find_conf(u64 handle)
{
	unsigned int slot = handle & 0xffff;

	lockdep_assert_held(&uvsim_lock);
	if (!handle || slot >= UVSIM_MAX_CONFS || conf_slots[slot].handle != handle)
		return NULL;
	if (conf_slots[slot].conf->handle != handle) {
		uvsim_violation("donated storage of configuration %llx was overwritten", handle);
		return NULL;
	}
	return conf_slots[slot].conf;
}

/**
 * uvsim_newest_conf() - the newest configuration of a process
 * @tgid: the process that created it
 *
 * Context: uvsim_lock is held
 * Return: NULL if there is none.
 */
struct uvsim_conf *uvsim_newest_conf(pid_t tgid)
{
	struct uvsim_conf *newest = NULL, *conf;
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; (conf = uvsim_next_conf(&i)); i++) {
		if (conf->tgid == tgid && (!newest || conf->handle > newest->handle))
			newest = conf;
	}
	return newest;
}

/**
 * uvsim_unknown_conf() - answer to a handle that uvsim_find_conf() does not know
 * @handle: the handle
 *
 * Context: uvsim_lock is held
 * Return: the response, the violation is counted.
 */
u32 uvsim_unknown_conf(u64 handle)
{
	lockdep_assert_held(&uvsim_lock);
	uvsim_violation("unknown configuration handle %llx", handle);
	return RC_INV_CONF;
}

/**
 * uvsim_donated() - is any of this storage donated already?
 * @addr: kernel address
 * @len: bytes
 *
 * Context: uvsim_lock is held
 * Return: true if it is that of a configuration, of a CPU, or the Ultravisor's.
 */
bool uvsim_donated(u64 addr, u64 len)
{
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; (conf = uvsim_next_conf(&i)); i++) {
		if (uvsim_ranges_overlap(addr, len, (u64)conf, uvsim_qui.conf_base_phys_len) ||
		    uvsim_ranges_overlap(addr, len, conf->var, conf->var_len))
			return true;
	}
	for (i = 0; (cpu = uvsim_next_cpu(&i)); i++) {
		if (uvsim_ranges_overlap(addr, len, (u64)cpu, uvsim_qui.cpu_stor_len))
			return true;
	}
	return uvsim_ranges_overlap(addr, len, uvsim_uv_init.base, uvsim_uv_init.len);
}

u32 uvsim_uvc_create_conf(void *block)
{
	struct uvsim_cb_create_conf *cb = block;
	u64 base, var_len;
	struct uvsim_conf *conf;
	unsigned int i;

	if (cb->mso >= uvsim_qui.max_guest_addr) {
		uvsim_violation("MSO %llx too high", cb->mso);
		return RC(0x0101, 0);
	}
	if (cb->msl > uvsim_qui.max_guest_addr - cb->mso || cb->msl % SZ_1M) {
		uvsim_violation("MSL %llx", cb->msl);
		return RC(0x0102, 0);
	}
	/* Private space must be on, real space off. */
	if ((cb->asce & 0x120) != 0x100) {
		uvsim_violation("ASCE %llx", cb->asce);
		return RC(0x0105, 0);
	}
	if (!cb->sca) {
		uvsim_violation("no SCA");
		return RC(0x010c, 0);
	}
	if (!uvsim_abs_to_virt(cb->sca, 16)) {
		uvsim_violation("SCA %llx not accessible", cb->sca);
		return RC(0x010d, 0);
	}
	if (cb->base_origin < 2 * PAGE_SIZE) {
		uvsim_violation("base storage %llx in the lowcore", cb->base_origin);
		return RC(0x0109, 0);
	}
	base = uvsim_abs_to_virt(cb->base_origin, uvsim_qui.conf_base_phys_len);
	if (!base || cb->base_origin & ~PAGE_MASK ||
	    uvsim_donated(base, uvsim_qui.conf_base_phys_len) ||
	    !uvsim_writable(base, uvsim_qui.conf_base_phys_len)) {
		uvsim_violation("base storage %llx", cb->base_origin);
		return RC(0x0108, 0);
	}
	var_len = uvsim_qui.conf_base_virt_len + uvsim_qui.conf_virt_var_len * (cb->msl / SZ_1M);
	var_len = round_up(var_len, PAGE_SIZE);
	if (cb->var_origin & ~PAGE_MASK || !uvsim_writable(cb->var_origin, var_len) ||
	    uvsim_donated(cb->var_origin, var_len) ||
	    uvsim_ranges_overlap(base, uvsim_qui.conf_base_phys_len, cb->var_origin, var_len)) {
		uvsim_violation("variable storage %llx length %llx", cb->var_origin, var_len);
		return RC_VAR_STOR;
	}
	for (i = 0; (conf = uvsim_next_conf(&i)); i++) {
		if (conf->asce == cb->asce) {
			uvsim_violation("ASCE %llx in use", cb->asce);
			return RC(0x0104, 0);
		}
	}
	for (i = 0; i < UVSIM_MAX_CONFS && conf_slots[i].handle; i++)
		;
	if (i == UVSIM_MAX_CONFS || uvsim_nr_confs >= uvsim_qui.max_confs ||
	    !try_module_get(THIS_MODULE))
		return RC_CONF_LIMIT;

	memset((void *)base, 0, uvsim_qui.conf_base_phys_len);
	memset((void *)cb->var_origin, 0, var_len);
	conf = (struct uvsim_conf *)base;
	conf->handle = 0xc0UL << 56 | next_conf++ << 16 | i;
	conf->var = cb->var_origin;
	conf->var_len = var_len;
	conf->len = cb->msl;
	conf->asce = cb->asce;
	conf->meas = (struct measurement *)cb->var_origin;
	conf->pages = (struct page_meta *)(cb->var_origin + uvsim_qui.conf_base_virt_len);
	conf->tgid = current->tgid;
	get_random_bytes(conf->xts_key, sizeof(conf->xts_key));
	get_random_bytes(conf->nonce, 8);
	conf_slots[i].handle = conf->handle;
	conf_slots[i].conf = conf;
	uvsim_nr_confs++;
	cb->handle = conf->handle;
	return RC_OK;
}

static void forget_conf(struct uvsim_conf *conf)
{
	u64 i, var = conf->var, var_len = conf->var_len;

	for (i = 0; i < conf->len >> PAGE_SHIFT; i++)
		uvsim_take_away(&conf->pages[i], STATE_ZERO);
	conf_slots[conf->handle & 0xffff].handle = 0;
	uvsim_nr_confs--;
	memset((void *)var, 0, var_len);
	memset(conf, 0, uvsim_qui.conf_base_phys_len);
	module_put(THIS_MODULE);
}

u32 uvsim_uvc_destroy_conf(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	struct page_meta *page;
	u64 i, addr;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (conf->cpus) {
		uvsim_violation("%u CPUs left", conf->cpus);
		return RC_CONF_BUSY;
	}
	/*
	 * What is still secure becomes accessible and must not leak. A page
	 * that does not hold our data any more was given away without an
	 * export and belongs to somebody else.
	 */
	for (i = 0; i < conf->len >> PAGE_SHIFT; i++) {
		page = &conf->pages[i];
		if (uvsim_page_state(page) != STATE_SECURE)
			continue;
		addr = uvsim_abs_to_virt(page->place & PAGE_MASK, PAGE_SIZE);
		if (addr && uvsim_page_digest(addr) == page->digest)
			uvsim_destroy_page(conf, page, addr);
	}
	forget_conf(conf);
	return RC_OK;
}

/*
 * The configuration and its keys are gone, its pages are left as they are:
 * what nobody can decrypt any more is to be destroyed page by page.
 */
u32 uvsim_uvc_destroy_conf_fast(void *block)
{
	struct uvsim_cb_destroy_fast *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (conf->cpus) {
		uvsim_violation("%u CPUs left", conf->cpus);
		return RC_CONF_BUSY;
	}
	/* "Not now": the caller takes the slow way. */
	if (conf->dumping)
		return RC(0x0104, 0);
	forget_conf(conf);
	return RC_OK;
}

u32 uvsim_uvc_prep_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (conf->dumping || conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	conf->reset = true;
	return RC_OK;
}
