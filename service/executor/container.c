/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-config.h"
#include "container-root.h"
#include "protocol.h"
#include "state-file.h"

/* The only one there is below the runtime's own directory for the task. */
#define CONTAINER_ID "task"

#define CONTAINER_LOG_SIZE_MAX (256U * 1024U)

/* For the programs that a runtime may start. */
#define RUNTIME_ENVIRONMENT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool task_is_container(const Task *task)
{
        return isolation_is_container(&task->spec.isolation);
}

static const char *runtime_of(const Task *task)
{
        return task->spec.isolation.runtime ? task->spec.isolation.runtime : task->manager->runtime;
}

static int open_users(const ContainerRoot *root, UserDatabase *ret, sd_bus_error *error)
{
        const struct {
                const char *path;
                FILE **file;
        } files[] = {
                { "/etc/passwd", &ret->passwd },
                { "/etc/group", &ret->group },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                int r = container_root_read_file(root, files[i].path, USER_FILE_SIZE_MAX, files[i].file);

                if (r < 0 && r != -ENOENT)
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Cannot read %s of %s: %s",
                                        files[i].path, root->path, g_strerror(-r));
        }

        return 0;
}

static int check_runtime(const Task *task, sd_bus_error *error)
{
        const char *runtime = runtime_of(task);

        if (geteuid() != 0)
                return sd_bus_error_set(
                                error, BUS_ERROR_UNSUPPORTED, "Isolation 'container' needs root's service");
        if (access(runtime, X_OK) < 0)
                return sd_bus_error_setf(error, BUS_ERROR_UNSUPPORTED,
                                "Isolation 'container' needs the runtime %s: %s", runtime,
                                g_strerror(errno));

        return 0;
}

static int check_directory(const ContainerRoot *root, const char *path, sd_bus_error *error)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        r = container_root_resolve(root, path, &fd);
        if (r >= 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r >= 0 && !S_ISDIR(st.st_mode))
                r = -ENOTDIR;
        if (r == -EXDEV)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "WorkingDirectory '%s' leads out of the root", path);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_EXEC_FAILED,
                                "Cannot enter WorkingDirectory '%s' in %s: %s", path, root->path,
                                g_strerror(-r));

        return 0;
}

/* For what is a character device, whether it is the slave of a pseudo-terminal. */
static bool is_pty(const struct stat *st)
{
        unsigned number = major(st->st_rdev);

        return S_ISCHR(st->st_mode) && number >= UNIX98_PTY_SLAVE_MAJOR &&
                        number < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
}

/* A FIFO that has a name is a file of the host, as which its owner is kept. */
static bool is_pipe(int fd, const struct stat *st)
{
        struct statfs fs;

        return S_ISFIFO(st->st_mode) && fstatfs(fd, &fs) >= 0 && fs.f_type == PIPEFS_MAGIC;
}

/* Runtimes give the standard streams of a container to its user, whatever they are. */
static int check_streams(const TaskSpec *spec, sd_bus_error *error)
{
        const struct {
                const char *key;
                int fd;
        } streams[] = {
                { "StandardInput", spec->stdin_fd },
                { "StandardOutput", spec->stdout_fd },
                { "StandardError", spec->stderr_fd },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
                struct stat st;

                if (streams[i].fd < 0)
                        continue;
                if (fstat(streams[i].fd, &st) < 0)
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                        "Cannot look at the descriptor of %s: %s", streams[i].key,
                                        g_strerror(errno));
                if (!is_pipe(streams[i].fd, &st) && !S_ISSOCK(st.st_mode) && !is_pty(&st))
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                        "%s of a container must be a pipe without a name, a socket or a "
                                        "pseudo-terminal: "
                                        "the runtime gives it to the task's user",
                                        streams[i].key);
        }

        return 0;
}

int container_inspect(Task *task, sd_bus_error *error)
{
        const TaskSpec *spec = &task->spec;
        const char *missing;
        g_auto(UserDatabase) users = { 0 };
        g_auto(ContainerRoot) root = { 0 };
        int r;

        r = check_runtime(task, error);
        if (r < 0)
                return r;
        r = check_streams(spec, error);
        if (r < 0)
                return r;
        r = container_root_open(&spec->isolation, &root, error);
        if (r < 0)
                return r;
        missing = isolation_missing_capability(&spec->isolation);
        if (missing)
                return sd_bus_error_setf(error, BUS_ERROR_UNSUPPORTED,
                                "Capabilities: this service does not have '%s' itself", missing);
        r = container_check_devices(&spec->isolation, error);
        if (r < 0)
                return r;
        if (spec->working_directory) {
                r = check_directory(&root, spec->working_directory, error);
                if (r < 0)
                        return r;
        }
        r = open_users(&root, &users, error);
        if (r < 0)
                return r;
        r = credentials_lookup(&users, spec->user, spec->group, &task->credentials, error);
        if (r < 0)
                return r;

        r = container_root_find_command(
                        &root, spec->command, spec->environment, &task->container_command, error);
        if (r < 0)
                return r;

        return container_root_check_command(&root, task->container_command, error);
}

int container_find_program(const Task *task, const char *user, Program *program, char **ret_command,
                Credentials *ret_credentials, sd_bus_error *error)
{
        g_auto(GStrv) environment = program_environment(task, program);
        g_autofree char *command = NULL;
        g_auto(UserDatabase) users = { 0 };
        g_auto(ContainerRoot) root = { 0 };
        int r;

        r = container_root_open(&task->spec.isolation, &root, error);
        if (r < 0)
                return r;
        r = container_root_find_command(&root, program->command, environment, &command, error);
        if (r < 0)
                return r;
        r = container_root_check_command(&root, command, error);
        if (r < 0)
                return r;
        if (user) {
                r = open_users(&root, &users, error);
                if (r < 0)
                        return r;
                r = credentials_lookup(&users, user, NULL, ret_credentials, error);
                if (r < 0)
                        return r;
                program->credentials = ret_credentials;
        }

        program->command = *ret_command = g_steal_pointer(&command);
        return 0;
}

char *container_path(const Task *task, const char *name)
{
        g_autofree char *directory = task_state_path(task, CONTAINER_DIRECTORY);

        return g_build_filename(directory, name, NULL);
}

int container_write(int dir_fd, const char *name, JsonObject *object)
{
        g_autofree char *text = container_json(object);
        _cleanup_close_ int fd = -1;
        size_t length = strlen(text);
        ssize_t n;

        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, text, length);
        if (n < 0)
                return -errno;

        return (size_t) n == length ? 0 : -ENOSPC;
}

int container_create(const Task *task)
{
        g_autoptr(JsonObject) config = NULL;
        _cleanup_close_ int fd = -1;
        Program program = program_of_task(task);
        int r;

        program.command = task->container_command;
        config = container_config(task, &program);
        r = open_or_make_dir_at(task->state_fd, CONTAINER_DIRECTORY, 0700, &fd);
        if (r < 0)
                return r;

        return container_write(fd, "config.json", config);
}

/* crun would make cgroups of its own; another runtime that insists does so below the task's, see the
 * config. */
static bool is_crun(const char *name)
{
        return g_str_has_prefix(name, "crun");
}

static void add_strings(GPtrArray *arguments, const char *const *strings)
{
        for (; *strings; strings++)
                g_ptr_array_add(arguments, g_strdup(*strings));
}

GPtrArray *container_arguments(const Task *task, const char *log_path)
{
        g_autofree char *name = g_path_get_basename(runtime_of(task));
        g_autofree char *state = container_path(task, "state");
        GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);

        add_strings(arguments,
                        (const char *const[]){ name, "--root", state, "--log", log_path, "--log-format",
                                        "json", NULL });
        if (is_crun(name))
                g_ptr_array_add(arguments, g_strdup("--cgroup-manager=disabled"));
        return arguments;
}

GString *container_block(const Task *task, const Credentials *credentials, GPtrArray *arguments,
                const char *runtime_pid)
{
        GString *block = g_string_new(NULL);

        launch_block_add(block, LAUNCH_VERSION, "%d", PROTOCOL_VERSION);
        launch_block_add(block, LAUNCH_COMMAND, "%s", runtime_of(task));
        for (guint i = 0; i < arguments->len; i++)
                launch_block_add(block, LAUNCH_ARG, "%s", (const char *) g_ptr_array_index(arguments, i));
        launch_block_add(block, LAUNCH_ARG, "%s", CONTAINER_ID);
        launch_block_add(block, LAUNCH_ENV, "%s", RUNTIME_ENVIRONMENT);
        launch_block_add(block, LAUNCH_DIRECTORY, "/");
        launch_block_add(block, LAUNCH_UID, "%u", credentials->uid);
        launch_block_add(block, LAUNCH_GID, "%u", credentials->gid);
        for (char **group = credentials->groups; group && *group; group++)
                launch_block_add(block, LAUNCH_GROUP, "%s", *group);
        launch_block_add(block, LAUNCH_UMASK, "%o", DEFAULT_UMASK);
        launch_block_add(block, LAUNCH_OOM_ADJUST, "%d", task->spec.oom_score_adjust);
        launch_block_add(block, LAUNCH_RUNTIME_PID, "%s", runtime_pid);
        return block;
}

GString *container_launch_block(const Task *task)
{
        g_autofree char *log = container_path(task, CONTAINER_LOG);
        g_autofree char *pid = container_path(task, CONTAINER_PID);
        g_autofree char *bundle = container_path(task, NULL);
        g_autoptr(GPtrArray) arguments = container_arguments(task, log);

        add_strings(arguments,
                        (const char *const[]){
                                        "run", "--detach", "--bundle", bundle, "--pid-file", pid, NULL });
        if (task->manager->no_pivot)
                g_ptr_array_add(arguments, g_strdup("--no-pivot"));
        return container_block(task, &task->credentials, arguments, CONTAINER_DIRECTORY "/" CONTAINER_PID);
}

void container_remove(const Task *task)
{
        if (task_is_container(task))
                (void) remove_tree_at(task->state_fd, CONTAINER_DIRECTORY);
}

/* One line of the log, a JSON object. */
static char *message_of(const char *line)
{
        g_autoptr(JsonParser) parser = json_parser_new();
        JsonObject *object;
        JsonNode *node;

        if (!json_parser_load_from_data(parser, line, -1, NULL))
                return NULL;
        node = json_parser_get_root(parser);
        object = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        if (!object ||
                        g_strcmp0(json_object_get_string_member_with_default(object, "level", ""),
                                        "error") != 0)
                return NULL;

        return g_strdup(json_object_get_string_member_with_default(object, "msg", NULL));
}

char *container_read_failure(const Task *task, int dir_fd)
{
        g_autofree char *name = g_path_get_basename(runtime_of(task));
        g_autofree char *text = NULL, *last = NULL;
        g_auto(GStrv) lines = NULL;

        if (read_file_at(dir_fd, CONTAINER_LOG, CONTAINER_LOG_SIZE_MAX, &text, NULL) >= 0)
                lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; line && *line; line++) {
                char *message = message_of(*line);

                if (message) {
                        g_free(last);
                        last = message;
                }
        }

        return g_strdup_printf("%s: %s", name, last ? last : "it ended without a word");
}

char *container_failure(const Task *task)
{
        _cleanup_close_ int fd =
                        openat(task->state_fd, CONTAINER_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return container_read_failure(task, fd);
}
