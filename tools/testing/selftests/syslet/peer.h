/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests share that look at a thread from outside: other processes, /proc,
 * and calls in flight to be there meanwhile.
 */
#ifndef __SYSLET_PEER_H
#define __SYSLET_PEER_H

#include "common.h"

#define NOBODY		65534

#ifndef __WNOTHREAD
#define __WNOTHREAD	0x20000000
#endif

/* In a child process: say what is wrong, and fail. */
#define KID_CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "# %s:%d: %s (%m)\n",		\
				__FILE__, __LINE__, #cond);		\
			_exit(1);					\
		}							\
	} while (0)

/*
 * A child process, and a way to talk with it. It learns of the death of its
 * parent by kid_hear(), so that a failed test leaves none behind.
 */
struct kid {
	pid_t	pid;
	int	to, from;
};

/* As fork(): in the child *k is the way to the parent. */
static inline pid_t kid_fork(struct kid *k)
{
	int up[2], down[2];

	*k = (struct kid){ .pid = -1, .to = -1, .from = -1 };
	if (pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC))
		return -1;
	k->pid = fork();
	k->to = k->pid ? down[1] : up[1];
	k->from = k->pid ? up[0] : down[0];
	close(k->pid ? down[0] : up[0]);
	close(k->pid ? up[1] : down[1]);
	return k->pid;
}

static inline bool kid_tell(struct kid *k)
{
	return write(k->to, "x", 1) == 1;
}

static inline bool kid_hear(struct kid *k)
{
	char c;

	return read(k->from, &c, 1) == 1;
}

/* In the parent: it answers, so it lives. */
static inline bool kid_lives(struct kid *k)
{
	return kid_tell(k) && kid_hear(k);
}

/* In the child: tell that we live as often as the parent asks. */
static inline void kid_live(struct kid *k)
{
	while (kid_hear(k))
		if (!kid_tell(k))
			break;
	_exit(0);
}

static inline void kid_forget(struct kid *k)
{
	close(k->to);
	close(k->from);
}

/* Wait for its end, which it comes to by itself. */
static inline int kid_status(struct kid *k)
{
	int status = -1;

	if (waitpid(k->pid, &status, __WALL) != k->pid)
		return -1;
	kid_forget(k);
	return status;
}

/* Make an end to kid_live(). Later ones first: they have our end of its pipe. */
static inline bool kid_end(struct kid *k)
{
	int status = -1;

	kid_forget(k);
	return waitpid(k->pid, &status, __WALL) == k->pid && !status;
}

/*
 * Calls in flight, of a thread that is not on its first task: the state that
 * looking at it has to get along with.
 */
struct flight {
	struct blocker b[3];
};

static inline bool flight_begin(struct flight *f, struct syslet_ring *ring)
{
	if (force_handoff(ring))
		return false;
	for (unsigned int i = 0; i < ARRAY_LEN(f->b); i++)
		if (blocker_begin(&f->b[i], ring, i) != -ESYSLETPENDING)
			return false;
	return true;
}

static inline bool flight_end(struct flight *f, struct syslet_ring *ring)
{
	for (unsigned int i = 0; i < ARRAY_LEN(f->b); i++)
		if (blocker_end(&f->b[i], ring) != 1)
			return false;
	return true;
}

/* A file's text without the newline at its end; its length, or -errno. */
static inline int read_text(const char *name, char *buf, size_t len)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t ret;

	if (fd < 0)
		return -errno;
	while ((ret = read(fd, buf + n, len - 1 - n)) > 0)
		n += ret;
	close(fd);
	if (ret < 0)
		return -EIO;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return n;
}

static inline int write_text(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline int task_text(pid_t pid, pid_t tid, const char *what, char *buf, size_t len)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/task/%d/%s", pid, tid, what);
	return read_text(name, buf, len);
}

/* A line of /proc/PID/task/TID/status, after "what:\t"; "" if there is none. */
static inline const char *status_field(pid_t pid, pid_t tid, const char *what)
{
	static __thread char text[4096];
	size_t len = strlen(what);
	char *p = text, *end;

	if (task_text(pid, tid, "status", text, sizeof(text)) < 0)
		return "";
	while (strncmp(p, what, len) || p[len] != ':') {
		p = strchr(p, '\n');
		if (!p)
			return "";
		p++;
	}
	p += len + 1;
	while (*p == '\t' || *p == ' ')
		p++;
	end = strchr(p, '\n');
	if (end)
		*end = 0;
	return p;
}

static inline long status_num(pid_t pid, pid_t tid, const char *what)
{
	const char *text = status_field(pid, tid, what);

	return *text ? atol(text) : -1;
}

/* Is the signal in one of the thread's masks of /proc: SigBlk, SigPnd, ShdPnd? */
static inline bool status_has_signal(pid_t pid, pid_t tid, const char *what, int sig)
{
	return strtoull(status_field(pid, tid, what), NULL, 16) >> (sig - 1) & 1;
}

static inline char task_state(pid_t pid, pid_t tid)
{
	return *status_field(pid, tid, "State");
}

static inline void block_signal(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Wait for a blocked signal and take it. */
static inline int take_signal(int sig, siginfo_t *info)
{
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, sig);
	do
		ret = sigwaitinfo(&set, info);
	while (ret < 0 && errno == EINTR);
	return ret;
}

/* Take a blocked signal that has to be there already. */
static inline int take_pending(int sig, siginfo_t *info)
{
	struct timespec none = {};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, info, &none);
}

#endif /* __SYSLET_PEER_H */
