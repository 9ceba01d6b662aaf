/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libpvdump - dump protected s390 VMs through KVM
 *
 * The protocol of KVM_PV_INFO and KVM_PV_DUMP and a writer for the ELF file
 * that zgetdump reads, for use in VMMs. The caller owns all file descriptors.
 *
 * A dump is: pvdump_info(), pvdump_init(), pvdump_cpu() for every vcpu, the
 * guest's memory as the host sees it, pvdump_state() for all of the memory,
 * pvdump_complete(). pvdump_write_elf() does it all in one pass. Whatever goes
 * wrong after pvdump_init(), pvdump_abort() makes the VM runnable again.
 *
 * No vcpu may be inside KVM_RUN when a dump begins: KVM throws those out that
 * are, but their threads must not come back before the dump is over (KVM_RUN is
 * -EINVAL until then). So stop the vcpu threads first, with a signal and
 * kvm_run->immediate_exit.
 *
 * Every function returns 0 or a negative errno. On failure pvdump::error has
 * the whole story in one line.
 */
#ifndef LIBPVDUMP_H
#define LIBPVDUMP_H

#include <linux/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

#ifdef __s390__
#include <linux/kvm.h>
#endif

/* Headers of other architectures do not always have what only s390 uses */
#ifndef KVM_S390_PV_COMMAND
struct kvm_pv_cmd {
	__u32 cmd;
	__u16 rc;
	__u16 rrc;
	__u64 data;
	__u32 flags;
	__u32 reserved[3];
};

#define KVM_S390_PV_COMMAND _IOWR(0xAE, 0xc5, struct kvm_pv_cmd)

enum {
	KVM_PV_ENABLE,
	KVM_PV_DISABLE,
	KVM_PV_SET_SEC_PARMS,
	KVM_PV_UNPACK,
	KVM_PV_VERIFY,
};
#endif

/* Headers older than the dump interface */
#ifndef KVM_CAP_S390_PROTECTED_DUMP
#define KVM_CAP_S390_PROTECTED_DUMP 217
#define KVM_S390_PV_CPU_COMMAND _IOWR(0xAE, 0xd0, struct kvm_pv_cmd)

enum {
	KVM_PV_INFO = 7,
	KVM_PV_DUMP = 8,
};

enum pv_cmd_dmp_id {
	KVM_PV_DUMP_INIT,
	KVM_PV_DUMP_CONFIG_STOR_STATE,
	KVM_PV_DUMP_COMPLETE,
	KVM_PV_DUMP_CPU,
};

struct kvm_s390_pv_dmp {
	__u64 subcmd;
	__u64 buff_addr;
	__u64 buff_len;
	__u64 gaddr;
	__u64 reserved[4];
};

enum pv_cmd_info_id {
	KVM_PV_INFO_VM,
	KVM_PV_INFO_DUMP,
};

struct kvm_s390_pv_info_dump {
	__u64 dump_cpu_buffer_len;
	__u64 dump_config_mem_buffer_per_1m;
	__u64 dump_config_finalize_len;
};

struct kvm_s390_pv_info_vm {
	__u64 inst_calls_list[4];
	__u64 max_cpus;
	__u64 max_guests;
	__u64 max_guest_addr;
	__u64 feature_indication;
};

struct kvm_s390_pv_info_header {
	__u32 id;
	__u32 len_max;
	__u32 len_written;
	__u32 reserved;
};

struct kvm_s390_pv_info {
	struct kvm_s390_pv_info_header header;
	union {
		struct kvm_s390_pv_info_dump dump;
		struct kvm_s390_pv_info_vm vm;
	};
};
#endif

#define PVDUMP_MIB	0x100000ULL

/**
 * struct pvdump - a VM that can be dumped; set @vm_fd and zero the rest
 * @stop: optional; when it becomes non-zero (in a signal handler), the call in
 *	  progress ends with -EINTR at the next chance
 * @vm_fd: VM file descriptor
 * @cpu_len: bytes of one CPU's data, set by pvdump_info()
 * @mem_len: bytes of metadata per MiB of memory, set by pvdump_info()
 * @complete_len: bytes of the completion data, set by pvdump_info()
 * @active: a dump has begun and not ended
 * @rc: UV return code of the last command, 0 if the UV was not called
 * @rrc: UV return reason code of the last command
 * @error: description of the last failure
 */
struct pvdump {
	const atomic_int *stop;
	int vm_fd;
	__u64 cpu_len;
	__u64 mem_len;
	__u64 complete_len;
	bool active;
	__u16 rc;
	__u16 rrc;
	char error[320];
};

/**
 * struct pvdump_elf - what pvdump_write_elf() writes, and where
 * @fd: output, regular file or pipe, written once from beginning to end
 * @memory: the guest's memory from guest absolute address 0, as mapped for KVM
 * @memory_size: its bytes, whole MiB
 * @vcpu_fds: file descriptors of all vcpus, in the order of the CPU addresses
 * @num_vcpus: number of vcpus
 * @chunk: bytes of guest memory per pvdump_state() call, whole MiB; 0: 64 MiB
 * @progress: optional; called between the steps with the bytes written
 * @opaque: handed to @progress
 */
struct pvdump_elf {
	int fd;
	const void *memory;
	__u64 memory_size;
	const int *vcpu_fds;
	unsigned int num_vcpus;
	__u64 chunk;
	void (*progress)(void *opaque, const char *step, __u64 done, __u64 total);
	void *opaque;
};

int pvdump_info(struct pvdump *pd);
int pvdump_init(struct pvdump *pd);
int pvdump_cpu(struct pvdump *pd, int vcpu_fd, void *buf);
int pvdump_state(struct pvdump *pd, __u64 *gaddr, __u64 len, void *buf);
int pvdump_complete(struct pvdump *pd, void *buf);
int pvdump_abort(struct pvdump *pd);
int pvdump_write_elf(struct pvdump *pd, const struct pvdump_elf *elf);
__u64 pvdump_elf_size(const struct pvdump *pd, const struct pvdump_elf *elf);
int pvdump_pv_cmd(struct pvdump *pd, int fd, __u32 cmd, void *data, const char *name);

#endif /* LIBPVDUMP_H */
