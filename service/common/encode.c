/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encode.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

int label_from_id(const char *id, char **ret)
{
        g_autofree char *path = NULL;
        int r;

        if (*id == '\0')
                return -EINVAL;
        if (strlen(id) > LABEL_LENGTH_MAX)
                return -ENAMETOOLONG;

        r = sd_bus_path_encode("/", id, &path);
        if (r < 0)
                return r;
        if (strlen(path + 1) > LABEL_LENGTH_MAX)
                return -ENAMETOOLONG;

        *ret = g_strdup(path + 1);
        return 0;
}

int label_from_path(const char *path, const char *prefix, const char **ret)
{
        size_t length = strlen(prefix);

        if (strncmp(path, prefix, length) != 0 || path[length] != '/')
                return -ENXIO;
        path += length + 1;
        if (*path == '\0' || strchr(path, '/'))
                return -ENXIO;

        *ret = path;
        return 0;
}
