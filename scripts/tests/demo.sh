# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: make demo IMAGE=, with images as users have them.

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
