// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * What reads files of others, for libFuzzer (make fuzz): the header and components
 * of images, ELF cores and the registers in them. Each input is both.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpuregs.h"
#include "seimg.h"

#define CPUS	4

static void try_image(const char *name, FILE *print)
{
	struct info_args a = { .image = name, .print = print };
	struct error e;

	image_info(&a, &e);
}

static void try_core(const char *name, FILE *print)
{
	static __u8 recs[CPUS * REC_SIZE], buf[3 * 4096];
	struct guestmem g;
	struct error e;
	__u64 at;
	int i;

	if (!guestmem_open(&g, name, &e)) {
		/* where something begins or ends is what goes wrong */
		for (i = 0, at = 0; i < 8 && at < g.size; i++, at += sizeof(buf)) {
			at = guestmem_data(&g, at);
			guestmem_read(&g, at ? at - 1 : 0, buf, sizeof(buf), &e);
		}
		guestmem_read(&g, g.size - 1, buf, sizeof(buf), &e);
		guestmem_gap(&g);
		if (g.elf)
			cpuregs_visit(&g, recs, CPUS, true, print, &e);
	}
	guestmem_close(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *print;
	struct se_image se;
	char name[40], why[200];
	int fd;

	if (!print)
		print = fopen("/dev/null", "w");
	se_parse(data, size, &se, why, sizeof(why));
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	try_image(name, print);
	try_core(name, print);
	close(fd);
	return 0;
}
