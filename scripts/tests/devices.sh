# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154,SC2164  # variables of others; lib.sh has set -e
# Sourced by scripts/check: a Linux that uvsim executes and devices of Debian's QEMU. What
# goes through a device is compared by content, at both ends.

# busybox_as NAME...: GUESTPATH=FILE for pack, these commands of the test machine
busybox_as() { printf "/bin/%s=$CACHE/root/tools/usr/bin/busybox\n" "$@"; }

# asks TEXT: a line of the scenario that types TEXT on the guest's console
asks() { echo "exec echo '$1' >/keys"; }

# Disk and file of a TFTP server, with what can be nowhere else; the Linux has neither.
# All that these functions make is in $devices.
make_devices() {
	local applet busybox=$CACHE/root/tools/usr/bin/busybox
	rm -rf "$devices"
	mkdir -p "$devices/share/tftp"
	cd "$devices"
	"$TOP/scripts/zgetdump" >/dev/null
	head -c 65536 /dev/urandom >first
	head -c 300000 /dev/urandom >share/tftp/file
	{ cat first; head -c 983040 /dev/zero; } >share/disk
	printf '%s\n' "dir /dev 755 0 0" "nod /dev/console 600 0 0 c 5 1" "dir /proc 755 0 0" \
		"dir /sys 755 0 0" "dir /bin 755 0 0" "file /bin/busybox $busybox 755 0 0" \
		"slink /bin/sh busybox 777 0 0" "file /setup $TOP/qemu/devices-init 755 0 0" >initrd.spec
	"$patient/usr/gen_init_cpio" initrd.spec >initrd
}

# devices_scenario NAME: what is asked of the shell is echoed, so that answers are what
# only it can know
devices_scenario() {
	local sum console=/share/console.log
	sum=$(sha256sum <share/tftp/file)
	sum=${sum%% *}
	{
		echo "poll /share/$1.log devices: ready, 4 CPUs"
		# shellcheck disable=SC2016  # for that shell
		asks 'echo "shell: $((6 * 7)) on $(nproc) CPUs"'
		echo "poll $console shell: 42 on 4 CPUs"
		# from the disk to the network; a connection of this kind has no end
		asks 'dd if=/dev/vda bs=64k count=1 | nc 10.0.2.100 7 &'
		# shellcheck disable=SC2016
		echo 'exec until [ "$(wc -c </share/sent)" -eq 65536 ]; do sleep 0.1; done'
		# from the network to the disk
		# shellcheck disable=SC2016
		asks 'kill $!; tftp -g -b 1428 -r file -l /file 10.0.2.2 && dd if=/file of=/dev/vda bs=64k seek=1 conv=fsync && echo "stored: $(sha256sum </file)"'
		echo "poll $console stored: $sum"
		# a CPU that was not there
		echo '{"execute": "device_add", "arguments": {"driver": "host-s390x-cpu", "core-id": 4}}'
		# shellcheck disable=SC2016
		asks 'until echo 1 >/sys/devices/system/cpu/cpu4/online; do sleep 0.1; done; echo "CPU $(taskset 10 cat /proc/self/stat | cut -d" " -f39) of $(nproc) says $(taskset 10 sha256sum </file)"'
		echo "poll $console CPU 4 of 5 says $sum"
	} | vmm=$devices scenario "$1"
}

# guests_with_devices [protected]
guests_with_devices() {
	local files patient qemu devices iommu='' mib=64 name=devices cmdline="console=ttyS0 rdinit=/bin/sh"
	qemu="-machine s390-ccw-virtio -kernel /linux -initrd /initrd -append '$cmdline -- /setup'"
	[ -z "${1:-}" ] || {
		name=$1-devices mib=192		# 64 of it are bounce buffers
		# what devices read and write is shared with the host; what is in it is not kept
		# from it, as nothing is that leaves a guest by a device
		iommu=,iommu_platform=on
		qemu="$guest_pv -kernel /linux"
	}
	devices=$BUILD/$name
	qemu+=" -blockdev driver=raw,node-name=disk,file.driver=file,file.filename=/share/disk,file.locking=off"
	qemu+=" -device virtio-blk-ccw,drive=disk$iommu -chardev file,id=sent,path=/share/sent"
	qemu+=" -netdev user,id=net,ipv6=off,tftp=/share/tftp,guestfwd=tcp:10.0.2.100:7-chardev:sent"
	qemu+=" -device virtio-net-ccw,netdev=net$iommu -device virtio-serial-ccw$iommu"
	qemu+=" -chardev file,id=v,path=/share/console.log,input-path=/keys -device virtconsole,chardev=v"
	patient=$(guest_kernel)
	make_devices
	devices_scenario "$name"
	ln -s "$patient/arch/s390/boot/bzImage" linux
	[ -z "${1:-}" ] || guests=$devices make_image "$name" --kernel linux --ramdisk initrd \
		--cmdline "$cmdline -- /setup"
	{ build_vmm; busybox_as sh mkfifo wc sleep; } >files
	mapfile -t files <files
	if [ -z "${1:-}" ]; then
		files+=(/linux=linux /initrd=initrd)
	else
		files+=(/linux="$name.se")
	fi
	{
		# shellcheck disable=SC2086  # none, or one
		guest_load ${1:+$name}
		guest_qemu "$name" "$mib" 4,maxcpus=5 "$qemu" "mkfifo /keys; exec 3<>/keys"
	} | boot "$name" "$patched" "-t 2000 -m 2G -d $devices/share" /uvsim.ko="$module" \
		"/$name.qmp=$name.qmp" "${files[@]}"
	grep -aq 'Brought up 1 node, 4 CPUs' "share/$name.log"
	grep -a -e '^shell: ' -e '^stored: ' -e '^CPU ' share/console.log
	cmp first share/sent
	{ cat first share/tftp/file; head -c $((983040 - 300000)) /dev/zero; } | cmp - share/disk
	echo "disk, network, console and CPUs: all as it was sent"
}
