/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include "cleanup.h"
#include "name-owner.h"

/* Only names that go, and not those that are taken. */
#define NAME_LOST_MATCH                                                             \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"

struct CallerWatch {
        CallerRegistry *registry;
        char *name;
        CallerGone gone;
        void *userdata;
};

static void detach(CallerWatch *watch)
{
        GPtrArray *list =
                        watch->registry ? g_hash_table_lookup(watch->registry->watches, watch->name) : NULL;

        if (list) {
                (void) g_ptr_array_remove_fast(list, watch);
                if (list->len == 0)
                        (void) g_hash_table_remove(watch->registry->watches, watch->name);
        }
        watch->registry = NULL;
}

static int on_name_lost(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        CallerRegistry *registry = userdata;
        const char *name;
        GPtrArray *list;
        int r;

        if (!bus_driver_sent(m))
                return 0;
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;

        /* whoever is told may free other watches of the same caller */
        while ((list = g_hash_table_lookup(registry->watches, name))) {
                CallerWatch *watch = g_ptr_array_index(list, list->len - 1);

                detach(watch);
                watch->gone(watch->userdata);
        }

        return 0;
}

static void destroy_list(void *list)
{
        g_ptr_array_unref(list);
}

int caller_registry_init(CallerRegistry *registry, sd_bus *bus)
{
        registry->watches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, destroy_list);
        return sd_bus_add_match(bus, NULL, NAME_LOST_MATCH, on_name_lost, registry);
}

void caller_registry_clear(CallerRegistry *registry)
{
        g_clear_pointer(&registry->watches, g_hash_table_unref);
}

CallerWatch *caller_watch_new(
                CallerRegistry *registry, sd_bus_message *call, CallerGone gone, void *userdata)
{
        CallerWatch *watch = g_new(CallerWatch, 1);
        GPtrArray *list;

        *watch = (CallerWatch){
                .registry = registry,
                .name = g_strdup(sd_bus_message_get_sender(call)),
                .gone = gone,
                .userdata = userdata,
        };

        list = g_hash_table_lookup(registry->watches, watch->name);
        if (!list) {
                list = g_ptr_array_new();
                (void) g_hash_table_insert(registry->watches, g_strdup(watch->name), list);
        }
        g_ptr_array_add(list, watch);
        return watch;
}

CallerWatch *caller_watch_free(CallerWatch *watch)
{
        if (!watch)
                return NULL;

        detach(watch);
        g_free(watch->name);
        g_free(watch);
        return NULL;
}
