# SPDX-License-Identifier: GPL-2.0-only
# The only place with versions, suites and package names. A suite is looked
# up on the package site that this machine's apt uses.

KERNELS := 5.10

# Base of the series: no KVM_PV_DUMP of its own, so the series is applied.
SUITE_5.10 := bullseye-security
PACKAGE_5.10 := linux-source-5.10
# Tests that may skip on this kernel, by name, separated by blanks.
SKIPS_5.10 := vm.sysfs_tells_what_info_tells dumping.failing_allocations_and_copies_lose_nothing
# Symbols of the fragment that this kernel's Kconfig cannot give.
UNSET_5.10 :=

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
