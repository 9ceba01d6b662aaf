// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark, not a test: nothing here is judged. Under QEMU's icount with
 * shift=0 a nanosecond of CLOCK_MONOTONIC is an instruction; uvsim in its cheapest
 * mode (cheap=1) leaves little but the kernel's own share. Prints "name value unit".
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest.h"
#include "lib/env.h"
#include "lib/sim.h"
#include "lib/vm.h"

#define BENCH_MIB	4096

struct bench {
	struct vm vm;
	uint8_t *buf;
	uint64_t len;
	uint64_t best;
};

static uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void bench_ioctl(struct bench *b, int fd, unsigned long nr, void *arg)
{
	uint64_t start = bench_now();
	int ret = ioctl(fd, nr, arg);
	uint64_t cost = bench_now() - start;

	if (ret < 0) {
		perror("bench");
		exit(KSFT_FAIL);
	}
	if (!b->best || cost < b->best)
		b->best = cost;
}

static void bench_dmp(struct bench *b, uint64_t subcmd, uint64_t len)
{
	struct kvm_s390_pv_dmp d = {
		.subcmd = subcmd, .buff_addr = (uintptr_t)b->buf, .buff_len = len,
	};
	struct kvm_pv_cmd c = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&d };

	if (subcmd == KVM_PV_DUMP_CPU)
		bench_ioctl(b, b->vm.cpu[0], KVM_S390_PV_CPU_COMMAND, &c);
	else
		bench_ioctl(b, b->vm.fd, KVM_S390_PV_COMMAND, &c);
}

static void bench_print(struct bench *b, const char *name)
{
	printf("bench %s %llu instructions\n", name, (unsigned long long)b->best);
	b->best = 0;
}

/*
 * What a buffer costs depends on the free lists of the page allocator, which may
 * stay the same for all of a boot. Take some pages, so that each boot meets the
 * best case.
 */
static void bench_disturb(void)
{
	char *p = mmap(NULL, 32768, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		exit(KSFT_FAIL);
}

/* In KiB, with the pages on lists of the CPUs, which MemFree does not count */
static long bench_mem_free(void)
{
	char line[256];
	long n, pages = 0;
	FILE *f;
	int fd;

	/* The counters of each CPU have to be added up first */
	fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line)) < 0)
		exit(KSFT_FAIL);
	close(fd);
	f = fopen("/proc/zoneinfo", "r");
	if (!f)
		exit(KSFT_FAIL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nr_free_pages %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	}
	fclose(f);
	return pages * (PAGE / 1024);
}

static void *bench_long_request(void *arg)
{
	struct bench *b = arg;

	bench_dmp(b, KVM_PV_DUMP_CONFIG_STOR_STATE, b->len);
	return NULL;
}

/* One request, in a thread: returns when it is under way */
static pthread_t bench_start(struct bench *b, uint64_t blocks)
{
	pthread_t thread;

	b->len = blocks * b->vm.len.dump_config_mem_buffer_per_1m;
	sim_write("counters", "0");
	if (pthread_create(&thread, NULL, bench_long_request, b))
		exit(KSFT_FAIL);
	while (sim_calls(UVC_STOR_STATE) < 32)
		sleep_ms(1);
	return thread;
}

static void bench_vm(struct bench *b)
{
	struct vm_opts o = DEFAULT_OPTS;

	o.mib = BENCH_MIB;
	if (vm_create(&b->vm, &o) || vm_protect(&b->vm, &the_image, STAGE_VERIFIED))
		exit(KSFT_FAIL);
	b->buf = mmap(NULL, BENCH_MIB * b->vm.len.dump_config_mem_buffer_per_1m,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (b->buf == MAP_FAILED)
		exit(KSFT_FAIL);
}

int main(void)
{
	static const unsigned int blocks[] = { 1, 16, 256, BENCH_MIB };
	struct kvm_s390_pv_info info = {
		.header.id = KVM_PV_INFO_DUMP, .header.len_max = sizeof(info),
	};
	struct kvm_pv_cmd info_cmd = { .cmd = KVM_PV_INFO, .data = (uintptr_t)&info };
	struct kvm_pv_cmd unknown_cmd = { .cmd = 0x7777 };
	uint64_t wait, longest = 0;
	long calls, used, mem = 0;
	struct bench b = {};
	pthread_t thread;
	unsigned int i, n;
	char name[32];
	pid_t pid;

	env_setup();
	if (sim_reset() || image_build(&the_image, BENCH_MIB * MIB, PCF_DUMP | PCF_PCKMO))
		return KSFT_FAIL;

	/* Before there is a VM here: its memory would have to be copied */
	pid = fork();
	if (!pid) {
		bench_vm(&b);
		if (sim_write("faults", "cmd=0x401 count=0 delay_us=100"))
			_exit(KSFT_FAIL);
		dump_init(&b.vm);
		sim_write("counters", "0");
		b.len = BENCH_MIB * b.vm.len.dump_config_mem_buffer_per_1m;
		bench_long_request(&b);
		_exit(KSFT_FAIL);
	}
	while (sim_calls(UVC_STOR_STATE) < 32 && !waitpid(pid, NULL, WNOHANG))
		sleep_ms(1);
	calls = sim_calls(UVC_STOR_STATE);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("bench after_sigkill %ld blocks\n", sim_calls(UVC_STOR_STATE) - calls);
	if (sim_reset() || image_build(&the_image, BENCH_MIB * MIB, PCF_DUMP | PCF_PCKMO))
		return KSFT_FAIL;

	bench_vm(&b);
	for (n = 0; n < 20; n++)
		bench_ioctl(&b, env.kvm, KVM_GET_API_VERSION, NULL);
	bench_print(&b, "null");
	for (n = 0; n < 20; n++)
		bench_ioctl(&b, b.vm.fd, KVM_S390_PV_COMMAND, &info_cmd);
	bench_print(&b, "info");
	for (n = 0; n < 10; n++) {
		bench_dmp(&b, KVM_PV_DUMP_INIT, 0);
		dump_complete(&b.vm, b.buf, b.vm.len.dump_config_finalize_len);
	}
	bench_print(&b, "init");
	for (n = 0; n < 10; n++) {
		dump_init(&b.vm);
		bench_dmp(&b, KVM_PV_DUMP_COMPLETE, b.vm.len.dump_config_finalize_len);
	}
	bench_print(&b, "complete");
	dump_init(&b.vm);
	for (n = 0; n < 20; n++)
		bench_dmp(&b, KVM_PV_DUMP_CPU, b.vm.len.dump_cpu_buffer_len);
	bench_print(&b, "cpu");
	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		for (n = 0; n < (blocks[i] > 256 ? 10 : 40); n++) {
			bench_disturb();
			bench_dmp(&b, KVM_PV_DUMP_CONFIG_STOR_STATE,
				  blocks[i] * b.vm.len.dump_config_mem_buffer_per_1m);
		}
		snprintf(name, sizeof(name), "stor_state_%u", blocks[i]);
		bench_print(&b, name);
	}
	dump_complete(&b.vm, b.buf, b.vm.len.dump_config_finalize_len);

	/* What a long request takes from others, with UV calls of 100 us */
	sim_write("faults", "cmd=0x401 count=0 delay_us=100");
	dump_init(&b.vm);
	for (n = 0; n < 4; n++) {
		used = bench_mem_free();
		thread = bench_start(&b, 512);
		used -= bench_mem_free();
		/* the first thread needs memory of its own */
		if (!n || used < mem)
			mem = used;
		pthread_join(thread, NULL);
	}
	printf("bench request_memory %ld KiB\n", mem);
	/* A command that is not known does nothing but wait for kvm->lock; a block takes 100 us */
	thread = bench_start(&b, BENCH_MIB);
	for (n = 0; n < 8; n++) {
		wait = bench_now();
		ioctl(b.vm.fd, KVM_S390_PV_COMMAND, &unknown_cmd);
		wait = bench_now() - wait;
		longest = wait > longest ? wait : longest;
	}
	pthread_join(thread, NULL);
	printf("bench lock_held %llu blocks\n", (unsigned long long)longest / 100000);
	return KSFT_PASS;
}
