/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "bus-error.h"
#include "cgroup.h"
#include "cleanup.h"
#include "fd-util.h"

const char *const container_host_directories[] = {
        "/bin",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/run/resolvconf",
        "/run/systemd/resolve",
        "/sbin",
        "/usr",
        NULL,
};

/* Where a tree of the host's begins in the container; "" for the root. */
typedef struct ContainerTree {
        char *destination;
        int fd;
} ContainerTree;

static void clear_tree(void *userdata)
{
        ContainerTree *tree = userdata;

        g_free(tree->destination);
        safe_close(tree->fd);
}

void container_root_clear(ContainerRoot *root)
{
        g_clear_pointer(&root->trees, g_array_unref);
}

/* DESTINATION is without symbolic links. */
static int add_tree(ContainerRoot *root, const char *source, const char *destination)
{
        ContainerTree tree = { .fd = open(source, O_PATH | O_CLOEXEC) };

        if (tree.fd < 0)
                return -errno;

        tree.destination = g_strdup(destination);
        g_array_append_val(root->trees, tree);
        return 0;
}

static int open_root(const Isolation *isolation, ContainerRoot *root, sd_bus_error *error)
{
        const char *key = isolation_binds_host(isolation) ? "TaskDirectory" : "RootDirectory";
        struct stat st;
        int r;

        r = add_tree(root, root->path, "");
        if (r >= 0 && fstat(g_array_index(root->trees, ContainerTree, 0).fd, &st) < 0)
                r = -errno;
        if (r >= 0 && !S_ISDIR(st.st_mode))
                r = -ENOTDIR;
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s '%s' cannot be opened: %s", key,
                                root->path, g_strerror(-r));

        return 0;
}

/* The tree that PATH is in: the last one mounted there or above, which covers all that was there before. */
static const ContainerTree *find_tree(const ContainerRoot *root, const char *path)
{
        guint i = root->trees->len - 1;

        while (i > 0 && !cgroup_contains(g_array_index(root->trees, ContainerTree, i).destination, path))
                i--;

        return &g_array_index(root->trees, ContainerTree, i);
}

/* Whether something is mounted below PATH, for which the runtime makes a directory. */
static bool leads_to_tree(const ContainerRoot *root, const char *path)
{
        for (guint i = 1; i < root->trees->len; i++)
                if (cgroup_contains(path, g_array_index(root->trees, ContainerTree, i).destination))
                        return true;

        return false;
}

/* One step, whose parent has no symbolic link in it any more. The last component is not followed. */
static int open_resolved(const ContainerRoot *root, const char *path, int *ret)
{
        const ContainerTree *tree = find_tree(root, path);
        const char *below = path + strlen(tree->destination);
        struct open_how how = {
                .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        int fd;

        below = *below == '/' ? below + 1 : below;
        if (*below == '\0')
                fd = fcntl(tree->fd, F_DUPFD_CLOEXEC, 3);
        else
                fd = (int) syscall(SYS_openat2, tree->fd, below, &how, sizeof how);
        if (fd < 0)
                return -errno;

        *ret = fd;
        return 0;
}

static int read_link(int fd, char **ret)
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(fd, "", target, sizeof target);

        if (n < 0)
                return -errno;

        *ret = g_strndup(target, (gsize) n);
        return 0;
}

typedef struct Walk {
        GString *resolved; /* "" or "/a/b", without links */
        char *rest;
        unsigned links;
        bool made_up; /* what is not there yet is a directory */
} Walk;

static Walk walk_to(const char *path)
{
        return (Walk){ .resolved = g_string_new(NULL), .rest = g_strdup(path) };
}

static void walk_clear(Walk *walk)
{
        g_string_free(walk->resolved, TRUE);
        g_free(walk->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

/* NULL when there is none left. */
static char *next_component(Walk *walk)
{
        const char *start = walk->rest + strspn(walk->rest, "/");
        size_t length = strcspn(start, "/");
        char *name, *rest;

        if (length == 0)
                return NULL;
        name = g_strndup(start, length);
        rest = g_strdup(start + length);
        g_free(walk->rest);
        walk->rest = rest;
        return name;
}

static int follow(Walk *walk, int fd, size_t parent_length)
{
        g_autofree char *target = NULL;
        char *rest;
        int r;

        if (++walk->links > CONTAINER_SYMLINKS_MAX)
                return -ELOOP;
        r = read_link(fd, &target);
        if (r < 0)
                return r;

        rest = g_strconcat(target, walk->rest, NULL);
        g_free(walk->rest);
        walk->rest = rest;
        (void) g_string_truncate(walk->resolved, *rest == '/' ? 0 : parent_length);
        return 0;
}

static int step(const ContainerRoot *root, Walk *walk, const char *name)
{
        size_t parent_length = walk->resolved->len;
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (strcmp(name, ".") == 0)
                return 0;
        if (strcmp(name, "..") == 0) {
                const char *slash = strrchr(walk->resolved->str, '/');

                if (!slash)
                        return -EXDEV;
                (void) g_string_truncate(walk->resolved, (gsize) (slash - walk->resolved->str));
                return 0;
        }

        g_string_append_printf(walk->resolved, "/%s", name);
        r = open_resolved(root, walk->resolved->str, &fd);
        if (r == -ENOENT && (walk->made_up || leads_to_tree(root, walk->resolved->str)))
                return 0;
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;

        return S_ISLNK(st.st_mode) ? follow(walk, fd, parent_length) : 0;
}

/* To the end of the path, or to what cannot be followed. */
static int walk_on(const ContainerRoot *root, Walk *walk)
{
        for (;;) {
                g_autofree char *name = next_component(walk);
                int r;

                if (!name)
                        return 0;
                r = step(root, walk, name);
                if (r < 0)
                        return r;
        }
}

int container_root_resolve(const ContainerRoot *root, const char *path, int *ret_fd)
{
        g_auto(Walk) walk = walk_to(path);
        int r;

        r = walk_on(root, &walk);
        if (r < 0)
                return r;

        return open_resolved(root, walk.resolved->str, ret_fd);
}

/* Where the runtime is going to mount PATH: over what its symbolic links lead to. What it cannot follow it
 * refuses by itself. */
static int resolve_destination(const ContainerRoot *root, const char *key, const char *path, char **ret,
                sd_bus_error *error)
{
        g_auto(Walk) walk = walk_to(path);
        int r;

        walk.made_up = true;
        r = walk_on(root, &walk);
        if (r == -EXDEV)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "%s has the destination '%s', which leads out of the root", key, path);

        *ret = g_strdup(walk.resolved->str);
        return 0;
}

static int add_mounts(const Isolation *isolation, ContainerRoot *root, sd_bus_error *error)
{
        for (guint i = 0; isolation->mounts && i < isolation->mounts->len; i++) {
                const Binding *mount = g_ptr_array_index(isolation->mounts, i);
                g_autofree char *destination = NULL;
                int r;

                r = resolve_destination(root, "Mounts", mount->destination, &destination, error);
                if (r < 0)
                        return r;
                (void) add_tree(root, mount->source, destination);
        }
        for (guint i = 0; isolation->devices && i < isolation->devices->len; i++) {
                const Binding *device = g_ptr_array_index(isolation->devices, i);
                g_autofree char *destination = NULL;
                int r;

                r = resolve_destination(root, "Devices", device->destination, &destination, error);
                if (r < 0)
                        return r;
        }

        return 0;
}

int container_root_open(const Isolation *isolation, ContainerRoot *ret, sd_bus_error *error)
{
        g_auto(ContainerRoot) root = {
                .path = isolation_root(isolation),
                .trees = g_array_new(FALSE, FALSE, sizeof(ContainerTree)),
        };
        int r;

        g_array_set_clear_func(root.trees, clear_tree);
        r = open_root(isolation, &root, error);
        if (r < 0)
                return r;
        if (isolation_binds_host(isolation))
                for (const char *const *path = container_host_directories; *path; path++)
                        (void) add_tree(&root, *path, *path);
        r = add_mounts(isolation, &root, error);
        if (r < 0)
                return r;

        *ret = root;
        root.trees = NULL;
        return 0;
}

/* Like container_root_resolve(), but only a regular file will do. */
static int resolve_file(const ContainerRoot *root, const char *path, int *ret_fd)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        r = container_root_resolve(root, path, &fd);
        if (r < 0)
                return r == -ENOTDIR ? -ENOENT : r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENOENT;

        *ret_fd = take_fd(&fd);
        return 0;
}

int container_root_read_file(const ContainerRoot *root, const char *path, size_t max, FILE **ret)
{
        _cleanup_close_ int path_fd = -1, fd = -1;
        char again[64];
        int r;

        r = resolve_file(root, path, &path_fd);
        if (r < 0)
                return r;
        /* the file is the task's: it may be held by a lease, be sparse, or grow while it is read */
        (void) g_snprintf(again, sizeof again, "/proc/self/fd/%d", path_fd);
        fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno == EAGAIN ? -EBUSY : -errno;
        r = fd_copy_to_stream(fd, max, ret);
        return r == -ENODATA ? -ENOENT : r;
}

/* 1: found. */
static int try_command(const ContainerRoot *root, const char *directory, const char *command, char **ret,
                sd_bus_error *error)
{
        g_autofree char *joined = g_build_filename("/", directory, command, NULL);
        _cleanup_close_ int fd = -1;
        int r;

        r = resolve_file(root, joined, &fd);
        if (r == -ENOENT)
                return 0;
        if (r == -EXDEV)
                return sd_bus_error_setf(
                                error, BUS_ERROR_INVALID_SPEC, "Command '%s' leads out of the root", joined);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_EXEC_FAILED, "Cannot look up '%s': %s", joined,
                                g_strerror(-r));

        *ret = g_steal_pointer(&joined);
        return 1;
}

static int try_directories(const ContainerRoot *root, const char *const *directories, const char *command,
                char **ret, sd_bus_error *error)
{
        for (; directories && *directories; directories++) {
                int r = try_command(root, *directories, command, ret, error);

                if (r != 0)
                        return r;
        }

        return 0;
}

int container_root_find_command(const ContainerRoot *root, const char *command, char **environment,
                char **ret, sd_bus_error *error)
{
        static const char *const anywhere[] = { "/local", "/", NULL };
        static const char *const usual[] = { "/usr/local/bin", "/usr/bin", "/bin", NULL };
        const char *path = g_environ_getenv(environment, "PATH");
        g_auto(GStrv) path_directories = g_strsplit(path ? path : "", ":", -1);
        int r;

        r = try_directories(root, anywhere, command, ret, error);
        if (r == 0 && !strchr(command, '/')) {
                r = try_directories(root, usual, command, ret, error);
                if (r == 0)
                        r = try_directories(
                                        root, (const char *const *) path_directories, command, ret, error);
        }
        if (r != 0)
                return MIN(r, 0);

        return sd_bus_error_setf(error, BUS_ERROR_COMMAND_NOT_FOUND, "file %s not found under path%s%s",
                        command, strchr(command, '/') ? " " : "", strchr(command, '/') ? root->path : "");
}

int container_root_check_command(const ContainerRoot *root, const char *command, sd_bus_error *error)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        r = resolve_file(root, command, &fd);
        if (r >= 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r >= 0 && !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
                r = -EACCES;
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s': %s", command,
                                g_strerror(-r));

        return 0;
}
