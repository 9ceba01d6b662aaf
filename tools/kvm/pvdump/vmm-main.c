// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * The rest of a VMM around the documentation's example, in what C and C++ have in
 * common, for vmm-check: a VM of fakeuv.c, or one that does not exist.
 *
 * usage: vmm DUMP PLAIN; exit status 0: a dump was made, 3: there can be none
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <unistd.h>

#ifdef KVM_PV_DUMP_MUST_BE_UNKNOWN
#ifdef KVM_CAP_S390_PROTECTED_DUMP
#error these kernel headers know dumps of protected VMs
#endif
#endif

#include "s390-pv-dump-example.c"

#ifdef FAKE
#include "fakeuv.h"
#define NO_DUMPS 1
#else
#define NO_DUMPS 3
#endif

int main(int argc, char **argv)
{
	int vcpus[3] = { 2000, 2001, 2002 }, vm = 1000, ret, fd;

	if (argc != 3)
		return 2;
#ifdef FAKE
	fake_start(0, 4);
#endif
	ret = dump_possible(vm);
	if (ret)
		return NO_DUMPS;
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return 1;
#ifdef FAKE
	ret = dump_vm(vm, vcpus, 3, uv.memory, uv.mib * FAKE_MIB, fd);
	if (ret || uv.dumping || uv.bad || uv.calls[0] != 1)
		return 1;
	uv.refuse = 0x101;
	if (dump_vm(vm, vcpus, 3, uv.memory, uv.mib * FAKE_MIB, fd) != -EPERM)
		return 1;
	close(fd);
	fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, uv.plain, uv.mib * FAKE_MIB) != (ssize_t)(uv.mib * FAKE_MIB))
		return 1;
	fake_end();
#else
	ret = dump_vm(vm, vcpus, 3, argv, 0x100000, fd);
#endif
	close(fd);
	return ret ? 1 : 0;
}
