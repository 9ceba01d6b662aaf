// SPDX-License-Identifier: GPL-2.0-only
/* See image.h. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "crypto.h"
#include "env.h"
#include "image.h"
#include "sim.h"

#define HDR_LEN		640
#define HDR_AAD		496
#define HDR_ENC		128

struct image the_image;

void image_plaintext(uint8_t *p, uint64_t addr, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (i * 7 + (i >> 8) + (addr >> 12) * 13) & 0xff;
}

int image_build_code(struct image *img, size_t mem_size, uint64_t pcf, const void *code,
		     size_t code_len)
{
	const uint64_t addr[] = { IMAGE_ENTRY, IMAGE_ZEROS, 0x1ff000, mem_size - PAGE };
	const uint64_t size[] = { 3 * PAGE, PAGE, 2 * PAGE, PAGE };
	uint8_t *pld, *ald, *tld, *h = img->header;
	uint8_t header_key[32], xts[64], hex[2][65];
	uint64_t nep = 0, page;
	unsigned int i, k;
	int op, ret;

	memset(img, 0, sizeof(*img));
	img->mem_size = mem_size;
	img->header_len = HDR_LEN;
	img->nr_comps = ARRAY_SIZE(addr);
	pld = malloc(16 * PAGE);
	ald = malloc(16 * 8);
	tld = malloc(16 * 16);
	if (!pld || !ald || !tld)
		return -ENOMEM;
	ret = random_bytes(img->cck, sizeof(img->cck)) ?:
	      random_bytes(header_key, sizeof(header_key)) ?: random_bytes(xts, sizeof(xts));
	if (ret)
		return ret;
	op = alg_open("skcipher", "xts(aes)", xts, sizeof(xts), 0);
	if (op < 0)
		return op;
	for (i = 0; i < img->nr_comps; i++) {
		struct comp *c = &img->comp[i];
		uint8_t *plain = malloc(size[i]), *enc = malloc(size[i]);

		if (!plain || !enc)
			return -ENOMEM;
		c->addr = addr[i];
		c->size = size[i];
		c->tweak = ((uint64_t)i << 48) + 0xaabbccddee00 + i;
		image_plaintext(plain, c->addr, c->size);
		/* zeros the owner encrypted are no zero page */
		if (c->addr == IMAGE_ZEROS)
			memset(plain, 0, PAGE);
		if (c->addr == IMAGE_ENTRY && code_len)
			memcpy(plain, code, code_len);
		for (page = 0; page < c->size; page += PAGE, nep++) {
			uint8_t iv[16];

			put64(iv, c->tweak);
			put64(iv + 8, page);
			if (pcf & PCF_PLAIN)
				memcpy(enc + page, plain + page, PAGE);
			else
				ret = alg_crypt(op, true, iv, 16, 0, plain + page, PAGE,
						enc + page, PAGE);
			if (ret)
				return ret;
			memcpy(pld + nep * PAGE, enc + page, PAGE);
			put64(ald + nep * 8, c->addr + page);
			memcpy(tld + nep * 16, iv, 16);
		}
		c->plain = plain;
		c->image = enc;
	}
	close(op);

	memcpy(h, "IBMSecEx", 8);
	put32(h + 8, 0x100);
	put32(h + 12, HDR_LEN);
	ret = random_bytes(h + 16, IV_LEN);
	put64(h + 32, 1);
	put64(h + 40, HDR_ENC);
	put64(h + 48, nep);
	put64(h + 56, pcf);
	/* customer key and key slot: only their place matters, the key comes by debugfs */
	ret = ret ?: random_bytes(h + 64, 160) ?: random_bytes(h + 416, 80) ?:
	      alg_hash("sha512", NULL, 0, pld, nep * PAGE, h + 224) ?:
	      alg_hash("sha512", NULL, 0, ald, nep * 8, h + 288) ?:
	      alg_hash("sha512", NULL, 0, tld, nep * 16, h + 352);
	memcpy(h + HDR_AAD, img->cck, 32);
	memcpy(h + HDR_AAD + 32, xts, 64);
	put64(h + HDR_AAD + 96, 0x0000000180000000);
	put64(h + HDR_AAD + 104, addr[0]);
	ret = ret ?: gcm_crypt(true, header_key, h + 16, h, HDR_AAD, HDR_ENC);
	if (ret)
		return ret;
	for (i = 0; i < 2; i++)
		for (k = 0; k < 32; k++)
			sprintf((char *)hex[i] + 2 * k, "%02x", i ? header_key[k] : h[416 + k]);
	free(pld);
	free(ald);
	free(tld);
	return sim_write("header_keys", "%s %s", hex[0], hex[1]);
}

int image_build(struct image *img, size_t mem_size, uint64_t pcf)
{
	return image_build_code(img, mem_size, pcf, NULL, 0);
}

int image_load(struct image *img)
{
	const char *cck = getenv("PV_DUMP_CCK");
	uint8_t *file, *ipib = NULL;
	struct stat st;
	size_t off, end = 0;
	unsigned int i;
	int fd;

	memset(img, 0, sizeof(*img));
	fd = open(cck ?: "", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, img->cck, 32) != 32) {
		log_err("PV_DUMP_CCK must name a file with 32 bytes");
		return -EINVAL;
	}
	close(fd);
	fd = open(env.image ?: "", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return -errno;
	/* the last page as well: behind the end of the file it reads as zeros */
	for (off = 0; off < (size_t)st.st_size; off += PAGE) {
		const uint8_t *p = file + off;

		if (!img->header_len && !memcmp(p, "IBMSecEx", 8))
			img->header_len = get32(p + 12);
		if (!ipib && get32(p) == PAGE && p[7] == 1 && p[12] == 5)
			ipib = file + off;
		if (img->header_len && !end) {
			end = off;
			if (img->header_len > sizeof(img->header) ||
			    off + img->header_len > (size_t)st.st_size)
				return -EINVAL;
			memcpy(img->header, p, img->header_len);
		}
	}
	if (!img->header_len || !ipib)
		return -EINVAL;
	end = 0;
	img->nr_comps = get32(ipib + 0x74);
	if (!img->nr_comps || img->nr_comps > MAX_COMPS)
		return -EINVAL;
	for (i = 0; i < img->nr_comps; i++) {
		struct comp *c = &img->comp[i];
		const uint8_t *p = ipib + 0x88 + 24 * i;

		c->tweak = get64(p);
		c->addr = get64(p + 8);
		c->size = get64(p + 16);
		if (c->addr > (size_t)st.st_size || c->size > (size_t)st.st_size - c->addr)
			return -EINVAL;
		c->size = (c->size + PAGE - 1) & ~(PAGE - 1);
		c->image = file + c->addr;
		if (c->addr + c->size > end)
			end = c->addr + c->size;
	}
	img->mem_size = (end + 2 * MIB - 1) & ~(MIB - 1);
	/* the tests ask for several blocks, however small the image is */
	if (img->mem_size < 4 * MIB)
		img->mem_size = 4 * MIB;
	return 0;
}

int image_get(struct image *img, unsigned int mib, uint64_t pcf)
{
	return env.sim ? image_build(img, mib * MIB, pcf) : image_load(img);
}

const struct comp *comp_of(const struct image *img, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < img->nr_comps; i++)
		if (addr >= img->comp[i].addr && addr - img->comp[i].addr < img->comp[i].size)
			return &img->comp[i];
	return NULL;
}
