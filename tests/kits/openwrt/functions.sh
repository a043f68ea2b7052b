# functions.sh - a stand-in for OpenWrt's: what is in /etc/config is read by its own functions, as the real one does with
# what `uci export` prints, which has the same form. $UCI_DIR is /etc/config.
# shellcheck shell=sh disable=SC3043,SC1090
CONFIG_SECTIONS=0

reset_cb() {
	config_cb() { return 0; }
	option_cb() { return 0; }
	list_cb() { return 0; }
}
reset_cb

config() {
	CONFIG_SECTIONS=$((CONFIG_SECTIONS + 1))
	CONFIG_SECTION=${2:-cfg$CONFIG_SECTIONS}
	config_cb "$1" "$CONFIG_SECTION"
}

option() {
	local name="$1"
	shift
	eval "CONFIG_${CONFIG_SECTION}_$name=\$*"
	option_cb "$name" "$*"
}

list() {
	local name="$1"
	shift
	list_cb "$name" "$*"
}

config_load() {
	sh -n "$UCI_DIR/$1" 2>/dev/null || return 1
	. "$UCI_DIR/$1"
	config_cb
}

config_get() {
	eval "$1=\${CONFIG_${2}_${3}:-${4-}}"
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}
