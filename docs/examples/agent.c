/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An agent that may die at any moment: it saves a handle of each task that it starts, and finds them by that
 * again.
 *
 *   cc -o agent agent.c $(pkg-config --cflags --libs nomad-executor)
 *
 * agent start DIRECTORY COMMAND… starts each COMMAND (by /bin/sh -c) as a task, saves the handles, and goes
 * on for ever
 * agent resume DIRECTORY loads the handles, waits for all tasks at a time, and says how each ended
 */
#include <nomad-executor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TASKS_MAX 100

typedef struct Agent {
        nx_connection *connection;
        sd_event *event;
        const char *directory;
        unsigned waiting;
} Agent;

static void print_error(const char *what, nx_error *error)
{
        printf("%s: error %d: %s\n", what, (int) nx_error_get_code(error), nx_error_get_message(error));
        nx_error_free(error);
}

/* To a temporary name first: half a handle is none. */
static int save(const Agent *agent, unsigned number, const char *handle)
{
        char path[4096], temporary[4096];
        FILE *file;

        snprintf(path, sizeof path, "%s/%u.json", agent->directory, number);
        snprintf(temporary, sizeof temporary, "%s/%u.tmp", agent->directory, number);
        file = fopen(temporary, "we");
        if (!file)
                return -1;
        fputs(handle, file);
        fflush(file);
        fsync(fileno(file));
        if (fclose(file) != 0)
                return -1;
        return rename(temporary, path);
}

static int start(const Agent *agent, unsigned number, const char *command)
{
        const char *arguments[] = { "-c", command, NULL };
        nx_spec *spec = nx_spec_new("/bin/sh");
        nx_error *error = NULL;
        nx_task *task = NULL;
        char id[32], *handle = NULL;
        int r;

        snprintf(id, sizeof id, "agent/%u", number);
        r = nx_spec_set_strv(spec, "Arguments", arguments, &error);
        if (r >= 0)
                r = nx_task_start(agent->connection, id, spec, &task, &error);
        if (r >= 0)
                r = nx_task_get_handle(task, &handle, &error);
        if (r < 0)
                print_error(id, error);
        else
                r = save(agent, number, handle);
        free(handle);
        nx_task_unref(task);
        nx_spec_free(spec);
        return r;
}

static int start_all(const Agent *agent, char **commands)
{
        for (unsigned i = 0; commands[i]; i++)
                if (start(agent, i, commands[i]) < 0)
                        return -1;

        printf("started\n");
        fflush(stdout);
        for (;;)
                pause();
}

static void on_end(nx_task *task, const nx_exit *end, const nx_error *error, void *userdata)
{
        Agent *agent = userdata;

        if (end)
                printf("%s: %s %d %d\n", nx_task_get_id(task), end->result, end->exit_code, end->exit_signal);
        else
                printf("%s: %s\n", nx_task_get_id(task), nx_error_get_message(error));
        agent->waiting--;
}

/* False when there is no such file: no task was started under that number. */
static int load(const Agent *agent, unsigned number, char *text, size_t size)
{
        char path[4096];
        FILE *file;
        size_t n;

        snprintf(path, sizeof path, "%s/%u.json", agent->directory, number);
        file = fopen(path, "re");
        if (!file)
                return 0;
        n = fread(text, 1, size - 1, file);
        text[n] = '\0';
        fclose(file);
        return 1;
}

static int resume(Agent *agent)
{
        static nx_wait *waits[TASKS_MAX];
        static nx_task *tasks[TASKS_MAX];
        char text[4096];

        for (unsigned i = 0; i < TASKS_MAX && load(agent, i, text, sizeof text); i++) {
                nx_error *error = NULL;
                char what[32];

                snprintf(what, sizeof what, "%u", i);
                if (nx_task_reattach(agent->connection, text, &tasks[i], &error) < 0 ||
                                nx_task_wait_async(tasks[i], on_end, agent, &waits[i], &error) < 0)
                        print_error(what, error);
                else
                        agent->waiting++;
        }
        while (agent->waiting > 0)
                if (sd_event_run(agent->event, UINT64_MAX) < 0)
                        return -1;
        for (unsigned i = 0; i < TASKS_MAX; i++) {
                if (waits[i])
                        nx_task_release(tasks[i], NULL);
                nx_wait_free(waits[i]);
                nx_task_unref(tasks[i]);
        }
        return 0;
}

static int run(Agent *agent, int argc, char **argv)
{
        nx_error *error = NULL;

        if (argc < 3) {
                fprintf(stderr, "usage: agent start|resume DIRECTORY [COMMAND…]\n");
                return -1;
        }
        agent->directory = argv[2];
        if (nx_connection_open(NX_BUS_SYSTEM, &agent->connection, &error) < 0) {
                print_error("agent", error);
                return -1;
        }
        if (sd_event_default(&agent->event) < 0 ||
                        nx_connection_attach_event(agent->connection, agent->event, SD_EVENT_PRIORITY_NORMAL) < 0)
                return -1;

        return strcmp(argv[1], "start") == 0 ? start_all(agent, argv + 3) : resume(agent);
}

int main(int argc, char **argv)
{
        Agent agent = { 0 };
        int r;

        r = run(&agent, argc, argv);
        nx_connection_unref(agent.connection);
        sd_event_unref(agent.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
