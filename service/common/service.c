/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "bus-error.h"
#include "cleanup.h"
#include "log-control.h"
#include "log.h"

static int parse_arguments(Service *service, int argc, char **argv)
{
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);
        g_autofree char *level = NULL;
        g_autoptr(GError) error = NULL;
        gboolean user = FALSE, version = FALSE;
        const GOptionEntry entries[] = {
                { "user", 0, 0, G_OPTION_ARG_NONE, &user, "Serve one user's tasks on the session bus",
                                NULL },
                { "log-level", 0, 0, G_OPTION_ARG_STRING, &level, "emerg … info (default), debug", "LEVEL" },
                { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
                G_OPTION_ENTRY_NULL,
        };

        g_option_context_set_summary(context, service->summary);
        g_option_context_add_main_entries(context, entries, NULL);
        if (service->entries)
                g_option_context_add_main_entries(context, service->entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error)) {
                log_error("%s", error->message);
                return -EINVAL;
        }
        if (argc > 1) {
                log_error("Unexpected argument '%s'", argv[1]);
                return -EINVAL;
        }
        if (version) {
                (void) printf("%s %s\n", g_get_prgname(), PROJECT_VERSION);
                return 1;
        }
        if (level) {
                int value = log_level_from_string(level);

                if (value < 0) {
                        log_error("Unknown log level '%s'", level);
                        return value;
                }
                log_set_level(value);
        }

        service->user = user;
        return 0;
}

static int setup_event(Service *service)
{
        static const int ending[] = { SIGTERM, SIGINT };
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGPIPE);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        r = sd_event_default(&service->event);
        if (r < 0)
                return r;

        for (size_t i = 0; i < G_N_ELEMENTS(ending); i++) {
                r = sd_event_add_signal(service->event, NULL, ending[i], NULL, NULL);
                if (r < 0)
                        return r;
        }

        /* The loop gets its timer here: one that is set for want of descriptors needs none. */
        r = sd_event_add_time(service->event, NULL, CLOCK_MONOTONIC, UINT64_MAX, 0, NULL, NULL);
        if (r < 0)
                return r;

        return sd_event_set_watchdog(service->event, true);
}

static int connect_bus(Service *service)
{
        int r;

        r = service->user ? sd_bus_open_user_with_description(&service->bus, service->bus_name)
                          : sd_bus_open_system_with_description(&service->bus, service->bus_name);
        if (r < 0)
                return r;

        /* Without the bus there is nobody to serve; systemd starts us again, state intact. */
        r = sd_bus_set_exit_on_disconnect(service->bus, true);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(service->bus, service->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = bus_error_register();
        if (r < 0)
                return r;

        return log_control_register(service->bus);
}

int service_init(Service *service, int argc, char **argv)
{
        int r;

        r = parse_arguments(service, argc, argv);
        service->entries = NULL;
        if (r != 0)
                return r;

        r = setup_event(service);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot set up the event loop");

        r = connect_bus(service);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot connect to the %s bus",
                                service->user ? "session" : "system");

        return 0;
}

int service_own_name(Service *service)
{
        int r;

        r = sd_bus_request_name(service->bus, service->bus_name, 0);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot take the bus name %s", service->bus_name);

        return 0;
}

int service_run(Service *service)
{
        int r;

        /* stopped while it was being prepared */
        if (sd_event_get_state(service->event) == SD_EVENT_FINISHED)
                return 0;

        (void) sd_notify(false, "READY=1");
        r = sd_event_loop(service->event);
        (void) sd_notify(false, "STOPPING=1");
        if (r < 0)
                return log_errno(LOG_ERR, r, "The event loop failed");
        if (r > 0) /* the exit code of sd_bus_set_exit_on_disconnect(3); systemd is to start us again */
                return log_errno(LOG_ERR, -ECONNRESET, "The bus is gone");

        return 0;
}

void service_clear(Service *service)
{
        service->bus = sd_bus_flush_close_unref(service->bus);
        service->event = sd_event_unref(service->event);
}

int service_open_runtime_dir(const Service *service, const char *name, int *ret_fd)
{
        const char *from_systemd = g_getenv("RUNTIME_DIRECTORY");
        g_autofree char *path = NULL;
        int fd;

        if (from_systemd)
                path = g_strdup(from_systemd);
        else
                path = g_build_filename(service->user ? g_get_user_runtime_dir() : "/run", name, NULL);

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return log_errno(LOG_ERR, -errno, "Cannot create %s", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return log_errno(LOG_ERR, -errno, "Cannot open %s", path);

        *ret_fd = fd;
        return 0;
}

int service_raise_nofile(uint64_t *ret_original_soft)
{
        struct rlimit limit;
        rlim_t original;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        original = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;

        if (ret_original_soft)
                *ret_original_soft = original;
        return 0;
}
