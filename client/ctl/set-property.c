/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

int verb_set_property(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(nx_spec) spec = nx_spec_new(NULL);
        g_autoptr(nx_error) error = NULL;
        g_autoptr(nx_task) task = NULL;
        int status;

        if (!ctl_parse(ctl, NULL, false, 2, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        for (int i = 2; i < argc; i++)
                if (nx_spec_assign(spec, argv[i], &error) < 0)
                        return ctl_fail(ctl, error);

        task = ctl_open_task(ctl, argv[1], &status);
        if (!task)
                return status;
        return nx_task_set_resources(task, spec, &error) < 0 ? ctl_fail(ctl, error) : STATUS_OK;
}
