#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: all tests, one after the other. Fails if any does.
rc=0
leaks=/sys/kernel/debug/kmemleak
if [ -e $leaks ]; then
	# what the boot left is not ours
	echo scan >$leaks
	echo clear >$leaks
fi
for t in /opt/syslet-tests/*_test; do
	[ -z "$ONLY" ] || case $t in *"$ONLY"*) ;; *) continue ;; esac
	echo "# ${t##*/}"
	"$t" || rc=1
done
[ -n "$ONLY" ] || /opt/libsyslet-tests/run /opt/libsyslet-tests/t-* || rc=1
if [ -e $leaks ]; then
	# it keeps quiet about what is younger than 5 s
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
	if grep . $leaks; then
		echo "# memory leaks"
		rc=1
	fi
fi
exit $rc
