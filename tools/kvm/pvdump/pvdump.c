// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvdump - start a protected VM from a Secure Execution image and dump it.
 *
 * As small as a VMM can be: memory, vcpus, the way into protected mode, and
 * the dump by libpvdump. It is meant to be read by authors of real ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libpvdump.h"
#include "sehdr.h"

#define MAX_CPUS	248
#define IMAGE_TAIL	PVDUMP_MIB	/* room behind the memory, for an image's last pages */

#define EXIT_USAGE	2
#define EXIT_REFUSED	3

struct vm {
	struct pvdump pd;
	int kvm_fd;
	int vcpu_fds[MAX_CPUS];
	unsigned int cpus;
	__u8 *memory;
	__u64 memory_size;
	struct se_image se;
};

struct output {
	const char *name;
	char *tmp;		/* NULL: streamed, nothing to rename */
	int fd;
	bool force;
};

static atomic_int stop_signal;

static void on_signal(int sig)
{
	stop_signal = sig;
}

static int __attribute__((__format__(__printf__, 2, 3)))
error(int ret, const char *fmt, ...)
{
	va_list ap;

	fputs("pvdump: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return ret;
}

/* --- the image and the guest's memory ----------------------------------- */

static int map_memory(struct vm *vm)
{
	__u64 room = vm->memory_size + IMAGE_TAIL + PVDUMP_MIB;
	__u8 *p;

	p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return error(1, "cannot map %llu MiB of guest memory: %s",
			     (vm->memory_size / PVDUMP_MIB),
			     strerror(errno));
	/* KVM wants segments, 1 MiB, aligned */
	vm->memory = (__u8 *)(((uintptr_t)p + PVDUMP_MIB - 1) & ~(PVDUMP_MIB - 1));
	return 0;
}

static int does_not_fit(struct vm *vm, const char *name)
{
	return error(1, "image '%s' does not fit into %llu MiB of memory: give more with -m",
		     name, vm->memory_size / PVDUMP_MIB);
}

/*
 * An image's file offsets are guest addresses: read it to where it belongs.
 * IPIB and SE header, which the guest does not need any more, may stand behind
 * the guest's memory.
 */
static int load_image(struct vm *vm, const char *name)
{
	__u64 room = vm->memory_size + IMAGE_TAIL, len = 0;
	unsigned int i;
	char why[200];
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error(1, "cannot open image '%s': %s", name, strerror(errno));
	for (;;) {
		n = read(fd, vm->memory + len, room - len);
		if (n < 0 && errno == EINTR && !stop_signal)
			continue;
		if (n <= 0)
			break;
		len += n;
		if (len == room) {
			close(fd);
			return does_not_fit(vm, name);
		}
	}
	close(fd);
	if (n < 0)
		return error(1, "cannot read image '%s': %s", name, strerror(errno));
	if (!len)
		return error(1, "image '%s' is empty", name);
	if (se_parse(vm->memory, len, &vm->se, why, sizeof(why)))
		return error(1, "image '%s': %s", name, why);
	for (i = 0; i < vm->se.num_comp; i++)
		if (vm->se.comp[i].addr + vm->se.comp[i].size > vm->memory_size)
			return does_not_fit(vm, name);
	return 0;
}

/* --- the VM -------------------------------------------------------------- */

static int open_kvm(struct vm *vm)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return error(1, "no /dev/kvm: this is no KVM host, or module kvm is not loaded");
	if (vm->kvm_fd < 0)
		return error(1, "cannot open /dev/kvm: %s", strerror(errno));
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED) <= 0)
		return error(1,
			     "this host cannot run protected VMs (no KVM_CAP_S390_PROTECTED): it needs a machine with Secure Execution and the kernel parameter prot_virt=1");
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP) <= 0)
		return error(1,
			     "this host cannot dump protected VMs (no KVM_CAP_S390_PROTECTED_DUMP): it needs IBM z16 or newer and Linux 6.0 or newer, or 5.10 with the kvm-s390-pv-dump series");
	return 0;
}

static int create_vm(struct vm *vm)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = vm->memory_size,
		.userspace_addr = (uintptr_t)vm->memory,
	};
	unsigned int i;

	vm->pd.vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->pd.vm_fd < 0 && errno == EINVAL)
		return error(1,
			     "KVM_CREATE_VM failed: %s: this process has no page table extensions (PGSTE). Link with -Wl,--s390-pgste or, before starting it, set sysctl vm.allocate_pgste=1",
			     strerror(EINVAL));
	if (vm->pd.vm_fd < 0)
		return error(1, "KVM_CREATE_VM failed: %s", strerror(errno));
	if (ioctl(vm->pd.vm_fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return error(1, "KVM_SET_USER_MEMORY_REGION of %llu MiB failed: %s",
			     (vm->memory_size / PVDUMP_MIB),
			     strerror(errno));
	for (i = 0; i < vm->cpus; i++) {
		vm->vcpu_fds[i] = ioctl(vm->pd.vm_fd, KVM_CREATE_VCPU, i);
		if (vm->vcpu_fds[i] < 0)
			return error(1, "KVM_CREATE_VCPU %u failed: %s", i, strerror(errno));
	}
	return 0;
}

/* The same steps that a VMM takes for the guest's diagnose 0x308 subcode 10 */
static int protect_vm(struct vm *vm)
{
	struct pvdump *pd = &vm->pd;
	struct kvm_mp_state load = { .mp_state = KVM_MP_STATE_LOAD };
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)vm->memory + vm->se.header_addr,
		.length = vm->se.header_size,
	};
	char name[80];
	unsigned int i;

	if (pvdump_pv_cmd(pd, pd->vm_fd, KVM_PV_ENABLE, NULL, "KVM_PV_ENABLE"))
		return error(1, "%s", pd->error);
	if (pvdump_info(pd))
		return error(1, "%s", pd->error);
	if (pvdump_pv_cmd(pd, pd->vm_fd, KVM_PV_SET_SEC_PARMS, &parm, "KVM_PV_SET_SEC_PARMS"))
		return error(1, "%s", pd->error);
	for (i = 0; i < vm->se.num_comp && !stop_signal; i++) {
		struct kvm_s390_pv_unp unp = {
			.addr = vm->se.comp[i].addr,
			.size = vm->se.comp[i].size,
			.tweak = vm->se.comp[i].tweak,
		};

		snprintf(name, sizeof(name), "KVM_PV_UNPACK of component %u at 0x%llx", i,
			 unp.addr);
		if (pvdump_pv_cmd(pd, pd->vm_fd, KVM_PV_UNPACK, &unp, name))
			return error(1, "%s", pd->error);
	}
	if (stop_signal)
		return 1;
	if (pvdump_pv_cmd(pd, pd->vm_fd, KVM_PV_VERIFY, NULL, "KVM_PV_VERIFY"))
		return error(1, "%s", pd->error);
	if (ioctl(vm->vcpu_fds[0], KVM_SET_MP_STATE, &load))
		return error(1, "KVM_SET_MP_STATE failed: %s: cannot load the guest's PSW",
			     strerror(errno));
	return 0;
}

/*
 * Spawned, not forked: a copy of the page tables of a protected guest's memory
 * would have to be torn down page by page.
 */
static int run_command(const struct vm *vm, const char *cmd, bool stdout_taken)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t sigs;
	char pid_text[16], memory_text[24];
	int err, status;
	pid_t pid;

	snprintf(pid_text, sizeof(pid_text), "%ld", (long)getpid());
	setenv("PVDUMP_PID", pid_text, 1);
	snprintf(memory_text, sizeof(memory_text), "%ju", (uintmax_t)(uintptr_t)vm->memory);
	setenv("PVDUMP_MEMORY", memory_text, 1);
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &sigs);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	if (stdout_taken)
		posix_spawn_file_actions_adddup2(&actions, 2, 1);
	err = posix_spawn(&pid, "/bin/sh", &actions, &attr,
			  (char *[]){ "sh", "-c", (char *)cmd, NULL }, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (err)
		return error(1, "--exec: cannot run /bin/sh: %s", strerror(err));
	/* polling cannot miss a signal between two system calls */
	while (!waitpid(pid, &status, WNOHANG)) {
		if (stop_signal)
			kill(pid, SIGTERM);
		usleep(20000);
	}
	if (stop_signal)
		return 1;
	if (WIFSIGNALED(status))
		return error(1, "--exec: '%s' died of signal %d", cmd, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return error(1, "--exec: '%s' failed with exit status %d", cmd,
			     WEXITSTATUS(status));
	return 0;
}

/* --- output -------------------------------------------------------------- */

static int open_output(struct output *out)
{
	struct stat st;

	if (!strcmp(out->name, "-")) {
		out->fd = STDOUT_FILENO;
		if (isatty(out->fd))
			return error(1, "-o -: a dump is nothing for a terminal, redirect it");
		return 0;
	}
	if (!stat(out->name, &st)) {
		if (S_ISDIR(st.st_mode))
			return error(1, "-o %s is a directory", out->name);
		if (!S_ISREG(st.st_mode)) {
			out->fd = open(out->name, O_WRONLY | O_CLOEXEC);
			if (out->fd < 0)
				return error(1, "cannot open '%s': %s", out->name,
					     strerror(errno));
			return 0;
		}
		if (!out->force)
			return error(1, "'%s' exists: remove it, or overwrite it with -f",
				     out->name);
	}
	if (asprintf(&out->tmp, "%s.%ld.tmp", out->name, (long)getpid()) < 0) {
		out->tmp = NULL;
		return error(1, "out of memory");
	}
	out->fd = open(out->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out->fd >= 0)
		return 0;
	error(1, "cannot create '%s': %s", out->tmp, strerror(errno));
	free(out->tmp);
	out->tmp = NULL;
	return 1;
}

static int commit_output(struct output *out)
{
	int ret;

	if (!out->tmp) {
		if (close(out->fd))
			return error(1, "cannot write '%s': %s", out->name, strerror(errno));
		return 0;
	}
	if (fsync(out->fd) || close(out->fd))
		return error(1, "cannot write '%s': %s", out->name, strerror(errno));
	if (stop_signal)
		return 1;
	ret = renameat2(AT_FDCWD, out->tmp, AT_FDCWD, out->name,
			out->force ? 0 : RENAME_NOREPLACE);
	/* not every file system can keep from replacing */
	if (ret && errno == EINVAL)
		ret = rename(out->tmp, out->name);
	if (ret)
		return error(1, "cannot rename '%s' to '%s': %s", out->tmp, out->name,
			     strerror(errno));
	free(out->tmp);
	out->tmp = NULL;
	return 0;
}

static void discard_output(struct output *out)
{
	if (!out->tmp)
		return;
	unlink(out->tmp);
	free(out->tmp);
	out->tmp = NULL;
}

static void show_progress(void *opaque, const char *step, __u64 done, __u64 total)
{
	static struct timespec last;
	struct timespec now;
	char bar[41];
	int n;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (done != total && (now.tv_sec - last.tv_sec) * 10 +
			     (now.tv_nsec - last.tv_nsec) / 100000000 < 2)
		return;
	last = now;
	n = done * 40 / total;
	memset(bar, '-', 40);
	memset(bar, '#', n);
	bar[40] = 0;
	fprintf(stderr, "\r[%s] %3d %%  %llu of %llu MiB  %-12s", bar, (int)(done * 100 / total),
		(done / PVDUMP_MIB),
		(total / PVDUMP_MIB), done == total ? "complete" : step);
	if (done == total)
		fputc('\n', stderr);
}

/* --- command line -------------------------------------------------------- */

static const char help_text[] =
"NAME\n"
"    pvdump - start a protected VM from a Secure Execution image and dump it\n"
"\n"
"SYNOPSIS\n"
"    pvdump -i IMAGE -o DUMP [-f] [-m MIB] [-c CPUS] [--chunk MIB] [--exec CMD]\n"
"           [--progress | --quiet]\n"
"    pvdump --help | --version\n"
"\n"
"DESCRIPTION\n"
"    Runs on an s390x KVM host with Secure Execution. Creates a VM, copies IMAGE to\n"
"    its address 0, has the Ultravisor take it over (KVM_PV_ENABLE, SET_SEC_PARMS,\n"
"    UNPACK, VERIFY), loads the first CPU with the guest's PSW, and dumps CPUs and\n"
"    memory, encrypted for the owner of the guest, to an ELF file that zgetdump can\n"
"    decrypt with the customer communication key:\n"
"\n"
"        zgetdump -k CCK DUMP PLAIN.elf\n"
"\n"
"    The guest's CPUs do not execute instructions.\n"
"\n"
"OPTIONS\n"
"    -i, --image IMAGE   Secure Execution image, made by genprotimg, pvimg or seimg,\n"
"                        that allows dumps and has a key slot for this host\n"
"    -o, --output DUMP   where to. The file appears under this name only when it is\n"
"                        complete; until then it is DUMP.<pid>.tmp. '-' is standard\n"
"                        output; pipes and devices are written to directly\n"
"    -f, --force         replace DUMP if it exists\n"
"    -m, --memory MIB    size of the guest's memory (default 256)\n"
"    -c, --cpus CPUS     number of CPUs (default 1, at most 248)\n"
"    --chunk MIB         query the metadata for so much guest memory at a time\n"
"                        (default 64); 4 KiB of memory needed for each MiB\n"
"    --exec CMD          run CMD with /bin/sh after the VM is protected and before it\n"
"                        is dumped. In its environment PVDUMP_PID is pvdump's process id\n"
"                        and PVDUMP_MEMORY the address of the guest's memory in that\n"
"                        process. If CMD fails there is no dump\n"
"    --progress          show progress, also if standard error is no terminal\n"
"    -q, --quiet         show no progress\n"
"    --help, --version\n"
"\n"
"EXIT STATUS\n"
"    0    complete dump\n"
"    1    error; no file was left behind\n"
"    2    wrong command line\n"
"    3    the Ultravisor refused the dump: normally the owner does not allow it\n"
"    129, 130, 143\n"
"         stopped by SIGHUP, SIGINT, SIGTERM; the dump was aborted in an orderly way,\n"
"         no file was left behind\n";

enum { OPT_CHUNK = 256, OPT_EXEC, OPT_PROGRESS, OPT_HELP, OPT_VERSION };

struct args {
	const char *image;
	const char *exec;
	__u64 memory;
	__u64 cpus;
	__u64 chunk;
	bool progress;
	struct output out;
};

static int usage(const char *what, const char *arg)
{
	error(1, "%s%s; see pvdump --help", what, arg);
	return EXIT_USAGE;
}

static bool parse_number(const char *s, __u64 max, __u64 *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 0);
	return !errno && *s >= '0' && *s <= '9' && !*end && *n && *n <= max;
}

/* Returns -1 to go on, or an exit status */
static int parse_args(int argc, char **argv, struct args *a)
{
	static const struct option opts[] = {
		{ "image", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "memory", required_argument, NULL, 'm' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "chunk", required_argument, NULL, OPT_CHUNK },
		{ "exec", required_argument, NULL, OPT_EXEC },
		{ "progress", no_argument, NULL, OPT_PROGRESS },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "i:o:fm:c:qh", opts, NULL)) != -1) {
		switch (opt) {
		case 'i':
			a->image = optarg;
			break;
		case 'o':
			a->out.name = optarg;
			break;
		case 'f':
			a->out.force = true;
			break;
		case 'm':
			if (!parse_number(optarg, 1ULL << 24, &a->memory))
				return usage("not a memory size in MiB: ", optarg);
			break;
		case 'c':
			if (!parse_number(optarg, MAX_CPUS, &a->cpus))
				return usage("not a number of CPUs: ", optarg);
			break;
		case OPT_CHUNK:
			if (!parse_number(optarg, 1ULL << 24, &a->chunk))
				return usage("not a chunk size in MiB: ", optarg);
			break;
		case OPT_EXEC:
			a->exec = optarg;
			break;
		case OPT_PROGRESS:
			a->progress = true;
			break;
		case 'q':
			a->progress = false;
			break;
		case 'h':
		case OPT_HELP:
			return fputs(help_text, stdout) < 0 || fflush(stdout);
		case OPT_VERSION:
			return puts("pvdump 1.0") < 0 || fflush(stdout);
		default:
			return usage("wrong option", "");
		}
	}
	if (optind < argc)
		return usage("too much: ", argv[optind]);
	if (!a->image)
		return usage("no image given (-i)", "");
	if (!a->out.name)
		return usage("no output file given (-o)", "");
	return -1;
}

static int dump(struct vm *vm, const struct args *a)
{
	struct pvdump_elf elf = {
		.fd = a->out.fd,
		.memory = vm->memory,
		.memory_size = vm->memory_size,
		.vcpu_fds = vm->vcpu_fds,
		.num_vcpus = vm->cpus,
		.chunk = a->chunk * PVDUMP_MIB,
		.progress = a->progress ? show_progress : NULL,
	};
	int ret = pvdump_write_elf(&vm->pd, &elf);

	if (!ret)
		return 0;
	if (a->progress && ret != -EPERM)
		fputc('\n', stderr);
	/* main() reports signals, but not a VM that is left unable to run */
	if (ret != -EINTR || vm->pd.active)
		error(1, "%s", vm->pd.error);
	if (ret == -EPERM && !(vm->se.pcf & SE_PCF_ALLOW_DUMP))
		error(1, "the SE header of '%s' does not allow dumps (PCF bit 34 is off)",
		      a->image);
	return ret == -EPERM ? EXIT_REFUSED : 1;
}

static int run(struct vm *vm, struct args *a)
{
	int ret;

	if (map_memory(vm) || load_image(vm, a->image) || open_kvm(vm) ||
	    open_output(&a->out))
		return 1;
	if (create_vm(vm) || protect_vm(vm))
		return 1;
	if (a->exec && run_command(vm, a->exec, a->out.fd == STDOUT_FILENO))
		return 1;
	ret = dump(vm, a);
	if (!ret && commit_output(&a->out))
		ret = 1;
	return ret;
}

int main(int argc, char **argv)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGTERM };
	struct args a = {
		.memory = 256,
		.cpus = 1,
		.chunk = 64,
		.progress = isatty(STDERR_FILENO),
		.out.fd = -1,
	};
	/* no SA_RESTART: a signal is to get us out of what we are doing */
	struct sigaction sa = { .sa_handler = on_signal };
	static struct vm vm;
	unsigned int i;
	int ret;

	ret = parse_args(argc, argv, &a);
	if (ret >= 0)
		return ret;
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	vm.memory_size = a.memory * PVDUMP_MIB;
	vm.cpus = a.cpus;
	vm.pd.stop = &stop_signal;

	ret = run(&vm, &a);
	discard_output(&a.out);
	if (ret && stop_signal) {
		error(1, "stopped by signal %d (%s), nothing was left behind", (int)stop_signal,
		      strsignal(stop_signal));
		return 128 + stop_signal;
	}
	return ret;
}
