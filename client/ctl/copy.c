/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER_SIZE (64U * 1024U)
#define END_OF_FILE 0x04 /* ^D */

struct Copy {
        int in, out;
        CopyFlags flags;
        sd_event_source *in_source, *out_source, *watch_source;
        CopyDone done;
        CopyFilter filter;
        void *userdata, *filter_userdata;
        bool at_end, is_done;
        size_t begin, end; /* of what was read and not yet written */
        uint8_t buffer[BUFFER_SIZE];
};

bool copy_is_done(const Copy *copy)
{
        return copy->is_done;
}

void copy_set_filter(Copy *copy, CopyFilter filter, void *userdata)
{
        copy->filter = filter;
        copy->filter_userdata = userdata;
}

static void finish(Copy *copy, int r)
{
        if (copy->is_done)
                return;

        copy->is_done = true;
        copy->in_source = sd_event_source_disable_unref(copy->in_source);
        copy->out_source = sd_event_source_disable_unref(copy->out_source);
        copy->watch_source = sd_event_source_disable_unref(copy->watch_source);
        if (copy->flags & COPY_TAKES_OUT && copy->out >= 0) {
                (void) close(copy->out);
                copy->out = -1;
        }
        if (copy->flags & COPY_TAKES_IN && copy->in >= 0) {
                (void) close(copy->in);
                copy->in = -1;
        }
        if (copy->done)
                copy->done(copy, r, copy->userdata);
}

/* What somebody else reads may be set to either mode by others who have it open. */
static int wait_writable(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Writes what there is. 1: all of it; 0: the rest has to wait. */
static int flush_buffer(Copy *copy)
{
        while (copy->begin < copy->end) {
                ssize_t n = write(copy->out, copy->buffer + copy->begin, copy->end - copy->begin);
                int r = 0;

                if (n >= 0) {
                        copy->begin += (size_t) n;
                        continue;
                }
                if (errno == EAGAIN && copy->flags & COPY_TAKES_OUT)
                        return 0;
                if (errno == EAGAIN)
                        r = wait_writable(copy->out);
                else if (errno != EINTR)
                        r = -errno;
                if (r < 0)
                        return r;
        }

        copy->begin = copy->end = 0;
        return 1;
}

static void go_on(Copy *copy)
{
        int r;

        r = flush_buffer(copy);
        if (r < 0) {
                finish(copy, r == -EIO ? -EPIPE : r); /* EIO: a terminal that was hung up */
                return;
        }
        if (r > 0 && copy->at_end) {
                finish(copy, 0);
                return;
        }

        (void) sd_event_source_set_enabled(copy->in_source, r > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
        if (copy->out_source)
                (void) sd_event_source_set_enabled(copy->out_source, r > 0 ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* 1: read something or the end; 0: there is nothing now. */
static int fill_buffer(Copy *copy)
{
        ssize_t n = read(copy->in, copy->buffer, sizeof copy->buffer);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0 && errno != EIO) /* EIO: the other side of a terminal is closed */
                return -errno;
        if (n <= 0) {
                copy->at_end = true;
                if (copy->flags & COPY_TERMINAL)
                        copy->buffer[copy->end++] = END_OF_FILE;
                return 1;
        }
        if (copy->filter && !copy->filter(copy->buffer, (size_t) n, copy->filter_userdata))
                return -ECANCELED;

        copy->end = (size_t) n;
        return 1;
}

static void on_readable(Copy *copy)
{
        int r;

        r = fill_buffer(copy);
        if (r < 0)
                finish(copy, r);
        else if (r > 0)
                go_on(copy);
}

static int on_in(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd, G_GNUC_UNUSED uint32_t events,
                void *userdata)
{
        on_readable(userdata);
        return 0;
}

/* A file is always ready, which is why epoll(7) refuses it. */
static int on_file(G_GNUC_UNUSED sd_event_source *source, void *userdata)
{
        on_readable(userdata);
        return 0;
}

static int on_out(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd, G_GNUC_UNUSED uint32_t events,
                void *userdata)
{
        go_on(userdata);
        return 0;
}

static int add_in(Copy *copy, sd_event *event)
{
        int r;

        r = sd_event_add_io(event, &copy->in_source, copy->in, EPOLLIN, on_in, copy);
        if (r != -EPERM)
                return r;
        r = sd_event_add_defer(event, &copy->in_source, on_file, copy);
        return r < 0 ? r : sd_event_source_set_enabled(copy->in_source, SD_EVENT_ON);
}

static int on_watch(
                G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd, uint32_t events, void *userdata)
{
        if (events & (EPOLLERR | EPOLLHUP))
                finish(userdata, -EPIPE);
        return 0;
}

/* Errors and the other end's death are always told, by what can have them: a file cannot. */
static int add_watch(Copy *copy, sd_event *event)
{
        int r;

        r = sd_event_add_io(event, &copy->watch_source, copy->out, 0, on_watch, copy);
        return r == -EPERM ? 0 : r;
}

static int add_out(Copy *copy, sd_event *event)
{
        int r;

        if (copy->flags & COPY_WATCHES_OUT)
                return add_watch(copy, event);

        if (!(copy->flags & COPY_TAKES_OUT))
                return 0;
        if (fcntl(copy->out, F_SETFL, fcntl(copy->out, F_GETFL) | O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(event, &copy->out_source, copy->out, EPOLLOUT, on_out, copy);
        return r < 0 ? r : sd_event_source_set_enabled(copy->out_source, SD_EVENT_OFF);
}

int copy_new(sd_event *event, int in, int out, CopyFlags flags, CopyDone done, void *userdata, Copy **ret)
{
        g_autoptr(Copy) copy = g_new0(Copy, 1);
        int r;

        copy->in = in;
        copy->out = out;
        copy->flags = flags;
        copy->done = done;
        copy->userdata = userdata;
        if (flags & COPY_TAKES_IN && fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK) < 0)
                return -errno;
        r = add_in(copy, event);
        if (r < 0)
                return r;
        r = add_out(copy, event);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&copy);
        return 0;
}

void copy_drain(Copy *copy)
{
        while (!copy->is_done) {
                int r = flush_buffer(copy);

                if (r > 0 && !copy->at_end)
                        r = fill_buffer(copy);
                if (r <= 0 || (copy->at_end && copy->begin == copy->end))
                        finish(copy, r);
        }
}

Copy *copy_free(Copy *copy)
{
        if (copy) {
                copy->done = NULL;
                finish(copy, 0);
                g_free(copy);
        }
        return NULL;
}
