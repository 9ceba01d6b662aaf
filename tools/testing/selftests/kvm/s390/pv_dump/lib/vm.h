/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs and the commands of KVM_S390_PV_COMMAND and KVM_S390_PV_CPU_COMMAND. All
 * helpers return 0 or -errno, and -EBADE, which no kernel answers, when an ioctl
 * changed more of a structure than it may.
 */
#ifndef PV_DUMP_VM_H
#define PV_DUMP_VM_H

#include <linux/kvm.h>
#include <pthread.h>

#include "image.h"

/* KVM_CAP_S390_PROTECTED_ASYNC_DISABLE, which not all headers have */
#define CAP_ASYNC_DISABLE	224

#define MAX_CPUS	8

/* What rc and rrc hold before a call; UV calls never answer this. */
#define RC_UNTOUCHED	0x5aa5
#define RRC_UNTOUCHED	0xa55a

struct vm {
	int fd;
	unsigned int nr_cpus;
	int cpu[MAX_CPUS];
	struct kvm_run *run[MAX_CPUS];
	uint8_t *mem;
	size_t size;
	struct image *img;
	struct kvm_s390_pv_info_dump len;
	/* the structures of the last call, as they came back */
	struct kvm_pv_cmd cmd;
	struct kvm_s390_pv_dmp dmp;
};

struct vm_opts {
	unsigned int mib;
	unsigned int cpus;
	unsigned int slots;
	uint64_t pcf;
};

enum stage {
	STAGE_VM,
	STAGE_ENABLED,
	STAGE_HEADER,
	STAGE_UNPACKED,
	STAGE_VERIFIED,
	STAGE_DUMPING,
};

#define DEFAULT_OPTS	{ .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO }

int xioctl(int fd, unsigned long nr, void *arg);
/* Nothing but rc and rrc of the command may change. */
int pv_ioctl(int fd, unsigned long nr, struct kvm_pv_cmd *cmd);
int pv(struct vm *vm, uint32_t cmd, void *data);
bool rc_untouched(const struct vm *vm);
int info(struct vm *vm, uint32_t id, uint32_t len_max, void *buf);
int pv_info_dump(struct vm *vm);

int dmp(struct vm *vm, uint64_t subcmd, void *buf, uint64_t len, uint64_t gaddr);
int cpu_dmp(struct vm *vm, unsigned int cpu, uint64_t subcmd, void *buf, uint64_t len);
int dump_init(struct vm *vm);
int dump_stor(struct vm *vm, void *buf, uint64_t len, uint64_t gaddr);
int dump_complete(struct vm *vm, void *buf, uint64_t len);
int dump_cpu(struct vm *vm, unsigned int cpu, void *buf);
/* The command that makes the UV call @uvc, one of UVC_INIT to UVC_COMPLETE */
int do_uvc(struct vm *vm, unsigned int uvc, void *buf);

int vm_create(struct vm *vm, const struct vm_opts *o);
int vm_add_cpu(struct vm *vm);
void vm_close_cpus(struct vm *vm);
void vm_close(struct vm *vm);
int vm_set_state(struct vm *vm, unsigned int cpu, uint32_t state);
int vm_start_cpus(struct vm *vm);
/* From an ordinary VM to @stage, as a VMM does it for diagnose 308 subcode 10. */
int vm_protect(struct vm *vm, struct image *img, enum stage stage);
/*
 * Enter the guest for about @ms. -EINTR or 0 (an exit user space would have to
 * handle) say that the vcpu is free to run.
 */
int vm_run(struct vm *vm, unsigned int cpu, unsigned int ms);
/* Can it run? */
bool vm_runs(struct vm *vm, unsigned int cpu);

int step(const struct vm *vm, const char *what, int ret);
#define STEP(what) step(vm, #what, what)

/* A thread that sits in KVM_RUN */
struct runner {
	pthread_t thread;
	int fd;
	int ret;
	int stop;
	int done;
};

/* Returns when the thread is inside. */
int runner_start(struct runner *r, struct vm *vm, unsigned int cpu);
/* A thread that enters KVM_RUN again and again, once at least */
int rerunner_start(struct runner *r, struct vm *vm, unsigned int cpu);
/* How a VMM drives a vcpu: enters again after a signal or an exit, until there is an error */
int vcpu_loop_start(struct runner *r, int fd);
/* True when the thread left by itself within @ms; it is gone afterwards in any case. */
bool runner_join(struct runner *r, unsigned int ms);

#endif
