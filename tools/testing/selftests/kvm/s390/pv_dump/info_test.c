// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space is told: numbers and structures of the ABI, the capability,
 * KVM_PV_INFO and /sys/firmware/uv, also when the firmware reports odd things.
 */
#include "fixtures.h"

TEST(numbers_and_layouts_are_those_of_the_abi)
{
	EXPECT_EQ(217, KVM_CAP_S390_PROTECTED_DUMP);
	EXPECT_EQ(0xc020aec5UL, (unsigned long)KVM_S390_PV_COMMAND);
	EXPECT_EQ(0xc020aed0UL, (unsigned long)KVM_S390_PV_CPU_COMMAND);
	EXPECT_EQ(7, KVM_PV_INFO);
	EXPECT_EQ(8, KVM_PV_DUMP);
	EXPECT_EQ(0, KVM_PV_INFO_VM);
	EXPECT_EQ(1, KVM_PV_INFO_DUMP);
	EXPECT_EQ(0, KVM_PV_DUMP_INIT);
	EXPECT_EQ(1, KVM_PV_DUMP_CONFIG_STOR_STATE);
	EXPECT_EQ(2, KVM_PV_DUMP_COMPLETE);
	EXPECT_EQ(3, KVM_PV_DUMP_CPU);
	EXPECT_EQ(32UL, sizeof(struct kvm_pv_cmd));
	EXPECT_EQ(4UL, offsetof(struct kvm_pv_cmd, rc));
	EXPECT_EQ(64UL, sizeof(struct kvm_s390_pv_dmp));
	EXPECT_EQ(24UL, offsetof(struct kvm_s390_pv_dmp, gaddr));
	EXPECT_EQ(16UL, sizeof(struct kvm_s390_pv_info_header));
	EXPECT_EQ(80UL, sizeof(struct kvm_s390_pv_info));
	EXPECT_EQ(24UL, sizeof(struct kvm_s390_pv_info_dump));
	EXPECT_EQ(64UL, sizeof(struct kvm_s390_pv_info_vm));
	EXPECT_EQ(16UL, offsetof(struct kvm_s390_pv_info, vm));
	EXPECT_EQ(16UL, offsetof(struct kvm_s390_pv_info, dump));
}

TEST_F(vm, capability_is_one_on_both_fds)
{
	EXPECT_EQ(1, ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
	EXPECT_EQ(1, ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
}

TEST_F(vm, info_vm_writes_80_bytes)
{
	struct kvm_s390_pv_info *res;
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, PAGE, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	res = (struct kvm_s390_pv_info *)buf;
	EXPECT_EQ(KVM_PV_INFO_VM, res->header.id);
	EXPECT_EQ(PAGE, res->header.len_max);
	EXPECT_EQ(80, res->header.len_written);
	EXPECT_TRUE(all_bytes(buf + 80, CANARY, PAGE - 80));
	EXPECT_NE(0, res->vm.inst_calls_list[0]);
	EXPECT_LT(0, res->vm.max_cpus);
	EXPECT_EQ(0, res->vm.max_guest_addr & (PAGE - 1));
}

TEST_F(vm, info_dump_writes_40_bytes)
{
	struct kvm_s390_pv_info *res;
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, PAGE, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	res = (struct kvm_s390_pv_info *)buf;
	EXPECT_EQ(40, res->header.len_written);
	EXPECT_TRUE(all_bytes(buf + 40, CANARY, PAGE - 40));
	EXPECT_LE(CPU_LEN, res->dump.dump_cpu_buffer_len);
	EXPECT_LE(COMPL_LEN, res->dump.dump_config_finalize_len);
	EXPECT_NE(0, res->dump.dump_config_mem_buffer_per_1m);
}

/* Each of them a number that no other has, so that none can stand in for another. */
TEST_F(vm, info_fields_are_those_of_the_firmware)
{
	static const char *const key[] = {
		/* in the order of struct kvm_s390_pv_info_vm, then _dump */
		"calls0", "calls1", "calls2", "calls3", "max_cpus", "max_guests",
		"max_address", "features", "cpu_len", "stor_state_len", "finalize_len",
	};
	static const unsigned int nr_vm = 8, nr = ARRAY_SIZE(key);
	uint64_t want[ARRAY_SIZE(key)], res[10];
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < nr; i++)
		want[i] = 0x0101010101010101ULL * (0x11 + i);
	want[4] &= 0xfff;
	want[5] &= 0xffff;
	for (i = nr_vm; i < nr; i++)
		want[i] = (3 + i) * PAGE;
	/* the bits that are set already are those of calls there are */
	ASSERT_EQ(0, sim_qui("calls0", &want[0]));
	for (i = 1; i < nr; i++)
		ASSERT_EQ(0, sim_write("qui", "%s=0x%lx", key[i], want[i]));

	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, sizeof(res), res));
	for (i = 0; i < nr_vm; i++)
		EXPECT_EQ(want[i], res[2 + i])
			TH_LOG("field %u", i);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, sizeof(res), res));
	for (i = nr_vm; i < nr; i++)
		EXPECT_EQ(want[i], res[2 + i - nr_vm])
			TH_LOG("field %u", i);
}

TEST_F(vm, info_length_rules)
{
	static const struct { uint32_t id, min; } kind[] = {
		{ KVM_PV_INFO_VM, 80 }, { KVM_PV_INFO_DUMP, 40 },
	};
	uint8_t *buf = guarded_alloc(PAGE);
	unsigned int k, i;

	ASSERT_NE(NULL, buf);
	for (k = 0; k < ARRAY_SIZE(kind); k++) {
		const uint32_t bad[] = { 0, 15, 16, 17, kind[k].min - 1 };
		const uint32_t good[] = { kind[k].min, kind[k].min + 1, PAGE, 0xffffffff };

		for (i = 0; i < ARRAY_SIZE(good); i++) {
			memset(buf, CANARY, PAGE);
			EXPECT_EQ(0, info(&self->vm, kind[k].id, good[i], buf));
			EXPECT_TRUE(all_bytes(buf + kind[k].min, CANARY, PAGE - kind[k].min));
		}
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			memset(buf, CANARY, PAGE);
			EXPECT_EQ(-EINVAL, info(&self->vm, kind[k].id, bad[i], buf))
				TH_LOG("id %u len_max %u", kind[k].id, bad[i]);
			EXPECT_TRUE(all_bytes(buf + 16, CANARY, PAGE - 16));
			EXPECT_TRUE(rc_untouched(&self->vm));
		}
	}
}

TEST_F(vm, info_fits_in_front_of_an_unmapped_page)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, PAGE, buf + PAGE - 80));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, PAGE, buf + PAGE - 40));
}

TEST_F(vm, info_unknown_id_einval)
{
	uint8_t buf[PAGE];

	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, sizeof(buf), buf));
	EXPECT_EQ(-EINVAL, info(&self->vm, 2, sizeof(buf), buf));
	EXPECT_EQ(-EINVAL, info(&self->vm, 0xffffffff, sizeof(buf), buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(vm, info_unreadable_header_efault)
{
	uint8_t *buf = guarded_alloc(PAGE);
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, bad));
	/* the header crosses into the page without access */
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, buf + PAGE - 8));
}

TEST_F(vm, info_unwritable_result_efault)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	ASSERT_EQ(0, mprotect(buf, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, buf));
	ASSERT_EQ(0, mprotect(buf, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-EFAULT, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf + PAGE - 39));
}

TEST_F(vm, info_reserved_word_is_ignored_and_kept)
{
	struct kvm_s390_pv_info_header h = {
		.id = KVM_PV_INFO_DUMP, .len_max = 40, .reserved = 0xffffffff,
	};
	uint8_t buf[40];

	memcpy(buf, &h, sizeof(h));
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_INFO, buf));
	memcpy(&h, buf, sizeof(h));
	EXPECT_EQ(40, h.len_written);
	EXPECT_EQ(0xffffffff, h.reserved);
}

TEST_F(vm, info_issues_no_uvc)
{
	uint8_t buf[80];

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("counters", "0"));
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
	EXPECT_EQ(0, sim_number("counters", "total"));
}

static int sysfs_uv(const char *file, uint64_t *val)
{
	char path[64], buf[32] = "", *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/firmware/uv/query/%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	/* hexadecimal without 0x, and a newline */
	*val = strtoull(buf, &end, 16);
	return n > 1 && buf[1] != 'x' && end == buf + n - 1 && *end == '\n' ? 0 : -EPROTO;
}

TEST_F(vm, sysfs_tells_what_info_tells)
{
	struct vm *vm = &self->vm;
	uint64_t val, qui;

	/* the kernel makes it for those with facility 158 */
	if (access("/sys/firmware/uv/query", R_OK))
		SKIP(return, "no /sys/firmware/uv (boot with facilities=158)");
	EXPECT_EQ(0, sysfs_uv("dump_storage_state_len", &val));
	EXPECT_EQ(vm->len.dump_config_mem_buffer_per_1m, val);
	EXPECT_EQ(0, sysfs_uv("dump_finalize_len", &val));
	EXPECT_EQ(vm->len.dump_config_finalize_len, val);
	/* the name that tools look for, and no other */
	EXPECT_EQ(0, sysfs_uv("uv_query_dump_cpu_len", &val));
	EXPECT_EQ(vm->len.dump_cpu_buffer_len, val);
	EXPECT_NE(0, sysfs_uv("dump_cpu_len", &val));
	EXPECT_EQ(0, sysfs_uv("supp_se_hdr_ver", &val));
	EXPECT_EQ(1ULL << 63, val & 1ULL << 63);
	EXPECT_EQ(0, sysfs_uv("supp_se_hdr_pcf", &val));
	EXPECT_EQ(PCF_DUMP, val & PCF_DUMP);
	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_qui("se_hdr_pcf", &qui));
	EXPECT_EQ(qui, val);
	/* not a number that happens to be the same */
	ASSERT_EQ(0, sim_write("qui", "cpu_len=0x3000"));
	ASSERT_EQ(0, sim_write("qui", "stor_state_len=0x4000"));
	ASSERT_EQ(0, sim_write("qui", "finalize_len=0x5000"));
	EXPECT_EQ(0, sysfs_uv("uv_query_dump_cpu_len", &val));
	EXPECT_EQ(0x3000, val);
	EXPECT_EQ(0, sysfs_uv("dump_storage_state_len", &val));
	EXPECT_EQ(0x4000, val);
	EXPECT_EQ(0, sysfs_uv("dump_finalize_len", &val));
	EXPECT_EQ(0x5000, val);
}

TEST_F(vm, info_leaves_cpu_state_to_kvm)
{
	/* a new vcpu is stopped; KVM starts it itself unless user space took that over */
	ASSERT_EQ(0, pv_info_dump(&self->vm));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

/* Every other command does switch, as it always has, even one that cannot be read */
TEST_F(vm, commands_leave_cpu_state_to_user_space)
{
	EXPECT_EQ(-EFAULT, xioctl(self->vm.fd, KVM_S390_PV_COMMAND, no_access(PAGE)));
	EXPECT_EQ(-EINVAL, vm_run(&self->vm, 0, 20));
	ASSERT_EQ(0, vm_set_state(&self->vm, 0, KVM_MP_STATE_OPERATING));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(pv, info_works_on_a_protected_vm)
{
	uint8_t buf[80];

	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(dumping, info_works)
{
	uint8_t buf[80];

	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
}

/* Firmware that reports odd things */

FIXTURE(qui) {
	struct vm vm;
};

/* The capability, and what else can be expected */
enum cap {
	ON,		/* there are dumps, and they are right */
	TOO_SHORT,	/* likewise, but the Ultravisor refuses this length */
	OFF,
	NO_PV,		/* off, and KVM could not even make a protected VM */
};

FIXTURE_VARIANT(qui) {
	const char *key;
	uint64_t value;
	enum cap cap;
	bool harmful;		/* for a kernel that leaves it on */
	bool limit;		/* kernels have other limits: cap may also be ON */
	uint64_t clear;		/* bits of calls0 to clear */
};

#define CALL_BIT(n)	(1ULL << (63 - (n)))
#define KIB		1024ULL

FIXTURE_VARIANT_ADD(qui, no_init_call) { .clear = CALL_BIT(24), .cap = OFF };
FIXTURE_VARIANT_ADD(qui, no_stor_state_call) { .clear = CALL_BIT(25), .cap = OFF };
FIXTURE_VARIANT_ADD(qui, no_cpu_call) { .clear = CALL_BIT(26), .cap = OFF };
FIXTURE_VARIANT_ADD(qui, no_complete_call) { .clear = CALL_BIT(27), .cap = OFF };

FIXTURE_VARIANT_ADD(qui, stor_state_0) { .key = "stor_state_len", .value = 0, .cap = OFF };
FIXTURE_VARIANT_ADD(qui, stor_state_16) {
	.key = "stor_state_len", .value = 16, .cap = TOO_SHORT,
};

FIXTURE_VARIANT_ADD(qui, stor_state_4k) { .key = "stor_state_len", .value = 4096, .cap = ON };
FIXTURE_VARIANT_ADD(qui, stor_state_8k) { .key = "stor_state_len", .value = 8192, .cap = ON };
FIXTURE_VARIANT_ADD(qui, stor_state_12k) { .key = "stor_state_len", .value = 12288, .cap = ON };
FIXTURE_VARIANT_ADD(qui, stor_state_16k_and_16) {
	.key = "stor_state_len", .value = 16 * KIB + 16, .cap = ON,
};

FIXTURE_VARIANT_ADD(qui, stor_state_64k) {
	.key = "stor_state_len", .value = 64 * KIB, .cap = ON,
};

FIXTURE_VARIANT_ADD(qui, stor_state_64k_and_16) {
	.key = "stor_state_len", .value = 64 * KIB + 16, .cap = OFF, .harmful = true, .limit = true,
};

FIXTURE_VARIANT_ADD(qui, stor_state_1m) {
	.key = "stor_state_len", .value = MIB, .cap = OFF, .harmful = true, .limit = true,
};

FIXTURE_VARIANT_ADD(qui, stor_state_2m) {
	.key = "stor_state_len", .value = 2 * MIB, .cap = OFF, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, stor_state_absurd) {
	.key = "stor_state_len", .value = ~0ULL, .cap = OFF, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, finalize_0) {
	.key = "finalize_len", .value = 0, .cap = OFF, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, finalize_288) { .key = "finalize_len", .value = 288, .cap = ON };
FIXTURE_VARIANT_ADD(qui, finalize_5000) { .key = "finalize_len", .value = 5000, .cap = ON };
FIXTURE_VARIANT_ADD(qui, finalize_64k) { .key = "finalize_len", .value = 64 * KIB, .cap = ON };
FIXTURE_VARIANT_ADD(qui, finalize_64k_and_1) {
	.key = "finalize_len", .value = 64 * KIB + 1, .cap = OFF, .harmful = true, .limit = true,
};

FIXTURE_VARIANT_ADD(qui, finalize_absurd) {
	.key = "finalize_len", .value = ~0ULL, .cap = OFF, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, cpu_0) { .key = "cpu_len", .value = 0, .cap = NO_PV };
FIXTURE_VARIANT_ADD(qui, cpu_1568) { .key = "cpu_len", .value = 1568, .cap = ON };
FIXTURE_VARIANT_ADD(qui, cpu_12k) { .key = "cpu_len", .value = 12288, .cap = ON };
FIXTURE_VARIANT_ADD(qui, cpu_64k) { .key = "cpu_len", .value = 64 * KIB, .cap = ON };
/* as much as KVM can donate */
FIXTURE_VARIANT_ADD(qui, cpu_128k) { .key = "cpu_len", .value = 128 * KIB, .cap = ON };
FIXTURE_VARIANT_ADD(qui, cpu_absurd) {
	.key = "cpu_len", .value = ~0ULL, .cap = NO_PV, .limit = true,
};

FIXTURE_SETUP(qui)
{
	struct vm_opts o = DEFAULT_OPTS;
	uint64_t calls;

	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_reset());
	violations_before = sim_violations();
	ASSERT_EQ(0, image_build(&the_image, o.mib * MIB, o.pcf));
	if (variant->key) {
		ASSERT_EQ(0, sim_write("qui", "%s=0x%lx", variant->key, variant->value));
	} else {
		ASSERT_EQ(0, sim_qui("calls0", &calls));
		ASSERT_NE(0, calls & variant->clear);
		ASSERT_EQ(0, sim_write("qui", "calls0=0x%lx", calls & ~variant->clear));
	}
	ASSERT_EQ(0, vm_create(&self->vm, &o));
	if (variant->cap != NO_PV)
		ASSERT_EQ(0, vm_protect(&self->vm, &the_image, STAGE_VERIFIED));
}

FIXTURE_TEARDOWN(qui)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

/* Lines of the kernel log with @what */
static int log_lines(const char *what)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[8192];
	ssize_t n;
	int lines = 0;

	if (fd < 0)
		return -errno;
	/* one at a time; some may be overwritten, or be too old */
	while ((n = read(fd, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		line[n < 0 ? 0 : n] = 0;
		lines += !!strstr(line, what);
	}
	close(fd);
	return lines;
}

TEST_F(qui, capability_is_off_or_right)
{
	struct vm *vm = &self->vm;
	uint64_t val;
	uint8_t *buf;
	int on, ret;

	if (no_sim(_metadata))
		return;
	if (env.gentle && variant->harmful)
		SKIP(return, "would crash a kernel that trusts the length");
	EXPECT_EQ(1, ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED));
	on = ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP);
	EXPECT_EQ(on, ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
	if (!variant->limit || on != 1)
		EXPECT_EQ(variant->cap == ON || variant->cap == TOO_SHORT, on);
	/* INFO tells what there is in any case */
	EXPECT_EQ(0, pv_info_dump(vm));
	if (variant->key) {
		val = !strcmp(variant->key, "cpu_len") ? vm->len.dump_cpu_buffer_len :
		      !strcmp(variant->key, "finalize_len") ? vm->len.dump_config_finalize_len :
		      vm->len.dump_config_mem_buffer_per_1m;
		EXPECT_EQ(variant->value, val);
	}
	if (variant->cap == NO_PV)
		return;
	if (!on) {
		/* who looks for the reason finds it in the log, once */
		if (variant->key)
			EXPECT_EQ(1, log_lines("No dumps of protected VMs"));
		ASSERT_EQ(0, sim_write("counters", "0"));
		EXPECT_EQ(-EINVAL, dump_init(vm));
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(0, sim_dump_calls());
		EXPECT_TRUE(vm_runs(vm, 0));
		return;
	}
	ASSERT_EQ(0, dump_init(vm));
	val = vm->len.dump_config_mem_buffer_per_1m;
	if (val == PAGE) {
		EXPECT_EQ(0, dump_and_verify(vm, 3));
		EXPECT_TRUE(vm_runs(vm, 0));
		return;
	}
	buf = guarded_alloc(4 * val);
	ASSERT_NE(NULL, buf);
	ret = dump_stor(vm, buf, 4 * val, 0);
	if (variant->cap == TOO_SHORT) {
		/* less than the 256 pages of a block take: the Ultravisor says so */
		EXPECT_EQ(-EINVAL, ret);
		EXPECT_FALSE(rc_untouched(vm));
		EXPECT_LT(1, vm->cmd.rc);
		EXPECT_TRUE(all_bytes(buf, CANARY, 4 * val));
		return;
	}
	ASSERT_EQ(0, ret);
	/* 256 entries, the rest of each block is zero */
	for (ret = 0; ret < 4; ret++) {
		EXPECT_NE(CANARY, buf[ret * val]);
		EXPECT_TRUE(all_bytes(buf + ret * val + PAGE, 0, val - PAGE));
	}
	EXPECT_TRUE(guard_intact(buf));
	/* component of the first page of the image */
	EXPECT_NE(0xffffffff, get32(buf + 0x10 * 16));
	EXPECT_EQ(0xffffffff, get32(buf));
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, PAGE, 0));
	EXPECT_TRUE(rc_untouched(vm));
	/* any number of blocks, although the length is no power of two */
	for (ret = 1; ret <= 4; ret++)
		EXPECT_EQ(0, dump_stor(vm, buf, ret * val, 0));
}

/*
 * On hosts without an Ultravisor there is nothing else to test: each command is refused
 * before anything is read.
 */
static void refused_without_ultravisor(void)
{
	static const struct {
		const char *what;
		uint32_t cmd, flags;
	} cmds[] = {
		{ "INFO", .cmd = KVM_PV_INFO },
		{ "DUMP", .cmd = KVM_PV_DUMP },
		{ "DUMP with flags", .cmd = KVM_PV_DUMP, .flags = 1 },
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, cpu, ret;
	struct kvm_pv_cmd cmd;
	unsigned int i;

	if (kvm < 0 || ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED))
		goto out;
	vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	if (cpu < 0)
		ksft_exit_fail_msg("no vcpu: %s\n", strerror(errno));
	ret = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP);
	if (ret)
		ksft_exit_fail_msg("KVM_CAP_S390_PROTECTED_DUMP is %d\n", ret);
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		cmd = (struct kvm_pv_cmd) { .cmd = cmds[i].cmd, .flags = cmds[i].flags };
		ret = xioctl(vm, KVM_S390_PV_COMMAND, &cmd);
		if (ret != -EINVAL)
			ksft_exit_fail_msg("%s of the VM: %d\n", cmds[i].what, ret);
		/* older kernels have no such ioctl */
		ret = xioctl(cpu, KVM_S390_PV_CPU_COMMAND, &cmd);
		if (ret != -EINVAL && ret != -ENOTTY)
			ksft_exit_fail_msg("%s of the vcpu: %d\n", cmds[i].what, ret);
	}
	ret = xioctl(vm, KVM_S390_PV_COMMAND, NULL);
	if (ret != -EINVAL)
		ksft_exit_fail_msg("no structure for the VM: %d\n", ret);
	ret = xioctl(cpu, KVM_S390_PV_CPU_COMMAND, NULL);
	if (ret != -EINVAL && ret != -ENOTTY)
		ksft_exit_fail_msg("no structure for the vcpu: %d\n", ret);
	close(cpu);
	close(vm);
out:
	if (kvm >= 0)
		close(kvm);
}

int main(int argc, char **argv)
{
	refused_without_ultravisor();
	env_setup();
	return test_harness_run(argc, argv);
}
