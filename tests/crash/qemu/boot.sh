#!/bin/bash
# boot.sh ARCH SYSROOT INITRAMFS [QEMU OPTION...] - boot a guest and show its console; the exit status is its command's
#
# ARCH: armhf, arm64, amd64. Emulated in software everywhere (-accel tcg), so that it is the same on each machine.
# SETTINGS: "NAME=VALUE ...", which become the environment of the guest's first process; COMMAND among them names what it runs.
# DISK: an image that becomes /dev/vda. CONSOLE: a file that gets the console instead. SERIAL: what qemu is to do with it, for who
# wants to talk to the guest (tests/board/boot).
# LIMIT: seconds after which it is ended, 600 by default. A guest that does not say how its command ended has failed.
set -eu

arch=$1 sysroot=$2 initramfs=$3
shift 3
case $arch in
armhf) machine="qemu-system-arm -M virt,highmem=off -cpu cortex-a15" console=ttyAMA0 disk=virtio-blk-device ;;
arm64) machine="qemu-system-aarch64 -M virt -cpu cortex-a53" console=ttyAMA0 disk=virtio-blk-device ;;
amd64) machine="qemu-system-x86_64 -M q35 -cpu max" console=ttyS0 disk=virtio-blk-pci ;;
*)
	echo "boot.sh: unknown architecture '$arch': armhf, arm64 or amd64" >&2
	exit 2
	;;
esac
kernel=$(ls "$sysroot"/boot/vmlinuz-* | tail -n 1)
[ -z "${DISK:-}" ] || set -- -drive "file=$DISK,if=none,id=d,format=raw,cache=writeback" -device "$disk,drive=d" "$@"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
serial=stdio
[ -z "${CONSOLE:-}" ] || serial="file:$CONSOLE"
[ -z "${SERIAL:-}" ] || serial=$SERIAL
# What has started us may be killed: then the guest goes, too.
# shellcheck disable=SC2086
setpriv --pdeathsig TERM timeout -k 5 "${LIMIT:-600}" $machine -accel tcg -m "${MEMORY:-512}" -nographic -nodefaults -no-reboot -serial "$serial" \
	-kernel "$kernel" -initrd "$initramfs" -append "console=$console quiet panic=-1 ${SETTINGS:-}" "$@" </dev/null | tr -d '\r' | tee "$log" || true
status=$(sed -n 's/^guest: exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
exit "${status:-124}"
