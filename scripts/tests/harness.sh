# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what the scripts do with an environment, paths and failures
# that they were not made for. Nothing of the user's is lost, a message says why.

box=$lint/harness

# small_tree DIR: what of the base make dev and make apply need
small_tree() {
	base_files "$1"
	mkdir -p "$1/arch/s390/kvm"
}

# project DIR: a clone of this project as it is now, changes that are not committed included
project() {
	mkdir -p "$1"
	cd "$TOP"
	tracked | while IFS= read -rd '' f; do
		# one that was removed is still in the index
		[ ! -e "$f" ] || cp --parents -P "$f" "$1/"
	done
	cd "$1"
	git init -q -b master .
	git config user.name lint
	git config user.email lint@localhost
	git add -A
	git commit -q -m project
}

# called VARIABLE=... make ARG...: as the user calls make, not as a part of this one
as_user=(env -u BUILD -u BUILD_LOCKED -u SIGNALS_SET -u BASE_SHOWN -u ONLY KERNEL="$KERNEL" CACHE="$box/cache")
called() { "${as_user[@]}" "$@"; }

# A git hook has GIT_DIR set; and other settings that people have.
harness_environment() {
	local before hostile
	rm -rf "$box"
	project "$box/p"
	small_tree "$box/tree"
	git init -q "$box/mine"
	cd "$box/mine"
	git -c user.name=a -c user.email=a@localhost commit -q --allow-empty -m mine
	mine() { git -C "$box/mine" rev-parse HEAD; git -C "$box/mine" config -l --local; git -C "$box/mine" tag; }
	before=$(mine)
	cd "$box/p"
	called make -s dist
	mv build/*.tar.xz "$box/dist.tar.xz"
	hostile=(GIT_DIR="$box/mine/.git" GIT_INDEX_FILE="$box/mine/.git/index" GIT_WORK_TREE="$box/mine"
		 GIT_DIFF_OPTS=-u9 GIT_EXTERNAL_DIFF=false CDPATH=/:.. GREP_OPTIONS=-v POSIXLY_CORRECT=1
		 TAR_OPTIONS=--exclude='*.patch' XZ_OPT=-0 QUILT_PATCHES=none QUILT_PC=none CFLAGS=-broken
		 QUOTING_STYLE=c BLOCK_SIZE=human-readable BASH_ENV="$box/bash_env")
	echo "echo noise" >"$box/bash_env"
	(
		trap '' PIPE
		umask 0777
		called "${hostile[@]}" make -s dist
	)
	cmp build/*.tar.xz "$box/dist.tar.xz"
	called "${hostile[@]}" make -s dev KERNEL_SRC="$box/tree"
	[ "$(git -C "build/dev-$KERNEL" rev-list --count base..)" -eq "$(wc -l <"$series/series")" ]
	quilt_tree "$box/quilt" patches
	cd "$box/p"
	called "${hostile[@]}" make -s apply TREE="$box/quilt"
	[ "$before" = "$(mine)" ]
	git_is_clean
}

# Characters that the shell, sed or kbuild would take for something else
harness_paths() {
	local c out rc
	# shellcheck disable=SC2016  # it is not to be expanded
	local names=('R&D' 'a,b' 'a$b' 'a;b' 'a(b' 'a|b' "a'b" 'a b' 'a@2')
	rm -rf "$box"
	project "$box/p"
	for c in "${names[@]}"; do
		rm -rf "$box/w"
		mkdir -p "$box/w/$c" "$box/w/R" "$box/w/a"
		echo precious | tee "$box/w/R/thesis" >"$box/w/a/thesis"
		cp -r "$box/p" "$box/w/$c/p"
		cd "$box/w/$c/p"
		for out in series dist docs dev refresh "apply TREE=$box"; do
			rc=0
			# shellcheck disable=SC2086  # a target, and TREE
			called timeout 60 make -s $out KERNEL_SRC="$box/nothing" CACHE="$box/c" \
				>"$box/out" 2>&1 || rc=$?
			cat "$box/out"
			[ "$c" = a@2 ] || grep -q 'a path like' "$box/out"
			[ "$rc" -ne 0 ] || [ "$c" = a@2 ]
		done
		called make -s clean
		grep -q precious "$box/w/R/thesis"
		grep -q precious "$box/w/a/thesis"
	done
	rm -rf "$box/w"
	# a tree may have any name
	small_tree "$box/it's a tree, R&D"
	cd "$box/p"
	called make -s apply TREE="$box/it's a tree, R&D"
	has_series "$box/it's a tree, R&D"
}

# In the clone of another user root's git cannot tell whether there are changes.
harness_other_owner() {
	local patch
	[ "$(id -u)" -eq 0 ] || { echo "0 passed, 0 failed, 1 skipped"; return; }
	rm -rf "$box"
	project "$box/p"
	small_tree "$box/tree"
	cd "$box/p"
	called make -s dev KERNEL_SRC="$box/tree"
	patch=$(find "$PWD/patches/$KERNEL" -name '0001-*')
	echo "# my edit of today" >>"$patch"
	chown -R nobody .
	chown -R root build
	! called make -s refresh >"$box/out" 2>&1 || return 1
	cat "$box/out"
	grep -q 'git cannot tell' "$box/out"
	grep -q 'my edit of today' "$patch"
}

# What was changed here meanwhile is not undone by an older tree.
harness_refresh_keeps() {
	local file there
	rm -rf "$box"
	project "$box/p"
	small_tree "$box/tree"
	cd "$box/p"
	called make -s dev KERNEL_SRC="$box/tree"
	there=$(created_by_series | tail -n 1)
	file=$(home "$there")
	echo "changed here" >>"$file"
	git commit -qam here
	called make -s refresh
	git_is_clean
	cd "build/dev-$KERNEL"
	echo "changed there" >>"$there"
	git commit -qam there
	cd "$box/p"
	! called make -s refresh >"$box/out" 2>&1 || return 1
	grep -q 'has changed here and in' "$box/out"
	git_is_clean
	git reset -q --hard HEAD~1
	called make -s refresh
	grep -qx 'changed there' "$file"
}

# The cache: relative, none, not ours, not a directory, without HOME
harness_cache() {
	local out=$BUILD/log/harness-cache-out
	rm -rf "$box"
	project "$box/p"
	small_tree "$box/tree"
	cd "$box/p"
	called make -s dev KERNEL_SRC="$box/tree" CACHE=../relative
	[ -e "$box/relative/CACHEDIR.TAG" ]
	rm -rf build
	called env -u HOME -u XDG_CACHE_HOME -u CACHE make -s dev KERNEL_SRC="$box/tree"
	[ -e build/cache/kvm-s390-pv-dump/CACHEDIR.TAG ]
	rm -rf build
	mkdir -p "$box/home/src" "$box/home/obj"
	echo precious >"$box/home/src/thesis"
	refused() { # MESSAGE ARG...
		local message=$1
		shift
		! called "$@" >"$out" 2>&1 || return 1
		cat "$out"
		grep -q "$message" "$out"
	}
	refused 'other things in it' make -s dev KERNEL_SRC="$box/tree" CACHE="$box/home"
	refused 'no CACHEDIR.TAG' make -s distclean CACHE="$box/home"
	grep -q precious "$box/home/src/thesis"
	refused 'cannot make CACHE' make -s dev KERNEL_SRC="$box/tree" CACHE=/proc/none/cache
	touch "$box/relative/mine"
	called make -s distclean CACHE=../relative
	[ "$(ls "$box/relative")" = mine ]
}

# What fails half way says so in a line or two, and leaves nothing half made.
harness_failures() {
	local out=$BUILD/log/harness-failures-out bin=$box/bin
	rm -rf "$box"
	small_tree "$box/tree"
	mkdir -p "$bin" "$box/cache"
	run_kernel() { called CACHE="$box/cache" BUILD="$box/build" PATH="$bin:$PATH" "$@" "$TOP/scripts/kernel" source; }
	# no network, then a full disk, as apt sees them
	cat >"$bin/apt-get" <<-'EOF'
		#!/bin/sh
		case "$*" in *indextargets*)
			. /etc/os-release
			echo "$VERSION_CODENAME-security http://none.invalid/x"
			exit ;;
		esac
		echo "$APT_SAYS"
		exit 100
	EOF
	chmod +x "$bin/apt-get"
	! run_kernel KERNEL_SRC= APT_SAYS="Err: Temporary failure resolving 'none.invalid'" >"$out" 2>&1 || return 1
	cat "$out"
	grep -q 'is there a network' "$out"
	! run_kernel KERNEL_SRC= APT_SAYS='E: write error - No space left on device' >"$out" 2>&1 || return 1
	grep -q 'is full' "$out"
	[ "$(wc -l <"$out")" -le 5 ]
	# tar cannot write
	cat >"$bin/tar" <<-'EOF'
		#!/bin/sh
		case "$*" in *-xf*) seq 10000 | sed 's/.*/tar: &: Cannot write: No space left on device/' >&2; exit 2;; esac
		exec /bin/tar "$@"
	EOF
	chmod +x "$bin/tar"
	! run_kernel KERNEL_SRC="$box/tree" >"$out" 2>&1 || return 1
	[ "$(wc -l <"$out")" -le 50 ]
	grep -q 'cannot unpack' "$out"
	rm "$bin/tar"
	find "$box/cache" -name '*.part' -o -name 'tree.*' | tee "$out"
	[ ! -s "$out" ]
	# two at once
	run_kernel KERNEL_SRC="$box/tree" >"$box/1" &
	run_kernel KERNEL_SRC="$box/tree" >"$box/2"
	wait $!
	cmp "$box/1" "$box/2"
	diff -r "$box/tree" "$(cat "$box/1")"
}

# Ctrl-C, twice: the last line is there, and says that it failed.
harness_ctrl_c() {
	local out=$BUILD/log/harness-ctrl-c-out pid i
	rm -rf "$box"
	small_tree "$box/tree"
	mkdir -p "$box/bin"
	# so that there is the time
	printf '#!/bin/sh\ntouch %s/started\nexec sleep 5\n' "$box" >"$box/bin/git"
	# and the second one comes while the summary is made
	printf '#!/bin/sh\n[ ! -e %s/started ] || sleep 1\nexec /usr/bin/awk "$@"\n' "$box" >"$box/bin/awk"
	chmod +x "$box/bin/git" "$box/bin/awk"
	(exec env --default-signal=INT "${as_user[@]}" BUILD="$box/build" CACHE="$box/cache" \
		KERNEL_SRC="$box/tree" PATH="$box/bin:$PATH" setsid "$TOP/scripts/check" lint) \
		>"$out" 2>&1 &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		[ ! -e "$box/started" ] || break
		sleep 0.1
	done
	# as a terminal does it, to all of them
	kill -INT -- "-$pid"
	sleep 0.3
	kill -INT -- "-$pid" || :
	! wait "$pid" || return 1
	sed 's/^/> /' "$out"
	tail -n 1 "$out" | grep -qE '^[0-9]+ passed, [1-9][0-9]* failed, 0 skipped$'
}

# Tests side by side that want the same kernel, with the same build/
harness_same_kernel() {
	local i round pids out=$BUILD/log/harness-same-kernel-out
	for round in 1 2 3; do
		pids=()
		for i in 1 2 3 4; do
			"$TOP/scripts/kernel" patched >"$out-$i" &
			pids+=($!)
		done
		for i in 1 2 3 4; do
			wait "${pids[i - 1]}"
			[ "$(cat "$out-$i")" = "$patched" ]
		done
	done
}

# What a command substitution removes when it ends is not the directory of its shell.
harness_at_exit() {
	rm -rf "$box"
	mkdir -p "$box"
	# shellcheck disable=SC2016  # the shell's
	bash -c '. "$1/scripts/lib.sh"
		at_exit_remove "$2/outer"
		mkdir "$2/outer"
		inner=$(part "$2/inner" && ls "$2")
		[ "$inner" = "inner.part
outer" ] && [ "$(ls "$2")" = outer ]' - "$TOP" "$box"
	rmdir "$box"
}

# A file that is older than its object, and has an error in it
harness_older_file() {
	rm -rf "$box"
	mkdir -p "$box/in" "$box/out"
	echo 1 >"$box/in/f"
	anew "$box/out" "$box/in"
	touch "$box/out/made"
	anew "$box/out" "$box/in"
	[ -e "$box/out/made" ]
	echo 2 >"$box/in/f"
	touch -d 2000-01-01 "$box/in/f"
	anew "$box/out" "$box/in"
	[ ! -e "$box/out/made" ]
}

# A command that fails is not one that says nothing.
harness_failing_commands() {
	local re='\[ (! )?-[zn] "\$\('
	! grep -nE "$re" -r "$TOP/scripts" "$TOP/qemu/run" "$TOP/.ci" | grep -v 'local re='
}
