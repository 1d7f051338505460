/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "cleanup.h"
#include "fd-util.h"
#include "proc-file.h"
#include "process.h"
#include "state-file.h"

#define CGROUP_FILE_SIZE_MAX (1024U * 1024U)

int cgroup_check_unified(void)
{
        struct statfs fs;

        if (statfs(CGROUP_ROOT, &fs) < 0)
                return -errno;

        return fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -EMEDIUMTYPE;
}

int cgroup_open(const char *path, int *ret_fd)
{
        g_autofree char *full = g_strconcat(CGROUP_ROOT, path, NULL);
        int fd;

        fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret_fd = fd;
        return 0;
}

static int append_pids(int cgroup_fd, GArray *pids)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int r;

        r = read_file_at(cgroup_fd, "cgroup.procs", CGROUP_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT || r == -ENODEV ? 0 : r;

        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line && **line; line++) {
                pid_t pid = (pid_t) strtol(*line, NULL, 10);

                if (pid > 0)
                        g_array_append_val(pids, pid);
        }

        return 0;
}

/* As deep as cgroups nest. */
int cgroup_pids(int cgroup_fd, GArray *pids) // NOLINT(misc-no-recursion)
{
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        int r;

        r = append_pids(cgroup_fd, pids);
        if (r < 0)
                return r;

        r = fd_open_dir(cgroup_fd, &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        while ((entry = readdir(dir))) {
                _cleanup_close_ int child = -1;

                if (entry->d_type != DT_DIR || *entry->d_name == '.')
                        continue;
                child = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = child < 0 ? 0 : cgroup_pids(child, pids);
                if (r < 0)
                        return r;
        }

        return 0;
}

bool cgroup_contains(const char *path, const char *other)
{
        size_t length = strlen(path);

        return strncmp(other, path, length) == 0 && (other[length] == '/' || other[length] == '\0');
}

/* Whether there was anybody to be signalled that had not been yet. */
static int signal_pass(int cgroup_fd, const char *path, int signal, GHashTable *done)
{
        g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        int r, found = 0;

        r = cgroup_pids(cgroup_fd, pids);
        if (r < 0)
                return r;

        for (guint i = 0; i < pids->len; i++) {
                pid_t pid = g_array_index(pids, pid_t, i);
                _cleanup_close_ int pidfd = -1;

                if (g_hash_table_contains(done, GINT_TO_POINTER(pid)))
                        continue;
                r = process_open_in_cgroup(pid, path, &pidfd);
                if (r >= 0)
                        r = pidfd_kill(pidfd, signal);
                if (r == -ESRCH)
                        continue;
                if (r < 0)
                        return r;
                (void) g_hash_table_add(done, GINT_TO_POINTER(pid));
                found = 1;
        }

        return found;
}

int cgroup_signal(int cgroup_fd, const char *path, int signal)
{
        g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);

        /* a process may fork while its siblings are being counted */
        for (unsigned pass = 0; pass < CGROUP_SIGNAL_PASSES_MAX; pass++) {
                int r;

                r = signal_pass(cgroup_fd, path, signal, done);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
        }

        return g_hash_table_size(done) > 0 ? 0 : -ESRCH;
}

int cgroup_controllers(char ***ret)
{
        g_autofree char *text = NULL;
        int r;

        r = read_file_at(AT_FDCWD, CGROUP_ROOT "/cgroup.controllers", CGROUP_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;

        g_strstrip(text);
        *ret = *text ? g_strsplit(text, " ", -1) : g_new0(char *, 1);
        return 0;
}

int cgroup_set_frozen(int cgroup_fd, bool frozen)
{
        _cleanup_close_ int fd = -1;

        fd = openat(cgroup_fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, frozen ? "1" : "0", 1) < 0)
                return errno == ENODEV ? -ENOENT : -errno;

        return 0;
}

bool cgroup_is_set_frozen(int cgroup_fd)
{
        char text[16];

        return read_text_at(cgroup_fd, "cgroup.freeze", text, sizeof text) > 0 && *text == '1';
}

int cgroup_events_read(int events_fd, const char *key, bool *ret)
{
        char text[256], *value;
        ssize_t n;

        n = pread(events_fd, text, sizeof text - 1, 0);
        if (n < 0)
                return -errno;

        text[n] = '\0';
        value = strstr(text, key);
        if (!value)
                return -ENODATA;

        *ret = value[strlen(key)] == ' ' && value[strlen(key) + 1] == '1';
        return 0;
}
