#!/usr/bin/env bash
# test_examples.sh - each program of examples/ does what its README says. `make examples` builds them.
BUILD=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build/gcc} PAWL=${PAWL:-${BUILD:-}/pawl}
export BUILD PAWL
. "$(dirname "$0")/lib.sh"

examples=$(cd "$(dirname "$0")/../../examples" && pwd)
tree=${examples%/*}
patterns="chaining async saga eternal aggregator singleton window" # what they do: test_patterns.sh

# A hub of its own and the example as its runtime.
_example() { # NAME [CONFIGURATION LINE...]
	program=$BUILD/examples/$1
	[ -x "$program" ] || fail "no program '$program': \`make examples\` builds it"
	shift
	new_hub "$@"
	start_ready
}

_says() { # ID: custom status
	"$PAWL" status "$1" | sed -n 's/^ *says *//p'
}

_has_said() { # ID TEXT
	[[ $(_says "$1") == *$2* ]]
}

_has_said_like() { # ID REGEX
	[[ $(_says "$1") =~ $2 ]]
}

# The instance fails, and that is why.
_expect_failure() { # ID REGEX
	expect 3 "$PAWL" wait "$1" --timeout "${patience}s"
	expect_match "why '$1' failed" "$2" "$err"
}

_expect_good_history() { # ID
	expect_eq "what is wrong with the history of '$1'" "" "$("$PAWL" history "$1" -o jsonl | check_history)"
}

# ---- all ----

hello_is_the_program_in_the_head_of_the_public_header() {
	local line
	sed -n '/^ \*.*#include <pawl\/pawl.h>/,/^ \* How it works/p' "$tree/include/pawl/pawl.h" |
		sed -e 's/^ \*[[:space:]]*//' -e 's/   .*//' -e '/^How it works/d' -e '/^int main/d' -e '/^[{}]*$/d' >"$dir/lines"
	[ "$(wc -l <"$dir/lines")" -ge 10 ] || fail "the program was not found in pawl.h"
	while IFS= read -r line; do
		grep -qF -- "$line" "$examples/hello/hello.c" || fail "hello.c does not have: $line"
	done <"$dir/lines"
}

each_example_has_a_readme_that_tells_how_to_build_it() {
	local name
	for name in hello approval fanout monitor update worker $patterns; do
		grep -q "cc -o $name $name.c .*pkg-config --cflags --libs pawl" "$examples/$name/README.md" || fail "not in $name/README.md"
		expect 0 "$BUILD/examples/$name" types
		expect_match "types of $name" "orchestration" "$out"
	done
}

the_worker_in_c_has_a_readme_that_tells_how_to_build_it() {
	grep -q "cc -o worker-c worker-c.c .*pkg-config --cflags --libs pawl" "$examples/worker-c/README.md" || fail "it has not"
	expect 1 env -u PAWL_HUB "$BUILD/examples/worker-c"
	expect_match "without a hub" "which hub" "$err"
}

each_example_builds_against_an_installed_pawl() {
	local name to=$dir/installed
	command -v pkg-config >/dev/null || skip "no pkg-config"
	[ -e "$BUILD/libpawl.so.0" ] || skip "this build has no shared library"
	! grep -q -e -fsanitize= -e ' -m32' "$BUILD/flags" || skip "not with a sanitized library"
	mkdir -p "$to/include" "$to/lib/pkgconfig"
	cp -r "$tree/include/pawl" "$to/include/"
	cp "$BUILD/libpawl.so.0" "$to/lib/" && ln -s libpawl.so.0 "$to/lib/libpawl.so"
	sed -e "s|^prefix=.*|prefix=$to|" -e "s|^libdir=.*|libdir=$to/lib|" -e "s|^includedir=.*|includedir=$to/include|" "$BUILD/pawl.pc" >"$to/lib/pkgconfig/pawl.pc"
	export PKG_CONFIG_PATH=$to/lib/pkgconfig LD_LIBRARY_PATH=$to/lib
	for name in hello approval fanout monitor update worker $patterns worker-c; do
		# shellcheck disable=SC2046
		expect 0 compile_program "$dir/$name" -Wall -Wextra -Werror "$examples/$name/$name.c" $(pkg-config --cflags --libs pawl)
		[ "$name" != worker-c ] || continue # it is no pawl program, and has no types
		expect 0 "$dir/$name" types -c ""
		expect_match "types of $name" "orchestration" "$out"
	done
}

# ---- hello ----

hello_greets_when_a_person_has_approved() {
	_example hello
	start greet g1 world
	wait_events g1 EventSubscribed 1
	echo yes >"$hub/instances/g1/events/approved"
	expect_output g1 "hello world"
	_expect_good_history g1
}

hello_waits_for_the_same_after_kill_9_and_does_not_run_the_activity_again() {
	_example hello
	start greet g1 world
	wait_events g1 EventSubscribed 1
	kill_runtime
	echo yes >"$hub/instances/g1/events/approved"
	start_ready
	expect_output g1 "hello world"
	expect_eq "activities that completed" 1 "$(count_events g1 ActivityCompleted)"
}

hello_works_as_a_plugin() {
	needs plugins
	needs yaml
	new_hub
	cp "$BUILD/examples/hello.so" "$dir/plugins/"
	program=$PAWL
	start_ready
	start greet g1 plugin
	wait_events g1 EventSubscribed 1
	expect 0 "$PAWL" raise g1 approved
	expect_output g1 "hello plugin"
}

# ---- approval ----

_approval() {
	export APPROVAL_LOG=$dir/approval.log
	_example approval
}

approval_tells_who_approved() {
	_approval
	start approval a1 "3600 reboot till 4"
	wait_for "the operator to be asked" _has_said a1 "waits for the operator: reboot till 4"
	echo anna >"$hub/instances/a1/events/approved"
	expect_output a1 "approved by anna, asked as operator"
	expect_eq "lines of the log" 1 "$(grep -c . "$APPROVAL_LOG")"
}

approval_fails_when_it_is_rejected() {
	_approval
	start approval a1 "3600 reboot"
	expect 0 "$PAWL" raise a1 rejected -d ben
	_expect_failure a1 "rejected by ben"
}

approval_escalates_at_the_deadline() {
	_approval
	start approval a1 "1 reboot"
	wait_for "the supervisor to be asked" _has_said a1 "waits for the supervisor"
	echo carla >"$hub/instances/a1/events/approved"
	expect_output a1 "approved by carla, asked as supervisor"
	expect_match "the log" "operator: reboot.*supervisor: reboot" "$(tr '\n' ' ' <"$APPROVAL_LOG")"
}

approval_fails_when_nobody_answers() {
	_approval
	start approval a1 "1 reboot"
	_expect_failure a1 "no-answer: nobody answered"
}

approval_escalates_after_a_deadline_that_passed_while_nothing_ran() {
	_approval
	start approval a1 "$short reboot"
	wait_events a1 TimerCreated 1
	kill_runtime
	sleep "$short.2"
	expect_eq "timers that fired" 0 "$(count_events a1 TimerFired)"
	start_ready
	_expect_failure a1 "no-answer"
	expect_eq "lines of the log" 2 "$(grep -c . "$APPROVAL_LOG")"
}

approval_refuses_an_input_that_it_does_not_understand() {
	_approval
	start approval a1 "reboot"
	_expect_failure a1 "the input 'reboot' is not SECONDS TEXT"
}

# ---- fanout ----

fanout_adds_up_a_thousand_activities() {
	_example fanout
	start fanout f1 1000
	expect_output f1 '{"activity":"square","parts":1000,"sum":333833500}'
	expect_eq "activities that completed" 1000 "$(count_events f1 ActivityCompleted)"
}

fanout_counts_the_words_of_real_files() {
	_example fanout
	local words
	words=$(cat "$tree/include/pawl/pawl.h" "$tree/docs/FORMAT.md" | wc -w)
	start fanout f1 "[\"$tree/include/pawl/pawl.h\", \"$tree/docs/FORMAT.md\"]"
	expect_output f1 "{\"activity\":\"count_words\",\"parts\":2,\"sum\":$words}"
}

fanout_says_how_many_failed() {
	_example fanout
	start fanout f1 "[\"$tree/Makefile\",\"$dir/nowhere\"]"
	_expect_failure f1 "1 of 2 failed, the first: cannot open '$dir/nowhere'"
}

fanout_refuses_an_input_that_it_does_not_understand() {
	local input n=0
	_example fanout
	for input in 0 -1 5001 '[]' many; do
		n=$((n + 1))
		start fanout "f$n" "$input"
		_expect_failure "f$n" "is neither a number from 1 to 5000 nor a JSON list of paths"
	done
}

fanout_that_is_killed_in_the_middle_counts_nothing_twice() {
	local n
	_example fanout
	for n in 1 2 3 4 5; do
		start fanout "f$n" 5000
		kill_runtime
		start_ready
	done
	for n in 1 2 3 4 5; do
		expect_output "f$n" '{"activity":"square","parts":5000,"sum":41679167500}'
		_expect_good_history "f$n"
		expect_eq "activities that completed" 5000 "$(count_events "f$n" ActivityCompleted)"
	done
}

# ---- monitor ----

monitor_ends_when_the_threshold_is_reached() {
	_example monitor
	echo 5 >"$dir/value"
	start monitor m1 "$dir/value 10 0.1"
	wait_for "a third look" _has_said m1 "5 of 10 at look 3"
	echo 10.5 >"$dir/value.new" && mv "$dir/value.new" "$dir/value"
	expect 0 "$PAWL" wait m1 --timeout "${patience}s"
	expect_match "output" "^reached 10.5 at look [0-9]+" "$out"
	_expect_good_history m1
}

monitor_ends_when_somebody_says_stop() {
	_example monitor
	echo 5 >"$dir/value"
	start monitor m1 "$dir/value 10 3600"
	wait_for "a look" _has_said m1 "5 of 10 at look 1"
	touch "$hub/instances/m1/events/stop"
	expect_output m1 "stopped at 5 after 1 looks"
}

monitor_goes_on_after_kill_9() {
	_example monitor
	echo 5 >"$dir/value"
	start monitor m1 "$dir/value 10 0.1"
	wait_for "a second look" _has_said m1 "5 of 10 at look 2"
	kill_runtime
	start_ready
	wait_for "a fifth look" _has_said m1 "5 of 10 at look 5"
	expect 0 "$PAWL" raise m1 stop
	expect 0 "$PAWL" wait m1 --timeout "${patience}s"
	expect_match "output" "^stopped at 5 after" "$out"
	_expect_good_history m1
}

monitor_continues_as_new_and_counts_on() {
	_example monitor
	echo 5 >"$dir/value"
	start monitor m1 "$dir/value 10 0.$short"
	wait_for "looks of the second execution" _has_said_like m1 "5 of 10 at look (2[3-9]|3[0-7])$"
	expect_match "status" '"execution":2,' "$("$PAWL" status m1 -o json)"
	touch "$hub/instances/m1/events/stop"
	expect 0 "$PAWL" wait m1 --timeout "${patience}s"
	expect_match "output" "^stopped at 5 after [23][0-9] looks" "$out"
	expect 0 "$PAWL" history m1 --execution 1 -o jsonl
	expect_match "the end of the first execution" "ExecutionContinuedAsNew.*value 10 0.${short}0000000000000[0-9]* 20" "$out"
}

monitor_fails_when_there_is_nothing_to_look_at() {
	_example monitor
	start monitor m1 "$dir/nowhere 10 1"
	_expect_failure m1 "cannot open '$dir/nowhere'"
	expect_eq "attempts that were repeated" 2 "$(count_events m1 ActivityRetrying)"
}

# ---- update ----

# Release 1 runs; release 2 is packed, with a self-test that exits with $1.
_update() {
	needs yaml
	export UPDATE_ROOT=$dir/device
	mkdir -p "$UPDATE_ROOT/releases/1" "$dir/tree"
	echo 1 >"$UPDATE_ROOT/releases/1/VERSION"
	ln -s releases/1 "$UPDATE_ROOT/current"
	echo 2 >"$dir/tree/VERSION"
	printf '#!/bin/sh\necho "self-test says %s"\nexit %s\n' "$1" "$1" >"$dir/tree/selftest"
	chmod +x "$dir/tree/selftest"
	cp -r "$tree/include" "$dir/tree/"
	tar -czf "$dir/release.tar.gz" -C "$dir/tree" .
	sum=$(sha256sum <"$dir/release.tar.gz")
	sum=${sum%% *}
	_example update "activities:" "  unpack:" "    exec: [$examples/update/activities/unpack]" "    timeout: 10m"
	cp "$examples"/update/activities/* "$dir/activities/"
}

_current() { readlink "$UPDATE_ROOT/current"; }

_runs_of() { grep -c "^$1 .* began" "$UPDATE_ROOT/runs.log"; }

_demo() { # TABLE
	needs yaml
	DEMO_SLOW=$((2 * short)) expect 0 "$examples/update/demo.sh"
	expect_match "the end of the demo" $'\ndemo: ok$' "$out"
	expect_match "the table" $'\ndownload +1 +1 +0 +0 ' "$out"
	expect_match "the table" $'\nunpack +2 +1 +0 +1 ' "$out"
}

the_demo_ends_well() {
	_demo
	[[ $out == *"left out: the reboot"* ]] || expect_match "the table" $'\nreboot +1 +1 +0 +0 ' "$out"
}

the_demo_ends_well_where_no_reboot_can_be_simulated() {
	DEMO_REBOOT=no _demo
	expect_match "what it says" "left out: the reboot" "$out"
	expect_no_match "the table" $'\nreboot ' "$out"
}

update_installs_a_release_that_was_approved() {
	_update 0
	start update u1 "file://$dir/release.tar.gz $sum"
	wait_for "the release to be ready" _has_said u1 "release 2 is ready"
	expect_eq "current before the approval" releases/1 "$(_current)"
	echo yes >"$hub/instances/u1/events/approved"
	expect_output u1 "release 2 runs, 1 was before"
	expect_eq "current" releases/2 "$(_current)"
	diff -r "$dir/tree" "$UPDATE_ROOT/current/" || fail "the release is not what was packed"
}

update_refuses_a_wrong_checksum() {
	_update 0
	start update u1 "file://$dir/release.tar.gz ${sum%?}x"
	_expect_failure u1 "the checksum of .* is not"
	expect_no_file "$UPDATE_ROOT/releases/2"
}

update_changes_nothing_when_it_is_not_approved() {
	_update 0
	start update u1 "file://$dir/release.tar.gz $sum"
	expect 0 "$PAWL" raise u1 approved -d "no"
	_expect_failure u1 "release 2 was not approved: 'no'"
	expect_eq "current" releases/1 "$(_current)"
}

update_goes_back_when_the_release_is_not_healthy() {
	_update 1
	start update u1 "file://$dir/release.tar.gz $sum"
	expect 0 "$PAWL" raise u1 approved -d yes
	_expect_failure u1 "release 2 is not healthy, 1 runs again: self-test says 1"
	expect_eq "current" releases/1 "$(_current)"
	expect_eq "health checks" 5 "$(_runs_of health)"
}

update_waits_when_the_server_does_not_answer() {
	command -v curl >/dev/null || command -v wget >/dev/null || skip "neither curl nor wget"
	_update 0
	start update u1 "http://127.0.0.1:1/release.tar.gz $sum" # port 1: nobody is there
	wait_for "the download to be deferred" grep -q "activity 'download' is deferred.*the server does not answer" "$log"
	expect_eq "status" Running "$(status_of u1)"
}

update_does_not_unpack_twice_when_only_the_runtime_is_killed() {
	export UPDATE_SLOW=1
	_update 0
	start update u1 "file://$dir/release.tar.gz $sum"
	wait_for "unpack to begin" _runs_of unpack
	kill_runtime # not what it has started
	start_ready
	wait_for "the release to be ready" _has_said u1 "release 2 is ready"
	expect 0 "$PAWL" raise u1 approved -d yes
	expect_output u1 "release 2 runs, 1 was before"
	expect_eq "runs of unpack" 1 "$(_runs_of unpack)"
	diff -r "$dir/tree" "$UPDATE_ROOT/current/" || fail "the release is not what was packed"
}

# The runtime believes in the boot id of $dir/boot.
_update_with_boot() { # SELFTEST
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	LD_PRELOAD=$e2e/bin/clock.so "$BUILD/examples/update" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	[[ $(LD_PRELOAD=$dir/missing.so "$BUILD/examples/update" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	echo 11111111-1111-4111-8111-111111111111 >"$dir/boot"
	_update "$1"
	stop_runtime
	printf '#!/bin/sh\nE2E_BOOT="%s" LD_PRELOAD="%s" exec "%s" "$@"\n' "$dir/boot" "$e2e/bin/clock.so" "$program" >"$dir/bent"
	chmod +x "$dir/bent"
	program=$dir/bent
	echo "reboot: {command: [touch, $dir/rebooting]}" >>"$PAWL_CONFIG"
	start_ready
}

# reboot.command has run, and the device comes back.
_reboots() { # DIGIT OF THE BOOT ID
	wait_for "reboot.command to run" test -e "$dir/rebooting"
	rm "$dir/rebooting"
	kill_runtime
	echo "$1$1$1$1$1$1$1$1-1111-4111-8111-111111111111" >"$dir/boot"
	start_ready
}

update_reboots_between_switch_and_health() {
	_update_with_boot 0
	start update u1 "file://$dir/release.tar.gz $sum reboot"
	expect 0 "$PAWL" raise u1 approved -d yes
	wait_for "reboot.command to run" test -e "$dir/rebooting"
	expect_eq "current" releases/2 "$(_current)"
	kill_runtime
	start_ready # the same boot: it still waits, and asks for no second reboot
	_has_said u1 "reboots into release 2" || fail "it says '$(_says u1)'"
	expect_eq "runs of health before the reboot" 0 "$(_runs_of health)"
	_reboots 2
	expect_output u1 "release 2 runs, 1 was before"
	expect_eq "runs of reboot" 1 "$(_runs_of reboot)"
	expect_eq "runs of switch" 1 "$(_runs_of switch)"
	_expect_good_history u1
}

update_goes_back_with_a_second_reboot_when_the_release_is_not_healthy() {
	_update_with_boot 1
	start update u1 "file://$dir/release.tar.gz $sum reboot"
	expect 0 "$PAWL" raise u1 approved -d yes
	_reboots 2
	_reboots 3
	_expect_failure u1 "release 2 is not healthy, 1 runs again: self-test says 1"
	expect_eq "current" releases/1 "$(_current)"
	expect_eq "runs of reboot" 2 "$(_runs_of reboot)"
}

update_goes_back_when_the_reboot_does_not_come() {
	_update 0
	stop_runtime
	printf '%s\n' 'reboot: {timeout: 1s}' 'attempts: {stuck_max: 1}' >>"$PAWL_CONFIG"
	start_ready
	start update u1 "file://$dir/release.tar.gz $sum reboot"
	expect 0 "$PAWL" raise u1 approved -d yes
	_expect_failure u1 "1 runs again: the device has not rebooted"
	expect_eq "current" releases/1 "$(_current)"
	expect_eq "runs of reboot" 1 "$(_runs_of reboot)"
}

update_refuses_an_input_that_it_does_not_understand() {
	_update 0
	start update u1 "file://$dir/release.tar.gz"
	_expect_failure u1 "is not URL SHA256 .reboot."
	start update u2 "file://$dir/release.tar.gz $sum later"
	_expect_failure u2 "is not URL SHA256 .reboot."
}

# ---- worker ----

_capitals() { # COUNT: what the workers make of that many pictures
	local n all=''
	for ((n = 1; n <= $1; n++)); do all="$all PICTURE-$n"; done
	echo "${all# }"
}

_worker() { # COMMAND...: in the background
	"$@" >>"$dir/workers" 2>&1 &
	worker=$!
	pids="$pids $worker"
}

_is_claimed() {
	set -- "$hub"/work/claimed/resize/*
	[ -L "$1" ]
}

worker_is_done_by_a_shell_script() {
	_example worker
	_worker "$examples/worker/worker.sh"
	start gallery g1 3
	expect_output g1 "$(_capitals 3)"
	_expect_good_history g1
}

worker_is_done_by_python() {
	command -v python3 >/dev/null || skip "no python3"
	_example worker
	_worker "$examples/worker/worker.py"
	start gallery g1 20
	expect_output g1 "$(_capitals 20)"
	kill "$worker"
	wait "$worker"
	expect_eq "exit code of the worker after TERM" 0 $?
}

worker_is_done_by_c() {
	_example worker
	_worker "$BUILD/examples/worker-c" "$hub"
	start gallery g1 50
	expect_output g1 "$(_capitals 50)"
	kill "$worker"
	wait "$worker"
	expect_eq "exit code of the worker after TERM" 0 $?
}

worker_is_done_by_the_command_of_its_readme() {
	_example worker
	_worker "$PAWL" work serve -a resize -- tr a-z A-Z
	start gallery g1 5
	expect_output g1 "$(_capitals 5)"
}

worker_is_done_by_all_of_them_together_and_the_runtime_is_killed_meanwhile() {
	_example worker
	_worker "$examples/worker/worker.sh"
	_worker "$BUILD/examples/worker-c" "$hub"
	! command -v python3 >/dev/null || _worker "$examples/worker/worker.py"
	start gallery g1 100
	kill_runtime
	start_ready
	expect_output g1 "$(_capitals 100)"
	expect_eq "activities that completed" 100 "$(count_events g1 ActivityCompleted)"
	_expect_good_history g1
}

worker_that_is_killed_loses_its_item_to_another_one() {
	_example worker
	start gallery g1 1
	# it takes the item, and then does nothing
	_worker sh -c '"$PAWL" work take -a resize --pid $$ --wait >/dev/null && exec sleep 600'
	wait_for "the item to be claimed" _is_claimed
	kill -9 "$worker"
	wait "$worker" 2>/dev/null
	_worker "$BUILD/examples/worker-c" "$hub"
	expect_output g1 PICTURE-1
	expect_match "why" '"kind":"stuck"' "$("$PAWL" history g1 -o jsonl)"
}

run_tests
