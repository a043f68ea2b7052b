#!/usr/bin/env bash
# check-switches.sh [PART...]: each part of scripts/parts.mk left out alone, and configs/tiny, built with -Werror, with the unit
# tests that are left, and a life of an instance that is killed and goes on. "tiny" and "tiny-static" are the configuration
# with the usual compiler, and with musl-gcc, static. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1

make=${MAKE:-make}
jobs=$(nproc 2>/dev/null || echo 1)
mkdir -p build
TALLY=$PWD/build/switches-tally
export TALLY
: >"$TALLY"

tests_of() { # PART: those that need it
	sed -n "s/^tests_$1 := *//p" scripts/parts.mk
}

run() { # NAME TARGETS ARGUMENT...
	local name=$1 targets=$2 before
	shift 2
	before=$(wc -l <"$TALLY")
	export TALLY_PREFIX="$name: "
	echo "== $name: $targets"
	# shellcheck disable=SC2086
	if ! $make --no-print-directory -j"$jobs" CI=true config="switch-$name" "$@" $targets && [ "$before" -eq "$(wc -l <"$TALLY")" ]; then
		echo "$name build 0 1" >>"$TALLY"
	fi
}

# The left-out part is told of, and the program lives.
lives() { # NAME
	local name=$1
	PAWL=$PWD/build/switch-$name/pawl HELLO=$PWD/build/switch-$name/examples/hello PAWL_SHIM=$PWD/build/switch-$name/pawl-shim \
		TALLY_NAME=$name tests/e2e/small.sh || :
}

all="$(sed -n 's/^parts := //p' scripts/parts.mk) tiny tiny-static"
[ $# -eq 0 ] || all=$*
for part in $all; do
	case $part in
	tiny) run tiny "all examples" CONFIG=tiny ;;
	tiny-static)
		if ! command -v musl-gcc >/dev/null; then
			echo "skipped: tiny-static: musl-gcc is not here (scripts/deps.sh board)"
			continue
		fi
		run tiny-static "all examples smoke" CONFIG=tiny CC=musl-gcc static=yes
		;;
	*)
		tests=$(tests_of "$part")
		[ -z "$tests" ] || echo "skipped without $part: $tests"
		run "no-$part" "all examples unit" "WITH_$part=no"
		;;
	esac
	case $part in tiny*) name=$part ;; *) name=no-$part ;; esac
	lives "$name"
done

awk '$NF > 0 { print "failed: " $0 }' "$TALLY"
awk '{ p += $(NF - 1); f += $NF } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$TALLY"
