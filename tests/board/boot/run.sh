#!/usr/bin/env bash
# run.sh - pawl on booted kernels for ARM: the update with power cuts, and the tests of other tiers (README.md). `make board-boot`
# runs it.
#
#	BOARDS         of: qemu-arm qemu-arm64; others cannot be booted here, and are left alone
#	BOOT_PARTS     of: story cuts planted tests e2e watchdog
#	BOOT_CUTS      rounds with a cut at some event
#	BOOT_PLANTS    bugs to plant; "" = none. BOOT_PLANT_ROUNDS: so many rounds may not notice one
#	BOOT_TESTS     of: smoke unit contract. BOOT_UNIT: a regular expression; only unit tests with such a name
#	BOOT_E2E       scripts of tests/e2e; all = all. BOOT_KILLS: rounds of its "kill"
#	BOOT_SEED      of the moments; default: a fresh one, which is told
#	BOOT_PATIENCE  seconds for anything a guest is asked for; CPUS, MEMORY: of a guest
#
# The last line is "N passed, N failed". What cannot run here is told, and counts as neither. Consoles are in build/boot/BOARD. $TALLY is
# a file that gets "BOARD-booted PASSED FAILED".
set -u
cd "$(dirname "$0")/../../.." || exit 1

boards=${BOARDS:-qemu-arm qemu-arm64}
parts=${BOOT_PARTS:-story cuts planted tests e2e watchdog}
# shellcheck disable=SC2034  # of the files that are sourced
patience=${BOOT_PATIENCE:-180} limit=${BOOT_LIMIT:-7200}
seed=${BOOT_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$seed
modules="virtio_mmio virtio_pci virtio_blk virtio_console ext4 loop i6300esb softdog"
packages="busybox-static e2fsprogs bash dash coreutils procps jq util-linux mount grep sed mawk findutils tar gzip diffutils"
passed=0 failed=0 skipped=0 why='' out=''
top=$PWD/build/boot

here=$PWD/tests/board/boot
# shellcheck source=tests/board/boot/guest.sh
. "$here/guest.sh"
# shellcheck source=tests/board/boot/story.sh
. "$here/story.sh"
# shellcheck source=tests/board/boot/native.sh
. "$here/native.sh"
# shellcheck source=tests/board/boot/watchdog.sh
. "$here/watchdog.sh"

passes() {
	passed=$((passed + 1))
	echo "ok: $board: $*"
}

fails() {
	failed=$((failed + 1))
	echo "FAILED: $board: $*"
}

skips() {
	skipped=$((skipped + 1))
	echo "skipped: $board: $*"
}

# check WHAT COMMAND...: which leaves in $why what was wrong
check() {
	local what=$1
	shift
	why=''
	if "$@"; then
		passes "$what"
	else
		[ -n "$why" ] || why=${out:-the console ended with: $(tail -n 3 "$dir/console")}
		fails "$what: ${why:0:600}"
		return 1
	fi
}

# What nothing works without.
must() {
	check "$@" && return
	cut_power
	return 1
}

wanted() { # PART
	case " $parts " in *" $1 "*) ;; *) return 1 ;; esac
}

# ---- what there is for a board ----

choose() { # BOARD
	board=$1 config=boot-$1 board_dir=$top/$1
	case $1 in
	qemu-arm) arch=armhf kernel_package=linux-image-armmp emulator=qemu-system-arm triplet=arm-linux-gnueabihf- ;;
	qemu-arm64) arch=arm64 kernel_package=linux-image-arm64 emulator=qemu-system-aarch64 triplet=aarch64-linux-gnu- ;;
	*) return 1 ;;
	esac
	sysroot=$top/$arch initramfs=$board_dir/initramfs root_image=$board_dir/root.img
	mkdir -p "$board_dir"
}

lacks() {
	local tool
	for tool in "$emulator" cpio depmod modprobe mkfs.ext4 debugfs; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || { echo "$tool (scripts/deps.sh qemu)"; return; }
	done
	command -v "${triplet}gcc" >/dev/null || { echo "${triplet}gcc (scripts/deps.sh board)"; return; }
}

fetch() {
	[ ! -e "$sysroot/.complete" ] || return 0
	echo "$board: kernel, libraries and programs from Debian, once"
	# shellcheck disable=SC2086
	scripts/sysroot.sh $arch "$sysroot" $kernel_package $packages >"$board_dir/fetch.log" 2>&1 && touch "$sysroot/.complete"
}

programs_of() { # FOLDER...
	local folder
	for folder; do
		grep -l '^int main\>' "tests/$folder"/*.c | sed "s|^tests/\(.*\)\.c$|build/$config/tests/\1|"
	done
}

run_make() { # TARGET...
	"${MAKE:-make}" --no-print-directory -j"$(nproc 2>/dev/null || echo 1)" CI="${CI:-}" BOARD="$board" SYSROOT="$sysroot" RUNNER= config="$config" prefix=/usr sysconfdir=/etc "$@"
}

build() {
	local installed=$board_dir/installed b=build/$config
	# shellcheck disable=SC2046
	run_make all examples "$b/examples/update.so" "$b/tests/block/pawl" $(! wanted tests || programs_of board unit provider) &&
		{ ! wanted e2e || E2E_BUILD=only BUILD=$PWD/$b PAWL=$PWD/$b/pawl tests/e2e/run.sh; } &&
		rm -rf "$installed" && run_make install DESTDIR="$installed" &&
		mkdir -p "$installed/usr/lib/pawl/plugins" && cp "$b/examples/update.so" "$installed/usr/lib/pawl/plugins/" &&
		"${triplet}strip" -o "$board_dir/pawl-planted" "$b/tests/block/pawl" &&
		"${triplet}gcc" --sysroot="$sysroot" -O2 -Wall -Wextra -Werror -o "$installed/usr/bin/feed" "$here/feed.c"
}

pack() {
	tests/crash/qemu/initramfs.sh "$sysroot" "$initramfs" "$modules" "$here/init=/init" &&
		STRIP=${triplet}strip "$here/image.sh" root "$sysroot" "$board_dir/installed" "$root_image" || return 1
	if wanted tests || wanted e2e; then
		STRIP=${triplet}strip "$here/image.sh" tests "$config" "$board_dir/tests.img"
	fi
}

try_board() {
	local name
	! wanted story || story
	! wanted cuts || cuts "${BOOT_CUTS:-2}"
	if wanted planted; then
		for name in ${BOOT_PLANTS-nosync}; do
			planted "$name" "${BOOT_PLANT_ROUNDS:-5}"
		done
	fi
	! wanted watchdog || watchdog
	if { wanted tests || wanted e2e; } && begin_tests; then
		for name in ${BOOT_TESTS-smoke contract unit}; do
			case $name in
			smoke) tier smoke board ;;
			contract) tier contract provider ;;
			*) tier unit unit "${BOOT_UNIT:-}" ;;
			esac
		done
		# shellcheck disable=SC2046
		! wanted e2e || e2e $([ "${BOOT_E2E:-}" = all ] || echo "${BOOT_E2E:-cli kill drops process}")
		power_off
	fi
}

trap cut_power EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

echo "seed $seed"
for name in $boards; do
	choose "$name" || continue
	what=$(lacks)
	started=$SECONDS before="$passed $failed"
	if [ -n "$what" ]; then
		skips "needs $what"
	elif ! fetch; then
		skips "needs Debian's packages for $arch ($board_dir/fetch.log)"
	elif ! build >"$board_dir/build.log" 2>&1; then
		fails "the build ($board_dir/build.log)"
	elif ! pack >"$board_dir/pack.log" 2>&1; then
		fails "the images ($board_dir/pack.log)"
	else
		echo "== $board: built and packed in $((SECONDS - started)) s"
		try_board
		cut_power
		echo "== $board took $((SECONDS - started)) s"
	fi
	[ -z "${TALLY:-}" ] || echo "$board-booted $((passed - ${before% *})) $((failed - ${before#* }))" >>"$TALLY"
done
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
