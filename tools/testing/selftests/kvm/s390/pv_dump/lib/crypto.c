// SPDX-License-Identifier: GPL-2.0-only
/* See crypto.h. */
#include <linux/if_alg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "crypto.h"
#include "util.h"

#ifndef SOL_ALG
#define SOL_ALG 279
#endif

int alg_open(const char *type, const char *name, const void *key, size_t keylen,
	     size_t taglen)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG };
	int tfm, op, ret;

	snprintf((char *)sa.salg_type, sizeof(sa.salg_type), "%s", type);
	snprintf((char *)sa.salg_name, sizeof(sa.salg_name), "%s", name);
	tfm = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (tfm < 0)
		return -errno;
	if (bind(tfm, (struct sockaddr *)&sa, sizeof(sa)) ||
	    (keylen && setsockopt(tfm, SOL_ALG, ALG_SET_KEY, key, keylen)) ||
	    (taglen && setsockopt(tfm, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, taglen))) {
		ret = -errno;
	} else {
		op = accept(tfm, NULL, NULL);
		ret = op < 0 ? -errno : op;
	}
	close(tfm);
	return ret;
}

int alg_hash(const char *name, const void *key, size_t keylen, const void *data,
	     size_t len, uint8_t out[64])
{
	int op = alg_open("hash", name, key, keylen, 0);
	int ret = 0;

	if (op < 0)
		return op;
	if (send(op, data, len, 0) != (ssize_t)len || read(op, out, 64) != 64)
		ret = -EIO;
	close(op);
	return ret;
}

int alg_crypt(int op, bool encrypt, const void *iv, size_t ivlen, size_t aadlen,
	      const void *in, size_t inlen, void *out, size_t outlen)
{
	char ctl[CMSG_SPACE(4) + CMSG_SPACE(sizeof(struct af_alg_iv) + 16) + CMSG_SPACE(4)] = {};
	struct iovec iov = { (void *)in, inlen };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl, .msg_controllen = CMSG_SPACE(4) +
			CMSG_SPACE(sizeof(struct af_alg_iv) + ivlen) + CMSG_SPACE(4),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct af_alg_iv *aiv;
	ssize_t n;

	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_OP;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = encrypt ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT;
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_IV;
	c->cmsg_len = CMSG_LEN(sizeof(*aiv) + ivlen);
	aiv = (struct af_alg_iv *)CMSG_DATA(c);
	aiv->ivlen = ivlen;
	memcpy(aiv->iv, iv, ivlen);
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_AEAD_ASSOCLEN;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = aadlen;

	n = sendmsg(op, &msg, 0);
	if (n != (ssize_t)inlen)
		return n < 0 ? -errno : -EIO;
	n = read(op, out, outlen);
	if (n != (ssize_t)outlen)
		return n < 0 ? -errno : -EIO;
	return 0;
}

int gcm_crypt(bool encrypt, const uint8_t key[32], const uint8_t *iv, uint8_t *buf,
	      size_t aadlen, size_t len)
{
	size_t in = aadlen + len + (encrypt ? 0 : TAG_LEN);
	size_t outlen = aadlen + len + (encrypt ? TAG_LEN : 0);
	uint8_t *out = malloc(outlen);
	int op = alg_open("aead", "gcm(aes)", key, 32, TAG_LEN);
	int ret = op;

	if (op >= 0) {
		ret = out ? alg_crypt(op, encrypt, iv, IV_LEN, aadlen, buf, in, out, outlen) :
			    -ENOMEM;
		close(op);
	}
	if (!ret)
		memcpy(buf + aadlen, out + aadlen, outlen - aadlen);
	free(out);
	return ret;
}

/* HKDF-SHA512 with the label of the dump key; one block of output is enough. */
int dump_key(const uint8_t cck[32], const uint8_t seed[64], uint8_t key[32])
{
	static const char info[] = "IBM Z Ultravisor Dump\x01";
	uint8_t prk[64], okm[64];
	int ret;

	ret = alg_hash("hmac(sha512)", seed, 64, cck, 32, prk);
	if (!ret)
		ret = alg_hash("hmac(sha512)", prk, 64, info, sizeof(info) - 1, okm);
	memcpy(key, okm, 32);
	return ret;
}

bool alg_available(void)
{
	uint8_t key[64] = {}, hash[64];
	int xts = alg_open("skcipher", "xts(aes)", key, 64, 0);
	int gcm = alg_open("aead", "gcm(aes)", key, 32, TAG_LEN);

	key[32] = 1;
	close(xts);
	close(gcm);
	return xts >= 0 && gcm >= 0 && !alg_hash("hmac(sha512)", key, 64, key, 64, hash) &&
	       !alg_hash("sha512", NULL, 0, key, 64, hash);
}
