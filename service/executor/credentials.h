/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "option-table.h"

G_BEGIN_DECLS

/* As whom a task runs, looked up once when it is started. */
typedef struct Credentials {
        char *user;    /* the name, or the number where there is no name */
        char *home;    /* NULL where the user database has no entry */
        char *shell;   /* likewise */
        char **groups; /* supplementary groups, decimal */
        uint32_t uid;
        uint32_t gid;
} Credentials;

extern const Option credentials_options[];
extern const size_t n_credentials_options;

void credentials_clear(Credentials *credentials);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Credentials, credentials_clear)

/* Files as passwd(5) and group(5) have them, to look names up in instead of the system's databases. One that
 * is NULL is empty. */
typedef struct UserDatabase {
        FILE *passwd;
        FILE *group;
} UserDatabase;

void user_database_clear(UserDatabase *database);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UserDatabase, user_database_clear)

/* Of each of the files: some 15,000 users, which are looked through within milliseconds. */
#define USER_FILE_SIZE_MAX (1024U * 1024U)

/* Answers for root, whose entries are in the files of every system, from those files alone, and waits for
 * nobody. False: it is somebody else, or not so simple, and is to be looked up. */
bool credentials_lookup_root(const char *user, const char *group, Credentials *ret);

/* DATABASE is NULL for the system's. USER and GROUP are names or decimal numbers; NULL means the service's
 * own user, and the user's own group, which for root is 0 where no database says another. Unknown ones give
 * InvalidSpec naming the key. The supplementary groups are those that the group database gives the user. */
int credentials_lookup(const UserDatabase *database, const char *user, const char *group, Credentials *ret,
                sd_bus_error *error);

G_END_DECLS
