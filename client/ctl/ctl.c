/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#include <string.h>

#include "last-end.h"
#include "pager.h"

/* How dbus-daemon and dbus-broker begin to tell of what their policy refuses. */
static const char *const rejections[] = { "Rejected send message",
        "Sender is not authorized to send message" };

static bool is_rejection(const char *message)
{
        for (size_t i = 0; i < G_N_ELEMENTS(rejections); i++)
                if (g_str_has_prefix(message, rejections[i]))
                        return true;
        return false;
}

/* What to look at when the bus, or the service on it, cannot be reached. */
static const char *no_service_hint(const nx_error *error)
{
        const char *name = nx_error_get_name(error), *message = nx_error_get_message(error);

        if (*name == '\0') /* not from the bus: there is none */
                return strstr(message, "user bus") ? NULL : "'systemctl status dbus.service' may say why";
        if (strstr(message, "masked"))
                return "'systemctl unmask nomad-executor.service' allows it again";

        return "'journalctl -u nomad-executor' may say why";
}

/* What else there is to know about a failure. */
static const char *hint(const nx_error *error)
{
        const char *message = nx_error_get_message(error);

        switch (nx_error_get_code(error)) {
        case NX_ERROR_NO_SUCH_TASK:
                return "'" PROGRAM " list' shows those there are";
        case NX_ERROR_TASK_EXISTS:
                return "choose another --id, or release that one when it has ended";
        case NX_ERROR_COMMAND_NOT_FOUND:
                return strchr(message, '/') ? NULL : "give an absolute path, or --setenv=PATH=…";
        case NX_ERROR_NOT_RUNNING:
                return "'" PROGRAM " status' shows how it ended";
        case NX_ERROR_TASK_RUNNING:
                return "'" PROGRAM " stop' ends it";
        case NX_ERROR_INVALID_SPEC:
                return g_str_has_prefix(message, "Unknown key") && !strstr(message, "; ")
                                ? "nomad-task-spec(5) describes them"
                                : NULL;
        case NX_ERROR_SCOPE_FAILED:
        case NX_ERROR_LOG_FAILED:
                return "'journalctl -u nomad-executor -u nomad-logmon' may say more";
        case NX_ERROR_ACCESS_DENIED:
                return is_rejection(message) ? "do it as root, say with sudo" : NULL;
        case NX_ERROR_NO_SERVICE:
                return no_service_hint(error);
        default:
                return NULL;
        }
}

static int status_of(const Ctl *ctl, nx_error_code code)
{
        if (ctl->passes_status) {
                if (code == NX_ERROR_COMMAND_NOT_FOUND)
                        return STATUS_PASS_NOT_FOUND;
                return code == NX_ERROR_EXEC_FAILED ? STATUS_PASS_NOT_EXECUTABLE : STATUS_PASS_FAILED;
        }

        return code == NX_ERROR_NO_SUCH_TASK ? STATUS_NO_TASK : STATUS_FAILED;
}

/* The bus says at length what its policy has matched. */
static char *message_of(const nx_error *error)
{
        const char *message = nx_error_get_message(error);
        g_autofree char *user = NULL;

        if (!is_rejection(message))
                return g_strdup(message);

        user = g_locale_to_utf8(g_get_user_name(), -1, NULL, NULL, NULL);
        return g_strdup_printf("User '%s' may not do this", user ? user : "?");
}

int ctl_fail(const Ctl *ctl, const nx_error *error)
{
        const char *more = hint(error);
        g_autofree char *message = message_of(error);
        size_t length = strlen(message);

        /* one sentence, whoever has written the first half */
        while (length > 0 && message[length - 1] == '.')
                length--;
        return ctl_fail_text(ctl, status_of(ctl, nx_error_get_code(error)), "%.*s%s%s", (int) length,
                        message, more ? "; " : "", more ? more : "");
}

int ctl_fail_text(const Ctl *ctl, int status, const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_strdelimit(message, "\n\r", ' ');
        (void) fflush(stdout);
        (void) fprintf(stderr, PROGRAM "%s%s: %s\n", ctl->verb ? " " : "", ctl->verb ? ctl->verb : "",
                        message);
        return status;
}

static bool set_json(Ctl *ctl)
{
        if (!ctl->json_text)
                return true;

        if (strcmp(ctl->json_text, "short") == 0)
                ctl->json = JSON_SHORT;
        else if (strcmp(ctl->json_text, "pretty") == 0)
                ctl->json = JSON_PRETTY;
        else if (strcmp(ctl->json_text, "off") == 0)
                ctl->json = JSON_OFF;
        else
                return false;
        return true;
}

static const Verb *current_verb(const char *name)
{
        for (size_t i = 0; name && i < n_verbs; i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return verbs + i;

        return NULL;
}

static GOptionContext *make_context(Ctl *ctl, const GOptionEntry *entries, bool strict)
{
        const GOptionEntry common[] = {
                { "user", 0, 0, G_OPTION_ARG_NONE, &ctl->user, "The user's own service, on the user bus",
                                NULL },
                { "system", 0, 0, G_OPTION_ARG_NONE, &ctl->system, "The system's service (default)", NULL },
                { "json", 0, 0, ARG_TEXT, &ctl->json_text, "Print JSON where there is something to print",
                                "pretty|short|off" },
                { "no-legend", 0, 0, G_OPTION_ARG_NONE, &ctl->no_legend, "No head and foot for tables",
                                NULL },
                { "no-pager", 0, 0, G_OPTION_ARG_NONE, &ctl->no_pager, "Do not pipe output into a pager",
                                NULL },
                { "version", 0, strict && !entries ? 0 : G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE,
                                &ctl->version, "Show the versions", NULL },
                G_OPTION_ENTRY_NULL,
        };
        const Verb *verb = current_verb(ctl->verb);
        g_autofree char *usage =
                        verb ? g_strdup_printf("%s %s", verb->name, verb->arguments) : g_strdup("COMMAND …");
        GOptionContext *context = g_option_context_new(usage);

        g_option_context_set_strict_posix(context, strict);
        if (verb)
                g_option_context_set_summary(context, verb->summary);
        else
                g_option_context_set_description(context, ctl->description);
        if (entries)
                g_option_context_add_main_entries(context, entries, NULL);
        g_option_context_add_main_entries(context, common, NULL);
        return context;
}

/* GOption leaves the "--" where it is when options are left in front of it, and takes it away otherwise. */
static void drop_separator(int *argc, char **argv)
{
        if (*argc > 1 && strcmp(argv[1], "--") == 0) {
                memmove(argv + 1, argv + 2, (size_t) (*argc - 1) * sizeof *argv);
                (*argc)--;
        }
}

bool ctl_parse(Ctl *ctl, const GOptionEntry *entries, bool strict, int min, int max, int *argc, char ***argv)
{
        g_autoptr(GOptionContext) context = make_context(ctl, entries, strict);
        g_autoptr(GError) error = NULL;
        const Verb *verb = current_verb(ctl->verb);

        if (!g_option_context_parse(context, argc, argv, &error)) {
                (void) ctl_fail_text(ctl, 0, "%s; see '" PROGRAM "%s%s --help'", error->message,
                                verb ? " " : "", verb ? verb->name : "");
                return false;
        }
        if (strict)
                drop_separator(argc, *argv);
        if (!set_json(ctl)) {
                (void) ctl_fail_text(
                                ctl, 0, "--json is one of pretty, short and off, not '%s'", ctl->json_text);
                return false;
        }
        if (ctl->user && ctl->system) {
                (void) ctl_fail_text(ctl, 0, "--user and --system cannot both be given");
                return false;
        }
        if (*argc - 1 < min || *argc - 1 > max) {
                (void) ctl_fail_text(ctl, 0, "%s; usage: " PROGRAM " %s %s",
                                *argc - 1 < min ? "An argument is missing" : "There are too many arguments",
                                verb->name, verb->arguments);
                return false;
        }
        return true;
}

nx_connection *ctl_connect(Ctl *ctl)
{
        g_autoptr(nx_error) error = NULL;

        if (!ctl->connection &&
                        nx_connection_open(ctl->user ? NX_BUS_USER : NX_BUS_SYSTEM, &ctl->connection,
                                        &error) < 0)
                (void) ctl_fail(ctl, error);
        return ctl->connection;
}

nx_task *ctl_open_task(Ctl *ctl, const char *id, int *ret_status)
{
        g_autoptr(nx_error) error = NULL;
        nx_connection *connection = ctl_connect(ctl);
        nx_task *task;

        if (!connection) {
                *ret_status = ctl->passes_status ? STATUS_PASS_FAILED : STATUS_FAILED;
                return NULL;
        }
        if (nx_task_open(connection, id, &task, &error) < 0) {
                g_autofree char *end = NULL;

                if (nx_error_get_code(error) == NX_ERROR_NO_SUCH_TASK)
                        end = last_end(ctl, id);
                *ret_status = end
                                ? ctl_fail_text(ctl, status_of(ctl, NX_ERROR_NO_SUCH_TASK),
                                                  "There is no task '%s' any more; of the last one the journal says: %s",
                                                  id, end)
                                : ctl_fail(ctl, error);
                return NULL;
        }

        return task;
}

char *ctl_environment(const Ctl *ctl, const char *entry)
{
        const char *value;

        if (strchr(entry, '=') > entry)
                return g_strdup(entry);

        value = *entry == '\0' || *entry == '=' ? NULL : g_getenv(entry);
        if (value)
                return g_strdup_printf("%s=%s", entry, value);
        if (*entry == '\0' || *entry == '=')
                (void) ctl_fail_text(ctl, 0, "--setenv=%s has no name; it is NAME=VALUE", entry);
        else
                (void) ctl_fail_text(ctl, 0, "--setenv=%s: there is no such variable here; give %s=VALUE",
                                entry, entry);
        return NULL;
}

void ctl_print_json(const Ctl *ctl, JsonNode *node)
{
        g_autofree char *text = json_to_string(node, ctl->json == JSON_PRETTY);

        (void) printf("%s\n", text);
}

JsonNode *ctl_values_to_json(const nx_values *values)
{
        g_autofree char *text = NULL;

        (void) nx_values_to_json(values, NULL, &text);
        return json_from_string(text, NULL);
}
