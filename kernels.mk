# SPDX-License-Identifier: GPL-2.0-only
# The only place with versions, suites and package names. A suite is looked
# up on the package site that this machine's apt uses.

KERNELS := 5.10 6.1 6.12 mainline

# Base of the series: no KVM_PV_DUMP of its own, so the series is applied.
SUITE_5.10 := bullseye-security
PACKAGE_5.10 := linux-source-5.10
# Debian's source package, which the series has to go on, too
SOURCE_5.10 := linux
# An older point release, on which the series has to go as well
OLDER_5.10 := bullseye
# Tests that may skip on this kernel, by name, separated by blanks.
SKIPS_5.10 := vm.sysfs_tells_what_info_tells \
	dumping.failing_allocations_and_copies_lose_nothing \
	dumping.refused_teardown_ends_the_dump \
	big.at_most_four_calls_in_a_row_with_the_lock
# Symbols of the fragment that this kernel's Kconfig cannot give.
UNSET_5.10 :=

# The kernel's own KVM selftests that execute guests, and can pass on uvsim.
KVM_SELFTESTS_5.10 := sync_regs_test memop resets
# The same, a gigabyte for each. Not dirty_log_test: its guest has to have touched all of
# that when the log is read for the second time, or pages that are dirty with their segment
# have no number in them yet: on a slow machine it fails.
KVM_SELFTESTS_BIG_5.10 := demand_paging_test

# The other kernel that runs on this one, in make check-all.
GUEST_KERNEL_5.10 := mainline

# New files stand here at their paths in the newest mainline. Older kernels have
# these elsewhere: HERE=THERE, for the beginnings of paths in names and in texts.
PATHS_5.10 := kvm/s390/pv_dump=kvm/s390x/pv_dump \
	virt/kvm/s390/s390-pv=virt/kvm/s390-pv arch/s390/kvm/s390/=arch/s390/kvm/

# From here on, kernels with mainline's implementation. AS_IS_*: for the kernel
# without our series, that is with PATCHED=no, or as long as there is none.
SUITE_6.1 := bookworm-security bookworm
PACKAGE_6.1 := linux-source-6.1
SOURCE_6.1 := linux
HAS_DUMP_6.1 := yes
UNSET_6.1 :=
PATHS_6.1 := kvm/s390/pv_dump=kvm/s390x/pv_dump arch/s390/kvm/s390/=arch/s390/kvm/
# No tracepoints and no fault injection, and facility 158 is not faked. Then, what
# mainline fails by chance, and lengths that it trusts: the kernel would crash.
AS_IS_SKIPS_6.1 := pv.tracepoints_tell_each_step vm.sysfs_tells_what_info_tells \
	dumping.failing_allocations_and_copies_lose_nothing \
	big.at_most_four_calls_in_a_row_with_the_lock \
	dumping.end_and_new_dump_race_with_dump_calls \
	dumping.disable_and_new_life_race_with_dump_calls \
	dumping.changes_of_the_state_race_with_each_other \
	pv.vcpus_created_between_dumps_are_not_blocked_for_ever \
	random.arguments_follow_the_model
# This one has no asynchronous teardown.
AS_IS_SKIPS_6.1 += dumping.refused_teardown_ends_the_dump
AS_IS_SKIPS_6.1 += $(addprefix qui.,$(addsuffix .capability_is_off_or_right, \
	stor_state_64k_and_16 stor_state_1m stor_state_2m stor_state_absurd finalize_0 \
	finalize_64k_and_1 finalize_absurd))
SKIPS_6.1 := vm.sysfs_tells_what_info_tells \
	dumping.failing_allocations_and_copies_lose_nothing \
	dumping.refused_teardown_ends_the_dump \
	big.at_most_four_calls_in_a_row_with_the_lock
# Tests that have to fail are TEST~WHY, or TEST~WHY~violations if they break rules of
# the Ultravisor as well, see qemu/run: a test that fails by something else is red.
# because WHY,TESTS
because = $(addsuffix ~$(1),$(2))
# What the series leaves as it is on purpose. INFO makes user space care for the
# states of the vcpus (W15), which VMMs may have got used to;
XFAILS_6.1 := vm.info_leaves_cpu_state_to_kvm~vm_runs
# INIT and COMPLETE wait for a busy Ultravisor, signal or not (W17), as nobody could
# know afterwards whether there is a dump;
XFAILS_6.1 += $(call because,child_kill,owner.sigkill_ends_init_of_a_busy_ultravisor \
	owner.sigkill_ends_complete_of_a_busy_ultravisor \
	uvc.init.killed_halfway_with_shared_memory \
	uvc.complete.killed_halfway_with_shared_memory)
# others get kvm->lock each 4 blocks only, however slow the Ultravisor is;
XFAILS_6.1 += big.vm_ioctls_and_stor_state_do_not_wait_for_each_other~waited
# and commands that are not installed are for the Ultravisor to refuse (W16).
not_installed := qui.no_init_call.capability_is_off_or_right~rc_untouched~violations \
	$(call because,dump_init,$(addprefix qui.,$(addsuffix .capability_is_off_or_right, \
		no_stor_state_call no_cpu_call no_complete_call)))
XFAILS_6.1 += $(not_installed)
# What mainline gets wrong, by the tests that show it and have to fail:
# a dump outlives the protected VM, no vcpu runs again
outlives := dumping.disable_ends_the_dump~rc_untouched~violations \
	$(call because,vm_runs,dumping.new_life_after_disable \
		uvc.stor_state.error_in_front_of_disable_leaves_nothing \
		uvc.cpu.error_in_front_of_disable_leaves_nothing \
		uvc.complete.error_in_front_of_disable_leaves_nothing)
AS_IS_XFAILS_6.1 := vm.random_commands_follow_the_state_table~walk $(outlives) \
	vm.vcpus_are_blocked_as_the_table_says~walk~violations
# a vcpu is dumped after it has ceased to be protected, or when the dump is over
AS_IS_XFAILS_6.1 += dumping.cpu_dump_in_the_middle_of_disable~rc_untouched~violations \
	guest.does_not_count_while_another_cpu_is_dumped~last.*then \
	dumping.complete_waits_for_a_cpu_dump~wait_done|d.ret \
	dumping.complete_that_waits_for_a_cpu_dump_can_be_killed~waits
# vcpus stay in KVM_RUN and spin, and can get back into SIE
AS_IS_XFAILS_6.1 += $(call because,runner_join,pv.init_makes_running_vcpus_leave \
		pv.init_makes_waiting_vcpus_leave) \
	pv.dumps_race_with_kvm_run~terminated.by.timeout \
	guest.registers_and_memory_are_of_one_moment~left \
	guest.does_not_count_during_a_dump~in_memory~violations \
	pv.refused_init_does_not_end_a_vcpu_loop~wait_done \
	pv.entry_of_sie_that_is_late_for_a_busy_init_is_right~wait_done \
	pv.crypto_attribute_does_not_let_running_vcpus_run~sim_sie|sim_violations~violations \
	$(addsuffix ~sim_violations~violations, \
		dumping.crypto_attribute_does_not_unblock dumping.new_vcpu_is_blocked_and_dumpable \
		pv.vcpus_created_during_a_dump_are_blocked_from_the_start)
# completion data that could not be delivered is lost
AS_IS_XFAILS_6.1 += dumping.complete_efault_keeps_the_data~dump_complete \
	dumping.memory_of_each_command_is_given_back~complete_rounds \
	dumping.nothing_but_complete_after_complete_efault~dump_init \
	end.completion_undelivered.close_vm_first~vm_run
# a request holds kvm->lock and 1 MB until its end, and cannot be killed
AS_IS_XFAILS_6.1 += big.stor_state_takes_little_memory~least \
	big.stor_state_allocates_16_kib~vmalloc.*1048576 \
	owner.sigkill_ends_a_million_blocks_within_one~sim_calls \
	$(call because,child_kill, \
		$(addprefix owner.sigkill_ends_,$(addsuffix _of_a_busy_ultravisor, \
			init stor_state cpu_dump complete)) \
		$(addprefix uvc.,$(addsuffix .killed_halfway_with_shared_memory, \
			init stor_state cpu complete))) \
	big.vm_ioctls_do_not_wait_for_all_of_stor_state~sim_calls \
	dumping.complete_that_waits_for_others_can_be_killed~held \
	$(call because,wait_done,dumping.slow_buffer_of_stor_state_holds_up_nobody \
		dumping.slow_buffer_of_complete_and_slow_structure_hold_up_nobody) \
	$(call because,s->ret,big.disable_ends_stor_state \
		big.complete_ends_stor_state big.next_dump_does_not_revive_stor_state) \
	$(call because,wait_done,big.two_threads_can_share_the_work \
		big.vm_ioctls_and_stor_state_do_not_wait_for_each_other)
# blocks in front of an error are lost, and nobody learns how many
AS_IS_XFAILS_6.1 += $(call because,gaddr,dumping.stor_state_beyond_the_guest_einval \
	dumping.stor_state_efault_tells_how_far_it_came \
	dumping.stor_state_resumes_after_a_uv_error big.fault_in_a_later_part_of_the_request)
# rc and rrc change without a UV call, or results without a need
AS_IS_XFAILS_6.1 += $(call because,rc_untouched, \
		dumping.stor_state_address_must_be_on_a_mib \
		dumping.stor_state_length_must_be_a_multiple \
		$(addprefix qui.,$(addsuffix .capability_is_off_or_right, \
			stor_state_8k stor_state_64k))) \
	dumping.stor_state_success_leaves_the_structure_alone~KVM_PV_DUMP \
	$(call because,sim_dump_calls,$(addprefix uvc., \
		$(addsuffix .efault_of_the_command_is_no_change,init stor_state cpu complete)))
# blocks that 1 MB is no multiple of end beyond the buffer
AS_IS_XFAILS_6.1 += $(addprefix qui., \
	$(addsuffix .capability_is_off_or_right~rc_untouched~violations, \
		stor_state_12k stor_state_16k_and_16))
# the commands do not look at what the Ultravisor can do
AS_IS_XFAILS_6.1 += $(not_installed) $(call because,==.on, \
	$(addprefix qui.,$(addsuffix .capability_is_off_or_right,stor_state_0 cpu_0)))
# INFO leaves the vcpus' states to user space
AS_IS_XFAILS_6.1 += vm.info_leaves_cpu_state_to_kvm~vm_runs

SUITE_6.12 := bookworm-security bookworm-backports
PACKAGE_6.12 := linux-source-6.12
SOURCE_6.12 := linux-6.12|linux
HAS_DUMP_6.12 := yes
UNSET_6.12 :=
PATHS_6.12 := $(PATHS_6.1)
SKIPS_6.12 := $(SKIPS_6.1)
XFAILS_6.12 := $(XFAILS_6.1)
AS_IS_SKIPS_6.12 := $(AS_IS_SKIPS_6.1)
AS_IS_XFAILS_6.12 := $(AS_IS_XFAILS_6.1) dumping.refused_teardown_ends_the_dump~vm_protect

# What make bench compares with: mainline's implementation as it is, and patched
BENCH_KERNEL := mainline

# The newest that there is: the highest version among the names that match.
SUITE_mainline := trixie-backports
PACKAGE_mainline := linux-source-*
HAS_DUMP_mainline := yes
PATHS_mainline :=
# Guests have page tables of their own, which TCG, without SIE, leaves empty.
SKIPS_mainline := $(SKIPS_6.1) pv.memory_back_from_swap_is_the_guests
XFAILS_mainline := $(XFAILS_6.1)
AS_IS_SKIPS_mainline := $(AS_IS_SKIPS_6.1) pv.memory_back_from_swap_is_the_guests
# 7.3 ends a dump with the protected VM
AS_IS_XFAILS_mainline := $(filter-out $(outlives) dumping.refused_teardown%,$(AS_IS_XFAILS_6.12)) \
	dumping.refused_teardown_ends_the_dump~dump_stor~violations
# Not memop: TCG's MVCOS does not look at storage keys. debug_test wants PER, cmma_test CMMA,
# cpumodel_subfuncs_test instructions that TCG has not, and mmu_stress_test transparent huge
# pages, which our configuration has not. ucontrol_test, which passes, and keyop want a kernel
# with KVM_S390_UCONTROL. keyop, set_memory_region_test, shared_zeropage_test, irqfd_test and
# irq_routing run no guest on s390; vm_types_test skips, as s390 has no types of VMs. For
# demand_paging_test, kvm_page_table_test and the tests of slots and the dirty log a
# gigabyte is filled page by page, which takes several minutes each.
KVM_SELFTESTS_mainline := sync_regs_test resets user_operexec guest_print_test \
	pre_fault_memory_test tprot rseq_test
GUEST_KERNEL_mainline := 5.10
UNSET_mainline := CONFIG_PROC_SYSCTL
# KVM selftests that the test kselftest leaves out: the guests of nearly all would have to
# run, which takes sie=run (see KVM_SELFTESTS), vm_types_test skips, and nobody has tried
# cpumodel_subfuncs_test and irq_routing in it. Where this is empty there is no such test.
KSELFTEST_SKIPS_mainline := demand_paging_test dirty_log_test guest_print_test irqfd_test \
	kvm_page_table_test set_memory_region_test memslot_modification_stress_test \
	memslot_perf_test memop resets sync_regs_test tprot cmma_test debug_test \
	shared_zeropage_test ucontrol_test user_operexec keyop rseq_test mmu_stress_test \
	pre_fault_memory_test cpumodel_subfuncs_test irq_routing vm_types_test
# where make check searches for a while, on a kernel of its own
KCOV_mainline := yes
# TCG of older ones miscalculates LARL over more than 2 GiB
QEMU_MIN_mainline := 10
QEMU_SUITES := bookworm-backports
QEMU_PACKAGES := qemu-system-s390x qemu-system-data
# The newest QEMU that there is, as the machine for a test: with all that it needs, as
# the machine may have an older C library.
NEWEST_QEMU_SUITES := trixie-backports trixie trixie-security
NEWEST_QEMU_PACKAGES := libaio1t64 libatomic1 libblkid1 libbpf1 libc6 libcap2 libcapstone5 \
	libelf1t64 libffi8 libfuse3-4 libgcc-s1 libglib2.0-0t64 libgmp10 libgnutls30t64 \
	libhogweed6t64 libibverbs1 libidn2-0 libjpeg62-turbo libmount1 libnettle8t64 \
	libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 libpcre2-8-0 libpixman-1-0 \
	libpng16-16t64|libpng16-16 librdmacm1t64 libsasl2-2 libseccomp2 libselinux1 libslirp0 \
	libssl3t64|libssl3 libtasn1-6 libudev1 libunistring5 liburing2 libvdeplug2t64 \
	libzstd1 qemu-system-data qemu-system-s390x zlib1g

# zgetdump and crash for s390x with the libraries they need, run by
# qemu-s390x-static, and the shell of the test machine in make demo. The suites
# after the first one are for packages that the site lacks there. libc6 is the one
# for cross compilers, which does not depend on s390x being up to date.
TOOLS_SUITES := trixie trixie-security bookworm
TOOLS_PACKAGES := busybox-static crash libatomic1 libc6-s390x-cross libfuse3-4 \
	libgcc-s1 libglib2.0-0t64 liblzo2-2 libncursesw6 libpcre2-8-0 libsnappy1v5 \
	libssl3t64|libssl3 libstdc++6 libtinfo6 libzstd1 s390-tools zlib1g

# QEMU for s390x as the VMM inside of the test kernel, and what it needs.
VMM_SUITES := trixie trixie-security bookworm
VMM_PACKAGES := libaio1t64 libatomic1 libblkid1 libbpf1 libc6-s390x-cross libcap2 \
	libcapstone5 libelf1t64 libffi8 libfuse3-4 libgcc-s1 libglib2.0-0t64 libgmp10 \
	libgnutls30t64 libhogweed6t64 libibverbs1 libidn2-0 libjpeg62-turbo libmount1 \
	libnettle8t64 libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 libpcre2-8-0 \
	libpixman-1-0 libpng16-16t64|libpng16-16 librdmacm1t64 libsasl2-2 libseccomp2 \
	libselinux1 libslirp0 libssl3t64|libssl3 libtasn1-6 libudev1 libunistring5 liburing2 \
	libvdeplug2t64 libzstd1 qemu-system-data qemu-system-s390x zlib1g

# virtme-ng and its Python, for the Python of this machine
VNG_SUITES := trixie trixie-security bookworm

# Static libraries that seimg needs on s390x, for make hwkit: those of the oldest
# release, as newer ones ask for a newer C library than its cross compiler has.
HWKIT_SUITES := bookworm-security bookworm
HWKIT_PACKAGES := libelf-dev libssl-dev zlib1g-dev
