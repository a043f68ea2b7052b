SUMMARY = "A small image with pawl, its service and its demo"
LICENSE = "MIT"

inherit core-image

IMAGE_INSTALL = "packagegroup-core-boot pawl pawl-demo ${CORE_IMAGE_EXTRA_INSTALL}"
IMAGE_FEATURES += "${@bb.utils.contains('DISTRO_FEATURES', 'ptest', 'ptest-pkgs', '', d)}"
IMAGE_LINGUAS = ""

# Room for hubs.
IMAGE_ROOTFS_EXTRA_SPACE:append = " + 65536"
