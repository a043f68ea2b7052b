#!/usr/bin/env bash
# check.sh: everything that has to hold before a change goes in (`make check`). Goes on after a failure, so that one run
# tells all; the last line is the sum over all tiers. MAKE names the make to use.
set -u
cd "$(dirname "$0")/.."

make=${MAKE:-make}
scripts/deps.sh check || exit 1

mkdir -p build
TALLY=$PWD/build/tally
export TALLY
: >"$TALLY"
jobs=$(nproc 2>/dev/null || echo 1)

# $1: what it is called in messages; the rest: targets and variables for make.
step() {
	local name=$1 before after start=$SECONDS
	shift
	echo "== $name"
	before=$(wc -l <"$TALLY")
	# shellcheck disable=SC2086
	if ! $make --no-print-directory -j"$jobs" CI=true "$@"; then
		after=$(wc -l <"$TALLY")
		# A step that failed without counting anything did not build.
		[ "$before" -ne "$after" ] || echo "$name 0 1" >>"$TALLY"
	fi
	echo "== $name took $((SECONDS - start)) s"
}

# The tiers run one after the other, as they share the processors among their own programs; those joined by '+' run side by
# side, because one waits for the disk while the other computes.
tiers() {
	local name=$1 targets=$2 target
	shift 2
	export TALLY_PREFIX="$name: "
	for target in $targets; do
		# shellcheck disable=SC2086
		step "$name: $target" ${target//+/ } "$@"
	done
	TALLY_PREFIX=
}

tsan_works() {
	echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c - -o build/tsan-probe || return 0
	local i
	for i in 1 2 3 4 5 6 7 8; do
		build/tsan-probe >/dev/null 2>&1 || return 1
	done
}

libfuzzer_works() {
	echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n == 1; }' |
		clang -fsanitize=fuzzer,address -x c - -o build/fuzz-probe 2>/dev/null
}

step "gcc: build" all CC=gcc
tiers gcc "unit e2e contract+crash fuzz" CC=gcc
# Half a minute of what may run for hours (tests/soak), and four of the mutations (tests/mutate).
step "gcc: soak" soak CC=gcc SOAK_SECONDS=25 SOAK_PARTS=device
step "gcc: mutations" mutate CC=gcc MUTATE=quick
step "gcc, as little as can be: build" all CC=gcc WITH_YAML=no WITH_PLUGINS=no WITH_FS=no WITH_MEMORY=no
step "clang: build" all CC=clang
tiers clang "unit+contract" CC=clang
# By coverage, with fresh random numbers: some seconds for each target, of which a night has an hour (FUZZ_SECONDS=3600).
if libfuzzer_works; then
	tiers libFuzzer fuzz CC=clang FUZZER=libfuzzer FUZZ_SECONDS=4
else
	echo "libFuzzer is not there (scripts/deps.sh fuzz installs it): left out"
fi
echo "== symbols"
if out=$($make --no-print-directory CI=true check-symbols CC=gcc 2>&1); then
	echo "$out"
	echo "symbols 1 0" >>"$TALLY"
else
	echo "$out"
	echo "symbols 0 1" >>"$TALLY"
fi
echo "== hardening"
if $make --no-print-directory CI=true check-hardening CC=gcc && $make --no-print-directory CI=true check-hardening CC=clang; then
	echo "hardening 1 0" >>"$TALLY"
else
	echo "hardening 0 1" >>"$TALLY"
fi
tiers "address, undefined" "unit contract+crash e2e" CC=gcc SANITIZE=address,undefined TEST_SECONDS=300
# Older run-time libraries do not know where a kernel with much address randomisation puts things.
if ! tsan_works; then
	export RUNNER="setarch $(uname -m) -R"
fi
# The thread sanitizer keeps megabytes for each stack that ever was; what has no threads needs few of them.
export PAWL_TEST_RUNS=5
tiers thread unit CC=gcc SANITIZE=thread TEST_SECONDS=300
unset PAWL_TEST_RUNS
# Each start of a program takes long under it: the scripts that start few and stress threads.
export E2E="kill process drops"
tiers thread e2e CC=gcc SANITIZE=thread TEST_SECONDS=300

echo "== all"
awk '$NF > 0 { print "failed: " $0 }' "$TALLY"
awk '{ p += $(NF - 1); f += $NF } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$TALLY"
