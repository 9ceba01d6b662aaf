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
#include "lib/chance.h"
#include "lib/subject.h"

#define VMS	2
/* calls of each thread, without PV_DUMP_SECONDS */
#define CALLS	400
/* what is remembered of a walk */
#define TRAIL	4096

static const char *const state_name[] = { "ordinary", "protected", "dumping", "undelivered" };

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
	struct subject s;
	struct chance chance;
	struct shared *shared;
	struct walk *walk;
	pthread_t thread;
	int done;
};

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
		seq = __atomic_load_n(&h->s.seq, __ATOMIC_SEQ_CST);
		state = __atomic_load_n(&h->s.state, __ATOMIC_SEQ_CST);
		do
			call = any_call(&r, &h->s.vm, PV_DUMPING);
		while (!call_changes_nothing(h->s.other, &call));
		call_make(h->s.other, &call);
		h->walk->beside++;
		if (!(seq & 1) && seq == __atomic_load_n(&h->s.seq, __ATOMIC_SEQ_CST)) {
			ok = call_is(h->s.other, &call, state, &next, why, sizeof(why));
		} else {
			h->walk->met++;
			ok = call_is_possible(h->s.other, &call, why, sizeof(why));
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
	if (subject_new(&h.s) || pthread_create(&h.thread, NULL, other_fn, &h)) {
		found(&h, SETUP, &call, h.s.state, "no VM");
		return;
	}
	while (go_on(&h) && (end ? now() < end : w->nr < CALLS)) {
		call = any_call(&h.chance, &h.s.vm, h.s.state);
		w->trail[w->nr % TRAIL] = call;
		w->state_before[w->nr % TRAIL] = h.s.state;
		w->nr++;
		w->in[h.s.state]++;
		if (!subject_step(&h.s, &call, why, sizeof(why)))
			found(&h, WALKER, &call, w->state_before[(w->nr - 1) % TRAIL], why);
		w->right += !call.whole_dump && !call_answer(h.s.caller);
		w->dumps += call.whole_dump;
	}
	__atomic_store_n(&h.done, 1, __ATOMIC_RELEASE);
	pthread_join(h.thread, NULL);
	/* and whatever was tried, what the VM has can still be dumped */
	call = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_ENABLE };
	if (!shared->stop && h.s.state == PV_ORDINARY &&
	    !subject_step(&h.s, &call, why, sizeof(why)))
		found(&h, WALKER, &call, PV_ORDINARY, why);
	call.whole_dump = 1;
	if (!shared->stop && !subject_step(&h.s, &call, why, sizeof(why)))
		found(&h, WALKER, &call, h.s.state, why);
	subject_end(&h.s);
}

/* ---- the shortest sequence ------------------------------------------------------------ */

/* @nr calls, on a VM of their own and by nobody else: how many until one is wrong, or 0 */
static unsigned long fails(const struct call *calls, unsigned long nr, char *why, size_t len)
{
	static struct subject s;
	unsigned long k, bad = 0;

	if (subject_new(&s)) {
		log_err("no new VM");
		nr = 0;
	}
	for (k = 0; k < nr && !bad; k++)
		if (!subject_step(&s, &calls[k], why, len))
			bad = k + 1;
	subject_end(&s);
	sim_no_objects();
	return bad;
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
