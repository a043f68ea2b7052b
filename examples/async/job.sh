#!/bin/sh
# job.sh start INPUT [ID] | poll ID | cancel ID - a front end to long work, as a CGI script would have it: `start` answers at
# once with an id, `poll` with one line: running, done, failed or gone. With the same ID twice, `start` starts it once.
# $PAWL is the program; it finds the hub by $PAWL_HUB.
set -u
: "${PAWL:=pawl}"

case ${1-} in
start)
	if [ $# -gt 2 ]; then
		exec "$PAWL" -q start job -i "$2" --id "$3" --if-exists use
	fi
	exec "$PAWL" -q start job -i "$2"
	;;
poll) # `wait` says by its exit code how it ended; a deadline that is over at once makes a question of it
	out=$("$PAWL" -q wait "$2" --timeout 10ms 2>&1)
	case $? in
	0) echo "done $out" ;;
	3) echo "failed $("$PAWL" status "$2" -o json)" ;;
	4) echo "gone" ;;
	6) echo "canceled" ;;
	124) echo "running $("$PAWL" get "$2" status 2>/dev/null)" ;;
	*) echo "$out" >&2 && exit 1 ;;
	esac
	;;
cancel) exec "$PAWL" -q cancel "$2" ;;
*)
	echo "usage: $0 start INPUT [ID] | poll ID | cancel ID" >&2
	exit 2
	;;
esac
