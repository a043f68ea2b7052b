#!/usr/bin/env bash
# test_fsck.sh - `pawl fsck`: it finds what is wrong in a hub and nothing else, and repairs it.
. "$(dirname "$0")/lib.sh"

# One that waits, one with payloads in files, one that has ended.
_some_instances() {
	start_ready
	start waiter waits go
	start chain ended 2
	head -c 50000 /dev/zero | tr '\0' x >"$dir/large"
	start waiter large 'go end'
	expect 0 "$PAWL" -q raise large go -d "@$dir/large"
	wait_status ended Completed
	wait_for "the payload" _has_payload
}

_has_payload() {
	compgen -G "$PAWL_HUB/instances/large/*.data" >/dev/null
}

_flip() { # FILE OFFSET
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1")
	printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

_finding() { # REGEX: does the object of a finding look so?
	try "$PAWL" fsck -o jsonl
	grep '"type":"finding"' <<<"$out" | grep -qE "$1" || fail "no finding like '$1' in: $out"
}

# Histories are level with the journal, and the disk knows it: then nothing else has what is in them.
_settle() {
	stop_runtime
	expect 0 "$PAWL" fsck --repair
}

nothing_is_wrong_with_a_hub_in_use_killed_or_stopped() {
	new_hub
	_some_instances
	expect 0 "$PAWL" fsck
	kill_runtime
	expect 0 "$PAWL" fsck
	start_ready
	stop_runtime
	expect 0 "$PAWL" fsck -o json
	expect_json "fsck -o json" "$out"
	expect_match "the summary" '"type":"summary","damage":0,"warnings":0,"notes":0,"instances":2,"archived":1,"histories":3' "$out"
	expect 0 "$PAWL" fsck --repair
	expect 0 "$PAWL" fsck
}

_load() {
	local n=0
	until [ -e "$dir/enough" ]; do
		n=$((n + 1))
		"$PAWL" -q start chain "load$n" -i 3
		"$PAWL" -q raise again go -d "$n"
		[ $((n % 10)) -ne 0 ] || "$PAWL" -q purge -s Completed
	done
}

# Starts, events, next executions, ends, the archive, purges, and a journal that is used again and again.
no_false_alarm_under_load() {
	local n
	new_hub 'journal:' '  segment_bytes: 64KiB'
	start_ready
	start relay again 100000
	_load >/dev/null 2>&1 &
	pids="$pids $!"
	for n in $(seq "${E2E_FSCK_ROUNDS:-25}"); do
		try "$PAWL" fsck
		[ "$code" -eq 0 ] || fail "round $n: exit code $code: $out $err"
		! grep -qv '^FINDING\|^note' <<<"$out" || [ -z "$out" ] || fail "round $n: $out"
	done
	: >"$dir/enough"
	stop_runtime
	expect 0 "$PAWL" fsck
}

a_flipped_byte_in_a_history_is_named_and_cut_only_with_yes() {
	local file
	new_hub
	_some_instances
	_settle
	file=$PAWL_HUB/instances/large/1.history
	cp "$file" "$dir/before"
	_flip "$file" 40
	expect 7 "$PAWL" fsck
	_finding '"damage","code":"history-damaged","file":"instances/large/1.history","offset":0,"line":1,"instance":"large".*"discards":true'
	expect 0 "$PAWL" fsck waits
	expect 7 "$PAWL" fsck large
	expect 7 "$PAWL" fsck --repair
	[ -e "$file" ] || fail "it is gone without --yes"
	expect 0 "$PAWL" fsck --repair --yes
	expect 0 "$PAWL" fsck
	_flip "$PAWL_HUB"/lost+found/*/instances/large/1.history 40
	cmp "$dir/before" "$PAWL_HUB"/lost+found/*/instances/large/1.history || fail "what was taken away is not what it was"
	grep -q 'instances/large' "$PAWL_HUB/lost+found/log" || fail "the log does not tell"
	start_ready
	expect 0 "$PAWL" -q raise waits go
}

a_torn_end_is_cut_without_yes_and_kept() {
	local file
	new_hub
	_some_instances
	_settle
	file=$PAWL_HUB/instances/waits/1.history
	cp "$file" "$dir/before"
	printf '{"seq":99,"time":"2026' >>"$file"
	expect 7 "$PAWL" fsck
	expect 0 "$PAWL" fsck --repair
	cmp "$file" "$dir/before" || fail "the history is not what it was"
	grep -q '"seq":99' "$file.torn" || fail "what was cut is not kept"
	expect 0 "$PAWL" fsck
}

after_a_good_stop_what_is_gone_is_no_power_cut() {
	new_hub
	_some_instances
	_settle
	cp -a "$PAWL_HUB/instances/waits" "$dir/good"
	truncate -s -30 "$PAWL_HUB/instances/waits/1.history" # in its only turn
	_finding '"damage","code":"history-torn","file":"instances/waits/1.history"'
	rm "$PAWL_HUB/instances/waits/1.history"
	_finding '"warning","code":"instance-empty","file":"instances/waits"'
	rm -r "$PAWL_HUB/instances/waits"
	cp -a "$dir/good" "$PAWL_HUB/instances/waits"
	expect 0 "$PAWL" fsck
}

a_payload_that_differs_is_found() {
	local file
	new_hub
	_some_instances
	_settle
	file=$(compgen -G "$PAWL_HUB/instances/large/*.data")
	_flip "$file" 25000
	_finding "\"payload-differs\",\"file\":\"instances/large/${file##*/}\".*\"instance\":\"large\""
	rm "$file"
	_finding '"damage","code":"payload-missing"'
	expect 7 "$PAWL" fsck --repair
	expect 0 "$PAWL" fsck --repair --yes
	expect 0 "$PAWL" fsck
}

a_mark_goes_when_the_history_is_whole_again() {
	new_hub
	_some_instances
	_settle
	cp "$PAWL_HUB/instances/waits/1.history" "$dir/good"
	_flip "$PAWL_HUB/instances/waits/1.history" 40
	start_ready
	wait_status waits Damaged
	stop_runtime
	expect 7 "$PAWL" fsck
	cp "$dir/good" "$PAWL_HUB/instances/waits/1.history"
	_finding '"set-aside".*"repair":"remove the mark: the history reads whole"}'
	expect 0 "$PAWL" fsck --repair
	start_ready
	wait_status waits Running
}

a_runtime_starts_with_something_else_in_the_place_of_a_file() {
	local file
	new_hub
	_some_instances
	stop_runtime
	cp -a "$PAWL_HUB" "$dir/good"
	for file in journal/0.segment instances/large/1.history instances/large/1.3.data archive/ended/1.history; do
		rm -rf "$PAWL_HUB"
		cp -a "$dir/good" "$PAWL_HUB"
		rm "${PAWL_HUB:?}/$file" || fail "the hub has no '$file'"
		case $file in
		*.history) ln -s /etc/passwd "$PAWL_HUB/$file" ;;
		*) mkdir "$PAWL_HUB/$file" ;;
		esac
		start_ready
		wait_status waits Running
		stop_runtime
		expect 0 "$PAWL" fsck --repair --yes
		expect 0 "$PAWL" fsck
	done
}

one_that_cannot_be_read_does_not_hide_the_others() {
	new_hub
	_some_instances
	_settle
	rm "$PAWL_HUB/instances/large/1.history"
	mkdir "$PAWL_HUB/instances/large/1.history"
	expect 1 "$PAWL" list
	expect_match "the one behind it" 'waits +waiter +Running' "$out"
	expect_match "what cannot be read" "instances/large/1.history" "$err"
	expect 1 "$PAWL" list -o json
	expect_json "list -o json" "$out"
}

no_repair_beside_a_runtime() {
	new_hub
	start_ready
	expect 75 "$PAWL" fsck --repair
	stop_runtime
	expect 0 "$PAWL" fsck --repair
}

a_lost_format_is_made_anew_from_the_journal() {
	local id
	new_hub
	_some_instances
	kill_runtime
	id=$(sed -n 's/^id //p' "$PAWL_HUB/FORMAT")
	rm "$PAWL_HUB/FORMAT"
	expect 7 "$PAWL" fsck
	expect 0 "$PAWL" fsck --repair
	[ "$(sed -n 's/^id //p' "$PAWL_HUB/FORMAT")" = "$id" ] || fail "another id"
	start_ready
	expect 0 "$PAWL" -q raise waits go
}

usage_and_what_is_no_hub() {
	expect 2 "$PAWL" fsck --yes
	expect 4 "$PAWL" fsck -H "$dir/nothing"
	mkdir "$dir/empty"
	expect 4 "$PAWL" fsck -H "$dir/empty"
	new_hub
	start_ready
	stop_runtime
	chmod 0777 "$PAWL_HUB/control"
	_finding '"warning","code":"mode","file":"control"'
	expect 0 "$PAWL" fsck --repair
	[ "$(stat -c %a "$PAWL_HUB/control")" = 755 ] || fail "its mode is $(stat -c %a "$PAWL_HUB/control")"
}

run_tests
