/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs run on, and whether they can. With the simulator (module uvsim,
 * debugfs uvsim/) they make a Secure Execution image of their own, know every key
 * and byte, and can make each UV call fail. With a real Ultravisor PV_DUMP_IMAGE
 * names a Secure Execution image for this machine that allows dumps and PV_DUMP_CCK
 * a file with its customer communication key (32 bytes); what needs the simulator
 * is skipped then.
 */
#ifndef PV_DUMP_ENV_H
#define PV_DUMP_ENV_H

#include <stdbool.h>

struct env {
	int kvm;		/* /dev/kvm */
	bool sim;		/* the simulator is there */
	bool gentle;		/* PV_DUMP_GENTLE */
	const char *image;	/* image for a real Ultravisor */
};

extern struct env env;

/* For main(): returns if the tests can run, exits as skipped if not. */
void env_setup(void);

#endif
