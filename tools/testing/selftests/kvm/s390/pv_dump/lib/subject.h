/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A protected VM that those who search make calls of, and the state it has to be in by
 * the model of lib/call.h.
 */
#ifndef PV_DUMP_SUBJECT_H
#define PV_DUMP_SUBJECT_H

#include "call.h"

struct subject {
	struct vm vm;
	struct caller *caller, *other;	/* for two threads */
	uint8_t *blocks;		/* the storage state */
	enum pv_state state;
	unsigned int seq;		/* odd: the state changes */
	long violations;		/* of the Ultravisor's rules, so many are none of ours */
};

/*
 * A VM with the_image, protected, of which one dump was taken. Return: 0 or -errno;
 * subject_end() is right in both cases.
 */
int subject_new(struct subject *s);
void subject_end(struct subject *s);
/* Makes @call. Has come of it what has to come of it? Otherwise @why says what is wrong. */
bool subject_step(struct subject *s, const struct call *call, char *why, size_t len);
/* The part of it behind the call: KVM_RUN is refused in a dump only, no rule is broken */
bool subject_is(struct subject *s, char *why, size_t len);
/* Calls that bring a new subject to @state, three at most; their number */
unsigned long way_to(enum pv_state state, struct call *calls);

#endif
