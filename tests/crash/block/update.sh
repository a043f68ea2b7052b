#!/bin/sh
# update.sh REFERENCE SCRATCH: the update example, on the file system that is recorded, with acknowledgements. Three updates:
# approved by `pawl raise`, by a file that is dropped, and with the runtime killed while it is at work; one is removed at the end.
#
#	PAWL, UPDATE, ACK, COLLECT     programs
#	BLOCK_MNT, BLOCK_ACK           from record
set -eu

reference=$1 scratch=$2
top=$(cd "$(dirname "$0")/../../.." && pwd)
hub=$BLOCK_MNT/hub
export PAWL_HUB="$hub" UPDATE_ROOT="$BLOCK_MNT/device" NO_COLOR=1
runtime=

fail() {
	echo "block: update: $*" >&2
	[ ! -s "$scratch/log" ] || sed 's/^/    runtime: /' "$scratch/log" >&2
	exit 1
}

clean_up() {
	status=$?
	trap - EXIT
	[ -z "$runtime" ] || kill -9 "$runtime" 2>/dev/null || :
	exit $status
}
trap clean_up EXIT
trap 'exit 143' TERM HUP INT

# until_true SECONDS COMMAND...
until_true() {
	looks=$(($1 * 50))
	shift
	until "$@"; do
		looks=$((looks - 1))
		[ $looks -gt 0 ] || return 1
		sleep 0.02
	done
}

# Each step says that it begins, and is the example's then.
make_steps() {
	mkdir -p "$scratch/steps"
	for step in download checksum unpack switch health reboot; do
		cat >"$scratch/steps/$step" <<-STEP
			#!/bin/sh
			file=\$(mktemp "$scratch/input.XXXXXX")
			cat >"\$file"
			"$ACK" began "\$PAWL_INSTANCE" "\$PAWL_EXECUTION" "\$PAWL_SEQ" "\$file"
			exec "$top/examples/update/activities/$step" <"\$file"
		STEP
		chmod +x "$scratch/steps/$step"
	done
	sed "s|/usr/lib/update/activities|$scratch/steps|" "$top/examples/update/pawl.yaml" >"$scratch/pawl.yaml"
	printf 'journal:\n  segment_bytes: 64KiB\n  segments: 2\n' >>"$scratch/pawl.yaml"
}

make_release() {
	mkdir -p "$scratch/tree/docs"
	cp "$top/docs/limits.md" "$scratch/tree/docs"
	echo "$1" >"$scratch/tree/VERSION"
	printf '#!/bin/sh\nexit 0\n' >"$scratch/tree/selftest"
	chmod +x "$scratch/tree/selftest"
	tar -czf "$scratch/release-$1.tar.gz" --owner=0 --group=0 --numeric-owner -C "$scratch/tree" .
}

start_runtime() {
	UPDATE_SLOW=$1 "$UPDATE" run -c "$scratch/pawl.yaml" --allow-volatile 2>>"$scratch/log" &
	runtime=$!
	until_true 20 "$PAWL" list >/dev/null 2>&1 || fail "the runtime does not start"
}

start_update() {
	make_release "$1"
	sum=$(sha256sum "$scratch/release-$1.tar.gz" | cut -d ' ' -f 1)
	printf %s "file://$scratch/release-$1.tar.gz $sum" >"$scratch/start"
	"$PAWL" start update --id "u$1" -i "$(cat "$scratch/start")" >/dev/null
	"$ACK" started "u$1" 0 update "$scratch/start"
}

waits() {
	"$PAWL" status "u$1" -o json | grep -q '"kind":"event".*"name":"approved"'
}

downloads() { # so many have begun
	[ "$(grep -c '^download .* began' "$UPDATE_ROOT/runs.log")" -ge "$1" ]
}

await_end() {
	"$PAWL" wait "u$1" --timeout 60s >"$scratch/output" || fail "update u$1 has not completed"
	printf %s "$(cat "$scratch/output")" >"$scratch/end"
	"$ACK" ended "u$1" 0 - "$scratch/end"
}

printf yes >"$scratch/yes"
make_steps
mkdir -p "$UPDATE_ROOT"
start_runtime 0
start_update 1
until_true 30 waits 1 || fail "u1 does not wait for its approval"
"$PAWL" raise u1 approved -d yes >/dev/null
"$ACK" raised u1 0 approved "$scratch/yes"
await_end 1

start_update 2
until_true 30 waits 2 || fail "u2 does not wait for its approval"
cp "$scratch/yes" "$hub/inbox/.yes"
sync "$hub/inbox/.yes"
mv "$hub/inbox/.yes" "$hub/inbox/u2.approved"
sync "$hub/inbox"
"$ACK" raised u2 0 approved "$scratch/yes"
await_end 2

kill "$runtime"
wait "$runtime" || fail "the runtime did not stop well"
start_runtime 1
start_update 3
until_true 20 downloads 3 || fail "download was not begun"
kill -9 "$runtime"
wait "$runtime" 2>/dev/null || :
start_runtime 0
until_true 30 waits 3 || fail "u3 does not wait for its approval"
"$PAWL" raise u3 approved -d yes >/dev/null
"$ACK" raised u3 0 approved "$scratch/yes"
await_end 3
"$COLLECT" "$hub" "$reference"
"$ACK" purging u1 0 -
"$PAWL" purge u1 >/dev/null
"$ACK" purged u1 0 -
kill "$runtime"
wait "$runtime" || fail "the runtime did not stop well"
runtime=
