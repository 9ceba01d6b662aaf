// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: scripts, what vcpus do
 *
 * Called by sie.c for each entry to SIE, and for the debugfs file "script". A
 * script is a list of steps for all VMs; Documentation/dev-tools/uvsim.rst has
 * their syntax. Each time a vcpu enters SIE it takes its next step: the step
 * changes what it names and then says why SIE returns.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "uvsim.h"

#define UVSIM_MAX_STEPS		64
#define UVSIM_MAX_CHANGES	12	/* registers that one step changes */
#define UVSIM_MAX_PLAIN		64	/* vcpus in a script, not protected */

/* One entry to SIE; what the fields mean is in the documentation */
struct step {
	bool protected, any_cpu, store, find_ipib;
	u8 icpt, changes;
	u16 cpu, ipa;
	u32 ipb, dumps;
	u64 at, value, taken;
	struct { u16 offset, size; u64 value; } reg[UVSIM_MAX_CHANGES];
};

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

/* Are there steps for this kind of vcpus? */
bool uvsim_scripted(bool protected)
{
	unsigned int i;

	for (i = 0; i < nr_steps; i++) {
		if (steps[i].protected == protected)
			return true;
	}
	return false;
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

/**
 * uvsim_script_plain() - the next step of a vcpu that is not protected
 * @sd: its state description
 * @gprs: registers 0 to 13, which the kernel saves from there
 *
 * Context: uvsim_lock is held
 */
void uvsim_script_plain(struct uvsim_sd *sd, unsigned long *gprs)
{
	struct plain_cpu *plain;
	unsigned int i, r;
	struct step *s;
	bool scripted;

	lockdep_assert_held(&uvsim_lock);
	if (!nr_steps)
		return;
	plain = find_plain_cpu(sd);
	s = next_step(false, sd->cpu, &plain->next_step, &scripted);
	if (scripted && sd->cpuflags & UVSIM_SD_STOP) {
		uvsim_intercept(sd, ICPT_STOP, 0, 0);
		return;
	}
	if (!s && scripted) {
		sd->psw[0] |= PSW_ENABLED_WAIT;
		uvsim_intercept(sd, ICPT_ENABLED_WAIT, 0, 0);
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
	uvsim_intercept(sd, s->icpt, s->ipa, s->ipb);
	s->taken++;
	plain->next_step++;
	sd->psw[1] += 4;
	plain->psw_addr = sd->psw[1];
}

/**
 * uvsim_script_protected() - the next step of a protected vcpu
 * @sd: its state description
 * @conf: its configuration, which is not being dumped
 * @cpu: the CPU
 *
 * Context: uvsim_lock is held
 */
void uvsim_script_protected(struct uvsim_sd *sd, struct uvsim_conf *conf,
			    struct uvsim_cpu *cpu)
{
	u64 *gprs = cpu->regs.gprs;
	struct step *s;
	bool scripted;
	unsigned int i;

	lockdep_assert_held(&uvsim_lock);
	/* the interruption that KVM had for this CPU is taken now */
	sd->iictl = 0;
	if (cpu->in_instruction)
		cpu->regs.flags &= ~UVSIM_CPU_IN_INSTRUCTION;
	cpu->in_instruction = false;

	s = next_step(true, cpu->num, &cpu->next_step, &scripted);
	if (scripted && sd->cpuflags & UVSIM_SD_STOP) {
		uvsim_intercept(sd, ICPT_STOP, 0, 0);
		return;
	}
	if (s && (s->dumps > conf->dumps ||
		  (s->store && !uvsim_store_secret(conf, s->at, s->value))))
		s = NULL;
	if (!s && scripted) {
		sd->psw[0] = PSW_ENABLED_WAIT;
		uvsim_intercept(sd, ICPT_ENABLED_WAIT, 0, 0);
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
	/* KVM is shown the PSW of a CPU that waits: that of a Linux after its panic */
	for (i = 0; i < s->changes && s->icpt == ICPT_ENABLED_WAIT; i++) {
		if (s->reg[i].offset == offsetof(struct uvsim_cpu_regs, psw[0]))
			sd->psw[0] = s->reg[i].value;
		if (s->reg[i].offset == offsetof(struct uvsim_cpu_regs, psw[1]))
			sd->psw[1] = s->reg[i].value;
	}
	if (s->icpt == ICPT_PV_INSTRUCTION) {
		cpu->in_instruction = true;
		cpu->regs.flags |= UVSIM_CPU_IN_INSTRUCTION;
	}
	uvsim_intercept(sd, s->icpt, s->ipa, s->ipb);
	s->taken++;
	cpu->next_step++;
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
		key = uvsim_next_pair(&text, &value);
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
	struct uvsim_cpu *cpu;
	unsigned int i;

	spin_lock_irq(&uvsim_lock);
	nr_steps = 0;
	memset(plain_cpus, 0, sizeof(plain_cpus));
	for (i = 0; (cpu = uvsim_next_cpu(&i)); i++)
		cpu->next_step = 0;
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
		key = uvsim_next_pair(&text, &value);
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

int uvsim_script_set(char *text)
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

int uvsim_script_show(struct seq_file *m, void *v)
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
