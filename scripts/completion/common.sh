# shellcheck shell=bash disable=SC2034,SC2154
# What bash and zsh share. $pawl_words is the command line up to the word that is completed, $pawl_asks the program with the
# options before it that say which hub.

# Sets $pawl_verb, $pawl_count (arguments before this one), $pawl_first (the first of them).
_pawl_look() {
	local word known skip='' i=0
	pawl_verb='' pawl_first='' pawl_count=0 pawl_end=''
	for word in "${pawl_words[@]}"; do
		i=$((i + 1))
		[ $i -gt 1 ] || { pawl_asks=("$word") && continue; }
		if [ -n "$skip" ]; then
			case $skip in -H | --hub | -c | --config) pawl_asks+=("$skip" "$word") ;; esac
			skip=''
			continue
		fi
		case $word in
		--) pawl_end=yes && continue ;;
		--hub=* | --config=*) pawl_asks+=("$word") && continue ;;
		-*)
			known=$(_pawl_argument_of "$word")
			[ -z "$known" ] || skip=$word
			continue
			;;
		esac
		if [ -z "$pawl_verb" ]; then
			pawl_verb=$word
			continue
		fi
		[ $pawl_count -gt 0 ] || pawl_first=$word
		pawl_count=$((pawl_count + 1))
	done
	pawl_option=$skip
}

_pawl_options_of() {
	[ -z "$1" ] || _pawl_options "$1"
	_pawl_options ''
}

# What the option $1 takes: the verb's own meaning of it comes before that of every verb.
_pawl_argument_of() {
	_pawl_options_of "$pawl_verb" | tr ' ' '\n' | sed -n "s/^$1\(=\(.*\)\)*\$/ \2/p" | head -n 1 | sed 's/^ //'
}

# Never more than can be looked through; of many the ones that begin like that.
_pawl_ids() {
	local all=-a
	case $pawl_verb in raise | suspend | resume | cancel | terminate | activities) all='' ;; esac
	case $1 in
	'' | *[!A-Za-z0-9_:-]*) _pawl_ask list $all -n 1000 -o name ;;
	*) _pawl_ask list $all -n 1000 -o name --where "id~$1*" ;;
	esac
}

_pawl_types() {
	_pawl_ask types | awk -v kind="$1" '$1 == kind { print $2 }'
}

_pawl_ask() {
	command "${pawl_asks[@]}" "$@" 2>/dev/null
}

# The words that the argument of kind $1 may be, one a line; $2 is how it begins. Files are the caller's.
_pawl_values() {
	case $1 in
	ID | ID...) _pawl_ids "$2" ;;
	TYPE) _pawl_types orchestration ;;
	ACTIVITY) _pawl_types activity ;;
	NAME) [ "$pawl_verb" != signal ] || _pawl_types entity ;;
	EVENT) _pawl_ask status "$pawl_first" | awk '/^ *waits for/ { on = 1; sub(/waits for/, "") } on && $1 == "event" { print $2 }' ;;
	ITEM | ITEM...) _pawl_ask queue -o name ;;
	VERB) _pawl_verbs | sed 's/:.*//' && echo activities ;;
	STATUS,...) printf '%s\n' Pending Running Suspended Completed Failed Canceled Terminated ContinuedAsNew Parked Damaged ;;
	STATE,...) printf '%s\n' Waiting Active Completed Stalled Failed Deferred Stuck ;;
	FORMAT) printf '%s\n' table json jsonl yaml name ;;
	WHEN) printf '%s\n' auto always never ;;
	WHAT)
		case $pawl_verb in
		import) printf '%s\n' fail skip ;;
		*) printf '%s\n' fail use replace ;;
		esac
		;;
	LINE\|last-good) echo last-good ;;
	config | ls | show | requeue | purge) echo "$1" ;;
	*TEXT* | *FILE*) ;;
	*\|*) echo "$1" | tr '|' '\n' | grep -v '[A-Z]' ;;
	esac
}

# What may stand here, as "KIND ..."; first an option's argument, then arguments of the verb.
_pawl_kinds() {
	local all first second
	if [ -n "$pawl_option" ]; then
		case $pawl_option in
		-a | --activity) echo ACTIVITY ;;
		--id) ;;
		*) _pawl_argument_of "$pawl_option" ;;
		esac
		return 0
	fi
	all=$(_pawl_arguments "$pawl_verb")
	first=${all%% *} second=''
	case $all in *' '*) second=${all#* } ;; esac
	if [ "$pawl_count" -eq 0 ]; then
		echo "$first" | tr ',' '\n' | sed '/^$/d; s/^[.]*$//'
	elif [ "$pawl_count" -eq 1 ] && [ -n "$second" ]; then
		echo "$second"
	else
		case $first$second in *ITEM... | *ID...*) echo "${second:-ID...}" ;; *FILE* | *PLUGIN*) echo FILE ;; esac
	fi
}
