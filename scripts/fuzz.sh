#!/usr/bin/env bash
# fuzz.sh [-m] BUILD PROGRAM...: libFuzzer's runs of the fuzz targets, as many side by side as there are processors
# (`make fuzz FUZZER=libfuzzer CC=clang`). What one finds new stays in BUILD/corpus/NAME for the next run; what fails in
# BUILD/corpus/NAME-crash-...: `PROGRAM FILE` repeats it. $FUZZ_SECONDS for each target, or, when that is empty, $FUZZ_RUNS.
# The last line is the sum; $TALLY is a file that gets it too, with $TALLY_PREFIX before it.
#
# -m: nothing is fuzzed; of the smallest inputs that reach all that the corpus has reached, CORPUS_FILES and CORPUS_KIB for each
#     target at most become tests/fuzz/corpus/NAME (`make fuzz-corpus`).
set -u
merge=
if [ "${1:-}" = -m ]; then
	merge=yes
	shift
fi
build=$1
shift
jobs=$(nproc 2>/dev/null || echo 1)
corpus_bytes=$((${CORPUS_KIB:-10} * 1024))

# Where code runs on its own small stacks, the sanitizers must not move frames elsewhere.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}

there() {
	local dir
	for dir; do
		[ -d "$dir" ] && echo "$dir"
	done
}

# Everything that is known of a target, its own findings first.
inputs() {
	mkdir -p "$build/corpus/$1"
	there "$build/corpus/$1" "tests/fuzz/seeds/$1" "tests/fuzz/corpus/$1"
}

fuzz() {
	local program=$1 name=${1##*/fuzz_} log=$build/log/fuzz/${1##*/}.log begin=$SECONDS options
	local bound=${FUZZ_SECONDS:-600} status=0 runs failed=0
	options=(-max_len=16384 -len_control=20 -entropic=0 -timeout=30 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1
		"-artifact_prefix=$build/corpus/$name-")
	if [ -n "${FUZZ_SECONDS:-}" ]; then options+=("-max_total_time=$FUZZ_SECONDS"); else options+=("-runs=${FUZZ_RUNS:-20000}"); fi
	[ -f "tests/fuzz/$name.dict" ] && options+=("-dict=tests/fuzz/$name.dict")
	# shellcheck disable=SC2046
	timeout -k 10 $((bound + 300)) "$program" "${options[@]}" $(inputs "$name") >"$log" 2>&1 </dev/null || status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	[ $status -eq 0 ] || failed=1
	echo "${runs:-0} $failed" >"$build/log/fuzz/${program##*/}.count"
	if [ $failed -eq 0 ]; then
		echo "  ok    ${program##*/}: $runs executions, $((${runs:-0} / (SECONDS - begin + 1))) a second ($((SECONDS - begin)) s)"
		return
	fi
	echo "  FAIL  ${program##*/}: exit status $status after ${runs:-?} executions; of $log:"
	grep -a -E 'does not hold|ERROR|runtime error|SUMMARY|^    #[0-9] |Test unit written' "$log" | head -n 40 | sed 's/^/        /'
}

# Of those that are not large some of each size, as many as there is room for: git keeps each for ever.
take_small() {
	local name=$1 from=$2 to=tests/fuzz/corpus/$1 left=$corpus_bytes size file
	rm -rf "$to"
	mkdir -p "$to"
	while read -r size file; do
		left=$((left - size))
		[ $left -ge 0 ] || break
		cp "$from/$file" "$to/$(printf '%.12s' "$file")"
	done < <(find "$from" -type f -size -3 -printf '%s %f\n' | sort -n |
		awk -v n="${CORPUS_FILES:-20}" '{ line[NR] = $0 } END { for (i = 1; i <= n && i <= NR; i++) print line[NR <= n ? i : int(i * NR / n)] }')
	echo "  corpus/$name: $(find "$to" -type f | wc -l) of $(find "$from" -type f | wc -l) inputs, $(find "$to" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }') bytes"
}

minimise() {
	local program=$1 name=${1##*/fuzz_} out=$build/corpus.min/${1##*/fuzz_}
	rm -rf "$out"
	mkdir -p "$out" "$build/log/fuzz"
	# shellcheck disable=SC2046
	if ! "$program" -merge=1 -max_len=4096 "$out" $(inputs "$name") >"$build/log/fuzz/merge-$name.log" 2>&1 </dev/null; then
		echo "  FAIL  merge of $name: see $build/log/fuzz/merge-$name.log"
		return
	fi
	take_small "$name" "$out"
}

mkdir -p "$build/log/fuzz"
rm -f "$build"/log/fuzz/*.count
for program; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	if [ -n "$merge" ]; then minimise "$program" & else fuzz "$program" & fi
done
wait
[ -z "$merge" ] || exit 0
read -r runs passed failed < <(cat "$build"/log/fuzz/*.count | awk '{ r += $1; p += !$2; f += $2 } END { print r + 0, p + 0, f + 0 }')
[ -z "${TALLY:-}" ] || echo "${TALLY_PREFIX:-}fuzz $passed $failed" >>"$TALLY"
echo "fuzz: $runs executions"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
