#!/usr/bin/env bash
# test_devices.sh - what devices do to a hub (docs/devices.md): no battery clock, a root that is read-only, memory in place
# of flash, factory resets, moves to another disk, A/B updates to an older or newer pawl, time zones.
. "$(dirname "$0")/lib.sh"

year=31536000

# The runtime and readers see a wall clock that is wrong by $dir/clock, in the boot that $dir/boot names.
_bend() {
	export E2E_CLOCK=$dir/clock E2E_BOOT=$dir/boot
	echo 0 >"$E2E_CLOCK"
	_boot 1
	[ -e "$e2e/bin/clock.so" ] || skip "the preload library cannot be built"
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	printf '#!/bin/sh\nLD_PRELOAD="%s" exec "%s" "$@"\n' "$e2e/bin/clock.so" "$types" >"$dir/bent"
	printf '#!/bin/sh\nLD_PRELOAD="%s" exec "%s" "$@"\n' "$e2e/bin/clock.so" "$PAWL" >"$dir/seen"
	chmod +x "$dir/bent" "$dir/seen"
	program=$dir/bent
}

_boot() { # N: what is started now is in this boot
	printf '%08x-0000-4000-8000-000000000000\n' "$1" >"$dir/boot"
}

_wall() { # SECONDS that the clock is wrong by from now on
	echo "$1" >"$E2E_CLOCK"
}

_in_1970() {
	_wall $((60 - $(date +%s)))
}

_needs_mounts() {
	[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || skip "needs root and unshare -m"
}

# All of a tree; who looked at it last stands in LOCK.
_picture() { # DIR
	(cd "$1" && find . ! -name LOCK -type f -exec cksum {} + -o -printf '%p %y %l\n' | sort)
}

_ended_with() { # CODE REGEX: the runtime, by itself
	wait_for "the runtime to end by itself" _is_gone "$runtime"
	wait "$runtime"
	expect_eq "its exit code" "$1" $?
	expect_match "what it said" "$2" "$(cat "$log")"
}

# The runtime does not start, and says why.
_refuses() { # CODE REGEX
	start_runtime
	_ended_with "$1" "$2"
}

# ---- no battery clock ----

# The clock was two years behind when the delay began, and was set after a minute. What came of it after a reboot with the
# clock behind again, and set again.
_delay_over_a_reboot() { # POLICY SECONDS OF THE DELAY
	new_hub "timers: {after_reboot: $1}"
	needs yaml
	_bend
	_wall $((-2 * year))
	start_ready
	start timer x "$2"000
	wait_events x TimerCreated 1
	_wall 60
	start echo later later # a turn: the runtime reads the clock
	expect_output later later
	kill_runtime
	expect_file "$hub/CLOCK"
	_boot 2
	_wall $((-2 * year + 120))
	start_ready
	start echo before before
	expect_output before before
}

a_delay_that_began_before_the_clock_was_set_is_not_over_when_the_device_reboots() {
	_delay_over_a_reboot wall 3600
	expect_eq "status with the clock behind" Running "$(status_of x)"
	kill_runtime
	_boot 3
	_wall 180
	start_ready
	start echo after after
	expect_output after after
	expect_eq "status with the clock set" Running "$(status_of x)"
	kill_runtime
	_boot 4
	_wall 3700
	start_ready
	expect_output x slept
}

a_delay_that_ended_while_the_device_was_off_is_over_when_the_clock_is_set() {
	_delay_over_a_reboot wall 100
	kill_runtime
	_boot 3
	_wall 180
	start_ready
	expect_output x slept
}

restart_and_fire_do_not_ask_the_clock() {
	_delay_over_a_reboot restart 3600
	expect_eq "status of one that begins anew" Running "$(status_of x)"
	kill_runtime
	rm -r "$hub"
	_delay_over_a_reboot fire 3600
	expect_output x slept
}

what_waits_for_a_clock_that_is_not_set_is_told() {
	new_hub
	_bend
	start_ready
	start timer delay 3600000
	expect 0 "$PAWL" -q start echo --id calendar --at "2031-01-01T00:00:00Z" -i x
	wait_events delay TimerCreated 1
	wait_status calendar Pending
	kill_runtime
	_boot 2
	_in_1970
	start_ready
	grep -q "the wall clock is not set: calendar times wait for it, delays do not" "$log" || fail "the log does not say it: $(cat "$log")"
	expect 0 "$dir/seen" status delay
	expect_match "a delay of the boot before" 'timer in (1h|59m|60m)[^,]* at most, or when the wall clock is set' "$out"
	expect 0 "$dir/seen" status calendar
	expect_match "a calendar time" 'start in .* \(the wall clock is not set\)' "$out"
	expect 0 "$dir/seen" status calendar -o json
	expect_match "in JSON" '"waits_for_clock":true' "$out"
	try "$dir/seen" doctor -o jsonl
	expect_match "doctor" '"check":"wall clock".*"verdict":"warning".*it is not set' "$out"
	_wall $((-year))
	try "$dir/seen" doctor -o jsonl
	expect_match "doctor, with a clock that went back" 'the hub has files from later than now, so the clock went back|it is not set' "$out"
	_wall $((6 * year))
	start echo now now # the clock is read; a device's kernel tells of it
	expect_output now now
	kill_runtime
	start_ready
	expect_output calendar x
}

a_history_shows_what_the_clock_said_and_is_ordered_by_its_numbers() {
	new_hub
	_bend
	start_ready
	start waiter w "a b c"
	wait_status w Running
	expect 0 "$PAWL" -q raise w a -d 1
	wait_events w EventRaised 1
	_in_1970
	expect 0 "$PAWL" -q raise w b -d 2
	wait_events w EventRaised 2
	_wall 0
	expect 0 "$PAWL" -q raise w c -d 3
	expect_output w "a=1 b=2 c=3"
	"$PAWL" history w -o jsonl >"$dir/history"
	expect_eq "what is wrong with it" "" "$(check_history <"$dir/history")"
	expect_eq "lines of 1970" 1 "$(grep -c '"time":"1970-01-01T' "$dir/history")"
	expect 0 "$PAWL" history w
	expect_match "for people" '1970-01-01' "$out"
	expect 0 "$PAWL" fsck
}

retention_by_age_does_not_take_what_has_just_ended_when_the_clock_is_set() {
	local wrong
	new_hub 'retention: {age: 30d}'
	needs yaml
	_bend
	for wrong in $((60 - $(date +%s))) $((-year)) $((20 * year)); do
		_wall "$wrong"
		start_ready
		start echo "x$wrong" ended
		expect_output "x$wrong" ended
		wait_for "it to be in the archive" test -d "$hub/archive/x$wrong"
		_wall 0
		start echo "y$wrong" ended
		expect_output "y$wrong" ended
		wait_for "that to be in the archive" test -d "$hub/archive/y$wrong"
		kill -HUP "$runtime" # all is looked at
		start echo "z$wrong" ended
		expect_output "z$wrong" ended
		expect_file "$hub/archive/x$wrong"
		stop_runtime
	done
}

a_program_is_not_silent_because_the_clock_was_set() {
	new_hub 'activities: {long: {heartbeat: 2s}}'
	needs yaml
	_bend
	_in_1970
	cat >"$dir/activities/long" <<-EOS
		#!/bin/sh
		for n in 1 2 3 4 5 6 7 8 9 10 11 12; do touch "\$PAWL_WORK/heartbeat"; sleep 0.25; done
		echo "attempt \$PAWL_ATTEMPT"
	EOS
	chmod +x "$dir/activities/long"
	start_ready
	start once x long
	wait_for "it to run" test -e "$hub/instances/x/work/2/heartbeat"
	_wall 0
	expect_output x "attempt 1"
}

# ---- read-only ----

# Everything but the hub is read-only; what would be written elsewhere fails.
with_a_read_only_root_only_the_hub_is_written() {
	_needs_mounts
	new_hub
	mkdir "$hub"
	cat >"$dir/mounts" <<-EOS
		set -e
		mount --make-rprivate /
		mount --bind '$hub' '$hub'
		awk '{ print \$5 }' /proc/self/mountinfo | sort -u | while read -r point; do
			case \$point in '$hub' | /proc* | /sys* | /dev*) continue ;; esac
			mount -o remount,ro,bind "\$point" 2>/dev/null || mount -o remount,ro "\$point" 2>/dev/null || :
		done
		! touch '$dir/written' 2>/dev/null || exit 99
		exec '$types' "\$@"
	EOS
	printf '#!/bin/sh\nexec unshare -m sh %s "$@"\n' "$dir/mounts" >"$dir/readonly"
	chmod +x "$dir/readonly"
	timeout 20 "$dir/readonly" version >/dev/null || skip "the mounts cannot be made read-only here"
	program=$dir/readonly
	printf '#!/bin/sh\necho "${PAWL_WORK#*test_devices/}"\n' >"$dir/activities/say"
	chmod +x "$dir/activities/say"
	start_ready
	start once program say
	expect_output program "with_a_read_only_root_only_the_hub_is_written/hub/instances/program/work/2"
	start chain steps 20
	expect_output steps "20 steps"
	expect_no_match "the log" "read-only|error" "$(cat "$log")"
	stop_runtime
}

a_hub_that_is_read_only_is_refused_by_the_runtime_and_read_by_readers() {
	local verb
	_needs_mounts
	new_hub
	start_ready
	start waiter w a
	start echo e done
	expect_output e done
	stop_runtime
	mkdir "$dir/ro"
	mount --bind "$hub" "$dir/ro" && mounts="$mounts $dir/ro" && mount -o remount,ro,bind "$dir/ro" || skip "no bind mounts here"
	export PAWL_HUB=$dir/ro
	_refuses 1 "the hub '$dir/ro' is on a read-only file system: remount it or move the hub"
	for verb in list "list -a" "status w" "status e" "history e" "tree w" "activities" "export --all -o $dir/x.tar" fsck "queue ls"; do
		expect 0 "$PAWL" $verb
	done
	try "$PAWL" raise w a -d 1
	[ "$code" -ne 0 ] || fail "an event went to a hub that is read-only"
	expect_match "why" "read-only" "$err"
}

# ---- memory in place of flash ----

_expect_volatile() { # HUB WHAT
	export PAWL_HUB=$1
	volatile=
	_refuses 1 "which forgets everything at power off: move it, or set allow_volatile: true"
	grep -qF "the hub '$1' is on $2, which" "$log" || fail "it does not say '$2': $(cat "$log")"
	try "$PAWL" doctor -o jsonl
	expect_match "doctor" '"check":"file system".*"verdict":"problem"' "$out"
	volatile=--allow-volatile
	start_ready
	grep -qF "warning: the hub '$1' is on $2: nothing survives a power cut" "$log" || fail "no warning: $(cat "$log")"
	stop_runtime
}

memory_is_known_in_every_disguise() {
	_needs_mounts
	new_hub
	mkdir "$dir/m"
	mount -t tmpfs none "$dir/m" && mounts="$dir/m $mounts" || skip "no tmpfs here"
	_expect_volatile "$dir/m/hub" tmpfs
	mkdir "$dir/ram" "$dir/m/up per" "$dir/m/work" "$dir/lower" "$dir/over"
	if mount -t ramfs none "$dir/ram"; then
		mounts="$dir/ram $mounts"
		_expect_volatile "$dir/ram/hub" ramfs
	fi
	# as OpenWrt's root before its flash is formatted, live systems, and containers
	mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/m/up per,workdir=$dir/m/work" none "$dir/over" || return 0
	mounts="$dir/over $mounts"
	_expect_volatile "$dir/over/hub" "an overlay over tmpfs ('$dir/m/up per')"
}

an_overlay_over_a_disk_is_none_of_these() {
	_needs_mounts
	new_hub
	[ -z "$volatile" ] || skip "the build folder is in memory"
	[ "$(stat -f -c %T "$dir")" != overlayfs ] || skip "the build folder is on an overlay"
	mkdir "$dir/upper" "$dir/work" "$dir/lower" "$dir/over"
	mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" none "$dir/over" && mounts="$dir/over $mounts" || skip "no overlay here"
	export PAWL_HUB=$dir/over/hub
	start_ready
	start echo x x
	expect_output x x
	expect_no_match "the log" "power off|own" "$(cat "$log")"
	umount -l "$dir/upper" 2>/dev/null
	stop_runtime
}

# ---- factory reset, and hubs that vanish ----

a_factory_reset_is_a_stop_and_a_removal() {
	new_hub
	start_ready
	start waiter old a
	wait_status old Running
	stop_runtime
	mv "$hub" "$hub.old"
	start_ready
	expect 4 "$PAWL" status old
	start echo new new
	expect_output new new
	stop_runtime
	# the old one is a hub like any other
	expect 0 "$PAWL" -H "$hub.old" status old
	expect 0 "$PAWL" fsck
}

a_runtime_notices_that_its_hub_was_removed_and_ends() {
	new_hub
	start_ready
	start timer t 3600000
	wait_events t TimerCreated 1
	rm -rf "$hub" 2>/dev/null || rm -rf "$hub"
	_ended_with 75 "no longer owns|was removed"
	expect_no_file "$hub"
	start_ready # by the supervisor: that makes a new one
	expect 4 "$PAWL" status t
	stop_runtime
}

a_runtime_whose_hub_was_moved_ends_and_all_of_it_is_there() {
	new_hub
	start_ready
	start timer t 1500
	wait_events t TimerCreated 1
	mv "$hub" "$hub.moved"
	_ended_with 75 "was removed, moved or unmounted, or another is in its place"
	expect_no_file "$hub"
	export PAWL_HUB=$hub.moved
	start_ready
	expect_output t slept
	stop_runtime
}

a_runtime_does_not_write_into_another_hub_at_its_path() {
	local before
	new_hub
	start_ready
	start waiter w "a b"
	wait_status w Running
	expect 0 "$PAWL" export --all -o "$dir/x.tar"
	expect 0 "$PAWL" -H "$dir/other" import "$dir/x.tar"
	before=$(_picture "$dir/other")
	mv "$hub" "$hub.old" && mv "$dir/other" "$hub"
	_ended_with 75 "another is in its place"
	expect_eq "the other hub" "$before" "$(_picture "$hub")"
}

a_runtime_whose_hub_was_unmounted_ends_and_leaves_the_mount_point_alone() {
	_needs_mounts
	new_hub 'drops: {rescan: 1s, rescan_idle: 1s}'
	needs yaml
	mkdir "$dir/m"
	mount -t tmpfs none "$dir/m" && mounts="$dir/m $mounts" || skip "no tmpfs here"
	export PAWL_HUB=$dir/m/hub
	start_ready --allow-volatile
	start timer t 3600000
	wait_events t TimerCreated 1
	umount -l "$dir/m"
	_ended_with 75 "was removed, moved or unmounted"
	expect_eq "what is in the mount point" "" "$(ls -A "$dir/m")"
}

# ---- another disk ----

# One of each kind; the activity runs until $dir/go is there.
_fill() {
	printf '#!/bin/sh\necho "$PAWL_ATTEMPT" >>"%s/ran"\nwhile [ ! -e "%s/go" ]; do sleep 0.05; done\necho "attempt $PAWL_ATTEMPT"\n' "$dir" "$dir" >"$dir/activities/long"
	chmod +x "$dir/activities/long"
	start_ready
	start waiter waits "a b"
	start timer sleeps 3600000
	start once runs long
	start echo ended result
	head -c 50000 /dev/zero | tr '\0' x >"$dir/large"
	start waiter large 'go end'
	expect 0 "$PAWL" -q raise large go -d "@$dir/large"
	expect 0 "$PAWL" -q raise waits a -d 1
	expect_output ended result
	wait_events large EventRaised 1
	wait_events waits EventRaised 1
	wait_for "it to run" test -s "$dir/ran"
}

_goes_on() {
	start_ready
	touch "$dir/go"
	expect_output runs "attempt 1" # it was ended by the stop, and begins anew
	expect 0 "$PAWL" -q raise waits b -d 2
	expect 0 "$PAWL" -q raise large end -d 3
	expect_output waits "a=1 b=2"
	expect_output ended result
	wait_status large Completed
	expect_eq "one that sleeps" Running "$(status_of sleeps)"
	expect_no_match "the log" "damag|error|lost" "$(cat "$log")"
	stop_runtime
	expect 0 "$PAWL" fsck
}

a_copy_of_a_stopped_hub_goes_on_whatever_becomes_of_times_inodes_and_links() {
	local how
	for how in "cp -a" "cp -r" tar; do
		rm -rf "$dir/go" "$dir/ran" "$dir/moved" "$dir/hub" "$dir/activities"
		new_hub 'process: {on_stop: end}'
		needs yaml
		_fill
		stop_runtime
		case $how in
		tar)
			mkdir "$dir/moved"
			tar -C "$hub" -cf - . | tar -C "$dir/moved" -xmf - || fail "tar failed"
			;;
		*) $how "$hub" "$dir/moved" || fail "$how failed" ;;
		esac
		rm -rf "$hub"
		export PAWL_HUB=$dir/moved
		hub=$PAWL_HUB
		_goes_on
	done
}

# The disk goes into another device: other boot, other clock.
an_export_goes_on_in_another_device() {
	new_hub 'process: {on_stop: end}'
	needs yaml
	_bend
	_wall $((-2 * year))
	_fill
	stop_runtime
	expect 0 "$PAWL" export --all -o "$dir/all.tar"
	export PAWL_HUB=$dir/moved
	hub=$PAWL_HUB
	_boot 77
	_wall 0
	expect 0 "$PAWL" import "$dir/all.tar"
	expect_no_match "ids" "$(sed -n 's/^id //p' "$dir/hub/FORMAT")" "$(cat "$hub/FORMAT")"
	start_ready
	touch "$dir/go"
	expect_output runs "attempt 1"
	expect 0 "$PAWL" -q raise waits b -d 2
	expect_output waits "a=1 b=2"
	expect_output ended result
	expect_no_match "the log" "damag|error|lost" "$(cat "$log")"
	stop_runtime
	expect 0 "$PAWL" fsck
}

# ---- an older or a newer pawl ----

_newer_is_refused() { # REGEX [VERB...]
	local before verb
	before=$(_picture "$hub")
	_refuses 1 "$1"
	for verb in list "status w" "history w" "export --all -o $dir/x.tar" "${@:2}"; do
		try "$PAWL" $verb
		[ "$code" -ne 0 ] || fail "'$verb' works with a hub of a newer pawl"
		expect_match "why '$verb' does not" "$1" "$err"
	done
	try "$PAWL" doctor -o jsonl
	expect_match "doctor" "$1" "$out"
	try "$PAWL" fsck --repair --discard
	expect_eq "the hub afterwards" "$before" "$(_picture "$hub")"
}

_hub_with_a_waiter() { # [EVENTS]
	new_hub
	start_ready
	start waiter w "${1:-a}"
	wait_status w Running
	kill_runtime # so that all of it is in the journal
}

a_hub_of_a_newer_format_is_refused_and_nothing_of_it_changes() {
	_hub_with_a_waiter
	cp -a "$hub/FORMAT" "$dir/FORMAT"
	sed -i 's/^format .*/format 2/' "$hub/FORMAT"
	_newer_is_refused "format 2, this pawl knows 1: run the pawl that wrote it" "raise w a -d 1" "start echo --id n"
	cp -a "$dir/FORMAT" "$hub/FORMAT"
	start_ready
	expect 0 "$PAWL" -q raise w a -d 1
	expect_output w "a=1"
}

a_format_with_further_lines_is_read() {
	_hub_with_a_waiter
	echo "made_by 9.9.9" >>"$hub/FORMAT"
	start_ready
	expect 0 "$PAWL" -q raise w a -d 1
	expect_output w "a=1"
}

a_journal_of_a_newer_pawl_is_refused_and_not_damage() {
	local what
	for what in header record; do
		rm -rf "$dir/hub"
		_hub_with_a_waiter
		expect 0 "$e2e/bin/newer" "$hub" "$what"
		_newer_is_refused "the journal has what only a newer pawl can read: run the pawl that wrote it; nothing was changed"
	done
}

an_event_of_a_newer_pawl_parks_its_instance_and_no_other() {
	_hub_with_a_waiter
	start_ready
	stop_runtime
	expect 0 "$e2e/bin/newer" "$hub/instances/w/1.history" line '"time":"2030-01-01T00:00:00.000000Z","type":"QuantumLeaped","ref":2,"where":{"to":[1,2]}'
	cp "$hub/instances/w/1.history" "$dir/before"
	rm -r "$hub/journal" # it has less than the history now
	mkdir "$hub/journal"
	start_ready
	start echo x other
	expect_output x other
	expect 0 "$PAWL" -q raise w a -d 1
	wait_for "it to be parked" grep -q "instance 'w' is parked" "$log"
	expect 0 "$PAWL" status w
	expect_match "status" "newer pawl" "$out"
	expect 0 "$PAWL" history w
	expect_match "history" "QuantumLeaped" "$out"
	stop_runtime
	cmp "$dir/before" "$hub/instances/w/1.history" || fail "its history is another one"
}

a_member_of_a_newer_pawl_changes_nothing() {
	_hub_with_a_waiter
	start_ready
	stop_runtime
	expect 0 "$e2e/bin/newer" "$hub/instances/w/1.history" line '"time":"2030-01-01T00:00:00.000000Z","type":"EventRaised","name":"early","colour":"green","data":"1"'
	rm -r "$hub/journal"
	mkdir "$hub/journal"
	start_ready
	expect 0 "$PAWL" -q raise w a -d 1
	expect_output w "a=1"
	expect 0 "$PAWL" history w -o jsonl
	expect_match "what is kept" '"colour":"green"' "$out"
}

# Slot B's pawl is newer: it goes on with the update that slot A began. If it has written a newer format, A refuses the hub
# after a fallback, else A goes on.
an_update_goes_on_in_the_other_slot() {
	new_hub "reboot: {command: [touch, $dir/rebooting]}"
	needs yaml
	_bend
	printf '#!/bin/sh\necho "slot b"\nexit 76\n' >"$dir/activities/flash"
	chmod +x "$dir/activities/flash"
	start_ready
	start once update flash
	start waiter w "a b"
	wait_for "the reboot" test -e "$dir/rebooting"
	kill_runtime
	_boot 2
	program=$e2e/bin/types-changed # another program of the same format: slot B
	printf '#!/bin/sh\nLD_PRELOAD="%s" exec "%s" "$@"\n' "$e2e/bin/clock.so" "$program" >"$dir/bent-b"
	chmod +x "$dir/bent-b"
	program=$dir/bent-b
	start_ready
	expect_output update "slot b"
	expect 0 "$PAWL" -q raise w a -d 1
	wait_events w EventRaised 1
	kill_runtime
	_boot 3
	program=$dir/bent # back to slot A
	start_ready
	expect 0 "$PAWL" -q raise w b -d 2
	expect_output w "a=1 b=2"
	stop_runtime
}

# ---- time zones ----

histories_are_in_utc_whatever_the_time_zone() {
	local zone
	new_hub
	start_ready
	for zone in UTC Asia/Kolkata America/St_Johns XYZ-14 :/nowhere ""; do
		export TZ=$zone
		stop_runtime
		start_ready
		start echo "z${zone//[^A-Za-z0-9]/-}x" x
		expect_output "z${zone//[^A-Za-z0-9]/-}x" x
	done
	unset TZ
	for zone in $("$PAWL" list -a -o name); do
		expect_eq "minutes of '$zone' from now, in UTC" 0 "$(_minutes_ago "$zone")"
		TZ=Asia/Kolkata "$PAWL" history "$zone" >"$dir/there"
		TZ=UTC "$PAWL" history "$zone" >"$dir/here"
		cmp "$dir/there" "$dir/here" || fail "a reader in another time zone is shown something else"
	done
}

_minutes_ago() { # ID
	local time
	time=$("$PAWL" history "$1" -o jsonl | sed -n '1s/.*"time":"\([^"]*\)\..*/\1/p')
	echo $((($(date -u +%s) - $(date -u -d "${time}Z" +%s 2>/dev/null || date -u -D %Y-%m-%dT%H:%M:%S -d "$time" +%s)) / 60))
}

a_calendar_time_has_its_zone_with_it() {
	new_hub
	start_ready
	export TZ=America/New_York # a jump of daylight saving time is between these
	expect 0 "$PAWL" -q start echo --id zulu --at 2031-03-09T07:30:00Z
	expect 0 "$PAWL" -q start echo --id offset --at 2031-03-09T02:30:00-05:00
	expect 2 "$PAWL" start echo --id local --at 2031-03-09T02:30:00
	expect_match "what to write" "Z|UTC" "$err"
	wait_status zulu Pending
	wait_status offset Pending
	for id in zulu offset; do
		expect 0 "$PAWL" status "$id" -o json
		expect_match "$id" '"due":"2031-03-09T07:30:00' "$out"
	done
	expect 0 "$PAWL" -q start echo --id past --at 2001-01-01T00:00:00+14:00 -i now
	expect_output past now
}

run_tests
