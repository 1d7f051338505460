/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "terminal.h"

typedef struct ExecOptions {
        gboolean interactive, tty;
        char *uid, *directory;
        char **environment;
} ExecOptions;

typedef struct ExecClient {
        Ctl *ctl;
        sd_event *event;
        nx_exec *exec;
        Copy *input, *output[2];
        EscapeKey escape;
        bool tty, is_over;
        int status;
} ExecClient;

static void exec_client_clear(ExecClient *client)
{
        terminal_restore();
        copy_free(client->input);
        copy_free(client->output[0]);
        copy_free(client->output[1]);
        nx_exec_free(client->exec);
        if (client->event)
                (void) nx_connection_detach_event(client->ctl->connection);
        sd_event_unref(client->event);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecClient, exec_client_clear)

static void exec_options_clear(ExecOptions *options)
{
        g_free(options->uid);
        g_free(options->directory);
        g_strfreev(options->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecOptions, exec_options_clear)

/* The session ends with its program; what that has left running may hold the streams open for ever. */
static void on_end(G_GNUC_UNUSED nx_exec *exec, int code, G_GNUC_UNUSED int signal, const nx_error *error,
                void *userdata)
{
        ExecClient *client = userdata;

        for (size_t i = 0; i < G_N_ELEMENTS(client->output); i++)
                if (client->output[i])
                        copy_drain(client->output[i]);
        terminal_restore();
        client->status = error ? ctl_fail(client->ctl, error) : code;
        client->is_over = true;
}

static int on_signal(
                G_GNUC_UNUSED sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        ExecClient *client = userdata;
        g_autofree char *name = g_strdup_printf("%u", info->ssi_signo);

        (void) nx_exec_kill(client->exec, name, NULL);
        return 0;
}

static int on_resize(G_GNUC_UNUSED sd_event_source *source,
                G_GNUC_UNUSED const struct signalfd_siginfo *info, void *userdata)
{
        ExecClient *client = userdata;
        TerminalSize size;

        if (client->tty && terminal_size(&size))
                (void) nx_exec_resize(client->exec, size.rows, size.columns, NULL);
        return 0;
}

static void on_input_done(G_GNUC_UNUSED Copy *copy, int r, void *userdata)
{
        ExecClient *client = userdata;

        if (r != -ECANCELED)
                return;
        client->status = ctl_fail_text(
                        client->ctl, STATUS_PASS_FAILED, "The terminal of the session is hung up");
        client->is_over = true;
}

static nx_exec *start(Ctl *ctl, nx_task *task, const ExecOptions *o, char **argv, int *ret_status)
{
        g_autoptr(nx_exec_options) options = nx_exec_options_new();
        g_autoptr(nx_error) error = NULL;
        const char *term = g_getenv("TERM");
        TerminalSize size = { .rows = 24, .columns = 80 };
        nx_exec *exec;

        if (o->tty) {
                g_autofree char *assignment = g_strdup_printf("TERM=%s", term ? term : "dumb");

                (void) terminal_size(&size);
                (void) nx_exec_options_set_tty(options, size.rows, size.columns);
                (void) nx_exec_options_add_environment(options, assignment);
        }
        if (o->uid)
                (void) nx_exec_options_set_user(options, o->uid);
        if (o->directory)
                (void) nx_exec_options_set_working_directory(options, o->directory);
        *ret_status = STATUS_PASS_FAILED;
        for (char **entry = o->environment; entry && *entry; entry++) {
                g_autofree char *assignment = ctl_environment(ctl, *entry);

                if (!assignment)
                        return NULL;
                (void) nx_exec_options_add_environment(options, assignment);
        }
        if (nx_task_exec(task, (const char *const *) argv, options, &exec, &error) < 0) {
                *ret_status = ctl_fail(ctl, error);
                return NULL;
        }

        return exec;
}

/* A terminal is one descriptor three times: one is for input, one for output. */
static int connect_streams(ExecClient *client, bool interactive)
{
        CopyFlags input_flags = client->tty ? COPY_TAKES_OUT | COPY_TERMINAL : COPY_TAKES_OUT;
        int fd, r;

        fd = nx_exec_take_fd(client->exec, 0);
        if (interactive) {
                r = copy_new(client->event, STDIN_FILENO, fd, input_flags, on_input_done, client,
                                &client->input);
                if (r < 0)
                        return r;
                if (client->tty && isatty(STDIN_FILENO))
                        copy_set_filter(client->input, escape_key_filter, &client->escape);
        } else {
                (void) close(fd);
        }
        for (int i = 0; i < (client->tty ? 1 : 2); i++) {
                fd = nx_exec_take_fd(client->exec, i + 1);
                r = copy_new(client->event, fd, i == 0 ? STDOUT_FILENO : STDERR_FILENO, COPY_TAKES_IN, NULL,
                                client, client->output + i);
                if (r < 0)
                        return r;
        }

        return client->tty && interactive ? terminal_set_raw() : 0;
}

static int prepare_loop(ExecClient *client)
{
        static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < G_N_ELEMENTS(passed_on); i++)
                (void) sigaddset(&mask, passed_on[i]);
        (void) sigaddset(&mask, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_default(&client->event);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(passed_on); i++)
                r = sd_event_add_signal(client->event, NULL, passed_on[i], on_signal, client);
        if (r >= 0)
                r = sd_event_add_signal(client->event, NULL, SIGWINCH, on_resize, client);
        if (r >= 0)
                r = nx_connection_attach_event(client->ctl->connection, client->event, 0);
        return r;
}

static int stay(ExecClient *client, bool interactive)
{
        g_autoptr(nx_error) error = NULL;
        int r;

        r = connect_streams(client, interactive);
        if (r >= 0 && nx_exec_wait_async(client->exec, on_end, client, &error) < 0)
                return ctl_fail(client->ctl, error);
        while (r >= 0 && !client->is_over)
                r = sd_event_run(client->event, UINT64_MAX);

        return r < 0 ? ctl_fail_text(client->ctl, STATUS_PASS_FAILED,
                                       "Cannot pass the streams of the session on: %s", g_strerror(-r))
                     : client->status;
}

int verb_exec(Ctl *ctl, int argc, char **argv)
{
        g_auto(ExecOptions) options = { 0 };
        g_auto(ExecClient) client = { .ctl = ctl };
        const GOptionEntry entries[] = {
                { "interactive", 'i', 0, G_OPTION_ARG_NONE, &options.interactive,
                                "Pass our standard input on", NULL },
                { "tty", 't', 0, G_OPTION_ARG_NONE, &options.tty, "Run it in a terminal", NULL },
                { "uid", 0, 0, ARG_TEXT, &options.uid, "Run as this user (the task's)", "USER" },
                { "working-directory", 0, 0, G_OPTION_ARG_FILENAME, &options.directory,
                                "Begin in this directory (the task's)", "DIR" },
                { "setenv", 'E', 0, ARG_TEXT_ARRAY, &options.environment,
                                "Added to the task's environment; without a value, that of here",
                                "NAME[=VALUE]" },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(nx_task) task = NULL;
        int status, r;

        ctl->passes_status = true;
        if (!ctl_parse(ctl, entries, true, 2, G_MAXINT, &argc, &argv))
                return STATUS_PASS_FAILED;
        task = ctl_open_task(ctl, argv[1], &status);
        if (!task)
                return status;
        r = prepare_loop(&client);
        if (r < 0)
                return ctl_fail_text(ctl, STATUS_PASS_FAILED,
                                "Cannot prepare to pass the streams of the session on: %s", g_strerror(-r));
        client.tty = options.tty;
        client.exec = start(ctl, task, &options, argv + (strcmp(argv[2], "--") == 0 ? 3 : 2), &status);
        return client.exec ? stay(&client, options.interactive) : status;
}
