// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * dumpcmp - is a dump that zgetdump has decrypted what the guest was given? Every
 * byte of memory and every register. A tool of the tests, not for users; main()
 * prints errors, the rest of it returns them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cpuregs.h"
#include "outfile.h"

#define CHUNK		MIB
#define EXIT_USAGE	2
#define CORE_MAX_CPUS	1024

static const char usage_text[] =
"usage: dumpcmp regs [-f] -o FILE --cpus N | --from-dump ELF\n"
"           Write records for uvsim's registers file: for N CPUs, every register\n"
"           distinct, or the registers in an ELF core.\n"
"       dumpcmp compare --plain FILE [--regs FILE] ELF\n"
"           Compare every byte of memory and every register in a dump that zgetdump\n"
"           has decrypted to ELF with what the guest was given, and name the first\n"
"           difference. --plain: the memory, flat or an ELF core; --regs: the\n"
"           registers, from dumpcmp regs; without, memory alone is compared\n"
"Exit status: 0 success, 1 error or difference, 2 usage\n";

static struct outfile output;

struct options {
	const char *output;
	const char *from_dump;
	const char *plain;
	const char *regs;
	const char *operand;
	bool force;
	__u32 cpus;
};

static int make_regs(const struct options *o, struct error *e)
{
	struct outfile_args args = { .mode = 0600, .force = o->force };
	const char *inputs[2] = { o->from_dump };
	int cpus = o->cpus ? (int)o->cpus : CORE_MAX_CPUS, i;
	struct guestmem core = { };
	__u8 *recs = calloc(cpus, REC_SIZE);
	int ret = 0;

	args.inputs = inputs;
	if (!recs)
		return fail(e, "out of memory for %d CPUs", cpus);
	if (outfile_open(&output, o->output, &args))
		ret = fail(e, "%s", output.error);
	for (i = 0; i < cpus; i++)
		cpuregs_fill(recs + (size_t)i * REC_SIZE, i);
	if (!ret && o->from_dump) {
		ret = guestmem_open(&core, o->from_dump, e);
		if (!ret)
			cpus = cpuregs_visit(&core, recs, cpus, true, stdout, e);
		if (!ret && !cpus)
			fail(e, "'%s' does not have the registers of all CPUs", o->from_dump);
		if (!ret && cpus <= 0)
			ret = -1;
		guestmem_close(&core);
	}
	if (!ret && (outfile_write(&output, recs, (size_t)cpus * REC_SIZE) ||
		     outfile_commit(&output)))
		ret = fail(e, "%s", output.error);
	free(recs);
	return ret;
}

/* The first byte that differs, and how many do */
struct diffs {
	__u64 num;
	__u64 first;
};

static void compare_chunk(const char *name, __u64 addr, const __u8 *have, const __u8 *want,
			  __u64 len, struct diffs *d)
{
	__u64 i;

	if (!memcmp(have, want, len))
		return;
	for (i = 0; i < len; i++) {
		if (have[i] == want[i])
			continue;
		if (!d->num++) {
			d->first = addr + i;
			printf("'%s': memory at 0x%llx is %02x, not %02x\n", name, addr + i,
			       have[i], want[i]);
		}
	}
}

/* Memory must be one gapless range from 0; returns 0: equal, 1: not, or -1 */
static int compare_memory(const struct guestmem *have, const struct guestmem *want,
			  struct error *e)
{
	__u8 *buf = malloc(2 * CHUNK);
	__u64 addr, n, gap = guestmem_gap(have);
	struct diffs d = { };
	int ret = 0;

	if (!buf)
		return fail(e, "out of memory");
	if (gap != have->size) {
		printf("'%s': memory from 0x%llx on is missing\n", have->in.name, gap);
		free(buf);
		return 1;
	}
	for (addr = 0; !ret && addr < have->size && addr < want->size; addr += n) {
		n = have->size < want->size ? have->size : want->size;
		n = n - addr < CHUNK ? n - addr : CHUNK;
		ret = guestmem_read(have, addr, buf, n, e);
		ret = ret ? ret : guestmem_read(want, addr, buf + CHUNK, n, e);
		if (!ret)
			compare_chunk(have->in.name, addr, buf, buf + CHUNK, n, &d);
	}
	free(buf);
	if (ret)
		return ret;
	if (d.num)
		printf("'%s': %llu bytes of memory differ, the first at 0x%llx\n", have->in.name,
		       d.num, d.first);
	if (have->size != want->size)
		printf("'%s' has 0x%llx bytes of memory, not the 0x%llx of '%s'\n", have->in.name,
		       have->size, want->size, want->in.name);
	if (d.num || have->size != want->size)
		return 1;
	printf("memory: %llu bytes equal\n", have->size);
	return 0;
}

static int compare_regs(const struct options *o, const struct guestmem *core, struct error *e)
{
	struct error why;
	size_t len;
	__u8 *recs = input_read(o->regs, (size_t)REC_MAX_CPUS * REC_SIZE, &len, e);
	int ret;

	if (!recs)
		return -1;
	if (cpuregs_check(recs, len, &why)) {
		input_free(recs, len);
		return fail(e, "'%s' is no registers file: %s", o->regs, why.text);
	}
	ret = cpuregs_visit(core, recs, len / REC_SIZE, false, stdout, e);
	input_free(recs, len);
	if (ret < 0)
		return -1;
	if ((size_t)ret == len / REC_SIZE) {
		printf("registers: %d CPUs equal\n", ret);
		return 0;
	}
	if (ret)
		printf("'%s' has %d CPUs, not %zu\n", o->operand, ret, len / REC_SIZE);
	return 1;
}

static int compare(const struct options *o, struct error *e)
{
	struct guestmem have = { }, want = { };
	int regs = -1, memory = -1;

	if (!guestmem_open(&have, o->operand, e) && !guestmem_open(&want, o->plain, e)) {
		regs = o->regs ? compare_regs(o, &have, e) : 0;
		memory = regs < 0 ? -1 : compare_memory(&have, &want, e);
	}
	guestmem_close(&have);
	guestmem_close(&want);
	return regs < 0 || memory < 0 ? -1 : regs | memory;
}

/* --- command line -------------------------------------------------------------------- */

static void on_signal(int sig)
{
	outfile_unlink_tmp(&output);
	signal(sig, SIG_DFL);
	raise(sig);
}

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

enum { OPT_CPUS = 256, OPT_FROM_DUMP, OPT_PLAIN, OPT_REGS };

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "cpus", required_argument, NULL, OPT_CPUS },
		{ "from-dump", required_argument, NULL, OPT_FROM_DUMP },
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "regs", required_argument, NULL, OPT_REGS },
		{ }
	};
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "o:f", opts, NULL)) != -1) {
		switch (opt) {
		case 'o':
			o->output = optarg;
			break;
		case 'f':
			o->force = true;
			break;
		case OPT_CPUS:
			o->cpus = strtoul(optarg, &end, 10);
			if (*end || !o->cpus || o->cpus > REC_MAX_CPUS)
				return -1;
			break;
		case OPT_FROM_DUMP:
			o->from_dump = optarg;
			break;
		case OPT_PLAIN:
			o->plain = optarg;
			break;
		case OPT_REGS:
			o->regs = optarg;
			break;
		default:
			return -1;
		}
	}
	o->operand = optind < argc ? argv[optind++] : NULL;
	return optind < argc ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGTERM };
	struct options o = { };
	struct error e;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		signal(sigs[i], on_signal);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || parse(argc - 1, argv + 1, &o))
		return usage();
	if (!strcmp(argv[1], "regs") && o.output && !o.operand && !o.cpus != !o.from_dump)
		ret = make_regs(&o, &e);
	else if (!strcmp(argv[1], "compare") && o.plain && o.operand)
		ret = compare(&o, &e);
	else
		return usage();
	outfile_abort(&output);
	if (ret < 0)
		fprintf(stderr, "dumpcmp: %s\n", e.text);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "dumpcmp: cannot write standard output: %s\n", strerror(errno));
		return 1;
	}
	return !!ret;
}
