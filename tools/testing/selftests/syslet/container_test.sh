#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a container (bubblewrap), under the seccomp profile that container engines
# use by default:
#
#   guest, root
#   +-- mount namespace: what / is can be left, unlike an initramfs
#       +-- nobody: bwrap
#           +-- user, PID, network, IPC, UTS, cgroup, mount namespaces;
#               root on tmpfs, filter "syslets" (knows them) or "default"
#               +-- selftests, library tests
#
# TAP. Needs what vm/container.sh puts into the guest.
filters=/opt/container
tests=/opt/syslet-tests
lib=/opt/libsyslet-tests

n=0
rc=0

# ok NAME, not_ok NAME FILE: the result of one test, what it had to say
ok()
{
	n=$((n + 1))
	echo "ok $n $1"
}

not_ok()
{
	n=$((n + 1))
	rc=1
	sed 's/^/# /' "$2"
	echo "not ok $n $1"
}

# contain FILTER COMMAND: as nobody, in a container
contain()
{
	su nobody -s /bin/sh -c "exec bwrap --unshare-all --die-with-parent --hostname inside \
		--tmpfs / --ro-bind /bin /bin --ro-bind /opt /opt --ro-bind /lib /lib \
		--ro-bind /lib64 /lib64 --dev /dev --proc /proc --tmpfs /tmp --chdir /tmp \
		--setenv PATH /bin --seccomp 9 $2 9<$filters/$1.bpf"
}

# try NAME FILTER COMMAND
try()
{
	if contain "$2" "$3" >"$out" 2>&1; then
		ok "$1"
	else
		not_ok "$1 (status $?)" "$out"
	fi
}

if [ ! -x /usr/bin/bwrap ] || [ ! -r "$filters/syslets.bpf" ]; then
	echo "1..0 # SKIP no bwrap, or no filters: type make image"
	exit 0
fi
# A container changes its root by pivot_root(2), which an initramfs does not allow.
if [ -z "$CONTAINER_TEST" ]; then
	mkdir -p /tmp/container-root
	# shellcheck disable=SC2016 # for the shell in the namespace
	CONTAINER_TEST=1 exec unshare -m sh -c 'mount --rbind / /tmp/container-root &&
		cd /tmp/container-root && mount --move . / && exec chroot . "$0"' "$0"
fi

out=/tmp/container-test.$$
trap 'rm -f "$out"' EXIT
chmod 755 /opt /root 2>/dev/null
set --
for t in "$lib"/t-*; do
	# calls unshare(2) itself
	[ "${t##*/}" = t-identity ] || set -- "$@" "${t##*/}"
done
# on slow kernels a part of them
[ -z "$SYSLET_QUICK" ] || set -- t-batch t-blocked t-calls t-filter t-threads t-wait
selftests="async client2007 cpu observer ring timer"
# shellcheck disable=SC2086 # a list
echo "1..$((2 + $(echo $selftests | wc -w) + 2 * $#))"

try forbidden_calls_have_the_same_error_by_indirect syslets "$tests/container_probe syslets"
try calls_of_syslets_are_not_known_to_the_default_profile default "$tests/container_probe default"
for t in $selftests; do
	try "selftest_$t" syslets "$tests/${t}_test"
done
for t in "$@"; do
	for filter in syslets default; do
		contain $filter "$lib/$t" >"$out" 2>&1
		case $? in
		0) ok "library_${t#t-}_$filter" ;;
		77) ok "library_${t#t-}_$filter # SKIP" ;;
		*) not_ok "library_${t#t-}_$filter" "$out" ;;
		esac
	done
done
exit $rc
