/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM syslet

#if !defined(_TRACE_SYSLET_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SYSLET_H

#include <linux/indirect.h>
#include <linux/tracepoint.h>
#include <asm/syscall.h>

struct syslet_call_state;

#ifdef CREATE_TRACE_POINTS
static inline u64 syslet_trace_nr(const struct syslet_call_state *call)
{
	return syscall_get_nr(current, call->regs);
}

static inline u64 syslet_trace_data(const struct syslet_call_state *call)
{
	return call->args->caller_data;
}
#endif

/* A call is about to run that may go async. */
TRACE_EVENT(syslet_arm,
	TP_PROTO(const struct syslet_call_state *call),
	TP_ARGS(call),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->nr = syslet_trace_nr(call);
		__entry->data = syslet_trace_data(call);
	),
	TP_printk("nr=%llu data=0x%llx", __entry->nr, __entry->data)
);

/* A call cannot go async, and has not run. */
TRACE_EVENT(syslet_refuse,
	TP_PROTO(struct pt_regs *regs, const struct syslet_args *args),
	TP_ARGS(regs, args),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
		__field(bool, sync_ok)
	),
	TP_fast_assign(
		__entry->nr = syscall_get_nr(current, regs);
		__entry->data = args->caller_data;
		__entry->sync_ok = args->flags & SYSLET_SYNC_OK;
	),
	TP_printk("nr=%llu data=0x%llx sync_ok=%d", __entry->nr, __entry->data,
		  __entry->sync_ok)
);

/* An armed call is about to sleep: its user side is offered to a spare. */
TRACE_EVENT(syslet_block,
	TP_PROTO(const struct syslet_call_state *call, unsigned int state),
	TP_ARGS(call, state),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
		__field(unsigned int, state)
	),
	TP_fast_assign(
		__entry->nr = syslet_trace_nr(call);
		__entry->data = syslet_trace_data(call);
		__entry->state = state;
	),
	TP_printk("nr=%llu data=0x%llx state=0x%x", __entry->nr, __entry->data,
		  __entry->state)
);

/* The current task has adopted the user side of @runner. */
TRACE_EVENT(syslet_handoff,
	TP_PROTO(const struct syslet_call_state *call, const struct task_struct *runner),
	TP_ARGS(call, runner),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
		__field(pid_t, runner)
	),
	TP_fast_assign(
		__entry->nr = syslet_trace_nr(call);
		__entry->data = syslet_trace_data(call);
		__entry->runner = runner->pid;
	),
	TP_printk("nr=%llu data=0x%llx runner=%d", __entry->nr, __entry->data,
		  __entry->runner)
);

/* The runner of a call was asked to end it. */
TRACE_EVENT(syslet_cancel,
	TP_PROTO(const struct syslet_call_state *call),
	TP_ARGS(call),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->nr = syslet_trace_nr(call);
		__entry->data = syslet_trace_data(call);
	),
	TP_printk("nr=%llu data=0x%llx", __entry->nr, __entry->data)
);

/* A runner is done with the call. */
TRACE_EVENT(syslet_finish,
	TP_PROTO(const struct syslet_call_state *call, long ret),
	TP_ARGS(call, ret),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, data)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->nr = syslet_trace_nr(call);
		__entry->data = syslet_trace_data(call);
		__entry->ret = ret;
	),
	TP_printk("nr=%llu data=0x%llx ret=%ld", __entry->nr, __entry->data,
		  __entry->ret)
);

/* A completion was added to a ring, or lost if @err is set. */
TRACE_EVENT(syslet_post,
	TP_PROTO(const void __user *ring, u64 status, u64 data, int err),
	TP_ARGS(ring, status, data, err),
	TP_STRUCT__entry(
		__field(const void __user *, ring)
		__field(u64, status)
		__field(u64, data)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->ring = ring;
		__entry->status = status;
		__entry->data = data;
		__entry->err = err;
	),
	TP_printk("ring=%p status=%lld data=0x%llx err=%d", __entry->ring,
		  __entry->status, __entry->data, __entry->err)
);

/* A wait for completions has ended. */
TRACE_EVENT(syslet_wait,
	TP_PROTO(const void __user *ring, u32 idx, u32 nr, int ret),
	TP_ARGS(ring, idx, nr, ret),
	TP_STRUCT__entry(
		__field(const void __user *, ring)
		__field(u32, idx)
		__field(u32, nr)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->ring = ring;
		__entry->idx = idx;
		__entry->nr = nr;
		__entry->ret = ret;
	),
	TP_printk("ring=%p idx=%u nr=%u ret=%d", __entry->ring, __entry->idx,
		  __entry->nr, __entry->ret)
);

/* A spare was cloned for the current thread. */
TRACE_EVENT(syslet_clone,
	TP_PROTO(const struct task_struct *spare),
	TP_ARGS(spare),
	TP_STRUCT__entry(
		__field(pid_t, spare)
	),
	TP_fast_assign(
		__entry->spare = spare->pid;
	),
	TP_printk("spare=%d", __entry->spare)
);

#endif /* _TRACE_SYSLET_H */

#include <trace/define_trace.h>
