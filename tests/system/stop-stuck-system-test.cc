/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "stop-fixture.h"

/* Tasks with a process that the kernel cannot kill: it waits for a file system that does not answer. */

static const std::string DEVICE = "/srv/stop-fuse", HUNG = "/srv/stop-hung";

/* A file system that never answers a request, as long as it lives. */
class HungFileSystem
{
      public:
        ~HungFileSystem()
        {
                release();
                (void) umount2(HUNG.c_str(), MNT_DETACH);
                (void) rmdir(HUNG.c_str());
                (void) unlink(DEVICE.c_str());
        }

        bool mount()
        {
                const dev_t fuse = makedev(10, 229);

                (void) mkdir(HUNG.c_str(), 0755);
                (void) mknod(DEVICE.c_str(), S_IFCHR | 0600, fuse);
                fd = open(DEVICE.c_str(), O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        return false;

                const std::string options =
                                "fd=" + std::to_string(fd) + ",rootmode=40000,user_id=0,group_id=0";
                return ::mount("hung", HUNG.c_str(), "fuse", 0, options.c_str()) == 0 && answer_first();
        }

        /* What the kernel has handed over it cannot take back, so that its process waits for the answer,
         * whatever comes. */
        bool take_request() const
        {
                struct pollfd p = { fd, POLLIN, 0 };
                char request[FUSE_MIN_READ_BUFFER];

                return poll(&p, 1, (int) std::chrono::milliseconds(DEADLINE).count()) == 1 &&
                                read(fd, request, sizeof request) > 0;
        }

        /* All requests fail. */
        void release()
        {
                if (fd >= 0)
                        (void) close(fd);
                fd = -1;
        }

      private:
        /* The kernel wants to know whom it talks to before it sends anything else. */
        bool answer_first() const
        {
                struct {
                        struct fuse_out_header header;
                        struct fuse_init_out init;
                } answer = {};
                struct {
                        struct fuse_in_header header;
                        char rest[FUSE_MIN_READ_BUFFER];
                } request;

                if (read(fd, &request, sizeof request) < (ssize_t) sizeof request.header ||
                                request.header.opcode != FUSE_INIT)
                        return false;

                answer.header.len = sizeof answer;
                answer.header.unique = request.header.unique;
                answer.init.major = FUSE_KERNEL_VERSION;
                answer.init.minor = FUSE_KERNEL_MINOR_VERSION;
                answer.init.max_write = 4096;
                return write(fd, &answer, sizeof answer) == sizeof answer;
        }

        int fd = -1;
};

class StopStuck : public StopTest
{
      protected:
        void SetUp() override
        {
                StopTest::SetUp();
                if (!hung.mount())
                        GTEST_SKIP() << "machine: has no FUSE";
        }

        void TearDown() override
        {
                hung.release();
                StopTest::TearDown();
        }

        /* The process waits for an answer, and SIGKILL will not change that. */
        static bool is_stuck(const Process &process)
        {
                return eventually([&] {
                        return read_file("/proc/" + std::to_string(process.pid) + "/wchan") ==
                                        "request_wait_answer";
                });
        }

        HungFileSystem hung;
};

TEST_F(StopStuck, AStragglerDelaysTheScopeButNotTheStatus)
{
        ASSERT_TRUE(start_ready(script("trap 'exit 7' TERM; stat " + HUNG +
                        "/file >/dev/null 2>&1 &"
                        "echo ready; while :; do sleep 0.02; done")
                                                .set("StopSignal", "SIGTERM")));
        ASSERT_TRUE(hung.take_request());
        ASSERT_TRUE(is_stuck(child));

        ASSERT_TRUE(stop(id, "", UINT64_MAX).ok());
        EXPECT_EQ(wait_end(), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_FALSE(child.has_ended()) << "what was to be in the way was not";
        EXPECT_EQ(child.state(), 'D');
        EXPECT_TRUE(exists(cgroup_of(id)));

        hung.release();
        EXPECT_TRUE(eventually([&] { return child.has_ended(); }));
}

TEST_F(StopStuck, TheMainProcessEndsWhenTheKernelIsThroughWithIt)
{
        ASSERT_TRUE(start_ready(script("sleep 1000 & echo ready; exec stat " + HUNG + "/file")));
        ASSERT_TRUE(hung.take_request());
        ASSERT_TRUE(is_stuck(main));

        ASSERT_TRUE(stop(id, "", 0).ok());
        EXPECT_EQ(client.property(path, "State"), "stopping");
        EXPECT_TRUE(eventually([&] { return main.state() == 'D'; })) << main.state();
        hung.release();
        EXPECT_EQ(wait_end(), (Exit{ "signal", 137, 9, false }));
}
