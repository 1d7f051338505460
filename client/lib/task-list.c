/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "connection.h"
#include "error.h"
#include "export.h"
#include "values.h"

typedef struct Entry {
        char *id;
        nx_values *properties;
} Entry;

struct nx_task_list {
        GArray *entries;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_task_list, nx_task_list_free)

static void entry_clear(void *data)
{
        Entry *entry = data;

        g_free(entry->id);
        nx_values_free(entry->properties);
}

static int compare_ids(const void *a, const void *b)
{
        return strcmp(((const Entry *) a)->id, ((const Entry *) b)->id);
}

/* The a{sa{sv}} of an object: our interface out of several. */
static int read_interfaces(sd_bus_message *m, nx_values **ret)
{
        const char *interface;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}")) > 0) {
                r = sd_bus_message_read(m, "s", &interface);
                if (r < 0)
                        return r;
                if (strcmp(interface, TASK_INTERFACE) == 0 && !*ret)
                        r = values_read(m, ret);
                else
                        r = sd_bus_message_skip(m, "a{sv}");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return sd_bus_message_exit_container(m);
}

static int read_objects(sd_bus_message *m, nx_task_list *list)
{
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}")) > 0) {
                g_autoptr(nx_values) properties = NULL;
                Entry entry = { 0 };
                const char *path;

                r = sd_bus_message_read(m, "o", &path);
                if (r < 0)
                        return r;
                r = read_interfaces(m, &properties);
                if (r < 0)
                        return r;
                if (properties && sd_bus_path_decode(path, TASK_PATH, &entry.id) > 0) {
                        entry.properties = g_steal_pointer(&properties);
                        g_array_append_val(list->entries, entry);
                }
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return sd_bus_message_exit_container(m);
}

EXPORT int nx_task_list_new(nx_connection *connection, nx_task_list **ret, nx_error **ret_error)
{
        g_autoptr(nx_task_list) list = g_new0(nx_task_list, 1);
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        list->entries = g_array_new(FALSE, TRUE, sizeof(Entry));
        g_array_set_clear_func(list->entries, entry_clear);
        r = connection_new_call(connection, EXECUTOR_PATH, "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects", &m, ret_error);
        if (r < 0)
                return r;
        r = connection_call_again(connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;
        r = read_objects(reply, list);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        g_array_sort(list->entries, compare_ids);
        *ret = g_steal_pointer(&list);
        return 0;
}

EXPORT size_t nx_task_list_get_size(const nx_task_list *list)
{
        return list->entries->len;
}

EXPORT const char *nx_task_list_get_id(const nx_task_list *list, size_t index)
{
        return index < list->entries->len ? g_array_index(list->entries, Entry, index).id : NULL;
}

EXPORT const nx_values *nx_task_list_get_properties(const nx_task_list *list, size_t index)
{
        return index < list->entries->len ? g_array_index(list->entries, Entry, index).properties : NULL;
}

EXPORT nx_task_list *nx_task_list_free(nx_task_list *list)
{
        if (list) {
                g_array_unref(list->entries);
                g_free(list);
        }
        return NULL;
}
