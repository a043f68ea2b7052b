#!/bin/sh
# generate.sh bash|zsh PAGE: a completion file from pawl's manual page, which is `pawl help --man`, the table of verbs: so it
# can be made where the program cannot run, in a cross build. Tables first, then the code beside this file.
set -eu

shell=$1 page=$2
here=$(dirname "$0")

# Of each verb: its name, a line about it, what stands behind it, its options. "" is the options of every verb.
tables() {
	awk -v shell="$shell" '
	function plain(s) {
		gsub(/\\f[A-Z]/, "", s)
		gsub(/\\-/, "-", s)
		gsub(/\\e/, "\\", s)
		return s
	}
	function quoted(s) {
		gsub(/\047/, "\047\\\047\047", s)
		return "\047" s "\047"
	}
	# "ID --to LINE | ID... | [-s X] | FILE [-n N]" is "ID,ID...,FILE": what may be the first, and after a blank the second.
	function kinds(usage,   n, alternatives, i, words, k, j, first, second) {
		while (match(usage, /\[-[^][]*\]/))
			usage = substr(usage, 1, RSTART - 1) substr(usage, RSTART + RLENGTH)
		gsub(/[][]/, "", usage)
		gsub(/ +/, " ", usage)
		gsub(/( [|])+( |$)/, " | ", usage)
		n = split(usage, alternatives, / [|] /)
		for (i = 1; i <= n; i++) {
			k = split(alternatives[i], words, / +/)
			for (j = 1; j <= k && words[j] == ""; j++)
				;
			if (j > k || words[j] ~ /^-/)
				continue
			first = first (first == "" ? "" : ",") words[j]
			if (j < k && words[j + 1] !~ /^-|^[.]/ && second == "")
				second = words[j + 1]
		}
		return first (second == "" ? "" : " " second)
	}
	function begin_verb(name) {
		verb = name
		verbs[++count] = name
	}
	function add(option, text) {
		options[verb] = options[verb] (options[verb] == "" ? "" : " ") option
		sub(/=.*/, "", option)
		texts[verb] = texts[verb] "\t\t" quoted(option ":" text) "\n"
	}
	# "-o, --output FORMAT"
	function take_option(line, text,   n, words, i, arg) {
		n = split(line, words, /,? +/)
		arg = words[n] ~ /^-./ ? "" : "=" words[n]
		for (i = 1; i <= n; i++)
			if (words[i] ~ /^--?[A-Za-z]/)
				add(words[i] arg, text)
	}
	/^[.]SH / { section = $2; verb = section == "OPTIONS" ? "" : verb; item = 0; next }
	section != "OPTIONS" && section != "VERBS" { next }
	/^[.]SS / { begin_verb(plain($2)); item = usage = 0; next }
	/^[.]B pawl / { usage = 1; next }
	/^[.]TP/ { item = 1; next }
	/^[.]PP/ { if (usage) about = 1; usage = item = 0; next }
	usage { args[verb] = kinds(plain($0)); next }
	about { lines[verb] = tolower(substr(plain($0), 1, 1)) substr(plain($0), 2); sub(/[.]$/, "", lines[verb]); about = 0; next }
	item == 1 { option = plain($0); item = 2; next }
	item == 2 { text = plain($0); sub(/[;:.] .*/, "", text); take_option(option, text); item = 0; next }
	END {
		verbs[0] = ""
		print "_pawl_verbs() {\n\tcat <<\047END\047"
		for (i = 1; i <= count; i++)
			print verbs[i] (shell == "zsh" ? ":" lines[verbs[i]] : "")
		print "END\n}\n\n_pawl_arguments() {\n\tcase $1 in"
		for (i = 1; i <= count; i++)
			if (args[verbs[i]] != "")
				print "\t" verbs[i] ") echo " quoted(args[verbs[i]]) " ;;"
		print "\tesac\n}\n\n_pawl_options() {\n\tcase $1 in"
		for (i = 0; i <= count; i++)
			if (options[verbs[i]] != "")
				print "\t" quoted(verbs[i]) ") echo " quoted(options[verbs[i]]) " ;;"
		print "\tesac\n}"
		if (shell == "zsh") {
			print "\n_pawl_texts() {\n\tcase $1 in"
			for (i = 0; i <= count; i++)
				if (texts[verbs[i]] != "")
					print "\t" quoted(verbs[i]) ") texts+=(\n" texts[verbs[i]] "\t) ;;"
			print "\tesac\n}"
		}
	}' "$page"
}

case $shell in
bash) echo '# bash completion for pawl; made from its manual page by scripts/completion/generate.sh' ;;
zsh) printf '#compdef pawl\n# zsh completion for pawl; made from its manual page by scripts/completion/generate.sh\n' ;;
*) echo "error: no completion for '$shell', only for bash and zsh" >&2 && exit 2 ;;
esac
echo
tables
echo
cat "$here/common.sh"
echo
cat "$here/code.$shell"
