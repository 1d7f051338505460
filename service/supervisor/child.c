/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol.h"

/* systemd's and Debian's default for services that set none. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* musl's headers have none of these. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define KEYCTL_JOIN_SESSION_KEYRING        1
#define RESOLVE_NO_MAGICLINKS_AND_SYMLINKS UINT64_C(0x06)
#define KERNEL_SIGNALS                     64
#define CLOSE_RANGE_SET_CLOEXEC            4U
#define CAPABILITY_VERSION_3               0x20080522U
#define CAPABILITY_WORDS                   2

struct openat2_how {
        uint64_t flags, mode, resolve;
};

struct capability_header {
        uint32_t version;
        int pid;
};

struct capability_word {
        uint32_t effective, permitted, inheritable;
};

static _Noreturn void fail(int error_fd, const char *stage, int error)
{
        ChildReport report = { .error = error };

        (void) snprintf(report.stage, sizeof report.stage, "%s", stage);
        (void) !write(error_fd, &report, sizeof report);
        _exit(EXIT_FAILURE);
}

/* By system call: C libraries keep two or three signals to themselves, which posix_spawn(3) has set to be
 * ignored. */
static void reset_signals(void)
{
        const char default_action[256] = { 0 };
        sigset_t none;

        for (int i = 1; i <= KERNEL_SIGNALS; i++)
                (void) syscall(SYS_rt_sigaction, i, default_action, NULL, KERNEL_SIGNALS / 8);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A terminal that no session has becomes ours; any other descriptor is what it is. */
static void take_terminal(const Launch *launch, int error_fd)
{
        if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 && launch->terminal)
                fail(error_fd, STAGE_STDIO, errno);
}

/* What the service that started us may have changed for itself. An unprivileged user may not raise them
 * again, and need not. */
static void reset_scheduling(void)
{
        struct sched_param param = { 0 };

        (void) syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param);
        (void) setpriority(PRIO_PROCESS, 0, 0);
}

static void set_limits(const Launch *launch, int error_fd)
{
        char stage[STAGE_SIZE];

        for (size_t i = 0; i < launch->n_limits; i++)
                if (setrlimit(launch->limits[i].resource, &launch->limits[i].limit) < 0) {
                        int error = errno;

                        (void) snprintf(stage, sizeof stage, "%s%d", STAGE_RLIMIT,
                                        launch->limits[i].resource);
                        fail(error_fd, stage, error);
                }
}

static void set_oom_score_adjust(const Launch *launch, int error_fd)
{
        char text[16];
        int fd, n;

        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                fail(error_fd, STAGE_OOM, errno);
        n = snprintf(text, sizeof text, "%d", launch->oom_score_adjust);
        if (write(fd, text, (size_t) n) < 0)
                fail(error_fd, STAGE_OOM, errno);
        (void) close(fd);
}

static int join_new_session_keyring(void)
{
        return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ? -errno : 0;
}

/* A kernel without keys, or a container that lets nobody use them, has nothing that could be shared. */
static bool has_no_keys(int error)
{
        return error == -ENOSYS || error == -EPERM;
}

static void leave_session_keyring(int error_fd)
{
        int r = join_new_session_keyring();

        if (r < 0 && !has_no_keys(r))
                fail(error_fd, STAGE_KEYRING, -r);
}

/* The keyring is the user's, and counts against the few keys that a user may have. Beyond them the process
 * keeps the one that it got before: of its own too, but root's. */
static void own_session_keyring(int error_fd)
{
        int r = join_new_session_keyring();

        if (r < 0 && r != -EDQUOT && !has_no_keys(r))
                fail(error_fd, STAGE_KEYRING, -r);
}

/* The first process of a container has them from the container's manager, and systemd passes on what it has
 * got. With them a program whose file has inheritable capabilities would get these, whoever started it. */
static void drop_inheritable_capabilities(int error_fd)
{
        struct capability_header header = { .version = CAPABILITY_VERSION_3 };
        struct capability_word words[CAPABILITY_WORDS] = { 0 };

        if (syscall(SYS_capget, &header, words) < 0)
                fail(error_fd, STAGE_USER, errno);
        for (size_t i = 0; i < CAPABILITY_WORDS; i++)
                words[i].inheritable = 0;
        if (syscall(SYS_capset, &header, words) < 0)
                fail(error_fd, STAGE_USER, errno);
}

static void set_user(const Launch *launch, int error_fd)
{
        /* A user's own service runs tasks as that user only; root's service sets everything, for root
         * too. */
        if (geteuid() == 0) {
                if (setgroups(launch->n_groups, launch->groups) < 0)
                        fail(error_fd, STAGE_USER, errno);
                if (setresgid(launch->gid, launch->gid, launch->gid) < 0)
                        fail(error_fd, STAGE_USER, errno);
        }
        if (setresuid(launch->uid, launch->uid, launch->uid) < 0)
                fail(error_fd, STAGE_USER, errno);
}

/* A FIFO is opened for reading too: that blocks nobody when its reader is late, and a reader that comes and
 * goes does not end the task with SIGPIPE. */
static int open_output(const char *path)
{
        struct openat2_how how = {
                .flags = O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC,
                .mode = 0644,
                .resolve = RESOLVE_NO_MAGICLINKS_AND_SYMLINKS,
        };
        struct stat st;
        long fd;

        if (lstat(path, &st) >= 0 && S_ISFIFO(st.st_mode)) {
                how.flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
                how.mode = 0;
        }

        fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        return fd < 0 ? -errno : (int) fd;
}

static void set_output(const char *path, int target_fd, int error_fd)
{
        int fd;

        if (!path)
                return;

        fd = open_output(path);
        if (fd < 0)
                fail(error_fd, STAGE_STDIO, -fd);
        if (dup2(fd, target_fd) < 0)
                fail(error_fd, STAGE_STDIO, errno);
        (void) close(fd);
}

/* What a script names in its first line, where that is what is missing. */
static bool missing_interpreter(const char *file, char *ret, size_t size)
{
        char line[PATH_MAX] = "", *name = line + 2;
        ssize_t n;
        int fd;

        fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return false;
        n = read(fd, line, sizeof line - 1);
        (void) close(fd);
        if (n < 2 || line[0] != '#' || line[1] != '!')
                return false;

        name += strspn(name, " \t");
        name[strcspn(name, " \t\r\n")] = '\0';
        for (const char *p = name; *p != '\0'; p++)
                if (*p < ' ' || *p > '~')
                        return false;

        return *name == '/' && access(name, F_OK) < 0 && errno == ENOENT &&
                        (size_t) snprintf(ret, size, "%s%s", STAGE_SCRIPT, name) < size;
}

/* ENOENT comes for a missing interpreter too: only a missing file is "command not found". */
static _Noreturn void fail_exec(const char *file, int error, int error_fd)
{
        char stage[STAGE_SIZE];

        if (error != ENOENT)
                fail(error_fd, STAGE_EXEC, error);
        if (access(file, F_OK) < 0)
                fail(error_fd, STAGE_COMMAND, error);
        fail(error_fd, missing_interpreter(file, stage, sizeof stage) ? stage : STAGE_EXEC, error);
}

static _Noreturn void exec_from_path(const Launch *launch, int error_fd)
{
        const char *directory = launch->path ? launch->path : DEFAULT_PATH;
        char file[PATH_MAX], found[PATH_MAX] = "";
        int error = 0;

        while (directory) {
                const char *colon = strchr(directory, ':');
                int length = colon ? (int) (colon - directory) : (int) strlen(directory);
                int n;

                n = snprintf(file, sizeof file, "%.*s/%s", length, directory, launch->command);
                directory = colon ? colon + 1 : NULL;
                if (length == 0 || (size_t) n >= sizeof file)
                        continue;

                (void) execve(file, launch->argv, launch->environment);
                if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                        fail(error_fd, STAGE_EXEC, errno);
                if (access(file, F_OK) < 0)
                        continue;
                error = errno == ENOENT ? ENOENT : EACCES;
                (void) snprintf(found, sizeof found, "%s", file);
        }

        if (!error)
                fail(error_fd, STAGE_COMMAND, ENOENT);
        fail_exec(found, error, error_fd);
}

static void enter_directory(const Launch *launch, int error_fd)
{
        if (chdir(launch->directory) < 0)
                fail(error_fd, STAGE_DIRECTORY, errno);
}

static void keep_no_descriptors(void)
{
        (void) syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_SET_CLOEXEC);
}

static void set_outputs(const Launch *launch, int error_fd)
{
        set_output(launch->stdout_path, STDOUT_FILENO, error_fd);
        set_output(launch->stderr_path, STDERR_FILENO, error_fd);
}

void child_run(const Launch *launch, int error_fd)
{
        reset_signals();
        (void) setsid();
        take_terminal(launch, error_fd);
        reset_scheduling();
        set_limits(launch, error_fd);
        set_oom_score_adjust(launch, error_fd);
        leave_session_keyring(error_fd);
        drop_inheritable_capabilities(error_fd);
        set_user(launch, error_fd);
        if (launch->uid != 0)
                own_session_keyring(error_fd);
        (void) umask(launch->umask);
        enter_directory(launch, error_fd);
        set_outputs(launch, error_fd);
        keep_no_descriptors();

        if (launch->command[0] != '/')
                exec_from_path(launch, error_fd);
        (void) execve(launch->command, launch->argv, launch->environment);
        fail_exec(launch->command, errno, error_fd);
}

/* A runtime gives what it has for standard output to the container's user. */
static void refuse_what_others_own(const Launch *launch, int fd, int error_fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                fail(error_fd, STAGE_STDIO, errno);
        if (!S_ISFIFO(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_uid != launch->uid))
                fail(error_fd, STAGE_STDIO, EPERM);
}

/* For as long as the task's own files are opened. */
static void set_outputs_as_user(const Launch *launch, int error_fd)
{
        if (!launch->stdout_path && !launch->stderr_path)
                return;

        if (setgroups(launch->n_groups, launch->groups) < 0 || setegid(launch->gid) < 0 ||
                        seteuid(launch->uid) < 0)
                fail(error_fd, STAGE_USER, errno);
        set_outputs(launch, error_fd);
        if (launch->stdout_path)
                refuse_what_others_own(launch, STDOUT_FILENO, error_fd);
        if (launch->stderr_path)
                refuse_what_others_own(launch, STDERR_FILENO, error_fd);
        if (seteuid(0) < 0 || setegid(0) < 0)
                fail(error_fd, STAGE_USER, errno);
}

void child_run_runtime(const Launch *launch, int error_fd)
{
        reset_signals();
        (void) setsid();
        reset_scheduling();
        set_oom_score_adjust(launch, error_fd);
        leave_session_keyring(error_fd);
        set_outputs_as_user(launch, error_fd);
        if (setgroups(0, NULL) < 0)
                fail(error_fd, STAGE_USER, errno);
        (void) umask(launch->umask);
        enter_directory(launch, error_fd);
        keep_no_descriptors();
        /* by which it finds the socket */
        if (launch->terminal)
                (void) fcntl(SUPERVISOR_STATE_FD, F_SETFD, 0);

        (void) execve(launch->command, launch->argv, launch->environment);
        fail(error_fd, STAGE_RUNTIME, errno);
}
