#!/bin/sh
# acceptance.sh [-r ROUNDS] TYPE [INPUT]: does pawl keep its word on this device? Run it on the device, as the hub's user or
# root, beside the running service. In each round it starts an instance of TYPE, kills the runtime (kill -9) in the middle
# of it, waits until the supervisor has started it again, and wants the instance done. Before and after that the doctor
# and fsck have to be content, and an export has to be taken by another hub. Needs nothing but pawl and a POSIX shell.
# $PAWL, $PAWL_HUB, $PAWL_CONFIG: as for pawl. $ACCEPTANCE_DIR: where the export goes (/tmp). The last line is
# "N passed, N failed".
set -eu

pawl=${PAWL:-pawl} rounds=10 passed=0 failed=0
while getopts r: option; do
	case $option in
	r) rounds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { echo "usage: acceptance.sh [-r ROUNDS] TYPE [INPUT]" >&2; exit 2; }
type=$1 input=${2-}
name=acceptance-$$-$(date +%s)
scratch=$(mktemp -d "${ACCEPTANCE_DIR:-/tmp}/pawl-acceptance-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

result() { # STATUS WHAT
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok     $2"
	else
		failed=$((failed + 1))
		echo "FAILED $2"
	fi
}

check() { # WHAT COMMAND...
	what=$1
	shift
	status=0
	"$@" >"$scratch/out" 2>&1 || status=1
	result $status "$what"
	[ $status -eq 0 ] || sed 's/^/       | /' "$scratch/out"
}

no_problem() {
	"$pawl" doctor -o jsonl >"$scratch/doctor" || { grep '"verdict":"problem"' "$scratch/doctor"; return 1; }
}

runtime() { # its pid, when there is one
	"$pawl" doctor -o jsonl 2>/dev/null | sed -n 's/.*"check":"runtime".*"value":"pid \([0-9]*\) runs it".*/\1/p'
}

another_runtime() { # PID: until it has another one, a minute at most
	for _ in $(seq 60); do
		now=$(runtime)
		if [ -n "$now" ] && [ "$now" != "$1" ]; then
			return 0
		fi
		sleep 1
	done
	echo "nobody has started the runtime again after kill -9: does the supervisor do that?"
	return 1
}

check "pawl doctor finds no problem" no_problem
check "all of the hub is whole" "$pawl" fsck
pid=$(runtime)
check "a runtime is there" test -n "$pid"
[ -n "$pid" ] || rounds=0
n=0
while [ $n -lt "$rounds" ] && [ $failed -eq 0 ]; do
	n=$((n + 1))
	check "round $n: start" "$pawl" -q start "$type" --id "$name-$n" -i "$input"
	kill -9 "$pid" 2>/dev/null || :
	check "round $n: the supervisor starts the runtime again" another_runtime "$pid"
	pid=$(runtime)
	check "round $n: the instance is done" "$pawl" -q wait "$name-$n" --timeout 300s
done
check "all of the hub is whole after $n kills" "$pawl" fsck
[ $n -eq 0 ] || check "an export" "$pawl" -q export "$name-1" -o "$scratch/export.tar"
[ $n -eq 0 ] || check "another hub takes it" "$pawl" -q -H "$scratch/hub" import "$scratch/export.tar"
while [ $n -gt 0 ]; do
	"$pawl" -q purge "$name-$n" >/dev/null 2>&1 || :
	n=$((n - 1))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
