// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads, signals and processes: dump calls beside each other, beside the
 * end of the dump, the VM or its owner. Some go on for PV_DUMP_SECONDS=N.
 */
#include "fixtures.h"

struct dumper {
	pthread_t thread;
	struct vm vm;		/* same fds, own structures */
	uint8_t *buf;
	size_t len;
	unsigned int cpu;
	unsigned int good;
	unsigned int seq;	/* odd: in the middle of a command */
	int stop;
	int ret;
	int done;
};

static void dumper_step(struct dumper *d)
{
	__atomic_fetch_add(&d->seq, 1, __ATOMIC_ACQ_REL);
}

static bool dumper_inside(const struct dumper *d)
{
	return __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE) & 1;
}

/*
 * CPU 0 and the storage state, over and over; 0 and -EINVAL are all it may get,
 * and no response code but 1: KVM knows that the dump is over, no UVC has to
 * find out.
 */
static void *dumper_fn(void *arg)
{
	struct dumper *d = arg;
	int ret;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		dumper_step(d);
		ret = dump_cpu(&d->vm, 0, d->buf);
		if (!ret)
			ret = dump_stor(&d->vm, d->buf, d->len, 0);
		dumper_step(d);
		if (!ret)
			__atomic_fetch_add(&d->good, 1, __ATOMIC_RELAXED);
		else if (ret != -EINVAL)
			d->ret = ret;
		if (!rc_untouched(&d->vm) && d->vm.cmd.rc != 1)
			d->ret = d->vm.cmd.rc;
	}
	return NULL;
}

static void race_with_dumper(struct __test_metadata *_metadata, struct vm *vm, bool disable)
{
	uint8_t *buf = guarded_alloc(PAGE);
	struct dumper d = { .vm = *vm };
	double end = now() + LONG_ENOUGH, stress = now() + env_number("PV_DUMP_SECONDS", 0);
	unsigned int i, met = 0;

	ASSERT_NE(NULL, buf);
	d.len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	d.buf = guarded_alloc(d.len);
	ASSERT_NE(NULL, d.buf);
	ASSERT_EQ(0, pthread_create(&d.thread, NULL, dumper_fn, &d));
	/* that nothing gets to the Ultravisor with a stale handle is for it to watch */
	for (i = 0; i < 20 || (met < 10 && now() < end) || now() < stress; i++) {
		/* what comes now begins while that one is under way */
		met += dumper_inside(&d);
		if (disable) {
			ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
			ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
		} else {
			ASSERT_EQ(0, dump_complete(vm, buf, PAGE));
			ASSERT_EQ(0, dump_init(vm));
		}
		sleep_ms(i % 4);
	}
	while (!__atomic_load_n(&d.good, __ATOMIC_RELAXED) && now() < end)
		sleep_ms(1);
	__atomic_store_n(&d.stop, 1, __ATOMIC_RELEASE);
	pthread_join(d.thread, NULL);
	EXPECT_EQ(0, d.ret);
	EXPECT_LT(0, d.good);
	EXPECT_LE(10, met);
	TH_LOG("%u rounds met a dump call %u times", i, met);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F_TIMEOUT(dumping, end_and_new_dump_race_with_dump_calls, 100000)
{
	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	if (no_sim(_metadata))
		return;
	race_with_dumper(_metadata, &self->vm, false);
}

TEST_F_TIMEOUT(dumping, disable_and_new_life_race_with_dump_calls, 100000)
{
	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	if (no_sim(_metadata))
		return;
	race_with_dumper(_metadata, &self->vm, true);
}

/* What threads do to the same dump, all at once */
enum change { C_INIT, C_COMPLETE, C_COMPLETE_BAD, C_STOR, C_CPU, CHANGES };

/* and how long each of the calls takes, so that the next one meets it */
#define CALL_US	300

struct changer {
	pthread_t thread;
	struct vm vm;		/* same fds, own structures */
	unsigned int nr;	/* of this thread, which is that of its vcpu as well */
	uint8_t *buf, *bad;
	unsigned int calls;
	/* dumps that the Ultravisor has begun, and completed */
	unsigned int begun, completed;
	int ret;
};

static struct {
	int stop;
	int inside[2];		/* 1 + what a thread is in the middle of */
	unsigned int met[CHANGES][CHANGES];
} changes;

static int change(struct changer *c, enum change what)
{
	struct vm *vm = &c->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;

	switch (what) {
	case C_INIT:
		return dump_init(vm);
	case C_COMPLETE:
		memset(c->buf, CANARY, len);
		return dump_complete(vm, c->buf, len);
	case C_COMPLETE_BAD:
		return dump_complete(vm, c->bad, len);
	case C_STOR:
		return dump_stor(vm, c->buf, vm->len.dump_config_mem_buffer_per_1m, MIB);
	default:
		return dump_cpu(vm, c->nr, c->buf);
	}
}

static void *changer_fn(void *arg)
{
	struct changer *c = arg;
	uint32_t x = 1 + c->nr;
	enum change what;
	int other, ret;
	bool uvc;

	while (!__atomic_load_n(&changes.stop, __ATOMIC_ACQUIRE)) {
		x = x * 1664525 + 1013904223;
		what = (x >> 16) % CHANGES;
		__atomic_store_n(&changes.inside[c->nr], 1 + what, __ATOMIC_SEQ_CST);
		other = __atomic_load_n(&changes.inside[!c->nr], __ATOMIC_SEQ_CST);
		if (other)
			__atomic_fetch_add(&changes.met[what][other - 1], 1, __ATOMIC_RELAXED);
		ret = change(c, what);
		__atomic_store_n(&changes.inside[c->nr], 0, __ATOMIC_SEQ_CST);
		c->calls++;
		uvc = !rc_untouched(&c->vm);
		c->begun += uvc && what == C_INIT;
		c->completed += uvc && (what == C_COMPLETE || what == C_COMPLETE_BAD);
		/* it is the state alone that another one can make wrong */
		if (ret && ret != -EINVAL && !(ret == -EFAULT && what == C_COMPLETE_BAD))
			c->ret = ret;
		if (uvc && c->vm.cmd.rc != 1)
			c->ret = c->vm.cmd.rc;
		if (!ret && what == C_COMPLETE &&
		    (get32(c->buf) != 1 || get32(c->buf + 4) != COMPL_LEN))
			c->ret = -EPROTO;
	}
	return NULL;
}

/* How often the pair that met least seldom did, of those that change the state */
static unsigned int least_met(void)
{
	unsigned int i, k, met, least = ~0U;

	for (i = C_INIT; i <= C_COMPLETE_BAD; i++)
		for (k = 0; k < CHANGES; k++) {
			met = __atomic_load_n(&changes.met[i][k], __ATOMIC_RELAXED) +
			      __atomic_load_n(&changes.met[k][i], __ATOMIC_RELAXED);
			least = met < least ? met : least;
		}
	return least;
}

/* Whatever happens at once, dumps that are begun are completed, one after the other */
TEST_F_TIMEOUT(dumping, changes_of_the_state_race_with_each_other, 100000)
{
	double end = now() + LONG_ENOUGH, stress = now() + env_number("PV_DUMP_SECONDS", 0);
	struct vm *vm = &self->vm;
	const unsigned int runs = vm->nr_cpus;
	struct changer c[2];
	struct runner r;
	unsigned int i, uvc;
	long sie;
	int open;

	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	if (no_sim(_metadata))
		return;
	/* and a vcpu that runs whenever it can */
	ASSERT_EQ(0, dump_complete(vm, self->buf, self->per));
	ASSERT_EQ(0, vm_add_cpu(vm));
	ASSERT_EQ(0, vm_set_state(vm, runs, KVM_MP_STATE_OPERATING));
	memset(&changes, 0, sizeof(changes));
	for (uvc = UVC_INIT; uvc <= UVC_COMPLETE; uvc++)
		ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 count=0 delay_us=%u", uvc,
				       CALL_US));
	for (i = 0; i < 2; i++) {
		c[i] = (struct changer) {
			.vm = *vm, .nr = i, .buf = guarded_alloc(PAGE), .bad = no_access(PAGE),
		};
		ASSERT_TRUE(c[i].buf && c[i].bad);
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, changer_fn, &c[i]));
	}
	sie = sim_sie();
	ASSERT_EQ(0, rerunner_start(&r, vm, runs));
	while (((least_met() < 2 || sim_sie() < sie + 2) && now() < end) || now() < stress)
		sleep_ms(5);
	__atomic_store_n(&changes.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].ret);
	}
	sie = sim_sie() - sie;
	runner_join(&r, 20);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_LE(2, least_met());
	EXPECT_LT(1, sie);
	TH_LOG("%u calls for %u dumps, each two at once %u times or more, a vcpu entered %ld times",
	       c[0].calls + c[1].calls, c[0].begun + c[1].begun, least_met(), sie);
	/* the last one may be under way, or undelivered */
	open = c[0].begun + c[1].begun - c[0].completed - c[1].completed;
	EXPECT_TRUE(open == 0 || open == 1)
		TH_LOG("%d dumps are under way", open);
	EXPECT_EQ(open ? -EINVAL : 0, open ? dump_init(vm) : 0);
	dump_complete(vm, c[0].buf, PAGE);
	EXPECT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

static void *disable_fn(void *arg)
{
	struct dumper *d = arg;

	d->ret = pv(&d->vm, KVM_PV_DISABLE, NULL);
	__atomic_store_n(&d->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *cpu_fn(void *arg)
{
	struct dumper *d = arg;

	d->ret = dump_cpu(&d->vm, d->cpu, d->buf);
	__atomic_store_n(&d->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *complete_fn(void *arg)
{
	struct dumper *d = arg;

	d->ret = dump_complete(&d->vm, d->buf, d->vm.len.dump_config_finalize_len);
	__atomic_store_n(&d->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F(dumping, cpu_dump_in_the_middle_of_disable)
{
	struct vm *vm = &self->vm;
	struct dumper d = { .vm = *vm }, cpu[2];
	unsigned int i;
	bool running;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < 2; i++)
		cpu[i] = (struct dumper) { .vm = *vm, .cpu = i, .buf = guarded_alloc(PAGE) };
	/* CPU 0 is gone, CPU 1 takes until the rule is, and the dump is not over before */
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=2 busy=0x7fffffff", UVC_DESTROY_CPU));
	ASSERT_EQ(0, pthread_create(&d.thread, NULL, disable_fn, &d));
	while (sim_hits() < 1)
		sleep_ms(1);
	/* they may wait for the end of it, but no UVC may come out of that */
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&cpu[i].thread, NULL, cpu_fn, &cpu[i]));
	wait_done(&cpu[0].done, 100);
	running = !wait_done(&d.done, 0);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(d.thread, NULL);
	EXPECT_TRUE(running);
	EXPECT_EQ(0, d.ret);
	for (i = 0; i < 2; i++) {
		pthread_join(cpu[i].thread, NULL);
		EXPECT_EQ(-EINVAL, cpu[i].ret);
		EXPECT_TRUE(rc_untouched(&cpu[i].vm));
		EXPECT_TRUE(all_bytes(cpu[i].buf, CANARY, PAGE));
	}
	EXPECT_EQ(0, sim_calls(UVC_CPU));
}

/* Returns in the middle of the UVC, which is busy until the rule is gone */
static void busy_cpu_dump(struct __test_metadata *_metadata, struct dumper *d)
{
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff", UVC_CPU));
	ASSERT_EQ(0, pthread_create(&d->thread, NULL, cpu_fn, d));
	while (sim_hits() < 1)
		sleep_ms(1);
}

TEST_F(dumping, complete_waits_for_a_cpu_dump)
{
	struct vm *vm = &self->vm;
	struct dumper d = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	struct dumper c = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	bool running;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, d.buf);
	ASSERT_NE(NULL, c.buf);
	busy_cpu_dump(_metadata, &d);
	/* the UVC is under way: no other may end the dump before it is through */
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, complete_fn, &c));
	EXPECT_FALSE(wait_done(&c.done, 100));
	EXPECT_EQ(0, sim_calls(UVC_COMPLETE));
	running = !wait_done(&d.done, 0);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(d.thread, NULL);
	pthread_join(c.thread, NULL);
	EXPECT_TRUE(running);
	EXPECT_EQ(0, d.ret);
	EXPECT_EQ(1, d.vm.cmd.rc);
	EXPECT_EQ(0, c.ret);
	EXPECT_EQ(1, c.vm.cmd.rc);
}

static int complete_of_a_process(void *arg)
{
	complete_fn(arg);
	return 0;
}

/* ... and a fatal signal ends the wait, but not the dump */
TEST_F(dumping, complete_that_waits_for_a_cpu_dump_can_be_killed)
{
	struct vm *vm = &self->vm;
	struct dumper d = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	struct dumper c = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	double end = now() + LONG_ENOUGH;
	bool waits = false;
	pid_t pid;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, d.buf);
	ASSERT_NE(NULL, c.buf);
	busy_cpu_dump(_metadata, &d);
	/* of another process with the same memory, so that the VM stays */
	pid = child_sharing(complete_of_a_process, &c);
	ASSERT_LT(0, pid);
	while (!waits && now() < end) {
		sleep_ms(1);
		waits = child_waits_in_kvm(pid);
	}
	EXPECT_TRUE(waits);
	EXPECT_TRUE(child_kill(pid));
	EXPECT_FALSE(wait_done(&c.done, 0));
	EXPECT_EQ(0, sim_calls(UVC_COMPLETE));
	EXPECT_TRUE(all_bytes(c.buf, CANARY, PAGE));
	EXPECT_FALSE(wait_done(&d.done, 0));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(d.thread, NULL);
	EXPECT_EQ(0, d.ret);
	EXPECT_EQ(1, d.vm.cmd.rc);
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

FIXTURE(owner) {
	int pipe[2];
	pid_t pid;
};

FIXTURE_SETUP(owner)
{
	if (env.sim) {
		ASSERT_EQ(0, sim_reset());
		violations_before = sim_violations();
	}
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(owner)
{
	if (!env.sim)
		return;
	EXPECT_TRUE(sim_no_objects());
	EXPECT_EQ(violations_before, sim_violations());
	EXPECT_EQ(0, sim_write("faults", "clear"));
}

/* Every block is a UVC, so their number says how long the signal was not seen. */
TEST_F(owner, sigkill_ends_a_million_blocks_within_one)
{
	int status;
	long calls;

	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct vm vm;
		uint8_t *buf;
		size_t len;

		child_vm(&vm, 64, STAGE_DUMPING);
		len = vm.len.dump_config_mem_buffer_per_1m << 20;
		buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (buf == MAP_FAILED ||
		    sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=100000"))
			_exit(1);
		child_report(self->pipe[1]);
		_exit(dump_stor(&vm, buf, len, 0));
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	while (sim_calls(UVC_STOR_STATE) < 2)
		sleep_ms(1);
	ASSERT_EQ(0, waitpid(self->pid, &status, WNOHANG));
	kill(self->pid, SIGKILL);
	calls = sim_calls(UVC_STOR_STATE);
	ASSERT_GT(62, calls);
	EXPECT_TRUE(child_kill(self->pid));
	EXPECT_GE(calls + 1, sim_calls(UVC_STOR_STATE));
}

static void busy_is_killable(struct __test_metadata *_metadata, int *fds, unsigned int uvc)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		static uint8_t buf[2 * PAGE];
		struct vm vm;

		child_vm(&vm, 4, uvc == UVC_INIT ? STAGE_VERIFIED : STAGE_DUMPING);
		if (sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff", uvc))
			_exit(1);
		child_report(fds[1]);
		_exit(do_uvc(&vm, uvc, buf));
	}
	close(fds[1]);
	ASSERT_TRUE(child_ready(fds[0]));
	while (sim_hits() < 1)
		sleep_ms(1);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_TRUE(child_kill(pid));
}

TEST_F(owner, sigkill_ends_init_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_INIT);
}

TEST_F(owner, sigkill_ends_stor_state_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_STOR_STATE);
}

TEST_F(owner, sigkill_ends_cpu_dump_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_CPU);
}

TEST_F(owner, sigkill_ends_complete_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_COMPLETE);
}

TEST_F(owner, sigkill_with_vcpus_in_kvm_run)
{
	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct runner r[2];
		struct vm vm;

		child_vm(&vm, 4, STAGE_VERIFIED);
		if (runner_start(&r[0], &vm, 0) || runner_start(&r[1], &vm, 1))
			_exit(1);
		sleep_ms(20);
		if (dump_init(&vm))
			_exit(1);
		child_report(self->pipe[1]);
		pause();
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	EXPECT_TRUE(child_kill(self->pid));
}

TEST_F(owner, exec_ends_the_dump)
{
	int status;

	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct vm vm;

		child_vm(&vm, 4, STAGE_DUMPING);
		if (sim_objects() <= 0)
			_exit(1);
		child_report(self->pipe[1]);
		execl("/proc/self/exe", "race_test", "--wait", NULL);
		_exit(1);
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	/* the new program sleeps, its fds and memory are those of exec */
	EXPECT_TRUE(sim_no_objects());
	EXPECT_EQ(0, waitpid(self->pid, &status, WNOHANG));
	kill(self->pid, SIGKILL);
	EXPECT_EQ(self->pid, waitpid(self->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(big, stor_state_is_not_ended_by_signals)
{
	struct itimerval it = {
		.it_value.tv_usec = 3000, .it_interval.tv_usec = 3000,
	};
	struct itimerval off = {};
	double start;

	if (no_sim(_metadata))
		return;
	catch_signal(SIGALRM);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=300"));
	start = now();
	setitimer(ITIMER_REAL, &it, NULL);
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf, self->len, 0));
	setitimer(ITIMER_REAL, &off, NULL);
	EXPECT_LT(0.05, now() - start);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, cpu_dump_does_not_wait_for_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_cpu(&self->vm, 0, guarded_alloc(PAGE)));
	EXPECT_FALSE(wait_done(&s.done, 0));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, vm_ioctls_do_not_wait_for_all_of_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("counters", "0"));
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	/* one that takes kvm->lock, to find that there is no such command */
	EXPECT_EQ(-ENOTTY, pv(&self->vm, 0x7777, NULL));
	EXPECT_GT(BIG_MIB, sim_calls(UVC_STOR_STATE));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

/*
 * An ioctl that takes kvm->lock, in the middle of a block: 1 if the next block has begun
 * before it was back
 */
static int waits_for_block(struct vm *vm, struct stor *s)
{
	long calls = sim_calls(UVC_STOR_STATE);

	while (sim_calls(UVC_STOR_STATE) == calls && !wait_done(&s->done, 0))
		sleep_ms(1);
	calls = sim_calls(UVC_STOR_STATE);
	if (pv(vm, 0x7777, NULL) != -ENOTTY)
		return -1;
	return sim_calls(UVC_STOR_STATE) != calls;
}

/*
 * Not even for the few blocks that fit into a buffer. How long a block has to take for this
 * thread to come back within it depends on the machine, so it takes longer and longer. Who
 * waits for its end does so however long that is.
 */
TEST_F(big, vm_ioctls_and_stor_state_do_not_wait_for_each_other)
{
	unsigned int i, us, waited = 8;
	struct stor s;
	int ret;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	for (us = 200000; waited >= 4 && us <= 1600000; us *= 2) {
		/* on top of what it is */
		ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=%u", us));
		for (i = 0, waited = 0; i < 8; i++) {
			ret = waits_for_block(&self->vm, &s);
			ASSERT_LE(0, ret);
			waited += ret;
		}
	}
	EXPECT_FALSE(wait_done(&s.done, 0));
	/* this thread may have had no CPU for a while, but not each time */
	EXPECT_GT(4, waited);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

/* What STOR_STATE delivered is good, what it did not is untouched. */
static void check_interrupted(struct __test_metadata *_metadata, struct stor *s,
			      const uint8_t *ref, size_t per)
{
	size_t good;

	pthread_join(s->thread, NULL);
	EXPECT_EQ(-EINVAL, s->ret);
	/* the last UVC was executed: it was not the Ultravisor that refused */
	EXPECT_EQ(1, s->vm->cmd.rc);
	EXPECT_EQ(0, s->vm->cmd.rrc);
	good = s->vm->dmp.gaddr / MIB * per;
	EXPECT_EQ(0, s->vm->dmp.gaddr % MIB);
	ASSERT_GT(s->len, good);
	EXPECT_EQ(0, memcmp(s->buf, ref, good));
	EXPECT_TRUE(all_bytes(s->buf + good, CANARY, s->len - good));
}

TEST_F(big, disable_ends_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_DISABLE, NULL));
	check_interrupted(_metadata, &s, self->ref, self->per);
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(big, complete_ends_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_complete(&self->vm, guarded_alloc(PAGE), PAGE));
	check_interrupted(_metadata, &s, self->ref, self->per);
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(big, next_dump_does_not_revive_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_complete(&self->vm, guarded_alloc(PAGE), PAGE));
	EXPECT_EQ(0, dump_init(&self->vm));
	check_interrupted(_metadata, &s, self->ref, self->per);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 16));
}

TEST_F(big, two_threads_can_share_the_work)
{
	const size_t half = self->len / 2;
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, half));
	/* the first thread's request is not over when the second one has been served */
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf + half, self->per, BIG_MIB / 2 * MIB));
	EXPECT_FALSE(wait_done(&s.done, 0));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf + half + self->per, half - self->per,
			       (BIG_MIB / 2 + 1) * MIB));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, fault_in_a_later_part_of_the_request)
{
	static const unsigned int nth[] = { 15, 16, 17, 18, 33, 255, 256 };
	size_t good;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < ARRAY_SIZE(nth); i++) {
		good = (nth[i] - 1) * self->per;
		memset(self->buf, CANARY, self->len);
		ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=%u rc=0x1234", nth[i]));
		EXPECT_EQ(-EINVAL, dump_stor(&self->vm, self->buf, self->len, 0));
		EXPECT_EQ(0x1234, self->vm.cmd.rc);
		EXPECT_EQ((nth[i] - 1) * MIB, self->vm.dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, self->ref, good));
		EXPECT_TRUE(all_bytes(self->buf + good, CANARY, self->len - good));
		ASSERT_EQ(0, sim_write("faults", "clear"));
	}
	/* the same for a buffer that ends somewhere */
	for (i = 0; i < ARRAY_SIZE(nth); i++) {
		good = (nth[i] - 1) * self->per;
		memset(self->buf, CANARY, self->len);
		ASSERT_EQ(0, mprotect(self->buf + good, self->per, PROT_NONE));
		EXPECT_EQ(-EFAULT, dump_stor(&self->vm, self->buf, self->len, 0));
		EXPECT_EQ((nth[i] - 1) * MIB, self->vm.dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, self->ref, good));
		ASSERT_EQ(0, mprotect(self->buf + good, self->per, PROT_READ | PROT_WRITE));
	}
}

int main(int argc, char **argv)
{
	/* what exec_ends_the_dump becomes */
	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		sleep_ms(10000);
		return KSFT_FAIL;
	}
	env_setup();
	return test_harness_run(argc, argv);
}
