/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <clocale>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "format.h"
#include "table.h"

/* The tables of nomad-executorctl, at any width. */

static const Column columns[] = {
        { "ID", false, 4 },
        { "STATE", false, 0 },
        { "SIZE", true, 0 },
        { "COMMAND", false, 7 },
};

static std::string take(char *text)
{
        std::unique_ptr<char, decltype(&g_free)> owner(text, g_free);

        return text ? text : "(none)";
}

static std::string format(const std::vector<std::string> &cells, unsigned width, bool legend = true)
{
        Table *table = table_new(columns, 4);

        for (const auto &cell : cells)
                table_add(table, g_strdup(cell.c_str()), nullptr);
        GString *text = table_format(table, width, legend);
        std::string result = text->str;
        g_string_free(text, TRUE);
        table_free(table);
        return result;
}

static std::vector<std::string> lines_of(const std::string &text)
{
        std::istringstream stream(text);
        std::vector<std::string> lines;
        std::string line;

        while (std::getline(stream, line))
                lines.push_back(line);
        return lines;
}

class ClientTable : public testing::Test
{
      protected:
        void SetUp() override
        {
                ASSERT_NE(setlocale(LC_ALL, "C.UTF-8"), nullptr);
        }

        const std::vector<std::string> rows = { "web", "running", "1.5M", "/usr/bin/python3",
                "a-very-long-id-indeed", "exited", "12B", "/bin/sh" };
};

TEST_F(ClientTable, AsWideAsItsContent)
{
        EXPECT_EQ(format(rows, 0),
                        "ID                     STATE    SIZE  COMMAND\n"
                        "web                    running  1.5M  /usr/bin/python3\n"
                        "a-very-long-id-indeed  exited    12B  /bin/sh\n");
        EXPECT_EQ(format(rows, 200), format(rows, 0));
        EXPECT_EQ(format({}, 0), "ID  STATE  SIZE  COMMAND\n");
        EXPECT_EQ(format({}, 0, false), "");
}

TEST_F(ClientTable, TheWidestIsCutFirst)
{
        EXPECT_EQ(format(rows, 40),
                        "ID           STATE    SIZE  COMMAND\n"
                        "web          running  1.5M  /usr/bin/py…\n"
                        "a-very-lon…  exited    12B  /bin/sh\n");
}

/* At no width does a line break, and the first column stays. */
TEST_F(ClientTable, FitsEveryWidth)
{
        for (unsigned width = 1; width <= 80; width++)
                for (const auto &line : lines_of(format(rows, width))) {
                        EXPECT_LE(text_width(line.c_str()), width) << line;
                        EXPECT_GE(text_width(line.c_str()), MIN(width, 2U)) << line;
                }
        EXPECT_EQ(format(rows, 12),
                        "ID\n"
                        "web\n"
                        "a-very-long…\n");
}

TEST_F(ClientTable, WideAndCombiningCharacters)
{
        EXPECT_EQ(text_width("日本"), 4U);
        EXPECT_EQ(text_width("e\u0301"), 1U);
        EXPECT_EQ(take(text_ellipsize("日本語", 5)), "日本…");
        EXPECT_EQ(take(text_ellipsize("日本語", 4)), "日…");
        EXPECT_EQ(take(text_ellipsize("abc", 3)), "abc");
        EXPECT_EQ(take(text_ellipsize("abcd", 1)), "…");
        EXPECT_EQ(take(text_ellipsize("abcd", 0)), "");
}

/* What a task is called is not to move the cursor. */
TEST_F(ClientTable, NothingThatATerminalActsUpon)
{
        EXPECT_EQ(take(text_clean("a\033[2Jb\nc\td")), "a\\x1b[2Jb\\x0ac\\x09d");
        EXPECT_EQ(take(text_clean("\u202eabc")), "\\u202eabc");
        EXPECT_EQ(take(text_clean("bad\xff")), "bad\uFFFD");
        EXPECT_EQ(format({ "\033[1m", "s", "1", "c" }, 0, false), "\\x1b[1m  s  1  c\n");
}

TEST(ClientFormat, Bytes)
{
        EXPECT_EQ(take(format_bytes(0)), "0B");
        EXPECT_EQ(take(format_bytes(1023)), "1023B");
        EXPECT_EQ(take(format_bytes(1024)), "1.0K");
        EXPECT_EQ(take(format_bytes(1536)), "1.5K");
        EXPECT_EQ(take(format_bytes(UINT64_C(200) << 20)), "200M");
        EXPECT_EQ(take(format_bytes(UINT64_MAX)), "(none)");
}

TEST(ClientFormat, Times)
{
        EXPECT_EQ(take(format_span(59999999)), "59s");
        EXPECT_EQ(take(format_span(61000000)), "1min 1s");
        EXPECT_EQ(take(format_span(UINT64_C(3720) * 1000000)), "1h 2min");
        EXPECT_EQ(take(format_span(UINT64_C(90000) * 1000000)), "1d 1h");
        EXPECT_EQ(take(format_cpu_time(1234567890)), "1.234s");
        EXPECT_EQ(take(format_cpu_time(UINT64_C(61000000000))), "1min 1s");
        EXPECT_EQ(take(format_signal(9)), "SIGKILL");
        EXPECT_EQ(take(format_signal(63)), "SIGRTMIN+29");
}

TEST(ClientFormat, ParsesTimes)
{
        const std::pair<const char *, uint64_t> times[] = {
                { "5", 5000000 },
                { "0", 0 },
                { "0.5", 500000 },
                { "250ms", 250000 },
                { "2min", 120000000 },
                { "1h", UINT64_C(3600000000) },
                { "infinity", UINT64_MAX },
        };
        uint64_t usec = 1;

        for (const auto &[text, expected] : times) {
                EXPECT_TRUE(parse_seconds(text, &usec)) << text;
                EXPECT_EQ(usec, expected) << text;
        }
        for (const char *text : { "", "x", "5x", "-1", "nan", "1e30", "5 s" })
                EXPECT_FALSE(parse_seconds(text, &usec)) << text;
}
