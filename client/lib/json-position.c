/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-position.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

#define DEPTH_MAX 512U

static bool skip_value(const char **text, unsigned depth);

static void skip_space(const char **text)
{
        *text += strspn(*text, " \t\r\n");
}

static bool skip_char(const char **text, char c)
{
        skip_space(text);
        if (**text != c)
                return false;

        (*text)++;
        return true;
}

static bool skip_string(const char **text)
{
        if (!skip_char(text, '"'))
                return false;
        for (; **text != '"'; (*text)++) {
                if (**text == '\\')
                        (*text)++;
                if (**text == '\0')
                        return false;
        }

        (*text)++;
        return true;
}

static bool skip_word(const char **text)
{
        static const char *const words[] = { "true", "false", "null" };

        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (g_str_has_prefix(*text, words[i])) {
                        *text += strlen(words[i]);
                        return true;
                }

        return false;
}

static bool skip_number(const char **text)
{
        char *end;

        if (**text != '-' && !g_ascii_isdigit(**text))
                return false;
        (void) g_ascii_strtod(*text, &end);
        if (end == *text)
                return false;

        *text = end;
        return true;
}

/* "[a, b]", and with names "{"a": b}". */
static bool skip_list(const char **text, bool named, unsigned depth)
{
        (*text)++;
        if (skip_char(text, named ? '}' : ']'))
                return true;
        do {
                if (named && (!skip_string(text) || !skip_char(text, ':')))
                        return false;
                if (!skip_value(text, depth + 1))
                        return false;
        } while (skip_char(text, ','));

        return skip_char(text, named ? '}' : ']');
}

static bool skip_value(const char **text, unsigned depth)
{
        skip_space(text);
        if (depth > DEPTH_MAX)
                return false;
        if (**text == '{' || **text == '[')
                return skip_list(text, **text == '{', depth);
        if (**text == '"')
                return skip_string(text);

        return skip_word(text) || skip_number(text);
}

/* The first character that cannot be there; the end if there is too little, NULL if this is JSON. */
static const char *find_error(const char *text)
{
        if (!skip_value(&text, 0))
                return text;

        skip_space(&text);
        return *text == '\0' ? NULL : text;
}

static char *describe_position(const char *text, const char *where)
{
        const char *line = text;
        unsigned n_line = 1;

        for (const char *p = text; p < where; p++)
                if (*p == '\n') {
                        n_line++;
                        line = p + 1;
                }

        return g_strdup_printf("line %u, character %ld", n_line, g_utf8_strlen(line, where - line) + 1);
}

char *json_describe_error(const char *text, const GError *error)
{
        const char *wrong = find_error(text);
        g_autofree char *position = NULL;
        g_autofree char *shown = NULL;

        if (!wrong)
                return g_strdup(error->message);
        if (*wrong == '\0')
                return g_strdup("it ends too early");

        position = describe_position(text, wrong);
        shown = text_shorten(wrong, 1);
        return g_strdup_printf(
                        "%s cannot be '%.*s'", position, (int) (g_utf8_next_char(shown) - shown), shown);
}

/* Where the string ends whose first quote TEXT is at. NULL: it has a NUL character, and TEXT is moved
 * there. */
static const char *find_end_of_string(const char **text)
{
        for ((*text)++; **text != '\0' && **text != '"'; (*text)++) {
                if (g_str_has_prefix(*text, "\\u0000"))
                        return NULL;
                if (**text == '\\' && (*text)[1] != '\0')
                        (*text)++;
        }

        return **text == '"' ? *text + 1 : *text;
}

static bool is_in_range(const char *number, const char *end)
{
        g_autofree char *integer = g_strndup(number, (gsize) (end - number));

        return strpbrk(integer, ".eE") ||
                        g_ascii_string_to_signed(integer, 10, G_MININT64, G_MAXINT64, NULL, NULL);
}

char *json_describe_misread(const char *text)
{
        g_autofree char *position = NULL;
        const char *p = text, *end;

        while (*p != '\0') {
                if (*p == '"') {
                        end = find_end_of_string(&p);
                        if (!end) {
                                position = describe_position(text, p);
                                return g_strdup_printf("a NUL character at %s", position);
                        }
                } else if (*p == '-' || g_ascii_isdigit(*p)) {
                        end = p + strspn(p, "+-.0123456789Ee");
                        if (!is_in_range(p, end)) {
                                position = describe_position(text, p);
                                return g_strdup_printf("a number that is out of range at %s", position);
                        }
                } else
                        end = p + 1;
                p = end;
        }

        return NULL;
}
