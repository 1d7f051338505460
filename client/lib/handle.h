/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <nomad-executor.h>

G_BEGIN_DECLS

#define HANDLE_VERSION 1

/* What handles of tasks and of logs have in common. Strings belong to the handle. */
struct nx_handle {
        nx_bus bus;
        char *id;
        char *object_path;
        char *boot_id;
        char *invocation_id; /* "": none */
};

/* PREFIX is that of the object path, which has to be the one of the id. */
int handle_parse(const char *json, const char *prefix, nx_handle **ret, nx_error **ret_error);
nx_handle *handle_new(nx_bus bus, const char *id, const char *object_path, const char *invocation_id);
/* OTHER_BUS, OTHER_BOOT. */
int handle_check(const nx_handle *handle, nx_bus bus, nx_error **ret_error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_handle, nx_handle_free)

G_END_DECLS
