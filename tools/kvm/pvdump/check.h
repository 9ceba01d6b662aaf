/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * What the test programs of this directory have in common: TAP, and a directory
 * to work in. Each defines its functions itself, as it is one file.
 */
#ifndef CHECK_H
#define CHECK_H

#include <signal.h>
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

/*
 * Whoever starts a test may ignore or block signals (nohup does, so does a shell
 * that runs it in the background), which it and its children would inherit.
 */
static inline void default_signals(void)
{
	static const int sigs[] = { SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ,
				    0 };
	const int *sig;
	sigset_t none;

	for (sig = sigs; *sig; sig++)
		must(signal(*sig, SIG_DFL) != SIG_ERR, "signal %d", *sig);
	sigemptyset(&none);
	must(!sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
}

static inline int finish_checks(void)
{
	printf("1..%u\n", num_tests);
	return num_failed || !num_tests || fflush(stdout) || ferror(stdout);
}

#endif /* CHECK_H */
