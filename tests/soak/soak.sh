#!/usr/bin/env bash
# soak.sh - hours of work for the real programs (README.md). `make soak` sets $PAWL and $BUILD. The last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${PAWL:?is not set: the built program (make soak sets it)}" "${BUILD:?is not set: the build folder (make soak sets it)}"
seconds=${SOAK_SECONDS:-300}
parts=${SOAK_PARTS:-device sim fuzz}
dir=${SOAK_DIR:-$BUILD}/soak
epoch=${SOAK_EPOCH:-$((seconds / 30))}
[ "$epoch" -ge 2 ] || epoch=2
[ "$epoch" -le 60 ] || epoch=60
seed=${SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
log=$BUILD/soak.log
mkdir -p "$dir" || exit 1
: >"$log"

device() {
	local lane
	tests/e2e/run.sh no-script >"$dir/build.log" 2>&1 || : # builds the test programs, runs none
	[ -x "$BUILD/e2e/bin/types" ] || { cat "$dir/build.log" && echo "0 passed, 1 failed" && return; }
	echo "== device: $seconds s, epochs of $epoch s, SOAK_SEED=$seed"
	for lane in kill steady; do
		LANE_SECONDS=$seconds LANE_EPOCH=$epoch LANE_SEED=$seed LANE_DIR=$dir bash tests/soak/lane.sh $lane >"$dir/$lane.out" 2>&1 &
	done
	wait
	cat "$dir/kill.out" "$dir/steady.out"
}

sim() {
	if ! grep -q '^sim:' Makefile; then
		echo "== sim: not there"
		return
	fi
	echo "== sim: $seconds s"
	"${MAKE:-make}" --no-print-directory sim SIM_SECONDS="$seconds" || echo "0 passed, 1 failed"
}

fuzz() {
	if ! command -v clang >/dev/null || ! grep -q FUZZ_SECONDS Makefile; then
		echo "== fuzz: no clang, or no FUZZ_SECONDS"
		return
	fi
	echo "== fuzz: $seconds s"
	if "${MAKE:-make}" --no-print-directory fuzz CC=clang FUZZER=libfuzzer FUZZ_SECONDS="$seconds"; then
		echo "1 passed, 0 failed"
	else
		echo "0 passed, 1 failed"
	fi
}

for part in $parts; do
	case $part in
	device | sim | fuzz) $part 2>&1 | tee -a "$log" ;;
	*) echo "SOAK_PARTS: '$part' is none of device, sim, fuzz" >&2 && exit 2 ;;
	esac
done
sum=$(awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 } END { print p + 0, f + 0 }' "$log")
echo "== all"
[ -z "${TALLY:-}" ] || echo "${TALLY_PREFIX:-}soak $sum" >>"$TALLY"
echo "${sum% *} passed, ${sum#* } failed"
[ "${sum#* }" -eq 0 ] && [ "${sum% *}" -gt 0 ]
