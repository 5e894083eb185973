#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Put the source of the fio that is installed, as Debian has it, into
# build/fio/source, and configure it. Once for each version.
#
#   build/fio/apt       lists and archives, apart from the system's: works
#                       without deb-src in its sources, and without root
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
# shellcheck disable=SC2034 # for need_packages
packages="build-essential ccache dpkg-dev fio libaio-dev"
out=$top/build/fio
apt=$out/apt
tree=$out/source

# The system's sources, for source packages.
sources()
{
	local f

	mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -e "$f" ] || sed -n 's/^deb\(-src\)\? /deb-src /p' "$f" >"$apt/sources/$(basename "$f" .list).list"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ ! -e "$f" ] || sed 's/^Types:.*/Types: deb-src/' "$f" >"$apt/sources/$(basename "$f")"
	done
}

apt()
{
	apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources" \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User= "$@"
}

# What somebody has put there is taken.
download()
{
	cd "$apt"
	[ ! -e "fio_$1.dsc" ] || return 0
	apt update && apt source --download-only "fio=$1"
}

# What the engines of storage systems need is not there; what is there is found.
configure()
{
	./configure --cc="ccache gcc" --disable-native --disable-numa --disable-rdma \
		--disable-rados --disable-rbd --disable-http --disable-gfapi \
		--disable-libnfs --disable-lex --disable-pmem --disable-xnvme \
		--disable-libzbc --disable-tcmalloc --disable-dfs
}

need_packages
want=$(dpkg-query -W -f '${source:Version}' fio)
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
[ "$(cat "$out/version" 2>/dev/null)" != "$want" ] || exit 0

say "downloading the source of fio $want"
sources
(download "$want") >"$out/download.log" 2>&1 || {
	tail -5 "$out/download.log" >&2
	die "no source of fio $want ($out/download.log). Where there is a network, type:
	apt-get source --download-only fio=$want
and copy its files to $apt"
}
rm -rf "$tree"
dpkg-source --no-check -x "$apt/fio_$want.dsc" "$tree" >"$out/unpack.log" 2>&1 ||
	die "cannot unpack it: $out/unpack.log"
say "configuring it"
(cd "$tree" && configure) >"$out/configure.log" 2>&1 ||
	die "its configure failed: $out/configure.log"
echo "$want" >"$out/version"
