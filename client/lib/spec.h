/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <nomad-executor.h>
#include <systemd/sd-bus.h>

/* The service's own table of keys: one description of them, at both ends. */
#include "../../service/executor/spec.h"

G_BEGIN_DECLS

struct nx_spec {
        TaskSpec values; /* values.set says which were given */
};

/* The entry of KEY, or INVALID_SPEC. */
int spec_find(const char *key, const Option **ret, nx_error **ret_error);
void *spec_field(nx_spec *spec, const Option *option);
void spec_mark(nx_spec *spec, const Option *option);

/* Sets KEY from a JSON value of its type; a string is taken as in nx_spec_assign() where the type is a
 * number. */
int spec_set_json(nx_spec *spec, const Option *option, JsonNode *node, nx_error **ret_error);

/* What a value of the option is, for messages: "a string". */
const char *spec_form(const Option *option);

/* A number as people write it, in the unit of KEY. -EINVAL, -ERANGE. */
int number_from_text(const char *key, const char *text, uint64_t *ret);
/* How people write it: "a number of bytes, K, M, G or T". */
const char *number_form(const char *key);

int spec_append(const nx_spec *spec, sd_bus_message *m);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_spec, nx_spec_free)

G_END_DECLS
