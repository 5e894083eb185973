#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print the table of make run and write its JSON.

usage: run.py TREE LINES JSON

LINES has one JSON object a line, as lsr prints them. Fails if backends differ
in what they found.
"""
import json
import sys


def label(row):
    if row["cache"] == "hot":
        return "hot"
    ns = row["latency_ns"]
    return "cold, %g ms" % (ns / 1e6) if ns >= 1000000 else "cold, %g us" % (ns / 1e3)


def main():
    tree, lines, out = sys.argv[1:]
    rows = []
    with open(lines, encoding="utf-8") as f:
        for line in f:
            if line.startswith("{"):
                rows.append(json.loads(line))
    if not rows:
        sys.exit("run.py: the guest reported nothing")
    with open(out, "w", encoding="utf-8") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")

    found = {(r["entries"], r["bytes"]) for r in rows}
    if len(found) != 1:
        sys.exit("run.py: the backends do not agree: %s" % sorted(found))
    entries, size = found.pop()
    print("\nWalk of %s: %d entries, %d bytes, from every backend" % (tree, entries, size))
    print("%-14s %-10s %12s %9s %9s" % ("", "backend", "time", "blocked", "speedup"))
    plain = {}
    for r in rows:
        key = label(r)
        plain.setdefault(key, r["ns"] if r["backend"] == "plain" else None)
        print("%-14s %-10s %9.3f ms %9d %8.2fx" % (
            key if r["backend"] == "plain" else "", r["backend"], r["ns"] / 1e6,
            r["blocked"], plain[key] / r["ns"]))
    print("(blocked: calls that went on without the program; pool: directories given to"
          " threads; io_uring: requests)")


main()
