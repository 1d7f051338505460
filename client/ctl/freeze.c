/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

static int freeze(nx_task *task, G_GNUC_UNUSED void *userdata, nx_error **ret_error)
{
        return nx_task_freeze(task, ret_error);
}

int verb_freeze(Ctl *ctl, int argc, char **argv)
{
        if (!ctl_parse(ctl, NULL, false, 1, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;

        return ctl_do(ctl, argv + 1, TASKS_RUNNING, freeze, NULL);
}
