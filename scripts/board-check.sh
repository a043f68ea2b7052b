#!/usr/bin/env bash
# board-check.sh: `make board-check`. Builds for every board under board/, looks at what came out, starts it under
# user-mode emulation, and runs what else there is for boards (the parts below). It ends with a table, which is also in
# build/board-check.txt, and with the line "N passed, N failed".
#
#	BOARDS      of those that `make boards` lists (all); of the parts, board-boot heeds it
#	VARIANTS    other ways to build each: of glibc, glibc-static, musl-static (all); "" = only the board's own
#	TIERS       of: unit, contract, run for the boards that the parts do not test (unit contract); "" = none
#	PARTS       make targets that end with such a line themselves (all); "" = none
#
# A part says which board it was on in lines "BOARD-COLUMN PASSED FAILED" in the file $TALLY, with the columns of the table.
# What cannot run here is told, and counts as neither. Needs the packages of `scripts/deps.sh cross`.
set -u
cd "$(dirname "$0")/.." || exit 1

make=${MAKE:-make}
jobs=$(nproc 2>/dev/null || echo 1)
boards=${BOARDS:-$($make -s boards | awk '{ print $1 }')}
variants=${VARIANTS-glibc glibc-static musl-static}
tiers=${TIERS-unit contract}
parts=${PARTS-board-tests board-boot check-debian check-kits check-size}
columns="builds starts unit contract e2e booted"
dir=$PWD/build/board-check
skipped=0
export CI=true TEST_SECONDS=${TEST_SECONDS:-1200}

for board in $boards; do
	[ -e "board/$board/board.mk" ] || { echo "board-check: there is no board '$board': one of $($make -s boards | awk '{ printf "%s ", $1 }')" >&2; exit 2; }
done
mkdir -p "$dir"
results=$dir/results
: >"$results"

# "BOARD COLUMN PASSED FAILED" and, for variants, "BOARD/VARIANT". Nothing of either: skipped.
result() {
	echo "$*" >>"$results"
}

skips() {
	skipped=$((skipped + 1))
	echo "skipped: $*"
}

info() { # BOARD [SETTING...]: sets $compiler $emulator $target $libc $static $libcs
	local board=$1
	shift
	read -r compiler emulator target libc static libcs < <($make -s board-info BOARD="$board" "$@")
}

# The last line "N passed, N failed" of a log, or a failure.
closing() { # LOG STATUS
	local p f
	read -r p f < <(awk '/^([^ ]+: )?[0-9]+ passed, [0-9]+ failed$/ { sub(/^[^ ]+: /, ""); line = $1 " " $3 } END { print line ? line : "0 1" }' "$1")
	[ "$2" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	echo "$p $f"
}

# ---- what is needed ----

sysroot() { # TARGET
	local root=build/sysroot/$1
	[ ! -e "$root/.ready" ] || return 0
	echo "== $1: the C library and libyaml, once"
	scripts/sysroot.sh "$1" "$root" >"$dir/sysroot-$1.log" 2>&1 || return 1
}

lacks() { # of what info has found
	command -v "$compiler" >/dev/null || { echo "$compiler (scripts/deps.sh cross)"; return; }
	command -v "$emulator" >/dev/null || { echo "$emulator (scripts/deps.sh cross)"; return; }
	sysroot "$target" || echo "libraries of $target (build/board-check/sysroot-$target.log)"
}

# ---- what is done ----

# Runs a make target; the counts of its closing line, or 1 0 for one that has none.
run() { # NAME TARGET [SETTING...]
	local name=$1 log=$dir/${1//\//-}-$2.log status=0
	shift
	$make --no-print-directory -j"$jobs" "$@" >"$log" 2>&1 || status=$?
	if [ "$1" = all ]; then
		[ $status -eq 0 ] && echo "1 0" || echo "0 1"
	else
		closing "$log" $status
	fi
	[ $status -eq 0 ] || echo "FAILED $name: make $*, the end of build/board-check/${log##*/}: $(tail -n 5 "$log")" >&2
}

add() { # "P F" "P F": their sum
	awk '{ p += $1; f += $2 } END { print p, f }' <<<"$1"$'\n'"$2"
}

build_and_start() { # NAME BOARD [SETTING...]
	local name=$1 board=$2 compiler emulator target libc static libcs what sum
	shift 2
	info "$board" "$@"
	what=$(lacks)
	if [ -n "$what" ]; then
		skips "$name: needs $what"
		result "$name" builds 0 0
		return 1
	fi
	echo "== $name"
	sum=$(run "$name" all BOARD="$board" "$@")
	case $sum in
	"1 0")
		sum=$(add "$sum" "$(run "$name" check-elf BOARD="$board" "$@")")
		[ "$static" = yes ] || sum=$(add "$sum" "$(run "$name" check-hardening BOARD="$board" "$@")")
		# shellcheck disable=SC2086
		result "$name" builds $sum
		sum=$(run "$name" board-start BOARD="$board" "$@")
		# shellcheck disable=SC2046
		result "$name" starts $(add "$sum" "$(run "$name" smoke BOARD="$board" "$@")")
		;;
	*)
		# shellcheck disable=SC2086
		result "$name" builds $sum
		return 1
		;;
	esac
}

variant() { # BOARD VARIANT OWN: the board's own has been built
	local libc=${2%-static} static=no
	case " $libcs " in
	*" $libc "*) ;;
	*)
		skips "$1/$2: there is no $libc for this processor"
		result "$1/$2" builds 0 0
		return
		;;
	esac
	[ "$libc" = "$2" ] || static=yes
	[ "$2" = "$3" ] || build_and_start "$1/$2" "$1" libc="$libc" static=$static
}

# ---- the table ----

# One word for a cell: of what was counted for this board and column, if anything was.
table() {
	awk -v boards="$boards" -v columns="$columns" '
	NF == 4 { seen[$1, $2] = 1; p[$1, $2] += $3; f[$1, $2] += $4 }
	function cell(board, column) {
		if (!((board, column) in seen))
			return "not tried"
		if (f[board, column])
			return "fail: " f[board, column]
		return p[board, column] ? "pass: " p[board, column] : "skipped"
	}
	function row(name, list, n, i, line) {
		line = "| " name " |"
		for (i = 1; i <= n; i++)
			line = line " " cell(name, list[i]) " |"
		print line
	}
	END {
		nb = split(boards, board, " ")
		nc = split(columns, column, " ")
		head = "| board |"; rule = "|---|"
		for (i = 1; i <= nc; i++) {
			head = head " " column[i] " |"; rule = rule "---|"
		}
		print head; print rule
		for (i = 1; i <= nb; i++)
			row(board[i], column, nc)
	}' "$results"
}

variant_table() {
	[ -n "$variants" ] || return 0
	echo
	awk -v boards="$boards" -v variants="$variants" '
	NF == 4 { seen[$1, $2] = 1; p[$1, $2] += $3; f[$1, $2] += $4 }
	function word(name, own) {
		if (own)
			return "its own: above"
		if (!((name, "builds") in seen))
			return "not tried"
		if (f[name, "builds"] || f[name, "starts"])
			return "fail"
		return p[name, "starts"] ? "builds, starts" : p[name, "builds"] ? "builds" : "skipped"
	}
	$2 == "own" { own[$1, $3] = 1 }
	END {
		nb = split(boards, board, " "); nv = split(variants, variant, " ")
		head = "| also |"; rule = "|---|"
		for (i = 1; i <= nv; i++) {
			head = head " " variant[i] " |"; rule = rule "---|"
		}
		print head; print rule
		for (i = 1; i <= nb; i++) {
			line = "| " board[i] " |"
			for (j = 1; j <= nv; j++)
				line = line " " word(board[i] "/" variant[j], (board[i], variant[j]) in own) " |"
			print line
		}
	}' "$results"
}

# ---- all of it ----

# What BOARDS is for a part.
boards_of() { # PART
	case $1 in
	board-boot) echo "BOARDS=$boards" ;;
	*) echo "CI=true" ;;
	esac
}

echo "== the table of docs/boards.md"
scripts/board-defaults.sh >"$dir/defaults.log" || cat "$dir/defaults.log"
# shellcheck disable=SC2046
result all defaults $(closing "$dir/defaults.log" 0)

scripts/deps.sh cross || echo "going on with what is there"

ready=
for board in $boards; do
	build_and_start "$board" "$board" && ready="$ready $board"
	info "$board"
	own=$libc$([ "$static" = no ] || echo -static)
	result "$board" own "$own"
	for variant in $variants; do
		variant "$board" "$variant" "$own"
	done
done

TALLY=$dir/tally
export TALLY
: >"$TALLY"
for part in $parts; do
	if ! grep -q "^$part:" Makefile; then
		skips "$part: there is no such target"
		continue
	fi
	echo "== $part"
	status=0
	# Some parts have variables of these names with another meaning. MAKE may have options with it.
	# shellcheck disable=SC2086
	env -u BOARDS -u PARTS -u TIERS MAKEFLAGS= $make --no-print-directory CI=true "$part" \
		${BOARDS:+"$(boards_of "$part")"} 2>&1 | tee "$dir/$part.log"
	status=${PIPESTATUS[0]}
	# shellcheck disable=SC2046
	result "$part" all $(closing "$dir/$part.log" "$status")
	# It keeps its own.
	[ "$part" != board-tests ] || cat build/board-tests-tally >>"$TALLY"
done

# Builds for the architecture in general are those of the emulated board.
sed -n 's/^armhf-/qemu-arm-/; s/^arm64-/qemu-arm64-/; s/^\([a-z0-9-]*\)-\(unit\|contract\|e2e\|booted\) \([0-9]* [0-9]*\)$/\1 \2 \3/p' "$TALLY" >"$dir/from-parts"

for board in $ready; do
	for tier in $tiers; do
		grep -q "^$board $tier " "$dir/from-parts" && continue
		echo "== $board: $tier"
		# shellcheck disable=SC2046
		result "$board" "$tier" $(run "$board" "$tier" BOARD="$board")
	done
done

total=$(awk 'NF == 4 { p += $3; f += $4 } END { print p + 0, f + 0 }' "$results")
cat "$dir/from-parts" >>"$results"
{
	table
	variant_table
} | tee build/board-check.txt
awk 'NF == 4 && $4 > 0 { print "failed: " $1 " " $2 ", " $4 }' "$results"
[ $skipped -eq 0 ] || echo "$skipped skipped"
echo "${total% *} passed, ${total#* } failed"
[ "${total#* }" -eq 0 ] && [ "${total% *}" -gt 0 ]
