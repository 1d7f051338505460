/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "counters.h"
#include "identity.h"
#include "log-config.h"
#include "manager.h"
#include "stream.h"

G_BEGIN_DECLS

/* How long Stop() waits for writers that do not go away. */
#define TASK_LOG_STOP_USEC (2U * 1000U * 1000U)

#define TASK_LOG_STOP_WAITERS_MAX 64U

/* How often at most a log that cannot be written is a message in our own log. */
#define TASK_LOG_FAILURE_INTERVAL_USEC (10 * G_TIME_SPAN_SECOND)

/* Names on the shelves and in the fd store are PREFIX LABEL.STREAM; '.' is in no label. */
#define TASK_LOG_PIPE_PREFIX    "pipe."
#define TASK_LOG_BACKLOG_PREFIX "backlog."

typedef enum TaskLogState {
        TASK_LOG_STOPPED,
        TASK_LOG_RUNNING,
        TASK_LOG_STOPPING,
} TaskLogState;

typedef void (*TaskLogStopped)(void *userdata);

/* The log of one task: up to two streams and where they go. */
struct TaskLog {
        Manager *manager;
        char *id;
        char *label;
        LogConfig config;
        Identity identity;
        PidFile *pid_file; /* of the config's MainPIDFile, once a stream goes to the journal */
        TaskLogState state;
        Stream *streams[STREAM_MAX]; /* NULL: none, or it has ended */
        char *pipes[STREAM_MAX];     /* "device:inode", to know a pipe again after a restart */
        bool cut[STREAM_MAX];        /* ended although somebody may hold the pipe */
        uint32_t slot;               /* of the counters */
        Counters *counters;
        char *last_error;
        gint64 failure_logged;     /* when one was last */
        sd_event_source *deadline; /* of a stop */
        GArray *waiters;           /* of the stop */
        unsigned n_readers;
};

/* A new log is stopped. SLOT is taken over. */
TaskLog *task_log_new(Manager *manager, const char *id, const char *label, uint32_t slot);
TaskLog *task_log_free(TaskLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TaskLog, task_log_free)

/* Starts a stopped log with CONFIG, whose contents it takes, or applies it to one that runs. On error the
 * log is as it was, except that a stopped one may have CONFIG. RET_WAITS as manager_start_log(). */
int task_log_start(TaskLog *log, LogConfig *config, bool *ret_waits, sd_bus_error *error);

/* Whether an earlier process has come to the end of a stream, whose pipe may be there yet. */
bool task_log_has_ended(const TaskLog *log, StreamKind kind);

/* Gives back to a stream the pipe that systemd had kept; takes over FD. */
int task_log_adopt(TaskLog *log, StreamKind kind, int fd);

/* Gives back a backlog of that name in the fd store, after the pipes. Takes over FD. */
int task_log_adopt_backlog(TaskLog *log, const char *name, int fd);

/* Drains the streams and ends them, at the latest after TASK_LOG_STOP_USEC. STOPPED, if given, is called
 * when that is done, perhaps at once. -EDQUOT: too many wait already. */
int task_log_stop(TaskLog *log, TaskLogStopped stopped, void *userdata);

/* Goes on in new files. */
int task_log_rotate(TaskLog *log);

/* Closed: what knows where the files of a stream are. */
Rotator *task_log_make_rotator(const TaskLog *log, StreamKind kind);

/* Of a stopped log: removes its files that are empty, and the default directory if it is empty then. */
void task_log_remove_empty(TaskLog *log);

const char *task_log_state_to_string(TaskLogState state);

/* task-log-state.c */
int task_log_save(TaskLog *log);
void task_log_forget(TaskLog *log);
int task_log_load(Manager *manager, const char *label, TaskLog **ret);
bool task_log_has_state(Manager *manager, const char *label);

/* task-log-dbus.c */
int task_log_register(Manager *manager);
int task_log_method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Puts what task_log_stop() has failed with into words. */
int task_log_stop_error(int r, sd_bus_error *error);
char *task_log_path(const TaskLog *log);
void task_log_emit_changed(TaskLog *log, const char *property);
void task_log_emit_added(TaskLog *log);
void task_log_emit_removed(TaskLog *log);

G_END_DECLS
