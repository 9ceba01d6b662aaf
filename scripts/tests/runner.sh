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

# cached NAME FUNCTION...: the minutes of FUNCTION only if it, what it calls, the
# base, the compilers, or what is given on stdin have changed since its last
# success, or with REPEAT=1. What is not repeated says when that was.
cached() {
	local dir=$CACHE/lint mark rc=0
	mark=$dir/$1-$({
		cat
		declare -f "$2" || :
		declare -f kmk configure objects new_objects full_tree apply_patch code warnings
		echo "$source"
		"$CROSS-gcc" --version
		sparse --version
	} | hash)
	shift
	if [ -e "$mark" ] && [ -z "${REPEAT:-}" ]; then
		touch "$mark"
		cat "$mark"
		return
	fi
	mkdir -p "$dir"
	find "$dir" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
	work=$(mktemp -d "$dir/work.XXXXXX")
	("$@") >"$work/log" 2>&1 &
	wait $! || rc=$?
	cat "$work/log"
	[ "$rc" -ne 0 ] || {
		sed "1i $(date '+of %F %R')" "$work/log" >"$work/mark"
		mv "$work/mark" "$mark"
	}
	rm -rf "$work"
	return $rc
}
