/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "fault.h"
#include "fork-into-cgroup.h"
#include "last-words.h"
#include "launch.h"
#include "left.h"
#include "proc-file.h"
#include "protocol.h"
#include "record.h"
#include "runtime.h"
#include "stdio-util.h"
#include "task-cgroup.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_NEVER   UINT64_MAX

/* What was killed and is still there is killed again after that: it may have been moved in, or have been too
 * much for one pass. */
#define KILL_AGAIN_USEC USEC_PER_SEC

/* Processes that are reaped before the time and the next signal are looked at. */
#define REAP_MAX 64U

typedef struct Supervisor {
        Launch launch;
        TaskCgroup cgroup;
        int start_record_fd;
        int exit_record_fd;
        pid_t pid;
        int stop_signal;
        uint64_t stop_usec;
        uint64_t runtime_max_usec;
        uint64_t stop_at; /* CLOCK_MONOTONIC, or USEC_NEVER */
        uint64_t kill_at; /* likewise */
        bool timed_out;
        int discard_fd; /* or -1 */
        LastWords words;
} Supervisor;

static uint64_t now_usec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static void protect_self(void)
{
        int fd;

        (void) setsid();
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);

        /* not allowed to an unprivileged user's service, whose supervisor then counts as its tasks do */
        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
                (void) !write(fd, "-1000", 5);
                (void) close(fd);
        }
}

static uint64_t start_time(pid_t pid)
{
        char file[64], text[1024];
        const char *field;

        (void) snprintf(file, sizeof file, "/proc/%d/stat", (int) pid);
        if (read_text_at(AT_FDCWD, file, text, sizeof text) < 0)
                return 0;

        field = proc_stat_field(text, PROC_STAT_START_TIME);
        return field ? strtoull(field, NULL, 10) : 0;
}

/* To the disk first: whoever reads the pipe may rely on it. */
static void publish(const Supervisor *s, const Record *record)
{
        if (s->start_record_fd >= 0)
                (void) record_commit(record, s->start_record_fd, SUPERVISOR_STATE_FD, START_RECORD);
        (void) !write(SUPERVISOR_STATUS_FD, record->text, record->size);
        (void) close(SUPERVISOR_STATUS_FD);
}

static int publish_failure(const Supervisor *s, const char *stage, int error)
{
        Record record;

        record_init(&record);
        record_add_uint64(&record, START_ERRNO, (uint64_t) error);
        record_add(&record, START_STAGE, stage);
        publish(s, &record);
        return EXIT_FAILURE;
}

static void publish_start(const Supervisor *s)
{
        Record record;

        record_init(&record);
        record_add_uint64(&record, START_PID, (uint64_t) s->pid);
        record_add_uint64(&record, START_TIME, start_time(s->pid));
        record_add_uint64(&record, START_SUPERVISOR_PID, (uint64_t) getpid());
        record_add_uint64(&record, START_SUPERVISOR_START_TIME, start_time(getpid()));
        record_add(&record, START_CGROUP, s->cgroup.path);
        publish(s, &record);
}

/* What a container writes to nobody is thrown away by us. SIGIO tells that there is something. */
static int prepare_stdio(Supervisor *s)
{
        const bool discarded[] = { false, !s->launch.stdout_path, !s->launch.stderr_path };
        int r;

        r = stdio_avoid_devices(discarded, &s->discard_fd);
        if (r < 0 || s->discard_fd < 0)
                return r;

        return fcntl(s->discard_fd, F_SETOWN, getpid()) < 0 || fcntl(s->discard_fd, F_SETSIG, SIGIO) < 0 ||
                                        fcntl(s->discard_fd, F_SETFL, O_ASYNC) < 0
                        ? -errno
                        : 0;
}

/* For the log, which does without it where there is no room. */
static void tell_main_pid(pid_t pid)
{
        char text[16];
        int fd, n;

        fd = openat(SUPERVISOR_STATE_FD, MAIN_PID_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0600);
        if (fd < 0)
                return;

        n = snprintf(text, sizeof text, "%d\n", (int) pid);
        if (write(fd, text, (size_t) n) != n)
                (void) unlinkat(SUPERVISOR_STATE_FD, MAIN_PID_FILE, 0);
        (void) close(fd);
}

static int run_child(const Supervisor *s, pid_t *ret, ChildReport *ret_failure)
{
        int fds[2];
        ssize_t n;
        pid_t pid;

        *ret_failure = (ChildReport){ .stage = STAGE_CGROUP };
        if (pipe2(fds, O_CLOEXEC) < 0) {
                ret_failure->error = errno;
                return -1;
        }

        pid = fork_into_cgroup(s->cgroup.task_fd, 0);
        if (pid == 0) {
                tell_main_pid(getpid());
                child_run(&s->launch, fds[1]);
        }
        (void) close(fds[1]);
        n = pid < 0 ? 0 : read(fds[0], ret_failure, sizeof *ret_failure);
        (void) close(fds[0]);
        if (pid < 0) {
                ret_failure->error = -pid;
                return -1;
        }
        if (n == sizeof *ret_failure) {
                (void) waitpid(pid, NULL, 0);
                return -1;
        }

        *ret = pid;
        return 0;
}

/* Starts the task and waits until it has become the program, or says why not. Returns the exit status of a
 * supervisor that has nothing to supervise, or -1 to go on. */
static int start_task(Supervisor *s)
{
        ChildReport failure;
        int r;

        last_words_remember(&s->words);
        if (s->launch.runtime_pid) {
                r = prepare_stdio(s);
                if (r < 0)
                        return publish_failure(s, STAGE_STDIO, -r);
        }

        if (s->launch.runtime_pid)
                r = runtime_run(&s->launch, s->cgroup.task_fd, SUPERVISOR_STATE_FD, &s->pid, &failure);
        else
                r = run_child(s, &s->pid, &failure);
        if (r >= 0) {
                if (s->launch.runtime_pid)
                        tell_main_pid(s->pid);
                return -1;
        }

        /* a runtime may have left something */
        task_cgroup_empty(&s->cgroup);
        return publish_failure(s, failure.stage, failure.error);
}

static uint64_t usec_from_now(uint64_t usec)
{
        uint64_t now = now_usec();

        return usec < USEC_NEVER - now ? now + usec : USEC_NEVER;
}

static void kill_after(Supervisor *s, uint64_t usec)
{
        uint64_t due = usec_from_now(usec);

        if (due < s->kill_at)
                s->kill_at = due;
}

/* SIGCONT, so that what is stopped can handle the signal, and thawed after both, so that it does nothing
 * else before. */
static void stop_task(Supervisor *s)
{
        (void) kill(s->pid, s->stop_signal);
        if (s->stop_signal != SIGKILL && s->stop_signal != SIGCONT) {
                (void) kill(s->pid, SIGCONT);
                task_cgroup_continue(&s->cgroup);
        }
        (void) task_cgroup_thaw(&s->cgroup);
        kill_after(s, s->stop_usec);
}

static void on_signal(Supervisor *s, const siginfo_t *info)
{
        if (info->si_signo == SUPERVISOR_KILL_SIGNAL && info->si_code == SI_QUEUE) {
                uint64_t msec = (uintptr_t) info->si_value.sival_ptr;

                kill_after(s, msec < UINTPTR_MAX && msec < USEC_NEVER / 1000 ? msec * 1000 : USEC_NEVER);
                return;
        }

        /* "systemctl kill" has sent the signal to all of the scope; one from elsewhere was meant for the
         * task */
        if (info->si_signo == SUPERVISOR_STOP_SIGNAL || info->si_pid != 1)
                stop_task(s);
        else {
                (void) task_cgroup_thaw(&s->cgroup);
                kill_after(s, s->stop_usec);
        }
}

/* Main by its pid too, since it may have left its cgroup; it is our child and not reaped, so that the pid is
 * its own. */
static void kill_task(const Supervisor *s)
{
        (void) kill(s->pid, SIGKILL);
        task_cgroup_kill(&s->cgroup);
}

static void on_time(Supervisor *s)
{
        uint64_t now = now_usec();

        if (s->kill_at <= now) {
                kill_task(s);
                s->kill_at = now + KILL_AGAIN_USEC;
        }
        if (s->stop_at <= now) {
                s->stop_at = USEC_NEVER;
                s->timed_out = true;
                stop_task(s);
        }
}

typedef enum Reaped {
        REAPED_ALL,  /* that have ended by now */
        REAPED_SOME, /* there are more */
        REAPED_MAIN, /* with its status */
} Reaped;

/* Reaps what has ended: a part of it, since orphans may come as fast as they are reaped. */
static Reaped reap(const Supervisor *s, siginfo_t *ret)
{
        for (unsigned i = 0; i < REAP_MAX; i++) {
                siginfo_t info = { 0 };

                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                        return REAPED_ALL;
                if (info.si_pid == s->pid) {
                        *ret = info;
                        return REAPED_MAIN;
                }
        }

        return REAPED_SOME;
}

static int wait_signal(const Supervisor *s, const sigset_t *mask, bool more, siginfo_t *ret)
{
        uint64_t now = now_usec(), due = more ? 0 : s->stop_at < s->kill_at ? s->stop_at : s->kill_at;
        uint64_t left = due > now ? due - now : 0;
        struct timespec timeout = {
                .tv_sec = (time_t) (left / USEC_PER_SEC),
                .tv_nsec = (long) (left % USEC_PER_SEC) * 1000,
        };

        return sigtimedwait(mask, ret, due == USEC_NEVER ? NULL : &timeout);
}

static void supervise(Supervisor *s, siginfo_t *ret_status)
{
        Reaped reaped;
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, s->stop_signal);
        (void) sigaddset(&mask, SUPERVISOR_STOP_SIGNAL);
        (void) sigaddset(&mask, SUPERVISOR_KILL_SIGNAL);
        if (s->discard_fd >= 0)
                (void) sigaddset(&mask, SIGIO);
        s->stop_at = usec_from_now(s->runtime_max_usec);

        /* the task may have ended before this */
        while ((reaped = reap(s, ret_status)) != REAPED_MAIN) {
                siginfo_t info = { 0 };
                int signo = wait_signal(s, &mask, reaped == REAPED_SOME, &info);

                on_time(s);
                if (signo == SIGIO && info.si_code == POLL_IN)
                        stdio_discard(s->discard_fd);
                else if (signo > 0 && signo != SIGCHLD)
                        on_signal(s, &info);
        }

        /* killed by the service while we did not run, frozen with our slice */
        if (ret_status->si_code != CLD_EXITED && ret_status->si_status == SIGKILL &&
                        s->stop_at <= now_usec())
                s->timed_out = true;
}

static int record_exit(Supervisor *s, const siginfo_t *status)
{
        Record record;
        uint64_t value;

        record_init(&record);
        record_add_uint64(&record, status->si_code == CLD_EXITED ? EXIT_CODE : EXIT_SIGNAL,
                        (uint64_t) status->si_status);
        if (s->timed_out)
                record_add_uint64(&record, EXIT_TIMED_OUT, 1);
        if (task_cgroup_read(&s->cgroup, "memory.events", "oom_kill", &value))
                record_add_uint64(&record, EXIT_OOM_KILLS, value);
        if (task_cgroup_read(&s->cgroup, "cpu.stat", "usage_usec", &value))
                record_add_uint64(&record, EXIT_CPU_USEC, value);
        if (task_cgroup_read(&s->cgroup, "memory.peak", NULL, &value))
                record_add_uint64(&record, EXIT_MEMORY_PEAK, value);
        return record_commit(&record, s->exit_record_fd, SUPERVISOR_STATE_FD, EXIT_RECORD);
}

/* No longer than a Stop that is under way allows. */
static void hear_last_words(const Supervisor *s)
{
        uint64_t now = now_usec(), left = s->kill_at > now ? s->kill_at - now : 0;

        last_words_await(&s->words, &s->cgroup, left < LAST_WORDS_USEC ? left : LAST_WORDS_USEC);
}

/* All that can be done before the scope is there, and everything that could fail for want of space. */
static int prepare(Supervisor *s)
{
        int r;

        r = launch_map(&s->launch, SUPERVISOR_LAUNCH_FD);
        if (r < 0)
                return r;
        (void) close(SUPERVISOR_LAUNCH_FD);
        s->stop_signal = s->launch.stop_signal;
        s->stop_usec = s->launch.stop_usec;
        s->runtime_max_usec = s->launch.runtime_max_usec;

        r = record_reserve(SUPERVISOR_STATE_FD, START_RECORD, &s->start_record_fd);
        if (r < 0)
                return r;

        return record_reserve(SUPERVISOR_STATE_FD, EXIT_RECORD, &s->exit_record_fd);
}

static int run(Supervisor *s)
{
        siginfo_t status;
        char gate;
        int r;

        protect_self();
        r = prepare(s);
        if (r < 0) {
                (void) publish_failure(s, STAGE_RECORD, -r);
                /* systemd is about to put us into the scope, and would keep one that starts out empty */
                (void) !read(SUPERVISOR_GATE_FD, &gate, 1);
                return EXIT_FAILURE;
        }

        if (read(SUPERVISOR_GATE_FD, &gate, 1) != 1)
                return EXIT_FAILURE;
        (void) close(SUPERVISOR_GATE_FD);
        fault_point(FAULT_SUPERVISOR_GATE_PASSED);

        r = task_cgroup_enter(&s->cgroup);
        if (r < 0)
                return publish_failure(s, STAGE_CGROUP, -r);
        fault_point(FAULT_SUPERVISOR_IN_CGROUP);
        r = start_task(s);
        launch_clear(&s->launch);
        if (r >= 0)
                return r;
        fault_point(FAULT_SUPERVISOR_TASK_STARTED);

        (void) stdio_release();
        publish_start(s);
        fault_point(FAULT_SUPERVISOR_START_RECORDED);

        supervise(s, &status);
        fault_point(FAULT_SUPERVISOR_TASK_ENDED);
        r = record_exit(s, &status);
        fault_point(FAULT_SUPERVISOR_EXIT_RECORDED);
        hear_last_words(s);
        task_cgroup_empty(&s->cgroup);
        left_record(&s->cgroup);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int supervisor_run(void)
{
        Supervisor s = { .stop_at = USEC_NEVER,
                .kill_at = USEC_NEVER,
                .start_record_fd = -1,
                .exit_record_fd = -1,
                .discard_fd = -1,
                .words = LAST_WORDS_NONE };
        int r;

        r = run(&s);
        launch_clear(&s.launch);
        return r;
}
