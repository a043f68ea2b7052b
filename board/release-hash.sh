#!/bin/sh
# release-hash.sh pawl-VERSION.tar.gz - writes the sum of a release's archive into the kits that fetch it
set -eu

die() {
	echo "release-hash.sh: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: release-hash.sh pawl-VERSION.tar.gz"
board=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^#define PAWL_VERSION "\(.*\)"/\1/p' "$board/../include/pawl/pawl.h")
name=pawl-$version.tar.gz
[ "${1##*/}" = "$name" ] || die "'$1' is not '$name', which is what this tree is the source of"
sum=$(sha256sum <"$1")
sum=${sum%% *}

hashes=$board/buildroot/package/pawl/pawl.hash
sed -i '/  pawl-.*\.tar\.gz$/d' "$hashes"
echo "sha256  $sum  $name" >>"$hashes"

sed -i "s/^PKG_HASH:=.*/PKG_HASH:=$sum/" "$board/openwrt/pawl/Makefile"

recipe=$board/yocto/meta-pawl/recipes-core/pawl/pawl_$version.bb
[ -e "$recipe" ] || die "there is no '$recipe': rename that of the last release"
sed -i -e '/^SRC_URI\[sha256sum\]/d' "$recipe"
echo "SRC_URI[sha256sum] = \"$sum\"" >>"$recipe"
