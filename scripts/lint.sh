# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2164  # $source is the caller's; lib.sh has set -e
# Sourced by scripts/check: what can be said of the files without a boot.
# $source is the pristine kernel source.

lint=$BUILD/lint
series=$BUILD/series

# tracked: names of the files of this project, NUL behind each
tracked() {
	if [ -e "$TOP/.git" ]; then
		git -c safe.directory='*' -C "$TOP" ls-files -z --cached --others --exclude-standard
	else
		(cd "$TOP" && find . -path ./build -prune -o -type f -printf '%P\0')
	fi
}
created_by_series() { sed -n 's/^ create mode 100[0-9]* //p' "$TOP"/patches/*.patch; }

# Only the files that the series touches: git am, quilt and patch need no more.
make_lint_trees() {
	local f
	rm -rf "$lint"
	mkdir -p "$lint/git"
	"$TOP/scripts/series" "$series"
	sed -n 's|^diff --git a/.* b/||p' "$series"/*.patch | sort -u | while read -r f; do
		[ ! -e "$source/$f" ] || (cd "$source" && cp --parents -p "$f" "$lint/git/")
	done
	# says how git finds the function names in hunk headers
	[ ! -e "$source/.gitattributes" ] || cp -p "$source/.gitattributes" "$lint/git/"
	cp -a "$lint/git" "$lint/quilt"
	cp -a "$lint/git" "$lint/patch"
	cd "$lint/git"
	git init -q -b master .
	git config user.name lint
	git config user.email lint@localhost
	git add -A -f
	git commit -q -m base
	git tag base
}

lint_git_am() {
	make_lint_trees
	cd "$lint/git"
	git am --no-3way "$series"/*.patch
	[ -z "$(git status --porcelain)" ]
}

same_as_git() { diff -r -x .git -x .pc "$lint/git" "$1"; }

lint_quilt() {
	cd "$lint/quilt"
	QUILT_PATCHES=$series quilt --quiltrc=- push -a --fuzz=0 >log
	cat log
	grep -E 'fuzz|offset' log && return 1
	rm -rf .pc log
	same_as_git "$lint/quilt"
}

lint_patch() {
	local p
	cd "$lint/patch"
	for p in "$series"/*.patch; do
		patch -p1 -F0 --no-backup-if-mismatch -i "$p" >>"$lint/patch.log"
	done
	cat "$lint/patch.log"
	grep -E 'fuzz|offset' "$lint/patch.log" && return 1
	same_as_git "$lint/patch"
}

lint_round_trip() {
	local f
	"$TOP/scripts/refresh" "$lint/git" "$lint/repo"
	diff -r -x cover-letter "$TOP/patches" "$lint/repo/patches"
	created_by_series | while read -r f; do
		cmp "$TOP/$f" "$lint/repo/$f"
		[ "$(stat -c %a "$TOP/$f" | cut -c1)" = "$(stat -c %a "$lint/repo/$f" | cut -c1)" ]
	done
}

lint_one_home() {
	local n f
	# created twice, or created by one patch and edited by another
	sed -n 's|^diff --git a/.* b/||p' "$series"/*.patch | sort >"$lint/touched"
	created_by_series | sort >"$lint/created"
	uniq -d "$lint/touched" | comm -12 - <(sort -u "$lint/created") >"$lint/twice"
	[ ! -s "$lint/twice" ] || { cat "$lint/twice"; echo "touched by more than one patch"; return 1; }
	# every file at a kernel path is in the series
	tracked | tr '\0' '\n' |
		grep -E '^(Documentation|arch|drivers|fs|include|kernel|lib|mm|tools|virt)/' |
		sort >"$lint/here"
	diff "$lint/here" "$lint/created"
	n=$(wc -l <"$lint/created")
	while read -r f; do
		[ ! -e "$source/$f" ] || { echo "$f exists in the base"; return 1; }
	done <"$lint/created"
	echo "$n new files"
}

lint_checkpatch() {
	local p ignore bad=0
	# checkpatch leaves a cache file in the current directory
	mkdir -p "$BUILD/checkpatch"
	cd "$BUILD/checkpatch"
	# FILE_PATH_CHANGES: asks for a MAINTAINERS entry for each new file; the
	# kernel's own patterns claim them already. CAMELCASE: names of libcrypto,
	# which only the tools use. Signing off is up to whoever ships the patches
	# (git am -s).
	for p in "$series"/*.patch; do
		ignore=FILE_PATH_CHANGES
		! grep -q '^diff --git a/tools/kvm/pvdump/' "$p" || ignore+=,CAMELCASE
		"$source/scripts/checkpatch.pl" --root="$source" --strict --no-signoff \
			--ignore $ignore "$p" || bad=1
	done
	return $bad
}

lint_shellcheck() {
	cd "$TOP"
	grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' -r scripts qemu .ci |
		xargs shellcheck -x -P SCRIPTDIR
}

lint_codespell() {
	cd "$TOP"
	tracked | grep -zvE '^(COPYING|patches/)' | xargs -0 codespell -L fpr,inout,parm,sie
}

lint_no_host_names() {
	cd "$TOP"
	local re='(debian|ubuntu|launchpad|pypi|npmjs|github|gitlab|golang|docker)[.](org|com|net|io)'
	re+='|(cdn|git|mirrors|www)[.]kernel[.]org'
	! tracked | xargs -0 grep -nE "$re"
}

lint_sorted() {
	local f
	for f in "$TOP"/arch/s390/configs/*.config \
		 "$TOP"/tools/testing/selftests/kvm/s390x/pv_dump/config; do
		sed '/^#/d' "$f" | sort -uc
	done
	sed -n '/^packages=(/,/^)/s/^\t//p' "$TOP/scripts/setup" | sort -uc
}

run_lint() {
	t series-git-am lint_git_am
	t series-quilt lint_quilt
	t series-patch lint_patch
	t series-refresh-round-trip lint_round_trip
	t series-one-home lint_one_home
	t checkpatch lint_checkpatch
	t shellcheck lint_shellcheck
	t codespell lint_codespell
	t no-host-names lint_no_host_names
	t lists-sorted lint_sorted
}
