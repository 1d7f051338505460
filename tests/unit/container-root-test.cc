/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-root.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <list>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "bus-error.h"
#include "cleanup.h"
#include "state-file.h"

namespace
{

/* A folder with "root", the container's, and what lies beside it on the host. */
class ContainerRootTest : public testing::Test
{
      protected:
        void SetUp() override
        {
                char name[] = "/tmp/container-root-test-XXXXXX";
                char real[PATH_MAX];

                ASSERT_NE(mkdtemp(name), nullptr);
                ASSERT_NE(realpath(name, real), nullptr);
                folder = real;
                root_path = folder + "/root";
                ASSERT_EQ(mkdir(root_path.c_str(), 0755), 0);
                isolation.root_directory = root_path.data();
        }

        void TearDown() override
        {
                container_root_clear(&root);
                sd_bus_error_free(&error);
                g_clear_pointer(&isolation.mounts, g_ptr_array_unref);
                g_clear_pointer(&isolation.devices, g_ptr_array_unref);
                (void) remove_tree_at(AT_FDCWD, folder.c_str());
        }

        /* An executable file with its own path as its text; folders above it are made. NAME is one of the
         * folder's. */
        void file(const std::string &name, mode_t mode = 0755) const
        {
                std::string path = folder + "/" + name;

                parent(name);
                std::ofstream(path) << name;
                ASSERT_EQ(chmod(path.c_str(), mode), 0);
        }

        void directory(const std::string &name) const
        {
                ASSERT_EQ(g_mkdir_with_parents((folder + "/" + name).c_str(), 0755), 0);
        }

        void parent(const std::string &name) const
        {
                if (name.find('/') != std::string::npos)
                        directory(name.substr(0, name.rfind('/')));
        }

        void link(const std::string &name, const std::string &target) const
        {
                parent(name);
                ASSERT_EQ(symlink(target.c_str(), (folder + "/" + name).c_str()), 0);
        }

        void bind(GPtrArray **list, const std::string &source, const std::string &destination)
        {
                bindings.push_back({ folder + "/" + source, destination, {} });

                Bound &bound = bindings.back();

                bound.binding = { bound.source.data(), bound.destination.data(), empty };
                if (!*list)
                        *list = g_ptr_array_new();
                g_ptr_array_add(*list, &bound.binding);
        }

        void mount(const std::string &source, const std::string &destination)
        {
                bind(&isolation.mounts, source, destination);
        }

        void open_root()
        {
                ASSERT_EQ(container_root_open(&isolation, &root, &error), 0) << error.message;
        }

        /* What is at PATH, as a name in the folder, or the error's text. */
        std::string resolved(const std::string &path)
        {
                _cleanup_close_ int fd = -1;
                char target[PATH_MAX];

                if (!root.trees)
                        open_root();

                int r = container_root_resolve(&root, path.c_str(), &fd);

                if (r < 0)
                        return g_strerror(-r);

                ssize_t n = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
                std::string found(target, n < 0 ? 0 : (size_t) n);

                return found.rfind(folder, 0) == 0 ? found.substr(folder.size() + 1) : found;
        }

        /* Where COMMAND is in the container, or "error's name: message". */
        std::string command(const std::string &name, const char *path = nullptr)
        {
                char *environment[] = { const_cast<char *>(path), nullptr };
                g_autofree char *found = nullptr;

                if (!root.trees)
                        open_root();
                sd_bus_error_free(&error);
                if (container_root_find_command(&root, name.c_str(), environment, &found, &error) < 0)
                        return std::string(error.name) + ": " + error.message;

                return found;
        }

        std::string not_found(const std::string &text) const
        {
                return std::string(BUS_ERROR_COMMAND_NOT_FOUND) + ": file " + text;
        }

        /* What container_root_open() says. */
        std::string refusal()
        {
                sd_bus_error_free(&error);
                EXPECT_LT(container_root_open(&isolation, &root, &error), 0);
                return error.name ? std::string(error.name) + ": " + error.message : "";
        }

        std::string invalid(const std::string &text) const
        {
                return std::string(BUS_ERROR_INVALID_SPEC) + ": " + text;
        }

        std::string folder, root_path;
        Isolation isolation = {};
        ContainerRoot root = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;

      private:
        struct Bound {
                std::string source, destination;
                Binding binding;
        };

        std::list<Bound> bindings;
        char empty[1] = "";
};

const std::string missing = g_strerror(ENOENT), leads_out = g_strerror(EXDEV), looped = g_strerror(ELOOP),
                  no_directory = g_strerror(ENOTDIR);

TEST_F(ContainerRootTest, PathWithoutLinks)
{
        file("root/a/b/file");

        EXPECT_EQ(resolved("/a/b/file"), "root/a/b/file");
        EXPECT_EQ(resolved("a/b/file"), "root/a/b/file");
        EXPECT_EQ(resolved("//a/./b//file"), "root/a/b/file");
        EXPECT_EQ(resolved("/a/b"), "root/a/b");
        EXPECT_EQ(resolved("/a/b/"), "root/a/b");
        EXPECT_EQ(resolved("/"), "root");
        EXPECT_EQ(resolved(""), "root");
}

TEST_F(ContainerRootTest, WhatIsNotThere)
{
        file("root/a/file");
        file("outside");
        link("root/dangling", "nowhere");

        EXPECT_EQ(resolved("/b"), missing);
        EXPECT_EQ(resolved("/b/c"), missing);
        EXPECT_EQ(resolved("/b/../a"), missing);
        EXPECT_EQ(resolved("/dangling"), missing);
        EXPECT_EQ(resolved("/a/file/c"), no_directory);
        /* it is there on the host */
        EXPECT_EQ(resolved(folder + "/outside"), missing);
}

TEST_F(ContainerRootTest, RelativeLinks)
{
        file("root/a/b/file");
        link("root/a/sibling", "b/file");
        link("root/a/b/parent", "../b/file");
        link("root/a/b/up", "../..");
        link("root/directory", "a/b");

        EXPECT_EQ(resolved("/a/sibling"), "root/a/b/file");
        EXPECT_EQ(resolved("/a/b/parent"), "root/a/b/file");
        EXPECT_EQ(resolved("/a/b/up"), "root");
        EXPECT_EQ(resolved("/directory/file"), "root/a/b/file");
        EXPECT_EQ(resolved("/directory/parent"), "root/a/b/file");
        /* as the kernel does it: of where the link leads to, not of where it is */
        EXPECT_EQ(resolved("/directory/.."), "root/a");
}

TEST_F(ContainerRootTest, AbsoluteLinksBeginAtTheRoot)
{
        file("root/etc/file");
        file("etc/file");
        link("root/a/b/link", "/etc/file");
        link("root/a/everything", "/");
        link("root/chain", "/a/everything/a/b/link");

        EXPECT_EQ(resolved("/a/b/link"), "root/etc/file");
        EXPECT_EQ(resolved("/a/everything"), "root");
        EXPECT_EQ(resolved("/a/everything/etc/file"), "root/etc/file");
        EXPECT_EQ(resolved("/chain"), "root/etc/file");
}

TEST_F(ContainerRootTest, NothingLeadsOut)
{
        file("outside");
        directory("root/a");
        link("root/up", "../outside");
        link("root/a/up", "../../outside");
        link("root/a/above", "/..");
        link("root/a/far", "../../../../../../../../../../etc");
        link("root/host", folder + "/outside");

        EXPECT_EQ(resolved(".."), leads_out);
        EXPECT_EQ(resolved("/../outside"), leads_out);
        EXPECT_EQ(resolved("/a/../../outside"), leads_out);
        EXPECT_EQ(resolved("/up"), leads_out);
        EXPECT_EQ(resolved("/a/up"), leads_out);
        EXPECT_EQ(resolved("/a/above"), leads_out);
        EXPECT_EQ(resolved("/a/far"), leads_out);
        EXPECT_EQ(resolved("/host"), missing);
        EXPECT_EQ(resolved("/a/.."), "root");
}

TEST_F(ContainerRootTest, Loops)
{
        link("root/self", "self");
        link("root/one", "two");
        link("root/two", "/one");
        link("root/deeper", "deeper/deeper");

        EXPECT_EQ(resolved("/self"), looped);
        EXPECT_EQ(resolved("/one"), looped);
        EXPECT_EQ(resolved("/two/below"), looped);
        EXPECT_EQ(resolved("/deeper"), looped);
}

TEST_F(ContainerRootTest, AsManyLinksAsTheKernelFollows)
{
        std::string last = std::to_string(CONTAINER_SYMLINKS_MAX);

        file("root/0");
        for (unsigned i = 1; i <= CONTAINER_SYMLINKS_MAX + 1; i++)
                link("root/" + std::to_string(i), std::to_string(i - 1));

        EXPECT_EQ(access((root_path + "/" + last).c_str(), F_OK), 0);
        EXPECT_EQ(access((root_path + "/" + std::to_string(CONTAINER_SYMLINKS_MAX + 1)).c_str(), F_OK), -1);
        EXPECT_EQ(resolved("/" + last), "root/0");
        EXPECT_EQ(resolved("/" + std::to_string(CONTAINER_SYMLINKS_MAX + 1)), looped);
}

TEST_F(ContainerRootTest, ReadsRegularFilesOnly)
{
        FILE *opened = nullptr;

        file("root/etc/passwd");
        file("outside");
        directory("root/directory");
        link("root/link", "/etc/passwd");
        link("root/out", "../outside");
        ASSERT_EQ(mkfifo((root_path + "/fifo").c_str(), 0644), 0);
        open_root();

        /* or a FIFO would be waited for */
        _cleanup_close_ int both_ends = open((root_path + "/fifo").c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);

        ASSERT_GE(both_ends, 0);
        for (const char *path : { "/directory", "/fifo", "/nothing", "/etc/passwd/below" })
                EXPECT_EQ(container_root_read_file(&root, path, 100, &opened), -ENOENT) << path;
        EXPECT_EQ(container_root_read_file(&root, "/out", 100, &opened), -EXDEV);
        EXPECT_EQ(opened, nullptr);

        char text[64] = "";

        ASSERT_EQ(container_root_read_file(&root, "/link", 100, &opened), 0);
        EXPECT_STREQ(fgets(text, sizeof text, opened), "root/etc/passwd");
        EXPECT_EQ(fgets(text, sizeof text, opened), nullptr);
        (void) fclose(opened);
}

/* The task may do with its file what it likes, and the service neither waits nor reads without end. */
TEST_F(ContainerRootTest, ReadsNoMoreThanAllowed)
{
        const size_t size = strlen("root/file");
        FILE *opened = nullptr;

        file("root/file");
        file("root/sparse");
        file("root/empty");
        ASSERT_EQ(truncate((root_path + "/sparse").c_str(), (off_t) 1 << 40), 0);
        ASSERT_EQ(truncate((root_path + "/empty").c_str(), 0), 0);
        open_root();
        EXPECT_EQ(container_root_read_file(&root, "/sparse", 4096, &opened), -EFBIG);
        EXPECT_EQ(container_root_read_file(&root, "/file", size - 1, &opened), -EFBIG);
        EXPECT_EQ(container_root_read_file(&root, "/empty", 4096, &opened), -ENOENT);
        EXPECT_EQ(opened, nullptr);
        ASSERT_EQ(container_root_read_file(&root, "/file", size, &opened), 0);
        (void) fclose(opened);
}

TEST_F(ContainerRootTest, CommandThatNobodyMayExecute)
{
        file("root/command");
        open_root();
        ASSERT_EQ(chmod((root_path + "/command").c_str(), 0666), 0);
        EXPECT_LT(container_root_check_command(&root, "/command", &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_EXEC_FAILED);
        EXPECT_STREQ(error.message, "Cannot execute '/command': Permission denied");
        for (mode_t mode : { 0100, 0010, 0001 }) {
                ASSERT_EQ(chmod((root_path + "/command").c_str(), mode), 0);
                EXPECT_EQ(container_root_check_command(&root, "/command", nullptr), 0) << mode;
        }
}

TEST_F(ContainerRootTest, DoesNotWaitForALease)
{
        FILE *opened = nullptr;

        file("root/file");
        open_root();
        _cleanup_close_ int fd = open((root_path + "/file").c_str(), O_RDWR | O_CLOEXEC);
        ASSERT_GE(fd, 0);
        auto before = signal(SIGIO, SIG_IGN);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
                GTEST_SKIP() << "NOT TESTED: the file system of " << root_path << " has no leases";
        EXPECT_EQ(container_root_read_file(&root, "/file", 4096, &opened), -EBUSY);
        EXPECT_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
        ASSERT_EQ(container_root_read_file(&root, "/file", 4096, &opened), 0);
        (void) fclose(opened);
        (void) signal(SIGIO, before);
}

TEST_F(ContainerRootTest, RootThatCannotBeOpened)
{
        file("file");

        std::string file_path = folder + "/file", none = folder + "/none";

        isolation.root_directory = none.data();
        EXPECT_EQ(refusal(), invalid("RootDirectory '" + none + "' cannot be opened: " + missing));
        isolation.root_directory = file_path.data();
        EXPECT_EQ(refusal(), invalid("RootDirectory '" + file_path + "' cannot be opened: " + no_directory));
        isolation.root_directory = nullptr;
        isolation.task_directory = none.data();
        EXPECT_EQ(refusal(), invalid("TaskDirectory '" + none + "' cannot be opened: " + missing));
        EXPECT_EQ(root.trees, nullptr);
}

TEST_F(ContainerRootTest, MountsHideWhatTheyCover)
{
        file("root/data/below");
        file("root/data/inner/below");
        file("host/file");
        file("inner/file");
        file("single");
        mount("host", "/data");
        mount("inner", "/data/inner/");
        mount("single", "/etc/single");

        EXPECT_EQ(resolved("/data"), "host");
        EXPECT_EQ(resolved("/data/file"), "host/file");
        EXPECT_EQ(resolved("/data/below"), missing);
        EXPECT_EQ(resolved("/data/inner"), "inner");
        EXPECT_EQ(resolved("/data/inner/file"), "inner/file");
        EXPECT_EQ(resolved("/data/.."), "root");
        EXPECT_EQ(resolved("/etc/single"), "single");
        /* the runtime makes it */
        EXPECT_EQ(resolved("/etc/../data/file"), "host/file");
}

TEST_F(ContainerRootTest, OfTwoMountsAtOnePlaceTheLastIsSeen)
{
        file("first/file");
        file("second/file");
        mount("first", "/data");
        mount("second", "/data");

        EXPECT_EQ(resolved("/data/file"), "second/file");
}

TEST_F(ContainerRootTest, MountAboveAnEarlierOneCoversIt)
{
        file("first/file");
        directory("second/inner");
        mount("first", "/data/inner");
        mount("second", "/data");

        EXPECT_EQ(resolved("/data/inner"), "second/inner");
        EXPECT_EQ(resolved("/data/inner/file"), missing);
}

TEST_F(ContainerRootTest, NameThatOnlyBeginsLikeAMount)
{
        file("root/database/file");
        file("host/file");
        mount("host", "/data");

        EXPECT_EQ(resolved("/database/file"), "root/database/file");
}

TEST_F(ContainerRootTest, LinksInAMountAreThoseOfTheContainer)
{
        file("root/etc/file");
        file("etc/file");
        file("host/file");
        link("host/absolute", "/etc/file");
        link("host/back", "../etc/file");
        link("host/out", "../../outside");
        mount("host", "/data");

        EXPECT_EQ(resolved("/data/absolute"), "root/etc/file");
        EXPECT_EQ(resolved("/data/back"), "root/etc/file");
        EXPECT_EQ(resolved("/data/out"), leads_out);
}

TEST_F(ContainerRootTest, MountOverALinkIsWhereTheLinkLeads)
{
        file("root/usr/bin/tool");
        file("host/file");
        file("single");
        link("root/bin", "usr/bin");
        link("root/var/run", "/run");
        mount("single", "/bin/tool");
        mount("host", "/var/run/made/by/runtime");

        EXPECT_EQ(resolved("/bin/tool"), "single");
        EXPECT_EQ(resolved("/usr/bin/tool"), "single");
        EXPECT_EQ(resolved("/run/made/by/runtime/file"), "host/file");
        EXPECT_EQ(resolved("/var/run/made/by/runtime/file"), "host/file");
        EXPECT_EQ(command("/bin/tool"), "/bin/tool");
}

TEST_F(ContainerRootTest, SourceThatIsNotThereIsLeftToTheRuntime)
{
        file("root/data/file");
        mount("nothing", "/data");

        EXPECT_EQ(resolved("/data/file"), "root/data/file");
}

TEST_F(ContainerRootTest, DestinationThatLeadsOut)
{
        directory("host");
        link("root/out", "../host");
        mount("host", "/out/data");
        EXPECT_EQ(refusal(), invalid("Mounts has the destination '/out/data', which leads out of the root"));

        g_clear_pointer(&isolation.mounts, g_ptr_array_unref);
        bind(&isolation.devices, "host", "/out/null");
        EXPECT_EQ(refusal(),
                        invalid("Devices has the destination '/out/null', which leads out of the root"));
}

TEST_F(ContainerRootTest, TaskDirectoryHasTheHostsPrograms)
{
        file("root/usr/bin/env");
        file("root/local/tool");
        isolation.task_directory = root_path.data();
        isolation.root_directory = nullptr;

        /* the host's covers the task's */
        EXPECT_EQ(resolved("/usr"), "/usr");
        EXPECT_EQ(command("env"), "/usr/bin/env");
        EXPECT_EQ(command("tool"), "/local/tool");
        EXPECT_EQ(resolved("/root"), missing);
}

/* --- the order is that of Nomad's TestExecutor_LookupTaskBin --- */

TEST_F(ContainerRootTest, NameIsLookedUpInNomadsOrder)
{
        const std::vector<std::string> order = { "/local/tool", "/tool", "/usr/local/bin/tool",
                "/usr/bin/tool", "/bin/tool", "/opt/first/tool", "/opt/second/tool" };

        for (const auto &path : order)
                file("root" + path);
        for (const auto &path : order) {
                EXPECT_EQ(command("tool", "PATH=/opt/first:/opt/second"), path);
                ASSERT_EQ(unlink((root_path + path).c_str()), 0);
        }

        EXPECT_EQ(command("tool", "PATH=/opt/first:/opt/second"), not_found("tool not found under path"));
}

TEST_F(ContainerRootTest, PathWithASlashIsOfLocalOrOfTheRoot)
{
        file("root/usr/bin/a/tool");
        file("root/a/tool");
        file("root/local/a/tool");

        EXPECT_EQ(command("a/tool", "PATH=/usr/bin"), "/local/a/tool");
        EXPECT_EQ(command("/a/tool", "PATH=/usr/bin"), "/local/a/tool");
        ASSERT_EQ(unlink((root_path + "/local/a/tool").c_str()), 0);
        EXPECT_EQ(command("a/tool", "PATH=/usr/bin"), "/a/tool");
        EXPECT_EQ(command("/a/tool", "PATH=/usr/bin"), "/a/tool");
        EXPECT_EQ(command("local/a/none"), not_found("local/a/none not found under path " + root_path));
        ASSERT_EQ(unlink((root_path + "/a/tool").c_str()), 0);
        EXPECT_EQ(command("a/tool", "PATH=/usr/bin"), not_found("a/tool not found under path " + root_path));
}

TEST_F(ContainerRootTest, SearchPathOfTheServiceDoesNotCount)
{
        g_autofree char *before = g_strdup(getenv("PATH"));

        file("root/service/tool");
        directory("root/other");
        ASSERT_TRUE(g_setenv("PATH", "/service", TRUE));
        EXPECT_EQ(command("tool"), not_found("tool not found under path"));
        EXPECT_EQ(command("tool", "PATH="), not_found("tool not found under path"));
        EXPECT_EQ(command("tool", "PATH=/nothing:/other"), not_found("tool not found under path"));
        EXPECT_EQ(command("tool", "PATH=/nothing:/other:/service"), "/service/tool");
        ASSERT_TRUE(g_setenv("PATH", before ? before : "", TRUE));
}

TEST_F(ContainerRootTest, DirectoriesAndTheLikeArePassedOver)
{
        directory("root/local/tool");
        link("root/tool", "nowhere");
        file("root/usr/local/bin", 0644); /* no directory */
        ASSERT_EQ(g_mkdir_with_parents((root_path + "/usr/bin").c_str(), 0755), 0);
        ASSERT_EQ(mkfifo((root_path + "/usr/bin/tool").c_str(), 0755), 0);
        file("root/bin/tool");

        EXPECT_EQ(command("tool"), "/bin/tool");
        ASSERT_EQ(unlink((root_path + "/bin/tool").c_str()), 0);
        EXPECT_EQ(command("tool"), not_found("tool not found under path"));
        EXPECT_EQ(command("/usr"), not_found("/usr not found under path " + root_path));
}

/* As with Nomad, the first is taken; the runtime says that it may not be executed. */
TEST_F(ContainerRootTest, FileThatIsNotExecutableIsTaken)
{
        file("root/local/tool", 0644);
        file("root/usr/bin/tool");

        EXPECT_EQ(command("tool"), "/local/tool");
}

TEST_F(ContainerRootTest, CommandIsNamedAsItWasFound)
{
        file("root/usr/bin/real");
        link("root/usr/bin/tool", "/usr/bin/real");
        link("root/bin", "usr/bin");

        EXPECT_EQ(command("tool"), "/usr/bin/tool");
        EXPECT_EQ(command("/bin/tool"), "/bin/tool");
}

TEST_F(ContainerRootTest, CommandOutsideIsRefused)
{
        file("tool");
        link("root/usr/bin/tool", "../../../tool");
        link("root/usr/bin/loop", "loop");

        EXPECT_EQ(command("tool"), invalid("Command '/usr/bin/tool' leads out of the root"));
        EXPECT_EQ(command("../tool"), invalid("Command '/../tool' leads out of the root"));
        EXPECT_EQ(command("loop"),
                        std::string(BUS_ERROR_EXEC_FAILED) + ": Cannot look up '/usr/bin/loop': " + looped);
}

} // namespace
