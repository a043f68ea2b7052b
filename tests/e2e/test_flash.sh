#!/usr/bin/env bash
# test_flash.sh - what is written, why, and what is not: counters of the runtime, idleness, and the calculator of a medium's life.
. "$(dirname "$0")/lib.sh"

e2e_root=$(cd "$(dirname "$0")/../.." && pwd)

# One number of `pawl metrics`: NAME, or NAME and its labels.
_metric() { # NAME
	"$PAWL" metrics 2>"$dir/.metrics" | awk -v name="pawl_$1" '$1 == name { print $2; found = 1 } END { exit !found }'
}

_needs_metrics() {
	needs metrics
	[ -r "/proc/$runtime/io" ] || skip "the kernel does not tell what a process has written (/proc/PID/io)"
	_metric commits_total >/dev/null || skip "this kernel has no memfd: nobody can look at the counters"
}

# All that was written so far, by the runtime's own counters and by the kernel's, and the state of each file of the hub.
_written() {
	"$PAWL" metrics | grep -E '^pawl_(written_bytes|syncs|names|commits)_total'
	grep -E '^(wchar|syscw|write_bytes|cancelled_write_bytes):' "/proc/$runtime/io"
	find "$hub" -printf '%P %s %T@ %C@\n' | sort
}

_rescans_are_over() { # NUMBER
	[ "$(_metric rescans_total)" -gt "$1" ]
}

# One rescan begins and ends behind this moment: the next but one.
_wait_rescan() {
	wait_for "a rescan" _rescans_are_over $(($(_metric rescans_total) + 1))
}

_is_quiet() {
	local before
	before=$(_written)
	_wait_rescan
	[ "$before" = "$(_written)" ]
}

_start_waiting() { # CONFIGURATION...
	new_hub "drops: {rescan: 1s, rescan_idle: 1s}" "$@"
	needs yaml
	start_ready
	start waiter w1 1
	start waiter w2 1
	start timer far 86400000
	start chain done1 5
	wait_events w1 EventSubscribed 1
	wait_events w2 EventSubscribed 1
	wait_events far TimerCreated 1
	expect 0 "$PAWL" -q wait done1 --timeout "${patience}s"
}

an_idle_runtime_writes_nothing() {
	local before
	_start_waiting
	_needs_metrics
	wait_for "the histories to be written, and quiet" _is_quiet
	before=$(_written)
	_wait_rescan
	_wait_rescan
	expect_eq "what is written when idle" "$before" "$(_written)"
	expect_eq "status" Running "$(status_of far)"
	# and the counters would show it
	start waiter w3 1
	wait_events w3 EventSubscribed 1
	[ "$before" != "$(_written)" ] || fail "a start of an instance was not counted"
}

an_idle_runtime_makes_no_system_call_that_writes() {
	_start_waiting
	_needs_metrics
	command -v strace >/dev/null || skip "needs strace"
	wait_for "the histories to be written, and quiet" _is_quiet
	strace -f -qq -p "$runtime" -o "$dir/trace" -e 'trace=fsync,fdatasync,syncfs,pwrite64,pwritev,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,symlinkat,linkat,ftruncate,fallocate,chmod,fchmod,fchmodat,fchown,utimensat,inotify_init1,getdents64' 2>"$dir/trace.err" &
	pids="$pids $!"
	tracer=$!
	wait_for "strace to be there, or gone" _traces_or_gone "$tracer"
	[ -s "$dir/trace" ] || skip "strace may not attach: $(head -n 1 "$dir/trace.err")"
	_wait_rescan
	kill -INT "$tracer"
	wait "$tracer" 2>/dev/null
	expect_eq "calls that write" "" "$(grep -v 'getdents64' "$dir/trace" | head -n 5)"
}

# The rescan itself lists directories: so it is seen when it works.
_traces_or_gone() {
	[ -s "$dir/trace" ] || ! kill -0 "$1" 2>/dev/null
}

who_reads_writes_nothing_to_the_hub() {
	local before verb
	_start_waiting
	_needs_metrics
	wait_for "the histories to be written, and quiet" _is_quiet
	before=$(_written)
	for verb in "status w1" "status --io" "status --io -o json" metrics "list -a" "history far" activities queue types "get w1 no-such-key" "tree w1" "graph far"; do
		# shellcheck disable=SC2086
		"$PAWL" $verb >/dev/null 2>&1
	done
	expect_eq "what is written while others look" "$before" "$(_written)"
}

status_io_tells_what_was_written_and_why() {
	local before after
	_start_waiting
	_needs_metrics
	expect 0 "$PAWL" status --io
	expect_match "table" "runtime +pid $runtime, since 20" "$out"
	expect_match "table" 'commit +[1-9][0-9]* +[1-9][0-9]* +0' "$out"
	expect_match "table" 'segment +1[0-9]{7} ' "$out" # three of 4 MiB were filled with zeros
	expect_match "table" 'medium +.+' "$out"
	expect 0 "$PAWL" status --io -o json
	expect_json "status --io -o json" "$out"
	expect_match "record" "\"runtime\":\"pid $runtime\"" "$out"
	before=$(_metric 'written_bytes_total{cause="payload"}')
	expect_eq "bytes of payloads, before there is one" 0 "$before"
	head -c 40000 /dev/zero | tr '\0' x >"$dir/large"
	expect 0 "$PAWL" -q start echo --id large -i "@$dir/large"
	expect 0 "$PAWL" -q wait large --timeout "${patience}s"
	after=$(_metric 'written_bytes_total{cause="payload"}')
	[ "$after" -ge 40000 ] || fail "a payload of 40000 bytes is counted as $after"
	"$PAWL" raise w1 go -d x >/dev/null 2>&1
	expect 0 "$PAWL" -q purge large -y
	wait_for "the removal to be counted" eval '[ "$(_metric "names_total{cause=\"removal\"}")" -gt 0 ]'
}

metrics_are_text_that_prometheus_reads() {
	_start_waiting
	_needs_metrics
	expect 0 "$PAWL" metrics
	expect_eq "lines of another form" "" "$(grep -vE '^# (HELP|TYPE) pawl_[a-z_]+ .+$|^pawl_[a-z_]+(\{[a-z]+="[A-Za-z]+"(,[a-z]+="[A-Za-z]+")*\})? [0-9]+$' "$dir/.out")"
	expect_eq "metrics that are told twice" "" "$(grep -v '^#' "$dir/.out" | cut -d' ' -f1 | sort | uniq -d)"
	expect_eq "metrics without a type" "" "$(awk '/^# TYPE/ { typed[$3] } /^pawl/ { sub(/[{ ].*/, ""); if (!($0 in typed)) print }' "$dir/.out")"
	expect_eq "up" 1 "$(_metric up)"
	wait_for "two waiters and a timer" eval '[ "$(_metric "instances{status=\"Running\"}")" = 3 ]'
	expect 0 "$PAWL" -q suspend w2
	wait_for "a suspended one" eval '[ "$(_metric "instances{status=\"Suspended\"}")" = 1 ]'
	expect_eq "running ones" 2 "$(_metric 'instances{status="Running"}')"
	expect 0 "$PAWL" -q terminate w1 w2
	wait_for "them to be gone" eval '[ "$(_metric "instances{status=\"Running\"}")" = 1 ]'
	expect_eq "suspended ones" 0 "$(_metric 'instances{status="Suspended"}')"
	if command -v promtool >/dev/null; then
		"$PAWL" metrics | promtool check metrics >"$dir/promtool" 2>&1 || fail "promtool: $(cat "$dir/promtool")"
	fi
}

without_a_runtime_that_is_said() {
	_start_waiting
	_needs_metrics
	stop_runtime
	expect 0 "$PAWL" status --io
	expect_match "status --io" 'runtime +there is no runtime: start one with' "$out"
	expect 0 "$PAWL" status --io -o json
	expect_json "status --io -o json" "$out"
	expect_match "record" '"unknown":"there is no runtime' "$out"
	expect 0 "$PAWL" metrics
	expect_match "metrics" 'pawl_up 0' "$out"
	expect_no_match "metrics" pawl_commits_total "$out"
	expect_match "note" 'there is no runtime' "$err"
	expect 2 "$PAWL" status --io w1
	expect_match "--io with an id" 'takes no ID' "$err"
	expect 2 "$PAWL" status
	expect_match "no id" 'which instance' "$err"
}

the_calculator_takes_figures_and_records() {
	local life="$e2e_root/scripts/flash-life.sh"
	expect 0 "$life" -s 4G -d 86400
	expect_match "years" 'life +10\.0 years' "$out"
	expect 0 "$life" -s 4G -d 86400 -f 8 -r 0 -p 6000
	expect_match "years with other figures" 'life +19\.9 years' "$out"
	# 1000 bytes and 10 syncs of 4096 in a day: 41,960 bytes
	echo '{"v":1,"runtime":"pid 1","seconds":86400,"commits":10,"written":{"bytes":1000,"syncs":10,"names":1},"causes":{"other":{"bytes":7,"syncs":7,"names":7}}}' >"$dir/record"
	expect 0 "$life" -s 1M -p 1000 -f 1 -r 0 -j "$dir/record"
	expect_match "years of a record" 'life +68\.4 years' "$out"
	expect 1 "$life" -s 4G -d many
	expect_match "no number" "'many' is not a number" "$err"
	expect 1 "$life" -s 4.x -d 5
	echo '{"v":1,"runtime":"","unknown":"there is no runtime"}' >"$dir/record"
	expect 1 "$life" -s 4G -j "$dir/record"
	expect_match "no counters" 'there is no runtime' "$err"
	expect 2 "$life"
	expect 2 "$life" -s 4G
	expect 2 "$life" -s 4G -d 5 -j "$dir/record"
}

the_calculator_reads_what_a_runtime_tells() {
	_start_waiting
	_needs_metrics
	wait_for "a second to be over" eval '[[ $("$PAWL" status --io -o json) =~ \"seconds\":[1-9] ]]'
	"$PAWL" status --io -o json >"$dir/record"
	expect 0 "$e2e_root/scripts/flash-life.sh" -s 4G -j "$dir/record"
	expect_match "years" 'life +[0-9]+\.[0-9] years' "$out"
}

run_tests
