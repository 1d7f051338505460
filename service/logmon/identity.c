/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

/* uid_t and gid_t are the same type, and their highest value means "none". */
static int parse_id(const char *text, uid_t *ret)
{
        guint64 value;

        if (!g_ascii_string_to_unsigned(text, 10, 0, (uid_t) -1 - 1, &value, NULL))
                return -EINVAL;

        *ret = (uid_t) value;
        return 0;
}

/* Look-ups may go over a network, and everybody waits meanwhile: they are made when a log starts and not
 * again, and none for numbers, unless the user's group is asked for. */
static int resolve_user(const char *user, bool with_group, Identity *identity, bool *ret_has_group)
{
        bool number = parse_id(user, &identity->uid) >= 0;
        struct passwd *entry;

        *ret_has_group = false;
        if (number && !with_group)
                return 0;

        entry = number ? getpwuid(identity->uid) : getpwnam(user);
        if (!entry)
                return number ? 0 : -ESRCH;

        identity->uid = entry->pw_uid;
        identity->gid = entry->pw_gid;
        *ret_has_group = true;
        return 0;
}

static int resolve_group(const char *group, gid_t *ret)
{
        struct group *entry;

        if (parse_id(group, ret) >= 0)
                return 0;
        entry = getgrnam(group);
        if (!entry)
                return -ESRCH;

        *ret = entry->gr_gid;
        return 0;
}

static int resolve_groups(char **groups, Identity *identity)
{
        size_t n = groups ? g_strv_length(groups) : 0;
        int r;

        if (n > IDENTITY_GROUPS_MAX)
                return -E2BIG;

        identity->groups = g_new0(gid_t, n);
        for (size_t i = 0; i < n; i++) {
                r = resolve_group(groups[i], identity->groups + i);
                if (r < 0)
                        return r;
        }

        identity->n_groups = n;
        return 0;
}

int identity_resolve(const char *user, const char *group, char **groups, Identity *ret, const char **ret_key)
{
        g_auto(Identity) identity = {};
        bool has_group;
        int r;

        *ret_key = "User";
        if (!user) {
                *ret = (Identity){};
                return 0;
        }
        r = resolve_user(user, !group, &identity, &has_group);
        if (r < 0)
                return r;

        *ret_key = "Group";
        if (group)
                r = resolve_group(group, &identity.gid);
        else if (!has_group)
                r = -ESRCH;
        if (r < 0)
                return r;

        *ret_key = "SupplementaryGroups";
        r = resolve_groups(groups, &identity);
        if (r < 0)
                return r;

        identity.other = true;
        *ret = identity;
        identity = (Identity){};
        return 0;
}

char *identity_describe_refused(const char *user, const char *group, const char *key, int r)
{
        if (r == -E2BIG)
                return g_strdup_printf("%s has more than %u groups", key, IDENTITY_GROUPS_MAX);
        if (strcmp(key, "User") == 0)
                return g_strdup_printf("User '%s' is unknown", user);
        if (strcmp(key, "Group") != 0)
                return g_strdup_printf("%s has a group that is unknown", key);

        return group ? g_strdup_printf("Group '%s' is unknown", group)
                     : g_strdup_printf("User '%s' is not in the user database: Group is required", user);
}

void identity_copy(const Identity *identity, Identity *ret)
{
        *ret = *identity;
        ret->groups = g_memdup2(identity->groups, identity->n_groups * sizeof(gid_t));
}

void identity_clear(Identity *identity)
{
        g_clear_pointer(&identity->groups, g_free);
        identity->n_groups = 0;
}

static int save_groups(IdentityGuard *guard)
{
        int n = getgroups(0, NULL);

        if (n < 0)
                return -errno;
        guard->groups = g_new0(gid_t, n);
        guard->n_groups = getgroups(n, guard->groups);
        return guard->n_groups < 0 ? -errno : 0;
}

int identity_enter(const Identity *identity, IdentityGuard *ret_guard)
{
        g_auto(IdentityGuard) guard = {};
        int r;

        if (!identity || !identity->other) {
                *ret_guard = guard;
                return 0;
        }

        r = save_groups(&guard);
        if (r < 0)
                return r;
        if (setgroups(identity->n_groups, identity->groups) < 0)
                return -errno;

        guard.entered = true;
        guard.gid = (gid_t) setfsgid(identity->gid);
        guard.uid = (uid_t) setfsuid(identity->uid);

        /* Neither call reports an error; asking for an impossible id gives the current one. */
        if ((gid_t) setfsgid((gid_t) -1) != identity->gid || (uid_t) setfsuid((uid_t) -1) != identity->uid)
                return -EPERM;

        *ret_guard = guard;
        guard = (IdentityGuard){};
        return 0;
}

void identity_leave(IdentityGuard *guard)
{
        if (guard->entered) {
                (void) setfsuid(guard->uid);
                (void) setfsgid(guard->gid);
                /* Going on with a task's groups would be worse than stopping here: systemd starts us
                 * again. */
                if (setgroups((size_t) guard->n_groups, guard->groups) < 0)
                        abort();
        }
        g_clear_pointer(&guard->groups, g_free);
        guard->entered = false;
}
