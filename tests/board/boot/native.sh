# shellcheck shell=bash disable=SC2154,SC2034  # variables of who sources it
# native.sh - the tests of other tiers by the booted kernel itself. Sourced by run.sh.

begin_tests() {
	begin_disk tests || return 1
	CPUS=2 MEMORY=768 must "boots with the tests on a disk" power_on "data=$data" "tests=$board_dir/tests.img"
}

tests_env() {
	local build=/tests/build/$config
	echo "cd /tests && export BUILD=$build PAWL=$build/pawl PAWL_SHIM=$build/pawl-shim HOME=/tmp"
}

# sum_of FILE: of its last line "[NAME: ]N passed, N failed"
take_sum() { # NAME FILE
	local p f
	read -r p f < <(sed -nE 's/^([a-z0-9]+: )?([0-9]+) passed, ([0-9]+) failed$/\2 \3/p' "$2" | tail -n 1)
	if [ -z "${f:-}" ]; then
		fails "$1: no sum: $(tail -n 3 "$2")"
	else
		echo "$board: $1: $p passed, $f failed ($2)"
		grep -E '^ *(FAIL|FAILED|skipped) |, [0-9]+ skipped' "$2" | sed 's/^/    /'
		passed=$((passed + p)) failed=$((failed + f))
	fi
}

# A tier: each of its programs, counted.
tier() { # NAME FOLDER [REGEX]
	ask "($(tests_env); scripts/run-tests.sh -n $1 -l /tests/log/$1 -t 900 \$(find \$BUILD/tests/$2 -type f | grep -E '${3:-}' | sort))" "$limit"
	printf '%s' "$out" >"$board_dir/$1.log"
	take_sum "$1" "$board_dir/$1.log"
}

e2e() { # SCRIPT...
	ask "($(tests_env); export E2E_BUILD=no E2E_PATIENCE=120 E2E_SECONDS=3000 E2E_JOBS=2 PAWL_KILL_ROUNDS=${BOOT_KILLS:-40}; tests/e2e/run.sh $*)" "$limit"
	printf '%s' "$out" >"$board_dir/e2e.log"
	take_sum e2e "$board_dir/e2e.log"
}
