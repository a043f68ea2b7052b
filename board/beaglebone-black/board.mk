# beaglebone-black: BeagleBone Black (AM3358, one Cortex-A8, armv7 hard float, 512 MiB), eMMC with ext4
CROSS_COMPILE ?= arm-linux-gnueabihf-
BOARD_ARCH := armhf
BOARD_CFLAGS := -mcpu=cortex-a8 -mfpu=vfpv3-d16 -mfloat-abi=hard
BOARD_QEMU := qemu-arm-static
BOARD_CPU := cortex-a8
BOARD_ELF := class=ELF32 machine=ARM cpu=v7 float=hard
