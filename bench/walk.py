#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn what lsr prints in the guest into lines for bench/table.py.

usage: walk.py <LINES

Fails if the backends differ in what they found.
"""
import json
import sys

PEERS = {"plain": "plain", "pool": "pool of 32", "io_uring": "io_uring, 64", "syslet": "syslet"}


def case(row):
    if row["cache"] == "hot":
        return "hot"
    ns = row["latency_ns"]
    return "cold, %g ms" % (ns / 1e6) if ns >= 1000000 else "cold, %g us" % (ns / 1e3)


def main():
    rows = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    found = {(r["entries"], r["bytes"]) for r in rows}
    if len(found) != 1:
        sys.exit("walk.py: the backends do not agree: %s" % sorted(found))
    for r in rows:
        for metric, value, unit in (("whole tree", r["ns"] / 1e6, "ms"),
                                    ("one entry", r["ns"] / r["entries"], "ns"),
                                    ("CPU busy", r["busy_ns"] / 1e6, "ms"),
                                    ("went on without the program", r["blocked"], "calls")):
            print(json.dumps({"family": "walk", "case": case(r) + ", 1 CPU",
                              "peer": PEERS[r["backend"]], "metric": metric, "value": value,
                              "unit": unit}))


main()
