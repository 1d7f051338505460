/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "bus-error.h"
#include "cleanup.h"
#include "directory.h"
#include "fd-util.h"
#include "fdstore.h"
#include "log.h"
#include "reader-position.h"
#include "task-log.h"

/* A reader gets no more than this at a time, then it is the turn of others. */
#define READ_BUDGET (256U * 1024U)

/* '.' is in no label */
#define FD_NAME_PREFIX "reader."

struct Reader {
        Manager *manager;
        TaskLog *log; /* NULL: forgotten */
        Identity identity;
        Rotator *files; /* never open, it knows where they are */
        uint32_t slot;
        ReaderPosition *position;
        int pipe_fd;
        int file_fd; /* -1: to be opened */
        sd_event_source *io;
};

char *reader_fd_name(uint32_t slot)
{
        return g_strdup_printf(FD_NAME_PREFIX "%" PRIu32, slot);
}

bool reader_parse_fd_name(const char *name, uint32_t *ret_slot)
{
        guint64 slot;

        if (!g_str_has_prefix(name, FD_NAME_PREFIX))
                return false;
        if (!g_ascii_string_to_unsigned(name + strlen(FD_NAME_PREFIX), 10, 0, READERS_MAX - 1, &slot, NULL))
                return false;

        *ret_slot = (uint32_t) slot;
        return true;
}

Reader *reader_free(Reader *reader)
{
        if (!reader)
                return NULL;

        (void) g_ptr_array_remove_fast(reader->manager->readers, reader);
        if (reader->log)
                reader->log->n_readers--;
        sd_event_source_disable_unref(reader->io);
        safe_close(reader->pipe_fd);
        safe_close(reader->file_fd);
        rotator_free(reader->files);
        identity_clear(&reader->identity);
        g_free(reader);
        return NULL;
}

/* As reader_free(), which leaves everything for the next process, but for good. */
static void reader_end(Reader *reader)
{
        g_autofree char *name = reader_fd_name(reader->slot);

        (void) fdstore_remove(name);
        slot_file_release(reader->manager->positions, reader->slot);
        reader_free(reader);
}

static Stream *followed_stream(const Reader *reader)
{
        Stream *stream = reader->log ? reader->log->streams[reader->position->kind] : NULL;

        return stream_is_open(stream) ? stream : NULL;
}

/* Opens the file at the position, or the next that there still is. */
static int open_file(Reader *reader)
{
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;
        uint64_t index;
        int r;

        r = identity_enter(reader->files->identity, &guard);
        if (r < 0)
                return r;
        r = directory_open(reader->files->directory, &dir_fd);
        if (r < 0)
                return r;
        r = reader_open_file(dir_fd, reader->files->name, reader->position->index, &index, &reader->file_fd);
        if (r < 0)
                return r;

        if (index != reader->position->index)
                reader->position->offset = 0;
        reader->position->index = index;
        return 0;
}

/* At the end of a file: true if there is one after it, which is where the position is now. The files of a
 * stream that is being written are known; a complete log is looked at. They may have begun anew after all
 * were removed. */
static bool go_to_next_file(Reader *reader)
{
        Stream *stream = followed_stream(reader);
        uint64_t index = reader->position->index, offset = reader->position->offset;
        int old_fd = reader->file_fd;

        if (stream && stream->rotator && (stream->rotator->index == index || !stream->rotator->opened))
                return false;

        reader->file_fd = -1;
        reader->position->index++;
        if (stream && stream->rotator)
                reader->position->index = MIN(reader->position->index, stream->rotator->index);
        reader->position->offset = 0;
        if (open_file(reader) >= 0) {
                safe_close(old_fd);
                return true;
        }

        reader->file_fd = old_fd;
        reader->position->index = index;
        reader->position->offset = offset;
        return false;
}

/* Somebody has made the file shorter: it is read from its beginning then. */
static bool was_truncated(const Reader *reader)
{
        struct stat st;

        return fstat(reader->file_fd, &st) >= 0 && (uint64_t) st.st_size < reader->position->offset;
}

/* How many bytes went to the pipe; 0: there is nothing more now; -EAGAIN: the pipe is full. */
static ssize_t read_some(Reader *reader)
{
        int r;

        if (reader->file_fd < 0) {
                r = open_file(reader);
                if (r < 0)
                        return 0;
        }

        for (;;) {
                loff_t offset = (loff_t) reader->position->offset;
                ssize_t n = splice(reader->file_fd, &offset, reader->pipe_fd, NULL, READ_BUDGET,
                                SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

                if (n < 0)
                        return -errno;
                if (n > 0) {
                        reader->position->offset += (uint64_t) n;
                        return n;
                }

                if (was_truncated(reader))
                        reader->position->offset = 0;
                else if (!go_to_next_file(reader))
                        return 0;
        }
}

static int reader_dispatch(Reader *reader)
{
        ssize_t n = read_some(reader);

        /* more at the next turn of the loop, or when there is room again */
        if (n > 0 || n == -EAGAIN || n == -EINTR)
                return sd_event_source_set_io_events(reader->io, EPOLLOUT);
        /* that the other end is closed is still heard of */
        if (n == 0 && reader->position->follow && followed_stream(reader))
                return sd_event_source_set_io_events(reader->io, 0);

        reader_end(reader);
        return 0;
}

static int on_io(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd, uint32_t revents,
                void *userdata)
{
        if (!(revents & EPOLLERR))
                return reader_dispatch(userdata);

        reader_end(userdata);
        return 0;
}

void reader_wake_all(TaskLog *log)
{
        GPtrArray *readers = log->manager->readers;

        for (guint i = 0; log->n_readers > 0 && i < readers->len; i++) {
                Reader *reader = g_ptr_array_index(readers, i);

                if (reader->log == log)
                        (void) sd_event_source_set_io_events(reader->io, EPOLLOUT);
        }
}

void reader_detach_all(TaskLog *log)
{
        GPtrArray *readers = log->manager->readers;

        reader_wake_all(log);
        for (guint i = 0; i < readers->len; i++) {
                Reader *reader = g_ptr_array_index(readers, i);

                if (reader->log == log)
                        reader->log = NULL;
        }
        log->n_readers = 0;
}

/* Takes over PIPE_FD. */
static int reader_new(TaskLog *log, uint32_t slot, ReaderPosition *position, int pipe_fd, Reader **ret)
{
        Reader *reader = g_new0(Reader, 1);
        int r;

        reader->manager = log->manager;
        reader->log = log;
        reader->slot = slot;
        reader->position = position;
        reader->pipe_fd = pipe_fd;
        reader->file_fd = -1;
        reader->files = task_log_make_rotator(log, position->kind);
        if (reader->files->identity) {
                identity_copy(reader->files->identity, &reader->identity);
                reader->files->identity = &reader->identity;
        }
        g_ptr_array_add(log->manager->readers, reader);
        log->n_readers++;

        r = sd_event_add_io(log->manager->event, &reader->io, pipe_fd, EPOLLOUT, on_io, reader);
        if (r < 0)
                reader_free(reader);
        else
                *ret = reader;
        return r;
}

static int find_start(TaskLog *log, StreamKind kind, const ReaderOptions *options, ReaderPosition *position)
{
        g_autoptr(Rotator) files = task_log_make_rotator(log, kind);
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;
        int r;

        r = identity_enter(files->identity, &guard);
        if (r < 0)
                return r;
        r = directory_open(files->directory, &dir_fd);
        if (r < 0)
                return r;

        return reader_find_start(dir_fd, files->name, options, &position->index, &position->offset);
}

static int make_pipe(ReaderPosition *position, int *ret_read, int *ret_write)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        struct stat st;
        int r;

        r = fd_make_pipe(&read_fd, &write_fd);
        if (r < 0)
                return r;
        if (fcntl(write_fd, F_SETFL, O_NONBLOCK) < 0 || fstat(write_fd, &st) < 0)
                return -errno;

        position->pipe_device = st.st_dev;
        position->pipe_inode = st.st_ino;
        *ret_read = take_fd(&read_fd);
        *ret_write = take_fd(&write_fd);
        return 0;
}

static int open_at(TaskLog *log, uint32_t slot, StreamKind kind, const ReaderOptions *options, int *ret_fd)
{
        ReaderPosition *position = slot_file_get(log->manager->positions, slot);
        g_autofree char *name = reader_fd_name(slot);
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        Reader *reader;
        int r;

        r = find_start(log, kind, options, position);
        if (r == -ENOENT && options->follow && stream_is_open(log->streams[kind]))
                r = 0; /* from the first byte on that will come */
        if (r < 0)
                return r;
        r = make_pipe(position, &read_fd, &write_fd);
        if (r < 0)
                return r;

        position->kind = kind;
        position->follow = options->follow;
        (void) g_strlcpy(position->label, log->label, sizeof position->label);
        r = fdstore_push(name, &write_fd, 1);
        if (r < 0)
                return r;
        r = reader_new(log, slot, position, take_fd(&write_fd), &reader);
        if (r < 0) {
                (void) fdstore_remove(name);
                return r;
        }

        *ret_fd = take_fd(&read_fd);
        return 0;
}

int reader_open(TaskLog *log, StreamKind kind, const ReaderOptions *options, int *ret_fd,
                sd_bus_error *error)
{
        uint32_t slot;
        int r;

        if (!log_config_has_target(&log->config, "files"))
                return sd_bus_error_setf(
                                error, BUS_ERROR_LOG_FAILED, "Log '%s' has no files to read", log->id);
        if (slot_file_take(log->manager->positions, &slot) < 0)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED, "There are %u readers already",
                                READERS_MAX);

        r = open_at(log, slot, kind, options, ret_fd);
        if (r < 0) {
                slot_file_release(log->manager->positions, slot);
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED,
                                "Cannot read the files of log '%s': %s", log->id, g_strerror(-r));
        }

        return 0;
}

int reader_adopt(Manager *manager, uint32_t slot, int fd)
{
        ReaderPosition *position = slot_file_get(manager->positions, slot);
        _cleanup_close_ int pipe_fd = fd;
        Reader *reader;
        struct stat st;
        TaskLog *log;

        position->label[sizeof position->label - 1] = '\0';
        log = g_hash_table_lookup(manager->logs, position->label);
        if (!log || !position->used || position->kind >= STREAM_MAX || fstat(fd, &st) < 0)
                return -ENOENT;
        if (position->pipe_device != st.st_dev || position->pipe_inode != st.st_ino)
                return -ENOENT;

        return reader_new(log, slot, position, take_fd(&pipe_fd), &reader);
}
