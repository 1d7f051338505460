/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawner.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "fd-message.h"
#include "fd-util.h"
#include "log.h"
#include "process.h"
#include "reap.h"
#include "spawn-call.h"

#define PROGRAM_NAME "nomad-supervisor"

/* How long the end of this service waits for that of the spawner. */
#define SPAWNER_END_TIMEOUT_MSEC 1000

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

int spawner_open_program(const char *name, int *ret)
{
        g_autofree char *directory = NULL, *path = NULL;
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        _cleanup_close_ int fd = -1;
        int r;

        if (!self)
                return log_errno(LOG_ERR, -ENOENT, "Cannot find our own program");

        directory = g_path_get_dirname(self);
        path = g_build_filename(directory, name, NULL);
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

/* What is left of a spawner goes; its calls stay. */
static void stop(Spawner *spawner)
{
        spawner->death_source = sd_event_source_disable_unref(spawner->death_source);
        spawner->reply_source = sd_event_source_disable_unref(spawner->reply_source);
        spawner->silence_source = sd_event_source_disable_unref(spawner->silence_source);
        spawner->socket = safe_close(spawner->socket);
        if (spawner->pidfd >= 0)
                kill_and_reap_child(spawner->event, take_fd(&spawner->pidfd));
}

static int await_answer(Spawner *spawner)
{
        if (spawner->n_in_flight == 0)
                return sd_event_source_set_enabled(spawner->silence_source, SD_EVENT_OFF);

        (void) sd_event_source_set_time_relative(spawner->silence_source, SPAWNER_TIMEOUT_USEC);
        return sd_event_source_set_enabled(spawner->silence_source, SD_EVENT_ONESHOT);
}

static int send_request(Spawner *spawner, SpawnCall *call)
{
        SpawnRequest request = {
                .sequence = spawner->last_sequence + 1,
                .kind = call->kind,
                .n_fds = call->n_fds,
        };
        int r;

        (void) g_strlcpy(request.name, call->name, sizeof request.name);
        (void) memcpy(request.numbers, call->numbers, sizeof request.numbers);
        r = fd_message_send(spawner->socket, MSG_DONTWAIT, &request, sizeof request, call->fds, call->n_fds);
        if (r < 0)
                return r;

        call->sequence = spawner->last_sequence = request.sequence;
        spawner->n_in_flight++;
        return spawner->n_in_flight == 1 ? await_answer(spawner) : 0;
}

/* Whether a call that could not be sent is sent later: there is an answer, or the spawner's death, still to
 * come. */
static bool is_sent_later(const Spawner *spawner, int r)
{
        return r == -EPIPE || r == -ECONNRESET || (r == -EAGAIN && spawner->n_in_flight > 0);
}

static int start(Spawner *spawner);

/* To another spawner if there is none. */
static int send_call(Spawner *spawner, SpawnCall *call)
{
        int r;

        if (spawner->socket < 0) {
                r = start(spawner);
                if (r < 0)
                        return r;
        }

        return send_request(spawner, call);
}

/* The next one whose turn it is; NULL when there is none, or the spawner has enough for now. */
static SpawnCall *next_call(Spawner *spawner)
{
        return spawner->n_in_flight < SPAWNER_IN_FLIGHT_MAX
                        ? g_queue_peek_nth(&spawner->calls, spawner->n_in_flight)
                        : NULL;
}

static void send_waiting(Spawner *spawner)
{
        SpawnCall *call;
        int r;

        while ((call = next_call(spawner))) {
                r = send_call(spawner, call);
                if (r >= 0)
                        continue;
                if (is_sent_later(spawner, r))
                        return;

                (void) g_queue_remove(&spawner->calls, call);
                spawn_call_complete(call, r, 0, -1);
        }
}

/* It is gone, or will be: whether the child of the oldest call exists is not known, so that it is not asked
 * for again. A call behind that one has not been looked at, and is sent to the next spawner if somebody
 * still waits for it. */
static void replace(Spawner *spawner, int error)
{
        SpawnCall *oldest = spawner->n_in_flight > 0 ? g_queue_pop_head(&spawner->calls) : NULL;

        for (GList *l = spawner->calls.head, *next; l; l = next) {
                SpawnCall *call = l->data;

                next = l->next;
                call->sequence = 0;
                if (!call->handler) {
                        g_queue_delete_link(&spawner->calls, l);
                        spawn_call_destroy(call);
                }
        }
        spawner->n_in_flight = 0;
        stop(spawner);
        if (oldest)
                spawn_call_complete(oldest, error, 0, -1);
        send_waiting(spawner);
}

static int on_silence(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        log_warning("nomad-spawner has not answered for %u s, and is replaced",
                        (unsigned) (SPAWNER_TIMEOUT_USEC / G_TIME_SPAN_SECOND));
        replace(userdata, -ETIMEDOUT);
        return 0;
}

/* Returns 1 when there was an answer, 0 when there is none yet, -EPIPE at the end, -EBADMSG for something
 * else. */
static int read_answer(Spawner *spawner)
{
        SpawnCall *call = g_queue_peek_head(&spawner->calls);
        SpawnReply reply;
        ssize_t n;

        n = recv(spawner->socket, &reply, sizeof reply, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                return -EPIPE;
        if (n != sizeof reply || spawner->n_in_flight == 0 || reply.sequence != call->sequence)
                return -EBADMSG;

        (void) g_queue_pop_head(&spawner->calls);
        spawner->n_in_flight--;
        (void) await_answer(spawner);
        if (reply.error)
                spawn_call_complete(call, -reply.error, 0, -1);
        else
                spawn_call_complete_with_child(call, reply.pid);
        return 1;
}

static int on_answer(
                sd_event_source *source, G_GNUC_UNUSED int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Spawner *spawner = userdata;
        int r;

        r = read_answer(spawner);
        if (r == -EBADMSG) {
                log_error("nomad-spawner gave an answer to something else, and is replaced");
                replace(spawner, r);
        } else if (r < 0)
                /* its death is about to be heard of */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        else
                send_waiting(spawner);
        return 0;
}

static int on_death(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Spawner *spawner = userdata;
        siginfo_t info = { 0 };

        (void) waitid(P_PIDFD, (id_t) spawner->pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
        log_warning("nomad-spawner has died (%s %d), the next spawn starts another",
                        info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);

        /* what it answered before counts; a handler may have asked for more meanwhile */
        while (spawner->socket >= 0 && read_answer(spawner) > 0)
                ;
        replace(spawner, -EPIPE);
        return 0;
}

static int watch(Spawner *spawner)
{
        int r;

        r = sd_event_add_io(
                        spawner->event, &spawner->death_source, spawner->pidfd, EPOLLIN, on_death, spawner);
        if (r < 0)
                return r;
        r = sd_event_add_io(spawner->event, &spawner->reply_source, spawner->socket, EPOLLIN, on_answer,
                        spawner);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(spawner->event, &spawner->silence_source, CLOCK_MONOTONIC,
                        SPAWNER_TIMEOUT_USEC, 0, on_silence, spawner);
        return r < 0 ? r : sd_event_source_set_enabled(spawner->silence_source, SD_EVENT_OFF);
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
        if (r < 0)
                return r;
        r = move_up(&its);
        if (r < 0)
                return r;
        r = execute(spawner, null_fd, its, &pid);
        if (r < 0)
                return r;

        spawner->socket = take_fd(&ours);
        spawner->pidfd = pidfd_open(pid, 0);
        r = spawner->pidfd < 0 ? -errno : watch(spawner);
        if (r < 0)
                /* without a pidfd it ends with its socket, and stays a zombie until we end */
                stop(spawner);
        return r;
}

int spawner_init(Spawner *spawner, sd_event *event)
{
        int r;

        *spawner = SPAWNER_NULL;
        spawner->event = sd_event_ref(event);
        r = spawner_open_program(PROGRAM_NAME, &spawner->program_fd);
        if (r < 0)
                return r;
        r = start(spawner);
        return r < 0 ? log_errno(LOG_ERR, r, "Cannot start " PROGRAM_NAME) : 0;
}

/* Out of the loop by now. It has no work of its own, so that it ends at once. */
static void await_end(int pidfd)
{
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
        siginfo_t info;

        (void) pidfd_kill(pidfd, SIGKILL);
        (void) poll(&poll_fd, 1, SPAWNER_END_TIMEOUT_MSEC);
        (void) waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG);
        safe_close(pidfd);
}

void spawner_clear(Spawner *spawner)
{
        int pidfd = take_fd(&spawner->pidfd);

        stop(spawner);
        if (pidfd >= 0)
                await_end(pidfd);
        g_queue_clear_full(&spawner->calls, (GDestroyNotify) spawn_call_destroy);
        safe_closep(&spawner->program_fd);
        spawner->event = sd_event_unref(spawner->event);
}

int spawner_spawn(
                Spawner *spawner, const Spawn *spawn, SpawnHandler handler, void *userdata, SpawnCall **ret)
{
        SpawnCall *call = NULL;
        int r;

        r = spawn_call_new(spawner, spawn, handler, userdata, ret, &call);
        if (r < 0)
                return r;
        g_assert(call);

        g_queue_push_tail(&spawner->calls, call);
        r = next_call(spawner) == call ? send_call(spawner, call) : 0;
        if (r < 0 && !is_sent_later(spawner, r)) {
                (void) g_queue_pop_tail(&spawner->calls);
                spawn_call_destroy(call);
                return r;
        }

        if (ret)
                *ret = call;
        return 0;
}
