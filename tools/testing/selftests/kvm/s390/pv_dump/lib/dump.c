// SPDX-License-Identifier: GPL-2.0-only
/* See dump.h. */
#include "dump.h"
#include "env.h"
#include "sim.h"

int sim_set_registers(struct vm *vm, struct dump *d)
{
	unsigned int i, k;
	int ret = 0;

	for (i = 0; i < vm->nr_cpus && !ret; i++) {
		uint8_t rec[16 + CPU_REGS_LEN] = {};
		uint8_t *r = rec + 16;

		put32(rec, getpid());
		rec[5] = i;
		rec[7] = 1;	/* the PSW stays as it is here */
		ret = random_bytes(r, CPU_REGS_LEN);
		for (k = 0; k < 16; k++)
			put64(r + 8 * k, 0x0101010101010101 * k + ((uint64_t)i << 56));
		memset(r + 896, 0, 512);
		memset(r + 1440, 0, CPU_REGS_LEN - 1440);
		ret = ret ?: sim_write_raw("registers", rec, sizeof(rec));
		memcpy(d->regs[i], r, CPU_REGS_LEN);
	}
	d->regs_known = !ret;
	return ret;
}

int dump_alloc(struct vm *vm, struct dump *d)
{
	unsigned int i;

	d->meta_len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	d->meta = guarded_alloc(d->meta_len);
	d->compl = guarded_alloc(vm->len.dump_config_finalize_len);
	for (i = 0; i < vm->nr_cpus; i++) {
		d->cpu[i] = guarded_alloc(vm->len.dump_cpu_buffer_len);
		if (!d->cpu[i])
			return -ENOMEM;
	}
	return d->meta && d->compl ? 0 : -ENOMEM;
}

/* What is left to do after INIT, metadata in pieces of @chunk MiB. */
int dump_rest(struct vm *vm, struct dump *d, unsigned int chunk)
{
	size_t per = vm->len.dump_config_mem_buffer_per_1m, mib = vm->size / MIB, i, n;
	int ret;

	ret = STEP(dump_alloc(vm, d));
	if (ret)
		return ret;
	for (i = 0; i < vm->nr_cpus; i++) {
		ret = STEP(dump_cpu(vm, i, d->cpu[i]));
		if (ret)
			return ret;
		if (vm->cmd.rc != 1)
			return -EPROTO;
	}
	for (i = 0; i < mib; i += n) {
		n = mib - i < chunk ? mib - i : chunk;
		ret = STEP(dump_stor(vm, d->meta + i * per, n * per, i * MIB));
		if (ret)
			return ret;
		if (vm->cmd.rc != 1)
			return -EPROTO;
	}
	ret = STEP(dump_complete(vm, d->compl, vm->len.dump_config_finalize_len));
	if (ret)
		return ret;
	return vm->cmd.rc == 1 ? 0 : -EPROTO;
}

/* The completion data in clear, and the key of the registers */
static int open_compl(struct vm *vm, const struct dump *d, uint8_t compl[COMPL_LEN],
		      uint8_t key[32])
{
	memcpy(compl, d->compl, COMPL_LEN);
	if (get32(compl) != 1 || get32(compl + 4) != COMPL_LEN) {
		log_err("completion data version %x length %x", get32(compl), get32(compl + 4));
		return -EPROTO;
	}
	return STEP(dump_key(vm->img->cck, compl + COMPL_SEED, key)) ?:
	       STEP(gcm_crypt(false, key, compl + COMPL_IV, compl, COMPL_AAD,
			      COMPL_LEN - COMPL_AAD - TAG_LEN));
}

static int open_cpu(struct vm *vm, const struct dump *d, unsigned int i, const uint8_t key[32],
		    uint8_t cpu[CPU_LEN])
{
	memcpy(cpu, d->cpu[i], CPU_LEN);
	if (get32(cpu) != 1) {
		log_err("cpu %u version %x", i, get32(cpu));
		return -EPROTO;
	}
	return STEP(gcm_crypt(false, key, cpu + CPU_IV, cpu, CPU_AAD, CPU_REGS_LEN));
}

static int open_page(struct vm *vm, int op, const uint8_t *compl, const uint8_t *meta,
		     const uint8_t *seen, uint8_t page[PAGE])
{
	uint8_t iv[16];
	unsigned int i;

	for (i = 0; i < 16; i++)
		iv[i] = meta[i] | compl[COMPL_AAD + i];
	return STEP(alg_crypt(op, false, iv, 16, 0, seen, PAGE, page, PAGE));
}

static int open_memory(const uint8_t *compl)
{
	return alg_open("skcipher", "xts(aes)", compl + 112, 64, 0);
}

int dump_regs(struct vm *vm, struct dump *d, unsigned int i, uint8_t regs[CPU_REGS_LEN])
{
	uint8_t key[32], compl[COMPL_LEN], cpu[CPU_LEN];
	int ret;

	ret = open_compl(vm, d, compl, key) ?: open_cpu(vm, d, i, key, cpu);
	if (!ret)
		memcpy(regs, cpu + CPU_AAD, CPU_REGS_LEN);
	return ret;
}

int dump_page(struct vm *vm, struct dump *d, const uint8_t *meta, const uint8_t *seen,
	      uint8_t page[PAGE])
{
	uint8_t key[32], compl[COMPL_LEN];
	int op, ret;

	if (get32(meta) == 0xffffffff)
		return -ENODATA;
	ret = open_compl(vm, d, compl, key);
	if (ret)
		return ret;
	op = open_memory(compl);
	if (op < 0)
		return op;
	ret = open_page(vm, op, compl, meta, seen, page);
	close(op);
	return ret;
}

int dump_verify(struct vm *vm, struct dump *d)
{
	uint8_t key[32], compl[COMPL_LEN], cpu[CPU_LEN], page[PAGE];
	uint8_t ivs[MAX_CPUS + 1][IV_LEN];
	size_t i, k, addr, zero = 0, encrypted = 0;
	int op, ret;

	ret = open_compl(vm, d, compl, key);
	if (ret)
		return ret;
	memcpy(ivs[vm->nr_cpus], compl + COMPL_IV, IV_LEN);

	for (i = 0; i < vm->nr_cpus; i++) {
		memcpy(ivs[i], d->cpu[i] + CPU_IV, IV_LEN);
		if (d->regs_known && !memcmp(d->cpu[i] + CPU_AAD, d->regs[i], CPU_REGS_LEN)) {
			log_err("cpu %zu is in the dump in the clear", i);
			return -EPROTO;
		}
		ret = open_cpu(vm, d, i, key, cpu);
		if (ret)
			return ret;
		for (k = 0; d->regs_known && k < CPU_REGS_LEN; k++) {
			if (cpu[CPU_AAD + k] == d->regs[i][k])
				continue;
			log_err("cpu %zu differs at %zu: %02x, expected %02x", i, CPU_AAD + k,
				cpu[CPU_AAD + k], d->regs[i][k]);
			return -EPROTO;
		}
	}
	/* one key seals all of them, a repeated IV would give it away */
	for (i = 0; i <= vm->nr_cpus; i++)
		for (k = 0; k < i; k++)
			if (!memcmp(ivs[i], ivs[k], IV_LEN)) {
				log_err("IV %zu and %zu are the same", i, k);
				return -EPROTO;
			}

	op = open_memory(compl);
	if (op < 0)
		return op;
	for (addr = 0; addr < vm->size; addr += PAGE) {
		const uint8_t *meta = d->meta + addr / PAGE * 16;
		const struct comp *c = comp_of(vm->img, addr);

		if (get32(meta) == 0xffffffff) {
			if (meta[14] || (meta[15] & ~4) != 1) {
				if (!env.sim && (meta[15] & ~4) == 2)
					continue;
				log_err("page %zx state %02x%02x", addr, meta[14], meta[15]);
				return -EPROTO;
			}
			if (c) {
				log_err("page %zx of the image is a zero page", addr);
				return -EPROTO;
			}
			zero++;
			continue;
		}
		encrypted++;
		if (!c && env.sim) {
			log_err("page %zx outside of the image is encrypted", addr);
			return -EPROTO;
		}
		ret = open_page(vm, op, compl, meta, vm->mem + addr, page);
		if (ret)
			return ret;
		if (!c || !c->plain)
			continue;
		if (!memcmp(vm->mem + addr, c->plain + (addr - c->addr), PAGE)) {
			log_err("page %zx is readable in the clear", addr);
			return -EPROTO;
		}
		for (i = 0; i < PAGE; i++) {
			if (page[i] == c->plain[addr - c->addr + i])
				continue;
			log_err("page %zx differs at %zx: %02x, expected %02x", addr, i, page[i],
				c->plain[addr - c->addr + i]);
			return -EPROTO;
		}
	}
	close(op);
	if (!encrypted || (env.sim && zero + encrypted != vm->size / PAGE)) {
		log_err("%zu encrypted and %zu zero pages", encrypted, zero);
		return -EPROTO;
	}
	/* the kernel wrote what it said, and not a byte in front of it */
	for (i = 0; i < vm->nr_cpus; i++)
		if (!guard_intact(d->cpu[i]))
			return -EOVERFLOW;
	return guard_intact(d->compl) && guard_intact(d->meta) ? 0 : -EOVERFLOW;
}

void dump_free(struct vm *vm, struct dump *d)
{
	unsigned int i;

	for (i = 0; i < vm->nr_cpus; i++)
		guarded_free(d->cpu[i], vm->len.dump_cpu_buffer_len);
	guarded_free(d->meta, d->meta_len);
	guarded_free(d->compl, vm->len.dump_config_finalize_len);
}

int dump_and_verify(struct vm *vm, unsigned int chunk)
{
	static struct dump d;
	int ret;

	memset(&d, 0, sizeof(d));
	ret = (env.sim ? STEP(sim_set_registers(vm, &d)) : 0) ?:
	      STEP(dump_rest(vm, &d, chunk)) ?: STEP(dump_verify(vm, &d));
	dump_free(vm, &d);
	return ret;
}
