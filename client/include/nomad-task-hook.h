/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NOMAD_TASK_HOOK_H
#define NOMAD_TASK_HOOK_H

/* What a task runner calls around a task that it starts by other means than nomad-executord, so that
 * nomad-logmon collects the task's output from two FIFOs. Part of libnomad-executor; conventions as in
 * <nomad-executor.h>.
 *
 *   at every start of the task, and at every start of the agent while the task lives:   nx_hook_prestart()
 *   when the task is over for good:                                                     nx_hook_stop()
 *
 * There is no such thing as a hook that is done: prestart costs one call when everything is in place, and is
 * the only way to find out.
 */

#include <nomad-executor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_hook nx_hook;
typedef struct nx_hook_response nx_hook_response;

/* ID: of the task, and of its log. CONFIG: a spec of which the keys count that are about logs: LogDirectory
 * (required: there the files and the FIFOs are), LogName, LogTargets, LogMaxFiles, LogMaxFileSize,
 * LogFields, LogOverflow, User, Group. NULL: the task's output is not to be logged. The hook takes what it
 * needs from it, and a reference of the connection. */
int nx_hook_new(nx_connection *connection, const char *id, const nx_spec *config, nx_hook **ret,
                nx_error **ret_error);
nx_hook *nx_hook_free(nx_hook *hook); /* the log goes on */

/* Puts STATE, one line of JSON, where the next start of the agent will find it; 0, or a negative errno. */
typedef int (*nx_hook_save)(const char *state, void *userdata);

/* Finds the log, or starts one; never both. PREVIOUS_STATE is what SAVE was given last time, by this process
 * or one before, or NULL. A state that leads to nothing (none, damaged, of another version or boot, of a log
 * that has gone) is no error: a fresh log is started. SAVE is called before this returns, every time that
 * there is a log; without it nothing is done (INVALID_SPEC), and when it fails, so does this, and a log that
 * it has started is stopped. */
int nx_hook_prestart(nx_hook *hook, const char *previous_state, nx_hook_save save, void *userdata,
                nx_hook_response **ret, nx_error **ret_error) NX_MUST_USE;

typedef enum nx_hook_action {
        NX_HOOK_DISABLED = 0, /* nothing is logged */
        NX_HOOK_KEPT = 1,     /* this hook has the log already */
        NX_HOOK_FOUND = 2,    /* by the previous state */
        NX_HOOK_STARTED = 3
} nx_hook_action;

nx_hook_action nx_hook_response_get_action(const nx_hook_response *response);
/* As SAVE has got it; "null" when nothing is logged. */
const char *nx_hook_response_get_state(const nx_hook_response *response);
/* Where the task is to write: the FIFOs, or /dev/null. */
const char *nx_hook_response_get_stdout(const nx_hook_response *response);
const char *nx_hook_response_get_stderr(const nx_hook_response *response);
/* Why a previous state was of no use; "" when there was none, or it was. */
const char *nx_hook_response_get_note(const nx_hook_response *response);
nx_hook_response *nx_hook_response_free(nx_hook_response *response);

/* Ends the log, once all that was written is in its files, and forgets it. Finds it by PREVIOUS_STATE if
 * this hook has none, and starts none. No error when there is nothing to stop. */
int nx_hook_stop(nx_hook *hook, const char *previous_state, nx_error **ret_error);

#ifdef __cplusplus
}
#endif

#endif
