/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nomad-lookup: asks the system's databases for users and groups, which may take for ever, in place of
 * nomad-executord, which kills it then; see lookup.h. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "credentials.h"
#include "lookup-message.h"
#include "protocol.h"

static JsonObject *look_up(JsonObject *request)
{
        g_autoptr(JsonObject) answer = json_object_new();
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(Credentials) credentials = { 0 };
        int r;

        r = credentials_lookup(NULL, json_object_get_string_member_with_default(request, LOOKUP_USER, NULL),
                        json_object_get_string_member_with_default(request, LOOKUP_GROUP, NULL),
                        &credentials, &error);
        if (r < 0) {
                json_object_set_string_member(answer, LOOKUP_ERROR, error.name);
                json_object_set_string_member(answer, LOOKUP_TEXT, error.message);
        } else
                json_object_set_member(answer, LOOKUP_CREDENTIALS,
                                options_to_json(credentials_options, n_credentials_options, &credentials,
                                                UINT64_MAX));
        return g_steal_pointer(&answer);
}

static int serve_one(void)
{
        g_autoptr(JsonObject) request = NULL, answer = NULL;
        uint64_t sequence;
        int r;

        r = lookup_message_receive(LOOKUP_SOCKET_FD, 0, &sequence, &request);
        if (r < 0)
                return r;

        answer = look_up(request);
        return lookup_message_send(LOOKUP_SOCKET_FD, 0, sequence, answer);
}

/* Before this process asked for the signal: there may be a request all the same. */
static bool has_been_left(void)
{
        struct pollfd poll_fd = { .fd = LOOKUP_SOCKET_FD, .events = POLLIN };

        return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLHUP;
}

int main(void)
{
        int r;

        /* a name service may start programs, which are not to keep it */
        if (fcntl(LOOKUP_SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0) {
                (void) fputs("nomad-lookup is started by nomad-executord.\n", stderr);
                return EXIT_FAILURE;
        }
        /* what hangs does not see the end of its socket */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (has_been_left())
                return EXIT_SUCCESS;
        (void) prctl(PR_SET_NAME, "nomad-lookup");

        do
                r = serve_one();
        while (r >= 0);
        return r == -ECONNRESET ? EXIT_SUCCESS : EXIT_FAILURE;
}
