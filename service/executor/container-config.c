/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-config.h"

#include <string.h>

#include "container-root.h"
#include "container.h"
#include "protocol.h"

#define OCI_VERSION "1.0.0"

#define INFINITE_LIMIT "18446744073709551615"

static JsonArray *array_of(const char *const *strings)
{
        JsonArray *array = json_array_new();

        for (; strings && *strings; strings++)
                json_array_add_string_element(array, *strings);
        return array;
}

static JsonObject *process_user(const Task *task, const Credentials *credentials)
{
        JsonObject *user = json_object_new();
        JsonArray *groups = json_array_new();

        for (char **group = credentials->groups; group && *group; group++)
                json_array_add_int_element(groups, (gint64) g_ascii_strtoull(*group, NULL, 10));
        json_object_set_int_member(user, "uid", credentials->uid);
        json_object_set_int_member(user, "gid", credentials->gid);
        json_object_set_int_member(user, "umask", task->spec.umask);
        json_object_set_array_member(user, "additionalGids", groups);
        return user;
}

/* Root keeps what it has without inheriting it; anybody else would lose it at execve(2) otherwise. */
static JsonObject *process_capabilities(char **names, uint32_t uid)
{
        static const char *const sets[] = { "bounding", "permitted", "effective", "inheritable", "ambient" };
        JsonObject *capabilities = json_object_new();

        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
                json_object_set_array_member(capabilities, sets[i],
                                array_of(uid == 0 && i >= 3 ? NULL : (const char *const *) names));
        return capabilities;
}

/* Numbers of json-glib have a sign. What is too large for one is as good as infinite, see
 * container_json(). */
static gint64 limit_number(uint64_t limit)
{
        return limit > INT64_MAX ? -1 : (gint64) limit;
}

static JsonArray *process_limits(const Task *task)
{
        g_autoptr(GArray) limits = program_limits(task);
        JsonArray *array = json_array_new();

        for (guint i = 0; i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);
                g_autofree char *type = g_strconcat("RLIMIT_", resource_limit_name(limit->resource), NULL);
                JsonObject *object = json_object_new();

                json_object_set_string_member(object, "type", type);
                json_object_set_int_member(object, "soft", limit_number(limit->soft));
                json_object_set_int_member(object, "hard", limit_number(limit->hard));
                json_array_add_object_element(array, object);
        }

        return array;
}

static JsonArray *process_arguments(const Program *program)
{
        JsonArray *array = array_of((const char *const[]){ program->command, NULL });

        for (char **argument = program->arguments; argument && *argument; argument++)
                json_array_add_string_element(array, *argument);
        return array;
}

static char **capabilities_of(const Task *task, uint32_t uid)
{
        return isolation_capabilities(
                        &task->spec.isolation, task_spec_is_set(&task->spec, "Capabilities"), uid);
}

JsonObject *container_process(const Task *task, const Program *program, const ExecStdio *stdio)
{
        uint32_t uid = program->credentials->uid;
        g_auto(GStrv) environment = program_environment(task, program);
        g_auto(GStrv) capabilities = capabilities_of(task, uid);
        JsonObject *process = json_object_new();

        json_object_set_boolean_member(process, "terminal", stdio && stdio->terminal);
        if (stdio && (stdio->rows || stdio->columns)) {
                JsonObject *size = json_object_new();

                json_object_set_int_member(size, "height", stdio->rows);
                json_object_set_int_member(size, "width", stdio->columns);
                json_object_set_object_member(process, "consoleSize", size);
        }
        json_object_set_object_member(process, "user", process_user(task, program->credentials));
        json_object_set_array_member(process, "args", process_arguments(program));
        json_object_set_array_member(process, "env", array_of((const char *const *) environment));
        json_object_set_string_member(process, "cwd", program->directory);
        json_object_set_object_member(process, "capabilities", process_capabilities(capabilities, uid));
        json_object_set_array_member(process, "rlimits", process_limits(task));
        json_object_set_boolean_member(process, "noNewPrivileges", task->spec.isolation.no_new_privileges);
        json_object_set_int_member(process, "oomScoreAdj", task->spec.oom_score_adjust);
        return process;
}

static void add_mount(JsonArray *mounts, const char *type, const char *source, const char *path,
                const char *options)
{
        g_auto(GStrv) list = g_strsplit(options, ",", -1);
        JsonObject *mount = json_object_new();

        json_object_set_string_member(mount, "destination", path);
        json_object_set_string_member(mount, "type", type);
        json_object_set_string_member(mount, "source", source);
        json_object_set_array_member(mount, "options", array_of((const char *const *) list));
        json_array_add_object_element(mounts, mount);
}

/* A bind, private and writable unless its options say otherwise. */
static void add_task_mount(JsonArray *mounts, const Binding *mount)
{
        g_auto(GStrv) given = g_strsplit(mount->mode, ",", -1);
        bool recursive = g_strv_contains((const char *const *) given, "rbind");
        bool propagates = false;
        g_autofree char *options = NULL;

        for (char **option = given; *option; option++)
                propagates = propagates || g_str_has_suffix(*option, "private") ||
                                g_str_has_suffix(*option, "slave") || g_str_has_suffix(*option, "shared");
        options = g_strdup_printf("%s%s%s%s", recursive ? "" : "bind,", propagates ? "" : "rprivate,",
                        mount->mode, *mount->mode ? "" : "rw");
        add_mount(mounts, "bind", mount->source, mount->destination, options);
}

static JsonArray *container_mounts(const Isolation *isolation)
{
        JsonArray *mounts = json_array_new();

        if (isolation_binds_host(isolation))
                for (const char *const *path = container_host_directories; *path; path++)
                        if (g_file_test(*path, G_FILE_TEST_IS_DIR))
                                add_mount(mounts, "bind", *path, *path, "bind,ro,nodev,rprivate");

        add_mount(mounts, "proc", "proc", "/proc", "nosuid,noexec,nodev");
        add_mount(mounts, "tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k");
        add_mount(mounts, "devpts", "devpts", "/dev/pts",
                        "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
        add_mount(mounts, "tmpfs", "shm", "/dev/shm", "nosuid,noexec,nodev,mode=1777,size=65536k");
        add_mount(mounts, "mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev");
        add_mount(mounts, "sysfs", "sysfs", "/sys", "nosuid,noexec,nodev,ro");

        for (guint i = 0; isolation->mounts && i < isolation->mounts->len; i++)
                add_task_mount(mounts, g_ptr_array_index(isolation->mounts, i));
        return mounts;
}

static void add_namespace(JsonArray *namespaces, const char *type, const char *path)
{
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "type", type);
        if (path)
                json_object_set_string_member(object, "path", path);
        json_array_add_object_element(namespaces, object);
}

/* The one for cgroups hides the supervisor's from a task that may mount the hierarchy. */
static JsonArray *container_namespaces(const Isolation *isolation)
{
        JsonArray *namespaces = json_array_new();

        add_namespace(namespaces, "mount", NULL);
        add_namespace(namespaces, "cgroup", NULL);
        if (isolation_mode_is_private(isolation->pid_mode))
                add_namespace(namespaces, "pid", NULL);
        if (isolation_mode_is_private(isolation->ipc_mode))
                add_namespace(namespaces, "ipc", NULL);
        if (isolation->network_namespace_path)
                add_namespace(namespaces, "network", isolation->network_namespace_path);
        return namespaces;
}

static bool has_mount_option(const Isolation *isolation, const char *suffix)
{
        for (guint i = 0; isolation->mounts && i < isolation->mounts->len; i++) {
                const Binding *mount = g_ptr_array_index(isolation->mounts, i);
                g_auto(GStrv) options = g_strsplit(mount->mode, ",", -1);

                for (char **option = options; *option; option++)
                        if (g_str_has_suffix(*option, suffix))
                                return true;
        }

        return false;
}

/* What a mount is to share with the host must not be cut off above it. */
static const char *root_propagation(const Isolation *isolation)
{
        if (has_mount_option(isolation, "shared"))
                return "rshared";

        return has_mount_option(isolation, "slave") ? "rslave" : "rprivate";
}

/* systemd keeps watch over the devices and all other resources. */
static JsonObject *container_resources(void)
{
        JsonObject *resources = json_object_new(), *all = json_object_new();
        JsonArray *devices = json_array_new();

        json_object_set_boolean_member(all, "allow", TRUE);
        json_object_set_string_member(all, "access", "rwm");
        json_array_add_object_element(devices, all);
        json_object_set_array_member(resources, "devices", devices);
        return resources;
}

static JsonObject *container_linux(const Task *task, uint32_t uid)
{
        static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                "/proc/timer_stats", "/sys/firmware", NULL };
        static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                "/proc/sysrq-trigger", NULL };
        const Isolation *isolation = &task->spec.isolation;
        g_auto(GStrv) capabilities = capabilities_of(task, uid);
        JsonObject *object = json_object_new();

        json_object_set_array_member(object, "namespaces", container_namespaces(isolation));
        json_object_set_array_member(object, "devices", container_devices(isolation));
        json_object_set_array_member(object, "maskedPaths", array_of(masked));
        json_object_set_array_member(object, "readonlyPaths", array_of(read_only));
        json_object_set_string_member(object, "rootfsPropagation", root_propagation(isolation));
        json_object_set_string_member(object, "cgroupsPath", TASK_CGROUP "/" CONTAINER_CGROUP);
        json_object_set_object_member(object, "resources", container_resources());
        if (g_strcmp0(isolation->seccomp_profile, "unconfined") != 0)
                json_object_set_object_member(object, "seccomp", container_seccomp(capabilities));
        return object;
}

JsonObject *container_config(const Task *task, const Program *program)
{
        const Isolation *isolation = &task->spec.isolation;
        JsonObject *config = json_object_new(), *root = json_object_new();

        json_object_set_string_member(root, "path", isolation_root(isolation));
        json_object_set_string_member(config, "ociVersion", OCI_VERSION);
        json_object_set_object_member(config, "root", root);
        json_object_set_object_member(config, "process", container_process(task, program, NULL));
        json_object_set_array_member(config, "mounts", container_mounts(isolation));
        json_object_set_object_member(config, "linux", container_linux(task, program->credentials->uid));
        return config;
}

char *container_json(JsonObject *object)
{
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *written = json_to_string(node, FALSE);

        /* in a string there would be a backslash before the second quote */
        (void) g_string_assign(text, written);
        (void) g_string_replace(text, "\"soft\":-1", "\"soft\":" INFINITE_LIMIT, 0);
        (void) g_string_replace(text, "\"hard\":-1", "\"hard\":" INFINITE_LIMIT, 0);
        return g_string_free(g_steal_pointer(&text), FALSE);
}
