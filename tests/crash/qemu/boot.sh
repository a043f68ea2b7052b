#!/bin/bash
# boot.sh ARCH SYSROOT INITRAMFS [QEMU OPTION...] - boot a guest and show its console; the exit status is its /command's
#
# ARCH: armhf, arm64, amd64. Emulated in software everywhere (-accel tcg), so that it is the same on each machine.
# LIMIT: seconds after which it is ended, 600 by default. A guest that does not say how its command ended has failed.
set -eu

arch=$1 sysroot=$2 initramfs=$3
shift 3
case $arch in
armhf) machine="qemu-system-arm -M virt,highmem=off -cpu cortex-a15" console=ttyAMA0 ;;
arm64) machine="qemu-system-aarch64 -M virt -cpu cortex-a53" console=ttyAMA0 ;;
amd64) machine="qemu-system-x86_64 -M q35 -cpu max" console=ttyS0 ;;
*)
	echo "boot.sh: unknown architecture '$arch': armhf, arm64 or amd64" >&2
	exit 2
	;;
esac
kernel=$(ls "$sysroot"/boot/vmlinuz-* | tail -n 1)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
timeout -k 5 "${LIMIT:-600}" $machine -accel tcg -m "${MEMORY:-512}" -nographic -nodefaults -no-reboot -serial stdio \
	-kernel "$kernel" -initrd "$initramfs" -append "console=$console quiet panic=-1" "$@" </dev/null | tr -d '\r' | tee "$log" || true
status=$(sed -n 's/^guest: exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
exit "${status:-124}"
