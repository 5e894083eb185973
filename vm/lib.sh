# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the scripts in vm/ share.

# Everything that building and running needs, by Debian's names; a|b: the
# first one, where the other does not stand in for it.
packages="build-essential flex bison bc libelf-dev libssl-dev linux-source-6.12
	ccache rsync cpio kmod xz-utils qemu-system-x86 busybox-static
	e2fsprogs liburing-dev python3 apparmor bubblewrap strace gdb-minimal|gdb
	fio libaio-dev dmsetup"

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 2
}

say()
{
	echo "  == $*" >&2
}

series_patches()
{
	# shellcheck disable=SC2154 # set by who reads this file
	sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$top/patches/series"
}

# Install what is missing, or say what to type.
need_packages()
{
	local missing="" p

	for p in $packages; do
		# shellcheck disable=SC2086 # alternatives
		dpkg-query -W -f '${Status}\n' ${p//|/ } 2>/dev/null | grep -q 'ok installed' ||
			missing="$missing ${p%%|*}"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		die "missing Debian packages; type: sudo apt-get install$missing"
	fi
	say "installing$missing"
	# shellcheck disable=SC2086 # a list of packages
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends $missing; } >"${TMPDIR:-/tmp}/syslet-apt.log" 2>&1 ||
		die "apt-get install$missing failed: ${TMPDIR:-/tmp}/syslet-apt.log"
}
