# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: the selftest on kernels of all kinds.

# A kernel with tests that have to fail lets the whole of them fail.
boot_selftest() {
	local xfails=${XFAILS:-}
	boot selftest "$patched" "-t 1500" /uvsim.ko="$module" "${test[@]}" <<-EOF
		swap /dev/ram0
		$load
		$(selftest timeout=1400 ${XFAILS:+status=tap} ${AS_IS:+env=PV_DUMP_GENTLE=1})
	EOF
}

# make_debug: what those below boot, in front of lanes that would build it twice
make_debug() {
	debug=$("$TOP/scripts/kernel" debug)
	debug_module=$(build_module "$debug")
	debug_test=$(build_test "$debug")
	mapfile -t debug_test <<<"$debug_test"
}

# All of it once more where every access, lock and allocation is watched. There
# are fault injection and lockdep as well, so the tests that need them may not skip;
# those that look at free memory may, as KASAN keeps it back. Races are other ones each
# time, so these boot anew each time. The walks through all states and random calls take
# many minutes here: they are for make stress WATCH=debug.
boot_debug() { # BOOT-FUNCTION NAME GREP-OPTION...: which programs
	SKIPS=${SKIPS/dumping.failing_allocations_and_copies_lose_nothing}
	SKIPS=${SKIPS/big.at_most_four_calls_in_a_row_with_the_lock}
	SKIPS+=" dumping.memory_of_each_command_is_given_back"
	SKIPS+=" dumping.memory_of_undelivered_data_is_given_back"
	append=$watch_append \
		"$1" "$2" "$debug" "-t 3000 -m 2G -D" /uvsim.ko="$debug_module" \
		"${debug_test[@]}" <<-EOF
		swap /dev/ram0
		$load
		$(selftest timeout=1400 | grep "${@:3}")
	EOF
}

# watched FUNCTION...: a test of guests, on the kernel that watches
watched() {
	local patched=$debug module=$debug_module watch=-D
	append=$watch_append "$@"
}

in_watched() { watched in_machines; }

# /sys/firmware/uv is there for facility 158 only, which can be faked. The kernel
# must not be told prot_virt=1: it would call the Ultravisor before uvsim is there.
boot_sysfs() {
	SKIPS="" append="facilities=158" \
		boot sysfs "$patched" "-t 300" /uvsim.ko="$module" "${test[@]}" <<-EOF
		insmod /uvsim.ko force158=1
		insmod /kvm.ko
		tap info_test timeout=280 -- /selftest/info_test
	EOF
}

# needs_sim: the tests that skip without the simulator, as TEST or FIXTURE.TEST
needs_sim() {
	awk '/^TEST(_F|_F_TIMEOUT)?\(/ {
			name = $0
			sub(/^TEST[_A-Z]*\(/, "", name)
			sub(/\).*/, "", name)
			n = split(name, part, ", ")
			name = n == 1 ? "global." part[1] : part[1] "." part[2]
		}
		/^}/ { name = "" }
		/no_sim\(_metadata\)/ && name != "" { print name; name = "" }' "$SELFTEST"/*_test.c
}

# As on a machine with an Ultravisor: an image of a tool, its CCK, and no control file.
# What makes sense there has to pass, and only what needs the simulator may skip. Without
# the races, which selftest runs each time.
boot_image() {
	local alone=$BUILD/boot/image-alone
	mkdir -p "$BUILD/boot"
	cat >"$alone" <<-EOF
		mount -t tmpfs none $debugfs
		exec "\$@"
	EOF
	SKIPS="$SKIPS $(needs_sim | paste -sd ' ')" \
		boot image "$patched" "-t 900" /uvsim.ko="$module" "${test[@]}" \
		/small.se="$images/small.se" /small.key="$images/small.key" /cck="$images/cck.bin" \
		/alone="$alone" /bin/sh="$CACHE/root/tools/usr/bin/busybox" <<-EOF
		swap /dev/ram0
		$load
		copy /small.key $debugfs/header_keys
		$(selftest timeout=850 env=PV_DUMP_IMAGE=/small.se env=PV_DUMP_CCK=/cck |
			sed '/^tap race_test /d; s|-- |-- /bin/sh -c "unshare -m /bin/sh /alone |; s|$|"|')
	EOF
}

# What "make hwkit" makes, as its tester uses it: unpacked in the machine, the images are
# small ones of seimg, and of the simulator there is no more to see than of an
# Ultravisor. Each test has to pass, skip or fail as without the kit, and what calibrate
# shows has to be what it says of the simulator.
boot_hwkit() {
	local kit=$BUILD/hwkit/pv-dump-hwkit dir=$BUILD/boot/hwkit skips xfails='' x name
	"$TOP/scripts/hwkit" "$kit.tar.gz"
	[ "$(tar -xOf "$kit.tar.gz" pv-dump-hwkit/README | wc -l)" -le 10 ]
	mkdir -p "$dir"
	# that seimg works there as it does here
	tar -C "$dir" -xf "$kit.tar.gz" pv-dump-hwkit/seimg
	"$tools/seimg" info "$images/small.se" >"$dir/info"
	qemu-s390x-static "$dir/pv-dump-hwkit/seimg" info "$images/small.se" | cmp - "$dir/info"
	skips="$SKIPS $(needs_sim | paste -sd ' ')"
	for x in ${XFAILS:-}; do
		name=${x%%~*}
		# of fixtures with variants, as well
		[[ " $skips " == *" ${name%%.*}.${name##*.} "* ]] || xfails+=" $x"
	done
	cat >"$dir/tester" <<-EOF
		set -e
		mount -t tmpfs none $debugfs
		cd /kit
		gzip -dc /kit.tar.gz | tar x
		cd pv-dump-hwkit
		./run /small.se /cck /forbidden.se
	EOF
	append=${append:-} boot hwkit "$patched" "-t 1500" /uvsim.ko="$module" /kit.tar.gz="$kit.tar.gz" \
		/small.se="$images/small.se" /small.key="$images/small.key" /cck="$images/cck.bin" \
		/forbidden.se="$images/forbidden.se" /forbidden.key="$images/forbidden.key" \
		/tester="$dir/tester" /bin/sh="$CACHE/root/tools/usr/bin/busybox" \
		>"$dir/verdict" <<-EOF || [ -n "$xfails" ] || { cat "$dir/verdict"; return 1; }
		swap /dev/ram0
		tmpfs /kit size=256m
		$load
		copy /small.key $debugfs/header_keys
		copy /forbidden.key $debugfs/header_keys
		tap hwkit timeout=1400 ${xfails:+status=1} ${AS_IS:+env=PV_DUMP_GENTLE=1} -- /bin/sh -c "unshare -m /bin/sh /tester"
	EOF
	# The kit's results as those of the machine, so that the judge looks at each of them
	awk '/^    # Subtest: hwkit$/ { inside = 1; next }
	     inside && /^(not )?ok 1 - hwkit/ { inside = 0; ended = $0; next }
	     inside { sub(/^    /, "") }
	     inside && /^    # Subtest: / { failed = 0 }
	     inside && /^    not ok / { failed = 1 }
	     # what has to fail makes its program fail
	     inside && failed && /^not ok [0-9]+ - .* # exit status 1$/ {
		sub(/^not /, ""); sub(/ # exit.*/, "")
	     }
	     inside || !/^1[.][.]/
	     END { exit ended != "ok 1 - hwkit" }' "$dir/log" >"$dir/results"
	"$TOP/qemu/run" -s "$skips" -x "$xfails" -j "$dir/results"
}

# The same binary on the kernel without the feature: it must skip, not pass,
# and pvdump must say why it cannot work.
boot_unpatched() {
	mkdir -p "$BUILD/boot"
	SKIPS=$(selftest | cut -d ' ' -f 2 | paste -sd ' ')
	boot unpatched "$base" "-t 300" /uvsim.ko="$base_module" "${test[@]}" \
		/bin/pvdump="$tools/pvdump" /good.se="$images/good.se" \
		>"$BUILD/boot/unpatched.out" <<-EOF
		$load
		$(selftest timeout=280)
		tmpfs /out size=64m
		test no-capability status=1 want="KVM_CAP_S390_PROTECTED_DUMP" empty=/out -- $pvdump
	EOF
	cat "$BUILD/boot/unpatched.out" "$BUILD/boot/unpatched/log"
	grep -qx "1 passed, 0 failed, $(wc -w <<<"$SKIPS") skipped" "$BUILD/boot/unpatched.out"
	echo "skipped, as it must"
}

# The patched kernel where there is SIE, but no Ultravisor: all of info_test skips, once it
# has seen that each command is refused.
boot_without_uv() {
	mkdir -p "$BUILD/boot"
	SKIPS=info_test boot without-uv "$patched" "-t 900" /uvsim.ko="$module" "${test[@]}" \
		>"$BUILD/boot/without-uv.out" <<-EOF || [ $? = 4 ]
		insmod /uvsim.ko uv=0
		insmod /kvm.ko
		tap info_test timeout=280 -- /selftest/info_test
	EOF
	cat "$BUILD/boot/without-uv.out"
	grep -qx '0 passed, 0 failed, 1 skipped' "$BUILD/boot/without-uv.out"
	echo "skipped, as it must"
}

# A single broken UV call must turn the suite red, each of the four on its own.
# The suite clears the fault rules it finds, so it gets another file to clear.
boot_broken_uvc() {
	local cmd
	for cmd in 0x400 0x401 0x402 0x403; do
		boot "broken-$cmd" "$patched" "-t 900" /uvsim.ko="$module" \
			"${test[@]}" <<-EOF
			$load
			write $debugfs/faults "cmd=$cmd nth=1 rc=0x1234 rrc=0x5 count=0"
			bind /etc/steps $debugfs/faults
			test suite-with-broken-$cmd until="FAIL  $happy" timeout=850 -- /selftest/dump_test
		EOF
	done | grep passed,
	echo "red, as it must be"
}
