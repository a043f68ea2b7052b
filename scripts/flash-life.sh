#!/bin/sh
# flash-life.sh - how many years a flash medium lasts under what pawl writes. The formula and what goes into it: docs/flash.md.
set -eu

usage() {
	cat <<-'END'
	usage: flash-life.sh -s SIZE [-p CYCLES] [-f FACTOR] [-r PERCENT] (-d STEPS [-b BYTES] | -j FILE)
	  -s SIZE     of the medium, or of the partition if nothing else moves blocks into it: 512M, 4G
	  -p CYCLES   program and erase cycles of a cell (3000)
	  -f FACTOR   what the medium writes for a byte that it is given (4)
	  -r PERCENT  of the medium's life that others use up (50)
	  -d STEPS    durable steps a day; -b BYTES to the device for each (5120)
	  -j FILE     `pawl status --io -o json`, - for standard input: the pace of the runtime since its start.
	              -b is then added for each sync, for what the file system writes beside it (4096)
	END
	exit 2
}

fail() {
	echo "flash-life.sh: $*" >&2
	exit 1
}

size='' cycles=3000 factor=4 reserve=50 steps='' bytes='' file=''
while getopts s:p:f:r:d:b:j: option; do
	case $option in
	s) size=$OPTARG ;;
	p) cycles=$OPTARG ;;
	f) factor=$OPTARG ;;
	r) reserve=$OPTARG ;;
	d) steps=$OPTARG ;;
	b) bytes=$OPTARG ;;
	j) file=$OPTARG ;;
	*) usage ;;
	esac
done
[ $# -ge $OPTIND ] && [ "$OPTIND" -le $# ] && usage
if [ -z "$size" ] || [ -z "$steps$file" ]; then usage; fi
if [ -n "$steps" ] && [ -n "$file" ]; then usage; fi

case $size in
*[kK]) size="${size%?} 1024" ;;
*M) size="${size%?} 1048576" ;;
*G) size="${size%?} 1073741824" ;;
*T) size="${size%?} 1099511627776" ;;
*) size="$size 1" ;;
esac
for number in ${size% *} "$cycles" "$factor" "$reserve" ${steps:+"$steps"} ${bytes:+"$bytes"}; do
	case $number in
	'' | *[!0-9.]* | *.*.* | .) fail "'$number' is not a number" ;;
	esac
done

seconds=86400 written=0 syncs=0
if [ -n "$file" ]; then
	json=$(cat ${file:+"$file"}) || fail "cannot read '$file'"
	# one member of the record; the totals stand in front of the causes
	written=$(printf '%s' "$json" | sed -n 's/.*"written":{"bytes":\([0-9]*\),.*/\1/p')
	syncs=$(printf '%s' "$json" | sed -n 's/.*"written":{"bytes":[0-9]*,"syncs":\([0-9]*\),.*/\1/p')
	seconds=$(printf '%s' "$json" | sed -n 's/.*"seconds":\([0-9]*\).*/\1/p')
	if [ -z "$written" ] || [ -z "$syncs" ] || [ -z "$seconds" ]; then
		fail "'$file' has no counters: $(printf '%s' "$json" | sed -n 's/.*"unknown":"\([^"]*\)".*/\1/p')"
	fi
	[ "$seconds" -gt 0 ] || fail "the runtime has only just begun: look again later"
	bytes=${bytes:-4096}
else
	bytes=${bytes:-5120}
fi

# shellcheck disable=SC2086 # two words
set -- $size
awk -v number="$1" -v unit="$2" -v cycles="$cycles" -v factor="$factor" -v reserve="$reserve" -v steps="${steps:-0}" \
	-v bytes="$bytes" -v written="$written" -v syncs="$syncs" -v seconds="$seconds" 'BEGIN {
	medium = number * unit
	day = (written + syncs * bytes) * 86400 / seconds + steps * bytes
	endurance = medium * cycles / factor * (100 - reserve) / 100
	printf "medium      %.1f GiB, %d cycles: %.2f TB may be written to it at factor %s, %.2f TB of that by pawl\n",
		medium / 1073741824, cycles, medium * cycles / factor / 1e12, factor, endurance / 1e12
	printf "pawl        %.1f MB to the device a day\n", day / 1e6
	if (day <= 0) { print "life        no end: nothing is written"; exit }
	printf "life        %.1f years\n", endurance / day / 365.25
}'
