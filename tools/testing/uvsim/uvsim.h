/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uvsim: what the files of the simulator share
 *
 * The model's structures, its response codes, and what one file offers the
 * others. The interface to the outside is in uvcb.h. Nobody outside of the
 * simulator includes this.
 */
#ifndef UVSIM_H
#define UVSIM_H

#include <crypto/hash.h>
#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include "uvcb.h"

struct seq_file;
struct pt_regs;
struct kvm_s390_sie_block;

#define UVSIM_MAX_CONFS		64
#define UVSIM_MAX_CPUS		1024	/* of all configurations */
#define UVSIM_MAX_CPU_ID	256

#define UVSIM_PAGES_PER_MIB	(SZ_1M / PAGE_SIZE)

/* In the state description: the kernel keeps the CPU out of SIE */
#define PROG20_BLOCKED		1
#define PROG20_NO_SIE		3		/* blocked, or there are requests */

/* Interception codes, the PSW that goes with them */
#define ICPT_NONE		0x00
#define ICPT_INSTRUCTION	0x04
#define ICPT_ENABLED_WAIT	0x1c
#define ICPT_NOT_VALID		0x20
#define ICPT_STOP		0x28
#define ICPT_PV_INSTRUCTION	0x68
#define ICPT_PV_NOTIFICATION	0x6c
#define PSW_WAIT		0x0002000000000000UL
#define PSW_ENABLED_WAIT	0x0306000180000000UL	/* IO, external, mcheck */

/* rc in the low, rrc in the high halfword */
#define RC(_rc, _rrc)		((u32)(_rc) | (u32)(_rrc) << 16)
#define RC_OK			RC(0x0001, 0)
#define RC_INV_CMD		RC(0x0002, 0)
#define RC_INV_STATE		RC(0x0003, 0)
#define RC_INV_LEN		RC(0x0005, 0)
#define RC_INV_CONF		RC(0x0020, 0)
#define RC_INV_CPU		RC(0x0021, 0)
#define RC_MORE_DATA		RC(0x0100, 0)
#define RC_NOT_MAPPED		RC(0x010a, 0)
#define RC_NOT_SECURE		RC(0x0107, 0xd)

/* or'ed into a response of create: the configuration has to be destroyed */
#define RC_DESTROY		0x8000

#define FEATURE_MISC		0x8000000000000000UL

/* Codes of our own; the real ones are not published. */
enum uvsim_rc {
	/* any command: a reserved field is not zero, an operand is nonsense */
	RC_RESERVED		= 0x0180,
	RC_OPERAND		= 0x0181,

	/* create configuration: table full or module on its way out */
	RC_CONF_LIMIT		= 0x0182,
	RC_VAR_STOR		= 0x0183,
	/* destroy configuration, fast or not: CPUs are left */
	RC_CONF_BUSY		= 0x0184,

	/* import, unpack, pin, unpin */
	RC_PAGE_RANGE		= 0x0185,	/* beyond the guest's end */
	RC_PAGE_LARGE		= 0x0186,	/* mapped by a large page */
	RC_PAGE_FOREIGN		= 0x0187,	/* secure in another place */
	RC_PAGE_INTEGRITY	= 0x0188,	/* changed since the export */
	RC_PAGE_USED		= 0x0189,	/* unpacked or imported before */
	RC_PAGE_NOT_SHARED	= 0x018a,	/* or not pinned */
	RC_PAGE_PINNED		= 0x018b,	/* what a guest's unshare meets */

	/* 0x0400 ... 0x0403 */
	RC_DUMP_FORBIDDEN	= 0x0101,	/* PCF bit 34 is off */
	RC_DUMP_NOT_VERIFIED	= 0x0102,	/* no verified image */
	RC_DUMP_ACTIVE		= 0x0103,	/* INIT during a dump */
	RC_DUMP_INACTIVE	= 0x0104,	/* no INIT before */
	RC_DUMP_ALIGN		= 0x0105,	/* address not MiB aligned */
	RC_DUMP_RANGE		= 0x0106,	/* address beyond the guest */
	RC_DUMP_AREA		= 0x0107,	/* area not accessible */
	RC_DUMP_LEN		= 0x0108,	/* reported length too short */
};

/* Broken: created with RC_DESTROY, good for nothing but destroy */
enum conf_state { CONF_NEW, CONF_HEADER, CONF_UNPACKING, CONF_VERIFIED, CONF_BROKEN };

enum cpu_state {
	CPU_OPERATING = 1,
	CPU_STOPPED = 2,
	CPU_CHECK_STOP = 3,
	CPU_LOAD = 5,
};

/* Low bits of struct page_meta.place */
enum page_state { STATE_ZERO, STATE_EXPORTED, STATE_SECURE, STATE_SHARED };
#define PAGE_STATE		3UL
#define PAGE_PINNED		4UL	/* a shared page the host relies on */

/* In the configuration's variable storage, one per guest page */
struct page_meta {
	u64 component;
	u64 digest;
	/* Absolute address | enum page_state; the address is 0 if it has none */
	u64 place;
	struct page_meta *next;		/* hash chain of the pages with an address */
};

#define VAR_LEN_PER_MIB		(UVSIM_PAGES_PER_MIB * sizeof(struct page_meta))

#define SHA512_LEN		64
#define SHA_STATE_LEN		HASH_MAX_DESCSIZE

/* First page of the variable storage: the running image measurement */
struct measurement {
	u8 pld[SHA_STATE_LEN] __aligned(8);
	u8 ald[SHA_STATE_LEN] __aligned(8);
	u8 tld[SHA_STATE_LEN] __aligned(8);
};

#define VAR_BASE_LEN		PAGE_SIZE
static_assert(sizeof(struct measurement) <= VAR_BASE_LEN);

/* In the configuration's base storage */
struct uvsim_conf {
	u64 handle;
	u64 var;
	u64 var_len;
	u64 len;
	u64 asce;
	u64 last_component;
	u64 used_pages;
	u64 unpacked;
	struct page_meta *pages;
	struct measurement *meas;
	pid_t tgid;
	u32 dumps;
	enum conf_state state;
	u32 cpus;
	bool dumping;
	bool reset;		/* prepared since it was verified */
	/* keys: a setkey() of something unaligned would allocate */
	u8 nonce[16] __aligned(8);
	u8 xts_key[64] __aligned(8);
	struct uvsim_se_secret secret;
	u64 pcf;
	u64 image_pages;
	u8 pld[SHA512_LEN];
	u8 ald[SHA512_LEN];
	u8 tld[SHA512_LEN];
	u8 seed[64] __aligned(8);
	u8 dump_key[32] __aligned(8);
};

#define CONF_BASE_LEN		(4 * PAGE_SIZE)
static_assert(sizeof(struct uvsim_conf) <= CONF_BASE_LEN);

/* In the CPU's storage. As long as a dump block, the least we can report. */
struct uvsim_cpu {
	u64 handle;
	u64 conf_handle;
	u64 sd;
	u16 num;
	u8  state;
	u8  keep_psw;
	u8  in_instruction;
	u8  was_reset;		/* whatever it was doing in SIE is over */
	u16 next_step;
	u8  load_psw;		/* from absolute 0 */
	u8  restart;		/* the host has been told to start it */
	u8  reserved[14];
	struct uvsim_cpu_regs regs;
};

static_assert(sizeof(struct uvsim_cpu) == sizeof(struct uvsim_dump_cpu));

/*
 * One lock for the whole model. UVCs arrive under page table locks and with
 * interrupts off; nothing taken inside of it ever issues a UVC. Unless it says
 * otherwise, whatever is declared below is called with this lock held.
 */
extern spinlock_t uvsim_lock;

/* violation.c */
__printf(1, 2) void uvsim_violation(const char *fmt, ...);
__printf(1, 2) void uvsim_complain(const char *fmt, ...);	/* takes the lock */

/* access.c: no lock */
bool uvsim_read_u64(u64 addr, u64 *value);
bool uvsim_readable(u64 addr, u64 len);
bool uvsim_writable(u64 addr, u64 len);
u64 uvsim_abs_to_virt(u64 abs, u64 len);

/* crypto.c */
extern u8 uvsim_se_buf[UVSIM_SE_MAX_LEN];
int uvsim_xts_page(u64 addr, const u8 *key, u64 tweak0, u64 tweak1, bool encrypt);
int uvsim_derive_dump_key(const u8 *cck, const u8 *seed, u8 *key);
u64 uvsim_page_digest(u64 addr);
int uvsim_measure_start(struct measurement *m);
int uvsim_measure(struct measurement *m, const void *content, u64 gaddr, const u64 *tweak);
bool uvsim_measured(const struct measurement *m, const u8 *pld, const u8 *ald, const u8 *tld);
bool uvsim_sha_equals(const u8 *state, const u8 *expected);
int uvsim_seal_final(struct uvsim_dump_final *f, const u8 *key, const u8 *seed,
		     const u8 *iv, const u8 *nonce, const u8 *xts_key);
int uvsim_seal_cpu(struct uvsim_dump_cpu *b, const u8 *key, const u8 *iv,
		   const struct uvsim_cpu_regs *regs);
bool uvsim_se_header_consistent(const struct uvsim_se_header *h, u32 len);
int uvsim_open_se_header(struct uvsim_se_header *h, const u8 *key,
			 struct uvsim_se_secret *secret);
int uvsim_alloc_crypto(void);
void uvsim_free_crypto(void);

/* kat.c: takes the lock */
int uvsim_check_known_answers(void);

/* config.c */
extern unsigned int uvsim_nr_confs;
struct uvsim_conf *uvsim_next_conf(unsigned int *slot);
struct uvsim_conf *uvsim_find_conf(u64 handle);
struct uvsim_conf *uvsim_newest_conf(pid_t tgid);
u32 uvsim_unknown_conf(u64 handle);
bool uvsim_donated(u64 addr, u64 len);
u32 uvsim_uvc_create_conf(void *block);
u32 uvsim_uvc_destroy_conf(void *block);
u32 uvsim_uvc_destroy_conf_fast(void *block);
u32 uvsim_uvc_prep_reset(void *block);

static inline bool uvsim_ranges_overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* cpu.c */
extern unsigned int uvsim_nr_cpus;
struct uvsim_cpu *uvsim_next_cpu(unsigned int *slot);
extern const struct file_operations uvsim_registers_fops;
struct uvsim_cpu *uvsim_find_cpu(u64 handle);
struct uvsim_cpu *uvsim_find_cpu_num(u64 conf_handle, u16 num);
#define UVSIM_NO_CPU	(~0U)
u32 uvsim_order_cpu(u64 conf_handle, u16 num, u8 order, bool there, u32 prefix, u8 *to);
void uvsim_drop_templates(void);	/* takes the lock */
u32 uvsim_unknown_cpu(u64 handle);
u32 uvsim_uvc_create_cpu(void *block);
u32 uvsim_uvc_destroy_cpu(void *block);
u32 uvsim_uvc_cpu_reset(void *block);
u32 uvsim_uvc_cpu_initial_reset(void *block);
u32 uvsim_uvc_cpu_clear_reset(void *block);
u32 uvsim_uvc_set_state(void *block);

/* page.c */
static inline enum page_state uvsim_page_state(const struct page_meta *page)
{
	return page->place & PAGE_STATE;
}

struct page_meta *uvsim_placed_page(u64 abs, struct uvsim_conf **conf, u64 *gaddr);
void uvsim_take_away(struct page_meta *page, enum page_state state);
u32 uvsim_walk(const struct uvsim_conf *conf, u64 gaddr, u64 *abs);
bool uvsim_is_mapped(const struct uvsim_conf *conf, const struct page_meta *page);
u32 uvsim_find_page(struct uvsim_conf *conf, u64 gaddr, struct page_meta **page,
		    u64 *abs, u64 *addr);
int uvsim_crypt_page(const struct uvsim_conf *conf, u64 component, u64 addr, bool encrypt);
u32 uvsim_secure_page(struct uvsim_conf *conf, struct page_meta *page, u64 abs, u64 addr);
void uvsim_destroy_page(struct uvsim_conf *conf, struct page_meta *page, u64 addr);
u32 uvsim_import_page(struct uvsim_conf *conf, u64 gaddr);
u32 uvsim_export_page(struct uvsim_conf *conf, u64 gaddr);
u32 uvsim_share_page(struct uvsim_conf *conf, u64 gaddr);
u32 uvsim_unshare_page(struct uvsim_conf *conf, u64 gaddr);
bool uvsim_store_secret(struct uvsim_conf *conf, u64 gaddr, u64 value);
u32 uvsim_uvc_import(void *block);
u32 uvsim_uvc_export(void *block);
u32 uvsim_uvc_destroy_page(void *block);
u32 uvsim_uvc_pin_shared(void *block);
u32 uvsim_uvc_unpin_shared(void *block);
u32 uvsim_uvc_unshare_all(void *block);

/* image.c */
u32 uvsim_uvc_set_parms(void *block);
u32 uvsim_uvc_unpack(void *block);
u32 uvsim_uvc_verify(void *block);
void uvsim_forget_header_keys(void);	/* takes the lock */

/* dump.c */
extern u64 uvsim_area_align;
u32 uvsim_uvc_dump_init(void *block);
u32 uvsim_uvc_dump_stor(void *block);
u32 uvsim_uvc_dump_cpu(void *block);
u32 uvsim_uvc_dump_complete(void *block);

/* objects.c */
void uvsim_carry_out_orders(struct uvsim_conf *conf);

/* uvc.c */
struct uvsim_uv_init { bool done; u64 base, len; };
extern struct uvsim_uv_init uvsim_uv_init;
extern struct uvsim_cb_qui uvsim_qui;
extern u64 uvsim_nr_sie, uvsim_nr_late, uvsim_nr_plo;
extern u16 uvsim_current_cmd;
int uvsim_uvc(u64 operand, u64 addr);	/* takes the lock */
void uvsim_default_qui(void);

/* fault.c */
int uvsim_apply_rules(u16 cmd, u32 *rc, u64 *delay_us);
bool uvsim_have_rules(void);		/* no lock */
u32 uvsim_sie_delay_us(void);		/* no lock */
void uvsim_delay(u64 us);		/* without the lock */

/* busy.c */
void uvsim_busy_call(u64 handle, const void *block, u16 len, bool ends);
void uvsim_busy_answer(u64 handle, const void *block, u16 len);
u16 uvsim_busy_cmd(u64 handle);

/* sie.c */
void uvsim_enter_sie(struct uvsim_sd *sd, struct pt_regs *regs);	/* takes the lock */
void uvsim_intercept(struct uvsim_sd *sd, u8 code, u16 ipa, u32 ipb);

/* script.c */
bool uvsim_scripted(bool protected);
void uvsim_script_plain(struct uvsim_sd *sd, unsigned long *gprs);
void uvsim_script_protected(struct uvsim_sd *sd, struct uvsim_conf *conf,
			    struct uvsim_cpu *cpu);

/* run.c, vm.c, pvpage.c: guests that run; no lock */
void uvsim_run(struct pt_regs *regs, struct kvm_s390_sie_block *sie, u64 cpu_handle);
bool uvsim_conf_runs(u64 conf_handle);
void uvsim_pv_before_uvc(u16 cmd, const void *block);
int uvsim_start_vms(void);
void uvsim_stop_vms(void);

/* trap.c: no lock */
bool uvsim_sie_is_real(void);
int uvsim_catch_traps(void);
void uvsim_release_traps(void);
void uvsim_publish_qui(void);
void uvsim_change_globals(void);
void uvsim_hide_uv(void);
void uvsim_restore_globals(void);

/* control.c: no lock */
void uvsim_create_files(void);
void uvsim_remove_files(void);
char *uvsim_next_pair(char **text, u64 *value);

/*
 * The debugfs files: NAME_show() prints, NAME_set() is given the directive of one
 * write(). They take the lock.
 */
#define UVSIM_DEBUGFS(_name)						\
	int uvsim_##_name##_show(struct seq_file *m, void *v);		\
	int uvsim_##_name##_set(char *text)

UVSIM_DEBUGFS(header_keys);
UVSIM_DEBUGFS(faults);
UVSIM_DEBUGFS(counters);
UVSIM_DEBUGFS(objects);
UVSIM_DEBUGFS(violations);
UVSIM_DEBUGFS(qui);
UVSIM_DEBUGFS(script);
UVSIM_DEBUGFS(sie);

#endif /* UVSIM_H */
