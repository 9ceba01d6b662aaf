# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: boots of the kernel under test, and the test of who
# judges them.

# what the debug kernel is to watch, besides what it always does
watch_append="debug_pagealloc=on slub_debug=FZPU;FZPUA,kmalloc-4k"

# boot NAME O "RUN OPTIONS" [GUESTPATH=FILE...] <STEPS; $append: kernel parameters,
# $xfails have to fail
boot() {
	local name=$1 O=$2 opts=$3 dir=$BUILD/boot/$1
	shift 3
	mkdir -p "$dir"
	cat >"$dir/steps"
	pack "$O" "$dir/initrd" "$dir/steps" "$@"
	# shellcheck disable=SC2086  # options
	"$TOP/qemu/run" -l "$dir/log" -s "$SKIPS" -x "${xfails:-}" $opts \
		"$O/arch/s390/boot/bzImage" "$dir/initrd" ${append:-} ||
		{ local rc=$?; cat "$dir/log"; return $rc; }
}

# boot_once: the same, not again while nothing of it has changed; for what is the same
# each time, as tests of races are not
boot_once() {
	local steps f
	steps=$(cat)
	# shellcheck disable=SC2317  # called by cached
	boot_steps() { boot "$@" <<<"$steps"; }
	{
		echo "$steps" "${append:-}" "$SKIPS" "${xfails:-}"
		cat "$TOP/qemu/run" "$2/arch/s390/boot/bzImage" "$BUILD/guest/init"
		find "$2/arch/s390/kvm" -name kvm.ko -exec cat {} +
		for f in "${@:4}"; do
			echo "${f%%=*}"
			cat "${f#*=}"
		done
		cat "$TOP/scripts/tests/"{boot,uvsim,selftest}.sh
	} | cached "boot-$1" boot_steps "$@"
}

# No verdict but "pass" may come from a log in which something is missing.
judge_is_strict() {
	local good=$BUILD/boot/selftest/log bad=$BUILD/boot/bad-log n=0 edit
	"$TOP/qemu/run" -s "$SKIPS" -j "$good"
	while read -r edit; do
		sed -E "$edit" "$good" >"$bad"
		if cmp -s "$good" "$bad"; then
			echo "changes nothing: $edit"
			return 1
		fi
		if "$TOP/qemu/run" -s "$SKIPS" -j "$bad" >/dev/null; then
			echo "accepted: $edit"
			return 1
		fi
		n=$((n + 1))
	done <<-'EOF'
		d
		/^uvsim-run:/d
		/^uvsim-run:/s/violations=0/violations=1/
		/^uvsim-run:/s/leaks=-1/leaks=1/
		/^uvsim-run:/s/lockdep=-1/lockdep=0/
		/^uvsim-run:/s/taint=4096/taint=4608/
		/^1\.\./d
		/^    1\.\./d
		/^    1\.\./s/[0-9]+$/999/
		/^    ok 1 /d
		/^    ok 1 /s/ok/not ok/
		/^    ok 1 /s/$/ # SKIP/
		/^ok 1 /d
		/^ok 1 /s/^/not /
		/^ok 1 /s/$/ # SKIP/
		/^ok 1 /s/^/WARNING: CPU: 0 PID: 1\n/
		/^    ok 1 /s/^/    Bail out!\n/
	EOF
	# a kernel that does not look is no debug kernel
	"$TOP/qemu/run" -s "$SKIPS" -D -j "$good" >/dev/null && return 1
	# expected failures: for the reason that is given, and only what belongs to it
	local first why broke
	first=$(sed -n '/^    ok 1 /{s/^    ok 1 //p;q}' "$good")
	why="    # a_test.c:1:${first##*.}:Expected 0 (0) == why() (1)"
	broke="    # fixtures.h:2:${first##*.}:Expected violations_before (3) == sim_violations() (5)"
	# log_of EDIT LINES-IN-FRONT: the first test fails after these lines
	log_of() {
		awk -v name="$first" -v lines="$2" '
			$0 == "    ok 1 " name && !n++ { print lines; sub(/ok/, "not ok") }
			1' "$good" | sed "$1" >"$bad"
	}
	accepted() { "$TOP/qemu/run" -s "$SKIPS" -x "$1" -j "$bad" >/dev/null; }
	refused() {
		n=$((n + 1))
		! accepted "$1" || { echo "accepted: -x $1: $2"; return 1; }
	}
	log_of "" "$why"
	accepted "$first~why" || return 1
	refused "$first~who" "another reason"
	refused "$first" "no reason"
	refused "$first~why missing~why" "one that was not run"
	log_of "s/violations=0/violations=2/" "$why"
	refused "$first~why" "rules broken by nobody"
	refused "$first~why~violations" "rules broken by somebody else"
	log_of "s/violations=0/violations=2/" "$why"$'\n'"$broke"
	accepted "$first~why~violations" || return 1
	refused "$first~why" "rules broken in a test that fails by something else"
	log_of "s/violations=0/violations=3/" "$why"$'\n'"$broke"
	refused "$first~why~violations" "more rules broken than by the test"
	log_of "" "    # ${first##*.}: Test terminated by timeout"
	accepted "$first~timeout" || return 1
	refused "$first~why" "a timeout"
	cp "$good" "$bad"
	refused "$first~why" "one that passes"
	# and the ways in which a boot itself can go wrong
	"$TOP/qemu/run" -t 1 -l "$BUILD/boot/bad-log" /dev/null /dev/null >/dev/null && return 1
	: >"$BUILD/boot/steps"
	pack "$patched" "$BUILD/boot/no-init" "$BUILD/boot/steps"
	"$TOP/qemu/run" -t 20 -l "$BUILD/boot/bad-log" "$patched/arch/s390/boot/bzImage" \
		"$BUILD/boot/no-init" rdinit=/missing >/dev/null && return 1
	grep -q 'Kernel panic' "$BUILD/boot/bad-log"
	echo "$((n + 3)) broken runs turned down"
}

load='insmod /uvsim.ko
insmod /kvm.ko'
debugfs=/sys/kernel/debug/uvsim
pvdump='/bin/pvdump -i /good.se -o /out/dump -m 16 -c 2'
# the test that goes the whole way
happy=dump.two_cpus.plaintext_is_what_the_guest_was_given
