/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "encode.h"
#include "manager.h"
#include "option-table.h"
#include "stream-kind.h"

G_BEGIN_DECLS

/* Of all logs together. */
#define READERS_MAX 1024U

/* How far back the beginning of the last lines is looked for. */
#define READER_LINES_SCAN_MAX (8U * 1024U * 1024U)

/* The a{sv} of Open(). */
typedef struct ReaderOptions {
        bool follow;
        bool from_end;
        uint64_t offset;
        uint64_t lines;
        bool by_lines; /* lines was given */
} ReaderOptions;

/* Where a reader is, a slot of the file "readers": its layout is that of the file. */
typedef struct ReaderPosition {
        uint64_t used;
        uint64_t pipe_device;
        uint64_t pipe_inode;
        uint64_t index; /* of the file */
        uint64_t offset;
        uint32_t kind;
        uint32_t follow;
        char label[LABEL_LENGTH_MAX + 8];
} ReaderPosition;

/* Somebody who reads a log through a pipe that we fill: splice(2) again, as far as there is room in it. */
typedef struct Reader Reader;

extern const Option reader_options_table[];
extern const size_t reader_options_table_size;

int reader_options_read(sd_bus_message *m, ReaderOptions *options, sd_bus_error *error);

/* Opens a reader on a log. RET_FD: the end for the caller; the reader goes on by itself until it has
 * everything, or until the other end is closed. */
int reader_open(TaskLog *log, StreamKind kind, const ReaderOptions *options, int *ret_fd,
                sd_bus_error *error);

/* Goes on after a restart with the pipe that systemd had kept. Takes over FD. */
int reader_adopt(Manager *manager, uint32_t slot, int fd);

/* The name in the fd store of a reader's pipe, and back; false if it is another name. */
char *reader_fd_name(uint32_t slot);
bool reader_parse_fd_name(const char *name, uint32_t *ret_slot);

/* There is more of that stream, or there will be no more. */
void reader_wake_all(TaskLog *log);

/* The log is being forgotten: its readers go on to the end of the files. */
void reader_detach_all(TaskLog *log);

Reader *reader_free(Reader *reader);

G_END_DECLS
