/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cleanup.h"
#include "container.h"
#include "fd-util.h"
#include "program.h"
#include "protocol.h"

void spawned_clear(Spawned *spawned)
{
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

/* The supervisor's ends of what is made for it. */
typedef struct SupervisorFds {
        int stdout_fd, stderr_fd, launch_fd, gate_fd, status_fd;
} SupervisorFds;

static void supervisor_fds_clear(SupervisorFds *s)
{
        safe_closep(&s->stdout_fd);
        safe_closep(&s->stderr_fd);
        safe_closep(&s->launch_fd);
        safe_closep(&s->gate_fd);
        safe_closep(&s->status_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SupervisorFds, supervisor_fds_clear)

static int make_fds(const Task *task, SupervisorFds *s, Spawned *spawned)
{
        g_autoptr(GString) block = launch_block(task);
        uid_t uid = task->credentials.uid;
        int r = 0;

        if (task_spec_logs_stdout(&task->spec))
                r = fd_make_output_pipe(uid, &spawned->stdout_fd, &s->stdout_fd);
        if (r < 0)
                return r;
        if (task_spec_logs_stderr(&task->spec))
                r = fd_make_output_pipe(uid, &spawned->stderr_fd, &s->stderr_fd);
        if (r < 0)
                return r;
        r = program_launch_fd(block, &s->launch_fd);
        if (r < 0)
                return r;
        r = fd_make_pipe(&s->gate_fd, &spawned->gate_fd);
        if (r < 0)
                return r;

        return fd_make_pipe(&spawned->status_fd, &s->status_fd);
}

int task_spawn_supervisor(Task *task, SpawnHandler handler, SpawnCall **ret_call, Spawned *ret)
{
        g_auto(SupervisorFds) fds = { -1, -1, -1, -1, -1 };
        g_auto(Spawned) spawned = SPAWNED_NULL;
        const TaskSpec *spec = &task->spec;
        Spawn spawn;
        int r;

        r = make_fds(task, &fds, &spawned);
        if (r < 0)
                return r;

        /* each of the task's own three: handed over by the client, a pipe to logmon, or nothing */
        spawn = (Spawn){
                .kind = SPAWN_SUPERVISOR,
                .name = task->label,
                .fds = { spec->stdin_fd, fds.stdout_fd >= 0 ? fds.stdout_fd : spec->stdout_fd,
                                fds.stderr_fd >= 0 ? fds.stderr_fd : spec->stderr_fd,
                                [SUPERVISOR_LAUNCH_FD] = fds.launch_fd, [SUPERVISOR_GATE_FD] = fds.gate_fd,
                                [SUPERVISOR_STATUS_FD] = fds.status_fd,
                                [SUPERVISOR_STATE_FD] = task->state_fd },
                .cgroup_fd = -1,
        };
        r = spawner_spawn(&task->manager->spawner, &spawn, handler, task, ret_call);
        if (r < 0)
                return r;

        *ret = spawned;
        spawned = SPAWNED_NULL;
        return 0;
}
