#!/usr/bin/env bash
# test_reach.sh - instances that reach each other: children, events, topics, entities and locks, and what people send to them; over
# kills of the runtime at any moment. What is decided for another instance is in its history once.
#
# PAWL_KILL_SEED repeats a series of moments (what the machine does in them is its own).
. "$(dirname "$0")/lib.sh"

seed=${PAWL_KILL_SEED:-$((RANDOM * 32768 + RANDOM))}

_ended() { # ID
	case $(status_of "$1") in Completed | Failed | Canceled | Terminated) ;; *) return 1 ;; esac
}

_kill_until_ended() { # ID
	local end=$((SECONDS + 3 * patience)) kills=0
	RANDOM=$((seed % 32768))
	until _ended "$1" || [ $SECONDS -gt $end ] || [ $kills -eq 25 ]; do
		sleep "$(printf '0.%03d' $((10 + RANDOM % 50)))"
		kill_runtime
		kills=$((kills + 1))
		start_runtime
	done
	echo "$kills kills"
}

children_answer_once_and_what_they_send_arrives_once_over_kills() {
	local n
	echo "seed $seed"
	new_hub
	start_ready
	start board board 40
	wait_events board EventSubscribed 2
	start body parent 40
	_kill_until_ended parent
	wait_status parent Completed
	expect_output parent "$(seq -s ' ' 0 39) "
	wait_status board Completed
	expect_output board '40 lines, 40 done'
	expect_eq 'children that were scheduled' 40 "$(count_events parent ChildScheduled)"
	expect_eq 'one of them was tried again' 1 "$(count_events parent ChildRetrying)"
	expect_eq 'ends of children' 40 "$(count_events parent ChildCompleted)"
	for n in $("$PAWL" list -a -o name); do
		[ -z "$("$PAWL" history "$n" -o jsonl | check_history)" ] || fail "the history of $n is wrong"
	done
	expect 0 "$program" verify -a
}

transfers_under_locks_keep_the_sum_over_kills() {
	local n
	echo "seed $seed"
	new_hub
	start_ready
	expect 0 "$PAWL" signal account a add -d 50
	expect 0 "$PAWL" signal account b add -d 50
	for n in 1 2 3; do start moves m$n 12; done
	_kill_until_ended m3
	for n in 1 2 3; do
		wait_status m$n Completed
	done
	expect_eq 'the sum' 100 $(($("$PAWL" get entity:account:a kv.state) + $("$PAWL" get entity:account:b kv.state)))
	expect 4 "$PAWL" get entity:account:a kv.lock
}

signals_with_a_key_are_taken_once() {
	new_hub
	start_ready
	stop_runtime
	expect 0 "$PAWL" signal account k add -d 5 -k one
	expect 0 "$PAWL" signal account k add -d 5 -k one
	start_ready
	expect 0 "$PAWL" signal account k add -d 5 -k one
	expect 0 "$PAWL" signal account k add -d 2
	_state_is_7() { [ "$("$PAWL" get entity:account:k kv.state 2>/dev/null)" = 7 ]; }
	wait_for 'the state to be 7' _state_is_7
	expect 2 "$PAWL" signal account k 'no good'
	expect 0 "$PAWL" status entity:account:k
}

an_operation_that_fails_leaves_the_state_and_is_in_the_log() {
	new_hub
	start_ready
	expect 0 "$PAWL" signal account k add -d 5
	expect 0 "$PAWL" signal account k take -d 9
	_is_told() { grep -q "entity:account:k.*operation 'take' failed.*only 5 there" "$log"; }
	wait_for 'the failure to be told' _is_told
	expect_eq 'the state' 5 "$("$PAWL" get entity:account:k kv.state)"
}

publish_reaches_all_that_have_subscribed() {
	new_hub
	start_ready
	start board one 1
	start board two 1
	wait_events one EventSubscribed 2
	wait_events two EventSubscribed 2
	expect 0 "$PAWL" publish limb/x -d hello
	expect 0 "$PAWL" publish other/x -d hello
	expect 2 "$PAWL" publish 'limb/+'
	expect 0 "$PAWL" raise one line
	expect 0 "$PAWL" raise two line
	wait_status one Completed
	wait_status two Completed
	expect_output two '1 lines, 1 done'
}

cancel_goes_down_the_tree_and_each_cleans_up() {
	export E2E_LOG=$dir/runs
	new_hub
	start_ready
	start sleeper top '...'
	_deepest() { "$PAWL" list -o name | awk 'END { exit NR != 4 }'; }
	wait_for 'four levels' _deepest
	wait_events "$("$PAWL" list -o name | awk '{ print length, $0 }' | sort -n | tail -1 | cut -d' ' -f2)" EventSubscribed 1
	expect 0 "$PAWL" cancel top -r enough
	wait_status top Canceled
	_all_ended() { [ -z "$("$PAWL" list -o name)" ]; }
	wait_for 'all to end' _all_ended
	expect_eq 'clean-ups' 4 "$(grep -c clean- "$E2E_LOG")"
	expect 6 "$PAWL" wait top
	expect 5 "$PAWL" cancel top
}

terminate_ends_the_tree_at_once() {
	export E2E_LOG=$dir/runs
	new_hub
	start_ready
	start sleeper top '...'
	_deepest() { "$PAWL" list -o name | awk 'END { exit NR != 4 }'; }
	wait_for 'four levels' _deepest
	expect 0 "$PAWL" terminate top
	_all_ended() { [ -z "$("$PAWL" list -o name)" ]; }
	wait_for 'all to end' _all_ended
	expect_eq 'ended so' 4 "$("$PAWL" list -a -s Terminated -o name | wc -l)"
	[ ! -s "$E2E_LOG" ] || fail "something cleaned up: $(cat "$E2E_LOG")"
}

a_change_of_the_status_can_be_waited_for() {
	local version
	new_hub
	start_ready
	start board b 2
	wait_events b EventSubscribed 2
	expect 124 "$PAWL" get b status --newer 1.0 --timeout 200ms
	expect 0 "$PAWL" raise b line
	expect 0 "$PAWL" get b status --newer 1.0 --timeout "${patience}s"
	expect_eq 'the status' '1 0' "$out"
	version=$("$PAWL" get b status_version)
	expect_eq 'its version' 1.1 "$version"
	expect 0 "$PAWL" publish limb/x
	expect 0 "$PAWL" get b status --newer "$version" --timeout "${patience}s"
	expect_eq 'the status' '1 1' "$out"
	expect 2 "$PAWL" get b status --newer yesterday
}

what_is_for_later_comes_later_over_a_restart() {
	new_hub
	start_ready
	start sleeper x
	expect 0 "$PAWL" raise x wake -d early --after 300ms
	expect 0 "$PAWL" start sleeper --id y --after 300ms
	expect 0 "$PAWL" start sleeper --id z --at 2099-01-01T00:00:00Z
	wait_status z Pending
	kill_runtime
	start_ready
	wait_status x Completed
	expect_output x early
	wait_status y Running
	expect_match 'what z waits for' 'start in [0-9]*d' "$("$PAWL" status z)"
	expect 0 "$PAWL" cancel z
	wait_status z Canceled
}

run_tests
