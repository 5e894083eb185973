#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: fuzz SECONDS SEED [PART ...], with the disk that vm/fuzz.sh made
# in /dev/vda. One line for each part:
#
#   own          our fuzzer: hostile arguments, rings, threads; and calls whose
#                completions are counted (tools/testing/selftests/syslet/fuzz.c)
#   trinity      system calls at random, as they are
#   trinity-syslet   the same, through indirect(2), by fuzz_preload.so
#   stress-ng    many programs that are heavy on the kernel, as they are
#   stress-ng-syslet   the same, through indirect(2)
#
# Fails if a part found something. What the kernel says is for the host to read.
seconds=$1
seed=$2
shift 2
[ $# != 0 ] || set -- own trinity trinity-syslet stress-ng stress-ng-syslet
top=/opt/fuzz
cgroup=/sys/fs/cgroup/fuzz
work=/tmp/fuzz
counts=$work/counts
# Shares of the time, in percent; what is not asked for is given to the rest.
shares="own:40 trinity:10 trinity-syslet:25 stress-ng:5 stress-ng-syslet:20"
# The longest that one seed is at work; a kernel for debugging is slow.
round=30
[ ! -e /sys/kernel/debug/syslet/delay ] || round=90
rc=0

# Left out are those that fail, or do nothing, by themselves here: they need
# modules, devices or privileges.
stressors="access chdir chmod clock close copy-file dentry dir dirdeep dup epoll eventfd
	fallocate fault fcntl fifo file-ioctl flock fork fpunch fstat full futex get getdent
	handle inotify io itimer kcmp key kill link locka lockf lockofd madvise memfd mincore
	mmap mprotect mq mremap msg msync munmap mutex nanosleep null open pipe poll procfs
	pthread pty readahead rename ring-pipe rlimit schedpolicy seek sem-sysv sendfile shm
	shm-sysv sigfd sigpending sigpipe sigq sigrt sigsuspend sleep sock sockfd sockpair
	spawn splice switch symlink sync-file tee timer timerfd touch udp unshare urandom
	userfaultfd utime vfork vm-rw vm-splice wait xattr yield zero zombie"

now()
{
	cut -d. -f1 /proc/uptime
}

# A group of processes that is bounded, and ended as a whole.
box_make()
{
	echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p "$cgroup"
	echo 400 >"$cgroup/pids.max"
	echo 900M >"$cgroup/memory.max"
}

box_empty()
{
	echo 1 >"$cgroup/cgroup.kill"
	i=0
	while grep -q 'populated 1' "$cgroup/cgroup.events"; do
		i=$((i + 1))
		if [ "$i" -gt 1200 ]; then
			echo "fuzz: these do not die:"
			while read -r t; do
				head -v -n 9 "/proc/$t/status" "/proc/$t/stack"
			done <"$cgroup/cgroup.threads"
			rc=1
			return 1
		fi
		usleep 50000
	done
}

tasks()
{
	sed 's,.*/\([0-9]*\) .*,\1,' /proc/loadavg
}

files()
{
	cut -f1 /proc/sys/fs/file-nr
}

# As many tasks and open files as in the beginning, about: kernel threads come
# and go, and files are counted by the dozen.
wait_for_the_rest()
{
	i=0
	while [ "$(tasks)" -gt $((tasks + 12)) ] || [ "$(files)" -gt $((files + 256)) ]; do
		i=$((i + 1))
		if [ "$i" -gt 600 ]; then
			echo "fuzz: left behind: tasks $tasks -> $(tasks), files $files -> $(files)"
			ps
			rc=1
			return
		fi
		usleep 100000
	done
}

# Namespaces and a user of its own, in a directory of its own.
box_run()
{
	rm -rf "$work/dir"
	mkdir -p "$work/dir"
	chown 65534 "$work/dir"
	(
		echo 0 >"$cgroup/cgroup.procs"
		cd "$work/dir" || exit
		exec unshare -m -p -f -n -i -u --mount-proc "$top/bin/setpriv" \
			--reuid 65534 --regid 65534 --clear-groups "$@"
	) >"$work/out" 2>&1
	box_status=$?
	box_empty
}

counts_clear()
{
	head -c 32 /dev/zero >$counts
	chmod 666 $counts
}

# calls pending left cancelled
counts_read()
{
	od -An -v -t u8 -w32 $counts
}

found()
{
	tail -n 40 "$work/out"
	echo "fuzz: $1: $2"
	rc=1
}

report()
{
	echo "fuzz: $1: $2 seconds, $3 calls, $4 pending, $5 restarts"
}

share()
{
	for s in $shares; do
		[ "${s%:*}" != "$1" ] || echo "${s#*:}"
	done
}

part_own()
{
	# rings with pages that take their time to come
	echo 1 >/proc/sys/vm/unprivileged_userfaultfd
	/opt/syslet-tests/fuzz -t "$1" -s "$seed" || rc=1
	echo 0 >/proc/sys/vm/unprivileged_userfaultfd
}

# Rounds of "round_PROGRAM SECONDS SEED" until the time is up.
rounds()
{
	name=$1
	begun=$(now)
	end=$((begun + $2))
	n=0
	made=0
	pending=0
	preload=
	case $name in
	trinity*) program=trinity ;;
	*) program=stress ;;
	esac
	case $name in
	*-syslet) preload="LD_PRELOAD=$top/lib/fuzz_preload.so SYSLET_COUNTS=$counts" ;;
	esac
	while left=$((end - $(now))) && [ $left -gt 1 ]; do
		[ $left -lt $round ] || left=$round
		counts_clear
		"round_$program" $left $((seed + n))
		# shellcheck disable=SC2046 # four numbers
		set -- $(counts_read)
		[ -z "$preload" ] || calls=$1
		made=$((made + calls))
		pending=$((pending + $2))
		n=$((n + 1))
	done
	report "$name" $(($(now) - begun)) $made $pending $((n - 1))
	if [ -n "$preload" ] && [ $made = 0 ]; then
		found "$name" "no call was made through indirect(2): the preload does not work"
	fi
}

# Its tables of sockets make it crash by themselves, and its 32-bit calls would
# not pass the preload. A thread that has perf events is refused.
round_trinity()
{
	# shellcheck disable=SC2086 # lists
	box_run timeout -s INT -k 10 "$1" env $preload ${preload:+SYSLET_PRELOAD=leave} \
		"$top/bin/trinity" -q -q -l off -a64 -s "$2" -C 8 -V /dev --disable-fds=sockets \
		${preload:+--disable-fds=perf -x perf_event_open -x io_uring_setup} \
		-x socket -x socketpair -x accept -x accept4
	calls=$(sed -n -e 's/.*Ran \([0-9]*\) syscalls.*/\1/p' \
		-e 's/.*\] \([0-9]*\) iterations.*/\1/p' "$work/out" | sort -n | tail -n 1)
	calls=${calls:-0}
	grep -q 'fd providers' "$work/out" || found "$name" "trinity did not start, seed $2"
}

# Six at once; which ones the seed decides.
choose()
{
	# shellcheck disable=SC2086 # a list
	printf '%s\n' $stressors | awk -v seed="$1" '
		BEGIN { srand(seed) }
		{ name[NR] = $1 }
		END {
			for (i = 1; i <= 6; i++) {
				do { n = 1 + int(rand() * NR) } while (taken[n]++)
				printf "--%s 1 ", name[n]
			}
		}'
}

round_stress()
{
	chosen=$(choose "$2")
	# shellcheck disable=SC2086 # lists
	box_run timeout -k 10 $(($1 + 60)) env $preload "$top/bin/stress-ng" --temp-path . \
		--seed "$2" --verify --oomable --metrics-brief -t "$1" $chosen
	calls=$(awk '/ metrc: / && $5 ~ /^[0-9]+$/ { n += $5 } END { print n + 0 }' "$work/out")
	# 3: a stressor found that it lacks something
	case $box_status in
	0 | 3) ;;
	*) found "$name" "status $box_status, seed $2: $chosen" ;;
	esac
	# a completion that nobody waits for, a wait that fails
	if grep -q '^fuzz_preload: ' "$work/out"; then
		found "$name" "a promise was broken, seed $2: $chosen"
	fi
}

box_make
mkdir -p $top $work
chmod 777 $work
mount -t ext4 -o ro /dev/vda $top
export LD_LIBRARY_PATH=$top/lib
sum=0
for part in "$@"; do
	case $shares in
	*"$part:"*) ;;
	*)
		echo "fuzz: no part is called $part; there are: ${shares}"
		exit 2
		;;
	esac
	sum=$((sum + $(share "$part")))
done
tasks=$(tasks)
files=$(files)
leaks forget
for part in "$@"; do
	time=$((seconds * $(share "$part") / sum))
	case $part in
	own) part_own $time ;;
	*) rounds "$part" $time ;;
	esac
done
wait_for_the_rest
leaks check || rc=1
exit $rc
