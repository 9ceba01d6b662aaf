/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs of another process, or calls of one with the same memory. The child goes to a
 * certain place and reports it, or is seen there; what it gets is SIGKILL.
 */
#ifndef PV_DUMP_CHILD_H
#define PV_DUMP_CHILD_H

#include <sys/types.h>

#include "vm.h"

/* In the child: a VM at @stage, or exit */
void child_vm(struct vm *vm, unsigned int mib, enum stage stage);
void child_report(int fd);
bool child_ready(int fd);
/* @fn in a process that shares this one's memory: killed, it leaves the VM behind */
pid_t child_sharing(int (*fn)(void *arg), void *arg);
/* Is it asleep in a KVM call, whose locks are known only as such? */
bool child_waits_in_kvm(pid_t pid);
/* False if the child does not end by itself; it is gone afterwards in any case. */
bool child_kill(pid_t pid);

#endif
