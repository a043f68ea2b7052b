#!/bin/sh
# build.sh [DIR [OPTION...]]: builds the packages from a copy of this tree, into DIR (build/debian). OPTIONs are
# dpkg-buildpackage's; DEB_BUILD_OPTIONS=nocheck leaves the unit tests out.
set -eu

cd "$(dirname "$0")/../.."
dir=${1:-build/debian}
[ $# -eq 0 ] || shift
mkdir -p "$dir"
version=$(dpkg-parsechangelog -l board/debian/changelog -S Version)
copy=$dir/pawl-${version%-*}
rm -rf "$copy" "$dir"/*.deb "$dir"/*.changes "$dir"/*.buildinfo
mkdir "$copy"
tar --exclude=./build --exclude=./.git --exclude=./config.mak -cf - . | tar -C "$copy" -xf -
cp -r board/debian "$copy/debian"
cd "$copy"
unset MAKEFLAGS MFLAGS MAKELEVEL # of a make that called this: debian/rules has its own
dpkg-buildpackage -us -uc -b "$@"
