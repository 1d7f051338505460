/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <syslog.h>

#include "task.h"

static void add_number(GString *fields, const char *name, uint64_t value)
{
        g_string_append_printf(fields, "%s=%" PRIu64 "\n", name, value);
}

/* Not known where the supervisor was killed, or the clock was set back. */
static uint64_t runtime_usec(const Task *task)
{
        return task->start_timestamp > 0 && task->exit_timestamp >= task->start_timestamp
                        ? task->exit_timestamp - task->start_timestamp
                        : UINT64_MAX;
}

static GString *make_fields(const Task *task)
{
        GString *fields = g_string_new(NULL);
        uint64_t runtime = runtime_usec(task);

        journal_append_field(fields, "MESSAGE_ID", TASK_ENDED_MESSAGE_ID);
        journal_append_field(fields, "SYSLOG_IDENTIFIER", "nomad-executord");
        journal_append_field(fields, "OBJECT_SYSTEMD_UNIT", task->unit);
        journal_append_field(fields, "NOMAD_UNIT", task->unit);
        journal_append_field(fields, "NOMAD_TASK", task->id);
        journal_append_field(fields, "NOMAD_RESULT", task_result(task));
        if (task->progress.invocation_id)
                journal_append_field(fields, "NOMAD_INVOCATION_ID", task->progress.invocation_id);
        if (task->exit_code >= 0) {
                add_number(fields, "NOMAD_EXIT_CODE", (uint64_t) task->exit_code);
                add_number(fields, "NOMAD_EXIT_SIGNAL", (uint64_t) task->exit_signal);
                add_number(fields, "NOMAD_OOM_KILLED", task->oom_killed);
        }
        if (runtime != UINT64_MAX)
                add_number(fields, "NOMAD_RUNTIME_USEC", runtime);
        if (task->cpu_usage_nsec != UINT64_MAX)
                add_number(fields, "NOMAD_CPU_USAGE_NSEC", task->cpu_usage_nsec);
        if (task->memory_peak != UINT64_MAX)
                add_number(fields, "NOMAD_MEMORY_PEAK", task->memory_peak);
        return fields;
}

static char *make_message(const Task *task)
{
        g_autoptr(GString) text = g_string_new(NULL);
        uint64_t runtime = runtime_usec(task);

        g_string_append_printf(text, "%s has ended: %s", task->unit, task_result(task));
        if (task->exit_signal > 0)
                g_string_append_printf(
                                text, ", signal %d (%s)", task->exit_signal, g_strsignal(task->exit_signal));
        else if (task->exit_code >= 0)
                g_string_append_printf(text, ", exit code %d", task->exit_code);
        if (runtime != UINT64_MAX)
                g_string_append_printf(text, ", after %.3f s", (double) runtime / G_USEC_PER_SEC);
        if (task->cpu_usage_nsec != UINT64_MAX)
                g_string_append_printf(text, ", %.3f s of CPU time", (double) task->cpu_usage_nsec / 1e9);
        if (task->memory_peak != UINT64_MAX)
                g_string_append_printf(
                                text, ", memory peak %.1f MiB", (double) task->memory_peak / (1024 * 1024));
        return g_string_free(g_steal_pointer(&text), FALSE);
}

void task_journal_end(Task *task)
{
        g_autoptr(GString) fields = make_fields(task);
        g_autofree char *message = make_message(task);
        bool expected = task->progress.stopping || strcmp(task_result(task), "success") == 0;
        JournalEntry entry = {
                .fields = fields,
                .priority = expected ? LOG_INFO : LOG_WARNING,
                .message = message,
                .size = strlen(message),
        };

        if (journal_send(task->manager->journal, &entry, 1) <= 0)
                notices_add(&task->manager->notices, fields, entry.priority, g_steal_pointer(&message));
}
