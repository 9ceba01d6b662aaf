// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: Start Interpretive Execution
 *
 * Called by trap.c when a CPU enters SIE. What is right or wrong of it whatever
 * the guest does next. That is what a script says (script.c), or its own code (run.c).
 */
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <asm/ptrace.h>
#include "uvsim.h"

/**
 * uvsim_intercept() - say why SIE comes back
 * @sd: the CPU's state description
 * @code: interception code
 * @ipa: first halfword of the instruction
 * @ipb: the other two
 *
 * Context: any
 */
void uvsim_intercept(struct uvsim_sd *sd, u8 code, u16 ipa, u32 ipb)
{
	sd->icptcode = code;
	sd->icptstatus = 0;
	sd->ipa = ipa;
	sd->ipb = ipb;
}

static const char * const modes[] = { "script", "run", "always" };

static enum { SIE_SCRIPT, SIE_RUN, SIE_ALWAYS } mode;

static int set_mode(const char *value, const struct kernel_param *kp)
{
	int i = sysfs_match_string(modes, value);

	if (i < 0)
		return i;
	WRITE_ONCE(mode, i);
	return 0;
}

static int get_mode(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", modes[mode]);
}

static const struct kernel_param_ops mode_ops = { .set = set_mode, .get = get_mode };
module_param_cb(sie, &mode_ops, NULL, 0600);
MODULE_PARM_DESC(sie, "script: guests do what the script says; run: they are executed; always: even during a dump");

/*
 * Entering a CPU whose configuration is being dumped ends in a fatal validity
 * interception, unless tests want to see what a kernel that does so would do to the
 * dump, and one that waits for the end of a call must not be entered.
 *
 * The instruction was executed some time ago; since then the kernel may have
 * taken the CPU for out of SIE, blocked it and issued calls, all rightly. So what
 * must not be is a CPU that comes from SIE and is not blocked. One that is blocked
 * came late: it has nothing to say any more, and goes back.
 */
void uvsim_enter_sie(struct uvsim_sd *sd, struct pt_regs *regs)
{
	const unsigned int how = READ_ONCE(mode);
	bool run = how != SIE_SCRIPT;
	struct uvsim_conf *conf;
	struct uvsim_cpu *cpu;
	unsigned long flags;
	bool late;

	uvsim_delay(uvsim_sie_delay_us());
	spin_lock_irqsave(&uvsim_lock, flags);
	uvsim_current_cmd = 0;
	uvsim_nr_sie++;
	late = READ_ONCE(sd->prog20) & PROG20_BLOCKED;
	run = run && !uvsim_scripted(sd->cpu_handle);
	if (sd->cpu_handle) {
		cpu = uvsim_find_cpu(sd->cpu_handle);
		conf = uvsim_find_conf(sd->conf_handle);
		if (!cpu || !conf || cpu->conf_handle != sd->conf_handle) {
			run = false;
			uvsim_violation("SIE with stale handles %llx %llx", sd->conf_handle,
					sd->cpu_handle);
		} else if (late && (conf->dumping || uvsim_busy_cmd(conf->handle))) {
			run = false;
			uvsim_nr_late++;
		} else if (uvsim_busy_cmd(conf->handle)) {
			run = false;
			uvsim_violation("SIE before 0x%04x is done, CPU %u",
					uvsim_busy_cmd(conf->handle), cpu->num);
		} else if (conf->dumping) {
			uvsim_violation("SIE during a dump, CPU %u", cpu->num);
			if (how == SIE_RUN && run)
				uvsim_intercept(sd, ICPT_NOT_VALID, 0, 0);
			run = run && how == SIE_ALWAYS;
		} else if (!run) {
			uvsim_script_protected(sd, conf, cpu);
		}
	} else if (!run) {
		uvsim_script_plain(sd, regs->gprs);
	}
	spin_unlock_irqrestore(&uvsim_lock, flags);
	if (run)
		uvsim_run(regs, (struct kvm_s390_sie_block *)sd, sd->cpu_handle);
}
