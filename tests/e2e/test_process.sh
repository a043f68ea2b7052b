#!/usr/bin/env bash
# test_process.sh - activities that are programs: what they are given, how their end is read, and how they are ended.
. "$(dirname "$0")/lib.sh"

# The activity NAME is a shell script, read from standard input.
_script() { # NAME
	{ echo '#!/bin/sh' && cat; } >"$dir/activities/$1"
	chmod +x "$dir/activities/$1"
}

_begin() { # [LINE OF CONFIGURATION...]
	new_hub "$@"
	needs yaml
	start_ready
}

# What an orchestration is told of a failing activity.
_reported() { # ID ACTIVITY [INPUT]
	expect 0 "$PAWL" -q start report --id "$1" -i "$2${3:+ $3}" -w --timeout "${patience}s"
}

input_is_on_stdin_and_output_is_from_stdout() {
	_begin
	_script upper <<<'tr a-z A-Z'
	start once o "upper hello there"
	expect_output o "HELLO THERE"
	_script lines <<<'cat >/dev/null; printf "a\nb\n\n"'
	start once l "lines"
	expect 0 "$PAWL" wait l --timeout 20s
	"$PAWL" -q wait l >"$dir/result"
	expect_eq "output without its last line feed" "$(printf 'a\nb\n.')" "$(cat "$dir/result" && echo .)"
	_script bytes <<<'printf "a\\377\\000b"'
	start once b "bytes"
	expect 0 "$PAWL" -q wait b --timeout 20s
	expect_match "bytes in the history" '"\$base64":"Yf8AYg=="' "$("$PAWL" history b -o jsonl)"
}

large_inputs_and_outputs_go_through() {
	_begin
	_script count <<<'wc -c | tr -d " "'
	_script ignore <<<'echo "did not read it"'
	_script large <<<'head -c 1048576 /dev/zero | tr "\0" x'
	{ printf 'count ' && head -c 1000000 /dev/zero | tr '\0' y; } >"$dir/in"
	expect 0 "$PAWL" -q start once -i "@$dir/in" -w --timeout 20s
	expect_eq "bytes that came" 1000000 "$out"
	sed -i 's/^count/ignore/' "$dir/in"
	expect 0 "$PAWL" -q start once -i "@$dir/in" -w --timeout 20s
	expect_eq "output of one that does not read" "did not read it" "$out"
	"$PAWL" -q start once -i "large" -w --timeout 20s >"$dir/result"
	expect_eq "bytes that came back" 1048576 "$(wc -c <"$dir/result")"
}

the_exit_code_says_what_happened() {
	_begin
	_script code <<<'read -r code; echo "said on stderr" >&2; exit $code'
	_script silent <<<'exit 4'
	_script signal <<<'kill -9 $$'
	_reported r0 code 0
	expect_eq "exit 0" "output " "$out"
	_reported r3 code 3
	expect_eq "exit 3" "process exit:3 retryable: said on stderr" "$out"
	_reported r100 code 100
	expect_eq "exit 100" "process exit:100 final: said on stderr" "$out"
	_reported r4 silent
	expect_eq "exit 4 without a word" "process exit:4 retryable: ended with exit 4" "$out"
	_reported r9 signal
	expect_match "killed" "^process signal:9 retryable: " "$out"
}

exit_75_is_tried_later_and_costs_no_attempt() {
	_begin
	_script busy <<-EOS
		if [ ! -e '$dir/free' ]; then echo "the modem is busy" >&2; exit 75; fi
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	start once o busy
	wait_for "the log to say so" grep -q "activity 'busy' is deferred, .*the modem is busy" "$log"
	expect_eq "status" Running "$(status_of o)"
	touch "$dir/free"
	kill_runtime
	start_ready # looks at once
	expect_output o "attempt 1"
	expect_eq "failures in the history" 0 "$(("$(count_events o ActivityFailed)" + "$(count_events o ActivityRetrying)"))"
}

a_failed_attempt_is_tried_again_by_the_retry_policy() {
	_begin
	_script third <<<'[ "$PAWL_ATTEMPT" -ge 3 ] || exit 1; echo "attempt $PAWL_ATTEMPT"'
	_script never <<<'echo "attempt $PAWL_ATTEMPT" >&2; exit 1'
	_script hopeless <<<'echo "attempt $PAWL_ATTEMPT" >&2; exit 100'
	start thrice t third
	expect_output t "attempt 3"
	expect_eq "failures in the history" 2 "$(count_events t ActivityRetrying)"
	expect 3 "$PAWL" start thrice --id n -i never -w --timeout 20s
	expect_match "the last failure" "attempt 3" "$err"
	expect 3 "$PAWL" start thrice --id h -i hopeless -w --timeout 20s
	expect_match "the only failure" "attempt 1" "$err"
	expect 3 "$PAWL" start once --id o -i third -w --timeout 20s
}

the_configuration_says_how_to_retry_where_the_code_does_not() {
	_begin 'activities: {configured: {exec: ['"$dir/activities/late"'], retry: {max_attempts: 4, first: 20ms}}}'
	_script late <<<'[ "$PAWL_ATTEMPT" -ge "$(cat)" ] || exit 1; echo "attempt $PAWL_ATTEMPT"'
	start once a "configured 4"
	expect_output a "attempt 4"
	expect 3 "$PAWL" start once --id b -i "configured 5" -w --timeout 20s
	expect_eq "failures that were tried again" 3 "$(count_events b ActivityRetrying)"
	expect 3 "$PAWL" start thrice --id c -i "configured 4" -w --timeout 20s
	expect_eq "failures that were tried again by the code's policy" 2 "$(count_events c ActivityRetrying)"
	kill_runtime
	start_ready --replay-only
	start once d "configured 4"
	expect_output d "attempt 4"
}

_is_over() { # FILE: the process whose id is in it
	! kill -0 "$(cat "$1")"
}

one_that_takes_too_long_is_ended_with_all_that_it_started() {
	_begin "activities: {slow: {exec: [$dir/activities/slow], timeout: 500ms, grace: 300ms}}"
	_script slow <<-EOS
		trap '' TERM
		sleep 600 & echo \$! >'$dir/child.pid'
		sh -c 'trap "" TERM; while :; do sleep 600; done' & echo \$! >'$dir/grandchild.pid'
		echo \$\$ >'$dir/pid'
		wait; wait; wait
		while :; do sleep 600; done
	EOS
	_reported r slow
	expect_match "what is reported" "^timeout timeout retryable: took longer than its limit of 500ms and was (killed|ended)" "$out"
	wait_for "the program to be gone" _is_over "$dir/pid"
	wait_for "its child to be gone" _is_over "$dir/child.pid"
	wait_for "its child's child to be gone" _is_over "$dir/grandchild.pid"
}

one_that_heeds_term_may_clean_up() {
	_begin "activities: {slow: {exec: [$dir/activities/slow], timeout: 300ms, grace: 10s}}"
	_script slow <<-EOS
		trap 'echo cleaned >"$dir/cleaned"; kill \$child; exit 1' TERM
		sleep 600 & child=\$!
		wait
	EOS
	_reported r slow
	expect_match "what is reported" "^timeout timeout retryable: .* and was ended" "$out"
	expect_file "$dir/cleaned"
}

the_environment_says_what_it_is_for() {
	_begin "activities: {env: {exec: [$dir/activities/env-script, an argument], env: {TARGET: primary}}}"
	_script env-script <<-'EOS'
		echo "arguments $# $1"
		env | grep -E '^(PAWL_|TARGET|NOTIFY)' | grep -v ^PAWL_SHIM= | sort
		[ "$PWD" = "$PAWL_WORK" ] && echo "in its work directory"
	EOS
	start once o "env input"
	expect 0 "$PAWL" -q wait o --timeout 20s
	expect_eq "what it saw" "arguments 1 an argument
PAWL_ACTIVITY=env
PAWL_ATTEMPT=1
PAWL_CONFIG=$PAWL_CONFIG
PAWL_EXECUTION=1
PAWL_HUB=$hub
PAWL_INSTANCE=o
PAWL_KEY=o/1/2
PAWL_SEQ=2
PAWL_WORK=$hub/instances/o/work/2
TARGET=primary
in its work directory" "$out"
}

it_inherits_no_files_and_no_signal_masks() {
	_begin
	_script look <<<"ls /proc/self/fd; grep -E '^Sig(Blk|Ign):' /proc/self/status" # 3 is the directory that ls reads
	start once o look
	expect 0 "$PAWL" -q wait o --timeout 20s
	expect_match "files, blocked and ignored signals" '^0 1 2 3 SigBlk: 0+ SigIgn: 0+$' "$(echo $out)"
}

stderr_is_in_a_log_that_is_bounded() {
	local kept
	_begin 'process: {log_bytes_max: 4KiB}'
	_script talk <<-EOS
		echo "first words" >&2
		i=0; while [ \$i -lt 1000 ]; do echo "line \$i" >&2; i=\$((i + 1)); done
		touch '$dir/talked'
		while [ ! -e '$dir/go' ]; do sleep 0.05; done
		echo "last words" >&2
		exit 1
	EOS
	start report r talk
	wait_for "the program to talk" test -e "$dir/talked"
	wait_for "the log" grep -q "first words" "$hub/instances/r/work/2/log"
	sleep 0.1
	kept=$(wc -c <"$hub/instances/r/work/2/log")
	[ "$kept" -le 4096 ] || fail "expected a log of at most 4096 bytes, it has $kept"
	touch "$dir/go"
	expect_output r "process exit:1 retryable: last words"
}

an_output_over_the_limit_fails_for_good() {
	_begin 'process: {output_bytes_max: 1KiB}'
	_script flood <<<'yes'
	_reported r flood
	expect_match "what is reported" "^process output-too-large final: wrote more than 1024 bytes" "$out"
}

what_cannot_be_started_says_why() {
	_begin "activities: {gone: {exec: [$dir/nothing]}}"
	_reported r1 gone
	expect_match "a program that is not there" "^process spawn final: .*$dir/nothing.*[Nn]o such file" "$out"
	printf '#!/no/such/interpreter\n' >"$dir/activities/lost"
	chmod +x "$dir/activities/lost"
	_reported r2 lost
	expect_match "an interpreter that is not there" "interpreter" "$out"
	printf 'echo no first line\n' >"$dir/activities/bare"
	chmod +x "$dir/activities/bare"
	_reported r3 bare
	expect_match "a script without #!" "#!" "$out"
}

a_daemon_that_keeps_stdout_open_does_not_hold_it_up() {
	_begin
	_script daemon <<-EOS
		setsid sleep 600 & echo \$! >'$dir/daemon.pid'
		echo started
	EOS
	start once o daemon
	expect_output o started
	wait_for "the daemon's id" test -s "$dir/daemon.pid"
	kill "$(cat "$dir/daemon.pid")" 2>/dev/null || :
}

programs_run_beside_each_other_up_to_their_limit() {
	local n
	_begin 'workers: {processes_max: 3}'
	_script one <<-EOS
		echo + >>'$dir/at'; sleep 0.1; echo - >>'$dir/at'
	EOS
	for n in {1..9}; do
		echo one >"$hub/inbox/once@o$n.start"
	done
	for n in {1..9}; do
		wait_for "o$n to start" test -d "$hub/archive/o$n"
	done
	expect_eq "most at a time" 3 "$(awk '{ n += $1 == "+" ? 1 : -1; if (n > most) most = n } END { print most }' "$dir/at")"
}

terminate_ends_the_program() {
	_begin
	_script long <<-EOS
		echo \$\$ >'$dir/pid'
		exec sleep 600
	EOS
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	expect 0 "$PAWL" terminate o
	wait_for "the program to be gone" _is_over "$dir/pid"
}

a_stop_of_the_runtime_ends_the_program_and_the_next_start_runs_it_again() {
	_begin 'process: {grace: 2s, on_stop: end}'
	_script long <<-EOS
		echo run >>'$dir/runs-of-long'
		echo \$\$ >'$dir/pid'
		[ -e '$dir/go' ] || exec sleep 600
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	start once o long
	wait_for "the program to run" test -s "$dir/pid"
	stop_runtime
	_is_over "$dir/pid" || fail "expected the program to have ended with the runtime"
	expect_eq "status" Running "$(status_of o)"
	touch "$dir/go"
	start_ready
	expect_output o "attempt 1"
	expect_eq "runs" 2 "$(wc -l <"$dir/runs-of-long")"
}

long_activities_hold_up_nobody() {
	local n round
	_begin
	_script long <<<"echo \$\$ >>'$dir/orphans'; exec sleep 600"
	for n in 1 2 3; do
		start once "n$n" "nap 600000"
		start once "p$n" long
	done
	start timer t 100
	expect_output t slept
	for round in 1 2 3 4 5; do
		kill_runtime
		echo 20:1 >"$hub/inbox/chain@c$round.start"
		start_ready
		expect_output "c$round" "20 steps"
	done
	stop_runtime
}

# The activity ends the process that it runs in; asked while nothing runs, the termination comes before the next attempt.
an_instance_that_brings_down_the_runtime_can_be_terminated_while_it_is_down() {
	new_hub
	"$types" -H "$hub" -q run >/dev/null 2>&1 &
	wait_for "a hub" test -e "$hub/FORMAT"
	"$types" -H "$hub" -q start crasher --id bad >/dev/null 2>&1
	wait $! 2>/dev/null
	"$types" -H "$hub" -q run >/dev/null 2>&1
	expect_eq "how the runtime ends with it" 99 $?
	"$types" -H "$hub" -q terminate bad >/dev/null 2>&1
	start_ready
	wait_for "the end of bad" test -d "$hub/archive/bad"
	expect_eq "status of bad" Terminated "$(status_of bad)"
	stop_runtime
}

run_tests
