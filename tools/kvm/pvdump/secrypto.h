/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * The cryptography of Secure Execution images: keys, key slots, the encrypted
 * area of the SE header, components and their digests. All of it is done by
 * libcrypto (OpenSSL 3.0 or newer). Called by seimg; knows nothing of files but
 * those of keys.
 */
#ifndef SECRYPTO_H
#define SECRYPTO_H

#include <openssl/opensslv.h>
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "seimg needs OpenSSL 3.0 or newer (Debian: libssl-dev of bookworm or newer)"
#endif
#include <openssl/evp.h>
#include <stdbool.h>

#include "input.h"
#include "sehdr.h"

#define SE_KEY_LEN	32
#define SE_XY_LEN	160	/* x and y of a public key, 80 bytes each */
#define SE_SLOTS_MAX	95	/* what fits into an SE header */

/* The three digests over what the Ultravisor sees when it unpacks the image */
struct se_digests {
	__u8 pld[64];		/* page list: contents */
	__u8 ald[64];		/* address list */
	__u8 tld[64];		/* tweak list */
};

/* Digests in the making */
struct se_measure {
	EVP_MD_CTX *pld;
	EVP_MD_CTX *ald;
	EVP_MD_CTX *tld;
};

/* Contents of a header that was read: what se_parse_file() has found to be sound */
union se_header_buf {
	struct se_header h;
	__u8 bytes[SE_HEADER_MAX];
	__u64 align;
};

/* All functions return 0, or -1 and the reason in @e, if not said otherwise. */

int se_sha256(const void *buf, size_t len, __u8 out[32], struct error *e);
int se_random(void *buf, size_t len, struct error *e);

/**
 * se_seal() - AES-256-GCM
 * @key: of 32 bytes
 * @iv: of 12 bytes
 * @aad: bytes that are protected but not encrypted
 * @aad_len: their number, may be 0
 * @in: plaintext
 * @len: its bytes
 * @out: ciphertext of @len bytes
 * @tag: gets 16 bytes
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_seal(const __u8 *key, const __u8 *iv, const void *aad, size_t aad_len, const void *in,
	    size_t len, void *out, __u8 *tag, struct error *e);

/**
 * se_open() - the inverse
 * @key: of 32 bytes
 * @iv: of 12 bytes
 * @aad: as it was
 * @aad_len: its bytes
 * @in: ciphertext
 * @len: its bytes
 * @out: plaintext of @len bytes; zeros unless it is genuine
 * @tag: 16 bytes, as they were
 * @e: reason of a failure
 *
 * Return: 1: it is genuine; 0: wrong key or modified; -1: libcrypto failed
 */
int se_open(const __u8 *key, const __u8 *iv, const void *aad, size_t aad_len, const void *in,
	    size_t len, void *out, const __u8 *tag, struct error *e);

/**
 * se_xts_pages() - encrypt or decrypt pages of a component, in place
 * @encrypt: which of both
 * @key: of 64 bytes
 * @tweak: of the component
 * @offset: of the first page inside of the component, in bytes
 * @buf: pages
 * @len: bytes, a multiple of 4096
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_xts_pages(bool encrypt, const __u8 *key, __u64 tweak, __u64 offset, __u8 *buf,
		 __u64 len, struct error *e);

/**
 * se_measure_begin() - begin digests
 * @m: se_measure_end() is right, whatever this returns
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_measure_begin(struct se_measure *m, struct error *e);

/**
 * se_measure_pages() - the next pages that the Ultravisor gets
 * @m: begun
 * @c: component
 * @offset: of the first page inside of the component, in bytes
 * @buf: pages as they are in the image
 * @len: bytes, a multiple of 4096
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_measure_pages(struct se_measure *m, const struct se_component *c, __u64 offset,
		     const __u8 *buf, __u64 len, struct error *e);

/**
 * se_measure_end() - end digests
 * @m: begun
 * @d: gets them; NULL: they are not wanted any more
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_measure_end(struct se_measure *m, struct se_digests *d, struct error *e);

/**
 * se_load_public() - read a host key document
 * @name: X.509 certificate or public key, PEM or DER, on curve P-521
 * @e: reason of a failure
 *
 * Return: key, for EVP_PKEY_free(), or NULL
 */
EVP_PKEY *se_load_public(const char *name, struct error *e);

/**
 * se_load_private() - read a private key on curve P-521
 * @name: PEM or DER, SEC1 or PKCS #8; asks for the pass phrase of an encrypted one
 * @e: reason of a failure
 *
 * Return: key, for EVP_PKEY_free(), or NULL
 */
EVP_PKEY *se_load_private(const char *name, struct error *e);

/* The public key of a pair in the header's form, and its hash */
int se_public_xy(EVP_PKEY *pkey, __u8 xy[SE_XY_LEN], struct error *e);
int se_key_hash(EVP_PKEY *pkey, __u8 hash[32], struct error *e);
/* NULL, without a reason, if this is no point on the curve */
EVP_PKEY *se_public_from_xy(const __u8 xy[SE_XY_LEN]);

/* The key that wraps the header key in a slot, of one's private, the other's public key */
int se_slot_kek(EVP_PKEY *priv, EVP_PKEY *pub, __u8 kek[32], struct error *e);

/**
 * se_fill_slot() - wrap the header key for a host
 * @cust: key pair of the image
 * @host: public key
 * @header_key: of 32 bytes
 * @slot: filled in
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_fill_slot(EVP_PKEY *cust, EVP_PKEY *host, const __u8 *header_key,
		 struct se_key_slot *slot, struct error *e);

/**
 * se_unwrap() - the header key out of the slot that was made for this host
 * @h: header
 * @nks: its slots
 * @priv: of the host
 * @key_name: for messages
 * @header_key: gets 32 bytes
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_unwrap(const struct se_header *h, __u64 nks, EVP_PKEY *priv, const char *key_name,
	      __u8 *header_key, struct error *e);

/**
 * se_seal_area() - encrypt the encrypted area, make the tag
 * @h: complete header with its slots, room for area and tag behind
 * @area_at: offset of the area
 * @header_key: of 32 bytes
 * @secret: for the area
 * @e: reason of a failure
 *
 * Return: 0, or -1 with @e filled in
 */
int se_seal_area(union se_header_buf *h, size_t area_at, const __u8 *header_key,
		 const struct se_secret *secret, struct error *e);

/**
 * se_open_area() - verify the header, decrypt its encrypted area
 * @h: header
 * @se: of the same
 * @header_key: of 32 bytes
 * @area: gets @se->sea bytes, at least sizeof(struct se_secret)
 * @e: reason of a failure
 *
 * Return: 1: genuine; 0: wrong key or modified; -1: libcrypto failed
 */
int se_open_area(const union se_header_buf *h, const struct se_image *se,
		 const __u8 *header_key, __u8 *area, struct error *e);

#endif /* SECRYPTO_H */
