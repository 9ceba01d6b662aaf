// SPDX-License-Identifier: GPL-2.0-only
/* See call.h. */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "call.h"

/*
 * A zone is memory that can be written, and memory that can be read only, between pages
 * that are not there. All that a call may write to is in a zone of its thread, or is a
 * part of the guest, so that a byte too many shows.
 */
#define CMD_PAGES	4
#define BUF_PAGES	8

enum zone { Z_CMD, Z_DATA, Z_BUF, ZONES };

struct part {
	uint8_t *addr;
	size_t len;
	size_t shadow;		/* where its copy begins */
	bool writable;
};

#define PARTS	(2 * ZONES + 1)
#define GUEST_PART	(PARTS - 1)

struct caller {
	struct vm *vm;
	const uint8_t *blocks;
	struct part part[PARTS];	/* of each zone what can be written, and the other */
	void *map[ZONES];
	size_t shadow_len;
	uint8_t *before, *want;
	uint64_t kernel[4];
	unsigned int nr_kernel;
	uint8_t info[2][sizeof(struct kvm_s390_pv_info)];
	/* the last call */
	uint64_t cmd, data, buf;
	int ret;
};

/* ---- memory ------------------------------------------------------------------------- */

static const size_t zone_pages[] = { CMD_PAGES, CMD_PAGES, BUF_PAGES };

static bool zone_make(struct caller *c, enum zone z)
{
	const size_t len = zone_pages[z] * PAGE;
	struct part *rw = &c->part[2 * z], *ro = rw + 1;
	uint8_t *p = no_access(3 * PAGE + 2 * len);

	if (!p || mprotect(p + PAGE, len, PROT_READ | PROT_WRITE) ||
	    mprotect(p + 2 * PAGE + len, len, PROT_READ | PROT_WRITE))
		return false;
	c->map[z] = p;
	*rw = (struct part) { .addr = p + PAGE, .len = len, .writable = true };
	*ro = (struct part) { .addr = p + 2 * PAGE + len, .len = len };
	memset(ro->addr, CANARY, len);
	return !mprotect(ro->addr, len, PROT_READ);
}

/* The part with @addr, and how much of it is there from @addr on */
static struct part *part_of(struct caller *c, uint64_t addr, size_t *rest)
{
	struct part *p;

	*rest = 0;
	for (p = c->part; p < c->part + PARTS; p++)
		if (addr >= (uintptr_t)p->addr && addr < (uintptr_t)p->addr + p->len) {
			*rest = (uintptr_t)p->addr + p->len - addr;
			return p;
		}
	return NULL;
}

static size_t readable(struct caller *c, uint64_t addr)
{
	size_t rest;

	part_of(c, addr, &rest);
	return rest;
}

static size_t writable(struct caller *c, uint64_t addr)
{
	size_t rest;
	struct part *p = part_of(c, addr, &rest);

	return p && p->writable ? rest : 0;
}

/* The copy in @shadow of what is at @addr */
static uint8_t *copy_of(struct caller *c, uint8_t *shadow, uint64_t addr)
{
	size_t rest;
	struct part *p = part_of(c, addr, &rest);

	return shadow + p->shadow + (addr - (uintptr_t)p->addr);
}

/* What is there of @len bytes at @addr, whether the kernel may write to it or not */
static void store(struct caller *c, uint64_t addr, const void *data, size_t len)
{
	size_t rest;
	struct part *p = part_of(c, addr, &rest);

	if (!p)
		return;
	if (len > rest)
		len = rest;
	if (!p->writable)
		mprotect(p->addr, p->len, PROT_READ | PROT_WRITE);
	memcpy((void *)addr, data, len);
	if (!p->writable)
		mprotect(p->addr, p->len, PROT_READ);
}

/* Addresses that are nothing in this process */
static void find_kernel_addresses(struct caller *c)
{
	static const uint64_t candidate[] = {
		PAGE, 0x10000, 0x100000, 0x8000000, 0x30000000, 1ULL << 42, 1ULL << 45,
	};
	unsigned char there;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(candidate) && c->nr_kernel < ARRAY_SIZE(c->kernel); i++)
		if (mincore((void *)candidate[i], PAGE, &there))
			c->kernel[c->nr_kernel++] = candidate[i];
}

static size_t info_len(uint32_t id)
{
	if (id == KVM_PV_INFO_VM)
		return sizeof(struct kvm_s390_pv_info_header) + sizeof(struct kvm_s390_pv_info_vm);
	return sizeof(struct kvm_s390_pv_info_header) + sizeof(struct kvm_s390_pv_info_dump);
}

struct caller *caller_new(struct vm *vm, const uint8_t *blocks, uint64_t guest)
{
	struct caller *c = calloc(1, sizeof(*c));
	struct kvm_s390_pv_info info_data;
	unsigned int i;

	if (!c)
		return NULL;
	c->vm = vm;
	c->blocks = blocks;
	c->part[GUEST_PART] = (struct part) {
		.addr = vm->mem + guest, .len = BUF_PAGES * PAGE, .writable = true,
	};
	for (i = 0; i < ZONES; i++)
		if (!zone_make(c, i))
			goto bad;
	for (i = 0; i < PARTS; i++) {
		c->part[i].shadow = c->shadow_len;
		c->shadow_len += c->part[i].len;
	}
	c->before = malloc(c->shadow_len);
	c->want = malloc(c->shadow_len);
	if (!c->before || !c->want)
		goto bad;
	find_kernel_addresses(c);
	for (i = 0; i < ARRAY_SIZE(c->info); i++) {
		if (info(vm, i, info_len(i), &info_data))
			goto bad;
		memcpy(c->info[i], &info_data, sizeof(info_data));
	}
	return c;
bad:
	caller_free(c);
	return NULL;
}

void caller_free(struct caller *c)
{
	unsigned int i;

	for (i = 0; i < ZONES; i++)
		if (c->map[i])
			munmap(c->map[i], (3 + 2 * zone_pages[i]) * PAGE);
	free(c->before);
	free(c->want);
	free(c);
}

/* ---- arguments ---------------------------------------------------------------------- */

static bool is_info(const struct call *call)
{
	return call->vcpu == OF_VM && call->cmd == KVM_PV_INFO;
}

/* How long what @call wants to be delivered is */
static size_t wanted(const struct caller *c, const struct call *call)
{
	const size_t max = BUF_PAGES * PAGE;

	if (call->vcpu != OF_VM)
		return c->vm->len.dump_cpu_buffer_len;
	if (call->subcmd == KVM_PV_DUMP_CONFIG_STOR_STATE)
		return !call->len ? 1 : call->len < max ? call->len : max;
	return c->vm->len.dump_config_finalize_len;
}

/* @len bytes in zone @z */
static uint64_t place(struct caller *c, enum zone z, struct place at, size_t len)
{
	static const uint64_t top[] = { ~0ULL, ~7ULL, ~0xfffULL, 1ULL << 63, 1ULL << 53 };
	const struct part *rw = &c->part[2 * z], *ro = rw + 1, *guest = &c->part[GUEST_PART];
	uint64_t end = (uintptr_t)rw->addr + rw->len;

	if (len > rw->len)
		len = rw->len;
	switch (at.kind) {
	case AT_MEMORY:
		return (uintptr_t)rw->addr + at.off % (rw->len - len + 1);
	case AT_END:
		return end - len;
	case AT_EDGE:
		return len < 2 ? end : end - 1 - at.off % (len - 1);
	case AT_READ_ONLY:
		return (uintptr_t)ro->addr + at.off % (ro->len - len + 1);
	case AT_NO_ACCESS:
		return end + at.off % (PAGE - 1);
	case AT_NULL:
		return 0;
	case AT_KERNEL:
		return c->nr_kernel ? c->kernel[at.off % c->nr_kernel] : end;
	case AT_TOP:
		return top[at.off % ARRAY_SIZE(top)];
	case AT_GUEST:
		return (uintptr_t)guest->addr + at.off % (guest->len - len + 1);
	case AT_CMD:
		return c->cmd + at.off % 64 - 31;
	default:
		return c->data + at.off % 128 - 63;
	}
}

void call_make(struct caller *c, const struct call *call)
{
	struct kvm_pv_cmd cmd = {
		.cmd = call->cmd, .rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED, .flags = call->flags,
	};
	struct kvm_s390_pv_dmp dmp = {
		.subcmd = call->subcmd, .buff_len = call->len, .gaddr = call->gaddr,
	};
	struct kvm_s390_pv_info_header info = { .id = call->subcmd, .len_max = call->len };
	struct part *p;

	memset(cmd.reserved, call->fill, sizeof(cmd.reserved));
	memset(dmp.reserved, call->fill, sizeof(dmp.reserved));
	memset(&info.reserved, call->fill, sizeof(info.reserved));
	for (p = c->part; p < c->part + PARTS; p++)
		if (p->writable)
			memset(p->addr, CANARY, p->len);
	c->cmd = place(c, Z_CMD, call->at_cmd, sizeof(cmd));
	c->data = place(c, Z_DATA, call->at_data,
			is_info(call) ? info_len(call->subcmd) : sizeof(dmp));
	c->buf = place(c, Z_BUF, call->at_buf, wanted(c, call));
	cmd.data = c->data;
	dmp.buff_addr = c->buf;
	if (is_info(call))
		store(c, c->data, &info, sizeof(info));
	else
		store(c, c->data, &dmp, sizeof(dmp));
	store(c, c->cmd, &cmd, sizeof(cmd));
	for (p = c->part; p < c->part + PARTS; p++)
		memcpy(c->before + p->shadow, p->addr, p->len);
	c->ret = call->vcpu == OF_VM ?
		xioctl(c->vm->fd, KVM_S390_PV_COMMAND, (void *)c->cmd) :
		xioctl(c->vm->cpu[call->vcpu], KVM_S390_PV_CPU_COMMAND, (void *)c->cmd);
}

int call_answer(const struct caller *c)
{
	return c->ret;
}

/* ---- what has to come of it --------------------------------------------------------- */

enum rc_is { RC_AS_IT_WAS, RC_ONE, RC_ERROR, RC_CHANGED };

/* One of the right answers */
struct answer {
	int ret;
	enum rc_is rc;
	enum pv_state next;
	const uint8_t *data;	/* what is delivered, at c->to; NULL: whatever is there */
	size_t len;		/* so much of it */
	size_t at_most;		/* what may be written of what is not delivered */
	bool gaddr_changed;
	uint64_t gaddr;
};

struct answers {
	uint64_t to;
	unsigned int nr;
	struct answer a[6];
};

static struct answer *may(struct answers *s, int ret, enum rc_is rc, enum pv_state next)
{
	struct answer *a = &s->a[s->nr++];

	*a = (struct answer) { .ret = ret, .rc = rc, .next = next };
	return a;
}

/* @len bytes of dump data that the Ultravisor has given out; what if they do not arrive */
static void deliver(struct caller *c, struct answers *s, size_t len, enum rc_is rc,
		    enum pv_state next, enum pv_state otherwise)
{
	const size_t room = writable(c, c->buf);

	s->to = c->buf;
	if (room >= len)
		may(s, 0, rc, next)->len = len;
	else
		may(s, -EFAULT, rc, otherwise)->at_most = room;
}

static void expect_stor(struct caller *c, struct answers *s, const struct kvm_s390_pv_dmp *dmp,
			enum pv_state state)
{
	const uint64_t per = c->vm->len.dump_config_mem_buffer_per_1m;
	const uint64_t mib = c->vm->size / MIB, first = dmp->gaddr / MIB;
	const uint64_t there = first < mib ? mib - first : 0, room = writable(c, c->buf);
	uint64_t blocks, good;
	struct answer *a;
	int ret = 0;

	if (state != PV_DUMPING || dmp->gaddr % MIB || !dmp->buff_len || dmp->buff_len % per) {
		may(s, -EINVAL, RC_AS_IT_WAS, state);
		return;
	}
	blocks = dmp->buff_len / per;
	good = blocks < there ? blocks : there;
	if (blocks > there)
		ret = -EINVAL;
	if (room < good * per) {
		good = room / per;
		ret = -EFAULT;
	}
	/* where it ends, which is written only if it is not where it began */
	a = may(s, ret, !ret ? RC_ONE : ret == -EINVAL ? RC_ERROR : RC_CHANGED, state);
	s->to = c->buf;
	a->len = good * per;
	a->data = a->len ? c->blocks + first * per : NULL;
	a->at_most = ret == -EFAULT ? room : a->len;
	if (ret && good) {
		a->gaddr = dmp->gaddr + good * MIB;
		if (writable(c, c->data) >= sizeof(*dmp))
			a->gaddr_changed = true;
		else
			a->ret = -EFAULT;
	}
}

static void expect_info(struct caller *c, struct answers *s, enum pv_state state)
{
	struct kvm_s390_pv_info_header h;
	uint8_t *info;
	size_t need;

	if (readable(c, c->data) < sizeof(h)) {
		may(s, -EFAULT, RC_AS_IT_WAS, state);
		return;
	}
	memcpy(&h, copy_of(c, c->before, c->data), sizeof(h));
	need = info_len(h.id);
	if (h.id > KVM_PV_INFO_DUMP || h.len_max < need) {
		may(s, -EINVAL, RC_AS_IT_WAS, state);
		return;
	}
	s->to = c->data;
	if (writable(c, c->data) < need) {
		may(s, -EFAULT, RC_AS_IT_WAS, state)->at_most = writable(c, c->data);
		return;
	}
	info = c->info[h.id];
	h.len_written = need;
	memcpy(info, &h, sizeof(h));
	*may(s, 0, RC_AS_IT_WAS, state) = (struct answer) {
		.next = state, .len = need, .data = info,
	};
}

/* Every command but ENABLE of an ordinary VM, which is a way of its own */
static void expect(struct caller *c, const struct call *call, enum pv_state state,
		   struct answers *s)
{
	const struct kvm_s390_pv_info_dump *len = &c->vm->len;
	struct kvm_s390_pv_dmp dmp;
	struct kvm_pv_cmd cmd;
	bool cpu = call->vcpu != OF_VM, dmp_there;

	*s = (struct answers) {};
	if (readable(c, c->cmd) < sizeof(cmd)) {
		may(s, -EFAULT, RC_AS_IT_WAS, state);
		return;
	}
	memcpy(&cmd, copy_of(c, c->before, c->cmd), sizeof(cmd));
	if (cmd.flags || (cpu && cmd.cmd != KVM_PV_DUMP)) {
		may(s, -EINVAL, RC_AS_IT_WAS, state);
		return;
	}
	if (cmd.cmd == KVM_PV_INFO) {
		expect_info(c, s, state);
		/* some kernels write the command back */
		if (!writable(c, c->cmd)) {
			s->a[s->nr] = s->a[0];
			s->a[s->nr++].ret = -EFAULT;
		}
		return;
	}
	if (cmd.cmd != KVM_PV_DUMP) {
		if (cmd.cmd == KVM_PV_DISABLE && state > PV_ORDINARY)
			may(s, 0, RC_ONE, PV_ORDINARY);
		else if (cmd.cmd <= KVM_PV_DISABLE)
			may(s, -EINVAL, RC_AS_IT_WAS, state);
		else
			may(s, -ENOTTY, RC_AS_IT_WAS, state);
		/* done, but nobody learns about it */
		if (!writable(c, c->cmd))
			s->a[0].ret = -EFAULT;
		return;
	}
	/* that nothing was done is what -EFAULT says here, whatever else is wrong */
	if (!writable(c, c->cmd)) {
		may(s, -EFAULT, RC_AS_IT_WAS, state);
		return;
	}
	dmp_there = readable(c, c->data) >= sizeof(dmp);
	if (state < (cpu ? PV_DUMPING : PV_PROTECTED)) {
		may(s, -EINVAL, RC_AS_IT_WAS, state);
		return;
	}
	if (!dmp_there) {
		may(s, -EFAULT, RC_AS_IT_WAS, state);
		return;
	}
	memcpy(&dmp, copy_of(c, c->before, c->data), sizeof(dmp));
	/* which may lie over the command */
	c->buf = dmp.buff_addr;
	if (cpu) {
		if (dmp.subcmd != KVM_PV_DUMP_CPU || dmp.buff_len != len->dump_cpu_buffer_len ||
		    state != PV_DUMPING)
			may(s, -EINVAL, RC_AS_IT_WAS, state);
		else
			deliver(c, s, dmp.buff_len, RC_ONE, state, state);
		return;
	}
	switch (dmp.subcmd) {
	case KVM_PV_DUMP_INIT:
		if (state == PV_PROTECTED)
			may(s, 0, RC_ONE, PV_DUMPING);
		else
			may(s, -EINVAL, RC_AS_IT_WAS, state);
		break;
	case KVM_PV_DUMP_CONFIG_STOR_STATE:
		expect_stor(c, s, &dmp, state);
		break;
	case KVM_PV_DUMP_COMPLETE:
		if (state < PV_DUMPING || dmp.buff_len < len->dump_config_finalize_len)
			may(s, -EINVAL, RC_AS_IT_WAS, state);
		else
			deliver(c, s, len->dump_config_finalize_len,
				state == PV_DUMPING ? RC_ONE : RC_AS_IT_WAS, PV_PROTECTED,
				PV_UNDELIVERED);
		break;
	default:
		may(s, -ENOTTY, RC_AS_IT_WAS, state);
	}
}

/* ---- what has come of it ------------------------------------------------------------ */

static bool rc_is(enum rc_is want, uint16_t rc, uint16_t rrc)
{
	bool same = rc == RC_UNTOUCHED && rrc == RRC_UNTOUCHED;

	switch (want) {
	case RC_AS_IT_WAS:
		return same;
	case RC_ONE:
		return rc == 1;
	case RC_ERROR:
		return !same && rc > 1;
	default:
		return !same;
	}
}

/* Memory behind the call as @a says? */
static bool memory_is(struct caller *c, const struct answers *s, const struct answer *a,
		      bool whole_cmd, char *why, size_t len)
{
	const size_t off = offsetof(struct kvm_s390_pv_dmp, gaddr);
	struct kvm_pv_cmd *cmd;
	uint16_t rc[2];
	struct part *p;
	size_t k;

	memcpy(c->want, c->before, c->shadow_len);
	if (a->at_most)
		memcpy(copy_of(c, c->want, s->to), (void *)s->to, a->at_most);
	if (a->len)
		memcpy(copy_of(c, c->want, s->to), a->data ?: (void *)s->to, a->len);
	if (a->len && !a->data && all_bytes((void *)s->to, CANARY, a->len)) {
		snprintf(why, len, "nothing was delivered");
		return false;
	}
	if (a->gaddr_changed)
		memcpy(copy_of(c, c->want, c->data + off), &a->gaddr, sizeof(a->gaddr));
	if (writable(c, c->cmd) >= sizeof(*cmd)) {
		cmd = (void *)c->cmd;
		rc[0] = cmd->rc;
		rc[1] = cmd->rrc;
		if (!rc_is(a->rc, rc[0], rc[1])) {
			snprintf(why, len, "rc %x rrc %x", rc[0], rc[1]);
			return false;
		}
		/* a command is written back as a whole, or rc and rrc of it, or nothing */
		if (whole_cmd)
			memcpy(copy_of(c, c->want, c->cmd), copy_of(c, c->before, c->cmd),
			       sizeof(*cmd));
		memcpy(copy_of(c, c->want, c->cmd + offsetof(struct kvm_pv_cmd, rc)), rc,
		       sizeof(rc));
	}
	for (p = c->part; p < c->part + PARTS; p++) {
		if (!memcmp(c->want + p->shadow, p->addr, p->len))
			continue;
		for (k = 0; c->want[p->shadow + k] == p->addr[k]; k++)
			;
		snprintf(why, len, "memory %td of zone %td at %zx: %02x, not %02x",
			 (p - c->part) % 2, (p - c->part) / 2, k, p->addr[k],
			 c->want[p->shadow + k]);
		return false;
	}
	return true;
}

static bool matches(struct caller *c, const struct answers *s, enum pv_state *next, char *why,
		    size_t len)
{
	unsigned int i;

	snprintf(why, len, "%d, not %d", c->ret, s->a[0].ret);
	for (i = 0; i < s->nr; i++) {
		if (s->a[i].ret != c->ret)
			continue;
		*next = s->a[i].next;
		if (memory_is(c, s, &s->a[i], false, why, len) ||
		    memory_is(c, s, &s->a[i], true, why, len))
			return true;
	}
	return false;
}

bool call_is(struct caller *c, const struct call *call, enum pv_state state,
	     enum pv_state *next, char *why, size_t len)
{
	struct answers s;

	expect(c, call, state, &s);
	return matches(c, &s, next, why, len);
}

/* A request that others have ended: what was delivered is good, and gaddr tells how much */
static bool was_ended(struct caller *c, const struct call *call, char *why, size_t len)
{
	const uint64_t per = c->vm->len.dump_config_mem_buffer_per_1m;
	struct answers s;
	struct answer *a;
	uint64_t gaddr;

	expect(c, call, PV_DUMPING, &s);
	a = &s.a[0];
	if (c->ret != -EINVAL || !a->data || writable(c, c->data) < sizeof(struct kvm_s390_pv_dmp))
		return false;
	memcpy(&gaddr, (void *)(c->data + offsetof(struct kvm_s390_pv_dmp, gaddr)), sizeof(gaddr));
	if (gaddr % MIB || gaddr <= call->gaddr || (gaddr - call->gaddr) / MIB * per > a->len)
		return false;
	*a = (struct answer) {
		.ret = -EINVAL, .rc = RC_ONE, .data = a->data, .gaddr = gaddr,
		.len = (gaddr - call->gaddr) / MIB * per, .gaddr_changed = true,
	};
	return memory_is(c, &s, a, false, why, len);
}

bool call_is_possible(struct caller *c, const struct call *call, char *why, size_t len)
{
	enum pv_state state, next;

	for (state = PV_ORDINARY; state < PV_STATES; state++)
		if (call_is(c, call, state, &next, why, len))
			return true;
	return was_ended(c, call, why, len);
}

bool call_changes_nothing(struct caller *c, const struct call *call)
{
	if (call->whole_dump || call->cmd == KVM_PV_ENABLE || call->cmd == KVM_PV_DISABLE)
		return false;
	if (call->cmd != KVM_PV_DUMP || call->vcpu != OF_VM || call->flags)
		return true;
	/* the structure may be another one than it says */
	if (call->at_data.kind == AT_CMD || call->subcmd == KVM_PV_DUMP_INIT)
		return false;
	return call->subcmd != KVM_PV_DUMP_COMPLETE ||
	       call->len < c->vm->len.dump_config_finalize_len;
}

static void print_place(const char *name, struct place at, char *buf, size_t len)
{
	static const char *const what[] = {
		"memory", "end of memory", "edge of memory", "read-only", "no access", "NULL",
		"kernel", "top", "guest memory", "over the command", "over the structure",
	};
	size_t n = strlen(buf);

	if (at.kind != AT_MEMORY || at.off)
		snprintf(buf + n, len - n, " %s=%s+%x", name, what[at.kind], at.off);
}

void call_print(const struct call *call, char *buf, size_t len)
{
	static const char *const sub[] = { "INIT", "STOR_STATE", "COMPLETE", "CPU" };
	size_t n;

	if (call->whole_dump) {
		snprintf(buf, len, "whole dump");
		return;
	}
	if (call->cmd == KVM_PV_DUMP)
		snprintf(buf, len, "%s", call->subcmd < ARRAY_SIZE(sub) ? sub[call->subcmd] :
									    "unknown subcommand");
	else
		snprintf(buf, len, "%s", call->cmd == KVM_PV_INFO ? "INFO" :
			 call->cmd == KVM_PV_ENABLE ? "ENABLE" :
			 call->cmd == KVM_PV_DISABLE ? "DISABLE" : "unknown command");
	n = strlen(buf);
	snprintf(buf + n, len - n, " cmd=%x subcmd=%lx len=%lx gaddr=%lx flags=%x fill=%x",
		 call->cmd, (unsigned long)call->subcmd, (unsigned long)call->len,
		 (unsigned long)call->gaddr, call->flags, call->fill);
	n = strlen(buf);
	if (call->vcpu != OF_VM)
		snprintf(buf + n, len - n, " vcpu=%d", call->vcpu);
	print_place("command", call->at_cmd, buf, len);
	print_place("structure", call->at_data, buf, len);
	print_place("buffer", call->at_buf, buf, len);
}
