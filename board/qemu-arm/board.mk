# qemu-arm: the "virt" machine of qemu-system-arm, armv7 hard float, booted in tests
CROSS_COMPILE ?= arm-linux-gnueabihf-
BOARD_ARCH := armhf
BOARD_CFLAGS := -march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard
BOARD_QEMU := qemu-arm-static
BOARD_CPU := cortex-a15
BOARD_ELF := class=ELF32 machine=ARM cpu=v7 float=hard
