/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "cleanup.h"

/* Room for an entry with all its fields, and for a burst. The kernel caps it where we may not force it. */
#define SEND_BUFFER_SIZE (8 * 1024 * 1024)

struct Journal {
        char *socket_path;
        int fd; /* -1: not connected */
};

Journal *journal_new(const char *socket_path)
{
        Journal *journal = g_new0(Journal, 1);

        journal->socket_path = g_strdup(socket_path);
        journal->fd = -1;
        return journal;
}

Journal *journal_free(Journal *journal)
{
        if (!journal)
                return NULL;

        safe_close(journal->fd);
        g_free(journal->socket_path);
        g_free(journal);
        return NULL;
}

static int journal_connect(Journal *journal)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        int size = SEND_BUFFER_SIZE;

        if (g_strlcpy(address.sun_path, journal->socket_path, sizeof address.sun_path) >=
                        sizeof address.sun_path)
                return -ENAMETOOLONG;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return -errno;

        journal->fd = take_fd(&fd);
        return 0;
}

static struct iovec text(const char *s, size_t size)
{
        return (struct iovec){ .iov_base = (void *) s, .iov_len = size };
}

#define ENTRY_PARTS 4

static void describe(const JournalEntry *entry, struct iovec *parts)
{
        static const char *const heads[] = {
                "PRIORITY=0\nMESSAGE=",
                "PRIORITY=1\nMESSAGE=",
                "PRIORITY=2\nMESSAGE=",
                "PRIORITY=3\nMESSAGE=",
                "PRIORITY=4\nMESSAGE=",
                "PRIORITY=5\nMESSAGE=",
                "PRIORITY=6\nMESSAGE=",
                "PRIORITY=7\nMESSAGE=",
        };
        const char *head = heads[entry->priority & 7];

        parts[0] = text(entry->fields->str, entry->fields->len);
        parts[1] = text(head, strlen(head));
        parts[2] = text(entry->message, entry->size);
        parts[3] = text("\n", 1);
}

static int transmit(Journal *journal, struct mmsghdr *messages, size_t n)
{
        int r;

        do
                r = sendmmsg(journal->fd, messages, (unsigned) n, MSG_NOSIGNAL);
        while (r < 0 && errno == EINTR);
        if (r >= 0)
                return r;

        r = errno == ENOBUFS ? -EAGAIN : -errno;
        if (r != -EAGAIN && r != -EMSGSIZE)
                journal->fd = safe_close(journal->fd);
        return r;
}

int journal_send(Journal *journal, const JournalEntry *entries, size_t n)
{
        struct mmsghdr messages[JOURNAL_BATCH_MAX] = {};
        struct iovec parts[JOURNAL_BATCH_MAX * ENTRY_PARTS];
        bool was_connected = journal->fd >= 0;
        int r;

        if (!was_connected) {
                r = journal_connect(journal);
                if (r < 0)
                        return r;
        }

        n = MIN(n, JOURNAL_BATCH_MAX);
        for (size_t i = 0; i < n; i++) {
                describe(entries + i, parts + i * ENTRY_PARTS);
                messages[i].msg_hdr.msg_iov = parts + i * ENTRY_PARTS;
                messages[i].msg_hdr.msg_iovlen = ENTRY_PARTS;
        }

        r = transmit(journal, messages, n);
        if (r == -EAGAIN || r == -EMSGSIZE || r >= 0 || !was_connected)
                return r;

        /* The socket may have been made anew. */
        r = journal_connect(journal);
        return r < 0 ? r : transmit(journal, messages, n);
}

void journal_append_field(GString *fields, const char *name, const char *value)
{
        size_t size = strlen(value);
        uint64_t length = GUINT64_TO_LE(size);

        if (!memchr(value, '\n', size)) {
                g_string_append_printf(fields, "%s=%s\n", name, value);
                return;
        }

        g_string_append_printf(fields, "%s\n", name);
        g_string_append_len(fields, (const char *) &length, sizeof length);
        g_string_append_len(fields, value, (gssize) size);
        g_string_append_c(fields, '\n');
}
