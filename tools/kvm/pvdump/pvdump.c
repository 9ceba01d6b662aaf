// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * pvdump - start a protected VM from a Secure Execution image and dump it.
 *
 * As small as a VMM can be: memory, vcpus, the way into protected mode, and the
 * dump by libpvdump. It is meant to be read by authors of real ones. What it says
 * is report.c's, the file it makes is outfile.c's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libpvdump.h"
#include "outfile.h"
#include "report.h"
#include "sehdr.h"

#define MIB		0x100000ULL
#define MAX_CPUS	248
#define IMAGE_TAIL	MIB	/* room behind the memory, for an image's last pages */
#define NAP_MS		20

/* Kernel headers may be older than dumps */
#define CAP_PROTECTED_DUMP	217

enum status {
	STATUS_OK = 0,
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_REFUSED = 3,
	STATUS_KEPT = 4,
};

struct vm {
	struct pvdump *pd;
	int kvm_fd;
	int vm_fd;
	int vcpu_fds[MAX_CPUS];
	unsigned int cpus;
	__u8 *memory;
	__u64 memory_size;
	struct se_image se;
};

struct args {
	const char *image;
	const char *exec;
	const char *out;
	__u64 memory;
	__u64 cpus;
	bool force;
	bool dry_run;
	bool resume;
	enum report_style style;
};

static atomic_int stop_signal;
static struct pvdump *_Atomic stop_dump;

static void on_signal(int sig)
{
	struct pvdump *pd = stop_dump;

	stop_signal = sig;
	if (pd)
		pvdump_cancel(pd);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
}

/* --- the image and the guest's memory ----------------------------------- */

static int map_memory(struct vm *vm)
{
	__u64 room = vm->memory_size + IMAGE_TAIL + MIB;
	__u8 *p;

	p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return report_error(1, "cannot map %llu MiB of guest memory: %s",
			     vm->memory_size / MIB, strerror(errno));
	/* KVM wants segments, 1 MiB, aligned */
	vm->memory = (__u8 *)(((uintptr_t)p + MIB - 1) & ~(MIB - 1));
	return 0;
}

static int does_not_fit(struct vm *vm, const char *name)
{
	return report_error(1, "image '%s' does not fit into %llu MiB of memory: give more with -m",
		     name, vm->memory_size / MIB);
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
		return report_error(1, "cannot open image '%s': %s", name, strerror(errno));
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
		return report_error(1, "cannot read image '%s': %s", name, strerror(errno));
	if (!len)
		return report_error(1, "image '%s' is empty", name);
	if (se_parse(vm->memory, len, &vm->se, why, sizeof(why)))
		return report_error(1, "image '%s': %s", name, why);
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
		return report_error(1,
				    "no /dev/kvm: this is no KVM host, or module kvm is not loaded");
	if (vm->kvm_fd < 0)
		return report_error(1, "cannot open /dev/kvm: %s", strerror(errno));
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED) <= 0)
		return report_error(1,
			     "this host cannot run protected VMs (no KVM_CAP_S390_PROTECTED): it needs a machine with Secure Execution and the kernel parameter prot_virt=1");
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, CAP_PROTECTED_DUMP) <= 0)
		return report_error(1,
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

	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0 && errno == EINVAL)
		return report_error(1,
			     "KVM_CREATE_VM failed: %s: this process has no page table extensions (PGSTE). Link with -Wl,--s390-pgste or, before starting it, set sysctl vm.allocate_pgste=1",
			     strerror(EINVAL));
	if (vm->vm_fd < 0)
		return report_error(1, "KVM_CREATE_VM failed: %s", strerror(errno));
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return report_error(1, "KVM_SET_USER_MEMORY_REGION of %llu MiB failed: %s",
			     vm->memory_size / MIB, strerror(errno));
	for (i = 0; i < vm->cpus; i++) {
		vm->vcpu_fds[i] = ioctl(vm->vm_fd, KVM_CREATE_VCPU, i);
		if (vm->vcpu_fds[i] < 0)
			return report_error(1, "KVM_CREATE_VCPU %u failed: %s", i, strerror(errno));
	}
	return 0;
}

/* Tells the library of what the VM consists */
static int describe_vm(struct vm *vm)
{
	unsigned int i;

	if (pvdump_new(&vm->pd, vm->vm_fd))
		return report_error(1, "out of memory");
	stop_dump = vm->pd;
	if (pvdump_info(vm->pd, NULL) || pvdump_add_memory(vm->pd, 0, vm->memory_size, vm->memory))
		return report_dump_error(1, pvdump_last_error(vm->pd));
	for (i = 0; i < vm->cpus; i++)
		if (pvdump_add_vcpu(vm->pd, vm->vcpu_fds[i]) < 0)
			return report_dump_error(1, pvdump_last_error(vm->pd));
	return 0;
}

/* The same steps that a VMM takes for the guest's diagnose 0x308 subcode 10 */
static int protect_vm(struct vm *vm)
{
	struct kvm_mp_state load = { .mp_state = KVM_MP_STATE_LOAD };
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)vm->memory + vm->se.header_addr,
		.length = vm->se.header_size,
	};
	struct pvdump *pd = vm->pd;
	char name[80];
	unsigned int i;

	if (pvdump_command(pd, vm->vm_fd, KVM_PV_ENABLE, NULL, "KVM_PV_ENABLE") ||
	    pvdump_command(pd, vm->vm_fd, KVM_PV_SET_SEC_PARMS, &parm, "KVM_PV_SET_SEC_PARMS"))
		return report_dump_error(1, pvdump_last_error(pd));
	for (i = 0; i < vm->se.num_comp && !stop_signal; i++) {
		struct kvm_s390_pv_unp unp = {
			.addr = vm->se.comp[i].addr,
			.size = vm->se.comp[i].size,
			.tweak = vm->se.comp[i].tweak,
		};

		snprintf(name, sizeof(name), "KVM_PV_UNPACK of component %u at 0x%llx", i,
			 unp.addr);
		if (pvdump_command(pd, vm->vm_fd, KVM_PV_UNPACK, &unp, name))
			return report_dump_error(1, pvdump_last_error(pd));
	}
	if (stop_signal)
		return 1;
	if (pvdump_command(pd, vm->vm_fd, KVM_PV_VERIFY, NULL, "KVM_PV_VERIFY"))
		return report_dump_error(1, pvdump_last_error(pd));
	if (ioctl(vm->vcpu_fds[0], KVM_SET_MP_STATE, &load))
		return report_error(1, "KVM_SET_MP_STATE failed: %s: cannot load the guest's PSW",
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
	pid_t pid, done;
	int err, status;

	snprintf(pid_text, sizeof(pid_text), "%ld", (long)getpid());
	setenv("PVDUMP_PID", pid_text, 1);
	snprintf(memory_text, sizeof(memory_text), "%ju", (uintmax_t)(uintptr_t)vm->memory);
	setenv("PVDUMP_MEMORY", memory_text, 1);
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGPIPE);
	sigaddset(&sigs, SIGXFSZ);
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
		return report_error(1, "--exec: cannot run /bin/sh: %s", strerror(err));
	/* polling cannot miss a signal between two system calls */
	while (!(done = waitpid(pid, &status, WNOHANG)) || (done < 0 && errno == EINTR)) {
		if (stop_signal)
			kill(pid, SIGTERM);
		nap();
	}
	if (done < 0)
		return report_error(1, "--exec: waitpid() failed: %s", strerror(errno));
	if (stop_signal)
		return 1;
	if (WIFSIGNALED(status))
		return report_error(1, "--exec: '%s' died of signal %d", cmd, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return report_error(1, "--exec: '%s' failed with exit status %d", cmd,
			     WEXITSTATUS(status));
	return 0;
}

/* --- the dump ------------------------------------------------------------ */

static int on_progress(void *opaque, const struct pvdump_progress *progress)
{
	(void)opaque;
	report_progress(progress);
	return 0;
}

static int dry_run(struct vm *vm)
{
	struct pvdump_sizes sizes;
	int ret = pvdump_measure(vm->pd, &sizes);

	if (!ret)
		report_sizes(&sizes, vm->cpus, 1);
	return ret;
}

/* With --resume a full disk is no reason to give up, as the dump still exists */
static int write_dump(struct vm *vm, const struct args *a)
{
	bool told = false;
	unsigned int i;
	int ret;

	pvdump_set_resumable(vm->pd, a->resume);
	report_start();
	ret = pvdump_write(vm->pd);
	while (a->resume && (ret == -ENOSPC || ret == -EDQUOT)) {
		if (!told) {
			report_dump_error(0, pvdump_last_error(vm->pd));
			report_error(0, "waiting for room; the dump goes on when there is some");
		}
		told = true;
		for (i = 0; i < 1000 / NAP_MS && !stop_signal; i++)
			nap();
		if (stop_signal)
			return -ECANCELED;
		ret = pvdump_resume(vm->pd);
		/* it had not even begun */
		if (ret == -EINVAL && !pvdump_active(vm->pd))
			ret = pvdump_write(vm->pd);
	}
	return ret;
}

static int dump(struct vm *vm, const struct args *a, int fd)
{
	int ret, aborted = 0;

	if (a->style != REPORT_QUIET)
		pvdump_set_progress(vm->pd, on_progress, NULL);
	pvdump_set_fd(vm->pd, fd);
	ret = a->dry_run ? dry_run(vm) : write_dump(vm, a);
	report_stop();
	if (!ret)
		return STATUS_OK;
	/* main() reports signals */
	if (ret != -ECANCELED || !stop_signal)
		report_dump_error(1, pvdump_last_error(vm->pd));
	if (pvdump_active(vm->pd))
		aborted = pvdump_abort(vm->pd);
	if (aborted)
		report_dump_error(1, pvdump_last_error(vm->pd));
	if (ret == -EPERM && !(vm->se.pcf & SE_PCF_ALLOW_DUMP))
		report_error(1, "the SE header of '%s' does not allow dumps (PCF bit 34 is off)",
			     a->image);
	return ret == -EPERM ? STATUS_REFUSED : STATUS_ERROR;
}

/* What can be known before hours of work */
static int open_output(struct vm *vm, struct outfile *out, const struct args *a)
{
	const char * const inputs[] = { a->image, NULL };
	struct outfile_args how = {
		.stop = &stop_signal,
		.inputs = inputs,
		.mode = 0600,
		.force = a->force,
	};
	struct pvdump_sizes sizes;

	if (outfile_open(out, a->out, &how))
		return stop_signal ? 1 : report_error(1, "%s", out->error);
	if (pvdump_sizes(vm->pd, &sizes))
		return report_dump_error(1, pvdump_last_error(vm->pd));
	if (!a->resume && outfile_expect(out, sizes.file - sizes.used, sizes.file))
		return report_error(1, "%s", out->error);
	if (a->style == REPORT_JSON)
		report_sizes(&sizes, vm->cpus, 0);
	return 0;
}

static int commit_output(struct outfile *out)
{
	if (stop_signal && !out->stream)
		return STATUS_ERROR;
	if (!outfile_commit(out))
		return STATUS_OK;
	report_error(1, "%s", out->error);
	return *out->kept ? STATUS_KEPT : STATUS_ERROR;
}

/* --- command line -------------------------------------------------------- */

static const char help_text[] =
"NAME\n"
"    pvdump - start a protected VM from a Secure Execution image and dump it\n"
"\n"
"SYNOPSIS\n"
"    pvdump -i IMAGE -o DUMP [-f] [-m MIB] [-c CPUS] [--exec CMD] [--resume]\n"
"           [--progress | --quiet | --json]\n"
"    pvdump -i IMAGE --dry-run [-m MIB] [-c CPUS] [--exec CMD]\n"
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
"    The guest's CPUs do not execute instructions. Pages that are zero are neither\n"
"    read nor written, but holes in the file.\n"
"\n"
"OPTIONS\n"
"    -i, --image IMAGE   Secure Execution image, made by genprotimg, pvimg or seimg,\n"
"                        that allows dumps and has a key slot for this host\n"
"    -o, --output DUMP   where to. The file appears under this name when it is\n"
"                        complete; if the name cannot be had then, the dump is kept\n"
"                        under another one. '-' is standard output; pipes and devices\n"
"                        are written to directly\n"
"    -f, --force         replace DUMP if it exists\n"
"    -m, --memory MIB    size of the guest's memory (default 256)\n"
"    -c, --cpus CPUS     number of CPUs (default 1, at most 248)\n"
"    --exec CMD          run CMD with /bin/sh after the VM is protected and before it\n"
"                        is dumped. In its environment PVDUMP_PID is pvdump's process id\n"
"                        and PVDUMP_MEMORY the address of the guest's memory in that\n"
"                        process. If CMD fails there is no dump\n"
"    --dry-run           begin a dump, say how large it would be, and write nothing\n"
"    --resume            if the disk is full, wait until there is room, and go on. A\n"
"                        pvdump that was killed takes its VM with it: then there is\n"
"                        nothing to resume\n"
"    --progress          show progress, also if standard error is no terminal\n"
"    -q, --quiet         show no progress\n"
"    --json              events on standard error, one JSON object a line\n"
"    --help, --version\n"
"\n"
"EXIT STATUS\n"
"    0    complete dump\n"
"    1    error; no file was left behind\n"
"    2    wrong command line\n"
"    3    the Ultravisor refused the dump: normally the owner does not allow it\n"
"    4    the dump is complete, but has another name than DUMP; the message says which\n"
"    129, 130, 143\n"
"         stopped by SIGHUP, SIGINT, SIGTERM; the dump was aborted in an orderly way,\n"
"         no file was left behind\n";

enum { OPT_EXEC = 256, OPT_PROGRESS, OPT_JSON, OPT_DRY_RUN, OPT_RESUME, OPT_HELP, OPT_VERSION };

static int usage(const char *what, const char *arg)
{
	return report_error(STATUS_USAGE, "%s%s; see pvdump --help", what, arg);
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
		{ "exec", required_argument, NULL, OPT_EXEC },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "resume", no_argument, NULL, OPT_RESUME },
		{ "progress", no_argument, NULL, OPT_PROGRESS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ }
	};
	enum report_style progress = isatty(STDERR_FILENO) ? REPORT_TERMINAL : REPORT_LINES;
	int opt;

	a->style = progress == REPORT_TERMINAL ? progress : REPORT_QUIET;
	while ((opt = getopt_long(argc, argv, "i:o:fm:c:qh", opts, NULL)) != -1) {
		switch (opt) {
		case 'i':
			a->image = optarg;
			break;
		case 'o':
			a->out = optarg;
			break;
		case 'f':
			a->force = true;
			break;
		case 'm':
			if (!parse_number(optarg, 1ULL << 24, &a->memory))
				return usage("not a memory size in MiB: ", optarg);
			break;
		case 'c':
			if (!parse_number(optarg, MAX_CPUS, &a->cpus))
				return usage("not a number of CPUs: ", optarg);
			break;
		case OPT_EXEC:
			a->exec = optarg;
			break;
		case OPT_DRY_RUN:
			a->dry_run = true;
			break;
		case OPT_RESUME:
			a->resume = true;
			break;
		case OPT_PROGRESS:
			a->style = progress;
			break;
		case OPT_JSON:
			a->style = REPORT_JSON;
			break;
		case 'q':
			a->style = REPORT_QUIET;
			break;
		case 'h':
		case OPT_HELP:
			return fputs(help_text, stdout) < 0 || fflush(stdout);
		case OPT_VERSION:
			return printf("pvdump %s\n", pvdump_version()) < 0 || fflush(stdout);
		default:
			return usage("wrong option", "");
		}
	}
	report_style(a->style);
	if (optind < argc)
		return usage("too much: ", argv[optind]);
	if (!a->image)
		return usage("no image given (-i)", "");
	if (!a->out && !a->dry_run)
		return usage("no output file given (-o)", "");
	if (a->out && a->dry_run)
		return usage("--dry-run writes nothing, but -o was given", "");
	if (a->dry_run && a->style == REPORT_QUIET)
		a->style = REPORT_LINES;
	report_style(a->style);
	return -1;
}

static int run(struct vm *vm, struct args *a, struct outfile *out)
{
	int ret;

	if (map_memory(vm) || load_image(vm, a->image) || open_kvm(vm) || create_vm(vm) ||
	    describe_vm(vm))
		return STATUS_ERROR;
	if (!a->dry_run && open_output(vm, out, a))
		return STATUS_ERROR;
	if (protect_vm(vm))
		return STATUS_ERROR;
	if (a->exec && run_command(vm, a->exec, out->stream))
		return STATUS_ERROR;
	ret = dump(vm, a, a->dry_run ? -1 : out->fd);
	return ret || a->dry_run ? ret : commit_output(out);
}

/* A signal that whoever started us has ignored (nohup) stays so */
static void catch(int sig)
{
	/* no SA_RESTART: a signal is to get us out of what we are doing */
	struct sigaction sa = { .sa_handler = on_signal }, old;

	if (!sigaction(sig, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(sig, &sa, NULL);
}

int main(int argc, char **argv)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGTERM };
	struct args a = { .memory = 256, .cpus = 1 };
	struct outfile out = { .fd = -1, .dir_fd = -1 };
	static struct vm vm;
	unsigned int i;
	int ret;

	ret = parse_args(argc, argv, &a);
	if (ret >= 0)
		return ret;
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		catch(sigs[i]);
	/* to get errors of write() in their place */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* ignored, it would take the exit status of --exec's command */
	signal(SIGCHLD, SIG_DFL);
	vm.memory_size = a.memory * MIB;
	vm.cpus = a.cpus;

	ret = run(&vm, &a, &out);
	report_interrupted();
	outfile_abort(&out);
	stop_dump = NULL;
	if (ret && ret != STATUS_KEPT && stop_signal) {
		ret = 128 + stop_signal;
		report_error(1, "stopped by signal %d (%s), nothing was left behind",
			     (int)stop_signal, strsignal(stop_signal));
	}
	report_end(ret, ret ? NULL : a.out);
	return ret;
}
