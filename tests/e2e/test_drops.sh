#!/usr/bin/env bash
# test_drops.sh - event files, by every tool that a person or script may take (docs: "Dropping an event").
. "$(dirname "$0")/lib.sh"

# A runtime and an instance 'w' of TYPE INPUT that runs; $events is where its events are dropped.
_begin() { # TYPE INPUT
	new_hub
	start_ready
	start "$1" w "$2"
	events=$hub/instances/w/events
}

_rejected() { # FILE REGEX: it is set aside, and why
	wait_for "'$1' to be rejected" test -e "${1%/*}/.rejected/${1##*/}.why"
	expect_match "why '$1' was rejected" "$2" "$(cat "${1%/*}/.rejected/${1##*/}.why")"
	expect_no_file "$1"
}

# ---- tools ----

a_file_written_by_echo_is_an_event() {
	_begin waiter "go"
	echo yes >"$events/go"
	expect_output w "go=yes"
}

_not_there() { [ ! -e "$1" ]; }

a_file_that_was_taken_is_gone() {
	_begin waiter "go never"
	echo yes >"$events/go"
	wait_events w EventRaised 1
	wait_for "the file to be taken away" _not_there "$events/go"
}

a_file_copied_is_an_event() {
	_begin waiter "go"
	echo "from a copy" >"$dir/source"
	cp "$dir/source" "$events/go"
	expect_output w "go=from a copy"
}

a_file_moved_on_the_same_file_system_is_an_event() {
	_begin waiter "go"
	echo moved >"$dir/source"
	mv "$dir/source" "$events/go"
	expect_output w "go=moved"
}

a_file_moved_across_file_systems_is_an_event() {
	local other=/dev/shm
	[ -w $other ] && [ "$(stat -c %d $other)" != "$(stat -c %d "$dir")" ] || skip "there is no other file system at $other"
	_begin waiter "go"
	other=$(mktemp $other/pawl-e2e.XXXXXX)
	echo "from afar" >"$other"
	mv "$other" "$events/go"
	expect_output w "go=from afar"
}

a_hard_link_is_an_event() {
	_begin waiter "go"
	echo linked >"$dir/source"
	ln "$dir/source" "$events/go"
	expect_output w "go=linked"
	expect_eq "the other name of the file" linked "$(cat "$dir/source")"
}

a_file_made_by_install_is_an_event() {
	_begin waiter "go"
	echo installed >"$dir/source"
	install -m 600 "$dir/source" "$events/go"
	expect_output w "go=installed"
}

a_file_written_by_tee_is_an_event() {
	_begin waiter "go"
	echo both | tee "$events/go" >/dev/null
	expect_output w "go=both"
}

a_file_written_by_dd_is_an_event() {
	_begin waiter "go"
	printf 'in blocks of five bytes' | dd of="$events/go" bs=5 status=none
	expect_output w "go=in blocks of five bytes"
}

a_file_of_rsync_is_an_event() {
	command -v rsync >/dev/null || skip "there is no rsync"
	_begin waiter "go on"
	echo synced >"$dir/source"
	rsync "$dir/source" "$events/go"
	rsync --inplace "$dir/source" "$events/on"
	expect_output w "go=synced on=synced"
}

an_empty_file_is_an_event_without_data() {
	_begin waiter "go on"
	touch "$events/go"
	: >"$events/on"
	expect_output w "go= on="
}

a_temporary_name_and_a_rename_are_one_event() {
	_begin waiter "go"
	echo half >"$events/.go.tmp"
	sync "$events/.go.tmp"
	mv "$events/.go.tmp" "$events/go"
	expect_output w "go=half"
	expect_eq "events in the history" 1 "$(count_events w EventRaised)"
}

# ---- whole or not at all ----

a_slow_writer_is_waited_for() {
	_begin waiter "go"
	(
		exec 3>"$events/go"
		for part in a b c d e f; do
			printf '%s' $part >&3
			sleep 0.1
		done
	)
	expect_output w "go=abcdef"
	expect_eq "events in the history" 1 "$(count_events w EventRaised)"
}

a_file_that_is_still_open_is_not_taken() {
	_begin waiter "go never"
	exec 3>"$events/go"
	printf 'not all' >&3
	sleep 0.5
	expect_eq "events in the history" 0 "$(count_events w EventRaised)"
	printf ' of it' >&3
	exec 3>&-
	wait_events w EventRaised 1
	expect_match "the event" '"data":"not all of it"' "$("$PAWL" history w -o jsonl)"
}

_cut_copy() { # FILE: half a JSON document, by a writer that is killed
	mkfifo "$dir/pipe"
	cat "$dir/pipe" >"$1" &
	local writer=$!
	exec 4>"$dir/pipe"
	printf '{"whole": [1, 2' >&4
	wait_for "the first half to be written" test -s "$1"
	kill -9 $writer
	wait $writer 2>/dev/null
	exec 4>&-
}

half_a_json_file_of_a_killed_copy_is_not_taken_and_the_next_copy_is() {
	_begin waiter "go"
	_cut_copy "$events/go.json"
	sleep 0.5
	expect_eq "events after the cut copy" 0 "$(count_events w EventRaised)"
	printf '{"whole": [1, 2, 3]}\n' >"$dir/source"
	cp "$dir/source" "$events/go.json"
	expect_output w 'go={"whole": [1, 2, 3]}'
	expect_eq "events in the history" 1 "$(count_events w EventRaised)"
}

# 300 files by seven tools, some of them in many pieces: every one is taken, once and whole.
many_drops_of_all_kinds_at_once_are_all_taken_once_and_whole() {
	local n name data wanted='' got
	_begin collector "drop 300"
	data=$(printf 'x%.0s' {1..2000})
	for n in {101..400}; do
		name=$events/drop@k$n
		case $((n % 7)) in
		0) echo "$n$data" >"$name" ;;
		1) echo "$n$data" >"$dir/$n" && cp "$dir/$n" "$name" ;;
		2) echo "$n$data" >"$dir/$n" && mv "$dir/$n" "$name" ;;
		3) echo "$n$data" >"$dir/$n" && ln "$dir/$n" "$name" ;;
		4) echo "$n$data" | tee "$name" >/dev/null ;;
		5) echo "$n$data" | dd of="$name" bs=100 status=none ;;
		6) (printf '%s' "$n" && sleep 0.03 && printf '%s' "$data") >"$name" & ;;
		esac
		wanted="$wanted$n "
	done
	wait $(jobs -p | grep -v "^$runtime\$")
	expect 0 "$PAWL" -q wait w --timeout "${patience}s"
	got=$(tr ' ' '\n' <<<"$out" | awk '{ x = substr($0, 4); print substr($0, 1, 3) (length(x) == 2000 && x !~ /[^x]/ ? "" : " in part") }' | sort)
	expect_eq "what was taken" "$(tr ' ' '\n' <<<"${wanted% }")" "$got"
}

# ---- names ----

a_key_makes_an_event_count_once() {
	_begin waiter "go on"
	echo first >"$events/go@k1"
	wait_events w EventRaised 1
	echo again >"$events/go@k1"
	wait_for "the second file to be taken away" _not_there "$events/go@k1"
	echo on >"$events/on"
	expect_output w "go=first on=on"
	expect_eq "events in the history" 2 "$(count_events w EventRaised)"
}

what_is_behind_the_first_dot_is_no_part_of_the_name() {
	_begin waiter "go on"
	echo 1 >"$events/go.txt"
	echo '{"a":1}' >"$events/on@k.x.json"
	expect_output w 'go=1 on={"a":1}'
}

hidden_and_unfinished_names_are_left_alone() {
	local name
	_begin waiter "go"
	for name in .go go~ go.tmp go.part go.swp go.filepart go.crdownload go.new _go '#go#' .go.XyZ123; do
		echo no >"$events/$name"
	done
	sleep 0.3
	for name in .go go~ go.tmp go.part go.swp go.filepart go.crdownload go.new _go '#go#' .go.XyZ123; do
		expect_file "$events/$name"
	done
	echo yes >"$events/go"
	expect_output w "go=yes"
}

names_that_are_none_are_rejected() {
	local name
	_begin waiter "go"
	for name in 'with blank' 'a+b' '-dash' "$(printf 'x%.0s' {1..65})" 'key@with space' 'key@' $'line\nfeed' 'ünicode'; do
		echo no >"$events/$name"
		_rejected "$events/$name" "must be|name"
	done
	expect_eq "events in the history" 0 "$(count_events w EventRaised)"
	expect_eq "status" Running "$(status_of w)"
}

# ---- what is no event ----

symbolic_links_are_rejected_and_not_followed() {
	_begin waiter "go"
	echo secret >"$dir/secret"
	ln -s "$dir/secret" "$events/go"
	_rejected "$events/go" "not a regular file"
	ln -s nowhere "$events/go"
	wait_for "the second link to be rejected" test -L "$events/.rejected/go.1"
	expect_eq "the file that the link named" secret "$(cat "$dir/secret")"
	expect_eq "events in the history" 0 "$(count_events w EventRaised)"
}

pipes_and_directories_are_rejected() {
	_begin waiter "go"
	mkfifo "$events/go"
	_rejected "$events/go" "not a regular file"
	mkdir "$events/on"
	_rejected "$events/on" "not a regular file"
	echo yes >"$events/go"
	expect_output w "go=yes"
}

files_over_the_limit_are_rejected_and_those_at_the_limit_are_not() {
	_begin collector "go 2"
	head -c 1048577 /dev/zero | tr '\0' x >"$dir/over"
	mv "$dir/over" "$events/go"
	_rejected "$events/go" "larger than the limit"
	expect_eq "events in the history" 0 "$(count_events w EventRaised)"
	head -c 1048576 /dev/zero | tr '\0' x >"$dir/at"
	mv "$dir/at" "$events/go"
	wait_events w EventRaised 1
	expect_match "the event" '"bytes":1048576' "$("$PAWL" history w -o jsonl)"
}

bytes_that_are_no_text_are_rejected_unless_the_name_says_bin() {
	new_hub 'drops: {rescan: 1s}'
	start_ready
	start collector w "go 2"
	events=$hub/instances/w/events
	printf 'a\377b' >"$events/go.bin"
	wait_events w EventRaised 1
	expect_match "the event" '"\$base64":"Yf9i"' "$("$PAWL" history w -o jsonl)"
	printf 'a\377b' >"$events/go"
	sleep 0.3
	expect_eq "events in the history" 1 "$(count_events w EventRaised)"
}

files_that_the_runtime_may_not_read_are_rejected() {
	if [ "$(id -u)" -eq 0 ]; then
		command -v setpriv >/dev/null || skip "root may read all, and there is no setpriv to be somebody else"
		new_hub
		chmod 777 "$dir"
		program=$dir/as_nobody
		printf '#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups "%s" "$@"\n' "$types" >"$program"
		chmod 755 "$program"
		setpriv --reuid=65534 --clear-groups test -x "$types" || skip "nobody may not reach the build folder"
		start_ready
		expect 0 setpriv --reuid=65534 --clear-groups "$PAWL" -q start waiter --id w -i "go never"
	else
		_begin waiter "go never"
	fi
	events=$hub/instances/w/events
	echo secret >"$dir/source"
	chmod 000 "$dir/source"
	mv "$dir/source" "$events/go"
	_rejected "$events/go" "not readable.*permission denied"
	expect_eq "events in the history" 0 "$(count_events w EventRaised)"
	# somebody else's file has no read lease: it is taken when it has not changed for two seconds
	echo readable >"$events/go"
	wait_events w EventRaised 1
}

# ---- the inbox ----

a_file_in_the_inbox_raises_an_event() {
	_begin waiter "go on"
	echo 1 >"$hub/inbox/w.go"
	echo '{"b":2}' >"$hub/inbox/w.on@key.json"
	expect_output w 'go=1 on={"b":2}'
}

a_file_in_the_inbox_for_nobody_is_rejected() {
	new_hub
	start_ready
	echo 1 >"$hub/inbox/nobody.go"
	_rejected "$hub/inbox/nobody.go" "nobody"
	echo 1 >"$hub/inbox/noevent"
	_rejected "$hub/inbox/noevent" "ID.EVENT"
	echo 1 >"$hub/inbox/bad id.go"
	_rejected "$hub/inbox/bad id.go" "id .* not valid"
}

a_start_file_in_the_inbox_starts_an_instance() {
	new_hub
	start_ready
	echo '{"n":1}' >"$hub/inbox/echo@e1.start.json"
	wait_status e1 Completed
	expect_output e1 '{"n":1}'
	echo hello >"$hub/inbox/echo.start"
	wait_for "the instance without a name" _has_started echo
	expect_eq "instances" 2 "$("$PAWL" list -a -o name | wc -l)"
}

_has_started() { # TYPE
	"$PAWL" list -a -s Completed -t "$1" -o name | grep -q "^$1-"
}

a_start_file_for_an_id_that_is_taken_is_rejected() {
	_begin waiter "go"
	echo other >"$hub/inbox/waiter@w.start"
	_rejected "$hub/inbox/waiter@w.start" "exists already"
	echo yes >"$events/go"
	expect_output w "go=yes"
}

# ---- when ----

drops_while_the_runtime_is_down_are_taken_at_its_start() {
	_begin waiter "go on"
	stop_runtime
	echo 1 >"$events/go"
	echo 2 >"$hub/inbox/w.on"
	echo hello >"$hub/inbox/echo@e.start"
	start_ready
	expect_output w "go=1 on=2"
	expect_output e hello
}

drops_before_anybody_waits_are_kept() {
	_begin waiter "a b c"
	echo 3 >"$events/c"
	wait_events w EventRaised 1
	echo 2 >"$events/b"
	wait_events w EventRaised 2
	echo 1 >"$events/a"
	expect_output w "a=1 b=2 c=3"
}

events_of_one_name_are_taken_in_the_order_of_their_drops() {
	local n wanted=
	_begin collector "go 100"
	for n in {100..149}; do
		echo "$n" >"$events/go@k$n"
		wanted="$wanted$n "
	done
	stop_runtime
	for n in {150..199}; do
		echo "$n" >"$events/go@k$n"
		wanted="$wanted$n "
	done
	start_ready
	expect_output w "${wanted% }"
}

a_drop_on_an_instance_that_has_ended_fails_by_itself() {
	_begin waiter "go"
	echo yes >"$events/go"
	expect_output w "go=yes"
	! (echo late >"$events/go") 2>/dev/null || fail "expected the drop to fail: the instance has ended"
}

drops_in_a_replaced_events_directory_are_not_lost() {
	_begin waiter "go on"
	rm -rf "$events"
	mkdir "$events"
	echo 1 >"$hub/inbox/w.go"
	wait_events w EventRaised 1
	echo 2 >"$events/on"
	kill -HUP "$runtime"
	expect_output w "go=1 on=2"
}

run_tests
