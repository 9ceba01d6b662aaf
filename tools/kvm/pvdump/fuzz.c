// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * What reads files of others, and what believes KVM, for libFuzzer (make fuzz). One
 * program for each reader, by -DREADER=NAME:
 *
 * image	SE header, IPIB and components of an image, opened with a header key
 * core		ELF cores and the registers in them, memory as it is
 * keys		private keys of hosts, header keys, customer communication keys
 * build	host key documents, kernels, memory: what images are made from
 * search	dumps and images that are searched for plain memory
 * kvm		answers of KVM and the Ultravisor to libpvdump
 *
 * An image, its keys and a certificate are expected in the current directory, as
 * seimg-check leaves them there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpuregs.h"
#include "libpvdump.h"
#include "pvkvm.h"
#include "seimg.h"

#define CPUS	4
#define READ__(name)	read_##name
#define READ_(name)	READ__(name)
#define UNUSED		__attribute__((__unused__))

static FILE *print;		/* thrown away */

/* The input as a file; its end is exactly where it should be */
struct file {
	char name[40];
	int fd;
};

static UNUSED int make_file(struct file *f, const uint8_t *data, size_t size)
{
	f->fd = memfd_create("input", MFD_CLOEXEC);
	if (f->fd < 0 || write(f->fd, data, size) != (ssize_t)size)
		return -1;
	snprintf(f->name, sizeof(f->name), "/proc/self/fd/%d", f->fd);
	return 0;
}

static UNUSED void read_image(const uint8_t *data, size_t size)
{
	struct info_args a = { .print = print, .header_key = "header-key" };
	struct se_image se;
	struct error e;
	struct file f;
	char why[200];

	se_parse(data, size, &se, why, sizeof(why));
	if (make_file(&f, data, size))
		return;
	a.image = f.name;
	image_info(&a, &e);
	close(f.fd);
}

static UNUSED void read_core(const uint8_t *data, size_t size)
{
	static __u8 recs[CPUS * REC_SIZE], buf[3 * 4096];
	struct guestmem g;
	struct error e;
	struct file f;
	__u64 at;
	int i;

	if (make_file(&f, data, size))
		return;
	if (!guestmem_open(&g, f.name, &e)) {
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
	close(f.fd);
}

/* The first byte says which kind of key it is */
static UNUSED void read_keys(const uint8_t *data, size_t size)
{
	struct info_args a = { .print = print, .image = "pvimg" };
	struct error e;
	struct file f;

	if (!size || make_file(&f, data + 1, size - 1))
		return;
	switch (data[0] % 3) {
	case 0:
		a.private_key = f.name;
		break;
	case 1:
		a.header_key = f.name;
		break;
	default:
		a.cck = f.name;
		a.private_key = "host.pem";
	}
	image_info(&a, &e);
	close(f.fd);
}

/* The first byte says what it is used as */
static UNUSED void read_build(const uint8_t *data, size_t size)
{
	struct outfile image = { .fd = -1, .dir_fd = -1 }, plain = { .fd = -1, .dir_fd = -1 };
	struct build_args a = {
		.image = &image, .image_name = "/dev/null", .plain = &plain,
		.host_keys = { "cert.pem" }, .num_host_keys = 1,
	};
	char cmdline[50];
	struct error e;
	struct file f;

	if (!size || make_file(&f, data + 1, size - 1))
		return;
	a.kernel = f.name;
	switch (data[0] % 5) {
	case 1:
		a.kernel = NULL;
		a.from_dump = f.name;
		break;
	case 2:
		a.host_keys[0] = f.name;
		a.kernel = "kernel";
		break;
	case 3:
		a.ramdisk = f.name;
		break;
	case 4:
		snprintf(cmdline, sizeof(cmdline), "@%s", f.name);
		a.cmdline = cmdline;
		a.kernel = "kernel";
	}
	build_image(&a, &e);
	outfile_abort(&image);
	outfile_abort(&plain);
	close(f.fd);
}

static UNUSED void read_search(const uint8_t *data, size_t size)
{
	struct search_args a = { .plain = "plain", .image = "pvimg", .print = print };
	struct error e;
	struct file f;

	if (!size || make_file(&f, data + 1, size - 1))
		return;
	a.name = f.name;
	a.raw = data[0] & 1;
	if (data[0] & 2)
		a.image = f.name;
	if (data[0] & 4)
		a.plain = f.name;
	search_plain(&a, &e);
	close(f.fd);
}

/* --- a KVM that says what the input says ------------------------------------------- */

static const uint8_t *answers;
static size_t answers_left, asked;
unsigned int taken;		/* not static, or nobody would need to read */

static uint64_t answer(unsigned int bytes)
{
	uint64_t n = 0;

	while (bytes-- && answers_left) {
		n = n << 8 | *answers++;
		answers_left--;
	}
	return n;
}

/* In place of the C library's. It writes as much as KVM may, never more */
int ioctl(int fd, unsigned long req, ...)
{
	static const int errors[] = { EINTR, EINVAL, EIO, ENOTTY, EFAULT };
	struct pvkvm_info_dump *info;
	uint64_t how = answer(1);
	struct pvkvm_cmd *cmd;
	struct pvkvm_dmp *dmp;
	va_list ap;

	(void)fd;
	va_start(ap, req);
	cmd = va_arg(ap, void *);
	va_end(ap);
	/* an interrupted call is repeated for ever */
	if (++asked > 100) {
		errno = EIO;
		return -1;
	}
	cmd->rc = how & 1 ? answer(2) : 1;
	cmd->rrc = how & 2 ? answer(2) : 0;
	if (cmd->cmd == PVKVM_INFO) {
		info = (void *)(uintptr_t)cmd->data;
		info->cpu_len = how & 4 ? answer(3) : 4096;
		info->state_len = how & 8 ? answer(3) : 4096;
		info->complete_len = how & 16 ? answer(3) : 4096;
		info->len_written = how & 32 ? answer(1) : sizeof(*info);
	} else if (cmd->cmd == PVKVM_DUMP) {
		dmp = (void *)(uintptr_t)cmd->data;
		if (dmp->buff_len)
			memset((void *)(uintptr_t)dmp->buff_addr, how & 64 ? answer(1) : 0xff,
			       dmp->buff_len);
		if (how & 4)
			dmp->gaddr += (int64_t)(int8_t)answer(1) * 0x100000;
		if (how & 8)
			dmp->gaddr = answer(8);
	}
	errno = how & 128 ? errors[answer(1) % ARRAY_SIZE(errors)] : 0;
	return errno ? -1 : 0;
}

static int take(void *opaque, uint64_t offset, const void *buf, uint64_t len)
{
	uint64_t *next = opaque;

	if (offset != *next)
		__builtin_trap();
	if (answers_left && *answers == 0x77)
		return -ENOSPC;
	*next += len;
	/* its end is inside of what may be read */
	if (buf && len)
		taken += ((const char *)buf)[len - 1];
	return 0;
}

static int memory(void *opaque, uint64_t gaddr, void *buf, size_t len)
{
	(void)opaque;
	(void)gaddr;
	memset(buf, 1, len);
	return 0;
}

static UNUSED void read_kvm(const uint8_t *data, size_t size)
{
	struct pvdump_sizes sizes;
	uint64_t next = 0;
	struct pvdump *pd;
	int i, ret;

	answers = data;
	answers_left = size;
	asked = 0;
	if (pvdump_new(&pd, 1))
		return;
	pvdump_set_resumable(pd, answer(1) & 1);
	pvdump_set_reader(pd, memory, NULL);
	pvdump_set_writer(pd, take, &next, answer(1) & 1);
	for (i = answer(1) % 4; i >= 0; i--)
		pvdump_add_memory(pd, answer(1) % 16 * 0x100000, answer(1) % 3 * 0x100000, NULL);
	for (i = answer(1) % 3; i >= 0; i--)
		pvdump_add_vcpu(pd, 2 + i);
	pvdump_measure(pd, &sizes);
	ret = pvdump_write(pd);
	if (ret)
		ret = pvdump_resume(pd);
	/* what failed has an errno and a text, which has an end */
	if (ret && (!pvdump_last_error(pd)->err || !*pvdump_last_error(pd)->text))
		__builtin_trap();
	pvdump_free(pd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!print)
		print = fopen("/dev/null", "w");
	if (print)
		READ_(READER)(data, size);
	return 0;
}
