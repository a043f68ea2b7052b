#!/usr/bin/env bash
# board/openwrt: the feed's Makefile evaluated and run with stand-ins for rules.mk and package.mk, its scripts with one for
# /lib/functions.sh and procd's functions. OpenWrt itself is not packaged here.
# shellcheck disable=SC2119  # options are optional
. tests/kits/lib.sh

package=$PWD/board/openwrt/pawl
export PAWL_FUNCTIONS=$PWD/tests/kits/openwrt/functions.sh

_make() {
	make --no-print-directory -s -C "$package" TOPDIR="$PWD/tests/kits/openwrt" WORK="$dir" TOOL="$tool" KIT_SYSROOT="$sysroot" "$@"
}

_options() {
	_make describe "$@" | sed -n 's/^options: //p'
}

every_switch_of_the_makefile_is_an_option_that_reaches_it() {
	local name
	for name in $(switches); do
		case $name in
		YAML | FS) # always, and the Makefile says why
			expect_match "$name" " WITH_$name=yes( |$)" "$(_options BUILD_VARIANT=full)"
			continue
			;;
		esac
		expect_match "with $name" " WITH_$name=yes( |$)" "$(_options BUILD_VARIANT=full "CONFIG_PAWL_$name=y")"
		expect_match "without $name" " WITH_$name=no( |$)" "$(_options BUILD_VARIANT=full)"
		_read_kconfig 0 "$package/Config.in" "$dir/config" PACKAGE_pawl PACKAGE_pawl=y "PAWL_$name=n"
		_read_kconfig 0 "$package/Config.in" "$dir/config" PACKAGE_pawl PACKAGE_pawl=y "PAWL_$name=y"
		expect_match "what rebuilds it" " CONFIG_PAWL_$name( |$)" "$(_make describe BUILD_VARIANT=full | grep '^depends on options')"
	done
	expect_eq "switches that the Makefile does not know" "" \
		"$(comm -23 <(_options BUILD_VARIANT=full | grep -o 'WITH_[A-Z]*' | sort -u) <(switches | sed 's/^/WITH_/'))"
}

the_small_variant_is_that_of_configs() {
	expect_match "options" "CONFIG=tiny WITH_YAML=yes" "$(_options BUILD_VARIANT=tiny)"
	expect_file configs/tiny
}

the_packages_are_described() {
	local all
	all=$(_make describe BUILD_VARIANT=full)
	expect_eq "packages" "pawl pawl-tiny libpawl pawl-demo" "$(sed -n 's/^package //p' <<<"$all" | paste -sd ' ')"
	expect_eq "soname" "libpawl.so.$(sed -n 's/^  ABI_VERSION: //p' <<<"$all")" "$(sed -n 's/^soname := //p' Makefile)"
	expect_match "user" "USERID: pawl:pawl:$(sed -n 's/^m pawl //p' board/init/pawl.sysusers | paste -sd ,)" "$all"
	expect_match "a tree" "^source: *$" "$(grep ^source: <<<"$all")"
	expect_match "no tree" "^source: pawl-$(version).tar.gz" "$(_make describe BUILD_VARIANT=full PAWL_TREE=/nowhere | grep ^source:)"
}

it_builds_for_arm_and_installs_its_packages() {
	_needs_cross
	local name all_on=(CONFIG_PAWL_PLUGINS=y CONFIG_PAWL_DOCTOR=y CONFIG_PAWL_FSCK=y CONFIG_PAWL_TOOLS=y CONFIG_PAWL_METRICS=y
		CONFIG_PAWL_WORKERS=y CONFIG_PAWL_PRESSURE=y CONFIG_PAWL_ISOLATION=y CONFIG_PAWL_REVIVE=y CONFIG_PAWL_ENTITIES=y CONFIG_PAWL_TOPICS=y CONFIG_PAWL_HELP=y)
	expect 0 _make BUILD_VARIANT=full prepare
	_tree "$dir/build_dir/pawl-full/pawl-$(version)" build/openwrt
	expect 0 _make -j2 BUILD_VARIANT=full "${all_on[@]}" compile
	[ -e "$shared/done" ] || _share "$dir/build_dir/pawl-full/pawl-$(version)" build/openwrt
	for name in pawl libpawl pawl-demo; do
		expect 0 _make BUILD_VARIANT=full "${all_on[@]}" $name.install
	done
	_expect_files pawl "$dir/root/pawl" "/etc/config/pawl
/etc/init.d/pawl
/etc/pawl/pawl.yaml
/lib/upgrade/keep.d/pawl
/lib/upgrade/pawl.sh
/usr/bin/pawl
/usr/libexec/pawl/pawl-shim
/usr/libexec/pawl/uci2yaml
/usr/share/pawl/keys"
	_expect_files libpawl "$dir/root/libpawl" "/usr/lib/libpawl.so.0"
	_expect_arm "$dir/root/pawl/usr/bin/pawl" "$dir/root/libpawl/usr/lib/libpawl.so.0" "$dir/root/pawl-demo/usr/libexec/pawl/demo/update"
	expect 0 _make BUILD_VARIANT=full dev
	expect_file "$dir/staging/usr/include/pawl/pawl.h"
	expect_file "$dir/staging/usr/lib/libpawl.so"
}

the_small_variant_builds_for_arm() {
	[ "${KITS_BUILD:-}" = all ] || skip "KITS_BUILD=all builds it"
	_needs_cross
	expect 0 _make BUILD_VARIANT=tiny prepare
	expect 0 _make -j2 BUILD_VARIANT=tiny compile
	expect 0 _make BUILD_VARIANT=tiny pawl-tiny.install
	_expect_arm "$dir/root/pawl-tiny/usr/bin/pawl"
	expect 0 qemu-arm-static -L "$sysroot" "$dir/root/pawl-tiny/usr/bin/pawl" version
	expect_match "features" "features:.* yaml" "$out"
}

# ---- UCI to YAML ----

# That of OpenWrt, and what is /bin/sh elsewhere.
shells=(sh)
! command -v busybox >/dev/null || shells+=("busybox sh")

_keys() {
	export PAWL_KEYS=$dir/keys
	awk -f "$package/files/keys.awk" docs/configuration.md >"$PAWL_KEYS"
	mkdir -p "$dir/config"
	export UCI_DIR=$dir/config
}

_convert() { # $dir/config/pawl to $dir/out.yaml
	expect 0 sh "$package/files/uci2yaml"
	echo "$out" >"$dir/out.yaml"
}

each_key_of_the_configuration_can_be_written_in_uci() {
	local shell
	_keys
	expect_eq "two keys with one option" "" "$(cut -d ' ' -f 1 "$PAWL_KEYS" | tr . _ | sort | uniq -d)"
	python3 tests/kits/all_keys.py uci "$PAWL_KEYS" >"$UCI_DIR/pawl"
	python3 tests/kits/all_keys.py yaml "$PAWL_KEYS" >"$dir/wanted.yaml"
	expect 0 "$BUILD/kits/print_config" "$dir/wanted.yaml"
	echo "$out" >"$dir/wanted"
	echo 'activities: {x: {exec: [/bin/true]}}' >"$dir/defaults.yaml"
	expect 0 "$BUILD/kits/print_config" "$dir/defaults.yaml"
	expect_eq "keys that were left at their default" "" "$(comm -12 <(sort <<<"$out") <(sort "$dir/wanted"))"
	for shell in "${shells[@]}"; do
		# shellcheck disable=SC2086
		expect 0 $shell "$package/files/uci2yaml"
		echo "$out" >"$dir/out.yaml"
		expect 0 "$BUILD/kits/print_config" "$dir/out.yaml"
		expect_eq "with $shell: what differs" "" "$(diff "$dir/wanted" <(echo "$out"))"
	done
}

_refused() { # MESSAGE LINE...
	local message=$1 shell
	shift
	printf '%s\n' "$@" >"$UCI_DIR/pawl"
	for shell in "${shells[@]}"; do
		# shellcheck disable=SC2086
		expect 1 $shell "$package/files/uci2yaml"
		expect_match "with $shell" "$message" "$err"
		expect_eq "with $shell, what was written" "" "$out"
	done
}

slips_in_uci_are_errors_that_say_where() {
	_keys
	_refused "'main' \(pawl\): pawl has no option 'hubb'" "config pawl 'main'" "option hubb '/srv/pawl'"
	_refused "pawl has no option 'pad'" "config drops" "option pad '1'"
	_refused "'journal.pad' is 1 or 0, not 'perhaps'" "config journal" "option pad 'perhaps'"
	_refused "'hub' takes one value" "config pawl 'main'" "list hub '/a'" "list hub '/b'"
	_refused "'process.grace' is there twice" "config process" "option grace '1s'" "config process" "option grace '2s'"
	_refused "an activity has no name" "config activity" "list exec '/bin/true'"
	_refused "'activities.NAME.env' takes NAME=VALUE, not 'oops'" "config activity 'a'" "list env 'oops'"
	_refused "'activities.NAME.exec' takes a list" "config activity 'a'" "option exec 'sh -c true'"
	_refused "control characters" "config activity 'a'" "list exec '$(printf 'bell\007')'"
	_refused "cannot be read" "config activity 'a"
	PAWL_KEYS=$dir/none _refused "cannot read the table of keys" "config pawl 'main'" "option hub '/srv/pawl'"
}

values_of_uci_run_nothing_and_stay_what_they_are() {
	_keys
	local text
	# shellcheck disable=SC1003,SC2016
	for text in '$(touch RAN)' '`touch RAN`' '"; touch RAN; "' "'; touch RAN; '" '\' '\\"' '%s%n' '&|<>*?[a]' '-n' '- a: b' 'null' '~' '!tag &a *a'; do
		printf "config activity 'a'\nlist exec '/bin/echo'\nlist exec '%s'\n" "${text//\'/\'\\\'\'}" >"$UCI_DIR/pawl"
		(cd "$dir" && sh "$package/files/uci2yaml") >"$dir/out.yaml" || fail "'$text' was not taken"
		expect 0 "$BUILD/kits/print_config" "$dir/out.yaml"
		expect_match "exec" "exec <" "$out"
		[ "$(sed -n 's/^activities.*exec //p' <<<"$out")" = "</bin/echo> <$text>" ] || fail "'$text' became: $(grep exec <<<"$out")"
		expect_no_file "$dir/RAN"
	done
}

the_configuration_that_comes_with_it_is_good() {
	_keys
	cp "$package/files/pawl.config" "$UCI_DIR/pawl"
	_convert
	expect 0 "$BUILD/kits/print_config" "$dir/out.yaml"
	expect_match "hub" "hub </srv/pawl>" "$out"
	# Its example, too.
	sed -e '/^#/s/^#//' -e 's/^\t#option/\toption/' "$package/files/pawl.config" | sed '/^ /d' >"$UCI_DIR/pawl"
	_convert
	expect 0 "$BUILD/kits/print_config" "$dir/out.yaml"
	expect_match "example" "activity upload" "$out"
}

# ---- the service ----

# The functions of procd and rc.common write down that they were called.
_service() { # FUNCTION
	cat >"$dir/rc" <<-RC
		. "$PAWL_FUNCTIONS"
		for name in procd_open_instance procd_set_param procd_close_instance procd_send_signal procd_add_reload_trigger \
			procd_add_restart_mount_trigger stop start logger; do
			eval "\$name() { echo \$name \"\\\$@\" >>$dir/calls; }"
		done
		service_running() { [ -e "$dir/running" ]; }
		$(sed -e '1d' -e "s|/var/run|$dir/run|; s|/usr/libexec/pawl/uci2yaml|sh $package/files/uci2yaml|; s|/proc/mounts|$dir/mounts|" "$package/files/pawl.init")
		$1
	RC
	: >"$dir/calls"
	try sh "$dir/rc"
}

the_service_runs_with_what_uci_says() {
	_keys
	cp "$package/files/pawl.config" "$UCI_DIR/pawl"
	_service start_service
	expect_eq "exit code" 0 "$code"
	expect_match "calls" "procd_set_param command /usr/bin/pawl run" "$(cat "$dir/calls")"
	expect_match "calls" "procd_set_param respawn 3600 5 0" "$(cat "$dir/calls")"
	expect_match "calls" "procd_set_param stderr 1" "$(cat "$dir/calls")"
	expect 0 "$BUILD/kits/print_config" "$dir/run/pawl/pawl.yaml"
	touch "$dir/running"
	sed -i "s|option log_level .*|option log_level 'debug'|" "$UCI_DIR/pawl"
	_service reload_service
	expect_eq "calls of reload" "procd_send_signal pawl" "$(cat "$dir/calls")"
	expect_match "configuration" 'log_level: "debug"' "$(cat "$dir/run/pawl/pawl.yaml")"
	_service service_triggers
	expect_eq "triggers" "procd_add_reload_trigger pawl" "$(cat "$dir/calls")"
}

the_service_keeps_what_it_has_when_uci_has_a_slip() {
	_keys
	touch "$dir/running"
	mkdir -p "$dir/run/pawl"
	echo "hub: /old" >"$dir/run/pawl/pawl.yaml"
	printf "config pawl 'main'\n\toption hubb '/srv/pawl'\n" >"$UCI_DIR/pawl"
	_service reload_service
	expect_match "calls" "^logger .*no option 'hubb'" "$(cat "$dir/calls")"
	expect_no_match "calls" "procd_send_signal" "$(cat "$dir/calls")"
	expect_eq "configuration" "hub: /old" "$(cat "$dir/run/pawl/pawl.yaml")"
	_service start_service
	expect_eq "exit code" 1 "$code"
	expect_no_match "calls" "procd_open_instance" "$(cat "$dir/calls")"
}

the_service_waits_for_its_disk_and_can_be_turned_off() {
	_keys
	printf "config pawl 'main'\n\toption enabled '1'\n\toption require_mount '/mnt/data'\n" >"$UCI_DIR/pawl"
	echo "/dev/root / ext4 rw 0 0" >"$dir/mounts"
	_service start_service
	expect_match "calls" "^logger .*'/mnt/data' is not mounted" "$(cat "$dir/calls")"
	expect_no_match "calls" "procd_open_instance" "$(cat "$dir/calls")"
	echo "/dev/sda1 /mnt/data ext4 rw 0 0" >>"$dir/mounts"
	_service start_service
	expect_match "calls" "procd_open_instance" "$(cat "$dir/calls")"
	_service service_triggers
	expect_match "triggers" "procd_add_restart_mount_trigger /mnt/data" "$(cat "$dir/calls")"
	sed -i "s|enabled '1'|enabled '0'|" "$UCI_DIR/pawl"
	_service start_service
	expect_eq "calls when turned off" "" "$(cat "$dir/calls")"
	_service reload_service
	expect_eq "calls of reload" "stop " "$(cat "$dir/calls") "
}

# ---- sysupgrade ----

# As sysupgrade does it: the list of keep.d, then the hook, then tar. $1: CONF_BACKUP, or nothing for an upgrade.
_sysupgrade() {
	mkdir -p "$dir/bin" "$dir/etc"
	printf '#!/bin/sh\necho "%s"\n' "$hub" >"$dir/bin/uci"
	printf '#!/bin/sh\nkill -0 %s 2>/dev/null\n' "$runtime" >"$dir/bin/pidof"
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$PAWL" >"$dir/bin/pawl"
	printf '#!/bin/sh\necho "overlayfs:/overlay 9 9 9 9%% %s"\n' "${mounted:-/}" >"$dir/bin/df"
	printf '#!/bin/sh\necho stop >>%s/stopped; kill %s\n' "$dir" "$runtime" >"$dir/bin/init"
	chmod +x "$dir/bin/"*
	echo "/etc/config/pawl" >"$dir/list"
	find "$hub" -type f -o -type l >>"$dir/list"
	sed -e "s|/etc/init.d/pawl stop|$dir/bin/init|; s|/etc/pawl/backup.tar|$dir/etc/backup.tar|" "$package/files/upgrade.sh" >"$dir/hook"
	# shellcheck disable=SC1003,SC2016
	expect 0 env PATH="$dir/bin:$PATH" CONF_BACKUP="${1-}" sysupgrade_init_conffiles=add_uci_conffiles sh -c '
		. "$1"
		[ "$sysupgrade_init_conffiles" = "add_uci_conffiles pawl_conffiles" ] && pawl_conffiles "$2"' sh "$dir/hook" "$dir/list"
	expect_match "the rest of the list" "^/etc/config/pawl" "$(cat "$dir/list")"
}

_runtime_with_one_that_waits() {
	new_hub "journal: {segment_bytes: 256KiB, segments: 2}"
	program=$BUILD/examples/hello
	start_ready
	expect 0 "$program" -q start greet --id one -i world
	wait_events one EventSubscribed 1
}

an_upgrade_takes_a_hub_at_rest_along() {
	_runtime_with_one_that_waits
	_sysupgrade ""
	expect_file "$dir/stopped"
	! kill -0 "$runtime" 2>/dev/null || fail "the runtime still runs"
	tar -cf "$dir/kept.tar" -T <(grep -v '^/etc/' "$dir/list") 2>/dev/null
	mv "$hub" "$hub.before"
	tar -xf "$dir/kept.tar" -C /
	start_ready
	expect 0 "$PAWL" -q raise one approved -d yes
	expect_output one "hello world"
}

an_upgrade_leaves_a_hub_on_a_disk_of_its_own_where_it_is() {
	_runtime_with_one_that_waits
	mounted=/mnt/data
	_sysupgrade ""
	expect_file "$dir/stopped"
	expect_eq "list" "/etc/config/pawl" "$(cat "$dir/list")"
}

a_backup_has_an_archive_for_import_and_stops_nothing() {
	_runtime_with_one_that_waits
	_sysupgrade "$dir/backup.tar.gz"
	expect_no_file "$dir/stopped"
	expect_eq "list" "/etc/config/pawl $dir/etc/backup.tar" "$(paste -sd ' ' "$dir/list")"
	stop_runtime
	mv "$hub" "$hub.before"
	expect 0 "$PAWL" -q import "$dir/etc/backup.tar"
	start_ready
	expect 0 "$PAWL" -q raise one approved -d yes
	expect_output one "hello world"
}

keep_d_has_the_hub_of_the_configuration() {
	local hub
	hub=$(sed -n "s/^\toption hub '\(.*\)'/\1/p" "$package/files/pawl.config")
	grep -qx "$hub" "$package/files/pawl.keep" || fail "keep.d does not have '$hub'"
	grep -qx "/etc/pawl" "$package/files/pawl.keep" || fail "keep.d does not have /etc/pawl"
}

run_tests
