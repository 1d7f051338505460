/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stdio-util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int stdio_release(void)
{
        int fd;

        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = 0; i <= 2; i++)
                if (dup2(fd, i) < 0)
                        return -errno;

        (void) close(fd);
        return 0;
}
