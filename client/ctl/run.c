/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "attach.h"
#include "log-start.h"
#include "run-streams.h"

#define SPEC_FILE_MAX (4U * 1024U * 1024U)

typedef struct RunOptions {
        gboolean detach, wait, pipe, pty, keep;
        char *id, *spec_file, *uid, *gid, *directory, *description, *slice;
        char **properties, **environment;
} RunOptions;

static void run_options_clear(RunOptions *options)
{
        g_free(options->id);
        g_free(options->spec_file);
        g_free(options->uid);
        g_free(options->gid);
        g_free(options->directory);
        g_free(options->description);
        g_free(options->slice);
        g_strfreev(options->properties);
        g_strfreev(options->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, run_options_clear)

static bool parse(Ctl *ctl, RunOptions *o, int *argc, char ***argv)
{
        const GOptionEntry entries[] = {
                { "detach", 'd', 0, G_OPTION_ARG_NONE, &o->detach, "Print the id and do not stay", NULL },
                { "wait", 0, 0, G_OPTION_ARG_NONE, &o->wait, "Stay, but do not show the output", NULL },
                { "pipe", 0, 0, G_OPTION_ARG_NONE, &o->pipe,
                                "Give the task our standard input, output and error", NULL },
                { "pty", 't', 0, G_OPTION_ARG_NONE, &o->pty, "Run it in a terminal, connected to ours",
                                NULL },
                { "id", 0, 0, ARG_TEXT, &o->id, "The task's id; COMMAND and a random number if not given",
                                "ID" },
                { "keep", 0, 0, G_OPTION_ARG_NONE, &o->keep, "Do not release the task when it has ended",
                                NULL },
                { "property", 'p', 0, ARG_TEXT_ARRAY, &o->properties,
                                "A key of the spec, such as MemoryMax=512M; again for each element of a list",
                                "KEY=VALUE" },
                { "spec", 0, 0, G_OPTION_ARG_FILENAME, &o->spec_file,
                                "Begin with the spec in this JSON file, - for standard input", "FILE" },
                { "setenv", 'E', 0, ARG_TEXT_ARRAY, &o->environment,
                                "Environment of the task; without a value, that of here", "NAME[=VALUE]" },
                { "uid", 0, 0, ARG_TEXT, &o->uid, "Run as this user", "USER" },
                { "gid", 0, 0, ARG_TEXT, &o->gid, "Run as this group", "GROUP" },
                { "working-directory", 0, 0, G_OPTION_ARG_FILENAME, &o->directory, "Begin in this directory",
                                "DIR" },
                { "description", 0, 0, ARG_TEXT, &o->description, "One line for people", "TEXT" },
                { "slice", 0, 0, ARG_TEXT, &o->slice, "Slice to run it in", "SLICE" },
                G_OPTION_ENTRY_NULL,
        };

        if (!ctl_parse(ctl, entries, true, 0, G_MAXINT, argc, argv))
                return false;
        if (o->detach + o->wait + o->pipe + o->pty > 1) {
                (void) ctl_fail_text(ctl, 0, "Only one of --detach, --wait, --pipe and --pty can be given");
                return false;
        }
        if (*argc < 2 && !o->spec_file) {
                (void) ctl_fail_text(ctl, 0,
                                "There is no command to run; usage: " PROGRAM
                                " run [OPTION…] -- COMMAND [ARGUMENT…]");
                return false;
        }
        return true;
}

/* The file, or what standard input has; NULL with errno, which is EBADMSG where it is not text. */
static char *read_spec_file(const char *path)
{
        FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
        g_autofree char *text = NULL;
        size_t n;

        if (!file)
                return NULL;
        text = g_malloc(SPEC_FILE_MAX + 1);
        n = fread(text, 1, SPEC_FILE_MAX, file);
        if (file != stdin)
                (void) fclose(file);
        if (n == SPEC_FILE_MAX) {
                errno = EFBIG;
                return NULL;
        }
        text[n] = '\0';
        if (strlen(text) != n) {
                errno = EBADMSG;
                return NULL;
        }
        return g_steal_pointer(&text);
}

static nx_spec *begin_spec(const Ctl *ctl, const char *path)
{
        g_autoptr(nx_error) error = NULL;
        g_autofree char *text = NULL;
        nx_spec *spec;

        if (!path)
                return nx_spec_new(NULL);

        text = read_spec_file(path);
        if (!text) {
                (void) ctl_fail_text(ctl, 0, "Cannot read %s: %s", path,
                                errno == EBADMSG ? "it has a NUL character" : g_strerror(errno));
                return NULL;
        }
        if (nx_spec_new_from_json(text, &spec, &error) < 0) {
                (void) ctl_fail(ctl, error);
                return NULL;
        }
        return spec;
}

/* "./program" is meant to be seen from here. */
static int set_command(nx_spec *spec, char **argv, nx_error **ret_error)
{
        g_autofree char *command = NULL;
        int r;

        if (strchr(argv[0], '/'))
                command = g_canonicalize_filename(argv[0], NULL);
        else
                command = g_strdup(argv[0]);
        r = nx_spec_set_string(spec, "Command", command, ret_error);
        if (r < 0)
                return r;

        return nx_spec_set_strv(spec, "Arguments", (const char *const *) argv + 1, ret_error);
}

/* Without an error set: told to the user. */
static int add_environment(const Ctl *ctl, nx_spec *spec, char **entries, nx_error **ret_error)
{
        for (; entries && *entries; entries++) {
                g_autofree char *entry = ctl_environment(ctl, *entries);
                g_autofree char *assignment = NULL;
                int r;

                if (!entry)
                        return -EINVAL;
                assignment = g_strconcat("Environment=", entry, NULL);
                r = nx_spec_assign(spec, assignment, ret_error);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int set_strings(const Ctl *ctl, nx_spec *spec, const RunOptions *o, nx_error **ret_error)
{
        const struct {
                const char *key, *value;
        } strings[] = {
                { "User", o->uid },
                { "Group", o->gid },
                { "WorkingDirectory", o->directory },
                { "Description", o->description },
                { "Slice", o->slice },
        };
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
                if (!strings[i].value)
                        continue;
                r = nx_spec_set_string(spec, strings[i].key, strings[i].value, ret_error);
                if (r < 0)
                        return r;
        }
        for (char **property = o->properties; property && *property; property++) {
                r = nx_spec_assign(spec, *property, ret_error);
                if (r < 0)
                        return r;
        }

        return add_environment(ctl, spec, o->environment, ret_error);
}

static nx_spec *make_spec(const Ctl *ctl, const RunOptions *o, char **command)
{
        g_autoptr(nx_spec) spec = begin_spec(ctl, o->spec_file);
        g_autoptr(nx_error) error = NULL;
        const char *term = g_getenv("TERM");
        int r = 0;

        if (!spec)
                return NULL;
        if (*command)
                r = set_command(spec, command, &error);
        if (r >= 0 && o->pty && term) {
                g_autofree char *assignment = g_strdup_printf("Environment=TERM=%s", term);

                r = nx_spec_assign(spec, assignment, &error);
        }
        if (r >= 0)
                r = set_strings(ctl, spec, o, &error);
        if (error)
                (void) ctl_fail(ctl, error);

        return r < 0 ? NULL : g_steal_pointer(&spec);
}

static char *make_id(const RunOptions *o, char **command)
{
        g_autofree char *base = *command ? g_path_get_basename(*command) : g_strdup("task");

        return o->id ? g_strdup(o->id) : g_strdup_printf("%.100s-%08x", base, g_random_int());
}

static int print_started(const Ctl *ctl, nx_task *task)
{
        g_autoptr(nx_error) error = NULL;
        g_autoptr(JsonNode) node = NULL;
        g_autofree char *handle = NULL;

        if (ctl->json == JSON_OFF) {
                (void) printf("%s\n", nx_task_get_id(task));
                return STATUS_OK;
        }
        if (nx_task_get_handle(task, &handle, &error) < 0)
                return ctl_fail(ctl, error);
        node = json_from_string(handle, NULL);
        ctl_print_json(ctl, node);
        return STATUS_OK;
}

/* With the task until its end. */
static int stay(Ctl *ctl, const RunOptions *o, Attach *attach, nx_task *task, RunStreams *streams,
                const LogStart *start)
{
        g_autoptr(nx_error) error = NULL;
        int status, r = 0;

        if (o->pty)
                r = attach_terminal(attach, g_steal_fd(&streams->terminal));
        else if (o->pipe)
                r = attach_streams(attach, streams->ours);
        else if (!o->wait)
                r = attach_logs(attach, task, start);
        if (r < 0 && attach->status == 0)
                (void) ctl_fail_text(ctl, 0, "Cannot pass the output of the task on: %s", g_strerror(-r));

        status = attach_run(attach, task);
        if (attach->has_ended && !o->keep && nx_task_release(task, &error) < 0)
                (void) ctl_fail(ctl, error);
        return status;
}

int verb_run(Ctl *ctl, int argc, char **argv)
{
        g_auto(RunOptions) options = { 0 };
        g_auto(Attach) attach = { .terminal_fd = -1 };
        g_auto(RunStreams) streams = RUN_STREAMS_NULL;
        g_autoptr(nx_spec) spec = NULL;
        g_autoptr(nx_task) task = NULL;
        g_autoptr(nx_error) error = NULL;
        g_autofree char *id = NULL;
        LogStart start = { 0 };
        int r;

        if (!parse(ctl, &options, &argc, &argv))
                return STATUS_PASS_FAILED;
        ctl->passes_status = !options.detach;
        spec = make_spec(ctl, &options, argv + 1);
        if (!spec || !ctl_connect(ctl))
                return ctl->passes_status ? STATUS_PASS_FAILED : STATUS_FAILED;
        if (options.pipe)
                r = run_streams_pass(spec, &streams, &error);
        else
                r = options.pty ? run_streams_make_terminal(spec, options.uid, &streams, &error) : 0;
        if (r >= 0 && !options.detach)
                r = attach_init(&attach, ctl);
        if (r < 0)
                return error ? ctl_fail(ctl, error)
                             : ctl_fail_text(ctl, STATUS_PASS_FAILED,
                                               "Cannot prepare to pass the streams of the task on: %s",
                                               g_strerror(-r));

        id = make_id(&options, argv + 1);
        log_start_after_others(ctl, id, spec, &start);
        if (nx_task_start(ctl->connection, id, spec, &task, &error) < 0)
                return ctl_fail(ctl, error);
        g_clear_pointer(&spec, nx_spec_free); /* and with it the task's ends of its streams */
        if (options.detach)
                return print_started(ctl, task);

        return stay(ctl, &options, &attach, task, &streams, &start);
}
