#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: bench-micro, with files in memory on ext4; /dev/vda has them.
set -eu
mkdir -p /mnt/micro
disk make nullb0 0
disk mount nullb0 /mnt/micro
for _ in 1 2 3; do
	bench-micro /mnt/micro
done
umount /mnt/micro
disk drop nullb0
