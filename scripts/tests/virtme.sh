# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: the selftest in a machine that virtme-ng boots.

# virtme_root DIR: a root file system for vng. It wants bash and a udevd, which has no more
# to do than to name the ports that vng talks through.
virtme_root() {
	local root applet f lib
	mkdir -p "$1"/{bin,dev,etc,lib/modules,proc,root,run,sbin,selftest,sys,tmp,usr/bin}
	root=$(deb_root virtme-shell "$TOOLS_SUITES" bash busybox-static libc6-s390x-cross libtinfo6)
	cp "$root/usr/bin/bash" "$1/bin/"
	cp "$root/usr/bin/busybox" "$1/bin/" || cp "$root/bin/busybox" "$1/bin/"
	lib=usr/lib/s390x-linux-gnu
	for f in ld64.so.1 libc.so.6 libtinfo.so.6; do
		cp -L "$root/$lib/$f" "$1/lib/"
	done
	ln -s bash "$1/bin/sh"
	qemu-s390x-static "$1/bin/busybox" --list >"$1/tmp/applets"
	while read -r applet; do
		[ -e "$1/bin/$applet" ] || ln -s busybox "$1/bin/$applet"
	done <"$1/tmp/applets"
	cat >"$1/sbin/udevd" <<-'EOF'
		#!/bin/sh
		mkdir -p /dev/virtio-ports
		for p in /sys/class/virtio-ports/*; do
			[ ! -e "$p/name" ] || ln -sf "../${p##*/}" "/dev/virtio-ports/$(cat "$p/name")"
		done
	EOF
	chmod +x "$1/sbin/udevd"
	ln -s ../bin/true "$1/sbin/udevadm"
	echo root:x:0:0:root:/root:/bin/sh >"$1/etc/passwd"
	touch "$1/etc/fstab" "$1/etc/hosts"
}

# The command line is that of the document. vng is Debian 13's, with the Python of this
# machine; the kernel, that of make kcov, which has the ports.
virtme_ng() {
	local built vng command dir=$BUILD/virtme-ng
	command=$(sed -n '/^\tvng /,/[^\\]$/p' "$TOP/Documentation/dev-tools/uvsim.rst")
	built=$("$TOP/scripts/kernel" kcov)
	vng=$(DEB_ARCH=all deb_root virtme-ng "$VNG_SUITES" virtme-ng python3-argcomplete \
		python3-pkg-resources python3-requests)
	rm -rf "$dir"
	mkdir -p "$dir/bin"
	virtme_root "$dir/root"
	build_module "$built" >/dev/null
	build_test "$built" >/dev/null
	cp "$BUILD/guest/uvsim-${built##*/}/uvsim.ko" "$dir/root/"
	find "$built/arch/s390/kvm" -name kvm.ko -exec cp {} "$dir/root/" \;
	cp "$BUILD/guest/test-${built##*/}"/*_test "$dir/root/selftest/"
	cat >"$dir/root/tests" <<-'EOF'
		#!/bin/sh
		mount -t debugfs none /sys/kernel/debug
		insmod /uvsim.ko && insmod /kvm.ko || exit 1
		for t in info_test args_test dump_test state_test; do
			/selftest/$t 2>&1
			echo "$t ends with $?"
		done
		echo "violations: $(cat /sys/kernel/debug/uvsim/violations)"
	EOF
	chmod +x "$dir/root/tests"
	printf '#!/bin/sh\nexec %s "$@"\n' "/usr/bin/python3 $vng/usr/bin/vng" >"$dir/bin/vng"
	printf '#!/bin/sh\nexec %s "$@"\n' "${QEMU:-$(command -v qemu-system-s390x)}" \
		>"$dir/bin/qemu-system-s390x"
	chmod +x "$dir/bin"/*
	echo "$command"
	# QEMU opens each output anew: in a file one would write over the other
	(cd "$built" && env PYTHONPATH="$vng/usr/lib/python3/dist-packages" HOME="$dir" \
		ROOT="$dir/root" IMAGE=arch/s390/boot/bzImage PATH="$dir/bin:$vng/usr/bin:$PATH" \
		timeout 900 bash -c "$command" 2>&1 </dev/null) | cat >"$dir/log" || {
		cat "$dir/log"
		return 1
	}
	virtme_judge "$dir/log"
}

# virtme_judge LOG: four programs to their ends; what fails is what has to, what skips
# may. There is no swap space.
virtme_judge() {
	cat "$1"
	awk -v xfails="${XFAILS:-}" -v skips="$SKIPS pv.memory_in_swap_is_dumped" '
		function bad(why) { print "verdict: " why; failed++ }
		BEGIN {
			n = split(xfails, s, " ")
			while (n) { sub(/~.*/, "", s[n]); may_fail[s[n--]] = 1 }
			n = split(skips, s, " ")
			while (n) may_skip[s[n--]] = 1
		}
		{ sub(/\r$/, "") }
		/^1[.][.][0-9]+$/ { plan = substr($0, 4) + 0; run = 0; next }
		/^(not )?ok [0-9]+ / {
			run++
			i = $1 == "not" ? 4 : 3
			what = $i == "-" ? $(i + 1) : $i
			if (/# SKIP/) {
				skipped++
				if (!(what in may_skip)) sub(/[.].*[.]/, ".", what)
				if (!(what in may_skip)) bad("skips: " $0)
			} else if (what in may_fail) {
				if (i == 3) bad("was to fail: " $0)
				passed++
			} else if (i == 4) bad($0)
			else passed++
			next
		}
		/^[a-z]+_test ends with [01]$/ {
			programs++
			if (!plan || run != plan) bad($1 ": " run " results of " plan)
			plan = 0
		}
		/^violations: [0-9]/ { violations = $0 }
		/Kernel panic|BUG:|WARNING:|Oops/ { bad($0) }
		END {
			if (programs != 4) bad(programs + 0 " programs")
			if (violations == "") bad("no last line")
			printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0
		}' "$1"
}
