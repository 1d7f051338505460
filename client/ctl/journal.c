/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <string.h>

static int add_matches(sd_journal *journal, const Ctl *ctl, const char *service, const char *match,
                const char *other)
{
        g_autofree char *unit =
                        g_strconcat(ctl->user ? "_SYSTEMD_USER_UNIT=" : "_SYSTEMD_UNIT=", service, NULL);
        const char *const matches[] = { unit, match, other };
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(matches) && matches[i]; i++) {
                r = sd_journal_add_match(journal, matches[i], 0);
                if (r < 0)
                        return r;
        }

        return 0;
}

int journal_add_service(sd_journal *journal, const Ctl *ctl, const char *service, const char *match,
                const char *other)
{
        int r;

        r = sd_journal_add_disjunction(journal);
        if (r < 0)
                return r;

        return add_matches(journal, ctl, service, match, other);
}

int journal_open_of_service(
                const Ctl *ctl, const char *service, const char *match, const char *other, sd_journal **ret)
{
        g_autoptr(sd_journal) journal = NULL;
        int r;

        r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);
        if (r < 0)
                return r;
        r = add_matches(journal, ctl, service, match, other);
        if (r < 0)
                return r;
        r = sd_journal_seek_tail(journal);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&journal);
        return 0;
}

int journal_get_field(sd_journal *journal, const char *name, const char **ret, size_t *ret_size)
{
        const void *data;
        size_t size;
        int r;

        r = sd_journal_get_data(journal, name, &data, &size);
        if (r < 0)
                return r;

        *ret = (const char *) data + strlen(name) + 1;
        *ret_size = size - strlen(name) - 1;
        return 0;
}
