/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Crypto: all of it by the kernel's AF_ALG, so that no library is needed. Returns
 * 0, a descriptor or -errno.
 */
#ifndef PV_DUMP_CRYPTO_H
#define PV_DUMP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAG_LEN		16
#define IV_LEN		12

/* Does this kernel have all that is needed? */
bool alg_available(void);
int alg_open(const char *type, const char *name, const void *key, size_t keylen,
	     size_t taglen);
int alg_hash(const char *name, const void *key, size_t keylen, const void *data, size_t len,
	     uint8_t out[64]);
int alg_crypt(int op, bool encrypt, const void *iv, size_t ivlen, size_t aadlen,
	      const void *in, size_t inlen, void *out, size_t outlen);
/* AES-256-GCM; @buf holds AAD, text and room for or contents of the tag. */
int gcm_crypt(bool encrypt, const uint8_t key[32], const uint8_t *iv, uint8_t *buf,
	      size_t aadlen, size_t len);
/* HKDF-SHA512 with the label of the dump key */
int dump_key(const uint8_t cck[32], const uint8_t seed[64], uint8_t key[32]);

#endif
