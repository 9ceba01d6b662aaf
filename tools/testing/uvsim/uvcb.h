/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control blocks, SE header and dump formats as the Ultravisor sees them
 *
 * Written from the interface description and deliberately not from the
 * kernel's asm/uv.h: a wrong offset there has to show up as a violation and
 * must not cancel out against the same mistake here. All machines that run
 * this are big endian, so plain integer types are the interface's types.
 */
#ifndef UVSIM_UVCB_H
#define UVSIM_UVCB_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define AT(_type, _field, _offset) \
	static_assert(offsetof(struct uvsim_##_type, _field) == (_offset))
#define SIZE(_type, _size) \
	static_assert(sizeof(struct uvsim_##_type) == (_size))

struct uvsim_cb_header {
	u16 len;
	u16 cmd;
	u16 rc;
	u16 rrc;
};

AT(cb_header, len, 0x00);
AT(cb_header, cmd, 0x02);
AT(cb_header, rc, 0x04);
AT(cb_header, rrc, 0x06);
SIZE(cb_header, 8);

/* 0x0001; accepts every length from 0xa8 on */
#define UVSIM_QUI_MIN_LEN	0xa8
struct uvsim_cb_qui {
	struct uvsim_cb_header header;
	u64 reserved08;
	u64 calls[4];
	u64 reserved30[2];
	u64 base_stor_len;
	u64 reserved48;
	u64 conf_base_phys_len;
	u64 conf_base_virt_len;
	u64 conf_virt_var_len;
	u64 cpu_stor_len;
	u8  reserved70[12];
	u32 max_confs;
	u64 max_guest_addr;
	u8  reserved88[22];
	u16 max_cpu_id;
	u64 features;
	u64 reserveda8;
	u64 se_hdr_ver;
	u64 se_hdr_pcf;
	u64 reservedc0;
	u64 dump_stor_state_len;
	u64 dump_finalize_len;
	u64 reservedd8;
	u64 att_req_hdr_ver;
	u64 att_pflags;
	u64 reservedf0;
	u64 add_secret_ver;
	u64 add_secret_pcf;
	u64 secret_types;
	u16 max_assoc_secrets;
	u16 max_retr_secrets;
	u8  reserved114[12];
};

AT(cb_qui, calls, 0x10);
AT(cb_qui, base_stor_len, 0x40);
AT(cb_qui, conf_base_phys_len, 0x50);
AT(cb_qui, conf_base_virt_len, 0x58);
AT(cb_qui, conf_virt_var_len, 0x60);
AT(cb_qui, cpu_stor_len, 0x68);
AT(cb_qui, max_confs, 0x7c);
AT(cb_qui, max_guest_addr, 0x80);
AT(cb_qui, max_cpu_id, 0x9e);
AT(cb_qui, features, 0xa0);
AT(cb_qui, se_hdr_ver, 0xb0);
AT(cb_qui, se_hdr_pcf, 0xb8);
AT(cb_qui, dump_stor_state_len, 0xc8);
AT(cb_qui, dump_finalize_len, 0xd0);
AT(cb_qui, att_req_hdr_ver, 0xe0);
AT(cb_qui, att_pflags, 0xe8);
AT(cb_qui, add_secret_ver, 0xf8);
AT(cb_qui, add_secret_pcf, 0x100);
AT(cb_qui, secret_types, 0x108);
AT(cb_qui, max_assoc_secrets, 0x110);
AT(cb_qui, max_retr_secrets, 0x112);
SIZE(cb_qui, 0x120);

/* 0x000f */
struct uvsim_cb_init {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 stor_origin;
	u64 stor_len;
	u64 reserved28[4];
};

AT(cb_init, stor_origin, 0x18);
AT(cb_init, stor_len, 0x20);
SIZE(cb_init, 0x48);

/* 0x0100 */
struct uvsim_cb_create_conf {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 base_origin;
	u64 var_origin;
	u8  reserved30[6];
	u16 flags;
	u64 mso;
	u64 msl;
	u64 sca;
	u64 asce;
	u64 reserved58[5];
};

AT(cb_create_conf, handle, 0x18);
AT(cb_create_conf, base_origin, 0x20);
AT(cb_create_conf, var_origin, 0x28);
AT(cb_create_conf, flags, 0x36);
AT(cb_create_conf, mso, 0x38);
AT(cb_create_conf, msl, 0x40);
AT(cb_create_conf, sca, 0x48);
AT(cb_create_conf, asce, 0x50);
SIZE(cb_create_conf, 0x80);

/* 0x0120 */
struct uvsim_cb_create_cpu {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 cpu_handle;
	u64 conf_handle;
	u64 stor_origin;
	u8  reserved30[6];
	u16 num;
	u64 state_origin;
	u64 reserved40[4];
};

AT(cb_create_cpu, cpu_handle, 0x18);
AT(cb_create_cpu, conf_handle, 0x20);
AT(cb_create_cpu, stor_origin, 0x28);
AT(cb_create_cpu, num, 0x36);
AT(cb_create_cpu, state_origin, 0x38);
SIZE(cb_create_cpu, 0x60);

/* 0x0101, 0x0121, 0x0302, 0x0310, 0x0311, 0x0320, 0x0321, 0x0340, 0x0400 */
struct uvsim_cb_nodata {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 reserved20[4];
};

AT(cb_nodata, handle, 0x18);
SIZE(cb_nodata, 0x40);

/* 0x0102 */
struct uvsim_cb_destroy_fast {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 reserved20[5];
};

AT(cb_destroy_fast, handle, 0x18);
SIZE(cb_destroy_fast, 0x48);

/* 0x0200, 0x0342 */
struct uvsim_cb_gpage {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 gaddr;
};

AT(cb_gpage, handle, 0x18);
AT(cb_gpage, gaddr, 0x20);
SIZE(cb_gpage, 0x28);

/* 0x0201, 0x0202, 0x0341 */
struct uvsim_cb_hpage {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 paddr;
};

AT(cb_hpage, paddr, 0x18);
SIZE(cb_hpage, 0x20);

/* 0x0300 */
struct uvsim_cb_set_parms {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 hdr_origin;
	u32 hdr_len;
	u32 reserved2c;
	u64 reserved30[4];
};

AT(cb_set_parms, handle, 0x18);
AT(cb_set_parms, hdr_origin, 0x20);
AT(cb_set_parms, hdr_len, 0x28);
SIZE(cb_set_parms, 0x50);

/* 0x0301 */
struct uvsim_cb_unpack {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 gaddr;
	u64 tweak[2];
	u64 reserved38[3];
};

AT(cb_unpack, handle, 0x18);
AT(cb_unpack, gaddr, 0x20);
AT(cb_unpack, tweak, 0x28);
SIZE(cb_unpack, 0x50);

/* 0x0330 */
struct uvsim_cb_set_state {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u8  reserved20[7];
	u8  state;
	u64 reserved28[5];
};

AT(cb_set_state, handle, 0x18);
AT(cb_set_state, state, 0x27);
SIZE(cb_set_state, 0x50);

/* 0x0401 */
struct uvsim_cb_dump_stor {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 area;
	u64 gaddr;
	u64 reserved30[4];
};

AT(cb_dump_stor, handle, 0x18);
AT(cb_dump_stor, area, 0x20);
AT(cb_dump_stor, gaddr, 0x28);
SIZE(cb_dump_stor, 0x50);

/* 0x0402 with a CPU handle, 0x0403 with a configuration handle */
struct uvsim_cb_dump_area {
	struct uvsim_cb_header header;
	u64 reserved08[2];
	u64 handle;
	u64 area;
	u64 reserved28[5];
};

AT(cb_dump_area, handle, 0x18);
AT(cb_dump_area, area, 0x20);
SIZE(cb_dump_area, 0x50);

/* SE header, version 0x100 */
#define UVSIM_SE_MAGIC		0x49424d5365634578UL	/* "IBMSecEx" */
#define UVSIM_SE_VERSION	0x100
#define UVSIM_SE_MAX_LEN	8192
#define UVSIM_PCF_DUMP		0x20000000UL		/* bit 34 */
#define UVSIM_PCF_PLAIN		0x10000000UL		/* bit 35 */
#define UVSIM_SCF_KNOWN		0x6000000000000000UL	/* bits 1, 2 */

struct uvsim_se_header {
	u64 magic;
	u32 version;
	u32 size;
	u8  iv[12];
	u32 reserved1c;
	u64 slots;
	u64 enc_len;
	u64 pages;
	u64 pcf;
	u8  cust_pub_key[160];
	u8  pld[64];
	u8  ald[64];
	u8  tld[64];
};

AT(se_header, version, 8);
AT(se_header, size, 12);
AT(se_header, iv, 16);
AT(se_header, slots, 32);
AT(se_header, enc_len, 40);
AT(se_header, pages, 48);
AT(se_header, pcf, 56);
AT(se_header, cust_pub_key, 64);
AT(se_header, pld, 224);
AT(se_header, ald, 288);
AT(se_header, tld, 352);
SIZE(se_header, 416);

struct uvsim_se_slot {
	u8 key_hash[32];
	u8 wrapped_key[32];
	u8 tag[16];
};

SIZE(se_slot, 80);

struct uvsim_se_secret {
	u8  cck[32];
	u8  xts_key[64];
	u64 psw[2];
	u64 scf;
	u32 items;
	u32 reserved7c;
};

AT(se_secret, xts_key, 32);
AT(se_secret, psw, 96);
AT(se_secret, scf, 112);
AT(se_secret, items, 120);
SIZE(se_secret, 128);

/* what DUMP COMPLETE delivers */
struct uvsim_dump_final {
	u32 version;
	u32 len;
	u64 reserved08;
	u8  seed[64];
	u8  iv[12];
	u32 reserved5c;
	/* encrypted from here */
	u8  nonce[16];
	u8  xts_key[64];
	u8  reservedb0[96];
	/* encrypted up to here */
	u8  tag[16];
};

AT(dump_final, seed, 16);
AT(dump_final, iv, 80);
AT(dump_final, nonce, 96);
AT(dump_final, xts_key, 112);
AT(dump_final, tag, 272);
SIZE(dump_final, 288);

struct uvsim_cpu_regs {
	u64 gprs[16];
	u64 psw[2];
	u64 reserved176;
	u32 prefix;
	u32 fpc;
	u32 reserved192;
	u32 todpr;
	u64 timer;
	u64 todcmp;
	u64 reserved216;
	u32 acrs[16];
	u64 ctrs[16];
	u64 vregs[32][2];
	u8  reserved928[512];
	u64 gs[4];
	u8  reserved1472[64];
	u16 flags;
	u8  reserved1538[14];
};

SIZE(cpu_regs, 1520);

/* flags: an interception is outstanding, the instruction is half done */
#define UVSIM_CPU_IN_INSTRUCTION	0x8000

/* what DUMP CPU delivers */
struct uvsim_dump_cpu {
	u32 version;
	u32 len;
	u8  iv[12];
	u8  reserved20[12];
	struct uvsim_cpu_regs regs;	/* encrypted */
	u8  tag[16];
};

AT(dump_cpu, iv, 8);
AT(dump_cpu, regs, 32);
AT(dump_cpu, regs.psw, 160);
AT(dump_cpu, regs.prefix, 184);
AT(dump_cpu, regs.fpc, 188);
AT(dump_cpu, regs.todpr, 196);
AT(dump_cpu, regs.timer, 200);
AT(dump_cpu, regs.todcmp, 208);
AT(dump_cpu, regs.acrs, 224);
AT(dump_cpu, regs.ctrs, 288);
AT(dump_cpu, regs.vregs, 416);
AT(dump_cpu, regs.gs, 1440);
AT(dump_cpu, regs.flags, 1536);
AT(dump_cpu, tag, 1552);
SIZE(dump_cpu, 1568);

/* what DUMP CONFIG STORAGE STATE delivers, per 4 KiB page */
#define UVSIM_SPECIAL		0xffffffff00000000UL	/* word 0 */
#define UVSIM_SPECIAL_ZERO	0x01UL			/* word 1 */
#define UVSIM_SPECIAL_SHARED	0x02UL
#define UVSIM_SPECIAL_MAPPED	0x04UL
struct uvsim_stor_entry {
	u64 word[2];
};

SIZE(stor_entry, 16);

/*
 * SIE state description, what is of interest of it. prog20 is for the use of
 * the host's program.
 */
struct uvsim_sd {
	u32 cpuflags;
	u32 prefix;		/* with other things, see UVSIM_SD_PREFIX */
	u8  reserved08[8];
	u64 cpu_handle;
	u64 conf_handle;
	u32 prog20;
	u8  reserved24[0x22];
	u16 cpu;
	u8  reserved48[8];
	u8  icptcode;
	u8  icptstatus;
	u8  reserved52[3];
	u8  iictl;
	u16 ipa;
	u32 ipb;
	u8  reserved5c[0x34];
	u64 psw[2];
	u64 gr14[2];
	u8  reservedb0[0x2d0];
	u64 pv_gprs[16];
};

#define UVSIM_SD_STOP		0x04000000U	/* cpuflags: asked to stop */
#define UVSIM_SD_PREFIX		0x7fffe000U	/* prefix: as the register has it */

AT(sd, cpuflags, 0x00);
AT(sd, prefix, 0x04);
AT(sd, cpu_handle, 0x10);
AT(sd, conf_handle, 0x18);
AT(sd, prog20, 0x20);
AT(sd, cpu, 0x46);
AT(sd, icptcode, 0x50);
AT(sd, iictl, 0x55);
AT(sd, ipa, 0x56);
AT(sd, ipb, 0x58);
AT(sd, psw, 0x90);
AT(sd, gr14, 0xa0);
AT(sd, pv_gprs, 0x380);
SIZE(sd, 0x400);

/* record of the debugfs file "registers" */
struct uvsim_regs_record {
	u32 tgid;
	u16 num;
	u16 flags;
	u64 reserved;
	struct uvsim_cpu_regs regs;
};

SIZE(regs_record, 1536);

/* For uvsim_test.ko: a write to a debugfs file, the number of violations */
int uvsim_control(const char *file, const char *directive);
int uvsim_registers(const struct uvsim_regs_record *record);
u64 uvsim_violations(bool clear);

#endif /* UVSIM_UVCB_H */
