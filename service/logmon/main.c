/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "log.h"
#include "manager.h"
#include "service.h"

/* $LOGS_DIRECTORY is set by LogsDirectory= of the unit. */
static char *default_log_root(const Service *service)
{
        const char *from_systemd = g_getenv("LOGS_DIRECTORY");

        if (from_systemd)
                return g_strdup(from_systemd);
        if (service->user)
                return g_build_filename(g_get_user_state_dir(), "log", "nomad", NULL);

        return g_strdup("/var/log/nomad");
}

static int run(Service *service)
{
        g_autofree char *log_root = default_log_root(service);
        g_autoptr(Manager) manager = NULL;
        int state_dir, r;

        r = service_own_name(service);
        if (r < 0)
                return r;
        r = service_open_runtime_dir(service, "nomad-logmon", &state_dir);
        if (r < 0)
                return r;
        r = manager_new(service->event, service->bus, state_dir, log_root, JOURNAL_SOCKET, &manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot set up");
        manager_protect_logs(manager);
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
                .bus_name = "org.nomad.Logmon",
                .summary = "Forwards the output of tasks to rotating files and to the journal",
        };
        int r;

        r = service_init(&service, argc, argv);
        if (r == 0) {
                (void) umask(0022);
                /* two descriptors for each stream of each log */
                (void) service_raise_nofile(NULL);
                r = run(&service);
        }

        service_clear(&service);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
