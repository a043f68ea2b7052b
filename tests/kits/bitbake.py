#!/usr/bin/env python3
"""bitbake.py FILE [VAR=VALUE...] -- COMMAND: a stand-in for what BitBake does with a recipe or a layer.conf.

	get VAR...          values, expanded, one a line
	flags VAR           the flags of VAR with their values
	inherited           the classes
	function NAME       the shell function, expanded, as a script
	packages DIR        which package each file of DIR goes to, "PACKAGE PATH" a line, "-" for none

It knows the syntax that our files use and no more, so everything else is an error. The values that bitbake.conf, base.bbclass
and the inherited classes would set come from defaults() and are those of openembedded-core as far as they matter here.
"""
import fnmatch
import os
import re
import sys

ASSIGN = re.compile(r'(?:export\s+)?([A-Za-z0-9_.:${}/-]+?)(\[[\w-]+\])?\s*(\?\?=|\?=|:=|\+=|=\+|\.=|=\.|=)\s*"(.*)"$', re.S)
FUNCTION = re.compile(r"([\w-]+)\s*\(\)\s*\{$")


def defaults():
    return {
        "prefix": "/usr", "base_prefix": "", "exec_prefix": "/usr", "sysconfdir": "/etc", "localstatedir": "/var",
        "base_sbindir": "/sbin", "base_bindir": "/bin", "base_libdir": "/lib", "sbindir": "${exec_prefix}/sbin",
        "bindir": "${exec_prefix}/bin", "libdir": "${exec_prefix}/lib", "libexecdir": "${exec_prefix}/libexec",
        "includedir": "${exec_prefix}/include", "datadir": "${prefix}/share", "mandir": "${datadir}/man",
        "docdir": "${datadir}/doc", "infodir": "${datadir}/info", "nonarch_libdir": "${exec_prefix}/lib",
        "nonarch_base_libdir": "${base_prefix}/lib", "systemd_system_unitdir": "${nonarch_libdir}/systemd/system",
        "SOLIBS": ".so.*", "SOLIBSDEV": ".so",
        "BPN": "${PN}", "BP": "${BPN}-${PV}", "WORKDIR": "/work", "UNPACKDIR": "${WORKDIR}/sources",
        "S": "${UNPACKDIR}/${BP}", "B": "${S}", "D": "${WORKDIR}/image", "DISTRO_FEATURES": "systemd ptest", "DEPENDS": "",
        "CC": "gcc", "AR": "ar", "OBJCOPY": "objcopy", "NM": "nm", "READELF": "readelf", "STRIP": "strip", "CFLAGS": "-Os -g0",
        "LDFLAGS": "", "PTEST_PATH": "${libdir}/${BPN}/ptest", "CORE_IMAGE_EXTRA_INSTALL": "",
        "PTEST_ENABLED": "${@bb.utils.contains('DISTRO_FEATURES', 'ptest', '1', '0', d)}",
        "PACKAGES": "${PN}-src ${PN}-dbg ${PN}-staticdev ${PN}-dev ${PN}-doc ${PN}-locale ${PN}",
        "FILES:${PN}-dev": "${includedir} ${libdir}/lib*.so ${libdir}/*.la ${libdir}/*.o ${libdir}/pkgconfig ${datadir}/pkgconfig",
        "FILES:${PN}-staticdev": "${libdir}/*.a ${base_libdir}/*.a ${libdir}/${BPN}/*.a",
        "FILES:${PN}-doc": "${docdir} ${mandir} ${infodir}",
        "FILES:${PN}": "${bindir}/* ${sbindir}/* ${libexecdir}/* ${libdir}/lib*${SOLIBS} ${sysconfdir} ${localstatedir}"
                       " ${base_bindir}/* ${base_sbindir}/* ${datadir}/${BPN} ${libdir}/${BPN}/*",
        "FILES:${PN}-ptest": "${PTEST_PATH}", "FILES:${PN}-bash-completion": "${datadir}/bash-completion",
    }


class Data:
    def __init__(self, values):
        self.weak, self.flags, self.edits, self.functions, self.inherited = {}, {}, {}, {}, []
        self.pn = values["PN"]
        self.values = {self.name(name): value for name, value in values.items()}

    # No other variable stands in the names of ours.
    def name(self, text):
        return text.replace("${PN}", self.pn)

    def getVar(self, name, expand=True):
        value = self.raw(name)
        return self.expand(value) if value is not None and expand else value

    def raw(self, name):
        value = self.values.get(name, self.weak.get(name))
        for how, text in self.edits.get(name, []):
            value = (value or "") + text if how == "append" else text + (value or "")
        return value

    def expand(self, text, depth=0):
        if depth > 30:
            raise SystemExit(f"error: '{text}' expands for ever")

        def replace(match):
            inner = match.group(1)
            if inner.startswith("@"):
                return str(eval(inner[1:], {"d": self, "bb": Bb, "os": os}))
            value = self.raw(inner)
            return match.group(0) if value is None else self.expand(value, depth + 1)
        # Inner ones first: none of ours has braces within Python.
        before = None
        while text != before:
            before, text = text, re.sub(r"\$\{([^{}]*)\}", replace, text)
        return text

    def assign(self, name, flag, op, value):
        name = self.name(name)
        if flag:
            self.flags.setdefault(name, {})[flag[1:-1]] = value
            return
        for how in ("append", "prepend"):
            if name.endswith(":" + how):
                self.edits.setdefault(name[:-len(how) - 1], []).append((how, value))
                return
        before = self.values.get(name)
        if op == "=":
            self.values[name] = value
        elif op == ":=":
            self.values[name] = self.expand(value)
        elif op == "?=":
            self.values.setdefault(name, value)
        elif op == "??=":
            self.weak[name] = value
        else:
            before = before if before is not None else self.weak.get(name, "")
            self.values[name] = {"+=": f"{before} {value}", "=+": f"{value} {before}", ".=": before + value, "=.": value + before}[op]


class Bb:
    class utils:
        @staticmethod
        def contains(variable, wanted, yes, no, d):
            return yes if set(wanted.split()) <= set((d.getVar(variable) or "").split()) else no


def parse(data, path):
    lines = open(path).read().split("\n")
    at = 0
    while at < len(lines):
        first, line = at + 1, lines[at]
        at += 1
        if not line.strip() or line.startswith("#"):
            continue
        while line.endswith("\\"):
            line = line[:-1] + lines[at]
            at += 1
        if match := FUNCTION.match(line):
            body = []
            while lines[at] != "}":
                body.append(lines[at])
                at += 1
            at += 1
            data.functions[match.group(1)] = "\n".join(body)
        elif match := ASSIGN.match(line):
            if '"' in re.sub(r'\$\{@.*?\}', "", match.group(4)):
                raise SystemExit(f"error: {path}:{first}: a quote within a value")
            data.assign(*match.groups())
        elif line.startswith(("require ", "include ")):
            parse(data, os.path.join(os.path.dirname(path), data.expand(line.split(None, 1)[1])))
        elif line.startswith("inherit "):
            data.inherited += data.expand(line[8:]).split()
        else:
            raise SystemExit(f"error: {path}:{first}: not understood: {line}")


def base_class(data):
    """What base.bbclass makes of PACKAGECONFIG, and package classes of PACKAGES."""
    chosen, arguments = (data.getVar("PACKAGECONFIG") or "").split(), []
    known = data.flags.get("PACKAGECONFIG", {})
    for name in chosen:
        if name not in known:
            raise SystemExit(f"error: PACKAGECONFIG has '{name}', and there is no PACKAGECONFIG[{name}]")
    for name, value in known.items():
        on, off, depends = (value.split(",") + ["", "", ""])[:3]
        arguments.append(on if name in chosen else off)
        if name in chosen and depends:
            data.values["DEPENDS"] += " " + depends
    data.values["PACKAGECONFIG_CONFARGS"] = " ".join(a for a in arguments if a)
    for name in ("ptest", "bash-completion"):
        if name in data.inherited:
            data.values["PACKAGES"] = "${PN}-" + name + " " + data.values["PACKAGES"]


def package_of(data, path):
    for package in data.getVar("PACKAGES").split():
        for pattern in (data.getVar("FILES:" + package) or "").split():
            pattern = pattern.rstrip("/")
            above = path
            while above not in ("", "/"):
                if fnmatch.fnmatchcase(above, pattern) and above.count("/") == pattern.count("/"):
                    return package
                above = os.path.dirname(above)
    return "-"


def main():
    words = sys.argv[1:]
    split = words.index("--")
    path, settings, (command, *rest) = words[0], words[1:split], words[split + 1:]
    values = defaults()
    name = os.path.basename(path)
    values["PN"], values["PV"] = (name.rsplit(".", 1)[0].split("_") + ["1.0"])[:2]
    values["LAYERDIR"] = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    given = dict(s.split("=", 1) for s in settings)
    values.update(given)
    data = Data(values)
    parse(data, path)
    data.values.update(given)
    base_class(data)
    if command == "get":
        for variable in rest:
            print(data.getVar(variable))
    elif command == "flags":
        for flag, value in data.flags.get(rest[0], {}).items():
            print(flag, value)
    elif command == "inherited":
        print(" ".join(data.inherited))
    elif command == "function":
        print("set -e")
        # In BitBake make gets them through the environment of the task.
        print("oe_runmake() { eval make " + "'" + data.getVar("EXTRA_OEMAKE").replace("'", "'\\''") + "'" + ' "$@"; }')
        print(data.expand(data.functions[rest[0]]))
    elif command == "packages":
        for folder, folders, files in os.walk(rest[0]):
            for file in files + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
                full = "/" + os.path.relpath(os.path.join(folder, file), rest[0])
                print(package_of(data, full), full)
    else:
        raise SystemExit(f"error: no command '{command}'")


if __name__ == "__main__":
    main()
