# shellcheck shell=bash disable=SC2034,SC2154
# Words with : = @ are several to readline: the line is cut at blanks, and what readline has already is taken off again.
_pawl() {
	local pawl_words pawl_asks pawl_verb pawl_first pawl_count pawl_option pawl_end
	local line=${COMP_LINE:0:COMP_POINT} cur='' before kind prefix='' have
	COMPREPLY=()
	read -ra pawl_words <<<"$line"
	pawl_words[0]=${pawl_words[0]/#\~/$HOME}
	case $line in *[![:space:]]) cur=${pawl_words[-1]} && unset 'pawl_words[-1]' ;; esac
	have=${COMP_WORDS[COMP_CWORD]:0:${#cur}}
	case $have in '=' | ':' | '@') have='' ;; esac
	before=${cur%"$have"}
	_pawl_look
	case $cur in
	--*=*)
		pawl_option=${cur%%=*} prefix=$pawl_option= cur=${cur#*=}
		;;
	-*)
		if [ -z "$pawl_option$pawl_end" ]; then
			_pawl_reply "$before" "$cur" < <(_pawl_options_of "$pawl_verb" | tr ' ' '\n')
			return 0
		fi
		;;
	esac
	if [ -z "$pawl_verb$pawl_option" ]; then
		_pawl_reply "$before" "$cur" < <(_pawl_verbs)
		return 0
	fi
	while read -r kind; do
		case $kind in
		DIR) _pawl_files "$before" "$prefix" "$cur" '' -d ;;
		TEXT\|@FILE\|-) [[ $cur != @* ]] || _pawl_files "$before" "$prefix" "${cur#@}" @ -f ;;
		*FILE* | PATH | PLUGIN*) _pawl_files "$before" "$prefix" "$cur" '' -f ;;
		STATUS,... | STATE,...)
			[[ $cur != *,* ]] || { prefix=$prefix${cur%,*},; cur=${cur##*,}; }
			_pawl_reply "$before" "$prefix$cur" < <(_pawl_values "$kind" "$cur" | sed "s/^/$prefix/")
			;;
		*) _pawl_reply "$before" "$prefix$cur" < <(_pawl_values "$kind" "$cur" | sed "s/^/$prefix/") ;;
		esac
	done < <(_pawl_kinds)
	[ -z "$pawl_end" ] || _pawl_files "$before" '' "$cur" '' -c
}

# Those of standard input that begin with $2, without $1. An option's argument is no part of its name.
_pawl_reply() { # BEFORE CUR
	local word
	while read -r word; do
		case $word in -*) [[ $2 == *=* ]] || word=${word%%=*} ;; esac
		[[ $word != "$2"* || $word == '' ]] || COMPREPLY+=("${word#"$1"}")
	done
}

_pawl_files() { # BEFORE PREFIX CUR AT WHAT
	local word
	compopt -o filenames 2>/dev/null
	while read -r word; do
		word=$2$4$word
		COMPREPLY+=("${word#"$1"}")
	done < <(compgen "$5" -- "$3")
}

complete -F _pawl pawl
