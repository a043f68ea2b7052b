# buildroot.mk - a stand-in for what Buildroot gives a package, to evaluate package/pawl/pawl.mk and run its commands:
#
#	make -f buildroot.mk KIT=DIR CONFIG=FILE TREE=DIR OUT=DIR [TOOL=arm-linux-gnueabihf- KIT_SYSROOT=DIR] TARGET
#
#	variables    what the package says of itself
#	build        PAWL_BUILD_CMDS in TREE
#	install      staging, target and the init system in use (INIT=SYSV, SYSTEMD or OPENRC) into OUT/staging, OUT/target

include $(CONFIG)

BR2_EXTERNAL_PAWL_PATH := $(KIT)
qstrip = $(strip $(subst ",,$(1)))
INSTALL := install
STAGING_DIR := $(OUT)/staging
TARGET_DIR := $(OUT)/target
TARGET_MAKE_ENV := PATH="$(PATH)"
TARGET_CC := $(TOOL)gcc --sysroot=$(KIT_SYSROOT)
TARGET_CFLAGS := -Os -g0
TARGET_LDFLAGS :=
TARGET_CONFIGURE_OPTS := AR="$(TOOL)gcc-ar" AS="$(TOOL)as" LD="$(TOOL)ld" NM="$(TOOL)gcc-nm" CC="$(TARGET_CC)" GCC="$(TARGET_CC)" \
	RANLIB="$(TOOL)gcc-ranlib" READELF="$(TOOL)readelf" STRIP="$(TOOL)strip" OBJCOPY="$(TOOL)objcopy" OBJDUMP="$(TOOL)objdump" \
	CFLAGS="$(TARGET_CFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)" PKG_CONFIG=false
KCONFIG_ENABLE_OPT = @echo enable $(1)
generic-package =

all:
include $(KIT)/external.mk

.PHONY: all variables
variables:
	@echo 'version: $(PAWL_VERSION)'
	@echo 'site: $(PAWL_SITE) $(PAWL_SITE_METHOD)'
	@echo 'dependencies: $(PAWL_DEPENDENCIES)'
	@echo 'license: $(PAWL_LICENSE) $(PAWL_LICENSE_FILES)'
	@echo 'staging: $(PAWL_INSTALL_STAGING)'
	@echo 'users: $(PAWL_USERS)'
	@echo 'options: $(subst ",,$(PAWL_MAKE_OPTS))'

# The name of a target of commands is in TREE, so that $(@D) is TREE.
.PHONY: $(TREE)/kernel $(TREE)/build $(TREE)/install
kernel: $(TREE)/kernel
build: $(TREE)/build
install: $(TREE)/install

$(TREE)/kernel:
	$(PAWL_LINUX_CONFIG_FIXUPS)

$(TREE)/build:
	+$(PAWL_BUILD_CMDS)

$(TREE)/install:
	+$(PAWL_INSTALL_STAGING_CMDS)
	$(foreach hook,$(PAWL_POST_INSTALL_STAGING_HOOKS),$($(hook)))
	+$(PAWL_INSTALL_TARGET_CMDS)
	$(PAWL_INSTALL_INIT_$(INIT))
