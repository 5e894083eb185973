#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write what Documentation/userspace-api/syslet-comparison.rst includes.

usage: compare-page.py code|check|figures

code	the programs in bench/compare, their lines counted: syslet-comparison-code.rst
check	fails if that file is not what "code" would write
figures	of the last make bench ONLY=compare: syslet-comparison-figures.rst
"""
import difflib
import json
import os
import re
import sys

from rst import simple_table

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(TOP, "build", "bench")
PAGE = os.path.join(TOP, "Documentation", "userspace-api", "syslet-comparison-%s.rst")
HEAD = ".. SPDX-License-Identifier: GPL-2.0-only\n.. Written by bench/compare-page.py\n\n"

PROGRAMS = (("plain", "Plain calls"), ("pool", "Thread pool"), ("aio", "POSIX AIO"),
            ("uring", "io_uring"), ("syslet", "libsyslet"))
# The last one is libsyslet where the kernel has no syslets.
PEERS = PROGRAMS + (("threads", "libsyslet, threads"),)
HOT, MS5, US100 = ("%s, 1 CPU" % c for c in ("hot", "cold, 5 ms", "cold, 100 us"))


def source(name):
    with open(os.path.join(TOP, "bench", "compare", name + ".c"), encoding="utf-8") as f:
        return f.read()


# --- code ---------------------------------------------------------------------

def code_lines(text):
    """Lines that are not blank once comments are gone."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    return [line.strip() for line in text.split("\n") if line.strip()]


def not_in(lines, others):
    """How many lines a diff would add to others."""
    blocks = difflib.SequenceMatcher(None, others, lines, False).get_matching_blocks()
    return len(lines) - sum(b.size for b in blocks)


def essence(text):
    """What comes after add(), which is the same in all programs."""
    return text.split("\tsum += s;\n}\n", 1)[1].strip("\n")


def code():
    plain = code_lines(source("plain"))
    counts, blocks = [("", "lines", "not in plain.c")], []
    for name, title in PROGRAMS:
        text = source(name)
        lines = code_lines(text)
        counts.append((title, str(len(lines)), str(not_in(lines, plain))))
        body = "\n".join("\t" + line if line else "" for line in essence(text).split("\n"))
        blocks.append("%s, ``bench/compare/%s.c``:\n\n.. code-block:: c\n\n%s\n" %
                      (title, name, body))
    return HEAD + simple_table(counts) + "\n\n" + "\n".join(blocks)


# --- figures --------------------------------------------------------------------

def load(name):
    with open(os.path.join(BENCH, name), encoding="utf-8") as f:
        return json.load(f)


def figures():
    run = load("compare-run.json")
    found = {(r["case"], r["metric"], r["peer"]): r["value"] for r in load("compare.json")}

    def row(label, case, metric, show):
        return (label,) + tuple(show(found[case, metric, p]) for p, _ in PEERS)

    def thousands(v):
        return "%.0f" % (v / 1000)

    def number(v):
        return "%.0f" % v

    def more(case, metric):
        plain = found[case, metric, "plain"]
        return lambda v: "%+.0f" % (v - plain) if v != plain else "0"

    def faster(case, metric):
        plain = found[case, metric, "plain"]
        return lambda v: "%.1f" % (plain / v)

    switches = "context switches, all files"
    head = ("",) + tuple(title for _, title in PEERS)
    return HEAD + "Run of %s, Linux %s with syslets, QEMU %s.\n\n" % (
        run["date"], run["kernel"], run["qemu"]) + simple_table([
            head,
            row("Hot: instructions for each file", HOT, "each file", number),
            row("... more than plain calls", HOT, "each file", more(HOT, "each file")),
            row("One file, start to end, thousands", HOT, "one file, with start and end",
                thousands),
            row("Cold, 5 ms: all files, ms", MS5, "all files", thousands),
            row("... times as fast as plain calls", MS5, "all files", faster(MS5, "all files")),
            row("Cold, 100 us: all files, ms", US100, "all files", lambda v: "%.1f" % (v / 1000)),
            row("... times as fast as plain calls", US100, "all files", faster(US100, "all files")),
            row("Context switches, hot", HOT, switches, number),
            row("Context switches, 5 ms", MS5, switches, number),
            row("Context switches, 100 us", US100, switches, number),
            row("Tasks at most, 5 ms", MS5, "tasks at most", number),
            row("Tasks at most, 100 us", US100, "tasks at most", number),
            row("Resident memory at most, 5 ms, KiB", MS5, "memory of the program at most",
                number),
        ]) + "\n"


def write(name, text):
    with open(PAGE % name, "w", encoding="utf-8") as f:
        f.write(text)


def check():
    with open(PAGE % "code", encoding="utf-8") as f:
        if f.read() != code():
            sys.exit("%s is old: bench/compare-page.py code" % (PAGE % "code"))


def main():
    if sys.argv[1:] == ["code"]:
        write("code", code())
    elif sys.argv[1:] == ["check"]:
        check()
    elif sys.argv[1:] == ["figures"]:
        write("figures", figures())
    else:
        sys.exit(__doc__)


main()
