/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <gtest/gtest.h>
#include <nss.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include "bus-error.h"
#include "cleanup.h"

namespace
{

class CredentialsTest : public testing::Test
{
      protected:
        void TearDown() override
        {
                sd_bus_error_free(&error);
                credentials_clear(&credentials);
        }

        std::string own() const
        {
                return std::to_string(geteuid());
        }

        Credentials credentials = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
};

TEST_F(CredentialsTest, UnknownNamesAreMistakesOfTheSpec)
{
        EXPECT_LT(credentials_lookup(nullptr, "there-is-no-such-user", nullptr, &credentials, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_INVALID_SPEC);
        EXPECT_NE(std::string(error.message).find("User"), std::string::npos);
        sd_bus_error_free(&error);
        EXPECT_LT(credentials_lookup(nullptr, own().c_str(), "there-is-no-such-group", &credentials, &error),
                        0);
        EXPECT_STREQ(error.name, BUS_ERROR_INVALID_SPEC);
        EXPECT_NE(std::string(error.message).find("Group"), std::string::npos);
}

TEST_F(CredentialsTest, NumericGroupNeedsNoDatabase)
{
        ASSERT_EQ(credentials_lookup(nullptr, own().c_str(), "4294967294", &credentials, &error), 0)
                        << error.message;
        EXPECT_EQ(credentials.gid, 4294967294U);
        EXPECT_EQ(credentials.uid, geteuid());
}

/* The user may well exist: that the database cannot be read is no mistake of the caller. */
TEST_F(CredentialsTest, DatabaseThatCannotBeRead)
{
        struct rlimit before = {}, none = {};

        /* another module after it would be the one that counts */
        ASSERT_EQ(__nss_configure_lookup("passwd", "files"), 0);
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
        none.rlim_max = before.rlim_max;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
        int r = credentials_lookup(nullptr, "daemon", nullptr, &credentials, &error);
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

        ASSERT_LT(r, 0);
        EXPECT_STRNE(error.name, BUS_ERROR_INVALID_SPEC) << error.message;
        EXPECT_NE(std::string(error.message).find("Cannot look up User 'daemon'"), std::string::npos)
                        << error.message;
}

} // namespace
