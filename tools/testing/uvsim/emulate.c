// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: instructions that the hardware executes in SIE without an interception
 *
 * In a world they trap, as the CPU is in problem state. The PSW points behind the
 * instruction. Nothing is changed before all operands are known to be there, so
 * that it can be executed again. What is not here is the host's: see run.c.
 */
#include <linux/kernel.h>
#include <linux/pgtable.h>
#include "guest.h"

/* Exceptions that leave the PSW at the instruction */
bool uvsim_nullifies(u16 pic)
{
	return pic == 0x10 || pic == 0x11 || (pic >= 0x38 && pic <= 0x3b);
}

void uvsim_set_gcc(struct gcpu *g, u64 cc)
{
	g->mask = (g->mask & ~(3UL << 44)) | cc << 44;
}

static u64 base(const struct gcpu *g, unsigned int r)
{
	return r ? g->r[r] : 0;
}

/* D(B) of formats S, SI, RS */
u64 uvsim_operand_s(const struct gcpu *g, u16 bd)
{
	return uvsim_g_wrap(g, base(g, bd >> 12) + (bd & 0xfff));
}

/* with a 20 bit displacement; @x: index register or 0 */
static u64 operand_y(const struct gcpu *g, const u16 *insn, unsigned int x)
{
	s64 d = (insn[1] & 0xfff) | (s64)(s8)(insn[2] >> 8) << 12;

	return uvsim_g_wrap(g, base(g, insn[1] >> 12) + base(g, x) + d);
}

static void set_low(u64 *reg, u32 value)
{
	*reg = (*reg & ~0xffffffffUL) | value;
}

static int fetch_one(struct gcpu *g, u64 at, u16 *insn)
{
	int rc;

	memset(insn, 0, 6);
	rc = uvsim_g_access(g, at, insn, 2, true, false);
	if (rc || insn[0] >> 14 == 0)
		return rc;
	return uvsim_g_access(g, at + 2, insn + 1, insn[0] >> 14 == 3 ? 4 : 2, true, false);
}

/* The instruction at @at, or what it executes: then @executed */
int uvsim_fetch(struct gcpu *g, u64 at, u16 *insn, bool *executed)
{
	u8 or = 0;
	int rc;
	u64 a;

	*executed = false;
	rc = fetch_one(g, at, insn);
	if (rc)
		return rc;
	if (insn[0] >> 8 == 0x44)		/* EX */
		a = base(g, insn[1] >> 12) + base(g, insn[0] & 15) + (insn[1] & 0xfff);
	else if ((insn[0] & 0xff0f) == 0xc600)	/* EXRL */
		a = at + 2 * (s64)(s32)((u32)insn[1] << 16 | insn[2]);
	else
		return 0;
	*executed = true;
	if (insn[0] & 0xf0)
		or = g->r[insn[0] >> 4 & 15];
	rc = fetch_one(g, uvsim_g_wrap(g, a), insn);
	insn[0] |= or;
	return rc;
}

/* A new PSW is there */
static int psw_loaded(struct gcpu *g)
{
	if (!uvsim_psw_valid(g->mask, g->addr))
		return G_PSW;
	if (g->mask & PSWM_WAIT)
		return G_WAIT;
	return uvsim_irq_due(g) ? G_IRQ : G_DONE;
}

static int system_mask(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]);
	u8 op = insn[0] >> 8, mask = g->mask >> 56, value;
	int rc;

	if (op == 0x80) {	/* SSM */
		if (g->cr[0] & 0x40000000)
			return 0x13;
		rc = uvsim_g_read(g, a, &value, 1);
	} else {
		value = op == 0xac ? mask & insn[0] : mask | insn[0];
		rc = uvsim_g_write(g, a, &mask, 1);
	}
	if (rc)
		return rc;
	g->mask = (g->mask & ~(0xffUL << 56)) | (u64)value << 56;
	if (!uvsim_psw_valid(g->mask, g->addr))
		return G_PSW;
	return value & ~mask && uvsim_irq_due(g) ? G_IRQ : G_DONE;
}

static int load_psw(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), psw[2];
	int rc;

	if (g->sie->ictl & ICTL_LPSW && !g->conf)
		return G_INTERCEPT;
	if (a & 7)
		return 6;
	if (insn[0] >> 8 == 0x82) {
		rc = uvsim_g_read(g, a, psw, 8);
		if (rc)
			return rc;
		if (!(psw[0] & 0x0008000000000000UL))
			return 6;
		psw[1] = psw[0] & 0x7fffffff;
		psw[0] = (psw[0] & ~0x000800007fffffffUL);
	} else {
		rc = uvsim_g_read(g, a, psw, 16);
		if (rc)
			return rc;
	}
	g->mask = psw[0];
	g->addr = psw[1];
	return psw_loaded(g);
}

/* LCTL, STCTL, LCTLG, STCTG */
static int control(struct gcpu *g, u16 *insn, bool wide, bool load)
{
	unsigned int r1 = insn[0] >> 4 & 15, r3 = insn[0] & 15, i, n = ((r3 - r1) & 15) + 1;
	u64 a = wide ? operand_y(g, insn, 0) : uvsim_operand_s(g, insn[1]), d[16];
	bool watched = false;
	u32 w[16];
	int rc;

	if (a & (wide ? 7 : 3))
		return 6;
	if (!load && g->sie->ictl & ICTL_STCTL && !g->conf)
		return G_INTERCEPT;
	for (i = 0; i < n; i++) {
		if (load && g->sie->lctl & 0x8000 >> ((r1 + i) & 15)) {
			if (!g->conf)
				return G_INTERCEPT;
			watched = true;
		}
		d[i] = g->cr[(r1 + i) & 15];
		w[i] = d[i];
	}
	if (!load)
		return wide ? uvsim_g_write(g, a, d, 8 * n) : uvsim_g_write(g, a, w, 4 * n);
	rc = wide ? uvsim_g_read(g, a, d, 8 * n) : uvsim_g_read(g, a, w, 4 * n);
	if (rc)
		return rc;
	for (i = 0; i < n; i++) {
		if (wide)
			g->cr[(r1 + i) & 15] = d[i];
		else
			set_low(&g->cr[(r1 + i) & 15], w[i]);
	}
	/* of a protected guest the host is told when it is done */
	return watched || uvsim_irq_due(g) ? G_IRQ : G_DONE;
}

/* LRA, LRAY, LRAG */
static int load_real(struct gcpu *g, u16 *insn)
{
	unsigned int r1 = insn[0] >> 4 & 15;
	bool lra = insn[0] >> 8 == 0xb1, lrag = !lra && (insn[2] & 0xff) == 0x03;
	unsigned int as = (g->mask & PSWM_AS) >> 46;
	u64 a, abs, flags, gpto, asce;
	int rc, cc = 0;

	/* by the tables that the PSW says, also while translation is off */
	asce = as == 3 ? g->cr[13] : as == 2 ? g->cr[7] : g->cr[1];
	if (as == 1) {
		uvsim_complain("LRA by access registers");
		return 6;
	}
	a = lra ? uvsim_g_wrap(g, uvsim_operand_s(g, insn[1]) + base(g, insn[0] & 15)) :
	    operand_y(g, insn, insn[0] & 15);
	rc = uvsim_g_walk(g, asce, a, &abs, &flags, &gpto);
	if (rc == 0x12 || rc >= G_HOST)
		return rc;
	if ((rc == 0x10 || rc == 0x11) && g->entry) {
		cc = rc == 0x10 ? 1 : 2;
		abs = g->entry;
	} else if (rc) {
		cc = 3;
		abs = 0x80000000 | rc;
	} else {
		abs = uvsim_g_prefixed(g, abs);
	}
	if (cc != 3 && (lrag || g->mask & PSWM_EA)) {
		g->r[r1] = abs;
	} else {
		if (cc != 3 && abs >> 31)
			return 0x13;
		set_low(&g->r[r1], abs);
	}
	uvsim_set_gcc(g, cc);
	return G_DONE;
}

static int timing(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), v;
	int rc = 0;

	if (a & 7)
		return 6;
	switch (insn[0]) {
	case 0xb207:	/* STCKC */
		v = g->ckc == ~0UL ? g->ckc : g->ckc - g->epoch;
		return uvsim_g_write(g, a, &v, 8);
	case 0xb209:	/* STPT */
		v = uvsim_cpu_timer(g);
		return uvsim_g_write(g, a, &v, 8);
	}
	rc = uvsim_g_read(g, a, &v, 8);
	if (rc)
		return rc;
	if (insn[0] == 0xb206) {	/* SCKC; STCK shows the host's clock */
		g->ckc = v == ~0UL ? v : v + g->epoch;
	} else {			/* SPT */
		g->cputm = v;
		g->since = get_tod_clock_fast();
	}
	return uvsim_irq_due(g) ? G_IRQ : G_DONE;
}

static int ipte(struct gcpu *g, u16 *insn)
{
	u64 pto = g->r[insn[1] >> 4 & 15] & ~0x7ffUL, va = g->r[insn[1] & 15], *p;
	unsigned int i, n = 1, px = va >> 12 & 0xff;
	int rc = 0;

	if (insn[1] >> 12)
		n += g->r[insn[1] >> 12] & 0xff;
	for (i = px; i < px + n && i < 256; i++) {
		p = (u64 *)uvsim_g_abs(g, uvsim_g_prefixed(g, pto + i * 8), true, &rc);
		if (!p)
			return rc;
		WRITE_ONCE(*p, READ_ONCE(*p) | _PAGE_INVALID);
	}
	uvsim_shadow_ipte(g->vm, pto, px, n);
	return G_DONE;
}

static int idte(struct gcpu *g, u16 *insn)
{
	u64 r1 = g->r[insn[1] >> 4 & 15], r2 = g->r[insn[1] & 15], *p;
	unsigned int n = (r2 & 0x7ff) + 1, type = r1 >> 2 & 3;
	u64 index = r2 >> (20 + 11 * type) & 0x7ff;
	int rc = 0;

	if (r2 & 0x800) {	/* clearing by ASCE, which is in R3 */
		uvsim_spaces_drop(g->vm, g->r[insn[1] >> 12]);
		return G_DONE;
	}
	for (; n && index < 2048; n--, index++) {
		p = (u64 *)uvsim_g_abs(g, uvsim_g_prefixed(g, (r1 & PAGE_MASK) + index * 8),
				       true, &rc);
		if (!p)
			return rc;
		WRITE_ONCE(*p, READ_ONCE(*p) | 0x20);
	}
	uvsim_spaces_drop_all(g->vm);
	return G_DONE;
}

/* CSP, CSPG, CRDTE: compare and swap, then purge what was translated by it */
static int swap_and_purge(struct gcpu *g, u16 *insn)
{
	unsigned int r1 = insn[1] >> 4 & 14, r2 = insn[1] & 15;
	bool crdte = insn[0] == 0xb98f, wide = insn[0] != 0xb250;
	u64 a = g->r[r2], abs, old;
	int rc = 0;
	u8 *p;

	if (insn[1] & 0x10)
		return 6;
	if (crdte) {	/* R2: table, R2 + 1: what it translates */
		unsigned int type = a >> 2 & 7;

		if (r2 & 1)
			return 6;
		if (type & 4)
			a = (a & ~0x7ffUL) + (g->r[r2 + 1] >> 12 & 0xff) * 8;
		else
			a = (a & PAGE_MASK) + (g->r[r2 + 1] >> (20 + 11 * type) & 0x7ff) * 8;
		abs = uvsim_g_prefixed(g, a);
	} else {
		a = uvsim_g_wrap(g, a) & (wide ? ~7UL : ~3UL);
		rc = uvsim_g_translate(g, uvsim_g_asce(g, false), (g->mask & PSWM_AS) >> 46, a,
				       true, &abs);
		if (rc)
			return rc;
	}
	p = uvsim_g_abs(g, abs, true, &rc);
	if (!p)
		return rc;
	if (wide) {
		old = cmpxchg((u64 *)p, g->r[r1], g->r[r1 + 1]);
		uvsim_set_gcc(g, old != g->r[r1]);
		g->r[r1] = old;
	} else {
		old = cmpxchg((u32 *)p, (u32)g->r[r1], (u32)g->r[r1 + 1]);
		uvsim_set_gcc(g, (u32)old != (u32)g->r[r1]);
		set_low(&g->r[r1], old);
	}
	if (crdte || g->r[r2] & (wide ? 7 : 3))
		uvsim_spaces_drop_all(g->vm);
	return G_DONE;
}

/* SAC, SACF */
static int address_space(struct gcpu *g, u16 *insn)
{
	static const u64 modes[] = { 0, PSWM_SECONDARY, PSWM_AR, PSWM_HOME };
	unsigned int mode = uvsim_operand_s(g, insn[1]) >> 8 & 15;

	if (!(g->mask & PSWM_DAT) || !(g->cr[0] & 0x04000000))
		return 0x13;
	if (g->mask & PSWM_PROBLEM && mode == 3)
		return 2;
	if (mode > 3)
		return 6;
	g->mask = (g->mask & ~PSWM_AS) | modes[mode];
	return G_DONE;
}

/* LURA, LURAG, STURA, STURG */
static int use_real(struct gcpu *g, u16 *insn)
{
	bool wide = insn[0] >> 8 == 0xb9, store = insn[0] == 0xb925 || insn[0] == 0xb246;
	u64 *r1 = &g->r[insn[1] >> 4 & 15], a = uvsim_g_wrap(g, g->r[insn[1] & 15]);
	int rc = 0;
	u8 *p;

	if (a & (wide ? 7 : 3))
		return 6;
	p = uvsim_g_abs(g, uvsim_g_prefixed(g, a), store, &rc);
	if (!p)
		return rc;
	if (store && wide)
		*(u64 *)p = *r1;
	else if (store)
		*(u32 *)p = *r1;
	else if (wide)
		*r1 = *(u64 *)p;
	else
		set_low(r1, *(u32 *)p);
	return G_DONE;
}

static int extract_psw(struct gcpu *g, u16 *insn)
{
	unsigned int r1 = insn[1] >> 4 & 15, r2 = insn[1] & 15;

	set_low(&g->r[r1], g->mask >> 32);
	if (r2)
		set_low(&g->r[r2], g->mask);
	return G_DONE;
}

/* The list that KVM made for the guest. A protected guest sees the host's, and 158. */
static int facilities(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), list[32];
	unsigned int have = 16, n = min_t(unsigned int, (g->r[0] & 0xff) + 1, have);
	int rc;

	if (a & 7)
		return 6;
	memset(list, 0, sizeof(list));
	uvsim_guest_facilities(g, list);
	while (have > 1 && !list[have - 1])
		have--;
	n = min(n, have);
	rc = uvsim_g_write(g, a, list, 8 * n);
	if (rc)
		return rc;
	uvsim_set_gcc(g, (g->r[0] & 0xff) + 1 < have ? 3 : 0);
	g->r[0] = (g->r[0] & ~0xffUL) | (have - 1);
	return G_DONE;
}

/* One operand of MVCOS: the pages of up to 4096 bytes */
static int move_operand(struct gcpu *g, u64 va, unsigned int as, u64 len, bool write, u8 **p)
{
	u64 asce = as == 3 ? g->cr[13] : as == 2 ? g->cr[7] : g->cr[1], abs;
	u64 first = min_t(u64, len, PAGE_SIZE - (va & ~PAGE_MASK));
	int rc, i;

	p[0] = NULL;
	p[1] = NULL;
	for (i = 0; i < 1 + (first < len); i++) {
		rc = uvsim_g_translate(g, asce, as, uvsim_g_wrap(g, va + (i ? first : 0)), write,
				       &abs);
		if (rc)
			return rc;
		p[i] = uvsim_g_abs(g, abs, write, &rc);
		if (!p[i])
			return rc;
	}
	return 0;
}

/* Between the pages of two operands, as move_operand() has found them */
static void move_bytes(u8 **d, u64 dst, u8 **s, u64 src, u64 len)
{
	u64 done, n;

	for (done = 0; done < len; done += n) {
		u64 sa = src + done, da = dst + done;
		u8 *from = (sa ^ src) & PAGE_MASK ? s[1] + (sa & ~PAGE_MASK) : s[0] + done;
		u8 *to = (da ^ dst) & PAGE_MASK ? d[1] + (da & ~PAGE_MASK) : d[0] + done;

		n = min3(len - done, PAGE_SIZE - (sa & ~PAGE_MASK), PAGE_SIZE - (da & ~PAGE_MASK));
		memmove(to, from, n);
	}
}

/* As TCG has none in problem state. Up to 4096 bytes, as no length is more than that. */
int uvsim_mvcos(struct gcpu *g, u16 *insn)
{
	u64 len = g->r[insn[0] >> 4 & 15], dst = uvsim_operand_s(g, insn[1]);
	u64 src = uvsim_operand_s(g, insn[2]);
	u32 oac = g->r[0];
	unsigned int psw_as = (g->mask & PSWM_AS) >> 46, das, sas;
	int rc, cc = 0;
	u8 *d[2], *s[2];

	if (!(g->mask & PSWM_DAT))
		return 0x13;
	das = oac & 0x00010000 ? oac >> 22 & 3 : psw_as;
	sas = oac & 0x00000001 ? oac >> 6 & 3 : psw_as;
	if (g->mask & PSWM_PROBLEM && ((oac & 0x10000 && das == 3)))
		return 0x13;
	if ((oac & 0x00020000 && oac >> 28) || (oac & 2 && oac >> 12 & 15)) {
		uvsim_complain("MVCOS with a key, OAC %x", oac);
		return 6;
	}
	if (das == 1 || sas == 1) {
		uvsim_complain("MVCOS by access registers, OAC %x", oac);
		return 6;
	}
	if (!(g->mask & PSWM_EA))
		len = (u32)len;
	if (len > PAGE_SIZE) {
		len = PAGE_SIZE;
		cc = 3;
	}
	if (len) {
		rc = move_operand(g, src, sas, len, false, s);
		if (!rc)
			rc = move_operand(g, dst, das, len, true, d);
		if (rc)
			return rc;
	}
	move_bytes(d, dst, s, src, len);
	uvsim_set_gcc(g, cc);
	return G_DONE;
}

/*
 * MVCP, MVCS: to the primary space, or from there. A supervisor may do it by any key,
 * which the CPU, in problem state, does not know.
 */
int uvsim_move_between_spaces(struct gcpu *g, u16 *insn)
{
	bool to_primary = insn[0] >> 8 == 0xda;
	u64 len = g->r[insn[0] >> 4 & 15], dst = uvsim_operand_s(g, insn[1]);
	u64 src = uvsim_operand_s(g, insn[2]);
	unsigned int key = g->r[insn[0] & 15] >> 4 & 15;
	u8 *d[2], *s[2];
	int rc, cc = 0;

	if (!(g->mask & PSWM_DAT) || !(g->cr[0] & 0x04000000) || g->mask & PSWM_AR)
		return 0x13;	/* also in the home space */
	if (g->mask & PSWM_PROBLEM && !(g->cr[3] & 0x80000000 >> key))
		return 2;
	if (key) {
		uvsim_complain("MVCP or MVCS with a key");
		return 6;
	}
	if (!(g->mask & PSWM_EA))
		len = (u32)len;
	if (len > 256) {
		len = 256;
		cc = 3;
	}
	rc = len ? move_operand(g, src, to_primary ? 2 : 0, len, false, s) : 0;
	if (!rc && len)
		rc = move_operand(g, dst, to_primary ? 0 : 2, len, true, d);
	if (rc)
		return rc;
	move_bytes(d, dst, s, src, len);
	uvsim_set_gcc(g, cc);
	return G_DONE;
}

/*
 * There are no keys, so the first operand's address alone matters. What the host has
 * protected is for KVM to answer, which knows keys.
 */
static int test_protection(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), abs;
	struct gpage *page = NULL;
	int rc, cc = 0;

	if (g->mask & PSWM_PROBLEM)
		return 2;
	if (g->sie->ictl & ICTL_TPROT && !g->conf)
		return G_INTERCEPT;
	rc = uvsim_g_translate(g, uvsim_g_asce(g, false), 0, a, true, &abs);
	if (rc == 4) {
		cc = 1;
		rc = uvsim_g_translate(g, uvsim_g_asce(g, false), 0, a, false, &abs);
	}
	if (rc == 0x10 || rc == 0x11 || (rc >= 0x38 && rc <= 0x3b)) {
		uvsim_set_gcc(g, 3);
		return G_DONE;
	}
	if (!rc)
		page = uvsim_g_page(g, abs, false, &rc);
	if (!page)
		return rc;
	if (!(page->host & GPAGE_WRITE) && g->sie->ecb & ECB_HOSTPROTINT && !g->conf)
		return G_INTERCEPT;
	uvsim_set_gcc(g, cc);
	return G_DONE;
}

static int load_parameter(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), v;
	int rc;

	if (a & 7)
		return 6;
	rc = uvsim_g_read(g, a, &v, 8);
	if (!rc)
		g->pp = v;
	return rc;
}

/* Not known to TCG, so that they are an operation exception there */
bool uvsim_tcg_lacks(const u16 *insn)
{
	switch (insn[0]) {
	case 0xb20b:	/* IPK */
	case 0xb219:	/* SAC */
	case 0xb224:	/* IAC */
	case 0xb226:	/* EPAR */
	case 0xb227:	/* ESAR */
	case 0xb248:	/* PALB */
	case 0xb98f:	/* CRDTE */
		return true;
	}
	return false;
}

/* Also what is allowed in problem state if control registers say so: SPKA ... */
static int semi_privileged(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]);
	bool problem = g->mask & PSWM_PROBLEM;
	unsigned int key;

	switch (insn[0]) {
	case 0xb219:	/* SAC */
	case 0xb279:	/* SACF */
		return address_space(g, insn);
	case 0xb20a:	/* SPKA */
		key = a >> 4 & 15;
		if (problem && !(g->cr[3] & 0x80000000 >> key))
			return 2;
		g->mask = (g->mask & ~PSWM_KEY) | (u64)key << 52;
		return G_DONE;
	case 0xb20b:	/* IPK */
		if (problem && !(g->cr[0] & 0x08000000))
			return 2;
		g->r[2] = (g->r[2] & ~0xffUL) | (g->mask >> 48 & 0xf0);
		return G_DONE;
	case 0xb226:	/* EPAR */
		if (problem && !(g->cr[0] & 0x08000000))
			return 2;
		set_low(&g->r[insn[1] >> 4 & 15], g->cr[4] & 0xffff);
		return G_DONE;
	case 0xb227:	/* ESAR */
		if (problem && !(g->cr[0] & 0x08000000))
			return 2;
		set_low(&g->r[insn[1] >> 4 & 15], g->cr[3] & 0xffff);
		return G_DONE;
	case 0xb224:	/* IAC */
		if (problem && !(g->cr[0] & 0x08000000))
			return 2;
		g->r[insn[1] >> 4 & 15] = (g->r[insn[1] >> 4 & 15] & ~0xff00UL) |
			((g->mask >> 46 & 1) << 9 | (g->mask >> 47 & 1) << 8);
		uvsim_set_gcc(g, (g->mask >> 46 & 1) << 1 | (g->mask >> 47 & 1));
		return G_DONE;
	}
	return problem ? 2 : G_INTERCEPT;
}

/*
 * Return: G_DONE, G_IRQ, G_WAIT, a program interruption, G_HOST or G_AGAIN, or
 * G_INTERCEPT if this is not one of ours.
 */
int uvsim_emulate(struct gcpu *g, u16 *insn)
{
	int rc = semi_privileged(g, insn);

	if (rc != G_INTERCEPT)
		return rc;
	switch (insn[0] >> 8) {
	case 0x80:	/* SSM */
	case 0xac:	/* STNSM */
	case 0xad:	/* STOSM */
		return system_mask(g, insn);
	case 0x82:	/* LPSW */
		return load_psw(g, insn);
	case 0xb7:	/* LCTL */
		return control(g, insn, false, true);
	case 0xb6:	/* STCTL */
		return control(g, insn, false, false);
	case 0xb1:	/* LRA */
		return load_real(g, insn);
	case 0xe3:	/* LRAG, LRAY */
		if ((insn[2] & 0xff) == 0x03 || (insn[2] & 0xff) == 0x13)
			return load_real(g, insn);
		return G_INTERCEPT;
	case 0xeb:
		if ((insn[2] & 0xff) == 0x2f)	/* LCTLG */
			return control(g, insn, true, true);
		if ((insn[2] & 0xff) == 0x25)	/* STCTG */
			return control(g, insn, true, false);
		return G_INTERCEPT;
	}
	switch (insn[0]) {
	case 0xe501:
		return test_protection(g, insn);
	case 0xb2b2:	/* LPSWE */
		return load_psw(g, insn);
	case 0xb206:	/* SCKC */
	case 0xb207:	/* STCKC */
	case 0xb208:	/* SPT */
	case 0xb209:	/* STPT */
		return timing(g, insn);
	case 0xb20d:	/* PTLB */
		uvsim_spaces_drop_all(g->vm);
		return G_DONE;
	case 0xb248:	/* PALB: access registers are not used */
		return G_DONE;
	case 0xb221:
		return ipte(g, insn);
	case 0xb98e:
		return idte(g, insn);
	case 0xb250:	/* CSP */
	case 0xb98a:	/* CSPG */
	case 0xb98f:	/* CRDTE */
		return swap_and_purge(g, insn);
	case 0xb24b:	/* LURA */
	case 0xb246:	/* STURA */
	case 0xb905:	/* LURAG */
	case 0xb925:	/* STURG */
		return use_real(g, insn);
	case 0xb280:
		return load_parameter(g, insn);
	case 0xb98d:
		return extract_psw(g, insn);
	case 0xb2b0:
		return facilities(g, insn);
	}
	return G_INTERCEPT;
}
