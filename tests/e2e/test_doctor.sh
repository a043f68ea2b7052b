#!/usr/bin/env bash
# test_doctor.sh - `pawl doctor` on the real machine: hubs, none, damaged ones, file systems that are no good. What each
# probe says of which kernel is in tests/unit/test_doctor.c.
. "$(dirname "$0")/lib.sh"

# The verdict on CHECK of the last `pawl doctor -o jsonl`, "" when it is not among them.
_verdict() { # CHECK
	sed -n 's/.*"check":"'"$1"'".*"verdict":"\([a-z]*\)".*/\1/p' <<<"$out" | tail -n 1
}

_expect_verdict() { # CHECK VERDICT
	expect_eq "verdict on '$1'" "$2" "$(_verdict "$1")"
}

_doctor() { # [OPTION...]: sets out, code; what it says fits its exit code
	try "$PAWL" doctor -o jsonl "$@"
	local wanted=0
	[[ $out != *'"verdict":"problem"'* ]] || wanted=1
	[[ $out != *'"damage":true'* ]] || wanted=7
	expect_eq "exit code of doctor" $wanted "$code"
	expect_eq "standard error of doctor" "" "$err"
}

_begin() {
	new_hub "$@"
	needs fs
	start_ready
}

_all_names() {
	find "$hub" | sort
}

_needs_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

beside_a_runtime_all_of_the_hub_is_well() {
	local check
	_begin
	start waiter w1 "a b"
	wait_status w1 Running
	_doctor
	for check in runtime rights instances "rejected events" queue journal leases locks "rename over" "exclusive create" "symbolic links" "boot id"; do
		_expect_verdict "$check" ok
	done
	expect_match "who runs it" "pid $runtime runs it" "$out"
	expect_match "instances" '"live":1,' "$out"
	expect_match "limits of the runtime" 'of the runtime: open files' "$out"
	try "$PAWL" doctor
	expect_match "the table names what is well" 'ok +hub +runtime, rights, instances' "$out"
	try "$PAWL" doctor -o json
	expect_json "doctor -o json" "$out"
	expect 0 "$PAWL" -q raise w1 a -d 1
	expect 0 "$PAWL" -q raise w1 b -d 2
	expect_output w1 "a=1 b=2"
	stop_runtime
	_doctor
	expect_match "after a stop" 'the last one stopped well' "$out"
}

nothing_is_left_behind_and_nothing_is_changed() {
	local before
	_begin
	stop_runtime
	before=$(_all_names; cat "$hub/LOCK")
	_doctor
	expect_eq "the hub" "$before" "$(_all_names; cat "$hub/LOCK")"
	_doctor --dir "$dir/activities"
	expect_eq "files in another directory" "" "$(ls -A "$dir/activities")"
	_expect_verdict hub ok
}

with_no_hub_yet_the_place_is_looked_at_and_not_made() {
	new_hub
	needs fs
	_doctor
	_expect_verdict directory note
	_expect_verdict hub ok
	_expect_verdict locks ok
	expect_no_file "$hub"
	_doctor --dir "$dir/not/there/yet"
	expect_no_file "$dir/not"
	expect 2 "$PAWL" doctor --dir ""
}

damage_is_told_by_exit_code_7() {
	needs yaml
	_begin 'journal: {segment_bytes: 64KiB}'
	start waiter w1 "a b"
	start chain c 1500 # so that the journal has come round and does not know w1 any more
	expect_output c "1500 steps"
	stop_runtime
	printf 'X' | dd of="$hub/instances/w1/1.history" bs=1 seek=20 conv=notrunc status=none
	start_ready
	_doctor
	expect_eq "exit code" 7 "$code"
	_expect_verdict instances problem
	expect_match "which" "'w1'" "$out"
	kill_runtime
	_doctor
	expect_match "after a kill" 'the last one was killed' "$out"
	echo nonsense >"$hub/FORMAT"
	_doctor
	expect_eq "exit code without FORMAT" 7 "$code"
	_expect_verdict hub problem
}

a_hub_that_lost_its_format_is_damaged_and_not_none() {
	_begin
	stop_runtime
	rm "$hub/FORMAT"
	_doctor
	expect_eq "exit code" 7 "$code"
	_expect_verdict hub problem
	expect 4 "$PAWL" list
	expect_match "what to do" 'pawl fsck' "$err"
	expect 4 "$PAWL" fsck # nothing was ever committed, so the journal is nobody's
	expect_match "what to do then" 'from a copy' "$err"
	rm -r "$hub/journal"
	_doctor
	_expect_verdict hub note
	expect_match "no hub can be made there" 'is not empty' "$out"
	try "$PAWL" run $volatile
	expect_match "and none is" 'not empty' "$err"
}

rejected_events_are_counted() {
	_begin
	start waiter w1 "a b"
	wait_status w1 Running
	mkdir "$hub/instances/w1/events/directory"
	wait_for "it to be rejected" test -e "$hub/instances/w1/events/.rejected/directory.why"
	_doctor
	_expect_verdict "rejected events" note
	expect_match "how many" '"rejected":1[,}]' "$out"
}

a_hub_in_memory_is_a_problem_unless_that_is_wanted() {
	new_hub
	needs yaml
	local memory
	memory=$(mktemp -d /dev/shm/pawl-e2e-XXXXXX) || skip "there is no /dev/shm"
	[ "$(stat -f -c %T "$memory")" = tmpfs ] || { rmdir "$memory"; skip "/dev/shm is no tmpfs"; }
	_doctor --dir "$memory"
	echo 'allow_volatile: true' >>"$PAWL_CONFIG"
	local first=$out
	_doctor --dir "$memory"
	rmdir "$memory" || fail "something is left in '$memory': $(ls -A "$memory")"
	_expect_verdict "file system" warning
	out=$first
	_expect_verdict "file system" problem
	_expect_verdict flush note
}

on_a_read_only_mount_nothing_is_tried() {
	_needs_root
	_begin
	start waiter w "a b"
	wait_status w Running
	stop_runtime
	mkdir "$dir/ro"
	mount --bind "$hub" "$dir/ro" && mounts="$mounts $dir/ro" && mount -o remount,ro,bind "$dir/ro" || skip "no bind mounts here"
	_doctor -H "$dir/ro"
	_expect_verdict "file system" problem
	_expect_verdict flush note
	_expect_verdict files note
	_expect_verdict instances ok
	expect_match "why" "not measured: '[^']*' is read-only" "$out"
	local verb
	for verb in "list" "status w" "history w" "export w -o $dir/w.tar" "fsck"; do
		expect 0 "$PAWL" -H "$dir/ro" $verb
	done
	expect 1 "$PAWL" -H "$dir/ro" fsck --repair
	expect_match "why" 'read-only' "$err"
}

another_user_sees_what_he_may_see() {
	_needs_root
	command -v setpriv >/dev/null || skip "there is no setpriv"
	_begin
	stop_runtime
	chmod 755 "$dir" "$hub"
	local as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	$as test -r "$hub/FORMAT" && $as test -x "$PAWL" || skip "another user cannot reach '$hub'"
	try $as "$PAWL" -H "$hub" -c "" doctor -o jsonl
	_expect_verdict flush note
	_expect_verdict files note
	_expect_verdict rights note
	[[ $(_verdict instances) =~ ok|note ]] || fail "what another user may not see is no trouble: $out"
}

# Of uid 65534, who is not let in or, with GROUP, is a member of it.
_as() { # GROUP COMMAND...
	local group=$1
	shift
	setpriv --reuid=65534 --regid="$group" --clear-groups "$@"
}

_needs_another_user() {
	_needs_root
	command -v setpriv >/dev/null || skip "there is no setpriv"
	chmod 755 "$dir"
	_as 65534 test -x "$PAWL" || skip "another user cannot reach '$PAWL'"
}

a_member_of_the_read_group_finds_no_damage_beside_a_runtime() {
	new_hub "access: {read_group: '65533', control_group: '65532'}"
	needs yaml
	needs fs
	_needs_another_user
	start_ready
	start waiter w "a b"
	wait_status w Running
	export PAWL_CONFIG=
	expect 0 _as 65533 "$PAWL" fsck -o jsonl
	expect_match "what he may not see" '"note","code":"not-permitted","file":"control"' "$out"
	try _as 65533 "$PAWL" doctor -o jsonl
	_expect_verdict data ok
	expect_eq "exit code of doctor" 0 "$code"
	expect 0 _as 65533 "$PAWL" status w
	expect_no_match "he cannot know that there is no runtime" 'runtime +none' "$out"
	expect 0 _as 65532 "$PAWL" raise w a -d 1
	expect_no_match "nor can he" 'no runtime' "$err"
	wait_events w EventRaised 1
	expect 1 _as 65534 "$PAWL" list
	expect_match "whose it is" 'belongs to uid 0, and you are uid 65534' "$err"
}

what_its_own_user_cannot_read_is_a_problem_and_told_what_to_do() {
	local name
	new_hub
	needs fs
	_needs_another_user
	start_ready
	start waiter w "a b"
	wait_status w Running
	stop_runtime
	export PAWL_CONFIG=
	for name in journal FORMAT instances archive LOCK instances/w/1.history; do
		rm -rf "$dir/own"
		cp -a "$hub" "$dir/own"
		chown -R 65534:65534 "$dir/own"
		chmod 000 "$dir/own/$name"
		try _as 65534 "$PAWL" -H "$dir/own" doctor -o jsonl
		[[ $code -eq 1 || $code -eq 7 ]] || fail "exit code $code of doctor with '$name' closed: $out"
		[[ $out == *'"group":"hub","verdict":"problem"'* ]] || fail "no problem with '$name' closed: $out"
	done
	try _as 65534 "$PAWL" -H "$dir/own" fsck -o jsonl
	expect_match "what to do" '"damage","code":"unreadable","file":"instances/w/1.history".*chmod u\+rwX' "$out"
}

what_is_missing_or_wrong_in_the_configuration_is_a_problem() {
	_begin
	PAWL_SHIM=$dir/nothing _doctor
	_expect_verdict pawl-shim problem
	expect_eq "exit code" 1 "$code"
	needs yaml
	echo 'no_such_key: 1' >>"$PAWL_CONFIG"
	_doctor
	_expect_verdict configuration problem
	_expect_verdict instances ok
}

run_tests
