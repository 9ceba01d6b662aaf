// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim - an Ultravisor simulator for s390 kernels under QEMU TCG
 *
 * TCG implements neither the Ultravisor call (UVC, 0xb9a4) nor PLO nor SIE;
 * each ends as an operation exception, and in kernel mode the kernel offers
 * those to the die notifiers before it gives up. This module is such a
 * notifier. It answers UVCs from a model of the Ultravisor with real SE
 * headers, real page encryption and real dump data, PLO with "not available"
 * and SIE with what a script says, or else "returned, nothing to intercept".
 * Protected VMs then can be created, filled, verified and dumped; guest code
 * never runs.
 *
 * Use: load before kvm.ko (CONFIG_KVM=m), boot with allocate_pgste set. A
 * machine that has facility 158 is refused unless force158=1 says that the
 * kernel parameter "facilities=158" faked it. While a configuration lives the
 * module cannot be removed; all kernel variables it changed are restored.
 * Remove it only when nobody enters SIE any more, i.e. with kvm.ko unloaded or
 * idle, and after the processes that had protected VMs are gone.
 *
 * debugfs, /sys/kernel/debug/uvsim/ (one directive per write()):
 *  header_keys "<host key hash> <SE header key>" in hex, or "clear"
 *  faults      "cmd=0x401 nth=3 rc=0x123 rrc=0x4 [count=N]"
 *              "cmd=0x401 nth=1 busy=5 [cc=2|3] [count=N]"
 *              "cmd=0x401 delay_us=1000 [count=N]"; count=0 is "for ever";
 *              "clear"
 *  counters    per command: calls, errors, busy answers; any write resets
 *  objects     live configurations, CPUs and pages; directives for pages:
 *              "share gaddr=0x1000 tgid=42", also unshare, export, import: in
 *              the newest configuration of that process; without tgid in each
 *              configuration, when it has been verified; "clear" forgets these.
 *              "uninit": Initialize Ultravisor is to be called; "init": it was
 *  violations  calls that break the interface; any write clears
 *  qui         key=value list of what is reported to the kernel; "reset"
 *  registers   binary, struct uvsim_regs_record: CPU contents for the dumps
 *  script      what vcpus do, see below
 *
 * The parameter cheap=1 makes the dump calls answer at once, so that benchmarks
 * measure the kernel; while there are fault rules they take the long way. A
 * fault rule that lets destroy fail leaves the object, its storage and the
 * module behind, as the kernel intends.
 *
 * Memory model. TCG has no secure storage, and as no guest code runs nobody
 * needs the plaintext: a secure page is kept in its exported form in place at
 * all times, encrypted with the configuration's XTS key. Export only drops the
 * page's secure state, import checks that the content is what was exported and
 * encrypts it anew. A page that was never touched is in state "zero"; an import
 * of such a page makes it an encrypted page of zeros. A shared page is plaintext.
 * Every encryption takes a fresh component: 8 zero bytes and a 64 bit counter;
 * the nonce lives in the other half, so that component OR nonce is unique.
 *
 * Scripts. A script is a list of steps for all VMs. Each time a vcpu enters SIE
 * it takes its next step: the step changes what it names and then says why SIE
 * returns. A write() to "script" adds one step, "clear" removes all, a read
 * shows them with the number of times each was taken.
 *
 *  "plain|pv [cpu=N] [dumps=N] [REGISTER=VALUE ...] [at=GADDR value=U64]
 *   [icpt=CODE] [ipa=U16] [ipb=U32]"
 *
 * plain is for a vcpu that is not protected, pv for one that is; without cpu=
 * for each of that kind. dumps= holds the step back until the configuration
 * was dumped that often. REGISTER is r0..r15, for pv also c0..c15 and a0..a15,
 * psw_mask, psw_addr, prefix, fpc, todpr, timer and todcmp. What a pv step
 * changes is seen in dumps only, but for an instruction interception (0x68,
 * 0x6c), which shows the r registers that the step names to KVM. From 0x68 on
 * until the next entry a dump tells that the CPU is in the middle of an
 * instruction. at= is eight bytes of a protected guest's memory; the page is
 * encrypted again with a fresh component. It has to be mapped and writable,
 * otherwise the step waits for that. icpt= is the interception code; 0, the
 * default, has KVM enter SIE again at once.
 *
 * A vcpu that has no step left, or has to wait with the next one, is in an
 * enabled wait (0x1c); one that is to stop does (0x28). A vcpu for which there
 * was no step at all gets 0, as without a script. With each plain step the PSW
 * moves on by four bytes; when somebody else has changed it, the steps start
 * again from the top. Those for pv do so with every vcpu that becomes protected.
 *
 *  "boot [ipib=GADDR]"
 *
 * adds the steps of a VM that starts an SE image as its kernel: diagnose 0x308
 * with subcode 8 and the address of the IPIB, then with subcode 10, both on CPU
 * 0; after that the protected vcpus wait. By default the IPIB is on the page
 * behind the one that the PSW points to, where seimg puts it.
 *
 * Everything the model knows about a configuration or CPU is stored in the
 * memory the kernel donated for it, as a real Ultravisor does. Hence nothing
 * is allocated in the notifier, and a donation that is too short, freed early
 * or shared shows up.
 *
 * Responses. Generic codes and those of create, import, set parameters,
 * unpack and verify are the known ones. Not public, chosen here: enum
 * uvsim_rc.
 *
 * While a configuration is being dumped, CPU reset, CPU set state, prepare
 * reset, unshare all and the image commands answer "invalid state".
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/hash.h>
#include <crypto/skcipher.h>
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/kdebug.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/siphash.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <asm/facility.h>
#include <asm/ptrace.h>
#include <asm/sclp.h>
#include <asm/uv.h>
#include "uvcb.h"

#define UVSIM_MAX_CONFS		64
#define UVSIM_MAX_CPUS		1024	/* of all configurations */
#define UVSIM_MAX_CPU_ID	256
#define UVSIM_MAX_KEYS		16
#define UVSIM_MAX_RULES		16
#define UVSIM_MAX_TEXTS		32
#define UVSIM_MAX_ORDERS	32
#define UVSIM_MAX_STEPS		64
#define UVSIM_MAX_CHANGES	12	/* registers that one step changes */
#define UVSIM_MAX_PLAIN		64	/* vcpus in a script, not protected */
#define UVSIM_HASH_SIZE		8192

#define PTE_INVALID		0x400
#define PTE_PROTECTED		0x200

#define UVSIM_PAGES_PER_MIB	(SZ_1M / PAGE_SIZE)

#define PROG20_BLOCKED		1
#define PROG20_NO_SIE		3		/* blocked, or there are requests */

/* Interception codes, the PSW that goes with them */
#define ICPT_NONE		0x00
#define ICPT_INSTRUCTION	0x04
#define ICPT_ENABLED_WAIT	0x1c
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
	u64 base;
	u64 var;
	u64 var_len;
	u64 len;
	u64 asce;
	u64 sca;
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
	u8  reserved;
	u16 next_step;
	u8  reserved1[16];
	struct uvsim_cpu_regs regs;
};

static_assert(sizeof(struct uvsim_cpu) == sizeof(struct uvsim_dump_cpu));

struct command {
	u16 cmd;
	u16 len;
	u8  bit;
	u8  own_len_check;
	u8  on_request;			/* reported only if "qui" says so */
	u32 (*handler)(void *cb);
	const u8 (*reserved)[2];	/* offset, length; ends with length 0 */
	u64 calls, errors, busy;
};

struct rule {
	bool used;
	u16 cmd, rc, rrc;
	u64 nth, count, seen, hits;
	u32 busy, busy_done, delay_us;
	u8 cc;
};

/* One entry to SIE; what the fields mean is in the head comment */
struct step {
	bool protected, any_cpu, store, find_ipib;
	u8 icpt, changes;
	u16 cpu, ipa;
	u32 ipb, dumps;
	u64 at, value, taken;
	struct { u16 offset, size; u64 value; } reg[UVSIM_MAX_CHANGES];
};

/*
 * One lock for the whole model. UVCs arrive under page table locks and with
 * interrupts off; nothing taken inside of it ever issues a UVC.
 */
static DEFINE_SPINLOCK(uvsim_lock);

static struct { u64 handle; struct uvsim_conf *conf; } conf_slots[UVSIM_MAX_CONFS];
static struct { u64 handle; struct uvsim_cpu *cpu; } cpu_slots[UVSIM_MAX_CPUS];
static u64 next_conf = 1, next_cpu = 1;
static unsigned int nr_confs, nr_cpus;
static struct page_meta *placed_pages[UVSIM_HASH_SIZE];

/* Initialize Ultravisor: done, as by the kernel at boot, until told otherwise */
static struct { bool done; u64 base, len; } uv_init = { .done = true };

static struct { u8 hash[32], key[32]; } header_keys[UVSIM_MAX_KEYS] __aligned(8);
static unsigned int nr_header_keys;
static struct uvsim_regs_record *templates[UVSIM_MAX_CPU_ID + 1];
static struct rule rules[UVSIM_MAX_RULES];
static struct uvsim_cb_qui qui;
static struct step steps[UVSIM_MAX_STEPS];
static unsigned int nr_steps;

/* Where vcpus that are not protected are in the script; the oldest is dropped */
static struct plain_cpu {
	struct uvsim_sd *sd;
	pid_t tgid;
	u16 next_step;
	u64 psw_addr;
} plain_cpus[UVSIM_MAX_PLAIN];
static unsigned int next_plain;

static u64 nr_violations, nr_sie, nr_plo;
static char violation_text[UVSIM_MAX_TEXTS][112];
static u16 current_cmd;

static bool cheap;
module_param(cheap, bool, 0644);
MODULE_PARM_DESC(cheap, "dump calls answer at once, for benchmarks");
static bool force158;
module_param(force158, bool, 0444);
MODULE_PARM_DESC(force158, "facility 158 is faked, load nevertheless");

static __printf(1, 2) void violation(const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	lockdep_assert_held(&uvsim_lock);
	if (nr_violations < UVSIM_MAX_TEXTS) {
		text = violation_text[nr_violations];
		n = scnprintf(text, sizeof(violation_text[0]), "cmd 0x%04x tgid %d: ",
			      current_cmd, current->tgid);
		va_start(args, fmt);
		vscnprintf(text + n, sizeof(violation_text[0]) - n, fmt, args);
		va_end(args);
	}
	nr_violations++;
}

/*
 * Access checks. Addresses come from the code under test, so they are touched
 * once per page with an exception table entry before they are used.
 */
static bool can_read_byte(u64 addr)
{
	int ok = 0;

	asm volatile("0:	tm	0(%[addr]),0xff\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok)
		: [addr] "a" (addr)
		: "cc", "memory");
	return ok;
}

static bool can_write_byte(u64 addr)
{
	int ok = 0;

	/* OR a byte with itself: a store access that changes nothing */
	asm volatile("0:	oc	0(1,%[addr]),0(%[addr])\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok)
		: [addr] "a" (addr)
		: "cc", "memory");
	return ok;
}

/* In one access: what @addr points to may be freed by another CPU. */
static bool read_u64(u64 addr, u64 *value)
{
	int ok = 0;

	*value = 0;
	asm volatile("0:	lg	%[value],0(%[addr])\n"
		"	lhi	%[ok],1\n"
		"1:\n"
		EX_TABLE(0b, 1b)
		: [ok] "+d" (ok), [value] "+d" (*value)
		: [addr] "a" (addr)
		: "memory");
	return ok;
}

static bool accessible(u64 addr, u64 len, bool (*can)(u64 addr))
{
	u64 last, pos;

	if (!len || addr + len < addr)
		return false;
	last = addr + len - 1;
	for (pos = addr; pos <= last; pos = (pos & PAGE_MASK) + PAGE_SIZE) {
		if (!can(pos))
			return false;
		if ((pos & PAGE_MASK) == (last & PAGE_MASK))
			break;
	}
	return true;
}

static bool readable(u64 addr, u64 len)
{
	return accessible(addr, len, can_read_byte);
}

static bool writable(u64 addr, u64 len)
{
	return accessible(addr, len, can_write_byte);
}

/*
 * Kernel address of absolute storage, 0 if that is not main storage. Reads
 * only: unlike donated storage it can be in use by other CPUs.
 */
static u64 abs_to_virt(u64 abs, u64 len)
{
	u64 addr;

	if (!len || abs + len < abs || !pfn_valid(abs >> PAGE_SHIFT) ||
	    !pfn_valid((abs + len - 1) >> PAGE_SHIFT))
		return 0;
	addr = (u64)__va(abs);
	return readable(addr, len) ? addr : 0;
}

/*
 * Crypto. The notifier is atomic, hence synchronous transforms allocated at
 * load time, all users under uvsim_lock. "gcm(aes)" is not among them because
 * its setkey allocates with GFP_KERNEL and may wait; GCM is CTR mode, which is
 * there, and 128 bit multiplications, which are few lines.
 */
static struct crypto_skcipher *xts_tfm, *ctr_tfm;
static struct skcipher_request *xts_req, *ctr_req;
static struct crypto_shash *sha_tfm, *hmac_tfm;
static struct shash_desc *sha_desc, *hmac_desc;
static siphash_key_t digest_key;

/* Scatterlists need linear memory: 16 bytes for the tag mask, then the data */
#define SCRATCH_LEN		(2 * PAGE_SIZE + UVSIM_SE_MAX_LEN)
static u8 *scratch;
static u8 se_buf[UVSIM_SE_MAX_LEN] __aligned(8);

static int xts_page(u64 addr, const u8 *key, u64 tweak0, u64 tweak1, bool encrypt)
{
	u64 iv[2] __aligned(16) = { tweak0, tweak1 };
	struct scatterlist sg;
	int ret;

	ret = crypto_skcipher_setkey(xts_tfm, key, 64);
	if (ret)
		return ret;
	sg_init_one(&sg, (void *)addr, PAGE_SIZE);
	skcipher_request_set_callback(xts_req, 0, NULL, NULL);
	skcipher_request_set_crypt(xts_req, &sg, &sg, PAGE_SIZE, iv);
	return encrypt ? crypto_skcipher_encrypt(xts_req) :
			 crypto_skcipher_decrypt(xts_req);
}

/* CTR mode over the first @len bytes of scratch */
static int ctr_scratch(const u8 *iv, u32 counter, unsigned int len)
{
	u32 block[4] __aligned(16) = {};
	struct scatterlist sg;

	if (iv)
		memcpy(block, iv, 12);
	block[3] = counter;
	sg_init_one(&sg, scratch, len);
	skcipher_request_set_callback(ctr_req, 0, NULL, NULL);
	skcipher_request_set_crypt(ctr_req, &sg, &sg, len, block);
	return crypto_skcipher_encrypt(ctr_req);
}

struct ghash {
	u64 h[2];
	u64 y[2];
};

static void ghash_block(struct ghash *g, const u64 *in)
{
	u64 z0 = 0, z1 = 0, v0 = g->h[0], v1 = g->h[1], carry;
	u64 x[2] = { g->y[0] ^ in[0], g->y[1] ^ in[1] };
	int i;

	for (i = 0; i < 128; i++) {
		if (x[i / 64] & (1UL << (63 - i % 64))) {
			z0 ^= v0;
			z1 ^= v1;
		}
		carry = v1 & 1;
		v1 = v1 >> 1 | v0 << 63;
		v0 = v0 >> 1 ^ (carry ? 0xe1UL << 56 : 0);
	}
	g->y[0] = z0;
	g->y[1] = z1;
}

static void ghash_update(struct ghash *g, const void *data, unsigned int len)
{
	u64 block[2];
	unsigned int n;

	for (; len; data += n, len -= n) {
		n = min_t(unsigned int, len, sizeof(block));
		memset(block, 0, sizeof(block));
		memcpy(block, data, n);
		ghash_block(g, block);
	}
}

/* AES-256-GCM in place; @data is at most UVSIM_SE_MAX_LEN bytes */
static int gcm(const u8 *key, const u8 *iv, const void *aad, unsigned int aad_len,
	       void *data, unsigned int len, u8 *tag, bool encrypt)
{
	u64 bits[2] = { aad_len * 8, len * 8 };
	struct ghash g = {};
	u64 mask[2];
	int ret;

	ret = crypto_skcipher_setkey(ctr_tfm, key, 32);
	if (ret)
		return ret;
	memset(scratch, 0, 16);
	ret = ctr_scratch(NULL, 0, 16);
	if (ret)
		return ret;
	memcpy(g.h, scratch, 16);

	ghash_update(&g, aad, aad_len);
	if (!encrypt)
		ghash_update(&g, data, len);
	memset(scratch, 0, 16);
	memcpy(scratch + 16, data, len);
	ret = ctr_scratch(iv, 1, 16 + len);
	if (ret)
		return ret;
	if (encrypt)
		ghash_update(&g, scratch + 16, len);
	ghash_update(&g, bits, sizeof(bits));
	memcpy(mask, scratch, 16);
	mask[0] ^= g.y[0];
	mask[1] ^= g.y[1];

	if (encrypt)
		memcpy(tag, mask, 16);
	else if (memcmp(tag, mask, 16))
		return -EBADMSG;
	memcpy(data, scratch + 16, len);
	memset(scratch, 0, 16 + len);
	return 0;
}

static int hmac(const u8 *key, unsigned int key_len, const void *data,
		unsigned int len, u8 *out)
{
	int ret;

	ret = crypto_shash_setkey(hmac_tfm, key, key_len);
	return ret ?: crypto_shash_digest(hmac_desc, data, len, out);
}

/* HKDF-SHA512; 32 bytes of output need the first block only */
static int derive_dump_key(const u8 *cck, const u8 *seed, u8 *key)
{
	static const u8 info[] __aligned(8) = "IBM Z Ultravisor Dump\x01";
	u8 prk[SHA512_LEN] __aligned(8);
	u8 okm[SHA512_LEN] __aligned(8);
	int ret;

	ret = hmac(seed, 64, cck, 32, prk);
	if (!ret)
		ret = hmac(prk, sizeof(prk), info, sizeof(info) - 1, okm);
	if (!ret)
		memcpy(key, okm, 32);
	memzero_explicit(prk, sizeof(prk));
	memzero_explicit(okm, sizeof(okm));
	return ret;
}

static int sha_start(u8 *state)
{
	struct shash_desc *desc = (struct shash_desc *)state;

	desc->tfm = sha_tfm;
	return crypto_shash_init(desc);
}

static int sha_add(u8 *state, const void *data, unsigned int len)
{
	return crypto_shash_update((struct shash_desc *)state, data, len);
}

/* The running state stays usable */
static bool sha_equals(const u8 *state, const u8 *expected)
{
	u8 out[SHA512_LEN] __aligned(8);

	memcpy(sha_desc, state, sizeof(*sha_desc) + crypto_shash_descsize(sha_tfm));
	return !crypto_shash_final(sha_desc, out) && !memcmp(out, expected, sizeof(out));
}

static int measure_start(struct measurement *m)
{
	return sha_start(m->pld) ?: sha_start(m->ald) ?: sha_start(m->tld);
}

static int measure(struct measurement *m, const void *content, u64 gaddr, const u64 *tweak)
{
	return sha_add(m->pld, content, PAGE_SIZE) ?:
	       sha_add(m->ald, &gaddr, sizeof(gaddr)) ?:
	       sha_add(m->tld, tweak, 16);
}

static bool measured(const struct measurement *m, const u8 *pld, const u8 *ald, const u8 *tld)
{
	return sha_equals(m->pld, pld) && sha_equals(m->ald, ald) && sha_equals(m->tld, tld);
}

static int seal_final(struct uvsim_dump_final *f, const u8 *key, const u8 *seed,
		      const u8 *iv, const u8 *nonce, const u8 *xts_key)
{
	memset(f, 0, sizeof(*f));
	f->version = 1;
	f->len = sizeof(*f);
	memcpy(f->seed, seed, sizeof(f->seed));
	memcpy(f->iv, iv, sizeof(f->iv));
	memcpy(f->nonce, nonce, sizeof(f->nonce));
	memcpy(f->xts_key, xts_key, sizeof(f->xts_key));
	return gcm(key, f->iv, f, offsetof(struct uvsim_dump_final, nonce), f->nonce,
		   offsetof(struct uvsim_dump_final, tag) -
		   offsetof(struct uvsim_dump_final, nonce), f->tag, true);
}

static int seal_cpu(struct uvsim_dump_cpu *b, const u8 *key, const u8 *iv,
		    const struct uvsim_cpu_regs *regs)
{
	memset(b, 0, sizeof(*b));
	b->version = 1;
	b->len = sizeof(*b);
	memcpy(b->iv, iv, sizeof(b->iv));
	b->regs = *regs;
	return gcm(key, b->iv, b, offsetof(struct uvsim_dump_cpu, regs), &b->regs,
		   sizeof(b->regs), b->tag, true);
}

/* @h is a complete header in writable memory, its lengths checked */
static int open_se_header(struct uvsim_se_header *h, const u8 *key,
			  struct uvsim_se_secret *secret)
{
	unsigned int aad_len = h->size - h->enc_len - 16;
	u8 *enc = (u8 *)h + aad_len;
	int ret;

	ret = gcm(key, h->iv, h, aad_len, enc, h->enc_len, enc + h->enc_len, false);
	if (!ret)
		memcpy(secret, enc, sizeof(*secret));
	return ret;
}

/* Objects */

static struct uvsim_conf *find_conf(u64 handle)
{
	unsigned int slot = handle & 0xffff;

	if (!handle || slot >= UVSIM_MAX_CONFS || conf_slots[slot].handle != handle)
		return NULL;
	if (conf_slots[slot].conf->handle != handle) {
		violation("donated storage of configuration %llx was overwritten", handle);
		return NULL;
	}
	return conf_slots[slot].conf;
}

static struct uvsim_cpu *find_cpu(u64 handle)
{
	unsigned int slot = handle & 0xffff;

	if (!handle || slot >= UVSIM_MAX_CPUS || cpu_slots[slot].handle != handle)
		return NULL;
	if (cpu_slots[slot].cpu->handle != handle) {
		violation("donated storage of CPU %llx was overwritten", handle);
		return NULL;
	}
	return cpu_slots[slot].cpu;
}

static struct uvsim_cpu *find_cpu_num(u64 conf_handle, u16 num)
{
	unsigned int i;

	for (i = 0; i < UVSIM_MAX_CPUS; i++) {
		if (cpu_slots[i].handle && cpu_slots[i].cpu->conf_handle == conf_handle &&
		    cpu_slots[i].cpu->num == num)
			return cpu_slots[i].cpu;
	}
	return NULL;
}

static bool ranges_overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Is any of the virtual range donated already? */
static bool donated(u64 addr, u64 len)
{
	struct uvsim_conf *conf;
	unsigned int i;

	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		conf = conf_slots[i].conf;
		if (!conf_slots[i].handle)
			continue;
		if (ranges_overlap(addr, len, (u64)conf, qui.conf_base_phys_len) ||
		    ranges_overlap(addr, len, conf->var, conf->var_len))
			return true;
	}
	for (i = 0; i < UVSIM_MAX_CPUS; i++) {
		if (cpu_slots[i].handle &&
		    ranges_overlap(addr, len, (u64)cpu_slots[i].cpu, qui.cpu_stor_len))
			return true;
	}
	return ranges_overlap(addr, len, uv_init.base, uv_init.len);
}

/* Pages */

static enum page_state page_state(const struct page_meta *page)
{
	return page->place & PAGE_STATE;
}

static struct page_meta **bucket(u64 abs)
{
	return &placed_pages[(abs >> PAGE_SHIFT) % UVSIM_HASH_SIZE];
}

/* The secure or shared page at this address */
static struct page_meta *find_placed(u64 abs)
{
	struct page_meta *page;

	for (page = *bucket(abs); page; page = page->next) {
		if ((page->place & PAGE_MASK) == abs)
			return page;
	}
	return NULL;
}

/* From now on the page is nowhere in main storage */
static void take_away(struct page_meta *page, enum page_state state)
{
	struct page_meta **link = bucket(page->place & PAGE_MASK);

	if (page->place & PAGE_MASK) {
		while (*link != page)
			link = &(*link)->next;
		*link = page->next;
		page->next = NULL;
	}
	page->place = state;
}

static void put_at(struct page_meta *page, u64 abs, enum page_state state)
{
	take_away(page, state);
	page->place |= abs;
	page->next = *bucket(abs);
	*bucket(abs) = page;
}

static struct uvsim_conf *page_owner(const struct page_meta *page)
{
	unsigned int i;

	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		if (conf_slots[i].handle && (u64)page >= conf_slots[i].conf->var &&
		    (u64)page < conf_slots[i].conf->var + conf_slots[i].conf->var_len)
			return conf_slots[i].conf;
	}
	return NULL;
}

static u64 page_gaddr(const struct uvsim_conf *conf, const struct page_meta *page)
{
	return (u64)(page - conf->pages) << PAGE_SHIFT;
}

static u64 page_digest(u64 addr)
{
	return siphash((void *)addr, PAGE_SIZE, &digest_key);
}

/*
 * Guest absolute to host absolute through the ASCE given at create. The
 * tables belong to the host and may be anything: all entries are checked and
 * the walk has a fixed number of steps. RC_OPERAND: they are no tables.
 */
static u32 find_pte(const struct uvsim_conf *conf, u64 gaddr, u64 *pte)
{
	unsigned int level = (conf->asce >> 2) & 3, shift = 20 + 11 * level;
	u64 entry = conf->asce, first = 0, last = conf->asce & 3, index;

	if (level < 3 && gaddr >> (shift + 11))
		return RC_NOT_MAPPED;
	for (;; level--, shift -= 11) {
		index = (gaddr >> shift) & 0x7ff;
		if (index >> 9 < first || index >> 9 > last)
			return RC_NOT_MAPPED;
		if (!read_u64((u64)__va((entry & PAGE_MASK) + index * 8), &entry))
			return RC_OPERAND;
		if (entry & 0x20)			/* invalid */
			return RC_NOT_MAPPED;
		if (((entry >> 2) & 3) != level)	/* table type */
			return RC_OPERAND;
		if (level <= 1 && entry & 0x400)	/* large page */
			return RC_PAGE_LARGE;
		if (!level)
			break;
		first = (entry >> 6) & 3;
		last = entry & 3;
	}
	index = (gaddr >> PAGE_SHIFT) & 0xff;
	if (!read_u64((u64)__va((entry & ~0x7ffUL) + index * 8), &entry))
		return RC_OPERAND;
	if (entry & PTE_INVALID)
		return RC_NOT_MAPPED;
	*pte = entry;
	return RC_OK;
}

static u32 walk(const struct uvsim_conf *conf, u64 gaddr, u64 *abs)
{
	u64 pte = 0;
	u32 rc = find_pte(conf, gaddr, &pte);

	*abs = pte & PAGE_MASK;
	return rc;
}

static bool is_mapped(const struct uvsim_conf *conf, const struct page_meta *page)
{
	u64 abs;

	return walk(conf, page_gaddr(conf, page), &abs) == RC_OK;
}

/* For all that works on a guest address. @addr: kernel address of the host page */
static u32 find_page(struct uvsim_conf *conf, u64 gaddr, struct page_meta **page,
		     u64 *abs, u64 *addr)
{
	struct page_meta *other;
	u32 rc;

	if (conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	if (gaddr & ~PAGE_MASK) {
		violation("guest address %llx not page aligned", gaddr);
		return RC_OPERAND;
	}
	if (gaddr >= conf->len)
		return RC_PAGE_RANGE;
	rc = walk(conf, gaddr, abs);
	if (rc == RC_OPERAND)
		violation("ASCE %llx: bad table entry for %llx", conf->asce, gaddr);
	if (rc != RC_OK)
		return rc;
	*addr = abs_to_virt(*abs, PAGE_SIZE);
	if (!*addr) {
		violation("guest page %llx is no main storage", gaddr);
		return RC_OPERAND;
	}
	*page = &conf->pages[gaddr >> PAGE_SHIFT];
	other = find_placed(*abs);
	if (other && other != *page) {
		/*
		 * A shared page is the host's to use for something else. With
		 * the feature it changes hands, else it is to be exported first.
		 */
		if (page_state(other) != STATE_SHARED || !(qui.features & FEATURE_MISC))
			return RC_PAGE_FOREIGN;
		take_away(other, STATE_SHARED);
	}
	if (other != *page && (*page)->place & PAGE_MASK) {
		if (page_state(*page) == STATE_SHARED) {
			take_away(*page, STATE_SHARED);
		} else {
			violation("guest page %llx moved without export", gaddr);
			take_away(*page, STATE_EXPORTED);
		}
	}
	return RC_OK;
}

static int crypt_page(const struct uvsim_conf *conf, u64 component, u64 addr, bool encrypt)
{
	u64 nonce0;

	memcpy(&nonce0, conf->nonce, 8);
	return xts_page(addr, conf->xts_key, nonce0, component, encrypt);
}

/* Turn plaintext at @addr into a secure page */
static u32 secure_page(struct uvsim_conf *conf, struct page_meta *page, u64 abs, u64 addr)
{
	u64 component = ++conf->last_component;

	if (crypt_page(conf, component, addr, true))
		return RC_INV_STATE;
	if (page_state(page) == STATE_ZERO)
		conf->used_pages++;
	page->component = component;
	page->digest = page_digest(addr);
	put_at(page, abs, STATE_SECURE);
	return RC_OK;
}

static void destroy_page(struct uvsim_conf *conf, struct page_meta *page, u64 addr)
{
	memset((void *)addr, 0, PAGE_SIZE);
	take_away(page, STATE_ZERO);
	page->component = 0;
	page->digest = 0;
	conf->used_pages--;
}

/*
 * A page that comes back gets the form of its next export at once, with a
 * component of its own: whoever kept what he had before has something else.
 */
static u32 import_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	rc = find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	switch (page_state(page)) {
	case STATE_SECURE:
		return RC_OK;
	case STATE_SHARED:
		if (!(page->place & PAGE_MASK))
			put_at(page, abs, STATE_SHARED);
		return RC_OK;
	case STATE_EXPORTED:
		if (page_digest(addr) != page->digest)
			return RC_PAGE_INTEGRITY;
		if (crypt_page(conf, page->component, addr, false))
			return RC_INV_STATE;
		return secure_page(conf, page, abs, addr);
	default:
		memset((void *)addr, 0, PAGE_SIZE);
		return secure_page(conf, page, abs, addr);
	}
}

/*
 * What the guest does: its page becomes plaintext that the host may use, and
 * secure again. The host has to undo a pin before the latter (unpin).
 */
static u32 share_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	rc = import_page(conf, gaddr);
	if (rc == RC_OK)
		rc = find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK || page_state(page) == STATE_SHARED)
		return rc;
	if (crypt_page(conf, page->component, addr, false))
		return RC_INV_STATE;
	page->component = 0;
	page->digest = 0;
	put_at(page, abs, STATE_SHARED);
	return RC_OK;
}

static u32 unshare_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	rc = find_page(conf, gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (page_state(page) != STATE_SHARED)
		return RC_PAGE_NOT_SHARED;
	if (page->place & PAGE_PINNED)
		return RC_PAGE_PINNED;
	return secure_page(conf, page, abs, addr);
}

/* What the host does when it needs the page for something else */
static u32 export_page(struct uvsim_conf *conf, u64 gaddr)
{
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	rc = find_page(conf, gaddr, &page, &abs, &addr);
	if (rc == RC_OK && page_state(page) == STATE_SECURE)
		take_away(page, STATE_EXPORTED);
	else if (rc == RC_OK && page_state(page) == STATE_SHARED)
		take_away(page, STATE_SHARED);
	return rc;
}

/*
 * Operations on pages, ordered through debugfs. Those for no process in
 * particular are done in each configuration as soon as it has been verified,
 * so that programs that never stop in between can be tested with them.
 */
static const struct page_op {
	const char *name;
	u32 (*call)(struct uvsim_conf *conf, u64 gaddr);
} page_ops[] = {
	{ "share", share_page },
	{ "unshare", unshare_page },
	{ "export", export_page },
	{ "import", import_page },
};

static struct { const struct page_op *op; u64 gaddr; } orders[UVSIM_MAX_ORDERS];

static void carry_out_orders(struct uvsim_conf *conf)
{
	unsigned int i;
	u32 rc;

	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++) {
		rc = orders[i].op->call(conf, orders[i].gaddr);
		if (rc != RC_OK)
			violation("%s of %llx: rc %x", orders[i].op->name, orders[i].gaddr, rc);
	}
}

/* Handlers: one per command, called with a copy of the control block */

static u32 unknown_conf(u64 handle)
{
	violation("unknown configuration handle %llx", handle);
	return RC_INV_CONF;
}

static u32 unknown_cpu(u64 handle)
{
	violation("unknown CPU handle %llx", handle);
	return RC_INV_CPU;
}

static u32 uvc_qui(void *block)
{
	struct uvsim_cb_qui *cb = block;
	struct uvsim_cb_header header = cb->header;

	if (header.len < UVSIM_QUI_MIN_LEN || header.len % 8) {
		violation("length %x", header.len);
		return RC_INV_LEN;
	}
	*cb = qui;
	cb->header = header;
	return header.len < sizeof(*cb) ? RC_MORE_DATA : RC_OK;
}

static u32 uvc_init(void *block)
{
	struct uvsim_cb_init *cb = block;
	u64 origin = round_down(cb->stor_origin, SZ_1M), len = cb->stor_len & PAGE_MASK;

	if (uv_init.done) {
		violation("second initialization");
		return RC(0x0101, 0);
	}
	if (num_online_cpus() > 1)
		return RC(0x0102, 0);
	if (len < qui.base_stor_len)
		return RC(0x0103, 0);
	if (!abs_to_virt(origin, 1))
		return RC(0x0104, 0);
	if (!abs_to_virt(origin, len))
		return RC(0x0105, 0);
	if (origin < SZ_2G)
		return RC(0x0108, 0);
	uv_init.base = (u64)__va(origin);
	uv_init.len = len;
	uv_init.done = true;
	memset((void *)uv_init.base, 0, len);
	return RC_OK;
}

static u32 uvc_create_conf(void *block)
{
	struct uvsim_cb_create_conf *cb = block;
	u64 base, var_len;
	struct uvsim_conf *conf;
	unsigned int i;

	if (cb->mso >= qui.max_guest_addr) {
		violation("MSO %llx too high", cb->mso);
		return RC(0x0101, 0);
	}
	if (cb->msl > qui.max_guest_addr - cb->mso || cb->msl % SZ_1M) {
		violation("MSL %llx", cb->msl);
		return RC(0x0102, 0);
	}
	/* Private space must be on, real space off. */
	if ((cb->asce & 0x120) != 0x100) {
		violation("ASCE %llx", cb->asce);
		return RC(0x0105, 0);
	}
	if (!cb->sca) {
		violation("no SCA");
		return RC(0x010c, 0);
	}
	if (!abs_to_virt(cb->sca, 16)) {
		violation("SCA %llx not accessible", cb->sca);
		return RC(0x010d, 0);
	}
	if (cb->base_origin < 2 * PAGE_SIZE) {
		violation("base storage %llx in the lowcore", cb->base_origin);
		return RC(0x0109, 0);
	}
	base = abs_to_virt(cb->base_origin, qui.conf_base_phys_len);
	if (!base || cb->base_origin & ~PAGE_MASK || donated(base, qui.conf_base_phys_len) ||
	    !writable(base, qui.conf_base_phys_len)) {
		violation("base storage %llx", cb->base_origin);
		return RC(0x0108, 0);
	}
	var_len = qui.conf_base_virt_len + qui.conf_virt_var_len * (cb->msl / SZ_1M);
	var_len = round_up(var_len, PAGE_SIZE);
	if (cb->var_origin & ~PAGE_MASK || !writable(cb->var_origin, var_len) ||
	    donated(cb->var_origin, var_len) ||
	    ranges_overlap(base, qui.conf_base_phys_len, cb->var_origin, var_len)) {
		violation("variable storage %llx length %llx", cb->var_origin, var_len);
		return RC_VAR_STOR;
	}
	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		if (conf_slots[i].handle && conf_slots[i].conf->asce == cb->asce) {
			violation("ASCE %llx in use", cb->asce);
			return RC(0x0104, 0);
		}
	}
	for (i = 0; i < UVSIM_MAX_CONFS && conf_slots[i].handle; i++)
		;
	if (i == UVSIM_MAX_CONFS || nr_confs >= qui.max_confs || !try_module_get(THIS_MODULE))
		return RC_CONF_LIMIT;

	memset((void *)base, 0, qui.conf_base_phys_len);
	memset((void *)cb->var_origin, 0, var_len);
	conf = (struct uvsim_conf *)base;
	conf->handle = 0xc0UL << 56 | next_conf++ << 16 | i;
	conf->base = cb->base_origin;
	conf->var = cb->var_origin;
	conf->var_len = var_len;
	conf->len = cb->msl;
	conf->asce = cb->asce;
	conf->sca = cb->sca;
	conf->meas = (struct measurement *)cb->var_origin;
	conf->pages = (struct page_meta *)(cb->var_origin + qui.conf_base_virt_len);
	conf->tgid = current->tgid;
	get_random_bytes(conf->xts_key, sizeof(conf->xts_key));
	get_random_bytes(conf->nonce, 8);
	conf_slots[i].handle = conf->handle;
	conf_slots[i].conf = conf;
	nr_confs++;
	cb->handle = conf->handle;
	return RC_OK;
}

static void forget_conf(struct uvsim_conf *conf)
{
	u64 i, var = conf->var, var_len = conf->var_len;

	for (i = 0; i < conf->len >> PAGE_SHIFT; i++)
		take_away(&conf->pages[i], STATE_ZERO);
	conf_slots[conf->handle & 0xffff].handle = 0;
	nr_confs--;
	memset((void *)var, 0, var_len);
	memset(conf, 0, qui.conf_base_phys_len);
	module_put(THIS_MODULE);
}

static u32 uvc_destroy_conf(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	struct page_meta *page;
	u64 i, addr;

	if (!conf)
		return unknown_conf(cb->handle);
	if (conf->cpus) {
		violation("%u CPUs left", conf->cpus);
		return RC_CONF_BUSY;
	}
	/*
	 * What is still secure becomes accessible and must not leak. A page
	 * that does not hold our data any more was given away without an
	 * export and belongs to somebody else.
	 */
	for (i = 0; i < conf->len >> PAGE_SHIFT; i++) {
		page = &conf->pages[i];
		if (page_state(page) != STATE_SECURE)
			continue;
		addr = abs_to_virt(page->place & PAGE_MASK, PAGE_SIZE);
		if (addr && page_digest(addr) == page->digest)
			destroy_page(conf, page, addr);
	}
	forget_conf(conf);
	return RC_OK;
}

/*
 * The configuration and its keys are gone, its pages are left as they are:
 * what nobody can decrypt any more is to be destroyed page by page.
 */
static u32 uvc_destroy_conf_fast(void *block)
{
	struct uvsim_cb_destroy_fast *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);

	if (!conf)
		return unknown_conf(cb->handle);
	if (conf->cpus) {
		violation("%u CPUs left", conf->cpus);
		return RC_CONF_BUSY;
	}
	/* "Not now": the caller takes the slow way. */
	if (conf->dumping)
		return RC(0x0104, 0);
	forget_conf(conf);
	return RC_OK;
}

static u32 uvc_create_cpu(void *block)
{
	struct uvsim_cb_create_cpu *cb = block;
	struct uvsim_conf *conf = find_conf(cb->conf_handle);
	struct uvsim_regs_record *record;
	struct uvsim_cpu *cpu;
	unsigned int i;
	u64 stor;

	if (!conf)
		return unknown_conf(cb->conf_handle);
	if (conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	if (cb->num > qui.max_cpu_id) {
		violation("CPU number %x", cb->num);
		return RC(0x0103, 0);
	}
	if (find_cpu_num(conf->handle, cb->num)) {
		violation("CPU number %x already defined", cb->num);
		return RC(0x0104, 0);
	}
	if (cb->stor_origin < 2 * PAGE_SIZE) {
		violation("CPU storage %llx in the lowcore", cb->stor_origin);
		return RC(0x0106, 0);
	}
	if (qui.cpu_stor_len < sizeof(*cpu))
		return RC(0x0105, 1);
	stor = abs_to_virt(cb->stor_origin, qui.cpu_stor_len);
	if (!stor || cb->stor_origin & ~PAGE_MASK || donated(stor, qui.cpu_stor_len) ||
	    !writable(stor, qui.cpu_stor_len)) {
		violation("CPU storage %llx", cb->stor_origin);
		return RC(0x0105, 0);
	}
	if (!abs_to_virt(cb->state_origin, 512) || cb->state_origin % 512) {
		violation("state description %llx", cb->state_origin);
		return RC(0x0107, 0);
	}
	for (i = 0; i < UVSIM_MAX_CPUS && cpu_slots[i].handle; i++)
		;
	if (i == UVSIM_MAX_CPUS)
		return RC_CONF_LIMIT;

	memset((void *)stor, 0, qui.cpu_stor_len);
	cpu = (struct uvsim_cpu *)stor;
	cpu->handle = 0xcbUL << 56 | next_cpu++ << 16 | i;
	cpu->conf_handle = conf->handle;
	cpu->sd = cb->state_origin;
	cpu->num = cb->num;
	cpu->state = CPU_STOPPED;
	record = cb->num <= UVSIM_MAX_CPU_ID ? templates[cb->num] : NULL;
	if (record) {
		cpu->regs = record->regs;
		cpu->keep_psw = record->flags & 1;
	}
	cpu_slots[i].handle = cpu->handle;
	cpu_slots[i].cpu = cpu;
	conf->cpus++;
	nr_cpus++;
	cb->cpu_handle = cpu->handle;
	return RC_OK;
}

static u32 uvc_destroy_cpu(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_cpu *cpu = find_cpu(cb->handle);
	struct uvsim_conf *conf;

	if (!cpu)
		return unknown_cpu(cb->handle);
	conf = find_conf(cpu->conf_handle);
	if (conf)
		conf->cpus--;
	cpu_slots[cb->handle & 0xffff].handle = 0;
	nr_cpus--;
	memset(cpu, 0, qui.cpu_stor_len);
	return RC_OK;
}

static u32 uvc_import(void *block)
{
	struct uvsim_cb_gpage *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);

	return conf ? import_page(conf, cb->gaddr) : unknown_conf(cb->handle);
}

static u32 check_hpage(u64 paddr)
{
	if (!(paddr & ~PAGE_MASK))
		return RC_OK;
	violation("absolute address %llx not page aligned", paddr);
	return RC_OPERAND;
}

/* The kernel exports more than it made secure; that is cheap and no error. */
static u32 uvc_export(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	u32 rc = check_hpage(cb->paddr);

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	if (page)
		take_away(page, page_state(page) == STATE_SHARED ? STATE_SHARED : STATE_EXPORTED);
	return RC_OK;
}

static u32 uvc_destroy_page(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	struct uvsim_conf *conf;
	u32 rc = check_hpage(cb->paddr);
	u64 addr, abs;

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	conf = page ? page_owner(page) : NULL;
	addr = abs_to_virt(cb->paddr, PAGE_SIZE);
	if (!conf || !addr)
		return RC_NOT_SECURE;
	/* A shared page the guest has no more is the host's, nobody else's. */
	if (page_state(page) == STATE_SHARED &&
	    (walk(conf, page_gaddr(conf, page), &abs) != RC_OK || abs != cb->paddr)) {
		take_away(page, STATE_SHARED);
		return RC_NOT_SECURE;
	}
	destroy_page(conf, page, addr);
	return RC_OK;
}

static u32 uvc_pin_shared(void *block)
{
	struct uvsim_cb_hpage *cb = block;
	struct page_meta *page;
	u32 rc = check_hpage(cb->paddr);

	if (rc != RC_OK)
		return rc;
	page = find_placed(cb->paddr);
	if (!page || page_state(page) != STATE_SHARED)
		return RC_PAGE_NOT_SHARED;
	page->place |= PAGE_PINNED;
	return RC_OK;
}

static u32 uvc_unpin_shared(void *block)
{
	struct uvsim_cb_gpage *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	if (!conf)
		return unknown_conf(cb->handle);
	rc = find_page(conf, cb->gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (!(page->place & PAGE_PINNED))
		return RC_PAGE_NOT_SHARED;
	page->place &= ~PAGE_PINNED;
	return RC_OK;
}

/* Lengths that open_se_header() and the key slot loop rely on */
static bool se_header_consistent(const struct uvsim_se_header *h, u32 len)
{
	return h->size <= len && h->slots && h->slots <= UVSIM_SE_MAX_LEN / 80 &&
	       h->enc_len >= sizeof(struct uvsim_se_secret) && h->enc_len <= UVSIM_SE_MAX_LEN &&
	       h->size == sizeof(*h) + h->slots * sizeof(struct uvsim_se_slot) +
			  h->enc_len + 16;
}

static u32 uvc_set_parms(void *block)
{
	struct uvsim_se_header *h = (struct uvsim_se_header *)se_buf;
	struct uvsim_se_slot *slot = (struct uvsim_se_slot *)(h + 1);
	struct uvsim_cb_set_parms *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	bool found = false;
	unsigned int i, k;

	if (!conf)
		return unknown_conf(cb->handle);
	if (conf->state != CONF_NEW || conf->dumping)
		return RC_INV_STATE;
	if (!cb->hdr_len || !readable(cb->hdr_origin, cb->hdr_len)) {
		violation("header at %llx length %x", cb->hdr_origin, cb->hdr_len);
		return RC(0x0103, 0);
	}
	if (cb->hdr_len < sizeof(*h) || cb->hdr_len > sizeof(se_buf))
		return RC(0x010a, 0x31);
	memcpy(se_buf, (void *)cb->hdr_origin, cb->hdr_len);
	if (h->magic != UVSIM_SE_MAGIC)
		return RC(0x010a, 0x39);
	if (h->version != UVSIM_SE_VERSION)
		return RC(0x0104, 0x01);
	if (!se_header_consistent(h, cb->hdr_len))
		return RC(0x010a, 0x31);
	if (h->pcf & ~qui.se_hdr_pcf)
		return RC(0x0106, 0x30);

	for (i = 0; i < h->slots; i++) {
		for (k = 0; k < nr_header_keys; k++) {
			if (memcmp(slot[i].key_hash, header_keys[k].hash, 32))
				continue;
			found = true;
			if (open_se_header(h, header_keys[k].key, &conf->secret))
				continue;
			if (conf->secret.scf & ~UVSIM_SCF_KNOWN) {
				memzero_explicit(&conf->secret, sizeof(conf->secret));
				return RC(0x0109, 0);
			}
			conf->pcf = h->pcf;
			conf->image_pages = h->pages;
			memcpy(conf->pld, h->pld, sizeof(conf->pld));
			memcpy(conf->ald, h->ald, sizeof(conf->ald));
			memcpy(conf->tld, h->tld, sizeof(conf->tld));
			memzero_explicit(se_buf, sizeof(se_buf));
			if (measure_start(conf->meas))
				return RC_INV_STATE;
			conf->state = CONF_HEADER;
			return RC_OK;
		}
	}
	return found ? RC(0x010a, 0x40) : RC(0x0108, 0x05);
}

static u32 uvc_unpack(void *block)
{
	struct uvsim_cb_unpack *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	struct page_meta *page;
	u64 abs, addr;
	u32 rc;

	if (!conf)
		return unknown_conf(cb->handle);
	if ((conf->state != CONF_HEADER && conf->state != CONF_UNPACKING) || conf->dumping)
		return RC_INV_STATE;
	rc = find_page(conf, cb->gaddr, &page, &abs, &addr);
	if (rc != RC_OK)
		return rc;
	if (page_state(page) != STATE_ZERO)
		return RC_PAGE_USED;
	if (measure(conf->meas, (void *)addr, cb->gaddr, cb->tweak))
		return RC_INV_STATE;
	if (!(conf->pcf & UVSIM_PCF_PLAIN) &&
	    xts_page(addr, conf->secret.xts_key, cb->tweak[0], cb->tweak[1], false))
		return RC_INV_STATE;
	rc = secure_page(conf, page, abs, addr);
	if (rc != RC_OK)
		return rc;
	conf->unpacked++;
	conf->state = CONF_UNPACKING;
	return RC_OK;
}

static u32 uvc_verify(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);

	if (!conf)
		return unknown_conf(cb->handle);
	if ((conf->state != CONF_HEADER && conf->state != CONF_UNPACKING) || conf->dumping)
		return RC_INV_STATE;
	if (conf->unpacked != conf->image_pages)
		return RC(0x0102, 0x1d);
	if (!sha_equals(conf->meas->ald, conf->ald))
		return RC(0x0102, 0x1a);
	if (!sha_equals(conf->meas->pld, conf->pld))
		return RC(0x0102, 0x1b);
	if (!sha_equals(conf->meas->tld, conf->tld))
		return RC(0x0102, 0x1c);
	conf->state = CONF_VERIFIED;
	carry_out_orders(conf);
	return RC_OK;
}

/* CPU commands other than destroy and dump; NULL and *rc set if impossible */
static struct uvsim_cpu *find_quiet_cpu(u64 handle, u32 *rc)
{
	struct uvsim_cpu *cpu = find_cpu(handle);
	struct uvsim_conf *conf;

	if (!cpu) {
		*rc = unknown_cpu(handle);
		return NULL;
	}
	conf = find_conf(cpu->conf_handle);
	if (!conf || conf->dumping) {
		*rc = RC_INV_STATE;
		return NULL;
	}
	return cpu;
}

static u32 cpu_reset(u64 handle, bool initial, bool clear)
{
	struct uvsim_cpu_regs *regs;
	struct uvsim_cpu *cpu;
	u32 rc;

	cpu = find_quiet_cpu(handle, &rc);
	if (!cpu)
		return rc;
	regs = &cpu->regs;
	cpu->state = CPU_STOPPED;
	if (clear)
		memset(regs, 0, sizeof(*regs));
	if (!initial)
		return RC_OK;
	memset(regs->psw, 0, sizeof(regs->psw));
	memset(regs->ctrs, 0, sizeof(regs->ctrs));
	regs->prefix = 0;
	regs->fpc = 0;
	regs->todpr = 0;
	regs->timer = 0;
	regs->todcmp = 0;
	regs->ctrs[0] = 0xe0;
	regs->ctrs[14] = 0xc2000000;
	return RC_OK;
}

static u32 uvc_cpu_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, false, false);
}

static u32 uvc_cpu_initial_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, true, false);
}

static u32 uvc_cpu_clear_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, true, true);
}

static u32 uvc_set_state(void *block)
{
	struct uvsim_cb_set_state *cb = block;
	struct uvsim_cpu *cpu;
	struct uvsim_conf *conf;
	u32 rc;

	cpu = find_quiet_cpu(cb->handle, &rc);
	if (!cpu)
		return rc;
	conf = find_conf(cpu->conf_handle);
	switch (cb->state) {
	case CPU_LOAD:
		if (conf->state != CONF_VERIFIED)
			return RC_INV_STATE;
		if (!cpu->keep_psw)
			memcpy(cpu->regs.psw, conf->secret.psw, sizeof(cpu->regs.psw));
		cpu->state = CPU_OPERATING;
		return RC_OK;
	case CPU_OPERATING:
	case CPU_STOPPED:
	case CPU_CHECK_STOP:
		cpu->state = cb->state;
		return RC_OK;
	default:
		violation("CPU state %x", cb->state);
		return RC_OPERAND;
	}
}

static u32 uvc_prep_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);

	if (!conf)
		return unknown_conf(cb->handle);
	return conf->dumping || conf->state == CONF_BROKEN ? RC_INV_STATE : RC_OK;
}

/* Pins do not count. What the host has taken away comes back as zeros. */
static u32 uvc_unshare_all(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	struct page_meta *page;
	u64 i, abs, addr;

	if (!conf)
		return unknown_conf(cb->handle);
	if (conf->dumping || conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	for (i = 0; i < conf->len >> PAGE_SHIFT; i++) {
		page = &conf->pages[i];
		if (page_state(page) != STATE_SHARED)
			continue;
		page->place &= ~PAGE_PINNED;
		if (walk(conf, i << PAGE_SHIFT, &abs) == RC_OK &&
		    abs == (page->place & PAGE_MASK)) {
			addr = abs_to_virt(abs, PAGE_SIZE);
			if (addr && secure_page(conf, page, abs, addr) == RC_OK)
				continue;
		}
		take_away(page, STATE_ZERO);
		conf->used_pages--;
	}
	return RC_OK;
}

static u32 uvc_dump_init(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);

	if (!conf)
		return unknown_conf(cb->handle);
	if (conf->dumping)
		return RC_DUMP_ACTIVE;
	if (conf->state != CONF_VERIFIED)
		return RC_DUMP_NOT_VERIFIED;
	if (!(conf->pcf & UVSIM_PCF_DUMP))
		return RC_DUMP_FORBIDDEN;
	get_random_bytes(conf->seed, sizeof(conf->seed));
	if (derive_dump_key(conf->secret.cck, conf->seed, conf->dump_key))
		return RC_INV_STATE;
	conf->dumping = true;
	return RC_OK;
}

/* RC_OK if @len bytes at @area can take @min bytes of data */
static u32 check_dump_area(u64 area, u64 len, u64 min)
{
	if (len < min)
		return RC_DUMP_LEN;
	if (area % 8 || !writable(area, len)) {
		violation("dump area %llx length %llx", area, len);
		return RC_DUMP_AREA;
	}
	return RC_OK;
}

/*
 * Some CPU may not be in SIE just now, but nothing keeps it from entering. Not
 * for the CPU dump: only the other calls exclude that a CPU is being created.
 */
static void check_blocked(const struct uvsim_conf *conf)
{
	unsigned int i, n = conf->cpus;
	const struct uvsim_cpu *cpu;
	const struct uvsim_sd *sd;

	for (i = 0; i < UVSIM_MAX_CPUS && n; i++) {
		cpu = cpu_slots[i].cpu;
		if (!cpu_slots[i].handle || cpu->conf_handle != conf->handle)
			continue;
		n--;
		sd = __va(cpu->sd);
		if (!(READ_ONCE(sd->prog20) & PROG20_BLOCKED))
			violation("CPU %u is not blocked during a dump", cpu->num);
	}
}

static u32 uvc_dump_stor(void *block)
{
	struct uvsim_cb_dump_stor *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	struct uvsim_stor_entry *entry;
	struct page_meta *page;
	unsigned int i;
	u32 rc;

	if (!conf)
		return unknown_conf(cb->handle);
	if (!conf->dumping)
		return RC_DUMP_INACTIVE;
	check_blocked(conf);
	if (cb->gaddr % SZ_1M) {
		violation("guest address %llx not MiB aligned", cb->gaddr);
		return RC_DUMP_ALIGN;
	}
	if (cb->gaddr >= conf->len)
		return RC_DUMP_RANGE;
	rc = check_dump_area(cb->area, qui.dump_stor_state_len,
			     UVSIM_PAGES_PER_MIB * sizeof(*entry));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, qui.dump_stor_state_len);
	entry = (struct uvsim_stor_entry *)cb->area;
	page = &conf->pages[cb->gaddr >> PAGE_SHIFT];
	for (i = 0; i < UVSIM_PAGES_PER_MIB; i++, entry++, page++) {
		switch (page_state(page)) {
		case STATE_ZERO:
			entry->word[1] = UVSIM_SPECIAL_ZERO;
			break;
		case STATE_SHARED:
			entry->word[1] = UVSIM_SPECIAL_SHARED;
			break;
		default:
			entry->word[1] = page->component;
			continue;
		}
		entry->word[0] = UVSIM_SPECIAL;
		if (is_mapped(conf, page))
			entry->word[1] |= UVSIM_SPECIAL_MAPPED;
	}
	return RC_OK;
}

static u32 uvc_dump_cpu(void *block)
{
	struct uvsim_cb_dump_area *cb = block;
	struct uvsim_cpu *cpu = find_cpu(cb->handle);
	struct uvsim_conf *conf;
	u8 iv[12];
	u32 rc;

	if (!cpu)
		return unknown_cpu(cb->handle);
	conf = find_conf(cpu->conf_handle);
	if (!conf || !conf->dumping)
		return RC_DUMP_INACTIVE;
	rc = check_dump_area(cb->area, qui.cpu_stor_len, sizeof(struct uvsim_dump_cpu));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, qui.cpu_stor_len);
	get_random_bytes(iv, sizeof(iv));
	return seal_cpu((void *)cb->area, conf->dump_key, iv, &cpu->regs) ? RC_INV_STATE : RC_OK;
}

static u32 uvc_dump_complete(void *block)
{
	struct uvsim_cb_dump_area *cb = block;
	struct uvsim_conf *conf = find_conf(cb->handle);
	u8 iv[12];
	u32 rc;

	if (!conf)
		return unknown_conf(cb->handle);
	if (!conf->dumping)
		return RC_DUMP_INACTIVE;
	check_blocked(conf);
	rc = check_dump_area(cb->area, qui.dump_finalize_len, sizeof(struct uvsim_dump_final));
	if (rc != RC_OK)
		return rc;
	memset((void *)cb->area, 0, qui.dump_finalize_len);
	get_random_bytes(iv, sizeof(iv));
	if (seal_final((void *)cb->area, conf->dump_key, conf->seed, iv, conf->nonce,
		       conf->xts_key))
		return RC_INV_STATE;
	memzero_explicit(conf->seed, sizeof(conf->seed));
	memzero_explicit(conf->dump_key, sizeof(conf->dump_key));
	conf->dumping = false;
	conf->dumps++;
	return RC_OK;
}

/* Reserved areas of the blocks: offset, length; the header is checked apart */
#define RESERVED(_name) static const u8 reserved_##_name[][2]

RESERVED(init) = { { 0x08, 0x10 }, { 0x28, 0x20 }, {} };
RESERVED(create_conf) = { { 0x08, 0x10 }, { 0x30, 0x08 }, { 0x58, 0x28 }, {} };
RESERVED(create_cpu) = { { 0x08, 0x10 }, { 0x30, 0x06 }, { 0x40, 0x20 }, {} };
RESERVED(nodata) = { { 0x08, 0x10 }, { 0x20, 0x20 }, {} };
RESERVED(destroy_fast) = { { 0x08, 0x10 }, { 0x20, 0x28 }, {} };
RESERVED(gpage) = { { 0x08, 0x10 }, {} };
RESERVED(hpage) = { { 0x08, 0x10 }, {} };
RESERVED(set_parms) = { { 0x08, 0x10 }, { 0x2c, 0x24 }, {} };
RESERVED(unpack) = { { 0x08, 0x10 }, { 0x38, 0x18 }, {} };
RESERVED(set_state) = { { 0x08, 0x10 }, { 0x20, 0x07 }, { 0x28, 0x28 }, {} };
RESERVED(dump_stor) = { { 0x08, 0x10 }, { 0x30, 0x20 }, {} };
RESERVED(dump_area) = { { 0x08, 0x10 }, { 0x28, 0x28 }, {} };

#define CMD(_cmd, _bit, _type, _handler) { \
	.cmd = _cmd, .bit = _bit, .len = sizeof(struct uvsim_cb_##_type), \
	.handler = _handler, .reserved = reserved_##_type, \
}

static struct command commands[] = {
	{ .cmd = 0x0001, .bit = 0, .len = sizeof(struct uvsim_cb_qui), .own_len_check = 1,
	  .handler = uvc_qui },
	CMD(0x000f, 1, init, uvc_init),
	CMD(0x0100, 2, create_conf, uvc_create_conf),
	CMD(0x0101, 3, nodata, uvc_destroy_conf),
	{ .cmd = 0x0102, .bit = 23, .len = sizeof(struct uvsim_cb_destroy_fast), .on_request = 1,
	  .handler = uvc_destroy_conf_fast, .reserved = reserved_destroy_fast },
	CMD(0x0120, 4, create_cpu, uvc_create_cpu),
	CMD(0x0121, 5, nodata, uvc_destroy_cpu),
	CMD(0x0200, 6, gpage, uvc_import),
	CMD(0x0201, 7, hpage, uvc_export),
	CMD(0x0202, 12, hpage, uvc_destroy_page),
	CMD(0x0300, 11, set_parms, uvc_set_parms),
	CMD(0x0301, 13, unpack, uvc_unpack),
	CMD(0x0302, 14, nodata, uvc_verify),
	CMD(0x0310, 15, nodata, uvc_cpu_reset),
	CMD(0x0311, 16, nodata, uvc_cpu_initial_reset),
	CMD(0x0320, 18, nodata, uvc_prep_reset),
	CMD(0x0321, 19, nodata, uvc_cpu_clear_reset),
	CMD(0x0330, 17, set_state, uvc_set_state),
	CMD(0x0340, 20, nodata, uvc_unshare_all),
	CMD(0x0341, 21, hpage, uvc_pin_shared),
	CMD(0x0342, 22, gpage, uvc_unpin_shared),
	CMD(0x0400, 24, nodata, uvc_dump_init),
	CMD(0x0401, 25, dump_stor, uvc_dump_stor),
	CMD(0x0402, 26, dump_area, uvc_dump_cpu),
	CMD(0x0403, 27, dump_area, uvc_dump_complete),
	{ .cmd = 0xffff },	/* counts the unknown ones */
};

#define UNKNOWN_COMMAND	(&commands[ARRAY_SIZE(commands) - 1])

static struct command *find_command(u16 cmd)
{
	struct command *c;

	for (c = commands; c != UNKNOWN_COMMAND; c++) {
		if (c->cmd == cmd)
			break;
	}
	return c;
}

/*
 * Apply the fault rules to a call. Returns 2 or 3 if it has to answer busy.
 * Otherwise the call counts, *rc becomes the injected response, if any.
 */
static int apply_rules(u16 cmd, u32 *rc, u64 *delay_us)
{
	struct rule *r;
	int i;

	for (i = 0; i < UVSIM_MAX_RULES; i++) {
		r = &rules[i];
		if (!r->used || r->cmd != cmd || !r->busy || r->seen + 1 < r->nth ||
		    (r->count && r->seen + 1 >= r->nth + r->count))
			continue;
		if (r->busy_done < r->busy) {
			r->busy_done++;
			r->hits++;
			return r->cc;
		}
	}
	for (i = 0; i < UVSIM_MAX_RULES; i++) {
		r = &rules[i];
		if (!r->used || r->cmd != cmd)
			continue;
		r->seen++;
		r->busy_done = 0;
		if (r->busy || r->seen < r->nth || (r->count && r->seen >= r->nth + r->count))
			continue;
		r->hits++;
		if (r->rc)
			*rc = RC(r->rc, r->rrc);
		*delay_us += r->delay_us;
	}
	return 0;
}

static u32 check_and_call(struct command *c, void *block)
{
	struct uvsim_cb_header *header = block;
	const u8 (*res)[2];
	u8 *bytes = block;

	if (c == UNKNOWN_COMMAND || !(qui.calls[c->bit / 64] & (1UL << (63 - c->bit % 64)))) {
		violation("not installed");
		return RC_INV_CMD;
	}
	if (!uv_init.done && header->cmd != 0x0001 && header->cmd != 0x000f) {
		violation("not initialized");
		return RC_INV_STATE;
	}
	if (!c->own_len_check && header->len != c->len) {
		violation("length %x instead of %x", header->len, c->len);
		return RC_INV_LEN;
	}
	for (res = c->reserved; res && (*res)[1]; res++) {
		if (memchr_inv(bytes + (*res)[0], 0, (*res)[1])) {
			violation("reserved field at %x is not zero", (*res)[0]);
			return RC_RESERVED;
		}
	}
	return c->handler(block);
}

/*
 * For benchmarks: a dump call is counted and executed, it does and checks
 * nothing. Its data is what the kernel has put into the area before.
 */
static bool answer_cheaply(struct uvsim_cb_header *header)
{
	static struct command *first;
	unsigned long flags;

	if (header->cmd < 0x0400 || header->cmd > 0x0403 || READ_ONCE(rules[0].used))
		return false;
	if (!first)
		first = find_command(0x0400);
	spin_lock_irqsave(&uvsim_lock, flags);
	first[header->cmd - 0x0400].calls++;
	spin_unlock_irqrestore(&uvsim_lock, flags);
	header->rc = 1;
	return true;
}

/*
 * Returns the condition code, -EFAULT if the block cannot be accessed. No more
 * of it is than the command needs, so that a wrong length has its own answer.
 */
static int ultravisor_call(u64 operand, u64 addr)
{
	static u8 block[sizeof(struct uvsim_cb_qui)] __aligned(8);
	struct uvsim_cb_header *header = (struct uvsim_cb_header *)addr;
	u32 len, rc = 0, answer;
	u64 delay_us = 0, end;
	struct command *c;
	unsigned long flags;
	int cc;

	if (cheap && answer_cheaply(header))
		return 0;
	if (!writable(addr, sizeof(*header)))
		return -EFAULT;
	c = find_command(header->cmd);
	len = clamp_t(u32, min(header->len, c->len), sizeof(*header), sizeof(block));
	if (!writable(addr, len))
		return -EFAULT;

	spin_lock_irqsave(&uvsim_lock, flags);
	current_cmd = header->cmd;
	cc = apply_rules(current_cmd, &rc, &delay_us);
	if (cc) {
		c->busy++;
		goto out;
	}
	if (delay_us) {
		spin_unlock_irqrestore(&uvsim_lock, flags);
		end = ktime_get_ns() + delay_us * NSEC_PER_USEC;
		while (ktime_get_ns() < end)
			cpu_relax();
		spin_lock_irqsave(&uvsim_lock, flags);
		current_cmd = header->cmd;
	}
	c->calls++;
	memset(block, 0, sizeof(block));
	memcpy(block, (void *)addr, len);
	if (operand)
		violation("first operand %llx", operand);
	if (!rc || (rc & RC_DESTROY && c->handler == uvc_create_conf)) {
		answer = check_and_call(c, block);
		memcpy((void *)addr, block, len);
		if (rc && answer == RC_OK)
			find_conf(((struct uvsim_cb_create_conf *)block)->handle)->state =
				CONF_BROKEN;
		else
			rc = answer;
	}
	header->rc = rc;
	header->rrc = rc >> 16;
	cc = rc == RC_OK ? 0 : 1;
	c->errors += cc;
out:
	spin_unlock_irqrestore(&uvsim_lock, flags);
	return cc;
}

/*
 * What the guest does: eight bytes to its memory. A page that is not secure
 * becomes so for just that moment, as the kernel was not asked. False if the
 * page is not there.
 */
static bool store_secret(struct uvsim_conf *conf, u64 gaddr, u64 value)
{
	u64 page_addr = gaddr & PAGE_MASK, pte = 0, abs, addr;
	enum page_state state;
	struct page_meta *page;

	if (gaddr >= conf->len || find_pte(conf, page_addr, &pte) != RC_OK ||
	    pte & PTE_PROTECTED)
		return false;
	state = page_state(&conf->pages[gaddr >> PAGE_SHIFT]);
	if (import_page(conf, page_addr) != RC_OK ||
	    find_page(conf, page_addr, &page, &abs, &addr) != RC_OK)
		return false;
	if (state != STATE_SHARED && crypt_page(conf, page->component, addr, false))
		return false;
	*(u64 *)(addr + (gaddr & ~PAGE_MASK)) = value;
	if (state == STATE_SHARED)
		return true;
	if (secure_page(conf, page, abs, addr) != RC_OK)
		return false;
	if (state != STATE_SECURE)
		take_away(page, STATE_EXPORTED);
	return true;
}

static void intercept(struct uvsim_sd *sd, u8 code, u16 ipa, u32 ipb)
{
	sd->icptcode = code;
	sd->icptstatus = 0;
	sd->ipa = ipa;
	sd->ipb = ipb;
}

/* NULL if there is none; then *scripted says if there ever was one */
static struct step *next_step(bool protected, u16 cpu, u16 *pos, bool *scripted)
{
	unsigned int i;

	*scripted = false;
	for (i = 0; i < nr_steps; i++) {
		if (steps[i].protected != protected || (!steps[i].any_cpu && steps[i].cpu != cpu))
			continue;
		*scripted = true;
		if (i < *pos)
			continue;
		*pos = i;
		return &steps[i];
	}
	return NULL;
}

/*
 * Where a vcpu is that is not protected: at the start unless its PSW is where
 * the script has left it.
 */
static struct plain_cpu *find_plain_cpu(struct uvsim_sd *sd)
{
	struct plain_cpu *p;

	for (p = plain_cpus; p < plain_cpus + UVSIM_MAX_PLAIN; p++) {
		if (p->sd != sd || p->tgid != current->tgid)
			continue;
		if (p->psw_addr != sd->psw[1])
			p->next_step = 0;
		return p;
	}
	p = &plain_cpus[next_plain++ % UVSIM_MAX_PLAIN];
	p->sd = sd;
	p->tgid = current->tgid;
	p->next_step = 0;
	return p;
}

/* @gprs: registers 0 to 13, which the kernel saves from there */
static void script_plain(struct uvsim_sd *sd, unsigned long *gprs)
{
	struct plain_cpu *plain = find_plain_cpu(sd);
	unsigned int i, r;
	struct step *s;
	bool scripted;

	s = next_step(false, sd->cpu, &plain->next_step, &scripted);
	if (scripted && sd->cpuflags & UVSIM_SD_STOP) {
		intercept(sd, ICPT_STOP, 0, 0);
		return;
	}
	if (!s && scripted) {
		sd->psw[0] |= PSW_ENABLED_WAIT;
		intercept(sd, ICPT_ENABLED_WAIT, 0, 0);
	}
	if (!s)
		return;
	for (i = 0; i < s->changes; i++) {
		r = s->reg[i].offset / 8;
		if (r < 14)
			gprs[r] = s->reg[i].value;
		else
			sd->gr14[r - 14] = s->reg[i].value;
	}
	if (s->find_ipib)
		gprs[2] = (sd->psw[1] & PAGE_MASK) + PAGE_SIZE;
	if (s->icpt == ICPT_ENABLED_WAIT)
		sd->psw[0] |= PSW_ENABLED_WAIT;
	intercept(sd, s->icpt, s->ipa, s->ipb);
	s->taken++;
	plain->next_step++;
	sd->psw[1] += 4;
	plain->psw_addr = sd->psw[1];
}

static void script_protected(struct uvsim_sd *sd, struct uvsim_conf *conf,
			     struct uvsim_cpu *cpu)
{
	u64 *gprs = cpu->regs.gprs;
	struct step *s;
	bool scripted;
	unsigned int i;

	/* the interruption that KVM had for this CPU is taken now */
	sd->iictl = 0;
	if (cpu->in_instruction)
		cpu->regs.flags &= ~UVSIM_CPU_IN_INSTRUCTION;
	cpu->in_instruction = false;

	s = next_step(true, cpu->num, &cpu->next_step, &scripted);
	if (scripted && sd->cpuflags & UVSIM_SD_STOP) {
		intercept(sd, ICPT_STOP, 0, 0);
		return;
	}
	if (s && (s->dumps > conf->dumps ||
		  (s->store && !store_secret(conf, s->at, s->value))))
		s = NULL;
	if (!s && scripted) {
		sd->psw[0] = PSW_ENABLED_WAIT;
		intercept(sd, ICPT_ENABLED_WAIT, 0, 0);
	}
	if (!s)
		return;
	for (i = 0; i < s->changes; i++) {
		if (s->reg[i].size == 8)
			*(u64 *)((u8 *)&cpu->regs + s->reg[i].offset) = s->reg[i].value;
		else
			*(u32 *)((u8 *)&cpu->regs + s->reg[i].offset) = s->reg[i].value;
		if (s->reg[i].offset < sizeof(cpu->regs.gprs) &&
		    (s->icpt == ICPT_PV_INSTRUCTION || s->icpt == ICPT_PV_NOTIFICATION))
			sd->pv_gprs[s->reg[i].offset / 8] = gprs[s->reg[i].offset / 8];
	}
	sd->psw[0] = PSW_ENABLED_WAIT;
	if (s->icpt != ICPT_ENABLED_WAIT)
		sd->psw[0] &= ~PSW_WAIT;
	if (s->icpt == ICPT_PV_INSTRUCTION) {
		cpu->in_instruction = true;
		cpu->regs.flags |= UVSIM_CPU_IN_INSTRUCTION;
	}
	intercept(sd, s->icpt, s->ipa, s->ipb);
	s->taken++;
	cpu->next_step++;
}

/*
 * SIE came back at once. Entering a CPU whose configuration is being dumped
 * would end in a fatal validity interception on a real machine.
 *
 * The instruction was executed some time ago; since then the kernel may have
 * taken the CPU for out of SIE, blocked it and started the dump, all rightly.
 * So what must not be is a CPU that comes from SIE and is not blocked. One that
 * is blocked has nothing to say any more.
 */
static void enter_sie(struct uvsim_sd *sd, unsigned long *gprs)
{
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	unsigned long flags;

	spin_lock_irqsave(&uvsim_lock, flags);
	current_cmd = 0;
	nr_sie++;
	if (sd->cpu_handle) {
		cpu = find_cpu(sd->cpu_handle);
		conf = find_conf(sd->conf_handle);
		if (!cpu || !conf || cpu->conf_handle != sd->conf_handle)
			violation("SIE with stale handles %llx %llx", sd->conf_handle,
				  sd->cpu_handle);
		else if (!conf->dumping)
			script_protected(sd, conf, cpu);
		else if (!(READ_ONCE(sd->prog20) & PROG20_BLOCKED))
			violation("SIE during a dump, CPU %u", cpu->num);
	} else if (nr_steps) {
		script_plain(sd, gprs);
	}
	spin_unlock_irqrestore(&uvsim_lock, flags);
}

/*
 * Newer entry code does not let notifiers see what happens inside of SIE. Where
 * that is so, kernel and modules are neighbours, so that the kernel's text can be
 * changed for the time that this module is loaded: SIE to a nop, and the first
 * load behind sie_exit to a branch to sie_stub, which has a SIE that traps in the
 * open:
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

static bool loads_r14_from_stack(const u8 *insn)
{
	return insn[0] == 0xe3 && insn[1] == 0xe0 && insn[2] >> 4 == 0xf && insn[5] == 0x04;
}

static int move_sie(void)
{
	u8 *leave = (u8 *)&sie_exit, *sie, *block;

	if (abs((s64)(sie_stub - leave)) >= SZ_4G - SZ_4K)
		return 0;
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
		enter_sie(sd, regs->gprs);
		return NOTIFY_STOP;
	}
	ilc = regs->int_code >> 16;
	insn = (u16 *)(regs->psw.addr - ilc);
	if ((u8 *)insn == sie_stub + SIE_STUB_TRAP) {
		/* the entry code does not execute SIE then, but comes here as well */
		if (!(READ_ONCE(sd->prog20) & PROG20_NO_SIE))
			enter_sie(sd, regs->gprs);
		return NOTIFY_STOP;
	}
	if (ilc == 6 && insn[0] >> 8 == 0xee) {
		spin_lock_irqsave(&uvsim_lock, flags);
		nr_plo++;
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
	cc = ultravisor_call(regs->gprs[(insn[1] >> 4) & 0xf], regs->gprs[insn[1] & 0xf]);
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

/*
 * Known answers, from an independent implementation. Inputs are ramps: the
 * CCK and the IVs count from 0, the seed from 0x40, the XTS key from 0x80,
 * the header key from 0xc0, and byte i of the page is 7 * i + i / 256.
 */
static const u8 kat_dump_key[] __initconst =
	"\xac\x3f\x31\x50\xad\x72\x23\xed\xe2\xf4\xc3\x80\xef\xc8\x5a\x2b"
	"\x9d\x5b\xa0\xdb\xc9\x9a\x13\xf3\x39\xe5\xa1\xd9\x7b\x77\x07\x84";

/* last 16 bytes of the page, encrypted with components 0, 1 and the third */
static const u64 kat_component[][2] __initconst = {
	{ 0, 0 }, { 0, 1 }, { 0x00000000f0f0f0f0UL, 0x0000000000001234UL },
};

static const u8 kat_page_end[][17] __initconst = {
	"\x37\x12\x76\xfa\xc0\x75\x1f\x72\xbe\x4e\xe2\x4d\x75\x01\x00\xd3",
	"\x35\xf1\xa7\xbc\x32\xde\x1d\x85\x01\x68\x50\xaa\xc7\xce\x8a\x1a",
	"\xa1\xd2\x74\x6f\x8d\x74\x41\x01\x3f\x8a\xea\xd4\x6f\x96\x01\x00",
};

/* a GCM tag covers everything that was sealed */
static const u8 kat_final_tag[] __initconst =
	"\x73\x2b\x86\xe0\x6d\x8c\x0f\xc7\x3c\x9f\x4e\x36\x5f\x95\x76\x70";
static const u8 kat_cpu_tag[] __initconst =
	"\x35\x7d\x9a\x27\x22\xee\xfb\x6f\x54\xe0\x5c\x06\xc8\x3d\x4f\x23";

/* two pages from 0x15000 and one at 0x40000, each component with its tweak */
static const u64 kat_unpack[][3] __initconst = {
	{ 0x15000, 0x0000aabbccddeeffUL, 0 },
	{ 0x16000, 0x0000aabbccddeeffUL, PAGE_SIZE },
	{ 0x40000, 0x0003112233445566UL, 0 },
};

static const u8 kat_pld[] __initconst =
	"\xf8\xf5\x0a\x5e\x38\x4b\x30\x7d\x90\x84\x7a\x6e\xcb\xb6\xd1\xae"
	"\x4e\xcb\xdc\x48\x4c\xd5\x3d\xd9\x34\xfc\x7c\x56\xe3\x08\xc2\xf1"
	"\x73\x4f\xd7\x31\x7f\x6e\xf7\xd4\x36\x62\x18\x34\x59\xa4\x42\x89"
	"\x79\x58\x1b\xa0\xd7\x1a\x86\xae\x68\x2a\x70\x83\x0c\xf3\x0f\x43";
static const u8 kat_ald[] __initconst =
	"\x1a\x60\x04\xd0\x3f\x6e\x42\xb0\x40\xa2\xae\xbc\x2e\xf0\xf9\x84"
	"\xa3\x2a\xa1\x56\x26\xca\x83\xd7\x88\xdd\x65\x78\xc0\x8a\x6f\x31"
	"\xe7\x32\xa2\xc8\x18\x7a\x4e\x3d\xe3\x05\x99\x2b\x08\xfd\xef\x35"
	"\x6e\xda\x57\x73\xfc\xb2\x3e\x7b\x0c\xcc\x72\x50\x76\xc1\xf2\xb3";
static const u8 kat_tld[] __initconst =
	"\x20\x63\xed\x47\x89\x19\x80\x17\x2c\xca\x70\x8e\x69\xd0\xc9\xd5"
	"\x3f\xe4\xbb\x00\x14\x7c\x15\x5a\xaa\xbc\x23\x52\x17\x3b\x74\x29"
	"\xfd\xf4\xf9\x5d\xf2\x52\xed\xc6\x8b\x8b\x9e\xcf\x5f\xdd\x83\xaa"
	"\x0b\xbe\xb2\x01\x18\x52\x20\xf0\xff\xfa\x53\x29\x58\x21\x4b\xf1";

/* made by genprotimg 2.35.0 */
static const u8 kat_se_header[] __initconst =
	"\x49\x42\x4d\x53\x65\x63\x45\x78\x00\x00\x01\x00\x00\x00\x02\x80"
	"\x74\x74\x1a\xe2\xa0\xcf\xe6\x49\x31\x46\x84\x50\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x80"
	"\x00\x00\x00\x00\x00\x00\x00\x16\x00\x00\x00\x00\x20\x00\x00\xe0"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a"
	"\xa3\x19\x3a\x88\x41\xed\x78\x31\xa8\x7f\x13\xc2\x7a\x5e\xb0\xf1"
	"\x92\xbf\x90\xf0\x8e\xaf\x51\xa8\x0f\x80\x96\x34\x52\xfd\x91\x80"
	"\xa3\x15\x68\xbc\x60\xe3\x73\x3c\x7e\x79\xfc\x39\x62\x42\x1f\x80"
	"\x6d\x7a\x6a\x45\xa9\xe7\x4b\x84\x4e\xe0\xbb\x53\x58\x2e\x6f\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x2a"
	"\xc2\xd7\x35\x64\x07\x8e\x9f\x1f\x3d\x99\xb7\x0f\xfb\xb5\x3a\xe3"
	"\xdb\x2b\xfd\xd8\x58\x81\x55\x32\xe7\xba\x4a\xfe\xe9\x5c\x7e\xa3"
	"\x86\x5d\x44\x6a\xe3\x15\x52\xd4\xf4\x42\xe7\xfa\x23\xf5\xa3\xb1"
	"\xa1\x1f\x3a\xff\x85\xd1\x9a\x2f\xa9\x0f\xf5\xc3\x88\x2a\xd0\x37"
	"\xac\x0a\x41\xbc\x6d\x57\x4d\x9e\x2e\xd8\xd8\xc8\x86\xa4\x6f\xd0"
	"\x93\x46\xbf\x69\xb2\x3f\x8f\x33\x7c\xc7\x25\x45\x2c\x31\xa3\x10"
	"\x3f\xe3\xc8\x3d\x38\x39\x5b\xe6\xfd\xd5\x4e\xed\x4d\x7a\x77\x36"
	"\x9f\xcb\x8d\x34\x41\x66\xd0\x75\xb3\x34\xee\x53\x70\x1c\x14\x92"
	"\x06\xeb\x88\xeb\x76\x0d\x07\x7e\xb2\x13\x22\x23\x68\xe0\x5d\xe4"
	"\xae\x89\xbd\x28\x1e\x0a\x7a\xf3\xf5\x97\xa1\xac\xda\x6a\xdf\x2f"
	"\x1c\x95\x7f\xd2\x2c\x8b\xb6\xc6\x3a\x95\x9e\x97\x0f\x54\x57\x06"
	"\xac\x9b\xf8\xfe\x95\x07\x96\x57\xb4\xd4\x51\x59\xbe\x36\x8d\x9d"
	"\xb4\x01\xf3\x62\xa8\x58\xf6\x7d\x41\xe3\x29\xc0\xed\x3e\x2a\xa1"
	"\xa9\xf8\x1c\x18\x3c\xf5\x6e\x5b\x14\xcf\x31\x70\xf7\xff\xa6\xdd"
	"\x1c\xbc\x4c\x35\x39\x13\x05\x43\xf2\x01\x16\xce\x87\x0a\x0e\x5a"
	"\x42\xbd\x06\xf7\xb8\xb9\x7f\x7f\x61\xac\xf8\x46\x10\xc8\x29\x47"
	"\x4e\xf8\xa6\x72\x1e\xf4\x07\x69\x0d\xb7\xf0\xdd\xa9\xdb\x9d\x30"
	"\xd2\xf4\xd7\xdb\x41\x16\x3f\x56\x44\x52\xf4\xa1\xc5\x0e\x8c\xdf"
	"\xa0\xcd\x27\xdd\x31\xb5\xd7\x7d\x3a\x29\x05\xba\x85\x1d\x12\xda"
	"\x0b\xf2\x95\xd6\xc9\xcb\xc5\x00\xb3\x64\x95\x85\xd4\x6e\x50\xe4"
	"\x9a\xc8\x40\x85\x61\x83\xae\x43\x41\x49\x37\x78\xe2\x7f\x69\x6a"
	"\xc5\x2a\xbe\x4a\xa2\x18\x88\x4d\x31\xc9\xdb\xa1\x8d\x30\x18\xf3"
	"\x5c\x32\xb2\x59\xa8\xfc\x84\x79\x24\x0f\xc8\xe1\xc0\xda\x7e\x37"
	"\x61\x50\x5c\x9c\x7c\x13\xac\x72\x50\xbd\xd7\xdd\x3c\x92\xb1\x0c"
	"\x87\x5c\x36\xfe\x50\x0d\xac\x3a\x47\x2e\x95\xcd\xd6\x82\xc3\x72"
	"\xca\x5f\xed\x95\xe2\x55\xc4\x69\xcb\x87\xa3\x0a\xd2\x8b\x7b\x1e"
	"\x9c\xbd\xaa\xff\x2a\x42\xb1\xf8\x22\x78\x13\xc3\x11\x15\xa4\x99"
	"\xec\xcb\x77\x85\xd6\x10\xc3\xff\x52\x6a\x4d\x35\xe4\x8e\x1d\xab"
	"\xee\xdd\xf4\x8d\x59\x90\x83\xde\xcf\x86\x3d\x64\xd6\xaf\x2f\xaa"
	"\xaf\xd0\x93\x98\x4c\x10\x73\x00\xd4\xfc\x1f\xd9\xcb\xfe\xef\x98";

static void __init ramp(u8 *out, unsigned int len, u8 first)
{
	while (len--)
		*out++ = first++;
}

static void __init kat_page(u8 *page)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = 7 * i + (i >> 8);
}

static void __init kat_regs(struct uvsim_cpu_regs *r)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		r->gprs[i] = i * 0x1111111111111111UL;
		r->acrs[i] = i;
		r->ctrs[i] = 0xc0000000 + i;
	}
	r->psw[0] = 0x0704c00180000000UL;
	r->psw[1] = 0x123456;
	r->prefix = 0x8000;
	r->fpc = 0x80000;
	r->todpr = 0xabcd;
	r->timer = 0x7fffffff00000000UL;
	r->todcmp = 0x00deadbeef000000UL;
	for (i = 0; i < 64; i++)
		r->vregs[i / 2][i % 2] = i * 0x0100000000000001UL;
	for (i = 1; i < 4; i++)
		r->gs[i] = i;
}

/* Buffers of the self test; too large for the stack */
struct kat_data {
	u8 cck[32] __aligned(8), seed[64], xts_key[64], header_key[32], iv[24], nonce[16];
	u8 dump_key[32] __aligned(8);
	struct uvsim_se_secret secret;
	struct uvsim_dump_final final;
	struct uvsim_cpu_regs regs;
	struct uvsim_dump_cpu cpu;
	struct measurement meas;
};

/* NULL if all answers are right, else the vector that is not */
static const char * __init known_answers(struct kat_data *k, u8 *page)
{
	const u64 nonce0 = 0x12345678;
	unsigned int i;
	u64 plain;

	ramp(k->cck, sizeof(k->cck), 0);
	ramp(k->seed, sizeof(k->seed), 0x40);
	ramp(k->xts_key, sizeof(k->xts_key), 0x80);
	ramp(k->header_key, sizeof(k->header_key), 0xc0);
	ramp(k->iv, sizeof(k->iv), 0);
	memcpy(k->nonce, &nonce0, sizeof(nonce0));

	if (derive_dump_key(k->cck, k->seed, k->dump_key) ||
	    memcmp(k->dump_key, kat_dump_key, sizeof(k->dump_key)))
		return "kdf";

	for (i = 0; i < ARRAY_SIZE(kat_component); i++) {
		kat_page(page);
		if (xts_page((u64)page, k->xts_key, kat_component[i][0] | nonce0,
			     kat_component[i][1], true) ||
		    memcmp(page + PAGE_SIZE - 16, kat_page_end[i], 16))
			return "pages";
	}

	if (seal_final(&k->final, k->dump_key, k->seed, k->iv, k->nonce, k->xts_key) ||
	    memcmp(k->final.tag, kat_final_tag, sizeof(k->final.tag)))
		return "completion";

	kat_regs(&k->regs);
	if (seal_cpu(&k->cpu, k->dump_key, k->iv + 12, &k->regs) ||
	    memcmp(k->cpu.tag, kat_cpu_tag, sizeof(k->cpu.tag)))
		return "cpu";

	if (measure_start(&k->meas))
		return "unpack";
	for (i = 0; i < ARRAY_SIZE(kat_unpack); i++) {
		kat_page(page);
		plain = page_digest((u64)page);
		if (xts_page((u64)page, k->xts_key, kat_unpack[i][1], kat_unpack[i][2], true) ||
		    measure(&k->meas, page, kat_unpack[i][0], &kat_unpack[i][1]) ||
		    xts_page((u64)page, k->xts_key, kat_unpack[i][1], kat_unpack[i][2], false) ||
		    page_digest((u64)page) != plain)
			return "unpack";
	}
	if (!measured(&k->meas, kat_pld, kat_ald, kat_tld))
		return "unpack";

	memcpy(se_buf, kat_se_header, sizeof(kat_se_header) - 1);
	if (!se_header_consistent((void *)se_buf, sizeof(kat_se_header) - 1) ||
	    open_se_header((void *)se_buf, k->header_key, &k->secret) ||
	    memcmp(k->secret.cck, k->cck, sizeof(k->cck)) ||
	    memcmp(k->secret.xts_key, k->xts_key, sizeof(k->xts_key)))
		return "se_header";
	se_buf[0] ^= 1;
	if (!open_se_header((void *)se_buf, k->header_key, &k->secret))
		return "se_header with a flipped bit";
	return NULL;
}

static int __init check_known_answers(void)
{
	struct kat_data *data = kzalloc(sizeof(*data), GFP_KERNEL);
	u8 *page = (u8 *)get_zeroed_page(GFP_KERNEL);
	const char *failed = NULL;
	int ret = -ENOMEM;

	if (data && page) {
		spin_lock_irq(&uvsim_lock);
		failed = known_answers(data, page);
		memset(se_buf, 0, sizeof(se_buf));
		spin_unlock_irq(&uvsim_lock);
		ret = failed ? -EINVAL : 0;
	}
	if (failed)
		pr_err("known answer test \"%s\" failed\n", failed);
	free_page((unsigned long)page);
	kfree(data);
	return ret;
}

static void free_crypto(void)
{
	kfree(scratch);
	kfree(hmac_desc);
	kfree(sha_desc);
	skcipher_request_free(ctr_req);
	skcipher_request_free(xts_req);
	if (!IS_ERR_OR_NULL(hmac_tfm))
		crypto_free_shash(hmac_tfm);
	if (!IS_ERR_OR_NULL(sha_tfm))
		crypto_free_shash(sha_tfm);
	if (!IS_ERR_OR_NULL(ctr_tfm))
		crypto_free_skcipher(ctr_tfm);
	if (!IS_ERR_OR_NULL(xts_tfm))
		crypto_free_skcipher(xts_tfm);
}

static struct shash_desc * __init alloc_desc(struct crypto_shash *tfm)
{
	struct shash_desc *desc;

	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(tfm), GFP_KERNEL);
	if (desc)
		desc->tfm = tfm;
	return desc;
}

static int __init alloc_crypto(void)
{
	int ret;

	xts_tfm = crypto_alloc_skcipher("xts(aes)", 0, CRYPTO_ALG_ASYNC);
	ctr_tfm = crypto_alloc_skcipher("ctr(aes)", 0, CRYPTO_ALG_ASYNC);
	sha_tfm = crypto_alloc_shash("sha512", 0, 0);
	hmac_tfm = crypto_alloc_shash("hmac(sha512)", 0, 0);
	ret = PTR_ERR_OR_ZERO(xts_tfm) ?: PTR_ERR_OR_ZERO(ctr_tfm) ?:
	      PTR_ERR_OR_ZERO(sha_tfm) ?: PTR_ERR_OR_ZERO(hmac_tfm);
	if (ret) {
		pr_err("needs xts(aes), ctr(aes), sha512 and hmac(sha512)\n");
		goto free;
	}
	ret = -EINVAL;
	if (sizeof(*sha_desc) + crypto_shash_descsize(sha_tfm) > SHA_STATE_LEN)
		goto free;
	ret = -ENOMEM;
	xts_req = skcipher_request_alloc(xts_tfm, GFP_KERNEL);
	ctr_req = skcipher_request_alloc(ctr_tfm, GFP_KERNEL);
	sha_desc = alloc_desc(sha_tfm);
	hmac_desc = alloc_desc(hmac_tfm);
	scratch = kzalloc(SCRATCH_LEN, GFP_KERNEL);
	if (!xts_req || !ctr_req || !sha_desc || !hmac_desc || !scratch)
		goto free;
	get_random_bytes(&digest_key, sizeof(digest_key));
	return 0;
free:
	free_crypto();
	return ret;
}

/* What the kernel is told */

static void default_qui(void)
{
	struct command *c;

	memset(&qui, 0, sizeof(qui));
	for (c = commands; c != UNKNOWN_COMMAND; c++)
		if (!c->on_request)
			qui.calls[c->bit / 64] |= 1UL << (63 - c->bit % 64);
	qui.base_stor_len = SZ_1M;
	qui.conf_base_phys_len = CONF_BASE_LEN;
	qui.conf_base_virt_len = VAR_BASE_LEN;
	qui.conf_virt_var_len = VAR_LEN_PER_MIB;
	qui.cpu_stor_len = PAGE_SIZE;
	qui.max_confs = UVSIM_MAX_CONFS;
	qui.max_guest_addr = 0x800000000000UL;
	qui.max_cpu_id = UVSIM_MAX_CPU_ID;
	qui.features = 0xc000000000000000UL;	/* MISC, AIV */
	qui.se_hdr_ver = 0x8000000000000000UL;
	qui.se_hdr_pcf = 0x300050e3;
	qui.dump_stor_state_len = UVSIM_PAGES_PER_MIB * sizeof(struct uvsim_stor_entry);
	qui.dump_finalize_len = PAGE_SIZE;
}

static void publish_qui(void)
{
	memcpy(uv_info.inst_calls_list, qui.calls, sizeof(qui.calls));
	uv_info.uv_base_stor_len = qui.base_stor_len;
	uv_info.guest_base_stor_len = qui.conf_base_phys_len;
	uv_info.guest_virt_base_stor_len = qui.conf_base_virt_len;
	uv_info.guest_virt_var_stor_len = qui.conf_virt_var_len;
	uv_info.guest_cpu_stor_len = qui.cpu_stor_len;
	uv_info.max_sec_stor_addr = qui.max_guest_addr;
	uv_info.max_num_sec_conf = qui.max_confs;
	uv_info.max_guest_cpu_id = qui.max_cpu_id;
	uv_info.uv_feature_indications = qui.features;
#ifdef UVC_CMD_DUMP_INIT
	uv_info.supp_se_hdr_ver = qui.se_hdr_ver;
	uv_info.supp_se_hdr_pcf = qui.se_hdr_pcf;
	uv_info.conf_dump_storage_state_len = qui.dump_stor_state_len;
	uv_info.conf_dump_finalize_len = qui.dump_finalize_len;
#endif
}

static struct {
	struct uv_info uv_info;
	int host;
	bool sief2, bscao, esca;
} saved;

static void change_globals(void)
{
	saved.uv_info = uv_info;
	saved.host = prot_virt_host;
	saved.sief2 = sclp.has_sief2;
	saved.bscao = sclp.has_64bscao;
	saved.esca = sclp.has_esca;
	publish_qui();
	sclp.has_sief2 = 1;
	sclp.has_64bscao = 1;
	sclp.has_esca = 1;
	prot_virt_host = 1;
}

static void restore_globals(void)
{
	prot_virt_host = saved.host;
	sclp.has_sief2 = saved.sief2;
	sclp.has_64bscao = saved.bscao;
	sclp.has_esca = saved.esca;
	uv_info = saved.uv_info;
}

/* debugfs */

static struct dentry *debugfs_dir;

#define MAX_DIRECTIVE	256

/* The directive without surrounding white space; to be freed by the caller */
static char *get_directive(const char __user *buf, size_t count)
{
	char *text;

	if (!count || count > MAX_DIRECTIVE)
		return ERR_PTR(-EINVAL);
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return text;
	/* strim() cuts in place but may not return the start: keep that */
	memmove(text, skip_spaces(text), strlen(skip_spaces(text)) + 1);
	strim(text);
	return text;
}

/* Split "key=value", NULL if it is not that */
static char *next_pair(char **text, u64 *value)
{
	char *key = strsep(text, " \t\n"), *number;

	if (!key || !*key)
		return NULL;
	number = strchr(key, '=');
	if (!number)
		return NULL;
	*number++ = 0;
	return kstrtou64(number, 0, value) ? NULL : key;
}

/* hex2bin() is not in the same header in all kernels */
static int parse_hex(u8 *bytes, const char *text, unsigned int len)
{
	char digits[3] = {};

	for (; len; len--, bytes++, text += 2) {
		memcpy(digits, text, 2);
		if (!isxdigit(digits[0]) || !isxdigit(digits[1]) || kstrtou8(digits, 16, bytes))
			return -EINVAL;
	}
	return 0;
}

static int header_keys_show(struct seq_file *m, void *v)
{
	spin_lock_irq(&uvsim_lock);
	seq_printf(m, "%u\n", nr_header_keys);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int header_keys_set(char *text)
{
	char *hash = strsep(&text, " \t"), *key = text ? skip_spaces(text) : NULL;
	u8 bytes[64];
	int ret = 0;

	if (!key && !strcmp(hash, "clear")) {
		spin_lock_irq(&uvsim_lock);
		memzero_explicit(header_keys, sizeof(header_keys));
		nr_header_keys = 0;
		spin_unlock_irq(&uvsim_lock);
		return 0;
	}
	if (!key || strlen(hash) != 64 || strlen(key) != 64 ||
	    parse_hex(bytes, hash, 32) || parse_hex(bytes + 32, key, 32))
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	if (nr_header_keys < UVSIM_MAX_KEYS)
		memcpy(&header_keys[nr_header_keys++], bytes, sizeof(bytes));
	else
		ret = -ENOSPC;
	spin_unlock_irq(&uvsim_lock);
	memzero_explicit(bytes, sizeof(bytes));
	return ret;
}

static int faults_show(struct seq_file *m, void *v)
{
	struct rule *r;

	spin_lock_irq(&uvsim_lock);
	for (r = rules; r < rules + UVSIM_MAX_RULES; r++) {
		if (!r->used)
			continue;
		seq_printf(m, "cmd=0x%04x nth=%llu count=%llu", r->cmd, r->nth, r->count);
		if (r->rc)
			seq_printf(m, " rc=0x%x rrc=0x%x", r->rc, r->rrc);
		if (r->busy)
			seq_printf(m, " busy=%u cc=%u", r->busy, r->cc);
		if (r->delay_us)
			seq_printf(m, " delay_us=%u", r->delay_us);
		seq_printf(m, " hits=%llu\n", r->hits);
	}
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int faults_set(char *text)
{
	struct rule rule = { .used = true, .nth = 1, .count = 1, .cc = 2 };
	u64 value;
	char *key;
	int i;

	if (!strcmp(text, "clear")) {
		spin_lock_irq(&uvsim_lock);
		memset(rules, 0, sizeof(rules));
		spin_unlock_irq(&uvsim_lock);
		return 0;
	}
	while (text) {
		key = next_pair(&text, &value);
		if (!key)
			return -EINVAL;
		if (!strcmp(key, "nth") && value)
			rule.nth = value;
		else if (!strcmp(key, "count"))
			rule.count = value;
		else if (value > U32_MAX)
			return -EINVAL;
		else if (!strcmp(key, "busy"))
			rule.busy = value;
		else if (!strcmp(key, "delay_us"))
			rule.delay_us = value;
		else if (value > U16_MAX)
			return -EINVAL;
		else if (!strcmp(key, "cmd"))
			rule.cmd = value;
		else if (!strcmp(key, "rc"))
			rule.rc = value;
		else if (!strcmp(key, "rrc"))
			rule.rrc = value;
		else if (!strcmp(key, "cc") && (value == 2 || value == 3))
			rule.cc = value;
		else
			return -EINVAL;
	}
	/* rc 1 would be success with cc 1, which does not exist. */
	if (!rule.cmd || rule.rc == 1 || (!rule.rc && !rule.busy && !rule.delay_us) ||
	    (rule.rc && rule.busy))
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_RULES && rules[i].used; i++)
		;
	if (i < UVSIM_MAX_RULES)
		rules[i] = rule;
	spin_unlock_irq(&uvsim_lock);
	return i < UVSIM_MAX_RULES ? 0 : -ENOSPC;
}

static int counters_show(struct seq_file *m, void *v)
{
	struct command *c;
	u64 total = 0;
	int i;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		c = &commands[i];
		total += c->calls;
		if (c->calls || c->busy)
			seq_printf(m, "0x%04x %llu %llu %llu\n", c->cmd, c->calls, c->errors,
				   c->busy);
	}
	seq_printf(m, "sie %llu\nplo %llu\ntotal %llu\n", nr_sie, nr_plo, total);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int counters_set(char *text)
{
	int i;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		commands[i].calls = 0;
		commands[i].errors = 0;
		commands[i].busy = 0;
	}
	nr_sie = 0;
	nr_plo = 0;
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

/* The newest configuration of a process; handles count up */
static struct uvsim_conf *newest_conf(pid_t tgid)
{
	struct uvsim_conf *newest = NULL, *conf;
	int i;

	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		conf = conf_slots[i].conf;
		if (conf_slots[i].handle && conf->tgid == tgid &&
		    (!newest || conf->handle > newest->handle))
			newest = conf;
	}
	return newest;
}

static int objects_show(struct seq_file *m, void *v)
{
	static const char * const names[] = { "new", "header", "unpacking", "verified", "broken" };
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	u64 pages = 0;
	int i, k;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		if (conf_slots[i].handle)
			pages += conf_slots[i].conf->used_pages;
	}
	seq_printf(m, "configs %u\ncpus %u\npages %llu\n", nr_confs, nr_cpus, pages);
	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++)
		seq_printf(m, "%s gaddr=0x%llx\n", orders[i].op->name, orders[i].gaddr);
	for (i = 0; i < UVSIM_MAX_CONFS; i++) {
		if (!conf_slots[i].handle)
			continue;
		conf = conf_slots[i].conf;
		seq_printf(m, "config 0x%llx tgid %d state %s dump %d cpus %u pages %llu\n",
			   conf_slots[i].handle, conf->tgid,
			   names[min_t(u32, conf->state, CONF_BROKEN)], conf->dumping,
			   conf->cpus, conf->used_pages);
		for (k = 0; k < UVSIM_MAX_CPUS; k++) {
			cpu = cpu_slots[k].cpu;
			if (cpu_slots[k].handle && cpu->conf_handle == conf_slots[i].handle)
				seq_printf(m, "cpu 0x%llx num %u\n", cpu_slots[k].handle, cpu->num);
		}
	}
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

/* Not @done is as after a reset of the machine: only "initialize" works. */
static int set_initialized(bool done)
{
	int ret = 0;

	spin_lock_irq(&uvsim_lock);
	if (nr_confs) {
		ret = -EBUSY;
	} else {
		memset(&uv_init, 0, sizeof(uv_init));
		uv_init.done = done;
	}
	spin_unlock_irq(&uvsim_lock);
	return ret;
}

static int order_page_op(const struct page_op *op, u64 gaddr)
{
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; i < UVSIM_MAX_ORDERS && orders[i].op; i++)
		;
	if (i == UVSIM_MAX_ORDERS)
		return -ENOSPC;
	orders[i].op = op;
	orders[i].gaddr = gaddr;
	return 0;
}

static int do_page_op(const struct page_op *op, pid_t tgid, u64 gaddr)
{
	struct uvsim_conf *conf = newest_conf(tgid);

	lockdep_assert_held(&uvsim_lock);
	if (!conf)
		return -ESRCH;
	current_cmd = 0;
	switch (op->call(conf, gaddr)) {
	case RC_OK:
		return 0;
	case RC_NOT_MAPPED:
		return -ENXIO;
	case RC_PAGE_PINNED:
		return -EBUSY;
	case RC_PAGE_INTEGRITY:
		return -EBADMSG;
	default:
		return -EINVAL;
	}
}

static int objects_set(char *text)
{
	char *name = strsep(&text, " \t"), *key;
	const struct page_op *op = NULL;
	u64 value, gaddr = 0, tgid = 0;
	bool where = false;
	unsigned int i;
	int ret;

	if (!text && (!strcmp(name, "init") || !strcmp(name, "uninit")))
		return set_initialized(!strcmp(name, "init"));
	if (!text && !strcmp(name, "clear")) {
		spin_lock_irq(&uvsim_lock);
		memset(orders, 0, sizeof(orders));
		spin_unlock_irq(&uvsim_lock);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(page_ops) && !op; i++) {
		if (!strcmp(name, page_ops[i].name))
			op = &page_ops[i];
	}
	while (text) {
		key = next_pair(&text, &value);
		if (key && !strcmp(key, "gaddr")) {
			gaddr = value;
			where = true;
		} else if (key && !strcmp(key, "tgid")) {
			tgid = value;
		} else {
			return -EINVAL;
		}
	}
	if (!op || !where)
		return -EINVAL;
	spin_lock_irq(&uvsim_lock);
	ret = tgid ? do_page_op(op, tgid, gaddr) : order_page_op(op, gaddr);
	spin_unlock_irq(&uvsim_lock);
	return ret;
}

static int violations_show(struct seq_file *m, void *v)
{
	u64 i;

	spin_lock_irq(&uvsim_lock);
	seq_printf(m, "%llu\n", nr_violations);
	for (i = 0; i < min_t(u64, nr_violations, UVSIM_MAX_TEXTS); i++)
		seq_printf(m, "%s\n", violation_text[i]);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int violations_set(char *text)
{
	spin_lock_irq(&uvsim_lock);
	nr_violations = 0;
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int qui_show(struct seq_file *m, void *v)
{
	int i;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < 4; i++)
		seq_printf(m, "calls%d=0x%llx\n", i, qui.calls[i]);
	seq_printf(m, "cpu_len=0x%llx\nstor_state_len=0x%llx\nfinalize_len=0x%llx\n",
		   qui.cpu_stor_len, qui.dump_stor_state_len, qui.dump_finalize_len);
	seq_printf(m, "max_cpus=0x%x\nmax_guests=0x%x\nmax_address=0x%llx\n",
		   qui.max_cpu_id + 1, qui.max_confs, qui.max_guest_addr);
	seq_printf(m, "features=0x%llx\n", qui.features);
	seq_printf(m, "se_hdr_ver=0x%llx\nse_hdr_pcf=0x%llx\n", qui.se_hdr_ver, qui.se_hdr_pcf);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

static int qui_set(char *text)
{
	struct { const char *name; u64 *field; } wide[] = {
		{ "calls0", &qui.calls[0] },
		{ "calls1", &qui.calls[1] },
		{ "calls2", &qui.calls[2] },
		{ "calls3", &qui.calls[3] },
		{ "cpu_len", &qui.cpu_stor_len },
		{ "stor_state_len", &qui.dump_stor_state_len },
		{ "finalize_len", &qui.dump_finalize_len },
		{ "max_address", &qui.max_guest_addr },
		{ "features", &qui.features },
		{ "se_hdr_ver", &qui.se_hdr_ver },
		{ "se_hdr_pcf", &qui.se_hdr_pcf },
	};
	bool reset = !strcmp(text, "reset");
	u64 *field = NULL, value = 0;
	char *key = NULL;
	int i, ret = 0;

	if (!reset) {
		key = next_pair(&text, &value);
		if (!key || text)
			return -EINVAL;
	}
	spin_lock_irq(&uvsim_lock);
	if (nr_confs) {
		ret = -EBUSY;
		goto out;
	}
	if (reset) {
		default_qui();
	} else if (!strcmp(key, "max_cpus") && value && value <= U16_MAX) {
		qui.max_cpu_id = value - 1;
	} else if (!strcmp(key, "max_guests") && value <= U32_MAX) {
		qui.max_confs = value;
	} else {
		for (i = 0; i < ARRAY_SIZE(wide) && !field; i++) {
			if (!strcmp(key, wide[i].name))
				field = wide[i].field;
		}
		if (field)
			*field = value;
		else
			ret = -EINVAL;
	}
	publish_qui();
out:
	spin_unlock_irq(&uvsim_lock);
	return ret;
}

/* What a script can call by a name. Only the first kind exists for plain. */
static const struct reg_name {
	char name[9];
	u8 size;
	u16 offset, count;
} reg_names[] = {
#define OFFSET(_field) offsetof(struct uvsim_cpu_regs, _field)
	{ "r", 8, OFFSET(gprs), 16 },
	{ "c", 8, OFFSET(ctrs), 16 },
	{ "a", 4, OFFSET(acrs), 16 },
	{ "psw_mask", 8, OFFSET(psw[0]), 1 },
	{ "psw_addr", 8, OFFSET(psw[1]), 1 },
	{ "prefix", 4, OFFSET(prefix), 1 },
	{ "fpc", 4, OFFSET(fpc), 1 },
	{ "todpr", 4, OFFSET(todpr), 1 },
	{ "timer", 8, OFFSET(timer), 1 },
	{ "todcmp", 8, OFFSET(todcmp), 1 },
#undef OFFSET
};

static int step_register(struct step *s, const char *key, u64 value)
{
	unsigned int i, n, kinds = s->protected ? ARRAY_SIZE(reg_names) : 1;
	const struct reg_name *r;

	for (i = 0; i < kinds; i++) {
		r = &reg_names[i];
		n = 0;
		if (r->count == 1 ? strcmp(key, r->name) :
		    key[0] != r->name[0] || kstrtouint(key + 1, 10, &n) || n >= r->count)
			continue;
		if (r->size == 4 && value > U32_MAX)
			return -EINVAL;
		if (s->changes == UVSIM_MAX_CHANGES)
			return -ENOSPC;
		s->reg[s->changes].offset = r->offset + n * r->size;
		s->reg[s->changes].size = r->size;
		s->reg[s->changes++].value = value;
		return 0;
	}
	return -EINVAL;
}

static int parse_step(struct step *s, char *text)
{
	bool at = false;
	u64 value;
	char *key;
	int ret;

	s->any_cpu = true;
	while (text) {
		key = next_pair(&text, &value);
		if (!key)
			return -EINVAL;
		if (!strcmp(key, "cpu") && value <= UVSIM_MAX_CPU_ID) {
			s->any_cpu = false;
			s->cpu = value;
		} else if (!strcmp(key, "dumps") && value <= U32_MAX && s->protected) {
			s->dumps = value;
		} else if (!strcmp(key, "icpt") && value <= U8_MAX) {
			s->icpt = value;
		} else if (!strcmp(key, "ipa") && value <= U16_MAX) {
			s->ipa = value;
		} else if (!strcmp(key, "ipb") && value <= U32_MAX) {
			s->ipb = value;
		} else if (!strcmp(key, "at") && value % 8 == 0 && s->protected) {
			at = true;
			s->at = value;
		} else if (!strcmp(key, "value") && s->protected) {
			s->store = true;
			s->value = value;
		} else {
			ret = step_register(s, key, value);
			if (ret)
				return ret;
		}
	}
	return at == s->store ? 0 : -EINVAL;
}

/* Diagnose 0x308, subcode in register 4 */
static void diag308_step(struct step *s, u64 subcode)
{
	memset(s, 0, sizeof(*s));
	s->icpt = ICPT_INSTRUCTION;
	s->ipa = 0x8324;
	s->ipb = 0x03080000;
	step_register(s, "r4", subcode);
}

static int add_steps(const struct step *s, unsigned int n)
{
	int ret = -ENOSPC;

	spin_lock_irq(&uvsim_lock);
	if (nr_steps + n <= UVSIM_MAX_STEPS) {
		memcpy(&steps[nr_steps], s, n * sizeof(*s));
		nr_steps += n;
		ret = 0;
	}
	spin_unlock_irq(&uvsim_lock);
	return ret;
}

static void clear_script(void)
{
	int i;

	spin_lock_irq(&uvsim_lock);
	nr_steps = 0;
	memset(plain_cpus, 0, sizeof(plain_cpus));
	for (i = 0; i < UVSIM_MAX_CPUS; i++) {
		if (cpu_slots[i].handle)
			cpu_slots[i].cpu->next_step = 0;
	}
	spin_unlock_irq(&uvsim_lock);
}

static int script_boot(char *text)
{
	struct step s[3];
	char *key;
	u64 value;

	diag308_step(&s[0], 8);
	s[0].find_ipib = true;
	if (text) {
		key = next_pair(&text, &value);
		if (!key || text || strcmp(key, "ipib"))
			return -EINVAL;
		s[0].find_ipib = false;
		step_register(&s[0], "r2", value);
	}
	diag308_step(&s[1], 10);
	memset(&s[2], 0, sizeof(s[2]));
	s[2].protected = true;
	s[2].any_cpu = true;
	s[2].icpt = ICPT_ENABLED_WAIT;
	return add_steps(s, 3);
}

static int script_set(char *text)
{
	char *word = strsep(&text, " \t\n");
	struct step s = {};
	int ret;

	if (!strcmp(word, "boot"))
		return script_boot(text);
	if (!strcmp(word, "clear") && !text) {
		clear_script();
		return 0;
	}
	s.protected = !strcmp(word, "pv");
	if (!s.protected && strcmp(word, "plain"))
		return -EINVAL;
	ret = parse_step(&s, text);
	return ret ?: add_steps(&s, 1);
}

static int script_show(struct seq_file *m, void *v)
{
	unsigned int i;
	struct step *s;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < nr_steps; i++) {
		s = &steps[i];
		seq_puts(m, s->protected ? "pv" : "plain");
		if (!s->any_cpu)
			seq_printf(m, " cpu=%u", s->cpu);
		if (s->store)
			seq_printf(m, " at=0x%llx", s->at);
		seq_printf(m, " icpt=0x%02x registers %u taken %llu\n", s->icpt, s->changes,
			   s->taken);
	}
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

/* A file of text lines, read by NAME_show(), written through NAME_set() */
#define TEXT_FILE(_name)							\
static int _name##_open(struct inode *inode, struct file *file)			\
{										\
	return single_open(file, _name##_show, NULL);				\
}										\
										\
static ssize_t _name##_write(struct file *file, const char __user *buf,		\
			     size_t count, loff_t *pos)				\
{										\
	char *text = get_directive(buf, count);					\
	int ret;								\
										\
	if (IS_ERR(text))							\
		return PTR_ERR(text);						\
	ret = _name##_set(text);						\
	kfree_sensitive(text);							\
	return ret ?: count;							\
}										\
										\
static const struct file_operations _name##_fops = {				\
	.owner = THIS_MODULE,							\
	.open = _name##_open,							\
	.read = seq_read,							\
	.write = _name##_write,							\
	.llseek = seq_lseek,							\
	.release = single_release,						\
}

TEXT_FILE(header_keys);
TEXT_FILE(faults);
TEXT_FILE(counters);
TEXT_FILE(objects);
TEXT_FILE(violations);
TEXT_FILE(qui);
TEXT_FILE(script);

/**
 * uvsim_control() - what a write to a file in debugfs does
 * @file: name of the file: header_keys, faults, objects, qui or script
 * @directive: what to write
 *
 * Context: process context
 * Return: 0, -ENOENT there is no such file, or the error of the write.
 */
int uvsim_control(const char *file, const char *directive)
{
	static const struct { const char *name; int (*set)(char *text); } files[] = {
		{ "header_keys", header_keys_set },
		{ "faults", faults_set },
		{ "objects", objects_set },
		{ "qui", qui_set },
		{ "script", script_set },
	};
	char text[MAX_DIRECTIVE];
	int ret = -ENOENT;
	unsigned int i;

	if (strscpy(text, directive, sizeof(text)) < 0)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (!strcmp(file, files[i].name))
			ret = files[i].set(text);
	}
	memzero_explicit(text, sizeof(text));
	return ret;
}
EXPORT_SYMBOL_GPL(uvsim_control);

/**
 * uvsim_violations() - number of violations
 * @clear: begin anew
 *
 * Return: the number up to now
 */
u64 uvsim_violations(bool clear)
{
	u64 n;

	spin_lock_irq(&uvsim_lock);
	n = nr_violations;
	if (clear)
		nr_violations = 0;
	spin_unlock_irq(&uvsim_lock);
	return n;
}
EXPORT_SYMBOL_GPL(uvsim_violations);

/* A record that becomes a template is swapped against the one before. */
static int use_record(struct uvsim_regs_record **record)
{
	struct uvsim_regs_record *r = *record;
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;

	lockdep_assert_held(&uvsim_lock);
	if (r->reserved || r->flags & ~1)
		return -EINVAL;
	if (r->tgid) {
		conf = newest_conf(r->tgid);
		cpu = conf ? find_cpu_num(conf->handle, r->num) : NULL;
		if (!cpu)
			return -ENOENT;
		cpu->regs = r->regs;
		cpu->keep_psw = r->flags & 1;
		return 0;
	}
	if (r->num > UVSIM_MAX_CPU_ID)
		return -EINVAL;
	swap(*record, templates[r->num]);
	return 0;
}

static void drop_templates(void)
{
	struct uvsim_regs_record *r;
	int i;

	for (i = 0; i <= UVSIM_MAX_CPU_ID; i++) {
		spin_lock_irq(&uvsim_lock);
		r = templates[i];
		templates[i] = NULL;
		spin_unlock_irq(&uvsim_lock);
		kfree(r);
	}
}

/* One record per write(); a larger buffer is consumed record by record. */
static ssize_t registers_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *pos)
{
	struct uvsim_regs_record *record;
	int ret = 0;

	if (count < sizeof(*record))
		return -EINVAL;
	record = memdup_user(buf, sizeof(*record));
	if (IS_ERR(record))
		return PTR_ERR(record);
	if (!record->tgid && record->num == 0xffff) {
		drop_templates();
	} else {
		spin_lock_irq(&uvsim_lock);
		ret = use_record(&record);
		spin_unlock_irq(&uvsim_lock);
	}
	kfree(record);
	return ret ?: sizeof(*record);
}

static const struct file_operations registers_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.write = registers_write,
};

static int __init uvsim_load(void)
{
	int ret;

	if (test_facility(158) && !force158) {
		pr_err("this machine has an Ultravisor, or force158=1 is missing\n");
		return -EBUSY;
	}
	ret = alloc_crypto();
	if (ret)
		return ret;
	ret = check_known_answers();
	if (ret)
		goto free;
	default_qui();
	ret = register_die_notifier(&uvsim_nb);
	if (ret)
		goto free;
	ret = move_sie();
	if (ret) {
		pr_err("this kernel's sie_exit is not known\n");
		unregister_die_notifier(&uvsim_nb);
		goto free;
	}
	change_globals();

	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("header_keys", 0600, debugfs_dir, NULL, &header_keys_fops);
	debugfs_create_file("faults", 0600, debugfs_dir, NULL, &faults_fops);
	debugfs_create_file("counters", 0600, debugfs_dir, NULL, &counters_fops);
	debugfs_create_file("objects", 0600, debugfs_dir, NULL, &objects_fops);
	debugfs_create_file("violations", 0600, debugfs_dir, NULL, &violations_fops);
	debugfs_create_file("qui", 0600, debugfs_dir, NULL, &qui_fops);
	debugfs_create_file("script", 0600, debugfs_dir, NULL, &script_fops);
	debugfs_create_file("registers", 0200, debugfs_dir, NULL, &registers_fops);
	return 0;
free:
	free_crypto();
	return ret;
}

/* No configuration is left: each holds a reference on the module. */
static void __exit uvsim_unload(void)
{
	debugfs_remove_recursive(debugfs_dir);
	restore_globals();
	move_sie_back();
	unregister_die_notifier(&uvsim_nb);
	drop_templates();
	memzero_explicit(header_keys, sizeof(header_keys));
	free_crypto();
}

module_init(uvsim_load);
module_exit(uvsim_unload);
MODULE_DESCRIPTION("s390 Ultravisor simulator for QEMU TCG");
MODULE_LICENSE("GPL");
