/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>

#include "cleanup.h"
#include "process.h"
#include "state-file.h"

namespace
{

/* The readers take a directory descriptor, so that a directory of plain files can stand in for a cgroup. */
class CgroupFiles : public testing::Test
{
      protected:
        void SetUp() override
        {
                char path[] = "/tmp/cgroup-test-XXXXXX";

                ASSERT_NE(mkdtemp(path), nullptr);
                dir = path;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ASSERT_GE(fd, 0);
        }

        void TearDown() override
        {
                (void) close(fd);
                EXPECT_GE(remove_tree_at(AT_FDCWD, dir.c_str()), 0);
        }

        void write_text(const char *name, const char *text)
        {
                std::ofstream file(dir + "/" + name);

                file << text;
                file.close();
                ASSERT_TRUE(file.good());
        }

        std::string dir;
        int fd = -1;
};

TEST_F(CgroupFiles, KillWritesOneAndToleratesAbsence)
{
        g_autofree char *text = nullptr;

        EXPECT_EQ(cgroup_kill(fd), 0);
        EXPECT_NE(access((dir + "/cgroup.kill").c_str(), F_OK), 0) << "must not create the file";
        write_text("cgroup.kill", "");
        EXPECT_EQ(cgroup_kill(fd), 0);
        ASSERT_EQ(read_file_at(fd, "cgroup.kill", 100, &text, nullptr), 0);
        EXPECT_STREQ(text, "1");
}

TEST(Cgroup, OneThatIsGone)
{
        int fd = -1;

        EXPECT_EQ(cgroup_open("/nomad.slice/there-is-no-such.scope", &fd), -ENOENT);
        EXPECT_EQ(fd, -1);
}

TEST(Cgroup, PathsBelowAPath)
{
        EXPECT_TRUE(cgroup_contains("/a.slice/b.scope", "/a.slice/b.scope"));
        EXPECT_TRUE(cgroup_contains("/a.slice/b.scope", "/a.slice/b.scope/task/run-1"));
        EXPECT_FALSE(cgroup_contains("/a.slice/b.scope", "/a.slice/b.scope2"));
        EXPECT_FALSE(cgroup_contains("/a.slice/b.scope", "/a.slice"));
        EXPECT_FALSE(cgroup_contains("/a.slice/b.scope", "/"));
}

/* A directory that names a process which is none of the cgroup's, as a pid would that has become somebody
 * else's. */
TEST_F(CgroupFiles, ProcessOfAnotherCgroupIsNotSignalled)
{
        pid_t child = fork();

        ASSERT_GE(child, 0);
        if (child == 0) {
                (void) pause();
                _exit(0);
        }
        write_text("cgroup.procs", (std::to_string(child) + "\n").c_str());
        EXPECT_EQ(cgroup_signal(fd, "/nomad.slice/there-is-no-such.scope", SIGKILL), -ESRCH);
        EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "it lives";

        g_autofree char *own = nullptr;
        ASSERT_EQ(process_cgroup(child, &own), 0);
        EXPECT_EQ(cgroup_signal(fd, own, SIGKILL), 0) << "and passes end although it stays in the list";
        EXPECT_EQ(waitpid(child, nullptr, 0), child);
        EXPECT_EQ(cgroup_signal(fd, own, SIGKILL), -ESRCH) << "gone";
}

} // namespace
