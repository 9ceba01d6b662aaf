// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: registers of CPUs, as a dump shows them
 *
 * Decrypts what the simulator dumps, with the kernel's "gcm(aes)" and
 * "hmac(sha512)". The owner's key (CCK) of the images of this test is zero.
 */
#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "test.h"

/* What was dumped last; linear memory, as the scatterlists need it */
static struct dumped {
	struct uvsim_dump_cpu cpu;
	struct uvsim_dump_final final;
	u8 key[64], prk[64];
} *d;

static int hmac_sha512(const u8 *key, unsigned int key_len, const u8 *data, unsigned int len,
		       u8 *out)
{
	struct crypto_shash *tfm = crypto_alloc_shash("hmac(sha512)", 0, 0);
	struct shash_desc *desc;
	int ret = -ENOMEM;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(tfm), GFP_KERNEL);
	if (desc) {
		desc->tfm = tfm;
		ret = crypto_shash_setkey(tfm, key, key_len) ?:
		      crypto_shash_digest(desc, data, len, out);
	}
	kfree(desc);
	crypto_free_shash(tfm);
	return ret;
}

/* In place: @aad_len bytes that are not encrypted, @len that are, the tag */
static int open_sealed(void *data, unsigned int aad_len, unsigned int len, const u8 *iv)
{
	struct crypto_aead *gcm = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	struct aead_request *req;
	DECLARE_CRYPTO_WAIT(wait);
	struct scatterlist sg;
	u8 nonce[16];
	int ret = -ENOMEM;

	if (IS_ERR(gcm))
		return PTR_ERR(gcm);
	req = aead_request_alloc(gcm, GFP_KERNEL);
	if (req) {
		memcpy(nonce, iv, 12);
		sg_init_one(&sg, data, aad_len + len + 16);
		aead_request_set_callback(req, 0, crypto_req_done, &wait);
		aead_request_set_ad(req, aad_len);
		aead_request_set_crypt(req, &sg, &sg, len + 16, nonce);
		ret = crypto_aead_setkey(gcm, d->key, 32) ?: crypto_aead_setauthsize(gcm, 16) ?:
		      crypto_wait_req(crypto_aead_decrypt(req), &wait);
		aead_request_free(req);
	}
	crypto_free_aead(gcm);
	return ret;
}

/* A whole dump of the CPU; a result only if that fails */
static struct uvsim_cpu_regs *dump_regs(void)
{
	static const u8 info[] = "IBM Z Ultravisor Dump\x01";
	static const u8 cck[32];
	int ret;

	must(0x0400);
	must(0x0402);
	memcpy(&d->cpu, t.area, sizeof(d->cpu));
	memset(t.area, 0x55, PAGE_SIZE);
	must(0x0403);
	memcpy(&d->final, t.area, sizeof(d->final));
	ret = hmac_sha512(d->final.seed, 64, cck, sizeof(cck), d->prk) ?:
	      hmac_sha512(d->prk, 64, info, sizeof(info) - 1, d->key) ?:
	      open_sealed(&d->cpu, 32, 1520, d->cpu.iv) ?:
	      open_sealed(&d->final, 96, 176, d->final.iv);
	if (ret)
		result(false, "dump cannot be decrypted: errno %d", -ret);
	return &d->cpu.regs;
}

/* Every byte something */
static void fill_record(struct uvsim_regs_record *r, u8 seed)
{
	unsigned int i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < sizeof(r->regs); i++)
		((u8 *)&r->regs)[i] = seed + i % 251;
}

/* Is everything but what an initial reset clears as in @r? */
static bool rest_is_kept(const struct uvsim_cpu_regs *regs, const struct uvsim_regs_record *r)
{
	return !memcmp(regs->gprs, r->regs.gprs, sizeof(regs->gprs)) &&
	       !memcmp(regs->acrs, r->regs.acrs, sizeof(regs->acrs)) &&
	       !memcmp(regs->vregs, r->regs.vregs, sizeof(regs->vregs)) &&
	       !memcmp(regs->gs, r->regs.gs, sizeof(regs->gs));
}

static bool is_initial(const struct uvsim_cpu_regs *regs)
{
	return is_zero(regs->psw, sizeof(regs->psw)) && !regs->prefix && !regs->fpc &&
	       !regs->todpr && !regs->timer && !regs->todcmp && regs->ctrs[0] == 0xe0 &&
	       is_zero(&regs->ctrs[1], 13 * 8) && regs->ctrs[14] == 0xc2000000 && !regs->ctrs[15];
}

static bool finds(const void *in, size_t len, const void *what, size_t n)
{
	const u8 *p;

	for (p = in; p + n <= (const u8 *)in + len; p++) {
		if (!memcmp(p, what, n))
			return true;
	}
	return false;
}

static void test_records(struct uvsim_regs_record *r)
{
	struct guest *a = t.g;
	struct uvsim_cpu_regs *regs;

	/* what a CPU begins with, whatever was in its storage before */
	fill_record(r, 7);
	result(!registers(r), "registers: for CPU 0, from now on");
	start_guest(a, 0, GOOD_PCF);
	memset(a->cpu_stor, 0xff, t.cpu_len);
	create_cpu(a);
	result(!memcmp(dump_regs(), &r->regs, sizeof(r->regs)), "registers: as ordered");
	result(is_zero(t.area + 288, PAGE_SIZE - 288), "0x0403 dump complete: zero behind it");
	result(!finds(a->base, t.base_len, d->final.seed, 32) &&
	       !finds(a->base, t.base_len, d->key, 32),
	       "0x0403 dump complete: seed and key are forgotten");
	memcpy(d->prk, d->final.seed, sizeof(d->final.seed));
	fill_record(r, 9);
	r->tgid = current->tgid;
	result(!registers(r), "registers: for CPU 0 of this process");
	result(!memcmp(dump_regs(), &r->regs, sizeof(r->regs)), "registers: changed");
	r->num = 1;
	result(registers(r) == -ENOENT, "registers: no such CPU");
	r->num = 0;
	r->tgid = 1;
	result(registers(r) == -ENOENT, "registers: no such process");
	r->tgid = current->tgid;
	r->flags = 2;
	result(registers(r) == -EINVAL, "registers: unknown flag");
	r->flags = 0;
	r->reserved = 1;
	result(registers(r) == -EINVAL, "registers: reserved field");
	r->reserved = 0;
	r->tgid = 0;
	r->num = 257;
	result(registers(r) == -EINVAL, "registers: number too high");
	r->num = 256;
	result(!registers(r), "registers: highest number");

	/* resets */
	must(0x0310);
	regs = dump_regs();
	result(!memcmp(regs, &r->regs, sizeof(*regs)), "0x0310 cpu reset: registers stay");
	must(0x0311);
	regs = dump_regs();
	result(is_initial(regs) && rest_is_kept(regs, r), "0x0311 cpu initial reset: registers");
	with(U8(0x27), 5);
	must(0x0330);
	regs = dump_regs();
	result(regs->psw[0] == 0x0000000180000000UL && regs->psw[1] == IMAGE_ADDR,
	       "0x0330 set cpu state: load takes the PSW of the header");
	must(0x0321);
	regs = dump_regs();
	regs->ctrs[0] = 0;
	regs->ctrs[14] = 0;
	result(is_zero(regs, sizeof(*regs)), "0x0321 cpu clear reset: registers");

	/* a PSW to keep */
	fill_record(r, 11);
	r->tgid = current->tgid;
	r->flags = 1;
	result(!registers(r), "registers: with a PSW to keep");
	with(U8(0x27), 5);
	must(0x0330);
	result(!memcmp(dump_regs(), &r->regs, sizeof(r->regs)),
	       "0x0330 set cpu state: load keeps the PSW");

	/* a reset that the guest asks for: it has the PSW in storage, when it runs */
	must(0x0320);
	must(0x0311);
	must(0x0330);
	regs = dump_regs();
	result(is_zero(regs->psw, sizeof(regs->psw)),
	       "0x0320 prepare reset: load takes no PSW of the header");
	end_guest(a);

	r->tgid = 0;
	r->num = 0xffff;
	result(!registers(r), "registers: forget all");
	start_guest(a, 0, GOOD_PCF);
	memset(a->cpu_stor, 0xff, t.cpu_len);
	create_cpu(a);
	result(is_zero(dump_regs(), sizeof(*regs)), "registers: zero if nothing was ordered");
	end_guest(a);
}

void test_regs(void)
{
	struct uvsim_regs_record *r = kzalloc(sizeof(*r), GFP_KERNEL);

	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (d && r)
		test_records(r);
	else
		result(false, "registers: no memory");
	kfree(d);
	kfree(r);
}
