/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "log.h"

#define SET_ASIDE_SUFFIX ".set-aside"

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

        /* what cannot be read again is not written */
        if (strlen(text) > STATE_FILE_SIZE_MAX)
                return -EFBIG;
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

/* /run is mounted without devices: one in there cannot be opened, now or later. */
static bool is_refused_device(int dir_fd, const char *name, int error)
{
        struct stat st;

        return (error == -EPERM || error == -EACCES) &&
                        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                        (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Nothing else is opened in a way that waits, or read without end. */
static int open_regular_at(int dir_fd, const char *name)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                return is_refused_device(dir_fd, name, r) ? -ENXIO : r;
        }
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;

        return take_fd(&fd);
}

int read_file_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        _cleanup_close_ int fd = -1;
        guint8 chunk[4096];
        ssize_t n;

        fd = open_regular_at(dir_fd, name);
        if (fd < 0)
                return fd;

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

/* json-glib takes a text of several values, one after the other, for the last of them, and leaks the others.
 * It knows comments too, which are not JSON and none of ours. */
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

/* A file that is not what we have written, as opposed to one that cannot be read this time. */
static int damage(int error)
{
        switch (error) {
        case -EFBIG:
        case -EISDIR:
        case -ELOOP:
        case -ENXIO:
                return -EBADMSG;
        default:
                return error;
        }
}

int state_file_read(int dir_fd, const char *name, JsonObject **ret)
{
        g_autoptr(JsonParser) parser = json_parser_new_immutable();
        g_autofree char *text = NULL;
        JsonNode *root;
        size_t size = 0;
        int r;

        r = read_file_at(dir_fd, name, STATE_FILE_SIZE_MAX, &text, &size);
        if (r < 0)
                return damage(r);
        if (strlen(text) != size || !is_one_object(text) ||
                        !json_parser_load_from_data(parser, text, (gssize) size, NULL))
                return -EBADMSG;

        root = json_parser_get_root(parser);
        if (!root || !JSON_NODE_HOLDS_OBJECT(root))
                return -EBADMSG;

        *ret = json_node_dup_object(root);
        return 0;
}

int state_check_version(JsonObject *object, int64_t known)
{
        JsonNode *node = json_object_get_member(object, "Version");
        int64_t version;

        /* the first version may lack it */
        if (!node)
                return 0;
        if (json_node_get_value_type(node) != G_TYPE_INT64)
                return -EBADMSG;
        version = json_node_get_int(node);
        if (version < 1)
                return -EBADMSG;

        return version > known ? -EPROTONOSUPPORT : 0;
}

bool state_is_set_aside(const char *name)
{
        return strstr(name, SET_ASIDE_SUFFIX) != NULL;
}

static int move_aside(int dir_fd, const char *name, const char *aside)
{
        int r;

        if (renameat(dir_fd, name, dir_fd, aside) >= 0)
                return 0;
        /* something that was set aside before */
        r = remove_tree_at(dir_fd, aside);
        if (r < 0)
                return r;

        return renameat(dir_fd, name, dir_fd, aside) < 0 ? -errno : 0;
}

int state_set_aside(int dir_fd, const char *name, const char *reason)
{
        g_autofree char *aside = g_strconcat(name, SET_ASIDE_SUFFIX, NULL);
        int r;

        r = move_aside(dir_fd, name, aside);
        if (r < 0)
                return log_errno(LOG_ERR, r, "State '%s' %s, and cannot be renamed to '%s'", name, reason,
                                aside);

        log_warning("State '%s' %s; it is set aside as '%s'", name, reason, aside);
        return 0;
}

bool state_was_set_aside(int dir_fd, const char *name)
{
        g_autofree char *aside = g_strconcat(name, SET_ASIDE_SUFFIX, NULL);

        return faccessat(dir_fd, aside, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

bool state_reading_failed(int dir_fd, const char *name, int error)
{
        switch (error) {
        case -EMFILE:
        case -ENFILE:
        case -ENOMEM:
                (void) log_errno(LOG_ERR, error, "Cannot read the state '%s'", name);
                return false;
        case -EPROTONOSUPPORT:
                (void) state_set_aside(dir_fd, name, "was written by a newer version of this service");
                return true;
        case -EBADMSG:
        case -EINVAL:
                (void) state_set_aside(dir_fd, name, "is damaged");
                return true;
        default:
                (void) log_errno(LOG_WARNING, error, "Cannot read the state '%s', ignoring it", name);
                return true;
        }
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

int record_get_uint64(GHashTable *record, const char *key, uint64_t max, uint64_t *ret)
{
        const char *text = g_hash_table_lookup(record, key);
        guint64 value;

        if (!text)
                return 0;
        /* neither signs, spaces, nor anything behind the digits */
        if (!g_ascii_string_to_unsigned(text, 10, 0, max, &value, NULL) || !g_ascii_isdigit(*text))
                return -EBADMSG;

        *ret = value;
        return 1;
}

int record_file_read(int dir_fd, const char *name, GHashTable **ret)
{
        g_autofree char *text = NULL;
        size_t size = 0;
        int r;

        r = read_file_at(dir_fd, name, STATE_FILE_SIZE_MAX, &text, &size);
        if (r < 0)
                return damage(r);
        /* a record that was cut may end in the middle of a number */
        if (size == 0 || strlen(text) != size || text[size - 1] != '\n')
                return -EBADMSG;

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
