/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd-util.h"
#include "fdstore.h"
#include "line.h"

static size_t page_size(void)
{
        return (size_t) sysconf(_SC_PAGESIZE);
}

/* The pages at both ends may be partly used. */
static size_t capacity_of(int fd)
{
        size_t slack = 2 * page_size();
        int size = fcntl(fd, F_GETPIPE_SZ);

        return size > (int) slack ? (size_t) size - slack : 0;
}

Backlog *backlog_adopt(Pump *pump, const char *fd_name, int fd)
{
        Backlog *backlog = g_new0(Backlog, 1);

        backlog->pump = pump;
        backlog->fd_name = g_strdup(fd_name);
        backlog->fd = fd;
        backlog->capacity = capacity_of(fd);
        pump->n_backlogs++;
        return backlog;
}

int backlog_open(Pump *pump, const char *fd_name, Backlog **ret)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (pump->n_backlogs >= BACKLOGS_MAX)
                return -EMFILE;
        /* both ends, since it is the descriptor that systemd keeps */
        r = fd_make_pipe_in_one(&fd);
        if (r < 0)
                return r;
        (void) fcntl(fd, F_SETPIPE_SZ, BACKLOG_SIZE);
        /* Without CAP_SYS_RESOURCE a user who has many pipes gets more of two pages only (pipe(7)). */
        if (capacity_of(fd) == 0)
                return -ENOBUFS;
        r = fdstore_push(fd_name, &fd, 1);
        if (r < 0)
                return r;

        *ret = backlog_adopt(pump, fd_name, take_fd(&fd));
        return 0;
}

Backlog *backlog_free(Backlog *backlog)
{
        if (!backlog)
                return NULL;

        backlog->pump->n_backlogs--;
        safe_close(backlog->fd);
        g_free(backlog->fd_name);
        g_free(backlog);
        return NULL;
}

Backlog *backlog_close(Backlog *backlog)
{
        if (backlog)
                (void) fdstore_remove(backlog->fd_name);

        return backlog_free(backlog);
}

static size_t used(const Backlog *backlog)
{
        int n = 0;

        return ioctl(backlog->fd, FIONREAD, &n) < 0 ? SIZE_MAX : (size_t) n;
}

static size_t room(const Backlog *backlog)
{
        return backlog->capacity - MIN(used(backlog), backlog->capacity);
}

/* How much of it went in. */
static size_t put_at_once(Backlog *backlog, const char *data, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = write(backlog->fd, data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                done += (size_t) n;
        }

        if (done > 0)
                backlog->mid_line = data[done - 1] != '\n';
        backlog->fill = (backlog->fill + done) % page_size();
        return done;
}

/* A pipe has room for so many pages, not bytes, and adds to its last page only what fits into it at once:
 * that page is filled up first, else the rest of it would be lost. */
static size_t put(Backlog *backlog, const char *data, size_t size)
{
        size_t page = page_size(), first, done;

        if (used(backlog) == 0)
                backlog->fill = 0;

        first = MIN(size, (page - backlog->fill) % page);
        done = put_at_once(backlog, data, first);
        return done < first ? done : done + put_at_once(backlog, data + done, size - done);
}

bool backlog_mend(Backlog *backlog)
{
        if (!backlog->torn || put(backlog, "\n", 1) == 0)
                return false;

        backlog->torn = false;
        return true;
}

static size_t skip_line(Backlog *backlog, const char *data, size_t size)
{
        size_t rest = line_length(data, size, size);

        backlog->skipping = rest == 0 || data[rest - 1] != '\n';
        return rest;
}

uint64_t backlog_write(Backlog *backlog, const char *data, size_t size)
{
        size_t space = room(backlog), done = 0, fits;
        uint64_t dropped;

        if (backlog->skipping)
                done = skip_line(backlog, data, size);
        data += done;
        size -= done;
        if (size == 0)
                return 0;

        if (backlog->torn && !backlog_mend(backlog))
                fits = 0;
        else
                fits = size <= space ? size : line_complete(data, space);
        done = put(backlog, data, fits);
        if (done == size)
                return 0;

        dropped = line_count(data + done, size - done);
        backlog->skipping = data[size - 1] != '\n';
        /* A line that is begun and cannot go on ends here. Its beginning is an entry. */
        if (backlog->mid_line && !backlog->torn)
                backlog->torn = put(backlog, "\n", 1) == 0;
        return dropped;
}
