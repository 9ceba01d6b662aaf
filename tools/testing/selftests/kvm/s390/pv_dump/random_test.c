// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands with random arguments, right and wrong, to several VMs by several threads:
 * each answer, and each byte of memory, has to be what lib/call.c says. A VM is a process
 * with two threads. The one that walks changes the state of the VM, so it knows it; the
 * other one calls what leaves the state alone, and knows the state unless that changes
 * meanwhile. What fails is told as the shortest sequence that was found to fail.
 *
 * PV_DUMP_SECONDS=N goes on for N seconds, PV_DUMP_SEED=N makes it another search.
 */
#include "fixtures.h"
#include "lib/call.h"

#define VMS	2
/* calls of each thread, without PV_DUMP_SECONDS */
#define CALLS	400
/* guest memory that is no part of the image, for buffers of the two threads */
#define SPOT	0x280000
#define SPOT_LEN	0x8000
/* what is remembered of a walk */
#define TRAIL	4096

static const char *const state_name[] = { "ordinary", "protected", "dumping", "undelivered" };

/* ---- calls of all kinds --------------------------------------------------------------- */

struct chance {
	uint64_t x;
};

static unsigned int some(struct chance *r, unsigned int n)
{
	r->x = r->x * 6364136223846793005ULL + 1442695040888963407ULL;
	return (r->x >> 33) % n;
}

static uint64_t wrong_len(struct chance *r, const struct vm *vm, const struct call *call)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	const uint64_t right = call->vcpu != OF_VM ? vm->len.dump_cpu_buffer_len :
			       call->subcmd == KVM_PV_DUMP_COMPLETE ?
			       vm->len.dump_config_finalize_len : per;
	const uint64_t len[] = {
		0, 1, 16, right / 2, right - 1, right, right + 1, 2 * right - 1, 2 * right,
		5 * per, 7 * per, per << 20, right + (1ULL << 32), 1ULL << 32, 1ULL << 63,
		~0ULL - ~0ULL % per, ~0ULL,
	};

	return len[some(r, ARRAY_SIZE(len))];
}

static uint64_t wrong_gaddr(struct chance *r, const struct vm *vm)
{
	const uint64_t gaddr[] = {
		1, 8, PAGE, MIB - 1, MIB / 2, MIB + PAGE, vm->size - PAGE, vm->size,
		vm->size + MIB, 1ULL << 32, 1ULL << 63, -MIB, ~0ULL,
	};

	return gaddr[some(r, ARRAY_SIZE(gaddr))];
}

/* Structures of the command and of its data in the guest would lie over each other */
static struct place somewhere(struct chance *r, enum place_kind last)
{
	static const uint8_t known[] = { AT_MEMORY, AT_END, AT_EDGE };
	struct place at = { .off = some(r, 1 << 16) };

	switch (some(r, 4)) {
	case 0:
		at.kind = known[some(r, ARRAY_SIZE(known))];
		break;
	case 1:
		at.kind = last;
		break;
	default:
		at.kind = some(r, last + 1);
	}
	return at;
}

static void one_thing_wrong(struct chance *r, const struct vm *vm, struct call *call)
{
	static const uint64_t subcmd[] = { 4, 5, 1ULL << 32, 3 + (1ULL << 32), 1ULL << 63, ~0ULL };
	static const uint32_t cmd[] = { 64, 0x7777, 0x80000000, 0x10005, 0xffffffff };

	switch (some(r, 10)) {
	case 0:
		call->at_cmd = somewhere(r, AT_TOP);
		if (call->at_cmd.kind == AT_GUEST)
			call->at_cmd.kind = AT_EDGE;
		break;
	case 1:
		call->at_data = somewhere(r, AT_CMD);
		if (call->at_data.kind == AT_GUEST ||
		    (call->at_data.kind == AT_CMD && call->cmd != KVM_PV_DUMP))
			call->at_data.kind = AT_END;
		break;
	case 2:
	case 3:
	case 4:
		call->at_buf = somewhere(r, AT_DATA);
		break;
	case 5:
		call->len = wrong_len(r, vm, call);
		break;
	case 6:
		call->gaddr = wrong_gaddr(r, vm);
		break;
	case 7:
		call->fill = 1 + some(r, 255);
		break;
	case 8:
		if (some(r, 2))
			call->flags = 1U << some(r, 32);
		else
			call->cmd = cmd[some(r, ARRAY_SIZE(cmd))];
		break;
	default:
		call->subcmd = some(r, 3) ? subcmd[some(r, ARRAY_SIZE(subcmd))] : some(r, 4);
	}
}

/* Of 100 calls in a state */
enum kind { STOR, CPU, COMPLETE, INIT, INFO, DISABLE, ENABLE, UNKNOWN, WHOLE_DUMP, KINDS };

static const uint8_t often[PV_STATES][KINDS] = {
	[PV_ORDINARY]	 = { 10, 10, 10, 10, 10, 5, 40, 5, 0 },
	[PV_PROTECTED]	 = { 10, 10, 10, 45, 8, 5, 4, 5, 3 },
	[PV_DUMPING]	 = { 43, 20, 16, 4, 8, 2, 2, 4, 1 },
	[PV_UNDELIVERED] = { 25, 20, 14, 15, 8, 3, 3, 8, 4 },
};

static struct call any_call(struct chance *r, const struct vm *vm, enum pv_state state)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	struct call call = { .vcpu = OF_VM, .cmd = KVM_PV_DUMP };
	unsigned int n = some(r, 100), wrong = some(r, 8);
	enum kind kind;

	for (kind = STOR; n >= often[state][kind]; kind++)
		n -= often[state][kind];
	call.at_cmd.off = some(r, 4) ? 0 : some(r, 1 << 16);
	call.at_data.off = some(r, 1 << 16);
	call.at_buf.off = some(r, 4) ? 0 : some(r, 1 << 16);
	switch (kind) {
	case STOR:
		call.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE;
		call.len = (1 + some(r, 5)) * per;
		call.gaddr = some(r, vm->size / MIB) * MIB;
		break;
	case CPU:
		call.vcpu = some(r, vm->nr_cpus);
		call.subcmd = KVM_PV_DUMP_CPU;
		call.len = vm->len.dump_cpu_buffer_len;
		break;
	case COMPLETE:
		call.subcmd = KVM_PV_DUMP_COMPLETE;
		call.len = vm->len.dump_config_finalize_len;
		break;
	case INIT:
		call.subcmd = KVM_PV_DUMP_INIT;
		break;
	case INFO:
		call.cmd = KVM_PV_INFO;
		call.subcmd = some(r, 2);
		call.len = 1024;
		break;
	case UNKNOWN:
		call.subcmd = 4;
		break;
	case WHOLE_DUMP:
		call.whole_dump = 1;
		return call;
	default:
		/* what these are like with wrong arguments is not for us to say */
		call.cmd = kind == ENABLE ? KVM_PV_ENABLE : KVM_PV_DISABLE;
		return call;
	}
	/* none of 8 times, one thing 4, two 2, three 1 */
	for (wrong = wrong < 1 ? 0 : wrong < 5 ? 1 : wrong < 7 ? 2 : 3; wrong; wrong--)
		one_thing_wrong(r, vm, &call);
	return call;
}

/* ---- one VM --------------------------------------------------------------------------- */

/* Memory that the processes share */
struct walk {
	unsigned long nr, in[PV_STATES], right, dumps, beside, met;
	struct call trail[TRAIL];
	uint8_t state_before[TRAIL];
	/* who found that something is wrong: the one that walks, or the other */
	enum { NOBODY, WALKER, OTHER, SETUP } failed;
	struct call bad;
	enum pv_state state;
	char why[200];
};

struct shared {
	int stop;
	struct walk walk[VMS];
};

/* Of this process */
struct here {
	struct vm vm;
	struct caller *caller, *other;
	uint8_t *blocks;
	enum pv_state state;
	unsigned int seq;	/* odd: the state changes */
	struct chance chance;
	struct shared *shared;
	struct walk *walk;
	pthread_t thread;
	int done;
};

/* A VM, protected, of which one dump was taken */
static int here_start(struct here *h)
{
	struct vm_opts o = DEFAULT_OPTS;
	struct vm *vm = &h->vm;
	size_t len;
	int ret;

	ret = vm_create(vm, &o);
	if (ret)
		return ret;
	/* the storage state tells which pages are there: all that will be touched */
	memset(vm->mem + SPOT, CANARY, 2 * SPOT_LEN);
	ret = vm_protect(vm, &the_image, STAGE_DUMPING);
	if (ret)
		return ret;
	len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	h->blocks = malloc(len);
	if (!h->blocks)
		return -ENOMEM;
	ret = dump_stor(vm, h->blocks, len, 0) ?: dump_and_verify(vm, 4);
	h->caller = caller_new(vm, h->blocks, SPOT);
	h->other = caller_new(vm, h->blocks, SPOT + SPOT_LEN);
	h->state = PV_PROTECTED;
	return ret ?: h->caller && h->other ? 0 : -ENOMEM;
}

static void here_end(struct here *h)
{
	if (h->caller)
		caller_free(h->caller);
	if (h->other)
		caller_free(h->other);
	free(h->blocks);
	vm_close(&h->vm);
}

/* What is left of a dump, whatever state it is in; it has to be right */
static int whole_dump(struct here *h, enum pv_state *next)
{
	struct vm *vm = &h->vm;
	uint8_t buf[PAGE];

	*next = h->state;
	if (h->state == PV_ORDINARY)
		return 0;
	*next = PV_PROTECTED;
	if (h->state == PV_UNDELIVERED)
		return dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	return (h->state == PV_PROTECTED ? dump_init(vm) : 0) ?: dump_and_verify(vm, 2);
}

/* The call of the thread that walks: right, or @why not */
static bool walk_step(struct here *h, const struct call *call, char *why, size_t len)
{
	const long broken = violations_before;
	enum pv_state next = h->state;
	bool changes = !call_changes_nothing(h->caller, call), ok = true;
	int ret;

	if (changes)
		__atomic_fetch_add(&h->seq, 1, __ATOMIC_SEQ_CST);
	if (call->whole_dump || (call->cmd == KVM_PV_ENABLE && h->state == PV_ORDINARY)) {
		if (call->whole_dump) {
			ret = whole_dump(h, &next);
		} else {
			ret = vm_protect(&h->vm, &the_image, STAGE_VERIFIED);
			next = PV_PROTECTED;
		}
		snprintf(why, len, "%d, rc %x", ret, h->vm.cmd.rc);
		ok = !ret;
	} else {
		call_make(h->caller, call);
		ok = call_is(h->caller, call, h->state, &next, why, len);
	}
	__atomic_store_n(&h->state, next, __ATOMIC_SEQ_CST);
	if (changes)
		__atomic_fetch_add(&h->seq, 1, __ATOMIC_SEQ_CST);
	if (!ok)
		return false;
	/* it has to get in to find out that it is not to */
	h->vm.run[0]->immediate_exit = 1;
	ret = xioctl(h->vm.cpu[0], KVM_RUN, NULL);
	h->vm.run[0]->immediate_exit = 0;
	if (ret != (next >= PV_DUMPING ? -EINVAL : -EINTR)) {
		snprintf(why, len, "KVM_RUN answers %d afterwards", ret);
		return false;
	}
	if (sim_violations() != broken) {
		snprintf(why, len, "rules of the Ultravisor are broken");
		return false;
	}
	return true;
}

static void found(struct here *h, int who, const struct call *call, enum pv_state state,
		  const char *why)
{
	struct walk *w = h->walk;
	int nobody = 0;

	if (!__atomic_compare_exchange_n(&h->shared->stop, &nobody, 1, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	w->failed = who;
	w->bad = *call;
	w->state = state;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static bool go_on(const struct here *h)
{
	return !__atomic_load_n(&h->shared->stop, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&h->done, __ATOMIC_ACQUIRE);
}

static void *other_fn(void *arg)
{
	struct here *h = arg;
	struct chance r = { h->chance.x ^ 0x5deece66d };
	enum pv_state state, next;
	unsigned int seq;
	struct call call;
	char why[200];
	bool ok;

	while (go_on(h)) {
		seq = __atomic_load_n(&h->seq, __ATOMIC_SEQ_CST);
		state = __atomic_load_n(&h->state, __ATOMIC_SEQ_CST);
		do
			call = any_call(&r, &h->vm, PV_DUMPING);
		while (!call_changes_nothing(h->other, &call));
		call_make(h->other, &call);
		h->walk->beside++;
		if (!(seq & 1) && seq == __atomic_load_n(&h->seq, __ATOMIC_SEQ_CST)) {
			ok = call_is(h->other, &call, state, &next, why, sizeof(why));
		} else {
			h->walk->met++;
			ok = call_is_possible(h->other, &call, why, sizeof(why));
		}
		if (!ok)
			found(h, OTHER, &call, state, why);
	}
	return NULL;
}

/* In a process of its own */
static void walk_vm(struct shared *shared, unsigned int i, uint64_t seed, double end)
{
	static struct here h;
	struct walk *w = &shared->walk[i];
	struct call call = {};
	char why[200];

	h = (struct here) { .shared = shared, .walk = w, .chance.x = seed * VMS + i };
	if (here_start(&h) || pthread_create(&h.thread, NULL, other_fn, &h)) {
		found(&h, SETUP, &call, h.state, "no VM");
		return;
	}
	while (go_on(&h) && (end ? now() < end : w->nr < CALLS)) {
		call = any_call(&h.chance, &h.vm, h.state);
		w->trail[w->nr % TRAIL] = call;
		w->state_before[w->nr % TRAIL] = h.state;
		w->nr++;
		w->in[h.state]++;
		if (!walk_step(&h, &call, why, sizeof(why)))
			found(&h, WALKER, &call, w->state_before[(w->nr - 1) % TRAIL], why);
		w->right += !call.whole_dump && !call_answer(h.caller);
		w->dumps += call.whole_dump;
	}
	__atomic_store_n(&h.done, 1, __ATOMIC_RELEASE);
	pthread_join(h.thread, NULL);
	/* and whatever was tried, what the VM has can still be dumped */
	call = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_ENABLE };
	if (!shared->stop && h.state == PV_ORDINARY && !walk_step(&h, &call, why, sizeof(why)))
		found(&h, WALKER, &call, PV_ORDINARY, why);
	call.whole_dump = 1;
	if (!shared->stop && !walk_step(&h, &call, why, sizeof(why)))
		found(&h, WALKER, &call, h.state, why);
	here_end(&h);
}

/* ---- the shortest sequence ------------------------------------------------------------ */

/* @nr calls, on a VM of their own and by nobody else: how many until one is wrong, or 0 */
static unsigned long fails(const struct call *calls, unsigned long nr, char *why, size_t len)
{
	static struct here h;
	unsigned long k, bad = 0;

	violations_before = sim_violations();
	h = (struct here) {};
	if (here_start(&h)) {
		log_err("no new VM");
		nr = 0;
	}
	for (k = 0; k < nr && !bad; k++)
		if (!walk_step(&h, &calls[k], why, len))
			bad = k + 1;
	here_end(&h);
	sim_no_objects();
	return bad;
}

/* What makes the state: a new VM is protected */
static unsigned long way_to(enum pv_state state, struct call *calls)
{
	unsigned long n = 0;

	if (state == PV_ORDINARY)
		calls[n++] = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_DISABLE };
	if (state >= PV_DUMPING)
		calls[n++] = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_DUMP };
	if (state == PV_UNDELIVERED)
		calls[n++] = (struct call) {
			.vcpu = OF_VM, .cmd = KVM_PV_DUMP, .subcmd = KVM_PV_DUMP_COMPLETE,
			.len = 1 << 16, .at_buf.kind = AT_NO_ACCESS,
		};
	return n;
}

/* @w's calls from the last @nr on, behind the way to where they began; its length */
static unsigned long tail_of(const struct walk *w, unsigned long nr, struct call *calls)
{
	unsigned long first = w->nr - nr, n, k;

	n = way_to(w->state_before[first % TRAIL], calls);
	for (k = first; k < w->nr; k++)
		calls[n++] = w->trail[k % TRAIL];
	return n;
}

/* One thing less wrong, or false if there is no such thing with this number */
static bool less_wrong(struct call *call, unsigned int what)
{
	struct place *place[] = { &call->at_cmd, &call->at_data, &call->at_buf };

	switch (what) {
	case 0:
	case 1:
	case 2:
		*place[what] = (struct place) {};
		return true;
	case 3:
		call->flags = 0;
		return true;
	case 4:
		call->fill = 0;
		return true;
	case 5:
		call->gaddr = 0;
		return true;
	default:
		return false;
	}
}

/* As few calls as possible, with as little wrong as possible: their number, or 0 */
static unsigned long shorten(const struct walk *w, struct call *calls, char *why, size_t len)
{
	const unsigned long all = w->nr < TRAIL ? w->nr : TRAIL;
	double end = now() + 3 * LONG_ENOUGH;
	unsigned long nr = 0, n, k, shorter;
	struct call *fewer = malloc((TRAIL + 4) * sizeof(*fewer));
	unsigned int what;

	if (!fewer)
		return 0;
	for (n = 1; !nr && now() < end; n = 2 * n < all ? 2 * n : all) {
		nr = fails(calls, tail_of(w, n, calls), why, len);
		if (n == all)
			break;
	}
	for (k = 0; k + 1 < nr && now() < end; ) {
		memcpy(fewer, calls, k * sizeof(*calls));
		memcpy(fewer + k, calls + k + 1, (nr - k - 1) * sizeof(*calls));
		shorter = fails(fewer, nr - 1, why, len);
		if (!shorter) {
			k++;
			continue;
		}
		nr = shorter;
		memcpy(calls, fewer, nr * sizeof(*calls));
	}
	for (k = 0; k < nr && now() < end; k++)
		for (what = 0; ; what++) {
			memcpy(fewer, calls, nr * sizeof(*calls));
			if (!less_wrong(&fewer[k], what))
				break;
			if (memcmp(&fewer[k], &calls[k], sizeof(*calls)) &&
			    fails(fewer, nr, why, len) == nr)
				calls[k] = fewer[k];
		}
	/* with the words that belong to it */
	if (nr)
		nr = fails(calls, nr, why, len);
	free(fewer);
	return nr;
}

/* What @w has found wrong, in as few words as possible */
static void tell(struct walk *w)
{
	struct call *calls = malloc((TRAIL + 4) * sizeof(*calls));
	unsigned long nr = 0, k;
	enum pv_state state;
	char words[300];

	call_print(&w->bad, words, sizeof(words));
	log_err("%s, %s: %s: %s",
		w->failed == WALKER ? "in turn" : w->failed == OTHER ? "beside others" : "set-up",
		state_name[w->state], words, w->why);
	if (w->failed == SETUP || !calls)
		return;
	if (w->failed == WALKER)
		nr = shorten(w, calls, w->why, sizeof(w->why));
	for (state = PV_ORDINARY; w->failed == OTHER && !nr && state < PV_STATES; state++) {
		k = way_to(state, calls);
		calls[k] = w->bad;
		nr = fails(calls, k + 1, w->why, sizeof(w->why));
	}
	for (k = 0; k < nr; k++) {
		call_print(&calls[k], words, sizeof(words));
		log_err("shortest sequence, %lu of %lu: %s", k + 1, nr, words);
	}
	log_err("%s", nr ? w->why : "not seen again without others beside it");
	free(calls);
}

/* ---- all of them ---------------------------------------------------------------------- */

FIXTURE(random) {
	struct shared *shared;
};

FIXTURE_SETUP(random)
{
	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_reset());
	violations_before = sim_violations();
	ASSERT_EQ(0, image_get(&the_image, 4, PCF_DUMP | PCF_PCKMO));
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
}

FIXTURE_TEARDOWN(random)
{
	if (!env.sim)
		return;
	EXPECT_TRUE(sim_no_objects());
	EXPECT_EQ(violations_before, sim_violations());
	EXPECT_EQ(0, sim_write("faults", "clear"));
}

/* For PV_DUMP_SECONDS; whoever runs it has a limit of its own */
TEST_F_TIMEOUT(random, arguments_follow_the_model, 100000)
{
	unsigned long seed = env_number("PV_DUMP_SEED", 20221105);
	unsigned long seconds = env_number("PV_DUMP_SECONDS", 0);
	double end = seconds ? now() + seconds : 0;
	struct shared *shared = self->shared;
	unsigned int i, k, failed = 0;
	static struct walk all;
	pid_t pid[VMS];
	int status;

	if (no_sim(_metadata))
		return;
	if (env.gentle)
		SKIP(return, "might crash a kernel with mainline's implementation");
	for (i = 0; i < VMS; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			walk_vm(shared, i, seed, end);
			_exit(0);
		}
	}
	for (i = 0; i < VMS; i++) {
		EXPECT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < VMS; i++) {
		struct walk *w = &shared->walk[i];

		for (k = 0; k < PV_STATES; k++)
			all.in[k] += w->in[k];
		all.nr += w->nr;
		all.right += w->right;
		all.dumps += w->dumps;
		all.beside += w->beside;
		all.met += w->met;
		failed += w->failed != NOBODY;
	}
	TH_LOG("%lu calls in turn, %lu of them right; in the states %lu, %lu, %lu and %lu;",
	       all.nr, all.right, all.in[0], all.in[1], all.in[2], all.in[3]);
	TH_LOG("%lu whole dumps; %lu calls beside them, %lu of them while a state changed",
	       all.dumps, all.beside, all.met);
	for (i = 0; i < VMS; i++)
		if (shared->walk[i].failed)
			tell(&shared->walk[i]);
	ASSERT_EQ(0, failed);
	/* much of it was right, it came to every state, and was done beside each other */
	EXPECT_LT(all.nr / 10, all.right);
	for (k = 0; !seconds && k < PV_STATES; k++)
		EXPECT_LT(all.nr / 200, all.in[k]);
	EXPECT_LT(0, all.met);
}

int main(int argc, char **argv)
{
	env_setup();
	return test_harness_run(argc, argv);
}
