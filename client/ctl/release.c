/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"
#include "format.h"

static int release(nx_task *task, G_GNUC_UNUSED void *userdata, nx_error **ret_error)
{
        return nx_task_release(task, ret_error);
}

/* Those that have ended. One that somebody else releases meanwhile is what was asked for. */
static int release_ended(Ctl *ctl)
{
        g_autoptr(nx_task_list) list = NULL;
        g_autoptr(nx_error) error = NULL;
        int status = STATUS_OK;

        if (nx_task_list_new(ctl->connection, &list, &error) < 0)
                return ctl_fail(ctl, error);

        for (size_t i = 0; i < nx_task_list_get_size(list); i++) {
                g_autoptr(nx_task) task = NULL;
                g_autoptr(nx_error) one = NULL;

                if (!has_ended(nx_task_list_get_properties(list, i)))
                        continue;
                if (nx_task_open(ctl->connection, nx_task_list_get_id(list, i), &task, &one) >= 0)
                        (void) nx_task_release(task, &one);
                if (one && nx_error_get_code(one) != NX_ERROR_NO_SUCH_TASK)
                        status = ctl_fail(ctl, one);
        }

        return status;
}

int verb_release(Ctl *ctl, int argc, char **argv)
{
        gboolean all = FALSE;
        const GOptionEntry entries[] = {
                { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "All tasks that have ended", NULL },
                G_OPTION_ENTRY_NULL,
        };

        if (!ctl_parse(ctl, entries, false, 0, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (all == (argc > 1))
                return ctl_fail_text(ctl, STATUS_USAGE, "Say which tasks, or --all and none");
        if (!ctl_connect(ctl))
                return STATUS_FAILED;

        return all ? release_ended(ctl) : ctl_do(ctl, argv + 1, TASKS_ENDED, release, NULL);
}
