/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct TerminalSize {
        uint16_t rows, columns;
} TerminalSize;

/* Of standard output, or of standard input where output is elsewhere; false when neither is a terminal. */
bool terminal_size(TerminalSize *ret);
/* How wide text may be: that of the terminal at standard output ($COLUMNS wins), 0 for no limit. */
unsigned terminal_width(void);
/* Colours go to terminals that know them, unless $NO_COLOR is set. */
bool terminal_has_colour(void);
bool terminal_is_utf8(void);

/* Standard input in raw mode, if it is a terminal, until terminal_restore(), which is harmless to call at
 * any time. */
int terminal_set_raw(void);
void terminal_restore(void);

#define COLOUR_OFF    "\033[0m"
#define COLOUR_BOLD   "\033[1m"
#define COLOUR_DIM    "\033[2m"
#define COLOUR_RED    "\033[31m"
#define COLOUR_GREEN  "\033[32m"
#define COLOUR_YELLOW "\033[33m"

/* CODE, or nothing where there are no colours. */
const char *terminal_colour(const char *code);

G_END_DECLS
