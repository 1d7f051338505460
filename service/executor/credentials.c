/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#include "bus-error.h"
#include "cleanup.h"

#define OPTION(k, t, member)                                                                  \
        {                                                                                     \
                .key = (k), .type = &option_type_##t, .offset = offsetof(Credentials, member) \
        }

const Option credentials_options[] = {
        OPTION("User", string, user),
        OPTION("Home", string, home),
        OPTION("Shell", string, shell),
        OPTION("SupplementaryGroups", strv, groups),
        OPTION("UID", uint32, uid),
        OPTION("GID", uint32, gid),
};
const size_t n_credentials_options = G_N_ELEMENTS(credentials_options);

void credentials_clear(Credentials *credentials)
{
        options_clear(credentials_options, n_credentials_options, credentials);
}

/* (uid_t) -1 means "unchanged" to the kernel. */
static bool parse_number(const char *text, uint32_t *ret)
{
        guint64 value;

        if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX - 1, &value, NULL))
                return false;

        *ret = (uint32_t) value;
        return true;
}

/* What getpwnam(3) and its like leave in errno when the database was asked and has no such entry. */
static int lookup_error(void)
{
        switch (errno) {
        case 0:
        case ENOENT:
        case ESRCH:
        case EBADF:
        case EPERM:
                return 0;
        default:
                return -errno;
        }
}

static int lookup_group(const char *group, uint32_t *ret, sd_bus_error *error)
{
        const struct group *entry;
        int r;

        if (parse_number(group, ret))
                return 0;

        errno = 0;
        entry = getgrnam(group);
        r = entry ? 0 : lookup_error();
        if (r < 0)
                return sd_bus_error_set_errnof(
                                error, r, "Cannot look up Group '%s': %s", group, g_strerror(-r));
        if (!entry)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Group '%s' is unknown", group);

        *ret = entry->gr_gid;
        return 0;
}

static int lookup_supplementary(const char *user, gid_t gid, char ***ret, sd_bus_error *error)
{
        g_autofree gid_t *groups = g_new(gid_t, NGROUPS_MAX);
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        int n = NGROUPS_MAX;

        if (getgrouplist(user, gid, groups, &n) < 0)
                return sd_bus_error_setf(
                                error, SD_BUS_ERROR_FAILED, "Cannot look up the groups of User '%s'", user);

        for (int i = 0; i < n; i++) {
                g_autofree char *text = g_strdup_printf("%u", groups[i]);

                g_strv_builder_add(builder, text);
        }

        *ret = g_strv_builder_end(builder);
        return 0;
}

/* Fills what the user database says. Without an entry for a number, only that. */
static int lookup_user(const char *user, Credentials *credentials, bool *ret_known, sd_bus_error *error)
{
        bool numeric = parse_number(user, &credentials->uid);
        const struct passwd *entry;
        int r;

        errno = 0;
        entry = numeric ? getpwuid(credentials->uid) : getpwnam(user);
        r = entry ? 0 : lookup_error();
        if (r < 0)
                return sd_bus_error_set_errnof(
                                error, r, "Cannot look up User '%s': %s", user, g_strerror(-r));
        if (!entry && !numeric)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "User '%s' is unknown", user);

        credentials->user = g_strdup(entry ? entry->pw_name : user);
        if (entry) {
                credentials->uid = entry->pw_uid;
                credentials->gid = entry->pw_gid;
                credentials->home = g_strdup(entry->pw_dir);
                credentials->shell = g_strdup(entry->pw_shell);
        }
        *ret_known = entry;
        return 0;
}

int credentials_lookup(const char *user, const char *group, Credentials *ret, sd_bus_error *error)
{
        g_auto(Credentials) credentials = { 0 };
        g_autofree char *own = NULL;
        bool known = false;
        int r;

        if (!user)
                user = own = g_strdup_printf("%u", geteuid());

        r = lookup_user(user, &credentials, &known, error);
        if (r < 0)
                return r;
        if (!known && !group)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "User '%s' is not in the user database: Group is required", user);
        if (group) {
                r = lookup_group(group, &credentials.gid, error);
                if (r < 0)
                        return r;
        }
        if (known) {
                r = lookup_supplementary(credentials.user, credentials.gid, &credentials.groups, error);
                if (r < 0)
                        return r;
        }

        if (geteuid() != 0 && credentials.uid != geteuid())
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                "Only root's service may run tasks as another user");

        *ret = credentials;
        credentials = (Credentials){ 0 };
        return 0;
}
