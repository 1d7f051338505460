/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discard.h"

#include <errno.h>

#include "log.h"
#include "logmon-call.h"
#include "manager.h"
#include "task.h"

typedef struct Discard {
        Manager *manager;
        char *id, *label;
        LogmonCall *call;
        GQueue held; /* of sd_bus_message */
} Discard;

static void message_unref(void *message)
{
        sd_bus_message_unref(message);
}

static void discard_free(void *userdata)
{
        Discard *discard = userdata;

        logmon_call_free(discard->call);
        g_queue_clear_full(&discard->held, message_unref);
        g_free(discard->id);
        g_free(discard->label);
        g_free(discard);
}

void discards_init(Discards *self, Manager *manager)
{
        *self = (Discards){
                .manager = manager,
                .table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, discard_free),
        };
}

void discards_clear(Discards *self)
{
        g_clear_pointer(&self->table, g_hash_table_unref);
}

unsigned discards_count(const Discards *self)
{
        return g_hash_table_size(self->table);
}

static void release_held(Discard *discard)
{
        for (GList *link = discard->held.head; link; link = link->next) {
                int r = sd_bus_enqueue_for_read(discard->manager->service.bus, link->data);

                if (r < 0)
                        (void) sd_bus_reply_method_errno(link->data, r, NULL);
        }
}

static void finish(Discard *discard)
{
        task_state_remove(discard->manager, discard->label);
        release_held(discard);
        (void) g_hash_table_remove(discard->manager->discards.table, discard->label);
}

static void on_discarded(const sd_bus_error *failure, void *userdata)
{
        Discard *discard = userdata;

        if (failure)
                log_warning("Logmon did not discard the log of task '%s', ignoring: %s", discard->id,
                                failure->message);
        finish(discard);
}

void discard_begin(Discards *self, const char *id, const char *label)
{
        Discard *discard = g_new0(Discard, 1);
        int r;

        discard->manager = self->manager;
        discard->id = g_strdup(id);
        discard->label = g_strdup(label);
        g_queue_init(&discard->held);
        g_hash_table_insert(self->table, discard->label, discard);

        r = logmon_call_new(&self->manager->logmon_calls, "Discard", id, NULL, on_discarded, discard,
                        &discard->call);
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r, "Cannot call logmon for task '%s', ignoring", id);
                finish(discard);
        }
}

int discards_hold(Discards *self, const char *label, sd_bus_message *m)
{
        Discard *discard = g_hash_table_lookup(self->table, label);

        if (!discard)
                return 0;
        if (discard->held.length >= DISCARD_HELD_MAX)
                return -EDQUOT;

        g_queue_push_tail(&discard->held, sd_bus_message_ref(m));
        return 1;
}
