# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: tests of the simulator.

# boot_conformance NAME O MODULE: the simulator's answers, call by call.
# Initialize Ultravisor wants memory above 2 GiB.
boot_conformance() {
	boot "$1" "$2" "-t 900 -m 3G" /uvsim.ko="$3" /uvsim_test.ko="${3%.ko}_test.ko" <<-EOF
		insmod /uvsim_test.ko sie=1
		test refuses-where-sie-is status=1 want="Device or resource busy" -- insmod /uvsim.ko
		rmmod uvsim_test
		insmod /uvsim_test.ko
		insmod /uvsim.ko
		insmod /kvm.ko
		tap uvsim-conformance timeout=280 -- cat /sys/kernel/debug/uvsim_test/conformance
		rmmod uvsim_test
	EOF
}

# boot_newest_qemu: the newest QEMU as the machine. All calls, and one whole dump.
boot_newest_qemu() {
	use_newest_qemu
	# shellcheck disable=SC2086  # a command with options
	$QEMU --version | head -n 1
	boot newest-qemu "$patched" "-t 900 -m 3G" /uvsim.ko="$module" \
		/uvsim_test.ko="${module%.ko}_test.ko" "${test[@]}" <<-EOF
		swap /dev/ram0
		insmod /uvsim_test.ko
		$load
		tap uvsim-conformance timeout=280 -- cat /sys/kernel/debug/uvsim_test/conformance
		rmmod uvsim_test
		$(selftest timeout=850 | grep '^tap dump_test ')
	EOF
}

# boot_reload NAME O MODULE TIMES TEST [OPTIONS]: nothing of uvsim remains when it has
# gone, and it does not go while it is used, or could be. Not by QEMU 7.2, which executes
# what was at an address before the module that is there now: in one thread each time if
# modules lie in a certain way, with two now and then. TEST is the selftest's guest_test.
boot_reload() {
	local vm="/bin/pvdump -i /small.se -o /out/dump -m 1 -c 2 -f --progress"
	local refused='status=1 want="uvsim: Resource temporarily"'
	local globals="cat /sys/kernel/debug/uvsim_test/globals"
	QEMU_MIN=10 use_qemu
	boot_once "$1" "$2" "-1 -t $((3000 + 60 * $4)) ${6:-}" /uvsim.ko="$3" /uvsim_test.ko="${3%.ko}_test.ko" \
		/bin/pvdump="$tools/pvdump" /bin/sh="$BUILD/guest/init" /guest_test="$5" \
		/small.se="$images/small.se" /small.key="$images/small.key" <<-EOF
		tmpfs /out size=64m
		insmod /uvsim_test.ko
		$load
		copy /small.key $debugfs/header_keys
		test globals-changed want="not ok 1" -- $globals
		test refuses-while-used $refused -- $vm --exec "rmmod uvsim"
		test refuses-with-kvm $refused -- /bin/sh -c "rmmod uvsim"
		rmmod kvm
		rmmod uvsim
		loop reload $4
		$load
		copy /small.key $debugfs/header_keys
		test vm timeout=600 -- $vm
		test guest timeout=600 -- /guest_test
		rmmod kvm
		rmmod uvsim
		test globals-restored want="ok 3" not="not ok" -- $globals
		end
		$load
		rmmod uvsim_test
	EOF
}

boot_reload_debug() {
	append="debug_pagealloc=on" boot_reload reload-debug "$debug" "$debug_module" \
		"${RELOADS:-10}" "$(test_named guest_test "${debug_test[@]}")" "-D"
}

# boot_without NAME PARAMETERS: the same kernel does without the simulator, and KVM
# refuses as on any machine without SIE. For the judge that is a failure: nobody
# counts violations.
boot_without() {
	local log=$BUILD/boot/$1/log
	append=$2 boot "$1" "$builtin" "-t 300" /bin/pvdump="$tools/pvdump" \
		/small.se="$images/small.se" >/dev/null <<-EOF && return 1
		test without status=1 want="no /dev/kvm" -- /bin/pvdump -i /small.se -o /dump
	EOF
	grep -qx 'ok 1 - without' "$log"
	grep -q '^uvsim-run: done violations=-1 configs=-1 ' "$log"
}

# Simulator and KVM in the kernel: all is as with modules if it is asked for. Without the
# races, which selftest runs each time.
boot_builtin() {
	local builtin files=() f mode=/sys/module/uvsim/parameters/sie
	builtin=$("$TOP/scripts/kernel" builtin)
	[ -n "${HAS_DUMP:-}" ] || {
		build_kvm_selftests "$patched" >"$BUILD/log/builtin-files"
		mapfile -t files <"$BUILD/log/builtin-files"
	}
	append=uvsim=on boot builtin "$builtin" "-t 1500 -m 3G" \
		/uvsim_test.ko="$builtin/tools/testing/uvsim/uvsim_test.ko" \
		"${test[@]}" "${files[@]}" <<-EOF
		swap /dev/ram0
		insmod /uvsim_test.ko
		tap uvsim-conformance timeout=280 -- cat /sys/kernel/debug/uvsim_test/conformance
		rmmod uvsim_test
		write $mode run
		$(for f in "${files[@]}"; do echo "test ${f##*/} timeout=120 -- ${f%%=*}"; done)
		write $mode script
		$(selftest timeout=850 | grep -v '^tap race_test ')
	EOF
	boot_without builtin-off ""
	boot_without builtin-refuses "uvsim=on facilities=158"
}
