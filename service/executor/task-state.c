/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container.h"
#include "encode.h"
#include "fault.h"
#include "protocol.h"
#include "state-file.h"
#include "task.h"

#define STATE_FILE    "task.json"
#define STATE_VERSION 1

#define OPTION(k, t, member)                                                                   \
        {                                                                                      \
                .key = (k), .type = &option_type_##t, .offset = offsetof(TaskProgress, member) \
        }

static const Option progress_options[] = {
        OPTION("SupervisorPID", uint32, supervisor_pid),
        OPTION("SupervisorStartTime", uint64, supervisor_start_time),
        OPTION("Stopping", bool, stopping),
        OPTION("StopSent", bool, stop_sent),
        OPTION("StopSignal", uint32, stop_signal),
        OPTION("KillAtUSec", uint64, kill_at_usec),
        OPTION("Ended", bool, ended),
        OPTION("LostTimestamp", uint64, lost_timestamp),
        OPTION("InvocationID", string, invocation_id),
};

int task_state_create(Task *task)
{
        if (mkdirat(task->manager->tasks_fd, task->label, 0700) < 0)
                return -errno;

        task->state_fd = openat(task->manager->tasks_fd, task->label,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (task->state_fd < 0) {
                int r = -errno;

                (void) unlinkat(task->manager->tasks_fd, task->label, AT_REMOVEDIR);
                return r;
        }

        return 0;
}

/* Descriptors are not on disk, but that they were given is: those streams have no log. */
static JsonArray *given_descriptors(const TaskSpec *spec)
{
        JsonArray *given = json_array_new();

        for (size_t i = 0; i < n_task_spec_options; i++)
                if (task_spec_options[i].type == &option_type_fd && spec->set & UINT64_C(1) << i)
                        json_array_add_string_element(given, task_spec_options[i].key);

        return given;
}

int task_state_save(Task *task)
{
        g_autoptr(JsonObject) object = json_object_new();
        int r;

        json_object_set_int_member(object, "Version", STATE_VERSION);
        json_object_set_string_member(object, "Id", task->id);
        json_object_set_string_member(object, "BootID", task->manager->boot_id);
        json_object_set_member(object, "Spec",
                        options_to_json(task_spec_options, n_task_spec_options, &task->spec,
                                        task->spec.set));
        json_object_set_array_member(object, "Descriptors", given_descriptors(&task->spec));
        json_object_set_member(object, "Credentials",
                        options_to_json(credentials_options, n_credentials_options, &task->credentials,
                                        UINT64_MAX));
        json_object_set_member(object, "Progress",
                        options_to_json(progress_options, G_N_ELEMENTS(progress_options), &task->progress,
                                        UINT64_MAX));
        fault_point(FAULT_STATE_BEFORE_WRITE);
        r = state_file_write(task->state_fd, STATE_FILE, object);
        fault_point(FAULT_STATE_AFTER_WRITE);
        return r;
}

static const char *node_string(JsonNode *node)
{
        const char *value = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

        return value ? value : "";
}

static const char *get_string(JsonObject *object, const char *key)
{
        return node_string(json_object_get_member(object, key));
}

static int load_options(JsonObject *object, const char *key, const Option *table, size_t n, void *target,
                uint64_t *ret_set)
{
        JsonNode *node = json_object_get_member(object, key);

        if (!node)
                return 0;
        if (!JSON_NODE_HOLDS_OBJECT(node))
                return -EBADMSG;

        return options_from_json(json_node_get_object(node), table, n, target, ret_set);
}

static void mark_descriptors(JsonObject *object, TaskSpec *spec)
{
        JsonNode *node = json_object_get_member(object, "Descriptors");
        JsonArray *given = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

        for (guint i = 0; given && i < json_array_get_length(given); i++) {
                const Option *option = options_find(task_spec_options, n_task_spec_options,
                                node_string(json_array_get_element(given, i)));

                if (option)
                        spec->set |= UINT64_C(1) << (option - task_spec_options);
        }
}

static int load_members(Task *task, JsonObject *object)
{
        int r;

        r = load_options(object, "Spec", task_spec_options, n_task_spec_options, &task->spec,
                        &task->spec.set);
        if (r < 0)
                return r;
        mark_descriptors(object, &task->spec);
        r = load_options(object, "Credentials", credentials_options, n_credentials_options,
                        &task->credentials, NULL);
        if (r < 0)
                return r;

        return load_options(object, "Progress", progress_options, G_N_ELEMENTS(progress_options),
                        &task->progress, NULL);
}

int task_state_load(Manager *manager, const char *label, Task **ret)
{
        g_autoptr(JsonObject) object = NULL;
        g_autoptr(Task) task = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(manager->tasks_fd, label, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = state_file_read(fd, STATE_FILE, &object);
        if (r < 0)
                return r == -EFBIG || r == -EISDIR || r == -ELOOP ? -EBADMSG : r;
        if (strcmp(get_string(object, "BootID"), manager->boot_id) != 0)
                return -ESTALE;

        r = task_new(manager, get_string(object, "Id"), &task, NULL);
        if (r < 0 || strcmp(task->label, label) != 0)
                return -EBADMSG;
        r = load_members(task, object);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        task->state_fd = take_fd(&fd);
        *ret = g_steal_pointer(&task);
        return 0;
}

int task_state_load_damaged(Manager *manager, const char *label, Task **ret)
{
        g_autofree char *path = g_strdup_printf("%s/%s", TASK_PREFIX, label);
        g_autofree char *id = NULL;
        g_autoptr(Task) task = NULL;
        int r;

        r = sd_bus_path_decode(path, TASK_PREFIX, &id);
        if (r < 0)
                return r;
        if (r == 0 || task_new(manager, id, &task, NULL) < 0 || strcmp(task->label, label) != 0)
                return -ENOENT;

        task->state_fd = openat(manager->tasks_fd, label, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (task->state_fd < 0)
                return -errno;

        *ret = g_steal_pointer(&task);
        return 0;
}

void task_state_remove(Manager *manager, const char *label)
{
        /* First what makes it a task. By name, since for what is found by reading the directory a descriptor is needed. */
        static const char *const names[] = { STATE_FILE, START_RECORD, EXIT_RECORD };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strdup_printf("%s/%s", label, names[i]);

                (void) unlinkat(manager->tasks_fd, path, 0);
        }
        (void) remove_tree_at(manager->tasks_fd, label);
}

static uint64_t get_number(GHashTable *record, const char *key, uint64_t otherwise)
{
        const char *value = g_hash_table_lookup(record, key);

        return value ? g_ascii_strtoull(value, NULL, 10) : otherwise;
}

static int set_failure(const Task *task, const char *stage, int error, sd_bus_error *ret)
{
        const TaskSpec *spec = &task->spec;
        const char *meaning = g_strerror(error);

        if (strcmp(stage, STAGE_COMMAND) == 0)
                return sd_bus_error_setf(ret, BUS_ERROR_COMMAND_NOT_FOUND, "Command '%s' was not found",
                                spec->command);
        if (strcmp(stage, STAGE_RUNTIME) == 0) {
                g_autofree char *reason = container_failure(task);

                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s': %s",
                                spec->command, reason);
        }
        if (strcmp(stage, STAGE_DIRECTORY) == 0)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot enter WorkingDirectory '%s': %s", spec->working_directory, meaning);
        if (strcmp(stage, STAGE_STDIO) == 0)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot open StdoutPath or StderrPath: %s", meaning);
        if (strcmp(stage, STAGE_EXEC) == 0)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot execute '%s': %s",
                                spec->command, meaning);

        return sd_bus_error_setf(
                        ret, BUS_ERROR_EXEC_FAILED, "Cannot set up the task (%s): %s", stage, meaning);
}

int task_apply_start_record(Task *task, GHashTable *record, sd_bus_error *ret_failure)
{
        const char *stage = g_hash_table_lookup(record, START_STAGE);
        const char *cgroup = g_hash_table_lookup(record, START_CGROUP);

        if (stage)
                return set_failure(task, stage, (int) get_number(record, START_ERRNO, 0), ret_failure);
        if (!cgroup || !g_str_has_suffix(cgroup, task->unit))
                return -EBADMSG;

        g_free(task->cgroup);
        task->cgroup = g_strdup(cgroup);
        task->main.pid = (pid_t) get_number(record, START_PID, 0);
        task->main.start_time = get_number(record, START_TIME, 0);
        task->start_timestamp = get_number(record, RECORD_TIMESTAMP, 0);
        task->start_monotonic = get_number(record, RECORD_MONOTONIC, 0);

        /* one that has ended already has none, and its exit record is on its way */
        safe_closep(&task->main_pidfd);
        (void) process_open(&task->main, task->cgroup, &task->main_pidfd);
        return 0;
}

int task_read_start_record(Task *task, sd_bus_error *ret_failure)
{
        g_autoptr(GHashTable) record = NULL;
        int r;

        r = record_file_read(task->state_fd, START_RECORD, &record);
        if (r < 0)
                return r;

        return task_apply_start_record(task, record, ret_failure);
}

int task_read_exit_record(Task *task)
{
        g_autoptr(GHashTable) record = NULL;
        const char *code, *signal;
        uint64_t cpu_usec;
        int r;

        r = record_file_read(task->state_fd, EXIT_RECORD, &record);
        if (r < 0)
                return r;

        code = g_hash_table_lookup(record, EXIT_CODE);
        signal = g_hash_table_lookup(record, EXIT_SIGNAL);
        if (!code && !signal)
                return -EBADMSG;

        task->exit_signal = signal ? atoi(signal) : 0;                   // NOLINT(cert-err34-c)
        task->exit_code = signal ? 128 + task->exit_signal : atoi(code); // NOLINT(cert-err34-c)
        task->oom_killed = get_number(record, EXIT_OOM_KILLS, 0) > 0;
        task->timed_out = get_number(record, EXIT_TIMED_OUT, 0) > 0;
        task->exit_timestamp = get_number(record, RECORD_TIMESTAMP, 0);
        cpu_usec = get_number(record, EXIT_CPU_USEC, UINT64_MAX);
        task->cpu_usage_nsec = cpu_usec < UINT64_MAX / 1000 ? cpu_usec * 1000 : UINT64_MAX;
        task->memory_peak = get_number(record, EXIT_MEMORY_PEAK, UINT64_MAX);
        return 0;
}
