/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream-move.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "fault.h"

/* While files cannot be written, how often that is tried, and what part of the time may go into it: to look
 * through a directory that a task has filled takes long. */
#define FILE_RETRY_USEC  (200 * G_TIME_SPAN_MILLISECOND)
#define FILE_RETRY_SHARE 20

static void report(Stream *stream, const char *what, int error)
{
        g_autofree char *message = g_strdup_printf("%s/%s: %s%s", stream->rotator->directory,
                        stream->rotator->name, what, g_strerror(-error));

        stream->handler.failed(stream, message, stream->handler.userdata);
}

/* TOOK: how long it was tried. */
static void file_failed(Stream *stream, int error, gint64 took)
{
        if (stream->retry_time == 0)
                report(stream, "", error);
        stream->retry_time = g_get_monotonic_time() + MAX(FILE_RETRY_USEC, took * FILE_RETRY_SHARE);
}

/* Bytes have been dropped and files can be written again: says so, in the log where the gap is and in the
 * journal. */
static int mark_gap(Stream *stream)
{
        uint64_t *unmarked = stream->counters->unmarked + stream->kind;
        uint64_t index = stream->rotator->index;
        g_autofree char *line = NULL;
        int r;

        if (*unmarked == 0)
                return 0;

        line = g_strdup_printf("nomad-logmon: %" PRIu64
                               " bytes of output are missing here: the log could not be written",
                        *unmarked);
        r = rotator_append_line(stream->rotator, line);
        if (stream->rotator->index != index)
                stream->counters->rotations++;
        if (r < 0)
                return r;

        *unmarked = 0;
        if (stream->journal)
                stream->handler.warned(stream, line, stream->handler.userdata);
        return 0;
}

static bool is_out_of_space(int error)
{
        return error == -ENOSPC || error == -EDQUOT;
}

static int reopen_files(Stream *stream)
{
        int r;

        r = rotator_check(stream->rotator);
        if (r == -ESTALE)
                r = rotator_open(stream->rotator);
        if (r < 0)
                return r;

        do
                r = mark_gap(stream);
        while (is_out_of_space(r) && rotator_remove_oldest(stream->rotator));
        return r;
}

void stream_mark_gap(Stream *stream)
{
        if (stream->rotator && stream->counters->unmarked[stream->kind] > 0)
                (void) reopen_files(stream);
}

/* The file may have been removed, or may not have been writable for a while. */
static void prepare_files(Stream *stream)
{
        gint64 begin = g_get_monotonic_time();
        int r;

        if (stream->retry_time != 0 && begin < stream->retry_time)
                return;

        r = reopen_files(stream);
        if (r < 0)
                file_failed(stream, r, g_get_monotonic_time() - begin);
        else
                stream->retry_time = 0;
}

/* One step into the files: a splice, or a rotation (0 with RET_ROTATED). */
static ssize_t move_to_file(Stream *stream, const char *data, size_t n, bool *ret_rotated)
{
        size_t take = rotator_plan(stream->rotator, data, n);
        ssize_t moved;
        int r;

        *ret_rotated = take == 0;
        if (take > 0) {
                moved = rotator_splice(stream->rotator, stream->fd, take);
                if (moved > 0)
                        fault_point(FAULT_LOG_MOVED);
                return moved;
        }

        r = rotator_rotate(stream->rotator);
        if (r < 0)
                return r;
        fault_point(FAULT_LOG_ROTATED);
        if (stream->rotator->remove_error < 0)
                report(stream, "cannot remove an old file: ", stream->rotator->remove_error);

        stream->counters->rotations++;
        return 0;
}

static ssize_t discard(Stream *stream, size_t n)
{
        ssize_t moved = pump_discard(stream->pump, stream->fd, n);

        if (moved > 0 && stream->rotator) {
                stream->counters->dropped_bytes += (uint64_t) moved;
                stream->counters->unmarked[stream->kind] += (uint64_t) moved;
        }
        return moved;
}

/* Moves up to N bytes whose contents, where lines matter, are DATA. Returns how many, 0 at the end of the
 * pipe, -EAGAIN when it is empty, -EBUSY when the disk is to be waited for, -ERESTART when it is the turn of
 * others. */
static ssize_t move_step(Stream *stream, const char *data, size_t n)
{
        for (;;) {
                bool rotated = false;
                ssize_t moved;

                if (!stream->rotator || stream->retry_time != 0)
                        return stream->rotator && stream->blocks ? -EBUSY : discard(stream, n);

                if (stream->spent >= MOVE_BUDGET)
                        return -ERESTART;
                moved = move_to_file(stream, data, n, &rotated);
                if (moved < 0 || rotated)
                        stream->spent += MOVE_FILE_COST;
                if (moved >= 0 && rotated)
                        continue;
                if (moved >= 0 || moved == -EAGAIN)
                        return moved;

                if (!is_out_of_space((int) moved) || !rotator_remove_oldest(stream->rotator))
                        file_failed(stream, (int) moved, 0);
        }
}

static ssize_t move_all(Stream *stream, const char *data, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t moved = move_step(stream, data ? data + done : NULL, size - done);

                if (moved <= 0)
                        return done > 0 ? (ssize_t) done : moved;

                done += (size_t) moved;
                stream->counters->bytes[stream->kind] += (uint64_t) moved;
                if (!data)
                        break;
        }

        return (ssize_t) done;
}

/* Shows DATA, the front of the pipe, to the journal. RET_LIMIT: how much of it may leave the pipe. */
static int show_to_journal(Stream *stream, const char *data, size_t size, size_t *ret_limit)
{
        size_t seen = MIN(stream->journalled, size), done = 0;
        int r;

        r = journal_sink_feed(stream->journal, data + seen, size - seen, &done);
        stream->journalled = seen + done;
        *ret_limit = stream->journalled;
        return r;
}

static bool writers_are_gone(int fd)
{
        struct pollfd pollfd = { .fd = fd };

        return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & POLLHUP);
}

/* DATA, all that is in the pipe, is the beginning of a line: it stays there until its end comes, unless that
 * cannot. Small packets fill a pipe too. */
static int show_unfinished(Stream *stream, const char *data, size_t size, size_t *ret_limit)
{
        int r;

        if (writers_are_gone(stream->fd) || !pump_is_full(stream->fd))
                return 0;
        r = journal_sink_finish(stream->journal, data, size);
        if (r < 0)
                return r;

        stream->journalled = *ret_limit = size;
        return 0;
}

/* As move_step(), for whatever is at the front of the pipe; -EALREADY when only an unfinished line is, which
 * stays; -EINPROGRESS when the journal is to be waited for. */
static ssize_t move_chunk(Stream *stream)
{
        const char *data = NULL;
        size_t limit = MOVE_BUDGET;
        ssize_t n;
        int r = 0;

        if (stream->journal ||
                        (stream->rotator && stream->retry_time == 0 &&
                                        rotator_needs_lines(stream->rotator))) {
                n = pump_peek(stream->pump, stream->fd, &data);
                if (n <= 0)
                        return n;
                limit = (size_t) n;
        }
        if (stream->journal) {
                size_t size = limit;

                r = show_to_journal(stream, data, size, &limit);
                stream->journal_is_full = r == -EAGAIN;
                if (limit == 0 && r >= 0)
                        r = show_unfinished(stream, data, size, &limit);
        }
        if (limit == 0 && r == -EAGAIN)
                return -EINPROGRESS;
        if (limit == 0)
                return writers_are_gone(stream->fd) ? 0 : -EALREADY;

        n = move_all(stream, data, limit);
        if (n > 0 && stream->journal)
                stream->journalled -= (size_t) n;
        return n;
}

MoveResult stream_finish_journal(Stream *stream)
{
        const char *data = NULL;
        ssize_t n = 0, moved = 1;

        if (!stream->journal)
                return MOVE_END;

        if (!stream->journal->keeps_partial)
                n = pump_peek(stream->pump, stream->fd, &data);
        if (journal_sink_finish(stream->journal, data, n > 0 ? (size_t) n : 0) == -EAGAIN)
                return MOVE_WAIT_JOURNAL;
        for (; n > 0 && moved > 0; n -= moved)
                moved = move_all(stream, NULL, (size_t) n);
        return MOVE_END;
}

/* What waits for the journal, once the files have what is new. */
static MoveResult drain_journal(Stream *stream, MoveResult result)
{
        if (!stream->journal || !stream->journal->backlog)
                return result;
        if (journal_sink_drain(stream->journal, &stream->journal_progress) == -EAGAIN && result != MOVE_MORE)
                return MOVE_WAIT_JOURNAL;

        return result;
}

static MoveResult move_pipe(Stream *stream, size_t *ret_moved)
{
        size_t moved = 0;
        bool few = false;
        ssize_t n = 1;

        stream->spent = 0;
        stream->journal_is_full = false;
        while (moved + stream->spent < MOVE_BUDGET) {
                n = move_chunk(stream);
                if (n <= 0)
                        break;

                few = moved > 0 && n < MOVE_WORTHWHILE;
                moved += (size_t) n;
                if (stream->journal_is_full || few)
                        break;
        }

        *ret_moved = moved;
        if (n > 0 && stream->journal_is_full)
                return MOVE_WAIT_JOURNAL;
        if (n > 0 && few)
                return MOVE_MOST;
        switch (n) {
        case 0:
                return MOVE_END;
        case -EINPROGRESS:
                return MOVE_WAIT_JOURNAL;
        case -EBUSY:
                return MOVE_WAIT_DISK;
        case -ERESTART:
                return MOVE_MORE;
        default:
                return n > 0 ? MOVE_MORE : MOVE_EMPTY;
        }
}

MoveResult stream_move(Stream *stream, size_t *ret_moved)
{
        MoveResult result;

        stream->journal_progress = false;
        if (stream->rotator)
                prepare_files(stream);

        result = drain_journal(stream, move_pipe(stream, ret_moved));
        return result == MOVE_END ? stream_finish_journal(stream) : result;
}
