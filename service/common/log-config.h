/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "option-table.h"
#include "stream-kind.h"

G_BEGIN_DECLS

/* Of LogMaxFiles. */
#define LOG_MAX_FILES_MAX 65536U

/* The longest LogName with which "<LogName>.stdout.<index>" is a file name. */
#define LOG_NAME_LENGTH_MAX 230U

#define LOG_FIELDS_MAX      64U
#define LOG_FIELD_NAME_MAX  64U
#define LOG_FIELDS_SIZE_MAX (64U * 1024U) /* of all names and values together */

/* The a{sv} of Start(). */
typedef struct LogConfig {
        int fds[STREAM_MAX]; /* handed over; -1: none */
        char *fifos[STREAM_MAX];
        char **targets;
        char *directory; /* NULL: the default one */
        char *name;
        uint32_t max_files;
        uint64_t max_file_size;
        GHashTable *fields;
        char *overflow;
        char *unit;
        char *user;
        char *group;
        char **groups;
        char *main_pid_file;
        uint64_t set; /* which entries of the table were given */
} LogConfig;

/* The entries about where output goes, for the table of a struct that has a LogConfig at offset BASE. */
#define LOG_OUTPUT_OPTIONS(base)                                                                            \
        { "LogTargets", &option_type_strv, (base) + offsetof(LogConfig, targets), log_invalid_targets, 0 }, \
                        { "LogDirectory", &option_type_string, (base) + offsetof(LogConfig, directory),     \
                                option_invalid_unless_absolute, 0 },                                        \
                        { "LogName", &option_type_string, (base) + offsetof(LogConfig, name),               \
                                log_invalid_name, 0 },                                                      \
                        { "LogMaxFiles", &option_type_uint32, (base) + offsetof(LogConfig, max_files),      \
                                log_invalid_max_files, 0 },                                                 \
                        { "LogMaxFileSize", &option_type_uint64,                                            \
                                (base) + offsetof(LogConfig, max_file_size), log_invalid_max_size, 0 },     \
                        { "LogFields", &option_type_dict, (base) + offsetof(LogConfig, fields),             \
                                log_invalid_fields, 0 },                                                    \
                        { "LogOverflow", &option_type_string, (base) + offsetof(LogConfig, overflow),       \
                                log_invalid_overflow, 0 },                                                  \
                        { "Unit", &option_type_string, (base) + offsetof(LogConfig, unit),                  \
                                option_invalid_if_empty, 0 },                                               \
                        { "User", &option_type_string, (base) + offsetof(LogConfig, user),                  \
                                option_invalid_if_empty, 0 },                                               \
                        { "Group", &option_type_string, (base) + offsetof(LogConfig, group),                \
                                option_invalid_if_empty, 0 },                                               \
        {                                                                                                   \
                "SupplementaryGroups", &option_type_strv, (base) + offsetof(LogConfig, groups), NULL, 0     \
        }

const char *log_invalid_targets(const void *field);
const char *log_invalid_name(const void *field);
const char *log_invalid_max_files(const void *field);
const char *log_invalid_max_size(const void *field);
const char *log_invalid_fields(const void *field);
const char *log_invalid_overflow(const void *field);

extern const Option log_config_table[];
extern const size_t log_config_table_size;

void log_config_init(LogConfig *config);
void log_config_clear(LogConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LogConfig, log_config_clear)

int log_config_read(sd_bus_message *m, LogConfig *config, sd_bus_error *error);
JsonNode *log_config_to_json(const LogConfig *config);
int log_config_from_json(JsonObject *object, LogConfig *config);

bool log_config_has_target(const LogConfig *config, const char *target);

/* The values of NEWER that may change while a log runs. */
void log_config_update(LogConfig *config, const LogConfig *newer);

/* What a stream is read from, for the state on disk; NULL: a pipe that was handed over. */
void log_config_set_fifo(LogConfig *config, StreamKind kind, const char *path);

G_END_DECLS
