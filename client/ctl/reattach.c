/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "attach.h"

#define HANDLE_MAX (64U * 1024U)

static char *read_handle(const char *path)
{
        g_autofree char *text = NULL;

        if (strcmp(path, "-") == 0) {
                g_autofree char *buffer = g_malloc0(HANDLE_MAX + 1);

                (void) !fread(buffer, 1, HANDLE_MAX, stdin);
                return g_steal_pointer(&buffer);
        }
        return g_file_get_contents(path, &text, NULL, NULL) ? g_steal_pointer(&text) : NULL;
}

/* ARGUMENT is an id, or a handle as "run --detach --json=…" prints it. */
static nx_task *find_task(Ctl *ctl, const char *argument, bool is_handle, int *ret_status)
{
        g_autoptr(nx_error) error = NULL;
        nx_task *task;

        if (!is_handle && *argument != '{')
                return ctl_open_task(ctl, argument, ret_status);

        *ret_status = STATUS_PASS_FAILED;
        if (!ctl_connect(ctl))
                return NULL;
        if (nx_task_reattach(ctl->connection, argument, &task, &error) < 0) {
                *ret_status = ctl_fail(ctl, error);
                return NULL;
        }
        return task;
}

static int stay(Ctl *ctl, nx_task *task, bool release, gint64 lines)
{
        const LogStart start = { .flags = lines < 0 ? 0 : NX_LOG_LINES,
                .n = { (uint64_t) lines, (uint64_t) lines } };
        g_auto(Attach) attach = { .terminal_fd = -1 };
        g_autoptr(nx_error) error = NULL;
        int status, r;

        r = attach_init(&attach, ctl);
        if (r >= 0)
                r = attach_logs(&attach, task, &start);
        if (r < 0 && attach.status == 0)
                return ctl_fail_text(ctl, STATUS_PASS_FAILED, "Cannot pass the output of the task on: %s",
                                g_strerror(-r));

        status = attach_run(&attach, task);
        if (attach.has_ended && release && nx_task_release(task, &error) < 0)
                (void) ctl_fail(ctl, error);
        return status;
}

int verb_reattach(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *file = NULL;
        g_autofree char *text = NULL;
        gboolean release = FALSE;
        gint64 lines = 10;
        const GOptionEntry entries[] = {
                { "handle", 0, 0, G_OPTION_ARG_FILENAME, &file,
                                "Read the handle from this file, - for standard input", "FILE" },
                { "lines", 'n', 0, G_OPTION_ARG_INT64, &lines,
                                "Begin with the last lines of each log (10); -1 for all", "N" },
                { "release", 0, 0, G_OPTION_ARG_NONE, &release, "Release the task when it has ended", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(nx_task) task = NULL;
        int status;

        ctl->passes_status = true;
        if (!ctl_parse(ctl, entries, false, 0, 1, &argc, &argv))
                return STATUS_PASS_FAILED;
        if ((argc > 1) == (file != NULL))
                return ctl_fail_text(ctl, STATUS_PASS_FAILED,
                                "Say which task: an id, a handle, or --handle=FILE");
        if (file && !(text = read_handle(file)))
                return ctl_fail_text(ctl, STATUS_PASS_FAILED, "Cannot read %s: %s", file, g_strerror(errno));

        if (lines < -1)
                return ctl_fail_text(ctl, STATUS_PASS_FAILED, "--lines is a number of lines, or -1 for all");
        if (argc > 1 && *argv[1] == '\0')
                return ctl_fail_text(ctl, STATUS_PASS_FAILED, "There is no handle");

        task = find_task(ctl, file ? text : argv[1], file != NULL, &status);
        return task ? stay(ctl, task, release, lines) : status;
}
