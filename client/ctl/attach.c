/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "format.h"
#include "terminal.h"

#define ESCAPE_KEY   0x1d /* ^] */
#define ESCAPE_TIMES 3U

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

int attach_init(Attach *attach, Ctl *ctl)
{
        sigset_t mask;
        int r;

        *attach = (Attach){ .ctl = ctl, .terminal_fd = -1 };
        (void) sigemptyset(&mask);
        for (size_t i = 0; i < G_N_ELEMENTS(passed_on); i++)
                (void) sigaddset(&mask, passed_on[i]);
        (void) sigaddset(&mask, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_default(&attach->event);
        if (r < 0)
                return r;
        return nx_connection_attach_event(ctl->connection, attach->event, SD_EVENT_PRIORITY_NORMAL);
}

void attach_clear(Attach *attach)
{
        for (size_t i = 0; i < G_N_ELEMENTS(attach->copies); i++)
                copy_free(attach->copies[i]);
        copy_free(attach->input);
        nx_wait_free(attach->wait);
        if (attach->terminal_fd >= 0)
                (void) close(attach->terminal_fd);
        if (attach->event)
                (void) nx_connection_detach_event(attach->ctl->connection);
        sd_event_unref(attach->event);
        terminal_restore();
}

int attach_exit_status(const Ctl *ctl, const char *id, const nx_exit *exit)
{
        if (strcmp(exit->result, "lost") == 0)
                return ctl_fail_text(ctl, STATUS_PASS_FAILED,
                                "'%s' has ended, and nobody was there to learn how; its supervisor was killed",
                                id);
        if (strcmp(exit->result, "oom-kill") == 0)
                return ctl_fail_text(ctl, exit->exit_code, "'%s' was killed because memory ran out", id);
        if (strcmp(exit->result, "timeout") == 0)
                return ctl_fail_text(ctl, exit->exit_code > 0 ? exit->exit_code : STATUS_FAILED,
                                "'%s' was stopped because its RuntimeMaxUSec was over", id);

        return exit->exit_code;
}

/* A terminal sends its signals to all processes in the foreground; anybody else means the one. */
static const char *whom_for(int number)
{
        return (number == SIGINT || number == SIGQUIT) && isatty(STDIN_FILENO) ? "all" : "main";
}

static void pass_on(Attach *attach, int number)
{
        g_autofree char *name = g_strdup_printf("%d", number);
        g_autoptr(nx_error) error = NULL;

        if (nx_task_kill(attach->task, whom_for(number), name, &error) < 0 &&
                        nx_error_get_code(error) != NX_ERROR_NOT_RUNNING)
                (void) ctl_fail(attach->ctl, error);
}

static int on_signal(
                G_GNUC_UNUSED sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        pass_on(userdata, (int) info->ssi_signo);
        return 0;
}

static void set_size(const Attach *attach)
{
        TerminalSize size;
        struct winsize window = { 0 };

        if (!terminal_size(&size))
                return;
        window.ws_row = size.rows;
        window.ws_col = size.columns;
        (void) ioctl(attach->terminal_fd, TIOCSWINSZ, &window);
}

static int on_resize(G_GNUC_UNUSED sd_event_source *source,
                G_GNUC_UNUSED const struct signalfd_siginfo *info, void *userdata)
{
        const Attach *attach = userdata;

        if (attach->terminal_fd >= 0)
                set_size(attach);
        return 0;
}

static int add_signals(Attach *attach)
{
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(passed_on); i++) {
                r = sd_event_add_signal(attach->event, NULL, passed_on[i], on_signal, attach);
                if (r < 0)
                        return r;
        }

        return sd_event_add_signal(attach->event, NULL, SIGWINCH, on_resize, attach);
}

/* All that is awaited: the end of the task, and of its output. A terminal has no other end than that of the
 * task. */
static void end_if_complete(Attach *attach)
{
        if (!attach->has_ended)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(attach->copies); i++) {
                if (attach->copies[i] && attach->terminal_fd >= 0)
                        copy_drain(attach->copies[i]);
                if (attach->copies[i] && !copy_is_done(attach->copies[i]))
                        return;
        }

        attach->is_over = true;
}

static void on_end(nx_task *task, const nx_exit *exit, const nx_error *error, void *userdata)
{
        Attach *attach = userdata;

        if (error) {
                attach->status = ctl_fail(attach->ctl, error);
                attach->is_over = true;
                return;
        }

        (void) task;
        attach->exit = *exit;
        attach->has_ended = true;
        end_if_complete(attach);
}

/* A local program would get SIGPIPE for its next word. */
static void on_output_done(G_GNUC_UNUSED Copy *copy, int r, void *userdata)
{
        Attach *attach = userdata;

        if (r == -EPIPE && attach->task && !attach->has_ended)
                pass_on(attach, SIGPIPE);
        else if (r < 0 && r != -EPIPE)
                (void) ctl_fail_text(
                                attach->ctl, 0, "Cannot pass the output of the task on: %s", g_strerror(-r));
        end_if_complete(attach);
}

int attach_logs(Attach *attach, nx_task *task, const LogStart *start)
{
        static const char *const streams[] = { "stdout", "stderr" };

        for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
                g_autoptr(nx_error) error = NULL;
                int fd, r;

                r = nx_task_open_log(
                                task, streams[i], NX_LOG_FOLLOW | start->flags, start->n[i], &fd, &error);
                if (r < 0 && nx_error_get_code(error) == NX_ERROR_LOG_FAILED)
                        continue;
                if (r < 0) {
                        attach->status = ctl_fail(attach->ctl, error);
                        return r;
                }
                r = copy_new(attach->event, fd, i == 0 ? STDOUT_FILENO : STDERR_FILENO, COPY_TAKES_IN,
                                on_output_done, attach, attach->copies + i);
                if (r < 0) {
                        (void) close(fd);
                        return r;
                }
        }

        return 0;
}

int attach_streams(Attach *attach, int fds[3])
{
        int r;

        for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
                if (fds[i] < 0)
                        continue;
                r = copy_new(attach->event, fds[i], i, COPY_TAKES_IN, on_output_done, attach,
                                attach->copies + i - 1);
                if (r < 0)
                        return r;
                fds[i] = -1;
        }
        if (fds[STDIN_FILENO] < 0)
                return 0;

        r = copy_new(attach->event, STDIN_FILENO, fds[STDIN_FILENO], COPY_TAKES_OUT, NULL, NULL,
                        &attach->input);
        if (r >= 0)
                fds[STDIN_FILENO] = -1;
        return r;
}

bool escape_key_filter(const uint8_t *bytes, size_t n, void *userdata)
{
        EscapeKey *key = userdata;
        gint64 now = g_get_monotonic_time();

        for (size_t i = 0; i < n; i++) {
                if (bytes[i] != ESCAPE_KEY) {
                        key->count = 0;
                        continue;
                }
                if (key->count == 0 || now - key->first_usec > G_USEC_PER_SEC) {
                        key->count = 0;
                        key->first_usec = now;
                }
                if (++key->count == ESCAPE_TIMES)
                        return false;
        }

        return true;
}

static void on_input_done(G_GNUC_UNUSED Copy *copy, int r, void *userdata)
{
        Attach *attach = userdata;

        if (r == -ECANCELED) {
                attach->hangs_up = true;
                attach->is_over = true;
        }
}

int attach_terminal(Attach *attach, int fd)
{
        static EscapeKey escape;
        int in, out, r;

        attach->terminal_fd = fd;
        set_size(attach);
        in = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (in < 0)
                return -errno;
        r = copy_new(attach->event, in, STDOUT_FILENO, COPY_TAKES_IN, on_output_done, attach,
                        attach->copies);
        if (r < 0) {
                (void) close(in);
                return r;
        }
        out = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (out < 0)
                return -errno;
        r = copy_new(attach->event, STDIN_FILENO, out, COPY_TAKES_OUT | COPY_TERMINAL, on_input_done, attach,
                        &attach->input);
        if (r < 0) {
                (void) close(out);
                return r;
        }
        if (isatty(STDIN_FILENO))
                copy_set_filter(attach->input, escape_key_filter, &escape);

        return terminal_set_raw();
}

int attach_run(Attach *attach, nx_task *task)
{
        g_autoptr(nx_error) error = NULL;
        int r;

        attach->task = task;
        r = add_signals(attach);
        if (r >= 0 && nx_task_wait_async(task, on_end, attach, &attach->wait, &error) < 0)
                return ctl_fail(attach->ctl, error);
        /* not sd_event_loop(): at its end it would close the connection */
        while (r >= 0 && !attach->is_over)
                r = sd_event_run(attach->event, UINT64_MAX);
        terminal_restore();
        if (r < 0)
                return ctl_fail_text(attach->ctl, STATUS_PASS_FAILED, "The event loop failed: %s",
                                g_strerror(-r));
        if (attach->hangs_up)
                return ctl_fail_text(attach->ctl, STATUS_PASS_FAILED, "The terminal of '%s' is hung up",
                                nx_task_get_id(task));
        if (!attach->has_ended)
                return attach->status;

        return attach_exit_status(attach->ctl, nx_task_get_id(task), &attach->exit);
}
