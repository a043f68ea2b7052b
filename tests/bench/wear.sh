#!/usr/bin/env bash
# wear.sh [CASE...]: bytes that the device gets for each durable step, on file systems of its own (loop devices; as root), with
# different mount options and settings of pawl: the table of docs/flash.md. A case is FS[:OPTIONS[:SETTING]], as below.
# WEAR_STEPS (3000), WEAR_RUNS (3; the median counts), WEAR_DIR (where the images are, 256 MiB each; build/wear).
# BIN has bench_wear: make wear sets it. Ends with "N passed, N failed": failed is what is over a budget of docs/DESIGN.md
# in a case that has one (ext4, f2fs, xfs as they come). make wear WEAR="ext4 xfs" is one of a minute.
set -eu
cd "$(dirname "$0")/../.."

steps=${WEAR_STEPS:-3000} runs=${WEAR_RUNS:-3} work=${WEAR_DIR:-build/wear}
: "${BIN:?is not set: where bench_wear is (make wear sets it)}"
cases=(
	ext4 ext4:noatime ext4:lazytime ext4:data=journal ext4:fast_commit ext4:1k
	ext4::segment-1M ext4::segment-16M ext4::pad
	f2fs f2fs:noatime f2fs::segment-16M
	xfs xfs::segment-16M
	btrfs btrfs:nodatacow # UBIFS: in a guest only (tests/crash/qemu)
)
[ $# -eq 0 ] || cases=("$@")
if [ "$(id -u)" -ne 0 ]; then
	echo "skipped: bytes to the device are measured on loop devices, which needs root"
	echo "0 passed, 0 failed"
	exit 0
fi

mounted='' loop=''
clean_up() {
	[ -z "$mounted" ] || umount "$mounted" 2>/dev/null || umount -l "$mounted" || :
	[ -z "$loop" ] || losetup -d "$loop" || :
	mounted='' loop=''
	rm -f "$work/image"
}
trap clean_up EXIT
trap 'exit 143' TERM INT

missing() { # FS: what it takes, or nothing
	[ "$(id -u)" -eq 0 ] || { echo "root"; return; }
	[ -b "$(losetup -f 2>/dev/null)" ] || { echo "a free loop device"; return; }
	command -v "mkfs.$1" >/dev/null || { echo "mkfs.$1 (scripts/deps.sh block)"; return; }
	grep -qw "$1" /proc/filesystems || modprobe -q "$1" || echo "$1 in the kernel"
}

make_fs() { # FS OPTION
	local size=256M
	[ "$1" != xfs ] || size=320M # it makes no smaller one
	truncate -s "$size" "$work/image"
	case $1:$2 in # mkfs.ext4 gives so small a one blocks of 1 KiB
	ext4:1k) mkfs.ext4 -q -F -b 1024 -E lazy_itable_init=0,lazy_journal_init=0 "$work/image" ;;
	ext4:fast_commit) mkfs.ext4 -q -F -b 4096 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 "$work/image" ;;
	ext4:*) mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 "$work/image" ;;
	f2fs:*) mkfs.f2fs -q -f "$work/image" >/dev/null ;;
	xfs:*) mkfs.xfs -q -f "$work/image" ;;
	btrfs:*) mkfs.btrfs -q -f "$work/image" >/dev/null ;;
	esac
}

settings() { # SETTING
	case $1 in
	segment-1M) echo 'journal: {segment_bytes: 1MiB}' ;;
	segment-16M) echo 'journal: {segment_bytes: 16MiB}' ;;
	pad) echo 'journal: {pad: true}' ;;
	*) echo 'log_level: error' ;;
	esac
}

# "ALONE FLUSHES TOGETHER FLUSHES" of one run
run_once() { # FS OPTION SETTING
	local options=rw
	case $2 in '' | 1k | fast_commit) ;; *) options=rw,$2 ;; esac
	make_fs "$1" "$2"
	loop=$(losetup --show -f "$work/image")
	mkdir -p "$work/mnt"
	mount -t "$1" -o "$options" "$loop" "$work/mnt"
	mounted=$work/mnt
	settings "$3" >"$work/pawl.yaml"
	BENCH_KEEP=1 BENCH_STAT=/sys/block/${loop##*/}/stat timeout 250 "$BIN/bench_wear" "$work/mnt" "$steps" "$work/pawl.yaml" >"$work/out" 2>&1 ||
		{ tail -n 3 "$work/out" >&2; return 1; }
	clean_up
	# what | 4.60 KiB, 1.002 flushes | budget | verdict
	awk -F'|' '/one instance alone|64 instances at once/ { split($2, cell, /[ ,]+/); line = line " " cell[2] " " cell[4] } END { print substr(line, 2) }' "$work/out"
}

# Of all runs, column by column.
median() {
	awk '{ for (i = 1; i <= 4; i++) value[i, NR] = $i } END {
		for (i = 1; i <= 4; i++) {
			for (a = 1; a <= NR; a++) for (b = a + 1; b <= NR; b++) if (value[i, a] + 0 > value[i, b] + 0) { t = value[i, a]; value[i, a] = value[i, b]; value[i, b] = t }
			printf "%s%s", value[i, int((NR + 1) / 2)], i < 4 ? " " : "\n"
		}
	}'
}

passed=0 failed=0
mkdir -p "$work"
work=$(cd "$work" && pwd)
printf '%-6s %-13s %-13s %12s %9s %12s %9s\n' fs option setting 'KiB, alone' flushes 'KiB, of 64' flushes
for case in "${cases[@]}"; do
	IFS=: read -r fs option setting <<<"$case:"
	setting=${setting%:}
	lacks=$(missing "$fs")
	if [ -n "$lacks" ]; then
		echo "skipped: $case needs $lacks"
		continue
	fi
	: >"$work/runs"
	for ((n = 0; n < runs; n++)); do run_once "$fs" "$option" "$setting" >>"$work/runs" || break; done
	if [ "$(grep -c . "$work/runs")" -ne "$runs" ]; then
		echo "FAILED $case: it did not run"
		clean_up
		failed=$((failed + 1))
		continue
	fi
	read -r alone flushes together flushes_together < <(median <"$work/runs")
	verdict=
	case $case in
	ext4 | f2fs | xfs)
		if awk -v a="$alone" -v t="$together" 'BEGIN { exit !(a <= 5 && t <= 0.5) }'; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1)) verdict=' over the budget'
		fi
		;;
	*) passed=$((passed + 1)) ;;
	esac
	printf '%-6s %-13s %-13s %12s %9s %12s %9s%s\n' "$fs" "${option:-"as it comes"}" "${setting:-default}" "$alone" "$flushes" "$together" "$flushes_together" "$verdict"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
