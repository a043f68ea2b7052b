# shellcheck shell=bash disable=SC2154,SC2034  # variables of who sources it
# watchdog.sh - a runtime that hangs takes the device down, and it comes back and goes on. Sourced by run.sh.
#
# feed.c hands pawl's word that it is well on to the kernel's watchdog: i6300esb, a chip that qemu emulates, where the kernel has its
# driver, else softdog.

watchdog_seconds=20

is_fed() {
	ask "until_true '[ \$(wc -l </run/fed) -ge 3 ]' || ! cat /run/fed"
}

# All goes on while the runtime lives, for longer than the watchdog waits: then it is stopped, as by a bug, and nobody feeds it.
watchdog() {
	begin_disk watchdog || return 1
	MORE="-device i6300esb" must "boots with a watchdog" power_on "data=$data" || return 1
	must "release 1 runs, release 2 is on a server" prepare_device || return 1
	setting UPDATE_SLOW=0
	ask "$service stop >/dev/null; cat /sys/class/watchdog/watchdog0/identity; set -a; . /data/pawl.env; set +a"
	echo "    watchdog: ${out%$'\n'}"
	tell "feed /dev/watchdog $watchdog_seconds /usr/bin/pawl run 2>>/data/messages >/run/fed &"
	must "an update waits for its approval" ask "until_true 'pawl list' && pawl -q start update --id $id -i '$input' && until_true \"$waits\"" || return 1
	ask "pawl history $id -o jsonl" && printf '%s' "$out" >"$dir/acknowledged" && note_results "$dir/acknowledged"
	check "the runtime feeds the watchdog" is_fed
	tell "kill -STOP \$($runtime)"
	must "when it hangs the device resets" await_boot || return 1
	check "nothing acknowledged is lost" nothing_is_lost
	ask "until_true 'pawl -q raise $id approved -d yes'"
	check "the update completes" update_completes
	check "no step with a result ran again" nothing_acknowledged_ran_again
	check "two boots, two boot ids" has_boots 2
	finish_disk
}
