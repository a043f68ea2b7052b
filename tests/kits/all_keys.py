#!/usr/bin/env python3
"""all_keys.py uci|yaml KEYS - every key of pawl.yaml with a value that is not its default, as UCI or as YAML.

KEYS is what keys.awk makes of docs/configuration.md; what a key takes is in docs/configuration.md.
"""
import re
import sys

DOUBLED = ["a b", "it's", 'say "x"', "\\n $HOME `id`", "{a: [b]}", "# no", "no", "ü", "two\nlines\tand a tab", ""]


def value(key, expected, default):
    """A value, or a list of them, as the program would have it."""
    if "list of texts" in expected:
        return ["/bin/true"] + DOUBLED
    if "list of them" in expected:
        return ["/one", "/two words"]
    if "mapping" in expected:
        return {"nofile": "32", "core": "0"} if key.endswith("rlimits") else {"A": "it's \"=\" \\", "B_2": "no: {x}"}
    if "absolute path" in expected:
        return "/some/where else"
    if "true or false" in expected:
        return "true"
    if expected.startswith("one of"):
        words = expected[7:].split(", ")
        return next(w for w in words if w != default)
    if key.endswith("ionice"):
        return "best-effort:3"
    if key.endswith("user") or key.endswith("group"):
        return "1000"
    if key.endswith("cgroup_cpu_max"):
        return "50000 100000"
    if expected == "a text":
        return "a text: 'with' \"quotes\""
    if "size" in expected:
        return "100KiB" if "limits" in key or "memory_max" in key or "segment" in key or "bytes" in key else "3MiB"
    if "duration" in expected:
        return "7s"
    if expected.startswith("a number"):
        return "1.5" if "coefficient" in key else "0.5"
    return "7"


def keys(page, table):
    known = dict(line.split() for line in open(table))
    for line in open(page):
        match = re.match(r"\| `([\w.]+)` \| (.*?) \| (.*?) \| .* \|$", line)
        if match and match.group(1) in known:
            key, expected, default = match.groups()
            yield key, known[key], value(key, expected, default.strip("`"))


def shell(text):
    return "'" + text.replace("'", "'\\''") + "'"


def quoted(text):
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(char, escape)
    return f'"{text}"'


def as_uci(entries):
    sections = {}
    for key, kind, content in entries:
        words = key.split(".")
        if words[0] == "activities":
            section, option = "activity", "_".join(words[2:])
        elif len(words) == 1:
            section, option = "pawl", key
        else:
            section, option = words[0], "_".join(words[1:])
        lines = sections.setdefault(section, [])
        if isinstance(content, list):
            lines += [f"\tlist {option} {shell(text)}" for text in content]
        elif isinstance(content, dict):
            lines += [f"\tlist {option} {shell(name + '=' + text)}" for name, text in content.items()]
        else:
            lines.append(f"\toption {option} {shell('1' if kind == 'bool' else content)}")
    for section, lines in sections.items():
        print(f"config {section}" + (" 'main'" if section == "pawl" else ""))
        if section == "activity":
            print("\toption name 'the/one:and.only-1'")
        print("\n".join(lines) + "\n")


def as_yaml(entries):
    """JSON's way of writing it, which YAML takes: nothing in common with what the converter prints."""
    tree = {}
    for key, kind, content in entries:
        words = key.replace("NAME", "the/one:and~only-1").split(".")
        at = tree
        for word in words[:-1]:
            at = at.setdefault(word.replace("~", "."), {})
        if isinstance(content, list):
            text = "[" + ", ".join(quoted(t) for t in content) + "]"
        elif isinstance(content, dict):
            text = "{" + ", ".join(f"{n}: {quoted(t)}" for n, t in content.items()) + "}"
        else:
            text = content if kind == "bool" else quoted(content)
        at[words[-1]] = text

    def show(node):
        if isinstance(node, str):
            return node
        return "{" + ", ".join(f"{quoted(name)}: {show(child)}" for name, child in node.items()) + "}"
    print(show(tree))


if __name__ == "__main__":
    everything = list(keys("docs/configuration.md", sys.argv[2]))
    if len(everything) < 100:
        raise SystemExit(f"error: only {len(everything)} keys found in docs/configuration.md")
    {"uci": as_uci, "yaml": as_yaml}[sys.argv[1]](everything)
