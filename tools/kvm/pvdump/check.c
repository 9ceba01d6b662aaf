// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of seimg and libpvdump on any machine: known answers for the image
 * format, and libpvdump's protocol and ELF writer against an Ultravisor that
 * sits behind the ioctl() of this program (linked with --wrap=ioctl).
 *
 * pvdump-check DIR leaves a dump and what it must decrypt to in DIR.
 */
#define main seimg_main
#include "seimg.c"
#undef main

#include <openssl/hmac.h>

#include "libpvdump.h"

static unsigned int num_tests, num_failed;

static void check(bool ok, const char *fmt, ...)
{
	va_list ap;

	num_failed += !ok;
	printf("%sok %u - ", ok ? "" : "not ", ++num_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* --- known answers ------------------------------------------------------- */

static const __u8 kat_header[] = {
	0x49, 0x42, 0x4d, 0x53, 0x65, 0x63, 0x45, 0x78, 0x00, 0x00, 0x01, 0x00,
	0x00, 0x00, 0x02, 0x80, 0x74, 0x74, 0x1a, 0xe2, 0xa0, 0xcf, 0xe6, 0x49,
	0x31, 0x46, 0x84, 0x50, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x16, 0x00, 0x00, 0x00, 0x00,
	0x20, 0x00, 0x00, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x1a, 0xa3, 0x19, 0x3a, 0x88,
	0x41, 0xed, 0x78, 0x31, 0xa8, 0x7f, 0x13, 0xc2, 0x7a, 0x5e, 0xb0, 0xf1,
	0x92, 0xbf, 0x90, 0xf0, 0x8e, 0xaf, 0x51, 0xa8, 0x0f, 0x80, 0x96, 0x34,
	0x52, 0xfd, 0x91, 0x80, 0xa3, 0x15, 0x68, 0xbc, 0x60, 0xe3, 0x73, 0x3c,
	0x7e, 0x79, 0xfc, 0x39, 0x62, 0x42, 0x1f, 0x80, 0x6d, 0x7a, 0x6a, 0x45,
	0xa9, 0xe7, 0x4b, 0x84, 0x4e, 0xe0, 0xbb, 0x53, 0x58, 0x2e, 0x6f, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x2a, 0xc2, 0xd7, 0x35, 0x64, 0x07, 0x8e, 0x9f, 0x1f,
	0x3d, 0x99, 0xb7, 0x0f, 0xfb, 0xb5, 0x3a, 0xe3, 0xdb, 0x2b, 0xfd, 0xd8,
	0x58, 0x81, 0x55, 0x32, 0xe7, 0xba, 0x4a, 0xfe, 0xe9, 0x5c, 0x7e, 0xa3,
	0x86, 0x5d, 0x44, 0x6a, 0xe3, 0x15, 0x52, 0xd4, 0xf4, 0x42, 0xe7, 0xfa,
	0x23, 0xf5, 0xa3, 0xb1, 0xa1, 0x1f, 0x3a, 0xff, 0x85, 0xd1, 0x9a, 0x2f,
	0xa9, 0x0f, 0xf5, 0xc3, 0x88, 0x2a, 0xd0, 0x37, 0xac, 0x0a, 0x41, 0xbc,
	0x6d, 0x57, 0x4d, 0x9e, 0x2e, 0xd8, 0xd8, 0xc8, 0x86, 0xa4, 0x6f, 0xd0,
	0x93, 0x46, 0xbf, 0x69, 0xb2, 0x3f, 0x8f, 0x33, 0x7c, 0xc7, 0x25, 0x45,
	0x2c, 0x31, 0xa3, 0x10, 0x3f, 0xe3, 0xc8, 0x3d, 0x38, 0x39, 0x5b, 0xe6,
	0xfd, 0xd5, 0x4e, 0xed, 0x4d, 0x7a, 0x77, 0x36, 0x9f, 0xcb, 0x8d, 0x34,
	0x41, 0x66, 0xd0, 0x75, 0xb3, 0x34, 0xee, 0x53, 0x70, 0x1c, 0x14, 0x92,
	0x06, 0xeb, 0x88, 0xeb, 0x76, 0x0d, 0x07, 0x7e, 0xb2, 0x13, 0x22, 0x23,
	0x68, 0xe0, 0x5d, 0xe4, 0xae, 0x89, 0xbd, 0x28, 0x1e, 0x0a, 0x7a, 0xf3,
	0xf5, 0x97, 0xa1, 0xac, 0xda, 0x6a, 0xdf, 0x2f, 0x1c, 0x95, 0x7f, 0xd2,
	0x2c, 0x8b, 0xb6, 0xc6, 0x3a, 0x95, 0x9e, 0x97, 0x0f, 0x54, 0x57, 0x06,
	0xac, 0x9b, 0xf8, 0xfe, 0x95, 0x07, 0x96, 0x57, 0xb4, 0xd4, 0x51, 0x59,
	0xbe, 0x36, 0x8d, 0x9d, 0xb4, 0x01, 0xf3, 0x62, 0xa8, 0x58, 0xf6, 0x7d,
	0x41, 0xe3, 0x29, 0xc0, 0xed, 0x3e, 0x2a, 0xa1, 0xa9, 0xf8, 0x1c, 0x18,
	0x3c, 0xf5, 0x6e, 0x5b, 0x14, 0xcf, 0x31, 0x70, 0xf7, 0xff, 0xa6, 0xdd,
	0x1c, 0xbc, 0x4c, 0x35, 0x39, 0x13, 0x05, 0x43, 0xf2, 0x01, 0x16, 0xce,
	0x87, 0x0a, 0x0e, 0x5a, 0x42, 0xbd, 0x06, 0xf7, 0xb8, 0xb9, 0x7f, 0x7f,
	0x61, 0xac, 0xf8, 0x46, 0x10, 0xc8, 0x29, 0x47, 0x4e, 0xf8, 0xa6, 0x72,
	0x1e, 0xf4, 0x07, 0x69, 0x0d, 0xb7, 0xf0, 0xdd, 0xa9, 0xdb, 0x9d, 0x30,
	0xd2, 0xf4, 0xd7, 0xdb, 0x41, 0x16, 0x3f, 0x56, 0x44, 0x52, 0xf4, 0xa1,
	0xc5, 0x0e, 0x8c, 0xdf, 0xa0, 0xcd, 0x27, 0xdd, 0x31, 0xb5, 0xd7, 0x7d,
	0x3a, 0x29, 0x05, 0xba, 0x85, 0x1d, 0x12, 0xda, 0x0b, 0xf2, 0x95, 0xd6,
	0xc9, 0xcb, 0xc5, 0x00, 0xb3, 0x64, 0x95, 0x85, 0xd4, 0x6e, 0x50, 0xe4,
	0x9a, 0xc8, 0x40, 0x85, 0x61, 0x83, 0xae, 0x43, 0x41, 0x49, 0x37, 0x78,
	0xe2, 0x7f, 0x69, 0x6a, 0xc5, 0x2a, 0xbe, 0x4a, 0xa2, 0x18, 0x88, 0x4d,
	0x31, 0xc9, 0xdb, 0xa1, 0x8d, 0x30, 0x18, 0xf3, 0x5c, 0x32, 0xb2, 0x59,
	0xa8, 0xfc, 0x84, 0x79, 0x24, 0x0f, 0xc8, 0xe1, 0xc0, 0xda, 0x7e, 0x37,
	0x61, 0x50, 0x5c, 0x9c, 0x7c, 0x13, 0xac, 0x72, 0x50, 0xbd, 0xd7, 0xdd,
	0x3c, 0x92, 0xb1, 0x0c, 0x87, 0x5c, 0x36, 0xfe, 0x50, 0x0d, 0xac, 0x3a,
	0x47, 0x2e, 0x95, 0xcd, 0xd6, 0x82, 0xc3, 0x72, 0xca, 0x5f, 0xed, 0x95,
	0xe2, 0x55, 0xc4, 0x69, 0xcb, 0x87, 0xa3, 0x0a, 0xd2, 0x8b, 0x7b, 0x1e,
	0x9c, 0xbd, 0xaa, 0xff, 0x2a, 0x42, 0xb1, 0xf8, 0x22, 0x78, 0x13, 0xc3,
	0x11, 0x15, 0xa4, 0x99, 0xec, 0xcb, 0x77, 0x85, 0xd6, 0x10, 0xc3, 0xff,
	0x52, 0x6a, 0x4d, 0x35, 0xe4, 0x8e, 0x1d, 0xab, 0xee, 0xdd, 0xf4, 0x8d,
	0x59, 0x90, 0x83, 0xde, 0xcf, 0x86, 0x3d, 0x64, 0xd6, 0xaf, 0x2f, 0xaa,
	0xaf, 0xd0, 0x93, 0x98, 0x4c, 0x10, 0x73, 0x00, 0xd4, 0xfc, 0x1f, 0xd9,
	0xcb, 0xfe, 0xef, 0x98,
};

static const __u8 kat_host_private[] = {
	0x01, 0x97, 0xaf, 0xd4, 0x43, 0x9b, 0x83, 0xae, 0xcf, 0xeb, 0xdb, 0x5e,
	0x7f, 0x40, 0xcc, 0xf5, 0xa8, 0xd7, 0xfb, 0xb5, 0xae, 0x01, 0x99, 0x2d,
	0x88, 0x36, 0x1f, 0x4a, 0xe4, 0x62, 0x67, 0x1c, 0xa2, 0x28, 0x82, 0x97,
	0xc6, 0x5e, 0xd3, 0x79, 0x7f, 0x79, 0x11, 0xf4, 0x9c, 0x59, 0xa6, 0x20,
	0x07, 0x21, 0xf6, 0xf1, 0x61, 0xe0, 0x09, 0x5d, 0x0d, 0x33, 0x19, 0xc5,
	0x2c, 0xcc, 0x62, 0xb4, 0xe0, 0x4d,
};

static const __u8 kat_host_public[] = {
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x80, 0xbf, 0x1b, 0x14, 0x26, 0x09, 0x13, 0xc6, 0x0d,
	0xb5, 0x74, 0x67, 0xdb, 0xec, 0xe5, 0xc1, 0xab, 0x43, 0x11, 0x4d, 0xd2,
	0x82, 0x62, 0x5e, 0xc7, 0x9b, 0xfc, 0x49, 0xcb, 0xa1, 0x37, 0x14, 0x2f,
	0x36, 0xa7, 0xbd, 0xe5, 0x59, 0x1d, 0xd9, 0x76, 0x06, 0x25, 0x00, 0xc9,
	0xa3, 0x60, 0x4b, 0x7c, 0x73, 0x28, 0xf7, 0x96, 0x9c, 0x53, 0x88, 0xa1,
	0x32, 0x76, 0xc0, 0x1a, 0xf1, 0x09, 0xe5, 0xbb, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb0,
	0x8c, 0x05, 0x36, 0x11, 0x21, 0xac, 0xd4, 0x92, 0x39, 0xe9, 0x70, 0x1e,
	0x6e, 0x92, 0xf7, 0xbd, 0x43, 0x12, 0x75, 0x71, 0xce, 0x7d, 0xed, 0xfe,
	0x8d, 0x6b, 0x9a, 0xc0, 0x74, 0x6e, 0xd5, 0x44, 0xa8, 0xec, 0x8c, 0x48,
	0xea, 0xfb, 0xda, 0xef, 0x5b, 0xd1, 0x5f, 0x4d, 0xab, 0x6a, 0xac, 0xfa,
	0xfd, 0x1e, 0x17, 0xf0, 0x8f, 0x63, 0x91, 0xd9, 0x86, 0xd4, 0xd8, 0x6f,
	0xf8, 0x6c, 0xfd, 0x0c,
};

static const __u8 kat_kek[] = {
	0x48, 0x32, 0x1c, 0xb7, 0x5b, 0x02, 0xae, 0xee, 0x62, 0x31, 0x81, 0x23,
	0xe6, 0x66, 0x4f, 0x99, 0x1f, 0x36, 0x92, 0x40, 0xba, 0x20, 0xa4, 0xe9,
	0x83, 0x0f, 0x46, 0x67, 0x9b, 0x68, 0x08, 0xc7,
};

static const __u8 kat_header_key[] = {
	0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb,
	0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
	0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf,
};

static const __u8 kat_cck[] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
	0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
};

static const __u8 kat_xts_key[] = {
	0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b,
	0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
	0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3,
	0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb,
	0xbc, 0xbd, 0xbe, 0xbf,
};

static const __u8 kat_pld[] = {
	0xf8, 0xf5, 0x0a, 0x5e, 0x38, 0x4b, 0x30, 0x7d, 0x90, 0x84, 0x7a, 0x6e,
	0xcb, 0xb6, 0xd1, 0xae, 0x4e, 0xcb, 0xdc, 0x48, 0x4c, 0xd5, 0x3d, 0xd9,
	0x34, 0xfc, 0x7c, 0x56, 0xe3, 0x08, 0xc2, 0xf1, 0x73, 0x4f, 0xd7, 0x31,
	0x7f, 0x6e, 0xf7, 0xd4, 0x36, 0x62, 0x18, 0x34, 0x59, 0xa4, 0x42, 0x89,
	0x79, 0x58, 0x1b, 0xa0, 0xd7, 0x1a, 0x86, 0xae, 0x68, 0x2a, 0x70, 0x83,
	0x0c, 0xf3, 0x0f, 0x43,
};

static const __u8 kat_ald[] = {
	0x1a, 0x60, 0x04, 0xd0, 0x3f, 0x6e, 0x42, 0xb0, 0x40, 0xa2, 0xae, 0xbc,
	0x2e, 0xf0, 0xf9, 0x84, 0xa3, 0x2a, 0xa1, 0x56, 0x26, 0xca, 0x83, 0xd7,
	0x88, 0xdd, 0x65, 0x78, 0xc0, 0x8a, 0x6f, 0x31, 0xe7, 0x32, 0xa2, 0xc8,
	0x18, 0x7a, 0x4e, 0x3d, 0xe3, 0x05, 0x99, 0x2b, 0x08, 0xfd, 0xef, 0x35,
	0x6e, 0xda, 0x57, 0x73, 0xfc, 0xb2, 0x3e, 0x7b, 0x0c, 0xcc, 0x72, 0x50,
	0x76, 0xc1, 0xf2, 0xb3,
};

static const __u8 kat_tld[] = {
	0x20, 0x63, 0xed, 0x47, 0x89, 0x19, 0x80, 0x17, 0x2c, 0xca, 0x70, 0x8e,
	0x69, 0xd0, 0xc9, 0xd5, 0x3f, 0xe4, 0xbb, 0x00, 0x14, 0x7c, 0x15, 0x5a,
	0xaa, 0xbc, 0x23, 0x52, 0x17, 0x3b, 0x74, 0x29, 0xfd, 0xf4, 0xf9, 0x5d,
	0xf2, 0x52, 0xed, 0xc6, 0x8b, 0x8b, 0x9e, 0xcf, 0x5f, 0xdd, 0x83, 0xaa,
	0x0b, 0xbe, 0xb2, 0x01, 0x18, 0x52, 0x20, 0xf0, 0xff, 0xfa, 0x53, 0x29,
	0x58, 0x21, 0x4b, 0xf1,
};

/* The host's key pair; seimg itself only reads keys from PEM files */
static EVP_PKEY *kat_key_pair(void)
{
	__u8 point[133] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;
	BIGNUM *bn;

	memcpy(point + 1, kat_host_public + 14, 66);
	memcpy(point + 67, kat_host_public + 94, 66);
	bn = BN_bin2bn(kat_host_private, 66, NULL);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "secp521r1", 9);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 133);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, bn);
	params = OSSL_PARAM_BLD_to_param(bld);
	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		die_crypto("making a key pair");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static void check_header(const char *dir)
{
	__u8 buf[640], area[SE_HEADER_MAX], kek[32], xy[160], hash[32], key[32];
	struct se_header *h = (void *)buf;
	struct se_secret *s = (void *)area;
	EVP_PKEY *priv = kat_key_pair(), *cust;
	struct se_image se = { .header_size = sizeof(buf), .sea = sizeof(*s) };
	char name[4096];
	FILE *f;

	memcpy(buf, kat_header, sizeof(buf));
	public_xy(priv, xy);
	check(!memcmp(xy, kat_host_public, sizeof(kat_host_public)), "SE header: host public key");
	cust = public_from_xy(h->cust_pub);
	slot_kek(priv, cust, kek);
	check(!memcmp(kek, kat_kek, sizeof(kat_kek)), "SE header: key encryption key");
	snprintf(name, sizeof(name), "%s/host.pem", dir);
	f = fopen(name, "w");
	if (!f || !PEM_write_PrivateKey(f, priv, NULL, NULL, 0, NULL, NULL) || fclose(f))
		die("cannot write '%s'", name);
	unwrap_header_key("kat", h, 1, name, hash, key);
	check(!memcmp(key, kat_header_key, sizeof(kat_header_key)), "SE header: slot opened");
	check(open_header(h, &se, key, area) && !memcmp(s->cck, kat_cck, sizeof(kat_cck)) &&
	      !memcmp(s->xts_key, kat_xts_key, sizeof(kat_xts_key)) &&
	      be64toh(s->psw_mask) == PSW_MASK_64BIT,
	      "SE header: encrypted area opened");
	buf[60] ^= 1;
	check(!open_header(h, &se, key, area), "SE header: change of the flags detected");
	EVP_PKEY_free(priv);
	EVP_PKEY_free(cust);
}

static void kat_page(__u8 *page)
{
	unsigned int i;

	for (i = 0; i < SE_PAGE; i++)
		page[i] = i * 7 + (i >> 8);
}

static void check_components(void)
{
	struct se_image se = {
		.num_comp = 2,
		.comp = {
			{ 0x0000aabbccddeeffULL, 0x15000, 0x2000 },
			{ 0x0003112233445566ULL, 0x40000, 0x1000 },
		},
	};
	__u8 *img = xcalloc(0x41000);
	struct digests d;
	unsigned int i;

	kat_page(img + 0x15000);
	kat_page(img + 0x16000);
	kat_page(img + 0x40000);
	for (i = 0; i < 2; i++)
		xts_component(true, kat_xts_key, se.comp[i].tweak, img + se.comp[i].addr,
			      se.comp[i].size);
	measure(img, &se, &d);
	check(!memcmp(d.pld, kat_pld, sizeof(kat_pld)), "components: page list digest");
	check(!memcmp(d.ald, kat_ald, sizeof(kat_ald)), "components: address list digest");
	check(!memcmp(d.tld, kat_tld, sizeof(kat_tld)), "components: tweak list digest");
	free(img);
}

/* --- layouts of images --------------------------------------------------- */

static void put_ipib(__u8 *img, __u64 at, const struct se_image *se, __u64 header_addr,
		     __u64 header_len)
{
	struct se_ipib *ipib = (void *)(img + at);
	unsigned int i;

	ipib->len = htobe32(SE_PAGE);
	ipib->version = SE_IPIB_VERSION;
	ipib->pbt = SE_IPIB_PBT_PV;
	ipib->num_comp = htobe32(se->num_comp);
	ipib->header_addr = htobe64(header_addr);
	ipib->header_len = htobe64(header_len);
	for (i = 0; i < se->num_comp; i++) {
		ipib->comp[i].tweak = htobe64(se->comp[i].tweak);
		ipib->comp[i].addr = htobe64(se->comp[i].addr);
		ipib->comp[i].size = htobe64(se->comp[i].size);
	}
}

/* As genprotimg lays it out, with the header that it made: 22 component pages */
static void check_genprotimg(const char *dir)
{
	__u8 *img = xcalloc(0x2b000), hash[32], key[32];
	struct se_image made = {
		.num_comp = 4,
		.comp = {
			{ 0x0000111111111111ULL, 0x15000, 0x10000 },
			{ 0x0001222222222222ULL, 0x25000, 0x20 },
			{ 0x0002333333333333ULL, 0x26000, 0x2345 },
			{ 0x0003444444444444ULL, 0x29000, 0x2000 },
		},
	}, se;
	char why[200], name[4096];

	memcpy(img + 0x10000, stage3a, sizeof(stage3a));
	/* stage3a fills in the header's address only when it runs */
	put_ipib(img, 0x13000, &made, 0, 0);
	memcpy(img + 0x14000, kat_header, sizeof(kat_header));
	check(!se_parse(img, 0x2b000, &se, why, sizeof(why)) && se.ipib_addr == 0x13000 &&
	      se.header_addr == 0x14000 && se.num_comp == 4 && se.comp[2].size == 0x3000 &&
	      se.nks == 1 && se.nep == 0x16 && se.pcf == (SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO),
	      "genprotimg: header one page behind the IPIB found");
	snprintf(name, sizeof(name), "%s/host.pem", dir);
	unwrap_header_key("kat", (void *)(img + se.header_addr), se.nks, name, hash, key);
	check(!memcmp(key, kat_header_key, sizeof(kat_header_key)), "genprotimg: key slot opened");
	img[0x14000 + offsetof(struct se_header, nep) + 7] ^= 1;
	check(se_parse(img, 0x2b000, &se, why, sizeof(why)) && strstr(why, "component pages"),
	      "genprotimg: wrong number of pages detected");
	free(img);
}

static void write_pem(const char *name, EVP_PKEY *key, X509 *cert, bool der)
{
	FILE *f = fopen(name, "w");
	bool ok = f;

	if (cert)
		ok = ok && (der ? i2d_X509_fp(f, cert) : PEM_write_X509(f, cert)) == 1;
	else
		ok = ok && PEM_write_PUBKEY(f, key) == 1;
	if (!ok || fclose(f))
		die("cannot write '%s'", name);
}

/*
 * What other tools may do otherwise than seimg: component numbers, place of the
 * header, several slots, flags, components that are not encrypted.
 */
static void check_layouts(const char *dir)
{
	static const struct {
		const char *name;
		__u64 ipib, header, pcf, scf;
		unsigned int slots;
		__u8 first, step;
		bool no_addr;
	} layouts[] = {
		{ "pvimg numbers", 0x40000, 0x41000,
		  SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO, 0, 1, 40, 10, false },
		{ "header before the IPIB", 0x41000, 0x12000,
		  SE_PCF_ALLOW_DUMP, 0, 1, 0, 1, false },
		{ "header not on a page of its own", 0x12000, 0x12800,
		  SE_PCF_ALLOW_DUMP, 0, 1, 0, 1, false },
		{ "three slots, new flags", 0x12000, 0x13000,
		  SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO | 0x10 | 0x02, 0x6000000000000000ULL, 3, 0, 1,
		  true },
		{ "no encryption, no dump", 0x12000, 0x13000,
		  SE_PCF_NO_ENCRYPTION, 0, 2, 0, 3, true },
	};
	EVP_PKEY *host = kat_key_pair(), *other = EVP_EC_gen("secp521r1");
	char pem[4096], der[4096], cert[4096], key_name[4096], why[200];
	X509 *x509 = X509_new();
	size_t i, c;

	snprintf(pem, sizeof(pem), "%s/other.pem", dir);
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(der, sizeof(der), "%s/cert.der", dir);
	snprintf(key_name, sizeof(key_name), "%s/host.pem", dir);
	if (!x509 || !X509_set_pubkey(x509, host) ||
	    !X509_gmtime_adj(X509_getm_notBefore(x509), 0) ||
	    !X509_gmtime_adj(X509_getm_notAfter(x509), 3600) ||
	    !X509_sign(x509, host, EVP_sha512()))
		die_crypto("making a certificate");
	write_pem(pem, other, NULL, false);
	write_pem(cert, NULL, x509, false);
	write_pem(der, NULL, x509, true);

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct build_args a = { .pcf = layouts[i].pcf };
		__u8 *img = xcalloc(0x50000), hash[32], key[32], area[SE_HEADER_MAX];
		struct se_secret secret = { .scf = htobe64(layouts[i].scf) };
		const struct se_secret *s = (void *)area;
		struct se_image made = { }, se;
		struct se_header *h;
		struct digests d;
		bool ok;

		/* ours is the last slot */
		for (c = 0; c + 1 < layouts[i].slots; c++)
			a.host_keys[a.num_host_keys++] = pem;
		a.host_keys[a.num_host_keys++] = i % 2 ? der : cert;
		for (c = 0; c < 3; c++)
			add_component(&made, layouts[i].first + c * layouts[i].step,
				      0x15000 + c * 0x4000, c ? 0x1800 : 0x3000);
		made.header_size = sizeof(*h) + a.num_host_keys * sizeof(struct se_key_slot) +
				   sizeof(secret) + SE_TAG_LEN;
		random_bytes(secret.xts_key, sizeof(secret.xts_key));
		random_bytes(img + 0x15000, 0x10000);
		for (c = 0; c < 3 && !(a.pcf & SE_PCF_NO_ENCRYPTION); c++)
			xts_component(true, secret.xts_key, made.comp[c].tweak,
				      img + made.comp[c].addr, made.comp[c].size);
		put_ipib(img, layouts[i].ipib, &made,
			 layouts[i].no_addr ? 0 : layouts[i].header,
			 layouts[i].no_addr ? 0 : made.header_size);
		write_header(&a, img, &made, &secret, (void *)(img + layouts[i].header));

		ok = !se_parse(img, 0x50000, &se, why, sizeof(why)) &&
		     se.ipib_addr == layouts[i].ipib && se.header_addr == layouts[i].header &&
		     se.nks == layouts[i].slots && se.pcf == layouts[i].pcf && se.num_comp == 3 &&
		     !memcmp(se.comp, made.comp, 3 * sizeof(se.comp[0]));
		check(ok, "%s: parsed", layouts[i].name);
		if (ok) {
			h = (void *)(img + se.header_addr);
			unwrap_header_key("made", h, se.nks, key_name, hash, key);
			check(open_header(h, &se, key, area) &&
			      be64toh(s->scf) == layouts[i].scf &&
			      !memcmp(s->xts_key, secret.xts_key, sizeof(secret.xts_key)),
			      "%s: opened with the key of the last slot", layouts[i].name);
			measure(img, &se, &d);
			ok = !memcmp(d.pld, h->pld, 64) && !memcmp(d.ald, h->ald, 64) &&
			     !memcmp(d.tld, h->tld, 64);
			check(ok, "%s: digests", layouts[i].name);
			img[se.comp[1].addr] ^= 1;
			measure(img, &se, &d);
			check(memcmp(d.pld, h->pld, 64), "%s: changed page detected",
			      layouts[i].name);
		}
		free(img);
	}
	X509_free(x509);
	EVP_PKEY_free(host);
	EVP_PKEY_free(other);
	unlink(pem);
	unlink(cert);
	unlink(der);
}

/*
 * An image of the memory of a Linux that has run: what is not zero, all of it,
 * in no more components than an IPIB has room for.
 */
static void check_from_dump(const char *dir)
{
	static const unsigned int dots[] = { 1, 50, SE_MAX_COMP, SE_MAX_COMP + 1, 600 };
	size_t pages = 2048, len = pages * SE_PAGE, i, c;
	char name[4096];

	snprintf(name, sizeof(name), "%s/memory.bin", dir);
	for (i = 0; i < ARRAY_SIZE(dots); i++) {
		struct build_args a = { .from_dump = name };
		__u8 *mem = xcalloc(len), *seen = xcalloc(len), *img;
		struct se_image se = { };
		unsigned int left = dots[i], zeros = 0;
		__u64 end;
		FILE *f;

		for (c = 0; left; c += i % 2 ? 2 : 3) {
			mem[c * SE_PAGE + 17] = 1;
			left--;
		}
		mem[len - 1] = 1;
		f = fopen(name, "w");
		if (!f || fwrite(mem, len, 1, f) != 1 || fclose(f))
			die("cannot write '%s'", name);
		img = load_dump(&a, &se, &end);
		for (c = 0; c < se.num_comp; c++) {
			memcpy(seen + se.comp[c].addr, img + se.comp[c].addr, se.comp[c].size);
			for (size_t p = 0; p < se.comp[c].size; p += SE_PAGE)
				zeros += is_zero(mem + se.comp[c].addr + p, SE_PAGE);
		}
		check(end == len && se.num_comp <= SE_MAX_COMP && !memcmp(seen, mem, len) &&
		      (dots[i] >= SE_MAX_COMP ? se.num_comp == SE_MAX_COMP && zeros :
						se.num_comp == dots[i] + 1 && !zeros),
		      "memory in %u pieces: %u components, %u pages of zeros in them",
		      dots[i] + 1, se.num_comp, zeros);
		free(mem);
		free(seen);
		free(img);
	}
	unlink(name);
}

/* --- an Ultravisor behind ioctl() ---------------------------------------- */

#define VM_FD		1000
#define VCPU_FD		2000
#define FAKE_CPUS	3
#define FAKE_MIB	5
#define FAKE_CPU_LEN	4096
#define FAKE_MEM_LEN	4096
#define FAKE_COMPL_LEN	4096
#define FAKE_NONCE	0x12345678ULL

static struct {
	__u8 plain[FAKE_MIB * MIB];
	__u8 memory[FAKE_MIB * MIB];
	__u8 meta[FAKE_MIB * FAKE_MEM_LEN];
	__u8 recs[FAKE_CPUS * REC_SIZE];
	__u8 dump_key[32];
	__u8 seed[64];
	bool dumping;
	__u16 refuse;		/* rc of the next INIT */
	unsigned int eintr_every;	/* every n-th call is interrupted */
	__s64 fail_at;		/* STOR_STATE of this MiB fails; -1: none */
	bool fail_once;
	bool complete_fails;
	unsigned int calls[4];
	unsigned int ioctls;
	unsigned int bad;		/* calls no correct client makes */
	atomic_int stop;
	__u64 stop_at;		/* set stop at STOR_STATE of this MiB */
} uv;

static void fake_keys(void)
{
	static const char info[] = "IBM Z Ultravisor Dump\001";
	__u8 prk[64], okm[64];

	random_bytes(uv.seed, sizeof(uv.seed));
	if (!HMAC(EVP_sha512(), uv.seed, 64, kat_cck, 32, prk, NULL) ||
	    !HMAC(EVP_sha512(), prk, 64, (const __u8 *)info, 22, okm, NULL))
		die_crypto("HMAC");
	memcpy(uv.dump_key, okm, 32);
}

/* Encrypts a page with the tweak nonce OR component, which share no bits */
static void fake_export(__u8 *page, __u64 component)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 iv[16];
	int n;

	page_tweak(FAKE_NONCE, component, iv);
	if (!EVP_EncryptInit_ex(ctx, EVP_aes_256_xts(), NULL, kat_xts_key, iv) ||
	    !EVP_EncryptUpdate(ctx, page, &n, page, SE_PAGE))
		die_crypto("AES-XTS");
	EVP_CIPHER_CTX_free(ctx);
}

/* Every page one way or another: encrypted, never touched, or shared */
static void fake_start(void)
{
	unsigned int i;

	memset(&uv, 0, sizeof(uv));
	uv.fail_at = -1;
	uv.stop_at = UINT64_MAX;
	random_bytes(uv.plain, sizeof(uv.plain));
	for (i = 0; i < sizeof(uv.plain) / SE_PAGE; i++) {
		__u8 *page = uv.memory + i * SE_PAGE;
		__u8 *entry = uv.meta + i * 16;

		if (i % 7 == 3)
			memset(uv.plain + i * SE_PAGE, 0, SE_PAGE);
		memcpy(page, uv.plain + i * SE_PAGE, SE_PAGE);
		if (i % 7 == 3 || i % 7 == 5) {
			memset(entry, 0xff, 4);
			entry[15] = i % 7 == 3 ? 1 : 6;
			if (i % 7 == 3)
				memset(page, 0xaa, SE_PAGE);
			continue;
		}
		put_u64(entry + 8, i + 1);
		fake_export(page, i + 1);
	}
	for (i = 0; i < FAKE_CPUS; i++)
		fill_record(uv.recs + i * REC_SIZE, i);
}

static void fake_cpu(unsigned int cpu, __u8 *out)
{
	__u32 head[2] = { htobe32(1), htobe32(1568) };

	memset(out, 0, FAKE_CPU_LEN);
	memcpy(out, head, 8);
	random_bytes(out + 8, 12);
	gcm(true, uv.dump_key, out + 8, out, 32, uv.recs + cpu * REC_SIZE + REC_HEAD,
	    REC_BLOCK, out + 32, out + 1552);
}

static void fake_complete(__u8 *out)
{
	__u32 head[2] = { htobe32(1), htobe32(288) };
	__u8 secret[176] = { };

	memset(out, 0, FAKE_COMPL_LEN);
	memcpy(out, head, 8);
	memcpy(out + 16, uv.seed, 64);
	random_bytes(out + 80, 12);
	put_u64(secret, FAKE_NONCE);
	memcpy(secret + 16, kat_xts_key, 64);
	gcm(true, uv.dump_key, out + 80, out, 96, secret, 176, out + 96, out + 272);
}

static int fake_fail(struct kvm_pv_cmd *cmd, __u16 rc, int err)
{
	if (rc) {
		cmd->rc = rc;
		cmd->rrc = 0x42;
	}
	errno = err;
	return -1;
}

static int fake_state(struct kvm_pv_cmd *cmd, struct kvm_s390_pv_dmp *dmp)
{
	__u64 i, first = dmp->gaddr / MIB, n = dmp->buff_len / FAKE_MEM_LEN;
	__u8 *out = (__u8 *)(uintptr_t)dmp->buff_addr;

	if (!uv.dumping || dmp->gaddr % MIB || !n || dmp->buff_len % FAKE_MEM_LEN ||
	    first + n > FAKE_MIB) {
		uv.bad++;
		return fake_fail(cmd, 0, EINVAL);
	}
	for (i = 0; i < n; i++) {
		if (first + i == uv.stop_at)
			uv.stop = SIGINT;
		if ((__s64)(first + i) == uv.fail_at) {
			if (uv.fail_once)
				uv.fail_at = -1;
			dmp->gaddr = (first + i) * MIB;
			return fake_fail(cmd, 0x1234, EINVAL);
		}
		memcpy(out + i * FAKE_MEM_LEN, uv.meta + (first + i) * FAKE_MEM_LEN,
		       FAKE_MEM_LEN);
	}
	cmd->rc = 1;
	return 0;
}

static int fake_dump(int fd, struct kvm_pv_cmd *cmd, struct kvm_s390_pv_dmp *dmp)
{
	__u8 *out = (__u8 *)(uintptr_t)dmp->buff_addr;

	bool on_vcpu = fd >= VCPU_FD, for_vcpu = dmp->subcmd == KVM_PV_DUMP_CPU;

	uv.calls[dmp->subcmd & 3]++;
	if (on_vcpu != for_vcpu) {
		uv.bad++;
		return fake_fail(cmd, 0, EINVAL);
	}
	switch (dmp->subcmd) {
	case KVM_PV_DUMP_INIT:
		if (uv.dumping) {
			uv.bad++;
			return fake_fail(cmd, 0, EINVAL);
		}
		if (uv.refuse)
			return fake_fail(cmd, uv.refuse, EINVAL);
		fake_keys();
		uv.dumping = true;
		break;
	case KVM_PV_DUMP_CONFIG_STOR_STATE:
		return fake_state(cmd, dmp);
	case KVM_PV_DUMP_COMPLETE:
		if (!uv.dumping || dmp->buff_len < FAKE_COMPL_LEN) {
			uv.bad++;
			return fake_fail(cmd, 0, EINVAL);
		}
		if (uv.complete_fails)
			return fake_fail(cmd, 0x1234, EINVAL);
		fake_complete(out);
		uv.dumping = false;
		break;
	default:
		if (!uv.dumping || dmp->buff_len != FAKE_CPU_LEN || fd - VCPU_FD >= FAKE_CPUS) {
			uv.bad++;
			return fake_fail(cmd, 0, EINVAL);
		}
		fake_cpu(fd - VCPU_FD, out);
	}
	cmd->rc = 1;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long req, ...);

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	struct kvm_s390_pv_info *info;
	struct kvm_pv_cmd *cmd;
	va_list ap;

	va_start(ap, req);
	cmd = va_arg(ap, void *);
	va_end(ap);
	if (req != (fd < VCPU_FD ? KVM_S390_PV_COMMAND : KVM_S390_PV_CPU_COMMAND) ||
	    cmd->flags || cmd->rc || cmd->rrc) {
		uv.bad++;
		return fake_fail(cmd, 0, ENOTTY);
	}
	if (uv.eintr_every && !(++uv.ioctls % uv.eintr_every))
		return fake_fail(cmd, 0, EINTR);
	if (cmd->cmd == KVM_PV_DUMP)
		return fake_dump(fd, cmd, (void *)(uintptr_t)cmd->data);
	info = (void *)(uintptr_t)cmd->data;
	info->dump.dump_cpu_buffer_len = FAKE_CPU_LEN;
	info->dump.dump_config_mem_buffer_per_1m = FAKE_MEM_LEN;
	info->dump.dump_config_finalize_len = FAKE_COMPL_LEN;
	info->header.len_written = 40;
	return 0;
}

static int fake_write(struct pvdump *pd, int fd, __u64 chunk)
{
	static const int vcpus[FAKE_CPUS] = { VCPU_FD, VCPU_FD + 1, VCPU_FD + 2 };
	struct pvdump_elf elf = {
		.fd = fd,
		.memory = uv.memory,
		.memory_size = sizeof(uv.memory),
		.vcpu_fds = vcpus,
		.num_vcpus = FAKE_CPUS,
		.chunk = chunk,
	};
	int ret;

	memset(pd, 0, sizeof(*pd));
	pd->vm_fd = VM_FD;
	pd->stop = &uv.stop;
	ret = pvdump_info(pd);
	return ret ? ret : pvdump_write_elf(pd, &elf);
}

/* What is where in the file, from dump to decrypted pieces */
static void check_file(const char *name, const char *what)
{
	size_t len, notes = 432, memory = notes + FAKE_CPUS * (1260 + FAKE_CPU_LEN);
	size_t meta = memory + sizeof(uv.memory), compl = meta + sizeof(uv.meta);
	size_t strtab = compl + FAKE_COMPL_LEN, i;
	__u8 *buf = read_file(name, &len), block[REC_BLOCK], secret[176];
	const struct elf64_hdr *e = (void *)buf;
	const struct elf64_shdr *s = (void *)(buf + 64);
	const struct elf64_phdr *p = (void *)(buf + 320);
	bool ok;

	ok = len == strtab + 35 && be16toh(e->e_phnum) == 2 && be16toh(e->e_shnum) == 4 &&
	     be64toh(e->e_shoff) == 64 && be64toh(e->e_phoff) == 320 &&
	     be64toh(p[0].p_offset) == notes && be64toh(p[0].p_filesz) == memory - notes &&
	     be64toh(p[1].p_offset) == memory && be64toh(p[1].p_memsz) == sizeof(uv.memory) &&
	     be64toh(s[1].sh_offset) == meta && be64toh(s[1].sh_size) == sizeof(uv.meta) &&
	     be64toh(s[2].sh_offset) == compl && be64toh(s[3].sh_offset) == strtab;
	check(ok, "%s: layout", what);
	if (!ok)
		return;
	ok = !strcmp((char *)buf + strtab + be32toh(s[1].sh_name), "pv_mem_meta") &&
	     !strcmp((char *)buf + strtab + be32toh(s[2].sh_name), "pv_compl") &&
	     !strcmp((char *)buf + strtab + be32toh(s[3].sh_name), ".shstrtab");
	check(ok, "%s: section names", what);
	check(!memcmp(buf + memory, uv.memory, sizeof(uv.memory)), "%s: memory", what);
	check(!memcmp(buf + meta, uv.meta, sizeof(uv.meta)), "%s: metadata", what);
	ok = gcm(false, uv.dump_key, buf + compl + 80, buf + compl, 96, buf + compl + 96, 176,
		 secret, buf + compl + 272);
	check(ok, "%s: completion data", what);
	for (i = 0; i < FAKE_CPUS; i++) {
		__u8 *b = buf + notes + (i + 1) * (1260 + FAKE_CPU_LEN) - FAKE_CPU_LEN;

		ok = gcm(false, uv.dump_key, b + 8, b, 32, b + 32, REC_BLOCK, block, b + 1552) &&
		     !memcmp(block, uv.recs + i * REC_SIZE + REC_HEAD, REC_BLOCK);
		check(ok, "%s: CPU %zu", what, i);
	}
	free(buf);
}

static int new_file(const char *dir, const char *file, char *name, size_t len)
{
	int fd;

	snprintf(name, len, "%s/%s", dir, file);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die("cannot create '%s': %s", name, strerror(errno));
	return fd;
}

static void check_dump(const char *dir)
{
	char name[4096];
	struct pvdump pd;
	int fd, ret;

	fake_start();
	fd = new_file(dir, "dump.elf", name, sizeof(name));
	check(!fake_write(&pd, fd, 0) && !uv.dumping && !uv.bad, "one chunk");
	close(fd);
	check_file(name, "one chunk");

	/* the last one stays in the directory, so all of its parts must fit */
	fake_start();
	uv.eintr_every = 3;
	uv.fail_at = 3;
	uv.fail_once = true;
	fd = new_file(dir, "dump.elf", name, sizeof(name));
	check(!fake_write(&pd, fd, 2 * MIB) && !uv.dumping && !uv.bad,
	      "interrupted, and resumed after an error");
	close(fd);
	check_file(name, "resumed");

	fd = new_file(dir, "plain.bin", name, sizeof(name));
	check(write(fd, uv.plain, sizeof(uv.plain)) == sizeof(uv.plain), "plain memory written");
	close(fd);
	fd = new_file(dir, "regs.bin", name, sizeof(name));
	check(write(fd, uv.recs, sizeof(uv.recs)) == sizeof(uv.recs), "registers written");
	close(fd);
	fd = new_file(dir, "cck.bin", name, sizeof(name));
	check(write(fd, kat_cck, 32) == 32, "key written");
	close(fd);

	fd = new_file(dir, "failed.elf", name, sizeof(name));
	fake_start();
	uv.fail_at = 2;
	ret = fake_write(&pd, fd, 0);
	check(ret == -EINVAL && !uv.dumping && !uv.bad && pd.rc == 0x1234 &&
	      strstr(pd.error, "0x200000") && strstr(pd.error, "rc 0x1234 rrc 0x42"),
	      "lasting error: aborted (%s)", pd.error);
	uv.fail_at = -1;
	check(!fake_write(&pd, fd, 0) && !uv.dumping, "dump after an abort");

	fake_start();
	uv.refuse = 0x108;
	ret = fake_write(&pd, fd, 0);
	check(ret == -EPERM && uv.calls[KVM_PV_DUMP_COMPLETE] == 0 && strstr(pd.error, "0x108") &&
	      !strstr(pd.error, "host key"), "refused (%s)", pd.error);

	fake_start();
	uv.stop_at = 1;
	ret = fake_write(&pd, fd, MIB);
	check(ret == -EINTR && !uv.dumping && !uv.bad, "stopped by a signal: aborted");

	fake_start();
	uv.complete_fails = true;
	ret = fake_write(&pd, fd, 0);
	check(ret == -EINVAL && uv.dumping && uv.calls[KVM_PV_DUMP_COMPLETE] == 2 &&
	      strstr(pd.error, "could not be ended"), "abort fails too (%s)", pd.error);
	close(fd);
	unlink(name);

	fake_start();
	fd = open("/dev/full", O_WRONLY);
	ret = fake_write(&pd, fd, 0);
	check(ret == -ENOSPC && !uv.dumping && !uv.bad, "disk full: aborted (%s)", pd.error);
	close(fd);
}

int main(int argc, char **argv)
{
	static const char * const files[] = {
		"host.pem", "dump.elf", "plain.bin", "regs.bin", "cck.bin",
	};
	char tmp[] = "/tmp/pvdump-check.XXXXXX", name[4096];
	const char *dir = argc > 1 ? argv[1] : mkdtemp(tmp);
	size_t i;

	if (!dir)
		die("cannot make a directory: %s", strerror(errno));
	check_header(dir);
	check_components();
	check_genprotimg(dir);
	check_layouts(dir);
	check_from_dump(dir);
	check_dump(dir);
	printf("1..%u\n", num_tests);
	for (i = 0; argc < 2 && i < ARRAY_SIZE(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, files[i]);
		unlink(name);
	}
	if (argc < 2)
		rmdir(dir);
	return !!num_failed;
}
