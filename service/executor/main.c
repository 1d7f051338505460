/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "log.h"
#include "manager.h"

static int run(Manager *manager, int argc, char **argv)
{
        int r;

        r = manager_init(manager, argc, argv);
        if (r != 0)
                return r;

        /* while calls are held: the one that activated us is answered for every task */
        r = manager_adopt_tasks(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot take over the tasks");
        r = manager_settle_tasks(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "The event loop failed");

        return service_run(&manager->service);
}

int main(int argc, char **argv)
{
        Manager manager;
        int r;

        r = run(&manager, argc, argv);
        manager_clear(&manager);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
