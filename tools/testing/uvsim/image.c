// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: Secure Execution images
 *
 * From an SE header to a verified image: set parameters, unpack, verify. Called
 * through the table of commands, and for the debugfs file "header_keys".
 */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "uvsim.h"

#define UVSIM_MAX_KEYS		16

static struct { u8 hash[32], key[32]; } header_keys[UVSIM_MAX_KEYS] __aligned(8);
static unsigned int nr_header_keys;

u32 uvsim_uvc_set_parms(void *block)
{
	struct uvsim_se_header *h = (struct uvsim_se_header *)uvsim_se_buf;
	struct uvsim_se_slot *slot = (struct uvsim_se_slot *)(h + 1);
	struct uvsim_cb_set_parms *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	bool found = false;
	unsigned int i, k;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if (conf->state != CONF_NEW || conf->dumping)
		return RC_INV_STATE;
	if (!cb->hdr_len || !uvsim_readable(cb->hdr_origin, cb->hdr_len)) {
		uvsim_violation("header at %llx length %x", cb->hdr_origin, cb->hdr_len);
		return RC(0x0103, 0);
	}
	if (cb->hdr_len < sizeof(*h) || cb->hdr_len > sizeof(uvsim_se_buf))
		return RC(0x010a, 0x31);
	memcpy(uvsim_se_buf, (void *)cb->hdr_origin, cb->hdr_len);
	if (h->magic != UVSIM_SE_MAGIC)
		return RC(0x010a, 0x39);
	if (h->version != UVSIM_SE_VERSION)
		return RC(0x0104, 0x01);
	if (!uvsim_se_header_consistent(h, cb->hdr_len))
		return RC(0x010a, 0x31);
	if (h->pcf & ~uvsim_qui.se_hdr_pcf)
		return RC(0x0106, 0x30);

	for (i = 0; i < h->slots; i++) {
		for (k = 0; k < nr_header_keys; k++) {
			if (memcmp(slot[i].key_hash, header_keys[k].hash, 32))
				continue;
			found = true;
			if (uvsim_open_se_header(h, header_keys[k].key, &conf->secret))
				continue;
			if (conf->secret.scf & ~UVSIM_SCF_KNOWN) {
				memzero_explicit(&conf->secret, sizeof(conf->secret));
				return RC(0x0109, 0);
			}
			conf->pcf = h->pcf;
			conf->image_pages = h->pages;
			memcpy(conf->pld, h->pld, sizeof(conf->pld));
			memcpy(conf->ald, h->ald, sizeof(conf->ald));
			memcpy(conf->tld, h->tld, sizeof(conf->tld));
			memzero_explicit(uvsim_se_buf, sizeof(uvsim_se_buf));
			if (uvsim_measure_start(conf->meas))
				return RC_INV_STATE;
			conf->state = CONF_HEADER;
			return RC_OK;
		}
	}
	return found ? RC(0x010a, 0x40) : RC(0x0108, 0x05);
}

u32 uvsim_uvc_unpack(void *block)
{
	struct uvsim_cb_unpack *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if ((conf->state != CONF_HEADER && conf->state != CONF_UNPACKING) || conf->dumping)
		return RC_INV_STATE;
	rc = uvsim_find_page(conf, cb->gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (uvsim_page_state(page) != STATE_ZERO)
		return RC_PAGE_USED;
	if (uvsim_measure(conf->meas, (void *)addr, cb->gaddr, cb->tweak))
		return RC_INV_STATE;
	if (!(conf->pcf & UVSIM_PCF_PLAIN) &&
	    uvsim_xts_page(addr, conf->secret.xts_key, cb->tweak[0], cb->tweak[1], false))
		return RC_INV_STATE;
	rc = uvsim_secure_page(conf, page, abs, addr);
	if (rc != RC_OK)
		return rc;
	conf->unpacked++;
	conf->state = CONF_UNPACKING;
	return RC_OK;
}

u32 uvsim_uvc_verify(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->handle);

	if (!conf)
		return uvsim_unknown_conf(cb->handle);
	if ((conf->state != CONF_HEADER && conf->state != CONF_UNPACKING) || conf->dumping)
		return RC_INV_STATE;
	if (conf->unpacked != conf->image_pages)
		return RC(0x0102, 0x1d);
	if (!uvsim_sha_equals(conf->meas->ald, conf->ald))
		return RC(0x0102, 0x1a);
	if (!uvsim_sha_equals(conf->meas->pld, conf->pld))
		return RC(0x0102, 0x1b);
	if (!uvsim_sha_equals(conf->meas->tld, conf->tld))
		return RC(0x0102, 0x1c);
	conf->state = CONF_VERIFIED;
	uvsim_carry_out_orders(conf);
	return RC_OK;
}

/* hex2bin() is not in the same header in all kernels */
static int parse_hex(u8 *bytes, const char *text, unsigned int len)
{
	char digits[3] = {};

	for (; len; len--, bytes++, text += 2) {
		memcpy(digits, text, 2);
		if (!isxdigit(digits[0]) || !isxdigit(digits[1]) || kstrtou8(digits, 16, bytes))
			return -EINVAL;
	}
	return 0;
}

/**
 * uvsim_forget_header_keys() - no image can be opened any more
 *
 * Context: takes uvsim_lock
 */
void uvsim_forget_header_keys(void)
{
	spin_lock_irq(&uvsim_lock);
	memzero_explicit(header_keys, sizeof(header_keys));
	nr_header_keys = 0;
	spin_unlock_irq(&uvsim_lock);
}

int uvsim_header_keys_show(struct seq_file *m, void *v)
{
	spin_lock_irq(&uvsim_lock);
	seq_printf(m, "%u\n", nr_header_keys);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_header_keys_set(char *text)
{
	char *hash = strsep(&text, " \t"), *key = text ? skip_spaces(text) : NULL;
	u8 bytes[64];
	int ret = 0;

	if (!key && !strcmp(hash, "clear")) {
		uvsim_forget_header_keys();
		return 0;
	}
	if (!key || strlen(hash) != 64 || strlen(key) != 64 ||
	    parse_hex(bytes, hash, 32) || parse_hex(bytes + 32, key, 32))
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	if (nr_header_keys < UVSIM_MAX_KEYS)
		memcpy(&header_keys[nr_header_keys++], bytes, sizeof(bytes));
	else
		ret = -ENOSPC;
	spin_unlock_irq(&uvsim_lock);
	memzero_explicit(bytes, sizeof(bytes));
	return ret;
}
