#!/usr/bin/env bash
# kill.sh ARCH SYSROOT INITRAMFS DIR KEPT ROUNDS SEED [PLANT] - guests that are killed while the load runs on their disk
#
# Each round boots a guest (load.sh) with an empty ext4 (DIR/base.img), reads the acknowledgements on its console, and ends qemu with
# SIGKILL a moment after so many. The disk has all that the guest has written to it, and nothing of what its kernel still held. The
# image is then repaired and mounted here, and KEPT (tests/crash/block/kept.c, built for this machine) looks for what was promised.
# Needs root. Exit status 0, 1 when something was not kept, 3 when it could not work. With PLANT the load has that bug, and
# it is 0 when a round has noticed.
set -u

# Mounts of our own, which go with us.
[ -n "${KILL_INSIDE:-}" ] || KILL_INSIDE=yes exec unshare --mount "$0" "$@"

here=$(cd "$(dirname "$0")" && pwd)
arch=$1 sysroot=$2 initramfs=$3 dir=$4 kept=$5 rounds=$6 plant=${8:-}
RANDOM=$7
qemu='' bad=0 total=0 killed=0

give_up() {
	echo "kill: $*" >&2
	exit 3
}

end_guest() {
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null
	qemu=
}
trap end_guest EXIT
trap 'exit 143' HUP INT TERM

# The last line may be cut off.
acks_of() { # CONSOLE
	tr -d '\r' <"$1" | sed '$d' | grep -aE '^(started|raised|began|ended|seen|purging|purged) [^ ]+ [0-9]+ [^ ]+ [0-9a-f]{8}$'
}

start_guest() { # SEED
	truncate -s 0 "$dir/console"
	rm -f "$dir/pid"
	cp --sparse=always "$dir/base.img" "$dir/disk.img"
	SETTINGS="COMMAND=load.sh FS=ext4 SEED=$1 STEPS=100000 ${plant:+PLANT=$plant}" CONSOLE=$dir/console DISK=$dir/disk.img \
		"$here/boot.sh" "$arch" "$sysroot" "$initramfs" -pidfile "$dir/pid" >/dev/null 2>&1 &
	boot=$!
	while [ ! -s "$dir/pid" ]; do
		kill -0 $boot 2>/dev/null || give_up "the guest does not start"
		sleep 0.1
	done
	qemu=$(cat "$dir/pid")
}

check_disk() {
	rm -rf "$dir/found" && mkdir -p "$dir/found" "$dir/mnt"
	acks_of "$dir/console" >"$dir/acks"
	total=$((total + $(wc -l <"$dir/acks")))
	e2fsck -p "$dir/disk.img" >"$dir/e2fsck" 2>&1
	[ $? -le 1 ] || give_up "e2fsck -p: $(cat "$dir/e2fsck")"
	mount -o loop -t ext4 "$dir/disk.img" "$dir/mnt" || give_up "cannot mount the image"
	"$kept" "$dir/mnt/hub" "$dir/acks" "$dir/found" ${plant:-finish}
	local status=$?
	umount "$dir/mnt" || give_up "cannot unmount the image"
	return $status
}

for n in $(seq "$rounds"); do
	seed=$RANDOM acks=$((20 + RANDOM % 400)) more=$((RANDOM % 1000))
	start_guest "$seed"
	while kill -0 "$qemu" 2>/dev/null && [ "$(acks_of "$dir/console" | wc -l)" -lt "$acks" ]; do
		sleep 0.1
	done
	sleep "0.$(printf '%03d' $more)"
	kill -9 "$qemu" 2>/dev/null && killed=$((killed + 1)) || tail -n 3 "$dir/console"
	qemu=
	wait "$boot"
	printf 'round %s (seed %s): ' "$n" "$seed"
	check_disk
	case $? in
	0) ;;
	1) bad=$((bad + 1)) ;;
	*) exit 3 ;;
	esac
	[ -z "$plant" ] || [ "$bad" -eq 0 ] || break
done
echo "kills: $n rounds, $killed killed, $total acknowledgements, $bad bad"
if [ -n "$plant" ]; then
	[ "$bad" -gt 0 ]
else
	[ "$bad" -eq 0 ] && [ "$killed" -eq "$n" ]
fi
