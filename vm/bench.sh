#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: what things cost, in instructions on one virtual CPU whose clock
# counts them; and what two CPUs get done, in real time. Tables, and JSON in
# build/bench. ONLY=name runs one benchmark.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/build/bench

bench_micro()
{
	ICOUNT=1 "$top/vm/guest.sh" bench-micro | tee "$out/micro.txt"
}

# Figures go to the file, complaints to the terminal.
figures()
{
	"$top/vm/guest.sh" "$1" | tee -a "$out/ring.lines" | sed -u '/^{/d' >&2
}

# Real time varies: three times, for the median. A virtual CPU that waits does
# not sleep: how long the host takes to wake it is not what is measured.
bench_ring()
{
	: >"$out/ring.lines"
	ICOUNT=1 figures bench-ring
	APPEND="${APPEND:-} idle=poll" figures 'bench-ring && bench-ring && bench-ring'
	python3 "$top/bench/table.py" "$out/ring.lines" "$out/ring.json"
}

for name in ${ONLY:-micro ring}; do
	"bench_$name"
done
