// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the simulator right? Which rc and rrc the Ultravisor of this machine answers
 * under which condition, beside what the simulator does: its codes are published ones
 * where there are any, and its own where there are none. A result that is not ok is a
 * fault of the simulator.
 *
 * Each condition gets a VM of its own from the tester's image (see lib/env.h), and
 * one call. Only calls that every kernel with KVM_PV_DUMP hands to the Ultravisor are
 * here; what no kernel lets happen needs a bare-metal test, for which
 * tools/testing/uvsim/uvc_rows.h has the rows.
 *
 * PV_DUMP_FORBIDDEN names a second image, whose owner allows no dumps.
 */
#include <sys/wait.h>

#include "kselftest.h"
#include "lib/env.h"
#include "lib/vm.h"

/* where things stand in an SE header, and the place of the first key slot in it */
#define HDR_VERSION	8
#define HDR_TAG_LEN	16
#define HDR_PCF		56
#define HDR_FIRST_SLOT	416

static uint8_t *buf;

/* A copy of the header with the bits of @flip inverted at @off */
static int header_with(struct vm *vm, size_t off, uint8_t flip, size_t len)
{
	static uint8_t header[sizeof(vm->img->header)];
	struct kvm_s390_pv_sec_parm parm = { .origin = (uintptr_t)header, .length = len };

	memcpy(header, vm->img->header, sizeof(header));
	header[off] ^= flip;
	return pv(vm, KVM_PV_SET_SEC_PARMS, &parm);
}

static int header(struct vm *vm)
{
	return header_with(vm, 0, 0, vm->img->header_len);
}

static int header_magic(struct vm *vm)
{
	return header_with(vm, 0, 0x80, vm->img->header_len);
}

static int header_version(struct vm *vm)
{
	return header_with(vm, HDR_VERSION, 0x80, vm->img->header_len);
}

static int header_pcf(struct vm *vm)
{
	return header_with(vm, HDR_PCF + 7, 0x80, vm->img->header_len);
}

static int header_slot(struct vm *vm)
{
	return header_with(vm, HDR_FIRST_SLOT, 0x80, vm->img->header_len);
}

static int header_tag(struct vm *vm)
{
	return header_with(vm, vm->img->header_len - HDR_TAG_LEN, 0x80, vm->img->header_len);
}

static int header_short(struct vm *vm)
{
	return header_with(vm, 0, 0, vm->img->header_len - 8);
}

static int unpack_with(struct vm *vm, uint64_t tweak)
{
	const struct comp *c = &vm->img->comp[0];
	struct kvm_s390_pv_unp unp = { .addr = c->addr, .size = PAGE, .tweak = c->tweak ^ tweak };

	memcpy(vm->mem + c->addr, c->image, PAGE);
	return pv(vm, KVM_PV_UNPACK, &unp);
}

static int unpack(struct vm *vm)
{
	return unpack_with(vm, 0);
}

static int unpack_tweak(struct vm *vm)
{
	return unpack_with(vm, 1);
}

static int verify(struct vm *vm)
{
	return pv(vm, KVM_PV_VERIFY, NULL);
}

static int prep_reset(struct vm *vm)
{
	return pv(vm, KVM_PV_PREP_RESET, NULL);
}

static int unshare_all(struct vm *vm)
{
	return pv(vm, KVM_PV_UNSHARE_ALL, NULL);
}

static int disable(struct vm *vm)
{
	return pv(vm, KVM_PV_DISABLE, NULL);
}

static int stor_state(struct vm *vm)
{
	return dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, 0);
}

static int stor_state_beyond(struct vm *vm)
{
	return dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, vm->size);
}

static int first_cpu(struct vm *vm)
{
	return dump_cpu(vm, 0, buf);
}

static int last_cpu(struct vm *vm)
{
	return dump_cpu(vm, vm->nr_cpus - 1, buf);
}

static int complete(struct vm *vm)
{
	return dump_complete(vm, buf, vm->len.dump_config_finalize_len);
}

/* With the second image */
static int forbidden_init(struct vm *vm)
{
	return dump_init(vm);
}

static const struct condition {
	const char *name;
	enum stage stage;
	int (*before)(struct vm *vm);	/* if not NULL: has to succeed in front of it */
	int (*call)(struct vm *vm);
	/* the simulator's answer; what KVM makes of it is not what this is about */
	uint16_t rc, rrc;
} conditions[] = {
	{ "set parameters", STAGE_ENABLED, NULL, header, 1, 0 },
	{ "set parameters: magic", STAGE_ENABLED, NULL, header_magic, 0x010a, 0x0039 },
	{ "set parameters: version", STAGE_ENABLED, NULL, header_version, 0x0104, 1 },
	{ "set parameters: plaintext control flags", STAGE_ENABLED, NULL, header_pcf,
	  0x010a, 0x0040 },
	{ "set parameters: first key slot", STAGE_ENABLED, NULL, header_slot, 0x0108, 0x0005 },
	{ "set parameters: tag", STAGE_ENABLED, NULL, header_tag, 0x010a, 0x0040 },
	{ "set parameters: length", STAGE_ENABLED, NULL, header_short, 0x010a, 0x0031 },
	{ "verify without header", STAGE_ENABLED, NULL, verify, 0x0003, 0 },
	{ "prepare reset without header", STAGE_ENABLED, NULL, prep_reset, 1, 0 },
	{ "unshare all without header", STAGE_ENABLED, NULL, unshare_all, 1, 0 },
	{ "dump init without header", STAGE_ENABLED, NULL, dump_init, 0x0102, 0 },
	{ "set parameters again", STAGE_HEADER, NULL, header, 0x0003, 0 },
	{ "unpack", STAGE_HEADER, NULL, unpack, 1, 0 },
	{ "unpack again", STAGE_HEADER, unpack, unpack, 0x0189, 0 },
	{ "unpack: tweak", STAGE_HEADER, NULL, unpack_tweak, 1, 0 },
	{ "verify without image", STAGE_HEADER, NULL, verify, 0x0102, 0x001d },
	{ "verify with a part of the image", STAGE_HEADER, unpack, verify, 0x0102, 0x001d },
	{ "dump init without image", STAGE_HEADER, NULL, dump_init, 0x0102, 0 },
	{ "verify", STAGE_UNPACKED, NULL, verify, 1, 0 },
	{ "dump init before verify", STAGE_UNPACKED, NULL, dump_init, 0x0102, 0 },
	{ "set parameters after verify", STAGE_VERIFIED, NULL, header, 0x0003, 0 },
	{ "unpack after verify", STAGE_VERIFIED, NULL, unpack, 0x0003, 0 },
	{ "verify again", STAGE_VERIFIED, NULL, verify, 0x0003, 0 },
	{ "prepare reset", STAGE_VERIFIED, NULL, prep_reset, 1, 0 },
	{ "unshare all", STAGE_VERIFIED, NULL, unshare_all, 1, 0 },
	{ "dump init", STAGE_VERIFIED, NULL, dump_init, 1, 0 },
	{ "dump storage state", STAGE_DUMPING, NULL, stor_state, 1, 0 },
	{ "dump storage state: beyond the guest", STAGE_DUMPING, NULL, stor_state_beyond,
	  0x0106, 0 },
	{ "dump CPU", STAGE_DUMPING, NULL, first_cpu, 1, 0 },
	{ "dump CPU again", STAGE_DUMPING, first_cpu, first_cpu, 1, 0 },
	{ "dump CPU that was created during the dump", STAGE_DUMPING, vm_add_cpu, last_cpu, 1, 0 },
	{ "dump complete", STAGE_DUMPING, NULL, complete, 1, 0 },
	{ "second dump init", STAGE_DUMPING, complete, dump_init, 1, 0 },
	{ "set parameters during a dump", STAGE_DUMPING, NULL, header, 0x0003, 0 },
	{ "unpack during a dump", STAGE_DUMPING, NULL, unpack, 0x0003, 0 },
	{ "verify during a dump", STAGE_DUMPING, NULL, verify, 0x0003, 0 },
	{ "prepare reset during a dump", STAGE_DUMPING, NULL, prep_reset, 0x0003, 0 },
	{ "unshare all during a dump", STAGE_DUMPING, NULL, unshare_all, 0x0003, 0 },
	{ "disable during a dump", STAGE_DUMPING, NULL, disable, 1, 0 },
	{ "dump init that the owner forbids", STAGE_VERIFIED, NULL, forbidden_init, 0x0101, 0 },
};

/* Prints a line of the table, and returns how the child that did so ends. */
static int try(const struct condition *c, struct image *img)
{
	struct vm_opts o = DEFAULT_OPTS;
	bool same;
	struct vm vm;
	int ret;

	o.mib = img->mem_size / MIB;
	ret = vm_create(&vm, &o) ?: vm_protect(&vm, img, c->stage);
	if (!ret && c->before)
		ret = c->before(&vm);
	if (ret) {
		printf("# %-42s not reached: %s, rc 0x%04x rrc 0x%04x\n", c->name,
		       strerror(-ret), vm.cmd.rc, vm.cmd.rrc);
		return KSFT_FAIL;
	}
	ret = c->call(&vm);
	if (rc_untouched(&vm)) {
		printf("# %-42s not reached: KVM refuses it: %s\n", c->name, strerror(-ret));
		return KSFT_FAIL;
	}
	same = vm.cmd.rc == c->rc && vm.cmd.rrc == c->rrc;
	printf("# %-42s 0x%04x 0x%04x   0x%04x 0x%04x  %s %s\n", c->name, vm.cmd.rc, vm.cmd.rrc,
	       c->rc, c->rrc, same ? "       " : "DIFFERS", ret ? strerror(-ret) : "Success");
	return same ? KSFT_PASS : KSFT_FAIL;
}

/* In a process of its own, which takes the memory of its VM with it */
static bool try_alone(const struct condition *c, struct image *img)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		status = try(c, img);
		fflush(stdout);
		_exit(status);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		return WEXITSTATUS(status) == KSFT_PASS;
	printf("# %-42s not reached: fork() %d, wait status 0x%x\n", c->name, pid, status);
	return false;
}

static void load(struct image *img, const char *name)
{
	int ret;

	env.image = name;
	ret = image_load(img);
	if (ret)
		ksft_exit_fail_msg("%s cannot be used: %s\n", name, strerror(-ret));
}

int main(void)
{
	const char *forbidden = getenv("PV_DUMP_FORBIDDEN");
	struct vm_opts o = DEFAULT_OPTS;
	static struct image second;
	bool all = true;
	unsigned int i;
	struct vm vm;
	size_t len;

	ksft_print_header();
	env_setup();
	if (!env.image[0])
		ksft_exit_skip("PV_DUMP_IMAGE is not set\n");
	ksft_set_plan(ARRAY_SIZE(conditions));
	load(&the_image, env.image);
	if (forbidden)
		load(&second, forbidden);
	o.mib = the_image.mem_size / MIB;
	if (vm_create(&vm, &o))
		ksft_exit_fail_msg("KVM_PV_INFO: rc 0x%x rrc 0x%x\n", vm.cmd.rc, vm.cmd.rrc);
	ksft_print_msg("buffers: CPU %llu, storage state of 1 MiB %llu, completion %llu bytes\n",
		       vm.len.dump_cpu_buffer_len, vm.len.dump_config_mem_buffer_per_1m,
		       vm.len.dump_config_finalize_len);
	len = vm.len.dump_cpu_buffer_len;
	if (len < vm.len.dump_config_mem_buffer_per_1m)
		len = vm.len.dump_config_mem_buffer_per_1m;
	if (len < vm.len.dump_config_finalize_len)
		len = vm.len.dump_config_finalize_len;
	vm_close(&vm);
	buf = malloc(len);
	if (!buf)
		ksft_exit_fail_msg("no memory for %zu bytes\n", len);
	ksft_print_msg("%-42s %-13s   %-13s          %s\n", "condition", "rc     rrc",
		       "the simulator", "KVM says");
	for (i = 0; i < ARRAY_SIZE(conditions); i++) {
		const struct condition *c = &conditions[i];
		bool is_second = c->call == forbidden_init, same;

		if (is_second && !forbidden) {
			ksft_test_result_skip("%s: no PV_DUMP_FORBIDDEN\n", c->name);
			continue;
		}
		same = try_alone(c, is_second ? &second : &the_image);
		all &= same;
		ksft_test_result(same, "%s\n", c->name);
	}
	if (all)
		ksft_exit_pass();
	ksft_exit_fail();
}
