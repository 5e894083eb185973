#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compile a container's seccomp profile to a filter, as bwrap --seccomp takes it.

usage: seccomp.py PROFILE TABLE OUT [NAME...]

PROFILE is the JSON that container engines have, TABLE the kernel's
syscall_64.tbl. NAMEs are allowed in addition, and those with a "-" before them are
forbidden (EPERM). The filter is for x86-64 and for who has no capabilities.
"""
import json
import struct
import sys

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
ARCH, X32 = 0xC000003E, 0x40000000
LD, JEQ, JGE, AND, RET = 0x20, 0x15, 0x35, 0x54, 0x06
ARCHES = {"amd64", "x86_64"}


def read_table(name):
    numbers = {}
    with open(name, encoding="utf-8") as f:
        for line in f:
            word = line.split("#")[0].split()
            if len(word) > 2 and word[1] in ("common", "64"):
                numbers[word[2]] = int(word[0])
    return numbers


def insn(code, k, jt=0, jf=0):
    return (code, jt, jf, k & 0xFFFFFFFF)


def applies(rule):
    """Without capabilities, on this architecture."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if includes.get("caps") or ARCHES & set(excludes.get("arches", [])):
        return False
    arches = includes.get("arches")
    return not arches or bool(ARCHES & set(arches))


def action(rule, default_errno):
    if rule["action"] == "SCMP_ACT_ALLOW":
        return ALLOW
    if rule["action"] != "SCMP_ACT_ERRNO":
        sys.exit("seccomp.py: unknown action " + rule["action"])
    errno = rule.get("errnoRet")
    return ERRNO | (default_errno if errno is None else errno)


def condition(arg):
    """Instructions that go on if it is met, and otherwise jump; where to is left open."""
    at = 16 + 8 * arg["index"]
    op, value, mask = arg["op"], arg["value"], 2 ** 64 - 1
    if op == "SCMP_CMP_MASKED_EQ":
        mask, value = value, arg["valueTwo"]
    halves = [(at, value & 0xFFFFFFFF, mask & 0xFFFFFFFF), (at + 4, value >> 32, mask >> 32)]
    code = []
    if op == "SCMP_CMP_NE":
        (low, low_value, _), (high, high_value, _) = halves
        # different in one half is different
        return [insn(LD, low), insn(JEQ, low_value, 0, 2), insn(LD, high),
                ("out-if-equal", high_value)]
    if op not in ("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"):
        sys.exit("seccomp.py: unknown comparison " + op)
    for offset, want, bits in halves:
        code += [insn(LD, offset), insn(AND, bits), ("out-if-different", want)]
    return code


def block(number, rule_action, args):
    """One rule for one system call, by number in the accumulator."""
    body = [i for arg in args for i in condition(arg)] + [insn(RET, rule_action)]
    done = []
    for place, i in enumerate(body):
        out = len(body) - place - 1
        if i[0] == "out-if-equal":
            i = insn(JEQ, i[1], out, 0)
        elif i[0] == "out-if-different":
            i = insn(JEQ, i[1], 0, out)
        done.append(i)
    again = [insn(LD, 0)] if args else []
    return [insn(JEQ, number, 0, len(done))] + done + again


def compile_profile(profile, numbers, more):
    default_errno = profile.get("defaultErrnoRet", 1)
    if profile["defaultAction"] != "SCMP_ACT_ERRNO":
        sys.exit("seccomp.py: unknown default " + profile["defaultAction"])
    rules = [r for r in profile["syscalls"] if applies(r)]
    rules.insert(0, {"names": [n[1:] for n in more if n[0] == "-"],
                     "action": "SCMP_ACT_ERRNO", "errnoRet": 1})
    rules.append({"names": more, "action": "SCMP_ACT_ALLOW"})
    code = [insn(LD, 4), insn(JEQ, ARCH, 1, 0), insn(RET, KILL), insn(LD, 0),
            insn(JGE, X32, 0, 1), insn(RET, ERRNO | 38)]
    # those with conditions first: the others answer for all that is left
    for rule in sorted(rules, key=lambda r: not r.get("args")):
        for name in rule["names"]:
            if name in numbers:
                code += block(numbers[name], action(rule, default_errno), rule.get("args") or [])
    return code + [insn(RET, ERRNO | default_errno)]


def main():
    profile, table, out, *more = sys.argv[1:]
    numbers = read_table(table)
    for name in more:
        if name.lstrip("-") not in numbers:
            sys.exit("seccomp.py: %s has no %s" % (table, name.lstrip("-")))
    with open(profile, encoding="utf-8") as f:
        code = compile_profile(json.load(f), numbers, more)
    if len(code) > 4096:
        sys.exit("seccomp.py: the filter is too long: %d instructions" % len(code))
    with open(out, "wb") as f:
        for i in code:
            f.write(struct.pack("<HBBI", *i))


main()
