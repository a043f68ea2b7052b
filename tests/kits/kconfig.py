#!/usr/bin/env python3
"""kconfig.py CONFIG_IN OUTPUT SYMBOL... [SYMBOL=y|n|TEXT]...

Reads a Config.in of a kit beside the symbols that the kit's build system would have (they are given without a value, as
booleans), sets those that are given with one, and writes the configuration. Fails on what the language does not know, on
symbols that nobody has defined, and on settings that do not take.
"""
import os
import re
import sys
import tempfile

import kconfiglib


def main():
    config_in, output, *words = sys.argv[1:]
    given = [w for w in words if "=" not in w]
    settings = dict(w.split("=", 1) for w in words if "=" in w)
    with tempfile.TemporaryDirectory() as work:
        wrapper = os.path.join(work, "Kconfig")
        with open(wrapper, "w") as f:
            for name in given:
                f.write(f'config {name}\n\tbool "{name}"\n\n')
            f.write(f'source "{os.path.abspath(config_in)}"\n')
        kconf = kconfiglib.Kconfig(wrapper, warn_to_stderr=False)
    complaints = list(kconf.warnings)
    own = set()
    for node in kconf.node_iter():
        if isinstance(node.item, kconfiglib.Symbol) and node.filename == os.path.abspath(config_in):
            own.add(node.item.name)
    for symbol in kconf.unique_defined_syms:
        for line in (symbol.nodes[0].help or "").splitlines() if symbol.nodes else []:
            if len(line) > 62:
                complaints.append(f"{symbol.name}: a line of its help is wider than 62: {line}")
    text = open(config_in).read()
    wanted = set(re.findall(r"\b(BR2_[A-Z0-9_]+|PACKAGE_\w+)\b", text))
    for name in sorted(wanted):
        if name not in kconf.syms or not kconf.syms[name].nodes:
            if name != "BR2_EXTERNAL_PAWL_PATH":
                complaints.append(f"{name} is used, and nobody defines it")
    for name, value in settings.items():
        symbol = kconf.syms.get(name)
        if symbol is None or not symbol.nodes:
            complaints.append(f"{name}: there is no such symbol")
            continue
        symbol.set_value(value)
    for name, value in settings.items():
        symbol = kconf.syms.get(name)
        if symbol is not None and symbol.nodes and symbol.str_value != value:
            complaints.append(f"{name}={value} does not take: it is {symbol.str_value}")
    kconf.write_config(output)
    for line in complaints:
        print(line, file=sys.stderr)
    print(" ".join(sorted(own)))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
