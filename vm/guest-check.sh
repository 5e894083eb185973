#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: all tests, one after the other. Fails if any does.
rc=0
leaks forget
for t in /opt/syslet-tests/*_test /opt/syslet-tests/*_test.sh; do
	[ -z "$ONLY" ] || case $t in *"$ONLY"*) ;; *) continue ;; esac
	echo "# ${t##*/}"
	"$t" || rc=1
done
[ -n "$ONLY" ] || /opt/libsyslet-tests/run /opt/libsyslet-tests/t-* || rc=1
case $ONLY in '' | tools) tools || rc=1 ;; esac
fio=/opt/fio-tests/run
if [ ! -e $fio ]; then
	echo "# no fio here: its engine is not tested; make fio says why"
elif [ -z "$ONLY" ] || [ "$ONLY" = fio ]; then
	$fio || rc=1
fi
leaks check || rc=1
exit $rc
