# riscv64: a RISC-V board that runs Linux (VisionFive 2, Milk-V: rv64gc, lp64d), SD card or eMMC with ext4
CROSS_COMPILE ?= riscv64-linux-gnu-
BOARD_ARCH := riscv64
BOARD_CFLAGS := -march=rv64gc -mabi=lp64d
BOARD_QEMU := qemu-riscv64-static
BOARD_CPU := rv64
BOARD_ELF := class=ELF64 machine=RISC-V float=double
