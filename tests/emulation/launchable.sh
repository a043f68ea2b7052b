#!/usr/bin/env bash
# launchable.sh PROGRAM [PLACE]: puts a program of this machine into PLACE that has the emulator run PROGRAM (launch.c).
# Without PLACE into PROGRAM's own place, and PROGRAM moves into the folder .elf beside it. $EMULATE says how:
# "qemu-arm-static -L ROOT". $HOSTCC is a compiler for this machine.
set -eu

[ $# -ge 1 ] || { echo "usage: launchable.sh PROGRAM [PLACE], with \$EMULATE" >&2; exit 2; }
program=$1
place=${2:-$1}
# shellcheck disable=SC2086
set -- ${EMULATE:?is not set: the emulator and -L and the folder of libraries}
[ "$#${2-}" = 3-L ] || { echo "EMULATE is '$EMULATE': expected an emulator, -L and a folder" >&2; exit 2; }
emulator=$(command -v "$1") || { echo "no emulator '$1': scripts/deps.sh board installs it" >&2; exit 1; }
root=$3

if [ "$place" = "$program" ]; then
	mkdir -p "${program%/*}/.elf"
	mv "$program" "${program%/*}/.elf/"
	program=${program%/*}/.elf/${program##*/}
fi
source=$(dirname "$0")/launch.c
[ "$place" -nt "$program" ] && [ "$place" -nt "$source" ] && exit
mkdir -p "$(dirname "$place")"
${HOSTCC:-cc} -Os -s -static -DEMULATOR="\"$emulator\"" -DROOT="\"$root\"" -DPROGRAM="\"$program\"" -o "$place" "$source"
