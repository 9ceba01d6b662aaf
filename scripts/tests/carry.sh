# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: taking the series to trees of all kinds with make apply.

# state TREE: its files, quilt's included, and what git thinks of them
state() {
	(cd "$1" && find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0r sha256sum
		[ ! -e .git ] || { git rev-parse HEAD; git status --porcelain; })
}

# has_series TREE: no file is other than git am made it
has_series() {
	local f
	touched | while read -r f; do
		cmp "$lint/git/$f" "$1/$f"
	done
}
apply() { "$TOP/scripts/apply" "$1"; }

# refuses TREE "MESSAGE": with a message that says why, and nothing is changed
refuses() {
	state "$1" >"$lint/before"
	if apply "$1" >"$lint/refused" 2>&1; then
		echo "$1: not refused ($2)"
		return 1
	fi
	cat "$lint/refused"
	grep -q -- "$2" "$lint/refused"
	state "$1" | diff "$lint/before" -
}

# another_version TREE: changes what the first patch edits
another_version() {
	local f
	f=$(sed -n 's|^+++ b/||p' "$series"/0001-*.patch | head -n 1)
	sed -i 's/$/ /' "$1/$f"
}

carry_git() {
	local tree=$lint/carry-git file
	git_tree "$tree"
	git tag start
	mkdir -p "$lint/no-tree"
	refuses "$lint/no-tree" "no kernel tree"
	# uncommitted, in the index, in the way, another version, am under way
	echo >>Kbuild
	refuses "$tree" "uncommitted changes"
	git add Kbuild
	refuses "$tree" "uncommitted changes"
	git reset -q --hard start
	for file in $(created_by_series | tail -n 1); do
		mkdir -p "${file%/*}"
		echo mine >"$file"
		refuses "$tree" "does not apply"
		rm "$file"
		rmdir -p --ignore-fail-on-non-empty "${file%/*}"
	done
	another_version .
	git commit -qam "another version"
	refuses "$tree" "0001.* does not apply"
	git reset -q --hard start
	mkdir .git/rebase-apply
	refuses "$tree" "in the middle of"
	rmdir .git/rebase-apply
	apply "$tree"
	git_is_clean
	[ "$(git rev-list --count start..)" -eq "$(wc -l <"$series/series")" ]
	has_series "$tree"
	refuses "$tree" " already"
}

# quilt_tree TREE PATCHES: with a patch that was there before
quilt_tree() {
	base_files "$1"
	mkdir -p "$1/$2"
	cd "$1"
	printf -- '--- a/Kbuild\n+++ b/Kbuild\n@@ -1 +1,2 @@\n%s\n+# changed\n' "$(sed -n '1s/^/ /p' Kbuild)" \
		>"$2/first.patch"
	printf '# what is ours\nfirst.patch\n' >"$2/series"
	QUILT_PATCHES=$2 quilt --quiltrc=- push -a -q
}

carry_quilt_in() { # PATCHES SUBDIR
	local tree=$lint/carry-quilt n
	n=$(wc -l <"$series/series")
	quilt_tree "$tree" "$1"
	state "$tree" | grep -vE 'Kbuild|[.]pc|series|first.patch' >"$lint/carry-quilt.before"
	export QUILT_PATCHES=$1
	quilt --quiltrc=- pop -q
	refuses "$tree" "unapplied patches"
	quilt --quiltrc=- push -a -q
	echo "# more" >>Kbuild
	refuses "$tree" "quilt refresh"
	quilt --quiltrc=- refresh
	# no end of line: the next name must not end up behind it
	printf '# what is ours\nfirst.patch' >"$1/series"
	apply "$tree"
	[ "$(quilt --quiltrc=- applied | wc -l)" -eq $((n + 1)) ]
	[ "$(grep -c "^$2/" "$1/series")" -eq "$n" ]
	has_series "$tree"
	refuses "$tree" " already"
	# and the way back; then the patches are there, but not applied
	quilt --quiltrc=- pop -q "$n"
	refuses "$tree" "unapplied patches"
	sed -i '/pv-dump/d' "$1/series"
	refuses "$tree" "exists"
	rm -r "${1:?}/$2"
	state "$tree" | grep -vE 'Kbuild|[.]pc|series|first.patch' |
		diff "$lint/carry-quilt.before" -
}

carry_quilt() { carry_quilt_in patches pv-dump; }

carry_debian_layout() { carry_quilt_in debian/patches features/s390x/pv-dump; }

carry_plain() {
	local tree=$lint/carry-plain
	base_files "$tree"
	# what fails half way changes nothing
	mkdir -p "$lint/bin"
	cat >"$lint/bin/cat" <<-'EOF'
		#!/bin/sh
		[ "${1##*/}" != pv.c ] || exit 1
		exec /bin/cat "$@"
	EOF
	chmod +x "$lint/bin/cat"
	PATH="$lint/bin:$PATH" refuses "$tree" "is as it was"
	apply "$tree"
	has_series "$tree"
	refuses "$tree" " already"
	base_files "$tree"
	another_version "$tree"
	refuses "$tree" "does not apply"
	refuses "$lint/nowhere" "no kernel tree"
}

# The real thing: Debian's source package, all of its patches, then ours
debian_source() {
	debian_tree "$1"
	configure
	objects y
}

# debian_tree DIR: the package of DIR in $work/tree, all of that done to it
debian_tree() {
	local deb=$1
	mkdir "$work/tree"
	tar -C "$work/tree" --strip-components=1 --no-same-owner -xf "$deb"/*.orig.tar.xz
	tar -C "$work/tree" --no-same-owner -xf "$deb"/*.debian.tar.xz
	cd "$work/tree"
	grep -E '^(VERSION|PATCHLEVEL) = ' Makefile
	[ "$(sed -nE 's/^(VERSION|PATCHLEVEL) = //p' Makefile | paste -sd .)" = "$KERNEL" ]
	export QUILT_PATCHES=debian/patches
	quilt --quiltrc=- push -a -q --fuzz=0 >"$work/quilt"
	quilt --quiltrc=- applied | wc -l
	apply "$work/tree"
	quilt --quiltrc=- applied | tail -n "$(wc -l <"$series/series")"
	# as dpkg-buildpackage would do it: from nothing, by the series file
	quilt --quiltrc=- pop -a -q >"$work/quilt"
	quilt --quiltrc=- push -a -q --fuzz=0 >"$work/quilt"
	[ "$(quilt --quiltrc=- applied | wc -l)" -eq "$(grep -c "^[^#]" debian/patches/series)" ]
}

carry_debian_source() {
	local deb=$CACHE/deb/$PACKAGE-orig
	"$TOP/scripts/fetch" "$deb" "$SUITE" source "$SOURCE"
	{
		cat "$series"/*.patch "$TOP"/scripts/{apply,series,tests/compile.sh}
		cat "$TOP/arch/s390/configs/uvsim.config"
		(cd "$deb" && sha256sum -- *)
	} | cached debian-source debian_source "$deb"
}

# That package with a test more, by Debian's own runner, on this machine
debian_autopkgtest() {
	local test
	debian_tree "$1"
	mkdir -p debian/tests
	for test in "$TOP"/.ci/debian/tests/*; do
		[ "${test##*/}" = control ] || cp "$test" debian/tests/
	done
	{ echo; cat "$TOP/.ci/debian/tests/control"; } >>debian/tests/control
	autopkgtest --test-name=pv-dump --no-built-binaries --output-dir="$work/out" "$work/tree" \
		-- null
	grep -E '^pv-dump +PASS$' "$work/out/summary"
	grep -c '^built [a-z_]*_test$' "$work/out/pv-dump-stdout"
}

carry_autopkgtest() {
	local deb=$CACHE/deb/$PACKAGE-orig
	"$TOP/scripts/fetch" "$deb" "$SUITE" source "$SOURCE"
	{
		cat "$series"/*.patch "$TOP"/scripts/{apply,series} "$TOP"/.ci/debian/tests/*
		(cd "$deb" && sha256sum -- *)
	} | cached debian-autopkgtest debian_autopkgtest "$deb"
}
