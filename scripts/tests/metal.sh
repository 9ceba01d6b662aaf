# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: qemu/metal, a program without an operating system that tests
# the machine that it is on, instruction by instruction. On QEMU's TCG itself - which says
# that its tests are right, but for what TCG is known not to do, see is_bare there -, and
# in uvsim as a guest and as a protected guest, where nothing is let off.

build_metal() {
	local dir=$TOP/qemu/metal
	"$CROSS-gcc" -m64 -march=z13 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -no-pie \
		-fno-stack-protector -fno-asynchronous-unwind-tables -fno-toplevel-reorder \
		-msoft-float -mno-vx -nostdlib -static -Wa,--noexecstack -Wl,--build-id=none \
		-Wl,-T,"$dir/metal.lds" -o metal.elf "$dir"/*.S "$dir"/*.c
	"$CROSS-objcopy" -O binary metal.elf metal
}

# metal_passed LOG WHERE: it says where it was, all tests are there, and none failed
metal_passed() {
	grep -a -e '^# ' -e '^not ok' "$1" || :
	grep -axq "# $2" "$1"
	grep -axq '# metal: 0 failed' "$1"
	tests=$(sed -n 's/^1\.\.//p' "$1")
	[ "$tests" -gt 40 ]
	[ "$(grep -ac '^ok ' "$1")" -eq "$tests" ]
	[ "$(grep -ac '^not ok' "$1")" -eq 0 ]
	echo "$2: $tests tests"
}

metal_console="-device sclpconsole,chardev=metal -chardev file,id=metal,path="

guests_metal() {
	local files qemu tests guests=$BUILD/metal${watch:+-debug} name
	rm -rf "$guests"
	mkdir -p "$guests/share"
	cd "$guests"
	build_metal
	read -ra qemu <<<"${QEMU:-qemu-system-s390x} -M s390-ccw-virtio -cpu max -m 32 -smp 2 -nodefaults -display none -no-reboot -append bare -kernel metal ${metal_console}bare.log"
	timeout 600 "${qemu[@]}" </dev/null
	metal_passed bare.log "the bare machine"
	make_image metal --kernel metal
	for name in plain protected; do
		guest_scenario "metal-$name" <<-EOF
			event GUEST_PANICKED
		EOF
	done
	build_vmm >files
	mapfile -t files <files
	{
		guest_load metal
		guest_qemu metal-plain 32 2 "-machine s390-ccw-virtio -kernel /metal ${metal_console}/share/plain.log"
		guest_qemu metal-protected 32 2 "$guest_pv -kernel /metal.se ${metal_console}/share/protected.log"
	} | boot "${guests##*/}" "$patched" "-t 2000 -m 2G ${watch:-} -d $guests/share" /uvsim.ko="$module" \
		/metal=metal /metal.se=metal.se /metal-plain.qmp=metal-plain.qmp \
		/metal-protected.qmp=metal-protected.qmp "${files[@]}"
	metal_passed share/plain.log "a guest"
	metal_passed share/protected.log "a protected guest"
}
