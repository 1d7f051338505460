/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "task.h"

G_BEGIN_DECLS

/* The objects below TASK_PREFIX: one vtable for all, found by label, so that adopted tasks are there by
 * themselves. */
int task_objects_register(Manager *manager);

/* TaskNew and InterfacesAdded; TaskRemoved and InterfacesRemoved. */
void task_emit_new(Task *task);
void task_emit_removed(Task *task);

/* The reply of Wait, TASK a const Task *. */
int task_reply_wait(sd_bus_message *message, const void *task);

/* PropertiesChanged for State; for everything that the end of a task tells. */
void task_emit_state(Task *task);
void task_emit_ended(Task *task);
/* PropertiesChanged for LogComplete, of a task that has ended. */
void task_emit_log_complete(Task *task);

/* Members of the object's interface that have a file of their own: task-stats-dbus.c. */
int task_method_get_stats(sd_bus_message *m, void *userdata, sd_bus_error *error);
int task_method_get_process_stats(sd_bus_message *m, void *userdata, sd_bus_error *error);
int task_method_stream_stats(sd_bus_message *m, void *userdata, sd_bus_error *error);
int task_method_freeze(sd_bus_message *m, void *userdata, sd_bus_error *error);
int task_method_thaw(sd_bus_message *m, void *userdata, sd_bus_error *error);

G_END_DECLS
