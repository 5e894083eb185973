// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program cannot tell that a handoff happened: segments and their bases. And
 * modes of the CPU that a handoff does not carry over: calls are refused.
 */
#include "raw.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/io.h>

THREADS_FIXTURE(segment)

#ifndef ARCH_GET_XCOMP_SUPP
#define ARCH_GET_XCOMP_SUPP	0x1021
#define ARCH_GET_XCOMP_PERM	0x1022
#define ARCH_REQ_XCOMP_PERM	0x1023
#endif
#define XFEATURE_XTILEDATA	18
#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE	0x5001
#define ARCH_SHSTK_DISABLE	0x5002
#define ARCH_SHSTK_STATUS	0x5005
#define ARCH_SHSTK_SHSTK	1
#endif

#define get_sel(seg) ({ unsigned long _s; asm volatile("mov %%" #seg ", %0" : "=r" (_s)); _s; })
#define set_sel(seg, sel) asm volatile("mov %0, %%" #seg : : "r" ((unsigned long)(sel)) : "memory")
#define get_base(seg) ({ unsigned long _b; asm volatile("rd" #seg "base %0" : "=r" (_b)); _b; })
#define set_base(seg, b) asm volatile("wr" #seg "base %0" : : "r" ((unsigned long)(b)) : "memory")
#define load_from(seg) \
	({ unsigned long _v; asm volatile("mov %%" #seg ":0, %0" : "=r" (_v)); _v; })

#define OPT_FSGSBASE	__attribute__((noinline, target("fsgsbase"), \
				       optimize("no-stack-protector")))

/* By HWCAP2_FSGSBASE. */
static bool have_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & 2;
}

static uint64_t magic[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };

/* Without the thread pointer there is no C library: raw calls only. */
struct fs_result {
	long ret;
	unsigned long base, value;
};

static __attribute__((noinline)) void fs_by_kernel(struct raw_call *call, struct fs_result *r,
						   unsigned long base)
{
	unsigned long tp;

	raw(__NR_arch_prctl, ARCH_GET_FS, (long)&tp, 0, 0);
	raw(__NR_arch_prctl, ARCH_SET_FS, base, 0, 0);
	r->ret = raw_pending(call);
	r->value = load_from(fs);
	raw(__NR_arch_prctl, ARCH_GET_FS, (long)&r->base, 0, 0);
	raw(__NR_arch_prctl, ARCH_SET_FS, tp, 0, 0);
}

static OPT_FSGSBASE void fs_by_user(struct raw_call *call, struct fs_result *r,
				    unsigned long base)
{
	unsigned long tp = get_base(fs);

	set_base(fs, base);
	r->ret = raw_pending(call);
	r->value = load_from(fs);
	r->base = get_base(fs);
	set_base(fs, tp);
}

static const char *check_fs(struct syslet_ring *ring,
			    void (*fn)(struct raw_call *call, struct fs_result *r,
				       unsigned long base))
{
	struct raw_call call;
	struct fs_result r;

	for (int i = 0; i < 4; i++) {
		unsigned long base = P(&magic[i % 2]);

		CHECK(raw_prepare(&call, ring));
		fn(&call, &r, base);
		CHECK(r.ret == -ESYSLETPENDING);
		CHECK(r.base == base);
		CHECK(r.value == magic[i % 2]);
		CHECK(blocker_end(&call.b, ring) == 1);
	}
	return NULL;
}

THREADS_TEST(segment, fs_base_set_by_arch_prctl)
{
	return check_fs(ring, fs_by_kernel);
}

THREADS_TEST_IF(segment, fs_base_set_by_wrfsbase, have_fsgsbase(), "no FSGSBASE")
{
	return check_fs(ring, fs_by_user);
}

THREADS_TEST(segment, gs_base_set_by_arch_prctl)
{
	unsigned long base;

	for (int i = 0; i < 4; i++) {
		CHECK(!syscall(__NR_arch_prctl, ARCH_SET_GS, &magic[i % 2]));
		CHECK(!force_handoff(ring));
		CHECK(load_from(gs) == magic[i % 2]);
		CHECK(!syscall(__NR_arch_prctl, ARCH_GET_GS, &base));
		CHECK(base == P(&magic[i % 2]));
	}
	CHECK(!syscall(__NR_arch_prctl, ARCH_SET_GS, 0));
	CHECK(!force_handoff(ring));
	CHECK(!syscall(__NR_arch_prctl, ARCH_GET_GS, &base) && !base);
	return NULL;
}

static OPT_FSGSBASE void set_gs_base(unsigned long base)
{
	set_base(gs, base);
}

static OPT_FSGSBASE unsigned long get_gs_base(void)
{
	return get_base(gs);
}

THREADS_TEST_IF(segment, gs_base_set_by_wrgsbase, have_fsgsbase(), "no FSGSBASE")
{
	struct blocker b;

	for (int i = 0; i < 4; i++) {
		set_gs_base(P(&magic[i % 2]));
		CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
		CHECK(get_gs_base() == P(&magic[i % 2]));
		CHECK(load_from(gs) == magic[i % 2]);
		CHECK(blocker_end(&b, ring) == 1);
		CHECK(get_gs_base() == P(&magic[i % 2]));
	}
	set_gs_base(0);
	return NULL;
}

/* A segment of data in low memory, with a value in it. */
static struct user_desc segment_desc(unsigned int entry, uint64_t *data)
{
	return (struct user_desc){
		.entry_number = entry, .base_addr = P(data), .limit = 0xfff,
		.seg_32bit = 1, .useable = 1,
	};
}

#define LDT_SELECTOR(n)	((n) << 3 | 7)

static bool make_ldt(unsigned int entry, uint64_t *data)
{
	struct user_desc desc = segment_desc(entry, data);

	return data && syscall(__NR_modify_ldt, 1, &desc, sizeof(desc)) == 0;
}

static bool have_ldt(void)
{
	return make_ldt(7, low_memory());
}

static __attribute__((noinline)) void fs_by_ldt(struct raw_call *call, struct fs_result *r,
						unsigned long selector)
{
	unsigned long tp;

	raw(__NR_arch_prctl, ARCH_GET_FS, (long)&tp, 0, 0);
	set_sel(fs, selector);
	r->ret = raw_pending(call);
	r->value = load_from(fs);
	r->base = get_sel(fs);
	set_sel(fs, 0);
	raw(__NR_arch_prctl, ARCH_SET_FS, tp, 0, 0);
}

/*
 * Not of the LDT in %ds: with one CPU that hangs a guest of QEMU 7.2 (TCG) when
 * plain threads do it, too.
 */
#define USER_DS	0x2b

THREADS_TEST_IF(segment, selectors_and_ldt_segments, have_ldt(), "no modify_ldt()")
{
	uint64_t *data = low_memory();
	struct raw_call call;
	struct fs_result r;
	struct blocker b;

	CHECK(!force_handoff(ring));
	CHECK(make_ldt(0, data));
	*data = magic[0];
	set_sel(gs, LDT_SELECTOR(0));
	set_sel(ds, USER_DS);
	set_sel(es, LDT_SELECTOR(0));
	for (int i = 0; i < 3; i++) {
		CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
		CHECK(get_sel(gs) == LDT_SELECTOR(0));
		CHECK(get_sel(ds) == USER_DS);
		CHECK(get_sel(es) == LDT_SELECTOR(0));
		CHECK(load_from(gs) == magic[0]);
		CHECK(blocker_end(&b, ring) == 1);
		CHECK(load_from(gs) == magic[0]);
	}
	CHECK(raw_prepare(&call, ring));
	fs_by_ldt(&call, &r, LDT_SELECTOR(0));
	CHECK(r.ret == -ESYSLETPENDING);
	CHECK(r.base == LDT_SELECTOR(0));
	CHECK(r.value == magic[0]);
	CHECK(blocker_end(&call.b, ring) == 1);

	/* none is left in a task that had them */
	set_sel(gs, 0);
	set_sel(ds, 0);
	set_sel(es, 0);
	for (int i = 0; i < 4; i++) {
		CHECK(!force_handoff(ring));
		CHECK(!get_sel(gs) && !get_sel(ds) && !get_sel(es) && !get_sel(fs));
	}
	return NULL;
}

THREADS_TEST_IF(segment, ldt_changed_after_a_handoff, have_ldt(), "no modify_ldt()")
{
	uint64_t *data = low_memory(), *other = low_memory();
	struct blocker b;

	CHECK(make_ldt(1, data) && other);
	*data = magic[0];
	*other = magic[1];
	set_sel(gs, LDT_SELECTOR(1));
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(load_from(gs) == magic[0]);
	CHECK(make_ldt(1, other));
	set_sel(gs, LDT_SELECTOR(1));
	CHECK(load_from(gs) == magic[1]);
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(!force_handoff(ring));
	CHECK(load_from(gs) == magic[1]);
	set_sel(gs, 0);
	return NULL;
}

/* Thread areas are the thread's; only the i386 ABI sets them. */
#define I386_SET_THREAD_AREA	243
#define I386_GET_THREAD_AREA	244

static int int80(long nr, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "a" (nr), "b" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static bool have_thread_area(void)
{
	struct user_desc *desc = low_memory();

	if (!desc)
		return false;
	*desc = segment_desc(-1, low_memory());
	return !int80(I386_SET_THREAD_AREA, desc);
}

THREADS_TEST_IF(segment, thread_areas, have_thread_area(), "no IA32 emulation")
{
	struct user_desc *desc = low_memory(), *now = low_memory();
	uint64_t *data = low_memory();
	unsigned int sel;
	struct blocker b;

	CHECK(desc && now && data);
	/* after there is a spare, which has none */
	CHECK(!force_handoff(ring));
	*data = magic[0];
	*desc = segment_desc(-1, data);
	CHECK(!int80(I386_SET_THREAD_AREA, desc));
	sel = desc->entry_number << 3 | 3;
	set_sel(gs, sel);
	CHECK(load_from(gs) == magic[0]);
	*now = *desc;
	CHECK(!int80(I386_GET_THREAD_AREA, now));
	*desc = *now;
	for (int i = 0; i < 3; i++) {
		CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
		CHECK(get_sel(gs) == sel);
		CHECK(load_from(gs) == magic[0]);
		memset(now, 0, sizeof(*now));
		now->entry_number = desc->entry_number;
		CHECK(!int80(I386_GET_THREAD_AREA, now));
		CHECK(!memcmp(now, desc, sizeof(*now)));
		CHECK(blocker_end(&b, ring) == 1);
		/* and after a switch away from this task and back */
		sched_yield();
		CHECK(load_from(gs) == magic[0]);
	}
	set_sel(gs, 0);
	return NULL;
}

/* Modes that make calls be refused, until they are off again. */
THREADS_TEST_IF(segment, refused_with_io_ports, !ioperm(0x80, 1, 1), "no ioperm()")
{
	/* asked for in the main thread */
	CHECK(!ioperm(0x80, 1, 0));
	CHECK(!force_handoff(ring));
	CHECK(!ioperm(0x80, 1, 1));
	CHECK(is_refused(ring));
	outb(0, 0x80);
	CHECK(!ioperm(0x80, 1, 0));
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST_IF(segment, refused_with_iopl, !iopl(3), "no iopl()")
{
	CHECK(!iopl(0));
	CHECK(!force_handoff(ring));
	CHECK(!iopl(3));
	CHECK(is_refused(ring));
	outb(0, 0x80);
	CHECK(!iopl(0));
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST(segment, refused_without_tsc)
{
	int mode = 0;

	CHECK(!force_handoff(ring));
	CHECK(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	CHECK(is_refused(ring));
	CHECK(!prctl(PR_GET_TSC, &mode) && mode == PR_TSC_SIGSEGV);
	CHECK(!prctl(PR_SET_TSC, PR_TSC_ENABLE));
	CHECK(!force_handoff(ring));
	asm volatile("rdtsc" : : : "eax", "edx");
	return NULL;
}

THREADS_TEST_IF(segment, refused_without_cpuid,
		!syscall(__NR_arch_prctl, ARCH_SET_CPUID, 1), "CPUID does not fault")
{
	CHECK(!force_handoff(ring));
	CHECK(!syscall(__NR_arch_prctl, ARCH_SET_CPUID, 0));
	CHECK(is_refused(ring));
	CHECK(!syscall(__NR_arch_prctl, ARCH_GET_CPUID, 0));
	CHECK(!syscall(__NR_arch_prctl, ARCH_SET_CPUID, 1));
	CHECK(!force_handoff(ring));
	return NULL;
}

static bool can_set_speculation(int which)
{
	int state = prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0);

	return state >= 0 && (state & PR_SPEC_PRCTL);
}

static bool can_set_any_speculation(void)
{
	return can_set_speculation(PR_SPEC_STORE_BYPASS) ||
	       can_set_speculation(PR_SPEC_INDIRECT_BRANCH) ||
	       can_set_speculation(PR_SPEC_L1D_FLUSH);
}

THREADS_TEST_IF(segment, speculation_control_is_kept, can_set_any_speculation(),
		"no mitigation is controlled by prctl()")
{
	static const int which[] = {
		PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH,
	};

	CHECK(!force_handoff(ring));
	for (unsigned int i = 0; i < ARRAY_LEN(which); i++) {
		int off, on, state;

		if (!can_set_speculation(which[i]))
			continue;
		state = prctl(PR_GET_SPECULATION_CTRL, which[i], 0, 0, 0);
		on = state & PR_SPEC_ENABLE ? PR_SPEC_DISABLE : PR_SPEC_ENABLE;
		off = state & PR_SPEC_ENABLE ? PR_SPEC_ENABLE : PR_SPEC_DISABLE;
		CHECK(!prctl(PR_SET_SPECULATION_CTRL, which[i], on, 0, 0));
		CHECK(is_refused(ring) || !force_handoff(ring));
		CHECK(prctl(PR_GET_SPECULATION_CTRL, which[i], 0, 0, 0) == (PR_SPEC_PRCTL | on));
		CHECK(!prctl(PR_SET_SPECULATION_CTRL, which[i], off, 0, 0));
		CHECK(!force_handoff(ring));
		CHECK(prctl(PR_GET_SPECULATION_CTRL, which[i], 0, 0, 0) == state);
	}
	return NULL;
}

static bool have_amx(void)
{
	uint64_t features = 0;

	return !syscall(__NR_arch_prctl, ARCH_GET_XCOMP_SUPP, &features) &&
	       (features & 1ull << XFEATURE_XTILEDATA);
}

THREADS_TEST_IF(segment, permission_for_amx_is_kept, have_amx(), "no AMX")
{
	uint64_t before = 0, after = 0;

	CHECK(!force_handoff(ring));
	CHECK(!syscall(__NR_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA));
	CHECK(!syscall(__NR_arch_prctl, ARCH_GET_XCOMP_PERM, &before));
	CHECK(before & 1ull << XFEATURE_XTILEDATA);
	CHECK(!force_handoff(ring));
	CHECK(!syscall(__NR_arch_prctl, ARCH_GET_XCOMP_PERM, &after));
	CHECK(after == before);
	return NULL;
}

static bool have_shadow_stack(void)
{
	unsigned long features = 0;

	/* once on by the loader it is on in all tests: none would pass */
	return !syscall(__NR_arch_prctl, ARCH_SHSTK_STATUS, &features) && !features;
}

THREADS_TEST_IF(segment, refused_with_a_shadow_stack, have_shadow_stack(), "no shadow stacks")
{
	struct raw_call call;
	long on, ret, off;

	CHECK(raw_prepare(&call, ring));
	CHECK(write(call.b.fd[1], "z", 1) == 1);
	/* no return from a function while it is on */
	on = raw(__NR_arch_prctl, ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK, 0, 0);
	ret = raw_pending(&call);
	off = raw(__NR_arch_prctl, ARCH_SHSTK_DISABLE, ARCH_SHSTK_SHSTK, 0, 0);
	CHECK(!on && !off);
	CHECK(ret == -EAGAIN && !call.b.c);
	CHECK(!force_handoff(ring));
	return NULL;
}

TEST_HARNESS_MAIN
