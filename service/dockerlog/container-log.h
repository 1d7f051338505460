/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "config.h"
#include "endpoint.h"
#include "fetch.h"
#include "inspect.h"
#include "logmon-call.h"
#include "manager.h"
#include "sink.h"
#include "slot.h"

G_BEGIN_DECLS

/* After the exit of a container, how long it is looked whether it is started again; of one that its engine
 * starts again, which takes a restart of the engine perhaps. */
#define CONTAINER_GRACE_USEC         UINT64_C(2000000)
#define CONTAINER_RESTART_GRACE_USEC UINT64_C(30000000)

/* How often it is looked then, and of a container that has not been started yet. */
#define CONTAINER_POLL_USEC UINT64_C(500000)

/* An engine that says nothing about a container for so long is asked whether it is still there. */
#define CONTAINER_IDLE_USEC UINT64_C(60000000)

/* Stop() waits for what the engine has, and logmon for what is in the stage, no longer than this without any
 * progress. */
#define CONTAINER_STOP_USEC UINT64_C(10000000)

#define CONTAINER_STOP_WAITERS_MAX 64U

typedef enum ContainerState {
        CONTAINER_ENDED,
        CONTAINER_CONNECTING, /* the engine is being asked */
        CONTAINER_FOLLOWING,
        CONTAINER_WAITING, /* for the next attempt */
        CONTAINER_DRAINING, /* the container has exited or the log is being stopped: takes what there still is */
} ContainerState;

typedef enum ContainerResult {
        CONTAINER_RESULT_NONE, /* it has not ended */
        CONTAINER_RESULT_EXITED,
        CONTAINER_RESULT_STOPPED,
        CONTAINER_RESULT_NOT_FOUND,
        CONTAINER_RESULT_UNREADABLE,
        CONTAINER_RESULT_MAX,
} ContainerResult;

typedef void (*ContainerDone)(ContainerLog *log, const sd_bus_error *error, void *userdata);

/* The output of one container, on its way from the engine to logmon. */
struct ContainerLog {
        Manager *manager;
        char *id;
        char *label;
        ContainerConfig config;
        Endpoint endpoint;
        char *container_id; /* as the engine has it in full; NULL: not known yet */
        ContainerState state;
        ContainerResult result;
        char *last_error;
        bool started; /* Start() has succeeded */
        uint32_t slot_index;
        Slot *slot;
        Sink *sinks[STREAM_MAX]; /* NULL: no such stream */

        EngineRequest *inspection;
        char *run;          /* the run of the container that the inspection before has seen */
        char *drained;      /* the run whose output was taken to its end; NULL: none */
        uint64_t grace_end; /* of that run; 0: it has not begun */
        Fetch *fetch;
        bool unproductive;   /* the fetch before has ended at once */
        uint64_t backoff;    /* how long the last wait was */
        uint64_t idle_bytes; /* when the idle check was made last */
        sd_event_source *timer;

        LogmonCall *call;
        const char *member;   /* of it */
        ContainerDone called; /* what is waiting for its reply */
        void *called_userdata;
        int read_fds[STREAM_MAX]; /* the ends that logmon is being given */

        bool stopping;   /* what there still is, and no more */
        bool finishing;  /* nothing comes any more; the stage is emptied, then logmon finishes its files */
        GArray *waiters; /* of the end */
};

/* A new log has ended. SLOT_INDEX is taken over. */
ContainerLog *container_log_new(Manager *manager, const char *id, const char *label, uint32_t slot_index);
ContainerLog *container_log_free(ContainerLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerLog, container_log_free)

/* Starts a log that has ended with CONFIG, whose contents it takes, or applies that to one that runs. DONE
 * is called once, when everything is in place or nothing is. */
int container_log_start(ContainerLog *log, ContainerConfig *config, ContainerDone done, void *userdata,
                sd_bus_error *error);

/* After container_log_load(): goes on where the process before was. */
void container_log_resume(ContainerLog *log);

/* Takes what the engine has up to now and ends. STOPPED is called when logmon's files are complete, perhaps
 * at once. -EDQUOT: too many wait already. */
typedef void (*ContainerStopped)(void *userdata);
int container_log_stop(ContainerLog *log, ContainerStopped stopped, void *userdata);

const char *container_state_to_string(ContainerState state);
const char *container_result_to_string(ContainerResult result);
ContainerResult container_result_from_string(const char *name);

void container_log_set_error(ContainerLog *log, const char *message);
void container_log_set_state(ContainerLog *log, ContainerState state);

/* container-log-follow.c: the way from one request to the next. */
void container_log_connect(ContainerLog *log);
void container_log_begin_stop(ContainerLog *log);
void container_log_cancel(ContainerLog *log); /* whatever is under way with the engine */
void container_log_retry(ContainerLog *log, const char *message);

/* Nothing more is to be taken: empties the stage, lets logmon finish, and ends with RESULT. */
void container_log_finish(ContainerLog *log, ContainerResult result);
/* At once. */
void container_log_end(ContainerLog *log);

/* container-log-output.c: the pipes, and logmon at the other end. */
void container_log_make_sinks(ContainerLog *log);
bool container_log_output_is_open(const ContainerLog *log);
/* Empty stages: the next data can be taken. */
bool container_log_is_flushed(const ContainerLog *log);
/* -EPIPE: logmon is gone for good. */
int container_log_flush(ContainerLog *log);
/* Opens the stages and pipes that are missing and hands them to logmon, with what has changed in the
 * config. */
int container_log_open_output(ContainerLog *log, ContainerDone opened, void *userdata);
/* The streams' ends, for logmon too. */
void container_log_close_output(ContainerLog *log);
/* Stop, Release or Discard of logmon's log. */
int container_log_call_logmon(ContainerLog *log, const char *member, ContainerDone done, void *userdata);

/* container-log-state.c */
int container_log_save(ContainerLog *log);
void container_log_forget(ContainerLog *log);
int container_log_load(Manager *manager, const char *label, ContainerLog **ret);

/* container-log-dbus.c */
int container_log_register(Manager *manager);
int container_log_method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error);
char *container_log_path(const ContainerLog *log);
void container_log_emit_changed(ContainerLog *log, const char *property);
void container_log_emit_added(ContainerLog *log);
void container_log_emit_removed(ContainerLog *log);

G_END_DECLS
