// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures of others: UV calls that fail or are busy, buffers that end, memory that
 * there is none of. The dump goes on where it stopped.
 */

#include <sys/wait.h>

#include "fixtures.h"

TEST_F(dumping, stor_state_efault_tells_how_far_it_came)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, len = mib * self->per, good;
	uint8_t *buf;

	ASSERT_EQ(0, self->per % PAGE);
	ASSERT_EQ(0, dump_stor(vm, self->buf, len, 0));
	for (good = 0; good < mib; good++) {
		buf = guarded_alloc(len);
		ASSERT_NE(NULL, buf);
		ASSERT_EQ(0, mprotect(buf + good * self->per, self->per, PROT_NONE));
		EXPECT_EQ(-EFAULT, dump_stor(vm, buf, len, 0));
		EXPECT_EQ(1, vm->cmd.rc);
		EXPECT_EQ(good * MIB, vm->dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, buf, good * self->per));
		/* go on where it stopped */
		ASSERT_EQ(0, mprotect(buf + good * self->per, self->per, PROT_READ | PROT_WRITE));
		EXPECT_EQ(0, dump_stor(vm, buf + vm->dmp.gaddr / MIB * self->per,
				       len - vm->dmp.gaddr / MIB * self->per, vm->dmp.gaddr));
		EXPECT_EQ(0, memcmp(self->buf, buf, len));
		/* a block that fits only in part is not delivered */
		ASSERT_EQ(0, mprotect(buf + good * self->per, PAGE, PROT_NONE));
		memset(buf, CANARY, good * self->per);
		if (good)
			EXPECT_EQ(-EFAULT, dump_stor(vm, buf + 8, len - self->per, 0));
		if (good)
			EXPECT_EQ((good - 1) * MIB, vm->dmp.gaddr);
		munmap(buf, len);
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stor_state_resumes_after_a_uv_error)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, len = mib * self->per, good;
	uint8_t *buf = guarded_alloc(len);

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_stor(vm, self->buf, len, 0));
	for (good = 0; good < mib; good++) {
		memset(buf, CANARY, len);
		ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=%zu rc=0x1234 rrc=0x56",
				       good + 1));
		EXPECT_EQ(-EINVAL, dump_stor(vm, buf, len, 0));
		EXPECT_EQ(0x1234, vm->cmd.rc);
		EXPECT_EQ(0x56, vm->cmd.rrc);
		EXPECT_EQ(good * MIB, vm->dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, buf, good * self->per));
		EXPECT_TRUE(all_bytes(buf + good * self->per, CANARY, len - good * self->per));
		EXPECT_EQ(0, dump_stor(vm, buf + good * self->per, len - good * self->per,
				       vm->dmp.gaddr));
		EXPECT_EQ(1, vm->cmd.rc);
		EXPECT_EQ(0, memcmp(self->buf, buf, len));
		ASSERT_EQ(0, sim_write("faults", "clear"));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/*
 * Fault injection: the n-th copy or allocation of a page in a system call fails,
 * for every n. A kernel with FAILSLAB, FAULT_INJECTION_USERCOPY and their debugfs
 * files has it, and "slub_debug=A,kmalloc-4k" picks the cache: what else is
 * allocated is for the debug options, and not the same number each time.
 */

static bool no_fault_injection(struct __test_metadata *_metadata)
{
	int fd = open("/sys/kernel/slab/kmalloc-4k/failslab", O_RDONLY | O_CLOEXEC);
	char cache = 0;

	/* not the pages of the caches, if it is there */
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "30");
	if (fd < 0 || read(fd, &cache, 1) != 1 || cache != '1' ||
	    access("/proc/thread-self/fail-nth", W_OK) ||
	    write_file("/sys/kernel/debug/failslab/cache-filter", "Y") ||
	    write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") ||
	    write_file("/sys/kernel/debug/failslab/verbose", "0") ||
	    write_file("/sys/kernel/debug/fail_usercopy/verbose", "0"))
		SKIP(return true, "needs a kernel with fault injection");
	close(fd);
	return false;
}

static int fail_nth_fd = -1;

/* The next system call but this one has a failure at its @n-th possibility. */
static void fail_nth(unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	if (fail_nth_fd < 0)
		fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	/* one that is left from before may hit the copy from buf */
	while (pwrite(fail_nth_fd, buf, len, 0) != len) {
		if (errno != EFAULT) {
			log_err("fail-nth: %s", strerror(errno));
			_exit(1);
		}
	}
}

/* Was there an @n-th possibility? */
static bool failed_nth(void)
{
	char buf[16] = "";
	bool failed;

	/* 0: it was used up. The copy to buf is a possibility, too: not used up before. */
	failed = pread(fail_nth_fd, buf, sizeof(buf) - 1, 0) > 0 && !strtoul(buf, NULL, 10);
	fail_nth(0);
	return failed;
}

struct fail_count {
	unsigned int enomem, efault, others;
};

static void count_failure(struct fail_count *c, const char *what, unsigned int n, int ret)
{
	c->enomem += ret == -ENOMEM;
	c->efault += ret == -EFAULT;
	if (ret == 0 || ret == -ENOMEM || ret == -EFAULT)
		return;
	c->others++;
	log_err("%s, failure %u: %d", what, n, ret);
}

/* A command that can be repeated: with each failure there is, and then without */
static struct fail_count fail_each(struct vm *vm, unsigned int uvc, void *buf, size_t len)
{
	struct fail_count c = {};
	bool failed = true;
	unsigned int n;
	int ret = 0;

	for (n = 1; failed; n++) {
		fail_nth(n);
		ret = uvc == UVC_CPU ? dump_cpu(vm, 0, buf) : dump_stor(vm, buf, len, 0);
		failed = failed_nth();
		if (failed)
			count_failure(&c, uvc == UVC_CPU ? "CPU" : "STOR_STATE", n, ret);
	}
	c.others += !!ret;
	return c;
}

TEST_F_TIMEOUT(dumping, failing_allocations_and_copies_lose_nothing, 240)
{
	static struct dump d;
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	struct fail_count c;
	unsigned int n, pass;
	bool failed;
	int ret;

	if (no_sim(_metadata) || no_fault_injection(_metadata))
		return;
	memset(&d, 0, sizeof(d));
	ASSERT_EQ(0, dump_alloc(vm, &d));
	ASSERT_EQ(0, sim_set_registers(vm, &d));
	ASSERT_EQ(0, dump_cpu(vm, 1, d.cpu[1]));

	/* command, structure, data; rc and rrc are not made to fail */
	c = fail_each(vm, UVC_CPU, d.cpu[0], 0);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(3, c.efault);
	EXPECT_EQ(1, c.enomem);
	c = fail_each(vm, UVC_STOR_STATE, d.meta, self->per);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(3, c.efault);
	EXPECT_EQ(1, c.enomem);
	c = fail_each(vm, UVC_STOR_STATE, d.meta, d.meta_len);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(3, c.efault);

	/* ACTIVE and, with the data of a UVC that is through, COMPLETED */
	for (pass = 0; pass < 2; pass++) {
		if (pass)
			ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
		for (n = 1, c = (struct fail_count) {}, failed = true; failed; n++) {
			fail_nth(n);
			ret = dump_complete(vm, d.compl, len);
			failed = failed_nth();
			if (failed)
				count_failure(&c, "COMPLETE", n, ret);
			ASSERT_EQ(ret != 0, vm_run(vm, 0, 5) == -EINVAL);
			if (ret)
				continue;
			ASSERT_EQ(0, dump_verify(vm, &d))
				TH_LOG("COMPLETE, failure %u: %d", n, ret);
			memset(d.compl, CANARY, len);
			ASSERT_EQ(0, dump_init(vm));
			ASSERT_EQ(0, dump_cpu(vm, 0, d.cpu[0]));
			ASSERT_EQ(0, dump_cpu(vm, 1, d.cpu[1]));
		}
		EXPECT_EQ(0, c.others);
		/* in the state COMPLETED the buffer of the UVC is not used, but it is there */
		EXPECT_EQ(3, c.efault);
		EXPECT_EQ(2, c.enomem);
	}

	/* INIT: nothing fails behind the UVC */
	ASSERT_EQ(0, dump_complete(vm, d.compl, len));
	for (n = 1, c = (struct fail_count) {}, failed = true; failed; n++) {
		fail_nth(n);
		ret = dump_init(vm);
		failed = failed_nth();
		if (failed)
			count_failure(&c, "INIT", n, ret);
		ASSERT_EQ(ret == 0, vm_run(vm, 0, 5) == -EINVAL);
		if (!ret)
			ASSERT_EQ(0, dump_complete(vm, d.compl, len));
	}
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(2, c.efault);
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* Every UV call of a dump: errors and busy answers */

FIXTURE(uvc) {
	struct vm vm;
	uint8_t *buf;
};

FIXTURE_VARIANT(uvc) {
	unsigned int uvc;
};

FIXTURE_VARIANT_ADD(uvc, init) { .uvc = UVC_INIT };
FIXTURE_VARIANT_ADD(uvc, stor_state) { .uvc = UVC_STOR_STATE };
FIXTURE_VARIANT_ADD(uvc, cpu) { .uvc = UVC_CPU };
FIXTURE_VARIANT_ADD(uvc, complete) { .uvc = UVC_COMPLETE };

FIXTURE_SETUP(uvc)
{
	if (!env.sim)
		return;
	common_setup(_metadata, &self->vm, &default_opts,
		     variant->uvc == UVC_INIT ? STAGE_VERIFIED : STAGE_DUMPING);
	self->buf = guarded_alloc(PAGE);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(uvc)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(uvc, error_einval_with_rc_and_rrc)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234 rrc=0x56 count=2",
			       variant->uvc));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, do_uvc(vm, variant->uvc, self->buf));
		EXPECT_EQ(0x1234, vm->cmd.rc);
		EXPECT_EQ(0x56, vm->cmd.rrc);
		EXPECT_TRUE(all_bytes(self->buf, CANARY, PAGE));
	}
	EXPECT_EQ(2, sim_dump_calls());
	if (variant->uvc == UVC_INIT) {
		EXPECT_TRUE(vm_runs(vm, 0));
		ASSERT_EQ(0, dump_init(vm));
	}
	/* nothing was lost and nothing ended */
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* The log that KVM keeps of this process' VM, as a string */
static bool kvm_log(char *buf, size_t len)
{
	size_t done = 0;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/s390dbf/kvm-%d/sprintf", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, buf + done, len - 1 - done)) > 0)
		done += n;
	close(fd);
	buf[done] = 0;
	return !n && done < len - 1;
}

TEST_F(uvc, error_is_in_the_log_of_the_vm)
{
	const unsigned int uvc = variant->uvc;
	static char log[1 << 18];
	char *line;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234 rrc=0x56", uvc));
	EXPECT_EQ(-EINVAL, do_uvc(&self->vm, uvc, self->buf));
	ASSERT_TRUE(kvm_log(log, sizeof(log)));
	line = strstr(log, uvc == UVC_INIT ? "PROTVIRT DUMP INIT" :
			   uvc == UVC_STOR_STATE ? "PROTVIRT DUMP STORAGE STATE: addr 100000" :
			   uvc == UVC_CPU ? "PROTVIRT DUMP CPU 0" : "PROTVIRT DUMP COMPLETE");
	ASSERT_NE(NULL, line);
	line[strcspn(line, "\n")] = 0;
	EXPECT_NE(NULL, strstr(line, "rc 1234 rrc 56"))
		TH_LOG("%s", line);
	/* not all kernels tell what became of the command */
	if (strstr(line, "ret "))
		EXPECT_NE(NULL, strstr(line, "ret -22"))
			TH_LOG("%s", line);
}

static void busy_is_retried(struct __test_metadata *_metadata, struct vm *vm, unsigned int uvc,
			    unsigned int cc)
{
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=7 cc=%u", uvc, cc));
	if (uvc == UVC_INIT)
		ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_EQ(uvc == UVC_STOR_STATE ? 4 : uvc == UVC_CPU ? 2 : 1, sim_calls(uvc));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(uvc, busy_cc2_is_retried)
{
	if (no_sim(_metadata))
		return;
	busy_is_retried(_metadata, &self->vm, variant->uvc, 2);
}

TEST_F(uvc, busy_cc3_is_retried)
{
	if (no_sim(_metadata))
		return;
	busy_is_retried(_metadata, &self->vm, variant->uvc, 3);
}

/* The command of @uvc with a struct kvm_pv_cmd that cannot be written */
static int do_uvc_read_only(struct vm *vm, unsigned int uvc, void *buf, uint8_t *page)
{
	struct kvm_pv_cmd cmd = {
		.cmd = KVM_PV_DUMP, .data = (uintptr_t)&vm->dmp,
		.rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED,
	};

	vm->dmp = (struct kvm_s390_pv_dmp) {
		.subcmd = uvc == UVC_INIT ? KVM_PV_DUMP_INIT :
			  uvc == UVC_STOR_STATE ? KVM_PV_DUMP_CONFIG_STOR_STATE :
			  uvc == UVC_CPU ? KVM_PV_DUMP_CPU : KVM_PV_DUMP_COMPLETE,
		.buff_addr = (uintptr_t)buf,
		.buff_len = uvc == UVC_STOR_STATE ? vm->len.dump_config_mem_buffer_per_1m :
			    uvc == UVC_CPU ? vm->len.dump_cpu_buffer_len :
			    vm->len.dump_config_finalize_len,
		.gaddr = MIB,
	};
	memcpy(page, &cmd, sizeof(cmd));
	if (mprotect(page, PAGE, PROT_READ))
		return -errno;
	if (uvc == UVC_CPU)
		return xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, page);
	return xioctl(vm->fd, KVM_S390_PV_COMMAND, page);
}

TEST_F(uvc, efault_of_the_command_is_no_change)
{
	struct vm *vm = &self->vm;
	uint8_t *page = guarded_alloc(PAGE);

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, page);
	EXPECT_EQ(-EFAULT, do_uvc_read_only(vm, variant->uvc, self->buf, page));
	EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(MIB, vm->dmp.gaddr);
	EXPECT_TRUE(all_bytes(self->buf, CANARY, PAGE));
	/* there is a dump if there was one before */
	EXPECT_EQ(variant->uvc != UVC_INIT, vm_run(vm, 0, 20) == -EINVAL);
	/* the same works with one that can be written, and so does all the rest */
	EXPECT_EQ(0, do_uvc(vm, variant->uvc, self->buf));
	EXPECT_EQ(1, vm->cmd.rc);
	if (variant->uvc == UVC_COMPLETE)
		ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

struct sharer {
	struct vm vm;
	unsigned int uvc;
	void *buf;
};

static int sharer_fn(void *arg)
{
	struct sharer *s = arg;

	return do_uvc(&s->vm, s->uvc, s->buf) ? 1 : 0;
}

TEST_F(uvc, killed_halfway_with_shared_memory)
{
	struct vm *vm = &self->vm;
	struct sharer s = { .vm = *vm, .uvc = variant->uvc, .buf = guarded_alloc(PAGE) };
	const bool init = variant->uvc == UVC_INIT;
	double end = now() + LONG_ENOUGH;
	struct runner r;
	int status;
	long calls;
	pid_t pid;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, s.buf);
	if (init) {
		ASSERT_EQ(0, vcpu_loop_start(&r, vm->cpu[0]));
		ASSERT_TRUE(sim_sie_goes_on());
	}
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff cc=3", variant->uvc));
	pid = child_sharing(sharer_fn, &s);
	ASSERT_LT(0, pid);
	while (sim_hits() < 1)
		ASSERT_GT(end, now());
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_TRUE(child_kill(pid));
	ASSERT_EQ(0, sim_write("faults", "clear"));

	if (init) {
		EXPECT_TRUE(wait_done(&r.done, LONG_ENOUGH * 1000));
		runner_join(&r, 50);
		EXPECT_EQ(-EINVAL, r.ret);
	}
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	/* what the Ultravisor has done of it nobody can know: it is left alone */
	calls = sim_dump_calls();
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, PAGE, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, PAGE));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(calls, sim_dump_calls());
	EXPECT_TRUE(all_bytes(self->buf, CANARY, PAGE));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	/* the way out */
	EXPECT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(uvc, error_in_front_of_disable_leaves_nothing)
{
	struct vm *vm = &self->vm;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", variant->uvc));
	ASSERT_EQ(-EINVAL, do_uvc(vm, variant->uvc, self->buf));
	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_TRUE(sim_no_objects());
}

/*
 * Each UV call of a whole dump, at each of its positions, goes wrong once in each way.
 * Whoever tries again then has a dump of which nothing is missing or twice.
 */

/* The positions: a dump of two vcpus and 4 MiB */
static const unsigned int position[] = {
	UVC_INIT, UVC_CPU, UVC_CPU, UVC_STOR_STATE, UVC_STOR_STATE, UVC_STOR_STATE,
	UVC_STOR_STATE, UVC_COMPLETE,
};

static const struct {
	const char *rule;
	uint16_t rc, rrc;	/* 0: it is done in the end */
} wrong[] = {
	{ "rc=0x2 rrc=0x1", 0x2, 0x1 },
	{ "rc=0x20 rrc=0x0", 0x20, 0x0 },
	{ "rc=0x104 rrc=0xffff", 0x104, 0xffff },
	{ "rc=0xffff rrc=0x8000", 0xffff, 0x8000 },
	{ "busy=3 cc=2", 0, 0 },
	{ "busy=3 cc=3", 0, 0 },
	{ "delay_us=2000", 0, 0 },
};

/* Is this the failure that was asked for? Then it is the only one. */
static bool fails_once(const struct vm *vm, int ret, unsigned int w, unsigned int *failed)
{
	return ret == -EINVAL && wrong[w].rc && vm->cmd.rc == wrong[w].rc &&
	       vm->cmd.rrc == wrong[w].rrc && ++*failed == 1;
}

/* -ERANGE if something was written that should not have been */
static int dump_trying_again(struct vm *vm, struct dump *d, unsigned int w, unsigned int chunk,
			     unsigned int *failed)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	const uint64_t final = vm->len.dump_config_finalize_len;
	uint64_t at, n, end;
	unsigned int i;
	uint8_t *again;
	int ret;

	ret = dump_init(vm);
	if (fails_once(vm, ret, w, failed))
		ret = vm_runs(vm, 0) && vm_runs(vm, 1) ? dump_init(vm) : -ERANGE;
	ret = ret ?: dump_alloc(vm, d);
	for (i = 0; i < vm->nr_cpus && !ret; i++) {
		ret = dump_cpu(vm, i, d->cpu[i]);
		if (fails_once(vm, ret, w, failed))
			ret = all_bytes(d->cpu[i], CANARY, vm->len.dump_cpu_buffer_len) ?
			      dump_cpu(vm, i, d->cpu[i]) : -ERANGE;
	}
	for (at = 0; at < vm->size && !ret; at += n) {
		n = vm->size - at < chunk * MIB ? vm->size - at : chunk * MIB;
		ret = dump_stor(vm, d->meta + at / MIB * per, n / MIB * per, at);
		if (!fails_once(vm, ret, w, failed))
			continue;
		end = vm->dmp.gaddr;
		if (end % MIB || end < at || end >= at + n ||
		    !all_bytes(d->meta + end / MIB * per, CANARY, (at + n - end) / MIB * per))
			return -ERANGE;
		n = end - at;
		ret = 0;
	}
	/* once more, all at once: the same bytes */
	again = guarded_alloc(d->meta_len);
	ret = ret ?: again ? dump_stor(vm, again, d->meta_len, 0) : -ENOMEM;
	if (!ret && (memcmp(again, d->meta, d->meta_len) || !guard_intact(again)))
		ret = -ERANGE;
	ret = ret ?: dump_complete(vm, d->compl, final);
	if (fails_once(vm, ret, w, failed))
		ret = all_bytes(d->compl, CANARY, final) ? dump_complete(vm, d->compl, final) :
							   -ERANGE;
	return ret;
}

TEST_F_TIMEOUT(pv, each_call_of_a_dump_goes_wrong_once, 600)
{
	unsigned int p, w, chunk, nth, failed, dumps = 0;
	struct vm *vm = &self->vm;
	struct dump d;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(4 * MIB, vm->size);
	ASSERT_EQ(2, vm->nr_cpus);
	for (p = 0; p < ARRAY_SIZE(position); p++) {
		for (nth = 1; p >= nth && position[p - nth] == position[p]; nth++)
			;
		for (w = 0; w < ARRAY_SIZE(wrong); w++) {
			chunk = w % 2 ? 1 : 4;
			failed = 0;
			memset(&d, 0, sizeof(d));
			ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=%u %s", position[p], nth,
					       wrong[w].rule));
			ASSERT_EQ(0, sim_set_registers(vm, &d));
			EXPECT_EQ(0, dump_trying_again(vm, &d, w, chunk, &failed))
				TH_LOG("call %u of cmd 0x%x: %s", nth, position[p], wrong[w].rule);
			/* it did go wrong */
			EXPECT_EQ(wrong[w].rc ? 1 : 0, failed)
				TH_LOG("call %u of cmd 0x%x: %s", nth, position[p], wrong[w].rule);
			EXPECT_LE(1, sim_hits());
			ASSERT_EQ(0, sim_write("faults", "clear"));
			ASSERT_EQ(0, dump_verify(vm, &d))
				TH_LOG("call %u of cmd 0x%x: %s", nth, position[p], wrong[w].rule);
			EXPECT_TRUE(vm_runs(vm, 0));
			dumps++;
		}
	}
	TH_LOG("%u dumps", dumps);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
