# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of others; lib.sh has set -e
# Sourced by demo and demo-still: what both stories of a crashed Linux have in common.
# They run in a directory with what the guest's owner has, what the host has, and what
# is in the machine.

step() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
seimg() { "$BUILD/tools/seimg" "$@"; }
dumpcmp() { "$BUILD/tools/dumpcmp" "$@"; }
zgetdump() { "$TOP/scripts/zgetdump" "$@"; }
crash() { "$TOP/scripts/crash" "$@"; }

# make_secret: SECRET, or a new one
make_secret() {
	secret=${SECRET:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
}

# count FILE: how often the secret is in it
count() {
	[ -s "$1" ] || die "$PWD/$1 is not there, or empty"
	{ grep -aoF -- "$secret" "$1" || :; } | wc -l
}

check_memory() {
	[[ $memory =~ ^[1-9][0-9]{0,3}$ ]] || die "MEMORY=$memory: a number of MiB is needed"
}

make_keys() {
	quietly ./log.keys openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes \
		-keyout machine/host.key -out machine/host.crt -days 30 -batch -subj /CN=demo-host
	openssl rand -out owner/cck.bin 32
}

# build_ledger NAME: the module for the patient, patient-mod.ko in build/guest/NAME, which
# is for one caller at a time
build_ledger() {
	local dir=$BUILD/guest/$1
	mkdir -p "$dir"
	cp "$TOP/qemu/patient-mod.c" "$dir/"
	echo 'obj-m := patient-mod.o' >"$dir/Kbuild"
	quietly "$BUILD/log/$1-mod" make -C "$patient" ARCH=s390 CROSS_COMPILE="$CROSS-" \
		M="$dir" modules
}

# make_patient: owner/initrd for the Linux that crashes, with what is in ramdisk as well
ramdisk=()
make_patient() {
	local pack="$patient/usr/gen_init_cpio"
	"$CROSS-gcc" -O2 -Wall -Wextra -Werror -static -o patient-init "$TOP/qemu/patient-init.c"
	build_ledger patient
	printf '%s' "$secret" >owner/secret
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" "dir /proc 755 0 0" \
		"file /init patient-init 755 0 0" "file /secret owner/secret 400 0 0" \
		"file /patient-mod.ko $BUILD/guest/patient/patient-mod.ko 644 0 0" \
		${ramdisk[@]+"${ramdisk[@]}"} >patient.spec
	"$pack" patient.spec >owner/initrd
}

# protected_qemu MIB CPUS: options of QEMU, of which the guest's console is missing
protected_qemu() {
	echo "-accel kvm -cpu host -m $1 -smp $2 -nodefaults -display none -no-reboot" \
		"-action panic=pause -qmp stdio" \
		"-machine s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0"
}

# shows_nothing FILE [OPTION]: fails with the reason if there is anything to read
shows_nothing() {
	seimg search --plain "$plain" --image host/guest.se "${@:2}" "$1" ||
		die "the host can read memory of the guest in $PWD/$1: see above"
}

# no_secret FILE...: which the host has; where the owner has it, it is found
no_secret() {
	local f n
	[ "$(count "$plain")" -gt 0 ] || die "the secret is not where it comes from"
	for f in "$plain" "$@"; do
		n=$(count "$f")
		echo "secret in $f: $n times"
		[ "$f" = "$plain" ] || [ "$n" -eq 0 ] || die "the host sees the secret"
	done
}

# decrypt DUMP ELF [OPTION...]: with the owner's key and with no other
decrypt() {
	openssl rand -out wrong-cck.bin 32
	if zgetdump "${@:3}" -i -k wrong-cck.bin "$1" >zgetdump.wrong 2>&1; then
		die "zgetdump accepts a wrong key"
	fi
	grep -q 'GCM tag' zgetdump.wrong || die "zgetdump complains of something else than the key"
	zgetdump "${@:3}" -i -k "$cck" "$1" >zgetdump.info 2>&1 || { cat zgetdump.info; exit 1; }
	grep "protected virtualization dump" zgetdump.info ||
		die "zgetdump does not call it a protected dump"
	echo "$ zgetdump ${*:3}${3:+ }-k $cck $1 $2"
	quietly ./log.zgetdump zgetdump "${@:3}" -k "$cck" "$1" "$2"
}

# crash_finds_bug ELF [COMMAND...]: what made the Linux panic
crash_finds_bug() {
	ln -sf "$patient/vmlinux" vmlinux
	printf '%s\n' 'sys > crash.sys' 'log > crash.log' 'bt > crash.bt' 'ps > crash.ps' \
		'mod > crash.mod' "${@:2}" quit >crash.cmds
	echo "$ crash vmlinux $1"
	quietly ./crash.out crash -s -i crash.cmds vmlinux "$1"
	grep -E '^ *(CPUS|TASKS|RELEASE|MACHINE|MEMORY|PANIC):' crash.sys
	echo "crash> log"
	sed -nE 's/^\[[ .0-9]*\] ((patient|Unable|Failing).*)/\1/p' crash.log
	echo "crash> bt"
	sed -nE '/^PID:/p; /^ #0/,$ { /^ (#| *PSW)/p }' crash.bt
	grep -q 'PANIC: "Kernel panic - not syncing: Fatal exception: panic_on_oops"' crash.sys ||
		{ cat crash.sys; die "crash does not find the panic"; }
	grep -qF "patient: the secret is $secret" crash.log || die "crash does not find the secret"
	grep -q 'patient_mod' crash.mod || { cat crash.mod; die "crash does not find the module"; }
	tr -d '\n' <crash.bt | grep -qE \
		'credit_account.* transfer at .* execute_order at .* ledger_write at .* ksys_write at' ||
		{ cat crash.bt; die "crash does not find how it came to the panic"; }
}

# How crash gets at the journal of the ledger (qemu/patient-mod.c)
read_journal() { echo "rd -r $1 ledger_journal $((512 * 4096))"; }

# next_seal SEAL JOURNAL N: the seal of page N of the journal; SEAL is that of the page before
next_seal() {
	{
		# shellcheck disable=SC2001  # each two digits
		printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
		dd if="$2" bs=4096 skip="$3" count=1 status=none
	} | openssl dgst -blake2s256 -r | cut -d' ' -f1
}
no_seal=$(printf '00%.0s' {1..32})

# seals_right JOURNAL CONSOLE: the seals on the console are those of the journal's pages
seals_right() {
	local seal=$no_seal number published
	seals=0
	while read -r number published; do
		[ "$number" -eq "$seals" ] || die "the seal of page $seals was not on the console"
		seal=$(next_seal "$seal" "$1" "$seals")
		[ "$seal" = "$published" ] ||
			die "page $seals of the journal: Linux has published the seal $published, but it is $seal"
		seals=$((seals + 1))
	done < <(sed -nE 's/^seal ([0-9]+) ([0-9a-f]{64})\r?$/\1 \2/p' "$2")
	[ "$seals" -eq "$(grep -c '^seal ' "$2")" ] || die "a seal on the console cannot be read"
	echo "$seals pages, the last seal is $seal"
}
