// SPDX-License-Identifier: GPL-2.0-only
/*
 * Example for Documentation/virt/kvm/s390/s390-pv-dump.rst, which shows what follows
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#define SZ_1M	0x100000UL

/* One dump command; the owner's wish shows as a response code of INIT */
static int dump_cmd(int fd, unsigned long request, __u64 subcmd, void *buff,
		    __u64 len, __u64 gaddr)
{
	struct kvm_s390_pv_dmp dmp = {
		.subcmd = subcmd,
		.buff_addr = (unsigned long)buff,
		.buff_len = len,
		.gaddr = gaddr,
	};
	struct kvm_pv_cmd cmd = {
		.cmd = KVM_PV_DUMP,
		.data = (unsigned long)&dmp,
	};

	if (!ioctl(fd, request, &cmd))
		return 0;
	/* rc is 0 unless the Ultravisor was asked */
	return subcmd == KVM_PV_DUMP_INIT && cmd.rc > 1 ? -EPERM : -errno;
}

/* Writes registers, memory, metadata and completion data to out, in that order */
int dump_vm(int vm, const int *vcpus, int nr_vcpus, const void *memory,
	    __u64 megabytes, int out)
{
	struct kvm_s390_pv_info info = {
		.header.id = KVM_PV_INFO_DUMP,
		.header.len_max = sizeof(info),
	};
	struct kvm_pv_cmd cmd = {
		.cmd = KVM_PV_INFO,
		.data = (unsigned long)&info,
	};
	__u64 cpu_len, meta_len, compl_len, len, mb;
	int i, ret, ret_compl;
	void *buff;

	if (ioctl(vm, KVM_S390_PV_COMMAND, &cmd))
		return -errno;
	cpu_len = info.dump.dump_cpu_buffer_len;
	meta_len = info.dump.dump_config_mem_buffer_per_1m;
	compl_len = info.dump.dump_config_finalize_len;

	len = cpu_len > meta_len ? cpu_len : meta_len;
	buff = malloc(len > compl_len ? len : compl_len);
	if (!buff)
		return -ENOMEM;

	ret = dump_cmd(vm, KVM_S390_PV_COMMAND, KVM_PV_DUMP_INIT, NULL, 0, 0);
	if (ret)
		goto out;

	for (i = 0; !ret && i < nr_vcpus; i++) {
		ret = dump_cmd(vcpus[i], KVM_S390_PV_CPU_COMMAND, KVM_PV_DUMP_CPU,
			       buff, cpu_len, 0);
		if (!ret && write(out, buff, cpu_len) != (ssize_t)cpu_len)
			ret = -EIO;
	}
	for (mb = 0; !ret && mb < megabytes; mb++) {
		if (write(out, (const char *)memory + mb * SZ_1M, SZ_1M) != SZ_1M)
			ret = -EIO;
	}
	for (mb = 0; !ret && mb < megabytes; mb++) {
		ret = dump_cmd(vm, KVM_S390_PV_COMMAND, KVM_PV_DUMP_CONFIG_STOR_STATE,
			       buff, meta_len, mb * SZ_1M);
		if (!ret && write(out, buff, meta_len) != (ssize_t)meta_len)
			ret = -EIO;
	}

	/* Also after an error, or the VM could not run on */
	ret_compl = dump_cmd(vm, KVM_S390_PV_COMMAND, KVM_PV_DUMP_COMPLETE,
			     buff, compl_len, 0);
	if (!ret)
		ret = ret_compl;
	if (!ret && write(out, buff, compl_len) != (ssize_t)compl_len)
		ret = -EIO;
out:
	free(buff);
	return ret;
}
