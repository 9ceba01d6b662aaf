// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vcpu that is new, stopped, ready, in KVM_RUN or gone, in every state of the VM: what
 * is done to it and to the VM, each behind every other, and whether it is blocked then.
 * It is beside one that is always there, and ready. For what fails and for
 * PV_DUMP_SECONDS see lib/walk.h.
 */
#include "fixtures.h"
#include "lib/walk.h"

enum vm_state { ORDINARY, PROTECTED, DUMPING, UNDELIVERED, VM_STATES };
enum cpu_state { GONE, NEW, STOPPED, READY, RUNNING, CPU_STATES };

#define STATES	(VM_STATES * CPU_STATES)
#define STATE(vm, cpu)	((vm) * CPU_STATES + (cpu))

/* A vcpu that is gone still belongs to its VM, which is a new one when there are many */
#define MANY_CPUS	24

struct walk {
	struct vm *vm;
	enum vm_state state;
	enum cpu_state cpu;
	unsigned int id;	/* of the vcpu */
	int fd;
	struct kvm_run *run;
	struct runner runner;
	uint8_t *buf, *bad;
};

/* As whoever wants something of a vcpu has to; nothing else makes it leave but a dump */
static int leave(struct walk *w)
{
	if (w->cpu != RUNNING)
		return 0;
	__atomic_store_n(&w->runner.stop, 1, __ATOMIC_RELEASE);
	pthread_kill(w->runner.thread, SIGUSR1);
	runner_join(&w->runner, 0);
	w->cpu = READY;
	return w->runner.ret == -EINTR ? 0 : w->runner.ret;
}

static int op_enable(struct walk *w)
{
	return leave(w) ?: w->state == ORDINARY ? vm_protect(w->vm, &the_image, STAGE_VERIFIED) :
						  pv(w->vm, KVM_PV_ENABLE, NULL);
}

static int op_disable(struct walk *w)
{
	return leave(w) ?: pv(w->vm, KVM_PV_DISABLE, NULL);
}

static int op_init(struct walk *w)
{
	return dump_init(w->vm);
}

static int op_init_refused(struct walk *w)
{
	int ret;

	if (sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", UVC_INIT))
		return -ENODEV;
	ret = dump_init(w->vm);
	return sim_write("faults", "clear") ? -ENODEV : ret;
}

static int op_complete(struct walk *w)
{
	return dump_complete(w->vm, w->buf, w->vm->len.dump_config_finalize_len);
}

static int op_complete_bad(struct walk *w)
{
	return dump_complete(w->vm, w->bad, w->vm->len.dump_config_finalize_len);
}

static int op_crypto(struct walk *w)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};

	return xioctl(w->vm->fd, KVM_SET_DEVICE_ATTR, &on);
}

static int op_dump(struct walk *w)
{
	struct vm vm = { .cpu = { w->fd }, .len = w->vm->len };

	return leave(w) ?: dump_cpu(&vm, 0, w->buf);
}

static int op_create(struct walk *w)
{
	const int size = ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int id = w->cpu == GONE ? w->id + 1 : w->id;
	int fd;

	/* of a protected VM KVM asks the Ultravisor for it first, which takes it amiss */
	if (w->cpu != GONE && w->state != ORDINARY)
		return -EEXIST;
	fd = ioctl(w->vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (fd < 0)
		return -errno;
	w->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (w->run == MAP_FAILED)
		return -errno;
	w->id = id;
	w->fd = fd;
	return 0;
}

/* In KVM_RUN or not: who is inside stays there, and finds no vcpu when it comes again */
static int op_close(struct walk *w)
{
	int ret;

	if (close(w->fd))
		return -errno;
	w->fd = -1;
	munmap(w->run, ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	ret = leave(w);
	return ret == -EBADF ? 0 : ret;
}

/* Enters KVM_RUN for long, if it can */
static int op_run(struct walk *w)
{
	if (w->cpu == RUNNING)
		return 0;
	if (w->fd < 0)
		return -EBADF;
	if (vcpu_loop_start(&w->runner, w->fd))
		return -ENODEV;
	if (w->state < DUMPING && w->cpu == READY)
		return 0;
	if (!wait_done(&w->runner.done, LONG_ENOUGH * 1000))
		return -ETIME;
	runner_join(&w->runner, 0);
	return w->runner.ret;
}

static int op_leave(struct walk *w)
{
	return leave(w);
}

static int op_stop(struct walk *w)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_STOPPED };

	return leave(w) ?: xioctl(w->fd, KVM_SET_MP_STATE, &mp);
}

static int op_start(struct walk *w)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_OPERATING };

	return leave(w) ?: xioctl(w->fd, KVM_SET_MP_STATE, &mp);
}

static int op_normal(struct walk *w)
{
	return leave(w) ?: xioctl(w->fd, KVM_S390_NORMAL_RESET, NULL);
}

static int op_initial(struct walk *w)
{
	return leave(w) ?: xioctl(w->fd, KVM_S390_INITIAL_RESET, NULL);
}

static int op_clear(struct walk *w)
{
	return leave(w) ?: xioctl(w->fd, KVM_S390_CLEAR_RESET, NULL);
}

#define ANY	1

static const struct op {
	const char *name;
	int (*fn)(struct walk *w);
	/* what is done to the VM: by its state; to the vcpu, which may be gone: as well */
	bool of_cpu;
	int ret[VM_STATES];
} op[] = {
	{ "ENABLE", op_enable, false, { 0, -EINVAL, -EINVAL, -EINVAL } },
	{ "DISABLE", op_disable, false, { -EINVAL, 0, 0, 0 } },
	{ "INIT", op_init, false, { -EINVAL, 0, -EINVAL, -EINVAL } },
	{ "INIT refused", op_init_refused, false, { -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
	{ "COMPLETE", op_complete, false, { -EINVAL, -EINVAL, 0, 0 } },
	{ "COMPLETE no access", op_complete_bad, false, { -EINVAL, -EINVAL, -EFAULT, -EFAULT } },
	{ "crypto attribute", op_crypto, false, {} },
	{ "create the vcpu", op_create, false, {} },
	{ "CPU", op_dump, true, { -EINVAL, -EINVAL, 0, -EINVAL } },
	{ "close the vcpu", op_close, true, {} },
	{ "KVM_RUN", op_run, true, { 0, 0, -EINVAL, -EINVAL } },
	{ "leave KVM_RUN", op_leave, false, {} },
	{ "STOP", op_stop, true, { 0, 0, -EINVAL, 0 } },
	{ "START", op_start, true, { 0, 0, -EINVAL, 0 } },
	/* the Ultravisor's decision */
	{ "NORMAL_RESET", op_normal, true, { 0, ANY, ANY, ANY } },
	{ "INITIAL_RESET", op_initial, true, { 0, ANY, ANY, ANY } },
	{ "CLEAR_RESET", op_clear, true, { 0, ANY, ANY, ANY } },
};

#define OPS	ARRAY_SIZE(op)

static int answer(enum vm_state vm, enum cpu_state cpu, const struct op *o)
{
	if (o->of_cpu && cpu == GONE)
		return -EBADF;
	if (o->fn == op_create)
		return cpu == GONE ? 0 : -EEXIST;
	if (o->fn == op_run && cpu != READY && cpu != RUNNING)
		return -EINVAL;
	/* nothing to do */
	if (o->fn == op_stop && (cpu == NEW || cpu == STOPPED))
		return 0;
	if (o->fn == op_start && (cpu == READY || cpu == RUNNING))
		return 0;
	return o->ret[vm];
}

static unsigned int follows(unsigned int state, unsigned int i)
{
	const struct op *o = &op[i];
	enum vm_state vm = state / CPU_STATES;
	enum cpu_state cpu = state % CPU_STATES;
	const int ret = answer(vm, cpu, o);

	/* no vcpu is in KVM_RUN while there is a dump, so this is no state */
	if (vm >= DUMPING && cpu == RUNNING)
		return state;
	if (cpu == RUNNING &&
	    (o->fn == op_enable || o->fn == op_disable || (o->of_cpu && o->fn != op_run) ||
	     o->fn == op_leave))
		cpu = READY;
	if (ret == -EFAULT)
		vm = UNDELIVERED;
	if (!ret) {
		if (o->fn == op_enable)
			vm = PROTECTED;
		else if (o->fn == op_disable)
			vm = ORDINARY;
		else if (o->fn == op_init)
			vm = DUMPING;
		else if (o->fn == op_complete)
			vm = PROTECTED;
		else if (o->fn == op_create)
			cpu = NEW;
		else if (o->fn == op_close)
			cpu = GONE;
		else if (o->fn == op_run)
			cpu = RUNNING;
		else if (o->fn == op_stop)
			cpu = STOPPED;
		else if (o->fn == op_start)
			cpu = READY;
	}
	/* a dump makes it leave */
	if (vm >= DUMPING && cpu == RUNNING)
		cpu = READY;
	return STATE(vm, cpu);
}

/* Blocked or not? It has to get in to find out that it is not to */
static int may_run(int fd, struct kvm_run *run)
{
	int ret;

	run->immediate_exit = 1;
	ret = xioctl(fd, KVM_RUN, NULL);
	run->immediate_exit = 0;
	return ret;
}

static int renew(void *what)
{
	struct vm_opts o = { .mib = 4, .cpus = 1, .pcf = PCF_DUMP | PCF_PCKMO };
	struct walk *w = what;

	leave(w);
	if (w->fd >= 0)
		op_close(w);
	vm_close(w->vm);
	w->state = ORDINARY;
	w->cpu = GONE;
	w->id = 1;
	/* the states of vcpus are user space's from the first command on */
	return sim_write("faults", "clear") ?: vm_create(w->vm, &o) ?:
	       vm_set_state(w->vm, 0, KVM_MP_STATE_OPERATING);
}

/* Another VM in the same state, as this one has got too many vcpus; the vcpu is gone */
static int replace(struct walk *w)
{
	enum vm_state state = w->state;
	int ret;

	ret = renew(w);
	if (!ret && state > ORDINARY)
		ret = op_enable(w);
	if (!ret && state > PROTECTED)
		ret = op_init(w);
	if (!ret && state > DUMPING)
		ret = op_complete_bad(w) == -EFAULT ? 0 : -EPROTO;
	w->state = state;
	return ret;
}

static unsigned int step_vcpu(void *what, unsigned int i, char *why, size_t len)
{
	struct walk *w = what;
	const unsigned int state = STATE(w->state, w->cpu), next = follows(state, i);
	const long broken = sim_violations();
	const int want = answer(w->state, w->cpu, &op[i]);
	int ret;

	if (op[i].fn == op_create && w->cpu == GONE && w->id > MANY_CPUS && replace(w)) {
		snprintf(why, len, "no other VM");
		return STATES;
	}
	ret = op[i].fn(w);
	if (want != ANY && ret != want) {
		snprintf(why, len, "%d, not %d", ret, want);
		return STATES;
	}
	if (w->cpu == RUNNING && next / CPU_STATES >= DUMPING) {
		if (!wait_done(&w->runner.done, LONG_ENOUGH * 1000)) {
			snprintf(why, len, "the vcpu is in KVM_RUN");
			return STATES;
		}
		runner_join(&w->runner, 0);
		if (w->runner.ret != -EINVAL) {
			snprintf(why, len, "the vcpu left KVM_RUN with %d", w->runner.ret);
			return STATES;
		}
	}
	w->state = next / CPU_STATES;
	w->cpu = next % CPU_STATES;
	ret = may_run(w->vm->cpu[0], w->vm->run[0]);
	if (ret != (w->state >= DUMPING ? -EINVAL : -EINTR)) {
		snprintf(why, len, "KVM_RUN of the other vcpu answers %d afterwards", ret);
		return STATES;
	}
	if (w->cpu == RUNNING && wait_done(&w->runner.done, 0)) {
		snprintf(why, len, "the vcpu left KVM_RUN with %d", w->runner.ret);
		return STATES;
	}
	ret = w->cpu == GONE || w->cpu == RUNNING ? 0 : may_run(w->fd, w->run);
	if (ret && ret != (w->state >= DUMPING ? -EINVAL : -EINTR)) {
		snprintf(why, len, "KVM_RUN answers %d afterwards", ret);
		return STATES;
	}
	if (sim_violations() != broken) {
		snprintf(why, len, "rules of the Ultravisor are broken");
		return STATES;
	}
	return next;
}

static const char *op_name(unsigned int i)
{
	return op[i].name;
}

static void print_state(unsigned int state, char *buf, size_t len)
{
	static const char *const vm[] = { "ordinary", "protected", "dumping", "undelivered" };
	static const char *const cpu[] = { "gone", "new", "stopped", "ready", "in KVM_RUN" };

	snprintf(buf, len, "%s, vcpu %s", vm[state / CPU_STATES], cpu[state % CPU_STATES]);
}

static bool is_costly(unsigned int i)
{
	return op[i].fn == op_disable;
}

static const struct walk_table table = {
	.states = STATES, .ops = OPS, .op_name = op_name, .print_state = print_state,
	.follows = follows, .costly = is_costly, .renew = renew, .step = step_vcpu,
};

/* For PV_DUMP_SECONDS; whoever runs it has a limit of its own */
TEST_F_TIMEOUT(vm, vcpus_are_blocked_as_the_table_says, 100000)
{
	struct walk w = {
		.vm = &self->vm, .buf = guarded_alloc(PAGE), .bad = no_access(PAGE), .fd = -1,
	};

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(w.buf && w.bad);
	ASSERT_EQ(0, renew(&w));
	EXPECT_TRUE(walk(&table, &w));
	leave(&w);
	if (w.fd >= 0)
		op_close(&w);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
