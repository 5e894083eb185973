// SPDX-License-Identifier: GPL-2.0-only
/* What a program sees of entering the kernel: flags, steps, the other gate. */
#include "raw.h"

#include <ucontext.h>

THREADS_FIXTURE(entry)

#define FLAGS_ARITH	0x8d5	/* OF SF ZF AF PF CF */
#define FLAGS_TF	0x100
#define FLAGS_DF	0x400
#define FLAGS_AC	0x40000
#define FLAGS_ID	0x200000
#define FLAGS_ALL	(FLAGS_ARITH | FLAGS_DF | FLAGS_AC | FLAGS_ID)

/* Around SYSCALL; offsets are known to the assembler code. */
struct entry {
	uint64_t set;		/* 0: flags before */
	uint64_t clear;		/* 8 */
	uint64_t before;	/* 16: all flags then */
	uint64_t after;		/* 24 */
	uint64_t rcx;		/* 32 */
	uint64_t r11;		/* 40 */
	uint64_t ip;		/* 48: the instruction after SYSCALL */
};

static long call_with_flags(struct raw_call *call, struct entry *e)
{
	long ret;

	asm volatile(
		"xor %%r10d, %%r10d\n\t"
		"pushfq\n\t"
		"pushfq\n\t"
		"mov 8(%%rbx), %%rcx\n\t"
		"not %%rcx\n\t"
		"and %%rcx, (%%rsp)\n\t"
		"mov 0(%%rbx), %%rcx\n\t"
		"or %%rcx, (%%rsp)\n\t"
		"mov (%%rsp), %%rcx\n\t"
		"mov %%rcx, 16(%%rbx)\n\t"
		"popfq\n\t"
		"syscall\n"
		"1:\tmov %%r11, 40(%%rbx)\n\t"
		"mov %%rcx, 32(%%rbx)\n\t"
		"pushfq\n\t"
		"pop %%rcx\n\t"
		"mov %%rcx, 24(%%rbx)\n\t"
		"popfq\n\t"
		"lea 1b(%%rip), %%rcx\n\t"
		"mov %%rcx, 48(%%rbx)\n\t"
		: "=a" (ret)
		: "a" ((long)__NR_indirect), "b" (e), "D" (&call->regs),
		  "S" (&call->params), "d" (sizeof(call->params))
		: "rcx", "r10", "r11", "memory", "cc");
	return ret;
}

THREADS_TEST(entry, flags_rcx_and_r11_are_as_after_any_call)
{
	static const unsigned long sets[] = {
		0, FLAGS_ARITH, FLAGS_DF, FLAGS_AC, FLAGS_ID, FLAGS_ALL,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(sets); i++) {
		struct entry e = { .set = sets[i], .clear = FLAGS_ALL };
		struct raw_call call;

		CHECK(raw_prepare(&call, ring));
		CHECK(call_with_flags(&call, &e) == -ESYSLETPENDING);
		CHECK((e.before & FLAGS_ALL) == sets[i]);
		CHECK(e.after == e.before);
		CHECK(e.r11 == e.before);
		CHECK(e.rcx == e.ip);
		CHECK(blocker_end(&call.b, ring) == 1);
	}
	return NULL;
}

/* The program steps itself: as many traps, at the same places, as otherwise. */
static __thread volatile unsigned long steps[64];
static __thread volatile unsigned int nr_steps;

static void on_trap(int sig, siginfo_t *info, void *uc)
{
	if (nr_steps < ARRAY_LEN(steps))
		steps[nr_steps] = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
	nr_steps++;
}

static __attribute__((noinline)) long step_call(struct raw_call *call)
{
	long ret;

	asm volatile(
		"xor %%r10d, %%r10d\n\t"
		"pushfq\n\t"
		"orq %[tf], (%%rsp)\n\t"
		"popfq\n\t"
		"nop\n\t"
		"syscall\n\t"
		"nop\n\t"
		"nop\n\t"
		"nop\n\t"
		"pushfq\n\t"
		"andq %[notf], (%%rsp)\n\t"
		"popfq\n\t"
		: "=a" (ret)
		: "a" ((long)__NR_indirect), "D" (&call->regs), "S" (&call->params),
		  "d" (sizeof(call->params)), [tf] "i" (FLAGS_TF), [notf] "i" (~FLAGS_TF)
		: "rcx", "r10", "r11", "memory", "cc");
	return ret;
}

THREADS_TEST(entry, single_steps_are_neither_lost_nor_added)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	unsigned long ref[ARRAY_LEN(steps)];
	unsigned int i, nr_ref;
	struct raw_call call;

	CHECK(!sigaction(SIGTRAP, &sa, NULL));
	CHECK(!force_handoff(ring));
	/* for comparison: one that does not block */
	CHECK(raw_prepare(&call, ring));
	CHECK(write(call.b.fd[1], "x", 1) == 1);
	nr_steps = 0;
	CHECK(step_call(&call) == 1);
	nr_ref = nr_steps;
	for (i = 0; i < ARRAY_LEN(ref); i++)
		ref[i] = steps[i];
	CHECK(nr_ref >= 5 && nr_ref < ARRAY_LEN(ref));

	for (int n = 0; n < 3; n++) {
		CHECK(raw_prepare(&call, ring));
		nr_steps = 0;
		CHECK(step_call(&call) == -ESYSLETPENDING);
		CHECK(nr_steps == nr_ref);
		for (i = 0; i < nr_ref; i++)
			CHECK(steps[i] == ref[i]);
		CHECK(blocker_end(&call.b, ring) == 1);
		/* the other task does not go on stepping */
		CHECK(nr_steps == nr_ref);
	}
	return NULL;
}

/* --- faults: what the handler of a signal is told of the last trap ------------ */

/* Volatile: the handler writes it. */
static __thread volatile struct fault {
	int nr;
	void *addr;
	unsigned long trap, err, cr2;
} fault;

static void *faulty;	/* a page that the handler makes accessible */

static void note_trap(siginfo_t *info, void *uc)
{
	greg_t *regs = ((ucontext_t *)uc)->uc_mcontext.gregs;

	fault.nr++;
	fault.addr = info->si_addr;
	fault.trap = regs[REG_TRAPNO];
	fault.err = regs[REG_ERR];
	fault.cr2 = regs[REG_CR2];
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	note_trap(info, uc);
	if (mprotect(faulty, 4096, PROT_READ | PROT_WRITE))
		_exit(1);
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	note_trap(info, uc);
}

#define TRAP_PF		14
#define PF_WRITE	2
#define PF_USER		4

/* A page that is not there, by a read or a write; it is the one and only fault. */
static const char *check_fault(bool writes, int at)
{
	volatile char *p;

	faulty = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(faulty != MAP_FAILED);
	p = (char *)faulty + at;
	fault = (struct fault){ 0 };
	if (writes)
		*p = 1;
	else
		(void)*p;
	CHECK(fault.nr == 1 && fault.addr == p && fault.cr2 == P(p));
	CHECK(fault.trap == TRAP_PF && fault.err == (PF_USER | (writes ? PF_WRITE : 0)));
	CHECK(!munmap(faulty, 4096));
	return NULL;
}

static bool catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	struct sigaction usr = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	return !sigaction(SIGSEGV, &sa, NULL) && !sigaction(SIGUSR1, &usr, NULL);
}

THREADS_TEST(entry, faults_after_handoffs_tell_address_and_cause)
{
	struct blocker b[3];
	const char *err;

	CHECK(catch_faults());
	for (int i = 0; i < 12; i++) {
		CHECK(blocker_begin(&b[i % 3], ring, i) == -ESYSLETPENDING);
		err = check_fault(i % 2, 100 + i);
		if (err)
			return err;
		/* the last one runs in a task that has seen other faults */
		CHECK(i < 2 || blocker_end(&b[(i + 1) % 3], ring) == 1);
		err = check_fault(!(i % 2), 200 + i);
		if (err)
			return err;
	}
	return NULL;
}

/* The kernel's own fault in a call of the thread, or of a runner, is not told. */
THREADS_TEST(entry, last_trap_stays_that_of_the_thread)
{
	struct syslet_completion comp = {};
	struct fault last;
	const char *err;
	int fd[2];
	char c;

	CHECK(catch_faults() && !pipe(fd) && !force_handoff(ring));
	err = check_fault(true, 77);
	if (err)
		return err;
	CHECK(!raise(SIGUSR1));
	last = fault;
	CHECK(last.trap == TRAP_PF && last.err == (PF_USER | PF_WRITE) && (last.cr2 & 4095) == 77);
	for (int i = 0; i < 4; i++) {
		CHECK(submit(ring, CALL(__NR_read, fd[0], 8, 1), 0) == -ESYSLETPENDING);
		fault = (struct fault){ 0 };
		CHECK(!raise(SIGUSR1) && fault.nr == 1 && fault.trap == last.trap);
		CHECK(fault.err == last.err && fault.cr2 == last.cr2);
		CHECK(write(fd[1], "x", 1) == 1 && !ring_reap(ring, &comp));
		CHECK((long)comp.status == -EFAULT && read(fd[0], &c, 1) == 1);
		CHECK(!raise(SIGUSR1) && fault.nr == 2 && fault.trap == last.trap);
		CHECK(fault.err == last.err && fault.cr2 == last.cr2);
	}
	return NULL;
}

/* The i386 gate: int $0x80 changes no register but the result. */
#define I386_READ	3
#define I386_GETPID	20

struct int80_regs {
	uint64_t r[15];		/* rax rbx rcx rdx rsi rdi rbp r8 ... r15 */
};

struct int80_call {
	struct int80_regs out;
	struct indirect_registers regs;
	struct indirect_params params;
	struct syslet_ring ring;
	struct syslet_completion comp[4];
	char c;
};

static void int80_indirect(struct int80_call *call, struct int80_regs *out, bool ring)
{
	register uint64_t regs asm("r8") = P(&call->regs);
	register uint64_t params asm("r9") = ring ? P(&call->params) : 0;
	uint64_t len = ring ? sizeof(call->params) : 0;
	long nr = __NR_indirect;

	asm volatile(
		"push %%rbp\n\t"
		"push %%rbx\n\t"
		"push %%rdi\n\t"
		"mov %%r8, %%rbx\n\t"
		"mov %%r9, %%rcx\n\t"
		"xor %%esi, %%esi\n\t"
		"mov $0x7777777777777777, %%rdi\n\t"
		"lea 1(%%rdi), %%rbp\n\t"
		".irp n,8,9,10,11,12,13,14,15\n\t"
		"lea \\n(%%rdi), %%r\\n\n\t"
		".endr\n\t"
		"int $0x80\n\t"
		"xchg %%rax, (%%rsp)\n\t"
		"mov %%rbx, 8(%%rax)\n\t"
		"mov %%rcx, 16(%%rax)\n\t"
		"mov %%rdx, 24(%%rax)\n\t"
		"mov %%rsi, 32(%%rax)\n\t"
		"mov %%rdi, 40(%%rax)\n\t"
		"mov %%rbp, 48(%%rax)\n\t"
		".irp n,8,9,10,11,12,13,14,15\n\t"
		"mov %%r\\n, 8*\\n-8(%%rax)\n\t"
		".endr\n\t"
		"pop %%rcx\n\t"
		"mov %%rcx, 0(%%rax)\n\t"
		"pop %%rbx\n\t"
		"pop %%rbp\n\t"
		: "+a" (nr), "+d" (len), "+D" (out), "+r" (regs), "+r" (params)
		: : "rcx", "rsi", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

static bool have_int80(void)
{
	struct int80_call *call = low_memory();
	struct int80_regs out;

	if (!call)
		return false;
	call->regs = CALL(I386_GETPID);
	int80_indirect(call, &out, false);
	return (int)out.r[0] == getpid();
}

THREADS_TEST_IF(entry, i386_call_that_blocks_changes_no_register, have_int80(),
		"no IA32 emulation")
{
	struct int80_call *call = low_memory();
	struct syslet_completion comp = {};
	struct int80_regs ref, out;
	int fd[2];

	CHECK(call);
	CHECK(!pipe(fd));
	call->ring.elements = ARRAY_LEN(call->comp);
	call->params.syslet.completion_ring_ptr = P(&call->ring);
	call->regs = CALL(I386_READ, fd[0], P(&call->c), 1);
	CHECK(write(fd[1], "x", 1) == 1);
	int80_indirect(call, &ref, true);
	CHECK(ref.r[0] == 1 && call->c == 'x');

	for (int i = 0; i < 4; i++) {
		int80_indirect(call, &out, true);
		CHECK((int)out.r[0] == -ESYSLETPENDING);
		CHECK(!memcmp(&out.r[1], &ref.r[1], sizeof(out) - 8));
		CHECK(write(fd[1], "y", 1) == 1);
		CHECK(!ring_reap(&call->ring, &comp));
		CHECK(comp.status == 1 && call->c == 'y');
		/* a task that came in by one gate leaves by the other */
		if (i % 2)
			CHECK(!force_handoff(ring));
	}
	return NULL;
}

TEST_HARNESS_MAIN
