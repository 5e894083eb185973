#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draw build/bench/FAMILY.svg from build/bench/FAMILY.json, with gnuplot.

usage: plot.py FAMILY ...
"""
import json
import os
import shutil
import subprocess
import sys

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "build", "bench")


def load(family):
    with open(os.path.join(BENCH, family + ".json"), encoding="utf-8") as f:
        return json.load(f)


def ordered(items):
    return list(dict.fromkeys(items))


def label(text):
    """Case without the CPUs, for gnuplot: no quotes."""
    return text.split(", 1 CPU")[0].split(", 2 CPU")[0].replace('"', "")


def number(value):
    return "%.6g" % value if value is not None else "NaN"


# --- what is drawn: groups of bars, or lines -------------------------------------

def grid(rows, metric, cases=None):
    """Cases, peers, and values[case][peer] of one metric."""
    rows = [r for r in rows if r["metric"] == metric and (not cases or cases(r["case"]))]
    values = {}
    for r in rows:
        values.setdefault(r["case"], {})[r["peer"]] = r["value"]
    return ordered(r["case"] for r in rows), ordered(r["peer"] for r in rows), values


def bars(rows, title, metric, axis, cases=None, base=None, log=False, percent=False):
    """A group for each case, a bar for each peer; with @base, relative to that peer."""
    names, peers, values = grid(rows, metric, cases)
    data = []
    for name in names:
        unit = values[name].get(base) if base else 1
        found = [values[name].get(p) for p in peers]
        if unit:
            found = [None if v is None else (100 * (v / unit - 1) if percent else v / unit)
                     for v in found]
        data.append('"%s" %s' % (label(name), " ".join(map(number, found))))
    plots = ", ".join("$data using %d:xtic(1) title \"%s\"" % (i + 2, label(p))
                      for i, p in enumerate(peers))
    return """set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 noborder
set xtics rotate by -20
%s
set ylabel "%s"
set title "%s"
$data << EOD
%s
EOD
plot %s
""" % ("set logscale y" if log else "", axis, title, "\n".join(data), plots)


def lines(rows, title, metric, axis, across, x, logy=True):
    """A line for each peer; x() finds the number in a case."""
    rows = [r for r in rows if r["metric"] == metric and x(r["case"]) is not None]
    peers = ordered(r["peer"] for r in rows)
    data, plots = [], []
    for i, p in enumerate(peers):
        data.append("$d%d << EOD\n%s\nEOD" % (i, "\n".join(
            "%s %s" % (x(r["case"]), number(r["value"])) for r in rows if r["peer"] == p)))
        plots.append("$d%d with linespoints linewidth 2 title \"%s\"" % (i, label(p)))
    return """set logscale x
%s
set xlabel "%s"
set ylabel "%s"
set title "%s"
%s
plot %s
""" % ("set logscale y" if logy else "set yrange [0:*]", across, axis, title,
       "\n".join(data), ", ".join(plots))


def first_number(marker):
    """Of cases that have @marker: the number that they begin with."""
    return lambda case: int(case.split()[0]) if marker in case else None


def profile(rows):
    """The dearest functions of the two halves of a blocked call."""
    found = [r for r in rows if r["case"].startswith("blocked pipe read")]
    top = sorted(ordered(r["metric"] for r in found),
                 key=lambda m: -sum(r["value"] for r in found if r["metric"] == m))[:20]
    turned = [{"case": r["metric"], "peer": r["case"].split(": ")[1], "metric": "n",
               "value": r["value"]} for m in top for r in found if r["metric"] == m]
    return bars(turned, "A pipe read that blocks: the dearest functions", "n", "instructions")


def flood(rows):
    """What others feel: how long they take, for each number of CPUs."""
    turned = [{"case": "on %s%s" % (r["case"].split(", ")[1], r["metric"][len("fork, exit, wait"):]),
               "peer": r["peer"], "metric": "n", "value": r["value"]}
              for r in rows if r["metric"].startswith("fork, exit, wait")]
    return bars(turned, "fork, exit, wait of a program while four flood", "n", "us", log=True)


def fio(rows):
    return bars(rows, "fio: I/O operations in a second, queue depth 32", "IOPS", "IOPS",
                lambda case: "depth 32" in case, log=True)


FAMILIES = {
    "micro": lambda rows: bars(rows, "One call", "one call", "times a plain call",
                               base="plain", log=True),
    "batch": lambda rows: bars(rows, "One of 32 calls", "one call", "times a plain call",
                               base="plain"),
    "ring": lambda rows: lines(rows, "Completions, two CPUs", "completions", "each second",
                               "in flight", first_number(", 2 CPUs"), logy=False),
    "scale": lambda rows: lines(rows, "One more blocked call", "one more", "instructions",
                                "outstanding", first_number("outstanding")),
    "flood": flood,
    "walk": lambda rows: bars(rows, "Walk of a tree", "whole tree", "times plain calls",
                              base="plain", log=True),
    "compare": lambda rows: bars(rows, "One job, written in five ways", "all files",
                                 "times plain calls", base="plain", log=True),
    "idle": lambda rows: bars(rows, "Without a syslet", "one", "% more than SYSLET=n",
                              base="SYSLET=n", percent=True),
    "profile": profile,
    "fio": fio,
}


def draw(family):
    out = os.path.join(BENCH, family + ".svg")
    script = """set terminal svg size 1000,500 noenhanced font "sans,12" background "white"
set output "%s"
set key outside right
set grid ytics
set linetype 9 linecolor rgb "#8b4513"
set linetype 10 linecolor rgb "#808080"
set linetype 11 linecolor rgb "#ff8fb0"
set linetype 12 linecolor rgb "#556b2f"
%s""" % (out, FAMILIES[family](load(family)))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    if not shutil.which("gnuplot"):
        sys.exit("plot.py: gnuplot is missing: apt-get install gnuplot-nox")
    for family in sys.argv[1:]:
        if family not in FAMILIES:
            sys.exit("plot.py: no plot for the family '%s'" % family)
        draw(family)


main()
