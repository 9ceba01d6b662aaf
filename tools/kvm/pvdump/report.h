/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * What pvdump tells its user on standard error: messages, progress, and both as
 * JSON. Knows nothing of VMs and files. Called by pvdump.c.
 */
#ifndef REPORT_H
#define REPORT_H

#include "libpvdump.h"

enum report_style {
	REPORT_QUIET,		/* errors only */
	REPORT_TERMINAL,	/* a line that is drawn anew */
	REPORT_LINES,		/* a line every few seconds */
	REPORT_JSON,		/* everything, one object a line */
};

void report_style(enum report_style style);
int report_error(int ret, const char *fmt, ...) __attribute__((__format__(__printf__, 2, 3)));
int report_dump_error(int ret, const struct pvdump_error *error);
void report_note(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
void report_sizes(const struct pvdump_sizes *sizes, unsigned int cpus, int measured);
void report_start(void);
void report_stop(void);
void report_progress(const struct pvdump_progress *progress);
void report_interrupted(void);
void report_end(int status, const char *file);

#endif /* REPORT_H */
