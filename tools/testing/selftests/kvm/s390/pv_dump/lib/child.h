/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs of another process. The child goes to a certain place and reports it; what
 * it gets is SIGKILL.
 */
#ifndef PV_DUMP_CHILD_H
#define PV_DUMP_CHILD_H

#include <sys/types.h>

#include "vm.h"

/* In the child: a VM at @stage, or exit */
void child_vm(struct vm *vm, unsigned int mib, enum stage stage);
void child_report(int fd);
bool child_ready(int fd);
/* False if the child does not end by itself; it is gone afterwards in any case. */
bool child_kill(pid_t pid);

#endif
