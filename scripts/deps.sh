#!/bin/sh
# deps.sh SET...: what building and testing need on Debian and Ubuntu. Names what is missing, then installs it with apt
# (through sudo when not root). Nothing missing: nothing is asked of the network. DEPS=no: only look, never install.
#
#	build   compiler, make, libyaml
#	check   build, and what the tests use (also for `make bench`)
#	fuzz    check, and clang's libFuzzer (make fuzz FUZZER=libfuzzer)
#	coverage  check, and gcovr (make coverage)
#	board   cross compilers, musl, user-mode emulation
#	kits    board, and what reads and checks the kits in board/ (make check-kits)
#	cross   board, and the compilers of the other boards under board/ (make board-check)
#	processors  cross, and a compiler for a processor that is big endian (make board-tests ARCHES=...)
#	block   build, and what makes and checks file systems (make block)
#	qemu    board and block, and what boots guests (make qemu)
#	debian  check, and what builds packages and clean systems (make check-debian)
#
# A new need is one line in wanted().
set -eu

missing=

# $1: package, the rest: a command that succeeds when it is there.
need() {
	package=$1
	shift
	if ! "$@" >/dev/null 2>&1; then
		missing="$missing $package"
	fi
}

have() {
	command -v "$1"
}

sbin() {
	PATH=$PATH:/usr/sbin:/sbin have "$1"
}

header() {
	echo "#include <$1>" | ${CC:-gcc} -E -x c -
}

# cmocka.h wants others before it.
cmocka() {
	printf '#include <stdarg.h>\n#include <stddef.h>\n#include <setjmp.h>\n#include <stdint.h>\n#include <cmocka.h>\n' |
		${CC:-gcc} -E -x c -
}

# fuse.h wants to be told which version of it is meant.
fuse3() {
	echo '#include <fuse3/fuse.h>' | ${CC:-gcc} -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=31 -E -x c -
}

# gcc alone is not enough: without the C library's headers nothing compiles.
compiler() {
	have gcc && header stdio.h
}

fuzzer() {
	probe=$(mktemp)
	echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n == 1; }' |
		clang -fsanitize=fuzzer,address -x c - -o "$probe"
	worked=$?
	rm -f "$probe"
	return $worked
}

# The examples' worker and web server; python3-minimal has not all of it.
python() {
	python3 -c 'import http.server, json, threading'
}

# Packages are for the distribution's Python, whatever else is called python3.
kconfiglib() {
	/usr/bin/python3 -c 'import kconfiglib'
}

http_client() {
	have curl || have wget
}

# The run-time libraries of the clang that is there: their package is called differently from release to release.
clang_runtime() {
	major=$(clang --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p' | head -n 1)
	if [ -n "$major" ] && apt-cache show "libclang-rt-$major-dev" >/dev/null 2>&1; then
		echo "libclang-rt-$major-dev"
	elif [ -n "$major" ]; then
		echo "libclang-common-$major-dev"
	else
		echo clang
	fi
}

wanted() {
	case $1 in
	build)
		need gcc have gcc
		need libc6-dev compiler
		need make have make
		need binutils have objcopy
		need pkg-config have pkg-config
		need libyaml-dev header yaml.h
		;;
	check)
		wanted build
		need libcmocka-dev cmocka
		need clang have clang
		need libsqlite3-dev header sqlite3.h
		need python3 have python3
		need python3 python
		need curl http_client
		need procps have pgrep
		need mount have mount
		;;
	fuzz)
		wanted check
		need "$(clang_runtime)" fuzzer
		;;
	coverage)
		wanted check
		need gcovr have gcovr
		;;
	board)
		wanted build
		need gcc-arm-linux-gnueabihf have arm-linux-gnueabihf-gcc
		need libc6-dev-armhf-cross test -e /usr/arm-linux-gnueabihf/include/stdio.h
		need gcc-aarch64-linux-gnu have aarch64-linux-gnu-gcc
		need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
		need qemu-user-static have qemu-arm-static
		need musl-tools have musl-gcc
		;;
	kits)
		wanted board
		need shellcheck have shellcheck
		need python3 have python3
		need python3-kconfiglib kconfiglib
		need busybox have busybox
		need libcmocka-dev cmocka
		need mount have mount
		;;
	cross)
		wanted board
		need gcc-arm-linux-gnueabi have arm-linux-gnueabi-gcc
		need gcc-mipsel-linux-gnu have mipsel-linux-gnu-gcc
		need gcc-riscv64-linux-gnu have riscv64-linux-gnu-gcc
		need libc6-dev-riscv64-cross test -e /usr/riscv64-linux-gnu/include/stdio.h
		need xz-utils have xz
		;;
	processors)
		wanted cross
		need gcc-s390x-linux-gnu have s390x-linux-gnu-gcc
		;;
	block)
		wanted build
		need libfuse3-dev fuse3
		need e2fsprogs have mkfs.ext4
		need xfsprogs have mkfs.xfs
		need btrfs-progs have mkfs.btrfs
		need mount have losetup
		;;
	qemu)
		wanted board
		wanted block
		need qemu-system-arm have qemu-system-aarch64
		need qemu-system-x86 have qemu-system-x86_64
		need cpio have cpio
		need kmod sbin depmod
		need f2fs-tools sbin mkfs.f2fs
		;;
	debian)
		wanted check
		need debhelper have dh
		need dpkg-dev have dpkg-buildpackage
		need lintian have lintian
		need mmdebstrap have mmdebstrap
		need zsh have zsh
		;;
	*)
		echo "error: unknown set '$1'; one of build, check, fuzz, coverage, board, kits, cross, processors, block, qemu, debian" >&2
		exit 2
		;;
	esac
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo >/dev/null; then
		sudo "$@"
	else
		echo "error: not root and no sudo; install by hand:$missing" >&2
		exit 1
	fi
}

# The lists are fetched only when a package is not in those that are there.
apt_install() {
	for package; do
		if ! apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
			as_root apt-get -q update || echo "warning: apt-get update failed, going on with the lists that are there" >&2
			break
		fi
	done
	# Old lists name files that are gone by now: then one more try with new ones.
	install="env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install"
	# shellcheck disable=SC2086
	as_root $install "$@" || { as_root apt-get -q update && as_root $install "$@"; }
}

look() {
	missing=
	for set_name; do
		wanted "$set_name"
	done
	missing=$(echo "$missing" | tr ' ' '\n' | awk 'NF && !seen[$0]++' | tr '\n' ' ' | sed 's/ $//')
}

[ $# -gt 0 ] || set -- build
look "$@"
[ -n "$missing" ] || exit 0
echo "missing for '$*': $missing"
if [ "${DEPS:-yes}" = no ]; then
	echo "not installed because of DEPS=no"
	exit 0
fi
if ! have apt-get >/dev/null; then
	echo "error: no apt-get here; install the equivalents by hand: $missing" >&2
	exit 1
fi
# Twice at most: which package has clang's run-time libraries shows only when clang is there.
for round in 1 2; do
	# shellcheck disable=SC2086
	apt_install $missing
	look "$@"
	[ -n "$missing" ] || exit 0
done
echo "error: still missing after the installation: $missing" >&2
exit 1
