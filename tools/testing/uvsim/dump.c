// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: dumps
 *
 * Called through the table of commands. Reads pages and registers, changes
 * nothing but the state of the dump.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include "uvsim.h"

/*
 * What dump areas have to be aligned to is not published. By default a doubleword;
 * a test can demand more, to see that the kernel relies on nothing.
 */
u64 uvsim_area_align;

/*
 * Some CPU may not be in SIE just now, but nothing keeps it from entering. Not
 * for the CPU dump: only the other calls exclude that a CPU is being created.
 */
static void check_blocked(const struct uvsim_conf *conf)
{
	unsigned int i, n = conf->cpus;
	const struct uvsim_sd *sd;
	struct uvsim_cpu *cpu;

	if (uvsim_conf_runs(conf->handle))
		uvsim_violation("a CPU of the guest runs");
	for (i = 0; n && (cpu = uvsim_next_cpu(&i)); i++) {
		if (cpu->conf_handle != conf->handle)
			continue;
		n--;
		sd = __va(cpu->sd);
		if (!(READ_ONCE(sd->prog20) & PROG20_BLOCKED))
			uvsim_violation("CPU %u is not blocked", cpu->num);
	}
}

u32 uvsim_uvc_dump_init(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	/* Whether it will be refused is not known before. */
	check_blocked(conf);
	if (conf->dumping)
		return RC_DUMP_ACTIVE;
	if (conf->state != CONF_VERIFIED)
		return RC_DUMP_NOT_VERIFIED;
	if (!(conf->pcf & UVSIM_PCF_DUMP))
		return RC_DUMP_FORBIDDEN;
	get_random_bytes(conf->seed, sizeof(conf->seed));
	if (uvsim_derive_dump_key(conf->secret.cck, conf->seed, conf->dump_key))
		return RC_INV_STATE;
	conf->dumping = true;
	return RC_OK;
}

/* RC_OK if @len bytes at @area can take @min bytes of data */
static u32 check_dump_area(u64 area, u64 len, u64 min)
{
	if (len < min)
		return RC_DUMP_LEN;
	if (area % uvsim_area_align || !uvsim_writable(area, len)) {
		uvsim_violation("dump area %llx length %llx", area, len);
		return RC_DUMP_AREA;
	}
	return RC_OK;
}

u32 uvsim_uvc_dump_stor(void *block)
{
	struct uvsim_cb_dump_stor *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	struct uvsim_stor_entry *entry;
	struct page_meta *page;
	unsigned int i;
	u32 rc;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (!conf->dumping)
		return RC_DUMP_INACTIVE;
	check_blocked(conf);
	if (cb->gaddr % SZ_1M) {
		uvsim_violation("guest address %llx not MiB aligned", cb->gaddr);
		return RC_DUMP_ALIGN;
	}
	if (cb->gaddr >= conf->len)
		return RC_DUMP_RANGE;
	rc = check_dump_area(cb->area, uvsim_qui.dump_stor_state_len,
			     UVSIM_PAGES_PER_MIB * sizeof(*entry));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, uvsim_qui.dump_stor_state_len);
	entry = (struct uvsim_stor_entry *)cb->area;
	page = &conf->pages[cb->gaddr >> PAGE_SHIFT];
	for (i = 0; i < UVSIM_PAGES_PER_MIB; i++, entry++, page++) {
		switch (uvsim_page_state(page)) {
		case STATE_ZERO:
			entry->word[1] = UVSIM_SPECIAL_ZERO;
			break;
		case STATE_SHARED:
			entry->word[1] = UVSIM_SPECIAL_SHARED;
			break;
		default:
			entry->word[1] = page->component;
			continue;
		}
		entry->word[0] = UVSIM_SPECIAL;
		if (uvsim_is_mapped(conf, page))
			entry->word[1] |= UVSIM_SPECIAL_MAPPED;
	}
	return RC_OK;
}

u32 uvsim_uvc_dump_cpu(void *block)
{
	struct uvsim_cb_dump_area *cb = block;
	struct uvsim_cpu *cpu = uvsim_find_cpu(cb->handle);
	struct uvsim_conf *conf;
	u8 iv[12];
	u32 rc;

	if (!cpu)
		return uvsim_unknown_cpu(cb->handle);
	conf = uvsim_find_conf(cpu->conf_handle);
	if (!conf || !conf->dumping)
		return RC_DUMP_INACTIVE;
	rc = check_dump_area(cb->area, uvsim_qui.cpu_stor_len, sizeof(struct uvsim_dump_cpu));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, uvsim_qui.cpu_stor_len);
	get_random_bytes(iv, sizeof(iv));
	if (uvsim_seal_cpu((void *)cb->area, conf->dump_key, iv, &cpu->regs))
		return RC_INV_STATE;
	return RC_OK;
}

u32 uvsim_uvc_dump_complete(void *block)
{
	struct uvsim_cb_dump_area *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	u8 iv[12];
	u32 rc;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (!conf->dumping)
		return RC_DUMP_INACTIVE;
	check_blocked(conf);
	rc = check_dump_area(cb->area, uvsim_qui.dump_finalize_len,
			     sizeof(struct uvsim_dump_final));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, uvsim_qui.dump_finalize_len);
	get_random_bytes(iv, sizeof(iv));
	if (uvsim_seal_final((void *)cb->area, conf->dump_key, conf->seed, iv, conf->nonce,
			     conf->xts_key))
		return RC_INV_STATE;
	memzero_explicit(conf->seed, sizeof(conf->seed));
	memzero_explicit(conf->dump_key, sizeof(conf->dump_key));
	conf->dumping = false;
	conf->dumps++;
	return RC_OK;
}
