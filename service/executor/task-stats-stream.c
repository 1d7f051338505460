/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "task-stats.h"

/* Readers that are due this close to each other get their lines of one sample. */
#define COALESCE_USEC UINT64_C(1000)

/* A pipe takes a line that is no longer than this in whole or not at all. */
#define LINE_SIZE_MAX PIPE_BUF

typedef struct StatsReader {
        TaskStatsStream *stream;
        int fd;
        uint64_t interval_usec;
        uint64_t due_usec; /* CLOCK_MONOTONIC; UINT64_MAX: never */
        StatsPrevious previous;
        sd_event_source *closed_source;
} StatsReader;

struct TaskStatsStream {
        Task *task;
        GPtrArray *readers;     /* of StatsReader; there is at least one, but while the first is added */
        sd_event_source *timer; /* for the reader that is due first */
};

static void reader_free(void *userdata)
{
        StatsReader *reader = userdata;

        sd_event_source_disable_unref(reader->closed_source);
        safe_close(reader->fd);
        g_free(reader);
}

TaskStatsStream *task_stats_stream_free(TaskStatsStream *stream)
{
        if (!stream)
                return NULL;

        g_ptr_array_unref(stream->readers);
        sd_event_source_disable_unref(stream->timer);
        stats_files_close(&stream->task->stats_files);
        g_free(stream);
        return NULL;
}

void task_stats_end(Task *task)
{
        task->stats_stream = task_stats_stream_free(task->stats_stream);
}

static int write_line(StatsReader *reader, StatsSample *sample)
{
        char line[LINE_SIZE_MAX];
        size_t length;
        int r;

        stats_set_percent(sample, &reader->previous);
        r = stats_to_json(sample, line, sizeof line, &length);
        if (r < 0)
                return r;

        return write(reader->fd, line, length) < 0 ? -errno : 0;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
        return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Lines that could not be sent in time are left out: a reader wants to know how things are now. */
static void schedule(StatsReader *reader, uint64_t now)
{
        reader->due_usec = add_saturated(reader->due_usec, reader->interval_usec);
        if (reader->due_usec <= now)
                reader->due_usec = add_saturated(now, reader->interval_usec);
}

static void write_due(TaskStatsStream *stream, StatsSample *sample, uint64_t now)
{
        for (guint i = stream->readers->len; i > 0; i--) {
                StatsReader *reader = g_ptr_array_index(stream->readers, i - 1);
                int r;

                if (reader->due_usec > add_saturated(now, COALESCE_USEC))
                        continue;

                r = write_line(reader, sample);
                if (r >= 0) {
                        schedule(reader, now);
                        continue;
                }
                if (r == -EAGAIN)
                        log_notice("A reader of the statistics of task '%s' does not read, cutting it off",
                                        stream->task->id);
                (void) g_ptr_array_remove_index_fast(stream->readers, i - 1);
        }
}

static int arm(TaskStatsStream *stream);

static int on_due(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        TaskStatsStream *stream = userdata;
        Task *task = stream->task;
        StatsSample sample;
        int r;

        r = task_stats_sample(task, &sample);
        if (r >= 0) {
                write_due(stream, &sample, (uint64_t) g_get_monotonic_time());
                r = arm(stream);
        }
        if (r >= 0)
                return 0;

        if (r != -ESRCH)
                (void) log_errno(LOG_WARNING, r, "Cannot read the statistics of task '%s'", task->id);
        task_stats_end(task);
        return 0;
}

/* Sets the timer for whoever is due first. -ESRCH: there is nobody. */
static int arm(TaskStatsStream *stream)
{
        uint64_t due = UINT64_MAX;
        int r;

        if (stream->readers->len == 0)
                return -ESRCH;
        for (guint i = 0; i < stream->readers->len; i++) {
                const StatsReader *reader = g_ptr_array_index(stream->readers, i);

                due = MIN(due, reader->due_usec);
        }

        if (!stream->timer)
                return sd_event_add_time(stream->task->manager->service.event, &stream->timer,
                                CLOCK_MONOTONIC, due, COALESCE_USEC, on_due, stream);

        r = sd_event_source_set_time(stream->timer, due);
        return r < 0 ? r : sd_event_source_set_enabled(stream->timer, SD_EVENT_ONESHOT);
}

static int on_reader_closed(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        StatsReader *reader = userdata;
        TaskStatsStream *stream = reader->stream;

        /* the timer is left as it is: at worst it finds nobody due */
        (void) g_ptr_array_remove_fast(stream->readers, reader);
        if (stream->readers->len == 0)
                task_stats_end(stream->task);
        return 0;
}

static int open_pipe(int *ret_read, int *ret_write)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];

        /* of ours alone: the client's end blocks, as one would expect */
        if (fcntl(write_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        *ret_read = take_fd(&read_fd);
        *ret_write = take_fd(&write_fd);
        return 0;
}

static int add_reader(TaskStatsStream *stream, uint64_t interval_usec, int fd, StatsSample *first)
{
        StatsReader *reader = g_new(StatsReader, 1);
        int r;

        *reader = (StatsReader){
                .stream = stream,
                .fd = fd,
                .interval_usec = interval_usec,
                .due_usec = add_saturated((uint64_t) g_get_monotonic_time(), interval_usec),
        };
        g_ptr_array_add(stream->readers, reader);

        /* no event is asked for: an error, which is that the other end is closed, is always told */
        r = sd_event_add_io(stream->task->manager->service.event, &reader->closed_source, fd, 0,
                        on_reader_closed, reader);
        if (r >= 0)
                r = write_line(reader, first);
        if (r >= 0)
                r = arm(stream);
        if (r < 0)
                (void) g_ptr_array_remove_fast(stream->readers, reader);
        return r < 0 ? r : 0;
}

static TaskStatsStream *stream_new(Task *task)
{
        TaskStatsStream *stream = g_new0(TaskStatsStream, 1);

        stream->task = task;
        stream->readers = g_ptr_array_new_with_free_func(reader_free);
        return stream;
}

/* With a first line. */
static int start_reader(TaskStatsStream *stream, uint64_t interval_usec, int *ret_fd)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        StatsSample sample;
        int r;

        r = task_stats_sample(stream->task, &sample);
        if (r >= 0)
                r = open_pipe(&read_fd, &write_fd);
        if (r >= 0)
                r = add_reader(stream, interval_usec, take_fd(&write_fd), &sample);
        if (r < 0)
                return r;

        *ret_fd = take_fd(&read_fd);
        return 0;
}

int task_stats_stream(Task *task, uint64_t interval_usec, int *ret_fd)
{
        int r;

        if (!task->stats_stream)
                task->stats_stream = stream_new(task);
        if (task->stats_stream->readers->len >= STATS_READERS_MAX)
                return -EDQUOT;

        r = start_reader(task->stats_stream, interval_usec, ret_fd);
        if (task->stats_stream->readers->len == 0)
                task_stats_end(task);
        return r;
}
