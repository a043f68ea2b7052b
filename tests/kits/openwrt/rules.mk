# rules.mk - a stand-in for OpenWrt's, with package.mk beside it, to evaluate a package's Makefile and run its steps:
#
#	make -C PACKAGE TOPDIR=this folder WORK=DIR BUILD_VARIANT=full CONFIG_X=y ... describe | compile | PACKAGE.install
INCLUDE_DIR := $(TOPDIR)/include
BUILD_DIR := $(WORK)/build_dir
PKG_BUILD_DIR = $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
CP := cp -fpR
LN := ln -sf
TARGET_CC := $(TOOL)gcc$(if $(KIT_SYSROOT), --sysroot=$(KIT_SYSROOT))
TARGET_CFLAGS := -Os
TARGET_CPPFLAGS := -g0
TARGET_LDFLAGS :=
TARGET_CONFIGURE_OPTS = AR="$(TOOL)gcc-ar" AS="$(TOOL)gcc -c" LD="$(TOOL)ld" NM="$(TOOL)gcc-nm" CC="$(TARGET_CC)" GCC="$(TARGET_CC)" \
	RANLIB="$(TOOL)gcc-ranlib" STRIP="$(TOOL)strip" OBJCOPY="$(TOOL)objcopy" OBJDUMP="$(TOOL)objdump" SIZE="$(TOOL)size"
SHELL := /bin/bash
