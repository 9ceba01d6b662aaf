// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: known answers
 *
 * Computed once, when the simulator is loaded. Knows crypto.c and nothing else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "uvsim.h"

/*
 * Known answers, from an independent implementation. Inputs are ramps: the
 * CCK and the IVs count from 0, the seed from 0x40, the XTS key from 0x80,
 * the header key from 0xc0, and byte i of the page is 7 * i + i / 256.
 */
static const u8 kat_dump_key[] __initconst =
	"\xac\x3f\x31\x50\xad\x72\x23\xed\xe2\xf4\xc3\x80\xef\xc8\x5a\x2b"
	"\x9d\x5b\xa0\xdb\xc9\x9a\x13\xf3\x39\xe5\xa1\xd9\x7b\x77\x07\x84";

/* last 16 bytes of the page, encrypted with components 0, 1 and the third */
static const u64 kat_component[][2] __initconst = {
	{ 0, 0 }, { 0, 1 }, { 0x00000000f0f0f0f0UL, 0x0000000000001234UL },
};

static const u8 kat_page_end[][17] __initconst = {
	"\x37\x12\x76\xfa\xc0\x75\x1f\x72\xbe\x4e\xe2\x4d\x75\x01\x00\xd3",
	"\x35\xf1\xa7\xbc\x32\xde\x1d\x85\x01\x68\x50\xaa\xc7\xce\x8a\x1a",
	"\xa1\xd2\x74\x6f\x8d\x74\x41\x01\x3f\x8a\xea\xd4\x6f\x96\x01\x00",
};

/* a GCM tag covers everything that was sealed */
static const u8 kat_final_tag[] __initconst =
	"\x73\x2b\x86\xe0\x6d\x8c\x0f\xc7\x3c\x9f\x4e\x36\x5f\x95\x76\x70";
static const u8 kat_cpu_tag[] __initconst =
	"\x35\x7d\x9a\x27\x22\xee\xfb\x6f\x54\xe0\x5c\x06\xc8\x3d\x4f\x23";

/* two pages from 0x15000 and one at 0x40000, each component with its tweak */
static const u64 kat_unpack[][3] __initconst = {
	{ 0x15000, 0x0000aabbccddeeffUL, 0 },
	{ 0x16000, 0x0000aabbccddeeffUL, PAGE_SIZE },
	{ 0x40000, 0x0003112233445566UL, 0 },
};

static const u8 kat_pld[] __initconst =
	"\xf8\xf5\x0a\x5e\x38\x4b\x30\x7d\x90\x84\x7a\x6e\xcb\xb6\xd1\xae"
	"\x4e\xcb\xdc\x48\x4c\xd5\x3d\xd9\x34\xfc\x7c\x56\xe3\x08\xc2\xf1"
	"\x73\x4f\xd7\x31\x7f\x6e\xf7\xd4\x36\x62\x18\x34\x59\xa4\x42\x89"
	"\x79\x58\x1b\xa0\xd7\x1a\x86\xae\x68\x2a\x70\x83\x0c\xf3\x0f\x43";
static const u8 kat_ald[] __initconst =
	"\x1a\x60\x04\xd0\x3f\x6e\x42\xb0\x40\xa2\xae\xbc\x2e\xf0\xf9\x84"
	"\xa3\x2a\xa1\x56\x26\xca\x83\xd7\x88\xdd\x65\x78\xc0\x8a\x6f\x31"
	"\xe7\x32\xa2\xc8\x18\x7a\x4e\x3d\xe3\x05\x99\x2b\x08\xfd\xef\x35"
	"\x6e\xda\x57\x73\xfc\xb2\x3e\x7b\x0c\xcc\x72\x50\x76\xc1\xf2\xb3";
static const u8 kat_tld[] __initconst =
	"\x20\x63\xed\x47\x89\x19\x80\x17\x2c\xca\x70\x8e\x69\xd0\xc9\xd5"
	"\x3f\xe4\xbb\x00\x14\x7c\x15\x5a\xaa\xbc\x23\x52\x17\x3b\x74\x29"
	"\xfd\xf4\xf9\x5d\xf2\x52\xed\xc6\x8b\x8b\x9e\xcf\x5f\xdd\x83\xaa"
	"\x0b\xbe\xb2\x01\x18\x52\x20\xf0\xff\xfa\x53\x29\x58\x21\x4b\xf1";

/* made by genprotimg 2.35.0 */
static const u8 kat_se_header[] __initconst =
	"\x49\x42\x4d\x53\x65\x63\x45\x78\x00\x00\x01\x00\x00\x00\x02\x80"
	"\x74\x74\x1a\xe2\xa0\xcf\xe6\x49\x31\x46\x84\x50\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x80"
	"\x00\x00\x00\x00\x00\x00\x00\x16\x00\x00\x00\x00\x20\x00\x00\xe0"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a"
	"\xa3\x19\x3a\x88\x41\xed\x78\x31\xa8\x7f\x13\xc2\x7a\x5e\xb0\xf1"
	"\x92\xbf\x90\xf0\x8e\xaf\x51\xa8\x0f\x80\x96\x34\x52\xfd\x91\x80"
	"\xa3\x15\x68\xbc\x60\xe3\x73\x3c\x7e\x79\xfc\x39\x62\x42\x1f\x80"
	"\x6d\x7a\x6a\x45\xa9\xe7\x4b\x84\x4e\xe0\xbb\x53\x58\x2e\x6f\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x2a"
	"\xc2\xd7\x35\x64\x07\x8e\x9f\x1f\x3d\x99\xb7\x0f\xfb\xb5\x3a\xe3"
	"\xdb\x2b\xfd\xd8\x58\x81\x55\x32\xe7\xba\x4a\xfe\xe9\x5c\x7e\xa3"
	"\x86\x5d\x44\x6a\xe3\x15\x52\xd4\xf4\x42\xe7\xfa\x23\xf5\xa3\xb1"
	"\xa1\x1f\x3a\xff\x85\xd1\x9a\x2f\xa9\x0f\xf5\xc3\x88\x2a\xd0\x37"
	"\xac\x0a\x41\xbc\x6d\x57\x4d\x9e\x2e\xd8\xd8\xc8\x86\xa4\x6f\xd0"
	"\x93\x46\xbf\x69\xb2\x3f\x8f\x33\x7c\xc7\x25\x45\x2c\x31\xa3\x10"
	"\x3f\xe3\xc8\x3d\x38\x39\x5b\xe6\xfd\xd5\x4e\xed\x4d\x7a\x77\x36"
	"\x9f\xcb\x8d\x34\x41\x66\xd0\x75\xb3\x34\xee\x53\x70\x1c\x14\x92"
	"\x06\xeb\x88\xeb\x76\x0d\x07\x7e\xb2\x13\x22\x23\x68\xe0\x5d\xe4"
	"\xae\x89\xbd\x28\x1e\x0a\x7a\xf3\xf5\x97\xa1\xac\xda\x6a\xdf\x2f"
	"\x1c\x95\x7f\xd2\x2c\x8b\xb6\xc6\x3a\x95\x9e\x97\x0f\x54\x57\x06"
	"\xac\x9b\xf8\xfe\x95\x07\x96\x57\xb4\xd4\x51\x59\xbe\x36\x8d\x9d"
	"\xb4\x01\xf3\x62\xa8\x58\xf6\x7d\x41\xe3\x29\xc0\xed\x3e\x2a\xa1"
	"\xa9\xf8\x1c\x18\x3c\xf5\x6e\x5b\x14\xcf\x31\x70\xf7\xff\xa6\xdd"
	"\x1c\xbc\x4c\x35\x39\x13\x05\x43\xf2\x01\x16\xce\x87\x0a\x0e\x5a"
	"\x42\xbd\x06\xf7\xb8\xb9\x7f\x7f\x61\xac\xf8\x46\x10\xc8\x29\x47"
	"\x4e\xf8\xa6\x72\x1e\xf4\x07\x69\x0d\xb7\xf0\xdd\xa9\xdb\x9d\x30"
	"\xd2\xf4\xd7\xdb\x41\x16\x3f\x56\x44\x52\xf4\xa1\xc5\x0e\x8c\xdf"
	"\xa0\xcd\x27\xdd\x31\xb5\xd7\x7d\x3a\x29\x05\xba\x85\x1d\x12\xda"
	"\x0b\xf2\x95\xd6\xc9\xcb\xc5\x00\xb3\x64\x95\x85\xd4\x6e\x50\xe4"
	"\x9a\xc8\x40\x85\x61\x83\xae\x43\x41\x49\x37\x78\xe2\x7f\x69\x6a"
	"\xc5\x2a\xbe\x4a\xa2\x18\x88\x4d\x31\xc9\xdb\xa1\x8d\x30\x18\xf3"
	"\x5c\x32\xb2\x59\xa8\xfc\x84\x79\x24\x0f\xc8\xe1\xc0\xda\x7e\x37"
	"\x61\x50\x5c\x9c\x7c\x13\xac\x72\x50\xbd\xd7\xdd\x3c\x92\xb1\x0c"
	"\x87\x5c\x36\xfe\x50\x0d\xac\x3a\x47\x2e\x95\xcd\xd6\x82\xc3\x72"
	"\xca\x5f\xed\x95\xe2\x55\xc4\x69\xcb\x87\xa3\x0a\xd2\x8b\x7b\x1e"
	"\x9c\xbd\xaa\xff\x2a\x42\xb1\xf8\x22\x78\x13\xc3\x11\x15\xa4\x99"
	"\xec\xcb\x77\x85\xd6\x10\xc3\xff\x52\x6a\x4d\x35\xe4\x8e\x1d\xab"
	"\xee\xdd\xf4\x8d\x59\x90\x83\xde\xcf\x86\x3d\x64\xd6\xaf\x2f\xaa"
	"\xaf\xd0\x93\x98\x4c\x10\x73\x00\xd4\xfc\x1f\xd9\xcb\xfe\xef\x98";

static void __init ramp(u8 *out, unsigned int len, u8 first)
{
	while (len--)
		*out++ = first++;
}

static void __init kat_page(u8 *page)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = 7 * i + (i >> 8);
}

static void __init kat_regs(struct uvsim_cpu_regs *r)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		r->gprs[i] = i * 0x1111111111111111UL;
		r->acrs[i] = i;
		r->ctrs[i] = 0xc0000000 + i;
	}
	r->psw[0] = 0x0704c00180000000UL;
	r->psw[1] = 0x123456;
	r->prefix = 0x8000;
	r->fpc = 0x80000;
	r->todpr = 0xabcd;
	r->timer = 0x7fffffff00000000UL;
	r->todcmp = 0x00deadbeef000000UL;
	for (i = 0; i < 64; i++)
		r->vregs[i / 2][i % 2] = i * 0x0100000000000001UL;
	for (i = 1; i < 4; i++)
		r->gs[i] = i;
}

/* Buffers of the self test; too large for the stack */
struct kat_data {
	u8 cck[32] __aligned(8), seed[64], xts_key[64], header_key[32], iv[24], nonce[16];
	u8 dump_key[32] __aligned(8);
	struct uvsim_se_secret secret;
	struct uvsim_dump_final final;
	struct uvsim_cpu_regs regs;
	struct uvsim_dump_cpu cpu;
	struct measurement meas;
};

/* NULL if all answers are right, else the vector that is not */
static const char * __init known_answers(struct kat_data *k, u8 *page)
{
	const u64 nonce0 = 0x12345678, *tweak;
	unsigned int i;
	u64 plain;

	ramp(k->cck, sizeof(k->cck), 0);
	ramp(k->seed, sizeof(k->seed), 0x40);
	ramp(k->xts_key, sizeof(k->xts_key), 0x80);
	ramp(k->header_key, sizeof(k->header_key), 0xc0);
	ramp(k->iv, sizeof(k->iv), 0);
	memcpy(k->nonce, &nonce0, sizeof(nonce0));

	if (uvsim_derive_dump_key(k->cck, k->seed, k->dump_key) ||
	    memcmp(k->dump_key, kat_dump_key, sizeof(k->dump_key)))
		return "kdf";

	for (i = 0; i < ARRAY_SIZE(kat_component); i++) {
		kat_page(page);
		if (uvsim_xts_page((u64)page, k->xts_key, kat_component[i][0] | nonce0,
				   kat_component[i][1], true) ||
		    memcmp(page + PAGE_SIZE - 16, kat_page_end[i], 16))
			return "pages";
	}

	if (uvsim_seal_final(&k->final, k->dump_key, k->seed, k->iv, k->nonce, k->xts_key) ||
	    memcmp(k->final.tag, kat_final_tag, sizeof(k->final.tag)))
		return "completion";

	kat_regs(&k->regs);
	if (uvsim_seal_cpu(&k->cpu, k->dump_key, k->iv + 12, &k->regs) ||
	    memcmp(k->cpu.tag, kat_cpu_tag, sizeof(k->cpu.tag)))
		return "cpu";

	if (uvsim_measure_start(&k->meas))
		return "unpack";
	for (i = 0; i < ARRAY_SIZE(kat_unpack); i++) {
		kat_page(page);
		plain = uvsim_page_digest((u64)page);
		tweak = &kat_unpack[i][1];
		if (uvsim_xts_page((u64)page, k->xts_key, tweak[0], tweak[1], true) ||
		    uvsim_measure(&k->meas, page, kat_unpack[i][0], tweak) ||
		    uvsim_xts_page((u64)page, k->xts_key, tweak[0], tweak[1], false) ||
		    uvsim_page_digest((u64)page) != plain)
			return "unpack";
	}
	if (!uvsim_measured(&k->meas, kat_pld, kat_ald, kat_tld))
		return "unpack";

	memcpy(uvsim_se_buf, kat_se_header, sizeof(kat_se_header) - 1);
	if (!uvsim_se_header_consistent((void *)uvsim_se_buf, sizeof(kat_se_header) - 1) ||
	    uvsim_open_se_header((void *)uvsim_se_buf, k->header_key, &k->secret) ||
	    memcmp(k->secret.cck, k->cck, sizeof(k->cck)) ||
	    memcmp(k->secret.xts_key, k->xts_key, sizeof(k->xts_key)))
		return "se_header";
	uvsim_se_buf[0] ^= 1;
	if (!uvsim_open_se_header((void *)uvsim_se_buf, k->header_key, &k->secret))
		return "se_header with a flipped bit";
	return NULL;
}

/**
 * uvsim_check_known_answers() - compute what is known
 *
 * Context: may sleep, takes uvsim_lock
 * Return: 0, -EINVAL if an answer is wrong, -ENOMEM.
 */
int __init uvsim_check_known_answers(void)
{
	struct kat_data *data = kzalloc(sizeof(*data), GFP_KERNEL);
	u8 *page = (u8 *)get_zeroed_page(GFP_KERNEL);
	const char *failed = NULL;
	int ret = -ENOMEM;

	if (data && page) {
		spin_lock_irq(&uvsim_lock);
		failed = known_answers(data, page);
		memset(uvsim_se_buf, 0, sizeof(uvsim_se_buf));
		spin_unlock_irq(&uvsim_lock);
		ret = failed ? -EINVAL : 0;
	}
	if (failed)
		pr_err("known answer test \"%s\" failed\n", failed);
	free_page((unsigned long)page);
	kfree(data);
	return ret;
}
