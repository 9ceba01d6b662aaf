// SPDX-License-Identifier: GPL-2.0-only
/*
 * libpvdump in a VMM that knows nothing of it: LD_PRELOAD puts this into QEMU. Of what the
 * VM consists is seen from the ioctls that the VMM issues, as it would know itself. A
 * dump is asked for by a line with the name of a file, written to the FIFO that
 * PVDUMP_REQUESTS names; whoever writes it has stopped the VM. What has become of it is
 * appended to the file that PVDUMP_ANSWERS names, "FILE: dumped" or the reason why not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libpvdump.h"

#define MAX_SLOTS	32
#define MAX_VCPUS	248

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kvm_userspace_memory_region slots[MAX_SLOTS];
static int vm = -1, vcpus[MAX_VCPUS], nr_vcpus;

static void see(unsigned long request, void *arg, int ret)
{
	struct kvm_userspace_memory_region *slot = arg;

	pthread_mutex_lock(&lock);
	if (request == KVM_CREATE_VM) {
		vm = ret;
	} else if (request == KVM_CREATE_VCPU) {
		if (nr_vcpus == MAX_VCPUS)
			abort();
		vcpus[nr_vcpus++] = ret;
	} else {
		if (slot->slot >= MAX_SLOTS)
			abort();
		slots[slot->slot] = *slot;
	}
	pthread_mutex_unlock(&lock);
}

int ioctl(int fd, unsigned long request, ...)
{
	void *arg;
	va_list ap;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	ret = syscall(SYS_ioctl, fd, request, arg);
	/* not the commands of a dump, during which we have the lock */
	if (ret >= 0 && (request == KVM_CREATE_VM || request == KVM_CREATE_VCPU ||
			 request == KVM_SET_USER_MEMORY_REGION))
		see(request, arg, ret);
	return ret;
}

static int describe_vm(struct pvdump *pd)
{
	int i, ret = 0;

	for (i = 0; !ret && i < MAX_SLOTS; i++)
		if (slots[i].memory_size)
			ret = pvdump_add_memory(pd, slots[i].guest_phys_addr, slots[i].memory_size,
						(void *)(unsigned long)slots[i].userspace_addr);
	for (i = 0; ret >= 0 && i < nr_vcpus; i++)
		ret = pvdump_add_vcpu(pd, vcpus[i]);
	return ret;
}

static void dump(const char *name, int answers)
{
	struct pvdump *pd;
	int fd, ret;

	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		dprintf(answers, "%s: cannot create it: %s\n", name, strerror(errno));
		return;
	}
	ret = pvdump_new(&pd, vm);
	if (ret) {
		dprintf(answers, "%s: pvdump_new: %s\n", name, strerror(-ret));
	} else {
		ret = describe_vm(pd);
		pvdump_set_fd(pd, fd);
		if (ret >= 0)
			ret = pvdump_write(pd);
		dprintf(answers, "%s: %s\n", name,
			ret < 0 ? pvdump_last_error(pd)->text : "dumped");
		pvdump_free(pd);
	}
	close(fd);
}

/* No stdio: exit() of the VMM would wait for a thread that reads by it */
static void *serve(void *unused)
{
	/* both ends are ours, so that it never ends */
	int requests = open(getenv("PVDUMP_REQUESTS"), O_RDWR | O_CLOEXEC);
	int answers = open(getenv("PVDUMP_ANSWERS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char name[256];
	ssize_t n;

	(void)unused;
	if (answers < 0)
		abort();
	/* a line comes as a whole */
	while ((n = read(requests, name, sizeof(name) - 1)) > 0) {
		name[n] = 0;
		name[strcspn(name, "\n")] = 0;
		pthread_mutex_lock(&lock);
		dump(name, answers);
		pthread_mutex_unlock(&lock);
	}
	abort();
}

/* The VMM's signals are for its own threads */
static void __attribute__((constructor)) start(void)
{
	sigset_t all, old;
	pthread_t thread;

	if (!getenv("PVDUMP_REQUESTS") || !getenv("PVDUMP_ANSWERS"))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&thread, NULL, serve, NULL))
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
