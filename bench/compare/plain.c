// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sum the first 64 KiB of all files: with plain calls, one file after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE	65536

static unsigned int errors;
static uint64_t sum;

static void failed(const char *name, const char *why)
{
	fprintf(stderr, "%s: %s\n", name, why);
	errors++;
}

static void add(const unsigned char *buf, ssize_t n)
{
	uint64_t s = 0;

	while (n > 0)
		s += buf[--n];
	sum += s;
}

static void sum_file(const char *name)
{
	static unsigned char buf[SIZE];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		failed(name, strerror(errno));
		return;
	}
	if (fstat(fd, &st)) {
		failed(name, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		failed(name, "not a regular file");
	} else {
		n = read(fd, buf, SIZE);
		if (n < 0)
			failed(name, strerror(errno));
		add(buf, n);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		sum_file(argv[i]);
	printf("%d files, %u errors, sum %ju\n", argc - 1, errors, (uintmax_t)sum);
	return errors ? 1 : 0;
}
