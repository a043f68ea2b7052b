#!/usr/bin/env bash
# test_faults.sh - the real programs on the real kernel, while the n-th call of a kind fails (fault_preload.c): exit codes and
# messages of the verbs, a hub that is whole afterwards, nothing left behind. $PAWL_FAULT_STRIDE=1 tries every n.
. "$(dirname "$0")/lib.sh"

stride=${PAWL_FAULT_STRIDE:-17}

_preload() {
	told=$dir/told healed=$dir/healed
	LD_PRELOAD=$e2e/bin/faults.so PAWL_FAULT=open:EIO:1+ PAWL_FAULT_TOLD=$told "$types" list >/dev/null 2>&1
	[ -s "$told" ] || skip "this build takes no LD_PRELOAD"
	rm -f "$told"
}

_with_fault() { # FAULT COMMAND...
	local fault=$1
	shift
	rm -f "$told"
	LD_PRELOAD=$e2e/bin/faults.so PAWL_FAULT=$fault PAWL_FAULT_TOLD=$told PAWL_FAULT_HEALED=$healed "$@"
}

# A hub with something of everything, and no runtime.
_sample_hub() {
	new_hub
	_preload
	start_ready
	start chain ended 3
	start waiter waits "go on"
	wait_status ended Completed
	wait_events waits EventSubscribed 1
	stop_runtime
}

# The verb with each fault: no signal, and a message when it fails; when it says that all is well it has said the same as
# without one.
_every_fault() { # "CALL:ERRNO..." VERB...
	local kinds=$1 kind error n reference tried=0
	shift
	reference=$("$types" "$@" 2>/dev/null) || fail "'pawl $*' does not work without a fault"
	for kind in $kinds; do
		error=${kind#*:}
		for ((n = 1 + $# % stride; ; n += stride)); do
			try _with_fault "$kind:$n" "$types" "$@"
			[ -s "$told" ] || break
			tried=$((tried + 1))
			case $code in
			0) [ "$out" = "$reference" ] || fail "'pawl $*' says that all is well, and something else, after $(head -n 1 "$told") ($error): '${out:0:300}'" ;;
			1 | 7 | 75 | 4) [ -n "$err" ] || fail "'pawl $*' exits with $code and says nothing after $(head -n 1 "$told") ($error)" ;;
			*) fail "'pawl $*' exits with $code after $(head -n 1 "$told") ($error): '${err:0:300}'" ;;
			esac
			[ $n -lt 2000 ] || fail "'pawl $*' makes more than 2000 calls"
		done
	done
	echo "pawl $*: $tried faults"
}

readers="open:EMFILE open:EIO read:EIO list:EIO malloc:ENOMEM close:EIO write:ENOSPC"

verbs_that_read_tell_the_truth_or_that_they_cannot() {
	_sample_hub
	_every_fault "$readers" list -a -o jsonl
	_every_fault "$readers" status ended -o json
	_every_fault "$readers" history ended -o jsonl
	_every_fault "$readers" get ended output
	_every_fault "$readers" wait ended
	_every_fault "$readers" types
}

verbs_do_not_say_that_all_is_well_when_nobody_can_read_it() {
	local verb
	_sample_hub
	for verb in "list -a" "list -a -o json" "status ended" "status ended -o yaml" "history ended" "history ended -o jsonl" "get ended output" \
		"wait ended" "tree ended" "types" "activities" "version" "help" "export ended" "graph ended" "queue list" "start chain -o json"; do
		# shellcheck disable=SC2086
		"$types" $verb >"$dir/.out" 2>"$dir/.err" || continue
		[ -s "$dir/.out" ] || continue
		# shellcheck disable=SC2086
		"$types" $verb >/dev/full 2>"$dir/.err" && fail "'pawl $verb' says nothing to a full disk, and that all is well"
		grep -q "space" "$dir/.err" || fail "'pawl $verb > /dev/full' does not say why it fails: $(cat "$dir/.err")"
	done
}

# Durable when it says so, and not half of it when it does not.
verbs_that_write_have_done_what_they_say() {
	local kind n k=0 tried=0 what
	_sample_hub
	for kind in open:EMFILE write:ENOSPC write:EDQUOT sync:EIO close:EIO rename:EIO mkdir:EROFS malloc:ENOMEM; do
		for ((n = 1 + k % 3; ; n += (stride + 1) / 2)); do
			k=$((k + 1))
			try _with_fault "$kind:$n" "$types" -q start chain --id "f$k" -i 1
			[ -s "$told" ] || break
			tried=$((tried + 1))
			what="after $(head -n 1 "$told") ($kind)"
			[ $code -lt 128 ] || fail "start ends with $code $what"
			[ $code -eq 0 ] || [ -n "$err" ] || fail "start exits with $code and says nothing $what"
			[ $code -ne 0 ] || [ -e "$hub/instances/f$k/start" ] || fail "start says that it is done, and it is not, $what"
			[ $code -eq 0 ] || [ ! -e "$hub/instances/f$k/start" ] || echo "f$k" >>"$dir/perhaps"
			[ $code -ne 0 ] || echo "f$k" >>"$dir/started"
		done
		for ((n = 1 + k % 3; ; n += (stride + 1) / 2)); do
			k=$((k + 1))
			try _with_fault "$kind:$n" "$types" -q raise waits go -d "$k"
			[ -s "$told" ] || break
			tried=$((tried + 1))
			[ $code -lt 128 ] || fail "raise ends with $code after $(head -n 1 "$told") ($kind)"
			[ $code -eq 0 ] || [ -n "$err" ] || fail "raise exits with $code and says nothing after $(head -n 1 "$told") ($kind)"
		done
	done
	start_ready
	while read -r what; do expect_output "$what" "1 steps"; done <"$dir/started"
	[ ! -e "$dir/perhaps" ] || while read -r what; do expect_output "$what" "1 steps"; done <"$dir/perhaps"
	stop_runtime
	expect_eq "what is left of starts that failed" "" "$(find "$hub/instances" -name '.start-*')"
	echo "$tried faults"
}

_is_told() { [ -s "$told" ]; }

_ended_or() { # COMMAND...
	_is_gone "$runtime" || "$@"
}

_no_more_fds() { [ "$(_fds)" -le "$1" ]; }

_fds() { find "/proc/$runtime/fd" 2>/dev/null | wc -l; }

# A runtime whose n-th call fails: work is done all the same, by it or, when it could not start or go on, by the next one.
_faulty_runtime() { # FAULT
	new_hub
	program=$types
	if [ -d "$dir/empty" ]; then
		rm -rf "$hub" "$healed" && cp -a "$dir/empty" "$hub"
	else
		_preload
		start_ready
		stop_runtime
		cp -a "$hub" "$dir/empty"
	fi
	rm -f "$told"
	printf '#!/bin/sh\ncat\n' >"$dir/activities/cat.sh"
	chmod +x "$dir/activities/cat.sh"
	start chain before 2
	printf '#!/bin/sh\nLD_PRELOAD="%s" PAWL_FAULT="%s" PAWL_FAULT_TOLD="%s" PAWL_FAULT_HEALED="%s" exec "%s" "$@"\n' "$e2e/bin/faults.so" "$1" "$told" \
		"$healed" "$types" >"$dir/faulty"
	chmod +x "$dir/faulty"
	program=$dir/faulty
	start_runtime
	wait_for "the runtime to be ready or gone" _is_ready_or_gone
	start chain during 3
	start waiter w "go on"
	start once p "cat.sh text"
	wait_for "w to be there" test -d "$hub/instances/w/events"
	echo yes >"$hub/instances/w/events/.go.tmp" && mv "$hub/instances/w/events/.go.tmp" "$hub/instances/w/events/go"
	"$types" -q raise w on -d too || fail "raise fails"
}

_all_done() {
	_has_status before Completed && _has_status during Completed && _has_status w Completed && _has_status p Completed
}

_check_all() { # WHAT
	local id
	expect_output before "2 steps"
	expect_output during "3 steps"
	expect_output w "go=yes on=too"
	expect_output p text
	for id in before during w p; do
		expect_eq "history of '$id' $1" "" "$("$PAWL" history "$id" -o jsonl | check_history)"
	done
	expect_eq "what was rejected $1" "" "$(find "$hub" -path '*.rejected/*' -not -name '.*')"
}

_run_with() { # FAULT: once
	local what
	_faulty_runtime "$1"
	wait_for "all to be done with $1" _ended_or _all_done
	_is_told || return 1
	what="after $(head -n 1 "$told") ($1)"
	if _is_gone "$runtime"; then
		wait "$runtime" && fail "the runtime has ended $what, and says that all is well"
		grep -q "error: \|pawl: \|types: " "$log" || fail "the runtime has ended $what without a word: $(cat "$log")"
		program=$types
		start_ready
	fi
	_check_all "$what"
	stop_runtime
}

one_failure_costs_nothing() {
	local kind n first=2 last fault tried=0 kinds="write:EIO sync:EIO open:EMFILE rename:EIO fork:EAGAIN malloc:ENOMEM"
	[ "$stride" -ne 1 ] || kinds="$kinds write:ENOSPC mkdir:EDQUOT unlink:EROFS read:EIO watch:ENOSPC thread:EAGAIN epoll:EIO close:EIO"
	for kind in $kinds; do
		first=$((stride == 1 ? 1 : first + 1)) # not the same n of each kind
		last=$((stride == 1 ? 100000 : first))
		case $kind in
		malloc:* | fork:* | thread:* | epoll:* | watch:*) fault= ;;
		*) fault=:/hub ;; # the activities write elsewhere
		esac
		[ $kind != fork:EAGAIN ] || [ "$stride" -eq 1 ] || { first=1 last=1; }
		for ((n = first; n <= last; n++)); do
			_run_with "$kind:$n$fault" || break
			tried=$((tried + 1))
		done
	done
	echo "$tried faults"
}

# Until it heals, then by itself: that is what a stall is.
_stall_and_heal() { # FAULT
	_faulty_runtime "$1"
	wait_for "the failure to come" _is_told
	_is_gone "$runtime" && fail "the runtime ends with $1: $(tail -n 2 "$log")"
	wait_for "somebody to be told of $1" grep -qE "error: |warning: |is deferred" "$log"
	[ "$(wc -l <"$log")" -lt 200 ] || fail "the log is flooded with $1: $(tail -n 1 "$log")"
	: >"$healed"
	wait_for "all to be done when $1 is over" _ended_or _all_done
	_is_gone "$runtime" && fail "the runtime ends with $1: $(tail -n 2 "$log")"
	_check_all "after $1"
	stop_runtime
}

storage_that_fails_for_some_time_stalls_and_goes_on() {
	local fault
	for fault in write:ENOSPC:1+:hub/journal/ open:EMFILE:66+; do _stall_and_heal "$fault"; done
	[ "$stride" -eq 1 ] || return 0
	for fault in sync:EIO:1+:journal/ fork:EAGAIN:1+ write:EDQUOT:1+:hub/journal/ write:EROFS:8+:hub/ read:EIO:30+:hub/ rename:EIO:12+:hub/; do _stall_and_heal "$fault"; done
}

no_descriptor_stays_open_after_trouble() {
	local before
	_faulty_runtime open:EMFILE:100000 # the same without trouble
	wait_for "all to be done" _all_done
	before=$(_fds)
	stop_runtime
	_faulty_runtime open:EMFILE:66+
	wait_for "the failure to come" _is_told
	: >"$healed"
	wait_for "all to be done" _all_done
	wait_for "no more descriptors than without trouble ($before)" _no_more_fds "$before"
	stop_runtime
}

interrupted_calls_and_short_reads_and_writes_change_nothing() {
	local seed
	for seed in $([ "$stride" -eq 1 ] && echo 1 2 3 4 5 6 7 8 || echo 1 2); do
		_faulty_runtime "short:$seed"
		_is_gone "$runtime" && fail "the runtime ends with short:$seed: $(tail -n 2 "$log")"
		wait_for "all to be done" _ended_or _all_done
		_check_all "with short:$seed"
		_with_fault "short:$seed" "$types" -q start chain "--id=short$seed" -i 1 || fail "start fails with short:$seed"
		expect_output "short$seed" "1 steps"
		expect_eq "list with short:$seed" "$("$types" list -a -o jsonl)" "$(_with_fault "short:$seed" "$types" list -a -o jsonl)"
		stop_runtime
	done
}

the_table_of_system_calls_hides_interruptions_and_short_transfers() {
	local seed what
	new_hub
	_preload
	[ -x "$BUILD/tests/unit/test_os_linux" ] || skip "the unit tests are not built"
	for seed in 1 2 3 4 5; do
		_with_fault "short:$seed" "$BUILD/tests/unit/test_os_linux" >"$dir/out" 2>&1
		# tests that open or read something by themselves, beside the table
		what=$(grep -a '^\[  FAILED  \] test_' "$dir/out" | grep -v -e test_a_broken_lease_does_not_kill -e test_a_zombie_is_not_alive)
		[ -z "$what" ] || fail "with short:$seed: $what"
		grep -q 'PASSED' "$dir/out" || fail "with short:$seed: $(tail -n 2 "$dir/out")"
	done
}

run_tests
