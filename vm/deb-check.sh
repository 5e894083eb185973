#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make deb-check: build the Debian packages, install them where nothing of this
# repository is, compile and run a user's program there, remove them again.
#
#   build/deb/*.deb          the packages
#   build/deb/base-*.tar     the clean Debian; made once, remove it for a new one
#   build/deb/smoke/         the program, what it reads, and its output: to be
#                            run on other machines, which have to print the same
#
# MIRROR=url takes Debian from there. When it fails, build/deb/root is left as it
# was then.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
# mmdebstrap makes a directory into a Debian; lintian reviews packages
packages="build-essential debhelper liburing-dev lintian mmdebstrap"
# What the clean Debian has: what the tests name, and what the packages need.
base="gcc,libc6-dev,pkg-config,liburing2"
out=$top/build/deb
root=$out/root
installed="libsyslet1 libsyslet-dev syslet-tools"

# failed TEXT LOG: the end of the log, the text
failed()
{
	tail -n 30 "$2" >&2
	die "$1; all of it: $2"
}

build()
{
	say "building packages (build/deb)"
	rm -rf "$out/source" "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
	mkdir -p "$out/source"
	tar -C "$top" -c --exclude=./build --exclude=./.git . | tar -C "$out/source" -x
	(cd "$out/source" && dpkg-buildpackage -us -uc -b) >"$out/build.log" 2>&1 ||
		failed "dpkg-buildpackage failed" "$out/build.log"
	rm -rf "$out/source"
}

# The packages have the address of commits here, which is nobody's.
review()
{
	local tags=bogus-mail-host,bogus-mail-host-in-debian-changelog

	say "lintian"
	lintian --allow-root --suppress-tags "$tags" --fail-on error,warning -I "$out"/*.changes ||
		die "lintian is not content"
}

clean_debian()
{
	if [ ! -e "$base_tar" ]; then
		say "downloading a clean Debian $suite (about 130 MB, once)"
		# shellcheck disable=SC2086 # no word if there is no mirror
		mmdebstrap --variant=minbase --include="$base" "$suite" \
			"$base_tar.new" --format=tar ${MIRROR:-} >"$out/base.log" 2>&1 ||
			failed "cannot download Debian $suite; if the network has a mirror of its own, type: make deb-check MIRROR=http://..." "$out/base.log"
		mv "$base_tar.new" "$base_tar"
	fi
	rm -rf "$root"
	mkdir -p "$root"
	tar -C "$root" -x -f "$base_tar" 2>"$out/tar.log" ||
		failed "cannot unpack $base_tar; to get it anew: rm $base_tar" "$out/tar.log"
}

inside()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		chroot "$root" "$@"
}

# All files and packages, but the logs, backups and caches of Debian's own tools.
contents()
{
	(cd "$root" && find . ! -path './var/lib/dpkg/*-old' ! -path './var/log/*' \
		! -path './var/cache/ldconfig/*' -printf '%y %p\n') | sort
	# shellcheck disable=SC2016 # dpkg's variables
	inside dpkg-query -W -f '${Package} ${Version} ${Status}\n'
}

put()
{
	local p

	say "installing $installed"
	for p in $installed; do
		cp "$out/${p}"_*.deb "$root/"
	done
	inside sh -c 'dpkg -i /*.deb' >"$out/install.log" 2>&1 ||
		failed "the packages cannot be installed; if they need more than $base, add that to base= in $0 and rm $base_tar" "$out/install.log"
	rm "$root"/*.deb
}

# The tests of debian/tests, with nothing else of the repository.
run_test()
{
	say "debian/tests/$1"
	cp -r "$top/debian/tests" "$root/tests"
	mkdir "$root/$1"
	inside env AUTOPKGTEST_TMP="/$1" "/tests/$1" || die "debian/tests/$1 failed; look around: chroot $root"
	rm -rf "$out/${1:?}" "$root/tests"
	mv "$root/$1" "$out/"
}

take_away()
{
	say "removing them"
	# shellcheck disable=SC2086 # a list of packages
	inside dpkg --purge $installed >"$out/purge.log" 2>&1 ||
		failed "the packages cannot be removed" "$out/purge.log"
	contents >"$out/after"
	diff "$out/before" "$out/after" ||
		die "removing the packages left (>) or took away (<) the above"
}

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${ID:-} ${VERSION_CODENAME:-}")
case $suite in
debian\ ?*) suite=${suite#* } ;;
*) die "this is for Debian; /etc/os-release says '$suite'" ;;
esac
base_tar=$out/base-$suite.tar
[ "$(id -u)" = 0 ] || die "a clean Debian is entered by chroot, for which one has to be root; type: sudo make deb-check"
need_packages
build
review
clean_debian
contents >"$out/before"
put
run_test smoke
run_test tools
take_away
rm -rf "$root"
say "packages are good; what the program prints elsewhere: cd build/deb/smoke && ./smoke-static input | diff - output"
