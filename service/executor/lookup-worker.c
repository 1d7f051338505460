/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-worker.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fd-util.h"
#include "lookup-message.h"
#include "reap.h"

void lookup_worker_free(void *userdata)
{
        LookupWorker *worker = userdata;

        spawn_call_free(worker->spawn_call);
        sd_event_source_disable_unref(worker->source);
        safe_close(worker->socket);
        if (worker->pidfd >= 0)
                kill_and_reap_child(worker->event, worker->pidfd);
        g_free(worker);
}

static int receive(LookupWorker *worker, JsonObject **ret)
{
        g_autoptr(JsonObject) answer = NULL;
        uint64_t sequence;
        int r;

        r = lookup_message_receive(worker->socket, MSG_DONTWAIT, &sequence, &answer);
        if (r < 0)
                return r;
        if (!worker->lookup || sequence != worker->sequence)
                return -EBADMSG;

        *ret = g_steal_pointer(&answer);
        return 0;
}

static int on_answer(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        g_autoptr(JsonObject) answer = NULL;
        LookupWorker *worker = userdata;
        int r;

        r = receive(worker, &answer);
        if (r == -EAGAIN || r == -EINTR)
                return 0;

        worker->handler(worker, r, answer, worker->userdata);
        return 0;
}

static void on_spawned(int error, G_GNUC_UNUSED pid_t pid, int pidfd, void *userdata)
{
        LookupWorker *worker = userdata;

        if (error < 0)
                worker->handler(worker, error, NULL, worker->userdata);
        else
                worker->pidfd = pidfd;
}

static int spawn(LookupWorker *worker, const Lookups *lookups, int socket)
{
        Spawn child = {
                .kind = SPAWN_LOOKUP,
                .name = "",
                .fds = { -1, -1, -1, [LOOKUP_PROGRAM_FD] = lookups->program_fd, [LOOKUP_SOCKET_FD] = socket,
                                [SUPERVISOR_STATUS_FD] = -1, [SUPERVISOR_STATE_FD] = -1 },
                .cgroup_fd = -1,
        };

        return spawner_spawn(lookups->spawner, &child, on_spawned, worker, &worker->spawn_call);
}

int lookup_worker_new(
                const Lookups *lookups, LookupWorkerHandler handler, void *userdata, LookupWorker **ret)
{
        g_autoptr(LookupWorker) worker = g_new(LookupWorker, 1);
        _cleanup_close_ int its = -1;
        int r;

        *worker = (LookupWorker){
                .event = lookups->event,
                .pidfd = -1,
                .socket = -1,
                .handler = handler,
                .userdata = userdata,
        };
        r = fd_make_socket_pair(&worker->socket, &its);
        if (r < 0)
                return r;
        r = sd_event_add_io(worker->event, &worker->source, worker->socket, EPOLLIN, on_answer, worker);
        if (r < 0)
                return r;
        r = spawn(worker, lookups, its);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&worker);
        return 0;
}

int lookup_worker_send(LookupWorker *worker, uint64_t sequence, const char *user, const char *group)
{
        g_autoptr(JsonObject) request = json_object_new();
        int r;

        if (user)
                json_object_set_string_member(request, LOOKUP_USER, user);
        if (group)
                json_object_set_string_member(request, LOOKUP_GROUP, group);
        r = lookup_message_send(worker->socket, MSG_DONTWAIT, sequence, request);
        if (r < 0)
                return r;

        worker->sequence = sequence;
        return 0;
}
