// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A plugin of QEMU's user mode that counts the guest's instructions, in all threads, and writes
// their number to a file as the guest ends, in callgrind's words:
//   qemu-arm -plugin libcount.so,output=FILE PROGRAM
// Debian's qemu-user takes plugins, but comes with none, and without their header: what is used of
// it is declared here, as version 1 of that interface has it.

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_info_t;
enum qemu_plugin_cb_flags { NO_REGISTERS };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *block, void (*call)(unsigned, void *), enum qemu_plugin_cb_flags flags, void *data
);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t, void *), void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t count;
static FILE *output;

static void run(unsigned processor, void *instructions) {
    (void)processor;
    __atomic_fetch_add(&count, (uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(uint64_t id, struct qemu_plugin_tb *block) {
    (void)id;
    uintptr_t instructions = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, run, NO_REGISTERS, (void *)instructions);
}

static void ended(uint64_t id, void *data) {
    (void)id, (void)data;
    fprintf(output, "totals: %" PRIu64 "\n", count);
    fclose(output);
}

__attribute__((visibility("default"))) int
qemu_plugin_install(uint64_t id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "output=", 7) != 0 || (output = fopen(argv[0] + 7, "w")) == NULL) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
