// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU (7.2): writes down the address of every instruction that
 * the guest executes between two marks. bench/profile.c sets the marks, and
 * bench/profile.py reads what is written.
 *
 *	-plugin profile-plugin.so,out=FILE
 *
 * A mark is a no-op with a number that compilers do not use. The file has words
 * of 64 bits: addresses, and between them MARK | number for each mark.
 *
 * Debian has no package with QEMU's header, so what is used of it is declared
 * here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- as in qemu-plugin.h, version 1 ------------------------------------------ */

#define EXPORT	__attribute__((__visibility__("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void *userdata);
typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *userdata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb,
				    void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

/* --- the plugin ----------------------------------------------------------------- */

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
			       char **argv);

/* nopl 0x53594c00+n(%rax), see mark() in bench.h */
static const uint8_t nop[] = { 0x0f, 0x1f, 0x80 };
#define MARK_NUMBER	0x53594c00u
/* No address of a guest looks like that. */
#define MARK		0x5359000000000000ull

static FILE *out;
static bool on;

static void put(uint64_t word)
{
	if (fwrite(&word, sizeof(word), 1, out) != 1) {
		perror("profile-plugin");
		exit(1);
	}
}

static void on_insn(unsigned int vcpu, void *address)
{
	(void)vcpu;
	if (on)
		put((uintptr_t)address);
}

/* Number 0 ends what is written, all others begin it. */
static void on_mark(unsigned int vcpu, void *number)
{
	(void)vcpu;
	on = number;
	put(MARK | (uintptr_t)number);
}

static bool is_mark(const struct qemu_plugin_insn *insn, uint32_t *number)
{
	const uint8_t *data = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != sizeof(nop) + sizeof(*number) ||
	    memcmp(data, nop, sizeof(nop)))
		return false;
	memcpy(number, data + sizeof(nop), sizeof(*number));
	*number ^= MARK_NUMBER;
	return *number < 256;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		uint32_t number;

		if (is_mark(insn, &number))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark,
				QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)number);
		else
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_insn,
				QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)address);
	}
}

static void at_exit(qemu_plugin_id_t id, void *userdata)
{
	(void)id;
	(void)userdata;
	if (fclose(out))
		perror("profile-plugin");
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "profile-plugin: give it out=FILE\n");
		return -1;
	}
	out = fopen(argv[0] + 4, "wb");
	if (!out) {
		perror(argv[0] + 4);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
