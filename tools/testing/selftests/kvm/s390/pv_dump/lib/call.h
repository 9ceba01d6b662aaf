/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One PV command with any arguments, right or wrong, at any place in memory, and what
 * has to come of it: a model, which knows the interface and nothing of a kernel. Used
 * by those who search. Needs the simulator.
 */
#ifndef PV_DUMP_CALL_H
#define PV_DUMP_CALL_H

#include "vm.h"

enum pv_state { PV_ORDINARY, PV_PROTECTED, PV_DUMPING, PV_UNDELIVERED, PV_STATES };

/* Where a pointer points to */
enum place_kind {
	AT_MEMORY,	/* there is enough of it; at any offset, odd ones as well */
	AT_END,		/* ends where memory ends */
	AT_EDGE,	/* begins in memory and ends behind it */
	AT_READ_ONLY,
	AT_NO_ACCESS,
	AT_NULL,
	AT_KERNEL,	/* what is an address of something in the kernel only */
	AT_TOP,		/* up to 2^64 - 1 */
	AT_GUEST,	/* memory of the guest */
	AT_CMD,		/* over struct kvm_pv_cmd, as a whole or in part */
	AT_DATA,	/* over the structure that .data of it points to */
	PLACES
};

struct place {
	uint8_t kind;
	uint32_t off;
};

#define OF_VM	(-1)

/* No pointers in it: it can be logged, and repeated with another VM */
struct call {
	int8_t vcpu;		/* whose command; or OF_VM */
	uint8_t fill;		/* what is in reserved fields */
	uint8_t whole_dump;	/* no command, but all that a dump still lacks */
	struct place at_cmd, at_data, at_buf;
	uint32_t cmd, flags;
	/* of struct kvm_s390_pv_dmp; of an INFO: id, len_max, and nothing */
	uint64_t subcmd, len, gaddr;
};

/* Who calls: a thread has one of its own */
struct caller;

/*
 * @vm: whose commands; the caller owns what comes back. @blocks: the storage state, one
 * block per MiB, as any dump of @vm has it. @guest: address in the guest of 32 KiB that
 * are no part of the image. NULL if there is no memory.
 */
struct caller *caller_new(struct vm *vm, const uint8_t *blocks, uint64_t guest);
void caller_free(struct caller *c);

/* Makes the call; what user space sees of it is looked at by call_is() */
void call_make(struct caller *c, const struct call *call);
/*
 * Is the last call what has to come of it in @state? Then @next is what state follows.
 * Otherwise @why says what is wrong.
 */
bool call_is(struct caller *c, const struct call *call, enum pv_state state,
	     enum pv_state *next, char *why, size_t len);
/*
 * The same if others have changed the state meanwhile: what is right in one of the states
 * is right, and a request that they have ended.
 */
bool call_is_possible(struct caller *c, const struct call *call, char *why, size_t len);
/* Does @call leave each state as it is? */
bool call_changes_nothing(struct caller *c, const struct call *call);
/* What the last call answered: 0 or -errno */
int call_answer(const struct caller *c);
/* In words */
void call_print(const struct call *call, char *buf, size_t len);

#endif
