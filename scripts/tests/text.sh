# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: scripts, lists, words and documents.

lint_shellcheck() {
	cd "$TOP"
	grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' -r scripts hwkit qemu .ci tools/kvm/pvdump tools/testing |
		xargs shellcheck -x -P SCRIPTDIR
}

# INPUTS of that for t_once
in_shell() {
	content_of scripts/ hwkit/ qemu/ .ci/ tools/
	shellcheck --version
}

lint_codespell() {
	cd "$TOP"
	tracked | grep -zvE '^(COPYING|patches/.*[.]patch$)' | xargs -0 codespell -L fpr,inout,parm,sie,stap
	# of a patch: its message and what it adds
	awk 'FNR == 1 { body = 0 }
	     /^---$/ { body = 1 }
	     !body || /^[+]/ { print FILENAME ":" FNR ": " $0 }' patches/"$KERNEL"/*.patch >"$lint/patches.txt"
	codespell -L fpr,inout,parm,sie,stap "$lint/patches.txt"
}

lint_no_host_names() {
	cd "$TOP"
	local re='(debian|ubuntu|launchpad|pypi|npmjs|github|gitlab|golang|docker)[.](org|com|net|io)'
	re+='|(cdn|git|mirrors|www)[.]kernel[.]org'
	# lines of the kernel around those that a patch changes are not ours
	tracked >"$lint/tracked"
	! xargs -0a "$lint/tracked" grep -nE "$re" | grep -vE '^patches/[^:]*[.]patch:[0-9]+: '
}

lint_sorted() {
	local f
	for f in "$TOP"/arch/s390/configs/*.config "$TOP"/qemu/*.config \
		 "$TOP"/tools/testing/selftests/kvm/s390/pv_dump/config; do
		sed '/^#/d' "$f" | sort -uc
	done
	sed -n '/^packages=(/,/^)/s/^\t//p' "$TOP/scripts/setup" | sort -uc
}

# What VMMs may take over says so in each file, and all else is the kernel's license: as
# COPYING has it, with the texts that it names, and as the installed files have it.
lint_licenses() {
	local f want got n=0 dir=tools/kvm/pvdump
	cd "$TOP"
	for f in "$dir" LICENSES/LGPL-2.1.txt LICENSES/BSD-2-Clause.txt LGPL-2.1 BSD-2-Clause; do
		grep -qF "$f" COPYING
	done
	[ -s LICENSES/LGPL-2.1.txt ]
	[ -s LICENSES/BSD-2-Clause.txt ]
	tracked >"$lint/licensed"
	while IFS= read -r -d '' f; do
		case $f in
		# the license itself, patches of the kernel's files, and what has no such line there
		COPYING | LICENSES/* | patches/* | MAINTAINERS | Documentation/ABI/* | *README | \
			*README.md | *.svg | *.gitignore | */pv_dump/config | *.cfg | \
			*/pv_dump/settings | .ci/debian/tests/control | \
			scripts/mutants-equivalent) continue ;;
		"$dir"/* | Documentation/virt/kvm/s390/*.c) want='(LGPL-2.1 OR BSD-2-Clause)' ;;
		*) want=GPL-2.0-only ;;
		esac
		got=$(head -n 3 "$f" | sed -nE 's|.*SPDX-License-Identifier: ([^*]*[^* ]).*|\1|p')
		[ "$got" = "$want" ] || { echo "$f: ${got:-no license}, not $want"; return 1; }
		n=$((n + 1))
	done <"$lint/licensed"
	[ "$n" -gt 200 ]
	echo "$n files"
}

# The files that scripts/check reads share their names: the last one would win.
lint_functions_once() {
	cd "$TOP/scripts"
	sed -n 's/^\([a-z_0-9]*\)() .*/\1/p' lib.sh guest.sh tests/*.sh | sort >"$lint/functions"
	[ "$(wc -l <"$lint/functions")" -gt 100 ]
	uniq -d "$lint/functions" >"$lint/functions.twice"
	cat "$lint/functions.twice"
	[ ! -s "$lint/functions.twice" ]
}

# set -e does not see that "! COMMAND" fails, nor the first of "[ A ] && [ B ]", unless
# that is the last thing in a function or a script.
lint_conditions() {
	cd "$TOP"
	# shellcheck disable=SC2016  # awk's variables
	grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' -r scripts hwkit qemu .ci tools/kvm/pvdump tools/testing |
		xargs awk '
			FNR == 1 { was = "" }
			was != "" && $1 != "}" && $1 != "exit" && $1 != "result" { print was; bad = 1 }
			{ was = "" }
			/^[[:space:]]*(! |\[ .*\] && \[ )/ && !/\|\|/ && !/then$/ && !/\\$/ {
				was = FILENAME ":" FNR ": " $0
			}
			END { exit bad }'
}

# A function of the simulator that says "uvsim_lock is held" asserts it.
lint_locks() {
	cd "$TOP/tools/testing/uvsim"
	awk '
		/^\/\*\*/ { said = 0 }
		/^ \* Context: uvsim_lock is held/ && !/ or / { said = 1 }
		/^[a-z].*[(]/ { name = FILENAME ":" FNR ": " $0 }
		/^{/ { asserted = 0 }
		/^\tlockdep_assert_held\(&uvsim_lock\);/ { asserted = 1 }
		/^}/ && said { n++ }
		/^}/ && said && !asserted { print name; bad = 1 }
		/^}/ { said = 0 }
		END { print n " functions"; exit bad || n < 30 }' ./*.c
}

lint_docs() {
	{ cat "$series"/*.patch "$TOP/scripts/docs"; sphinx-build --version; } |
		cached docs "$TOP/scripts/docs" "$lint/docs"
}
