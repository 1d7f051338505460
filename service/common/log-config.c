/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bus-error.h"
#include "cleanup.h"

#define MAX_FILES_DEFAULT     10U
#define MAX_FILE_SIZE_DEFAULT (UINT64_C(10) * 1024 * 1024)

/* What is a pipe stays one however the other end behaves; anything else could block the loop. */
static const char *invalid_unless_pipe(const void *field)
{
        int fd = *(const int *) field, flags = fcntl(fd, F_GETFL);
        struct stat st;

        if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
                return "must be a pipe";

        return flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY ? "must be readable" : NULL;
}

const char *log_invalid_name(const void *field)
{
        const char *name = *(char *const *) field;

        if (strlen(name) > LOG_NAME_LENGTH_MAX)
                return "is too long";
        if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
                return "must be a file name";

        return NULL;
}

const char *log_invalid_targets(const void *field)
{
        for (char **target = *(char **const *) field; target && *target; target++)
                if (strcmp(*target, "files") != 0 && strcmp(*target, "journal") != 0)
                        return "may only have 'files' and 'journal'";

        return NULL;
}

const char *log_invalid_overflow(const void *field)
{
        const char *value = *(char *const *) field;

        return strcmp(value, "drop") != 0 && strcmp(value, "block") != 0 ? "must be 'drop' or 'block'"
                                                                         : NULL;
}

const char *log_invalid_max_files(const void *field)
{
        uint32_t value = *(const uint32_t *) field;

        return value == 0 || value > LOG_MAX_FILES_MAX ? "must be from 1 to 65536" : NULL;
}

/* File sizes are signed in the kernel. */
const char *log_invalid_max_size(const void *field)
{
        uint64_t value = *(const uint64_t *) field;

        return value == 0 || value > INT64_MAX ? "must be from 1 to 2^63-1" : NULL;
}

/* Fields that the service sets, and those by which journalctl, systemd and its tools find entries that they
 * have written themselves, or take an entry for another unit's. A name that ends in '_' stands for all that
 * begin so; journald drops those that begin with it. */
static bool is_reserved(const char *name)
{
        static const char *const reserved[] = {
                "AUDIT_",
                "CODE_",
                "COREDUMP_",
                "DOCUMENTATION",
                "ERRNO",
                "INVOCATION_ID",
                "JOB_",
                "MESSAGE",
                "MESSAGE_",
                "NOMAD_STREAM",
                "NOMAD_TASK_ID",
                "OBJECT_",
                "PRIORITY",
                "SESSION_ID",
                "SYSLOG_",
                "TID",
                "UNIT",
                "UNIT_",
                "USER_ID",
                "USER_INVOCATION_ID",
                "USER_UNIT",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(reserved); i++)
                if (g_str_has_suffix(reserved[i], "_") ? g_str_has_prefix(name, reserved[i])
                                                       : strcmp(name, reserved[i]) == 0)
                        return true;

        return false;
}

static const char *invalid_field_name(const char *name)
{

        if (strlen(name) > LOG_FIELD_NAME_MAX)
                return "has a name that is too long";
        if (*name == '\0' || *name == '_' || g_ascii_isdigit(*name) ||
                        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(name))
                return "has a name that is not one of a journal field";
        if (is_reserved(name))
                return "has a name that systemd, journald or this service gives a meaning to";

        return NULL;
}

const char *log_invalid_fields(const void *field)
{
        GHashTable *fields = *(GHashTable *const *) field;
        GHashTableIter iter;
        void *name, *value;
        size_t size = 0;

        if (g_hash_table_size(fields) > LOG_FIELDS_MAX)
                return "has too many fields";

        g_hash_table_iter_init(&iter, fields);
        while (g_hash_table_iter_next(&iter, &name, &value)) {
                const char *reason = invalid_field_name(name);

                if (reason)
                        return reason;
                size += strlen(name) + strlen(value);
        }

        return size > LOG_FIELDS_SIZE_MAX ? "is too large" : NULL;
}

#define FIELD(member) offsetof(LogConfig, member)

const Option log_config_table[] = {
        { "Stdout", &option_type_fd, FIELD(fds[STREAM_STDOUT]), invalid_unless_pipe, 0 },
        { "Stderr", &option_type_fd, FIELD(fds[STREAM_STDERR]), invalid_unless_pipe, 0 },
        { "StdoutFifo", &option_type_string, FIELD(fifos[STREAM_STDOUT]), option_invalid_unless_absolute,
                        0 },
        { "StderrFifo", &option_type_string, FIELD(fifos[STREAM_STDERR]), option_invalid_unless_absolute,
                        0 },
        LOG_OUTPUT_OPTIONS(0),
        { "MainPIDFile", &option_type_string, FIELD(main_pid_file), option_invalid_unless_absolute, 0 },
};
const size_t log_config_table_size = G_N_ELEMENTS(log_config_table);

void log_config_init(LogConfig *config)
{
        *config = (LogConfig){
                .fds = { -1, -1 },
                .max_files = MAX_FILES_DEFAULT,
                .max_file_size = MAX_FILE_SIZE_DEFAULT,
        };
}

void log_config_clear(LogConfig *config)
{
        options_clear(log_config_table, log_config_table_size, config);
}

int log_config_read(sd_bus_message *m, LogConfig *config, sd_bus_error *error)
{
        int r;

        r = options_read(m, log_config_table, log_config_table_size, config, &config->set, error);
        if (r < 0)
                return r;

        if (config->fds[STREAM_STDOUT] >= 0 && config->fifos[STREAM_STDOUT])
                return sd_bus_error_set(
                                error, BUS_ERROR_INVALID_SPEC, "StdoutFifo is given together with Stdout");
        if (config->fds[STREAM_STDERR] >= 0 && config->fifos[STREAM_STDERR])
                return sd_bus_error_set(
                                error, BUS_ERROR_INVALID_SPEC, "StderrFifo is given together with Stderr");
        if (!config->user && (config->group || config->groups))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "User is required with Group and SupplementaryGroups");

        return 0;
}

JsonNode *log_config_to_json(const LogConfig *config)
{
        return options_to_json(log_config_table, log_config_table_size, config, config->set);
}

int log_config_from_json(JsonObject *object, LogConfig *config)
{
        return options_from_json(object, log_config_table, log_config_table_size, config, &config->set);
}

static uint64_t table_bit(const char *key)
{
        const Option *option = options_find(log_config_table, log_config_table_size, key);

        g_assert(option);
        return UINT64_C(1) << (option - log_config_table);
}

bool log_config_has_target(const LogConfig *config, const char *target)
{
        if (!(config->set & table_bit("LogTargets")))
                return true;

        return config->targets && g_strv_contains((const char *const *) config->targets, target);
}

void log_config_update(LogConfig *config, const LogConfig *newer)
{
        uint64_t files = table_bit("LogMaxFiles"), size = table_bit("LogMaxFileSize");

        if (newer->set & files)
                config->max_files = newer->max_files;
        if (newer->set & size)
                config->max_file_size = newer->max_file_size;
        config->set |= newer->set & (files | size);
}

void log_config_set_fifo(LogConfig *config, StreamKind kind, const char *path)
{
        uint64_t bit = table_bit(kind == STREAM_STDOUT ? "StdoutFifo" : "StderrFifo");
        char *copy = g_strdup(path);

        g_free(config->fifos[kind]);
        config->fifos[kind] = copy;
        config->set = path ? config->set | bit : config->set & ~bit;
}
