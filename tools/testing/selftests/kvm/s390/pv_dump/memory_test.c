// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a dump costs the kernel: how much memory a request takes, that all of it is
 * given back, and how long kvm->lock is kept. Counted, with events of the kernel and
 * with its own statistics, not measured in time.
 */

#include <limits.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>

#include "fixtures.h"
#include "lib/trace.h"

/* KiB that the kernel took for itself in pieces of pages */
static long mem_used(void)
{
	char buf[4096] = "", *vmalloc, *slab;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	vmalloc = strstr(buf, "VmallocUsed:");
	slab = strstr(buf, "SUnreclaim:");
	if (n <= 0 || !vmalloc || !slab)
		return -1;
	return strtol(vmalloc + 12, NULL, 10) + strtol(slab + 11, NULL, 10);
}

TEST_F(big, stor_state_takes_little_memory)
{
	long used, least = LONG_MAX;
	struct stor s;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	/* others take memory, too, but hardly each time */
	for (i = 0; i < 5; i++) {
		used = mem_used();
		ASSERT_LT(0, used);
		ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
		used = mem_used() - used;
		EXPECT_FALSE(wait_done(&s.done, 0));
		ASSERT_EQ(0, sim_write("faults", "clear"));
		pthread_join(s.thread, NULL);
		ASSERT_EQ(0, s.ret);
		if (used < least)
			least = used;
	}
	EXPECT_GT(512, least);
}

/* A debug kernel, whose KASAN and kmemleak take memory for what others take */
static bool kernel_is_watched(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

static const char *const alloc_events[] = {
	"kmem/kmalloc", "kmem/kmalloc_node", "kmem/mm_page_alloc",
};

/* Bytes of the largest object, and pages, that the events in @log are about */
static void count_allocations(char *log, unsigned long *largest, unsigned long *pages)
{
	char *line, *save, *p;

	*largest = 0;
	*pages = 0;
	for (line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		p = strstr(line, " bytes_req=");
		if (p && strtoul(p + 11, NULL, 10) > *largest)
			*largest = strtoul(p + 11, NULL, 10);
		p = strstr(line, " order=");
		if (p && strstr(line, "mm_page_alloc: "))
			*pages += 1UL << strtoul(p + 7, NULL, 10);
	}
}

/* Bytes of vmalloc space that a dump command has at this moment, or -1 */
static long vmalloc_of_dumps(void)
{
	FILE *f = fopen("/proc/vmallocinfo", "re");
	long sum = 0, size;
	char line[512];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "_pv_dump_"))
			continue;
		/* begin-end, size, who: with a page behind it that is not there */
		if (sscanf(line, "%*s %ld", &size) != 1) {
			fclose(f);
			return -1;
		}
		sum += size - PAGE;
	}
	return fclose(f) ? -1 : sum;
}

/* From the slab or from vmalloc space, whose pages have an event on some kernels only */
TEST_F(big, stor_state_allocates_16_kib)
{
	static char log[1 << 20];
	unsigned long largest, pages;
	struct stor s;
	long vmalloc;

	if (no_sim(_metadata))
		return;
	if (!trace_have("kmem/kmalloc"))
		SKIP(return, "no tracefs");
	ASSERT_EQ(0, vmalloc_of_dumps());
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	vmalloc = vmalloc_of_dumps();
	EXPECT_FALSE(wait_done(&s.done, 0));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	ASSERT_EQ(0, s.ret);
	EXPECT_EQ(0, vmalloc_of_dumps());

	ASSERT_EQ(0, trace_start(alloc_events, ARRAY_SIZE(alloc_events)));
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf, self->len, 0));
	ASSERT_EQ(0, trace_stop(alloc_events, ARRAY_SIZE(alloc_events), log, sizeof(log)));
	count_allocations(log, &largest, &pages);
	EXPECT_LT(0, largest);
	EXPECT_EQ(16384, vmalloc ?: (long)largest)
		TH_LOG("%ld bytes of vmalloc space, %lu in an object", vmalloc, largest);
	EXPECT_GE(16384, largest);
	/* a new slab for something small may be needed, and what watches it has its own */
	if (!kernel_is_watched())
		EXPECT_GE(4 + 4, pages);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

/* Only a kernel with lockdep tells when a lock is taken and given up. */
TEST_F(big, at_most_four_calls_in_a_row_with_the_lock)
{
	static const char *const events[] = {
		"lock/lock_acquire", "lock/lock_release", "kvm-s390/kvm_s390_pv_dump_stor_state",
	};
	unsigned int calls = 0, most = 0, sum = 0, taken = 0, held = 0;
	static char log[1 << 20];
	char *line, *save;

	if (no_sim(_metadata))
		return;
	if (!trace_have(events[0]) || !trace_have(events[2]))
		SKIP(return, "needs lockdep, and tracepoints for dumps");
	ASSERT_EQ(0, trace_filter(events[0], "name == \"&kvm->lock\""));
	ASSERT_EQ(0, trace_filter(events[1], "name == \"&kvm->lock\""));
	ASSERT_EQ(0, trace_start(events, ARRAY_SIZE(events)));
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf, 64 * self->per, 0));
	ASSERT_EQ(0, trace_stop(events, ARRAY_SIZE(events), log, sizeof(log)));
	ASSERT_EQ(0, trace_filter(events[0], "0"));
	ASSERT_EQ(0, trace_filter(events[1], "0"));
	for (line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, "lock_acquire: ")) {
			taken++;
			held = 1;
			calls = 0;
		} else if (strstr(line, "lock_release: ")) {
			held = 0;
		} else if (strstr(line, "kvm_s390_pv_dump_stor_state: ")) {
			sum++;
			calls += held;
			if (calls > most)
				most = calls;
		}
	}
	EXPECT_EQ(64, sum);
	EXPECT_LE(1, taken);
	EXPECT_GE(4, most);
}

/*
 * What is not given back adds up: each of @fn leaves less than half a page behind on
 * average, however late the kernel gives back what it has done with.
 */
#define TIMES	256
/* KiB; signed, as there may also be more free memory than before */
#define ALLOWED		((long)(TIMES * PAGE / 1024 / 2))

static long grown(struct vm *vm, int (*fn)(struct vm *vm, unsigned int round))
{
	double end = now() + LONG_ENOUGH;
	unsigned int i;
	long before, used;

	/* what is set up once does not count */
	for (i = 0; i < 8; i++)
		if (fn(vm, i))
			return LONG_MAX;
	before = mem_used();
	for (i = 0; i < TIMES; i++)
		if (fn(vm, i))
			return LONG_MAX;
	do {
		used = mem_used() - before;
		if (used < TIMES * (long)(PAGE / 1024) / 2)
			break;
		sleep_ms(50);
	} while (now() < end);
	return used;
}

/* KASAN keeps what was freed for a while. Where it is, kmemleak looks for the same. */
static bool keeps_freed_memory(struct __test_metadata *_metadata)
{
	if (kernel_is_watched())
		SKIP(return true, "the kernel keeps freed memory back, and has kmemleak");
	return false;
}

static uint8_t *good_buf, *bad_buf;

static int cpu_rounds(struct vm *vm, unsigned int round)
{
	int ret;

	if (round % 3 == 2)
		ret = sim_write("faults", "clear") ?:
		      sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", UVC_CPU);
	else
		ret = 0;
	if (ret)
		return ret;
	ret = dump_cpu(vm, round % 2, round % 3 == 1 ? bad_buf : good_buf);
	return ret == (round % 3 == 0 ? 0 : round % 3 == 1 ? -EFAULT : -EINVAL) ? 0 : -EPROTO;
}

static int stor_rounds(struct vm *vm, unsigned int round)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	int ret = 0;

	if (round % 3 == 2)
		ret = sim_write("faults", "clear") ?:
		      sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", UVC_STOR_STATE);
	if (ret)
		return ret;
	ret = dump_stor(vm, round % 3 == 1 ? bad_buf : good_buf, per, 0);
	return ret == (round % 3 == 0 ? 0 : round % 3 == 1 ? -EFAULT : -EINVAL) ? 0 : -EPROTO;
}

static int complete_rounds(struct vm *vm, unsigned int round)
{
	const uint64_t len = vm->len.dump_config_finalize_len;
	int ret = 0;

	if (round % 3 == 1 && dump_complete(vm, bad_buf, len) != -EFAULT)
		return -EPROTO;
	if (round % 3 == 2) {
		ret = sim_write("faults", "clear") ?:
		      sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", UVC_COMPLETE);
		if (ret || dump_complete(vm, good_buf, len) != -EINVAL)
			return -EPROTO;
	}
	return dump_complete(vm, good_buf, len) ?: dump_init(vm);
}

static int undelivered_rounds(struct vm *vm, unsigned int round)
{
	(void)round;
	if (dump_complete(vm, bad_buf, vm->len.dump_config_finalize_len) != -EFAULT)
		return -EPROTO;
	return pv(vm, KVM_PV_DISABLE, NULL) ?: vm_protect(vm, &the_image, STAGE_DUMPING);
}

TEST_F_TIMEOUT(dumping, memory_of_each_command_is_given_back, 240)
{
	struct vm *vm = &self->vm;

	if (no_sim(_metadata) || keeps_freed_memory(_metadata))
		return;
	good_buf = guarded_alloc(vm->len.dump_cpu_buffer_len);
	bad_buf = no_access(PAGE);
	ASSERT_NE(NULL, good_buf);
	ASSERT_NE(NULL, bad_buf);
	EXPECT_GT(ALLOWED, grown(vm, cpu_rounds));
	EXPECT_GT(ALLOWED, grown(vm, stor_rounds));
	EXPECT_GT(ALLOWED, grown(vm, complete_rounds));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F_TIMEOUT(dumping, memory_of_undelivered_data_is_given_back, 240)
{
	struct vm *vm = &self->vm;

	if (no_sim(_metadata) || keeps_freed_memory(_metadata))
		return;
	bad_buf = no_access(PAGE);
	ASSERT_NE(NULL, bad_buf);
	EXPECT_GT(ALLOWED, grown(vm, undelivered_rounds));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/*
 * User memory that takes as long as it likes: whoever touches the page waits in the
 * fault until slow_go_on(), and slow_touched() tells that somebody does.
 */
struct slow {
	int fd;
	uint8_t *page;
};

static int slow_alloc(struct slow *slow)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };

	slow->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (slow->fd < 0)
		return -errno;
	slow->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slow->page == MAP_FAILED)
		return -errno;
	reg.range.start = (uintptr_t)slow->page;
	reg.range.len = PAGE;
	return xioctl(slow->fd, UFFDIO_API, &api) ?: xioctl(slow->fd, UFFDIO_REGISTER, &reg);
}

static bool slow_touched(struct slow *slow)
{
	struct pollfd p = { .fd = slow->fd, .events = POLLIN };
	struct uffd_msg msg;

	return poll(&p, 1, LONG_ENOUGH * 1000) == 1 &&
	       read(slow->fd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

static int slow_go_on(struct slow *slow)
{
	struct uffdio_zeropage zero = { .range.start = (uintptr_t)slow->page, .range.len = PAGE };

	return xioctl(slow->fd, UFFDIO_ZEROPAGE, &zero);
}

/* One ioctl in a thread */
struct call {
	pthread_t thread;
	int fd, ret, done;
	unsigned long nr;
	void *arg;
};

static void *call_fn(void *arg)
{
	struct call *c = arg;

	c->ret = xioctl(c->fd, c->nr, c->arg);
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * A dump command waits for @slow. Others, here one who sets an attribute, which takes
 * kvm->lock, get through meanwhile.
 */
static void others_get_through(struct __test_metadata *_metadata, struct vm *vm,
			       struct slow *slow, struct kvm_pv_cmd *cmd, int want)
{
	struct kvm_device_attr attr = {
		.group = KVM_S390_VM_CRYPTO,
		.attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct call dump = { .fd = vm->fd, .nr = KVM_S390_PV_COMMAND, .arg = cmd };
	struct call other = { .fd = vm->fd, .nr = KVM_SET_DEVICE_ATTR, .arg = &attr };

	ASSERT_EQ(0, pthread_create(&dump.thread, NULL, call_fn, &dump));
	ASSERT_TRUE(slow_touched(slow));
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, call_fn, &other));
	EXPECT_TRUE(wait_done(&other.done, LONG_ENOUGH * 1000));
	EXPECT_FALSE(wait_done(&dump.done, 0));
	ASSERT_EQ(0, slow_go_on(slow));
	pthread_join(dump.thread, NULL);
	pthread_join(other.thread, NULL);
	EXPECT_EQ(0, other.ret);
	EXPECT_EQ(want, dump.ret);
}

TEST_F(dumping, slow_buffer_of_stor_state_holds_up_nobody)
{
	struct kvm_s390_pv_dmp dmp = { .subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&dmp };
	struct slow slow;

	if (no_sim(_metadata))
		return;
	if (slow_alloc(&slow))
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(PAGE, self->per);
	dmp.buff_addr = (uintptr_t)slow.page;
	dmp.buff_len = self->per;
	others_get_through(_metadata, &self->vm, &slow, &cmd, 0);
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf, self->per, 0));
	EXPECT_EQ(0, memcmp(self->buf, slow.page, self->per));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 4));
	close(slow.fd);
}

static int call_of_a_process(void *arg)
{
	call_fn(arg);
	return 0;
}

/* The UV call of KVM_PV_UNSHARE_ALL, which holds kvm->lock for as long as it is busy */
#define UVC_UNSHARE_ALL	0x0340

TEST_F(dumping, slow_buffer_of_complete_and_slow_structure_hold_up_nobody)
{
	struct kvm_s390_pv_dmp dmp = { .subcmd = KVM_PV_DUMP_COMPLETE };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP };
	struct slow slow, slow_dmp;
	struct dump d;

	if (no_sim(_metadata))
		return;
	if (slow_alloc(&slow) || slow_alloc(&slow_dmp))
		SKIP(return, "no userfaultfd");
	/* what is read is zero, which is INIT: there is a dump already */
	cmd.data = (uintptr_t)slow_dmp.page;
	others_get_through(_metadata, &self->vm, &slow_dmp, &cmd, -EINVAL);

	ASSERT_EQ(0, sim_set_registers(&self->vm, &d));
	ASSERT_EQ(0, dump_alloc(&self->vm, &d));
	ASSERT_EQ(0, dump_cpu(&self->vm, 0, d.cpu[0]));
	ASSERT_EQ(0, dump_cpu(&self->vm, 1, d.cpu[1]));
	ASSERT_EQ(0, dump_stor(&self->vm, d.meta, d.meta_len, 0));
	cmd.data = (uintptr_t)&dmp;
	dmp.buff_addr = (uintptr_t)slow.page;
	dmp.buff_len = self->vm.len.dump_config_finalize_len;
	others_get_through(_metadata, &self->vm, &slow, &cmd, 0);
	memcpy(d.compl, slow.page, dmp.buff_len);
	EXPECT_EQ(0, dump_verify(&self->vm, &d));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
	close(slow.fd);
	close(slow_dmp.fd);
}

/* COMPLETE waits for others, once it has read its structure: a fatal signal ends it. */
TEST_F(dumping, complete_that_waits_for_others_can_be_killed)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp dmp = {
		.subcmd = KVM_PV_DUMP_COMPLETE,
		.buff_addr = (uintptr_t)self->buf,
		.buff_len = vm->len.dump_config_finalize_len,
	};
	struct kvm_pv_cmd unshare = { .cmd = KVM_PV_UNSHARE_ALL };
	struct kvm_pv_cmd complete = { .cmd = KVM_PV_DUMP };
	struct call killed = { .fd = vm->fd, .nr = KVM_S390_PV_COMMAND, .arg = &complete };
	struct call other = { .fd = vm->fd, .nr = KVM_S390_PV_COMMAND, .arg = &unshare };
	struct uffdio_copy copy = { .len = PAGE };
	double end = now() + LONG_ENOUGH;
	uint8_t *page = calloc(1, PAGE);
	bool held, waits = false;
	struct slow slow;
	pid_t pid;

	if (no_sim(_metadata))
		return;
	if (slow_alloc(&slow))
		SKIP(return, "no userfaultfd");
	ASSERT_NE(NULL, page);
	memcpy(page, &dmp, sizeof(dmp));
	copy.src = (uintptr_t)page;
	copy.dst = (uintptr_t)slow.page;
	complete.data = (uintptr_t)slow.page;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff cc=3 delay_us=1000",
			       UVC_UNSHARE_ALL));
	/* of another process with the same memory, so that the VM stays */
	pid = child_sharing(call_of_a_process, &killed);
	ASSERT_LT(0, pid);
	/* it reads its structure, and has to take the lock once more afterwards */
	EXPECT_TRUE(slow_touched(&slow));
	EXPECT_EQ(0, pthread_create(&other.thread, NULL, call_fn, &other));
	while (sim_hits() < 1 && now() < end)
		sleep_ms(1);
	held = sim_hits() >= 1;
	EXPECT_TRUE(held);
	if (held) {
		EXPECT_EQ(0, xioctl(slow.fd, UFFDIO_COPY, &copy));
		while (!waits && now() < end) {
			sleep_ms(1);
			waits = child_waits_in_kvm(pid);
		}
		EXPECT_TRUE(waits);
	}
	EXPECT_TRUE(child_kill(pid));
	EXPECT_FALSE(killed.done);
	EXPECT_FALSE(wait_done(&other.done, 0));
	EXPECT_EQ(0, sim_write("faults", "clear"));
	pthread_join(other.thread, NULL);
	/* no reset was prepared */
	EXPECT_EQ(-EINVAL, other.ret);
	EXPECT_EQ(0, sim_calls(UVC_COMPLETE));
	free(page);
	close(slow.fd);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
