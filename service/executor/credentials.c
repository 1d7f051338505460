/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus-error.h"
#include "cleanup.h"
#include "fd-util.h"

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

void user_database_clear(UserDatabase *database)
{
        g_clear_pointer(&database->passwd, fclose);
        g_clear_pointer(&database->group, fclose);
}

/* By name, or by UID where that is NULL. NULL with errno as getpwnam(3) has it. */
static const struct passwd *find_user(const UserDatabase *database, const char *name, uid_t uid)
{
        const struct passwd *entry = NULL;

        errno = 0;
        if (!database)
                return name ? getpwnam(name) : getpwuid(uid);
        if (!database->passwd)
                return NULL;

        rewind(database->passwd);
        while ((entry = fgetpwent(database->passwd)))
                if (name ? g_str_equal(entry->pw_name, name) : entry->pw_uid == uid)
                        return entry;
        errno = 0;
        return NULL;
}

static const struct group *find_group(const UserDatabase *database, const char *name)
{
        const struct group *entry = NULL;

        errno = 0;
        if (!database)
                return getgrnam(name);
        if (!database->group)
                return NULL;

        rewind(database->group);
        while ((entry = fgetgrent(database->group)))
                if (g_str_equal(entry->gr_name, name))
                        return entry;
        errno = 0;
        return NULL;
}

/* As getgrouplist(3) does it. GROUPS has room for NGROUPS_MAX. */
static int list_groups(const UserDatabase *database, const char *user, gid_t gid, gid_t *groups)
{
        const struct group *entry;
        int n = NGROUPS_MAX;

        if (!database)
                return getgrouplist(user, gid, groups, &n) < 0 ? -E2BIG : n;

        groups[0] = gid;
        n = 1;
        if (!database->group)
                return n;

        rewind(database->group);
        while ((entry = fgetgrent(database->group))) {
                if (entry->gr_gid == gid || !g_strv_contains((const char *const *) entry->gr_mem, user))
                        continue;
                if (n == NGROUPS_MAX)
                        return -E2BIG;
                groups[n++] = entry->gr_gid;
        }

        return n;
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

static int lookup_group(const UserDatabase *database, const char *group, uint32_t *ret, sd_bus_error *error)
{
        const struct group *entry;
        int r;

        if (parse_number(group, ret))
                return 0;

        entry = find_group(database, group);
        r = entry ? 0 : lookup_error();
        if (r < 0)
                return sd_bus_error_set_errnof(
                                error, r, "Cannot look up Group '%s': %s", group, g_strerror(-r));
        if (!entry)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Group '%s' is unknown", group);

        *ret = entry->gr_gid;
        return 0;
}

static int lookup_supplementary(
                const UserDatabase *database, const char *user, gid_t gid, char ***ret, sd_bus_error *error)
{
        g_autofree gid_t *groups = g_new(gid_t, NGROUPS_MAX);
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        int n;

        n = list_groups(database, user, gid, groups);
        if (n < 0)
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
static int lookup_user(const UserDatabase *database, const char *user, Credentials *credentials,
                bool *ret_known, sd_bus_error *error)
{
        bool numeric = parse_number(user, &credentials->uid);
        const struct passwd *entry;
        int r;

        entry = find_user(database, numeric ? NULL : user, credentials->uid);
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

int credentials_lookup(const UserDatabase *database, const char *user, const char *group, Credentials *ret,
                sd_bus_error *error)
{
        g_auto(Credentials) credentials = { 0 };
        g_autofree char *own = NULL;
        bool known = false;
        int r;

        if (!user)
                user = own = g_strdup_printf("%u", geteuid());

        r = lookup_user(database, user, &credentials, &known, error);
        if (r < 0)
                return r;
        if (!known && !group && credentials.uid != 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "User '%s' is not in the user database: Group is required", user);
        if (group) {
                r = lookup_group(database, group, &credentials.gid, error);
                if (r < 0)
                        return r;
        }
        if (known) {
                r = lookup_supplementary(
                                database, credentials.user, credentials.gid, &credentials.groups, error);
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

static bool is_root(const char *user, const char *group)
{
        uint32_t gid;

        if (geteuid() != 0 || (user && strcmp(user, "root") != 0 && strcmp(user, "0") != 0))
                return false;

        return !group || strcmp(group, "root") == 0 || parse_number(group, &gid);
}

/* What is in memory is not found there, with EAGAIN, while something is mounted or renamed somewhere: that
 * takes microseconds, as each of these tries does. */
#define CACHED_TRIES 256U

static int open_cached(const char *path, struct open_how *how)
{
        int fd = -1;

        for (unsigned i = 0; i < CACHED_TRIES; i++) {
                fd = (int) syscall(SYS_openat2, AT_FDCWD, path, how, sizeof *how);
                if (fd >= 0 || errno != EAGAIN)
                        break;
        }

        return fd < 0 ? -errno : fd;
}

/* Only what the kernel has in memory is opened. */
static int open_user_file(const char *path, FILE **ret)
{
        struct open_how how = {
                .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                .resolve = RESOLVE_CACHED,
        };
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = open_cached(path, &how);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;

        return fd_copy_to_stream(fd, USER_FILE_SIZE_MAX, ret);
}

bool credentials_lookup_root(const char *user, const char *group, Credentials *ret)
{
        g_auto(UserDatabase) database = { 0 };
        g_auto(Credentials) credentials = { 0 };

        if (!is_root(user, group) || open_user_file("/etc/passwd", &database.passwd) < 0 ||
                        open_user_file("/etc/group", &database.group) < 0 ||
                        credentials_lookup(&database, user, group, &credentials, NULL) < 0)
                return false;
        if (!credentials.home)
                return false;

        *ret = credentials;
        credentials = (Credentials){ 0 };
        return true;
}
