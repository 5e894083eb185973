#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: fio's engines and ours at the same work, 4 KiB at random places, a
# line of JSON for each figure (bench/table.py). The disk, /dev/vda has what is on
# it, answers each request after 100 us, or 5 ms.
#
# IOPS and latencies are fio's. Instructions of one I/O are those that the CPU was
# not idle for, as its clock counts them (ICOUNT=1): of a run with many, less those of
# a run with few, so what it takes to start fio is in neither.
#
# bench-fio [CASE]	those whose name has CASE in it
# shellcheck disable=SC2086 # lists of options
set -eu
only=${1:-}
many=${MANY:-8192}
few=${FEW:-1024}
engine=external:/usr/local/lib/fio-syslet.so
out=/tmp/bench-fio
file=/mnt/data
# the file is in the cache
hot=

# get KEY: of the last run
get()
{
	sed -n "s/^jobs\.0\.$1 //p" $out.values
}

# run N OPTIONS: N units of I/O; $used: what it took
run()
{
	n=$1
	shift
	[ -z "$hot" ] || cat $file >/dev/null
	sync
	start=$(busy)
	fio --name=bench --output-format=json --eta=never --disk_util=0 --filename=$file \
		--bs=4k --size=32m --percentile_list=50:99 --lat_percentiles=1 --group_reporting \
		--thread "--number_ios=$n" "$@" >$out.json 2>&1 || { cat $out.json; exit 1; }
	used=$(($(busy) - start))
}

figure()
{
	printf '{"family": "fio", "case": "%s", "peer": "%s", "metric": "%s", "value": %s, "unit": "%s"}\n' "$@"
}

# peer CASE PEER JOBS OPTIONS
peer()
{
	what=$1 name=$2 jobs=$3
	shift 3
	run $((few / jobs)) "$@"
	base=$used
	run $((many / jobs)) "$@"
	awk -f /opt/fio-tests/flatten.awk $out.json >$out.values
	figure "$what" "$name" IOPS "$(awk -v n="$(get "$kind.total_ios")" -v t="$(get "$kind.runtime")" \
		'BEGIN { print n / t * 1000 }')" 1/s
	figure "$what" "$name" "one I/O" "$(awk -v u=$((used - base)) -v n=$((many - few)) \
		'BEGIN { print u / n }')" instructions
	figure "$what" "$name" "99 % latency" "$(awk -v t="$(get "$kind.lat_ns.percentile.99.000000")" \
		'BEGIN { print t / 1000 }')" us
}

# A part of the file for each job: what one has read would be in the cache for others.
jobs()
{
	peer "$1" "$2 psync jobs" "$2" --ioengine=psync --numjobs="$2" --size=$((32 / $2))m \
		--offset_increment=$((32 / $2))m $options
}

# Calls made one by one; and together, where an engine can.
engines()
{
	depth="--iodepth=$2"
	# what fio takes for itself
	[ -z "$hot" ] || peer "$1" "no I/O" 1 --ioengine=null $depth $options
	batch="--iodepth_batch=8 --iodepth_batch_complete_min=8 --iodepth_batch_complete_max=8"
	peer "$1" posixaio 1 --ioengine=posixaio $depth $options
	peer "$1" libaio 1 --ioengine=libaio $depth $options
	peer "$1" io_uring 1 --ioengine=io_uring $depth $options
	peer "$1" syslet 1 --ioengine=$engine $depth $options
	[ "$2" -ge 8 ] || return 0
	peer "$1" "libaio, 8" 1 --ioengine=libaio $depth $batch $options
	peer "$1" "io_uring, 8" 1 --ioengine=io_uring $depth $batch $options
	peer "$1" "syslet, 8" 1 --ioengine=$engine --batch=1 $depth $batch $options
}

# work CASE KIND DEPTHS OPTIONS
work()
{
	text=$1 kind=$2 depths=$3
	shift 3
	options="$*"
	for d in $depths; do
		case "$text, depth $d" in *"$only"*) ;; *) continue ;; esac
		[ $d != 1 ] || peer "$text, depth 1" psync 1 --ioengine=psync $options
		[ $d != 32 ] || jobs "$text, depth 32" 32
		engines "$text, depth $d" $d
	done
}

# on_disk NANOSECONDS: what follows
on_disk()
{
	umount /mnt 2>/dev/null || :
	[ ! -e /dev/nullb0 ] || disk drop nullb0
	disk make nullb0 "$1"
	mount -t ext4 -o inode_readahead_blks=1,noatime /dev/nullb0 /mnt
}

on_disk 100000
work "read cold" read "1 8 32 256" --rw=randread
hot=1
work "read hot" read "1 8 32 256" --rw=randread --invalidate=0
hot=
work "read direct" read "1 8 32 256" --rw=randread --direct=1
work "write direct" write "1 8 32 256" --rw=randwrite --direct=1
work "write buffered" write "1 32" --rw=randwrite
on_disk 5000000
work "read cold 5 ms" read "32 256" --rw=randread
