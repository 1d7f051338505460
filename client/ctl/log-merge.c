/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-merge.h"

#include <string.h>

#include "journal.h"

/* How many lines from the end on the latest one that the journal has is looked for: the task goes on to
 * write while we read. */
#define ANCHOR_MAX 1000U

/* Lines that the journal has and the files do not, such as of files that were removed, before it is given
 * up. */
#define STRANGERS_MAX 10000U

typedef struct Merge {
        GArray *lines[2]; /* of LogLine */
        size_t first[2];  /* before this one all have their place */
        bool anchored[2]; /* the latest line of the journal was found */
        GArray *order;    /* int, the streams, from the last line on */
        size_t strangers;
} Merge;

static GArray *split(const GString *text, int stream)
{
        GArray *lines = g_array_new(FALSE, FALSE, sizeof(LogLine));
        const char *p = text->str, *end = text->str + text->len;

        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t) (end - p));
                LogLine line = { .text = p, .stream = stream };

                line.size = (size_t) ((newline ? newline + 1 : end) - p);
                g_array_append_val(lines, line);
                p += line.size;
        }

        return lines;
}

/* A priority at the beginning, "<3>", is not in the journal's text. */
static bool is_text_of(const LogLine *line, const char *message, size_t size)
{
        size_t length = line->size;

        if (length > 0 && line->text[length - 1] == '\n')
                length--;
        if (length == size + 3 && line->text[0] == '<' && line->text[2] == '>')
                return memcmp(line->text + 3, message, size) == 0;

        return length == size && memcmp(line->text, message, size) == 0;
}

/* The line that the latest entry of its stream is, and with it what all earlier ones are. */
static bool find_anchor(Merge *merge, int stream, sd_journal *journal)
{
        GArray *lines = merge->lines[stream];
        const char *message;
        size_t size;

        if (journal_get_field(journal, "MESSAGE", &message, &size) < 0)
                return false;
        for (size_t i = 0; i < MIN(lines->len, ANCHOR_MAX); i++)
                if (is_text_of(&g_array_index(lines, LogLine, lines->len - 1 - i), message, size)) {
                        merge->first[stream] = lines->len - i;
                        merge->anchored[stream] = true;
                        return true;
                }

        return false;
}

static void take_entry(Merge *merge, sd_journal *journal)
{
        const char *name;
        LogLine *line;
        size_t size;
        int stream;

        if (journal_get_field(journal, "NOMAD_STREAM", &name, &size) < 0)
                return;

        stream = size == strlen("stderr") && memcmp(name, "stderr", size) == 0 ? 1 : 0;
        if ((!merge->anchored[stream] && !find_anchor(merge, stream, journal)) ||
                        merge->first[stream] == 0) {
                merge->strangers++;
                return;
        }

        line = &g_array_index(merge->lines[stream], LogLine, --merge->first[stream]);
        (void) sd_journal_get_realtime_usec(journal, &line->time_usec);
        g_array_append_val(merge->order, stream);
}

static void read_order(Merge *merge, const Ctl *ctl, const char *id)
{
        g_autofree char *task = g_strconcat("NOMAD_TASK_ID=", id, NULL);
        g_autoptr(sd_journal) journal = NULL;

        if (journal_open_of_service(ctl, "nomad-logmon.service", task, NULL, &journal) < 0)
                return;
        while (merge->first[0] + merge->first[1] > 0 && merge->strangers < STRANGERS_MAX &&
                        sd_journal_previous(journal) > 0)
                take_entry(merge, journal);
}

static void append(GArray *result, const GArray *lines, size_t begin, size_t end)
{
        if (begin < end)
                g_array_append_vals(result, &g_array_index(lines, LogLine, begin), (guint) (end - begin));
}

/* What the journal does not have is older than what it has, or newer. */
static GArray *put_in_order(const Merge *merge)
{
        GArray *result = g_array_new(FALSE, FALSE, sizeof(LogLine));
        size_t next[2];

        for (int i = 0; i < 2; i++) {
                next[i] = merge->anchored[i] ? merge->first[i] : 0;
                append(result, merge->lines[i], 0, next[i]);
        }
        for (size_t i = merge->order->len; i > 0; i--) {
                int stream = g_array_index(merge->order, int, i - 1);

                append(result, merge->lines[stream], next[stream], next[stream] + 1);
                next[stream]++;
        }
        for (int i = 0; i < 2; i++)
                append(result, merge->lines[i], next[i], merge->lines[i]->len);

        return result;
}

GArray *log_merge(const Ctl *ctl, const char *id, GString *const *texts)
{
        Merge merge = { .lines = { split(texts[0], 0), split(texts[1], 1) },
                .order = g_array_new(FALSE, FALSE, sizeof(int)) };
        GArray *result;

        for (int i = 0; i < 2; i++)
                merge.first[i] = merge.lines[i]->len;
        /* lines of one stream are in order, and only as JSON do they have a time */
        if (ctl->json != JSON_OFF || (merge.first[0] > 0 && merge.first[1] > 0))
                read_order(&merge, ctl, id);
        result = put_in_order(&merge);
        g_array_unref(merge.lines[0]);
        g_array_unref(merge.lines[1]);
        g_array_unref(merge.order);
        return result;
}
