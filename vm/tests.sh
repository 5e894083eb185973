#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the selftests from the tree that vm/kernel.sh has laid, into build/root
# of the guest image.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
src=$top/build/linux/tools/testing/selftests/syslet
out=$top/build/selftests

need_packages
[ -d "$top/build/linux" ] || die "no kernel tree yet: type make kernel"
mkdir -p "$out" "$top/build/root/opt/syslet-tests"
rsync -rc --delete "$top/tools/testing/selftests/syslet/" "$src/"
if ! make -s -j"$(nproc)" -C "$src" OUTPUT="$out" \
		KHDR_INCLUDES="-isystem $top/include/uapi" >"$out/build.log" 2>&1; then
	tail -40 "$out/build.log" >&2
	die "the selftests did not build: $out/build.log"
fi
if grep -h 'warning:' "$out/build.log" >&2; then
	die "warnings in the selftests"
fi
# for the guest, and not for what this machine can
if ! /sbin/apparmor_parser --skip-kernel-load --skip-cache \
		--kernel-features /etc/apparmor.d/abi/3.0 --ofile "$out/apparmor.policy" \
		"$src/apparmor.profile" >>"$out/build.log" 2>&1; then
	tail -10 "$out/build.log" >&2
	die "the AppArmor profiles of lsm_test did not compile: $out/build.log"
fi
rsync -rc --delete --include='*_test' --include=stress --include=fuzz --include=traced \
	--include=container_probe --include=apparmor.policy --exclude='*' \
	"$out/" "$top/build/root/opt/syslet-tests/"
cp "$src"/*_test.sh "$top/build/root/opt/syslet-tests/"
"$top/vm/container.sh"
