// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * seimg - make, open and check IBM Secure Execution images. Here is the command
 * line: all that is printed to standard error, exit statuses and signals. The
 * work is done by sebuild.c, seinfo.c and sesearch.c, which only return.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seimg.h"

#define EXIT_USAGE	2

/* Outputs, for the handler of signals that end the program */
static struct outfile outputs[2];

static const char usage_text[] =
"seimg - make, open and check IBM Secure Execution images\n"
"\n"
"seimg build -o IMAGE --kernel BZIMAGE [--cmdline TEXT|@FILE] [--ramdisk FILE]\n"
"            --host-key KEY [--host-key KEY ...] [--cck FILE] [--allow-dump]\n"
"            [--no-encryption] [--plain FILE --memory MIB] [-f]\n"
"    Make an image. Components stand at their final addresses, so that a VMM\n"
"    only has to copy the file to address 0.\n"
"    -o, --output IMAGE     the image\n"
"    -f, --force            replace IMAGE and FILE if they exist\n"
"    --kernel BZIMAGE       arch/s390/boot/bzImage of an s390x kernel\n"
"    --from-dump FILE       instead of a kernel: the memory of a Linux that has run, an\n"
"                           ELF core or flat. What is not zero becomes components, the\n"
"                           rest of the guest's memory stays untouched. Such a guest\n"
"                           cannot be started, and IPIB and SE header stand behind its\n"
"                           memory: for pvdump, which finds the SE header itself\n"
"    --cmdline TEXT|@FILE   kernel command line, as long as the kernel says that it\n"
"                           takes (4095 bytes since 5.17), otherwise at most 895 bytes\n"
"    --ramdisk FILE         initial ramdisk\n"
"    --host-key KEY         host key document: X.509 certificate or public key, PEM or\n"
"                           DER, curve P-521; one for each host that may run it.\n"
"                           Certificates are not verified: do that before\n"
"    --cck FILE             customer communication key, 32 raw bytes, decrypts dumps\n"
"    --allow-dump           the host may dump the guest; needs --cck\n"
"    --no-encryption        components stay readable (PCF bit 35). Started by QEMU's\n"
"                           -kernel, such an image boots as the plain kernel\n"
"    --plain FILE           also write the memory as the guest sees it, unencrypted\n"
"    --memory MIB           size of the guest's memory\n"
"\n"
"seimg keys IMAGE --host-private-key KEY [-o FILE [-f]]\n"
"    Write host key hash and SE header key, as uvsim's header_keys file takes them,\n"
"    to FILE, for nobody else to read, or to standard output.\n"
"    --host-private-key KEY PEM or DER; the pass phrase of an encrypted one is asked for\n"
"\n"
"seimg info IMAGE [--header-key FILE | --host-private-key KEY] [--cck FILE]\n"
"           [--plain FILE --memory MIB [-f]]\n"
"    Print what is in an image and verify it: structure, page count, digests; with a\n"
"    key also the header's tag. --plain decrypts the components.\n"
"    --header-key FILE      a file of seimg keys, or with 64 hexadecimal digits; '-' is\n"
"                           standard input\n"
"    --cck FILE             is this the customer communication key of the image?\n"
"\n"
"seimg search --plain FILE [--image IMAGE] [--raw] DUMP\n"
"    Search a dump or an image for pieces of the plain memory (flat or an ELF core),\n"
"    of 16 bytes each, taken from all over it. An encrypted dump has none of them.\n"
"    --image IMAGE          pieces that IMAGE shows outside of its components, in its\n"
"                           loader, are no secret and do not count\n"
"    --raw                  DUMP is memory as the host sees it\n"
"\n"
"seimg --help | --version\n"
"\n"
"Exit status: 0 success; 1 error, damaged image, wrong key, or plaintext in a dump;\n"
"2 usage.\n"
"An output appears under its name when it is complete. '-' is standard output; pipes\n"
"and devices are written into. Plain memory and keys are for nobody else to read.\n";

static void print_error(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

static void print_error(const char *fmt, ...)
{
	va_list ap;

	fputs("seimg: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void on_signal(int sig)
{
	outfile_unlink_tmp(&outputs[0]);
	outfile_unlink_tmp(&outputs[1]);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* What was printed must have arrived, otherwise it was no success */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	print_error("cannot write standard output: %s", strerror(errno));
	return 1;
}

static int print(const char *text)
{
	fputs(text, stdout);
	return finish(0);
}

/* --- options ------------------------------------------------------------------------ */

enum {
	OPT_KERNEL = 256, OPT_FROM_DUMP, OPT_CMDLINE, OPT_RAMDISK, OPT_HOST_KEY, OPT_CCK,
	OPT_ALLOW_DUMP, OPT_NO_ENCRYPTION, OPT_PLAIN, OPT_MEMORY, OPT_PRIVATE,
	OPT_HEADER_KEY, OPT_IMAGE, OPT_RAW,
};

/* A parsed command line; which options a subcommand takes is up to it */
struct options {
	struct build_args build;
	const char *private_key;
	const char *header_key;
	const char *image;
	const char *operand;
	bool raw;
};

/* Prints what is wrong with the command line */
static int wrong(const char *what, const char *arg)
{
	print_error("%s%s; see seimg --help", what, arg);
	return EXIT_USAGE;
}

static bool parse_number(const char *s, __u64 max, __u64 *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 0);
	return !errno && isdigit((unsigned char)*s) && !*end && *n && *n <= max;
}

static bool is_hex_key(const char *s)
{
	return strlen(s) == 2 * SE_KEY_LEN &&
	       strspn(s, "0123456789abcdefABCDEF") == 2 * SE_KEY_LEN;
}

static int parse_option(int opt, struct options *o)
{
	struct build_args *b = &o->build;

	switch (opt) {
	case 'o':
		b->image_name = optarg;
		break;
	case 'f':
		b->force = true;
		break;
	case OPT_KERNEL:
		b->kernel = optarg;
		break;
	case OPT_FROM_DUMP:
		b->from_dump = optarg;
		break;
	case OPT_CMDLINE:
		b->cmdline = optarg;
		break;
	case OPT_RAMDISK:
		b->ramdisk = optarg;
		break;
	case OPT_HOST_KEY:
		if (b->num_host_keys == SE_SLOTS_MAX)
			return wrong("too many host keys: ", optarg);
		b->host_keys[b->num_host_keys++] = optarg;
		break;
	case OPT_CCK:
		b->cck = optarg;
		break;
	case OPT_ALLOW_DUMP:
		b->pcf |= SE_PCF_ALLOW_DUMP;
		break;
	case OPT_NO_ENCRYPTION:
		b->pcf |= SE_PCF_NO_ENCRYPTION;
		break;
	case OPT_PLAIN:
		b->plain_name = optarg;
		break;
	case OPT_MEMORY:
		if (!parse_number(optarg, 1UL << 24, &b->memory))
			return wrong("--memory: a number from 1 to 16777216 is needed, not ",
				     optarg);
		break;
	case OPT_PRIVATE:
		o->private_key = optarg;
		break;
	case OPT_HEADER_KEY:
		/* of what is on a command line everybody can learn */
		if (is_hex_key(optarg) && access(optarg, F_OK))
			return wrong("--header-key takes a file: a key on a command line can ",
				     "be seen by all users of the machine");
		o->header_key = optarg;
		break;
	case OPT_IMAGE:
		o->image = optarg;
		break;
	case OPT_RAW:
		o->raw = true;
		break;
	default:
		return wrong("wrong option", "");
	}
	return 0;
}

static int parse_options(int argc, char **argv, const struct option *allowed, struct options *o)
{
	/* who has no output has nothing to force either */
	bool outputs = allowed[0].val == 'o' || allowed[0].val == OPT_PLAIN;
	int opt;

	while ((opt = getopt_long(argc, argv, outputs ? "o:f" : "", allowed, NULL)) != -1)
		if (parse_option(opt, o))
			return EXIT_USAGE;
	if (optind < argc)
		o->operand = argv[optind++];
	if (optind < argc)
		return wrong("too much: ", argv[optind]);
	/* what writes the plain memory has to know its size */
	if (allowed[0].val != OPT_IMAGE && !o->build.plain_name != !o->build.memory)
		return wrong("--plain and --memory belong together", "");
	return 0;
}

/* --- subcommands ------------------------------------------------------------------- */

static int report(int ret, const struct error *e)
{
	if (ret < 0)
		print_error("%s", e->text);
	return ret < 0 ? 1 : ret;
}

static int cmd_build(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "kernel", required_argument, NULL, OPT_KERNEL },
		{ "from-dump", required_argument, NULL, OPT_FROM_DUMP },
		{ "cmdline", required_argument, NULL, OPT_CMDLINE },
		{ "ramdisk", required_argument, NULL, OPT_RAMDISK },
		{ "host-key", required_argument, NULL, OPT_HOST_KEY },
		{ "cck", required_argument, NULL, OPT_CCK },
		{ "allow-dump", no_argument, NULL, OPT_ALLOW_DUMP },
		{ "no-encryption", no_argument, NULL, OPT_NO_ENCRYPTION },
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "memory", required_argument, NULL, OPT_MEMORY },
		{ }
	};
	struct options o = { .build.pcf = SE_PCF_PCKMO };
	struct build_args *b = &o.build;
	struct error e;

	if (parse_options(argc, argv, allowed, &o))
		return EXIT_USAGE;
	if (o.operand)
		return wrong("too much: ", o.operand);
	if (!b->image_name || !b->num_host_keys)
		return wrong("build needs -o and --host-key", "");
	if (!b->kernel == !b->from_dump)
		return wrong("build needs either --kernel or --from-dump", "");
	if (b->from_dump && (b->cmdline || b->ramdisk))
		return wrong("--cmdline and --ramdisk need --kernel", "");
	if (b->pcf & SE_PCF_ALLOW_DUMP && !b->cck)
		return wrong("--allow-dump needs --cck: without the key nobody can read a dump",
			     "");
	b->image = &outputs[0];
	b->plain = &outputs[1];
	return report(build_image(b, &e), &e);
}

static int cmd_keys(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "host-private-key", required_argument, NULL, OPT_PRIVATE },
		{ }
	};
	struct options o = { };
	struct info_args a;
	struct error e;

	if (parse_options(argc, argv, allowed, &o))
		return EXIT_USAGE;
	if (!o.operand || !o.private_key)
		return wrong("keys needs an image and --host-private-key", "");
	a = (struct info_args){
		.image = o.operand,
		.private_key = o.private_key,
		.out = &outputs[0],
		.out_name = o.build.image_name,
		.force = o.build.force,
		.print = stdout,
	};
	return report(image_keys(&a, &e), &e);
}

static int cmd_info(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "force", no_argument, NULL, 'f' },
		{ "host-private-key", required_argument, NULL, OPT_PRIVATE },
		{ "header-key", required_argument, NULL, OPT_HEADER_KEY },
		{ "cck", required_argument, NULL, OPT_CCK },
		{ "memory", required_argument, NULL, OPT_MEMORY },
		{ }
	};
	struct options o = { };
	struct info_args a;
	struct error e;

	if (parse_options(argc, argv, allowed, &o))
		return EXIT_USAGE;
	if (!o.operand)
		return wrong("info needs an image", "");
	if (o.build.image_name)
		return wrong("info has no -o: --plain FILE is what it writes", "");
	if (o.private_key && o.header_key)
		return wrong("--header-key and --host-private-key exclude each other", "");
	if ((o.build.plain_name || o.build.cck) && !o.private_key && !o.header_key)
		return wrong("--plain and --cck need --host-private-key or --header-key", "");
	a = (struct info_args){
		.image = o.operand,
		.private_key = o.private_key,
		.header_key = o.header_key,
		.cck = o.build.cck,
		.out = &outputs[0],
		.out_name = o.build.plain_name,
		.memory = o.build.memory,
		.force = o.build.force,
		.print = stdout,
	};
	/* two things cannot go there */
	if (a.out_name && !strcmp(a.out_name, "-"))
		a.print = stderr;
	return report(image_info(&a, &e), &e);
}

static int cmd_search(int argc, char **argv)
{
	static const struct option allowed[] = {
		{ "image", required_argument, NULL, OPT_IMAGE },
		{ "plain", required_argument, NULL, OPT_PLAIN },
		{ "raw", no_argument, NULL, OPT_RAW },
		{ }
	};
	struct options o = { };
	struct search_args a;
	struct error e;

	if (parse_options(argc, argv, allowed, &o))
		return EXIT_USAGE;
	if (!o.operand || !o.build.plain_name)
		return wrong("search needs --plain and a dump", "");
	a = (struct search_args){ o.build.plain_name, o.operand, o.image, o.raw, stdout };
	return report(search_plain(&a, &e), &e);
}

/*
 * A file that is opened must not become what messages go to. Writing to these
 * fails, as it does without them.
 */
static void open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} cmds[] = {
		{ "build", cmd_build },
		{ "keys", cmd_keys },
		{ "info", cmd_info },
		{ "search", cmd_search },
	};
	static const int sigs[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction sa = { .sa_handler = on_signal }, old;
	unsigned int i;
	int ret;

	open_stdio();
	if (argc < 2)
		return wrong("a subcommand is needed", "");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print(usage_text);
	if (!strcmp(argv[1], "--version"))
		return print("seimg 1.1\n");
	for (i = 0; i < ARRAY_SIZE(sigs); i++) {
		/* nohup and shells ignore some, and mean it */
		if (!sigaction(sigs[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(sigs[i], &sa, NULL);
	}
	/* a full disk and a closed pipe are errors like others */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (strcmp(argv[1], cmds[i].name))
			continue;
		ret = cmds[i].fn(argc - 1, argv + 1);
		outfile_abort(&outputs[0]);
		outfile_abort(&outputs[1]);
		return finish(ret);
	}
	return wrong("unknown subcommand ", argv[1]);
}
