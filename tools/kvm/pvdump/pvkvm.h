/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * The part of KVM's interface that libpvdump uses, under names of its own: what
 * <linux/kvm.h> says depends on its age and on the architecture, and a VMM may
 * include both. pvproto.c and the tests' Ultravisor know it, nobody else.
 */
#ifndef PVKVM_H
#define PVKVM_H

#include <assert.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct pvkvm_cmd {
	uint32_t cmd;
	uint16_t rc;
	uint16_t rrc;
	uint64_t data;
	uint32_t flags;
	uint32_t reserved[3];
};

struct pvkvm_dmp {
	uint64_t subcmd;
	uint64_t buff_addr;
	uint64_t buff_len;
	uint64_t gaddr;
	uint64_t reserved[4];
};

struct pvkvm_info_dump {
	uint32_t id;
	uint32_t len_max;
	uint32_t len_written;
	uint32_t reserved;
	uint64_t cpu_len;
	uint64_t state_len;
	uint64_t complete_len;
};

static_assert(sizeof(struct pvkvm_cmd) == 32, "struct kvm_pv_cmd");
static_assert(sizeof(struct pvkvm_dmp) == 64, "struct kvm_s390_pv_dmp");
static_assert(sizeof(struct pvkvm_info_dump) == 40, "struct kvm_s390_pv_info");

/* ioctls of the VM and of a vcpu */
#define PVKVM_VM_COMMAND	_IOWR(0xAE, 0xc5, struct pvkvm_cmd)
#define PVKVM_CPU_COMMAND	_IOWR(0xAE, 0xd0, struct pvkvm_cmd)

enum {
	PVKVM_SET_SEC_PARMS = 2,
	PVKVM_UNPACK = 3,
	PVKVM_VERIFY = 4,
	PVKVM_INFO = 7,
	PVKVM_DUMP = 8,
};

enum {
	PVKVM_DUMP_INIT,
	PVKVM_DUMP_STATE,
	PVKVM_DUMP_COMPLETE,
	PVKVM_DUMP_CPU,
};

enum { PVKVM_INFO_DUMP = 1 };

#endif /* PVKVM_H */
