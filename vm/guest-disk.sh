#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: disks in memory, copies of /dev/vda.
#   disk make nullbN NS		/dev/nullbN, which answers each request after NS,
#				any number at a time
#   disk mount nullbN DIR
#   disk drop nullbN		what is not mounted any more
set -e
n=/sys/kernel/config/nullb/$2
case $1 in
make)
	mount -t configfs configfs /sys/kernel/config 2>/dev/null || :
	mkdir "$n"
	echo 1 >"$n/memory_backed"
	echo $(($(cat /sys/block/vda/size) / 2048 + 1)) >"$n/size"
	echo 2 >"$n/irqmode"
	echo "$3" >"$n/completion_nsec"
	echo 1 >"$n/submit_queues"
	echo 256 >"$n/hw_queue_depth"
	echo 512 >"$n/blocksize"
	echo 1 >"$n/power"
	dd if=/dev/vda of="/dev/$2" bs=1M oflag=direct 2>/dev/null
	;;
mount)
	# Directories as old as a real one's: readahead of inode tables would
	# hide that their inodes are spread over the disk.
	mount -t ext4 -o ro,inode_readahead_blks=1 "/dev/$2" "$3"
	;;
drop)
	echo 0 >"$n/power"
	rmdir "$n"
	;;
esac
