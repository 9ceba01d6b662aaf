/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs have in common: the harness, and the VMs that tests start from.
 * Not for lib/: the harness keeps its lists in the file that includes it.
 */
#ifndef PV_DUMP_FIXTURES_H
#define PV_DUMP_FIXTURES_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "kselftest_harness.h"

/*
 * The harness's 30 s are not enough where the CPU is emulated and the kernel watches each
 * access. What hangs is ended by the runner in any case.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

#include "lib/child.h"
#include "lib/dump.h"
#include "lib/env.h"
#include "lib/sim.h"

static inline bool no_sim(struct __test_metadata *_metadata)
{
	if (!env.sim)
		SKIP(return true, "needs the Ultravisor simulator (uvsim)");
	return false;
}

static long __attribute__((unused)) violations_before;

/* The common part of all fixtures: image, VM, and the way to @stage */
static inline void common_setup(struct __test_metadata *_metadata, struct vm *vm,
				const struct vm_opts *opts, enum stage stage)
{
	struct vm_opts o = *opts;

	if (env.sim) {
		ASSERT_EQ(0, sim_reset());
		violations_before = sim_violations();
		ASSERT_LE(0, violations_before);
	}
	ASSERT_EQ(0, image_get(&the_image, o.mib, o.pcf));
	o.mib = the_image.mem_size / MIB;
	ASSERT_EQ(0, vm_create(vm, &o));
	ASSERT_EQ(0, vm_protect(vm, &the_image, stage));
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
}

/* Closing everything frees everything, and KVM kept to the rules of the interface. */
static inline void common_teardown(struct __test_metadata *_metadata, struct vm *vm)
{
	char buf[4096];

	vm_close(vm);
	if (!env.sim)
		return;
	EXPECT_TRUE(sim_no_objects()) {
		sim_read("objects", buf, sizeof(buf));
		TH_LOG("alive after close: %s", buf);
	}
	EXPECT_EQ(violations_before, sim_violations()) {
		sim_read("violations", buf, sizeof(buf));
		TH_LOG("violations: %s", buf);
	}
	EXPECT_EQ(0, sim_write("faults", "clear") ?: sim_write("qui", "reset"));
}

static const struct vm_opts __attribute__((unused)) default_opts = DEFAULT_OPTS;

/* Static in newer harnesses, and no program needs all of them */
#pragma GCC diagnostic ignored "-Wunused-function"

/* A VM that is not protected */

FIXTURE(vm) {
	struct vm vm;
};

FIXTURE_SETUP(vm)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_VM);
}

FIXTURE_TEARDOWN(vm)
{
	common_teardown(_metadata, &self->vm);
}

/* A protected VM, verified and ready to run */

FIXTURE(pv) {
	struct vm vm;
};

FIXTURE_SETUP(pv)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(pv)
{
	common_teardown(_metadata, &self->vm);
}

/* A dump that was begun */

FIXTURE(dumping) {
	struct vm vm;
	uint8_t *buf;
	size_t per;
};

FIXTURE_SETUP(dumping)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_DUMPING);
	self->per = self->vm.len.dump_config_mem_buffer_per_1m;
	self->buf = guarded_alloc(self->vm.size / MIB * self->per);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(dumping)
{
	common_teardown(_metadata, &self->vm);
}

/* A larger guest: requests that take a while */

FIXTURE(big) {
	struct vm vm;
	struct vm other;	/* for the second thread: same fds, own structures */
	uint8_t *buf;
	uint8_t *ref;
	size_t per;
	size_t len;
};

/*
 * kvm->lock is free for a moment after each few blocks. A waiter on a machine
 * whose CPUs are stolen can miss that moment, so there have to be many.
 */
#define BIG_MIB		256

FIXTURE_SETUP(big)
{
	struct vm_opts o = DEFAULT_OPTS;
	unsigned int i;

	if (!env.sim)
		return;
	o.mib = BIG_MIB;
	common_setup(_metadata, &self->vm, &o, STAGE_DUMPING);
	self->per = self->vm.len.dump_config_mem_buffer_per_1m;
	self->len = BIG_MIB * self->per;
	self->buf = guarded_alloc(self->len);
	self->ref = guarded_alloc(self->len);
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->ref);
	/* one by one, so that it does not depend on what is tested: long requests */
	for (i = 0; i < BIG_MIB; i++)
		ASSERT_EQ(0, dump_stor(&self->vm, self->ref + i * self->per, self->per, i * MIB));
	self->other = self->vm;
}

FIXTURE_TEARDOWN(big)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

struct stor {
	pthread_t thread;
	struct vm *vm;
	uint8_t *buf;
	size_t len;
	uint64_t gaddr;
	int ret;
	int done;
};

static inline void *stor_fn(void *arg)
{
	struct stor *s = arg;

	s->ret = dump_stor(s->vm, s->buf, s->len, s->gaddr);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* 256 blocks of 20 ms, under way but far from the end */
static inline int stor_start(struct stor *s, struct vm *vm, uint8_t *buf, size_t len)
{
	double end = now() + LONG_ENOUGH;
	long calls = sim_calls(UVC_STOR_STATE);
	int ret = sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=20000");

	*s = (struct stor) { .vm = vm, .buf = buf, .len = len };
	ret = ret ?: -pthread_create(&s->thread, NULL, stor_fn, s);
	while (!ret && sim_calls(UVC_STOR_STATE) < calls + 2) {
		if (now() > end)
			return -ETIME;
		sleep_ms(1);
	}
	return ret;
}

#endif
