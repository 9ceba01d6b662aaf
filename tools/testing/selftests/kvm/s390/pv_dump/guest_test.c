// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest whose code is executed: it counts, in a register and in memory. A dump is of
 * one moment if both are the same in it, so a vcpu that runs on during a dump gives
 * itself away by what the owner of the guest finds.
 */
#include "fixtures.h"

/* The guest, and where it may be found */
static const uint8_t counter[] = {
	0xa7, 0x29, 0x00, 0x00,			/*	lghi	%r2,0		*/
	0xc0, 0x31, 0x00, 0x08, 0x00, 0x00,	/*	lgfi	%r3,IMAGE_ZEROS	*/
	0xa7, 0x2b, 0x00, 0x01,			/* 0:	aghi	%r2,1		*/
	0xe3, 0x20, 0x30, 0x00, 0x00, 0x24,	/*	stg	%r2,0(%r3)	*/
	0xa7, 0xf4, 0xff, 0xfb,			/*	j	0b		*/
};

#define AT_AGHI		(IMAGE_ENTRY + 10)
#define AT_STG		(IMAGE_ENTRY + 14)
#define AT_J		(IMAGE_ENTRY + 20)

/* of the page with the count, in the metadata */
#define META		(IMAGE_ZEROS / PAGE * 16)

#define REG_2		(2 * 8)
#define REG_PSW_ADDR	(16 * 8 + 8)

struct moment {
	uint64_t addr;		/* of the next instruction */
	uint64_t in_register, in_memory;
};

FIXTURE(guest) {
	struct vm vm;
};

FIXTURE_SETUP(guest)
{
	struct vm_opts o = DEFAULT_OPTS;

	if (!env.sim)
		return;
	/* CPU 0 counts */
	ASSERT_EQ(0, sim_reset());
	violations_before = sim_violations();
	ASSERT_EQ(0, image_build_code(&the_image, o.mib * MIB, o.pcf, counter, sizeof(counter)));
	ASSERT_EQ(0, vm_create(&self->vm, &o));
	ASSERT_EQ(0, vm_protect(&self->vm, &the_image, STAGE_VERIFIED));
	/* a kernel that enters SIE during a dump is to see what comes of it */
	ASSERT_EQ(0, sim_sie_mode("always"));
}

FIXTURE_TEARDOWN(guest)
{
	if (!env.sim)
		return;
	common_teardown(_metadata, &self->vm);
}

/* A dump that is over, by what it says of the guest */
static struct moment moment_of(struct __test_metadata *_metadata, struct vm *vm, struct dump *d)
{
	uint8_t regs[CPU_REGS_LEN], page[PAGE];
	struct moment m = {};

	EXPECT_EQ(0, dump_regs(vm, d, 0, regs))
		return m;
	EXPECT_EQ(0, dump_page(vm, d, d->meta + META, vm->mem + IMAGE_ZEROS, page))
		return m;
	m.addr = get64(regs + REG_PSW_ADDR);
	m.in_register = get64(regs + REG_2);
	m.in_memory = get64(page);
	/* between the two it has counted, and memory does not know yet */
	EXPECT_EQ(m.in_register, m.in_memory + (m.addr == AT_STG));
	return m;
}

/*
 * The guest runs, is dumped in the middle of that, and so on until it has counted. Where
 * it is now, or 0 if it runs on.
 */
static uint64_t counts_on(struct __test_metadata *_metadata, struct vm *vm, uint64_t last)
{
	double end = now() + LONG_ENOUGH;
	struct moment m;
	struct runner r;
	struct dump d;
	bool left;

	do {
		memset(&d, 0, sizeof(d));
		ASSERT_EQ(0, runner_start(&r, vm, 0));
		ASSERT_TRUE(sim_sie_goes_on());
		ASSERT_EQ(0, dump_init(vm));
		/* INIT makes it leave, and nobody else */
		left = runner_join(&r, LONG_ENOUGH * 1000);
		EXPECT_TRUE(left)
			return 0;
		EXPECT_EQ(-EINTR, r.ret);
		ASSERT_EQ(0, dump_rest(vm, &d, 4));
		m = moment_of(_metadata, vm, &d);
		dump_free(vm, &d);
	} while (m.in_register == last && now() < end);
	EXPECT_LT(last, m.in_register);
	EXPECT_TRUE(m.addr == AT_AGHI || m.addr == AT_STG || m.addr == AT_J)
		TH_LOG("it is at %lx", (unsigned long)m.addr);
	return m.in_register;
}

TEST_F(guest, registers_and_memory_are_of_one_moment)
{
	uint64_t last = 0;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < 5 && (!i || last); i++)
		last = counts_on(_metadata, &self->vm, last);
}

/* The page with the count, in the middle of a dump */
struct look {
	uint8_t meta[16], seen[PAGE];
};

static void take_look(struct __test_metadata *_metadata, struct vm *vm, struct dump *d,
		      struct look *look)
{
	ASSERT_EQ(0, dump_stor(vm, d->meta, vm->len.dump_config_mem_buffer_per_1m, 0));
	memcpy(look->meta, d->meta + META, sizeof(look->meta));
	memcpy(look->seen, vm->mem + IMAGE_ZEROS, PAGE);
}

TEST_F(guest, does_not_count_during_a_dump)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct vm *vm = &self->vm;
	uint8_t page[2][PAGE];
	struct look look[2];
	struct dump d = {};
	struct runner r;
	struct moment m;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	ASSERT_TRUE(sim_sie_goes_on());
	ASSERT_EQ(0, dump_init(vm));
	wait_done(&r.done, 1000);
	ASSERT_EQ(0, dump_alloc(vm, &d));
	take_look(_metadata, vm, &d, &look[0]);
	/* this might let it run on, if it is still in KVM_RUN */
	ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &on));
	sleep_ms(100);
	runner_join(&r, 0);
	take_look(_metadata, vm, &d, &look[1]);
	ASSERT_EQ(0, dump_cpu(vm, 0, d.cpu[0]));
	ASSERT_EQ(0, dump_stor(vm, d.meta, d.meta_len, 0));
	ASSERT_EQ(0, dump_complete(vm, d.compl, vm->len.dump_config_finalize_len));
	ASSERT_EQ(0, dump_page(vm, &d, look[0].meta, look[0].seen, page[0]));
	ASSERT_EQ(0, dump_page(vm, &d, look[1].meta, look[1].seen, page[1]));
	EXPECT_EQ(get64(page[0]), get64(page[1]));
	m = moment_of(_metadata, vm, &d);
	EXPECT_EQ(get64(page[0]), m.in_memory);
	dump_free(vm, &d);
	/* now it may */
	counts_on(_metadata, vm, m.in_register);
}

/* A command in a thread of its own, with structures of its own */
struct command {
	pthread_t thread;
	struct vm vm;
	uint8_t *buf;
	int ret, done;
};

static void *dump_cpu_1_fn(void *arg)
{
	struct command *c = arg;

	c->ret = dump_cpu(&c->vm, 1, c->buf);
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *complete_fn(void *arg)
{
	struct command *c = arg;

	c->ret = dump_complete(&c->vm, c->buf, c->vm.len.dump_config_finalize_len);
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A whole dump of a vcpu that nobody runs */
static struct moment dumped(struct __test_metadata *_metadata, struct vm *vm)
{
	struct moment m = {};
	struct dump d = {};

	EXPECT_EQ(0, dump_init(vm))
		return m;
	EXPECT_EQ(0, dump_rest(vm, &d, 4))
		return m;
	m = moment_of(_metadata, vm, &d);
	dump_free(vm, &d);
	return m;
}

/* It runs until it has counted, and is sent away by a signal. How far it has come, or 0. */
static uint64_t counted(struct __test_metadata *_metadata, struct vm *vm, uint64_t last)
{
	double end = now() + LONG_ENOUGH;
	struct runner r;
	struct moment m;

	do {
		EXPECT_EQ(0, runner_start(&r, vm, 0))
			return 0;
		EXPECT_TRUE(sim_sie_goes_on());
		runner_join(&r, 0);
		m = dumped(_metadata, vm);
	} while (m.in_register == last && now() < end);
	EXPECT_LT(last, m.in_register)
		return 0;
	return m.in_register;
}

TEST_F(guest, does_not_count_while_another_cpu_is_dumped)
{
	struct vm *vm = &self->vm;
	struct command cpu = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	struct command end = { .vm = *vm, .buf = guarded_alloc(PAGE) };
	struct runner r;
	uint64_t last, then;
	bool running;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, cpu.buf);
	ASSERT_NE(NULL, end.buf);
	last = counted(_metadata, vm, 0);
	ASSERT_LT(0, last);
	ASSERT_EQ(0, dump_init(vm));
	/* CPU 1 takes until the rule is gone, whatever comes meanwhile */
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff", UVC_CPU));
	ASSERT_EQ(0, pthread_create(&cpu.thread, NULL, dump_cpu_1_fn, &cpu));
	while (sim_hits() < 1)
		sleep_ms(1);
	ASSERT_EQ(0, pthread_create(&end.thread, NULL, complete_fn, &end));
	ASSERT_EQ(0, rerunner_start(&r, vm, 0));
	/* if the dump is over now, it runs on */
	if (wait_done(&end.done, 100))
		EXPECT_TRUE(sim_sie_goes_on());
	sleep_ms(100);
	running = !wait_done(&cpu.done, 0);
	runner_join(&r, 0);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(cpu.thread, NULL);
	pthread_join(end.thread, NULL);
	EXPECT_TRUE(running);
	/* what it has counted until then, if it has */
	then = dumped(_metadata, vm).in_register;
	EXPECT_EQ(last, then);
	EXPECT_EQ(0, cpu.ret);
	EXPECT_EQ(0, end.ret);
	counted(_metadata, vm, then);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
