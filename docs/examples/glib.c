/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a task as an event of a GLib main loop, with a timer that ticks meanwhile.
 *
 *   cc -o glib glib.c $(pkg-config --cflags --libs nomad-executor-glib)
 */
#include <nomad-executor-glib.h>
#include <stdlib.h>

typedef struct Program {
        GMainLoop *loop;
        unsigned ticks;
} Program;

static void on_end(nx_task *task, const nx_exit *end, const nx_error *error, void *userdata)
{
        Program *program = userdata;

        if (end)
                g_print("%s: %s %d, %s\n", nx_task_get_id(task), end->result, end->exit_code,
                        program->ticks > 0 ? "the loop went on" : "the loop stood still");
        else
                g_print("%s\n", nx_error_get_message(error));
        g_main_loop_quit(program->loop);
}

static gboolean on_tick(void *userdata)
{
        Program *program = userdata;

        program->ticks++;
        return G_SOURCE_CONTINUE;
}

int main(void)
{
        const char *arguments[] = { "-c", "sleep 0.5; exit 4", NULL };
        Program program = { .loop = g_main_loop_new(NULL, FALSE) };
        nx_spec *spec = nx_spec_new("/bin/sh");
        nx_connection *connection = NULL;
        nx_error *error = NULL;
        nx_wait *wait = NULL;
        nx_task *task = NULL;
        GSource *source = NULL;
        int r;

        r = nx_connection_open(NX_BUS_SYSTEM, &connection, &error);
        if (r >= 0)
                r = nx_spec_set_strv(spec, "Arguments", arguments, &error);
        if (r >= 0)
                r = nx_task_start(connection, "glib", spec, &task, &error);
        if (r >= 0)
                r = nx_task_wait_async(task, on_end, &program, &wait, &error);
        if (r >= 0) {
                source = nx_source_new(connection);
                g_source_attach(source, NULL);
                g_timeout_add(50, on_tick, &program);
                g_main_loop_run(program.loop);
                g_source_destroy(source);
                g_source_unref(source);
                r = nx_task_release(task, &error);
        }
        if (r < 0)
                g_printerr("%s\n", nx_error_get_message(error));

        nx_error_free(error);
        nx_wait_free(wait);
        nx_task_unref(task);
        nx_connection_unref(connection);
        nx_spec_free(spec);
        g_main_loop_unref(program.loop);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
