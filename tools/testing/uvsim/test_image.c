// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: Secure Execution images: set parameters, unpack, verify
 *
 * Makes the headers that it needs with the kernel's "gcm(aes)", which the
 * simulator does not use.
 */
#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include "test.h"

static const u8 header_key[32] = "the key of the SE header: secret";
static const u8 host_key_hash[32] = "SHA-256 of the host's public key";

/* The simulator shall open what this host could */
void know_host_key(void)
{
	order("header_keys", "%*phN %*phN", 32, host_key_hash, 32, header_key);
}

/* SE header: one key slot, pages not encrypted; @alter before it is sealed */
static int build_header(u64 pcf, u64 scf, u32 alter, u64 value)
{
	struct uvsim_se_header *h;
	struct uvsim_se_slot *slot;
	struct uvsim_se_secret *secret;
	struct aead_request *req = NULL;
	struct crypto_shash *sha;
	struct crypto_aead *gcm;
	DECLARE_CRYPTO_WAIT(wait);
	struct shash_desc *desc = NULL;
	struct scatterlist sg;
	u64 words[2] = {};
	int ret, i, k;

	h = kzalloc(640, GFP_KERNEL);
	sha = crypto_alloc_shash("sha512", 0, 0);
	gcm = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	ret = -ENOMEM;
	if (!h || IS_ERR(sha) || IS_ERR(gcm))
		goto out;
	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(sha), GFP_KERNEL);
	req = aead_request_alloc(gcm, GFP_KERNEL);
	if (!desc || !req)
		goto out;

	slot = (struct uvsim_se_slot *)(h + 1);
	secret = (struct uvsim_se_secret *)(slot + 1);
	h->magic = UVSIM_SE_MAGIC;
	h->version = UVSIM_SE_VERSION;
	h->size = 640;
	h->slots = 1;
	h->enc_len = sizeof(*secret);
	h->pages = IMAGE_PAGES;
	h->pcf = pcf;
	memcpy(slot->key_hash, host_key_hash, sizeof(slot->key_hash));
	secret->psw[0] = 0x0000000180000000UL;
	secret->psw[1] = IMAGE_ADDR;
	secret->scf = scf;

	desc->tfm = sha;
	for (k = 0; k < 3; k++) {
		ret = crypto_shash_init(desc);
		for (i = 0; i < IMAGE_PAGES && !ret; i++) {
			words[0] = IMAGE_ADDR + i * PAGE_SIZE;
			pattern(t.area, i);
			if (k == 0)
				ret = crypto_shash_update(desc, t.area, PAGE_SIZE);
			else if (k == 1)
				ret = crypto_shash_update(desc, (u8 *)words, 8);
			words[0] = 0;
			if (k == 2)
				ret = crypto_shash_update(desc, (u8 *)words, 16);
		}
		ret = ret ?: crypto_shash_final(desc, k == 0 ? h->pld : k == 1 ? h->ald : h->tld);
		if (ret)
			goto out;
	}
	if (alter)
		put(h, alter, value);

	ret = crypto_aead_setkey(gcm, header_key, sizeof(header_key)) ?:
	      crypto_aead_setauthsize(gcm, 16);
	if (ret)
		goto out;
	sg_init_one(&sg, h, 640);
	aead_request_set_callback(req, 0, crypto_req_done, &wait);
	aead_request_set_ad(req, sizeof(*h) + sizeof(*slot));
	aead_request_set_crypt(req, &sg, &sg, sizeof(*secret), h->iv);
	ret = crypto_wait_req(crypto_aead_encrypt(req), &wait);
	memcpy(t.header, h, 640);
out:
	kfree(desc);
	if (req)
		aead_request_free(req);
	if (!IS_ERR(gcm))
		crypto_free_aead(gcm);
	if (!IS_ERR(sha))
		crypto_free_shash(sha);
	kfree(h);
	return ret;
}

void make_header(u64 pcf, u64 scf, u32 alter, u64 value)
{
	int ret = build_header(pcf, scf, alter, value);

	if (ret)
		result(false, "SE header: errno %d", -ret);
}

void test_set_parms(void)
{
	static const struct {
		const char *what;
		u64 pcf, scf;
		u32 before, after;	/* change before, after it was sealed */
		u64 value;
		u32 rc;
	} headers[] = {
		{ "header: magic", GOOD_PCF, 0, 0, U8(0), 0, RC(0x010a, 0x39) },
		{ "header: version", GOOD_PCF, 0, 0, U32(8), 0x200, RC(0x0104, 0x01) },
		{ "header: size", GOOD_PCF, 0, 0, U32(12), 639, RC(0x010a, 0x31) },
		{ "header: size beyond what is given", GOOD_PCF, 0, 0, U32(12), 720,
		  RC(0x010a, 0x31) },
		{ "header: no key slot", GOOD_PCF, 0, 0, U64(32), 0, RC(0x010a, 0x31) },
		{ "header: many key slots", GOOD_PCF, 0, 0, U64(32), -1, RC(0x010a, 0x31) },
		{ "header: length of the secret part", GOOD_PCF, 0, 0, U64(40), 112,
		  RC(0x010a, 0x31) },
		{ "header: unknown plaintext flag", GOOD_PCF | 0x08000000, 0, 0, 0, 0,
		  RC(0x0106, 0x30) },
		{ "header: for another host", GOOD_PCF, 0, 0, U8(416), 0, RC(0x0108, 0x05) },
		{ "header: changed plaintext flag", PCF_PLAIN, 0, 0, U64(56), GOOD_PCF,
		  RC(0x010a, 0x40) },
		{ "header: changed secret", GOOD_PCF, 0, 0, U64(496), 0, RC(0x010a, 0x40) },
		{ "header: changed tag", GOOD_PCF, 0, 0, U64(624), 0, RC(0x010a, 0x40) },
		{ "header: unknown secret flag", GOOD_PCF, 1UL << 63, 0, 0, 0, RC(0x0109, 0) },
	};
	int i;

	row(0x0301, "before the header", INV_STATE, 0);
	row(0x0302, "before the header", INV_STATE, 0);
	row(0x0400, "before the header, a CPU could enter SIE", RC(0x0102, 0), 1);

	make_header(GOOD_PCF, 0, 0, 0);
	row1(0x0300, "header not accessible", U64(0x20), (u64)t.area + 3 * PAGE_SIZE,
	     RC(0x0103, 0), 1);
	row1(0x0300, "end of the header not accessible", U32(0x28), 641, RC(0x0103, 0), 1);
	row1(0x0300, "header of length 0", U32(0x28), 0, RC(0x0103, 0), 1);
	row1(0x0300, "header too short", U32(0x28), 415, RC(0x010a, 0x31), 0);
	row1(0x0300, "end of the header missing", U32(0x28), 639, RC(0x010a, 0x31), 0);
	with(U64(0x20), (u64)t.area);
	row1(0x0300, "header too long", U32(0x28), 2 * PAGE_SIZE + 1, RC(0x010a, 0x31), 0);
	for (i = 0; i < ARRAY_SIZE(headers); i++) {
		make_header(headers[i].pcf, headers[i].scf, headers[i].before, headers[i].value);
		if (headers[i].after)
			put(t.header, headers[i].after, headers[i].value);
		row(0x0300, headers[i].what, headers[i].rc, 0);
	}
	make_header(GOOD_PCF, 0x6000000000000000UL, 0, 0);
	row(0x0300, "success", OK, 0);
	row(0x0300, "twice", INV_STATE, 0);
}

void test_unpack(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	u64 saved;

	/* a frame that is secure in another configuration */
	t.g = b;
	map(b, FREE_ADDR, t.frame[15]);
	must(0x0200);
	t.g = a;
	map(a, FREE_ADDR, t.frame[15]);

	row1(0x0301, "address not aligned", U64(0x20), IMAGE_ADDR + 8, OPERAND, 1);
	row1(0x0301, "address beyond the guest", U64(0x20), GUEST_LEN, RC(0x0185, 0), 0);
	row(0x0301, "page not mapped", NOT_MAPPED, 0);
	saved = a->segments[0];
	a->segments[0] = 0x20;
	row(0x0301, "segment not mapped", NOT_MAPPED, 0);
	a->segments[0] = saved | 0x400;
	row(0x0301, "large page", RC(0x0186, 0), 0);
	a->segments[0] = saved | 0x04;
	row(0x0301, "table of the wrong kind", OPERAND, 1);
	a->segments[0] = BEYOND;
	row(0x0301, "table outside of memory", OPERAND, 1);
	a->segments[0] = saved;
	a->ptes[IMAGE_ADDR >> PAGE_SHIFT] = BEYOND;
	row(0x0301, "page outside of memory", OPERAND, 1);
	row1(0x0301, "page secure elsewhere", U64(0x20), FREE_ADDR, RC(0x0187, 0), 0);
	with(U64(0x18), __pa(t.frame[15]));
	must(0x0202);
	map(a, FREE_ADDR, NULL);
	map(b, FREE_ADDR, NULL);

	row(0x0302, "no page of the image is there", RC(0x0102, 0x1d), 0);
	map_image(a, 0);
	row(0x0301, "success", OK, 0);
	result(!has_pattern(t.frame[0], 0) && !is_zero(t.frame[0], PAGE_SIZE),
	       "0x0301 unpack: the host cannot read it");
	row(0x0301, "twice", RC(0x0189, 0), 0);
	row1(0x0301, "second page", U64(0x20), IMAGE_ADDR + PAGE_SIZE, OK, 0);
	row(0x0302, "one page too few", RC(0x0102, 0x1d), 0);
	row1(0x0330, "load before the verification", U8(0x27), 5, INV_STATE, 0);
	row1(0x0301, "third page", U64(0x20), IMAGE_ADDR + 2 * PAGE_SIZE, OK, 0);
	row(0x0400, "before the verification, a CPU could enter SIE", RC(0x0102, 0), 1);
	row(0x0302, "success", OK, 0);
	row(0x0302, "twice", INV_STATE, 0);
	row(0x0300, "after the verification", INV_STATE, 0);
	row(0x0301, "after the verification", INV_STATE, 0);
}

/* Images that are not what the header says */
void test_verify(void)
{
	static const struct { const char *what; u32 field; u32 rrc; } wrong[] = {
		{ "page list", U64(224), 0x1b },
		{ "address list", U64(288), 0x1a },
		{ "tweak list", U64(352), 0x1c },
		{ "number of pages", U64(48), 0x1d },
	};
	struct guest *b = &t.guest[1];
	int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		create_conf(b);
		make_header(GOOD_PCF, 0, wrong[i].field, 4);
		must(0x0300);
		map_image(b, 4);
		unpack_image(IMAGE_PAGES);
		row(0x0302, wrong[i].what, RC(0x0102, wrong[i].rrc), 0);
		end_guest(b);
	}
	t.g = &t.guest[0];
}
