#!/bin/sh
# demo.sh - an update of a real file tree, with the plug pulled in the middle. `make demo` runs it.
#
#	PAWL     the pawl program; the example beside it is BUILD/examples/update
#	DEMO_KEEP=1   leave the directory that it works in
#
# Everything happens in one directory that is removed at the end. Exit status 0 only when all was as it is told.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
PAWL=${PAWL:-$top/build/gcc/pawl}
update=${UPDATE:-${PAWL%/*}/examples/update}
id=update-1
runtime='' server='' unpack=''

fail() {
	echo "demo: $*" >&2
	[ ! -s "$work/log" ] || sed 's/^/    runtime: /' "$work/log" >&2
	exit 1
}

what() {
	printf '\n== %s\n' "$*"
}

# Processes end by the ids that were noted when they were started.
clean_up() {
	status=$?
	trap - EXIT
	for pid in $runtime $server; do
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	[ -z "$unpack" ] || kill -9 "-$unpack" 2>/dev/null || :
	[ -n "${DEMO_KEEP:-}" ] || rm -rf "$work"
	exit $status
}

# until_true SECONDS COMMAND...
until_true() {
	looks=$(($1 * 10))
	shift
	until "$@"; do
		looks=$((looks - 1))
		[ $looks -gt 0 ] || return 1
		sleep 0.1
	done
}

for program in "$PAWL" "$update"; do
	[ -x "$program" ] || { echo "demo: no program '$program': \`make demo\` builds it" >&2; exit 1; }
done
work=$(mktemp -d "${PAWL%/*}/demo.XXXXXX")
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

hub=$work/hub
root=$work/device
export UPDATE_ROOT="$root" PAWL_HUB="$hub" NO_COLOR=1

# ---- two releases: this tree's headers and docs, and a self-test that passes at the third look ----

make_release() {
	tree=$work/tree-$1
	mkdir -p "$tree"
	cp -R "$top/include" "$top/docs" "$tree/"
	echo "$1" >"$tree/VERSION"
	cat >"$tree/selftest" <<'SELFTEST'
#!/bin/sh
# A service needs a moment until it is up: here, until somebody has looked three times.
echo look >>"$UPDATE_ROOT/looks"
looks=$(wc -l <"$UPDATE_ROOT/looks")
[ "$looks" -ge 3 ] || { echo "the service of release $(cat "$UPDATE_ROOT/current/VERSION") is not up yet"; exit 1; }
SELFTEST
	chmod +x "$tree/selftest"
}

make_release 1
make_release 2
echo "what is new in release 2" >"$work/tree-2/docs/NEWS"
mkdir -p "$root/releases" "$work/www"
cp -R "$work/tree-1" "$root/releases/1"
ln -s releases/1 "$root/current"
archive=$work/www/release-2.tar.gz
tar -czf "$archive" -C "$work/tree-2" .
sum=$(sha256sum "$archive" | cut -d ' ' -f 1)

# ---- a real server, if there is one and something to ask it with ----

get() {
	if command -v curl >/dev/null; then
		curl -fs "$1"
	else
		wget -q -O - "$1"
	fi
}

serves() {
	get "http://127.0.0.1:$port/release-2.tar.gz" 2>/dev/null | cmp -s - "$archive"
}

serve() {
	command -v curl >/dev/null || command -v wget >/dev/null || return 1
	if busybox --list 2>/dev/null | grep -qx httpd; then
		server_name="busybox httpd"
	elif python3 -c 'import http.server' 2>/dev/null; then
		server_name="python3 -m http.server"
	else
		return 1
	fi
	for try in 1 2 3 4 5; do
		port=$((20000 + ($$ + try * 997) % 20000))
		case $server_name in
		busybox*) busybox httpd -f -p "127.0.0.1:$port" -h "$work/www" >/dev/null 2>&1 & ;;
		*) python3 -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >/dev/null 2>&1 & ;;
		esac
		server=$!
		if until_true 5 serves; then
			return 0
		fi
		kill "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
		server=''
	done
	return 1
}

if serve; then
	url=http://127.0.0.1:$port/release-2.tar.gz
else
	url=file://$archive
	server_name="none (no HTTP server or no client here, so a file:// URL)"
fi

# ---- the runtime ----

# On a device this is a service. The configuration says where the activities are; --allow-volatile, as the tree that was
# checked out may be on a tmpfs. $1: how many seconds unpacking takes longer.
start_runtime() {
	UPDATE_SLOW=$1 "$update" run -c "$work/pawl.yaml" --allow-volatile 2>>"$work/log" &
	runtime=$!
	until_true 20 "$PAWL" list >/dev/null 2>&1 || fail "the runtime does not start"
}

pull_the_plug() {
	unpack=$(awk '$1 == "unpack" && $4 == "began" { print $3 }' "$root/runs.log")
	kill -9 "$runtime"
	kill -9 "-$unpack" # with a power cut the activity would be gone too
	wait "$runtime" 2>/dev/null || :
	runtime=''
}

half_unpacked() {
	set -- "$root"/releases/.new.*/VERSION
	[ -e "$1" ]
}

waits_for() {
	"$PAWL" status "$id" -o json | grep -q "\"kind\":\"event\".*\"name\":\"$1\""
}

sed "s|/usr/lib/update/activities|$here/activities|" "$here/pawl.yaml" >"$work/pawl.yaml"

what "start: release 1 runs, release 2 ($(wc -c <"$archive") bytes) is on a server: $server_name"
start_runtime 2 # this time unpacking takes two seconds, so that there is a middle
"$PAWL" start update --id "$id" -i "$url $sum" >/dev/null
echo "started '$id'; \`pawl status\`:"
until_true 20 half_unpacked || fail "unpack was not begun"
"$PAWL" status "$id"

what "power cut: kill -9 of the runtime, and of the activity 'unpack', which is half done"
pull_the_plug
[ ! -e "$root/releases/2" ] || fail "unpack had ended before the plug was pulled"
echo "nothing runs now; \`pawl status\` reads the hub nevertheless:"
"$PAWL" status "$id"

what "power is back: the runtime is started again, and goes on with the step that was cut"
start_runtime 0
until_true 30 waits_for approved || fail "it does not wait for the event"
"$PAWL" status "$id"

what "a person approves: echo yes > HUB/instances/$id/events/approved"
echo yes >"$hub/instances/$id/events/approved"
"$PAWL" wait "$id" --timeout 30s || fail "the update has not completed"
kill "$runtime"
wait "$runtime" || fail "the runtime did not stop well"
runtime=''

what "which steps ran, by the log that they write themselves ($(wc -l <"$root/runs.log") lines)"
awk '
$4 == "began" { if (!($1 in runs)) order[++n] = $1; runs[$1]++; pids[$1] = pids[$1] " " $3 }
$4 == "ended" && $5 == 0 { done[$1]++; note[$1] = substr($0, index($0, "ended 0") + 8) }
$4 == "ended" && $5 != 0 { failed[$1]++ }
END {
	printf "%-10s %4s %4s %6s %8s  %-22s %s\n", "STEP", "RUNS", "DONE", "FAILED", "CUT OFF", "PIDS", "NOTE"
	for (i = 1; i <= n; i++) {
		s = order[i]
		printf "%-10s %4d %4d %6d %8d %-22s  %s\n", s, runs[s], done[s], failed[s], runs[s] - done[s] - failed[s], pids[s], note[s]
	}
}' "$root/runs.log" | tee "$work/table"

what "pawl history $id"
"$PAWL" history "$id" | cut -c 1-150

# ---- was it as it is told? ----

# expect STEP RUNS DONE FAILED CUT
expect() {
	got=$(awk -v step="$1" '$1 == step { print $2, $3, $4, $5 }' "$work/table")
	[ "$got" = "$2 $3 $4 $5" ] || fail "'$1': expected runs, done, failed, cut off: $2 $3 $4 $5, got: $got"
}

expect download 1 1 0 0
expect checksum 1 1 0 0
expect unpack 2 1 0 1
expect switch 1 1 0 0
expect health 3 1 2 0
[ "$(readlink "$root/current")" = releases/2 ] || fail "release 2 is not current"
diff -r "$work/tree-2" "$root/current/" || fail "release 2 is not what was packed"
completed=$("$PAWL" history "$id" -o jsonl | grep -c '"type":"ActivityCompleted"')
[ "$completed" -eq 5 ] || fail "expected 5 results in the history, got $completed"

what "what you see: one step was repeated, the one that the power cut hit. What had a result was not run again, and the health
   check was tried until the service was up."
echo "demo: ok"
