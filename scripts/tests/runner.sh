# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: runs tests, side by side, counts them, and remembers the
# results of those that take minutes.

# a line per test: N passed, N failed, N skipped, NAME. "all" has one of its own:
# its tests are runs of this script
results=$BUILD/results${1:+-$1}
finished='' lanes=()
summary() {
	local failed
	# another Ctrl-C, or the first one of a terminal that has gone, changes nothing here
	trap '' INT TERM HUP PIPE
	stop_children $$
	[ -s "$results" ] || { echo "not ok: no test was run"; echo "0 1 0 none" >>"$results"; }
	[ -n "$finished" ] || { echo "not ok: ended early"; echo "0 1 0 end" >>"$results"; }
	failed=$(awk '$2 { print $4 }' "$results" | paste -sd ' ')
	[ -z "$failed" ] || echo "failed: $failed"
	awk '{ p += $1; f += $2; s += $3 }
	     END { print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped" }' "$results"
	[ -z "$failed" ] || exit 1
}

# stop_children PID: and what these have started
stop_children() {
	local child children=()
	read -ra children <"/proc/$1/task/$1/children" 2>/dev/null || :
	for child in "${children[@]}"; do
		stop_children "$child"
		kill "$child" 2>/dev/null || :
	done
}

# t NAME COMMAND...: one test, or as many as its last line of output says
t() {
	local name=$1 log=$BUILD/log/$1 start=$SECONDS rc=0 passed=0 failed=0 skipped=0 what='' when
	shift
	[[ $name =~ ^(${ONLY:-.*})$ ]] || return 0
	# in the background, so that set -e works in a function
	(trap - EXIT; "$@") >"$log" 2>&1 </dev/null &
	wait $! || rc=$?
	if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		what=": ${BASH_REMATCH[0]}"
		passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[3]}
		# an exit status and counts that disagree: red
		[ "$rc" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	elif [ "$rc" -eq 0 ]; then
		passed=1
	else
		failed=1
	fi
	echo "$passed $failed $skipped $name" >>"$results"
	if [ "$failed" -eq 0 ]; then
		when=$(sed -nE '1s/^of [-0-9]+ [0-9:]+$/, &/p' "$log")
		echo "ok $name$what ($((SECONDS - start)) s$when)"
	else
		# in one piece
		echo "$(tail -n 60 "$log")
not ok $name$what ($((SECONDS - start)) s; whole log: $log)"
	fi
}

# lane FUNCTION: its tests beside those of other lanes, of which as many run as
# there are CPUs; one where there is not the memory for several QEMUs
lane() {
	local most
	most=$(awk -v n="$(nproc)" '/^MemAvailable/ { print $2 < 6 * 1024 * 1024 ? 1 : n }' /proc/meminfo)
	while [ "$(jobs -rp | wc -l)" -ge "$most" ]; do
		sleep 0.2
	done
	(
		"$1"
		echo "$1" >>"$results-lanes"
	) </dev/null &
	lanes+=("$1")
}

wait_lanes() {
	local lane
	wait
	for lane in "${lanes[@]}"; do
		grep -qx "$lane" "$results-lanes" || {
			echo "not ok: $lane ended early"
			echo "0 1 0 $lane" >>"$results"
		}
	done
}

# tool_versions: of all that has a part in results
tool_versions() {
	local c
	for c in "$CROSS-gcc" "$CROSS-g++" "$CROSS-ld" gcc sparse make patch quilt git perl bash \
		qemu-s390x-static; do
		"$c" --version
	done
	read -ra qemu <<<"${QEMU:-qemu-system-s390x}"
	echo "${QEMU:-}"
	"${qemu[@]}" --version
}

# defined_in FUNCTION: the file
defined_in() {
	shopt -s extdebug
	declare -F "$1" | cut -d' ' -f3-
}

# cached NAME COMMAND...: the minutes of COMMAND, a function or a script, only if
# anything it depends on has changed since its last success, or with REPEAT=1: its
# file, those that all tests share, the base, tools, and what is given on stdin. What is
# not repeated says when that was. Nothing for races, which are another one each time.
cached() {
	local dir=$CACHE/lint mark rc=0
	mark=$dir/$1-$({
		cat
		shift
		echo "${*//"$TOP"/}"
		if declare -F "$1" >/dev/null; then cat "$(defined_in "$1")"; else cat "$1"; fi
		cat "$TOP"/scripts/{lib.sh,guest.sh,tests/runner.sh,tests/trees.sh}
		echo "$source"
		tool_versions
	} | hash)
	shift
	if [ -e "$mark" ] && [ -z "${REPEAT:-}" ]; then
		touch "$mark"
		cat "$mark"
		return
	fi
	mkdir -p "$dir"
	# marks, and what killed runs have left
	find "$dir" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
	work=$(mktemp -d "$dir/work.XXXXXX")
	("$@") >"$work/log" 2>&1 &
	wait $! || rc=$?
	cat "$work/log"
	[ "$rc" -ne 0 ] || {
		{ date '+of %F %R'; cat "$work/log"; } >"$work/mark"
		mv "$work/mark" "$mark"
	}
	rm -rf "$work"
	return $rc
}

# t_once NAME INPUTS COMMAND...: one test, cached; INPUTS is a function that prints all
# that it depends on beside what cached knows. For what is the same each time.
t_once() { t "$1" once "$@"; }
once() { "$2" | cached "$1" "${@:3}"; }

# content_of PREFIX...: modes and contents of the project's files whose names begin so
content_of() {
	local f prefix files=()
	cd "$TOP"
	while IFS= read -rd '' f; do
		for prefix; do
			# one that was removed is still in the index
			[[ ! -e $f || $f != "$prefix"* ]] || files+=("$f")
		done
	done < <(tracked | sort -z)
	[ ${#files[@]} -gt 0 ]
	stat -c '%a %n' "${files[@]}"
	cat "${files[@]}"
}

# INPUTS of tests that boot: kernels, modules, programs, scripts
in_machines() {
	local f
	for f in "$patched" ${base:+"$base"}; do
		cat "$f/arch/s390/boot/bzImage"
		find "$f/arch/s390/kvm" -name '*.ko' -exec cat {} +
	done
	for f in "$module" "${module%.ko}_test.ko" ${base_module:+"$base_module"} "${test[@]#*=}" \
		"$tools/pvdump" "$tools/seimg" "$tools/dumpcmp"; do
		cat "$f"
	done
	echo "$SKIPS ${XFAILS:-} ${AS_IS:-} ${PATCHED:-}"
	in_packages
	in_scripts
	content_of arch/ hwkit/ tools/
}

# of those that need Debian's QEMU in the machine, or zgetdump: these are fetched first,
# or the first run from an empty cache would have other ones than the next
in_packages() {
	local packages
	read -ra packages <<<"$VMM_PACKAGES"
	deb_root vmm "$VMM_SUITES" "${packages[@]}" >/dev/null
	"$TOP/scripts/zgetdump" >/dev/null
	(cd "$CACHE/deb" && ls -- vmm/*.deb tools/*.deb)
}

# of those that the newest QEMU runs
in_newest_qemu() {
	in_machines
	use_newest_qemu
	# shellcheck disable=SC2086  # a command with options
	$QEMU --version
}

# what all of them are said and judged by
in_scripts() {
	content_of Makefile kernels.mk .ci/ qemu/ scripts/ "patches/$KERNEL/"
}

# of tests of the scripts themselves, which are tried on all of the project
in_project() { content_of ''; }

# of tests that take the series elsewhere
in_series() {
	cat "$series"/* "$TOP"/scripts/{apply,series,refresh}
}
