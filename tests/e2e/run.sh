#!/usr/bin/env bash
# run.sh [NAME...]: builds the test programs and runs all test_*.sh beside it, or those named ("drops kill"). The last
# line is "N passed, N failed". $PAWL is the built program, $BUILD its build folder: `make e2e` sets both.
# E2E_TEST=text: only tests with that in their name; E2E_JOBS=N: so many scripts at a time (processors and one).
# E2E_BUILD=only builds and ends, E2E_BUILD=no takes what was built: for machines without a compiler.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${PAWL:?is not set: the built program (make e2e sets it)}" "${BUILD:?is not set: the build folder (make e2e sets it)}"
bin=$BUILD/e2e/bin
bound=${E2E_SECONDS:-240} # for one script
at_once=${E2E_JOBS:-$((1 + $(nproc 2>/dev/null || echo 1)))} # they wait more than they compute

# As the library was compiled, sanitizers and all: $BUILD/flags is one line of compiler and options.
build() { # OUTPUT OPTION...
	local output=$1 flags libs
	shift
	flags=$(cat "$BUILD/flags") || return 1
	libs=$(sed -n 's/^Libs.private: //p' "$BUILD/pawl.pc") || return 1
	# shellcheck disable=SC2086
	case $output in
	worker) $flags -o "$bin/$output" tests/e2e/e2e_worker.c "$BUILD/libpawl.a" $libs ;;
	attack | newer) $flags -o "$bin/$output" "tests/e2e/e2e_$output.c" $libs ;;
	*.so) ${flags//-pie/} -shared "$@" -DE2E_PLUGIN -o "$bin/$output" tests/e2e/e2e_types.c ;;
	*) $flags "$@" -o "$bin/$output" tests/e2e/e2e_types.c "$BUILD/libpawl.a" $libs ;;
	esac || return 1
	case $output in *.so) return ;; esac
	[ -z "${EMULATE:-}" ] || tests/emulation/launchable.sh "$bin/$output"
}

build_all() {
	mkdir -p "$bin" && build types && build types-changed -DE2E_VARIANT=2 && build types-late -DE2E_VARIANT=3 && build worker && build attack && build newer || return 1
	! grep -q -e -DPAWL_WITH_PLUGINS=1 "$BUILD/flags" || build types.so || return 1
	compiler=$(sed 's/ -std=.*//' "$BUILD/flags") # without sanitizers: test_clock.sh skips when it cannot be used
	# shellcheck disable=SC2086
	$compiler -shared -fPIC -O -o "$bin/clock.so" tests/e2e/e2e_clock.c -ldl 2>/dev/null || :
	# shellcheck disable=SC2086
	$compiler -shared -fPIC -O -o "$bin/faults.so" tests/e2e/fault_preload.c -ldl 2>/dev/null || :
}

if [ "${E2E_BUILD:-}" != no ] && ! build_all; then
	echo "FAILED the test programs cannot be built"
	echo "0 passed, 1 failed"
	exit 1
fi

[ "${E2E_BUILD:-}" != only ] || exit 0

# One script; leaves "PASSED FAILED" in its .count file and tells all of it at once, as others run beside it.
run_script() { # SCRIPT NAME
	local log=$BUILD/e2e/$2.log start=$SECONDS status=0 p f
	timeout -k 10 "$bound" bash "$1" >"$log" 2>&1 </dev/null || status=$?
	read -r p f < <(awk '/^[0-9]+ passed, [0-9]+ failed$/ { line = $1 " " $3 } END { print line ? line : "0 0" }' "$log")
	if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
		echo "FAILED $2: exit status $status" >>"$log"
		f=1
	fi
	echo "== $2 took $((SECONDS - start)) s" >>"$log"
	echo "$p $f" >"$BUILD/e2e/$2.count"
	cat "$log"
}

[ $# -gt 0 ] || set -- ${E2E-} # make e2e E2E="drops kill"
rm -f "$BUILD"/e2e/*.count
# The largest first, so that no long one is left for the end. Each has hubs of its own.
for script in $(ls -S tests/e2e/test_*.sh); do
	name=${script##*/test_}
	name=${name%.sh}
	case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
	while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do
		wait -n || :
	done
	run_script "$script" "$name" &
done
wait
cat "$BUILD"/e2e/*.count /dev/null | awk '{ p += $1; f += $2 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }'
