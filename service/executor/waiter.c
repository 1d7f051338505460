/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiter.h"

#include "cleanup.h"
#include "log.h"

typedef struct Waiter {
        WaiterList *list;
        sd_bus_message *message;
        CallerWatch *watch;
} Waiter;

static void waiter_free(void *userdata)
{
        Waiter *waiter = userdata;

        caller_watch_free(waiter->watch);
        sd_bus_message_unref(waiter->message);
        g_free(waiter);
}

void waiter_list_init(WaiterList *list, CallerRegistry *callers)
{
        list->callers = callers;
        list->waiters = g_ptr_array_new_with_free_func(waiter_free);
}

void waiter_list_clear(WaiterList *list)
{
        g_clear_pointer(&list->waiters, g_ptr_array_unref);
}

static void on_caller_gone(void *userdata)
{
        Waiter *waiter = userdata;

        (void) g_ptr_array_remove_fast(waiter->list->waiters, waiter);
}

int waiter_list_add(WaiterList *list, sd_bus_message *message, unsigned max)
{
        Waiter *waiter;

        if (list->waiters->len >= max)
                return -EDQUOT;

        waiter = g_new0(Waiter, 1);
        waiter->list = list;
        waiter->message = sd_bus_message_ref(message);
        g_ptr_array_add(list->waiters, waiter);

        waiter->watch = caller_watch_new(list->callers, message, on_caller_gone, waiter);
        return 0;
}

void waiter_list_reply(WaiterList *list, WaiterReply reply, const void *userdata)
{
        for (guint i = 0; i < list->waiters->len; i++) {
                const Waiter *waiter = g_ptr_array_index(list->waiters, i);
                int r = reply(waiter->message, userdata);

                if (r < 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot answer a call that waited, ignoring");
        }

        g_ptr_array_set_size(list->waiters, 0);
}
