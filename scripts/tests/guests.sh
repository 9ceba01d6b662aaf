# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: guests whose code is executed, uvsim with sie=run.

kvm_selftests='sync_regs_test memop resets'

# build_kvm_selftests O: this kernel's own, unmodified; prints GUESTPATH=FILE
build_kvm_selftests() {
	local O=$1 kvm=$1/source/tools/testing/selftests/kvm dir=$BUILD/guest/kvm-${1##*/} name
	mkdir -p "$dir"
	for name in $kvm_selftests; do
		[ -e "$dir/$name" ] || quietly "$BUILD/log/kvm-$name" \
			"$CROSS-gcc" -O2 -std=gnu99 -D_GNU_SOURCE -DCONFIG_64BIT -static -no-pie -fno-pie \
			-fno-stack-protector -pthread -Wl,--s390-pgste -w -I"$O/source/tools/include" \
			-I"$O/source/tools/arch/s390/include" -I"$O/usr/include" -I"$kvm/.." \
			-I"$kvm/include" -I"$kvm/include/s390x" -I"$kvm" -o "$dir/$name" \
			"$kvm/s390x/$name.c" "$kvm"/lib/{assert,elf,io,kvm_util,sparsebit,test_util}.c \
			"$kvm"/lib/s390x/*.c
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
		for name in $kvm_selftests; do
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
	[ "$(grep -c '^not ok' "$log")" -eq "$(wc -w <<<"$kvm_selftests")" ]
	grep -q '^uvsim-run: done violations=0' "$log"
	echo "none passes if its guest does not run"
	boot_kvm_selftests kvm-selftests 120 run
}
