/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <stdint.h>

/* What nomad-executord and the program nomad-supervisor say to each other.
 *
 * One process of that program is the spawner. It forks whatever nomad-executord starts: being small, with
 * few descriptors, it does so in a fraction of the time, and what it forks can be a supervisor at once,
 * without execve(2). The child's parent is nomad-executord. A SpawnRequest with the descriptors, one
 * message, is answered by a SpawnReply. The spawner ends when its socket is closed. Both ends are always of
 * the same build.
 *
 * To the supervisor of a task there is no control channel: a launch block that is complete before the
 * supervisor starts, a gate, a start record and an exit record. A newer nomad-executord adopts an older
 * supervisor, so keys are only ever added and unknown keys are ignored. One signal tells a supervisor when
 * to kill, so that the grace of a Stop is over in time whatever becomes of nomad-executord.
 *
 * The launch block is a memfd of NUL-terminated KEY=VALUE strings, PROTOCOL_VERSION first. ARG, ENV, GROUP
 * and RLIMIT repeat. Numbers are decimal, UMASK octal.
 *
 * The gate is a pipe: one byte opens it, end of file before that byte means that the task is not to be.
 *
 * The start record is written to the state directory, then the same text to the status pipe, which is closed
 * after it. The exit record is written to the state directory before anything that is left of the task is
 * killed. Both are KEY=VALUE lines under a temporary name and then renamed; the exit record's file is made
 * and its space is reserved before the task starts, so that a full disk cannot lose an exit status. Which
 * processes go on although the task has ended is in a third record, if there are any and there is room for
 * it. */

#define PROTOCOL_VERSION 1

/* Descriptors that the supervisor is started with; 0, 1 and 2 are the task's own. */
#define SUPERVISOR_LAUNCH_FD 3 /* the launch block */
#define SUPERVISOR_GATE_FD   4 /* read end of the gate */
#define SUPERVISOR_STATUS_FD 5 /* write end of the status pipe */
#define SUPERVISOR_STATE_FD  6 /* the task's state directory */

/* A session, which Exec or Run adds to a task, has the launch block, and in place of gate and status a
 * socket: one byte comes from there, or it is not to be, and a ChildReport goes there. In a container it is
 * the process's parent, which sends the process's pidfd with the report, and the terminal if there is one,
 * has the session's directory for its state directory, and ends as the process did. */
#define SESSION_REPORT_FD      SUPERVISOR_STATUS_FD
#define SESSION_REPORT_FDS_MAX 2
#define CONSOLE_SOCKET         "console"

/* nomad-lookup is a program of its own, whose file is in place of the launch block, and has a socket in
 * place of the gate. */
#define LOOKUP_PROGRAM_FD SUPERVISOR_LAUNCH_FD
#define LOOKUP_SOCKET_FD  SUPERVISOR_GATE_FD

/* The spawner's own, above them. */
#define SPAWNER_SOCKET_FD 7

typedef enum SpawnKind {
        SPAWN_SUPERVISOR,
        SPAWN_PROCESS,           /* of a session: becomes the program itself */
        SPAWN_CONTAINER_PROCESS, /* of a session: its parent */
        SPAWN_LOOKUP,            /* becomes the program nomad-lookup */
        SPAWN_NOTHING,           /* ends at once */
} SpawnKind;

#define SPAWN_FDS_MAX   8
#define SPAWN_FD_CGROUP (-1) /* in place of a number: the cgroup that the child is born in, else ours */

#define SPAWN_NAME_SIZE 256

typedef struct SpawnRequest {
        uint64_t sequence; /* counts up from 1 */
        SpawnKind kind;
        size_t n_fds;
        int numbers[SPAWN_FDS_MAX]; /* of the descriptors in the child; others up to SUPERVISOR_STATE_FD are /dev/null */
        char name[SPAWN_NAME_SIZE]; /* of the task: the child's argument in a list of processes */
} SpawnRequest;

typedef struct SpawnReply {
        uint64_t sequence; /* of the request */
        int pid;           /* of the child */
        int error;         /* 0, or the errno of fork, and there is no child */
} SpawnReply;

#define START_RECORD "start"
#define EXIT_RECORD  "exit"
#define LEFT_RECORD  "left"

/* In the state directory: the pid of the task's main process, as a line. It is there before that process is
 * the program, except that of a container, whose pid the runtime tells. */
#define MAIN_PID_FILE "main-pid"

/* The cgroups below the scope's. */
#define SUPERVISOR_CGROUP "supervisor"
#define TASK_CGROUP       "task"

/* Keys of the launch block. */
#define LAUNCH_VERSION    "VERSION"
#define LAUNCH_COMMAND    "COMMAND"   /* absolute, or a name to look up in the PATH among ENV */
#define LAUNCH_ARG        "ARG"       /* each argument, argv[0] included */
#define LAUNCH_ENV        "ENV"       /* each environment string, "NAME=VALUE" */
#define LAUNCH_DIRECTORY  "DIRECTORY" /* working directory, entered as the task's user */
#define LAUNCH_UID        "UID"
#define LAUNCH_GID        "GID"
#define LAUNCH_GROUP      "GROUP" /* each supplementary group */
#define LAUNCH_UMASK      "UMASK"
#define LAUNCH_OOM_ADJUST "OOM_SCORE_ADJUST"
#define LAUNCH_RLIMIT     "RLIMIT" /* "<resource number> <soft> <hard>" */
#define LAUNCH_STDOUT_PATH \
        "STDOUT_PATH" /* opened as the task's user, no symlink followed, instead of fd 1 */
#define LAUNCH_STDERR_PATH "STDERR_PATH"
#define LAUNCH_STOP_SIGNAL "STOP_SIGNAL" /* sent to the main process when the supervisor stops the task */
#define LAUNCH_STOP_USEC   "STOP_USEC"   /* and how long after it the rest is killed */

/* COMMAND is an OCI runtime, started as root, which leaves the task's main process behind and its pid in
 * this file of the state directory. UID, GID and GROUP are those with which STDOUT_PATH and STDERR_PATH are
 * opened. */
#define LAUNCH_RUNTIME_PID "RUNTIME_PID"
#define LAUNCH_TERMINAL \
        "TERMINAL" /* 1: and it sends a terminal to the socket CONSOLE_SOCKET of the state directory */

#define LAUNCH_RUNTIME_MAX_USEC "RUNTIME_MAX_USEC" /* after which the task is stopped in the same way */

/* Sent with SI_QUEUE and, as si_ptr, a number of milliseconds, after which everything is killed: the end of
 * a Stop's grace. A time set before is kept if it is earlier. A realtime signal, so that none is lost, by
 * its number, which the C libraries count differently. */
#define SUPERVISOR_KILL_SIGNAL 40

/* Asks the supervisor to stop the task. It is the KillSignal of the scope, so that systemd sends it to all
 * of the scope's processes when it stops one that has no controller: ignored unless a program has a handler
 * for it, and it never ends the supervisor. */
#define SUPERVISOR_STOP_SIGNAL SIGURG

/* Keys of both records. */
#define RECORD_VERSION   "VERSION"
#define RECORD_TIMESTAMP "TIMESTAMP" /* CLOCK_REALTIME, microseconds: start, or exit */
#define RECORD_MONOTONIC "MONOTONIC" /* the same by CLOCK_MONOTONIC */

/* Keys of the start record. Either PID …, or ERRNO and STAGE. */
#define START_PID                   "PID"
#define START_TIME                  "START_TIME" /* clock ticks since boot, field 22 of /proc/PID/stat */
#define START_SUPERVISOR_PID        "SUPERVISOR_PID"
#define START_SUPERVISOR_START_TIME "SUPERVISOR_START_TIME"
#define START_CGROUP                "CGROUP" /* the scope's, below the root of the hierarchy */
#define START_ERRNO                 "ERRNO"
#define START_STAGE                 "STAGE" /* one of the words below */

#define STAGE_SIZE      128U      /* with the final 0 */
#define STAGE_RECORD    "record"  /* reserving the exit record */
#define STAGE_CGROUP    "cgroup"  /* making the cgroups, or starting a process in one */
#define STAGE_RLIMIT    "rlimit " /* and the number of the resource */
#define STAGE_OOM       "oom-score-adjust"
#define STAGE_KEYRING   "keyring"
#define STAGE_USER      "user" /* uid, gid or groups */
#define STAGE_DIRECTORY "directory"
#define STAGE_STDIO     "stdio"
#define STAGE_COMMAND   "command" /* the name is nowhere in PATH, or the file does not exist */
#define STAGE_EXEC      "exec"
#define STAGE_SCRIPT    "interpreter " /* and which: it does not exist, and the file that names it does */
#define STAGE_RUNTIME   "runtime"      /* whose log has the reason */
#define STAGE_FORK      "fork"         /* of a session's process: by the spawner, or watching it */

/* Keys of the exit record. CODE or SIGNAL, as the kernel told the parent; the rest where the kernel has
 * it. */
#define EXIT_CODE        "CODE"
#define EXIT_SIGNAL      "SIGNAL"
#define EXIT_OOM_KILLS   "OOM_KILLS" /* processes of the cgroup that the kernel killed for memory */
#define EXIT_TIMED_OUT   "TIMED_OUT" /* 1 where RUNTIME_MAX_USEC passed before the task had ended */
#define EXIT_CPU_USEC    "CPU_USEC"
#define EXIT_MEMORY_PEAK "MEMORY_PEAK" /* bytes */

/* Keys of the record of what is left: pids with a blank between them, the first few. */
#define LEFT_STRAGGLERS "STRAGGLERS" /* killed, in the task's cgroup, and still there */
#define LEFT_OUTSIDE    "OUTSIDE"    /* in other cgroups */
