# shellcheck shell=bash
# lib.sh - what the tests of the kits share, on top of the end-to-end tests' one: the switches of the Makefile, the cross
# compiler, trees to build in.
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

tool=arm-linux-gnueabihf-
sysroot=$PWD/build/sysroot/armhf
shared=$BUILD/kits/shared # what the first kit has compiled, for the others

# YAML PLUGINS ...: what make itself takes for the names of WITH_ variables.
switches() {
	make -pn help 2>/dev/null | sed -n 's/^WITH_\([A-Z]*\) [:?]*= .*/\1/p' | sort -u
}

version() {
	sed -n 's/^#define PAWL_VERSION "\(.*\)"/\1/p' include/pawl/pawl.h
}

# run.sh has looked for the compiler and the libraries.
_needs_cross() {
	[ "${KITS_BUILD:-}" != none ] || skip "KITS_BUILD=none"
	command -v "${tool}gcc" >/dev/null || skip "no ${tool}gcc (scripts/deps.sh kits)"
	[ -e "$sysroot/usr/include/yaml.h" ] || skip "no libraries of armhf in $sysroot (scripts/sysroot.sh armhf $sysroot)"
}

_read_kconfig() { # CODE ARGUMENT...: of kconfig.py
	local code=$1
	shift
	/usr/bin/python3 -c 'import kconfiglib' 2>/dev/null || skip "no kconfiglib (scripts/deps.sh kits)"
	expect "$code" /usr/bin/python3 tests/kits/kconfig.py "$@"
}

# What a kit would unpack. All three kits compile with the same options, so that the second and third only find what the
# first has done (KITS_BUILD=all: each compiles for itself).
_tree() { # TO, FOLDER below it that the kit's objects are in
	mkdir -p "$1"
	tar --exclude=./build --exclude=./.git --exclude=./config.mak -cf - . | tar -C "$1" -xf -
	if [ "${KITS_BUILD:-}" != all ] && [ -e "$shared/done" ]; then
		mkdir -p "$(dirname "$1/$2")"
		cp -a "$shared/objects" "$1/$2"
	fi
}

_share() { # TREE FOLDER
	[ -e "$shared/done" ] && return 0
	rm -rf "$shared"
	mkdir -p "$shared"
	cp -a "$1/$2" "$shared/objects"
	touch "$shared/done"
}

# The files and links below a folder, sorted.
_list() {
	(cd "$1" && find . ! -type d | sed 's/^\.//' | LC_ALL=C sort)
}

_expect_files() { # WHAT FOLDER LIST
	local wanted
	wanted=$(grep -v '^$' <<<"$3" | LC_ALL=C sort)
	[ "$wanted" = "$(_list "$2")" ] || fail "$1: files differ (< wanted, > there): $(diff <(echo "$wanted") <(_list "$2") | grep '^[<>]' | tr '\n' ' ')"
}

_expect_arm() { # FILE...
	local file
	for file; do
		expect_match "machine of $file" "ARM" "$("${tool}readelf" -h "$file" | grep Machine)"
	done
}
