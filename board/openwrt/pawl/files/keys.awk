# keys.awk - from the table of docs/configuration.md: each key of pawl.yaml and how it is written (text, bool, list, map).
BEGIN { FS = "|" }
/^\| `[a-zA-Z_.]*` \|/ && NF == 6 {
	key = $2
	gsub(/[` ]/, "", key)
	print key, $3 ~ /a list of / ? "list" : $3 ~ /mapping/ ? "map" : $3 ~ /true or false/ ? "bool" : "text"
}
