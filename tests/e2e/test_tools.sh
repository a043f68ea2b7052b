#!/usr/bin/env bash
# test_tools.sh - what stands beside a runtime: export and import, check, tree, types, and the check of replays.
. "$(dirname "$0")/lib.sh"

# A hub with one that waits, one with payloads in files, one of a second execution, and one that has ended.
_some_instances() {
	start_ready
	start waiter waits go
	start chain ended 2
	head -c 50000 /dev/zero | tr '\0' x >"$dir/large"
	start waiter large 'go end'
	expect 0 "$PAWL" -q raise large go -d "@$dir/large"
	start relay again 3
	expect 0 "$PAWL" -q raise again go -d 1
	wait_status ended Completed
	wait_for "the second execution" _is_second
}

_is_second() {
	"$PAWL" status again -o json | grep -q '"execution":2'
}

an_export_is_the_same_with_the_runtime_up_killed_and_stopped() {
	new_hub
	_some_instances
	sleep 0.3 # the histories are brought to their files meanwhile, or not
	expect 0 "$PAWL" export --all -o "$dir/up.tar"
	kill_runtime
	expect 0 "$PAWL" export --all -o "$dir/killed.tar"
	start_ready
	stop_runtime
	expect 0 "$PAWL" export --all -o "$dir/stopped.tar"
	cmp "$dir/up.tar" "$dir/killed.tar" || fail "the export after a kill is another one"
	cmp "$dir/up.tar" "$dir/stopped.tar" || fail "the export after a stop is another one"
}

tar_reads_an_export_and_import_reads_what_tar_packs() {
	new_hub
	_some_instances
	stop_runtime
	expect 0 "$PAWL" export --all -o "$dir/x.tar"
	mkdir "$dir/unpacked"
	expect 0 tar -xf "$dir/x.tar" -C "$dir/unpacked"
	expect_file "$dir/unpacked/pawl-export.json"
	cmp "$dir/unpacked/ended/1.history" "$hub/archive/ended/1.history" || fail "the history is another one"
	cmp "$dir/unpacked/large/1.3.data" "$hub/instances/large/1.3.data" || fail "the payload is another one"
	(cd "$dir/unpacked" && tar -cf "$dir/packed.tar" --format=ustar ./pawl-export.json waits again large ended) || fail "tar cannot pack it"
	expect 0 "$PAWL" -H "$dir/other" import "$dir/packed.tar"
	expect 0 "$PAWL" -H "$dir/other" export --all -o "$dir/y.tar"
	cmp "$dir/x.tar" "$dir/y.tar" || fail "what was imported is something else"
}

imported_instances_go_on_where_they_were() {
	new_hub
	_some_instances
	stop_runtime
	"$PAWL" export --all --text >"$dir/x.jsonl" || fail "no export"
	export PAWL_HUB=$dir/elsewhere
	hub=$PAWL_HUB
	expect 0 "$PAWL" import - <"$dir/x.jsonl"
	expect_match "what import says" "waits: imported \(live" "$out"
	start_ready
	expect 0 "$PAWL" -q raise waits go -d done
	expect 0 "$PAWL" -q raise large end -d done
	wait_status waits Completed
	wait_status large Completed
	expect 0 "$PAWL" -q raise again go -d 2
	expect 0 "$PAWL" -q raise again go -d 3
	wait_status again Completed
	wait_status ended Completed
	[ -z "$("$PAWL" history waits -o jsonl | check_history)" ] || fail "the history is wrong"
	stop_runtime
	expect_no_match "the log" "damag|quarantin" "$(cat "$log")"
}

an_import_needs_the_hub_for_itself_and_free_ids() {
	new_hub
	_some_instances
	expect 0 "$PAWL" export ended waits -o "$dir/x.tar"
	expect 75 "$PAWL" import "$dir/x.tar"
	stop_runtime
	expect 5 "$PAWL" import "$dir/x.tar"
	expect 0 "$PAWL" -q purge ended
	expect 0 "$PAWL" import "$dir/x.tar" --if-exists skip
	expect_match "what import says" "waits: skipped.*ended: imported" "$(tr '\n' ' ' <<<"$out") $(tr '\n' ' ' <<<"$out")"
	start_runtime
	kill_runtime
	start_ready
	wait_status ended Completed
	expect 0 "$PAWL" -q purge ended
	expect 4 "$PAWL" status ended
	stop_runtime
}

check_names_what_a_plugin_uses() {
	new_hub
	needs plugins
	expect 0 "$PAWL" check "$e2e/bin/types.so"
	expect_match "the hints" "getenv +environment" "$out"
	expect_match "the hints" "sleeping +pawl_sleep" "$out"
	expect_no_match "the hints" "malloc|pawl_register" "$out"
	expect 1 "$PAWL" check --strict "$e2e/bin/types.so"
	expect 0 "$PAWL" check --strict "$BUILD/examples/hello.so"
	expect 0 "$PAWL" check -o json "$e2e/bin/types.so"
	expect_json "check -o json" "$out"
	expect 1 "$PAWL" check "$0"
}

tree_shows_children_and_theirs() {
	new_hub
	start_ready
	start family top 2:2
	wait_for "the whole family" _tree_has 8
	expect 0 "$PAWL" tree top
	expect_match "the tree" "top +family .*free-top +waiter +detached" "$(tr '\n' ' ' <<<"$out")"
	expect 0 "$PAWL" tree top -o json
	expect_json "tree -o json" "$out"
	expect 0 "$PAWL" tree top --depth 1 -o name
	expect_eq "the first level" 4 "$(wc -l <<<"$out")"
	stop_runtime
	expect 0 "$PAWL" tree top -o name
	expect_eq "the tree with the runtime down" 12 "$(wc -l <<<"$out")"
}

# top, its two children, each with one, and that with one: and whom they started, but the last
_tree_has() {
	[ "$("$PAWL" tree top -o name | wc -l)" -ge "$1" ]
}

types_tells_which_version_is_the_newest() {
	new_hub
	try "$types" types
	expect_match "types" "versioned +1.10.0 +program +newest" "$out"
	expect_no_match "types" "versioned +1.9.0 +program +newest" "$out"
	expect 0 "$types" types -o json
	expect_json "types -o json" "$out"
	expect_match "types -o json" '"version":"1.10.0","newest":true' "$out"
	expect_match "types -o json" '"kind":"entity","name":"account"' "$out"
}

code_that_is_not_steady_is_found_in_the_turn_that_makes_the_mistake() {
	new_hub
	start_ready --check-replay
	start chain good 3
	wait_status good Completed
	try "$PAWL" -q start unsteady --id bad -i 1
	wait_for "the runtime to stop" _is_gone "$runtime"
	wait "$runtime"
	expect_eq "exit code of the runtime" 1 $?
	expect_match "the log" "instance 'bad': decides something else when it is replayed: history line 2 has ActivityScheduled 'step' input '1', but the code made" "$(cat "$log")"
	expect_match "the log" "look for static and global variables" "$(cat "$log")"
	expect_no_match "what has run" "bad" "$(cat "$E2E_LOG")"
	start_ready
	stop_runtime
}

run_tests
