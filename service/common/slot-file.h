/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/* A file in the runtime directory that is mapped as an array of equal structs. What is stored there costs no
 * system call, and a SIGKILL does not lose it. Each struct begins with an uint64_t that is not 0 while the
 * slot is in use. */
typedef struct SlotFile SlotFile;

int slot_file_open(int dir_fd, const char *name, size_t slot_size, uint32_t n_slots, SlotFile **ret);
SlotFile *slot_file_free(SlotFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SlotFile, slot_file_free)

/* A slot that nobody uses, all zero, marked as in use. -ENOSPC: there is none. */
int slot_file_take(SlotFile *file, uint32_t *ret_slot);
void slot_file_release(SlotFile *file, uint32_t slot);

/* NULL for a slot that does not exist. */
void *slot_file_get(SlotFile *file, uint32_t slot);

/* After a restart: takes the slots whose flag is set, releases all others. */
void slot_file_claim(SlotFile *file, const gboolean *claimed);

G_END_DECLS
