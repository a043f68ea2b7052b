#!/bin/sh
# gaps.sh ARCH [TIER]: the lines of the list "gaps" for this processor, without the first column.
# gaps.sh -c: says which lines name a test that does not exist, and fails then.
set -eu
cd "$(dirname "$0")/../.."
list=tests/emulation/gaps

has_test() { # TIER/PROGRAM TEST
	case $1 in
	e2e/*) grep -qxF "$2() {" "tests/$1.sh" ;;
	unit/*) grep -qE " (test_)?$2\(void \*\*" "tests/$1.c" ;;
	contract/*) [ -e "tests/provider/${1#*/}.c" ] && grep -qF "\"$2\"" tests/provider/contract_*.c ;;
	*) false ;;
	esac
}

if [ "${1-}" = -c ]; then
	status=0
	tab=$(printf '\t')
	while IFS=$tab read -r where program test reason; do
		case $where in '' | '#'*) continue ;; esac
		[ -n "$reason" ] || { echo "FAILED $list: '$where $program $test' has no reason" && status=1; }
		has_test "$program" "$test" 2>/dev/null || { echo "FAILED $list: there is no test '$test' in $program" && status=1; }
	done <"$list"
	exit $status
fi
awk -F '\t' -v arch="${1:?usage: gaps.sh ARCH [TIER] or gaps.sh -c}" -v tier="${2-}" '
	/^#/ || NF < 4 || ($1 != "all" && index("," $1 ",", "," arch ",") == 0) || index($2, tier) != 1 { next }
	{ print $2 "\t" $3 "\t" $4 }' "$list"
