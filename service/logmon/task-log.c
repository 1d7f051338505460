/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task-log.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <time.h>

#include "bus-error.h"
#include "cleanup.h"
#include "fault.h"
#include "fd-util.h"
#include "fifo.h"
#include "log.h"
#include "reader.h"
#include "shelf.h"

typedef struct Waiter {
        TaskLogStopped stopped;
        void *userdata;
} Waiter;

const char *task_log_state_to_string(TaskLogState state)
{
        static const char *const names[] = {
                [TASK_LOG_STOPPED] = "stopped",
                [TASK_LOG_RUNNING] = "running",
                [TASK_LOG_STOPPING] = "stopping",
        };

        return names[state];
}

TaskLog *task_log_new(Manager *manager, const char *id, const char *label, uint32_t slot)
{
        TaskLog *log = g_new0(TaskLog, 1);

        log->manager = manager;
        log->id = g_strdup(id);
        log->label = g_strdup(label);
        log->last_error = g_strdup("");
        log->slot = slot;
        log->counters = slot_file_get(manager->counters, slot);
        log->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        log_config_init(&log->config);
        return log;
}

static void clear_streams(TaskLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++) {
                log->streams[i] = stream_free(log->streams[i]);
                g_clear_pointer(log->pipes + i, g_free);
        }
}

TaskLog *task_log_free(TaskLog *log)
{
        if (!log)
                return NULL;

        clear_streams(log);
        sd_event_source_disable_unref(log->deadline);
        g_array_unref(log->waiters);
        pid_file_unref(log->pid_file);
        log_config_clear(&log->config);
        identity_clear(&log->identity);
        g_free(log->last_error);
        g_free(log->id);
        g_free(log->label);
        g_free(log);
        return NULL;
}

static const char *log_name(const TaskLog *log)
{
        return log->config.name ? log->config.name : log->label;
}

Rotator *task_log_make_rotator(const TaskLog *log, StreamKind kind)
{
        g_autofree char *name = g_strdup_printf("%s.%s", log_name(log), stream_kind_to_string(kind));
        g_autofree char *directory = NULL;
        Rotator *rotator;

        if (log->config.directory)
                directory = g_strdup(log->config.directory);
        else
                directory = g_build_filename(log->manager->log_root, log->label, NULL);

        rotator = rotator_new(directory, name);
        rotator->make_directory = !log->config.directory;
        rotator->readers = log->manager->log_readers;
        /* A directory of ours is used as ourselves: the task's user may have no way to it. */
        rotator->identity = log->config.directory ? &log->identity : NULL;
        rotator->max_files = log->config.max_files;
        rotator->max_size = log->config.max_file_size;
        return rotator;
}

void task_log_remove_empty(TaskLog *log)
{
        if (!log_config_has_target(&log->config, "files"))
                return;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                g_autoptr(Rotator) rotator = task_log_make_rotator(log, kind);

                rotator_remove_empty(rotator);
        }
}

static JournalSink *make_journal_sink(TaskLog *log, StreamKind kind)
{
        GString *fields = g_string_new(NULL);
        GHashTableIter iter;
        JournalSink *sink;
        void *name, *value;

        journal_append_field(fields, "SYSLOG_IDENTIFIER", log_name(log));
        journal_append_field(fields, "NOMAD_TASK_ID", log->id);
        journal_append_field(fields, "NOMAD_STREAM", stream_kind_to_string(kind));
        if (log->config.unit)
                journal_append_field(fields, "OBJECT_SYSTEMD_UNIT", log->config.unit);

        if (log->config.fields) {
                g_hash_table_iter_init(&iter, log->config.fields);
                while (g_hash_table_iter_next(&iter, &name, &value))
                        journal_append_field(fields, name, value);
        }

        sink = journal_sink_new(log->manager->journal, log->counters, fields,
                        kind == STREAM_STDOUT ? LOG_INFO : LOG_ERR);
        if (!log->config.main_pid_file)
                return sink;

        if (!log->pid_file)
                log->pid_file = pid_file_new(log->config.main_pid_file);
        journal_sink_set_pid_file(sink, log->pid_file);
        return sink;
}

static char *stored_name(const TaskLog *log, const char *prefix, StreamKind kind)
{
        return g_strdup_printf("%s%s.%s", prefix, log->label, stream_kind_to_string(kind));
}

static void unstore_pipe(TaskLog *log, StreamKind kind)
{
        g_autofree char *name = stored_name(log, TASK_LOG_PIPE_PREFIX, kind);
        /* A writer that is left gets SIGPIPE at once; one that is gone does not mind. */
        bool at_once = log->cut[kind] || log->config.fifos[kind];
        int r;

        r = shelves_take_down(log->manager->shelves, name, at_once);
        if (r < 0 && r != -ENOENT)
                (void) log_errno(LOG_WARNING, r, "Cannot give up '%s' yet", name);
}

static void call_waiters(TaskLog *log)
{
        g_autoptr(GArray) waiters = g_steal_pointer(&log->waiters);

        log->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        for (guint i = 0; i < waiters->len; i++) {
                Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->stopped(waiter->userdata);
        }
}

/* All streams have ended: files are complete and the journal has everything. */
static void task_log_finished(TaskLog *log)
{
        int r;

        log->deadline = sd_event_source_disable_unref(log->deadline);
        clear_streams(log);
        log->state = TASK_LOG_STOPPED;

        r = task_log_save(log);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the state of log '%s'", log->id);
        fault_point(FAULT_LOG_STOP_SAVED);
        for (StreamKind kind = 0; kind < STREAM_MAX; kind++)
                unstore_pipe(log, kind);
        fault_point(FAULT_LOG_STOP_UNSTORED);

        log_debug("Log '%s' is complete", log->id);
        task_log_emit_changed(log, "State");
        call_waiters(log);
}

static bool has_open_stream(const TaskLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (stream_is_open(log->streams[i]))
                        return true;

        return false;
}

static uint64_t inode_of(const char *identity)
{
        const char *colon = identity ? strchr(identity, ':') : NULL;

        return colon ? g_ascii_strtoull(colon + 1, NULL, 10) : 0;
}

/* By inode: the slot of a log whose state could not be read for a while may have been another's. */
bool task_log_has_ended(const TaskLog *log, StreamKind kind)
{
        uint64_t inode = inode_of(log->pipes[kind]);

        return inode != 0 && log->counters->ended[kind] == inode;
}

static void on_stream_ended(Stream *stream, void *userdata)
{
        char *missing = stream->journal ? journal_sink_take_missing(stream->journal) : NULL;
        TaskLog *log = userdata;

        if (missing)
                notices_add(&log->manager->notices, stream->journal->fields, LOG_WARNING, missing);
        reader_wake_all(log);
        log->counters->ended[stream->kind] = inode_of(log->pipes[stream->kind]);
        if (has_open_stream(log))
                unstore_pipe(log, stream->kind);
        else
                task_log_finished(log);
}

static void on_stream_failed(G_GNUC_UNUSED Stream *stream, const char *message, void *userdata)
{
        gint64 now = g_get_monotonic_time();
        TaskLog *log = userdata;

        if (log->failure_logged == 0 || now >= log->failure_logged + TASK_LOG_FAILURE_INTERVAL_USEC) {
                log_warning("Log '%s': %s", log->id, message);
                log->failure_logged = now;
        }
        if (strcmp(message, log->last_error) == 0)
                return;

        g_free(log->last_error);
        log->last_error = g_strdup(message);
        task_log_emit_changed(log, "LastError");
}

static void on_stream_warned(Stream *stream, const char *message, void *userdata)
{
        TaskLog *log = userdata;

        notices_add(&log->manager->notices, stream->journal->fields, LOG_WARNING, g_strdup(message));
}

static void on_stream_moved(G_GNUC_UNUSED Stream *stream, void *userdata)
{
        reader_wake_all(userdata);
}

static Stream *make_stream(TaskLog *log, StreamKind kind)
{
        const StreamHandler handler = { on_stream_ended, on_stream_moved, on_stream_failed, on_stream_warned,
                log };
        Manager *manager = log->manager;
        Stream *stream = stream_new(kind, manager->event, &manager->pump, log->counters, &handler);

        stream->blocks = g_strcmp0(log->config.overflow, "block") == 0;
        if (log_config_has_target(&log->config, "files"))
                stream->rotator = task_log_make_rotator(log, kind);
        if (log_config_has_target(&log->config, "journal"))
                stream->journal = make_journal_sink(log, kind);
        if (stream->rotator && stream->journal) {
                g_autofree char *name = stored_name(log, TASK_LOG_BACKLOG_PREFIX, kind);

                journal_sink_set_backlog(stream->journal, &manager->pump, name, -1);
        }
        return stream;
}

static int log_failed(sd_bus_error *error, const char *path, int r)
{
        sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED, "Cannot open %s: %s", path, g_strerror(-r));
        return r;
}

/* Makes a stream with its files, and takes its pipe over. */
static int open_stream(TaskLog *log, StreamKind kind, LogConfig *config, Stream **ret, sd_bus_error *error)
{
        g_autoptr(Stream) stream = make_stream(log, kind);
        bool fifo = config->fds[kind] < 0;
        _cleanup_close_ int fd = -1;
        int r;

        if (stream->rotator) {
                r = rotator_open(stream->rotator);
                if (r < 0)
                        return log_failed(error, stream->rotator->directory, r);
        }

        if (fifo) {
                r = fifo_open(config->fifos[kind], &log->identity, &fd);
                if (r < 0)
                        return log_failed(error, config->fifos[kind], r);
        } else
                fd = take_fd(config->fds + kind);

        r = stream_start(stream, fd, fifo);
        if (r < 0)
                return r;

        (void) take_fd(&fd);
        *ret = g_steal_pointer(&stream);
        return 0;
}

static bool is_given(const LogConfig *config, StreamKind kind)
{
        return config->fds[kind] >= 0 || config->fifos[kind];
}

/* Whether the stream given is one that is being read already, as when a Start() is repeated whose reply was
 * lost. */
static int check_open_stream(TaskLog *log, StreamKind kind, const LogConfig *config, sd_bus_error *error)
{
        g_autofree char *identity = NULL;

        if (config->fds[kind] < 0)
                return 0;

        identity = fd_identity(config->fds[kind]);
        if (g_strcmp0(identity, log->pipes[kind]) == 0)
                return 0;

        return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING, "The %s of log '%s' is still open",
                        stream_kind_to_string(kind), log->id);
}

static int open_streams(TaskLog *log, LogConfig *config, Stream **streams, sd_bus_error *error)
{
        int r;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (!is_given(config, kind))
                        continue;

                if (stream_is_open(log->streams[kind]))
                        r = check_open_stream(log, kind, config, error);
                else
                        r = open_stream(log, kind, config, streams + kind, error);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* One that had the name before, of a stream that has ended, is given up. */
static int store_pipe(TaskLog *log, StreamKind kind)
{
        g_autofree char *name = stored_name(log, TASK_LOG_PIPE_PREFIX, kind);

        unstore_pipe(log, kind);
        log->cut[kind] = false;
        return shelves_put(log->manager->shelves, name, log->streams[kind]->fd);
}

/* Returns 1 if systemd is to be waited for, as shelves_put(). */
static int save_and_store(TaskLog *log, const bool *kept)
{
        int waits = 0;
        int r;

        r = task_log_save(log);
        if (r < 0)
                return r;
        fault_point(FAULT_LOG_START_SAVED);

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (!kept[kind])
                        continue;
                r = store_pipe(log, kind);
                if (r < 0)
                        return r;
                waits |= r;
        }
        fault_point(FAULT_LOG_START_STORED);
        return waits;
}

/* What keep_streams() has done, when it has failed. */
static void drop_streams(TaskLog *log, const bool *kept)
{
        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (!kept[kind])
                        continue;
                log->cut[kind] = true;
                unstore_pipe(log, kind);
                log->streams[kind] = stream_free(log->streams[kind]);
                g_clear_pointer(log->pipes + kind, g_free);
                log_config_set_fifo(&log->config, kind, NULL);
        }

        (void) task_log_save(log);
}

static const char *why_not_kept(int r)
{
        if (r == -ETOOMANYREFS)
                return "there are more descriptors in sockets than LimitNOFILE= allows";

        return g_strerror(-r);
}

/* The streams opened become the log's, on disk and on the shelves too. */
static int keep_streams(TaskLog *log, const LogConfig *config, Stream **streams, bool *ret_waits,
                sd_bus_error *error)
{
        bool kept[STREAM_MAX] = {};
        int r;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (!streams[kind])
                        continue;

                kept[kind] = true;
                log->counters->ended[kind] = 0; /* a FIFO is the same for each start */
                stream_free(log->streams[kind]);
                g_free(log->pipes[kind]);
                log->pipes[kind] = fd_identity(streams[kind]->fd);
                log_config_set_fifo(&log->config, kind, streams[kind]->fifo ? config->fifos[kind] : NULL);
                log->streams[kind] = g_steal_pointer(streams + kind);
        }

        r = save_and_store(log, kept);
        if (r < 0) {
                drop_streams(log, kept);
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED,
                                "Cannot keep the pipes of log '%s': %s", log->id, why_not_kept(r));
        }

        *ret_waits = r > 0;
        return 0;
}

static void apply_sizes(TaskLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++) {
                Rotator *rotator = log->streams[i] ? log->streams[i]->rotator : NULL;

                if (!rotator)
                        continue;
                rotator->max_files = log->config.max_files;
                rotator->max_size = log->config.max_file_size;
                rotator_purge(rotator);
        }
}

static int take_config(TaskLog *log, LogConfig *config, sd_bus_error *error)
{
        Identity identity;
        const char *key;
        int r;

        r = identity_resolve(config->user, config->group, config->groups, &identity, &key);
        if (r < 0) {
                g_autofree char *reason = identity_describe_refused(config->user, config->group, key, r);

                (void) sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, reason);
                return r;
        }

        identity_clear(&log->identity);
        log->identity = identity;
        log->pid_file = pid_file_unref(log->pid_file);
        log_config_clear(&log->config);
        log->config = *config;
        log_config_init(config);
        /* where the streams come from is still to be looked at */
        for (size_t i = 0; i < STREAM_MAX; i++) {
                config->fds[i] = take_fd(log->config.fds + i);
                config->fifos[i] = g_strdup(log->config.fifos[i]);
        }
        return 0;
}

static int start_streams(TaskLog *log, LogConfig *config, bool *ret_waits, sd_bus_error *error)
{
        Stream *streams[STREAM_MAX] = {};
        int r;

        r = open_streams(log, config, streams, error);
        if (r >= 0)
                r = keep_streams(log, config, streams, ret_waits, error);

        for (size_t i = 0; i < STREAM_MAX; i++)
                stream_free(streams[i]);
        return r;
}

int task_log_start(TaskLog *log, LogConfig *config, bool *ret_waits, sd_bus_error *error)
{
        int r;

        if (log->state == TASK_LOG_STOPPING)
                return sd_bus_error_setf(
                                error, BUS_ERROR_TASK_RUNNING, "Log '%s' is being stopped", log->id);

        if (log->state == TASK_LOG_RUNNING) {
                log_config_update(&log->config, config);
                apply_sizes(log);
                return start_streams(log, config, ret_waits, error);
        }

        if (!is_given(config, STREAM_STDOUT) && !is_given(config, STREAM_STDERR))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "Stdout, Stderr, StdoutFifo or StderrFifo is required");
        r = take_config(log, config, error);
        if (r < 0)
                return r;

        log->state = TASK_LOG_RUNNING;
        r = start_streams(log, config, ret_waits, error);
        if (r < 0) {
                log->state = TASK_LOG_STOPPED;
                clear_streams(log);
                task_log_remove_empty(log);
                (void) task_log_save(log);
        }
        return r;
}

int task_log_adopt(TaskLog *log, StreamKind kind, int fd)
{
        g_autoptr(Stream) stream = make_stream(log, kind);
        int r;

        /* Files that cannot be opened now may be later; the stream tries again. */
        if (stream->rotator && rotator_open(stream->rotator) >= 0)
                stream_recover_partial(stream);

        r = stream_start(stream, fd, log->config.fifos[kind]);
        if (r < 0) {
                safe_close(fd);
                return r;
        }

        log->streams[kind] = g_steal_pointer(&stream);
        return 0;
}

int task_log_adopt_backlog(TaskLog *log, const char *name, int fd)
{
        int used = 0;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                g_autofree char *own = stored_name(log, TASK_LOG_BACKLOG_PREFIX, kind);
                JournalSink *sink = log->streams[kind] ? log->streams[kind]->journal : NULL;

                if (!sink || !sink->pump || sink->backlog || strcmp(name, own) != 0)
                        continue;
                if (ioctl(fd, FIONREAD, &used) < 0 || used == 0)
                        break;
                journal_sink_set_backlog(sink, sink->pump, name, fd);
                return 0;
        }

        safe_close(fd);
        return -ENOENT;
}

static const char *why_not_ended(const Stream *stream)
{
        if (stream->waits_for_disk)
                return "its files cannot be written";
        if (stream->waits_for_journal)
                return "the journal does not keep up";

        return "somebody still holds its pipe";
}

static int on_deadline(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        TaskLog *log = userdata;

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                if (!stream_is_open(log->streams[kind]))
                        continue;
                log_info("Log '%s': ending %s although %s", log->id, stream_kind_to_string(kind),
                                why_not_ended(log->streams[kind]));
                log->cut[kind] = true;
                stream_finish(log->streams[kind]);
        }

        return 0;
}

static int begin_stop(TaskLog *log)
{
        int r;

        r = sd_event_add_time_relative(log->manager->event, &log->deadline, CLOCK_MONOTONIC,
                        TASK_LOG_STOP_USEC, 1000, on_deadline, log);
        if (r < 0)
                return r;

        log->state = TASK_LOG_STOPPING;
        task_log_emit_changed(log, "State");
        for (size_t i = 0; i < STREAM_MAX; i++) {
                if (!stream_is_open(log->streams[i]))
                        continue;
                r = stream_drain(log->streams[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

int task_log_stop(TaskLog *log, TaskLogStopped stopped, void *userdata)
{
        Waiter waiter = { stopped, userdata };
        int r = 0;

        fault_point(FAULT_LOG_STOP_BEGIN);
        if (log->state == TASK_LOG_STOPPED) {
                if (stopped)
                        stopped(userdata);
                return 0;
        }
        if (log->waiters->len >= TASK_LOG_STOP_WAITERS_MAX)
                return -EDQUOT;

        if (stopped)
                g_array_append_val(log->waiters, waiter);
        if (log->state == TASK_LOG_RUNNING)
                r = begin_stop(log);
        /* the caller hears of it from here */
        if (r < 0 && stopped)
                g_array_set_size(log->waiters, log->waiters->len - 1);
        return r;
}

int task_log_rotate(TaskLog *log)
{
        int r;

        for (size_t i = 0; i < STREAM_MAX; i++) {
                Rotator *rotator = stream_is_open(log->streams[i]) ? log->streams[i]->rotator : NULL;

                if (!rotator || rotator->fd < 0 || rotator->size == 0)
                        continue;
                r = rotator_rotate(rotator);
                if (r < 0)
                        return r;
                log->counters->rotations++;
        }

        return 0;
}
