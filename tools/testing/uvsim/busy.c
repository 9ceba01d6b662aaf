// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: calls that were answered "busy" and have to be issued again
 *
 * Condition code 2 or 3 says that the Ultravisor is not done: the same block is to
 * be presented again, until there is an answer, and nothing else may be asked of
 * that configuration or CPU meanwhile. Only its end may come instead: a caller that
 * was killed does not come back. Called by uvc.c for each call about one of them,
 * and by sie.c. Knows nothing of the model but handles.
 */
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "uvsim.h"

#define MAX_PENDING	64
#define MAX_LEN		sizeof(struct uvsim_cb_create_cpu)

static struct pending {
	u64 handle;		/* 0: unused */
	u16 cmd, len;
	u8 block[MAX_LEN];
} pending[MAX_PENDING];

static struct pending *find_pending(u64 handle)
{
	struct pending *p;

	lockdep_assert_held(&uvsim_lock);
	for (p = pending; p < pending + MAX_PENDING; p++) {
		if (p->handle == handle)
			return p;
	}
	return NULL;
}

/* The response is not part of the question. */
static bool same_block(const struct pending *p, const void *block, u16 len)
{
	unsigned int rc = offsetof(struct uvsim_cb_header, rc);
	unsigned int data = sizeof(struct uvsim_cb_header);

	return p->len == len && !memcmp(p->block, block, rc) &&
	       !memcmp(p->block + data, block + data, len - data);
}

/**
 * uvsim_busy_call() - a call about a configuration or a CPU begins
 * @handle: handle of that; 0 is none
 * @block: the control block
 * @len: its length in bytes
 * @ends: the call destroys what the handle is of
 *
 * A violation if another one should have been issued again.
 *
 * Context: uvsim_lock is held
 */
void uvsim_busy_call(u64 handle, const void *block, u16 len, bool ends)
{
	struct pending *p = handle ? find_pending(handle) : NULL;

	lockdep_assert_held(&uvsim_lock);
	if (!p)
		return;
	if (!ends && !same_block(p, block, len))
		uvsim_violation("%llx: 0x%04x was busy and is not continued", handle, p->cmd);
	p->handle = 0;
}

/**
 * uvsim_busy_answer() - a call is answered with condition code 2 or 3
 * @handle: handle of the configuration or CPU that it is about; 0 is none
 * @block: the control block
 * @len: its length in bytes
 *
 * Context: uvsim_lock is held
 */
void uvsim_busy_answer(u64 handle, const void *block, u16 len)
{
	struct pending *p;

	lockdep_assert_held(&uvsim_lock);
	if (!handle || len > MAX_LEN || (!uvsim_find_conf(handle) && !uvsim_find_cpu(handle)))
		return;
	p = find_pending(0);
	if (!p) {
		uvsim_violation("more than %u calls are not continued", MAX_PENDING);
		return;
	}
	p->handle = handle;
	p->cmd = ((const struct uvsim_cb_header *)block)->cmd;
	p->len = len;
	memcpy(p->block, block, len);
}

/**
 * uvsim_busy_cmd() - is there a call that has to be issued again?
 * @handle: of a configuration or a CPU, not 0
 *
 * Context: uvsim_lock is held
 * Return: its command, 0 if there is none.
 */
u16 uvsim_busy_cmd(u64 handle)
{
	struct pending *p = find_pending(handle);

	lockdep_assert_held(&uvsim_lock);
	return p ? p->cmd : 0;
}
