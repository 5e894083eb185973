// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the audit system records of calls through indirect(2): each of them as
 * if it had been made plainly, once, with its result, which it may have long
 * after its thread went on.
 *
 *	test			child
 *	is the audit daemon	makes calls, and a mark behind each group
 *	reads records
 */
#include <linux/audit.h>
#include <linux/netlink.h>
#include <sys/klog.h>

#include "batch.h"
#include "caught.h"
#include "raw.h"
#include "threads.h"

/* Behind the calls whose records belong together. */
#define MARK		__NR_getppid
#define I386_MKDIR	39
#define I386_OPENAT	295

#define FILE_NAME	"/etc/passwd"
#define DIR_NAME	"/tmp"
#define NO_NAME		"/tmp/audit.none"
#define FIFO_NAME	"/tmp/audit.fifo"
#define AUID		4711

/* --- the daemon -------------------------------------------------------------------- */

struct event {
	unsigned long	serial;
	int		nr;		/* of the call, or -1 */
	bool		over;
	char		text[2048];	/* all records, but for time and serial number */
};

struct group {
	int		n;
	struct event	ev[16];
};

FIXTURE(audit)
{
	int		events, control;
	struct kid	k;
	struct group	*group, *other;
};
FIXTURE_VARIANT(audit) { bool thread; };
FIXTURE_VARIANT_ADD(audit, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(audit, other_thread) { .thread = true };

static int audit_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT), size = 1 << 22;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* A request and its acknowledgement: 0, or -errno. */
static int audit_request(int fd, int type, const void *data, size_t len)
{
	struct {
		struct nlmsghdr head;
		char data[4096];
	} msg = { .head = { .nlmsg_len = NLMSG_LENGTH(len), .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 1 } };

	memcpy(msg.data, data, len);
	if (send(fd, &msg, msg.head.nlmsg_len, 0) < 0)
		return -errno;
	do {
		if (recv(fd, &msg, sizeof(msg), 0) < 0)
			return -errno;
	} while (msg.head.nlmsg_type != NLMSG_ERROR);
	return ((struct nlmsgerr *)msg.data)->error;
}

static int audit_enable(int fd, bool on)
{
	struct audit_status status = {
		.mask = AUDIT_STATUS_ENABLED | AUDIT_STATUS_BACKLOG_LIMIT,
		.enabled = on, .backlog_limit = 8192,
	};

	return audit_request(fd, AUDIT_SET, &status, sizeof(status));
}

/* Who asks with a PID of 0 gives up being the daemon. */
static int audit_daemon(int fd, pid_t pid)
{
	struct audit_status status = { .mask = AUDIT_STATUS_PID, .pid = pid };

	return audit_request(fd, AUDIT_SET, &status, sizeof(status));
}

/* How many records were lost since that was asked for the last time. */
static int audit_lost(int fd)
{
	struct audit_status status = { .mask = AUDIT_STATUS_LOST };

	return audit_request(fd, AUDIT_SET, &status, sizeof(status));
}

struct rule {
	struct audit_rule_data	data;
	char			buf[64];
};

static void rule_field(struct rule *r, uint32_t field, uint32_t value)
{
	int n = r->data.field_count++;

	r->data.fields[n] = field;
	r->data.fieldflags[n] = AUDIT_EQUAL;
	r->data.values[n] = value;
}

static void rule_string(struct rule *r, uint32_t field, const char *text)
{
	size_t len = strlen(text);

	rule_field(r, field, len);
	memcpy(r->buf + r->data.buflen, text, len);
	r->data.buflen += len;
}

static void rule_call(struct rule *r, unsigned int nr)
{
	r->data.mask[AUDIT_WORD(nr)] |= AUDIT_BIT(nr);
}

/* Only of the thread that makes calls, which has an auid. */
static struct rule rule_of(pid_t pid)
{
	struct rule r = { .data = { .flags = AUDIT_FILTER_EXIT, .action = AUDIT_ALWAYS } };

	rule_field(&r, AUDIT_PID, pid);
	rule_field(&r, AUDIT_LOGINUID, AUID);
	return r;
}

static int rule_add(int fd, struct rule *r)
{
	return audit_request(fd, AUDIT_ADD_RULE, r, sizeof(r->data) + r->data.buflen);
}

/* All that the tests' calls are, and the mark. */
static int rule_add_calls(int fd, pid_t pid)
{
	static const int calls[] = { __NR_openat, __NR_mkdir, __NR_ioctl, MARK };
	struct rule r = rule_of(pid);

	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++)
		rule_call(&r, calls[i]);
	return rule_add(fd, &r);
}

static int rule_add_call(int fd, pid_t pid, int nr)
{
	struct rule r = rule_of(pid);

	rule_call(&r, nr);
	return rule_add(fd, &r);
}

/* Those that are of one child go when it is gone: by the same field. */
static void rules_delete(int fd, pid_t pid)
{
	struct { struct nlmsghdr head; char data[8192]; } msg = {
		.head = { .nlmsg_len = NLMSG_LENGTH(0), .nlmsg_type = AUDIT_LIST_RULES,
			  .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 2 } };
	static struct { char data[sizeof(struct rule)]; size_t len; } list[16];
	int n = 0;

	if (send(fd, &msg, msg.head.nlmsg_len, 0) < 0)
		return;
	while (recv(fd, &msg, sizeof(msg), 0) > 0 && msg.head.nlmsg_type != NLMSG_DONE) {
		struct audit_rule_data *r = (void *)msg.data;

		if (msg.head.nlmsg_type != AUDIT_LIST_RULES || n == ARRAY_LEN(list) ||
		    r->fields[0] != AUDIT_PID || r->values[0] != pid)
			continue;
		list[n].len = sizeof(*r) + r->buflen;
		if (list[n].len > sizeof(list[n].data))
			continue;
		memcpy(list[n].data, r, list[n].len);
		n++;
	}
	while (n--)
		audit_request(fd, AUDIT_DEL_RULE, list[n].data, list[n].len);
}

FIXTURE_SETUP(audit)
{
	self->events = audit_open();
	if (self->events < 0)
		SKIP(return, "no audit");
	self->control = audit_open();
	ASSERT_LE(0, self->control);
	self->group = calloc(1, sizeof(*self->group));
	self->other = calloc(1, sizeof(*self->other));
	ASSERT_NE(NULL, self->other);
	ASSERT_EQ(0, audit_daemon(self->events, getpid()));
	ASSERT_EQ(0, audit_enable(self->control, true));
	audit_lost(self->control);
	unlink(FIFO_NAME);
	unlink(NO_NAME);
	ASSERT_EQ(0, mkfifo(FIFO_NAME, 0600));
}

/* The kernel has not found that it was confused. */
static bool audit_is_sane(void)
{
	static const char error[] = "unrecoverable error in audit";
	static char log[1 << 18];
	int n = klogctl(3 /* read all */, log, sizeof(log));

	return n > 0 && !memmem(log, n, error, strlen(error));
}

FIXTURE_TEARDOWN(audit)
{
	if (self->events < 0)
		return;
	EXPECT_EQ(0, audit_lost(self->control));
	rules_delete(self->control, self->k.pid);
	audit_enable(self->control, false);
	audit_daemon(self->control, 0);
	close(self->events);
	close(self->control);
	EXPECT_TRUE(audit_is_sane());
}

static struct event *event_find(struct group *g, unsigned long serial)
{
	for (int i = 0; i < g->n; i++)
		if (g->ev[i].serial == serial)
			return &g->ev[i];
	if (g->n == ARRAY_LEN(g->ev)) {
		printf("# more events than were expected\n");
		g->n = 0;
	}
	g->ev[g->n] = (struct event){ .serial = serial, .nr = -1 };
	return &g->ev[g->n++];
}

/* A record: into its event. That, if it is over now. */
static struct event *event_add(struct group *g, int type, const char *text)
{
	unsigned long serial;
	struct event *ev;
	const char *body, *nr;
	size_t len;

	if (sscanf(text, "audit(%*[0-9.]:%lu)", &serial) != 1)
		return NULL;
	ev = event_find(g, serial);
	body = strstr(text, "): ");
	len = strlen(ev->text);
	if (type == AUDIT_EOE) {
		ev->over = true;
		return ev;
	}
	snprintf(ev->text + len, sizeof(ev->text) - len, "%d %s\n", type, body ? body + 3 : "");
	nr = strstr(text, " syscall=");
	if (type == AUDIT_SYSCALL && nr)
		ev->nr = atoi(nr + 9);
	return NULL;
}

/* The value of a field of the record of the call; "" if there is none. */
static const char *event_field(const struct event *ev, const char *name)
{
	static char value[4][64];
	static int next;
	char pattern[32];
	const char *p, *end = strchr(ev->text, '\n');

	next = (next + 1) % 4;
	value[next][0] = 0;
	snprintf(pattern, sizeof(pattern), " %s=", name);
	p = strstr(ev->text, pattern);
	if (p && p < end)
		sscanf(p + strlen(pattern), "%63s", value[next]);
	return value[next];
}

/* Of the one thread; without the mark, which is the last one, and the change of its auid. */
static bool group_close(struct group *g, const struct event *mark)
{
	int n = 0;

	if (mark != &g->ev[g->n - 1])
		return false;
	for (int i = 0; i < g->n - 1; i++)
		if (atoi(event_field(&g->ev[i], "auid")) == AUID && g->ev[i].nr != __NR_write)
			g->ev[n++] = g->ev[i];
	g->n = n;
	return true;
}

/* All events up to a mark, but for the mark. */
static bool group_read(int fd, struct group *g)
{
	struct { struct nlmsghdr head; char data[9000]; } msg;
	struct event *ev;
	ssize_t len;

	memset(g, 0, sizeof(*g));
	for (;;) {
		len = recv(fd, &msg, sizeof(msg) - 1, 0);
		if (len < (ssize_t)sizeof(msg.head))
			return false;
		((char *)&msg)[len] = 0;
		switch (msg.head.nlmsg_type) {
		case AUDIT_SYSCALL:
		case AUDIT_PATH:
		case AUDIT_CWD:
		case AUDIT_PROCTITLE:
		case AUDIT_EOE:
			ev = event_add(g, msg.head.nlmsg_type, msg.data);
			if (ev && ev->nr == MARK)
				break;
			continue;
		default:
			continue;
		}
		return group_close(g, ev);
	}
}

static bool event_is(const struct event *ev, int nr, long exit)
{
	return ev->over && ev->nr == nr && *event_field(ev, "exit") &&
	       atol(event_field(ev, "exit")) == exit &&
	       !strcmp(event_field(ev, "success"), exit < 0 ? "no" : "yes");
}

static bool event_same(const struct event *a, const struct event *b)
{
	if (a->nr == b->nr && !strcmp(a->text, b->text))
		return true;
	printf("# %.400s\n# %.400s\n", a->text, b->text);
	return false;
}

static bool group_same(const struct group *a, const struct group *b)
{
	for (int i = 0; i < a->n && i < b->n; i++)
		if (!event_same(&a->ev[i], &b->ev[i]))
			return false;
	return a->n == b->n;
}

/* That many events; says which, if not. */
static bool group_has(const struct group *g, int n)
{
	for (int i = 0; i < g->n && g->n != n; i++)
		printf("# event %d: %s", i, g->ev[i].text);
	return g->n == n;
}

/* --- the child ---------------------------------------------------------------------- */

struct job {
	void			(*fn)(struct job *job);
	struct kid		*k;
	struct syslet_ring	*ring;
	struct servant		*s;
};

static void mark(void)
{
	syscall(MARK);
}

/* Of 64 bits each, so that they are seen as they are. */
static long plain(struct indirect_registers r)
{
	return syslet_ret(syscall(r.nr, r.args[0], r.args[1], r.args[2], r.args[3], r.args[4],
				  r.args[5]));
}

static long own_files(void *arg)
{
	return syslet_ret(unshare(CLONE_FILES));
}

static void *job_main(void *arg)
{
	struct job *job = arg;

	job->ring = ring_alloc(16);
	/* so that the same call has the same descriptor */
	KID_CHECK(!servant_do(job->s, own_files, NULL));
	/* records are those of the thread as it is, on whatever task */
	KID_CHECK(!force_handoff(job->ring));
	KID_CHECK(!prctl(PR_SET_NAME, "auditee"));
	KID_CHECK(!write_text("/proc/thread-self/loginuid", CHECK_LINE(AUID)));
	KID_CHECK(kid_tell(job->k) && kid_hear(job->k));
	/* behind what is recorded without a rule */
	mark();
	job->fn(job);
	_exit(0);
}

/* Begin with rules for it; it stops in front of its first call. */
static bool job_start(int events, int control, struct kid *k, bool thread,
		      void (*fn)(struct job *job))
{
	struct job job = { .fn = fn, .k = k };
	pthread_t t;

	if (!kid_fork(k)) {
		/* nothing of it outlives a test that failed */
		KID_CHECK(!close(events) && !close(control));
		KID_CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
		job.s = servant_start();
		if (!thread)
			job_main(&job);
		KID_CHECK(!pthread_create(&t, NULL, job_main, &job));
		pthread_join(t, NULL);
	}
	return k->pid > 0 && kid_hear(k) && !rule_add_calls(control, k->pid);
}

#define JOB_START(fn)	\
	ASSERT_TRUE(job_start(self->events, self->control, &self->k, variant->thread, fn))
#define READ_GROUP(g)	ASSERT_TRUE(group_read(self->events, g))
#define JOB_GO()	do { ASSERT_TRUE(kid_tell(&self->k)); READ_GROUP(self->other); } while (0)
/* The next group is as the one that was read. */
#define READ_SAME()	do {								\
	READ_GROUP(self->other);							\
	ASSERT_TRUE(group_same(self->group, self->other));				\
} while (0)
#define JOB_END()	ASSERT_EQ(0, kid_status(&self->k))

/* --- calls that do not wait ----------------------------------------------------------- */

static struct indirect_registers some_calls(int i)
{
	switch (i) {
	case 0:
		return CALL(__NR_openat, AT_FDCWD, P(FILE_NAME), O_RDONLY | O_CLOEXEC, 0);
	case 1:
		return CALL(__NR_openat, AT_FDCWD, P(NO_NAME), O_RDONLY, 0, 5, 6);
	default:
		return CALL(__NR_mkdir, P(DIR_NAME), 0700, 0x1234, 0x5678);
	}
}

#define NR_SOME	3

/* Plainly, through indirect(), with a ring, and as a batch: four groups. */
static void make_some_calls(struct job *job)
{
	struct syslet_call calls[NR_SOME];
	long ret[NR_SOME];

	for (int how = 0; how < 3; how++) {
		for (int i = 0; i < NR_SOME; i++) {
			struct indirect_registers regs = some_calls(i);
			long got = !how ? plain(regs) :
				   how == 1 ? call_plain(regs) : submit(job->ring, regs, 0);

			KID_CHECK(!how || got == ret[i]);
			ret[i] = got;
		}
		KID_CHECK(ret[0] >= 0 && ret[1] == -ENOENT && ret[2] == -EEXIST);
		close(ret[0]);
		mark();
		KID_CHECK(!force_handoff(job->ring));
	}
	for (int i = 0; i < NR_SOME; i++) {
		struct indirect_registers regs = some_calls(i);

		calls[i] = ENTRY(i, regs.nr);
		memcpy(calls[i].args, regs.args, sizeof(regs.args));
	}
	KID_CHECK(BATCH(job->ring, calls) == NR_SOME);
	for (int i = 0; i < NR_SOME; i++)
		KID_CHECK(calls[i].result == ret[i]);
	mark();
}

TEST_F(audit, record_is_that_of_the_plain_call)
{
	struct event *ev = self->group->ev;
	char pid[16];

	JOB_START(make_some_calls);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, NR_SOME));
	snprintf(pid, sizeof(pid), "%d", self->k.pid);
	for (int i = 0; i < NR_SOME; i++) {
		ASSERT_STREQ(pid, event_field(&ev[i], "pid"));
		ASSERT_EQ(AUID, atoi(event_field(&ev[i], "auid")));
		ASSERT_STREQ("\"auditee\"", event_field(&ev[i], "comm"));
		ASSERT_STREQ("1", event_field(&ev[i], "items"));
	}
	ASSERT_TRUE(event_is(&ev[1], __NR_openat, -ENOENT));
	ASSERT_TRUE(event_is(&ev[2], __NR_mkdir, -EEXIST));
	ASSERT_STREQ("1234", event_field(&ev[2], "a2"));
	for (int how = 1; how < 4; how++) {
		READ_GROUP(self->other);
		ASSERT_TRUE(group_same(self->group, self->other)) TH_LOG("how %d", how);
	}
	JOB_END();
}

/* Who asks for it is told of the outer call, too: before, with a result of its own. */
TEST_F(audit, outer_call_has_a_record_of_its_own)
{
	struct event *ev = self->group->ev;

	JOB_START(make_some_calls);
	ASSERT_EQ(0, rule_add_call(self->control, self->k.pid, __NR_indirect));
	ASSERT_EQ(0, rule_add_call(self->control, self->k.pid, __NR_syslet_submit));
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, NR_SOME));
	for (int how = 1; how < 3; how++) {
		READ_GROUP(self->group);
		/* behind that of force_handoff() */
		ASSERT_TRUE(group_has(self->group, 1 + 2 * NR_SOME));
		for (int i = 0; i < NR_SOME; i++) {
			ASSERT_TRUE(event_is(&ev[1 + 2 * i], __NR_indirect, 0));
			ASSERT_STREQ("0", event_field(&ev[1 + 2 * i], "items"));
			ASSERT_EQ(some_calls(i).nr, ev[2 + 2 * i].nr);
		}
	}
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1 + 1 + NR_SOME));
	ASSERT_TRUE(event_is(&ev[0], __NR_indirect, 0));
	ASSERT_TRUE(event_is(&ev[1], __NR_syslet_submit, 0));
	ASSERT_EQ(__NR_mkdir, ev[4].nr);
	JOB_END();
}

struct low {
	struct indirect_registers	regs;
	struct indirect_params		params;
	struct syslet_ring		ring;
	struct syslet_completion	comp[4];
	char				name[64];
};

static void make_i386_calls(struct job *job)
{
	struct low *low = low_memory();

	KID_CHECK(low);
	strcpy(low->name, NO_NAME);
	low->ring.elements = 4;
	KID_CHECK(i386_call(I386_OPENAT, (uint32_t)AT_FDCWD, P(low->name), O_RDONLY) == -ENOENT);
	mark();
	for (int how = 0; how < 2; how++) {
		low->regs = CALL(I386_OPENAT, AT_FDCWD, P(low->name), O_RDONLY, 0);
		low->params.syslet.completion_ring_ptr = how ? P(&low->ring) : 0;
		KID_CHECK(i386_call(__NR_indirect, P(&low->regs), P(&low->params),
				    sizeof(low->params), 0) == -ENOENT);
		mark();
	}
}

TEST_F(audit, record_of_the_i386_abi_is_that_of_the_plain_call)
{
	if (!have_ia32())
		SKIP(return, "no IA32 emulation");
	JOB_START(make_i386_calls);
	ASSERT_EQ(0, rule_add_call(self->control, self->k.pid, I386_OPENAT));
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_TRUE(event_is(&self->group->ev[0], I386_OPENAT, -ENOENT));
	ASSERT_NE(NULL, strstr(self->group->ev[0].text, "arch=40000003"));
	for (int how = 0; how < 2; how++)
		READ_SAME();
	JOB_END();
}

/* --- calls that wait ------------------------------------------------------------------- */

static struct indirect_registers open_fifo(void)
{
	return CALL(__NR_openat, AT_FDCWD, P(FIFO_NAME), O_RDONLY, 0);
}

/* By another number, that has no rule. */
static long open_other_end(void *tid)
{
	int fd;

	if (tid)
		UNTIL(task_state(getpid(), (uintptr_t)tid) == 'S');
	fd = syscall(__NR_open, FIFO_NAME, O_WRONLY);
	return fd < 0 ? -errno : close(fd);
}

/* Plainly; and blocked, with other calls meanwhile, before and behind the mark. */
static void wait_for_fifo(struct job *job)
{
	long fd, want;

	servant_tell(job->s, open_other_end, (void *)(uintptr_t)gettid());
	want = plain(open_fifo());
	KID_CHECK(want >= 0 && !servant_wait(job->s) && !close(want));
	mark();

	KID_CHECK(submit(job->ring, open_fifo(), 0) == -ESYSLETPENDING);
	KID_CHECK(call_plain(some_calls(1)) == -ENOENT);
	KID_CHECK(!prctl(PR_SET_NAME, "renamed"));
	mark();
	KID_CHECK(!open_other_end(NULL));
	fd = reap_status(job->ring);
	KID_CHECK(fd == want && !close(fd));
	mark();
}

TEST_F(audit, record_of_a_call_that_blocked_comes_with_its_result)
{
	JOB_START(wait_for_fifo);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	READ_GROUP(self->other);
	ASSERT_TRUE(group_has(self->other, 1));
	ASSERT_TRUE(event_is(&self->other->ev[0], __NR_openat, -ENOENT));
	READ_SAME();
	JOB_END();
}

static void wait_in_batch(struct job *job)
{
	struct indirect_registers fifo = open_fifo(), none = some_calls(1), dir = some_calls(2);
	struct syslet_call calls[4];
	long fd;

	calls[0] = calls[2] = ENTRY(0, fifo.nr);
	calls[1] = ENTRY(1, none.nr);
	calls[3] = ENTRY(3, dir.nr);
	memcpy(calls[0].args, fifo.args, sizeof(fifo.args));
	memcpy(calls[1].args, none.args, sizeof(none.args));
	memcpy(calls[2].args, fifo.args, sizeof(fifo.args));
	memcpy(calls[3].args, dir.args, sizeof(dir.args));
	KID_CHECK(BATCH(job->ring, calls) == 4);
	KID_CHECK(calls[0].result == -ESYSLETPENDING && calls[2].result == -ESYSLETPENDING);
	mark();
	KID_CHECK(!open_other_end(NULL));
	for (int i = 0; i < 2; i++) {
		fd = reap_status(job->ring);
		KID_CHECK(fd >= 0 && !close(fd));
	}
	mark();
}

TEST_F(audit, batch_has_a_record_of_each_entry)
{
	struct event *ev = self->group->ev;

	JOB_START(wait_in_batch);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 2));
	ASSERT_TRUE(event_is(&ev[0], __NR_openat, -ENOENT));
	ASSERT_TRUE(event_is(&ev[1], __NR_mkdir, -EEXIST));
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 2));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(__NR_openat, ev[i].nr);
		ASSERT_STREQ("yes", event_field(&ev[i], "success"));
		ASSERT_NE(NULL, strstr(ev[i].text, "name=\"" FIFO_NAME "\""));
	}
	JOB_END();
}

static void cancel_fifo(struct job *job)
{
	KID_CHECK(submit(job->ring, open_fifo(), 3) == -ESYSLETPENDING);
	mark();
	KID_CHECK(!sys_cancel(job->ring, 3, 0));
	KID_CHECK(reap_one(job->ring, 3, -ECANCELED));
	mark();
}

TEST_F(audit, record_of_a_call_that_is_cancelled_says_so)
{
	JOB_START(cancel_fifo);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 0));
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_TRUE(event_is(&self->group->ev[0], __NR_openat, -ECANCELED));
	JOB_END();
}

/* A call that may not go async, and has not run. */
static void be_refused(struct job *job)
{
	int fd[2], n = -1;

	KID_CHECK(!pipe(fd));
	KID_CHECK(submit(job->ring, CALL(__NR_ioctl, fd[0], 0x541b /* FIONREAD */, P(&n)), 0) ==
		  -EAGAIN && n == -1);
	mark();
}

TEST_F(audit, record_of_a_call_that_is_refused_has_that_result)
{
	JOB_START(be_refused);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_TRUE(event_is(&self->group->ev[0], __NR_ioctl, -EAGAIN));
	JOB_END();
}

static long disturb(void *tid)
{
	UNTIL(task_state(getpid(), (uintptr_t)tid) == 'S');
	return syscall(__NR_tgkill, getpid(), (pid_t)(uintptr_t)tid, SIGUSR1);
}

static long disturb_and_open(void *tid)
{
	long ret = disturb(tid);

	UNTIL(caught);
	return ret ?: open_other_end(tid);
}

/* By a signal: interrupted, and repeated. */
static void be_interrupted(struct job *job)
{
	void *self = (void *)(uintptr_t)gettid();

	for (int indirect = 0; indirect < 2; indirect++) {
		long ret;

		KID_CHECK(catch_signal(SIGUSR1, 0));
		servant_tell(job->s, disturb, self);
		ret = indirect ? call_plain(open_fifo()) : plain(open_fifo());
		KID_CHECK(ret == -EINTR && !servant_wait(job->s) && caught == 1);
		KID_CHECK(catch_signal(SIGUSR1, SA_RESTART));
		servant_tell(job->s, disturb_and_open, self);
		ret = indirect ? call_plain(open_fifo()) : plain(open_fifo());
		KID_CHECK(ret >= 0 && !servant_wait(job->s) && !close(ret));
		mark();
	}
}

TEST_F(audit, records_of_a_call_that_is_interrupted_are_those_of_the_plain_one)
{
	JOB_START(be_interrupted);
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 3));
	ASSERT_TRUE(event_is(&self->group->ev[0], __NR_openat, -EINTR));
	READ_SAME();
	JOB_END();
}

/* The main thread returns to its first task, which makes the call again. */
static void let_spares_go(struct job *job)
{
	struct syslet_call calls[2];

	KID_CHECK(!unshare(CLONE_FILES));
	mark();
	KID_CHECK(!force_handoff(job->ring) && !call_plain(CALL(__NR_unshare, CLONE_FILES)));
	mark();
	KID_CHECK(!force_handoff(job->ring));
	calls[0] = ENTRY(0, __NR_getpid);
	calls[1] = ENTRY(1, __NR_unshare, CLONE_FILES);
	KID_CHECK(batch_all(job->ring, calls, 2, 0) > 0 && !calls[1].result);
	mark();
}

TEST_F(audit, call_that_is_made_again_by_another_task_has_its_result_at_last)
{
	JOB_START(let_spares_go);
	ASSERT_EQ(0, rule_add_call(self->control, self->k.pid, __NR_unshare));
	JOB_GO();
	for (int i = 0; i < 3; i++) {
		READ_GROUP(self->group);
		ASSERT_LE(1, self->group->n);
		/* as if a signal had come before */
		for (int j = 0; j < self->group->n - 1; j++)
			ASSERT_TRUE(event_is(&self->group->ev[j], __NR_unshare, -EINTR));
		ASSERT_TRUE(event_is(&self->group->ev[self->group->n - 1], __NR_unshare, 0));
	}
	JOB_END();
}

/* --- the end ------------------------------------------------------------------------------ */

/* In the call itself, and with it in flight. */
static void die_plain(struct job *job)
{
	mark();
	plain(open_fifo());
}

static void die_in_flight(struct job *job)
{
	KID_CHECK(submit(job->ring, open_fifo(), 3) == -ESYSLETPENDING);
	mark();
	for (;;)
		pause();
}

static void die_in_exec(struct job *job)
{
	char *args[] = { "true", NULL };

	KID_CHECK(submit(job->ring, open_fifo(), 3) == -ESYSLETPENDING);
	mark();
	execv("/bin/true", args);
}

/* But for what tells one process from another. */
static void forget(struct event *ev, const char *field)
{
	char pattern[32], *p, *end;

	snprintf(pattern, sizeof(pattern), " %s=", field);
	p = strstr(ev->text, pattern);
	end = p ? strchr(p + 1, ' ') : NULL;
	if (end)
		memmove(p, end, strlen(end) + 1);
}

TEST_F(audit, record_of_a_call_that_is_killed_is_that_of_the_plain_one)
{
	static void (*const fn[])(struct job *job) = { die_plain, die_in_flight, die_in_exec };
	struct event killed[ARRAY_LEN(fn)];
	struct group *g = self->group;
	bool exec;
	struct kid k;

	for (unsigned int i = 0; i < ARRAY_LEN(fn); i++) {
		exec = fn[i] == die_in_exec;
		/* a process that is killed has no thread that would be left */
		ASSERT_TRUE(job_start(self->events, self->control, &k, exec && variant->thread,
				      fn[i]));
		ASSERT_TRUE(kid_tell(&k));
		READ_GROUP(g);
		READ_GROUP(g);
		ASSERT_TRUE(group_has(g, 0));
		if (fn[i] == die_plain)
			UNTIL(task_state(k.pid, k.pid) == 'S');
		if (!exec)
			ASSERT_EQ(0, kill(k.pid, SIGKILL));
		ASSERT_EQ(exec ? 0 : SIGKILL, kid_status(&k));
		rules_delete(self->control, k.pid);
		/* it is before the first mark of another one */
		JOB_START(be_refused);
		ASSERT_TRUE(kid_tell(&self->k));
		READ_GROUP(g);
		ASSERT_TRUE(group_has(g, 1));
		killed[i] = g->ev[0];
		READ_GROUP(g);
		JOB_END();
		rules_delete(self->control, self->k.pid);
		forget(&killed[i], "pid");
		forget(&killed[i], "ses");
		/* an execve() ends calls in flight first, and kills then */
		if (exec && event_is(&killed[i], __NR_openat, -ECANCELED))
			continue;
		ASSERT_TRUE(event_is(&killed[i], __NR_openat, -EINTR)) TH_LOG("%s", killed[i].text);
		ASSERT_TRUE(event_same(&killed[0], &killed[i]));
	}
}

/* --- rules --------------------------------------------------------------------------------- */

/* That go by the result: the real one of a call that blocked. */
TEST_F(audit, rule_about_the_result_is_about_that_of_the_blocked_call)
{
	struct rule rule;

	JOB_START(cancel_fifo);
	rules_delete(self->control, self->k.pid);
	rule = rule_of(self->k.pid);
	rule_call(&rule, MARK);
	ASSERT_EQ(0, rule_add(self->control, &rule));
	rule = rule_of(self->k.pid);
	rule_call(&rule, __NR_openat);
	rule_field(&rule, AUDIT_EXIT, -ECANCELED);
	ASSERT_EQ(0, rule_add(self->control, &rule));
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 0));
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_TRUE(event_is(&self->group->ev[0], __NR_openat, -ECANCELED));
	JOB_END();
}

TEST_F(audit, rule_about_success_does_not_take_pending_for_an_error)
{
	struct rule rule;

	JOB_START(wait_for_fifo);
	rules_delete(self->control, self->k.pid);
	rule = rule_of(self->k.pid);
	rule_call(&rule, MARK);
	ASSERT_EQ(0, rule_add(self->control, &rule));
	rule = rule_of(self->k.pid);
	rule_call(&rule, __NR_openat);
	rule_field(&rule, AUDIT_SUCCESS, 0);
	ASSERT_EQ(0, rule_add(self->control, &rule));
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 0));
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_TRUE(event_is(&self->group->ev[0], __NR_openat, -ENOENT));
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 0));
	JOB_END();
}

/* A file that is watched, whoever opens it, and in which way. */
TEST_F(audit, watched_file_that_a_blocked_call_opens)
{
	struct rule rule;

	JOB_START(wait_for_fifo);
	rules_delete(self->control, self->k.pid);
	rule = rule_of(self->k.pid);
	rule_call(&rule, MARK);
	ASSERT_EQ(0, rule_add(self->control, &rule));
	rule = rule_of(self->k.pid);
	rule_string(&rule, AUDIT_WATCH, FIFO_NAME);
	rule_field(&rule, AUDIT_PERM, AUDIT_PERM_READ);
	rule_string(&rule, AUDIT_FILTERKEY, "fifo");
	memset(rule.data.mask, 0xff, sizeof(rule.data.mask));
	ASSERT_EQ(0, rule_add(self->control, &rule));
	JOB_GO();
	READ_GROUP(self->group);
	ASSERT_TRUE(group_has(self->group, 1));
	ASSERT_STREQ("\"fifo\"", event_field(&self->group->ev[0], "key"));
	READ_GROUP(self->other);
	ASSERT_TRUE(group_has(self->other, 0));
	READ_SAME();
	JOB_END();
}

/* Switched off and on again while the call is in flight. */
static void wait_for_parent(struct job *job)
{
	long fd;

	KID_CHECK(submit(job->ring, open_fifo(), 0) == -ESYSLETPENDING);
	KID_CHECK(kid_tell(job->k) && kid_hear(job->k));
	KID_CHECK(!open_other_end(NULL));
	fd = reap_status(job->ring);
	KID_CHECK(fd >= 0 && !close(fd));
	make_some_calls(job);
}

TEST_F(audit, switched_off_while_a_call_is_in_flight)
{
	for (int again = 0; again < 2; again++) {
		JOB_START(wait_for_parent);
		JOB_GO();
		ASSERT_TRUE(kid_hear(&self->k));
		ASSERT_EQ(0, audit_enable(self->control, false));
		if (again)
			ASSERT_EQ(0, audit_enable(self->control, true));
		ASSERT_TRUE(kid_tell(&self->k));
		if (!again) {
			JOB_END();
			rules_delete(self->control, self->k.pid);
			ASSERT_EQ(0, audit_enable(self->control, true));
			continue;
		}
		READ_GROUP(self->group);
		ASSERT_TRUE(group_has(self->group, 1 + NR_SOME));
		for (int how = 1; how < 4; how++) {
			READ_GROUP(self->group);
			ASSERT_TRUE(group_has(self->group, NR_SOME));
		}
		JOB_END();
	}
}

TEST_HARNESS_MAIN
