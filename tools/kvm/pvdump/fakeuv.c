// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* The Ultravisor of the tests, see fakeuv.h. */
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakeuv.h"
#include "pvkvm.h"

#define NONCE		0x12345678ULL
#define GCM_IV		12
#define CPU_AAD		32
#define PAGES_PER_MIB	256

struct fakeuv uv;

const uint8_t fake_cck[32] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
	0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
};

/* Key of the VM's memory */
static const uint8_t xts_key[64] = {
	0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b,
	0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
	0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3,
	0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb,
	0xbc, 0xbd, 0xbe, 0xbf,
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	printf("Bail out! fake Ultravisor: %s\n", what);
	exit(1);
}

static void put_u64(uint8_t *p, uint64_t n)
{
	n = htobe64(n);
	memcpy(p, &n, sizeof(n));
}

bool fake_gcm(bool encrypt, const uint8_t key[32], const uint8_t iv[12], const uint8_t *aad,
	      int aad_len, const uint8_t *in, int len, uint8_t *out, uint8_t tag[16])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;
	bool ok;

	ok = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv, encrypt) == 1 &&
	     EVP_CipherUpdate(ctx, NULL, &n, aad, aad_len) == 1 &&
	     EVP_CipherUpdate(ctx, out, &n, in, len) == 1;
	if (ok && !encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1;
	ok = ok && EVP_CipherFinal_ex(ctx, out + len, &n) == 1;
	if (ok && encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* A page, with the tweak nonce OR component, which share no bits */
bool fake_xts(bool encrypt, uint64_t component, const uint8_t *in, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[16];
	int n;
	bool ok;

	put_u64(iv, NONCE);
	put_u64(iv + 8, component);
	ok = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_xts(), NULL, xts_key, iv, encrypt) == 1 &&
	     EVP_CipherUpdate(ctx, out, &n, in, FAKE_PAGE) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* Of each eight MiB the third to the fifth are zero, and a page here and there */
enum fake_kind fake_kind(uint64_t page)
{
	uint64_t mib = page / PAGES_PER_MIB % 8;

	if (uv.sparse)
		return page % uv.sparse ? FAKE_ZERO : FAKE_SHARED;
	if (mib >= 2 && mib < 5)
		return FAKE_ZERO;
	return page % 7 == 3 ? FAKE_ZERO : page % 7 == 5 ? FAKE_SHARED : FAKE_ENCRYPTED;
}

static void put_entry(uint8_t *entry, uint64_t page)
{
	enum fake_kind kind = fake_kind(page);

	memset(entry, 0, 16);
	if (kind == FAKE_ENCRYPTED) {
		put_u64(entry + 8, page + 1);
		return;
	}
	memset(entry, 0xff, 4);
	entry[15] = kind == FAKE_ZERO ? 1 : 6;
}

static void start(uint64_t gaddr, uint64_t mib)
{
	fake_end();
	memset(&uv, 0, sizeof(uv));
	uv.gaddr = gaddr;
	uv.mib = mib;
	uv.cpu_len = FAKE_LEN;
	uv.state_len = FAKE_LEN;
	uv.complete_len = FAKE_LEN;
	uv.info_written = sizeof(struct pvkvm_info_dump);
	uv.fail_at = -1;
	uv.import_at = -1;
	need(RAND_bytes((uint8_t *)uv.regs, sizeof(uv.regs)) == 1, "no random bytes");
}

/* A VM whose memory is at @gaddr, with pages of all kinds */
void fake_start(uint64_t gaddr, uint64_t mib)
{
	size_t size = mib * FAKE_MIB, pages = size / FAKE_PAGE, i;

	start(gaddr, mib);
	uv.plain = malloc(size);
	uv.memory = aligned_alloc(FAKE_PAGE, size);
	uv.meta = malloc(pages * 16);
	uv.was_read = calloc(pages, 1);
	need(uv.plain && uv.memory && uv.meta && uv.was_read, "out of memory");
	for (i = 0; i < pages; i++) {
		uint8_t *plain = uv.plain + i * FAKE_PAGE, *page = uv.memory + i * FAKE_PAGE;

		put_entry(uv.meta + i * 16, i);
		need(RAND_bytes(plain, FAKE_PAGE) == 1, "no random bytes");
		memcpy(page, plain, FAKE_PAGE);
		switch (fake_kind(i)) {
		case FAKE_ENCRYPTED:
			need(fake_xts(true, i + 1, plain, page), "AES-XTS");
			break;
		case FAKE_ZERO:
			/* what is in the file is not looked at */
			memset(plain, 0, FAKE_PAGE);
			memset(page, 0xaa, FAKE_PAGE);
			break;
		default:
			break;
		}
	}
}

/* A VM of any size whose memory nobody has */
void fake_start_sparse(uint64_t mib, uint64_t every)
{
	start(0, mib);
	uv.sparse = every;
}

void fake_end(void)
{
	free(uv.plain);
	free(uv.memory);
	free(uv.meta);
	free(uv.was_read);
	memset(&uv, 0, sizeof(uv));
}

/* A pvdump_read_fn */
int fake_read(void *opaque, uint64_t gaddr, void *buf, size_t len)
{
	uint64_t page = (gaddr - uv.gaddr) / FAKE_PAGE;

	(void)opaque;
	if (gaddr % FAKE_PAGE || len % FAKE_PAGE ||
	    page + len / FAKE_PAGE > uv.mib * PAGES_PER_MIB) {
		uv.bad++;
		return -ENXIO;
	}
	if (uv.memory) {
		memcpy(buf, uv.memory + page * FAKE_PAGE, len);
		memset(uv.was_read + page, true, len / FAKE_PAGE);
	} else {
		memset(buf, 0x55, len);
	}
	return 0;
}

static void new_keys(void)
{
	static const char info[] = "IBM Z Ultravisor Dump\001";
	uint8_t prk[64], okm[64];

	need(RAND_bytes(uv.seed, sizeof(uv.seed)) == 1 &&
	     HMAC(EVP_sha512(), uv.seed, 64, fake_cck, 32, prk, NULL) &&
	     HMAC(EVP_sha512(), prk, 64, (const uint8_t *)info, 22, okm, NULL), "HMAC");
	memcpy(uv.dump_key, okm, 32);
}

static void seal_cpu(unsigned int cpu, uint8_t *out)
{
	uint32_t head[2] = { htobe32(1), htobe32(1568) };

	memset(out, 0, uv.cpu_len);
	memcpy(out, head, 8);
	need(RAND_bytes(out + 8, GCM_IV) == 1 &&
	     fake_gcm(true, uv.dump_key, out + 8, out, CPU_AAD, uv.regs[cpu], FAKE_REGS,
		      out + CPU_AAD, out + CPU_AAD + FAKE_REGS), "sealing a CPU");
}

static void seal_complete(uint8_t *out)
{
	uint32_t head[2] = { htobe32(1), htobe32(288) };
	uint8_t secret[176] = { 0 };

	memset(out, 0, uv.complete_len);
	memcpy(out, head, 8);
	memcpy(out + 16, uv.seed, 64);
	put_u64(secret, NONCE);
	memcpy(secret + 16, xts_key, 64);
	need(RAND_bytes(out + 80, GCM_IV) == 1 &&
	     fake_gcm(true, uv.dump_key, out + 80, out, 96, secret, sizeof(secret), out + 96,
		      out + 272), "sealing the completion data");
}

static int fail(struct pvkvm_cmd *cmd, uint16_t rc, int err)
{
	if (rc) {
		cmd->rc = rc;
		cmd->rrc = 0x42;
	}
	errno = err;
	return -1;
}

static int bad(struct pvkvm_cmd *cmd, int err)
{
	uv.bad++;
	return fail(cmd, 0, err);
}

static void state_of_mib(uint64_t mib, uint8_t *out)
{
	uint64_t first = mib * PAGES_PER_MIB, i;
	static uint8_t zeros[FAKE_LEN];

	if (uv.sparse) {
		if (!zeros[0])
			for (i = 0; i < PAGES_PER_MIB; i++)
				put_entry(zeros + i * 16, 1);
		memcpy(out, zeros, FAKE_LEN);
		i = (first + uv.sparse - 1) / uv.sparse * uv.sparse;
		for (; i < first + PAGES_PER_MIB; i += uv.sparse)
			put_entry(out + (i - first) * 16, i);
		return;
	}
	for (i = 0; i < PAGES_PER_MIB; i++) {
		uint8_t *entry = out + i * 16;

		put_entry(entry, first + i);
		if (uv.stale && !uv.was_read[first + i] && entry[0] != 0xff)
			entry[8] ^= 0x80;
		if ((int64_t)(first + i) == uv.import_at) {
			memset(entry, 0xff, 4);
			memset(entry + 4, 0, 12);
			entry[15] = 1;
			uv.import_at = -1;
		}
	}
}

static int state(struct pvkvm_cmd *cmd, struct pvkvm_dmp *dmp, bool interrupted)
{
	uint64_t i, first = (dmp->gaddr - uv.gaddr) / FAKE_MIB, n = dmp->buff_len / FAKE_LEN;
	uint8_t *out = (uint8_t *)(uintptr_t)dmp->buff_addr;
	uint64_t end = dmp->gaddr + n * FAKE_MIB;

	if (!uv.dumping || dmp->gaddr % FAKE_MIB || !n || dmp->buff_len % FAKE_LEN ||
	    dmp->gaddr < uv.gaddr || first + n > uv.mib ||
	    (dmp->gaddr < uv.gap_end && end > uv.gap))
		return bad(cmd, EINVAL);
	if (n > uv.max_request)
		uv.max_request = n;
	if (uv.wrong_gaddr) {
		dmp->gaddr = uv.wrong_gaddr;
		return fail(cmd, 0x1234, EINVAL);
	}
	for (i = 0; i < n; i++) {
		if (uv.on_state)
			uv.on_state(first + i);
		if ((int64_t)(first + i) == uv.fail_at || (interrupted && i)) {
			dmp->gaddr = uv.gaddr + (first + i) * FAKE_MIB;
			if (interrupted)
				return fail(cmd, 0, EINTR);
			if (uv.fail_once)
				uv.fail_at = -1;
			return fail(cmd, 0x1234, EINVAL);
		}
		state_of_mib(first + i, out + i * FAKE_LEN);
	}
	cmd->rc = 1;
	return 0;
}

static int dump(int fd, struct pvkvm_cmd *cmd, struct pvkvm_dmp *dmp)
{
	uint8_t *out = (uint8_t *)(uintptr_t)dmp->buff_addr;
	bool on_vcpu = fd >= FAKE_VCPU, for_vcpu = dmp->subcmd == PVKVM_DUMP_CPU;

	uv.calls[dmp->subcmd & 3]++;
	if (on_vcpu != for_vcpu)
		return bad(cmd, EINVAL);
	switch (dmp->subcmd) {
	case PVKVM_DUMP_INIT:
		if (uv.init_err)
			return fail(cmd, 0, uv.init_err);
		if (uv.dumping)
			return bad(cmd, EINVAL);
		if (uv.refuse)
			return fail(cmd, uv.refuse, EINVAL);
		new_keys();
		uv.dumping = true;
		break;
	case PVKVM_DUMP_STATE:
		return state(cmd, dmp, false);
	case PVKVM_DUMP_COMPLETE:
		if (!uv.dumping || dmp->buff_len < uv.complete_len)
			return bad(cmd, EINVAL);
		if (uv.complete_fails)
			return fail(cmd, uv.complete_fails, EINVAL);
		seal_complete(out);
		uv.dumping = false;
		break;
	default:
		if (!uv.dumping || dmp->buff_len != uv.cpu_len || fd - FAKE_VCPU >= FAKE_CPUS)
			return bad(cmd, EINVAL);
		if (uv.cpu_fails)
			return fail(cmd, uv.cpu_fails, EINVAL);
		seal_cpu(fd - FAKE_VCPU, out);
	}
	cmd->rc = 1;
	return 0;
}

/* In place of the C library's, also for a shared libpvdump */
int ioctl(int fd, unsigned long req, ...)
{
	unsigned long command = fd < FAKE_VCPU ? PVKVM_VM_COMMAND : PVKVM_CPU_COMMAND;
	struct pvkvm_info_dump *info;
	struct pvkvm_cmd *cmd;
	struct pvkvm_dmp *dmp;
	va_list ap;

	va_start(ap, req);
	cmd = va_arg(ap, void *);
	va_end(ap);
	if (req != command && uv.on_other)
		return uv.on_other(fd, req, cmd);
	if (req != command || cmd->flags || cmd->rc || cmd->rrc)
		return bad(cmd, ENOTTY);
	dmp = (void *)(uintptr_t)cmd->data;
	if (uv.eintr_every && !(++uv.ioctls % uv.eintr_every)) {
		if (uv.eintr_moves && cmd->cmd == PVKVM_DUMP && dmp->subcmd == PVKVM_DUMP_STATE)
			return state(cmd, dmp, true);
		return fail(cmd, 0, EINTR);
	}
	if (cmd->cmd == PVKVM_DUMP)
		return dump(fd, cmd, dmp);
	if (cmd->cmd != PVKVM_INFO)
		return uv.on_other ? uv.on_other(fd, req, cmd) : fail(cmd, 0x108, EINVAL);
	if (uv.info_err)
		return fail(cmd, 0, uv.info_err);
	info = (void *)(uintptr_t)cmd->data;
	info->cpu_len = uv.cpu_len;
	info->state_len = uv.state_len;
	info->complete_len = uv.complete_len;
	info->len_written = uv.info_written;
	return 0;
}
