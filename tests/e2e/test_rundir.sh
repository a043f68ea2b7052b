#!/usr/bin/env bash
# test_rundir.sh - run_dir: the work queue and the work directories of activities in a directory that a reboot empties. A reboot
# is a kill, an empty directory, and a start with another boot id.
. "$(dirname "$0")/lib.sh"

run=
_begin() { # [LINE OF CONFIGURATION...]
	mkdir -p "$dir/run"
	new_hub "run_dir: $dir/run" "$@"
	needs yaml
	start_ready
	_find_run
}

_find_run() {
	run=$(echo "$dir"/run/pawl-*)
	[ -d "$run/work/ready" ] || fail "there is no queue in '$run'"
}

# A program that says that it ran, and waits for $dir/go.
_script() { # NAME
	cat >"$dir/activities/$1" <<-EOS
		#!/bin/sh
		echo "\$PAWL_KEY" >>"$dir/ran"
		echo 50 half >"\$PAWL_WORK/progress"
		until [ -e "$dir/go" ]; do sleep 0.05; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	chmod +x "$dir/activities/$1"
	: >"$dir/ran"
}

_ran() { # COUNT
	[ "$(wc -l <"$dir/ran")" -eq "$1" ]
}

_reboot() {
	kill_runtime
	rm -rf "$dir"/run/pawl-*
	sed -i 's/.*/22222222-2222-4222-8222-222222222222/' "$dir/boot"
}

_with_boot() { # as in test_workers.sh
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

_take() {
	unset PAWL_ITEM PAWL_WORKER PAWL_WORK PAWL_KEY PAWL_INPUT PAWL_INSTANCE PAWL_ATTEMPT PAWL_ACTIVITY
	expect 0 "$PAWL" work take --wait --timeout "${patience}s" "$@"
	eval "$out"
}

_activities_say() { # REGEX
	"$PAWL" activities 2>/dev/null | grep -qE "$1"
}

_expect_hub_untouched() {
	expect_eq "what the hub has of the queue" "" "$(cd "$hub/work" && ls -A | grep -vx dead)"
	expect_eq "work directories in the hub" "" "$(find "$hub/instances" "$hub/archive" -name work)"
}

queue_and_work_directories_are_in_it_and_all_find_them() {
	_begin
	_script long
	start once p long
	start once o "w x"
	wait_for "the program to run" _ran 1
	expect_file "$run/instances/p/work/2/claim"
	_take -a w
	expect_match "its directory" "^$run/instances/o/work/" "$PAWL_WORK"
	expect_eq "its input" x "$(cat "$PAWL_WORK/input")"
	wait_for "progress to be seen" _activities_say 'p +.*long +Active.*half'
	wait_for "the item to be seen" _activities_say 'w +Active'
	expect 0 "$PAWL" queue ls
	expect_match "queue" w "$out"
	_expect_hub_untouched
	expect 0 "$PAWL" work done -d well
	expect_output o well
	touch "$dir/go"
	expect_output p "attempt 1"
	wait_for "their directories to go" test ! -e "$run/instances/p" -a ! -e "$run/instances/o"
	_expect_hub_untouched
	expect 0 "$PAWL" fsck
	stop_runtime
	expect 0 "$PAWL" fsck
	expect_eq "where it is" "$run" "$(cat "$hub/RUN")"
}

what_runs_is_found_again_after_a_kill() {
	_begin
	_script long
	start once p long
	start once o "w x"
	wait_for "the program to run" _ran 1
	_take -a w
	kill_runtime
	start_ready
	expect 0 "$PAWL" work done -d "of before"
	expect_output o "of before"
	touch "$dir/go"
	expect_output p "attempt 1"
	expect_eq "times that it ran" 1 "$(wc -l <"$dir/ran")"
}

after_a_reboot_everything_is_made_anew_from_history() {
	mkdir -p "$dir/run"
	new_hub "run_dir: $dir/run"
	needs yaml
	_with_boot
	start_ready
	_find_run
	_script long
	start once p long
	start once o "w x"
	wait_for "the program to run" _ran 1
	_take -a w
	echo "$PAWL_KEY" >"$dir/key"
	_reboot
	touch "$dir/go" # the program of before the reboot ends as if it had not been
	expect 0 "$PAWL" list
	expect 0 "$PAWL" activities
	expect 75 "$PAWL" work take -a w # a pointer that leads nowhere: nothing to take
	start_ready
	_find_run
	expect_output p "attempt 1"
	expect_eq "times that it ran" 2 "$(wc -l <"$dir/ran")"
	_take -a w
	expect_eq "key" "$(cat "$dir/key")" "$PAWL_KEY"
	expect 0 "$PAWL" work done -d "of after"
	expect_output o "of after"
}

a_worker_that_waits_finds_the_queue_that_comes_later() {
	_begin
	kill_runtime
	rm -rf "$dir"/run/pawl-*
	"$PAWL" work take --wait --timeout "${patience}s" -a w >"$dir/taken" 2>"$dir/taken.err" &
	worker=$!
	pids="$pids $worker"
	start_ready
	start once o "w x"
	wait_for "the worker to have it" _is_gone "$worker"
	grep -q PAWL_ITEM "$dir/taken" || fail "the worker has nothing: $(cat "$dir/taken.err")"
}

a_synced_result_is_kept_in_the_hub() {
	mkdir -p "$dir/run"
	new_hub "run_dir: $dir/run" "activities: {synced: {exec: [$dir/activities/long], sync: true}}"
	needs yaml
	_with_boot
	start_ready
	_script long
	start once s synced
	start once p long
	wait_for "both to run" _ran 2
	expect_file "$hub/instances/s/work/2/claim"
	expect_no_file "$hub/instances/p/work"
	kill_runtime
	touch "$dir/go"
	wait_for "the outcome" grep -qx end "$hub/instances/s/work/2/claim"
	_reboot
	sed -i 's/^boot .*/boot 11111111-1111-4111-8111-111111111111/' "$hub/instances/s/work/2/claim" # the shim was not bent
	: >"$dir/ran"
	start_ready
	expect_output s "attempt 1"
	expect_output p "attempt 1"
	expect_eq "which one ran again" "p/1/2" "$(cat "$dir/ran")"
}

dead_letters_stay_in_the_hub() {
	_begin "activities: {bad: {exec: [/bin/false], dead_letter: hold}}"
	start once d bad
	wait_for "the dead letter" test -e "$hub/work/dead/d.2.json"
	expect_no_file "$run/work/dead"
	expect 0 "$PAWL" queue ls --dead
	expect_match "dead letters" d "$out"
}

a_directory_that_is_not_there_or_not_ours_is_refused() {
	new_hub "run_dir: $dir/run"
	needs yaml
	expect 1 "$program" run $volatile
	expect_match "missing" "cannot use run_dir '$dir/run': .*tmpfiles" "$err"
	mkdir "$dir/run"
	start_ready
	_find_run
	stop_runtime
	chmod 777 "$run"
	expect 1 "$program" run $volatile
	expect_match "open to all" "others may write there" "$err"
	rm -rf "$run"
	ln -s "$dir" "$run"
	chmod 755 "$dir"
	expect 1 "$program" run $volatile
	expect_match "a link" "run_dir" "$err"
	# and what RUN says is not believed by readers either
	rm "$run"
	mkdir "$dir/trap"
	chmod 777 "$dir/trap"
	echo "$dir/trap" >"$hub/RUN"
	mkdir -p "$dir/trap/work/ready/w"
	cp /proc/sys/kernel/random/boot_id "$dir/trap/work/BOOT"
	expect 75 "$PAWL" work take -a w
}

another_run_dir_counts_from_the_next_boot_on() {
	_begin
	_script long
	start once p long
	wait_for "the program to run" _ran 1
	kill_runtime
	sed -i '/^run_dir/d' "$PAWL_CONFIG"
	start_ready
	grep -q "stays in use until the next boot" "$log" || fail "nothing was said of the other run_dir"
	touch "$dir/go"
	expect_output p "attempt 1"
	expect_eq "times that it ran" 1 "$(wc -l <"$dir/ran")"
	kill_runtime
	rm -rf "$dir/run"
	start_ready
	expect_no_file "$hub/RUN"
	start once o "w x"
	_take -a w
	expect_match "its directory" "^$hub/instances/o/work/" "$PAWL_WORK"
}

run_tests
