#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: run the programs of bench/compare on the files of /dev/vda, from
# disks of two latencies with cold caches, and with hot ones. Figures for
# bench/table.py.
set -eu
mnt=/mnt/compare
mkdir -p $mnt
peers="plain pool aio uring syslet threads"

# All of them have to find the same.
measure()
{
	bench-compare "$1" "$2" "$3" /tmp/list /tmp/out
	[ -e /tmp/found ] || cp /tmp/out /tmp/found
	cmp /tmp/out /tmp/found
}

# They report the same errors, in whatever order.
wrong()
{
	# shellcheck disable=SC2046 # a list of files
	"compare-$1" /nowhere /tmp /dev/null $(head -n 100 /tmp/list) /proc/self/mem \
		>/tmp/out 2>/tmp/err && return 1
	sort /tmp/err >>/tmp/out
	[ -e /tmp/wrong ] || cp /tmp/out /tmp/wrong
	cmp /tmp/out /tmp/wrong
}

cold()
{
	disk mount nullb0 $mnt
	echo 3 >/proc/sys/vm/drop_caches
	measure "$@"
	umount $mnt
}

disk make nullb0 0
disk mount nullb0 $mnt
find $mnt -name 'f??' | sort >/tmp/list
for _ in 1 2 3; do
	for p in $peers; do
		measure hot hot "$p"
	done
done
for p in $peers; do
	wrong "$p"
done
umount $mnt
disk drop nullb0
cat /tmp/found /tmp/wrong

for latency in 5000000 100000; do
	disk make nullb0 $latency
	case $latency in
	5000000) name="cold, 5 ms" ;;
	*) name="cold, 100 us" ;;
	esac
	for _ in 1 2 3; do
		for p in $peers; do
			cold cold "$name" "$p"
		done
	done
	for p in $peers; do
		cold tasks "$name" "$p"
	done
	disk drop nullb0
done
