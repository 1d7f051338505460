/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#ifdef FAULT_INJECTION

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULT_NAME(symbol, name) name,
static const char *const names[] = { FAULT_POINTS(FAULT_NAME) };

/* How often each place was passed. A build for tests only may keep that in the process. */
static unsigned passed[FAULT_MAX];

/* Plain C, since the supervisor has no GLib. */
void fault_point(FaultPoint point)
{
        size_t length = strlen(names[point]);
        unsigned long wanted;
        char text[128];
        ssize_t n;
        int fd;

        passed[point]++;
        fd = open(FAULT_FILE, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        n = read(fd, text, sizeof text - 1);
        (void) close(fd);
        if (n <= 0)
                return;

        text[n] = '\0';
        if (strncmp(text, names[point], length) != 0 || (text[length] != '\n' && text[length] != ' '))
                return;
        wanted = text[length] == ' ' ? strtoul(text + length, NULL, 10) : 1;
        if (passed[point] != wanted)
                return;

        (void) unlink(FAULT_FILE);
        (void) kill(getpid(), SIGKILL);
}

#endif
