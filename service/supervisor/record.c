/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

__attribute__((format(printf, 2, 3))) static void append(Record *record, const char *format, ...)
{
        size_t left = sizeof record->text - record->size;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(record->text + record->size, left, format, ap);
        va_end(ap);

        if (n > 0 && (size_t) n < left)
                record->size += (size_t) n;
}

void record_add(Record *record, const char *key, const char *value)
{
        append(record, "%s=%s\n", key, value);
}

void record_add_uint64(Record *record, const char *key, uint64_t value)
{
        append(record, "%s=%llu\n", key, (unsigned long long) value);
}

static uint64_t now_usec(clockid_t clock)
{
        struct timespec now;

        (void) clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void record_init(Record *record)
{
        record->size = 0;
        record_add_uint64(record, RECORD_VERSION, PROTOCOL_VERSION);
        record_add_uint64(record, RECORD_TIMESTAMP, now_usec(CLOCK_REALTIME));
        record_add_uint64(record, RECORD_MONOTONIC, now_usec(CLOCK_MONOTONIC));
}

static void temporary_name(char *buffer, size_t size, const char *name)
{
        (void) snprintf(buffer, size, "%s.new", name);
}

int record_reserve(int dir_fd, const char *name, int *ret_fd)
{
        char temporary[64];
        int fd, r;

        temporary_name(temporary, sizeof temporary, name);
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = -posix_fallocate(fd, 0, RECORD_SIZE_MAX);
        if (r < 0) {
                (void) close(fd);
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }

        *ret_fd = fd;
        return 0;
}

int record_commit(const Record *record, int fd, int dir_fd, const char *name)
{
        char temporary[64];
        ssize_t n;
        int r = 0;

        temporary_name(temporary, sizeof temporary, name);
        n = pwrite(fd, record->text, record->size, 0);
        if (n < 0 || (size_t) n != record->size)
                r = n < 0 ? -errno : -EIO;
        else if (ftruncate(fd, (off_t) record->size) < 0 || renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;

        (void) close(fd);
        return r;
}
