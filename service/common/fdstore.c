/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cleanup.h"

struct FdstoreBarrier {
        FdstoreDone done;
        void *userdata;
        sd_event_source *source;
        int fd;
};

int fdstore_push(const char *name, const int *fds, unsigned n)
{
        g_autofree char *message = NULL;
        int r;

        if (n == 0)
                return 0;

        /* FDPOLL=0: else a pipe is thrown away, with what is in it, as soon as its writers are gone. */
        message = g_strdup_printf("FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        r = sd_pid_notify_with_fds(0, false, message, fds, n);
        return r < 0 ? r : 0;
}

int fdstore_remove(const char *name)
{
        int r = sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);

        return r < 0 ? r : 0;
}

static int barrier_finish(FdstoreBarrier *barrier)
{
        FdstoreDone done = barrier->done;
        void *userdata = barrier->userdata;

        sd_event_source_disable_unref(barrier->source);
        safe_close(barrier->fd);
        g_free(barrier);
        done(userdata);
        return 0;
}

static int on_hang_up(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t revents, void *userdata)
{
        return barrier_finish(userdata);
}

static int on_defer(G_GNUC_UNUSED sd_event_source *source, void *userdata)
{
        return barrier_finish(userdata);
}

int fdstore_barrier(sd_event *event, FdstoreDone done, void *userdata)
{
        FdstoreBarrier *barrier;
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];

        /* systemd closes its copy when it comes to it; ours goes when this function returns. */
        r = sd_pid_notify_with_fds(0, false, "BARRIER=1", &write_fd, 1);
        if (r < 0)
                return r;

        barrier = g_new0(FdstoreBarrier, 1);
        barrier->done = done;
        barrier->userdata = userdata;
        barrier->fd = take_fd(&read_fd);
        r = r > 0 ? sd_event_add_io(event, &barrier->source, barrier->fd, EPOLLHUP, on_hang_up, barrier)
                  : sd_event_add_defer(event, &barrier->source, on_defer, barrier);
        if (r < 0) {
                safe_close(barrier->fd);
                g_free(barrier);
        }
        return r < 0 ? r : 0;
}

static void stored_fd_clear(void *data)
{
        StoredFd *stored = data;

        g_clear_pointer(&stored->name, g_free);
        stored->fd = safe_close(stored->fd);
}

int fdstore_take(GArray **ret)
{
        g_autoptr(GArray) array = g_array_new(FALSE, FALSE, sizeof(StoredFd));
        g_auto(GStrv) names = NULL;
        int n;

        g_array_set_clear_func(array, stored_fd_clear);
        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return n;

        for (int i = 0; i < n; i++) {
                StoredFd stored = { .name = g_strdup(names[i]), .fd = SD_LISTEN_FDS_START + i };

                g_array_append_val(array, stored);
        }

        *ret = g_steal_pointer(&array);
        return 0;
}
