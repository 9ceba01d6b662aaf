// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim - an Ultravisor simulator for s390 kernels under QEMU TCG
 *
 * TCG implements neither the Ultravisor call (UVC, 0xb9a4) nor PLO nor SIE;
 * each ends as an operation exception, and in kernel mode the kernel offers
 * those to the die notifiers before it gives up. This module is such a
 * notifier. It answers UVCs from a model of the Ultravisor with real SE
 * headers, real page encryption and real dump data, PLO with "not available",
 * and SIE with what a script says, with "returned, nothing to intercept", or, with
 * sie=run, by executing the guest. Protected VMs then can be created, filled,
 * verified, run and dumped.
 *
 * Use: load before kvm.ko (CONFIG_KVM=m), with allocate_pgste set; or build it
 * into the kernel and boot that with uvsim=on. A machine that has facility 158 is
 * refused unless force158=1 says that the kernel parameter "facilities=158" faked
 * it. As long as kvm.ko is there, or a configuration lives, the module cannot be
 * removed; all kernel variables it changed are restored. It is controlled through
 * debugfs, see Documentation/dev-tools/uvsim.rst.
 *
 * Everything the model knows about a configuration or CPU is stored in the
 * memory the kernel donated for it, as a real Ultravisor does. Hence nothing
 * is allocated in the notifier, and a donation that is too short, freed early
 * or shared shows up.
 *
 * Responses. Generic codes and those of create, import, set parameters,
 * unpack and verify are the known ones. Not public, chosen here: enum
 * uvsim_rc. While a configuration is being dumped, CPU reset, CPU set state,
 * prepare reset, unshare all and the image commands answer "invalid state".
 *
 * This file loads and unloads all of that; nobody calls it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <asm/facility.h>
#include "uvsim.h"

DEFINE_SPINLOCK(uvsim_lock);

#ifdef MODULE
static bool on = true;
#else
static bool on;

static int __init uvsim_setup(char *value)
{
	return !kstrtobool(value, &on);
}
__setup("uvsim=", uvsim_setup);
#endif

static bool loaded;
static bool uv = true;
module_param(uv, bool, 0444);
MODULE_PARM_DESC(uv, "0: the host has SIE, but no Ultravisor");
static bool force158;
module_param(force158, bool, 0444);
MODULE_PARM_DESC(force158, "facility 158 is faked, load nevertheless");

static int __init uvsim_load_crypto(void)
{
	int ret;

	ret = uvsim_alloc_crypto();
	if (ret)
		return ret;
	ret = uvsim_check_known_answers();
	if (ret)
		uvsim_free_crypto();
	return ret;
}

/*
 * KVM executes SIE whenever it likes, which traps, and is a bug of the kernel if nobody is
 * there any more. So who has loaded it has us, too.
 */
static int kvm_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	if (strcmp(mod->name, "kvm"))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING && !try_module_get(THIS_MODULE))
		return notifier_from_errno(-EBUSY);
	if (state == MODULE_STATE_GOING)
		module_put(THIS_MODULE);
	return NOTIFY_OK;
}

static struct notifier_block kvm_nb = {
	.notifier_call = kvm_changes,
};

static int __init uvsim_load(void)
{
	int ret;

	if (!on)
		return 0;
	if (test_facility(158) && !force158) {
		pr_err("this machine has an Ultravisor, or force158=1 is missing\n");
		return -EBUSY;
	}
	/* TCG has not; who has runs guests, and would not trap into here. */
	if (uvsim_sie_is_real()) {
		pr_err("this machine has SIE, nothing has to be simulated\n");
		return -EBUSY;
	}
#ifdef MODULE
	ret = uvsim_load_crypto();
	if (ret)
		return ret;
#endif
	uvsim_default_qui();
	ret = uvsim_start_vms();
	if (ret)
		goto free;
	ret = uvsim_catch_traps();
	if (ret)
		goto stop;
	ret = register_module_notifier(&kvm_nb);
	if (ret)
		goto release;
	uvsim_change_globals();
	if (!uv)
		uvsim_hide_uv();
	uvsim_create_files();
	loaded = true;
	return 0;
release:
	uvsim_release_traps();
stop:
	uvsim_stop_vms();
free:
	uvsim_free_crypto();
	return ret;
}

/* No configuration is left, nor KVM: each holds a reference on the module. */
static void __exit uvsim_unload(void)
{
	unregister_module_notifier(&kvm_nb);
	uvsim_remove_files();
	uvsim_restore_globals();
	uvsim_release_traps();
	uvsim_stop_vms();
	uvsim_drop_templates();
	uvsim_forget_header_keys();
	uvsim_free_crypto();
}

/* If it is built in: in front of KVM */
fs_initcall(uvsim_load);

#ifndef MODULE
/* The algorithms of newer kernels come behind KVM, but in front of user space. */
static int __init uvsim_load_late(void)
{
	int ret;

	if (!loaded)
		return 0;
	ret = uvsim_load_crypto();
	if (ret) {
		pr_err("there will be no protected VMs\n");
		uvsim_hide_uv();
	}
	return ret;
}
late_initcall_sync(uvsim_load_late);
#endif

module_exit(uvsim_unload);
MODULE_DESCRIPTION("s390 Ultravisor simulator for QEMU TCG");
MODULE_LICENSE("GPL");
