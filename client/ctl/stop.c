/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"
#include "format.h"

typedef struct StopOptions {
        const char *signal;
        uint64_t grace_usec;
} StopOptions;

static int stop(nx_task *task, void *userdata, nx_error **ret_error)
{
        const StopOptions *options = userdata;

        return nx_task_stop(task, options->signal, options->grace_usec, ret_error);
}

static int wait_for_end(nx_task *task, G_GNUC_UNUSED void *userdata, nx_error **ret_error)
{
        nx_exit exit;

        return nx_task_wait(task, UINT64_MAX, &exit, ret_error);
}

int verb_stop(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *signal = NULL;
        g_autofree char *grace = NULL;
        gboolean no_wait = FALSE;
        const GOptionEntry entries[] = {
                { "signal", 's', 0, ARG_TEXT, &signal, "Begin with this signal (the task's StopSignal)",
                                "SIGNAL" },
                { "grace", 0, 0, ARG_TEXT, &grace,
                                "Kill what is left after this time (the task's StopTimeoutUSec); 0 kills at once",
                                "TIME" },
                { "no-wait", 0, 0, G_OPTION_ARG_NONE, &no_wait, "Do not wait until they have ended", NULL },
                G_OPTION_ENTRY_NULL,
        };
        StopOptions options = { .grace_usec = UINT64_MAX };
        g_autoptr(GPtrArray) tasks = NULL;
        int status, stopped, ended = STATUS_OK;

        if (!ctl_parse(ctl, entries, false, 1, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (grace && !parse_seconds(grace, &options.grace_usec))
                return ctl_fail_text(ctl, STATUS_USAGE, "'%s' is not a time such as 5s or 2min", grace);
        options.signal = signal;

        /* all of them first, so that they end at the same time */
        tasks = ctl_find_tasks(ctl, argv + 1, TASKS_ALL, &status);
        stopped = ctl_for_each_task(ctl, tasks, stop, &options);
        if (!no_wait)
                ended = ctl_for_each_task(ctl, tasks, wait_for_end, NULL);
        if (status == STATUS_OK)
                status = stopped;
        return status == STATUS_OK ? ended : status;
}
