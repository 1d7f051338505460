/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The floor for log files: reads from a pipe and writes to ten files of 10 MiB in turn, whole lines or
 * not. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE (64U * 1024U)
#define FILE_SIZE   (10U * 1024U * 1024U)
#define N_FILES     10U

static int open_file(const char *directory, unsigned index)
{
        char path[4096];

        (void) snprintf(path, sizeof path, "%s/log.%u", directory, index);
        if (index >= N_FILES) {
                char oldest[4096];

                (void) snprintf(oldest, sizeof oldest, "%s/log.%u", directory, index - N_FILES);
                (void) unlink(oldest);
        }
        return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

int main(int argc, char **argv)
{
        static char buffer[BUFFER_SIZE];
        unsigned index = 0;
        size_t size = 0;
        ssize_t n;
        int fd;

        if (argc != 2)
                return 2;
        fd = open_file(argv[1], index);

        while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) > 0) {
                if (fd < 0 || write(fd, buffer, (size_t) n) != n)
                        return EXIT_FAILURE;
                size += (size_t) n;
                if (size >= FILE_SIZE) {
                        (void) close(fd);
                        fd = open_file(argv[1], ++index);
                        size = 0;
                }
        }

        return n == 0 && close(fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
