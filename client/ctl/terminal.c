/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "pager.h"

static bool size_of(int fd, TerminalSize *ret)
{
        struct winsize size;

        if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
                return false;

        *ret = (TerminalSize){ .rows = size.ws_row, .columns = size.ws_col };
        return true;
}

bool terminal_size(TerminalSize *ret)
{
        return size_of(STDOUT_FILENO, ret) || size_of(STDIN_FILENO, ret);
}

unsigned terminal_width(void)
{
        const char *columns = getenv("COLUMNS");
        TerminalSize size;

        if (!pager_is_open() && !isatty(STDOUT_FILENO))
                return 0;
        if (columns && atoi(columns) > 0)
                return (unsigned) atoi(columns);

        return pager_is_open() ? pager_width() : size_of(STDOUT_FILENO, &size) ? size.columns : 80;
}

bool terminal_has_colour(void)
{
        const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

        return (pager_is_open() || isatty(STDOUT_FILENO)) && (!no_colour || *no_colour == '\0') && term &&
                        strcmp(term, "dumb") != 0;
}

bool terminal_is_utf8(void)
{
        return g_get_charset(NULL);
}

const char *terminal_colour(const char *code)
{
        return terminal_has_colour() ? code : "";
}

/* What standard input was before, to be put back whatever ends the program but a signal that cannot be
 * caught. */
static struct termios saved_mode;
static bool is_raw;

void terminal_restore(void)
{
        if (is_raw)
                (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_mode);
        is_raw = false;
}

int terminal_set_raw(void)
{
        struct termios raw;

        if (is_raw || !isatty(STDIN_FILENO))
                return 0;
        if (tcgetattr(STDIN_FILENO, &saved_mode) < 0)
                return -errno;

        raw = saved_mode;
        cfmakeraw(&raw);
        if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
                return -errno;
        is_raw = true;
        (void) atexit(terminal_restore);
        return 0;
}
