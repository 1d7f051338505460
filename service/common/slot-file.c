/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "state-file.h"

struct SlotFile {
        char *slots;
        size_t slot_size;
        uint32_t n_slots;
        uint32_t next; /* where to look for a free one */
};

/* Only a regular file can be the slots. What else has the name is set aside. */
static int open_or_make(int dir_fd, const char *name)
{
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && !S_ISREG(st.st_mode)) {
                r = state_set_aside(dir_fd, name, "is no regular file");
                if (r < 0)
                        return r;
        }

        r = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        return r < 0 ? -errno : r;
}

int slot_file_open(int dir_fd, const char *name, size_t slot_size, uint32_t n_slots, SlotFile **ret)
{
        g_autoptr(SlotFile) file = NULL;
        _cleanup_close_ int fd = -1;
        void *slots;
        int r;

        fd = open_or_make(dir_fd, name);
        if (fd < 0)
                return fd;
        /* Not sparse: where /run is full that is to be an error here, and not a SIGBUS later. */
        r = posix_fallocate(fd, 0, (off_t) (slot_size * n_slots));
        if (r > 0)
                return -r;
        slots = mmap(NULL, slot_size * n_slots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (slots == MAP_FAILED)
                return -errno;

        file = g_new0(SlotFile, 1);
        file->slots = slots;
        file->slot_size = slot_size;
        file->n_slots = n_slots;
        *ret = g_steal_pointer(&file);
        return 0;
}

SlotFile *slot_file_free(SlotFile *file)
{
        if (!file)
                return NULL;

        (void) munmap(file->slots, file->slot_size * file->n_slots);
        g_free(file);
        return NULL;
}

void *slot_file_get(SlotFile *file, uint32_t slot)
{
        return slot < file->n_slots ? file->slots + slot * file->slot_size : NULL;
}

static uint64_t *used(SlotFile *file, uint32_t slot)
{
        return slot_file_get(file, slot);
}

int slot_file_take(SlotFile *file, uint32_t *ret_slot)
{
        for (uint32_t i = 0; i < file->n_slots; i++) {
                uint32_t slot = (file->next + i) % file->n_slots;

                if (*used(file, slot))
                        continue;
                memset(slot_file_get(file, slot), 0, file->slot_size);
                *used(file, slot) = 1;
                file->next = slot + 1;
                *ret_slot = slot;
                return 0;
        }

        return -ENOSPC;
}

void slot_file_release(SlotFile *file, uint32_t slot)
{
        memset(slot_file_get(file, slot), 0, file->slot_size);
        file->next = MIN(file->next, slot);
}

void slot_file_claim(SlotFile *file, const gboolean *claimed)
{
        for (uint32_t slot = 0; slot < file->n_slots; slot++)
                if (claimed[slot])
                        *used(file, slot) = 1;
                else if (*used(file, slot))
                        slot_file_release(file, slot);
}
