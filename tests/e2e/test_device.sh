#!/usr/bin/env bash
# test_device.sh - what the device does to activities: what it is short of, full disks, little memory, cgroups, users,
# clocks that jump, shims that are stopped; and what people are shown of it.
. "$(dirname "$0")/lib.sh"

year=31536000

# The activity NAME is a shell script, read from standard input; it ends with its test, as it would outlive the runtime.
_script() { # NAME
	{ printf '#!/bin/sh\necho $$ >>"%s" 2>/dev/null\n' "$dir/orphans" && cat; } >"$dir/activities/$1"
	chmod +x "$dir/activities/$1"
}

_begin() { # [LINE OF CONFIGURATION...]
	new_hub "$@"
	needs yaml
	start_ready
}

_configure() { # [LINE...]
	printf '%s\n' "plugins: $dir/plugins" "activities_dir: $dir/activities" "$@" >"$PAWL_CONFIG"
}

# From now on this is the configuration.
_reload() { # [LINE...]
	_configure "$@"
	kill -HUP "$runtime"
}

_reported() { # ID ACTIVITY [INPUT]
	expect 0 "$PAWL" -q start report --id "$1" -i "$2${3:+ $3}" -w --timeout "${patience}s"
}

_is_over() { # FILE: the process whose id is in it
	! kill -0 "$(cat "$1")" 2>/dev/null
}

_says() { # REGEX: the log
	grep -qE "$1" "$log"
}

_is_shown() { # ID REGEX: `pawl activities`
	"$PAWL" activities "$1" | grep -qE "$2"
}

_failures() { # ID
	echo $(($(count_events "$1" ActivityRetrying) + $(count_events "$1" ActivityFailed)))
}

_field() { # NAME JSON: a number or simple string
	[[ $2 =~ \"$1\":\"?([^\",}]*) ]] && echo "${BASH_REMATCH[1]}"
}

_pid_of() { # WHO ID SEQ
	awk -v who="$1" '$1 == who { print $2 }' "$hub/instances/$2/work/$3/claim"
}

# The runtime believes in other clocks or boots (e2e_clock.c).
_bend() { # ASSIGNMENT
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	printf '#!/bin/sh\n%s LD_PRELOAD="%s" exec "%s" "$@"\n' "$1" "$e2e/bin/clock.so" "$types" >"$dir/bent"
	chmod +x "$dir/bent"
	program=$dir/bent
}

# Its wall clock is wrong by the seconds in $dir/clock.
_bend_clock() {
	echo 0 >"$dir/clock"
	_bend "E2E_CLOCK='$dir/clock'"
}

# Runs until $dir/go is there; each run is a line in $dir/ran.
_waiting_script() { # NAME
	_script "$1" <<-EOS
		echo "\$PAWL_KEY" >>'$dir/ran'
		echo \$\$ >'$dir/pid'
		while [ ! -e '$dir/go' ]; do sleep 0.02; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
}

# A deferral is seen everywhere, with its reason and the next look.
_expect_deferred() { # ID ACTIVITY REASON
	wait_for "$1 to be deferred because of '$3'" _is_shown "$1" "^$1 +2 +$2 +Deferred .*$3"
	expect 0 "$PAWL" activities "$1" -o json
	expect_json "the activities" "$out"
	expect_eq "state" Deferred "$(_field state "$out")"
	expect_eq "iteration" 1 "$(_field iteration "$out")"
	expect_match "reason in JSON" "\"reason\":\"[^\"]*$3" "$out"
	expect_match "next look" '^20..-..-..T' "$(_field next "$out")"
	[ "$(_field next_in_ms "$out")" -le 300000 ] || fail "the next look is too far away: $out"
	expect 0 "$PAWL" status "$1"
	expect_match "status" "waits for +activity $2 \(Deferred, next look in [0-9.hms ]+: $3" "$out"
	expect 0 "$PAWL" status "$1" -o json
	expect_json "the status" "$out"
	expect_match "status in JSON" "\"state\":\"Deferred\",\"reason\":\"[^\"]*$3.*\"next_in_ms\":[0-9]+" "$out"
	expect 0 "$PAWL" list -o table
	expect_match "list" "$1 .*activity $2 \(Deferred, next look in " "$out"
	_says "instance '$1': activity '$2' is deferred, next look at 20.*: .*$3" || fail "the log does not say so"
}

_expect_no_attempt_spent() { # ID OUTPUT
	expect_output "$1" "$2"
	expect_eq "failures of $1" 0 "$(_failures "$1")"
}

# ---- pressure ----

what_the_hub_is_short_of_defers_everything_at_no_attempt_until_a_reload() {
	local limit name reason n=0
	_begin
	_script hello <<<'echo "attempt $PAWL_ATTEMPT"'
	while read -r name limit reason; do
		[ "$name" != inodes_min ] || [ "$(stat -f -c %c "$dir")" -gt 0 ] || continue
		n=$((n + 1))
		_reload "pressure: {$name: $limit}"
		start once "p$n" hello
		_expect_deferred "p$n" hello "$reason.*\(pressure\.$name\)"
		_reload
		_expect_no_attempt_spent "p$n" "attempt 1"
	done <<-EOS
		disk_min 100000GiB disk '$hub': [0-9.]+ .iB free, 97\\.7 TiB wanted
		inodes_min 900GiB disk '$hub': [0-9]+ free inodes, [0-9]+ wanted
		memory_min 1000GiB memory: [0-9.]+ .iB available, 1000 GiB wanted
		network pawl-none0 network: interface 'pawl-none0' is not there
		command [$(command -v false)] .*
	EOS
	expect_eq "activities that are deferred" "" "$("$PAWL" activities -s Deferred -o name 2>/dev/null)"
}

what_one_activity_is_short_of_holds_up_no_other() {
	local limit name reason n=0
	_begin
	_script needy <<<'echo "attempt $PAWL_ATTEMPT"'
	_script modest <<<'echo done'
	while read -r name limit reason; do
		n=$((n + 1))
		_reload "activities: {needy: {pressure: {$name: $limit}}}"
		start once "p$n" needy
		_expect_deferred "p$n" needy "$reason.*\(activities\.needy\.pressure\.$name\)"
		start once "m$n" modest
		expect_output "m$n" done
		_reload
		_expect_no_attempt_spent "p$n" "attempt 1"
	done <<-EOS
		disk_min 100000GiB disk '$hub': [0-9.]+ .iB free
		memory_min 1000GiB memory: [0-9.]+ .iB available
		network pawl-none0 network: interface 'pawl-none0' is not there
	EOS
}

# Functions look at the limits of their own only.
a_function_is_deferred_by_its_own_limits() {
	_begin 'pressure: {disk_min: 100000GiB}' 'activities: {beater: {pressure: {memory_min: 1000GiB}}}'
	start once n "nap 1"
	expect_output n slept
	start once b "beater 1"
	_expect_deferred b beater 'memory: .* wanted'
	_reload
	_expect_no_attempt_spent b beaten
}

a_path_that_is_not_there_is_short_of_everything() {
	_begin "pressure: {disk_min: 1, disk_paths: [$dir/card]}"
	_script hello <<<'echo hello'
	start once o hello
	_expect_deferred o hello "disk '$dir/card': cannot be looked at: "
	mkdir "$dir/card"
	kill -HUP "$runtime"
	_expect_no_attempt_spent o hello
}

# No reload: the next look finds it, 5 s later.
a_command_is_asked_again_until_it_says_yes() {
	_begin "pressure: {command: [$dir/ask], command_every: 1s}"
	cat >"$dir/ask" <<-EOS
		#!/bin/sh
		echo asked >>'$dir/asked'
		[ -e '$dir/yes' ] || { echo "the modem sleeps"; echo "and more"; exit 3; }
	EOS
	chmod +x "$dir/ask"
	_script hello <<<'echo "attempt $PAWL_ATTEMPT"'
	start once o hello
	_expect_deferred o hello "the modem sleeps"
	touch "$dir/yes"
	_expect_no_attempt_spent o "attempt 1"
	[ "$(wc -l <"$dir/asked")" -ge 2 ] || fail "the command was not asked again"
}

a_deferral_outlives_the_runtime() {
	_begin 'pressure: {network: pawl-none0}'
	_script hello <<<'echo hello'
	start once o hello
	_expect_deferred o hello "network: interface"
	kill_runtime
	expect 0 "$PAWL" activities
	expect_match "activities without a runtime" "o +2 +hello +Deferred .*network: interface" "$out"
	start_ready
	_expect_deferred o hello "network: interface"
	_reload
	_expect_no_attempt_spent o hello
}

exit_75_says_when_to_try_again() {
	_begin
	_script busy <<-EOS
		echo run >>'$dir/ran'
		if [ ! -e '$dir/free' ]; then
			cat '$dir/after' >"\$PAWL_WORK/retry_after"
			echo "the modem is busy" >&2
			exit 75
		fi
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	echo 5m >"$dir/after"
	start once five busy
	_expect_deferred five busy "the modem is busy"
	expect 0 "$PAWL" activities five -o json
	[ "$(_field next_in_ms "$out")" -gt 250000 ] || fail "the next look is not in 5 minutes: $out"
	echo 1 >"$dir/after"
	start once one busy
	wait_for "it to be tried four times" sh -c "[ \$(wc -l <'$dir/ran') -ge 4 ]"
	expect_match "the next look" "^[0-9]{1,4}$" "$(_field next_in_ms "$("$PAWL" activities one -o json)")"
	touch "$dir/free"
	_expect_no_attempt_spent one "attempt 1"
	kill -HUP "$runtime"
	_expect_no_attempt_spent five "attempt 1"
}

# ---- disks ----

# A hub on a file system of its own of 3 MiB.
_begin_on_small_disk() { # [LINE OF CONFIGURATION...]
	new_hub "journal: {segment_bytes: 64KiB, segments: 2}" "$@"
	needs yaml
	mkdir "$dir/small"
	mount -t tmpfs -o size=3m pawl-e2e "$dir/small" 2>/dev/null || skip "needs mount"
	mounts="$mounts $dir/small"
	export PAWL_HUB=$dir/small/hub
	hub=$PAWL_HUB
	volatile=--allow-volatile
	start_ready
}

_fill() { # FILE
	dd if=/dev/zero of="$1" bs=4096 2>/dev/null
	[ "$(stat -f -c %f "$dir/small")" -eq 0 ] || fail "the disk is not full"
}

what_ends_on_a_full_disk_is_recorded_when_there_is_room_again() {
	local n
	_begin_on_small_disk
	_script long <<-EOS
		echo \$\$ >>'$dir/pids'
		while [ ! -e '$dir/go' ]; do sleep 0.05; done
		head -c 100000 /dev/zero | tr '\\0' x
	EOS
	for n in 1 2 3; do start once "o$n" long; done
	wait_for "all to run" sh -c "[ \$(wc -l <'$dir/pids') -eq 3 ]"
	_fill "$dir/small/filler"
	touch "$dir/go"
	sleep 1
	for n in 1 2 3; do expect_eq "status of o$n on a full disk" Running "$(status_of "o$n")"; done
	expect 0 "$PAWL" activities
	expect_match "activities" "o1 +2 +long +Active .*the hub's disk is full: its result waits until there is room" "$out"
	kill_runtime
	try timeout 2 "$program" run $volatile # whether it starts or says why, nothing is lost
	rm "$dir/small/filler"
	start_ready
	for n in 1 2 3; do
		expect 0 "$PAWL" -q wait "o$n" --timeout "${patience}s"
		expect_eq "output of o$n" 100000 "${#out}"
		expect_eq "failures of o$n" 0 "$(_failures "o$n")"
	done
	expect_eq "runs" 3 "$(wc -l <"$dir/pids")"
}

# Small results find no room in the history files either: the instance stalls and goes on by itself.
many_results_on_a_full_disk_wait_and_none_is_lost() {
	_begin_on_small_disk 'workers: {processes_max: 20}'
	_script slow <<-EOS
		echo "\$(cat)" >>'$dir/ran'
		while [ ! -e '$dir/go' ]; do sleep 0.1; done
		head -c 3000 /dev/zero | tr '\\0' x
	EOS
	start many m "20 slow item"
	wait_for "all to run" sh -c "[ \$(wc -l <'$dir/ran') -ge 20 ]"
	_fill "$dir/small/filler"
	touch "$dir/go"
	sleep 1.5
	expect_eq "status on a full disk" Running "$(status_of m)"
	kill -0 "$runtime" || fail "the runtime has ended"
	rm "$dir/small/filler"
	expect_output m "20 results"
	expect_eq "runs of each" "$(for n in {1..20}; do echo "1 item $n"; done | sort)" "$(sort "$dir/ran" | uniq -c | sed 's/^ *//' | sort)"
	expect_eq "failures" 0 "$(_failures m)"
}

a_start_on_a_full_disk_is_refused_with_the_reason_and_goes_well_when_there_is_room() {
	_begin_on_small_disk
	_script hello <<<'echo "attempt $PAWL_ATTEMPT"'
	start waiter w "go"
	_fill "$dir/small/filler"
	try "$PAWL" -q start once --id o -i hello
	[ "$code" -ne 0 ] || fail "a start on a full disk was taken"
	expect_match "why not" "cannot start 'o' in '$hub': no space left on device" "$err"
	expect_eq "status of what is there" Running "$(status_of w)"
	rm "$dir/small/filler"
	start once o hello
	_expect_no_attempt_spent o "attempt 1"
	expect 0 "$PAWL" -q raise w go -d x
	expect_output w "go=x"
}

an_activity_that_fills_its_own_disk_fails_and_the_hub_goes_on() {
	_begin_on_small_disk
	_script greedy <<<'cat /dev/zero >"$PAWL_WORK/all"'
	_reported r greedy
	expect_match "what is reported" "^process exit:1 retryable: .*[Nn]o space left" "$out"
	# what it has left is gone, so that there is room again
	[ -z "$(find "$hub" -name all)" ] || fail "what it has written is still there"
	expect 0 "$PAWL" -q purge r
	start once o "nap 1"
	expect_output o slept
}

# ---- memory and processors ----

memory_that_its_limit_refuses_stalls_it_with_its_own_words() {
	_begin "activities: {glutton: {exec: [$dir/activities/glutton], rlimits: {as: 64MiB, core: 0}, retry: {max_attempts: 2, first: 1h}}}"
	_script glutton <<<'head -c 300000000 /dev/zero | tail -n 1 | wc -c >/dev/null; dd if=/dev/zero of=/dev/null bs=200M count=1'
	start once o glutton
	wait_events o ActivityRetrying 1
	wait_for "it to be shown" _is_shown o "glutton +(Waiting|Stalled) .*memory"
	expect_match "why" '"kind":"process","code":"exit:[0-9]+".*memory' "$("$PAWL" history o -o jsonl)"
	expect 0 "$PAWL" status o
	expect_match "status" "attempt 2 in (59m|1h).* after: .*memory" "$out"
}

limits_of_files_and_processor_time_hold() {
	_begin "activities: {limited: {exec: [sh, -c, ulimit -n; ulimit -t; ulimit -c], rlimits: {nofile: 17, cpu: 30, core: 0}}" \
		"  , spinner: {exec: [sh, -c, 'while :; do :; done'], rlimits: {cpu: 1}}}"
	start once o limited
	expect_output o "$(printf '17\n30\n0')"
	_reported r spinner
	expect_match "what is reported" "^process signal:(9|24) retryable: ended with signal" "$out"
}

# A directory in a cgroup v2 that we may write, in $cgroup.
_cgroup() {
	local root
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	cgroup=$root/pawl-e2e-$$
	[ -n "$root" ] && mkdir "$cgroup" 2>/dev/null || skip "no cgroup v2 that may be written"
	[ -e "$cgroup/cgroup.kill" ] || { rmdir "$cgroup" && skip "this kernel has no cgroup.kill"; }
}

# After the test, whatever its end.
_with_cgroup() { # TEST
	_cgroup
	trap 'echo 1 >"$cgroup/cgroup.kill"; _clean_up; sleep 0.1; rmdir "$cgroup"/*/ "$cgroup" 2>/dev/null' EXIT
}

a_process_that_has_left_session_and_group_does_not_leave_its_cgroup() {
	new_hub
	needs yaml
	_with_cgroup
	_configure "activities: {escape: {exec: [$dir/activities/escape], cgroup: $cgroup, timeout: 500ms, grace: 200ms, stuck_max: 1}}"
	_script escape <<-EOS
		setsid sh -c 'echo \$\$ >"$dir/escaped"; trap "" TERM; while :; do sleep 600; done' &
		cat /proc/self/cgroup >'$dir/cgroup'
		while :; do sleep 600; done
	EOS
	start_ready
	_reported r escape
	expect_match "what is reported" "^(timeout|poison) timeout retryable: took longer than its limit of 500ms" "$out"
	grep -q "0::.*/pawl-e2e-$$/r\.2\.1$" "$dir/cgroup" || fail "it was not in a cgroup of its own: $(cat "$dir/cgroup")"
	wait_for "what has escaped to be ended" _is_over "$dir/escaped"
	wait_for "the cgroup to be removed" sh -c "! ls -d '$cgroup'/*/"
}

a_daemon_is_ended_with_its_cgroup_and_lives_without_one() {
	new_hub
	needs yaml
	_with_cgroup
	_configure "activities: {kept: {exec: [$dir/activities/kept]}, ended: {exec: [$dir/activities/ended], cgroup: $cgroup}}"
	for name in kept ended; do
		_script $name <<-EOS
			setsid sleep 600 >/dev/null 2>&1 &
			echo \$! >'$dir/$name.pid'
			cat '$dir/$name.pid' >>'$dir/orphans'
			echo started
		EOS
	done
	start_ready
	start once k kept
	expect_output k started
	start once e ended
	expect_output e started
	wait_for "the daemon in the cgroup to be ended" _is_over "$dir/ended.pid"
	_is_over "$dir/kept.pid" && fail "the daemon without a cgroup was ended"
	return 0
}

# ---- users ----

_needs_root_and_nobody() {
	local above=$dir
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	id nobody >/dev/null 2>&1 || skip "there is no user nobody"
	while [ -n "$above" ]; do # or nobody cannot come here
		[ $((0$(stat -c %a "$above") & 1)) -eq 1 ] || skip "'$above' is closed to others"
		above=${above%/*}
	done
}

an_activity_of_another_user_can_write_what_is_its_own_and_nothing_else() {
	new_hub
	needs yaml
	_needs_root_and_nobody
	_configure "activities: {lowly: {exec: [$dir/activities/lowly], user: nobody, env_keep: [PATH], env: {GREETING: hello}, dir: /, nice: 7, no_new_privileges: true, rlimits: {nofile: 33}}}"
	export E2E_SECRET=secret
	_script lowly <<-'EOS'
		exec 2>&1
		echo "user $(id -u) $(id -g)"
		echo "groups $(id -G)"
		echo "dir $PWD"
		echo "nice $(nice)"
		echo "files $(ulimit -n)"
		grep NoNewPrivs /proc/self/status | tr '\t' ' '
		echo "secret ${E2E_SECRET-unset} greeting $GREETING"
		for file in carrier claim input result log; do
			[ ! -e "$PAWL_WORK/$file" ] && continue
			(echo x >>"$PAWL_WORK/$file") 2>/dev/null && echo "could write $file"
			rm -f "$PAWL_WORK/$file" 2>/dev/null && echo "could remove $file"
		done
		(echo x >"$PAWL_HUB/mine") 2>/dev/null && echo "could write into the hub"
		(echo x >"$PAWL_WORK/../mine") 2>/dev/null && echo "could write beside its directory"
		touch "$PAWL_WORK/heartbeat" && echo "40 writing" >"$PAWL_WORK/progress" && echo "own files are fine"
		grep -q '"key":"o/1/2"' "$PAWL_WORK/carrier" && echo "read the carrier"
	EOS
	start_ready
	start once o "lowly some input"
	expect_output o "user $(id -u nobody) $(id -g nobody)
groups $(id -G nobody)
dir /
nice 7
files 33
NoNewPrivs: 1
secret unset greeting hello
own files are fine
read the carrier"
}

a_user_that_is_not_there_fails_and_nothing_runs() {
	_begin "activities: {x: {exec: [touch, $dir/ran], user: pawl-nobody}, y: {exec: [touch, $dir/ran], group: pawl-nobody}, z: {exec: [touch, $dir/ran], user: \"3999999999\"}}"
	_reported x x
	expect_eq "no such user" "process setup final: there is no user 'pawl-nobody': add it or change 'user'" "$out"
	_reported y y
	expect_eq "no such group" "process setup final: there is no group 'pawl-nobody': add it or change 'group'" "$out"
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	_reported z z
	expect_match "a number without an entry" "^process setup final: .*3999999999.*give 'group' too" "$out"
	expect_no_file "$dir/ran"
}

surroundings_that_cannot_be_made_fail_and_nothing_runs() {
	_begin "activities: {a: {exec: [touch, $dir/ran], dir: /pawl-nowhere}, b: {exec: [touch, $dir/ran], cgroup: /pawl-nowhere}, c: {exec: [$dir/plain]}, d: {exec: [$dir]}}"
	touch "$dir/plain"
	_reported a a
	expect_match "no such directory" "^process setup final: cannot set up 'dir=/pawl-nowhere': no such file or directory .*'dir'" "$out"
	_reported b b
	expect_match "no such cgroup" "^process setup final: cannot set up 'cgroup=.*: .*delegated" "$out"
	_reported c c
	expect_match "a file that is no program" "^process spawn final: cannot execute '$dir/plain': permission denied .*executable" "$out"
	_reported d d
	expect_match "a directory" "^process spawn final: cannot execute '$dir': permission denied" "$out"
	expect_no_file "$dir/ran"
}

# It is set right while the activity waits; that costs no attempt.
a_missing_shim_defers_and_says_so() {
	local shim=${PAWL_SHIM-$BUILD/pawl-shim}
	new_hub
	needs yaml
	export PAWL_SHIM=$dir/shim
	start_ready
	_script hello <<<'echo "attempt $PAWL_ATTEMPT"'
	start once o hello
	_expect_deferred o hello "'$dir/shim' is no executable file: .*PAWL_SHIM"
	ln -s "$shim" "$dir/shim"
	_expect_no_attempt_spent o "attempt 1"
	rm "$dir/shim"
	start once p hello
	_expect_deferred p hello "'$dir/shim' is no executable file"
	ln -s "$shim" "$dir/shim"
	_expect_no_attempt_spent p "attempt 1"
	unset PAWL_SHIM
	_configure "process: {shim: $dir/elsewhere}"
	kill_runtime
	start_ready
	start once q hello
	_expect_deferred q hello "cannot run '$dir/elsewhere' .*process.shim"
	_reload "process: {shim: $shim}"
	_expect_no_attempt_spent q "attempt 1"
}

a_work_directory_that_cannot_be_made_holds_it_back_at_no_attempt() {
	_begin
	_script busy <<-EOS
		[ -e '$dir/free' ] || { echo 5m >retry_after; exit 75; }
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	start once o busy
	wait_for "it to be deferred" _is_shown o "Deferred"
	touch "$dir/free"
	rm -r "$hub/instances/o/work"
	touch "$hub/instances/o/work" # a file where the directory has to be
	kill -HUP "$runtime"
	wait_for "the log to say so" _says "cannot start activity 'busy' of 'o' yet: cannot make work directory '.*/o/work/2': not a directory"
	rm "$hub/instances/o/work"
	_expect_no_attempt_spent o "attempt 1"
}

# ---- clocks and suspended processes ----

# The runtime's wall clock jumps while functions and outside workers beat; no false alarm, no hang.
jumps_of_the_wall_clock_are_no_silence() {
	local jump item
	new_hub "workers: {heartbeat: $((2 * short))s}" \
		"activities: {beater: {heartbeat: $((700 * short))ms}, beating: {exec: [$dir/activities/beating], heartbeat: $((700 * short))ms, timeout: 100s}, out: {run_by: worker}}"
	needs yaml
	_bend_clock
	start_ready
	_script beating <<-EOS
		while [ ! -e '$dir/go' ]; do touch heartbeat; sleep 0.1; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	start once f "beater 60"
	start once p beating
	start once w out
	item=$("$PAWL" work take -a out --worker box --wait --timeout 10s) || fail "nothing to take"
	for jump in $((10 * year)) 0 $((-10 * year)) $((50 * year)) $((-1 * year)); do
		echo "$jump" >"$dir/clock"
		sleep 0.4
		(eval "$item" && "$PAWL" -q work heartbeat) || fail "the item was taken back at a jump to $jump s"
		sleep 0.4
	done
	touch "$dir/go"
	expect_output p "attempt 1"
	expect_output f beaten
	(eval "$item" && "$PAWL" -q work done -d finished) || fail "the item was taken back"
	expect_output w finished
	expect_eq "failures" "0 0 0" "$(_failures f) $(_failures p) $(_failures w)"
}

silence_is_noticed_whatever_the_wall_clock_does() {
	new_hub "activities: {mute: {heartbeat: 500ms, grace: 100ms, stuck_max: 1}, nap: {heartbeat: 500ms, stuck_max: 1}}"
	needs yaml
	_bend_clock
	start_ready
	_script mute <<<'exec sleep 600'
	start report r "nap 600000"
	start report p mute
	sleep 0.1
	echo $((-10 * year)) >"$dir/clock"
	expect_output p "poison heartbeat retryable: was silent for longer than its heartbeat of 500ms and was ended"
	expect_output r "poison heartbeat retryable: was silent for longer than its heartbeat of 500ms, and returned when asked to"
}

# Who looks after the limit is stopped himself: the runtime ends both, 10 s and twice the grace after the limit.
a_stopped_shim_does_not_hold_up_its_instance() {
	_begin "activities: {long: {exec: [$dir/activities/long], timeout: 300ms, grace: 100ms, stuck_max: 1}}"
	_waiting_script long
	[ "$patience" -ge 20 ] || skip "needs patience"
	start report r long
	wait_for "the program to run" test -s "$dir/pid"
	kill -STOP "$(_pid_of shim r 2)"
	expect_output r "timeout timeout retryable: took longer than its limit of 300ms, and its shim did not end it: both were killed"
	wait_for "the program to be ended" _is_over "$dir/pid"
	_says "the shim [0-9]+ of '.*/r/work/2' does not end: killing it and its process [0-9]+" || fail "the log does not say so"
}

# ---- what people see ----

progress_is_shown_everywhere() {
	local watcher
	_begin
	_script steps <<-EOS
		for step in '10 erasing' '3/4 writing' 'verifying' '100'; do
			echo "\$step" >"\$PAWL_WORK/progress"
			touch "$dir/at.\${step%% *}" 2>/dev/null || touch '$dir/at.3'
			while [ ! -e '$dir/next' ]; do sleep 0.02; done
			rm '$dir/next'
		done
		echo "done"
	EOS
	start once o steps
	wait_for "the first step" test -e "$dir/at.10"
	"$PAWL" watch o >"$dir/watched" 2>&1 &
	watcher=$!
	pids="$pids $watcher"
	wait_for "the watcher to see it" grep -q erasing "$dir/watched"
	expect 0 "$PAWL" activities o
	expect_match "activities" "o +2 +steps +Active .* [0-9]+ .*10% erasing" "$out"
	expect_match "the process" " $(_pid_of shim o 2) " "$out"
	expect 0 "$PAWL" activities -o json
	expect_json "activities" "$out"
	expect_match "activities in JSON" '"progress":\{"percent":10,"text":"erasing"\}' "$out"
	expect_match "the heartbeat" '"heartbeat":"20' "$out"
	expect 0 "$PAWL" status o
	expect_match "status" "waits for +activity steps: 10% erasing" "$out"
	touch "$dir/next"
	wait_for "the watcher to see it" grep -q '75% writing' "$dir/watched"
	touch "$dir/next"
	wait_for "the watcher to see it" grep -q 'verifying' "$dir/watched"
	expect 0 "$PAWL" list
	expect_match "list" "activity steps: verifying" "$out"
	touch "$dir/next"
	wait_for "the watcher to see it" grep -q '100%' "$dir/watched"
	touch "$dir/next"
	expect_output o "done"
	wait "$watcher"
	expect_eq "exit code of watch" 0 $?
	expect_eq "what watch said" "o Running activity steps: 10% erasing
o Running activity steps: 75% writing
o Running activity steps: verifying
o Running activity steps: 100%
o Completed done" "$(sed 's/^20[^ ]* //' "$dir/watched")"
}

# In its working directory, that is: the instance ends at once and moves into the archive, and $PAWL_WORK with it.
who_is_canceled_finds_the_file_before_the_signal() {
	_begin
	_script long <<-EOS
		trap '[ -e cancel ] && echo there >"$dir/seen" || echo missing >"$dir/seen"; exit 1' TERM
		[ ! -e cancel ] || echo "too early" >'$dir/seen'
		touch '$dir/running'
		while :; do sleep 0.05; done
	EOS
	start race r long
	wait_for "the program to run" test -e "$dir/running"
	expect 0 "$PAWL" -q raise r stop -d x
	expect_output r stopped
	wait_for "the program to hear of it" test -s "$dir/seen"
	expect_eq "the file cancel at the signal" there "$(cat "$dir/seen")"
}

records_tell_what_was_before() {
	_begin
	_script third <<<'[ "$PAWL_ATTEMPT" -ge 3 ] || exit 1; echo "attempt $PAWL_ATTEMPT"'
	_script never <<<'exit 1'
	start thrice t third
	expect_output t "attempt 3"
	expect 0 "$PAWL" activities t --records
	expect_match "records" "t/1/2 +third +Completed" "$out"
	expect 0 "$PAWL" activities t --records -o json
	expect_json "records" "$out"
	expect_match "records in JSON" '"key":"t/1/2","activity":"third","state":"Completed","timestamp":"20' "$out"
	"$PAWL" -q start thrice --id n -i never -w --timeout "${patience}s" >/dev/null 2>&1
	expect 0 "$PAWL" activities n --records
	expect_match "records of one that failed" "n/1/2 +never +Failed" "$out"
	expect 0 "$PAWL" activities t --records -s Failed
	expect_no_match "records of others" "third" "$out"
}

the_carrier_tells_the_activity_who_it_is() {
	_begin
	_script look <<<'cat "$PAWL_WORK/carrier"; cat >/dev/null'
	start once o "look at this"
	expect 0 "$PAWL" -q wait o --timeout "${patience}s"
	expect_json "the carrier" "$out"
	expect_eq "payload" "at this" "$(_field payload "$out")"
	expect_eq "key" o/1/2 "$(_field key "$out")"
	expect_eq "activity" look "$(_field activity "$out")"
	expect_eq "iteration" 1 "$(_field iteration "$out")"
	expect_eq "state" Active "$(_field state "$out")"
	expect_match "records" '"records":\[\]' "$out"
	_script fails-once <<<'[ "$PAWL_ATTEMPT" -gt 1 ] || exit 1; cat "$PAWL_WORK/carrier"'
	start thrice t fails-once
	expect 0 "$PAWL" -q wait t --timeout "${patience}s"
	expect_eq "iteration of the second attempt" 2 "$(_field iteration "$out")"
}

activities_are_shown_without_a_runtime() {
	_begin
	_waiting_script long
	start once runs long
	wait_for "the program to run" test -s "$dir/pid"
	start once ends long
	wait_for "both to run" sh -c "[ \$(wc -l <'$dir/ran') -eq 2 ]"
	kill_runtime
	expect 0 "$PAWL" activities
	expect_match "one that still runs" "runs +2 +long +Active" "$out"
	kill -9 "$(_pid_of shim ends 2)" "$(_pid_of activity ends 2)"
	wait_for "it to be shown" _is_shown ends "long +Waiting .*its process is gone, and no runtime is there"
	expect 0 "$PAWL" status ends
	expect_match "status" "its process is gone, and no runtime is there" "$out"
	expect 0 "$PAWL" activities -o json
	expect_json "activities" "$out"
	touch "$dir/go"
	wait_for "the outcome" grep -qx end "$hub/instances/runs/work/2/claim"
	expect 0 "$PAWL" activities runs
	expect_match "one that has ended" "runs +2 +long .*has ended, and no runtime is there" "$out"
	start_ready
	expect_output runs "attempt 1"
	expect_output ends "attempt 2"
}

# ---- a planned reboot ----

a_program_reboots_the_device_once_that_is_on_the_disk() {
	new_hub "reboot: {command: [$dir/reboot]}"
	needs yaml
	_bend "E2E_BOOT='$dir/boot'"
	# a reader overlays the journal: the history file itself comes a moment later
	printf '#!/bin/sh\n%s -H %s history o -o jsonl >%s/at-reboot\ntouch %s/rebooting\n' "$PAWL" "$hub" "$dir" "$dir" >"$dir/reboot"
	chmod +x "$dir/reboot"
	echo 11111111-1111-4111-8111-111111111111 >"$dir/boot"
	_script update <<<'echo "slot b"; echo run >>"'"$dir"'/ran"; exit 76'
	_script other <<<'echo other'
	start_ready
	start once o update
	wait_for "the reboot" test -e "$dir/rebooting"
	grep -q '"type":"ActivityRebooting"' "$dir/at-reboot" || fail "the reboot came before it was recorded"
	_is_shown o "update +Active .*done when the device has rebooted" || fail "it is not shown: $("$PAWL" activities)"
	start once later other
	kill_runtime
	echo 22222222-2222-4222-8222-222222222222 >"$dir/boot"
	start_ready
	expect_output o "slot b"
	expect_output later other
	expect_eq "runs" 1 "$(wc -l <"$dir/ran")"
}

# ---- help ----

help_and_the_manual_page_name_all_options_of_the_verbs_about_activities() {
	local verb option page=docs/man/pawl.1 own
	new_hub
	[ -e "$page" ] || skip "not in the source tree"
	own=$("$PAWL" version --help | grep -oE -- '--[a-z-]+' | sort -u)
	for verb in activities queue work; do
		expect 0 "$PAWL" "$verb" --help
		for option in $(grep -oE -- '--[a-z][a-z-]+' <<<"$out" | sort -u); do
			grep -q -- "$(sed 's/-/\\\\-/g' <<<"$option")" "$page" || fail "$page does not have $option of $verb"
			[[ $own == *"$option"* ]] || grep -qE "^ +(-., )? *$option( |$)" <<<"$out" || fail "$verb --help does not list $option"
		done
	done
}

run_tests
