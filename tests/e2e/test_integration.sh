#!/usr/bin/env bash
# test_integration.sh - the commands in docs/integration.md, run against a real hub: each block "sh run" ends with 0, and
# has in what it prints each line of the block "text" behind it ("…" stands for anything).
. "$(dirname "$0")/lib.sh"

page=docs/integration.md

# A supervisor: the runtime is started again when it dies, until $dir/stop is there.
_supervise() {
	cat >"$dir/supervisor" <<-EOS
		#!/bin/sh
		while [ ! -e '$dir/stop' ]; do
			'$types' run $volatile 2>>'$log' &
			trap 'kill -TERM \$!' TERM
			wait \$!
		done
	EOS
	chmod +x "$dir/supervisor"
	: >"$log"
	"$dir/supervisor" &
	runtime=$!
	pids="$pids $runtime"
	wait_for "the runtime to be ready" _is_ready
}

# N.sh and N.text in $dir/blocks
_extract() {
	mkdir -p "$dir/blocks"
	awk -v dir="$dir/blocks" '
		/^```sh run$/ { n++; out = sprintf("%s/%02d.sh", dir, n); print FNR > (out ".line"); next }
		/^```text$/ && n { out = sprintf("%s/%02d.text", dir, n); next }
		/^```$/ { if (out) close(out); out = ""; next }
		out { print > out }' "$page"
}

_as_regex() { # LINE
	printf '%s\n' "$1" | sed -e 's/[][\\.*^$()+?{}|]/\\&/g' -e 's/…/.*/g'
}

the_commands_of_the_checklist_say_what_stands_there() {
	local block line n=0 stop
	[ -e "$page" ] || skip "not in the source tree"
	new_hub
	needs fs
	needs yaml
	[ -z "$volatile" ] || skip "the build folder is in memory, which the doctor calls a problem"
	mkdir "$dir/bin" "$dir/tmp"
	ln -s "$types" "$dir/bin/pawl"
	export PATH=$dir/bin:$PATH TMPDIR=$dir/tmp ACCEPTANCE_DIR=$dir/tmp
	PAWL=pawl # as on a device
	_supervise
	start waiter waits "a b"
	start echo ended result
	_extract
	for block in "$dir"/blocks/*.sh; do
		n=$((n + 1))
		timeout 120 sh -eu "$block" >"$dir/said" 2>"$dir/.err" || fail "line $(cat "$block.line") of $page ends with $?: $(cat "$block") says '$(tail -n 20 "$dir/said")' '$(cat "$dir/.err")'"
		[ -e "${block%.sh}.text" ] || fail "line $(cat "$block.line") of $page: nothing says what comes of it"
		while read -r line; do
			[ "$line" = "…" ] || grep -qxE -- "$(_as_regex "$line")" "$dir/said" ||
				fail "line $(cat "$block.line") of $page: expected '$line' from '$(cat "$block")', got '$(cat "$dir/said")' '$(cat "$dir/.err")'"
		done <"${block%.sh}.text"
	done
	[ "$n" -ge 20 ] || fail "only $n commands were found in $page"
	touch "$dir/stop"
	stop=$(sed -n 's/^pid //p' "$hub/LOCK")
	kill -TERM "$stop"
	wait_for "the runtime to stop" _is_gone "$stop"
}

run_tests
