/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <string.h>

#include "terminal.h"

#define GAP 2U

typedef struct Cell {
        char *text;
        const char *colour;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        GArray *cells;
};

static void cell_clear(void *data)
{
        g_free(((Cell *) data)->text);
}

Table *table_new(const Column *columns, size_t n_columns)
{
        Table *table = g_new0(Table, 1);

        table->columns = columns;
        table->n_columns = n_columns;
        table->cells = g_array_new(FALSE, TRUE, sizeof(Cell));
        g_array_set_clear_func(table->cells, cell_clear);
        return table;
}

void table_free(Table *table)
{
        g_array_unref(table->cells);
        g_free(table);
}

void table_add(Table *table, char *text, const char *colour)
{
        Cell cell = { .text = text_clean(text ? text : "-"), .colour = colour };

        g_free(text);
        g_array_append_val(table->cells, cell);
}

size_t table_rows(const Table *table)
{
        return table->cells->len / table->n_columns;
}

static unsigned char_width(gunichar c)
{
        if (g_unichar_iszerowidth(c))
                return 0;
        return g_unichar_iswide(c) ? 2 : 1;
}

unsigned text_width(const char *text)
{
        unsigned width = 0;

        for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
                width += char_width(g_utf8_get_char(p));
        return width;
}

char *text_clean(const char *text)
{
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *clean = g_string_new(NULL);

        for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);

                if (g_unichar_iscntrl(c))
                        g_string_append_printf(clean, "\\x%02x", c);
                else if (g_unichar_type(c) == G_UNICODE_FORMAT)
                        g_string_append_printf(clean, "\\u%04x", c); /* also turns the direction of text */
                else
                        g_string_append_unichar(clean, c);
        }

        return g_string_free(clean, FALSE);
}

char *text_ellipsize(const char *text, unsigned width)
{
        const char *mark = terminal_is_utf8() ? "…" : "~";
        GString *cut;
        unsigned used = 0;

        if (text_width(text) <= width)
                return g_strdup(text);
        if (width == 0)
                return g_strdup("");

        cut = g_string_new(NULL);
        for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);

                if (used + char_width(c) > width - 1)
                        break;
                used += char_width(c);
                g_string_append_unichar(cut, c);
        }
        g_string_append(cut, mark);
        return g_string_free(cut, FALSE);
}

static const Cell *cell_at(const Table *table, size_t row, size_t column)
{
        return &g_array_index(table->cells, Cell, row * table->n_columns + column);
}

static unsigned total(const unsigned *widths, size_t n)
{
        unsigned sum = n > 0 ? GAP * (unsigned) (n - 1) : 0;

        for (size_t i = 0; i < n; i++)
                sum += widths[i];
        return sum;
}

/* Takes one from the widest column that may be cut; false when none may. */
static bool shrink(const Table *table, unsigned *widths, size_t n)
{
        size_t widest = n;

        for (size_t i = 0; i < n; i++)
                if (table->columns[i].shrink > 0 && widths[i] > table->columns[i].shrink &&
                                (widest == n || widths[i] > widths[widest]))
                        widest = i;
        if (widest == n)
                return false;

        widths[widest]--;
        return true;
}

static unsigned natural_width(const Table *table, size_t column, bool legend)
{
        unsigned width = legend ? text_width(table->columns[column].title) : 0;

        for (size_t row = 0; row < table_rows(table); row++)
                width = MAX(width, text_width(cell_at(table, row, column)->text));
        return width;
}

/* How wide each column is; the result is how many there is room for. */
static size_t fit(const Table *table, unsigned width, bool legend, unsigned *widths)
{
        for (size_t n = table->n_columns; n > 0; n--) {
                for (size_t i = 0; i < n; i++)
                        widths[i] = natural_width(table, i, legend);
                while (width > 0 && total(widths, n) > width && shrink(table, widths, n))
                        ;
                if (width == 0 || total(widths, n) <= width)
                        return n;
        }

        widths[0] = width;
        return 1;
}

static void add_cell(GString *text, const Column *column, const char *content, unsigned width, bool last)
{
        g_autofree char *shown = text_ellipsize(content, width);
        unsigned padding = width - text_width(shown);

        if (column->right)
                g_string_append_printf(text, "%*s", (int) padding, "");
        g_string_append(text, shown);
        if (!column->right && !last)
                g_string_append_printf(text, "%*s", (int) padding, "");
        if (!last)
                g_string_append_printf(text, "%*s", (int) GAP, "");
}

GString *table_format(Table *table, unsigned width, bool legend)
{
        g_autofree unsigned *widths = g_new0(unsigned, table->n_columns);
        size_t n = fit(table, width, legend, widths);
        GString *text = g_string_new(NULL);

        if (legend) {
                g_string_append(text, terminal_colour(COLOUR_BOLD));
                for (size_t i = 0; i < n; i++)
                        add_cell(text, table->columns + i, table->columns[i].title, widths[i], i + 1 == n);
                g_string_append_printf(text, "%s\n", terminal_colour(COLOUR_OFF));
        }
        for (size_t row = 0; row < table_rows(table); row++) {
                for (size_t i = 0; i < n; i++) {
                        const Cell *cell = cell_at(table, row, i);
                        const char *colour = cell->colour ? terminal_colour(cell->colour) : "";

                        g_string_append(text, colour);
                        add_cell(text, table->columns + i, cell->text, widths[i], i + 1 == n);
                        if (*colour != '\0')
                                g_string_append(text, COLOUR_OFF);
                }
                g_string_append_c(text, '\n');
        }

        return text;
}
