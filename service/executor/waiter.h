/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "caller.h"

G_BEGIN_DECLS

/* Method calls whose replies are held until something ends. One whose caller leaves the bus goes by
 * itself. */
typedef struct WaiterList {
        CallerRegistry *callers;
        GPtrArray *waiters;
} WaiterList;

void waiter_list_init(WaiterList *list, CallerRegistry *callers);
void waiter_list_clear(WaiterList *list);

/* Holds MESSAGE. -EDQUOT: there are MAX already. */
int waiter_list_add(WaiterList *list, sd_bus_message *message, unsigned max);

/* Answers each with REPLY and empties the list. */
typedef int (*WaiterReply)(sd_bus_message *message, const void *userdata);
void waiter_list_reply(WaiterList *list, WaiterReply reply, const void *userdata);

G_END_DECLS
