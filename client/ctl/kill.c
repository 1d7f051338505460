/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl.h"

typedef struct KillOptions {
        const char *whom, *signal;
} KillOptions;

static int send(nx_task *task, void *userdata, nx_error **ret_error)
{
        const KillOptions *options = userdata;

        return nx_task_kill(task, options->whom, options->signal, ret_error);
}

int verb_kill(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *signal = NULL;
        g_autofree char *whom = NULL;
        const GOptionEntry entries[] = {
                { "signal", 's', 0, ARG_TEXT, &signal, "Name or number (SIGTERM)", "SIGNAL" },
                { "whom", 0, 0, ARG_TEXT, &whom, "The main process (default), or all of the task",
                                "main|all" },
                G_OPTION_ENTRY_NULL,
        };

        if (!ctl_parse(ctl, entries, false, 1, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (whom && strcmp(whom, "main") != 0 && strcmp(whom, "all") != 0)
                return ctl_fail_text(ctl, STATUS_USAGE, "--whom is main or all, not '%s'", whom);

        return ctl_do(ctl, argv + 1, TASKS_RUNNING, send,
                        &(KillOptions){ .whom = whom ? whom : "main",
                                        .signal = signal ? signal : "SIGTERM" });
}
