#!/usr/bin/env bash
# test_clock.sh - clocks that lie and boots that end without a word. The wall clock is bent by e2e_clock.c; a reboot is a
# kill, and a start with another boot id (mounted over the kernel's, in a mount namespace of its own).
. "$(dirname "$0")/lib.sh"

year=31536000

# The runtime sees a wall clock that is wrong by $dir/clock.
_bend_clock() {
	export E2E_CLOCK=$dir/clock
	echo 0 >"$E2E_CLOCK"
	LD_PRELOAD=$e2e/bin/clock.so "$types" version >/dev/null 2>&1 || skip "this build takes no LD_PRELOAD"
	# a static program says nothing of one that is not there
	[[ $(LD_PRELOAD=$dir/missing.so "$types" version 2>&1) == *missing.so* ]] || skip "this build takes no LD_PRELOAD"
	printf '#!/bin/sh\nLD_PRELOAD="%s" exec "%s" "$@"\n' "$e2e/bin/clock.so" "$types" >"$dir/bent"
	chmod +x "$dir/bent"
	program=$dir/bent
}

# What is started now is in boot N.
_boot() { # N [OPTION OF UNSHARE...]
	local n=$1
	shift
	booted=${booted:-$program}
	printf '%08x-0000-4000-8000-000000000000\n' "$n" >"$dir/boot_id"
	cat >"$dir/booted" <<-EOS
		#!/bin/sh
		exec unshare -m $* sh -c 'mount --bind "$dir/boot_id" /proc/sys/kernel/random/boot_id && exec "\$@"' - "$booted" "\$@"
	EOS
	chmod +x "$dir/booted"
	program=$dir/booted
	timeout 20 "$program" version >/dev/null 2>&1 || skip "needs unshare -m and mount --bind"
}

a_wall_clock_that_jumps_neither_fires_a_timer_early_nor_holds_it_up() {
	local jump
	new_hub
	_bend_clock
	for jump in $((-50 * year)) $((10 * year)) $((-10 * year)); do
		echo "$jump" >"$E2E_CLOCK"
		start_ready
		start timer "long$jump" 3600000
		start timer "short$jump" 1000
		wait_events "short$jump" TimerCreated 1
		echo $((-jump)) >"$E2E_CLOCK"
		expect_output "short$jump" slept
		expect_eq "status of a timer of an hour" Running "$(status_of "long$jump")"
		kill_runtime
	done
	expect 0 "$PAWL" list -a
	expect_eq "timers of an hour that wait" 3 "$("$PAWL" list -t timer -o name | grep -c long)"
}

a_restart_in_the_same_boot_goes_by_the_boot_clock() {
	new_hub
	_bend_clock
	start_ready
	start timer long 3600000
	start timer short 2000
	wait_events short TimerCreated 1
	wait_events long TimerCreated 1
	kill_runtime
	echo $((2 * year)) >"$E2E_CLOCK"
	start_ready
	sleep 0.3
	expect_eq "status of a timer of an hour, two years later" Running "$(status_of long)"
	kill_runtime
	echo $((-2 * year)) >"$E2E_CLOCK"
	start_ready
	expect_output short slept
	expect_eq "status of a timer of an hour, two years before" Running "$(status_of long)"
}

# A timer of an hour and one of four seconds, cut by a reboot.
_reboot() { # POLICY SECONDS THAT THE WALL CLOCK IS OFF THEN
	new_hub "timers: {after_reboot: $1}"
	needs yaml
	_bend_clock
	_boot 1
	start_ready
	start timer hour 3600000
	start timer seconds 4000
	wait_events hour TimerCreated 1
	wait_events seconds TimerCreated 1
	kill_runtime
	[ "$(status_of seconds)" = Running ] || skip "this machine is too slow for a timer of four seconds"
	_boot 2
	echo "$2" >"$E2E_CLOCK"
	start_ready
	sleep 0.5
}

after_a_reboot_wall_trusts_the_wall_clock() {
	_reboot wall 7200
	expect_output hour slept
	expect_output seconds slept
}

after_a_reboot_wall_still_waits_for_what_is_not_due() {
	_reboot wall 60
	expect_eq "status of a timer of an hour" Running "$(status_of hour)"
	expect_output seconds slept
}

after_a_reboot_restart_begins_anew() {
	_reboot restart 7200
	expect_eq "status of a timer of an hour" Running "$(status_of hour)"
	expect_eq "status of a timer of four seconds" Running "$(status_of seconds)"
	expect_output seconds slept
}

after_a_reboot_fire_ends_delays_at_once() {
	_reboot fire $((-year))
	expect_output hour slept
	expect_output seconds slept
}

activities_that_a_reboot_cut_run_again() {
	new_hub
	_boot 1
	start_ready
	start chain c 50:10
	wait_events c ActivityCompleted 5
	kill_runtime
	_boot 2
	start_ready
	expect_output c "50 steps"
}

# A file that is empty and older than this boot: what was in it may have been lost with the power, unless the runtime had
# synced it at a clean stop.
_empty_file_from_before_the_boot() { # stop_runtime or kill_runtime
	local uptime
	new_hub
	_boot 1
	start_ready
	start waiter w "go on"
	: >"$hub/instances/w/events/go" # an empty file is looked at twice, so it is still there
	"$1"
	echo whole >"$hub/instances/w/events/on"
	sleep 2.2
	uptime=$(cut -d. -f1 /proc/uptime)
	unshare -m -T --boottime "-$((uptime - 1))" --fork --kill-child true 2>/dev/null || skip "needs unshare --time"
	_boot 2 -T --boottime "-$((uptime - 1))" --fork --kill-child
	start_ready
}

an_empty_file_from_before_a_power_cut_is_rejected() {
	_empty_file_from_before_the_boot kill_runtime
	wait_for "the empty file to be rejected" test -e "$hub/instances/w/events/.rejected/go.why"
	expect_match "why" "power cut.*send it again" "$(cat "$hub/instances/w/events/.rejected/go.why")"
	: >"$hub/instances/w/events/go"
	expect_output w "go= on=whole"
}

an_empty_file_from_before_a_clean_stop_is_an_event() {
	_empty_file_from_before_the_boot stop_runtime
	expect_output w "go= on=whole"
}

run_tests
