# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154,SC2164  # KERNEL, $source are the caller's; lib.sh has set -e
# Sourced by scripts/check: what can be said of the files without a boot.
# $source is the pristine kernel source.

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

# warnings ROOT: those of gcc and sparse on stdin, without line numbers
warnings() {
	{ grep -E '(warning|error):' || :; } |
		sed -E "s|^$1/||; s|^.*/(arch\|include\|mm\|kernel\|tools)/|\1/|; s/:[0-9]+(:[0-9]+)?:/:/" |
		sort -u
}

# ---- the series as patches ---------------------------------------------------

lint_git_am() {
	git_tree "$lint/git"
	git am --no-3way "$series"/*.patch
	[ -z "$(git status --porcelain)" ]
}

lint_quilt() {
	base_files "$lint/quilt"
	cd "$lint/quilt"
	QUILT_PATCHES=$series quilt --quiltrc=- push -a --fuzz=0 >"$lint/quilt.log"
	cat "$lint/quilt.log"
	grep -E 'fuzz|offset' "$lint/quilt.log" && return 1
	same_but_git "$lint/git" "$lint/quilt"
}

lint_patch() {
	local p
	base_files "$lint/patch"
	for p in "$series"/*.patch; do
		patch -d "$lint/patch" -p1 -F0 --no-backup-if-mismatch -i "$p"
	done >"$lint/patch.log"
	cat "$lint/patch.log"
	grep -E 'fuzz|offset' "$lint/patch.log" && return 1
	same_but_git "$lint/git" "$lint/patch"
}

lint_round_trip() {
	local f
	rm -rf "$lint/repo"
	"$TOP/scripts/refresh" "$lint/git" "$lint/repo"
	diff -r -x cover-letter "$stored" "$lint/repo/patches/$KERNEL"
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

checkpatch() {
	local p ignore bad=0
	# checkpatch leaves a cache file in the current directory
	cd "$work"
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

lint_checkpatch() {
	cat "$series"/*.patch | cached checkpatch checkpatch
}

# ---- what compilers say ------------------------------------------------------

# kmk ARG...: make in $work/tree, results in $work/O
kmk() {
	make -s -C "$work/tree" O="$work/O" ARCH=s390 CROSS_COMPILE="$CROSS-" -j"$(nproc)" "$@"
}

# configure [LINE...]: the configuration of the test kernel with LINEs instead
configure() {
	local line
	mkdir -p "$work/O"
	cp "$TOP/arch/s390/configs/uvsim.config" "$work/O/fragment"
	for line; do
		sed -i "/^${line%%=*}=/d" "$work/O/fragment"
		echo "$line" >>"$work/O/fragment"
	done
	kmk KCONFIG_ALLCONFIG="$work/O/fragment" allnoconfig
}

# objects M|Y|N: compiles what the series touches in arch/. With the module also
# W=1 and sparse; kbuild goes into boot/ when it is told that it is core
objects() {
	local list=(arch/s390/kernel/uv.o) flags=() f
	# in front of 7.3, and since then
	for f in arch/s390/kvm/{pv,kvm-s390} arch/s390/kvm/s390/{pv,s390}; do
		[ "$1" = n ] || [ ! -e "$source/$f.c" ] || list+=("$f.o")
	done
	[ "$1" != m ] || flags=(C=2 CF=-D__CHECK_ENDIAN__ W=1)
	(cd "$work/O" && rm -f "${list[@]}" arch/s390/boot/uv.o)
	kmk "${flags[@]}" "${list[@]}"
	if touched | grep -qx arch/s390/boot/uv.c; then
		kmk "${flags[@]}" core-y=arch/s390/boot/ arch/s390/boot/uv.o
		list+=(arch/s390/boot/uv.o)
	fi
	(cd "$work/O" && ls -- "${list[@]}" >/dev/null)
}

# The new files that a patch brings are compiled with the kernel it makes
new_objects() {
	local dir
	if grep -q '^+++ b/tools/testing/uvsim/uvsim.c' "$1"; then
		kmk C=2 CF=-D__CHECK_ENDIAN__ W=1 M="$work/tree/tools/testing/uvsim" uvsim.o
	fi
	for dir in tools/kvm/pvdump "$(there tools/testing/selftests/kvm/s390/pv_dump)"; do
		grep -q "^+++ b/$dir/" "$1" || continue
		kmk headers_install
		mkdir -p "$work/out"
		make -s -C "$work/tree/$dir" OUTPUT="$work/out" CROSS_COMPILE="$CROSS-" \
			"$([ "$dir" = tools/kvm/pvdump ] || echo "CC=$CROSS-gcc")" ARCH=s390 \
			KHDR="$work/O/usr/include"
	done
}

each_patch() { # M|Y|N
	local p n=0
	full_tree "$work/tree"
	case $1 in
	m) configure ;;
	y) configure CONFIG_KVM=y ;;
	n) configure CONFIG_KVM=n CONFIG_PROTECTED_VIRTUALIZATION_GUEST=y ;;
	esac
	grep -E 'CONFIG_(KVM|PGSTE|PROTECTED_VIRTUALIZATION_GUEST)\>' "$work/O/.config"
	grep -qx "$([ "$1" = n ] && echo '# CONFIG_KVM is not set' || echo "CONFIG_KVM=$1")" "$work/O/.config"
	objects "$1" >"$work/base" 2>&1 || { cat "$work/base"; return 1; }
	warnings "$work/tree" <"$work/base" >"$work/base.warnings"
	for p in "$series"/*.patch; do
		apply_patch "$work/tree" "$p"
		: >"$work/now"
		if [ -n "$(code "$p")" ]; then
			objects "$1" >"$work/now" 2>&1 || { cat "$work/now"; echo "with ${p##*/}"; return 1; }
			n=$((n + 1))
		fi
		if [ "$1" = m ]; then
			new_objects "$p" >>"$work/now" 2>&1 || { cat "$work/now"; echo "with ${p##*/}"; return 1; }
		fi
		warnings "$work/tree" <"$work/now" | comm -13 "$work/base.warnings" - >"$work/new"
		[ ! -s "$work/new" ] || { cat "$work/new"; echo "new with ${p##*/}"; return 1; }
	done
	[ "$n" -gt 0 ]
	echo "$n patches compiled"
}

lint_each_patch() {
	{
		code "$series"/*.patch
		cat "$TOP/arch/s390/configs/uvsim.config"
		[ "$1" != m ] || cat "$series"/*.patch
	} | cached "each-patch-$1" each_patch "$1"
}

# The exported headers as programs see them. What is asserted is the ABI, in
# numbers of its own, not in terms of the header.
consume_headers() {
	local p
	full_tree "$work/tree"
	for p in "$series"/*.patch; do
		apply_patch "$work/tree" "$p"
	done
	configure
	kmk headers_install
	cat >"$work/consumer.c" <<-'EOF'
		#include <linux/kvm.h>
		#include <linux/elf.h>
		#include <stddef.h>
		#ifdef __cplusplus
		#define ASSERT(e) static_assert(e, #e)
		#else
		#define ASSERT(e) _Static_assert(e, #e)
		#endif
		#define AT(type, field, offset, size) \
			ASSERT(offsetof(struct type, field) == offset); \
			ASSERT(sizeof(((struct type *)0)->field) == size)
		AT(kvm_pv_cmd, cmd, 0, 4);
		AT(kvm_pv_cmd, rc, 4, 2);
		AT(kvm_pv_cmd, rrc, 6, 2);
		AT(kvm_pv_cmd, data, 8, 8);
		AT(kvm_pv_cmd, flags, 16, 4);
		AT(kvm_pv_cmd, reserved, 20, 12);
		ASSERT(sizeof(struct kvm_pv_cmd) == 32);
		AT(kvm_s390_pv_dmp, subcmd, 0, 8);
		AT(kvm_s390_pv_dmp, buff_addr, 8, 8);
		AT(kvm_s390_pv_dmp, buff_len, 16, 8);
		AT(kvm_s390_pv_dmp, gaddr, 24, 8);
		AT(kvm_s390_pv_dmp, reserved, 32, 32);
		ASSERT(sizeof(struct kvm_s390_pv_dmp) == 64);
		AT(kvm_s390_pv_info_header, id, 0, 4);
		AT(kvm_s390_pv_info_header, len_max, 4, 4);
		AT(kvm_s390_pv_info_header, len_written, 8, 4);
		AT(kvm_s390_pv_info_header, reserved, 12, 4);
		ASSERT(sizeof(struct kvm_s390_pv_info_header) == 16);
		AT(kvm_s390_pv_info_dump, dump_cpu_buffer_len, 0, 8);
		AT(kvm_s390_pv_info_dump, dump_config_mem_buffer_per_1m, 8, 8);
		AT(kvm_s390_pv_info_dump, dump_config_finalize_len, 16, 8);
		ASSERT(sizeof(struct kvm_s390_pv_info_dump) == 24);
		AT(kvm_s390_pv_info_vm, inst_calls_list, 0, 32);
		AT(kvm_s390_pv_info_vm, max_cpus, 32, 8);
		AT(kvm_s390_pv_info_vm, max_guests, 40, 8);
		AT(kvm_s390_pv_info_vm, max_guest_addr, 48, 8);
		AT(kvm_s390_pv_info_vm, feature_indication, 56, 8);
		ASSERT(sizeof(struct kvm_s390_pv_info_vm) == 64);
		AT(kvm_s390_pv_info, header, 0, 16);
		AT(kvm_s390_pv_info, dump, 16, 24);
		AT(kvm_s390_pv_info, vm, 16, 64);
		ASSERT(sizeof(struct kvm_s390_pv_info) == 80);
		ASSERT(KVM_CAP_S390_PROTECTED_DUMP == 217);
		ASSERT(KVM_S390_PV_COMMAND == 0xc020aec5);
		ASSERT(KVM_S390_PV_CPU_COMMAND == 0xc020aed0);
		ASSERT(KVM_PV_ENABLE == 0);
		ASSERT(KVM_PV_UNSHARE_ALL == 6);
		ASSERT(KVM_PV_INFO == 7);
		ASSERT(KVM_PV_DUMP == 8);
		ASSERT(KVM_PV_DUMP_INIT == 0);
		ASSERT(KVM_PV_DUMP_CONFIG_STOR_STATE == 1);
		ASSERT(KVM_PV_DUMP_COMPLETE == 2);
		ASSERT(KVM_PV_DUMP_CPU == 3);
		ASSERT(KVM_PV_INFO_VM == 0);
		ASSERT(KVM_PV_INFO_DUMP == 1);
		ASSERT(NT_S390_PV_CPU_DATA == 0x30e);
		int main(void)
		{
			struct kvm_s390_pv_dmp dmp = { KVM_PV_DUMP_INIT, 0, 0, 0, { 0 } };
			struct kvm_pv_cmd cmd = { KVM_PV_DUMP, 0, 0, (__u64)&dmp, 0, { 0 } };

			return cmd.flags + dmp.gaddr;
		}
	EOF
	cd "$work"
	local flags=(-Wall -Wextra -Werror -isystem "$work/O/usr/include" -o "$work/consumer")
	"$CROSS-gcc" "${flags[@]}" consumer.c
	qemu-s390x-static -L /usr/s390x-linux-gnu consumer
	"$CROSS-gcc" -std=c99 -pedantic-errors -Wno-pedantic "${flags[@]}" consumer.c
	"$CROSS-g++" "${flags[@]}" -x c++ consumer.c
	qemu-s390x-static -L /usr/s390x-linux-gnu consumer
	# Not as system headers, so that warnings inside of them count
	"$CROSS-gcc" -fsyntax-only -Wall -Wextra -Werror -I "$work/O/usr/include" consumer.c
	# the example of the documentation
	"$CROSS-gcc" -c -O2 "${flags[@]}" "$TOP/Documentation/virt/kvm/s390/s390-pv-dump-example.c"
	# and the copy in tools/, if it was one before
	! cmp -s "$source"/{,tools/}include/uapi/linux/kvm.h ||
		cmp "$work"/tree/{,tools/}include/uapi/linux/kvm.h
}

lint_headers() {
	{
		cat "$series"/*.patch | awk '/^diff --git / { keep = $3 ~ "/uapi/" } keep'
		cat "$TOP/Documentation/virt/kvm/s390/s390-pv-dump-example.c"
	} | cached headers consume_headers
}

# kernel-doc: neither warnings that the base has not, nor an undocumented
# function among those that other files call
lint_kernel_doc() {
	local f n=0 pv
	pv=$lint/git/$(there arch/s390/kvm/s390/pv.c)
	while read -r f; do
		[[ $f == *.[ch] ]] || continue
		(cd "$lint/git" && "$source/scripts/kernel-doc" -none -v "$f") 2>&1 |
			grep -E 'warning|error' | sed -E 's/:[0-9]+:/:/' | sort -u >"$lint/kernel-doc" || :
		[ ! -e "$source/$f" ] ||
			(cd "$source" && scripts/kernel-doc -none -v "$f") 2>&1 |
			grep -E 'warning|error' | sed -E 's/:[0-9]+:/:/' | sort -u >"$lint/kernel-doc.base" || :
		[ -e "$source/$f" ] || : >"$lint/kernel-doc.base"
		comm -13 "$lint/kernel-doc.base" "$lint/kernel-doc" >"$lint/kernel-doc.new"
		[ ! -s "$lint/kernel-doc.new" ] || { cat "$lint/kernel-doc.new"; return 1; }
		n=$((n + 1))
	done < <(touched)
	[ "$n" -gt 0 ]
	# those that mainline has not documented are not ours
	[ -z "${HAS_DUMP:-}" ] || return 0
	while read -r f; do
		grep -q "^ \* $f() - " "$pv" ||
			{ echo "pv.c: $f has no kernel-doc"; return 1; }
		n=$((n + 1))
	done < <(sed -nE 's/^[a-z].* \**(kvm_s390_pv_dump[a-z_]*)\(.*/\1/p' "$pv")
	echo "$n files and functions"
}

# cocci SCRIPT: its reports on arch/s390/kvm go to $work/hits/SCRIPT
cocci() {
	local log=$work/cocci/${1//\//_}
	kmk -j1 coccicheck J=1 MODE=report COCCI="$work/tree/scripts/coccinelle/$1" \
		M="$work/tree/arch/s390/kvm" >"$log" 2>&1 || { cat "$log"; return 1; }
	sed -nE "s|^$work/tree/(arch/s390/[^:]*):[-0-9:]+ |$1: \1: |p" "$log" |
		sed -E 's/on line [0-9]+/on line N/g' | sort >"$work/hits/${1//\//_}"
}

coccicheck() {
	local p
	export -f kmk cocci
	export work CROSS
	full_tree "$work/tree"
	# without those that are written in OCaml and need its compiler
	(cd "$work/tree/scripts/coccinelle" && grep -rL ocaml --include='*.cocci' . | cut -c3- |
		sort) >"$work/scripts"
	[ "$(wc -l <"$work/scripts")" -ge 50 ]
	configure
	for p in "$series"/*.patch; do
		apply_patch "$work/tree" "$p"
	done
	mkdir "$work/cocci" "$work/hits"
	xargs -P "$(nproc)" -I{} bash -ec 'cocci {}' <"$work/scripts"
	sort "$work"/hits/* >"$work/patched"
	# which of them the base has as well
	full_tree "$work/tree"
	cut -d: -f1 "$work/patched" | sort -u | xargs -P "$(nproc)" -I{} bash -ec 'cocci {}'
	sort "$work"/hits/* | comm -13 - "$work/patched" >"$work/new"
	cat "$work/new"
	[ ! -s "$work/new" ]
	echo "$(wc -l <"$work/scripts") scripts, $(wc -l <"$work/patched") hits, all in the base"
}

lint_coccicheck() {
	{ spatch --version; code "$series"/*.patch; } | cached coccicheck coccicheck
}

# ---- text ----------------------------------------------------------------------

lint_shellcheck() {
	cd "$TOP"
	grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' -r scripts qemu .ci |
		xargs shellcheck -x -P SCRIPTDIR
}

lint_codespell() {
	cd "$TOP"
	tracked | grep -zvE '^(COPYING|patches/.*[.]patch$)' | xargs -0 codespell -L fpr,inout,parm,sie
	# of a patch: its message and what it adds
	awk 'FNR == 1 { body = 0 }
	     /^---$/ { body = 1 }
	     !body || /^[+]/ { print FILENAME ":" FNR ": " $0 }' patches/"$KERNEL"/*.patch >"$lint/patches.txt"
	codespell -L fpr,inout,parm,sie "$lint/patches.txt"
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
		 "$TOP"/tools/testing/selftests/kvm/s390/pv_dump/config; do
		sed '/^#/d' "$f" | sort -uc
	done
	sed -n '/^packages=(/,/^)/s/^\t//p' "$TOP/scripts/setup" | sort -uc
}

# ---- documentation -------------------------------------------------------------

lint_docs() {
	{ cat "$series"/*.patch "$TOP/scripts/docs"; sphinx-build --version; } |
		cached docs "$TOP/scripts/docs" "$lint/docs"
}

# ---- taking the series -----------------------------------------------------------

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
	[ -z "$(git status --porcelain)" ]
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
	local deb=$1
	mkdir "$work/tree"
	tar -C "$work/tree" --strip-components=1 --no-same-owner -xf "$deb"/*.orig.tar.xz
	tar -C "$work/tree" --no-same-owner -xf "$deb"/*.debian.tar.xz
	cd "$work/tree"
	export QUILT_PATCHES=debian/patches
	quilt --quiltrc=- push -a -q --fuzz=0 >"$work/quilt"
	quilt --quiltrc=- applied | wc -l
	apply "$work/tree"
	quilt --quiltrc=- applied | tail -n "$(wc -l <"$series/series")"
	# as dpkg-buildpackage would do it: from nothing, by the series file
	quilt --quiltrc=- pop -a -q >"$work/quilt"
	quilt --quiltrc=- push -a -q --fuzz=0 >"$work/quilt"
	[ -z "$(quilt --quiltrc=- unapplied)" ]
	configure
	objects y
}

carry_debian_source() {
	local deb=$CACHE/deb/$PACKAGE-orig
	"$TOP/scripts/fetch" "$deb" "$SUITE" source linux
	{ code "$series"/*.patch; touched; ls "$deb"; } | cached debian-source debian_source "$deb"
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

run_lint() {
	mkdir -p "$lint"
	"$TOP/scripts/series" "$series"
	# others compare with its result
	(git_tree "$lint/git" && git am -q --no-3way "$series"/*.patch) >"$lint/git.log" 2>&1 || :
	t series-git-am lint_git_am
	t series-quilt lint_quilt
	t series-patch lint_patch
	t series-refresh-round-trip lint_round_trip
	t series-one-home lint_one_home
	t series-mbox lint_mbox
	t carry-git carry_git
	t carry-quilt carry_quilt
	t carry-debian-layout carry_debian_layout
	t carry-plain carry_plain
	t dist lint_dist
	t checkpatch lint_checkpatch
	t codespell lint_codespell
	t kernel-doc lint_kernel_doc
	t docs lint_docs
	t headers lint_headers
	t each-patch-kvm-m lint_each_patch m
	t each-patch-kvm-y lint_each_patch y
	t coccicheck lint_coccicheck
	[ -n "${HAS_DUMP:-}" ] || t each-patch-kvm-n lint_each_patch n
	# Debian's source is what it says; a tree of the user is not
	[ -n "${KERNEL_SRC:-}${HAS_DUMP:-}" ] || t carry-debian-source carry_debian_source
	# what no kernel has a part in
	[ "$KERNEL" = "${KERNELS%% *}" ] || return 0
	t shellcheck lint_shellcheck
	t no-host-names lint_no_host_names
	t lists-sorted lint_sorted
}
