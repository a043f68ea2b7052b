#!/usr/bin/env bash
# mutate.sh [quick | NAME...] - breaks product code in a copy of the tree, one edit of `mutations` after the other, and runs the
# tests that must notice. An edit that no test notices, that does not apply any more or does not compile is a failure. The
# last line is "N passed, N failed". `make mutate` calls it; MUTATE_SECONDS bounds each test program.
set -u
cd "$(dirname "$0")/../.." || exit 1
list=$PWD/tests/mutate/mutations
place=${MUTATE_DIR:-$PWD/build/mutate}
bound=${MUTATE_SECONDS:-300}
hang=$((bound < 120 ? bound : 120)) # what hangs is noticed, too
tree=$place/tree
B=build/mutate
passed=0 failed=0
ulimit -c 0

make=(${MAKE:-make} --no-print-directory -s -C "$tree" config=mutate OPT=-O1 CI= -j"$(nproc)")
unset TALLY MAKEFLAGS MFLAGS

# ---- the copy ----

# Files keep their times, so that only what an edit touched is compiled again.
copy_tree() {
	mkdir -p "$tree"
	find "$tree" -mindepth 1 -maxdepth 1 ! -name build ! -name .edited -exec rm -rf {} +
	tar --exclude=./build --exclude=./.git -cf - . | tar -C "$tree" -xf - || exit 1
	# an edit of a run that was broken off is in an object
	[ ! -s "$tree/.edited" ] || (cd "$tree" && xargs touch <.edited)
	: >"$tree/.edited"
}

# ---- the list ----

names() {
	sed -n 's/^\([a-z][a-z0-9-]*\).*/\1/p' "$list"
}

# field NAME MEMBER: its values, a line each.
field() {
	awk -v name="$1" -v member="$2" '
	/^[a-z]/ { here = $1 == name; next }
	here && $1 == member { sub(/^[ \t]*[a-z]+ +/, ""); print }' "$list"
}

# ---- running ----

build() { # TEST: its program and what it starts
	case $1 in
	e2e/*) "${make[@]}" all examples ;;
	*) "${make[@]}" "$B/pawl-shim" "$B/tests/$1" ;;
	esac >"$place/build.log" 2>&1
}

# 0: it passes.
run() { # TEST [SECONDS]
	local env=(env PAWL="$tree/$B/pawl" PAWL_SHIM="$tree/$B/pawl-shim" BUILD="$tree/$B" PAWL_TEST_RUNS=5)
	case $1 in
	e2e/*) (cd "$tree" && "${env[@]}" timeout -k 5 "$((bound * 3))" tests/e2e/run.sh "${1#e2e/}") ;;
	*) (cd "$tree" && "${env[@]}" timeout -k 5 "${2:-$bound}" "$B/tests/$1") ;;
	esac >"$place/test.log" 2>&1 </dev/null
}

# All programs of a tier but those that ran: which one fails, in $by.
run_tier() { # TIER TEST...
	local tier=$1 source name
	shift
	for source in $(cd "$tree" && grep -l '^int main\>' "tests/$tier"/*.c); do
		name=${source#tests/}
		name=${name%.c}
		[[ " $* " != *" $name "* ]] || continue
		build "$name" && run "$name" || { by=$name && return 1; }
	done
}

say() { # VERDICT NAME REST
	printf '%-9s %-45s %s\n' "$1" "$2" "$3"
}

bad() { # NAME WHY
	failed=$((failed + 1))
	say FAILED "$1" "$2"
}

# The tests must pass before something is broken, or their failing says nothing. The first ones: the others are for when
# these do not notice.
check_base() { # NAME...
	local test
	for test in $(for name; do field "$name" tests; done | sed 's/ .*//' | sort -u); do
		if ! build "$test"; then
			echo "the tree itself cannot be built: $(grep -m 1 -i error "$place/build.log")"
			return 1
		fi
		run "$test" || { echo "$test fails without any edit: see $place/test.log" && return 1; }
	done
}

edit() { # NAME FILE
	local expressions=() line
	while IFS= read -r line; do expressions+=(-e "$line"); done < <(field "$1" edit)
	cp -p "$tree/$2" "$place/original"
	echo "$2" >"$tree/.edited"
	for ((n = 1; n < ${#expressions[@]}; n += 2)); do # each of them must change something
		cp "$tree/$2" "$place/before"
		sed -E -i "${expressions[n]}" "$tree/$2" 2>"$place/sed.log" || return 1
		! cmp -s "$place/before" "$tree/$2" || return 1
	done
}

restore() { # FILE
	cp "$place/original" "$tree/$1"
	touch "$tree/$1"
}

try_tests() { # NAME TEST...: sets $by to the one that notices; 1: none, 2: it does not compile
	local name=$1 test
	shift
	for test; do
		by=$test
		build "$test" || return 2
		run "$test" "$hang" || return 0
	done
	run_tier "${1%%/*}" "$@" || return 0
	return 1
}

mutate() { # NAME
	local name=$1 file by='' begin=$SECONDS status
	file=$(field "$name" file)
	if ! edit "$name" "$file"; then
		bad "$name" "the edit of $file does not apply any more: correct it in tests/mutate/mutations"
		restore "$file"
		return
	fi
	# shellcheck disable=SC2046
	try_tests "$name" $(field "$name" tests)
	status=$?
	restore "$file"
	case $status in
	0)
		passed=$((passed + 1))
		say noticed "$name" "by $by, $((SECONDS - begin)) s"
		;;
	2) bad "$name" "it does not compile: $(grep -m 1 -i 'error' "$place/build.log")" ;;
	*) bad "$name" "no test has noticed: $(field "$name" breaks)" ;;
	esac
}

wanted=("$@")
case ${*:-all} in
all) mapfile -t wanted < <(names) ;;
quick) mapfile -t wanted < <(sed -n 's/^\([a-z][a-z0-9-]*\) quick$/\1/p' "$list") ;;
esac
for name in "${wanted[@]}"; do
	[ -n "$(field "$name" file)" ] || { echo "there is no mutation '$name' in $list" >&2 && exit 2; }
done
copy_tree
# `make check` has run all of them a moment before its quick ones.
if [ "${*:-}" = quick ] || check_base "${wanted[@]}"; then
	for name in "${wanted[@]}"; do mutate "$name"; done
else
	failed=1
fi
[ -z "${MUTATE_TALLY:-}" ] || echo "${TALLY_PREFIX:-}mutate $passed $failed" >>"$MUTATE_TALLY"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
