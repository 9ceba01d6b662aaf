// SPDX-License-Identifier: GPL-2.0-only
/* See child.h. */
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
