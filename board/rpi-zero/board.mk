# rpi-zero: Raspberry Pi Zero, Zero W and the first Pi (BCM2835, ARM1176, armv6), SD card
#
# Debian's armhf is armv7 and dies there on the first instruction that armv6 lacks. So the default is Debian's armel
# toolchain, which is for armv5 and later, a C library of armv5 and a program that is linked statically: it runs under any
# kernel of the board, Raspberry Pi OS among them. A toolchain made for armv6 hard float (of Buildroot, crosstool-NG):
# make BOARD=rpi-zero CROSS_COMPILE=arm-buildroot-linux-gnueabihf- BOARD_FLOAT=hard libc=glibc static=no
CROSS_COMPILE ?= arm-linux-gnueabi-
BOARD_ARCH := armel
BOARD_FLOAT ?= soft
BOARD_CFLAGS := -mcpu=arm1176jzf-s -marm $(if $(filter hard,$(BOARD_FLOAT)),-mfpu=vfp) -mfloat-abi=$(BOARD_FLOAT)
BOARD_QEMU := qemu-arm-static
BOARD_CPU := arm1176
BOARD_ELF := class=ELF32 machine=ARM cpu=v6KZ float=$(BOARD_FLOAT)
libc ?= musl
static ?= yes
