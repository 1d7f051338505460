/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "fd-message.h"
#include "fd-util.h"
#include "log.h"
#include "process.h"

#define PROGRAM_NAME "nomad-supervisor"

/* Out of the way of the numbers that the spawner has its descriptors by. */
static int move_up(int *fd)
{
        int moved;

        moved = fcntl(*fd, F_DUPFD_CLOEXEC, SPAWNER_SOCKET_FD + 1);
        if (moved < 0)
                return -errno;

        safe_close(*fd);
        *fd = moved;
        return 0;
}

/* Beside our own executable, in the build folder as where it is installed. Held open, it stays ours when the file is
 * replaced. */
static int open_program(int *ret)
{
        g_autofree char *directory = NULL, *path = NULL;
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        _cleanup_close_ int fd = -1;
        int r;

        if (!self)
                return log_errno(LOG_ERR, -ENOENT, "Cannot find our own program");

        directory = g_path_get_dirname(self);
        path = g_build_filename(directory, PROGRAM_NAME, NULL);
        fd = open(path, O_PATH | O_CLOEXEC);
        r = fd < 0 ? -errno : move_up(&fd);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot open %s", path);

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

static void stop(Spawner *spawner)
{
        siginfo_t info;

        spawner->death_source = sd_event_source_disable_unref(spawner->death_source);
        spawner->socket = safe_close(spawner->socket);
        if (spawner->pidfd >= 0) {
                (void) pidfd_kill(spawner->pidfd, SIGKILL);
                (void) waitid(P_PIDFD, (id_t) spawner->pidfd, &info, WEXITED);
        }
        spawner->pidfd = safe_close(spawner->pidfd);
}

static int on_death(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Spawner *spawner = userdata;
        siginfo_t info = { 0 };

        (void) waitid(P_PIDFD, (id_t) spawner->pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
        log_warning("nomad-spawner has died (%s %d), the next spawn starts another",
                        info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
        stop(spawner);
        return 0;
}

/* Our child, not yet waited for: the pid cannot be anybody else's. */
static int open_child(pid_t pid, int *ret_pidfd)
{
        int fd, r;

        fd = pidfd_open(pid, 0);
        if (fd < 0) {
                r = -errno;
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                return r;
        }

        *ret_pidfd = fd;
        return 0;
}

static int start(Spawner *spawner)
{
        _cleanup_close_ int ours = -1, its = -1, null_fd = -1;
        pid_t pid;
        int r;

        null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (null_fd < 0)
                return -errno;
        r = move_up(&null_fd);
        if (r < 0)
                return r;
        r = fd_make_socket_pair(&ours, &its);
        if (r >= 0)
                r = move_up(&its);
        if (r >= 0)
                r = execute(spawner, null_fd, its, &pid);
        if (r >= 0)
                r = open_child(pid, &spawner->pidfd);
        if (r < 0)
                return r;

        spawner->socket = take_fd(&ours);
        r = sd_event_add_io(
                        spawner->event, &spawner->death_source, spawner->pidfd, EPOLLIN, on_death, spawner);
        if (r < 0)
                stop(spawner);
        return r;
}

int spawner_init(Spawner *spawner, sd_event *event)
{
        int r;

        *spawner = SPAWNER_NULL;
        spawner->event = sd_event_ref(event);
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
        spawner->event = sd_event_unref(spawner->event);
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

        request.n_fds = n;
        return fd_message_send(spawner->socket, MSG_DONTWAIT, &request, sizeof request, fds, n);
}

/* Looks at the process too: a child that is frozen before its first step holds the spawner's end of the socket open. */
static pid_t receive_reply(const Spawner *spawner)
{
        struct pollfd fds[] = {
                { .fd = spawner->socket, .events = POLLIN },
                { .fd = spawner->pidfd, .events = POLLIN },
        };
        SpawnReply reply;
        int n;

        do
                n = poll(fds, G_N_ELEMENTS(fds), SPAWNER_TIMEOUT_MSEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ETIMEDOUT;

        return recv(spawner->socket, &reply, sizeof reply, MSG_DONTWAIT) == sizeof reply ? reply.pid
                                                                                         : -EPIPE;
}

static pid_t request_child(Spawner *spawner, const Spawn *spawn)
{
        pid_t pid;
        int r;

        r = spawner->socket < 0 ? -EPIPE : send_request(spawner, spawn);
        if (r == -EPIPE || r == -ECONNRESET) {
                stop(spawner);
                r = start(spawner);
                if (r >= 0)
                        r = send_request(spawner, spawn);
        }
        if (r < 0)
                return r;

        pid = receive_reply(spawner);
        /* Whether there is a child by now is not known, so that none is asked for again. One that finds everything closed ends, and
         * is not waited for until we end. */
        if (pid == -ETIMEDOUT || pid == -EPIPE)
                stop(spawner);
        return pid;
}

int spawner_spawn(Spawner *spawner, const Spawn *spawn, pid_t *ret_pid, int *ret_pidfd)
{
        pid_t pid;
        int r;

        pid = request_child(spawner, spawn);
        if (pid < 0)
                return pid;

        r = open_child(pid, ret_pidfd);
        if (r < 0)
                return r;

        *ret_pid = pid;
        return 0;
}
