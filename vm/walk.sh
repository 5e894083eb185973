#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: walk the tree on /dev/vda with every backend of lsr, from disks
# of several latencies with cold caches, and with hot ones. One JSON object a
# line, for vm/run.py.
set -eu
mnt=/mnt/tree
mkdir -p $mnt
# Directories as old as a real one's: readahead of inode tables would hide
# that their inodes are spread over the disk.
mount_disk()
{
	mount -t ext4 -o ro,inode_readahead_blks=1 "/dev/$1" $mnt
}

walk()
{
	lsr -b "$1" -l "$2" $mnt | sed "s/\"ns\"/\"latency_ns\": $3, \"ns\"/"
}

drop_disk()
{
	echo 0 >"/sys/kernel/config/nullb/$1/power"
	rmdir "/sys/kernel/config/nullb/$1"
}

backends="plain pool io_uring syslet"

for latency in 5000000 100000; do
	make-disk nullb0 $latency
	for b in $backends; do
		mount_disk nullb0
		echo 3 >/proc/sys/vm/drop_caches
		walk "$b" cold $latency
		umount $mnt
	done
	drop_disk nullb0
done

make-disk nullb0 0
mount_disk nullb0
for b in $backends; do
	# once to warm up
	lsr -b "$b" $mnt >/dev/null
	walk "$b" hot 0
done
umount $mnt
drop_disk nullb0
