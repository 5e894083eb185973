/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* smoke FILE: its first bytes, its size, and a call that fails */
#include <fcntl.h>
#include <stdio.h>
#include <syslet.h>

int main(int argc, char **argv)
{
	struct syslet_queue q;
	struct syslet_completion c;
	struct stat st[2];
	char buf[7] = "";
	long ret, status[2];
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || syslet_queue_init(&q, 8, 0))
		return 1;
	ret = syslet_pread(&q, 0, fd, buf, sizeof(buf) - 1, 0);
	if (ret == -ESYSLETPENDING)
		ret = syslet_wait(&q, &c, NULL) ? -1 : syslet_status(&c);
	printf("pread: %ld, \"%s\"\n", ret, buf);
	if (syslet_prep_lstat(&q, 0, argv[1], &st[0]) || syslet_prep_lstat(&q, 1, "none", &st[1]))
		return 1;
	while (q.pending && !syslet_wait(&q, &c, NULL))
		status[c.caller_data] = syslet_status(&c);
	printf("lstat: %ld, %ld bytes; %ld\n", status[0], (long)st[0].st_size, status[1]);
	syslet_queue_exit(&q);
	return 0;
}
