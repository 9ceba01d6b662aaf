// SPDX-License-Identifier: GPL-2.0-only
/* See child.h. */
#define _GNU_SOURCE	/* clone() */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "child.h"
#include "sim.h"

void child_vm(struct vm *vm, unsigned int mib, enum stage stage)
{
	struct vm_opts o = DEFAULT_OPTS;

	o.mib = mib;
	if (image_build(&the_image, mib * MIB, o.pcf) || vm_create(vm, &o) ||
	    vm_protect(vm, &the_image, stage))
		_exit(1);
}

void child_report(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(1);
}

bool child_ready(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

pid_t child_sharing(int (*fn)(void *arg), void *arg)
{
	/* of one child at a time */
	static uint64_t stack[32 * 1024];

	return clone(fn, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD, arg);
}

bool child_waits_in_kvm(pid_t pid)
{
	char path[32], where[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, where, sizeof(where) - 1) < 0)
		where[0] = 0;
	close(fd);
	/* 5.10 names the function of the lock, others whoever takes it */
	return strstr(where, "kvm_") || strstr(where, "rwsem_down");
}

bool child_kill(pid_t pid)
{
	double end = now() + LONG_ENOUGH;
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now() > end) {
			sim_write("faults", "clear");
			waitpid(pid, &status, 0);
			return false;
		}
		sleep_ms(2);
	}
	return true;
}
