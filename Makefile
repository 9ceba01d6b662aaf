# SPDX-License-Identifier: GPL-2.0-only
include kernels.mk

KERNEL ?= 5.10
KERNEL_SRC ?=
TREE ?=
ONLY ?=
PATCHED ?= yes
CACHE ?= $(or $(XDG_CACHE_HOME),$(if $(HOME),$(HOME)/.cache,$(CURDIR)/build/cache))/kvm-s390-pv-dump
BUILD := $(CURDIR)/build

ifeq ($(filter $(KERNEL),$(KERNELS)),)
$(error KERNEL=$(KERNEL) is not one of: $(KERNELS))
endif
ifeq ($(filter yes no,$(PATCHED)),)
$(error PATCHED=$(PATCHED) is neither yes nor no)
endif

SUITE := $(SUITE_$(KERNEL))
PACKAGE := $(PACKAGE_$(KERNEL))
SOURCE := $(SOURCE_$(KERNEL))
OLDER := $(OLDER_$(KERNEL))
UNSET := $(UNSET_$(KERNEL))
HAS_DUMP := $(HAS_DUMP_$(KERNEL))
# yes if the series of this kernel is applied: there is one, and it is wanted
SERIES := $(if $(wildcard patches/$(KERNEL)/*.patch),$(filter yes,$(PATCHED)))
# yes if what is tested is mainline's implementation without our series
AS_IS := $(if $(SERIES),,$(HAS_DUMP))
SKIPS := $(if $(AS_IS),$(AS_IS_SKIPS_$(KERNEL)),$(SKIPS_$(KERNEL)))
XFAILS := $(if $(AS_IS),$(AS_IS_XFAILS_$(KERNEL)),$(XFAILS_$(KERNEL)))
QEMU_MIN := $(QEMU_MIN_$(KERNEL))
KVM_SELFTESTS := $(KVM_SELFTESTS_$(KERNEL))
KVM_SELFTESTS_BIG := $(KVM_SELFTESTS_BIG_$(KERNEL))
# with the series, as it is what brings our tests
KSELFTEST_SKIPS := $(if $(SERIES),$(KSELFTEST_SKIPS_$(KERNEL)))
KCOV := $(KCOV_$(KERNEL))
GUEST_KERNEL := $(GUEST_KERNEL_$(KERNEL))
BENCH_QEMU_MIN := $(QEMU_MIN_$(BENCH_KERNEL))
GUEST_QEMU_MIN := $(QEMU_MIN_$(GUEST_KERNEL))
# of all kernels, as make apply finds out by itself which series a tree needs
PATHS := $(foreach k,$(KERNELS),$(addprefix $(k):,$(PATHS_$(k))))

export CACHE BUILD KERNEL KERNEL_SRC SUITE PACKAGE SOURCE SKIPS XFAILS UNSET HAS_DUMP SERIES AS_IS PATHS UPDATE ONLY
export KVM_SELFTESTS KVM_SELFTESTS_BIG TOOLS_SUITES TOOLS_PACKAGES VMM_SUITES VMM_PACKAGES HWKIT_SUITES HWKIT_PACKAGES KSELFTEST_SKIPS KCOV VNG_SUITES GUEST_KERNEL GUEST_QEMU_MIN
export KIT REPEAT RELOADS KERNELS BENCH_KERNEL BENCH_QEMU_MIN QEMU_MIN QEMU_SUITES QEMU_PACKAGES
export NEWEST_QEMU_SUITES NEWEST_QEMU_PACKAGES OLDER
unexport TREE

.PHONY: help demo shell crash picture check hwkit mutants mutants-by-rule coverage stress fuzz kcov check-all bench bench-dump bench-guests lint docs kernel patient series dist dev refresh apply update clean distclean
.NOTPARALLEL:

help:
	@echo 'make demo              a Linux runs and crashes in a protected VM; dump it on a patched $(KERNEL)'
	@echo '                       kernel, decrypt the dump with zgetdump, find the bug with crash'
	@echo 'make shell             a shell on the console of a protected Linux, to play with and to crash'
	@echo 'make crash             open the dump of the last make shell, or make demo; DUMP=FILE'
	@echo 'make check             every test; ends with "N passed, N failed, N skipped"'
	@echo '                       WATCH=debug: the tests on the debug kernel'
	@echo 'make check-all         the same on all kernels: $(KERNELS)'
	@echo 'make mutants           does the selftest see the defects it is there for'
	@echo 'make mutants-by-rule   does it see those that rules make; COUNT=60 or SECONDS=600, SEED=N: a sample'
	@echo 'make coverage          lines of the series and of the tools that no test runs'
	@echo 'make kcov              search, guided by what is run in the kernel; SECONDS=60 SEED=N'
	@echo 'make stress            search for what goes wrong; SECONDS=600 SEED=N PART=I/N WATCH=debug'
	@echo '                       PART=guests: a busy guest, and what the host may do to one'
	@echo 'make fuzz              bad input for each reader of the tools; SECONDS=60 each'
	@echo 'make bench             instructions of the dump calls, beside those of mainline'
	@echo 'make bench-dump        instructions of whole dumps by pvdump, beside those of QEMU'
	@echo 'make bench-guests      instructions of what guests do, beside those on QEMU without KVM'
	@echo 'make lint              the tests of the series and the scripts alone'
	@echo 'make kernel            build the patched kernel'
	@echo 'make docs              build/docs-$(KERNEL): the documentation of the feature as HTML'
	@echo 'make series            build/series-$(KERNEL): complete patches for git am'
	@echo '                       KIT=1: build/kit-$(KERNEL), the simulator and the tests alone'
	@echo 'make dist              the same as a tarball, for those who take it without a clone'
	@echo 'make hwkit             build/pv-dump-hwkit.tar.gz: tests for a machine with an Ultravisor'
	@echo 'make dev               build/dev-$(KERNEL): git tree, tag base, the series as commits'
	@echo 'make refresh           the inverse: commits of build/dev-$(KERNEL) to patches/$(KERNEL)/ and new files'
	@echo 'make apply TREE=DIR    apply the series that a kernel tree of yours needs'
	@echo 'make picture           draw pictures/ anew from make demo'
	@echo 'make update            fetch the newest packages'
	@echo 'make clean             remove build/;  make distclean: the cache as well'
	@echo
	@echo 'PATCHED=no: make check without the series, to see the defects that it mends'
	@echo 'KERNEL=$(KERNEL)  KERNEL_SRC=TREE or TARBALL instead of the Debian package'
	@echo 'demo: MEMORY=MIB of the guest; GUEST=snapshot: memory of a Linux that crashed elsewhere,'
	@echo '      GUEST=image: a Linux that has not run yet; these do not run, but all is compared;'
	@echo '      IMAGE=FILE HOSTKEY=FILE CCK=FILE: your Secure Execution image'
	@echo 'ONLY=REGEX run only the tests of check or lint whose names match'
	@echo 'REPEAT=1 repeat what takes minutes, though nothing it depends on has changed'
	@echo 'CACHE=$(CACHE)'

demo:
	@scripts/demo

shell:
	@scripts/shell

# with the kernel of the same story; a DUMP of the environment is somebody else's
DUMP = $(firstword $(wildcard $(addprefix build/demo/,shell/owner/decrypted.elf live/owner/decrypted.elf)))
crash:
	$(if $(DUMP),,$(error there is no dump: make shell or make demo makes one))
	@scripts/crash $(dir $(DUMP))../vmlinux $(DUMP)

picture:
	@scripts/picture

check: export WATCH := $(WATCH)
check: export MIXED := $(MIXED)
check:
	@scripts/check

check-all:
	@scripts/check all

bench:
	@scripts/bench

bench-dump:
	@scripts/bench-dump $(GUESTS)

bench-guests:
	@scripts/bench-guests

lint:
	@scripts/check lint

mutants:
	@scripts/mutants

mutants-by-rule: export SEED := $(SEED)
mutants-by-rule: export LANES := $(LANES)
mutants-by-rule: export COUNT := $(COUNT)
mutants-by-rule:
	@scripts/mutants-by-rule $(SECONDS)

coverage:
	@scripts/coverage
	@$(MAKE) -s --no-print-directory -C tools/kvm/pvdump O=$(BUILD)/tools coverage

stress: export SEED := $(SEED)
stress: export PART := $(PART)
stress: export WATCH := $(WATCH)
stress:
	@scripts/stress $(SECONDS)

fuzz:
	@scripts/setup
	@$(MAKE) -s --no-print-directory -C tools/kvm/pvdump O=$(BUILD)/tools $(if $(SECONDS),SECONDS=$(SECONDS)) fuzz

kcov: export SEED := $(SEED)
kcov:
	@scripts/kcov $(SECONDS)

docs:
	@scripts/setup
	@scripts/docs

kernel:
	@scripts/setup
	@scripts/kernel patched

# the Linux inside of protected VMs
patient:
	@scripts/kernel patient

series:
	@scripts/setup
	@scripts/series
	@echo build/$(if $(KIT),kit,series)-$(KERNEL)

dist:
	@scripts/setup
	@scripts/dist build/kvm-s390-pv-dump-$(KERNEL).tar.xz
	@echo build/kvm-s390-pv-dump-$(KERNEL).tar.xz

hwkit:
	@scripts/setup
	@scripts/hwkit build/pv-dump-hwkit.tar.gz
	@echo build/pv-dump-hwkit.tar.gz

dev:
	@scripts/setup
	@scripts/dev

refresh:
	@scripts/refresh build/dev-$(KERNEL)

# KERNEL counts if it was given, not by its default. TREE may be any path.
apply: export FOR := $(if $(filter-out file,$(origin KERNEL)),$(KERNEL))
apply: export APPLY_TO := $(value TREE)
apply:
	@scripts/apply

update:
	@UPDATE=1 scripts/zgetdump
	@UPDATE=1 scripts/kernel source

clean:
	rm -rf build

distclean: clean
	@scripts/distclean
