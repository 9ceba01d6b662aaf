// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test - issues the Ultravisor calls that no kernel issues
 *
 * Is the simulator right? Each row is one call with one thing wrong, or right,
 * and the answer that is expected: condition code, rc and rrc, violation counted
 * or not, nothing else changed in the control block. The calls are the real
 * instruction. What is published of the interface gives the rows; where it says
 * nothing, they fix what the simulator has chosen.
 *
 * debugfs, /sys/kernel/debug/uvsim_test/ (reading runs the test, prints KTAP):
 *  conformance	needs uvsim without configurations and violations, 1 MiB of
 *		memory above 2 GiB, and no other user of the Ultravisor meanwhile.
 *		Takes all CPUs but one offline for a moment, forgets header keys,
 *		fault rules and "qui", clears the violations it has provoked
 *  globals	are the kernel's variables that uvsim changes what they were
 *		when this module was loaded? Load it before uvsim for that
 *
 * Offsets are the interface's, written out: a wrong structure of the simulator
 * must not be wrong here as well.
 */
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sclp.h>
#include <asm/uv.h>
#include "test.h"

#define ROWS			774	/* a change of the tests has to change this */

static DEFINE_MUTEX(test_lock);

static void run(void)
{
	struct guest *a = &t.guest[0], *b = &t.guest[1];
	int i;

	t.g = a;
	print("KTAP version 1\n1..%d\n", ROWS);
	know_host_key();

	test_uninitialized();
	test_init();
	order("qui", "calls0=0x%llx", t.calls0 | 1UL << 40);
	test_common();
	order("qui", "calls0=0x%llx", t.calls0);
	test_not_installed();
	test_query();
	order("qui", "max_guests=2");
	test_create_conf();
	test_create_cpu();
	test_handles();
	test_set_parms();
	test_unpack();
	end_guest(b);
	test_verify();
	test_pages();
	test_cpu();
	test_dump();
	test_busy();
	test_destroy();
	test_destroy_fast();
	test_fates();
	order("qui", "reset");
	test_regs();
	test_faults();
	test_keys();
	test_orders();
	test_script();

	/* whatever went wrong above must not live longer than its storage */
	for (i = 0; i < 2; i++) {
		if (t.guest[i].conf)
			end_guest(&t.guest[i]);
	}
	order("header_keys", "clear");
	order("objects", "init");
	violations(true);
}

/* Memory: everything a host donates */

static void free_all(void)
{
	struct guest *g;
	int i;

	for (i = 0; i < ARRAY_SIZE(t.guest); i++) {
		g = &t.guest[i];
		free_pages((unsigned long)g->segments, 2);
		free_page((unsigned long)g->ptes);
		free_pages((unsigned long)g->base, t.base_order);
		vfree(g->var);
		free_page((unsigned long)g->cpu_stor);
		free_page((unsigned long)g->sca);
		free_page((unsigned long)g->sd);
	}
	for (i = 0; i < FRAMES; i++)
		free_page((unsigned long)t.frame[i]);
	free_pages((unsigned long)t.uv_stor, get_order(SZ_1M));
	free_pages((unsigned long)t.low_stor, get_order(SZ_1M));
	vfree(t.area);
	if (t.header)
		vfree((void *)((u64)t.header & PAGE_MASK));
}

static int alloc_all(void)
{
	struct guest *g;
	int i;

	for (i = 0; i < ARRAY_SIZE(t.guest); i++) {
		g = &t.guest[i];
		g->segments = (u64 *)__get_free_pages(GFP_KERNEL, 2);
		g->ptes = (u64 *)get_zeroed_page(GFP_KERNEL);
		g->base = (u8 *)__get_free_pages(GFP_KERNEL, t.base_order);
		g->var = vzalloc(t.var_len);
		g->cpu_stor = (u8 *)get_zeroed_page(GFP_KERNEL);
		g->sca = (u8 *)get_zeroed_page(GFP_KERNEL);
		g->sd = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!g->segments || !g->ptes || !g->base || !g->var || !g->cpu_stor ||
		    !g->sca || !g->sd)
			return -ENOMEM;
		memset64(g->segments, 0x20, 2048);
		memset64(g->ptes, 0x400, GUEST_LEN >> PAGE_SHIFT);
		g->segments[0] = __pa(g->ptes);
		g->segments[1] = __pa(g->ptes + 256);
	}
	for (i = 0; i < FRAMES; i++) {
		t.frame[i] = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!t.frame[i])
			return -ENOMEM;
	}
	t.uv_stor = (u8 *)__get_free_pages(GFP_KERNEL, get_order(SZ_1M));
	t.low_stor = (u8 *)__get_free_pages(GFP_KERNEL | GFP_DMA, get_order(SZ_1M));
	t.area = vzalloc(3 * PAGE_SIZE);
	t.header = vzalloc(PAGE_SIZE);
	if (!t.uv_stor || !t.low_stor || !t.area || !t.header)
		return -ENOMEM;
	t.header += PAGE_SIZE - 640;
	return 0;
}

static void conformance(void)
{
	const char *why = "no memory";
	int ret;

	if (violations(false)) {
		why = "there are violations already";
		goto bail_out;
	}
	ret = control("objects", "init");
	if (ret) {
		why = ret == -ENODEV ? "uvsim is not in use" : "there are configurations";
		goto bail_out;
	}
	control("faults", "clear");
	control("qui", "reset");
	t.g = &t.guest[0];
	if (call(0x0001) != OK) {
		why = "query fails";
		goto bail_out;
	}
	t.calls0 = block64(0x10);
	t.base_len = block64(0x50);
	t.base_order = get_order(t.base_len);
	t.var_base_len = block64(0x58);
	t.var_len = round_up(block64(0x60) * (GUEST_LEN >> 20), PAGE_SIZE) + t.var_base_len;
	t.cpu_len = block64(0x68);
	t.max_addr = block64(0x80);
	t.max_cpu = block16(0x9e);
	if (alloc_all())
		goto free;
	if (__pa(t.uv_stor) < SZ_2G) {
		why = "no memory above 2 GiB";
		goto free;
	}
	run();
	why = NULL;
free:
	free_all();
bail_out:
	if (why)
		print("Bail out! %s\n", why);
}

static void start_conformance(void)
{
	control = symbol_get(uvsim_control);
	violations = symbol_get(uvsim_violations);
	registers = symbol_get(uvsim_registers);
	if (control && violations && registers)
		conformance();
	else
		print("Bail out! uvsim is not loaded\n");
	if (registers)
		symbol_put(uvsim_registers);
	if (violations)
		symbol_put(uvsim_violations);
	if (control)
		symbol_put(uvsim_control);
}

static struct {
	struct uv_info uv_info;
	struct sclp_info sclp;
	int host;
} initial;

static void compare_globals(void)
{
	print("KTAP version 1\n1..3\n");
	result(!memcmp(&initial.uv_info, &uv_info, sizeof(uv_info)), "uv_info");
	result(!memcmp(&initial.sclp, &sclp, sizeof(sclp)), "sclp");
	result(initial.host == prot_virt_host, "prot_virt_host");
}

/* The test runs in open(), as a read may be repeated */
static int test_open(struct inode *inode, struct file *file)
{
	void (*test)(void) = inode->i_private;
	int ret;

	ret = mutex_lock_interruptible(&test_lock);
	if (ret)
		return ret;
	memset(&t, 0, sizeof(t));
	t.size = SZ_128K;
	t.out = vzalloc(t.size);
	ret = -ENOMEM;
	if (t.out) {
		test();
		ret = nonseekable_open(inode, file);
	}
	file->private_data = t.out;
	mutex_unlock(&test_lock);
	return ret;
}

static ssize_t test_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	return simple_read_from_buffer(buf, count, pos, file->private_data,
				       strlen(file->private_data));
}

static int test_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.read = test_read,
	.release = test_release,
};

static bool sie;
module_param(sie, bool, 0444);
MODULE_PARM_DESC(sie, "let the machine have SIE while this module is loaded");

static struct dentry *debugfs_dir;

static int __init uvsim_test_load(void)
{
	initial.uv_info = uv_info;
	initial.sclp = sclp;
	initial.host = prot_virt_host;
	if (sie)
		sclp.has_sief2 = 1;
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("conformance", 0400, debugfs_dir, start_conformance, &test_fops);
	debugfs_create_file("globals", 0400, debugfs_dir, compare_globals, &test_fops);
	return 0;
}

static void __exit uvsim_test_unload(void)
{
	debugfs_remove_recursive(debugfs_dir);
	if (sie)
		sclp.has_sief2 = initial.sclp.has_sief2;
}

module_init(uvsim_test_load);
module_exit(uvsim_test_unload);
MODULE_DESCRIPTION("test of the s390 Ultravisor simulator");
MODULE_LICENSE("GPL");
