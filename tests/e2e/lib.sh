# shellcheck shell=bash
# lib.sh - what the end-to-end tests share; each test_*.sh sources it and ends with run_tests.
#
# A test is a function that begins in the first column and whose name reads as a sentence; names of helpers begin with
# '_'. Each test runs in a subshell with a directory of its own ($dir), ends with `fail` or `skip` or well, and takes its
# processes with it. Nothing waits without a bound, and only what a test has started is ended.
set -u

: "${PAWL:?is not set: the built program (make e2e sets it)}" "${BUILD:?is not set: the build folder (make e2e sets it)}"
e2e=$BUILD/e2e          # run.sh has built the test programs there
types=$e2e/bin/types    # pawl with the orchestrations of e2e_types.c
program=$types          # what start_runtime starts
# Sanitizers and emulators are slower; so is a machine that does other things, too.
patience=${E2E_PATIENCE:-20}

# Seconds that some pass in less than, on a machine that is fast enough: more where programs are slow to start.
short=${E2E_SHORT:-1}

# ---- ends of a test ----

fail() {
	printf '%s\n' "$*" >"$dir/.why"
	exit 1
}

skip() {
	printf '%s\n' "$*" >"$dir/.why"
	exit 77
}

needs() { # FEATURE: of `pawl version`
	"$PAWL" version | grep -q "^features:.* $1\b" || skip "this build has no $1"
}

# The number may be another's by now, or one of another pid namespace.
_end_if_ours() { # PID
	case "$(readlink "/proc/$1/cwd" 2>/dev/null) $(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline")" in
	*"$dir"*) kill -9 "$1" 2>/dev/null ;;
	esac
}

_clean_up() {
	local pid mount
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	# programs that outlived a killed runtime; a test that has such writes their ids there
	[ ! -e "$dir/orphans" ] || while read -r pid; do _end_if_ours "$pid"; done <"$dir/orphans"
	for mount in $mounts; do
		umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null
	done
}

_run_test() { # NAME, in a subshell
	pids='' mounts='' runtime=''
	trap _clean_up EXIT
	trap 'exit 143' TERM INT
	"$1"
}

# Why the emulator under which this runs cannot run the test (tests/emulation/gaps), "" when it can or there is none.
_gap_of() { # PROGRAM TEST
	[ -z "${EMULATION_GAPS:-}" ] || awk -F '\t' -v program="e2e/$1" -v test="$2" '$1 == program && $2 == test { print $3 }' "$EMULATION_GAPS"
}

run_tests() {
	local script=${0##*/} name gap status passed=0 failed=0 skipped=0
	for name in $(sed -n 's/^\([a-z][a-z0-9_]*\)() {$/\1/p' "$0"); do
		case $name in *"${E2E_TEST:-}"*) ;; *) continue ;; esac
		gap=$(_gap_of "${script%.sh}" "$name")
		if [ -n "${EMULATION_GAPS_TRY:-}" ]; then
			[ -n "$gap" ] || continue
		elif [ -n "$gap" ]; then
			skipped=$((skipped + 1)) && echo "skipped $name: $gap"
			continue
		fi
		dir=$e2e/${script%.sh}/$name
		rm -rf "$dir"
		mkdir -p "$dir"
		(_run_test "$name") >"$dir/.output" 2>&1 </dev/null
		status=$?
		_look_for_sanitizer_reports && [ $status -ne 77 ] && status=1
		case $status in
		0)
			[ -z "$gap" ] || echo "STALE ${script%.sh} $name"
			passed=$((passed + 1)) && echo "ok $name" && { [ -n "${E2E_KEEP:-}" ] || rm -rf "$dir"; }
			;;
		77) skipped=$((skipped + 1)) && echo "skipped $name: $(cat "$dir/.why")" && rm -rf "$dir" ;;
		*)
			failed=$((failed + 1))
			[ -e "$dir/.why" ] || echo "exit status $status" >"$dir/.why"
			echo "FAILED $name: $(cat "$dir/.why")"
			_evidence
			;;
		esac
	done
	[ "$skipped" -eq 0 ] || echo "$skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

# Also of a runtime that was killed before its exit code could tell.
_look_for_sanitizer_reports() {
	grep -sE 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: ' "$dir"/log* "$dir"/.[oe]* >"$dir/.reports" || return 1
	head -n 1 "$dir/.reports" >"$dir/.why"
}

_evidence() {
	echo "    all of it is in $dir"
	[ ! -s "$dir/.output" ] || tail -n 15 "$dir/.output" | sed 's/^/    | /'
	[ ! -s "$dir/log" ] || tail -n 15 "$dir/log" | sed 's/^/    log: /'
}

# ---- saying what was expected ----

expect_eq() { # WHAT WANTED GOT
	[ "$2" = "$3" ] || fail "$1: expected '${2:0:600}', got '${3:0:600}'"
}

expect_match() { # WHAT REGEX GOT
	[[ $3 =~ $2 ]] || fail "$1: expected something like '$2', got '${3:0:600}'"
}

expect_no_match() { # WHAT REGEX GOT
	[[ ! $3 =~ $2 ]] || fail "$1: expected nothing like '$2', got '${3:0:600}'"
}

expect_file() {
	[ -e "$1" ] || [ -L "$1" ] || fail "expected '$1' to be there"
}

expect_no_file() {
	[ ! -e "$1" ] && [ ! -L "$1" ] || fail "expected '$1' not to be there"
}

# compile_program OUTPUT OPTION...: with the compiler of the build; it can be started here, if need be in an emulator.
compile_program() {
	local output=$1 compiler
	shift
	compiler=$(sed 's/ -std=.*//' "$BUILD/flags")
	# shellcheck disable=SC2086
	$compiler -o "$output" "$@" || return 1
	[ -z "${EMULATE:-}" ] || "$(dirname "${BASH_SOURCE[0]}")/../emulation/launchable.sh" "$output"
}

# try COMMAND...: its exit code in $code, what it wrote in $out and $err.
try() {
	"$@" >"$dir/.out" 2>"$dir/.err"
	code=$?
	out=$(tr -d '\0' <"$dir/.out")
	err=$(cat "$dir/.err")
}

# expect CODE COMMAND...: try, and its exit code must be that.
expect() {
	local wanted=$1
	shift
	try "$@"
	[ "$code" -eq "$wanted" ] || fail "'${*##*/}': expected exit code $wanted, got $code; it said '${out:0:300}' and '${err:0:600}'"
}

# wait_for WHAT COMMAND...: until the command succeeds, at most $patience seconds.
wait_for() {
	local what=$1 end=$((SECONDS + patience))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "waited $patience s for: $what"
		sleep 0.02
	done
}

# ---- hubs and runtimes ----

# A hub's place with a configuration that knows nothing of this machine. YAML... are more lines for it.
new_hub() {
	export PAWL_HUB=$dir/hub PAWL_CONFIG='' E2E_LOG=$dir/runs GENERATION=0
	unset NO_COLOR NOTIFY_SOCKET WATCHDOG_USEC PAWL_KILL_ROUNDS PAWL_KILL_SEED
	hub=$PAWL_HUB
	log=$dir/log
	mkdir -p "$dir/plugins" "$dir/activities"
	if "$PAWL" version | grep -q '^features:.* yaml\b'; then
		export PAWL_CONFIG=$dir/pawl.yaml
		printf '%s\n' "plugins: $dir/plugins" "activities_dir: $dir/activities" "$@" >"$PAWL_CONFIG"
	fi
	# the build folder itself may be on a file system that a reboot empties
	volatile=
	[ "$(stat -f -c %T "$dir")" != tmpfs ] || volatile=--allow-volatile
}

start_runtime() { # [OPTION...]
	GENERATION=$((GENERATION + 1))
	[ ! -e "$log" ] || mv "$log" "$log.$((GENERATION - 1))" # each start has its own log
	"$program" run $volatile "$@" 2>"$log" >&2 &
	runtime=$!
	pids="$pids $runtime"
}

_is_ready() {
	grep -q "^[0-9:.]* notice: pawl .* runs '" "$log"
}

_is_ready_or_gone() {
	_is_ready || ! kill -0 "$runtime"
}

start_ready() { # [OPTION...]
	start_runtime "$@"
	wait_for "the runtime to be ready" _is_ready_or_gone
	_is_ready || fail "the runtime ended before it was ready: $(tail -n 3 "$log")"
}

_is_gone() { ! kill -0 "$1" 2>/dev/null; }

# TERM, and it has to end well and soon.
stop_runtime() {
	kill -TERM "$runtime" || fail "the runtime is gone before it was stopped: $(tail -n 3 "$log")"
	wait_for "the runtime to stop" _is_gone "$runtime"
	wait "$runtime"
	expect_eq "exit code of the runtime after TERM" 0 $?
}

kill_runtime() {
	kill -9 "$runtime" 2>/dev/null
	wait "$runtime" 2>/dev/null
	return 0
}

# ---- looking ----

# What `status -o json` says is the status, "" when there is no such instance.
status_of() { # ID
	local json
	json=$("$PAWL" status "$1" -o json 2>/dev/null) || return 0
	[[ $json =~ \"status\":\"([A-Za-z]+)\" ]] && echo "${BASH_REMATCH[1]}"
}

_has_status() { # ID STATUS
	[ "$(status_of "$1")" = "$2" ]
}

wait_status() { # ID STATUS
	wait_for "'$1' to be $2 (it is $(status_of "$1"))" _has_status "$1" "$2"
}

count_events() { # ID TYPE
	"$PAWL" history "$1" -o jsonl 2>/dev/null | grep -c "\"type\":\"$2\""
}

_has_events() { # ID TYPE COUNT
	[ "$(count_events "$1" "$2")" -ge "$3" ]
}

wait_events() { # ID TYPE COUNT
	wait_for "$3 $2 in the history of '$1'" _has_events "$1" "$2" "$3"
}

# start TYPE ID [INPUT]: must be taken.
start() {
	if [ $# -gt 2 ]; then
		expect 0 "$PAWL" -q start "$1" --id "$2" -i "$3"
	else
		expect 0 "$PAWL" -q start "$1" --id "$2"
	fi
}

# The instance completes, and with this output.
expect_output() { # ID OUTPUT
	expect 0 "$PAWL" -q wait "$1" --timeout "${patience}s"
	expect_eq "output of '$1'" "$2" "$out"
}

# JSON of any kind, when there is something to check it with.
expect_json() { # WHAT TEXT
	if command -v jq >/dev/null; then
		printf '%s' "$2" | jq -e . >/dev/null 2>&1 || fail "$1: expected JSON, got '${2:0:300}'"
	elif command -v python3 >/dev/null; then
		printf '%s' "$2" | python3 -c 'import json,sys; json.load(sys.stdin)' 2>/dev/null || fail "$1: expected JSON, got '${2:0:300}'"
	fi
}

# A history on standard input, one JSON object a line; says what is wrong with it. No lost and no doubled step: seq has no
# gap, each activity and timer is answered once, each message was taken once, the end is at the end.
check_history() {
	awk '
	function member(name,    at, rest) { # a number or simple string
		at = index($0, "\"" name "\":")
		if (!at) return ""
		rest = substr($0, at + length(name) + 3)
		if (substr(rest, 1, 1) == "\"") { rest = substr(rest, 2); sub(/".*/, "", rest) } else sub(/[^0-9].*/, "", rest)
		return rest
	}
	{
		type = member("type"); seq = member("seq") + 0; ref = member("ref"); id = member("id")
		if (seq != NR) { print "seq " seq " in line " NR; exit }
		if (ended) { print "line " NR " is behind the end"; exit }
		if (type == "ActivityScheduled" || type == "TimerCreated") open[seq] = type
		if (type == "ActivityCompleted" || type == "ActivityFailed" || type == "TimerFired" || type == "TimerCanceled") {
			if (!(ref in open)) { print type " in line " NR " answers " ref ", which is not open"; exit }
			delete open[ref]
		}
		if (type == "ActivityCancelRequested") canceled[ref]
		if (id != "" && (id in ids)) { print "message " id " in lines " ids[id] " and " NR; exit }
		if (id != "") ids[id] = NR
		ended = type ~ /^Execution(Completed|Failed|Terminated|Canceled|ContinuedAsNew|Rewound)$/
		if (type == "ExecutionCompleted") for (s in open) if (!(s in canceled)) { print "activity or timer " s " has no answer"; exit }
	}'
}
