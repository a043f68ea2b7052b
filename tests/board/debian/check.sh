#!/usr/bin/env bash
# check.sh: builds the Debian packages twice, looks at them with lintian, installs them into clean systems (one with the sysv
# script, one with systemd as process 1), uses, upgrades, removes and purges them there. As root; all of it in build/debian.
# The last line is "N passed, N failed".
#
#	DEBIAN_UNIT=no       without the unit tests of the first build
#	DEBIAN_TWICE=no      without the second build, which must be the same byte by byte
#	DEBIAN_PACKAGES=DIR  with the packages that are there already
#	DEBIAN_ONLY="sysv systemd"   only these of: packages sysv systemd
# shellcheck disable=SC2016,SC2317  # what a shell inside is to expand; what check calls
set -u
cd "$(dirname "$0")/../../.." || exit 1
here=$PWD/tests/board/debian
dir=$PWD/build/debian
packages=${DEBIAN_PACKAGES:-$dir}
only=${DEBIAN_ONLY:-packages sysv systemd}
patience=90
passed=0 failed=0 holder='' pid=''

good() {
	passed=$((passed + 1))
	echo "ok $*"
}

bad() {
	failed=$((failed + 1))
	echo "FAILED $*"
}

# check WHAT COMMAND...
check() {
	local what=$1 said
	shift
	if said=$("$@" 2>&1); then
		good "$what"
	else
		bad "$what: $(tail -n 5 <<<"$said")"
	fi
}

finish() {
	stop_machine
	echo "$passed passed, $failed failed"
	[ $failed -eq 0 ] && [ $passed -gt 0 ]
	exit
}

skip() {
	echo "skipped: $*"
	passed=0 failed=0
	echo "0 passed, 0 failed"
	exit 0
}

# ---- what is needed ----

[ "$(id -u)" -eq 0 ] || skip "the Debian packages are installed into a clean system: that needs root"
for tool in dpkg-buildpackage dh lintian mmdebstrap unshare nsenter; do
	command -v $tool >/dev/null || skip "the Debian packages need $tool (scripts/deps.sh debian)"
done
unshare --pid --fork --mount --uts --ipc --net --cgroup true 2>/dev/null || skip "no namespaces here (unshare)"

# ---- the packages ----

# The second time elsewhere, at another time zone, one job at a time.
build_twice() {
	local options=nocheck file name other=$dir/again/somewhere-else
	[ "${DEBIAN_UNIT:-yes}" = no ] || options=
	if ! DEB_BUILD_OPTIONS="parallel=$(nproc) $options" board/debian/build.sh "$dir" >"$dir/build.log" 2>&1; then
		bad "the packages are built: $dir/build.log says $(grep -E ' error: |Error [0-9]|^FAILED|: failure' "$dir/build.log" | head -n 3)"
		finish
	fi
	if [ -n "$options" ]; then
		good "the packages are built"
	else
		good "the packages are built, and their unit tests pass"
	fi
	[ "${DEBIAN_TWICE:-yes}" = yes ] || return 0
	mkdir -p "$other"
	if ! TZ=Pacific/Auckland LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS='parallel=1 nocheck' board/debian/build.sh "$other" >"$dir/again.log" 2>&1; then
		bad "the packages are built again: $dir/again.log"
		return 0
	fi
	for file in "$dir"/*.deb; do
		name=${file##*/}
		check "$name is the same byte by byte when built again" cmp "$file" "$other/$name"
	done
	rm -rf "$dir/again"
}

lintian_is_silent() {
	local said
	said=$(lintian --allow-root --fail-on none --display-info --pedantic "$packages"/pawl_*.changes 2>&1) || return 1
	said=$(grep -v '^N: ' <<<"$said")
	[ -z "$said" ] || { echo "$said" && return 1; }
}

contents_are() { # PACKAGE PATTERN...
	local list package=$1 pattern
	shift
	list=$(dpkg-deb -c "$packages/${package}"_*.deb | awk '{ print $6 }')
	for pattern; do
		grep -qE "^\./$pattern\$" <<<"$list" || { echo "$package has no $pattern" && return 1; }
	done
}

look_at_packages() {
	local arch
	arch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
	check "lintian has nothing to say, not even pedantically" lintian_is_silent
	check "pawl has program, shim, service, script, configuration, completion and manual" contents_are pawl usr/bin/pawl \
		usr/libexec/pawl/pawl-shim '(usr/)?lib/systemd/system/pawl.service' etc/init.d/pawl etc/pawl/pawl.yaml \
		usr/share/bash-completion/completions/pawl usr/share/zsh/vendor-completions/_pawl usr/share/man/man1/pawl.1.gz \
		usr/share/man/man5/pawl.yaml.5.gz usr/lib/sysusers.d/pawl.conf usr/lib/tmpfiles.d/pawl.conf
	check "libpawl0 has the library in its multiarch place" contents_are libpawl0 "usr/lib/$arch/libpawl.so.0"
	check "libpawl-dev has headers and both libraries" contents_are libpawl-dev usr/include/pawl/pawl.h "usr/lib/$arch/libpawl.a" \
		"usr/lib/$arch/libpawl.so" "usr/lib/$arch/pkgconfig/pawl.pc"
	check "symbols of their own packages" contents_are pawl-dbgsym 'usr/lib/debug/.*[.]debug'
}

# The same with a higher version: what an upgrade sees.
make_newer() {
	local tree=$dir/newer
	rm -rf "$tree" "$dir/newer.deb"
	dpkg-deb -R "$packages"/pawl_*.deb "$tree" && sed -i 's/^Version: .*/Version: 99.0-1/' "$tree/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$tree" "$dir/newer.deb" >/dev/null && rm -rf "$tree"
}

# ---- machines ----

# A clean system by the distribution's mirror, as apt here names it; kept, as it takes minutes.
make_base() {
	local codename lines
	[ ! -s "$dir/base.tar" ] || return 0
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	lines=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Component: main' |
		grep -E " $codename(-security|-updates)? main\$" | sort -u)
	[ -n "$lines" ] || { echo "apt has no list of $codename here: apt-get update" && return 1; }
	mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,libyaml-dev,gcc,libc6-dev,pkg-config \
		"$codename" "$dir/base.new.tar" - <<<"$lines" >"$dir/base.log" 2>&1 || { tail -n 3 "$dir/base.log" && return 1; }
	mv "$dir/base.new.tar" "$dir/base.tar"
}

start_machine() { # NAME INIT [ARG...]
	root=$dir/root-$1
	shift
	rm -rf "$root"
	mkdir -p "$root/packages"
	tar -C "$root" --exclude='./dev/*' -xf "$dir/base.tar" || return 1
	cp "$packages"/*_*.deb "$dir/newer.deb" "$root/packages/"
	cp -r board/debian/tests "$root/packages/tests"
	cp -r board/init "$root/packages/init"
	setsid unshare --pid --fork --kill-child --mount --uts --ipc --net --cgroup "$here/boot.sh" "$root" "$@" >"$dir/console.log" 2>&1 </dev/null &
	holder=$!
	await "process 1" _has_init
}

_has_init() {
	pid=$(ps -o pid= --ppid "$holder" | tr -d ' ')
	[ -n "$pid" ] && [ -e "/proc/$pid/root/etc/os-release" ] && [ ! -e "/proc/$pid/root/packages/../.host" ] &&
		! grep -qz boot.sh "/proc/$pid/cmdline" && [ "$(stat -c %i "/proc/$pid/root/")" = "$(stat -c %i "$root")" ]
}

stop_machine() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
	[ -z "$holder" ] || wait "$holder" 2>/dev/null
	pid='' holder=''
	[ "$failed" -ne 0 ] || rm -rf "$dir"/root-*
}
trap 'stop_machine; exit 143' INT TERM

# With a runlevel, without which invoke-rc.d starts nothing where there is no systemd.
inside() {
	timeout -k 5 180 nsenter -t "$pid" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin RUNLEVEL=2 PREVLEVEL=N LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# await WHAT COMMAND...: until it succeeds.
await() {
	local what=$1 end=$((SECONDS + patience))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "waited $patience s for: $what" && return 1; }
		sleep 0.1
	done
}

install_all() {
	inside sh -c 'dpkg -i /packages/libpawl0_*.deb /packages/libpawl-dev_*.deb /packages/pawl_*.deb /packages/pawl-doc*.deb'
}

# An orchestration whose program runs until /run/go-on is there, and which then waits for an event.
bring_work() {
	inside sh -c 'mkdir -p /usr/lib/pawl/plugins /usr/lib/pawl/activities &&
		cc -DPLUGIN -shared -fPIC -o /usr/lib/pawl/plugins/greet.so /packages/tests/greet.c $(pkg-config --cflags pawl) &&
		printf "#!/bin/sh\nwhile [ ! -e /run/go-on ]; do sleep 0.1; done\ntr a-z A-Z\n" >/usr/lib/pawl/activities/shout &&
		chmod 755 /usr/lib/pawl/activities/shout'
}

start_work() { # ID
	inside rm -f /run/go-on
	inside pawl -q start greet --id "$1" -i "$1" && await "the program of $1" activity_of "$1"
}

activity_of() { # ID: attempt and process of the shim
	inside pawl activities "$1" 2>/dev/null | awk '$4 == "Active" && $7 ~ /^[0-9]+$/ { print $6, $7; found = 1 } END { exit !found }'
}

waits_for() { # ID WHAT
	inside pawl status "$1" | grep -q "$2"
}

finishes() { # ID
	inside touch /run/go-on
	await "$1 to wait for its event" waits_for "$1" 'event go' && inside pawl -q raise "$1" go &&
		[ "$(inside pawl -q wait "$1" --timeout "${patience}s")" = "$(tr '[:lower:]' '[:upper:]' <<<"hello $1")" ]
}

runtime_pid() {
	inside sh -c 'p=$(sed -n "s/^pid //p" /var/lib/pawl/LOCK) && [ "$(cat /proc/$p/comm)" = pawl ] && echo $p'
}

new_runtime() { # OLD
	local now
	now=$(runtime_pid) && [ "$now" != "$1" ]
}

# The activity that runs is the same, in its first attempt, under another runtime.
goes_on_through() { # ID COMMAND...
	local id=$1 before runtime
	shift
	before=$(activity_of "$id") || { echo "no activity of $id runs" && return 1; }
	runtime=$(runtime_pid) || return 1
	inside "$@" && await "another runtime" new_runtime "$runtime" && await "the activity" activity_of "$id" || return 1
	[ "$before" = "$(activity_of "$id")" ] || { echo "it was '$before', it is '$(activity_of "$id")'" && return 1; }
}

nothing_runs() {
	! inside sh -c 'cat /proc/[0-9]*/comm' | grep -E '^pawl'
}

hub_is_kept() {
	inside test -e /var/lib/pawl/FORMAT && inside test -e /etc/pawl/pawl.yaml
}

# Names of all files but those of dpkg, systemd and the password database: what purge may leave.
all_files() {
	inside find / -xdev -path /packages -prune -o -print | grep -vE \
		'^/(var/(lib/(dpkg|systemd|apt)|cache|log)/|etc/(passwd|group|shadow|gshadow)-?$|etc/\.pwd\.lock$|etc/ld\.so\.cache$|etc/machine-id$|root/|var/(lib|tmp)/(systemd|dbus))' | LC_ALL=C sort
}

purge_leaves_nothing() {
	inside rm -r /usr/lib/pawl
	inside dpkg -P pawl pawl-doc libpawl-dev libpawl0 || return 1
	all_files | diff "$dir/files.before" - | grep '^[<>]' && return 1
	nothing_runs
}

# ---- without systemd ----

service_is() { # EXIT CODE of status
	inside /etc/init.d/pawl status
	[ $? -eq "$1" ]
}

on_sysv() {
	start_machine sysv /bin/sh -c "while :; do sleep 1; done" || { bad "a system without systemd" && return; }
	all_files >"$dir/files.before"
	check "sysv: the packages install" install_all
	check "sysv: the service runs after the installation" await "the service" runtime_pid
	check "sysv: status says so" service_is 0
	check "sysv: groups and user are there" inside sh -c 'id pawl && getent group pawl-read pawl-drop pawl-control'
	check "sysv: the test of the package passes" inside sh /packages/tests/orchestration
	check "sysv: a plugin is built" bring_work
	check "sysv: restart" inside /etc/init.d/pawl restart
	check "sysv: the service runs after it" await "the service" runtime_pid
	check "sysv: an orchestration begins" start_work one
	check "sysv: its program goes on through a kill -9 of the runtime" goes_on_through one sh -c 'kill -9 $(sed -n "s/^pid //p" /var/lib/pawl/LOCK)'
	check "sysv: ... and through a restart" goes_on_through one /etc/init.d/pawl restart
	check "sysv: ... and through an upgrade of the package" goes_on_through one dpkg -i /packages/newer.deb
	check "sysv: reload" inside /etc/init.d/pawl reload
	check "sysv: the orchestration ends well" finishes one
	check "sysv: another begins" start_work two
	check "sysv: removal" inside dpkg -r pawl
	check "sysv: nothing runs any more" nothing_runs
	check "sysv: hub and configuration are kept" hub_is_kept
	check "sysv: installed again it is upgraded from nothing" inside dpkg -i /packages/newer.deb
	check "sysv: ... and goes on with what the hub has" finishes two
	check "sysv: stop" inside /etc/init.d/pawl stop
	check "sysv: status says so" service_is 3
	check "sysv: purge leaves no file and no process" purge_leaves_nothing
	stop_machine
}

# ---- with systemd as process 1 ----

is_active() {
	[ "$(inside systemctl is-active pawl)" = active ]
}

property() { # NAME
	inside systemctl show -P "$1" pawl
}

system_is_up() {
	case $(inside systemctl is-system-running) in running | degraded) ;; *) return 1 ;; esac
}

drop_in() { # NAME TEXT...
	local name=$1
	shift
	inside mkdir -p /etc/systemd/system/pawl.service.d
	printf '%s\n' "$@" | timeout 20 nsenter -t "$pid" -m -r tee "/etc/systemd/system/pawl.service.d/$name.conf" >/dev/null
	inside systemctl daemon-reload
}

no_drop_in() {
	inside rm -rf /etc/systemd/system/pawl.service.d
	inside systemctl daemon-reload
}

has_restarted() {
	[ "$(property NRestarts)" -gt 0 ] && is_active
}

# A runtime that does not move is ended by systemd, and comes back.
watchdog_bites() {
	drop_in watchdog '[Service]' WatchdogSec=3s RestartSec=1
	inside systemctl restart pawl && inside systemctl kill -s STOP --kill-whom=main pawl && await "a restart by the watchdog" has_restarted || return 1
	inside journalctl -u pawl --no-pager | grep -i watchdog || true
	no_drop_in
	inside systemctl restart pawl
}

# With StateDirectory= in the unit, systemd would give all of it to root when the hub belongs to the group of readers.
work_stays_the_activitys() {
	local owner
	inside sh -c 'printf "access: {read_group: adm}\nactivities: {shout: {user: games}}\n" >/etc/pawl/conf.d/50-test.yaml; systemctl restart pawl'
	start_work mine || return 1
	goes_on_through mine systemctl restart pawl || return 1
	owner=$(inside sh -c 'stat -c "%U:%G %a" /var/lib/pawl/instances/mine/work/*')
	finishes mine && inside sh -c 'rm /etc/pawl/conf.d/50-test.yaml; systemctl restart pawl' || return 1
	[ "$owner" = "root:games 1770" ] || { echo "the work directory is $owner" && return 1; }
}

strict_works() {
	inside sh -c 'mkdir -p /etc/systemd/system/pawl.service.d && cp /packages/init/systemd/pawl.service.d/strict.conf /etc/systemd/system/pawl.service.d/ &&
		systemctl daemon-reload && systemctl restart pawl' || return 1
	[ "$(inside sh -c 'stat -c %U /proc/$(systemctl show -P MainPID pawl)')" = pawl ] || return 1
	inside touch /run/go-on
	inside runuser -u pawl -- pawl -q start greet --id strict -i strict && await "strict to wait" waits_for strict 'event go' &&
		inside runuser -u pawl -- pawl -q raise strict go && inside runuser -u pawl -- pawl wait strict --timeout "${patience}s" &&
		inside systemd-analyze --no-pager security --threshold=15 pawl
}

verify_is_silent() {
	local said
	said=$(inside systemd-analyze verify pawl.service 2>&1 | grep -v "Command 'man ")
	[ -z "$said" ] || { echo "$said" && return 1; }
}

on_systemd() {
	start_machine systemd /sbin/init --log-target=console --show-status=no || { bad "a system with systemd" && return; }
	if ! await "systemd to be up" system_is_up; then
		echo "skipped: systemd does not run as process 1 here: $(tail -n 2 "$dir/console.log")"
		return
	fi
	check "systemd: the packages install" install_all
	check "systemd: the service is active after the installation (Type=notify)" is_active
	check "systemd: it is started at boot" inside systemctl is-enabled pawl
	check "systemd: systemd-analyze verify has nothing to say" verify_is_silent
	check "systemd: a plugin is built" bring_work
	check "systemd: restart" inside systemctl restart pawl
	check "systemd: reload" inside systemctl reload pawl
	check "systemd: the watchdog ends a runtime that hangs, and it comes back" watchdog_bites
	check "systemd: an orchestration begins" start_work one
	check "systemd: its program goes on through a kill -9 of the runtime" goes_on_through one systemctl kill -s KILL --kill-whom=main pawl
	check "systemd: ... and through a restart" goes_on_through one systemctl restart pawl
	check "systemd: ... and through an upgrade of the package" goes_on_through one dpkg -i /packages/newer.deb
	check "systemd: the orchestration ends well" finishes one
	check "systemd: an activity with a user keeps its directory when the service starts again" work_stays_the_activitys
	check "systemd: all works under strict.conf as well, at an exposure below 1.5" strict_works
	no_drop_in
	check "systemd: removal" inside dpkg -r pawl
	check "systemd: nothing runs any more" nothing_runs
	check "systemd: purge" inside dpkg -P pawl
	check "systemd: the hub is gone" inside test ! -e /var/lib/pawl
	stop_machine
}

mkdir -p "$dir"
case " $only " in *" packages "*)
	[ -n "${DEBIAN_PACKAGES:-}" ] || build_twice
	look_at_packages
	;;
esac
case " $only " in *" sysv "* | *" systemd "*)
	if ! make_newer || ! why=$(make_base); then
		bad "a clean system: ${why:-the newer package}"
		finish
	fi
	;;
esac
case " $only " in *" sysv "*) on_sysv ;; esac
case " $only " in *" systemd "*) on_systemd ;; esac
finish
