#!/usr/bin/env bash
# test_adopt.sh - activities that outlive the runtime, and what ends them: kill -9 of everybody in turn, stops, reboots,
# reused pids, silence, time limits, crashes.
. "$(dirname "$0")/lib.sh"

_script() { # NAME
	{ echo '#!/bin/sh' && cat; } >"$dir/activities/$1"
	chmod +x "$dir/activities/$1"
}

_begin() { # [LINE OF CONFIGURATION...]
	new_hub "$@"
	needs yaml
	start_ready
}

_reported() { # ID ACTIVITY [INPUT]
	expect 0 "$PAWL" -q start report --id "$1" -i "$2${3:+ $3}" -w --timeout "${patience}s"
}

_is_over() { # FILE: the process whose id is in it
	! kill -0 "$(cat "$1")" 2>/dev/null
}

# What the shim wrote down of the activity ID SEQ: "shim" or "activity", a pid.
_pid_of() { # WHO ID SEQ
	awk -v who="$1" '$1 == who { print $2 }' "$hub/instances/$2/work/$3/claim"
}

# Runs until $dir/go is there; each run is a line in $dir/ran.
_waiting_script() { # NAME
	_script "$1" <<-EOS
		echo "\$PAWL_KEY" >>'$dir/ran'
		echo \$\$ >'$dir/pid'
		echo \$\$ >>'$dir/orphans'
		while [ ! -e '$dir/go' ]; do sleep 0.02; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
}

_says() { # REGEX: the log
	grep -qE "$1" "$log"
}

# ---- adoption ----

# PAWL_KILL_ROUNDS kills (100) while 20 slow activities run.
a_killed_runtime_finds_all_its_programs_again_and_none_runs_twice() {
	local round rounds=${KILL_ROUNDS:-100}
	_begin 'workers: {processes_max: 20}'
	_script slow <<-EOS
		echo "\$(cat)" >>'$dir/ran'
		echo \$\$ >>'$dir/orphans'
		while [ ! -e '$dir/go' ]; do sleep 0.2; done
		echo done
	EOS
	start many m "20 slow item"
	wait_for "all to run" sh -c "[ \$(wc -l <'$dir/ran') -ge 20 ]"
	for ((round = 0; round < rounds; round++)); do
		kill_runtime
		start_ready
	done
	touch "$dir/go"
	expect_output m "20 results"
	expect_eq "runs of each" "$(for n in {1..20}; do echo "1 item $n"; done | sort)" "$(sort "$dir/ran" | uniq -c | sed 's/^ *//' | sort)"
	expect_eq "attempts that failed" 0 "$(($(count_events m ActivityRetrying) + $(count_events m ActivityFailed)))"
}

what_ended_while_no_runtime_was_there_is_collected() {
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	touch "$dir/go"
	wait_for "the outcome" grep -qx end "$hub/instances/o/work/2/claim"
	start_ready
	expect_output o "attempt 1"
	expect_eq "runs" 1 "$(wc -l <"$dir/ran")"
	_says "ended while no runtime was there" || fail "the log does not say so"
	expect_no_file "$hub/archive/o/work/2"
}

what_is_gone_without_a_result_is_stuck_at_once() {
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	kill -9 "$(_pid_of shim o 2)" "$(cat "$dir/pid")"
	wait_for "it to be gone" _is_over "$dir/pid"
	touch "$dir/go"
	start_ready
	expect_output o "attempt 2"
	expect_eq "attempts that ended stuck" 1 "$(count_events o ActivityRetrying)"
	expect_match "why" '"kind":"stuck","code":"gone"' "$("$PAWL" history o -o jsonl)"
}

a_killed_shim_takes_its_activity_with_it() {
	local pid
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	pid=$(cat "$dir/pid")
	kill -9 "$(_pid_of shim o 2)"
	wait_for "the activity to be ended" _is_gone "$pid"
	touch "$dir/go"
	expect_output o "attempt 2"
}

a_killed_activity_is_a_failed_attempt() {
	_begin
	_waiting_script long
	start thrice o long
	wait_for "the program to run" test -s "$dir/pid"
	kill -9 "$(cat "$dir/pid")"
	touch "$dir/go"
	expect_output o "attempt 2"
	expect_match "why" '"kind":"process","code":"signal:9"' "$("$PAWL" history o -o jsonl)"
}

after_a_reboot_nothing_is_adopted() {
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	# as if another boot had written it: the pids are those of live processes nevertheless
	sed -i 's/^boot .*/boot 00000000-0000-4000-8000-000000000000/' "$hub/instances/o/work/2/claim"
	: >"$dir/ran"
	touch "$dir/go"
	start_ready
	expect_output o "attempt 1"
	expect_eq "runs after it" 1 "$(wc -l <"$dir/ran")"
}

a_synced_result_counts_after_a_reboot_and_another_does_not() {
	local id
	_begin "activities: {synced: {exec: [$dir/activities/long], sync: true}}"
	_waiting_script long
	start once s synced
	start once o long
	for id in s o; do
		wait_for "the claim of $id" grep -q ^activity "$hub/instances/$id/work/2/claim"
	done
	wait_for "both to run" sh -c "[ \$(wc -l <'$dir/ran') -ge 2 ]"
	kill_runtime
	touch "$dir/go"
	for id in s o; do
		wait_for "the outcome of $id" grep -qx end "$hub/instances/$id/work/2/claim"
		sed -i 's/^boot .*/boot 00000000-0000-4000-8000-000000000000/' "$hub/instances/$id/work/2/claim"
	done
	: >"$dir/ran"
	start_ready
	expect_output s "attempt 1"
	expect_output o "attempt 1"
	expect_eq "which one ran again" "o/1/2" "$(cat "$dir/ran")"
}

a_reused_pid_is_not_taken_for_the_activity() {
	local other
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	kill -9 "$(_pid_of shim o 2)" "$(cat "$dir/pid")"
	wait_for "it to be gone" _is_over "$dir/pid"
	sleep 600 &
	other=$!
	pids="$pids $other"
	sed -i -E "s/^(shim|activity) [0-9]+/\1 $other/" "$hub/instances/o/work/2/claim"
	touch "$dir/go"
	start_ready
	expect_output o "attempt 2"
	kill -0 "$other" 2>/dev/null || fail "an innocent process was ended"
}

# A pid namespace of its own with few pids, so that they come round: the shim's number belongs to somebody else when the
# runtime comes back.
pids_that_have_come_round_are_told_apart() {
	new_hub
	needs yaml
	# before 6.14 there is one pid_max for the whole machine
	printf '%s\n' 6.14 "$(uname -r)" | sort -VC || skip "no pid_max in a pid namespace of its own here"
	unshare --pid --fork --mount-proc sh -c 'echo 400 >/proc/sys/kernel/pid_max' 2>/dev/null || skip "no pid_max in a pid namespace of its own here"
	_waiting_script long
	cat >"$dir/inside" <<-EOS
		set -u
		echo 400 >/proc/sys/kernel/pid_max
		until [ "\$(sh -c 'echo \$\$')" -ge 320 ]; do :; done # the kernel gives those below 300 only once
		'$types' run $volatile 2>'$dir/log.1' & rt=\$!
		until '$PAWL' -q start once --id o -i long 2>/dev/null; do sleep 0.05; done
		until [ -s '$dir/pid' ]; do sleep 0.02; done
		shim=\$(awk '\$1 == "shim" { print \$2 }' '$hub/instances/o/work/2/claim')
		kill -9 \$rt; wait \$rt 2>/dev/null
		kill -9 \$shim \$(cat '$dir/pid')
		echo "the shim was \$shim"
		n=0
		until [ "\$(cat /proc/\$shim/comm 2>/dev/null)" = sleep ] || [ \$n -gt 2000 ]; do
			sleep 600 & last=\$!; n=\$((n + 1))
			[ \$last -eq \$shim ] || kill -9 \$last
			[ \$last -eq \$shim ] || wait \$last 2>/dev/null
		done
		cat /proc/\$shim/comm >'$dir/comm'
		touch '$dir/go'
		'$types' run $volatile 2>'$dir/log.2' & rt=\$!
		'$PAWL' -q wait o --timeout ${patience}s >'$dir/result' 2>&1
		cat /proc/\$shim/comm >'$dir/comm.after'
		kill \$rt; wait \$rt 2>/dev/null
		kill -9 -1 2>/dev/null
	EOS
	timeout 60 unshare --pid --fork --mount-proc bash "$dir/inside" >"$dir/inside.out" 2>&1
	expect_eq "who has the shim's pid" sleep "$(cat "$dir/comm" 2>/dev/null)"
	expect_eq "result" "attempt 2" "$(cat "$dir/result")"
	expect_eq "who has it after that" sleep "$(cat "$dir/comm.after")"
}

what_was_canceled_while_the_runtime_died_is_ended_by_the_next() {
	_begin
	_waiting_script long
	start race r long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	expect 0 "$PAWL" -q raise r stop -d x
	start_ready
	expect_output r stopped
	wait_for "the program to be ended" _is_over "$dir/pid"
}

a_stop_leaves_programs_running_for_the_next_start() {
	_begin
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	stop_runtime
	_is_over "$dir/pid" && fail "the program ended with the runtime"
	_says "1 programs? go on running" || fail "the log does not say so"
	start_ready
	touch "$dir/go"
	expect_output o "attempt 1"
	expect_eq "runs" 1 "$(wc -l <"$dir/ran")"
}

what_an_instance_that_has_ended_left_running_is_ended_by_the_next() {
	new_hub
	needs yaml
	_with_boot
	cat /proc/sys/kernel/random/boot_id >"$dir/boot"
	_waiting_script long
	E2E_DIE_MAKING=/work/2/cancel start_ready
	start race r long
	wait_for "the program to run" test -s "$dir/pid"
	"$PAWL" -q raise r stop -d x
	wait_for "the runtime to die" _is_gone "$runtime"
	expect_eq "status" Completed "$(status_of r)"
	kill -0 "$(cat "$dir/pid")" || fail "the program was ended before the runtime died"
	start_ready
	wait_for "the program to be ended" _is_over "$dir/pid"
}

adopted_programs_count_in_the_limit_of_their_activity() {
	_begin "activities: {long: {exec: [$dir/activities/long], running_max: 1}}"
	_waiting_script long
	start once a long
	wait_for "the program to run" test -s "$dir/pid"
	start once b long
	kill_runtime
	start_ready
	sleep 0.5 # long enough for a second one to begin
	expect_eq "programs that run" 1 "$(wc -l <"$dir/ran")"
	touch "$dir/go"
	expect_output a "attempt 1"
	expect_output b "attempt 1"
}

an_adopted_program_has_begun_in_time() {
	_begin "activities: {long: {exec: [$dir/activities/long], schedule_to_start: 300ms}}"
	_waiting_script long
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	kill_runtime
	start_ready
	sleep 0.6
	touch "$dir/go"
	expect_output o "attempt 1"
}

the_time_to_a_retry_is_not_the_time_to_a_start() {
	_begin "activities: {flop: {exec: [$dir/activities/flop], schedule_to_start: 300ms, retry: {max_attempts: 2, first: 1500ms}}}"
	_script flop <<-'EOS'
		[ "$PAWL_ATTEMPT" -gt 1 ] && echo good
	EOS
	start once o flop
	wait_events o ActivityRetrying 1
	kill_runtime
	start_ready
	expect_output o good
}

what_a_worker_has_begun_in_time_may_take_longer() {
	_begin 'activities: {slow: {run_by: worker, schedule_to_start: 1s}}'
	start once o slow
	"$PAWL" work serve -a slow -- sh -c 'sleep 1.5; echo made' >"$dir/worker" 2>&1 &
	pids="$pids $!"
	expect_output o made
}

# The runtime sees the end of the first worker, and what both did before, at the same moment.
_take_for() { # PID
	try "$PAWL" work take -a slow --pid "$1"
	[ "$code" -eq 0 ] && eval "$out"
}

a_worker_that_gave_back_and_ended_is_not_mistaken_for_the_next_one() {
	local first second
	_begin 'activities: {slow: {run_by: worker}}'
	start once o slow
	sleep 600 & first=$!
	sleep 600 & second=$!
	pids="$pids $first $second"
	wait_for "the item" _take_for $first
	wait_for "the worker to be seen" _says "taken by worker '$first'"
	kill -STOP "$runtime"
	expect 0 "$PAWL" work give-back
	kill $first
	wait_for "the next one to have it" _take_for $second
	wait $first 2>/dev/null
	kill -CONT "$runtime"
	wait_for "the next one to be seen" _says "taken by worker '$second'"
	sleep 0.2
	expect 0 "$PAWL" work done -d made
	expect_output o made
	expect_eq "attempts that failed" 0 "$(count_events o ActivityRetrying)"
}

a_stop_while_outside_work_is_claimed_and_more_is_blocked_frees_each_once() {
	_begin 'activities: {slow: {run_by: worker, running_max: 2}}'
	for id in a b c d; do start once $id slow; done
	wait_for "two items" sh -c "[ \$(ls '$hub/work/ready/slow' | wc -l) -eq 2 ]"
	expect 0 "$PAWL" work take -a slow --pid $$
	wait_for "the worker to be seen" _says "taken by worker"
	stop_runtime
}

# ---- silence and time ----

a_stopped_activity_is_ended_when_its_heartbeat_is_too_old() {
	_begin "activities: {silent: {exec: [$dir/activities/silent], heartbeat: 500ms, grace: 200ms, retry: {first: 20ms}}}"
	_script silent <<-EOS
		echo \$\$ >'$dir/pid'
		while [ ! -e '$dir/go' ]; do touch heartbeat; sleep 0.05; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	start once o silent
	wait_for "heartbeats" test -e "$hub/instances/o/work/2/heartbeat"
	sleep 1 # longer than the limit: the beats keep it alive
	expect_eq "retries before" 0 "$(count_events o ActivityRetrying)"
	kill -STOP "$(cat "$dir/pid")"
	wait_events o ActivityRetrying 1
	touch "$dir/go"
	expect_output o "attempt 2"
	expect_match "why" '"kind":"stuck","code":"heartbeat"' "$("$PAWL" history o -o jsonl)"
}

one_that_is_always_silent_is_given_up_after_its_attempts_and_becomes_a_dead_letter() {
	_begin "activities: {silent: {exec: [sleep, 600], heartbeat: 100ms, grace: 100ms, stuck_max: 2, retry: {first: 20ms}}}"
	_reported r silent
	expect_match "what is reported" "^poison heartbeat retryable: " "$out"
	expect_eq "retries" 1 "$(count_events r ActivityRetrying)"
	expect 0 "$PAWL" queue ls
	expect_match "dead letters" "r\.2 .*silent" "$out"
	expect 0 "$PAWL" queue show r.2 -o json
	expect_json "the letter" "$out"
	expect 0 "$PAWL" queue purge r.2
	expect 0 "$PAWL" queue ls
	expect_no_match "dead letters" "r\.2" "$out"
}

a_held_activity_waits_for_its_requeue() {
	_begin "activities: {held: {exec: [$dir/activities/held], dead_letter: hold, stuck_max: 1}}"
	_waiting_script held
	start once o held
	wait_for "the program to run" test -s "$dir/pid"
	kill -9 "$(_pid_of shim o 2)"
	wait_for "the dead letter" test -e "$hub/work/dead/o.2.json"
	expect_eq "status" Running "$(status_of o)"
	kill_runtime
	start_ready
	expect_eq "status after a restart" Running "$(status_of o)"
	touch "$dir/go"
	expect 0 "$PAWL" queue requeue o.2
	expect_output o "attempt 2"
	expect_no_file "$hub/work/dead/o.2.json"
}

what_nobody_serves_expires() {
	_begin 'activities: {nobody: {run_by: worker, schedule_to_start: 300ms}}'
	_reported r nobody
	expect_match "what is reported" "^timeout schedule-to-start final: nobody began it" "$out"
	expect_eq "items in the queue" 0 "$(find "$hub/work" -type l | wc -l)"
}

all_attempts_together_have_a_limit() {
	_begin "activities: {forever: {exec: [sleep, 600], timeout: 200ms, grace: 100ms, schedule_to_close: 1s, retry: {max_attempts: 100, first: 100ms}}}"
	_reported r forever
	expect_match "what is reported" "^timeout schedule-to-close final: all its attempts" "$out"
}

# ---- what an activity does to its work directory ----

directories_in_place_of_its_files_are_removed() {
	_begin "activities: {evil: {exec: [$dir/activities/evil], retry: {max_attempts: 2, first: 20ms}}}"
	_script evil <<-'EOS'
		[ "$PAWL_ATTEMPT" -gt 1 ] && cat && exit
		for f in retry_after cancel input claim result log heartbeat progress carrier; do rm -f $f && mkdir -p $f/sub; done
		exit 1
	EOS
	start once o "evil input"
	expect_output o input
}

links_in_place_of_its_files_are_not_followed() {
	local f names='retry_after cancel input claim result log heartbeat progress carrier'
	_begin "activities: {evil: {exec: [$dir/activities/evil], retry: {max_attempts: 2, first: 20ms}}}"
	mkdir "$dir/victim"
	for f in $names; do echo precious >"$dir/victim/$f"; done
	_script evil <<-EOS
		for f in $names messages; do rm -f \$f; ln -s '$dir/victim/'\$f \$f; done
		rm messages && ln -s '$dir/victim' messages
		touch '$dir/linked.'\$PAWL_ATTEMPT
		while [ ! -e '$dir/go' ]; do sleep 0.02; done
		exit 1
	EOS
	start talker o evil
	wait_for "the links" test -e "$dir/linked.1"
	expect 0 "$PAWL" raise o say -d hello
	wait_events o ActivityMessageSent 1
	expect 0 "$PAWL" activities o
	kill_runtime
	start_ready
	touch "$dir/go"
	expect 3 "$PAWL" -q wait o --timeout "${patience}s"
	expect_eq "what the links lead to" "$(for f in $names; do echo precious; done)" "$(cat "$dir"/victim/*)"
	expect_eq "files there" 9 "$(ls -A "$dir/victim" | wc -l)"
}

pipes_in_place_of_its_files_hold_up_nobody() {
	_begin
	_script evil <<-EOS
		for f in retry_after cancel input claim result heartbeat progress carrier; do rm -f \$f; mkfifo \$f; done
		touch '$dir/made'
		sleep 0.5
		exit 75
	EOS
	start report o "evil input"
	wait_for "the pipes" test -e "$dir/made"
	expect 0 timeout 5 "$PAWL" activities o
	kill_runtime
	start_ready
	start once n "nap 1"
	expect_output n slept
}

a_deep_tree_goes_with_its_activity() {
	_begin
	_script deep <<-'EOS'
		mkdir -p 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16
		exit "$(cat)"
	EOS
	start report a "deep 0"
	expect 0 "$PAWL" -q wait a --timeout "${patience}s"
	expect_no_file "$hub/archive/a/work/2"
	start report b "deep 100"
	expect 0 "$PAWL" -q wait b --timeout "${patience}s"
	expect 0 "$PAWL" purge b
	expect_no_file "$hub/archive/b"
}

# ---- functions ----

a_function_that_crashes_counts_as_an_attempt_and_is_given_up() {
	local n
	new_hub
	case $(cat "$BUILD/flags") in *-fsanitize*) skip "the sanitizers have handlers of their own" ;; esac
	start_runtime
	wait_for "a hub" test -e "$hub/FORMAT"
	"$PAWL" -q start report --id r -i "fatal segv"
	for n in 1 2 3; do
		wait_for "the runtime to crash" _is_gone "$runtime"
		start_runtime
	done
	expect_output r "poison signal:11 retryable: it brought down the runtime with signal 11"
	kill -0 "$runtime" || fail "the runtime is gone"
	start once again "fatal 1"
	wait_for "the runtime to crash" _is_gone "$runtime"
	start_ready
	expect_output again "attempt 2"
	stop_runtime
}

a_function_that_never_returns_holds_up_nobody() {
	new_hub "workers: {threads_max: 1}" "activities: {deaf: {timeout: 200ms, grace: 200ms, stuck_max: 1}}"
	needs yaml
	start_ready
	start report r "deaf 600000"
	start chain c 3
	expect_output r "poison timeout retryable: has not returned: its limit is 200ms, and it did not end when asked to"
	expect_output c "3 steps"
	_says "does not return, and C code cannot be ended from outside: another thread takes its place" || fail "the log has no advice"
}

a_function_that_returns_when_told_has_timed_out() {
	new_hub "activities: {nap: {timeout: 200ms, stuck_max: 1}, beater: {heartbeat: 400ms}}"
	needs yaml
	start_ready
	start report r "nap 600000"
	expect_output r "timeout timeout retryable: took longer than its limit of 200ms, and returned when asked to"
	start once b "beater 20"
	expect_output b beaten
}

messages_reach_a_running_activity() {
	_begin
	_script hear <<-'EOS'
		n=1
		while :; do
			while [ ! -e messages/$n ]; do sleep 0.02; done
			printf '%s ' "$(cat messages/$n)"
			[ "$(cat messages/$n)" != end ] || exit 0
			n=$((n + 1))
		done
	EOS
	start talker c listener
	start talker p hear
	for word in one two end; do
		expect 0 "$PAWL" -q raise c say -d $word
		expect 0 "$PAWL" -q raise p say -d $word
		[ $word != one ] || { wait_events p ActivityMessageSent 1 && kill_runtime && start_ready; }
	done
	expect_output c "one two end "
	expect_output p "one two end "
}

# ---- a planned reboot ----

_with_boot() { # a program that believes in the boot id of $dir/boot
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	printf '#!/bin/sh\nE2E_BOOT="%s" LD_PRELOAD="%s" exec "%s" "$@"\n' "$dir/boot" "$e2e/bin/clock.so" "$types" >"$dir/bent"
	chmod +x "$dir/bent"
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	echo 11111111-1111-4111-8111-111111111111 >"$dir/boot"
	program=$dir/bent
}

an_activity_that_reboots_is_done_when_the_device_comes_back() {
	new_hub "reboot: {command: [touch, $dir/rebooting]}"
	needs yaml
	_with_boot
	start_ready
	start once o "rebooter slot b"
	wait_for "the reboot" test -e "$dir/rebooting"
	_has_events o ActivityRebooting 1 || fail "the reboot came before it was recorded"
	start once other "nap 1"
	kill_runtime
	start_ready # no reboot yet
	expect_eq "status without the reboot" Running "$(status_of o)"
	kill_runtime
	echo 22222222-2222-4222-8222-222222222222 >"$dir/boot"
	start_ready
	expect_output o "slot b"
	expect_output other slept
}

a_reboot_that_does_not_come_is_a_failure() {
	new_hub 'reboot: {timeout: 1s}' 'activities: {rebooter: {stuck_max: 1}}'
	needs yaml
	start_ready
	_reported r rebooter "slot b"
	expect_match "what is reported" "^timeout no-reboot retryable: the device has not rebooted" "$out"
	start once after "nap 1"
	expect_output after slept
}

run_tests
