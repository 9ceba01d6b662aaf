/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dumps as a VMM takes them, and their decryption with the customer communication
 * key alone.
 */
#ifndef PV_DUMP_DUMP_H
#define PV_DUMP_DUMP_H

#include "crypto.h"
#include "vm.h"

/* Layout of the encrypted dump data */
#define COMPL_LEN	288
#define COMPL_AAD	96
#define COMPL_SEED	16
#define COMPL_IV	80
#define CPU_LEN		1568
#define CPU_AAD		32
#define CPU_IV		8
#define CPU_REGS_LEN	1520

struct dump {
	uint8_t *cpu[MAX_CPUS];
	uint8_t *meta;
	size_t meta_len;
	uint8_t *compl;
	uint8_t regs[MAX_CPUS][CPU_REGS_LEN];
	bool regs_known;
};

/* Give every CPU registers of its own, so that the dump can be compared with them. */
int sim_set_registers(struct vm *vm, struct dump *d);
int dump_alloc(struct vm *vm, struct dump *d);
void dump_free(struct vm *vm, struct dump *d);
/* What is left to do after INIT, metadata in pieces of @chunk MiB. */
int dump_rest(struct vm *vm, struct dump *d, unsigned int chunk);
/*
 * What is in the dump, by the customer communication key alone: the registers of a
 * vcpu, and a page that is not a zero page, by its 16 bytes of metadata.
 */
int dump_regs(struct vm *vm, struct dump *d, unsigned int cpu, uint8_t regs[CPU_REGS_LEN]);
int dump_page(struct vm *vm, struct dump *d, const uint8_t *meta, const uint8_t *seen,
	      uint8_t page[PAGE]);
/* Compares with what the guest was given, every page and every register. */
int dump_verify(struct vm *vm, struct dump *d);
/* A complete dump of a VM in which INIT was already done, decrypted and compared. */
int dump_and_verify(struct vm *vm, unsigned int chunk);

#endif
