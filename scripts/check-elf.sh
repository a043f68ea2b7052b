#!/bin/sh
# check-elf.sh "KEY=VALUE..." FILE...: what was built is for the machine that was meant. READELF and OBJDUMP name the tools.
# Prints one line for each finding and "N passed, N failed".
#
#	class    ELF32, ELF64
#	machine  ARM, AArch64, MIPS, RISC-V
#	cpu      the least processor: of ARM v6KZ, v7; of MIPS mips32r2
#	float    soft, hard, double
#	static   yes: needs no loader and no library; no: not asked
set -eu

readelf=${READELF:-readelf}
objdump=${OBJDUMP:-objdump}
passed=0 failed=0
LC_ALL=C
export LC_ALL

has() { # TEXT REGEX
	printf '%s\n' "$1" | grep -Eq "$2"
}

must() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "check-elf: $what"
	fi
}

# Some code chooses by what the kernel says of the processor, as musl's barriers do: they are data until then.
only_chosen_at_run_time() { # FILE
	! "$objdump" -d "$1" | grep -wE 'movw|movt|udiv|sdiv|ubfx|sbfx|bfi|bfc|mls|rbit|dsb|isb' | grep -q .
}

check() { # FILE KEY=VALUE
	value=${2#*=}
	header=$("$readelf" --wide --file-header --arch-specific "$1")
	case $2 in
	class=*) must "'$1' is not $value" has "$header" "Class: +$value" ;;
	machine=*) must "'$1' is not for $value" has "$header" "Machine: +.*$value" ;;
	cpu=mips*) must "'$1' is not for $value" has "$header" "Flags:.*, $value" ;;
	cpu=*)
		must "'$1' is not for ARM $value" has "$header" "Tag_CPU_arch: $value\$"
		[ "$value" = v7 ] || must "'$1' has instructions of armv7" only_chosen_at_run_time "$1"
		;;
	# ARM and RISC-V say it in the flags, MIPS beside them.
	float=*) must "'$1' does not have the $value float ABI" has "$header" "Flags:.*$value-float ABI|FP ABI: +[SH]${value#?} float" ;;
	static=yes) must "'$1' needs a loader" has_no_loader "$1" ;;
	static=*) ;;
	*)
		echo "check-elf: unknown question '$2'" >&2
		exit 2
		;;
	esac
}

has_no_loader() { # FILE
	! "$readelf" --wide --program-headers "$1" | grep -q 'INTERP'
}

questions=$1
shift
for file; do
	for question in $questions; do
		check "$file" "$question"
	done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
