# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: a protected Linux is dumped while it works, and works on.
# It watches its memory itself (qemu/busy-init.c), and its ledger says what has to be in
# each dump (qemu/patient-mod.c).

motion_cpus=4
motion_works="$motion_cpus of $motion_cpus CPUs have worked"

# make_motion NAME [PARAMETER]: the Linux, one that may be dumped and one that may not
make_motion() {
	local build
	begin_linux "$1" busy-init.c
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" "dir /proc 755 0 0" \
		"file /init init 755 0 0" \
		"file /patient-mod.ko $BUILD/guest/$1/patient-mod.ko 644 0 0" >initrd.spec
	"$patient/usr/gen_init_cpio" initrd.spec >initrd
	build=(--kernel "$patient/arch/s390/boot/bzImage" --ramdisk initrd
		--cmdline "console=ttyS0 swiotlb=64 secret=$secret${2:+ $2}")
	make_image motion "${build[@]}" --allow-dump
	make_image forbidden "${build[@]}"
	ln -s "$patient/vmlinux" vmlinux
	# libpvdump, for QEMU to have in it
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -shared -fPIC -I"$TOP/tools/kvm/pvdump" \
		-o pvdump-in-vmm.so "$TOP/qemu/pvdump-in-vmm.c" "$tools/lib/libpvdump.a" -lpthread
}

# boot_motion NAME [FILE...] <STEPS: in a machine that has QEMU, what make_motion has made,
# and these files of $guests
boot_motion() {
	local f files
	{
		build_vmm
		busybox_as sh mkfifo grep sed sleep rmmod dd awk cat mkdir mount rm
		for f in motion.se forbidden.se pvdump-in-vmm.so *.qmp "${@:2}"; do
			echo "/$f=$f"
		done
	} </dev/null >files
	mapfile -t files <files
	{
		guest_load motion forbidden
		cat
	} | boot "$1" "$patched" "-t ${limit:-7000} -m ${mem:-2G} ${watch:-} -d $guests/share" /uvsim.ko="$module" "${files[@]}"
}

# opens DUMP [COMMAND...]: crash does, and finds the Linux at work
opens() {
	rm -f dump.elf
	decrypt "share/$1" dump.elf
	printf '%s\n' "sys > crash.sys" "ps > crash.ps" "bt -a > crash.bt" "${@:2}" quit >crash.cmds
	quietly ./crash.out crash -s -i crash.cmds vmlinux dump.elf
	grep -E '^ *(CPUS|UPTIME|TASKS):' crash.sys
	grep -q "CPUS: $motion_cpus" crash.sys
	[ "$(grep -c ' worker[0-9]' crash.ps)" -eq $motion_cpus ]
	[ "$(grep -c '^PID: ' crash.bt)" -eq $motion_cpus ]
}

# lacks PATTERN FILE...: none has it, and all of them are there to look at
lacks() {
	local f rc
	for f in "${@:2}"; do
		[ -s "$f" ] || { echo "there is no $f"; return 1; }
		rc=0
		grep -aqF -e "$1" "$f" || rc=$?
		[ "$rc" -eq 1 ] || { echo "$1 is in $f, or nobody can tell: $rc"; return 1; }
	done
}

# Many dumps of a busy Linux, by QEMU and by libpvdump in QEMU, in turn. The checksums
# that it has of its own pages are right all the time, crash opens each dump, and has the
# journal in it that Linux has published the seals of until then.
guests_in_motion() {
	local n dumps=$1 asks="echo /share/dump.N >/requests"
	asks+="; until grep ^/share/dump.N: /share/answers; do sleep 0.1; done"
	asks+="; grep -q ^/share/dump.N:.dumped /share/answers"
	make_motion "motion-$dumps"
	{
		echo "poll /share/motion.log seal 1 "
		for ((n = 1; n <= dumps; n++)); do
			echo "again /share/motion.log $motion_works"
			echo "again /share/motion.log seal "
			# what is complete of it
			echo "exec sed \\\$d /share/motion.log >/share/console.$n"
			if ((n % 2)); then
				echo "DUMP /share/dump.$n"
			else
				echo '{"execute": "stop"}'
				echo "exec ${asks//N/$n}"
				echo '{"execute": "cont"}'
			fi
		done
		echo "again /share/motion.log $motion_works"
	} | guest_scenario motion
	GUEST_TIMEOUT=5000 guest_qemu motion 64 $motion_cpus "$guest_pv -kernel /motion.se" \
		"mkfifo /requests; export LD_PRELOAD=/pvdump-in-vmm.so PVDUMP_REQUESTS=/requests PVDUMP_ANSWERS=/share/answers" |
		boot_motion "motion-$dumps"
	grep -a '^busy: ' share/motion.log | tail -n 1
	lacks BROKEN share/motion.log
	[ "$(grep -c ': dumped$' share/answers)" -eq $((dumps / 2)) ]
	for ((n = 1; n <= dumps; n++)); do
		opens dump.$n "$(read_journal journal)"
		seals_right journal share/console.$n
		[ "$seals" -ge $n ]
		rm dump.elf journal share/dump.$n
	done
	echo "$dumps dumps of a busy Linux on $motion_cpus CPUs"
}

# What can go wrong: the owner forbids dumps, the disk is full, the VM is reset, and QEMU
# is killed in the middle of one. Linux works on, or boots anew, and is dumped then.
guests_in_trouble() {
	local dump
	make_motion trouble
	guest_scenario forbidden <<-EOF
		again /share/forbidden.log $motion_works
		DUMP /share/forbidden
		event RESUME
		again /share/forbidden.log $motion_works
	EOF
	guest_scenario trouble <<-EOF
		again /share/trouble.log $motion_works
		!space DUMP /full/dump
		event DUMP_COMPLETED
		event RESUME
		unlink /full/dump
		again /share/trouble.log $motion_works
		DUMP /share/after-full-disk
		event DUMP_COMPLETED
		again /share/trouble.log $motion_works
		{"execute": "stop"}
		write $uvsim/faults cmd=0x201 nth=1 delay_us=100000 count=0
		DUMP /share/reset detach
		poll $uvsim/objects dump 1
		{"execute": "system_reset"}
		write $uvsim/faults clear
		event RESET
		event DUMP_COMPLETED
		{"execute": "cont"}
		again /share/trouble.log busy: 1:
		again /share/trouble.log $motion_works
		DUMP /share/after-reset
		again /share/trouble.log $motion_works
		write $uvsim/counters reset
		write $uvsim/faults cmd=0x401 nth=1 delay_us=200000 count=0
		DUMP /share/killed detach
		poll $uvsim/counters 0x0401
		kill
	EOF
	{
		echo "tmpfs /full size=8m"
		guest_qemu forbidden 64 $motion_cpus "$guest_pv -kernel /forbidden.se"
		GUEST_TIMEOUT=5000 guest_qemu trouble 64 $motion_cpus \
			"$guest_pv -kernel /motion.se -action reboot=reset"
	} | boot_motion trouble
	grep 'header rc 101' "$BUILD/boot/trouble/log"
	lacks BROKEN share/forbidden.log share/trouble.log
	for dump in after-full-disk after-reset; do
		opens $dump
		grep -aq "secret=$secret" dump.elf
	done
	(decrypt share/reset reset.elf) && return 1
	# nothing to decrypt it by, and nothing to read
	grep -aq pv_compl share/after-reset
	lacks pv_compl share/forbidden
	lacks "$secret" share/{forbidden,reset,after-reset,after-full-disk,killed}
	echo "nothing was lost but what was in the middle of a dump"
}
