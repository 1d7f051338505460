/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "call-again.h"
#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "task.h"
#include "text.h"

/* No more of a value is repeated in a message. */
#define SHOWN_MAX 60U

struct nx_exec_options {
        int tty;
        uint16_t rows, columns;
        char *user;
        char *directory;
        GPtrArray *environment; /* ends with NULL once it is appended */
};

struct nx_exec {
        nx_task *task;
        uint64_t session;
        int fds[3];
        nx_exec_handler handler;
        void *userdata;
        CallAgain again;
        sd_bus_slot *slot;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_exec, nx_exec_free)

EXPORT nx_exec_options *nx_exec_options_new(void)
{
        nx_exec_options *options = g_new0(nx_exec_options, 1);

        options->environment = g_ptr_array_new_with_free_func(g_free);
        return options;
}

EXPORT nx_exec_options *nx_exec_options_free(nx_exec_options *options)
{
        if (options) {
                g_free(options->user);
                g_free(options->directory);
                g_ptr_array_unref(options->environment);
                g_free(options);
        }
        return NULL;
}

EXPORT int nx_exec_options_set_tty(nx_exec_options *options, uint16_t rows, uint16_t columns)
{
        options->tty = 1;
        options->rows = rows;
        options->columns = columns;
        return 0;
}

EXPORT int nx_exec_options_set_user(nx_exec_options *options, const char *user)
{
        g_free(options->user);
        options->user = g_strdup(user);
        return 0;
}

EXPORT int nx_exec_options_set_working_directory(nx_exec_options *options, const char *directory)
{
        g_free(options->directory);
        options->directory = g_strdup(directory);
        return 0;
}

EXPORT int nx_exec_options_add_environment(nx_exec_options *options, const char *assignment)
{
        if (!strchr(assignment, '=') || *assignment == '=')
                return -EINVAL;

        g_ptr_array_add(options->environment, g_strdup(assignment));
        return 0;
}

static int append_environment(sd_bus_message *m, const GPtrArray *environment)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        g_auto(GStrv) list = NULL;
        int r;

        if (environment->len == 0)
                return 0;

        for (guint i = 0; i < environment->len; i++)
                g_strv_builder_add(builder, environment->pdata[i]);
        list = g_strv_builder_end(builder);
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Environment");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, list);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_options(sd_bus_message *m, const nx_exec_options *options)
{
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        if (options) {
                if (options->tty)
                        r = sd_bus_message_append(m, "{sv}{sv}{sv}", "Tty", "b", 1, "Rows", "q",
                                        options->rows, "Columns", "q", options->columns);
                if (r >= 0 && options->user)
                        r = sd_bus_message_append(m, "{sv}", "User", "s", options->user);
                if (r >= 0 && options->directory)
                        r = sd_bus_message_append(m, "{sv}", "WorkingDirectory", "s", options->directory);
                if (r >= 0)
                        r = append_environment(m, options->environment);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(m);
}

static int read_session(sd_bus_message *reply, nx_exec *exec)
{
        int fds[3], r;

        r = sd_bus_message_read(reply, "thhh", &exec->session, &fds[0], &fds[1], &fds[2]);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                exec->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (exec->fds[i] < 0)
                        return -errno;
        }

        return 0;
}

static bool is_text(const char *what, const char *value, nx_error **ret_error)
{
        g_autofree char *shown = NULL;

        if (!value || g_utf8_validate(value, -1, NULL))
                return true;

        shown = text_shorten(value, SHOWN_MAX);
        (void) error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: '%s' is not UTF-8", what, shown);
        return false;
}

static bool are_texts(const char *const *argv, const nx_exec_options *options, nx_error **ret_error)
{
        for (; *argv; argv++)
                if (!is_text("Argument", *argv, ret_error))
                        return false;
        if (!options)
                return true;

        for (guint i = 0; i < options->environment->len; i++)
                if (!is_text("Environment", options->environment->pdata[i], ret_error))
                        return false;

        return is_text("User", options->user, ret_error) &&
                        is_text("WorkingDirectory", options->directory, ret_error);
}

EXPORT int nx_task_exec(nx_task *task, const char *const *argv, const nx_exec_options *options,
                nx_exec **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        g_autoptr(nx_exec) exec = NULL;
        int r;

        if (!are_texts(argv, options, ret_error))
                return -EINVAL;
        r = task_new_call(task, "Exec", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(m, (char **) argv);
        if (r >= 0)
                r = append_options(m, options);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);
        r = connection_call(task->connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;

        exec = g_new0(nx_exec, 1);
        exec->task = nx_task_ref(task);
        exec->fds[0] = exec->fds[1] = exec->fds[2] = -1;
        r = read_session(reply, exec);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        *ret = g_steal_pointer(&exec);
        return 0;
}

EXPORT nx_exec *nx_exec_free(nx_exec *exec)
{
        if (exec) {
                sd_bus_slot_unref(exec->slot);
                for (size_t i = 0; i < G_N_ELEMENTS(exec->fds); i++)
                        safe_close(exec->fds[i]);
                nx_task_unref(exec->task);
                g_free(exec);
        }
        return NULL;
}

EXPORT uint64_t nx_exec_get_session(const nx_exec *exec)
{
        return exec->session;
}

EXPORT int nx_exec_get_fd(nx_exec *exec, int number)
{
        return number < 0 || number > 2 || exec->fds[number] < 0 ? -EBADF : exec->fds[number];
}

EXPORT int nx_exec_take_fd(nx_exec *exec, int number)
{
        return number < 0 || number > 2 || exec->fds[number] < 0 ? -EBADF : take_fd(exec->fds + number);
}

EXPORT int nx_exec_resize(nx_exec *exec, uint16_t rows, uint16_t columns, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(exec->task, "ResizeExec", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "tqq", exec->session, rows, columns);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return connection_call(exec->task->connection, m, CALL_TIMEOUT_USEC, NULL, ret_error);
}

EXPORT int nx_exec_kill(nx_exec *exec, const char *signal, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(exec->task, "KillExec", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "ts", exec->session, signal);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return connection_call(exec->task->connection, m, CALL_TIMEOUT_USEC, NULL, ret_error);
}

static int new_wait(nx_exec *exec, sd_bus_message **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(exec->task, "WaitExec", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "t", exec->session);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        *ret = g_steal_pointer(&m);
        return 0;
}

EXPORT int nx_exec_wait(nx_exec *exec, int *ret_code, int *ret_signal, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int code, signal, r;

        r = new_wait(exec, &m, ret_error);
        if (r < 0)
                return r;
        r = connection_call_again(exec->task->connection, m, UINT64_MAX, &reply, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "ii", &code, &signal);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        *ret_code = code;
        *ret_signal = signal;
        return 0;
}

static int call_wait(nx_exec *exec, nx_error **ret_error);

static int on_reply(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *ret_bus_error)
{
        nx_exec *exec = userdata;
        g_autoptr(nx_error) error = NULL;
        const sd_bus_error *bus_error = sd_bus_message_get_error(reply);
        int code = -1, signal = -1, r;
        uint64_t delay;

        exec->slot = sd_bus_slot_unref(exec->slot);
        if (bus_error && call_again_after(&exec->again, bus_error, &delay)) {
                /* at once, as in wait.c */
                if (call_wait(exec, &error) >= 0)
                        return 0;
        } else if (bus_error) {
                (void) error_set_bus(&error, bus_error, -sd_bus_error_get_errno(bus_error));
        } else {
                r = sd_bus_message_read(reply, "ii", &code, &signal);
                if (r < 0)
                        (void) error_set_bus(&error, NULL, r);
        }

        exec->handler(exec, code, signal, error, exec->userdata);
        return 0;
}

static int call_wait(nx_exec *exec, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_wait(exec, &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_call_async(exec->task->connection->bus, &exec->slot, m, on_reply, exec,
                        call_again_send(&exec->again));
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}

EXPORT int nx_exec_wait_async(nx_exec *exec, nx_exec_handler handler, void *userdata, nx_error **ret_error)
{
        if (exec->slot)
                return error_set_errno(ret_error, -EALREADY, "The session is waited for");

        exec->handler = handler;
        exec->userdata = userdata;
        exec->again = call_again_begin(UINT64_MAX);
        return call_wait(exec, ret_error);
}
