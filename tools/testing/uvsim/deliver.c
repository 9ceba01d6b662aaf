// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: interruptions into the guest
 *
 * Program interruptions and SVC of the guest itself, and what the host has for a
 * protected guest; into a guest that is not protected KVM stores itself. Either all
 * of it is stored or nothing. All with vm->lock.
 */
#include "guest.h"

bool uvsim_psw_valid(u64 mask, u64 addr)
{
	if (mask & PSWM_UNASSIGNED)
		return false;
	if (!(mask & PSWM_EA))
		return !(mask & PSWM_BA ? addr & ~0x7fffffffUL : addr & ~0xffffffUL);
	return mask & PSWM_BA;
}

/* Is the lowcore there, to be written? */
static int lowcore(struct gcpu *g, u8 **lc)
{
	int rc = 0;

	*lc = uvsim_g_abs(g, g->prefix, true, &rc);
	if (!*lc && rc == 5) {
		/* a prefix that is not in storage ends SIE for good */
		g->sie->icptcode = ICPT_NOT_VALID;
		g->sie->ipb = 0;
		rc = G_LEAVE;
	}
	return *lc ? 0 : rc;
}

int uvsim_swap_psw(struct gcpu *g, u64 old, u64 new)
{
	u64 *from, *to;
	u8 *lc;
	int rc;

	rc = lowcore(g, &lc);
	if (rc)
		return rc;
	from = (u64 *)(lc + new);
	to = (u64 *)(lc + old);
	to[0] = g->mask;
	to[1] = g->addr;
	g->mask = from[0];
	g->addr = from[1];
	return uvsim_psw_valid(g->mask, g->addr) ? 0 : 6;
}

/* The world's lowcore has the details of what happened in the world */
int uvsim_deliver_pgm(struct world *w, u16 pic)
{
	struct gcpu *g = &w->g;
	u8 *lc;
	int rc;

	rc = lowcore(g, &lc);
	if (rc)
		return rc;
	*(u16 *)(lc + 0x8c) = g->ilc;
	*(u16 *)(lc + 0x8e) = pic;
	switch (pic) {
	case 0x04: case 0x10: case 0x11: case 0x38: case 0x39: case 0x3a: case 0x3b:
		*(u64 *)(lc + 0xa8) = g->teid;
		lc[0xa0] = w->lc[0xa0];
		break;
	case 0x07: case 0x15: case 0x1b:
		memcpy(lc + 0x90, w->lc + 0x90, 4);
		break;
	case 0x40:
		memcpy(lc + 0x94, w->lc + 0x94, 2);
		memcpy(lc + 0xb0, w->lc + 0xb0, 8);
		break;
	}
	memcpy(lc + 0x110, w->lc + 0x110, 8);
	uvsim_count(STAT_PGM);
	rc = uvsim_swap_psw(g, 0x150, 0x1d0);
	if (rc == 6)
		uvsim_complain("program new PSW %llx %llx is not valid, interruption %x",
			       g->mask, g->addr, pic);
	return rc == 6 ? G_LEAVE : rc;
}

int uvsim_deliver_svc(struct world *w)
{
	struct gcpu *g = &w->g;
	u8 *lc;
	int rc;

	rc = lowcore(g, &lc);
	if (rc)
		return rc;
	memcpy(lc + 0x88, w->lc + 0x88, 4);
	return uvsim_swap_psw(g, 0x140, 0x1c0);
}

int uvsim_deliver_ext(struct gcpu *g, u16 code, u16 cpu, u32 parm)
{
	u8 *lc;
	int rc;

	rc = lowcore(g, &lc);
	if (rc)
		return rc;
	*(u32 *)(lc + 0x80) = parm;
	*(u16 *)(lc + 0x84) = cpu;
	*(u16 *)(lc + 0x86) = code;
	return uvsim_swap_psw(g, 0x130, 0x1b0);
}
