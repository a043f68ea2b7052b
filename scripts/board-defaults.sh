#!/bin/sh
# board-defaults.sh: the table of docs/boards.md, what each board's configuration sets, is what board/*/pawl.yaml say. Prints
# the differences, and "N passed, N failed". With -p it prints the table without its last column, to begin a new one with.
set -eu
cd "$(dirname "$0")/.."
doc=docs/boards.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "KEY BOARD VALUE" of the configurations: sections are not nested, and a comment is behind each value.
from_configs() {
	for file in board/*/pawl.yaml; do
		board=$(basename "$(dirname "$file")")
		awk -v board="$board" '
		/^ *(#|$)/ { next }
		{ sub(/ +#.*/, "") }
		/^[a-z_]+:$/ { section = $1; sub(/:$/, ".", section); next }
		{ key = $1; sub(/:$/, "", key); print (/^ / ? section : "") key, board, $2 }' "$file"
	done | sort
}

# The same of the table: its head names the boards.
from_doc() {
	awk -F ' *\\| *' '
	$2 == "key" { for (i = 3; i < NF - 1; i++) board[i] = $i; next }
	/^\| `/ && board[3] { gsub(/`/, "", $2); for (i = 3; i < NF - 1; i++) if ($i != "") print $2, board[i], $i }
	/^$/ { delete board }' "$doc" | sort
}

from_configs >"$work/configs"
if [ "${1-}" = -p ]; then
	awk '
	{ value[$1, $2] = $3; if (!key[$1]++) keys[++nk] = $1; if (!board[$2]++) boards[++nb] = $2 }
	END {
		line = "| key |"; rule = "|---|"
		for (b = 1; b <= nb; b++) { line = line " " boards[b] " |"; rule = rule "---|" }
		print line; print rule
		for (k = 1; k <= nk; k++) {
			line = "| `" keys[k] "` |"
			for (b = 1; b <= nb; b++) line = line " " value[keys[k], boards[b]] " |"
			print line
		}
	}' "$work/configs"
	exit
fi
from_doc >"$work/doc"
if diff "$work/configs" "$work/doc" >"$work/diff"; then
	echo "$(wc -l <"$work/configs") passed, 0 failed"
else
	sed -n "s/^</only in the configurations:/p; s/^>/only in $(echo "$doc" | sed 's|/|\\/|g'):/p" "$work/diff"
	echo "0 passed, $(grep -c '^[<>]' "$work/diff") failed"
	exit 1
fi
