/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "name-owner.h"

#include "cleanup.h"
#include "log.h"

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

/* Another sender is only told to whoever debugs: any user could fill the journal by it. */
static bool is_sent_by(sd_bus_message *m, const char *unique_name)
{
        const char *sender = sd_bus_message_get_sender(m);

        if (unique_name && g_strcmp0(sender, unique_name) == 0)
                return true;

        log_debug("Ignoring the signal %s, which %s sent", sd_bus_message_get_member(m), sender);
        return false;
}

bool bus_driver_sent(sd_bus_message *m)
{
        return is_sent_by(m, DRIVER_NAME);
}

bool name_owner_sent(const NameOwner *self, sd_bus_message *m)
{
        return is_sent_by(m, self->owner);
}

static void set_owner(NameOwner *self, const char *owner)
{
        g_free(self->owner);
        self->owner = *owner == '\0' ? NULL : g_strdup(owner);
        if (self->owner)
                self->n_owners++;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        NameOwner *self = userdata;
        const char *name, *before, *owner;
        int r;

        if (!bus_driver_sent(m))
                return 0;
        r = sd_bus_message_read(m, "sss", &name, &before, &owner);
        if (r < 0)
                return r;

        /* the handlers of all matches see every message */
        if (!g_str_equal(name, self->name))
                return 0;

        set_owner(self, owner);
        if (self->owner && self->changed)
                self->changed(self->userdata);
        return 0;
}

static int on_owner(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        NameOwner *self = userdata;
        const char *owner;
        int r;

        if (failure) {
                /* NameOwnerChanged tells when there is one */
                log_notice("%s is not on the bus: %s", self->name, failure->message);
                return 0;
        }
        r = sd_bus_message_read(reply, "s", &owner);
        if (r < 0)
                return r;

        set_owner(self, owner);
        return 0;
}

int name_owner_init(NameOwner *self, sd_bus *bus, const char *name)
{
        g_autofree char *match =
                        g_strdup_printf("type='signal',sender='" DRIVER_NAME "',path='" DRIVER_PATH
                                        "',interface='" DRIVER_NAME "',member='NameOwnerChanged',arg0='%s'",
                                        name);
        int r;

        *self = (NameOwner){ .name = g_strdup(name) };
        r = sd_bus_add_match_async(bus, &self->changed_slot, match, on_owner_changed, NULL, self);
        if (r < 0)
                return r;

        return sd_bus_call_method_async(bus, &self->query_slot, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME,
                        "GetNameOwner", on_owner, self, "s", name);
}

void name_owner_clear(NameOwner *self)
{
        self->changed_slot = sd_bus_slot_unref(self->changed_slot);
        self->query_slot = sd_bus_slot_unref(self->query_slot);
        g_clear_pointer(&self->owner, g_free);
        g_clear_pointer(&self->name, g_free);
}
