# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what compilers and other tools that read C say of each
# patch and of the headers.

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
	if grep -q '^+++ b/tools/testing/uvsim/main.c' "$1"; then
		kmk C=2 CF=-D__CHECK_ENDIAN__ W=1 M="$work/tree/tools/testing/uvsim" uvsim.o uvsim_test.o
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

# The simulator in the kernel, where that has KVM in it. W=1 and sparse have seen it as
# a module.
builtin_objects() {
	"$work/tree/scripts/config" --file "$work/O/.config" -e UVSIM
	kmk olddefconfig
	grep -x CONFIG_UVSIM=y "$work/O/.config"
	kmk tools/testing/uvsim/
	ls "$work/O/tools/testing/uvsim/built-in.a"
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
		! grep -q '^+++ b/.*/Kconfig' "$p" || kmk olddefconfig
		: >"$work/now"
		code "$p" >"$work/code"
		if [ -s "$work/code" ]; then
			objects "$1" >"$work/now" 2>&1 || { cat "$work/now"; echo "with ${p##*/}"; return 1; }
			n=$((n + 1))
		fi
		if [ "$1" = m ]; then
			new_objects "$p" >>"$work/now" 2>&1 || { cat "$work/now"; echo "with ${p##*/}"; return 1; }
		elif [ "$1" = y ] && grep -q '^+++ b/tools/testing/uvsim/Kconfig' "$p"; then
			builtin_objects >>"$work/now" 2>&1 || { cat "$work/now"; echo "with ${p##*/}"; return 1; }
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
		[ "$1" != y ] || cat "$series"/*-Add-uvsim-*.patch
	} | cached "each-patch-$1" each_patch "$1"
}

# older_base: all of the series on $source, compiled like each patch
older_base() {
	local p
	sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) = //p' "$source/Makefile" | paste -sd .
	full_tree "$work/tree"
	configure
	objects m >"$work/base" 2>&1 || { cat "$work/base"; return 1; }
	warnings "$work/tree" <"$work/base" >"$work/base.warnings"
	for p in "$series"/*.patch; do
		apply_patch "$work/tree" "$p"
	done
	kmk olddefconfig
	objects m >"$work/now" 2>&1 || { cat "$work/now"; return 1; }
	warnings "$work/tree" <"$work/now" | comm -13 "$work/base.warnings" - >"$work/new"
	[ ! -s "$work/new" ] || { cat "$work/new"; return 1; }
}

# Another point release than the one that the series was made on: git am takes it, and
# what comes back from there is what went in.
lint_older_base() {
	local deb=$CACHE/deb/$PACKAGE-older lint=$lint/older newest=$source source KERNEL_SRC
	"$TOP/scripts/fetch" "$deb" "$OLDER" all "$PACKAGE"
	KERNEL_SRC=$deb/$PACKAGE.tar.xz
	[ -s "$KERNEL_SRC" ] || {
		dpkg-deb --fsys-tarfile "$deb"/*.deb |
			tar -xO "./usr/src/$PACKAGE.tar.xz" >"$KERNEL_SRC.part"
		mv "$KERNEL_SRC.part" "$KERNEL_SRC"
	}
	export KERNEL_SRC
	source=$("$TOP/scripts/kernel" source)
	! cmp -s "$newest/Makefile" "$source/Makefile" || { echo "that is no older one"; return 1; }
	mkdir -p "$lint"
	lint_git_am
	lint_round_trip
	{ cat "$series"/*.patch "$TOP/arch/s390/configs/uvsim.config"; } | cached older-base older_base
}

# The kernel side stands alone: without the simulator, the tools and the tests, and
# with or without the documents.
without_kit() {
	local p dropped=0
	for p in "$series"/*.patch; do
		sed -n 's|^diff --git a/.* b/||p' "$p" |
			not_tests | grep -v ^tools/kvm/ >"$work/names" || :
		[ -s "$work/names" ] || { echo "without ${p##*/}"; dropped=$((dropped + 1)); continue; }
		echo "$p" >>"$work/kernel-side"
		grep -vE '^Documentation/' "$work/names" >"$work/code" || :
		[ -s "$work/code" ] || { echo "with or without ${p##*/}"; continue; }
		echo "$p" >>"$work/without-documents"
	done
	[ "$dropped" -gt 0 ]
	full_tree "$work/tree"
	while read -r p; do apply_patch "$work/tree" "$p"; done <"$work/kernel-side"
	full_tree "$work/tree"
	# the number of a capability and of an ioctl are documented in the patch that has them
	while read -r p; do apply_patch "$work/tree" "$p"; done <"$work/without-documents"
	configure
	objects m
	kmk headers_install
}

lint_without_kit() {
	{ cat "$series"/*.patch "$TOP/arch/s390/configs/uvsim.config"; } |
		cached without-kit without_kit
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
	"$CROSS-gcc" -c -O2 "${flags[@]}" -I "$TOP/tools/kvm/pvdump" \
		"$TOP/Documentation/virt/kvm/s390/s390-pv-dump-example.c"
	# and the copy in tools/, if it was one before
	! cmp -s "$source"/{,tools/}include/uapi/linux/kvm.h ||
		cmp "$work"/tree/{,tools/}include/uapi/linux/kvm.h
}

lint_headers() {
	{
		cat "$series"/*.patch | awk '/^diff --git / { keep = $3 ~ "/uapi/" } keep'
		cat "$TOP/Documentation/virt/kvm/s390/s390-pv-dump-example.c" \
			"$TOP/tools/kvm/pvdump/libpvdump.h"
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
			grep -iE '(^|[ :])(warning|error):' | sed -E 's/:[0-9]+([: ])/\1/' | sort -u >"$lint/kernel-doc" || :
		[ ! -e "$source/$f" ] ||
			(cd "$source" && scripts/kernel-doc -none -v "$f") 2>&1 |
			grep -iE '(^|[ :])(warning|error):' | sed -E 's/:[0-9]+([: ])/\1/' | sort -u >"$lint/kernel-doc.base" || :
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
	{ spatch --version; code "$series"/*.patch; cat "$TOP/arch/s390/configs/uvsim.config"; } |
		cached coccicheck coccicheck
}

# Compiler and sparse warnings of the touched objects: none that the base has not
no_new_warnings() {
	local k
	for k in base patched; do
		cat "${!k}"/log.build.* "${!k}/log.static" | grep -E '(warning|error):' |
			sed -E "s|$(readlink -f "${!k}/source")/||g"'; s|/\./|/|g; s/:[0-9]+(:[0-9]+)?:/:/' |
			sort -u >"$BUILD/warnings.$k"
	done
	comm -13 "$BUILD/warnings.base" "$BUILD/warnings.patched" >"$BUILD/warnings.new"
	cat "$BUILD/warnings.new"
	[ ! -s "$BUILD/warnings.new" ]
}

# boot_uv_program OUT UV.O [FLAG...]: the program of boot-uv.c with this object
boot_uv_program() {
	"$CROSS-gcc" -O2 -fno-delete-null-pointer-checks -Wall -Wextra -Werror -static -no-pie -o "$1" \
		"$TOP/scripts/tests/boot-uv.c" "$1.fields.o" "${@:2}"
}

# boot_uv_compile SOURCE OBJECT [FLAG...]: as the kernel's arch/s390/boot/uv.o was compiled
boot_uv_compile() (
	local command
	cd "$patched"
	command=$(sed -n '1s/^[^ ]* := //p' arch/s390/boot/.uv.o.cmd)
	[[ $command == *" -c -o arch/s390/boot/uv.o "*/arch/s390/boot/uv.c ]]
	command=${command/-Wp,-MMD,arch\/s390\/boot\/.uv.o.d /}
	eval "${command% -c -o *} \"\${@:3}\" -c -o \"\$2\" \"\$1\""
)

# What the kernel asks the Ultravisor before anything can be loaded, and makes of the
# answer. With two lengths swapped it must be red.
boot_uv() {
	local dir=$BUILD/boot-uv run
	rm -rf "$dir"
	mkdir -p "$dir"
	# the lowcore is at address 0, which has to be free for that
	run=(qemu-s390x-static -B 0x100000000)
	boot_uv_compile "$TOP/scripts/tests/boot-uv.c" "$dir/good.fields.o"
	cp "$dir/good.fields.o" "$dir/swapped.fields.o"
	boot_uv_program "$dir/good" "$patched/arch/s390/boot/uv.o"
	"${run[@]}" "$dir/good"
	sed -E 's/(= uvcb\.conf_dump_)(storage_state|finalize)_len/\1\2_X/
		s/storage_state_X/finalize_len/;s/finalize_X/storage_state_len/' \
		"$patched/source/arch/s390/boot/uv.c" >"$dir/uv.c"
	[ "$(diff "$patched/source/arch/s390/boot/uv.c" "$dir/uv.c" | grep -c '^>')" = 2 ]
	boot_uv_compile "$dir/uv.c" "$dir/swapped.o"
	boot_uv_program "$dir/swapped" "$dir/swapped.o"
	! "${run[@]}" "$dir/swapped" >"$dir/swapped.out" || return 1
	grep 'busy first: conf_dump_storage_state_len is' "$dir/swapped.out"
}

# The simulator's rows for dump calls, in a program without any other header, library or
# kernel, as a bare-metal test is. One row less in the right place is noticed.
lint_uvc_rows() {
	local dir=$lint/uvc-rows compile=("$CROSS-gcc" -O2 -Wall -Wextra -Werror -ffreestanding
		-nostdinc -nostdlib -static "$TOP/scripts/tests/uvc-rows.c")
	rm -rf "$dir"
	mkdir -p "$dir"
	"${compile[@]}" -I "$TOP/tools/testing/uvsim" -o "$dir/rows"
	qemu-s390x-static "$dir/rows"
	sed '/UVC_ROW(0x0400, "success"/d' "$TOP/tools/testing/uvsim/uvc_rows.h" >"$dir/uvc_rows.h"
	"${compile[@]}" -I "$dir" -o "$dir/fewer"
	! qemu-s390x-static "$dir/fewer"
}
