# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: Debian's unmodified QEMU (s390x) runs as the VMM on
# the kernel under test and dumps the VM, Debian's zgetdump decrypts.

vmm=$BUILD/vmm
uvsim=/sys/kernel/debug/uvsim

# QEMU's command line, without the image
vmm_qemu='/usr/bin/qemu-system-s390x -accel kvm -cpu host -m 16 -nodefaults -display none -qmp stdio'
vmm_qemu+=' -machine s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0'

# instructions of the guest, as uvsim sees them
diag308='icpt=0x04 ipa=0x8324 ipb=0x03080000'
pv_diag308='icpt=0x68 ipa=0x8324 ipb=0x03080000'
pv_sigp_start='icpt=0x68 ipa=0xae13 ipb=0x00040000'

# scenario NAME <<LINES: for qmp, DUMP FILE is short for the command
scenario() {
	sed 's|^\(!*[a-zA-Z]* *\)DUMP \([^ ]*\)\( detach\)*$|\1{"execute": "dump-guest-memory", "arguments": {"paging": false, "protocol": "file:\2"\3}}|
	     s|" detach}}|", "detach": true}}|' >"$vmm/$1.qmp"
	grep -qx kill "$vmm/$1.qmp" || printf '{"execute": "quit"}\nexit 0\n' >>"$vmm/$1.qmp"
}

# vmm_test NAME "OPTIONS" "QEMU OPTIONS" [DIRECTIVE...]: steps for init. uvsim gets
# a script of these directives and faults and counters that are as new.
vmm_test() {
	local name=$1 opts=$2 qemu_opts=$3 directive
	shift 3
	echo "write $uvsim/faults clear"
	echo "write $uvsim/counters reset"
	for directive in clear "$@"; do
		echo "write $uvsim/script \"$directive\""
	done
	echo "test qemu-$name $opts -- /bin/qmp /$name.qmp $vmm_qemu $qemu_opts"
}

make_scenarios() {
	local waits="poll $uvsim/script pv icpt=0x1c registers 0 taken"
	local status='{"execute": "query-status"}'

	scenario two-dumps <<-EOF
		$waits 1
		DUMP /share/two.1
		poll $uvsim/script at=0x200008 icpt=0x00 registers 5 taken 1
		poll $uvsim/script at=$second_change icpt=0x1c registers 0 taken 1
		DUMP /share/two.2
	EOF
	# the CPU is in KVM_RUN all the time
	scenario busy <<-EOF
		poll $uvsim/counters 0x0330
		DUMP /share/busy.1
		DUMP /share/busy.2
	EOF
	scenario full-disk <<-EOF
		$waits 1
		!space DUMP /full/dump
		event RESUME
		poll $uvsim/objects dump 0
		unlink /full/dump
		DUMP /share/full-disk
	EOF
	# COMPLETE fails once, QEMU does it again to end the dump
	scenario complete-fails <<-EOF
		$waits 1
		write $uvsim/faults cmd=0x403 nth=1 rc=0x1234
		!section DUMP /full/dump
		event RESUME
		unlink /full/dump
		DUMP /share/complete-fails
	EOF
	scenario forbidden <<-EOF
		$waits 1
		DUMP /share/forbidden
		event RESUME
		$status
	EOF
	# Paused, as QEMU cannot take a reset while a dump has stopped the VM: it
	# aborts now and then ("invalid runstate transition"). What is slow is the
	# export of pages, not a dump command, which would hold kvm->lock: QEMU comes
	# back with the next one so soon that the reset might never get the lock.
	scenario reset <<-EOF
		$waits 1
		{"execute": "stop"}
		write $uvsim/faults cmd=0x201 nth=1 delay_us=100000 count=0
		DUMP /share/reset.1 detach
		poll $uvsim/objects dump 1
		{"execute": "system_reset"}
		write $uvsim/faults clear
		event RESET
		event DUMP_COMPLETED
		{"execute": "cont"}
		$waits 2
		DUMP /share/reset.2
	EOF
	scenario killed <<-EOF
		$waits 1
		write $uvsim/faults cmd=0x401 nth=1 delay_us=200000 count=0
		DUMP /full/dump detach
		poll $uvsim/counters 0x0401
		kill
	EOF
	# ways to have memory, and to end, that VMMs are run with
	local name
	for name in memfd teardown locked; do
		scenario $name <<-EOF
			$waits 1
			DUMP /share/$name
		EOF
	done
	scenario teardown-killed <<-EOF
		$waits 1
		write $uvsim/faults cmd=0x401 nth=1 delay_us=200000 count=0
		DUMP /full/dump detach
		poll $uvsim/counters 0x0401
		kill
	EOF
	# a guest that has crashed is in a disabled wait
	scenario panic <<-EOF
		event GUEST_PANICKED
		DUMP /share/panic
		$status
	EOF
	# a part of the memory: 4 MiB from 2 MiB on
	scenario part <<-EOF
		$waits 1
		{"execute": "dump-guest-memory", "arguments": {"paging": false, "protocol": "file:/share/part", "begin": 2097152, "length": 4194304}}
	EOF
	# CPU 0 starts CPU 1, and after the first dump CPU 2; CPU 3 stays stopped
	scenario cpus <<-EOF
		$waits 2
		{"execute": "device_add", "arguments": {"driver": "host-s390x-cpu", "core-id": 2}}
		DUMP /share/cpus.1
		poll $uvsim/script pv cpu=2 icpt=0x1c registers 1 taken 1
		{"execute": "device_add", "arguments": {"driver": "host-s390x-cpu", "core-id": 3}}
		DUMP /share/cpus.2
		poll $uvsim/objects cpus 4
	EOF
	# QEMU pauses because of an instruction that the CPU has not completed
	scenario caught <<-EOF
		{"execute": "cont"}
		event STOP
		DUMP /share/caught
	EOF
	scenario unpatched <<-EOF
		$waits 1
		DUMP /share/unpatched
		event RESUME
	EOF
}

vmm_prepare() {
	local f
	rm -rf "$vmm"
	mkdir -p "$vmm/share"
	build_vmm >"$vmm/files"
	"$tools/seimg" info "$images/good.se" --host-private-key "$images/host.key" \
		--plain "$vmm/plain" --memory 16 >"$vmm/info"
	"$tools/dumpcmp" regs -o "$vmm/regs" --cpus 4
	get_addresses
	make_scenarios
	{
		for f in good.se forbidden.se good.key forbidden.key; do
			echo "/$f=$images/$f"
		done
		for f in "$vmm"/*.qmp; do
			echo "/${f##*/}=$f"
		done
		echo "/regs=$vmm/regs"
	} >>"$vmm/files"
	mapfile -t vmm_files <"$vmm/files"
}

# The guest writes to a page of the image, then to one that had never been secure.
# On mainline it has page tables of its own (seen in 7.2), where QEMU's pages are
# not; there the second one is of the image, too, as uvsim raises no page faults.
get_addresses() {
	ipib=$(sed -n 's/^IPIB: at 0x//p' "$vmm/info")
	second_change=0x$(printf %x $((0x$ipib + 16)))
	[ "$KERNEL" != mainline ] || second_change=0x110010
}

vmm_steps="share /share
insmod /uvsim.ko
insmod /kvm.ko
copy /good.key $uvsim/header_keys
copy /forbidden.key $uvsim/header_keys
copy /regs $uvsim/registers"

# A dump per way in which QEMU can come to one
boot_vmm() {
	local good='-kernel /good.se'
	vmm_prepare
	{
		echo "$vmm_steps"
		vmm_test two-dumps '' "$good" boot \
			"pv cpu=0 dumps=1 at=0x200008 value=0x1122334455667788 r5=0x123456789abcdef0 c3=3 a2=0x22222222 psw_addr=0xabcde0 prefix=0x8000" \
			"pv cpu=0 dumps=1 at=$second_change value=0x99 icpt=0x1c"
		vmm_test busy '' "$good" "plain cpu=0 r2=0x$ipib r4=8 $diag308" \
			"plain cpu=0 r4=10 $diag308"
		echo "tmpfs /full size=8m"
		vmm_test full-disk empty=/full "$good" boot
		echo "tmpfs /full size=32m"
		vmm_test complete-fails 'want="header rc 1234"' "$good" boot
		vmm_test forbidden 'want="header rc 101"' '-kernel /forbidden.se' boot
		# Mainline's dump outlives the protected VM (W1), and QEMU may dump a CPU
		# that is no longer protected (W5).
		[ -n "${AS_IS:-}" ] || vmm_test reset '' "$good" boot
		vmm_test killed '' "$good" boot
		vmm_test cpus '' "$good -smp 2,maxcpus=4" "pv cpu=0 r1=0 r3=1 $pv_sigp_start" \
			"pv cpu=2 r7=0x77 icpt=0x1c" boot "pv cpu=0 dumps=1 r3=2 $pv_sigp_start"
		# not before somebody listens for events
		vmm_test caught '' "$good -S -action reboot=shutdown,shutdown=pause" \
			"pv cpu=0 r4=3 $pv_diag308" boot
	} | boot qemu "$patched" "-t 900 -d $vmm/share" /uvsim.ko="$module" "${vmm_files[@]}"
}

# Memory, ends and guests of other kinds; after boot_vmm
boot_vmm_more() {
	local good='-kernel /good.se' vmm_files
	mapfile -t vmm_files <"$vmm/files"
	{
		echo "$vmm_steps"
		echo "tmpfs /full size=32m"
		vmm_test memfd '' "$good -object memory-backend-memfd,id=ram,size=16M,share=on -machine memory-backend=ram" boot
		vmm_test teardown '' "$good -run-with async-teardown=on" boot
		vmm_test teardown-killed '' "$good -run-with async-teardown=on" boot
		vmm_test locked '' "$good -machine dump-guest-core=off -overcommit mem-lock=on" boot
		vmm_test panic 'want="guest-panicked"' "$good -action panic=pause" \
			"pv cpu=0 icpt=0x1c psw_mask=0x0002000180000000 psw_addr=0x1234" boot
		vmm_test part '' "$good" boot
	} | boot qemu-more "$patched" "-t 900 -d $vmm/share" /uvsim.ko="$module" "${vmm_files[@]}"
}

# decrypt DUMP [OPTION]: to $vmm/DUMP.elf; what zgetdump said is in $vmm/DUMP.log
decrypt() {
	rm -f "$vmm/$1.elf"
	"$TOP/scripts/zgetdump" -k "$images/cck.bin" "${@:2}" "$vmm/share/$1" "$vmm/$1.elf" \
		>"$vmm/$1.log" 2>&1 || { tail -n 3 "$vmm/$1.log"; return 1; }
}

# poke FILE OFFSET HEXDIGITS
poke() {
	# shellcheck disable=SC2001  # two characters each
	printf '%b' "$(sed 's/../\\x&/g' <<<"$3")" |
		dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}

# poke_reg CPU OFFSET HEXDIGITS: in the expected registers; OFFSET as in uvsim's
# struct uvsim_cpu_regs, a record has 16 bytes before them
poke_reg() { poke "$vmm/expected.regs" $(($1 * 1536 + 16 + $2)) "$3"; }

# clear_regs CPU: what a clear reset makes of them
clear_regs() {
	poke_reg "$1" 0 "$(printf '%03040x' 0)"
	poke_reg "$1" 256 00000000000000e0
	poke_reg "$1" 368 00000000c2000000
}

# expect CPUS: what the VM was given, for compare
expect() {
	cp "$vmm/plain" "$vmm/expected.plain"
	head -c $(($1 * 1536)) "$vmm/regs" >"$vmm/expected.regs"
}

compare() {
	"$tools/dumpcmp" compare --plain "$vmm/expected.plain" --regs "$vmm/expected.regs" \
		"$vmm/$1.elf"
}

# The guest changed eight bytes twice, and some registers.
vmm_two_dumps() {
	get_addresses
	expect 1
	decrypt two.1
	compare two.1
	decrypt two.2
	! compare two.2 || return 1
	poke "$vmm/expected.plain" 0x200008 1122334455667788
	poke "$vmm/expected.plain" "$second_change" 0000000000000099
	! compare two.2 || return 1
	poke_reg 0 40 123456789abcdef0
	poke_reg 0 136 0000000000abcde0
	poke_reg 0 152 00008000
	poke_reg 0 200 22222222
	poke_reg 0 280 0000000000000003
	compare two.2
	! compare two.1 || return 1
	"$tools/seimg" search --plain "$vmm/plain" "$vmm/share/two.2"
}

vmm_same() {
	local dump
	expect 1
	for dump; do
		decrypt "$dump"
		compare "$dump"
	done
}

# QEMU took the VM for one that has no protected data to add.
vmm_no_sections() {
	grep -qa pv_compl "$vmm/share/two.1"
	! grep -qa pv_compl "$vmm/share/$1" || return 1
	"$tools/seimg" search --plain "$vmm/plain" "$vmm/share/$1"
}

vmm_reset() {
	! decrypt reset.1 || return 1
	vmm_same reset.2
}

# QEMU resets a vcpu that it plugs in.
vmm_cpus() {
	expect 3
	poke_reg 0 8 0000000000000000
	poke_reg 0 24 0000000000000001
	clear_regs 2
	decrypt cpus.1
	compare cpus.1
	expect 4
	poke_reg 0 8 0000000000000000
	poke_reg 0 24 0000000000000002
	clear_regs 2
	clear_regs 3
	poke_reg 2 56 0000000000000077
	decrypt cpus.2
	compare cpus.2
}

vmm_caught() {
	decrypt two.1 -V
	! grep 'partial instruction' "$vmm/two.1.log" || return 1
	expect 1
	poke_reg 0 32 0000000000000003
	decrypt caught -V
	grep 'partial instruction' "$vmm/caught.log"
	compare caught
}

# The PSW is that of the crash; a crashed guest is dumped as any other.
vmm_panic() {
	expect 1
	decrypt panic
	! compare panic || return 1
	poke_reg 0 128 0002000180000000
	poke_reg 0 136 0000000000001234
	compare panic
}

# QEMU takes the metadata from the begin of the memory for a part that begins
# elsewhere: what comes out is not what was there, and nobody says so. When this
# fails, QEMU is mended, and the documentation has to say since when.
vmm_part() {
	local at
	decrypt part
	at=$(("$("$CROSS-readelf" -lW "$vmm/part.elf" | awk '$1 == "LOAD" { print $2 }')"))
	[ "$(stat -c %s "$vmm/part.elf")" -ge $((at + 4194304)) ]
	! cmp -s -n 4194304 -i "$at:2097152" "$vmm/part.elf" "$vmm/plain" || return 1
}

# What issue this all solves: without the series QEMU writes a file that looks
# like a dump, and says nothing.
vmm_unpatched() {
	local vmm_files
	mapfile -t vmm_files <"$vmm/files"
	{
		echo "$vmm_steps"
		vmm_test unpatched '' '-kernel /good.se' boot
	} | boot qemu-unpatched "$base" "-t 900 -d $vmm/share" /uvsim.ko="$base_module" \
		"${vmm_files[@]}"
	! grep 'PV command' "$BUILD/boot/qemu-unpatched/log" || return 1
	vmm_no_sections unpatched
}

run_vmm() {
	t qemu-boots boot_vmm
	t qemu-two-dumps vmm_two_dumps
	t qemu-busy vmm_same busy.1 busy.2
	t qemu-full-disk vmm_same full-disk
	t qemu-complete-fails vmm_same complete-fails
	t qemu-forbidden vmm_no_sections forbidden
	[ -n "${AS_IS:-}" ] || t qemu-reset vmm_reset
	t qemu-cpus vmm_cpus
	t qemu-caught vmm_caught
	t qemu-boots-more boot_vmm_more
	t qemu-memory vmm_same memfd teardown locked
	t qemu-panic vmm_panic
	t qemu-part vmm_part
	[ -n "${HAS_DUMP:-}" ] || t qemu-unpatched vmm_unpatched
}
