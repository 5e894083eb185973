#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print the figures of a benchmark as a table and write its JSON.

usage: table.py LINES JSON

LINES has one JSON object a line, as result() of bench.h prints them. Figures
that were measured several times become their median.
"""
import json
import statistics
import sys

KEY = ("family", "case", "peer", "metric", "unit")


def read(name):
    found = {}
    with open(name, encoding="utf-8") as f:
        for line in f:
            if line.startswith("{"):
                row = json.loads(line)
                found.setdefault(tuple(row[k] for k in KEY), []).append(row["value"])
    return [dict(zip(KEY, key), value=statistics.median(values))
            for key, values in found.items()]


def show(value):
    return "%.0f" % value if value >= 1000 else "%.4g" % value


def block(peers, lines):
    first = max(len(label) for label, _, _ in lines) + 1
    widths = {p: max(len(p) + 2, 10) for p in peers}
    print("\n%-*s%s" % (first, "", "".join("%*s" % (widths[p], p) for p in peers)))
    for label, unit, values in lines:
        print("%-*s%s  %s" % (first, label, "".join("%*s" % (widths[p], show(values[p]))
                                                    for p in peers), unit))


def table(rows):
    """A line for each case and metric; lines with the same peers together."""
    lines = {}
    for r in rows:
        key = ("%s: %s" % (r["case"], r["metric"]), r["unit"])
        lines.setdefault(key, {})[r["peer"]] = r["value"]
    blocks = {}
    for (label, unit), values in lines.items():
        blocks.setdefault(tuple(values), []).append((label, unit, values))
    for peers, content in blocks.items():
        block(peers, content)


def main():
    lines, out = sys.argv[1:]
    rows = read(lines)
    if not rows:
        sys.exit("table.py: the guest reported nothing")
    with open(out, "w", encoding="utf-8") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")
    table(rows)


main()
