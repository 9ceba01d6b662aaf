// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* The cryptography of Secure Execution images, see secrypto.h */
#include <string.h>

#include "secrypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#define KEY_FILE_MAX	0x100000	/* certificates come with chains */

static const __u8 zero_iv[12];

static int fail_crypto(struct error *e, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	return fail(e, "%s failed in libcrypto: %s", what, why ? why : "no reason given");
}

int se_sha256(const void *buf, size_t len, __u8 out[32], struct error *e)
{
	if (!EVP_Digest(buf, len, out, NULL, EVP_sha256(), NULL))
		return fail_crypto(e, "SHA-256");
	return 0;
}

int se_random(void *buf, size_t len, struct error *e)
{
	if (RAND_bytes(buf, len) != 1)
		return fail_crypto(e, "random number generation");
	return 0;
}

int se_seal(const __u8 *key, const __u8 *iv, const void *aad, size_t aad_len, const void *in,
	    size_t len, void *out, __u8 *tag, struct error *e)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok;
	int n;

	ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) &&
	     (!aad_len || EVP_EncryptUpdate(ctx, NULL, &n, aad, aad_len)) &&
	     EVP_EncryptUpdate(ctx, out, &n, in, len) &&
	     EVP_EncryptFinal_ex(ctx, (__u8 *)out + len, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SE_TAG_LEN, tag);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : fail_crypto(e, "AES-GCM");
}

int se_open(const __u8 *key, const __u8 *iv, const void *aad, size_t aad_len, const void *in,
	    size_t len, void *out, const __u8 *tag, struct error *e)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok, genuine = false;
	int n;

	ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) &&
	     (!aad_len || EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len)) &&
	     EVP_DecryptUpdate(ctx, out, &n, in, len) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SE_TAG_LEN, (void *)tag);
	if (ok)
		genuine = EVP_DecryptFinal_ex(ctx, (__u8 *)out + len, &n) == 1;
	if (!genuine)
		OPENSSL_cleanse(out, len);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? genuine : fail_crypto(e, "AES-GCM");
}

static void page_tweak(__u64 tweak, __u64 offset, __u8 out[16])
{
	__u64 words[2] = { htobe64(tweak), htobe64(offset) };

	memcpy(out, words, 16);
}

int se_xts_pages(bool encrypt, const __u8 *key, __u64 tweak, __u64 offset, __u8 *buf,
		 __u64 len, struct error *e)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 iv[16];
	__u64 at;
	bool ok;
	int n;

	ok = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_xts(), NULL, key, NULL, encrypt);
	for (at = 0; ok && at < len; at += SE_PAGE) {
		page_tweak(tweak, offset + at, iv);
		ok = EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, encrypt) &&
		     EVP_CipherUpdate(ctx, buf + at, &n, buf + at, SE_PAGE);
	}
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : fail_crypto(e, "AES-XTS");
}

int se_measure_begin(struct se_measure *m, struct error *e)
{
	m->pld = EVP_MD_CTX_new();
	m->ald = EVP_MD_CTX_new();
	m->tld = EVP_MD_CTX_new();
	if (!m->pld || !m->ald || !m->tld || !EVP_DigestInit(m->pld, EVP_sha512()) ||
	    !EVP_DigestInit(m->ald, EVP_sha512()) || !EVP_DigestInit(m->tld, EVP_sha512()))
		return fail_crypto(e, "SHA-512");
	return 0;
}

int se_measure_pages(struct se_measure *m, const struct se_component *c, __u64 offset,
		     const __u8 *buf, __u64 len, struct error *e)
{
	__u64 at;

	for (at = 0; at < len; at += SE_PAGE) {
		__u64 addr = htobe64(c->addr + offset + at);
		__u8 tweak[16];

		page_tweak(c->tweak, offset + at, tweak);
		if (!EVP_DigestUpdate(m->pld, buf + at, SE_PAGE) ||
		    !EVP_DigestUpdate(m->ald, &addr, 8) ||
		    !EVP_DigestUpdate(m->tld, tweak, 16))
			return fail_crypto(e, "SHA-512");
	}
	return 0;
}

int se_measure_end(struct se_measure *m, struct se_digests *d, struct error *e)
{
	bool ok = !d || (EVP_DigestFinal(m->pld, d->pld, NULL) &&
			 EVP_DigestFinal(m->ald, d->ald, NULL) &&
			 EVP_DigestFinal(m->tld, d->tld, NULL));

	EVP_MD_CTX_free(m->pld);
	EVP_MD_CTX_free(m->ald);
	EVP_MD_CTX_free(m->tld);
	*m = (struct se_measure){ };
	return ok ? 0 : fail_crypto(e, "SHA-512");
}

/* --- keys -------------------------------------------------------------------- */

/* Takes the key; returns it if it is one for this, or NULL */
static EVP_PKEY *only_p521(EVP_PKEY *pkey, const char *name, struct error *e)
{
	char group[64] = "";
	size_t len;

	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) &&
	    !strcmp(group, "secp521r1"))
		return pkey;
	EVP_PKEY_free(pkey);
	fail(e, "'%s': the key is not an EC key on curve P-521 (secp521r1)", name);
	return NULL;
}

static EVP_PKEY *certified(X509 *x509)
{
	EVP_PKEY *pkey = X509_get_pubkey(x509);

	X509_free(x509);
	return pkey;
}

/* What the file has is found out by trying; @step says what to try */
static EVP_PKEY *try_public(BIO *bio, int step)
{
	X509 *x509;

	switch (step) {
	case 0:
		x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		return x509 ? certified(x509) : NULL;
	case 1:
		x509 = d2i_X509_bio(bio, NULL);
		return x509 ? certified(x509) : NULL;
	case 2:
		return PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	default:
		return d2i_PUBKEY_bio(bio, NULL);
	}
}

/*
 * The NULLs of the PEM and of the last function have them ask for a pass phrase,
 * if there is one; not twice, as a file is one or the other.
 */
static EVP_PKEY *try_private(BIO *bio, int step)
{
	switch (step) {
	case 0:
		return PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	case 1:
		return d2i_PrivateKey_bio(bio, NULL);
	case 2:
		return d2i_PKCS8PrivateKey_bio(bio, NULL, NULL, NULL);
	default:
		return NULL;
	}
}

static EVP_PKEY *load_key(const char *name, EVP_PKEY *(*try)(BIO *, int), const char *what,
			  struct error *e)
{
	size_t len;
	__u8 *buf = input_read(name, KEY_FILE_MAX, &len, e);
	EVP_PKEY *pkey = NULL;
	BIO *bio;
	int step;

	if (!buf)
		return NULL;
	bio = BIO_new_mem_buf(buf, len);
	for (step = 0; bio && !pkey && step < 4; step++) {
		BIO_reset(bio);
		pkey = try(bio, step);
	}
	if (!bio)
		fail_crypto(e, "reading a key");
	else if (!pkey)
		fail(e, "'%s' is no %s", name, what);
	else
		pkey = only_p521(pkey, name, e);
	BIO_free(bio);
	input_free(buf, len);
	ERR_clear_error();
	return pkey;
}

EVP_PKEY *se_load_public(const char *name, struct error *e)
{
	return load_key(name, try_public,
			"host key document: X.509 certificate or public key, PEM or DER", e);
}

EVP_PKEY *se_load_private(const char *name, struct error *e)
{
	return load_key(name, try_private,
			"private key in PEM or DER format, or the pass phrase is wrong", e);
}

int se_public_xy(EVP_PKEY *pkey, __u8 xy[SE_XY_LEN], struct error *e)
{
	BIGNUM *x = NULL, *y = NULL;
	bool ok;

	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
	     EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) &&
	     BN_bn2binpad(x, xy, 80) == 80 && BN_bn2binpad(y, xy + 80, 80) == 80;
	BN_free(x);
	BN_free(y);
	return ok ? 0 : fail_crypto(e, "reading a public key");
}

int se_key_hash(EVP_PKEY *pkey, __u8 hash[32], struct error *e)
{
	__u8 xy[SE_XY_LEN];

	if (se_public_xy(pkey, xy, e))
		return -1;
	return se_sha256(xy, sizeof(xy), hash, e);
}

EVP_PKEY *se_public_from_xy(const __u8 xy[SE_XY_LEN])
{
	__u8 point[1 + 2 * 66] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, "secp521r1", 9),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_END
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	memcpy(point + 1, xy + 14, 66);
	memcpy(point + 67, xy + 94, 66);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* SHA-256(x coordinate of the shared point || 00000001) */
int se_slot_kek(EVP_PKEY *priv, EVP_PKEY *pub, __u8 kek[32], struct error *e)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(priv, NULL);
	__u8 z[70] = { };
	size_t len = 66;
	int ret;

	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, pub) != 1 ||
	    EVP_PKEY_derive(ctx, z, &len) != 1 || len != 66) {
		ret = fail_crypto(e, "ECDH");
	} else {
		z[69] = 1;
		ret = se_sha256(z, sizeof(z), kek, e);
	}
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_cleanse(z, sizeof(z));
	return ret;
}

/* --- the SE header ------------------------------------------------------------ */

int se_fill_slot(EVP_PKEY *cust, EVP_PKEY *host, const __u8 *header_key,
		 struct se_key_slot *slot, struct error *e)
{
	__u8 kek[32];
	int ret;

	ret = se_key_hash(host, slot->host_key_hash, e);
	ret = ret ? ret : se_slot_kek(cust, host, kek, e);
	ret = ret ? ret : se_seal(kek, zero_iv, NULL, 0, header_key, SE_KEY_LEN,
				  slot->wrapped_key, slot->tag, e);
	OPENSSL_cleanse(kek, sizeof(kek));
	return ret;
}

int se_unwrap(const struct se_header *h, __u64 nks, EVP_PKEY *priv, const char *key_name,
	      __u8 *header_key, struct error *e)
{
	const struct se_key_slot *slot = (const void *)(h + 1);
	EVP_PKEY *cust = se_public_from_xy(h->cust_pub);
	__u8 hash[32], kek[32];
	__u64 i;
	int ret;

	if (!cust)
		return fail(e,
			    "the SE header is damaged: the customer public key is no point on P-521");
	ret = se_key_hash(priv, hash, e);
	for (i = 0; !ret && i < nks; i++)
		if (!memcmp(slot[i].host_key_hash, hash, 32))
			break;
	if (!ret && i == nks)
		ret = fail(e,
			   "the image was not made for the host of '%s': none of the %llu key slots is for it",
			   key_name, nks);
	ret = ret ? ret : se_slot_kek(priv, cust, kek, e);
	if (!ret) {
		ret = se_open(kek, zero_iv, NULL, 0, slot[i].wrapped_key, SE_KEY_LEN, header_key,
			      slot[i].tag, e);
		if (!ret)
			fail(e,
			     "the SE header is damaged: key slot %llu does not open with '%s'",
			     i, key_name);
		ret = ret == 1 ? 0 : -1;
	}
	OPENSSL_cleanse(kek, sizeof(kek));
	EVP_PKEY_free(cust);
	return ret;
}

int se_seal_area(union se_header_buf *h, size_t area_at, const __u8 *header_key,
		 const struct se_secret *secret, struct error *e)
{
	__u8 *area = h->bytes + area_at;

	return se_seal(header_key, h->h.iv, h->bytes, area_at, secret, sizeof(*secret), area,
		       area + sizeof(*secret), e);
}

int se_open_area(const union se_header_buf *h, const struct se_image *se,
		 const __u8 *header_key, __u8 *area, struct error *e)
{
	__u64 aad_len = se->header_size - se->sea - SE_TAG_LEN;
	const __u8 *p = h->bytes;

	return se_open(header_key, h->h.iv, p, aad_len, p + aad_len, se->sea, area,
		       p + aad_len + se->sea, e);
}
