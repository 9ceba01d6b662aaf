/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of the kernel (tracefs), those of the calling thread only. An event is named
 * "SYSTEM/EVENT". Returns 0 or -errno.
 */
#ifndef PV_DUMP_TRACE_H
#define PV_DUMP_TRACE_H

#include <stdbool.h>
#include <stddef.h>

/* Is there this event? */
bool trace_have(const char *event);
int trace_filter(const char *event, const char *filter);
/* Forgets what was recorded before. */
int trace_start(const char *const *events, size_t nr);
/* @buf: the record, @len bytes of it are not enough: -E2BIG */
int trace_stop(const char *const *events, size_t nr, char *buf, size_t len);

#endif
