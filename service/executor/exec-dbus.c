/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-dbus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container.h"
#include "exec.h"
#include "fd-util.h"
#include "log.h"
#include "protocol.h"

#define TASK_INTERFACE "org.nomad.Executor.Task"

#define OPTION(k, t, member, ...)                                                                          \
        {                                                                                                  \
                .key = (k), .type = &option_type_##t, .offset = offsetof(ExecOptions, member), __VA_ARGS__ \
        }

const Option exec_options[] = {
        OPTION("Tty", bool, tty),
        OPTION("Rows", uint16, rows),
        OPTION("Columns", uint16, columns),
        OPTION("User", string, user, .invalid = option_invalid_if_empty),
        OPTION("Environment", strv, environment, .invalid = option_invalid_environment),
        OPTION("WorkingDirectory", string, working_directory, .invalid = option_invalid_unless_absolute),
};
const size_t n_exec_options = G_N_ELEMENTS(exec_options);

void exec_options_clear(ExecOptions *options)
{
        options_clear(exec_options, n_exec_options, options);
}

int exec_read_program(sd_bus_message *m, void *userdata, char ***ret_argv, sd_bus_error *error)
{
        g_auto(GStrv) argv = NULL;
        const Task *task = userdata;
        int r;

        if (!task_is_live(task))
                return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "Task '%s' is not running", task->id);
        if (exec_sessions_running(task) + task->exec_calls->len >= EXEC_SESSIONS_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "Task '%s' has %u sessions already", task->id, EXEC_SESSIONS_MAX);

        r = option_type_strv.read(m, &argv);
        if (r < 0)
                return r;
        if (!argv[0] || !argv[0][0])
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, "argv must name a program");
        if (!task_is_container(task) && argv[0][0] != '/' && strchr(argv[0], '/'))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "argv[0] must be an absolute path or a name without a slash");

        *ret_argv = g_steal_pointer(&argv);
        return 0;
}

void exec_set_start_error(const ExecSession *session, const char *command, int error, const char *stage,
                sd_bus_error *ret)
{
        if (strcmp(stage, STAGE_RUNTIME) == 0) {
                g_autofree char *reason = container_session_failure(session->task, session->id);

                (void) sd_bus_error_setf(
                                ret, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s': %s", command, reason);
        } else if (strcmp(stage, STAGE_FORK) == 0)
                (void) sd_bus_error_set_errnof(
                                ret, error, "Cannot execute '%s': %s", command, spawn_error_text(-error));
        else if (strcmp(stage, STAGE_COMMAND) == 0)
                (void) sd_bus_error_setf(
                                ret, BUS_ERROR_COMMAND_NOT_FOUND, "Command '%s' was not found", command);
        else if (strcmp(stage, STAGE_DIRECTORY) == 0 && session->directory)
                (void) sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot enter WorkingDirectory '%s': %s", session->directory,
                                g_strerror(error));
        else if (g_str_has_prefix(stage, STAGE_SCRIPT))
                (void) sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot execute '%s': its interpreter '%s' does not exist", command,
                                stage + strlen(STAGE_SCRIPT));
        else if (strcmp(stage, STAGE_EXEC) == 0)
                (void) sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s': %s", command,
                                g_strerror(error));
        else
                (void) sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s' (%s): %s", command,
                                stage, g_strerror(error));
}

/* Both ends of a session's standard streams. With a terminal there is one of each, in the first place. */
typedef struct Streams {
        int process[3];
        int client[3];
} Streams;

static void streams_clear(Streams *streams)
{
        for (int i = 0; i < 3; i++) {
                safe_closep(streams->process + i);
                safe_closep(streams->client + i);
        }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Streams, streams_clear)

static int make_pipes(Streams *streams, uid_t uid)
{
        int r;

        r = fd_make_input_pipe(uid, &streams->process[0], &streams->client[0]);
        if (r < 0)
                return r;
        r = fd_make_output_pipe(uid, &streams->client[1], &streams->process[1]);
        if (r < 0)
                return r;

        return fd_make_output_pipe(uid, &streams->client[2], &streams->process[2]);
}

static int set_size(int fd, uint16_t rows, uint16_t columns)
{
        struct winsize size = { .ws_row = rows, .ws_col = columns };

        return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

static int make_terminal(Streams *streams, const ExecOptions *options, uid_t uid)
{
        streams->client[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (streams->client[0] < 0 || unlockpt(streams->client[0]) < 0)
                return -errno;
        streams->process[0] = ioctl(streams->client[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (streams->process[0] < 0)
                return -errno;

        /* so that the session may open /dev/tty's name, as mesg(1) and tmux(1) do */
        if (fchown(streams->process[0], uid, (gid_t) -1) < 0)
                return -errno;

        return options->rows || options->columns
                        ? set_size(streams->client[0], options->rows, options->columns)
                        : 0;
}

/* A terminal whose far side has gone is hung up. Pipes see to that by themselves, and nobody has those of a
 * session that is not answered yet. */
static void on_client_gone(void *userdata)
{
        ExecSession *session = userdata;

        if (session->message)
                exec_session_cancel(session);
        else
                session->terminal_fd = safe_close(session->terminal_fd);
}

static void hold_terminal(ExecSession *session)
{
        session->terminal_fd = fcntl(session->client_fds[0], F_DUPFD_CLOEXEC, 0);
        if (session->terminal_fd < 0)
                (void) log_errno(LOG_WARNING, -errno, "Cannot keep the terminal of a session of task '%s'",
                                session->task->id);
}

static int reply_started(ExecSession *session)
{
        const int *fds = session->client_fds;
        bool terminal = session->terminal;

        return sd_bus_reply_method_return(session->message, "thhh", session->id, fds[0],
                        terminal ? fds[0] : fds[1], terminal ? fds[0] : fds[2]);
}

static void on_started(ExecSession *session, int error, const char *stage, void *userdata)
{
        g_autofree char *command = userdata;
        int r;

        session->userdata = session->free_userdata = NULL;
        if (error) {
                g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;

                exec_set_start_error(session, command, error, stage, &failure);
                r = sd_bus_reply_method_error(session->message, &failure);
        } else {
                if (session->terminal)
                        hold_terminal(session);
                r = reply_started(session);
        }
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot answer Exec for task '%s'", session->task->id);

        /* the client has its own now */
        for (size_t i = 0; i < G_N_ELEMENTS(session->client_fds); i++)
                safe_closep(session->client_fds + i);
        session->message = sd_bus_message_unref(session->message);
        if (!session->terminal)
                session->client = caller_watch_free(session->client);
        if (error)
                exec_session_remove(session);
}

static int reply_wait(sd_bus_message *message, const void *userdata)
{
        const ExecSession *session = userdata;

        return sd_bus_reply_method_return(message, "ii", session->exit_code, session->exit_signal);
}

static void on_ended(ExecSession *session, G_GNUC_UNUSED void *userdata)
{
        const Task *task = session->task;
        int r;

        session->client = caller_watch_free(session->client);
        r = sd_bus_emit_signal(task->manager->service.bus, task->path, TASK_INTERFACE, "ExecExited", "tii",
                        session->id, session->exit_code, session->exit_signal);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot tell that a session of task '%s' has ended",
                                task->id);
        waiter_list_reply(&session->waiters, reply_wait, session);
}

static int start(Task *task, sd_bus_message *m, const Program *program, const ExecOptions *options,
                Streams *streams)
{
        const int *fds = streams->process;
        ExecStdio stdio = {
                .fds = { fds[0], options->tty ? fds[0] : fds[1], options->tty ? fds[0] : fds[2] },
                .terminal = options->tty,
                .rows = options->rows,
                .columns = options->columns,
        };
        _cleanup_close_ int cgroup_fd = -1;
        g_autofree char *command = g_strdup(program->command);
        ExecSession *session;
        int r;

        r = task_open_cgroup(task, &cgroup_fd);
        if (r < 0)
                return r;
        r = exec_session_start(task, cgroup_fd, program, &stdio, on_started, on_ended, command, &session);
        if (r < 0)
                return r;

        session->userdata = g_steal_pointer(&command);
        session->free_userdata = g_free;
        session->message = sd_bus_message_ref(m);
        session->client = caller_watch_new(&task->manager->callers, m, on_client_gone, session);
        for (int i = 0; i < 3; i++)
                session->client_fds[i] = take_fd(&streams->client[i]);
        return 0;
}

/* A call of Exec, until there is a session. */
typedef struct ExecCall {
        Task *task;
        sd_bus_message *message;
        CallerWatch *caller;
        Lookup *lookup; /* of the option User */
        char **argv;
        ExecOptions options;
        Credentials other; /* that user's */
} ExecCall;

void exec_call_free(void *userdata)
{
        ExecCall *call = userdata;

        lookup_free(call->lookup);
        caller_watch_free(call->caller);
        sd_bus_message_unref(call->message);
        g_strfreev(call->argv);
        exec_options_clear(&call->options);
        credentials_clear(&call->other);
        g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExecCall, exec_call_free)

static int find_program(ExecCall *call, Program *ret, char **ret_command, sd_bus_error *error)
{
        const ExecOptions *options = &call->options;
        Program program = program_of_task(call->task);
        int r = 0;

        program.command = call->argv[0];
        program.arguments = call->argv + 1;
        program.environment = options->environment;
        if (options->working_directory)
                program.directory = options->working_directory;
        if (task_is_container(call->task))
                r = container_find_program(
                                call->task, options->user, &program, ret_command, &call->other, error);
        else if (options->user)
                program.credentials = &call->other;
        if (r < 0)
                return r;

        *ret = program;
        return 0;
}

static int start_session(ExecCall *call, sd_bus_error *error)
{
        g_auto(Streams) streams = { .process = { -1, -1, -1 }, .client = { -1, -1, -1 } };
        g_autofree char *command = NULL;
        Task *task = call->task;
        Program program;
        int r;

        r = find_program(call, &program, &command, error);
        if (r < 0)
                return r;

        /* the terminal of a container is made by the runtime, and its other side comes when it has */
        if (!call->options.tty)
                r = make_pipes(&streams, program.credentials->uid);
        else if (!task_is_container(task))
                r = make_terminal(&streams, &call->options, program.credentials->uid);
        if (r >= 0)
                r = start(task, call->message, &program, &call->options, &streams);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "Cannot start a session of task '%s': %s", task->id,
                                g_strerror(-r));

        return 0;
}

static void on_caller_gone(void *userdata)
{
        ExecCall *call = userdata;

        (void) g_ptr_array_remove(call->task->exec_calls, call);
}

static void fail_call(ExecCall *call, const sd_bus_error *error)
{
        int r;

        r = sd_bus_reply_method_error(call->message, error);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot answer Exec for task '%s'", call->task->id);
        (void) g_ptr_array_remove(call->task->exec_calls, call);
}

static void on_looked_up(Credentials *credentials, const sd_bus_error *error, void *userdata)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        ExecCall *call = userdata;
        int r;

        if (error) {
                fail_call(call, error);
                return;
        }

        call->other = *credentials;
        *credentials = (Credentials){ 0 };
        r = start_session(call, &failure);
        if (r < 0)
                fail_call(call, &failure);
        else
                (void) g_ptr_array_remove(call->task->exec_calls, call);
}

void exec_calls_end(Task *task)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        (void) sd_bus_error_setf(&error, BUS_ERROR_NOT_RUNNING, "Task '%s' is not running", task->id);
        while (task->exec_calls->len > 0)
                fail_call(g_ptr_array_index(task->exec_calls, 0), &error);
}

/* A container's users are its own, and root is known. */
static bool needs_lookup(ExecCall *call)
{
        const char *user = call->options.user;

        return user && !task_is_container(call->task) && !credentials_lookup_root(user, NULL, &call->other);
}

int exec_method_exec(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_autoptr(ExecCall) call = g_new0(ExecCall, 1);
        Task *task = call->task = userdata;
        int r;

        r = exec_read_program(m, task, &call->argv, error);
        if (r < 0)
                return r;
        r = options_read(m, exec_options, n_exec_options, &call->options, NULL, error);
        if (r < 0)
                return r;
        call->message = sd_bus_message_ref(m);
        if (!needs_lookup(call)) {
                r = start_session(call, error);
                return r < 0 ? r : 1;
        }

        r = lookup_start(&task->manager->lookups, m, call->options.user, NULL, on_looked_up, call,
                        &call->lookup, error);
        if (r < 0)
                return r;

        call->caller = caller_watch_new(&task->manager->callers, m, on_caller_gone, call);
        g_ptr_array_add(task->exec_calls, g_steal_pointer(&call));
        return 1;
}

static int read_session(sd_bus_message *m, Task *task, ExecSession **ret, sd_bus_error *error)
{
        ExecSession *session;
        uint64_t id;
        int r;

        r = sd_bus_message_read(m, "t", &id);
        if (r < 0)
                return r;
        session = exec_session_find(task, id);
        if (!session)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_EXEC, "Task '%s' has no session %" PRIu64,
                                task->id, id);

        *ret = session;
        return 0;
}

static int not_running(const ExecSession *session, sd_bus_error *error)
{
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "Session %" PRIu64 " has ended", session->id);
}

int exec_method_resize(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        uint16_t rows, columns;
        ExecSession *session = NULL;
        int r;

        r = read_session(m, userdata, &session, error);
        if (r < 0)
                return r;
        g_assert(session);
        r = sd_bus_message_read(m, "qq", &rows, &columns);
        if (r < 0)
                return r;
        if (session->ended)
                return not_running(session, error);
        if (session->terminal_fd < 0)
                return sd_bus_error_setf(error, BUS_ERROR_UNSUPPORTED, "Session %" PRIu64 " has no terminal",
                                session->id);

        r = set_size(session->terminal_fd, rows, columns);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, NULL);
}

int exec_method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ExecSession *session = NULL;
        const char *name;
        int signal, r;

        r = read_session(m, userdata, &session, error);
        if (r < 0)
                return r;
        g_assert(session);
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        signal = signal_from_string(name);
        if (signal < 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Unknown signal '%s'", name);

        r = exec_session_kill(session, signal);
        if (r == -ESRCH)
                return not_running(session, error);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, NULL);
}

int exec_method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ExecSession *session = NULL;
        int r;

        r = read_session(m, userdata, &session, error);
        if (r < 0)
                return r;
        g_assert(session);
        if (session->ended)
                return reply_wait(m, session);

        r = waiter_list_add(&session->waiters, m, EXEC_WAITERS_MAX);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u callers wait for session %" PRIu64 " already", EXEC_WAITERS_MAX,
                                session->id);
        return r < 0 ? r : 1;
}
