/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "copy.h"
#include "ctl.h"
#include "pager.h"

typedef struct LogsOptions {
        gboolean follow, only_stdout, only_stderr;
        gint64 lines; /* -1: all */
} LogsOptions;

typedef struct Follow {
        sd_event *event;
        Copy *copies[2];
} Follow;

static void follow_clear(Follow *follow)
{
        copy_free(follow->copies[0]);
        copy_free(follow->copies[1]);
        sd_event_unref(follow->event);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Follow, follow_clear)

static void on_done(G_GNUC_UNUSED Copy *copy, int r, void *userdata)
{
        Follow *follow = userdata;

        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(follow->copies); i++)
                if (follow->copies[i] && !copy_is_done(follow->copies[i]))
                        return;
        (void) sd_event_exit(follow->event, 0);
}

static int open_stream(nx_task *task, const LogsOptions *options, const char *stream, int *ret_fd,
                nx_error **ret_error)
{
        uint64_t flags = 0;

        if (options->follow)
                flags |= NX_LOG_FOLLOW;
        if (options->lines >= 0)
                flags |= NX_LOG_LINES;
        return nx_task_open_log(task, stream, flags, (uint64_t) options->lines, ret_fd, ret_error);
}

/* Without -f too: the two come as they are, none waits for the other. */
static int print_logs(Ctl *ctl, nx_task *task, const LogsOptions *options)
{
        const char *const streams[] = { options->only_stderr ? NULL : "stdout",
                options->only_stdout ? NULL : "stderr" };
        g_auto(Follow) follow = { 0 };
        int r;

        r = sd_event_new(&follow.event);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(streams); i++) {
                g_autoptr(nx_error) error = NULL;
                int fd, to = i == 1 && !options->only_stderr ? STDERR_FILENO : STDOUT_FILENO;

                if (!streams[i])
                        continue;
                if (open_stream(task, options, streams[i], &fd, &error) < 0)
                        return ctl_fail(ctl, error);
                r = copy_new(follow.event, fd, to, COPY_TAKES_IN, on_done, &follow, follow.copies + i);
                if (r < 0)
                        (void) close(fd);
        }
        if (r >= 0)
                r = sd_event_loop(follow.event);

        return r < 0 ? ctl_fail_text(ctl, STATUS_FAILED, "Cannot read the log: %s", g_strerror(-r))
                     : STATUS_OK;
}

int verb_logs(Ctl *ctl, int argc, char **argv)
{
        LogsOptions options = { .lines = -1 };
        const GOptionEntry entries[] = {
                { "follow", 'f', 0, G_OPTION_ARG_NONE, &options.follow, "Go on until the task ends", NULL },
                { "lines", 'n', 0, G_OPTION_ARG_INT64, &options.lines, "Begin with the last lines only",
                                "N" },
                { "stdout", 0, 0, G_OPTION_ARG_NONE, &options.only_stdout, "Only standard output", NULL },
                { "stderr", 0, 0, G_OPTION_ARG_NONE, &options.only_stderr,
                                "Only standard error, to our standard output", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(nx_task) task = NULL;
        int status;

        if (!ctl_parse(ctl, entries, false, 1, 1, &argc, &argv))
                return STATUS_USAGE;
        if (options.only_stdout && options.only_stderr)
                return ctl_fail_text(ctl, STATUS_USAGE, "--stdout and --stderr cannot both be given");
        task = ctl_open_task(ctl, argv[1], &status);
        if (!task)
                return status;

        (void) signal(SIGPIPE, SIG_IGN);
        if (!options.follow)
                pager_open(ctl);
        return print_logs(ctl, task, &options);
}
