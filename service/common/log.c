/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a message, in bytes. */
#define LOG_LENGTH_MAX 8192U

/* The one piece of process-wide state: a log level belongs to the process, as its standard error does. */
static int max_level = LOG_INFO;
static unsigned n_lost; /* messages that standard error did not take */

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",
        [LOG_ALERT] = "alert",
        [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",
        [LOG_WARNING] = "warning",
        [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

void log_set_level(int level)
{
        max_level = level;
}

int log_get_level(void)
{
        return max_level;
}

const char *log_level_to_string(int level)
{
        if (level < 0 || level >= (int) G_N_ELEMENTS(level_names))
                return NULL;

        return level_names[level];
}

int log_level_from_string(const char *name)
{
        for (int i = 0; i < (int) G_N_ELEMENTS(level_names); i++)
                if (strcmp(level_names[i], name) == 0)
                        return i;

        return -EINVAL;
}

/* A journald that stands still is no reason for a service to do so. */
static int put(const char *text, size_t size)
{
        ssize_t n = send(STDERR_FILENO, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };

        if (n < 0 && errno == ENOTSOCK) {
                if (poll(&pollfd, 1, 0) <= 0)
                        return -EAGAIN;
                n = write(STDERR_FILENO, text, size);
        }

        return n < 0 ? -errno : 0;
}

/* A message is one line, whatever is quoted in it: another line could pretend to be a message of its own,
 * with its own priority. */
static void append_escaped(GString *text, const char *message)
{
        while (*message) {
                const char *next = g_utf8_next_char(message);
                gunichar c = g_utf8_get_char_validated(message, -1);

                if (c == (gunichar) -1 || c == (gunichar) -2) {
                        g_string_append_printf(text, "\\x%02x", (unsigned char) *message);
                        message++;
                        continue;
                }
                if (c == '\n')
                        g_string_append(text, "\\n");
                else if (g_unichar_iscntrl(c))
                        g_string_append_printf(text, "\\x%02x", (unsigned) c);
                else
                        g_string_append_len(text, message, next - message);
                message = next;
        }
}

/* journald cuts longer ones into several. */
static void limit_length(GString *text)
{
        size_t length = LOG_LENGTH_MAX;

        if (text->len <= length)
                return;

        /* not within a character */
        while ((text->str[length] & 0xc0) == 0x80)
                length--;
        (void) g_string_truncate(text, length);
        g_string_append(text, "…");
}

void log_message(int level, const char *format, ...)
{
        g_autoptr(GString) text = g_string_new(NULL), message = g_string_new(NULL);
        g_autofree char *formatted = NULL;
        va_list ap;

        if (level > max_level)
                return;

        if (n_lost > 0)
                g_string_append_printf(
                                text, "<%d>%u messages before this one are lost\n", LOG_WARNING, n_lost);
        g_string_append_printf(text, "<%d>", level);
        va_start(ap, format);
        formatted = g_strdup_vprintf(format, ap);
        va_end(ap);
        append_escaped(message, formatted);
        limit_length(message);
        g_string_append_len(text, message->str, (gssize) message->len);
        g_string_append_c(text, '\n');

        n_lost = put(text->str, text->len) < 0 ? n_lost + 1 : 0;
}

int log_errno(int level, int error, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);

        log_message(level, "%s: %s", text, g_strerror(-error));
        return error;
}
