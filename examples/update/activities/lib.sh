# lib.sh - what the activities share. It is not executable, so it is no activity itself.
#
# UPDATE_ROOT       where all of it is: incoming/, releases/NAME/, the links current and previous, and runs.log
# PAWL_INSTANCE, PAWL_ATTEMPT   from pawl, among others; the input is on standard input, standard output is the result,
#                   and the last line on standard error is the message of a failure
# exit status       0: done, 75: not now, try later, 76: done when the device has rebooted, 100: failed for good, else:
#                   failed, the retry policy decides
#
# An activity is run again when its result did not reach the disk. So each of them may find its own work half done, or
# done, and must end with the same result.
set -eu

root=${UPDATE_ROOT:-/data/update}
step=${0##*/} attempt=${PAWL_ATTEMPT:-1} id=${PAWL_INSTANCE:-by-hand}
note=

# Who has run, for people and for the demo: step, attempt, pid, what.
say() {
	echo "$step $attempt $$ $*" >>"$root/runs.log"
}

fail() {
	status=$1
	shift
	echo "$*" >&2
	exit "$status"
}

# Make the link $1 point to $2 in one step: it is the old one or the new one, never missing.
point() {
	ln -sfn "$2" "$1.new"
	mv -T "$1.new" "$1"
}

# For the demo: a slow network and slow flash, so that there is a middle to be killed in.
slow_down() {
	sleep "${UPDATE_SLOW:-0}"
}

mkdir -p "$root/incoming" "$root/releases"
say began
trap 'status=$?; say "ended $status $note"' EXIT
trap 'exit 143' TERM
input=$(cat)
