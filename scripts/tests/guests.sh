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
			[ "$3" != run ] || echo "write $uvsim/sie reset"
			echo "test $name timeout=$2 -- /bin/$name"
			[ "$3" != run ] || echo "test $name-ran-a-guest want=\"worlds entered\"" \
				"not=\"worlds entered 0\" -- cat $uvsim/sie"
		done
	} | boot "$1" "$patched" "-t 4000 -m 3G" /uvsim.ko="$module" "${files[@]}"
}

# They pass, and not because they would do so without a guest: each has had one, and without
# guests that run none passes.
kvm_selftests() {
	local log=$BUILD/boot/kvm-selftests-script/log
	local KVM_SELFTESTS="$KVM_SELFTESTS ${KVM_SELFTESTS_BIG:-}"
	if boot_kvm_selftests kvm-selftests-script 5 script >"$BUILD/log/kvm-selftests-script"; then
		echo "the guests have not run, and the tests passed"
		return 1
	fi
	[ "$(grep -c '^not ok' "$log")" -eq "$(wc -w <<<"$KVM_SELFTESTS")" ]
	grep -q '^uvsim-run: done violations=0' "$log"
	echo "none passes if its guest does not run"
	boot_kvm_selftests kvm-selftests 1200 run
}

guests=$BUILD/guests

# make_linux KERNEL: a small Linux of that build, also as an image of host.crt
make_linux() {
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o "$guests/guest-init" \
		"$TOP/qemu/guest-init.c"
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" \
		"file /init $guests/guest-init 755 0 0" >"$guests/initrd.spec"
	"$1/usr/gen_init_cpio" "$guests/initrd.spec" >"$guests/initrd"
	cp "$1/arch/s390/boot/bzImage" "$guests/linux"
	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	make_image linux --allow-dump --kernel "$guests/linux" --ramdisk "$guests/initrd" \
		--cmdline "console=ttyS0 secret=$secret"
}

# make_image NAME OPTION...: $guests/NAME.se, and its header key
make_image() {
	"$tools/seimg" build --host-key "$images/host.crt" --cck "$images/cck.bin" \
		-o "$guests/$1.se" "${@:2}"
	"$tools/seimg" keys "$guests/$1.se" --host-private-key "$images/host.key" \
		>"$guests/share/$1.key"
}

# make_counter: a guest that counts, likewise
make_counter() {
	local elf=$BUILD/guest/counter.elf
	"$CROSS-gcc" -nostdlib -static -Wl,-Ttext=0 -o "$elf" "$TOP/qemu/counter.S"
	"$CROSS-objcopy" -O binary -j .text "$elf" "$guests/counter"
	make_image counter --allow-dump --kernel "$guests/counter"
}

# guest_kernel: the build of the Linux that is the guest of all hosts, that of make demo
guest_kernel() {
	local src=
	[ "$KERNEL" != "${KERNELS%% *}" ] || src=${KERNEL_SRC:-}
	make -s --no-print-directory -C "$TOP" KERNEL="${KERNELS%% *}" KERNEL_SRC="$src" patient
}

# begin_linux NAME INIT: a place, $guests, for a Linux of that kernel whose PID 1 is that
# program, with a secret and a ledger (qemu/patient-mod.c); the caller makes its ramdisk
begin_linux() {
	. "$TOP/scripts/story.sh"
	patient=$(guest_kernel)
	guests=$BUILD/$1
	rm -rf "$guests"
	mkdir -p "$guests/share"
	cd "$guests"
	make_secret
	build_ledger "$1"
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o init "$TOP/qemu/$2"
	cck=$images/cck.bin
}

# INPUTS of tests with it
in_guests() {
	local linux
	linux=$(guest_kernel)
	in_machines
	cat "$linux/arch/s390/boot/bzImage"
}

# guest_qemu NAME MIB CPUS OPTIONS [COMMANDS]: a step that runs QEMU by the scenario of
# that name; COMMANDS of a shell go before it
guest_qemu() {
	local qemu
	qemu="/bin/qmp /$1.qmp /usr/bin/qemu-system-s390x -accel kvm -cpu host -m $2 -smp $3"
	qemu+=" -nodefaults -display none -no-reboot -action panic=pause -qmp stdio"
	qemu+=" -chardev file,id=c,path=/share/$1.log -device sclplmconsole,chardev=c $4"
	[ -z "${5:-}" ] || qemu="/bin/sh -c \"$5; exec $qemu\""
	echo "test $1 timeout=${GUEST_TIMEOUT:-1500} -- $qemu"
}

# guest_scenario NAME <<LINES
guest_scenario() {
	vmm=$guests scenario "$1"
}

# guest_load IMAGE...: steps in front of all others
guest_load() {
	local name
	printf '%s\n' "share /share" "insmod /uvsim.ko sie=run" "insmod /kvm.ko"
	for name; do
		echo "copy /share/$name.key $uvsim/header_keys"
	done
}

guest_pv="-machine s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0"

# linux_steps: a Linux that panics, and a protected one that panics and is dumped; two
# CPUs each
linux_steps() {
	guest_scenario plain-linux <<-EOF
		event GUEST_PANICKED
	EOF
	guest_scenario pv-linux <<-EOF
		event GUEST_PANICKED
		DUMP /share/linux
	EOF
	guest_qemu plain-linux 64 2 "-machine s390-ccw-virtio -kernel /linux -initrd /initrd -append console=ttyS0"
	guest_qemu pv-linux 64 2 "$guest_pv -kernel /linux.se"
}

# counter_steps: guest code that counts runs, and is dumped twice while it does
counter_steps() {
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
	guest_qemu counter 16 1 "$guest_pv -kernel /counter.se"
	echo "write $uvsim/sie reset"
	guest_qemu plain-counter 16 1 "-machine s390-ccw-virtio -kernel /counter"
}

# boot_guests NAME FILE...: the steps in $guests/steps, with these files of $guests
boot_guests() {
	local f files
	{
		build_vmm
		for f in linux initrd linux.se plain-linux.qmp pv-linux.qmp "${@:2}"; do
			echo "/$f=$guests/$f"
		done
	} >"$guests/files"
	mapfile -t files <"$guests/files"
	boot "$1" "$patched" "-t 4500 -m 2G -d $guests/share" /uvsim.ko="$module" "${files[@]}" \
		<"$guests/steps"
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

# linux_right: what both Linux have said, and the dump of the protected one
linux_right() {
	local log
	for log in plain-linux pv-linux; do
		grep -a -e 'guest: ' -e 'Linux version' "$guests/share/$log.log"
		grep -aq 'Brought up 1 node, 2 CPUs' "$guests/share/$log.log"
		grep -aq 'Attempted to kill init! exitcode=0x00000000' "$guests/share/$log.log"
	done
	guest_decrypt linux
	grep -aq "secret=$secret" "$guests/linux.elf"
	if grep -aq "$secret" "$guests/share/linux"; then
		echo "the secret of the guest is in the encrypted dump"
		return 1
	fi
}

guests_run() {
	local n name secret
	rm -rf "$guests"
	mkdir -p "$guests/share"
	make_linux "$patched"
	make_counter
	{
		guest_load linux counter
		counter_steps
		linux_steps
	} >"$guests/steps"
	boot_guests guests counter counter.se counter.qmp plain-counter.qmp
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
	linux_right
	echo "dumps of running guests decrypt to what they had"
}

# A kernel of another version than its host's: the patched one that GUEST_KERNEL names
guests_mixed() {
	local secret linux
	linux=$(make -s --no-print-directory -C "$TOP" KERNEL="$GUEST_KERNEL" KERNEL_SRC= kernel)
	# the host's machine executes the guest's instructions
	QEMU_MIN=${GUEST_QEMU_MIN:-$QEMU_MIN} use_qemu
	guests=$BUILD/mixed
	rm -rf "$guests"
	mkdir -p "$guests/share"
	make_linux "$linux"
	{
		guest_load linux
		linux_steps
	} >"$guests/steps"
	boot_guests guests-mixed
	linux_right
	echo "Linux $GUEST_KERNEL runs on Linux $KERNEL"
}
