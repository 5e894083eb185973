#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: strace and gdb look at a program that makes syslets. TAP.
program=/opt/syslet-tests/traced
dir=$(mktemp -d)
n=0 rc=0

# result "what it is about": of the command before it
result()
{
	# shellcheck disable=SC3043 # busybox has it
	local status=$? not=

	if [ $status != 0 ]; then
		not='not ' rc=1
	fi
	n=$((n + 1))
	echo "${not}ok $n $1"
	[ -z "$not" ] || sed 's/^/# /' "$dir"/log "$dir"/err 2>/dev/null | tail -n 40
}

# Wait until a file has a line like that, or a process is gone.
until_line()
{
	until grep -q -- "$2" "$1" 2>/dev/null; do
		kill -0 "$3" 2>/dev/null || return 1
		usleep 20000
	done
}

# Start the program that goes on until it is told to end; $pid.
start_storm()
{
	rm -f "$dir"/*
	"$program" storm >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_line "$dir/out" ready $pid
}

# It has found nothing wrong.
end_storm()
{
	kill -TERM "$pid" || return 1
	wait "$pid"
	[ $? = 33 ]
}

# The calls between the two marks, one a line, without what is different each time.
calls()
{
	sed -e 's/^[0-9]* *//' "$1" | sed -n '/^lseek(-1, 1000,/,/^lseek(-1, 2000,/p' |
		sed -e '/^lseek(-1, [12]000,/d' -e "s/^syscall_$indirect(.*)/indirect()/" \
		-e "s/^syscall_$submit(.*)/syslet_submit()/" \
		-e 's/^read([0-9]*, 0x[0-9a-f]*, 1)/read()/' -e '/^getppid()/s/ = [1-9].*/ = PID/' \
		-e 's/ \+/ /g'
}

strace_shows_inner_calls()
{
	strace -f -o "$dir/log" "$program" once 2>"$dir/err"
	[ $? = 33 ] || return 1
	cat >"$dir/want" <<-EOT
		indirect() = 0
		getppid() = PID
		getppid() = PID
		indirect() = 0
		lseek(-1, 4711, SEEK_SET) = -1 EBADF (Bad file descriptor)
		indirect() = 0
		read() = -1 (errno 134)
		syslet_submit() = 0
		getuid() = 0
		read() = -1 (errno 134)
		lseek(-1, 4712, SEEK_SET) = -1 EBADF (Bad file descriptor)
	EOT
	calls "$dir/log" >"$dir/got"
	diff "$dir/want" "$dir/got" >"$dir/err"
}

# By name; those that it has no name for it does not count.
strace_counts_inner_calls()
{
	strace -f -c -o "$dir/log" "$program" once 2>"$dir/err"
	[ $? = 33 ] || return 1
	awk '$NF == "getppid" { ppid = $4 }
		$NF == "lseek" { lseek = $4 }
		$NF == "read" { pending = $5 }
		END { exit !(ppid == 2 && lseek == 4 && pending == 2) }' "$dir/log"
}

# The others do not stop at all, but for those that it has no name for.
strace_filters_inner_calls()
{
	strace -f --seccomp-bpf -e trace=getppid,lseek -o "$dir/log" "$program" once 2>"$dir/err"
	[ $? = 33 ] || return 1
	cat >"$dir/want" <<-EOT
		getppid() = PID
		getppid() = PID
		lseek(-1, 4711, SEEK_SET) = -1 EBADF (Bad file descriptor)
		lseek(-1, 4712, SEEK_SET) = -1 EBADF (Bad file descriptor)
	EOT
	calls "$dir/log" | grep -v '^indirect\|^syslet_submit' >"$dir/got"
	diff "$dir/want" "$dir/got" >"$dir/err"
}

# By its first thread, then by both of them and all that work for them.
strace_attaches()
{
	start_storm || return 1
	strace ${1:+"$1"} -o "$dir/log" -p $pid 2>"$dir/strace" &
	tracer=$!
	until_line "$dir/log" 'read(.*errno 134' $tracer || return 1
	kill -INT $tracer
	wait $tracer
	end_storm
}

# Again and again, so that it comes and goes at all times.
strace_comes_and_goes()
{
	start_storm || return 1
	for _ in 1 2 3 4 5 6; do
		rm -f "$dir/log"
		strace -f -o "$dir/log" -p $pid 2>"$dir/strace" &
		tracer=$!
		until_line "$dir/log" ' = ' $tracer || return 1
		kill -INT $tracer
		wait $tracer
	done
	end_storm
}

gdb_run()
{
	gdb -nx -batch "$@" >"$dir/log" 2>&1
}

# One instruction over a call: where it is then, what it returned.
# shellcheck disable=SC2016 # these are variables of gdb
gdb_steps_over_calls()
{
	gdb_run -ex 'set pagination off' -ex 'break traced_call' -ex run \
		-ex nexti -ex 'print (long)$pc - (long)&traced_next' -ex 'print $rax > 1' \
		-ex continue -ex nexti -ex 'print (long)$pc - (long)&traced_next' -ex 'print $rax' \
		-ex 'info threads' -ex continue --args "$program" once
	[ "$(grep '^\$[1-9] = ' "$dir/log" | cut -d' ' -f3 | xargs)" = '0 1 0 -134' ] &&
		grep -q 'exited with code 041' "$dir/log"
}

gdb_attaches()
{
	start_storm || return 1
	for _ in 1 2 3; do
		gdb_run -ex 'set pagination off' -ex 'info threads' -ex 'thread apply all bt 1' \
			-ex detach -p $pid || return 1
		grep -q '^. *[0-9]* *LWP\|Thread' "$dir/log" || return 1
	done
	end_storm
}

# With a breakpoint that the threads meet on whichever task they are.
gdb_stops_at_breakpoints()
{
	start_storm || return 1
	gdb_run -ex 'set pagination off' -ex 'break gettid' -ex continue -ex stepi -ex nexti \
		-ex continue -ex continue -ex 'delete 1' -ex detach "$program" -p $pid || return 1
	[ "$(grep -c 'hit Breakpoint 1' "$dir/log")" -ge 3 ] || return 1
	end_storm
}

# shellcheck disable=SC2046 # two words
set -- $("$program" numbers)
indirect=$1 submit=$2

echo 1..9
if command -v strace >/dev/null; then
	strace_shows_inner_calls
	result "strace shows inner calls with arguments and results"
	strace_counts_inner_calls
	result "strace counts inner calls"
	strace_filters_inner_calls
	result "strace shows inner calls that its filter has picked"
	strace_attaches ''
	result "strace attaches to a thread with calls in flight and detaches"
	strace_attaches -f
	result "strace attaches to all tasks with calls in flight and detaches"
	strace_comes_and_goes
	result "strace comes and goes"
else
	for n in 1 2 3 4 5 6; do echo "ok $n # SKIP no strace in the image"; done
fi
if command -v gdb >/dev/null; then
	gdb_steps_over_calls
	result "gdb steps over calls that return and that block"
	gdb_attaches
	result "gdb attaches with calls in flight and detaches"
	gdb_stops_at_breakpoints
	result "gdb stops at breakpoints in a storm of handoffs"
else
	for n in 7 8 9; do echo "ok $n # SKIP no gdb in the image"; done
fi
rm -rf "$dir"
exit $rc
