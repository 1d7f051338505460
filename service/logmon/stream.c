/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cleanup.h"
#include "line.h"
#include "stream-move.h"

/* A pipe that wakes us more often than this, and with little, is looked at by a timer instead, so that many
 * small writes cost one wake-up. The delay follows the traffic: long enough to collect, short enough that
 * the pipe does not fill up. */
#define BUSY_USEC      (50U * 1000U)
#define DELAY_MIN_USEC 100U
#define DELAY_MAX_USEC (32U * 1000U)
#define DELAY_ACCURACY 4U /* a part of the delay */

/* While the journal is slow, and while a disk is full. */
#define JOURNAL_RETRY_MIN_USEC 2000U
#define JOURNAL_RETRY_MAX_USEC (32U * 1000U)
#define DISK_RETRY_USEC        (200U * 1000U)

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);

Stream *stream_new(StreamKind kind, sd_event *event, Pump *pump, Counters *counters,
                const StreamHandler *handler)
{
        Stream *stream = g_new0(Stream, 1);

        stream->kind = kind;
        stream->event = sd_event_ref(event);
        stream->pump = pump;
        stream->counters = counters;
        stream->handler = *handler;
        stream->fd = -1;
        return stream;
}

static void stream_close(Stream *stream)
{
        stream->io = sd_event_source_disable_unref(stream->io);
        stream->timer = sd_event_source_disable_unref(stream->timer);
        stream->fd = safe_close(stream->fd);
        if (stream->rotator)
                rotator_close(stream->rotator);
}

Stream *stream_free(Stream *stream)
{
        if (!stream)
                return NULL;

        stream_close(stream);
        rotator_free(stream->rotator);
        journal_sink_free(stream->journal);
        sd_event_unref(stream->event);
        g_free(stream);
        return NULL;
}

/* Whoever has the pipe open may change its size at any time. */
static void update_capacity(Stream *stream)
{
        int size = fcntl(stream->fd, F_GETPIPE_SZ);

        stream->capacity = size > 0 ? (size_t) size : PIPE_BUF;
}

static void make_large(Stream *stream)
{
        update_capacity(stream);
        /* never smaller: a caller may have had its reasons */
        if (stream->capacity < PUMP_PIPE_SIZE && fcntl(stream->fd, F_SETPIPE_SZ, PUMP_PIPE_SIZE) >= 0)
                update_capacity(stream);
}

int stream_start(Stream *stream, int fd, bool fifo)
{
        int flags, r;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;

        /* Edge-triggered: an unfinished line may stay in the pipe, and a FIFO without a writer is always at
         * its end. */
        r = sd_event_add_io(stream->event, &stream->io, fd, EPOLLIN | EPOLLET, on_io, stream);
        if (r < 0)
                return r;

        stream->fd = fd;
        stream->fifo = fifo;
        stream->draining = false;
        stream->journalled = 0;
        stream->retry_time = 0;
        make_large(stream);
        if (stream->journal && !stream->rotator) {
                /* What leaves the pipe leaves for the journal only, so an unfinished line has to stay in
                 * it. */
                stream->journal->keeps_partial = false;
                stream->journal->entry_max = MIN(stream->journal->entry_max, stream->capacity / 2);
        }
        return 0;
}

/* The end is reported from here, and the stream may be freed by whoever hears of it. */
static void stream_end(Stream *stream)
{
        stream_mark_gap(stream);
        stream_close(stream);
        stream->handler.ended(stream, stream->handler.userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static int look_again(Stream *stream, uint64_t delay)
{
        uint64_t accuracy = MAX(delay / DELAY_ACCURACY, 1);
        int r;

        r = sd_event_source_set_enabled(stream->io, SD_EVENT_OFF);
        if (r < 0)
                return r;
        if (!stream->timer)
                return sd_event_add_time_relative(stream->event, &stream->timer, CLOCK_MONOTONIC, delay,
                                accuracy, on_timer, stream);

        r = sd_event_source_set_time_accuracy(stream->timer, accuracy);
        if (r < 0)
                return r;
        r = sd_event_source_set_time_relative(stream->timer, delay);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(stream->timer, SD_EVENT_ONESHOT);
}

static uint64_t shorter_delay(const Stream *stream)
{
        return stream->delay > DELAY_MIN_USEC ? stream->delay / 2 : 0;
}

static uint64_t next_delay(const Stream *stream, size_t moved)
{
        if (moved > stream->capacity / 2)
                return shorter_delay(stream);
        if (moved < stream->capacity / 8)
                return CLAMP(stream->delay * 2, DELAY_MIN_USEC, DELAY_MAX_USEC);

        return stream->delay;
}

/* DRAINED: the pipe is empty, so that its next byte wakes us. */
static int pace(Stream *stream, size_t moved, bool timer, bool drained)
{
        uint64_t now, since;
        int r;

        if (moved == 0)
                return sd_event_source_set_enabled(stream->io, SD_EVENT_ON);

        r = sd_event_now(stream->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        update_capacity(stream);
        since = now - stream->last_wake;
        stream->last_wake = now;

        stream->delay = timer || since < BUSY_USEC ? next_delay(stream, moved) : 0;
        if (stream->delay == 0 && drained)
                return sd_event_source_set_enabled(stream->io, SD_EVENT_ON);

        return look_again(stream, stream->delay);
}

/* While files go on journald may be stopped for long: asks less often then. */
static int wait_for_journal(Stream *stream, size_t moved)
{
        if (moved > 0 || stream->journal_progress)
                stream->journal_delay = 0;
        stream->journal_delay =
                        CLAMP(stream->journal_delay * 2, JOURNAL_RETRY_MIN_USEC, JOURNAL_RETRY_MAX_USEC);

        return look_again(stream, stream->journal_delay);
}

static int stream_dispatch(Stream *stream, bool timer)
{
        MoveResult result;
        size_t moved;

        result = stream_move(stream, &moved);
        if (moved > 0)
                stream->handler.moved(stream, stream->handler.userdata);
        stream->waits_for_journal = result == MOVE_WAIT_JOURNAL;
        stream->waits_for_disk = result == MOVE_WAIT_DISK;

        switch (result) {
        case MOVE_MORE:
                /* the other streams first */
                stream->delay = shorter_delay(stream);
                return look_again(stream, 0);
        case MOVE_WAIT_JOURNAL:
                return wait_for_journal(stream, moved);
        case MOVE_WAIT_DISK:
                return look_again(stream, DISK_RETRY_USEC);
        case MOVE_END:
                if (!stream->fifo || stream->draining) {
                        stream_end(stream);
                        return 0;
                }
                return pace(stream, moved, timer, true);
        case MOVE_MOST:
        case MOVE_EMPTY:
        default:
                return pace(stream, moved, timer, result != MOVE_MOST);
        }
}

static int on_io(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd, G_GNUC_UNUSED uint32_t revents,
                void *userdata)
{
        return stream_dispatch(userdata, false);
}

static int on_timer(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        return stream_dispatch(userdata, true);
}

int stream_drain(Stream *stream)
{
        stream->draining = true;
        if (stream->journal)
                journal_sink_give_up_pid(stream->journal);
        return look_again(stream, 0);
}

void stream_finish(Stream *stream)
{
        size_t moved;

        /* A writer that goes on writing does not keep us here: one pipe full was there at this moment. */
        stream->draining = true;
        stream->blocks = false;
        stream->retry_time = MIN(stream->retry_time, 1); /* one last attempt */
        if (stream->journal)
                stream->journal->hurried = true;
        update_capacity(stream);
        for (size_t total = 0; total <= stream->capacity; total += moved) {
                MoveResult result = stream_move(stream, &moved);

                if (result != MOVE_MORE && result != MOVE_MOST)
                        break;
        }

        (void) stream_finish_journal(stream);
        stream_end(stream);
}

void stream_recover_partial(Stream *stream)
{
        g_autofree char *tail = NULL;
        size_t size, complete;

        if (!stream->journal || !stream->rotator)
                return;

        tail = g_malloc(LINE_ENTRY_MAX);
        size = rotator_read_tail(stream->rotator, tail, LINE_ENTRY_MAX - 1);
        complete = line_complete(tail, size);
        if (complete < size)
                journal_sink_keep(stream->journal, tail + complete, size - complete);
}
