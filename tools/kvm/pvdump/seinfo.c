// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * seimg info and keys: what is in a Secure Execution image, is it sound, does a
 * key open it, and the guest's memory as the owner of the keys can have it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "seimg.h"

#define CHUNK		MIB
#define CMDLINE_SHOWN	4096	/* bytes, of kernels that say they take more */

/* What is done to an image; @area is what was encrypted in its header */
struct info {
	const struct info_args *a;
	struct image img;
	__u8 header_key[SE_KEY_LEN];
	bool have_key;
	union {
		__u8 bytes[SE_HEADER_MAX];
		struct se_secret s;
	} area;
	__u8 *chunk;
};

static const struct {
	__u64 flag;
	int bit;
	const char *what;
} flags[] = {
	{ SE_PCF_ALLOW_DUMP, 34, "the host may dump the guest" },
	{ SE_PCF_NO_ENCRYPTION, 35, "the components are not encrypted" },
	{ 0x80, 56, "the guest may import DEA and TDEA keys (PCKMO)" },
	{ 0x40, 57, "the guest may import AES keys (PCKMO)" },
	{ 0x20, 58, "the guest may import ECC keys (PCKMO)" },
	{ SE_PCF_PCKMO_HMAC, 59, "the guest may import HMAC keys (PCKMO); set by newer tools" },
	{ SE_PCF_BACKUP_KEYS, 62, "key slots of backup hosts; set by newer tools" },
};

static void print_hex(FILE *f, const void *buf, size_t len)
{
	const __u8 *p = buf;

	while (len--)
		fprintf(f, "%02x", *p++);
}

/* Text that somebody else has written: nothing of it reaches the terminal raw */
static void print_text(FILE *f, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && text[i]; i++) {
		unsigned char c = text[i];

		if (c >= ' ' && c < 0x7f && c != '\\')
			fputc(c, f);
		else
			fprintf(f, "\\x%02x", c);
	}
}

/* --- keys -------------------------------------------------------------------------- */

/*
 * Either 64 hexadecimal digits, or lines as seimg keys writes them: the hash of a
 * host key and the header key. Of these, one that the image has a slot for.
 */
static int find_header_key(const struct image *img, const char *name, char *text, __u8 *key,
			   struct error *e)
{
	const struct se_key_slot *slot = (const void *)(&img->header.h + 1);
	char *line, *rest = text, *first, *second, *save;
	__u8 hash[32];
	size_t n;
	__u64 i;

	while ((line = strsep(&rest, "\n"))) {
		first = strtok_r(line, " \t\r", &save);
		second = strtok_r(NULL, " \t\r", &save);
		if (!first)
			continue;
		if (!OPENSSL_hexstr2buf_ex(key, SE_KEY_LEN, &n, second ? second : first, 0) ||
		    n != SE_KEY_LEN)
			return fail(e,
				    "'%s' is no file with a header key: 64 hexadecimal digits, or what seimg keys writes",
				    name);
		if (!second)
			return 0;
		if (!OPENSSL_hexstr2buf_ex(hash, sizeof(hash), &n, first, 0) || n != sizeof(hash))
			return fail(e, "'%s': the hash of a host key has 64 hexadecimal digits",
				    name);
		for (i = 0; i < img->se.nks; i++)
			if (!memcmp(slot[i].host_key_hash, hash, sizeof(hash)))
				return 0;
	}
	return fail(e, "'%s' has no header key for any of the %llu key slots of the image", name,
		    img->se.nks);
}

static int load_header_key(struct info *in, struct error *e)
{
	size_t len;
	__u8 *buf = input_read(in->a->header_key, MIB, &len, e);
	int ret;

	if (!buf)
		return -1;
	ret = find_header_key(&in->img, in->a->header_key, (char *)buf, in->header_key, e);
	input_free(buf, len);
	return ret;
}

static int unwrap(struct info *in, __u8 *hash, struct error *e)
{
	EVP_PKEY *priv = se_load_private(in->a->private_key, e);
	struct error why;
	int ret;

	if (!priv)
		return -1;
	ret = se_unwrap(&in->img.header.h, in->img.se.nks, priv, in->a->private_key,
			in->header_key, &why);
	if (ret)
		fail(e, "'%s': %s", in->a->image, why.text);
	else if (hash)
		ret = se_key_hash(priv, hash, e);
	EVP_PKEY_free(priv);
	return ret;
}

static int open_area(struct info *in, struct error *e)
{
	int ret = se_open_area(&in->img.header, &in->img.se, in->header_key, in->area.bytes, e);

	if (!ret)
		fail(e,
		     "'%s': the SE header does not open: it was modified, or this is not its key",
		     in->a->image);
	return ret == 1 ? 0 : -1;
}

static int open_output(const struct info_args *a, struct error *e)
{
	const char *inputs[4] = { a->image };
	struct outfile_args args = { .mode = 0600, .force = a->force, .inputs = inputs };
	int n = 1;

	if (!a->out_name)
		return 0;
	if (a->private_key || a->header_key)
		inputs[n++] = a->private_key ? a->private_key : a->header_key;
	if (a->cck)
		inputs[n++] = a->cck;
	return outfile_open(a->out, a->out_name, &args) ? out_fail(a->out, e) : 0;
}

static int put_keys(struct info *in, const __u8 *hash, struct error *e)
{
	char line[2 * 64 + 3];
	int i, at = 0, ret;

	for (i = 0; i < 32; i++)
		at += sprintf(line + at, "%02x", hash[i]);
	line[at++] = ' ';
	for (i = 0; i < SE_KEY_LEN; i++)
		at += sprintf(line + at, "%02x", in->header_key[i]);
	line[at++] = '\n';
	if (!in->a->out_name) {
		fwrite(line, at, 1, in->a->print);
		ret = 0;
	} else {
		ret = outfile_write(in->a->out, line, at) || outfile_commit(in->a->out) ?
		      out_fail(in->a->out, e) : 0;
	}
	explicit_bzero(line, sizeof(line));
	return ret;
}

static void forget(struct info *in)
{
	image_close(&in->img);
	input_free(in->chunk, CHUNK);
	explicit_bzero(in, sizeof(*in));
}

int image_keys(const struct info_args *a, struct error *e)
{
	struct info in = { .a = a };
	__u8 hash[32];
	int ret;

	ret = image_open(&in.img, a->image, e);
	ret = ret ? ret : open_output(a, e);
	ret = ret ? ret : unwrap(&in, hash, e);
	/* a key is worth nothing if the header behind it is not as it was made */
	ret = ret ? ret : open_area(&in, e);
	ret = ret ? ret : put_keys(&in, hash, e);
	forget(&in);
	return ret;
}

/* --- info -------------------------------------------------------------------------- */

static void print_flags(const struct info *in)
{
	__u64 pcf = in->img.se.pcf, known = 0;
	FILE *f = in->a->print;
	size_t i;
	int bit;

	fprintf(f, "plaintext control flags: 0x%016llx: dumps %s, components %sencrypted\n", pcf,
		pcf & SE_PCF_ALLOW_DUMP ? "allowed" : "not allowed",
		pcf & SE_PCF_NO_ENCRYPTION ? "not " : "");
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		known |= flags[i].flag;
		if (pcf & flags[i].flag)
			fprintf(f, "flag bit %d: %s\n", flags[i].bit, flags[i].what);
	}
	for (bit = 0; bit < 64; bit++)
		if (pcf & ~known & 0x8000000000000000ULL >> bit)
			fprintf(f, "flag bit %d: not known\n", bit);
	/* bits 56 to 58 are there since the first machine */
	if (pcf & ~(SE_PCF_ALLOW_DUMP | SE_PCF_NO_ENCRYPTION | SE_PCF_PCKMO))
		fprintf(f, "%s\n",
			"A host refuses an image with flags that its Ultravisor does not have: see /sys/firmware/uv/query/supp_se_hdr_pcf there.");
}

static void print_layout(const struct info *in)
{
	const struct se_image *se = &in->img.se;
	const struct se_header *h = &in->img.header.h;
	const struct se_key_slot *slot = (const void *)(h + 1);
	FILE *f = in->a->print;
	__u64 i;

	fprintf(f, "image: %llu bytes\n", in->img.in.size);
	fprintf(f, "SE header: at 0x%llx, %llu bytes, version 0x%x\n", se->header_addr,
		se->header_size, SE_VERSION);
	fprintf(f, "IPIB: at 0x%llx\n", se->ipib_addr);
	print_flags(in);
	fputs("customer public key: ", f);
	print_hex(f, h->cust_pub, sizeof(h->cust_pub));
	for (i = 0; i < se->nks; i++) {
		fprintf(f, "\nkey slot %llu: host key hash ", i);
		print_hex(f, slot[i].host_key_hash, 32);
	}
	fputc('\n', f);
	for (i = 0; i < se->num_comp; i++)
		fprintf(f, "component %llu: tweak %016llx address 0x%llx size 0x%llx\n", i,
			se->comp[i].tweak, se->comp[i].addr, se->comp[i].size);
	fprintf(f, "component pages: %llu (correct)\n", se->nep);
}

static int measure(struct info *in, struct se_digests *d, struct error *e)
{
	const struct se_image *se = &in->img.se;
	struct se_measure m;
	unsigned int i;
	__u64 off, n;
	int ret;

	ret = se_measure_begin(&m, e);
	for (i = 0; i < se->num_comp; i++) {
		const struct se_component *c = &se->comp[i];

		for (off = 0; !ret && off < c->size; off += n) {
			n = c->size - off < CHUNK ? c->size - off : CHUNK;
			ret = image_read(&in->img, c->addr + off, in->chunk, n, e);
			ret = ret ? ret : se_measure_pages(&m, c, off, in->chunk, n, e);
		}
	}
	if (se_measure_end(&m, ret ? NULL : d, e))
		ret = -1;
	return ret;
}

static bool report_digest(const struct info *in, const char *name, const __u8 *have,
			  const __u8 *want)
{
	bool ok = !memcmp(have, want, 64);

	fprintf(in->a->print, "%s: ", name);
	print_hex(in->a->print, want, 64);
	fprintf(in->a->print, "%s\n", ok ? " (correct)" : " (WRONG)");
	return ok;
}

static int check_digests(struct info *in, struct error *e)
{
	const struct se_header *h = &in->img.header.h;
	const char *problem = NULL;
	struct se_digests d;

	if (measure(in, &d, e))
		return -1;
	if (!report_digest(in, "page list digest", d.pld, h->pld))
		problem = "a component was modified (page list digest)";
	if (!report_digest(in, "address list digest", d.ald, h->ald))
		problem = "the components' addresses were modified (address list digest)";
	if (!report_digest(in, "tweak list digest", d.tld, h->tld))
		problem = "the components' tweaks were modified (tweak list digest)";
	return problem ? fail(e, "'%s': %s", in->a->image, problem) : 0;
}

/* Pages of a component as the guest gets them, to the chunk of @in */
static int read_plain(struct info *in, const struct se_component *c, __u64 off, __u64 len,
		      struct error *e)
{
	if (image_read(&in->img, c->addr + off, in->chunk, len, e))
		return -1;
	if (in->img.se.pcf & SE_PCF_NO_ENCRYPTION)
		return 0;
	return se_xts_pages(false, in->area.s.xts_key, c->tweak, off, in->chunk, len, e);
}

/* The command line, if the component is a Linux that has it inside */
static int print_kernel(struct info *in, unsigned int i, struct error *e)
{
	const struct se_component *c = &in->img.se.comp[i];
	__u64 len = SE_PAGE_UP(KERNEL_CMDLINE - KERNEL_ENTRY + CMDLINE_SHOWN), size;
	const __u8 *kernel = in->chunk - KERNEL_ENTRY;

	if (c->addr != KERNEL_ENTRY || c->size < KERNEL_CMDLINE - KERNEL_ENTRY + KERNEL_OLD_CMDLINE)
		return 0;
	if (len > c->size)
		len = c->size;
	if (read_plain(in, c, 0, len, e))
		return -1;
	if (memcmp(kernel + KERNEL_MAGIC_AT, KERNEL_MAGIC, sizeof(KERNEL_MAGIC) - 1))
		return 0;
	size = kernel_cmdline_size(kernel);
	if (size > CMDLINE_SHOWN)
		size = CMDLINE_SHOWN;
	if (size > len - (KERNEL_CMDLINE - KERNEL_ENTRY))
		size = len - (KERNEL_CMDLINE - KERNEL_ENTRY);
	fprintf(in->a->print, "component %u: Linux, command line '", i);
	print_text(in->a->print, (const char *)kernel + KERNEL_CMDLINE, size);
	fputs("'\n", in->a->print);
	return 0;
}

/* Is this the key that will decrypt dumps? To be known before there is one */
static int check_cck(const struct info *in, struct error *e)
{
	size_t len;
	__u8 *cck;
	bool same;

	if (!in->a->cck)
		return 0;
	cck = cck_read(in->a->cck, &len, e);
	if (!cck)
		return -1;
	same = !memcmp(cck, in->area.s.cck, SE_KEY_LEN);
	input_free(cck, len);
	if (!same)
		return fail(e,
			    "'%s' is not the customer communication key of '%s': it decrypts no dump of it",
			    in->a->cck, in->a->image);
	fprintf(in->a->print, "customer communication key: that of '%s'\n", in->a->cck);
	return 0;
}

static int report_secret(struct info *in, struct error *e)
{
	const struct se_secret *s = &in->area.s;
	FILE *f = in->a->print;
	bool psw_ok = false;
	unsigned int i;
	__u8 hash[32];
	__u64 psw;

	if (open_area(in, e)) {
		fputs("header tag: WRONG\n", f);
		return -1;
	}
	fputs("header tag: correct\n", f);
	psw = be64toh(s->psw_addr);
	fprintf(f, "PSW: %016llx %016llx\n", (__u64)be64toh(s->psw_mask), psw);
	fprintf(f, "secret control flags: 0x%016llx\n", (__u64)be64toh(s->scf));
	if (se_sha256(s->cck, SE_KEY_LEN, hash, e))
		return -1;
	fputs("customer communication key: SHA-256 ", f);
	print_hex(f, hash, 32);
	fputc('\n', f);
	if (check_cck(in, e))
		return -1;
	for (i = 0; i < in->img.se.num_comp; i++) {
		const struct se_component *c = &in->img.se.comp[i];

		psw_ok |= psw >= c->addr && psw < c->addr + c->size;
		if (print_kernel(in, i, e))
			return -1;
	}
	if (!psw_ok)
		return fail(e, "'%s': the PSW does not point into a component", in->a->image);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct se_component *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* What the guest finds in its memory: the components, and zeros elsewhere */
static int write_plain(struct info *in, struct error *e)
{
	const struct se_image *se = &in->img.se;
	struct se_component comp[SE_MAX_COMP];
	struct outfile *out = in->a->out;
	unsigned int i;
	__u64 off, n;

	memcpy(comp, se->comp, sizeof(comp));
	qsort(comp, se->num_comp, sizeof(*comp), by_address);
	for (i = 0; i < se->num_comp; i++) {
		for (off = 0; off < comp[i].size; off += n) {
			n = comp[i].size - off < CHUNK ? comp[i].size - off : CHUNK;
			if (read_plain(in, &comp[i], off, n, e) ||
			    out_pages(out, comp[i].addr + off, in->chunk, n, e))
				return -1;
		}
	}
	if (out_skip_to(out, in->a->memory * MIB, e))
		return -1;
	return outfile_commit(out) ? out_fail(out, e) : 0;
}

int image_info(const struct info_args *a, struct error *e)
{
	struct info in = { .a = a, .chunk = calloc(1, CHUNK) };
	int ret;

	if (!in.chunk)
		return fail(e, "out of memory");
	ret = image_open(&in.img, a->image, e);
	if (!ret && a->out_name)
		ret = check_memory(&in.img.se, a->memory, e);
	ret = ret ? ret : open_output(a, e);
	/* what takes a second, or a pass phrase, before what takes minutes */
	if (!ret && a->private_key)
		ret = unwrap(&in, NULL, e);
	if (!ret && a->header_key)
		ret = load_header_key(&in, e);
	in.have_key = a->private_key || a->header_key;
	if (!ret) {
		print_layout(&in);
		if (in.have_key)
			ret = report_secret(&in, e);
	}
	ret = ret ? ret : check_digests(&in, e);
	if (!ret && a->out_name)
		ret = write_plain(&in, e);
	forget(&in);
	return ret;
}
