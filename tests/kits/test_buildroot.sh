#!/usr/bin/env bash
# board/buildroot: Config.in as kconfiglib reads it, pawl.mk evaluated and run with a stand-in for generic-package.
. tests/kits/lib.sh

kit=$PWD/board/buildroot
# Symbols of Buildroot that Config.in asks for, with the values of an ordinary toolchain.
toolchain=(BR2_USE_MMU BR2_TOOLCHAIN_HAS_THREADS BR2_TOOLCHAIN_HAS_SYNC_4 BR2_TOOLCHAIN_GCC_AT_LEAST_4_9
	BR2_TOOLCHAIN_HEADERS_AT_LEAST_3_17 BR2_STATIC_LIBS BR2_SHARED_LIBS BR2_PACKAGE_LIBYAML)
good=(BR2_USE_MMU=y BR2_TOOLCHAIN_HAS_THREADS=y BR2_TOOLCHAIN_HAS_SYNC_4=y BR2_TOOLCHAIN_GCC_AT_LEAST_4_9=y
	BR2_TOOLCHAIN_HEADERS_AT_LEAST_3_17=y)

_kconfig() { # SYMBOL=VALUE...: what the symbols are then is in $dir/config
	_read_kconfig 0 "$kit/package/pawl/Config.in" "$dir/config" "${toolchain[@]}" "${good[@]}" "$@"
	sed -i 's/^CONFIG_//' "$dir/config"
}

_make() {
	make --no-print-directory -s -f tests/kits/buildroot.mk KIT="$kit" CONFIG="$dir/config" OUT="$dir/out" TREE="$dir/tree" TOOL="$tool" \
		KIT_SYSROOT="$sysroot" "$@"
}

_variable() { # NAME
	_make variables | sed -n "s/^$1: *//p" | tr -s ' \t' ' ' | sed 's/^ //; s/ $//'
}

every_switch_of_the_makefile_is_an_option_that_reaches_it() {
	local name options
	for name in $(switches); do
		_kconfig BR2_PACKAGE_PAWL=y "BR2_PACKAGE_PAWL_$name=n"
		options=$(_variable options)
		expect_match "without $name" " WITH_$name=no( |$)" " $options"
		_kconfig BR2_PACKAGE_PAWL=y "BR2_PACKAGE_PAWL_$name=y"
		options=$(_variable options)
		expect_match "with $name" " WITH_$name=yes( |$)" " $options"
	done
	expect_eq "switches that the Makefile does not know" "" \
		"$(comm -23 <(grep -o 'WITH_[A-Z]*' "$kit/package/pawl/pawl.mk" | sort -u) <(switches | sed 's/^/WITH_/'))"
}

static_libraries_mean_a_static_program_without_plugins() {
	_kconfig BR2_PACKAGE_PAWL=y BR2_STATIC_LIBS=y
	expect_match "options" "static=yes .*WITH_PLUGINS=no" "$(_variable options)"
	_kconfig BR2_PACKAGE_PAWL=y BR2_SHARED_LIBS=y
	expect_match "options" "static=no .*WITH_PLUGINS=yes" "$(_variable options)"
}

libyaml_is_selected_when_it_is_needed() {
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_LIBYAML=y
	expect_eq "dependencies" "libyaml" "$(_variable dependencies)"
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_PAWL_YAML=n BR2_PACKAGE_LIBYAML=n
	expect_eq "dependencies" "" "$(_variable dependencies)"
}

it_is_not_offered_without_what_it_needs() {
	local lacking
	for lacking in BR2_USE_MMU BR2_TOOLCHAIN_HAS_THREADS BR2_TOOLCHAIN_HAS_SYNC_4 BR2_TOOLCHAIN_GCC_AT_LEAST_4_9 \
		BR2_TOOLCHAIN_HEADERS_AT_LEAST_3_17; do
		_kconfig "$lacking=n" BR2_PACKAGE_PAWL=n
		_read_kconfig 1 "$kit/package/pawl/Config.in" "$dir/config" "${toolchain[@]}" "${good[@]}" "$lacking=n" \
			BR2_PACKAGE_PAWL=y
	done
}

the_source_is_this_tree_or_another_or_a_release() {
	_kconfig BR2_PACKAGE_PAWL=y
	expect_eq "site" "$PWD local" "$(_variable site)"
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_PAWL_SOURCE_DIR=/src/pawl
	expect_eq "site" "/src/pawl local" "$(_variable site)"
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_PAWL_SOURCE_RELEASE=y
	expect_eq "site" "https://example.org/pawl/releases" "$(_variable site)"
}

the_licence_is_named_and_its_sum_is_right() {
	_kconfig BR2_PACKAGE_PAWL=y
	expect_eq "licence" "MIT LICENSE" "$(_variable license)"
	expect_eq "its sum" "$(sha256sum <LICENSE | cut -d ' ' -f 1)" "$(sed -n 's/^sha256  \(.*\)  LICENSE$/\1/p' "$kit/package/pawl/pawl.hash")"
}

the_users_are_those_of_the_other_kits() {
	_kconfig BR2_PACKAGE_PAWL=y
	expect_match "users" "^pawl -1 pawl -1 [*] - - $(sed -n 's/^m pawl //p' board/init/pawl.sysusers | paste -sd ,) " "$(_variable users)"
}

the_kernel_gets_what_the_loop_needs() {
	_kconfig BR2_PACKAGE_PAWL=y
	mkdir -p "$dir/tree"
	expect_match "options of the kernel" "enable CONFIG_INOTIFY_USER" "$(_make kernel)"
}

the_defconfig_sets_what_there_is() {
	local file
	_kconfig "$(grep '^BR2_PACKAGE_PAWL=' "$kit/configs/pawl_qemu_arm_defconfig")" \
		"$(grep '^BR2_PACKAGE_PAWL_DEMO=' "$kit/configs/pawl_qemu_arm_defconfig")"
	# shellcheck disable=SC2013,SC2016
	for file in $(sed -n 's/.*"$(BR2_EXTERNAL_PAWL_PATH)\/\(.*\)"/\1/p' "$kit/configs/pawl_qemu_arm_defconfig"); do
		expect_file "$kit/$file"
	done
	expect 0 "$BUILD/kits/print_config" "$kit/board/qemu-arm/overlay/etc/pawl"
	expect_match "journal" "journal.segment_bytes 262144" "$out"
	mkdir "$dir/images"
	expect 0 "$kit/board/qemu-arm/post-image.sh" "$dir/images"
	expect 0 sh -n "$dir/images/run-qemu.sh"
}

# The rules of its utils/check-package that are easily broken; KITS_BUILDROOT=DIR runs the real one of a Buildroot tree.
the_files_look_as_buildroot_wants_them() {
	local header
	header="$(printf '#%.0s' {1..80})"
	expect_eq "head of pawl.mk" "$header|#|# pawl|#|$header|" "$(head -n 6 "$kit/package/pawl/pawl.mk" | paste -sd '|')"
	! grep -nE '[ 	]+$|	 *\\$|  \\$|[^$]\$\{' "$kit/package/pawl/"* "$kit/Config.in" "$kit/external."* || fail "spaces or braces"
	expect_eq "words of external.desc" "name desc" "$(sed 's/:.*//' "$kit/external.desc" | paste -sd ' ')"
	[ -z "${KITS_BUILDROOT:-}" ] || expect 0 "$KITS_BUILDROOT/utils/check-package" -b "$kit"/package/pawl/* "$kit/Config.in" "$kit/external.mk"
}

it_builds_for_arm_and_installs_what_a_target_needs() {
	_needs_cross
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_PAWL_DEMO=y BR2_SHARED_LIBS=y
	_tree "$dir/tree" build/buildroot
	expect 0 _make -j2 build
	_share "$dir/tree" build/buildroot
	expect 0 _make install INIT=SYSV
	expect_file "$dir/out/staging/usr/include/pawl/pawl.h"
	expect_file "$dir/out/staging/usr/lib/pkgconfig/pawl.pc"
	expect_no_file "$dir/out/staging/usr/lib/libpawl.a"
	# As Buildroot does when it finishes the target.
	rm -rf "$dir"/out/target/usr/{include,share/man,lib/pkgconfig,lib/*.a}
	rm -rf "$dir/out/target/usr/share/bash-completion" "$dir/out/target/usr/share/zsh"
	(cd "$dir/out/target" && rm -rf usr/share/pawl/demo/docs usr/share/pawl/demo/include usr/share/pawl/demo/examples/update/activities)
	_expect_files "target" "$dir/out/target" "/etc/init.d/S99pawl
/etc/init.d/pawl
/usr/bin/pawl
/usr/bin/pawl-demo
/usr/lib/libpawl.so
/usr/lib/libpawl.so.0
/usr/libexec/pawl/demo/update
/usr/libexec/pawl/pawl-shim
/usr/share/pawl/demo/examples/update/demo.sh
/usr/share/pawl/demo/examples/update/pawl.yaml"
	_expect_arm "$dir/out/target/usr/bin/pawl" "$dir/out/target/usr/libexec/pawl/pawl-shim" "$dir/out/target/usr/lib/libpawl.so.0"
	command -v qemu-arm-static >/dev/null || return 0
	expect 0 qemu-arm-static -L "$sysroot" "$dir/out/target/usr/bin/pawl" version
	expect_match "features" "fs yaml plugins" "$out"
}

each_init_system_gets_its_script() {
	local init
	_kconfig BR2_PACKAGE_PAWL=y
	mkdir -p "$dir/tree"
	cp -R board "$dir/tree/"
	for init in SYSV SYSTEMD OPENRC; do
		expect 0 make --no-print-directory -f tests/kits/buildroot.mk KIT="$kit" CONFIG="$dir/config" OUT="$dir/$init" TREE="$dir/tree" \
			INIT=$init PAWL_MAKE=true install
	done
	expect_eq "sysv" "/etc/init.d/S99pawl /etc/init.d/pawl" "$(_list "$dir/SYSV/target" | paste -sd ' ')"
	expect_eq "S99pawl" pawl "$(readlink "$dir/SYSV/target/etc/init.d/S99pawl")"
	expect_eq "systemd" "/usr/lib/systemd/system/pawl.service /usr/lib/sysusers.d/pawl.conf /usr/lib/tmpfiles.d/pawl.conf" \
		"$(_list "$dir/SYSTEMD/target" | paste -sd ' ')"
	expect_eq "openrc" "/etc/init.d/pawl" "$(_list "$dir/OPENRC/target" | paste -sd ' ')"
	_kconfig BR2_PACKAGE_PAWL=y BR2_PACKAGE_PAWL_SERVICE=n
	expect 0 make --no-print-directory -f tests/kits/buildroot.mk KIT="$kit" CONFIG="$dir/config" OUT="$dir/none" TREE="$dir/tree" INIT=SYSV \
		PAWL_MAKE=true install
	expect_no_file "$dir/none/target"
}

a_static_build_without_yaml_is_one_file() {
	[ "${KITS_BUILD:-}" = all ] || skip "KITS_BUILD=all builds it"
	_needs_cross
	_kconfig BR2_PACKAGE_PAWL=y BR2_STATIC_LIBS=y BR2_PACKAGE_PAWL_YAML=n
	_tree "$dir/tree" build/none
	expect 0 _make -j2 build
	expect 0 _make install INIT=SYSV
	_expect_arm "$dir/out/target/usr/bin/pawl"
	"${tool}readelf" -d "$dir/out/target/usr/bin/pawl" | grep NEEDED && fail "it is not static"
	expect_file "$dir/out/staging/usr/lib/libpawl.a"
}

run_tests
