/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job by libnomad-executor: start it, wait, say how it ended and what it wrote, forget it.
 *
 *   cc -o job job.c $(pkg-config --cflags --libs nomad-executor)
 */
#include <nomad-executor.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fail(nx_error *error)
{
        fprintf(stderr, "%s\n", nx_error_get_message(error));
        nx_error_free(error);
        return -1;
}

static int start(nx_connection *connection, nx_task **ret)
{
        static const char *const arguments[] = { "-c", "echo working; exit 3", NULL };
        nx_spec *spec = nx_spec_new("/bin/sh");
        nx_error *error = NULL;
        int r;

        r = nx_spec_set_strv(spec, "Arguments", arguments, &error);
        if (r >= 0)
                r = nx_spec_set_string(spec, "User", "nobody", &error);
        if (r >= 0)
                r = nx_spec_assign(spec, "LogTargets=files", &error);
        if (r >= 0)
                r = nx_task_start(connection, "example", spec, ret, &error);
        nx_spec_free(spec);
        return r < 0 ? fail(error) : 0;
}

static int print_output(nx_task *task)
{
        nx_error *error = NULL;
        char buffer[4096];
        ssize_t n;
        int fd;

        if (nx_task_open_log(task, "stdout", 0, 0, &fd, &error) < 0)
                return fail(error);
        printf("output: ");
        while ((n = read(fd, buffer, sizeof buffer)) > 0)
                fwrite(buffer, 1, (size_t) n, stdout);
        close(fd);
        return 0;
}

static int run(nx_connection *connection)
{
        nx_task *task = NULL;
        nx_error *error = NULL;
        nx_exit end;
        int r;

        if (start(connection, &task) < 0)
                return -1;

        r = nx_task_wait(task, UINT64_MAX, &end, &error);
        if (r >= 0) {
                printf("result: %s\nstatus: %d\n", end.result, end.exit_code);
                r = print_output(task);
        }
        if (r >= 0)
                r = nx_task_release(task, &error);
        nx_task_unref(task);
        return error ? fail(error) : r;
}

int main(void)
{
        nx_connection *connection;
        nx_error *error = NULL;
        int r;

        if (nx_connection_open(NX_BUS_SYSTEM, &connection, &error) < 0) {
                fail(error);
                return EXIT_FAILURE;
        }

        r = run(connection);
        nx_connection_unref(connection);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
