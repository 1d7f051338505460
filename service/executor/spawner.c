/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "fd-message.h"
#include "fd-util.h"
#include "log.h"

#define PROGRAM_NAME "nomad-supervisor"

/* Beside our own executable, in the build folder as where it is installed. Held open, it stays ours when the file is
 * replaced. */
static int open_program(int *ret)
{
        g_autofree char *directory = NULL, *path = NULL;
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        _cleanup_close_ int fd = -1;
        int r;

        if (!self)
                return -ENOENT;

        directory = g_path_get_dirname(self);
        path = g_build_filename(directory, PROGRAM_NAME, NULL);
        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return log_errno(LOG_ERR, -errno, "Cannot open %s", path);
        r = fd_move_up(&fd);
        if (r < 0)
                return r;

        *ret = take_fd(&fd);
        return 0;
}

static int execute(const Spawner *spawner, int null_fd, int socket, pid_t *ret)
{
        g_autofree char *program = g_strdup_printf("/proc/self/fd/%d", spawner->program_fd);
        g_autofree char *name = g_strdup(PROGRAM_NAME);
        /* where it and its children write their names and the tasks' */
        g_autofree char *room = g_strnfill(SPAWN_NAME_SIZE, ' ');
        char *argv[] = { name, room, NULL }, *environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        int r;

        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        for (int i = 0; r >= 0 && i < SPAWNER_SOCKET_FD; i++)
                r = -posix_spawn_file_actions_adddup2(&actions, null_fd, i);
        if (r >= 0)
                r = -posix_spawn_file_actions_adddup2(&actions, socket, SPAWNER_SOCKET_FD);
        if (r >= 0)
                r = -posix_spawn(ret, program, &actions, NULL, argv, environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

static int start(Spawner *spawner)
{
        const struct timeval timeout = { .tv_sec = SPAWNER_TIMEOUT_SEC };
        _cleanup_close_ int ours = -1, its = -1, null_fd = -1;
        int r;

        null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (null_fd < 0)
                return -errno;
        r = fd_move_up(&null_fd);
        if (r < 0)
                return r;
        r = fd_make_socket_pair(&ours, &its);
        if (r < 0)
                return r;
        if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
                return -errno;
        r = execute(spawner, null_fd, its, &spawner->pid);
        if (r < 0)
                return r;

        spawner->socket = take_fd(&ours);
        return 0;
}

static void stop(Spawner *spawner)
{
        spawner->socket = safe_close(spawner->socket);
        if (spawner->pid <= 0)
                return;

        (void) kill(spawner->pid, SIGKILL);
        (void) waitpid(spawner->pid, NULL, 0);
        spawner->pid = 0;
}

int spawner_init(Spawner *spawner)
{
        int r;

        *spawner = SPAWNER_NULL;
        r = open_program(&spawner->program_fd);
        if (r < 0)
                return r;
        r = start(spawner);
        return r < 0 ? log_errno(LOG_ERR, r, "Cannot start " PROGRAM_NAME) : 0;
}

void spawner_clear(Spawner *spawner)
{
        stop(spawner);
        safe_closep(&spawner->program_fd);
}

static int send_request(const Spawner *spawner, const Spawn *spawn)
{
        SpawnRequest request = { .kind = spawn->kind };
        int fds[SPAWN_FDS_MAX];
        size_t n = 0;

        (void) g_strlcpy(request.name, spawn->name, sizeof request.name);
        for (int i = 0; i < (int) G_N_ELEMENTS(spawn->fds); i++)
                if (spawn->fds[i] >= 0) {
                        request.numbers[n] = i;
                        fds[n++] = spawn->fds[i];
                }
        if (spawn->cgroup_fd >= 0) {
                request.numbers[n] = SPAWN_FD_CGROUP;
                fds[n++] = spawn->cgroup_fd;
        }

        return fd_message_send(spawner->socket, MSG_DONTWAIT, &request, sizeof request, fds, n);
}

static pid_t request_child(Spawner *spawner, const Spawn *spawn)
{
        SpawnReply reply;
        ssize_t n;
        int r;

        r = spawner->socket < 0 ? -EPIPE : send_request(spawner, spawn);
        if (r == -EPIPE || r == -ECONNRESET) {
                log_warning("nomad-spawner has died, starting another");
                stop(spawner);
                r = start(spawner);
                if (r >= 0)
                        r = send_request(spawner, spawn);
        }
        if (r < 0)
                return r;

        /* with a timeout SIGCONT interrupts it */
        do
                n = recv(spawner->socket, &reply, sizeof reply, 0);
        while (n < 0 && errno == EINTR);
        if (n != sizeof reply) {
                /* whether there is a child by now is not known: a supervisor that finds its gate closed ends */
                r = n < 0 ? -errno : -EPIPE;
                stop(spawner);
                return r == -EAGAIN ? -ETIMEDOUT : r;
        }

        return reply.pid;
}

int spawner_spawn(Spawner *spawner, const Spawn *spawn, pid_t *ret_pid, int *ret_pidfd)
{
        pid_t pid;
        int r;

        pid = request_child(spawner, spawn);
        if (pid < 0)
                return pid;

        /* our child, not yet waited for: the pid cannot be anybody else's */
        *ret_pidfd = pidfd_open(pid, 0);
        if (*ret_pidfd < 0) {
                r = -errno;
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                return r;
        }

        *ret_pid = pid;
        return 0;
}
