// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays at the points of a handoff where races are, for tests.
 *
 * In debugfs, syslet/delay: write "NAME USECS" and each pass of that point
 * spins up to so long, at random; "NAME 0" ends it, and "off" ends all. Read it
 * for the names, delays, and how often each point was passed.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "syslet.h"

#define SYSLET_DELAY_MAX	100000	/* usecs */

static const char * const syslet_point_names[SYSLET_NR_POINTS] = {
	[SYSLET_POINT_ARM]	= "arm",
	[SYSLET_POINT_OFFER]	= "offer",
	[SYSLET_POINT_WAKE]	= "wake",
	[SYSLET_POINT_SLEEP]	= "sleep",
	[SYSLET_POINT_PARK]	= "park",
	[SYSLET_POINT_TAKE]	= "take",
	[SYSLET_POINT_CHECK]	= "check",
	[SYSLET_POINT_MOVE]	= "move",
	[SYSLET_POINT_ADOPTED]	= "adopted",
	[SYSLET_POINT_OVER]	= "over",
	[SYSLET_POINT_WITHDRAW]	= "withdraw",
	[SYSLET_POINT_FINISH]	= "finish",
	[SYSLET_POINT_POSTED]	= "posted",
	[SYSLET_POINT_CLONE]	= "clone",
	[SYSLET_POINT_RETIRE]	= "retire",
	[SYSLET_POINT_EXIT]	= "exit",
	[SYSLET_POINT_KILL]	= "kill",
};

static unsigned int syslet_delays[SYSLET_NR_POINTS];
static atomic_long_t syslet_passed[SYSLET_NR_POINTS];

/**
 * syslet_delay - a point at which a test may want a delay
 * @point: which
 *
 * Context: Any but with raw locks held.
 */
void syslet_delay(enum syslet_point point)
{
	unsigned int usecs = READ_ONCE(syslet_delays[point]);

	if (likely(!usecs))
		return;
	atomic_long_inc(&syslet_passed[point]);
	usecs = get_random_u32_below(usecs + 1);
	for (; usecs > 500; usecs -= 500)
		udelay(500);
	udelay(usecs);
}

static int syslet_delay_show(struct seq_file *m, void *v)
{
	int i;

	for (i = 0; i < SYSLET_NR_POINTS; i++)
		seq_printf(m, "%s %u %ld\n", syslet_point_names[i],
			   READ_ONCE(syslet_delays[i]), atomic_long_read(&syslet_passed[i]));
	return 0;
}

static int syslet_delay_open(struct inode *inode, struct file *file)
{
	return single_open(file, syslet_delay_show, NULL);
}

static ssize_t syslet_delay_write(struct file *file, const char __user *buf,
				  size_t len, loff_t *pos)
{
	unsigned int usecs;
	char line[32], name[16];
	int i;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = 0;
	if (sysfs_streq(line, "off")) {
		for (i = 0; i < SYSLET_NR_POINTS; i++)
			WRITE_ONCE(syslet_delays[i], 0);
		return len;
	}
	if (sscanf(line, "%15s %u", name, &usecs) != 2 || usecs > SYSLET_DELAY_MAX)
		return -EINVAL;
	i = match_string(syslet_point_names, SYSLET_NR_POINTS, name);
	if (i < 0)
		return i;
	atomic_long_set(&syslet_passed[i], 0);
	WRITE_ONCE(syslet_delays[i], usecs);
	return len;
}

static const struct file_operations syslet_delay_fops = {
	.open		= syslet_delay_open,
	.read		= seq_read,
	.write		= syslet_delay_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int __init syslet_delay_init(void)
{
	struct dentry *dir = debugfs_create_dir("syslet", NULL);

	debugfs_create_file("delay", 0600, dir, NULL, &syslet_delay_fops);
	return 0;
}
late_initcall(syslet_delay_init);
