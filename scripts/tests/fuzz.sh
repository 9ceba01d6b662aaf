# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: what those who fuzz kernels are given.

# syz_config FILE DIR: a configuration of syz-manager has what it asks for, nothing else,
# and enables what the description in DIR and dev_kvm.txt of syzkaller have
syz_config() {
	/usr/bin/python3 - "$1" "$2/dev_kvm_s390_pv.txt" <<-'EOF'
		import fnmatch, json, re, sys
		config = json.load(open(sys.argv[1]))
		need = {"name": str, "target": str, "http": str, "workdir": str, "kernel_obj": str,
		        "image": str, "sshkey": str, "syzkaller": str, "procs": int, "sandbox": str,
		        "type": str, "enable_syscalls": list, "vm": dict}
		vm = {"count": int, "cpu": int, "mem": int, "qemu_args": str, "kernel": str, "cmdline": str}
		for what, keys in (config, need), (config["vm"], vm):
		    assert set(what) == set(keys), set(what) ^ set(keys)
		    for key in keys:
		        assert isinstance(what[key], keys[key]) and what[key], key
		assert config["target"] == "linux/s390x" and config["type"] == "qemu"
		text = open(sys.argv[2]).read()
		ours = set(re.findall(r"^(ioctl\$\w+)\(", text, re.M))
		theirs = {"openat$kvm"} | {"ioctl$KVM_" + c for c in (
		    "CREATE_VM", "CREATE_VCPU", "SET_USER_MEMORY_REGION", "RUN", "SET_MP_STATE")}
		enabled = set()
		for pattern in config["enable_syscalls"]:
		    hit = {c for c in ours | theirs if fnmatch.fnmatchcase(c, pattern)}
		    assert hit, pattern
		    enabled |= hit
		assert enabled == ours | theirs, ours | theirs - enabled
		assert "uvsim=on" in config["vm"]["cmdline"].split()
	EOF
}

# The description for syzkaller: right, and everything that is wrong in it is noticed
syzkaller() {
	local kit=$SELFTEST/syz bad=$BUILD/syzkaller n=0 file edit
	local -x CC=$CROSS-gcc
	"$kit/check.sh" "$patched/usr/include"
	syz_config "$kit/pv_dump.cfg" "$kit/sys/linux"
	while IFS='|' read -r file edit; do
		rm -rf "$bad"
		mkdir -p "$bad"
		cp "$kit/sys/linux"/* "$kit/pv_dump.cfg" "$bad/"
		sed -i "$edit" "$bad/$file"
		if cmp -s "$bad/$file" "$kit/sys/linux/$file" || cmp -s "$bad/$file" "$kit/$file"; then
			echo "changes nothing: $edit"
			return 1
		fi
		if {
			"$kit/check.sh" "$patched/usr/include" "$bad" && syz_config "$bad/pv_dump.cfg" "$bad"
		} >"$bad/log" 2>&1; then
			echo "accepted: $edit"
			return 1
		fi
		echo "$edit: $(grep -m 1 -E 'error:|Error|txt|[<>]' "$bad/log")"
		n=$((n + 1))
	done <<-'EOF'
		dev_kvm_s390_pv.txt.const|s/^KVM_PV_DUMP = 8/KVM_PV_DUMP = 9/
		dev_kvm_s390_pv.txt.const|s/^\(KVM_S390_PV_CPU_COMMAND\) = .*/\1 = 3223367365/
		dev_kvm_s390_pv.txt.const|/^KVM_PV_VERIFY =/d
		dev_kvm_s390_pv.txt.const|s/^arches = .*/arches = amd64/
		dev_kvm_s390_pv.txt|/^ioctl.KVM_PV_ASYNC_CLEANUP_PERFORM/d
		dev_kvm_s390_pv.txt|s/^\trrc\t.*/\trrc\tconst[0, int32]/
		dev_kvm_s390_pv.txt|s/^\tbuff_len\t.*/\tbuff_len\tflags[kvm_pv_size, int32]/
		dev_kvm_s390_pv.txt|s/^\ttweak\tint64/\ttweak\tint32/
		dev_kvm_s390_pv.txt|s/^\tlength\tbytesize.*/\tlength\tbytesize[origin, int32]/
		dev_kvm_s390_pv.txt|s/\[const\[0, int64\], 4\]$/[const[0, int64], 3]/
		dev_kvm_s390_pv.txt|s/\[const\[0, int32\], 3\]$/[const[0, int32], 4]/
		dev_kvm_s390_pv.txt|s/^\tgaddr\t/\taddr\t/
		dev_kvm_s390_pv.txt|/^\tfeature_indication/d
		dev_kvm_s390_pv.txt|s/ptr64\[inout, DATA\]/ptr[inout, DATA]/
		dev_kvm_s390_pv.txt|s/, kvm_s390_pv_unp\]/, kvm_s390_pv_unpack]/
		dev_kvm_s390_pv.txt|s/KVM_PV_DUMP_COMPLETE, //
		pv_dump.cfg|s/"mem"/"memory"/
		pv_dump.cfg|s/KVM_PV_\*/KVM_PV_ENABLE/
		pv_dump.cfg|s/2048,/2048/
	EOF
	echo "$n wrong ones turned down"
}

# in_kcov: what the next one depends on
in_kcov() {
	in_machines
	content_of scripts/kcov scripts/kernel qemu/kcov.config "${SELFTEST#"$TOP/"}/"
}

# Half a minute of make kcov, with the same seed each time
kcov() {
	local seconds=30
	# each of the defects has to be found, without the series
	[ -z "${AS_IS:-}" ] || seconds=240
	SEED=1 "$TOP/scripts/kcov" $seconds
}
