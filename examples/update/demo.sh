#!/bin/sh
# demo.sh - an update of a real file tree: the runtime is killed, the plug is pulled, the device reboots. `make demo` runs it.
#
#	PAWL     the pawl program; the example beside it is BUILD/examples/update
#	DEMO_DIR=DIR     work there, and not beside the program
#	DEMO_KEEP=1      leave the directory that it works in
#	DEMO_SLOW=2      seconds that a download takes at least
#	DEMO_REBOOT=no   without the reboot, as where it cannot be simulated
#
# Everything happens in one directory that is removed at the end. Exit status 0 only when all was as it is told.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
PAWL=${PAWL:-$top/build/gcc/pawl}
update=${UPDATE:-${PAWL%/*}/examples/update}
id=update-1
slow=${DEMO_SLOW:-2}
runtime='' server=''

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
	for claim in "$hub/instances/$id/work"/*/claim; do
		[ ! -e "$claim" ] || grep -qx end "$claim" || kill "$(shim_in "$claim")" 2>/dev/null || : # it ends its activity
	done
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
work=$(mktemp -d "${DEMO_DIR:-${PAWL%/*}}/demo.XXXXXX")
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

# ---- the device ----

# A boot of the device is a boot id, and only the kernel gives one. To simulate another boot, what runs after it sees another
# file in the place of /proc/sys/kernel/random/boot_id, in a mount namespace of its own: nothing else of this machine is
# touched. That takes root or user namespaces; many containers allow neither. $work/boot runs a program as of the boot
# that we are in.
printf '#!/bin/sh\nexec "$@"\n' >"$work/boot"
chmod +x "$work/boot"
boots=0

new_boot() {
	boots=$((boots + 1))
	printf '%08d-0000-4000-8000-000000000000\n' $boots >"$work/boot-id.$boots"
	for namespace in "unshare -m" "unshare -U -r -m"; do
		cat >"$work/boot.new" <<-DEVICE
			#!/bin/sh
			exec $namespace sh -c 'mount -o bind "\$0" /proc/sys/kernel/random/boot_id && exec "\$@"' "$work/boot-id.$boots" "\$@"
		DEVICE
		chmod +x "$work/boot.new"
		if "$work/boot.new" cmp -s /proc/sys/kernel/random/boot_id "$work/boot-id.$boots" 2>/dev/null; then
			mv "$work/boot.new" "$work/boot"
			return 0
		fi
	done
	return 1
}

pawl() {
	"$work/boot" "$PAWL" "$@"
}

# On a device this is a service. The configuration says where the activities are; --allow-volatile, as the tree that was
# checked out may be on a tmpfs. $1: how many seconds downloading and unpacking take longer.
start_runtime() {
	UPDATE_SLOW=$1 "$work/boot" "$update" run -c "$work/pawl.yaml" --allow-volatile 2>>"$work/log" &
	runtime=$!
	until_true 20 pawl list >/dev/null 2>&1 || fail "the runtime does not start"
}

kill_runtime() {
	kill -9 "$runtime"
	wait "$runtime" 2>/dev/null || :
	runtime=''
}

pid_of() { # STEP: that of its last run
	awk -v step="$1" '$1 == step && $4 == "began" { pid = $3 } END { print pid }' "$root/runs.log"
}

claim_of() { # STEP: where its shim has written who runs, and will write how that ended
	grep -l "^activity $(pid_of "$1") " "$hub/instances/$id/work"/*/claim
}

shim_in() { # CLAIM
	awk '$1 == "shim" { print $2 }' "$1"
}

# With a power cut everything is gone at once. So the shim goes before the activity, or it would write down how that ended.
pull_the_plug() {
	activity=$(pid_of unpack)
	claim=$(claim_of unpack)
	kill_runtime
	kill -9 "$(shim_in "$claim")"
	kill -9 "-$activity"
	! grep -qx end "$claim" || fail "unpack had ended before the plug was pulled"
	[ ! -e "$root/releases/2" ] || fail "unpack was done before the plug was pulled"
}

half_downloaded() {
	set -- "$root"/incoming/*.tar.gz.*
	[ -e "$1" ]
}

half_unpacked() {
	set -- "$root"/releases/.new.*/VERSION
	[ -e "$1" ]
}

waits_for() {
	pawl status "$id" -o json | grep -q "\"kind\":\"event\".*\"name\":\"$1\""
}

reboot_is_recorded() {
	pawl history "$id" | grep -q ' ActivityRebooting '
}

sed "s|/usr/lib/update/activities|$here/activities|" "$here/pawl.yaml" >"$work/pawl.yaml"
input="$url $sum"
needs_reboot=''
if [ "${DEMO_REBOOT:-}" != no ] && cp "$work/boot" "$work/boot.now" && new_boot; then
	needs_reboot=yes
	input="$input reboot"
	mv "$work/boot.now" "$work/boot" # not yet
fi

what "start: release 1 runs, release 2 ($(wc -c <"$archive") bytes) is on a server: $server_name"
start_runtime "$slow" # the network and the flash are slow today, so that there is a middle
pawl start update --id "$id" -i "$input" >/dev/null
echo "started '$id'; \`pawl status\`:"
until_true 20 half_downloaded || fail "download was not begun"
pawl status "$id"

what "kill -9 of the runtime, and of nothing else, while the activity 'download' is at work"
shim=$(shim_in "$(claim_of download)")
kill_runtime
kill -0 "$(pid_of download)" || fail "download did not outlive the runtime"
echo "the script goes on (pid $(pid_of download)), and so does the shim that looks after it (pid $shim)."
echo "The runtime is started again and takes them up, by \`pawl activities\`:"
start_runtime "$slow"
pawl activities "$id" | tee "$work/activities"
grep -qw "$shim" "$work/activities" || fail "download was not adopted"
until_true 20 half_unpacked || fail "unpack was not begun"
echo "it has ended, and its result was taken; now 'unpack' is at work"

what "power cut: kill -9 of everything, while 'unpack' is half done"
pull_the_plug
echo "nothing runs now; \`pawl status\` reads the hub nevertheless:"
pawl status "$id"

what "power is back: the runtime is started again, and goes on with the step that was cut"
if [ -n "$needs_reboot" ]; then
	new_boot || fail "there was a new boot a moment ago, and now there is none"
	echo "(simulated: the boot id is another one for it, as after a power cut)"
else
	echo "(not simulated here: the new boot id after a power cut. So pawl sees the same boot, in which 'unpack' has vanished)"
fi
start_runtime 0
until_true 30 waits_for approved || fail "it does not wait for the event"
pawl status "$id"

what "a person approves: echo yes > HUB/instances/$id/events/approved"
echo yes >"$hub/instances/$id/events/approved"

if [ -n "$needs_reboot" ]; then
	what "release 2 needs a reboot: the activity 'reboot' exits with 76, and that is on the disk before the device goes down"
	until_true 30 reboot_is_recorded || fail "it does not reboot"
	pawl status "$id"
	pawl history "$id" | grep ' ActivityRebooting ' | cut -c 1-150
	echo "(simulated: the runtime is stopped, and started again with another boot id; on a device reboot.command would have run)"
	kill "$runtime"
	wait "$runtime" || fail "the runtime did not stop well"
	new_boot || fail "there was a new boot a moment ago, and now there is none"
	start_runtime 0
	echo "the device is back: 'reboot' is done, and the update goes on"
else
	what "left out: the reboot into release 2. It is simulated with a mount namespace, which is not to be had here${DEMO_REBOOT:+ (DEMO_REBOOT=$DEMO_REBOOT)}"
fi
pawl wait "$id" --timeout 30s || fail "the update has not completed"
kill "$runtime"
wait "$runtime" || fail "the runtime did not stop well"
runtime=''

what "which steps ran, by the log that they write themselves ($(wc -l <"$root/runs.log") lines)"
awk '
$4 == "began" { if (!($1 in runs)) order[++n] = $1; runs[$1]++; pids[$1] = pids[$1] " " $3 }
$4 != "ended" { next }
$5 == 0 || $5 == 76 { done[$1]++; note[$1] = substr($0, index($0, " ended ") + 8 + length($5)) } # 76: done with the reboot
$5 != 0 && $5 != 76 { failed[$1]++ }
END {
	printf "%-10s %4s %4s %6s %8s  %-22s %s\n", "STEP", "RUNS", "DONE", "FAILED", "CUT OFF", "PIDS", "NOTE"
	for (i = 1; i <= n; i++) {
		s = order[i]
		printf "%-10s %4d %4d %6d %8d %-22s  %s\n", s, runs[s], done[s], failed[s], runs[s] - done[s] - failed[s], pids[s], note[s]
	}
}' "$root/runs.log" | tee "$work/table"

what "pawl history $id"
pawl history "$id" | cut -c 1-150

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
[ -z "$needs_reboot" ] || expect reboot 1 1 0 0
expect health 3 1 2 0
[ "$(readlink "$root/current")" = releases/2 ] || fail "release 2 is not current"
diff -r "$work/tree-2" "$root/current/" || fail "release 2 is not what was packed"
completed=$(pawl history "$id" -o jsonl | grep -c '"type":"ActivityCompleted"')
steps=5
[ -z "$needs_reboot" ] || steps=6
[ "$completed" -eq $steps ] || fail "expected $steps results in the history, got $completed"

what "what you see: killing the runtime repeated nothing, as the script that ran was taken up again. The power cut repeated the one
   step that it hit.${needs_reboot:+ The reboot was a step as any other.} The health check was tried until the service was up."
echo "demo: ok"
