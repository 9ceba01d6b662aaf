// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each argument of the dump commands, right and wrong: command numbers, flags,
 * structures, lengths and addresses. What is wrong is refused, reaches no UV call,
 * and loses nothing.
 */
#include "fixtures.h"

TEST_F(vm, unknown_commands_enotty)
{
	static const uint32_t cmds[] = { 9, 10, 11, 0x80000000, 0xffffffff };
	unsigned int i;

	/* the first two are commands where VMs can be destroyed asynchronously */
	i = ioctl(env.kvm, KVM_CHECK_EXTENSION, CAP_ASYNC_DISABLE) > 0 ? 2 : 0;
	for (; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-ENOTTY, pv(&self->vm, cmds[i], NULL))
			TH_LOG("command %x", cmds[i]);
		EXPECT_TRUE(rc_untouched(&self->vm));
	}
}

TEST_F(vm, nonzero_flags_einval)
{
	uint8_t buf[80];
	struct kvm_s390_pv_info_header h = { .id = KVM_PV_INFO_DUMP, .len_max = 40 };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_INFO, .data = (uintptr_t)buf };
	unsigned int bit;

	memcpy(buf, &h, sizeof(h));
	ASSERT_EQ(0, pv_ioctl(self->vm.fd, KVM_S390_PV_COMMAND, &cmd));
	for (bit = 0; bit < 32; bit++) {
		cmd.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, pv_ioctl(self->vm.fd, KVM_S390_PV_COMMAND, &cmd));
	}
}

TEST_F(vm, unreadable_command_efault)
{
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, pv_info_dump(&self->vm));
	EXPECT_EQ(-EFAULT, xioctl(self->vm.fd, KVM_S390_PV_COMMAND, bad));
	EXPECT_EQ(-EFAULT, xioctl(self->vm.cpu[0], KVM_S390_PV_CPU_COMMAND, bad));
}

TEST_F(pv, dump_structure_must_be_readable)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_DUMP, no_access(PAGE)));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_DUMP, buf + PAGE - 63));
	EXPECT_TRUE(rc_untouched(&self->vm));
	/* subcommand INIT, everything else zero as well */
	memset(buf, 0, PAGE);
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_DUMP, buf + PAGE - 64));
}

TEST_F(pv, unknown_subcommands_enotty)
{
	static const uint64_t sub[] = { KVM_PV_DUMP_CPU, 4, 1ULL << 32, ~0ULL };
	unsigned int i, round;

	/* before and while dumping */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(sub); i++) {
			EXPECT_EQ(-ENOTTY, dmp(&self->vm, sub[i], NULL, 0, 0))
				TH_LOG("subcommand %lx", sub[i]);
			EXPECT_TRUE(rc_untouched(&self->vm));
		}
		if (!round)
			ASSERT_EQ(0, dump_init(&self->vm));
	}
}

TEST_F(pv, init_ignores_the_buffer_fields)
{
	ASSERT_EQ(0, dmp(&self->vm, KVM_PV_DUMP_INIT, (void *)~0UL, ~0ULL, ~0ULL));
	EXPECT_EQ(1, self->vm.cmd.rc);
}

TEST_F(pv, reserved_fields_are_ignored)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = { .subcmd = KVM_PV_DUMP_INIT };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&d };
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);

	ASSERT_NE(NULL, buf);
	memset(d.reserved, 0xff, sizeof(d.reserved));
	memset(cmd.reserved, 0xff, sizeof(cmd.reserved));
	EXPECT_EQ(0, pv_ioctl(vm->fd, KVM_S390_PV_COMMAND, &cmd));
	d.subcmd = KVM_PV_DUMP_CPU;
	d.buff_addr = (uintptr_t)buf;
	d.buff_len = vm->len.dump_cpu_buffer_len;
	EXPECT_EQ(0, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
}

TEST_F(dumping, stor_state_address_must_be_on_a_mib)
{
	static const uint64_t bad[] = { 1, 8, PAGE, MIB - 1, MIB / 2, MIB + PAGE, ~0ULL };
	struct vm *vm = &self->vm;
	unsigned int i;

	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, MIB));
	memset(self->buf, CANARY, self->per);
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, bad[i]))
			TH_LOG("address %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(bad[i], vm->dmp.gaddr);
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(dumping, stor_state_length_must_be_a_multiple)
{
	struct vm *vm = &self->vm;
	const uint64_t bad[] = {
		0, 1, 16, self->per / 2, self->per - 1, self->per + 1, 2 * self->per - 1,
		self->per + self->per / 2, ~0ULL,
	};
	unsigned int i;

	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, 0));
	memset(self->buf, CANARY, self->per);
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, bad[i], 0))
			TH_LOG("length %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(0, vm->dmp.gaddr);
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(dumping, stor_state_beyond_the_guest_einval)
{
	struct vm *vm = &self->vm;
	const uint64_t end = vm->size;

	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, end));
	EXPECT_LT(1, vm->cmd.rc);
	EXPECT_FALSE(rc_untouched(vm));
	EXPECT_EQ(end, vm->dmp.gaddr);
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, 3 * self->per, -MIB));
	EXPECT_FALSE(rc_untouched(vm));
	EXPECT_EQ(-MIB, vm->dmp.gaddr);
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	/* the part that exists is delivered, and the address says where it ends */
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, 2 * self->per, end - MIB));
	EXPECT_EQ(end, vm->dmp.gaddr);
	EXPECT_FALSE(all_bytes(self->buf, CANARY, self->per));
	EXPECT_TRUE(all_bytes(self->buf + self->per, CANARY, self->per));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stor_state_writes_what_was_asked_for)
{
	struct vm *vm = &self->vm;

	ASSERT_EQ(0, dump_stor(vm, self->buf + self->per, self->per, MIB));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	EXPECT_FALSE(all_bytes(self->buf + self->per, CANARY, self->per));
	EXPECT_TRUE(all_bytes(self->buf + 2 * self->per, CANARY, self->per));
	/* unaligned buffers are as good as others */
	ASSERT_EQ(0, dump_stor(vm, self->buf + 1, self->per, MIB));
	EXPECT_EQ(0, memcmp(self->buf + 1 + self->per - 16, self->buf + 2 * self->per - 16, 16));
}

TEST_F(dumping, stor_state_success_leaves_the_structure_alone)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp *d;
	struct kvm_s390_pv_dmp val = {
		.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE, .buff_addr = (uintptr_t)self->buf,
		.buff_len = self->per, .gaddr = MIB,
	};

	/* the helper compares, gaddr included; */
	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, MIB));
	ASSERT_EQ(MIB, vm->dmp.gaddr);
	/* and success is no error because a structure cannot be written */
	d = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)d);
	*d = val;
	ASSERT_EQ(0, mprotect(d, PAGE, PROT_READ));
	EXPECT_EQ(0, pv(vm, KVM_PV_DUMP, d));
	EXPECT_EQ(1, vm->cmd.rc);
}

TEST_F(dumping, stor_state_unwritable_buffer_efault)
{
	struct vm *vm = &self->vm;
	uint8_t *bad = no_access(4 * self->per);

	ASSERT_NE(NULL, bad);
	EXPECT_EQ(-EFAULT, dump_stor(vm, bad, 2 * self->per, MIB));
	EXPECT_EQ(MIB, vm->dmp.gaddr);
	EXPECT_EQ(-EFAULT, dump_stor(vm, (void *)~0xfffUL, self->per, MIB));
	EXPECT_EQ(MIB, vm->dmp.gaddr);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, complete_short_buffer_einval)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	const uint64_t bad[] = { 0, 1, COMPL_LEN - 1, len / 2, len - 1 };
	uint8_t *buf = guarded_alloc(len);
	unsigned int i;

	ASSERT_NE(NULL, buf);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_complete(vm, buf, bad[i]));
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_TRUE(all_bytes(buf, CANARY, len));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, complete_longer_buffer_keeps_its_tail)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len + PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_complete(vm, buf, len + PAGE));
	EXPECT_EQ(1, vm->cmd.rc);
	EXPECT_EQ(1, get32(buf));
	EXPECT_TRUE(all_bytes(buf + len, CANARY, PAGE));
}

TEST_F(dumping, complete_buffer_may_end_before_an_unmapped_page)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(0, dump_complete(vm, buf, len));
	EXPECT_TRUE(guard_intact(buf));
}

TEST_F(dumping, cpu_length_must_match)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_cpu_buffer_len;
	const uint64_t bad[] = {
		0, 1, CPU_LEN - 1, len / 2, len - 1, len + 1, 2 * len, ~0ULL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, cpu_dmp(vm, 0, KVM_PV_DUMP_CPU, self->buf, bad[i]))
			TH_LOG("length %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, 2 * len));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(all_bytes(self->buf + len, CANARY, len));
}

TEST_F(dumping, cpu_rc_is_at_offset_4)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = {
		.subcmd = KVM_PV_DUMP_CPU, .buff_addr = (uintptr_t)self->buf,
		.buff_len = vm->len.dump_cpu_buffer_len,
	};
	uint8_t raw[32] = {};

	put32(raw, KVM_PV_DUMP);
	put32(raw + 4, 0x11112222);
	put64(raw + 8, (uintptr_t)&d);
	ASSERT_EQ(0, xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, raw));
	EXPECT_EQ(KVM_PV_DUMP, get32(raw));
	EXPECT_EQ(1, get32(raw + 4) >> 16);
	EXPECT_EQ((uintptr_t)&d, get64(raw + 8));
	EXPECT_TRUE(all_bytes(raw + 16, 0, 16));
}

TEST_F(dumping, cpu_other_subcommands_einval)
{
	static const uint64_t sub[] = {
		KVM_PV_DUMP_INIT, KVM_PV_DUMP_CONFIG_STOR_STATE, KVM_PV_DUMP_COMPLETE, 4,
		3 + (1ULL << 32), ~0ULL,
	};
	struct vm *vm = &self->vm;
	unsigned int i;

	ASSERT_EQ(0, dump_cpu(vm, 0, self->buf));
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		EXPECT_EQ(-EINVAL, cpu_dmp(vm, 0, sub[i], self->buf,
					   vm->len.dump_cpu_buffer_len));
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_other_commands_einval)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = {
		.subcmd = KVM_PV_DUMP_CPU, .buff_addr = (uintptr_t)self->buf,
		.buff_len = vm->len.dump_cpu_buffer_len,
	};
	struct kvm_pv_cmd cmd = { .data = (uintptr_t)&d };

	for (cmd.cmd = 0; cmd.cmd < 12; cmd.cmd++)
		EXPECT_EQ(cmd.cmd == KVM_PV_DUMP ? 0 : -EINVAL,
			  pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd))
			TH_LOG("command %u", cmd.cmd);
	cmd.cmd = KVM_PV_DUMP;
	cmd.flags = 1;
	EXPECT_EQ(-EINVAL, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	cmd.flags = 0x80000000;
	EXPECT_EQ(-EINVAL, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
}

TEST_F(dumping, cpu_structures_must_be_accessible)
{
	struct vm *vm = &self->vm;
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP };
	uint8_t *page = guarded_alloc(PAGE);
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, page);
	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_EQ(-EFAULT, xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, bad));
	cmd.data = (uintptr_t)bad;
	EXPECT_EQ(-EFAULT, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	cmd.data = (uintptr_t)page + PAGE - 63;
	EXPECT_EQ(-EFAULT, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_unwritable_buffer_efault)
{
	struct vm *vm = &self->vm;

	EXPECT_EQ(-EFAULT, dump_cpu(vm, 0, no_access(vm->len.dump_cpu_buffer_len)));
	EXPECT_EQ(1, vm->cmd.rc);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
