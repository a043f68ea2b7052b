#!/usr/bin/env bash
# test_large.sh - what 32 bits do not hold: files beyond 4 GiB (sparse, their size modulo 2^32 is a few bytes) and times
# beyond the 19th of January 2038. Not only for 32-bit builds: nobody has another answer.
. "$(dirname "$0")/lib.sh"

large=$((4096 * 1024 * 1024))
end_of_time=2147483647 # in 32 bits

# A file of 4 GiB and the bytes of its beginning, where the file system has sparse files.
_sparse() { # FILE TEXT
	printf '%s' "$2" >"$1"
	truncate -s "$((large + ${#2}))" "$1" 2>/dev/null || skip "no files of 4 GiB here"
	[ "$(du -k "$1" | cut -f 1)" -lt 1000 ] || skip "no sparse files here"
}

# The wall clock of the runtime and of _pawl is so many seconds after 1970, and goes on from there.
_at() { # SECONDS
	new_hub
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	echo $(($1 - $(date +%s))) >"$dir/clock"
	printf '#!/bin/sh\nE2E_CLOCK="%s" LD_PRELOAD="%s" exec "%s" "$@"\n' "$dir/clock" "$e2e/bin/clock.so" "$types" >"$dir/bent"
	chmod +x "$dir/bent"
	program=$dir/bent
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
}

# An event of that year is in the history.
_has_year() { # ID YEAR
	"$PAWL" history "$1" -o jsonl | grep -q "\"time\":\"$2-"
}

# ---- sizes ----

an_input_of_4_gib_is_refused() {
	new_hub
	_sparse "$dir/input" "5"
	start_ready
	try "$PAWL" -q start chain --id c -i "@$dir/input"
	[ "$code" -ne 0 ] || fail "4 GiB were taken for an input: $("$PAWL" history c -o jsonl | head -c 300)"
	expect_match "why" "larger|too large|limit" "$err"
}

a_dropped_file_of_4_gib_is_rejected() {
	new_hub
	_sparse "$dir/large" "5"
	start_ready
	mv "$dir/large" "$hub/inbox/chain@c.start"
	wait_for "the file to be rejected" grep -q "'inbox/chain@c.start' is rejected: it is larger than the limit" "$log"
	start chain d 3
	expect_output d "3 steps"
}

a_history_of_4_gib_harms_nobody_else() {
	local file size
	new_hub
	start_ready
	start waiter w "go on"
	start waiter v "go"
	wait_events w EventSubscribed 1
	wait_events v EventSubscribed 1
	stop_runtime
	file=$hub/instances/w/1.history
	size=$(wc -c <"$file")
	truncate -s "$((large + size))" "$file" 2>/dev/null || skip "no files of 4 GiB here"
	try "$PAWL" history w -o jsonl
	[ "$code" -lt 128 ] || fail "history ends with $code"
	try "$PAWL" fsck
	expect_eq "exit code of fsck" 7 "$code"
	start_ready
	expect 0 "$PAWL" -q raise v go -d yes
	expect_output v "go=yes"
	stop_runtime
}

a_journal_segment_of_4_gib_is_read_to_its_end() {
	local file
	new_hub
	start_ready
	start waiter w "go on"
	wait_events w EventSubscribed 1
	kill_runtime
	file=$(ls "$hub"/journal/* | tail -n 1)
	truncate -s "$((large + $(wc -c <"$file")))" "$file" 2>/dev/null || skip "no files of 4 GiB here"
	start_ready
	expect 0 "$PAWL" -q raise w go -d yes
	expect 0 "$PAWL" -q raise w on -d too
	expect_output w "go=yes on=too"
}

an_archive_of_4_gib_is_refused() {
	new_hub
	_sparse "$dir/bundle" "pawl"
	start_ready
	try "$PAWL" import "$dir/bundle"
	[ "$code" -ne 0 ] && [ "$code" -lt 128 ] || fail "import ends with $code: $out $err"
}

# ---- times ----

a_timer_ends_behind_the_end_of_32_bit_time() {
	_at $((end_of_time - 1))
	start_ready
	start timer t $((2000 * short))
	wait_status t Running
	kill_runtime
	start_ready
	expect_output t slept
	_has_year t 2038 || fail "no event of 2038: $("$PAWL" history t -o jsonl)"
	expect_no_match "years of the history" '"time":"19' "$("$PAWL" history t -o jsonl)"
	expect_match "when it was created" '"created":"2038-01-19T03:1' "$("$PAWL" status t -o json)"
}

everything_works_in_2046() {
	_at $((end_of_time + 8 * 365 * 86400))
	start_ready
	printf '#!/bin/sh\ndate +%%Y >/dev/null; cat\n' >"$dir/activities/cat.sh"
	chmod +x "$dir/activities/cat.sh"
	start chain c 3
	start once p "cat.sh text"
	start failing f 1
	start waiter w "go on"
	wait_events w EventSubscribed 1
	echo yes >"$hub/instances/w/events/go"
	touch -d 2046-01-02 "$hub/instances/w/events/go" 2>/dev/null || :
	kill_runtime
	echo too >"$hub/instances/w/events/on"
	touch -d 2106-02-08 "$hub/instances/w/events/on" 2>/dev/null || : # 2^32 s, and a day
	start_ready
	expect_output c "3 steps"
	needs yaml
	expect_output p text
	expect_output w "go=yes on=too"
	_has_year c 2046 || fail "no event of 2046: $("$PAWL" history c -o jsonl | head -n 2)"
	expect 0 "$PAWL" list -a
	stop_runtime
	expect 0 "$PAWL" fsck
}

run_tests
