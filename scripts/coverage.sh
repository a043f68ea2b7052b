#!/usr/bin/env bash
# coverage.sh: builds with gcov's counters, runs the tiers, and says which share of the lines of each room they reach
# (`make coverage`). The rooms that decide whether anything is lost must have 95 %. TIERS: which of them to run; the
# pages to read line by line are in build/coverage/. The last line says how many of those rooms have it.
set -u
cd "$(dirname "$0")/.."

make=${MAKE:-make}
required=95
objects=build/gcc-coverage/obj
report=build/coverage

scripts/deps.sh coverage || exit 1
jobs=$(nproc 2>/dev/null || echo 1)
# TIERS="": only the report, of what was counted before.
[ -z "${TIERS-all}" ] || find "$objects" -name '*.gcda' -delete 2>/dev/null
failed=
for tier in ${TIERS-unit contract crash e2e fuzz}; do
	$make --no-print-directory -j"$jobs" "$tier" COVERAGE=1 CC=gcc TEST_SECONDS="${TEST_SECONDS:-600}" || failed="$failed $tier"
done
[ -z "$failed" ] || echo "tests failed in:$failed"

rm -rf "$report" && mkdir -p "$report"
gcovr -r . -e 'tests/' -e 'examples/' "$objects" --json "$report/all.json" >/dev/null || exit 1
gcovr -r . -a "$report/all.json" --html-details "$report/index.html" >/dev/null
gcovr -r . -a "$report/all.json" --txt "$report/lines.txt" >/dev/null

# $1: room. Not -o /dev/null: gcovr puts a file in its place, and root may do that. "lines: 97.1% (1206 out of 1242)" as "97.1 1206 1242".
lines_of() {
	gcovr -r . -a "$report/all.json" -f "$1/[^/]*" --print-summary -o "$report/room.txt" |
		sed -n 's/^lines: \([0-9.]*\)% (\([0-9]*\) out of \([0-9]*\))/\1 \2 \3/p'
}

passed=0 missed=0
for room in src/engine src/history providers/fs src/base src/os src/runtime providers/memory src/shim src/cli; do
	read -r percent hit all <<<"$(lines_of $room)"
	verdict=
	case $room in src/engine | src/history | providers/fs)
		if awk "BEGIN { exit !($percent >= $required) }"; then
			passed=$((passed + 1))
		else
			missed=$((missed + 1))
			verdict="  under $required"
		fi
		;;
	esac
	printf '%-18s %5s %%  %5d of %5d lines%s\n' "$room" "$percent" "$hit" "$all" "$verdict"
done
echo "lines that nothing reached: $report/index.html, $report/lines.txt"
echo "$passed passed, $((missed + $(echo $failed | wc -w))) failed"
[ "$missed" -eq 0 ] && [ -z "$failed" ]
