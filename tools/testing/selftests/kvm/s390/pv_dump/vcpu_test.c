// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpus of a VM that is dumped: they leave KVM_RUN, stay out of SIE, and run again.
 */
#include "fixtures.h"

TEST_F(pv, runs_again_after_complete)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(vm->len.dump_config_finalize_len);

	ASSERT_NE(NULL, buf);
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, dump_init(vm));
	ASSERT_EQ(-EINVAL, vm_run(vm, 0, 20));
	ASSERT_EQ(0, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(vm_runs(vm, 0));
	if (env.sim)
		EXPECT_TRUE(vm_runs(vm, 1));
}

TEST_F(pv, init_makes_running_vcpus_leave)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);
	unsigned int i;

	/* a real guest may leave by itself, for something user space has to do */
	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(vm_runs(vm, i));
		ASSERT_EQ(0, runner_start(&r[i], vm, i));
	}
	for (i = 0; i < 2; i++)
		ASSERT_FALSE(wait_done(&r[i].done, 10));
	ASSERT_EQ(0, dump_init(vm));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(runner_join(&r[i], LONG_ENOUGH * 1000))
			TH_LOG("vcpu %u is still in KVM_RUN", i);
		EXPECT_EQ(-EINTR, r[i].ret);
		EXPECT_EQ(KVM_EXIT_INTR, vm->run[i]->exit_reason);
	}
	/* vcpu->mutex is free */
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, dump_cpu(vm, i, buf));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/*
 * Vcpu 0 in an enabled wait in KVM_RUN, and nothing that would end it. Entries to SIE
 * before that one.
 */
static long start_waiting(struct __test_metadata *_metadata, struct vm *vm, struct runner *r)
{
	long sie;

	ASSERT_EQ(0, sim_write("script", "pv icpt=0x1c"));
	sie = sim_sie();
	ASSERT_EQ(0, runner_start(r, vm, 0));
	while (sim_sie() == sie)
		sleep_ms(1);
	sleep_ms(50);
	ASSERT_EQ(sie + 1, sim_sie());
	ASSERT_FALSE(wait_done(&r->done, 0));
	return sie;
}

TEST_F(pv, init_makes_waiting_vcpus_leave)
{
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = start_waiting(_metadata, vm, &r);
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_TRUE(runner_join(&r, LONG_ENOUGH * 1000))
		TH_LOG("the vcpu is still in KVM_RUN");
	EXPECT_EQ(-EINTR, r.ret);
	EXPECT_EQ(KVM_EXIT_INTR, vm->run[0]->exit_reason);
	EXPECT_EQ(sie + 1, sim_sie());
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	/* it still waits, but in SIE again */
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie + 1, sim_sie());
}

TEST_F(pv, an_interrupt_ends_the_wait_of_a_vcpu)
{
	struct kvm_s390_interrupt stop = { .type = KVM_S390_SIGP_STOP };
	struct vm *vm = &self->vm;
	struct runner r;
	double end;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = start_waiting(_metadata, vm, &r);
	end = now() + LONG_ENOUGH;
	/* no dump: it is for the interrupt alone that it wakes up */
	ASSERT_EQ(0, xioctl(vm->cpu[0], KVM_S390_INTERRUPT, &stop));
	while (sim_sie() == sie + 1 && now() < end)
		sleep_ms(1);
	EXPECT_LT(sie + 1, sim_sie());
	runner_join(&r, 0);
	EXPECT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(pv, no_sie_entry_while_dumping)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	long sie;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_LT(sie, sim_sie());
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, runner_start(&r[i], vm, i));
	sleep_ms(20);
	ASSERT_EQ(0, dump_init(vm));
	/* the simulator may count the last entry late */
	for (i = 0; i < 2; i++)
		runner_join(&r[i], 1000);
	sie = sim_sie();
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, rerunner_start(&r[i], vm, i));
	sleep_ms(30);
	for (i = 0; i < 2; i++) {
		runner_join(&r[i], 100);
		EXPECT_EQ(-EINVAL, r[i].ret);
	}
	EXPECT_EQ(sie, sim_sie());
}

/* A vcpu that was inside KVM_RUN when the dump began must not get back into SIE. */
TEST_F(pv, crypto_attribute_does_not_let_running_vcpus_run)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	while (sim_sie() == sie)
		sleep_ms(1);
	ASSERT_EQ(0, dump_init(vm));
	/* the simulator may count the last entry late */
	wait_done(&r.done, 1000);
	sie = sim_sie();
	ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &on));
	sleep_ms(20);
	EXPECT_EQ(sie, sim_sie());
	runner_join(&r, 1000);
	EXPECT_EQ(-EINTR, r.ret);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(pv, failed_init_lets_running_vcpus_run)
{
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, sim_write("faults", "cmd=0x400 nth=1 rc=0x1234 rrc=0x5"));
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	sleep_ms(20);
	ASSERT_EQ(-EINVAL, dump_init(vm));
	/* it may have been kicked out, but it must not be stuck */
	runner_join(&r, 50);
	EXPECT_TRUE(r.ret == -EINTR || r.ret == 0);
	sie = sim_sie();
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie, sim_sie());
}

struct initer {
	pthread_t thread;
	struct vm vm;		/* same fds, own structures */
	int ret;
};

static void *init_fn(void *arg)
{
	struct initer *in = arg;

	in->ret = dump_init(&in->vm);
	return NULL;
}

/* Returns in the middle of the UVC of an INIT, which is going to be refused */
static int refused_init_start(struct initer *in, struct vm *vm, unsigned int delay_us)
{
	double end = now() + LONG_ENOUGH;
	int ret;

	*in = (struct initer) { .vm = *vm };
	ret = sim_write("faults", "cmd=0x400 nth=1 rc=0x1234 rrc=0x5 delay_us=%u", delay_us) ?:
	      -pthread_create(&in->thread, NULL, init_fn, in);
	while (!ret && sim_hits() != 1)
		if (now() > end)
			return -ETIME;
	return ret;
}

TEST_F(pv, refused_init_does_not_end_a_vcpu_loop)
{
	static const unsigned int delay[] = { 0, 1000, 5000, 20000, 100000, 300000 };
	struct vm *vm = &self->vm;
	struct initer in;
	struct runner r;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < ARRAY_SIZE(delay); i++) {
		ASSERT_EQ(0, vcpu_loop_start(&r, vm->cpu[0]));
		ASSERT_TRUE(sim_sie_goes_on());
		ASSERT_EQ(0, refused_init_start(&in, vm, delay[i]));
		pthread_join(in.thread, NULL);
		EXPECT_EQ(-EINVAL, in.ret);
		EXPECT_EQ(0x1234, in.vm.cmd.rc);
		EXPECT_EQ(0x5, in.vm.cmd.rrc);
		/* it is the same KVM_RUN, or the next one, but not the last */
		EXPECT_TRUE(sim_sie_goes_on());
		EXPECT_FALSE(wait_done(&r.done, 20))
			TH_LOG("UVC of %u us: the vcpu loop ended with %d", delay[i], r.ret);
		runner_join(&r, 50);
		ASSERT_EQ(0, sim_write("faults", "clear"));
	}
	/* while the same loop ends with a dump that does begin */
	ASSERT_EQ(0, vcpu_loop_start(&r, vm->cpu[0]));
	ASSERT_TRUE(sim_sie_goes_on());
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_TRUE(wait_done(&r.done, LONG_ENOUGH * 1000));
	runner_join(&r, 50);
	EXPECT_EQ(-EINVAL, r.ret);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/*
 * The kernel takes a vcpu for out of SIE before the simulator looks at the entry, and
 * must not be blamed for what comes in between. It seldom does not, so try again.
 */
TEST_F(pv, entry_of_sie_that_is_late_for_a_busy_init_is_right)
{
	struct vm *vm = &self->vm;
	struct initer in;
	struct runner r;
	long late = 0;
	double end;
	int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < 20 && !late; i++) {
		ASSERT_EQ(0, sim_write("faults", "sie_delay_us=100000"));
		ASSERT_EQ(0, vcpu_loop_start(&r, vm->cpu[0]));
		ASSERT_TRUE(sim_sie_goes_on());
		ASSERT_EQ(0, sim_write("faults", "cmd=0x400 nth=1 busy=0x7fffffff cc=3"));
		in = (struct initer) { .vm = *vm };
		ASSERT_EQ(0, pthread_create(&in.thread, NULL, init_fn, &in));
		for (end = now() + 0.5; !late && now() < end;)
			late = sim_number("counters", "late");
		ASSERT_EQ(0, sim_write("faults", "clear"));
		pthread_join(in.thread, NULL);
		EXPECT_EQ(0, in.ret);
		EXPECT_TRUE(wait_done(&r.done, LONG_ENOUGH * 1000));
		runner_join(&r, 50);
		EXPECT_EQ(-EINVAL, r.ret);
		EXPECT_EQ(0, dump_and_verify(vm, 4));
		EXPECT_TRUE(vm_runs(vm, 0));
	}
	EXPECT_EQ(1, late);
}

TEST_F(pv, cpu_dump_during_a_refused_init_reaches_nobody)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);
	struct initer in;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, refused_init_start(&in, vm, 300000));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_TRUE(rc_untouched(vm));
	pthread_join(in.thread, NULL);
	EXPECT_EQ(-EINVAL, in.ret);
	EXPECT_EQ(0, sim_calls(UVC_CPU));
	EXPECT_TRUE(all_bytes(buf, CANARY, PAGE));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	/* the same call is right as soon as there is a dump */
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_cpu(vm, 0, buf));
	EXPECT_EQ(1, sim_calls(UVC_CPU));
}

/* A thread that creates vcpus, one after the other */
#define NEW_CPUS	200

struct creator {
	pthread_t thread;
	struct vm *vm;
	int fd[NEW_CPUS];
	unsigned int made;
	int ret;
	int done;
};

static void *creator_fn(void *arg)
{
	struct creator *c = arg;
	unsigned int i;
	int fd;

	for (i = 0; i < NEW_CPUS; i++) {
		fd = ioctl(c->vm->fd, KVM_CREATE_VCPU, 16UL + i);
		if (fd < 0) {
			c->ret = -errno;
			break;
		}
		c->fd[i] = fd;
		__atomic_store_n(&c->made, i + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned int creator_made(struct creator *c)
{
	return __atomic_load_n(&c->made, __ATOMIC_ACQUIRE);
}

/* A vcpu whose kvm_run is not mapped: can it run */
static bool new_cpu_runs(int fd)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_OPERATING };
	struct runner r;
	bool ok;

	if (xioctl(fd, KVM_SET_MP_STATE, &mp) || vcpu_loop_start(&r, fd))
		return false;
	ok = sim_sie_goes_on();
	runner_join(&r, 10);
	return ok && (r.ret == 0 || r.ret == -EINTR);
}

/* The simulator looks at all CPUs there are with each call of a dump */
TEST_F(pv, vcpus_created_during_a_dump_are_blocked_from_the_start)
{
	static struct creator c;
	struct vm *vm = &self->vm;
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	uint8_t *buf = guarded_alloc(PAGE);
	unsigned int calls = 0, between = 0, made = 0, i;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	c = (struct creator) { .vm = vm };
	ASSERT_EQ(0, dump_init(vm));
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, creator_fn, &c));
	while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE)) {
		ASSERT_EQ(0, dump_stor(vm, buf, per, 0));
		calls++;
		between += creator_made(&c) != made;
		made = creator_made(&c);
	}
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.ret);
	EXPECT_EQ(NEW_CPUS, c.made);
	EXPECT_EQ(violations_before, sim_violations());
	EXPECT_LT(1, between)
		TH_LOG("%u calls did not meet %u new vcpus", calls, c.made);
	EXPECT_EQ(-EINVAL, xioctl(c.fd[c.made - 1], KVM_RUN, NULL));
	ASSERT_EQ(0, dump_complete(vm, buf, PAGE));
	EXPECT_TRUE(new_cpu_runs(c.fd[0]));
	EXPECT_TRUE(new_cpu_runs(c.fd[c.made - 1]));
	for (i = 0; i < c.made; i++)
		close(c.fd[i]);
}

/* One that is made while a dump begins or ends may miss neither */
TEST_F_TIMEOUT(pv, vcpus_created_between_dumps_are_not_blocked_for_ever, 120)
{
	static struct creator c;
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);
	unsigned int dumps = 0, met = 0, made = 0, i;

	if (no_sim(_metadata))
		return;
	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	ASSERT_NE(NULL, buf);
	c = (struct creator) { .vm = vm };
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, creator_fn, &c));
	while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE)) {
		ASSERT_EQ(0, dump_init(vm));
		ASSERT_EQ(0, dump_complete(vm, buf, PAGE));
		dumps++;
		met += creator_made(&c) != made;
		made = creator_made(&c);
	}
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.ret);
	EXPECT_LT(1, met)
		TH_LOG("%u dumps did not meet %u new vcpus", dumps, c.made);
	for (i = 0; i < c.made; i++) {
		EXPECT_TRUE(new_cpu_runs(c.fd[i]))
			TH_LOG("new vcpu %u of %u", i, c.made);
		close(c.fd[i]);
	}
}

TEST_F(pv, dumps_race_with_kvm_run)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);
	double end = now() + LONG_ENOUGH;
	unsigned int i, k, met = 0;
	long sie;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	sie = sim_sie();
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, rerunner_start(&r[i], vm, i));
	/* that no vcpu enters SIE meanwhile is for the simulator to watch */
	for (k = 0; k < 50; k++) {
		/* every other time one has entered, and stays there until this ends it */
		while (k % 2 && sim_sie() == sie && now() < end)
			sleep_ms(1);
		met += sim_sie() != sie;
		ASSERT_EQ(0, dump_init(vm));
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, dump_cpu(vm, i, buf));
		sie = sim_sie();
		ASSERT_EQ(0, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	}
	EXPECT_LE(25, met);
	for (i = 0; i < 2; i++)
		runner_join(&r[i], 20);
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, kvm_run_einval)
{
	unsigned int i;

	for (i = 0; i < self->vm.nr_cpus; i++)
		EXPECT_EQ(-EINVAL, vm_run(&self->vm, i, 50));
}

TEST_F(dumping, kvm_run_with_immediate_exit_einval)
{
	self->vm.run[0]->immediate_exit = 1;
	EXPECT_EQ(-EINVAL, xioctl(self->vm.cpu[0], KVM_RUN, NULL));
	/* it is looked at again when the dump is over */
	ASSERT_EQ(0, dump_and_verify(&self->vm, 4));
	EXPECT_EQ(-EINTR, xioctl(self->vm.cpu[0], KVM_RUN, NULL));
	self->vm.run[0]->immediate_exit = 0;
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(dumping, new_vcpu_is_blocked_and_dumpable)
{
	struct vm *vm = &self->vm;
	unsigned int i = vm->nr_cpus;
	long sie = env.sim ? sim_sie() : 0;

	ASSERT_EQ(0, vm_add_cpu(vm));
	EXPECT_EQ(-EINVAL, vm_run(vm, i, 30));
	if (env.sim)
		EXPECT_EQ(sie, sim_sie());
	EXPECT_EQ(0, dump_cpu(vm, i, self->buf));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	ASSERT_EQ(0, vm_set_state(vm, i, KVM_MP_STATE_OPERATING));
	sie = env.sim ? sim_sie() : 0;
	EXPECT_TRUE(vm_runs(vm, i));
	if (env.sim)
		EXPECT_LT(sie, sim_sie());
}

TEST_F(dumping, crypto_attribute_does_not_unblock)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct kvm_device_attr off = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_DISABLE_AES_KW,
	};
	struct vm *vm = &self->vm;
	struct runner r;
	unsigned int i;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_EQ(0, rerunner_start(&r, vm, 0));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &on));
		ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &off));
	}
	sleep_ms(20);
	EXPECT_EQ(sie, sim_sie());
	runner_join(&r, 100);
	EXPECT_EQ(-EINVAL, r.ret);
	EXPECT_EQ(sie, sim_sie());
	/* and what was changed meanwhile does not keep them blocked afterwards */
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie, sim_sie());
}

TEST_F(dumping, stopping_and_starting_vcpus_does_not_end_the_dump)
{
	struct vm *vm = &self->vm;

	vm_set_state(vm, 1, KVM_MP_STATE_STOPPED);
	vm_set_state(vm, 1, KVM_MP_STATE_OPERATING);
	EXPECT_EQ(-EINVAL, vm_run(vm, 1, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
