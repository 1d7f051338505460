/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <map>
#include <string>

#include "cleanup.h"

namespace
{

const char *const names[] = {
        BUS_ERROR_NO_SUCH_TASK,
        BUS_ERROR_TASK_EXISTS,
        BUS_ERROR_INVALID_SPEC,
        BUS_ERROR_COMMAND_NOT_FOUND,
        BUS_ERROR_EXEC_FAILED,
        BUS_ERROR_SCOPE_FAILED,
        BUS_ERROR_LOG_FAILED,
        BUS_ERROR_NOT_RUNNING,
        BUS_ERROR_TASK_RUNNING,
        BUS_ERROR_NO_SUCH_EXEC,
        BUS_ERROR_UNSUPPORTED,
        BUS_ERROR_LIMIT_EXCEEDED,
};

/* A name and its errno travel together: from one the other is found again. */
TEST(BusError, NameAndErrnoBothWays)
{
        std::map<int, std::string> seen;

        ASSERT_GE(bus_error_register(), 0);
        ASSERT_GE(bus_error_register(), 0) << "a second call is harmless";

        for (const char *name : names) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = sd_bus_error_setf(&error, name, "text");

                EXPECT_LT(r, 0) << name;
                EXPECT_EQ(sd_bus_error_get_errno(&error), -r) << name;
                EXPECT_TRUE(seen.emplace(r, name).second) << name << " and " << seen[r] << " share an errno";
        }
}

} // namespace
