/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <cstdio>
#include <gtest/gtest.h>
#include <nss.h>
#include <pwd.h>
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

/* As the system's databases have it, in which files come first. */
TEST_F(CredentialsTest, RootIsKnownWithoutThem)
{
        Credentials root = {};
        bool known = false;

        /* now and then the kernel has the path not at hand, as while something is mounted */
        for (int i = 0; i < 1000 && !known; i++)
                known = credentials_lookup_root(nullptr, "7", &root);
        EXPECT_EQ(known, geteuid() == 0);
        EXPECT_FALSE(credentials_lookup_root("daemon", nullptr, &credentials));
        EXPECT_FALSE(credentials_lookup_root("1", nullptr, &credentials));
        EXPECT_FALSE(credentials_lookup_root("root", "daemon", &credentials)) << "a group to be looked up";
        if (!known)
                return;

        ASSERT_EQ(credentials_lookup(nullptr, "root", "7", &credentials, &error), 0) << error.message;
        EXPECT_STREQ(root.user, credentials.user);
        EXPECT_STREQ(root.home, credentials.home);
        EXPECT_STREQ(root.shell, credentials.shell);
        EXPECT_EQ(root.uid, 0U);
        EXPECT_EQ(root.gid, 7U);
        EXPECT_TRUE(g_strv_equal(root.groups, credentials.groups));
        credentials_clear(&root);
}

/* The files of a root, which has users of its own. Those who are not root can ask for themselves only. */
class UserFilesTest : public CredentialsTest
{
      protected:
        void TearDown() override
        {
                user_database_clear(&database);
                CredentialsTest::TearDown();
        }

        static void write_file(FILE **file, const std::string &text)
        {
                g_clear_pointer(file, fclose);
                *file = tmpfile();
                ASSERT_NE(*file, nullptr);
                ASSERT_GE(fputs(text.c_str(), *file), 0);
                ASSERT_EQ(fflush(*file), 0);
        }

        void write_files()
        {
                write_file(&database.passwd,
                                "# a comment\n\nhalf:x:12\nother:x:4000000001:7:::\nalice:x:" + own() +
                                                ":4000:Alice,,,:/home/alice:/bin/ash\n"
                                                "second:x:" +
                                                own() + ":5000::/home/second:\n");
                write_file(&database.group,
                                "alice:x:4000:\nbroken\nvideo:x:44:other,alice\naudio:x:63:other\n"
                                "own:x:4000:alice\nlast:x:4000000001:alicea,alice\nname:x:65:aalice\n");
        }

        int lookup(const char *user, const char *group)
        {
                credentials_clear(&credentials);
                credentials = {};
                sd_bus_error_free(&error);
                return credentials_lookup(&database, user, group, &credentials, &error);
        }

        std::string groups() const
        {
                g_autofree char *joined =
                                credentials.groups ? g_strjoinv(" ", credentials.groups) : g_strdup("none");

                return joined;
        }

        void expect_invalid(const char *user, const char *group, const std::string &message)
        {
                EXPECT_LT(lookup(user, group), 0);
                EXPECT_STREQ(error.name, BUS_ERROR_INVALID_SPEC);
                EXPECT_EQ(std::string(error.message ? error.message : ""), message);
        }

        UserDatabase database = {};
};

TEST_F(UserFilesTest, UserByNameHasWhatTheFilesSay)
{
        write_files();
        ASSERT_EQ(lookup("alice", nullptr), 0) << error.message;
        EXPECT_STREQ(credentials.user, "alice");
        EXPECT_EQ(credentials.uid, geteuid());
        EXPECT_EQ(credentials.gid, 4000U);
        EXPECT_STREQ(credentials.home, "/home/alice");
        EXPECT_STREQ(credentials.shell, "/bin/ash");
        EXPECT_EQ(groups(), "4000 44 4000000001");
        /* and again, from the start of the files */
        ASSERT_EQ(lookup("second", nullptr), 0) << error.message;
        EXPECT_EQ(credentials.gid, 5000U);
        EXPECT_STREQ(credentials.home, "/home/second");
        EXPECT_EQ(groups(), "5000");
        ASSERT_EQ(lookup("alice", nullptr), 0) << error.message;
        EXPECT_EQ(groups(), "4000 44 4000000001");
}

TEST_F(UserFilesTest, UserByNumberIsTheFirstWithIt)
{
        write_files();
        ASSERT_EQ(lookup(own().c_str(), nullptr), 0) << error.message;
        EXPECT_STREQ(credentials.user, "alice");
        EXPECT_EQ(credentials.gid, 4000U);
        EXPECT_EQ(groups(), "4000 44 4000000001");
        /* the service's own */
        ASSERT_EQ(lookup(nullptr, nullptr), 0) << error.message;
        EXPECT_STREQ(credentials.user, "alice");
}

TEST_F(UserFilesTest, GroupTakesThePlaceOfTheUsersOwn)
{
        write_files();
        ASSERT_EQ(lookup("alice", "audio"), 0) << error.message;
        EXPECT_EQ(credentials.gid, 63U);
        EXPECT_EQ(groups(), "63 44 4000 4000000001");
        ASSERT_EQ(lookup("alice", "4294967294"), 0) << error.message;
        EXPECT_EQ(credentials.gid, 4294967294U);
        EXPECT_EQ(groups(), "4294967294 44 4000 4000000001");
}

/* The host's are not those of the root. */
TEST_F(UserFilesTest, NamesThatTheFilesDoNotHave)
{
        write_files();
        ASSERT_NE(getpwuid(0), nullptr);
        expect_invalid("root", nullptr, "User 'root' is unknown");
        expect_invalid("half", nullptr, "User 'half' is unknown");
        expect_invalid("alic", nullptr, "User 'alic' is unknown");
        expect_invalid("alice", "root", "Group 'root' is unknown");
        expect_invalid("alice", "broken", "Group 'broken' is unknown");
        expect_invalid("4000000002", nullptr,
                        "User '4000000002' is not in the user database: Group is required");
        EXPECT_EQ(credentials.user, nullptr);
}

TEST_F(UserFilesTest, RootWithoutFiles)
{
        expect_invalid("root", nullptr, "User 'root' is unknown");
        expect_invalid(own().c_str(), "root", "Group 'root' is unknown");
        ASSERT_EQ(lookup(own().c_str(), "7"), 0) << error.message;
        EXPECT_EQ(credentials.user, own());
        EXPECT_EQ(credentials.gid, 7U);
        EXPECT_EQ(credentials.home, nullptr);
        EXPECT_EQ(credentials.shell, nullptr);
        EXPECT_EQ(groups(), "none");
        if (geteuid() == 0) {
                ASSERT_EQ(lookup("0", nullptr), 0) << error.message;
                EXPECT_EQ(credentials.gid, 0U);
        }
}

TEST_F(UserFilesTest, PasswordFileAlone)
{
        write_files();
        g_clear_pointer(&database.group, fclose);
        ASSERT_EQ(lookup("alice", nullptr), 0) << error.message;
        EXPECT_EQ(groups(), "4000");
        expect_invalid("alice", "video", "Group 'video' is unknown");
}

TEST_F(UserFilesTest, OnlyRootsServiceTakesAnother)
{
        int r;

        write_files();
        r = lookup("other", nullptr);
        if (geteuid() == 0) {
                EXPECT_EQ(r, 0) << error.message;
                EXPECT_EQ(credentials.uid, 4000000001U);
                EXPECT_EQ(groups(), "7 44 63");
        } else {
                EXPECT_LT(r, 0);
                EXPECT_STREQ(error.name, SD_BUS_ERROR_ACCESS_DENIED);
        }
}

} // namespace
