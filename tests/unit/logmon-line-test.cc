/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "line.h"

#include <gtest/gtest.h>
#include <string>

namespace
{

size_t length(const std::string &data, size_t max)
{
        return line_length(data.data(), data.size(), max);
}

TEST(Line, LengthHasTheNewline)
{
        EXPECT_EQ(length("ab\ncd\n", 100), 3U);
        EXPECT_EQ(length("\n", 100), 1U);
}

TEST(Line, AnUnfinishedLineHasNoLength)
{
        EXPECT_EQ(length("", 100), 0U);
        EXPECT_EQ(length("ab", 100), 0U);
}

TEST(Line, ALineIsCutAtTheMaximum)
{
        EXPECT_EQ(length("abc", 3), 3U);
        EXPECT_EQ(length("ab\n", 3), 3U);
        EXPECT_EQ(length("abc\n", 3), 3U);
        EXPECT_EQ(length("ab", 3), 0U);
}

TEST(Line, NulIsAnOrdinaryByte)
{
        const std::string data("a\0b\nc", 5);

        EXPECT_EQ(length(data, 100), 4U);
        EXPECT_EQ(line_complete(data.data(), data.size()), 4U);
}

TEST(Line, CompleteLines)
{
        EXPECT_EQ(line_complete("a\nb\nc", 5), 4U);
        EXPECT_EQ(line_complete("abc", 3), 0U);
        EXPECT_EQ(line_complete(nullptr, 0), 0U);
}

TEST(Line, Count)
{
        EXPECT_EQ(line_count("", 0), 0U);
        EXPECT_EQ(line_count("\n\n", 2), 2U);
        EXPECT_EQ(line_count("a\nb", 3), 2U);
}

int take(const std::string &line, std::string *rest)
{
        const char *data = line.data();
        size_t size = line.size();
        int priority = line_take_priority(&data, &size);

        *rest = std::string(data, size);
        return priority;
}

TEST(Line, PriorityPrefix)
{
        std::string rest;

        EXPECT_EQ(take("<0>a", &rest), 0);
        EXPECT_EQ(rest, "a");
        EXPECT_EQ(take("<7>", &rest), 7);
        EXPECT_EQ(rest, "");
}

TEST(Line, NoPriorityPrefix)
{
        std::string rest;

        for (const char *line : { "", "<", "<3", "<8>a", "<-1>a", "<31>a", " <3>a", "<a>" }) {
                EXPECT_EQ(take(line, &rest), -1) << line;
                EXPECT_EQ(rest, line);
        }
}

} // namespace
