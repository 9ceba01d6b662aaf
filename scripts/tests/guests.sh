# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: guests whose code is executed, uvsim with sie=run.

# build_kvm_selftests O: this kernel's own, unmodified; prints GUESTPATH=FILE. The
# library is what its Makefile says; what it replaces of libc must not call itself.
build_kvm_selftests() {
	local O=$1 kvm=$1/source/tools/testing/selftests/kvm dir=$BUILD/guest/kvm-${1##*/} name
	local arch=s390x lib make src
	need KVM_SELFTESTS
	# by these flags, of this file
	anew "$dir" "$TOP/scripts/tests/guests.sh"
	[ -e "$kvm/$arch" ] || arch=s390
	make=$kvm/Makefile.kvm
	[ -e "$make" ] || make=$kvm/Makefile
	read -ra lib <<<"$(sed -nE "s/^LIBKVM(_$arch|_STRING)? \+?= (lib.*)/\2/p" "$make" | paste -sd ' ')"
	for name in $KVM_SELFTESTS; do
		src=$kvm/$arch/$name.c
		[ -e "$src" ] || src=$kvm/$name.c
		[ -e "$dir/$name" ] || quietly "$BUILD/log/kvm-$name" \
			"$CROSS-gcc" -O2 -std=gnu99 -march=z10 -D_GNU_SOURCE -DCONFIG_64BIT -static \
			-no-pie -fno-pie -fno-stack-protector -fno-strict-aliasing -fno-builtin \
			-fno-tree-loop-distribute-patterns -pthread -Wl,--s390-pgste -w \
			-I"$O/source/tools/include" -I"$O/source/tools/arch/s390/include" \
			-I"$O/usr/include" -I"$kvm/.." -I"$kvm/include" -I"$kvm/include/$arch" \
			-I"$kvm" -I"$kvm/../rseq" -o "$dir/$name" "$src" "${lib[@]/#/$kvm/}"
		echo "/bin/$name=$dir/$name"
	done
}

# boot_kvm_selftests NAME TIMEOUT MODE: all of them
boot_kvm_selftests() {
	local name files
	build_kvm_selftests "$patched" >"$BUILD/log/$1-files"
	mapfile -t files <"$BUILD/log/$1-files"
	{
		echo "insmod /uvsim.ko sie=$3"
		echo "insmod /kvm.ko"
		for name in $KVM_SELFTESTS; do
			echo "test $name timeout=$2 -- /bin/$name"
		done
	} | boot "$1" "$patched" "-t 300" /uvsim.ko="$module" "${files[@]}"
}

# They pass, and not because they would do so without a guest.
kvm_selftests() {
	local log=$BUILD/boot/kvm-selftests-script/log
	if boot_kvm_selftests kvm-selftests-script 5 script >"$BUILD/log/kvm-selftests-script"; then
		echo "the guests have not run, and the tests passed"
		return 1
	fi
	[ "$(grep -c '^not ok' "$log")" -eq "$(wc -w <<<"$KVM_SELFTESTS")" ]
	grep -q '^uvsim-run: done violations=0' "$log"
	echo "none passes if its guest does not run"
	boot_kvm_selftests kvm-selftests 120 run
}

guests=$BUILD/guests

# make_guests: a guest that counts and a small Linux, as images of host.crt
make_guests() {
	local elf=$BUILD/guest/counter.elf build=("$tools/seimg" build --host-key "$images/host.crt"
		--cck "$images/cck.bin" --allow-dump) name
	rm -rf "$guests"
	mkdir -p "$guests/share"
	"$CROSS-gcc" -nostdlib -static -Wl,-Ttext=0 -o "$elf" "$TOP/qemu/counter.S"
	"$CROSS-objcopy" -O binary -j .text "$elf" "$guests/counter"
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o "$BUILD/guest/guest-init" \
		"$TOP/qemu/guest-init.c"
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" \
		"file /init $BUILD/guest/guest-init 755 0 0" >"$guests/initrd.spec"
	"$patched/usr/gen_init_cpio" "$guests/initrd.spec" >"$guests/initrd"
	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	"${build[@]}" -o "$guests/counter.se" --kernel "$guests/counter"
	"${build[@]}" -o "$guests/linux.se" --kernel "$patched/arch/s390/boot/bzImage" \
		--ramdisk "$guests/initrd" --cmdline "console=ttyS0 secret=$secret"
	for name in counter linux; do
		"$tools/seimg" keys "$guests/$name.se" --host-private-key "$images/host.key" \
			>"$guests/$name.key"
	done
}

# guest_qemu NAME MIB CPUS OPTIONS: a step that runs QEMU by the scenario of that name
guest_qemu() {
	echo "test $1 timeout=${GUEST_TIMEOUT:-400} -- /bin/qmp /$1.qmp" \
		"/usr/bin/qemu-system-s390x -accel kvm -cpu host -m $2 -smp $3 -nodefaults" \
		"-display none -no-reboot -action panic=pause -qmp stdio" \
		"-chardev file,id=c,path=/share/$1.log -device sclplmconsole,chardev=c $4"
}

# guest_scenario NAME <<LINES
guest_scenario() {
	vmm=$guests scenario "$1"
}

# Guest code runs: a guest that counts and is dumped twice while it runs, a Linux that
# panics, and a protected Linux that panics and is dumped; two CPUs each.
boot_guests() {
	local files pv="-machine s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0"
	make_guests
	guest_scenario counter <<-EOF
		poll $uvsim/sie instruction b202
		DUMP /share/counter.1
		write $uvsim/sie reset
		poll $uvsim/sie instruction b202
		DUMP /share/counter.2
	EOF
	guest_scenario plain-counter <<-EOF
		poll $uvsim/sie instruction b202
		DUMP /share/plain.1
		write $uvsim/sie reset
		poll $uvsim/sie instruction b202
		DUMP /share/plain.2
	EOF
	guest_scenario plain-linux <<-EOF
		event GUEST_PANICKED
	EOF
	guest_scenario pv-linux <<-EOF
		event GUEST_PANICKED
		DUMP /share/linux
	EOF
	build_vmm >"$guests/files"
	mapfile -t files <"$guests/files"
	{
		echo "share /share"
		echo "insmod /uvsim.ko sie=run"
		echo "insmod /kvm.ko"
		echo "copy /counter.key $uvsim/header_keys"
		echo "copy /linux.key $uvsim/header_keys"
		guest_qemu counter 16 1 "$pv -kernel /counter.se"
		echo "write $uvsim/sie reset"
		guest_qemu plain-counter 16 1 "-machine s390-ccw-virtio -kernel /counter"
		guest_qemu plain-linux 64 2 "-machine s390-ccw-virtio -kernel /linux -initrd /initrd -append console=ttyS0"
		guest_qemu pv-linux 64 2 "$pv -kernel /linux.se"
	} | boot guests "$patched" "-t 900 -m 2G -d $guests/share" /uvsim.ko="$module" \
		/linux="$patched/arch/s390/boot/bzImage" /initrd="$guests/initrd" \
		/counter.se="$guests/counter.se" /counter.key="$guests/counter.key" \
		/linux.se="$guests/linux.se" /linux.key="$guests/linux.key" \
		/counter="$guests/counter" /plain-counter.qmp="$guests/plain-counter.qmp" \
		/counter.qmp="$guests/counter.qmp" /plain-linux.qmp="$guests/plain-linux.qmp" \
		/pv-linux.qmp="$guests/pv-linux.qmp" "${files[@]}"
}

# guest_decrypt NAME
guest_decrypt() {
	"$TOP/scripts/zgetdump" -k "$images/cck.bin" "$guests/share/$1" "$guests/$1.elf" \
		>"$guests/$1.log" 2>&1 || { cat "$guests/$1.log"; return 1; }
}

# elf_words FILE AT N: big endian
elf_words() {
	od -An -v -w8 -tx8 --endian=big -j "$2" -N "$((8 * $3))" "$1" | tr -d ' '
}

# counted NAME: what the registers in the dump say, if memory says the same
counted() {
	local elf=$guests/$1.elf notes head load psw first second
	notes=$((16#$(readelf -lW "$elf" | awk '$1 == "NOTE" { print substr($2, 3) }')))
	load=$((16#$(readelf -lW "$elf" | awk '$1 == "LOAD" { print substr($2, 3); exit }')))
	# zgetdump writes NT_PRPSINFO (3) first
	head=$(elf_words "$elf" $((notes + 4)) 1)
	[ "${head:8}" != 00000003 ] || notes=$((notes + 0x14 + 16#${head:0:8}))
	# NT_PRSTATUS: behind its head and 112 bytes the PSW, then the registers
	mapfile -t psw < <(elf_words "$elf" $((notes + 0x14 + 112)) 5)
	count=$((16#${psw[4]}))
	first=$((16#$(elf_words "$elf" $((load + 0x200000)) 1)))
	second=$((16#$(elf_words "$elf" $((load + 0x300000)) 1)))
	echo "$1: PSW ${psw[0]} ${psw[1]}, counted $count, in memory $first $second"
	case ${psw[1]} in
	"$at_first") [ "$count" -eq $((first + 1)) ] && [ "$count" -eq $((second + 1)) ] ;;
	"$at_second") [ "$count" -eq $first ] && [ "$count" -eq $((second + 1)) ] ;;
	*) [ "$count" -eq $first ] && [ "$count" -eq $second ] ;;
	esac
}

# guest_symbol NAME: its address in 16 digits
guest_symbol() {
	"$CROSS-nm" "$BUILD/guest/counter.elf" | awk -v name="$1" '$3 == name { print $1 }'
}

# counts_on NAME: two dumps of a counting guest, NAME.1.elf and NAME.2.elf
counts_on() {
	local n count before at_first at_second
	at_first=$(guest_symbol first)
	at_second=$(guest_symbol second)
	for n in 1 2; do
		counted "$1.$n"
		[ "$count" -gt "${before:-0}" ]
		before=$count
	done
}

# guest_word NAME ADDRESS: 8 bytes that the guest has at that absolute address
guest_word() {
	local load
	load=$((16#$(readelf -lW "$guests/$1.elf" | awk '$1 == "LOAD" { print substr($2, 3); exit }')))
	elf_words "$guests/$1.elf" $((load + $2)) 1
}

# saw NAME ADDRESS WORD
saw() {
	local word
	word=$(guest_word "$1" "$2")
	[ "$word" = "$3" ] || { echo "$1: at $2 it has $word, not $3"; return 1; }
}

guests_run() {
	local n name secret log
	boot_guests
	for n in 1 2; do
		guest_decrypt counter.$n
		ln -s "share/plain.$n" "$guests/plain.$n.elf"
	done
	for name in counter plain; do
		counts_on $name
		# no problem state, no masks of a host
		saw $name.2 0x400000 0000000180000000
		# what it has set: TOD programmable register, prefix
		saw $name.2 0x400030 0000000000004321
		saw $name.2 0x400040 0060000000600000
		saw $name.2 0x601ff0 0000000000004321
	done
	# facility 158
	[ $((16#$(guest_word counter.2 0x400018) >> 33 & 1)) -eq 1 ]
	for log in plain-linux pv-linux; do
		grep -a 'guest: ' "$guests/share/$log.log"
		grep -aq 'Brought up 1 node, 2 CPUs' "$guests/share/$log.log"
		grep -aq 'Attempted to kill init! exitcode=0x00000000' "$guests/share/$log.log"
	done
	guest_decrypt linux
	grep -aq "secret=$secret" "$guests/linux.elf"
	if grep -aq "$secret" "$guests/share/linux"; then
		echo "the secret of the guest is in the encrypted dump"
		return 1
	fi
	echo "dumps of running guests decrypt to what they had"
}

motion_cpus=4 motion_dumps=3

# A busy Linux is dumped several times, and runs on: its own checksums are right all
# the time, and crash opens each dump.
guests_in_motion() {
	local n files pv="-machine s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0"
	. "$TOP/scripts/story.sh"
	patient=$("$TOP/scripts/kernel" patient)
	guests=$BUILD/motion
	rm -rf "$guests"
	mkdir -p "$guests/share"
	cd "$guests"
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o init "$TOP/qemu/busy-init.c"
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" \
		"file /init init 755 0 0" >initrd.spec
	"$patient/usr/gen_init_cpio" initrd.spec >initrd
	"$tools/seimg" build --host-key "$images/host.crt" --cck "$images/cck.bin" --allow-dump \
		-o motion.se --kernel "$patient/arch/s390/boot/bzImage" --ramdisk initrd \
		--cmdline console=ttyS0
	"$tools/seimg" keys motion.se --host-private-key "$images/host.key" >motion.key
	{
		for ((n = 1; n <= motion_dumps; n++)); do
			echo "again /share/motion.log $motion_cpus of $motion_cpus CPUs have worked"
			echo "DUMP /share/dump.$n"
		done
		echo "again /share/motion.log $motion_cpus of $motion_cpus CPUs have worked"
	} | guest_scenario motion
	build_vmm >files
	mapfile -t files <files
	{
		echo "share /share"
		echo "insmod /uvsim.ko sie=run"
		echo "insmod /kvm.ko"
		echo "copy /motion.key $uvsim/header_keys"
		guest_qemu motion 64 $motion_cpus "$pv -kernel /motion.se"
	} | boot motion "$patched" "-t 900 -m 2G -d $guests/share" /uvsim.ko="$module" \
		/motion.se=motion.se /motion.key=motion.key /motion.qmp=motion.qmp "${files[@]}"
	grep -a '^busy: ' share/motion.log
	grep -aq BROKEN share/motion.log && return 1
	ln -s "$patient/vmlinux" vmlinux
	cck=$images/cck.bin
	for ((n = 1; n <= motion_dumps; n++)); do
		decrypt "share/dump.$n" "$n.elf"
		printf '%s\n' "sys > sys.$n" "ps > ps.$n" "bt -a > bt.$n" quit >crash.cmds
		quietly ./crash.out crash -s -i crash.cmds vmlinux "$n.elf"
		grep -E '^ *(CPUS|UPTIME|TASKS):' "sys.$n"
		grep -q "CPUS: $motion_cpus" "sys.$n"
		[ "$(grep -c ' worker[0-9]' "ps.$n")" -eq $motion_cpus ]
		[ "$(grep -c '^PID: ' "bt.$n")" -eq $motion_cpus ]
		rm "$n.elf"
	done
	echo "$motion_dumps dumps of a busy Linux on $motion_cpus CPUs"
}
