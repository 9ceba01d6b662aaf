// SPDX-License-Identifier: GPL-2.0-only
/* See chance.h. */
#include "chance.h"

unsigned int some(struct chance *r, unsigned int n)
{
	r->x = r->x * 6364136223846793005ULL + 1442695040888963407ULL;
	return (r->x >> 33) % n;
}

static uint64_t wrong_len(struct chance *r, const struct vm *vm, const struct call *call)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	const uint64_t right = call->vcpu != OF_VM ? vm->len.dump_cpu_buffer_len :
			       call->subcmd == KVM_PV_DUMP_COMPLETE ?
			       vm->len.dump_config_finalize_len : per;
	const uint64_t len[] = {
		0, 1, 16, right / 2, right - 1, right, right + 1, 2 * right - 1, 2 * right,
		5 * per, 7 * per, per << 20, right + (1ULL << 32), 1ULL << 32, 1ULL << 63,
		~0ULL - ~0ULL % per, ~0ULL,
	};

	return len[some(r, ARRAY_SIZE(len))];
}

static uint64_t wrong_gaddr(struct chance *r, const struct vm *vm)
{
	const uint64_t gaddr[] = {
		1, 8, PAGE, MIB - 1, MIB / 2, MIB + PAGE, vm->size - PAGE, vm->size,
		vm->size + MIB, 1ULL << 32, 1ULL << 63, -MIB, ~0ULL,
	};

	return gaddr[some(r, ARRAY_SIZE(gaddr))];
}

/* Structures of the command and of its data in the guest would lie over each other */
static struct place somewhere(struct chance *r, enum place_kind last)
{
	static const uint8_t known[] = { AT_MEMORY, AT_END, AT_EDGE };
	struct place at = { .off = some(r, 1 << 16) };

	switch (some(r, 4)) {
	case 0:
		at.kind = known[some(r, ARRAY_SIZE(known))];
		break;
	case 1:
		at.kind = last;
		break;
	default:
		at.kind = some(r, last + 1);
	}
	return at;
}

void one_thing_wrong(struct chance *r, const struct vm *vm, struct call *call)
{
	static const uint64_t subcmd[] = { 4, 5, 1ULL << 32, 3 + (1ULL << 32), 1ULL << 63, ~0ULL };
	static const uint32_t cmd[] = { 64, 0x7777, 0x80000000, 0x10005, 0xffffffff };

	switch (some(r, 10)) {
	case 0:
		call->at_cmd = somewhere(r, AT_TOP);
		if (call->at_cmd.kind == AT_GUEST)
			call->at_cmd.kind = AT_EDGE;
		break;
	case 1:
		call->at_data = somewhere(r, AT_CMD);
		if (call->at_data.kind == AT_GUEST ||
		    (call->at_data.kind == AT_CMD && call->cmd != KVM_PV_DUMP))
			call->at_data.kind = AT_END;
		break;
	case 2:
	case 3:
	case 4:
		call->at_buf = somewhere(r, AT_DATA);
		break;
	case 5:
		call->len = wrong_len(r, vm, call);
		break;
	case 6:
		call->gaddr = wrong_gaddr(r, vm);
		break;
	case 7:
		call->fill = 1 + some(r, 255);
		break;
	case 8:
		if (some(r, 2))
			call->flags = 1U << some(r, 32);
		else
			call->cmd = cmd[some(r, ARRAY_SIZE(cmd))];
		break;
	default:
		call->subcmd = some(r, 3) ? subcmd[some(r, ARRAY_SIZE(subcmd))] : some(r, 4);
	}
}

/* Of 100 calls in a state */
enum kind { STOR, CPU, COMPLETE, INIT, INFO, DISABLE, ENABLE, UNKNOWN, WHOLE_DUMP, KINDS };

static const uint8_t often[PV_STATES][KINDS] = {
	[PV_ORDINARY]	 = { 10, 10, 10, 10, 10, 5, 40, 5, 0 },
	[PV_PROTECTED]	 = { 10, 10, 10, 45, 8, 5, 4, 5, 3 },
	[PV_DUMPING]	 = { 43, 20, 16, 4, 8, 2, 2, 4, 1 },
	[PV_UNDELIVERED] = { 25, 20, 14, 15, 8, 3, 3, 8, 4 },
};

struct call any_call(struct chance *r, const struct vm *vm, enum pv_state state)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	struct call call = { .vcpu = OF_VM, .cmd = KVM_PV_DUMP };
	unsigned int n = some(r, 100), wrong = some(r, 8);
	enum kind kind;

	for (kind = STOR; n >= often[state][kind]; kind++)
		n -= often[state][kind];
	call.at_cmd.off = some(r, 4) ? 0 : some(r, 1 << 16);
	call.at_data.off = some(r, 1 << 16);
	call.at_buf.off = some(r, 4) ? 0 : some(r, 1 << 16);
	switch (kind) {
	case STOR:
		call.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE;
		call.len = (1 + some(r, 5)) * per;
		call.gaddr = some(r, vm->size / MIB) * MIB;
		break;
	case CPU:
		call.vcpu = some(r, vm->nr_cpus);
		call.subcmd = KVM_PV_DUMP_CPU;
		call.len = vm->len.dump_cpu_buffer_len;
		break;
	case COMPLETE:
		call.subcmd = KVM_PV_DUMP_COMPLETE;
		call.len = vm->len.dump_config_finalize_len;
		break;
	case INIT:
		call.subcmd = KVM_PV_DUMP_INIT;
		break;
	case INFO:
		call.cmd = KVM_PV_INFO;
		call.subcmd = some(r, 2);
		call.len = 1024;
		break;
	case UNKNOWN:
		call.subcmd = 4;
		break;
	case WHOLE_DUMP:
		call.whole_dump = 1;
		return call;
	default:
		/* what these are like with wrong arguments is not for us to say */
		call.cmd = kind == ENABLE ? KVM_PV_ENABLE : KVM_PV_DISABLE;
		return call;
	}
	/* none of 8 times, one thing 4, two 2, three 1 */
	for (wrong = wrong < 1 ? 0 : wrong < 5 ? 1 : wrong < 7 ? 2 : 3; wrong; wrong--)
		one_thing_wrong(r, vm, &call);
	return call;
}
