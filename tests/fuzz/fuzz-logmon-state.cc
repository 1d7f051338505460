/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "log.h"
#include "task-log.h"

static Manager *manager;

extern "C" int LLVMFuzzerInitialize(int *, char ***)
{
        static char path[] = "/tmp/fuzz-logmon-state-XXXXXX";
        sd_event *event = nullptr;

        log_set_level(LOG_CRIT);
        if (!mkdtemp(path) || sd_event_new(&event) < 0)
                abort();
        if (manager_new(event, nullptr, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, "/nonexistent",
                            &manager) < 0)
                abort();
        return 0;
}

/* A state file of any contents is loaded or refused; one that was loaded is the same when it has been
 * saved. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
        const int fd = openat(manager->state_dir, "x.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        TaskLog *log = nullptr, *again = nullptr;

        if (write(fd, input, size) != static_cast<ssize_t>(size))
                abort();
        (void) close(fd);

        if (task_log_load(manager, "x", &log) < 0)
                return 0;
        if (task_log_save(log) < 0 || task_log_load(manager, "x", &again) < 0)
                abort();
        if (g_strcmp0(log->id, again->id) != 0 || log->slot != again->slot || log->state != again->state ||
                        log->config.max_file_size != again->config.max_file_size)
                abort();

        task_log_free(log);
        task_log_free(again);
        return 0;
}
