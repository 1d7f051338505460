/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <nomad-task-hook.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM "nomad-task-hook"

/* Exit statuses: 0, 1 for a failure that may pass (try again), 2 for a command line that is wrong. */
enum {
        STATUS_OK = 0,
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_connection, nx_connection_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_error, nx_error_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_hook, nx_hook_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_hook_response, nx_hook_response_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_spec, nx_spec_free)

typedef struct Options {
        gboolean user, disabled;
        char *state_file;
        char **properties;
        char *save_failure; /* why the state could not be saved, or NULL */
} Options;

static void options_clear(Options *options)
{
        g_free(options->state_file);
        g_strfreev(options->properties);
        g_free(options->save_failure);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static int fail(int status, const char *message)
{
        (void) fprintf(stderr, PROGRAM ": %s\n", message);
        return status;
}

/* A key of a spec that is about something else would be ignored by the library. */
static bool are_keys_of_a_log(char **properties)
{
        static const char *const keys[] = { "LogDirectory", "LogName", "LogTargets", "LogMaxFiles",
                "LogMaxFileSize", "LogFields", "LogOverflow", "User", "Group", NULL };

        for (; properties && *properties; properties++) {
                g_autofree char *key = g_strndup(*properties, strcspn(*properties, "="));
                g_autofree char *list = NULL;
                g_autofree char *message = NULL;

                if (g_strv_contains(keys, key))
                        continue;
                list = g_strjoinv(", ", (char **) keys);
                message = g_strdup_printf("'%s' is not a key of a log; there are %s", key, list);
                (void) fail(0, message);
                return false;
        }

        return true;
}

static bool parse(Options *o, int *argc, char ***argv)
{
        const GOptionEntry entries[] = {
                { "state", 0, 0, G_OPTION_ARG_FILENAME, &o->state_file,
                                "File that the state is kept in; required", "FILE" },
                { "property", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &o->properties,
                                "How to log: LogDirectory=DIR, required, LogName=, LogMaxFiles=, LogMaxFileSize=, "
                                "LogTargets=, LogFields=, LogOverflow=, User=, Group=",
                                "KEY=VALUE" },
                { "disabled", 0, 0, G_OPTION_ARG_NONE, &o->disabled, "The task is not to be logged", NULL },
                { "user", 0, 0, G_OPTION_ARG_NONE, &o->user, "The user's own service, on the user bus",
                                NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new("prestart|stop ID");
        g_autoptr(GError) error = NULL;

        g_option_context_set_summary(context,
                        "Has nomad-logmon collect the output of a task that is started by other means");
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, argc, argv, &error)) {
                (void) fail(0, error->message);
                return false;
        }
        if (*argc != 3 || !o->state_file ||
                        (strcmp((*argv)[1], "prestart") != 0 && strcmp((*argv)[1], "stop") != 0)) {
                (void) fail(0, "usage: " PROGRAM " --state=FILE -p LogDirectory=DIR prestart|stop ID");
                return false;
        }
        return are_keys_of_a_log(o->properties);
}

/* On disk, and whole, before the task is started. */
static int save(const char *state, void *userdata)
{
        Options *o = userdata;
        g_autofree char *line = g_strdup_printf("%s\n", state);
        g_autoptr(GError) error = NULL;

        if (g_file_set_contents_full(o->state_file, line, -1,
                            G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &error))
                return 0;

        o->save_failure = g_strdup_printf("Cannot save the state in %s: %s", o->state_file, error->message);
        return -EIO;
}

static void print_response(const nx_hook_response *response)
{
        static const char *const actions[] = { "disabled", "kept", "found", "started" };
        const struct {
                const char *name, *value;
        } members[] = {
                { "action", actions[nx_hook_response_get_action(response)] },
                { "stdout", nx_hook_response_get_stdout(response) },
                { "stderr", nx_hook_response_get_stderr(response) },
                { "note", nx_hook_response_get_note(response) },
        };
        g_autoptr(JsonBuilder) builder = json_builder_new();
        g_autoptr(JsonNode) root = NULL;
        g_autofree char *text = NULL;

        json_builder_begin_object(builder);
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                json_builder_set_member_name(builder, members[i].name);
                json_builder_add_string_value(builder, members[i].value);
        }
        json_builder_end_object(builder);
        root = json_builder_get_root(builder);
        text = json_to_string(root, FALSE);
        (void) printf("%s\n", text);
}

static int make_hook(const Options *o, nx_connection *connection, const char *id, nx_hook **ret,
                nx_error **ret_error)
{
        g_autoptr(nx_spec) config = o->disabled ? NULL : nx_spec_new(NULL);
        int r;

        for (char **property = o->properties; config && property && *property; property++) {
                r = nx_spec_assign(config, *property, ret_error);
                if (r < 0)
                        return r;
        }

        return nx_hook_new(connection, id, config, ret, ret_error);
}

static int run(Options *o, const char *command, const char *id, nx_error **ret_error)
{
        g_autoptr(nx_connection) connection = NULL;
        g_autoptr(nx_hook_response) response = NULL;
        g_autoptr(nx_hook) hook = NULL;
        g_autofree char *previous = NULL;
        int r;

        r = nx_connection_open(o->user ? NX_BUS_USER : NX_BUS_SYSTEM, &connection, ret_error);
        if (r < 0)
                return r;
        r = make_hook(o, connection, id, &hook, ret_error);
        if (r < 0)
                return r;

        (void) g_file_get_contents(o->state_file, &previous, NULL, NULL); /* none is no error */
        if (strcmp(command, "stop") == 0) {
                r = nx_hook_stop(hook, previous, ret_error);
                if (r >= 0)
                        (void) g_unlink(o->state_file);
                return r;
        }

        r = nx_hook_prestart(hook, previous, save, o, &response, ret_error);
        if (r >= 0)
                print_response(response);
        return r;
}

int main(int argc, char **argv)
{
        g_auto(Options) options = { 0 };
        g_autoptr(nx_error) error = NULL;

        (void) setlocale(LC_ALL, "");
        if (!parse(&options, &argc, &argv))
                return STATUS_USAGE;
        if (run(&options, argv[1], argv[2], &error) >= 0)
                return STATUS_OK;

        if (options.save_failure)
                return fail(STATUS_FAILED, options.save_failure);

        return fail(nx_error_get_code(error) == NX_ERROR_INVALID_SPEC ? STATUS_USAGE : STATUS_FAILED,
                        nx_error_get_message(error));
}
