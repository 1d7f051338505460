/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reap.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "log.h"
#include "process.h"

static bool has_been_reaped(int pidfd)
{
        siginfo_t info = { 0 };

        return waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid != 0;
}

static int on_end(
                sd_event_source *source, int fd, G_GNUC_UNUSED uint32_t events, G_GNUC_UNUSED void *userdata)
{
        if (!has_been_reaped(fd))
                return 0;

        /* The loop's reference was the only one, so that the source is freed, and closes its descriptor,
         * after this. */
        return sd_event_source_set_floating(source, false);
}

void reap_child(sd_event *event, int pidfd)
{
        g_autoptr(sd_event_source) source = NULL;
        _cleanup_close_ int fd = pidfd;
        int r;

        if (has_been_reaped(fd))
                return;

        r = sd_event_add_io(event, &source, fd, EPOLLIN, on_end, NULL);
        /* the loop has ended, and the child is init's in a moment */
        if (r == -ESTALE)
                return;
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r,
                                "Cannot watch a child, which stays a zombie until this service ends");
                return;
        }

        (void) sd_event_source_set_io_fd_own(source, true);
        (void) take_fd(&fd);
        (void) sd_event_source_set_floating(source, true);
        source = sd_event_source_unref(source);
}

void kill_and_reap_child(sd_event *event, int pidfd)
{
        (void) pidfd_kill(pidfd, SIGKILL);
        reap_child(event, pidfd);
}
