/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "fd-util.h"
#include "fdstore.h"

Sink *sink_new(sd_event *event, const char *label, StreamKind kind, uint64_t *moved,
                const SinkHandler *handler)
{
        const char *stream = stream_kind_to_string(kind);
        Sink *sink = g_new0(Sink, 1);

        sink->event = sd_event_ref(event);
        sink->handler = *handler;
        sink->stage_name = g_strdup_printf("stage.%s.%s", label, stream);
        sink->pipe_name = g_strdup_printf("pipe.%s.%s", label, stream);
        sink->stage = -1;
        sink->pipe = -1;
        sink->moved = moved;
        return sink;
}

static void forget_pipe(Sink *sink)
{
        sink->io = sd_event_source_disable_unref(sink->io);
        sink->pipe = safe_close(sink->pipe);
}

Sink *sink_free(Sink *sink)
{
        if (!sink)
                return NULL;

        forget_pipe(sink);
        safe_close(sink->stage);
        sd_event_unref(sink->event);
        g_free(sink->stage_name);
        g_free(sink->pipe_name);
        g_free(sink);
        return NULL;
}

static void set_stage(Sink *sink, int fd)
{
        int size = fcntl(fd, F_GETPIPE_SZ);

        if (size < (int) SINK_SIZE)
                size = MAX(size, fcntl(fd, F_SETPIPE_SZ, SINK_SIZE));
        safe_close(sink->stage);
        sink->stage = fd;
        sink->capacity = size > PIPE_BUF ? MIN((size_t) size, SINK_SIZE) : PIPE_BUF;
}

int sink_open_stage(Sink *sink)
{
        int fd, r;

        r = fd_make_pipe_in_one(&fd);
        if (r < 0)
                return r;

        set_stage(sink, fd);
        return 0;
}

static int on_writable(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t revents, void *userdata)
{
        Sink *sink = userdata;
        int r;

        r = sink_flush(sink);
        if (r < 0)
                sink->handler.failed(sink, r, sink->handler.userdata);
        else if (sink_staged(sink) == 0)
                sink->handler.emptied(sink, sink->handler.userdata);
        return 0;
}

static int watch_pipe(Sink *sink, int fd)
{
        int r;

        r = sd_event_add_io(sink->event, &sink->io, fd, EPOLLOUT, on_writable, sink);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(sink->io, SD_EVENT_OFF);
        if (r < 0) {
                sink->io = sd_event_source_disable_unref(sink->io);
                return r;
        }

        sink->pipe = fd;
        return 0;
}

int sink_open_pipe(Sink *sink, int *ret_read)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int r;

        forget_pipe(sink);
        r = fd_make_pipe(&read_fd, &write_fd);
        if (r < 0)
                return r;
        if (fcntl(write_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = watch_pipe(sink, write_fd);
        if (r < 0)
                return r;

        (void) take_fd(&write_fd);
        *ret_read = take_fd(&read_fd);
        return 0;
}

int sink_store(Sink *sink)
{
        int r;

        if (!sink->pipe_stored) {
                r = fdstore_push(sink->pipe_name, &sink->pipe, 1);
                if (r < 0)
                        return r;
                sink->pipe_stored = true;
        }
        if (!sink->stage_stored) {
                r = fdstore_push(sink->stage_name, &sink->stage, 1);
                if (r < 0)
                        return r;
                sink->stage_stored = true;
        }

        return 0;
}

bool sink_adopt(Sink *sink, const char *name, int fd)
{
        if (sink->stage < 0 && g_str_equal(name, sink->stage_name)) {
                set_stage(sink, fd);
                sink->stage_stored = true;
                return true;
        }
        if (sink->pipe >= 0 || !g_str_equal(name, sink->pipe_name) || watch_pipe(sink, fd) < 0)
                return false;

        sink->pipe_stored = true;
        return true;
}

size_t sink_staged(const Sink *sink)
{
        int size = 0;

        return sink->stage >= 0 && ioctl(sink->stage, FIONREAD, &size) >= 0 ? (size_t) size : 0;
}

int sink_discard(Sink *sink)
{
        char buffer[4096];

        while (sink_staged(sink) > 0)
                if (read(sink->stage, buffer, sizeof buffer) < 0 && errno != EINTR)
                        return -errno;

        return 0;
}

int sink_fill(Sink *sink, const char *data, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = write(sink->stage, data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }

        return 0;
}

static int set_watching(Sink *sink, bool watch)
{
        return sd_event_source_set_enabled(sink->io, watch ? SD_EVENT_ON : SD_EVENT_OFF);
}

int sink_flush(Sink *sink)
{
        size_t left;

        if (sink->pipe < 0)
                return 0;

        while ((left = sink_staged(sink)) > 0) {
                ssize_t n = splice(sink->stage, NULL, sink->pipe, NULL, left,
                                SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return set_watching(sink, true);
                if (n < 0)
                        return -errno;
                fault_point(FAULT_CONTAINER_MOVED);
                *sink->moved += (uint64_t) n;
        }

        return set_watching(sink, false);
}

void sink_close_pipe(Sink *sink)
{
        forget_pipe(sink);
        if (sink->pipe_stored)
                (void) fdstore_remove(sink->pipe_name);
        sink->pipe_stored = false;
}

void sink_close(Sink *sink)
{
        sink_close_pipe(sink);
        sink->stage = safe_close(sink->stage);
        if (sink->stage_stored)
                (void) fdstore_remove(sink->stage_name);
        sink->stage_stored = false;
}
