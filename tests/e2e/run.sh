#!/usr/bin/env bash
# run.sh [NAME...]: builds the test programs and runs all test_*.sh beside it, or those named ("drops kill"). The last
# line is "N passed, N failed". $PAWL is the built program, $BUILD its build folder: `make e2e` sets both.
# E2E_TEST=text: only tests with that in their name.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${PAWL:?is not set: the built program (make e2e sets it)}" "${BUILD:?is not set: the build folder (make e2e sets it)}"
bin=$BUILD/e2e/bin
bound=${E2E_SECONDS:-240} # for one script

# As the library was compiled, sanitizers and all: $BUILD/flags is one line of compiler and options.
build() { # OUTPUT OPTION...
	local output=$1 flags libs
	shift
	flags=$(cat "$BUILD/flags") || return 1
	libs=$(sed -n 's/^Libs.private: //p' "$BUILD/pawl.pc") || return 1
	# shellcheck disable=SC2086
	case $output in
	worker) $flags -o "$bin/$output" tests/e2e/e2e_worker.c "$BUILD/libpawl.a" $libs ;;
	*.so) ${flags//-pie/} -shared "$@" -DE2E_PLUGIN -o "$bin/$output" tests/e2e/e2e_types.c ;;
	*) $flags "$@" -o "$bin/$output" tests/e2e/e2e_types.c "$BUILD/libpawl.a" $libs ;;
	esac
}

build_all() {
	mkdir -p "$bin" && build types && build types-changed -DE2E_VARIANT=2 && build types-late -DE2E_VARIANT=3 && build worker || return 1
	! "$PAWL" version | grep -q '^features:.* plugins' || build types.so || return 1
	read -r compiler _ <"$BUILD/flags" # without sanitizers: test_clock.sh skips when it cannot be used
	"$compiler" -shared -fPIC -O -o "$bin/clock.so" tests/e2e/e2e_clock.c -ldl 2>/dev/null || :
}

if ! build_all; then
	echo "FAILED the test programs cannot be built"
	echo "0 passed, 1 failed"
	exit 1
fi

[ $# -gt 0 ] || set -- ${E2E-} # make e2e E2E="drops kill"
passed=0 failed=0
for script in tests/e2e/test_*.sh; do
	name=${script##*/test_}
	name=${name%.sh}
	case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
	start=$SECONDS
	timeout -k 10 "$bound" bash "$script" >"$BUILD/e2e/$name.log" 2>&1
	status=$?
	cat "$BUILD/e2e/$name.log"
	read -r p f < <(awk '/^[0-9]+ passed, [0-9]+ failed$/ { line = $1 " " $3 } END { print line ? line : "0 0" }' "$BUILD/e2e/$name.log")
	if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
		echo "FAILED $name: exit status $status"
		f=1
	fi
	echo "== $name took $((SECONDS - start)) s"
	passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
