# package.mk - see rules.mk
PKG_INSTALL_DIR = $(PKG_BUILD_DIR)/ipkg-install
MAKE_FLAGS := $(TARGET_CONFIGURE_OPTS) CROSS="$(TOOL)" ARCH="$(ARCH)"
MAKE_INSTALL_FLAGS = $(MAKE_FLAGS) DESTDIR="$(PKG_INSTALL_DIR)"
MAKE_VARS := CFLAGS="$(TARGET_CFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)"

define Build/Compile/Default
	+$(MAKE_VARS) $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS) $(1)
endef
define Build/Install/Default
	+$(MAKE_VARS) $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_INSTALL_FLAGS) $(1)
endef

# As the real one: what the package's define sets is taken, and some of it must be there.
fields := SECTION CATEGORY TITLE URL DEPENDS VARIANT DEFAULT_VARIANT PROVIDES CONFLICTS USERID ABI_VERSION
define BuildPackage
$(foreach field,$(fields),$(eval $(field):=))
$(eval $(Package/$(1)))
$(foreach field,SECTION CATEGORY TITLE,$(if $($(field)),,$(error package $(1) has no $(field))))
$(if $(Package/$(1)/description),,$(error package $(1) has no description))
$(if $(Package/$(1)/install),,$(error package $(1) has no install))
packages += $(1)
$(foreach field,$(fields),$(eval $(1)_$(field):=$($(field))))
.PHONY: $(1).install
$(1).install:
	rm -rf $(WORK)/root/$(1)
	mkdir -p $(WORK)/root/$(1)
	$(call Package/$(1)/install,$(WORK)/root/$(1))
endef

.PHONY: describe prepare compile dev
all: compile
describe:
	@$(foreach package,$(packages),echo "package $(package)"; $(foreach field,$(fields),$(if $($(package)_$(field)),echo "  $(field): $($(package)_$(field))";)))
	@echo "version: $(PKG_VERSION)"
	@echo "source: $(PKG_SOURCE) $(PKG_HASH)"
	@echo "license: $(PKG_LICENSE) $(PKG_LICENSE_FILES)"
	@echo "depends on options: $(PKG_CONFIG_DEPENDS)"
	@echo 'options: $(subst ",,$(MAKE_FLAGS))'
prepare:
	$(Build/Prepare)
compile:
	$(Build/Compile)
	$(Build/Install)
dev:
	mkdir -p $(WORK)/staging
	$(call Build/InstallDev,$(WORK)/staging)
