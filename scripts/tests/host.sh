# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what the host does to a busy Linux in a protected VM. It has not
# the memory for it, somebody wants to unload the modules that it runs by, and its VMM is
# killed.

# squeezed_scenario NAME: the checksums that the Linux has of its pages are right while
# they go to swap and come back, and a dump that is made then has what it has had
squeezed_scenario() {
	local n works="again /share/$1.log $motion_works" module
	{
		echo "poll /share/$1.log seal 1 "
		echo "$works"
		for module in kvm uvsim; do
			echo "exec ! rmmod $module 2>/refused && grep 'Resource temporarily' /refused"
		done
		echo "$works"
		for n in 1 2 3; do
			echo "exec /squeeze $squeeze"
			printf '%s\n' "$works" "$works"
			if [ $n = 2 ]; then
				echo "exec sed \\\$d /share/$1.log >/share/$1.console"
				echo "DUMP /share/$1"
				echo "$works"
			fi
			[ $n = 3 ] || printf '%s\n' "exec /squeeze off" "$works"
		done
		echo kill
	} | guest_scenario "$1"
}

# guests_squeezed NAME [MEMORY]: in a machine with so much memory
guests_squeezed() {
	local mem=${2:-512M} squeeze=72 swap=192 faults
	# QEMU 7.2 and modules that are loaded again: see boot_reload
	QEMU_MIN=10 use_qemu
	make_motion "$1" pages=1024
	squeezed_scenario "$1"
	cp "$TOP/qemu/squeeze" .
	make_counter
	guest_scenario killed <<-EOF
		poll /share/killed.log Linux version
		kill
	EOF
	guest_scenario counter <<-EOF
		poll $uvsim/sie instruction b202
		kill
	EOF
	append+=" ramdisk_size=$((swap * 1024))"
	{
		# so that swapping takes no memory
		echo "test swap-takes-no-memory -- /bin/dd if=/dev/zero of=/dev/ram0 bs=1M count=$swap"
		echo "swap /dev/ram0"
		guest_qemu killed 64 "$motion_cpus" "$guest_pv -kernel /motion.se"
		GUEST_TIMEOUT=5000 guest_qemu "$1" 64 "$motion_cpus" "$guest_pv -kernel /motion.se"
		# nothing of a VMM that was killed keeps the modules
		echo "test no-violations -- /bin/sh -c \"read n <$uvsim/violations && exit \$n\""
		printf '%s\n' "rmmod kvm" "rmmod uvsim"
		guest_load counter | grep -v '^share '
		guest_qemu counter 16 1 "$guest_pv -kernel /counter.se"
	} | boot_motion "$1" squeeze counter.se
	lacks BROKEN "share/$1.log"
	# what went to swap was wanted again
	mapfile -t faults < <(sed -nE 's/.* are in swap, ([0-9]+) pages .*/\1/p' "$BUILD/boot/$1/log")
	grep -o 'squeezed: .*' "$BUILD/boot/$1/log"
	[ ${#faults[@]} -eq 3 ] && [ $((faults[2] - faults[0])) -gt 100 ]
	opens "$1" "$(read_journal journal)"
	seals_right journal "share/$1.console"
	grep -aq "secret=$secret" dump.elf
	lacks "$secret" "share/$1"
	rm dump.elf journal "share/$1"
	echo "no memory, no unloading: nothing was lost"
}
