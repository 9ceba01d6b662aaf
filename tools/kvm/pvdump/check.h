/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * What the test programs of this directory have in common: TAP, and a directory
 * to work in. Each defines its functions itself, as it is one file.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned int num_tests, num_failed;

static inline bool __attribute__((__format__(__printf__, 2, 3)))
check(bool ok, const char *fmt, ...)
{
	va_list ap;

	num_failed += !ok;
	printf("%sok %u - ", ok ? "" : "not ", ++num_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return ok;
}

/* A step without which nothing else means anything */
static inline void __attribute__((__format__(__printf__, 2, 3)))
must(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

static inline int finish_checks(void)
{
	printf("1..%u\n", num_tests);
	return num_failed || !num_tests || fflush(stdout) || ferror(stdout);
}

#endif /* CHECK_H */
