// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * The commands of a dump, one function for each, and what the Ultravisor's
 * response codes mean. Used by pvwrite.c and by callers who write files of their
 * own kind. Knows KVM's interface and nothing about files.
 */
#include "pvint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvkvm.h"

/* Firmware lengths that zgetdump can digest, which is what dumps are for */
#define CPU_LEN_MAX		4096
#define COMPLETE_LEN_MAX	4096
#define STATE_LEN_MAX		(64 * 1024)

/* Codes from 0x100 on mean something else for each call */
static const char *rc_text(uint32_t cmd, uint16_t rc)
{
	switch (rc) {
	case 0x0002:
		return ": the Ultravisor does not have this call";
	case 0x0003:
		return ": the Ultravisor is not in the state for this call";
	case 0x0005:
		return ": KVM and the Ultravisor disagree on the length of a control block";
	case 0x0020:
		return ": the Ultravisor does not know this VM (any more)";
	case 0x0021:
		return ": the Ultravisor does not know this vcpu (any more)";
	case 0x0102:
		if (cmd == PVKVM_UNPACK || cmd == PVKVM_VERIFY)
			return ": the image was modified, its measurement is wrong";
	}
	if (cmd != PVKVM_SET_SEC_PARMS)
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

/*
 * One ioctl, without a retry. The response codes are cleared first, because KVM
 * leaves them alone if it did not call the Ultravisor.
 */
static int command(struct pvdump *pd, int fd, uint32_t cmd, void *data, const char *name)
{
	unsigned long req = fd == pd->vm_fd ? PVKVM_VM_COMMAND : PVKVM_CPU_COMMAND;
	struct pvkvm_cmd pv = { .cmd = cmd, .data = (uintptr_t)data };
	int err;

	err = ioctl(fd, req, &pv) < 0 ? errno : 0;
	pd->error.rc = pv.rc;
	pd->error.rrc = pv.rrc;
	if (!err)
		return 0;
	if (pv.rc)
		return pv_fail(pd, err, name,
			       "%s failed: the Ultravisor returned rc 0x%x rrc 0x%x%s (%s)",
			       name, pv.rc, pv.rrc, rc_text(cmd, pv.rc), strerror(err));
	return pv_fail(pd, err, name, "%s failed: %s", name, strerror(err));
}

/**
 * pvdump_command() - issue any protected virtualization command
 * @pd: handle
 * @fd: file descriptor of the VM or of a vcpu, which selects the ioctl
 * @cmd: KVM_PV_*
 * @data: the command's own structure, or NULL; belongs to the caller
 * @name: for the error text, has to stay valid as long as the error
 *
 * For a VMM's way into protected mode, to get the same error texts. A call that a
 * signal has interrupted is repeated, unless pvdump_cancel() was called; do not
 * use it for a command that returns in @data how far it has got.
 *
 * Return: 0, -ECANCELED, or the negative errno of the ioctl.
 */
int pvdump_command(struct pvdump *pd, int fd, uint32_t cmd, void *data, const char *name)
{
	int ret, canceled;

	for (;;) {
		ret = command(pd, fd, cmd, data, name);
		if (ret != -EINTR)
			return ret;
		canceled = pv_cancelled(pd);
		if (canceled)
			return canceled;
	}
}

static int dump_command(struct pvdump *pd, int fd, struct pvkvm_dmp *dmp, const char *name)
{
	return pvdump_command(pd, fd, PVKVM_DUMP, dmp, name);
}

/**
 * pvdump_info() - query the lengths of a dump's parts
 * @pd: handle of a VM, protected or not
 * @lengths: gets them; may be NULL
 *
 * A VMM should do this when the VM starts and get its buffers then, as there may
 * be little memory left when the VM has crashed.
 *
 * Return:
 * * 0
 * * -EOPNOTSUPP: this kernel or machine cannot dump protected VMs
 * * -EPROTO: the firmware's lengths are none that a dump can have
 * * negative errno of the ioctl
 */
int pvdump_info(struct pvdump *pd, struct pvdump_lengths *lengths)
{
	struct pvkvm_info_dump info = { .id = PVKVM_INFO_DUMP, .len_max = sizeof(info) };
	static const char name[] = "KVM_PV_INFO";
	int ret;

	pd->have_lengths = false;
	ret = pvdump_command(pd, pd->vm_fd, PVKVM_INFO, &info, name);
	if (ret == -ENOTTY)
		return pv_fail(pd, EOPNOTSUPP, name,
			       "this kernel does not know KVM_PV_INFO, it cannot dump protected VMs");
	if (ret)
		return ret;
	if (info.len_written < sizeof(info))
		return pv_fail(pd, EPROTO, name, "KVM_PV_INFO wrote only %u bytes",
			       info.len_written);
	if (!info.state_len || !info.complete_len)
		return pv_fail(pd, EOPNOTSUPP, name,
			       "this machine's Ultravisor cannot dump protected VMs");
	if (!info.cpu_len || info.cpu_len % 4 || info.cpu_len > CPU_LEN_MAX ||
	    info.state_len % PV_ENTRY || info.state_len > STATE_LEN_MAX ||
	    info.complete_len > COMPLETE_LEN_MAX)
		return pv_fail(pd, EPROTO, name,
			       "impossible dump lengths: CPU %llu, per MiB %llu, completion %llu",
			       (unsigned long long)info.cpu_len,
			       (unsigned long long)info.state_len,
			       (unsigned long long)info.complete_len);
	pd->len.cpu = info.cpu_len;
	pd->len.state = info.state_len;
	pd->len.complete = info.complete_len;
	pd->have_lengths = true;
	if (lengths)
		*lengths = pd->len;
	return 0;
}

int pv_need_lengths(struct pvdump *pd)
{
	return pd->have_lengths ? 0 : pvdump_info(pd, NULL);
}

/*
 * What a refused INIT means. Nobody has published the codes for an owner who
 * forbids dumps, but codes below 0x100 are the same for all calls and are not
 * about that.
 */
static int init_refused(struct pvdump *pd, const char *name)
{
	uint16_t rc = pd->error.rc, rrc = pd->error.rrc;

	if (rc >= 0x100)
		return pv_fail(pd, EPERM, name,
			       "%s failed: the Ultravisor refuses the dump with rc 0x%x rrc 0x%x; most likely the guest's owner does not allow it (in the image's flags, or turned off in the running guest)",
			       name, rc, rrc);
	return pv_fail(pd, rc == 2 ? EOPNOTSUPP : EIO, name,
		       "%s failed: the Ultravisor returned rc 0x%x rrc 0x%x%s; this is not about what the guest's owner allows",
		       name, rc, rrc, rc_text(PVKVM_DUMP, rc));
}

/**
 * pvdump_init() - begin a dump
 * @pd: handle of a protected VM, none of whose vcpus is inside KVM_RUN
 *
 * From now until pvdump_complete() or pvdump_abort() no vcpu runs.
 *
 * Return:
 * * 0
 * * -EBUSY: a dump was begun through this handle already, and goes on
 * * -EPERM: the Ultravisor refused. Normally the guest's owner does not allow
 *   dumps, by the image or at run time. The VM can run on.
 * * -EOPNOTSUPP, -EIO: the Ultravisor failed in another way, see the text. The
 *   VM can run on.
 * * other errors of pvdump_info()
 * * negative errno of the ioctl, -EINVAL if the VM is not protected or somebody
 *   else has a dump in progress
 */
int pvdump_init(struct pvdump *pd)
{
	struct pvkvm_dmp dmp = { .subcmd = PVKVM_DUMP_INIT };
	static const char name[] = "KVM_PV_DUMP_INIT";
	int ret;

	if (pd->active)
		return pv_fail(pd, EBUSY, name, "a dump is in progress already, and goes on");
	ret = pv_need_lengths(pd);
	if (ret)
		return ret;
	ret = dump_command(pd, pd->vm_fd, &dmp, name);
	if (!ret) {
		pd->active = true;
		return 0;
	}
	if (!pd->error.rc && ret == -EINVAL)
		return pv_fail(pd, EINVAL, name,
			       "%s failed: the VM is not protected, or a dump is already in progress",
			       name);
	if (pd->error.rc > 1)
		return init_refused(pd, name);
	return ret;
}

static int no_dump(struct pvdump *pd, const char *name)
{
	return pv_fail(pd, EINVAL, name, "%s: no dump was begun through this handle", name);
}

/**
 * pvdump_cpu() - get the encrypted registers of a vcpu
 * @pd: handle with a dump in progress
 * @vcpu_fd: the vcpu
 * @buf: belongs to the caller
 * @len: its bytes, exactly pvdump_lengths.cpu
 *
 * Return: 0; -EINVAL: no dump in progress, or wrong length; or the negative errno
 * of the ioctl.
 */
int pvdump_cpu(struct pvdump *pd, int vcpu_fd, void *buf, size_t len)
{
	static const char name[] = "KVM_PV_DUMP_CPU";
	struct pvkvm_dmp dmp = {
		.subcmd = PVKVM_DUMP_CPU,
		.buff_addr = (uintptr_t)buf,
		.buff_len = len,
	};

	if (!pd->active)
		return no_dump(pd, name);
	if (!buf || len != pd->len.cpu)
		return pv_fail(pd, EINVAL, name, "%s: a buffer of %zu bytes, but it has to be %llu",
			       name, len, (unsigned long long)pd->len.cpu);
	return dump_command(pd, vcpu_fd, &dmp, name);
}

/**
 * pvdump_state() - get the metadata of a range of guest memory
 * @pd: handle with a dump in progress
 * @gaddr: in: guest absolute address, a multiple of 1 MiB; out: the first
 *	   address whose metadata is not in @buf
 * @size: bytes of guest memory, a multiple of 1 MiB
 * @buf: belongs to the caller
 * @len: its bytes, at least pvdump_lengths.state for each MiB
 *
 * Metadata of a page is the same before and after its memory was read in the
 * model that this was tested with. What real firmware says about a page that the
 * host has not read yet is not published: what goes into a file should be
 * queried after the memory was read, as pvdump_write() does.
 *
 * A call that failed half-way is resumed where KVM says that it got to, and
 * fails only if it cannot get any further. After a failure the caller may do
 * the same with the new @gaddr later on.
 *
 * Return:
 * * 0
 * * -ECANCELED
 * * -EINVAL: no dump in progress; address or size not whole MiB, beyond the end
 *   of the address space, or the buffer is too short. Nothing was written.
 * * -EPROTO: KVM returned an impossible address
 * * negative errno of the ioctl
 */
int pvdump_state(struct pvdump *pd, uint64_t *gaddr, uint64_t size, void *buf, size_t len)
{
	static const char name[] = "KVM_PV_DUMP_CONFIG_STOR_STATE";
	uint64_t start = *gaddr, end = start + size;
	char *p = buf;
	int ret;

	if (!pd->active)
		return no_dump(pd, name);
	if (!buf || !size || start % PV_MIB || size % PV_MIB || end < start)
		return pv_fail_at(pd, EINVAL, name, start,
				  "%s: guest address 0x%llx, 0x%llx bytes: both must be whole MiB, within the address space",
				  name, (unsigned long long)start, (unsigned long long)size);
	if (len / pd->len.state < size / PV_MIB)
		return pv_fail_at(pd, EINVAL, name, start,
				  "%s: a buffer of %zu bytes is too short for %llu MiB", name, len,
				  (unsigned long long)(size / PV_MIB));
	while (start < end) {
		/*
		 * A fresh one for each attempt: an interrupted one may have moved
		 * gaddr, and the buffer has to move with it
		 */
		struct pvkvm_dmp dmp = {
			.subcmd = PVKVM_DUMP_STATE,
			.buff_addr = (uintptr_t)p,
			.buff_len = (end - start) / PV_MIB * pd->len.state,
			.gaddr = start,
		};
		uint64_t next;

		ret = pv_cancelled(pd);
		if (ret)
			return ret;
		ret = command(pd, pd->vm_fd, PVKVM_DUMP, &dmp, name);
		/* on success gaddr does not move */
		next = ret ? dmp.gaddr : end;
		if (next < start || next > end || next % PV_MIB)
			return pv_fail_at(pd, EPROTO, name, start,
					  "%s at guest address 0x%llx: KVM returned guest address 0x%llx",
					  name, (unsigned long long)start,
					  (unsigned long long)next);
		if (next == start && ret != -EINTR) {
			pd->error.gaddr = start;
			pv_append(pd, " (at guest address 0x%llx)", (unsigned long long)start);
			return ret;
		}
		p += (next - start) / PV_MIB * pd->len.state;
		start = next;
		*gaddr = next;
	}
	return 0;
}

/**
 * pvdump_complete() - end a dump and get what makes it readable
 * @pd: handle with a dump in progress
 * @buf: belongs to the caller
 * @len: its bytes, at least pvdump_lengths.complete, of which so many are written
 *
 * On success the VM can run again. On failure the dump is still in progress.
 *
 * Return: 0; -EINVAL: no dump in progress, or too short; or the negative errno of
 * the ioctl.
 */
int pvdump_complete(struct pvdump *pd, void *buf, size_t len)
{
	static const char name[] = "KVM_PV_DUMP_COMPLETE";
	struct pvkvm_dmp dmp = {
		.subcmd = PVKVM_DUMP_COMPLETE,
		.buff_addr = (uintptr_t)buf,
		.buff_len = pd->len.complete,
	};
	int ret;

	if (!pd->active)
		return no_dump(pd, name);
	if (!buf || len < pd->len.complete)
		return pv_fail(pd, EINVAL, name, "%s: a buffer of %zu bytes, but it needs %llu",
			       name, len, (unsigned long long)pd->len.complete);
	ret = dump_command(pd, pd->vm_fd, &dmp, name);
	if (!ret)
		pd->active = false;
	return ret;
}

/**
 * pvdump_active() - is a dump in progress?
 * @pd: handle
 *
 * Return: 1 if one was begun through this handle and has not ended, else 0.
 */
int pvdump_active(const struct pvdump *pd)
{
	return pd->active;
}

/**
 * pvdump_abort() - end a dump and throw it away
 * @pd: handle; nothing happens if no dump is in progress
 *
 * Makes the VM runnable again. If not even this works, KVM_PV_DISABLE or
 * closing the VM ends the dump. Keeps the error of the failure that led here,
 * except when it fails itself. A request to cancel does not stop it.
 *
 * Return: 0 or the negative errno of the ioctl.
 */
int pvdump_abort(struct pvdump *pd)
{
	struct pvdump_error saved = pd->error;
	char text[sizeof(pd->text)], scratch[COMPLETE_LEN_MAX];
	bool cancelled;
	int ret;

	pv_job_drop(pd);
	if (!pd->active)
		return 0;
	memcpy(text, pd->text, sizeof(text));
	cancelled = atomic_exchange(&pd->cancelled, false);
	ret = pvdump_complete(pd, scratch, sizeof(scratch));
	if (cancelled)
		atomic_store(&pd->cancelled, true);
	if (ret)
		return ret;
	pd->error = saved;
	memcpy(pd->text, text, sizeof(text));
	return 0;
}
