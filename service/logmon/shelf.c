/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shelf.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fault.h"
#include "fd-message.h"
#include "fd-util.h"
#include "fdstore.h"
#include "log.h"

/* What the kernel counts at most for a message with a name, and more messages than fit without one that is
 * there twice. */
#define MESSAGE_COST 2048
#define BUFFER_SIZE  ((int) (SHELF_PIPES_MAX + 1) * MESSAGE_COST)

static void free_entry(void *entry)
{
        g_free(((ShelfEntry *) entry)->name);
        g_free(entry);
}

static void free_shelf(void *data)
{
        Shelf *shelf = data;

        g_queue_clear_full(&shelf->entries, free_entry);
        safe_close(shelf->in);
        safe_close(shelf->out);
        g_free(shelf);
}

Shelves *shelves_new(void)
{
        Shelves *shelves = g_new0(Shelves, 1);

        shelves->shelves = g_ptr_array_new_with_free_func(free_shelf);
        shelves->pipes = g_hash_table_new(g_str_hash, g_str_equal);
        return shelves;
}

Shelves *shelves_free(Shelves *shelves)
{
        if (!shelves)
                return NULL;

        g_hash_table_unref(shelves->pipes);
        g_ptr_array_unref(shelves->shelves);
        g_free(shelves);
        return NULL;
}

static Shelf *add_shelf(Shelves *shelves, uint64_t number)
{
        Shelf *shelf = g_new0(Shelf, 1);

        shelf->number = number;
        shelf->in = shelf->out = -1;
        g_queue_init(&shelf->entries);
        g_ptr_array_add(shelves->shelves, shelf);
        shelves->next = MAX(shelves->next, number + 1);
        return shelf;
}

static void remove_shelf(Shelves *shelves, Shelf *shelf)
{
        g_autofree char *name = g_strdup_printf(SHELF_PREFIX "%" PRIu64, shelf->number);

        (void) fdstore_remove(name);
        g_ptr_array_remove_fast(shelves->shelves, shelf);
}

static void add_entry(Shelves *shelves, Shelf *shelf, const char *name, bool gone)
{
        ShelfEntry *entry = g_new0(ShelfEntry, 1);

        entry->shelf = shelf;
        entry->name = g_strdup(name);
        entry->gone = gone;
        g_queue_push_tail(&shelf->entries, entry);
        if (gone)
                shelf->n_gone++;
        else if (!g_hash_table_contains(shelves->pipes, name))
                g_hash_table_insert(shelves->pipes, entry->name, entry);
}

/* --- the socket --- */

static int send_pipe(const Shelf *shelf, const char *name, int fd)
{
        return fd_message_send(shelf->in, MSG_DONTWAIT, name, strlen(name), &fd, 1);
}

/* A copy of a message. RET_FD: -1 if there was no room for a descriptor. -EAGAIN: there is none, or none
 * behind those seen. */
static int peek_pipe(const Shelf *shelf, char ret_name[SHELF_NAME_MAX + 1], int *ret_fd)
{
        size_t n_fds = 1;
        ssize_t n;

        *ret_fd = -1;
        n = fd_message_receive(
                        shelf->out, MSG_PEEK | MSG_DONTWAIT, ret_name, SHELF_NAME_MAX, ret_fd, &n_fds);
        if (n < 0)
                return (int) n;
        if (n == 0) /* the other end is not there */
                return -EAGAIN;

        ret_name[n] = '\0';
        return 0;
}

static int consume_head(Shelf *shelf)
{
        ShelfEntry *entry;
        char byte;

        if (recv(shelf->out, &byte, sizeof byte, MSG_DONTWAIT) < 0)
                return -errno;

        entry = g_queue_pop_head(&shelf->entries);
        if (entry->gone)
                shelf->n_gone--;
        free_entry(entry);
        return 0;
}

/* Sent again before it is received: there is no moment in which it is in no message. */
static int move_head_to_tail(Shelf *shelf)
{
        char name[SHELF_NAME_MAX + 1], byte;
        _cleanup_close_ int fd = -1;
        int r;

        r = peek_pipe(shelf, name, &fd);
        if (r < 0)
                return r;
        if (fd < 0)
                return -EMFILE;
        r = send_pipe(shelf, name, fd);
        if (r < 0)
                return r;
        fault_point(FAULT_LOG_SHELF_TURNED);
        if (recv(shelf->out, &byte, sizeof byte, MSG_DONTWAIT) < 0)
                return -errno;

        g_queue_push_tail(&shelf->entries, g_queue_pop_head(&shelf->entries));
        return 0;
}

static bool head_is_gone(const Shelf *shelf)
{
        const ShelfEntry *head = g_queue_peek_head((GQueue *) &shelf->entries);

        return head && head->gone;
}

static int sweep(Shelf *shelf)
{
        int r = 0;

        for (guint n = shelf->entries.length; r >= 0 && n > 0 && shelf->n_gone > 0; n--)
                r = head_is_gone(shelf) ? consume_head(shelf) : move_head_to_tail(shelf);
        return r;
}

/* To turn a shelf costs four system calls for each pipe that stays, so that it is done for several at a
 * time. */
static int clean(Shelf *shelf, bool at_once)
{
        int r = 0;

        while (r >= 0 && head_is_gone(shelf))
                r = consume_head(shelf);
        if (r >= 0 && (at_once || shelf->n_gone * 2 >= shelf->entries.length))
                r = sweep(shelf);
        return r;
}

/* --- which shelf --- */

static void remove_surplus(Shelves *shelves, Shelf *shelf)
{
        unsigned n_empty = 0;

        /* one that could not be read is left to the process after this one */
        if (!g_queue_is_empty(&shelf->entries) || shelf->out < 0)
                return;
        for (guint i = 0; i < shelves->shelves->len; i++) {
                Shelf *other = g_ptr_array_index(shelves->shelves, i);

                n_empty += g_queue_is_empty(&other->entries);
        }
        if (n_empty > SHELVES_SPARE || shelf->in < 0)
                remove_shelf(shelves, shelf);
}

static void find_capacity(Shelf *shelf)
{
        socklen_t length = sizeof(int);
        int size = 0;

        if (shelf->in < 0 || getsockopt(shelf->in, SOL_SOCKET, SO_SNDBUF, &size, &length) < 0)
                return;

        size = MIN(size, BUFFER_SIZE) / MESSAGE_COST - 1;
        shelf->capacity = size > 0 ? (unsigned) size : 0;
}

static void enlarge_buffer(int fd)
{
        int size = BUFFER_SIZE;

        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static int make_shelf(Shelves *shelves, Shelf **ret)
{
        _cleanup_close_ int in = -1, out = -1;
        g_autofree char *name = NULL;
        Shelf *shelf;
        int r;

        if (shelves->shelves->len >= SHELVES_MAX)
                return -EMFILE;
        r = fd_make_socket_pair(&in, &out);
        if (r < 0)
                return r;
        /* both: which is which is not known after a restart, if it is empty */
        enlarge_buffer(in);
        enlarge_buffer(out);
        name = g_strdup_printf(SHELF_PREFIX "%" PRIu64, shelves->next);
        r = fdstore_push(name, (int[]){ in, out }, 2);
        if (r < 0)
                return r;

        shelf = add_shelf(shelves, shelves->next);
        shelf->in = take_fd(&in);
        shelf->out = take_fd(&out);
        find_capacity(shelf);
        *ret = shelf;
        return 0;
}

static int put_on(Shelves *shelves, Shelf *shelf, const char *name, int fd)
{
        int r;

        if (shelf->entries.length >= shelf->capacity)
                return -EAGAIN;
        r = send_pipe(shelf, name, fd);
        if (r < 0)
                return r;

        add_entry(shelves, shelf, name, false);
        return shelf->stored ? 0 : 1;
}

int shelves_put(Shelves *shelves, const char *name, int fd)
{
        Shelf *shelf = NULL;
        int r;

        if (*name == '\0')
                return -EINVAL;
        if (strlen(name) > SHELF_NAME_MAX)
                return -ENAMETOOLONG;
        if (g_hash_table_contains(shelves->pipes, name))
                return -EEXIST;

        for (guint i = 0; i < shelves->shelves->len; i++) {
                r = put_on(shelves, g_ptr_array_index(shelves->shelves, i), name, fd);
                if (r != -EAGAIN)
                        return r;
        }

        r = make_shelf(shelves, &shelf);
        return r < 0 ? r : put_on(shelves, shelf, name, fd);
}

void shelves_set_stored(Shelves *shelves, uint64_t next)
{
        for (guint i = 0; i < shelves->shelves->len; i++) {
                Shelf *shelf = g_ptr_array_index(shelves->shelves, i);

                if (shelf->number < next)
                        shelf->stored = true;
        }
}

int shelves_take_down(Shelves *shelves, const char *name, bool at_once)
{
        ShelfEntry *entry = g_hash_table_lookup(shelves->pipes, name);
        Shelf *shelf;
        int r;

        if (!entry)
                return -ENOENT;

        shelf = entry->shelf;
        g_hash_table_remove(shelves->pipes, name);
        entry->gone = true;
        shelf->n_gone++;
        r = clean(shelf, at_once);
        remove_surplus(shelves, shelf);
        return r;
}

/* --- after a restart --- */

static Shelf *find_shelf(const Shelves *shelves, uint64_t number)
{
        for (guint i = 0; i < shelves->shelves->len; i++) {
                Shelf *shelf = g_ptr_array_index(shelves->shelves, i);

                if (shelf->number == number)
                        return shelf;
        }

        return NULL;
}

int shelves_adopt_fd(Shelves *shelves, const char *name, int fd)
{
        uint64_t number;
        Shelf *shelf;

        if (!g_str_has_prefix(name, SHELF_PREFIX) ||
                        !g_ascii_string_to_unsigned(
                                        name + strlen(SHELF_PREFIX), 10, 0, UINT64_MAX - 1, &number, NULL))
                return -ENXIO;

        shelf = find_shelf(shelves, number);
        if (!shelf)
                shelf = add_shelf(shelves, number);
        if (shelf->out < 0)
                shelf->out = fd;
        else if (shelf->in < 0)
                shelf->in = fd;
        else
                return -EEXIST;
        return 0;
}

static bool has_message(int fd)
{
        char byte;

        return fd >= 0 && recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* OFFSET 0: each peek shows the next message. -1: the first, always. */
static int set_peek_offset(int fd, int offset)
{
        return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) < 0 ? -errno : 0;
}

static void find_ends(Shelf *shelf)
{
        (void) set_peek_offset(shelf->in, -1);
        (void) set_peek_offset(shelf->out, -1);
        if (has_message(shelf->in)) {
                int in = shelf->in;

                shelf->in = shelf->out;
                shelf->out = in;
        }
        find_capacity(shelf);
}

static void visit_pipe(Shelves *shelves, Shelf *shelf, const char *name, int fd, GHashTable *seen,
                ShelfVisitor visitor, void *userdata)
{
        g_autofree char *identity = fd_identity(fd);
        g_autofree char *key = g_strdup_printf("%s %s", name, identity ? identity : "");
        bool stays = true;

        if (fd < 0)
                log_warning("There is no room for the descriptor of '%s'; it stays where it is", name);
        else if (g_hash_table_contains(seen, key)) {
                safe_close(fd);
                stays = false; /* a crash has left it there twice */
        } else {
                g_hash_table_add(seen, g_steal_pointer(&key));
                stays = visitor(name, fd, userdata);
        }
        add_entry(shelves, shelf, name, !stays);
}

static int visit_shelf(
                Shelves *shelves, Shelf *shelf, GHashTable *seen, ShelfVisitor visitor, void *userdata)
{
        char name[SHELF_NAME_MAX + 1];
        int fd = -1, r;

        find_ends(shelf);
        r = set_peek_offset(shelf->out, 0);
        while (r >= 0) {
                r = peek_pipe(shelf, name, &fd);
                if (r >= 0)
                        visit_pipe(shelves, shelf, name, fd, seen, visitor, userdata);
        }

        return r == -EAGAIN ? set_peek_offset(shelf->out, -1) : r;
}

/* systemd has it still. What was found on it is in our hands, and taken down in vain. */
static void give_up(Shelf *shelf, int r)
{
        (void) log_errno(LOG_WARNING, r, "Cannot read " SHELF_PREFIX "%" PRIu64, shelf->number);
        shelf->in = safe_close(shelf->in);
        shelf->out = safe_close(shelf->out);
        shelf->capacity = 0;
}

void shelves_visit(Shelves *shelves, ShelfVisitor visitor, void *userdata)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        int r;

        for (guint i = 0; i < shelves->shelves->len; i++) {
                Shelf *shelf = g_ptr_array_index(shelves->shelves, i);

                shelf->stored = true;
                r = visit_shelf(shelves, shelf, seen, visitor, userdata);
                if (r < 0)
                        give_up(shelf, r);
        }

        /* backwards: when one is removed the last takes its place */
        for (guint i = shelves->shelves->len; i-- > 0;) {
                Shelf *shelf = g_ptr_array_index(shelves->shelves, i);

                (void) clean(shelf, true);
                remove_surplus(shelves, shelf);
        }
}
