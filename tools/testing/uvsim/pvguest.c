// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: what is different while a protected guest runs
 *
 * Its instructions: the host sees what format 4 of the state description shows, that
 * is the registers that it needs, and operands in the SIDA; what is not an instruction
 * for the host the Ultravisor does itself. A CPU that comes back to SIE gets the
 * results from there, and the one interruption that the host may have for it. Its
 * pages are in pvpage.c.
 *
 * vm->lock is held unless it says otherwise; uvsim_lock is taken inside of it.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/facility.h>
#include <asm/uv.h>
#include "guest.h"

#define UVC_GUEST_QUI		0x0001
#define UVC_GUEST_SHARE		0x1000
#define UVC_GUEST_UNSHARE	0x1001
#define UVC_GUEST_UNSHARE_ALL	0x1002

/* ---- what the host sees ---- */

static u8 *sida(struct gcpu *g)
{
	return __va(g->sie->sidad & PAGE_MASK);
}

static u64 *shown_gprs(struct gcpu *g)
{
	return ((struct uvsim_sd *)g->sie)->pv_gprs;
}

/*
 * General registers that the host gets with an instruction, and takes results from;
 * the others are zeros there. It does not get at an address in one: the data is in
 * the SIDA.
 */
static u16 needed_gprs(const u16 *insn)
{
	unsigned int r1 = insn[0] >> 4 & 15, r3 = insn[0] & 15, base = insn[1] >> 12;
	u16 needed = 0;

	switch (insn[0] >> 8) {
	case 0x83:	/* DIAGNOSE; up to four from r1 on, by its function */
		needed = BIT(r1) | BIT((r1 + 1) & 15) | BIT((r1 + 2) & 15) | BIT((r1 + 3) & 15) |
			BIT(r3);
		if ((insn[1] & 0xfff) == 0x500)		/* what virtio-ccw notifies of */
			needed |= BIT(1);
		break;
	case 0xae:	/* SIGP: the order is an address, the parameter in an odd register */
		needed = BIT(r1) | BIT(r1 | 1) | BIT(r3);
		break;
	}
	switch (insn[0]) {
	case 0xb220:	/* SERVC: the command word, of two in a byte of their own */
		return BIT(insn[1] >> 4 & 15);
	case 0xb27d:	/* STSI */
		return BIT(0) | BIT(1);
	case 0xb25f:	/* CHSC: its block is in the SIDA */
		return 0;
	/* I/O: the subchannel */
	case 0xb230: case 0xb231: case 0xb232: case 0xb233: case 0xb234: case 0xb235:
	case 0xb237: case 0xb238: case 0xb239: case 0xb23a: case 0xb23b: case 0xb23c:
	case 0xb276:
		return BIT(1) | (insn[0] == 0xb23c ? BIT(2) : 0);
	}
	return needed | (base ? BIT(base) : 0);
}

static void show(struct gcpu *g, u8 code, const u16 *insn)
{
	u16 needed = code == ICPT_PV_INSTR ? needed_gprs(insn) : 0;
	u64 *shown = shown_gprs(g);
	unsigned int i;

	for (i = 0; i < 16; i++)
		shown[i] = needed & BIT(i) ? g->r[i] : 0;
	/* KVM puts them into its copy */
	g->sie->gg14 = shown[14];
	g->sie->gg15 = shown[15];
	if (code == ICPT_PV_INSTR) {
		g->cpu->in_instruction = true;
		g->cpu->regs.flags |= UVSIM_CPU_IN_INSTRUCTION;
	}
	uvsim_intercept((struct uvsim_sd *)g->sie, code, insn[0], (u32)insn[1] << 16 | insn[2]);
	uvsim_count(STAT_INTERCEPT);
}

void uvsim_pv_irq_enabled(struct gcpu *g)
{
	static const u16 none[3];

	uvsim_intercept((struct uvsim_sd *)g->sie, ICPT_INT_ENABLE, none[0], 0);
}

/* Interruption masks, clocks and the control registers that have masks; no lock */
void uvsim_pv_show_psw(struct gcpu *g)
{
	struct kvm_s390_sie_block *sie = g->sie;

	sie->gpsw.mask = (g->mask & (PSWM_IO | PSWM_EXT | PSWM_MCHK | PSWM_WAIT)) |
		(sie->gpsw.mask & (3UL << 44)) | PSWM_EA | PSWM_BA;
	sie->gpsw.addr = 0;
	sie->gcr[0] = g->cr[0];
	sie->gcr[6] = g->cr[6];
	sie->gcr[14] = g->cr[14];
	sie->cputm = g->cputm;
	sie->ckc = g->ckc;
}

void uvsim_guest_facilities(struct gcpu *g, u64 *list)
{
	if (!g->conf) {
		memcpy(list, __va(g->sie->fac & ~7U), 16 * sizeof(u64));
		return;
	}
	uvsim_host_facilities(list);
	list[2] |= 1UL << (63 - 158 % 64);
}

/* ---- instructions ---- */

/* Both pages of it have to be in storage: 0, 5, or what the host has to do */
static int prefix_is_there(struct gcpu *g, u64 prefix)
{
	int rc = 0;

	if (uvsim_g_page(g, prefix, false, &rc))
		uvsim_g_page(g, prefix + PAGE_SIZE, false, &rc);
	return rc;
}

static int sigp(struct gcpu *g, const u16 *insn)
{
	unsigned int order = uvsim_operand_s(g, insn[1]) & 0xff;
	u64 *r1 = &g->r[insn[0] >> 4 & 15], parm = g->r[(insn[0] >> 4 & 15) | 1];
	u16 num = g->r[insn[0] & 15];
	struct uvsim_cpu *cpu;
	u8 *to = NULL;
	u32 status;
	int rc = 0;

	switch (order) {
	case 0x06:	/* restart: when the host has started the CPU */
		spin_lock(&uvsim_lock);
		cpu = uvsim_find_cpu_num(g->conf->handle, num);
		if (cpu)
			cpu->restart = true;
		spin_unlock(&uvsim_lock);
		return G_INTERCEPT;
	case 0x0d:	/* set prefix */
		parm &= 0x7fffe000;
		rc = prefix_is_there(g, parm);
		break;
	case 0x0e:	/* store status at address */
		to = uvsim_g_abs(g, parm & 0x7ffffe00, true, &rc);
		break;
	case 0x12:	/* set architecture */
		*r1 = (*r1 & ~0xffffffffUL) | 0x100;
		uvsim_set_gcc(g, 1);
		return G_DONE;
	case 0x17:	/* store additional status at address */
		to = uvsim_g_abs(g, parm & ~0x3ffUL, true, &rc);
		break;
	default:
		return G_INTERCEPT;
	}
	if (rc && rc != 5)
		return rc;
	spin_lock(&uvsim_lock);
	status = uvsim_order_cpu(g->conf->handle, num, order, !rc, parm, to);
	spin_unlock(&uvsim_lock);
	if (status && status != UVSIM_NO_CPU)
		*r1 = (*r1 & ~0xffffffffUL) | status;
	uvsim_set_gcc(g, status == UVSIM_NO_CPU ? 3 : status != 0);
	return G_DONE;
}

static int diagnose(struct gcpu *g, const u16 *insn)
{
	unsigned int r1 = insn[0] >> 4 & 15;
	u64 subcode = g->r[insn[0] & 15];

	switch (uvsim_operand_s(g, insn[1]) & 0xffff) {
	case 0x308:
		if (subcode == 5 || subcode == 6) {
			g->r[(r1 + 1) & 15] = 0x102;	/* no IPL parameters to be had */
			return G_DONE;
		}
		return G_INTERCEPT;
	case 0x44:
	case 0x9c:
	case 0x288:
	case 0x500:
	case 0x501:
		return G_INTERCEPT;
	case 0x318:
		return G_DONE;
	}
	return 6;
}

/* UVCs of the guest: condition code and response are in the block */
static int guest_uvc(struct gcpu *g, u16 *insn)
{
	struct uv_cb_qui qui = {};
	struct uv_cb_share block;
	u64 a = g->r[insn[1] & 15], abs;
	struct page_meta *meta;
	struct gchunk *c;
	u32 ret = RC_INV_CMD;
	u16 len;
	int rc;

	if (insn[1] & 0xff00 || a & 7)
		return 6;
	rc = uvsim_g_read(g, a, &block, sizeof(block.header));
	if (rc)
		return rc;
	len = block.header.len;
	switch (block.header.cmd) {
	case UVC_GUEST_QUI:
		len = min_t(u16, len, sizeof(qui));
		if (len < 0x28)
			return 6;
		rc = uvsim_g_read(g, a, &qui, len);
		if (rc)
			return rc;
		memset((u8 *)&qui + sizeof(qui.header), 0, sizeof(qui) - sizeof(qui.header));
		qui.inst_calls_list[0] = 1UL << 63 | 1UL << (63 - 8) | 1UL << (63 - 9) |
			1UL << (63 - 10);
		qui.header.rc = qui.header.len < 0xa0 ? 0x100 : 1;
		rc = uvsim_g_write(g, a, &qui, len);
		if (!rc)
			uvsim_set_gcc(g, qui.header.rc != 1);
		return rc;
	case UVC_GUEST_SHARE:
	case UVC_GUEST_UNSHARE:
		if (len != sizeof(block)) {
			ret = RC_INV_LEN;
			break;
		}
		rc = uvsim_g_read(g, a, &block, sizeof(block));
		if (rc)
			return rc;
		abs = uvsim_g_prefixed(g, block.paddr & PAGE_MASK);
		/* there, and as the guest has it */
		if (!uvsim_g_page(g, abs, true, &rc))
			return rc;
		c = uvsim_vm_chunk(g->vm, abs);
		spin_lock(&uvsim_lock);
		meta = &g->conf->pages[abs >> PAGE_SHIFT];
		uvsim_pv_flush(g->conf, &c->page[abs >> PAGE_SHIFT & 0xff], meta);
		uvsim_pv_drop(&c->page[abs >> PAGE_SHIFT & 0xff]);
		if (block.header.cmd == UVC_GUEST_SHARE)
			ret = uvsim_share_page(g->conf, abs);
		else
			ret = uvsim_unshare_page(g->conf, abs);
		spin_unlock(&uvsim_lock);
		if (ret == RC_PAGE_PINNED) {
			/* the host has to unpin it, then once more */
			block.paddr = abs;
			memcpy(sida(g), &block, sizeof(block));
			show(g, ICPT_PV_NOTIFY, insn);
			g->addr -= g->ilc;
			return G_LEAVE;
		}
		if (ret == RC_PAGE_NOT_SHARED)
			ret = RC_OK;
		break;
	case UVC_GUEST_UNSHARE_ALL:
		uvsim_complain("guest UVC unshare all");
		break;
	default:
		/* others are not installed */
		break;
	}
	block.header.rc = ret;
	block.header.rrc = ret >> 16;
	rc = uvsim_g_write(g, a, &block, sizeof(block.header));
	if (!rc)
		uvsim_set_gcc(g, ret != RC_OK);
	return rc;
}

static int service_call(struct gcpu *g, const u16 *insn)
{
	u64 sccb = (u32)g->r[insn[1] & 15];
	u16 len = 0;
	int rc;

	rc = uvsim_g_real(g, sccb, &len, 2, false);
	if (!rc)
		rc = uvsim_g_real(g, sccb, sida(g), clamp_t(u32, len, 8, PAGE_SIZE), false);
	if (rc)
		return rc;
	g->vcpu->pend_addr = sccb;
	g->vm->sccb = sccb;
	g->vcpu->pending = PEND_SCCB;
	return G_INTERCEPT;
}

static int store_system_information(struct gcpu *g, const u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), v;
	int rc = 0;

	if ((u32)g->r[0] >> 28) {
		if (a & ~PAGE_MASK)
			return 6;
		rc = uvsim_g_write(g, a, &v, 0);	/* is it there */
		if (rc)
			return rc;
	}
	memset(sida(g), 0, PAGE_SIZE);
	g->vcpu->pend_addr = a;
	g->vcpu->pending = PEND_STSI;
	return G_INTERCEPT;
}

/*
 * I/O is the host's: it gets @in bytes of the operand at @a, and what it makes of it is
 * stored there, @out bytes
 */
static int io(struct gcpu *g, u64 a, unsigned int in, unsigned int out)
{
	u64 none;
	int rc = 0;

	if (a & (out == PAGE_SIZE ? ~PAGE_MASK : 3))
		return 6;
	memset(sida(g), 0, PAGE_SIZE);
	if (in)
		rc = uvsim_g_access(g, a, sida(g), in, false, false);
	/* is it there, all of it */
	if (!rc && out)
		rc = uvsim_g_write(g, a, &none, 0) ?: uvsim_g_write(g, a + out - 1, &none, 0);
	if (rc)
		return rc;
	g->vcpu->pend_addr = a;
	g->vcpu->pend_len = out;
	g->vcpu->pending = PEND_IO;
	return G_INTERCEPT;
}

/* What the Ultravisor does itself, or shows to the host. As uvsim_emulate(). */
static int instruction(struct gcpu *g, u16 *insn)
{
	u64 a = uvsim_operand_s(g, insn[1]), v;
	u32 list[32] = {};
	u32 w;
	u16 h;
	int rc;

	switch (insn[0] >> 8) {
	case 0xae:
		return sigp(g, insn);
	case 0x83:
		return diagnose(g, insn);
	}
	switch (insn[0]) {
	case 0x0107:	/* SCKPF */
		if (g->r[0] & 0xffff0000)
			return 6;
		uvsim_swap_todpr(g->r[0]);
		return G_DONE;
	case 0xb202:	/* STIDP */
		if (a & 7)
			return 6;
		v = 0xff00000085610000UL;
		return uvsim_g_write(g, a, &v, 8);
	case 0xb210:	/* SPX */
		if (a & 3)
			return 6;
		rc = uvsim_g_read(g, a, &w, 4);
		if (rc)
			return rc;
		w &= 0x7fffe000;
		rc = prefix_is_there(g, w);
		if (rc)
			return rc;
		g->prefix = w;
		*(u32 *)sida(g) = g->prefix;
		show(g, ICPT_PV_NOTIFY, insn);
		return G_LEAVE;
	case 0xb211:	/* STPX */
		if (a & 3)
			return 6;
		w = g->prefix;
		return uvsim_g_write(g, a, &w, 4);
	case 0xb212:	/* store CPU address */
		if (a & 1)
			return 6;
		h = g->cpu->num;
		return uvsim_g_write(g, a, &h, 2);
	case 0xb2b1:	/* STFL */
		uvsim_guest_facilities(g, (u64 *)list);
		return uvsim_g_lowcore(g, 0xc8, list, 4, true);
	case 0xb220:
		return service_call(g, insn);
	case 0xb27d:
		return store_system_information(g, insn);
	case 0xb229: case 0xb22a: case 0xb22b:	/* ISKE, RRBE, SSKE: no keys */
		return G_DONE;
	case 0xb9af:	/* PFMF: keys or zeros */
		return 1;
	case 0xb9ab:	/* ESSA */
		return 1;
	case 0xb236:	/* TPI: nothing there */
		uvsim_set_gcc(g, 0);
		return G_DONE;
	/* CSCH, HSCH, SAL, RSCH, RCHP, SCHM, XSCH: registers only */
	case 0xb230: case 0xb231: case 0xb237: case 0xb238: case 0xb23b: case 0xb23c:
	case 0xb276:
		return G_INTERCEPT;
	case 0xb232:	/* MSCH */
		return io(g, a, 52, 0);
	case 0xb233:	/* SSCH */
		return io(g, a, 12, 0);
	case 0xb234:	/* STSCH */
		return io(g, a, 0, 52);
	case 0xb235:	/* TSCH */
		return io(g, a, 0, 64);
	case 0xb239:	/* STCRW */
		return io(g, a, 0, 4);
	case 0xb23a:	/* STCPS */
		return io(g, a, 0, 32);
	case 0xb25f:	/* CHSC */
		return io(g, g->r[insn[1] >> 4 & 15], PAGE_SIZE, PAGE_SIZE);
	case 0xb9a4:
		return guest_uvc(g, insn);
	}
	uvsim_complain("opcode %04x %04x %04x of a protected guest at %llx", insn[0], insn[1],
		       insn[2], g->addr - g->ilc);
	return 1;
}

int uvsim_pv_instruction(struct gcpu *g, u16 *insn)
{
	struct gvcpu *vcpu = g->vcpu;
	int rc;

	vcpu->pending = PEND_GPRS;
	vcpu->ipa = insn[0];
	vcpu->ipb = (u32)insn[1] << 16 | insn[2];
	rc = instruction(g, insn);
	if (rc != G_INTERCEPT) {
		vcpu->pending = PEND_NONE;
		return rc;
	}
	show(g, ICPT_PV_INSTR, insn);
	return G_LEAVE;
}

/* The instruction that was intercepted ends with what the host has made of it */
static int complete_instruction(struct gcpu *g)
{
	struct kvm_s390_sie_block *sie = g->sie;
	struct gvcpu *vcpu = g->vcpu;
	u16 insn[3] = { vcpu->ipa, vcpu->ipb >> 16, vcpu->ipb };
	enum pending pending = vcpu->pending;
	u64 cc = sie->gpsw.mask >> 44 & 3;
	u16 len = *(u16 *)sida(g);
	unsigned int i;
	int rc = 0;

	if (pending == PEND_SCCB) {
		rc = uvsim_g_real(g, vcpu->pend_addr, sida(g),
				  clamp_t(u32, len, 8, PAGE_SIZE), true);
		/* of a service call the Ultravisor sets the condition code */
		cc = 0;
		sie->gpsw.mask &= ~(3UL << 44);
	} else if (pending == PEND_STSI && (u32)g->r[0] >> 28 && !cc) {
		rc = uvsim_g_access(g, vcpu->pend_addr, sida(g), PAGE_SIZE, false, true);
	} else if (pending == PEND_IO && vcpu->pend_len && cc != 3) {
		rc = uvsim_g_access(g, vcpu->pend_addr, sida(g), vcpu->pend_len, false, true);
	}
	if (rc)
		return rc;
	for (i = 0; i < 16; i++)
		if (needed_gprs(insn) & BIT(i))
			g->r[i] = shown_gprs(g)[i];
	if (sie->iictl != IICTL_CODE_SPECIFICATION && sie->iictl != IICTL_CODE_OPERAND)
		uvsim_set_gcc(g, cc);
	g->cpu->regs.flags &= ~UVSIM_CPU_IN_INSTRUCTION;
	g->cpu->in_instruction = false;
	vcpu->pending = PEND_NONE;
	if (pending == PEND_SCCB) {
		show(g, ICPT_PV_NOTIFY, insn);
		return G_LEAVE;
	}
	return 0;
}

static int inject(struct gcpu *g)
{
	struct kvm_s390_sie_block *sie = g->sie;
	u32 parm = 0;
	u16 ilc[2] = { 4 };
	int rc = 0;

	switch (sie->iictl) {
	case IICTL_CODE_NONE:
		return 0;
	case IICTL_CODE_EXT:
		if (!(g->mask & PSWM_EXT))
			uvsim_complain("external interruption %x for CPU %u, which is disabled",
				       sie->eic, g->cpu->num);
		if (sie->eic == 0x2401)	/* the address of the SCCB is not the host's to say */
			parm = (sie->eiparams & ~7U ? g->vm->sccb & ~7U : 0) | (sie->eiparams & 7);
		rc = uvsim_deliver_ext(g, sie->eic, sie->eic == 0x2401 ? 0 : sie->extcpuaddr, parm);
		break;
	case IICTL_CODE_IO:
		if (!(g->mask & PSWM_IO))
			uvsim_complain("I/O interruption for CPU %u, which is disabled",
				       g->cpu->num);
		rc = uvsim_g_lowcore(g, 0xb8, &sie->subchannel_id, 12, true);
		if (!rc)
			rc = uvsim_swap_psw(g, 0x170, 0x1f0);
		break;
	case IICTL_CODE_RESTART:
		g->cpu->restart = false;
		rc = uvsim_swap_psw(g, 0x120, 0x1a0);
		break;
	case IICTL_CODE_SPECIFICATION:
	case IICTL_CODE_OPERAND:
		ilc[1] = sie->iictl == IICTL_CODE_SPECIFICATION ? 0x06 : 0x15;
		rc = uvsim_g_lowcore(g, 0x8c, ilc, sizeof(ilc), true);
		if (!rc)
			rc = uvsim_swap_psw(g, 0x150, 0x1d0);
		break;
	default:
		uvsim_complain("injection %x is not simulated", sie->iictl);
	}
	if (rc < G_HOST)
		sie->iictl = IICTL_CODE_NONE;
	return rc;
}

/* After a reset: nothing is half done; and the PSW may be the one at absolute 0 */
static int begin_afresh(struct gcpu *g)
{
	u64 *psw;
	int rc = 0;

	if (g->cpu->was_reset)
		g->vcpu->pending = PEND_NONE;
	g->cpu->was_reset = false;
	if (!g->cpu->load_psw)
		return 0;
	psw = (u64 *)uvsim_g_abs(g, 0, false, &rc);
	if (!psw)
		return rc;
	/* as LPSW: bit 12 is the other way round, and has to be zero then */
	g->mask = (*psw & ~0x7fffffffUL) ^ 0x0008000000000000UL;
	g->addr = *psw & 0x7fffffff;
	g->cpu->load_psw = false;
	return 0;
}

/**
 * uvsim_pv_enter() - what is to be done when a CPU enters SIE
 * @g: guest CPU
 *
 * Return: 0: the CPU runs, a program interruption code after an invalid new PSW,
 * G_HOST, G_AGAIN, G_LEAVE.
 */
int uvsim_pv_enter(struct gcpu *g)
{
	int rc = begin_afresh(g);

	if (!rc && g->vcpu->pending)
		rc = complete_instruction(g);
	if (!rc && g->cpu->restart && g->sie->iictl != IICTL_CODE_RESTART) {
		rc = uvsim_swap_psw(g, 0x120, 0x1a0);
		if (rc < G_HOST)
			g->cpu->restart = false;
	}
	return rc ?: inject(g);
}
