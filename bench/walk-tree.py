#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the tree that make bench ONLY=walk walks.

usage: walk-tree.py DIRECTORY

200 directories with 40 files each. As in a file system that has been in use for
a while, the files of a directory do not have their inodes side by side: mke2fs
makes the inodes in the order in which it finds names, so there is a directory
"inodes" that comes first and has all files in random order, with others between
them that nobody asks for. The caller takes it away again.
"""
import os
import random
import sys

TOPS = 10
DIRECTORIES = 19
FILES = 40
# Inodes that are not of the tree, for each one that is: 16 are in a block.
BETWEEN = 4


def directories(top):
    for t in range(TOPS):
        yield os.path.join(top, "t%02d" % t)
        for d in range(DIRECTORIES):
            yield os.path.join(top, "t%02d" % t, "d%02d" % d)


def main():
    top = sys.argv[1]
    inodes = os.path.join(top, "0-inodes")
    os.makedirs(inodes)
    names = []
    for d in directories(top):
        os.makedirs(d)
        names += [os.path.join(d, "file-%02d" % f) for f in range(FILES)]
    random.Random(1).shuffle(names)
    for i, name in enumerate(names):
        path = os.path.join(inodes, "%06d" % i)
        with open(path, "wb") as f:
            f.truncate(i * 997 % 5000)
        os.link(path, name)
        for b in range(BETWEEN):
            open("%s-%d" % (path, b), "wb").close()


main()
