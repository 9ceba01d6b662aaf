// SPDX-License-Identifier: GPL-2.0-only
/*
 * No test: a search that the kernel's own coverage (KCOV) guides. An input is a sequence
 * of calls (lib/chance.h) and of things that are done beside them; those that run code of
 * KVM that none has run before are kept, and others are made of them by small changes.
 * What has to come of each call is said by the model of lib/call.h. What is wrong is
 * printed once, with the shortest sequence that was found to do it:
 *
 *	found RULE: CALL, STATE: why
 *
 * One process works, the other one watches: it kills the first in the middle of a
 * request when an input says so, and notices when it hangs.
 *
 * It is longer than other files: coverage, corpus and the two processes share their state,
 * and nobody else has a use for any of them.
 *
 * PV_DUMP_SECONDS=N: so long, default 30. PV_DUMP_SEED=N makes it another search. Ends
 * with 1 if something was found, 2 if it could not search.
 */
#include <fcntl.h>
#include <linux/kcov.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/chance.h"
#include "lib/child.h"
#include "lib/env.h"
#include "lib/sim.h"
#include "lib/subject.h"

/* of a guest: a request for all of it has so many blocks */
#define GUEST_MIB	32
#define STEPS		10
#define CORPUS		1024
#define FOUND		64
#define PCS		65536U
#define COVER		131072

enum op {
	CALL,
	ENTER,		/* a thread enters KVM_RUN with a vcpu, and stays */
	CRYPTO,		/* an attribute of the VM is set, which blocks all vcpus for a moment */
	BESIDE,		/* one call, and another one while the Ultravisor is busy with it */
	KILL,		/* a call of a process that is killed in the middle of it */
	OPS
};

struct step {
	uint8_t op;
	struct call call, then;
};

struct input {
	uint8_t nr;
	struct step step[STEPS];
};

/* Rules that the kernel has to keep. These names are what others look for. */
enum rule { ANSWER, BROKEN, TOGETHER, STAYS, SIE, WAITS, SURVIVES, HANGS, DIES, RULES };

static const char *const rule_name[] = {
	[ANSWER] = "answer",		/* errno, rc, memory, what follows */
	[BROKEN] = "broken",		/* the Ultravisor's rules */
	[TOGETHER] = "together",	/* two calls at once */
	[STAYS] = "stays",		/* in KVM_RUN, though there is a dump */
	[SIE] = "sie",			/* is entered in a dump */
	[WAITS] = "waits",		/* for all of a long request of others */
	[SURVIVES] = "survives",	/* SIGKILL, for more than a block */
	[HANGS] = "hangs",
	[DIES] = "dies",		/* the process, without a reason */
};

static const char *const state_name[] = { "ordinary", "protected", "dumping", "undelivered" };

/* What the processes share */
struct shared {
	unsigned long inputs, steps, kept, nr_pcs, nr_found, unsure;
	unsigned long ops[OPS];
	uint64_t pc[PCS];
	struct input corpus[CORPUS];
	struct input now;		/* under way */
	unsigned long beat;
	struct chance chance;
	char found[FOUND][256];
	int kill;			/* the worker is in a call that it is to be killed in */
};

static struct shared *sh;
static double end_time;

/* ---- coverage --------------------------------------------------------------------------- */

/* Of a thread */
struct tracer {
	int fd;
	unsigned long *cover;
};

static struct tracer tracer[3];

static int tracer_open(struct tracer *t)
{
	t->fd = open("/sys/kernel/debug/kcov", O_RDWR);
	if (t->fd < 0 || ioctl(t->fd, KCOV_INIT_TRACE, (unsigned long)COVER))
		return -errno;
	t->cover = mmap(NULL, COVER * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	return t->cover == MAP_FAILED ? -errno : 0;
}

/* From here on what the calling thread runs is in @t */
static void tracer_on(struct tracer *t)
{
	if (ioctl(t->fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		perror("KCOV_ENABLE");
		_exit(2);
	}
	__atomic_store_n(&t->cover[0], 0, __ATOMIC_RELAXED);
}

/* How many of the places in @t nobody has been at before; they are taken note of */
static unsigned int tracer_new(struct tracer *t)
{
	unsigned long n = __atomic_load_n(&t->cover[0], __ATOMIC_RELAXED), i;
	unsigned int more = 0, k;

	for (i = 1; i <= n; i++) {
		for (k = t->cover[i] * 2654435761UL >> 7; sh->pc[k % PCS]; k++)
			if (sh->pc[k % PCS] == t->cover[i])
				break;
		if (sh->pc[k % PCS] || sh->nr_pcs == PCS / 2)
			continue;
		sh->pc[k % PCS] = t->cover[i];
		sh->nr_pcs++;
		more++;
	}
	__atomic_store_n(&t->cover[0], 0, __ATOMIC_RELAXED);
	return more;
}

/* ---- what was found --------------------------------------------------------------------- */

/* One run of an input, on its own subject */
struct run {
	struct subject s;
	struct runner runner;
	bool entered;		/* there is a thread with the runner */
	enum rule rule;		/* RULES: nothing is wrong */
	unsigned int at;	/* the step that went wrong */
	char key[256], why[160];
};

static void words(const struct step *step, char *buf, size_t len)
{
	static const char *const name[OPS] = {
		[ENTER] = "a vcpu enters KVM_RUN", [CRYPTO] = "crypto attribute",
		[BESIDE] = "beside: ", [KILL] = "killed: ",
	};
	size_t n;

	snprintf(buf, len, "%s", name[step->op] ?: "");
	n = strlen(buf);
	if (step->op == CALL || step->op == BESIDE || step->op == KILL)
		call_print(&step->call, buf + n, len - n);
	n = strlen(buf);
	if (step->op == BESIDE) {
		snprintf(buf + n, len - n, " and ");
		n = strlen(buf);
		call_print(&step->then, buf + n, len - n);
	}
}

/* Of what call_print() says that in front of its arguments */
static const char *command(const struct call *call, char *buf, size_t len)
{
	char *end;

	call_print(call, buf, len);
	end = strstr(buf, " cmd=");
	if (end)
		*end = 0;
	return buf;
}

/* @what is not kept by step @at; the same thing at another time has the same key */
static bool wrong(struct run *r, enum rule what, unsigned int at, const struct step *step,
		  enum pv_state state, const char *why)
{
	char one[100], two[100];

	r->rule = what;
	r->at = at;
	snprintf(r->why, sizeof(r->why), "%s", why);
	if (step->op == BESIDE)
		snprintf(r->key, sizeof(r->key), "%s: %s beside %s, %s", rule_name[what],
			 command(&step->then, one, sizeof(one)),
			 command(&step->call, two, sizeof(two)), state_name[state]);
	else if (step->op == CALL || step->op == KILL)
		snprintf(r->key, sizeof(r->key), "%s: %s, %s", rule_name[what],
			 command(&step->call, one, sizeof(one)), state_name[state]);
	else
		snprintf(r->key, sizeof(r->key), "%s: %s, %s", rule_name[what],
			 step->op == ENTER ? "KVM_RUN" : "crypto attribute", state_name[state]);
	/* a vcpu that runs freely, and memory: other things than an answer */
	if (what == ANSWER && strstr(why, "KVM_RUN"))
		strncat(r->key, ", KVM_RUN", sizeof(r->key) - strlen(r->key) - 1);
	return false;
}

static bool known(const char *key)
{
	unsigned long i;

	for (i = 0; i < sh->nr_found; i++)
		if (!strcmp(sh->found[i], key))
			return true;
	return false;
}

static void print_found(const struct run *r, const struct input *in)
{
	char buf[500];
	unsigned int k;

	if (sh->nr_found < FOUND)
		snprintf(sh->found[sh->nr_found++], sizeof(sh->found[0]), "%s", r->key);
	printf("found %s: %s\n", r->key, r->why);
	for (k = 0; k <= r->at && k < in->nr; k++) {
		words(&in->step[k], buf, sizeof(buf));
		printf("\t%u: %s\n", k + 1, buf);
	}
	fflush(stdout);
}

/* ---- steps ------------------------------------------------------------------------------ */

struct thread {
	pthread_t thread;
	struct caller *caller;
	const struct call *call;
	struct tracer *trace;
	long stor;		/* blocks that were asked for when it was over */
	struct vm vm;		/* a request for many blocks has its own structures */
	uint8_t *buf;
	int ret;
	int done;
};

static void *thread_fn(void *arg)
{
	struct thread *t = arg;

	tracer_on(t->trace);
	if (t->buf)
		t->ret = dump_stor(&t->vm, t->buf, t->call->len, 0);
	else
		call_make(t->caller, t->call);
	ioctl(t->trace->fd, KCOV_DISABLE, 0);
	t->stor = sim_calls(UVC_STOR_STATE);
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_stor(const struct call *call)
{
	return call->cmd == KVM_PV_DUMP && call->vcpu == OF_VM &&
	       call->subcmd == KVM_PV_DUMP_CONFIG_STOR_STATE;
}

/* The UV call that @call makes when it is right */
static unsigned int uvc_of(const struct call *call)
{
	if (call->cmd == KVM_PV_DISABLE)
		return UVC_DESTROY_CPU;
	if (call->vcpu != OF_VM)
		return UVC_CPU;
	return call->subcmd == KVM_PV_DUMP_INIT ? UVC_INIT :
	       call->subcmd == KVM_PV_DUMP_COMPLETE ? UVC_COMPLETE : UVC_STOR_STATE;
}

static void leave(struct run *r)
{
	if (r->entered)
		runner_join(&r->runner, 0);
	r->entered = false;
}

/*
 * While the Ultravisor is busy with a call, or slow with each block of it, there is
 * another one. Only one of them may change the state, so there is one that is right.
 */
static bool step_beside(struct run *r, unsigned int at, const struct step *step)
{
	struct subject *s = &r->s;
	struct thread a = { .caller = s->other, .call = &step->call, .trace = &tracer[1] };
	struct thread b = { .caller = s->caller, .call = &step->then, .trace = &tracer[2] };
	bool a_changes = !call_changes_nothing(s->other, a.call), slow = is_stor(a.call);
	bool b_changes = !call_changes_nothing(s->caller, b.call), a_ok, b_ok, waits = false;
	const long blocks = step->call.len / s->vm.len.dump_config_mem_buffer_per_1m;
	enum pv_state before = s->state, next = before, unused;
	char why_a[120] = "", why_b[120] = "", why[260];
	long first = sim_calls(UVC_STOR_STATE);

	if (a_changes && b_changes)
		return true;
	if (slow) {
		a.vm = s->vm;
		a.buf = malloc(step->call.len);
		if (!a.buf)
			_exit(2);
	}
	if (sim_write("faults", slow ? "cmd=0x%x nth=1 count=0 delay_us=10000" :
		      "cmd=0x%x nth=1 busy=0x7fffffff", uvc_of(a.call)))
		_exit(2);
	if (pthread_create(&a.thread, NULL, thread_fn, &a))
		_exit(2);
	while (!wait_done(&a.done, 1) &&
	       (slow ? sim_calls(UVC_STOR_STATE) < first + 2 : sim_hits() < 1))
		;
	if (pthread_create(&b.thread, NULL, thread_fn, &b))
		_exit(2);
	if (slow && !wait_done(&a.done, 0)) {
		/* it gets its turn at the latest when the other is through */
		while (!wait_done(&b.done, 1))
			;
		waits = b.call->vcpu == OF_VM && !is_stor(b.call) && blocks >= GUEST_MIB / 2 &&
			b.stor >= first + blocks;
	} else {
		wait_done(&b.done, 20);
	}
	if (sim_write("faults", "clear"))
		_exit(2);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	if (slow) {
		/* whoever ends the dump ends it, too */
		a_ok = a.ret == (before == PV_DUMPING ? 0 : -EINVAL) ||
		       (a.ret == -EINVAL && b_changes);
		if (!a_ok)
			snprintf(why_a, sizeof(why_a), "%d", a.ret);
		if (!a.ret && memcmp(a.buf, s->blocks, step->call.len)) {
			snprintf(why_a, sizeof(why_a), "another storage state");
			a_ok = false;
		}
		free(a.buf);
		b_ok = call_is(b.caller, b.call, before, b_changes ? &next : &unused, why_b,
			       sizeof(why_b));
	} else if (a_changes) {
		a_ok = call_is(a.caller, a.call, before, &next, why_a, sizeof(why_a));
		b_ok = call_is_possible(b.caller, b.call, why_b, sizeof(why_b));
	} else {
		a_ok = call_is_possible(a.caller, a.call, why_a, sizeof(why_a));
		b_ok = call_is(b.caller, b.call, before, b_changes ? &next : &unused, why_b,
			       sizeof(why_b));
	}
	s->state = next;
	if (waits)
		return wrong(r, WAITS, at, step, before, "it took as long as the whole request");
	if (!subject_is(s, why, sizeof(why)))
		return wrong(r, strstr(why, "rules") ? BROKEN : TOGETHER, at, step, before, why);
	if (a_ok && b_ok)
		return true;
	snprintf(why, sizeof(why), "%s%s%s", a_ok ? "" : why_a, a_ok || b_ok ? "" : " and ",
		 b_ok ? "" : why_b);
	return wrong(r, TOGETHER, at, step, before, why);
}

/* Is a vcpu in KVM_RUN that should not be there? It has been told to leave. */
static bool step_left(struct run *r, unsigned int at)
{
	static const struct step enter = { .op = ENTER };

	if (!r->entered || r->s.state < PV_DUMPING)
		return true;
	if (wait_done(&r->runner.done, known("stays: KVM_RUN, dumping") ? 100 : 5000)) {
		leave(r);
		return true;
	}
	return known("stays: KVM_RUN, dumping") ||
	       wrong(r, STAYS, at, &enter, r->s.state, "for seconds");
}

static bool step_crypto(struct run *r, unsigned int at, const struct step *step)
{
	struct kvm_device_attr attr = {
		.group = KVM_S390_VM_CRYPTO,
		.attr = step->call.fill & 1 ? KVM_S390_VM_CRYPTO_DISABLE_AES_KW :
					      KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	char why[160];
	long sie;
	int ret;

	sie = sim_sie();
	ret = xioctl(r->s.vm.fd, KVM_SET_DEVICE_ATTR, &attr);
	if (ret) {
		snprintf(why, sizeof(why), "%d", ret);
		return wrong(r, ANSWER, at, step, r->s.state, why);
	}
	if (r->s.state < PV_DUMPING)
		return true;
	if (r->entered)
		sleep_ms(20);
	if (sim_sie() != sie)
		return wrong(r, SIE, at, step, r->s.state, "vcpus run again");
	return subject_is(&r->s, why, sizeof(why)) ||
	       wrong(r, strstr(why, "rules") ? BROKEN : ANSWER, at, step, r->s.state, why);
}

/* Whoever watches kills this process in the middle of a request for all of the guest */
static bool step_kill(struct run *r)
{
	struct call call = {
		.vcpu = OF_VM, .cmd = KVM_PV_DUMP, .subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE,
		.len = GUEST_MIB * r->s.vm.len.dump_config_mem_buffer_per_1m,
	};

	if (r->s.state == PV_PROTECTED && !dump_init(&r->s.vm))
		r->s.state = PV_DUMPING;
	if (r->s.state != PV_DUMPING)
		return true;
	sh->ops[KILL]++;
	if (sim_write("faults", "cmd=0x%x nth=1 count=0 delay_us=50000", UVC_STOR_STATE) ||
	    sim_write("counters", "0"))
		_exit(2);
	__atomic_store_n(&sh->kill, 1, __ATOMIC_RELEASE);
	call_make(r->s.caller, &call);
	/* nobody came in time; what is over is over */
	__atomic_store_n(&sh->kill, 0, __ATOMIC_RELEASE);
	return !sim_write("faults", "clear");
}

static bool step_do(struct run *r, unsigned int at, const struct step *step)
{
	struct call call = step->call;
	enum pv_state before = r->s.state;
	char why[160];

	/* A vcpu in KVM_RUN is what others have to wait for; and a real VMM stops it */
	if (r->entered && step->op != CRYPTO &&
	    (step->op != CALL || call.vcpu == 1 || call.whole_dump ||
	     call.cmd == KVM_PV_ENABLE || call.cmd == KVM_PV_DISABLE || before >= PV_DUMPING))
		leave(r);
	sh->ops[step->op] += step->op != KILL;
	switch (step->op) {
	case ENTER:
		if (before != PV_PROTECTED)
			return true;
		r->entered = !runner_start(&r->runner, &r->s.vm, 1);
		return r->entered || wrong(r, ANSWER, at, step, before, "cannot enter");
	case CRYPTO:
		return step_crypto(r, at, step);
	case BESIDE:
		return step_beside(r, at, step);
	case KILL:
		return step_kill(r);
	default:
		if (!subject_step(&r->s, &call, why, sizeof(why)))
			return wrong(r, strstr(why, "rules of") ? BROKEN : ANSWER, at, step,
				     before, why);
		return step_left(r, at);
	}
}

/* ---- an input --------------------------------------------------------------------------- */

/* Is the subject as it was in the beginning? What is open is ended, which has to work. */
static bool run_end(struct run *r, unsigned int at)
{
	struct step step = { .op = CALL, .call = { .vcpu = OF_VM } };
	enum pv_state before = r->s.state;
	char why[160];

	leave(r);
	if (before == PV_PROTECTED)
		return true;
	if (before == PV_ORDINARY)
		step.call.cmd = KVM_PV_ENABLE;
	else
		step.call.whole_dump = 1;
	return subject_step(&r->s, &step.call, why, sizeof(why)) ||
	       wrong(r, ANSWER, at, &step, before, why);
}

/* What was found ends it; how many new places is what it returns */
static unsigned int run(struct run *r, const struct input *in)
{
	unsigned int k, more = 0;
	bool ok = true;

	r->rule = RULES;
	for (k = 0; ok && k < in->nr; k++) {
		sh->beat++;
		sh->steps++;
		ok = step_do(r, k, &in->step[k]);
	}
	if (ok)
		run_end(r, in->nr);
	leave(r);
	for (k = 0; k < ARRAY_SIZE(tracer); k++)
		more += tracer_new(&tracer[k]);
	return more;
}

static void renew(struct run *r)
{
	subject_end(&r->s);
	if (!sim_no_objects() || sim_write("faults", "clear") || subject_new(&r->s)) {
		printf("no new VM\n");
		_exit(2);
	}
	tracer_new(&tracer[0]);
}

/* Fewer steps that do the same; the search goes on where it was */
static void shorten(struct run *r, struct input *in)
{
	double until = now() + 10;
	struct run was = *r, first = *r;
	struct input fewer;
	unsigned int k;

	in->nr = r->at < in->nr ? r->at + 1 : in->nr;
	for (k = 0; k < in->nr && in->nr > 1 && now() < until; ) {
		fewer = *in;
		memmove(&fewer.step[k], &fewer.step[k + 1],
			(in->nr - k - 1) * sizeof(fewer.step[0]));
		fewer.nr--;
		renew(r);
		run(r, &fewer);
		if (r->rule == was.rule && !strcmp(r->key, was.key)) {
			*in = fewer;
			first = *r;
		} else {
			k++;
		}
	}
	memcpy(r->key, first.key, sizeof(r->key));
	memcpy(r->why, first.why, sizeof(r->why));
	r->rule = first.rule;
	r->at = first.at;
}

/* What depends on time has to be seen twice */
static bool sure(struct run *r, const struct input *in)
{
	struct run was;

	if (r->rule != STAYS && r->rule != WAITS && r->rule != TOGETHER)
		return true;
	was = *r;
	renew(r);
	run(r, in);
	if (r->rule == was.rule && !strcmp(r->key, was.key))
		return true;
	sh->unsure++;
	return false;
}

/* One that can be right, and that the Ultravisor has to do with */
static struct call right_call(struct chance *c, const struct vm *vm)
{
	struct call call = { .vcpu = OF_VM, .cmd = KVM_PV_DUMP };

	switch (some(c, 7)) {
	case 0:
		call.subcmd = KVM_PV_DUMP_INIT;
		break;
	case 1:
	case 2:
		call.subcmd = KVM_PV_DUMP_COMPLETE;
		call.len = vm->len.dump_config_finalize_len;
		break;
	case 3:
		call.cmd = KVM_PV_DISABLE;
		break;
	case 4:
	case 5:
		call.vcpu = some(c, vm->nr_cpus);
		call.subcmd = KVM_PV_DUMP_CPU;
		call.len = vm->len.dump_cpu_buffer_len;
		break;
	default:
		call.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE;
		call.len = vm->len.dump_config_mem_buffer_per_1m;
	}
	return call;
}

static struct step any_step(struct chance *c, const struct vm *vm)
{
	static const uint8_t often[] = {
		CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL, CALL,
		CALL, CALL, ENTER, ENTER, CRYPTO, CRYPTO, BESIDE, BESIDE, BESIDE,
	};
	static const enum pv_state where[] = {
		PV_ORDINARY, PV_PROTECTED, PV_PROTECTED, PV_DUMPING, PV_DUMPING, PV_UNDELIVERED,
	};
	struct step step = { .op = often[some(c, ARRAY_SIZE(often))] };
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;

	if (!some(c, 60))
		step.op = KILL;
	if (some(c, 4)) {
		step.call = any_call(c, vm, where[some(c, ARRAY_SIZE(where))]);
	} else {
		step.call = right_call(c, vm);
		if (!some(c, 2))
			one_thing_wrong(c, vm, &step.call);
	}
	if (step.op == CRYPTO)
		step.call.fill = some(c, 2);
	if (step.op != BESIDE)
		return step;
	step.call = right_call(c, vm);
	if (is_stor(&step.call))
		step.call.len = (GUEST_MIB / 2 + some(c, GUEST_MIB / 2)) * per;
	if (some(c, 2)) {
		/* what ends a dump is the most there is to get in the way of a vcpu's */
		do
			step.then = right_call(c, vm);
		while (step.call.vcpu != OF_VM && some(c, 4) &&
		       step.then.cmd != KVM_PV_DISABLE &&
		       step.then.subcmd != KVM_PV_DUMP_COMPLETE);
		return step;
	}
	do
		step.then = any_call(c, vm, PV_DUMPING);
	while (step.then.whole_dump || step.then.cmd == KVM_PV_ENABLE);
	return step;
}

static void change(struct chance *c, struct input *in, const struct vm *vm)
{
	unsigned int k = in->nr ? some(c, in->nr) : 0;

	switch (in->nr ? some(c, 6) : 0) {
	case 0:
	case 1:
		if (in->nr == STEPS)
			break;
		memmove(&in->step[k + 1], &in->step[k], (in->nr - k) * sizeof(in->step[0]));
		in->step[k] = any_step(c, vm);
		in->nr++;
		break;
	case 2:
		if (in->nr == STEPS)
			break;
		in->step[in->nr++] = any_step(c, vm);
		break;
	case 3:
		memmove(&in->step[k], &in->step[k + 1],
			(in->nr - k - 1) * sizeof(in->step[0]));
		in->nr--;
		break;
	case 4:
		in->step[k] = any_step(c, vm);
		break;
	default:
		if (in->step[k].op == CALL && !in->step[k].call.whole_dump)
			one_thing_wrong(c, vm, &in->step[k].call);
	}
}

/* Others begin where this search is at; a small change, or a few, of what was kept */
static void choose(struct input *in, const struct vm *vm)
{
	struct chance *c = &sh->chance;
	unsigned int n = 1 + some(c, 4);

	if (!sh->kept || !some(c, 3)) {
		*in = (struct input) {};
		/* most of what there is to see takes a dump, or a vcpu in KVM_RUN and a dump */
		if (!some(c, 3))
			in->step[in->nr++].op = ENTER;
		if (some(c, 3))
			in->step[in->nr++].call = (struct call) {
				.vcpu = OF_VM, .cmd = KVM_PV_DUMP,
			};
		if (in->nr == 2 && some(c, 2))
			in->step[in->nr++].op = CRYPTO;
		n = 1 + some(c, STEPS - 4);
	} else {
		*in = sh->corpus[some(c, sh->kept)];
	}
	while (n--)
		change(c, in, vm);
}

/* Until the time is over, or this process is killed */
static void work(void)
{
	static struct run r;
	unsigned int k, more;
	struct input in;

	for (k = 0; k < ARRAY_SIZE(tracer); k++)
		if (tracer_open(&tracer[k])) {
			perror("/sys/kernel/debug/kcov");
			_exit(2);
		}
	tracer_on(&tracer[0]);
	if (subject_new(&r.s)) {
		printf("no VM\n");
		_exit(2);
	}
	while (now() < end_time) {
		choose(&in, &r.s.vm);
		sh->now = in;
		sh->inputs++;
		more = run(&r, &in);
		if (more && sh->kept < CORPUS)
			sh->corpus[sh->kept++] = in;
		if (r.rule == RULES)
			continue;
		if (!known(r.key) && sure(&r, &in)) {
			shorten(&r, &in);
			print_found(&r, &in);
		}
		renew(&r);
	}
	subject_end(&r.s);
	_exit(0);
}

/* ---- who watches ------------------------------------------------------------------------ */

/* The process is in a request with a block each 50 ms */
static bool kill_it(pid_t pid)
{
	static struct run r;
	struct step step = { .op = KILL, .call = {
		.vcpu = OF_VM, .cmd = KVM_PV_DUMP, .subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE,
	} };
	double until = now() + LONG_ENOUGH;
	long calls;

	while (sim_calls(UVC_STOR_STATE) < 2 && now() < until)
		sleep_ms(1);
	calls = sim_calls(UVC_STOR_STATE);
	kill(pid, SIGKILL);
	if (!child_kill(pid)) {
		printf("does not end\n");
		return false;
	}
	if (calls >= 2 && calls < GUEST_MIB / 2 && sim_calls(UVC_STOR_STATE) > calls + 4) {
		wrong(&r, SURVIVES, 0, &step, PV_DUMPING, "SIGKILL, many blocks");
		if (!known(r.key))
			print_found(&r, &sh->now);
	}
	__atomic_store_n(&sh->kill, 0, __ATOMIC_RELEASE);
	return sim_no_objects() && !sim_write("faults", "clear");
}

/* False if there is no going on */
static bool watch(pid_t pid)
{
	double moved = now();
	unsigned long beat = sh->beat;
	struct run r = {};
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (__atomic_load_n(&sh->kill, __ATOMIC_ACQUIRE))
			return kill_it(pid);
		if (sh->beat != beat) {
			beat = sh->beat;
			moved = now();
		}
		if (now() > moved + 3 * LONG_ENOUGH) {
			r.at = sh->now.nr;
			snprintf(r.key, sizeof(r.key), "%s", rule_name[HANGS]);
			print_found(&r, &sh->now);
			kill(pid, SIGKILL);
			return false;
		}
		sleep_ms(2);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	r.at = sh->now.nr;
	snprintf(r.key, sizeof(r.key), "%s", rule_name[DIES]);
	snprintf(r.why, sizeof(r.why), "status %x", status);
	print_found(&r, &sh->now);
	return false;
}

int main(void)
{
	bool go_on = true;
	pid_t pid;

	env_setup();
	if (!env.sim) {
		printf("needs the Ultravisor simulator (uvsim)\n");
		return 2;
	}
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || sim_reset() ||
	    image_get(&the_image, GUEST_MIB, PCF_DUMP | PCF_PCKMO)) {
		printf("cannot begin\n");
		return 2;
	}
	sh->chance.x = env_number("PV_DUMP_SEED", 20221105);
	end_time = now() + env_number("PV_DUMP_SECONDS", 30);
	while (go_on && now() < end_time) {
		fflush(NULL);
		pid = fork();
		if (!pid)
			work();
		go_on = pid > 0 && watch(pid);
	}
	printf("%lu inputs of %lu steps: %lu calls, %lu times into KVM_RUN, %lu attributes,\n",
	       sh->inputs, sh->steps, sh->ops[CALL], sh->ops[ENTER], sh->ops[CRYPTO]);
	printf("%lu pairs of calls at once, %lu killed; %lu inputs kept, for %lu places in KVM\n",
	       sh->ops[BESIDE], sh->ops[KILL], sh->kept, sh->nr_pcs);
	printf("%lu things found, %lu times not seen again\n", sh->nr_found, sh->unsure);
	if (!sh->kept || !sh->nr_pcs) {
		printf("the kernel does not tell what it runs\n");
		return 2;
	}
	return sh->nr_found || !go_on;
}
