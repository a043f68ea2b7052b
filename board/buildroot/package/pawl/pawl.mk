################################################################################
#
# pawl
#
################################################################################

PAWL_VERSION = 0.1.0
PAWL_LICENSE = MIT
PAWL_LICENSE_FILES = LICENSE
PAWL_INSTALL_STAGING = YES

ifeq ($(BR2_PACKAGE_PAWL_SOURCE_RELEASE),y)
PAWL_SITE = $(call qstrip,$(BR2_PACKAGE_PAWL_SOURCE_SITE))
else
PAWL_SITE = $(or $(call qstrip,$(BR2_PACKAGE_PAWL_SOURCE_DIR)),$(realpath $(BR2_EXTERNAL_PAWL_PATH)/../..))
PAWL_SITE_METHOD = local
# What was built there for this machine is large, and not for the target.
PAWL_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build --exclude=/config.mak
endif

ifeq ($(BR2_PACKAGE_PAWL_YAML),y)
PAWL_DEPENDENCIES += libyaml
endif

PAWL_MAKE_OPTS = \
	config=buildroot \
	CONFIG= \
	prefix=/usr \
	EXTRA_CFLAGS="$(TARGET_CFLAGS)" \
	EXTRA_LDFLAGS="$(TARGET_LDFLAGS)" \
	static=$(if $(BR2_STATIC_LIBS),yes,no) \
	WITH_YAML=$(if $(BR2_PACKAGE_PAWL_YAML),yes,no) \
	WITH_PLUGINS=$(if $(BR2_PACKAGE_PAWL_PLUGINS),yes,no) \
	WITH_FS=$(if $(BR2_PACKAGE_PAWL_FS),yes,no) \
	WITH_MEMORY=$(if $(BR2_PACKAGE_PAWL_MEMORY),yes,no) \
	WITH_DOCTOR=$(if $(BR2_PACKAGE_PAWL_DOCTOR),yes,no) \
	WITH_FSCK=$(if $(BR2_PACKAGE_PAWL_FSCK),yes,no) \
	WITH_TOOLS=$(if $(BR2_PACKAGE_PAWL_TOOLS),yes,no) \
	WITH_METRICS=$(if $(BR2_PACKAGE_PAWL_METRICS),yes,no) \
	WITH_WORKERS=$(if $(BR2_PACKAGE_PAWL_WORKERS),yes,no) \
	WITH_PRESSURE=$(if $(BR2_PACKAGE_PAWL_PRESSURE),yes,no) \
	WITH_ISOLATION=$(if $(BR2_PACKAGE_PAWL_ISOLATION),yes,no) \
	WITH_REVIVE=$(if $(BR2_PACKAGE_PAWL_REVIVE),yes,no) \
	WITH_ENTITIES=$(if $(BR2_PACKAGE_PAWL_ENTITIES),yes,no) \
	WITH_TOPICS=$(if $(BR2_PACKAGE_PAWL_TOPICS),yes,no) \
	WITH_HELP=$(if $(BR2_PACKAGE_PAWL_HELP),yes,no)

PAWL_MAKE = $(TARGET_MAKE_ENV) $(MAKE) $(TARGET_CONFIGURE_OPTS) -C $(@D) $(PAWL_MAKE_OPTS)

define PAWL_BUILD_CMDS
	$(PAWL_MAKE) all $(if $(BR2_PACKAGE_PAWL_DEMO),examples)
endef

# One kind of library, unless the configuration wants both.
ifeq ($(BR2_SHARED_LIBS),y)
define PAWL_REMOVE_STATIC_LIBRARY
	rm -f $(STAGING_DIR)/usr/lib/libpawl.a
endef
PAWL_POST_INSTALL_STAGING_HOOKS += PAWL_REMOVE_STATIC_LIBRARY
endif

define PAWL_INSTALL_STAGING_CMDS
	$(PAWL_MAKE) DESTDIR=$(STAGING_DIR) install
endef

# Headers, static library and manual pages are removed when the target is finished.
define PAWL_INSTALL_TARGET_CMDS
	$(PAWL_MAKE) DESTDIR=$(TARGET_DIR) install
	$(if $(BR2_PACKAGE_PAWL_DEMO),$(PAWL_MAKE) DESTDIR=$(TARGET_DIR) install-demo)
endef

ifeq ($(BR2_PACKAGE_PAWL_SERVICE),y)
define PAWL_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/board/init/systemd/pawl.service $(TARGET_DIR)/usr/lib/systemd/system/pawl.service
	$(INSTALL) -D -m 0644 $(@D)/board/init/pawl.tmpfiles $(TARGET_DIR)/usr/lib/tmpfiles.d/pawl.conf
	$(INSTALL) -D -m 0644 $(@D)/board/init/pawl.sysusers $(TARGET_DIR)/usr/lib/sysusers.d/pawl.conf
endef

# It calls itself by that name; S99 is for rcS.
define PAWL_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/board/init/sysv/pawl $(TARGET_DIR)/etc/init.d/pawl
	ln -sf pawl $(TARGET_DIR)/etc/init.d/S99pawl
endef

define PAWL_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/board/init/openrc/pawl $(TARGET_DIR)/etc/init.d/pawl
endef
endif

# For `access` in pawl.yaml; the service itself is root, as its activities flash and reboot. No home: the hub belongs to
# whom runs it.
define PAWL_USERS
	pawl -1 pawl -1 * - - pawl-read,pawl-drop,pawl-control pawl runtime
endef

define PAWL_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_EPOLL)
	$(call KCONFIG_ENABLE_OPT,CONFIG_FILE_LOCKING)
	$(call KCONFIG_ENABLE_OPT,CONFIG_INOTIFY_USER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SIGNALFD)
	$(call KCONFIG_ENABLE_OPT,CONFIG_TIMERFD)
endef

$(eval $(generic-package))
