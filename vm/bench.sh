#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: what things cost, in instructions on one virtual CPU whose clock
# counts them; and what two CPUs get done, in real time. ONLY=family runs one of
# micro, batch, ring, flood, scale, walk, compare, fio, idle, profile.
#
#   tables		on the terminal
#   build/bench/FAMILY.json	a list of {family, case, peer, metric, value, unit}
#   build/bench/FAMILY.svg	a plot
#   build/bench/FAMILY-run.json	when, and on what
#
# bench/book.py makes Documentation/userspace-api/syslet-performance.rst of them.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
out=$top/build/bench
packages="gnuplot-nox"

# figures FAMILY CMD: figures go to the file, complaints to the terminal.
figures()
{
	# shellcheck disable=SC2016 # expanded in the guest
	"$top/vm/guest.sh" 'echo "kernel: $(uname -r)"; '"$2" | tee -a "$out/$1.log" |
		sed -u '/^{/d' >&2
}

begin()
{
	: >"$out/$1.log"
}

# The log becomes a table, JSON and a plot.
end()
{
	grep '^{' "$out/$1.log" >"$out/$1.lines" || die "$1: the guest reported nothing"
	run_info "$1"
	python3 "$top/bench/table.py" "$out/$1.lines" "$out/$1.json"
	python3 "$top/bench/plot.py" "$1"
}

run_info()
{
	printf '{"date": "%s", "kernel": "%s", "qemu": "%s", "commit": "%s"}\n' \
		"$(date -u +%F)" "$(sed -n 's/^kernel: //p' "$out/$1.log" | head -n 1)" \
		"$(qemu-system-x86_64 --version | sed -n 's/.*version //p')" \
		"$(git -C "$top" describe --always --dirty)" >"$out/$1-run.json"
}

# image NAME DIRECTORY SIZE [option of mke2fs ...]
image()
{
	local name=$1 dir=$2 size=$3

	shift 3
	rm -f "$out/$name.img"
	mke2fs -q -F -t ext4 -b 4096 -m 0 "$@" -d "$dir" "$out/$name.img" "$size" >"$out/mke2fs.log" 2>&1 ||
		{ cat "$out/mke2fs.log" >&2; die "mke2fs could not pack $dir"; }
	rm -rf "$dir"
}

bench_micro()
{
	local tree=$out/micro-tree i

	rm -rf "$tree"
	mkdir -p "$tree"
	head -c 4096 /dev/zero >"$tree/file"
	for i in {1..30}; do
		: >"$tree/entry-$i"
	done
	image micro "$tree" 8M
	begin micro
	ICOUNT=1 DISKS=$out/micro.img figures micro '
		mkdir -p /mnt/micro
		disk make nullb0 0
		disk mount nullb0 /mnt/micro
		for i in 1 2 3; do bench-micro /mnt/micro || exit; done'
	end micro
}

bench_batch()
{
	begin batch
	ICOUNT=1 figures batch bench-batch
	end batch
}

# Real time varies: three times, for the median. A virtual CPU that waits does
# not sleep: how long the host takes to wake it is not what is measured.
two_cpus()
{
	APPEND="${APPEND:-} idle=poll" figures "$1" "$2 && $2 && $2"
}

bench_ring()
{
	begin ring
	ICOUNT=1 figures ring bench-ring
	two_cpus ring bench-ring
	end ring
}

# On two virtual CPUs whose clock counts instructions, too: in real time others
# on the host are felt more than the flood.
bench_flood()
{
	begin flood
	ICOUNT=1 figures flood bench-flood
	ICOUNT=1 QEMU_OPTS="${QEMU_OPTS:-} -smp 2" APPEND="${APPEND:-} idle=poll" \
		figures flood bench-flood
	end flood
}

bench_scale()
{
	begin scale
	ICOUNT=1 MEMORY=4G figures scale 'for i in 1 2 3; do bench-scale || exit; done'
	two_cpus scale "bench-ring rings"
	end scale
}

bench_walk()
{
	local tree=$out/walk-tree

	rm -rf "$tree"
	python3 "$top/bench/walk-tree.py" "$tree"
	image walk "$tree" 40M -I 256 -N 43008
	debugfs -w -R 'unlink 0-inodes' "$out/walk.img" 2>"$out/debugfs.log" ||
		{ cat "$out/debugfs.log" >&2; die "debugfs failed"; }
	begin walk
	ICOUNT=1 DISKS=$out/walk.img LIMIT=${LIMIT:-1800} figures walk 'walk && walk && walk'
	python3 "$top/bench/walk.py" <"$out/walk.log" >"$out/walk.lines"
	{ grep -v '^{' "$out/walk.log"; cat "$out/walk.lines"; } >"$out/walk.log.new"
	mv "$out/walk.log.new" "$out/walk.log"
	end walk
}

bench_compare()
{
	local tree=$out/compare-tree

	rm -rf "$tree"
	python3 "$top/bench/compare-tree.py" "$tree"
	image compare "$tree" 32M -I 256 -N 17408
	begin compare
	ICOUNT=1 DISKS=$out/compare.img LIMIT=${LIMIT:-1800} figures compare compare
	end compare
}

# A file on a disk. Runs agree, so there is one, unless REPEAT=n asks for medians.
bench_fio()
{
	local tree=$out/fio-tree i

	rm -rf "$tree"
	mkdir -p "$tree"
	head -c 32M /dev/urandom >"$tree/data"
	image fio "$tree" 48M
	begin fio
	for ((i = 0; i < ${REPEAT:-1}; i++)); do
		ICOUNT=1 DISKS=$out/fio.img LIMIT=${LIMIT:-3600} figures fio "bench-fio \"${CASE:-}\""
	done
	end fio
}

# The same sources with and without syslets. Of fork() every run is a bit
# different, as memory comes from elsewhere.
bench_idle()
{
	"$top/vm/kernel.sh" plain
	begin idle
	GUEST=plain ICOUNT=1 figures idle '
		for i in 1 2 3 4 5 6 7 8 9; do bench-idle "SYSLET=n" || exit; done'
	ICOUNT=1 figures idle '
		for i in 1 2 3 4 5 6 7 8 9; do bench-idle "SYSLET=y, unused" || exit; done
		for i in 1 2 3; do bench-idle "SYSLET=y, used" used || exit; done'
	end idle
}

bench_profile()
{
	begin profile
	ICOUNT=1 QEMU_OPTS="${QEMU_OPTS:-} -plugin $out/profile-plugin.so,out=$out/profile.bin" \
		figures profile bench-profile
	python3 "$top/bench/profile.py" "$top/build/kernel-${GUEST:-normal}/vmlinux" \
		"$out/profile.bin" "$out/profile.json"
	run_info profile
	python3 "$top/bench/plot.py" profile
}

need_packages
for name in ${ONLY:-micro batch ring flood scale walk compare fio idle profile}; do
	[ "$(type -t "bench_$name")" = function ] || die "no benchmark is called '$name'; see README"
	say "bench: $name"
	"bench_$name"
done
python3 "$top/bench/book.py" targets
