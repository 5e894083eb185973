#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: memory leaks, on a kernel that looks for them.
#   leaks forget	what there is, from the boot, is not ours
#   leaks check		print what is there since; fails if there is any
leaks=/sys/kernel/debug/kmemleak
[ -e $leaks ] || exit 0
case $1 in
forget)
	echo scan >$leaks
	echo clear >$leaks
	;;
check)
	# it keeps quiet about what is younger than 5 s, or found once
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
	if grep . $leaks; then
		echo "# memory leaks"
		exit 1
	fi
	;;
esac
