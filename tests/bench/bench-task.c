/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tasks of the measures do. Static and small, so that its own start counts for little. */

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC   UINT64_C(1000000000)
#define LINE_SIZE      100U
#define NUMBER_DIGITS  10U
#define WRITE_SIZE_MAX (1024U * 1024U)

static uint64_t now_nsec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}

static uint64_t number(const char *text)
{
        return strtoull(text, NULL, 10);
}

static char *make_lines(size_t size)
{
        char *lines = malloc(size);

        for (size_t i = 0; lines && i < size; i++)
                lines[i] = (char) (i % LINE_SIZE == LINE_SIZE - 1 ? '\n' : 'a' + i % 26);
        return lines;
}

/* DIRECTORY/PID */
static int save_result(const char *directory, uint64_t bytes, uint64_t nsec)
{
        char path[PATH_MAX];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%d", directory, (int) getpid());
        file = fopen(path, "we");
        if (!file)
                return EXIT_FAILURE;

        (void) fprintf(file, "%llu %llu\n", (unsigned long long) bytes, (unsigned long long) nsec);
        return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Writes lines, SIZE bytes at a time, from when somebody opens the FIFO GATE for writing until DURATION is
 * over. */
static int flood(size_t size, const char *gate, uint64_t duration, const char *results)
{
        char *lines = make_lines(size);
        uint64_t bytes = 0, start, now;

        if (!lines || size == 0 || size > WRITE_SIZE_MAX || open(gate, O_RDONLY | O_CLOEXEC) < 0)
                return EXIT_FAILURE;

        start = now = now_nsec();
        while (now - start < duration) {
                ssize_t n = write(STDOUT_FILENO, lines, size);

                if (n < 0)
                        return EXIT_FAILURE;
                bytes += (uint64_t) n;
                /* the clock costs little, but not nothing beside a write of 100 bytes */
                if (size > 4096 || bytes % (LINE_SIZE * 64) == 0)
                        now = now_nsec();
        }

        free(lines);
        return save_result(results, bytes, now_nsec() - start);
}

/* N lines, no two of them the same: journald stores what is the same only once. */
static int number_lines(uint64_t n)
{
        char *line = make_lines(LINE_SIZE);

        for (uint64_t i = 0; line && i < n; i++) {
                uint64_t value = i;

                for (unsigned digit = NUMBER_DIGITS; digit-- > 0; value /= 10)
                        line[digit] = (char) ('0' + value % 10);
                if (write(STDOUT_FILENO, line, LINE_SIZE) != LINE_SIZE)
                        return EXIT_FAILURE;
        }

        free(line);
        return line ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "pause") == 0)
                return pause();
        if (argc == 2 && strcmp(argv[1], "true") == 0)
                return EXIT_SUCCESS;
        if (argc == 2 && strcmp(argv[1], "now") == 0)
                return printf("%llu\n", (unsigned long long) now_nsec()) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (argc == 6 && strcmp(argv[1], "flood") == 0)
                return flood(number(argv[2]), argv[3], number(argv[4]), argv[5]);
        if (argc == 3 && strcmp(argv[1], "lines") == 0)
                return number_lines(number(argv[2]));

        (void) fprintf(stderr,
                        "Usage: bench-task pause | true | now | flood SIZE GATE DURATION_NS RESULTS |"
                        " lines N\n");
        return 2;
}
