#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: walk the tree on /dev/vda with every backend of lsr, from disks
# of several latencies with cold caches, and with hot ones. One JSON object a
# line, for vm/run.py.
set -eu
mnt=/mnt/tree
mkdir -p $mnt

walk()
{
	# what it takes to look is not its own
	look=$(busy)
	start=$(busy)
	line=$(lsr -b "$1" -l "$2" $mnt)
	used=$(($(busy) - start - (start - look)))
	echo "$line" | sed "s/\"ns\"/\"latency_ns\": $3, \"busy_ns\": $used, \"ns\"/"
}

backends="plain pool io_uring syslet"

for latency in 5000000 100000; do
	disk make nullb0 $latency
	for b in $backends; do
		disk mount nullb0 $mnt
		echo 3 >/proc/sys/vm/drop_caches
		walk "$b" cold $latency
		umount $mnt
	done
	disk drop nullb0
done

disk make nullb0 0
disk mount nullb0 $mnt
for b in $backends; do
	# once to warm up
	lsr -b "$b" $mnt >/dev/null
	walk "$b" hot 0
done
umount $mnt
disk drop nullb0
