#!/usr/bin/env bash
# small.sh: what the smallest build must still do (make check-switches): start, raise, kill -9, go on, cancel, wait, history,
# list, terminate, purge; what was left out says so. $HELLO is examples/hello of that build, $PAWL its program. POSIX tools only.
set -u
: "${PAWL:?is not set: the built program}" "${HELLO:?is not set: the built examples/hello}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/pawl-small.XXXXXX") || exit 1
export PAWL HELLO PAWL_HUB=$dir/hub
passed=0 failed=0 runtime=
: >"$dir/log"

stop_runtime() { # SIGNAL
	[ -z "$runtime" ] || { kill "-$1" "$runtime" 2>/dev/null; wait "$runtime" 2>/dev/null; }
	runtime=
}
# shellcheck disable=SC2317
clean_up() {
	stop_runtime KILL
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 143' TERM INT

start_runtime() { # and wait until it says that it runs
	local before tries=0
	before=$(grep -c ' runs ' "$dir/log")
	"$HELLO" run >>"$dir/log" 2>&1 &
	runtime=$!
	while [ "$(grep -c ' runs ' "$dir/log")" -eq "$before" ] && [ $tries -lt 600 ] && kill -0 $runtime 2>/dev/null; do
		tries=$((tries + 1))
		sleep 0.1
	done
}

is() { # WHAT IT-SHOULD-BE COMMAND...
	local what=$1 want=$2 got
	shift 2
	got=$(timeout 60 "$@" 2>&1 </dev/null)
	# shellcheck disable=SC2254
	case "$got, exit $?" in
	$want)
		passed=$((passed + 1))
		echo "ok $what"
		;;
	*)
		failed=$((failed + 1))
		echo "FAILED $what: '$*' says '$got', not '$want'"
		;;
	esac
}

start_runtime
is 'an instance starts' 'g1, exit 0' "$HELLO" start greet --id g1 -i world
is 'one more starts' 'g2, exit 0' "$HELLO" start greet --id g2 -i moon
is 'one more starts' 'g3, exit 0' "$HELLO" start greet --id g3
stop_runtime KILL
is 'an event is taken while no runtime is there' '*, exit 0' "$PAWL" raise g1 approved -d yes
start_runtime
is 'after kill -9 it goes on, and ends' '*hello world, exit 0' "$PAWL" wait g1 --timeout 50s
is 'an event that is dropped is taken' ', exit 0' sh -c 'echo yes > "$PAWL_HUB/instances/g2/events/approved"'
is 'and ends the next' '*hello moon, exit 0' "$PAWL" wait g2 --timeout 50s
is 'an instance is suspended' '*suspended*, exit 0' "$PAWL" suspend g3
is 'and resumed' '*resumed*, exit 0' "$PAWL" resume g3
is 'an instance is canceled' '*g3*, exit 0' "$PAWL" cancel g3
is 'and has ended so' '*, exit 6' "$PAWL" wait g3 --timeout 50s
is 'the activity ran once' '1, exit 0' sh -c '"$PAWL" history g1 -o jsonl | grep -c ActivityCompleted'
is 'all are listed' '*g1*g2*g3*, exit 0' "$PAWL" list -a
is 'an instance is terminated' '*g4*, exit 0' sh -c '"$HELLO" start greet --id g4 && "$PAWL" terminate g4'
is 'ended ones are purged' '*g1*, exit 0' "$PAWL" purge g1
is 'and are gone' '*, exit 4' "$PAWL" status g1

for verb in doctor fsck graph work retry signal publish; do
	case $verb in doctor | fsck) part=$verb ;; graph) part=tools ;; work) part=workers ;; retry) part=revive ;; signal) part=entities ;; *) part=topics ;; esac
	"$PAWL" version | grep -q "^left out:.* $part\b" || continue
	is "$verb says that it was left out" "*built without '$verb' (WITH_*=no)*, exit 2" "$PAWL" "$verb"
done
stop_runtime TERM
[ $failed -eq 0 ] || tail -n 20 "$dir/log"
[ -z "${TALLY:-}" ] || echo "${TALLY_NAME:-small}: life $passed $failed" >>"$TALLY"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
