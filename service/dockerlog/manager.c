/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-log.h"
#include "encode.h"
#include "fdstore.h"
#include "log.h"
#include "state-file.h"

#define POSITIONS_FILE "positions"
#define STATE_SUFFIX   ".json"

static void free_log(void *log)
{
        container_log_free(log);
}

int manager_new(sd_event *event, sd_bus *bus, int state_dir, Manager **ret)
{
        g_autoptr(Manager) manager = g_new0(Manager, 1);
        int r;

        manager->event = sd_event_ref(event);
        manager->bus = sd_bus_ref(bus);
        manager->state_dir = state_dir;
        manager->logs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_log);
        bus_queue_init(&manager->calls, bus);

        r = engine_init(&manager->engine, event);
        if (r < 0)
                return r;
        r = slot_file_open(state_dir, POSITIONS_FILE, sizeof(Slot), CONTAINERS_MAX, &manager->slots);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&manager);
        return 0;
}

Manager *manager_free(Manager *manager)
{
        if (!manager)
                return NULL;

        g_clear_pointer(&manager->logs, g_hash_table_unref);
        bus_queue_clear(&manager->calls);
        engine_clear(&manager->engine);
        slot_file_free(manager->slots);
        safe_close(manager->state_dir);
        sd_bus_unref(manager->bus);
        sd_event_unref(manager->event);
        g_free(manager);
        return NULL;
}

static int id_to_label(const char *id, char **ret, sd_bus_error *error)
{
        int r;

        r = label_from_id(id, ret);
        if (r == -EINVAL)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, "The id must not be empty");
        if (r == -ENAMETOOLONG)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "The id is longer than %u bytes in its encoded form", LABEL_LENGTH_MAX);

        return r;
}

int manager_find_log(Manager *manager, const char *id, ContainerLog **ret, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        int r;

        r = id_to_label(id, &label, error);
        if (r < 0)
                return r;

        *ret = g_hash_table_lookup(manager->logs, label);
        return 0;
}

int manager_obtain_log(Manager *manager, const char *id, ContainerLog **ret, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        ContainerLog *log;
        uint32_t slot;
        int r;

        r = id_to_label(id, &label, error);
        if (r < 0)
                return r;

        log = g_hash_table_lookup(manager->logs, label);
        if (!log) {
                if (slot_file_take(manager->slots, &slot) < 0)
                        return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                        "There are %u logs already", CONTAINERS_MAX);
                log = container_log_new(manager, id, label, slot);
                g_hash_table_replace(manager->logs, log->label, log);
        }

        *ret = log;
        return 0;
}

void manager_remove_log(Manager *manager, ContainerLog *log)
{
        uint32_t slot = log->slot_index;

        container_log_forget(log);
        g_hash_table_remove(manager->logs, log->label);
        slot_file_release(manager->slots, slot);
}

static int load_logs(Manager *manager)
{
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        int fd, r;

        fd = openat(manager->state_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -errno;
        }

        while ((entry = readdir(dir))) {
                g_autofree char *label = NULL;
                ContainerLog *log;

                if (!g_str_has_suffix(entry->d_name, STATE_SUFFIX))
                        continue;
                label = g_strndup(entry->d_name, strlen(entry->d_name) - strlen(STATE_SUFFIX));
                r = container_log_load(manager, label, &log);
                if (r >= 0)
                        g_hash_table_replace(manager->logs, log->label, log);
                else if (!state_reading_failed(manager->state_dir, entry->d_name, r))
                        return r;
        }

        return 0;
}

static void claim_slots(Manager *manager)
{
        g_autofree gboolean *claimed = g_new0(gboolean, CONTAINERS_MAX);
        GHashTableIter iter;
        void *log;

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &log))
                claimed[((ContainerLog *) log)->slot_index] = TRUE;
        slot_file_claim(manager->slots, claimed);
}

/* "stage.LABEL.stdout", and '.' is in no label. */
static bool adopt_fd(Manager *manager, const StoredFd *stored)
{
        g_auto(GStrv) parts = g_strsplit(stored->name, ".", -1);
        ContainerLog *log = g_strv_length(parts) == 3 ? g_hash_table_lookup(manager->logs, parts[1]) : NULL;

        if (!log || log->state == CONTAINER_ENDED || !log->started)
                return false;
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->sinks[i] && sink_adopt(log->sinks[i], stored->name, stored->fd))
                        return true;

        return false;
}

static void adopt_fds(Manager *manager, GArray *stored)
{
        for (guint i = 0; i < stored->len; i++) {
                StoredFd *entry = &g_array_index(stored, StoredFd, i);

                if (adopt_fd(manager, entry))
                        (void) take_fd(&entry->fd);
                else
                        (void) fdstore_remove(entry->name);
        }
}

static void on_discarded(ContainerLog *log, const sd_bus_error *error, G_GNUC_UNUSED void *userdata)
{
        if (error)
                log_warning("Cannot take back the log of '%s': %s", log->id, error->message);
        manager_remove_log(log->manager, log);
}

/* A start that was cut off, and whose caller has got an error. */
static void undo_start(ContainerLog *log)
{
        int r;

        log->state = CONTAINER_ENDED;
        r = container_log_call_logmon(log, "Discard", on_discarded, NULL);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot take back the log of '%s'", log->id);
}

int manager_load(Manager *manager)
{
        g_autoptr(GArray) stored = NULL;
        GHashTableIter iter;
        ContainerLog *log;
        void *value;
        int r;

        r = load_logs(manager);
        if (r < 0)
                return r;
        claim_slots(manager);
        r = fdstore_take(&stored);
        if (r < 0)
                return r;

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                container_log_make_sinks(value);
        adopt_fds(manager, stored);

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                log = value;
                if (!log->started)
                        undo_start(log);
                else if (log->state != CONTAINER_ENDED)
                        container_log_resume(log);
        }
        return 0;
}
