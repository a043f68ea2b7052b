#!/bin/bash
# initramfs.sh SYSROOT OUT "MODULE..." FILE[=PATH]... - an initramfs for a guest: busybox, kernel modules, and our files
#
# SYSROOT (scripts/sysroot.sh ARCH DIR linux-image-... busybox-static) has the kernel and busybox of the guest. Modules go
# to /modules/NNN-NAME.ko in the order in which they must be loaded, so that the guest needs neither udev nor modprobe.
# A FILE goes to /bin, or to PATH. One of them is to be /init.
set -eu

sysroot=$1 out=$2 modules=$3
shift 3
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

version=$(ls "$sysroot/lib/modules")
[ -e "$sysroot/lib/modules/$version/modules.dep" ] || depmod -b "$sysroot" "$version"

mkdir -p "$tree"/{bin,dev,proc,sys,tmp,mnt,modules}
cp "$sysroot/bin/busybox" "$tree/bin/"
for applet in sh mount umount insmod mknod mkdir cat echo ls sleep usleep grep sed sync poweroff reboot blockdev mdev kill rm tr cut tail head \
	seq date dd true false test mv cp touch ln wc time chmod; do
	ln -s busybox "$tree/bin/$applet"
done

number=100
for module in $modules; do
	# What is built into the kernel has no file.
	modprobe -d "$sysroot" -S "$version" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' | while read -r file; do
	cp "$file" "$tree/modules/$number-$(basename "$file")"
	number=$((number + 1))
done

for file; do
	path=/bin/$(basename "$file")
	case $file in *=*) path=${file#*=} file=${file%%=*} ;; esac
	mkdir -p "$tree$(dirname "$path")"
	cp -L "$file" "$tree$path"
	chmod +x "$tree$path"
done

(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$out.new"
mv "$out.new" "$out"
