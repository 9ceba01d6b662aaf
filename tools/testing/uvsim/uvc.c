// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: the Ultravisor call
 *
 * What is common to all commands: the table of them, the checks before a command
 * is carried out, its answer; and the two that are about the Ultravisor itself,
 * query and initialize. Called by trap.c for each instruction, and for the debugfs
 * files "counters" and "qui".
 */
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include "uvsim.h"

struct command {
	u16 cmd;
	u16 len;
	u8  bit;
	u8  own_len_check;
	u8  on_request;			/* reported only if "qui" says so */
	u8  handle_at;			/* its caller has this object to itself; 0: none */
	u8  ends;			/* and destroys it */
	u32 (*handler)(void *cb);
	const u8 (*reserved)[2];	/* offset, length; ends with length 0 */
	u64 calls, errors, busy;
};

struct uvsim_cb_qui uvsim_qui;
u64 uvsim_nr_sie, uvsim_nr_late, uvsim_nr_plo;
u16 uvsim_current_cmd;

/* Initialize Ultravisor: done, as by the kernel at boot, until told otherwise */
struct uvsim_uv_init uvsim_uv_init = { .done = true };

static bool cheap;
module_param(cheap, bool, 0644);
MODULE_PARM_DESC(cheap, "dump calls answer at once, for benchmarks");

static u32 uvc_qui(void *block)
{
	struct uvsim_cb_qui *cb = block;
	struct uvsim_cb_header header = cb->header;

	if (header.len < UVSIM_QUI_MIN_LEN || header.len % 8) {
		uvsim_violation("length %x", header.len);
		return RC_INV_LEN;
	}
	*cb = uvsim_qui;
	cb->header = header;
	return header.len < sizeof(*cb) ? RC_MORE_DATA : RC_OK;
}

static u32 uvc_init(void *block)
{
	struct uvsim_cb_init *cb = block;
	u64 origin = round_down(cb->stor_origin, SZ_1M), len = cb->stor_len & PAGE_MASK;

	if (uvsim_uv_init.done) {
		uvsim_violation("second initialization");
		return RC(0x0101, 0);
	}
	if (num_online_cpus() > 1)
		return RC(0x0102, 0);
	if (len < uvsim_qui.base_stor_len)
		return RC(0x0103, 0);
	if (!uvsim_abs_to_virt(origin, 1))
		return RC(0x0104, 0);
	if (!uvsim_abs_to_virt(origin, len))
		return RC(0x0105, 0);
	if (origin < SZ_2G)
		return RC(0x0108, 0);
	uvsim_uv_init.base = (u64)__va(origin);
	uvsim_uv_init.len = len;
	uvsim_uv_init.done = true;
	memset((void *)uvsim_uv_init.base, 0, len);
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

#define BLOCK(_type, _handler) \
	.len = sizeof(struct uvsim_cb_##_type), .handler = _handler, .reserved = reserved_##_type

#define CMD(_cmd, _bit, _type, _handler) \
	{ .cmd = _cmd, .bit = _bit, BLOCK(_type, _handler) }

/* About one configuration or CPU: KVM issues one at a time */
#define OBJ(_cmd, _bit, _type, _handler) \
	{ .cmd = _cmd, .bit = _bit, BLOCK(_type, _handler), .handle_at = 0x18 }
#define END(_cmd, _bit, _type, _handler) \
	{ .cmd = _cmd, .bit = _bit, BLOCK(_type, _handler), .handle_at = 0x18, .ends = 1 }

static struct command commands[] = {
	{ .cmd = 0x0001, .bit = 0, .len = sizeof(struct uvsim_cb_qui), .own_len_check = 1,
	  .handler = uvc_qui },
	CMD(0x000f, 1, init, uvc_init),
	CMD(0x0100, 2, create_conf, uvsim_uvc_create_conf),
	END(0x0101, 3, nodata, uvsim_uvc_destroy_conf),
	{ .cmd = 0x0102, .bit = 23, BLOCK(destroy_fast, uvsim_uvc_destroy_conf_fast),
	  .handle_at = 0x18, .ends = 1, .on_request = 1 },
	{ .cmd = 0x0120, .bit = 4, BLOCK(create_cpu, uvsim_uvc_create_cpu), .handle_at = 0x20 },
	END(0x0121, 5, nodata, uvsim_uvc_destroy_cpu),
	CMD(0x0200, 6, gpage, uvsim_uvc_import),
	CMD(0x0201, 7, hpage, uvsim_uvc_export),
	CMD(0x0202, 12, hpage, uvsim_uvc_destroy_page),
	OBJ(0x0300, 11, set_parms, uvsim_uvc_set_parms),
	CMD(0x0301, 13, unpack, uvsim_uvc_unpack),
	OBJ(0x0302, 14, nodata, uvsim_uvc_verify),
	OBJ(0x0310, 15, nodata, uvsim_uvc_cpu_reset),
	OBJ(0x0311, 16, nodata, uvsim_uvc_cpu_initial_reset),
	OBJ(0x0320, 18, nodata, uvsim_uvc_prep_reset),
	OBJ(0x0321, 19, nodata, uvsim_uvc_cpu_clear_reset),
	OBJ(0x0330, 17, set_state, uvsim_uvc_set_state),
	OBJ(0x0340, 20, nodata, uvsim_uvc_unshare_all),
	CMD(0x0341, 21, hpage, uvsim_uvc_pin_shared),
	CMD(0x0342, 22, gpage, uvsim_uvc_unpin_shared),
	OBJ(0x0400, 24, nodata, uvsim_uvc_dump_init),
	OBJ(0x0401, 25, dump_stor, uvsim_uvc_dump_stor),
	OBJ(0x0402, 26, dump_area, uvsim_uvc_dump_cpu),
	OBJ(0x0403, 27, dump_area, uvsim_uvc_dump_complete),
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

static u32 check_and_call(struct command *c, void *block)
{
	struct uvsim_cb_header *header = block;
	const u8 (*res)[2];
	u8 *bytes = block;

	if (c == UNKNOWN_COMMAND || !(uvsim_qui.calls[c->bit / 64] & (1UL << (63 - c->bit % 64)))) {
		uvsim_violation("not installed");
		return RC_INV_CMD;
	}
	if (!uvsim_uv_init.done && header->cmd != 0x0001 && header->cmd != 0x000f) {
		uvsim_violation("not initialized");
		return RC_INV_STATE;
	}
	if (!c->own_len_check && header->len != c->len) {
		uvsim_violation("length %x instead of %x", header->len, c->len);
		return RC_INV_LEN;
	}
	for (res = c->reserved; res && (*res)[1]; res++) {
		if (memchr_inv(bytes + (*res)[0], 0, (*res)[1])) {
			uvsim_violation("reserved field at %x is not zero", (*res)[0]);
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

	if (header->cmd < 0x0400 || header->cmd > 0x0403 || uvsim_have_rules())
		return false;
	if (!first)
		first = find_command(0x0400);
	spin_lock_irqsave(&uvsim_lock, flags);
	first[header->cmd - 0x0400].calls++;
	spin_unlock_irqrestore(&uvsim_lock, flags);
	header->rc = 1;
	return true;
}

/**
 * uvsim_uvc() - the Ultravisor call
 * @operand: content of the first register, which should be 0
 * @addr: kernel address of the control block, on a doubleword
 *
 * No more of the block is accessed than the command needs, so that a wrong length has
 * its own answer.
 *
 * Context: any, takes uvsim_lock
 * Return: the condition code, -EFAULT if the block cannot be accessed.
 */
int uvsim_uvc(u64 operand, u64 addr)
{
	static u8 block[sizeof(struct uvsim_cb_qui)] __aligned(8);
	struct uvsim_cb_header *header = (struct uvsim_cb_header *)addr;
	u32 len, rc = 0, answer;
	u64 handle, delay_us = 0;
	struct command *c;
	unsigned long flags;
	int cc;

	if (cheap && answer_cheaply(header))
		return 0;
	if (!uvsim_writable(addr, sizeof(*header)))
		return -EFAULT;
	c = find_command(header->cmd);
	len = clamp_t(u32, min(header->len, c->len), sizeof(*header), sizeof(block));
	if (!uvsim_writable(addr, len))
		return -EFAULT;

	if (len == c->len)
		uvsim_pv_before_uvc(header->cmd, header);
	spin_lock_irqsave(&uvsim_lock, flags);
	uvsim_current_cmd = header->cmd;
	memset(block, 0, sizeof(block));
	memcpy(block, (void *)addr, len);
	handle = c->handle_at ? *(u64 *)(block + c->handle_at) : 0;
	uvsim_busy_call(handle, block, len, c->ends);
	cc = uvsim_apply_rules(uvsim_current_cmd, &rc, &delay_us);
	if (cc) {
		uvsim_busy_answer(handle, block, len);
		c->busy++;
		goto out;
	}
	if (delay_us) {
		spin_unlock_irqrestore(&uvsim_lock, flags);
		uvsim_delay(delay_us);
		spin_lock_irqsave(&uvsim_lock, flags);
		uvsim_current_cmd = header->cmd;
		memset(block, 0, sizeof(block));
		memcpy(block, (void *)addr, len);
	}
	c->calls++;
	if (operand)
		uvsim_violation("first operand %llx", operand);
	if (!rc || (rc & RC_DESTROY && c->handler == uvsim_uvc_create_conf)) {
		answer = check_and_call(c, block);
		memcpy((void *)addr, block, len);
		if (rc && answer == RC_OK)
			uvsim_find_conf(((struct uvsim_cb_create_conf *)block)->handle)->state =
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

/**
 * uvsim_default_qui() - what is reported to the kernel unless a test says otherwise
 *
 * Context: uvsim_lock is held, or nobody else is there yet
 */
void uvsim_default_qui(void)
{
	struct command *c;

	memset(&uvsim_qui, 0, sizeof(uvsim_qui));
	for (c = commands; c != UNKNOWN_COMMAND; c++)
		if (!c->on_request)
			uvsim_qui.calls[c->bit / 64] |= 1UL << (63 - c->bit % 64);
	uvsim_qui.base_stor_len = SZ_1M;
	uvsim_qui.conf_base_phys_len = CONF_BASE_LEN;
	uvsim_qui.conf_base_virt_len = VAR_BASE_LEN;
	uvsim_qui.conf_virt_var_len = VAR_LEN_PER_MIB;
	uvsim_qui.cpu_stor_len = PAGE_SIZE;
	uvsim_qui.max_confs = UVSIM_MAX_CONFS;
	uvsim_qui.max_guest_addr = 0x800000000000UL;
	uvsim_qui.max_cpu_id = UVSIM_MAX_CPU_ID;
	uvsim_qui.features = 0xc000000000000000UL;	/* MISC, AIV */
	uvsim_qui.se_hdr_ver = 0x8000000000000000UL;
	uvsim_qui.se_hdr_pcf = 0x300050e3;
	uvsim_qui.dump_stor_state_len = UVSIM_PAGES_PER_MIB * sizeof(struct uvsim_stor_entry);
	uvsim_qui.dump_finalize_len = PAGE_SIZE;
	uvsim_area_align = 8;
}

int uvsim_counters_show(struct seq_file *m, void *v)
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
	seq_printf(m, "sie %llu\nlate %llu\nplo %llu\ntotal %llu\n", uvsim_nr_sie,
		   uvsim_nr_late, uvsim_nr_plo, total);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_counters_set(char *text)
{
	int i;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		commands[i].calls = 0;
		commands[i].errors = 0;
		commands[i].busy = 0;
	}
	uvsim_nr_sie = 0;
	uvsim_nr_late = 0;
	uvsim_nr_plo = 0;
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_qui_show(struct seq_file *m, void *v)
{
	int i;

	spin_lock_irq(&uvsim_lock);
	for (i = 0; i < 4; i++)
		seq_printf(m, "calls%d=0x%llx\n", i, uvsim_qui.calls[i]);
	seq_printf(m, "cpu_len=0x%llx\nstor_state_len=0x%llx\n", uvsim_qui.cpu_stor_len,
		   uvsim_qui.dump_stor_state_len);
	seq_printf(m, "finalize_len=0x%llx\narea_align=0x%llx\n", uvsim_qui.dump_finalize_len,
		   uvsim_area_align);
	seq_printf(m, "max_cpus=0x%x\nmax_guests=0x%x\nmax_address=0x%llx\n",
		   uvsim_qui.max_cpu_id + 1, uvsim_qui.max_confs, uvsim_qui.max_guest_addr);
	seq_printf(m, "features=0x%llx\n", uvsim_qui.features);
	seq_printf(m, "se_hdr_ver=0x%llx\nse_hdr_pcf=0x%llx\n", uvsim_qui.se_hdr_ver,
		   uvsim_qui.se_hdr_pcf);
	spin_unlock_irq(&uvsim_lock);
	return 0;
}

int uvsim_qui_set(char *text)
{
	struct { const char *name; u64 *field; } wide[] = {
		{ "calls0", &uvsim_qui.calls[0] },
		{ "calls1", &uvsim_qui.calls[1] },
		{ "calls2", &uvsim_qui.calls[2] },
		{ "calls3", &uvsim_qui.calls[3] },
		{ "cpu_len", &uvsim_qui.cpu_stor_len },
		{ "stor_state_len", &uvsim_qui.dump_stor_state_len },
		{ "finalize_len", &uvsim_qui.dump_finalize_len },
		{ "area_align", &uvsim_area_align },
		{ "max_address", &uvsim_qui.max_guest_addr },
		{ "features", &uvsim_qui.features },
		{ "se_hdr_ver", &uvsim_qui.se_hdr_ver },
		{ "se_hdr_pcf", &uvsim_qui.se_hdr_pcf },
	};
	bool reset = !strcmp(text, "reset");
	u64 *field = NULL, value = 0;
	char *key = NULL;
	int i, ret = 0;

	if (!reset) {
		key = uvsim_next_pair(&text, &value);
		if (!key || text)
			return -EINVAL;
	}
	spin_lock_irq(&uvsim_lock);
	if (uvsim_nr_confs) {
		ret = -EBUSY;
		goto out;
	}
	if (reset) {
		uvsim_default_qui();
	} else if (!strcmp(key, "max_cpus") && value && value <= U16_MAX) {
		uvsim_qui.max_cpu_id = value - 1;
	} else if (!strcmp(key, "max_guests") && value <= U32_MAX) {
		uvsim_qui.max_confs = value;
	} else {
		for (i = 0; i < ARRAY_SIZE(wide) && !field; i++) {
			if (!strcmp(key, wide[i].name))
				field = wide[i].field;
		}
		if (field && (field != &uvsim_area_align || is_power_of_2(value)))
			*field = value;
		else
			ret = -EINVAL;
	}
	uvsim_publish_qui();
out:
	spin_unlock_irq(&uvsim_lock);
	return ret;
}
