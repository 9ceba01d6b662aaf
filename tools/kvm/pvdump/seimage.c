// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* What several parts of seimg need: an image that is there, outputs, the CCK */
#include <string.h>

#include "seimg.h"

/* --- an image -------------------------------------------------------------------- */

static int read_for_parser(void *opaque, __u64 at, void *buf, size_t len, char *why,
			   size_t why_len)
{
	struct error e;

	if (!input_read_at(opaque, at, buf, len, &e))
		return 0;
	snprintf(why, why_len, "%s", e.text);
	return -1;
}

static __u64 data_for_parser(void *opaque, __u64 at)
{
	return input_data(opaque, at);
}

int image_open(struct image *img, const char *name, struct error *e)
{
	char why[400];

	memset(img, 0, sizeof(*img));
	if (input_open(&img->in, name, e))
		return -1;
	if (se_parse_file(read_for_parser, data_for_parser, &img->in, img->in.size, &img->se, why,
			  sizeof(why)))
		return fail(e, "'%s': %s", name, why);
	return input_read_at(&img->in, img->se.header_addr, img->header.bytes,
			     img->se.header_size, e);
}

void image_close(struct image *img)
{
	input_close(&img->in);
}

int image_read(const struct image *img, __u64 addr, void *buf, size_t len, struct error *e)
{
	size_t n = img->in.size - addr < len ? img->in.size - addr : len;

	memset((__u8 *)buf + n, 0, len - n);
	return input_read_at(&img->in, addr, buf, n, e);
}

int check_memory(const struct se_image *se, __u64 memory, struct error *e)
{
	__u64 end = 0;
	unsigned int i;

	for (i = 0; i < se->num_comp; i++)
		if (se->comp[i].addr + se->comp[i].size > end)
			end = se->comp[i].addr + se->comp[i].size;
	if (end > memory * MIB)
		return fail(e,
			    "--memory %llu is too small: the image needs %llu bytes, that is %llu MiB",
			    memory, end, (end + MIB - 1) / MIB);
	return 0;
}

__u64 kernel_cmdline_size(const __u8 *kernel)
{
	__u64 size;

	memcpy(&size, kernel + KERNEL_MAX_CMDLINE, 8);
	return size ? be64toh(size) : KERNEL_OLD_CMDLINE;
}

/* --- keys ------------------------------------------------------------------------ */

__u8 *cck_read(const char *name, size_t *len, struct error *e)
{
	static const __u8 zeros[SE_KEY_LEN];
	__u8 *cck = input_read(name, SE_PAGE, len, e);

	if (!cck)
		return NULL;
	if (*len != SE_KEY_LEN)
		fail(e, "'%s' has %zu bytes, a customer communication key is %d raw bytes", name,
		     *len, SE_KEY_LEN);
	else if (!memcmp(cck, zeros, SE_KEY_LEN))
		fail(e, "'%s' is all zeros: that is no key but an accident", name);
	else
		return cck;
	input_free(cck, *len);
	return NULL;
}

/* --- outputs --------------------------------------------------------------------- */

int out_fail(const struct outfile *out, struct error *e)
{
	return fail(e, "%s", out->error);
}

int out_skip_to(struct outfile *out, __u64 to, struct error *e)
{
	return outfile_skip(out, to - out->pos) ? out_fail(out, e) : 0;
}

int out_put(struct outfile *out, __u64 at, const void *buf, __u64 len, struct error *e)
{
	if (out_skip_to(out, at, e))
		return -1;
	return outfile_write(out, buf, len) ? out_fail(out, e) : 0;
}

bool page_is_zero(const __u8 *page)
{
	return !page[0] && !memcmp(page, page + 1, SE_PAGE - 1);
}

int out_pages(struct outfile *out, __u64 at, const __u8 *buf, __u64 len, struct error *e)
{
	__u64 off, n;

	for (off = 0; off < len; off += n) {
		bool zero = page_is_zero(buf + off);

		/* as many pages of a kind as there are */
		for (n = SE_PAGE; off + n < len; n += SE_PAGE)
			if (page_is_zero(buf + off + n) != zero)
				break;
		if (!zero && out_put(out, at + off, buf + off, n, e))
			return -1;
	}
	return 0;
}
