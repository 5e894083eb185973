/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests share that look into core dumps: where they go, and their notes.
 */
#ifndef __SYSLET_CORE_H
#define __SYSLET_CORE_H

#include <elf.h>
#include <sys/procfs.h>

#include "peer.h"

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

struct notes {
	unsigned int	nr_threads;
	pid_t		tid[32];
	unsigned long	r15[32];
	int		sig;
	pid_t		pid;
	char		name[32];
	siginfo_t	info;
};

static inline size_t align4(size_t n)
{
	return (n + 3) & ~3ul;
}

static inline void parse_notes(const char *p, size_t len, struct notes *notes)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *note = (const void *)p;
		size_t head = sizeof(*note) + align4(note->n_namesz);
		const void *desc = p + head;

		if (note->n_type == NT_PRSTATUS && notes->nr_threads < 32) {
			const struct elf_prstatus *st = desc;
			const struct user_regs_struct *regs = (const void *)st->pr_reg;

			if (!notes->nr_threads)
				notes->sig = st->pr_cursig;
			notes->tid[notes->nr_threads] = st->pr_pid;
			notes->r15[notes->nr_threads++] = regs->r15;
		} else if (note->n_type == NT_PRPSINFO) {
			const struct elf_prpsinfo *info = desc;

			notes->pid = info->pr_pid;
			memcpy(notes->name, info->pr_fname, sizeof(info->pr_fname));
		} else if (note->n_type == NT_SIGINFO) {
			memcpy(&notes->info, desc, sizeof(notes->info));
		}
		head += align4(note->n_descsz);
		if (head > len)
			break;
		p += head;
		len -= head;
	}
}

static inline bool read_core(const char *name, struct notes *notes)
{
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
	struct stat st;
	char *map;
	int fd;

	memset(notes, 0, sizeof(*notes));
	fd = open(name, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)sizeof(*ehdr))
		return false;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return false;
	ehdr = (void *)map;
	phdr = (void *)(map + ehdr->e_phoff);
	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_NOTE)
			parse_notes(map + phdr[i].p_offset, phdr[i].p_filesz, notes);
	munmap(map, st.st_size);
	return true;
}

#endif /* __SYSLET_CORE_H */
