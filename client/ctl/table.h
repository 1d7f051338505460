/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

G_BEGIN_DECLS

/* Columns of text that fit a width: the widest of those that may shrink are cut, then columns are left out
 * from the right. */
typedef struct Column {
        const char *title;
        bool right;      /* numbers */
        unsigned shrink; /* the least width it may be cut to; 0: never cut */
} Column;

typedef struct Table Table;

Table *table_new(const Column *columns, size_t n_columns);
void table_free(Table *table);
/* Takes TEXT; NULL is "-". COLOUR is one of COLOUR_…, or NULL. Cells come row by row. */
void table_add(Table *table, char *text, const char *colour);
size_t table_rows(const Table *table);

/* WIDTH 0: no limit. */
GString *table_format(Table *table, unsigned width, bool legend);

/* Columns that TEXT takes on a terminal. */
unsigned text_width(const char *text);
/* TEXT in at most WIDTH columns, with "…" where something is missing. */
char *text_ellipsize(const char *text, unsigned width);
/* Without anything that a terminal would act upon. */
char *text_clean(const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

G_END_DECLS
