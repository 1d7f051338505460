/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "credentials.h"
#include "option-table.h"
#include "program.h"
#include "protocol.h"
#include "waiter.h"

G_BEGIN_DECLS

/* Sessions of a task that run at once, and that have ended but can still be asked for their status. */
#define EXEC_SESSIONS_MAX 64U
#define EXEC_ENDED_MAX    64U
#define EXEC_WAITERS_MAX  64U

#define EXEC_CODE_UNKNOWN (-1) /* the kernel has not told how the program ended */

/* The a{sv} of Exec. */
typedef struct ExecOptions {
        bool tty;
        uint16_t rows;
        uint16_t columns;
        char *user;
        char **environment;
        char *working_directory;
} ExecOptions;

extern const Option exec_options[];
extern const size_t n_exec_options;

void exec_options_clear(ExecOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecOptions, exec_options_clear)

/* A process that joined a task: its parent, or in a container its parent's parent, is this service, its
 * cgroup the task's or one below it. */
typedef struct ExecSession ExecSession;

typedef struct ExecStdio {
        int fds[3]; /* the process's; borrowed; -1: /dev/null */
        bool terminal;
        uint16_t rows, columns; /* of a terminal that the runtime makes; 0: as it likes */
} ExecStdio;

/* Told once: ERROR is 0 when the program runs, else a positive errno, and STAGE says what failed
 * (protocol.h). */
typedef void (*ExecStarted)(ExecSession *session, int error, const char *stage, void *userdata);
/* Told once, after ExecStarted without an error. */
typedef void (*ExecEnded)(ExecSession *session, void *userdata);

struct ExecSession {
        Task *task;
        uint64_t id;           /* random: an id of before a restart is not taken for one of after it */
        SpawnCall *spawn_call; /* until there is a child */
        int pidfd;             /* of our child */
        int process_pidfd;     /* of the process whose parent that is, in a container; or -1 */
        int error_fd;
        sd_event_source *error_source;
        sd_event_source *exit_source;
        ExecStarted on_started; /* NULL once told */
        int start_error;
        char start_stage[STAGE_SIZE];
        char *directory; /* that the program begins in, or NULL */
        ExecEnded on_ended;
        void *userdata;
        GDestroyNotify free_userdata; /* or NULL */
        bool ended;
        int exit_code; /* 128 + signal for one that was killed */
        int exit_signal;

        /* of Exec */
        int terminal_fd; /* the pty's controlling side, or -1 */
        WaiterList waiters;
        sd_bus_message *message;
        CallerWatch *client;
        bool cancelled; /* before the program runs */
        int client_fds[3];
        bool terminal;
};

/* Starts PROGRAM in the cgroup and adds it to the task's sessions. */
int exec_session_start(Task *task, int cgroup_fd, const Program *program, const ExecStdio *stdio,
                ExecStarted on_started, ExecEnded on_ended, void *userdata, ExecSession **ret);

/* -ESRCH: it has ended. */
int exec_session_kill(const ExecSession *session, int signal);

/* Ends a session whose program does not run yet, and may free it. */
void exec_session_cancel(ExecSession *session);

/* A session that is forgotten does not end the process. */
void exec_session_free(void *session);
void exec_session_remove(ExecSession *session);

/* NULL when there is none. */
ExecSession *exec_session_find(Task *task, uint64_t id);
unsigned exec_sessions_running(const Task *task);

G_END_DECLS
