#!/usr/bin/env bash
# test_patterns.sh - the pattern book (docs/orchestrations.md): each pattern's example does what its README says, and goes on
# after kill -9 of the runtime. Fan-out, monitor and approval have most of their tests in test_examples.sh.
#
# PAWL_KILL_SEED repeats a series of moments (what the machine does in them is its own).
BUILD=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build/gcc} PAWL=${PAWL:-${BUILD:-}/pawl}
export BUILD PAWL
. "$(dirname "$0")/lib.sh"

examples=$(cd "$(dirname "$0")/../../examples" && pwd)
seed=${PAWL_KILL_SEED:-$((RANDOM * 32768 + RANDOM))}

_pattern() { # NAME [CONFIGURATION LINE...]
	program=$BUILD/examples/$1
	[ -x "$program" ] || fail "no program '$program': \`make examples\` builds it"
	shift
	new_hub "$@"
	start_ready
}

_kill_and_start() {
	kill_runtime
	start_ready
}

_expect_failure() { # ID REGEX
	expect 3 "$PAWL" wait "$1" --timeout "${patience}s"
	expect_match "why '$1' failed" "$2" "$err"
}

_expect_canceled() { # ID
	expect 6 "$PAWL" wait "$1" --timeout "${patience}s"
	expect_eq "status of '$1'" Canceled "$(status_of "$1")"
}

_expect_good_history() { # ID
	expect_eq "what is wrong with the history of '$1'" "" "$("$PAWL" history "$1" -o jsonl | check_history)"
}

_value() { # ID KEY
	"$PAWL" get "$1" "kv.$2" 2>/dev/null
}

_has_value() { # ID KEY VALUE
	[ "$(_value "$1" "$2")" = "$3" ]
}

_has_said() { # ID TEXT
	[[ $("$PAWL" get "$1" status 2>/dev/null) == *$2* ]]
}

_random_sleep() { # MILLISECONDS_MAX: a kill comes at any moment, so there is nothing to wait for
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# ---- the guide ----

the_code_of_the_guide_compiles() {
	local guide=$examples/../docs/orchestrations.md compiler name
	compiler=$(sed 's/ -std=.*//' "$BUILD/flags")
	{
		printf '#include <%s>\n' pawl/pawl.h stdlib.h string.h
		awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$guide"
	} >"$dir/guide.c"
	[ "$(grep -c '^PAWL_ORCHESTRATION' "$dir/guide.c")" -ge 10 ] || fail "the code was not found in $guide"
	# shellcheck disable=SC2086
	expect 0 $compiler -std=c11 -Wall -Wextra -Wshadow -Werror -fsyntax-only -I "$examples/../include" "$dir/guide.c"
	for name in chaining fanout async monitor approval saga eternal aggregator singleton window; do
		grep -q "(../examples/$name/README.md)" "$guide" || fail "the guide does not name examples/$name"
	done
}

# ---- all ----

_checked() { # NAME TYPE INPUT OUTPUT
	rm -rf "$dir/hub"
	_pattern "$1" 'engine: {replay_only: true, check_replay: true}'
	start "$2" x "$3"
	expect_output x "$4"
	stop_runtime
}

patterns_decide_the_same_without_stacks_and_at_a_replay_after_every_turn() {
	needs yaml
	mkdir -p "$dir/sensor" "$dir/up"
	echo 1638 >"$dir/sensor/raw"
	_checked chaining measurement "$dir/sensor 0" 26.0
	_checked fanout greetings '["a","b"]' '["Hello a!","Hello b!"]'
	_checked async job "3 0" '{"parts":3,"sum":14}'
	_checked window batch "20 3" '{"items":20,"bad":2,"sum":558}'
	_checked aggregator sensor "hall 1 2 3" 3
	_checked singleton ask "$dir/up one" asked
}

# Two rounds, an event that was kept, a failure, a cancel: what does not end by itself.
loops_and_ways_back_decide_the_same_without_stacks_and_at_a_replay_after_every_turn() {
	needs yaml
	local config='engine: {replay_only: true, check_replay: true}'
	mkdir -p "$dir/logs"
	_pattern eternal "$config"
	start keeper k "$dir/logs 1 3600"
	expect 0 "$PAWL" raise k now
	expect 0 "$PAWL" raise k keep -d 2
	wait_for "two rounds" _has_value k rounds 2
	expect 0 "$PAWL" raise k stop
	expect_output k 0
	stop_runtime
	rm -rf "$dir/hub"
	_settings "$config"
	start change c "$dir/net 3600"
	wait_for "it to wait" _has_said c "waits to be confirmed"
	expect 0 "$PAWL" -q cancel c
	_expect_canceled c
	_expect_settings old
	stop_runtime
}

_canceled_while_it_waits() { # NAME TYPE INPUT
	rm -rf "$dir/hub"
	_pattern "$1"
	start "$2" x "$3"
	wait_for "$1 to wait" _has_waits x
	expect 0 "$PAWL" -q cancel x
	_expect_canceled x
	stop_runtime
}

_has_waits() {
	"$PAWL" status "$1" | grep -q '^ *waits for  *\(event\|timer\|child\)'
}

examples_that_wait_are_canceled_when_they_are_told_so() {
	export APPROVAL_LOG=$dir/approval.log
	mkdir -p "$dir/sensor" "$dir/up" "$dir/logs"
	echo 1638 >"$dir/sensor/raw"
	_canceled_while_it_waits hello greet world
	_canceled_while_it_waits approval approval "3600 reboot"
	_canceled_while_it_waits monitor monitor "/proc/loadavg 10000 3600"
	_canceled_while_it_waits chaining measurement "$dir/sensor 3600"
	_canceled_while_it_waits eternal keeper "$dir/logs 1 3600"
	_canceled_while_it_waits singleton uploader "$dir/up"
	_canceled_while_it_waits window batch "100 3 60000"
}

# ---- chaining ----

_sensor() { # RAW
	_pattern chaining
	mkdir -p "$dir/sensor"
	echo "$1" >"$dir/sensor/raw"
}

_expect_switched() { # STATES
	expect_eq "what the supply was told" "$1" "$(paste -sd ' ' "$dir/sensor/power")"
}

chaining_hands_each_result_to_the_next_step() {
	_sensor 1638
	expect 0 "$program" start measurement -w -i "$dir/sensor 0"
	expect_eq "output" 26.0 "$out"
	_expect_switched "on off"
}

chaining_goes_on_after_kill_9_and_repeats_no_step() {
	_sensor 1638
	start measurement m "$dir/sensor 1"
	wait_events m TimerCreated 1
	_kill_and_start
	expect_output m 26.0
	_expect_switched "on off"
	expect_match "values" "^m/1/[0-9]+ 26.0$" "$(cat "$dir/sensor/values")"
	expect_eq "activities that completed" 5 "$(count_events m ActivityCompleted)"
	_expect_good_history m
}

chaining_tidies_up_after_a_failure() {
	_sensor 5000
	start measurement m "$dir/sensor 0"
	_expect_failure m "range: 5000 is not within 0 to 4095"
	_expect_switched "on off"
	expect_no_file "$dir/sensor/values"
}

chaining_tidies_up_when_it_is_canceled() {
	_sensor 1638
	start measurement m "$dir/sensor 3600"
	wait_events m TimerCreated 1
	expect 0 "$PAWL" -q cancel m
	_expect_canceled m
	_expect_switched "on off"
}

# ---- fan-out ----

fan_out_returns_greetings_in_the_order_of_the_names() {
	local n names='' all=''
	_pattern fanout
	for n in {1..300}; do
		names="$names,\"N$n\"" all="$all,\"Hello N$n!\""
	done
	start greetings g "[${names#,}]"
	_kill_and_start
	expect_output g "[${all#,}]"
	expect_eq "activities that completed" 300 "$(count_events g ActivityCompleted)"
}

# ---- async start and poll ----

_job() { # ARGUMENT...: of job.sh, as its README says
	PAWL=$program expect 0 "$examples/async/job.sh" "$@"
}

_is_polled() { # ID REGEX
	_job poll "$1"
	[[ $out =~ $2 ]]
}

async_work_is_started_at_once_and_polled_until_it_is_done() {
	_pattern async
	_job start "3 150" j1
	expect_eq "what start answers" j1 "$out"
	_job start "3 150" j1
	expect_eq "what a second start answers" j1 "$out"
	_job poll j1
	expect_match "first answer" '^(running|done)' "$out"
	_kill_and_start
	wait_for "it to be done" _is_polled j1 '^done \{"parts":3,"sum":14\}$'
	expect 0 "$PAWL" list -a -o name
	expect_eq "instances" j1 "$out"
	expect_eq "activities that completed" 3 "$(count_events j1 ActivityCompleted)"
}

async_work_says_how_far_it_is() {
	_pattern async
	_job start "2 60000" j1
	wait_for "its status" _is_polled j1 '^running \{"part":1,"of":2\}'
	expect 124 "$program" wait j1 --timeout 50ms
	_job cancel j1
	wait_for "it to be canceled" _is_polled j1 '^canceled$'
}

async_work_can_be_started_while_no_runtime_is_there() {
	_pattern async
	stop_runtime
	_job start "2 0" j1
	start_ready
	wait_for "it to be done" _is_polled j1 '^done \{"parts":2,"sum":5\}$'
}

async_polling_says_what_failed_and_what_is_not_there() {
	_pattern async
	_job start "no number" j1
	wait_for "it to be failed" _is_polled j1 '^failed .*is not PARTS MILLISECONDS'
	_job poll j9
	expect_eq "what is not there" gone "$out"
}

# ---- saga ----

_settings() { # [CONFIGURATION LINE...]
	local s
	_pattern saga "$@"
	mkdir -p "$dir/net"
	for s in address gateway dns; do
		echo old >"$dir/net/$s"
		echo new >"$dir/net/$s.new"
	done
}

_expect_settings() { # old or new
	local s
	for s in address gateway dns; do
		expect_eq "$s" "$1" "$(cat "$dir/net/$s")"
		expect_no_file "$dir/net/$s.old"
	done
}

_undone() {
	sed -n 's/^undone //p' "$dir/net/log" | paste -sd ' '
}

saga_keeps_what_is_confirmed() {
	_settings
	start change c "$dir/net 3600"
	wait_for "it to wait" _has_said c "waits to be confirmed"
	_kill_and_start
	echo anna >"$hub/instances/c/events/confirmed"
	expect_output c "confirmed by anna"
	_expect_settings new
	_expect_good_history c
}

saga_undoes_all_in_reverse_order_when_nobody_confirms() {
	_settings
	start change c "$dir/net 0.5"
	wait_events c TimerCreated 1
	_kill_and_start
	_expect_failure c "no event .confirmed. within 500 ms"
	_expect_settings old
	expect_eq "undone" "dns gateway address" "$(_undone)"
}

saga_undoes_the_steps_before_one_that_failed() {
	_settings
	rm "$dir/net/gateway.new"
	start change c "$dir/net 3600"
	_expect_failure c "missing: cannot read '$dir/net/gateway.new'"
	_expect_settings old
	expect_eq "undone" "gateway address" "$(_undone)"
}

saga_undoes_all_when_it_is_canceled() {
	_settings
	start change c "$dir/net 3600"
	wait_for "it to wait" _has_said c "waits to be confirmed"
	expect 0 "$PAWL" -q cancel c --reason "wrong site"
	_expect_canceled c
	_expect_settings old
	expect_eq "undone" "dns gateway address" "$(_undone)"
}

saga_leaves_all_or_nothing_when_the_runtime_is_killed_at_any_moment() {
	local n
	RANDOM=$((seed % 32768))
	echo "seed $seed"
	_settings
	rm "$dir/net/dns.new"
	stop_runtime
	start change c "$dir/net 3600"
	for n in {1..12}; do
		start_runtime
		_random_sleep 30
		kill_runtime
	done
	start_ready
	_expect_failure c "missing"
	_expect_settings old
	_expect_good_history c
}

# ---- eternal loop ----

_logs() { # COUNT KEEP
	local n
	_pattern eternal
	mkdir -p "$dir/logs"
	for ((n = 1; n <= $1; n++)); do
		touch "$dir/logs/$(printf '%04d' "$n").log"
	done
	start keeper k "$dir/logs $2 3600"
}

_names() {
	(cd "$dir/logs" && echo *)
}

eternal_loop_heeds_its_events_round_after_round() {
	_logs 7 5
	expect 0 "$PAWL" raise k now
	wait_for "two to be removed" _has_value k removed 2
	expect_eq "what is left" "0003.log 0004.log 0005.log 0006.log 0007.log" "$(_names)"
	expect 0 "$PAWL" raise k keep -d 3
	wait_for "four to be removed" _has_value k removed 4
	expect_eq "what is left" "0005.log 0006.log 0007.log" "$(_names)"
	expect 0 "$PAWL" raise k stop
	expect_output k 4
	expect_match "the newest execution" '"execution":3' "$("$PAWL" status k -o json)"
}

eternal_loop_looks_when_its_time_has_come() {
	_pattern eternal
	mkdir -p "$dir/logs"
	touch "$dir/logs/1" "$dir/logs/2"
	start keeper k "$dir/logs 1 0.2"
	wait_for "one to be removed" _has_value k removed 1
	_is_round() { [ "$(_value k rounds)" -ge "$1" ]; }
	wait_for "a third round" _is_round 3
}

eternal_loop_loses_no_event_when_the_runtime_is_killed_between_its_rounds() {
	local n
	RANDOM=$((seed % 32768))
	echo "seed $seed"
	_logs 3 3
	for n in {1..20}; do
		expect 0 "$PAWL" -q raise k now
		if [ $((n % 4)) -eq 0 ]; then
			_random_sleep 20
			kill_runtime
			start_runtime
		fi
	done
	wait_for "a round for each event" _has_value k rounds 20
	expect_match "status" '"execution":21' "$("$PAWL" status k -o json)"
	"$PAWL" history k --execution 20 -o jsonl >"$dir/history" || fail "execution 20 cannot be read"
	[ "$(wc -l <"$dir/history")" -lt 20 ] || fail "a round is longer than it should be: $(wc -l <"$dir/history") lines"
}

# ---- aggregator ----

_gauge() { # KEY
	_value "entity:gauge:$1" state
}

_is_gauge() { # KEY STATE
	[ "$(_gauge "$1")" = "$2" ]
}

aggregator_adds_up_what_many_send() {
	_pattern aggregator
	expect 0 "$program" start sensor -w -i "hall 17 21 19"
	expect 0 "$program" signal gauge hall add -d 23
	wait_for "the sums" _is_gauge hall "4 80 17 23"
	expect 0 "$program" start report -w -i hall
	expect_eq "report" '{"count":4,"sum":80,"min":17,"max":23}' "$out"
	expect 0 "$program" start report -w -i hall
	expect_eq "a second report" '{"count":0,"sum":0,"min":0,"max":0}' "$out"
}

aggregator_keeps_its_state_when_an_operation_fails() {
	_pattern aggregator
	expect 0 "$program" start sensor -w -i "hall 17 warm 19"
	wait_for "the two that are numbers" _is_gauge hall "2 36 17 19"
}

aggregator_counts_each_signal_once_when_the_runtime_is_killed_at_any_moment() {
	local n
	RANDOM=$((seed % 32768))
	echo "seed $seed"
	_pattern aggregator
	for n in {1..12}; do
		start sensor "s$n" "hall 1 2 3 4 5 6 7 8 9 10"
		[ $((n % 3)) -ne 0 ] || { _random_sleep 30 && kill_runtime && start_runtime; }
	done
	wait_for "all of them" _is_gauge hall "120 660 1 10"
	for n in {1..12}; do
		expect_output "s$n" 10
	done
}

aggregator_moves_a_sum_while_both_are_locked() {
	_pattern aggregator
	expect 0 "$program" start sensor -w -i "cellar 1 2 3"
	expect 0 "$program" start sensor -w -i "hall 10"
	start move m "cellar hall"
	_kill_and_start
	expect_output m "4 16 1 10"
	expect_eq "hall" "4 16 1 10" "$(_gauge hall)"
	expect 0 "$program" start sensor -w -i "cellar 5"
	wait_for "the cellar to begin anew" _is_gauge cellar "1 5 5 5"
}

# ---- singleton ----

_uploads() {
	_pattern singleton
	mkdir -p "$dir/up"
}

singleton_is_there_once_however_many_start_it() {
	local n
	_uploads
	for n in {1..8}; do
		"$program" -q start uploader --id uploader --if-exists use -i "$dir/up" >"$dir/start$n" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086
	wait ${pids#*"$runtime"}
	expect_eq "what they say" "uploader" "$(sort -u "$dir"/start?)"
	expect 0 "$PAWL" list -a -o name
	expect_eq "instances" uploader "$out"
	expect 5 "$program" start uploader --id uploader
	expect 5 "$program" start uploader --id uploader --if-exists replace
}

singleton_does_together_what_comes_while_it_is_busy_and_loses_none() {
	local n
	_uploads
	start uploader uploader "$dir/up"
	for n in {1..20}; do
		expect 0 "$PAWL" -q raise uploader request -d "file$n"
		[ $((n % 5)) -ne 0 ] || { kill_runtime && start_runtime; }
	done
	wait_for "20 requests" _has_value uploader requests 20
	[ "$(_value uploader uploads)" -le 20 ] || fail "more uploads than requests"
	# a repeated one has the key of the one before
	expect_eq "files in the order of their requests" "$(printf 'file%s\n' {1..20})" \
		"$(awk '{ line[$1] = $0; if (!($1 in at)) { at[$1] = ++n; key[n] = $1 } }
		END { for (i = 1; i <= n; i++) { $0 = line[key[i]]; for (f = 2; f <= NF; f++) print $f } }' "$dir/up/uploads")"
}

singleton_is_asked_by_other_instances() {
	local n
	_uploads
	for n in 1 2 3; do
		start ask "ask$n" "$dir/up file$n"
	done
	_kill_and_start
	for n in 1 2 3; do
		expect_output "ask$n" asked
	done
	wait_for "3 requests" _has_value uploader requests 3
	expect_match "uploads" "file1" "$(cat "$dir/up/uploads")"
}

singleton_that_ended_is_begun_anew_with_replace() {
	_uploads
	start uploader uploader "$dir/up"
	expect 0 "$PAWL" -q terminate uploader
	wait_status uploader Terminated
	expect 0 "$program" -q start uploader --id uploader --if-exists use -i "$dir/up"
	expect_eq "status with use" Terminated "$(status_of uploader)"
	expect 0 "$program" -q start uploader --id uploader --if-exists replace -i "$dir/up"
	wait_status uploader Running
	expect 0 "$PAWL" -q raise uploader request -d again
	wait_for "a request" _has_value uploader requests 1
}

# ---- window of children ----

# The most that were open at any line of the parent's history.
_most_open() { # ID
	"$PAWL" history "$1" -o jsonl | awk '
	/"type":"ChildScheduled"/ { if (++open > most) most = open }
	/"type":"Child(Completed|Failed)"/ { open-- }
	END { print most + 0 }'
}

window_has_no_more_children_than_it_may_and_all_in_the_end() {
	_pattern window
	start batch b "100 4"
	expect_output b '{"items":100,"bad":10,"sum":13590}'
	expect_eq "most at a time" 4 "$(_most_open b)"
	expect_eq "children that were begun" 100 "$(count_events b ChildScheduled)"
	expect_eq "children that completed" 90 "$("$PAWL" list -a -t item -s completed -o name | grep -c .)"
	_expect_good_history b
}

window_begins_no_child_twice_when_the_runtime_is_killed_at_any_moment() {
	local n
	RANDOM=$((seed % 32768))
	echo "seed $seed"
	_pattern window
	start batch b "60 5 20"
	for n in {1..6}; do
		_random_sleep 100
		kill_runtime
		start_runtime
	done
	wait_for "the runtime to be ready" _is_ready_or_gone
	expect_output b '{"items":60,"bad":6,"sum":4914}'
	expect_eq "most at a time" 5 "$(_most_open b)"
	expect_eq "instances" 61 "$("$PAWL" list -a -o name | grep -c .)"
	_expect_good_history b
}

window_of_children_is_canceled_with_its_parent() {
	local id
	_pattern window
	start batch b "20 3 60000"
	wait_events b ChildScheduled 3
	kill_runtime
	start_ready
	expect 0 "$PAWL" -q cancel b
	_expect_canceled b
	for id in $("$PAWL" list -a -t item -o name); do
		wait_status "$id" Canceled
	done
	expect_eq "children" 3 "$("$PAWL" list -a -t item -o name | grep -c .)"
}

run_tests
