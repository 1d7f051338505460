/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spawner: forks for nomad-executord whatever that starts; see protocol.h. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"
#include "fd-message.h"
#include "fork-into-cgroup.h"
#include "protocol.h"
#include "session.h"
#include "supervisor.h"

/* musl's headers do not have it. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

_Static_assert(SPAWN_FDS_MAX <= FD_MESSAGE_FDS_MAX, "one message");

typedef struct Request {
        SpawnRequest spawn;
        int fds[SPAWN_FDS_MAX];
        size_t n_received;
} Request;

/* Where the arguments lie that a list of processes shows. */
typedef struct Title {
        char *text;
        size_t size;
} Title;

static void title_set(const Title *title, const char *name, const char *argument)
{
        size_t used = strlen(name) + 1;

        (void) prctl(PR_SET_NAME, name);
        (void) memset(title->text, 0, title->size);
        (void) snprintf(title->text, title->size, "%s", name);
        if (used < title->size)
                (void) snprintf(title->text + used, title->size - used, "%s", argument);
}

/* Everything below SPAWNER_SOCKET_FD is in use, so that no number is taken before its turn. */
static void arrange_fds(const Request *request)
{
        bool given[SPAWNER_SOCKET_FD] = { false };

        for (size_t i = 0; i < request->spawn.n_fds; i++)
                if (request->spawn.numbers[i] != SPAWN_FD_CGROUP) {
                        (void) dup2(request->fds[i], request->spawn.numbers[i]);
                        given[request->spawn.numbers[i]] = true;
                }

        /* opened anew, not shared with other tasks */
        for (int i = 0; i <= STDERR_FILENO; i++)
                if (!given[i]) {
                        int fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

                        if (fd >= 0)
                                (void) dup2(fd, i);
                }
        (void) syscall(SYS_close_range, SPAWNER_SOCKET_FD, ~0U, 0);
}

/* This program is static, and so has no name services. */
static int become_lookup(void)
{
        char name[] = "nomad-lookup";
        char *argv[] = { name, NULL }, *environment[] = { NULL };
        sigset_t none;

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) fcntl(LOOKUP_PROGRAM_FD, F_SETFD, FD_CLOEXEC);
        (void) syscall(SYS_execveat, LOOKUP_PROGRAM_FD, "", argv, environment, AT_EMPTY_PATH);
        return EXIT_FAILURE;
}

static int run(const Request *request, const Title *title)
{
        arrange_fds(request);
        switch (request->spawn.kind) {
        case SPAWN_SUPERVISOR:
                title_set(title, "nomad-supervisor", request->spawn.name);
                return supervisor_run();
        case SPAWN_PROCESS:
                title_set(title, "nomad-session", request->spawn.name);
                return session_run_process();
        case SPAWN_CONTAINER_PROCESS:
                title_set(title, "nomad-session", request->spawn.name);
                return session_run_in_container();
        case SPAWN_LOOKUP:
                return become_lookup();
        case SPAWN_NOTHING:
                break;
        }

        return EXIT_SUCCESS;
}

static int cgroup_of(const Request *request)
{
        for (size_t i = 0; i < request->spawn.n_fds; i++)
                if (request->spawn.numbers[i] == SPAWN_FD_CGROUP)
                        return request->fds[i];

        return -1;
}

/* The next one. 0 when there will be none. */
static ssize_t receive(Request *request)
{
        request->n_received = SPAWN_FDS_MAX;
        return fd_message_receive(SPAWNER_SOCKET_FD, 0, &request->spawn, sizeof request->spawn, request->fds,
                        &request->n_received);
}

static pid_t spawn(const Request *request)
{
        /* the kernel had no room for all of them */
        if (request->n_received != request->spawn.n_fds)
                return -EMFILE;

        return fork_into_cgroup(cgroup_of(request), CLONE_PARENT);
}

static int serve(const Title *title)
{
        Request request;
        ssize_t n;

        while ((n = receive(&request)) == sizeof request.spawn) {
                SpawnReply reply = { .sequence = request.spawn.sequence };
                int r;

                r = spawn(&request);
                if (r == 0)
                        return run(&request, title);
                reply.pid = r > 0 ? r : 0;
                reply.error = r < 0 ? -r : 0;

                fault_point(FAULT_SPAWNER_FORKED);
                /* before the answer: the end of a pipe is seen when nobody has it any more */
                (void) syscall(SYS_close_range, SPAWNER_SOCKET_FD + 1, ~0U, 0);
                r = fd_message_send(SPAWNER_SOCKET_FD, 0, &reply, sizeof reply, NULL, 0);
                if (r < 0)
                        return EXIT_FAILURE;
        }

        return n == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        Title title = { .text = argv[0] };
        sigset_t all;

        if (argc < 2 || fcntl(SPAWNER_SOCKET_FD, F_GETFD) < 0) {
                (void) fputs("nomad-supervisor is started by nomad-executord.\n", stderr);
                return EXIT_FAILURE;
        }

        /* what is sent to all of a cgroup is not for this process, nor for a supervisor */
        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        title.size = (size_t) (argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
        title_set(&title, "nomad-spawner", "");
        return serve(&title);
}
