#!/bin/sh
# worker.sh - a worker with nothing but a shell: mv takes an item, files say what came of it. One after another until TERM.
# The protocol: docs/activities.md. What this one does with a picture: writes its name in capitals.
set -u
: "${PAWL_HUB:?is not set: the hub}"
ready=$PAWL_HUB/work/ready/resize claimed=$PAWL_HUB/work/claimed/resize finished=$PAWL_HUB/work/done/resize

# Of many who rename the same file, one wins; the others get an error and try the next.
take() {
	for item in "$ready"/*; do
		[ -L "$item" ] || continue
		name=${item##*/}
		mv "$item" "$claimed/$name@$$" 2>/dev/null && return 0
	done
	return 1
}

while :; do
	if ! take; then
		sleep 1 # `pawl work take --wait` does without
		continue
	fi
	work=$claimed/$name@$$ # a link: what is behind it is the directory of this activity
	touch "$work/heartbeat"
	if tr a-z A-Z <"$work/input" >"$work/result" 2>"$work/message"; then
		code=0
	else
		code=1 # 75: later; 100: never again; anything else: the retry policy decides
	fi
	# Taken back meanwhile (too slow, canceled)? Then this fails, and what we did does not count.
	mv "$claimed/$name@$$" "$finished/$name@$$.$code" 2>/dev/null || echo "worker.sh: $name was taken back" >&2
done
