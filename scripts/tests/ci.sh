# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what others' CI is told to do.

# ci_part FILE scripts|kernels: what the jobs of a definition run, a line each; the
# kernels that they do it for
ci_part() {
	/usr/bin/python3 - "$1" "$2" <<-'EOF'
		import sys, yaml
		definition = yaml.safe_load(open(sys.argv[1]))
		scripts, kernels = [], []
		if "jobs" in definition:
		    for job in definition["jobs"].values():
		        kernels += job["strategy"]["matrix"]["kernel"]
		        assert job["env"]["KERNEL"] == "${{ matrix.kernel }}"
		        scripts += [step["run"] for step in job["steps"] if "run" in step]
		else:
		    for job in definition.values():
		        kernels += [k for row in job["parallel"]["matrix"] for k in row["KERNEL"]]
		        scripts += job["script"]
		print(*(scripts if sys.argv[2] == "scripts" else kernels), sep="\n")
	EOF
}

# What KernelCI is told is of one piece, and is what the test kselftest does. Whether it
# is what KernelCI takes nobody can say here: no schema of it is to be had.
ci_kernelci() {
	/usr/bin/python3 - "$TOP/.ci/kernelci.yml" <<-'EOF'
		import sys, yaml
		config = yaml.safe_load(open(sys.argv[1]))
		assert set(config) == {"platforms", "jobs", "scheduler"}
		jobs, platforms = config["jobs"], config["platforms"]
		seen = set()
		for entry in config["scheduler"]:
		    job = jobs[entry["job"]]
		    seen.add(entry["job"])
		    event = entry["event"]
		    if job["kind"] == "kbuild":
		        assert event["kind"] == "checkout"
		        assert job["params"]["fragments"] == ["kselftest"]
		        assert job["params"]["defconfig"] == "defconfig"
		    else:
		        assert jobs[event["name"]]["kind"] == "kbuild" and event["result"] == "pass"
		        assert job["params"]["collection"] == "kvm"
		        for name in entry["platforms"]:
		            assert platforms[name]["arch"] == jobs[event["name"]]["params"]["arch"]
		            assert platforms[name]["context"]["extra_kernel_args"] == "uvsim=on"
		assert seen == set(jobs), set(jobs) - seen
	EOF
}

# ci_make TEXT STATUS: what stands in for make, which would run all tests, this one too
ci_make() {
	cat >"$lint/ci/bin/make" <<-EOF
		#!/bin/sh
		echo "make \$* KERNEL=\$KERNEL"
		echo "$1"
		exit $2
	EOF
	chmod +x "$lint/ci/bin/make"
}

# The definitions for GitHub and GitLab: they are for all kernels, and the status of what
# they run is that of the tests. Where they run has no git, no terminal and no make that
# has been run before.
ci_definitions() {
	local f script kernel n=0
	ci_kernelci
	rm -rf "$lint/ci"
	mkdir -p "$lint/ci/bin"
	for f in .github/workflows/check.yml .gitlab-ci.yml; do
		ci_part "$TOP/$f" kernels >"$lint/ci/kernels"
		diff "$lint/ci/kernels" <(tr ' ' '\n' <<<"$KERNELS")
		ci_part "$TOP/$f" scripts >"$lint/ci/scripts"
		[ -s "$lint/ci/scripts" ]
		while read -r script; do
			echo "$f: $script"
			kernel=$(tail -n 1 "$lint/ci/kernels")
			ci_make "3 passed, 0 failed, 1 skipped" 0
			ci_run "$script" "$kernel" >"$lint/ci/log"
			grep -qx "make check KERNEL=$kernel" "$lint/ci/log"
			[ "$(tail -n 1 "$lint/ci/log")" = "3 passed, 0 failed, 1 skipped" ]
			ci_make "2 passed, 1 failed, 0 skipped" 2
			! ci_run "$script" "$kernel" >"$lint/ci/log" || { echo "passes where tests fail"; return 1; }
			ci_make "killed" 0
			ci_run "$script" "$kernel" >"$lint/ci/log" || :
			[ "$(tail -n 1 "$lint/ci/log")" = "0 passed, 1 failed, 0 skipped" ]
			n=$((n + 1))
		done <"$lint/ci/scripts"
	done
	[ $n -eq 2 ]
	# on 5.10 two times the tests, and what is one each
	ci_make "3 passed, 0 failed, 1 skipped" 0
	ci_run .ci/run 5.10 >"$lint/ci/log"
	[ "$(tail -n 1 "$lint/ci/log")" = "9 passed, 0 failed, 2 skipped" ]
	ci_make "2 passed, 1 failed, 0 skipped" 2
	! ci_run .ci/run 5.10 >"$lint/ci/log" || { echo "passes where tests fail"; return 1; }
	[ "$(tail -n 1 "$lint/ci/log")" = "4 passed, 5 failed, 0 skipped" ]
}

ci_run() {
	(cd "$TOP" && env PATH="$lint/ci/bin:$PATH" KERNEL="$2" sh -e -c "$1" </dev/null)
}
