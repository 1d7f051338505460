/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "log-print.h"

#define READ_SIZE (64U * 1024U)

/* What comes within this time after the last of it belongs together: what was written to one stream may come
 * a little later than what was written to the other, and the journal later than both. */
#define GATHER_MSEC 50

/* But no longer than this, and no more. */
#define GATHER_USEC_MAX (500 * G_TIME_SPAN_MILLISECOND)
#define GATHER_SIZE_MAX (1024U * 1024U)

typedef struct Follow {
        Ctl *ctl;
        const char *id;
        struct pollfd polled[3]; /* both streams, whose fd is -1 from their end on, and who reads us */
        GString *texts[2];
        char *buffer;
        bool is_quiet; /* nothing more has come for a while */
} Follow;

static void follow_clear(Follow *follow)
{
        g_string_free(follow->texts[0], TRUE);
        g_string_free(follow->texts[1], TRUE);
        g_free(follow->buffer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Follow, follow_clear)

static bool is_open(const Follow *follow)
{
        return follow->polled[0].fd >= 0 || follow->polled[1].fd >= 0;
}

static void read_stream(Follow *follow, int i)
{
        struct pollfd *polled = follow->polled + i;
        ssize_t n;

        if (polled->fd < 0 || polled->revents == 0)
                return;

        n = read(polled->fd, follow->buffer, READ_SIZE);
        if (n > 0)
                g_string_append_len(follow->texts[i], follow->buffer, n);
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
                polled->fd = -1;
}

/* 1: something came; 0: nothing did in time; -EPIPE: nobody reads us. */
static int read_some(Follow *follow, int timeout_msec)
{
        int n;

        n = poll(follow->polled, G_N_ELEMENTS(follow->polled), timeout_msec);
        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        if (n == 0)
                return 0;
        if (follow->polled[2].revents & (POLLERR | POLLHUP))
                return -EPIPE;

        read_stream(follow, 0);
        read_stream(follow, 1);
        return 1;
}

static int gather(Follow *follow)
{
        gint64 end;
        int r;

        r = read_some(follow, -1);
        end = g_get_monotonic_time() + GATHER_USEC_MAX;
        while (r > 0 && is_open(follow) && follow->texts[0]->len + follow->texts[1]->len < GATHER_SIZE_MAX &&
                        g_get_monotonic_time() < end)
                r = read_some(follow, GATHER_MSEC);
        follow->is_quiet = r == 0;

        return r < 0 ? r : 0;
}

/* The complete lines; all of it at the end of the stream, and when the task waits in the middle of a line.
 * */
static GString *take_lines(Follow *follow, int i)
{
        GString *text = follow->texts[i];
        const char *newline = text->len > 0 ? memrchr(text->str, '\n', text->len) : NULL;
        bool all = follow->polled[i].fd < 0 || (follow->is_quiet && follow->ctl->json == JSON_OFF);
        size_t size = all ? text->len : newline ? (size_t) (newline + 1 - text->str) : 0;
        GString *lines = g_string_new_len(text->str, (gssize) size);

        g_string_erase(text, 0, (gssize) size);
        return lines;
}

/* The time of a line that the journal does not have is that of its coming. */
static int print_gathered(Follow *follow)
{
        g_autoptr(GString) out = take_lines(follow, 0);
        g_autoptr(GString) err = take_lines(follow, 1);
        GString *const texts[] = { out, err };
        g_autoptr(GArray) lines = log_merge(follow->ctl, follow->id, texts);
        int r;

        for (guint i = 0; i < lines->len; i++) {
                LogLine *line = &g_array_index(lines, LogLine, i);

                if (line->time_usec == 0)
                        line->time_usec = (uint64_t) g_get_real_time();
        }

        r = log_print(follow->ctl, lines);
        (void) fflush(stdout);
        return r;
}

int log_follow(Ctl *ctl, const char *id, const int *fds)
{
        g_auto(Follow) follow = {
                .ctl = ctl,
                .id = id,
                .polled = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN },
                                { .fd = STDOUT_FILENO } },
                .texts = { g_string_new(NULL), g_string_new(NULL) },
                .buffer = g_malloc(READ_SIZE),
        };
        int r = 0;

        while (r >= 0 && is_open(&follow)) {
                r = gather(&follow);
                if (r >= 0)
                        r = print_gathered(&follow);
        }

        return r < 0 && r != -EPIPE ? ctl_fail_text(ctl, STATUS_FAILED, "Cannot follow the log of '%s': %s",
                                                      id, g_strerror(-r))
                                    : STATUS_OK;
}
