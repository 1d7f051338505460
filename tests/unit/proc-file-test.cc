/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proc-file.h"

#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>

namespace
{

TEST(ProcFile, FieldsOfStat)
{
        const char *text = "12 (a) b (c) S 4 5 6\n";

        EXPECT_STREQ(proc_stat_field(text, 3), "S 4 5 6\n") << "the name has spaces and parentheses";
        EXPECT_STREQ(proc_stat_field(text, 6), "6\n");
        EXPECT_EQ(proc_stat_field(text, 7), nullptr);
        EXPECT_EQ(proc_stat_field("12", 3), nullptr);
        EXPECT_EQ(proc_stat_field("", 3), nullptr);
}

std::string cgroup_path(const char *text)
{
        size_t length = 0;
        const char *path = proc_cgroup_path(text, &length);

        return path ? std::string(path, length) : "none";
}

TEST(ProcFile, PathOfTheUnifiedHierarchy)
{
        EXPECT_EQ(cgroup_path("0::/\n"), "/");
        EXPECT_EQ(cgroup_path("0::/a.slice/b:c\n"), "/a.slice/b:c");
        EXPECT_EQ(cgroup_path("4:memory:/x\n1:name=systemd:/y\n0::/z\n"), "/z");
        EXPECT_EQ(cgroup_path("10::/x\n"), "none");
        EXPECT_EQ(cgroup_path("4:memory:/0::/x\n"), "none");
        EXPECT_EQ(cgroup_path("0::/cut"), "none");
        EXPECT_EQ(cgroup_path(""), "none");
}

TEST(ProcFile, ReadIsCutAtTheBuffer)
{
        char text[5] = "xxxx";

        EXPECT_EQ(read_text_at(AT_FDCWD, "/proc/self/comm", text, sizeof text), 4);
        EXPECT_STREQ(text, "proc");
        EXPECT_EQ(read_text_at(AT_FDCWD, "/proc/self/there-is-no-such", text, sizeof text), -ENOENT);
        EXPECT_EQ(read_text_at(AT_FDCWD, "/proc/self", text, sizeof text), -EISDIR);
}

} // namespace
