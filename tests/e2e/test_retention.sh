#!/usr/bin/env bash
# test_retention.sh - hubs that do not grow for ever: what ended goes by itself, by a filter, at a rate; its space comes back.
. "$(dirname "$0")/lib.sh"

_archive() { # the ids in it
	ls "$hub/archive" 2>/dev/null | tr '\n' ' '
}

_archive_is() {
	[ "$(_archive)" = "$1" ]
}

# What is hidden is removed by and by.
_no_rest() {
	[ -z "$(ls -A "$hub/archive/.purged" 2>/dev/null)" ]
}

_run() { # ID...: one after the other
	local id
	for id; do
		start echo "$id" "$id"
		expect_output "$id" "$id"
		wait_for "'$id' to be in the archive" [ -d "$hub/archive/$id" ]
	done
}

only_the_newest_ended_instances_are_kept() {
	needs yaml
	new_hub 'retention: {count: 3}'
	start_ready
	_run i0 i1 i2 i3
	start waiter live ev
	_run i4 i5 i6 i7 i8 i9
	wait_for "three to be left" _archive_is 'i7 i8 i9 '
	wait_for "the rest to be removed" _no_rest
	expect 4 "$PAWL" status i0
	expect_eq "one that lives" Running "$(status_of live)"
	_run i0 # its id is free
	wait_for "the oldest to go" _archive_is 'i0 i8 i9 '
	stop_runtime
	_archive_is 'i0 i8 i9 ' || fail "after the stop: $(_archive)"
}

what_ended_before_the_start_is_found_and_a_kill_in_between_leaves_nothing() {
	local n
	needs yaml
	new_hub
	start_ready
	_run i0 i1 i2 i3 i4 i5 i6 i7 i8 i9
	stop_runtime
	printf '%s\n' "plugins: $dir/plugins" "activities_dir: $dir/activities" 'retention: {count: 3}' >"$PAWL_CONFIG"
	mkdir -p "$hub/archive/.purged/7/work/3"
	for n in $(seq 600); do : >"$hub/archive/.purged/7/work/3/$n"; done
	start_runtime
	sleep "0.0$((RANDOM % 9))"
	kill_runtime
	start_ready
	wait_for "three to be left" _archive_is 'i7 i8 i9 '
	wait_for "the rest to be removed" _no_rest
	stop_runtime
}

a_purge_takes_a_filter_and_a_rate() {
	new_hub
	start_ready
	_run a1 a2 a3 b1 b2
	expect 0 "$PAWL" purge --where 'id~a*' --rate 50
	expect_eq "what it says" 'a1: purged a2: purged a3: purged ' "$(sort <<<"$out" | tr '\n' ' ')"
	wait_for "two to be left" _archive_is 'b1 b2 '
	stop_runtime
	expect 0 "$PAWL" purge -s completed # without a runtime
	_archive_is '' || fail "still there: $(_archive)"
	_no_rest || fail "the space was not given back: $(ls -A "$hub/archive/.purged")"
}

many_purges_at_once_are_all_done() {
	local n
	new_hub
	start_ready
	for n in $(seq 1 120); do start echo "m$n" x; done
	for n in $(seq 1 120); do wait_for "'m$n' to be in the archive" [ -d "$hub/archive/m$n" ]; done
	expect 0 "$PAWL" -q purge -s completed
	wait_for "all to be gone" _archive_is ''
	stop_runtime
	! find "$hub" -path '*.rejected/*' | grep -q . || fail "refused: $(find "$hub" -path '*.rejected/*')"
}

older_executions_stay_while_a_message_may_come_again() {
	local n
	new_hub
	start_ready
	start relay r 3
	for n in 1 2; do
		expect 0 "$PAWL" -q raise r go -d "$n"
		wait_for "execution $((n + 1))" [ -e "$hub/instances/r/$((n + 1)).history" ]
	done
	expect 5 "$PAWL" compact r
	expect_match "why not" 'less than ten minutes' "$err"
	stop_runtime
	expect 5 "$PAWL" compact r
	expect_file "$hub/instances/r/1.history"
}

lists_are_filtered() {
	new_hub
	start_ready
	start waiter w1 ev
	start waiter w2 ev
	start echo e1 x
	wait_status e1 Completed
	expect 0 "$PAWL" list -a -o name --where 'id~w* and type=waiter'
	expect_eq "waiters" 'w1 w2' "$(tr '\n' ' ' <<<"$out" | sed 's/ $//')"
	expect 0 "$PAWL" list -a -o name --where 'id!=w1 and id~w'
	expect_eq "one of them" w2 "$out"
	expect 2 "$PAWL" list --where 'color=red'
	expect 0 "$PAWL" terminate --where 'id~w' --yes --rate 100
	wait_status w1 Terminated
	wait_status w2 Terminated
	stop_runtime
}

run_tests
