# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: kdump in a guest. A Linux panics, its crash kernel boots and
# reads what is left of it (qemu/kdump-init.c), and then the host dumps the VM.

kdump_mib=96 kdump_size=24

# make_kdump NAME: the Linux, and an image of it
make_kdump() {
	local cmdline="console=ttyS0 swiotlb=64 oops=panic crashkernel=${kdump_size}M"
	begin_linux "$1" kdump-init.c
	printf %s "$secret" >secret
	cp "$patient/arch/s390/boot/bzImage" linux
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" "dir /proc 755 0 0" \
		"file /init init 755 0 0" >crash-initrd.spec
	"$patient/usr/gen_init_cpio" crash-initrd.spec >crash-initrd
	{
		cat crash-initrd.spec
		printf '%s\n' "file /secret secret 400 0 0" "file /linux linux 600 0 0" \
			"file /crash-initrd crash-initrd 600 0 0" \
			"file /patient-mod.ko $BUILD/guest/$1/patient-mod.ko 644 0 0"
	} >initrd.spec
	"$patient/usr/gen_init_cpio" initrd.spec >initrd
	make_image kdump --allow-dump --kernel linux --ramdisk initrd --cmdline "$cmdline"
	kdump_plain="-machine s390-ccw-virtio -kernel /linux -initrd /initrd -append '$cmdline'"
}

# crash_kernel_right NAME: what it has found in /proc/vmcore; $number and $seal are the last
crash_kernel_right() {
	local log=share/$1.log
	grep -a -e '^kdump: this' -e '^vmcore: ' "$log"
	grep -aqF "vmcore: core of 2 CPUs, $((kdump_mib - kdump_size)) MiB" "$log"
	grep -aqF "vmcore: Kernel panic - not syncing: Fatal exception: panic_on_oops" "$log"
	read -r number seal < <(sed -nE 's/^vmcore: seal ([0-9]+) ([0-9a-f]{64})\r?$/\1 \2/p' "$log")
	[ "$number" -gt 4 ]
}

# The host's dump of a VM in which a crash kernel runs has two systems. zgetdump says so,
# and gives out one or the other: the one that has crashed, with both of its CPUs and
# all that it has published, and the crash kernel at work. On the way are three resets
# in which the Linux goes on, diagnose 0x308 with subcode 1.
guests_kdump() {
	local name files kdump_plain n number seal chain
	make_kdump kdump
	for name in plain protected; do
		guest_scenario "$name" <<-EOF
			poll /share/$name.log kdump: 2 seconds
			DUMP /share/$name
			again /share/$name.log kdump: 
		EOF
	done
	{ build_vmm; busybox_as sh; } >files
	mapfile -t files <files
	{
		guest_load kdump
		# no crash kernel, no VM
		guest_qemu plain $kdump_mib 2 "-action panic=shutdown $kdump_plain" :
		guest_qemu protected $kdump_mib 2 "-action panic=shutdown $guest_pv -kernel /kdump.se"
	} | boot kdump "$patched" "-t 3100 -m 2G -d $guests/share" /uvsim.ko="$module" \
		/linux=linux /initrd=initrd /kdump.se=kdump.se /plain.qmp=plain.qmp \
		/protected.qmp=protected.qmp "${files[@]}"
	crash_kernel_right plain
	crash_kernel_right protected
	lacks "$secret" share/protected
	if zgetdump -i -k "$cck" share/protected >both 2>&1; then
		echo "zgetdump does not notice that there are two systems"
		return 1
	fi
	grep -F 'contains "kdump" and "production system"' both
	decrypt share/protected all.elf -s all
	quietly ./log.prod zgetdump -s prod -k "$cck" share/protected prod.elf
	quietly ./log.kdump zgetdump -s kdump -k "$cck" share/protected kdump.elf
	crash_finds_bug prod.elf "bt -a > crash.all" "$(read_journal journal)"
	grep -q 'CPUS: 2$' crash.sys
	[ "$(grep -c '^PID: ' crash.all)" -eq 2 ]
	# the registers of both are in memory
	[ "$(grep -cE '^ +-psw +: 0x[0-9a-f]{16} 0x[0-9a-f]{16}$' crash.all)" -eq 2 ]
	# kdump does not wait for the console: the last lines may be missing there
	grep -aE '^seal [0-9]+ [0-9a-f]{64}.?$' share/protected.log >published
	seals_right journal published
	[ "$seals" -le $((number + 1)) ]
	for ((n = 0; n <= number; n++)); do
		chain=$(next_seal "${chain:-$no_seal}" journal $n)
	done
	[ "$chain" = "$seal" ]
	printf '%s\n' "sys > crash.sys" "log > crash.log" quit >crash.cmds
	quietly ./crash.out crash -s -i crash.cmds vmlinux kdump.elf
	grep -E '^ *(CPUS|MEMORY|PANIC):' crash.sys
	grep -q 'PANIC: ""$' crash.sys
	grep -q 'Kernel command line: .* crashed$' crash.log
	echo "kdump in a protected Linux, and a dump of both"
}
