/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attach.h"
#include "ctl.h"
#include "format.h"

static void print_end(const Ctl *ctl, const char *id, const nx_exit *exit)
{
        g_autoptr(JsonBuilder) builder = NULL;
        g_autoptr(JsonNode) node = NULL;

        if (ctl->json == JSON_OFF)
                return;

        builder = json_builder_new();
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "Id");
        json_builder_add_string_value(builder, id);
        json_builder_set_member_name(builder, "Result");
        json_builder_add_string_value(builder, exit->result);
        json_builder_set_member_name(builder, "ExitCode");
        json_builder_add_int_value(builder, exit->exit_code);
        json_builder_set_member_name(builder, "ExitSignal");
        json_builder_add_int_value(builder, exit->exit_signal);
        json_builder_set_member_name(builder, "OOMKilled");
        json_builder_add_boolean_value(builder, exit->oom_killed);
        json_builder_end_object(builder);
        node = json_builder_get_root(builder);
        ctl_print_json(ctl, node);
}

static int wait_for(Ctl *ctl, nx_task *task, uint64_t timeout_usec)
{
        g_autoptr(nx_error) error = NULL;
        nx_exit exit;

        if (nx_task_wait(task, timeout_usec, &exit, &error) < 0)
                return ctl_fail(ctl, error);

        print_end(ctl, nx_task_get_id(task), &exit);
        return attach_exit_status(ctl, nx_task_get_id(task), &exit);
}

int verb_wait(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *timeout = NULL;
        const GOptionEntry entries[] = {
                { "timeout", 0, 0, ARG_TEXT, &timeout, "Give up after this time, with status 125", "TIME" },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GPtrArray) tasks = NULL;
        uint64_t usec = UINT64_MAX;
        int status = STATUS_OK, found;

        ctl->passes_status = true;
        if (!ctl_parse(ctl, entries, false, 1, G_MAXINT, &argc, &argv))
                return STATUS_PASS_FAILED;
        if (timeout && !parse_seconds(timeout, &usec))
                return ctl_fail_text(
                                ctl, STATUS_PASS_FAILED, "'%s' is not a time such as 5s or 2min", timeout);

        tasks = ctl_find_tasks(ctl, argv + 1, TASKS_ALL, &found);
        for (guint i = 0; i < tasks->len; i++)
                status = wait_for(ctl, tasks->pdata[i], usec);
        return found == STATUS_OK ? status : found;
}
