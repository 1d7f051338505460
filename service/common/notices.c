/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notices.h"

#include <string.h>

typedef struct Notice {
        GString *fields;
        int priority; /* a syslog level */
        char *message;
} Notice;

static void notice_free(void *data)
{
        Notice *notice = data;

        g_string_free(notice->fields, TRUE);
        g_free(notice->message);
        g_free(notice);
}

void notices_init(Notices *notices, sd_event *event, Journal *journal)
{
        *notices = (Notices){ .event = sd_event_ref(event), .journal = journal };
        g_queue_init(&notices->queue);
}

void notices_clear(Notices *notices)
{
        sd_event_source_disable_unref(notices->timer);
        g_queue_clear_full(&notices->queue, notice_free);
        sd_event_unref(notices->event);
        *notices = (Notices){};
}

static int send_first(Notices *notices)
{
        Notice *notice = g_queue_peek_head(&notices->queue);
        JournalEntry entry = {
                .fields = notice->fields,
                .priority = notice->priority,
                .message = notice->message,
                .size = strlen(notice->message),
        };
        int r = journal_send(notices->journal, &entry, 1);

        if (r > 0)
                notice_free(g_queue_pop_head(&notices->queue));
        return r;
}

static int on_timer(sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Notices *notices = userdata;
        int r;

        while (!g_queue_is_empty(&notices->queue))
                if (send_first(notices) <= 0)
                        break;
        if (g_queue_is_empty(&notices->queue))
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);

        r = sd_event_source_set_time_relative(source, NOTICES_RETRY_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int set_timer(Notices *notices)
{
        if (notices->timer)
                return sd_event_source_set_enabled(notices->timer, SD_EVENT_ONESHOT);

        return sd_event_add_time_relative(
                        notices->event, &notices->timer, CLOCK_MONOTONIC, 0, 0, on_timer, notices);
}

void notices_add(Notices *notices, const GString *fields, int priority, char *message)
{
        Notice *notice;

        if (g_queue_get_length(&notices->queue) >= NOTICES_MAX || set_timer(notices) < 0) {
                g_free(message);
                return;
        }

        notice = g_new0(Notice, 1);
        notice->fields = g_string_new_len(fields->str, (gssize) fields->len);
        notice->priority = priority;
        notice->message = message;
        g_queue_push_tail(&notices->queue, notice);
}
