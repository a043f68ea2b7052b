#!/usr/bin/env bash
# test_revive.sh - retry, rewind, restart and start --if-exists with real programs, a real hub and kills: what was done is not
# done again, histories of executions before stay byte for byte, and what is asked for happens once.
. "$(dirname "$0")/lib.sh"

_runs() { # of which steps, in order
	awk '{ printf "%s%s", sep, $2; sep = " " }' "$E2E_LOG"
}

_execution_of() { # ID
	"$PAWL" status "$1" -o json | sed -n 's/.*"execution":\([0-9]*\).*/\1/p'
}

_place_of() { # ID: in which of the two it is
	local place
	for place in instances archive; do
		[ ! -d "$hub/$place/$1" ] || printf '%s ' $place
	done
}

_is_in() { # ID PLACE
	[ "$(_place_of "$1")" = "$2 " ]
}

_fail_first() {
	new_hub
	start_ready
	start mending m in
	wait_status m Failed
	wait_for "the archive to have it" _is_in m archive
	cp "$hub/archive/m/1.history" "$dir/first"
	: >"$E2E_LOG.mended"
}

_expect_first_as_it_was() {
	cmp "$dir/first" "$hub/$(_place_of m | tr -d ' ')/m/1.history" || fail "the history of the first execution has changed"
	"$PAWL" history m --execution 1 -o jsonl >"$dir/history" || fail "the first execution cannot be read"
	[ -z "$(check_history <"$dir/history")" ] || fail "the first is wrong: $(check_history <"$dir/history")"
}

a_failed_instance_goes_on_where_it_failed_when_that_is_mended() {
	_fail_first
	expect_eq "runs" "1 2 3" "$(_runs)"
	expect 0 "$PAWL" retry m --reason "new cable" --wait
	expect_match "what it says" 'in 1 2 3 4' "$out"
	expect_eq "runs" "1 2 3 3 4" "$(_runs)"
	wait_for "the archive to have it again" _is_in m archive
	_expect_first_as_it_was
	expect_match "why" "new cable" "$("$PAWL" history m)"
	expect_match "the first" ExecutionFailed "$("$PAWL" history m --execution 1)"
	expect_eq "execution" 2 "$(_execution_of m)"
	expect 5 "$PAWL" retry m
	expect_match "no second time" "has not failed" "$err"
}

what_is_asked_while_no_runtime_is_there_is_done_when_one_comes() {
	_fail_first
	stop_runtime
	expect 0 "$PAWL" retry m
	expect_match "no runtime" "no runtime is there" "$out"
	start_ready
	expect_output m "in 1 2 3 4"
	expect_eq "runs" "1 2 3 3 4" "$(_runs)"
	stop_runtime
	start_ready
	expect_eq "runs" "1 2 3 3 4" "$(_runs)"
	_expect_first_as_it_was
}

_is_in_execution() { # ID EXECUTION
	[ "$(_execution_of "$1")" = "$2" ]
}

kills_at_any_moment_change_nothing() {
	local n verb
	_fail_first
	for n in 1 2 3 4 5 6; do
		rm -f "$E2E_LOG.mended"
		start mending "k$n" in
		wait_status "k$n" Failed
		: >"$E2E_LOG.mended"
		"$PAWL" -q retry "k$n" >"$dir/.asked" 2>&1 &
		verb=$!
		sleep "0.00$n"
		kill_runtime
		start_ready
		wait "$verb"
		wait_for "k$n to be rewound" _is_in_execution "k$n" 2 # what was asked before the runtime was there is done soon after
		expect_output "k$n" "in 1 2 3 4"
		expect_eq "execution" 2 "$(_execution_of "k$n")"
		expect_eq "places" 1 "$(_place_of "k$n" | wc -w)"
		"$PAWL" history "k$n" -o jsonl >"$dir/history"
		[ -z "$(check_history <"$dir/history")" ] || fail "it is wrong: $(check_history <"$dir/history")"
	done
	kill_runtime
	start_ready
	_expect_first_as_it_was
	! grep -qsi 'damag\|quarantin' "$log"* || fail "damage: $(grep -i 'damag\|quarantin' "$log"*)"
}

a_live_instance_goes_back_and_begins_again() {
	new_hub
	start_ready
	start waiter w "a b c"
	expect 0 "$PAWL" -q raise w a -d 1
	expect 0 "$PAWL" -q raise w b -d wrong
	wait_events w EventSubscribed 3
	expect 0 "$PAWL" history w
	line=$("$PAWL" history w -o jsonl | sed -n 's/{"seq":\([0-9]*\).*EventSubscribed.*"b".*/\1/p')
	expect 0 "$PAWL" rewind w --to "$line"
	expect_match "what it says" "w: rewound" "$out"
	expect_match "the first" "ExecutionRewound *to line $line" "$("$PAWL" history w --execution 1)"
	kill_runtime
	start_ready
	expect 0 "$PAWL" -q raise w b -d right
	expect 0 "$PAWL" -q raise w c -d 3
	expect_output w "a=1 b=right c=3"
	expect 0 "$PAWL" restart w
	expect_match "what it says" "w: restarted" "$out"
	expect 0 "$PAWL" restart w --reason "once more"
	expect_match "terminated" "ExecutionTerminated *reason: once more" "$("$PAWL" history w --execution 3)"
	for event in a b c; do
		expect 0 "$PAWL" -q raise w $event -d x
	done
	expect_output w "a=x b=x c=x"
	expect_eq "execution" 4 "$(_execution_of w)"
}

another_instance_is_started_from_one_that_was() {
	_fail_first
	expect 0 "$PAWL" restart m --id other -w
	expect_match "its output" "in 1 2 3 4" "$out"
	expect_eq "execution" 1 "$(_execution_of m)"
	expect 5 "$PAWL" restart m --id other
	expect 4 "$PAWL" restart nobody --id new
}

what_the_runtime_refuses_is_told() {
	_fail_first
	expect 5 "$PAWL" rewind m --to 99
	expect_match "why" "no line 99" "$err"
	expect 5 "$PAWL" restart m --version 9.9
	expect_match "why" "version 9.9 is not registered" "$err"
	expect 5 "$PAWL" retry m --step 1
	expect_match "why" "no step that can be tried again" "$err"
	expect 2 "$PAWL" rewind m
	expect 2 "$PAWL" rewind m --to best
	expect 4 "$PAWL" restart nobody
	expect_eq "execution" 1 "$(_execution_of m)"
	expect_eq "place" "archive " "$(_place_of m)"
}

filters_and_dry_runs() {
	local n
	new_hub
	start_ready
	for n in 1 2 3; do
		start mending "m$n" in
		wait_status "m$n" Failed
	done
	: >"$E2E_LOG.mended"
	expect 2 "$PAWL" retry -s failed
	expect 0 "$PAWL" retry -s failed -n
	expect_match "dry" "m2: would be tried again" "$out"
	expect 0 "$PAWL" retry --where id=m3 -n
	expect_eq "of those for which it holds" "m3: would be tried again" "$out"
	expect 0 "$PAWL" retry -s failed --yes -w
	for n in 1 2 3; do
		expect_output "m$n" "in 1 2 3 4"
	done
	expect 0 "$PAWL" restart -t mending --yes -o jsonl
	expect_match "json" '"action":"restart","result":"done"' "$out"
}

a_start_uses_or_replaces_what_is_there() {
	_fail_first
	expect 5 "$PAWL" start waiter --id m -i "a"
	expect 0 "$PAWL" start waiter --id m -i "a" --if-exists use
	expect_eq "what it says" m "$out"
	expect_eq "execution" 1 "$(_execution_of m)"
	expect 0 "$PAWL" start waiter --id m -i "a" --if-exists replace
	expect_eq "execution" 2 "$(_execution_of m)"
	expect 5 "$PAWL" start waiter --id m -i "b" --if-exists replace
	kill_runtime
	start_ready
	expect 0 "$PAWL" -q raise m a -d 1
	expect_output m "a=1"
	expect 0 "$PAWL" start waiter --id m -i "" --if-exists replace -w
	expect_eq "execution" 3 "$(_execution_of m)"
	expect 5 "$PAWL" start nothing --id m --if-exists replace
	expect_match "why" "'nothing' is not registered" "$err"
	expect 2 "$PAWL" start waiter --id m --if-exists maybe
	wait_for "the archive to have it again" _is_in m archive
	_expect_first_as_it_was
}

what_is_parked_goes_on_with_new_code_from_where_that_agrees() {
	new_hub
	start_ready
	start changing c
	wait_events c EventSubscribed 1
	stop_runtime
	program=$e2e/bin/types-changed
	[ -x "$program" ] || skip "there is no changed program"
	start_ready
	expect 0 "$PAWL" -q raise c go -d it
	wait_for "it to be parked" grep -q "is parked" "$log"
	expect 0 "$PAWL" rewind c --to last-good
	expect_output c it
	expect_match "the new" '"name":"nap"' "$("$PAWL" history c -o jsonl)"
	expect_eq "runs" "1 2" "$(_runs)"
}

run_tests
