#!/usr/bin/env bash
# What all kits have in common: versions, scripts, examples of configurations.
. tests/kits/lib.sh

the_scripts_of_the_kits_are_clean_for_shellcheck() {
	command -v shellcheck >/dev/null || skip "no shellcheck (scripts/deps.sh kits)"
	local file files=()
	while IFS= read -r file; do
		case $(head -n 1 "$file") in
		'#!'*sh | '#!'*'/etc/rc.common') files+=("$file") ;;
		*) case $file in *.sh) files+=("$file") ;; esac ;;
		esac
	done < <(find board/buildroot board/yocto board/openwrt board/*.sh examples/update/pawl-demo.in tests/kits -type f)
	[ ${#files[@]} -ge 10 ] || fail "found only ${#files[@]} scripts"
	expect 0 shellcheck -x -e SC1091 "${files[@]}"
	[ -z "$out" ] || fail "$out"
}

each_kit_has_the_version_of_the_header() {
	local wanted
	wanted=$(version)
	expect_eq "Buildroot" "$wanted" "$(sed -n 's/^PAWL_VERSION = //p' board/buildroot/package/pawl/pawl.mk)"
	expect_eq "OpenWrt" "$wanted" "$(sed -n 's/^PKG_VERSION:=//p' board/openwrt/pawl/Makefile)"
	expect_file "board/yocto/meta-pawl/recipes-core/pawl/pawl_$wanted.bb"
}

the_sum_of_a_release_goes_into_each_kit() {
	local sum
	cp -R board "$dir/board"
	mkdir -p "$dir/include/pawl"
	cp include/pawl/pawl.h "$dir/include/pawl/"
	: >"$dir/pawl-$(version).tar.gz"
	sum=$(sha256sum <"$dir/pawl-$(version).tar.gz" | cut -d ' ' -f 1)
	expect 0 "$dir/board/release-hash.sh" "$dir/pawl-$(version).tar.gz"
	expect 0 "$dir/board/release-hash.sh" "$dir/pawl-$(version).tar.gz" # and it stands there once
	expect_eq "Buildroot" "sha256  $sum  pawl-$(version).tar.gz" "$(grep tar.gz "$dir/board/buildroot/package/pawl/pawl.hash")"
	expect_eq "OpenWrt" "PKG_HASH:=$sum" "$(grep PKG_HASH "$dir/board/openwrt/pawl/Makefile")"
	expect_eq "Yocto" "SRC_URI[sha256sum] = \"$sum\"" "$(grep sha256sum "$dir"/board/yocto/meta-pawl/recipes-core/pawl/pawl_*.bb)"
	: >"$dir/pawl-9.tar.gz"
	expect 1 "$dir/board/release-hash.sh" "$dir/pawl-9.tar.gz"
}

# Nothing but busybox, as on a small image. (With another prefix than the build's all of it would be compiled again.)
the_demo_runs_with_nothing_but_busybox() {
	[ "$(id -u)" -eq 0 ] || skip "needs root, for chroot"
	unshare --mount --pid --fork true 2>/dev/null || skip "needs mount namespaces"
	local busybox root=$dir/root library
	busybox=$(command -v busybox) || skip "no busybox (scripts/deps.sh kits)"
	readelf -l "$busybox" | grep -q INTERP && skip "busybox is linked dynamically here"
	grep -q -e -fsanitize= "$BUILD/flags" && skip "not under the sanitizers"
	mkdir -p "$root"/{bin,proc,dev,tmp}
	expect 0 make --no-print-directory config="$(basename "$BUILD")" DESTDIR="$root" install-demo
	install -D "$PAWL" "$root/usr/local/bin/pawl"
	install -D "$(dirname "$PAWL")/pawl-shim" "$root/usr/local/libexec/pawl/pawl-shim"
	cp "$busybox" "$root/bin/busybox"
	ldd "$PAWL" | grep -o '/[^ ]*\.so[^ ]*' | while read -r library; do
		install -D "$library" "$root$library"
	done
	# shellcheck disable=SC2016
	expect 0 timeout 100 unshare --mount --pid --fork --kill-child sh -c '
		mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && chroot "$1" /bin/busybox --install -s /bin &&
		exec chroot "$1" /bin/env -i DEMO_SLOW=8 PATH=/usr/local/bin:/bin pawl-demo' sh "$root"
	expect_match "its end" "demo: ok$" "$out"
	expect_eq "what it left" "" "$(ls "$root/tmp")"
}

run_tests
