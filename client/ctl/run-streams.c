/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run-streams.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

static void close_fd(int fd)
{
        if (fd >= 0)
                (void) close(fd);
}

void run_streams_clear(RunStreams *streams)
{
        close_fd(streams->terminal);
        for (size_t i = 0; i < G_N_ELEMENTS(streams->ours); i++)
                close_fd(streams->ours[i]);
}

static int pass(nx_spec *spec, int number, int fd, nx_error **ret_error)
{
        static const char *const keys[] = { "StandardInput", "StandardOutput", "StandardError" };

        return nx_spec_set_fd(spec, keys[number], fd, ret_error);
}

static bool is_for_container(const nx_spec *spec)
{
        g_autofree char *text = NULL;
        g_autoptr(JsonNode) node = NULL;

        if (nx_spec_to_json(spec, &text) < 0)
                return false;

        node = json_from_string(text, NULL);
        return strcmp(json_object_get_string_member_with_default(
                                      json_node_get_object(node), "Isolation", ""),
                               "container") == 0;
}

static bool is_same_file(int one, int other)
{
        struct stat a, b;

        return fstat(one, &a) >= 0 && fstat(other, &b) >= 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Of pipes only those without a name are good for a container, to whose user they are given. */
static bool needs_copy(int fd)
{
        struct statfs fs;
        struct stat st;

        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return true;
        if (S_ISFIFO(st.st_mode))
                return fs.f_type != PIPEFS_MAGIC;

        return !S_ISSOCK(st.st_mode) && !isatty(fd);
}

/* What is written to one file through two pipes would lose its order. */
static int pass_copied(
                nx_spec *spec, int number, RunStreams *streams, int task_fds[static 3], nx_error **ret_error)
{
        int fds[2];

        if (number == STDERR_FILENO && streams->ours[STDOUT_FILENO] >= 0 &&
                        is_same_file(STDOUT_FILENO, STDERR_FILENO))
                return pass(spec, number, task_fds[STDOUT_FILENO], ret_error);

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        streams->ours[number] = fds[number == STDIN_FILENO ? 1 : 0];
        task_fds[number] = fds[number == STDIN_FILENO ? 0 : 1];
        return pass(spec, number, task_fds[number], ret_error);
}

int run_streams_pass(nx_spec *spec, RunStreams *streams, nx_error **ret_error)
{
        bool container = is_for_container(spec);
        int task_fds[3] = { -1, -1, -1 }, r = 0;

        for (int i = STDIN_FILENO; r >= 0 && i <= STDERR_FILENO; i++)
                r = container && needs_copy(i) ? pass_copied(spec, i, streams, task_fds, ret_error)
                                               : pass(spec, i, i, ret_error);

        /* the spec has its own */
        for (size_t i = 0; i < G_N_ELEMENTS(task_fds); i++)
                close_fd(task_fds[i]);
        return r;
}

static int open_task_side(int terminal, const char *user, int *ret)
{
        const struct passwd *entry = user ? getpwnam(user) : NULL;
        struct termios modes;
        int fd;

        if (unlockpt(terminal) < 0)
                return -errno;
        fd = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (tcgetattr(STDIN_FILENO, &modes) >= 0)
                (void) tcsetattr(fd, TCSANOW, &modes);
        if (entry && fchown(fd, entry->pw_uid, (gid_t) -1) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }

        *ret = fd;
        return 0;
}

int run_streams_make_terminal(nx_spec *spec, const char *user, RunStreams *streams, nx_error **ret_error)
{
        int task_fd = -1, r;

        streams->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (streams->terminal < 0)
                return -errno;
        r = open_task_side(streams->terminal, user, &task_fd);
        if (r < 0)
                return r;

        for (int i = STDIN_FILENO; r >= 0 && i <= STDERR_FILENO; i++)
                r = pass(spec, i, task_fd, ret_error);
        (void) close(task_fd);
        return r;
}
