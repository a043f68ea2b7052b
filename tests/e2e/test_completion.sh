#!/usr/bin/env bash
# Completion in bash and zsh: what the generated files propose, with a hub behind them.
# shellcheck source=tests/e2e/lib.sh disable=SC2119
. "$(dirname "$0")/lib.sh"

_make() { # SHELL
	mkdir -p "$dir/bin"
	ln -sf "$types" "$dir/bin/pawl"
	scripts/completion/generate.sh "$1" docs/man/pawl.1 >"$dir/pawl.$1" || fail "the file for $1 cannot be made"
}

# A hub with instances that wait for an event.
_hub() {
	local id
	new_hub
	start_ready
	for id in one two a:b:1 a:b:2; do
		start waiter "$id" answer
		wait_events "$id" EventSubscribed 1
	done
}

# complete LINE [WORD]: what bash would show; WORD is readline's idea of the last word where that is another one.
_complete() {
	PATH=$dir/bin:$PATH bash -c '
		. "$1"
		COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		case $2 in *" ") COMP_WORDS+=("") && COMP_CWORD=$((COMP_CWORD + 1)) ;; esac
		[ -z "$3" ] || { COMP_WORDS=("$3") && COMP_CWORD=0; }
		_pawl && echo "${COMPREPLY[*]}"' complete "$dir/pawl.bash" "$1" "${2-}" 2>&1
}

_expect_completed() { # LINE WANTED [WORD]
	expect_eq "completion of '$1'" "$2" "$(_complete "$1" "${3-}")"
}

bash_knows_all_verbs_and_options_of_the_program() {
	local verb option known
	_make bash
	new_hub
	known=" $(_complete "pawl ") "
	for verb in $("$PAWL" help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		expect_match "verbs" " $verb " "$known"
	done
	for verb in run start list raise work export fsck help; do
		known=" $(_complete "pawl $verb --") "
		for option in $("$PAWL" help "$verb" | sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p'); do
			expect_match "options of $verb" " $option " "$known"
		done
	done
	expect_match "options of verbs that were looked at" " --version " "$known"
}

bash_completes_what_the_hub_has() {
	_make bash
	_hub
	_expect_completed "pawl status t" "two"
	_expect_completed "pawl wait one " "a:b:1 a:b:2 one two"
	_expect_completed "pawl status a:b" "b:1 b:2" "b"
	_expect_completed "pawl raise one " "answer"
	_expect_completed "pawl start wai" "waiter"
	_expect_completed "pawl -H $dir/elsewhere status " ""
	_expect_completed "pawl -H $hub status o" "one"
}

bash_completes_words_and_lists() {
	_make bash
	new_hub
	_expect_completed "pawl sta" "start status"
	_expect_completed "pawl -o js" "json jsonl"
	_expect_completed "pawl list -s Failed,R" "Failed,Running"
	_expect_completed "pawl list --status=Pa" "Parked" "Pa"
	_expect_completed "pawl get x st" "status status_version"
	_expect_completed "pawl start x --if-exists " "fail use replace"
	_expect_completed "pawl import x --if-exists " "fail skip"
	_expect_completed "pawl help con" "config"
	_expect_completed "pawl work ta" "take"
	: >"$dir/file.json"
	_expect_completed "pawl raise x y -d @$dir/fi" "$dir/file.json" "$dir/fi"
}

zsh_takes_the_file() {
	command -v zsh >/dev/null || skip "no zsh here"
	_make zsh
	zsh -n "$dir/pawl.zsh" || fail "zsh does not parse the file"
}

# A terminal of zsh's own (zpty), in which the keys are pressed.
zsh_completes_what_the_hub_has() {
	command -v zsh >/dev/null || skip "no zsh here"
	zsh -fc 'zmodload zsh/zpty' 2>/dev/null || skip "this zsh has no zpty"
	_make zsh
	mkdir -p "$dir/functions"
	cp "$dir/pawl.zsh" "$dir/functions/_pawl"
	_hub
	cat >"$dir/keys.zsh" <<'END'
zmodload zsh/zpty
zpty shell "TERM=dumb PS1='READY> ' zsh -f -i"
until_seen() { zpty -r -m shell seen "*$1*" && seen=; }
press() { zpty -w -n shell "$1" }
press "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $1/dump; unsetopt automenu; echo do''ne"$'\n'
until_seen $'\ndone'
# At the end of each: home, echo, return. The line below is what had been completed.
press $'pawl status t\t\x01echo \n'
until_seen $'\npawl status two'
press $'pawl rai\tone ans\t\x01echo \n'
until_seen $'\npawl raise one answer'
press $'pawl star\twai\t\x01echo \n'
until_seen $'\npawl start waiter'
press "pawl status --hub=$2 tw"$'\t\x01echo \n'
until_seen $'\npawl status --hub=*two'
press $'pawl list --stat\tPar\t\x01echo \n'
until_seen $'\npawl list --status Parked'
zpty -d shell
print well
END
	expect_eq "what zsh completed" well "$(PATH=$dir/bin:$PATH timeout "$patience" zsh -f "$dir/keys.zsh" "$dir/functions" "$hub" 2>&1 </dev/null)"
}

other_shells_are_refused() {
	expect 2 scripts/completion/generate.sh fish docs/man/pawl.1
	expect_match "the message" "only for bash and zsh" "$err"
}

run_tests
