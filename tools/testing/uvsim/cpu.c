// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: CPUs of configurations
 *
 * Which there are, their states and registers. Called through the table of
 * commands, to find a CPU by its handle or number, and for the debugfs file
 * "registers". What a CPU executes is in sie.c.
 */
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "uvsim.h"

static struct { u64 handle; struct uvsim_cpu *cpu; } cpu_slots[UVSIM_MAX_CPUS];
static u64 next_cpu = 1;
unsigned int uvsim_nr_cpus;

/* Registers that CPUs with this number begin with */
static struct uvsim_regs_record *templates[UVSIM_MAX_CPU_ID + 1];

/**
 * uvsim_next_cpu() - walk over the CPUs of all configurations
 * @slot: where to begin, 0 for all; becomes where that one is
 *
 * Context: uvsim_lock is held
 * Return: the first one from there on, NULL if there is none.
 */
struct uvsim_cpu *uvsim_next_cpu(unsigned int *slot)
{
	lockdep_assert_held(&uvsim_lock);
	for (; *slot < UVSIM_MAX_CPUS; ++*slot) {
		if (cpu_slots[*slot].handle)
			return cpu_slots[*slot].cpu;
	}
	return NULL;
}

/**
 * uvsim_find_cpu() - CPU by its handle
 * @handle: anything
 *
 * A violation if the kernel has overwritten what it donated for it.
 *
 * Context: uvsim_lock is held
 * Return: NULL if there is none.
 */
struct uvsim_cpu *uvsim_find_cpu(u64 handle)
{
	unsigned int slot = handle & 0xffff;

	lockdep_assert_held(&uvsim_lock);
	if (!handle || slot >= UVSIM_MAX_CPUS || cpu_slots[slot].handle != handle)
		return NULL;
	if (cpu_slots[slot].cpu->handle != handle) {
		uvsim_violation("donated storage of CPU %llx was overwritten", handle);
		return NULL;
	}
	return cpu_slots[slot].cpu;
}

/**
 * uvsim_find_cpu_num() - CPU by its number
 * @conf_handle: its configuration
 * @num: the number
 *
 * Context: uvsim_lock is held
 * Return: NULL if there is none.
 */
struct uvsim_cpu *uvsim_find_cpu_num(u64 conf_handle, u16 num)
{
	struct uvsim_cpu *cpu;
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	for (i = 0; (cpu = uvsim_next_cpu(&i)); i++) {
		if (cpu->conf_handle == conf_handle && cpu->num == num)
			return cpu;
	}
	return NULL;
}

/**
 * uvsim_unknown_cpu() - answer to a handle that uvsim_find_cpu() does not know
 * @handle: the handle
 *
 * Context: uvsim_lock is held
 * Return: the response, the violation is counted.
 */
u32 uvsim_unknown_cpu(u64 handle)
{
	lockdep_assert_held(&uvsim_lock);
	uvsim_violation("unknown CPU handle %llx", handle);
	return RC_INV_CPU;
}

/*
 * A CPU begins, and is reset, with nothing pending. That is also for an interruption
 * which the host had taken from its lists and asked to be injected: it counts as one
 * that came before the reset. KVM leaves it in the state description if a signal kept
 * it from SIE, for whatever CPU has that next.
 */
static void forget_injection(u64 state_origin)
{
	struct uvsim_sd *sd = (struct uvsim_sd *)uvsim_abs_to_virt(state_origin, 512);

	if (sd)
		sd->iictl = 0;
}

u32 uvsim_uvc_create_cpu(void *block)
{
	struct uvsim_cb_create_cpu *cb = block;
	struct uvsim_conf *conf = uvsim_find_conf(cb->conf_handle);
	struct uvsim_regs_record *record;
	struct uvsim_cpu *cpu;
	unsigned int i;
	u64 stor;

	if (!conf)
		return uvsim_unknown_conf(cb->conf_handle);
	if (conf->state == CONF_BROKEN)
		return RC_INV_STATE;
	if (cb->num > uvsim_qui.max_cpu_id) {
		uvsim_violation("CPU number %x", cb->num);
		return RC(0x0103, 0);
	}
	if (uvsim_find_cpu_num(conf->handle, cb->num)) {
		uvsim_violation("CPU number %x already defined", cb->num);
		return RC(0x0104, 0);
	}
	if (cb->stor_origin < 2 * PAGE_SIZE) {
		uvsim_violation("CPU storage %llx in the lowcore", cb->stor_origin);
		return RC(0x0106, 0);
	}
	if (uvsim_qui.cpu_stor_len < sizeof(*cpu))
		return RC(0x0105, 1);
	stor = uvsim_abs_to_virt(cb->stor_origin, uvsim_qui.cpu_stor_len);
	if (!stor || cb->stor_origin & ~PAGE_MASK || uvsim_donated(stor, uvsim_qui.cpu_stor_len) ||
	    !uvsim_writable(stor, uvsim_qui.cpu_stor_len)) {
		uvsim_violation("CPU storage %llx", cb->stor_origin);
		return RC(0x0105, 0);
	}
	if (!uvsim_abs_to_virt(cb->state_origin, 512) || cb->state_origin % 512) {
		uvsim_violation("state description %llx", cb->state_origin);
		return RC(0x0107, 0);
	}
	for (i = 0; i < UVSIM_MAX_CPUS && cpu_slots[i].handle; i++)
		;
	if (i == UVSIM_MAX_CPUS)
		return RC_CONF_LIMIT;

	memset((void *)stor, 0, uvsim_qui.cpu_stor_len);
	cpu = (struct uvsim_cpu *)stor;
	cpu->handle = 0xcbUL << 56 | next_cpu++ << 16 | i;
	cpu->conf_handle = conf->handle;
	cpu->sd = cb->state_origin;
	cpu->num = cb->num;
	cpu->state = CPU_STOPPED;
	forget_injection(cpu->sd);
	record = cb->num <= UVSIM_MAX_CPU_ID ? templates[cb->num] : NULL;
	if (record) {
		cpu->regs = record->regs;
		cpu->keep_psw = record->flags & 1;
	}
	cpu_slots[i].handle = cpu->handle;
	cpu_slots[i].cpu = cpu;
	conf->cpus++;
	uvsim_nr_cpus++;
	cb->cpu_handle = cpu->handle;
	return RC_OK;
}

u32 uvsim_uvc_destroy_cpu(void *block)
{
	struct uvsim_cb_nodata *cb = block;
	struct uvsim_cpu *cpu = uvsim_find_cpu(cb->handle);
	struct uvsim_conf *conf;

	if (!cpu)
		return uvsim_unknown_cpu(cb->handle);
	conf = uvsim_find_conf(cpu->conf_handle);
	if (conf)
		conf->cpus--;
	cpu_slots[cb->handle & 0xffff].handle = 0;
	uvsim_nr_cpus--;
	memset(cpu, 0, uvsim_qui.cpu_stor_len);
	return RC_OK;
}

/* CPU commands other than destroy and dump; NULL and *rc set if impossible */
static struct uvsim_cpu *find_quiet_cpu(u64 handle, u32 *rc)
{
	struct uvsim_cpu *cpu = uvsim_find_cpu(handle);
	struct uvsim_conf *conf;

	if (!cpu) {
		*rc = uvsim_unknown_cpu(handle);
		return NULL;
	}
	conf = uvsim_find_conf(cpu->conf_handle);
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
	forget_injection(cpu->sd);
	cpu->was_reset = true;
	cpu->load_psw = false;
	cpu->restart = false;
	if (cpu->in_instruction)
		regs->flags &= ~UVSIM_CPU_IN_INSTRUCTION;
	cpu->in_instruction = false;
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

u32 uvsim_uvc_cpu_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, false, false);
}

u32 uvsim_uvc_cpu_initial_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, true, false);
}

u32 uvsim_uvc_cpu_clear_reset(void *block)
{
	struct uvsim_cb_nodata *cb = block;

	return cpu_reset(cb->handle, true, true);
}

u32 uvsim_uvc_set_state(void *block)
{
	struct uvsim_cb_set_state *cb = block;
	struct uvsim_cpu *cpu;
	struct uvsim_conf *conf;
	u32 rc;

	cpu = find_quiet_cpu(cb->handle, &rc);
	if (!cpu)
		return rc;
	conf = uvsim_find_conf(cpu->conf_handle);
	switch (cb->state) {
	case CPU_LOAD:
		if (conf->state != CONF_VERIFIED)
			return RC_INV_STATE;
		/* once it was reset, storage has the PSW: diagnose 0x308, subcodes 0 and 1 */
		if (conf->reset)
			cpu->load_psw = true;
		else if (!cpu->keep_psw)
			memcpy(cpu->regs.psw, conf->secret.psw, sizeof(cpu->regs.psw));
		cpu->state = CPU_OPERATING;
		return RC_OK;
	case CPU_OPERATING:
	case CPU_STOPPED:
	case CPU_CHECK_STOP:
		cpu->state = cb->state;
		return RC_OK;
	default:
		uvsim_violation("CPU state %x", cb->state);
		return RC_OPERAND;
	}
}

static void store_status(const struct uvsim_cpu_regs *regs, u8 *to)
{
	unsigned int i;

	memset(to, 0, 0x200);
	for (i = 0; i < 16; i++)
		memcpy(to + 8 * i, regs->vregs[i], 8);	/* floating point registers */
	memcpy(to + 0x80, regs->gprs, sizeof(regs->gprs));
	memcpy(to + 0x100, regs->psw, sizeof(regs->psw));
	*(u32 *)(to + 0x118) = regs->prefix;
	*(u32 *)(to + 0x11c) = regs->fpc;
	*(u32 *)(to + 0x124) = regs->todpr;
	*(u64 *)(to + 0x128) = regs->timer;
	*(u64 *)(to + 0x130) = regs->todcmp >> 8;
	memcpy(to + 0x140, regs->acrs, sizeof(regs->acrs));
	memcpy(to + 0x180, regs->ctrs, sizeof(regs->ctrs));
}

/**
 * uvsim_order_cpu() - what a guest wants of another CPU of its, which has to be stopped
 * @conf_handle: its configuration
 * @num: number of the other CPU
 * @order: of SIGP: 0x0d set prefix, 0x0e store status, 0x17 store additional status
 * @there: the storage that it names is there
 * @prefix: for 0x0d
 * @to: for 0x0e and 0x17 where 512 bytes are stored: what is at 0x1200 of a lowcore, or
 *	the vector registers
 *
 * The host has no part in it, so what a protected CPU has can be stored.
 *
 * Context: uvsim_lock is held
 * Return: 0, or the status, which is UVSIM_NO_CPU if there is no such CPU.
 */
u32 uvsim_order_cpu(u64 conf_handle, u16 num, u8 order, bool there, u32 prefix, u8 *to)
{
	struct uvsim_cpu *cpu;

	lockdep_assert_held(&uvsim_lock);
	cpu = uvsim_find_cpu_num(conf_handle, num);
	if (!cpu)
		return UVSIM_NO_CPU;
	if (!there)
		return 0x100;		/* invalid parameter */
	if (cpu->state != CPU_STOPPED)
		return 0x200;		/* incorrect state */
	if (order == 0x0d)
		cpu->regs.prefix = prefix;
	else if (order == 0x0e)
		store_status(&cpu->regs, to);
	else
		memcpy(to, cpu->regs.vregs, sizeof(cpu->regs.vregs));
	return 0;
}

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
		conf = uvsim_newest_conf(r->tgid);
		cpu = conf ? uvsim_find_cpu_num(conf->handle, r->num) : NULL;
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

/**
 * uvsim_drop_templates() - forget what CPUs are to begin with
 *
 * Context: takes uvsim_lock
 */
void uvsim_drop_templates(void)
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

/**
 * uvsim_registers() - what the write of a record to "registers" in debugfs does
 * @record: the record, which is copied
 *
 * Context: process context
 * Return:
 * * 0 - done
 * * -ENOENT - there is no such CPU
 * * -EINVAL - the record is wrong
 * * -ENOMEM - no memory
 */
int uvsim_registers(const struct uvsim_regs_record *record)
{
	struct uvsim_regs_record *copy;
	int ret;

	if (!record->tgid && record->num == 0xffff) {
		uvsim_drop_templates();
		return 0;
	}
	copy = kmemdup(record, sizeof(*record), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	spin_lock_irq(&uvsim_lock);
	ret = use_record(&copy);
	spin_unlock_irq(&uvsim_lock);
	kfree(copy);
	return ret;
}
EXPORT_SYMBOL_GPL(uvsim_registers);

/* One record per write(); a larger buffer is consumed record by record. */
static ssize_t registers_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *pos)
{
	struct uvsim_regs_record *record;
	int ret;

	if (count < sizeof(*record))
		return -EINVAL;
	record = memdup_user(buf, sizeof(*record));
	if (IS_ERR(record))
		return PTR_ERR(record);
	ret = uvsim_registers(record);
	kfree(record);
	return ret ?: sizeof(*record);
}

const struct file_operations uvsim_registers_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.write = registers_write,
};
