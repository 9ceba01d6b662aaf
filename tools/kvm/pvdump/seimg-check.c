// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of the parts of seimg: known answers for the image format, and images as
 * other tools lay them out, which seimg build does not make.
 *
 * seimg-check DIR leaves the images and their keys in DIR.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "guestmem.h"
#include "kat.h"
#include "seimg.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static struct error err;

/* In place of that of the C library: nothing here is to survive a power cut */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

static void write_file(const char *name, const void *buf, size_t len)
{
	FILE *f = fopen(name, "w");

	must(f && fwrite(buf, len, 1, f) == 1 && !fclose(f), "cannot write '%s': %s", name,
	     strerror(errno));
}

static bool file_is(const char *name, const void *buf, size_t len)
{
	size_t n;
	__u8 *have = input_read(name, 1UL << 30, &n, &err);
	bool ok = have && n == len && !memcmp(have, buf, len);

	input_free(have, n);
	return ok;
}

/* --- known answers ------------------------------------------------------- */

/* The host's key pair */
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
	must(EVP_PKEY_fromdata_init(ctx) == 1 &&
	     EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) == 1, "making a key pair");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static void check_header(EVP_PKEY *priv)
{
	struct se_image se = { .header_size = sizeof(kat_header), .sea = sizeof(struct se_secret) };
	__u8 area[SE_HEADER_MAX], kek[32], xy[SE_XY_LEN], key[32], zeros[128] = { };
	static union se_header_buf h;
	struct se_secret *s = (void *)area;
	EVP_PKEY *cust;

	memcpy(h.bytes, kat_header, sizeof(kat_header));
	check(!se_public_xy(priv, xy, &err) && !memcmp(xy, kat_host_public, sizeof(xy)),
	      "SE header: host public key");
	cust = se_public_from_xy(h.h.cust_pub);
	check(cust && !se_slot_kek(priv, cust, kek, &err) && !memcmp(kek, kat_kek, sizeof(kek)),
	      "SE header: key encryption key");
	check(!se_unwrap(&h.h, 1, priv, "kat", key, &err) &&
	      !memcmp(key, kat_header_key, sizeof(key)), "SE header: slot opened");
	check(se_open_area(&h, &se, key, area, &err) == 1 &&
	      !memcmp(s->cck, kat_cck, sizeof(kat_cck)) &&
	      !memcmp(s->xts_key, kat_xts_key, sizeof(kat_xts_key)) &&
	      be64toh(s->psw_mask) == PSW_MASK_64BIT, "SE header: encrypted area opened");
	h.bytes[60] ^= 1;
	check(!se_open_area(&h, &se, key, area, &err) && !memcmp(area, zeros, sizeof(zeros)),
	      "SE header: change of the flags detected, nothing decrypted");
	h.bytes[60] ^= 1;
	h.bytes[sizeof(struct se_header) + 40] ^= 1;
	check(se_unwrap(&h.h, 1, priv, "kat", key, &err) && strstr(err.text, "does not open"),
	      "SE header: changed slot detected (%s)", err.text);
	h.bytes[sizeof(struct se_header)] ^= 1;
	check(se_unwrap(&h.h, 1, priv, "kat", key, &err) && strstr(err.text, "not made for"),
	      "SE header: no slot for this host (%s)", err.text);
	h.h.cust_pub[20] ^= 1;
	check(se_unwrap(&h.h, 1, priv, "kat", key, &err) && strstr(err.text, "no point"),
	      "SE header: customer key off the curve (%s)", err.text);
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
	static const struct se_component comp[] = {
		{ 0x0000aabbccddeeffULL, 0x15000, 0x2000 },
		{ 0x0003112233445566ULL, 0x40000, 0x1000 },
	};
	static __u8 pages[2][0x2000];
	struct se_measure m;
	struct se_digests d;
	unsigned int i;
	int ret = 0;

	kat_page(pages[0]);
	kat_page(pages[0] + 0x1000);
	kat_page(pages[1]);
	must(!se_measure_begin(&m, &err), "%s", err.text);
	for (i = 0; i < 2; i++) {
		/* in one piece, and page by page */
		ret |= se_xts_pages(true, kat_xts_key, comp[i].tweak, 0, pages[i], comp[i].size,
				    &err);
		ret |= se_measure_pages(&m, &comp[i], 0, pages[i], 0x1000, &err);
		if (!i)
			ret |= se_measure_pages(&m, &comp[i], 0x1000, pages[i] + 0x1000, 0x1000,
						&err);
	}
	must(!ret && !se_measure_end(&m, &d, &err), "%s", err.text);
	check(!memcmp(d.pld, kat_pld, sizeof(kat_pld)), "components: page list digest");
	check(!memcmp(d.ald, kat_ald, sizeof(kat_ald)), "components: address list digest");
	check(!memcmp(d.tld, kat_tld, sizeof(kat_tld)), "components: tweak list digest");
	check(!se_xts_pages(false, kat_xts_key, comp[0].tweak, 0x1000, pages[0] + 0x1000, 0x1000,
			    &err) &&
	      !memcmp(pages[0] + 0x1002, "\x0e\x15", 2), "components: one page decrypted");
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

/* Components as genprotimg lays them out */
static const struct se_image genprotimg_layout = {
	.num_comp = 4,
	.comp = {
		{ 0x0000111111111111ULL, 0x15000, 0x10000 },
		{ 0x0001222222222222ULL, 0x25000, 0x20 },
		{ 0x0002333333333333ULL, 0x26000, 0x2345 },
		{ 0x0003444444444444ULL, 0x29000, 0x2000 },
	},
};

/* As genprotimg lays it out, with the header that it made: 22 component pages */
static void check_genprotimg(EVP_PKEY *priv)
{
	struct se_image se;
	size_t len = 0x2b000;
	__u8 *img = calloc(1, len), key[32];
	char why[200];

	must(img, "out of memory");
	/* stage3a fills in the header's address only when it runs */
	put_ipib(img, 0x13000, &genprotimg_layout, 0, 0);
	memcpy(img + 0x14000, kat_header, sizeof(kat_header));
	check(!se_parse(img, len, &se, why, sizeof(why)) && se.ipib_addr == 0x13000 &&
	      se.header_addr == 0x14000 && se.num_comp == 4 && se.comp[2].size == 0x3000 &&
	      se.nks == 1 && se.nep == 0x16 && se.pcf == (SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO),
	      "genprotimg: header one page behind the IPIB found");
	check(!se_unwrap((void *)(img + se.header_addr), se.nks, priv, "kat", key, &err) &&
	      !memcmp(key, kat_header_key, sizeof(key)), "genprotimg: key slot opened");
	img[0x14000 + offsetof(struct se_header, nep) + 7] ^= 1;
	check(se_parse(img, len, &se, why, sizeof(why)) && strstr(why, "component pages"),
	      "genprotimg: wrong number of pages detected");
	img[0x14000 + offsetof(struct se_header, nep) + 7] ^= 1;
	put_ipib(img, 0x28000, &genprotimg_layout, 0x14000, 0);
	check(se_parse(img, len, &se, why, sizeof(why)) && strstr(why, "2 IPIBs"),
	      "two IPIBs: refused (%s)", why);
	free(img);
}

/* One thing wrong in a row; each must be told, whatever is read then */
static void check_damaged(void)
{
	static const struct {
		const char *what;
		size_t at;
		__u8 bytes[8];
		size_t len;
		const char *why;
	} rows[] = {
		{ "header version", 0x14008, { 0, 0, 2, 0 }, 4, "version 0x200" },
		{ "header size", 0x1400c, { 0, 0, 2, 0x90 }, 4, "do not fit" },
		{ "no slots", 0x14020, { 0 }, 8, "do not fit" },
		{ "absurd slots", 0x14020, { 0xff, 0xff }, 2, "do not fit" },
		{ "encrypted area too small", 0x1402f, { 0x7f }, 1, "do not fit" },
		{ "IPIB: length of the header", 0x13087, { 8 }, 1, "wrong length" },
		{ "IPIB: no components", 0x13074, { 0, 0, 0, 0 }, 4, "0 components" },
		{ "IPIB: absurd components", 0x13074, { 0xff, 0xff, 0xff, 0xff }, 4, "components" },
		{ "IPIB: too short for them", 0x13000, { 0, 0, 0, 0x90 }, 4, "4 components" },
		{ "IPIB: version", 0x13007, { 2 }, 1, "no SE header" },
		{ "component not aligned", 0x13090, { 0, 0, 0, 0, 0, 1, 0x50, 1 }, 8, "aligned" },
		{ "component empty", 0x13098, { 0 }, 8, "empty" },
		{ "component outside", 0x13090, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0 }, 8,
		  "truncated" },
		{ "component too long", 0x13098, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		  8, "truncated" },
		{ "components overlap", 0x130a8, { 0, 0, 0, 0, 0, 2, 0x40, 0 }, 8, "overlap" },
		{ "tweaks do not rise", 0x130a0, { 0 }, 8, "rise" },
		{ "header not aligned", 0x13078, { 0, 0, 0, 0, 0, 1, 0x40, 4 }, 8, "aligned" },
	};
	static __u8 img[0x2b000];
	struct se_image se;
	char why[200];
	size_t i, len, ok = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(img, 0, sizeof(img));
		put_ipib(img, 0x13000, &genprotimg_layout, 0, 0);
		/* so that its magic is there for the row that moves it */
		memcpy(img + 0x14004, kat_header, 8);
		memcpy(img + 0x14000, kat_header, sizeof(kat_header));
		if (rows[i].at == 0x13078)
			memcpy(img + 0x14004, kat_header, 8);
		must(rows[i].at == 0x13078 || !se_parse(img, sizeof(img), &se, why, sizeof(why)),
		     "the image is not right before: %s", why);
		memcpy(img + rows[i].at, rows[i].bytes, rows[i].len);
		check(se_parse(img, sizeof(img), &se, why, sizeof(why)) && strstr(why, rows[i].why),
		      "%s: %s", rows[i].what, why);
	}
	memset(img, 0, sizeof(img));
	put_ipib(img, 0x13000, &genprotimg_layout, 0, 0);
	memcpy(img + 0x14000, kat_header, sizeof(kat_header));
	/* in a buffer of just that size, so that a sanitizer sees what is read beyond */
	for (len = 0; len < sizeof(img); len += len < 0x12f00 || len > 0x14300 ? 0x100 : 1) {
		__u8 *part = malloc(len + !len);

		must(part, "out of memory");
		memcpy(part, img, len);
		ok += !se_parse(part, len, &se, why, sizeof(why));
		free(part);
	}
	check(!ok, "truncated anywhere: refused");
}

struct layout {
	const char *name;
	const char *file;
	__u64 ipib, header, pcf, scf;
	unsigned int slots;
	__u8 first, step;
	bool no_addr;
};

static const struct layout layouts[] = {
	{ "pvimg numbers", "pvimg", 0x40000, 0x41000,
	  SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO, 0, 1, 40, 10, false },
	{ "header before the IPIB", "before", 0x41000, 0x12000,
	  SE_PCF_ALLOW_DUMP, 0, 1, 0, 1, false },
	{ "header not on a page of its own", "shared", 0x12000, 0x12800,
	  SE_PCF_ALLOW_DUMP, 0, 1, 0, 1, false },
	{ "three slots, new flags", "slots", 0x12000, 0x13000,
	  SE_PCF_ALLOW_DUMP | SE_PCF_PCKMO | SE_PCF_PCKMO_HMAC | SE_PCF_BACKUP_KEYS | 0x04,
	  0x6000000000000000ULL, 3, 0, 1, true },
	{ "no encryption, no dump", "open", 0x12000, 0x13000,
	  SE_PCF_NO_ENCRYPTION, 0, 2, 0, 3, true },
};

#define LAYOUT_LEN	0x50000
#define LAYOUT_MEMORY	1		/* MiB */

/* Writes an image with this layout; @plain gets what the guest finds in its memory */
static void make_layout(const struct layout *l, EVP_PKEY *host, EVP_PKEY *other, __u8 *plain)
{
	struct se_secret secret = { .scf = htobe64(l->scf), .psw_addr = htobe64(0x15000) };
	static union se_header_buf h;
	struct se_image made = { };
	struct se_key_slot *slot = (void *)(&h.h + 1);
	__u8 *img = calloc(1, LAYOUT_LEN), header_key[32];
	EVP_PKEY *cust = EVP_EC_gen("secp521r1");
	struct se_measure m;
	struct se_digests d;
	unsigned int c;
	int ret;

	must(img && cust, "out of memory");
	memset(&h, 0, sizeof(h));
	ret = se_random(secret.xts_key, 64, &err) | se_random(secret.cck, 32, &err) |
	      se_random(header_key, 32, &err) | se_random(img + 0x15000, 0x10000, &err) |
	      se_measure_begin(&m, &err);
	for (c = 0; c < 3; c++) {
		struct se_component *k = &made.comp[c];

		*k = (struct se_component){
			.tweak = (__u64)(l->first + c * l->step) << 48 | 0x1234 * (c + 1),
			.addr = 0x15000 + c * 0x4000,
			.size = c ? 0x2000 : 0x3000,
		};
		memcpy(plain + k->addr, img + k->addr, k->size);
		if (!(l->pcf & SE_PCF_NO_ENCRYPTION))
			ret |= se_xts_pages(true, secret.xts_key, k->tweak, 0, img + k->addr,
					    k->size, &err);
		ret |= se_measure_pages(&m, k, 0, img + k->addr, k->size, &err);
		made.num_comp++;
		made.nep += k->size / SE_PAGE;
	}
	ret |= se_measure_end(&m, &d, &err);
	made.header_size = sizeof(h.h) + l->slots * sizeof(*slot) + sizeof(secret) + SE_TAG_LEN;
	memcpy(h.h.magic, SE_MAGIC, 8);
	h.h.version = htobe32(SE_VERSION);
	h.h.size = htobe32(made.header_size);
	h.h.nks = htobe64(l->slots);
	h.h.sea = htobe64(sizeof(secret));
	h.h.nep = htobe64(made.nep);
	h.h.pcf = htobe64(l->pcf);
	memcpy(h.h.pld, d.pld, 64);
	memcpy(h.h.ald, d.ald, 64);
	memcpy(h.h.tld, d.tld, 64);
	ret |= se_public_xy(cust, h.h.cust_pub, &err);
	/* ours is the last slot */
	for (c = 0; c < l->slots; c++)
		ret |= se_fill_slot(cust, c + 1 < l->slots ? other : host, header_key, &slot[c],
				    &err);
	ret |= se_seal_area(&h, sizeof(h.h) + l->slots * sizeof(*slot), header_key, &secret, &err);
	must(!ret, "%s", err.text);
	put_ipib(img, l->ipib, &made, l->no_addr ? 0 : l->header,
		 l->no_addr ? 0 : made.header_size);
	memcpy(img + l->header, h.bytes, made.header_size);
	write_file(l->file, img, LAYOUT_LEN);
	if (!strcmp(l->file, "pvimg"))
		write_file("pvimg.cck", secret.cck, 32);
	EVP_PKEY_free(cust);
	free(img);
}

/* Runs info and returns what it printed, in a static buffer */
static const char *info(struct info_args *a, int *ret)
{
	static char text[65536];
	struct outfile out = { };

	memset(text, 0, sizeof(text));
	a->print = fmemopen(text, sizeof(text) - 1, "w");
	a->out = &out;
	must(a->print, "fmemopen");
	*ret = image_info(a, &err);
	outfile_abort(&out);
	fclose(a->print);
	return text;
}

static void flip(const char *name, off_t at)
{
	int fd = open(name, O_RDWR);
	__u8 byte;

	must(fd >= 0 && pread(fd, &byte, 1, at) == 1, "read");
	byte ^= 1;
	must(pwrite(fd, &byte, 1, at) == 1, "write");
	close(fd);
}

static void check_layout(const struct layout *l, EVP_PKEY *host, EVP_PKEY *other)
{
	static __u8 plain[MIB];
	struct outfile out = { };
	struct info_args a = {
		.image = l->file,
		.private_key = "host.pem",
		.out_name = "plain",
		.memory = LAYOUT_MEMORY,
		.force = true,
	};
	struct info_args keys = {
		.image = l->file, .private_key = "host.pem", .out = &out, .out_name = "keys",
		.force = true,
	};
	struct image img;
	const char *text;
	int ret;

	memset(plain, 0, sizeof(plain));
	make_layout(l, host, other, plain);
	check(!image_open(&img, l->file, &err) && img.se.ipib_addr == l->ipib &&
	      img.se.header_addr == l->header && img.se.nks == l->slots &&
	      img.se.pcf == l->pcf && img.se.num_comp == 3 && img.se.comp[1].addr == 0x19000,
	      "%s: parsed", l->name);
	image_close(&img);
	text = info(&a, &ret);
	check(!ret && strstr(text, "header tag: correct") && strstr(text, "page list digest") &&
	      !strstr(text, "WRONG") && file_is("plain", plain, sizeof(plain)),
	      "%s: opened with the key of the last slot, decrypted (%s)", l->name, err.text);
	check(!image_keys(&keys, &err), "%s: header key written", l->name);
	a.private_key = NULL;
	a.header_key = "keys";
	text = info(&a, &ret);
	check(!ret && file_is("plain", plain, sizeof(plain)), "%s: opened with the header key",
	      l->name);
	flip(l->file, 0x19000);
	text = info(&a, &ret);
	check(ret && strstr(text, "WRONG") && strstr(err.text, "page list digest"),
	      "%s: changed page detected", l->name);
	check(file_is("plain", plain, sizeof(plain)), "%s: and no plain memory written of it",
	      l->name);
	flip(l->file, 0x19000);
	flip(l->file, l->header + 17);
	text = info(&a, &ret);
	check(ret && strstr(text, "header tag: WRONG"), "%s: changed header detected", l->name);
	keys.out_name = "bad-keys";
	check(image_keys(&keys, &err) && strstr(err.text, "does not open") &&
	      access("bad-keys", F_OK), "%s: no key of an image that does not open (%s)", l->name,
	      err.text);
	outfile_abort(&out);
	flip(l->file, l->header + 17);
}

static void write_key(const char *name, EVP_PKEY *key, int kind)
{
	BIO *f = BIO_new_file(name, "w");
	bool ok = f;

	if (kind == 0)
		ok = ok && PEM_write_bio_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
	else if (kind == 1)
		ok = ok && i2d_PrivateKey_bio(f, key) == 1;
	else if (kind == 2)
		ok = ok && i2d_PKCS8PrivateKey_bio(f, key, NULL, NULL, 0, NULL, NULL) == 1;
	else if (kind == 3)
		ok = ok && PEM_write_bio_PUBKEY(f, key) == 1;
	else
		ok = ok && i2d_PUBKEY_bio(f, key) == 1;
	must(ok, "cannot write '%s'", name);
	BIO_free(f);
}

static void check_keys(EVP_PKEY *host)
{
	static const char * const private[] = { "host.pem", "host.der", "host.p8" };
	static const char * const public[] = { "pub.pem", "pub.der", "cert.pem", "cert.der" };
	EVP_PKEY *key, *wrong = EVP_EC_gen("prime256v1");
	X509 *x509 = X509_new();
	FILE *f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(private); i++) {
		write_key(private[i], host, i);
		key = se_load_private(private[i], &err);
		check(key && EVP_PKEY_eq(key, host) == 1, "private key: %s", private[i]);
		EVP_PKEY_free(key);
	}
	write_key(public[0], host, 3);
	write_key(public[1], host, 4);
	must(x509 && X509_set_pubkey(x509, host) &&
	     X509_gmtime_adj(X509_getm_notBefore(x509), 0) &&
	     X509_gmtime_adj(X509_getm_notAfter(x509), 3600) &&
	     X509_sign(x509, host, EVP_sha512()), "making a certificate");
	f = fopen(public[2], "w");
	must(f && PEM_write_X509(f, x509) == 1 && !fclose(f), "writing a certificate");
	f = fopen(public[3], "w");
	must(f && i2d_X509_fp(f, x509) == 1 && !fclose(f), "writing a certificate");
	X509_free(x509);
	for (i = 0; i < ARRAY_SIZE(public); i++) {
		key = se_load_public(public[i], &err);
		check(key && EVP_PKEY_eq(key, host) == 1, "public key: %s", public[i]);
		EVP_PKEY_free(key);
	}
	write_key("wrong.pem", wrong, 0);
	check(!se_load_private("wrong.pem", &err) && strstr(err.text, "P-521"),
	      "key on another curve: %s", err.text);
	write_file("junk", "no key at all", 13);
	check(!se_load_private("junk", &err) && strstr(err.text, "no private key") &&
	      !se_load_public("junk", &err), "no key: %s", err.text);
	check(!se_load_private("host.crt.missing", &err), "missing: %s", err.text);
	EVP_PKEY_free(wrong);
}

static void check_flags(void)
{
	struct info_args a = { .image = "slots" };
	int ret;
	const char *text = info(&a, &ret);

	check(!ret && strstr(text, "flag bit 59: the guest may import HMAC keys") &&
	      strstr(text, "flag bit 62: ") && strstr(text, "flag bit 61: not known") &&
	      strstr(text, "supp_se_hdr_pcf"), "flags of newer tools are explained");
	a.image = "pvimg";
	text = info(&a, &ret);
	check(!ret && strstr(text, "flag bit 34: ") && !strstr(text, "supp_se_hdr_pcf"),
	      "flags that every machine has need no explanation");
	a.private_key = "host.pem";
	a.cck = "pvimg.cck";
	text = info(&a, &ret);
	check(!ret && strstr(text, "that of 'pvimg.cck'"), "the right CCK");
	flip("pvimg.cck", 31);
	text = info(&a, &ret);
	check(ret && strstr(err.text, "is not the customer communication key") &&
	      !strstr(text, "digest"), "a wrong CCK, told before all else: %s", err.text);
}

/* --- memory as the source of an image ------------------------------------- */

/*
 * An image of the memory of a Linux that has run: what is not zero, all of it,
 * in no more components than an IPIB has room for.
 */
static void check_from_dump(void)
{
	static const unsigned int dots[] = { 1, 50, SE_MAX_COMP, SE_MAX_COMP + 1, 600 };
	size_t pages = 2048, len = pages * SE_PAGE, i, c;

	for (i = 0; i < ARRAY_SIZE(dots); i++) {
		struct outfile image = { }, plain = { };
		struct build_args a = {
			.image = &image,
			.image_name = "memory.se",
			.plain = &plain,
			.plain_name = "memory.plain",
			.memory = len / MIB,
			.from_dump = "memory.bin",
			.host_keys = { "cert.pem" },
			.num_host_keys = 1,
			.force = true,
		};
		struct info_args opened = {
			.image = "memory.se", .private_key = "host.pem", .out_name = "memory.out",
			.memory = len / MIB, .force = true,
		};
		__u8 *mem = calloc(1, len);
		unsigned int left = dots[i], zeros = 0;
		struct image img;
		int ret;

		must(mem, "out of memory");
		for (c = 0; left; c += i % 2 ? 2 : 3) {
			mem[c * SE_PAGE + 17] = 1;
			left--;
		}
		mem[len - 1] = 1;
		write_file("memory.bin", mem, len);
		must(!build_image(&a, &err), "%s", err.text);
		must(!image_open(&img, "memory.se", &err), "%s", err.text);
		for (c = 0; c < img.se.num_comp; c++)
			for (size_t p = 0; p < img.se.comp[c].size; p += SE_PAGE)
				zeros += page_is_zero(mem + img.se.comp[c].addr + p);
		info(&opened, &ret);
		check(!ret && file_is("memory.plain", mem, len) &&
		      file_is("memory.out", mem, len) &&
		      (dots[i] >= SE_MAX_COMP ? img.se.num_comp == SE_MAX_COMP && zeros :
						img.se.num_comp == dots[i] + 1 && !zeros),
		      "memory in %u pieces: %u components, %u pages of zeros in them",
		      dots[i] + 1, img.se.num_comp, zeros);
		image_close(&img);
		free(mem);
	}
}

int main(int argc, char **argv)
{
	char tmp[32] = "/tmp/seimg-check.XXXXXX", cmd[80];
	const char *dir = argc > 1 ? argv[1] : mkdtemp(tmp);
	EVP_PKEY *host, *other;
	size_t i;

	must(dir && !chdir(dir), "cannot use a directory: %s", strerror(errno));
	host = kat_key_pair();
	other = EVP_EC_gen("secp521r1");
	check_header(host);
	check_components();
	check_genprotimg(host);
	check_damaged();
	check_keys(host);
	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		check_layout(&layouts[i], host, other);
	check_flags();
	check_from_dump();
	EVP_PKEY_free(host);
	EVP_PKEY_free(other);
	if (argc < 2) {
		snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
		must(!chdir("/") && !system(cmd), "cannot remove '%s'", dir);
	}
	return finish_checks();
}
