# openwrt-mipsel: OpenWrt router (MT7621, MT7628: mipsel 24Kc, soft float, musl, 64 MiB), squashfs with a small overlay
#
# With OpenWrt's own toolchain: CROSS_COMPILE=mipsel-openwrt-linux-musl- SYSROOT=... (or the feed, which does it all).
# Without it, Debian's compiler and a musl that scripts/sysroot.sh builds for soft float: static, as the router's musl has
# another version.
CROSS_COMPILE ?= mipsel-linux-gnu-
BOARD_ARCH := mipsel
BOARD_CFLAGS := -march=24kc -msoft-float
BOARD_QEMU := qemu-mipsel-static
BOARD_CPU := 24Kc
BOARD_ELF := class=ELF32 machine=MIPS cpu=mips32r2 float=soft
# Debian's glibc for mipsel is for hard float.
BOARD_LIBCS := musl
libc ?= musl
static ?= yes
# What the flash has room for, and the configuration file: 2 MiB of it are for all that is added to OpenWrt.
CONFIG ?= tiny
WITH_YAML ?= yes
