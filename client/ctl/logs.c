/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "ctl.h"
#include "log-follow.h"
#include "log-journal.h"
#include "log-merge.h"
#include "log-print.h"
#include "pager.h"

#define READ_SIZE (64U * 1024U)

/* A stream of which there is more is not put in order with the other. */
#define MERGED_MAX (32U * 1024U * 1024U)

#define LINES_ALL (-1)

typedef struct LogsOptions {
        gboolean follow, only_stdout, only_stderr;
        gint64 lines; /* of each stream, or LINES_ALL */
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

/* The two come as they are, none waits for the other. */
static int copy_logs(Ctl *ctl, const int fds[static 2])
{
        g_auto(Follow) follow = { 0 };
        int r;

        r = sd_event_new(&follow.event);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(follow.copies); i++) {
                int to = i == 1 && fds[0] >= 0 ? STDERR_FILENO : STDOUT_FILENO, fd;

                if (fds[i] < 0)
                        continue;
                fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (fd < 0) {
                        r = -errno;
                        break;
                }
                r = copy_new(follow.event, fd, to, COPY_TAKES_IN | COPY_WATCHES_OUT, on_done, &follow,
                                follow.copies + i);
                if (r < 0)
                        (void) close(fd);
        }
        if (r >= 0)
                r = sd_event_loop(follow.event);

        return r < 0 ? ctl_fail_text(ctl, STATUS_FAILED, "Cannot read the log: %s", g_strerror(-r))
                     : STATUS_OK;
}

/* 1: all of it; 0: there is more than MERGED_MAX. */
static int gather(int fd, GString *text)
{
        g_autofree char *buffer = g_malloc(READ_SIZE);

        for (;;) {
                ssize_t n = read(fd, buffer, READ_SIZE);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 1;
                if (n > 0)
                        g_string_append_len(text, buffer, n);
                if (text->len > MERGED_MAX)
                        return 0;
        }
}

/* In the order of their writing. What is more than is read into memory comes as it is. */
static int print_merged(Ctl *ctl, const char *id, const int fds[static 2])
{
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GString) err = g_string_new(NULL);
        GString *const texts[] = { out, err };
        g_autoptr(GArray) lines = NULL;
        int r = 1;

        for (size_t i = 0; r > 0 && i < G_N_ELEMENTS(texts); i++)
                if (fds[i] >= 0)
                        r = gather(fds[i], texts[i]);
        if (r >= 0) {
                bool complete = r > 0;

                lines = log_merge(ctl, id, texts);
                r = log_print(ctl, lines);
                if (r >= 0 && !complete)
                        return copy_logs(ctl, fds);
        }

        return r < 0 && r != -EPIPE ? ctl_fail_text(ctl, STATUS_FAILED, "Cannot pass the log of '%s' on: %s",
                                                      id, g_strerror(-r))
                                    : STATUS_OK;
}

static int print_files(Ctl *ctl, const char *id, const LogsOptions *options, const int fds[static 2])
{
        bool both = fds[0] >= 0 && fds[1] >= 0;

        if (options->follow && (both || ctl->json != JSON_OFF))
                return log_follow(ctl, id, fds);
        if (options->follow || (!both && ctl->json == JSON_OFF))
                return copy_logs(ctl, fds);

        return print_merged(ctl, id, fds);
}

/* Without files it is the journal that has the log. */
static int print_journal(Ctl *ctl, nx_task *task, const LogsOptions *options, const nx_error *error)
{
        LogJournalOptions journal = {
                .streams = { !options->only_stderr, !options->only_stdout },
                .lines = options->lines,
                .follow = options->follow,
        };
        int r;

        r = log_journal_print(ctl, task, &journal);
        if (r == -ENODATA)
                return ctl_fail(ctl, error);

        return r < 0 && r != -EPIPE
                        ? ctl_fail_text(ctl, STATUS_FAILED, "Cannot read the journal: %s", g_strerror(-r))
                        : STATUS_OK;
}

static int print_logs(Ctl *ctl, nx_task *task, const LogsOptions *options)
{
        const char *const streams[] = { options->only_stderr ? NULL : "stdout",
                options->only_stdout ? NULL : "stderr" };
        int fds[] = { -1, -1 }, status = STATUS_OK;
        g_autoptr(nx_error) error = NULL;

        for (size_t i = 0; !error && i < G_N_ELEMENTS(streams); i++)
                if (streams[i])
                        (void) open_stream(task, options, streams[i], fds + i, &error);
        if (!error)
                status = print_files(ctl, nx_task_get_id(task), options, fds);
        else if (nx_error_get_code(error) == NX_ERROR_LOG_FAILED)
                status = print_journal(ctl, task, options, error);
        else
                status = ctl_fail(ctl, error);

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                if (fds[i] >= 0)
                        (void) close(fds[i]);
        return status;
}

int verb_logs(Ctl *ctl, int argc, char **argv)
{
        LogsOptions options = { .lines = LINES_ALL };
        const GOptionEntry entries[] = {
                { "follow", 'f', 0, G_OPTION_ARG_NONE, &options.follow, "Go on until the task ends", NULL },
                { "lines", 'n', 0, G_OPTION_ARG_INT64, &options.lines,
                                "Begin with the last lines only; -1 for all", "N" },
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
        if (options.lines < LINES_ALL)
                return ctl_fail_text(ctl, STATUS_USAGE, "--lines is a number of lines, or -1 for all");
        task = ctl_open_task(ctl, argv[1], &status);
        if (!task)
                return status;

        (void) signal(SIGPIPE, SIG_IGN);
        if (!options.follow)
                pager_open(ctl);
        return print_logs(ctl, task, &options);
}
