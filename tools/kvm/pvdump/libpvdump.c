// SPDX-License-Identifier: GPL-2.0-only
/*
 * libpvdump - dump protected s390 VMs through KVM. See libpvdump.h.
 */
#define _GNU_SOURCE
#include "libpvdump.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))

#ifndef NT_S390_PV_CPU_DATA
#define NT_S390_PV_CPU_DATA	0x30e
#endif

static_assert(sizeof(struct kvm_pv_cmd) == 32, "kvm_pv_cmd");
static_assert(sizeof(struct kvm_s390_pv_dmp) == 64, "kvm_s390_pv_dmp");
static_assert(sizeof(struct kvm_s390_pv_info) == 80, "kvm_s390_pv_info");
static_assert(offsetof(struct kvm_s390_pv_info, dump) == 16, "kvm_s390_pv_info");

/* Firmware lengths that zgetdump can digest, which is what the file is for */
#define PVDUMP_CPU_LEN_MAX	4096
#define PVDUMP_COMPLETE_LEN_MAX	4096
#define PVDUMP_MEM_LEN_MAX	(64 * 1024)
#define PVDUMP_META_ENTRY	16

static int __attribute__((__format__(__printf__, 3, 4)))
pvdump_fail(struct pvdump *pd, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pd->error, sizeof(pd->error), fmt, ap);
	va_end(ap);
	return -err;
}

static bool pvdump_stopped(const struct pvdump *pd)
{
	return pd->stop && *pd->stop;
}

static const char *uv_rc_text(__u32 cmd, __u16 rc)
{
	switch (rc) {
	case 0x0002:
		return ": the Ultravisor does not have this call";
	case 0x0003:
		return ": invalid state";
	case 0x0005:
		return ": invalid control block length";
	case 0x0020:
	case 0x0021:
		return ": invalid handle";
	case 0x0102:
		return cmd == KVM_PV_UNPACK || cmd == KVM_PV_VERIFY ?
		       ": the image was modified, its measurement is wrong" : "";
	}
	if (cmd != KVM_PV_SET_SEC_PARMS)
		return "";
	switch (rc) {
	case 0x0103:
		return ": the SE header cannot be accessed";
	case 0x0104:
		return ": SE header version not supported";
	case 0x0106:
		return ": plaintext control flags not supported";
	case 0x0108:
		return ": the image was not made for this host, no key slot has its host key";
	case 0x0109:
		return ": secret control flags not supported";
	case 0x010a:
		return ": the SE header was modified or is damaged";
	}
	return "";
}

/**
 * pvdump_pv_cmd() - issue a protected virtualization command
 * @pd: gets rc, rrc and on failure the error text
 * @fd: VM or vcpu file descriptor, which selects the ioctl
 * @cmd: KVM_PV_*
 * @data: the command's own structure, or NULL
 * @name: for the error text
 *
 * The response codes are cleared first, because KVM leaves them alone if it
 * did not call the Ultravisor. A call that a signal has interrupted is
 * repeated unless pvdump::stop is set.
 *
 * Context: any; @pd must not be used by two threads at once.
 *
 * Return: 0, or the negative errno of the ioctl.
 */
int pvdump_pv_cmd(struct pvdump *pd, int fd, __u32 cmd, void *data, const char *name)
{
	unsigned long req = fd == pd->vm_fd ? KVM_S390_PV_COMMAND : KVM_S390_PV_CPU_COMMAND;
	struct kvm_pv_cmd pv;
	int ret, err;

	do {
		memset(&pv, 0, sizeof(pv));
		pv.cmd = cmd;
		pv.data = (uintptr_t)data;
		ret = ioctl(fd, req, &pv);
		err = errno;
	} while (ret < 0 && err == EINTR && !pvdump_stopped(pd));

	pd->rc = pv.rc;
	pd->rrc = pv.rrc;
	if (ret >= 0)
		return 0;
	if (pv.rc)
		return pvdump_fail(pd, err,
				   "%s failed: the Ultravisor returned rc 0x%x rrc 0x%x%s (%s)",
				   name, pv.rc, pv.rrc, uv_rc_text(cmd, pv.rc), strerror(err));
	return pvdump_fail(pd, err, "%s failed: %s", name, strerror(err));
}

static int pvdump_dmp(struct pvdump *pd, int fd, struct kvm_s390_pv_dmp *dmp, const char *name)
{
	return pvdump_pv_cmd(pd, fd, KVM_PV_DUMP, dmp, name);
}

/**
 * pvdump_info() - query the lengths of a dump's parts
 * @pd: VM, protected or not; gets cpu_len, mem_len and complete_len
 *
 * Return:
 * * 0
 * * -EOPNOTSUPP: this kernel or machine cannot dump protected VMs
 * * -EPROTO: the firmware's lengths are none that a dump can have
 * * negative errno of the ioctl
 */
int pvdump_info(struct pvdump *pd)
{
	struct kvm_s390_pv_info info;
	int ret;

	memset(&info, 0, sizeof(info));
	info.header.id = KVM_PV_INFO_DUMP;
	info.header.len_max = sizeof(info.header) + sizeof(info.dump);
	ret = pvdump_pv_cmd(pd, pd->vm_fd, KVM_PV_INFO, &info, "KVM_PV_INFO");
	if (ret == -ENOTTY)
		return pvdump_fail(pd, EOPNOTSUPP,
				   "this kernel does not know KVM_PV_INFO, it cannot dump protected VMs");
	if (ret)
		return ret;
	if (info.header.len_written < sizeof(info.header) + sizeof(info.dump))
		return pvdump_fail(pd, EPROTO, "KVM_PV_INFO wrote only %u bytes",
				   info.header.len_written);
	pd->cpu_len = info.dump.dump_cpu_buffer_len;
	pd->mem_len = info.dump.dump_config_mem_buffer_per_1m;
	pd->complete_len = info.dump.dump_config_finalize_len;
	if (!pd->mem_len || !pd->complete_len)
		return pvdump_fail(pd, EOPNOTSUPP,
				   "this machine's Ultravisor cannot dump protected VMs");
	if (!pd->cpu_len || pd->cpu_len % 4 || pd->cpu_len > PVDUMP_CPU_LEN_MAX ||
	    pd->mem_len % PVDUMP_META_ENTRY || pd->mem_len > PVDUMP_MEM_LEN_MAX ||
	    pd->complete_len > PVDUMP_COMPLETE_LEN_MAX)
		return pvdump_fail(pd, EPROTO,
				   "impossible dump lengths: CPU %llu, per MiB %llu, completion %llu",
				   pd->cpu_len,
				   pd->mem_len,
				   pd->complete_len);
	return 0;
}

/**
 * pvdump_init() - begin a dump
 * @pd: protected VM, none of whose vcpus is inside KVM_RUN
 *
 * From now until pvdump_complete() or pvdump_abort() no vcpu runs.
 *
 * Return:
 * * 0
 * * -EPERM: the Ultravisor refused. Normally the guest's owner does not allow
 *   dumps, by the image or at run time. The VM can run on.
 * * negative errno of the ioctl, -EINVAL if the VM is not protected or a dump
 *   is already in progress
 */
int pvdump_init(struct pvdump *pd)
{
	struct kvm_s390_pv_dmp dmp = { .subcmd = KVM_PV_DUMP_INIT };
	int ret;

	ret = pvdump_dmp(pd, pd->vm_fd, &dmp, "KVM_PV_DUMP_INIT");
	if (!ret) {
		pd->active = true;
		return 0;
	}
	if (!pd->rc && ret == -EINVAL)
		return pvdump_fail(pd, EINVAL,
				   "KVM_PV_DUMP_INIT failed: the VM is not protected, or a dump is already in progress");
	if (pd->rc > 1)
		return pvdump_fail(pd, EPERM,
				   "KVM_PV_DUMP_INIT failed: the Ultravisor refuses the dump with rc 0x%x rrc 0x%x%s; most likely the guest's owner does not allow it (in the image's flags, or turned off in the running guest)",
				   pd->rc, pd->rrc, uv_rc_text(KVM_PV_DUMP, pd->rc));
	return ret;
}

/**
 * pvdump_cpu() - get the encrypted registers of a vcpu
 * @pd: VM with a dump in progress
 * @vcpu_fd: the vcpu
 * @buf: pvdump::cpu_len bytes, belongs to the caller
 *
 * Return: 0 or the negative errno of the ioctl.
 */
int pvdump_cpu(struct pvdump *pd, int vcpu_fd, void *buf)
{
	struct kvm_s390_pv_dmp dmp = {
		.subcmd = KVM_PV_DUMP_CPU,
		.buff_addr = (uintptr_t)buf,
		.buff_len = pd->cpu_len,
	};

	return pvdump_dmp(pd, vcpu_fd, &dmp, "KVM_PV_DUMP_CPU");
}

/**
 * pvdump_state() - get the metadata of a range of guest memory
 * @pd: VM with a dump in progress
 * @gaddr: in: guest absolute address, a multiple of 1 MiB; out: the first
 *	   address whose metadata is not in @buf
 * @len: bytes of guest memory, whole MiB
 * @buf: pvdump::mem_len bytes for each MiB, belongs to the caller
 *
 * A call that failed half-way is resumed where KVM says that it got to, and
 * fails only if it cannot get any further. After a failure the caller may do
 * the same with the new @gaddr later on.
 *
 * Return: 0, -EINTR if stopped, or the negative errno of the ioctl.
 */
int pvdump_state(struct pvdump *pd, __u64 *gaddr, __u64 len, void *buf)
{
	__u64 end = *gaddr + len;
	char name[80];
	int ret;

	while (*gaddr < end) {
		__u64 next, start = *gaddr;
		struct kvm_s390_pv_dmp dmp = {
			.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE,
			.buff_addr = (uintptr_t)buf,
			.buff_len = (end - start) / PVDUMP_MIB * pd->mem_len,
			.gaddr = start,
		};

		if (pvdump_stopped(pd))
			return pvdump_fail(pd, EINTR, "stopped");
		snprintf(name, sizeof(name),
			 "KVM_PV_DUMP_CONFIG_STOR_STATE at guest address 0x%llx", start);
		ret = pvdump_dmp(pd, pd->vm_fd, &dmp, name);
		/* on success gaddr does not move */
		next = ret ? dmp.gaddr : end;
		if (next < start || next > end || next % PVDUMP_MIB)
			return pvdump_fail(pd, EPROTO, "%s: KVM returned guest address 0x%llx",
					   name, next);
		if (next == start)
			return ret;
		buf = (char *)buf + (next - start) / PVDUMP_MIB * pd->mem_len;
		*gaddr = next;
	}
	return 0;
}

/**
 * pvdump_complete() - end a dump and get what makes it readable
 * @pd: VM with a dump in progress
 * @buf: pvdump::complete_len bytes, belongs to the caller
 *
 * On success the VM can run again. On failure the dump is still in progress.
 *
 * Return: 0 or the negative errno of the ioctl.
 */
int pvdump_complete(struct pvdump *pd, void *buf)
{
	struct kvm_s390_pv_dmp dmp = {
		.subcmd = KVM_PV_DUMP_COMPLETE,
		.buff_addr = (uintptr_t)buf,
		.buff_len = pd->complete_len,
	};
	int ret;

	ret = pvdump_dmp(pd, pd->vm_fd, &dmp, "KVM_PV_DUMP_COMPLETE");
	if (!ret)
		pd->active = false;
	return ret;
}

/**
 * pvdump_abort() - end a dump and throw it away
 * @pd: VM; nothing happens if no dump is in progress
 *
 * Makes the VM runnable again. If not even this works, KVM_PV_DISABLE or
 * closing the VM ends the dump. Keeps rc, rrc and error of the failure that led
 * here, except when it fails itself.
 *
 * Return: 0, -ENOMEM, or the negative errno of the ioctl.
 */
int pvdump_abort(struct pvdump *pd)
{
	struct pvdump saved = *pd;
	void *scratch;
	int ret;

	if (!pd->active)
		return 0;
	scratch = malloc(pd->complete_len);
	if (!scratch)
		return pvdump_fail(pd, ENOMEM, "cannot end the dump: out of memory");
	/* what stopped the dump must not stop its end */
	pd->stop = NULL;
	ret = pvdump_complete(pd, scratch);
	pd->stop = saved.stop;
	free(scratch);
	if (!ret) {
		saved.active = false;
		*pd = saved;
	}
	return ret;
}

/*
 * The notes of one vcpu. KVM has no registers of a protected vcpu, so those of
 * the plain notes are zero; tools expect the notes to be there all the same.
 */
static const struct {
	__u32 type;
	__u32 name_len;
	const char *name;
	__u32 len;
} pvdump_notes[] = {
	{ NT_PRSTATUS,		5, "CORE",  336 },
	{ NT_PRFPREG,		5, "CORE",  136 },
	{ NT_S390_PREFIX,	6, "LINUX", 4 },
	{ NT_S390_CTRS,		6, "LINUX", 128 },
	{ NT_S390_TIMER,	6, "LINUX", 8 },
	{ NT_S390_TODCMP,	6, "LINUX", 8 },
	{ NT_S390_TODPREG,	6, "LINUX", 4 },
	{ NT_S390_VXRS_LOW,	6, "LINUX", 128 },
	{ NT_S390_VXRS_HIGH,	6, "LINUX", 256 },
	{ NT_S390_GS_CB,	6, "LINUX", 32 },
	{ NT_S390_PV_CPU_DATA,	6, "LINUX", 0 },	/* cpu_len */
};

#define PVDUMP_NOTE_HEAD	(sizeof(struct elf64_note) + 8)
#define PVDUMP_NOTES_FIXED	1260

/* The section names stand in cells of 12 bytes, as VMMs write them */
static const char pvdump_strtab[35] = "\0pv_mem_meta\0pv_compl\0\0\0\0.shstrtab";

struct pvdump_head {
	struct elf64_hdr ehdr;
	struct elf64_shdr shdrs[4];
	struct elf64_phdr phdrs[2];
};

static_assert(sizeof(struct pvdump_head) == 432, "ELF headers");

static __u64 notes_size(const struct pvdump *pd, const struct pvdump_elf *elf)
{
	return elf->num_vcpus * (PVDUMP_NOTES_FIXED + pd->cpu_len);
}

static __u64 meta_size(const struct pvdump *pd, const struct pvdump_elf *elf)
{
	return elf->memory_size / PVDUMP_MIB * pd->mem_len;
}

/**
 * pvdump_elf_size() - size of the file that pvdump_write_elf() will write
 * @pd: VM, after pvdump_info()
 * @elf: what will be written
 *
 * Return: the size in bytes.
 */
__u64 pvdump_elf_size(const struct pvdump *pd, const struct pvdump_elf *elf)
{
	return sizeof(struct pvdump_head) + notes_size(pd, elf) + elf->memory_size +
	       meta_size(pd, elf) + pd->complete_len + sizeof(pvdump_strtab);
}

static void fill_section(struct elf64_shdr *shdr, __u32 name, __u32 type, __u64 offset,
			 __u64 size)
{
	shdr->sh_name = htobe32(name);
	shdr->sh_type = htobe32(type);
	shdr->sh_offset = htobe64(offset);
	shdr->sh_size = htobe64(size);
}

static void fill_segment(struct elf64_phdr *phdr, __u32 type, __u64 offset, __u64 size)
{
	phdr->p_type = htobe32(type);
	phdr->p_offset = htobe64(offset);
	phdr->p_filesz = htobe64(size);
	phdr->p_memsz = htobe64(size);
}

/* All sizes are known in advance, hence also where everything will stand */
static void fill_head(const struct pvdump *pd, const struct pvdump_elf *elf,
		      struct pvdump_head *h)
{
	__u64 memory = sizeof(*h) + notes_size(pd, elf);
	__u64 meta = memory + elf->memory_size;
	__u64 complete = meta + meta_size(pd, elf);
	struct elf64_hdr *e = &h->ehdr;

	memset(h, 0, sizeof(*h));
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2MSB;
	e->e_ident[EI_VERSION] = EV_CURRENT;
	e->e_type = htobe16(ET_CORE);
	e->e_machine = htobe16(EM_S390);
	e->e_version = htobe32(EV_CURRENT);
	e->e_shoff = htobe64(offsetof(struct pvdump_head, shdrs));
	e->e_phoff = htobe64(offsetof(struct pvdump_head, phdrs));
	e->e_ehsize = htobe16(sizeof(struct elf64_hdr));
	e->e_phentsize = htobe16(sizeof(struct elf64_phdr));
	e->e_phnum = htobe16(2);
	e->e_shentsize = htobe16(sizeof(struct elf64_shdr));
	e->e_shnum = htobe16(4);
	e->e_shstrndx = htobe16(3);

	fill_section(&h->shdrs[1], 1, SHT_PROGBITS, meta, meta_size(pd, elf));
	fill_section(&h->shdrs[2], 13, SHT_PROGBITS, complete, pd->complete_len);
	fill_section(&h->shdrs[3], 25, SHT_STRTAB, complete + pd->complete_len,
		     sizeof(pvdump_strtab));
	fill_segment(&h->phdrs[0], PT_NOTE, sizeof(*h), notes_size(pd, elf));
	fill_segment(&h->phdrs[1], PT_LOAD, memory, elf->memory_size);
}

/* The state of one pvdump_write_elf() */
struct pvdump_stream {
	struct pvdump *pd;
	const struct pvdump_elf *elf;
	const char *step;
	__u64 done;
	__u64 total;
};

static int stream_write(struct pvdump_stream *s, const void *buf, __u64 len)
{
	while (len) {
		ssize_t n;

		if (pvdump_stopped(s->pd))
			return pvdump_fail(s->pd, EINTR, "stopped");
		n = write(s->elf->fd, buf, len < PVDUMP_MIB ? len : PVDUMP_MIB);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? errno : ENOSPC;

			return pvdump_fail(s->pd, err,
					   "cannot write the dump (%s, %llu of %llu bytes written): %s",
					   s->step, s->done,
					   s->total, strerror(err));
		}
		buf = (const char *)buf + n;
		len -= n;
		s->done += n;
		if (s->elf->progress)
			s->elf->progress(s->elf->opaque, s->step, s->done, s->total);
	}
	return 0;
}

/* @buf has room for the notes of one vcpu */
static int stream_notes(struct pvdump_stream *s, int vcpu_fd, unsigned int cpu, char *buf)
{
	__u64 size = PVDUMP_NOTES_FIXED + s->pd->cpu_len;
	__u32 pid = htobe32(cpu + 1);
	char *p = buf;
	unsigned int i;
	int ret;

	memset(buf, 0, size);
	for (i = 0; i < ARRAY_SIZE(pvdump_notes); i++) {
		bool pv = pvdump_notes[i].type == NT_S390_PV_CPU_DATA;
		__u32 len = pv ? s->pd->cpu_len : pvdump_notes[i].len;
		struct elf64_note n = {
			.n_namesz = htobe32(pvdump_notes[i].name_len),
			.n_descsz = htobe32(len),
			.n_type = htobe32(pvdump_notes[i].type),
		};

		memcpy(p, &n, sizeof(n));
		memcpy(p + sizeof(n), pvdump_notes[i].name, pvdump_notes[i].name_len);
		p += PVDUMP_NOTE_HEAD;
		if (pvdump_notes[i].type == NT_PRSTATUS)
			memcpy(p + 32, &pid, sizeof(pid));
		ret = pv ? pvdump_cpu(s->pd, vcpu_fd, p) : 0;
		if (ret) {
			size_t end = strlen(s->pd->error);

			snprintf(s->pd->error + end, sizeof(s->pd->error) - end, " (CPU %u)", cpu);
			return ret;
		}
		p += len;
	}
	assert(p == buf + size);
	return stream_write(s, buf, size);
}

static int stream_state(struct pvdump_stream *s, char *buf, __u64 chunk)
{
	__u64 gaddr = 0;
	int ret;

	while (gaddr < s->elf->memory_size) {
		__u64 left = s->elf->memory_size - gaddr;
		__u64 len = left < chunk ? left : chunk;

		ret = pvdump_state(s->pd, &gaddr, len, buf);
		if (ret)
			return ret;
		ret = stream_write(s, buf, len / PVDUMP_MIB * s->pd->mem_len);
		if (ret)
			return ret;
	}
	return 0;
}

/* Memory comes first: a page's metadata is that of its exported form */
static int stream_all(struct pvdump_stream *s, char *buf, __u64 chunk)
{
	const struct pvdump_elf *elf = s->elf;
	struct pvdump_head head;
	unsigned int i;
	int ret;

	s->step = "CPUs";
	fill_head(s->pd, elf, &head);
	ret = stream_write(s, &head, sizeof(head));
	for (i = 0; !ret && i < elf->num_vcpus; i++)
		ret = stream_notes(s, elf->vcpu_fds[i], i, buf);
	if (ret)
		return ret;
	s->step = "memory";
	ret = stream_write(s, elf->memory, elf->memory_size);
	if (ret)
		return ret;
	s->step = "metadata";
	ret = stream_state(s, buf, chunk);
	if (ret)
		return ret;
	s->step = "completion";
	ret = pvdump_complete(s->pd, buf);
	if (!ret)
		ret = stream_write(s, buf, s->pd->complete_len);
	if (!ret)
		ret = stream_write(s, pvdump_strtab, sizeof(pvdump_strtab));
	return ret;
}

/**
 * pvdump_write_elf() - dump a VM into an ELF file that zgetdump can decrypt
 * @pd: protected VM, after pvdump_info(), none of whose vcpus is in KVM_RUN
 * @elf: what to write and where
 *
 * Begins the dump and ends it, whatever happens. Needs memory for the metadata
 * of one chunk, whatever the size of the guest. A failed dump leaves a part of
 * the file behind, which is worthless and the caller's to remove.
 *
 * Return:
 * * 0
 * * -EPERM: the Ultravisor refused the dump, nothing was written
 * * -EINTR: stopped through pvdump::stop
 * * -EINVAL: memory size or chunk is not whole MiB
 * * -ENOMEM
 * * negative errno of an ioctl or of write()
 */
int pvdump_write_elf(struct pvdump *pd, const struct pvdump_elf *elf)
{
	__u64 chunk = elf->chunk ? elf->chunk : 64 * PVDUMP_MIB;
	struct pvdump_stream s = {
		.pd = pd,
		.elf = elf,
		.total = pvdump_elf_size(pd, elf),
	};
	__u64 room;
	char *buf;
	int ret;

	if (!elf->memory_size || elf->memory_size % PVDUMP_MIB || chunk % PVDUMP_MIB)
		return pvdump_fail(pd, EINVAL, "memory size and chunk must be whole MiB");
	if (chunk > elf->memory_size)
		chunk = elf->memory_size;
	/* the largest of: metadata of a chunk, notes of a vcpu, completion data */
	room = chunk / PVDUMP_MIB * pd->mem_len + PVDUMP_NOTES_FIXED + pd->cpu_len +
	       pd->complete_len;
	buf = malloc(room);
	if (!buf)
		return pvdump_fail(pd, ENOMEM, "out of memory (%llu bytes)",
				   room);
	ret = pvdump_init(pd);
	if (!ret)
		ret = stream_all(&s, buf, chunk);
	free(buf);
	if (ret && pd->active) {
		char first[sizeof(pd->error)];

		memcpy(first, pd->error, sizeof(first));
		if (pvdump_abort(pd))
			snprintf(pd->error, sizeof(pd->error),
				 "%.180s; and the dump could not be ended, the VM cannot run until KVM_PV_DISABLE",
				 first);
	}
	return ret;
}
