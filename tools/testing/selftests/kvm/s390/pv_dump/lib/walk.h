/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks through the states of something by operations that a table describes, until
 * every operation was seen in every state behind every other one, and then, if there is
 * the time, until every sequence of four was seen. What fails is told as the shortest
 * sequence that was found to fail.
 */
#ifndef PV_DUMP_WALK_H
#define PV_DUMP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_table {
	unsigned int states, ops;
	/* @what: of walk() */
	const char *(*op_name)(unsigned int op);
	void (*print_state)(unsigned int state, char *buf, size_t len);
	/* by the table: the state that @op leads to */
	unsigned int (*follows)(unsigned int state, unsigned int op);
	/* the way back from where it leads to is long */
	bool (*costly)(unsigned int op);
	/* something new, in state 0; 0 or -errno */
	int (*renew)(void *what);
	/* what follows if it is as it should be, or @states, and @why not */
	unsigned int (*step)(void *what, unsigned int op, char *why, size_t len);
};

/*
 * @what is in state 0. PV_DUMP_SECONDS=N: goes on for N seconds, with sequences of four,
 * of those the Ith of N parts with PV_DUMP_PART=I/N; PV_DUMP_SEED=N makes them others.
 * False if something fails; it has been said then.
 */
bool walk(const struct walk_table *table, void *what);

#endif
