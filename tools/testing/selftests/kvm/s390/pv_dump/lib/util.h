/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has nothing to do with KVM: numbers, time, guarded buffers, log lines.
 */
#ifndef PV_DUMP_UTIL_H
#define PV_DUMP_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define PAGE		4096UL
#define MIB		0x100000UL
#define BLOCK_PAGES	(MIB / PAGE)

#define CANARY		0xc7

/* Seconds to wait for what has to happen, on the slowest of machines */
#define LONG_ENOUGH	20

#define log_err(fmt, ...) \
	fprintf(stderr, "# %s:%d: " fmt "\n", __func__, __LINE__, ##__VA_ARGS__)

void put32(uint8_t *p, uint32_t v);
void put64(uint8_t *p, uint64_t v);
uint32_t get32(const uint8_t *p);
uint64_t get64(const uint8_t *p);
bool all_bytes(const void *buf, int c, size_t len);
int random_bytes(void *buf, size_t len);

double now(void);
void sleep_ms(unsigned int ms);
/* False if @done is not set within @ms */
bool wait_done(int *done, unsigned int ms);

/* A buffer of @len bytes filled with canaries, right in front of a page without access */
uint8_t *guarded_alloc(size_t len);
void guarded_free(uint8_t *buf, size_t len);
/* Nothing was written to the part of its first page that is in front of such a buffer */
bool guard_intact(const uint8_t *buf);
/* @len bytes that can neither be read nor written */
void *no_access(size_t len);

/* The number in the environment variable @name, or @val */
unsigned long env_number(const char *name, unsigned long val);
int write_file(const char *path, const char *val);
/* Without SA_RESTART: a caught signal ends KVM_RUN. */
void catch_signal(int sig);

#endif
