#!/bin/sh
# probe.sh [yaml] -- COMPILER [FLAGS]: prints make variables with the hardening flags that this compiler takes without a
# word, and with what it links statically; with yaml, fails when its header is not there. Run by the Makefile once for each build folder.
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

if ! echo 'int main(void) { return 0; }' | "$@" -x c - -c -o "$out"; then
	echo "error: the compiler '$*' does not work; install gcc (scripts/deps.sh build) or set CC" >&2
	exit 1
fi
if [ $yaml = yes ] && ! echo '#include <yaml.h>' | "$@" -x c - -E -o "$out" 2>/dev/null; then
	echo "error: libyaml's yaml.h not found; install libyaml-dev (scripts/deps.sh build) or build with WITH_YAML=no" >&2
	exit 1
fi

c= l=
for flag in -fstack-protector-strong -fstack-clash-protection "-ffile-prefix-map=$PWD=."; do
	try "$@" "$flag" && c="$c $flag"
done
for flag in -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code; do
	try "$@" "$flag" && l="$l $flag"
done
static=
for flags in "-static -no-pie" -static; do
	# shellcheck disable=SC2086
	try "$@" $flags && static=$flags && break
done
echo "SHIM_STATIC := $static"
echo "HARDEN_CFLAGS :=$c"
echo "HARDEN_LDFLAGS :=$l"
