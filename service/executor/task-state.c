/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bus-error.h"
#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "encode.h"
#include "fault.h"
#include "log.h"
#include "protocol.h"
#include "state-file.h"
#include "task.h"

#define STATE_FILE    "task.json"
#define STATE_VERSION 2

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
        OPTION("LogIncomplete", bool, log_incomplete),
        OPTION("LostTimestamp", uint64, lost_timestamp),
        OPTION("InvocationID", string, invocation_id),
};

/* Those that are not the same in every version of the service. */
static const Option default_options[] = {
        { .key = "CapabilitiesOfUser",
                        .type = &option_type_strv,
                        .offset = offsetof(Isolation, user_capabilities) },
        { .key = "CapabilitiesOfRoot",
                        .type = &option_type_strv,
                        .offset = offsetof(Isolation, root_capabilities) },
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

char *task_state_path(const Task *task, const char *name)
{
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", task->state_fd);
        g_autofree char *directory = g_file_read_link(link, NULL);

        return g_build_filename(directory ? directory : "/", name, NULL);
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
        json_object_set_member(object, "Defaults",
                        options_to_json(default_options, G_N_ELEMENTS(default_options),
                                        &task->spec.isolation, UINT64_MAX));
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
        /* version 1 has none */
        if (!json_object_has_member(object, "Defaults"))
                isolation_use_nomads_defaults(&task->spec.isolation);
        r = load_options(object, "Defaults", default_options, G_N_ELEMENTS(default_options),
                        &task->spec.isolation, NULL);
        if (r < 0)
                return r;
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
                return r;
        if (strcmp(get_string(object, "BootID"), manager->boot_id) != 0)
                return -ESTALE;
        r = state_check_version(object, STATE_VERSION);
        if (r < 0)
                return r;

        r = task_new(manager, get_string(object, "Id"), &task, NULL);
        if (r < 0 || strcmp(task->label, label) != 0)
                return -EBADMSG;
        r = load_members(task, object);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        task->state_fd = take_fd(&fd);
        r = task_state_load_stop(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot read how task '%s' is to stop, ignoring", task->id);
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
        /* First what makes it a task. By name, since for what is found by reading the directory a descriptor
         * is needed. */
        static const char *const names[] = { STATE_FILE, START_RECORD, EXIT_RECORD, MAIN_PID_FILE };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strdup_printf("%s/%s", label, names[i]);

                (void) unlinkat(manager->tasks_fd, path, 0);
        }
        (void) remove_tree_at(manager->tasks_fd, label);
}

void task_state_set_aside(Manager *manager, const char *label, const char *reason)
{
        (void) state_set_aside(manager->tasks_fd, label, reason);
}

/* What is only told, and damaged or missing, is not known; the task's status does not depend on it. */
static uint64_t get_number(GHashTable *record, const char *key, uint64_t otherwise)
{
        uint64_t value;

        return record_get_uint64(record, key, UINT64_MAX, &value) > 0 ? value : otherwise;
}

/* The supervisor does not say which of the two it was. */
static int set_stdio_failure(const TaskSpec *spec, const char *meaning, sd_bus_error *ret)
{
        const char *out = spec->stdout_path, *err = spec->stderr_path;

        if (out && err)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot open StdoutPath '%s' or StderrPath '%s': %s", out, err, meaning);
        if (out || err)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot open %s '%s': %s",
                                out ? "StdoutPath" : "StderrPath", out ? out : err, meaning);

        return sd_bus_error_setf(
                        ret, BUS_ERROR_EXEC_FAILED, "Cannot set up the standard streams: %s", meaning);
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
                return set_stdio_failure(spec, meaning, ret);
        if (g_str_has_prefix(stage, STAGE_RLIMIT))
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot set the limit '%s' of ResourceLimits: %s",
                                resource_limit_name(atoi(stage + strlen(STAGE_RLIMIT))), meaning);
        if (strcmp(stage, STAGE_OOM) == 0)
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED, "Cannot set OOMScoreAdjust to %d: %s",
                                spec->oom_score_adjust, meaning);
        if (g_str_has_prefix(stage, STAGE_SCRIPT))
                return sd_bus_error_setf(ret, BUS_ERROR_EXEC_FAILED,
                                "Cannot execute '%s': its interpreter '%s' does not exist", spec->command,
                                stage + strlen(STAGE_SCRIPT));
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
        uint64_t pid = 0, start_time = 0;

        if (stage)
                return set_failure(task, stage, (int) get_number(record, START_ERRNO, 0), ret_failure);
        if (!cgroup || !g_str_has_suffix(cgroup, task->unit) ||
                        record_get_uint64(record, START_PID, INT32_MAX, &pid) <= 0 || pid == 0 ||
                        record_get_uint64(record, START_TIME, UINT64_MAX, &start_time) <= 0)
                return -EBADMSG;

        g_free(task->cgroup);
        task->cgroup = g_strdup(cgroup);
        task->main.pid = (pid_t) pid;
        task->main.start_time = start_time;
        task->start_timestamp = get_number(record, RECORD_TIMESTAMP, 0);
        task->start_monotonic = get_number(record, RECORD_MONOTONIC, 0);

        task_open_main(task);
        return 0;
}

void task_open_main(Task *task)
{
        int r;

        safe_closep(&task->main_pidfd);
        r = process_open(&task->main, task->cgroup, &task->main_pidfd);
        if (r >= 0 || task->supervisor_pidfd < 0)
                return;

        /* it may have left its cgroup by now, but not its parent */
        r = process_open_child(&task->main, (pid_t) task->progress.supervisor_pid, &task->main_pidfd);
        if (r >= 0 && pidfd_kill(task->supervisor_pidfd, 0) < 0)
                safe_closep(&task->main_pidfd);
}

void task_tell_main_outside(const Task *task)
{
        g_autofree char *cgroup = NULL;
        _cleanup_close_ int pidfd = -1;

        if (task->main_pidfd >= 0 || faccessat(task->state_fd, EXIT_RECORD, F_OK, 0) >= 0)
                return;
        if (process_open(&task->main, NULL, &pidfd) < 0 || process_cgroup(task->main.pid, &cgroup) < 0 ||
                        pidfd_has_ended(pidfd) || cgroup_contains(task->cgroup, cgroup))
                return;

        log_warning("Process %d in %s is the main process of task '%s' or another of that number, which only its "
                    "supervisor could tell: it is left alone",
                        (int) task->main.pid, cgroup, task->id);
}

int task_read_start_record(Task *task)
{
        g_autoptr(GHashTable) record = NULL;
        int r;

        r = record_file_read(task->state_fd, START_RECORD, &record);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = task_apply_start_record(task, record, NULL);
        if (r == -EBADMSG)
                return r;

        return r >= 0;
}

/* What decides how the task ended: all of it is sound, or the record is damaged. */
static int apply_exit_status(Task *task, GHashTable *record)
{
        uint64_t code = 0, signal = 0, oom_kills = 0, timed_out = 0;
        int has_code, has_signal;

        has_code = record_get_uint64(record, EXIT_CODE, UINT8_MAX, &code);
        has_signal = record_get_uint64(record, EXIT_SIGNAL, (uint64_t) SIGRTMAX, &signal);
        if (has_code < 0 || has_signal < 0 || has_code == has_signal || (has_signal > 0 && signal == 0))
                return -EBADMSG;
        if (record_get_uint64(record, EXIT_OOM_KILLS, UINT64_MAX, &oom_kills) < 0 ||
                        record_get_uint64(record, EXIT_TIMED_OUT, UINT64_MAX, &timed_out) < 0)
                return -EBADMSG;

        task->exit_signal = (int) signal;
        task->exit_code = (int) (has_signal ? 128 + signal : code);
        task->oom_killed = oom_kills > 0;
        task->timed_out = timed_out > 0;
        return 0;
}

int task_read_exit_record(Task *task)
{
        g_autoptr(GHashTable) record = NULL;
        uint64_t cpu_usec;
        int r;

        r = record_file_read(task->state_fd, EXIT_RECORD, &record);
        if (r < 0)
                return r;
        r = apply_exit_status(task, record);
        if (r < 0)
                return r;

        task->exit_timestamp = get_number(record, RECORD_TIMESTAMP, 0);
        cpu_usec = get_number(record, EXIT_CPU_USEC, UINT64_MAX);
        task->cpu_usage_nsec = cpu_usec < UINT64_MAX / 1000 ? cpu_usec * 1000 : UINT64_MAX;
        task->memory_peak = get_number(record, EXIT_MEMORY_PEAK, UINT64_MAX);
        return 0;
}

uint64_t task_read_again_usec(uint64_t previous)
{
        return CLAMP(previous * 2, TASK_READ_AGAIN_MIN_USEC, TASK_READ_AGAIN_MAX_USEC);
}

int task_read_again_later(
                Task *task, ReadAgain *again, const char *record, int error, sd_event_time_handler_t handler)
{
        if (again->delay_usec == 0)
                (void) log_errno(LOG_WARNING, error, "Cannot read the %s record of task '%s', trying again",
                                record, task->id);

        again->delay_usec = task_read_again_usec(again->delay_usec);
        again->source = sd_event_source_disable_unref(again->source);
        return sd_event_add_time_relative(task->manager->service.event, &again->source, CLOCK_MONOTONIC,
                        again->delay_usec, 0, handler, task);
}

bool task_record_is_unread(int error)
{
        return error < 0 && error != -ENOENT && error != -EBADMSG;
}
