// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of libpvdump's commands and of what it is told, without any output. The
 * other half is dump-check.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fakeuv.h"
#include "libpvdump.h"
#include "pvkvm.h"

#define MIB	FAKE_MIB
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

static struct pvdump *any_vm(void)
{
	struct pvdump *pd;

	must(!pvdump_new(&pd, FAKE_VM), "no handle");
	return pd;
}

static const char *text(const struct pvdump *pd)
{
	return pvdump_last_error(pd)->text;
}

static void check_info(void)
{
	static const struct {
		const char *what;
		uint64_t cpu, state, complete;
		int ret;
	} rows[] = {
		{ "usual", 4096, 4096, 4096, 0 },
		{ "shortest", 1568, 16, 288, 0 },
		{ "no dumps", 0, 0, 0, -EOPNOTSUPP },
		{ "no CPU data", 0, 4096, 4096, -EPROTO },
		{ "CPU data of odd length", 4095, 4096, 4096, -EPROTO },
		{ "too much CPU data", 4100, 4096, 4096, -EPROTO },
		{ "metadata of odd length", 4096, 4100, 4096, -EPROTO },
		{ "too much metadata", 4096, 0x20000, 4096, -EPROTO },
		{ "too much completion data", 4096, 4096, 4097, -EPROTO },
	};
	struct pvdump *pd = any_vm();
	struct pvdump_lengths len;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_start(0, 1);
		uv.cpu_len = rows[i].cpu;
		uv.state_len = rows[i].state;
		uv.complete_len = rows[i].complete;
		memset(&len, 0xee, sizeof(len));
		ret = pvdump_info(pd, &len);
		check(ret == rows[i].ret && (ret ? len.cpu == 0xeeeeeeeeeeeeeeeeULL :
			len.cpu == rows[i].cpu && len.state == rows[i].state &&
			len.complete == rows[i].complete),
		      "lengths: %s: %d", rows[i].what, ret);
	}
	fake_start(0, 1);
	uv.info_err = ENOTTY;
	ret = pvdump_info(pd, NULL);
	check(ret == -EOPNOTSUPP && strstr(text(pd), "does not know KVM_PV_INFO"),
	      "lengths: old kernel: %s", text(pd));
	check(pvdump_init(pd) == -EOPNOTSUPP && !uv.calls[0], "no lengths: no dump");
	uv.info_err = EFAULT;
	check(pvdump_info(pd, NULL) == -EFAULT && pvdump_last_error(pd)->err == EFAULT &&
	      !strcmp(pvdump_last_error(pd)->call, "KVM_PV_INFO"), "lengths: %s", text(pd));
	uv.info_err = 0;
	uv.info_written = 39;
	check(pvdump_info(pd, NULL) == -EPROTO, "lengths: %s", text(pd));
	pvdump_free(pd);
}

static void check_init(void)
{
	static const struct {
		uint16_t rc;
		int ret;
		const char *want, *never;
	} rows[] = {
		{ 0x0002, -EOPNOTSUPP, "does not have this call", "most likely" },
		{ 0x0003, -EIO, "not in the state", "most likely" },
		{ 0x0005, -EIO, "disagree on the length of a control block", "most likely" },
		{ 0x0020, -EIO, "does not know this VM", "most likely" },
		{ 0x0007, -EIO, "rc 0x7", "most likely" },
		{ 0x0101, -EPERM, "most likely the guest's owner", "host key" },
		{ 0x0108, -EPERM, "most likely the guest's owner", "host key" },
	};
	struct pvdump *pd = any_vm();
	const struct pvdump_error *e = pvdump_last_error(pd);
	unsigned int i;
	int ret;

	check(!e->err && !*e->text && !*e->call, "new handle: no error");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_start(0, 1);
		uv.refuse = rows[i].rc;
		ret = pvdump_init(pd);
		check(ret == rows[i].ret && !pvdump_active(pd) && e->rc == rows[i].rc &&
		      e->rrc == 0x42 && e->err == -ret && !strcmp(e->call, "KVM_PV_DUMP_INIT") &&
		      strstr(e->text, rows[i].want) && !strstr(e->text, rows[i].never),
		      "INIT refused: %s", e->text);
		uv.refuse = 0;
		check(!pvdump_init(pd) && pvdump_active(pd), "and then not");
		check(!pvdump_abort(pd) && !uv.dumping && !uv.bad, "ended");
	}
	fake_start(0, 1);
	uv.init_err = EINVAL;
	check(pvdump_init(pd) == -EINVAL && !e->rc && strstr(e->text, "not protected"),
	      "INIT: %s", e->text);
	uv.init_err = ENOMEM;
	check(pvdump_init(pd) == -ENOMEM, "INIT: %s", e->text);
	uv.init_err = 0;
	check(!pvdump_init(pd), "INIT");
	check(pvdump_init(pd) == -EBUSY && uv.dumping && !uv.bad && uv.calls[0] == 3,
	      "a second INIT: %s", e->text);
	pvdump_free(pd);
	check(!uv.dumping && uv.calls[2] == 1, "the handle was freed: so the dump was ended");
	pvdump_free(NULL);
}

static void check_commands(void)
{
	static uint8_t buf[4 * FAKE_LEN + 1];
	struct pvdump *pd = any_vm();
	uint64_t gaddr = 0;

	fake_start(0, 4);
	memset(buf, 0xee, sizeof(buf));
	check(pvdump_cpu(pd, FAKE_VCPU, buf, FAKE_LEN) == -EINVAL &&
	      pvdump_state(pd, &gaddr, MIB, buf, FAKE_LEN) == -EINVAL &&
	      pvdump_complete(pd, buf, FAKE_LEN) == -EINVAL && !uv.bad && !uv.calls[1] &&
	      !uv.calls[2] && !uv.calls[3] && buf[0] == 0xee,
	      "without a dump: %s", text(pd));
	check(!pvdump_abort(pd) && !uv.calls[2], "abort without a dump");
	check(!pvdump_init(pd), "INIT");
	check(pvdump_cpu(pd, FAKE_VCPU, buf, FAKE_LEN - 1) == -EINVAL &&
	      pvdump_cpu(pd, FAKE_VCPU, buf, FAKE_LEN + 1) == -EINVAL &&
	      pvdump_cpu(pd, FAKE_VCPU, NULL, FAKE_LEN) == -EINVAL && !uv.calls[3] &&
	      strstr(text(pd), "4096"), "CPU of a wrong length: %s", text(pd));
	check(!pvdump_cpu(pd, FAKE_VCPU + 1, buf, FAKE_LEN) && buf[FAKE_LEN] == 0xee &&
	      fake_gcm(false, uv.dump_key, buf + 8, buf, 32, buf + 32, FAKE_REGS, buf + 32,
		       buf + 1552) && !memcmp(buf + 32, uv.regs[1], FAKE_REGS), "CPU 1");
	uv.cpu_fails = 0x21;
	check(pvdump_cpu(pd, FAKE_VCPU, buf, FAKE_LEN) == -EINVAL &&
	      pvdump_last_error(pd)->rc == 0x21 && strstr(text(pd), "does not know this vcpu"),
	      "CPU: %s", text(pd));
	check(pvdump_complete(pd, buf, FAKE_LEN - 1) == -EINVAL &&
	      pvdump_complete(pd, NULL, FAKE_LEN) == -EINVAL && !uv.calls[2],
	      "COMPLETE: %s", text(pd));
	uv.complete_fails = 0x1234;
	check(pvdump_complete(pd, buf, FAKE_LEN) == -EINVAL && pvdump_active(pd),
	      "COMPLETE: %s", text(pd));
	uv.complete_fails = 0;
	memset(buf, 0xee, sizeof(buf));
	check(!pvdump_complete(pd, buf, sizeof(buf)) && !pvdump_active(pd) && !uv.dumping &&
	      buf[FAKE_LEN] == 0xee, "COMPLETE into a buffer that is longer");
	check(pvdump_command(pd, FAKE_VM, PVKVM_SET_SEC_PARMS, NULL, "SET_SEC_PARMS") == -EINVAL &&
	      strstr(text(pd), "not made for this host"), "another command: %s", text(pd));
	pvdump_free(pd);
	check(pvdump_new(&pd, -1) == -EINVAL && !pd, "no VM: no handle");
	check(!strncmp(pvdump_version(), "1.", 2), "version %s", pvdump_version());
}

static void check_state(void)
{
	static const struct {
		const char *what;
		uint64_t gaddr, size, len;
		const char *want;
	} rows[] = {
		{ "1.5 MiB", 0, MIB * 3 / 2, 4 * FAKE_LEN, "0x180000 bytes" },
		{ "beyond the end", 0xfffffffffff00000ULL, 2 * MIB, 4 * FAKE_LEN, "address space" },
		{ "nothing", 0, 0, 4 * FAKE_LEN, "0x0 bytes" },
		{ "half of a MiB on", 0x80000, MIB, 4 * FAKE_LEN, "0x80000" },
		{ "short buffer", 0, 2 * MIB, 2 * FAKE_LEN - 1, "too short for 2 MiB" },
	};
	static uint8_t buf[8 * FAKE_LEN + 1];
	struct pvdump *pd = any_vm();
	uint64_t gaddr;
	unsigned int i;
	int ret;

	fake_start(0, 8);
	check(!pvdump_init(pd), "INIT");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		gaddr = rows[i].gaddr;
		memset(buf, 0xee, sizeof(buf));
		ret = pvdump_state(pd, &gaddr, rows[i].size, buf, rows[i].len);
		check(ret == -EINVAL && gaddr == rows[i].gaddr && !uv.calls[1] && buf[0] == 0xee &&
		      strstr(text(pd), rows[i].want) && pvdump_last_error(pd)->gaddr == gaddr,
		      "state: %s: %s", rows[i].what, text(pd));
	}
	gaddr = 0;
	check(!pvdump_state(pd, &gaddr, 8 * MIB, buf, sizeof(buf)) && gaddr == 8 * MIB &&
	      !memcmp(buf, uv.meta, 8 * FAKE_LEN) && buf[8 * FAKE_LEN] == 0xee, "state of all");

	/* interrupted, with and without anything done */
	for (i = 0; i < 4; i++) {
		uv.eintr_every = 2 + i / 2;
		uv.eintr_moves = i % 2;
		uv.ioctls = uv.eintr_every - 1;
		memset(buf, 0xee, sizeof(buf));
		gaddr = 0;
		ret = pvdump_state(pd, &gaddr, 8 * MIB, buf, sizeof(buf));
		check(!ret && gaddr == 8 * MIB && !memcmp(buf, uv.meta, 8 * FAKE_LEN) &&
		      uv.ioctls > uv.eintr_every, "state, interrupted%s",
		      i % 2 ? " after the first MiB" : "");
	}
	uv.eintr_every = 0;

	uv.fail_at = 3;
	uv.fail_once = true;
	gaddr = MIB;
	check(!pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf)) && uv.fail_at < 0 &&
	      !memcmp(buf, uv.meta + FAKE_LEN, 6 * FAKE_LEN), "state, resumed");
	uv.fail_at = 3;
	uv.fail_once = false;
	gaddr = MIB;
	ret = pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf));
	check(ret == -EINVAL && gaddr == 3 * MIB && pvdump_last_error(pd)->gaddr == gaddr &&
	      pvdump_last_error(pd)->rc == 0x1234 && strstr(text(pd), "0x300000"),
	      "state: %s", text(pd));
	uv.fail_at = -1;
	uv.wrong_gaddr = 0x280000;
	gaddr = MIB;
	check(pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf)) == -EPROTO, "state: %s",
	      text(pd));
	uv.wrong_gaddr = 9 * MIB;
	check(pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf)) == -EPROTO && gaddr == MIB,
	      "state: %s", text(pd));
	uv.wrong_gaddr = 0;
	pvdump_cancel(pd);
	check(pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf)) == -ECANCELED, "state: %s",
	      text(pd));
	check(!pvdump_state(pd, &gaddr, 6 * MIB, buf, sizeof(buf)), "canceled once only");
	pvdump_cancel(pd);
	uv.eintr_every = 1;
	check(pvdump_command(pd, FAKE_VM, PVKVM_INFO, NULL, "x") == -ECANCELED,
	      "command, interrupted and canceled");
	uv.eintr_every = 0;
	pvdump_cancel(pd);
	check(!pvdump_abort(pd) && !uv.dumping, "abort is not canceled");
	pvdump_free(pd);
}

static void check_description(void)
{
	struct pvdump_sizes sizes = { 0 };
	static uint8_t memory[1];
	struct pvdump *pd = any_vm();
	uint64_t used = 0;
	unsigned int i;
	int ret;

	fake_start(0, 8);
	check(pvdump_sizes(pd, &sizes) == -EINVAL && strstr(text(pd), "without memory"), "%s",
	      text(pd));
	check(pvdump_add_memory(pd, 0, 0, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 0x1000, MIB, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 0, MIB + 1, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 0xfffffffffff00000ULL, 2 * MIB, memory) == -EINVAL,
	      "memory: %s", text(pd));
	check(!pvdump_add_memory(pd, 4 * MIB, 2 * MIB, memory) &&
	      !pvdump_add_memory(pd, 0, 2 * MIB, NULL) &&
	      !pvdump_add_memory(pd, 2 * MIB, MIB, memory), "three ranges");
	check(pvdump_add_memory(pd, 0, MIB, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 3 * MIB, 2 * MIB, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 5 * MIB, 2 * MIB, memory) == -EINVAL &&
	      pvdump_add_memory(pd, 0, 8 * MIB, memory) == -EINVAL &&
	      strstr(text(pd), "overlaps"), "memory: %s", text(pd));
	check(pvdump_sizes(pd, &sizes) == -EINVAL && strstr(text(pd), "without vcpus"), "%s",
	      text(pd));
	check(pvdump_add_vcpu(pd, -1) == -EINVAL && pvdump_add_vcpu(pd, FAKE_VM) == -EINVAL,
	      "vcpu: %s", text(pd));
	for (i = 0; i < 3; i++)
		check(pvdump_add_vcpu(pd, FAKE_VCPU + i) == (int)i, "vcpu %u", i);
	check(pvdump_sizes(pd, &sizes) == -EINVAL && strstr(text(pd), "nothing to read it with"),
	      "%s", text(pd));
	pvdump_set_reader(pd, fake_read, NULL);
	ret = pvdump_sizes(pd, &sizes);
	check(!ret && sizes.memory == 6 * MIB && sizes.used == 5 * MIB &&
	      sizes.metadata == 6 * FAKE_LEN && sizes.file == 432 + 3 * 5356 + 3980 + 6 * MIB +
	      7 * FAKE_LEN + 35 && sizes.buffers < MIB, "sizes: file %llu, buffers %llu",
	      (unsigned long long)sizes.file, (unsigned long long)sizes.buffers);
	uv.gap = 3 * MIB;
	uv.gap_end = 4 * MIB;
	for (i = 0; i < 6 * 256; i++)
		used += i / 256 != 3 && fake_kind(i) != FAKE_ZERO ? 4096 : 0;
	ret = pvdump_measure(pd, &sizes);
	check(!ret && !uv.dumping && !uv.bad && sizes.used == used && used < 5 * MIB,
	      "measured: %llu pages are in use", (unsigned long long)sizes.used / 4096);
	uv.fail_at = 1;
	check(pvdump_measure(pd, &sizes) == -EINVAL && !uv.dumping && !uv.bad &&
	      strstr(text(pd), "0x100000"), "measured: %s", text(pd));
	uv.refuse = 0x101;
	check(pvdump_measure(pd, &sizes) == -EPERM && !uv.bad, "measured: %s", text(pd));

	check(pvdump_add_vcpu_note(pd, 3, "CORE", 1, "x", 1) == -EINVAL &&
	      pvdump_add_vcpu_note(pd, 0, "LINUX", 0x30e, "x", 1) == -EINVAL &&
	      pvdump_add_note(pd, NULL, 1, "x", 1) == -EINVAL &&
	      pvdump_add_note(pd, "X", 1, NULL, 1) == -EINVAL &&
	      pvdump_add_note(pd, "X", 1, memory, 0x100001) == -EINVAL, "note: %s", text(pd));
	pvdump_forget(pd);
	check(pvdump_sizes(pd, &sizes) == -EINVAL, "forgotten");
	check(!pvdump_add_memory(pd, 0, 1ULL << 62, memory) && pvdump_add_vcpu(pd, 5) == 0 &&
	      pvdump_sizes(pd, &sizes) == -EFBIG, "%s", text(pd));
	pvdump_forget(pd);
	uv.state_len = 8192;
	check(!pvdump_info(pd, NULL) && !pvdump_add_memory(pd, 0, MIB, memory) &&
	      pvdump_add_vcpu(pd, 5) == 0 && pvdump_sizes(pd, &sizes) == -EPROTO, "%s", text(pd));
	for (i = 1; i < 4096; i++)
		must(pvdump_add_vcpu(pd, 5) == (int)i, "vcpu %u", i);
	check(pvdump_add_vcpu(pd, 5) == -EINVAL, "more than 4096 vcpus: %s", text(pd));
	pvdump_free(pd);
}

int main(void)
{
	check_info();
	check_init();
	check_commands();
	check_state();
	check_description();
	fake_end();
	return finish_checks();
}
