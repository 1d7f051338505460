/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <string.h>

#include "ctl.h"
#include "pager.h"

const Verb verbs[] = {
        { "run", "[OPTION…] -- COMMAND [ARGUMENT…]", "Start a task and stay with it until it ends",
                        verb_run },
        { "list", "[PATTERN…]", "List tasks", verb_list },
        { "status", "[ID…]", "Show how tasks are doing, with the end of their logs", verb_status },
        { "show", "ID…", "Show the properties of tasks, for programs", verb_show },
        { "wait", "ID…", "Wait until tasks end, exit with the status of the last", verb_wait },
        { "stop", "ID…", "Stop tasks", verb_stop },
        { "kill", "ID…", "Send a signal to tasks", verb_kill },
        { "exec", "ID COMMAND [ARGUMENT…]", "Run a command in a task", verb_exec },
        { "logs", "ID", "Print what a task has written", verb_logs },
        { "docker-logs", "CONTAINER", "Bring the output of a container to files and to the journal",
                        verb_docker_logs },
        { "stats", "[ID…]", "Show what tasks use", verb_stats },
        { "top", "", "Watch what tasks use, full screen", verb_top },
        { "set-property", "ID KEY=VALUE…", "Change the limits of a task", verb_set_property },
        { "freeze", "ID…", "Suspend all processes of tasks", verb_freeze },
        { "thaw", "ID…", "Let frozen tasks go on", verb_thaw },
        { "release", "ID…", "Forget tasks that have ended", verb_release },
        { "reattach", "ID|HANDLE", "Stay with a task that another client has started", verb_reattach },
        { "version", "", "Show the versions of this program and of the service", verb_version },
};
const size_t n_verbs = G_N_ELEMENTS(verbs);

static char *describe_verbs(void)
{
        GString *text = g_string_new("Commands:\n");

        for (size_t i = 0; i < n_verbs; i++)
                g_string_append_printf(text, "  %-14s %s\n", verbs[i].name, verbs[i].summary);
        g_string_append(text,
                        "\n" PROGRAM " COMMAND --help has more on each; the manual is " PROGRAM "(1).");
        return g_string_free(text, FALSE);
}

static const Verb *find_verb(const char *name)
{
        for (size_t i = 0; i < n_verbs; i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return verbs + i;

        return NULL;
}

static int run(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *description = describe_verbs();
        const Verb *verb;

        ctl->description = description;
        if (!ctl_parse(ctl, NULL, true, 0, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (ctl->version)
                return verb_version(ctl, 1, argv);
        if (argc < 2) {
                static char list[] = "list";
                char *only_list[] = { list, NULL };

                ctl->verb = list;
                return verb_list(ctl, 1, only_list);
        }

        verb = find_verb(argv[1]);
        ctl->verb = argv[1];
        if (!verb) {
                ctl->verb = NULL;
                return ctl_fail_text(ctl, STATUS_USAGE,
                                "There is no command '%s'; '" PROGRAM " --help' lists them", argv[1]);
        }
        return verb->run(ctl, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
        Ctl ctl = { 0 };
        int status;

        (void) setlocale(LC_ALL, "");
        g_set_prgname(PROGRAM);
        status = run(&ctl, argc, argv);
        pager_close();
        nx_connection_unref(ctl.connection);
        g_free(ctl.json_text);
        return status;
}
