// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: Start Interpretive Execution
 *
 * Called by trap.c when a CPU enters SIE. What is right or wrong of it whatever
 * the guest does next; the guest itself is a script.
 */
#include <linux/spinlock.h>
#include "uvsim.h"

void uvsim_intercept(struct uvsim_sd *sd, u8 code, u16 ipa, u32 ipb)
{
	sd->icptcode = code;
	sd->icptstatus = 0;
	sd->ipa = ipa;
	sd->ipb = ipb;
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
void uvsim_enter_sie(struct uvsim_sd *sd, unsigned long *gprs)
{
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	unsigned long flags;

	spin_lock_irqsave(&uvsim_lock, flags);
	uvsim_current_cmd = 0;
	uvsim_nr_sie++;
	if (sd->cpu_handle) {
		cpu = uvsim_find_cpu(sd->cpu_handle);
		conf = uvsim_find_conf(sd->conf_handle);
		if (!cpu || !conf || cpu->conf_handle != sd->conf_handle)
			uvsim_violation("SIE with stale handles %llx %llx", sd->conf_handle,
					sd->cpu_handle);
		else if (uvsim_busy_cmd(conf->handle))
			uvsim_violation("SIE before 0x%04x is done, CPU %u",
					uvsim_busy_cmd(conf->handle), cpu->num);
		else if (!conf->dumping)
			uvsim_script_protected(sd, conf, cpu);
		else if (!(READ_ONCE(sd->prog20) & PROG20_BLOCKED))
			uvsim_violation("SIE during a dump, CPU %u", cpu->num);
	} else {
		uvsim_script_plain(sd, gprs);
	}
	spin_unlock_irqrestore(&uvsim_lock, flags);
}
