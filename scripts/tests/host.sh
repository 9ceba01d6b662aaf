# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what the host does to a busy Linux in a protected VM. It has not
# the memory for it, somebody wants to unload the modules that it runs by, and its VMM is
# killed. And guests that are busy for long.

# crowd_did NAME: what its four CPUs have done, by a dump: rounds, calls, ticks
crowd_did() {
	local cpu did
	for cpu in 0 1 2 3; do
		mapfile -t did < <(elf_words "$guests/$1.elf" $((load + 0x300000 + cpu * 0x1000)) 4)
		echo "$1: CPU $cpu: $((16#${did[0]})) rounds, $((16#${did[1]})) calls, $((16#${did[2]})) ticks"
		[ "${did[3]}" = 0000000000000000 ]
		[ $((16#${did[1]})) -gt 0 ]
		worked+=($((16#${did[0]})) $((16#${did[2]})))
	done
}

# guests_crowd SECONDS: a guest of four CPUs (qemu/crowd.S) for so long, half of it as a
# protected one, while its memory goes to swap. Each CPU has worked and had interruptions,
# between the dumps as well; and no page was another one than the guest had left.
guests_crowd() {
	local name quarter=$((($1 + 3) / 4)) load worked i guests=$BUILD/crowd${watch:+-debug} files
	rm -rf "$guests"
	mkdir -p "$guests/share"
	cd "$guests"
	"$CROSS-gcc" -march=z13 -nostdlib -static -Wl,-Ttext=0 -o crowd.elf "$TOP/qemu/crowd.S"
	"$CROSS-objcopy" -O binary -j .text crowd.elf crowd
	make_image crowd --allow-dump --kernel crowd
	for name in plain protected; do
		guest_scenario "crowd-$name" <<-EOF
			exec /swap-guest $quarter 16
			DUMP /share/$name.1
			exec /swap-guest $quarter 16
			DUMP /share/$name.2
			kill
		EOF
	done
	{ build_vmm; busybox_as sh awk sleep; } >files
	mapfile -t files <files
	{
		echo "swap /dev/ram0"
		guest_load crowd
		GUEST_TIMEOUT=$((20 * quarter + 3000)) guest_qemu crowd-plain 16 4 "-machine s390-ccw-virtio -kernel /crowd"
		echo "write $uvsim/sie reset"
		GUEST_TIMEOUT=$((20 * quarter + 3000)) guest_qemu crowd-protected 16 4 "$guest_pv -kernel /crowd.se"
	} | boot "${guests##*/}" "$patched" "-t $((40 * quarter + 7000)) -m 2G ${watch:-} -d $guests/share" \
		/uvsim.ko="$module" /crowd=crowd /crowd.se=crowd.se /swap-out="$BUILD/guest/init" \
		/swap-guest="$TOP/qemu/swap-guest" /crowd-plain.qmp=crowd-plain.qmp \
		/crowd-protected.qmp=crowd-protected.qmp "${files[@]}"
	for i in 1 2; do
		ln -s "share/plain.$i" "plain.$i.elf"
		guest_decrypt "protected.$i"
	done
	for name in plain protected; do
		worked=()
		for i in 1 2; do
			load=$((16#$(readelf -lW "$name.$i.elf" | awk '$1 == "LOAD" { print substr($2, 3); exit }')))
			crowd_did "$name.$i"
		done
		for ((i = 0; i < 8; i++)); do
			[ "${worked[i]}" -gt 0 ]
			[ "${worked[i + 8]}" -gt "${worked[i]}" ]
		done
	done
	rm -f share/*.[12] protected.[12].elf
}

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
	[ ${#faults[@]} -eq 3 ]
	[ $((faults[2] - faults[0])) -gt 100 ]
	opens "$1" "$(read_journal journal)"
	seals_right journal "share/$1.console"
	grep -aq "secret=$secret" dump.elf
	lacks "$secret" "share/$1"
	rm dump.elf journal "share/$1"
	echo "no memory, no unloading: nothing was lost"
}
