# shellcheck shell=bash disable=SC2154,SC2034  # variables of who sources it
# story.sh - the update example on a device whose power is cut, and again, and which reboots. Sourced by run.sh.
#
# Acknowledged is what the guest's console said before the cut: lines of the history, which a reader is told of only when they are on
# the disk, and the end of `pawl raise`. After the cut each of them must be there, and no step of which the result is there may begin
# again. What has run is told by the steps themselves, on the guest's second console.

id=update-1
service=/etc/init.d/S50pawl
waits="pawl status $id -o json | grep -q '\\\"kind\\\":\\\"event\\\".*approved'"
runtime="pgrep -f '^/usr/bin/pawl run'"

setting() { # LINE...: the service's environment from its next start on
	ask "printf '%s\n' 'UPDATE_ROOT=/data/update' $(printf "'%s' " "$@") >/data/pawl.env && sync"
}

restart_service() {
	ask "$service restart"
}

# Release 1 runs, release 2 is on a server.
prepare_device() {
	ask "mkdir -p /data/update/releases && cp -R /srv/release-1 /data/update/releases/1 && ln -s releases/1 /data/update/current &&
		ln -s /dev/hvc0 /data/update/runs.log && sha256sum /srv/www/release-2.tar.gz && sync" || return 1
	input="http://127.0.0.1:8080/release-2.tar.gz ${out%% *}"
}

# follow REGEX: the history, line by line, until one is like it. All that it told is acknowledged, and kept.
follow() {
	local from_line status
	from_line=$(wc -l <"$dir/console")
	tell "pawl history $id -f -o jsonl"
	await "$1"
	status=$?
	tail -n "+$((from_line + 1))" "$dir/console" | grep '^{' >"$dir/acknowledged"
	note_results "$dir/acknowledged"
	return $status
}

# The steps that have a result, into the log of the steps: from here on they must not begin.
note_results() { # HISTORY
	awk '
	match($0, /"seq":[0-9]+/) { seq = substr($0, RSTART + 6, RLENGTH - 6) }
	/"type":"ActivityScheduled"/ && match($0, /"name":"[^"]*"/) { name[seq] = substr($0, RSTART + 8, RLENGTH - 9) }
	/"type":"ActivityCompleted"/ && match($0, /"ref":[0-9]+/) { print "-- has " name[substr($0, RSTART + 6, RLENGTH - 6)] }' "$1" >>"$dir/steps"
}

# What was acknowledged before the cut is what the history begins with.
nothing_is_lost() {
	ask "pawl history $id -o jsonl" || { why="pawl history: $out"; return 1; }
	printf '%s' "$out" >"$dir/history"
	cmp -s -n "$(wc -c <"$dir/acknowledged")" "$dir/acknowledged" "$dir/history" || {
		why="acknowledged: $(tail -n 1 "$dir/acknowledged"); after the cut: $(tail -n 1 "$dir/history")"
		return 1
	}
	note_results "$dir/history"
}

nothing_acknowledged_ran_again() {
	why=$(tr -d '\r' <"$dir/steps" | awk '$1 == "--" && $2 == "has" { has[$3] } $4 == "began" && ($1 in has) { print $1 " began, and had a result: " $0 }')
	[ -z "$why" ]
}

told() { # STEP: how often it began, and how often it ended well
	tr -d '\r' <"$dir/steps" | awk -v step="$1" '
		$1 == step && $4 == "began" { runs++ }
		$1 == step && $4 == "ended" && ($5 == 0 || $5 == 76) { done++ }
		END { print runs + 0, done + 0 }'
}

steps_are() { # STEP "RUNS DONE"...
	while [ $# -gt 0 ]; do
		[ "$(told "$1")" = "$2" ] || { why="$1: expected runs and good ends: $2, got $(told "$1")"; return 1; }
		shift 2
	done
}

# The guest may reboot while it is asked.
update_completes() {
	local try
	for try in 1 2 3; do
		ask "pawl -q wait $id --timeout ${patience}s"
		status=$?
		[ "$status" -eq 254 ] || break
	done
	why="exit status $status: $out"
	[ "$status" -eq 0 ] && [[ $out == *"release 2 runs, 1 was before"* ]]
}

files_are_right() {
	ask 'diff -r /srv/release-2 /data/update/current/ && readlink /data/update/current'
	why=$out
	[ "$out" = releases/2$'\n' ]
}

hub_is_well() {
	ask "pawl fsck && pawl status $id"
	local status=$?
	why=$out
	[ $status -eq 0 ] && [[ $out == *Completed* ]]
}

# As a workstation would look at it that got the card.
disk_is_well() {
	why=$(e2fsck -fn "$data" 2>&1)
}

doctor_has_no_complaint() {
	ask 'pawl doctor -o jsonl'
	local status=$?
	printf '%s' "$out" >"$dir/doctor.jsonl"
	why=$(grep -vE '"verdict":"(ok|note)"' "$dir/doctor.jsonl")
	[ "$status" -eq 0 ] && [ -s "$dir/doctor.jsonl" ] && [ -z "$why" ]
}

service_runs() {
	ask "ps -o comm= -p 1; until_true \"pawl list && $runtime\" && pawl version | head -n 1; uname -r -m" || {
		why=$out
		return 1
	}
	echo "    $(echo "$out" | tr '\n' ' ')boot $boot_id"
}

is_adopted() {
	local pid
	pid=$(tr -d '\r' <"$dir/steps" | awk '$1 == "download" { print $3; exit }')
	ask "until_true 'grep \"pid $pid: adopted\" /data/messages' && pawl activities $id" || { why="download ($pid): $out"; return 1; }
}

begin_disk() { # NAME: new console, log and disk; run.sh's dir is that of the board
	dir=$board_dir/$1 data=$board_dir/$1/data.img boots=0
	rm -rf "$dir" && mkdir -p "$dir"
	"$here/image.sh" data "$data"
}

# Five boots: three power cuts and one reboot that the update asks for.
story() {
	begin_disk story || return 1
	must "boots to the service" power_on "data=$data" || return 1
	check "the service runs under init" service_runs
	check "doctor has nothing to complain of" doctor_has_no_complaint
	must "release 1 runs, release 2 is on a server" prepare_device || return 1
	setting UPDATE_SLOW=hold
	restart_service

	must "an update starts" ask "pawl -q start update --id $id -i '$input reboot' && pawl status $id" || return 1
	must "download begins" ask "until_true 'ls /data/update/incoming/*.tar.gz.*'" || return 1
	must "the runtime is killed with kill -9" ask "kill -9 \$($runtime) && until_true \"$runtime\"" || return 1
	check "the next one adopts download" is_adopted
	ask "touch /run/go"
	must "the power is cut when download is acknowledged" follow '"type":"ActivityCompleted"' || return 1
	cut_power

	must "boots again" power_on "data=$data" || return 1
	check "nothing acknowledged is lost" nothing_is_lost
	setting UPDATE_SLOW=0
	must "the power is cut while unpack is a process at work" ask "until_true 'ls /data/update/releases/.new.*/VERSION'" || return 1
	cut_power

	must "boots again" power_on "data=$data" || return 1
	check "nothing acknowledged is lost" nothing_is_lost
	must "it waits for an approval" ask "until_true \"$waits\"" || return 1
	check "unpack ran again, nothing else did" steps_are download "1 1" checksum "1 1" unpack "2 1"
	ask "pawl history $id -o jsonl" && printf '%s' "$out" >"$dir/acknowledged" && note_results "$dir/acknowledged"
	tell "pawl -q raise $id approved -d yes && echo raised"
	must "the power is cut when the approval is acknowledged" await '^raised$' || return 1
	cut_power

	must "boots again" power_on "data=$data" || return 1
	check "the update completes, with a reboot in it" update_completes
	check "nothing acknowledged is lost" nothing_is_lost
	check "no step with a result ran again" nothing_acknowledged_ran_again
	check "each step has ended well once" ended_once
	check "five boots, five boot ids" has_boots 5
	finish_disk
}

ended_once() {
	local step
	for step in download checksum unpack switch reboot health; do
		[[ $(told $step) == *" 1" ]] || { why="$step: runs and good ends: $(told $step)"; return 1; }
	done
}

has_boots() { # COUNT
	why=$(tr -d '\r' <"$dir/steps" | sed -n 's/^-- boot //p')
	[ "$(printf '%s\n' "$why" | sort -u | wc -l)" -eq "$1" ]
}

finish_disk() {
	check "release 2 is what was packed" files_are_right
	check "fsck finds nothing, status says Completed" hub_is_well
	check "the device goes down well" power_off
	check "its disk is whole" disk_is_well
}

# ---- one cut, at any event of the history ----

# cut_at SEQ [PLANT]: 0, 1 when something was lost, 2 when it could not be tried.
cut_at() {
	begin_disk "cut-$1${2:+-$2}" || return 2
	[ -z "${2:-}" ] || put_on_disk "$board_dir/pawl-planted" || return 2
	power_on "data=$data" && prepare_device && setting UPDATE_SLOW=0 ${2:+"BLOCK_PLANT=$2"} || return 2
	[ -z "${2:-}" ] || ask 'mount --bind /data/pawl-planted /usr/bin/pawl' || return 2
	restart_service
	ask "pawl -q start update --id $id -i '$input' && pawl -q raise $id approved -d yes" || return 2
	follow "^\{.*\"seq\":$1[,}]" || return 2
	cut_power
	power_on "data=$data" || return 2
	nothing_is_lost && update_completes && nothing_acknowledged_ran_again && files_are_right || return 1
	power_off
}

put_on_disk() { # FILE
	debugfs -w -R "write $1 ${1##*/}" "$data" >/dev/null 2>&1 && debugfs -w -R "sif ${1##*/} mode 0100755" "$data" >/dev/null 2>&1
}

cuts() { # ROUNDS
	local n seq
	for ((n = 1; n <= $1; n++)); do
		seq=$((3 + RANDOM % 9))
		check "a cut when event $seq is acknowledged loses nothing" cut_at $seq
		cut_power
	done
}

# With the bug a round must notice, and one does not always.
planted() { # PLANT ROUNDS
	local n status
	for ((n = 1; n <= $2; n++)); do
		why=
		cut_at $((2 + n * 2)) "$1"
		status=$?
		cut_power
		case $status in
		0) echo "    $1, round $n: not noticed" ;;
		1) passes "the bug '$1' is noticed, in round $n: ${why:0:400}"; return ;;
		*) fails "the bug '$1' cannot be tried: ${why:-${out:0:300}}"; return ;;
		esac
	done
	fails "the bug '$1' is not noticed in $2 rounds"
}
