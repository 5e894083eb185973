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

# a disk for disk_test: directories of files whose size is their name
disk()
{
	local dir=$top/build/disk d f

	if [ ! -e "$top/build/disk.img" ]; then
		rm -rf "$dir"
		for d in {0..39}; do
			mkdir -p "$dir/$d"
			for f in {1..20}; do
				head -c "$f" /dev/zero >"$dir/$d/$f"
			done
		done
		mke2fs -q -F -t ext4 -b 4096 -d "$dir" "$top/build/disk.img" 32M
	fi
}

disk
quick=
[ "$guest" = normal ] || quick="SYSLET_QUICK=1"
rc=0
{
	echo "# the library on this machine"
	"$top/lib/libsyslet/tests/run" "$top"/build/lib/tests/* || rc=1
	echo "# in the guest, $guest kernel"
	# what costs each call something is on here, and not where things are measured
	THREADS=${THREADS:-single} APPEND="${APPEND:-} lsm=landlock,apparmor" \
		DISKS=$top/build/disk.img LIMIT=${LIMIT:-2400} \
		"$top/vm/guest.sh" "$quick check" || rc=1
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
