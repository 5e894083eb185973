// SPDX-License-Identifier: GPL-2.0-only
/* A program cannot tell that a handoff happened: vector registers, PKRU. */
#include "raw.h"

#include <cpuid.h>
#include <setjmp.h>

THREADS_FIXTURE(cpu)

#define XCR0_AVX	0x06
#define XCR0_AVX512	0xe6

static bool have_xcr0(unsigned int want)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	asm volatile("xgetbv" : "=a" (a), "=d" (d) : "c" (0));
	return (a & want) == want;
}

static bool have_avx(void)
{
	unsigned int a, b, c, d;

	return have_xcr0(XCR0_AVX) && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX);
}

static bool have_avx512(void)
{
	unsigned int a, b, c, d;

	return have_xcr0(XCR0_AVX512) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
	       (b & bit_AVX512F);
}

static void fill(unsigned char *p, size_t len, unsigned char seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = i * 7 + (i >> 8) + seed;
}

/*
 * What the assembler code below reads and writes, through %rbx: load vector
 * registers, make a call that blocks, store them. Then load others, end the
 * call, and store them when *word is no longer @idle: when the runner has been
 * where it has to go.
 */
struct vectors {
	const void *in;			/* 0 */
	void *out;			/* 8 */
	const void *in_pending;		/* 16 */
	void *out_done;			/* 24 */
	volatile uint32_t *word;	/* 32 */
	uint64_t idle;			/* 40 */
	uint64_t fd;			/* 48 */
	long ret;			/* 56 */
	struct indirect_registers *regs; /* 64 */
	struct indirect_params *params;	/* 72 */
};

#define ALL_16	"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define ALL_32	ALL_16 ",16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define YMM_LOAD	".irp n," ALL_16 "; vmovdqu 32*\\n(%%rax), %%ymm\\n; .endr\n\t"
#define YMM_STORE	".irp n," ALL_16 "; vmovdqu %%ymm\\n, 32*\\n(%%rcx); .endr\n\t"
#define ZMM_LOAD	".irp n," ALL_32 "; vmovdqu64 64*\\n(%%rax), %%zmm\\n; .endr\n\t" \
			".irp n,0,1,2,3,4,5,6,7; kmovw 2048+8*\\n(%%rax), %%k\\n; .endr\n\t"
#define ZMM_STORE	".irp n," ALL_32 "; vmovdqu64 %%zmm\\n, 64*\\n(%%rcx); .endr\n\t" \
			".irp n,0,1,2,3,4,5,6,7; kmovw %%k\\n, 2048+8*\\n(%%rcx); .endr\n\t"
#define YMM_SIZE	(16 * 32)
#define ZMM_SIZE	(32 * 64 + 8 * 8)

#define VECTOR_CALL(name, load, store) \
static void name(struct vectors *v) \
{ \
	asm volatile( \
		"mov 0(%%rbx), %%rax\n\t" load \
		"mov %[indirect], %%eax\n\t" \
		"mov 64(%%rbx), %%rdi\n\t" \
		"mov 72(%%rbx), %%rsi\n\t" \
		"mov %[len], %%edx\n\t" \
		"xor %%r10d, %%r10d\n\t" \
		"syscall\n\t" \
		"mov %%rax, 56(%%rbx)\n\t" \
		"mov 8(%%rbx), %%rcx\n\t" store \
		"cmp %[pending], %%rax\n\t" \
		"jne 2f\n\t" \
		"mov 16(%%rbx), %%rax\n\t" load \
		"mov %[write], %%eax\n\t" \
		"mov 48(%%rbx), %%rdi\n\t" \
		"mov %%rbx, %%rsi\n\t" \
		"mov $1, %%edx\n\t" \
		"syscall\n" \
		"1:\tmov %[yield], %%eax\n\t" \
		"syscall\n\t" \
		"mov 32(%%rbx), %%rcx\n\t" \
		"mov 40(%%rbx), %%eax\n\t" \
		"cmp (%%rcx), %%eax\n\t" \
		"je 1b\n\t" \
		"mov 24(%%rbx), %%rcx\n\t" store \
		"2:\tvzeroupper\n\t" \
		: : "b" (v), [indirect] "i" (__NR_indirect), [write] "i" (__NR_write), \
		  [yield] "i" (__NR_sched_yield), [pending] "i" (-ESYSLETPENDING), \
		  [len] "i" (sizeof(struct indirect_params)) \
		: "rax", "rcx", "rdx", "rsi", "rdi", "r10", "r11", "memory", "cc", \
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"); \
}

VECTOR_CALL(ymm_call, YMM_LOAD, YMM_STORE)
VECTOR_CALL(zmm_call, ZMM_LOAD, ZMM_STORE)

static const char *check_vectors(struct syslet_ring *ring, void (*call)(struct vectors *v),
				 size_t size)
{
	static unsigned char in[ZMM_SIZE], out[ZMM_SIZE], in2[ZMM_SIZE], out2[ZMM_SIZE];
	struct syslet_completion comp = {};
	struct raw_call raw;
	struct vectors v = {
		.in = in, .out = out, .in_pending = in2, .out_done = out2,
		.regs = &raw.regs, .params = &raw.params, .word = &ring->kernel_head,
	};

	for (int i = 0; i < 5; i++) {
		fill(in, size, 1 + i);
		fill(in2, size, 101 + i);
		memset(out, 0, size);
		memset(out2, 0, size);
		CHECK(raw_prepare(&raw, ring));
		v.fd = raw.b.fd[1];
		v.idle = ring->kernel_head;
		call(&v);
		CHECK(v.ret == -ESYSLETPENDING);
		CHECK(!memcmp(in, out, size));
		CHECK(!memcmp(in2, out2, size));
		CHECK(!ring_reap(ring, &comp) && comp.status == 1);
	}
	return NULL;
}

THREADS_TEST_IF(cpu, ymm_registers_stay_while_pending_and_when_done, have_avx(), "no AVX")
{
	return check_vectors(ring, ymm_call, YMM_SIZE);
}

THREADS_TEST_IF(cpu, zmm_and_opmasks_stay_while_pending_and_when_done, have_avx512(),
		"no AVX-512")
{
	return check_vectors(ring, zmm_call, ZMM_SIZE);
}

/* The runner in user space: both have registers and control words of their own. */
static unsigned char frame_ymm[YMM_SIZE], frame_other[YMM_SIZE];
static unsigned int frame_mxcsr;
static unsigned short frame_cw;
static volatile uint32_t frame_tid, frame_stop;
static char frame_stack[65536] __attribute__((aligned(16)));

#define MXCSR_DEFAULT	0x1f80
#define CW_DEFAULT	0x037f

static __always_inline void set_control(unsigned int mxcsr, unsigned short cw)
{
	asm volatile("ldmxcsr %0; fldcw %1" : : "m" (mxcsr), "m" (cw));
}

static __always_inline void get_control(unsigned int *mxcsr, unsigned short *cw)
{
	asm volatile("stmxcsr %0; fnstcw %1" : "=m" (*mxcsr), "=m" (*cw));
}

static void __attribute__((noreturn)) frame_main(void)
{
	asm volatile(YMM_STORE : : "c" (frame_ymm) : "memory");
	get_control(&frame_mxcsr, &frame_cw);
	asm volatile(YMM_LOAD : : "a" (frame_other) : "memory");
	set_control(MXCSR_DEFAULT | 0x2000, CW_DEFAULT | 0x0400);
	frame_tid = raw(__NR_gettid, 0, 0, 0, 0);
	while (!frame_stop)
		raw(__NR_sched_yield, 0, 0, 0, 0);
	for (;;)
		raw(__NR_exit, 0, 0, 0, 0);
}

THREADS_TEST_IF(cpu, fpu_of_a_runner_in_user_space_is_its_own, have_avx(), "no AVX")
{
	static unsigned char in[YMM_SIZE], out[YMM_SIZE], in2[YMM_SIZE], out2[YMM_SIZE];
	struct syslet_completion comp = {};
	struct raw_call raw;
	struct vectors v = {
		.in = in, .out = out, .in_pending = in2, .out_done = out2,
		.regs = &raw.regs, .params = &raw.params, .word = &frame_tid,
	};
	unsigned int mxcsr;
	unsigned short cw;

	fill(in, sizeof(in), 1);
	fill(in2, sizeof(in2), 101);
	fill(frame_other, sizeof(frame_other), 201);
	CHECK(!force_handoff(ring));
	CHECK(raw_prepare(&raw, ring));
	raw.params.syslet.frame.ip = P(frame_main);
	raw.params.syslet.frame.sp = P(frame_stack + sizeof(frame_stack) - 8);
	v.fd = raw.b.fd[1];
	set_control(MXCSR_DEFAULT | 0x6000, CW_DEFAULT | 0x0c00);
	ymm_call(&v);
	get_control(&mxcsr, &cw);
	set_control(MXCSR_DEFAULT, CW_DEFAULT);
	CHECK(v.ret == -ESYSLETPENDING);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK(!memcmp(in2, out2, sizeof(in)));
	CHECK(mxcsr == (MXCSR_DEFAULT | 0x6000));
	CHECK(cw == (CW_DEFAULT | 0x0c00));
	/* as of when the call was made */
	CHECK(!memcmp(in, frame_ymm, sizeof(in)));
	CHECK(frame_mxcsr == (MXCSR_DEFAULT | 0x6000));
	CHECK(frame_cw == (CW_DEFAULT | 0x0c00));
	CHECK(!ring_reap(ring, &comp) && comp.status == 1);
	CHECK(gettid() != (pid_t)frame_tid);
	frame_stop = 1;
	while (!tgkill(getpid(), frame_tid, 0))
		sched_yield();
	return NULL;
}

/* A handoff in a signal handler: sigreturn restores what the frame has. */
static __thread struct syslet_ring *handler_ring;
static __thread long handler_ret;

static void on_signal(int sig)
{
	static const unsigned char zero[YMM_SIZE];

	handler_ret = force_handoff(handler_ring);
	asm volatile(YMM_LOAD : : "a" (zero) : "memory");
	set_control(MXCSR_DEFAULT | 0x2000, CW_DEFAULT | 0x0400);
}

THREADS_TEST_IF(cpu, fpu_is_restored_after_a_handoff_in_a_signal_handler, have_avx(), "no AVX")
{
	static unsigned char in[YMM_SIZE], out[YMM_SIZE];
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int mxcsr;
	unsigned short cw;
	long ret;

	CHECK(!sigaction(SIGUSR1, &sa, NULL));
	fill(in, sizeof(in), 1);
	handler_ring = ring;
	handler_ret = -1;
	set_control(MXCSR_DEFAULT | 0x6000, CW_DEFAULT | 0x0c00);
	asm volatile("mov %%rbx, %%rax\n\t" YMM_LOAD
		     "mov %[nr], %%eax\n\t"
		     "syscall\n\t"
		     "mov %[out], %%rcx\n\t" YMM_STORE "vzeroupper"
		     : "=&a" (ret)
		     : "b" (in), [out] "r" (out), [nr] "i" (__NR_tgkill),
		       "D" ((long)getpid()), "S" ((long)gettid()), "d" ((long)SIGUSR1)
		     : "rcx", "r11", "memory",
		       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	get_control(&mxcsr, &cw);
	set_control(MXCSR_DEFAULT, CW_DEFAULT);
	CHECK(!ret && !handler_ret);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK(mxcsr == (MXCSR_DEFAULT | 0x6000));
	CHECK(cw == (CW_DEFAULT | 0x0c00));
	return NULL;
}

/* PKRU */
static bool have_pkeys(void)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		return false;
	pkey_free(key);
	return true;
}

static char *pkey_page(int *key)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*key = pkey_alloc(0, 0);
	if (p == MAP_FAILED || *key < 0 || pkey_mprotect(p, 4096, PROT_READ | PROT_WRITE, *key))
		return NULL;
	*p = 'p';
	return p;
}

static unsigned int rdpkru(void)
{
	unsigned int a, d;

	asm volatile(".byte 0x0f, 0x01, 0xee" : "=a" (a), "=d" (d) : "c" (0));
	return a;
}

static __thread sigjmp_buf fault_jmp;
static __thread int fault_code, fault_pkey;

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	fault_code = info->si_code;
	fault_pkey = info->si_pkey;
	siglongjmp(fault_jmp, 1);
}

/* By the CPU and by the kernel. */
static const char *check_denied(char *p, int key)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	unsigned int pkru = rdpkru();
	int fd[2];

	CHECK(!sigaction(SIGSEGV, &sa, NULL));
	fault_code = 0;
	if (!sigsetjmp(fault_jmp, 1))
		*(volatile char *)p;
	/* handlers begin with a PKRU of their own, and we did not return */
	CHECK(!pkey_set(key, PKEY_DISABLE_ACCESS));
	CHECK(rdpkru() == pkru);
	CHECK(fault_code == SEGV_PKUERR && fault_pkey == key);
	CHECK(!pipe(fd));
	CHECK(write(fd[1], p, 1) == -1 && errno == EFAULT);
	close(fd[0]);
	close(fd[1]);
	return NULL;
}

THREADS_TEST_IF(cpu, pkru_stays_and_denies, have_pkeys(), "no protection keys")
{
	const char *err;
	struct blocker b;
	unsigned int pkru;
	int key;
	char *p = pkey_page(&key);

	CHECK(p);
	CHECK(!force_handoff(ring));
	/* the spare has never had this value */
	CHECK(!pkey_set(key, PKEY_DISABLE_ACCESS));
	pkru = rdpkru();
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(rdpkru() == pkru);
	err = check_denied(p, key);
	if (err)
		return err;
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(rdpkru() == pkru);
	CHECK(!pkey_set(key, 0));
	CHECK(!force_handoff(ring));
	CHECK(*(volatile char *)p == 'p');
	return NULL;
}

/* A read into a page with a key; its status, when done. */
static long read_with_keys(struct syslet_ring *ring, char *p, int key, int before, int after)
{
	struct syslet_completion comp = {};
	int fd[2];

	if (pipe(fd) || pkey_set(key, before))
		return 1000;
	if (submit(ring, CALL(__NR_read, fd[0], P(p), 1), 0) != -ESYSLETPENDING)
		return 1001;
	if (pkey_set(key, after) || write(fd[1], "q", 1) != 1 || ring_reap(ring, &comp))
		return 1002;
	if (pkey_get(key) != after || pkey_set(key, 0))
		return 1003;
	close(fd[0]);
	close(fd[1]);
	return comp.status;
}

THREADS_TEST_IF(cpu, runner_has_the_pkru_of_when_the_call_was_made, have_pkeys(),
		"no protection keys")
{
	int key;
	char *p = pkey_page(&key);

	CHECK(p);
	CHECK(read_with_keys(ring, p, key, 0, PKEY_DISABLE_ACCESS) == 1);
	CHECK(*p == 'q');
	*p = 'p';
	CHECK(read_with_keys(ring, p, key, PKEY_DISABLE_WRITE, 0) == -EFAULT);
	CHECK(*p == 'p');
	return NULL;
}

TEST_HARNESS_MAIN
