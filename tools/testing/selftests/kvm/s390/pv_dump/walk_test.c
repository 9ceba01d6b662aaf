// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every command in every state, behind every other command: a table says what each
 * has to answer and what state follows. After each step the vcpus are asked whether
 * they can run, and the simulator whether there was a UV call, and whether a rule was
 * broken. What fails is told as the shortest sequence that was found to fail.
 *
 * PV_DUMP_SECONDS=N goes on for N seconds, then, with sequences of four that were not
 * seen yet; PV_DUMP_SEED=N makes them others.
 */
#include "fixtures.h"

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

static enum walk_state follows(enum walk_state state, unsigned int i)
{
	return op[i].next[state] == SAME ? state : op[i].next[state];
}

/* A step that is as it should be: what follows, or W_STATES with the reason in @why */
static enum walk_state walk_step(struct walk *w, unsigned int i, char *why, size_t len)
{
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
	return next;
}

static uint64_t seed = 20221105;

static unsigned int some(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static unsigned long env_number(const char *name, unsigned long val)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : val;
}

/* in which state, what came first, and what came then */
static bool seen[W_STATES][OPS][OPS];

static unsigned int unseen(enum walk_state state, unsigned int first)
{
	unsigned int i, n = 0;

	for (i = 0; i < OPS; i++)
		n += !seen[state][first][i];
	return n;
}

/* Something that was not seen here, or the way to where there is something */
static unsigned int choose(enum walk_state before, unsigned int last, enum walk_state state)
{
	unsigned int start = some(OPS), far[W_STATES], best = OPS, most = 0, i, k, n, round;

	for (k = 0; k < OPS; k++) {
		i = (start + k) % OPS;
		/* the way back from an ordinary VM is long */
		n = unseen(state, i);
		if (op[i].fn != op_disable)
			n += 5;
		if (!seen[before][last][i] && (best == OPS || n > most)) {
			best = i;
			most = n;
		}
	}
	if (best < OPS)
		return best;
	for (k = 0; k < W_STATES; k++) {
		far[k] = W_STATES;
		for (i = 0; i < OPS; i++)
			if (unseen(k, i))
				far[k] = 0;
	}
	for (round = 0; round < W_STATES; round++)
		for (k = 0; k < W_STATES; k++)
			for (i = 0; i < OPS; i++)
				if (far[follows(k, i)] + 1 < far[k])
					far[k] = far[follows(k, i)] + 1;
	for (best = start, k = 0; k < OPS; k++) {
		i = (start + k) % OPS;
		if (unseen(state, i))
			return i;
		if (far[follows(state, i)] < far[follows(state, best)])
			best = i;
	}
	return best;
}

/* Sequences of four: the state in front of them, and the operations */
static uint8_t *seen4;
static unsigned long nr_seen4;

static unsigned long index4(enum walk_state state, const uint8_t *ops)
{
	return (((state * OPS + ops[0]) * OPS + ops[1]) * OPS + ops[2]) * OPS + ops[3];
}

static bool see4(enum walk_state state, const uint8_t *ops)
{
	unsigned long i = index4(state, ops);
	bool fresh = !(seen4[i / 8] & 1 << i % 8);

	seen4[i / 8] |= 1 << i % 8;
	nr_seen4 += fresh;
	return fresh;
}

/* What was done, and the states that were in front of it by the table */
struct trail {
	uint8_t *op;
	uint8_t *state;
	unsigned long nr, max;
};

static void trail_add(struct trail *t, enum walk_state state, unsigned int i)
{
	/* of a walk that is very long only the end counts */
	if (t->nr == t->max) {
		memmove(t->op, t->op + t->max / 2, t->max / 2);
		memmove(t->state, t->state + t->max / 2, t->max / 2);
		t->nr = t->max / 2;
	}
	t->op[t->nr] = i;
	t->state[t->nr++] = state;
}

/* Behind the last three, one that makes four of them that are new */
static unsigned int choose4(const struct trail *t)
{
	unsigned int start = some(OPS), k;
	uint8_t ops[4];
	unsigned long i;

	if (t->nr < 3)
		return start;
	memcpy(ops, t->op + t->nr - 3, 3);
	for (k = 0; k < OPS; k++) {
		ops[3] = (start + k) % OPS;
		i = index4(t->state[t->nr - 3], ops);
		if (!(seen4[i / 8] & 1 << i % 8))
			return ops[3];
	}
	return start;
}

/* @nr steps on a new VM: how many of them until one fails, or 0 */
static unsigned long fails(struct walk *w, const uint8_t *ops, unsigned long nr, char *why,
			   size_t len)
{
	struct vm_opts o = DEFAULT_OPTS;
	enum walk_state next;
	unsigned long k;

	vm_close(w->vm);
	if (sim_write("faults", "clear") || vm_create(w->vm, &o) ||
	    vm_set_state(w->vm, 0, KVM_MP_STATE_OPERATING)) {
		log_err("no new VM");
		return 0;
	}
	w->state = W_ORDINARY;
	for (k = 0; k < nr; k++) {
		next = walk_step(w, ops[k], why, len);
		if (next == W_STATES)
			return k + 1;
		w->state = next;
	}
	return 0;
}

static unsigned int op_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < OPS && strcmp(op[i].name, name); i++)
		;
	return i;
}

/* The end of @t, from a state that is made anew; in @ops, which has room for it */
static unsigned long tail_of(const struct trail *t, unsigned long nr, uint8_t *ops)
{
	static const char *const way[] = { "ENABLE", "INIT", "COMPLETE no access" };
	enum walk_state state = t->state[t->nr - nr];
	unsigned int k;

	for (k = 0; k < (unsigned int)state; k++)
		ops[k] = op_named(way[k]);
	memcpy(ops + k, t->op + t->nr - nr, nr);
	return k + nr;
}

/* As few steps as possible that fail, on VMs of their own: their number, or 0 */
static unsigned long shorten(struct walk *w, const struct trail *t, uint8_t *ops, char *why,
			     size_t len)
{
	double end = now() + 3 * LONG_ENOUGH;
	unsigned long nr = 0, n, k, shorter;
	uint8_t *fewer = malloc(t->nr + W_STATES);

	if (!fewer)
		return 0;
	/* the last step, the last two, four ..., all */
	for (n = 1; !nr && now() < end; n = 2 * n < t->nr ? 2 * n : t->nr) {
		nr = fails(w, ops, tail_of(t, n, ops), why, len);
		if (n == t->nr)
			break;
	}
	for (k = 0; k + 1 < nr && now() < end; ) {
		memcpy(fewer, ops, k);
		memcpy(fewer + k, ops + k + 1, nr - k - 1);
		shorter = fails(w, fewer, nr - 1, why, len);
		if (!shorter) {
			k++;
			continue;
		}
		nr = shorter;
		memcpy(ops, fewer, nr);
	}
	/* with the words that belong to it */
	if (nr)
		nr = fails(w, ops, nr, why, len);
	free(fewer);
	return nr;
}

/* For PV_DUMP_SECONDS; whoever runs it has a limit of its own */
TEST_F_TIMEOUT(vm, random_commands_follow_the_state_table, 3600)
{
	unsigned long steps = 0, left = W_STATES * OPS * OPS, nr, k;
	struct trail t = { .max = 1 << 20 };
	struct walk w = {
		.vm = &self->vm, .buf = guarded_alloc(PAGE), .bad = no_access(PAGE),
	};
	enum walk_state before = W_ORDINARY, next;
	unsigned int last, i;
	uint8_t *shortest;
	double end = 0;
	char why[128];

	if (no_sim(_metadata))
		return;
	t.op = malloc(t.max);
	t.state = malloc(t.max);
	shortest = malloc(t.max + W_STATES);
	seen4 = calloc(1, W_STATES * OPS * OPS * OPS * OPS / 8 + 1);
	ASSERT_TRUE(w.buf && w.bad && t.op && t.state && shortest && seen4);
	seed = env_number("PV_DUMP_SEED", seed);
	/* KVM_S390_PV_COMMAND may leave that to user space at any time (W15) */
	ASSERT_EQ(0, vm_set_state(w.vm, 0, KVM_MP_STATE_OPERATING));
	last = OPS - 1;
	while (left || now() < end) {
		i = left ? choose(before, last, w.state) : choose4(&t);
		trail_add(&t, w.state, i);
		next = walk_step(&w, i, why, sizeof(why));
		if (next == W_STATES) {
			TH_LOG("step %lu, %s: %s: %s", steps, state_name[w.state], op[i].name, why);
			nr = shorten(&w, &t, shortest, why, sizeof(why));
			for (k = 0; k < nr; k++)
				TH_LOG("shortest sequence, %lu of %lu: %s", k + 1, nr,
				       op[shortest[k]].name);
			TH_LOG("%s", nr ? why : "not seen again on a new VM");
		}
		ASSERT_NE(W_STATES, next);
		if (steps && !seen[before][last][i]) {
			seen[before][last][i] = true;
			if (!--left)
				end = now() + env_number("PV_DUMP_SECONDS", 0);
		}
		if (t.nr >= 4)
			see4(t.state[t.nr - 4], t.op + t.nr - 4);
		steps++;
		before = w.state;
		last = i;
		w.state = next;
		ASSERT_TRUE(end || steps < 100000);
	}
	TH_LOG("%lu steps for all of %zu operations in %u states behind each other, and", steps,
	       OPS, W_STATES);
	TH_LOG("%lu of %lu sequences of four", nr_seen4, W_STATES * OPS * OPS * OPS * OPS);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
