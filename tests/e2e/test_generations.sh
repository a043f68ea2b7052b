#!/usr/bin/env bash
# test_generations.sh - instances that continue as new: no event is lost or taken twice over kills, what the execution before
# has left does not disturb the next, and the reading verbs know both.
#
# PAWL_KILL_SEED repeats a series of moments (what the machine does in them is its own).
. "$(dirname "$0")/lib.sh"

seed=${PAWL_KILL_SEED:-$((RANDOM * 32768 + RANDOM))}

_script() { # NAME
	{ echo '#!/bin/sh' && cat; } >"$dir/activities/$1"
	chmod +x "$dir/activities/$1"
}

_execution_of() { # ID
	"$PAWL" status "$1" -o json | sed -n 's/.*"execution":\([0-9]*\).*/\1/p'
}

_is_execution() { # ID NUMBER
	[ "$(_execution_of "$1")" = "$2" ]
}

# Drops number $sent + 1 when the one before is taken; more than one at a time are in no order.
_drop_next() {
	[ "$sent" -lt 50 ] && [ -d "$hub/instances/r/events" ] || return 0
	[ -z "$(ls "$hub/instances/r/events" 2>/dev/null)" ] || return 0
	sent=$((sent + 1))
	echo "$sent" >"$hub/instances/r/events/go"
}

_drop_and_kill() {
	local n end=$((SECONDS + 3 * patience))
	RANDOM=$((seed % 32768))
	until [ $sent -eq 50 ] || [ $SECONDS -gt $end ]; do
		for ((n = RANDOM % 8; n >= 0; n--)); do
			_drop_next
			sleep "$(printf '0.%03d' $((RANDOM % 20)))"
		done
		kill_runtime
		kills=$((kills + 1))
		start_runtime
		[ $((RANDOM % 3)) -ne 0 ] || wait_for "the runtime to be ready" _is_ready_or_gone
	done
}

each_event_is_taken_once_in_order_when_the_runtime_is_killed_between_executions() {
	local sent=0 kills=0 n
	echo "seed $seed"
	new_hub 'journal: {segment_bytes: 64KiB}'
	start_ready
	start relay r 50
	_drop_and_kill
	wait_status r Completed
	expect_output r "$(seq -s ' ' 50)"
	expect_eq "the newest execution" 51 "$(_execution_of r)"
	for n in 1 2 25 50 51; do
		"$PAWL" history r --execution "$n" -o jsonl >"$dir/history" || fail "execution $n cannot be read"
		[ -z "$(check_history <"$dir/history")" ] || fail "execution $n is wrong: $(check_history <"$dir/history")"
	done
	! grep -qsi 'damag\|quarantin' "$log"* || fail "damage (seed $seed): $(grep -i 'damag\|quarantin' "$log"*)"
	stop_runtime
	echo "$kills kills for 51 executions"
}

events_that_are_raised_all_at_once_go_from_one_execution_to_the_next() {
	local n
	new_hub
	start_ready
	start relay r 50
	expect 0 "$PAWL" -q suspend r
	for n in {1..50}; do
		expect 0 "$PAWL" -q raise r go -d "$n"
	done
	expect 0 "$PAWL" -q resume r
	expect_output r "$(seq -s ' ' 50)"
}

the_reading_verbs_show_old_and_new_executions() {
	new_hub
	start_ready
	start relay r 2
	expect 0 "$PAWL" -q raise r go -d one
	wait_for "the second execution" _is_execution r 2
	expect_eq "status" Running "$(status_of r)"
	expect 0 "$PAWL" list -o name
	expect_eq "list" r "$out"
	expect 0 "$PAWL" history r --execution 1
	expect_match "history of the first" ExecutionContinuedAsNew "$out"
	expect_no_match "history of the newest" ExecutionContinuedAsNew "$("$PAWL" history r)"
	expect_match "history of the newest" '1 one' "$("$PAWL" history r)"
	kill_runtime
	expect_eq "status without a runtime" Running "$(status_of r)"
	expect_eq "execution without a runtime" 2 "$(_execution_of r)"
	start_ready
	expect 0 "$PAWL" -q raise r go -d two
	expect_output r "one two"
	expect 0 "$PAWL" history r --execution 1
	expect_match "history of the first, archived" ExecutionContinuedAsNew "$out"
	expect 4 "$PAWL" history r --execution 9
}

# Line 2 of both executions is the same activity. The first one does not hear TERM at once.
_slow_to_end() {
	_script slow <<-EOS
		echo \$\$ >>'$dir/orphans'
		trap 'sleep 0.5; echo "end \$PAWL_KEY" >>"$dir/ran"; exit 1' TERM
		echo "begin \$PAWL_KEY" >>'$dir/ran'
		if [ "\$(cat)" = second ]; then
			ls "\$PAWL_WORK" | grep -c 'litter\|cancel'
			exit 0
		fi
		touch "\$PAWL_WORK/litter"
		while :; do sleep 0.05; done
	EOS
}

the_program_of_the_execution_before_ends_before_that_of_the_next_begins() {
	new_hub
	needs yaml
	_slow_to_end
	start_ready
	start successor s slow
	wait_for "the program to run" test -s "$dir/ran"
	wait_for "its litter" test -e "$hub/instances/s/work/2/litter"
	expect 0 "$PAWL" -q raise s go
	expect_output s 0
	expect_eq "runs" "begin s/1/2
end s/1/2
begin s/2/2" "$(cat "$dir/ran")"
}

also_when_the_runtime_is_killed_between_the_two() {
	new_hub
	needs yaml
	_slow_to_end
	start_ready
	start successor s slow
	wait_for "its litter" test -e "$hub/instances/s/work/2/litter"
	expect 0 "$PAWL" -q raise s go
	kill_runtime
	start_ready
	expect_output s 0
	expect_eq "runs" "begin s/1/2
end s/1/2
begin s/2/2" "$(cat "$dir/ran")"
}

a_loop_without_an_end_leaves_the_device_usable() {
	local before
	new_hub
	start_ready
	start spinner s
	wait_for "the log to tell" grep -q "it is slowed down" "$log"
	before=$(_execution_of s)
	start waiter w a
	expect 0 "$PAWL" -q raise w a -d 1
	expect_output w "a=1"
	[ $(($(_execution_of s) - before)) -lt 100 ] || fail "it is as fast as before"
	expect_eq "told once" 1 "$(grep -c "it is slowed down" "$log")"
	stop_runtime
	start_ready
	expect 0 "$PAWL" -q terminate s
	wait_status s Terminated
}

run_tests
