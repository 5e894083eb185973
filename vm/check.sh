#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make check: the library's tests on this machine, then the selftests and the
# library's tests in the guest. TAP, closing with "N passed, N failed".
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
guest=${GUEST:-normal}
out=$top/build/check-$guest.tap

quick=
[ "$guest" = normal ] || quick="SYSLET_QUICK=1"
rc=0
{
	echo "# the library on this machine"
	"$top/lib/libsyslet/tests/run" "$top"/build/lib/tests/* || rc=1
	echo "# in the guest, $guest kernel"
	LIMIT=${LIMIT:-2400} "$top/vm/guest.sh" "$quick check" || rc=1
	[ $rc = 0 ] || echo "# a test, or the guest, failed"
} | tee "$out" | sed -u '/^#  RUN\|^#  *OK /d'
rc=${PIPESTATUS[0]}

# a selftest that died in the middle has planned more than it told
passed=$(grep -c '^ok ' "$out" || :)
failed=$(grep -c '^not ok ' "$out" || :)
missing=$(awk '/^1\.\./ { sub("1..", ""); planned += $1 }
	/^(not )?ok / { told++ } END { print planned - told }' "$out")
if [ "$missing" -gt 0 ]; then
	echo "# $missing planned tests did not report" >&2
	failed=$((failed + missing))
fi
if grep -q '^# a test, or the guest, failed' "$out" && [ "$failed" = 0 ]; then
	failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
