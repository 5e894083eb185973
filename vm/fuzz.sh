#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make fuzz: system calls at random, in the guest, for some time:
#
#   vm/fuzz.sh [seconds [seed [part ...]]]
#
# The parts are those of vm/guest-fuzz.sh, all of them by default. Fails if one
# of them finds that a promise was broken, or the guest's kernel has something
# to say. trinity and stress-ng are Debian's.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
packages="$packages trinity stress-ng"
guest=${GUEST:-debug}
root=$top/build/fuzz
image=$top/build/fuzz.img
time=${1:-60}
seed=${2:-$(date +%s)}
shift $(($# < 2 ? $# : 2))

[[ $time =~ ^[1-9][0-9]*$ ]] || die "SECONDS=$time is not a number of seconds"
[[ $seed =~ ^[0-9]+$ ]] || die "SEED=$seed is not a number"

# A disk with the programs, and the libraries that the guest does not have.
disk()
{
	local preload=$top/build/selftests/fuzz_preload.so p lib

	[ -r "$preload" ] || die "no $preload: type make fuzz, or vm/tests.sh"
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/lib"
	cp "$preload" "$root/lib/"
	for p in trinity stress-ng setpriv; do
		p=$(command -v $p) || die "no $p here: type apt-get install $p"
		cp "$p" "$root/bin/"
		ldd "$p" | { grep -o '/[^ ]*' || :; } | while read -r lib; do
			cp -L "$lib" "$root/lib/"
		done
	done
	mke2fs -q -F -t ext4 -b 4096 -m 0 -d "$root" "$image" 64M
}

# To boot, to end, and for what was left to vanish.
slack=300
[ "$guest" = normal ] || slack=900

need_packages
disk
echo "fuzz.sh: seed $seed, $time seconds, $guest kernel; again: make fuzz SECONDS=$time SEED=$seed GUEST=$guest"
export GUEST=$guest FUZZ=1 DISKS=$image LIMIT=${LIMIT:-$((time * 2 + slack))}
"$top/vm/guest.sh" "fuzz $time $seed $*"
