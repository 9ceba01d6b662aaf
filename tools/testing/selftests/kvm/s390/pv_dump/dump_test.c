// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole dumps: every page and register is decrypted and compared with what the
 * guest was given. Also what a dump needs (crypto) and shows (tracepoints).
 */

#define _GNU_SOURCE	/* sched_setaffinity() */
#include <sched.h>

#include "fixtures.h"
#include "lib/trace.h"

/* Crypto and numbers: what all other tests stand on */

TEST(crypto_known_answers)
{
	static const uint8_t key_out[32] = {
		0xac, 0x3f, 0x31, 0x50, 0xad, 0x72, 0x23, 0xed, 0xe2, 0xf4, 0xc3, 0x80, 0xef, 0xc8,
		0x5a, 0x2b, 0x9d, 0x5b, 0xa0, 0xdb, 0xc9, 0x9a, 0x13, 0xf3, 0x39, 0xe5, 0xa1, 0xd9,
		0x7b, 0x77, 0x07, 0x84,
	};
	static const uint8_t gcm_tag[TAG_LEN] = {
		0x73, 0x2b, 0x86, 0xe0, 0x6d, 0x8c, 0x0f, 0xc7, 0x3c, 0x9f, 0x4e, 0x36, 0x5f, 0x95,
		0x76, 0x70,
	};
	static const uint8_t page_first[16] = {
		0x10, 0x36, 0x67, 0xda, 0x69, 0x54, 0x28, 0x7d, 0x59, 0x27, 0xdb, 0xa9, 0x1f, 0x86,
		0xf9, 0x52,
	};
	static const uint8_t page_last[16] = {
		0x37, 0x12, 0x76, 0xfa, 0xc0, 0x75, 0x1f, 0x72, 0xbe, 0x4e, 0xe2, 0x4d, 0x75, 0x01,
		0x00, 0xd3,
	};
	static const uint8_t sha[8] = { 0xe8, 0x57, 0x4e, 0x3b, 0x71, 0x10, 0xd9, 0x18 };
	uint8_t tweak[16] = { 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78 };
	uint8_t cck[32], seed[64], xts[64], key[32], page[PAGE], out[PAGE], hash[64];
	uint8_t buf[COMPL_LEN] = {};
	unsigned int i;
	int op;

	for (i = 0; i < 64; i++) {
		cck[i % 32] = i % 32;
		seed[i] = 0x40 + i;
		xts[i] = 0x80 + i;
	}
	ASSERT_EQ(0, dump_key(cck, seed, key));
	EXPECT_EQ(0, memcmp(key, key_out, sizeof(key)));

	put32(buf, 1);
	put32(buf + 4, COMPL_LEN);
	memcpy(buf + COMPL_SEED, seed, sizeof(seed));
	for (i = 0; i < IV_LEN; i++)
		buf[COMPL_IV + i] = i;
	memcpy(buf + COMPL_AAD, tweak, sizeof(tweak));
	memcpy(buf + COMPL_AAD + 16, xts, sizeof(xts));
	ASSERT_EQ(0, gcm_crypt(true, key, buf + COMPL_IV, buf, COMPL_AAD,
			       COMPL_LEN - COMPL_AAD - TAG_LEN));
	EXPECT_EQ(0, memcmp(buf + COMPL_LEN - TAG_LEN, gcm_tag, TAG_LEN));
	ASSERT_EQ(0, gcm_crypt(false, key, buf + COMPL_IV, buf, COMPL_AAD,
			       COMPL_LEN - COMPL_AAD - TAG_LEN));
	EXPECT_EQ(0, memcmp(buf + COMPL_AAD + 16, xts, sizeof(xts)));
	buf[COMPL_SEED] ^= 1;
	EXPECT_EQ(-EBADMSG, gcm_crypt(false, key, buf + COMPL_IV, buf, COMPL_AAD,
				      COMPL_LEN - COMPL_AAD - TAG_LEN));

	image_plaintext(page, 0, PAGE);
	op = alg_open("skcipher", "xts(aes)", xts, sizeof(xts), 0);
	ASSERT_LE(0, op);
	ASSERT_EQ(0, alg_crypt(op, true, tweak, 16, 0, page, PAGE, out, PAGE));
	EXPECT_EQ(0, memcmp(out, page_first, 16));
	EXPECT_EQ(0, memcmp(out + PAGE - 16, page_last, 16));
	ASSERT_EQ(0, alg_crypt(op, false, tweak, 16, 0, out, PAGE, out, PAGE));
	EXPECT_EQ(0, memcmp(out, page, PAGE));
	close(op);

	ASSERT_EQ(0, alg_hash("sha512", NULL, 0, page, PAGE, hash));
	EXPECT_EQ(0, memcmp(hash, sha, sizeof(sha)));
}

/* Whole dumps, decrypted */

FIXTURE(dump) {
	struct vm vm;
};

FIXTURE_VARIANT(dump) {
	struct vm_opts opts;
};

FIXTURE_VARIANT_ADD(dump, one_cpu) {
	.opts = { .mib = 3, .cpus = 1, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, two_cpus) {
	.opts = { .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, four_cpus) {
	.opts = { .mib = 3, .cpus = 4, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, two_memory_slots) {
	.opts = { .mib = 4, .cpus = 2, .slots = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, unencrypted_image) {
	.opts = { .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PLAIN },
};

FIXTURE_VARIANT_ADD(dump, twenty_mib) {
	.opts = { .mib = 20, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_SETUP(dump)
{
	common_setup(_metadata, &self->vm, &variant->opts, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(dump)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(dump, plaintext_is_what_the_guest_was_given)
{
	ASSERT_EQ(0, dump_init(&self->vm));
	EXPECT_EQ(1, self->vm.cmd.rc);
	EXPECT_EQ(0, dump_and_verify(&self->vm, ~0U));
	if (!env.sim)
		return;
	EXPECT_EQ(1, sim_calls(UVC_INIT));
	EXPECT_EQ(variant->opts.cpus, sim_calls(UVC_CPU));
	EXPECT_EQ(variant->opts.mib, sim_calls(UVC_STOR_STATE));
	EXPECT_EQ(1, sim_calls(UVC_COMPLETE));
}

TEST_F(dump, twice_in_a_row_and_in_pieces)
{
	ASSERT_EQ(0, dump_init(&self->vm));
	ASSERT_EQ(0, dump_and_verify(&self->vm, 1));
	ASSERT_TRUE(vm_runs(&self->vm, 0));
	ASSERT_EQ(0, dump_init(&self->vm));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 2));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(pv, memory_reads_as_ciphertext)
{
	const struct comp *c = &the_image.comp[0];

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, c->plain);
	EXPECT_NE(0, memcmp(self->vm.mem + c->addr, c->plain, PAGE));
	EXPECT_NE(0, memcmp(self->vm.mem + c->addr, c->image, PAGE));
}

TEST_F(dumping, stor_state_is_the_same_in_any_order_and_size)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, i;
	uint8_t *other = guarded_alloc(mib * self->per);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, dump_stor(vm, self->buf, mib * self->per, 0));
	for (i = mib; i-- > 0;) {
		ASSERT_EQ(0, dump_stor(vm, other + i * self->per, self->per, i * MIB));
		EXPECT_EQ(1, vm->cmd.rc);
	}
	EXPECT_EQ(0, memcmp(self->buf, other, mib * self->per));
}

TEST_F(dumping, cpu_works_for_stopped_vcpus_and_repeatedly)
{
	struct vm *vm = &self->vm;
	uint8_t iv[IV_LEN];

	ASSERT_EQ(0, dump_cpu(vm, 1, self->buf));
	memcpy(iv, self->buf + CPU_IV, IV_LEN);
	ASSERT_EQ(0, dump_cpu(vm, 1, self->buf));
	EXPECT_NE(0, memcmp(iv, self->buf + CPU_IV, IV_LEN));
}

/* Is there swap space? The first line is a heading. */
static bool have_swap(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");
	bool have;

	have = f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f);
	if (f)
		fclose(f);
	return have;
}

/* How many pages of the guest are in swap, and in memory */
static int vm_pages(const struct vm *vm, size_t *in_swap, size_t *in_memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret = 0;
	uint64_t entry;
	uintptr_t i;

	*in_swap = 0;
	*in_memory = 0;
	if (fd < 0)
		return -errno;
	for (i = (uintptr_t)vm->mem / PAGE; i < ((uintptr_t)vm->mem + vm->size) / PAGE; i++) {
		if (pread(fd, &entry, sizeof(entry), i * sizeof(entry)) != sizeof(entry)) {
			ret = -EIO;
			break;
		}
		*in_swap += entry >> 62 & 1;
		*in_memory += entry >> 63;
	}
	close(fd);
	return ret;
}

/* From each CPU, as each keeps the pages last used there from being reclaimed by others. */
static int vm_swap_out(const struct vm *vm)
{
	cpu_set_t all, one;
	int i, ret = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return -errno;
	for (i = 0; i < CPU_SETSIZE && !ret; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (sched_setaffinity(0, sizeof(one), &one) ||
		    madvise(vm->mem, vm->size, MADV_PAGEOUT))
			ret = -errno;
	}
	if (sched_setaffinity(0, sizeof(all), &all))
		ret = ret ?: -errno;
	return ret;
}

TEST_F(pv, memory_in_swap_is_dumped)
{
	struct vm *vm = &self->vm;
	static struct dump d;
	size_t before, swapped, still, in_memory;

	if (!have_swap())
		SKIP(return, "no swap space");
	ASSERT_EQ(0, vm_pages(vm, &swapped, &before));
	ASSERT_EQ(0, swapped);
	ASSERT_EQ(0, vm_swap_out(vm));
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	ASSERT_LT(0, swapped);
	if (env.sim) {
		ASSERT_EQ(before, swapped);
		ASSERT_EQ(0, sim_set_registers(vm, &d));
	}

	ASSERT_EQ(0, dump_init(vm));
	ASSERT_EQ(0, dump_rest(vm, &d, 1));
	/* none of the calls needs the pages themselves */
	ASSERT_EQ(0, vm_pages(vm, &still, &in_memory));
	EXPECT_EQ(swapped, still);
	EXPECT_EQ(0, dump_verify(vm, &d));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* It comes back at other places. */
TEST_F(pv, memory_back_from_swap_is_the_guests)
{
	struct vm *vm = &self->vm;
	size_t addr, swapped, in_memory;
	char order[64];
	int ret;

	if (no_sim(_metadata))
		return;
	if (!have_swap())
		SKIP(return, "no swap space");
	ASSERT_EQ(0, vm_swap_out(vm));
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	ASSERT_LT(0, swapped);
	ASSERT_EQ(0, in_memory);
	for (addr = 0; addr < vm->size; addr += PAGE) {
		uint8_t *p = vm->mem + addr;

		if (!comp_of(vm->img, addr))
			continue;
		/* KVM makes it writable, too */
		__atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
		snprintf(order, sizeof(order), "import gaddr=0x%zx tgid=%d", addr, getpid());
		ret = sim_write("objects", order);
		if (ret == -ENXIO)
			SKIP(return, "the guest has page tables of its own");
		ASSERT_EQ(0, ret) {
			TH_LOG("page %zx", addr);
		}
	}
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	EXPECT_EQ(0, swapped);
	EXPECT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, ~0U));
}

TEST_F(pv, child_process_cannot_dump)
{
	struct vm *vm = &self->vm;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dump_init(vm) == -EIO && rc_untouched(vm) ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, dump_init(vm));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dump_rest(vm, &(struct dump){}, 4) == -EIO ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* the child and its copy of the address space come and go, the dump stays */
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/* Tracepoints */

static const char *const dump_events[] = {
	"kvm-s390/kvm_s390_pv_dump_init", "kvm-s390/kvm_s390_pv_dump_cpu",
	"kvm-s390/kvm_s390_pv_dump_stor_state", "kvm-s390/kvm_s390_pv_dump_complete",
	"kvm-s390/kvm_s390_pv_dump_end",
};

TEST_F(pv, tracepoints_tell_each_step)
{
	static char log[65536];
	static const char *const steps[] = {
		"kvm_s390_pv_dump_init: vm of pid %d rc 1 rrc 0\n",
		"kvm_s390_pv_dump_cpu: vm of pid %d cpu 1 rc 1 rrc 0\n",
		"kvm_s390_pv_dump_stor_state: vm of pid %d gaddr 100000 rc 1 rrc 0\n",
		"kvm_s390_pv_dump_stor_state: vm of pid %d gaddr 200000 rc 1234 rrc 56\n",
		"kvm_s390_pv_dump_complete: vm of pid %d rc 1 rrc 0\n",
		"kvm_s390_pv_dump_end: vm of pid %d\n",
	};
	struct vm *vm = &self->vm;
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	uint8_t *buf = guarded_alloc(4 * per);
	char step[128], *p = log;
	unsigned int i, n;
	int ret;

	if (no_sim(_metadata))
		return;
	if (!trace_have("kvm-s390/kvm_s390_pv_dump_end"))
		SKIP(return, "no tracepoints for dumps, or no tracefs");
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=2 rc=0x1234 rrc=0x56"));
	ASSERT_EQ(0, trace_start(dump_events, ARRAY_SIZE(dump_events)));
	ret = dump_init(vm) ?: dump_cpu(vm, 1, buf) ?:
	      dump_stor(vm, buf, 2 * per, MIB) + EINVAL ?:
	      dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	EXPECT_EQ(0, trace_stop(dump_events, ARRAY_SIZE(dump_events), log, sizeof(log)));
	ASSERT_EQ(0, ret);
	p = log;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(step, sizeof(step), steps[i], getpid());
		p = strstr(p, step);
		ASSERT_NE(NULL, p)
			TH_LOG("missing: %s", step);
	}
	/* nothing else in between */
	for (n = 0, p = log; (p = strstr(p, "kvm_s390_pv_dump_")); p++)
		n++;
	EXPECT_EQ(ARRAY_SIZE(steps), n);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
