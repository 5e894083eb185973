#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the files that make bench ONLY=compare reads.

usage: compare-tree.py DIRECTORY

1024 files f??: most of them up to 2 KiB, one in 64 with 100,000 bytes. Between
them, in the order of names, in which mke2fs takes them, lie empty files that
nobody reads: in a file system that has been in use for a while, files that are
read together do not have their inodes side by side.
"""
import os
import sys

DIRECTORIES = 64
FILES = 16
# Inodes of 256 bytes in blocks of 4 KiB: each file that is read has its own block.
BETWEEN = 15


def main():
    top = sys.argv[1]
    for d in range(DIRECTORIES):
        path = os.path.join(top, "d%02d" % d)
        os.makedirs(path)
        for f in range(FILES):
            i = d * FILES + f
            size = 100000 if i % 64 == 63 else 64 + i * 997 % 1985
            with open(os.path.join(path, "f%02d" % f), "wb") as out:
                out.write(bytes([i % 251 + 1]) * size)
            for b in range(BETWEEN):
                open(os.path.join(path, "f%02d-%02d" % (f, b)), "wb").close()


main()
