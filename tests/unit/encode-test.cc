/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encode.h"

#include <cctype>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <systemd/sd-bus.h>

namespace
{

std::string encode(const std::string &id)
{
        g_autofree char *label = nullptr;
        int r = label_from_id(id.c_str(), &label);

        return r < 0 ? g_strerror(-r) : label;
}

TEST(Label, IsThatOfSdBus)
{
        EXPECT_EQ(encode("web"), "web");
        EXPECT_EQ(encode("1web"), "_31web");
        EXPECT_EQ(encode("a1"), "a1");
        EXPECT_EQ(encode("my task"), "my_20task");
        EXPECT_EQ(encode("alloc/task"), "alloc_2ftask");
        EXPECT_EQ(encode("a_b"), "a_5fb");
        EXPECT_EQ(encode(".."), "_2e_2e");
        EXPECT_EQ(encode("../../etc"), "_2e_2e_2f_2e_2e_2fetc");
        EXPECT_EQ(encode("ü"), "_c3_bc");
        EXPECT_EQ(encode("a\nb"), "a_0ab");
}

/* Whatever the id is, the label is one harmless path component and decodes to the id. */
TEST(Label, IsSafeAndReversible)
{
        for (int byte = 1; byte < 256; byte++) {
                std::string id = { 'x', (char) byte, (char) byte };
                std::string label = encode(id);
                g_autofree char *decoded = nullptr;

                ASSERT_FALSE(label.empty());
                for (char c : label)
                        ASSERT_TRUE(c == '_' || isalnum((unsigned char) c)) << label;
                ASSERT_GT(sd_bus_path_decode(("/p/" + label).c_str(), "/p", &decoded), 0);
                EXPECT_EQ(decoded, id);
        }
}

TEST(Label, LengthEdges)
{
        EXPECT_EQ(encode(std::string(LABEL_LENGTH_MAX, 'a')).size(), LABEL_LENGTH_MAX);
        EXPECT_EQ(encode(std::string(LABEL_LENGTH_MAX + 1, 'a')), g_strerror(ENAMETOOLONG));
        EXPECT_EQ(encode(std::string(4096, 'a')), g_strerror(ENAMETOOLONG));

        /* it is the label that counts: each '/' takes three bytes of it */
        EXPECT_EQ(encode(std::string(66, '/') + "aa").size(), 200U);
        EXPECT_EQ(encode(std::string(66, '/') + "aaa"), g_strerror(ENAMETOOLONG));
        EXPECT_EQ(encode(std::string(LABEL_LENGTH_MAX, '/')), g_strerror(ENAMETOOLONG));
}

TEST(Label, EmptyIsRefused)
{
        char *label = nullptr;

        EXPECT_EQ(label_from_id("", &label), -EINVAL);
        EXPECT_EQ(label, nullptr);
}

TEST(Label, FromPath)
{
        const char *label = nullptr;

        ASSERT_EQ(label_from_path("/org/x/task/web", "/org/x/task", &label), 0);
        EXPECT_STREQ(label, "web");

        label = nullptr;
        for (const char *bad : { "/org/x/task", "/org/x/task/", "/org/x/task/a/b", "/org/x/tasks/a",
                             "/org/x", "", "/", "/org/y/task/web" })
                EXPECT_EQ(label_from_path(bad, "/org/x/task", &label), -ENXIO) << bad;
        EXPECT_EQ(label, nullptr);
}

} // namespace
