/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup-message.h"

#include "cleanup.h"
#include "fd-message.h"
#include "fd-util.h"

int lookup_message_send(int socket, int flags, uint64_t sequence, JsonObject *object)
{
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
        g_autofree char *text = json_to_string(node, FALSE);
        _cleanup_close_ int fd = -1;
        int r;

        r = fd_make_memory_file("nomad-lookup", text, strlen(text), &fd);
        if (r < 0)
                return r;

        return fd_message_send(socket, flags, &sequence, sizeof sequence, &fd, 1);
}

static int parse(int fd, JsonObject **ret)
{
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autoptr(GMappedFile) file = g_mapped_file_new_from_fd(fd, FALSE, NULL);
        JsonNode *root;

        if (!file ||
                        !json_parser_load_from_data(parser, g_mapped_file_get_contents(file),
                                        (gssize) g_mapped_file_get_length(file), NULL))
                return -EBADMSG;
        root = json_parser_get_root(parser);
        if (!root || !JSON_NODE_HOLDS_OBJECT(root))
                return -EBADMSG;

        *ret = json_node_dup_object(root);
        return 0;
}

int lookup_message_receive(int socket, int flags, uint64_t *ret_sequence, JsonObject **ret)
{
        _cleanup_close_ int fd = -1;
        size_t n_fds = 1;
        uint64_t sequence;
        ssize_t n;
        int r;

        n = fd_message_receive(socket, flags, &sequence, sizeof sequence, &fd, &n_fds);
        if (n <= 0)
                return n == 0 ? -ECONNRESET : (int) n;
        if (n != sizeof sequence || n_fds != 1)
                return -EBADMSG;
        r = parse(fd, ret);
        if (r < 0)
                return r;

        *ret_sequence = sequence;
        return 0;
}
