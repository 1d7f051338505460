/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "isolation.h"

G_BEGIN_DECLS

/* As many as the kernel follows. */
#define CONTAINER_SYMLINKS_MAX 40U

/* What of the host is bound into a container that has a TaskDirectory instead of a root of its own;
 * NULL-terminated. Those that the host does not have are left out. */
extern const char *const container_host_directories[];

/* The file tree that a container is going to see, before there is a container: its root, and what is mounted
 * over it. Paths are those of the container, and a symbolic link in them leads where it would lead in
 * there. */
typedef struct ContainerRoot {
        const char *path; /* of the root on the host, the Isolation's */
        GArray *trees;    /* of ContainerTree, the root first */
} ContainerRoot;

/* Errors name the key that cannot be opened. A source of Mounts that is not there is left to the runtime. */
int container_root_open(const Isolation *isolation, ContainerRoot *ret, sd_bus_error *error);
void container_root_clear(ContainerRoot *root);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerRoot, container_root_clear)

/* What is at PATH, as an O_PATH descriptor. -EXDEV: a symbolic link or ".." leads out of the root. */
int container_root_resolve(const ContainerRoot *root, const char *path, int *ret_fd);

/* A copy of the file, made without waiting. -ENOENT too for what is no regular file, or empty; -EFBIG above
 * MAX bytes; -EBUSY: somebody has a lease on it. */
int container_root_read_file(const ContainerRoot *root, const char *path, size_t max, FILE **ret);

/* Looks COMMAND up in Nomad's order: in local/, from the root on, and, if it has no slash, in usr/local/bin,
 * usr/bin and bin, and after them in the PATH of ENVIRONMENT. The result is a path of the container. */
int container_root_find_command(const ContainerRoot *root, const char *command, char **environment,
                char **ret, sd_bus_error *error);

/* Whether anybody may execute what container_root_find_command() has found; the runtime's own words for that
 * would be of another kind for each of them. */
int container_root_check_command(const ContainerRoot *root, const char *command, sd_bus_error *error);

G_END_DECLS
