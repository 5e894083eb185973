#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Pack build/initramfs.gz: busybox, vm/init, what the guest is to run (also
# anything below build/root), with the libraries that they need.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
build=$top/build
root=$build/initramfs

need_packages
rm -rf "$root"
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,usr/local/bin,proc,sys,dev,tmp,root,mnt,etc,lib,lib64,run}
cp /bin/busybox "$root/bin/"
for a in $(/bin/busybox --list); do
	[ -e "$root/bin/$a" ] || ln -s /bin/busybox "$root/bin/$a"
done
cp "$top/vm/init" "$root/init"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
printf 'nobody:x:65534:65534:nobody:/:/bin/sh\n' >>"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
[ ! -d "$build/root" ] || cp -a "$build/root/." "$root/"
cp "$top/vm/walk.sh" "$root/usr/local/bin/walk"
cp "$top/vm/compare.sh" "$root/usr/local/bin/compare"
cp "$top/vm/guest-busy.sh" "$root/usr/local/bin/busy"
cp "$top/vm/guest-check.sh" "$root/usr/local/bin/check"
cp "$top/vm/guest-leaks.sh" "$root/usr/local/bin/leaks"
cp "$top/vm/guest-disk.sh" "$root/usr/local/bin/disk"
cp "$top/vm/guest-fuzz.sh" "$root/usr/local/bin/fuzz"
cp "$top/vm/guest-tools.sh" "$root/usr/local/bin/tools"
for f in strace gdb; do
	[ ! -x "/usr/bin/$f" ] || cp "/usr/bin/$f" "$root/usr/bin/"
done
mkdir -p "$root/opt/libsyslet-tests"
for f in "$build/lib/lsr" "$build"/bench/bench-* "$build"/bench/compare-*; do
	[ ! -x "$f" ] || cp "$f" "$root/usr/local/bin/"
done
for f in "$build"/lib/tests/t-* "$top/lib/libsyslet/tests/run"; do
	[ ! -x "$f" ] || cp "$f" "$root/opt/libsyslet-tests/"
done

# fio, if it has been built, and what makes disks fail
for f in "$build/fio/fio" /sbin/dmsetup; do
	[ ! -x "$f" ] || cp "$f" "$root/usr/local/bin/"
done
if [ -e "$build/fio/fio-syslet.so" ]; then
	mkdir -p "$root/opt/fio-tests" "$root/usr/local/lib"
	cp "$build/fio/fio-syslet.so" "$root/usr/local/lib/"
	cp "$top"/fio/tests/* "$root/opt/fio-tests/"
	cp "$top/fio/bench.sh" "$root/usr/local/bin/bench-fio"
fi

# shared libraries, found as the loader would
find "$root" -type f -perm -u+x -exec sh -c 'ldd "$1" 2>/dev/null' _ {} \; |
	{ grep -o '/[^ ]*' || :; } | sort -u | while read -r lib; do
	[ -e "$lib" ] || continue
	mkdir -p "$root$(dirname "$lib")"
	cp -L "$lib" "$root$lib"
done
# the one that the C library loads itself, for pthread_cancel()
lib=/lib/x86_64-linux-gnu/libgcc_s.so.1
if [ -e $lib ]; then
	mkdir -p "$root$(dirname $lib)"
	cp -L $lib "$root$lib"
fi
(cd "$root" && find . | sort | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$build/initramfs.new"
mv "$build/initramfs.new" "$build/initramfs.gz"
