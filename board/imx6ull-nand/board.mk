# imx6ull-nand: i.MX 6ULL (one Cortex-A7, armv7 hard float, 256 MiB), raw NAND with UBI and UBIFS
#
# A root file system in flash has little room: one static program of a small C library in place of glibc and libyaml.
CROSS_COMPILE ?= arm-linux-gnueabihf-
BOARD_ARCH := armhf
BOARD_CFLAGS := -mcpu=cortex-a7 -mfpu=neon-vfpv4 -mfloat-abi=hard
BOARD_QEMU := qemu-arm-static
BOARD_CPU := cortex-a7
BOARD_ELF := class=ELF32 machine=ARM cpu=v7 float=hard
libc ?= musl
static ?= yes
