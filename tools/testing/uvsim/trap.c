// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: where the kernel meets the simulator
 *
 * The instructions that trap - UVC, SIE, PLO - and the variables by which the
 * kernel knows of an Ultravisor. Called by main.c. This is the only file that
 * knows kernel versions.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kdebug.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/notifier.h>
#include <linux/pgtable.h>
#include <linux/sizes.h>
#include <asm/ptrace.h>
#include <asm/sclp.h>
#include <asm/uv.h>
#include <asm/facility.h>
#include <asm/lowcore.h>
#include "guest.h"

/*
 * Newer entry code does not let notifiers see what happens inside of SIE. There the
 * kernel's text is changed for the time that this module is loaded: SIE to a nop,
 * and the first load behind sie_exit to a branch to sie_stub, which has a SIE that
 * traps in the open:
 *
 *	lg	%r14,<SIE block>(%r15)		copied from before sie_exit
 *	sie	0(%r14)
 *	lg	%r14,<save area>(%r15)		the load behind sie_exit
 *	jg	<behind that>
 */
#define SIE_STUB_TRAP	6
#define SIE_STUB_LEN	22

static notrace noinline void sie_stub_space(void)
{
	asm volatile("	.fill	11,2,0x0700\n");
}

static u8 * const sie_stub = (u8 *)sie_stub_space;
static u8 *sie_insn;	/* NULL: the kernel's text is as it was */
static u8 *sie_leave;
static const u8 insn_sie[4] = { 0xb2, 0x14, 0xe0, 0x00 };
static const u8 insn_nop[4] = { 0x47, 0x00, 0x00, 0x00 };

/* Text is read only, its real storage is not. */
static void write_text(u8 *to, const u8 *from, unsigned int len)
{
	unsigned long word, real;
	u8 value[4] __aligned(4);

	for (; len; to++, from++, len--) {
		word = (unsigned long)to & ~3UL;
		memcpy(value, (void *)word, sizeof(value));
		value[(unsigned long)to & 3] = *from;
		asm volatile("	lra	%[real],0(%[virt])\n"
			"	stura	%[value],%[real]\n"
			: [real] "=&a" (real)
			: [virt] "a" (word), [value] "d" (*(u32 *)value)
			: "cc", "memory");
	}
}

static void write_branch(u8 *to, const u8 *target)
{
	u8 insn[6] = { 0xc0, 0xf4 };
	s32 halfwords = (target - to) / 2;

	memcpy(insn + 2, &halfwords, sizeof(halfwords));
	write_text(to, insn, sizeof(insn));
}

/* Only entry code that lets them see has landing pads for program checks there. */
static bool sie_is_seen(void)
{
	static const u8 pads[6] = { 0x07, 0x07, 0x07, 0x07, 0x07, 0x07 };

	return !memcmp((u8 *)&sie_exit - sizeof(pads), pads, sizeof(pads));
}

static bool loads_r14_from_stack(const u8 *insn)
{
	return insn[0] == 0xe3 && insn[1] == 0xe0 && insn[2] >> 4 == 0xf && insn[5] == 0x04;
}

static int move_sie(void)
{
	u8 *leave = (u8 *)&sie_exit, *sie, *block;

	if (sie_is_seen())
		return 0;
	if (abs((s64)(sie_stub - leave)) >= SZ_4G - SZ_4K)
		return -ENOEXEC;
	for (sie = leave; memcmp(sie, insn_sie, sizeof(insn_sie)); sie -= 2) {
		if (leave - sie > 128)
			return -ENOEXEC;
	}
	if (*leave == 0xac)	/* STNSM: the newest disable interrupts first */
		leave += 4;
	for (block = sie; block < leave && !loads_r14_from_stack(block); block += 2)
		;
	if (block == leave || !loads_r14_from_stack(leave))
		return -ENOEXEC;
	write_text(sie_stub, block, 6);
	write_text(sie_stub + SIE_STUB_TRAP, insn_sie, sizeof(insn_sie));
	write_text(sie_stub + SIE_STUB_TRAP + 4, leave, 6);
	write_branch(sie_stub + SIE_STUB_LEN - 6, leave + 6);
	write_branch(leave, sie_stub);
	write_text(sie, insn_nop, sizeof(insn_nop));
	sie_insn = sie;
	sie_leave = leave;
	return 0;
}

static void move_sie_back(void)
{
	if (!sie_insn)
		return;
	write_text(sie_insn, insn_sie, sizeof(insn_sie));
	write_text(sie_leave, sie_stub + SIE_STUB_TRAP + 4, 6);
	sie_insn = NULL;
}

#ifdef PGSTE_IN_BIT
#include <asm/gmap.h>

static struct gmap_notifier gmap_notifier = {
	.notifier_call = uvsim_pages_change,
};

/* On what the guest is going to run, NULL if there is nothing */
struct gmap *uvsim_host_gmap(struct pt_regs *regs, u64 *asce)
{
#ifdef S390_lowcore
	struct gmap *gmap = (struct gmap *)S390_lowcore.gmap;
#else
	struct gmap *gmap = (struct gmap *)get_lowcore()->gmap;
#endif

	if (gmap)
		*asce = gmap->asce;
	return gmap;
}

void uvsim_hold_gmap(struct gmap *gmap)
{
	gmap_get(gmap);
}

/* Removed from its process, only references are left */
bool uvsim_gmap_gone(struct gmap *gmap)
{
	return READ_ONCE(gmap->list.prev) == LIST_POISON2;
}

void uvsim_release_gmap(struct gmap *gmap)
{
	gmap_put(gmap);
}

/* Shall uvsim_pages_change() be called? */
int uvsim_watch_gmaps(bool on)
{
	if (on)
		gmap_register_pte_notifier(&gmap_notifier);
	else
		gmap_unregister_pte_notifier(&gmap_notifier);
	return 0;
}

static bool purge(struct pt_regs *regs, u8 *insn)
{
	return false;
}
#else
/*
 * The page tables of guests are KVM's own, and it tells nobody when it changes them.
 * But it purges what CPUs have translated by them, as it has to: by IPTE for a page,
 * and by IDTE when there is an end to all of them. TCG knows these instructions, but
 * not of worlds. So in the text of KVM they are changed into something that traps,
 * and are executed here, after what worlds have by that entry is gone. Who changes
 * an entry has its lock bit, so it is not used again before it is changed.
 */
#include <linux/module.h>
#include <asm/stacktrace.h>

#if IS_BUILTIN(CONFIG_KVM) && !defined(MODULE)
extern u8 kvm_s390_pv_make_secure[], kvm_s390_faultin_gfn[];
#endif

#define PGSTE_PCL_BIT	0x0080000000000000UL
#define PGSTE_IN_BIT	0UL	/* all changes are told */

#define OP_IPTE		0xb221
#define OP_IDTE		0xb98e
#define IDTE_BY_ASCE	0x800

static struct {
	u8 *insn;	/* begins with 0 now, as no instruction does */
	u16 opcode;
} purges[16];

static unsigned int nr_purges;

/* The tables are known by the ASCE alone */
struct gmap *uvsim_host_gmap(struct pt_regs *regs, u64 *asce)
{
	struct stack_frame *frame = (struct stack_frame *)regs->gprs[15];

	if (!nr_purges) {
		uvsim_complain("it is not known where this KVM purges TLBs, so guests do not run");
		return NULL;
	}
	*asce = frame->sie_guest_asce;
	return (struct gmap *)*asce;
}

void uvsim_hold_gmap(struct gmap *gmap)
{
}

/* See uvsim_tables_end() */
bool uvsim_gmap_gone(struct gmap *gmap)
{
	return !gmap;
}

void uvsim_release_gmap(struct gmap *gmap)
{
}

/* Kernel code is nothing but instructions, so that each one shows where the next is. */
static u8 *next_purge(u8 *text, u8 *end)
{
	for (; text < end - 4; text += *text < 0x40 ? 2 : *text < 0xc0 ? 4 : 6) {
		if (*(u16 *)text == OP_IPTE || *(u16 *)text == OP_IDTE)
			return text;
	}
	return NULL;
}

static void trap_purges(u8 *text, u8 *end)
{
	bool ipte = false, idte = false;
	static const u8 none;
	unsigned int n = 0;

	while ((text = next_purge(text, end)) && n < ARRAY_SIZE(purges)) {
		purges[n].insn = text;
		purges[n].opcode = *(u16 *)text;
		ipte |= purges[n].opcode == OP_IPTE;
		idte |= purges[n].opcode == OP_IDTE;
		n++;
		text += 4;
	}
	if (text || !ipte || !idte)
		return;		/* not the KVM that we know */
	WRITE_ONCE(nr_purges, n);
	smp_wmb();	/* who traps finds it */
	while (n--)
		write_text(purges[n].insn, &none, 1);
}

static void release_purges(void)
{
	u8 first;

	for (; nr_purges; nr_purges--) {
		first = purges[nr_purges - 1].opcode >> 8;
		write_text(purges[nr_purges - 1].insn, &first, 1);
	}
}

static int module_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;
	u8 *text = mod->mem[MOD_TEXT].base;

	if (strcmp(mod->name, "kvm"))
		return NOTIFY_DONE;
	/* the linkage table in front of the code has addresses, too */
	if (state == MODULE_STATE_COMING)
		trap_purges(text + mod->arch.plt_offset + mod->arch.plt_size,
			    text + mod->mem[MOD_TEXT].size);
	else if (state == MODULE_STATE_GOING)
		nr_purges = 0;
	return NOTIFY_OK;
}

static struct notifier_block module_nb = {
	.notifier_call = module_changes,
};

/* Shall uvsim_entry_changes() and uvsim_tables_end() be called? */
int uvsim_watch_gmaps(bool on)
{
	if (!on) {
		unregister_module_notifier(&module_nb);
		release_purges();
		return 0;
	}
#if IS_BUILTIN(CONFIG_KVM) && !defined(MODULE)
	/* what KVM has between these two is about page tables */
	trap_purges(kvm_s390_pv_make_secure, kvm_s390_faultin_gfn);
#endif
	return register_module_notifier(&module_nb);
}

/* IPTE or IDTE of KVM? Then it is done. */
static bool purge(struct pt_regs *regs, u8 *insn)
{
	/* set before anything of the text was changed */
	unsigned int i, n = READ_ONCE(nr_purges);
	u64 r1, r2, r3;

	for (i = 0; i < n && purges[i].insn != insn; i++)
		;
	if (i == n)
		return false;
	r3 = regs->gprs[insn[2] >> 4];
	r1 = regs->gprs[insn[3] >> 4];
	r2 = regs->gprs[insn[3] & 0xf];
	if (purges[i].opcode == OP_IPTE) {
		uvsim_entry_changes(r1 & ~0x7ffUL, r2 & PAGE_MASK);
		asm volatile("	ipte	%0,%1,0,0\n" : : "a" (r1), "a" (r2) : "memory");
	} else if (r2 & IDTE_BY_ASCE) {
		uvsim_tables_end(r3);
		asm volatile("	idte	0,%1,%0\n" : : "a" (r2), "a" (r3) : "cc", "memory");
	} else {
		uvsim_complain("IDTE of KVM for one entry");
	}
	regs->psw.addr = (unsigned long)insn + 4;
	return true;
}
#endif

/*
 * The page table entry, if it allows the access. From now on it is not changed
 * before uvsim_pages_change() or uvsim_entry_changes() was called. Never waits for
 * the lock bit: who holds it may wait for us. G_AGAIN, or G_HOST if the host has to
 * do something first.
 */
int uvsim_watch_pte(u64 *ptep, bool write, u64 *value)
{
	u64 *pgstep = ptep + PTRS_PER_PTE, pgste = READ_ONCE(*pgstep);
	int rc = G_DONE;

	if (pgste & PGSTE_PCL_BIT || cmpxchg(pgstep, pgste, pgste | PGSTE_PCL_BIT) != pgste)
		return G_AGAIN;
	*value = READ_ONCE(*ptep);
	if (*value & _PAGE_INVALID || (write && *value & _PAGE_PROTECT))
		rc = G_HOST;
	else
		pgste |= PGSTE_IN_BIT;
	/* unlocks it, what was read before is read */
	smp_store_release(pgstep, pgste);
	return rc;
}

/*
 * Where an interruption counts as one of SIE. True: the kernel goes on at sie_exit
 * then, and that is before the SIE of ours. @flag: the byte that has to be 1.
 * With that any interruption is one of SIE, so it must be the very next.
 */
bool uvsim_in_sie(unsigned long *addr, u8 **flag)
{
#ifdef CIF_FPU	/* the address alone matters */
	static u8 any;
	u8 *in_sie = &any;
#else
	u8 *in_sie = &current_thread_info()->sie;
#endif

	*addr = (unsigned long)&sie_exit - 16;
	*flag = in_sie;
	return sie_insn;
}

/* Operand of SACF for the address space that the kernel runs in */
unsigned long uvsim_host_space(void)
{
	return (__extract_psw() & PSWM_AS) == PSWM_HOME ? 0x300 : 0;
}

u8 *uvsim_host_lowcore(void)
{
	u8 *lc = NULL;

	/* it is at 0, which is not for the compiler to know */
	OPTIMIZER_HIDE_VAR(lc);
	return lc;
}

void uvsim_host_facilities(u64 *list)
{
	unsigned int nr;

	/* each kernel has its list somewhere else */
	memset(list, 0, 16 * sizeof(u64));
	for (nr = 0; nr < 16 * 64; nr++) {
		if (test_facility(nr))
			list[nr / 64] |= 1UL << (63 - nr % 64);
	}
}

/* Does the CPU have the guest's floating point and vector registers? */
bool uvsim_guest_fpu(void)
{
#ifdef CIF_FPU
	return !test_cpu_flag(CIF_FPU);
#else
	return true;
#endif
}

static void set_cc(struct pt_regs *regs, unsigned long cc)
{
	regs->psw.mask = (regs->psw.mask & ~(3UL << 44)) | cc << 44;
}

static int uvsim_die(struct notifier_block *nb, unsigned long event, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	struct uvsim_sd *sd = (struct uvsim_sd *)regs->gprs[14];
	unsigned long flags;
	unsigned int ilc;
	u16 *insn;
	int cc;

	if (event != DIE_BPT || user_mode(regs))
		return NOTIFY_DONE;
	/* The entry code has already moved on behind SIE. */
	if (regs->psw.addr == (unsigned long)&sie_exit) {
		uvsim_enter_sie(sd, regs);
		return NOTIFY_STOP;
	}
	ilc = regs->int_code >> 16;
	insn = (u16 *)(regs->psw.addr - ilc);
	if ((u8 *)insn == sie_stub + SIE_STUB_TRAP) {
		/* the entry code does not execute SIE then, but comes here as well */
		if (!(READ_ONCE(sd->prog20) & PROG20_NO_SIE))
			uvsim_enter_sie(sd, regs);
		return NOTIFY_STOP;
	}
	if (purge(regs, (u8 *)insn))
		return NOTIFY_STOP;
	if (ilc == 6 && insn[0] >> 8 == 0xee) {
		spin_lock_irqsave(&uvsim_lock, flags);
		uvsim_nr_plo++;
		spin_unlock_irqrestore(&uvsim_lock, flags);
		set_cc(regs, 3);
		return NOTIFY_STOP;
	}
	/*
	 * Something in R3 or M4, or a block that is not aligned is a
	 * specification exception, which leaves the PSW behind the instruction,
	 * just as the operation exception at hand.
	 */
	if (ilc != 4 || insn[0] != 0xb9a4 || insn[1] >> 8 || regs->gprs[insn[1] & 0xf] % 8)
		return NOTIFY_DONE;
	cc = uvsim_uvc(regs->gprs[(insn[1] >> 4) & 0xf], regs->gprs[insn[1] & 0xf]);
	if (cc < 0) {
		/* An access exception leaves it at the instruction. */
		regs->psw.addr -= ilc;
		return NOTIFY_DONE;
	}
	set_cc(regs, cc);
	return NOTIFY_STOP;
}

static struct notifier_block uvsim_nb = {
	.notifier_call = uvsim_die,
};

/**
 * uvsim_sie_is_real() - does this machine have SIE?
 *
 * Context: before uvsim_change_globals()
 * Return: true if it has.
 */
bool uvsim_sie_is_real(void)
{
	return sclp.has_sief2;
}

/**
 * uvsim_catch_traps() - from now on UVC, SIE and PLO come here
 *
 * Context: may sleep
 * Return: 0, -ENOEXEC if the kernel's entry to SIE is not known.
 */
int uvsim_catch_traps(void)
{
	int ret;

	ret = register_die_notifier(&uvsim_nb);
	if (ret)
		return ret;
	ret = move_sie();
	if (ret) {
		pr_err("this kernel's sie_exit is not known\n");
		unregister_die_notifier(&uvsim_nb);
	}
	return ret;
}

/**
 * uvsim_release_traps() - the inverse of uvsim_catch_traps()
 *
 * Context: may sleep; nobody is in SIE
 */
void uvsim_release_traps(void)
{
	move_sie_back();
	unregister_die_notifier(&uvsim_nb);
}

/**
 * uvsim_publish_qui() - let the kernel know what uvsim_qui says
 *
 * Context: any
 */
void uvsim_publish_qui(void)
{
	memcpy(uv_info.inst_calls_list, uvsim_qui.calls, sizeof(uvsim_qui.calls));
	uv_info.uv_base_stor_len = uvsim_qui.base_stor_len;
	uv_info.guest_base_stor_len = uvsim_qui.conf_base_phys_len;
	uv_info.guest_virt_base_stor_len = uvsim_qui.conf_base_virt_len;
	uv_info.guest_virt_var_stor_len = uvsim_qui.conf_virt_var_len;
	uv_info.guest_cpu_stor_len = uvsim_qui.cpu_stor_len;
	uv_info.max_sec_stor_addr = uvsim_qui.max_guest_addr;
	uv_info.max_num_sec_conf = uvsim_qui.max_confs;
	uv_info.max_guest_cpu_id = uvsim_qui.max_cpu_id;
	uv_info.uv_feature_indications = uvsim_qui.features;
#ifdef UVC_CMD_DUMP_INIT
	uv_info.supp_se_hdr_ver = uvsim_qui.se_hdr_ver;
	uv_info.supp_se_hdr_pcf = uvsim_qui.se_hdr_pcf;
	uv_info.conf_dump_storage_state_len = uvsim_qui.dump_stor_state_len;
	uv_info.conf_dump_finalize_len = uvsim_qui.dump_finalize_len;
#endif
}

static struct {
	struct uv_info uv_info;
	int host;
	bool sief2, bscao, esca;
} saved;

/**
 * uvsim_change_globals() - let the kernel see a machine with SIE and an Ultravisor
 *
 * Context: any
 */
void uvsim_change_globals(void)
{
	saved.uv_info = uv_info;
	saved.host = prot_virt_host;
	saved.sief2 = sclp.has_sief2;
	saved.bscao = sclp.has_64bscao;
	saved.esca = sclp.has_esca;
	uvsim_publish_qui();
	sclp.has_sief2 = 1;
	sclp.has_64bscao = 1;
	sclp.has_esca = 1;
	prot_virt_host = 1;
}

/**
 * uvsim_hide_uv() - SIE stays, but there will be no protected VMs
 *
 * Context: KVM has not asked yet
 */
void uvsim_hide_uv(void)
{
	prot_virt_host = 0;
}

/**
 * uvsim_restore_globals() - the inverse of uvsim_change_globals()
 *
 * Context: any
 */
void uvsim_restore_globals(void)
{
	prot_virt_host = saved.host;
	sclp.has_sief2 = saved.sief2;
	sclp.has_64bscao = saved.bscao;
	sclp.has_esca = saved.esca;
	uv_info = saved.uv_info;
}
