// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Example for Documentation/virt/kvm/s390/s390-pv-dump.rst, which shows what follows.
 * Link with -lpvdump (pkg-config --libs libpvdump), which comes with pvdump.
 */
#include <errno.h>
#include <stdio.h>
#include <libpvdump.h>

/* Tells somebody how far it is; returning something else than 0 ends the dump */
static int on_progress(void *opaque, const struct pvdump_progress *progress)
{
	(void)opaque;
	fprintf(stderr, "\r%3d %%", (int)(progress->done * 100 / progress->total));
	return 0;
}

/* When the VM starts: may it ever be dumped, and what does that take? */
int dump_possible(int vm)
{
	struct pvdump_lengths lengths;
	struct pvdump *pd;
	int ret = pvdump_new(&pd, vm);

	if (ret)
		return ret;
	ret = pvdump_info(pd, &lengths);
	if (ret)
		fprintf(stderr, "no dumps: %s\n", pvdump_last_error(pd)->text);
	pvdump_free(pd);
	return ret;
}

/*
 * When it has crashed. The vcpus' threads must be out of KVM_RUN, and stay out
 * until this returns. out is a file, pipe or socket, and remains open.
 */
int dump_vm(int vm, const int *vcpus, int nr_vcpus, const void *memory, uint64_t size, int out)
{
	struct pvdump *pd;
	int i, ret = pvdump_new(&pd, vm);

	if (ret)
		return ret;
	/* one call for each memory slot */
	ret = pvdump_add_memory(pd, 0, size, memory);
	for (i = 0; ret >= 0 && i < nr_vcpus; i++)
		ret = pvdump_add_vcpu(pd, vcpus[i]);
	if (ret >= 0) {
		pvdump_set_fd(pd, out);
		pvdump_set_progress(pd, on_progress, NULL);
		/* begins the dump and ends it, so that the VM can run on in any case */
		ret = pvdump_write(pd);
	}
	if (ret < 0) {
		const struct pvdump_error *error = pvdump_last_error(pd);

		fprintf(stderr, "%s%s\n", error->text,
			ret == -EPERM ? ": ask the owner of the guest" : "");
	}
	pvdump_free(pd);
	return ret < 0 ? ret : 0;
}
