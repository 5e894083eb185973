// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine for fio: calls are made through libsyslet.
 *
 *	fio --ioengine=external:build/fio/fio-syslet.so ...
 *
 * Each job, be it a process or a thread, has one queue (struct syslet_queue) of
 * iodepth entries, made by itself when it starts and given up when it ends. For each unit of
 * I/O it makes the plain call: pread(2), pwrite(2), fsync(2) and so on.
 *
 *	It did not block:	the unit is completed (FIO_Q_COMPLETED). It has
 *				never been in flight, and takes no place of
 *				iodepth.
 *	It blocked:		the unit is queued; getevents() takes its result
 *				from the queue.
 *
 * With batch=1 calls are collected, and made by one system call when fio
 * commits: after iodepth_batch of them, or before it waits. All of them are
 * queued then, blocked or not.
 *
 * fio's latencies are those of its other engines: slat ends, and clat begins,
 * when the system call that made the call, or all that were collected, has
 * returned. But of a call that did not block clat has all, as with psync.
 *
 * fio/README has the options and what to know about them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fio.h"
#include "optgroup.h"

#include <syslet.h>

/*
 * The engine and the fio that loads it must mean the same by struct io_u. What
 * configure finds changes one thing in it, a union whose largest member is this.
 */
#ifndef CONFIG_POSIXAIO
#error "This fio was configured without POSIX AIO: struct io_u is another one."
#endif

enum { WAIT_RING, WAIT_EVENTFD };

struct syslet_options {
	/* Options at offset 0 are not supported. */
	void		*pad;
	unsigned int	batch;
	unsigned int	wait;
	unsigned int	backend;
};

#define OPTION(nm, what, tp, ...)					\
	{								\
		.name		= #nm,					\
		.lname		= "syslet " #nm,			\
		.type		= tp,					\
		.off1		= offsetof(struct syslet_options, nm),	\
		.help		= what,					\
		.category	= FIO_OPT_C_ENGINE,			\
		.group		= FIO_OPT_G_INVALID,			\
		__VA_ARGS__						\
	}

static struct fio_option options[] = {
	OPTION(batch, "Make calls together, iodepth_batch by one system call",
	       FIO_OPT_BOOL, .def = "0"),
	OPTION(wait, "How to wait for completions", FIO_OPT_STR, .def = "ring",
	       .posval = {
		{ .ival = "ring", .oval = WAIT_RING, .help = "syslet_ring_wait(2)" },
		{ .ival = "eventfd", .oval = WAIT_EVENTFD, .help = "poll(2) of an eventfd" },
	       }),
	OPTION(backend, "What makes calls asynchronous", FIO_OPT_STR, .def = "auto",
	       .posval = {
		{ .ival = "auto", .oval = 0, .help = "The kernel, else threads" },
		{ .ival = "kernel", .oval = SYSLET_QUEUE_NO_THREADS, .help = "The kernel" },
		{ .ival = "threads", .oval = SYSLET_QUEUE_THREADS, .help = "Threads of libsyslet" },
	       }),
	{ .name = NULL },
};

/**
 * struct syslet_data - what a job has
 * @queue: its calls
 * @event: signalled by the queue; -1: it waits on the ring
 * @events: units that the last getevents() has found completed
 * @nr_events: how many
 * @collected: units whose calls are prepared, but not made
 * @nr_collected: how many
 * @shorts: units that were completed at once, but in part: see queue_short()
 * @nr_shorts: how many
 * @passed: a call has been completed at once since the last getevents()
 */
struct syslet_data {
	struct syslet_queue	queue;
	int			event;
	struct io_u		**events;
	unsigned int		nr_events;
	struct io_u		**collected;
	unsigned int		nr_collected;
	struct io_u		**shorts;
	unsigned int		nr_shorts;
	bool			passed;
};

/* --- the calls ------------------------------------------------------------- */

/* A call of this name: now, or by the next flush. */
#define MAKE(name, ...)								\
	(batch ? syslet_prep_##name(q, SYSLET_PTR(io_u), __VA_ARGS__)		\
	       : syslet_##name(q, SYSLET_PTR(io_u), __VA_ARGS__))

static long make_trim(struct syslet_queue *q, struct io_u *io_u, bool batch)
{
	const struct fio_file *f = io_u->file;
	uint64_t *range = io_u->engine_data;

	if (f->filetype == FIO_TYPE_FILE)
		return MAKE(fallocate, f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    io_u->offset, io_u->xfer_buflen);
	range[0] = io_u->offset;
	range[1] = io_u->xfer_buflen;
	return MAKE(ioctl, f->fd, BLKDISCARD, SYSLET_PTR(range));
}

/* All that was written since the last one. */
static long make_sync_range(struct syslet_queue *q, struct io_u *io_u, bool batch,
			    unsigned int flags)
{
	const struct fio_file *f = io_u->file;

	return MAKE(sync_file_range, f->fd, f->first_write, f->last_write - f->first_write,
		    flags);
}

static long make_call(const struct thread_data *td, struct syslet_queue *q,
		      struct io_u *io_u, bool batch)
{
	int fd = io_u->file->fd;

	switch (io_u->ddir) {
	case DDIR_READ:
		return MAKE(pread, fd, io_u->xfer_buf, io_u->xfer_buflen, io_u->offset);
	case DDIR_WRITE:
		return MAKE(pwrite, fd, io_u->xfer_buf, io_u->xfer_buflen, io_u->offset);
	case DDIR_TRIM:
		return make_trim(q, io_u, batch);
	case DDIR_SYNC:
		return MAKE(fsync, fd);
	case DDIR_DATASYNC:
		return MAKE(fdatasync, fd);
	case DDIR_SYNC_FILE_RANGE:
		return make_sync_range(q, io_u, batch, td->o.sync_file_range);
	default:
		return -EINVAL;
	}
}

/* A range of nothing would be one to the end of the file. */
static bool has_call(const struct io_u *io_u)
{
	const struct fio_file *f = io_u->file;

	return io_u->ddir != DDIR_SYNC_FILE_RANGE || f->first_write != f->last_write;
}

/* --- their results --------------------------------------------------------- */

static bool is_transfer(const struct io_u *io_u)
{
	return io_u->ddir == DDIR_READ || io_u->ddir == DDIR_WRITE;
}

static bool is_short(const struct io_u *io_u)
{
	return io_u->resid && !io_u->error;
}

/*
 * Nothing at all is an error, as for fio's engines that call pread(2). What fio has
 * cancelled is not.
 */
static void set_result(struct io_u *io_u, long ret)
{
	io_u->error = 0;
	io_u->resid = 0;
	if (ret == -ECANCELED)
		io_u->resid = io_u->xfer_buflen;
	else if (ret < 0)
		io_u->error = -ret;
	else if (is_transfer(io_u))
		io_u->resid = io_u->xfer_buflen - ret;
	if (io_u->resid && !ret)
		io_u->error = EIO;
}

/* fio looks for errors of reads, writes and trims only. */
static void tell_sync_error(struct thread_data *td, const struct io_u *io_u)
{
	if (io_u->error && ddir_sync(io_u->ddir) && !td->error)
		td_verror(td, io_u->error, io_ddir_name(io_u->ddir));
}

/* Completions that are there, @max events in all at most. */
static void take_events(struct thread_data *td, unsigned int max)
{
	struct syslet_data *d = td->io_ops_data;
	struct syslet_completion c;
	struct io_u *io_u;

	while (d->nr_events < max && d->nr_shorts)
		d->events[d->nr_events++] = d->shorts[--d->nr_shorts];
	while (d->nr_events < max && !syslet_peek(&d->queue, &c)) {
		io_u = (struct io_u *)(uintptr_t)c.caller_data;
		set_result(io_u, syslet_status(&c));
		tell_sync_error(td, io_u);
		d->events[d->nr_events++] = io_u;
	}
}

static int milliseconds(const struct timespec *t)
{
	return t ? t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000 : -1;
}

/*
 * 0, -ETIME, -EINTR. It is signalled for each completion, also for those that have
 * been taken: look again.
 */
static int wait_event(struct syslet_data *d, unsigned int nr, const struct timespec *t)
{
	struct pollfd pfd = { .fd = d->event, .events = POLLIN };
	eventfd_t count;
	int ret;

	while (syslet_ready(&d->queue) < nr) {
		ret = poll(&pfd, 1, milliseconds(t));
		if (ret <= 0)
			return ret ? -errno : -ETIME;
		eventfd_read(d->event, &count);
	}
	return 0;
}

static int wait_for(struct syslet_data *d, unsigned int nr, const struct timespec *t)
{
	if (d->event >= 0)
		return wait_event(d, nr, t);
	return syslet_wait_nr(&d->queue, nr, t);
}

static int fio_syslet_getevents(struct thread_data *td, unsigned int min,
				unsigned int max, const struct timespec *t)
{
	struct syslet_data *d = td->io_ops_data;
	int err = 0;

	d->nr_events = 0;
	d->passed = false;
	take_events(td, max);
	while (d->nr_events < min && err != -ETIME) {
		err = wait_for(d, min - d->nr_events, t);
		if (err && err != -EINTR && err != -ETIME)
			return err;
		take_events(td, max);
	}
	return d->nr_events;
}

static struct io_u *fio_syslet_event(struct thread_data *td, int event)
{
	struct syslet_data *d = td->io_ops_data;

	return d->events[event];
}

/* --- units of I/O ---------------------------------------------------------- */

static void set_issue_time(struct thread_data *td, struct io_u *io_u,
			   const struct timespec *now)
{
	io_u->issue_time = *now;
	if (td->o.read_iolog_file)
		td->last_issue = *now;
}

static void issue_now(struct thread_data *td, struct io_u *io_u)
{
	struct timespec now;

	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	set_issue_time(td, io_u, &now);
}

static enum fio_q_status completed(struct thread_data *td, struct io_u *io_u)
{
	io_u_mark_submit(td, 1);
	io_u_mark_complete(td, 1);
	if (io_u->error) {
		io_u_log_error(td, io_u);
		td_verror(td, io_u->error, "xfer");
	}
	return FIO_Q_COMPLETED;
}

static enum fio_q_status queued(struct thread_data *td, struct io_u *io_u)
{
	io_u_mark_submit(td, 1);
	issue_now(td, io_u);
	io_u_queued(td, io_u);
	return FIO_Q_QUEUED;
}

/*
 * Of a unit that is completed in part when it is queued fio forgets the bytes, if that
 * is at the end of the file. So this one is completed later.
 */
static enum fio_q_status queue_short(struct thread_data *td, struct io_u *io_u)
{
	struct syslet_data *d = td->io_ops_data;

	d->shorts[d->nr_shorts++] = io_u;
	return queued(td, io_u);
}

static enum fio_q_status queue_now(struct thread_data *td, struct io_u *io_u)
{
	struct syslet_data *d = td->io_ops_data;
	long ret;

	issue_now(td, io_u);
	ret = has_call(io_u) ? make_call(td, &d->queue, io_u, false) : 0;
	if (ret == -ESYSLETPENDING)
		return queued(td, io_u);
	d->passed = true;
	set_result(io_u, ret);
	return is_short(io_u) ? queue_short(td, io_u) : completed(td, io_u);
}

static enum fio_q_status queue_later(struct thread_data *td, struct io_u *io_u)
{
	struct syslet_data *d = td->io_ops_data;

	if (!has_call(io_u)) {
		issue_now(td, io_u);
		return completed(td, io_u);
	}
	make_call(td, &d->queue, io_u, true);
	d->collected[d->nr_collected++] = io_u;
	return FIO_Q_QUEUED;
}

/* Zones are fio's: it may have to reset one. */
static enum fio_q_status trim_zone(struct thread_data *td, struct io_u *io_u)
{
	issue_now(td, io_u);
	do_io_u_trim(td, io_u);
	return completed(td, io_u);
}

/*
 * fio takes completions when iodepth units are in flight. Those that complete at once
 * never are: for all that come of them the others would wait. So it is told to come
 * back with this one. Not for a write, whose contents it would then make anew, nor if
 * it keeps a log of what it asks for.
 */
static bool has_news(const struct thread_data *td, const struct syslet_data *d,
		     const struct io_u *io_u)
{
	return d->passed && d->queue.pending && io_u->ddir == DDIR_READ &&
	       !td->o.write_iolog_file && syslet_ready(&d->queue);
}

static enum fio_q_status fio_syslet_queue(struct thread_data *td, struct io_u *io_u)
{
	struct syslet_data *d = td->io_ops_data;
	const struct syslet_options *o = td->eo;

	fio_ro_check(td, io_u);
	if (has_news(td, d, io_u))
		return FIO_Q_BUSY;
	if (io_u->ddir == DDIR_TRIM && td->o.zone_mode == ZONE_MODE_ZBD)
		return trim_zone(td, io_u);
	return o->batch ? queue_later(td, io_u) : queue_now(td, io_u);
}

/* A signal may end a flush early. */
static int flush(struct syslet_queue *q)
{
	int ret;

	do
		ret = syslet_flush(q);
	while (ret > 0 || ret == -EINTR);
	return ret;
}

static void issue_collected(struct thread_data *td, struct syslet_data *d)
{
	struct timespec now;
	unsigned int i;

	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	for (i = 0; i < d->nr_collected; i++) {
		set_issue_time(td, d->collected[i], &now);
		io_u_queued(td, d->collected[i]);
	}
}

static int fio_syslet_commit(struct thread_data *td)
{
	struct syslet_data *d = td->io_ops_data;
	int ret;

	if (!d->nr_collected)
		return 0;
	ret = flush(&d->queue);
	issue_collected(td, d);
	io_u_mark_submit(td, d->nr_collected);
	d->nr_collected = 0;
	return ret;
}

/* Asked or not: its result comes, and its memory is in use until then. */
static int fio_syslet_cancel(struct thread_data *td, struct io_u *io_u)
{
	struct syslet_data *d = td->io_ops_data;

	syslet_cancel(&d->queue, SYSLET_PTR(io_u));
	return 1;
}

static void drain(struct syslet_data *d)
{
	struct syslet_completion c;

	while (d && d->queue.pending)
		syslet_wait(&d->queue, &c, NULL);
}

/* For BLKDISCARD, whose argument must stay until it is done. */
static int fio_syslet_io_u_init(struct thread_data *td, struct io_u *io_u)
{
	io_u->engine_data = calloc(2, sizeof(uint64_t));
	return io_u->engine_data ? 0 : ENOMEM;
}

/* A replay may end with calls under way: their buffers are freed next. */
static void fio_syslet_io_u_free(struct thread_data *td, struct io_u *io_u)
{
	drain(td->io_ops_data);
	free(io_u->engine_data);
	io_u->engine_data = NULL;
}

/* --- jobs ------------------------------------------------------------------ */

static void free_data(struct syslet_data *d)
{
	syslet_queue_exit(&d->queue);
	if (d->event >= 0)
		close(d->event);
	free(d->events);
	free(d->collected);
	free(d->shorts);
	free(d);
}

static struct syslet_data *alloc_data(unsigned int depth)
{
	struct syslet_data *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->event = -1;
	d->events = calloc(depth, sizeof(*d->events));
	d->collected = calloc(depth, sizeof(*d->collected));
	d->shorts = calloc(depth, sizeof(*d->shorts));
	if (d->events && d->collected && d->shorts)
		return d;
	free_data(d);
	return NULL;
}

static int open_event(struct syslet_data *d)
{
	d->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return d->event < 0 ? -errno : syslet_queue_eventfd(&d->queue, d->event);
}

/* A call that cannot be made asynchronous is waited for: all of these end. */
static int open_queue(struct syslet_data *d, const struct syslet_options *o, unsigned int depth)
{
	int err = syslet_queue_init(&d->queue, depth, o->backend | SYSLET_QUEUE_SYNC_OK);

	if (!err && o->wait == WAIT_EVENTFD)
		err = open_event(d);
	return err;
}

/* In the process or thread that will use it. */
static int fio_syslet_init(struct thread_data *td)
{
	struct syslet_data *d = alloc_data(td->o.iodepth);
	int err = d ? open_queue(d, td->eo, td->o.iodepth) : -ENOMEM;

	if (!err) {
		td->io_ops_data = d;
		return 0;
	}
	td_verror(td, -err, "syslet_queue_init");
	if (d)
		free_data(d);
	return 1;
}

static void fio_syslet_cleanup(struct thread_data *td)
{
	struct syslet_data *d = td->io_ops_data;

	if (d)
		free_data(d);
	td->io_ops_data = NULL;
}

struct ioengine_ops ioengine = {
	.name			= "syslet",
	.version		= FIO_IOOPS_VERSION,
	.flags			= FIO_ASYNCIO_SETS_ISSUE_TIME | FIO_NO_OFFLOAD,
	.init			= fio_syslet_init,
	.cleanup		= fio_syslet_cleanup,
	.io_u_init		= fio_syslet_io_u_init,
	.io_u_free		= fio_syslet_io_u_free,
	.queue			= fio_syslet_queue,
	.commit			= fio_syslet_commit,
	.getevents		= fio_syslet_getevents,
	.event			= fio_syslet_event,
	.cancel			= fio_syslet_cancel,
	.open_file		= generic_open_file,
	.close_file		= generic_close_file,
	.get_file_size		= generic_get_file_size,
	.options		= options,
	.option_struct_size	= sizeof(struct syslet_options),
};
