# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by check and demo: what goes into the initramfs of a test boot. Each
# build_* function prints the path of its product. O is a directory that
# scripts/kernel printed.

SELFTEST=$TOP/tools/testing/selftests/kvm/s390/pv_dump

# anew DIR INPUT...: empties DIR, unless it was made from these very files by these
# compilers; times of files say nothing after cp -p, or when a file was removed
anew() {
	local dir=$1 made
	shift
	made=$({
		gcc --version
		"$CROSS-gcc" --version
		"$CROSS-ld" --version
		find "$@" -type f -print0 | sort -z | xargs -0 sha256sum
	} | hash)
	if [ ! -e "$dir/.made" ] || [ "$(cat "$dir/.made")" != "$made" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		echo "$made" >"$dir/.made"
	fi
}

# compile NAME: qemu/NAME.c to $BUILD/guest/NAME, in one step as others may read it
compile() {
	local out=$BUILD/guest/$1
	mkdir -p "$BUILD/guest"
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o "$out.$$" "$TOP/qemu/$1.c"
	mv "$out.$$" "$out"
	echo "$out"
}

# build_init
build_init() { compile init; }

# build_module O: uvsim.ko, from a copy so that nothing is written to tools/
build_module() {
	local O=$1 dir log
	dir=$BUILD/guest/uvsim-${O##*/}
	log=$BUILD/log/uvsim-${O##*/}
	anew "$dir" "$TOP/tools/testing/uvsim"
	[ -e "$dir/Makefile" ] || cp -r "$TOP/tools/testing/uvsim/." "$dir/"
	quietly "$log" make -C "$O" ARCH=s390 CROSS_COMPILE="$CROSS-" M="$dir" C=1 W=1 \
		CF=-D__CHECK_ENDIAN__ -j"$(nproc)" modules
	if grep -E "^($dir/|WARNING: modpost)" "$log" | grep -E 'warning:|error:|WARNING' >&2; then
		rm -f "$dir"/*.o
		die "uvsim does not compile without warnings (gcc W=1, sparse)"
	fi
	echo "$dir/uvsim.ko"
}

# build_test O: the selftest, against the headers of that kernel; a GUESTPATH=FILE
# for pack per line
build_test() {
	local O=$1 dir f
	dir=$BUILD/guest/test-${O##*/}
	anew "$dir" "$SELFTEST"
	quietly "$BUILD/log/selftest" make -C "$SELFTEST" OUTPUT="$dir" \
		CC="$CROSS-gcc" ARCH=s390 USERCFLAGS=-Werror \
		KSFT="$O/source/tools/testing/selftests" KHDR="$O/usr/include"
	for f in "$SELFTEST"/*_test.c "$SELFTEST"/{bench,calibrate}.c; do
		f=${f##*/}
		echo "/selftest/${f%.c}=$dir/${f%.c}"
	done
}

# test_named NAME GUESTPATH=FILE...: the file, of what build_test has printed
test_named() {
	local f
	for f in "${@:2}"; do
		[ "${f%%=*}" != "/selftest/$1" ] || echo "${f#*=}"
	done
}

# selftest [KEY=VALUE...]: the steps that run all of its programs
selftest() {
	local f
	for f in "$SELFTEST"/*_test.c; do
		f=${f##*/}
		echo "tap ${f%.c} $* -- /selftest/${f%.c}"
	done
}

# build_tools: the directory with seimg (for this machine) and pvdump (s390x)
build_tools() {
	anew "$BUILD/tools" "$TOP/tools/kvm/pvdump"
	quietly "$BUILD/log/tools" make -C "$TOP/tools/kvm/pvdump" O="$BUILD/tools" \
		CROSS_COMPILE="$CROSS-"
	echo "$BUILD/tools"
}

# build_vmm: Debian's unmodified QEMU for s390x and what drives it, one
# GUESTPATH=FILE for pack per line. The loader knows the libraries.
build_vmm() {
	local root packages f
	local qmp loader=/lib/ld64.so.1 qemu=usr/bin/qemu-system-s390x
	need VMM_SUITES
	need VMM_PACKAGES
	read -ra packages <<<"$VMM_PACKAGES"
	root=$(deb_root vmm "$VMM_SUITES" "${packages[@]}")
	mkdir -p "$BUILD/log"
	qmp=$(compile qmp)
	echo "/bin/qmp=$qmp"
	# one that is built relocatable finds its firmware from there only
	echo "/usr/bin/qemu-system-s390x=$root/$qemu"
	echo "/usr/share/qemu/s390-ccw.img=$root/usr/share/qemu/s390-ccw.img"
	qemu-s390x-static -L "$root" "$root$loader" --list "$root/$qemu" >"$BUILD/log/vmm"
	for f in $loader $(sed -n 's/.* => \([^ ]*\) .*/\1/p' "$BUILD/log/vmm"); do
		echo "/lib/${f##*/}=$root/usr/lib/s390x-linux-gnu/${f##*/}"
	done | sort -u
}

# use_qemu: QEMU for qemu/run; one from the cache if the machine's is too old
use_qemu() {
	local root packages version
	version=$(qemu-system-s390x --version | sed -n 's/^QEMU emulator version \([0-9]*\)\..*/\1/p')
	[ "${version:-0}" -lt "${QEMU_MIN:-0}" ] || return 0
	need QEMU_SUITES
	need QEMU_PACKAGES
	read -ra packages <<<"$QEMU_PACKAGES"
	root=$(DEB_ARCH=$(dpkg --print-architecture) deb_root qemu "$QEMU_SUITES" "${packages[@]}")
	export QEMU="$root/usr/bin/qemu-system-s390x -L $root/usr/share/qemu"
}

# use_newest_qemu: the newest one, with the C library that it was built for
use_newest_qemu() {
	local root packages loader libraries
	need NEWEST_QEMU_SUITES
	need NEWEST_QEMU_PACKAGES
	read -ra packages <<<"$NEWEST_QEMU_PACKAGES"
	root=$(DEB_ARCH=$(dpkg --print-architecture) deb_root newest-qemu "$NEWEST_QEMU_SUITES" "${packages[@]}")
	loader=$(find "$root/usr" -name 'ld-linux*.so.*' | sort | head -n 1)
	libraries=$(find "$root/usr/lib" -name libc.so.6 -printf %h -quit)
	if [ -z "$loader" ] || [ -z "$libraries" ]; then
		die "there is no C library in $root"
	fi
	export QEMU="$loader --library-path $libraries $root/usr/bin/qemu-system-s390x"
	QEMU+=" -L $root/usr/share/qemu"
}

# pack O OUT STEPS [GUESTPATH=FILE...]: OUT is the initramfs
pack() {
	local O=$1 out=$2 steps=$3 f
	shift 3
	{
		for f in /dev /proc /sys /tmp /etc /bin /lib /selftest /share /usr /usr/bin /usr/share /usr/share/qemu; do
			echo "dir $f 755 0 0"
		done
		echo "nod /dev/console 600 0 0 c 5 1"
		echo "file /init $BUILD/guest/init 755 0 0"
		echo "file /etc/steps $steps 644 0 0"
		! grep -qx CONFIG_KVM=m "$O/.config" ||
			echo "file /kvm.ko $(find "$O/arch/s390/kvm" -name kvm.ko) 644 0 0"
		for f; do
			echo "file ${f%%=*} ${f#*=} 755 0 0"
		done
	} >"$out.spec"
	"$O/usr/gen_init_cpio" "$out.spec" >"$out"
}
