#!/bin/sh
# mirror.sh BUILD MIRROR: makes MIRROR look like the build folder BUILD, which is for another processor, with programs in it
# that this machine starts (launchable.sh; $EMULATE as there): the tests from outside find what they look for in $BUILD.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
mkdir -p "$2"
mirror=$(cd "$2" && pwd)

for file in "$build"/libpawl.* "$build"/pawl.pc "$build"/flags; do
	[ ! -e "$file" ] || ln -sfn "$file" "$mirror/${file##*/}"
done
mkdir -p "$mirror/examples"
for file in "$build"/pawl "$build"/pawl-shim "$build"/examples/* "$build"/tests/unit/test_os_linux; do
	place=$mirror/${file#"$build"/}
	case $file in
	*.so) ln -sfn "$file" "$place" ;;
	*) [ ! -f "$file" ] || tests/emulation/launchable.sh "$file" "$place" ;;
	esac
done
