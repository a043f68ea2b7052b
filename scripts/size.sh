#!/usr/bin/env bash
# size.sh report: builds the program in all the ways below and writes docs/size.tsv and docs/size.md (make size-report).
# size.sh check:  builds the first ones anew and compares them with docs/size.tsv (make check-size): more than 2 % and
#                 1 KiB above it is a failure, as is a budget that is not kept; the last line is "N passed, N failed".
# Another compiler or libc makes other sizes: then differences are only told. MAKE names the make to use.
set -eu
cd "$(dirname "$0")/.."

make=${MAKE:-make}
table=docs/size.tsv
jobs=$(nproc 2>/dev/null || echo 1)
work=build/size
mkdir -p "$work"

# name | how it is made | budget in bytes (DESIGN.md), - = none
builds="default|CC=gcc|800000
static|CC=musl-gcc static=yes WITH_YAML=no OPT=-Os|-
tiny|CC=musl-gcc static=yes CONFIG=tiny|-"
# Only in the report: what each part weighs in the build `static`, and other machines (static glibc: their own part counts).
parts=${SIZE_PARTS-$(sed -n "s/^parts := //p" scripts/parts.mk)} # SIZE_PARTS="DOCTOR": only these
others="tiny-armhf|CROSS_COMPILE=arm-linux-gnueabihf- static=yes CONFIG=tiny EXTRA_CFLAGS=-mthumb
tiny-arm64|CROSS_COMPILE=aarch64-linux-gnu- static=yes CONFIG=tiny
tiny-mipsel|CROSS_COMPILE=mipsel-linux-gnu- static=yes CONFIG=tiny"

compiler_of() { # ARGUMENT...: what CC= or CROSS_COMPILE= names
	local a
	for a; do
		case $a in
		CC=*) echo "${a#CC=}" ;;
		CROSS_COMPILE=*) echo "${a#CROSS_COMPILE=}gcc" ;;
		esac
	done
}

# A wrapper's --version is that of the compiler behind it; the libc is told by its package, where there is one.
version_of() { # COMPILER
	"$1" --version | head -n 1 | tr '\t' ' '
}

# Lines "NAME<tab>ITEM<tab>BYTES" of one program.
sections() { # NAME PROGRAM TOOLS-PREFIX
	"${3}strip" -o "$work/stripped" "$2"
	"${3}size" -A "$work/stripped" | awk -v name="$1" '
		$1 == ".text" || $1 == ".bss" { n[substr($1, 2)] += $2 }
		$1 ~ /^\.rodata/ { n["rodata"] += $2 }
		$1 ~ /^\.data/ { n["data"] += $2 }
		END { split("text rodata data bss", order, " "); for (i = 1; i <= 4; i++) printf "%s\t%s\t%d\n", name, order[i], n[order[i]] }'
	printf '%s\tstripped\t%d\n' "$1" "$(wc -c <"$work/stripped")"
}

# The same by room, from the linker's map: what is left behind --gc-sections.
rooms() { # NAME MAP
	awk -v name="$1" '
		function hex(s, n, i) {
			for (i = 3; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		/^Linker script and memory map/ { on = 1 }
		!on { next }
		/^ \.[^ ]+$/ { held = $1; next }
		/^ +(\.[^ ]+ +)?0x[0-9a-f]+ +0x[0-9a-f]+ .*o\)?$/ {
			section = $1 ~ /^\./ ? $1 : held
			at = $1 ~ /^\./ ? 2 : 1
			held = ""
			if (section !~ /^\.(text|rodata|data)/ || $at ~ /^0x0+$/)
				next
			room = $NF
			if (room ~ /\/obj\//) { sub(/.*\/obj\//, "", room); sub(/\/[^\/]*$/, "", room) } else room = "libc"
			sum[room] += hex($(at + 1))
		}
		END { for (r in sum) if (sum[r] > 500) printf "%s\troom %s\t%d\n", name, r, sum[r] }' "$2" | sort -t "$(printf '\t')" -k 3,3nr
}

# The largest stack frames, as gcc tells: a function's own, without what it calls.
frames() { # NAME FOLDER
	find "$2/obj/src" "$2/obj/providers" -name '*.su' -exec cat {} + | awk -F '\t' -v name="$1" '
		{ split($1, at, ":"); printf "%s\tstack %s %s%s\t%d\n", name, at[1], at[4], $3 ~ /dynamic/ ? " (and what it is asked for)" : "", $2 }' |
		sort -t "$(printf '\t')" -k 3,3nr >"$work/frames"
	head -n 25 "$work/frames"
	# what orchestration code may stand on: the 64 KiB of its coroutine
	grep -E 'stack src/(engine|base|history)/' "$work/frames" | head -n 10 | sed 's/stack /coroutine /'
}

build() { # CONFIG ARGUMENT...: the program, quietly
	local config=$1
	shift
	$make --no-print-directory -j"$jobs" config="$config" "$@" "build/$config/pawl" >"$work/$config.log" 2>&1 || { tail -n 20 "$work/$config.log" >&2; return 1; }
}

report_one() { # NAME ARGUMENT...
	local name=$1 cc config=size-${1// /_}
	shift
	cc=$(compiler_of "$@")
	if ! command -v "$cc" >/dev/null; then
		echo "skipped: $name needs $cc (scripts/deps.sh board)" >&2
		return
	fi
	echo "== $name" >&2
	# shellcheck disable=SC2046
	build "$config" "$@" EXTRA_LDFLAGS="-Wl,-Map=$PWD/$work/${name// /_}.map" $([ "$name" != default ] || echo EXTRA_CFLAGS=-fstack-usage)
	printf '%s\tcompiler\t%s\n' "$name" "$(version_of "$cc")"
	sections "$name" "build/$config/pawl" "$(case $cc in *-linux-gnu*-gcc) echo "${cc%gcc}" ;; esac)"
	rooms "$name" "$work/${name// /_}.map"
	[ "$name" != default ] || frames "$name" "build/$config"
	rm -rf "build/$config"
}

report() {
	local name args budget part
	{
		echo "$builds" | while IFS='|' read -r name args budget; do
			# shellcheck disable=SC2086
			report_one "$name" $args
		done
		for part in $parts; do
			# shellcheck disable=SC2046
			report_one "static without $part" $(echo "$builds" | awk -F '|' '$1 == "static" { print $2 }') "WITH_$part=no" </dev/null
		done
		echo "$others" | while IFS='|' read -r name args; do
			# shellcheck disable=SC2086
			report_one "$name" $args </dev/null
		done
	} >"$work/size.tsv"
	cp "$work/size.tsv" "$table"
	scripts/size-md.sh >docs/size.md
	echo "wrote $table and docs/size.md"
}

# Of each build what it has grown; lines for people, and at last the count.
check() {
	local name args budget cc passed=0 failed=0 same
	while IFS='|' read -r name args budget; do
		# shellcheck disable=SC2086
		cc=$(compiler_of $args)
		if ! command -v "$cc" >/dev/null; then
			echo "skipped: $name: $cc is not here (scripts/deps.sh board)"
			continue
		fi
		# `make check` has that build already.
		local config=size-$name
		[ "$name" != default ] || config=gcc-ci
		# shellcheck disable=SC2086
		if ! build "$config" $args CI=true </dev/null; then
			failed=$((failed + 1))
			continue
		fi
		same=no
		[ "$(awk -F '\t' -v n="$name" '$1 == n && $2 == "compiler" { print $3 }' $table)" != "$(version_of "$cc")" ] || same=yes
		if sections "$name" "build/$config/pawl" "" | awk -F '\t' -v budget="$budget" -v same=$same '
			NR == FNR { was[$1 "\t" $2] = $3; next }
			{
				old = was[$1 "\t" $2]
				if (old == "") next
				if ($3 > old * 1.02 + 1024) { grown = 1; note = same == "yes" ? "FAILED" : "note (another compiler)" } else note = "ok"
				printf "%s %s: %s %d bytes, %d in docs/size.tsv\n", note, $1, $2, $3, old
				if ($2 == "stripped" && budget != "-" && $3 > budget) { printf "FAILED %s: %d bytes, the budget is %d\n", $1, $3, budget; over = 1 }
			}
			END { exit over || (grown && same == "yes") }' $table -; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "if that is meant: make size-report, and say why in the commit"
		fi
	done <<END
$builds
END
	echo "$passed passed, $failed failed"
	[ $failed -eq 0 ]
}

case ${1:-} in
report) report ;;
check) check ;;
*)
	echo "usage: size.sh report | check" >&2
	exit 2
	;;
esac
