/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <string.h>

#include "bus-error.h"
#include "log-config.h"
#include "process.h"

static const char *invalid_command(const void *field)
{
        const char *command = *(char *const *) field;

        return *command == '\0' ? "must not be empty" : NULL;
}

static const char *invalid_slice(const void *field)
{
        const char *slice = *(char *const *) field;

        /* systemd checks the rest */
        if (!g_str_has_suffix(slice, ".slice") || strchr(slice, '/'))
                return "is not the name of a slice unit such as foo.slice";
        return NULL;
}

static const char *invalid_signal(const void *field)
{
        return signal_from_string(*(char *const *) field) < 0 ? "is not the name of a signal" : NULL;
}

static const char *invalid_oom_score_adjust(const void *field)
{
        int32_t value = *(const int32_t *) field;

        return value < -1000 || value > 1000 ? "is not between -1000 and 1000" : NULL;
}

static const char *invalid_umask(const void *field)
{
        return *(const uint32_t *) field > 0777 ? "is not between 0 and 0777 (octal)" : NULL;
}

static const char *invalid_log_targets(const void *field)
{
        for (char **target = *(char **const *) field; target && *target; target++)
                if (strcmp(*target, "files") != 0 && strcmp(*target, "journal") != 0)
                        return "has an entry that is neither 'files' nor 'journal'";

        return NULL;
}

static const char *invalid_log_overflow(const void *field)
{
        const char *overflow = *(char *const *) field;

        return strcmp(overflow, "drop") != 0 && strcmp(overflow, "block") != 0
                        ? "is neither 'drop' nor 'block'"
                        : NULL;
}

static const char *invalid_log_name(const void *field)
{
        const char *name = *(char *const *) field;

        return *name == '\0' || strchr(name, '/') ? "is not a file name" : NULL;
}

static const char *invalid_description(const void *field)
{
        return strpbrk(*(char *const *) field, "\n\r") ? "must be one line" : NULL;
}

static const char *invalid_run_output(const void *field)
{
        uint32_t value = *(const uint32_t *) field;

        return value < RUN_OUTPUT_DEFAULT || value > RUN_OUTPUT_MAX ? "is not between 4096 and 1048576"
                                                                    : NULL;
}

#define OPTION(k, t, member, ...)                                                                       \
        {                                                                                               \
                .key = (k), .type = &option_type_##t, .offset = offsetof(TaskSpec, member), __VA_ARGS__ \
        }

const Option task_spec_options[] = {
        OPTION("Command", string, command, .invalid = invalid_command, .flags = OPTION_REQUIRED),
        OPTION("Arguments", strv, arguments),
        OPTION("Environment", strv, environment, .invalid = option_invalid_environment),
        OPTION("User", string, user, .invalid = option_invalid_if_empty),
        OPTION("Group", string, group, .invalid = option_invalid_if_empty),
        OPTION("WorkingDirectory", string, working_directory, .invalid = option_invalid_unless_absolute),
        OPTION("Description", string, description, .invalid = invalid_description),
        OPTION("Slice", string, slice, .invalid = invalid_slice),
        OPTION("Labels", dict, labels),
        OPTION("StopSignal", string, stop_signal, .invalid = invalid_signal),
        OPTION("StopTimeoutUSec", uint64, stop_timeout_usec),
        OPTION("RuntimeMaxUSec", uint64, runtime_max_usec, .invalid = option_invalid_if_zero64),
        OPTION("OOMScoreAdjust", int32, oom_score_adjust, .invalid = invalid_oom_score_adjust),
        OPTION("UMask", uint32, umask, .invalid = invalid_umask),
        OPTION("ResourceLimits", limits, resource_limits, .invalid = spec_invalid_limits),
        OPTION("StandardInput", fd, stdin_fd),
        OPTION("StandardOutput", fd, stdout_fd),
        OPTION("StandardError", fd, stderr_fd),
        OPTION("StdoutPath", string, stdout_path, .invalid = option_invalid_unless_absolute),
        OPTION("StderrPath", string, stderr_path, .invalid = option_invalid_unless_absolute),
        OPTION("LogTargets", strv, log_targets, .invalid = invalid_log_targets),
        OPTION("LogDirectory", string, log_directory, .invalid = option_invalid_unless_absolute),
        OPTION("LogName", string, log_name, .invalid = invalid_log_name),
        OPTION("LogMaxFiles", uint32, log_max_files, .invalid = option_invalid_if_zero32),
        OPTION("LogMaxFileSize", uint64, log_max_file_size, .invalid = option_invalid_if_zero64),
        OPTION("LogFields", dict, log_fields, .invalid = log_invalid_fields),
        OPTION("LogOverflow", string, log_overflow, .invalid = invalid_log_overflow),
        OPTION("RunOutputMax", uint32, run_output_max, .invalid = invalid_run_output),
        RESOURCE_OPTIONS(TaskSpec, resources.),
        ISOLATION_OPTIONS(TaskSpec, isolation.),
};
const size_t n_task_spec_options = G_N_ELEMENTS(task_spec_options);
G_STATIC_ASSERT(G_N_ELEMENTS(task_spec_options) <= OPTIONS_MAX);

void task_spec_init(TaskSpec *spec)
{
        *spec = (TaskSpec){
                .stop_timeout_usec = DEFAULT_STOP_TIMEOUT_USEC,
                .runtime_max_usec = UINT64_MAX,
                .umask = DEFAULT_UMASK,
                .run_output_max = RUN_OUTPUT_DEFAULT,
                .stdin_fd = -1,
                .stdout_fd = -1,
                .stderr_fd = -1,
        };
        isolation_init(&spec->isolation);
}

void task_spec_clear(TaskSpec *spec)
{
        options_clear(task_spec_options, n_task_spec_options, spec);
        isolation_clear_defaults(&spec->isolation);
}

bool task_spec_is_set(const TaskSpec *spec, const char *key)
{
        const Option *option = options_find(task_spec_options, n_task_spec_options, key);

        g_assert(option);
        return spec->set & UINT64_C(1) << (option - task_spec_options);
}

/* Two ways to say where a stream goes, of which only one can be meant. */
static int check_streams(const TaskSpec *spec, sd_bus_error *error)
{
        if (spec->stdout_fd >= 0 && spec->stdout_path)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "StandardOutput and StdoutPath cannot both be given");
        if (spec->stderr_fd >= 0 && spec->stderr_path)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "StandardError and StderrPath cannot both be given");

        return 0;
}

/* A key that would have no effect is a mistake of the client's. */
static int check_without_container(const TaskSpec *spec, sd_bus_error *error)
{
        static const char *const keys[] = {
                "RootDirectory",
                "TaskDirectory",
                "Mounts",
                "Devices",
                "Capabilities",
                "NoNewPrivileges",
                "PIDMode",
                "IPCMode",
                "NetworkNamespacePath",
                "Runtime",
                "SeccompProfile",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (task_spec_is_set(spec, keys[i]))
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                        "%s needs Isolation 'container'", keys[i]);
        if (*spec->command != '/' && strchr(spec->command, '/'))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "Command must be an absolute path or a name without a slash");

        return 0;
}

static int check_isolation(const TaskSpec *spec, sd_bus_error *error)
{
        const Isolation *isolation = &spec->isolation;
        bool has_root = isolation->root_directory && *isolation->root_directory != '\0';
        g_autofree char *command = g_strconcat("/", spec->command, NULL);

        if (!isolation_is_container(isolation))
                return check_without_container(spec, error);
        if (has_root == isolation_binds_host(isolation))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "Isolation 'container' needs either RootDirectory or TaskDirectory");
        if (!isolation_path_is_valid(command))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, "Command must not have '..'");
        if (spec->working_directory && !isolation_path_is_valid(spec->working_directory))
                return sd_bus_error_set(
                                error, BUS_ERROR_INVALID_SPEC, "WorkingDirectory must not have '..'");

        return 0;
}

static size_t string_bytes(const char *string)
{
        return string ? strlen(string) + 1 : 0;
}

static size_t dict_bytes(GHashTable *dict)
{
        size_t bytes = 0;
        GHashTableIter iter;
        void *key, *value;

        if (!dict)
                return 0;

        g_hash_table_iter_init(&iter, dict);
        while (g_hash_table_iter_next(&iter, &key, &value))
                bytes += string_bytes(key) + string_bytes(value);

        return bytes;
}

static int check_labels(const TaskSpec *spec, sd_bus_error *error)
{
        if (dict_bytes(spec->labels) > SPEC_LABELS_BYTES_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED, "Labels are more than %u bytes",
                                SPEC_LABELS_BYTES_MAX);

        return 0;
}

int task_spec_read(TaskSpec *spec, sd_bus_message *m, sd_bus_error *error)
{
        int r;

        r = options_read(m, task_spec_options, n_task_spec_options, spec, &spec->set, error);
        if (r < 0)
                return r;

        r = check_streams(spec, error);
        if (r < 0)
                return r;
        r = check_isolation(spec, error);
        if (r < 0)
                return r;

        return check_labels(spec, error);
}

uint64_t task_spec_resources_set(const TaskSpec *spec)
{
        uint64_t set = 0;

        for (size_t i = 0; i < n_resource_options; i++)
                if (task_spec_is_set(spec, resource_options[i].key))
                        set |= UINT64_C(1) << i;

        return set;
}

int task_spec_stop_signal(const TaskSpec *spec)
{
        return signal_from_string(spec->stop_signal ? spec->stop_signal : DEFAULT_STOP_SIGNAL);
}

static bool logs_at_all(const TaskSpec *spec)
{
        return !spec->log_targets || *spec->log_targets;
}

bool task_spec_logs_stdout(const TaskSpec *spec)
{
        return logs_at_all(spec) && !task_spec_is_set(spec, "StandardOutput") && !spec->stdout_path;
}

bool task_spec_logs_stderr(const TaskSpec *spec)
{
        return logs_at_all(spec) && !task_spec_is_set(spec, "StandardError") && !spec->stderr_path;
}
