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

/*
 * Newer kernels keep their algorithms from user space by default. Root may have
 * them; what was set before is set again when the program ends.
 */
#define AF_ALG_RESTRICT "/proc/sys/crypto/af_alg_restrict"

static pid_t main_pid;
static char af_alg_was[16];

static void restore_af_alg(void)
{
	if (getpid() == main_pid && write_file(AF_ALG_RESTRICT, af_alg_was))
		log_err("%s is 0 now, and was %s", AF_ALG_RESTRICT, af_alg_was);
}

static void allow_af_alg(void)
{
	FILE *f = fopen(AF_ALG_RESTRICT, "r");
	bool restricted;

	if (!f)
		return;
	restricted = fgets(af_alg_was, sizeof(af_alg_was), f) && atoi(af_alg_was);
	fclose(f);
	if (!restricted || write_file(AF_ALG_RESTRICT, "0"))
		return;
	main_pid = getpid();
	atexit(restore_af_alg);
}

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
	allow_af_alg();
	if (!alg_available())
		ksft_exit_skip("AF_ALG (sysctl crypto.af_alg_restrict?) lacks one of %s\n",
			       "xts(aes) gcm(aes) hmac(sha512) sha512");
	fd = ioctl(env.kvm, KVM_CREATE_VM, 0UL);
	if (fd < 0)
		ksft_exit_skip("KVM_CREATE_VM: %s (sysctl vm.allocate_pgste?)\n",
			       strerror(errno));
	close(fd);
}
