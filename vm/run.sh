#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make run: pack TREE into a disk, walk it in the guest with every backend,
# print a table and write build/run.json.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
tree=${TREE:-/usr/share/doc}
image=$top/build/tree.img

[ -d "$tree" ] || die "TREE=$tree is not a directory"
kb=$(du -sk --apparent-size "$tree" | cut -f1)
files=$(find "$tree" | wc -l)
say "packing $tree ($files entries) into a disk"
rm -f "$image"
mke2fs -q -F -t ext4 -b 4096 -m 0 -N $((files + files / 8 + 64)) -d "$tree" "$image" \
	"$((kb + kb / 4 + files * 5 + 16384))k" >"$top/build/mke2fs.log" 2>&1 ||
	{ cat "$top/build/mke2fs.log" >&2; die "mke2fs could not pack $tree"; }

say "walking it in the guest (its clock counts instructions: the figures repeat)"
export ICOUNT=1 DISKS=$image LIMIT=${LIMIT:-1800}
export MEMORY=${MEMORY:-$((1024 + kb / 400))M}
"$top/vm/guest.sh" walk | tee "$top/build/run.lines" |
	sed -u -n 's/^{"backend": "\([^"]*\)", "cache": "\([^"]*\)".*/     \1, \2/p' >&2
python3 "$top/vm/run.py" "$tree" "$top/build/run.lines" "$top/build/run.json"
