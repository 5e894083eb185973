#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest:  make-disk nullbN NS
# A disk in memory, a copy of /dev/vda, that answers each request after NS, any
# number at a time: /dev/nullbN.
set -e
n=/sys/kernel/config/nullb/$1
mount -t configfs configfs /sys/kernel/config 2>/dev/null || :
mkdir "$n"
echo 1 >"$n/memory_backed"
echo $(($(cat /sys/block/vda/size) / 2048 + 1)) >"$n/size"
echo 2 >"$n/irqmode"
echo "$2" >"$n/completion_nsec"
echo 1 >"$n/submit_queues"
echo 256 >"$n/hw_queue_depth"
echo 512 >"$n/blocksize"
echo 1 >"$n/power"
dd if=/dev/vda of="/dev/$1" bs=1M oflag=direct 2>/dev/null
