/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

char *format_bytes(uint64_t bytes)
{
        static const char units[] = "BKMGTPE";
        double value = (double) bytes;
        size_t unit = 0;

        if (bytes == UINT64_MAX)
                return NULL;
        for (; value >= 1024 && units[unit + 1] != '\0'; unit++)
                value /= 1024;

        return g_strdup_printf(unit == 0 || value >= 99.95 ? "%.0f%c" : "%.1f%c", value, units[unit]);
}

char *format_span(uint64_t usec)
{
        uint64_t seconds = usec / G_USEC_PER_SEC;

        if (usec == UINT64_MAX)
                return NULL;
        if (seconds < 60)
                return g_strdup_printf("%" PRIu64 "s", seconds);
        if (seconds < 3600)
                return g_strdup_printf("%" PRIu64 "min %" PRIu64 "s", seconds / 60, seconds % 60);
        if (seconds < 86400)
                return g_strdup_printf("%" PRIu64 "h %" PRIu64 "min", seconds / 3600, seconds / 60 % 60);
        return g_strdup_printf("%" PRIu64 "d %" PRIu64 "h", seconds / 86400, seconds / 3600 % 24);
}

char *format_cpu_time(uint64_t nsec)
{
        uint64_t msec = nsec / 1000000;

        if (nsec == UINT64_MAX)
                return NULL;
        if (msec < 60000)
                return g_strdup_printf("%" PRIu64 ".%03" PRIu64 "s", msec / 1000, msec % 1000);
        return format_span(nsec / 1000);
}

char *format_timestamp(uint64_t usec)
{
        g_autoptr(GDateTime) time = NULL;

        if (usec == 0 || usec == UINT64_MAX)
                return NULL;
        time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
        return time ? g_date_time_format(time, "%F %T") : NULL;
}

const char *value_string(const nx_values *values, const char *name)
{
        const char *value;

        return nx_values_get_string(values, name, &value) < 0 ? "" : value;
}

uint64_t value_uint64(const nx_values *values, const char *name)
{
        uint64_t value;

        return nx_values_get_uint64(values, name, &value) < 0 ? UINT64_MAX : value;
}

int value_int(const nx_values *values, const char *name)
{
        int value;

        return nx_values_get_int(values, name, &value) < 0 ? -1 : value;
}

bool has_ended(const nx_values *properties)
{
        const char *state = value_string(properties, "State");

        return strcmp(state, "exited") == 0 || strcmp(state, "lost") == 0;
}

char *format_signal(int number)
{
        const char *name = number > 0 && number < SIGRTMIN ? sigabbrev_np(number) : NULL;

        if (number >= SIGRTMIN && number <= SIGRTMAX)
                return g_strdup_printf("SIGRTMIN+%d", number - SIGRTMIN);
        return name ? g_strdup_printf("SIG%s", name) : g_strdup_printf("signal %d", number);
}

char *format_end(const nx_values *properties)
{
        const char *result = value_string(properties, "Result");

        if (strcmp(result, "") == 0)
                return NULL;
        if (strcmp(result, "exit-code") == 0)
                return g_strdup_printf("exit %d", value_int(properties, "ExitCode"));
        if (strcmp(result, "signal") == 0)
                return format_signal(value_int(properties, "ExitSignal"));
        if (strcmp(result, "oom-kill") == 0)
                return g_strdup("out of memory");

        return g_strdup(result);
}

const char *colour_of_end(const nx_values *properties)
{
        const char *result = value_string(properties, "Result");

        return *result == '\0' || strcmp(result, "success") == 0 ? NULL : COLOUR_RED;
}

const char *colour_of_state(const char *state)
{
        if (strcmp(state, "running") == 0)
                return COLOUR_GREEN;
        if (strcmp(state, "lost") == 0)
                return COLOUR_RED;
        return strcmp(state, "exited") == 0 ? COLOUR_DIM : COLOUR_YELLOW;
}

bool parse_seconds(const char *text, uint64_t *ret_usec)
{
        static const struct {
                const char *unit;
                double usec;
        } units[] = {
                { "", 1e6 },
                { "s", 1e6 },
                { "ms", 1e3 },
                { "m", 60e6 },
                { "min", 60e6 },
                { "h", 3600e6 },
        };
        double number;
        char *end;

        if (strcmp(text, "infinity") == 0) {
                *ret_usec = UINT64_MAX;
                return true;
        }
        number = g_ascii_strtod(text, &end);
        for (size_t i = 0; end != text && i < G_N_ELEMENTS(units); i++) {
                if (strcmp(units[i].unit, end) != 0)
                        continue;
                if (!(number >= 0 && number * units[i].usec < 1e18))
                        return false;
                *ret_usec = (uint64_t) (number * units[i].usec);
                return true;
        }

        return false;
}
