/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <linux/capability.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fd-util.h"
#include "protocol.h"

Program program_of_task(const Task *task)
{
        return (Program){
                .command = task->spec.command,
                .arguments = task->spec.arguments,
                .directory = task->spec.working_directory ? task->spec.working_directory : "/",
                .credentials = &task->credentials,
        };
}

char **program_environment(const Task *task, const Program *program)
{
        const struct {
                const char *name, *value;
        } defaults[] = {
                { "USER", program->credentials->user },
                { "LOGNAME", program->credentials->user },
                { "HOME", program->credentials->home },
                { "SHELL", program->credentials->shell },
        };
        char **environment = g_strdupv(task->spec.environment);

        for (char **entry = program->environment; entry && *entry; entry++) {
                const char *equals = strchr(*entry, '=');
                g_autofree char *name = g_strndup(*entry, (gsize) (equals - *entry));

                environment = g_environ_setenv(environment, name, equals + 1, TRUE);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++)
                if (defaults[i].value)
                        environment = g_environ_setenv(
                                        environment, defaults[i].name, defaults[i].value, FALSE);

        return environment;
}

void launch_block_add(GString *block, const char *key, const char *format, ...)
{
        va_list ap;

        g_string_append_printf(block, "%s=", key);
        va_start(ap, format);
        g_string_append_vprintf(block, format, ap);
        va_end(ap);
        g_string_append_c(block, '\0');
}

static void add_list(GString *block, const char *key, char **list)
{
        for (char **entry = list; entry && *entry; entry++)
                launch_block_add(block, key, "%s", *entry);
}

/* "infinity" is all that there can be, as for systemd: the kernel would refuse it. */
static uint64_t most_descriptors(void)
{
        bool may_raise = geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1;
        g_autofree char *text = NULL;
        struct rlimit own = { 0 };
        uint64_t most;

        (void) getrlimit(RLIMIT_NOFILE, &own);
        if (!may_raise || !g_file_get_contents("/proc/sys/fs/nr_open", &text, NULL, NULL))
                return own.rlim_max;

        most = g_ascii_strtoull(text, NULL, 10);
        return most > 0 ? most : own.rlim_max;
}

static void cap_nofile(ResourceLimit *limit)
{
        if (limit->soft == UINT64_MAX)
                limit->soft = most_descriptors();
        if (limit->hard == UINT64_MAX)
                limit->hard = most_descriptors();
}

GArray *program_limits(const Task *task)
{
        const GArray *given = task->spec.resource_limits;
        GArray *limits = g_array_new(FALSE, FALSE, sizeof(ResourceLimit));
        bool has_nofile = false;

        for (guint i = 0; given && i < given->len; i++) {
                const ResourceLimit *limit = &g_array_index(given, ResourceLimit, i);

                g_array_append_val(limits, *limit);
                if (limit->resource == RLIMIT_NOFILE) {
                        cap_nofile(&g_array_index(limits, ResourceLimit, limits->len - 1));
                        has_nofile = true;
                }
        }

        /* this service raised its own: a task gets what it would have got without */
        if (!has_nofile) {
                struct rlimit own = { 0 };
                ResourceLimit limit = { .resource = RLIMIT_NOFILE };

                (void) getrlimit(RLIMIT_NOFILE, &own);
                limit.soft = task->manager->nofile;
                limit.hard = own.rlim_max;
                g_array_append_val(limits, limit);
        }

        return limits;
}

static void add_limits(GString *block, const Task *task)
{
        g_autoptr(GArray) limits = program_limits(task);

        for (guint i = 0; i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);

                launch_block_add(block, LAUNCH_RLIMIT, "%d %" PRIu64 " %" PRIu64, limit->resource,
                                limit->soft, limit->hard);
        }
}

GString *program_launch_block(const Task *task, const Program *program)
{
        g_auto(GStrv) environment = program_environment(task, program);
        GString *block = g_string_new(NULL);

        launch_block_add(block, LAUNCH_VERSION, "%d", PROTOCOL_VERSION);
        launch_block_add(block, LAUNCH_COMMAND, "%s", program->command);
        launch_block_add(block, LAUNCH_ARG, "%s", program->command);
        add_list(block, LAUNCH_ARG, program->arguments);
        add_list(block, LAUNCH_ENV, environment);
        launch_block_add(block, LAUNCH_DIRECTORY, "%s", program->directory);
        launch_block_add(block, LAUNCH_UID, "%u", program->credentials->uid);
        launch_block_add(block, LAUNCH_GID, "%u", program->credentials->gid);
        add_list(block, LAUNCH_GROUP, program->credentials->groups);
        launch_block_add(block, LAUNCH_UMASK, "%o", task->spec.umask);
        launch_block_add(block, LAUNCH_OOM_ADJUST, "%d", task->spec.oom_score_adjust);
        add_limits(block, task);
        return block;
}

int program_launch_fd(const GString *block, int *ret)
{
        return fd_make_memory_file("nomad-launch", block->str, block->len, ret);
}
