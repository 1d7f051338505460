/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-systemd.h"

/* The calls of org.freedesktop.systemd1, by plain dispatch: the vtable macros of sd-bus are C only. */
struct FakeSystemdBus {
        static int export_on(FakeSystemd *systemd, sd_bus *bus);
        /* A call of StartTransientUnit that was put aside. */
        static void answer(FakeSystemd &systemd, sd_bus_message *m);

      private:
        static int handle(sd_bus_message *m, void *userdata, sd_bus_error *error);
        static int start_transient_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int get_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int get_unit_by_pid(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int stop_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int kill_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int thaw_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int reset_failed_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int set_unit_properties(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int subscribe(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int unsubscribe(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static int get_property(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error);
        static FakeUnit *named(FakeSystemd &systemd, const char *name, sd_bus_error *error);
};
