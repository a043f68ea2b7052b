# Sourced by sysupgrade, which asks pawl_conffiles what to take along after it has read keep.d.
# shellcheck shell=sh disable=SC3043

# Files of a hub in use do not fit together. An upgrade stops the runtime, which has nothing more to do before the reboot; a
# backup (sysupgrade -b) leaves it alone and takes an archive of `pawl export`, for `pawl import`.
pawl_conffiles() {
	local list="$1" hub left=45 archive=/etc/pawl/backup.tar

	hub=$(uci -q get pawl.main.hub) || hub=/srv/pawl
	[ -d "$hub" ] || return 0
	grep -v -e "^$hub/" -e "^$archive\$" "$list" >"$list.pawl"
	if [ -n "$CONF_BACKUP" ]; then
		if pawl -q -H "$hub" export --all -o "$archive"; then
			echo "$archive" >>"$list.pawl"
		else
			echo "pawl: the hub '$hub' is not in the backup: it could not be exported" >&2
		fi
	else
		/etc/init.d/pawl stop
		while pidof pawl >/dev/null && [ $left -gt 0 ]; do
			sleep 1
			left=$((left - 1))
		done
		case $(df "$hub" | tail -n 1) in
		# Disks of their own stay where they are.
		*" /" | *" /overlay") find "$hub" -type f -o -type l >>"$list.pawl" ;;
		esac
	fi
	mv "$list.pawl" "$list"
}

# shellcheck disable=SC2034,SC2154
sysupgrade_init_conffiles="$sysupgrade_init_conffiles pawl_conffiles"
