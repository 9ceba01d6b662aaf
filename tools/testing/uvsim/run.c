// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: Start Interpretive Execution that executes
 *
 * Called by sie.c with a CPU that is to run. Each host CPU has a world for it. It
 * is left when the slice ends, when the host has an interruption, which the host
 * then gets first, and when SIE ends as the state description says. What can be
 * done in the world is done there, as going and coming costs much: TCG forgets
 * all translations.
 *
 * Nothing sleeps. A page of the host that is not there is the host's program
 * interruption, as on a real machine: we come back at SIE with one.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/facility.h>
#include "guest.h"

static unsigned int slice_us = 1000;
module_param(slice_us, uint, 0600);
MODULE_PARM_DESC(slice_us, "for how long a guest runs before KVM looks at it");

static struct world *worlds[NR_CPUS];

/* Known to world.S */
static_assert(offsetof(struct world, gcr) == 0x80);
static_assert(offsetof(struct world, hprefix) == 0x100);
static_assert(offsetof(struct world, htimer) == 0x108);
static_assert(offsetof(struct world, quantum) == 0x110);
static_assert(offsetof(struct world, left) == 0x118);
static_assert(offsetof(struct world, hstack) == 0x120);
static_assert(offsetof(struct world, hspace) == 0x128);
static_assert(offsetof(struct raise, data) == 0x10);
static_assert(offsetof(struct raise, cr0) == 0x20);
static_assert(offsetof(struct raise, in_sie) == 0x30);

u64 uvsim_cpu_timer(const struct gcpu *g)
{
	return g->cputm - (get_tod_clock_fast() - g->since);
}

/* Is there something that makes SIE end before the next instruction? */
bool uvsim_irq_due(const struct gcpu *g)
{
	struct kvm_s390_sie_block *sie = g->sie;
	u32 flags = atomic_read(&sie->cpuflags);

	if (flags & CPUSTAT_STOP_INT || atomic_read(&sie->prog20) & PROG20_NO_SIE)
		return true;
	if (flags & CPUSTAT_IO_INT && g->mask & PSWM_IO)
		return true;
	if (!(g->mask & PSWM_EXT))
		return false;
	if (flags & CPUSTAT_EXT_INT ||
	    (flags & CPUSTAT_ECALL_PEND && g->cr[0] & GCR0_ECALL))
		return true;
	if (g->cr[0] & GCR0_CKC && get_tod_clock_fast() + g->epoch > g->ckc)
		return true;
	return g->cr[0] & GCR0_CPU_TIMER && (s64)uvsim_cpu_timer(g) < 0;
}

/* Does a CPU of this configuration execute instructions of its guest? */
bool uvsim_conf_runs(u64 conf_handle)
{
	struct world *w;
	int cpu;

	for_each_possible_cpu(cpu) {
		w = worlds[cpu];
		if (w && READ_ONCE(w->inside) && w->g.conf && w->g.vm->conf_handle == conf_handle)
			return true;
	}
	return false;
}

/* How often does the world of this CPU have that space? */
unsigned int uvsim_world_uses(const struct space *s)
{
	const struct world *w = worlds[smp_processor_id()];

	lockdep_assert_preemption_disabled();
	return w ? (w->primary == s) + (w->secondary == s) : 0;
}

/* Control registers and PSW of the world from those of the guest */
static int load_world(struct world *w, long *next)
{
	struct gcpu *g = &w->g;
	bool dat = g->mask & PSWM_DAT, second = dat && (g->mask & PSWM_AS) == PSWM_SECONDARY;
	u64 asce1 = !dat ? ASCE_REAL : (g->mask & PSWM_AS) == PSWM_HOME ? g->cr[13] : g->cr[1];
	struct space *primary, *secondary;
	u64 cr[16];

	*(u64 *)(w->lc + LC_PSW) = (g->mask & (PSWM_KEY | PSWM_CC_PM | PSWM_EA | PSWM_BA)) |
		PSWM_DAT | PSWM_IO | PSWM_EXT | PSWM_PROBLEM | (second ? PSWM_SECONDARY : 0);
	*(u64 *)(w->lc + LC_PSW + 8) = g->addr;

	primary = uvsim_space_get(g->vm, asce1, g->prefix, g->mask & PSWM_PROBLEM);
	/* instructions are not fetched from there */
	secondary = uvsim_space_get(g->vm, dat ? g->cr[7] : ASCE_REAL, g->prefix, true);
	uvsim_space_put(g->vm, w->primary);
	uvsim_space_put(g->vm, w->secondary);
	w->primary = primary;
	w->secondary = secondary;
	if (!primary || !secondary)
		return -ENOMEM;

	memset(cr, 0, sizeof(cr));
	cr[0] = (w->hcr[0] & 0xfe60) | GCR0_CPU_TIMER | GCR0_IEP |
		(g->cr[0] & (GCR0_LOW_ADDRESS | GCR0_AFP_VECTOR));
	cr[1] = primary->host_asce;
	cr[7] = secondary->host_asce;
	cr[13] = w->hcr[13];
	cr[3] = g->cr[3] & 0xffff;
	cr[4] = g->cr[4] & 0xffff;
	cr[6] = w->hcr[6];
	cr[8] = g->cr[8] & 0xffff;
	cr[14] = w->hcr[14];
	if (memcmp(cr, w->gcr, sizeof(cr))) {
		memcpy(w->gcr, cr, sizeof(cr));
		uvsim_count(STAT_RELOAD);
		*next = WORLD_RELOAD;
	}
	return 0;
}

static void intercept(struct gcpu *g, u8 code, const u16 *insn)
{
	uvsim_intercept((struct uvsim_sd *)g->sie, code, insn ? insn[0] : 0,
			insn ? (u32)insn[1] << 16 | insn[2] : 0);
	uvsim_count(STAT_INTERCEPT);
}

/* A privileged operation, or what this CPU does not have in problem state */
static int privileged(struct world *w, u16 pic)
{
	struct gcpu *g = &w->g;
	bool executed;
	u16 insn[3];
	int rc;

	rc = uvsim_fetch(g, g->addr - g->ilc, insn, &executed);
	if (rc)
		return rc;
	uvsim_count_insn(insn);
	/* it has six bytes, and four what traps in its place: see shadow.c */
	if (insn[0] == 0xe501 && g->ilc == 4 && !executed) {
		g->ilc = 6;
		g->addr += 2;
	}
	/* special operation, too: the CPU is in problem state, the guest need not be */
	if ((insn[0] & 0xff0f) == 0xc800)
		return uvsim_mvcos(g, insn);
	if (insn[0] >> 9 == 0xda >> 1 && (pic == 2 || pic == 0x13))
		return uvsim_move_between_spaces(g, insn);
	if (pic == 1) {
		/* what is an instruction for the guest, but not for this CPU */
		if (insn[0] == 0xb9a4 && g->conf && !(g->mask & PSWM_PROBLEM))
			return uvsim_pv_instruction(g, insn);
		if (uvsim_tcg_lacks(insn))
			return uvsim_emulate(g, insn);
		if (g->sie->ictl & ICTL_OPEREXC && !g->conf) {
			intercept(g, ICPT_OPEREXC, insn);
			return G_LEAVE;
		}
		return 1;
	}
	/* in the same state as the CPU, and that has found something else */
	if (g->mask & PSWM_PROBLEM && pic != 2)
		return pic;
	rc = uvsim_emulate(g, insn);
	if (rc != G_INTERCEPT)
		return rc;
	/* special operation, specification ...: what the CPU has said is right */
	if (pic != 2)
		return pic;
	if (g->conf)
		return uvsim_pv_instruction(g, insn);
	intercept(g, ICPT_INST, insn);
	return G_LEAVE;
}

static int program_check(struct world *w)
{
	struct gcpu *g = &w->g;
	u16 pic = *(u16 *)(w->lc + 0x8e) & 0xff;

	g->ilc = *(u16 *)(w->lc + 0x8c) & 6;
	g->teid = *(u64 *)(w->lc + 0xa8);
	switch (pic) {
	case 0x04: case 0x10: case 0x11: case 0x38: case 0x39: case 0x3a: case 0x3b:
		uvsim_count(STAT_FAULT);
		return uvsim_shadow_fault(w, pic);
	case 0x01: case 0x02: case 0x05: case 0x06: case 0x13:
		uvsim_count(STAT_PRIVILEGED);
		return privileged(w, pic);
	}
	return pic;
}

/*
 * @rc of what the world stopped for; true: on with the guest. @mask and @start are
 * the PSW to begin with again, @suppressed says that it has moved on already.
 */
static bool go_on(struct world *w, int rc, u64 mask, u64 start, bool suppressed)
{
	struct gcpu *g = &w->g;

	if (rc == G_PSW) {
		rc = 6;
		suppressed = true;	/* the PSW is what was loaded */
	}
	if (rc > 0 && rc < G_HOST) {
		/* access exceptions of the translation are at the instruction, others behind it */
		if (uvsim_nullifies(rc))
			g->addr = start;
		else if (!suppressed)
			g->addr = start + g->ilc;
		rc = uvsim_deliver_pgm(w, rc);
		if (!rc && g->mask & PSWM_WAIT)
			rc = G_WAIT;
		else if (!rc && uvsim_irq_due(g))
			rc = G_IRQ;
	}
	switch (rc) {
	case G_DONE:
		return true;
	case G_HOST:
		w->raise = RAISE_PGM;
		uvsim_count(STAT_HOST_FAULT);
		fallthrough;
	case G_AGAIN:
		g->mask = mask;
		g->addr = start;
		return false;
	case G_WAIT:
		uvsim_count(STAT_WAIT);
		if (!uvsim_irq_due(g))
			intercept(g, ICPT_WAIT, NULL);
		return false;
	case G_IRQ:
		if (g->conf)
			uvsim_pv_irq_enabled(g);
		return false;
	}
	return false;
}

/*
 * In a world, on the stack of the task, with interruptions disabled: the guest was
 * interrupted. No code here may make the kernel print or sleep.
 */
long notrace uvsim_world_interrupted(struct world *w, unsigned long class)
{
	u64 *old = (u64 *)(w->lc + 0x120 + 0x10 * class), own, start, mask;
	struct gcpu *g = &w->g;
	long next = WORLD_RESUME;
	bool on = false;
	u16 code;
	int rc;

	if (!(old[0] & PSWM_PROBLEM) || class == WORLD_MCHK) {
		w->bug[0] = class;
		w->bug[1] = *(u32 *)(w->lc + 0x8c);
		w->bug[2] = old[1];
		w->bug[3] = old[0];
		return WORLD_LEAVE;
	}
	own = PSWM_CC_PM | PSWM_EA | PSWM_BA | PSWM_KEY;
	/* user space may go from primary to secondary space and back */
	if (g->mask & PSWM_DAT && !(g->mask & PSWM_AR))
		own |= PSWM_SECONDARY;
	g->mask = (g->mask & ~own) | (old[0] & own);
	g->addr = old[1];
	switch (class) {
	case WORLD_EXT:
		code = *(u16 *)(w->lc + 0x86);
		/* the CPU timer is the world's own; TCG gives the clock comparator once */
		if (code == 0x1005)
			return WORLD_LEAVE;
		w->raise = RAISE_EXT;
		uvsim_count(STAT_EXT);
		return WORLD_LEAVE;
	case WORLD_IO:
		w->raise = RAISE_IO;
		uvsim_count(STAT_IO);
		return WORLD_LEAVE;
	}

	mask = g->mask;
	spin_lock(&g->vm->lock);
	if (class == WORLD_SVC) {
		uvsim_count(STAT_SVC);
		g->ilc = *(u16 *)(w->lc + 0x88) & 6;
		start = g->addr - g->ilc;
		rc = uvsim_deliver_svc(w);
		if (rc < G_HOST) {
			if (g->mask & PSWM_WAIT)
				rc = G_WAIT;
			else if (uvsim_irq_due(g))
				rc = G_IRQ;
			start = g->addr;
		}
		on = go_on(w, rc, mask, start, true);
	} else {
		bool nullified = uvsim_nullifies(*(u16 *)(w->lc + 0x8e) & 0x7f);

		start = g->addr;
		g->ilc = *(u16 *)(w->lc + 0x8c) & 6;
		if (!nullified)
			start -= g->ilc;
		rc = program_check(w);
		if (!rc && !nullified && *(u16 *)(w->lc + 0x8e) == 4)
			g->addr = start;
		on = go_on(w, rc, mask, start, !nullified);
	}
	if (on && load_world(w, &next))
		on = false;
	spin_unlock(&g->vm->lock);
	return on ? next : WORLD_LEAVE;
}

static void set_quantum(struct world *w)
{
	struct gcpu *g = &w->g;
	s64 quantum = (s64)max(slice_us, 1U) << 12, left;

	if (g->cr[0] & GCR0_CKC) {
		left = g->ckc - g->epoch - get_tod_clock_fast();
		if (g->ckc != ~0UL && left > 0 && left < quantum)
			quantum = left;
	}
	if (g->cr[0] & GCR0_CPU_TIMER) {
		left = uvsim_cpu_timer(g);
		if (left > 0 && left < quantum)
			quantum = left;
	}
	w->quantum = quantum;
}

static void use_lowcore(struct world *w, u8 *lc)
{
	w->lc = lc;
	w->g.r = (u64 *)(lc + LC_GPRS);
}

static void enter_world(struct world *w)
{
	u8 *lc = uvsim_host_lowcore();
	u16 todpr;

	memcpy(w->lc + 0x200, lc + 0x200, LC_OWN_START - 0x200);
	memcpy(w->lc + LC_OWN_END, lc + LC_OWN_END, 0x1200 - LC_OWN_END);
	*(struct world **)(w->lc + LC_WORLD) = w;
	use_lowcore(w, lc);
	/* STCKE shows it to problem state */
	todpr = uvsim_swap_todpr(w->g.todpr);
	WRITE_ONCE(w->inside, true);
	uvsim_world_enter(w);
	WRITE_ONCE(w->inside, false);
	w->g.todpr = uvsim_swap_todpr(todpr);
	use_lowcore(w, w->lowcore);
}

/* Registers that are in the CPU, whoever runs */
static void save_cpu(u64 (*v)[2], u32 *acrs, u32 *fpc)
{
	asm volatile("	stfpc	%0\n" : "=Q" (*fpc));
	asm volatile("	lgr	1,%0\n"
		"	.word	0xe70f,0x1000,0x003e\n"	/* vstm 0,15,0(1) */
		"	.word	0xe70f,0x1100,0x0c3e\n"	/* vstm 16,31,256(1) */
		: : "a" (v) : "1", "memory");
	asm volatile("	stam	0,15,0(%0)\n" : : "a" (acrs) : "memory");
}

static void load_cpu(u64 (*v)[2], const u32 *acrs, const u32 *fpc)
{
	asm volatile("	lfpc	%0\n" : : "Q" (*fpc));
	asm volatile("	lgr	1,%0\n"
		"	.word	0xe70f,0x1000,0x0036\n"	/* vlm 0,15,0(1) */
		"	.word	0xe70f,0x1100,0x0c36\n"	/* vlm 16,31,256(1) */
		: : "a" (v) : "1", "memory");
	asm volatile("	lam	0,15,0(%0)\n" : : "a" (acrs) : "memory");
}

/* Of a protected guest the host gets no vector, access or other register to see */
static void enter_protected(struct world *w)
{
	struct uvsim_cpu_regs *regs = &w->g.cpu->regs;

	save_cpu(w->hvregs, w->hacrs, &w->hfpc);
	load_cpu(regs->vregs, regs->acrs, &regs->fpc);
	enter_world(w);
	save_cpu(regs->vregs, regs->acrs, &regs->fpc);
	load_cpu(w->hvregs, w->hacrs, &w->hfpc);
}

/* A guest that can go on goes on, until something ends its slice */
static void run_slice(struct world *w)
{
	struct gcpu *g = &w->g;
	struct kvm_s390_sie_block *sie = g->sie;
	long next;
	int rc = 0;

	spin_lock(&g->vm->lock);
	uvsim_vm_revalidate(g->vm);
	if (g->conf) {
		rc = uvsim_pv_enter(g);
		if (rc == G_HOST)
			w->raise = RAISE_PGM;
	}
	if (rc)
		goto out;
	if (atomic_read(&sie->cpuflags) & CPUSTAT_STOP_INT) {
		intercept(g, ICPT_STOP, NULL);
		goto out;
	}
	if (g->mask & PSWM_WAIT) {
		if (!uvsim_irq_due(g))
			intercept(g, ICPT_WAIT, NULL);
		goto out;
	}
	if (!uvsim_psw_valid(g->mask, g->addr)) {
		g->ilc = 0;
		go_on(w, 6, g->mask, g->addr, true);
		goto out;
	}
	if (g->mask & PSWM_PER)
		uvsim_complain("PER is not simulated");
	memset(w->gcr, 0, sizeof(w->gcr));
	uvsim_store_crs(w->hcr);
	if (load_world(w, &next)) {
		uvsim_spaces_drop_all(g->vm);
		goto out;
	}
	spin_unlock(&g->vm->lock);

	/* Whoever makes requests waits for this bit to go */
	sie->prog0c |= PROG_IN_SIE;
	smp_mb();	/* and sets them before it looks */
	if (!(atomic_read(&sie->prog20) & PROG20_NO_SIE) && uvsim_guest_fpu()) {
		set_quantum(w);
		uvsim_count(STAT_SLICES);
		if (g->conf)
			enter_protected(w);
		else
			enter_world(w);
	}
	smp_mb();	/* the guest has done what it does before */
	sie->prog0c &= ~PROG_IN_SIE;

	spin_lock(&g->vm->lock);
out:
	uvsim_space_put(g->vm, w->primary);
	uvsim_space_put(g->vm, w->secondary);
	w->primary = NULL;
	w->secondary = NULL;
	spin_unlock(&g->vm->lock);
}

/*
 * The host gets an interruption from within SIE, where its own are enabled. That they
 * are not at the SIE of ours on newer kernels must not show: those set the next timer
 * only on the way back to where interruptions are enabled.
 */
static void raise(struct world *w, struct pt_regs *regs)
{
	struct raise *r = &w->g.vcpu->raise;
	void (*stub)(void) = uvsim_raise_pgm;

	uvsim_store_crs(w->hcr);
	r->cr0 = w->hcr[0];
	r->cr0_open = r->cr0 & ~GCR0_LOW_ADDRESS;
	r->psw[0] = regs->psw.mask | PSWM_IO | PSWM_EXT;
	w->g.vcpu->raised = uvsim_in_sie((unsigned long *)&r->psw[1], &r->in_sie);
	switch (w->raise) {
	case RAISE_PGM:
		r->data[0] = (u64)(4 << 16 | w->g.fault_code) << 32;
		r->data[1] = w->g.fault;
		break;
	case RAISE_EXT:
		stub = uvsim_raise_ext;
		memcpy(r->data, w->lc + 0x80, 8);
		break;
	default:
		stub = uvsim_raise_io;
		memcpy(r->data, w->lc + 0xb8, 12);
	}
	regs->psw.mask &= ~(PSWM_IO | PSWM_EXT | PSWM_MCHK);
	regs->psw.addr = (unsigned long)stub;
	regs->gprs[14] = (unsigned long)r;
}

static void get_plain(struct gcpu *g, struct pt_regs *regs)
{
	struct kvm_s390_sie_block *sie = g->sie;

	memcpy(g->r, regs->gprs, 14 * sizeof(u64));
	g->r[14] = sie->gg14;
	g->r[15] = sie->gg15;
	g->mask = sie->gpsw.mask;
	g->addr = sie->gpsw.addr;
	memcpy(g->cr, sie->gcr, sizeof(g->cr));
	/* not by KVM's bit field, which begins at another bit since Linux 7.x */
	g->prefix = ((struct uvsim_sd *)sie)->prefix & UVSIM_SD_PREFIX;
	g->cputm = sie->cputm;
	g->ckc = sie->ckc;
	g->pp = sie->pp;
	g->todpr = sie->todpr;
}

static void put_plain(struct gcpu *g, struct pt_regs *regs)
{
	struct kvm_s390_sie_block *sie = g->sie;

	memcpy(regs->gprs, g->r, 14 * sizeof(u64));
	sie->gg14 = g->r[14];
	sie->gg15 = g->r[15];
	sie->gpsw.mask = g->mask;
	sie->gpsw.addr = g->addr;
	memcpy(sie->gcr, g->cr, sizeof(g->cr));
	sie->cputm = g->cputm;
	sie->ckc = g->ckc;
	sie->pp = g->pp;
	sie->todpr = g->todpr;
}

static void get_protected(struct gcpu *g)
{
	struct uvsim_cpu_regs *regs = &g->cpu->regs;

	memcpy(g->r, regs->gprs, sizeof(regs->gprs));
	g->mask = regs->psw[0];
	g->addr = regs->psw[1];
	memcpy(g->cr, regs->ctrs, sizeof(g->cr));
	g->prefix = regs->prefix;
	g->cputm = regs->timer;
	g->ckc = regs->todcmp;
	g->pp = 0;
	g->todpr = regs->todpr;
}

static void put_protected(struct gcpu *g)
{
	struct uvsim_cpu_regs *regs = &g->cpu->regs;

	memcpy(regs->gprs, g->r, sizeof(regs->gprs));
	regs->psw[0] = g->mask;
	regs->psw[1] = g->addr;
	memcpy(regs->ctrs, g->cr, sizeof(g->cr));
	regs->prefix = g->prefix;
	regs->timer = g->cputm;
	regs->todcmp = g->ckc;
	regs->todpr = g->todpr;
	uvsim_pv_show_psw(g);
}

/**
 * uvsim_run() - a guest CPU runs until SIE ends
 * @regs: registers of the host at SIE, 0 to 13 are the guest's
 * @sie: state description
 * @cpu_handle: 0: not protected
 *
 * Context: die notifier, takes the lock
 */
void uvsim_run(struct pt_regs *regs, struct kvm_s390_sie_block *sie, u64 cpu_handle)
{
	unsigned long flags;
	struct gmap *gmap;
	struct world *w;
	struct gcpu *g;
	u64 asce, now;

	local_irq_save(flags);
	w = worlds[smp_processor_id()];
	g = &w->g;
	if (sie->hpid == HPID_VSIE) {
		uvsim_complain("a guest of a guest is not simulated");
		sie->icptcode = ICPT_NOT_VALID;
		sie->ipb = 0;
		local_irq_restore(flags);
		return;
	}
	memset(g, 0, sizeof(*g));
	w->raise = RAISE_NONE;
	w->fetched = 1;
	memset(w->bug, 0, sizeof(w->bug));
	w->hspace = uvsim_host_space();
	g->sie = sie;
	use_lowcore(w, w->lowcore);
	sie->icptcode = 0;
	sie->icptstatus = 0;
	gmap = uvsim_host_gmap(regs, &asce);
	if (!gmap)
		goto out;
	if (cpu_handle) {
		spin_lock(&uvsim_lock);
		g->cpu = uvsim_find_cpu(cpu_handle);
		g->conf = g->cpu ? uvsim_find_conf(g->cpu->conf_handle) : NULL;
		spin_unlock(&uvsim_lock);
		if (!g->conf)
			goto out;
	}
	g->vm = uvsim_find_vm(gmap, asce, g->conf ? g->conf->handle : 0);
	if (!g->vm)
		goto out;
	g->vcpu = uvsim_find_vcpu(g->vm, sie);
	if (!g->vcpu)
		goto out;
	if (g->vcpu->raised) {
		g->vcpu->raised = false;
		goto out;
	}
	uvsim_count(STAT_ENTER);
	g->epoch = sie->epoch;
	g->since = get_tod_clock_fast();
	if (g->conf)
		get_protected(g);
	else
		get_plain(g, regs);
	run_slice(w);
	now = get_tod_clock_fast();
	g->cputm -= now - g->since;
	if (g->conf)
		put_protected(g);
	else
		put_plain(g, regs);
	if (w->raise)
		raise(w, regs);
out:
	local_irq_restore(flags);
	if (w->bug[0])
		panic("uvsim: in a world: class %llu code %llx at %llx %llx\n", w->bug[0],
		      w->bug[1], w->bug[3], w->bug[2]);
}

static void init_lowcore(struct world *w)
{
	static void (* const handlers[])(void) = {
		uvsim_world_ext, uvsim_world_svc, uvsim_world_pgm, uvsim_world_mchk, uvsim_world_io,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(handlers); i++) {
		u64 *psw = (u64 *)(w->lowcore + 0x1b0 + 0x10 * i);

		psw[0] = PSWM_DAT | PSWM_HOME | PSWM_EA | PSWM_BA;
		psw[1] = (u64)handlers[i];
	}
}

int uvsim_alloc_worlds(void)
{
	struct world *w;
	int cpu;

	for_each_possible_cpu(cpu) {
		w = kzalloc(sizeof(*w), GFP_KERNEL);
		if (!w)
			goto nomem;
		worlds[cpu] = w;
		/* a prefix has 31 bits */
		w->lowcore = (u8 *)__get_free_pages(GFP_KERNEL | GFP_DMA | __GFP_ZERO, 1);
		if (!w->lowcore)
			goto nomem;
		w->gprefix = __pa(w->lowcore);
		init_lowcore(w);
	}
	return 0;
nomem:
	uvsim_free_worlds();
	return -ENOMEM;
}

void uvsim_free_worlds(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (worlds[cpu])
			free_pages((unsigned long)worlds[cpu]->lowcore, 1);
		kfree(worlds[cpu]);
		worlds[cpu] = NULL;
	}
}
