/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "protocol.h"

/* The value when ENTRY is KEY's, else NULL. */
static char *value_of(char *entry, const char *key)
{
        size_t length = strlen(key);

        return strncmp(entry, key, length) == 0 && entry[length] == '=' ? entry + length + 1 : NULL;
}

static char *next_entry(char *entry)
{
        return entry + strlen(entry) + 1;
}

static size_t count(const Launch *launch, const char *key)
{
        size_t n = 0;

        for (char *entry = launch->block; entry < launch->block + launch->block_size;
                        entry = next_entry(entry))
                n += value_of(entry, key) ? 1 : 0;

        return n;
}

static int allocate_lists(Launch *launch)
{
        size_t n_groups = count(launch, LAUNCH_GROUP);

        launch->argv = calloc(count(launch, LAUNCH_ARG) + 1, sizeof(char *));
        launch->environment = calloc(count(launch, LAUNCH_ENV) + 1, sizeof(char *));
        launch->groups = calloc(n_groups + 1, sizeof(gid_t));

        return launch->argv && launch->environment && launch->groups ? 0 : -ENOMEM;
}

static int parse_limit(Launch *launch, const char *value)
{
        unsigned long long soft, hard;
        int resource;

        if (launch->n_limits >= LAUNCH_RLIMITS_MAX ||
                        sscanf(value, "%d %llu %llu", &resource, &soft, &hard) != 3) // NOLINT(cert-err34-c)
                return -EBADMSG;

        launch->limits[launch->n_limits++] = (LaunchLimit){
                .resource = resource,
                .limit = { .rlim_cur = soft, .rlim_max = hard },
        };
        return 0;
}

/* The keys that hold one string. */
static const char **string_member(Launch *launch, char *entry, char **ret_value)
{
        const struct {
                const char *key;
                const char **member;
        } strings[] = {
                { LAUNCH_COMMAND, &launch->command },
                { LAUNCH_DIRECTORY, &launch->directory },
                { LAUNCH_STDOUT_PATH, &launch->stdout_path },
                { LAUNCH_STDERR_PATH, &launch->stderr_path },
                { LAUNCH_RUNTIME_PID, &launch->runtime_pid },
        };

        for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
                *ret_value = value_of(entry, strings[i].key);
                if (*ret_value)
                        return strings[i].member;
        }

        return NULL;
}

static void parse_number(Launch *launch, char *entry)
{
        char *value;

        if ((value = value_of(entry, LAUNCH_UID)))
                launch->uid = (uid_t) strtoul(value, NULL, 10);
        else if ((value = value_of(entry, LAUNCH_GID)))
                launch->gid = (gid_t) strtoul(value, NULL, 10);
        else if ((value = value_of(entry, LAUNCH_UMASK)))
                launch->umask = (mode_t) strtoul(value, NULL, 8);
        else if ((value = value_of(entry, LAUNCH_OOM_ADJUST)))
                launch->oom_score_adjust = (int) strtol(value, NULL, 10);
        else if ((value = value_of(entry, LAUNCH_STOP_SIGNAL)))
                launch->stop_signal = (int) strtol(value, NULL, 10);
        else if ((value = value_of(entry, LAUNCH_STOP_USEC)))
                launch->stop_usec = strtoull(value, NULL, 10);
        else if ((value = value_of(entry, LAUNCH_TERMINAL)))
                launch->terminal = *value == '1';
        else if ((value = value_of(entry, LAUNCH_RUNTIME_MAX_USEC)))
                launch->runtime_max_usec = strtoull(value, NULL, 10);
}

static int parse_entries(Launch *launch)
{
        size_t n_args = 0, n_environment = 0;

        for (char *entry = launch->block; entry < launch->block + launch->block_size;
                        entry = next_entry(entry)) {
                const char **member;
                char *value;
                int r;

                if ((value = value_of(entry, LAUNCH_ARG)))
                        launch->argv[n_args++] = value;
                else if ((value = value_of(entry, LAUNCH_ENV))) {
                        launch->environment[n_environment++] = value;
                        if (strncmp(value, "PATH=", 5) == 0)
                                launch->path = value + 5;
                } else if ((value = value_of(entry, LAUNCH_GROUP)))
                        launch->groups[launch->n_groups++] = (gid_t) strtoul(value, NULL, 10);
                else if ((value = value_of(entry, LAUNCH_RLIMIT))) {
                        r = parse_limit(launch, value);
                        if (r < 0)
                                return r;
                } else if ((member = string_member(launch, entry, &value)))
                        *member = value;
                else
                        parse_number(launch, entry);
        }

        return launch->command && launch->argv[0] && launch->directory ? 0 : -EBADMSG;
}

/* In place; the lists are allocated, the strings point into the block. -EBADMSG for one of another shape. */
static int parse(Launch *launch)
{
        const char *version;
        int r;

        if (launch->block[launch->block_size - 1] != '\0')
                return -EBADMSG;
        version = value_of(launch->block, LAUNCH_VERSION);
        if (!version || strtol(version, NULL, 10) != PROTOCOL_VERSION)
                return -EBADMSG;

        launch->runtime_max_usec = UINT64_MAX;
        r = allocate_lists(launch);
        if (r < 0)
                return r;

        return parse_entries(launch);
}

int launch_map(Launch *launch, int fd)
{
        struct stat st;
        void *block;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size == 0)
                return -EBADMSG;

        block = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (block == MAP_FAILED)
                return -errno;

        launch->block = block;
        launch->block_size = (size_t) st.st_size;
        return parse(launch);
}

void launch_clear(Launch *launch)
{
        if (launch->block)
                (void) munmap(launch->block, launch->block_size);
        free(launch->argv);
        free(launch->environment);
        free(launch->groups);
        *launch = (Launch){ 0 };
}
