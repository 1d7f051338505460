/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "credentials.h"
#include "logmon-call.h"
#include "manager.h"
#include "process.h"
#include "spec.h"
#include "stats.h"
#include "waiter.h"

G_BEGIN_DECLS

#define TASK_WAITERS_MAX 256U

/* How long each step may take before the task is given up, or the step is done without. */
#define TASK_LAUNCH_TIMEOUT_USEC UINT64_C(60000000)
#define TASK_UNIT_GONE_USEC      UINT64_C(5000000)
#define TASK_LOG_COMPLETE_USEC   UINT64_C(5000000)

/* How much later than the supervisor we kill a task whose grace is over or whose main process has ended, for
 * a supervisor that does not run. */
#define STOP_BACKSTOP_USEC UINT64_C(2000000)

/* How often a step of a stop that could not be done, or has had no effect, is tried again. */
#define STOP_AGAIN_USEC UINT64_C(1000000)

/* How long after the end of the main process a supervisor that is not frozen may take to record it, and,
 * once it has done that, to give up on processes that do not end, see STRAGGLERS_MAX_USEC. */
#define STOP_TAKE_OVER_USEC          UINT64_C(10000000)
#define STOP_TAKE_OVER_RECORDED_USEC UINT64_C(30000000)

/* What cannot be read this time is read again after the first of these, and then after twice as long each
 * time. */
#define TASK_READ_AGAIN_MIN_USEC UINT64_C(50000)
#define TASK_READ_AGAIN_MAX_USEC UINT64_C(10000000)

typedef enum TaskState {
        TASK_STARTING,
        TASK_RUNNING,
        TASK_STOPPING,
        TASK_EXITED,
        TASK_LOST,
} TaskState;

/* What happened to the task so far, as far as its records do not tell it: on disk before anybody is told. */
typedef struct TaskProgress {
        uint32_t supervisor_pid;
        uint64_t supervisor_start_time;
        bool stopping;
        bool stop_sent;        /* the signal, and to the supervisor when to kill */
        uint32_t stop_signal;  /* of the call; 0: the spec's */
        uint64_t kill_at_usec; /* CLOCK_MONOTONIC; 0: no kill is due */
        bool ended;            /* everything is gone, the log is settled, clients may be told */
        bool log_incomplete;   /* at the end, or as far as is known: nomad-logmon has not finished it */
        uint64_t lost_timestamp;
        char *invocation_id; /* 32 hexadecimal digits, or NULL where the scope went before it could be asked */
} TaskProgress;

/* The call of logmon that is under way when a task ends or goes; FAILURE is NULL when it succeeded. */
typedef void (*TaskLogDone)(Task *task, const sd_bus_error *failure);
typedef struct TaskLogCall {
        TaskLogDone done;
        LogmonCall *call;
} TaskLogCall;

/* A record that cannot be read this time. */
typedef struct ReadAgain {
        uint64_t delay_usec;
        sd_event_source *source;
} ReadAgain;

typedef struct TaskLaunch TaskLaunch;
typedef struct TaskEnding TaskEnding;
typedef struct TaskFreeze TaskFreeze;
typedef struct TaskStatsStream TaskStatsStream;

struct Task {
        Manager *manager;
        char *id;
        char *label;
        char *unit;
        char *path;
        TaskSpec spec;
        Credentials credentials;
        TaskProgress progress;
        TaskState state;

        char *container_command; /* while a container is being made: Command as a path in it */

        bool controlled; /* systemd asks us to stop the scope, see CONTROLLED_SCOPES_MAX */
        int state_fd;    /* the task's state directory */
        int supervisor_pidfd;
        int main_pidfd;
        sd_event_source *supervisor_source;
        sd_event_source *main_source; /* until it has ended */
        sd_event_source *runtime_source;
        sd_event_source *
                        stop_source; /* while the task is to stop, and there is something to do for us about it */
        uint64_t main_ended_usec; /* CLOCK_MONOTONIC, when that was seen; or 0 */
        bool runtime_over;        /* RuntimeMaxUSec has passed */
        bool stop_is_linked;      /* see task-stop-state.c */

        /* from the start record */
        ProcessId main;
        char *cgroup; /* the scope's, below the root of the hierarchy */
        uint64_t start_timestamp;
        uint64_t start_monotonic;

        /* from the exit record */
        int exit_code; /* -1: not known */
        int exit_signal;
        bool oom_killed;
        bool timed_out; /* RuntimeMaxUSec had passed */
        uint64_t exit_timestamp;
        uint64_t cpu_usage_nsec;
        uint64_t memory_peak;

        TaskLaunch *launch;            /* while starting */
        TaskEnding *ending;            /* from the end of the supervisor on */
        WaiterList waiters;            /* of Wait */
        GPtrArray *execs;              /* of ExecSession, oldest first */
        GPtrArray *exec_calls;         /* of Exec, whose user is being looked up */
        TaskFreeze *freeze;            /* while calls wait for the task to be frozen or thawed */
        TaskStatsStream *stats_stream; /* while it has readers */
        StatsFiles stats_files;        /* open while there is a stream */
        StatsPrevious stats_previous;  /* of GetStats */
        sd_bus_message *release_message;
        bool log_stopped_again; /* for it */
        TaskLogCall log_call;
};

/* MESSAGE_ID of the journal's entry about the end of a task. */
#define TASK_ENDED_MESSAGE_ID "b5e4240917024698b70ebf9901dd7798"

/* Tells the journal how the task ended. */
void task_journal_end(Task *task);

/* The object alone; the manager's table owns it from then on. */
int task_new(Manager *manager, const char *id, Task **ret, sd_bus_error *error);
Task *task_free(Task *task);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Task, task_free)

const char *task_state_to_string(TaskState state);
const char *task_result(const Task *task);
bool task_has_ended(const Task *task);
/* Whether it has been started and has not begun to end: processes may be added to it. */
bool task_is_live(const Task *task);

/* Where logmon writes the task's files. */
char *task_log_directory(const Task *task);
bool task_has_log(const Task *task);

/* --- task-launch.c --- */

/* Starts the task that MESSAGE asked for, and answers MESSAGE when it runs or has failed. An error returned
 * means that nothing was started. */
int task_launch(Task *task, sd_bus_message *message, sd_bus_error *error);
/* systemd's job is over: the scope is started, or it is not and task_launch_fail() has been told why. */
void task_launch_scope_settled(Task *task, bool started);
/* INVOCATION_ID: 32 hexadecimal digits, or NULL where the scope has gone already. */
void task_launch_invocation_known(Task *task, const char *invocation_id);
void task_launch_log_ready(Task *task);

/* A task of an earlier run of the service that was being started when that ended. */
int task_launch_adopt(Task *task);
/* The supervisor is gone: settles how the launch went. */
void task_launch_conclude(Task *task);

/* Undoes the launch; MESSAGE is answered with the error when nothing of it is left. */
void task_launch_fail(Task *task, const char *error_name, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A Stop has come before the task has started: it is delivered when that has happened, or the start is
 * called off when the kill is due. */
void task_launch_stop(Task *task);
/* The supervisor has ended, but is not to be waited for yet: systemd is told its pid, which must not become
 * another's. */
void task_launch_keep_supervisor(Task *task);
TaskLaunch *task_launch_free(TaskLaunch *launch);

/* --- task-end.c --- */

/* Watches the supervisor, whose end is the end of the task. */
int task_watch_supervisor(Task *task, int pidfd);
/* The supervisor is gone. The task may be freed by it. */
void task_supervisor_gone(Task *task);
/* And what has become of the launch, if there was one, is settled. */
void task_begin_ending(Task *task);
void task_ending_unit_gone(Task *task);
void task_ending_systemd_returned(Task *task);
TaskEnding *task_ending_free(TaskEnding *ending);

/* --- task-stop-state.c --- */

/* What of the progress is about a stop, where there is no room for all of it; dropped once that is saved. */
int task_state_save_stop(Task *task);
void task_state_drop_stop(Task *task);
int task_state_load_stop(Task *task);

/* --- task-stop.c --- */

/* Once it has started: sets the timer that the task's spec calls for, and watches the main process. */
int task_stop_begin(Task *task);
/* Negative: nothing has changed. RET_SAVE_ERROR: 0, or why it will be forgotten with this process, although
 * it is done. */
int task_stop(Task *task, int signal, uint64_t grace_usec, int *ret_save_error);
/* Goes on with a Stop that was accepted, as far as is known, before the task was started or by an earlier
 * service. */
void task_stop_resume(Task *task);
/* The task is about to end. */
void task_stop_end(Task *task);

/* --- task-take-over.c --- */

/* For a supervisor that cannot run: records how the main process, which has ended, has done so, and kills
 * the scope with the supervisor in it. -EAGAIN: not yet. */
int task_take_over(Task *task);

/* --- task-kill.c: none of it waits; -ESRCH: there is nobody left --- */

/* Whether SIGCONT follows the signal, so that what is stopped can handle it: SIGTERM, SIGINT, SIGQUIT,
 * SIGHUP, StopSignal. */
bool task_signal_asks_for_end(const Task *task, int signal);
int task_kill_main(Task *task, int signal);
int task_kill_all(Task *task, int signal);
/* SIGKILL for all of the task: by pidfd what may have left its cgroup, and the cgroup. */
int task_kill_everything(Task *task);
/* The first half of that: the main process, the programs of sessions. */
void task_kill_known(Task *task);
/* The signal of a Stop for the main process, and SIGCONT for all. */
int task_send_stop_signal(Task *task, int signal);
/* SIGCONT for all of the task. */
void task_continue(Task *task);
/* Thaws and continues task, supervisor and scope, whoever froze or stopped them. What is above the scope
 * stays as it is. */
int task_thaw(Task *task);
/* The cgroup that the task's processes are in, which is one below the scope's. -ESRCH or -ENOENT: there is
 * none. */
char *task_cgroup_path(const Task *task);
int task_open_cgroup(const Task *task, int *ret);

/* --- task-freeze.c, task-stats-stream.c: see also their headers --- */

TaskFreeze *task_freeze_free(TaskFreeze *freeze);
TaskStatsStream *task_stats_stream_free(TaskStatsStream *stream);

/* --- task-scope.c --- */

int task_scope_start(Task *task, pid_t supervisor, BusCall **ret);
/* systemd was away and is back, while the task is being started. */
void task_scope_systemd_returned(Task *task);
/* Asks for the invocation id, and answers by task_launch_invocation_known(), perhaps at once. */
int task_scope_get_invocation(Task *task, BusCall **ret);
/* Asks systemd whether the unit is still there, and answers by task_ending_unit_gone() now or when it
 * goes. */
int task_scope_query(Task *task, BusCall **ret);
/* Changes the scope while it runs; HANDLER gets systemd's reply. */
int task_scope_set_resources(Task *task, const Resources *resources, uint64_t set,
                sd_bus_message_handler_t handler, void *userdata);
/* The scope is gone, or no longer of interest: another may have us as its controller. */
void task_scope_release_controller(Task *task);
/* SIGKILL for everything in the scope. */
int task_scope_kill(const Task *task);
/* Tells systemd that the scope is thawed. */
int task_scope_thaw(const Task *task);
/* Makes systemd look whether a scope is empty that never had a process. */
int task_scope_notice_empty(const Task *task);
/* The last resort for a scope that will not go. */
int task_scope_stop(Task *task);

/* --- task-log.c --- */

int task_log_start(Task *task, LogmonCall **ret);
/* One of these at a time: reads the log to its end, or forgets it. DONE may free the task. */
int task_log_stop(Task *task, TaskLogDone done);
int task_log_release(Task *task, TaskLogDone done);

/* Passes the arguments of CALL, an OpenLog, to the task's log. */
int task_log_open(Task *task, sd_bus_message *call, sd_bus_message_handler_t handler, void *userdata);

/* --- task-state.c --- */

int task_state_create(Task *task);
/* The absolute path of NAME in the task's state directory. */
char *task_state_path(const Task *task, const char *name);
int task_state_save(Task *task);
/* -ENOENT: the directory holds no task; -ESTALE: one of before a reboot; -EBADMSG: what it holds is damaged;
 * -EPROTONOSUPPORT: it is of a newer version; -ENOTDIR or -ELOOP: it is no directory; else it could not be
 * read this time. */
int task_state_load(Manager *manager, const char *label, Task **ret);
/* The task of that label, with nothing known but its id. -ENOENT: it is no task's label. */
int task_state_load_damaged(Manager *manager, const char *label, Task **ret);
void task_state_remove(Manager *manager, const char *label);
void task_state_set_aside(Manager *manager, const char *label, const char *reason);
/* Reads what the supervisor has recorded. -ENOENT: there is none; -EBADMSG: it is damaged; any other error:
 * it could not be read this time, which says nothing about the task. */
int task_read_exit_record(Task *task);
bool task_record_is_unread(int error);
/* How long to wait before something is read again, PREVIOUS being how long it was before, or 0. */
uint64_t task_read_again_usec(uint64_t previous);
/* Calls HANDLER with the task when the record of that name, which could not be read for ERROR, may be read
 * again. Only the first time is told to the journal. */
int task_read_again_later(Task *task, ReadAgain *again, const char *record, int error,
                sd_event_time_handler_t handler);
/* 1 when the task has started, 0 when there is no record or it says why the task was not started; errors as
 * above. */
int task_read_start_record(Task *task);

/* Takes over what a start record says. When it says why the task was not started, RET_FAILURE is set and the
 * result is its errno. */
int task_apply_start_record(Task *task, GHashTable *record, sd_bus_error *ret_failure);

/* Opens the main process of the start record, in the task's cgroup or, once the supervisor is watched, as
 * its child. One that has ended already has no pidfd, and its exit record is on its way. */
void task_open_main(Task *task);
/* Of a task that ends without its supervisor: names a main process that could not be opened, since it has
 * left the task's cgroup. */
void task_tell_main_outside(const Task *task);

/* --- task-spawn.c --- */

/* The descriptors of ours that belong to a supervisor, which waits at the gate. */
typedef struct Spawned {
        int gate_fd;   /* write one byte to open, close to call it off */
        int status_fd; /* start record, then end of file */
        int stdout_fd; /* read end for logmon, or -1 */
        int stderr_fd;
} Spawned;

#define SPAWNED_NULL ((Spawned){ .gate_fd = -1, .status_fd = -1, .stdout_fd = -1, .stderr_fd = -1 })

/* HANDLER is called with the task. */
int task_spawn_supervisor(Task *task, SpawnHandler handler, SpawnCall **ret_call, Spawned *ret);
void spawned_clear(Spawned *spawned);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Spawned, spawned_clear)

G_END_DECLS
