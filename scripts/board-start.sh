#!/bin/sh
# board-start.sh CONFIG: the program of a board begins to serve an empty hub with the configuration of that board, says so,
# and stops when it is told. $PAWL and $PAWL_SHIM are the programs, $RUNNER starts them. `make BOARD=NAME board-start`
# runs it. CONFIG "": without one. The last line is "N passed, N failed".
set -eu
: "${PAWL:?is not set: the program}"
config=$1
runner=${RUNNER:-}
work=$(mktemp -d)
pid=
passed=0 failed=0

clean_up() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

must() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $what: $(tail -n 3 "$work/log")"
	fi
}

pawl() {
	# shellcheck disable=SC2086
	$runner "$PAWL" "$@"
}

says_its_version() {
	pawl version >"$work/log" 2>&1 && grep -q '^pawl [0-9]' "$work/log"
}

# Its log is waited for, line by line; when it ends there are no more.
serves() {
	[ -z "$config" ] || sed '/^log_level:/d' "$config" >"$work/pawl.yaml"
	mkfifo "$work/lines"
	# shellcheck disable=SC2086
	$runner "$PAWL" ${config:+-c "$work/pawl.yaml"} -H "$work/hub" run --allow-volatile 2>"$work/lines" &
	pid=$!
	exec 3<"$work/lines"
	while IFS= read -r line <&3; do
		echo "$line" >>"$work/log"
		case $line in *": pawl "*" runs '"*) return 0 ;; esac
	done
	return 1
}

stops() {
	kill -TERM "$pid" && wait "$pid" && pid=
}

must "'$PAWL' says its version" says_its_version
must "it serves a hub with '$config'" serves
[ $failed -gt 0 ] || must "it stops when it is told" stops
[ -z "${TALLY:-}" ] || echo "${TALLY_PREFIX:-}start $passed $failed" >>"$TALLY"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
