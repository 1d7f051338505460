/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "isolation.h"
#include "option-table.h"
#include "resources.h"

G_BEGIN_DECLS

/* All strings of a spec together; the kernel's own limit on one argument is 128 KiB. Labels are in every
 * list of tasks. */
#define SPEC_LABELS_BYTES_MAX 4096U

/* How much of the output of a Run is kept: Nomad's amount unless the task asks for more. */
#define RUN_OUTPUT_DEFAULT 4096U
#define RUN_OUTPUT_MAX     (1024U * 1024U)

#define DEFAULT_STOP_SIGNAL       "SIGINT"
#define DEFAULT_STOP_TIMEOUT_USEC UINT64_C(5000000)
#define DEFAULT_SLICE             "nomad.slice"
#define DEFAULT_UMASK             0022U

typedef struct ResourceLimit {
        int resource;
        uint64_t soft, hard; /* UINT64_MAX: no limit */
        char unknown[24];    /* where RESOURCE is -1: its name, or as much of it as there is room for */
} ResourceLimit;

/* "NOFILE", as in the spec. */
const char *resource_limit_name(int resource);

extern const OptionType option_type_limits; /* a{s(tt)} GArray * of ResourceLimit */
const char *spec_invalid_limits(const void *field);

/* What a client asked for: the a{sv} of StartTask. */
typedef struct TaskSpec {
        char *command;
        char **arguments;
        char **environment;
        char *user;
        char *group;
        char *working_directory;
        char *description;
        char *slice;
        GHashTable *labels;
        char *stop_signal;
        uint64_t stop_timeout_usec;
        uint64_t runtime_max_usec; /* UINT64_MAX: none */
        int32_t oom_score_adjust;
        uint32_t umask;
        GArray *resource_limits; /* of ResourceLimit, or NULL */
        int stdin_fd, stdout_fd, stderr_fd;
        char *stdout_path;
        char *stderr_path;
        char **log_targets;
        char *log_directory;
        char *log_name;
        uint32_t log_max_files;
        uint64_t log_max_file_size;
        GHashTable *log_fields;
        char *log_overflow;
        uint32_t run_output_max;
        Resources resources;
        Isolation isolation;
        uint64_t set; /* a bit for each entry of task_spec_options that was given */
} TaskSpec;

extern const Option task_spec_options[];
extern const size_t n_task_spec_options;

void task_spec_init(TaskSpec *spec);
void task_spec_clear(TaskSpec *spec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TaskSpec, task_spec_clear)

/* Reads the a{sv} at the message's position and checks it as a whole. */
int task_spec_read(TaskSpec *spec, sd_bus_message *m, sd_bus_error *error);

bool task_spec_is_set(const TaskSpec *spec, const char *key);

/* Which of spec->resources were given: bits of resource_options. */
uint64_t task_spec_resources_set(const TaskSpec *spec);

int task_spec_stop_signal(const TaskSpec *spec);

/* Whether that stream of the task goes to logmon. */
bool task_spec_logs_stdout(const TaskSpec *spec);
bool task_spec_logs_stderr(const TaskSpec *spec);

G_END_DECLS
