/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>

#include "bus-error.h"
#include "cleanup.h"
#include "directory.h"
#include "encode.h"
#include "fault.h"
#include "fd-util.h"
#include "fdstore.h"
#include "log.h"
#include "reader.h"
#include "shelf.h"
#include "state-file.h"
#include "task-log.h"

#define COUNTERS_FILE  "counters"
#define POSITIONS_FILE "readers"
#define STATE_SUFFIX   ".json"

static void free_log(void *log)
{
        task_log_free(log);
}

int manager_new(sd_event *event, sd_bus *bus, int state_dir, const char *log_root,
                const char *journal_socket, Manager **ret)
{
        g_autoptr(Manager) manager = g_new0(Manager, 1);
        int r;

        manager->event = sd_event_ref(event);
        manager->bus = sd_bus_ref(bus);
        manager->state_dir = state_dir;
        manager->log_root = g_strdup(log_root);
        manager->log_readers = directory_readers();
        manager->journal = journal_new(journal_socket);
        notices_init(&manager->notices, event, manager->journal);
        manager->shelves = shelves_new();
        manager->readers = g_ptr_array_new();
        manager->logs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_log);

        r = pump_init(&manager->pump);
        if (r < 0)
                return r;
        r = slot_file_open(state_dir, COUNTERS_FILE, sizeof(Counters), LOGS_MAX, &manager->counters);
        if (r < 0)
                return r;
        r = slot_file_open(
                        state_dir, POSITIONS_FILE, sizeof(ReaderPosition), READERS_MAX, &manager->positions);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&manager);
        return 0;
}

Manager *manager_free(Manager *manager)
{
        if (!manager)
                return NULL;

        while (manager->readers && manager->readers->len > 0)
                reader_free(g_ptr_array_index(manager->readers, 0));
        g_clear_pointer(&manager->readers, g_ptr_array_unref);
        g_clear_pointer(&manager->logs, g_hash_table_unref);
        shelves_free(manager->shelves);
        slot_file_free(manager->counters);
        slot_file_free(manager->positions);
        notices_clear(&manager->notices);
        journal_free(manager->journal);
        pump_clear(&manager->pump);
        safe_close(manager->state_dir);
        sd_bus_unref(manager->bus);
        sd_event_unref(manager->event);
        g_free(manager->log_root);
        g_free(manager);
        return NULL;
}

void manager_protect_logs(const Manager *manager)
{
        _cleanup_close_ int fd = -1;

        if (directory_open(manager->log_root, &fd) >= 0)
                directory_give_to(fd, manager->log_readers);
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

int manager_find_log(Manager *manager, const char *id, TaskLog **ret, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        int r;

        r = id_to_label(id, &label, error);
        if (r < 0)
                return r;

        *ret = g_hash_table_lookup(manager->logs, label);
        return 0;
}

static int add_log(Manager *manager, const char *id, TaskLog **ret, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        TaskLog *log;
        uint32_t slot;
        int r;

        r = id_to_label(id, &label, error);
        if (r < 0)
                return r;
        if (g_hash_table_size(manager->logs) >= LOGS_MAX || slot_file_take(manager->counters, &slot) < 0)
                return sd_bus_error_setf(
                                error, BUS_ERROR_LIMIT_EXCEEDED, "There are %u logs already", LOGS_MAX);

        log = task_log_new(manager, id, label, slot);
        g_hash_table_replace(manager->logs, log->label, log);
        *ret = log;
        return 0;
}

static void remove_log(Manager *manager, TaskLog *log)
{
        uint32_t slot = log->slot;

        task_log_forget(log);
        g_hash_table_remove(manager->logs, log->label);
        slot_file_release(manager->counters, slot);
}

int manager_start_log(Manager *manager, const char *id, LogConfig *config, TaskLog **ret, bool *ret_waits,
                sd_bus_error *error)
{
        bool is_new = false;
        TaskLog *log;
        int r;

        fault_point(FAULT_LOG_START_BEGIN);
        r = manager_find_log(manager, id, &log, error);
        if (r >= 0 && !log) {
                is_new = true;
                r = add_log(manager, id, &log, error);
        }
        if (r < 0)
                return r;
        g_assert(log);

        *ret_waits = false;
        r = task_log_start(log, config, ret_waits, error);
        if (r < 0) {
                if (is_new)
                        remove_log(manager, log);
                return r;
        }

        if (is_new)
                task_log_emit_added(log);
        *ret = log;
        return 0;
}

static int check_stopped(const TaskLog *log, sd_bus_error *error)
{
        if (log->state != TASK_LOG_STOPPED)
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING, "Log '%s' is not stopped", log->id);

        return 0;
}

int manager_release_log(Manager *manager, TaskLog *log, sd_bus_error *error)
{
        int r;

        r = check_stopped(log, error);
        if (r < 0)
                return r;

        task_log_emit_removed(log);
        reader_detach_all(log);
        remove_log(manager, log);
        fault_point(FAULT_LOG_RELEASED);
        return 0;
}

int manager_discard_log(Manager *manager, TaskLog *log, sd_bus_error *error)
{
        int r;

        r = check_stopped(log, error);
        if (r < 0)
                return r;

        task_log_remove_empty(log);
        return manager_release_log(manager, log, error);
}

static int load_logs(Manager *manager)
{
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        int r;

        r = fd_open_dir(manager->state_dir, &dir);
        if (r < 0)
                return r;

        while ((entry = readdir(dir))) {
                g_autofree char *label = NULL;
                TaskLog *log;

                if (!g_str_has_suffix(entry->d_name, STATE_SUFFIX))
                        continue;
                label = g_strndup(entry->d_name, strlen(entry->d_name) - strlen(STATE_SUFFIX));
                r = task_log_load(manager, label, &log);
                if (r >= 0)
                        g_hash_table_replace(manager->logs, log->label, log);
                else if (!state_reading_failed(manager->state_dir, entry->d_name, r))
                        return r;
        }

        return 0;
}

static void claim_counters(Manager *manager)
{
        g_autofree gboolean *claimed = g_new0(gboolean, LOGS_MAX);
        GHashTableIter iter;
        void *log;

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &log))
                claimed[((TaskLog *) log)->slot] = TRUE;
        slot_file_claim(manager->counters, claimed);
}

/* What is kept belongs to a log, "PREFIX LABEL.STREAM". One whose state cannot be read keeps it: perhaps it
 * can be by another version, and its task is better off with a pipe that nobody reads than with none. */
static TaskLog *find_owner(Manager *manager, const char *name, const char *prefix, bool *ret_stays)
{
        const char *rest = g_str_has_prefix(name, prefix) ? name + strlen(prefix) : "";
        g_autofree char *label = g_strndup(rest, strcspn(rest, "."));
        TaskLog *log = g_hash_table_lookup(manager->logs, label);

        *ret_stays = true;
        if (log && log->state == TASK_LOG_RUNNING)
                return log;
        if (!log && task_log_has_state(manager, label)) {
                log_warning("Keeping '%s' for a log whose state cannot be read", name);
                return NULL;
        }

        log_debug("'%s' was kept, of what is no running log; closing it", name);
        *ret_stays = false;
        return NULL;
}

static bool adopt_pipe(const char *name, int pipe_fd, void *userdata)
{
        _cleanup_close_ int fd = pipe_fd;
        g_autofree char *identity = fd_identity(fd);
        Manager *manager = userdata;
        TaskLog *log;
        bool stays;
        int r;

        log = find_owner(manager, name, TASK_LOG_PIPE_PREFIX, &stays);
        if (!log)
                return stays;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (stream_is_open(log->streams[kind]) || g_strcmp0(identity, log->pipes[kind]) != 0)
                        continue;
                if (task_log_has_ended(log, kind))
                        return false;
                r = task_log_adopt(log, kind, take_fd(&fd));
                if (r < 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot go on with a pipe of log '%s'", log->id);
                return true;
        }

        /* of a stream before the one that has the name now */
        return false;
}

/* After the pipes: the streams must be there. */
static void adopt_backlog(Manager *manager, StoredFd *stored)
{
        TaskLog *log;
        bool stays;

        log = find_owner(manager, stored->name, TASK_LOG_BACKLOG_PREFIX, &stays);
        if (log)
                stays = task_log_adopt_backlog(log, stored->name, take_fd(&stored->fd)) >= 0;
        if (!stays)
                (void) fdstore_remove(stored->name);
}

static bool is_backlog(const StoredFd *stored)
{
        return g_str_has_prefix(stored->name, TASK_LOG_BACKLOG_PREFIX);
}

static void adopt_fd(Manager *manager, StoredFd *stored, gboolean *claimed_positions)
{
        uint32_t slot;

        if (is_backlog(stored))
                return;
        if (shelves_adopt_fd(manager->shelves, stored->name, stored->fd) >= 0) {
                (void) take_fd(&stored->fd);
                return;
        }

        if (reader_parse_fd_name(stored->name, &slot) &&
                        reader_adopt(manager, slot, take_fd(&stored->fd)) >= 0)
                claimed_positions[slot] = TRUE;
        else
                (void) fdstore_remove(stored->name);
}

/* State without a pipe: whatever wrote to it has lost its reader, or the start had not come to an end. */
static void settle_log(TaskLog *log)
{
        if (log->state != TASK_LOG_RUNNING)
                return;
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (stream_is_open(log->streams[i]))
                        return;

        log_notice("Log '%s' has no pipe any more, it is stopped", log->id);
        log->state = TASK_LOG_STOPPED;
        (void) task_log_save(log);
}

int manager_load(Manager *manager)
{
        g_autofree gboolean *claimed = g_new0(gboolean, READERS_MAX);
        g_autoptr(GArray) stored = NULL;
        GHashTableIter iter;
        void *log;
        int r;

        r = load_logs(manager);
        if (r < 0)
                return r;
        claim_counters(manager);

        r = fdstore_take(&stored);
        if (r < 0)
                return r;
        for (guint i = 0; i < stored->len; i++)
                adopt_fd(manager, &g_array_index(stored, StoredFd, i), claimed);
        slot_file_claim(manager->positions, claimed);
        shelves_visit(manager->shelves, adopt_pipe, manager);
        for (guint i = 0; i < stored->len; i++)
                if (is_backlog(&g_array_index(stored, StoredFd, i)))
                        adopt_backlog(manager, &g_array_index(stored, StoredFd, i));

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &log))
                settle_log(log);
        return 0;
}
