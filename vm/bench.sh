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

# figures FAMILY CMD: figures go to the file, complaints to the terminal.
figures()
{
	"$top/vm/guest.sh" "$2" | tee -a "$out/$1.lines" | sed -u '/^{/d' >&2
}

table()
{
	python3 "$top/bench/table.py" "$out/$1.lines" "$out/$1.json"
}

bench_batch()
{
	: >"$out/batch.lines"
	ICOUNT=1 figures batch bench-batch
	table batch
}

# Real time varies: three times, for the median. A virtual CPU that waits does
# not sleep: how long the host takes to wake it is not what is measured.
bench_ring()
{
	: >"$out/ring.lines"
	ICOUNT=1 figures ring bench-ring
	APPEND="${APPEND:-} idle=poll" figures ring 'bench-ring && bench-ring && bench-ring'
	table ring
}

# On two virtual CPUs whose clock counts instructions, too: in real time others
# on the host are felt more than the flood.
bench_flood()
{
	: >"$out/flood.lines"
	ICOUNT=1 figures flood bench-flood
	ICOUNT=1 QEMU_OPTS="${QEMU_OPTS:-} -smp 2" APPEND="${APPEND:-} idle=poll" \
		figures flood bench-flood
	table flood
}

# The disk, what ran where, and the figures.
bench_compare()
{
	local tree=$top/build/compare-tree image=$top/build/compare.img

	rm -rf "$tree" "$image"
	python3 "$top/bench/compare-tree.py" "$tree"
	mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -N 17408 -d "$tree" "$image" 32M >/dev/null
	rm -rf "$tree"
	ICOUNT=1 DISKS=$image LIMIT=${LIMIT:-1800} "$top/vm/guest.sh" compare |
		tee "$out/compare.log" | sed -u '/^{/d' >&2
	grep '^{' "$out/compare.log" >"$out/compare.lines"
	printf '{"date": "%s", "kernel": "%s", "qemu": "%s"}\n' "$(date -u +%F)" \
		"$(sed -n 's/^kernel: //p' "$out/compare.log")" \
		"$(qemu-system-x86_64 --version | sed -n 's/.*version //p')" >"$out/compare-run.json"
	table compare
}

# A file on a disk. Runs agree, so there is one, unless REPEAT=n asks for medians.
bench_fio()
{
	local tree=$top/build/fio-tree image=$top/build/fio.img i

	rm -rf "$tree" "$image"
	mkdir -p "$tree"
	head -c 32M /dev/urandom >"$tree/data"
	mke2fs -q -F -t ext4 -b 4096 -m 0 -d "$tree" "$image" 48M >/dev/null
	rm -rf "$tree"
	: >"$out/fio.lines"
	for ((i = 0; i < ${REPEAT:-1}; i++)); do
		ICOUNT=1 DISKS=$image LIMIT=${LIMIT:-3600} figures fio "bench-fio \"${CASE:-}\""
	done
	table fio
}

for name in ${ONLY:-micro batch ring flood compare fio}; do
	"bench_$name"
done
