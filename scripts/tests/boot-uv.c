// SPDX-License-Identifier: GPL-2.0-only
/*
 * arch/s390/boot/uv.c asks the Ultravisor what it can do before there is a kernel to
 * test, and before any simulator can be loaded. Here the object that is in the kernel
 * is linked into a program, in which the UV call is an illegal instruction: the signal
 * handler answers it as the interface says, with another value in each byte.
 *
 * Called by boot_uv in compile.sh, which compiles this file twice: as a part of that
 * kernel, which knows where its fields are, and as the program.
 */

/* Field of struct uv_info; its place in the answer, and its length */
#define FIELDS(F) \
	F(inst_calls_list[0], 0x10, 8) \
	F(inst_calls_list[1], 0x18, 8) \
	F(inst_calls_list[2], 0x20, 8) \
	F(inst_calls_list[3], 0x28, 8) \
	F(uv_base_stor_len, 0x40, 8) \
	F(guest_base_stor_len, 0x50, 8) \
	F(guest_virt_base_stor_len, 0x58, 8) \
	F(guest_virt_var_stor_len, 0x60, 8) \
	F(guest_cpu_stor_len, 0x68, 8) \
	F(max_num_sec_conf, 0x7c, 4) \
	F(max_sec_stor_addr, 0x80, 8) \
	F(max_guest_cpu_id, 0x9e, 2) \
	F(uv_feature_indications, 0xa0, 8) \
	F(supp_se_hdr_ver, 0xb0, 8) \
	F(supp_se_hdr_pcf, 0xb8, 8) \
	F(conf_dump_storage_state_len, 0xc8, 8) \
	F(conf_dump_finalize_len, 0xd0, 8)

#ifdef __KERNEL__

#include <asm/uv.h>

#define VALUE(field, at, len)	uv_info.field,

void kernel_values(unsigned long *val);
void kernel_values(unsigned long *val)
{
	const unsigned long all[] = { FIELDS(VALUE) };
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		val[i] = all[i];
}

void kernel_forget(void);
void kernel_forget(void)
{
	uv_info = (struct uv_info) {};
}

#else

#define _GNU_SOURCE	/* ucontext */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define ENTRY(field, at, len)	{ #field, at, len },

static const struct {
	const char *name;
	unsigned int at, len;
} field[] = { FIELDS(ENTRY) };

#define NR		(sizeof(field) / sizeof(field[0]))

/* Where the list of facilities is in the lowcore, with the bit for number 158 */
#define AT_158		(0xf00 + 158 / 8)
#define BIT_158		(0x80 >> 158 % 8)

void uv_query_info(void);
void kernel_values(unsigned long *val);
void kernel_forget(void);

static unsigned int calls, busy, rc, bad;
static unsigned long cc;

/* All bytes differ; an address is one of a page */
static unsigned char answer(unsigned int i, unsigned int k)
{
	return !strcmp(field[i].name, "max_sec_stor_addr") && k > 5 ? 0 : i * 8 + k + 1;
}

static unsigned int get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static void uv_call(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned char *insn = (unsigned char *)uc->uc_mcontext.psw.addr, *cb;
	unsigned int i, k;

	(void)sig;
	(void)info;
	/* machines say where the next one is, some QEMUs where this one was */
	if (get16(insn) != 0xb9a4)
		insn -= 4;
	cb = (unsigned char *)uc->uc_mcontext.gregs[insn[3] & 15];
	if (get16(insn) != 0xb9a4 || get16(cb) < 0xd8 || get16(cb + 2) != 1) {
		printf("no UV call, or a control block of 0x%x bytes for call 0x%x\n", get16(cb),
		       get16(cb + 2));
		bad = 1;
	}
	for (i = 4; i < 0xd8; i++) {
		if (cb[i] && !bad)
			printf("byte 0x%x of the control block is not zero\n", i);
		bad |= !!cb[i];
	}
	calls++;
	uc->uc_mcontext.psw.addr = (unsigned long)insn + 4;
	uc->uc_mcontext.psw.mask &= ~(3UL << 44);
	uc->uc_mcontext.psw.mask |= (busy ? 2UL : cc) << 44;
	if (busy) {
		busy = 0;
		return;
	}
	cb[4] = rc >> 8;
	cb[5] = rc & 0xff;
	for (i = 0; i < NR; i++)
		for (k = 0; k < field[i].len; k++)
			cb[field[i].at + k] = answer(i, k);
}

/* What the kernel has to know afterwards: all or nothing */
static int check(const char *what, int all, unsigned int want_calls)
{
	unsigned long val[NR], want;
	unsigned int i, k;
	int failed = bad;

	calls = 0;
	kernel_forget();
	uv_query_info();
	kernel_values(val);
	for (i = 0; i < NR; i++) {
		for (want = k = 0; all && k < field[i].len; k++)
			want = want << 8 | answer(i, k);
		if (val[i] == want)
			continue;
		printf("%s: %s is 0x%lx, not 0x%lx\n", what, field[i].name, val[i], want);
		failed = 1;
	}
	if (calls != want_calls) {
		printf("%s: %u UV calls, not %u\n", what, calls, want_calls);
		failed = 1;
	}
	return failed;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = uv_call, .sa_flags = SA_SIGINFO };
	volatile unsigned char *lowcore;
	int failed = 0;

	lowcore = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (lowcore || sigaction(SIGILL, &sa, NULL)) {
		perror("lowcore at address 0");
		return 2;
	}
	failed |= check("no facility 158", 0, 0);
	lowcore[AT_158] = BIT_158;
	rc = 1;
	failed |= check("answer", 1, 1);
	busy = 1;
	failed |= check("busy first", 1, 2);
	cc = 1;
	rc = 0x100;
	failed |= check("more than was asked for", 1, 1);
	rc = 2;
	failed |= check("refused", 0, 1);
	if (!failed && !bad)
		printf("%zu fields\n", NR);
	return failed || bad;
}

#endif
