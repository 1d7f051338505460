/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

/* Of memory.stat, or of io.stat with a hundred devices. A file that is longer is not understood in part. */
#define STATS_FILE_SIZE_MAX 16384U

/* What an entry takes in JSON beside its key, the end of the object included. */
#define JSON_BESIDE_KEY_MAX sizeof(",\"\":184467440737095516.15}\n")

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_SEC  UINT64_C(1000000000)

typedef enum Format {
        FORMAT_NUMBER, /* "4096" */
        FORMAT_KEYS,   /* "usage_usec 17", one a line */
        FORMAT_ROWS,   /* "8:0 rbytes=1 wbytes=2" */
} Format;

static const struct {
        const char *name;
        Format format;
} file_table[STATS_N_FILES] = {
        [STATS_CPU_STAT] = { "cpu.stat", FORMAT_KEYS },
        [STATS_MEMORY_CURRENT] = { "memory.current", FORMAT_NUMBER },
        [STATS_MEMORY_PEAK] = { "memory.peak", FORMAT_NUMBER },
        [STATS_MEMORY_STAT] = { "memory.stat", FORMAT_KEYS },
        [STATS_MEMORY_SWAP_CURRENT] = { "memory.swap.current", FORMAT_NUMBER },
        [STATS_IO_STAT] = { "io.stat", FORMAT_ROWS },
        [STATS_PIDS_CURRENT] = { "pids.current", FORMAT_NUMBER },
        [STATS_CPU_PRESSURE] = { "cpu.pressure", FORMAT_ROWS },
        [STATS_MEMORY_PRESSURE] = { "memory.pressure", FORMAT_ROWS },
        [STATS_IO_PRESSURE] = { "io.pressure", FORMAT_ROWS },
};

#define PRESSURE(prefix, pressure_file)                                                                    \
        { prefix "PressureSomeAvg10", 'd', pressure_file, "some", "avg10", 1 },                            \
                        { prefix "PressureSomeNSec", 't', pressure_file, "some", "total", NSEC_PER_USEC }, \
                        { prefix "PressureFullAvg10", 'd', pressure_file, "full", "avg10", 1 },            \
        {                                                                                                  \
                prefix "PressureFullNSec", 't', pressure_file, "full", "total", NSEC_PER_USEC              \
        }

const StatsField stats_fields[] = {
        [STATS_TIMESTAMP] = { "Timestamp", 't', STATS_COMPUTED, NULL, NULL, 1 },
        [STATS_CPU_USAGE] = { "CPUUsageNSec", 't', STATS_CPU_STAT, NULL, "usage_usec", NSEC_PER_USEC },
        [STATS_CPU_PERCENT] = { "CPUPercent", 'd', STATS_COMPUTED, NULL, NULL, 1 },
        { "CPUUserNSec", 't', STATS_CPU_STAT, NULL, "user_usec", NSEC_PER_USEC },
        { "CPUSystemNSec", 't', STATS_CPU_STAT, NULL, "system_usec", NSEC_PER_USEC },
        { "CPUPeriods", 't', STATS_CPU_STAT, NULL, "nr_periods", 1 },
        { "CPUThrottledPeriods", 't', STATS_CPU_STAT, NULL, "nr_throttled", 1 },
        { "CPUThrottledNSec", 't', STATS_CPU_STAT, NULL, "throttled_usec", NSEC_PER_USEC },
        { "MemoryCurrent", 't', STATS_MEMORY_CURRENT, NULL, NULL, 1 },
        { "MemoryPeak", 't', STATS_MEMORY_PEAK, NULL, NULL, 1 },
        { "MemoryAnon", 't', STATS_MEMORY_STAT, NULL, "anon", 1 },
        { "MemoryFile", 't', STATS_MEMORY_STAT, NULL, "file", 1 },
        { "MemoryKernel", 't', STATS_MEMORY_STAT, NULL, "kernel", 1 },
        { "MemoryMapped", 't', STATS_MEMORY_STAT, NULL, "file_mapped", 1 },
        { "MemorySwapCurrent", 't', STATS_MEMORY_SWAP_CURRENT, NULL, NULL, 1 },
        { "IOReadBytes", 't', STATS_IO_STAT, NULL, "rbytes", 1 },
        { "IOReadOperations", 't', STATS_IO_STAT, NULL, "rios", 1 },
        { "IOWriteBytes", 't', STATS_IO_STAT, NULL, "wbytes", 1 },
        { "IOWriteOperations", 't', STATS_IO_STAT, NULL, "wios", 1 },
        { "TasksCurrent", 't', STATS_PIDS_CURRENT, NULL, NULL, 1 },
        PRESSURE("CPU", STATS_CPU_PRESSURE),
        PRESSURE("Memory", STATS_MEMORY_PRESSURE),
        PRESSURE("IO", STATS_IO_PRESSURE),
};
const size_t n_stats_fields = G_N_ELEMENTS(stats_fields);

G_STATIC_ASSERT(G_N_ELEMENTS(stats_fields) <= STATS_FIELDS_MAX);
G_STATIC_ASSERT(STATS_N_FILES <= 32);

const char *stats_file_name(StatsFile file)
{
        return file_table[file].name;
}

static bool read_number(const char **text, uint64_t *ret)
{
        const char *p = *text;
        uint64_t value = 0;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                                __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
                        return false;
        if (p == *text)
                return false;

        *text = p;
        *ret = value;
        return true;
}

/* strtod(3) would read it as the locale has it. */
static bool read_decimal(const char *text, double *ret)
{
        uint64_t whole, fraction = 0;
        double divisor = 1;
        const char *digits;

        if (!read_number(&text, &whole))
                return false;
        if (*text == '.') {
                digits = ++text;
                if (!read_number(&text, &fraction))
                        return false;
                for (; digits < text; digits++)
                        divisor *= 10;
        }

        *ret = (double) whole + (double) fraction / divisor;
        return true;
}

static void set_t(StatsSample *sample, size_t i, uint64_t value)
{
        sample->values[i].t = value;
        sample->known |= UINT64_C(1) << i;
}

static void set_d(StatsSample *sample, size_t i, double value)
{
        sample->values[i].d = value;
        sample->known |= UINT64_C(1) << i;
}

static void take_value(StatsSample *sample, size_t i, const char *text)
{
        const StatsField *field = stats_fields + i;
        uint64_t value, sum = 0;
        double decimal;

        if (field->type == 'd') {
                if (read_decimal(text, &decimal))
                        set_d(sample, i, decimal);
                return;
        }

        if (!read_number(&text, &value) || __builtin_mul_overflow(value, field->unit, &value))
                return;
        if (stats_is_known(sample, i))
                sum = sample->values[i].t;
        if (!__builtin_add_overflow(sum, value, &sum))
                set_t(sample, i, sum);
}

/* What follows WORD and END in TEXT, or NULL when it does not begin with them. */
static const char *after(const char *text, const char *word, char end)
{
        for (; *word; word++, text++)
                if (*text != *word)
                        return NULL;
        return *text == end ? text + 1 : NULL;
}

/* The next word of the line that TEXT is in, or NULL. */
static const char *next_word(const char *text)
{
        for (; *text != ' '; text++)
                if (*text == '\n' || *text == '\0')
                        return NULL;
        return text + 1;
}

/* As a mask, so that lines nobody wants are compared with the few names of their file only. */
static uint64_t fields_of(StatsFile file)
{
        uint64_t fields = 0;

        for (size_t i = 0; i < n_stats_fields; i++)
                if (stats_fields[i].file == file)
                        fields |= UINT64_C(1) << i;
        return fields;
}

static void parse_key(uint64_t fields, const char *line, StatsSample *sample)
{
        for (; fields; fields &= fields - 1) {
                size_t i = (size_t) __builtin_ctzll(fields);
                const char *value = after(line, stats_fields[i].name, ' ');

                if (value)
                        take_value(sample, i, value);
        }
}

static void parse_row(uint64_t fields, const char *line, StatsSample *sample)
{
        for (const char *word = next_word(line); word; word = next_word(word))
                for (uint64_t left = fields; left; left &= left - 1) {
                        size_t i = (size_t) __builtin_ctzll(left);
                        const StatsField *field = stats_fields + i;
                        const char *value = after(word, field->name, '=');

                        if (value && (!field->row || after(line, field->row, ' ')))
                                take_value(sample, i, value);
                }
}

static void parse_number(uint64_t fields, const char *line, StatsSample *sample)
{
        take_value(sample, (size_t) __builtin_ctzll(fields), line);
}

void stats_parse(StatsFile file, const char *text, StatsSample *sample)
{
        static void (*const parse_line[])(uint64_t, const char *, StatsSample *) = {
                [FORMAT_NUMBER] = parse_number,
                [FORMAT_KEYS] = parse_key,
                [FORMAT_ROWS] = parse_row,
        };
        const Format format = file_table[file].format;
        const uint64_t fields = fields_of(file);

        /* no device in the file is a sum of 0, which is known */
        for (size_t i = 0; i < n_stats_fields; i++)
                if (format == FORMAT_ROWS && stats_fields[i].file == file && !stats_fields[i].row)
                        set_t(sample, i, 0);

        for (const char *line = text; *line;) {
                parse_line[format](fields, line, sample);
                line = strchrnul(line, '\n');
                line += *line == '\n';
        }
}

StatsFiles stats_files_none(void)
{
        StatsFiles none = { .cgroup_fd = -1 };

        for (size_t i = 0; i < STATS_N_FILES; i++)
                none.fds[i] = -1;
        return none;
}

void stats_files_close(StatsFiles *files)
{
        for (size_t i = 0; i < STATS_N_FILES; i++)
                files->fds[i] = safe_close(files->fds[i]);
        files->cgroup_fd = safe_close(files->cgroup_fd);
}

static int open_file(StatsFiles *files, StatsFile file)
{
        const uint32_t bit = UINT32_C(1) << file;

        if (files->absent & bit)
                return -ENOENT;

        files->fds[file] = openat(files->cgroup_fd, file_table[file].name, O_RDONLY | O_CLOEXEC);
        if (files->fds[file] >= 0)
                return 0;

        if (errno == ENOENT)
                files->absent |= bit;
        return -errno;
}

/* One read at offset 0 is all of the file as it is now, however long it has been open. */
static int read_file(StatsFiles *files, StatsFile file, char *text, size_t size)
{
        int r = files->fds[file] < 0 ? open_file(files, file) : 0;
        ssize_t n;

        if (r < 0)
                return r;

        n = pread(files->fds[file], text, size, 0);
        r = n < 0 ? -errno : 0;
        /* the file has gone from under us, and another of its name may come */
        if (r == -ENODEV)
                files->fds[file] = safe_close(files->fds[file]);
        if (r < 0)
                return r;
        if ((size_t) n == size)
                return -EFBIG;

        text[n] = '\0';
        return 0;
}

static uint64_t now_nsec(void)
{
        struct timespec now = { 0 };

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}

/* As opposed to what is there and could not be read, for want of descriptors or memory. */
static bool is_absent(int r)
{
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP || r == -EFBIG;
}

int stats_files_read(StatsFiles *files, StatsSample *ret)
{
        char text[STATS_FILE_SIZE_MAX];
        int r;

        ret->known = 0;
        ret->monotonic_nsec = now_nsec();
        set_t(ret, STATS_TIMESTAMP, (uint64_t) g_get_real_time());

        if (ret->monotonic_nsec - files->looked_nsec >= STATS_ABSENT_NSEC) {
                files->looked_nsec = ret->monotonic_nsec;
                files->absent = 0;
        }

        for (StatsFile file = STATS_COMPUTED + 1; file < STATS_N_FILES; file++) {
                r = read_file(files, file, text, sizeof text);
                /* it needs no controller: where it is not, there is no cgroup */
                if (r < 0 && file == STATS_CPU_STAT)
                        return r == -ENODEV ? -ENOENT : r;
                if (r < 0 && !is_absent(r))
                        return r;
                if (r >= 0)
                        stats_parse(file, text, ret);
        }

        return 0;
}

void stats_set_percent(StatsSample *sample, StatsPrevious *previous)
{
        uint64_t usage = sample->values[STATS_CPU_USAGE].t, now = sample->monotonic_nsec;
        double percent = 0;

        if (!stats_is_known(sample, STATS_CPU_USAGE))
                return;

        if (previous->monotonic_nsec != 0 && now > previous->monotonic_nsec && usage > previous->usage_nsec)
                percent = 100.0 * (double) (usage - previous->usage_nsec) /
                                (double) (now - previous->monotonic_nsec);
        set_d(sample, STATS_CPU_PERCENT, percent);
        *previous = (StatsPrevious){ .usage_nsec = usage, .monotonic_nsec = now };
}

static char *write_decimal(char *to, uint64_t value)
{
        char digits[sizeof "18446744073709551615"];
        size_t n = 0;

        do
                digits[n++] = (char) ('0' + value % 10);
        while ((value /= 10) > 0);
        while (n > 0)
                *to++ = digits[--n];
        return to;
}

/* "%.2f" in no locale, of what is not negative. printf(3) takes ten times as long. */
static char *write_hundredths(char *to, double value)
{
        uint64_t hundredths = UINT64_MAX;

        if (value < (double) UINT64_MAX / 100)
                hundredths = (uint64_t) (value * 100 + 0.5);

        to = write_decimal(to, hundredths / 100);
        *to++ = '.';
        *to++ = (char) ('0' + hundredths / 10 % 10);
        *to++ = (char) ('0' + hundredths % 10);
        return to;
}

int stats_to_json(const StatsSample *sample, char *buffer, size_t size, size_t *ret_length)
{
        const char *separator = "{\"";
        char *to = buffer;

        for (size_t i = 0; i < n_stats_fields; i++) {
                const StatsField *field = stats_fields + i;

                if (!stats_is_known(sample, i))
                        continue;
                if (size - (size_t) (to - buffer) < strlen(field->key) + JSON_BESIDE_KEY_MAX)
                        return -ENOBUFS;

                to = stpcpy(stpcpy(stpcpy(to, separator), field->key), "\":");
                to = field->type == 'd' ? write_hundredths(to, sample->values[i].d)
                                        : write_decimal(to, sample->values[i].t);
                separator = ",\"";
        }

        if (to == buffer)
                return -ENOBUFS;
        to = stpcpy(to, "}\n");
        *ret_length = (size_t) (to - buffer);
        return 0;
}
