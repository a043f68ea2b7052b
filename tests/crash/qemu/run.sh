#!/usr/bin/env bash
# run.sh - power cuts on other kernels: Debian's for armhf, arm64 and amd64, emulated (README.md). `make qemu` runs it.
#
#	ARCHES          of: armhf arm64 amd64
#	FS              of: ext4 f2fs ubifs
#	QEMU_STATES     states to try for each recording
#	QEMU_STEPS      of the load
#	QEMU_ROUNDS     power cuts on UBIFS, for each architecture that has the chip
#	QEMU_KILLS      guests that are killed, for each architecture; 0: none
#	QEMU_SEED       default: a fresh one, which is told
#	QEMU_PLANTS     bugs to plant; "" = none
#	LIMIT, MEMORY   seconds and MiB for a guest
#	KEPT            tests/crash/block/kept.c, built for this machine
#
# The last line is "N passed, N failed". What cannot run here is told, and counts as neither. Consoles are in build/qemu/log.
set -u
cd "$(dirname "$0")/../../.." || exit 1

arches=${ARCHES:-armhf arm64 amd64}
fs_list=${FS:-ext4 f2fs ubifs}
states=${QEMU_STATES:-300}
steps=${QEMU_STEPS:-100}
rounds=${QEMU_ROUNDS:-12}
kills=${QEMU_KILLS:-12}
seed=${QEMU_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
plants=${QEMU_PLANTS-nosync nodirsync}
# Alone it takes a tenth of that.
export LIMIT=${LIMIT:-3600} MEMORY=${MEMORY:-768}
passed=0 failed=0 skipped=0 child=
dir=$PWD/build/qemu
here=tests/crash/qemu
modules="virtio_mmio virtio_pci virtio_blk ext4 f2fs mtd nandsim ubi deflate zstd lzo ubifs fuse loop"
programs="record load states kept"

passes() {
	passed=$((passed + 1))
}

fails() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

skips() {
	skipped=$((skipped + 1))
	echo "skipped: $*"
}

# In the background, as bash serves traps only between commands.
run() {
	"$@" &
	child=$!
	wait "$child"
	local status=$?
	child=
	return $status
}

# A guest ends with the script that has started it.
clean_up() {
	local status=$?
	trap - EXIT
	[ -z "$child" ] || kill "$child" 2>/dev/null
	exit $status
}

# ---- what there is for an architecture ----

choose() { # ARCH
	root=$dir/$1 triplet='' initramfs=$dir/$1.initramfs
	case $1 in
	armhf) emulator=qemu-system-arm image=linux-image-armmp triplet=arm-linux-gnueabihf- ;;
	arm64) emulator=qemu-system-aarch64 image=linux-image-arm64 triplet=aarch64-linux-gnu- ;;
	amd64) emulator=qemu-system-x86_64 image=linux-image-amd64 triplet=$([ "$(uname -m)" = x86_64 ] || echo x86_64-linux-gnu-) ;;
	*)
		echo "qemu: unknown architecture '$1': armhf, arm64 or amd64" >&2
		exit 2
		;;
	esac
}

lacks() {
	local tool
	for tool in "$emulator" cpio depmod modprobe; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || { echo "$tool (scripts/deps.sh qemu)"; return; }
	done
	command -v "${triplet}gcc" >/dev/null || { echo "${triplet}gcc (scripts/deps.sh board)"; return; }
}

sysroot() { # ARCH
	[ ! -e "$root/.complete" ] || return 0
	echo "$1: kernel and libraries from Debian, once"
	scripts/sysroot.sh "$1" "$root" "$image" busybox-static mtd-utils e2fsck-static libfuse3-dev >"$dir/log/$1-sysroot" 2>&1 &&
		[ -e "$root/usr/sbin/ubiattach" ] && touch "$root/.complete"
}

build() { # ARCH
	# shellcheck disable=SC2086
	"${MAKE:-make}" --no-print-directory CROSS_COMPILE="$triplet" CC="${triplet}gcc --sysroot=$root" static=yes config="qemu-$1" \
		$(printf "build/qemu-$1/tests/block/%s " $programs) >"$dir/log/$1-build" 2>&1
}

# The tools for UBI are not to be had static: so with the libraries that they name.
pack() { # ARCH
	local files="init=/init cut.sh ubi.sh load.sh" file name loader
	set --  "$1" "$root/sbin/e2fsck.static=/bin/e2fsck"
	for file in $files; do
		set -- "$@" "$here/$file"
	done
	for name in $programs; do
		set -- "$@" "build/qemu-$1/tests/block/$name"
	done
	for name in ubiattach ubidetach ubimkvol; do
		set -- "$@" "$root/usr/sbin/$name"
	done
	loader=$("${triplet}readelf" -p .interp "$root/usr/sbin/ubiattach" | sed -n 's/.*\] *//p')
	set -- "$@" "$root$loader=$loader" "$(find "$root/usr/lib" -path '*linux-gnu*' -name libc.so.6 | head -n 1)=/lib/libc.so.6"
	shift
	"$here/initramfs.sh" "$root" "$initramfs" "$modules" "$@"
}

has_nand() {
	[ -n "$(find "$root/lib/modules/" -name 'nandsim.ko*')" ]
}

make_disk() { # FS IMAGE
	rm -f "$2"
	case $1 in
	ext4) truncate -s 48M "$2" && mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	f2fs) truncate -s 96M "$2" && mkfs.f2fs -q -f "$2" >/dev/null ;;
	esac
}

# ---- cases ----

# A guest's console, without what the kernel says; whole in the log.
guest() { # ARCH NAME "SETTING..."
	local log=$dir/log/$1-$2
	SETTINGS=$3 run "$here/boot.sh" "$1" "$root" "$initramfs" >"$log"
	local status=$?
	grep -aE '^(ext4|f2fs|ubifs): ' "$log" | sed "s/^/$1: /"
	return $status
}

verdict() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		echo "ok: $2"
		passes
	else
		fails "$2 (status $1, seed $seed): $(grep -aE '^round |^    ' "$dir/log/${2/: /-}" | head -n 5)"
	fi
}

# try ARCH FS [PLANT]
try() {
	local name=$2${3:+-$3} settings="SEED=$seed${3:+ PLANT=$3}"
	case $2 in
	# The load is longer than what the kernel waits before it cuts.
	ubifs) guest "$1" "$name" "COMMAND=ubi.sh ROUNDS=$rounds STEPS=100000 $settings" ;;
	*)
		command -v "mkfs.$2" >/dev/null || { skips "$1: $2 needs mkfs.$2 (scripts/deps.sh qemu)"; return; }
		make_disk "$2" "$dir/disk.img" && DISK=$dir/disk.img guest "$1" "$name" "COMMAND=cut.sh FS=$2 STATES=$states STEPS=$steps $settings"
		;;
	esac
	verdict $? "$1: $name"
}

lacks_for_kills() {
	[ "$(id -u)" -eq 0 ] || { echo "root"; return; }
	[ -b "$(losetup -f 2>/dev/null)" ] || { echo "a free loop device"; return; }
	unshare --mount true 2>/dev/null || { echo "the right to make mount namespaces (CAP_SYS_ADMIN)"; return; }
	command -v e2fsck >/dev/null || { echo "e2fsck (scripts/deps.sh qemu)"; return; }
}

try_kills() { # ARCH [PLANT]
	local name=kills${2:+-$2} what
	what=$(lacks_for_kills)
	[ -z "$what" ] || { skips "$1: $name needs $what"; return; }
	mkdir -p "$dir/kills" && make_disk ext4 "$dir/kills/base.img" &&
		run "$here/kill.sh" "$1" "$root" "$initramfs" "$dir/kills" "$KEPT" "$kills" "$seed" ${2:+"$2"} >"$dir/log/$1-$name" 2>&1
	local status=$?
	tail -n 1 "$dir/log/$1-$name" | sed "s/^/$1: /"
	verdict $status "$1: $name"
}

try_arch() { # ARCH
	local fs bug
	for fs in $fs_list; do
		if [ "$fs" = ubifs ] && ! has_nand; then
			skips "$1: ubifs needs nandsim, which this kernel is not built with"
			continue
		fi
		try "$1" "$fs"
		for bug in $plants; do
			# UBIFS and f2fs hide much of a missing sync of a directory: ext4 shows all, UBIFS the plain one.
			[ "$fs" != ext4 ] && [ "$fs:$bug" != ubifs:nosync ] || try "$1" "$fs" "$bug"
		done
	done
	[ "$kills" -eq 0 ] || try_kills "$1"
	[ "$kills" -eq 0 ] || [ -z "$plants" ] || try_kills "$1" nosync
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$dir/log"
echo "seed $seed; about $states states for each recording"
for arch in $arches; do
	choose "$arch"
	what=$(lacks)
	if [ -n "$what" ]; then
		skips "$arch: needs $what"
	elif ! sysroot "$arch"; then
		skips "$arch: needs Debian's packages for it (build/qemu/log/$arch-sysroot)"
	elif ! build "$arch"; then
		fails "$arch: the build (build/qemu/log/$arch-build)"
	elif ! pack "$arch"; then
		fails "$arch: the initramfs"
	else
		try_arch "$arch"
	fi
done
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
