# SPDX-License-Identifier: GPL-2.0-only
# The only place with versions, suites and package names. A suite is looked
# up on the package site that this machine's apt uses.

KERNELS := 5.10

# Base of the series: no KVM_PV_DUMP of its own, so the series is applied.
SUITE_5.10 := bullseye-security
PACKAGE_5.10 := linux-source-5.10
# Tests that may skip on this kernel, by name, separated by blanks.
SKIPS_5.10 :=
# Symbols of the fragment that this kernel's Kconfig cannot give.
UNSET_5.10 :=

# zgetdump for s390x and the libraries it needs, run by qemu-s390x-static. The
# suites after the first one are for packages that the site lacks there. libc6 is
# the one for cross compilers, which does not depend on s390x being up to date.
ZGETDUMP_SUITES := trixie trixie-security bookworm
ZGETDUMP_PACKAGES := s390-tools libatomic1 libc6-s390x-cross libfuse3-4 libgcc-s1 \
	libglib2.0-0t64 libpcre2-8-0 libssl3t64|libssl3 libzstd1 zlib1g
