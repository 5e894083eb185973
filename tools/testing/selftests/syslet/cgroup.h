/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of limits share: a control group with the controllers of tasks and
 * memory, settings of the kernel, and what /proc/PID/syslets counts.
 */
#ifndef __SYSLET_CGROUP_H
#define __SYSLET_CGROUP_H

#include "threads.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"

struct cgroup {
	char	dir[64];
	bool	had_pids, had_memory;	/* the controllers, before */
};

static inline char *cgroup_path(const struct cgroup *g, const char *file)
{
	static __thread char name[2][128];
	static __thread int i;

	i = !i;
	snprintf(name[i], sizeof(name[i]), "%s/%s", g->dir, file);
	return name[i];
}

static inline int cgroup_write(const struct cgroup *g, const char *file, const char *text)
{
	return write_text(cgroup_path(g, file), text);
}

static inline int cgroup_write_num(const struct cgroup *g, const char *file, long num)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", num);
	return cgroup_write(g, file, text);
}

static inline long cgroup_num(const struct cgroup *g, const char *file)
{
	char text[64];

	return read_text(cgroup_path(g, file), text, sizeof(text)) > 0 ? atol(text) : -1;
}

/* A line "key number" of a file; -1 if there is none. */
static inline long cgroup_key(const struct cgroup *g, const char *file, const char *key)
{
	static __thread char text[8192];
	size_t len = strlen(key);
	char *p = text;

	if (read_text(cgroup_path(g, file), text, sizeof(text)) < 0)
		return -1;
	while (p && (strncmp(p, key, len) || p[len] != ' ')) {
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return p ? atol(p + len) : -1;
}

/* Into it, with all that the current process is. */
static inline bool cgroup_enter(const struct cgroup *g)
{
	return !cgroup_write(g, "cgroup.procs", "0");
}

static inline bool cgroup_make(struct cgroup *g, const char *name)
{
	char text[256] = "";

	snprintf(g->dir, sizeof(g->dir), CGROUP_ROOT "/%s-%d", name, getpid());
	read_text(CGROUP_ROOT "/cgroup.subtree_control", text, sizeof(text));
	g->had_pids = strstr(text, "pids");
	g->had_memory = strstr(text, "memory");
	return !write_text(CGROUP_ROOT "/cgroup.subtree_control", "+pids +memory") &&
	       !mkdir(g->dir, 0755);
}

static inline void cgroup_remove(const struct cgroup *g)
{
	rmdir(g->dir);
	if (!g->had_pids)
		write_text(CGROUP_ROOT "/cgroup.subtree_control", "-pids");
	if (!g->had_memory)
		write_text(CGROUP_ROOT "/cgroup.subtree_control", "-memory");
}

/* --- settings ------------------------------------------------------------------- */

static const char *const settings[] = {
	"/proc/sys/kernel/syslet_disabled",
	"/proc/sys/kernel/syslet_group",
	"/proc/sys/kernel/syslet_max_spares",
	"/proc/sys/user/max_syslets",
};

#define DISABLED	settings[0]
#define DISABLED_GROUP	settings[1]
#define MAX_SPARES	settings[2]
#define MAX_SYSLETS	settings[3]

struct saved_settings {
	char text[ARRAY_LEN(settings)][16];
};

static inline bool settings_save(struct saved_settings *s)
{
	for (unsigned int i = 0; i < ARRAY_LEN(settings); i++)
		if (read_text(settings[i], s->text[i], sizeof(s->text[i])) <= 0)
			return false;
	return true;
}

static inline void settings_restore(const struct saved_settings *s)
{
	for (unsigned int i = 0; i < ARRAY_LEN(settings); i++)
		write_text(settings[i], s->text[i]);
}

static inline int set_num(const char *name, long num)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", num);
	return write_text(name, text);
}

/*
 * Who runs out of memory is told with a backtrace, which is not to be on the
 * console: there it means that something is wrong.
 */
#define PRINTK	"/proc/sys/kernel/printk"

struct console {
	char	printk[64];
};

static inline bool console_quiet(struct console *c)
{
	return read_text(PRINTK, c->printk, sizeof(c->printk)) > 0 && !write_text(PRINTK, "1");
}

static inline void console_restore(const struct console *c)
{
	write_text(PRINTK, c->printk);
}

/* --- counts ----------------------------------------------------------------------- */

struct counts {
	unsigned int	parked, running;
	unsigned long	handoffs, refused, limited;
};

/* Of a thread that makes syslets, by /proc/PID/syslets. */
static inline bool counts_read(struct counts *c, pid_t pid, pid_t tid)
{
	static __thread char text[65536];
	char name[64], *p = text;
	int found = 0;

	snprintf(name, sizeof(name), "/proc/%d/syslets", pid);
	if (read_text(name, text, sizeof(text)) < 0)
		return false;
	while (p && *p) {
		if (sscanf(p, "thread %d parked %u running %u handoffs %lu refused %lu limited %lu",
			   &found, &c->parked, &c->running, &c->handoffs, &c->refused,
			   &c->limited) == 6 && found == tid)
			return true;
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return false;
}

/* --- calls in flight that need nothing to be ended -------------------------------- */

/*
 * Reads of eventfds: all that they need was allocated before, so they can be
 * made and ended by who has run out of memory, tasks and descriptors.
 */
struct pool {
	unsigned int	nr;		/* begun so far */
	unsigned int	size;
	int		*fd;
	uint64_t	*value;
};

static inline bool pool_make(struct pool *p, unsigned int size)
{
	*p = (struct pool){ .size = size, .fd = calloc(size, sizeof(*p->fd)),
			    .value = calloc(size, sizeof(*p->value)) };
	if (!p->fd || !p->value)
		return false;
	for (unsigned int i = 0; i < size; i++) {
		p->fd[i] = eventfd(0, EFD_CLOEXEC);
		if (p->fd[i] < 0)
			return false;
	}
	return true;
}

static inline struct indirect_registers pool_call(struct pool *p, unsigned int i)
{
	return CALL(__NR_read, p->fd[i], P(&p->value[i]), sizeof(p->value[i]));
}

/* The next one; -ESYSLETPENDING, or what else came. */
static inline long pool_begin(struct pool *p, struct syslet_ring *ring)
{
	long ret = p->nr < p->size ? submit(ring, pool_call(p, p->nr), p->nr) : -ENFILE;

	if (ret == -ESYSLETPENDING)
		p->nr++;
	return ret;
}

static inline long pool_begin_many(struct pool *p, struct syslet_ring *ring, unsigned int nr)
{
	long ret = -ESYSLETPENDING;

	while (nr-- && ret == -ESYSLETPENDING)
		ret = pool_begin(p, ring);
	return ret;
}

static inline bool pool_post(struct pool *p, unsigned int i)
{
	uint64_t one = 1;

	return write(p->fd[i], &one, sizeof(one)) == sizeof(one);
}

/* End those from @first on, in any order; each has its result, once. */
static inline bool pool_end(struct pool *p, unsigned int first, struct syslet_ring *ring)
{
	struct syslet_completion comp = {};

	for (unsigned int i = first; i < p->nr; i++)
		if (!pool_post(p, i))
			return false;
	for (unsigned int i = first; i < p->nr; i++) {
		if (ring_reap(ring, &comp) || comp.status != sizeof(uint64_t) ||
		    comp.caller_data < first || comp.caller_data >= p->nr ||
		    p->value[comp.caller_data]++ != 1)
			return false;
	}
	p->nr = first;
	return !ring_count(ring);
}

#endif /* __SYSLET_CGROUP_H */
