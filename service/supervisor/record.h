/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RECORD_SIZE_MAX 4096

/* KEY=VALUE lines under way to a file. A record that would not fit is a programming error and is cut. */
typedef struct Record {
        char text[RECORD_SIZE_MAX];
        size_t size;
} Record;

/* Starts with VERSION and TIMESTAMP (now). */
void record_init(Record *record);
void record_add(Record *record, const char *key, const char *value);
void record_add_uint64(Record *record, const char *key, uint64_t value);

/* Makes NAME's temporary file with room for a whole record, so that writing it later needs no space. */
int record_reserve(int dir_fd, const char *name, int *ret_fd);

/* Writes into the file reserved and renames it to NAME. Closes FD. */
int record_commit(const Record *record, int fd, int dir_fd, const char *name);
