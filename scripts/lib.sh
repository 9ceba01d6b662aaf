# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the other scripts, which make runs with CACHE, BUILD, KERNEL,
# SUITE, PACKAGE ... in the environment (see Makefile).

set -euo pipefail
shopt -s inherit_errexit

# ---- what the caller's environment must not change -----------------------------

# Signals that are ignored stay so in all children, and a shell cannot undo it. With
# SIGPIPE ignored "| head" is an error, with SIGTERM ignored nothing can be stopped.
# SIGINT and SIGHUP are left to nohup.
if [ -z "${SIGNALS_SET:-}" ]; then
	export SIGNALS_SET=1
	! env --default-signal=PIPE true 2>/dev/null ||
		exec env --default-signal=PIPE,TERM,CHLD,ALRM,USR1,USR2 "$0" "$@"
fi

# A hook of git sets GIT_DIR, and every git here would work on the caller's repository.
# Who the committer is may be said in the environment.
for name in $(compgen -e); do
	case $name in
	GIT_AUTHOR_NAME | GIT_AUTHOR_EMAIL | GIT_COMMITTER_NAME | GIT_COMMITTER_EMAIL) ;;
	GIT_* | QUILT_* | KBUILD_* | KCONFIG_* | PYTHON* | PERL* | SPHINX* | GCC_* | CCACHE_*) unset "$name" ;;
	# options and directories of tools
	CDPATH | BASH_ENV | ENV | GLOBIGNORE | POSIXLY_CORRECT | GREP_OPTIONS | TAR_OPTIONS | \
		XZ_OPT | XZ_DEFAULTS | GZIP | RSYNC_* | VERSION_CONTROL | PATCH_* | \
		SIMPLE_BACKUP_SUFFIX | QUOTING_STYLE | BLOCK_SIZE | BLOCKSIZE | TIME_STYLE | \
		AWKPATH | QEMU_LD_PREFIX | QEMU_CPU | QEMU_STRACE | SOURCE_DATE_EPOCH) unset "$name" ;;
	# options of compilers and of kbuild, a job server
	CC | CXX | CPP | LD | AR | HOSTCC | ARCH | SUBARCH | CROSS_COMPILE | LLVM | CPATH | *_INCLUDE_PATH | \
		LIBRARY_PATH | COMPILER_PATH | *CFLAGS | *CPPFLAGS | *CXXFLAGS | *LDFLAGS | LOCALVERSION | \
		INSTALL_* | KDIR | KHDR | KSFT | OUTPUT | O | V | W | C | CF | M | MAKEFILES | MAKEFLAGS | \
		MFLAGS | MAKELEVEL | GNUMAKEFLAGS) unset "$name" ;;
	esac
done
export LC_ALL=C
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${BUILD:-$TOP/build}
# shellcheck disable=SC2034  # used by those who source this
CROSS=s390x-linux-gnu

say() { echo "$*" >&2; }
die() { echo "${0##*/}: $*" >&2; exit 1; }

need() {
	[ -n "${!1:-}" ] || die "$1 is not set: call this through make (make help)"
}

# Neither kbuild nor make can live with these.
for name in TOP BUILD CACHE; do
	case ${!name:-} in
	*[[:space:][:cntrl:]\&\;\|\<\>\(\)\$\`\'\"\\*?\[\]\{\}\!,\#:%]*)
		die "a path like ${!name} will not do: a kernel cannot be built below one with blanks or any of & ; | < > ( ) \$ \` ' \" \\ * ? [ ] { } ! , # : %" ;;
	esac
done
unset name
[ -z "${CACHE:-}" ] || CACHE=$(realpath -m -- "$CACHE")

# use_cache: CACHE is there, ours, and can be written to. Parts of it are removed when
# they are old, so it must not be a directory with anything else in it.
use_cache() {
	need CACHE
	[ ! -e "$CACHE/CACHEDIR.TAG" ] || [ ! -w "$CACHE" ] || return 0
	[ ! -d "$CACHE" ] || [ -w "$CACHE" ] || die "CACHE=$CACHE cannot be written to"
	if [ -d "$CACHE" ] && [ "${CACHE##*/}" != kvm-s390-pv-dump ]; then
		local others
		others=$(find "$CACHE" -mindepth 1 -maxdepth 1 -print -quit) || die "cannot read CACHE=$CACHE"
		[ -z "$others" ] || die "CACHE=$CACHE has other things in it; name an empty or a new directory"
	fi
	mkdir -p "$CACHE" || die "cannot make CACHE=$CACHE"
	printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
		'# cache of kvm-s390-pv-dump; make distclean removes it' >"$CACHE/CACHEDIR.TAG"
}

# at_exit_remove PATH: when this shell ends. A subshell, as that of a command
# substitution, removes its own and nothing of the shell around it.
removed=() removed_by=$BASHPID
at_exit_remove() {
	[ "$removed_by" = "$BASHPID" ] || removed=() removed_by=$BASHPID
	removed+=("$1")
	trap 'rm -rf "${removed[@]}"' EXIT
}

# part DIR: makes DIR.part, which is removed if this shell ends before it is DIR
part() {
	rm -rf "$1.part"
	mkdir -p "$1.part"
	at_exit_remove "$1.part"
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

# not_tests: of names of kernel files on stdin, those that are more than the simulator,
# the tests, and how they are built and found
not_tests() {
	grep -vE '^(tools/testing/|Documentation/(dev-tools|admin-guide)/|arch/s390/(configs/|Kconfig.debug$|Makefile$)|MAINTAINERS$)' || [ $? -eq 1 ]
}

# only_tests PATCH: a stored one, is about nothing else
only_tests() {
	local names
	names=$({ created "$1"; sed -n 's|^diff --git a/.* b/||p' "$1"; } | not_tests)
	[ -z "$names" ]
}

# clean_git TREE: has no uncommitted changes, and git can tell
clean_git() {
	local dirty
	dirty=$(git -C "$1" status --porcelain -uno) ||
		die "git cannot tell whether $1 has uncommitted changes"
	[ -z "$dirty" ] || die "$1 has uncommitted changes"
}

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
		part "$root"
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
		rm -rf "$root"
		mv "$root.part" "$root"
	fi
	echo "$root"
}
