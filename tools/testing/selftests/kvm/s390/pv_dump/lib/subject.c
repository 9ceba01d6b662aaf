// SPDX-License-Identifier: GPL-2.0-only
/* See subject.h. */
#include <sys/ioctl.h>

#include "dump.h"
#include "env.h"
#include "sim.h"
#include "subject.h"

/* guest memory that is no part of the image, for buffers of the two callers */
#define SPOT	0x280000
#define SPOT_LEN	0x8000

int subject_new(struct subject *s)
{
	struct vm_opts o = DEFAULT_OPTS;
	struct vm *vm = &s->vm;
	size_t len;
	int ret;

	*s = (struct subject) { .violations = sim_violations() };
	o.mib = the_image.mem_size / MIB;
	ret = vm_create(vm, &o);
	if (ret)
		return ret;
	/* the storage state tells which pages are there: all that will be touched */
	memset(vm->mem + SPOT, CANARY, 2 * SPOT_LEN);
	ret = vm_protect(vm, &the_image, STAGE_VERIFIED);
	if (ret)
		return ret;
	/* by vcpus as well */
	if (!vm_runs(vm, 0) || !vm_runs(vm, 1))
		return -ETIME;
	ret = dump_init(vm);
	if (ret)
		return ret;
	len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	s->blocks = malloc(len);
	if (!s->blocks)
		return -ENOMEM;
	ret = dump_stor(vm, s->blocks, len, 0) ?: dump_and_verify(vm, 4);
	s->caller = caller_new(vm, s->blocks, SPOT);
	s->other = caller_new(vm, s->blocks, SPOT + SPOT_LEN);
	s->state = PV_PROTECTED;
	return ret ?: s->caller && s->other ? 0 : -ENOMEM;
}

void subject_end(struct subject *s)
{
	if (s->caller)
		caller_free(s->caller);
	if (s->other)
		caller_free(s->other);
	free(s->blocks);
	vm_close(&s->vm);
}

/* What is left of a dump, whatever state it is in; it has to be right */
static int whole_dump(struct subject *s, enum pv_state *next)
{
	struct vm *vm = &s->vm;
	uint8_t buf[PAGE];

	*next = s->state;
	if (s->state == PV_ORDINARY)
		return 0;
	*next = PV_PROTECTED;
	if (s->state == PV_UNDELIVERED)
		return dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	return (s->state == PV_PROTECTED ? dump_init(vm) : 0) ?: dump_and_verify(vm, 2);
}

bool subject_is(struct subject *s, char *why, size_t len)
{
	int ret;

	/* it has to get in to find out that it is not to */
	s->vm.run[0]->immediate_exit = 1;
	ret = xioctl(s->vm.cpu[0], KVM_RUN, NULL);
	s->vm.run[0]->immediate_exit = 0;
	if (ret != (s->state >= PV_DUMPING ? -EINVAL : -EINTR)) {
		snprintf(why, len, "KVM_RUN answers %d afterwards", ret);
		return false;
	}
	if (sim_violations() != s->violations) {
		snprintf(why, len, "rules of the Ultravisor are broken");
		return false;
	}
	return true;
}

bool subject_step(struct subject *s, const struct call *call, char *why, size_t len)
{
	enum pv_state next = s->state;
	bool changes = !call_changes_nothing(s->caller, call), ok = true;
	int ret;

	if (changes)
		__atomic_fetch_add(&s->seq, 1, __ATOMIC_SEQ_CST);
	if (call->whole_dump || (call->cmd == KVM_PV_ENABLE && s->state == PV_ORDINARY)) {
		if (call->whole_dump) {
			ret = whole_dump(s, &next);
		} else {
			ret = vm_protect(&s->vm, &the_image, STAGE_VERIFIED);
			next = PV_PROTECTED;
		}
		snprintf(why, len, "%d, rc %x", ret, s->vm.cmd.rc);
		ok = !ret;
	} else {
		call_make(s->caller, call);
		ok = call_is(s->caller, call, s->state, &next, why, len);
	}
	__atomic_store_n(&s->state, next, __ATOMIC_SEQ_CST);
	if (changes)
		__atomic_fetch_add(&s->seq, 1, __ATOMIC_SEQ_CST);
	return ok && subject_is(s, why, len);
}

/* What makes the state: a new VM is protected */
unsigned long way_to(enum pv_state state, struct call *calls)
{
	unsigned long n = 0;

	if (state == PV_ORDINARY)
		calls[n++] = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_DISABLE };
	if (state >= PV_DUMPING)
		calls[n++] = (struct call) { .vcpu = OF_VM, .cmd = KVM_PV_DUMP };
	if (state == PV_UNDELIVERED)
		calls[n++] = (struct call) {
			.vcpu = OF_VM, .cmd = KVM_PV_DUMP, .subcmd = KVM_PV_DUMP_COMPLETE,
			.len = 1 << 16, .at_buf.kind = AT_NO_ACCESS,
		};
	return n;
}
