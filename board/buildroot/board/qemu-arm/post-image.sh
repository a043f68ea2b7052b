#!/bin/sh
# Puts a script that boots the image beside it. Buildroot calls this with the folder of the images.
set -eu

cat >"$1/run-qemu.sh" <<'END'
#!/bin/sh
# Ctrl-A X ends qemu at once, as a power cut does.
cd "$(dirname "$0")" || exit 1
PATH=$PWD/../host/bin:$PATH
exec qemu-system-arm -M vexpress-a9 -smp 1 -m 256 -nographic -nic user \
	-kernel zImage -dtb vexpress-v2p-ca9.dtb -drive file=rootfs.ext2,if=sd,format=raw \
	-append "console=ttyAMA0,115200 rootwait root=/dev/mmcblk0" "$@"
END
chmod +x "$1/run-qemu.sh"
