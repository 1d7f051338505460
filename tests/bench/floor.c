/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "floor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

struct Floor {
        const Bench *bench;
        const char *name;
        GHashTable *scopes; /* of Scope by unit name */
        sd_bus_slot *job_removed;
        sd_bus_slot *unit_removed;
        GArray *latencies; /* of the current floor_start() */
        size_t executed;
        size_t number;
};

typedef struct Scope {
        Floor *floor;
        char *unit;
        pid_t pid;
        int gate_fd; /* a byte lets it go on */
        int exec_fd; /* closed by exec */
        sd_event_source *exec_source;
        uint64_t start_nsec;
} Scope;

static void scope_free(void *data)
{
        Scope *scope = data;

        sd_event_source_disable_unref(scope->exec_source);
        safe_close(scope->gate_fd);
        safe_close(scope->exec_fd);
        g_free(scope->unit);
        g_free(scope);
}

static int on_exec(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Scope *scope = userdata;
        double seconds = (double) (bench_now_nsec() - scope->start_nsec) / 1e9;

        if (scope->floor->latencies)
                g_array_append_val(scope->floor->latencies, seconds);
        scope->floor->executed++;
        scope->exec_source = sd_event_source_disable_unref(scope->exec_source);
        scope->exec_fd = safe_close(scope->exec_fd);
        return 0;
}

static int on_job_removed(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const char *unit, *result;
        Floor *self = userdata;
        Scope *scope;

        (void) bench_check(sd_bus_message_read(m, "uoss", NULL, NULL, &unit, &result), "JobRemoved");
        scope = g_hash_table_lookup(self->scopes, unit);
        if (!scope || scope->gate_fd < 0)
                return 0;

        if (write(scope->gate_fd, "1", 1) != 1)
                bench_fail(-errno, unit);
        scope->gate_fd = safe_close(scope->gate_fd);
        return 0;
}

static int on_unit_removed(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Floor *self = userdata;
        const char *unit;

        (void) bench_check(sd_bus_message_read(m, "so", &unit, NULL), "UnitRemoved");
        (void) g_hash_table_remove(self->scopes, unit);
        return 0;
}

Floor *floor_new(const Bench *bench, const char *name)
{
        Floor *self = g_new0(Floor, 1);

        self->bench = bench;
        self->name = name;
        self->scopes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, scope_free);
        (void) bench_check(sd_bus_match_signal(bench->bus, &self->job_removed, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, "JobRemoved", on_job_removed, self),
                        "match");
        (void) bench_check(sd_bus_match_signal(bench->bus, &self->unit_removed, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, "UnitRemoved", on_unit_removed, self),
                        "match");
        return self;
}

void floor_free(Floor *self)
{
        sd_bus_slot_unref(self->job_removed);
        sd_bus_slot_unref(self->unit_removed);
        g_hash_table_unref(self->scopes);
        g_free(self);
}

static _Noreturn void child(int gate_fd)
{
        char *argv[] = { (char *) BENCH_TASK, (char *) "pause", NULL };
        char *environment[] = { NULL };
        char gate;

        if (read(gate_fd, &gate, 1) == 1)
                (void) execve(BENCH_TASK, argv, environment);
        _exit(EXIT_FAILURE);
}

static void scope_fork(Scope *scope)
{
        int gate[2], report[2];

        if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
                bench_fail(-errno, "pipe");
        scope->pid = fork();
        if (scope->pid < 0)
                bench_fail(-errno, "fork");
        if (scope->pid == 0)
                child(gate[0]);

        (void) close(gate[0]);
        (void) close(report[1]);
        scope->gate_fd = gate[1];
        scope->exec_fd = report[0];
}

static int on_started(sd_bus_message *reply, G_GNUC_UNUSED void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        if (sd_bus_message_is_method_error(reply, NULL)) {
                (void) fprintf(stderr, "StartTransientUnit: %s\n", sd_bus_message_get_error(reply)->message);
                exit(EXIT_FAILURE);
        }
        return 0;
}

static void start_one(Floor *self)
{
        Scope *scope = g_new0(Scope, 1);

        scope->floor = self;
        scope->start_nsec = bench_now_nsec();
        scope->unit = g_strdup_printf("bench-%s-%zu.scope", self->name, self->number++);
        scope_fork(scope);
        g_hash_table_insert(self->scopes, scope->unit, scope);
        (void) bench_check(sd_event_add_io(self->bench->event, &scope->exec_source, scope->exec_fd, EPOLLIN,
                                           on_exec, scope),
                        "watch");
        (void) bench_check(sd_bus_call_method_async(self->bench->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, "StartTransientUnit", on_started, NULL,
                                           "ssa(sv)a(sa(sv))", scope->unit, "fail", 2, "PIDs", "au", 1,
                                           (uint32_t) scope->pid, "Slice", "s", "bench.slice", 0),
                        "StartTransientUnit");
}

double floor_start(Floor *self, size_t n, size_t window, GArray *latencies)
{
        uint64_t start = bench_now_nsec();
        size_t begun = 0;

        self->executed = 0;
        self->latencies = latencies;
        while (self->executed < n) {
                while (begun < n && begun - self->executed < window) {
                        start_one(self);
                        begun++;
                }
                (void) bench_check(sd_event_run(self->bench->event, UINT64_MAX), "event loop");
        }

        return (double) (bench_now_nsec() - start) / 1e9;
}

void floor_stop(Floor *self)
{
        GHashTableIter iter;
        void *value;

        g_hash_table_iter_init(&iter, self->scopes);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Scope *scope = value;

                (void) kill(scope->pid, SIGKILL);
                (void) waitpid(scope->pid, NULL, 0);
        }
        while (g_hash_table_size(self->scopes) > 0)
                (void) bench_check(sd_event_run(self->bench->event, UINT64_MAX), "event loop");
        bench_settle(self->bench);
}
