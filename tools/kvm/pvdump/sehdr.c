// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Finds and checks the parts of a Secure Execution image, see sehdr.h. What is
 * in an image comes from somebody else: every size and address is looked at
 * before it is used.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sehdr.h"

/* What all functions need: where to read, and where to say why it failed */
struct parser {
	se_read_fn read;
	void *opaque;
	__u64 len;
	struct se_image *se;
	char *why;
	size_t why_len;
};

static int __attribute__((__format__(__printf__, 2, 3)))
fail(const struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, p->why_len, fmt, ap);
	va_end(ap);
	return -1;
}

static int fetch(const struct parser *p, __u64 at, void *buf, size_t len)
{
	return p->read(p->opaque, at, buf, len, p->why, p->why_len);
}

/* Is there an IPIB at @at, and where does it say the header is? 0: no; -1: error */
static int ipib_shape(const struct parser *p, __u64 at, __u64 *header_addr)
{
	struct se_ipib ipib;
	__u8 magic[8];
	__u64 hdr;

	if (p->len < sizeof(ipib) || at > p->len - sizeof(ipib))
		return 0;
	if (fetch(p, at, &ipib, sizeof(ipib)))
		return -1;
	if (be32toh(ipib.len) < sizeof(ipib) || be32toh(ipib.len) > SE_PAGE ||
	    ipib.version != SE_IPIB_VERSION || ipib.pbt != SE_IPIB_PBT_PV ||
	    ipib.blk0_version)
		return 0;
	/* genprotimg leaves the address to the loader: the page behind then */
	hdr = be64toh(ipib.header_addr);
	if (!hdr)
		hdr = at + SE_PAGE;
	if (p->len < sizeof(struct se_header) || hdr > p->len - sizeof(struct se_header))
		return 0;
	if (fetch(p, hdr, magic, sizeof(magic)))
		return -1;
	if (memcmp(magic, SE_MAGIC, sizeof(magic)))
		return 0;
	*header_addr = hdr;
	return 1;
}

static int parse_header(const struct parser *p)
{
	struct se_image *se = p->se;
	__u64 room = p->len - se->header_addr;
	struct se_header h;

	if (fetch(p, se->header_addr, &h, sizeof(h)))
		return -1;
	if (be32toh(h.version) != SE_VERSION)
		return fail(p, "the SE header has version 0x%x, only 0x%x is known",
			    be32toh(h.version), SE_VERSION);
	se->header_size = be32toh(h.size);
	se->nks = be64toh(h.nks);
	se->sea = be64toh(h.sea);
	se->nep = be64toh(h.nep);
	se->pcf = be64toh(h.pcf);
	if (se->header_size > SE_HEADER_MAX || se->sea > SE_HEADER_MAX || !se->nks ||
	    se->nks > SE_HEADER_MAX || se->sea < sizeof(struct se_secret) ||
	    se->header_size != sizeof(h) + se->nks * sizeof(struct se_key_slot) + se->sea +
			       SE_TAG_LEN)
		return fail(p, "the SE header is damaged: its sizes do not fit together");
	if (se->header_size > room)
		return fail(p,
			    "the image is truncated: the SE header at 0x%llx needs %llu bytes, %llu are there",
			    se->header_addr, se->header_size, room);
	return 0;
}

static int parse_component(const struct parser *p, unsigned int i)
{
	struct se_image *se = p->se;
	struct se_component *c = &se->comp[i];
	unsigned int j;

	c->tweak = be64toh(c->tweak);
	c->addr = be64toh(c->addr);
	c->size = be64toh(c->size);
	if (c->addr % SE_PAGE || !c->size)
		return fail(p, "the IPIB is damaged: component %u is empty or not page aligned", i);
	if (c->addr > p->len || c->size > p->len - c->addr)
		return fail(p,
			    "the image is truncated: component %u ends at 0x%llx, the image at 0x%llx",
			    i, c->addr + c->size, p->len);
	c->size = SE_PAGE_UP(c->size);
	if (i && c->tweak <= se->comp[i - 1].tweak)
		return fail(p, "the IPIB is damaged: tweaks do not rise at component %u", i);
	for (j = 0; j < i; j++)
		if (c->addr < se->comp[j].addr + se->comp[j].size &&
		    se->comp[j].addr < c->addr + c->size)
			return fail(p, "the IPIB is damaged: components %u and %u overlap", j, i);
	return 0;
}

static int parse_components(const struct parser *p)
{
	struct se_image *se = p->se;
	struct se_ipib ipib;
	__u64 pages = 0, end;
	unsigned int i;

	if (fetch(p, se->ipib_addr, &ipib, sizeof(ipib)))
		return -1;
	if (be64toh(ipib.header_len) != se->header_size && be64toh(ipib.header_len))
		return fail(p, "the IPIB is damaged: wrong length of the SE header");
	se->num_comp = be32toh(ipib.num_comp);
	end = sizeof(ipib) + (__u64)se->num_comp * sizeof(*se->comp);
	if (!se->num_comp || se->num_comp > SE_MAX_COMP || end > be32toh(ipib.len) ||
	    end > p->len - se->ipib_addr)
		return fail(p, "the IPIB is damaged: %u components", se->num_comp);
	if (fetch(p, se->ipib_addr + sizeof(ipib), se->comp, se->num_comp * sizeof(*se->comp)))
		return -1;
	for (i = 0; i < se->num_comp; i++) {
		if (parse_component(p, i))
			return -1;
		pages += se->comp[i].size / SE_PAGE;
	}
	if (pages != se->nep)
		return fail(p,
			    "the image is damaged: the IPIB has %llu component pages, the SE header %llu",
			    pages, se->nep);
	return 0;
}

int se_parse_file(se_read_fn read, se_data_fn data, void *opaque, __u64 len, struct se_image *se,
		  char *why, size_t why_len)
{
	struct parser p = { read, opaque, len, se, why, why_len };
	__u64 at, header_addr;
	int found = 0, ret;

	memset(se, 0, sizeof(*se));
	for (at = 0; at < len; at += SE_PAGE) {
		if (data)
			at = data(opaque, at) & ~(SE_PAGE - 1);
		ret = ipib_shape(&p, at, &header_addr);
		if (ret < 0)
			return -1;
		if (!ret)
			continue;
		found++;
		se->ipib_addr = at;
		se->header_addr = header_addr;
	}
	if (!found)
		return fail(&p,
			    "no SE header with an IPIB found: no Secure Execution image, or a truncated one");
	if (found > 1)
		return fail(&p, "%d IPIBs with an SE header found, cannot tell which one counts",
			    found);
	if (se->header_addr % 8)
		return fail(&p, "the IPIB is damaged: SE header not aligned");
	if (parse_header(&p))
		return -1;
	return parse_components(&p);
}

static int from_memory(void *opaque, __u64 at, void *buf, size_t len, char *why, size_t why_len)
{
	(void)why;
	(void)why_len;
	memcpy(buf, (const __u8 *)opaque + at, len);
	return 0;
}

int se_parse(const __u8 *img, __u64 len, struct se_image *se, char *why, size_t why_len)
{
	return se_parse_file(from_memory, NULL, (void *)img, len, se, why, why_len);
}
