/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "log.h"
#include "manager.h"
#include "service.h"

static int run(Service *service)
{
        g_autoptr(Manager) manager = NULL;
        int state_dir, r;

        r = service_own_name(service);
        if (r < 0)
                return r;
        r = service_open_runtime_dir(service, "nomad-dockerlog", &state_dir);
        if (r < 0)
                return r;
        r = manager_new(service->event, service->bus, state_dir, &manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot set up");
        r = manager_load(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot go on with the logs of before");
        r = manager_register(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot register bus objects");

        return service_run(service);
}

int main(int argc, char **argv)
{
        Service service = {
                .bus_name = "org.nomad.DockerLogger",
                .summary = "Hands the output of containers to nomad-logmon",
        };
        int r;

        r = service_init(&service, argc, argv);
        if (r == 0) {
                /* four pipes and a connection or two for each container */
                (void) service_raise_nofile(NULL);
                r = run(&service);
        }

        service_clear(&service);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
