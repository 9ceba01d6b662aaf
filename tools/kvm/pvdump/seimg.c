// SPDX-License-Identifier: GPL-2.0-only
/*
 * seimg - make, open and check IBM Secure Execution images, and compare a
 * decrypted dump of such a guest with what the guest was given.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/elf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "sehdr.h"

#define MIB			0x100000UL
/* the loader runs with 31 bit addresses at first */
#define IMAGE_MAX		0x80000000UL
#define MAX_HOST_KEYS		95	/* what fits into an SE header */

/* An s390x bzImage and what the guest's boot loader leaves in it */
#define KERNEL_ENTRY		0x10000UL
#define KERNEL_MAGIC_AT		0x10008
#define KERNEL_INITRD_START	0x10408
#define KERNEL_INITRD_SIZE	0x10410
#define KERNEL_CMDLINE		0x10480
#define KERNEL_CMDLINE_LEN	896
#define PSW_MASK_64BIT		0x0000000180000000ULL
#define PSW_MASK_WAIT_64BIT	0x0002000180000000ULL
#define PSW_SHORT_31BIT		0x0008000080000000ULL
#define LC_PGM_NEW_PSW		0x1d0

/*
 * The loader that runs unprotected: tell the hypervisor where the IPIB is, on
 * the page behind this code (diagnose 0x308 subcode 8), and start the protected
 * guest (subcode 10). Where that is not to be had it stops in a disabled wait.
 */
static const __u8 stage3a[] = {
	0x1f, 0x00,				/*	slr   %r0,%r0 */
	0xa7, 0x18, 0x00, 0x02,			/*	lhi   %r1,2 */
	0xae, 0x10, 0x00, 0x12,			/*	sigp  %r1,%r0,0x12 */
	0x01, 0x0e,				/*	sam64 */
	0xc0, 0x20, 0x00, 0x00, 0x07, 0xfa,	/*	larl  %r2,.+0xff4 */
	0xa7, 0x39, 0x00, 0x00,			/*	lghi  %r3,0 */
	0xa7, 0x49, 0x00, 0x08,			/*	lghi  %r4,8 */
	0x83, 0x24, 0x03, 0x08,			/*	diag  %r2,%r4,0x308 */
	0xa7, 0x3f, 0x00, 0x01,			/*	cghi  %r3,1 */
	0xa7, 0x74, 0x00, 0x06,			/*	jne   1f */
	0xa7, 0x49, 0x00, 0x0a,			/*	lghi  %r4,10 */
	0x83, 0x24, 0x03, 0x08,			/*	diag  %r2,%r4,0x308 */
	0xc0, 0x10, 0x00, 0x00, 0x00, 0x05,	/* 1:	larl  %r1,2f */
	0xb2, 0xb2, 0x10, 0x00,			/*	lpswe 0(%r1) */
	0x00, 0x02, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00,	/* 2: */
	0x00, 0x00, 0x00, 0x00, 0x00, 0xba, 0xdb, 0xad,
};

/* Output files: written under a temporary name, renamed when all is well */
struct outfile {
	const char *name;
	char *tmp;
	int fd;
};

static struct outfile outfiles[2];
static atomic_int num_outfiles;

static void remove_outfiles(void)
{
	int i;

	for (i = 0; i < num_outfiles; i++)
		if (outfiles[i].tmp)
			unlink(outfiles[i].tmp);
}

static void on_signal(int sig)
{
	remove_outfiles();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void __attribute__((__format__(__printf__, 1, 2), noreturn))
die(const char *fmt, ...)
{
	va_list ap;

	fputs("seimg: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void __attribute__((noreturn)) die_crypto(const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	die("%s failed in libcrypto: %s", what, why ? why : "no reason given");
}

static void *xcalloc(size_t len)
{
	void *p = calloc(1, len ? len : 1);

	if (!p)
		die("out of memory (%zu bytes)", len);
	return p;
}

static struct outfile *out_create(const char *name, mode_t mode)
{
	struct outfile *out = &outfiles[num_outfiles];
	sigset_t all, old;
	char *tmp;

	if (asprintf(&tmp, "%s.%ld.tmp", name, (long)getpid()) < 0)
		die("out of memory");
	out->name = name;
	/* no signal between the file's birth and the note of its name */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	out->fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (out->fd < 0)
		die("cannot create '%s': %s; choose a directory that you can write to",
		    tmp, strerror(errno));
	out->tmp = tmp;
	num_outfiles++;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return out;
}

static void out_write(struct outfile *out, __u64 at, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = pwrite(out->fd, buf, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot write '%s': %s; nothing was left behind",
			    out->name, n ? strerror(errno) : "no progress");
		buf = (const char *)buf + n;
		at += n;
		len -= n;
	}
}

/* All files get their final name, or none does (but for the last moment) */
static void out_commit(void)
{
	int i;

	for (i = 0; i < num_outfiles; i++) {
		struct outfile *out = &outfiles[i];

		if (fsync(out->fd) || close(out->fd))
			die("cannot write '%s': %s; nothing was left behind",
			    out->name, strerror(errno));
	}
	for (i = 0; i < num_outfiles; i++) {
		struct outfile *out = &outfiles[i];
		char *tmp = out->tmp;

		if (rename(tmp, out->name))
			die("cannot rename '%s' to '%s': %s", tmp, out->name,
			    strerror(errno));
		out->tmp = NULL;
		free(tmp);
	}
	num_outfiles = 0;
}

/* The whole file, zero padded to full pages */
static __u8 *read_file(const char *name, size_t *len)
{
	size_t room = 1UL << 16;
	__u8 *buf = xcalloc(room);
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open '%s': %s", name, strerror(errno));
	*len = 0;
	while ((n = read(fd, buf + *len, room - *len))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("cannot read '%s': %s", name, strerror(errno));
		*len += n;
		if (*len == room) {
			buf = realloc(buf, room * 2);
			if (!buf)
				die("out of memory for '%s'", name);
			memset(buf + room, 0, room);
			room *= 2;
		}
	}
	close(fd);
	if (!*len)
		die("'%s' is empty", name);
	return buf;
}

/* --- crypto ------------------------------------------------------------- */

static void sha256(const void *buf, size_t len, __u8 out[32])
{
	if (!EVP_Digest(buf, len, out, NULL, EVP_sha256(), NULL))
		die_crypto("SHA-256");
}

static void random_bytes(void *buf, size_t len)
{
	if (RAND_bytes(buf, len) != 1)
		die_crypto("random number generation");
}

/*
 * AES-256-GCM with a 12 byte IV. When opening, @tag is what is expected.
 * Returns false if opening fails.
 */
static bool gcm(bool seal, const __u8 key[32], const __u8 iv[12],
		const void *aad, size_t aad_len, const void *in, size_t len,
		void *out, __u8 tag[SE_TAG_LEN])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok;
	int n;

	if (!ctx || !EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv, seal) ||
	    (aad_len && !EVP_CipherUpdate(ctx, NULL, &n, aad, aad_len)) ||
	    !EVP_CipherUpdate(ctx, out, &n, in, len))
		die_crypto("AES-GCM");
	if (!seal && !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SE_TAG_LEN, tag))
		die_crypto("AES-GCM");
	ok = EVP_CipherFinal_ex(ctx, (__u8 *)out + len, &n) == 1;
	if (seal && (!ok || !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG,
						 SE_TAG_LEN, tag)))
		die_crypto("AES-GCM");
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static void page_tweak(__u64 tweak, __u64 offset, __u8 out[16])
{
	__u64 words[2] = { htobe64(tweak), htobe64(offset) };

	memcpy(out, words, 16);
}

/* All pages of a component, in place */
static void xts_component(bool encrypt, const __u8 key[64], __u64 tweak,
			  __u8 *buf, __u64 size)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 iv[16];
	__u64 off;
	int n;

	if (!ctx || !EVP_CipherInit_ex(ctx, EVP_aes_256_xts(), NULL, key, NULL, encrypt))
		die_crypto("AES-XTS");
	for (off = 0; off < size; off += SE_PAGE) {
		page_tweak(tweak, off, iv);
		if (!EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, encrypt) ||
		    !EVP_CipherUpdate(ctx, buf + off, &n, buf + off, SE_PAGE))
			die_crypto("AES-XTS");
	}
	EVP_CIPHER_CTX_free(ctx);
}

struct digests {
	__u8 pld[64];
	__u8 ald[64];
	__u8 tld[64];
};

/* The three digests over what the Ultravisor sees when it unpacks the image */
static void measure(const __u8 *img, const struct se_image *se, struct digests *d)
{
	EVP_MD_CTX *pld = EVP_MD_CTX_new();
	EVP_MD_CTX *ald = EVP_MD_CTX_new();
	EVP_MD_CTX *tld = EVP_MD_CTX_new();
	int ok = EVP_DigestInit(pld, EVP_sha512()) &&
		 EVP_DigestInit(ald, EVP_sha512()) &&
		 EVP_DigestInit(tld, EVP_sha512());
	unsigned int i;

	for (i = 0; i < se->num_comp; i++) {
		const struct se_component *c = &se->comp[i];
		__u64 off;

		for (off = 0; ok && off < c->size; off += SE_PAGE) {
			__u64 addr = htobe64(c->addr + off);
			__u8 tweak[16];

			page_tweak(c->tweak, off, tweak);
			ok = EVP_DigestUpdate(pld, img + c->addr + off, SE_PAGE) &&
			     EVP_DigestUpdate(ald, &addr, 8) &&
			     EVP_DigestUpdate(tld, tweak, 16);
		}
	}
	if (!ok || !EVP_DigestFinal(pld, d->pld, NULL) ||
	    !EVP_DigestFinal(ald, d->ald, NULL) || !EVP_DigestFinal(tld, d->tld, NULL))
		die_crypto("SHA-512");
	EVP_MD_CTX_free(pld);
	EVP_MD_CTX_free(ald);
	EVP_MD_CTX_free(tld);
}

static void check_p521(const char *name, EVP_PKEY *pkey)
{
	char group[64] = "";
	size_t len;

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
	    !EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) ||
	    strcmp(group, "secp521r1"))
		die("'%s': the key is not an EC key on curve P-521 (secp521r1)", name);
}

/* A host key document: X.509 certificate in PEM or DER, or a bare public key in PEM */
static EVP_PKEY *load_public(const char *name)
{
	size_t len;
	__u8 *buf = read_file(name, &len);
	BIO *bio = BIO_new_mem_buf(buf, len);
	EVP_PKEY *pkey = NULL;
	X509 *x509;

	if (!bio)
		die_crypto("reading a key");
	x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!x509) {
		BIO_reset(bio);
		x509 = d2i_X509_bio(bio, NULL);
	}
	if (x509) {
		pkey = X509_get_pubkey(x509);
		X509_free(x509);
	} else {
		BIO_reset(bio);
		pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	}
	if (!pkey)
		die("'%s' is no host key document (X.509, PEM or DER, or public key, PEM)", name);
	check_p521(name, pkey);
	BIO_free(bio);
	free(buf);
	return pkey;
}

static EVP_PKEY *load_private(const char *name)
{
	size_t len;
	__u8 *buf = read_file(name, &len);
	BIO *bio = BIO_new_mem_buf(buf, len);
	EVP_PKEY *pkey;

	if (!bio)
		die_crypto("reading a key");
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (!pkey)
		die("'%s' is no private key in PEM format (or the pass phrase is wrong)",
		    name);
	check_p521(name, pkey);
	BIO_free(bio);
	OPENSSL_cleanse(buf, len);
	free(buf);
	return pkey;
}

/* The public key in the header's form: x and y, 80 bytes each */
static void public_xy(EVP_PKEY *pkey, __u8 xy[160])
{
	BIGNUM *x = NULL, *y = NULL;

	if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) ||
	    !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) ||
	    BN_bn2binpad(x, xy, 80) < 0 || BN_bn2binpad(y, xy + 80, 80) < 0)
		die_crypto("reading a public key");
	BN_free(x);
	BN_free(y);
}

static EVP_PKEY *public_from_xy(const __u8 xy[160])
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

/* The key that wraps the header key in a slot: SHA-256(ECDH || 00000001) */
static void slot_kek(EVP_PKEY *priv, EVP_PKEY *pub, __u8 kek[32])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(priv, NULL);
	__u8 z[70] = { 0 };
	size_t len = 66;

	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, pub) != 1 ||
	    EVP_PKEY_derive(ctx, z, &len) != 1 || len != 66)
		die_crypto("ECDH");
	EVP_PKEY_CTX_free(ctx);
	z[69] = 1;
	sha256(z, sizeof(z), kek);
	OPENSSL_cleanse(z, sizeof(z));
}

static const __u8 zero_iv[12];

/* The header key out of the slot that was made for this host */
static void unwrap_header_key(const char *image, const struct se_header *h, __u64 nks,
			      const char *key_name, __u8 hash[32], __u8 header_key[32])
{
	const struct se_key_slot *slot = (const void *)(h + 1);
	EVP_PKEY *priv = load_private(key_name);
	EVP_PKEY *cust = public_from_xy(h->cust_pub);
	__u8 xy[160], kek[32];
	__u64 i;

	if (!cust)
		die("'%s': the SE header is damaged: the customer public key is no point on P-521",
		    image);
	public_xy(priv, xy);
	sha256(xy, sizeof(xy), hash);
	for (i = 0; i < nks; i++)
		if (!memcmp(slot[i].host_key_hash, hash, 32))
			break;
	if (i == nks)
		die("'%s' was not made for the host of '%s': none of the %llu key slots is for it",
		    image, key_name, nks);
	slot_kek(priv, cust, kek);
	if (!gcm(false, kek, zero_iv, NULL, 0, slot[i].wrapped_key, 32, header_key,
		 (__u8 *)slot[i].tag))
		die("'%s': the SE header is damaged: key slot %llu does not open with '%s'",
		    image, i, key_name);
	OPENSSL_cleanse(kek, sizeof(kek));
	EVP_PKEY_free(priv);
	EVP_PKEY_free(cust);
}

/* --- common parts of the subcommands ------------------------------------ */

static void print_hex(const void *buf, size_t len)
{
	const __u8 *p = buf;

	while (len--)
		printf("%02x", *p++);
}

static bool parse_hex(const char *s, __u8 *out, size_t len)
{
	size_t n;

	return OPENSSL_hexstr2buf_ex(out, len, &n, s, 0) && n == len;
}

static __u64 parse_number(const char *opt, const char *s, __u64 max)
{
	char *end;
	__u64 n;

	errno = 0;
	n = strtoull(s, &end, 0);
	if (errno || !isdigit((unsigned char)*s) || *end || !n || n > max)
		die("--%s %s: a number from 1 to %llu is needed", opt, s, max);
	return n;
}

static __u8 *load_image(const char *name, struct se_image *se, size_t *len)
{
	__u8 *img = read_file(name, len);
	char why[200];

	if (se_parse(img, *len, se, why, sizeof(why)))
		die("'%s': %s", name, why);
	return img;
}

/* What the guest finds in its memory: the components, and zeros elsewhere */
static void write_plain(const char *name, const __u8 *plain,
			const struct se_image *se, __u64 memory)
{
	struct outfile *out;
	__u64 end = 0;
	unsigned int i;

	for (i = 0; i < se->num_comp; i++)
		if (se->comp[i].addr + se->comp[i].size > end)
			end = se->comp[i].addr + se->comp[i].size;
	if (end > memory * MIB)
		die("--memory %llu is too small: the image needs %llu bytes, that is %llu MiB",
		    memory, end, (end + MIB - 1) / MIB);
	out = out_create(name, 0600);
	if (ftruncate(out->fd, memory * MIB))
		die("cannot write '%s': %s", name, strerror(errno));
	for (i = 0; i < se->num_comp; i++)
		out_write(out, se->comp[i].addr, plain + se->comp[i].addr,
			  se->comp[i].size);
}

/* --- ELF cores ---------------------------------------------------------- */

struct core {
	const char *name;
	int fd;
	__u64 size;
	struct elf64_hdr ehdr;
	struct elf64_phdr *phdrs;
	unsigned int num_phdrs;
};

static void read_at(int fd, const char *name, __u64 at, void *buf, size_t len)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("cannot read '%s': %s", name, strerror(errno));
		if (!n)
			die("'%s' is truncated: nothing at offset 0x%llx", name, at);
		buf = (char *)buf + n;
		at += n;
		len -= n;
	}
}

static int open_sized(const char *name, __u64 *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open '%s': %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("'%s' is no regular file", name);
	*size = st.st_size;
	return fd;
}

static void open_core(struct core *c, const char *name)
{
	static const char ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2MSB };
	struct elf64_hdr *e = &c->ehdr;
	unsigned int i;

	c->name = name;
	c->fd = open_sized(name, &c->size);
	read_at(c->fd, name, 0, e, sizeof(*e));
	if (memcmp(e->e_ident, ident, sizeof(ident)) || be16toh(e->e_type) != ET_CORE ||
	    be16toh(e->e_machine) != EM_S390 ||
	    be16toh(e->e_phentsize) != sizeof(struct elf64_phdr))
		die("'%s' is no s390x ELF core: have zgetdump write one (zgetdump -k CCK DUMP OUT)",
		    name);
	c->num_phdrs = be16toh(e->e_phnum);
	c->phdrs = xcalloc(c->num_phdrs * sizeof(struct elf64_phdr));
	read_at(c->fd, name, be64toh(e->e_phoff), c->phdrs,
		c->num_phdrs * sizeof(struct elf64_phdr));
	for (i = 0; i < c->num_phdrs; i++) {
		struct elf64_phdr *p = &c->phdrs[i];

		p->p_type = be32toh(p->p_type);
		p->p_offset = be64toh(p->p_offset);
		p->p_paddr = be64toh(p->p_paddr);
		p->p_filesz = be64toh(p->p_filesz);
		p->p_memsz = be64toh(p->p_memsz);
		if (p->p_offset > c->size || p->p_filesz > c->size - p->p_offset)
			die("'%s' is truncated: segment %u ends at 0x%llx, the file at 0x%llx",
			    name, i, p->p_offset + p->p_filesz, c->size);
	}
}

static void close_core(struct core *c)
{
	close(c->fd);
	free(c->phdrs);
}

/* Memory from address 0, flat; of an ELF core what is in its segments */
static __u8 *read_memory(const char *name, size_t *len)
{
	struct core c = { };
	char magic[4] = "";
	unsigned int i;
	__u64 size;
	__u8 *buf;
	int fd;

	fd = open_sized(name, &size);
	if (size >= sizeof(magic))
		read_at(fd, name, 0, magic, sizeof(magic));
	close(fd);
	if (memcmp(magic, ELFMAG, SELFMAG))
		return read_file(name, len);
	open_core(&c, name);
	*len = 0;
	for (i = 0; i < c.num_phdrs; i++) {
		const struct elf64_phdr *p = &c.phdrs[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_paddr >= IMAGE_MAX || p->p_memsz > IMAGE_MAX - p->p_paddr ||
		    p->p_filesz > p->p_memsz)
			die("'%s': segment %u does not lie below 2 GiB", name, i);
		if (p->p_paddr + p->p_memsz > *len)
			*len = p->p_paddr + p->p_memsz;
	}
	if (!*len)
		die("'%s' has no memory in it", name);
	buf = xcalloc(SE_PAGE_UP(*len));
	for (i = 0; i < c.num_phdrs; i++)
		if (c.phdrs[i].p_type == PT_LOAD)
			read_at(c.fd, name, c.phdrs[i].p_offset, buf + c.phdrs[i].p_paddr,
				c.phdrs[i].p_filesz);
	close_core(&c);
	return buf;
}

/* --- build -------------------------------------------------------------- */

struct build_args {
	const char *output;
	const char *kernel;
	const char *from_dump;
	const char *cmdline;
	const char *ramdisk;
	const char *cck;
	const char *plain;
	const char *host_keys[MAX_HOST_KEYS];
	unsigned int num_host_keys;
	__u64 memory;
	__u64 pcf;
};

static void put_u64(__u8 *at, __u64 value)
{
	value = htobe64(value);
	memcpy(at, &value, 8);
}

static void patch_cmdline(__u8 *kernel, const char *arg)
{
	__u8 *buf = NULL;
	const char *text = arg;
	size_t len = strlen(arg);

	if (*arg == '@') {
		buf = read_file(arg + 1, &len);
		text = (char *)buf;
		while (len && (text[len - 1] == '\n' || !text[len - 1]))
			len--;
	}
	if (len >= KERNEL_CMDLINE_LEN)
		die("the kernel command line has %zu bytes, at most %u are possible",
		    len, KERNEL_CMDLINE_LEN - 1);
	memset(kernel + KERNEL_CMDLINE, 0, KERNEL_CMDLINE_LEN);
	memcpy(kernel + KERNEL_CMDLINE, text, len);
	free(buf);
}

static void add_component(struct se_image *se, __u16 number, __u64 addr, __u64 len)
{
	struct se_component *c = &se->comp[se->num_comp++];
	__u8 rnd[8] = { number >> 8, number };

	random_bytes(rnd + 2, 6);
	memcpy(&c->tweak, rnd, 8);
	c->tweak = be64toh(c->tweak);
	c->addr = addr;
	c->size = SE_PAGE_UP(len);
	se->nep += c->size / SE_PAGE;
}

static bool is_zero(const __u8 *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/*
 * What is not zero becomes components. An IPIB has room for so many only, so
 * those with the fewest zero pages between them are joined.
 */
static __u8 *load_dump(const struct build_args *a, struct se_image *se, __u64 *end)
{
	size_t len, off, num = 0, room = 0, max_gap = 0, i, n;
	struct range {
		__u64 start;
		__u64 end;
	} *r = NULL;
	__u8 *mem = read_memory(a->from_dump, &len);

	for (off = 0; off < len; off += SE_PAGE) {
		if (is_zero(mem + off, SE_PAGE))
			continue;
		if (num && r[num - 1].end == off) {
			r[num - 1].end += SE_PAGE;
			continue;
		}
		if (num == room) {
			room = 2 * room + 256;
			r = realloc(r, room * sizeof(*r));
			if (!r)
				die("out of memory (%zu ranges)", room);
		}
		r[num++] = (struct range){ off, off + SE_PAGE };
	}
	if (!num)
		die("'%s': all of the memory is zero", a->from_dump);
	while (num > SE_MAX_COMP) {
		max_gap = max_gap ? 2 * max_gap : SE_PAGE;
		for (i = 1, n = 0; i < num; i++) {
			/* no more than needed: a joined gap is no longer untouched */
			if (r[i].start - r[n].end <= max_gap && num - (i - n - 1) > SE_MAX_COMP)
				r[n].end = r[i].end;
			else
				r[++n] = r[i];
		}
		num = n + 1;
	}
	for (i = 0; i < num; i++)
		add_component(se, i, r[i].start, r[i].end - r[i].start);
	free(r);
	*end = SE_PAGE_UP(len);
	if (*end > IMAGE_MAX - 16 * SE_PAGE)
		die("'%s' is too large: an image ends below 2 GiB", a->from_dump);
	mem = realloc(mem, *end + 2 * SE_PAGE + SE_HEADER_MAX);
	if (!mem)
		die("out of memory for '%s'", a->from_dump);
	memset(mem + len, 0, *end + 2 * SE_PAGE + SE_HEADER_MAX - len);
	return mem;
}

/* Reads the components to where the guest finds them; returns the memory */
static __u8 *load_components(const struct build_args *a, struct se_image *se, __u64 *end)
{
	size_t kernel_len, ramdisk_len = 0;
	__u8 *kernel = read_file(a->kernel, &kernel_len);
	__u64 start = KERNEL_ENTRY, ramdisk_addr = 0;
	__u8 *ramdisk = NULL;
	__u8 *img;

	if (kernel_len < KERNEL_CMDLINE + KERNEL_CMDLINE_LEN ||
	    memcmp(kernel + KERNEL_MAGIC_AT, "S390EP", 6))
		die("'%s' is no s390x kernel: take arch/s390/boot/bzImage", a->kernel);
	add_component(se, 0, start, kernel_len - start);
	*end = SE_PAGE_UP(kernel_len);
	if (a->ramdisk) {
		ramdisk = read_file(a->ramdisk, &ramdisk_len);
		ramdisk_addr = (kernel_len + MIB - 1) & ~(MIB - 1);
		add_component(se, 2, ramdisk_addr, ramdisk_len);
		*end = ramdisk_addr + SE_PAGE_UP(ramdisk_len);
	}
	if (*end > IMAGE_MAX - 16 * SE_PAGE)
		die("'%s' and the ramdisk are too large: an image ends below 2 GiB", a->kernel);
	/* behind the components: loader, IPIB, SE header */
	img = xcalloc(*end + 2 * SE_PAGE + SE_HEADER_MAX);
	memcpy(img + start, kernel + start, kernel_len - start);
	free(kernel);
	if (a->cmdline)
		patch_cmdline(img, a->cmdline);
	if (a->ramdisk) {
		memcpy(img + ramdisk_addr, ramdisk, ramdisk_len);
		put_u64(img + KERNEL_INITRD_START, ramdisk_addr);
		put_u64(img + KERNEL_INITRD_SIZE, ramdisk_len);
		free(ramdisk);
	}
	return img;
}

static void fill_secret(const struct build_args *a, __u64 start, struct se_secret *secret)
{
	random_bytes(secret->cck, 32);
	random_bytes(secret->xts_key, 64);
	secret->psw_mask = htobe64(a->kernel ? PSW_MASK_64BIT : PSW_MASK_WAIT_64BIT);
	secret->psw_addr = htobe64(start);
	if (a->cck) {
		size_t len;
		__u8 *cck = read_file(a->cck, &len);

		if (len != 32)
			die("'%s' has %zu bytes, a customer communication key is 32 raw bytes",
			    a->cck, len);
		memcpy(secret->cck, cck, 32);
		OPENSSL_cleanse(cck, len);
		free(cck);
	}
}

static void write_header(const struct build_args *a, const __u8 *img,
			 const struct se_image *se, struct se_secret *secret,
			 struct se_header *h)
{
	struct se_key_slot *slots = (struct se_key_slot *)(h + 1);
	__u8 *area = (__u8 *)(slots + a->num_host_keys);
	__u8 header_key[32], kek[32], xy[160];
	EVP_PKEY *cust = EVP_EC_gen("secp521r1");
	struct digests d;
	unsigned int i;

	if (!cust)
		die_crypto("making the customer key");
	measure(img, se, &d);
	random_bytes(header_key, sizeof(header_key));
	memcpy(h->magic, SE_MAGIC, 8);
	h->version = htobe32(SE_VERSION);
	h->size = htobe32(se->header_size);
	random_bytes(h->iv, sizeof(h->iv));
	h->nks = htobe64(a->num_host_keys);
	h->sea = htobe64(sizeof(*secret));
	h->nep = htobe64(se->nep);
	h->pcf = htobe64(a->pcf);
	public_xy(cust, h->cust_pub);
	memcpy(h->pld, d.pld, 64);
	memcpy(h->ald, d.ald, 64);
	memcpy(h->tld, d.tld, 64);
	for (i = 0; i < a->num_host_keys; i++) {
		EVP_PKEY *host = load_public(a->host_keys[i]);

		public_xy(host, xy);
		sha256(xy, sizeof(xy), slots[i].host_key_hash);
		slot_kek(cust, host, kek);
		gcm(true, kek, zero_iv, NULL, 0, header_key, 32, slots[i].wrapped_key,
		    slots[i].tag);
		EVP_PKEY_free(host);
	}
	gcm(true, header_key, h->iv, h, area - (__u8 *)h, secret, sizeof(*secret),
	    area, area + sizeof(*secret));
	OPENSSL_cleanse(header_key, sizeof(header_key));
	OPENSSL_cleanse(kek, sizeof(kek));
	EVP_PKEY_free(cust);
}

static int build(const struct build_args *a)
{
	struct se_secret secret = { };
	struct se_image se = { };
	struct se_ipib *ipib;
	__u64 end, len, at, n;
	struct outfile *out;
	unsigned int i;
	__u8 *img;

	img = a->kernel ? load_components(a, &se, &end) : load_dump(a, &se, &end);
	se.header_size = sizeof(struct se_header) + sizeof(secret) + SE_TAG_LEN +
			 a->num_host_keys * sizeof(struct se_key_slot);
	len = end + 2 * SE_PAGE + se.header_size;
	if (a->plain)
		write_plain(a->plain, img, &se, a->memory);

	fill_secret(a, se.comp[0].addr, &secret);
	if (!(a->pcf & SE_PCF_NO_ENCRYPTION))
		for (i = 0; i < se.num_comp; i++)
			xts_component(true, secret.xts_key, se.comp[i].tweak,
				      img + se.comp[i].addr, se.comp[i].size);

	if (a->kernel) {
		put_u64(img, PSW_SHORT_31BIT | end);
		put_u64(img + LC_PGM_NEW_PSW, PSW_MASK_WAIT_64BIT);
		put_u64(img + LC_PGM_NEW_PSW + 8, LC_PGM_NEW_PSW);
		memcpy(img + end, stage3a, sizeof(stage3a));
	}
	ipib = (struct se_ipib *)(img + end + SE_PAGE);
	ipib->len = htobe32(SE_PAGE);
	ipib->version = SE_IPIB_VERSION;
	ipib->blk0_len = htobe32(sizeof(*ipib) - offsetof(struct se_ipib, blk0_len) +
				 se.num_comp * sizeof(*ipib->comp));
	ipib->pbt = SE_IPIB_PBT_PV;
	ipib->num_comp = htobe32(se.num_comp);
	ipib->header_addr = htobe64(end + 2 * SE_PAGE);
	ipib->header_len = htobe64(se.header_size);
	for (i = 0; i < se.num_comp; i++) {
		ipib->comp[i].tweak = htobe64(se.comp[i].tweak);
		ipib->comp[i].addr = htobe64(se.comp[i].addr);
		ipib->comp[i].size = htobe64(se.comp[i].size);
	}
	write_header(a, img, &se, &secret, (void *)(img + end + 2 * SE_PAGE));
	OPENSSL_cleanse(&secret, sizeof(secret));

	out = out_create(a->output, 0666);
	/* with holes, as memory has them */
	for (at = 0; at < len; at += n) {
		n = len - at < SE_PAGE ? len - at : SE_PAGE;
		if (!is_zero(img + at, n))
			out_write(out, at, img + at, n);
	}
	out_commit();
	free(img);
	return 0;
}

/* --- keys, info --------------------------------------------------------- */

static int keys(const char *image, const char *private_key)
{
	__u8 hash[32], header_key[32];
	struct se_image se;
	size_t len;
	__u8 *img = load_image(image, &se, &len);

	unwrap_header_key(image, (void *)(img + se.header_addr), se.nks, private_key,
			  hash, header_key);
	print_hex(hash, 32);
	putchar(' ');
	print_hex(header_key, 32);
	putchar('\n');
	OPENSSL_cleanse(header_key, sizeof(header_key));
	free(img);
	return 0;
}

/* Opens the encrypted area; false: wrong key or damaged header */
static bool open_header(const struct se_header *h, const struct se_image *se,
			const __u8 header_key[32], __u8 *area)
{
	__u64 aad_len = se->header_size - se->sea - SE_TAG_LEN;
	const __u8 *p = (const __u8 *)h;
	__u8 tag[SE_TAG_LEN];

	memcpy(tag, p + aad_len + se->sea, SE_TAG_LEN);
	return gcm(false, header_key, h->iv, h, aad_len, p + aad_len, se->sea, area, tag);
}

static bool report_digest(const char *name, const __u8 *have, const __u8 *want)
{
	bool ok = !memcmp(have, want, 64);

	printf("%s: ", name);
	print_hex(want, 64);
	printf("%s\n", ok ? " (correct)" : " (WRONG)");
	return ok;
}

struct info_args {
	const char *image;
	const char *private_key;
	const char *header_key;
	const char *plain;
	__u64 memory;
};

/* Returns what is wrong, or NULL */
static const char *info_secret(const struct info_args *a, __u8 *img,
			       const struct se_image *se, const struct se_header *h,
			       const __u8 header_key[32])
{
	__u8 area[SE_HEADER_MAX], hash[32];
	const struct se_secret *s = (void *)area;
	const char *problem = "the PSW does not point into a component";
	bool encrypted = !(se->pcf & SE_PCF_NO_ENCRYPTION);
	__u64 psw = 0;
	unsigned int i;

	if (!open_header(h, se, header_key, area)) {
		printf("header tag: WRONG\n");
		return "the SE header does not open: it was modified, or this is not its key";
	}
	printf("header tag: correct\n");
	psw = be64toh(s->psw_addr);
	printf("PSW: %016llx %016llx\n", (__u64)be64toh(s->psw_mask), psw);
	printf("secret control flags: 0x%016llx\n", (__u64)be64toh(s->scf));
	sha256(s->cck, 32, hash);
	printf("customer communication key: SHA-256 ");
	print_hex(hash, 32);
	putchar('\n');
	for (i = 0; i < se->num_comp; i++) {
		const struct se_component *c = &se->comp[i];

		if (encrypted)
			xts_component(false, s->xts_key, c->tweak, img + c->addr, c->size);
		if (psw >= c->addr && psw < c->addr + c->size)
			problem = NULL;
		if (c->addr == KERNEL_ENTRY && c->size > KERNEL_CMDLINE - KERNEL_ENTRY &&
		    !memcmp(img + KERNEL_MAGIC_AT, "S390EP", 6))
			printf("component %u: Linux, command line '%.*s'\n", i,
			       KERNEL_CMDLINE_LEN, (char *)img + KERNEL_CMDLINE);
	}
	OPENSSL_cleanse(area, sizeof(area));
	if (!problem && a->plain) {
		write_plain(a->plain, img, se, a->memory);
		out_commit();
	}
	return problem;
}

static int info(const struct info_args *a)
{
	const struct se_header *h;
	const char *problem = NULL;
	__u8 header_key[32], hash[32];
	struct se_image se;
	struct digests d;
	__u64 i;
	size_t len;
	__u8 *img = load_image(a->image, &se, &len);

	h = (void *)(img + se.header_addr);
	if (a->private_key)
		unwrap_header_key(a->image, h, se.nks, a->private_key, hash, header_key);
	else if (a->header_key && !parse_hex(a->header_key, header_key, 32))
		die("--header-key: 64 hexadecimal digits are needed");

	printf("image: %zu bytes\n", len);
	printf("SE header: at 0x%llx, %llu bytes, version 0x%x\n",
	       se.header_addr, se.header_size, SE_VERSION);
	printf("IPIB: at 0x%llx\n", se.ipib_addr);
	printf("plaintext control flags: 0x%016llx: dumps %s, components %sencrypted\n",
	       se.pcf, se.pcf & SE_PCF_ALLOW_DUMP ? "allowed" : "not allowed",
	       se.pcf & SE_PCF_NO_ENCRYPTION ? "not " : "");
	printf("customer public key: ");
	print_hex(h->cust_pub, sizeof(h->cust_pub));
	putchar('\n');
	for (i = 0; i < se.nks; i++) {
		printf("key slot %llu: host key hash ", i);
		print_hex(((struct se_key_slot *)(h + 1))[i].host_key_hash, 32);
		putchar('\n');
	}
	for (i = 0; i < se.num_comp; i++)
		printf("component %llu: tweak %016llx address 0x%llx size 0x%llx\n",
		       i, se.comp[i].tweak, se.comp[i].addr, se.comp[i].size);
	printf("component pages: %llu (correct)\n", se.nep);
	measure(img, &se, &d);
	if (!report_digest("page list digest", d.pld, h->pld))
		problem = "a component was modified (page list digest)";
	if (!report_digest("address list digest", d.ald, h->ald))
		problem = "the components' addresses were modified (address list digest)";
	if (!report_digest("tweak list digest", d.tld, h->tld))
		problem = "the components' tweaks were modified (tweak list digest)";
	if (!problem && (a->private_key || a->header_key))
		problem = info_secret(a, img, &se, h, header_key);
	OPENSSL_cleanse(header_key, sizeof(header_key));
	free(img);
	if (fflush(stdout))
		die("cannot write standard output: %s", strerror(errno));
	if (problem)
		die("'%s': %s", a->image, problem);
	return 0;
}

/* --- regs, compare ------------------------------------------------------ */

/* A record of the simulator's "registers" file */
#define REC_HEAD	16
#define REC_BLOCK	1520
#define REC_SIZE	(REC_HEAD + REC_BLOCK)
#define REC_KEEP_PSW	0x0001
#define REC_MAX_CPUS	65535
#define CORE_MAX_CPUS	1024

/* Where a register stands in a record; @at is its offset in a dump's CPU block */
#define REC_AT(at)	(REC_HEAD + (at) - 32)

/*
 * The registers of a CPU block and their places in the notes of an ELF core.
 * @stride is the distance in the block; in the note they stand side by side.
 */
static const struct reg {
	const char *name;
	__u32 note;
	__u32 note_len;
	__u32 note_at;
	__u32 block_at;
	__u32 size;
	__u32 count;
	__u32 stride;
} regs[] = {
	{ "psw",       NT_PRSTATUS,       336, 112, 160,  8, 2,  8 },
	{ "gpr",       NT_PRSTATUS,       336, 128, 32,   8, 16, 8 },
	{ "acr",       NT_PRSTATUS,       336, 256, 224,  4, 16, 4 },
	{ "fpc",       NT_PRFPREG,       136, 0,   188,  4, 1,  4 },
	{ "fpr",       NT_PRFPREG,       136, 8,   416,  8, 16, 16 },
	{ "prefix",    NT_S390_PREFIX,    4,   0,   184,  4, 1,  4 },
	{ "cr",        NT_S390_CTRS,      128, 0,   288,  8, 16, 8 },
	{ "timer",     NT_S390_TIMER,     8,   0,   200,  8, 1,  8 },
	{ "todcmp",    NT_S390_TODCMP,    8,   0,   208,  8, 1,  8 },
	{ "todpreg",   NT_S390_TODPREG,   4,   0,   196,  4, 1,  4 },
	{ "vr-low",    NT_S390_VXRS_LOW,  128, 0,   424,  8, 16, 16 },
	{ "vr-high",   NT_S390_VXRS_HIGH, 256, 0,   672, 16, 16, 16 },
	{ "gs",        NT_S390_GS_CB,     32,  0,   1440, 8, 4,  8 },
};

#define NUM_REGS ARRAY_SIZE(regs)

/* No two registers of any CPUs alike; nothing in the first guarded storage word */
static void fill_record(__u8 *rec, __u32 cpu)
{
	__u32 r, i, b, prefix;

	memset(rec, 0, REC_SIZE);
	rec[4] = cpu >> 8;
	rec[5] = cpu;
	rec[7] = REC_KEEP_PSW;
	for (r = 0; r < NUM_REGS; r++) {
		for (i = 0; i < regs[r].count; i++) {
			__u8 *p = rec + REC_AT(regs[r].block_at + i * regs[r].stride);

			if (regs[r].note == NT_S390_GS_CB && !i)
				continue;
			/* kind and number, CPU, then what tells bytes apart */
			for (b = 0; b < regs[r].size; b++)
				p[b] = b == 0 ? (r + 1) << 4 | i :
				       b == 1 ? cpu >> 8 ^ (r + 1) :
				       b == 2 ? cpu : b == 3 ? 0xa0 + r :
				       0x10 * b + i;
		}
	}
	put_u64(rec + REC_AT(160), PSW_MASK_WAIT_64BIT);
	put_u64(rec + REC_AT(168), 0x1000000ULL + cpu * 0x100);
	/* a prefix is a multiple of 8 KiB */
	prefix = htobe32((cpu + 1) * 0x2000);
	memcpy(rec + REC_AT(184), &prefix, 4);
}

/* Compares a kind of register with a record, or stores it there */
static bool visit_reg(const struct core *c, const struct reg *r, const __u8 *desc,
		      __u8 *rec, __u32 cpu, bool store)
{
	__u32 i, len = r->size;

	for (i = 0; i < r->count; i++) {
		__u8 *want = rec + REC_AT(r->block_at + i * r->stride);
		const __u8 *have = desc + r->note_at + i * len;

		if (store)
			memcpy(want, have, len);
		if (!memcmp(want, have, len))
			continue;
		printf("'%s': CPU %u: %s", c->name, cpu, r->name);
		if (r->count > 1)
			printf(" %u", i);
		printf(" is ");
		print_hex(have, len);
		printf(", not ");
		print_hex(want, len);
		putchar('\n');
		return false;
	}
	return true;
}

/*
 * The notes of all CPUs, of which there may be @cpus; a CPU's notes begin with
 * its NT_PRSTATUS. Returns the number of CPUs, or 0 if there is a difference.
 */
static __u32 visit_regs(const struct core *c, __u8 *recs, __u32 cpus, bool store)
{
	__u64 at = 0, len = 0;
	__u8 *buf = NULL;
	__u32 seen = 0, cpu = 0, all = (1U << NUM_REGS) - 1, r;
	unsigned int i;

	for (i = 0; i < c->num_phdrs; i++) {
		if (c->phdrs[i].p_type != PT_NOTE)
			continue;
		if (buf)
			die("'%s' has more than one note segment", c->name);
		len = c->phdrs[i].p_filesz;
		buf = xcalloc(len);
		read_at(c->fd, c->name, c->phdrs[i].p_offset, buf, len);
	}
	if (!buf)
		die("'%s' has no notes, hence no registers", c->name);
	while (len - at >= sizeof(struct elf64_note)) {
		const struct elf64_note *n = (const void *)(buf + at);
		__u64 name_len = (be32toh(n->n_namesz) + 3ULL) & ~3ULL;
		__u64 desc_len = (be32toh(n->n_descsz) + 3ULL) & ~3ULL;
		__u32 type = be32toh(n->n_type);
		const __u8 *desc = buf + at + sizeof(*n) + name_len;

		if (name_len + desc_len > len - at - sizeof(*n))
			die("'%s': the notes are damaged at offset 0x%llx", c->name, at);
		at += sizeof(*n) + name_len + desc_len;
		if (type == NT_PRSTATUS) {
			if (cpu && seen != all)
				break;
			if (cpu++ == cpus) {
				printf("'%s' has more than %u CPUs\n", c->name, cpus);
				free(buf);
				return 0;
			}
			seen = 0;
		}
		for (r = 0; r < NUM_REGS; r++) {
			if (regs[r].note != type)
				continue;
			if (!cpu || seen & 1U << r)
				die("'%s': unexpected note 0x%x", c->name, type);
			if (be32toh(n->n_descsz) != regs[r].note_len)
				die("'%s': CPU %u: note 0x%x has %u bytes, not %u", c->name,
				    cpu - 1, type, be32toh(n->n_descsz), regs[r].note_len);
			seen |= 1U << r;
			if (!visit_reg(c, &regs[r], desc, recs + (cpu - 1) * REC_SIZE, cpu - 1,
				       store)) {
				free(buf);
				return 0;
			}
		}
	}
	free(buf);
	for (r = 0; cpu && r < NUM_REGS; r++) {
		if (seen & 1U << r)
			continue;
		printf("'%s': CPU %u: %s is missing\n", c->name, cpu - 1, regs[r].name);
		return 0;
	}
	if (!cpu)
		printf("'%s' has no CPUs\n", c->name);
	return cpu;
}

static int make_regs(const char *output, const char *core, __u32 cpus)
{
	struct core c = { };
	struct outfile *out;
	__u8 *recs;
	__u32 i;

	recs = xcalloc((size_t)cpus * REC_SIZE);
	for (i = 0; i < cpus; i++)
		fill_record(recs + i * REC_SIZE, i);
	if (core) {
		open_core(&c, core);
		cpus = visit_regs(&c, recs, cpus, true);
		if (!cpus)
			die("'%s' does not have the registers of all CPUs", core);
		close_core(&c);
	}
	out = out_create(output, 0666);
	out_write(out, 0, recs, (size_t)cpus * REC_SIZE);
	out_commit();
	free(recs);
	return 0;
}

/* Memory must be one gapless range from 0, in any number of segments */
static bool compare_memory(const struct core *c, const char *plain)
{
	__u64 addr = 0, diffs = 0, first = 0;
	size_t size;
	__u8 *all = read_memory(plain, &size), *have = xcalloc(MIB);
	bool equal = false;
	unsigned int i;

	for (i = 0; i < c->num_phdrs; i++) {
		const struct elf64_phdr *p = &c->phdrs[i];
		const __u8 *want;
		__u64 off, n, b;

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_paddr != addr) {
			printf("'%s': memory 0x%llx to 0x%llx is missing or there twice\n",
			       c->name, addr, p->p_paddr);
			goto out;
		}
		if (p->p_memsz > size - addr || p->p_filesz > p->p_memsz) {
			printf("'%s' has 0x%llx bytes of memory, '%s' only 0x%zx\n",
			       c->name, addr + p->p_memsz, plain, size);
			goto out;
		}
		for (off = 0; off < p->p_memsz; off += n) {
			n = p->p_memsz - off < MIB ? p->p_memsz - off : MIB;
			b = off >= p->p_filesz ? 0 :
			    p->p_filesz - off < n ? p->p_filesz - off : n;
			memset(have + b, 0, n - b);
			read_at(c->fd, c->name, p->p_offset + off, have, b);
			want = all + addr + off;
			if (!memcmp(want, have, n))
				continue;
			for (b = 0; b < n; b++) {
				if (want[b] == have[b])
					continue;
				if (!diffs++) {
					first = addr + off + b;
					printf("'%s': memory at 0x%llx is %02x, not %02x\n",
					       c->name, first, have[b], want[b]);
				}
			}
		}
		addr += p->p_memsz;
	}
	if (diffs)
		printf("'%s': %llu bytes of memory differ, the first at 0x%llx\n",
		       c->name, diffs, first);
	else if (addr != size)
		printf("'%s' has 0x%llx bytes of memory, not the 0x%zx of '%s'\n",
		       c->name, addr, size, plain);
	equal = !diffs && addr == size;
	if (equal)
		printf("memory: %zu bytes equal\n", size);
out:
	free(all);
	free(have);
	return equal;
}

static int compare(const char *plain, const char *regs_name, const char *name)
{
	struct core c = { };
	__u8 *recs;
	__u32 cpus;
	size_t len, i;
	bool equal;

	recs = read_file(regs_name, &len);
	if (len % REC_SIZE)
		die("'%s' is no registers file: %zu bytes are no multiple of %d", regs_name,
		    len, REC_SIZE);
	for (i = 0; i < len / REC_SIZE; i++)
		if ((recs[i * REC_SIZE + 4] << 8 | recs[i * REC_SIZE + 5]) != (int)i)
			die("'%s': record %zu is not for CPU %zu", regs_name, i, i);
	open_core(&c, name);
	cpus = visit_regs(&c, recs, len / REC_SIZE, false);
	equal = cpus == len / REC_SIZE;
	if (equal)
		printf("registers: %u CPUs equal\n", cpus);
	else if (cpus)
		printf("'%s' has %u CPUs, not %zu\n", name, cpus, len / REC_SIZE);
	equal &= compare_memory(&c, plain);
	close_core(&c);
	free(recs);
	if (fflush(stdout))
		die("cannot write standard output: %s", strerror(errno));
	return !equal;
}

/* --- is there plaintext in a dump? --------------------------------------- */

#define PIECE_LEN	16
#define PIECE_VARIED	8	/* different bytes: does not occur by chance */
#define PIECE_STEP	512
#define PIECE_BITS	22

struct pieces {
	const __u8 **slot;	/* hash table, open addressing */
	bool *found;
	__u64 num;
};

static __u64 piece_hash(const __u8 *p)
{
	__u64 v[2];

	memcpy(v, p, sizeof(v));
	return (v[0] * 0x9e3779b97f4a7c15ULL + v[1]) * 0xff51afd7ed558ccdULL >>
	       (64 - PIECE_BITS);
}

/* The slot that has the piece, or that is free for it */
static __u64 piece_slot(const struct pieces *ps, const __u8 *p)
{
	__u64 i = piece_hash(p);

	while (ps->slot[i] && memcmp(ps->slot[i], p, PIECE_LEN))
		i = (i + 1) & ((1UL << PIECE_BITS) - 1);
	return i;
}

static void add_piece(struct pieces *ps, const __u8 *p)
{
	bool seen[256] = { };
	unsigned int i, varied = 0;

	for (i = 0; i < PIECE_LEN; i++) {
		varied += !seen[p[i]];
		seen[p[i]] = true;
	}
	/* half full is enough for a table, and for a sample */
	if (varied < PIECE_VARIED || ps->num >= 1UL << (PIECE_BITS - 1))
		return;
	i = piece_slot(ps, p);
	ps->num += !ps->slot[i];
	ps->slot[i] = p;
}

static __u64 find_pieces(struct pieces *ps, const __u8 *hay, size_t len)
{
	__u64 found = 0, slot;
	size_t i;

	memset(ps->found, 0, sizeof(*ps->found) << PIECE_BITS);
	for (i = 0; i + PIECE_LEN <= len; i++) {
		slot = piece_slot(ps, hay + i);
		if (!ps->slot[slot] || ps->found[slot])
			continue;
		ps->found[slot] = true;
		found++;
	}
	return found;
}

static int search(const char *plain_name, const char *name)
{
	struct pieces ps = {
		.slot = xcalloc(sizeof(*ps.slot) << PIECE_BITS),
		.found = xcalloc(sizeof(*ps.found) << PIECE_BITS),
	};
	size_t plain_len, len, i;
	__u8 *plain, *hay;
	__u64 in_plain, in_hay;

	plain = read_memory(plain_name, &plain_len);
	hay = read_file(name, &len);
	for (i = 0; i + PIECE_LEN <= plain_len; i += PIECE_STEP)
		add_piece(&ps, plain + i);
	if (!ps.num)
		die("'%s' has no content that could be recognised", plain_name);
	/* a search that finds nothing where it must find all proves nothing */
	in_plain = find_pieces(&ps, plain, plain_len);
	in_hay = find_pieces(&ps, hay, len);
	printf("%llu different pieces of plaintext: %llu found in '%s', %llu in '%s'\n",
	       ps.num, in_plain, plain_name, in_hay, name);
	if (in_plain != ps.num)
		die("only %llu of %llu pieces were found where they came from", in_plain, ps.num);
	free(ps.slot);
	free(ps.found);
	free(plain);
	free(hay);
	if (fflush(stdout))
		die("cannot write standard output: %s", strerror(errno));
	return in_hay != 0;
}

/* --- command line ------------------------------------------------------- */

static const char usage_text[] =
"seimg - make, open and check IBM Secure Execution images\n"
"\n"
"seimg build -o IMAGE --kernel BZIMAGE [--cmdline TEXT|@FILE] [--ramdisk FILE]\n"
"            --host-key KEY [--host-key KEY ...] [--cck FILE] [--allow-dump]\n"
"            [--no-encryption] [--plain FILE --memory MIB]\n"
"    Make an image. Components stand at their final addresses, so that a VMM\n"
"    only has to copy the file to address 0.\n"
"    -o, --output IMAGE     the image\n"
"    --kernel BZIMAGE       arch/s390/boot/bzImage of an s390x kernel\n"
"    --from-dump FILE       instead of a kernel: the memory of a Linux that has run, an\n"
"                           ELF core or flat. What is not zero becomes components, the\n"
"                           rest of the guest's memory stays untouched. Such a guest\n"
"                           cannot be started, and IPIB and SE header stand behind its\n"
"                           memory: for pvdump, which finds the SE header itself\n"
"    --cmdline TEXT|@FILE   kernel command line, at most 895 bytes\n"
"    --ramdisk FILE         initial ramdisk\n"
"    --host-key KEY         host key document: X.509 certificate (PEM or DER) or public\n"
"                           key (PEM), curve P-521; one for each host that may run it.\n"
"                           Certificates are not verified: do that before\n"
"    --cck FILE             customer communication key, 32 raw bytes, decrypts dumps\n"
"    --allow-dump           the host may dump the guest; needs --cck\n"
"    --no-encryption        components stay readable (PCF bit 35). Started by QEMU's\n"
"                           -kernel, such an image boots as the plain kernel\n"
"    --plain FILE           also write the memory as the guest sees it, unencrypted\n"
"    --memory MIB           size of the guest's memory\n"
"\n"
"seimg keys IMAGE --host-private-key KEY\n"
"    Print host key hash and SE header key, as uvsim's header_keys file takes them.\n"
"\n"
"seimg info IMAGE [--header-key HEX | --host-private-key KEY [--plain FILE --memory MIB]]\n"
"    Print what is in an image and verify it: structure, page count, digests; with a\n"
"    key also the header's tag. --plain decrypts the components.\n"
"\n"
"seimg regs -o FILE --cpus N | --from-dump ELF\n"
"    Write records for uvsim's registers file: for N CPUs, every register distinct, or\n"
"    the registers in an ELF core.\n"
"\n"
"seimg compare --plain FILE --regs FILE ELF\n"
"    Compare every byte of memory and every register in a dump that zgetdump has\n"
"    decrypted to ELF with what the guest was given, and name the first difference.\n"
"    --plain FILE           the memory, flat or an ELF core\n"
"    --regs FILE            the registers, from seimg regs\n"
"\n"
"seimg search --plain FILE DUMP\n"
"    Search a dump for pieces of the plain memory (flat or an ELF core), of 16 bytes\n"
"    each, taken from all over it. An encrypted dump has none of them.\n"
"\n"
"seimg --help | --version\n"
"\n"
"Exit status: 0 success; 1 error, damaged image, difference, or plaintext in a dump;\n"
"2 usage.\n"
"Output files appear under their names only when they are complete.\n";

static void __attribute__((__format__(__printf__, 1, 2), noreturn))
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("seimg: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see seimg --help\n", stderr);
	exit(2);
}

enum {
	OPT_KERNEL = 256, OPT_FROM_DUMP, OPT_CMDLINE, OPT_RAMDISK, OPT_HOST_KEY, OPT_CCK,
	OPT_ALLOW_DUMP, OPT_NO_ENCRYPTION, OPT_PLAIN, OPT_MEMORY, OPT_PRIVATE,
	OPT_HEADER_KEY, OPT_CPUS, OPT_REGS,
};

/* A parsed command line; which options a subcommand takes is up to it */
struct options {
	struct build_args build;
	const char *private_key;
	const char *header_key;
	const char *regs;
	const char *operand;
	__u64 cpus;
};

static void parse_options(int argc, char **argv, const struct option *allowed,
			  struct options *o)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "o:", allowed, NULL)) != -1) {
		switch (opt) {
		case 'o':
			o->build.output = optarg;
			break;
		case OPT_KERNEL:
			o->build.kernel = optarg;
			break;
		case OPT_FROM_DUMP:
			o->build.from_dump = optarg;
			break;
		case OPT_CMDLINE:
			o->build.cmdline = optarg;
			break;
		case OPT_RAMDISK:
			o->build.ramdisk = optarg;
			break;
		case OPT_HOST_KEY:
			if (o->build.num_host_keys == MAX_HOST_KEYS)
				usage("more than %d host keys", MAX_HOST_KEYS);
			o->build.host_keys[o->build.num_host_keys++] = optarg;
			break;
		case OPT_CCK:
			o->build.cck = optarg;
			break;
		case OPT_ALLOW_DUMP:
			o->build.pcf |= SE_PCF_ALLOW_DUMP;
			break;
		case OPT_NO_ENCRYPTION:
			o->build.pcf |= SE_PCF_NO_ENCRYPTION;
			break;
		case OPT_PLAIN:
			o->build.plain = optarg;
			break;
		case OPT_MEMORY:
			o->build.memory = parse_number("memory", optarg, 1UL << 24);
			break;
		case OPT_PRIVATE:
			o->private_key = optarg;
			break;
		case OPT_HEADER_KEY:
			o->header_key = optarg;
			break;
		case OPT_CPUS:
			o->cpus = parse_number("cpus", optarg, REC_MAX_CPUS);
			break;
		case OPT_REGS:
			o->regs = optarg;
			break;
		default:
			usage("wrong option");
		}
	}
	if (optind < argc)
		o->operand = argv[optind++];
	if (optind < argc)
		usage("'%s' is too much", argv[optind]);
}

/* What writes the plain memory has to know its size */
static void check_plain(const struct options *o)
{
	if (!o->build.plain != !o->build.memory)
		usage("--plain and --memory belong together");
}

static int cmd_build(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "kernel", required_argument, NULL, OPT_KERNEL },
		{ "from-dump", required_argument, NULL, OPT_FROM_DUMP },
		{ "cmdline", required_argument, NULL, OPT_CMDLINE },
		{ "ramdisk", required_argument, NULL, OPT_RAMDISK },
		{ "host-key", required_argument, NULL, OPT_HOST_KEY },
		{ "cck", required_argument, NULL, OPT_CCK },
		{ "allow-dump", no_argument, NULL, OPT_ALLOW_DUMP },
		{ "no-encryption", no_argument, NULL, OPT_NO_ENCRYPTION },
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "memory", required_argument, NULL, OPT_MEMORY },
		{ }
	};
	struct options o = { .build.pcf = SE_PCF_PCKMO };

	parse_options(argc, argv, allowed, &o);
	check_plain(&o);
	if (o.operand)
		usage("'%s' is too much", o.operand);
	if (!o.build.output || !o.build.num_host_keys)
		usage("build needs -o and --host-key");
	if (!o.build.kernel == !o.build.from_dump)
		usage("build needs either --kernel or --from-dump");
	if (o.build.from_dump && (o.build.cmdline || o.build.ramdisk))
		usage("--cmdline and --ramdisk need --kernel");
	if (o.build.pcf & SE_PCF_ALLOW_DUMP && !o.build.cck)
		usage("--allow-dump needs --cck: without the key nobody can read a dump");
	return build(&o.build);
}

static int cmd_keys(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "host-private-key", required_argument, NULL, OPT_PRIVATE },
		{ }
	};
	struct options o = { };

	parse_options(argc, argv, allowed, &o);
	if (!o.operand || !o.private_key)
		usage("keys needs an image and --host-private-key");
	return keys(o.operand, o.private_key);
}

static int cmd_info(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "host-private-key", required_argument, NULL, OPT_PRIVATE },
		{ "header-key", required_argument, NULL, OPT_HEADER_KEY },
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "memory", required_argument, NULL, OPT_MEMORY },
		{ }
	};
	struct options o = { };
	struct info_args a;

	parse_options(argc, argv, allowed, &o);
	check_plain(&o);
	if (!o.operand)
		usage("info needs an image");
	if (o.private_key && o.header_key)
		usage("--header-key and --host-private-key exclude each other");
	if (o.build.plain && !o.private_key && !o.header_key)
		usage("--plain needs a key");
	a = (struct info_args){ o.operand, o.private_key, o.header_key,
				o.build.plain, o.build.memory };
	return info(&a);
}

static int cmd_regs(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "cpus", required_argument, NULL, OPT_CPUS },
		{ "from-dump", required_argument, NULL, OPT_FROM_DUMP },
		{ }
	};
	struct options o = { };

	parse_options(argc, argv, allowed, &o);
	if (o.operand || !o.build.output || !o.cpus == !o.build.from_dump)
		usage("regs needs -o and either --cpus or --from-dump");
	return make_regs(o.build.output, o.build.from_dump,
			 o.build.from_dump ? CORE_MAX_CPUS : o.cpus);
}

static int cmd_compare(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "regs", required_argument, NULL, OPT_REGS },
		{ }
	};
	struct options o = { };

	parse_options(argc, argv, allowed, &o);
	if (!o.operand || !o.build.plain || !o.regs)
		usage("compare needs --plain, --regs and an ELF file");
	return compare(o.build.plain, o.regs, o.operand);
}

static int cmd_search(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ }
	};
	struct options o = { };

	parse_options(argc, argv, allowed, &o);
	if (!o.operand || !o.build.plain)
		usage("search needs --plain and a dump");
	return search(o.build.plain, o.operand);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} cmds[] = {
		{ "build", cmd_build },
		{ "keys", cmd_keys },
		{ "info", cmd_info },
		{ "regs", cmd_regs },
		{ "compare", cmd_compare },
		{ "search", cmd_search },
	};
	static const int sigs[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM };
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int i;

	if (argc < 2)
		usage("a subcommand is needed");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return fputs(usage_text, stdout) < 0;
	if (!strcmp(argv[1], "--version"))
		return puts("seimg 1.0") < 0;
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	atexit(remove_outfiles);
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		if (!strcmp(argv[1], cmds[i].name))
			return cmds[i].fn(argc - 1, argv + 1);
	usage("unknown subcommand '%s'", argv[1]);
}
