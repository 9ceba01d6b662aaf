# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: pvdump, seimg and the dumps that they make.

# good.se and what people do to images
make_images() {
	local f made
	images=$BUILD/images
	mkdir -p "$images"
	cd "$images"
	made=$({ declare -f make_images; cat "$tools/seimg" "$patched/arch/s390/boot/bzImage"; } | hash)
	[ "$(cat made 2>/dev/null)" != "$made" ] || { cd "$TOP"; return; }
	rm -f made
	for f in host other; do
		quietly "$BUILD/log/openssl" openssl req -x509 -newkey ec -pkeyopt \
			ec_paramgen_curve:secp521r1 -nodes -keyout $f.key -out $f.crt \
			-days 30 -batch -subj /CN=check
	done
	openssl rand -out cck.bin 32
	local build=("$tools/seimg" build --kernel "$patched/arch/s390/boot/bzImage"
		     --host-key host.crt --cck cck.bin)
	rm -f ./*.se
	"${build[@]}" -o good.se --allow-dump
	"${build[@]}" -o forbidden.se
	"${build[@]}" -o readable.se --allow-dump --no-encryption
	"$tools/seimg" build -o slots.se --kernel "$patched/arch/s390/boot/bzImage" \
		--host-key other.crt --host-key host.crt --cck cck.bin --allow-dump
	head -c 262144 /dev/urandom >small.bin
	"$tools/seimg" build --from-dump small.bin --host-key host.crt --cck cck.bin \
		--allow-dump -o small.se
	for f in good forbidden slots readable small; do
		"$tools/seimg" keys $f.se --host-private-key host.key -f -o $f.key
	done
	sed "s/[^ ]*$/$(openssl rand -hex 32)/" good.key >wrong.key
	head -c $(($(stat -c %s good.se) / 2)) good.se >truncated.se
	cp good.se tampered.se
	printf 'tampered' | dd of=tampered.se bs=1 seek=$((0x20000)) conv=notrunc status=none
	echo "$made" >made
	cd "$TOP"
}

# check_tools VARIABLE=...: their own tests, on this machine
check_tools() {
	local said
	# in place, as somebody does who takes that directory
	said=$(make -C "$TOP/tools/kvm/pvdump" -n all check 2>&1 >/dev/null)
	echo "$said"
	[ -z "$said" ]
	make -C "$TOP/tools/kvm/pvdump" O="$tools" CROSS_COMPILE="$CROSS-" "$@" check
}

# INPUTS of these for t_once
in_tools() {
	content_of tools/kvm/ Documentation/virt/kvm/s390/ scripts/zgetdump kernels.mk
	cat "$base/usr/include/linux/kvm.h" "$patched/usr/include/linux/kvm.h"
	in_packages
	clang --version
	dpkg-query -W 'libssl*' 'libelf*' 'zlib1g*'
}

# Everything that can go wrong for the user of pvdump: the right exit status, a
# message that names the trouble, nothing left behind.
boot_tools() {
	boot tools "$patched" "-t 600" /uvsim.ko="$module" /bin/pvdump="$tools/pvdump" \
		/good.se="$images/good.se" /truncated.se="$images/truncated.se" \
		/tampered.se="$images/tampered.se" /forbidden.se="$images/forbidden.se" \
		/good.key="$images/good.key" /wrong.key="$images/wrong.key" \
		/forbidden.key="$images/forbidden.key" /slots.se="$images/slots.se" \
		/readable.se="$images/readable.se" /slots.key="$images/slots.key" \
		/readable.key="$images/readable.key" <<-EOF
		tmpfs /out size=64m
		tmpfs /full size=1m
		test no-option status=2 want="no image given" -- /bin/pvdump
		test no-kvm status=1 want="no /dev/kvm" empty=/out -- $pvdump
		insmod /uvsim.ko
		test module-missing status=1 want="module kvm is not loaded" empty=/out -- $pvdump
		insmod /kvm.ko
		test no-header-key status=1 want="rc 0x108" empty=/out -- $pvdump
		copy /wrong.key $debugfs/header_keys
		test wrong-header-key status=1 want="rc 0x10a" empty=/out -- $pvdump
		write $debugfs/header_keys clear
		copy /good.key $debugfs/header_keys
		copy /forbidden.key $debugfs/header_keys
		copy /slots.key $debugfs/header_keys
		copy /readable.key $debugfs/header_keys
		test image-missing status=1 want="cannot open image" empty=/out -- ${pvdump/good/none}
		test image-truncated status=1 want="truncated" empty=/out -- ${pvdump/good/truncated}
		test image-tampered status=1 want="KVM_PV_VERIFY" empty=/out -- ${pvdump/good/tampered}
		test dump-forbidden status=3 want="does not allow" empty=/out -- ${pvdump/good/forbidden}
		test memory-too-small status=1 want="does not fit" empty=/out -- $pvdump -m 1
		test unwritable status=1 want="cannot create" -- /bin/pvdump -i /good.se -o /proc/dump
		test disk-full status=1 want="No space left" empty=/full -- /bin/pvdump -i /good.se -o /full/dump -m 16
		write $debugfs/faults "cmd=0x401 nth=1 delay_us=200000 count=0"
		test ctrl-c status=130 int="%" want="nothing was left behind" empty=/out -- $pvdump --progress
		write $debugfs/faults clear
		write $debugfs/faults "cmd=0x403 nth=1 rc=0x1234"
		test uv-error status=1 want="KVM_PV_DUMP_COMPLETE" empty=/out -- $pvdump
		test good want="complete" -- $pvdump --progress
		test exists status=1 want="exists" -- $pvdump
		test overwrite -- $pvdump -f
		test several-slots -- ${pvdump/good/slots} -f
		test not-encrypted -- ${pvdump/good/readable} -f
	EOF
}

# What pvdump does of which only its user sees something: names that cannot be had,
# signals, limits. In a shell, which can be one that ignores signals.
boot_pvdump() {
	local slow="write $debugfs/faults \"cmd=0x401 nth=1 delay_us=200000 count=0\""
	local wait="until grep -q % /log; do sleep 0.1; done"
	"$TOP/scripts/zgetdump" >/dev/null
	boot pvdump "$patched" "-t 900" /uvsim.ko="$module" /bin/pvdump="$tools/pvdump" \
		/good.se="$images/good.se" /good.key="$images/good.key" \
		/bin/sh="$CACHE/root/tools/usr/bin/busybox" <<-EOF
		tmpfs /out size=64m
		tmpfs /kept size=64m
		tmpfs /full size=1m
		$load
		copy /good.key $debugfs/header_keys
		test dry-run want="16 MiB of memory" empty=/out -- /bin/pvdump -i /good.se --dry-run -m 16
		test dry-run-with-output status=2 want="writes nothing" empty=/out -- $pvdump --dry-run
		test dangling-link status=1 want="points to nothing" not="%" -- /bin/sh -c "ln -s /nowhere /kept/link; /bin/pvdump -i /good.se -o /kept/link --progress"
		test name-appears status=4 want="/kept/dump." -- /bin/pvdump -i /good.se -o /kept/dump -m 16 --exec "echo mine >/kept/dump"
		test both-are-there -- /bin/sh -c "grep -q mine /kept/dump && ls -l /kept && head -c 4 /kept/dump.* | grep -q ELF"
		test sigchld-ignored status=1 want="exit status 3" empty=/out -- /bin/sh -c "trap '' CHLD; exec $pvdump --exec 'exit 3'"
		test file-size-limit status=1 want="ulimit -f" empty=/out -- /bin/sh -c "ulimit -f 100; exec $pvdump"
		test no-reader status=1 want="Broken pipe" -- /bin/sh -c "{ /bin/pvdump -i /good.se -m 16 -o - 2>/log; echo \$? >/status; } | true; cat /log; exit \$(cat /status)"
		$slow
		test killed status=137 empty=/out -- /bin/sh -c "$pvdump --progress 2>/log & p=\$!; $wait; kill -9 \$p; wait \$p"
		test nohup want="complete" -- /bin/sh -c "trap '' HUP; rm /log; $pvdump --progress 2>/log & p=\$!; $wait; kill -HUP \$p; wait \$p && cat /log"
		test hangup status=129 want="nothing was left behind" -- /bin/sh -c "rm /log; $pvdump -f --progress 2>/log & p=\$!; $wait; kill -HUP \$p; wait \$p; r=\$?; cat /log; exit \$r"
		write $debugfs/faults clear
		test waits-for-room want="waiting for room" -- /bin/sh -c "dd if=/dev/zero of=/full/big bs=1k count=1000 2>/dev/null; /bin/pvdump -i /good.se -m 16 -o /full/dump --resume 2>/log & p=\$!; until grep -q waiting /log; do sleep 0.1; done; mount -o remount,size=32m /full; wait \$p && cat /log"
		test json want="bytes_per_second" -- $pvdump -f --json
	EOF
}

# Pages in every state: shared, shared for a while, out at the host, back again.
# The dump shows them as that, and decrypts to what the guest had.
dump_of_pages() {
	local share=$BUILD/pages op at i
	rm -rf "$share"
	mkdir -p "$share"
	"$tools/seimg" build -o "$share/image" --from-dump "$images/small.bin" \
		--host-key "$images/host.crt" --cck "$images/cck.bin" --allow-dump \
		--plain "$share/plain" --memory 1
	"$tools/seimg" keys "$share/image" --host-private-key "$images/host.key" -o "$share/key"
	"$tools/dumpcmp" regs -o "$share/registers" --cpus 2
	{
		echo "share /share"
		echo "$load"
		echo "copy /share/key $debugfs/header_keys"
		echo "copy /share/registers $debugfs/registers"
		for op in share=0x10000 share=0x20000 share=0x3f000 share=0x21000 unshare=0x21000 \
			export=0x30000 export=0x31000 import=0x31000; do
			echo "write $debugfs/objects \"${op%=*} gaddr=${op#*=}\""
		done
		echo "test pvdump -- /bin/pvdump -i /share/image -o /share/dump -m 1 -c 2"
		echo "write $debugfs/objects clear"
		echo "swap /dev/ram0"
		echo 'test swapped want=", 0 are not" --' \
			'/bin/pvdump -i /share/image -o /share/swapped -m 1 -c 2 --exec "swap-out 0x100000"'
	} | boot pages "$patched" "-t 300 -d $share" /uvsim.ko="$module" \
		/bin/pvdump="$tools/pvdump" /bin/sh="$BUILD/guest/init"
	# storage state: three pages are shared and mapped
	i=$(grep -aoP '\xff{4}\x00{11}\x06' "$share/dump" | wc -l)
	[ "$i" = 3 ] || die "$i pages are said to be shared and mapped, not 3"
	# and these alone can be read without the key
	at=$(("$("$CROSS-readelf" -lW "$share/dump" | awk '$1 == "LOAD" { print $2 }')"))
	for i in {0..63}; do
		! cmp -s -n 4096 -i "$((i * 4096)):$((at + i * 4096))" "$share/plain" "$share/dump" ||
			printf '%x ' "$i"
	done >"$share/readable"
	[ "$(cat "$share/readable")" = '10 20 3f ' ] ||
		die "readable without the key: pages $(cat "$share/readable")"
	for i in dump swapped; do
		"$TOP/scripts/zgetdump" -k "$images/cck.bin" "$share/$i" "$share/$i.decrypted"
		"$tools/dumpcmp" compare --plain "$share/plain" --regs "$share/registers" \
			"$share/$i.decrypted"
	done
}

# decrypted_right DUMP: zgetdump takes it, and it is what the guest was given
decrypted_right() {
	rm -f "$BUILD/flip/decrypted"
	"$TOP/scripts/zgetdump" -k owner/cck.bin "$1" "$BUILD/flip/decrypted" &&
		"$tools/dumpcmp" compare --plain owner/memory.plain --regs host/registers \
			"$BUILD/flip/decrypted"
}

# flip PART TEXT: a dump with one bit of PART flipped does not pass, and TEXT says why
flip() {
	local dump=host/guest.dump bad=$BUILD/flip/dump at byte
	mkdir -p "$BUILD/flip"
	[ -s "$BUILD/demo/image/owner/decrypted.elf" ] ||
		demo_of image
	cd "$BUILD/demo/image"
	decrypted_right "$dump"
	part() { readelf -lSW "$dump" | sed -nE "s/^.* ?$1 +$2 *([0-9a-fx]+) .*/\\1/p"; }
	case $1 in
	# a page of the kernel; the last byte of its tweak
	memory) at=$(($(part LOAD '') + 0x12345)) ;;
	metadata) at=$((0x$(part pv_mem_meta 'PROGBITS +[0-9a-f]+') + 16 * 0x12 + 15)) ;;
	completion) at=$((0x$(part pv_compl 'PROGBITS +[0-9a-f]+') + 100)) ;;
	# the first register of CPU 0, behind 1260 bytes of other notes
	cpu) at=$(($(part NOTE '') + 1260 + 32)) ;;
	esac
	cp "$dump" "$bad"
	byte=$(od -An -tx1 -j "$at" -N 1 "$bad" | tr -d ' ')
	printf '%b' "\\x$(printf %02x $((0x$byte ^ 1)))" |
		dd of="$bad" bs=1 seek="$at" conv=notrunc status=none
	[ "$(cmp -l "$dump" "$bad" | wc -l)" -eq 1 ]
	echo "$1: byte at $at flipped"
	if decrypted_right "$bad" >"$BUILD/flip/$1" 2>&1; then
		return 1
	fi
	cat "$BUILD/flip/$1"
	grep -q "$2" "$BUILD/flip/$1"
}
