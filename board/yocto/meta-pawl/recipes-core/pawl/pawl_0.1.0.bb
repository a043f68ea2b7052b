require pawl.inc

# A release: board/release-hash.sh writes its sum here. Or the tree that PAWL_TREE names (conf/layer.conf).
SRC_URI = "https://example.org/pawl/releases/pawl-${PV}.tar.gz"
SRC_URI += "file://run-ptest"

inherit ${@'externalsrc' if d.getVar('PAWL_TREE') else ''}
EXTERNALSRC = "${PAWL_TREE}"
