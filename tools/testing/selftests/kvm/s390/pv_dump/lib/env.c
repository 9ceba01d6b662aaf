// SPDX-License-Identifier: GPL-2.0-only
/* See env.h. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "kselftest.h"
#include "crypto.h"
#include "env.h"
#include "sim.h"
#include "util.h"

struct env env;

static int check_image_env(void)
{
	env.image = getenv("PV_DUMP_IMAGE") ?: "";
	return !env.image[0] || access(env.image, R_OK) ? -ENOENT : 0;
}

void env_setup(void)
{
	int fd;

	env.gentle = !!getenv("PV_DUMP_GENTLE");
	env.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (env.kvm < 0)
		ksft_exit_skip("/dev/kvm: %s\n", strerror(errno));
	env.sim = !access("/sys/kernel/debug/uvsim/counters", W_OK);
	if (check_image_env() && !env.sim)
		ksft_exit_skip("neither uvsim (debugfs) nor an image in PV_DUMP_IMAGE\n");
	if (env.sim && (sim_write("qui", "reset") || sim_write("faults", "clear")))
		ksft_exit_skip("uvsim is in use\n");
	if (ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED) <= 0)
		ksft_exit_skip("KVM_CAP_S390_PROTECTED not available\n");
	if (ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP) <= 0)
		ksft_exit_skip("KVM_CAP_S390_PROTECTED_DUMP not available\n");
	if (!alg_available())
		ksft_exit_skip("AF_ALG (sysctl crypto.af_alg_restrict?) lacks one of %s\n",
			       "xts(aes) gcm(aes) hmac(sha512) sha512");
	fd = ioctl(env.kvm, KVM_CREATE_VM, 0UL);
	if (fd < 0)
		ksft_exit_skip("KVM_CREATE_VM: %s (sysctl vm.allocate_pgste?)\n",
			       strerror(errno));
	close(fd);
}
