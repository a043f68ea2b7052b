#!/bin/sh
# e2e.sh BUILD ARCH OPTION...: the end-to-end tests with a build folder for another processor. $EMULATE: "qemu-arm-static -L
# ROOT". OPTION: of scripts/run-tests.sh. Everything is slower than on this machine, so everything has longer.
set -eu
cd "$(dirname "$0")/../.."
build=$1 arch=$2
shift 2

BUILD=$PWD/$build/emulated
mkdir -p "$BUILD"
tests/emulation/mirror.sh "$build" "$BUILD"
EMULATION_GAPS=$BUILD/gaps
tests/emulation/gaps.sh "$arch" e2e >"$EMULATION_GAPS"
export BUILD EMULATE EMULATION_GAPS PAWL="$BUILD/pawl" PAWL_SHIM="$BUILD/pawl-shim"
export E2E_SHORT="${E2E_SHORT:-4}" E2E_PATIENCE="${E2E_PATIENCE:-90}" E2E_SECONDS="${E2E_SECONDS:-1800}"
exec env -u RUNNER scripts/run-tests.sh -n e2e "$@" -1 -t 7200 tests/e2e/run.sh
