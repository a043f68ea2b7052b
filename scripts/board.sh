#!/usr/bin/env bash
# board.sh: `make board`. Builds for other machines and runs there what can run under qemu-user; the last line is the sum.
#
#	armhf, arm64     BOARD=qemu-arm and qemu-arm64, with a sysroot in build/sysroot (fetched once): smoke and unit tests, and the
#	                 program serves a hub
#	musl, static     smoke tests, and the program serves a hub, on this machine
#
# All boards and more: `make board-check`.
#
# BOARDS="armhf arm64 musl" chooses. MAKE names the make to use.
set -u
cd "$(dirname "$0")/.." || exit 1

make=${MAKE:-make}
scripts/deps.sh board || exit 1
mkdir -p build
TALLY=$PWD/build/board-tally
export TALLY
: >"$TALLY"
jobs=$(nproc 2>/dev/null || echo 1)

# $1: board, $2: target, the rest: variables for make.
step() {
	local board=$1 target=$2 before
	shift 2
	before=$(wc -l <"$TALLY")
	export TALLY_PREFIX="$board-"
	echo "== $board: $target"
	if ! $make --no-print-directory -j"$jobs" CI=true TEST_SECONDS=600 "$target" "$@" && [ "$before" -eq "$(wc -l <"$TALLY")" ]; then
		echo "$board-$target 0 1" >>"$TALLY"
	fi
}

# The board that stands for an architecture: $1 architecture, $2 board under board/.
arm_board() {
	local root=$PWD/build/sysroot/$1
	if [ ! -e "$root/usr/include/yaml.h" ] && ! scripts/sysroot.sh "$1" "$root"; then
		echo "$1-sysroot 0 1" >>"$TALLY"
		return
	fi
	for target in all smoke unit board-start; do
		step "$1" "$target" BOARD="$2"
	done
}

for board in ${BOARDS:-armhf arm64 musl}; do
	case $board in
	armhf) arm_board armhf qemu-arm ;;
	arm64) arm_board arm64 qemu-arm64 ;;
	musl)
		set -- CC=musl-gcc static=yes WITH_YAML=no config=board-musl
		for target in all smoke board-start; do
			step musl "$target" "$@"
		done
		;;
	*)
		echo "error: unknown board '$board'; one of armhf, arm64, musl" >&2
		exit 2
		;;
	esac
done

awk '$2 ~ /^[0-9]+$/ && $3 > 0 { print "failed: " $0 }' "$TALLY"
awk '{ p += $2; f += $3 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$TALLY"
