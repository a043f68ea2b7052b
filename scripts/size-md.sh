#!/bin/sh
# size-md.sh: docs/size.md from docs/size.tsv (make size-report) and docs/memory.in, which was measured by hand, to standard output.
set -eu
cd "$(dirname "$0")/.."

tab=$(printf '\t')
of() { # BUILD ITEM
	awk -F "$tab" -v n="$1" -v i="$2" '$1 == n && $2 == i { print $3 }' docs/size.tsv
}

cat <<'END'
# What pawl weighs

Made by `make size-report` from what it has just built; `make check-size` builds again and fails when something has grown by more
than 2 % and 1 KiB (with another compiler it only tells). The figures by line are in [size.tsv](size.tsv).

## The program

Bytes. *Stripped* is the file that goes onto the device; the other columns are its sections.

| build | compiler | stripped | text | rodata | data | bss | budget |
|---|---|---|---|---|---|---|---|
END
row() { # BUILD WORDS BUDGET
	[ -z "$(of "$1" stripped)" ] || echo "| $2 | $(of "$1" compiler | sed 's/ .*(.*) / /') | $(of "$1" stripped) | $(of "$1" text) | $(of "$1" rodata) | $(of "$1" data) | $(of "$1" bss) | $3 |"
}
# shellcheck disable=SC2016
{
row default '`make`: everything, dynamic, glibc, x86-64' '800,000'
row static '`make static=yes CC=musl-gcc WITH_YAML=no OPT=-Os`' ''
row tiny '`make CONFIG=tiny static=yes CC=musl-gcc`, x86-64' '350,000: not met'
row tiny-armhf '`CONFIG=tiny`, armhf thumb2, static glibc' ''
row tiny-arm64 '`CONFIG=tiny`, arm64, static glibc' ''
row tiny-mipsel '`CONFIG=tiny`, mipsel, static glibc' ''
}
cat <<'END'

Static glibc brings 450 to 720 KB of its own; of those builds look at the table by room, where `libc` is a row.
With static musl, from `scripts/sysroot.sh armhf-musl build/sysroot/armhf-musl`, armv7 meets the budget: `make BOARD=imx6ull-nand CONFIG=tiny
WITH_YAML=no` is 337,316 bytes stripped (armel 472,484, arm64 591,712; measured by hand).

## By room

Text, constants and data of what is linked, in bytes.

END
names=$(awk -F "$tab" '$2 == "stripped" && $1 !~ / without / { print $1 }' docs/size.tsv)
{
	printf '| room |'
	for n in $names; do printf ' %s |' "$n"; done
	printf '\n|---|'
	for n in $names; do printf -- '---|'; done
	echo
	awk -F "$tab" '$1 == "static" && $2 ~ /^room / { print substr($2, 6) }' docs/size.tsv | while read -r room; do
		printf '| %s |' "$room"
		for n in $names; do printf ' %s |' "$(of "$n" "room $room")"; done
		echo
	done
}
cat <<'END'

## What a switch removes

The static build of above, without one part. `configs/tiny` is without all of them.

| switch | removes of text and constants |
|---|---|
END
code() { echo $(($(of "$1" text) + $(of "$1" rodata))); }
whole=$(code static)
awk -F "$tab" '$1 ~ / without / && $2 == "stripped" { print $1 }' docs/size.tsv | while IFS= read -r name; do
	echo "| \`WITH_${name##* }=no\` | $((whole - $(code "$name"))) |"
done
cat <<'END'

A verb of a part that was left out says so, with exit code 2; so do keys of the configuration. `pawl version` lists what is in and what
is left out. The hub is the same for all builds. A program whose
orchestrations call a part that is not there (entities, topics) does not link; what such code has begun waits in the hub for a program that has it, as does an activity that only
a worker could take.

## Stack

The largest frames of functions (`-fstack-usage`, gcc, x86-64, the build `default`), without what they call. Threads of the runtime have the system's
usual stack; the loop is one of them.

| function | bytes |
|---|---|
END
awk -F "$tab" '$1 == "default" && $2 ~ /^stack / { sub(/^stack /, "", $2); print "| `" $2 "` | " $3 " |" }' docs/size.tsv | head -n 15
cat <<'END'

Orchestration code runs on its own 64 KiB; what of the library may stand there beside it:

| function | bytes |
|---|---|
END
awk -F "$tab" '$1 == "default" && $2 ~ /^coroutine / { sub(/^coroutine /, "", $2); print "| `" $2 "` | " $3 " |" }' docs/size.tsv
cat docs/memory.in
