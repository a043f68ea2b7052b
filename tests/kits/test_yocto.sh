#!/usr/bin/env bash
# board/yocto: the layer evaluated with a stand-in for BitBake (bitbake.py), its tasks run with the environment that they
# would have. BitBake itself is not packaged here.
. tests/kits/lib.sh

layer=$PWD/board/yocto/meta-pawl
recipe=$(echo "$layer"/recipes-core/pawl/pawl_*.bb)

_bitbake() { # [VAR=VALUE...] -- COMMAND...
	python3 tests/kits/bitbake.py "$recipe" "S=$dir/tree" "B=$dir/work" "D=$dir/image" "CC=${tool}gcc --sysroot=$sysroot" "AR=${tool}ar" \
		"OBJCOPY=${tool}objcopy" "NM=${tool}nm" "READELF=${tool}readelf" "STRIP=${tool}strip" "$@"
}

_get() { # VARIABLE [VAR=VALUE...]
	local variable=$1
	shift
	_bitbake "$@" -- get "$variable" | tr -s ' ' | sed 's/^ //; s/ $//'
}

every_switch_of_the_makefile_is_in_packageconfig() {
	local name
	for name in $(switches); do
		expect_match "with $name" " WITH_$name=yes( |$)" " $(_get EXTRA_OEMAKE "PACKAGECONFIG=${name,,}")"
		expect_match "without $name" " WITH_$name=no( |$)" " $(_get EXTRA_OEMAKE "PACKAGECONFIG=")"
	done
	expect_eq "words of PACKAGECONFIG that are no switch" "demo" \
		"$(comm -23 <(_bitbake -- flags PACKAGECONFIG | cut -d ' ' -f 1 | sort) <(switches | tr '[:upper:]' '[:lower:]' | sort))"
}

libyaml_is_depended_on_when_it_is_needed() {
	expect_match "dependencies" " libyaml " " $(_get DEPENDS "PACKAGECONFIG=yaml") "
	expect_no_match "dependencies" " libyaml " " $(_get DEPENDS "PACKAGECONFIG=fs") "
	expect_no_match "dependencies" " cmocka " " $(_get DEPENDS "DISTRO_FEATURES=systemd") "
}

the_sum_of_the_licence_is_right() {
	expect_eq "sum" "file://LICENSE;md5=$(md5sum <LICENSE | cut -d ' ' -f 1)" "$(_get LIC_FILES_CHKSUM)"
}

the_layer_finds_the_tree_that_it_is_part_of() {
	_layer() { # FOLDER VARIABLE
		python3 tests/kits/bitbake.py "$1/conf/layer.conf" BBPATH= BBFILES= -- get "$2"
	}
	expect_eq "tree" "$PWD" "$(_layer "$layer" PAWL_TREE)"
	mkdir -p "$dir/elsewhere/a/b"
	cp -R "$layer" "$dir/elsewhere/a/b/"
	expect_eq "without one" "" "$(_layer "$dir/elsewhere/a/b/meta-pawl" PAWL_TREE)"
	expect_eq "releases" "scarthgap wrynose" "$(_layer "$layer" LAYERSERIES_COMPAT_meta-pawl)"
	expect_match "classes with a tree" "(^| )externalsrc( |$)" "$(_inherited PAWL_TREE=/src)"
	expect_no_match "classes without" "externalsrc" "$(_inherited PAWL_TREE=)"
}

_inherited() {
	_bitbake "$@" -- inherited
}

the_users_are_those_of_the_other_kits() {
	local groups
	groups=$(sed -n 's/^m pawl //p' board/init/pawl.sysusers | paste -sd ,)
	expect_match "user" "--groups $groups .* pawl$" "$(_get USERADD_PARAM:pawl)"
	expect_eq "groups" "--system ${groups//,/; --system }" "$(_get GROUPADD_PARAM:pawl)"
}

the_image_takes_packages_that_there_are() {
	local package
	expect 0 python3 tests/kits/bitbake.py "$layer/recipes-core/images/pawl-image-demo.bb" -- get IMAGE_INSTALL
	for package in $(tr ' ' '\n' <<<"$out" | grep pawl); do
		expect_match "packages" " $package " " $(_get PACKAGES) "
	done
}

it_builds_for_arm_and_each_file_goes_to_one_package() {
	_needs_cross
	_tree "$dir/tree" ../work/out
	_bitbake -- function do_compile >"$dir/do_compile"
	_bitbake -- function do_install >"$dir/do_install"
	expect 0 env MAKEFLAGS=-j2 bash "$dir/do_compile"
	[ -e "$shared/done" ] || _share "$dir" work/out
	expect 0 bash "$dir/do_install"
	_expect_arm "$dir/image/usr/bin/pawl" "$dir/image/usr/lib/libpawl.so.0"
	_bitbake -- packages "$dir/image" | LC_ALL=C sort >"$dir/packages"
	grep '^- ' "$dir/packages" && fail "files in no package: $(grep '^- ' "$dir/packages")"
	expect_eq "pawl" "/usr/bin/pawl /usr/lib/systemd/system/pawl.service /usr/lib/tmpfiles.d/pawl.conf /usr/libexec/pawl/pawl-shim" \
		"$(sed -n 's/^pawl //p' "$dir/packages" | paste -sd ' ')"
	expect_eq "libpawl" "/usr/lib/libpawl.so.0" "$(sed -n 's/^libpawl //p' "$dir/packages" | paste -sd ' ')"
	expect_match "pawl-demo" "^/usr/bin/pawl-demo /usr/libexec/pawl/demo/update /usr/share/pawl/demo/" \
		"$(sed -n 's/^pawl-demo //p' "$dir/packages" | paste -sd ' ')"
	expect_match "pawl-dev" "^/usr/include/pawl/.* /usr/lib/libpawl.so /usr/lib/pkgconfig/pawl.pc$" \
		"$(sed -n 's/^pawl-dev //p' "$dir/packages" | paste -sd ' ')"
	expect_eq "pawl-staticdev" "/usr/lib/libpawl.a" "$(sed -n 's/^pawl-staticdev //p' "$dir/packages" | paste -sd ' ')"
	expect_match "pawl-doc" "^/usr/share/man/man1/pawl.1 " "$(sed -n 's/^pawl-doc //p' "$dir/packages" | paste -sd ' ')"
	! grep -q "$dir" "$dir/image/usr/lib/pkgconfig/pawl.pc" "$dir/image/usr/bin/pawl-demo" || fail "a path of this machine is in what is installed"
}

with_sysvinit_it_has_the_script_and_no_unit() {
	mkdir -p "$dir/tree"
	cp -R board "$dir/tree/"
	_bitbake DISTRO_FEATURES=sysvinit -- function do_install | sed 's/^oe_runmake() .*/oe_runmake() { :; }/' >"$dir/do_install"
	expect 0 bash "$dir/do_install"
	expect_eq "files" "/etc/init.d/pawl" "$(_list "$dir/image" | paste -sd ' ')"
	expect_eq "name" "pawl" "$(_get INITSCRIPT_NAME)"
	expect_eq "unit" "pawl.service" "$(_get SYSTEMD_SERVICE:pawl)"
}

_fake_test() { # NAME LINE...
	local name=$1
	shift
	{
		echo '#!/bin/sh'
		printf "echo '%s'\n" "$@" | sed "s/^echo 'exit \(.*\)'$/exit \1/"
	} >"$dir/ptest/unit/$name"
	chmod +x "$dir/ptest/unit/$name"
}

tests_on_the_target_are_told_in_the_words_of_ptest() {
	mkdir -p "$dir/ptest/unit" "$dir/ptest/tests/e2e" "$dir/ptest/provider"
	sed 's|@E2E@|some|' "$layer/recipes-core/pawl/files/run-ptest" >"$dir/ptest/run-ptest"
	_fake_test test_good '[==========] Running 2 test(s).' '[ RUN      ] this_holds' '[       OK ] this_holds' '[ RUN      ] not_here' \
		'[  SKIPPED ] not_here' '[  PASSED  ] 1 test(s).' '[  SKIPPED ] 1 test(s), listed below:' '[  SKIPPED ] not_here'
	_fake_test test_bad '[ RUN      ] that_breaks' '[  ERROR   ] --- 1 != 2' '[  FAILED  ] that_breaks' '[  FAILED  ] 1 test(s), listed below:' \
		'[  FAILED  ] that_breaks' 'exit 1'
	_fake_test test_crash '[       OK ] before_it' 'exit 139'
	printf '%s\n' 'echo ok one_thing' 'echo skipped another: why' 'echo FAILED third: because' 'echo 1 passed, 1 failed' >"$dir/ptest/tests/e2e/test_some.sh"
	expect 0 bash "$dir/ptest/run-ptest"
	expect_eq "results" "FAIL: unit/test_bad that_breaks|PASS: unit/test_crash before_it|FAIL: unit/test_crash (exit status 139)|PASS: unit/test_good this_holds|SKIP: unit/test_good not_here|FAIL: provider/test_* (exit status 127)|PASS: e2e/some one_thing|SKIP: e2e/some another|FAIL: e2e/some third" \
		"$(grep -E '^(PASS|FAIL|SKIP): ' <<<"$out" | paste -sd '|')"
}

# The real thing, for this machine in place of a target.
all_tests_on_the_target_pass() {
	[ "${KITS_BUILD:-}" = all ] || skip "KITS_BUILD=all runs them"
	local function failed
	_tree "$dir/tree" none
	for function in do_compile do_install do_compile_ptest do_install_ptest; do
		_bitbake CC=gcc AR=ar OBJCOPY=objcopy NM=nm READELF=readelf STRIP=strip -- function "$function" >"$dir/$function"
		[ $function != do_install_ptest ] || install -D "$layer/recipes-core/pawl/files/run-ptest" "$dir/image/usr/lib/pawl/ptest/run-ptest"
		expect 0 env MAKEFLAGS=-j2 bash "$dir/$function"
	done
	try env PAWL="$dir/image/usr/bin/pawl" PAWL_SHIM="$dir/image/usr/libexec/pawl/pawl-shim" "$dir/image/usr/lib/pawl/ptest/run-ptest"
	failed=$(grep '^FAIL: ' <<<"$out" | head -n 5)
	echo "$out" >"$BUILD/kits/ptest.log"
	expect_eq "what failed (all of it is in $BUILD/kits/ptest.log)" "" "$failed"
	[ "$(grep -c '^PASS: ' <<<"$out")" -gt 500 ] || fail "only $(grep -c '^PASS: ' <<<"$out") tests"
}

run_tests
