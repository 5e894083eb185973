#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make stress: everything at once, for some time, in the guest:
#
#   vm/stress.sh [seconds [seed [more options of stress]]]
#
# Fails if the program finds that a promise was broken, or the guest's kernel
# has something to say.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
guest=${GUEST:-normal}
image=$top/build/stress-disk.img
time=${1:-60}
seed=${2:-$(date +%s)}
shift $(($# < 2 ? $# : 2))

[[ $time =~ ^[1-9][0-9]*$ ]] || die "seconds: $time"
[[ $seed =~ ^[0-9]+$ ]] || die "seed: $seed"

# To boot, to end, and for what was left to vanish.
slack=300
[ "$guest" = normal ] || slack=900

if [ ! -e "$image" ]; then
	mke2fs -q -F -t ext4 -b 4096 -m 0 "$image" 128M
fi

# Files on a disk in memory that answers after a while; leaks are looked for
# where the kernel can.
# shellcheck disable=SC2016 # expanded in the guest
job='
set -e
leaks forget
mkdir /mnt/stress
disk make nullb0 300000
mount -t ext4 /dev/nullb0 /mnt/stress
rc=0
/opt/syslet-tests/stress -d /mnt/stress "$@" || rc=$?
leaks check || rc=1
exit $rc
'
echo "stress.sh: seed $seed, $time seconds, $guest kernel; again: make stress SECONDS=$time SEED=$seed GUEST=$guest"
DISKS=$image LIMIT=${LIMIT:-$((time * 2 + slack))} "$top/vm/guest.sh" \
	"set -- -t $time -s $seed $*$job"
