/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls (lib/call.h) as chance will have it: which commands there are, what their
 * arguments are like when they are right, and when they are wrong. Used by those who
 * search.
 */
#ifndef PV_DUMP_CHANCE_H
#define PV_DUMP_CHANCE_H

#include "call.h"

/* The same calls follow the same @x */
struct chance {
	uint64_t x;
};

/* A number below @n */
unsigned int some(struct chance *r, unsigned int n);
/* A call of those that are made of @vm in @state, with as much as three things wrong */
struct call any_call(struct chance *r, const struct vm *vm, enum pv_state state);
/* Makes one thing in @call another one, as a rule a wrong one */
void one_thing_wrong(struct chance *r, const struct vm *vm, struct call *call);

#endif
