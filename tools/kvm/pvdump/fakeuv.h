/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * An Ultravisor for tests of libpvdump on any machine: it is behind the ioctl()
 * of the program that it is linked to. Strict about what it is asked for, and as
 * careless with its answers as a test wants it to be.
 */
#ifndef FAKEUV_H
#define FAKEUV_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_VM		1000
#define FAKE_VCPU	2000		/* file descriptor of the first vcpu */
#define FAKE_CPUS	3
#define FAKE_LEN	4096		/* of CPU, metadata of a MiB and completion data */
#define FAKE_REGS	1520		/* encrypted part of a CPU's data */
#define FAKE_PAGE	4096UL
#define FAKE_MIB	0x100000UL

enum fake_kind { FAKE_ENCRYPTED, FAKE_ZERO, FAKE_SHARED };

struct fakeuv {
	/* the VM, by fake_start() */
	uint64_t gaddr;			/* where its memory begins */
	uint64_t mib;
	uint64_t gap, gap_end;		/* addresses between which it has none */
	uint8_t *memory;		/* as the host sees it */
	uint8_t *plain;			/* as the guest does */
	uint8_t *meta;
	uint8_t regs[FAKE_CPUS][FAKE_REGS];
	uint8_t dump_key[32];
	uint8_t seed[64];

	/* a VM without arrays: all is zero but every sparse-th page, which is shared */
	uint64_t sparse;

	/* orders of the test */
	uint64_t cpu_len, state_len, complete_len;	/* what INFO says */
	uint32_t info_written;
	int info_err;
	uint16_t refuse;		/* rc of INIT */
	int init_err;			/* its errno without a call of the Ultravisor */
	uint16_t cpu_fails;		/* rc of CPU */
	uint16_t complete_fails;	/* rc of COMPLETE */
	int64_t fail_at;		/* STOR_STATE of this MiB fails; -1: none */
	bool fail_once;
	unsigned int eintr_every;	/* every n-th ioctl is interrupted ... */
	bool eintr_moves;		/* ... and STOR_STATE has done one MiB then */
	int64_t import_at;		/* this page is zero the first time only */
	uint64_t wrong_gaddr;		/* STOR_STATE fails and says it got there; 0: no */
	bool stale;			/* a page's metadata is wrong until it was read */
	void (*on_state)(uint64_t mib);	/* called for each MiB */
	/* the rest of KVM, if the test has one: an ioctl that is not about dumps */
	int (*on_other)(int fd, unsigned long req, void *arg);

	/* what happened */
	bool dumping;
	unsigned int calls[4];
	unsigned int ioctls;
	unsigned int bad;		/* calls no correct client makes */
	uint64_t max_request;		/* MiB in one STOR_STATE */
	bool *was_read;			/* pages, by fake_read() */
};

extern struct fakeuv uv;
extern const uint8_t fake_cck[32];

void fake_start(uint64_t gaddr, uint64_t mib);
void fake_start_sparse(uint64_t mib, uint64_t every);
void fake_end(void);
enum fake_kind fake_kind(uint64_t page);
int fake_read(void *opaque, uint64_t gaddr, void *buf, size_t len);
bool fake_gcm(bool encrypt, const uint8_t key[32], const uint8_t iv[12], const uint8_t *aad,
	      int aad_len, const uint8_t *in, int len, uint8_t *out, uint8_t tag[16]);
bool fake_xts(bool encrypt, uint64_t component, const uint8_t *in, uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif /* FAKEUV_H */
