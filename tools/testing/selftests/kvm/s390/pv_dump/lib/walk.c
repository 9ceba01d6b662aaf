// SPDX-License-Identifier: GPL-2.0-only
/* See walk.h. */
#include <limits.h>

#include "util.h"
#include "walk.h"

/* of a walk that is longer only the end counts */
#define TRAIL	0x100000
/* no way from one state to another one has more operations */
#define WAY	16

/* What was done, and the states that were in front of it */
struct trail {
	uint8_t *op, *state;
	unsigned long nr;
};

struct walker {
	const struct walk_table *table;
	void *what;
	uint64_t seed;
	struct trail trail;
	uint8_t *seen;		/* in which state, what came first, and what came then */
	uint8_t *seen4;		/* in which state, what four */
	unsigned long nr_seen4, nr4, cursor, part, parts;
	/* what is to be done next */
	uint8_t plan[WAY + 4];
	unsigned int planned, done;
};

static unsigned int some(struct walker *w, unsigned int n)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->seed >> 33) % n;
}

/* ---- pairs ---------------------------------------------------------------------------- */

static uint8_t *seen(struct walker *w, unsigned int state, unsigned int first, unsigned int then)
{
	return &w->seen[(state * w->table->ops + first) * w->table->ops + then];
}

static unsigned int unseen(struct walker *w, unsigned int state, unsigned int first)
{
	unsigned int i, n = 0;

	for (i = 0; i < w->table->ops; i++)
		n += !*seen(w, state, first, i);
	return n;
}

/* The first operation on the way from @from to the nearest state with @there, or ops */
static unsigned int way(struct walker *w, unsigned int from, const bool *there, unsigned int start)
{
	const struct walk_table *t = w->table;
	unsigned int far[t->states], i, k, next, best, round;

	for (k = 0; k < t->states; k++)
		far[k] = there[k] ? 0 : t->states;
	for (round = 0; round < t->states; round++)
		for (k = 0; k < t->states; k++)
			for (i = 0; i < t->ops; i++) {
				next = far[t->follows(k, i)] + 1;
				if (next < far[k])
					far[k] = next;
			}
	if (far[from] >= t->states)
		return t->ops;
	for (best = start, k = 0; k < t->ops; k++) {
		i = (start + k) % t->ops;
		if (far[t->follows(from, i)] < far[t->follows(from, best)])
			best = i;
	}
	return best;
}

/* States that some way from the first one leads to */
static void find_reachable(struct walker *w, bool *can)
{
	const struct walk_table *t = w->table;
	unsigned int k, i;
	bool more = true;

	memset(can, 0, t->states * sizeof(*can));
	can[0] = true;
	while (more)
		for (more = false, k = 0; k < t->states; k++)
			for (i = 0; can[k] && i < t->ops; i++)
				if (!can[t->follows(k, i)]) {
					can[t->follows(k, i)] = true;
					more = true;
				}
}

/* Something that was not seen here, or the way to where there is something */
static unsigned int choose(struct walker *w, unsigned int before, unsigned int last,
			   unsigned int state)
{
	const struct walk_table *t = w->table;
	unsigned int start = some(w, t->ops), best = t->ops, most = 0, i, k, n;
	bool there[t->states];

	for (k = 0; k < t->ops; k++) {
		i = (start + k) % t->ops;
		n = unseen(w, state, i) + (t->costly(i) ? 0 : 5);
		if (!*seen(w, before, last, i) && (best == t->ops || n > most)) {
			best = i;
			most = n;
		}
	}
	if (best < t->ops)
		return best;
	for (k = 0; k < t->states; k++)
		for (there[k] = false, i = 0; i < t->ops; i++)
			there[k] |= unseen(w, k, i) > 0;
	for (k = 0; k < t->ops; k++) {
		i = (start + k) % t->ops;
		if (unseen(w, state, i))
			return i;
	}
	return way(w, state, there, start);
}

/* ---- sequences of four ------------------------------------------------------------------ */

static unsigned long index4(struct walker *w, unsigned int state, const uint8_t *ops)
{
	const unsigned long n = w->table->ops;

	return (((state * n + ops[0]) * n + ops[1]) * n + ops[2]) * n + ops[3];
}

/* Is it of our part: by the state and the first operation; and was it not seen yet? */
static bool wanted4(struct walker *w, unsigned long i)
{
	const unsigned long n = w->table->ops;

	return i / (n * n * n) % w->parts == w->part && !(w->seen4[i / 8] & 1 << i % 8);
}

static void see4(struct walker *w, unsigned int state, const uint8_t *ops)
{
	unsigned long i = index4(w, state, ops);

	if (wanted4(w, i))
		w->nr_seen4++;
	w->seen4[i / 8] |= 1 << i % 8;
}

/* Plans the way to a sequence that was not seen, and that; false if there is none */
static bool plan4(struct walker *w, unsigned int state)
{
	const struct walk_table *t = w->table;
	const unsigned long n = t->ops, all = t->states * n * n * n * n;
	bool there[t->states];
	unsigned long i, k;
	unsigned int op;

	for (k = 0; k < all; k++) {
		i = (w->cursor + k) % all;
		if (wanted4(w, i))
			break;
	}
	if (k == all)
		return false;
	w->cursor = i;
	for (k = 0; k < t->states; k++)
		there[k] = k == i / (n * n * n * n);
	w->planned = 0;
	w->done = 0;
	while (!there[state]) {
		op = way(w, state, there, 0);
		if (op == t->ops || w->planned == WAY)
			return false;
		w->plan[w->planned++] = op;
		state = t->follows(state, op);
	}
	w->plan[w->planned++] = i / (n * n * n) % n;
	w->plan[w->planned++] = i / (n * n) % n;
	w->plan[w->planned++] = i / n % n;
	w->plan[w->planned++] = i % n;
	return true;
}

/* Behind the last three, one that makes four of them that are new, or as planned; or ops */
static unsigned int choose4(struct walker *w, unsigned int state)
{
	const struct walk_table *t = w->table;
	const struct trail *trail = &w->trail;
	unsigned int start = some(w, t->ops), k;
	uint8_t ops[4];

	if (w->done < w->planned)
		return w->plan[w->done++];
	memcpy(ops, trail->op + trail->nr - 3, 3);
	for (k = 0; k < t->ops; k++) {
		ops[3] = (start + k) % t->ops;
		if (wanted4(w, index4(w, trail->state[trail->nr - 3], ops)))
			return ops[3];
	}
	return plan4(w, state) ? w->plan[w->done++] : t->ops;
}

/* ---- the shortest sequence -------------------------------------------------------------- */

static void trail_add(struct trail *t, unsigned int state, unsigned int i)
{
	if (t->nr == TRAIL) {
		memmove(t->op, t->op + TRAIL / 2, TRAIL / 2);
		memmove(t->state, t->state + TRAIL / 2, TRAIL / 2);
		t->nr = TRAIL / 2;
	}
	t->op[t->nr] = i;
	t->state[t->nr++] = state;
}

/* @nr steps from the beginning: how many of them until one fails, or 0 */
static unsigned long fails(struct walker *w, const uint8_t *ops, unsigned long nr, char *why,
			   size_t len)
{
	unsigned long k;

	if (w->table->renew(w->what)) {
		log_err("cannot begin anew");
		return 0;
	}
	for (k = 0; k < nr; k++)
		if (w->table->step(w->what, ops[k], why, len) == w->table->states)
			return k + 1;
	return 0;
}

/* The end of the trail, behind the way to where it begins; in @ops, which has room for it */
static unsigned long tail_of(struct walker *w, unsigned long nr, uint8_t *ops)
{
	const struct walk_table *t = w->table;
	unsigned int state = 0, to = w->trail.state[w->trail.nr - nr], k, n = 0;
	bool there[t->states];

	for (k = 0; k < t->states; k++)
		there[k] = k == to;
	while (state != to && n < WAY) {
		k = way(w, state, there, 0);
		if (k == t->ops)
			break;
		ops[n++] = k;
		state = t->follows(state, k);
	}
	memcpy(ops + n, w->trail.op + w->trail.nr - nr, nr);
	return n + nr;
}

/* As few steps as possible that fail: their number, or 0 */
static unsigned long shorten(struct walker *w, uint8_t *ops, char *why, size_t len)
{
	const unsigned long all = w->trail.nr;
	double end = now() + 3 * LONG_ENOUGH;
	unsigned long nr = 0, n, k, shorter;
	uint8_t *fewer = malloc(all + WAY);

	if (!fewer)
		return 0;
	/* the last step, the last two, four ..., all */
	for (n = 1; !nr && now() < end; n = 2 * n < all ? 2 * n : all) {
		nr = fails(w, ops, tail_of(w, n, ops), why, len);
		if (n == all)
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

static void tell(struct walker *w, unsigned int state, unsigned int op, char *why, size_t len)
{
	uint8_t *ops = malloc(w->trail.nr + WAY);
	unsigned long nr, k;
	char words[80];

	w->table->print_state(state, words, sizeof(words));
	log_err("%s: %s: %s", words, w->table->op_name(op), why);
	nr = ops ? shorten(w, ops, why, len) : 0;
	for (k = 0; k < nr; k++)
		log_err("shortest sequence, %lu of %lu: %s", k + 1, nr,
			w->table->op_name(ops[k]));
	log_err("%s", nr ? why : "not seen again from the beginning");
	free(ops);
}

/* ---- the walk --------------------------------------------------------------------------- */

static bool allocate(struct walker *w, const bool *can)
{
	const struct walk_table *t = w->table;
	const unsigned long n = t->ops, four = n * n * n * n;
	unsigned long k, i;

	w->seen = malloc(t->states * n * n);
	w->seen4 = calloc(1, t->states * four / 8 + 1);
	w->trail.op = malloc(TRAIL);
	w->trail.state = malloc(TRAIL);
	if (!w->seen || !w->seen4 || !w->trail.op || !w->trail.state)
		return false;
	for (k = 0; k < t->states; k++) {
		memset(w->seen + k * n * n, !can[k], n * n);
		for (i = k * four; i < (k + 1) * four; i++) {
			if (!can[k])
				w->seen4[i / 8] |= 1 << i % 8;
			w->nr4 += wanted4(w, i);
		}
	}
	return true;
}

bool walk(const struct walk_table *t, void *what)
{
	struct walker w = { .table = t, .what = what, .parts = 1 };
	unsigned long steps = 0, left = 0, states = 0, k;
	unsigned int before = 0, last = 0, state = 0, next, op;
	bool can[t->states], ok = true;
	double end = 0, begin = now();
	char why[160];

	w.seed = env_number("PV_DUMP_SEED", 20221105);
	if (getenv("PV_DUMP_PART") &&
	    (sscanf(getenv("PV_DUMP_PART"), "%lu/%lu", &w.part, &w.parts) != 2 || !w.part ||
	     w.part-- > w.parts)) {
		log_err("PV_DUMP_PART is not I/N");
		return false;
	}
	find_reachable(&w, can);
	if (!allocate(&w, can)) {
		log_err("no memory");
		return false;
	}
	for (k = 0; k < t->states; k++) {
		states += can[k];
		left += can[k] ? t->ops * t->ops : 0;
	}
	while (left || now() < end) {
		op = left ? choose(&w, before, last, state) : choose4(&w, state);
		if (op == t->ops)
			break;
		trail_add(&w.trail, state, op);
		next = t->step(what, op, why, sizeof(why));
		if (next != t->follows(state, op)) {
			if (next != t->states)
				snprintf(why, sizeof(why), "state %u follows", next);
			tell(&w, state, op, why, sizeof(why));
			ok = false;
			break;
		}
		if (steps++ && !*seen(&w, before, last, op)) {
			*seen(&w, before, last, op) = true;
			if (!--left)
				end = now() + env_number("PV_DUMP_SECONDS", 0);
		}
		if (w.trail.nr >= 4)
			see4(&w, w.trail.state[w.trail.nr - 4], w.trail.op + w.trail.nr - 4);
		before = state;
		last = op;
		state = next;
		if (!end && steps > 100000) {
			log_err("%lu pairs cannot be reached", left);
			ok = false;
			break;
		}
	}
	log_err("%lu steps in %.0f s for all of %u operations in %lu states behind each other,",
		steps, now() - begin, t->ops, states);
	log_err("and %lu of %lu sequences of four", w.nr_seen4, w.nr4);
	free(w.seen);
	free(w.seen4);
	free(w.trail.op);
	free(w.trail.state);
	return ok;
}
