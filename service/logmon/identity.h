/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

G_BEGIN_DECLS

#define IDENTITY_GROUPS_MAX 1024U

/* As whom files are opened, made and removed: the task's user, so that nothing a task plants in a directory
 * of its own makes this service touch what the task could not. */
typedef struct Identity {
        bool other; /* false: this process's own user, nothing to switch */
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
} Identity;

/* USER, GROUP and GROUPS are names or numbers; without USER the identity is this process's own. The group
 * defaults to the user's. On error RET_KEY names the option that is wrong. */
int identity_resolve(
                const char *user, const char *group, char **groups, Identity *ret, const char **ret_key);
/* What is wrong with the option that identity_resolve() named, for whoever asked; its result is the
 * caller's. */
char *identity_describe_refused(const char *user, const char *group, const char *key, int r);
void identity_copy(const Identity *identity, Identity *ret);
void identity_clear(Identity *identity);

/* What identity_enter() changed, for identity_leave(). */
typedef struct IdentityGuard {
        bool entered;
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        int n_groups;
} IdentityGuard;

/* Switches the file system credentials of this (single-threaded) process. -EPERM: may not, and nothing has
 * changed. A file system uid other than 0 also takes away the capabilities that override file
 * permissions. */
int identity_enter(const Identity *identity, IdentityGuard *ret_guard);
void identity_leave(IdentityGuard *guard);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Identity, identity_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IdentityGuard, identity_leave)

G_END_DECLS
