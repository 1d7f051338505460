/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NOMAD_EXECUTOR_H
#define NOMAD_EXECUTOR_H

/* libnomad-executor: start tasks, find them again, learn how they ended. See libnomad-executor(3).
 *
 * Functions that return int give 0 or a positive value for success and a negative errno for failure. Those
 * with an RET_ERROR say there, if it is not NULL, what is wrong: free it with nx_error_free(). Outputs are
 * set on success only, and belong to the caller: strings are freed with free(3), descriptors closed with
 * close(2), objects freed with the function of their type; those functions accept NULL and return NULL.
 * Strings are UTF-8. A value that is not known is treated as one that a newer service has added. Times are
 * microseconds, CLOCK_REALTIME where they are points in time; UINT64_MAX is "for ever".
 *
 * Calls block unless their names end in _async; they may be mixed. A connection and all that was made from
 * it belong to one thread at a time, and must not be used after fork(2). With libsystemd before 253 a call
 * fails with EINTR when a signal is handled while it blocks, and whether the service has done it is then not
 * known: a program with signal handlers blocks its signals meanwhile, as for sd-event(3).
 */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NX_MUST_USE __attribute__((__warn_unused_result__))
#else
#define NX_MUST_USE
#endif

typedef struct nx_error nx_error;
typedef struct nx_connection nx_connection;
typedef struct nx_values nx_values;
typedef struct nx_spec nx_spec;
typedef struct nx_task nx_task;
typedef struct nx_task_list nx_task_list;
typedef struct nx_wait nx_wait;
typedef struct nx_exec_options nx_exec_options;
typedef struct nx_exec nx_exec;
typedef struct nx_handle nx_handle;

/* The version of the library, "0.2.0". */
const char *nx_version(void);

/* --- errors -------------------------------------------------------------------------------------------- */

/* What went wrong. In brackets the errno that the function returns, negative. The first group is the
 * service's (org.nomad.Executor.Error.…, described in its interface files), the second is the bus's, the
 * third the library's own. */
typedef enum nx_error_code {
        NX_ERROR_FAILED = 1,            /* anything else; the message says what */
        NX_ERROR_NO_SUCH_TASK = 2,      /* [ENXIO] */
        NX_ERROR_TASK_EXISTS = 3,       /* [EEXIST] the id is in use */
        NX_ERROR_INVALID_SPEC = 4,      /* [EINVAL] a key or value; the message names it */
        NX_ERROR_COMMAND_NOT_FOUND = 5, /* [ENOENT] */
        NX_ERROR_EXEC_FAILED = 6,       /* [ENOEXEC] */
        NX_ERROR_SCOPE_FAILED = 7,      /* [EREMOTEIO] systemd refused */
        NX_ERROR_LOG_FAILED = 8,        /* [EIO] */
        NX_ERROR_NOT_RUNNING = 9,       /* [ESRCH] the task has ended */
        NX_ERROR_TASK_RUNNING = 10,     /* [EBUSY] the task has not ended */
        NX_ERROR_NO_SUCH_EXEC = 11,     /* [ECHILD] the session is not known */
        NX_ERROR_UNSUPPORTED = 12,      /* [EOPNOTSUPP] */
        NX_ERROR_LIMIT_EXCEEDED = 13,   /* [EDQUOT] */

        NX_ERROR_ACCESS_DENIED = 20, /* [EACCES] */
        NX_ERROR_NO_SERVICE = 21,    /* [EHOSTDOWN] no bus, no service, or it went away during the call */
        NX_ERROR_TIMEOUT = 22,       /* [ETIMEDOUT] */

        NX_ERROR_NO_HANDLE = 30,      /* [ENODATA] nothing was saved: NULL, empty or JSON's null */
        NX_ERROR_BAD_HANDLE = 31,     /* [EBADMSG] not JSON, or not of this shape */
        NX_ERROR_HANDLE_VERSION = 32, /* [EPROTONOSUPPORT] written by another version */
        NX_ERROR_OTHER_BUS = 33,      /* [EXDEV] of the other bus than the connection */
        NX_ERROR_OTHER_BOOT =
                        34, /* [ESTALE] the machine was booted since: the task is gone, and how it ended is not known */
        NX_ERROR_OTHER_TASK = 35 /* [EREMCHG] the id was released, and belongs to another task now */
} nx_error_code;

nx_error_code nx_error_get_code(const nx_error *error);
/* The D-Bus name of an error that came from the bus, else "". */
const char *nx_error_get_name(const nx_error *error);
/* One line for people. */
const char *nx_error_get_message(const nx_error *error);
nx_error *nx_error_free(nx_error *error);

/* --- connection ---------------------------------------------------------------------------------------- */

typedef enum nx_bus { NX_BUS_SYSTEM = 0, NX_BUS_USER = 1 } nx_bus;

/* Connects to a bus. The service need not run, calls start it. NO_SERVICE when there is no bus. */
int nx_connection_open(nx_bus bus, nx_connection **ret, nx_error **ret_error);
nx_connection *nx_connection_ref(nx_connection *connection);
nx_connection *nx_connection_unref(nx_connection *connection);

/* What makes the _async functions work, in one of three ways.
 * sd-event: attach the connection; NULL takes the calling thread's default loop. PRIORITY as in
 * sd_event_source_set_priority(3). As with sd_bus_attach_event(3), the connection is closed when that loop
 * exits.
 * GLib: nx_source_new() of <nomad-executor-glib.h>.
 * Any other loop: poll the descriptor for the events until the timeout (CLOCK_MONOTONIC, microseconds), then
 * process until it returns 0. */
int nx_connection_attach_event(nx_connection *connection, sd_event *event, int64_t priority);
int nx_connection_detach_event(nx_connection *connection);
int nx_connection_get_fd(nx_connection *connection);
int nx_connection_get_events(nx_connection *connection);
int nx_connection_get_timeout(nx_connection *connection, uint64_t *ret_usec);
int nx_connection_process(nx_connection *connection);

/* Properties of org.nomad.Executor.Manager: Version, APIVersion, Features, Controllers. */
int nx_connection_get_properties(nx_connection *connection, nx_values **ret, nx_error **ret_error);

/* --- values: properties and figures, by name ----------------------------------------------------------- */

/* All return -ENODATA for a name that is not there, and -EBADMSG for a value of another type. */
int nx_values_get_string(const nx_values *values, const char *name,
                const char **ret); /* belongs to VALUES; D-Bus types s, o */
int nx_values_get_uint64(const nx_values *values, const char *name, uint64_t *ret); /* t, u, q */
int nx_values_get_int(const nx_values *values, const char *name, int *ret);         /* i */
int nx_values_get_bool(const nx_values *values, const char *name, int *ret);        /* b: 0 or 1 */
int nx_values_get_double(const nx_values *values, const char *name, double *ret);   /* d, and any integer */

/* A JSON object. UINT64_MAX ("infinite", "not known") is null, bytes are a hexadecimal string. With NAMES, a
 * list that ends with NULL, only these, in this order; those that are not there are left out. */
int nx_values_to_json(const nx_values *values, const char *const *names, char **ret);
nx_values *nx_values_free(nx_values *values);

/* --- spec: what to run and how ------------------------------------------------------------------------- */

/* Keys, types, ranges and defaults are those of StartTask in org.nomad.Executor.Manager.xml. A key that the
 * library does not know and a value of another type are INVALID_SPEC, naming the key; ranges are checked by
 * the service. */
nx_spec *nx_spec_new(const char *command);
nx_spec *nx_spec_free(nx_spec *spec);

/* A JSON object of keys and values: strings, numbers, arrays of strings, objects of strings. ResourceLimits
 * is an object of [soft, hard]. Mounts is an array of [source, destination, [option, ...]], Devices one of
 * [path, destination, permissions]. A number may be a string as in nx_spec_assign(). */
int nx_spec_new_from_json(const char *json, nx_spec **ret, nx_error **ret_error);
int nx_spec_to_json(const nx_spec *spec, char **ret); /* without descriptors */

/* Replaces the value of a key. */
int nx_spec_set_string(nx_spec *spec, const char *key, const char *value, nx_error **ret_error);
int nx_spec_set_strv(nx_spec *spec, const char *key, const char *const *values, nx_error **ret_error);
int nx_spec_set_uint64(nx_spec *spec, const char *key, uint64_t value, nx_error **ret_error);
int nx_spec_set_int(nx_spec *spec, const char *key, int value, nx_error **ret_error);
/* The spec duplicates the descriptor; -1 takes it back. */
int nx_spec_set_fd(nx_spec *spec, const char *key, int fd, nx_error **ret_error);
/* One entry of a dictionary: Labels, LogFields. */
int nx_spec_set_entry(
                nx_spec *spec, const char *key, const char *name, const char *value, nx_error **ret_error);

/* "KEY=VALUE" as people write it. Lists: adds one element, an empty value empties the list. Dictionaries:
 * "KEY=NAME=VALUE" adds an entry. ResourceLimits=NOFILE=1024:4096 or =NOFILE=1024.
 * Mounts=SOURCE:DESTINATION[:ro,rslave] and Devices=PATH[:DESTINATION[:rwm]] are lists; a path with a colon
 * can be given in JSON only. Keys ending in USec: microseconds, or with units as in systemd.time(7) ("1min
 * 30s", "500ms"); CPUQuotaPerSecUSec, or CPUQuota as in unit files, in percent of one CPU ("150%"). Sizes:
 * bytes, or with K, M, G, T to the base of 1024. UMask: octal. "infinity" is UINT64_MAX. */
int nx_spec_assign(nx_spec *spec, const char *assignment, nx_error **ret_error);
/* Whether the key was given. */
int nx_spec_has(const nx_spec *spec, const char *key);

/* --- tasks --------------------------------------------------------------------------------------------- */

/* Starts a task of this id; success means that its program was executed. An error means that nothing is left
 * of it, but for NO_SERVICE: then it may or may not have started, nx_task_open() tells. */
int nx_task_start(nx_connection *connection, const char *id, const nx_spec *spec, nx_task **ret,
                nx_error **ret_error);
/* Finds a task that runs, or that has ended and was not released. */
int nx_task_open(nx_connection *connection, const char *id, nx_task **ret, nx_error **ret_error);
/* The task that a process belongs to; the caller keeps the descriptor. */
int nx_task_open_pidfd(nx_connection *connection, int pidfd, nx_task **ret, nx_error **ret_error);
nx_task *nx_task_ref(nx_task *task);
nx_task *nx_task_unref(nx_task *task); /* the task itself goes on */

const char *nx_task_get_id(const nx_task *task);
const char *nx_task_get_object_path(const nx_task *task);
/* All properties of org.nomad.Executor.Task, of one moment. */
int nx_task_get_properties(nx_task *task, nx_values **ret, nx_error **ret_error);

/* SIGNAL: name or number, NULL or "" for the task's StopSignal; GRACE_USEC: 0 kills at once, UINT64_MAX is
 * the task's StopTimeoutUSec. Returns when it is accepted; wait for the end. No error for a task that has
 * ended. */
int nx_task_stop(nx_task *task, const char *signal, uint64_t grace_usec, nx_error **ret_error);
/* WHOM: "main" or "all". */
int nx_task_kill(nx_task *task, const char *whom, const char *signal, nx_error **ret_error);
int nx_task_freeze(nx_task *task, nx_error **ret_error);
int nx_task_thaw(nx_task *task, nx_error **ret_error);
/* The resource keys of SPEC, live; any other key is INVALID_SPEC. nx_spec_new(NULL) makes an empty spec. */
int nx_task_set_resources(nx_task *task, const nx_spec *spec, nx_error **ret_error);
/* Forgets a task that has ended. TASK_RUNNING for one that has not. */
int nx_task_release(nx_task *task, nx_error **ret_error);

/* All tasks, ordered by id. Indexes from 0; getters give NULL beyond the end, and what belongs to the
 * list. */
int nx_task_list_new(nx_connection *connection, nx_task_list **ret, nx_error **ret_error);
size_t nx_task_list_get_size(const nx_task_list *list);
const char *nx_task_list_get_id(const nx_task_list *list, size_t index);
const nx_values *nx_task_list_get_properties(const nx_task_list *list, size_t index);
nx_task_list *nx_task_list_free(nx_task_list *list);

/* --- the end of a task --------------------------------------------------------------------------------- */

typedef struct nx_exit {
        char result[32];  /* success, exit-code, signal, oom-kill, timeout, lost */
        int exit_code;    /* 0 to 255; 128 + exit_signal; -1: not known (lost) */
        int exit_signal;  /* or 0 */
        int oom_killed;   /* whether any process of the task was killed for want of memory: 0 or 1 */
        int reserved[12]; /* 0 */
} nx_exit;

/* Waits until the task has ended and its log is complete; at once, with the same values, when it already
 * has. Goes on waiting over restarts of the service. TIMEOUT after TIMEOUT_USEC, the task is not concerned;
 * UINT64_MAX: never. */
int nx_task_wait(nx_task *task, uint64_t timeout_usec, nx_exit *ret, nx_error **ret_error);

/* The same as an event: HANDLER is called once, from the loop that the connection is attached to, with
 * either of the two. Both belong to the library. The handler may free the wait and the task. To free it
 * before ends the waiting. */
typedef void (*nx_wait_handler)(nx_task *task, const nx_exit *exit, const nx_error *error, void *userdata);
int nx_task_wait_async(
                nx_task *task, nx_wait_handler handler, void *userdata, nx_wait **ret, nx_error **ret_error);
nx_wait *nx_wait_free(nx_wait *wait);

/* --- programs in a task -------------------------------------------------------------------------------- */

/* How a check ended. */
typedef struct nx_check {
        int exit_code;   /* 0 to 255, or 128 + exit_signal */
        int exit_signal; /* or 0 */
        int timed_out;   /* killed because TIMEOUT_USEC was over: 0 or 1 */
        int truncated;   /* there was more output than is kept: 0 or 1 */
        int reserved[12];
} nx_check;

/* Runs a program in the task and waits for it. RET_OUTPUT, unless NULL: what it wrote to both streams, the
 * last 4096 bytes unless the spec's RunOutputMax says otherwise, followed by a 0 byte that RET_SIZE does not
 * count. TIMEOUT_USEC 0 and UINT64_MAX: never. */
int nx_task_run(nx_task *task, const char *const *argv, uint64_t timeout_usec, nx_check *ret,
                char **ret_output, size_t *ret_size, nx_error **ret_error);

nx_exec_options *nx_exec_options_new(void);
nx_exec_options *nx_exec_options_free(nx_exec_options *options);
int nx_exec_options_set_tty(nx_exec_options *options, uint16_t rows, uint16_t columns);
int nx_exec_options_set_user(nx_exec_options *options, const char *user);
int nx_exec_options_set_working_directory(nx_exec_options *options, const char *directory);
int nx_exec_options_add_environment(nx_exec_options *options, const char *assignment); /* "NAME=VALUE" */

/* Starts a program in the task, with streams; OPTIONS may be NULL. The session goes on when it is freed
 * before its end, its terminal is hung up when the connection is closed. */
int nx_task_exec(nx_task *task, const char *const *argv, const nx_exec_options *options, nx_exec **ret,
                nx_error **ret_error);
nx_exec *nx_exec_free(nx_exec *exec);
uint64_t nx_exec_get_session(const nx_exec *exec);
/* Descriptor 0, 1 or 2 of the program, seen from the other end; the same terminal three times with a tty.
 * Belongs to EXEC until it is taken, -EBADF after that. To close number 0 of a session without a tty is its
 * end of file. */
int nx_exec_get_fd(nx_exec *exec, int number);
int nx_exec_take_fd(nx_exec *exec, int number);
int nx_exec_resize(nx_exec *exec, uint16_t rows, uint16_t columns, nx_error **ret_error);
int nx_exec_kill(nx_exec *exec, const char *signal, nx_error **ret_error);
/* RET_CODE as in nx_exit. NO_SUCH_EXEC when the service was restarted meanwhile: how it ended is then not
 * known. */
int nx_exec_wait(nx_exec *exec, int *ret_code, int *ret_signal, nx_error **ret_error);
/* Called once, as nx_wait_handler; CODE and SIGNAL are -1 with an error. Not called any more once EXEC is
 * freed. */
typedef void (*nx_exec_handler)(nx_exec *exec, int code, int signal, const nx_error *error, void *userdata);
int nx_exec_wait_async(nx_exec *exec, nx_exec_handler handler, void *userdata, nx_error **ret_error);

/* --- logs and figures ---------------------------------------------------------------------------------- */

#define NX_LOG_FOLLOW   (UINT64_C(1) << 0) /* go on with what is still to come, to the end of the task */
#define NX_LOG_LINES    (UINT64_C(1) << 1) /* begin with the last N lines */
#define NX_LOG_OFFSET   (UINT64_C(1) << 2) /* begin after N bytes; with FROM_END, N bytes before the end */
#define NX_LOG_FROM_END (UINT64_C(1) << 3)

/* The read end of a pipe with the log of a stream, "stdout" or "stderr", across rotated files. N is of LINES
 * or OFFSET, else ignored. */
int nx_task_open_log(nx_task *task, const char *stream, uint64_t flags, uint64_t n, int *ret_fd,
                nx_error **ret_error);

/* The keys of GetStats. */
int nx_task_get_stats(nx_task *task, nx_values **ret, nx_error **ret_error);
/* The read end of a pipe with one JSON object a line: the same again and again, the first at once. 0: every
 * second. Ends with the task, and with a restart of the service: call again. */
int nx_task_stream_stats(nx_task *task, uint64_t interval_usec, int *ret_fd, nx_error **ret_error);

/* --- reattach ------------------------------------------------------------------------------------------ */

/* A handle is what a client saves in order to find its task again when it is started anew, as one line of
 * JSON:
 *
 *   { "version": 1, "bus": "system", "id": …, "object_path": …, "boot_id": …, "invocation_id": … }
 *
 * "invocation_id" tells the task from a later one of the same id; a handle without it is accepted. Other
 * members are kept out and ignored. A handle from a later version, and one that is none, are each an error
 * of its own. */
int nx_task_get_handle(nx_task *task, char **ret, nx_error **ret_error);

/* NO_HANDLE, BAD_HANDLE, HANDLE_VERSION. Asks nobody: that the task is there is not promised. */
int nx_handle_parse(const char *json, nx_handle **ret, nx_error **ret_error);
int nx_handle_to_json(const nx_handle *handle, char **ret);
nx_bus nx_handle_get_bus(const nx_handle *handle);
const char *nx_handle_get_id(const nx_handle *handle);
const char *nx_handle_get_object_path(const nx_handle *handle);
const char *nx_handle_get_boot_id(const nx_handle *handle);
const char *nx_handle_get_invocation_id(const nx_handle *handle); /* "" when it has none */
nx_handle *nx_handle_free(nx_handle *handle);

/* Parses JSON and finds the task. Besides those of nx_handle_parse(): OTHER_BUS, OTHER_BOOT (the task is
 * gone), NO_SUCH_TASK (it was released), OTHER_TASK (it was released and its id used again). */
int nx_task_reattach(nx_connection *connection, const char *json, nx_task **ret, nx_error **ret_error);

#ifdef __cplusplus
}
#endif

#endif
