#!/usr/bin/env bash
# test_security.sh - what others can do to a hub that is used: another user tries it for real (docs/SECURITY.md). Root is
# needed to become one.
. "$(dirname "$0")/lib.sh"

other=65534 # nobody; the number also of a group without members
attack=$e2e/bin/attack

as_other() { setpriv --reuid=$other --regid=$other --clear-groups "$@"; }

# A runtime whose hub others may drop into, and the instance 'w' of TYPE INPUT.
_begin() { # TYPE INPUT [YAML...]
	local type=$1 input=$2
	shift 2
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	command -v setpriv >/dev/null || skip "there is no setpriv to be somebody else"
	as_other test -x "$attack" || skip "nobody may not reach the build folder"
	new_hub "access: {drop_group: '$other'}" "$@"
	needs yaml
	chmod 755 "$dir"
	echo TOP-SECRET >"$dir/secret"
	chmod 600 "$dir/secret"
	mkdir "$dir/outside"
	start_ready
	start "$type" w "$input"
	events=$hub/instances/w/events
}

# What was in the secret is nowhere in the hub, nor told.
_expect_no_secret() {
	local found
	found=$(grep -rls TOP-SECRET "$hub" "$log" 2>/dev/null)
	[ -z "$found" ] || fail "expected the secret nowhere in the hub, it is in: $found"
}

_may_not() { # COMMAND...: of the other user
	as_other "$@" >/dev/null 2>&1 && fail "expected '$*' of another user to fail"
	return 0
}

_gone() { [ ! -e "$1" ] && [ ! -L "$1" ]; }

# ---- who may what ----

# What root sends has to be readable for the runtime, who is somebody else.
root_has_a_say_in_a_hub_of_another_user() {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	command -v setpriv >/dev/null || skip "there is no setpriv to be somebody else"
	new_hub
	needs fs
	chmod 755 "$dir"
	as_other test -x "$program" || skip "nobody may not reach the build folder"
	mkdir "$hub"
	chown $other:$other "$hub"
	printf '#!/bin/sh\nexec setpriv --reuid=%s --regid=%s --clear-groups "%s" "$@"\n' $other $other "$program" >"$dir/as"
	chmod 755 "$dir/as"
	program=$dir/as start_ready
	printf "go on" >"$dir/input"
	chmod 600 "$dir/input" # which is read before
	"$PAWL" -q start waiter --id w -i "@$dir/input" || fail "start: $(tail -n 3 "$log")"
	wait_status w Running
	"$PAWL" -q raise w go -d yes
	"$PAWL" -q raise w on -d yes
	wait_status w Completed
	expect_eq "files of root in the hub" "" "$(find "$hub" -user 0)"
	stop_runtime
}

a_dropper_drops_and_sees_and_does_nothing_else() {
	_begin waiter "go on never"
	as_other sh -c "echo yes >'$events/go'" || fail "expected the drop to work"
	wait_events w EventRaised 1
	as_other sh -c "echo yes >'$hub/inbox/w.on'" || fail "expected the drop into the inbox to work"
	wait_events w EventRaised 2
	expect_match "who it was" '"from":"uid:65534"' "$("$PAWL" history w -o jsonl)"
	echo mine >"$events/never.tmp"
	for name in "$hub" "$hub/instances" "$hub/instances/w" "$hub/journal" "$hub/archive" "$hub/control" "$hub/inbox" "$events"; do
		_may_not ls "$name"
	done
	_may_not cat "$hub/instances/w/1.history" "$hub/LOCK" "$events/never.tmp"
	_may_not dd of="$hub/instances/w/1.history" conv=notrunc if=/dev/zero count=1
	_may_not rm "$events/never.tmp"
	_may_not mv "$events/never.tmp" "$events/never"
	_may_not touch "$hub/x" "$hub/instances/x" "$hub/instances/w/x" "$hub/control/x" "$hub/journal/x" "$hub/archive/x"
	_may_not mv "$events" "$hub/inbox/away"
	_may_not flock -n "$hub/LOCK" true
	expect_match "what the command line says" "denied" "$(PAWL_HUB=$hub as_other "$PAWL" terminate w 2>&1)"
	expect_eq "status" Running "$(status_of w)"
}

a_set_user_id_bit_is_refused() {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	new_hub
	chmod 755 "$dir"
	cp "$PAWL" "$dir/pawl"
	chmod 4755 "$dir/pawl"
	as_other "$dir/pawl" version >/dev/null 2>&1 && [ -u "$dir/pawl" ] && fail "expected a set-user-ID pawl to refuse"
	expect_match "what it says" 'set-user-ID' "$(as_other "$dir/pawl" version 2>&1)"
}

# With any umask the same modes; nobody but the owner may write, others may read no file but FORMAT.
_modes_with() { # UMASK
	rm -rf "$hub"
	(umask "$1" && exec "$program" run $volatile 2>"$log" >&2) &
	runtime=$!
	pids="$pids $runtime"
	wait_for "the runtime to be ready" _is_ready
	start waiter w "go"
	echo yes >"$hub/inbox/w.go"
	echo no >"$hub/inbox/none"
	expect_output w "go=yes"
	start waiter v "go"
	wait_for "the refusal" test -e "$hub/inbox/.rejected/none.why"
	stop_runtime
	# the command line's own files are made with the umask of whoever uses it
	(cd "$hub" && find . ! -type l ! -name none -printf '%m %y %p\n' | sort -k3)
}

modes_do_not_depend_on_the_umask() {
	local open tight
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	new_hub
	open=$(_modes_with 000)
	tight=$(_modes_with 077)
	expect_eq "modes with umask 077" "$open" "$tight"
	expect_eq "what others may write" "" "$(awk '$1 ~ /[2367].$/ || $1 ~ /[2367]$/' <<<"$open")"
	expect_eq "files that others may read" "./FORMAT" "$(awk '$2 == "f" && $1 ~ /[4567]$/ { print $3 }' <<<"$open" | xargs)"
}

a_group_that_may_read_reads_and_does_nothing_else() {
	_begin waiter "go"
	stop_runtime
	printf '%s\n' "access: {read_group: '65533'}" >"$PAWL_CONFIG"
	start_ready
	expect_match "what a reader sees" 'w +waiter' "$(PAWL_CONFIG= setpriv --reuid=$other --regid=65533 --clear-groups "$PAWL" list 2>&1)"
	expect_match "what a reader reads" 'EventSubscribed' "$(PAWL_CONFIG= setpriv --reuid=$other --regid=65533 --clear-groups "$PAWL" history w 2>&1)"
	! setpriv --reuid=$other --regid=65533 --clear-groups touch "$hub/inbox/w.go" 2>/dev/null || fail "expected a reader not to drop"
	! PAWL_CONFIG= setpriv --reuid=$other --regid=65533 --clear-groups "$PAWL" raise w go 2>/dev/null || fail "expected a reader not to send"
	_may_not ls "$hub"
}

# ---- links, pipes, directories ----

# Refused files go where the dropper says? An envelope in control/ would be his to write then.
a_link_in_place_of_the_rejected_directory_leads_nowhere() {
	local place name=00000000000000000001+x
	_begin waiter "go never"
	printf '{"pawl":1,"kind":"terminate","id":"0123456789abcdef","instance":"w"}\n' >"$dir/envelope"
	for place in "$hub/inbox" "$events"; do
		as_other ln -s "$hub/control" "$place/.rejected" || fail "expected the link to be made"
		as_other cp "$dir/envelope" "$place/$name" # no name for an event: it is rejected
		wait_for "it to be rejected" _gone "$place/$name"
		as_other cp "$dir/envelope" "$place/$name"
		wait_for "the second to be rejected" _gone "$place/$name"
		expect_file "$place/.rejected-$name"
		expect_file "$place/.rejected-$name.why"
	done
	as_other rm "$events/.rejected"
	as_other ln -s "$dir/outside" "$events/.rejected"
	as_other sh -c ": >'$events/a+b'"
	wait_for "it to be rejected" _gone "$events/a+b"
	expect_eq "what is outside" "" "$(ls -A "$dir/outside")"
	expect_eq "what is in control/" "" "$(ls -A "$hub/control")"
	as_other sh -c "echo 1 >'$events/go'" # nothing of it was taken for a message
	wait_events w EventRaised 1
	expect_eq "status" Running "$(status_of w)"
}

what_is_no_file_is_refused_and_holds_up_nobody() {
	_begin waiter "go"
	as_other ln -s "$dir/secret" "$events/link"
	as_other ln -s "$hub/instances/w/1.history" "$hub/inbox/w.link"
	as_other mkfifo "$events/pipe"
	as_other mkdir -p "$events/dir/deep/er"
	as_other ln -s /dev/zero "$events/dev"
	for name in link pipe dir dev; do
		wait_for "'$name' to be rejected" _gone "$events/$name"
	done
	wait_for "the link in the inbox to be rejected" _gone "$hub/inbox/w.link"
	as_other sh -c "echo yes >'$events/go'"
	expect_output w "go=yes"
	_expect_no_secret
}

# As it can be made where fs.protected_hardlinks is off.
a_second_name_of_a_file_that_not_everybody_may_read_is_refused() {
	_begin waiter "go on"
	ln "$dir/secret" "$events/go"
	cp -p "$dir/secret" "$dir/another"
	ln "$dir/another" "$hub/inbox/w.go"
	wait_for "it to be rejected" test -e "$events/.rejected/go.why"
	wait_for "that in the inbox to be rejected" test -e "$hub/inbox/.rejected/w.go.why"
	expect_match "why" "second name" "$(cat "$events/.rejected/go.why")"
	rm "$events/.rejected/go" "$hub/inbox/.rejected/w.go"
	_expect_no_secret
	as_other sh -c "echo 1 >'$events/.x'; ln '$events/.x' '$events/go'; rm '$events/.x'"
	echo 2 >"$dir/public"
	ln "$dir/public" "$events/on"
	expect_output w "go=1 on=2"
}

a_file_that_becomes_a_link_while_it_is_looked_at_is_not_followed() {
	_begin collector "go 1000000" 'limits: {events_buffered_max: 100000}' 'drops: {rescan: 1s}'
	as_other "$attack" swap "$events/go" "$dir/secret" 1000 || fail "the attack itself failed"
	as_other "$attack" swap "$hub/inbox/w.go" "$dir/secret" 1000 || fail "the attack itself failed"
	wait_for "the last of it to be taken" _gone "$events/go"
	wait_for "the last of it in the inbox to be taken" _gone "$hub/inbox/w.go"
	find "$hub" -type l -delete # the links themselves, that were rejected
	_expect_no_secret
	expect_eq "status" Running "$(status_of w)"
	expect_eq "what was taken" plain "$("$PAWL" history w -o jsonl | sed -n 's/.*"EventRaised".*"data":"\([^"]*\)".*/\1/p' | sort -u)"
}

a_rejected_directory_that_is_swapped_for_a_link_leads_nowhere() {
	local n
	_begin waiter "go"
	as_other "$attack" swapdir "$hub/inbox/.rejected" "$dir/outside" 100000 2>/dev/null &
	pids="$pids $!"
	for n in {1..300}; do
		as_other sh -c "echo x >'$hub/inbox/bad$n'" || fail "expected the drop to work"
	done
	wait_for "the last to be rejected" _gone "$hub/inbox/bad300"
	expect_eq "what is outside" "" "$(ls -A "$dir/outside")"
}

# ---- floods ----

one_instance_in_a_flood_does_not_starve_another() {
	local left
	_begin waiter "go"
	start waiter x "go"
	stop_runtime
	as_other "$attack" flood "$events" noise@k 4000 noise || fail "the flood could not be made"
	as_other sh -c "echo yes >'$hub/instances/x/events/go'" # dropped last
	start_ready
	expect_output x "go=yes"
	left=$(ls "$events" | wc -l)
	echo "$left of 4000 wait when the other instance is done"
	[ "$left" -gt 1000 ] || fail "expected much of the flood to wait while another instance's event is taken; $left of 4000 are left"
	as_other sh -c "echo on >'$events/go'"
	expect_output w "go=on"
}

_is_small() { # DIR MAX
	[ "$(find "$1" -type f ! -name '*.why' | wc -l)" -le "$2" ]
}

what_is_rejected_is_bounded_and_so_is_the_log() {
	_begin waiter "go" 'drops: {rejected_max: 50, rejected_bytes_max: 64KiB}'
	as_other "$attack" flood "$events" 'bad name ' 700 x || fail "the flood could not be made"
	wait_for "all to be rejected" _gone "$events/bad name 700"
	as_other sh -c "echo x >'$events/one more'"
	wait_for "the last to be rejected" _gone "$events/one more"
	wait_for "the oldest to be removed" _is_small "$events/.rejected" 50
	as_other truncate -s 1T "$events/huge" || fail "expected a sparse file"
	wait_for "the huge file to be gone" _gone "$events/.rejected/huge"
	wait_for "the huge file to be rejected" _gone "$events/huge"
	expect_file "$events/.rejected/one more"
	[ "$(wc -l <"$log")" -lt 200 ] || fail "expected fewer than 200 lines in the log, it has $(wc -l <"$log")"
	as_other sh -c "echo yes >'$events/go'"
	expect_output w "go=yes"
}

_has_fewer() { [ "$(ls -U "$1" | wc -l)" -lt "$2" ]; }

starts_over_the_limit_wait_and_hold_up_nothing_else() {
	local left
	_begin waiter "go" 'limits: {instances_max: 20}'
	as_other "$attack" flood "$hub/inbox" 'waiter.start.' 1000 "go" || fail "the flood could not be made"
	wait_for "the runtime to say so" grep -q 'limits.instances_max.*wait in the inbox' "$log"
	expect_eq "live instances" 20 "$("$PAWL" list -o name | wc -l)"
	left=$(ls "$hub/inbox" | wc -l)
	expect_eq "starts that wait" 981 "$left"
	as_other sh -c "echo yes >'$hub/inbox/w.go'"
	expect_output w "go=yes"
	wait_for "the next to be started" _has_fewer "$hub/inbox" 981
}

# ---- activities ----

_tries() { # what an activity of another user can do where it runs
	cat >"$dir/activities/tries" <<-'END'
		#!/bin/sh
		try() { if "$@" >/dev/null 2>&1; then echo "could: $*"; fi; }
		try touch "$PAWL_HUB/x"
		try touch ../x
		try touch ../../events/go
		try touch "$PAWL_HUB/control/x"
		try touch "$PAWL_HUB/inbox/w.go"
		try cat ../../1.history
		try ls ../..
		try ls "$PAWL_HUB"
		try mv "$PAWL_WORK" "$PAWL_WORK.away"
		try rm claim result log carrier
		try sh -c 'echo >carrier'
		try sh -c 'echo >claim'
		[ -z "$SECRET_OF_THE_RUNTIME" ] || echo "could: see $SECRET_OF_THE_RUNTIME"
		touch mine heartbeat progress || echo "could not write its own directory"
		[ -n "$PATH" ] && [ -n "$PAWL_INSTANCE" ] || echo "has no environment"
		for fd in /proc/$$/fd/*; do # the shell has its script open
			case $(readlink "$fd") in pipe:* | /dev/null | */tries) ;; *) echo "has $fd: $(readlink "$fd")" ;; esac
		done
		echo done
	END
	chmod 755 "$dir/activities/tries"
}

an_activity_of_another_user_writes_its_own_directory_and_sees_no_more() {
	export SECRET_OF_THE_RUNTIME=TOP-SECRET
	_begin waiter "go" "activities: {tries: {user: '65532', group: '65532'}}"
	unset SECRET_OF_THE_RUNTIME
	_tries
	kill -HUP "$runtime"
	start once p tries
	expect_output p "done"
}

run_tests
