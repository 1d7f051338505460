/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "bus-error.h"
#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "exec-dbus.h"
#include "exec.h"
#include "fd-util.h"
#include "log.h"

#define READ_SIZE 16384U

/* A check that is over time is killed again after that: what was there may have been too much for one
 * pass. */
#define KILL_AGAIN_USEC UINT64_C(1000000)

/* A whole pipe of the size that unprivileged users may set. */
#define READS_MAX 64U

/* One call of Run: a check in a cgroup of its own below the task's, so that all that it started can be ended
 * with it. */
typedef struct Run {
        Task *task;
        ExecSession *session;
        sd_bus_message *message;
        CallerWatch *caller;
        char *command;
        char *cgroup_name;
        int parent_fd; /* the task's cgroup */
        int cgroup_fd;
        int events_fd;
        int output_fd;
        sd_event_source *events_source;
        sd_event_source *output_source;
        sd_event_source *deadline_source;
        GByteArray *output; /* its end is what counts */
        bool timed_out, truncated;
        bool abandoned; /* by its caller */
} Run;

static void remove_cgroup(Run *run)
{
        if (run->cgroup_fd < 0)
                return;

        (void) cgroup_kill(run->cgroup_fd);
        (void) unlinkat(run->parent_fd, run->cgroup_name, AT_REMOVEDIR);
        run->cgroup_fd = safe_close(run->cgroup_fd);
}

/* Its program by pidfd too, since it may have left its cgroup. */
static void kill_check(const Run *run)
{
        if (run->session)
                (void) exec_session_kill(run->session, SIGKILL);
        (void) cgroup_kill(run->cgroup_fd);
}

static void run_free(void *userdata)
{
        Run *run = userdata;

        if (run->message)
                (void) sd_bus_reply_method_errorf(
                                run->message, BUS_ERROR_NOT_RUNNING, "Task '%s' is gone", run->task->id);
        sd_event_source_disable_unref(run->events_source);
        sd_event_source_disable_unref(run->output_source);
        sd_event_source_disable_unref(run->deadline_source);
        remove_cgroup(run);
        safe_close(run->parent_fd);
        safe_close(run->events_fd);
        safe_close(run->output_fd);
        caller_watch_free(run->caller);
        sd_bus_message_unref(run->message);
        g_byte_array_unref(run->output);
        g_free(run->cgroup_name);
        g_free(run->command);
        g_free(run);
}

static Run *run_new(Task *task, sd_bus_message *m, const char *command)
{
        Run *run = g_new(Run, 1);

        *run = (Run){
                .task = task,
                .message = sd_bus_message_ref(m),
                .command = g_strdup(command),
                .parent_fd = -1,
                .cgroup_fd = -1,
                .events_fd = -1,
                .output_fd = -1,
                .output = g_byte_array_new(),
        };
        return run;
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Run, run_free)

static int make_cgroup(Run *run)
{
        int r;

        r = task_open_cgroup(run->task, &run->parent_fd);
        if (r < 0)
                return r;
        r = container_session_cgroup(run->task, &run->parent_fd);
        if (r < 0)
                return r;

        run->cgroup_name = g_strdup_printf("run-%08x%08x", g_random_int(), g_random_int());
        if (mkdirat(run->parent_fd, run->cgroup_name, 0755) < 0)
                return -errno;
        run->cgroup_fd = openat(run->parent_fd, run->cgroup_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (run->cgroup_fd < 0)
                return -errno;
        run->events_fd = openat(run->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return run->events_fd < 0 ? -errno : 0;
}

/* Keeps twice what is asked for at most, so that the end is moved to the front once in a while only. */
static void keep(Run *run, const void *data, size_t size)
{
        guint max = run->task->spec.run_output_max;

        g_byte_array_append(run->output, data, (guint) size);
        if (run->output->len > 2 * max) {
                g_byte_array_remove_range(run->output, 0, run->output->len - max);
                run->truncated = true;
        }
}

static int reply(Run *run)
{
        g_autoptr(sd_bus_message) m = NULL;
        guint max = run->task->spec.run_output_max;
        guint excess = run->output->len > max ? run->output->len - max : 0;
        int r;

        r = sd_bus_message_new_method_return(run->message, &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "iibb", run->session->exit_code, run->session->exit_signal,
                        run->timed_out, run->truncated || excess > 0);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 'y', run->output->data + excess, run->output->len - excess);
        if (r < 0)
                return r;

        return sd_bus_message_send(m);
}

/* Also makes the descriptor that is polled wait for the next change. */
static bool is_empty(const Run *run)
{
        bool populated = false;

        if (cgroup_events_read(run->events_fd, "populated", &populated) >= 0)
                return !populated;

        /* with its task the cgroup is gone, and would be ready for ever */
        if (run->events_source)
                (void) sd_event_source_set_enabled(run->events_source, SD_EVENT_OFF);
        return true;
}

/* Who is left to write is none of the check. */
static void read_rest(Run *run)
{
        char data[READ_SIZE];
        ssize_t n;

        if (run->output_fd < 0)
                return;

        for (unsigned i = 0; i < READS_MAX && (n = read(run->output_fd, data, sizeof data)) > 0; i++)
                keep(run, data, (size_t) n);
        run->output_source = sd_event_source_disable_unref(run->output_source);
        run->output_fd = safe_close(run->output_fd);
}

static void finish_when_complete(Run *run)
{
        bool empty = is_empty(run);
        int r;

        if (!run->session->ended || !empty)
                return;

        read_rest(run);

        /* first, so that nothing of it is to be seen by whoever has the answer */
        remove_cgroup(run);
        r = reply(run);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot answer Run for task '%s'", run->task->id);
        run->message = sd_bus_message_unref(run->message);
        exec_session_remove(run->session);
}

static int on_output(
                G_GNUC_UNUSED sd_event_source *source, int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        char data[READ_SIZE];
        Run *run = userdata;
        ssize_t n;

        n = read(fd, data, sizeof data);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                keep(run, data, (size_t) n);
                return 0;
        }

        run->output_source = sd_event_source_disable_unref(run->output_source);
        run->output_fd = safe_close(run->output_fd);
        finish_when_complete(run);
        return 0;
}

static int on_events(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Run *run = userdata;

        finish_when_complete(run);
        return 0;
}

static int on_deadline(sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Run *run = userdata;

        run->timed_out = true;
        kill_check(run);
        /* until all of it is gone, and this with it */
        (void) sd_event_source_set_time_relative(source, KILL_AGAIN_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Nobody is left to be told. */
static void on_caller_gone(void *userdata)
{
        Run *run = userdata;

        run->abandoned = true;
        kill_check(run);
}

static void on_started(ExecSession *session, int error, const char *stage, void *userdata)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        Run *run = userdata;

        if (!error) {
                /* it was not there yet when the others were killed */
                if (run->timed_out || run->abandoned)
                        kill_check(run);
                return;
        }

        exec_set_start_error(session, run->command, error, stage, &failure);
        (void) sd_bus_reply_method_error(run->message, &failure);
        run->message = sd_bus_message_unref(run->message);
        exec_session_remove(session);
}

static void on_ended(G_GNUC_UNUSED ExecSession *session, void *userdata)
{
        Run *run = userdata;

        /* what the check left behind would hold its output open */
        (void) cgroup_kill(run->cgroup_fd);
        finish_when_complete(run);
}

static int make_output(Run *run, uid_t uid, int *ret_write_fd)
{
        int r;

        r = fd_make_output_pipe(uid, &run->output_fd, ret_write_fd);
        if (r < 0)
                return r;

        return fcntl(run->output_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(Run *run, const Program *program, int output_fd)
{
        ExecStdio stdio = { .fds = { -1, output_fd, output_fd } };

        return exec_session_start(run->task, run->cgroup_fd, program, &stdio, on_started, on_ended, run,
                        &run->session);
}

static int watch(Run *run, uint64_t timeout_usec)
{
        sd_event *event = run->task->manager->service.event;
        int r;

        r = sd_event_add_io(event, &run->output_source, run->output_fd, EPOLLIN, on_output, run);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &run->events_source, run->events_fd, EPOLLPRI, on_events, run);
        if (r < 0)
                return r;
        run->caller = caller_watch_new(&run->task->manager->callers, run->message, on_caller_gone, run);
        /* what does not fit behind the present is later than anybody lives to see */
        if (timeout_usec == 0 || timeout_usec >= UINT64_MAX - (uint64_t) g_get_monotonic_time())
                return 0;

        return sd_event_add_time_relative(
                        event, &run->deadline_source, CLOCK_MONOTONIC, timeout_usec, 1, on_deadline, run);
}

int run_method_run(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_close_ int output_fd = -1;
        g_autofree char *command = NULL;
        g_auto(GStrv) argv = NULL;
        g_autoptr(Run) run = NULL;
        Task *task = userdata;
        uint64_t timeout_usec;
        Program program;
        int r;

        r = exec_read_program(m, task, &argv, error);
        if (r < 0)
                return r;
        g_assert(argv);
        r = sd_bus_message_read(m, "t", &timeout_usec);
        if (r < 0)
                return r;

        program = program_of_task(task);
        program.command = argv[0];
        program.arguments = argv + 1;
        r = task_is_container(task) ? container_find_program(task, NULL, &program, &command, NULL, error)
                                    : 0;
        if (r < 0)
                return r;
        run = run_new(task, m, argv[0]);
        r = make_cgroup(run);
        if (r >= 0)
                r = make_output(run, program.credentials->uid, &output_fd);
        if (r >= 0)
                r = watch(run, timeout_usec);
        /* last, so that what has been started is looked after */
        if (r >= 0)
                r = start(run, &program, output_fd);
        if (r < 0) {
                run->message = sd_bus_message_unref(run->message);
                return sd_bus_error_set_errnof(
                                error, r, "Cannot start a check of task '%s': %s", task->id, g_strerror(-r));
        }

        /* the session owns it from now on */
        run->session->free_userdata = run_free;
        run = NULL;
        return 1;
}
