#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Build a guest kernel:  vm/kernel.sh normal|debug|kcsan|plain
#
#   build/linux         Debian's linux-source-6.12, our overlay laid over it and
#                       patches/series applied
#   build/kernel-NAME   O= directory of one configuration
#
# Only files whose contents differ are written into build/linux, so make
# rebuilds what depends on them and nothing else.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"

name=${1:-normal}
build=$top/build
tree=$build/linux
obj=$build/kernel-$name
overlay="kernel include arch tools Documentation"

case $name in
normal) fragments="base" ;;
debug) fragments="base debug" ;;
kcsan) fragments="base kcsan" ;;
plain) fragments="base plain" ;;
*) die "no kernel is called '$name': normal, debug, kcsan or plain" ;;
esac

unpack()
{
	local tarball=/usr/src/linux-source-6.12.tar.xz
	local want

	[ -r $tarball ] || die "$tarball is missing: apt-get install linux-source-6.12"
	want=$(dpkg-query -W -f '${Version}' linux-source-6.12)
	if [ "$(cat "$build/linux.version" 2>/dev/null)" = "$want" ]; then
		return
	fi
	say "unpacking linux-source-6.12 $want"
	rm -rf "$tree" "$build/linux.version" "$build/pristine"
	mkdir -p "$tree"
	tar -xf $tarball -C "$tree" --strip-components=1
	echo "$want" >"$build/linux.version"
}

# The files that patches/ edits, one a line.
patched_files()
{
	series_patches | while read -r p; do
		sed -n 's,^+++ b/\([^\t]*\).*,\1,p' "$top/patches/$p"
	done | sort -u
}

# Keep the untouched originals of patched files, patch a copy of them, and
# carry over what came out different.
apply_patches()
{
	local pristine=$build/pristine stage=$build/stage f p

	mkdir -p "$pristine"
	patched_files | while read -r f; do
		[ -e "$pristine/$f" ] && continue
		[ -e "$tree/$f" ] || die "patches/ edits $f, which this linux-source does not have"
		mkdir -p "$pristine/$(dirname "$f")"
		cp -p "$tree/$f" "$pristine/$f"
	done

	rm -rf "$stage"
	cp -a "$pristine" "$stage"
	for p in $(series_patches); do
		if ! patch -d "$stage" -p1 -s -F2 --no-backup-if-mismatch \
				<"$top/patches/$p" >"$build/patch.log" 2>&1; then
			cat "$build/patch.log" >&2
			die "patches/$p does not apply to linux-source-6.12 $(cat "$build/linux.version"): refresh it"
		fi
	done
	rsync -rcl "$stage/" "$tree/"
}

lay_overlay()
{
	local d f

	(cd "$top" && for d in $overlay; do
		[ ! -d "$d" ] || find "$d" -type f ! -name '*.o' ! -name '.*'
	done) | sort >"$build/overlay.new"
	# a file that left the repository leaves the tree
	if [ -e "$build/overlay" ]; then
		comm -23 "$build/overlay" "$build/overlay.new" | while read -r f; do
			rm -f "${tree:?}/$f"
		done
	fi
	rsync -rc --files-from="$build/overlay.new" "$top/" "$tree/"
	mv "$build/overlay.new" "$build/overlay"
}

configure()
{
	local list f

	list=$(for f in $fragments; do echo "$top/vm/config/$f.config"; done)
	mkdir -p "$obj"
	# shellcheck disable=SC2086 # a list of files
	cat $list "$tree/init/Kconfig" "$tree/arch/Kconfig" >"$obj/fragments.new"
	if [ -e "$obj/.config" ] && cmp -s "$obj/fragments.new" "$obj/fragments"; then
		return
	fi
	say "configuring the $name kernel ($fragments)"
	# shellcheck disable=SC2086
	(cd "$tree" && ./scripts/kconfig/merge_config.sh -n -O "$obj" $list) >"$obj/config.log" 2>&1 ||
		{ tail -20 "$obj/config.log" >&2; die "configuration failed: $obj/config.log"; }
	[ "$name" = plain ] || grep -q '^CONFIG_SYSLET=y' "$obj/.config" || die "CONFIG_SYSLET did not survive the configuration: $obj/config.log"
	mv "$obj/fragments.new" "$obj/fragments"
}

compile()
{
	local log=$obj/build.log

	# Hits for any clone of the repository, wherever it is.
	export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$build
	export KBUILD_BUILD_TIMESTAMP="2026-01-01" KBUILD_BUILD_USER=syslet KBUILD_BUILD_HOST=build
	say "building the $name kernel (a first build takes 6 to 10 minutes; log: $log)"
	if ! make -C "$tree" O="$obj" CC="ccache gcc" -j"$(nproc)" bzImage >"$log" 2>&1; then
		grep -E -A5 'error|Error|warning' "$log" | tail -60 >&2
		die "the kernel did not build: $log"
	fi
	if grep -E 'warning:' "$log" | grep -E 'syslet|indirect' >&2; then
		die "warnings in our files"
	fi
}

need_packages
mkdir -p "$build"
exec 9>"$build/kernel.lock"
flock -n 9 || {
	say "waiting for another build of a kernel here"
	flock 9
}
unpack
apply_patches
lay_overlay
configure
compile
