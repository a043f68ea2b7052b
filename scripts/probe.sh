#!/bin/sh
# probe.sh [yaml] -- COMPILER [FLAGS]: prints make variables with the hardening flags that this compiler takes without a
# word, and with what it links statically; with yaml, fails when its header is not there. Run by the Makefile once for each
# build folder. TARGET: it is for another machine, named as sysroot.sh names it, or by the prefix of its toolchain.
set -eu

yaml=no
if [ "$1" = yaml ]; then
	yaml=yes
	shift
fi
shift # --

# A file of our own: tools that replace what they write would, run by root, take the place of /dev/null.
out=$(mktemp "${TMPDIR:-/tmp}/pawl-probe.XXXXXX")
trap 'rm -f "$out"' EXIT

try() {
	echo 'int main(void) { return 0; }' | "$@" -Werror -x c - -o "$out" >/dev/null 2>&1
}

compiler="install gcc (scripts/deps.sh build) or set CC"
libraries="install libyaml-dev (scripts/deps.sh build)"
case ${TARGET:-} in
'') ;;
*-)
	compiler="install it (scripts/deps.sh cross) or set CROSS_COMPILE"
	libraries="SYSROOT=DIR says where the target's libraries are (scripts/sysroot.sh ARCH DIR fetches Debian's)"
	;;
*)
	compiler="install it (scripts/deps.sh cross) or set CROSS_COMPILE"
	libraries="fetch the target's libraries with scripts/sysroot.sh $TARGET build/sysroot/$TARGET, or say where they are with SYSROOT=DIR"
	;;
esac

if ! echo 'int main(void) { return 0; }' | "$@" -x c - -c -o "$out"; then
	echo "error: the compiler '$*' does not work; $compiler" >&2
	exit 1
fi
if ! echo '#include <stdio.h>' | "$@" -x c - -E -o "$out" 2>/dev/null; then
	echo "error: the C library's stdio.h not found by '$*'; $libraries" >&2
	exit 1
fi
# Linked too: Debian's cross compilers find the headers of this machine when the target has none.
# shellcheck disable=SC2086
if [ $yaml = yes ] && ! printf '#include <yaml.h>\nint main(void) { return !yaml_get_version_string(); }\n' |
	"$@" -x c - -o "$out" ${YAML_LIBS:--lyaml} 2>/dev/null; then
	echo "error: libyaml (yaml.h and its library) not found by '$*'; $libraries, or build with WITH_YAML=no" >&2
	exit 1
fi

c= l=
for flag in -fstack-protector-strong -fstack-clash-protection "-ffile-prefix-map=$PWD=."; do
	try "$@" "$flag" && c="$c $flag"
done
for flag in -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code; do
	try "$@" "$flag" && l="$l $flag"
done
# The addresses in tables, packed: a fifteenth of the file. The loader has to know them, which is asked of the libc.
if printf '%s\n' '#include <features.h>' '#if !defined __GLIBC__ || !__GLIBC_PREREQ(2, 36)' '#error old' '#endif' | "$@" -x c - -E -o "$out" 2>/dev/null &&
	try "$@" -Wl,--fatal-warnings -Wl,-z,pack-relative-relocs; then
	l="$l -Wl,-z,pack-relative-relocs"
fi
static=
for flags in "-static -no-pie" -static; do
	# shellcheck disable=SC2086
	try "$@" $flags && static=$flags && break
done
# Numbers of 64 bits that threads share: a library where the processor cannot. Only tests have them (src/os/atomic64.h).
atomic() {
	printf '#include <stdatomic.h>\natomic_llong n;\nint main(void) { atomic_store(&n, 1); return (int)atomic_load(&n); }\n' |
		"$@" -x c - -o "$out" >/dev/null 2>&1
}
libatomic=
if ! atomic "$@"; then
	libatomic=-latomic
fi
echo "ATOMIC_LIBS := $libatomic"
echo "SHIM_STATIC := $static"
echo "HARDEN_CFLAGS :=$c"
echo "HARDEN_LDFLAGS :=$l"
