#!/usr/bin/env bash
# run-tests.sh -n NAME -l LOGDIR [-t SECONDS] [-1] PROGRAM...
#
# Runs test programs, as many at a time as there are processors (-1: one at a time), each within a time bound, keeps
# what they print in LOGDIR/PROGRAM.log and prints a line for each. Counts come from cmocka's closing lines, or from the
# last line "N passed, N failed" of a program. It fails when a test failed, when a program is missing, ran into its
# time bound or ran no test at all. $RUNNER goes before each program; $TALLY is a file that gets
# "NAME PASSED FAILED", with $TALLY_PREFIX before it.
set -u

name=tests logs=build/log bound=120 jobs=$(nproc 2>/dev/null || echo 1)
while getopts n:l:t:1 option; do
	case $option in
	n) name=$OPTARG ;;
	l) logs=$OPTARG ;;
	t) bound=$OPTARG ;;
	1) jobs=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

# Where code runs on its own small stacks, the sanitizers must not move frames elsewhere.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:second_deadlock_stack=1}

# "PASSED FAILED SKIPPED" of a log.
count() {
	awk '
	{ gsub(/\033\[[0-9;]*m/, "") }
	/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
	/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
	/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
	/^[0-9]+ passed, [0-9]+ failed/ { lp = $1; lf = $3 }
	END { print p + lp, f + lf, s + 0 }' "$1"
}

# One program; leaves "PASSED FAILED" in its .count file.
run() {
	local program=$1 base log status=0 passed=0 failed=0 skipped=0 note=
	base=$(basename "$program")
	log=$logs/$base.log
	if [ ! -x "$program" ]; then
		echo "  FAIL  $base: no such program: '$program'"
		echo "0 1" >"$logs/$base.count"
		return
	fi
	local start=$SECONDS
	# shellcheck disable=SC2086
	timeout -k 10 "$bound" ${RUNNER:-} "$program" >"$log" 2>&1 </dev/null || status=$?
	read -r passed failed skipped < <(count "$log")
	if [ $status -eq 124 ] || [ $status -eq 137 ]; then
		note=", stopped after $bound s"
		failed=$((failed + 1))
	elif [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then
		note=", exit status $status"
		failed=1
	elif [ $((passed + failed + skipped)) -eq 0 ]; then
		note=", ran no test"
		failed=1
	fi
	[ "$skipped" -eq 0 ] || note=", $skipped skipped$note"
	echo "$passed $failed" >"$logs/$base.count"
	if [ "$failed" -eq 0 ]; then
		echo "  ok    $base: $passed passed$note ($((SECONDS - start)) s)"
	else
		echo "  FAIL  $base: $passed passed, $failed failed$note; the end of $log:"
		tail -n 40 "$log" | sed 's/^/        /'
	fi
}

mkdir -p "$logs"
rm -f "$logs"/*.count
if [ $# -eq 0 ]; then
	echo "  FAIL  $name: there is no test program"
	echo "0 1" >"$logs/none.count"
fi
for program; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n || :
	done
	run "$program" &
done
wait

read -r passed failed < <(cat "$logs"/*.count | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
[ -z "${TALLY:-}" ] || echo "${TALLY_PREFIX:-}$name $passed $failed" >>"$TALLY"
echo "$name: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
