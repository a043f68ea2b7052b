# qemu-arm64: the "virt" machine of qemu-system-aarch64, armv8-a, booted in tests
CROSS_COMPILE ?= aarch64-linux-gnu-
BOARD_ARCH := arm64
BOARD_CFLAGS := -march=armv8-a
BOARD_QEMU := qemu-aarch64-static
BOARD_CPU := cortex-a53
BOARD_ELF := class=ELF64 machine=AArch64
