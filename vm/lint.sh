#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make lint: what reviewers' tools would say.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=vm/lib.sh
. "$top/vm/lib.sh"
packages="$packages sparse codespell shellcheck mandoc"
tree=$top/build/linux
obj=$top/build/kernel-normal
rc=0

need_packages
[ -d "$tree" ] || die "no kernel tree yet: type make kernel"
cd "$top" || exit 2

c_files=$(git ls-files '*.c' '*.h' | grep -E '^(kernel|include|arch)/')

# Its check of licence tags wants to run inside a git clone of Linux.
checkpatch()
{
	perl "$tree/scripts/checkpatch.pl" --root "$tree" --strict --terse --no-summary \
		"$@" 2>/dev/null | grep -E ': (ERROR|WARNING|CHECK): ' && rc=1
}

say "checkpatch"
for f in $c_files; do
	# trace headers and class tables are macros; new files have no MAINTAINERS here
	case $f in
	include/trace/*) ignore=SPACING,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,COMPLEX_MACRO ;;
	*syslet_class_*) continue ;;
	# a table's macro names what only a test reads; numbers can be bad here
	arch/x86/kernel/indirect.c | kernel/indirect*.c) ignore=BRACKET_SPACE,MACRO_ARG_UNUSED,ENOSYS ;;
	# where an asm goto goes to
	arch/x86/include/asm/syslet.h) ignore=FILE_PATH_CHANGES,SPACING ;;
	kernel/syslet_delay.c) ignore=FILE_PATH_CHANGES,USLEEP_RANGE ;;
	*) ignore=FILE_PATH_CHANGES ;;
	esac
	checkpatch --max-line-length=100 --ignore "$ignore,SPDX_LICENSE_TAG" -f "$f"
done
for p in $(series_patches); do
	checkpatch --ignore FILE_PATH_CHANGES - <"patches/$p"
done

say "sparse and W=1"
objects=$(cd "$top" && git ls-files '*.c' | grep -E '^(kernel|arch)/' | sed 's/c$/o/' |
	grep -v syslet_delay)
for o in $objects; do
	rm -f "$obj/$o"
done
# shellcheck disable=SC2086 # a list of objects
make -s -C "$tree" O="$obj" W=1 C=1 $objects 2>&1 |
	grep -E '(syslet|indirect)[a-z_0-9]*\.[ch]:.*(warning|error)' && rc=1
# what only the debug kernel has
if [ -e "$top/build/kernel-debug/.config" ]; then
	rm -f "$top/build/kernel-debug/kernel/syslet_delay.o"
	make -s -C "$tree" O="$top/build/kernel-debug" W=1 C=1 kernel/syslet_delay.o 2>&1 |
		grep -E 'syslet_delay\.c:.*(warning|error)' && rc=1
fi

say "kernel-doc"
for f in $c_files; do
	perl "$tree/scripts/kernel-doc" -none -Wall "$f" 2>&1 | grep . && rc=1
done

say "tests that the documentation names"
table=Documentation/userspace-api/syslet-state.rst
grep -oE '[a-z_]+_test: +[a-z0-9_]+' $table | sed 's/: */ /' | sort -u | while read -r file test; do
	grep -qE "\\(([a-z_]+, )?${test}[,)]" "tools/testing/selftests/syslet/$file.c" ||
		echo "$table: $file has no test $test"
done | grep . && rc=1

say "the comparison page has the programs as they are"
bench/compare-page.py check || rc=1

say "man"
lib/libsyslet/tests/man-pages lint || rc=1

say "codespell"
git ls-files | grep -v '^LICENSES' | xargs codespell -L bu,busses,te,iput,useable,inout || rc=1

say "shellcheck"
shellcheck -x -e SC2317 vm/*.sh .ci/run vm/init lib/libsyslet/tests/run \
	fio/source.sh fio/bench.sh fio/tests/run \
	lib/libsyslet/tests/check lib/libsyslet/tests/man-pages \
	debian/tests/smoke debian/tests/tools \
	tools/testing/selftests/syslet/*.sh || rc=1

exit $rc
