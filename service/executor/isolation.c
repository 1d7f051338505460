/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "isolation.h"

#include <string.h>
#include <sys/prctl.h>

/* By number, as in <linux/capability.h>. */
static const char *const capability_names[] = {
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
};

/* Nomad's default for a user, bits of the table above; here that of root. */
#define CAPABILITIES_USUAL UINT64_C(0xa80405fb)

/* Nomad's for root: all that there were when its list was made. */
#define CAPABILITIES_OF_NOMADS_ROOT UINT64_C(0x3fffffffff)

#define ALL_CAPABILITIES ((UINT64_C(1) << G_N_ELEMENTS(capability_names)) - 1)

bool isolation_is_container(const Isolation *isolation)
{
        return g_strcmp0(isolation->kind, "container") == 0;
}

bool isolation_binds_host(const Isolation *isolation)
{
        return isolation->task_directory != NULL;
}

const char *isolation_root(const Isolation *isolation)
{
        return isolation_binds_host(isolation) ? isolation->task_directory : isolation->root_directory;
}

bool isolation_mode_is_private(const char *mode)
{
        return g_strcmp0(mode, "host") != 0;
}

bool isolation_path_is_valid(const char *path)
{
        g_auto(GStrv) names = g_strsplit(path, "/", -1);

        return *path == '/' && !g_strv_contains((const char *const *) names, "..");
}

/* Nomad's default. */
static bool is_nomads(const char *name)
{
        return g_ascii_strcasecmp(name, CAPABILITIES_NOMAD) == 0;
}

/* With or without "CAP_", in capitals or not; "all" is all of them. 0: there is none of that name. */
static uint64_t capability_from_name(const char *name)
{
        if (g_ascii_strcasecmp(name, "all") == 0)
                return ALL_CAPABILITIES;
        if (g_ascii_strncasecmp(name, "CAP_", 4) == 0)
                name += 4;
        for (size_t i = 0; i < G_N_ELEMENTS(capability_names); i++)
                if (g_ascii_strcasecmp(name, capability_names[i]) == 0)
                        return UINT64_C(1) << i;

        return 0;
}

/* Nobody can give what he does not have; what the kernel does not know is not in the set either. */
static uint64_t own_capabilities(void)
{
        uint64_t set = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(capability_names); i++)
                if (prctl(PR_CAPBSET_READ, i) == 1)
                        set |= UINT64_C(1) << i;

        return set;
}

const char *isolation_missing_capability(const Isolation *isolation)
{
        uint64_t own = own_capabilities();

        for (char **name = isolation->capabilities; name && *name; name++) {
                uint64_t capability = capability_from_name(*name);

                if (!is_nomads(*name) && capability != ALL_CAPABILITIES && !(capability & own))
                        return *name;
        }

        return NULL;
}

static char **capability_names_of(uint64_t set)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

        for (size_t i = 0; i < G_N_ELEMENTS(capability_names); i++) {
                g_autofree char *name = g_strconcat("CAP_", capability_names[i], NULL);

                if (set & UINT64_C(1) << i)
                        g_strv_builder_add(builder, name);
        }

        return g_strv_builder_end(builder);
}

void isolation_init(Isolation *isolation)
{
        *isolation = (Isolation){
                .user_capabilities = capability_names_of(0),
                .root_capabilities = capability_names_of(CAPABILITIES_USUAL),
        };
}

void isolation_clear_defaults(Isolation *isolation)
{
        g_clear_pointer(&isolation->user_capabilities, g_strfreev);
        g_clear_pointer(&isolation->root_capabilities, g_strfreev);
}

void isolation_use_nomads_defaults(Isolation *isolation)
{
        isolation_clear_defaults(isolation);
        isolation->user_capabilities = g_strsplit(CAPABILITIES_NOMAD, ",", -1);
        isolation->root_capabilities = g_strsplit(CAPABILITIES_NOMAD, ",", -1);
}

char **isolation_capabilities(const Isolation *isolation, bool given, uint32_t uid)
{
        char **names = given       ? isolation->capabilities
                        : uid == 0 ? isolation->root_capabilities
                                   : isolation->user_capabilities;
        uint64_t set = 0;

        for (; names && *names; names++)
                if (is_nomads(*names))
                        set |= uid == 0 ? CAPABILITIES_OF_NOMADS_ROOT : CAPABILITIES_USUAL;
                else
                        set |= capability_from_name(*names);

        return capability_names_of(set & own_capabilities());
}

const char *isolation_invalid_capabilities(const void *field)
{
        for (char **name = *(char **const *) field; name && *name; name++)
                if (!is_nomads(*name) && capability_from_name(*name) == 0)
                        return "names a capability that capabilities(7) does not have";

        return NULL;
}

const char *isolation_invalid_kind(const void *field)
{
        const char *kind = *(char *const *) field;

        return strcmp(kind, "none") != 0 && strcmp(kind, "container") != 0
                        ? "is neither 'none' nor 'container'"
                        : NULL;
}

const char *isolation_invalid_mode(const void *field)
{
        const char *mode = *(char *const *) field;

        return strcmp(mode, "private") != 0 && strcmp(mode, "host") != 0 ? "is neither 'private' nor 'host'"
                                                                         : NULL;
}

const char *isolation_invalid_root(const void *field)
{
        const char *root = *(char *const *) field;

        return *root != '\0' && *root != '/' ? "must be empty or an absolute path" : NULL;
}

const char *isolation_invalid_seccomp_profile(const void *field)
{
        const char *profile = *(char *const *) field;

        return strcmp(profile, "default") != 0 && strcmp(profile, "unconfined") != 0
                        ? "is neither 'default' nor 'unconfined'"
                        : NULL;
}

static bool mount_option_is_known(const char *option)
{
        static const char *const known[] = { "ro", "rw", "bind", "rbind", "nosuid", "nodev", "noexec",
                "private", "rprivate", "slave", "rslave", "shared", "rshared", NULL };

        return g_strv_contains(known, option);
}

const char *isolation_invalid_mounts(const void *field)
{
        const GPtrArray *mounts = *(GPtrArray *const *) field;

        if (mounts->len > BINDINGS_MAX)
                return "has more than 256 entries";
        for (guint i = 0; i < mounts->len; i++) {
                const Binding *mount = g_ptr_array_index(mounts, i);
                g_auto(GStrv) options = g_strsplit(mount->mode, ",", -1);

                if (*mount->source != '/')
                        return "has a source that is not an absolute path";
                if (!isolation_path_is_valid(mount->destination))
                        return "has a destination that is not an absolute path without '..'";
                for (char **option = options; *option; option++)
                        if (!mount_option_is_known(*option))
                                return "has an option that is not one of ro, rw, bind, rbind, nosuid, nodev, "
                                       "noexec, [r]private, [r]slave, [r]shared";
        }

        return NULL;
}

const char *isolation_invalid_devices(const void *field)
{
        const GPtrArray *devices = *(GPtrArray *const *) field;

        if (devices->len > BINDINGS_MAX)
                return "has more than 256 entries";
        for (guint i = 0; i < devices->len; i++) {
                const Binding *device = g_ptr_array_index(devices, i);

                if (*device->source != '/')
                        return "has a path that is not absolute";
                if (!isolation_path_is_valid(device->destination))
                        return "has a destination that is not an absolute path without '..'";
                if (*device->mode == '\0' || device->mode[strspn(device->mode, "rwm")] != '\0')
                        return "has permissions that are not of the letters r, w and m";
        }

        return NULL;
}
