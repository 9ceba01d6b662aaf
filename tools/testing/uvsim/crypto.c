// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: cryptography of images, pages and dumps
 *
 * The formats of the SE header, of pages and of dump data, given keys and memory.
 * Called by image, page and dump, and by the known answer tests. Knows neither
 * configurations nor states.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/hash.h>
#include <crypto/skcipher.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include "uvsim.h"

/*
 * The notifier is atomic, hence synchronous transforms allocated at
 * load time, all users under uvsim_lock. "gcm(aes)" is not among them because
 * its setkey allocates with GFP_KERNEL and may wait; GCM is CTR mode, which is
 * there, and 128 bit multiplications, which are few lines.
 */
static struct crypto_skcipher *xts_tfm, *ctr_tfm;
static struct skcipher_request *xts_req, *ctr_req;
static struct crypto_shash *sha_tfm, *hmac_tfm;
static struct shash_desc *sha_desc, *hmac_desc;
static siphash_key_t digest_key;

/* Scatterlists need linear memory: 16 bytes for the tag mask, then the data */
#define SCRATCH_LEN		(2 * PAGE_SIZE + UVSIM_SE_MAX_LEN)
static u8 *scratch;
u8 uvsim_se_buf[UVSIM_SE_MAX_LEN] __aligned(8);

/**
 * uvsim_xts_page() - encrypt or decrypt a page in place, AES-256-XTS
 * @addr: kernel address of the page, linear
 * @key: 64 bytes
 * @tweak0: first half of the tweak
 * @tweak1: second half
 * @encrypt: or else decrypt
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_xts_page(u64 addr, const u8 *key, u64 tweak0, u64 tweak1, bool encrypt)
{
	u64 iv[2] __aligned(16) = { tweak0, tweak1 };
	struct scatterlist sg;
	int ret;

	lockdep_assert_held(&uvsim_lock);
	ret = crypto_skcipher_setkey(xts_tfm, key, 64);
	if (ret)
		return ret;
	sg_init_one(&sg, (void *)addr, PAGE_SIZE);
	skcipher_request_set_callback(xts_req, 0, NULL, NULL);
	skcipher_request_set_crypt(xts_req, &sg, &sg, PAGE_SIZE, iv);
	return encrypt ? crypto_skcipher_encrypt(xts_req) :
			 crypto_skcipher_decrypt(xts_req);
}

/* CTR mode over the first @len bytes of scratch */
static int ctr_scratch(const u8 *iv, u32 counter, unsigned int len)
{
	u32 block[4] __aligned(16) = {};
	struct scatterlist sg;

	if (iv)
		memcpy(block, iv, 12);
	block[3] = counter;
	sg_init_one(&sg, scratch, len);
	skcipher_request_set_callback(ctr_req, 0, NULL, NULL);
	skcipher_request_set_crypt(ctr_req, &sg, &sg, len, block);
	return crypto_skcipher_encrypt(ctr_req);
}

struct ghash {
	u64 h[2];
	u64 y[2];
};

static void ghash_block(struct ghash *g, const u64 *in)
{
	u64 z0 = 0, z1 = 0, v0 = g->h[0], v1 = g->h[1], carry;
	u64 x[2] = { g->y[0] ^ in[0], g->y[1] ^ in[1] };
	int i;

	for (i = 0; i < 128; i++) {
		if (x[i / 64] & (1UL << (63 - i % 64))) {
			z0 ^= v0;
			z1 ^= v1;
		}
		carry = v1 & 1;
		v1 = v1 >> 1 | v0 << 63;
		v0 = v0 >> 1 ^ (carry ? 0xe1UL << 56 : 0);
	}
	g->y[0] = z0;
	g->y[1] = z1;
}

static void ghash_update(struct ghash *g, const void *data, unsigned int len)
{
	u64 block[2];
	unsigned int n;

	for (; len; data += n, len -= n) {
		n = min_t(unsigned int, len, sizeof(block));
		memset(block, 0, sizeof(block));
		memcpy(block, data, n);
		ghash_block(g, block);
	}
}

/* AES-256-GCM in place; @data is at most UVSIM_SE_MAX_LEN bytes */
static int gcm(const u8 *key, const u8 *iv, const void *aad, unsigned int aad_len,
	       void *data, unsigned int len, u8 *tag, bool encrypt)
{
	u64 bits[2] = { aad_len * 8, len * 8 };
	struct ghash g = {};
	u64 mask[2];
	int ret;

	ret = crypto_skcipher_setkey(ctr_tfm, key, 32);
	if (ret)
		return ret;
	memset(scratch, 0, 16);
	ret = ctr_scratch(NULL, 0, 16);
	if (ret)
		return ret;
	memcpy(g.h, scratch, 16);

	ghash_update(&g, aad, aad_len);
	if (!encrypt)
		ghash_update(&g, data, len);
	memset(scratch, 0, 16);
	memcpy(scratch + 16, data, len);
	ret = ctr_scratch(iv, 1, 16 + len);
	if (ret)
		return ret;
	if (encrypt)
		ghash_update(&g, scratch + 16, len);
	ghash_update(&g, bits, sizeof(bits));
	memcpy(mask, scratch, 16);
	mask[0] ^= g.y[0];
	mask[1] ^= g.y[1];

	if (encrypt)
		memcpy(tag, mask, 16);
	else if (memcmp(tag, mask, 16))
		return -EBADMSG;
	memcpy(data, scratch + 16, len);
	memset(scratch, 0, 16 + len);
	return 0;
}

static int hmac(const u8 *key, unsigned int key_len, const void *data,
		unsigned int len, u8 *out)
{
	int ret;

	ret = crypto_shash_setkey(hmac_tfm, key, key_len);
	return ret ?: crypto_shash_digest(hmac_desc, data, len, out);
}

/**
 * uvsim_derive_dump_key() - the key of a dump, HKDF-SHA512
 * @cck: customer communication key, 32 bytes
 * @seed: 64 bytes, which the completion data tells
 * @key: the result, 32 bytes
 *
 * They need the first block of the expansion only.
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_derive_dump_key(const u8 *cck, const u8 *seed, u8 *key)
{
	static const u8 info[] __aligned(8) = "IBM Z Ultravisor Dump\x01";
	u8 prk[SHA512_LEN] __aligned(8);
	u8 okm[SHA512_LEN] __aligned(8);
	int ret;

	lockdep_assert_held(&uvsim_lock);
	ret = hmac(seed, 64, cck, 32, prk);
	if (!ret)
		ret = hmac(prk, sizeof(prk), info, sizeof(info) - 1, okm);
	if (!ret)
		memcpy(key, okm, 32);
	memzero_explicit(prk, sizeof(prk));
	memzero_explicit(okm, sizeof(okm));
	return ret;
}

static int sha_start(u8 *state)
{
	struct shash_desc *desc = (struct shash_desc *)state;

	desc->tfm = sha_tfm;
	return crypto_shash_init(desc);
}

static int sha_add(u8 *state, const void *data, unsigned int len)
{
	return crypto_shash_update((struct shash_desc *)state, data, len);
}

/**
 * uvsim_sha_equals() - compare a running digest
 * @state: SHA_STATE_LEN bytes, stays usable
 * @expected: SHA512_LEN bytes
 *
 * Context: uvsim_lock is held
 * Return: true if the digest of what was added up to now is that.
 */
bool uvsim_sha_equals(const u8 *state, const u8 *expected)
{
	u8 out[SHA512_LEN] __aligned(8);

	lockdep_assert_held(&uvsim_lock);
	memcpy(sha_desc, state, sizeof(*sha_desc) + crypto_shash_descsize(sha_tfm));
	return !crypto_shash_final(sha_desc, out) && !memcmp(out, expected, sizeof(out));
}

/**
 * uvsim_measure_start() - begin to measure an image
 * @m: in storage of the configuration
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_measure_start(struct measurement *m)
{
	lockdep_assert_held(&uvsim_lock);
	return sha_start(m->pld) ?: sha_start(m->ald) ?: sha_start(m->tld);
}

/**
 * uvsim_measure() - add a page to the measurement of an image
 * @m: what uvsim_measure_start() has set up
 * @content: a page, as it is in the image
 * @gaddr: its guest absolute address
 * @tweak: its two doublewords
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_measure(struct measurement *m, const void *content, u64 gaddr, const u64 *tweak)
{
	lockdep_assert_held(&uvsim_lock);
	return sha_add(m->pld, content, PAGE_SIZE) ?:
	       sha_add(m->ald, &gaddr, sizeof(gaddr)) ?:
	       sha_add(m->tld, tweak, 16);
}

/**
 * uvsim_measured() - is an image what its header says?
 * @m: with all pages
 * @pld: expected digest of the pages
 * @ald: of the addresses
 * @tld: of the tweaks
 *
 * Context: uvsim_lock is held
 * Return: true if all three are right.
 */
bool uvsim_measured(const struct measurement *m, const u8 *pld, const u8 *ald, const u8 *tld)
{
	lockdep_assert_held(&uvsim_lock);
	return uvsim_sha_equals(m->pld, pld) && uvsim_sha_equals(m->ald, ald) &&
	       uvsim_sha_equals(m->tld, tld);
}

/**
 * uvsim_seal_final() - make the data that completes a dump
 * @f: the result
 * @key: of the dump, 32 bytes
 * @seed: that the key was derived from, 64 bytes
 * @iv: 12 bytes, never used before with @key
 * @nonce: of the configuration's pages, 16 bytes
 * @xts_key: of the configuration's pages, 64 bytes
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_seal_final(struct uvsim_dump_final *f, const u8 *key, const u8 *seed,
		     const u8 *iv, const u8 *nonce, const u8 *xts_key)
{
	lockdep_assert_held(&uvsim_lock);
	memset(f, 0, sizeof(*f));
	f->version = 1;
	f->len = sizeof(*f);
	memcpy(f->seed, seed, sizeof(f->seed));
	memcpy(f->iv, iv, sizeof(f->iv));
	memcpy(f->nonce, nonce, sizeof(f->nonce));
	memcpy(f->xts_key, xts_key, sizeof(f->xts_key));
	return gcm(key, f->iv, f, offsetof(struct uvsim_dump_final, nonce), f->nonce,
		   offsetof(struct uvsim_dump_final, tag) -
		   offsetof(struct uvsim_dump_final, nonce), f->tag, true);
}

/**
 * uvsim_seal_cpu() - make the dump of a CPU
 * @b: the result
 * @key: of the dump, 32 bytes
 * @iv: 12 bytes, never used before with @key
 * @regs: what the CPU contains
 *
 * Context: uvsim_lock is held
 * Return: 0, or the error of the crypto API.
 */
int uvsim_seal_cpu(struct uvsim_dump_cpu *b, const u8 *key, const u8 *iv,
		   const struct uvsim_cpu_regs *regs)
{
	lockdep_assert_held(&uvsim_lock);
	memset(b, 0, sizeof(*b));
	b->version = 1;
	b->len = sizeof(*b);
	memcpy(b->iv, iv, sizeof(b->iv));
	b->regs = *regs;
	return gcm(key, b->iv, b, offsetof(struct uvsim_dump_cpu, regs), &b->regs,
		   sizeof(b->regs), b->tag, true);
}

/**
 * uvsim_open_se_header() - decrypt the secret part of an SE header
 * @h: a complete header that is consistent, in writable memory; the secret part is
 *     decrypted in place
 * @key: SE header key, 32 bytes
 * @secret: a copy of that part
 *
 * Context: uvsim_lock is held
 * Return: 0, -EBADMSG if key or header are wrong, or the error of the crypto API.
 */
int uvsim_open_se_header(struct uvsim_se_header *h, const u8 *key,
			 struct uvsim_se_secret *secret)
{
	unsigned int aad_len = h->size - h->enc_len - 16;
	u8 *enc = (u8 *)h + aad_len;
	int ret;

	lockdep_assert_held(&uvsim_lock);
	ret = gcm(key, h->iv, h, aad_len, enc, h->enc_len, enc + h->enc_len, false);
	if (!ret)
		memcpy(secret, enc, sizeof(*secret));
	return ret;
}

/**
 * uvsim_se_header_consistent() - can the lengths in an SE header be relied on?
 * @h: the header
 * @len: bytes that there are of it, at least those of the structure
 *
 * Context: any
 * Return: true if all of the header is there, and its parts make up its size.
 */
bool uvsim_se_header_consistent(const struct uvsim_se_header *h, u32 len)
{
	return h->size <= len && h->slots && h->slots <= UVSIM_SE_MAX_LEN / 80 &&
	       h->enc_len >= sizeof(struct uvsim_se_secret) && h->enc_len <= UVSIM_SE_MAX_LEN &&
	       h->size == sizeof(*h) + h->slots * sizeof(struct uvsim_se_slot) +
			  h->enc_len + 16;
}

/**
 * uvsim_page_digest() - tell whether a page has changed
 * @addr: kernel address of the page
 *
 * Context: any
 * Return: a digest that an attacker could not make, until the module is unloaded.
 */
u64 uvsim_page_digest(u64 addr)
{
	return siphash((void *)addr, PAGE_SIZE, &digest_key);
}

/**
 * uvsim_free_crypto() - the inverse of uvsim_alloc_crypto(), of a failed one as well
 */
void uvsim_free_crypto(void)
{
	kfree(scratch);
	kfree(hmac_desc);
	kfree(sha_desc);
	skcipher_request_free(ctr_req);
	skcipher_request_free(xts_req);
	if (!IS_ERR_OR_NULL(hmac_tfm))
		crypto_free_shash(hmac_tfm);
	if (!IS_ERR_OR_NULL(sha_tfm))
		crypto_free_shash(sha_tfm);
	if (!IS_ERR_OR_NULL(ctr_tfm))
		crypto_free_skcipher(ctr_tfm);
	if (!IS_ERR_OR_NULL(xts_tfm))
		crypto_free_skcipher(xts_tfm);
}

static struct shash_desc * __init alloc_desc(struct crypto_shash *tfm)
{
	struct shash_desc *desc;

	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(tfm), GFP_KERNEL);
	if (desc)
		desc->tfm = tfm;
	return desc;
}

/**
 * uvsim_alloc_crypto() - get all that the notifier will need
 *
 * Context: may sleep
 * Return:
 * * 0 - the functions of this file can be used
 * * -ENOMEM - no memory
 * * -EINVAL - running digests of this kernel are larger than SHA_STATE_LEN
 * * else, an algorithm is missing
 */
int __init uvsim_alloc_crypto(void)
{
	int ret;

	xts_tfm = crypto_alloc_skcipher("xts(aes)", 0, CRYPTO_ALG_ASYNC);
	ctr_tfm = crypto_alloc_skcipher("ctr(aes)", 0, CRYPTO_ALG_ASYNC);
	sha_tfm = crypto_alloc_shash("sha512", 0, 0);
	hmac_tfm = crypto_alloc_shash("hmac(sha512)", 0, 0);
	ret = PTR_ERR_OR_ZERO(xts_tfm) ?: PTR_ERR_OR_ZERO(ctr_tfm) ?:
	      PTR_ERR_OR_ZERO(sha_tfm) ?: PTR_ERR_OR_ZERO(hmac_tfm);
	if (ret) {
		pr_err("needs xts(aes), ctr(aes), sha512 and hmac(sha512)\n");
		goto free;
	}
	ret = -EINVAL;
	if (sizeof(*sha_desc) + crypto_shash_descsize(sha_tfm) > SHA_STATE_LEN)
		goto free;
	ret = -ENOMEM;
	xts_req = skcipher_request_alloc(xts_tfm, GFP_KERNEL);
	ctr_req = skcipher_request_alloc(ctr_tfm, GFP_KERNEL);
	sha_desc = alloc_desc(sha_tfm);
	hmac_desc = alloc_desc(hmac_tfm);
	scratch = kzalloc(SCRATCH_LEN, GFP_KERNEL);
	if (!xts_req || !ctr_req || !sha_desc || !hmac_desc || !scratch)
		goto free;
	get_random_bytes(&digest_key, sizeof(digest_key));
	return 0;
free:
	uvsim_free_crypto();
	return ret;
}
