/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"
#include "line.h"

/* The lines of one call to journal_send(), and where in the data each ends. */
typedef struct Batch {
        JournalEntry entries[JOURNAL_BATCH_MAX];
        size_t ends[JOURNAL_BATCH_MAX];
        int continued[JOURNAL_BATCH_MAX]; /* what the sink's is after each */
        size_t n;
} Batch;

JournalSink *journal_sink_new(Journal *journal, Counters *counters, GString *fields, int priority)
{
        JournalSink *sink = g_new0(JournalSink, 1);

        sink->journal = journal;
        sink->counters = counters;
        sink->fields = fields;
        sink->priority = priority;
        sink->entry_max = LINE_ENTRY_MAX;
        sink->keeps_partial = true;
        sink->continued = -1;
        return sink;
}

PidFile *pid_file_new(const char *path)
{
        PidFile *file = g_rc_box_new0(PidFile);

        file->path = g_strdup(path);
        return file;
}

static void pid_file_clear(void *file)
{
        g_free(((PidFile *) file)->path);
}

PidFile *pid_file_unref(PidFile *file)
{
        if (file)
                g_rc_box_release_full(file, pid_file_clear);
        return NULL;
}

static void forget_pid_file(JournalSink *sink)
{
        if (sink->pid_file && sink->pid_file->waiting == sink)
                sink->pid_file->waiting = NULL;
        sink->pid_file = pid_file_unref(sink->pid_file);
}

void journal_sink_set_pid_file(JournalSink *sink, PidFile *file)
{
        forget_pid_file(sink);
        sink->pid_file = g_rc_box_acquire(file);
}

JournalSink *journal_sink_free(JournalSink *sink)
{
        if (!sink)
                return NULL;

        backlog_free(sink->backlog);
        g_free(sink->backlog_name);
        forget_pid_file(sink);
        g_string_free(sink->fields, TRUE);
        g_clear_pointer(&sink->partial, g_byte_array_unref);
        g_free(sink);
        return NULL;
}

void journal_sink_give_up_pid(JournalSink *sink)
{
        if (sink->pid_file)
                sink->pid_file->given_up = true;
}

/* -ENOENT: there is no file, or it is not complete yet. */
static int read_pid_file(const char *path, uint32_t *ret)
{
        _cleanup_close_ int fd = -1;
        char text[16];
        guint64 pid;
        ssize_t n;

        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof text);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ENOENT;
        if (text[n - 1] != '\n')
                return -EBADMSG;

        text[n - 1] = '\0';
        if (!g_ascii_string_to_unsigned(text, 10, 1, INT32_MAX, &pid, NULL))
                return -EBADMSG;

        *ret = (uint32_t) pid;
        return 0;
}

/* False when it is not waited for, or not any longer. */
static bool waits_for_pid(JournalSink *sink)
{
        PidFile *file = sink->pid_file;
        gint64 now = g_get_monotonic_time();

        if (file->deadline == 0)
                file->deadline = now + (gint64) JOURNAL_PID_PATIENCE_USEC;
        if (now >= file->deadline || sink->hurried)
                return false;

        if (!file->waiting)
                file->waiting = sink;
        return true;
}

/* Before the first line is sent. -EAGAIN while there is reason to wait: for the file, or for the other
 * stream, whose line was written before. */
static int learn_pid(JournalSink *sink)
{
        PidFile *file = sink->pid_file;
        uint32_t pid = 0;
        int r;

        if (!file)
                return 0;
        if (file->waiting && file->waiting != sink && waits_for_pid(sink))
                return -EAGAIN;

        r = read_pid_file(file->path, &pid);
        if (r == -ENOENT && !file->given_up && waits_for_pid(sink))
                return -EAGAIN;
        file->waiting = NULL;
        if (r == -ENOENT)
                return 0;

        if (r >= 0)
                g_string_append_printf(sink->fields, "SYSLOG_PID=%" PRIu32 "\n", pid);
        forget_pid_file(sink);
        return 0;
}

static size_t partial_size(const JournalSink *sink)
{
        return sink->partial ? sink->partial->len : 0;
}

/* CONTINUED: as in JournalSink, before and after this piece of a line. */
static JournalEntry make_entry(const JournalSink *sink, const char *line, size_t size, int *continued)
{
        JournalEntry entry = { .fields = sink->fields, .priority = *continued };
        bool whole = size > 0 && line[size - 1] == '\n';

        if (entry.priority < 0)
                entry.priority = line_take_priority(&line, &size);
        if (entry.priority < 0)
                entry.priority = sink->priority;
        *continued = whole ? -1 : entry.priority;

        if (whole)
                size--;
        /* journalctl shows a line with a carriage return as binary data */
        if (whole && size > 0 && line[size - 1] == '\r')
                size--;

        entry.message = line;
        entry.size = size;
        return entry;
}

static void batch_add(const JournalSink *sink, Batch *batch, const char *line, size_t size, size_t end)
{
        int continued = batch->n > 0 ? batch->continued[batch->n - 1] : sink->continued;

        batch->entries[batch->n] = make_entry(sink, line, size, &continued);
        batch->continued[batch->n] = continued;
        batch->ends[batch->n++] = end;
}

/* The line whose head was kept, if its end is there; the head is only forgotten when the line is sent. */
static bool add_partial(JournalSink *sink, const char *data, size_t size, Batch *batch)
{
        size_t head = partial_size(sink), length;

        if (!line_piece((const char *) sink->partial->data, head, data, size, sink->entry_max, &length))
                return false;

        g_byte_array_append(sink->partial, (const guint8 *) data, (guint) length);
        batch_add(sink, batch, (const char *) sink->partial->data, sink->partial->len, length);
        return true;
}

static void collect(JournalSink *sink, const char *data, size_t size, Batch *batch)
{
        size_t done = 0;

        batch->n = 0;
        if (partial_size(sink) > 0) {
                if (!add_partial(sink, data, size, batch))
                        return;
                done = batch->ends[0];
        }

        while (batch->n < JOURNAL_BATCH_MAX) {
                size_t length;

                if (!line_piece(NULL, 0, data + done, size - done, sink->entry_max, &length))
                        break;
                batch_add(sink, batch, data + done, length, done + length);
                done += length;
        }
}

static void count_dropped(JournalSink *sink, uint64_t n)
{
        sink->counters->journal_dropped += n;
        sink->dropped += n;
}

/* -EAGAIN while there is reason to wait. */
static int out_of_patience(JournalSink *sink, int error)
{
        gint64 now = g_get_monotonic_time();

        /* A journald that is not there may come back as one that is slow may catch up. */
        if (error == -EMSGSIZE || sink->hurried)
                return 0;
        if (sink->pump && !sink->backlog_failed)
                return -EAGAIN; /* never drops here: there is the backlog */
        if (sink->patience_end == 0 || now >= sink->patience_end + (gint64) JOURNAL_PATIENCE_INTERVAL_USEC)
                sink->patience_end = now +
                                (gint64) (sink->keeps_partial ? JOURNAL_PATIENCE_USEC
                                                              : JOURNAL_ONLY_PATIENCE_USEC);

        return now < sink->patience_end ? -EAGAIN : 0;
}

static char *missing_message(const JournalSink *sink)
{
        return g_strdup_printf("%" PRIu64 " lines of output are missing here: the journal did not keep up",
                        sink->dropped);
}

char *journal_sink_take_missing(JournalSink *sink)
{
        char *message = sink->dropped > 0 ? missing_message(sink) : NULL;

        sink->dropped = 0;
        return message;
}

/* Tells how many entries are missing, once entries can be sent again. */
static int tell_dropped(JournalSink *sink)
{
        g_autofree char *message = NULL;
        JournalEntry entry = { .fields = sink->fields, .priority = LOG_WARNING };
        int r;

        /* what was dropped came after what is in the backlog */
        if (sink->dropped == 0 || sink->backlog)
                return 0;

        message = missing_message(sink);
        entry.message = message;
        entry.size = strlen(message);
        r = journal_send(sink->journal, &entry, 1);
        if (r < 0)
                return r;

        sink->dropped = 0;
        return 0;
}

/* How many of the entries are sent, or dropped: it is done with them. */
static int send_batch(JournalSink *sink, const Batch *batch)
{
        int r;

        r = learn_pid(sink);
        if (r < 0)
                return r;
        r = tell_dropped(sink);
        if (r >= 0)
                r = journal_send(sink->journal, batch->entries, batch->n);
        if (r >= 0) {
                if (!sink->keeps_partial)
                        sink->patience_end = 0;
        } else {
                if (out_of_patience(sink, r) < 0)
                        return -EAGAIN;
                /* only the first entry is known to be too large, with the fields that it has */
                r = r == -EMSGSIZE ? 1 : (int) batch->n;
                count_dropped(sink, (uint64_t) r);
        }

        sink->continued = batch->continued[r - 1];
        return r;
}

static void drop_partial_end(JournalSink *sink, size_t head)
{
        if (head > 0)
                g_byte_array_set_size(sink->partial, (guint) head);
}

void journal_sink_keep(JournalSink *sink, const char *data, size_t size)
{
        if (!sink->partial)
                sink->partial = g_byte_array_new();
        g_byte_array_append(sink->partial, (const guint8 *) data, (guint) size);
}

static int feed_directly(JournalSink *sink, const char *data, size_t size, size_t *ret_done)
{
        size_t done = 0;
        Batch batch;
        int n;

        for (;;) {
                size_t head = partial_size(sink);

                collect(sink, data + done, size - done, &batch);
                if (batch.n == 0)
                        break;

                n = send_batch(sink, &batch);
                if (n < 0) {
                        drop_partial_end(sink, head);
                        *ret_done = done;
                        return n;
                }
                if (head > 0)
                        g_clear_pointer(&sink->partial, g_byte_array_unref);
                done += batch.ends[n - 1];
        }

        *ret_done = done;
        return 0;
}

/* From here on everything goes through the backlog, the head of an unfinished line first. */
static int begin_backlog(JournalSink *sink)
{
        int r;

        r = backlog_open(sink->pump, sink->backlog_name, &sink->backlog);
        if (r < 0)
                return r;

        if (sink->partial)
                count_dropped(sink,
                                backlog_write(sink->backlog, (const char *) sink->partial->data,
                                                sink->partial->len));
        g_clear_pointer(&sink->partial, g_byte_array_unref);
        return 0;
}

int journal_sink_feed(JournalSink *sink, const char *data, size_t size, size_t *ret_done)
{
        size_t done = 0, more = 0;
        int r = 0;

        sink->backlog_failed = false;
        if (!sink->backlog)
                r = feed_directly(sink, data, size, &done);
        if (r < 0 && sink->pump && begin_backlog(sink) < 0) {
                /* one of too many */
                sink->backlog_failed = true;
                r = feed_directly(sink, data + done, size - done, &more);
                done += more;
        }
        if (r < 0 && !sink->backlog) {
                *ret_done = done;
                return r;
        }

        if (sink->backlog)
                count_dropped(sink, backlog_write(sink->backlog, data + done, size - done));
        else if (sink->keeps_partial && done < size)
                journal_sink_keep(sink, data + done, size - done);
        *ret_done = sink->keeps_partial || sink->backlog ? size : done;
        return 0;
}

void journal_sink_set_backlog(JournalSink *sink, Pump *pump, const char *name, int fd)
{
        sink->pump = pump;
        g_free(sink->backlog_name);
        sink->backlog_name = g_strdup(name);
        if (fd < 0)
                return;

        /* the unfinished line is in there, or what was taken for it is not */
        sink->backlog = backlog_adopt(pump, name, fd);
        sink->backlog->mid_line = true;
        g_clear_pointer(&sink->partial, g_byte_array_unref);
}

/* At most an unfinished line is left in the backlog: it goes on without one. */
static void end_backlog(JournalSink *sink, const char *rest, size_t size)
{
        if (size > 0)
                journal_sink_keep(sink, rest, size);
        sink->backlog = backlog_close(sink->backlog);
}

int journal_sink_drain(JournalSink *sink, bool *ret_progress)
{
        *ret_progress = false;

        while (sink->backlog) {
                const char *data = NULL;
                ssize_t n = pump_peek(sink->pump, sink->backlog->fd, &data);
                size_t size = n > 0 ? (size_t) n : 0, done = 0;
                int r;

                r = feed_directly(sink, data, size, &done);
                if (done > 0) {
                        (void) pump_discard(sink->pump, sink->backlog->fd, done);
                        *ret_progress = true;
                }
                if (r < 0)
                        return r;
                if (done > 0 || backlog_mend(sink->backlog))
                        continue;
                if (sink->backlog->skipping)
                        break;
                end_backlog(sink, data, size);
        }

        return 0;
}

int journal_sink_finish(JournalSink *sink, const char *tail, size_t size)
{
        size_t head = partial_size(sink);
        Batch batch = {};
        int r;

        /* it is empty; only the rest of a line whose beginning was dropped would still be of interest to
         * it */
        sink->backlog = backlog_close(sink->backlog);
        if (head + size == 0) {
                (void) tell_dropped(sink); /* else there is journal_sink_take_missing() */
                return 0;
        }
        if (size > 0)
                journal_sink_keep(sink, tail, size);

        batch_add(sink, &batch, (const char *) sink->partial->data, sink->partial->len, size);
        r = send_batch(sink, &batch);
        if (r < 0) {
                g_byte_array_set_size(sink->partial, (guint) head);
                return r;
        }

        g_clear_pointer(&sink->partial, g_byte_array_unref);
        return 0;
}
