/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define NSEC_PER_SEC INT64_C(1000000000)

/* '0' stands for any digit. */
static const char fine_form[] = "0000-00-00T00:00:00.000000000Z ";
#define SECONDS_SIZE 19U /* of it, up to the seconds */

static bool matches(const char *form, const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (form[i] == '0' ? !g_ascii_isdigit(text[i]) : text[i] != form[i])
                        return false;

        return true;
}

bool timestamp_is_fine_prefix(const char *text, size_t size)
{
        return size <= TIMESTAMP_FINE_SIZE && matches(fine_form, text, size);
}

static int number(const char *text, size_t digits)
{
        int value = 0;

        for (size_t i = 0; i < digits; i++)
                value = value * 10 + (text[i] - '0');

        return value;
}

static int parse_seconds(const char *text, int64_t *ret)
{
        struct tm tm = {
                .tm_year = number(text, 4) - 1900,
                .tm_mon = number(text + 5, 2) - 1,
                .tm_mday = number(text + 8, 2),
                .tm_hour = number(text + 11, 2),
                .tm_min = number(text + 14, 2),
                .tm_sec = number(text + 17, 2),
        };

        if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
                        tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_year < 70 || tm.tm_year > 300)
                return -EBADMSG;

        *ret = timegm(&tm);
        return 0;
}

/* ".5" is 500000000. Advances POS. */
static int parse_fraction(const char *text, size_t size, size_t *pos, int64_t *ret)
{
        int64_t value = 0, unit = NSEC_PER_SEC;
        size_t i = *pos;

        if (i < size && text[i] == '.') {
                for (i++; i < size && g_ascii_isdigit(text[i]); i++) {
                        if (unit == 1)
                                return -EBADMSG;
                        unit /= 10;
                        value += (text[i] - '0') * unit;
                }
                if (i < size && unit == NSEC_PER_SEC)
                        return -EBADMSG;
        }

        *pos = i;
        *ret = value;
        return 0;
}

/* "Z" or "+01:00". Advances POS; returns 0 when there is not enough of it, else 1. */
static int parse_zone(const char *text, size_t size, size_t *pos, int64_t *ret_seconds)
{
        static const char form[] = "00:00";
        const char *zone = text + *pos;
        size_t left = size - *pos;

        *ret_seconds = 0;
        if (left == 0)
                return 0;
        if (*zone == 'Z') {
                *pos += 1;
                return 1;
        }
        if (*zone != '+' && *zone != '-')
                return -EBADMSG;
        if (!matches(form, zone + 1, MIN(left - 1, sizeof form - 1)))
                return -EBADMSG;
        if (left < sizeof form)
                return 0;

        *ret_seconds = (number(zone + 1, 2) * 60 + number(zone + 4, 2)) * (*zone == '-' ? -60 : 60);
        *pos += sizeof form;
        return 1;
}

int timestamp_parse(const char *text, size_t size, int64_t *ret_nsec)
{
        int64_t seconds = 0, fraction = 0, zone = 0;
        size_t pos = SECONDS_SIZE;
        int r;

        if (!matches(fine_form, text, MIN(size, SECONDS_SIZE)))
                return -EBADMSG;
        if (size < SECONDS_SIZE)
                return 0;

        r = parse_seconds(text, &seconds);
        if (r < 0)
                return r;
        r = parse_fraction(text, size, &pos, &fraction);
        if (r < 0)
                return r;
        r = parse_zone(text, size, &pos, &zone);
        if (r <= 0)
                return r;
        if (pos == size)
                return 0;
        if (text[pos] != ' ')
                return -EBADMSG;

        *ret_nsec = (seconds - zone) * NSEC_PER_SEC + fraction;
        return (int) pos + 1;
}

char *timestamp_to_api(int64_t nsec)
{
        return g_strdup_printf("%" PRId64 ".%09" PRId64, nsec / NSEC_PER_SEC, nsec % NSEC_PER_SEC);
}
