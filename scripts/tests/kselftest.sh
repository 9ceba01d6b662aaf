# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: the KVM selftests, ours among them, as any CI configures,
# installs and runs them, by the kernel's own commands.

kselftests=$BUILD/kselftest-$KERNEL

# install_kselftests: from a tree with the series to $kselftests/installed, where they
# are kept as long as the series is the same. The configuration is made, and has to have
# what the fragments of the tests ask for; it is not built.
install_kselftests() {
	local p line
	"$TOP/scripts/series" "$kselftests-series"
	anew "$kselftests" "$kselftests-series"
	[ ! -e "$kselftests/.done" ] || return 0
	mkdir -p "$CACHE/lint"
	work=$(mktemp -d "$CACHE/lint/work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	full_tree "$work/tree"
	for p in "$kselftests-series"/*.patch; do
		apply_patch "$work/tree" "$p"
	done
	mkdir "$work/O"
	kmk defconfig kselftest-merge
	# of tracers there are others, which bring the same
	while read -r line; do
		line=${line/ENABLE_DEFAULT_TRACERS/EVENT_TRACING}
		grep -qx "$line" "$work/O/.config" || { echo "kselftest-merge has not kept $line"; return 1; }
	done < <(printf '%s\n' CONFIG_KVM=y
		grep ^CONFIG_ "$SELFTEST/config")
	kmk headers
	kmk -C "$work/tree/tools/testing/selftests" TARGETS=kvm \
		INSTALL_PATH="$kselftests/installed" install
	rm -rf "$work"
	touch "$kselftests/.done"
}

# kselftest_initrd ARGUMENTS: busybox, the installed tests, the libraries of the compiler,
# the modules of the kernel under test. The runner gives an option to timeout that busybox does not know.
kselftest_initrd() {
	local f lib kvm release
	echo "$1" >"$kselftests/arguments"
	cat >"$kselftests/timeout" <<-'EOF'
		#!/bin/sh
		[ "$1" != --foreground ] || shift
		exec busybox timeout "$@"
	EOF
	release=$(cat "$patched/include/config/kernel.release")
	kvm=$(find "$patched/arch/s390/kvm" -name kvm.ko)
	printf '%s\n' kvm.ko: uvsim.ko: >"$kselftests/modules.dep"
	{
		for f in /bin /dev /etc /kselftest /lib /lib/modules "/lib/modules/$release" /proc \
			/sys /tmp /usr /usr/bin; do
			echo "dir $f 755 0 0"
		done
		echo "nod /dev/console 600 0 0 c 5 1"
		echo "file /init $TOP/qemu/kselftest-init 755 0 0"
		echo "file /bin/busybox $CACHE/root/tools/usr/bin/busybox 755 0 0"
		echo "slink /bin/sh busybox 777 0 0"
		echo "file /usr/bin/timeout $kselftests/timeout 755 0 0"
		echo "file /lib/modules/$release/kvm.ko $kvm 644 0 0"
		echo "file /lib/modules/$release/uvsim.ko $module 644 0 0"
		echo "file /lib/modules/$release/modules.dep $kselftests/modules.dep 644 0 0"
		lib=$(dirname "$("$CROSS-gcc" -print-file-name=ld64.so.1)")
		for f in ld64.so.1 libc.so.6; do
			echo "file /lib/$f $lib/$f 755 0 0"
		done
		cd "$kselftests/installed"
		find . -mindepth 1 -type d -printf 'dir /kselftest/%P 755 0 0\n' | sort
		find . -type f -printf "file /kselftest/%P $PWD/%P %m 0 0\n" | sort
		echo "file /etc/kselftest-args $kselftests/arguments 644 0 0"
	} >"$kselftests/spec"
	"$patched/usr/gen_init_cpio" "$kselftests/spec" >"$kselftests/initrd"
}

# kselftest_log LOG TEST...: the log of run_kselftest.sh as qemu/run judges those of
# qemu/init.c. Of the KVM selftests that are none of TEST only the results are left: each
# has to pass, and none may skip.
kselftest_log() {
	local log=$1
	shift
	awk -v tests="$*" '
		BEGIN { n = split(tests, s, " "); while (n) ours[s[n--]] = 1 }
		/^# selftests: kvm: / {
			mine = $4 in ours
			wrong = 0
			if (mine) print "    # Subtest: " $4
			next
		}
		/^(not )?ok [0-9]+ selftests: kvm: / {
			# what has to fail makes its program fail
			if (mine && wrong && /# exit=1$/) { sub(/^not /, ""); sub(/ # exit=1$/, "") }
			sub(/selftests: kvm: /, "- ")
			print
			next
		}
		/^# / {
			if (/^# not ok /) wrong = 1
			if (mine) print "    " substr($0, 3)
			next
		}
		{ print }' "$log"
}

# The stock way: unpacked tree, series, defconfig and kselftest-merge, TARGETS=kvm
# install, run_kselftest.sh. What is booted is the kernel under test, a smaller
# configuration with both as modules, which uvsim.sh loads.
kselftest() {
	local tests name arguments="-c kvm"
	install_kselftests
	tests=$(cd "$SELFTEST" && ls -- *_test.c)
	tests=${tests//.c/}
	for name in $tests; do
		grep -qx "kvm:$name" "$kselftests/installed/kselftest-list.txt"
	done
	for name in ${KSELFTEST_SKIPS:-}; do
		arguments+=" -S kvm:$name"
	done
	# its package comes with busybox
	"$TOP/scripts/zgetdump"
	kselftest_initrd "$arguments"
	# what a judge says of this log as it is counts for nothing
	"$TOP/qemu/run" -t 1800 -m 2G -l "$kselftests/log.run" "$patched/arch/s390/boot/bzImage" \
		"$kselftests/initrd" >/dev/null || :
	cat "$kselftests/log.run"
	# shellcheck disable=SC2086  # words
	kselftest_log "$kselftests/log.run" $tests >"$kselftests/log"
	# there is no swap space
	"$TOP/qemu/run" -s "$SKIPS pv.memory_in_swap_is_dumped" -x "${XFAILS:-}" -j "$kselftests/log"
}
