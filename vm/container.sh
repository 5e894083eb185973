#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What container_test.sh needs in the guest: bwrap, and two filters made from the
# profile that container engines use by default (from Debian's package, as it is):
#
#   build/root/opt/container/default.bpf	as it is: without syslets
#   build/root/opt/container/syslets.bpf	with their system calls
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
package=golang-github-containers-common
from=$top/build/container
profile=$from/usr/share/containers/seccomp.json
table=$top/build/linux/arch/x86/entry/syscalls/syscall_64.tbl
out=$top/build/root/opt/container

# That profile is Podman's. Docker's does not let a container do these, either.
forbidden="-mount -umount2 -move_mount -open_tree -fsopen -fsmount -fsconfig -fspick
	-mount_setattr -pivot_root -unshare -setns -sethostname -setdomainname -keyctl
	-add_key -request_key -name_to_handle_at -quotactl -syslog -userfaultfd"

need_packages
[ -r "$table" ] || die "no kernel tree yet: type make kernel"
if [ ! -r "$profile" ]; then
	mkdir -p "$from"
	(cd "$from" && apt-get download -qq "$package" 2>apt.log) ||
		die "apt-get download $package failed: $from/apt.log; type: apt-get update"
	dpkg-deb -x "$from/$package"_*.deb "$from"
fi
mkdir -p "$out" "$top/build/root/usr/bin"
cp /usr/bin/bwrap "$top/build/root/usr/bin/"
# shellcheck disable=SC2086 # a list
python3 "$top/vm/seccomp.py" "$profile" "$table" "$out/default.bpf" $forbidden
# shellcheck disable=SC2086 # a list
python3 "$top/vm/seccomp.py" "$profile" "$table" "$out/syslets.bpf" $forbidden \
	indirect syslet_ring_wait syslet_cancel syslet_submit
