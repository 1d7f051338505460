/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/* The statistics of a cgroup, as its files tell them. One table says what there is: it drives the reply of
 * GetStats, the JSON of StreamStats, and the test of the documentation. */

typedef enum StatsFile {
        STATS_COMPUTED, /* in no file */
        STATS_CPU_STAT,
        STATS_MEMORY_CURRENT,
        STATS_MEMORY_PEAK,
        STATS_MEMORY_STAT,
        STATS_MEMORY_SWAP_CURRENT,
        STATS_IO_STAT,
        STATS_PIDS_CURRENT,
        STATS_CPU_PRESSURE,
        STATS_MEMORY_PRESSURE,
        STATS_IO_PRESSURE,
        STATS_N_FILES,
} StatsFile;

typedef struct StatsField {
        const char *key;
        char type; /* of D-Bus, 't' or 'd' */
        StatsFile file;
        const char *row;  /* "some": of that row alone; NULL: the sum of all rows, or a file without rows */
        const char *name; /* in the file or row; NULL: the whole file is one number */
        uint64_t unit;    /* the kernel's number times this is ours, for type 't' */
} StatsField;

/* Entries with a place of their own in the table. */
enum {
        STATS_TIMESTAMP,
        STATS_CPU_USAGE,
        STATS_CPU_PERCENT,
};

/* As many as there are bits in the mask below. */
#define STATS_FIELDS_MAX 64

extern const StatsField stats_fields[];
extern const size_t n_stats_fields;

/* "cpu.stat" */
const char *stats_file_name(StatsFile file);

typedef struct StatsSample {
        uint64_t known; /* a bit for each entry of the table that has a value */
        union {
                uint64_t t;
                double d;
        } values[STATS_FIELDS_MAX];
        uint64_t monotonic_nsec; /* when it was taken */
} StatsSample;

static inline bool stats_is_known(const StatsSample *sample, size_t i)
{
        return (sample->known >> i) & 1;
}

/* The files of a cgroup, each opened when it is first read: with the directory up to STATS_N_FILES
 * descriptors. */
typedef struct StatsFiles {
        int cgroup_fd;
        int fds[STATS_N_FILES]; /* -1: not open; that of STATS_COMPUTED never is */
        uint32_t absent;        /* a bit for each file that was not there */
        uint64_t looked_nsec;   /* CLOCK_MONOTONIC, when that was */
} StatsFiles;

/* How long a file that was not there is taken for absent. A controller can be enabled later. */
#define STATS_ABSENT_NSEC UINT64_C(10000000000)

/* None is open, and the cgroup is not known yet. */
StatsFiles stats_files_none(void);
/* Keeps what is known of files that are not there. */
void stats_files_close(StatsFiles *files);

/* Reads every file that is there. What the kernel does not tell stays unknown. -ENOENT: the cgroup is
 * gone. */
int stats_files_read(StatsFiles *files, StatsSample *ret);

/* Takes over what one file holds. What is not as it should be in TEXT stays unknown. */
void stats_parse(StatsFile file, const char *text, StatsSample *sample);

/* An earlier sample, as far as it matters for a later one; all zero: there is none. */
typedef struct StatsPrevious {
        uint64_t usage_nsec;
        uint64_t monotonic_nsec;
} StatsPrevious;

/* CPUPercent: what was used since PREVIOUS, which then is this sample; 0 when there was none. */
void stats_set_percent(StatsSample *sample, StatsPrevious *previous);

/* One JSON object and a line feed, to BUFFER, without a NUL. -ENOBUFS: it might not fit. */
int stats_to_json(const StatsSample *sample, char *buffer, size_t size, size_t *ret_length);

G_END_DECLS
