/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "option-table.h"

G_BEGIN_DECLS

/* Of Mounts and of Devices each. */
#define BINDINGS_MAX 256U

/* A path of the host's, where it is in the container, and how: an entry of Mounts or Devices. */
typedef struct Binding {
        char *source;
        char *destination;
        char *mode; /* of a mount its options, with commas; of a device its permissions */
} Binding;

/* The keys of a spec that are about Isolation=container. */
typedef struct Isolation {
        char *kind; /* "none", "container", or NULL for the former */
        char *root_directory;
        char *task_directory;
        GPtrArray *mounts;  /* of Binding, or NULL */
        GPtrArray *devices; /* likewise */
        char **capabilities;
        bool no_new_privileges;
        char *pid_mode;
        char *ipc_mode;
        char *network_namespace_path;
        char *runtime;
        char *seccomp_profile;

        /* What a user and root have where "Capabilities" is not given, for as long as the task lives. */
        char **user_capabilities;
        char **root_capabilities;
} Isolation;

/* In a list of capabilities: what Nomad gives by default, 13 to a user and 38 to root. */
#define CAPABILITIES_NOMAD "nomad"

/* Today's defaults. What is set besides is freed by the table of the spec. */
void isolation_init(Isolation *isolation);
void isolation_clear_defaults(Isolation *isolation);
/* Those of version 0.1.0. */
void isolation_use_nomads_defaults(Isolation *isolation);

extern const OptionType option_type_mounts;  /* a(ssas) GPtrArray * of Binding */
extern const OptionType option_type_devices; /* a(sss)  GPtrArray * of Binding */

bool isolation_is_container(const Isolation *isolation);

/* The root of the container on the host: RootDirectory, or TaskDirectory with the host's programs bound into
 * it. */
const char *isolation_root(const Isolation *isolation);
bool isolation_binds_host(const Isolation *isolation);

/* Whether PATH is absolute and without "..", which in a path of the container is never right. */
bool isolation_path_is_valid(const char *path);

/* Whether "private" is what PIDMode or IPCMode says. */
bool isolation_mode_is_private(const char *mode);

/* The names of the capabilities that a process of that user has, as the runtime wants them: those given, or
 * the defaults; of these, and of "all", those that this service has itself. Freed by the caller with
 * g_strfreev(). */
char **isolation_capabilities(const Isolation *isolation, bool given, uint32_t uid);

/* The first of Capabilities that this service does not have itself, or NULL. */
const char *isolation_missing_capability(const Isolation *isolation);

/* The checks of the values, for the table of the spec. */
const char *isolation_invalid_kind(const void *field);
const char *isolation_invalid_mode(const void *field);
const char *isolation_invalid_root(const void *field);
const char *isolation_invalid_mounts(const void *field);
const char *isolation_invalid_devices(const void *field);
const char *isolation_invalid_capabilities(const void *field);
const char *isolation_invalid_seccomp_profile(const void *field);

/* The entries of a table whose struct T has the Isolation at MEMBER. */
#define ISOLATION_OPTION(T, k, t, member, check)                                                        \
        {                                                                                               \
                .key = (k), .type = &option_type_##t, .offset = offsetof(T, member), .invalid = (check) \
        }
#define ISOLATION_OPTIONS(T, MEMBER)                                                                        \
        ISOLATION_OPTION(T, "Isolation", string, MEMBER kind, isolation_invalid_kind),                      \
                        ISOLATION_OPTION(T, "RootDirectory", string, MEMBER root_directory,                 \
                                        isolation_invalid_root),                                            \
                        ISOLATION_OPTION(T, "TaskDirectory", string, MEMBER task_directory,                 \
                                        option_invalid_unless_absolute),                                    \
                        ISOLATION_OPTION(T, "Mounts", mounts, MEMBER mounts, isolation_invalid_mounts),     \
                        ISOLATION_OPTION(T, "Devices", devices, MEMBER devices, isolation_invalid_devices), \
                        ISOLATION_OPTION(T, "Capabilities", strv, MEMBER capabilities,                      \
                                        isolation_invalid_capabilities),                                    \
                        ISOLATION_OPTION(T, "NoNewPrivileges", bool, MEMBER no_new_privileges, NULL),       \
                        ISOLATION_OPTION(T, "PIDMode", string, MEMBER pid_mode, isolation_invalid_mode),    \
                        ISOLATION_OPTION(T, "IPCMode", string, MEMBER ipc_mode, isolation_invalid_mode),    \
                        ISOLATION_OPTION(T, "NetworkNamespacePath", string, MEMBER network_namespace_path,  \
                                        option_invalid_unless_absolute),                                    \
                        ISOLATION_OPTION(T, "Runtime", string, MEMBER runtime,                              \
                                        option_invalid_unless_absolute),                                    \
                        ISOLATION_OPTION(T, "SeccompProfile", string, MEMBER seccomp_profile,               \
                                        isolation_invalid_seccomp_profile)

G_END_DECLS
