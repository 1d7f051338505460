/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "container.h"
#include "fd-util.h"
#include "program.h"
#include "protocol.h"

void spawned_clear(Spawned *spawned)
{
        safe_closep(&spawned->pidfd);
        safe_closep(&spawned->gate_fd);
        safe_closep(&spawned->status_fd);
        safe_closep(&spawned->stdout_fd);
        safe_closep(&spawned->stderr_fd);
}

static GString *launch_block(const Task *task)
{
        Program program = program_of_task(task);
        GString *block = task_is_container(task) ? container_launch_block(task)
                                                 : program_launch_block(task, &program);
        const TaskSpec *spec = &task->spec;

        if (spec->stdout_path)
                launch_block_add(block, LAUNCH_STDOUT_PATH, "%s", spec->stdout_path);
        if (spec->stderr_path)
                launch_block_add(block, LAUNCH_STDERR_PATH, "%s", spec->stderr_path);
        launch_block_add(block, LAUNCH_STOP_SIGNAL, "%d", task_spec_stop_signal(spec));
        launch_block_add(block, LAUNCH_STOP_USEC, "%" PRIu64, spec->stop_timeout_usec);
        launch_block_add(block, LAUNCH_RUNTIME_MAX_USEC, "%" PRIu64, spec->runtime_max_usec);
        return block;
}

/* One of the task's own three: handed over by the client, a pipe to logmon, or nothing. */
static int make_output(int client_fd, bool logged, int null_fd, int *ret_fd, int *ret_read_fd)
{
        int fd;

        if (logged)
                return fd_make_pipe(ret_read_fd, ret_fd);

        fd = fcntl(client_fd >= 0 ? client_fd : null_fd, F_DUPFD_CLOEXEC, FD_ABOVE_STDIO);
        if (fd < 0)
                return -errno;

        *ret_fd = fd;
        return 0;
}

/* The supervisor's ends of everything, in the order of their numbers there. */
typedef struct SupervisorFds {
        int fds[SUPERVISOR_STATE_FD + 1];
} SupervisorFds;

static void supervisor_fds_clear(SupervisorFds *s)
{
        for (size_t i = 0; i < G_N_ELEMENTS(s->fds); i++)
                safe_closep(s->fds + i);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SupervisorFds, supervisor_fds_clear)

static int make_fds(const Task *task, SupervisorFds *s, Spawned *spawned)
{
        const TaskSpec *spec = &task->spec;
        g_autoptr(GString) block = launch_block(task);
        _cleanup_close_ int null_fd = -1;
        int r;

        null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (null_fd < 0)
                return -errno;

        r = make_output(spec->stdin_fd, false, null_fd, &s->fds[0], NULL);
        if (r < 0)
                return r;
        r = make_output(spec->stdout_fd, task_spec_logs_stdout(spec), null_fd, &s->fds[1],
                        &spawned->stdout_fd);
        if (r < 0)
                return r;
        r = make_output(spec->stderr_fd, task_spec_logs_stderr(spec), null_fd, &s->fds[2],
                        &spawned->stderr_fd);
        if (r < 0)
                return r;
        r = program_launch_fd(block, &s->fds[SUPERVISOR_LAUNCH_FD]);
        if (r < 0)
                return r;
        r = fd_make_pipe(&s->fds[SUPERVISOR_GATE_FD], &spawned->gate_fd);
        if (r < 0)
                return r;
        r = fd_make_pipe(&spawned->status_fd, &s->fds[SUPERVISOR_STATUS_FD]);
        if (r < 0)
                return r;

        s->fds[SUPERVISOR_STATE_FD] = fcntl(task->state_fd, F_DUPFD_CLOEXEC, FD_ABOVE_STDIO);
        return s->fds[SUPERVISOR_STATE_FD] < 0 ? -errno : 0;
}

static int spawn(const Task *task, const SupervisorFds *s, pid_t *ret)
{
        g_autofree char *program = g_strdup_printf("/proc/self/fd/%d", task->manager->supervisor_fd);
        g_autofree char *name = g_strdup("nomad-supervisor");
        char *argv[] = { name, task->label, NULL };
        char *environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        int r;

        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        for (int i = 0; r >= 0 && i < (int) G_N_ELEMENTS(s->fds); i++)
                r = -posix_spawn_file_actions_adddup2(&actions, s->fds[i], i);
        if (r >= 0)
                r = -posix_spawn(ret, program, &actions, NULL, argv, environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

int task_spawn_supervisor(Task *task, Spawned *ret)
{
        g_auto(Spawned) spawned = SPAWNED_NULL;
        g_auto(SupervisorFds) fds = { .fds = { -1, -1, -1, -1, -1, -1, -1 } };
        int r;

        r = make_fds(task, &fds, &spawned);
        if (r < 0)
                return r;
        r = spawn(task, &fds, &spawned.pid);
        if (r < 0)
                return r;

        /* our child, not yet waited for: the pid cannot be anybody else's */
        spawned.pidfd = pidfd_open(spawned.pid, 0);
        if (spawned.pidfd < 0) {
                r = -errno;
                (void) kill(spawned.pid, SIGKILL);
                (void) waitpid(spawned.pid, NULL, 0);
                return r;
        }

        *ret = spawned;
        spawned = SPAWNED_NULL;
        return 0;
}
