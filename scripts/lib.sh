# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the other scripts, which make runs with CACHE, BUILD, KERNEL,
# SUITE, PACKAGE ... in the environment (see Makefile).

set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${BUILD:-$TOP/build}
# shellcheck disable=SC2034  # used by those who source this
CROSS=s390x-linux-gnu

# A job server or options of the calling make must not reach inner makes.
unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS

say() { echo "$*" >&2; }
die() { echo "${0##*/}: $*" >&2; exit 1; }

need() {
	[ -n "${!1:-}" ] || die "$1 is not set: call this through make (make help)"
}

# lock FILE: held until this shell and those started by it end
lock() {
	mkdir -p "${1%/*}"
	exec 8>>"$1"
	flock -n 8 || { say "waiting for another run ($1)"; flock 8; }
}

# One run at a time in build/; check starts demo, which then has the lock already.
lock_build() {
	[ -n "${BUILD_LOCKED:-}" ] || lock "$BUILD/lock"
	export BUILD_LOCKED=1
}

# paths_sed [back]: a sed script for what PATHS (kernels.mk) says of KERNEL: paths as
# they are here become those of the kernel, or the other way
paths_sed() {
	local pair here there
	need KERNEL
	for pair in ${PATHS:-}; do
		[ "${pair%%:*}" = "$KERNEL" ] || continue
		pair=${pair#*:}
		here=${pair%%=*} there=${pair#*=}
		[ -z "${1:-}" ] || { pair=$here here=$there there=$pair; }
		echo "s|${here//./[.]}|$there|g"
	done
}

# created [PATCH...]: the files that stored patches bring, at the paths of KERNEL
created() { sed -n 's/^ create mode 100[0-9]* //p' "$@"; }

# hash: first 16 digits of the SHA-256 of stdin
hash() { sha256sum | cut -c1-16; }

# quietly LOG CMD...: output goes to LOG, shown when the command fails
quietly() {
	local log=$1
	shift
	mkdir -p "${log%/*}"
	"$@" >"$log" 2>&1 </dev/null || {
		local rc=$?
		tail -n 40 "$log" >&2
		say "failed ($rc): $* (whole output: $log)"
		return "$rc"
	}
}

# deb_root NAME "SUITE..." PACKAGE...: the directory with these packages, for s390x
# or DEB_ARCH, unpacked, for qemu-s390x-static -L or an initramfs
deb_root() {
	local root=$CACHE/root/$1 deb=$CACHE/deb/$1 suites=$2 want f
	shift 2
	"$TOP/scripts/fetch" "$deb" "$suites" "${DEB_ARCH:-s390x}" "$@"
	lock "$root.lock"
	want=$(cd "$deb" && ls -- *.deb)
	if [ "$(cat "$root/.done" 2>/dev/null)" != "$want" ]; then
		rm -rf "$root" "$root.part"
		mkdir -p "$root.part/usr/lib"
		# older packages have files in /lib
		ln -s usr/lib "$root.part/lib"
		for f in "$deb"/*.deb; do
			dpkg-deb --fsys-tarfile "$f" |
				tar -C "$root.part" --no-same-owner --keep-directory-symlink -x
		done
		# the C library for cross compilers is the same one in another place
		if [ -d "$root.part/usr/$CROSS/lib" ]; then
			mkdir -p "$root.part/usr/lib/s390x-linux-gnu"
			cp -a "$root.part/usr/$CROSS/lib/." "$root.part/usr/lib/s390x-linux-gnu/"
			ln -sf s390x-linux-gnu/ld64.so.1 "$root.part/usr/lib/ld64.so.1"
		fi
		echo "$want" >"$root.part/.done"
		mv "$root.part" "$root"
	fi
	echo "$root"
}
