#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run one command in a guest:  vm/guest.sh 'command' | vm/guest.sh --shell
#
# Environment:
#   GUEST=normal|debug|kcsan  which kernel
#   LIMIT=seconds       how long the guest may take; default 600
#   SHARE=dir           host directory that the guest sees as /mnt/share
#   DISKS="file ..."    disk images, /dev/vda and on
#   ICOUNT=1            one CPU whose clock counts instructions, for measuring
#   FUZZ=1              programs may do what the kernel complains of: crash, use up
#                       the memory of their cgroup, mount with options of old
#   THREADS=single      both CPUs in one thread of QEMU, which is slower; with one
#                       each a CPU may run a breakpoint of code that is being
#                       patched after it is gone ("Oops: int3")
#   QEMU_OPTS=          more options for QEMU
#   APPEND=             more words on the kernel command line
#
# The command's output streams, its exit status comes back. A guest that dies,
# hangs, or whose kernel log shows a bug fails with 125, and the last lines of
# the log.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"

guest=${GUEST:-normal}
limit=${LIMIT:-600}
build=$top/build
kernel=$build/kernel-$guest/arch/x86/boot/bzImage
work=$(mktemp -d "${TMPDIR:-/tmp}/guest.XXXXXX")

# What no healthy kernel says.
bad='BUG:|WARNING:|KASAN:|KCSAN:|UBSAN:|kernel BUG at|Oops|Kernel panic|possible (circular|recursive) locking|INFO: (task|rcu|possible)|rcu: INFO|inconsistent lock state|suspicious RCU|soft lockup|general protection fault|suspected memory leak|DEBUG_LOCKS_WARN|Call Trace:'

cleanup()
{
	[ -z "${qemu:-}" ] || kill "$qemu" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[ -r "$kernel" ] || die "no $guest kernel yet: type make kernel${GUEST:+ GUEST=$GUEST}"

# The command travels in an archive of its own behind the common one.
pack()
{
	mkdir -p "$work/root"
	printf '%s\n' "$1" >"$work/root/job"
	(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/job.gz"
	cat "$build/initramfs.gz" "$work/job.gz" >"$work/initrd"
}

cpu='max,-erms,-fsrm'
opts=(-M q35 -nodefaults -no-reboot -display none -m "${MEMORY:-2G}"
	-kernel "$kernel" -initrd "$work/initrd"
	-device virtio-serial-pci)
append="panic=-1 oops=panic null_blk.nr_devices=0 nokaslr norandmaps tsc=reliable random.trust_cpu=on"
if [ -n "${ICOUNT:-}" ]; then
	opts+=(-smp 1 -accel "tcg,thread=single" -icount "shift=0,sleep=off" -seed 42
		-rtc "base=2026-01-01,clock=vm")
	cpu='qemu64,+ssse3,+sse4.1,+sse4.2,-rdrand'
else
	opts+=(-smp 2 -accel "tcg,thread=${THREADS:-multi}")
fi
opts+=(-cpu "$cpu")
for d in ${DISKS:-}; do
	opts+=(-drive "file=$d,if=virtio,format=raw,snapshot=on,file.locking=off")
done
# the repository is at hand in a shell
[ "${1:-}" != --shell ] || SHARE=${SHARE:-$top}
if [ -n "${SHARE:-}" ]; then
	[ -d "$SHARE" ] || die "SHARE=$SHARE is not a directory"
	opts+=(-virtfs "local,path=$SHARE,mount_tag=share,security_model=none,multidevs=remap")
fi

if [ "${1:-}" = --shell ]; then
	pack 'exec /bin/sh -l'
	# shellcheck disable=SC2086 # options
	qemu-system-x86_64 "${opts[@]}" -serial mon:stdio \
		-append "console=ttyS0 $append guest.shell quiet ${APPEND:-}" ${QEMU_OPTS:-}
	exit
fi
[ $# = 1 ] || die "usage: guest.sh 'command'"

pack "$1"
mkfifo "$work/log"
: >"$work/status"
: >"$work/console"
# cat ends when nobody has the pipe open for writing any more
cat "$work/log" &
cat=$!
exec 8>"$work/log"
# shellcheck disable=SC2086 # options and words
timeout --foreground "$limit" qemu-system-x86_64 "${opts[@]}" \
	-chardev "file,id=log,path=$work/log" -device virtserialport,chardev=log,name=log \
	-chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,name=status \
	-serial "file:$work/console" -append "console=ttyS0 $append ${APPEND:-}" \
	${QEMU_OPTS:-} </dev/null 2>"$work/qemu.err" 8>&- 9>&- &
qemu=$!
wait $qemu && rc=0 || rc=$?
qemu=
exec 8>&-
wait $cat
mkdir -p "$build"
cp "$work/console" "$build/console.log"

report()
{
	echo "guest.sh: $1; the end of its kernel log (all of it: build/console.log):" >&2
	tail -n 40 "$work/console" >&2
	cat "$work/qemu.err" >&2
	exit 125
}

[ "$rc" != 124 ] || report "the guest did not finish in $limit seconds (LIMIT=)"
status=$(cat "$work/status")
[ -n "$status" ] || report "the guest died"
# KCSAN finds races all over the kernel: those of our own functions count.
if [ "$guest" = kcsan ]; then
	awk '/BUG: KCSAN:/ && !/syslet|indirect/ { skip = 1 }
		!skip { print }
		/==========/ { skip = 0 }' "$work/console" >"$work/kcsan"
	mv "$work/kcsan" "$work/console"
fi
if [ -n "${FUZZ:-}" ]; then
	awk '/ invoked oom-killer: / { skip = 1 }
		!skip && !/WARNING: The mand mount option| traps: / { print }
		/[Oo]ut of memory: Killed process|Out of memory and no killable/ { skip = 0 }' \
		"$work/console" >"$work/fuzz"
	mv "$work/fuzz" "$work/console"
fi
if grep -aqE "$bad" "$work/console"; then
	grep -aE -A30 "$bad" "$work/console" | head -80 >&2
	report "the guest's kernel reported a problem"
fi
exit "$status"
