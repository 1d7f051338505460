/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-config.h"

#include <gtest/gtest.h>

namespace
{

const char *refusal(const char *name)
{
        g_autoptr(GHashTable) fields = g_hash_table_new(g_str_hash, g_str_equal);

        (void) g_hash_table_insert(fields, (void *) name, (void *) "value");
        return log_invalid_fields(&fields);
}

TEST(LogFields, NamesOfAClient)
{
        for (const char *name : { "A", "NOMAD_JOB", "NOMAD_ALLOC_ID", "NOMAD_TASK_NAME", "X_1", "UNITS",
                             "TIDE", "PRIORITY_OF_MINE", "MESSAGES", "COREDUMP", "OBJECT", "USER", "JOB" })
                EXPECT_EQ(refusal(name), nullptr) << name;
}

/* By these an entry would be taken for systemd's own, for another unit's, or for a crash. */
TEST(LogFields, NamesThatOthersTrust)
{
        for (const char *name : { "MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID",
                             "SYSLOG_FACILITY", "SYSLOG_RAW", "NOMAD_TASK_ID", "NOMAD_STREAM",
                             "OBJECT_SYSTEMD_UNIT", "OBJECT_PID", "COREDUMP_UNIT", "COREDUMP_PID", "UNIT",
                             "USER_UNIT", "UNIT_RESULT", "INVOCATION_ID", "USER_INVOCATION_ID", "JOB_ID",
                             "JOB_RESULT", "CODE_FILE", "ERRNO", "TID", "AUDIT_FIELD_X", "DOCUMENTATION",
                             "SESSION_ID", "USER_ID" })
                EXPECT_STREQ(refusal(name),
                                "has a name that systemd, journald or this service gives a meaning to")
                                << name;
}

TEST(LogFields, NamesThatAreNone)
{
        for (const char *name : { "", "_PID", "_SYSTEMD_UNIT", "__CURSOR", "1A", "a", "A-B", "A=B", "A\nB",
                             "\xc3\x84" })
                EXPECT_STREQ(refusal(name), "has a name that is not one of a journal field") << name;
        EXPECT_STREQ(refusal(std::string(LOG_FIELD_NAME_MAX + 1, 'A').c_str()),
                        "has a name that is too long");
        EXPECT_EQ(refusal(std::string(LOG_FIELD_NAME_MAX, 'A').c_str()), nullptr);
}

} // namespace
