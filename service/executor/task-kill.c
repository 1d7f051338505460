/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "exec.h"
#include "protocol.h"
#include "task.h"

char *task_cgroup_path(const Task *task)
{
        return g_strdup_printf("%s/" TASK_CGROUP, task->cgroup);
}

int task_open_cgroup(const Task *task, int *ret)
{
        g_autofree char *path = NULL;

        if (!task->cgroup)
                return -ESRCH;

        path = task_cgroup_path(task);
        return cgroup_open(path, ret);
}

static int kill_cgroup(const Task *task)
{
        _cleanup_close_ int fd = -1;
        int r;

        r = task_open_cgroup(task, &fd);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        return cgroup_kill(fd);
}

static int signal_main(const Task *task, int signal)
{
        return task->main_pidfd < 0 ? -ESRCH : pidfd_kill(task->main_pidfd, signal);
}

bool task_signal_asks_for_end(const Task *task, int signal)
{
        switch (signal) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
        case SIGHUP:
                return true;
        case SIGKILL:
        case SIGCONT:
                return false;
        default:
                return signal == task_spec_stop_signal(&task->spec);
        }
}

int task_kill_main(Task *task, int signal)
{
        int r;

        r = signal_main(task, signal);
        if (r >= 0 && task_signal_asks_for_end(task, signal))
                (void) signal_main(task, SIGCONT);
        return r;
}

void task_continue(Task *task)
{
        _cleanup_close_ int fd = -1;

        (void) signal_main(task, SIGCONT);
        if (task_open_cgroup(task, &fd) >= 0)
                cgroup_signal_each(fd, SIGCONT);
}

int task_send_stop_signal(Task *task, int signal)
{
        int r;

        r = signal_main(task, signal);
        if (r >= 0 && signal != SIGKILL && signal != SIGCONT)
                task_continue(task);
        return r;
}

/* Those that may have left the task's cgroup: the main process, and the program of each session. -ESRCH:
 * none is left. */
static int kill_known(Task *task, int signal)
{
        int r;

        r = signal_main(task, signal);
        for (guint i = 0; i < task->execs->len; i++)
                if (exec_session_kill(g_ptr_array_index(task->execs, i), signal) >= 0 && r == -ESRCH)
                        r = 0;
        return r;
}

void task_kill_known(Task *task)
{
        (void) kill_known(task, SIGKILL);
}

/* All of them are tried, whatever becomes of one. */
int task_kill_everything(Task *task)
{
        int known, r;

        known = kill_known(task, SIGKILL);
        r = kill_cgroup(task);
        return r == -ESRCH ? known : r;
}

/* Main reached by its pidfd only, since it has left its cgroup. */
static int kill_outside(Task *task, const char *path, int signal)
{
        g_autofree char *cgroup = NULL;
        int r;

        r = process_cgroup(task->main.pid, &cgroup);
        if (r < 0 || cgroup_contains(path, cgroup))
                return -ESRCH;

        return signal_main(task, signal);
}

int task_kill_all(Task *task, int signal)
{
        g_autofree char *path = NULL;
        _cleanup_close_ int fd = -1;
        int outside, r;

        if (signal == SIGKILL)
                return task_kill_everything(task);

        r = task_open_cgroup(task, &fd);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        path = task_cgroup_path(task);
        outside = kill_outside(task, path, signal);
        r = cgroup_signal(fd, path, signal);
        if (r == -ESRCH)
                r = outside;
        if (r >= 0 && task_signal_asks_for_end(task, signal))
                task_continue(task);
        return r;
}

/* NAME: a cgroup below the scope's, or ".". Whether it was set to be frozen is returned. */
static int thaw_below(int scope_fd, const char *name)
{
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(scope_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (!cgroup_is_set_frozen(fd))
                return 0;

        r = cgroup_set_frozen(fd, false);
        return r < 0 ? r : 1;
}

static void continue_supervisor(const Task *task)
{
        if (task->supervisor_pidfd >= 0)
                (void) pidfd_kill(task->supervisor_pidfd, SIGCONT);
}

/* Any of those that the scope is in. systemd 252 thaws them all along with a scope that it is to thaw. */
static bool slice_is_set_frozen(const Task *task)
{
        g_autofree char *path = g_path_get_dirname(task->cgroup);
        bool frozen = false;

        while (!frozen && strcmp(path, "/") != 0) {
                g_autofree char *below = g_steal_pointer(&path);
                _cleanup_close_ int fd = -1;

                frozen = cgroup_open(below, &fd) >= 0 && cgroup_is_set_frozen(fd);
                path = g_path_get_dirname(below);
        }

        return frozen;
}

/* First what is inside, so that it goes on with the scope. Of runc's container the task's cgroup is the
 * parent. */
int task_thaw(Task *task)
{
        static const char *const names[] = { TASK_CGROUP "/" CONTAINER_CGROUP, TASK_CGROUP,
                SUPERVISOR_CGROUP };
        _cleanup_close_ int fd = -1;
        int failure = 0, r;

        if (!task->cgroup)
                return -ESRCH;
        r = cgroup_open(task->cgroup, &fd);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                r = thaw_below(fd, names[i]);
                if (r < 0 && r != -ENOENT)
                        failure = r;
        }

        /* systemd sees in the kernel that it is thawed, whether it was asked before or after */
        r = thaw_below(fd, ".");
        if (r > 0 && !slice_is_set_frozen(task))
                r = task_scope_thaw(task);
        if (r < 0 && r != -ENOENT)
                failure = r;
        continue_supervisor(task);
        return failure;
}
