#!/bin/sh
# check-symbols.sh DIR: the libraries in DIR export what the public headers promise (PAWL_API) and no other name.
# NM names the tool. Prints one line for each finding and "N passed, N failed".
set -eu

dir=$1
nm=${NM:-nm}
passed=0 failed=0

good() {
	passed=$((passed + 1))
}

bad() {
	failed=$((failed + 1))
	echo "check-symbols: $*"
}

# What the headers declare: the last word before the first bracket, or before the end of a variable.
promised=$(cat include/pawl/*.h | sed -n -e 's/^PAWL_API extern .*[ *]\(pawl_[a-z0-9_]*\);.*/\1/p' -e 's/^PAWL_API [^(]*[ *]\(pawl_[a-z0-9_]*\)(.*/\1/p')

check() {
	file=$1
	shift
	if [ ! -e "$file" ]; then
		return 0
	fi
	# The version node of the shared library is a symbol too (type A).
	names=$("$nm" "$@" --defined-only "$file" | awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }')
	leaked=$(echo "$names" | grep -v '^pawl_' || :)
	if [ -n "$leaked" ]; then
		bad "$file exports more than pawl_*:" $leaked
	else
		good
	fi
	for name in $promised; do
		if echo "$names" | grep -qx "$name"; then
			good
		else
			bad "$file lacks '$name', which a public header declares"
		fi
	done
}

check "$dir/libpawl.a" -g
check "$dir/libpawl.so.0" -D -g
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
