#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write Documentation/userspace-api/syslet-performance.rst, the benchmark book.

usage: book.py write		of the last runs of make bench, from bench/book.rst
       book.py targets	print which targets were met in them

bench/book.rst is text with {{expressions}}: figures, and facts that follow from
figures, are computed by what is below, and never typed. A paragraph that begins
with {{if CONDITION}} is there if that is true.
"""
import json
import os
import re
import sys
import textwrap

from rst import simple_table

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(TOP, "build", "bench")
TEMPLATE = os.path.join(TOP, "bench", "book.rst")
PAGE = os.path.join(TOP, "Documentation", "userspace-api", "syslet-performance.rst")


class Missing(Exception):
    """There was no such run, or it has no such figure."""


# --- figures ------------------------------------------------------------------------

LOADED = {}


def rows(family):
    if family not in LOADED:
        name = os.path.join(BENCH, family + ".json")
        if not os.path.exists(name):
            raise Missing("no figures of %s: make bench ONLY=%s" % (family, family))
        with open(name, encoding="utf-8") as f:
            LOADED[family] = json.load(f)
    return LOADED[family]


def has(family):
    return os.path.exists(os.path.join(BENCH, family + ".json"))


def value(family, case, peer, metric):
    """The case may be told without the number of CPUs."""
    for r in rows(family):
        if r["peer"] == peer and r["metric"] == metric and \
                r["case"] in (case, case + ", 1 CPU", case + ", 2 CPUs"):
            return r["value"]
    raise Missing("%s has no figure for %s, %s: %s" % (family, case, peer, metric))


def peers(family, case, metric):
    return {r["peer"]: r["value"] for r in rows(family)
            if r["metric"] == metric and r["case"].split(", 1 CPU")[0] == case}


def number(v):
    if v >= 100:
        return "{:,.0f}".format(v)
    return "%.3g" % v


def percent(v):
    return "%+.2f %%" % (100 * v)


def ratio(a, b):
    return "%.2f" % (a / b)


def run(family):
    name = os.path.join(BENCH, family + "-run.json")
    if not os.path.exists(name):
        return ""
    with open(name, encoding="utf-8") as f:
        r = json.load(f)
    return "Run of %s: Linux %s with syslets (%s), QEMU %s." % (
        r["date"], r["kernel"], r.get("commit", "?"), r["qemu"])


# --- tables -------------------------------------------------------------------------

def short(case):
    return re.sub(r", 1 CPU$|, 2 CPUs$", "", case)


def pivot(found, down, across):
    heads = list(dict.fromkeys(across(r) for r in found))
    values = {}
    for r in found:
        values.setdefault(down(r), {})[across(r)] = number(r["value"])
    return [[""] + heads] + [[name] + [cells.get(h, "-") for h in heads]
                             for name, cells in values.items()]


def table(family, metric, where="", turned=False):
    """One metric: a line for each case and a column for each peer, or turned."""
    found = [r for r in rows(family) if r["metric"] == metric and where in r["case"]]
    if not found:
        raise Missing("%s has no '%s'" % (family, metric))

    def case(r):
        return short(r["case"])

    def peer(r):
        return r["peer"]

    return simple_table(pivot(found, peer if turned else case, case if turned else peer))


def metrics(family, where):
    """All metrics of one case, a column for each peer."""
    found = [r for r in rows(family) if short(r["case"]) == where]
    if not found:
        raise Missing("%s has no '%s'" % (family, where))
    return simple_table(pivot(found, lambda r: r["metric"], lambda r: r["peer"]))


def more_than(family, metric, base):
    """What each peer takes more than one of them."""
    found = [dict(r) for r in rows(family) if r["metric"] == metric]
    lines = pivot(found, lambda r: short(r["case"]), lambda r: r["peer"])
    for line in lines[1:]:
        base_value = value(family, line[0], base, metric)
        for i, head in enumerate(lines[0][1:], 1):
            if head != base:
                line[i] += " (%s)" % percent(value(family, line[0], head, metric) / base_value - 1)
    return simple_table(lines)


def dearest(case, n):
    """The functions that a path spends most in."""
    found = [r for r in rows("profile") if r["case"] == case]
    if not found:
        raise Missing("profile has no '%s'" % case)
    found.sort(key=lambda r: -r["value"])
    lines = [["function", "instructions"]]
    lines += [["``%s()``" % r["metric"] if r["metric"] != "user space" else r["metric"],
               number(r["value"])] for r in found[:n]]
    lines.append(["%d others" % len(found[n:]), number(sum(r["value"] for r in found[n:]))])
    lines.append(["all", number(path(case))])
    return simple_table(lines)


def path(case):
    return sum(r["value"] for r in rows("profile") if r["case"] == case)


# --- targets --------------------------------------------------------------------------

def best_peer(case):
    found = peers("walk", case, "whole tree")
    mine = found.pop("syslet")
    peer = min(found, key=found.get)
    return found[peer] / mine, peer


def walk_target(case, least):
    def measure():
        times, peer = best_peer(case)
        return times >= least and times > 1, "%.2f times as fast as %s" % (times, peer)
    return ("walk, %s" % case,
            "at least %.1f times the best peer" % least if least > 1 else "ahead of every peer",
            measure)


def blocked(case):
    def measure():
        mine = value("micro", case, "syslet", "submit to reaped")
        other = min(value("micro", case, p, "submit to reaped")
                    for p in ("io_uring, ASYNC", "the same, DEFER_TASKRUN"))
        return mine <= 0.7 * other, ratio(mine, other)
    return ("%s, submit to reaped" % case, "0.70 of io_uring's IOSQE_ASYNC", measure)


def flat():
    low = value("scale", "100 outstanding", "syslet", "one more")
    high = value("scale", "10000 outstanding", "syslet", "one more")
    return high <= 1.05 * low, "%s of that with 100" % ratio(high, low)


def idle(case):
    def measure():
        without = value("idle", case, "SYSLET=n", "one")
        more = value("idle", case, "SYSLET=y, unused", "one") / without - 1
        return more < 0.003, percent(more)
    return ("idle: %s" % case, "below +0.3 %", measure)


# --- fio: its cases are "WORK, depth N", and its peers come with batches of 8 as well

def fio_works():
    return list(dict.fromkeys(r["case"].split(", depth")[0] for r in rows("fio")))


def fio_best(want, case, engines, metric):
    found = [r["value"] for r in rows("fio") if short(r["case"]) == case and
             r["metric"] == metric and r["peer"].split(", ")[0] in engines]
    if not found:
        raise Missing("fio has no '%s' of %s" % (metric, case))
    return want(found)


def fio_iops(case):
    def measure():
        mine = fio_best(max, case, ("syslet",), "IOPS")
        other = fio_best(max, case, ("libaio", "io_uring"), "IOPS")
        return mine >= 0.98 * other, ratio(mine, other)
    return ("fio, %s: IOPS" % case, "within 2 % of libaio and io_uring", measure)


def fio_cost(case, wanted, most):
    def measure():
        mine = fio_best(min, case, ("syslet",), "one I/O")
        other = fio_best(min, case, ("io_uring",), "one I/O")
        return mine <= most * other, "%s of io_uring's" % ratio(mine, other)
    return ("fio, %s: instructions of one I/O" % case, wanted, measure)


def fio_tables():
    out = []
    for metric, unit in (("IOPS", "I/O operations in a second"), ("one I/O", "Instructions of one"),
                         ("99 % latency", "Microseconds that 99 of 100 are done within")):
        for work in fio_works():
            found = [r for r in rows("fio") if r["metric"] == metric and
                     r["case"].startswith(work + ", depth")]
            if found:
                out.append("%s; %s:\n\n%s" % (unit, work, simple_table(pivot(
                    found, lambda r: r["peer"],
                    lambda r: short(r["case"]).split(", ")[1]))))
    return "\n\n".join(out)


def target_list():
    out = [walk_target("hot", 1), walk_target("cold, 5 ms", 1.3), walk_target("cold, 100 us", 1),
           blocked("pipe read that has blocked"), blocked("pipe read, written to at once"),
           ("one more blocked call, 10,000 outstanding", "flat: within 5 %", flat)]
    out += [idle(c) for c in ("null call", "pipe ping-pong, two switches", "fork, exit, wait")]
    if has("fio"):
        out += [fio_iops("read cold, depth 32"), fio_iops("read cold 5 ms, depth 32"),
                fio_cost("read cold, depth 32", "not above io_uring's", 1),
                fio_cost("read hot, depth 32", "at most 1/1.5 of io_uring's", 1 / 1.5)]
    return out


def targets():
    lines = [["target", "wanted", "measured", ""]]
    for name, wanted, measure in target_list():
        try:
            met, measured = measure()
            lines.append([name, wanted, measured, "met" if met else "missed"])
        except Missing as missing:
            lines.append([name, wanted, "not measured", "-"])
            if len(sys.argv) > 2 and sys.argv[2] == "-v":
                print(missing, file=sys.stderr)
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    rule = "  ".join("=" * max(w, 1) for w in widths)
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([rule, text[0], rule] + text[1:] + [rule])


def is_met(name):
    """For text that is there if a target was, or was not, met."""
    for target, _, measure in target_list():
        if target == name:
            return measure()[0]
    raise Missing("no target is called '%s'" % name)


# --- the page -----------------------------------------------------------------------------

def evaluate(expression):
    # In brackets: it may go on in the next line.
    return eval("(%s)" % expression, globals())  # pylint: disable=eval-used


def fill(text):
    filled = re.sub(r"{{(.*?)}}", lambda m: str(evaluate(m.group(1))), text, flags=re.S)
    # Tables, headings and what is literal stay as they are.
    if re.search(r"^(===|---|\.\. |\t)", filled, flags=re.M):
        return filled
    return textwrap.fill(filled, 80, break_long_words=False, break_on_hyphens=False)


def page():
    with open(TEMPLATE, encoding="utf-8") as f:
        template = f.read()
    out = []
    for paragraph in template.split("\n\n"):
        match = re.match(r"{{if (.*?)}}\n", paragraph, flags=re.S)
        if match:
            if not evaluate(match.group(1)):
                continue
            paragraph = paragraph[match.end():]
        out.append(fill(paragraph))
    return "\n\n".join(out)


def main():
    if sys.argv[1:] == ["write"]:
        try:
            text = page()
        except Missing as missing:
            sys.exit("book.py: %s" % missing)
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(text)
    elif sys.argv[1:2] == ["targets"]:
        print("\n" + targets())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
