/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * Registers of CPUs in the form in which uvsim takes them ("records"), and in
 * the notes of an s390x ELF core. For tests: dumpcmp calls it.
 */
#ifndef CPUREGS_H
#define CPUREGS_H

#include <stdbool.h>
#include <stdio.h>

#include "guestmem.h"

/* A record: number and flags of the CPU, then the block that is in a dump */
#define REC_HEAD	16
#define REC_BLOCK	1520
#define REC_SIZE	(REC_HEAD + REC_BLOCK)
#define REC_MAX_CPUS	65535

/**
 * cpuregs_fill() - a record in which no two registers of any CPUs are alike
 * @rec: gets REC_SIZE bytes; nothing in the first guarded storage word
 * @cpu: number of the CPU
 */
void cpuregs_fill(__u8 *rec, __u32 cpu);

/**
 * cpuregs_check() - are these records, one for each CPU from 0 on?
 * @recs: records
 * @len: bytes
 * @e: reason if not
 *
 * Return: 0 or -1
 */
int cpuregs_check(const __u8 *recs, size_t len, struct error *e);

/**
 * cpuregs_visit() - compare the notes of all CPUs with records, or store them there
 * @core: ELF core
 * @recs: records
 * @cpus: how many there are
 * @store: store, do not compare
 * @print: where a difference is described
 * @e: reason of a failure
 *
 * Return: number of CPUs in the core; 0 if there is a difference or anything is
 * missing; -1: the core is damaged
 */
int cpuregs_visit(const struct guestmem *core, __u8 *recs, __u32 cpus, bool store, FILE *print,
		  struct error *e);

#endif /* CPUREGS_H */
