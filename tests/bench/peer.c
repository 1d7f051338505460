/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"

#define BUNDLE        BENCH_DIRECTORY "/bundle"
#define CONTAINER     "bench"
#define CONTAINER_LOG BENCH_DIRECTORY "/container.log"
#define SYNC_FD       10

/* What podman gives a container that asks for nothing. */
static const char container_config[] =
                "{ \"ociVersion\": \"1.0.0\", \"root\": { \"path\": \"rootfs\", \"readonly\": true },"
                "  \"process\": { \"cwd\": \"/\", \"user\": { \"uid\": 0, \"gid\": 0 },"
                "    \"args\": [ \"/bench-task\", \"now\" ], \"env\": [] },"
                "  \"mounts\": ["
                "    { \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },"
                "    { \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\" } ],"
                "  \"linux\": { \"namespaces\": [ { \"type\": \"pid\" }, { \"type\": \"mount\" },"
                "    { \"type\": \"ipc\" }, { \"type\": \"uts\" }, { \"type\": \"cgroup\" } ] } }";

/* From START to the time that the task has printed. */
static double seconds_until(uint64_t start, const char *text)
{
        uint64_t end = g_ascii_strtoull(text, NULL, 10);

        if (end <= start)
                bench_fail(-ENODATA, "time of the task");
        return (double) (end - start) / 1e9;
}

/* Runs a tool that passes its standard output on to the task. */
static double run_tool(const char *const *argv)
{
        int fds[2];
        uint64_t start = bench_now_nsec();
        char text[64] = "";
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                bench_fail(-errno, "pipe");
        pid = child_spawn(&(Child){ argv, -1, fds[1] });
        (void) close(fds[1]);
        if (read(fds[0], text, sizeof text - 1) <= 0)
                bench_fail(-EIO, argv[0]);
        (void) close(fds[0]);
        (void) child_wait(pid, argv[0]);
        return seconds_until(start, text);
}

double peer_scope_start(void)
{
        static const char *const argv[] = { "systemd-run", "--quiet", "--scope", "--slice=bench.slice",
                BENCH_TASK, "now", NULL };

        return run_tool(argv);
}

double peer_service_start(void)
{
        static const char *const argv[] = { "systemd-run", "--quiet", "--wait", "--pipe",
                "--slice=bench.slice", BENCH_TASK, "now", NULL };

        return run_tool(argv);
}

void peer_prepare_container(void)
{
        static const char *const copy[] = { "cp", BENCH_TASK, BUNDLE "/rootfs/bench-task", NULL };

        (void) g_mkdir_with_parents(BUNDLE "/rootfs/proc", 0755);
        (void) g_mkdir_with_parents(BUNDLE "/rootfs/dev", 0755);
        child_run(copy);
        if (!g_file_set_contents(BUNDLE "/config.json", container_config, -1, NULL))
                bench_fail(-EIO, BUNDLE);
}

/* conmon writes the pid to the pipe when the container is created; its own first process has gone by
 * then. */
static void create_container(void)
{
        static const char *const argv[] = { "conmon", "--cid", CONTAINER, "--cuuid", CONTAINER, "--name",
                CONTAINER, "--runtime", "/usr/bin/crun", "--bundle", BUNDLE, "--container-pidfile",
                BENCH_DIRECTORY "/container.pid", "--log-path", "k8s-file:" CONTAINER_LOG,
                "--systemd-cgroup", "--exit-dir", BENCH_DIRECTORY "/exit", "--socket-dir-path",
                BENCH_DIRECTORY "/exit", NULL };
        char text[256] = "";
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0 || dup2(fds[1], SYNC_FD) < 0)
                bench_fail(-errno, "pipe");
        (void) close(fds[1]);
        (void) g_setenv("_OCI_SYNCPIPE", G_STRINGIFY(SYNC_FD), TRUE);
        child_run(argv);
        (void) close(SYNC_FD);
        if (read(fds[0], text, sizeof text - 1) <= 0 || !strstr(text, "\"pid\""))
                bench_fail(-EIO, text);
        (void) close(fds[0]);
}

static char *wait_for_output(void)
{
        for (unsigned i = 0; i < 5000; i++) {
                g_autofree char *text = NULL;
                char *word;

                /* "2026-01-01T00:00:00.000000000+00:00 stdout F 123…" */
                if (g_file_get_contents(CONTAINER_LOG, &text, NULL, NULL) && (word = strstr(text, " F ")) &&
                                strchr(word, '\n'))
                        return g_strdup(word + strlen(" F "));
                (void) g_usleep(1000);
        }

        bench_fail(-ETIMEDOUT, "container");
        return NULL;
}

double peer_container_start(void)
{
        static const char *const start_argv[] = { "crun", "start", CONTAINER, NULL };
        static const char *const delete_argv[] = { "crun", "delete", "--force", CONTAINER, NULL };
        g_autofree char *text = NULL;
        uint64_t start;

        (void) g_mkdir_with_parents(BENCH_DIRECTORY "/exit", 0755);
        (void) unlink(CONTAINER_LOG);
        start = bench_now_nsec();
        create_container();
        child_run(start_argv);
        text = wait_for_output();
        child_run(delete_argv);
        return seconds_until(start, text);
}
