/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cerrno>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <nomad-executor.h>
#include <string>

/* Handles as they come back from a disk: each that is of no use has a result of its own. */

static const std::string BOOT = "0123456789abcdef0123456789abcdef";
static const std::string WHOLE =
                "{\"version\":1,\"bus\":\"system\",\"id\":\"alloc/web\",\"object_path\":\"/org/nomad/"
                "Executor/task/alloc_2fweb\",\"boot_id\":\"" +
                BOOT + "\"}";

static std::string replaced(std::string text, const std::string &from, const std::string &to)
{
        size_t at = text.find(from);

        EXPECT_NE(at, std::string::npos) << from;
        return text.replace(at, from.size(), to);
}

/* The code, 0 for none, having checked that the errno is the one that goes with it. */
static int result_of(const char *json)
{
        const std::map<int, int> errnos = {
                { NX_ERROR_NO_HANDLE, ENODATA },
                { NX_ERROR_BAD_HANDLE, EBADMSG },
                { NX_ERROR_HANDLE_VERSION, EPROTONOSUPPORT },
        };
        nx_handle *handle = nullptr;
        nx_error *error = nullptr;
        int r = nx_handle_parse(json, &handle, &error);

        if (r >= 0) {
                EXPECT_EQ(error, nullptr);
                nx_handle_free(handle);
                return 0;
        }
        EXPECT_EQ(handle, nullptr);
        int code = nx_error_get_code(error);
        EXPECT_EQ(r, -errnos.at(code)) << json;
        EXPECT_STRNE(nx_error_get_message(error), "");
        nx_error_free(error);
        return code;
}

TEST(ClientHandle, RoundTrip)
{
        nx_handle *handle = nullptr;
        char *text = nullptr;

        ASSERT_EQ(nx_handle_parse(WHOLE.c_str(), &handle, nullptr), 0);
        EXPECT_EQ(nx_handle_get_bus(handle), NX_BUS_SYSTEM);
        EXPECT_STREQ(nx_handle_get_id(handle), "alloc/web");
        EXPECT_STREQ(nx_handle_get_object_path(handle), "/org/nomad/Executor/task/alloc_2fweb");
        EXPECT_EQ(nx_handle_get_boot_id(handle), BOOT);
        EXPECT_STREQ(nx_handle_get_invocation_id(handle), "");
        ASSERT_EQ(nx_handle_to_json(handle, &text), 0);
        EXPECT_EQ(text, WHOLE);
        free(text);
        nx_handle_free(handle);
}

TEST(ClientHandle, MembersThatALaterClientAddsAreIgnored)
{
        EXPECT_EQ(result_of(replaced(WHOLE, "{", "{\"new\":{\"a\":[]},").c_str()), 0);
        EXPECT_EQ(result_of(("\n " + WHOLE + "\n").c_str()), 0);
        EXPECT_EQ(result_of(replaced(WHOLE, "}", ",\"invocation_id\":\"" + BOOT + "\"}").c_str()), 0);
        EXPECT_EQ(result_of(replaced(WHOLE, "system", "user").c_str()), 0);
}

TEST(ClientHandle, Nothing)
{
        for (const char *json : { (const char *) nullptr, "", " \n", "null", "{}" })
                EXPECT_EQ(result_of(json), NX_ERROR_NO_HANDLE) << (json ? json : "NULL");
}

TEST(ClientHandle, AnotherVersion)
{
        EXPECT_EQ(result_of("{\"version\":2}"), NX_ERROR_HANDLE_VERSION);
        EXPECT_EQ(result_of(replaced(WHOLE, "\"version\":1", "\"version\":0").c_str()),
                        NX_ERROR_HANDLE_VERSION);
}

/* What another program has saved there, or half of ours. */
TEST(ClientHandle, Damaged)
{
        for (const char *json : { "{", "x", "[]", "1", "\"\"", "{\"version\":\"1\"}", "{\"version\":1}",
                             "{\"Pid\":17,\"Addr\":\"/tmp/plugin\"}" })
                EXPECT_EQ(result_of(json), NX_ERROR_BAD_HANDLE) << json;
        for (size_t length = 1; length < WHOLE.size(); length++)
                EXPECT_EQ(result_of(WHOLE.substr(0, length).c_str()), NX_ERROR_BAD_HANDLE) << length;
        const std::pair<const char *, const char *> damages[] = {
                { "\"system\"", "\"sytem\"" },
                { "\"system\"", "1" },
                { "\"alloc/web\"", "\"\"" },
                { "\"alloc/web\"", "null" },
                { "alloc_2fweb", "other" },
                { "/org/nomad", "/net/nomad" },
                { "0123456789abcdef0", "" },
                { "0123", "zzzz" },
        };
        for (const auto &[from, to] : damages)
                EXPECT_EQ(result_of(replaced(WHOLE, from, to).c_str()), NX_ERROR_BAD_HANDLE) << from << to;
        EXPECT_EQ(result_of(replaced(WHOLE, "}", ",\"invocation_id\":\"1\"}").c_str()), NX_ERROR_BAD_HANDLE);
}
