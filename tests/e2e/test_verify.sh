#!/usr/bin/env bash
# Stored histories against new code, and drawings of what instances have done.
. "$(dirname "$0")/lib.sh"

_hub_state() { # all of the hub's files but what a runtime writes beside
	(cd "$hub" && find . -type f ! -name RUNNING -exec cksum {} + | sort)
}

_three() {
	new_hub
	start_ready
	start changing ch
	start waiter w "a b"
	start chain c 2
	wait_events ch EventSubscribed 1
	wait_events w EventSubscribed 1
	wait_status c Completed
}

the_same_code_fits_also_while_a_runtime_runs() {
	_three
	expect 0 "$types" verify
	expect_match "live ones" "ch +changing +1\.0\.0 +ok" "$out"
	expect_no_match "live ones only" "chain" "$out"
	expect_match "summary" ": 2 ok$" "$err"
	expect 0 "$types" verify --all -o json
	expect_json "verify -o json" "$out"
	expect_match "all" '"id":"c","execution":1,"type":"chain"' "$out"
	stop_runtime
	expect 0 "$types" verify --all -q
	expect_eq "notes with -q" "" "$err"
}

changed_code_is_told_before_it_is_shipped() {
	_three
	expect 3 "$e2e/bin/types-changed" verify
	expect_match "the difference" "ch +changing +1\.0\.0 +differs +history line 2 has ActivityScheduled 'step' input '1', but the code made ActivityScheduled 'nap' input '1'" "$out"
	expect_match "the others" "w +waiter +1\.0\.0 +ok" "$out"
	expect 0 "$e2e/bin/types-changed" verify -t waiter
	expect 3 "$e2e/bin/types-changed" verify ch -o jsonl
	expect_match "jsonl" '"line":2,"expected":"ActivityScheduled' "$out"
	# and it is what the runtime would have said
	stop_runtime
	program=$e2e/bin/types-changed
	start_ready
	expect 0 "$PAWL" -q raise ch go -d x
	_is_parked() { "$PAWL" status ch -o json | grep -q '"parked":"history line 2 has ActivityScheduled'; }
	wait_for "ch to be parked" _is_parked
	stop_runtime
	expect 0 "$types" verify -s parked
	program=$types
	start_ready
	expect_output ch x
}

verify_writes_nothing_and_runs_nothing() {
	_three
	stop_runtime
	local before runs
	before=$(_hub_state) runs=$(wc -l <"$E2E_LOG")
	expect 3 "$e2e/bin/types-changed" verify --all
	expect 0 "$types" verify --all
	expect_eq "the hub" "$before" "$(_hub_state)"
	expect_eq "steps that ran" "$runs" "$(wc -l <"$E2E_LOG")"
}

loops_and_crashes_are_told_by_instance() {
	new_hub
	start_ready
	start changing endless loop
	start changing falls crash
	start changing fine ""
	wait_events endless EventSubscribed 1
	wait_events falls EventSubscribed 1
	wait_events fine EventSubscribed 1
	expect 3 "$e2e/bin/types-changed" verify --timeout 1s
	expect_match "the loop" "endless +changing +1\.0\.0 +endless +its code neither waits nor ends: no answer in 1s" "$out"
	expect_match "the crash" "falls +changing +1\.0\.0 +crashed +its code crashed: signal 11" "$out"
	expect_match "the third" "fine +changing +1\.0\.0 +differs" "$out"
	expect 3 "$e2e/bin/types-changed" verify endless --no-fork --timeout 1s
	expect_match "in one process" "'endless': its code neither waits nor ends" "$err"
	expect 0 "$types" verify
	stop_runtime
}

what_this_program_does_not_have_is_counted_apart() {
	_three
	expect 4 "$PAWL" verify
	expect_match "summary" "0 ok, 2 not registered" "$err"
	expect 3 "$PAWL" verify --strict
	expect_match "why" "orchestration 'waiter' version 1.0.0 is not registered" "$out"
	needs plugins
	cp "$e2e/bin/types.so" "$dir/plugins/"
	expect 0 "$PAWL" verify --strict
	stop_runtime
}

histories_are_verified_as_files() {
	new_hub
	start_ready
	start report big "big 50000"
	start changing ch
	wait_status big Completed
	wait_events ch EventSubscribed 1
	stop_runtime
	mkdir -p "$dir/corpus"
	cp -r "$hub/archive/big" "$hub/instances/ch" "$dir/corpus/"
	rm -rf "$hub"
	expect 0 "$types" verify "$dir"/corpus/*/*.history -o jsonl
	expect_match "id" '"id":"big","execution":1,"file":' "$out"
	expect 3 "$e2e/bin/types-changed" verify "$dir"/corpus/*/*.history
	rm "$dir"/corpus/big/*.data
	expect 7 "$types" verify "$dir"/corpus/*/*.history
	expect_match "the payload" "cannot read payload file" "$out"
}

graph_draws_what_was_done_and_what_is_waited_for() {
	new_hub
	start_ready
	start patient p busy
	start failing f 2
	wait_events p EventSubscribed 2
	wait_status f Completed
	expect 0 "$PAWL" graph p --text
	expect_eq "p" "patient 1.0.0, p: Running
\`- at once:
   +- 3 event go: waits
   +- 4 event no: waits
   \`- 5 timer 1d: waits" "$out"
	expect 0 "$PAWL" graph f --text
	expect_match "retries" "2 flaky: done, 2 retries" "$out"
	expect 0 "$PAWL" graph p
	expect_match "mermaid" "^flowchart TD" "$out"
	expect 0 "$PAWL" raise p go -d x
	wait_status p Completed
	stop_runtime
	expect 0 "$PAWL" graph "$hub/archive/p/1.history" --dot
	expect_match "dot" "^digraph pawl \{" "$out"
	expect_match "the loser" 'event no\\ncanceled' "$out"
	! command -v dot >/dev/null || printf '%s\n' "$out" | dot -Tsvg >/dev/null || fail "dot does not take it"
}

run_tests
