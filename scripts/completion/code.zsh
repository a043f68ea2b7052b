_pawl() {
	local -a pawl_words pawl_asks found texts
	local pawl_verb pawl_first pawl_count pawl_option pawl_end kind cur=${(Q)PREFIX}
	pawl_words=("${(@Q)words[1,CURRENT-1]}")
	pawl_words[1]=${pawl_words[1]/#\~/$HOME}
	_pawl_look
	if [[ $cur == --*=* ]]; then
		pawl_option=${cur%%=*} cur=${cur#*=}
		compset -P '*='
	elif [[ $cur == -* && -z $pawl_option$pawl_end ]]; then
		_pawl_texts "$pawl_verb"
		[[ -z $pawl_verb ]] || _pawl_texts ''
		_describe -o option texts
		return
	fi
	if [[ -z $pawl_verb$pawl_option ]]; then
		found=("${(@f)$(_pawl_verbs)}")
		_describe verb found
		return
	fi
	[[ -z $pawl_end ]] || { _normal && return }
	for kind in "${(@f)$(_pawl_kinds)}"; do
		case $kind in
		DIR) _files -/ ;;
		TEXT\|@FILE\|-) [[ $cur != @* ]] || { compset -P @ && _files } ;;
		*FILE* | PATH | PLUGIN*) _files ;;
		STATUS,... | STATE,...)
			compset -P '*,'
			found=("${(@f)$(_pawl_values $kind '')}")
			compadd -S '' -a found
			;;
		*)
			found=("${(@f)$(_pawl_values "$kind" "$cur")}")
			found=($found)
			compadd -a found
			;;
		esac
	done
}

_pawl "$@"
