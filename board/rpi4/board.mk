# rpi4: Raspberry Pi 4, CM4 and 3 in 64 bits (armv8-a, four cores, 1 GiB and more), SD card or eMMC
#
# Raspberry Pi OS of 64 bits is Debian's arm64, so a program for the one runs on the other.
CROSS_COMPILE ?= aarch64-linux-gnu-
BOARD_ARCH := arm64
# What the Pi 3 has too; not -mcpu=cortex-a72, which would allow CRC instructions that gain nothing here.
BOARD_CFLAGS := -march=armv8-a -mtune=cortex-a72
BOARD_QEMU := qemu-aarch64-static
BOARD_CPU := cortex-a72
BOARD_ELF := class=ELF64 machine=AArch64
