#!/usr/bin/env bash
# test_scenarios.sh - the demos that people know from this family of systems, each with the runtime killed on its way: retries with
# back-off, steps that wait for events, greetings fan-out, approval with escalation.
BUILD=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build/gcc} PAWL=${PAWL:-${BUILD:-}/pawl}
export BUILD PAWL
. "$(dirname "$0")/lib.sh"

_kill_and_start() {
	kill_runtime
	start_ready
}

# How often each step ran, by what the activities wrote themselves: "INPUT RUNS ..." in the order of their first run.
_runs() { # ID
	awk -v id="$1" '$1 == id { if (!($2 in n)) order[++steps] = $2; n[$2]++ }
	END { for (i = 1; i <= steps; i++) printf "%s%s %d", (i == 1 ? "" : " "), order[i], n[order[i]]; print "" }' "$E2E_LOG"
}

_expect_good_history() { # ID
	expect_eq "what is wrong with the history of '$1'" "" "$("$PAWL" history "$1" -o jsonl | check_history)"
}

# The delays that were recorded, in order.
_delays() { # ID
	"$PAWL" history "$1" -o jsonl | sed -n 's/.*"type":"ActivityRetrying".*"delay_ms":\([0-9]*\).*/\1/p' | paste -sd ' '
}

_says() { # ID
	"$PAWL" get "$1" status 2>/dev/null
}

_has_said() { # ID TEXT
	[[ $(_says "$1") == *$2* ]]
}

# ---- retries: the third of three steps fails three times; 5 attempts, 1 s, doubled, at most 10 s ----

retries_back_off_by_one_two_and_four_seconds_and_repeat_nothing_else() {
	new_hub
	start_ready
	start retry_demo r 3
	expect_output r "steps 1 and 2, then attempt 4"
	expect_eq "delays in ms" "1000 2000 4000" "$(_delays r)"
	expect_eq "runs" "1 1 2 1 3 4" "$(_runs r)"
	expect_eq "activities that completed" 3 "$(count_events r ActivityCompleted)"
	_expect_good_history r
}

retries_go_on_where_they_were_when_the_runtime_is_killed_in_each_back_off() {
	local n
	new_hub
	start_ready
	start retry_demo r 3
	for n in 1 2 3; do
		wait_events r ActivityRetrying "$n"
		_kill_and_start
	done
	expect_output r "steps 1 and 2, then attempt 4"
	expect_eq "delays in ms" "1000 2000 4000" "$(_delays r)"
	expect_eq "runs" "1 1 2 1 3 4" "$(_runs r)"
	_expect_good_history r
}

retries_end_with_the_fifth_attempt_and_wait_no_longer_than_the_policy_says() {
	new_hub
	start_ready
	start retry_demo r "9 100" # the same policy with a first delay of 100 ms and at most 500 ms
	expect 3 "$PAWL" wait r --timeout "${patience}s"
	expect_match "why" "attempt 5 of 9 bad ones" "$err"
	expect_eq "delays in ms" "100 200 400 500" "$(_delays r)"
	expect_eq "runs" "1 1 2 1 3 5" "$(_runs r)"
}

# ---- events: step 1, wait for `step2`, step 3, wait for `step4`, step 5 ----

steps_wait_for_their_events_over_restarts() {
	new_hub
	start_ready
	start event_demo e
	wait_events e EventSubscribed 1
	_kill_and_start
	expect_eq "status" Running "$(status_of e)"
	expect_match "waits for" "event +step2" "$("$PAWL" status e | tr -s ' ')"
	expect 0 "$PAWL" -q raise e step2 -d two
	wait_events e EventSubscribed 2
	_kill_and_start
	expect_match "waits for" "event +step4" "$("$PAWL" status e | tr -s ' ')"
	kill_runtime
	echo four >"$hub/instances/e/events/step4" # while nothing runs
	start_ready
	expect_output e "step2=two step4=four"
	expect_eq "runs" "1 1 3 1 5 1" "$(_runs e)"
	_expect_good_history e
}

steps_take_events_that_came_before_they_wait_in_any_order() {
	new_hub
	start_ready
	start event_demo e
	kill_runtime
	expect 0 "$PAWL" -q raise e step4 -d four # nobody is there, and nobody waits for it yet
	expect 0 "$PAWL" -q raise e step2 -d two
	start_ready
	expect_output e "step2=two step4=four"
	expect_eq "runs" "1 1 3 1 5 1" "$(_runs e)"
}

steps_are_told_that_nobody_is_there_any_more() {
	new_hub
	start_ready
	start event_demo e
	expect 0 "$PAWL" -q raise e step2 -d two
	expect 0 "$PAWL" -q raise e step4 -d four
	expect_output e "step2=two step4=four"
	expect 5 "$PAWL" raise e step4 -d late
	expect 4 "$PAWL" raise nobody step2 -d lost
}

# ---- greetings: many at once ----

greetings_fan_out_and_come_back_in_their_order() {
	new_hub
	program=$BUILD/examples/fanout
	start_ready
	start greetings g '["Tokyo","Seattle","London"]'
	_kill_and_start
	expect_output g '["Hello Tokyo!","Hello Seattle!","Hello London!"]'
	expect_eq "activities that completed" 3 "$(count_events g ActivityCompleted)"
	_expect_good_history g
}

# ---- approval: the operator has a second, then the supervisor is asked ----

approval_escalates_after_a_deadline_that_passes_while_nothing_runs() {
	export APPROVAL_LOG=$dir/approval.log
	new_hub
	program=$BUILD/examples/approval
	start_ready
	start approval a "$((2 * short)) reboot till 4"
	wait_events a TimerCreated 1
	kill_runtime
	wait_for "the deadline to pass" _is_over "$(("$(date +%s)" + 2 * short))"
	start_ready
	wait_for "the supervisor to be asked" _has_said a "waits for the supervisor"
	expect_eq "timers that fired" 1 "$(count_events a TimerFired)"
	kill_runtime
	echo carla >"$hub/instances/a/events/approved"
	start_ready
	expect_output a "approved by carla, asked as supervisor"
	expect_eq "who was asked" "operator supervisor" "$(sed 's/^[^ ]* \([a-z]*\):.*/\1/' "$APPROVAL_LOG" | paste -sd ' ')"
	_expect_good_history a
}

_is_over() { # UNIX TIME
	[ "$(date +%s)" -gt "$1" ]
}

run_tests
