/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uvsim: what the files that run guests share
 *
 * A guest runs in problem state on the CPU that executed SIE, with control
 * registers, prefix and lowcore of its own: a world. world.S changes worlds;
 * run.c says when, and what SIE tells the host; vm.c knows which VMs there are;
 * storage.c and shadow.c are about guest memory and its translation, emulate.c
 * about instructions, deliver.c about interruptions, pvguest.c and
 * pvpage.c about what is different in a protected VM. Nobody else includes this.
 */
#ifndef UVSIM_GUEST_H
#define UVSIM_GUEST_H

#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/types.h>
#include "uvsim.h"

#define PSWM_PER	0x4000000000000000UL
#define PSWM_DAT	0x0400000000000000UL
#define PSWM_IO		0x0200000000000000UL
#define PSWM_EXT	0x0100000000000000UL
#define PSWM_KEY	0x00f0000000000000UL
#define PSWM_MCHK	0x0004000000000000UL
#define PSWM_WAIT	0x0002000000000000UL
#define PSWM_PROBLEM	0x0001000000000000UL
#define PSWM_AS		0x0000c00000000000UL
#define PSWM_AR		0x0000400000000000UL
#define PSWM_SECONDARY	0x0000800000000000UL
#define PSWM_HOME	0x0000c00000000000UL
#define PSWM_CC_PM	0x00003f0000000000UL
#define PSWM_EA		0x0000000100000000UL
#define PSWM_BA		0x0000000080000000UL
#define PSWM_UNASSIGNED	0xb80800fe7fffffffUL

#define GCR0_LOW_ADDRESS	0x10000000UL
#define GCR0_EDAT	0x00800000UL
#define GCR0_IEP		0x00100000UL
#define GCR0_AFP_VECTOR	0x00060000UL
#define GCR0_ECALL	0x00002000UL
#define GCR0_CKC		0x00000800UL
#define GCR0_CPU_TIMER	0x00000400UL

#define PTE_NOEXEC	0x100

#define TEID_FSI	0xc00UL
#define TEID_STORE	0x400UL
#define TEID_FETCH	0x800UL

/* An address space's ASCE: translation is off */
#define ASCE_REAL	(~0UL)

/*
 * How an access or an instruction ends: 0, a program interruption code of the
 * guest, or one of these.
 */
enum {
	G_DONE = 0,
	G_HOST = 0x1000,	/* the host has to provide a page: gcpu.fault */
	G_INTERCEPT,		/* the host does it */
	G_IRQ,			/* done, and an interruption has become possible */
	G_WAIT,			/* done, the CPU waits now */
	G_AGAIN,		/* nothing done, once more from the host */
	G_LEAVE,		/* done, and the state description says why SIE ends */
	G_PSW,			/* done, and the PSW that was loaded is not valid */
};

/* A page of guest absolute storage */
struct gpage {
	u64 host;		/* kernel address of what the guest sees | flags; 0: none */
	u8 *plain;		/* of a protected VM: the page in clear, ours */
	u8 *text;		/* copy for execution, see shadow.c */
	struct hlist_head maps;	/* entries of shadow tables, struct spt.node */
};

#define GPAGE_WRITE	1	/* may be written */
#define GPAGE_DIRTY	2	/* plain is newer than what the host has */
#define GPAGE_EXEC	4	/* a supervisor executes it, nobody writes */

struct gchunk {
	struct list_head list;
	u64 *ste;		/* the host's segment table entry */
	u64 ste_value;		/* ... that host of the pages relies on */
	struct gpage page[256];
};

/* Shadow page table; the first 2 KiB are what the CPU reads */
struct spt {
	u64 pte[256];
	struct hlist_node node[256];
	u32 gfn[256];
	struct hlist_node hash;	/* by gpto */
	struct list_head list;	/* of the space */
	struct space *space;
	u64 gpto;		/* guest page table, ~0: none */
	u64 va;
};

static_assert(sizeof(struct spt) <= 2 * PAGE_SIZE);

#define SPT_HASH	256

/* Shadow of an address space. Freed when dead and no world has it. */
struct space {
	struct list_head list;
	struct list_head tables;	/* by page->lru, all region and segment tables */
	struct list_head spts;
	u64 asce;		/* the guest's */
	u32 prefix;
	bool problem;		/* of problem state, or for operands only */
	u64 *root;
	u64 host_asce;
	int type;		/* of the root: 0 segment table ... 3 region first */
	unsigned int users;	/* worlds, one that has it twice counts twice */
	bool dead;
};

#define MAX_SPACES	128

enum pending { PEND_NONE, PEND_GPRS, PEND_SCCB, PEND_STSI, PEND_IO };

/* What world.S needs to raise an interruption of the host; offsets are known there */
struct raise {
	u64 psw[2];
	u64 data[2];
	u64 cr0, cr0_open;
	u8 *in_sie;		/* byte that becomes 1 */
};

/* A vcpu, by its state description */
struct gvcpu {
	struct list_head list;
	struct kvm_s390_sie_block *sie;
	struct raise raise;
	bool raised;		/* SIE is over, though it is executed once more */
	/* protected: the instruction that the host completes */
	enum pending pending;
	u16 ipa;
	u32 ipb;
	u64 pend_addr;
	unsigned int pend_len;
};

/*
 * A VM, by its gmap, of which we hold a reference. @lock is for everything in
 * here and for each access to guest memory: who takes a page away from the VM
 * takes it, so that nobody is in the middle of using the page afterwards. It is
 * taken under page table locks, and uvsim_lock inside of it.
 */
struct gvm {
	struct list_head list;
	spinlock_t lock;	/* all of it, and guest memory */
	struct gmap *gmap;
	u64 asce;
	u64 conf_handle;	/* 0: not protected */
	struct xarray chunks;	/* by guest address >> 20 */
	struct list_head chunk_list;
	struct list_head spaces;	/* youngest first */
	struct list_head dead;		/* spaces that a world still has */
	unsigned int nr_spaces;
	struct hlist_head spts[SPT_HASH];
	struct list_head vcpus;
	/* protected */
	u32 sccb;		/* address of the last SERVC, any CPU gets its interruption */
};

/* The guest CPU while it is in SIE */
struct gcpu {
	struct gvm *vm;
	struct gvcpu *vcpu;
	struct kvm_s390_sie_block *sie;
	struct uvsim_conf *conf;	/* NULL: not protected */
	struct uvsim_cpu *cpu;
	u64 *r;			/* 16 */
	u64 mask, addr;		/* PSW */
	u64 cr[16];
	u32 prefix;
	u64 cputm, ckc, epoch, pp;
	u16 todpr;
	u64 since;		/* host TOD at which cputm was right */
	u16 ilc;
	u64 teid;
	u64 entry;		/* real address of the table entry that is invalid */
	u64 fault;		/* guest absolute, with TEID_FSI and G_HOST */
	u16 fault_code;
};

/* Per CPU. The first part is known to world.S by offset. */
struct world {
	u64 hcr[16];
	u64 gcr[16];
	u32 hprefix, gprefix;
	u64 htimer, quantum, left;
	u64 hstack;
	u64 hspace;		/* operand of SACF: address space of the kernel */
	/* its lowcore; inside it is at 0, and what is at @lowcore is at absolute 0 */
	u8 *lowcore;
	u8 *lc;			/* where it is now */

	/* of the host, while a protected guest has the CPU's */
	u64 hvregs[32][2];
	u32 hacrs[16], hfpc;

	struct gcpu g;
	struct space *primary, *secondary;
	enum { RAISE_NONE, RAISE_PGM, RAISE_EXT, RAISE_IO } raise;
	u64 fetched;		/* page that the last fault made executable ... */
	u64 fetched_by;		/* ... for the instruction at this address */
	bool inside;
	u64 bug[4];
};

/*
 * The lowcore of a world is a copy of the CPU's, so that kernel code finds there
 * who it is, but for these
 */
#define LC_GPRS		0xc80
#define LC_PSW		0xd00
#define LC_WORLD	0xd10
#define LC_OWN_START	0xc00
#define LC_OWN_END	0xe00

/* Interruption classes as world.S names them: old PSW is at 0x120 + 16 * class */
enum { WORLD_EXT = 1, WORLD_SVC, WORLD_PGM, WORLD_MCHK, WORLD_IO };

/* What world.S does next */
enum { WORLD_LEAVE = -1, WORLD_RESUME, WORLD_RELOAD };

/* Control registers 0 to 15 of this CPU */
static inline void uvsim_store_crs(u64 *cr)
{
	asm volatile("	stctg	0,15,0(%0)\n" : : "a" (cr) : "memory");
}

/* Sets the TOD programmable register of this CPU; what it was */
static inline u16 uvsim_swap_todpr(u16 todpr)
{
	u16 clock[8];

	asm volatile("	stcke	%0\n"
		"	lgr	0,%1\n"
		"	sckpf\n"
		: "=Q" (clock) : "d" ((u64)todpr) : "0", "cc");
	return clock[7];
}

/* world.S */
void uvsim_world_enter(struct world *w);
void uvsim_world_ext(void);
void uvsim_world_svc(void);
void uvsim_world_pgm(void);
void uvsim_world_mchk(void);
void uvsim_world_io(void);
void uvsim_raise_pgm(void);
void uvsim_raise_ext(void);
void uvsim_raise_io(void);
long uvsim_world_interrupted(struct world *w, unsigned long class);

/* run.c */
unsigned int uvsim_world_uses(const struct space *s);
int uvsim_alloc_worlds(void);
void uvsim_free_worlds(void);
u64 uvsim_cpu_timer(const struct gcpu *g);
bool uvsim_irq_due(const struct gcpu *g);

/* vm.c */
struct gvm *uvsim_find_vm(struct gmap *gmap, u64 asce, u64 conf_handle);
void uvsim_call_vm(u64 conf_handle, void (*call)(struct gvm *vm, void *arg), void *arg);
void uvsim_pages_change(struct gmap *gmap, unsigned long start, unsigned long end);
void uvsim_entry_changes(u64 table, u64 abs);
void uvsim_tables_end(u64 asce);
struct gvcpu *uvsim_find_vcpu(struct gvm *vm, struct kvm_s390_sie_block *sie);
void uvsim_collect_vms(void);

/* storage.c; with vm->lock */
u8 *uvsim_g_abs(struct gcpu *g, u64 abs, bool write, int *rc);
struct gpage *uvsim_g_page(struct gcpu *g, u64 abs, bool write, int *rc);
u64 uvsim_g_prefixed(const struct gcpu *g, u64 real);
u64 uvsim_g_wrap(const struct gcpu *g, u64 addr);
int uvsim_g_walk(struct gcpu *g, u64 asce, u64 va, u64 *abs, u64 *flags, u64 *gpto);
int uvsim_g_translate(struct gcpu *g, u64 asce, unsigned int as, u64 va, bool write, u64 *abs);
int uvsim_g_access(struct gcpu *g, u64 va, void *buf, unsigned int len, bool fetch, bool write);
int uvsim_g_real(struct gcpu *g, u64 real, void *buf, unsigned int len, bool write);
int uvsim_g_lowcore(struct gcpu *g, u64 offset, void *buf, unsigned int len, bool write);
u64 uvsim_g_asce(const struct gcpu *g, bool fetch);
void uvsim_vm_drop_pages(struct gvm *vm);
void uvsim_vm_revalidate(struct gvm *vm);
void uvsim_vm_unmap(struct gvm *vm, u64 start, u64 end);
void uvsim_vm_unmap_entry(struct gvm *vm, u64 table, u64 abs);
struct gchunk *uvsim_vm_chunk(struct gvm *vm, u64 abs);

static inline int uvsim_g_read(struct gcpu *g, u64 va, void *buf, unsigned int len)
{
	return uvsim_g_access(g, va, buf, len, false, false);
}

static inline int uvsim_g_write(struct gcpu *g, u64 va, void *buf, unsigned int len)
{
	return uvsim_g_access(g, va, buf, len, false, true);
}

/* shadow.c; with vm->lock */
struct space *uvsim_space_get(struct gvm *vm, u64 asce, u32 prefix, bool problem);
void uvsim_space_put(struct gvm *vm, struct space *s);
void uvsim_spaces_drop(struct gvm *vm, u64 asce);
void uvsim_spaces_drop_all(struct gvm *vm);
void uvsim_shadow_unmap(struct gpage *page);
void uvsim_shadow_drop_text(struct gpage *page);
void uvsim_shadow_ipte(struct gvm *vm, u64 gpto, unsigned int first, unsigned int n);
int uvsim_shadow_fault(struct world *w, u16 pic);

/* emulate.c; with vm->lock */
int uvsim_fetch(struct gcpu *g, u64 at, u16 *insn, bool *executed);
int uvsim_emulate(struct gcpu *g, u16 *insn);
int uvsim_mvcos(struct gcpu *g, u16 *insn);
int uvsim_move_between_spaces(struct gcpu *g, u16 *insn);
bool uvsim_tcg_lacks(const u16 *insn);
u64 uvsim_operand_s(const struct gcpu *g, u16 bd);
void uvsim_guest_facilities(struct gcpu *g, u64 *list);	/* 16 doublewords */
void uvsim_set_gcc(struct gcpu *g, u64 cc);
bool uvsim_nullifies(u16 pic);

/* deliver.c; with vm->lock */
int uvsim_swap_psw(struct gcpu *g, u64 old, u64 new);
int uvsim_deliver_pgm(struct world *w, u16 pic);
int uvsim_deliver_svc(struct world *w);
int uvsim_deliver_ext(struct gcpu *g, u16 code, u16 cpu, u32 parm);
bool uvsim_psw_valid(u64 mask, u64 addr);

/* pvguest.c */
int uvsim_pv_enter(struct gcpu *g);
int uvsim_pv_instruction(struct gcpu *g, u16 *insn);
void uvsim_pv_irq_enabled(struct gcpu *g);
void uvsim_pv_show_psw(struct gcpu *g);

/* pvpage.c */
int uvsim_pv_page(struct gcpu *g, struct gpage *page, u64 abs, u64 host);
void uvsim_pv_flush(struct uvsim_conf *conf, struct gpage *page, struct page_meta *meta);
void uvsim_pv_drop(struct gpage *page);
void uvsim_pv_before_page_op(u64 handle);		/* no lock */

/* trap.c: of the host that is about to enter SIE */
struct gmap *uvsim_host_gmap(struct pt_regs *regs, u64 *asce);
void uvsim_hold_gmap(struct gmap *gmap);
bool uvsim_gmap_gone(struct gmap *gmap);
void uvsim_release_gmap(struct gmap *gmap);
int uvsim_watch_gmaps(bool on);
int uvsim_watch_pte(u64 *ptep, bool write, u64 *value);
bool uvsim_in_sie(unsigned long *addr, u8 **flag);
unsigned long uvsim_host_space(void);
u8 *uvsim_host_lowcore(void);
void uvsim_host_facilities(u64 *list);
bool uvsim_guest_fpu(void);

/* stat.c: numbers of things that happened, debugfs file "sie" */
enum uvsim_stat {
	STAT_ENTER, STAT_SLICES, STAT_WORLD, STAT_RELOAD, STAT_SVC, STAT_PGM, STAT_FAULT,
	STAT_MAP, STAT_HOST_FAULT, STAT_PRIVILEGED, STAT_INTERCEPT, STAT_WAIT, STAT_SPACE,
	STAT_DROP, STAT_UNMAP, STAT_EXT, STAT_IO, STAT_PATCHED, STAT_PV_PAGE, STAT_PV_FLUSH,
	GUEST_STATS
};

void uvsim_count(enum uvsim_stat what);
void uvsim_count_insn(const u16 *insn);

#endif /* UVSIM_GUEST_H */
