#!/usr/bin/env bash
# run.sh - power cuts on the file systems of this kernel: record, rebuild, recover, check (README.md). `make block` runs it.
#
#	BIN             the folder with record, states, load, ack, collect
#	BUILD           the build folder: pawl, examples/update; what has failed is kept in its block/
#	FS              which file systems, of: ext4 ext4-1k ext4-fast ext4-writeback xfs btrfs
#	BLOCK_STATES    states to try for each recording; 0: four for each entry of the log
#	BLOCK_SEED      of the load and of the states; default: a fresh one, which is told
#	BLOCK_STEPS     of the load
#	BLOCK_SERVE     in each so-manieth state of the load a runtime takes over and brings everything to its end
#	BLOCK_WORKERS   states at a time
#	BLOCK_PLANTS    bugs to plant; "" = none
#	BLOCK_TABLE     yes: each bug on each file system; else until one has caught it
#
# The last line is "N passed, N failed". What cannot run here is told, and counts as neither.
set -u

here=$(cd "$(dirname "$0")" && pwd)
fs_list=${FS:-ext4 xfs btrfs}
states=${BLOCK_STATES:-400}
seed=${BLOCK_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
steps=${BLOCK_STEPS:-300}
plants=${BLOCK_PLANTS-nosync nodirsync tmpnosync unlinkfirst ackearly nosalt nomark}
serve=${BLOCK_SERVE:-40}
workers=${BLOCK_WORKERS:-$(($(nproc) + 1))}
passed=0 failed=0 skipped=0 child=
work=

passes() {
	passed=$((passed + 1))
}

fails() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

skips() {
	skipped=$((skipped + 1))
	echo "skipped: $*"
}

# Mounts and loop devices go with our programs: each has a mount namespace of its own.
clean_up() {
	status=$?
	trap - EXIT
	if [ -n "$child" ]; then
		kill "$child" 2>/dev/null
		wait "$child" 2>/dev/null
	fi
	[ -z "$work" ] || rm -rf "$work"
	exit $status
}

# In the background, as bash serves traps only between commands.
run() {
	"$@" &
	child=$!
	wait "$child"
	local status=$?
	child=
	return $status
}

# ---- what this machine has ----

lacks_all() {
	[ "$(id -u)" -eq 0 ] || { echo "root"; return; }
	[ -c /dev/fuse ] || { echo "/dev/fuse (modprobe fuse)"; return; }
	(: <>/dev/fuse) 2>/dev/null || { echo "the right to open /dev/fuse"; return; }
	[ -c /dev/loop-control ] || { echo "/dev/loop-control (modprobe loop)"; return; }
	unshare --mount true 2>/dev/null || { echo "the right to make mount namespaces (CAP_SYS_ADMIN)"; return; }
	[ -b "$(losetup -f 2>/dev/null)" ] || { echo "a free loop device"; return; }
}

# base FS: its name for mount and mkfs
base() {
	echo "${1%%-*}"
}

lacks() {
	local kind
	kind=$(base "$1")
	command -v "mkfs.$kind" >/dev/null || { echo "mkfs.$kind (scripts/deps.sh block)"; return; }
	[ "$kind" != ext4 ] || command -v e2fsck >/dev/null || { echo "e2fsck (scripts/deps.sh block)"; return; }
	grep -qw "$kind" /proc/filesystems || modprobe "$kind" 2>/dev/null || { echo "$kind in the kernel"; return; }
}

# ---- one recording ----

# A disk with a file system, small, so that its journal comes round.
make_disk() { # FS IMAGE
	case $1 in
	ext4) truncate -s 48M "$2" && mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	ext4-1k) truncate -s 48M "$2" && mkfs.ext4 -q -F -b 1024 -J size=2 -E lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	ext4-fast) truncate -s 48M "$2" && mkfs.ext4 -q -F -b 4096 -J size=8 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	ext4-writeback) truncate -s 48M "$2" && mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	xfs) truncate -s 320M "$2" && mkfs.xfs -q -f "$2" ;;
	btrfs) truncate -s 128M "$2" && mkfs.btrfs -q -f "$2" >/dev/null ;;
	*) echo "block: unknown file system '$1'" >&2 && return 1 ;;
	esac
}

mount_options() {
	case $1 in
	ext4-writeback) echo data=writeback ;;
	*) echo ;;
	esac
}

# e2fsck 1.47.0 gives up (status 12) on good logs of fast commits that the kernel replays.
repair_option() {
	case $1 in
	ext4-fast) echo -m ;;
	*) ;;
	esac
}

# record DIR FS COMMAND...
record() {
	local dir=$1 fs=$2
	shift 2
	rm -rf "$dir" && mkdir -p "$dir/reference" "$dir/scratch" &&
		make_disk "$fs" "$dir/base.img" && cp --sparse=always "$dir/base.img" "$dir/disk.img" &&
		run "$BIN/record" "$(base "$fs")" "$(mount_options "$fs")" "$dir" "$@"
}

# What is in the load's file system is known to it only when it is mounted.
record_load() { # DIR FS SEED [stay]
	local dir=$1
	# shellcheck disable=SC2016
	BLOCK_FRAMES=$dir/frames record "$dir" "$2" sh -c 'exec "$0" "$BLOCK_MNT/hub" "$@"' "$BIN/load" "$dir/reference" "$3" "$steps" ${4:+"$4"}
}

record_update() { # DIR FS
	PAWL=$BUILD/pawl UPDATE=$BUILD/examples/update ACK=$BIN/ack COLLECT=$BIN/collect \
		record "$1" "$2" "$here/update.sh" "$1/reference" "$1/scratch"
}

# What is needed to see it again.
keep() { # DIR NAME
	local to=$BUILD/block/$2
	rm -rf "$to" && mkdir -p "$to/mnt" && cp -r --sparse=always "$1/base.img" "$1/log" "$1/reference" "$to/" &&
		{ [ ! -e "$1/frames" ] || cp "$1/frames" "$to/"; }
	echo "kept in '$to'; a state of it again, its image in IMAGE:"
	echo "    $BIN/states $(base "$3") $to hub -s $seed -e ENTRY -c CHOICE -k IMAGE"
}

try() { # NAME FS SERVE COMMAND...: record and check
	local name=$1 fs=$2 dir=$work/$1 serve_every=$3
	shift 3
	if ! "$@"; then
		fails "$name: the recording (seed $seed)"
		return
	fi
	printf '%s: ' "$name"
	# shellcheck disable=SC2046
	if run "$BIN/states" "$(base "$fs")" "$dir" hub -n "$states" -s "$seed" -j "$workers" -r "$serve_every" $(repair_option "$fs"); then
		passes
	else
		keep "$dir" "$name" "$fs"
		fails "$name (seed $seed)"
	fi
	rm -rf "$dir"
}

# ---- planted bugs ----

# Several places of the same kind are needed to see some of them: more states when few have not shown it.
catches() { # BUG FS
	local dir=$work/plant n
	for n in 1 2 3; do
		BLOCK_PLANT=$1 record_load "$dir" "$2" "$n" stay || return 2
		# shellcheck disable=SC2046
		run "$BIN/states" "$(base "$2")" "$dir" hub -n $((states * n)) -s "$n" -j "$workers" -1 -q $(repair_option "$2") >/dev/null
		case $? in
		0) ;;
		1) return 0 ;;
		*) return 2 ;;
		esac
	done
	return 1
}

try_plant() { # BUG
	local fs caught=0 line=
	for fs in $usable; do
		[ "$caught" -eq 0 ] || [ "${BLOCK_TABLE:-}" = yes ] || break
		catches "$1" "$fs"
		case $? in
		0)
			caught=$((caught + 1))
			line="$line $fs: caught;"
			;;
		1) line="$line $fs: not seen;" ;;
		*) line="$line $fs: the test did not run;" ;;
		esac
	done
	printf '%-12s%s\n' "$1" "$line"
	if [ "$caught" -gt 0 ]; then
		passes
	else
		fails "nobody noticed the planted bug '$1'"
	fi
}

# ---- all of it ----

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

what=$(lacks_all)
if [ -n "$what" ]; then
	echo "skipped: power cuts on real file systems need $what"
	echo "0 passed, 0 failed"
	exit 0
fi
for tmp in /dev/shm "${TMPDIR:-/tmp}" "$BUILD"; do
	[ "$(df -Pm "$tmp" 2>/dev/null | awk 'NR == 2 { print $4 }')" -gt 700 ] 2>/dev/null && break
done
# What one that was killed has left: its programs are gone with it.
for old in "$tmp"/pawl-block.*; do
	pid=${old#*/pawl-block.}
	[ ! -d "$old" ] || kill -0 "${pid%%.*}" 2>/dev/null || rm -rf "$old"
done
work=$(mktemp -d "$tmp/pawl-block.$$.XXXXXX") || exit 1
echo "seed $seed; about $states states for each recording, $workers workers"
usable=
for fs in $fs_list; do
	what=$(lacks "$fs")
	if [ -n "$what" ]; then
		skips "$fs: needs $what"
		continue
	fi
	usable="$usable $fs"
	try "load-$fs" "$fs" "$serve" record_load "$work/load-$fs" "$fs" "$seed"
	try "update-$fs" "$fs" 0 record_update "$work/update-$fs" "$fs"
done
if [ -n "$usable" ]; then
	[ -z "$plants" ] || echo "planted bugs:"
	for bug in $plants; do
		try_plant "$bug"
	done
fi
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
