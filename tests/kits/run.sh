#!/usr/bin/env bash
# run.sh: `make check-kits`. The last line is the sum. KITS="buildroot yocto" only those; KITS_BUILD=none compiles nothing,
# KITS_BUILD=all compiles for each kit anew, further variants, and runs the tests that a Yocto image would run.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${PAWL:?is not set: the built program (make check-kits sets it)}" "${BUILD:?is not set: the build folder}"

scripts/deps.sh kits || echo "some of it is left out" >&2
rm -rf "$BUILD/kits" && mkdir -p "$BUILD/kits"

# With the compiler and the options of the library that it looks into.
build_print_config() {
	local flags libs
	flags=$(cat "$BUILD/flags") && libs=$(sed -n 's/^Libs.private: //p' "$BUILD/pawl.pc") || return 1
	# shellcheck disable=SC2086
	$flags -o "$BUILD/kits/print_config" tests/kits/print_config.c "$BUILD/internal.a" $libs
}
if ! build_print_config; then
	echo "FAILED tests/kits/print_config.c cannot be built"
	echo "0 passed, 1 failed"
	exit 1
fi
if [ "${KITS_BUILD:-}" != none ] && [ ! -e build/sysroot/armhf/usr/include/yaml.h ]; then
	scripts/sysroot.sh armhf build/sysroot/armhf || echo "no libraries for armhf: what is compiled for it is left out" >&2
fi

for name in ${KITS:-scripts buildroot yocto openwrt}; do
	echo "== $name"
	log=$BUILD/kits/$name.log
	status=0
	bash "tests/kits/test_$name.sh" 2>&1 </dev/null | tee "$log"
	status=${PIPESTATUS[0]}
	# One that ends without its closing line has failed.
	read -r passed failed < <(awk '/^[0-9]+ passed, [0-9]+ failed$/ { line = $1 " " $3 } END { print line ? line : "0 1" }' "$log")
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	echo "$passed $failed" >>"$BUILD/kits/counts"
done
awk '{ p += $1; f += $2 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$BUILD/kits/counts"
