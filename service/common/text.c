/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <string.h>

/* Longer words are compared with nothing, the time is their square. */
#define COMPARED_MAX 64U

char *text_shorten(const char *text, size_t max)
{
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *shown = g_string_new(NULL);
        size_t n = 0;

        for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p), n++) {
                if (n == max) {
                        g_string_append(shown, "…");
                        break;
                }
                g_string_append_unichar(
                                shown, g_unichar_iscntrl(g_utf8_get_char(p)) ? '?' : g_utf8_get_char(p));
        }

        return g_string_free(shown, FALSE);
}

static bool same(char a, char b)
{
        return g_ascii_tolower(a) == g_ascii_tolower(b);
}

/* How many letters are to be put in, left out, replaced, or exchanged with their neighbour. */
static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
        size_t d[COMPARED_MAX + 1][COMPARED_MAX + 1];

        for (size_t i = 0; i <= n_a; i++)
                for (size_t k = 0; k <= n_b; k++) {
                        if (i == 0 || k == 0) {
                                d[i][k] = i + k;
                                continue;
                        }
                        d[i][k] = d[i - 1][k - 1] + (same(a[i - 1], b[k - 1]) ? 0 : 1);
                        d[i][k] = MIN(d[i][k], MIN(d[i - 1][k], d[i][k - 1]) + 1);
                        if (i > 1 && k > 1 && same(a[i - 1], b[k - 2]) && same(a[i - 2], b[k - 1]))
                                d[i][k] = MIN(d[i][k], d[i - 2][k - 2] + 1);
                }

        return d[n_a][n_b];
}

bool text_is_near(const char *text, const char *name, size_t *distance)
{
        size_t n_text = strlen(text), n_name = strlen(name), found;

        if (n_text == 0 || n_text > COMPARED_MAX || n_name > COMPARED_MAX)
                return false;

        found = edit_distance(text, n_text, name, n_name);
        if (found > (n_name < 5 ? 1 : 2) || found >= *distance)
                return false;

        *distance = found;
        return true;
}
