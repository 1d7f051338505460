/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cstdio>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "session.h"

inline const std::string TASK_DIRECTORY = "/srv/isolation-task";
inline const std::string ROOT = "/srv/isolation-root";
inline const std::string SHARED = "/srv/isolation-shared";

inline std::string trim(std::string text)
{
        while (!text.empty() && text.back() == '\n')
                text.pop_back();
        return text;
}

inline std::string inode(const std::string &path)
{
        struct stat st = {};

        EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
        return std::to_string(st.st_ino);
}

inline void write_file(const std::string &path, const std::string &text)
{
        FILE *file = fopen(path.c_str(), "we");

        ASSERT_NE(file, nullptr) << path;
        EXPECT_GE(fputs(text.c_str(), file), 0);
        EXPECT_EQ(fclose(file), 0);
}

/* Tasks in containers, by each of the runtimes. Names of tests that begin with "Test" are those of Nomad's,
 * see docs/conformance.md. */
class Isolation : public SessionTest, public testing::WithParamInterface<std::string>
{
      protected:
        static void SetUpTestSuite()
        {
                /* "ip" makes a mount for all of them with the first */
                ASSERT_EQ(run({ "ip", "netns", "add", "first" }).status, 0);
                ASSERT_EQ(run({ "ip", "netns", "del", "first" }).status, 0);
                ASSERT_EQ(run({ "/bin/sh", "-ec",
                                              "rm -rf /srv/isolation-*\n"
                                              "mkdir -p " + TASK_DIRECTORY +
                                                              "/local " + ROOT + "/bin " + ROOT + "/etc " +
                                                              ROOT + "/tmp " + SHARED +
                                                              "\n"
                                                              "chmod 1777 " +
                                                              TASK_DIRECTORY + "/local " + ROOT + "/tmp " +
                                                              SHARED +
                                                              "\n"
                                                              "cp /bin/busybox " +
                                                              ROOT +
                                                              "/bin/busybox\n"
                                                              "for name in sh cat id sleep; do ln -s busybox " +
                                                              ROOT +
                                                              "/bin/$name; done\n"
                                                              "echo alien:x:4711:4712::/home/alien:/bin/sh >" +
                                                              ROOT +
                                                              "/etc/passwd\n"
                                                              "printf 'main:x:4712:\\nmore:x:4713:other,alien\\nnot:x:4714:other\\n' >" +
                                                              ROOT + "/etc/group\n" })
                                                .status,
                                0);
        }

        void SetUp() override
        {
                SessionTest::SetUp();
                mounts_before = read_file("/proc/self/mountinfo");
        }

        /* Whatever a test does: nothing is mounted on the host that was not, and no bundle is left of what
         * has ended. */
        void TearDown() override
        {
                SessionTest::TearDown();
                EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts_before);
                EXPECT_EQ(run({ "find", "/run/nomad-executor", "-name", "container" }).text, "");
        }

        static Spec contained(const std::string &command, const std::vector<std::string> &arguments = {})
        {
                return Spec().set("Command", command)
                                .set("Arguments", arguments)
                                .set("Isolation", "container")
                                .set("Runtime", GetParam());
        }

        static std::string runtime_name()
        {
                return GetParam().substr(GetParam().rfind('/') + 1);
        }

        /* With the host's programs. */
        static Spec task(const std::string &script)
        {
                return contained("sh", { "-c", script }).set("TaskDirectory", TASK_DIRECTORY);
        }

        /* With a root of its own. */
        static Spec rooted(const std::string &script)
        {
                return contained("sh", { "-c", script }).set("RootDirectory", ROOT);
        }

        /* What it prints. */
        std::string output_of(const Spec &spec)
        {
                start(id, spec);
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false })) << read_file(log_of(id, "stderr"));
                std::string text = read_file(log_of(id, "stdout"));
                release(id);
                EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + label_of(id) }).status, 0);
                return text;
        }

        /* The error's name and message; nothing is left. */
        std::string start_error(const Spec &spec)
        {
                Reply reply = client.start_task(id, spec);

                EXPECT_FALSE(reply.ok());
                expect_nothing_left(id);
                EXPECT_EQ(run({ "pgrep", "-c", "nomad-superviso" }).text, "0\n");
                return short_name(reply.error) + ": " + reply.text;
        }

        void start_sleeping(Spec spec = Spec())
        {
                start(id,
                                spec.set("Command", "sleep")
                                                .set("Arguments", std::vector<std::string>{ "infinity" })
                                                .set("Isolation", "container")
                                                .set("Runtime", GetParam())
                                                .set("TaskDirectory", TASK_DIRECTORY));
        }

        std::string proc()
        {
                return "/proc/" + client.property(path, "MainPID");
        }

        static std::string status_field(const std::string &text, const std::string &key)
        {
                for (const auto &line : lines_of(text))
                        if (line.rfind(key + ":\t", 0) == 0)
                                return line.substr(key.size() + 2);
                return "no " + key + " in " + text;
        }

        /* A mask as the kernel prints it, of what is left of it on this system. */
        static std::string mask(uint64_t wanted)
        {
                std::string own = status_field(read_file("/proc/1/status"), "CapBnd");
                char text[32];

                (void) snprintf(text, sizeof text, "%016llx",
                                (unsigned long long) (wanted & std::stoull(own, nullptr, 16)));
                return text;
        }

        static std::vector<std::string> masks(const std::string &status)
        {
                std::vector<std::string> found;

                for (std::string set : { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" })
                        found.push_back(status_field(status, set));
                return found;
        }

      private:
        std::string mounts_before;
};

inline std::string runtime_name(const testing::TestParamInfo<std::string> &info)
{
        return info.param.substr(info.param.rfind('/') + 1);
}
