#!/usr/bin/env bash
# lane.sh kill|steady - one lane of the soak (README.md). $LANE_SECONDS, $LANE_EPOCH, $LANE_SEED, $LANE_DIR.
: "${LANE_SECONDS:?}" "${LANE_EPOCH:?}" "${LANE_SEED:?}" "${LANE_DIR:?}"
lane=${1:?kill or steady}
. "$(dirname "$0")/../e2e/lib.sh"

seed=$LANE_SEED
patience=${E2E_PATIENCE:-120} # the machine has other things to do, and the clock is no verdict here
kills=0 stops=0 fulls=0 jumps=0 floods=0 events=0 starts=0 cancels=0 shots=0 pauses=0 rejected=0 results=0 runs=0

# ---- the place: a small file system of its own where that is allowed, so that it can be full ----

_make_place() {
	dir=$LANE_DIR/$lane
	mkdir -p "$dir/mount"
	if [ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 >/dev/null && truncate -s 256M "$dir/disk" &&
		mkfs.ext4 -q -i 4096 -m 0 "$dir/disk" 2>/dev/null && mount -o loop "$dir/disk" "$dir/mount" 2>/dev/null; then
		mounts=$dir/mount
		echo "$lane: the hub is on an ext4 of its own in a loop device"
	else
		echo "$lane: no loop device for us: the disk is never full"
	fi
	mkdir -p "$dir/mount/stage"
}

_fill() {
	[ -n "$mounts" ] && [ -z "$full_until" ] || return 0
	dd if=/dev/zero of="$dir/mount/filler" bs=64k 2>/dev/null
	dd if=/dev/zero bs=512 2>/dev/null >>"$dir/mount/filler"
	fulls=$((fulls + 1)) full_until=$((SECONDS + 1 + RANDOM % 2))
}

_empty() {
	[ -n "$full_until" ] || return 0
	rm -f "$dir/mount/filler"
	full_until=
}

# The runtime believes in a wall clock that is wrong by the seconds in $dir/clock.
_bend_clock() {
	bent=
	[ -e "$BUILD/e2e/bin/clock.so" ] && LD_PRELOAD=$BUILD/e2e/bin/clock.so "$types" version >/dev/null 2>&1 || return 0
	echo 0 >"$dir/clock"
	printf '#!/bin/sh\nE2E_CLOCK="%s" LD_PRELOAD="%s" exec "%s" "$@"\n' "$dir/clock" "$BUILD/e2e/bin/clock.so" "$types" >"$dir/bent"
	chmod +x "$dir/bent"
	program=$dir/bent bent=1
}

_jump() {
	[ -n "$bent" ] || return 0
	case $((RANDOM % 4)) in
	0) echo 0 ;;
	1) echo $((RANDOM - 16384)) ;;
	2) echo $(((RANDOM % 60 - 30) * 86400)) ;;
	3) echo $(((RANDOM % 2) * 31536000)) ;;
	esac >"$dir/.clock" && mv "$dir/.clock" "$dir/clock"
	jumps=$((jumps + 1))
}

# ---- programs ----

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
		n=\$((\$\$ % 5))
		while [ \$n -gt 0 ]; do
			n=\$((n - 1))
			echo "\$n to go" >progress
			sleep 0.05
		done 2>/dev/null
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
	"$PAWL" work serve -a item -- "$dir/item" >"$dir/worker.$1" 2>&1 &
	worker[$1]=$!
	pids="$pids $!"
}

_shims() { pgrep -f "pawl-shim work=$hub/"; }
_jobs() { pgrep -f "$dir/activities/job"; }

_one_of() { # PID...: sets $one; "" when there is none
	one=
	[ $# -eq 0 ] || { shift $((RANDOM % $#)) && one=$1; }
}

_shoot() { # PID
	[ -n "$1" ] && kill -9 "$1" 2>/dev/null && shots=$((shots + 1))
}

_pause() { # PID MS: it goes on by itself
	[ -n "$1" ] && kill -STOP "$1" 2>/dev/null || return 0
	pauses=$((pauses + 1))
	(sleep "$(printf '0.%03d' "$2")" && kill -CONT "$1") 2>/dev/null &
}

# ---- load. $acked: ids whose start is on the disk; $maybe: those whose start failed, which may be there all the same ----

_drop() { # NAME TEXT: a file for the inbox, whole or not at all
	echo "$2" 2>/dev/null >"$dir/mount/stage/drop" && mv "$dir/mount/stage/drop" "$hub/inbox/$1" 2>/dev/null
}

_launch() { # TYPE ID INPUT
	starts=$((starts + 1))
	if _drop "$1@$2.start" "$3"; then acked="$acked $2"; else maybe="$maybe $2"; fi
}

_launch_now() { # TYPE ID INPUT: by a message
	starts=$((starts + 1))
	if "$PAWL" -q start "$1" --id "$2" -i "$3" >/dev/null 2>&1; then acked="$acked $2"; else maybe="$maybe $2" && return 1; fi
}

# All events of a collector at once. Each has a key, so that it does no harm to send all of them again.
_feed() { # ID COUNT
	local n stage=$dir/mount/stage/$1
	[ -d "$hub/instances/$1/events" ] && mkdir -p "$stage" 2>/dev/null || return 0
	for ((n = 1; n <= $2; n++)); do
		echo $n >"$stage/go@k$n" || break
	done 2>/dev/null
	[ "$n" -le "$2" ] || mv "$stage"/* "$hub/instances/$1/events/" 2>/dev/null
	rm -rf "$stage"
	events=$((events + $2))
}

_flood() { # ID
	local count=$((50 + RANDOM % 350)) n=0
	flood[${1##*-}]=$count floods=$((floods + 1))
	_launch_now collector "$1" "go $count" || return 0
	until [ -d "$hub/instances/$1/events" ] || [ $((n++)) -gt 50 ]; do sleep 0.02; done
	_feed "$1" "$count"
}

# A loop of continue-as-new without a pause, until it is terminated.
_spin() { # ID
	doomed="$doomed $1"
	_launch_now spinner "$1" x || return 0
	sleep 0.03
	"$PAWL" -q terminate "$1" -y >/dev/null 2>&1
}

_more_work() {
	local id=e$epoch-$((++n_started))
	case $((RANDOM % 13)) in
	0 | 1) _launch many "$id" "$((1 + RANDOM % 4)) job x" ;;
	2) _launch tally "$id" "$((1 + RANDOM % 5)) item y$n_started" ;;
	3) races="$races $id" && _launch race "$id" "job x" ;;
	4) races="$races $id" && _launch race "$id" "item z" ;;
	5 | 6) chains="$chains $id" && _launch chain "$id" "$((1 + RANDOM % 30)):$((RANDOM % 3))" ;;
	7) timers="$timers $id" && _launch timer "$id" $((RANDOM % 2000)) ;;
	8) _launch failing "$id" 3 ;;
	9) relays="$relays $id" && _launch relay "$id" $((1 + RANDOM % 8)) ;;
	10) _flood "$id" ;;
	11) _spin "$id" ;;
	12) sleepers="$sleepers $id" && _launch sleeper "$id" "" ;;
	esac
}

_cancel_one() {
	_one_of $sleepers
	[ -n "$one" ] && "$PAWL" -q cancel "$one" -y >/dev/null 2>&1 && cancels=$((cancels + 1))
}

_act() {
	local k
	case $((RANDOM % 30)) in
	0 | 1) [ $lane = steady ] || { kills=$((kills + 1)) && kill_runtime && start_runtime; } ;;
	2) [ $lane = steady ] || { stops=$((stops + 1)) && kill -TERM "$runtime" 2>/dev/null && wait "$runtime" 2>/dev/null; start_runtime; } ;;
	3) _one_of $(_shims) && _shoot "$one" ;;
	4) _one_of $(_jobs) && _shoot "$one" ;;
	5) k=$((RANDOM % 2)) && _shoot "${worker[k]}"; wait "${worker[k]}" 2>/dev/null; _start_worker $k ;;
	6) _pause "$runtime" $((RANDOM % 400)) ;;
	7) _one_of $(_shims) && _pause "$one" $((RANDOM % 900)) ;;
	8) _one_of $(_jobs) && _pause "$one" $((RANDOM % 999)) ;;
	9) kill -HUP "$runtime" 2>/dev/null ;;
	10) _one_of $races && [ -z "$one" ] || "$PAWL" -q raise "$one" stop 2>/dev/null ;;
	11 | 12) _one_of $relays && [ -z "$one" ] || "$PAWL" -q raise "$one" go -d "$RANDOM" 2>/dev/null ;;
	13) _one_of $(ls "$hub/instances") && "$PAWL" -q suspend "$one" 2>/dev/null && suspended="$suspended $one" ;;
	14) _one_of $suspended && [ -z "$one" ] || "$PAWL" -q resume "$one" 2>/dev/null ;;
	15) _jump ;;
	16) [ $((RANDOM % 3)) -ne 0 ] || _fill ;;
	17) _cancel_one ;;
	18) "$PAWL" -q purge -t timer -s Completed -y >/dev/null 2>&1 ;;
	*) _more_work ;;
	esac
}

# ---- to the end, and what must be so then ----

_no_trouble() {
	! grep -qsi 'damag\|quarantin\|please report' "$log" || fail "seed $seed, epoch $epoch: $(grep -i -m 1 'damag\|quarantin\|please report' "$log")"
	[ $lane = kill ] || kill -0 "$runtime" 2>/dev/null || fail "seed $seed, epoch $epoch: the runtime has ended: $(tail -n 3 "$log")"
}

_chaos() {
	local end=$((SECONDS + LANE_EPOCH))
	while [ $SECONDS -lt $end ]; do
		[ -z "$full_until" ] || [ $SECONDS -lt "$full_until" ] || _empty
		_act
		sleep "$(printf '0.%03d' $((RANDOM % 80)))"
		_no_trouble
	done
}

_live() { "$PAWL" -q list -o name | grep -c .; }

# Whatever still waits gets what it waits for, again and again until nothing is left.
_push() {
	local id n
	for id in $suspended; do "$PAWL" -q resume "$id"; done
	for id in $races; do [ ! -d "$hub/instances/$id" ] || "$PAWL" -q raise "$id" stop; done
	for id in $relays; do [ ! -d "$hub/instances/$id" ] || "$PAWL" -q raise "$id" go -d 1; done
	for id in $sleepers; do [ ! -d "$hub/instances/$id" ] || "$PAWL" -q cancel "$id" -y; done
	for id in $doomed; do [ ! -d "$hub/instances/$id" ] || "$PAWL" -q terminate "$id" -y; done
	for n in "${!flood[@]}"; do _feed "e$epoch-$n" "${flood[n]}"; done
} >/dev/null 2>&1

_settle() {
	local end=$((SECONDS + patience)) k
	_empty
	kill -CONT "$runtime" "${worker[@]}" $(_shims) $(_jobs) 2>/dev/null
	if [ $lane = kill ]; then
		kill_runtime
		start_ready
	fi
	until [ "$(ls "$hub/inbox" "$hub/control" | grep -c '^[a-z0-9]')" -eq 0 ] && [ "$(_live)" -eq 0 ]; do
		[ $SECONDS -lt $end ] || fail "seed $seed, epoch $epoch: these do not end: $("$PAWL" -q list | head -n 5)"
		_push
		_no_trouble
		sleep 0.2
	done
	wait_for "nothing to be left running (seed $seed, epoch $epoch)" _is_idle
}

_is_idle() {
	[ -z "$(_shims)$(_jobs)" ] && [ "$(find "$hub/work/ready" "$hub/work/claimed" "$hub/work/done" -type l | wc -l)" -eq 0 ]
}

# Each that was acknowledged is there, nothing else is, and it ended as it must.
_check_ends() {
	local id
	"$PAWL" -q list -a -o name | sort >"$dir/there"
	printf '%s\n' $acked | grep . | sort >"$dir/acked"
	printf '%s\n' $acked $maybe | grep . | sort >"$dir/known"
	comm -23 "$dir/acked" "$dir/there" >"$dir/lost"
	while read -r id; do # timers may have been purged
		[[ " $timers " == *" $id "* ]] || fail "seed $seed, epoch $epoch: '$id' was acknowledged and is not there"
	done <"$dir/lost"
	[ -z "$(comm -13 "$dir/known" "$dir/there")" ] || fail "seed $seed, epoch $epoch: nobody has started $(comm -13 "$dir/known" "$dir/there" | head -n 1)"
	"$PAWL" -q list -a -s Failed -o name >"$dir/bad"
	[ ! -s "$dir/bad" ] || fail "seed $seed, epoch $epoch: '$(head -n 1 "$dir/bad")' has failed: $("$PAWL" status "$(head -n 1 "$dir/bad")")"
	for id in $("$PAWL" -q list -a -s Canceled -o name); do
		[[ " $sleepers " == *" $id "* ]] || fail "seed $seed, epoch $epoch: '$id' is canceled, and nobody wanted that"
	done
	for id in $("$PAWL" -q list -a -s Terminated -o name); do
		[[ " $doomed " == *" $id "* ]] || fail "seed $seed, epoch $epoch: '$id' is terminated, and nobody wanted that"
	done
}

_check_floods() {
	local n id sum
	for n in "${!flood[@]}"; do
		id=e$epoch-$n
		grep -qx "$id" "$dir/there" || continue
		sum=$("$PAWL" -q wait "$id" | tr ' ' '\n' | sort -n | uniq | awk '{ s += $1 } END { print NR, s + 0 }')
		expect_eq "events of '$id' and their sum (seed $seed)" "${flood[n]} $((flood[n] * (flood[n] + 1) / 2))" "$sum"
	done
}

_check_histories() {
	local id why
	while read -r id; do
		"$PAWL" history "$id" -o jsonl >"$dir/history" || fail "the history of '$id' cannot be read (seed $seed)"
		why=$(check_history <"$dir/history")
		[ -z "$why" ] || fail "the history of '$id' is wrong (seed $seed): $why"
		sed -n -e 's/.*"type":"ActivityCompleted".*"ref":\([0-9]*\).*"output":"made \([0-9]*\.[0-9]*\)".*/'"$id"'\/1\/\1 \2/p' \
			-e 's/.*"type":"ActivityCompleted".*"output":"done \([0-9]*\) of generation \([0-9]*\)".*/'"$id"' \1 \2/p' "$dir/history"
	done <"$dir/there" >"$dir/recorded"
}

# What is recorded is the last run of its activity, so nothing ran after its result was known; no step of a chain without result.
_check_runs() {
	! grep '^beside' "$dir/ran" || fail "two attempts of one activity ran at the same time (seed $seed): $(grep -m 1 '^beside' "$dir/ran")"
	awk -v chains="$chains " '
	FILENAME ~ /recorded$/ && NF == 2 { done[$1] = $2; next }
	FILENAME ~ /recorded$/ { done[$1 " " $2] = $3; next }
	$1 == "begin" { last[$2] = $3; next }
	index(chains, " " $1 " ") { sub(/:.*/, "", $2); step = $1 " " $2; if (step in chain) again[step]++; last[step] = chain[step] = $4 }
	END {
		for (k in done) if (k in last && done[k] != last[k]) print k ": run " done[k] " was recorded, and then came run " last[k]
		for (k in chain) if (!(k in done)) print k " ran, but no result is recorded"
	}' "$dir/recorded" "$dir/ran" "$E2E_LOG" >"$dir/twice"
	[ ! -s "$dir/twice" ] || fail "seed $seed, epoch $epoch: $(head -n 1 "$dir/twice")"
	results=$((results + $(wc -l <"$dir/recorded"))) runs=$((runs + $(cat "$dir/ran" "$E2E_LOG" | wc -l)))
}

# The whole hub, as it lies there: with all histories, and `pawl fsck` in it.
_check_hub() {
	"$PAWL" doctor -o jsonl >"$dir/doctor" 2>&1
	[ $? -ne 7 ] || fail "doctor finds damage (seed $seed, epoch $epoch): $(grep '"damage":true' "$dir/doctor"); $("$PAWL" fsck | head -n 5)"
}

_is_purged() {
	[ "$("$PAWL" -q list -a -o name | wc -l)" -eq 0 ] && [ -z "$(ls -A "$hub/archive/.purged" 2>/dev/null)" ]
}

_purge_all() {
	xargs -r "$PAWL" -q purge -y <"$dir/there" >/dev/null || fail "purge failed (seed $seed, epoch $epoch)"
	wait_for "what was purged to be gone" _is_purged
	: >"$dir/ran"
	: >"$E2E_LOG"
	rm -f "$dir"/live/* "$dir"/log.*
	# What nobody could take is for people, who look at it and remove it.
	rejected=$((rejected + $(find "$hub/control/.rejected" "$hub/inbox/.rejected" -type f ! -name '*.why' 2>/dev/null | wc -l)))
	rm -rf "$hub/control/.rejected" "$hub/inbox/.rejected"
	[ $lane = kill ] || : >"$log" # of one long life
}

# ---- what is left ----

# Descriptors of histories wait for the next checkpoint: that is the journal's rhythm and no growth.
_sample() {
	local private rss fds threads
	# pages that are its own for good; a clean one of the program is private only while nobody else runs it
	private=$(awk '/^Private_Dirty/ { s += $2 } END { print s + 0 }' "/proc/$runtime/smaps_rollup")
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$runtime/status")
	threads=$(awk '/^Threads/ { print $2 }' "/proc/$runtime/status")
	fds=$(ls -l "/proc/$runtime/fd" | grep -vc '\.history')
	echo "$((SECONDS - began)) $private $rss $fds $threads $(du -sk "$hub" | cut -f1) $(find "$hub" | wc -l)" >>"$dir/samples"
}

_epoch() {
	local acked='' maybe='' races='' relays='' sleepers='' doomed='' chains='' suspended='' timers='' n_started=0 full_until='' flood=()
	RANDOM=$(((seed + epoch * 7919) % 32768))
	_chaos
	_settle
	_check_ends
	_check_floods
	_check_histories
	_check_runs
	_check_hub
	_purge_all
	_sample
}

nothing_is_lost_or_doubled_and_all_of_it_comes_to_an_end() {
	local epoch=0 began n worker=() bent='' full_until=''
	_make_place
	# Large blocks go back at once, so that what is measured is what is held.
	export MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=65536
	new_hub 'journal: {segment_bytes: 256KiB}' 'workers: {processes_max: 6}' 'attempts: {stuck_max: 1000}' 'retention: {executions: 3}' 'activities:' \
		"  job: {exec: [$dir/activities/job], running_max: 5, timeout: 3s, heartbeat: 1s, grace: 200ms, stuck_max: 1000, retry: {max_attempts: 1000, first: 20ms}}" \
		"  item: {run_by: worker, timeout: 3s, stuck_max: 1000, retry: {max_attempts: 1000, first: 20ms}}"
	needs yaml
	hub=$dir/mount/hub PAWL_HUB=$dir/mount/hub
	[ "$(stat -f -c %T "$dir/mount")" != tmpfs ] || volatile=--allow-volatile
	_bend_clock
	_scripts
	start_ready
	: >"$dir/ran"
	: >"$E2E_LOG"
	for n in 0 1; do _start_worker $n; done
	echo "seconds private_kib rss_kib fds threads hub_kib inodes" >"$dir/samples"
	began=$SECONDS
	while [ $((SECONDS - began)) -lt "$LANE_SECONDS" ]; do
		epoch=$((epoch + 1))
		_epoch
	done
	stop_runtime
	echo "$starts starts, $floods floods of $events events, $runs runs for $results results, $cancels cancels, $rejected messages rejected; $kills kills and $stops stops of the runtime," \
		"$shots of shims, programs and workers, $pauses pauses, $jumps jumps of the clock, $fulls times a full disk; $epoch epochs, seed $seed" >"$dir/numbers"
}

e2e=$LANE_DIR
E2E_KEEP=1
# The one test of this file; its directory is the lane's.
(
	dir=$LANE_DIR/$lane
	rm -rf "$dir"
	mkdir -p "$dir"
	(_run_test nothing_is_lost_or_doubled_and_all_of_it_comes_to_an_end) >"$dir/.output" 2>&1 </dev/null
	status=$?
	echo "== $lane"
	cat "$dir/numbers" 2>/dev/null
	if [ $status -eq 77 ]; then
		echo "skipped: $(cat "$dir/.why")"
		echo "0 passed, 0 failed"
	elif [ $status -ne 0 ]; then
		echo "FAILED $lane (LANE_SEED=$seed): $(cat "$dir/.why" 2>/dev/null || echo "exit status $status")"
		_evidence
		echo "0 passed, 1 failed"
	else
		echo "ok nothing is lost or doubled"
		echo "1 passed, 0 failed"
	fi
	[ ! -e "$dir/samples" ] || awk -v processes="$([ $lane = steady ] && echo one)" -f "$(dirname "$0")/growth.awk" "$dir/samples"
)
