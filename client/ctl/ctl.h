/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <nomad-executor.h>
#include <stdbool.h>
#include <stdio.h>

G_BEGIN_DECLS

#define PROGRAM "nomad-executorctl"

/* Exit statuses, documented in nomad-executorctl(1). Verbs that pass on the status of a program have three
 * of their own for what went wrong before or beside it, as shells and container tools do. */
enum {
        STATUS_OK = 0,
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
        STATUS_ENDED = 3,   /* "status": the task is not running */
        STATUS_NO_TASK = 4, /* no such task */
        STATUS_PASS_FAILED = 125,
        STATUS_PASS_NOT_EXECUTABLE = 126,
        STATUS_PASS_NOT_FOUND = 127,
};

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
} JsonMode;

/* The options that every verb has, and the connection. */
typedef struct Ctl {
        const char *verb;        /* NULL before it is known */
        const char *description; /* of all verbs, for --help */
        gboolean user, system, no_legend, no_pager, version;
        char *json_text;
        JsonMode json;
        bool passes_status; /* the verb exits with the status of a program */
        nx_connection *connection;
} Ctl;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;
        int (*run)(Ctl *ctl, int argc, char **argv); /* argv[0] is the verb; the exit status */
} Verb;

extern const Verb verbs[];
extern const size_t n_verbs;

/* Options that are text are taken as they are: G_OPTION_ARG_STRING converts from the locale's character set,
 * which in the C locale refuses all but ASCII. What is not UTF-8 is refused where it is used. */
#define ARG_TEXT       G_OPTION_ARG_FILENAME
#define ARG_TEXT_ARRAY G_OPTION_ARG_FILENAME_ARRAY

/* Parses the options of a verb, ENTRIES (ends with G_OPTION_ENTRY_NULL) and the common ones. After it argv
 * has the verb and its arguments. STRICT: options end at the first argument, the rest is a command. At least
 * MIN and at most MAX arguments are required. False: told to the user, exit with STATUS_USAGE. */
bool ctl_parse(Ctl *ctl, const GOptionEntry *entries, bool strict, int min, int max, int *argc,
                char ***argv);

/* The connection, made at the first call; NULL: told to the user. */
nx_connection *ctl_connect(Ctl *ctl);
/* ctl_connect() and nx_task_open(). RET_STATUS gets the exit status when the result is NULL. */
nx_task *ctl_open_task(Ctl *ctl, const char *id, int *ret_status);

/* Tells the user what went wrong and what to do next, in one line; the exit status for it. */
int ctl_fail(const Ctl *ctl, const nx_error *error);
/* The same in the verb's own words. */
int ctl_fail_text(const Ctl *ctl, int status, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Which of the tasks that fit a pattern are meant; one that is named by its id is meant whatever its
 * state. */
typedef enum TaskFilter {
        TASKS_ALL,
        TASKS_RUNNING,
        TASKS_ENDED,
} TaskFilter;

/* Whether ID is one of NAMES, which are ids and patterns of *, ? and [...]. */
bool ctl_matches(char **names, const char *id);
/* The tasks that NAMES stand for, each once, as nx_task. A name that stands for none is told to the user,
 * and the first such failure is RET_STATUS; STATUS_OK if there is none. */
GPtrArray *ctl_find_tasks(Ctl *ctl, char **names, TaskFilter filter, int *ret_status);
/* Calls FUNCTION with each of TASKS. A failure is told to the user and takes its task out of TASKS; the
 * first one is the result. */
int ctl_for_each_task(
                Ctl *ctl, GPtrArray *tasks, int (*function)(nx_task *, void *, nx_error **), void *userdata);
/* Both: what most verbs do. */
int ctl_do(Ctl *ctl, char **names, TaskFilter filter, int (*function)(nx_task *, void *, nx_error **),
                void *userdata);

/* What --setenv=ENTRY means, "NAME=VALUE"; NULL: told to the user. */
char *ctl_environment(const Ctl *ctl, const char *entry);

/* Prints NODE as --json= says. */
void ctl_print_json(const Ctl *ctl, JsonNode *node);
/* Parses what the library has printed. */
JsonNode *ctl_values_to_json(const nx_values *values);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_error, nx_error_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_spec, nx_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_task, nx_task_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_task_list, nx_task_list_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_values, nx_values_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_wait, nx_wait_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_exec, nx_exec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_exec_options, nx_exec_options_free)

/* One file each. */
int verb_docker_logs(Ctl *ctl, int argc, char **argv);
int verb_exec(Ctl *ctl, int argc, char **argv);
int verb_freeze(Ctl *ctl, int argc, char **argv);
int verb_kill(Ctl *ctl, int argc, char **argv);
int verb_list(Ctl *ctl, int argc, char **argv);
int verb_logs(Ctl *ctl, int argc, char **argv);
int verb_reattach(Ctl *ctl, int argc, char **argv);
int verb_release(Ctl *ctl, int argc, char **argv);
int verb_run(Ctl *ctl, int argc, char **argv);
int verb_set_property(Ctl *ctl, int argc, char **argv);
int verb_show(Ctl *ctl, int argc, char **argv);
int verb_stats(Ctl *ctl, int argc, char **argv);
int verb_status(Ctl *ctl, int argc, char **argv);
int verb_stop(Ctl *ctl, int argc, char **argv);
int verb_thaw(Ctl *ctl, int argc, char **argv);
int verb_top(Ctl *ctl, int argc, char **argv);
int verb_version(Ctl *ctl, int argc, char **argv);
int verb_wait(Ctl *ctl, int argc, char **argv);

G_END_DECLS
