/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawn-call.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "cleanup.h"
#include "reap.h"

void spawn_call_destroy(SpawnCall *call)
{
        for (size_t i = 0; i < call->n_fds; i++)
                safe_close(call->fds[i]);
        g_free(call->name);
        g_free(call);
}

static int add_fd(SpawnCall *call, int fd, int number)
{
        int ours;

        ours = fcntl(fd, F_DUPFD_CLOEXEC, SUPERVISOR_LAUNCH_FD);
        if (ours < 0)
                return -errno;

        call->numbers[call->n_fds] = number;
        call->fds[call->n_fds++] = ours;
        return 0;
}

static int add_fds(SpawnCall *call, const Spawn *spawn)
{
        int r;

        for (int i = 0; i < (int) G_N_ELEMENTS(spawn->fds); i++) {
                r = spawn->fds[i] >= 0 ? add_fd(call, spawn->fds[i], i) : 0;
                if (r < 0)
                        return r;
        }

        return spawn->cgroup_fd >= 0 ? add_fd(call, spawn->cgroup_fd, SPAWN_FD_CGROUP) : 0;
}

int spawn_call_new(Spawner *spawner, const Spawn *spawn, SpawnHandler handler, void *userdata,
                SpawnCall **slot, SpawnCall **ret)
{
        SpawnCall *call = g_new(SpawnCall, 1);
        int r;

        *call = (SpawnCall){
                .spawner = spawner,
                .kind = spawn->kind,
                .name = g_strdup(spawn->name),
                .handler = handler,
                .userdata = userdata,
                .slot = slot,
        };
        r = add_fds(call, spawn);
        if (r < 0) {
                spawn_call_destroy(call);
                return r;
        }

        *ret = call;
        return 0;
}

void spawn_call_complete(SpawnCall *call, int error, pid_t pid, int pidfd)
{
        SpawnHandler handler = call->handler;
        void *userdata = call->userdata;

        if (handler && call->slot)
                *call->slot = NULL;
        spawn_call_destroy(call);
        if (handler)
                handler(error, pid, pidfd, userdata);
}

/* The child of an answer. It has not been waited for, so that the pid cannot be anybody else's. */
void spawn_call_complete_with_child(SpawnCall *call, pid_t pid)
{
        sd_event *event = call->spawner->event;
        int pidfd;

        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0) {
                int error = -errno;

                /* Nothing has opened its gate: it ends when the caller closes that, and by this. */
                (void) kill(pid, SIGKILL);
                spawn_call_complete(call, error, 0, -1);
        } else if (!call->handler) {
                spawn_call_complete(call, 0, 0, -1);
                kill_and_reap_child(event, pidfd);
        } else
                spawn_call_complete(call, 0, pid, pidfd);
}

SpawnCall *spawn_call_free(SpawnCall *call)
{
        if (!call)
                return NULL;

        call->handler = NULL;
        /* One that has been sent keeps its place until it is answered. */
        if (call->sequence == 0) {
                (void) g_queue_remove(&call->spawner->calls, call);
                spawn_call_destroy(call);
        }
        return NULL;
}

const char *spawn_error_text(int error)
{
        switch (error) {
        case -ETIMEDOUT:
                return "nomad-spawner did not answer";
        case -EPIPE:
                return "nomad-spawner died";
        default:
                return g_strerror(-error);
        }
}
