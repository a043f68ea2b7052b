#!/usr/bin/env bash
# test_chaos.sh - everybody is killed, stopped and resumed at random: the runtime, shims, activities, outside workers. Then
# all of it comes to its end, nothing is lost, nothing that was recorded runs again, and nothing is left behind.
#
# PAWL_CHAOS_SECONDS (20) of it; PAWL_CHAOS_SEED repeats the order of the actions (what the machine does in them is its own).
. "$(dirname "$0")/lib.sh"

seconds=${PAWL_CHAOS_SECONDS:-20}
seed=${PAWL_CHAOS_SEED:-$((RANDOM % 32768))}
echo "seed $seed, $seconds s (PAWL_CHAOS_SEED, PAWL_CHAOS_SECONDS)"

_scripts() {
	# Each run is "begin KEY NONCE"; what is recorded has the nonce. Two of one key at a time: a line "beside".
	cat >"$dir/activities/job" <<-EOS
		#!/bin/sh
		key=\$(echo "\$PAWL_KEY" | tr / _)
		other=\$(cat '$dir/live/'\$key 2>/dev/null)
		state=
		[ -z "\$other" ] || state=\$(sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' /proc/\$other/status 2>/dev/null)
		case \$state in '' | Z | X) ;; *) [ "\$other" = \$\$ ] || echo "beside \$PAWL_KEY \$\$ \$other \$state" >>'$dir/ran' ;; esac
		echo \$\$ >'$dir/live/'\$key
		echo "begin \$PAWL_KEY \$PAWL_ATTEMPT.\$\$" >>'$dir/ran'
		n=\$((\$\$ % 15))
		while [ \$n -gt 0 ]; do
			n=\$((n - 1))
			echo "\$n to go" >progress
			sleep 0.06
		done
		case \$((\$\$ % 11)) in
		0) echo "no luck" >&2; exit 1 ;;
		1) echo 40ms >retry_after; exit 75 ;;
		2) kill -KILL \$\$ ;;
		esac
		rm -f '$dir/live/'\$key
		echo "made \$PAWL_ATTEMPT.\$\$"
	EOS
	cat >"$dir/item" <<-'EOS'
		#!/bin/sh
		sleep 0.0$(($$ % 10))
		case $(($$ % 9)) in
		0) exit 1 ;;
		1) echo 40ms >"$PAWL_WORK/retry_after"; exit 75 ;;
		esac
		echo "made $(cat)"
	EOS
	mkdir -p "$dir/live"
	chmod +x "$dir/activities/job" "$dir/item"
}

_start_worker() { # INDEX
	"$PAWL" work serve -a item -- "$dir/item" >>"$dir/worker.$1" 2>&1 &
	worker[$1]=$!
	pids="$pids $!"
}

_shims() {
	pgrep -f "pawl-shim work=$hub/"
}

_jobs() {
	pgrep -f "$dir/activities/job"
}

_one_of() { # PID...: sets $one; "" when there is none
	one=
	[ $# -eq 0 ] || { shift $((RANDOM % $#)) && one=$1; }
}

_pause() { # PID MS: of the machine's mercy; it goes on by itself
	[ -n "$1" ] && kill -STOP "$1" 2>/dev/null || return 0
	(sleep "$(printf '0.%03d' "$2")" && kill -CONT "$1") 2>/dev/null &
}

_more_work() {
	local n=$((++started))
	case $((RANDOM % 8)) in
	0 | 1) echo "$((1 + RANDOM % 4)) job x" >"$hub/inbox/many@i$n.start" ;;
	2) echo "$((1 + RANDOM % 5)) item y$n" >"$hub/inbox/tally@i$n.start" ;;
	3) echo "job x" >"$hub/inbox/race@i$n.start" && races="$races i$n" ;;
	4) echo "item z" >"$hub/inbox/race@i$n.start" && races="$races i$n" ;;
	5) echo "$((1 + RANDOM % 10)):5" >"$hub/inbox/chain@i$n.start" ;;
	6) echo $((RANDOM % 2000)) >"$hub/inbox/timer@i$n.start" ;;
	7) echo 3 >"$hub/inbox/failing@i$n.start" ;;
	esac
}

_act() {
	local k
	case $((RANDOM % 24)) in
	0 | 1) actions="$actions kill" && kill_runtime && start_runtime ;;
	2) actions="$actions stop" && kill -TERM "$runtime" 2>/dev/null && wait "$runtime" 2>/dev/null; start_runtime ;;
	3 | 4) _one_of $(_shims) && [ -z "$one" ] || kill -9 "$one" 2>/dev/null ;;
	5 | 6) _one_of $(_jobs) && [ -z "$one" ] || kill -9 "$one" 2>/dev/null ;;
	7 | 8) k=$((RANDOM % 3)) && kill -9 "${worker[k]}" 2>/dev/null; wait "${worker[k]}" 2>/dev/null; _start_worker $k ;;
	9) _pause "$runtime" $((RANDOM % 400)) ;;
	10) _one_of $(_shims) && _pause "$one" $((RANDOM % 900)) ;;
	11) _one_of $(_jobs) && _pause "$one" $((RANDOM % 999)) ;;
	12) _pause "${worker[RANDOM % 3]}" $((RANDOM % 900)) ;;
	13 | 14) kill -HUP "$runtime" 2>/dev/null ;;
	15 | 16) _one_of $races && [ -z "$one" ] || "$PAWL" -q raise "$one" stop 2>/dev/null ;;
	17) _one_of $(ls "$hub/instances") && "$PAWL" -q suspend "$one" 2>/dev/null && suspended="$suspended $one" ;;
	18) _one_of $suspended && [ -z "$one" ] || "$PAWL" -q resume "$one" 2>/dev/null ;;
	*) _more_work ;;
	esac
}

_chaos() {
	local end=$((SECONDS + seconds))
	RANDOM=$seed
	while [ $SECONDS -lt $end ]; do
		_act
		sleep "$(printf '0.%03d' $((RANDOM % 120)))"
		! grep -qsi 'damag\|quarantin\|please report' "$log" || fail "seed $seed: $(grep -i 'damag\|quarantin\|please report' "$log")"
	done
}

_all_end() {
	local id
	for id in $suspended; do "$PAWL" -q resume "$id" 2>/dev/null; done
	for id in $races; do "$PAWL" -q raise "$id" stop 2>/dev/null; done
	wait_for "all starts to be taken" sh -c "! ls '$hub/inbox' | grep -q start"
	mapfile -t ids < <("$PAWL" list -a -o name)
	expect_eq "instances" "$started" "${#ids[@]}"
	expect 0 "$PAWL" -q wait "${ids[@]}" --timeout "$((patience * 3))s"
}

_check_histories() {
	local id why
	for id in "${ids[@]}"; do
		"$PAWL" history "$id" -o jsonl >"$dir/history" || fail "the history of '$id' cannot be read"
		why=$(check_history <"$dir/history")
		[ -z "$why" ] || fail "the history of '$id' is wrong (seed $seed): $why"
		sed -n 's/.*"type":"ActivityCompleted".*"ref":\([0-9]*\).*"output":"made \([0-9]*\.[0-9]*\)".*/'"$id"'\/1\/\1 \2/p' "$dir/history"
	done >"$dir/recorded"
}

# What is recorded is the last run of its activity, so nothing ran after its result was known.
_check_runs() {
	! grep '^beside' "$dir/ran" || fail "two attempts of one activity ran at the same time (seed $seed): $(grep -m 1 '^beside' "$dir/ran")"
	awk '
	FILENAME ~ /recorded$/ { done[$1] = $2; next }
	$1 == "begin" { last[$2] = $3 }
	END { for (k in done) if (done[k] != last[k]) print k ": run " done[k] " was recorded, and then came run " last[k] }
	' "$dir/recorded" "$dir/ran" >"$dir/twice"
	[ ! -s "$dir/twice" ] || fail "seed $seed: $(head -n 1 "$dir/twice")"
}

_is_idle() {
	[ -z "$(_shims)$(_jobs)" ] && [ "$(find "$hub/work/ready" "$hub/work/claimed" "$hub/work/done" -type l | wc -l)" -eq 0 ]
}

_fds() { # but those of histories, which wait for the next checkpoint
	ls -l "/proc/$runtime/fd" | grep -vc '\.history'
}

nothing_is_lost_doubled_or_left_behind_whoever_is_killed() {
	local started=0 races='' suspended='' actions='' worker=() ids=() before n
	local forever='stuck_max: 1000, retry: {max_attempts: 1000, first: 20ms}'
	new_hub 'workers: {processes_max: 6}' "process: {on_stop: $([ $((seed % 2)) -eq 0 ] && echo leave || echo end)}" 'attempts: {stuck_max: 1000}' 'activities:' \
		"  job: {exec: [$dir/activities/job], running_max: 5, timeout: 3s, heartbeat: 500ms, grace: 200ms, $forever}" \
		"  item: {run_by: worker, timeout: 3s, $forever}"
	needs yaml
	_scripts
	start_ready
	: >"$dir/ran"
	for n in 0 1 2; do _start_worker $n; done
	_chaos
	kill -CONT "$runtime" "${worker[@]}" $(_shims) $(_jobs) 2>/dev/null
	kill_runtime
	start_ready
	_all_end
	wait_for "nothing to be left (seed $seed)" _is_idle
	before=$(_fds)
	for n in {1..20}; do _more_work; done
	_all_end
	wait_for "nothing to be left (seed $seed)" _is_idle
	[ "$(_fds)" -le "$before" ] || fail "the runtime has $(_fds) descriptors after more work, it had $before"
	_check_histories
	_check_runs
	stop_runtime
	echo "$started instances, $(grep -c ^begin "$dir/ran") runs for $(wc -l <"$dir/recorded") results, $GENERATION generations"
}

run_tests
