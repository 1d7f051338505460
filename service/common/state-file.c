/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }

        return 0;
}

int state_file_write(int dir_fd, const char *name, JsonObject *object)
{
        g_autofree char *temporary = g_strconcat(name, ".new", NULL);
        g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
        g_autofree char *text = json_to_string(root, FALSE);
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = write_all(fd, text, strlen(text));
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

int read_file_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        _cleanup_close_ int fd = -1;
        guint8 chunk[4096];
        ssize_t n;

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        while ((n = read(fd, chunk, sizeof chunk)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (bytes->len + (size_t) n > max)
                        return -EFBIG;
                g_byte_array_append(bytes, chunk, (guint) n);
        }

        if (ret_size)
                *ret_size = bytes->len;
        g_byte_array_append(bytes, (const guint8 *) "", 1);
        *ret = (char *) g_byte_array_free(g_steal_pointer(&bytes), FALSE);
        return 0;
}

/* json-glib takes a text of several values, one after the other, for the last of them, and leaks the others. It knows
 * comments too, which are not JSON and none of ours. */
static bool is_one_object(const char *text)
{
        static const char allowed[] = "{}[]:, \t\r\n+-.0123456789Eaeflnrstu";
        bool in_string = false, ended = false;
        unsigned depth = 0;

        for (const char *c = text; *c; c++) {
                if (in_string) {
                        if (*c == '\\' && c[1])
                                c++;
                        else if (*c == '"')
                                in_string = false;
                        continue;
                }
                if (g_ascii_isspace(*c))
                        continue;
                if (ended || (depth == 0 && *c != '{') || (*c != '"' && !strchr(allowed, *c)))
                        return false;

                in_string = *c == '"';
                if (*c == '{' || *c == '[')
                        depth++;
                else if (*c == '}' || *c == ']')
                        ended = --depth == 0;
        }

        return ended;
}

int state_file_read(int dir_fd, const char *name, JsonObject **ret)
{
        g_autoptr(JsonParser) parser = json_parser_new_immutable();
        g_autofree char *text = NULL;
        JsonNode *root;
        size_t size;
        int r;

        r = read_file_at(dir_fd, name, STATE_FILE_SIZE_MAX, &text, &size);
        if (r < 0)
                return r;
        if (strlen(text) != size || !is_one_object(text) ||
                        !json_parser_load_from_data(parser, text, (gssize) size, NULL))
                return -EBADMSG;

        root = json_parser_get_root(parser);
        if (!root || !JSON_NODE_HOLDS_OBJECT(root))
                return -EBADMSG;

        *ret = json_node_dup_object(root);
        return 0;
}

GHashTable *record_parse(const char *text)
{
        GHashTable *record = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                char *equals = strchr(*line, '=');

                if (equals)
                        g_hash_table_replace(record, g_strndup(*line, (gsize) (equals - *line)),
                                        g_strdup(equals + 1));
        }

        return record;
}

int record_file_read(int dir_fd, const char *name, GHashTable **ret)
{
        g_autofree char *text = NULL;
        int r;

        r = read_file_at(dir_fd, name, STATE_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;

        *ret = record_parse(text);
        return 0;
}

int open_or_make_dir_at(int dir_fd, const char *name, mode_t mode, int *ret_fd)
{
        int fd;

        if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
                return -errno;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret_fd = fd;
        return 0;
}

static int empty_dir(int fd)
{
        g_autoptr(DIR) dir = fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                int r = -errno;

                safe_close(fd);
                return r;
        }

        while ((entry = readdir(dir))) {
                int r;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                r = remove_tree_at(dirfd(dir), entry->d_name);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* The depth is that of the directories we made ourselves. */
int remove_tree_at(int dir_fd, const char *name) // NOLINT(misc-no-recursion)
{
        int fd, r;

        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return -errno;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = empty_dir(fd);
        if (r < 0)
                return r;

        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
