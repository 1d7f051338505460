/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <nomad-task-hook.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "connection.h"
#include "error.h"
#include "export.h"
#include "handle.h"
#include "log-client.h"
#include "log-config.h"
#include "spec.h"

struct nx_hook {
        nx_connection *connection;
        char *id;
        bool disabled;
        nx_spec *config;
        char *fifos[2];
        char *log_path; /* of the log that this hook has found or started, or NULL */
};

struct nx_hook_response {
        nx_hook_action action;
        char *state;
        char *paths[2];
        char *note;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_hook, nx_hook_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_hook_response, nx_hook_response_free)

static const char *const streams[] = { "stdout", "stderr" };

/* Hidden, and not NAME.STREAM.…, which readers take for log files. */
static void make_fifo_paths(nx_hook *hook)
{
        const TaskSpec *values = &hook->config->values;
        g_autofree char *label = NULL;

        (void) sd_bus_path_encode("/", hook->id, &label);
        for (size_t i = 0; i < G_N_ELEMENTS(hook->fifos); i++)
                hook->fifos[i] = g_strdup_printf("%s/.%s.%s.fifo", values->log_directory,
                                values->log_name ? values->log_name : label + 1, streams[i]);
}

EXPORT int nx_hook_new(nx_connection *connection, const char *id, const nx_spec *config, nx_hook **ret,
                nx_error **ret_error)
{
        g_autoptr(nx_hook) hook = g_new0(nx_hook, 1);
        g_autofree char *json = NULL;
        int r;

        hook->connection = nx_connection_ref(connection);
        hook->id = g_strdup(id);
        hook->disabled = !config;
        if (*id == '\0')
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "The id of the task must not be empty");
        if (config) {
                if (!nx_spec_has(config, "LogDirectory"))
                        return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                        "The configuration needs LogDirectory, where the log files are");
                if (*config->values.log_directory != '/')
                        return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                        "LogDirectory must be an absolute path: '%s'",
                                        config->values.log_directory);
                (void) nx_spec_to_json(config, &json);
                r = nx_spec_new_from_json(json, &hook->config, ret_error);
                if (r < 0)
                        return r;
                make_fifo_paths(hook);
        }

        *ret = g_steal_pointer(&hook);
        return 0;
}

EXPORT nx_hook *nx_hook_free(nx_hook *hook)
{
        if (hook) {
                nx_connection_unref(hook->connection);
                nx_spec_free(hook->config);
                g_free(hook->id);
                g_free(hook->fifos[0]);
                g_free(hook->fifos[1]);
                g_free(hook->log_path);
                g_free(hook);
        }
        return NULL;
}

/* The path in a state that is of any use to us; what is wrong with it is an error of the handle. */
static int path_from_state(const nx_hook *hook, const char *state, char **ret, nx_error **ret_error)
{
        g_autoptr(nx_handle) handle = NULL;
        int r;

        r = handle_parse(state, LOG_PATH, &handle, ret_error);
        if (r < 0)
                return r;
        r = handle_check(handle, hook->connection->kind, ret_error);
        if (r < 0)
                return r;
        if (strcmp(handle->id, hook->id) != 0)
                return error_set(ret_error, NX_ERROR_OTHER_TASK, "The state is of '%s', not of '%s'",
                                handle->id, hook->id);

        *ret = g_strdup(handle->object_path);
        return 0;
}

/* 1: the log is there and runs; 0: it is of no use, NOTE says why. An error means that nobody could be
 * asked. */
static int find_log(nx_hook *hook, const char *state, char **ret_path, char **ret_note, nx_error **ret_error)
{
        g_autoptr(nx_error) error = NULL;
        g_autofree char *path = NULL;
        int r;

        if (hook->log_path)
                path = g_strdup(hook->log_path);
        else if (path_from_state(hook, state, &path, &error) < 0) {
                if (nx_error_get_code(error) != NX_ERROR_NO_HANDLE)
                        *ret_note = g_strdup(nx_error_get_message(error));
                return 0;
        }

        r = log_client_is_running(hook->connection, path, ret_error);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_note = g_strdup_printf("The log of '%s' has gone", hook->id);
                return 0;
        }

        *ret_path = g_steal_pointer(&path);
        return 1;
}

static char *make_state(const nx_hook *hook)
{
        g_autoptr(nx_handle) handle = handle_new(hook->connection->kind, hook->id, hook->log_path, "");
        char *state;

        (void) nx_handle_to_json(handle, &state);
        return state;
}

static nx_hook_response *make_response(const nx_hook *hook, nx_hook_action action, char *note)
{
        nx_hook_response *response = g_new0(nx_hook_response, 1);

        response->action = action;
        response->state = hook->disabled ? g_strdup("null") : make_state(hook);
        for (size_t i = 0; i < G_N_ELEMENTS(response->paths); i++)
                response->paths[i] = g_strdup(hook->disabled ? "/dev/null" : hook->fifos[i]);
        response->note = note ? note : g_strdup("");
        return response;
}

/* One of the two, and the caller is told which. */
static int find_or_start(nx_hook *hook, const char *previous_state, nx_hook_action *ret_action,
                char **ret_note, nx_error **ret_error)
{
        bool had_one = hook->log_path != NULL;
        g_autofree char *path = NULL;
        int r;

        r = find_log(hook, previous_state, &path, ret_note, ret_error);
        if (r < 0)
                return r;
        if (r == 0) {
                r = log_client_start(
                                hook->connection, hook->id, hook->config, hook->fifos, &path, ret_error);
                if (r < 0)
                        return r;
                *ret_action = NX_HOOK_STARTED;
        } else
                *ret_action = had_one ? NX_HOOK_KEPT : NX_HOOK_FOUND;

        g_free(hook->log_path);
        hook->log_path = g_steal_pointer(&path);
        return 0;
}

EXPORT int nx_hook_prestart(nx_hook *hook, const char *previous_state, nx_hook_save save, void *userdata,
                nx_hook_response **ret, nx_error **ret_error)
{
        g_autoptr(nx_hook_response) response = NULL;
        g_autofree char *note = NULL;
        nx_hook_action action;
        int r;

        if (!save)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "A function that saves the state is required");
        if (hook->disabled) {
                *ret = make_response(hook, NX_HOOK_DISABLED, NULL);
                return 0;
        }

        r = find_or_start(hook, previous_state, &action, &note, ret_error);
        if (r < 0)
                return r;

        response = make_response(hook, action, g_steal_pointer(&note));
        r = save(response->state, userdata);
        if (r < 0) {
                if (action == NX_HOOK_STARTED)
                        (void) nx_hook_stop(hook, NULL, NULL);
                return error_set_errno(ret_error, r, "The state of the hook cannot be saved");
        }

        *ret = g_steal_pointer(&response);
        return 0;
}

EXPORT int nx_hook_stop(nx_hook *hook, const char *previous_state, nx_error **ret_error)
{
        g_autofree char *path = g_strdup(hook->log_path);
        int r;

        if (hook->disabled)
                return 0;
        if (!path && path_from_state(hook, previous_state, &path, NULL) < 0)
                return 0;

        r = log_client_stop(hook->connection, hook->id, ret_error);
        if (r < 0)
                return r;
        g_clear_pointer(&hook->log_path, g_free);
        return 0;
}

EXPORT nx_hook_action nx_hook_response_get_action(const nx_hook_response *response)
{
        return response->action;
}

EXPORT const char *nx_hook_response_get_state(const nx_hook_response *response)
{
        return response->state;
}

EXPORT const char *nx_hook_response_get_stdout(const nx_hook_response *response)
{
        return response->paths[0];
}

EXPORT const char *nx_hook_response_get_stderr(const nx_hook_response *response)
{
        return response->paths[1];
}

EXPORT const char *nx_hook_response_get_note(const nx_hook_response *response)
{
        return response->note;
}

EXPORT nx_hook_response *nx_hook_response_free(nx_hook_response *response)
{
        if (response) {
                g_free(response->state);
                g_free(response->paths[0]);
                g_free(response->paths[1]);
                g_free(response->note);
                g_free(response);
        }
        return NULL;
}
