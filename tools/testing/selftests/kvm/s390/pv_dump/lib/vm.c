// SPDX-License-Identifier: GPL-2.0-only
/* See vm.h. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "env.h"
#include "sim.h"
#include "vm.h"

int xioctl(int fd, unsigned long nr, void *arg)
{
	return ioctl(fd, nr, arg) < 0 ? -errno : 0;
}

/*
 * Nothing but rc and rrc of the command may change. -EBADE stands for a broken
 * structure, no kernel answers that.
 */
int pv_ioctl(int fd, unsigned long nr, struct kvm_pv_cmd *cmd)
{
	struct kvm_pv_cmd before = *cmd;
	int ret = xioctl(fd, nr, cmd);

	before.rc = cmd->rc;
	before.rrc = cmd->rrc;
	if (memcmp(&before, cmd, sizeof(before))) {
		log_err("the ioctl changed the command: cmd %x flags %x", cmd->cmd, cmd->flags);
		return -EBADE;
	}
	return ret;
}

int pv(struct vm *vm, uint32_t cmd, void *data)
{
	vm->cmd = (struct kvm_pv_cmd) {
		.cmd = cmd, .data = (uintptr_t)data,
		.rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED,
	};
	return pv_ioctl(vm->fd, KVM_S390_PV_COMMAND, &vm->cmd);
}

bool rc_untouched(const struct vm *vm)
{
	return vm->cmd.rc == RC_UNTOUCHED && vm->cmd.rrc == RRC_UNTOUCHED;
}

int dmp_ioctl(struct vm *vm, int fd, unsigned long nr)
{
	struct kvm_s390_pv_dmp before = vm->dmp;
	int ret;

	vm->cmd = (struct kvm_pv_cmd) {
		.cmd = KVM_PV_DUMP, .data = (uintptr_t)&vm->dmp,
		.rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED,
	};
	ret = pv_ioctl(fd, nr, &vm->cmd);
	if (ret && before.subcmd == KVM_PV_DUMP_CONFIG_STOR_STATE)
		before.gaddr = vm->dmp.gaddr;
	if (memcmp(&before, &vm->dmp, sizeof(before))) {
		log_err("subcommand %llu changed its structure", before.subcmd);
		return -EBADE;
	}
	return ret;
}

int dmp(struct vm *vm, uint64_t subcmd, void *buf, uint64_t len, uint64_t gaddr)
{
	vm->dmp = (struct kvm_s390_pv_dmp) {
		.subcmd = subcmd, .buff_addr = (uintptr_t)buf, .buff_len = len, .gaddr = gaddr,
	};
	return dmp_ioctl(vm, vm->fd, KVM_S390_PV_COMMAND);
}

int dump_init(struct vm *vm)
{
	return dmp(vm, KVM_PV_DUMP_INIT, NULL, 0, 0);
}

int dump_stor(struct vm *vm, void *buf, uint64_t len, uint64_t gaddr)
{
	return dmp(vm, KVM_PV_DUMP_CONFIG_STOR_STATE, buf, len, gaddr);
}

int dump_complete(struct vm *vm, void *buf, uint64_t len)
{
	return dmp(vm, KVM_PV_DUMP_COMPLETE, buf, len, 0);
}

int cpu_dmp(struct vm *vm, unsigned int cpu, uint64_t subcmd, void *buf, uint64_t len)
{
	vm->dmp = (struct kvm_s390_pv_dmp) {
		.subcmd = subcmd, .buff_addr = (uintptr_t)buf, .buff_len = len,
	};
	return dmp_ioctl(vm, vm->cpu[cpu], KVM_S390_PV_CPU_COMMAND);
}

int dump_cpu(struct vm *vm, unsigned int cpu, void *buf)
{
	return cpu_dmp(vm, cpu, KVM_PV_DUMP_CPU, buf, vm->len.dump_cpu_buffer_len);
}

int pv_info_dump(struct vm *vm)
{
	struct kvm_s390_pv_info info = {
		.header.id = KVM_PV_INFO_DUMP,
		.header.len_max = sizeof(info.header) + sizeof(info.dump),
	};
	int ret = pv(vm, KVM_PV_INFO, &info);

	vm->len = info.dump;
	return ret;
}

int info(struct vm *vm, uint32_t id, uint32_t len_max, void *buf)
{
	struct kvm_s390_pv_info_header h = { .id = id, .len_max = len_max };

	memcpy(buf, &h, sizeof(h));
	return pv(vm, KVM_PV_INFO, buf);
}

int do_uvc(struct vm *vm, unsigned int uvc, void *buf)
{
	switch (uvc) {
	case UVC_INIT:
		return dump_init(vm);
	case UVC_STOR_STATE:
		return dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, MIB);
	case UVC_CPU:
		return dump_cpu(vm, 0, buf);
	default:
		return dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	}
}

int vm_add_cpu(struct vm *vm)
{
	unsigned int i = vm->nr_cpus;
	int fd, size = ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < 0)
		return -errno;
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)i);
	if (fd < 0)
		return -errno;
	vm->run[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm->run[i] == MAP_FAILED)
		return -errno;
	vm->cpu[i] = fd;
	vm->nr_cpus++;
	return 0;
}

int vm_create(struct vm *vm, const struct vm_opts *o)
{
	unsigned int i, slots = o->slots ?: 1;
	size_t part;
	uint8_t *map;
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->size = o->mib * MIB;
	part = vm->size / slots;
	vm->fd = ioctl(env.kvm, KVM_CREATE_VM, 0UL);
	if (vm->fd < 0)
		return -errno;
	map = mmap(NULL, vm->size + MIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	vm->mem = (uint8_t *)(((uintptr_t)map + MIB - 1) & ~(MIB - 1));
	for (i = 0; i < slots; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = i * part,
			.memory_size = part,
			.userspace_addr = (uintptr_t)vm->mem + i * part,
		};

		ret = xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
		if (ret)
			return ret;
	}
	for (i = 0; i < o->cpus; i++) {
		ret = vm_add_cpu(vm);
		if (ret)
			return ret;
	}
	return pv_info_dump(vm);
}

void vm_close_cpus(struct vm *vm)
{
	int size = ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	while (vm->nr_cpus) {
		vm->nr_cpus--;
		munmap(vm->run[vm->nr_cpus], size);
		close(vm->cpu[vm->nr_cpus]);
	}
}

void vm_close(struct vm *vm)
{
	vm_close_cpus(vm);
	if (vm->fd > 0)
		close(vm->fd);
	vm->fd = -1;
}

int vm_set_state(struct vm *vm, unsigned int cpu, uint32_t state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return xioctl(vm->cpu[cpu], KVM_SET_MP_STATE, &mp);
}

/*
 * LOAD gives the first vcpu its PSW, it does not start it. The simulator's guests
 * have no use for a PSW, so all of their vcpus can run.
 */
int vm_start_cpus(struct vm *vm)
{
	unsigned int i, n = env.sim ? vm->nr_cpus : 1;
	int ret = vm_set_state(vm, 0, KVM_MP_STATE_LOAD);

	for (i = 0; i < n && !ret; i++)
		ret = vm_set_state(vm, i, KVM_MP_STATE_OPERATING);
	return ret;
}

int step(const struct vm *vm, const char *what, int ret)
{
	if (ret)
		log_err("%s: %d rc %x rrc %x", what, ret, vm->cmd.rc, vm->cmd.rrc);
	return ret;
}

int vm_protect(struct vm *vm, struct image *img, enum stage stage)
{
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)img->header, .length = img->header_len,
	};
	unsigned int i;
	int ret;

	vm->img = img;
	if (stage < STAGE_ENABLED)
		return 0;
	ret = STEP(pv(vm, KVM_PV_ENABLE, NULL));
	if (ret || stage < STAGE_HEADER)
		return ret;
	ret = STEP(pv(vm, KVM_PV_SET_SEC_PARMS, &parm));
	if (ret || stage < STAGE_UNPACKED)
		return ret;
	for (i = 0; i < img->nr_comps; i++) {
		const struct comp *c = &img->comp[i];
		struct kvm_s390_pv_unp unp = {
			.addr = c->addr, .size = c->size, .tweak = c->tweak,
		};

		memcpy(vm->mem + c->addr, c->image, c->size);
		ret = STEP(pv(vm, KVM_PV_UNPACK, &unp));
		if (ret)
			return ret;
	}
	if (stage < STAGE_VERIFIED)
		return 0;
	ret = STEP(pv(vm, KVM_PV_VERIFY, NULL)) ?: STEP(vm_start_cpus(vm));
	if (ret || stage < STAGE_DUMPING)
		return ret;
	return STEP(dump_init(vm));
}

int vm_run(struct vm *vm, unsigned int cpu, unsigned int ms)
{
	/* periodic: the first one may come before KVM_RUN is entered */
	struct itimerval it = {
		.it_value.tv_usec = ms * 1000, .it_interval.tv_usec = ms * 1000,
	};
	struct itimerval off = {};
	int ret;

	catch_signal(SIGALRM);
	vm->run[cpu]->exit_reason = KVM_EXIT_UNKNOWN;
	setitimer(ITIMER_REAL, &it, NULL);
	ret = xioctl(vm->cpu[cpu], KVM_RUN, NULL);
	setitimer(ITIMER_REAL, &off, NULL);
	return ret;
}

/* On a slow machine a signal may come before SIE, which proves nothing yet. */
bool vm_runs(struct vm *vm, unsigned int cpu)
{
	long sie = env.sim ? sim_sie() : 0;
	bool entered = !env.sim;
	unsigned int ms = 20;
	int ret;

	do {
		ret = vm_run(vm, cpu, ms);
		ms *= 2;
		entered |= env.sim && sim_sie() != sie;
	} while (ret == -EINTR && !entered && ms < 1000);
	if (!entered || (ret != 0 && ret != -EINTR))
		log_err("KVM_RUN: %d, SIE was %sentered", ret, entered ? "" : "not ");
	return entered && (ret == 0 || ret == -EINTR);
}

static void *runner_fn(void *arg)
{
	struct runner *r = arg;

	r->ret = xioctl(r->fd, KVM_RUN, NULL);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Returns when the thread is inside: KVM takes note of the dirty registers behind its checks. */
int runner_start(struct runner *r, struct vm *vm, unsigned int cpu)
{
	double end = now() + LONG_ENOUGH;
	int ret;

	memset(r, 0, sizeof(*r));
	catch_signal(SIGUSR1);
	r->fd = vm->cpu[cpu];
	/* not what an earlier KVM_RUN ended with */
	vm->run[cpu]->exit_reason = KVM_EXIT_UNKNOWN;
	vm->run[cpu]->kvm_dirty_regs = KVM_SYNC_GPRS;
	ret = -pthread_create(&r->thread, NULL, runner_fn, r);
	while (!ret && __atomic_load_n(&vm->run[cpu]->kvm_dirty_regs, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&r->done, __ATOMIC_ACQUIRE) || now() > end)
			return -ETIME;
		sleep_ms(1);
	}
	return ret;
}

static void *rerun_fn(void *arg)
{
	struct runner *r = arg;

	do
		r->ret = xioctl(r->fd, KVM_RUN, NULL);
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE));
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

int rerunner_start(struct runner *r, struct vm *vm, unsigned int cpu)
{
	memset(r, 0, sizeof(*r));
	catch_signal(SIGUSR1);
	r->fd = vm->cpu[cpu];
	return -pthread_create(&r->thread, NULL, rerun_fn, r);
}

static void *vcpu_loop_fn(void *arg)
{
	struct runner *r = arg;

	do
		r->ret = xioctl(r->fd, KVM_RUN, NULL);
	while ((r->ret == -EINTR || r->ret == 0) && !__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE));
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

int vcpu_loop_start(struct runner *r, int fd)
{
	memset(r, 0, sizeof(*r));
	catch_signal(SIGUSR1);
	r->fd = fd;
	return -pthread_create(&r->thread, NULL, vcpu_loop_fn, r);
}

bool runner_join(struct runner *r, unsigned int ms)
{
	bool ok;

	__atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
	ok = wait_done(&r->done, ms);

	while (!wait_done(&r->done, 10))
		pthread_kill(r->thread, SIGUSR1);
	pthread_join(r->thread, NULL);
	return ok;
}
