#!/bin/sh
# check-hardening.sh DIR: what was built in DIR has the protections that probe.sh found this compiler to have; read from the
# ELF files themselves. READELF names the tool. Prints one line for each finding and "N passed, N failed".
#
# Not asked for, on purpose: -fcf-protection and BTI. pawl switches stacks itself (src/os/coro_switch.h), which a shadow
# stack takes for an attack.
set -eu

dir=$1
readelf=${READELF:-readelf}
passed=0 failed=0
LC_ALL=C
export LC_ALL

# $1: what is wrong when it fails; the rest: a command.
must() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "check-hardening: $what"
	fi
}

has() { # TEXT REGEX
	printf '%s\n' "$1" | grep -Eq "$2"
}

has_not() {
	! has "$1" "$2"
}

# Of every file: no stack and no segment that can be both written and executed, no relocations in code, no search path.
check_all() { # FILE SEGMENTS DYNAMIC
	must "'$1' has an executable stack, or does not say" has "$2" 'GNU_STACK.* RW +0x'
	must "'$1' has a segment that is writable and executable" has_not "$2" 'LOAD.* RWE '
	must "'$1' has relocations in code" has_not "$3" 'TEXTREL'
	must "'$1' has a search path for libraries" has_not "$3" 'RPATH|RUNPATH'
}

check_linked() { # FILE SEGMENTS DYNAMIC
	must "'$1' has no RELRO" has "$2" 'GNU_RELRO'
	must "'$1' binds its symbols lazily" has "$3" 'BIND_NOW|FLAGS.* NOW'
}

# Of what a large program must need of libc when it was compiled so.
check_compiled() { # FILE
	symbols=$("$readelf" --wide --dyn-syms "$1")
	must "'$1' has no stack protector" has "$symbols" '__stack_chk_fail'
	if "$readelf" --wide --dynamic "$1" | grep -q 'libc\.so\.6'; then # musl has none of them
		must "'$1' was not compiled with FORTIFY" has "$symbols" '__(snprintf|memcpy|vsnprintf|read|realpath)_chk'
	fi
}

check() { # FILE
	segments=$("$readelf" --wide --program-headers "$1")
	dynamic=$("$readelf" --wide --dynamic "$1")
	check_all "$1" "$segments" "$dynamic"
	case $1 in
	*/pawl-shim) return ;; # static, and small above all
	*/pawl) must "'$1' is not position independent" has "$("$readelf" --wide --file-header "$1")" 'Type: +DYN' ;;
	esac
	check_linked "$1" "$segments" "$dynamic"
	check_compiled "$1"
}

for file in "$dir"/pawl "$dir"/pawl-shim "$dir"/libpawl.so.0; do
	[ ! -e "$file" ] || check "$file"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
