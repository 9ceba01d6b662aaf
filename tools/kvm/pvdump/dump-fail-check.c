// SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
/*
 * Tests of whole dumps by libpvdump that go wrong: what the caller is told, what is
 * left, and that the VM can run on. What is in a dump that is right is dump-check.c's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "dumptest.h"

static void check_arguments(void)
{
	struct pvdump_sizes sizes;
	struct pvdump *pd;
	struct rlimit limit = { 4 * MIB, RLIM_INFINITY };
	int fd, fds[2];
	pid_t pid;
	int status;

	fake_start(0, 9);
	fd = new_file("args.elf", 0);
	pd = whole_vm(-1);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0], "%s", text(pd));
	pvdump_set_fd(pd, 999);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0], "%s", text(pd));
	must(!pipe(fds), "pipe");
	pvdump_set_fd(pd, fds[0]);
	check(pvdump_write(pd) == -EBADF && !uv.calls[0] && strstr(text(pd), "reading only"), "%s",
	      text(pd));
	close(fds[0]);
	close(fds[1]);
	pvdump_set_fd(pd, fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, uv.memory), "memory");
	check(pvdump_write(pd) == -EINVAL && !uv.calls[0] && strstr(text(pd), "without vcpus"),
	      "%s", text(pd));
	must(!pvdump_add_vcpu(pd, FAKE_VCPU), "vcpu");
	pvdump_free(pd);

	/* nobody has asked for the lengths, and now they cannot be had */
	pd = whole_vm(fd);
	uv.info_err = EIO;
	check(pvdump_write(pd) == -EIO && !uv.calls[0], "lengths are not known: %s", text(pd));
	uv.info_err = 0;

	/* the caller's own dump is the caller's */
	must(!pvdump_init(pd), "INIT");
	check(pvdump_write(pd) == -EBUSY && uv.dumping && !uv.calls[DUMP_COMPLETE] &&
	      strstr(text(pd), "goes on"), "%s", text(pd));
	check(pvdump_measure(pd, &sizes) == -EBUSY && uv.dumping, "measure: %s", text(pd));
	check(!pvdump_abort(pd) && !pvdump_write(pd) && ended(pd) && fd_right(fd),
	      "and then it can dump");
	uv.refuse = 0x101;
	check(pvdump_write(pd) == -EPERM && uv.calls[DUMP_COMPLETE] == 2, "%s", text(pd));
	pvdump_free(pd);

	/* a limit on the size of files: known at once */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_FSIZE, &limit);
		rewind_file(fd);
		pd = whole_vm(fd);
		_exit(!(pvdump_write(pd) == -EFBIG && uv.calls[0] == 3 &&
			strstr(text(pd), "ulimit -f")));
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	check(WIFEXITED(status) && !WEXITSTATUS(status), "RLIMIT_FSIZE is too small (%d)", status);
	close(fd);
	remove_file("args.elf");
}

static pthread_t canceler;
static struct pvdump *to_cancel;

static void cancel_at_6(uint64_t mib)
{
	if (mib == 6)
		pvdump_cancel(to_cancel);
}

static rlim_t limit_at_6;

static void shrink_at_6(uint64_t mib)
{
	struct rlimit limit = { limit_at_6, RLIM_INFINITY };

	if (mib == 6)
		setrlimit(RLIMIT_FSIZE, &limit);
}

static int read_up_to_6(void *opaque, uint64_t gaddr, void *buf, size_t len)
{
	return gaddr >= 6 * MIB ? -EHWPOISON : fake_read(opaque, gaddr, buf, len);
}

static void check_failures(void)
{
	int fd = new_file("fail.elf", 0), ret, fds[2], status;
	struct pvdump *pd;
	uint8_t *memory;
	pid_t pid;

	fake_start(0, 9);
	uv.fail_at = 6;
	pd = whole_vm(fd);
	ret = pvdump_write(pd);
	check(ret == -EINVAL && ended(pd) && pvdump_last_error(pd)->rc == 0x1234 &&
	      strstr(text(pd), "0x600000") && uv.calls[DUMP_COMPLETE] == 1, "metadata: %s",
	      text(pd));
	uv.fail_at = -1;
	uv.cpu_fails = 0x21;
	ret = pvdump_write(pd);
	check(ret == -EINVAL && ended(pd) && strstr(text(pd), "(CPU 0)"), "registers: %s",
	      text(pd));
	uv.cpu_fails = 0;
	uv.complete_fails = 0x1234;
	ret = pvdump_write(pd);
	check(ret == -EINVAL && uv.dumping && uv.calls[DUMP_COMPLETE] == 4 && !uv.bad &&
	      strstr(text(pd), "could not be ended"), "completion: %s", text(pd));
	uv.complete_fails = 0;
	check(!pvdump_abort(pd) && ended(pd), "ended at last");

	/* canceled by callback, by another thread, while it waits for a reader */
	memset(&seen, 0, sizeof(seen));
	seen.cancel_at = 8 * MIB;
	pvdump_set_progress(pd, on_progress, NULL);
	check(pvdump_write(pd) == -ECANCELED && ended(pd) && seen.done == 8 * MIB,
	      "canceled by callback: %s", text(pd));
	pvdump_set_progress(pd, NULL, NULL);
	uv.on_state = cancel_at_6;
	to_cancel = pd;
	check(pvdump_write(pd) == -ECANCELED && ended(pd), "canceled: %s", text(pd));
	uv.on_state = NULL;
	must(!pipe2(fds, O_NONBLOCK), "pipe");
	pvdump_set_fd(pd, fds[1]);
	must(!pthread_create(&canceler, NULL, cancel_later, pd), "no thread");
	check(pvdump_write(pd) == -ECANCELED && ended(pd), "canceled while nobody reads");
	pthread_join(canceler, NULL);
	close(fds[0]);
	close(fds[1]);
	pvdump_free(pd);

	/* guest memory that cannot be read, mapped or by callback */
	fake_start(0, 9);
	memory = mmap(NULL, 9 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "mmap");
	memcpy(memory, uv.memory, 9 * MIB);
	must(!mprotect(memory + 0x1e1000, 4096, PROT_NONE), "mprotect");
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, memory) && !pvdump_add_vcpu(pd, FAKE_VCPU), "VM");
	must(fake_kind(0x1e1) != FAKE_ZERO, "zero page");
	rewind_file(fd);
	ret = pvdump_write(pd);
	check(ret == -EFAULT && ended(pd) && pvdump_last_error(pd)->gaddr == 0x1e1000 &&
	      strstr(text(pd), "guest address 0x1e1000"), "unreadable: %s", text(pd));
	munmap(memory, 9 * MIB);
	pvdump_free(pd);
	close(fd);

	/* by callback: what it returns */
	fd = new_file("fail.elf", 0);
	pd = whole_vm(fd);
	pvdump_forget(pd);
	must(!pvdump_add_memory(pd, 0, 9 * MIB, NULL) && !pvdump_add_vcpu(pd, FAKE_VCPU), "VM");
	pvdump_set_reader(pd, read_up_to_6, NULL);
	ret = pvdump_write(pd);
	check(ret == -EHWPOISON && ended(pd) && pvdump_last_error(pd)->gaddr == 6 * MIB + FAKE_PAGE,
	      "unreadable: %s", text(pd));
	pvdump_free(pd);
	close(fd);

	fake_start(0, 9);
	fd = open("/dev/full", O_WRONLY);
	pd = whole_vm(fd);
	check(pvdump_write(pd) == -ENOSPC && ended(pd), "disk full: %s", text(pd));
	pvdump_free(pd);
	close(fd);

	/* the limit comes when the dump is half done; would kill if it were not caught */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		fake_start(0, 9);
		fd = new_file("fail.elf", 0);
		pd = whole_vm(fd);
		limit_at_6 = 5 * MIB;
		uv.on_state = shrink_at_6;
		ret = pvdump_write(pd);
		_exit(!(ret == -EFBIG && ended(pd)));
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	check(WIFEXITED(status) && !WEXITSTATUS(status), "RLIMIT_FSIZE sinks meanwhile (%d)",
	      status);
	remove_file("fail.elf");
}

static void check_room(void)
{
	int fd = new_file("room.elf", 0);
	struct pvdump *pd;
	struct stat st;
	uint8_t *buf;
	size_t len;

	fake_start(0, 9);
	pd = whole_vm(fd);
	disk.statvfs_room = 2 * MIB;
	check(pvdump_write(pd) == -ENOSPC && ended(pd) && !uv.calls[DUMP_CPU] &&
	      strstr(text(pd), "2048 KiB"), "too little room is known at once: %s", text(pd));
	disk.statvfs_room = 6 * MIB;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "less than the memory, but enough");
	disk.statvfs_room = 0;
	rewind_file(fd);
	disk.fallocate_err = ENOSPC;
	memset(uv.calls, 0, sizeof(uv.calls));
	check(pvdump_write(pd) == -ENOSPC && !uv.calls[0] && strstr(text(pd), "reserve"),
	      "no room for the metadata: %s", text(pd));
	disk.fallocate_err = EOPNOTSUPP;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "a file system that cannot reserve");
	disk.fallocate_err = EINTR;
	rewind_file(fd);
	check(!pvdump_write(pd) && fd_right(fd), "interrupted in fallocate()");

	/* the disk fills up; room is made, and it goes on */
	pvdump_set_resumable(pd, 1);
	rewind_file(fd);
	disk.pwrite_room = 3 * MIB + 123;
	check(pvdump_write(pd) == -ENOSPC && uv.dumping && pvdump_active(pd), "disk full: %s",
	      text(pd));
	check(pvdump_write(pd) == -EBUSY && uv.dumping, "%s", text(pd));
	check(pvdump_resume(pd) == -ENOSPC && uv.dumping, "still full");
	check(pvdump_add_memory(pd, 1ULL << 40, MIB, uv.memory) == -EBUSY &&
	      pvdump_add_vcpu(pd, 7) == -EBUSY && pvdump_add_note(pd, "X", 1, "", 0) == -EBUSY,
	      "not now: %s", text(pd));
	disk.pwrite_room = UINT64_MAX;
	check(!pvdump_resume(pd) && ended(pd) && fd_right(fd), "resumed when there was room");
	/* and where it is the CPUs, which cannot be had twice, and the completion data */
	rewind_file(fd);
	disk.pwrite_room = 500;
	check(pvdump_write(pd) == -ENOSPC, "disk full: %s", text(pd));
	disk.pwrite_room = UINT64_MAX;
	check(!pvdump_resume(pd) && ended(pd) && fd_right(fd), "resumed within the registers");
	rewind_file(fd);
	disk.pwrite_room = 1000;
	check(pvdump_write(pd) == -ENOSPC && !pvdump_abort(pd) && ended(pd) &&
	      pvdump_resume(pd) == -EINVAL, "given up");
	pvdump_free(pd);
	good_disk();

	/* behind something else, and where something is behind */
	must(!ftruncate(fd, 0) && pwrite(fd, "head", 4, 0) == 4 &&
	     lseek(fd, 4096, SEEK_SET) == 4096, "file");
	pd = whole_vm(fd);
	check(!pvdump_write(pd) && !fstat(fd, &st) && st.st_blocks * 512 < 7 * (off_t)MIB,
	      "behind a header of the caller's");
	buf = read_fd(fd, &len);
	check(!memcmp(buf, "head", 4) && len > 4096 && file_right(buf + 4096, len - 4096),
	      "which is still there, and the dump is right");
	memset(buf, 0xbb, len);
	must(pwrite(fd, buf, len - 4096, 0) == (ssize_t)len - 4096 && !ftruncate(fd, len - 4096) &&
	     !lseek(fd, 0, SEEK_SET), "fill");
	free(buf);
	check(!pvdump_write(pd) && fd_right(fd), "over old data: no holes that would show it");
	pvdump_free(pd);
	close(fd);
	remove_file("room.elf");
}

int main(void)
{
	char tmp[] = "/tmp/dump-fail-check.XXXXXX";

	must(mkdtemp(tmp), "no directory");
	snprintf(dir, sizeof(dir), "%s", tmp);
	default_signals();
	check_arguments();
	check_failures();
	check_room();
	fake_end();
	must(!rmdir(dir), "'%s' is not empty: %s", dir, strerror(errno));
	return finish_checks();
}
