/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "child.h"
#include "cleanup.h"
#include "container.h"
#include "fd-message.h"
#include "fd-util.h"
#include "log.h"
#include "protocol.h"
#include "reap.h"

void exec_session_free(void *userdata)
{
        ExecSession *session = userdata;

        spawn_call_free(session->spawn_call);
        /* one that ended together with its task is still to be reaped */
        if (session->pidfd >= 0)
                reap_child(session->task->manager->service.event, take_fd(&session->pidfd));

        sd_event_source_disable_unref(session->error_source);
        sd_event_source_disable_unref(session->exit_source);
        waiter_list_clear(&session->waiters);
        sd_bus_message_unref(session->message);
        caller_watch_free(session->client);
        container_session_remove(session->task, session->id);
        safe_close(session->pidfd);
        safe_close(session->process_pidfd);
        safe_close(session->error_fd);
        safe_close(session->terminal_fd);
        for (size_t i = 0; i < G_N_ELEMENTS(session->client_fds); i++)
                safe_close(session->client_fds[i]);
        g_free(session->directory);
        if (session->free_userdata)
                session->free_userdata(session->userdata);
        g_free(session);
}

void exec_session_remove(ExecSession *session)
{
        (void) g_ptr_array_remove(session->task->execs, session);
}

ExecSession *exec_session_find(Task *task, uint64_t id)
{
        for (guint i = 0; i < task->execs->len; i++) {
                ExecSession *session = g_ptr_array_index(task->execs, i);

                if (session->id == id)
                        return session;
        }

        return NULL;
}

unsigned exec_sessions_running(const Task *task)
{
        unsigned n = 0;

        for (guint i = 0; i < task->execs->len; i++) {
                const ExecSession *session = g_ptr_array_index(task->execs, i);

                n += session->ended ? 0 : 1;
        }

        return n;
}

/* Whoever has not asked for a status by now will not. */
static void forget_oldest(Task *task)
{
        for (guint i = 0; task->execs->len - exec_sessions_running(task) > EXEC_ENDED_MAX;) {
                const ExecSession *session = g_ptr_array_index(task->execs, i);

                if (session->ended)
                        (void) g_ptr_array_remove_index(task->execs, i);
                else
                        i++;
        }
}

static void tell_started(ExecSession *session)
{
        ExecStarted on_started = g_steal_pointer(&session->on_started);

        on_started(session, session->start_error, session->start_stage, session->userdata);
}

/* Of a container: whose parent is not us, but our child. */
static void take_process(ExecSession *session, int pidfd, int terminal_fd)
{
        session->process_pidfd = pidfd;
        container_session_remove(session->task, session->id);
        if (terminal_fd >= 0) {
                safe_close(session->client_fds[0]);
                session->client_fds[0] = terminal_fd;
        }
}

int exec_session_kill(const ExecSession *session, int signal)
{
        int fd = session->process_pidfd >= 0 ? session->process_pidfd : session->pidfd, r;

        if (session->ended)
                return -ESRCH;

        r = pidfd_kill(fd, signal);
        if (r >= 0 && task_signal_asks_for_end(session->task, signal))
                (void) pidfd_kill(fd, SIGCONT);
        return r;
}

/* What could not become the program is about to end: that is told when it has, and nothing of it is left. */
static void read_start(ExecSession *session)
{
        ChildReport report = { 0 };
        int fds[SESSION_REPORT_FDS_MAX] = { -1, -1 };
        size_t n_fds = G_N_ELEMENTS(fds);
        bool reported = fd_message_receive(session->error_fd, 0, &report, sizeof report, fds, &n_fds) ==
                        sizeof report;

        session->error_source = sd_event_source_disable_unref(session->error_source);
        session->error_fd = safe_close(session->error_fd);
        if (reported && report.error) {
                session->start_error = report.error;
                (void) g_strlcpy(session->start_stage, report.stage, sizeof session->start_stage);
                return;
        }
        if (reported)
                take_process(session, fds[0], fds[1]);
        else if (task_is_container(session->task)) {
                /* it was killed before it could say anything */
                session->start_error = ECHILD;
                (void) g_strlcpy(session->start_stage, STAGE_RUNTIME, sizeof session->start_stage);
                return;
        }
        if (session->cancelled)
                (void) exec_session_kill(session, SIGKILL);
        tell_started(session);
}

static bool is_frozen(const Task *task)
{
        _cleanup_close_ int cgroup_fd = -1, events_fd = -1;
        bool frozen = false;

        if (task_open_cgroup(task, &cgroup_fd) < 0)
                return false;
        events_fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return events_fd >= 0 && cgroup_events_read(events_fd, "frozen", &frozen) >= 0 && frozen;
}

void exec_session_cancel(ExecSession *session)
{
        session->cancelled = true;
        if (session->pidfd < 0)
                exec_session_remove(session);
        /* a runtime that is at work would go on without its parent, and is about to be done */
        else if (!task_is_container(session->task) || is_frozen(session->task))
                (void) pidfd_kill(session->pidfd, SIGKILL);
}

static int on_error_pipe(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        read_start(userdata);
        return 0;
}

static int on_exit_of_process(sd_event_source *source, int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        ExecSession *session = userdata;
        siginfo_t info = { 0 };

        if (session->error_fd >= 0)
                read_start(session);

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        session->ended = true;
        if (waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) {
                log_error("Cannot learn how a session of task '%s' ended", session->task->id);
                session->exit_code = EXEC_CODE_UNKNOWN;
        } else {
                session->exit_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
                session->exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        }
        session->pidfd = safe_close(session->pidfd);
        session->process_pidfd = safe_close(session->process_pidfd);
        session->terminal_fd = safe_close(session->terminal_fd);
        if (session->on_started)
                tell_started(session);
        else
                session->on_ended(session, session->userdata);
        return 0;
}

static int watch(ExecSession *session)
{
        sd_event *event = session->task->manager->service.event;
        int r;

        r = sd_event_add_io(
                        event, &session->error_source, session->error_fd, EPOLLIN, on_error_pipe, session);
        if (r < 0)
                return r;
        r = sd_event_add_io(
                        event, &session->exit_source, session->pidfd, EPOLLIN, on_exit_of_process, session);
        if (r < 0)
                return r;

        /* Now it is known of. One that has been killed already is told of by its pidfd. */
        return send(session->error_fd, "1", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE ? -errno : 0;
}

static void on_spawned(int error, G_GNUC_UNUSED pid_t pid, int pidfd, void *userdata)
{
        ExecSession *session = userdata;
        int r = error;

        if (r >= 0) {
                session->pidfd = pidfd;
                r = watch(session);
                if (r >= 0)
                        return;
                (void) pidfd_kill(session->pidfd, SIGKILL);
        }

        session->exit_source = sd_event_source_disable_unref(session->exit_source);
        session->error_source = sd_event_source_disable_unref(session->error_source);
        session->start_error = -r;
        (void) g_strlcpy(session->start_stage, STAGE_FORK, sizeof session->start_stage);
        session->ended = true;
        tell_started(session);
}

/* RET_STATE_FD: the session's directory, in a container only. */
static int make_block(ExecSession *session, int cgroup_fd, const Program *program, const ExecStdio *stdio,
                GString **ret_block, int *ret_state_fd)
{
        if (task_is_container(session->task))
                return container_session_create(session->task, session->id, program, stdio, cgroup_fd,
                                ret_block, ret_state_fd);

        *ret_block = program_launch_block(session->task, program);
        launch_block_add(*ret_block, LAUNCH_TERMINAL, "%d", stdio->terminal);
        return 0;
}

static int start_process(ExecSession *session, int cgroup_fd, const Program *program, const ExecStdio *stdio)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1, launch_fd = -1, state_fd = -1;
        g_autoptr(GString) block = NULL;
        Spawn spawn;
        int r;

        r = fd_make_socket_pair(&read_fd, &write_fd);
        if (r < 0)
                return r;
        r = make_block(session, cgroup_fd, program, stdio, &block, &state_fd);
        if (r < 0)
                return r;
        r = program_launch_fd(block, &launch_fd);
        if (r < 0)
                return r;

        spawn = (Spawn){
                .kind = task_is_container(session->task) ? SPAWN_CONTAINER_PROCESS : SPAWN_PROCESS,
                .name = session->task->label,
                .fds = { stdio->fds[0], stdio->fds[1],
                                stdio->fds[2], [SUPERVISOR_LAUNCH_FD] = launch_fd, [SUPERVISOR_GATE_FD] = -1,
                                [SESSION_REPORT_FD] = write_fd, [SUPERVISOR_STATE_FD] = state_fd },
                .cgroup_fd = cgroup_fd,
        };
        r = spawner_spawn(
                        &session->task->manager->spawner, &spawn, on_spawned, session, &session->spawn_call);
        if (r < 0)
                return r;

        session->error_fd = take_fd(&read_fd);
        return 0;
}

static uint64_t random_id(Task *task)
{
        uint64_t id = 0;

        while (id == 0 || exec_session_find(task, id))
                if (getrandom(&id, sizeof id, 0) < 0)
                        id = (uint64_t) g_get_real_time();

        return id;
}

int exec_session_start(Task *task, int cgroup_fd, const Program *program, const ExecStdio *stdio,
                ExecStarted on_started, ExecEnded on_ended, void *userdata, ExecSession **ret)
{
        ExecSession *session = g_new(ExecSession, 1);
        int r;

        *session = (ExecSession){
                .task = task,
                .id = random_id(task),
                .pidfd = -1,
                .process_pidfd = -1,
                .error_fd = -1,
                .on_started = on_started,
                .on_ended = on_ended,
                .userdata = userdata,
                .terminal_fd = -1,
                .client_fds = { -1, -1, -1 },
                .terminal = stdio->terminal,
                .directory = g_strdup(program->directory),
        };
        waiter_list_init(&session->waiters, &task->manager->callers);

        r = start_process(session, cgroup_fd, program, stdio);
        if (r < 0) {
                exec_session_free(session);
                return r;
        }

        forget_oldest(task);
        g_ptr_array_add(task->execs, session);
        *ret = session;
        return 0;
}
