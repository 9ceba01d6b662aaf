# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: the files of this project and of the series, and kernel
# trees to try the series on. $source is the pristine kernel source.

lint=$BUILD/lint-$KERNEL
series=$lint/series
stored=$TOP/patches/$KERNEL

# tracked: names of the files of this project, NUL behind each
tracked() {
	if [ -e "$TOP/.git" ]; then
		git -c safe.directory='*' -C "$TOP" ls-files -z --cached --others --exclude-standard
	else
		(cd "$TOP" && find . -path ./build -prune -o -type f -printf '%P\0')
	fi
}

# created_by_series: paths in the kernel; home FILE: where that is here; there FILE:
# the other way
created_by_series() { created "$stored"/*.patch; }
there() { sed "$(paths_sed)" <<<"$1"; }
home() { sed "$(paths_sed back)" <<<"$1"; }

# touched: names of the kernel files that the series touches
touched() { sed -n 's|^diff --git a/.* b/||p' "$series"/*.patch | sort -u; }

# base_files DIR: only what the series touches, and what makes it look like a
# kernel; git am, quilt and patch need no more
base_files() {
	rm -rf "$1"
	mkdir -p "$1"
	(cd "$source"
	{ touched; printf '%s\n' Kbuild Makefile include/uapi/linux/kvm.h; } | sort -u |
		while read -r f; do [ ! -e "$f" ] || echo "$f"; done | xargs cp --parents -p -t "$1")
	# says how git finds the function names in hunk headers
	[ ! -e "$source/.gitattributes" ] || cp -p "$source/.gitattributes" "$1/"
}

# git_tree DIR: the same, as the commit that is tagged base
git_tree() {
	base_files "$1"
	cd "$1"
	git init -q -b master .
	git config user.name lint
	git config user.email lint@localhost
	git add -A -f
	git commit -q -m base
	git tag base
}

# git_is_clean: no change and no new file in the current directory
git_is_clean() {
	local dirty
	dirty=$(git status --porcelain)
	[ -z "$dirty" ]
}

# full_tree DIR: all of the base, as hard links, so its files may be replaced,
# but not written to. DIR is in the cache, where links are possible
full_tree() {
	mkdir -p "${1%/*}"
	rm -rf "$1"
	cp -al "$source" "$1"
}

apply_patch() { patch -d "$1" -p1 -F0 -s --no-backup-if-mismatch -i "$2"; }

# same_but_git A B
same_but_git() { diff -r -x .git -x .pc -x patches "$1" "$2"; }

# code: of a patch, what a compiler sees
code() {
	awk '/^From / { keep = 0 }
	     /^diff --git / { keep = $3 !~ "^a/(Documentation|tools|arch/s390/configs)/" }
	     keep' "$@"
}

# warnings ROOT: those of gcc and sparse on stdin, without line numbers
warnings() {
	{ grep -E '(warning|error):' || :; } |
		sed -E "s|^$1/||; s|^.*/(arch\|include\|mm\|kernel\|tools)/|\1/|; s/:[0-9]+(:[0-9]+)?:/:/" |
		sort -u
}
