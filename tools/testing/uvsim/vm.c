// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: the VMs whose guests run
 *
 * A VM is found by the gmap that it runs on. Nobody tells us when a gmap goes, so
 * we have a reference, look from time to time, and let go then. Called by run.c,
 * and by the kernel, or trap.c for it, when it changes a page table entry.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "guest.h"

#define COLLECT_SECONDS	1

/* Taken before any vm->lock */
static DEFINE_SPINLOCK(vms_lock);
static LIST_HEAD(vms);

static void collect(struct work_struct *work);
static DECLARE_DELAYED_WORK(collect_work, collect);

static void vm_empty(struct gvm *vm)
{
	struct gvcpu *vcpu, *next;

	lockdep_assert_held(&vm->lock);
	uvsim_spaces_drop_all(vm);
	uvsim_vm_drop_pages(vm);
	list_for_each_entry_safe(vcpu, next, &vm->vcpus, list) {
		list_del(&vcpu->list);
		kfree(vcpu);
	}
	vm->sccb = 0;
}

static void vm_free(struct gvm *vm)
{
	spin_lock(&vm->lock);
	vm_empty(vm);
	spin_unlock(&vm->lock);
	uvsim_release_gmap(vm->gmap);
	kfree(vm);
}

static struct gvm *vm_create(struct gmap *gmap)
{
	struct gvm *vm = kzalloc(sizeof(*vm), GFP_ATOMIC);

	if (!vm)
		return NULL;
	spin_lock_init(&vm->lock);
	xa_init(&vm->chunks);
	INIT_LIST_HEAD(&vm->chunk_list);
	INIT_LIST_HEAD(&vm->spaces);
	INIT_LIST_HEAD(&vm->dead);
	INIT_LIST_HEAD(&vm->vcpus);
	vm->gmap = gmap;
	uvsim_hold_gmap(gmap);
	list_add(&vm->list, &vms);
	schedule_delayed_work(&collect_work, COLLECT_SECONDS * HZ);
	return vm;
}

/* The VM, as new if it has become another one */
struct gvm *uvsim_find_vm(struct gmap *gmap, u64 asce, u64 conf_handle)
{
	struct gvm *vm, *found = NULL;

	spin_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		if (vm->gmap == gmap) {
			found = vm;
			break;
		}
	}
	if (!found)
		found = vm_create(gmap);
	if (found && (found->asce != asce || found->conf_handle != conf_handle)) {
		spin_lock(&found->lock);
		vm_empty(found);
		found->asce = asce;
		found->conf_handle = conf_handle;
		spin_unlock(&found->lock);
	}
	spin_unlock(&vms_lock);
	return found;
}

/* For the VM of a configuration, with its lock; not if no guest code of it ever ran */
void uvsim_call_vm(u64 conf_handle, void (*call)(struct gvm *vm, void *arg), void *arg)
{
	struct gvm *vm;

	spin_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		if (vm->conf_handle != conf_handle)
			continue;
		spin_lock(&vm->lock);
		call(vm, arg);
		spin_unlock(&vm->lock);
		break;
	}
	spin_unlock(&vms_lock);
}

struct gvcpu *uvsim_find_vcpu(struct gvm *vm, struct kvm_s390_sie_block *sie)
{
	struct gvcpu *vcpu;

	spin_lock(&vm->lock);
	list_for_each_entry(vcpu, &vm->vcpus, list) {
		if (vcpu->sie == sie)
			goto out;
	}
	vcpu = kzalloc(sizeof(*vcpu), GFP_ATOMIC);
	if (vcpu) {
		vcpu->sie = sie;
		list_add(&vcpu->list, &vm->vcpus);
	}
out:
	spin_unlock(&vm->lock);
	return vcpu;
}

static void collect_if(bool all)
{
	struct gvm *vm, *next;
	LIST_HEAD(gone);

	spin_lock(&vms_lock);
	list_for_each_entry_safe(vm, next, &vms, list) {
		if (all || uvsim_gmap_gone(vm->gmap))
			list_move(&vm->list, &gone);
	}
	spin_unlock(&vms_lock);
	list_for_each_entry_safe(vm, next, &gone, list)
		vm_free(vm);
}

static void collect(struct work_struct *work)
{
	collect_if(false);
	if (!list_empty(&vms))
		schedule_delayed_work(&collect_work, COLLECT_SECONDS * HZ);
}

/* The host changes page table entries; called under locks of page tables */
void uvsim_pages_change(struct gmap *gmap, unsigned long start, unsigned long end)
{
	struct gvm *vm;

	spin_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		if (vm->gmap != gmap)
			continue;
		spin_lock(&vm->lock);
		uvsim_vm_unmap(vm, start, end);
		spin_unlock(&vm->lock);
		break;
	}
	spin_unlock(&vms_lock);
}

/*
 * The same where the host does not say which VM it is: the entry for the page at
 * @abs in the page table at the absolute address @table, and the host has its lock
 */
void uvsim_entry_changes(u64 table, u64 abs)
{
	struct gvm *vm;

	spin_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		spin_lock(&vm->lock);
		uvsim_vm_unmap_entry(vm, table, abs);
		spin_unlock(&vm->lock);
	}
	spin_unlock(&vms_lock);
}

/* The host is going to free the tables. No CPU enters SIE with them any more. */
void uvsim_tables_end(u64 asce)
{
	struct gvm *vm;

	spin_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		if (vm->asce == asce)
			vm->gmap = NULL;	/* not to be found again */
	}
	spin_unlock(&vms_lock);
}

int uvsim_start_vms(void)
{
	int ret = uvsim_alloc_worlds();

	if (ret)
		return ret;
	ret = uvsim_watch_gmaps(true);
	if (ret)
		uvsim_free_worlds();
	return ret;
}

/* Nobody is in SIE any more */
void uvsim_stop_vms(void)
{
	cancel_delayed_work_sync(&collect_work);
	collect_if(true);
	uvsim_watch_gmaps(false);
	uvsim_free_worlds();
}
