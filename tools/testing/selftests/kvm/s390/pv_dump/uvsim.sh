#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: uvsim.sh COMMAND...
# Runs COMMAND where KVM has an Ultravisor, for example
#	kvm/uvsim.sh ./run_kselftest.sh -c kvm
# Without one it loads the simulator and KVM, if they are modules, UVSIM="sie=run ..."
# being the simulator's parameters. What cannot be is said, and is a skip (status 4).

skip() {
	echo "uvsim.sh: $*" >&2
	exit 4
}

[ $# -gt 0 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }

# has FACILITY
has() {
	grep -q "^facilities.* $1\\( \\|\$\\)" /proc/cpuinfo
}

debugfs=/sys/kernel/debug
[ -d "$debugfs/bdi" ] || mount -t debugfs none "$debugfs" 2>/dev/null
if ! [ -e "$debugfs/uvsim" ] && ! has 158; then
	[ ! -e /sys/module/uvsim/parameters ] || [ -e /sys/module/uvsim/initstate ] ||
		skip "the simulator is part of this kernel, which has to be booted with uvsim=on"
	[ ! -e /dev/kvm ] || [ -e /sys/module/kvm/initstate ] ||
		skip "KVM is part of this kernel, so CONFIG_UVSIM has to be, too, and uvsim=on"
	# KVM looks for an Ultravisor when it is loaded
	[ ! -e /sys/module/kvm/initstate ] || modprobe -r kvm || skip "kvm is in use"
	# shellcheck disable=SC2086  # parameters
	modprobe uvsim ${UVSIM:-} || skip "neither an Ultravisor nor uvsim.ko (CONFIG_UVSIM)"
fi
[ -e /dev/kvm ] || modprobe kvm || skip "no KVM (CONFIG_KVM)"
exec "$@"
