// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of commands: what each of them answers before, while and after a VM is
 * dumped, and how a dump ends.
 */
#include "fixtures.h"

TEST_F(vm, dump_of_unprotected_vm_einval)
{
	uint8_t buf[PAGE];
	uint64_t sub;

	ASSERT_EQ(0, pv_info_dump(&self->vm));
	for (sub = 0; sub < 5; sub++) {
		EXPECT_EQ(-EINVAL, dmp(&self->vm, sub, buf, sizeof(buf), 0));
		EXPECT_TRUE(rc_untouched(&self->vm));
	}
	/* found out before the structure is read */
	EXPECT_EQ(-EINVAL, pv(&self->vm, KVM_PV_DUMP, NULL));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(vm, failed_enable_leaves_nothing)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=2 rc=0x1234", UVC_CREATE_CPU));
	EXPECT_NE(0, pv(vm, KVM_PV_ENABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, sim_objects());
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(vm, cpu_dump_of_unprotected_vm_einval)
{
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP };
	uint8_t buf[PAGE];

	EXPECT_EQ(-EINVAL, dump_cpu(&self->vm, 0, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	/* found out before the structure is read */
	cmd.data = (uintptr_t)no_access(PAGE);
	EXPECT_EQ(-EINVAL, pv_ioctl(self->vm.cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(pv, nothing_but_init_without_init)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(0, vm->dmp.gaddr);
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(buf, CANARY, PAGE));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_cpu(vm, 0, buf));
}

/* INIT before there is anything to dump */

FIXTURE(early) {
	struct vm vm;
};

FIXTURE_VARIANT(early) {
	enum stage stage;
};

FIXTURE_VARIANT_ADD(early, enabled) { .stage = STAGE_ENABLED };
FIXTURE_VARIANT_ADD(early, header_set) { .stage = STAGE_HEADER };
FIXTURE_VARIANT_ADD(early, unpacked) { .stage = STAGE_UNPACKED };

FIXTURE_SETUP(early)
{
	common_setup(_metadata, &self->vm, &default_opts, variant->stage);
}

FIXTURE_TEARDOWN(early)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(early, init_of_unverified_vm_einval)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_LT(1, vm->cmd.rc);
	EXPECT_FALSE(rc_untouched(vm));
	/* and it left no dump behind */
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/* The owner decides */

FIXTURE(forbidden) {
	struct vm vm;
};

FIXTURE_SETUP(forbidden)
{
	struct vm_opts o = DEFAULT_OPTS;

	if (!env.sim)
		return;
	o.pcf = PCF_PCKMO;
	common_setup(_metadata, &self->vm, &o, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(forbidden)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(forbidden, init_einval_with_a_reason)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(vm_runs(vm, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, dump_init(vm));
		EXPECT_LT(1, vm->cmd.rc);
		EXPECT_FALSE(rc_untouched(vm));
		EXPECT_TRUE(vm_runs(vm, 0));
	}
	EXPECT_EQ(2, sim_calls(UVC_INIT));
}

/* No fault is injected here, and nothing is slow */
TEST_F(forbidden, init_does_not_end_a_vcpu_loop)
{
	struct vm *vm = &self->vm;
	struct runner r;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, vcpu_loop_start(&r, vm->cpu[0]));
		ASSERT_TRUE(sim_sie_goes_on());
		EXPECT_EQ(-EINVAL, dump_init(vm));
		EXPECT_TRUE(sim_sie_goes_on());
		EXPECT_FALSE(wait_done(&r.done, 2))
			TH_LOG("refusal %u ended the vcpu loop with %d", i, r.ret);
		runner_join(&r, 50);
	}
}

TEST_F(forbidden, nothing_else_reaches_the_ultravisor)
{
	struct vm *vm = &self->vm;
	uint8_t *buf;

	if (no_sim(_metadata))
		return;
	buf = guarded_alloc(PAGE);
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(-EINVAL, dump_init(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, 0));
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(1, sim_dump_calls());
	EXPECT_TRUE(all_bytes(buf, CANARY, PAGE));
}

TEST_F(dumping, init_twice_einval)
{
	EXPECT_EQ(-EINVAL, dump_init(&self->vm));
	EXPECT_TRUE(rc_untouched(&self->vm));
	if (env.sim)
		EXPECT_EQ(0, sim_calls(UVC_INIT));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 4));
}

TEST_F(dumping, enable_again_einval)
{
	EXPECT_EQ(-EINVAL, pv(&self->vm, KVM_PV_ENABLE, NULL));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(dumping, complete_ends_the_dump)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len);
	long calls;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_complete(vm, buf, len));
	calls = env.sim ? sim_dump_calls() : 0;
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(calls, sim_dump_calls());
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(dumping, complete_efault_keeps_the_data)
{
	static struct dump d;
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *bad = no_access(len + PAGE);
	unsigned int i;

	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, dump_alloc(vm, &d));
	if (env.sim)
		ASSERT_EQ(0, sim_set_registers(vm, &d));
	for (i = 0; i < vm->nr_cpus; i++)
		ASSERT_EQ(0, dump_cpu(vm, i, d.cpu[i]));
	ASSERT_EQ(0, dump_stor(vm, d.meta, d.meta_len, 0));
	EXPECT_EQ(-EFAULT, dump_complete(vm, bad, len));
	EXPECT_EQ(1, vm->cmd.rc);
	/* the buffer ends one byte early */
	EXPECT_EQ(-EFAULT, dump_complete(vm, d.compl + 1, len));
	EXPECT_TRUE(rc_untouched(vm));
	memset(d.compl, CANARY, len);
	EXPECT_EQ(-EINVAL, dump_complete(vm, d.compl, len - 1));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_complete(vm, d.compl, len));
	if (env.sim)
		EXPECT_EQ(1, sim_calls(UVC_COMPLETE));
	EXPECT_EQ(0, dump_verify(vm, &d));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_EQ(-EINVAL, dump_complete(vm, d.compl, len));
}

TEST_F(dumping, nothing_but_complete_after_complete_efault)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;

	ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, dump_complete(vm, self->buf, len));
	EXPECT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, disable_drops_data_not_delivered)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;

	ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, len));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_VERIFIED));
	/* the data of the life before must not come out now */
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, len));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, len));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, disable_ends_the_dump)
{
	struct vm *vm = &self->vm;
	long sie;

	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	/* an ordinary VM now, and free to run */
	sie = env.sim ? sim_sie() : 0;
	EXPECT_TRUE(vm_runs(vm, 0));
	if (env.sim)
		EXPECT_LT(sie, sim_sie());
}

/*
 * An asynchronous teardown is refused while an earlier life is set aside. The vcpus
 * are ordinary ones by then, so there is nothing left to dump.
 */
TEST_F(dumping, refused_teardown_ends_the_dump)
{
	const uint32_t prepare = 9;	/* KVM_PV_ASYNC_CLEANUP_PREPARE, not in 5.10 */
	struct vm *vm = &self->vm;
	int ret = pv(vm, prepare, NULL);

	if (ret == -ENOTTY)
		SKIP(return, "no asynchronous teardown");
	if (!ret) {
		ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
		ret = pv(vm, prepare, NULL);
	}
	ASSERT_EQ(-EINVAL, ret);
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_TRUE(vm_runs(vm, 0));
	/* and the next life is one like any other */
	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(dumping, new_life_after_disable)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
		ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_VERIFIED));
		/* no dump came along */
		EXPECT_TRUE(vm_runs(vm, 0));
		EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
		ASSERT_EQ(0, dump_init(vm));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(dumping, image_commands_do_not_end_the_dump)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)the_image.header, .length = the_image.header_len,
	};

	/* whether these work is up to the Ultravisor */
	pv(vm, KVM_PV_SET_SEC_PARMS, &parm);
	pv(vm, KVM_PV_VERIFY, NULL);
	pv(vm, KVM_PV_UNSHARE_ALL, NULL);
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, closing_a_vcpu_fd_does_not_end_the_dump)
{
	struct vm *vm = &self->vm;

	close(vm->cpu[1]);
	EXPECT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* The end of a VM in every state */

enum place {
	AT_VERIFIED,
	AT_INIT_FAILED,
	AT_DUMPING,
	AT_CPU_DUMPED,
	AT_HALF_STORED,
	AT_STORED,
	AT_UNDELIVERED,
	AT_COMPLETED,
	AT_DISABLED,
};

FIXTURE(end) {
	struct vm vm;
};

FIXTURE_VARIANT(end) {
	enum place at;
};

FIXTURE_VARIANT_ADD(end, verified) { .at = AT_VERIFIED };
FIXTURE_VARIANT_ADD(end, init_failed) { .at = AT_INIT_FAILED };
FIXTURE_VARIANT_ADD(end, dumping) { .at = AT_DUMPING };
FIXTURE_VARIANT_ADD(end, cpu_dumped) { .at = AT_CPU_DUMPED };
FIXTURE_VARIANT_ADD(end, half_stored) { .at = AT_HALF_STORED };
FIXTURE_VARIANT_ADD(end, stored) { .at = AT_STORED };
FIXTURE_VARIANT_ADD(end, completion_undelivered) { .at = AT_UNDELIVERED };
FIXTURE_VARIANT_ADD(end, completed) { .at = AT_COMPLETED };
FIXTURE_VARIANT_ADD(end, disabled) { .at = AT_DISABLED };

static int go_to(struct vm *vm, enum place at)
{
	size_t per = vm->len.dump_config_mem_buffer_per_1m;
	uint8_t *buf = guarded_alloc(vm->size / MIB * per);
	int ret;

	if (!buf)
		return -ENOMEM;
	ret = STEP(vm_protect(vm, &the_image, STAGE_VERIFIED));
	if (!ret && at == AT_INIT_FAILED) {
		ret = STEP(sim_write("faults", "cmd=0x400 nth=1 rc=0x1234"));
		return ret ?: dump_init(vm) == -EINVAL ? 0 : -EPROTO;
	}
	if (!ret && at >= AT_DUMPING)
		ret = STEP(dump_init(vm));
	if (!ret && at >= AT_CPU_DUMPED)
		ret = STEP(dump_cpu(vm, 0, buf));
	if (!ret && at >= AT_HALF_STORED)
		ret = STEP(dump_stor(vm, buf, vm->size / MIB / 2 * per, 0));
	if (!ret && at >= AT_STORED)
		ret = STEP(dump_stor(vm, buf, vm->size / MIB * per, 0));
	if (!ret && at == AT_UNDELIVERED)
		return dump_complete(vm, no_access(PAGE), PAGE) == -EFAULT ? 0 : -EPROTO;
	if (!ret && at >= AT_COMPLETED)
		ret = STEP(dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	if (!ret && at == AT_DISABLED)
		ret = STEP(pv(vm, KVM_PV_DISABLE, NULL));
	return ret;
}

FIXTURE_SETUP(end)
{
	if (env.sim)
		common_setup(_metadata, &self->vm, &default_opts, STAGE_VM);
}

FIXTURE_TEARDOWN(end)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(end, close_vcpus_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	vm_close_cpus(&self->vm);
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, close_vm_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	close(self->vm.fd);
	self->vm.fd = -1;
	/* the vcpus keep the VM alive, with the state it is in */
	EXPECT_EQ(variant->at >= AT_DUMPING && variant->at <= AT_UNDELIVERED,
		  vm_run(&self->vm, 0, 20) == -EINVAL);
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, unmap_guest_memory_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	ASSERT_EQ(0, munmap(self->vm.mem, self->vm.size));
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, sigkill_the_owner)
{
	int fds[2];
	pid_t pid;

	if (no_sim(_metadata))
		return;
	vm_close(&self->vm);
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vm_opts o = DEFAULT_OPTS;
		struct vm vm;

		if (vm_create(&vm, &o) || go_to(&vm, variant->at))
			_exit(1);
		child_report(fds[1]);
		pause();
	}
	close(fds[1]);
	ASSERT_TRUE(child_ready(fds[0]));
	EXPECT_TRUE(child_kill(pid));
	EXPECT_TRUE(sim_no_objects());
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
