#!/usr/bin/env bash
# board.sh: `make board`. Builds for other machines and runs there what can run under qemu-user; the last line is the sum.
#
#	armhf, arm64     against a sysroot of their own in build/sysroot (fetched once): smoke and unit tests, `pawl version`
#	musl, static     smoke tests, `pawl version`, on this machine
#
# BOARDS="armhf arm64 musl" chooses. MAKE names the make to use.
set -u
cd "$(dirname "$0")/.."

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

# The program starts there: $1 board, $2 build folder, the rest what starts it.
program_starts() {
	local board=$1 program=$2/pawl
	shift 2
	[ -e src/cli/main.c ] || return 0
	echo "== $board: $program version"
	if "$@" "$program" version; then
		echo "$board-program 1 0" >>"$TALLY"
	else
		echo "$board-program 0 1" >>"$TALLY"
	fi
}

arm_board() {
	local arch=$1 triplet=$2 qemu=$3 root=$PWD/build/sysroot/$1 runner
	if [ ! -e "$root/usr/include/yaml.h" ] && ! scripts/sysroot.sh "$arch" "$root"; then
		echo "$arch-sysroot 0 1" >>"$TALLY"
		return
	fi
	runner="$qemu -L $root"
	set -- CROSS_COMPILE="$triplet-" CC="$triplet-gcc --sysroot=$root" RUNNER="$runner" config="board-$arch"
	step "$arch" all "$@"
	step "$arch" smoke "$@"
	step "$arch" unit "$@"
	# shellcheck disable=SC2086
	program_starts "$arch" "build/board-$arch" $runner
}

for board in ${BOARDS:-armhf arm64 musl}; do
	case $board in
	armhf) arm_board armhf arm-linux-gnueabihf qemu-arm-static ;;
	arm64) arm_board arm64 aarch64-linux-gnu qemu-aarch64-static ;;
	musl)
		set -- CC=musl-gcc static=yes WITH_YAML=no config=board-musl
		step musl all "$@"
		step musl smoke "$@"
		program_starts musl build/board-musl
		;;
	*)
		echo "error: unknown board '$board'; one of armhf, arm64, musl" >&2
		exit 2
		;;
	esac
done

awk '$2 ~ /^[0-9]+$/ && $3 > 0 { print "failed: " $0 }' "$TALLY"
awk '{ p += $2; f += $3 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$TALLY"
