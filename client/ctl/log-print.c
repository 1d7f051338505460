/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-print.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "pager.h"

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EAGAIN) {
                        struct pollfd p = { .fd = fd, .events = POLLOUT };

                        (void) poll(&p, 1, -1);
                } else if (n < 0 && errno != EINTR)
                        return -errno;
                else if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }

        return 0;
}

static void print_json_line(const Ctl *ctl, const LogLine *line)
{
        size_t size = line->size > 0 && line->text[line->size - 1] == '\n' ? line->size - 1 : line->size;
        g_autofree char *text = g_utf8_make_valid(line->text, (gssize) size);
        g_autoptr(JsonObject) object = json_object_new();
        g_autoptr(JsonNode) node = NULL;

        json_object_set_string_member(object, "stream", line->stream == 1 ? "stderr" : "stdout");
        if (line->time_usec > 0)
                json_object_set_int_member(object, "time", (gint64) line->time_usec);
        else
                json_object_set_null_member(object, "time");
        json_object_set_string_member(object, "text", text);
        node = json_node_init_object(json_node_alloc(), object);
        ctl_print_json(ctl, node);
}

/* Lines of one stream that follow each other are written at once. */
int log_print(const Ctl *ctl, const GArray *lines)
{
        for (guint i = 0; i < lines->len;) {
                const LogLine *line = &g_array_index(lines, LogLine, i);
                size_t size = 0;
                int r, fd = line->stream == 1 && !pager_is_open() ? STDERR_FILENO : STDOUT_FILENO;

                if (ctl->json != JSON_OFF) {
                        print_json_line(ctl, line);
                        i++;
                        continue;
                }
                for (; i < lines->len && g_array_index(lines, LogLine, i).text == line->text + size; i++)
                        size += g_array_index(lines, LogLine, i).size;
                r = write_all(fd, line->text, size);
                if (r < 0)
                        return r;
        }

        return 0;
}
