#!/usr/bin/env bash
# board-tests.sh: `make board-tests`. The tests of this machine with programs for other processors, each in qemu-user; the
# last line is the sum. What an emulator is known not to run is in tests/emulation/gaps, and told at the end.
#
#	ARCHES="armhf arm64"         also armel, mipsel, riscv64, s390x (big endian)
#	TIERS="unit contract e2e"    also crash
#	E2E="cli drops"              only these end-to-end scripts
#	GAPS=try                     only what is in the list: those that pass are errors
#
# MAKE names the make to use. E2E_SHORT, E2E_PATIENCE, E2E_SECONDS, E2E_JOBS: for machines that are slower still.
set -u
cd "$(dirname "$0")/.." || exit 1

make=${MAKE:-make}
arches=${ARCHES:-armhf arm64}
tiers=${TIERS:-unit contract e2e}
jobs=$(nproc 2>/dev/null || echo 1)
mkdir -p build
callers=${TALLY:-} # board-check.sh wants to know, too
TALLY=$PWD/build/board-tests-tally
export TALLY
: >"$TALLY"
for variable in E2E EMULATION_GAPS_TRY; do
	[ -n "${!variable-}" ] || unset "$variable"
done
[ "${GAPS:-}" != try ] || export EMULATION_GAPS_TRY=1

# The prefix of its compiler, and its emulator.
toolchain() { # ARCH
	case $1 in
	armhf) echo arm-linux-gnueabihf qemu-arm-static ;;
	arm64) echo aarch64-linux-gnu qemu-aarch64-static ;;
	armel) echo arm-linux-gnueabi qemu-arm-static ;;
	mipsel) echo mipsel-linux-gnu qemu-mipsel-static ;;
	riscv64) echo riscv64-linux-gnu qemu-riscv64-static ;;
	s390x) echo s390x-linux-gnu qemu-s390x-static ;;
	*) return 1 ;;
	esac
}

# A target that fails without having counted anything is one failure.
step() { # ARCH TARGET VARIABLE...
	local arch=$1 target=$2 before start=$SECONDS
	shift 2
	before=$(wc -l <"$TALLY")
	echo "== $arch: $target"
	if ! TALLY_PREFIX=$arch- $make --no-print-directory -j"$jobs" CI=true TEST_SECONDS=900 "$target" "$@" &&
		[ "$before" -eq "$(wc -l <"$TALLY")" ]; then
		echo "$arch-$target 0 1" >>"$TALLY"
	fi
	echo "== $arch: $target took $((SECONDS - start)) s"
}

test_arch() { # ARCH
	local arch=$1 root=$PWD/build/sysroot/$1 triplet emulator tier
	read -r triplet emulator < <(toolchain "$arch")
	if [ ! -e "$root/usr/include/yaml.h" ] && ! scripts/sysroot.sh "$arch" "$root"; then
		echo "$arch-sysroot 0 1" >>"$TALLY"
		return
	fi
	rm -rf "build/board-$arch/log"
	set -- CROSS_COMPILE="$triplet-" CC="$triplet-gcc --sysroot=$root" RUNNER="$emulator -L $root" config="board-$arch"
	step "$arch" all "$@"
	for tier in $tiers; do
		step "$arch" "$tier" "$@"
	done
}

# After a run of the listed tests alone: that they fail is as it should be.
tell_stale() {
	local arch stale all
	: >"$TALLY"
	for arch in $arches; do
		stale=$(cat build/board-"$arch"/log/*/*.log | grep -c '^STALE ')
		all=$(for tier in $tiers; do tests/emulation/gaps.sh "$arch" "$tier"; done | wc -l)
		grep -h '^STALE ' build/board-"$arch"/log/*/*.log | sed "s|^STALE|$arch: passes, take it off tests/emulation/gaps:|"
		echo "$arch-gaps $((all - stale)) $stale" >>"$TALLY"
	done
}

skipped() { # ARCH: what was not run, and why
	[ -n "${EMULATION_GAPS_TRY-}" ] || sed -n 's/^skipped \([^ :][^:]*: .*\)/  \1/p' build/board-"$1"/log/*/*.log 2>/dev/null
}

for arch in $arches; do
	toolchain "$arch" >/dev/null || { echo "error: unknown processor '$arch'; one of armhf, arm64, armel, mipsel, riscv64, s390x" >&2 && exit 2; }
done
scripts/deps.sh board check || exit 1
for arch in $arches; do
	case $arch in armhf | arm64) ;; *) scripts/deps.sh processors || exit 1 ;; esac
done
if ! tests/emulation/gaps.sh -c; then
	echo "gaps 0 1" >>"$TALLY"
fi
for arch in $arches; do
	test_arch "$arch"
done
if [ -n "${EMULATION_GAPS_TRY-}" ]; then
	tell_stale
fi

for arch in $arches; do
	echo "== $arch: $(skipped "$arch" | wc -l) skipped"
	skipped "$arch"
done
[ -z "$callers" ] || cat "$TALLY" >>"$callers"
awk '$2 ~ /^[0-9]+$/ && $3 > 0 { print "failed: " $0 }' "$TALLY"
awk '{ p += $2; f += $3 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$TALLY"
