// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/* Messages and progress of pvdump, see report.h. */
#include "report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIB		0x100000ULL
#define SECOND		1000000000ULL
#define TERMINAL_NS	(SECOND / 5)
#define LINES_NS	(2 * SECOND)
#define BAR		30

static enum report_style style;
static uint64_t started, ended, last;	/* in ns */
static bool line_open;		/* the cursor is behind a progress line */

void report_style(enum report_style s)
{
	style = s;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Bytes that are no ASCII are taken for Latin-1, so that it is always valid JSON */
static void json_string(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	fputc('"', stderr);
	for (; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(stderr, "\\%c", *p);
		else if (*p < 0x20 || *p > 0x7e)
			fprintf(stderr, "\\u%04x", *p);
		else
			fputc(*p, stderr);
	}
	fputc('"', stderr);
}

/* Others' output must not stand behind half a line */
void report_interrupted(void)
{
	if (line_open)
		fputc('\n', stderr);
	line_open = false;
}

static void tell(const char *event, const char *fmt, va_list ap)
{
	char text[2048];

	report_interrupted();
	vsnprintf(text, sizeof(text), fmt, ap);
	if (style != REPORT_JSON) {
		fprintf(stderr, "pvdump: %s\n", text);
		return;
	}
	fprintf(stderr, "{\"event\":\"%s\",\"message\":", event);
	json_string(text);
	fputs("}\n", stderr);
}

/* Returns @ret */
int report_error(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("error", fmt, ap);
	va_end(ap);
	return ret;
}

/* Something that is no failure; errors alone are told if it is to be quiet */
void report_note(const char *fmt, ...)
{
	va_list ap;

	if (style == REPORT_QUIET)
		return;
	va_start(ap, fmt);
	tell("note", fmt, ap);
	va_end(ap);
}

/* The library's error with all of its parts; returns @ret */
int report_dump_error(int ret, const struct pvdump_error *e)
{
	if (style != REPORT_JSON)
		return report_error(ret, "%s", e->text);
	fputs("{\"event\":\"error\",\"message\":", stderr);
	json_string(e->text);
	fputs(",\"call\":", stderr);
	json_string(e->call);
	fprintf(stderr, ",\"errno\":%d,\"rc\":%u,\"rrc\":%u", e->err, e->rc, e->rrc);
	if (e->gaddr != UINT64_MAX)
		fprintf(stderr, ",\"gaddr\":%llu", (unsigned long long)e->gaddr);
	fputs("}\n", stderr);
	return ret;
}

void report_sizes(const struct pvdump_sizes *s, unsigned int cpus, int measured)
{
	uint64_t disk = s->file - s->memory + s->used;

	if (style == REPORT_JSON) {
		fprintf(stderr,
			"{\"event\":\"sizes\",\"cpus\":%u,\"memory\":%llu,\"metadata\":%llu,\"file\":%llu,\"buffers\":%llu",
			cpus, (unsigned long long)s->memory, (unsigned long long)s->metadata,
			(unsigned long long)s->file, (unsigned long long)s->buffers);
		if (measured)
			fprintf(stderr, ",\"used\":%llu,\"disk\":%llu",
				(unsigned long long)s->used, (unsigned long long)disk);
		fputs("}\n", stderr);
	} else if (measured) {
		report_note("guest: %u CPUs, %llu MiB of memory, of which %llu KiB are not zero",
			    cpus, (unsigned long long)(s->memory / MIB),
			    (unsigned long long)(s->used / 1024));
		report_note("dump: %llu bytes, %llu KiB on the disk, %llu KiB of it metadata",
			    (unsigned long long)s->file, (unsigned long long)(disk / 1024),
			    (unsigned long long)(s->metadata / 1024));
		report_note("memory needed beyond the guest's: %llu KiB",
			    (unsigned long long)(s->buffers / 1024));
	}
}

void report_start(void)
{
	started = now_ns();
	last = 0;
}

/* The dump is over, though not yet on the disk */
void report_stop(void)
{
	ended = now_ns();
}

/* How long, for people */
static const char *duration(uint64_t s, char buf[24])
{
	if (s < 60)
		snprintf(buf, 24, "%llu s", (unsigned long long)s);
	else if (s < 3600)
		snprintf(buf, 24, "%llu:%02llu min", (unsigned long long)(s / 60),
			 (unsigned long long)(s % 60));
	else
		snprintf(buf, 24, "%llu:%02llu h", (unsigned long long)(s / 3600),
			 (unsigned long long)(s / 60 % 60));
	return buf;
}

/*
 * Work is guest memory, once its content and once its metadata. Half of it is
 * what people call the size of the guest.
 */
void report_progress(const struct pvdump_progress *p)
{
	bool end = p->done == p->total && !strcmp(p->step, "completion");
	uint64_t now = now_ns(), ms = (now - started) / 1000000, rate, left;
	unsigned int percent, n;
	char bar[BAR + 1], time[24];

	if (style == REPORT_QUIET || p->total == 0)
		return;
	if (!end && last && now - last < (style == REPORT_TERMINAL ? TERMINAL_NS : LINES_NS))
		return;
	last = now;
	percent = p->done * 100 / p->total;
	/* what is not complete is not 100 % */
	if (percent == 100 && !end)
		percent = 99;
	rate = ms ? p->done / 2 * 1000 / ms : 0;
	left = p->done ? (p->total - p->done) / (p->done / (ms + 1) + 1) / 1000 : 0;
	if (style == REPORT_JSON) {
		fprintf(stderr,
			"{\"event\":\"progress\",\"step\":\"%s\",\"percent\":%u,\"done\":%llu,\"total\":%llu,\"written\":%llu,\"skipped\":%llu,\"bytes_per_second\":%llu,\"eta_seconds\":%llu}\n",
			p->step, percent, (unsigned long long)p->done,
			(unsigned long long)p->total, (unsigned long long)p->written,
			(unsigned long long)p->skipped, (unsigned long long)rate,
			(unsigned long long)left);
		return;
	}
	if (style == REPORT_TERMINAL) {
		n = p->done * BAR / p->total;
		memset(bar, '-', BAR);
		memset(bar, '#', n);
		bar[BAR] = 0;
		fprintf(stderr, "\r[%s] ", bar);
	} else {
		fputs("pvdump: ", stderr);
	}
	fprintf(stderr, "%3u %%  %llu of %llu MiB, %llu written, %llu MiB/s  ", percent,
		(unsigned long long)(p->done / 2 / MIB), (unsigned long long)(p->total / 2 / MIB),
		(unsigned long long)(p->written / MIB), (unsigned long long)(rate / MIB));
	if (end)
		fprintf(stderr, "complete in %s", duration(ms / 1000, time));
	else
		fprintf(stderr, "%s, %s left", p->step, p->done ? duration(left, time) : "?");
	if (style == REPORT_TERMINAL && !end) {
		/* over what a longer line has left behind */
		fputs("\033[K", stderr);
		line_open = true;
		return;
	}
	fputs(style == REPORT_TERMINAL ? "\033[K\n" : "\n", stderr);
	line_open = false;
}

void report_end(int status, const char *file)
{
	if (style != REPORT_JSON)
		return;
	fprintf(stderr, "{\"event\":\"end\",\"status\":%d", status);
	if (started)
		fprintf(stderr, ",\"nanoseconds\":%llu", (unsigned long long)(ended - started));
	if (file) {
		fputs(",\"file\":", stderr);
		json_string(file);
	}
	fputs("}\n", stderr);
}
