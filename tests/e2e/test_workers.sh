#!/usr/bin/env bash
# test_workers.sh - the work queue and the workers outside of the runtime: `pawl work` as people type it, the examples, who
# gets an item, and what becomes of it when workers, the runtime or the boot go away.
#
# E2E_WORK_ITEMS: how many items eight workers compete for while they are killed (500; the full run is 5000).
. "$(dirname "$0")/lib.sh"

_begin() { # [LINE OF CONFIGURATION...]
	new_hub "$@"
	needs yaml
	start_ready
}

_script() { # NAME
	{ echo '#!/bin/sh' && cat; } >"$dir/activities/$1"
	chmod +x "$dir/activities/$1"
}

_now_ms() { echo $(($(date +%s%N) / 1000000)); }

# A process whose id a worker gives as its own, in $worker.
_process() {
	sleep 600 &
	worker=$!
	pids="$pids $worker"
}

# So many items of ACTIVITY are in that state.
_queued() { # STATE COUNT
	[ "$("$PAWL" -q queue ls -o jsonl 2>/dev/null | grep -c "\"state\":\"$1\"")" -eq "$2" ]
}

wait_queued() { # STATE COUNT
	wait_for "$2 items to be $1" _queued "$1" "$2"
}

# Takes an item for good; PAWL_ITEM and the rest are set.
_take() { # [OPTION...]
	unset PAWL_ITEM PAWL_WORKER PAWL_WORK PAWL_KEY PAWL_INPUT PAWL_INSTANCE PAWL_ATTEMPT PAWL_ACTIVITY
	expect 0 "$PAWL" work take --wait --timeout "${patience}s" "$@"
	eval "$out"
}

_expect_nothing_to_take() { # [OPTION...]
	expect 75 "$PAWL" work take "$@"
	expect_eq "what it prints when nothing is there" "" "$out"
}

_activities_say() { # REGEX
	"$PAWL" activities 2>/dev/null | grep -qE "$1"
}

_says() { # REGEX: the log
	grep -qE "$1" "$log"
}

_has_taken() { # PID
	_says "is taken by worker '$1'"
}

# Its end is that of a process that is killed: nobody tells anything.
_kill() { # PID
	kill -9 "$1" && wait "$1" 2>/dev/null
	return 0
}

_worker() { # NAME ACTIVITY [MS]: one in C; $worker is its pid, $dir/diary what it did
	"$e2e/bin/worker" "$1" "$dir/diary" "$2" "${3:-0}" 2>>"$dir/worker.err" &
	worker=$!
	pids="$pids $worker"
}

_expect_good_history() { # ID
	expect_eq "what is wrong with the history of '$1'" "" "$("$PAWL" history "$1" -o jsonl | check_history)"
}

_with_boot() { # programs that believe in the boot id of $dir/boot: $program and $PAWL
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	local name
	for name in types pawl; do
		printf '#!/bin/sh\nE2E_BOOT="%s" LD_PRELOAD="%s" exec "%s" "$@"\n' "$dir/boot" "$e2e/bin/clock.so" "$([ $name = pawl ] && echo "$PAWL" || echo "$types")" >"$dir/$name"
		chmod +x "$dir/$name"
	done
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	echo 11111111-1111-4111-8111-111111111111 >"$dir/boot"
	program=$dir/types
	PAWL=$dir/pawl
}

# ---- the examples ----

examples=$(cd "$(dirname "$0")/../../examples" && pwd)

_gallery() { # the runtime of examples/worker
	program=$BUILD/examples/worker
	[ -x "$program" ] || fail "no program '$program': \`make examples\` builds it"
	new_hub
	needs fs
	start_ready
}

_pictures() { # COUNT: what comes out
	local n all=
	for ((n = 1; n <= $1; n++)); do all="$all PICTURE-$n"; done
	echo "${all# }"
}

_example_worker() { # COMMAND...: $worker is its pid
	"$@" 2>>"$dir/worker.err" >&2 &
	worker=$!
	pids="$pids $worker"
}

_has_python() {
	command -v python3 >/dev/null && python3 -c 'import os, signal, threading' 2>/dev/null
}

_expect_gallery_served_by() { # COMMAND...
	_gallery
	_example_worker "$@"
	start gallery g1 10
	expect_output g1 "$(_pictures 10)"
	_has_taken "$worker" || fail "the worker took nothing"
	_expect_good_history g1
	expect_eq "what the worker complained of" "" "$(cat "$dir/worker.err")"
	wait_for "the queue to be empty" _queued done 0
	kill -TERM "$worker"
	wait_for "the worker to end" _is_gone "$worker"
}

a_worker_in_shell_serves_the_gallery() {
	_expect_gallery_served_by "$examples/worker/worker.sh"
}

a_worker_in_python_serves_the_gallery() {
	_has_python || skip "there is no python3"
	_expect_gallery_served_by python3 "$examples/worker/worker.py"
}

a_worker_in_c_serves_the_gallery() {
	[ -x "$BUILD/examples/worker-c" ] || fail "no program '$BUILD/examples/worker-c': \`make examples\` builds it"
	_expect_gallery_served_by "$BUILD/examples/worker-c"
}

the_loop_in_one_line_serves_the_gallery() {
	_expect_gallery_served_by "$PAWL" work serve -a resize -- tr a-z A-Z
}

workers_in_all_languages_serve_the_gallery_together() {
	local n all
	_has_python || skip "there is no python3"
	_gallery
	for n in 1 2 3; do start gallery "g$n" 100; done
	# the slow ones first, or the fast ones leave them nothing
	_example_worker "$examples/worker/worker.sh" && all=$worker
	wait_for "the shell to have one" _has_taken "$worker"
	_example_worker python3 "$examples/worker/worker.py" && all="$all $worker"
	wait_for "python to have one" _has_taken "$worker"
	_example_worker "$BUILD/examples/worker-c" && all="$all $worker"
	wait_for "C to have one" _has_taken "$worker"
	_example_worker "$PAWL" work serve -a resize -- tr a-z A-Z && all="$all $worker"
	for n in 1 2 3; do
		expect_output "g$n" "$(_pictures 100)"
		_expect_good_history "g$n"
	done
	expect_eq "attempts" 300 "$(grep -c "is taken by worker" "$log")"
	expect_eq "what workers complained of" "" "$(cat "$dir/worker.err")"
	for n in $all; do kill -0 "$n" || fail "a worker ended by itself"; done
}

# ---- the words of `pawl work` ----

an_item_is_taken_done_and_seen_on_its_way() {
	_begin
	start once o "resize hello there"
	wait_queued ready 1
	expect 0 "$PAWL" queue
	expect_match "the queue" "resize/5-[0-9a-f]{14} +ready +o +2 +resize" "$out"
	expect 0 "$PAWL" activities
	expect_match "activities before" "o +2 +resize +Waiting" "$out"
	expect_match "status before" "waits for activity 'resize', which is not registered" "$("$PAWL" status o)"
	_process
	_take -a resize --pid "$worker"
	expect_eq "what it was given" "hello there|o|resize|1|o/1/2|$worker|$hub" "$PAWL_INPUT|$PAWL_INSTANCE|$PAWL_ACTIVITY|$PAWL_ATTEMPT|$PAWL_KEY|$PAWL_WORKER|$PAWL_HUB"
	expect_eq "input as a file" "hello there" "$(cat "$PAWL_WORK/input")"
	wait_for "it to be Active" _activities_say "resize +Active .* $worker"
	_expect_nothing_to_take -a resize
	expect_no_match "status of one that is taken" "not registered" "$("$PAWL" status o)"
	expect 0 "$PAWL" work heartbeat
	wait_for "its heartbeat to be seen" _activities_say "resize +Active +[0-9a-z.]+ +1 +$worker +$worker +[0-9]+m?s"
	expect 0 "$PAWL" work progress 50 "half way"
	expect_match "activities" "50% half way" "$("$PAWL" activities o)"
	expect_match "status" "resize.*50% half way" "$("$PAWL" status o)"
	expect 0 "$PAWL" queue ls
	expect_match "the queue" "$PAWL_ITEM +claimed +o +2 +resize +$worker" "$out"
	expect 0 "$PAWL" queue show "$PAWL_ITEM" -o json
	expect_json "queue show" "$out"
	expect_match "queue show" "\"state\":\"claimed\".*\"worker\":\"$worker\".*\"payload\":\"hello there\"" "$out"
	expect 0 "$PAWL" work done -d "done with $PAWL_INPUT"
	expect_output o "done with hello there"
	expect 5 "$PAWL" work done -d again
	expect_match "what is said of a second result" "not the work of '$worker' any more" "$err"
	wait_for "the queue to be empty" _queued done 0
	expect_no_file "$hub/archive/o/work/2"
}

a_result_may_come_from_a_file_or_standard_input() {
	_begin
	start once f "w a"
	start once s "w b"
	_take -a w
	head -c 100000 /dev/zero | tr '\0' x >"$dir/result"
	expect 0 "$PAWL" work done "$PAWL_ITEM" -d "@$dir/result"
	expect_output f "$(cat "$dir/result")"
	_take -a w
	expect 0 "$PAWL" work done --item "$PAWL_ITEM" --pid "$PAWL_WORKER" -d - < <(echo from a pipe)
	expect_output s "from a pipe"
}

a_failed_item_is_tried_again_and_one_that_failed_for_good_is_not() {
	_begin
	start thrice t "w x"
	_take -a w
	expect 0 "$PAWL" work fail -m "the lens is dirty"
	wait_events t ActivityRetrying 1
	expect_match "why" '"code":"exit:1","message":"the lens is dirty"' "$("$PAWL" history t -o jsonl)"
	_take -a w
	expect_eq "attempt" 2 "$PAWL_ATTEMPT"
	expect 0 "$PAWL" work fail -m "the lens is gone" --for-good
	expect 3 "$PAWL" wait t --timeout "${patience}s"
	expect_match "the failure" "the lens is gone" "$err"
	start report r "w x"
	_take -a w
	expect 0 "$PAWL" work fail --for-good -m never
	expect_output r "process exit:100 final: never"
	start report q "w x"
	_take -a w
	expect 0 "$PAWL" work fail
	expect_output q "process exit:1 retryable: the worker gave no reason"
}

a_deferred_item_comes_back_and_costs_no_attempt() {
	_begin
	start once o "w x"
	_take -a w
	expect 0 "$PAWL" work defer --for "${short}s" -m "no light"
	wait_for "it to be Deferred" _activities_say "w +Deferred .*no light"
	_expect_nothing_to_take -a w
	_take -a w
	expect_eq "attempt" 1 "$PAWL_ATTEMPT"
	expect 0 "$PAWL" work done -d light
	expect_output o light
	expect_eq "attempts that failed" 0 "$(count_events o ActivityRetrying)"
}

an_item_that_is_given_back_is_as_if_never_taken() {
	local item
	_begin
	start once o "w x"
	_take -a w
	item=$PAWL_ITEM
	wait_for "it to be Active" _activities_say "w +Active"
	expect 0 "$PAWL" work give-back
	wait_queued ready 1
	wait_for "it to be Waiting" _activities_say "w +Waiting"
	expect 5 "$PAWL" work done --item "$item"
	_take -a w
	expect_eq "item and attempt" "$item 1" "$PAWL_ITEM $PAWL_ATTEMPT"
	expect 0 "$PAWL" work done -d second
	expect_output o second
	expect_eq "attempts that failed" 0 "$(count_events o ActivityRetrying)"
}

an_item_that_ends_with_a_reboot_is_done_after_it() {
	new_hub "reboot: {command: [touch, $dir/rebooting]}"
	needs yaml
	_with_boot
	start_ready
	start once o "w x"
	_take -a w
	expect 0 "$PAWL" work reboot -d "slot b"
	wait_for "the reboot" test -e "$dir/rebooting"
	expect_eq "reboots in the history" 1 "$(count_events o ActivityRebooting)"
	kill_runtime
	start_ready
	expect_eq "status without the reboot" Running "$(status_of o)"
	kill_runtime
	echo 22222222-2222-4222-8222-222222222222 >"$dir/boot"
	start_ready
	expect_output o "slot b"
}

serve_runs_a_program_for_each_item_and_reads_its_exit_code() {
	_begin
	cat >"$dir/prog" <<-'EOS'
		#!/bin/sh
		read -r code rest
		echo "$PAWL_ACTIVITY $PAWL_ATTEMPT in $(basename "$PWD"): $rest"
		echo "said on stderr" >&2
		[ "$code" != 75 ] || [ ! -e "$PAWL_WORK/deferred" ] || exit 0
		[ "$code" != 75 ] || { touch "$PAWL_WORK/deferred" && echo 100ms >"$PAWL_WORK/retry_after"; }
		exit $code
	EOS
	chmod +x "$dir/prog"
	start once ok "w 0 fine"
	expect 0 "$PAWL" work serve -a w --once -- "$dir/prog"
	expect_output ok "w 1 in 2: fine"
	start report bad "w 100 bad"
	start report poor "w 3 poor"
	expect 0 "$PAWL" work serve -a w -n 2 --timeout "${patience}s" -- "$dir/prog"
	expect_output bad "process exit:100 final: said on stderr"
	expect_output poor "process exit:3 retryable: said on stderr"
	start once later "w 75 later"
	expect 0 "$PAWL" work serve -a w -n 2 --timeout "${patience}s" -- "$dir/prog"
	expect_output later "w 1 in 2: later"
	expect 124 "$PAWL" work serve -a w --timeout 100ms -- "$dir/prog"
	expect 1 "$PAWL" work serve -a w -- "$dir/no-such-program"
}

serve_that_is_asked_to_end_gives_its_item_back() {
	_begin
	start once o "w x"
	"$PAWL" work serve -a w -- sh -c "echo \$\$ >>'$dir/orphans'; exec sleep 600" &
	worker=$!
	pids="$pids $worker"
	wait_for "the program to run" test -s "$dir/orphans"
	kill -TERM "$worker"
	wait_for "serve to end" _is_gone "$worker"
	wait "$worker"
	expect_eq "its exit code" 0 $?
	_is_gone "$(cat "$dir/orphans")" || fail "its program still runs"
	_take -a w
	expect_eq "attempt" 1 "$PAWL_ATTEMPT"
	expect 0 "$PAWL" work done -d ok
	expect_output o ok
}

# ---- who gets it ----

a_claim_has_exactly_one_winner() {
	local n i
	_begin
	start tally m "20 w x"
	wait_queued ready 20
	for n in {1..10}; do
		(
			_process # each of its own; its end is not ours to wait for
			while item=$("$PAWL" -q work take -a w --pid $$); do
				eval "$item" && echo "$n $PAWL_ITEM" >>"$dir/won"
			done
			kill -9 "$worker"
		) &
		pids="$pids $!"
	done
	wait_for "all to be taken" _queued ready 0
	wait_for "all takers to be told" sh -c "[ \$(wc -l <'$dir/won') -ge 20 ]"
	expect_eq "items, and how often they were won" 20 "$(cut -d' ' -f2 "$dir/won" | sort | uniq | wc -l)"
	expect_eq "winners" 20 "$(wc -l <"$dir/won")"
	for i in $(cut -d' ' -f2 "$dir/won"); do
		n=$("$PAWL" queue show "$i" -o json | sed 's/.*"payload":"\([^"]*\)".*/\1/')
		expect 0 "$PAWL" work done "$i" --pid $$ -d "made $n"
	done
	expect_output m "20 made"
	_expect_good_history m
}

the_first_in_order_of_priority_is_the_first_to_be_taken() {
	local n
	_begin 'activities: {urgent: {run_by: worker, priority: 2}}'
	for n in 9 5 1; do
		start routed "p$n" "priority $n w"
		wait_status "p$n" Running
	done
	start once u urgent
	wait_queued ready 4
	for n in p1 u p5 p9; do
		_take
		expect_eq "who is next" $n "$PAWL_INSTANCE"
		expect 0 "$PAWL" work done -d "$n"
		expect_output $n $n
	done
}

programs_begin_in_the_order_of_priority_too() {
	local n
	_begin 'workers: {processes_max: 1}'
	_script first <<<"while [ ! -e '$dir/go' ]; do sleep 0.02; done"
	_script note <<<"cat >>'$dir/order'"
	start once f first
	wait_for "the slot to be taken" _activities_say "first +Active"
	for n in 9 5 1; do start routed "p$n" "priority $n note"; done
	for n in 9 5 1; do wait_events "p$n" ActivityScheduled 1; done
	touch "$dir/go"
	for n in 9 5 1; do expect_output "p$n" ""; done
	expect_eq "order" 159 "$(cat "$dir/order")"
}

a_tag_goes_only_to_who_declares_it() {
	_begin 'workers: {tags: [inside]}'
	_script prog <<<'echo "inside with $(cat)"'
	start routed camera "tag camera prog" # its program is here, but not for this tag
	start routed inside "tag inside prog"
	expect_output inside "inside with inside"
	wait_queued ready 1
	expect_match "the queue" "prog@camera/5-.* +ready +camera .* camera" "$("$PAWL" queue)"
	_expect_nothing_to_take
	_expect_nothing_to_take -a prog
	_expect_nothing_to_take --tag sensor
	_expect_nothing_to_take --tag camera -a other
	_take --tag sensor --tag camera
	expect_eq "who" camera "$PAWL_INSTANCE"
	expect 0 "$PAWL" work done -d seen
	expect_output camera seen
}

a_worker_with_a_tag_takes_what_has_none_too() {
	_begin
	start once o "w x"
	_take --tag camera
	expect 0 "$PAWL" work done -d ok
	expect_output o ok
}

only_so_many_of_an_activity_are_there_to_be_taken() {
	_begin 'activities: {w: {run_by: worker, running_max: 2}}'
	start many m "5 w"
	wait_queued ready 2
	_take && _take
	_expect_nothing_to_take
	wait_queued claimed 2
	expect 0 "$PAWL" work done -d ok
	wait_queued ready 1
	for _ in 1 2 3; do _take && expect 0 "$PAWL" work done -d ok; done
	_expect_nothing_to_take
	expect 0 "$PAWL" work done "$("$PAWL" -q queue -o name)" -d ok
	expect_output m "5 results"
}

# Each run notes how many run beside it.
_counting_script() { # NAME
	_script "$1" <<-EOS
		cd '$dir' && mkdir -p running && touch running/\$\$
		ls running | wc -l >>seen.$1
		sleep 0.1
		rm running/\$\$
	EOS
}

only_so_many_programs_run_at_a_time() {
	_begin 'workers: {processes_max: 3}' 'activities: {narrow: {running_max: 2, exec: [sh, narrow]}}'
	_counting_script wide
	_counting_script narrow
	sed -i "s|sh, narrow|sh, $dir/activities/narrow|" "$PAWL_CONFIG"
	kill -HUP "$runtime"
	start many w "12 wide"
	expect_output w "12 results"
	expect_eq "most at a time" 3 "$(sort -n "$dir/seen.wide" | tail -n 1)"
	start many n "8 narrow"
	expect_output n "8 results"
	expect_eq "most of one activity" 2 "$(sort -n "$dir/seen.narrow" | tail -n 1)"
}

a_session_stays_with_one_worker_until_that_dies() {
	local first second n
	_begin
	_process && first=$worker
	_process && second=$worker
	start routed s "session line1 w"
	wait_queued ready 3
	_take -a w --pid "$first"
	_expect_nothing_to_take -a w --pid "$second"
	expect 0 "$PAWL" work done -d "by the first"
	_expect_nothing_to_take -a w --pid "$second"
	_take -a w --pid "$first"
	_kill "$first"
	for n in 1 2; do
		_take -a w --pid "$second"
		[ $n != 1 ] || _expect_nothing_to_take -a w --pid $$
		expect 0 "$PAWL" work done -d "by the second"
	done
	expect_output s "by the first by the second by the second"
	expect_eq "attempts that were lost" 1 "$(count_events s ActivityRetrying)"
}

run_by_worker_keeps_an_activity_out_of_the_runtime() {
	_begin 'activities: {step: {run_by: worker}, prog: {run_by: worker}}'
	_script prog <<<'echo inside'
	start once function "step 1" # registered as a function
	start once program "prog"
	wait_queued ready 2
	expect_no_match "status" "not registered" "$("$PAWL" status function program)"
	_take -a step && expect 0 "$PAWL" work done -d outside
	_take -a prog && expect 0 "$PAWL" work done -d outside
	expect_output function outside
	expect_output program outside
	expect_no_file "$E2E_LOG"
}

an_activity_that_nobody_has_is_reported_and_goes_inside_when_it_comes() {
	_begin
	start once o "late hello"
	start once p "late there"
	wait_queued ready 2
	expect_match "status" "waits for activity 'late', which is not registered.*pawl work" "$("$PAWL" status o)"
	expect_match "activities" "late +Waiting .*no activity of that name" "$("$PAWL" activities o)"
	_says "warning: instance 'o': it waits for activity 'late'" || fail "the log does not say so"
	_take -a late
	expect_eq "who" o "$PAWL_INSTANCE"
	wait_for "it to be Active" _activities_say "o +2 +late +Active"
	_script late <<<'echo "inside $(cat)"'
	kill -HUP "$runtime"
	expect_output p "inside there"
	expect 0 "$PAWL" work done -d outside # the one that was taken stays with who has it
	expect_output o outside
	expect_eq "the queue" "" "$("$PAWL" -q queue -o name)"
	expect_no_match "status afterwards" "not registered" "$("$PAWL" status o p)"
}

# ---- workers that go away ----

what_a_killed_worker_had_is_another_ones_at_once() {
	local killed first n
	_begin
	start report r "w x"
	for n in 1 2 3; do
		_process
		_take -a w --pid "$worker"
		expect_eq "attempt" $n "$PAWL_ATTEMPT"
		wait_for "it to be Active" _activities_say "w +Active .*$worker"
		first=$PAWL_ITEM
		killed=$(_now_ms)
		_kill "$worker"
		[ $n = 3 ] || wait_events r ActivityRetrying $n
		[ $(($(_now_ms) - killed)) -lt 5000 ] || fail "it took $(($(_now_ms) - killed)) ms to see that the worker is gone"
	done
	expect 0 "$PAWL" -q wait r --timeout "${patience}s"
	expect_match "attempts are counted as stuck" "^poison .*worker '$worker' is gone without a result" "$out"
	expect_eq "stuck attempts" 2 "$("$PAWL" history r -o jsonl | grep -c '"type":"ActivityRetrying".*"kind":"stuck","code":"gone"')"
	expect 5 "$PAWL" work done "$first" --pid "$worker"
	expect_match "dead letters" "r.2 +dead +r +2 +w" "$("$PAWL" queue ls --dead)"
}

a_named_worker_that_stops_beating_loses_its_item() {
	local n
	_begin "workers: {heartbeat: ${short}s}"
	start once o "w x"
	_take -a w --worker box-1
	wait_for "its name to be seen" _activities_say "w +Active .*box-1"
	for n in {1..12}; do
		sleep 0.2
		expect 0 "$PAWL" work heartbeat
	done
	expect_eq "attempts that failed while it was beating" 0 "$(count_events o ActivityRetrying)"
	wait_events o ActivityRetrying 1
	expect_match "why" "\"kind\":\"stuck\",\"code\":\"heartbeat\",\"message\":\"worker 'box-1' gives no heartbeat\"" "$("$PAWL" history o -o jsonl)"
	expect 5 "$PAWL" work done -d late
	_take -a w --worker box-2
	expect_eq "attempt" 2 "$PAWL_ATTEMPT"
	expect 0 "$PAWL" work done -d "in time"
	expect_output o "in time"
}

who_is_too_slow_is_told_so_and_does_not_count() {
	_begin 'activities: {w: {run_by: worker, timeout: 1s}}'
	start once o "w x"
	_take -a w
	expect 0 "$PAWL" work heartbeat
	wait_events o ActivityRetrying 1
	expect 5 "$PAWL" work heartbeat
	expect 5 "$PAWL" work done -d "too late"
	expect_match "what it is told" "'$PAWL_ITEM' is not the work of '$PAWL_WORKER' any more, it was taken back" "$err"
	expect_match "why" "\"code\":\"timeout\",\"message\":\"worker '$PAWL_WORKER' has taken longer than the limit\"" "$("$PAWL" history o -o jsonl)"
	_take -a w
	expect 0 "$PAWL" work done -d "in time"
	expect_output o "in time"
}

a_worker_whose_item_was_canceled_is_told_so() {
	_begin
	start straggler s "w x" # goes on when its race is lost
	_take -a w
	wait_for "it to be Active" _activities_say "w +Active"
	expect_no_file "$PAWL_WORK/cancel"
	expect 0 "$PAWL" raise s stop
	wait_for "the file cancel" test -e "$PAWL_WORK/cancel"
	expect 6 "$PAWL" work heartbeat
	try "$PAWL" work done -d "too late"
	expect_match "exit code of done" "^[56]$" "$code"
	expect 0 "$PAWL" raise s go
	expect_output s stopped
	_expect_nothing_to_take -a w
	# one that waits in the queue goes out of it
	start race r "w x"
	wait_queued ready 1
	expect 0 "$PAWL" raise r stop
	expect_output r stopped
	expect_eq "the queue" "" "$("$PAWL" -q queue -o name)"
}

# ---- the runtime goes away ----

workers_go_on_while_the_runtime_is_killed_and_nothing_is_done_twice() {
	local n dead
	_begin
	for n in done failed given held dead; do
		start thrice "$n" "$n x"
		wait_status "$n" Running
	done
	wait_queued ready 5
	for n in done failed given held; do
		_take -a "$n" --pid $$
	done
	_process && dead=$worker
	_take -a dead --pid "$dead"
	wait_for "all to be Active" sh -c "[ \$('$PAWL' activities | grep -c Active) -eq 5 ]"
	kill_runtime
	for n in $("$PAWL" -q queue -o name); do
		case $n in
		done/*) expect 0 "$PAWL" work done "$n" --pid $$ -d "while nobody was there" ;;
		failed/*) expect 0 "$PAWL" work fail "$n" --pid $$ -m "while nobody was there" ;;
		given/*) expect 0 "$PAWL" work give-back "$n" --pid $$ ;;
		held/*) expect 0 "$PAWL" work heartbeat "$n" --pid $$ && held=$n ;;
		esac
	done
	_kill "$dead"
	expect_match "the queue without a runtime" "done/[^ ]+ +done +done" "$("$PAWL" queue)"
	expect_match "the queue without a runtime" "given/[^ ]+ +ready +given" "$("$PAWL" queue)"
	start_ready
	expect_output done "while nobody was there"
	expect 0 "$PAWL" work done "$held" --pid $$ -d "held all the time"
	expect_output held "held all the time"
	for n in "failed 2" "given 1" "dead 2"; do
		_take -a "${n% *}"
		expect_eq "attempt of '${n% *}'" "${n#* }" "$PAWL_ATTEMPT"
		expect 0 "$PAWL" work done -d again
		expect_output "${n% *}" again
	done
	for n in done failed given held dead; do _expect_good_history $n; done
	expect_eq "lost attempts of held, given and done" "0 0 0" "$(count_events held ActivityRetrying) $(count_events given ActivityRetrying) $(count_events done ActivityRetrying)"
}

a_runtime_that_is_killed_again_and_again_loses_nothing_of_its_workers() {
	local n round
	_begin
	for n in 1 2 3 4; do start tally "m$n" "75 item x"; done
	for n in 1 2 3 4; do _worker "c$n" item 40; done
	for round in {1..10}; do
		sleep 0.15
		kill_runtime
		start_ready
	done
	for n in 1 2 3 4; do
		expect_output "m$n" "75 made"
		_expect_good_history "m$n"
	done
	expect_eq "items taken" 300 "$(grep -c ^took "$dir/diary")"
	expect_eq "items done" 300 "$(grep -c ^done "$dir/diary")"
	expect_eq "items done, each counted once" 300 "$(awk '$1 == "done" { print $3 }' "$dir/diary" | sort -u | wc -l)"
	expect_eq "failed attempts" 0 "$(for n in 1 2 3 4; do "$PAWL" history "m$n" -o jsonl; done | grep -c ActivityRetrying)"
	expect_eq "what workers complained of" "" "$(cat "$dir/worker.err")"
}

claims_of_another_boot_are_not_believed() {
	local old
	_begin
	start once o "w x"
	_take -a w # by a process that lives on: a pid that came again
	old=$PAWL_ITEM
	wait_for "it to be Active" _activities_say "w +Active"
	kill_runtime
	sed -i -E 's/"boot":"[^"]*"/"boot":"00000000-0000-4000-8000-000000000000"/' "$PAWL_WORK/carrier"
	grep -q 00000000-0000-4000 "$PAWL_WORK/carrier" || fail "the carrier has no boot id"
	start_ready
	wait_queued ready 1
	expect 5 "$PAWL" work done -d "of another boot"
	_take -a w
	expect_eq "attempt" 1 "$PAWL_ATTEMPT"
	[ "$PAWL_ITEM" != "$old" ] || fail "it is still the item of the other boot"
	expect 0 "$PAWL" work done -d "of this boot"
	expect_output o "of this boot"
}

after_a_reboot_nothing_is_taken_until_the_runtime_was_there() {
	new_hub
	needs yaml
	_with_boot
	start_ready
	start many m "3 w"
	wait_queued ready 3
	_take -a w
	_take -a w
	expect 0 "$PAWL" work done -d "before the reboot, not seen by the runtime" & # both are cut off by it
	wait $!
	kill_runtime
	echo 22222222-2222-4222-8222-222222222222 >"$dir/boot"
	_expect_nothing_to_take -a w
	start_ready
	expect_match "claims" "^0$" "$("$PAWL" -q queue -o jsonl | grep -c '"state":"claimed"')"
	for _ in 1 2 3; do
		[ "$(status_of m)" != Completed ] || break
		try "$PAWL" work take -a w --wait --timeout 2s
		[ "$code" -eq 0 ] || continue
		eval "$out"
		expect_eq "attempt" 1 "$PAWL_ATTEMPT"
		expect 0 "$PAWL" work done -d "after it"
	done
	expect_output m "3 results"
	_expect_good_history m
}

# ---- many workers, killed at random ----

# What is wrong with the diary, given who was killed: an item is taken again only when who had it was killed with it.
_check_diary() { # ITEMS
	awk -v items="$1" '
	FILENAME == ARGV[1] { killed[$1] = 1; next }
	$1 == "took" { if (!($3 in count)) keys++; holder[$3, ++count[$3]] = $2; last[$2] = $3; takes++; next }
	$1 == "done" && !($3 in by) { by[$3] = $2; next }
	$1 == "done" { if (!(by[$3] in killed) && !($2 in killed)) print $3 " was done by " by[$3] " and by " $2 }
	$1 == "gone" { print $2 " lost " $3 " and was not killed" }
	END {
		if (keys != items) print keys + 0 " of " items " were taken"
		for (k in count)
			for (n = 1; n < count[k]; n++) {
				h = holder[k, n]
				if (!(h in killed)) print k " was taken from " h ", which was not killed"
				else if (last[h] != k) print k " was taken from " h ", which was killed later"
			}
	}' "$dir/killed" "$dir/diary"
}

_start_competitor() { # SLOT
	local name=w$((++competitors))
	if [ "$1" -lt 6 ]; then
		_worker "$name" item 2
	else # a program for each item
		COMPETITOR=$name "$PAWL" -q work serve -a item -- "$dir/prog" 2>>"$dir/worker.err" &
		worker=$!
	fi
	slots[$1]=$worker names[$1]=$name
}

_tallies_are_over() {
	[ "$("$PAWL" -q list -s Completed,Failed -o name 2>/dev/null | grep -c '^b[0-9]')" -ge "$1" ]
}

eight_workers_do_each_item_once_while_they_are_killed_at_random() {
	local items=${E2E_WORK_ITEMS:-500} each=100 n count slot kills=0 competitors=0 began end looks=0
	local -a slots=() names=()
	_begin 'attempts: {stuck_max: 12}' # the dice may hit an item more than once
	count=$((items / each))
	: >"$dir/killed"
	cat >"$dir/prog" <<-EOS
		#!/bin/sh
		echo "took \$COMPETITOR \$PAWL_KEY" >>'$dir/diary'
		read -r input
		echo "made \$input"
		echo "done \$COMPETITOR \$PAWL_KEY" >>'$dir/diary'
	EOS
	chmod +x "$dir/prog"
	for ((n = 1; n <= count; n++)); do start tally "b$n" "$each item x"; done
	began=$(_now_ms) end=$((SECONDS + 200))
	for slot in {0..7}; do _start_competitor "$slot"; done
	until _tallies_are_over $count; do
		[ $SECONDS -lt $end ] || fail "after 200 s $(grep -c ^done "$dir/diary") were done, $("$PAWL" -q queue -o jsonl | sed 's/.*"state":"\([a-z]*\)".*/\1/' | sort | uniq -c | tr '\n' ' ')"
		sleep 0.2
		slot=$((RANDOM % 8))
		kill -9 "${slots[slot]}" || fail "worker ${names[slot]} has ended by itself: $(tail -n 2 "$dir/worker.err")"
		echo "${names[slot]}" >>"$dir/killed"
		wait "${slots[slot]}" 2>/dev/null
		kills=$((kills + 1))
		_start_competitor "$slot"
	done
	echo "$items items in $(($(_now_ms) - began)) ms, $kills workers killed, $(($(grep -c ^took "$dir/diary") - items)) items taken again"
	for slot in {0..7}; do _kill "${slots[slot]}"; done
	for ((n = 1; n <= count; n++)); do
		expect_output "b$n" "$each made"
		_expect_good_history "b$n"
		expect_eq "results in the history of 'b$n'" $each "$(count_events "b$n" ActivityCompleted)"
	done
	expect_eq "what is wrong with the diary" "" "$(_check_diary "$items" | head -n 5)"
	wait_for "the queue to be empty" sh -c "[ -z \"\$('$PAWL' -q queue -o name)\" ]"
	[ -z "${E2E_WORK_ITEMS:-}" ] || cp "$dir/.output" "$e2e/eight_workers.txt"
}

run_tests
