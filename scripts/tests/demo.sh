# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: make demo, also with IMAGE=, images as users have them, and
# whether its verdict depends on what it says.

# demo_of GUEST: make demo as it is, or of another kind of guest
demo_of() { env GUEST="$1" IMAGE= MEMORY= "$TOP/scripts/demo"; }

# demo_yours IMAGE CCK [KEY]: what the demo says goes to $yours/log
demo_yours() {
	yours=$BUILD/yours
	mkdir -p "$yours"
	env GUEST= IMAGE="$1" CCK="$2" HOSTKEY="${3:-$images/host.key}" MEMORY=64 "$TOP/scripts/demo" \
		>"$yours/log" 2>&1 </dev/null
}

# its verdict is the last line
demo_says() {
	cat "$yours/log"
	[[ $(tail -n 1 "$yours/log") == "demo: passed: $1"* ]]
}

# genprotimg's encrypted loader shares code with its unencrypted one; a DER key
demo_shared_loader() {
	local at
	yours=$BUILD/yours
	mkdir -p "$yours"
	at=$("$tools/seimg" info "$images/good.se" | sed -n 's/^IPIB: at //p')
	{
		dd if="$images/good.se" bs=1 skip=$((at - 4096)) count=64 status=none
		head -c 100000 /dev/urandom
	} >"$yours/ramdisk"
	"$tools/seimg" build -f -o "$yours/shared.se" --kernel "$patched/arch/s390/boot/bzImage" \
		--ramdisk "$yours/ramdisk" --host-key "$images/host.crt" --cck "$images/cck.bin" \
		--allow-dump
	openssl ec -in "$images/host.key" -outform DER -out "$yours/host.der"
	demo_yours "$yours/shared.se" "$images/cck.bin" "$yours/host.der" || { cat "$yours/log"; return 1; }
	demo_says "the host saw nothing,"
	grep 'not counted: [1-9]' "$yours/log"
	grep '^pvdump: 100 %' "$yours/log"
}

demo_not_encrypted() {
	demo_yours "$images/readable.se" "$images/cck.bin" || { cat "$yours/log"; return 1; }
	demo_says "the host can read all of the image"
}

# told before anything boots, and at the end of what is to be read
demo_refuses() {
	local image cck text
	openssl rand -out "$BUILD/wrong-cck" 32
	while read -r image cck text; do
		if demo_yours "$images/$image.se" "$cck"; then
			cat "$yours/log"
			return 1
		fi
		tail -n 2 "$yours/log" | grep "$text"
		grep 'A protected VM' "$yours/log" && return 1
	done <<-EOF
		tampered $images/cck.bin a component was modified
		good $BUILD/wrong-cck is not the customer communication key
		forbidden $images/cck.bin does not allow dumps
		truncated $images/cck.bin truncated
	EOF
	demo_yours "$images/good.se" "$images/cck.bin" "$images/other.key" && return 1
	tail -n 2 "$yours/log" | grep 'was not made for the host'
}

# not_sealed TEXT JOURNAL CONSOLE: these are not the seals of that journal, for this reason
not_sealed() {
	if (seals_right "$2" "$3") >"$BUILD/demo-verdict" 2>&1; then
		cat "$BUILD/demo-verdict"
		return 1
	fi
	grep -e "$1" "$BUILD/demo-verdict"
}

# asks_crash DUMP COMMAND...
asks_crash() {
	printf '%s\n' "${@:2}" quit >crash.cmds
	quietly ./crash.out crash -s -i crash.cmds vmlinux "$1"
}

# The guest's own seals: one bit of a page, of a seal, or a seal that is not there
demo_verdict() {
	local at phys byte
	. "$TOP/scripts/story.sh"
	[ -s "$BUILD/demo/live/owner/journal" ] || demo_of ''
	cd "$BUILD/demo/live"
	cck=owner/cck.bin
	seals_right owner/journal host/console.log
	awk '$1 == "seal" && $2 == 2 {
		$3 = substr($3, 1, 63) (substr($3, 64, 1) == "0" ? "1" : "0")
	} 1' host/console.log >console.bad
	not_sealed 'page 2 of the journal' owner/journal console.bad
	sed '/^seal 2 /d' host/console.log >console.bad
	not_sealed 'page 2 was not on the console' owner/journal console.bad
	# the last one, which none follows
	sed "/^seal $((seals - 1)) /s/ $((seals - 1)) /&x/" host/console.log >console.bad
	not_sealed 'cannot be read' owner/journal console.bad
	# in the dump as the host has it
	asks_crash owner/decrypted.elf 'sym ledger_journal > crash.sym'
	asks_crash owner/decrypted.elf "vtop $(awk '{ print $1; exit }' crash.sym) > crash.vtop"
	phys=$(awk '$1 == "VIRTUAL" { getline; print $2; exit }' crash.vtop)
	[[ $phys == +([0-9a-f]) ]]
	at=$(readelf -lW host/guest.dump | awk '$1 == "LOAD" { print $2; exit }')
	at=$((at + 0x$phys + 0x123))
	cp host/guest.dump bad.dump
	chmod u+w bad.dump
	byte=$(od -An -tx1 -j "$at" -N 1 bad.dump | tr -d ' ')
	printf '%b' "\\x$(printf %02x $((0x$byte ^ 1)))" |
		dd of=bad.dump bs=1 seek="$at" conv=notrunc status=none
	rm -f bad.elf bad.journal
	decrypt bad.dump bad.elf
	asks_crash bad.elf "$(read_journal bad.journal)"
	not_sealed 'page 0 of the journal' bad.journal host/console.log
	rm -f bad.*
}

# make shell, by somebody who types: what the shell says, and the dump of its Linux
demo_shell() {
	local typed=$BUILD/shell secret said
	rm -rf "$typed"
	mkdir -p "$typed"
	mkfifo "$typed/keys"
	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	said=$typed/said
	SECRET=$secret MEMORY='' "$TOP/scripts/shell" <"$typed/keys" >"$said" 2>&1 &
	exec 9>"$typed/keys"
	# says TEXT: sooner or later; what has ended says no more
	says() {
		while ! grep -qF -- "$1" "$said"; do
			kill -0 $! 2>/dev/null || { cat "$said"; echo "it has not said: $1"; return 1; }
			sleep 0.5
		done
	}
	says '~ # '
	# the shell's own words, not the echo of what was typed
	# shellcheck disable=SC2016  # for that shell
	echo 'echo $((6 * 7)): $(cat /secret)' >&9
	says "42: $secret"
	echo 'uname -m; ls /bin | wc -l' >&9
	says s390x
	echo 'echo pay alice carol 100 >/proc/ledger' >&9
	wait $! || { cat "$said"; return 1; }
	exec 9>&-
	tail -n 5 "$said"
	cd "$BUILD/demo/shell"
	grep -aqF "$secret" owner/decrypted.elf
	grep -aqF "$secret" host/guest.dump && return 1
	printf '%s\n' "bt > $PWD/crash.bt" quit >crash.cmds
	make -s --no-print-directory -C "$TOP" crash <crash.cmds >crash.out
	grep execute_order crash.bt
}
