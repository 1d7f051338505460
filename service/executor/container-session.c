/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "container-config.h"
#include "container.h"
#include "protocol.h"
#include "state-file.h"

#define SESSIONS     "sessions" /* in the container's directory */
#define PROCESS_FILE "process.json"

static char *directory_of(uint64_t id)
{
        return g_strdup_printf(SESSIONS "/%016" PRIx64, id);
}

static int open_container(const Task *task)
{
        return openat(task->state_fd, CONTAINER_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_directory(const Task *task, uint64_t id)
{
        g_autofree char *name = directory_of(id);
        g_autofree char *path = g_build_filename(CONTAINER_DIRECTORY, name, NULL);

        return openat(task->state_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int container_session_cgroup(const Task *task, int *fd)
{
        _cleanup_close_ int below = -1;

        if (!task_is_container(task))
                return 0;

        below = openat(*fd, CONTAINER_CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (below < 0)
                return errno == ENOENT ? 0 : -errno;

        safe_close(*fd);
        *fd = take_fd(&below);
        return 0;
}

static int make_directory(const Task *task, uint64_t id, int *ret)
{
        g_autofree char *name = directory_of(id);
        _cleanup_close_ int container_fd = open_container(task), sessions_fd = -1;
        int r;

        if (container_fd < 0)
                return -errno;
        r = open_or_make_dir_at(container_fd, SESSIONS, 0700, &sessions_fd);
        if (r < 0)
                return r;

        return open_or_make_dir_at(container_fd, name, 0700, ret);
}

/* A runtime with a cgroup of its own would move the session there. */
static char *cgroup_below_container(int cgroup_fd)
{
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", cgroup_fd);
        g_autofree char *path = g_file_read_link(link, NULL);
        const char *below = path ? strstr(path, "/" TASK_CGROUP "/" CONTAINER_CGROUP "/") : NULL;

        return below ? g_strdup(below + strlen("/" TASK_CGROUP "/" CONTAINER_CGROUP "/")) : NULL;
}

static GString *make_block(
                const Task *task, uint64_t id, const Program *program, const ExecStdio *stdio, int cgroup_fd)
{
        g_autofree char *cgroup = cgroup_below_container(cgroup_fd);
        g_autofree char *name = directory_of(id);
        g_autofree char *directory = container_path(task, name);
        g_autofree char *log = g_build_filename(directory, CONTAINER_LOG, NULL);
        g_autofree char *pid = g_build_filename(directory, CONTAINER_PID, NULL);
        g_autofree char *process = g_build_filename(directory, PROCESS_FILE, NULL);
        g_autoptr(GPtrArray) arguments = container_arguments(task, log);
        const char *const command[] = { "exec", "--detach", "--process", process, "--pid-file", pid };
        GString *block;

        for (size_t i = 0; i < G_N_ELEMENTS(command); i++)
                g_ptr_array_add(arguments, g_strdup(command[i]));
        /* by a short path: there is little room for one in the address of a socket */
        if (stdio->terminal)
                g_ptr_array_add(arguments,
                                g_strdup_printf("--console-socket=/proc/self/fd/%d/" CONSOLE_SOCKET,
                                                SUPERVISOR_STATE_FD));
        if (cgroup)
                g_ptr_array_add(arguments, g_strdup_printf("--cgroup=%s", cgroup));
        block = container_block(task, program->credentials, arguments, CONTAINER_PID);
        launch_block_add(block, LAUNCH_TERMINAL, "%d", stdio->terminal);
        return block;
}

int container_session_create(const Task *task, uint64_t id, const Program *program, const ExecStdio *stdio,
                int cgroup_fd, GString **ret_block, int *ret_fd)
{
        g_autoptr(JsonObject) process = container_process(task, program, stdio);
        _cleanup_close_ int fd = -1;
        int r;

        r = make_directory(task, id, &fd);
        if (r < 0)
                return r;
        r = container_write(fd, PROCESS_FILE, process);
        if (r < 0) {
                container_session_remove(task, id);
                return r;
        }

        *ret_block = make_block(task, id, program, stdio, cgroup_fd);
        *ret_fd = take_fd(&fd);
        return 0;
}

static void remove_from_container(const Task *task, const char *name)
{
        _cleanup_close_ int fd = -1;

        if (!task_is_container(task))
                return;

        fd = open_container(task);
        if (fd >= 0)
                (void) remove_tree_at(fd, name);
}

void container_session_remove(const Task *task, uint64_t id)
{
        g_autofree char *name = directory_of(id);

        remove_from_container(task, name);
}

void container_session_remove_all(const Task *task)
{
        remove_from_container(task, SESSIONS);
}

char *container_session_failure(const Task *task, uint64_t id)
{
        _cleanup_close_ int fd = open_directory(task, id);

        return container_read_failure(task, fd);
}
