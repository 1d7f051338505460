/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-journal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "last-end.h"
#include "log-print.h"

/* A task may have written before the time that is told as its start, but not before its launch began. */
#define LAUNCH_USEC (UINT64_C(60) * G_USEC_PER_SEC)

/* How long the last lines of a task that has ended are waited for: journald may have them yet to write. */
#define LAST_LINES_USEC (2 * G_TIME_SPAN_SECOND)

typedef struct JournalLog {
        Ctl *ctl;
        const LogJournalOptions *options;
        uint64_t start_usec; /* CLOCK_REALTIME, of the task */
        sd_journal *journal;
        sd_event *event;
        sd_event_source *journal_source, *output_source, *end_source;
        nx_wait *wait;
        GArray *lines;  /* LogLine, whose text is ours, yet to be printed */
        bool has_lines; /* at least one */
        bool has_end;   /* the entry about the task's end has come */
        bool prints;    /* what comes from now on */
        int error;
} JournalLog;

static void clear_line(void *line)
{
        g_free((char *) ((LogLine *) line)->text);
}

static GArray *new_lines(void)
{
        GArray *lines = g_array_new(FALSE, FALSE, sizeof(LogLine));

        g_array_set_clear_func(lines, clear_line);
        return lines;
}

static void journal_log_clear(JournalLog *log)
{
        nx_wait_free(log->wait);
        sd_event_source_disable_unref(log->journal_source);
        sd_event_source_disable_unref(log->output_source);
        sd_event_source_disable_unref(log->end_source);
        sd_journal_close(log->journal);
        if (log->event)
                (void) nx_connection_detach_event(log->ctl->connection);
        sd_event_unref(log->event);
        g_array_unref(log->lines);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JournalLog, journal_log_clear)

/* The lines of the task, and what tells that there are no more. */
static int open_journal(JournalLog *log, const char *id)
{
        uint64_t since = log->start_usec > LAUNCH_USEC ? log->start_usec - LAUNCH_USEC : 0;
        g_autofree char *task = g_strconcat("NOMAD_TASK_ID=", id, NULL);
        int r;

        r = journal_open_of_service(log->ctl, "nomad-logmon.service", task, NULL, &log->journal);
        if (r < 0)
                return r;
        r = last_end_add(log->journal, log->ctl, id);
        if (r < 0)
                return r;

        return sd_journal_seek_realtime_usec(log->journal, since);
}

/* What comes before the end of an earlier task of the id is that one's. */
static void take_end(JournalLog *log)
{
        uint64_t usec = 0;

        (void) sd_journal_get_realtime_usec(log->journal, &usec);
        log->has_end = usec >= log->start_usec;
        if (log->has_end)
                return;

        g_array_set_size(log->lines, 0);
        log->has_lines = false;
}

static void take_entry(JournalLog *log)
{
        const char *name, *message;
        size_t size, length;
        LogLine line = { 0 };
        char *text;

        if (journal_get_field(log->journal, "NOMAD_STREAM", &name, &size) < 0) {
                take_end(log);
                return;
        }

        line.stream = size == strlen("stderr") && memcmp(name, "stderr", size) == 0 ? 1 : 0;
        if (!log->options->streams[line.stream] ||
                        journal_get_field(log->journal, "MESSAGE", &message, &length) < 0)
                return;

        text = g_malloc(length + 1);
        (void) memcpy(text, message, length);
        text[length] = '\n';
        line.text = text;
        line.size = length + 1;
        (void) sd_journal_get_realtime_usec(log->journal, &line.time_usec);
        g_array_append_val(log->lines, line);
        log->has_lines = true;
}

static int read_entries(JournalLog *log)
{
        int r;

        while ((r = sd_journal_next(log->journal)) > 0)
                take_entry(log);

        return r;
}

/* The last N lines of each stream. */
static void drop_older(JournalLog *log)
{
        GArray *kept = new_lines();
        gint64 n[2] = { 0 };

        for (guint i = 0; i < log->lines->len; i++)
                n[g_array_index(log->lines, LogLine, i).stream]++;
        for (guint i = 0; i < log->lines->len; i++) {
                LogLine *line = &g_array_index(log->lines, LogLine, i);

                if (n[line->stream]-- > log->options->lines)
                        continue;
                g_array_append_val(kept, *line);
                line->text = NULL;
        }

        g_array_unref(log->lines);
        log->lines = kept;
}

static int print_lines(JournalLog *log)
{
        int r;

        r = log_print(log->ctl, log->lines);
        (void) fflush(stdout);
        g_array_set_size(log->lines, 0);
        return r;
}

static int finish(JournalLog *log, int error)
{
        log->error = error;
        return sd_event_exit(log->event, 0);
}

static int on_journal(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        JournalLog *log = userdata;
        int r;

        r = sd_journal_process(log->journal);
        if (r >= 0)
                r = read_entries(log);
        if (r >= 0 && log->prints)
                r = print_lines(log);
        return r < 0 || log->has_end ? finish(log, r) : 0;
}

static int on_output_closed(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        return finish(userdata, -EPIPE);
}

static int on_late(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        return finish(userdata, 0);
}

static void on_ended(G_GNUC_UNUSED nx_task *task, G_GNUC_UNUSED const nx_exit *exit,
                G_GNUC_UNUSED const nx_error *error, void *userdata)
{
        JournalLog *log = userdata;
        int r;

        r = sd_event_add_time_relative(
                        log->event, &log->end_source, CLOCK_MONOTONIC, LAST_LINES_USEC, 0, on_late, log);
        if (r < 0)
                (void) finish(log, r);
}

static int watch(JournalLog *log, nx_task *task)
{
        int r;

        r = sd_event_add_io(log->event, &log->journal_source, sd_journal_get_fd(log->journal),
                        (uint32_t) sd_journal_get_events(log->journal), on_journal, log);
        if (r < 0)
                return r;
        /* a file cannot be watched, and needs not be */
        r = sd_event_add_io(log->event, &log->output_source, STDOUT_FILENO, 0, on_output_closed, log);
        if (r < 0 && r != -EPERM)
                return r;
        r = nx_connection_attach_event(log->ctl->connection, log->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        return nx_task_wait_async(task, on_ended, log, &log->wait, NULL);
}

static int read_task(nx_task *task, uint64_t *ret_start_usec, bool *ret_has_ended)
{
        g_autoptr(nx_values) values = NULL;
        const char *state = "";
        int r;

        r = nx_task_get_properties(task, &values, NULL);
        if (r < 0)
                return r;

        *ret_start_usec = 0;
        (void) nx_values_get_uint64(values, "StartTimestamp", ret_start_usec);
        (void) nx_values_get_string(values, "State", &state);
        *ret_has_ended = strcmp(state, "exited") == 0 || strcmp(state, "lost") == 0;
        return 0;
}

/* Until the task's end is in the journal. */
static int read_to_end(JournalLog *log, nx_task *task)
{
        int r;

        r = watch(log, task);
        if (r >= 0)
                r = sd_event_loop(log->event);
        return r < 0 ? r : log->error;
}

int log_journal_print(Ctl *ctl, nx_task *task, const LogJournalOptions *options)
{
        g_auto(JournalLog) log = {
                .ctl = ctl,
                .options = options,
                .lines = new_lines(),
        };
        bool has_ended;
        int r;

        r = read_task(task, &log.start_usec, &has_ended);
        if (r < 0)
                return r;
        r = open_journal(&log, nx_task_get_id(task));
        if (r < 0)
                return r;
        r = sd_event_new(&log.event);
        if (r < 0)
                return r;

        r = read_entries(&log);
        if (r >= 0 && has_ended && !log.has_end)
                r = read_to_end(&log, task);
        if (r < 0)
                return r;
        if (!log.has_lines && (has_ended || !options->follow))
                return -ENODATA;

        if (options->lines >= 0)
                drop_older(&log);
        r = print_lines(&log);
        if (r < 0 || !options->follow || has_ended || log.has_end)
                return r;

        log.prints = true;
        return read_to_end(&log, task);
}
