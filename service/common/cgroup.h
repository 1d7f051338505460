/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "cgroup-kill.h"

G_BEGIN_DECLS

#define CGROUP_ROOT "/sys/fs/cgroup"

/* 0 when CGROUP_ROOT is the unified hierarchy, -EMEDIUMTYPE otherwise. */
int cgroup_check_unified(void);

/* Opens the directory of a cgroup by its path below the root ("/nomad.slice/…"). -ENOENT: gone. */
int cgroup_open(const char *path, int *ret_fd);

/* The controllers that the root cgroup offers, NULL-terminated. */
int cgroup_controllers(char ***ret);

/* Freezes every process in the cgroup and below, or lets them go on; cgroup.events tells when it is done.
 * SIGKILL works on them all the same. */
int cgroup_set_frozen(int cgroup_fd, bool frozen);

/* Whether the cgroup itself was set to be frozen, as opposed to one above it. */
bool cgroup_is_set_frozen(int cgroup_fd);

/* How often cgroup_signal() looks for processes that were born while it signalled the others. */
#define CGROUP_SIGNAL_PASSES_MAX 16U

/* Sends SIGNAL once to every process in the cgroup, whose directory and path are given, and below; to one
 * that is born meanwhile too, unless the cgroup forks faster than that many passes can follow. -ESRCH: there
 * is none. */
int cgroup_signal(int cgroup_fd, const char *path, int signal);

/* Whether OTHER is the path of the cgroup at PATH or of one below it. */
bool cgroup_contains(const char *path, const char *other);

/* The processes in the cgroup and below, appended to PIDS (of pid_t). */
int cgroup_pids(int cgroup_fd, GArray *pids);

/* "populated" or "frozen" from an open cgroup.events. A descriptor that is polled for EPOLLPRI has to be
 * read by this one, or it stays ready. -ENODEV: the cgroup is gone. */
int cgroup_events_read(int events_fd, const char *key, bool *ret);

G_END_DECLS
