#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Where instructions go: a table of functions, from what profile-plugin wrote.

usage: profile.py VMLINUX PROFILE JSON		tables, and their JSON
       profile.py VMLINUX PROFILE --trace PATH	one round, from function to function
       profile.py VMLINUX PROFILE --insns PATH FUNCTION
						how often each of its instructions ran
"""
import bisect
import collections
import json
import struct
import subprocess
import sys

# As in bench/profile.c; what is to be known about the number of operations.
PATHS = {
    1: ("null call, armed", 1),
    2: ("lstat, armed", 1),
    3: ("blocked pipe read: submit to pending", 1),
    4: ("blocked pipe read: pending to reaped", 1),
    5: ("batch of 32 null calls, one", 32),
    6: ("io_uring, IOSQE_ASYNC, blocked pipe read: submit to reaped", 1),
}
MARK, MASK = 0x5359 << 48, 0xffff << 48
# Rounds in which things are done that are done once.
WARM_UP = 4
SHOWN = 40


class Symbols:
    def __init__(self, vmlinux):
        out = subprocess.run(["nm", "-n", vmlinux], check=True, capture_output=True,
                             text=True).stdout
        self.at, self.names = [], []
        for line in out.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTwW" and not words[2].startswith("__pfx_"):
                self.at.append(int(words[0], 16))
                self.names.append(words[2])
        self.cache = {}

    def name(self, address):
        found = self.cache.get(address)
        if not found:
            found = "user space"
            if address >> 63:
                found = self.names[bisect.bisect(self.at, address) - 1]
            self.cache[address] = found
        return found


def rounds(profile):
    """Lists of addresses, by the number of the path."""
    with open(profile, "rb") as f:
        data = f.read()
    found, current = collections.defaultdict(list), []
    for (word,) in struct.iter_unpack("=Q", data):
        if word & MASK == MARK:
            current = []
            if word ^ MARK:
                found[word ^ MARK].append(current)
        else:
            current.append(word)
    return {path: lists[WARM_UP:] for path, lists in found.items()}


def typical(lists):
    """The round with the median length: nothing came between."""
    return sorted(lists, key=len)[len(lists) // 2]


def functions(addresses, symbols):
    return collections.Counter(symbols.name(a) for a in addresses)


def tables(symbols, found, out):
    rows = []
    for path, (title, operations) in PATHS.items():
        addresses = typical(found[path])
        counts = functions(addresses, symbols)
        total = len(addresses)
        print("\n%s: %.0f instructions (rounds: %d, from %.0f to %.0f)" % (
            title, total / operations, len(found[path]),
            min(map(len, found[path])) / operations, max(map(len, found[path])) / operations))
        for name, n in counts.most_common(SHOWN):
            print("%10.1f %5.1f %%  %s" % (n / operations, 100 * n / total, name))
        rest = sum(n for _, n in counts.most_common()[SHOWN:])
        if rest:
            print("%10.1f %5.1f %%  %d others" % (rest / operations, 100 * rest / total,
                                                 len(counts) - SHOWN))
        rows += [{"family": "profile", "case": title, "peer": "syslet", "metric": name,
                  "value": n / operations, "unit": "instructions"}
                 for name, n in counts.most_common()]
    with open(out, "w", encoding="utf-8") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")


def trace(symbols, found, path):
    last, n, total = None, 0, 0
    for address in typical(found[path]) + [None]:
        name = address and symbols.name(address)
        if name != last:
            if last:
                print("%6d %6d  %s" % (total, n, last))
            last, n = name, 0
        n += 1
        total += 1


def insns(symbols, found, path, function, vmlinux):
    counts = collections.Counter(typical(found[path]))
    start = symbols.at[symbols.names.index(function)]
    end = symbols.at[bisect.bisect(symbols.at, start)]
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--start-address=%d" % start,
                          "--stop-address=%d" % end, vmlinux], check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        address = line.split(":")[0].strip()
        try:
            n = counts.get(int(address, 16), 0)
        except ValueError:
            continue
        print("%6s %s" % (n or "", line))


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    symbols, found = Symbols(sys.argv[1]), rounds(sys.argv[2])
    missing = [title for path, (title, _) in PATHS.items() if not found.get(path)]
    if missing:
        sys.exit("profile.py: nothing was written for: %s" % ", ".join(missing))
    if sys.argv[3] == "--trace":
        trace(symbols, found, int(sys.argv[4]))
    elif sys.argv[3] == "--insns":
        insns(symbols, found, int(sys.argv[4]), sys.argv[5], sys.argv[1])
    else:
        tables(symbols, found, sys.argv[3])


main()
