# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: the series as patches and mails.

lint_git_am() {
	git_tree "$lint/git"
	git am --no-3way "$series"/*.patch
	git_is_clean
}

lint_quilt() {
	base_files "$lint/quilt"
	cd "$lint/quilt"
	QUILT_PATCHES=$series quilt --quiltrc=- push -a --fuzz=0 >"$lint/quilt.log"
	cat "$lint/quilt.log"
	grep -E 'with fuzz|\(offset ' "$lint/quilt.log" && return 1
	same_but_git "$lint/git" "$lint/quilt"
}

lint_patch() {
	local p
	base_files "$lint/patch"
	for p in "$series"/*.patch; do
		patch -d "$lint/patch" -p1 -F0 --no-backup-if-mismatch -i "$p"
	done >"$lint/patch.log"
	cat "$lint/patch.log"
	grep -E 'with fuzz|\(offset ' "$lint/patch.log" && return 1
	same_but_git "$lint/git" "$lint/patch"
}

lint_round_trip() {
	local f
	rm -rf "$lint/repo"
	"$TOP/scripts/refresh" "$lint/git" "$lint/repo"
	# another point release than the one that the series was made on has other blobs,
	# and lines elsewhere
	diff -r -x cover-letter ${KERNEL_SRC:+-I '^index [0-9a-f]*\.\.' -I '^@@ -[0-9,]* +[0-9,]* @@'} \
		"$stored" "$lint/repo/patches/$KERNEL"
	created_by_series | while read -r f; do
		f=$(home "$f")
		cmp "$TOP/$f" "$lint/repo/$f"
		[ "$(stat -c %a "$TOP/$f" | cut -c1)" = "$(stat -c %a "$lint/repo/$f" | cut -c1)" ]
	done
}

# What git send-email wants: headers in each file, subjects numbered, the cover
# letter first; and lines that survive a mail
lint_mbox() {
	local f n=0 total
	total=$(find "$series" -name '*.patch' | wc -l)
	[ -e "$series/cover-letter" ] || { echo "patches/$KERNEL has no cover-letter"; return 1; }
	for f in "$series/cover-letter" "$series"/*.patch; do
		git mailinfo -b "$lint/body" "$lint/diff" <"$f" >"$lint/headers"
		cat "$lint/headers"
		grep -q '^Author: .' "$lint/headers"
		grep -q '^Email: .*@.' "$lint/headers"
		grep -q '^Date: .' "$lint/headers"
		# mailinfo drops the number, which must be right
		grep -qE "^Subject: \[PATCH 0*$n/0*$total\] " "$f"
		# all but the diffstat
		sed '/^ .* | /,$d' "$lint/body" | grep -E '^.{81}' && return 1
		n=$((n + 1))
	done
	# what the table of deviations from mainline must have: a row for each
	[ -z "${HAS_DUMP:-}" ] || return 0
	for n in $(seq 1 19); do
		[ "$(grep -cE "^  W$n +[^ ].* (same|fixed|here)" "$series/cover-letter")" -eq 1 ] || {
			echo "cover-letter: not one row for W$n"
			return 1
		}
	done
}

# The simulator and the tests alone, behind what brings or mends the feature, and, where
# the base has it, without that
lint_kit() {
	local p rest=()
	KIT=1 "$TOP/scripts/series" "$lint/kit"
	for p in "$series"/*.patch; do
		[ ! -e "$lint/kit/${p##*/}" ] || break
		rest+=("$p")
	done
	[ ${#rest[@]} -gt 0 ] && compgen -G "$lint/kit/*.patch"
	git mailinfo "$lint/body" "$lint/diff" <"$lint/kit/cover-letter"
	git_tree "$lint/kit-git"
	git am -q --no-3way "${rest[@]}"
	git am --no-3way "$lint"/kit/*.patch
	[ -z "${HAS_DUMP:-}" ] || {
		git reset -q --hard base
		git am --no-3way "$lint"/kit/*.patch
	}
	git_is_clean
}

lint_one_home() {
	local n f kernel
	# created twice, or created by one patch and edited by another
	sed -n 's|^diff --git a/.* b/||p' "$series"/*.patch | sort >"$lint/touched"
	created_by_series | sort >"$lint/created"
	uniq -d "$lint/touched" | comm -12 - <(sort -u "$lint/created") >"$lint/twice"
	[ ! -s "$lint/twice" ] || { cat "$lint/twice"; echo "touched by more than one patch"; return 1; }
	while read -r f; do
		[ ! -e "$source/$f" ] || { echo "$f exists in the base"; return 1; }
	done <"$lint/created"
	# a series that brings the Makefile of a tool brings all of it
	tracked | tr '\0' '\n' | grep '^tools/' | sed "$(paths_sed)" | sort >"$lint/tools"
	while read -r f; do
		grep "^${f%Makefile}" "$lint/tools" | comm -23 - "$lint/created" >"$lint/missing"
		[ ! -s "$lint/missing" ] || { cat "$lint/missing"; echo "not in the series of $KERNEL, though $f is"; return 1; }
	done < <(grep '^tools/.*/Makefile$' "$lint/created")
	# every file at a kernel path is in the series of a kernel
	for kernel in $KERNELS; do
		[ ! -d "$TOP/patches/$kernel" ] ||
			created "$TOP/patches/$kernel"/*.patch | sed "$(KERNEL=$kernel paths_sed back)"
	done | sort -u >"$lint/homes"
	tracked | tr '\0' '\n' |
		grep -E '^(Documentation|arch|drivers|fs|include|kernel|lib|mm|tools|virt)/' |
		sort >"$lint/here"
	diff "$lint/here" "$lint/homes"
	n=$(wc -l <"$lint/created")
	echo "$n new files"
}

# plain PATCH: its message, with the paths of new files as they are here. A paragraph
# that begins with "Linux VERSION: " says why the patch is another one on that kernel.
plain() {
	sed -e '/^diff --git /,$d' -e '/^\(From \|Date:\)/d' "$1" |
		sed "$(KERNEL=$2 paths_sed back)" |
		awk -v RS= -v ORS='\n\n' '!/^Linux [0-9.]+: /'
}

# lines PATCH KERNEL: what it adds and removes, with paths as they are here; sorted, as
# files with another name come in another order
lines() {
	sed -n '/^diff --git /,$p' "$1" | grep -E '^[-+]' | grep -vE '^(\+\+\+|---) ' |
		sed "$(KERNEL=$2 paths_sed back)" | sort
}

# The same patch on two kernels has the same message, and differs in context only;
# or the message says why it does not.
lint_same_patch() {
	local kernel p q name n=0 bad=0
	for kernel in $KERNELS; do
		[ "$kernel" != "$KERNEL" ] || continue
		for p in "$stored"/*.patch; do
			name=${p##*/}
			name=${name#????-}
			q=$(compgen -G "$TOP/patches/$kernel/????-$name") || continue
			n=$((n + 1))
			diff -u <(plain "$p" "$KERNEL") <(plain "$q" "$kernel") ||
				{ echo "$name: another message for $kernel"; bad=1; }
			! cmp -s <(lines "$p" "$KERNEL") <(lines "$q" "$kernel") || continue
			grep -qE '^Linux [0-9.]+: ' "$p" "$q" || {
				diff -u <(lines "$p" "$KERNEL") <(lines "$q" "$kernel") || :
				echo "$name: other lines for $kernel; a paragraph \"Linux VERSION: ...\" has to say why"
				bad=1
			}
		done
	done
	echo "$n patches that other kernels have as well"
	return $bad
}

checkpatch() {
	local p ignore bad=0
	# checkpatch leaves a cache file in the current directory
	cd "$work"
	# FILE_PATH_CHANGES: asks for a MAINTAINERS entry for each new file; the
	# kernel's own patterns claim them already. CAMELCASE: names of libcrypto,
	# which only the tools use. PREFER_DEFINED_ATTRIBUTE_MACRO: newer ones want macros
	# that there are in the kernel only. Signing off is up to whoever ships the patches
	# (git am -s). UNKNOWN_COMMIT_ID: the repository that it finds here is not the
	# kernel's, so that it knows none of the ids of Fixes:. ALLOC_WITH_SIZEOF:
	# kzalloc_obj(), which only the newest kernels have.
	for p in "$series"/*.patch; do
		ignore=FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
		! grep -q '^diff --git a/tools/kvm/pvdump/' "$p" || ignore+=,CAMELCASE
		! grep -q '^diff --git a/tools/' "$p" || ignore+=,PREFER_DEFINED_ATTRIBUTE_MACRO,ALLOC_WITH_SIZEOF
		"$source/scripts/checkpatch.pl" --root="$source" --strict --no-signoff \
			--ignore $ignore "$p" || bad=1
	done
	return $bad
}

lint_checkpatch() {
	cat "$series"/*.patch | cached checkpatch checkpatch
}

lint_dist() {
	local tar=$BUILD/kvm-s390-pv-dump-$KERNEL.tar.xz dir=$lint/dist
	"$TOP/scripts/dist" "$tar"
	cp "$tar" "$lint/dist.tar.xz"
	(umask 077; TZ=Asia/Tokyo "$TOP/scripts/dist" "$tar")
	cmp "$tar" "$lint/dist.tar.xz"
	rm -rf "$dir"
	mkdir "$dir"
	tar -C "$dir" --strip-components=1 -xf "$tar"
	(cd "$dir" && ls && [ -s README ] && [ -s COPYING ] && [ -s cover-letter ])
	git_tree "$lint/dist-git"
	sed "s|^|$dir/|" "$dir/series" | xargs git am -q --no-3way
	same_but_git "$lint/git" "$lint/dist-git"
}
