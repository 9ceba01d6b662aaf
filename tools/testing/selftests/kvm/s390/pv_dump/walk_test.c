// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every command in every state, behind every other command: a table says what each
 * has to answer and what state follows. After each step the vcpus are asked whether
 * they can run, and the simulator whether there was a UV call, and whether a rule was
 * broken. For what fails and for PV_DUMP_SECONDS see lib/walk.h.
 */
#include "fixtures.h"
#include "lib/walk.h"

enum walk_state { W_ORDINARY, W_PROTECTED, W_DUMPING, W_UNDELIVERED, W_STATES };

static const char *const state_name[] = { "ordinary", "protected", "dumping", "undelivered" };

struct walk {
	struct vm *vm;
	enum walk_state state;
	uint8_t *buf, *bad;
};

static int op_enable(struct walk *w)
{
	return w->state == W_ORDINARY ? vm_protect(w->vm, &the_image, STAGE_VERIFIED) :
					pv(w->vm, KVM_PV_ENABLE, NULL);
}

static int op_disable(struct walk *w)
{
	return pv(w->vm, KVM_PV_DISABLE, NULL);
}

static int op_init(struct walk *w)
{
	return dump_init(w->vm);
}

static int op_stor(struct walk *w)
{
	return dump_stor(w->vm, w->buf, w->vm->len.dump_config_mem_buffer_per_1m, MIB);
}

static int op_stor_odd(struct walk *w)
{
	return dump_stor(w->vm, w->buf, w->vm->len.dump_config_mem_buffer_per_1m, MIB + PAGE);
}

static int op_stor_bad(struct walk *w)
{
	return dump_stor(w->vm, w->bad, w->vm->len.dump_config_mem_buffer_per_1m, MIB);
}

static int op_cpu(struct walk *w)
{
	return dump_cpu(w->vm, 1, w->buf);
}

static int op_cpu_bad(struct walk *w)
{
	return dump_cpu(w->vm, 1, w->bad);
}

static int op_cpu_long(struct walk *w)
{
	return cpu_dmp(w->vm, 1, KVM_PV_DUMP_CPU, w->buf, w->vm->len.dump_cpu_buffer_len + 1);
}

static int op_complete(struct walk *w)
{
	return dump_complete(w->vm, w->buf, w->vm->len.dump_config_finalize_len);
}

static int op_complete_short(struct walk *w)
{
	return dump_complete(w->vm, w->buf, w->vm->len.dump_config_finalize_len - 1);
}

static int op_complete_bad(struct walk *w)
{
	return dump_complete(w->vm, w->bad, w->vm->len.dump_config_finalize_len);
}

static int op_unknown(struct walk *w)
{
	return dmp(w->vm, 4, w->buf, PAGE, 0);
}

static int op_run(struct walk *w)
{
	return vm_run(w->vm, 0, 5) == -EINVAL ? -EINVAL : 0;
}

static int op_info(struct walk *w)
{
	return pv_info_dump(w->vm);
}

static int op_sec_parms(struct walk *w)
{
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)the_image.header, .length = the_image.header_len,
	};

	return pv(w->vm, KVM_PV_SET_SEC_PARMS, &parm);
}

static int op_verify(struct walk *w)
{
	return pv(w->vm, KVM_PV_VERIFY, NULL);
}

static int op_unshare(struct walk *w)
{
	return pv(w->vm, KVM_PV_UNSHARE_ALL, NULL);
}

static int op_reset(struct walk *w)
{
	return xioctl(w->vm->cpu[1], KVM_S390_INITIAL_RESET, NULL);
}

static int op_stop(struct walk *w)
{
	return vm_set_state(w->vm, 1, KVM_MP_STATE_STOPPED);
}

static int op_start(struct walk *w)
{
	return vm_set_state(w->vm, 1, KVM_MP_STATE_OPERATING);
}

static int op_crypto(struct walk *w)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};

	return xioctl(w->vm->fd, KVM_SET_DEVICE_ATTR, &on);
}

#define OK	0
#define INV	(-EINVAL)
#define FAULT	(-EFAULT)
#define NOTTY	(-ENOTTY)
/* the Ultravisor's decision: only what follows is looked at */
#define ANY	1
#define SAME	W_STATES
#define STAYS	{ SAME, SAME, SAME, SAME }

static const struct {
	const char *name;
	int (*fn)(struct walk *w);
	int ret[W_STATES];
	enum walk_state next[W_STATES];
} op[] = {
	{ "ENABLE", op_enable, { OK, INV, INV, INV }, { W_PROTECTED, SAME, SAME, SAME } },
	{ "DISABLE", op_disable, { INV, OK, OK, OK },
	  { SAME, W_ORDINARY, W_ORDINARY, W_ORDINARY } },
	{ "INIT", op_init, { INV, OK, INV, INV }, { SAME, W_DUMPING, SAME, SAME } },
	{ "INIT refused", op_init, { INV, INV, INV, INV }, STAYS },
	{ "STOR_STATE", op_stor, { INV, INV, OK, INV }, STAYS },
	{ "STOR_STATE refused", op_stor, { INV, INV, INV, INV }, STAYS },
	{ "STOR_STATE odd address", op_stor_odd, { INV, INV, INV, INV }, STAYS },
	{ "STOR_STATE no access", op_stor_bad, { INV, INV, FAULT, INV }, STAYS },
	{ "CPU", op_cpu, { INV, INV, OK, INV }, STAYS },
	{ "CPU refused", op_cpu, { INV, INV, INV, INV }, STAYS },
	{ "CPU no access", op_cpu_bad, { INV, INV, FAULT, INV }, STAYS },
	{ "CPU too long", op_cpu_long, { INV, INV, INV, INV }, STAYS },
	{ "COMPLETE", op_complete, { INV, INV, OK, OK },
	  { SAME, SAME, W_PROTECTED, W_PROTECTED } },
	{ "COMPLETE short", op_complete_short, { INV, INV, INV, INV }, STAYS },
	{ "COMPLETE no access", op_complete_bad, { INV, INV, FAULT, FAULT },
	  { SAME, SAME, W_UNDELIVERED, W_UNDELIVERED } },
	{ "COMPLETE refused", op_complete, { INV, INV, INV, OK },
	  { SAME, SAME, SAME, W_PROTECTED } },
	{ "unknown", op_unknown, { INV, NOTTY, NOTTY, NOTTY }, STAYS },
	{ "KVM_RUN", op_run, { OK, OK, INV, INV }, STAYS },
	{ "INFO", op_info, { OK, OK, OK, OK }, STAYS },
	{ "SET_SEC_PARMS", op_sec_parms, { INV, ANY, ANY, ANY }, STAYS },
	{ "VERIFY", op_verify, { INV, ANY, ANY, ANY }, STAYS },
	{ "UNSHARE_ALL", op_unshare, { INV, ANY, ANY, ANY }, STAYS },
	{ "INITIAL_RESET", op_reset, { OK, ANY, ANY, ANY }, STAYS },
	{ "STOP", op_stop, { OK, ANY, ANY, ANY }, STAYS },
	{ "START", op_start, { OK, ANY, ANY, ANY }, STAYS },
	{ "crypto attribute", op_crypto, { OK, OK, OK, OK }, STAYS },
};

#define OPS	ARRAY_SIZE(op)

/* by the Ultravisor */
static bool uv_refuses(unsigned int i)
{
	return strstr(op[i].name, " refused");
}

static unsigned int follows(unsigned int state, unsigned int i)
{
	return op[i].next[state] == SAME ? state : op[i].next[state];
}

static unsigned int walk_step(void *what, unsigned int i, char *why, size_t len)
{
	struct walk *w = what;
	const int want = op[i].ret[w->state];
	const enum walk_state next = follows(w->state, i);
	unsigned int uvc;
	int ret, run;
	long calls, broken = sim_violations();

	for (uvc = UVC_INIT; uv_refuses(i) && uvc <= UVC_COMPLETE; uvc++) {
		if (!sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", uvc))
			continue;
		snprintf(why, len, "no fault rule");
		return W_STATES;
	}
	calls = sim_dump_calls();
	w->vm->cmd.cmd = 0;
	ret = op[i].fn(w);
	if (want != ANY && ret != want) {
		snprintf(why, len, "%d, not %d", ret, want);
		return W_STATES;
	}
	/* rc is there if and only if the Ultravisor was called */
	calls = sim_dump_calls() - calls;
	if (w->vm->cmd.cmd == KVM_PV_DUMP && rc_untouched(w->vm) == !!calls) {
		snprintf(why, len, "rc %x after %ld UV calls", w->vm->cmd.rc, calls);
		return W_STATES;
	}
	if (uv_refuses(i) && sim_write("faults", "clear")) {
		snprintf(why, len, "the fault rules stay");
		return W_STATES;
	}
	/* it has to get in to find out that it is not to */
	w->vm->run[0]->immediate_exit = 1;
	run = xioctl(w->vm->cpu[0], KVM_RUN, NULL);
	w->vm->run[0]->immediate_exit = 0;
	if (run != (next >= W_DUMPING ? -EINVAL : -EINTR)) {
		snprintf(why, len, "KVM_RUN answers %d afterwards", run);
		return W_STATES;
	}
	broken = sim_violations() - broken;
	if (broken) {
		snprintf(why, len, "%ld rules of the Ultravisor are broken", broken);
		return W_STATES;
	}
	w->state = next;
	return next;
}

static const char *op_name(unsigned int i)
{
	return op[i].name;
}

static void print_state(unsigned int state, char *buf, size_t len)
{
	snprintf(buf, len, "%s", state_name[state]);
}

/* The way back from an ordinary VM */
static bool is_costly(unsigned int i)
{
	return op[i].fn == op_disable;
}

static int renew(void *what)
{
	struct vm_opts o = DEFAULT_OPTS;
	struct walk *w = what;

	vm_close(w->vm);
	w->state = W_ORDINARY;
	return sim_write("faults", "clear") ?: vm_create(w->vm, &o) ?:
	       vm_set_state(w->vm, 0, KVM_MP_STATE_OPERATING);
}

static const struct walk_table table = {
	.states = W_STATES, .ops = OPS, .op_name = op_name, .print_state = print_state,
	.follows = follows, .costly = is_costly, .renew = renew, .step = walk_step,
};

/* For PV_DUMP_SECONDS; whoever runs it has a limit of its own */
TEST_F_TIMEOUT(vm, random_commands_follow_the_state_table, 100000)
{
	struct walk w = {
		.vm = &self->vm, .buf = guarded_alloc(PAGE), .bad = no_access(PAGE),
	};

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(w.buf && w.bad);
	/* KVM_S390_PV_COMMAND may leave that to user space at any time (W15) */
	ASSERT_EQ(0, vm_set_state(w.vm, 0, KVM_MP_STATE_OPERATING));
	EXPECT_TRUE(walk(&table, &w));
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
