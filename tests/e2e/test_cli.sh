#!/usr/bin/env bash
# test_cli.sh - the command line as a person and as a script use it: verbs, exit codes, output, and the runtime as a program.
. "$(dirname "$0")/lib.sh"

_running() { # [LINE OF CONFIGURATION...]
	new_hub "$@"
	start_ready
}

# ---- usage ----

help_and_version_need_no_hub() {
	local verb
	new_hub
	expect 0 "$PAWL" help
	expect_match "help" "usage: pawl .*exit codes:.*124" "$out"
	expect 0 "$PAWL" --help
	expect 0 "$PAWL" --version
	expect_match "version" '^pawl [0-9]+\.[0-9]+\.[0-9]+' "$out"
	expect 0 "$PAWL" version -o json
	expect_json "version -o json" "$out"
	for verb in $("$PAWL" help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		expect 0 "$PAWL" "$verb" --help
		expect_match "help of $verb" "usage: pawl $verb" "$out"
		expect 0 "$PAWL" help "$verb"
	done
	expect 0 "$PAWL" help config
	expect_match "help config" "activities.NAME.exec" "$out"
	expect_no_file "$hub"
}

mistakes_are_exit_code_2_and_say_what_to_do() {
	new_hub
	expect 2 "$PAWL"
	expect_match "no verb" "pawl help" "$err"
	expect 2 "$PAWL" strat
	expect_match "a verb that is none" "did you mean 'start'" "$err"
	expect 2 "$PAWL" start
	expect_match "no type" "start TYPE" "$err"
	expect 2 "$PAWL" start chain --inptu 3
	expect_match "an option that is none" "did you mean '--input'" "$err"
	expect 2 "$PAWL" start chain --id
	expect_match "an option without its value" "--id=ID" "$err"
	expect 2 "$PAWL" start chain --timeout 3s
	expect_match "an option that needs another" "--wait" "$err"
	expect 2 "$PAWL" wait w --timeout soon
	expect_match "a duration that is none" "30s" "$err"
	expect 2 "$PAWL" list -o xml
	expect_match "a format that is none" "jsonl" "$err"
	expect 2 "$PAWL" list -s Runing
	expect_match "a status that is none" "Running" "$err"
	expect 2 "$PAWL" list -n none
	expect 2 "$PAWL" status a b
	expect 2 "$PAWL" raise w 'bad name'
	expect 2 "$PAWL" start 'bad/../type name'
	expect_match "the last line" "try .pawl start --help" "$err"
	expect_eq "standard output" "" "$out"
}

a_hub_that_is_not_there_is_exit_code_4_and_is_not_made() {
	local verb
	new_hub
	for verb in list "status w" "history w" "wait w" "watch w" "raise w go" "suspend w" "resume w" "terminate w" "purge w" "start chain"; do
		# shellcheck disable=SC2086
		expect 4 "$PAWL" $verb
		expect_match "$verb" "there is no hub '$hub' \(.pawl run" "$err"
	done
	expect_no_file "$hub"
}

an_instance_that_is_not_there_is_exit_code_4() {
	local verb
	_running
	for verb in "status w" "history w" "wait w" "watch w" "raise w go" "suspend w" "resume w" "terminate w" "purge w"; do
		# shellcheck disable=SC2086
		expect 4 "$PAWL" $verb
		expect_match "$verb" "no instance 'w'" "$err"
	done
}

a_mistake_in_the_configuration_is_told_with_its_place() {
	new_hub
	needs yaml
	printf 'drops:\n  rescann: 3s\n' >"$PAWL_CONFIG"
	expect 1 "$program" run
	expect_match "the error" "pawl.yaml:2:.*rescann" "$err"
	expect_no_file "$hub"
}

# ---- starting and ends ----

start_says_the_id_and_wait_says_the_end() {
	_running
	expect 0 "$PAWL" start chain --id a -i 3
	expect_eq "what start says" a "$out"
	expect 0 "$PAWL" wait a --timeout 20s
	expect_eq "what wait says" "3 steps" "$out"
	expect 0 "$PAWL" start chain -i 3 -w --timeout 20s
	expect_eq "what start -w says" "3 steps" "$out"
	expect_match "what it notes" "started 'chain-[0-9a-f]{8}'" "$err"
	expect 0 "$PAWL" start chain -i 2 -f --timeout 20s
	expect_match "what start -f says" "Completed" "$out"
	echo 4 >"$dir/input"
	expect 0 "$PAWL" start chain -i "@$dir/input" -w --timeout 20s
	expect_eq "input from a file" "4 steps" "$out"
	expect 0 bash -c 'echo 5 | "$1" start chain -i - -w --timeout 20s' - "$PAWL"
	expect_eq "input from standard input" "5 steps" "$out"
	expect 1 "$PAWL" start chain -i "@$dir/nothing"
	expect_match "a file that is not there" "$dir/nothing.: [Nn]o such file" "$err"
}

the_exit_code_of_wait_says_how_it_ended() {
	_running
	expect 3 "$PAWL" start broken --id bad -i "out of luck" -w --timeout 20s
	expect_match "what it says" "Failed.*out of luck" "$err"
	expect 3 "$PAWL" wait bad
	start patient t ""
	expect 0 "$PAWL" terminate t
	expect 6 "$PAWL" wait t
	start echo ok ""
	expect 0 "$PAWL" wait ok --timeout 20s
	expect 3 "$PAWL" wait ok bad t --timeout 20s
	expect_eq "a line for each" "ok Completed bad Failed t Terminated" "$(tr '\n' ' ' <<<"$out" | sed 's/ $//')"
	start patient p ""
	expect 75 "$PAWL" wait p --test
	expect 124 "$PAWL" wait p --timeout 200ms
	expect_match "what it says" "'p' has not ended in time" "$err"
	expect 124 "$PAWL" start patient -w --timeout 200ms
	expect 124 "$PAWL" watch p --timeout 200ms
	expect 0 "$PAWL" wait p ok --any --timeout 20s
	expect_eq "status after all that" Running "$(status_of p)"
}

wait_ends_when_the_instance_does() {
	_running
	start patient p ""
	"$PAWL" wait p --timeout 20s >"$dir/waited" 2>&1 &
	local waiting=$!
	sleep 0.2
	expect 0 "$PAWL" raise p go -d "it went"
	wait_for "wait to end" _is_gone $waiting
	wait $waiting || fail "expected wait to end with 0, got $?"
	expect_eq "what wait said" "it went" "$(cat "$dir/waited")"
}

an_id_is_taken_once_by_whoever_is_first() {
	local round first second
	_running
	for round in {1..20}; do
		"$PAWL" -q start waiter --id "r$round" -i "a first" >"$dir/1" 2>&1 &
		first=$!
		"$PAWL" -q start waiter --id "r$round" -i "b second" >"$dir/2" 2>&1
		second=$?
		wait $first
		first=$?
		case "$first $second" in
		"0 5" | "5 0") ;;
		*) fail "expected exit codes 0 and 5 in round $round, got $first and $second: $(cat "$dir/1" "$dir/2")" ;;
		esac
		cat "$dir/1" "$dir/2" | grep -q "instance 'r$round' exists already" || fail "round $round: the loser was told: $(cat "$dir/1" "$dir/2")"
		wait_status "r$round" Running
		[ "$first" -ne 0 ] || expect_match "who runs in round $round" '"input":"a first"' "$("$PAWL" history "r$round" -o jsonl)"
		[ "$second" -ne 0 ] || expect_match "who runs in round $round" '"input":"b second"' "$("$PAWL" history "r$round" -o jsonl)"
	done
	stop_runtime
	expect 5 "$PAWL" start waiter --id r1 -i "c"
	start_ready
	expect_eq "instances" 20 "$("$PAWL" list -o name | wc -l)"
}

an_id_is_taken_by_an_instance_that_has_ended_until_it_is_purged() {
	_running
	start echo e 1
	expect_output e 1
	expect 5 "$PAWL" start echo --id e -i 2
	expect_match "what it says" "has ended; purge it" "$err"
	expect 0 "$PAWL" purge e
	expect 4 "$PAWL" status e
	start echo e 2
	expect_output e 2
	stop_runtime
	expect 0 "$PAWL" purge e
	expect 0 "$PAWL" start echo --id e -i 3
	start_ready
	expect_output e 3
}

ids_that_are_no_ids_are_refused_and_nothing_outside_the_hub_is_touched() {
	local id long verb
	_running
	mkdir "$dir/outside"
	echo precious >"$dir/outside/1.history"
	touch "$dir/mark"
	sleep 0.02
	long=$(printf 'x%.0s' {1..129})
	for id in ../../outside .. . ../outside/1.history /etc/passwd '' "$long" $'line\nfeed' .hidden -o 'a b' 'a/b' $'a\001b' 'a*' 'ä' '@x' 'a.b'; do
		for verb in status history wait watch suspend resume terminate purge; do
			expect 2 "$PAWL" $verb -- "$id"
		done
		expect 2 "$PAWL" raise -- "$id" go
		expect 2 "$PAWL" start chain --id="$id"
		expect_match "what start says of '$id'" "is no instance id" "$err"
	done
	expect 0 "$PAWL" -q start echo --id "${long:1}" -i x
	expect_output "${long:1}" x
	echo 1 >"$hub/inbox/..outside.go"
	echo 1 >"$hub/inbox/chain@..start"
	sleep 0.2
	expect_eq "what changed outside the hub" "" "$(find "$dir" -newer "$dir/mark" ! -path "$hub*" ! -name '.out' ! -name '.err' ! -name log ! -name .output ! -path "$dir")"
	expect_eq "a file outside" precious "$(cat "$dir/outside/1.history")"
	expect_eq "instances" "${long:1}" "$("$PAWL" list -a -o name)"
}

payloads_up_to_the_limit_are_taken_and_given_back_as_they_were() {
	local size
	_running
	for size in 32768 32769 1048576; do
		head -c $size /dev/urandom | base64 -w 0 | head -c $size >"$dir/in"
		expect 0 "$PAWL" -q start echo --id "e$size" -i "@$dir/in"
		"$PAWL" -q wait "e$size" --timeout 20s >"$dir/result"
		cmp -s "$dir/in" "$dir/result" || fail "an input of $size bytes did not come back as it was"
		expect 0 "$PAWL" -q start collector --id "w$size" -i "go 1"
		expect 0 "$PAWL" -q raise "w$size" go -d "@$dir/in"
		"$PAWL" -q wait "w$size" --timeout 20s >"$dir/result"
		cmp -s "$dir/in" "$dir/result" || fail "an event of $size bytes did not arrive as it was"
	done
	printf 'x' >>"$dir/in"
	expect 1 "$PAWL" start echo -i "@$dir/in"
	expect_match "what it says" "over the limit of 1048576 bytes.*name of a file" "$err"
	start patient p ""
	expect 1 "$PAWL" raise p go -d - <"$dir/in"
	expect 3 "$PAWL" start once -i "big 1048577" -w --timeout 20s
	expect_match "an output over the limit" "output has 1048577 bytes, the limit is 1048576" "$err"
	"$PAWL" -q start once -i "big 1048576" -w --timeout 20s >"$dir/result"
	expect_eq "bytes of an output at the limit" 1048576 "$(wc -c <"$dir/result")"
}

# ---- output ----

every_format_says_the_same() {
	local format
	_running
	start chain a 2
	expect_output a "2 steps"
	start patient p "waiting for a word"
	wait_events p EventSubscribed 2
	expect 0 "$PAWL" list -a
	expect_match "list" "ID +TYPE +STATUS .*p +patient +Running.*a +chain +Completed" "$out"
	expect 0 "$PAWL" list -a -o name
	expect_eq "list -o name" "p a" "$(echo $out)"
	expect 0 "$PAWL" list -a -o json
	expect_json "list -o json" "$out"
	expect_match "list -o json" '^\[.*"id":"p".*"status":"Running".*"id":"a".*"status":"Completed".*\]$' "$out"
	expect 0 "$PAWL" list -a -o jsonl
	expect_eq "lines of list -o jsonl" 2 "$(wc -l <<<"$out")"
	while read -r line; do expect_json "a line of list -o jsonl" "$line"; done <<<"$out"
	expect 0 "$PAWL" list -a -o yaml
	expect_match "list -o yaml" "- v: 1.*  id: p.*  status: Running" "$out"
	expect 0 "$PAWL" list -s Failed -o json
	expect_eq "an empty list" "[]" "$out"
	for format in json jsonl yaml; do
		expect 0 "$PAWL" status p -o $format
		expect_match "status -o $format" 'waiting for a word' "$out"
		expect_match "status -o $format" '24h|timer' "$out"
	done
	expect 0 "$PAWL" status p -o json
	expect_json "status -o json" "$out"
	expect 0 "$PAWL" status a
	expect_match "status" "output +2 steps" "$out"
	expect 0 "$PAWL" history a -o json
	expect_json "history -o json" "$out"
	expect 0 "$PAWL" history a -o jsonl
	expect_eq "history -o jsonl" "$(cut -f1 "$hub/archive/a/1.history")" "$out"
	expect 0 "$PAWL" history a --from 5
	expect_match "history --from" "ActivityCompleted" "$out"
	expect_no_match "history --from" "ExecutionStarted" "$out"
	expect 0 "$PAWL" types -o json
	expect_json "types -o json" "$out"
	expect 0 "$PAWL" suspend p -o json
	expect_json "suspend -o json" "$out"
}

texts_of_others_do_not_get_to_the_terminal_as_they_are() {
	_running
	start patient p $'\033[2J\033]0;title\007evil\r'
	wait_events p EventSubscribed 2
	for verb in "status p" "history p" "list" "list --color always"; do
		# shellcheck disable=SC2086
		expect 0 "$PAWL" $verb
		expect_no_match "$verb" $'\033\\[2J|\033\\]|\007|\r' "$out"
	done
	expect 0 "$PAWL" status p -o json
	expect_json "status -o json" "$out"
	expect_no_match "status -o json" $'\033' "$out"
}

list_filters() {
	_running
	start echo e1 1
	start patient p1 ""
	start waiter w1 "a"
	start broken b1 "no"
	wait_status b1 Failed
	expect_output e1 1
	expect_eq "list" "p1 w1" "$(echo $("$PAWL" list -o name))"
	expect_eq "list -t" "p1" "$(echo $("$PAWL" list -t patient -o name))"
	expect_eq "list -s" "b1" "$(echo $("$PAWL" list -s failed -o name))"
	expect_eq "list -s of two" "b1 e1" "$(echo $("$PAWL" list -s Failed,Completed -o name))"
	expect_eq "list -n" "p1" "$(echo $("$PAWL" list -n 1 -o name))"
	expect_eq "list --since" "p1 w1" "$(echo $("$PAWL" list --since 1h -o name))"
	expect_eq "list -a" "p1 w1 b1 e1" "$(echo $("$PAWL" list -a -o name))"
}

watch_and_history_follow_until_the_end() {
	_running
	start patient p ""
	timeout 20 "$PAWL" watch p >"$dir/watched" 2>&1 &
	local watching=$!
	timeout 20 "$PAWL" history p -f >"$dir/followed" 2>&1 &
	local following=$!
	wait_for "watch to say something" test -s "$dir/watched"
	wait_for "history to say something" grep -q EventSubscribed "$dir/followed"
	expect 0 "$PAWL" raise p go -d done
	wait_for "watch to end" _is_gone $watching
	wait_for "history -f to end" _is_gone $following
	wait $watching || fail "expected watch to end with 0, got $?"
	wait $following || fail "expected history -f to end with 0, got $?"
	expect_match "what watch said" "Running.*Completed" "$(cat "$dir/watched")"
	expect_match "what history -f said" "ExecutionCompleted" "$(cat "$dir/followed")"
}

# ---- without a runtime ----

reading_verbs_work_without_a_runtime_and_after_a_kill_and_write_nothing() {
	local before
	_running
	start chain a 40
	start patient p "here"
	expect_output a "40 steps"
	wait_events p EventSubscribed 2
	kill_runtime
	before=$(cd "$hub" && find . -type f -exec cksum {} + | sort)
	expect_eq "status of a" Completed "$(status_of a)"
	expect 0 "$PAWL" wait a
	expect_eq "output of a" "40 steps" "$out"
	expect_eq "status of p" Running "$(status_of p)"
	expect 0 "$PAWL" status p
	expect_match "status" "says +here.*runtime +none \(start one with .pawl run" "$out"
	expect_eq "activities in the history" 40 "$(count_events a ActivityCompleted)"
	expect_eq "list" "p a" "$(echo $("$PAWL" list -a -o name))"
	expect 75 "$PAWL" wait p -t
	expect 124 "$PAWL" wait p --timeout 100ms
	expect_eq "the hub's files after reading" "$before" "$(cd "$hub" && find . -type f -exec cksum {} + | sort)"
	start_ready
	stop_runtime
	expect_eq "status of p after a clean stop" Running "$(status_of p)"
}

what_is_asked_without_a_runtime_is_done_by_the_next_one() {
	_running
	start patient p ""
	start patient s ""
	stop_runtime
	expect 0 "$PAWL" start echo --id e -i hello
	expect_match "what start says" "queued: no runtime" "$err"
	expect 0 "$PAWL" raise p go -d 1
	expect_match "what raise says" "queued: no runtime" "$err"
	expect 0 "$PAWL" suspend s --reason tea
	expect_match "what suspend says" "asked to suspend; no runtime" "$out"
	expect_eq "status before" Pending "$(status_of e)"
	start_ready
	expect_output e hello
	expect_output p 1
	wait_status s Suspended
}

# ---- control ----

a_suspended_instance_keeps_its_events_and_goes_on_when_resumed() {
	_running
	start waiter w "a b"
	expect 0 "$PAWL" suspend w --reason "hands off"
	expect_eq "what suspend says" "w: suspended" "$out"
	expect_eq "status" Suspended "$(status_of w)"
	expect 0 "$PAWL" status w
	expect_match "the reason" "hands off" "$out"
	expect 5 "$PAWL" suspend w
	expect_match "suspend again" "is suspended already" "$err"
	expect 0 "$PAWL" raise w a -d 1
	echo 2 >"$hub/instances/w/events/b"
	sleep 0.3
	expect_eq "status" Suspended "$(status_of w)"
	kill_runtime
	start_ready
	expect_eq "status after a kill" Suspended "$(status_of w)"
	expect 0 "$PAWL" resume w
	expect_output w "a=1 b=2"
	expect 5 "$PAWL" resume w
	expect_match "resume of what has ended" "has ended" "$err"
}

a_terminated_instance_ends_at_once_and_its_activities_are_stopped() {
	_running
	start once n "nap 60000"
	wait_events n ActivityScheduled 1
	expect 0 "$PAWL" terminate n --reason "enough"
	expect_eq "status" Terminated "$(status_of n)"
	expect 6 "$PAWL" wait n
	expect_match "the reason" "enough" "$err"
	expect 5 "$PAWL" terminate n
	expect 5 "$PAWL" raise n go
	local begin=$SECONDS
	stop_runtime
	[ $((SECONDS - begin)) -le 4 ] || fail "expected no activity to be left running, stopping took $((SECONDS - begin)) s"
}

verbs_that_act_on_many_ask_first() {
	_running
	start patient p1 ""
	start patient p2 ""
	start waiter w1 "a"
	expect 2 "$PAWL" suspend -t patient
	expect_match "what it says" "2 instances match: --yes does it, --dry-run shows them" "$err"
	expect 0 "$PAWL" suspend -t patient --dry-run
	expect_eq "what --dry-run says" "p1: would be suspended p2: would be suspended" "$(echo $out)"
	expect_eq "status after --dry-run" Running "$(status_of p1)"
	expect 0 "$PAWL" suspend -t patient --yes
	expect_eq "suspended" "p1 p2" "$(echo $("$PAWL" list -s Suspended -o name))"
	expect 0 "$PAWL" terminate -s Suspended,Running -y
	expect_eq "terminated" "p1 p2 w1" "$(echo $("$PAWL" list -s Terminated -o name))"
	expect 2 "$PAWL" purge
	expect_match "purge of nothing" "needs ids or a filter" "$err"
	expect 0 "$PAWL" purge -t patient
	expect_eq "after the purge" "w1" "$(echo $("$PAWL" list -a -o name))"
	expect 0 "$PAWL" purge --older-than 1h
	expect_eq "after a purge of old ones" "w1" "$(echo $("$PAWL" list -a -o name))"
}

# The end is seen in the history a moment before the instance is in the archive.
what_was_seen_to_end_can_be_purged_at_once() {
	_running
	for n in $(seq 25); do
		expect 0 "$PAWL" start echo --id q -i "$n" -w
		expect 0 "$PAWL" purge q
	done
}

an_instance_that_runs_cannot_be_purged() {
	_running
	start patient p ""
	expect 5 "$PAWL" purge p
	expect_match "what it says" "has not ended: terminate it first" "$err"
	stop_runtime
	expect 5 "$PAWL" purge p
	expect_eq "status" Running "$(status_of p)"
}

# ---- the runtime as a program ----

one_hub_has_one_runtime() {
	local second
	_running
	expect 75 "$program" run $volatile
	expect_match "what the second one says" "(busy|in use|runs|running|another)" "$err"
	expect_match "what it says of the first" "$runtime" "$err"
	start echo e 1
	expect_output e 1
	kill_runtime
	start_ready # a lock does not outlive its holder
	stop_runtime
}

term_stops_the_runtime_soon_and_running_activities_run_again_next_time() {
	new_hub 'process: {grace: 1s}'
	needs yaml
	start_ready
	start once n "nap 60000"
	start once d "deaf 60000"
	start chain c 100:20
	wait_events c ActivityCompleted 3
	local begin=$SECONDS
	kill -TERM "$runtime"
	wait_for "the runtime to stop" _is_gone "$runtime"
	wait "$runtime"
	expect_eq "exit code" 0 $?
	[ $((SECONDS - begin)) -le 5 ] || fail "expected the runtime to stop within 5 s, it took $((SECONDS - begin)) s"
	expect_match "its log" "stopping" "$(cat "$log")"
	expect_eq "status of what ran" "Running Running Running" "$(status_of n) $(status_of d) $(status_of c)"
	start_ready
	expect_output c "100 steps"
	expect_eq "failures of what was stopped" 0 "$(count_events n ActivityFailed)"
	kill_runtime
}

a_second_term_stops_at_once() {
	new_hub 'process: {grace: 60s}'
	needs yaml
	start_ready
	start once d "deaf 60000"
	wait_events d ActivityScheduled 1
	sleep 0.1
	kill -TERM "$runtime"
	wait_for "the runtime to say that it stops" grep -q stopping "$log"
	kill -TERM "$runtime"
	wait_for "the runtime to stop" _is_gone "$runtime"
	wait "$runtime"
	expect_eq "exit code" 143 $?
	start_ready
	expect_eq "status" Running "$(status_of d)"
	kill_runtime
}

a_hub_on_a_volatile_file_system_is_refused_unless_it_is_wanted() {
	new_hub
	[ -w /dev/shm ] && [ "$(stat -f -c %T /dev/shm)" = tmpfs ] || skip "there is no tmpfs at /dev/shm"
	export PAWL_HUB
	PAWL_HUB=$(mktemp -d /dev/shm/pawl-e2e.XXXXXX)/hub
	expect 1 "$program" run
	expect_match "what it says" "--allow-volatile|allow_volatile" "$err"
	volatile=--allow-volatile
	start_ready
	start echo e 1
	try "$PAWL" -q wait e --timeout 20s
	stop_runtime
	rm -rf "${PAWL_HUB%/hub}"
	expect_eq "output" 1 "$out"
}

a_hub_that_is_read_only_can_be_read() {
	_running
	start echo e 1
	start patient p ""
	expect_output e 1
	stop_runtime
	mkdir "$dir/mount"
	mount --bind "$hub" "$dir/mount" 2>/dev/null || skip "needs mount --bind"
	mounts=$dir/mount
	mount -o remount,bind,ro "$dir/mount" || skip "needs mount -o remount,ro"
	export PAWL_HUB=$dir/mount
	expect 0 "$PAWL" list -a -o name
	expect_eq "list" "p e" "$(echo $out)"
	expect_eq "status" Running "$(status_of p)"
	expect 1 "$PAWL" raise p go
	expect_match "raise" "[Rr]ead-only" "$err"
	expect 1 "$PAWL" start echo
	expect_match "start" "[Rr]ead-only" "$err"
	expect 1 "$program" run
	expect_match "run" "[Rr]ead-only" "$err"
	umount "$dir/mount"
}

_fill() { # FILE: until nothing goes in any more
	dd if=/dev/zero of="$1" bs=64k 2>/dev/null
	dd if=/dev/zero bs=512 2>/dev/null >>"$1"
	! (printf '%4096s' x >>"$1") 2>/dev/null || fail "expected the file system to be full"
}

a_full_hub_stalls_and_fails_nobody() {
	local n
	new_hub 'journal: {segment_bytes: 64KiB, segments: 2}'
	needs yaml
	mkdir "$dir/mount"
	mount -t tmpfs -o size=4m none "$dir/mount" 2>/dev/null || skip "needs mount -t tmpfs"
	mounts=$dir/mount
	export PAWL_HUB=$dir/mount/hub
	hub=$PAWL_HUB volatile=--allow-volatile
	start_ready
	for n in 1 2 3 4; do
		start chain "c$n" 400:1
	done
	start patient p ""
	wait_events c1 ActivityCompleted 5
	_fill "$dir/mount/filler"
	try "$PAWL" raise p go -d "$(printf '%60000s' x)"
	[ "$code" -ne 0 ] || fail "expected raise to fail on a full disk"
	expect_match "what raise says" "[Nn]o space" "$err"
	wait_for "the runtime to say so" grep -qi "no space" "$log"
	sleep 0.5
	kill -0 "$runtime" || fail "the runtime ended: $(tail -n 3 "$log")"
	for n in 1 2 3 4; do
		expect_match "status of c$n" "^(Running|Completed)$" "$(status_of c$n)"
	done
	rm "$dir/mount/filler"
	for n in 1 2 3 4; do
		expect_output "c$n" "400 steps"
	done
	expect 0 "$PAWL" raise p go -d "after all"
	expect_output p "after all"
	for n in 1 2 3 4; do
		expect_eq "what is wrong with the history of c$n" "" "$("$PAWL" history c$n -o jsonl | check_history)"
	done
	stop_runtime
}

a_damaged_history_is_exit_code_7_and_the_others_run() {
	new_hub 'journal: {segment_bytes: 64KiB}'
	needs yaml
	start_ready
	start patient p ""
	start patient q ""
	start chain c 1500 # so that the journal has come round and does not know p any more
	expect_output c "1500 steps"
	stop_runtime
	printf 'X' | dd of="$hub/instances/p/1.history" bs=1 seek=20 conv=notrunc status=none
	expect 7 "$PAWL" wait p
	expect 7 "$PAWL" history p
	start_ready
	expect 0 "$PAWL" status p
	expect_match "status" "Damaged.*to do" "$out"
	expect 7 "$PAWL" wait p -t
	expect 0 "$PAWL" raise q go -d fine
	expect_output q fine
}

# ---- code ----

plugins_of_the_plugin_directory_are_loaded() {
	new_hub
	needs yaml
	needs plugins
	program=$PAWL
	cp "$e2e/bin/types.so" "$dir/plugins/"
	expect 0 "$PAWL" types
	expect_match "types" "orchestration +chain +1.0.0 +types.so.*activity +step +- +types.so" "$out"
	start_ready
	start chain c 3
	expect_output c "3 steps"
	echo "no plugin" >"$dir/plugins/wrong.so"
	expect 0 "$PAWL" types
	expect_match "a plugin that is none" "cannot load plugin '$dir/plugins/wrong.so'" "$err"
	stop_runtime
	start_ready
	start chain d 3
	expect_output d "3 steps"
}

executables_of_the_activity_directory_are_activities() {
	new_hub
	needs yaml
	printf '#!/bin/sh\nread -r line; echo "$line, said $PAWL_ACTIVITY"\n' >"$dir/activities/parrot"
	chmod +x "$dir/activities/parrot"
	echo "not executable" >"$dir/activities/notes"
	expect 0 "$PAWL" types
	expect_match "types" "activity +parrot" "$out"
	expect_no_match "types" "notes" "$out"
	start_ready
	start once o "parrot hello"
	expect_output o "hello, said parrot"
}

an_activity_that_is_not_there_is_waited_for() {
	new_hub
	needs yaml
	start_ready
	start once o "parrot hello"
	wait_events o ActivityScheduled 1
	wait_for "the log to say so" grep -q "waits for activity 'parrot', which is not registered" "$log"
	expect_eq "status" Running "$(status_of o)"
	printf '#!/bin/sh\ncat\n' >"$dir/activities/parrot.tmp"
	chmod +x "$dir/activities/parrot.tmp"
	mv "$dir/activities/parrot.tmp" "$dir/activities/parrot"
	kill -HUP "$runtime"
	expect_output o hello
	expect_eq "failures" 0 "$(count_events o ActivityFailed)"
}

an_orchestration_that_is_not_there_parks_its_instances_until_it_is() {
	_running
	expect 0 "$PAWL" start latecomer --id l -i hello
	wait_for "l to be parked" _is_listed Parked l
	expect 0 "$PAWL" status l
	expect_match "status" "parked +.*'latecomer' is not registered: add" "$out"
	expect 0 "$PAWL" suspend l
	expect_eq "what suspend says" "l: asked to suspend; it is parked, and takes it when it goes on" "$out"
	stop_runtime
	expect_eq "parked without a runtime" l "$("$PAWL" list -s Parked -o name)"
	program=$e2e/bin/types-late
	start_ready
	wait_for "l to be suspended" _is_listed Suspended l
	expect 0 "$PAWL" resume l
	expect_output l hello
}

_is_listed() { # STATUS ID
	[ "$("$PAWL" list -s "$1" -o name)" = "$2" ]
}

code_that_does_not_match_a_history_parks_and_the_right_code_goes_on() {
	local before
	_running
	start changing c ""
	start waiter w go
	wait_events c EventSubscribed 1
	stop_runtime
	before=$("$PAWL" history c -o jsonl)
	program=$e2e/bin/types-changed
	start_ready
	expect 0 "$PAWL" raise c go -d "on we go"
	wait_for "c to be parked" _is_listed Parked c
	expect 0 "$PAWL" status c
	expect_match "what it says" "parked.*step.*nap|parked.*nap.*step" "$out"
	expect_match "what to do" "to do +.*code that fits" "$out"
	expect_match "the log" "'c' is parked.*(step.*nap|nap.*step)" "$(cat "$log")"
	expect_eq "history while parked" "$before" "$("$PAWL" history c -o jsonl)"
	expect 0 "$PAWL" raise w go -d 1
	expect_output w "go=1"
	stop_runtime
	program=$types
	start_ready
	expect_output c "on we go"
	expect_eq "what is wrong with the history" "" "$("$PAWL" history c -o jsonl | check_history)"
}

replay_only_gives_the_same() {
	new_hub
	start_ready --replay-only
	start chain c 30
	start fan f 20
	start failing r 2
	start collector k "go 5"
	local n
	for n in 1 2 3 4 5; do
		expect 0 "$PAWL" raise k go -d $n
	done
	expect_output c "30 steps"
	expect_output f "20 steps"
	expect_output r "attempt 3"
	expect_output k "1 2 3 4 5"
	expect_eq "runs of the 50 steps" 50 "$(wc -l <"$E2E_LOG")"
}

run_tests
