#!/usr/bin/env bash
# test_kill.sh - the runtime is killed at random moments, again and again: nothing is lost and nothing is done twice.
#
# PAWL_KILL_ROUNDS (200) kills; PAWL_KILL_SEED repeats a series of moments (what the machine does in them is its own).
. "$(dirname "$0")/lib.sh"

rounds=${PAWL_KILL_ROUNDS:-200}
seed=${PAWL_KILL_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "seed $seed, $rounds rounds (PAWL_KILL_SEED, PAWL_KILL_ROUNDS)"

# What runs between the kills: chains, fans, retries and timers, started by files and by messages, and collectors that get
# their events as drops.
_start_some() { # ROUND
	local n=$1
	case $((n % 10)) in
	0) expect 0 "$PAWL" -q start collector --id "collector-$n" -i "go 10" && fed[$n]=0 ;;
	3) echo 10 >"$hub/inbox/fan@fan-$n.start" ;;
	6) echo 3 >"$hub/inbox/failing@failing-$n.start" ;;
	9) echo 30 >"$hub/inbox/timer@timer-$n.start" ;;
	*) echo "$((5 + RANDOM % 25)):$((RANDOM % 3))" >"$hub/inbox/chain@chain-$n.start" ;;
	esac
}

# One event for each collector that wants more: for some a file, for others a message (in order each, but not together).
_feed() {
	local c id
	for c in "${!fed[@]}"; do
		[ "${fed[$c]}" -lt 10 ] || continue
		id=collector-$c
		[ -d "$hub/instances/$id/events" ] || continue
		fed[$c]=$((fed[$c] + 1))
		if [ $((c % 20)) -eq 0 ]; then
			expect 0 "$PAWL" -q raise "$id" go -d "${fed[$c]}"
		else
			echo "${fed[$c]}" >"$hub/instances/$id/events/go@k${fed[$c]}"
		fi
	done
}

# Mostly soon after the start, in recovery, but also far into the work.
_random_ms() {
	case $((RANDOM % 4)) in
	0) echo $((RANDOM % 15)) ;;
	1 | 2) echo $((RANDOM % 80)) ;;
	3) echo $((RANDOM % 250)) ;;
	esac
}

_kill_rounds() {
	local n
	RANDOM=$((seed % 32768))
	for ((n = 1; n <= rounds; n++)); do
		start_runtime
		_start_some "$n"
		_feed
		sleep "$(printf '0.%03d' "$(_random_ms)")"
		kill_runtime
		! grep -qsi 'damag\|quarantin' "$log" || fail "damage after kill $((n - 1)) (seed $seed): $(grep -i 'damag\|quarantin' "$log")"
	done
}

# What the collectors have not got yet.
_rest() {
	local c left=1 end=$((SECONDS + patience))
	while [ $left -eq 1 ] && [ $SECONDS -lt $end ]; do
		left=0
		for c in "${!fed[@]}"; do
			[ "${fed[$c]}" -ge 10 ] || left=1
		done
		_feed
	done
}

# The history's side: whole, and it says of each step which generation's run was recorded.
_check_histories() {
	local id why
	for id in "${ids[@]}"; do
		"$PAWL" history "$id" -o jsonl >"$dir/history" || fail "the history of '$id' cannot be read"
		why=$(check_history <"$dir/history")
		[ -z "$why" ] || fail "the history of '$id' is wrong (seed $seed): $why"
		sed -n 's/.*"type":"ActivityCompleted".*"output":"done \([0-9]*\) of generation \([0-9]*\)".*/'"$id"' \1 \2/p' "$dir/history"
	done >"$dir/recorded"
}

# Against what the activities wrote themselves: of each step the recorded run was the last one, so none ran again after its
# completion was recorded; one run for each generation, so it ran again only after a kill; and a chain's step never ran after
# a later one had begun.
_check_runs() {
	awk -v recorded="$dir/recorded" '
	BEGIN { while ((getline line < recorded) > 0) { split(line, f, " "); done[f[1] " " f[2]] = f[3] } }
	{
		sub(/:.*/, "", $2)
		step = $1 " " $2
		if (step in last && last[step] + 0 >= $4 + 0) { print step " ran twice in generation " $4; bad = 1; exit }
		last[step] = $4
		if ($1 ~ /^chain-/) {
			if ($2 + 0 < newest[$1] + 0) { print step " ran after step " newest[$1] " had begun"; bad = 1; exit }
			newest[$1] = $2
		}
		runs++
	}
	END {
		if (bad) exit
		for (s in last) if (!(s in done)) { print s " ran, but no result is recorded"; exit }
		for (s in done) if (done[s] != last[s]) { print s " was recorded in generation " done[s] " and ran again in " last[s]; exit }
	}' "$E2E_LOG"
}

nothing_is_lost_or_done_twice_when_the_runtime_is_killed_at_any_moment() {
	local -A fed=()
	local ids=() why n
	new_hub 'journal: {segment_bytes: 64KiB}'
	start_ready # makes the hub
	stop_runtime
	_kill_rounds
	start_ready
	_rest
	mapfile -t ids < <("$PAWL" list -a -o name)
	expect_eq "instances" "$rounds" "${#ids[@]}"
	expect 0 "$PAWL" -q wait "${ids[@]}" --timeout "$((patience * 2))s"
	for n in "${!fed[@]}"; do
		expect_output "collector-$n" "1 2 3 4 5 6 7 8 9 10"
	done
	_check_histories
	why=$(_check_runs)
	[ -z "$why" ] || fail "$why (seed $seed)"
	stop_runtime
	echo "$(wc -l <"$E2E_LOG") runs for $(wc -l <"$dir/recorded") recorded steps"
}

what_was_told_to_a_client_is_there_after_a_kill() {
	local n id
	new_hub
	for n in {1..15}; do
		start_ready
		id=w$n
		start waiter $id "a b"
		expect 0 "$PAWL" -q raise $id a -d "$n"
		kill_runtime
		try "$PAWL" status $id
		expect_eq "status of '$id' is read after a kill: exit code" 0 "$code"
		start_ready
		expect 0 "$PAWL" -q raise $id b -d x
		expect_output $id "a=$n b=x"
		kill_runtime
		expect_eq "status of '$id' after it was told to be complete" Completed "$(status_of $id)"
	done
}

a_timer_that_was_killed_with_the_runtime_is_neither_lost_nor_begun_anew() {
	new_hub
	start_ready
	start timer t 5000
	local due=$((SECONDS + 5)) ready n
	for n in 1 2 3 4; do
		sleep 1
		kill_runtime
		start_ready
	done
	ready=$SECONDS
	[ $ready -gt $due ] || ready=$due
	expect_output t slept
	[ $((SECONDS - ready)) -le $((1 + short)) ] || fail "expected a timer of 5 s to end then, it ended $((SECONDS - ready)) s later"
	expect_eq "timers in the history" 1 "$(count_events t TimerFired)"
}

an_attempt_that_had_failed_before_a_kill_counts() {
	new_hub
	start_ready
	start failing f 3
	wait_events f ActivityRetrying 1
	kill_runtime
	start_ready
	expect_output f "attempt 4"
	kill_runtime
	expect_eq "failures in the history" 3 "$(count_events f ActivityRetrying)"
}

# A child of the killed one, which has not become its program yet, has its lock.
a_lock_that_outlives_a_kill_for_a_moment_is_waited_for() {
	command -v flock >/dev/null || skip "there is no flock"
	new_hub
	needs fs
	start_ready
	kill_runtime
	mkfifo "$dir/locked"
	flock "$hub/LOCK" sh -c "echo yes >'$dir/locked'; sleep 0.7" &
	pids="$pids $!"
	read -r _ <"$dir/locked"
	start_ready
	# that of one who is there is not
	expect 75 "$program" run $volatile
	expect_match "who" "in use by another runtime .pid $runtime" "$err"
	stop_runtime
}

run_tests
